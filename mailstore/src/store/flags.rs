//! Flags of a message: the system flags of RFC 3501 2.3.2 and keywords.
//!
//! \Recent is not here: it belongs to a session, not to a message. A mailbox knows at most [`KEYWORDS_MAX`] keywords,
//! each a bit in every message's record; a keyword once known stays known, compared without regard to ASCII case and
//! shown as first written.

use std::fmt;
use std::sync::Arc;

use super::error::{Error, InvalidName, Limit};

/// The most keywords one mailbox may have: the bits of a message's record.
pub const KEYWORDS_MAX: usize = 64;
/// The most bytes a keyword may have.
pub const KEYWORD_BYTES_MAX: usize = 255;

/// A set of system flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SystemFlags(u8);

impl SystemFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// \Seen.
    pub const SEEN: Self = Self(1);
    /// \Answered.
    pub const ANSWERED: Self = Self(2);
    /// \Flagged.
    pub const FLAGGED: Self = Self(4);
    /// \Deleted.
    pub const DELETED: Self = Self(8);
    /// \Draft.
    pub const DRAFT: Self = Self(16);
    /// All five.
    pub const ALL: Self = Self(31);

    /// Whether all of `other` are in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in this set and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }
}

impl fmt::Debug for SystemFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::SEEN, "\\Seen"),
            (Self::ANSWERED, "\\Answered"),
            (Self::FLAGGED, "\\Flagged"),
            (Self::DELETED, "\\Deleted"),
            (Self::DRAFT, "\\Draft"),
        ];
        let shown: Vec<_> =
            names.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name).collect();
        write!(f, "({})", shown.join(" "))
    }
}

/// A keyword: an atom of RFC 3501, at most [`KEYWORD_BYTES_MAX`] bytes. Cheap to clone.
///
/// ```
/// use mailstore::store::Keyword;
///
/// assert!(Keyword::new("$Forwarded").is_ok());
/// assert!(Keyword::new("\\Seen").is_err());
/// assert!(Keyword::new("two words").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keyword(Arc<str>);

impl Keyword {
    /// A keyword of this text.
    ///
    /// # Errors
    /// Empty, too long, or not an atom.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.len() > KEYWORD_BYTES_MAX {
            return Err(InvalidName::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b)) {
            return Err(InvalidName::ForbiddenCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Flags as a caller gives them: with APPEND, STORE, COPY.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Flags {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, in any order.
    pub keywords: Vec<Keyword>,
}

impl From<SystemFlags> for Flags {
    fn from(system: SystemFlags) -> Self {
        Self { system, keywords: Vec::new() }
    }
}

/// A set of keywords of one mailbox: bit *n* is the *n*th of its [`KeywordTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeywordBits(pub(super) u64);

impl KeywordBits {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The keywords that a mailbox knows. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct KeywordTable(Arc<[Keyword]>);

impl KeywordTable {
    /// All of them, in the order of their bits.
    #[must_use]
    pub fn keywords(&self) -> &[Keyword] {
        &self.0
    }

    /// Whether the mailbox can learn another one (`\*` in PERMANENTFLAGS).
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.len() < KEYWORDS_MAX
    }

    /// The keywords that `bits` stand for.
    pub fn names(&self, bits: KeywordBits) -> impl Iterator<Item = &Keyword> {
        self.0.iter().enumerate().filter(move |(n, _)| bits.0 >> n & 1 == 1).map(|(_, keyword)| keyword)
    }

    /// The bit of this keyword, if the mailbox knows it.
    #[must_use]
    pub fn bit(&self, keyword: &str) -> Option<KeywordBits> {
        let at = self.0.iter().position(|known| known.0.eq_ignore_ascii_case(keyword))?;
        Some(KeywordBits(1 << at))
    }

    /// The table with one more keyword at the end.
    pub(super) fn with(&self, keyword: Keyword) -> Result<Self, Error> {
        if !self.has_room() {
            return Err(Error::limit(Limit::Keywords, KEYWORDS_MAX));
        }
        Ok(Self(self.0.iter().cloned().chain([keyword]).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_64_keywords_and_not_65() {
        let mut table = KeywordTable::default();
        for n in 0..64 {
            table = table.with(Keyword::new(&format!("k{n}")).unwrap()).unwrap();
        }
        assert!(!table.has_room());
        assert!(table.with(Keyword::new("more").unwrap()).is_err());
        assert_eq!(table.bit("K63"), Some(KeywordBits(1 << 63)));
        assert_eq!(
            table.names(KeywordBits(1 << 63 | 1)).map(Keyword::as_str).collect::<Vec<_>>(),
            ["k0", "k63"]
        );
    }

    #[test]
    fn a_keyword_may_have_255_bytes_and_not_256() {
        assert!(Keyword::new(&"k".repeat(255)).is_ok());
        assert_eq!(Keyword::new(&"k".repeat(256)), Err(InvalidName::TooLong));
    }

    #[test]
    fn what_is_no_atom_is_no_keyword() {
        for bad in ["", "a b", "\\Seen", "a]", "a)", "ä", "a\r", "*", "%"] {
            assert!(Keyword::new(bad).is_err(), "{bad:?}");
        }
    }
}
