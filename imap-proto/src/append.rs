//! APPEND (RFC 3501 6.3.11) of one message or several (RFC 3502), in any of the forms that a message has there: a
//! literal, a binary one (RFC 3516), one with UTF-8 in its header (RFC 6855), one put together from others (RFC 4469).
//!
//! The frame up to the announcement of a literal can be read as a command already: that is how an owner sees what is
//! to be appended before a byte of it is accepted. [`Parser::parse_command_so_far`](crate::Parser::parse_command_so_far)
//! tells, too, whether the literal is a message or, say, the name of the mailbox.
//!
//! ```
//! use imap_proto::{Command, Parser};
//! let mut parser = Parser::new();
//! let frame = b"a APPEND Sent (\\Seen) {2+}\r\nhi (\\Seen \\Draft) {3+}\r\nyou";
//! let Command::Append(append) = parser.command(frame)?.command else { panic!() };
//! let messages: Vec<_> = append.messages.iter().collect();
//! assert_eq!(messages.len(), 2);
//! assert_eq!(messages[1].flags.iter().count(), 2);
//! assert_eq!(messages[1].content.data().and_then(|data| data.len()), Some(3));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::catenate::CatenatePart;
use crate::date::DateTime;
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::SettableFlag;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::Data;
use crate::tape::{Cursor, Item, List, Node};
use crate::token::Kind;

/// `APPEND mailbox message [message ...]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append<'a> {
    /// Where to.
    pub mailbox: MailboxName<'a>,
    /// The messages, at least one. All of them are stored or none is (RFC 3502 6.3.11).
    pub messages: List<'a, NewMessage<'a>>,
}

/// `append-message`: `[(flags)] ["date"] content`, in APPEND and in REPLACE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// The flags it shall have.
    pub flags: List<'a, SettableFlag<'a>>,
    /// Its internal date; now, if none is given.
    pub date: Option<DateTime>,
    /// The message itself.
    pub content: NewContent<'a>,
}

/// `append-data`: the form of a message that is to be stored. Its data is never `Nil`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewContent<'a> {
    /// `{n}`.
    Plain(Data<'a>),
    /// `~{n}` (RFC 3516): NUL may be in it.
    Binary(Data<'a>),
    /// `UTF8 (~{n})` (RFC 6855 4): its header may hold UTF-8.
    Utf8(Data<'a>),
    /// `CATENATE (...)` (RFC 4469).
    Catenate(List<'a, CatenatePart<'a>>),
}

impl<'a> NewContent<'a> {
    /// The bytes, where they are those of one literal: all but `CATENATE`.
    #[must_use]
    pub fn data(&self) -> Option<Data<'a>> {
        match self {
            Self::Plain(data) | Self::Binary(data) | Self::Utf8(data) => Some(*data),
            Self::Catenate(_) => None,
        }
    }

    fn read(node: &Node<'a>, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        match node.token.kind() {
            Kind::Literal => Ok(Self::Plain(Data::of_node(node)?)),
            Kind::Literal8 => Ok(Self::Binary(Data::of_node(node)?)),
            Kind::Hole if node.is_binary_hole() => Ok(Self::Binary(Data::of_node(node)?)),
            Kind::Hole => Ok(Self::Plain(Data::of_node(node)?)),
            Kind::Word if node.bytes().eq_ignore_ascii_case(b"UTF8") => utf8_data(cursor).map(Self::Utf8),
            Kind::Word if node.bytes().eq_ignore_ascii_case(b"CATENATE") => {
                cursor.spaced()?.list().map(Self::Catenate)
            }
            _ => node.fail("expected a literal"),
        }
    }
}

