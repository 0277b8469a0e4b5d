//! Replies (RFC 1939 3, RFC 2449 3 and 8): their first line, its parser and encoder, and what it says for some commands.
//!
//! A reply begins with `+OK` or `-ERR`, then perhaps a code in brackets, then text. The text of a peer is made
//! printable when it is read ([`Text::lossy`]), so that a reply can be passed on as it is (safety row E6). A leading
//! bracket that is no code becomes `?` for the same reason.

use bytes::Bytes;
use mail_wire::{InvalidMessage, Outbox, Text};
use memchr::memchr;

use crate::number::{DropListing, ScanListing, UniqueIdListing};
use crate::quirks::{Leniency, Quirk};

/// The first line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether the command was carried out.
    pub status: ReplyStatus,
    /// A code for machines.
    pub code: Option<ResponseCode>,
    /// The rest.
    pub text: Text,
}

/// The first word of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStatus {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
}

/// A code that tells programs why (RFC 2449 8, RFC 3206).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseCode {
    /// The maildrop is in use by another session.
    InUse,
    /// The last login was too short a time ago.
    LoginDelay,
    /// The name or the password is wrong; without it, a failed login has another cause.
    Auth,
    /// The system is at fault, for now.
    SysTemp,
    /// The system is at fault, and somebody must repair it.
    SysPerm,
    /// The message can be had in UTF-8 mode only (RFC 6856 5).
    Utf8,
    /// A code that is not known here, in upper case.
    Other(OtherCode),
}

/// A code that is not known here: printable ASCII without brackets and space, up to [`BYTES_MAX`](Self::BYTES_MAX) bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCode(String);

impl OtherCode {
    /// Bytes of a code.
    pub const BYTES_MAX: usize = 64;

    /// The code, in upper case and without its brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ResponseCode {
    const KNOWN: [Self; 6] =
        [Self::InUse, Self::LoginDelay, Self::Auth, Self::SysTemp, Self::SysPerm, Self::Utf8];

    /// The code without its brackets, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::Auth => "AUTH",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Utf8 => "UTF8",
            Self::Other(code) => code.as_str(),
        }
    }

    /// Reads a code without its brackets, in any case.
    pub fn new(code: &[u8]) -> Result<Self, InvalidMessage> {
        let wrong = |b: &u8| !b.is_ascii_graphic() || matches!(b, b'[' | b']');
        if code.is_empty() || code.len() > OtherCode::BYTES_MAX {
            return Err(InvalidMessage::new("response code of 1 to 64 bytes expected", 0));
        }
        if let Some(at) = code.iter().position(wrong) {
            return Err(InvalidMessage::new("not in a response code", at));
        }
        let known =
            Self::KNOWN.into_iter().find(|known| code.eq_ignore_ascii_case(known.as_str().as_bytes()));
        Ok(known.unwrap_or_else(|| {
            Self::Other(OtherCode(code.iter().map(|b| char::from(b.to_ascii_uppercase())).collect()))
        }))
    }
}

impl Reply {
    /// A positive reply.
    #[must_use]
    pub fn ok(text: Text) -> Self {
        Self { status: ReplyStatus::Ok, code: None, text }
    }

    /// A negative reply.
    #[must_use]
    pub fn err(text: Text) -> Self {
        Self { status: ReplyStatus::Err, code: None, text }
    }

    /// A negative reply with a code.
    #[must_use]
    pub fn err_with(code: ResponseCode, text: Text) -> Self {
        Self { status: ReplyStatus::Err, code: Some(code), text }
    }

    /// The reply to STAT.
    #[must_use]
    pub fn drop_listing(listing: DropListing) -> Self {
        Self::ok(Text::lossy(&format!("{} {}", listing.messages, listing.octets)))
    }

    /// The reply to LIST of one message.
    #[must_use]
    pub fn scan_listing(listing: ScanListing) -> Self {
        Self::ok(Text::lossy(&format!("{} {}", listing.message, listing.octets)))
    }

    /// The reply to UIDL of one message.
    #[must_use]
    pub fn unique_id_listing(listing: &UniqueIdListing) -> Self {
        Self::ok(Text::lossy(&format!("{} {}", listing.message, listing.id.as_str())))
    }

