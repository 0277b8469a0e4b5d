//! Reports to senders: delivery status notifications (RFC 3464) in a `multipart/report` (RFC 6522).
//!
//! Only the header section of the message goes back: the sender has the rest, and whoever was named as the sender and
//! is not should not be sent the message. A report has the null reverse path and never causes another (safety row Q4).

use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};
use smtp_proto::{ForwardPath, Reply, Verdict};

use super::queue::{QueueId, reply_text};

/// Bytes of the header section that go back. 64 KiB; more of it says nothing more.
pub(super) const HEADERS_BYTES_MAX: usize = 64 << 10;

/// Characters of a name or an address in a report. 600: a path at its limits.
const TEXT_CHARS_MAX: usize = 600;

/// A copy that failed, and why.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) recipient: ForwardPath,
    pub(super) reply: Reply,
    /// Who said so; `None` when it was this host.
    pub(super) remote: Option<String>,
}

/// What a report is about.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// This host.
    pub(super) hostname: &'a str,
    /// The id of the report.
    pub(super) id: QueueId,
    /// The id of the message.
    pub(super) about: QueueId,
    /// When that came in.
    pub(super) arrived: Timestamp,
    /// Now.
    pub(super) now: Timestamp,
    /// Whom to tell.
    pub(super) to: &'a str,
    /// The copies; at least one.
    pub(super) failures: &'a [Failure],
    /// The header section of the message.
    pub(super) headers: &'a [u8],
}

impl Report<'_> {
    /// The report as a message.
    pub(super) fn render(&self) -> Vec<u8> {
        let parts = vec![
            MimePart::new("text/plain", BodyPart::Text(self.for_people().into())),
            MimePart::new(
                "message/delivery-status",
                BodyPart::Binary(self.for_machines().into_bytes().into()),
            )
            .transfer_encoding("7bit"),
            MimePart::new("text/rfc822-headers", BodyPart::Binary(self.headers.into()))
                .transfer_encoding("8bit"),
        ];
        let kind = ContentType::new("multipart/report").attribute("report-type", "delivery-status");
        let message = MessageBuilder::new()
            .date(self.now.as_second())
            .message_id(format!("{}@{}", self.id, self.hostname))
            .from(Address::new_address(
                Some("Mail Delivery System"),
                format!("MAILER-DAEMON@{}", self.hostname),
            ))
            .to(Address::new_address(None::<&str>, self.to.to_owned()))
            .subject("Your message could not be delivered")
            .header("Auto-Submitted", Raw::new("auto-replied"))
            .body(MimePart::new(kind, parts));
        // Writing to memory does not fail.
        message.write_to_vec().unwrap_or_default()
    }

    fn for_people(&self) -> String {
        let mut text = format!(
            "This is the mail system at {}.\r\n\r\nYour message could not be delivered to these recipients:\r\n",
            self.hostname
        );
        for failure in self.failures {
            let who = printable(failure.remote.as_deref().unwrap_or(self.hostname));
            text.push_str(&format!(
                "\r\n  {}\r\n    {who} said: {}\r\n",
                printable(&failure.recipient.to_string()),
                reply_text(&failure.reply)
            ));
        }
        text.push_str("\r\nIt will not be tried again. The header of your message follows.\r\n");
        text
    }

    fn for_machines(&self) -> String {
        let mut text = format!(
            "Reporting-MTA: dns; {}\r\nX-Queue-ID: {}\r\nArrival-Date: {}\r\n",
            self.hostname,
            self.about,
            crate::trace::date(self.arrived)
        );
        for failure in self.failures {
            let path = failure.recipient.to_string();
            let address = path.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(&path);
            let status = match failure.reply.enhanced() {
                Some(code) if code.class() == Verdict::Permanent => code.to_string(),
                // A message that was tried too long ends with what was said last, which may be "later".
                Some(code) => format!("5.{}.{}", code.subject(), code.detail()),
                None => "5.0.0".to_owned(),
            };
            text.push_str(&format!(
                "\r\nFinal-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: {status}\r\n",
                printable(address)
            ));
            if let Some(remote) = &failure.remote {
                text.push_str(&format!("Remote-MTA: dns; {}\r\n", printable(remote)));
            }
            text.push_str(&format!("Diagnostic-Code: smtp; {}\r\n", reply_text(&failure.reply)));
        }
        text
    }
}

