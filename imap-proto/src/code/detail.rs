//! What some codes say in more than a word.

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, QUOTED_BYTES_MAX, Sink};
use crate::login::is_base64;
use crate::string::{IString, Password};
use crate::tape::{Cursor, Item, Node};
use crate::url::UrlMechanism;
use crate::urlauth::UrlText;

/// What METADATA says (RFC 5464 4.2.1, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetadataCode {
    /// `LONGENTRIES n`: values were left out, the longest of this many bytes.
    LongEntries(u64),
    /// `MAXSIZE n`: a value is longer than this many bytes.
    MaxSize(u64),
    /// `TOOMANY`: no more annotations can be made.
    TooMany,
    /// `NOPRIVATE`: there are no private annotations.
    NoPrivate,
}

impl MetadataCode {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, InvalidMessage> {
        keys! {
            LONGENTRIES = "LONGENTRIES", MAXSIZE = "MAXSIZE", TOOMANY = "TOOMANY", NOPRIVATE = "NOPRIVATE",
        }
        let node = cursor.spaced()?;
        Ok(match key(node.word()?) {
            LONGENTRIES => Self::LongEntries(cursor.spaced()?.number()?),
            MAXSIZE => Self::MaxSize(cursor.spaced()?.number()?),
            TOOMANY => Self::TooMany,
            NOPRIVATE => Self::NoPrivate,
            _ => return node.fail("unknown METADATA code"),
        })
    }
}

impl Encode for MetadataCode {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let (name, number): (&[u8], _) = match self {
            Self::LongEntries(bytes) => (b"LONGENTRIES ", Some(*bytes)),
            Self::MaxSize(bytes) => (b"MAXSIZE ", Some(*bytes)),
            Self::TooMany => (b"TOOMANY", None),
            Self::NoPrivate => (b"NOPRIVATE", None),
        };
        out.raw(name);
        if let Some(number) = number {
            out.number(number);
        }
        Ok(())
    }
}

/// What INPROGRESS says (RFC 9585): how far a long command has come. All of it may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress<'a> {
    /// The tag of the command.
    pub tag: Option<IString<'a>>,
    /// How much is done, in whatever unit the server counts.
    pub done: Option<u64>,
    /// How much that is going to be, not 0; only with `done`.
    pub goal: Option<u64>,
}

impl<'a> Progress<'a> {
    pub(super) fn read(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = node.inside()?;
        let number = |node: Node<'_>| if node.is_nil() { Ok(None) } else { node.number().map(Some) };
        let progress = Self {
            tag: inside.next()?.nstring()?,
            done: number(inside.spaced()?)?,
            goal: number(inside.spaced()?)?,
        };
        inside.end()?;
        if progress.is_sound() { Ok(progress) } else { node.fail("goal of no progress") }
    }

    fn is_sound(&self) -> bool {
        self.goal.is_none_or(|goal| goal > 0 && self.done.is_some())
    }
}

impl Encode for Progress<'_> {
    /// With a space in front; nothing, if nothing is known.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if *self == Self::default() {
            return Ok(());
        }
        if !self.is_sound() {
            return Err(PeerIncompatible::Inexpressible("goal of no progress"));
        }
        out.raw(b" (");
        match &self.tag {
            Some(tag) => quoted(out, tag)?,
            None => out.raw(b"NIL"),
        }
        for number in [self.done, self.goal] {
            out.raw(b" ");
            match number {
                Some(number) => out.number(number),
                None => out.raw(b"NIL"),
            }
        }
        out.raw(b")");
        Ok(())
    }
}

/// A string in a code, which has no room for a literal.
pub(super) fn quoted<S: Sink>(
    out: &mut Encoder<'_, S>,
    string: &IString<'_>,
) -> Result<(), PeerIncompatible> {
    if string.bytes().count() <= QUOTED_BYTES_MAX && string.bytes().all(crate::chars::is_quotable) {
        out.string(string)
    } else {
        Err(PeerIncompatible::Inexpressible("response code that needs a literal"))
    }
}

/// The same for what may be an atom.
pub(super) fn short_astring<S: Sink>(
    out: &mut Encoder<'_, S>,
    string: &IString<'_>,
) -> Result<(), PeerIncompatible> {
    match string.as_plain() {
        Some(plain) if crate::chars::is_atom(plain) => {
            out.raw(plain);
            Ok(())
        }
        _ => quoted(out, string),
    }
}

