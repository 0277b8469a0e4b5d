//! Responses (RFC 3656 3.1 to 3.7): their types, parser and encoder. The banner's lines are in `banner.rs`.
//!
//! OK, NO, BAD and BYE carry exactly one string; Cyrus's own clients drop a connection over anything else. Cyrus's
//! server breaks the rule where other code reads the answer (STARTTLS, COMPRESS, a cancelled AUTHENTICATE): for these
//! there is [`Response::parse_unquoted`].

use bytes::Bytes;
use mail_wire::{InvalidMessage, Outbox, Text};

use crate::string::{Cursor, LineWriter};
use crate::{Acl, EntryState, Location, MailboxEntry, MailboxName, Tag};

/// A response without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// MAILBOX or RESERVE: an entry as it is.
    Entry(MailboxEntry),
    /// DELETE: no such entry any more. Only on an update stream.
    Delete(MailboxName),
    /// The end of a command, or of the connection. The text is the peer's: show it through
    /// [`Escaped`](mail_wire::Escaped).
    Status(Status, Bytes),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// It was refused, or failed.
    No,
    /// It was not understood, or came at the wrong time.
    Bad,
    /// The server closes the connection.
    Bye,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::Bye => "BYE",
        }
    }

    fn by_word(word: &[u8]) -> Option<Self> {
        [Self::Ok, Self::No, Self::Bad, Self::Bye]
            .into_iter()
            .find(|status| word.eq_ignore_ascii_case(status.as_str().as_bytes()))
    }
}

/// Whether the text of a status must be a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusText {
    String,
    AsItIs,
}

impl Response {
    /// Reads a frame: a line without its CRLF, with its literals inside. No tag (`*`) is `None`.
    ///
    /// ```
    /// use mupdate_proto::{Response, Status};
    /// let (tag, response) = Response::parse(&"N01 OK \"NOOP Complete\"".into())?;
    /// assert_eq!(tag.unwrap().as_str(), "N01");
    /// assert_eq!(response, Response::Status(Status::Ok, "NOOP Complete".into()));
    /// # Ok::<(), mail_wire::InvalidMessage>(())
    /// ```
    pub fn parse(frame: &Bytes) -> Result<(Option<Tag>, Self), InvalidMessage> {
        Self::parse_with(frame, StatusText::String)
    }

    /// The same, but the text of a status may stand there as it is, without quotes: for the answers to STARTTLS,
    /// COMPRESS and AUTHENTICATE.
    pub fn parse_unquoted(frame: &Bytes) -> Result<(Option<Tag>, Self), InvalidMessage> {
        Self::parse_with(frame, StatusText::AsItIs)
    }

    fn parse_with(frame: &Bytes, text: StatusText) -> Result<(Option<Tag>, Self), InvalidMessage> {
        let mut cursor = Cursor::new(frame);
        let tag = match cursor.word() {
            b"*" => None,
            word => Some(Tag::new(word)?),
        };
        if !cursor.space() {
            return Err(cursor.error("space expected"));
        }
        let word = cursor.word();
        let response = if word.eq_ignore_ascii_case(b"MAILBOX") {
            let (name, location) = name_and_location(&mut cursor)?;
            Self::Entry(MailboxEntry::active(name, location, Acl::of_string(cursor.argument()?)?))
        } else if word.eq_ignore_ascii_case(b"RESERVE") {
            let (name, location) = name_and_location(&mut cursor)?;
            Self::Entry(MailboxEntry::reserved(name, location))
        } else if word.eq_ignore_ascii_case(b"DELETE") {
            Self::Delete(MailboxName::of_string(cursor.argument()?)?)
        } else if let Some(status) = Status::by_word(word) {
            Self::Status(status, status_text(&mut cursor, text)?)
        } else {
            return Err(cursor.error("response expected"));
        };
        cursor.end()?;
        Ok((tag, response))
    }

    /// Writes the response.
    pub fn encode(&self, tag: Option<&Tag>, out: &mut Outbox) {
        match self {
            Self::Entry(entry) => encode_entry(entry, tag, out),
            Self::Delete(name) => encode_delete(name, tag, out),
            Self::Status(status, text) => start(tag, status.as_str(), out).argument(text).end(),
        }
    }
}

pub(crate) fn encode_entry(entry: &MailboxEntry, tag: Option<&Tag>, out: &mut Outbox) {
    let word = if entry.acl().is_some() { "MAILBOX" } else { "RESERVE" };
    let mut line = start(tag, word, out);
    line.argument(entry.name.as_bytes()).argument(entry.location.as_bytes());
    if let EntryState::Active(acl) = &entry.state {
        line.argument(acl.as_bytes());
    }
    line.end();
}