/// The header section of a message, up to [`HEADERS_BYTES_MAX`], with whole lines.
pub(super) fn header_section(beginning: &[u8]) -> &[u8] {
    let cut = beginning.get(..HEADERS_BYTES_MAX).unwrap_or(beginning);
    match memchr::memmem::find(cut, b"\r\n\r\n") {
        Some(end) => cut.get(..end + 2).unwrap_or(cut),
        None => match memchr::memrchr(b'\n', cut) {
            Some(end) => cut.get(..=end).unwrap_or(cut),
            None => &[],
        },
    }
}

/// Text of a peer in a field: on one line, ASCII, not for ever.
fn printable(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use smtp_proto::Code;

    use super::*;

    fn render(failures: &[Failure], headers: &[u8]) -> String {
        let report = Report {
            hostname: "mx.example.test",
            id: QueueId::new(1, 2),
            about: QueueId::new(1, 1),
            arrived: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            to: "alice@example.test",
            failures,
            headers,
        };
        String::from_utf8(report.render()).unwrap()
    }

    #[test]
    fn a_report_is_for_people_and_for_machines_and_has_the_header_alone() {
        let failure = Failure {
            recipient: "carol@example.test".parse::<smtp_proto::Address>().unwrap().into(),
            reply: Reply::no_such_mailbox(),
            remote: Some("be2".to_owned()),
        };
        let text = render(&[failure], header_section(b"Subject: hello\r\nTo: x\r\n\r\nthe body\r\n"));
        for part in [
            "Content-Type: multipart/report; report-type=\"delivery-status\"",
            "Auto-Submitted: auto-replied\r\n",
            "To: <alice@example.test>\r\n",
            "Content-Type: message/delivery-status\r\n",
            "Reporting-MTA: dns; mx.example.test\r\n",
            "Final-Recipient: rfc822; carol@example.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            "Remote-MTA: dns; be2\r\nDiagnostic-Code: smtp; 550 5.1.1 No such mailbox\r\n",
            "\r\n\r\nSubject: hello\r\nTo: x\r\n",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(!text.contains("the body"), "{text}");
    }

    #[test]
    fn e4_hostile_recipients_and_replies_add_no_field() {
        let failure = Failure {
            recipient: r#""a\"b c"@example.test"#.parse::<smtp_proto::Address>().unwrap().into(),
            reply: Reply::new(Code::FAILED, "x\r\nBcc: y\r\n\r\n.\r\n"),
            remote: Some("b\r\nBcc: z".to_owned()),
        };
        let text = render(&[failure], b"");
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
    }

    #[test]
    fn a_temporary_reply_that_ended_a_message_is_a_permanent_status() {
        let failure = Failure {
            recipient: "carol@example.test".parse::<smtp_proto::Address>().unwrap().into(),
            reply: Reply::over_quota(),
            remote: None,
        };
        assert!(render(&[failure], b"").contains("Status: 5.2.2\r\n"));
    }

    #[test]
    fn the_header_section_ends_with_a_whole_line_and_has_a_limit() {
        assert_eq!(header_section(b"A: b\r\n\r\nbody"), b"A: b\r\n");
        assert_eq!(header_section(b"A: b\r\nC: d"), b"A: b\r\n");
        assert_eq!(header_section(b""), b"");
        let line = b"A: 0123456789\r\n";
        let long = line.repeat(HEADERS_BYTES_MAX / line.len() + 2);
        let cut = header_section(&long);
        assert!(cut.len() <= HEADERS_BYTES_MAX && cut.len() > HEADERS_BYTES_MAX - line.len());
        assert!(cut.ends_with(b"\r\n"));
    }
}
