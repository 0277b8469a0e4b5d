//! Strings: `string`, `astring`, `nstring`, the data of a body, free text (RFC 3501 4.3, 9).
//!
//! One type stands for the content, whatever form it had or will have on the wire. `nstring` is an `Option` of it.
//!
//! ```
//! use imap_proto::{Command, IString, Parser, Text};
//! let mut parser = Parser::new();
//! // An atom, a quoted string and a literal with the same content are the same.
//! for user in ["FRED", "\"FRED\"", "{4}\r\nFRED"] {
//!     let frame = format!("A001 LOGIN {user} \"fat man\"");
//!     let Command::Login(login) = parser.command(frame.as_bytes())?.command else { panic!() };
//!     assert_eq!(login.user, "FRED");
//! }
//! assert!(IString::new("a\0b").is_err());
//! assert!(Text::new("two\r\nlines").is_err());
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use mail_wire::{Escaped, InvalidMessage, LiteralId, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::tape::{Cursor, Item, Node};
use crate::token::Kind;

/// The content of a string. Any bytes but NUL; no character set is implied.
///
/// ```
/// use imap_proto::{IString, Parser, Response};
/// let mut parser = Parser::new();
/// let Response::Id(id) = parser.response(br#"* ID ("name" "a \"b\" c")"#)? else { panic!() };
/// let name = id.fields.unwrap().iter().next().unwrap().value.unwrap();
/// assert_eq!(name.as_plain(), None); // the backslashes are still there
/// assert_eq!(name.to_utf8().as_deref(), Some("a \"b\" c"));
/// assert_eq!(name, IString::new("a \"b\" c")?);
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Clone, Copy)]
pub struct IString<'a> {
    raw: &'a [u8],
    /// `raw` is the inside of a quoted string, backslashes and all.
    escaped: bool,
}

impl<'a> IString<'a> {
    /// The string without content.
    pub const EMPTY: IString<'static> = IString::plain(b"");

    /// A string of this content; NUL is refused.
    pub fn new(content: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let raw = content.as_ref();
        match memchr::memchr(0, raw) {
            Some(at) => Err(InvalidMessage::new(InvalidMessage::NUL, at)),
            None => Ok(Self::plain(raw)),
        }
    }

    #[inline]
    pub(crate) const fn plain(raw: &'a [u8]) -> Self {
        Self { raw, escaped: false }
    }

    #[inline]
    pub(crate) const fn escaped(raw: &'a [u8]) -> Self {
        Self { raw, escaped: true }
    }

    /// The content, if it stands in one piece: all but quoted strings with a backslash.
    #[must_use]
    #[inline]
    pub fn as_plain(&self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.raw)
    }

    /// The content, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> StringBytes<'a> {
        StringBytes { rest: self.raw, escaped: self.escaped }
    }

    /// The content in one piece; a copy only if it had backslashes.
    #[must_use]
    pub fn to_bytes(&self) -> Cow<'a, [u8]> {
        if self.escaped { Cow::Owned(self.bytes().collect()) } else { Cow::Borrowed(self.raw) }
    }

    /// The content as text, if it is UTF-8.
    #[must_use]
    pub fn to_utf8(&self) -> Option<Cow<'a, str>> {
        match self.to_bytes() {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// Equal to these bytes, ASCII case apart.
    #[must_use]
    pub fn eq_ignore_ascii_case(&self, other: &[u8]) -> bool {
        match self.as_plain() {
            Some(bytes) => bytes.eq_ignore_ascii_case(other),
            None => self.bytes().map(|b| b.to_ascii_lowercase()).eq(other.iter().map(u8::to_ascii_lowercase)),
        }
    }

    /// How many bytes the content is.
    #[must_use]
    pub fn len(&self) -> usize {
        let (mut len, mut rest) = (self.raw.len(), self.raw);
        while self.escaped
            && let Some(at) = memchr::memchr(b'\\', rest)
        {
            len -= 1;
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        len
    }

    /// True without content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

impl PartialEq for IString<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.escaped || other.escaped { self.bytes().eq(other.bytes()) } else { self.raw == other.raw }
    }
}

impl Eq for IString<'_> {}

impl PartialEq<[u8]> for IString<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.bytes().eq(other.iter().copied())
    }
}

impl PartialEq<&str> for IString<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == *other.as_bytes()
    }
}

impl fmt::Debug for IString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped::new(&self.to_bytes()))
    }
}

impl Encode for IString<'_> {
    /// As `string`, quoted or literal.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.string(self)
    }
}

impl<'a> Item<'a> for IString<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        cursor.next()?.astring()
    }
}

/// The content of an [`IString`], byte for byte.
#[derive(Debug, Clone)]
pub struct StringBytes<'a> {
    rest: &'a [u8],
    escaped: bool,
}

impl Iterator for StringBytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if self.escaped && first == b'\\' {
            let (&second, rest) = rest.split_first()?;
            self.rest = rest;
            return Some(second);
        }
        Some(first)
    }
}

