//! Mailbox names and list patterns (RFC 3501 5.1, 9; RFC 6855 3; RFC 9051 5.1).
//!
//! One type for both sides: UTF-8 to the program, modified UTF-7 or UTF-8 on the wire as the session has it ([`Names`]),
//! and never two spellings of one name. `INBOX` in any case is `INBOX`. What a separator is, and where names may stand,
//! is the owner's business, and so is Unicode normalisation: names are compared character by character.
//!
//! Servers in use send raw UTF-8, and a `&` that begins nothing, where modified UTF-7 belongs. Such a name is read as
//! the text that it is, if that is let pass, and kept apart from the name that reads the same
//! ([`MailboxName::is_bare`]).
//!
//! ```
//! use imap_proto::{MailboxName, Parser, Response};
//! let mut parser = Parser::new();
//! let line = b"* LIST () \"/\" \"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"";
//! let Response::List(listed) = parser.response(line)? else { panic!() };
//! assert_eq!(listed.mailbox.to_utf8(), "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}");
//! // A second spelling of the same name is none.
//! assert!(MailboxName::from_wire(b"&U,BTFw-&ZeVnLIqe-").is_err());
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::borrow::Cow;
use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::{Check, Quirk};
use crate::short;
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

/// How mailbox names are spelled in a session.
///
/// A session begins with modified UTF-7 and changes to UTF-8 for good when the client enables `UTF8=ACCEPT`
/// (RFC 6855 section 3) or `IMAP4rev2` (RFC 9051 section 6.3.1). In UTF-8 a `&` is a character like any other. Parser
/// and encoder are told, since nothing in a name says which it is:
///
/// ```
/// use imap_proto::{Command, Encode, Encoder, Literals, MailboxName, Names, Parser};
/// let mut parser = Parser::new();
/// parser.set_names(Names::Utf8);
/// let tagged = parser.command("a DELETE \"R&D für alle\"".as_bytes())?;
/// let Command::Delete(name) = tagged.command else { panic!() };
/// assert_eq!(name, MailboxName::new("R&D für alle")?);
///
/// let mut wire = Vec::new();
/// name.encode(&mut Encoder::new(&mut wire, Literals::Sync))?;
/// assert_eq!(wire, b"\"R&-D f&APw-r alle\"");
/// # Ok::<(), imap_proto::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Names {
    /// RFC 3501 5.1.3.
    #[default]
    ModifiedUtf7,
    /// RFC 9051 5.1.
    Utf8,
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

/// A spelling that was checked.
#[derive(Clone, Copy)]
struct Name<'a> {
    content: IString<'a>,
    spelling: Spelling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Canonical modified UTF-7.
    ModifiedUtf7,
    /// UTF-8.
    Utf8,
    /// UTF-8 where the grammar has none: raw bytes, or a `&` that begins nothing, where names are modified UTF-7; raw
    /// bytes without quotes where they are UTF-8. It goes back as it came, since its owner knows it by no other name.
    Bare,
}

const NOT_CANONICAL: &str = "mailbox name is not canonical modified UTF-7";
const NOT_UTF8: &str = "mailbox name is not UTF-8";
const CONTROL: &str = "control character in a mailbox name";

/// Spelled alike in both: printable ASCII without `&`. Quotes and backslashes, which are rare, count as something else.
fn is_plain(content: IString<'_>) -> bool {
    content
        .as_plain()
        .is_some_and(|bytes| short::is_plain_quotable(bytes) && memchr::memchr(b'&', bytes).is_none())
}