    /// True for `+OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == ReplyStatus::Ok
    }

    /// What a reply to STAT says.
    pub fn as_drop_listing(&self) -> Result<DropListing, InvalidMessage> {
        DropListing::parse(self.text.as_str().as_bytes())
    }

    /// What a reply to LIST of one message says.
    pub fn as_scan_listing(&self) -> Result<ScanListing, InvalidMessage> {
        ScanListing::parse(self.text.as_str().as_bytes())
    }

    /// What a reply to UIDL of one message says.
    pub fn as_unique_id_listing(&self) -> Result<UniqueIdListing, InvalidMessage> {
        UniqueIdListing::parse(
            &Bytes::copy_from_slice(self.text.as_str().as_bytes()),
            &mut Leniency::default(),
        )
    }

    /// Reads a line without its CRLF.
    ///
    /// ```
    /// use pop3_proto::{Reply, ResponseCode};
    /// let reply = Reply::parse(b"-ERR [IN-USE] maildrop is locked")?;
    /// assert_eq!((reply.is_ok(), reply.code), (false, Some(ResponseCode::InUse)));
    /// assert_eq!(reply.text.as_str(), "maildrop is locked");
    /// # Ok::<(), mail_wire::InvalidMessage>(())
    /// ```
    pub fn parse(line: &[u8]) -> Result<Self, InvalidMessage> {
        Self::parse_with(line, ReplyText::Ascii, &mut Leniency::default())
    }

    pub(crate) fn parse_with(
        line: &[u8],
        reading: ReplyText,
        leniency: &mut Leniency,
    ) -> Result<Self, InvalidMessage> {
        let (status, rest) = match strip_word(line, b"+OK", leniency) {
            Some(rest) => (ReplyStatus::Ok, rest),
            None => match strip_word(line, b"-ERR", leniency) {
                Some(rest) => (ReplyStatus::Err, rest),
                None => return Err(InvalidMessage::new("+OK or -ERR expected", 0)),
            },
        };
        let (code, text) = code(rest);
        Ok(Self { status, code, text: text_of(text, reading) })
    }

    /// Writes the line.
    pub fn encode(&self, out: &mut Outbox) {
        out.put(match self.status {
            ReplyStatus::Ok => b"+OK",
            ReplyStatus::Err => b"-ERR",
        });
        if let Some(code) = &self.code {
            out.put(b" [");
            out.put(code.as_str().as_bytes());
            out.put(b"]");
        }
        if !self.text.as_str().is_empty() {
            out.put(b" ");
            out.put(self.text.as_str().as_bytes());
        }
        out.put(b"\r\n");
    }
}

/// What the text of a reply may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyText {
    /// ASCII, as long as nothing else was agreed on.
    Ascii,
    /// UTF-8: behind LANG (RFC 6856 3.2).
    Utf8,
}

fn text_of(text: &[u8], reading: ReplyText) -> Text {
    match reading {
        ReplyText::Utf8 => Text::international_lossy(&String::from_utf8_lossy(text)),
        // Bytes become characters of the same number, and those above ASCII question marks, one for each.
        ReplyText::Ascii => {
            let text: String = text.iter().take(Text::BYTES_MAX).map(|b| char::from(*b)).collect();
            Text::lossy(&text)
        }
    }
}

/// What stands behind a word and a space, if the line begins with the word.
fn strip_word<'a>(line: &'a [u8], word: &[u8], leniency: &mut Leniency) -> Option<&'a [u8]> {
    let (first, rest) = line.split_at_checked(word.len())?;
    if !first.eq_ignore_ascii_case(word) {
        return None;
    }
    if first != word && !leniency.overlook(Quirk::StatusInOtherCase) {
        return None;
    }
    match rest {
        [] => Some(rest),
        [b' ', text @ ..] => Some(text),
        _ => leniency.overlook(Quirk::StatusWithoutSpace).then_some(rest),
    }
}