/// `(~{n})`, as it stands behind `UTF8`.
pub(crate) fn utf8_data<'a>(cursor: &mut Cursor<'a>) -> Result<Data<'a>, InvalidMessage> {
    let mut inside = cursor.spaced()?.inside()?;
    let node = inside.next()?;
    inside.end()?;
    match node.token.kind() {
        Kind::Literal8 => Data::of_node(&node),
        Kind::Hole if node.is_binary_hole() => Data::of_node(&node),
        _ => node.fail("expected a binary literal"),
    }
}

/// `UTF8 (~{n})`.
pub(crate) fn encode_utf8<S: Sink>(
    out: &mut Encoder<'_, S>,
    data: &Data<'_>,
) -> Result<(), PeerIncompatible> {
    out.raw(b"UTF8 (");
    data.encode_binary(out)?;
    out.raw(b")");
    Ok(())
}

impl<'a> Append<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, messages: cursor.spaced_rest()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.messages.check_some(check)
    }
}

impl<'a> NewMessage<'a> {
    /// A message of this content, without flags, dated now.
    #[must_use]
    pub fn new(content: NewContent<'a>) -> Self {
        Self { flags: List::of(&[]), date: None, content }
    }
}

impl<'a> Item<'a> for NewMessage<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut node = cursor.next()?;
        let mut flags = List::of(&[]);
        if node.token.kind() == Kind::List {
            flags = node.list()?;
            node = cursor.spaced()?;
        }
        let mut date = None;
        if matches!(node.token.kind(), Kind::Quoted | Kind::QuotedEscaped) {
            date = match DateTime::of_string(&node.string()?) {
                Some(date) => Some(date),
                None => return node.fail("malformed date-time"),
            };
            node = cursor.spaced()?;
        }
        Ok(Self { flags, date, content: NewContent::read(&node, cursor)? })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.flags.check(check)?;
        match self.content {
            NewContent::Catenate(parts) => parts.check_some(check),
            _ => Ok(()),
        }
    }
}

impl Encode for NewMessage<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if !self.flags.is_empty() {
            self.flags.encode(out)?;
            out.raw(b" ");
        }
        if let Some(date) = &self.date {
            date.encode(out)?;
            out.raw(b" ");
        }
        if self.content.data() == Some(Data::Nil) {
            return Err(PeerIncompatible::Inexpressible("message without content"));
        }
        match &self.content {
            NewContent::Plain(data) => data.encode(out),
            NewContent::Binary(data) => data.encode_binary(out),
            NewContent::Utf8(data) => encode_utf8(out, data),
            NewContent::Catenate(parts) if parts.is_empty() => {
                Err(PeerIncompatible::Inexpressible("message without content"))
            }
            NewContent::Catenate(parts) => {
                out.raw(b"CATENATE ");
                parts.encode(out)
            }
        }
    }
}