/// A string that must not be printed. `Debug` shows `***`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password<'a>(pub IString<'a>);

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The bytes of a message or of a part of one.
///
/// ```
/// use imap_proto::{Data, Encode, Encoder, Literals};
/// let mut out = Vec::new();
/// Data::inline(b"From: Fred\r\n").encode(&mut Encoder::new(&mut out, Literals::Server))?;
/// assert_eq!(out, b"{12}\r\nFrom: Fred\r\n");
/// assert_eq!((Data::Nil.len(), Data::inline(b"").len()), (None, Some(0)));
/// # Ok::<(), imap_proto::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// `NIL`: there is no such part.
    Nil,
    /// The bytes stand in the frame, or are the owner's.
    Inline(IString<'a>),
    /// The owner's bytes, shared: they leave without a copy.
    Shared(&'a Bytes),
    /// The bytes pass by outside the frame.
    Streamed {
        /// Which literal of the connection.
        id: LiteralId,
        /// Its size.
        bytes: u64,
    },
}

impl<'a> Data<'a> {
    /// These bytes; NUL may be among them.
    #[must_use]
    pub fn inline(bytes: &'a [u8]) -> Self {
        Self::Inline(IString::plain(bytes))
    }

    /// The size in bytes; `None` for `NIL`.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Nil => None,
            Self::Inline(string) => Some(string.len() as u64),
            Self::Shared(bytes) => Some(bytes.len() as u64),
            Self::Streamed { bytes, .. } => Some(*bytes),
        }
    }

    /// True without bytes, and for `NIL`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    /// The bytes, where they are here.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Inline(string) => Some(string.to_bytes()),
            Self::Shared(bytes) => Some(Cow::Borrowed(bytes)),
            Self::Nil | Self::Streamed { .. } => None,
        }
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        if let Some((id, bytes)) = node.hole() {
            return Ok(Self::Streamed { id, bytes });
        }
        if node.token.kind() == Kind::Literal8 {
            return Ok(Self::inline(node.bytes()));
        }
        Ok(node.nstring()?.map_or(Self::Nil, Self::Inline))
    }
}

impl Data<'_> {
    /// As [`encode`](Encode::encode), in the form `~{n}` (RFC 3516), which may hold NUL.
    pub(crate) fn encode_binary<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if !matches!(self, Self::Nil) {
            out.raw(b"~");
        }
        self.encode(out)
    }

    /// The same only if NUL is in it, or may be, so that a reader knows without a look (RFC 9051 7.5.2).
    pub(crate) fn encode_nul<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let has_nul = match self {
            Self::Nil => false,
            Self::Inline(string) => memchr::memchr(0, &string.to_bytes()).is_some(),
            Self::Shared(bytes) => memchr::memchr(0, bytes).is_some(),
            Self::Streamed { .. } => true,
        };
        if has_nul { self.encode_binary(out) } else { self.encode(out) }
    }
}

impl PartialEq for Data<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Streamed { id, bytes }, Self::Streamed { id: other, bytes: size }) => {
                (id, bytes) == (other, size)
            }
            _ => matches!((self.to_bytes(), other.to_bytes()), (Some(a), Some(b)) if a == b),
        }
    }
}

impl Eq for Data<'_> {}

impl Encode for Data<'_> {
    /// Always a literal, so that a body may hold anything, and is never mistaken for what is short enough to quote.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Nil => out.raw(b"NIL"),
            Self::Inline(string) => out.literal(&string.to_bytes()),
            Self::Shared(bytes) => out.shared_literal(bytes),
            Self::Streamed { id, bytes } => out.hole(*id, *bytes),
        }
        Ok(())
    }
}

/// The human-readable end of a status or continuation line.
///
/// Text that was read may hold any bytes but CR, LF and NUL; show it through [`Escaped`]. Text to be written is
/// checked, so that one reply stays one line (safety row E6).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Text to send: no control bytes, and no `[` in front, which would be read as a response code.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        if text.starts_with('[') {
            return Err(InvalidMessage::new("text that looks like a response code", 0));
        }
        match text.bytes().position(|b| b.is_ascii_control()) {
            Some(at) => Err(InvalidMessage::new("control byte in text", at)),
            None => Ok(Self(text.as_bytes())),
        }
    }

    pub(crate) fn of_wire(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl From<&'static str> for Text<'static> {
    /// A constant of the program. Should it hold control bytes after all, they leave as `?`.
    fn from(text: &'static str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped::new(self.0))
    }
}

impl Encode for Text<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        for (at, piece) in self.0.split(|b| matches!(b, 0 | b'\r' | b'\n')).enumerate() {
            if at > 0 {
                out.raw(b"?");
            }
            out.raw(piece);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Literals, Status};

    fn encoded(value: &impl Encode) -> String {
        let mut out = Vec::new();
        value.encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn e6_text_stays_on_its_line_and_is_not_taken_for_a_code() {
        for text in ["a\r\nb", "a\0", "\u{7f}", "[ALERT] x"] {
            assert!(Text::new(text).is_err(), "{text:?}");
        }
        assert_eq!(encoded(&Text::from("a\r\n* BYE")), "a??* BYE");
        assert_eq!(encoded(&Status::ok("[ALERT] x")), "OK  [ALERT] x");
    }

    #[test]
    fn escapes_are_undone_by_whoever_looks() {
        let escaped = IString::escaped(br#"a\"b\\"#);
        assert_eq!(escaped.as_plain(), None);
        assert_eq!(escaped.len(), 4);
        assert_eq!(escaped, r#"a"b\"#);
        assert_eq!(escaped, IString::plain(br#"a"b\"#));
        assert!(escaped.eq_ignore_ascii_case(br#"A"B\"#));
        assert_eq!(encoded(&escaped), r#""a\"b\\""#);
        assert_eq!(Data::Inline(escaped).len(), Some(4));
    }

    #[test]
    fn a_string_chooses_quotes_until_it_cannot() {
        assert_eq!(encoded(&IString::new("").unwrap()), "\"\"");
        assert_eq!(encoded(&IString::new("é").unwrap()), "{2}\r\né");
        assert_eq!(encoded(&IString::new(&"x".repeat(1024)).unwrap()).len(), 1026);
        assert!(encoded(&IString::new(&"x".repeat(1025)).unwrap()).starts_with("{1025}\r\n"));
    }
}