impl<'a> Name<'a> {
    fn of_wire(content: IString<'a>, names: Names) -> Result<Self, &'static str> {
        let canonical = Self { content, spelling: Spelling::ModifiedUtf7 };
        if is_plain(content) {
            return Ok(canonical);
        }
        if names == Names::Utf8 {
            return Self::of_text(content, Spelling::Utf8).map_err(|control| control.unwrap_or(NOT_UTF8));
        }
        for character in utf7::Decoder::new(content.bytes()) {
            match character {
                Err(utf7::NotCanonical) => {
                    let bare = Self::of_text(content, Spelling::Bare);
                    return bare.map_err(|control| control.unwrap_or(NOT_CANONICAL));
                }
                Ok(character) if character.is_control() => return Err(CONTROL),
                Ok(_) => {}
            }
        }
        Ok(canonical)
    }

    /// `Err(None)` for what is not UTF-8.
    fn of_text(content: IString<'a>, spelling: Spelling) -> Result<Self, Option<&'static str>> {
        match content.to_utf8() {
            None => Err(None),
            Some(text) if text.contains(char::is_control) => Err(Some(CONTROL)),
            Some(_) => Ok(Self { content, spelling }),
        }
    }

    fn of_utf8(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.find(char::is_control) {
            Some(at) => Err(InvalidMessage::new(CONTROL, at)),
            None => Ok(Self { content: IString::plain(text.as_bytes()), spelling: Spelling::Utf8 }),
        }
    }

    /// Reads a string, or a word that is an atom by `is_atom`, bytes above 127 apart.
    fn of_node(node: &Node<'a>, is_atom: fn(&[u8]) -> bool) -> Result<Self, InvalidMessage> {
        let names = if node.token.is_utf8() { Names::Utf8 } else { Names::ModifiedUtf7 };
        if node.token.kind() != Kind::Word {
            return Self::of_wire(node.string()?, names).or_else(|what| node.fail(what));
        }
        let word = node.word()?;
        let name = Self::of_wire(IString::plain(word), names);
        if is_atom(word) {
            return name.or_else(|what| node.fail(what));
        }
        let plain = |part: &[u8]| part.is_empty() || is_atom(part);
        if word.is_ascii() || !word.split(|b| !b.is_ascii()).all(plain) {
            return node.fail("expected a mailbox name");
        }
        name.map(|name| Self { spelling: Spelling::Bare, ..name }).or_else(|what| node.fail(what))
    }

    fn check(self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if self.spelling == Spelling::Bare { check.meet(Quirk::BareName, 0) } else { Ok(()) }
    }

    fn to_utf8(self) -> Cow<'a, str> {
        let decoded = match self.spelling {
            Spelling::ModifiedUtf7 if self.has_shift() => {
                return Cow::Owned(utf7::Decoder::new(self.content.bytes()).map_while(Result::ok).collect());
            }
            _ => self.content.to_utf8(),
        };
        // It was looked at when this value was made.
        decoded.unwrap_or_default()
    }

    fn has_shift(self) -> bool {
        self.content.bytes().any(|b| b == b'&')
    }

    fn is_inbox(self) -> bool {
        self.content.eq_ignore_ascii_case(b"INBOX")
    }

    /// Gives the form that it has among `names` to `write`.
    fn with_wire<R>(self, names: Names, write: impl FnOnce(IString<'_>) -> R) -> R {
        match (self.spelling, names) {
            (Spelling::Utf8, Names::ModifiedUtf7) if !is_plain(self.content) => {
                let text = self.to_utf8();
                let mut wire = Vec::with_capacity(text.len() * 2);
                utf7::encode(&text, &mut wire);
                write(IString::plain(&wire))
            }
            (Spelling::ModifiedUtf7, Names::Utf8) if self.has_shift() => {
                write(IString::plain(self.to_utf8().as_bytes()))
            }
            _ => write(self.content),
        }
    }

    /// Writes it as an atom, if it is one by `is_atom`, or as a string.
    fn encode<S: Sink>(
        self,
        out: &mut Encoder<'_, S>,
        is_atom: fn(&[u8]) -> bool,
    ) -> Result<(), PeerIncompatible> {
        let names = out.names();
        self.with_wire(names, |wire| match wire.as_plain() {
            Some(bytes) if is_atom(bytes) => {
                out.raw(bytes);
                Ok(())
            }
            // UTF-8 may stand between quotes, which costs nobody a round trip.
            _ if names == Names::Utf8 => out.quoted_utf8(&wire),
            _ => out.string(&wire),
        })
    }
}

impl<'a> MailboxName<'a> {
    /// `INBOX`.
    pub const INBOX: MailboxName<'static> =
        MailboxName(Name { content: IString::plain(b"INBOX"), spelling: Spelling::Utf8 });

    /// The name that reads like this. Control characters are refused. It is not normalised: two names that look alike
    /// may be two mailboxes, and which are one is for the store to say.
    pub fn new(name: &'a str) -> Result<Self, InvalidMessage> {
        Name::of_utf8(name).map(Self)
    }

    /// The name spelled like this in modified UTF-7; not canonical spelling is refused.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, InvalidMessage> {
        match Name::of_wire(IString::new(wire)?, Names::ModifiedUtf7) {
            Ok(Name { spelling: Spelling::Bare, .. }) => Err(InvalidMessage::new(NOT_CANONICAL, 0)),
            name => name.map(Self).map_err(|what| InvalidMessage::new(what, 0)),
        }
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
        self.0.content.is_empty()
    }

    /// True for a name that came spelled in a way that the session has not: it is kept so, and goes back so. It equals
    /// no name that is spelled as it should be, although both read the same.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.0.spelling == Spelling::Bare
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        Name::of_node(node, chars::is_astring_atom).map(Self)
    }

