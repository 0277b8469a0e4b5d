//! A percent-encoded piece of a URL.

use std::borrow::Cow;
use std::fmt;

use mail_wire::InvalidMessage;

/// A piece of a URL: a name, a section, a search. Of either origin: text that was read and is still encoded, or bytes
/// that are encoded when they are written. Two are equal if they decode alike.
#[derive(Clone, Copy)]
pub struct Component<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    /// As it stands in a URL, checked.
    Encoded(&'a str),
    Plain(&'a [u8]),
}

/// What may stand for itself (RFC 5092 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `achar`: in the part of a user.
    User,
    /// `bchar`: also `:`, `@` and `/`.
    Path,
}

impl Alphabet {
    pub(super) fn has(self, byte: u8) -> bool {
        match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'&' | b'=' => true,
            b':' | b'@' | b'/' => self == Self::Path,
            _ => byte.is_ascii_alphanumeric(),
        }
    }
}

impl<'a> Component<'a> {
    /// A component of this content. `None` if it is empty: nothing in a URL says so.
    #[must_use]
    pub fn new(content: &'a (impl AsRef<[u8]> + ?Sized)) -> Option<Self> {
        let content = content.as_ref();
        (!content.is_empty()).then_some(Self(Form::Plain(content)))
    }

    /// The component that `text`, at `offset` of its URL, is.
    pub(super) fn read(text: &'a str, alphabet: Alphabet, offset: usize) -> Result<Self, InvalidMessage> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += match byte {
                b'%' if bytes
                    .get(at + 1..at + 3)
                    .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    3
                }
                _ if alphabet.has(byte) => 1,
                _ => return Err(InvalidMessage::new("character that must be encoded", offset + at)),
            };
        }
        if bytes.is_empty() {
            return Err(InvalidMessage::new("empty part of a URL", offset));
        }
        Ok(Self(Form::Encoded(text)))
    }

    /// The content, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> Decoded<'a> {
        match self.0 {
            Form::Encoded(text) => Decoded { rest: text.as_bytes(), encoded: true },
            Form::Plain(bytes) => Decoded { rest: bytes, encoded: false },
        }
    }

    /// The content in one piece; a copy only if something in it is encoded. Never longer than the text.
    #[must_use]
    pub fn to_bytes(&self) -> Cow<'a, [u8]> {
        match self.0 {
            Form::Encoded(text) if text.contains('%') => Cow::Owned(self.bytes().collect()),
            Form::Encoded(text) => Cow::Borrowed(text.as_bytes()),
            Form::Plain(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// The content as text.
    ///
    /// # Errors
    /// It is not UTF-8, or holds control characters, which no name of a mailbox, a user or a section has.
    pub fn to_utf8(&self) -> Result<Cow<'a, str>, InvalidMessage> {
        let text = match self.to_bytes() {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        };
        match text {
            Some(text) if !text.chars().any(char::is_control) => Ok(text),
            _ => Err(InvalidMessage::new("URL that names no text", 0)),
        }
    }

    /// Writes it in an alphabet, of which `is_kept` may take out a byte (the second) behind another.
    pub(super) fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        alphabet: Alphabet,
        is_kept: impl Fn(Option<u8>, u8) -> bool,
    ) -> fmt::Result {
        let plain = match self.0 {
            Form::Encoded(text) => return f.write_str(text),
            Form::Plain(bytes) => bytes,
        };
        let mut before = None;
        for &byte in plain {
            if alphabet.has(byte) && is_kept(before, byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
            before = Some(byte);
        }
        Ok(())
    }
}

impl PartialEq for Component<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for Component<'_> {}

impl fmt::Debug for Component<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", mail_wire::Escaped::new(&self.to_bytes()))
    }
}

/// The content of a [`Component`], byte for byte.
#[derive(Debug, Clone)]
pub struct Decoded<'a> {
    rest: &'a [u8],
    encoded: bool,
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.rest {
            [b'%', high, low, rest @ ..] if self.encoded => {
                self.rest = rest;
                Some(digit(*high) << 4 | digit(*low))
            }
            [byte, rest @ ..] => {
                self.rest = rest;
                Some(*byte)
            }
            [] => None,
        }
    }
}

fn digit(hex: u8) -> u8 {
    char::from(hex).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default()
}