/// The code at the beginning of a text, if there is one, and the text behind it.
fn code(text: &[u8]) -> (Option<ResponseCode>, &[u8]) {
    let parsed = text.strip_prefix(b"[").and_then(|inner| {
        let end = memchr(b']', inner)?;
        let code = ResponseCode::new(inner.get(..end)?).ok()?;
        let rest = inner.get(end + 1..)?;
        Some((code, rest.strip_prefix(b" ").unwrap_or(rest)))
    });
    match parsed {
        Some((code, rest)) => (Some(code), rest),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quirks::Quirks;

    #[test]
    fn replies_are_read_with_and_without_code_and_text() {
        let check = |line: &[u8], ok, code, text| {
            let reply = Reply::parse(line).unwrap();
            assert_eq!((reply.is_ok(), reply.code, reply.text.as_str()), (ok, code, text), "{line:?}");
        };
        check(b"+OK", true, None, "");
        check(b"+OK ", true, None, "");
        check(b"+OK 2 320", true, None, "2 320");
        check(b"-ERR no such message", false, None, "no such message");
        check(b"-ERR [sys/temp] busy", false, Some(ResponseCode::SysTemp), "busy");
        check(b"-ERR [UTF8] a message in UTF-8", false, Some(ResponseCode::Utf8), "a message in UTF-8");
        check(b"-ERR [AUTH]", false, Some(ResponseCode::Auth), "");
        let other = ResponseCode::new(b"x-new").unwrap();
        check(b"+OK [X-NEW] hello", true, Some(other), "hello");
        check(b"-ERR [not a code", false, None, "?not a code");
        check(b"-ERR [] x", false, None, "?] x");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bad in
            [&b""[..], b"+", b"+OKAY", b"-ERRor", b"OK", b" +OK", b"* OK", b"220 ready", b"+ok", b"-err x"]
        {
            assert!(Reply::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quirks_of_servers_are_overlooked_by_name_and_counted() {
        let mut none = Leniency::new(Quirks::NONE);
        for (line, quirk) in [
            (&b"+ok fine"[..], Quirk::StatusInOtherCase),
            (b"-Err no", Quirk::StatusInOtherCase),
            (b"+OKfine", Quirk::StatusWithoutSpace),
            (b"-ERR[AUTH] no", Quirk::StatusWithoutSpace),
        ] {
            assert!(Reply::parse_with(line, ReplyText::Ascii, &mut none).is_err(), "{line:?}");
            let mut one = Leniency::new(Quirks::NONE.with(quirk));
            assert!(Reply::parse_with(line, ReplyText::Ascii, &mut one).is_ok(), "{line:?}");
            assert_eq!(one.met.iter().collect::<Vec<_>>(), [(quirk, 1)]);
        }
        assert_eq!(none.met.iter().count(), 0);
    }

    #[test]
    fn e6_text_in_utf8_is_kept_only_where_it_was_agreed_on() {
        let line = "+OK es Espa\u{f1}ol \u{202e}\u{7f}".as_bytes();
        let text = |reading| Reply::parse_with(line, reading, &mut Leniency::default()).unwrap().text;
        assert_eq!(text(ReplyText::Utf8).as_str(), "es Espa\u{f1}ol ??");
        assert_eq!(text(ReplyText::Ascii).as_str(), "es Espa??ol ????");
        let broken = Reply::parse_with(b"+OK \xff\xfe", ReplyText::Utf8, &mut Leniency::default()).unwrap();
        assert_eq!(broken.text.as_str(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn e6_text_of_a_peer_comes_out_printable() {
        let all: Vec<u8> = b"-ERR ".iter().copied().chain(0..=0xff).collect();
        let text = Reply::parse(&all).unwrap().text;
        assert!(text.as_str().bytes().all(|b| (0x20..0x7f).contains(&b)));
        assert_eq!(text.as_str().len(), 256);
    }

    #[test]
    fn a_code_at_the_limit_passes_and_one_above_does_not() {
        assert!(ResponseCode::new(&[b'A'; OtherCode::BYTES_MAX]).is_ok());
        assert!(ResponseCode::new(&[b'A'; OtherCode::BYTES_MAX + 1]).is_err());
        for bad in [&b""[..], b"A]", b"[A", b"A B", b"A\r\n"] {
            assert!(ResponseCode::new(bad).is_err());
        }
    }

    #[test]
    fn listings_of_one_message_are_read_from_the_text() {
        assert_eq!(Reply::parse(b"+OK 2 320").unwrap().as_drop_listing().map(|l| l.octets), Ok(320));
        assert_eq!(Reply::parse(b"+OK 2 200").unwrap().as_scan_listing().map(|l| l.octets), Ok(200));
        let listing = Reply::parse(b"+OK 2 QhdPYR:00WBw1Ph7x7").unwrap().as_unique_id_listing().unwrap();
        assert_eq!(Reply::unique_id_listing(&listing).text.as_str(), "2 QhdPYR:00WBw1Ph7x7");
        assert!(Reply::parse(b"+OK none").unwrap().as_scan_listing().is_err());
    }
}
