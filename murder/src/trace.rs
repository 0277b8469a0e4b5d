//! Trace fields: what this site adds to the top of a message (RFC 5321 4.4).
//!
//! Whatever came from a peer passes through a filter that leaves only what a field may hold (safety row E4).

use std::net::IpAddr;

use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use mail_wire::Escaped;

/// How a message came in: the `with` of `Received` (RFC 3848).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct With {
    /// `SMTP`, `ESMTP` or `LMTP`.
    pub protocol: &'static str,
    /// Under TLS.
    pub tls: bool,
    /// After a login.
    pub authenticated: bool,
}

/// One hop of a message.
#[derive(Debug, Clone)]
pub struct Hop<'a> {
    /// What the client called itself.
    pub hello: Option<&'a str>,
    /// Its address.
    pub peer: IpAddr,
    /// This host.
    pub by: &'a str,
    /// How it came.
    pub with: With,
    /// The id by which this host knows it.
    pub id: Option<&'a str>,
    /// The recipient, when there is one only.
    pub recipient: Option<&'a str>,
}

impl With {
    /// The registered word: `ESMTPSA`, `LMTPS`, `SMTP`.
    #[must_use]
    pub fn word(self) -> String {
        let mut word = self.protocol.to_owned();
        // Plain SMTP knows neither TLS nor logins (RFC 3848 1).
        if self.protocol != "SMTP" {
            word.push_str(if self.tls { "S" } else { "" });
            word.push_str(if self.authenticated { "A" } else { "" });
        }
        word
    }
}

impl Hop<'_> {
    /// The `Received` field, with its CRLF.
    #[must_use]
    pub fn received(&self, now: Timestamp) -> String {
        let hello = self.hello.map_or_else(|| "unknown".to_owned(), clean);
        let address = match self.peer.to_canonical() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        let id = self.id.map(|id| format!(" id {}", clean(id))).unwrap_or_default();
        let recipient = self.recipient.map(|to| format!("\r\n\tfor <{}>", clean(to))).unwrap_or_default();
        format!(
            "Received: from {hello} ({address})\r\n\tby {} with {}{id}{recipient};\r\n\t{}\r\n",
            self.by,
            self.with.word(),
            date(now)
        )
    }
}

/// A date as header fields have it (RFC 5322 3.3), in UTC.
#[must_use]
pub fn date(now: Timestamp) -> String {
    rfc2822::to_string(&now.to_zoned_datetime(TimeZone::UTC))
        .unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned())
}

/// A peer's word for a header field: printable, without what would end a comment, a path or the field.
fn clean(word: &str) -> String {
    let escaped = Escaped::new(word).to_string();
    escaped
        .chars()
        .map(|c| if matches!(c, '(' | ')' | ';' | '<' | '>' | '\\' | ' ') { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_received_field_says_from_by_with_id_for_and_when() {
        let hop = Hop {
            hello: Some("client.test"),
            peer: "192.0.2.1".parse().unwrap(),
            by: "mail.example.test",
            with: With { protocol: "ESMTP", tls: true, authenticated: true },
            id: Some("7f"),
            recipient: Some("carol@example.test"),
        };
        let expected = "Received: from client.test ([192.0.2.1])\r\n\tby mail.example.test with ESMTPSA id 7f\r\n\tfor \
                        <carol@example.test>;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n";
        assert_eq!(hop.received(Timestamp::UNIX_EPOCH), expected);
    }

    #[test]
    fn e4_a_peer_s_words_add_no_field() {
        let hop = Hop {
            hello: Some("x)\r\nSubject: y"),
            peer: "::1".parse().unwrap(),
            by: "b",
            with: With { protocol: "SMTP", tls: true, authenticated: false },
            id: None,
            recipient: Some("a>;\r\nX: y"),
        };
        let field = hop.received(Timestamp::UNIX_EPOCH);
        assert!(
            field.split("\r\n").filter(|line| !line.is_empty()).skip(1).all(|line| line.starts_with('\t')),
            "{field}"
        );
        assert!(field.contains(" with SMTP"));
    }
}
