//! Mailbox names and list patterns (RFC 3501 5.1, 9).
//!
//! One type for both sides: UTF-8 to the program, modified UTF-7 on the wire, and never two spellings of one name.
//! `INBOX` in any case is `INBOX`. What a separator is, and where names may stand, is the owner's business.

use std::borrow::Cow;
use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::string::IString;
use crate::tape::{Cursor, Item, Node};
use crate::token::Kind;
use crate::utf7;

/// Writes text in modified UTF-7: for names that travel outside IMAP, as on MUPDATE. Nothing is folded.
///
/// ```
/// use imap_proto::mailbox::{decode_modified_utf7, encode_modified_utf7};
/// assert_eq!(encode_modified_utf7("Entwürfe & mehr"), "Entw&APw-rfe &- mehr");
/// assert_eq!(decode_modified_utf7(b"Entw&APw-rfe &- mehr")?, "Entwürfe & mehr");
/// assert!(decode_modified_utf7(b"&AGE-").is_err());
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[must_use]
pub fn encode_modified_utf7(text: &str) -> String {
    let mut wire = Vec::with_capacity(text.len());
    utf7::encode(text, &mut wire);
    // The encoding is ASCII whatever the text is.
    wire.into_iter().map(char::from).collect()
}

/// Reads modified UTF-7; anything but the canonical spelling is refused.
pub fn decode_modified_utf7(wire: &[u8]) -> Result<String, InvalidMessage> {
    let decoded: Result<String, utf7::NotCanonical> = utf7::Decoder::new(wire.iter().copied()).collect();
    decoded.map_err(|utf7::NotCanonical| InvalidMessage::new(NOT_CANONICAL, 0))
}

/// The name of a mailbox, or of a reference or namespace prefix, which may be empty.
///
/// ```
/// use imap_proto::{Encode, Encoder, Literals, MailboxName};
/// let name = MailboxName::new("Entwürfe")?;
/// let mut wire = Vec::new();
/// name.encode(&mut Encoder::new(&mut wire, Literals::Server))?;
/// assert_eq!(wire, b"Entw&APw-rfe");
/// assert_eq!(MailboxName::from_wire(&wire)?, name);
/// assert!(MailboxName::new("inbox")?.is_inbox());
/// # Ok::<(), imap_proto::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct MailboxName<'a>(Name<'a>);

/// The name argument of LIST and LSUB, with `%` and `*` as wildcards.
#[derive(Clone, Copy)]
pub struct ListPattern<'a>(Name<'a>);

#[derive(Clone, Copy)]
enum Name<'a> {
    /// Canonical modified UTF-7, checked.
    Wire(IString<'a>),
    Utf8(&'a str),
}

const NOT_CANONICAL: &str = "mailbox name is not canonical modified UTF-7";
const CONTROL: &str = "control character in a mailbox name";

impl<'a> Name<'a> {
    fn of_wire(wire: IString<'a>) -> Result<Self, &'static str> {
        if wire.as_plain().is_some_and(|b| b.iter().all(|&b| chars::is_quotable(b) && b != b'&')) {
            return Ok(Self::Wire(wire));
        }
        for character in utf7::Decoder::new(wire.bytes()) {
            match character {
                Err(utf7::NotCanonical) => return Err(NOT_CANONICAL),
                Ok(character) if character.is_control() => return Err(CONTROL),
                Ok(_) => {}
            }
        }
        Ok(Self::Wire(wire))
    }

    fn of_utf8(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.find(char::is_control) {
            Some(at) => Err(InvalidMessage::new(CONTROL, at)),
            None => Ok(Self::Utf8(text)),
        }
    }

    fn to_utf8(self) -> Cow<'a, str> {
        match self {
            Self::Utf8(text) => Cow::Borrowed(text),
            Self::Wire(wire) => {
                match wire.as_plain().filter(|b| memchr::memchr(b'&', b).is_none()).map(std::str::from_utf8) {
                    Some(Ok(text)) => Cow::Borrowed(text),
                    _ => Cow::Owned(utf7::Decoder::new(wire.bytes()).map_while(Result::ok).collect()),
                }
            }
        }
    }

    fn is_inbox(self) -> bool {
        match self {
            Self::Utf8(text) => text.eq_ignore_ascii_case("INBOX"),
            Self::Wire(wire) => wire.eq_ignore_ascii_case(b"INBOX"),
        }
    }

    /// Gives its wire form to `write`.
    fn with_wire<R>(self, write: impl FnOnce(IString<'_>) -> R) -> R {
        match self {
            Self::Wire(wire) => write(wire),
            Self::Utf8(text) if text.bytes().all(|b| chars::is_quotable(b) && b != b'&') => {
                write(IString::plain(text.as_bytes()))
            }
            Self::Utf8(text) => {
                let mut wire = Vec::with_capacity(text.len() * 2);
                utf7::encode(text, &mut wire);
                write(IString::plain(&wire))
            }
        }
    }
}

impl<'a> MailboxName<'a> {
    /// `INBOX`.
    pub const INBOX: MailboxName<'static> = MailboxName(Name::Utf8("INBOX"));

    /// The name that reads like this. Control characters are refused.
    pub fn new(name: &'a str) -> Result<Self, InvalidMessage> {
        Name::of_utf8(name).map(Self)
    }

    /// The name spelled like this on the wire; not canonical spelling is refused.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, InvalidMessage> {
        Name::of_wire(IString::new(wire)?).map(Self).map_err(|what| InvalidMessage::new(what, 0))
    }

    /// The name as UTF-8, `INBOX` in capitals. Borrowed where no character had to be decoded.
    #[must_use]
    pub fn to_utf8(&self) -> Cow<'a, str> {
        if self.is_inbox() { Cow::Borrowed("INBOX") } else { self.0.to_utf8() }
    }

    /// True for `INBOX` in any case.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0.is_inbox()
    }

    /// True for the empty name, which no mailbox has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.0 {
            Name::Wire(wire) => wire.is_empty(),
            Name::Utf8(text) => text.is_empty(),
        }
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        Name::of_wire(node.astring()?).map(Self).or_else(|what| node.fail(what))
    }

    /// The same where a mailbox must be named.
    pub(crate) fn argument(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.spaced()?;
        let name = Self::of_node(&node)?;
        if name.is_empty() { node.fail("empty mailbox name") } else { Ok(name) }
    }

    pub(crate) fn encode_quoted<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.0.with_wire(|wire| out.string(&wire))
    }
}