impl Encode for Append<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.messages.encode_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Hole, Parser};
    use bytes::Bytes;
    use mail_wire::LiteralId;

    #[test]
    fn a_message_has_one_of_four_forms() {
        let mut parser = Parser::new();
        let mut form = |content: &str| {
            let frame = format!("a APPEND x {content}");
            let Command::Append(append) = parser.command(frame.as_bytes()).unwrap().command else { panic!() };
            let content = append.messages.iter().next().unwrap().content;
            match content {
                NewContent::Plain(_) => "plain",
                NewContent::Binary(_) => "binary",
                NewContent::Utf8(_) => "utf8",
                NewContent::Catenate(_) => "catenate",
            }
        };
        assert_eq!(form("{1}\r\na"), "plain");
        assert_eq!(form("~{1}\r\n\0"), "binary");
        assert_eq!(form("() \"14-Jul-2024 02:44:25 +0200\" utf8 (~{1+}\r\na)"), "utf8");
        assert_eq!(form("(\\Seen) CATENATE (URL x TEXT {1}\r\na)"), "catenate");
    }

    #[test]
    fn messages_that_are_none_are_refused() {
        for bad in [
            "a APPEND x",
            "a APPEND x (\\Seen)",
            "a APPEND x \"14-Jul-2024 02:44:25 +0200\"",
            "a APPEND x \"yesterday\" {1}\r\na",
            "a APPEND x (\\Recent) {1}\r\na",
            "a APPEND x y",
            "a APPEND x {1}\r\na y",
            "a APPEND x {1}\r\na(\\Seen) {1}\r\nb",
            "a APPEND x {1}\r\na (\\Seen)",
            "a APPEND x UTF8 {1}\r\na",
            "a APPEND x UTF8 ({1}\r\na)",
            "a APPEND x UTF8 (~{1}\r\na ~{1}\r\nb)",
            "a APPEND x CATENATE",
            "a APPEND x CATENATE ()",
            "a APPEND x CATENATE (TEXT)",
            "a APPEND x CATENATE (TEXT y)",
            "a APPEND x CATENATE (URL {1}\r\na URL)",
            "a APPEND x CATENATE (FILE y)",
        ] {
            assert!(Parser::new().command(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// What a head that ends in an announcement of 9 bytes says of them.
    fn so_far(head: &str) -> Result<bool, InvalidMessage> {
        let holes = [Hole { at: head.len(), id: LiteralId(7), bytes: 9 }];
        let parsed = Parser::new().parse_command_so_far(Bytes::from(head.to_owned()), &holes)?;
        Ok(parsed.is_some())
    }

    #[test]
    fn the_head_of_a_command_tells_a_message_from_an_argument() {
        for message in [
            "a APPEND x {9}\r\n",
            "a APPEND x (\\Seen) \"14-Jul-2024 02:44:25 +0200\" ~{9+}\r\n",
            "a APPEND {1}\r\nx {9}\r\n",
            "a APPEND x {1}\r\na (\\Seen) {9}\r\n",
            "a APPEND x UTF8 (~{9}\r\n",
            "a APPEND x CATENATE (TEXT {9}\r\n",
            "a APPEND x CATENATE (URL {1}\r\na UTF8 (~{9}\r\n",
            "a APPEND x CATENATE (TEXT {1}\r\na) (\\Seen) {9}\r\n",
            "a LOCALAPPEND x \"\" (\\Seen) {9}\r\n",
            "a REPLACE 4 x {9}\r\n",
            "a UID REPLACE 4 x (\\Seen) CATENATE (URL y TEXT {9}\r\n",
        ] {
            assert_eq!(so_far(message), Ok(true), "{message}");
        }
        for argument in [
            "a APPEND {9}\r\n",
            "a APPEND x CATENATE (URL {9}\r\n",
            "a LOCALAPPEND x {9}\r\n",
            "a REPLACE 4 {9}\r\n",
            "a LOGIN {9}\r\n",
            "a LOGIN x {9}\r\n",
            "a SEARCH SUBJECT {9}\r\n",
            "a SEARCH (OR (FROM {9}\r\n",
            "a LIST \"\" {9}\r\n",
        ] {
            assert_eq!(so_far(argument), Ok(false), "{argument}");
        }
        for malformed in [
            "a APPEND x (\\Recent) {9}\r\n",
            "a APPEND x \"never\" {9}\r\n",
            "a APPEND x y {9}\r\n",
            "a APPEND x CATENATE (FILE {9}\r\n",
            "a APPEND x CATENATE (TEXT ({9}\r\n",
        ] {
            assert!(so_far(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_binary_hole_is_told_by_its_announcement() {
        for (head, binary) in [("a APPEND x ~{9+}\r\n", true), ("a APPEND x {9}\r\n", false)] {
            let holes = [Hole { at: head.len(), id: LiteralId(7), bytes: 9 }];
            let mut parser = Parser::new();
            let command = parser.command_with_holes(head.as_bytes(), &holes).unwrap().command;
            let Command::Append(append) = command else { panic!() };
            let content = append.messages.iter().next().unwrap().content;
            assert_eq!(matches!(content, NewContent::Binary(_)), binary, "{head}");
        }
    }
}
