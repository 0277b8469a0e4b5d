//! Flags and keywords (RFC 3501 2.3.2, 9).
//!
//! ```
//! use imap_proto::{Code, Flag, Parser, Response};
//! let mut parser = Parser::new();
//! let line = b"* OK [PERMANENTFLAGS (\\Deleted \\Seen $Forwarded \\*)] Limited";
//! let Response::Status(status) = parser.response(line)? else { panic!() };
//! let Some(Code::PermanentFlags(flags)) = status.code else { panic!() };
//! assert!(flags.iter().any(|flag| flag == Flag::Deleted));
//! assert_eq!(flags.iter().filter(Flag::is_keyword).count(), 1);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::{Check, Quirk};
use crate::tape::{Cursor, Item};

/// A flag of a message or, with [`Any`](Self::Any), of PERMANENTFLAGS.
///
/// ```
/// use imap_proto::Flag;
/// assert_eq!(Flag::new("\\seen")?, Flag::Seen);
/// assert_eq!(Flag::new("$Forwarded")?.as_bytes(), b"$Forwarded");
/// assert!(Flag::new("two words").is_err());
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Flag<'a> {
    /// `\Answered`.
    Answered,
    /// `\Flagged`.
    Flagged,
    /// `\Deleted`.
    Deleted,
    /// `\Seen`.
    Seen,
    /// `\Draft`.
    Draft,
    /// `\Recent`: only a server sets it.
    Recent,
    /// `\*` in PERMANENTFLAGS: new keywords may be made.
    Any,
    /// A keyword, or a system flag that is not known here.
    Other(FlagName<'a>),
}

/// The spelling of a [`Flag::Other`]: an atom, or an atom behind a backslash. A `]` is let through, since servers
/// have made keywords with it.
#[derive(Debug, Clone, Copy)]
pub struct FlagName<'a>(&'a [u8]);

impl<'a> Flag<'a> {
    /// The flag spelled like this.
    pub fn new(flag: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_word(flag.as_ref()).ok_or(InvalidMessage::new("expected a flag", 0))
    }

    pub(crate) fn of_word(word: &'a [u8]) -> Option<Self> {
        keys! {
            ANSWERED = "\\Answered", FLAGGED = "\\Flagged", DELETED = "\\Deleted", SEEN = "\\Seen",
            DRAFT = "\\Draft", RECENT = "\\Recent", ANY = "\\*",
        }
        let Some(name) = word.strip_prefix(b"\\") else {
            return chars::is_astring_atom(word).then_some(Self::Other(FlagName(word)));
        };
        Some(match key(word) {
            ANSWERED => Self::Answered,
            FLAGGED => Self::Flagged,
            DELETED => Self::Deleted,
            SEEN => Self::Seen,
            DRAFT => Self::Draft,
            RECENT => Self::Recent,
            ANY => Self::Any,
            _ if chars::is_astring_atom(name) => Self::Other(FlagName(word)),
            _ => return None,
        })
    }

    /// Its spelling.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Answered => b"\\Answered",
            Self::Flagged => b"\\Flagged",
            Self::Deleted => b"\\Deleted",
            Self::Seen => b"\\Seen",
            Self::Draft => b"\\Draft",
            Self::Recent => b"\\Recent",
            Self::Any => b"\\*",
            Self::Other(name) => name.0,
        }
    }

    /// True for a keyword: no backslash.
    #[must_use]
    pub fn is_keyword(&self) -> bool {
        matches!(self, Self::Other(name) if !name.0.starts_with(b"\\"))
    }

    /// True for what a client may set: not `\Recent`, not `\*`, no keyword with a `]`.
    #[must_use]
    pub fn is_settable(&self) -> bool {
        !matches!(self, Self::Recent | Self::Any) && !self.as_bytes().contains(&b']')
    }
}

impl PartialEq for Flag<'_> {
    /// Without regard to ASCII case.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Flag<'_> {}

impl<'a> Item<'a> for Flag<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("expected a flag"), Ok)
    }

    #[inline]
    fn pass(cursor: &mut Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let offset = cursor.offset();
        match Self::read(cursor)? {
            Self::Other(name) if name.0.contains(&b']') => check.meet(Quirk::BracketInFlag, offset),
            _ => Ok(()),
        }
    }
}

impl Encode for Flag<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_bytes());
        Ok(())
    }
}

/// A flag that a client may set: what STORE and APPEND take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettableFlag<'a>(Flag<'a>);

impl<'a> SettableFlag<'a> {
    /// `None` for `\Recent`, `\*` and keywords with a `]`.
    #[must_use]
    pub fn new(flag: Flag<'a>) -> Option<Self> {
        flag.is_settable().then_some(Self(flag))
    }

    /// The flag.
    #[must_use]
    pub fn flag(&self) -> Flag<'a> {
        self.0
    }
}

impl<'a> Item<'a> for SettableFlag<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let offset = cursor.offset();
        Self::new(Flag::read(cursor)?).ok_or(InvalidMessage::new("flag that cannot be set", offset))
    }
}

impl Encode for SettableFlag<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.0.encode(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_flags_are_known_in_any_case_and_others_are_kept() {
        assert_eq!(Flag::new("\\DELETED").unwrap(), Flag::Deleted);
        assert!(matches!(Flag::new("\\Vendor").unwrap(), Flag::Other(_)));
        assert!(!Flag::new("\\Vendor").unwrap().is_keyword());
        assert!(Flag::new("$MDNSent").unwrap().is_keyword());
        assert_eq!(Flag::new("work").unwrap(), Flag::new("WORK").unwrap());
        for bad in ["", "\\", "\\\\x", "a*", "a\"", "(", "é"] {
            assert!(Flag::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn clients_cannot_set_what_servers_own() {
        for flag in ["\\Recent", "\\*", "a]b"] {
            assert_eq!(SettableFlag::new(Flag::new(flag).unwrap()), None);
        }
        assert!(SettableFlag::new(Flag::Seen).is_some());
    }
}