impl<'a> ListPattern<'a> {
    /// The pattern that reads like this. Control characters are refused.
    pub fn new(pattern: &'a str) -> Result<Self, InvalidMessage> {
        Name::of_utf8(pattern).map(Self)
    }

    /// The pattern as UTF-8. Borrowed where no character had to be decoded.
    #[must_use]
    pub fn to_utf8(&self) -> Cow<'a, str> {
        self.0.to_utf8()
    }

    /// True for the empty pattern, which asks for the hierarchy separator (RFC 3501 6.3.8).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.0 {
            Name::Wire(wire) => wire.is_empty(),
            Name::Utf8(text) => text.is_empty(),
        }
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        let wire = if node.token.kind() == Kind::Word {
            let word = node.word()?;
            if !chars::is_pattern_atom(word) {
                return node.fail("expected a list pattern");
            }
            IString::plain(word)
        } else {
            node.string()?
        };
        Name::of_wire(wire).map(Self).or_else(|what| node.fail(what))
    }
}

impl PartialEq for MailboxName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_utf8() == other.to_utf8()
    }
}

impl Eq for MailboxName<'_> {}

impl PartialEq for ListPattern<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_utf8() == other.to_utf8()
    }
}

impl Eq for ListPattern<'_> {}

impl fmt::Debug for MailboxName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped::new(&*self.to_utf8()))
    }
}

impl fmt::Debug for ListPattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped::new(&*self.to_utf8()))
    }
}

impl<'a> Item<'a> for MailboxName<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Self::of_node(&cursor.next()?)
    }
}

impl Encode for MailboxName<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.is_inbox() {
            out.raw(b"INBOX");
            return Ok(());
        }
        self.0.with_wire(|wire| out.astring(&wire))
    }
}

impl Encode for ListPattern<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.0.with_wire(|wire| match wire.as_plain() {
            Some(bytes) if chars::is_pattern_atom(bytes) => {
                out.raw(bytes);
                Ok(())
            }
            _ => out.string(&wire),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Literals;

    fn encoded(value: &impl Encode) -> String {
        let mut out = Vec::new();
        value.encode(&mut Encoder::new(&mut out, Literals::NonSync)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn n3_inbox_is_one_name_in_any_case_and_only_alone() {
        for spelling in ["INBOX", "inbox", "iNbOx"] {
            let name = MailboxName::from_wire(spelling.as_bytes()).unwrap();
            assert_eq!(name, MailboxName::INBOX);
            assert_eq!(encoded(&name), "INBOX");
        }
        assert_ne!(MailboxName::new("inbox/x").unwrap(), MailboxName::new("INBOX/x").unwrap());
    }

    #[test]
    fn n3_control_characters_are_refused_on_both_ways_in() {
        for name in ["a\0", "a\r\nb", "\u{7f}", "\u{85}"] {
            assert!(MailboxName::new(name).is_err(), "{name:?}");
            assert!(ListPattern::new(name).is_err(), "{name:?}");
        }
        // The same characters in canonical base64: NUL, LF.
        for wire in ["&AAA-", "&AAo-"] {
            assert!(MailboxName::from_wire(wire.as_bytes()).is_err(), "{wire}");
        }
    }

    #[test]
    fn names_choose_their_own_form() {
        for (name, wire) in [
            ("Work", "Work"),
            ("two words", "\"two words\""),
            ("q\"uote", "\"q\\\"uote\""),
            ("", "\"\""),
            ("a&b", "a&-b"),
            ("Grüße/日本", "Gr&APwA3w-e/&ZeVnLA-"),
        ] {
            assert_eq!(encoded(&MailboxName::new(name).unwrap()), wire);
        }
        assert_eq!(encoded(&ListPattern::new("INBOX.%*").unwrap()), "INBOX.%*");
        assert_eq!(encoded(&MailboxName::new("50%").unwrap()), "\"50%\"");
    }
}
