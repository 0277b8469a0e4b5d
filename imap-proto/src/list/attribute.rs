//! Hierarchy separators, mailbox attributes and special uses (RFC 3501 7.2.2, RFC 3348, RFC 5258 3.4, RFC 5465 8,
//! RFC 6154 2, RFC 8457).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::string::IString;
use crate::tape::{Cursor, Item, Node};

/// A hierarchy separator: one printable ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Separator(u8);

impl Separator {
    /// `/`.
    pub const SLASH: Self = Self(b'/');
    /// `.`.
    pub const DOT: Self = Self(b'.');

    /// This character. `None` for what may not stand between quotes.
    #[must_use]
    pub fn new(character: u8) -> Option<Self> {
        chars::is_quotable(character).then_some(Self(character))
    }

    /// The character.
    #[must_use]
    pub fn as_byte(self) -> u8 {
        self.0
    }

    /// Reads a quoted character or `NIL`.
    pub(crate) fn of_node(node: &Node<'_>) -> Result<Option<Self>, InvalidMessage> {
        let Some(string) = node.nstring()? else { return Ok(None) };
        let mut bytes = string.bytes();
        match (bytes.next().and_then(Self::new), bytes.next()) {
            (Some(separator), None) => Ok(Some(separator)),
            // Some servers send an empty string for a flat name space.
            (None, None) if string.is_empty() => Ok(None),
            _ => node.fail("expected one character"),
        }
    }

    pub(crate) fn encode_option<S: Sink>(
        separator: Option<Self>,
        out: &mut Encoder<'_, S>,
    ) -> Result<(), PeerIncompatible> {
        match separator {
            None => {
                out.raw(b"NIL");
                Ok(())
            }
            Some(Self(character)) => out.string(&IString::plain(&[character])),
        }
    }
}

/// A mailbox attribute, or a special use.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ListAttribute<'a> {
    /// `\Noinferiors`: no children, ever.
    NoInferiors,
    /// `\Noselect`.
    NoSelect,
    /// `\Marked`.
    Marked,
    /// `\Unmarked`.
    Unmarked,
    /// `\HasChildren` (RFC 3348).
    HasChildren,
    /// `\HasNoChildren` (RFC 3348).
    HasNoChildren,
    /// `\NonExistent`: a name without a mailbox (RFC 5258).
    NonExistent,
    /// `\Subscribed` (RFC 5258).
    Subscribed,
    /// `\Remote`: it is on another server (RFC 5258).
    Remote,
    /// `\NoAccess` (RFC 5465): the user may not see it.
    NoAccess,
    /// A special use (RFC 6154).
    Use(SpecialUse),
    /// Another attribute, with its backslash.
    Other(AttributeName<'a>),
}

/// The spelling of a [`ListAttribute::Other`].
#[derive(Debug, Clone, Copy)]
pub struct AttributeName<'a>(&'a [u8]);

/// A special use of a mailbox (RFC 6154 section 2, RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecialUse {
    /// `\All`.
    All,
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Flagged`.
    Flagged,
    /// `\Important` (RFC 8457).
    Important,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

impl<'a> ListAttribute<'a> {
    /// The attribute spelled like this, with its backslash.
    pub fn new(attribute: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_word(attribute.as_ref()).ok_or(InvalidMessage::new("expected a mailbox attribute", 0))
    }

    fn of_word(word: &'a [u8]) -> Option<Self> {
        keys! {
            NOINFERIORS = "\\Noinferiors", NOSELECT = "\\Noselect", MARKED = "\\Marked", UNMARKED = "\\Unmarked",
            HASCHILDREN = "\\HasChildren", HASNOCHILDREN = "\\HasNoChildren", NONEXISTENT = "\\NonExistent",
            SUBSCRIBED = "\\Subscribed", REMOTE = "\\Remote", NOACCESS = "\\NoAccess",
        }
        if let Some(special) = SpecialUse::of_word(word) {
            return Some(Self::Use(special));
        }
        Some(match key(word) {
            NOINFERIORS => Self::NoInferiors,
            NOSELECT => Self::NoSelect,
            MARKED => Self::Marked,
            UNMARKED => Self::Unmarked,
            HASCHILDREN => Self::HasChildren,
            HASNOCHILDREN => Self::HasNoChildren,
            NONEXISTENT => Self::NonExistent,
            SUBSCRIBED => Self::Subscribed,
            REMOTE => Self::Remote,
            NOACCESS => Self::NoAccess,
            _ => {
                let name = word.strip_prefix(b"\\").unwrap_or(word);
                return chars::is_atom(name).then_some(Self::Other(AttributeName(word)));
            }
        })
    }

    /// Its spelling.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::NoInferiors => b"\\Noinferiors",
            Self::NoSelect => b"\\Noselect",
            Self::Marked => b"\\Marked",
            Self::Unmarked => b"\\Unmarked",
            Self::HasChildren => b"\\HasChildren",
            Self::HasNoChildren => b"\\HasNoChildren",
            Self::NonExistent => b"\\NonExistent",
            Self::Subscribed => b"\\Subscribed",
            Self::Remote => b"\\Remote",
            Self::NoAccess => b"\\NoAccess",
            Self::Use(special) => special.as_str().as_bytes(),
            Self::Other(name) => name.0,
        }
    }
}

impl PartialEq for ListAttribute<'_> {
    /// Without regard to ASCII case.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for ListAttribute<'_> {}

impl SpecialUse {
    /// The use spelled like this, with its backslash.
    #[must_use]
    pub fn of_word(word: &[u8]) -> Option<Self> {
        keys! {
            ALL = "\\All", ARCHIVE = "\\Archive", DRAFTS = "\\Drafts", FLAGGED = "\\Flagged", JUNK = "\\Junk",
            SENT = "\\Sent", TRASH = "\\Trash", IMPORTANT = "\\Important",
        }
        Some(match key(word) {
            ALL => Self::All,
            ARCHIVE => Self::Archive,
            DRAFTS => Self::Drafts,
            FLAGGED => Self::Flagged,
            IMPORTANT => Self::Important,
            JUNK => Self::Junk,
            SENT => Self::Sent,
            TRASH => Self::Trash,
            _ => return None,
        })
    }

    /// Its spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Important => "\\Important",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

impl<'a> Item<'a> for ListAttribute<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("expected a mailbox attribute"), Ok)
    }
}

impl Encode for ListAttribute<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_bytes());
        Ok(())
    }
}