/// The URLs of REFERRAL (RFC 2193, RFC 2221): where a mailbox or an account is. One or more, of any scheme.
#[derive(Clone, Copy)]
pub struct Referral<'a>(Urls<'a>);

#[derive(Clone, Copy)]
enum Urls<'a> {
    /// Text with a space between two.
    Wire(&'a [u8]),
    Slice(&'a [UrlText<'a>]),
}

impl<'a> Referral<'a> {
    /// A referral to these. `None` if there are none.
    #[must_use]
    pub fn of(urls: &'a [UrlText<'a>]) -> Option<Self> {
        (!urls.is_empty()).then_some(Self(Urls::Slice(urls)))
    }

    pub(super) fn of_wire(text: &'a [u8]) -> Option<Self> {
        (!text.trim_ascii().is_empty()).then_some(Self(Urls::Wire(text)))
    }

    /// The URLs in order of preference.
    pub fn iter(&self) -> impl Iterator<Item = UrlText<'a>> + use<'a> {
        let (wire, slice): (&[u8], &[_]) = match self.0 {
            Urls::Wire(wire) => (wire, &[]),
            Urls::Slice(urls) => (b"", urls),
        };
        let read = wire.split(|&b| b == b' ').filter(|url| !url.is_empty());
        read.map(|url| UrlText(IString::plain(url))).chain(slice.iter().copied())
    }
}

impl PartialEq for Referral<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Referral<'_> {}

impl fmt::Debug for Referral<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Encode for Referral<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        for url in self.iter() {
            out.raw(b" ");
            bare_url(out, &url)?;
        }
        Ok(())
    }
}

/// A URL as it stands in a code, without quotes.
pub(super) fn bare_url<S: Sink>(out: &mut Encoder<'_, S>, url: &UrlText<'_>) -> Result<(), PeerIncompatible> {
    let legal = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'[' | b']' | b'(' | b')' | b'{');
    match url.as_str() {
        Some(text) if !text.is_empty() && text.bytes().all(legal) => {
            out.raw(text.as_bytes());
            Ok(())
        }
        _ => Err(PeerIncompatible::Inexpressible("URL that no response code can hold")),
    }
}

/// A mechanism that URLMECH lists (RFC 4467 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlKey<'a> {
    /// Which.
    pub mechanism: UrlMechanism<'a>,
    /// What belongs to it, in base64; not printed.
    pub data: Option<Password<'a>>,
}

impl<'a> Item<'a> for UrlKey<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        let word = node.word()?;
        let (name, data) = match memchr::memchr(b'=', word) {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        match UrlMechanism::of_bytes(name) {
            Some(mechanism) if data.is_none_or(is_base64) => {
                Ok(Self { mechanism, data: data.map(|data| Password(IString::plain(data))) })
            }
            _ => node.fail("expected a URLAUTH mechanism"),
        }
    }
}

impl Encode for UrlKey<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.mechanism.encode(out)?;
        if let Some(data) = &self.data {
            let base64 = data.0.as_plain().filter(|data| is_base64(data));
            out.raw(b"=");
            out.raw(base64.ok_or(PeerIncompatible::Inexpressible("mechanism data that is not base64"))?);
        }
        Ok(())
    }
}

/// A code that is not known here: a name and, perhaps, arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode<'a> {
    pub(super) name: &'a [u8],
    pub(super) arguments: &'a [u8],
}

impl<'a> UnknownCode<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// What stands between the name and the closing bracket, without the space; peer's bytes.
    #[must_use]
    pub fn arguments(&self) -> &'a [u8] {
        self.arguments
    }

    /// An atom, and a space in front of its arguments (RFC 3501 9).
    pub(super) fn is_sound(&self) -> bool {
        let joined = self.name.as_ptr_range().end == self.arguments.as_ptr();
        crate::chars::is_atom(self.name) && (self.arguments.is_empty() || !joined)
    }
}

impl fmt::Debug for UnknownCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnknownCode({} {})", Escaped::new(self.name), Escaped::new(self.arguments))
    }
}

impl Encode for UnknownCode<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.name);
        if !self.arguments.is_empty() {
            out.raw(b" ");
            out.raw(self.arguments);
        }
        Ok(())
    }
}