    /// The same where a mailbox must be named.
    pub(crate) fn argument(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.spaced()?;
        let name = Self::of_node(&node)?;
        if name.is_empty() { node.fail("empty mailbox name") } else { Ok(name) }
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.0.check(check)
    }

    pub(crate) fn encode_quoted<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.0.encode(out, |_| false)
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
        self.0.content.is_empty()
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        Name::of_node(node, chars::is_pattern_atom).map(Self)
    }
}

impl PartialEq for MailboxName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.is_bare() == other.is_bare() && self.to_utf8() == other.to_utf8()
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

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.0.check(check)
    }
}

impl<'a> Item<'a> for ListPattern<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Self::of_node(&cursor.next()?)
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.0.check(check)
    }
}

impl Encode for MailboxName<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.is_inbox() {
            out.raw(b"INBOX");
            return Ok(());
        }
        self.0.encode(out, chars::is_astring_atom)
    }
}

impl Encode for ListPattern<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.0.encode(out, chars::is_pattern_atom)
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
    fn parsed<R>(
        names: Names,
        wire: &[u8],
        look: impl FnOnce(Result<MailboxName<'_>, InvalidMessage>) -> R,
    ) -> R {
        let line = [b"* LIST () NIL ", wire].concat();
        let mut parser = crate::Parser::new();
        parser.set_names(names);
        match parser.response(&line).unwrap() {
            crate::Response::List(listed) => look(Ok(listed.mailbox)),
            _ => look(Err(InvalidMessage::new("invalid", 0))),
        }
    }

    #[test]
    fn the_session_decides_what_an_ampersand_is() {
        for (wire, utf7, utf8) in [
            ("Gr&APwA3w-e", "Grüße", "Gr&APwA3w-e"),
            ("R&-D", "R&D", "R&-D"),
            ("\"a b\"", "a b", "a b"),
            ("\"q\\\"&-\"", "q\"&", "q\"&-"),
            ("{3}\r\n&-x", "&x", "&-x"),
        ] {
            for (names, text) in [(Names::ModifiedUtf7, utf7), (Names::Utf8, utf8)] {
                parsed(names, wire.as_bytes(), |name| {
                    assert_eq!(name.unwrap(), MailboxName::new(text).unwrap())
                });
            }
        }
    }

    #[test]
    fn a_name_crosses_from_one_session_to_the_other() {
        let among = |names, name: &MailboxName<'_>| {
            let mut out = Vec::new();
            name.encode(&mut Encoder::new(&mut out, Literals::Sync).with_names(names)).unwrap();
            String::from_utf8(out).unwrap()
        };
        for (utf7, utf8) in [
            ("Gr&APwA3w-e", "\"Grüße\""),
            ("R&-D", "R&D"),
            ("\"q\\\" &AOk-\"", "\"q\\\" é\""),
            ("x", "x"),
            ("INBOX", "INBOX"),
        ] {
            for (names, wire) in [(Names::ModifiedUtf7, utf7), (Names::Utf8, utf8)] {
                parsed(names, wire.as_bytes(), |name| {
                    let name = name.unwrap();
                    assert_eq!(among(Names::ModifiedUtf7, &name), utf7);
                    assert_eq!(among(Names::Utf8, &name), utf8);
                    assert!(!name.is_bare());
                });
            }
        }
        let long = "é".repeat(513);
        assert_eq!(among(Names::Utf8, &MailboxName::new(&long).unwrap()), format!("{{1026}}\r\n{long}"));
    }

    #[test]
    fn a_bare_name_is_read_as_text_and_goes_back_as_it_came() {
        for (wire, text, back) in [
            ("\"R&D\"", "R&D", "R&D"),
            ("Entwürfe", "Entwürfe", "{9}\r\nEntwürfe"),
            ("\"&AGE-\"", "&AGE-", "&AGE-"),
            ("\"&\"", "&", "&"),
        ] {
            parsed(Names::ModifiedUtf7, wire.as_bytes(), |name| {
                let name = name.unwrap();
                assert_eq!((name.to_utf8(), name.is_bare()), (text.into(), true));
                let mut out = Vec::new();
                name.encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), back);
                assert_ne!(name, MailboxName::new(text).unwrap());
            });
            assert!(crate::Parser::new().command(format!("a SELECT {wire}").as_bytes()).is_err(), "{wire}");
        }
    }

    #[test]
    fn n3_what_is_neither_is_refused_in_both_sessions() {
        for names in [Names::ModifiedUtf7, Names::Utf8] {
            for wire in [&b"\"\xff\""[..], b"\xc3(", b"\"\xc2\x85\"", b"\"a\tb\"", b"{2}\r\n\0a"] {
                parsed(names, wire, |name| assert!(name.is_err(), "{wire:?}"));
            }
        }
    }
}