pub(crate) fn encode_delete(name: &MailboxName, tag: Option<&Tag>, out: &mut Outbox) {
    start(tag, "DELETE", out).argument(name.as_bytes()).end();
}

pub(crate) fn encode_status(status: Status, text: &Text, tag: Option<&Tag>, out: &mut Outbox) {
    start(tag, status.as_str(), out).argument(text.as_str().as_bytes()).end();
}

fn start<'a>(tag: Option<&Tag>, word: &str, out: &'a mut Outbox) -> LineWriter<'a> {
    let mut line = LineWriter::new(out);
    line.raw(tag.map_or(b"*", Tag::as_bytes)).raw(b" ").raw(word.as_bytes());
    line
}

fn name_and_location(cursor: &mut Cursor<'_>) -> Result<(MailboxName, Location), InvalidMessage> {
    Ok((MailboxName::of_string(cursor.argument()?)?, Location::of_string(cursor.argument()?)?))
}

fn status_text(cursor: &mut Cursor<'_>, text: StatusText) -> Result<Bytes, InvalidMessage> {
    let quoted = |rest: &[u8]| matches!(rest, [b' ', b'"' | b'{', ..]);
    if text == StatusText::String || quoted(cursor.rest()) {
        return cursor.argument();
    }
    cursor.space();
    Ok(cursor.take_rest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static [u8]) -> Result<(Option<Tag>, Response), InvalidMessage> {
        Response::parse(&Bytes::from_static(text))
    }

    fn entry(acl: Option<&'static str>) -> Response {
        let (name, location) =
            (MailboxName::new("user.p1").unwrap(), Location::new("be9.murder.test!zz").unwrap());
        Response::Entry(match acl {
            Some(acl) => MailboxEntry::active(name, location, Acl::new(acl).unwrap()),
            None => MailboxEntry::reserved(name, location),
        })
    }

    #[test]
    fn entries_are_read_quoted_and_as_literals() {
        let tag = Tag::new(b"u").ok();
        let cyrus = b"u MAILBOX {7+}\r\nuser.p1 {18+}\r\nbe9.murder.test!zz {7+}\r\np1\tlrs\t";
        assert_eq!(parse(cyrus), Ok((tag, entry(Some("p1\tlrs\t")))));
        let quoted = b"u mailbox \"user.p1\" \"be9.murder.test!zz\" \"p1\tlrs\t\"";
        assert_eq!(parse(quoted), Ok((tag, entry(Some("p1\tlrs\t")))));
        assert_eq!(parse(b"u RESERVE {7+}\r\nuser.p1 {18+}\r\nbe9.murder.test!zz"), Ok((tag, entry(None))));
        let name = MailboxName::new("user.s1").unwrap();
        assert_eq!(parse(b"u DELETE {7+}\r\nuser.s1"), Ok((tag, Response::Delete(name))));
    }

    #[test]
    fn a_status_has_exactly_one_string() {
        let status = |text: &'static str| Ok((None, Response::Status(Status::Bad, text.into())));
        assert_eq!(parse(b"* BAD \"Need Command\""), status("Need Command"));
        assert_eq!(parse(b"* BAD {12+}\r\nNeed Command"), status("Need Command"));
        for bad in [&b"* BAD"[..], b"* BAD ", b"* BAD Need", b"* BAD \"a\" \"b\"", b"* BAD \"a\" "] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_answers_that_cyrus_does_not_quote_are_read_where_they_are_due() {
        let text = Bytes::from_static(b"S01 OK Begin TLS negotiation now");
        assert!(Response::parse(&text).is_err());
        let expected = Response::Status(Status::Ok, "Begin TLS negotiation now".into());
        assert_eq!(Response::parse_unquoted(&text), Ok((Tag::new(b"S01").ok(), expected)));
        let quoted = Response::Status(Status::Ok, "Begin".into());
        assert_eq!(Response::parse_unquoted(&"S01 OK \"Begin\"".into()).map(|r| r.1), Ok(quoted));
        assert!(Response::parse_unquoted(&"S01 OK \"Begin\" x".into()).is_err());
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for bad in [
            &b""[..],
            b"u",
            b"u ",
            b"u HELLO \"x\"",
            b"u MAILBOX \"a\" \"b\"",
            b"u MAILBOX \"\" \"b\" \"c\"",
            b"u RESERVE \"a\" \"b\" \"c\"",
            b"u DELETE a",
            b"(u) OK \"x\"",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
