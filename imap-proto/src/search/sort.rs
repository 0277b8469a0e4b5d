//! SORT (RFC 5256, RFC 5957 for the displayed names, RFC 6203 for relevancy, RFC 5267 for return options).
//!
//! ```
//! use imap_proto::search::{SortKey, SortOrder};
//! use imap_proto::{Command, Parser, Response};
//! let mut parser = Parser::new();
//! let Command::Sort(sort) = parser.command(b"a SORT (SUBJECT REVERSE DATE) UTF-8 ALL")?.command else { panic!() };
//! let last = sort.criteria.iter().last().unwrap();
//! assert_eq!((last.key, last.order), (SortKey::Date, SortOrder::Reverse));
//! let Response::Sort(sorted) = parser.response(b"* SORT 5 3 4 1 2")? else { panic!() };
//! assert!(sorted.numbers.iter().eq([5, 3, 4, 1, 2]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::search::{SearchKey, SearchReturn, encode_keys, returned};
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// `SORT (REVERSE DATE) UTF-8 UNDELETED` or `UID SORT ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort<'a> {
    /// How the answer is numbered.
    pub numbering: Numbering,
    /// What is to be returned as ESEARCH; all that was found if the list is empty. `None`: as SORT has it.
    pub returned: Option<List<'a, SearchReturn<'a>>>,
    /// The order, the first first; at least one.
    pub criteria: List<'a, SortCriterion>,
    /// The charset of the strings in the keys.
    pub charset: IString<'a>,
    /// The keys, all of which must match; at least one.
    pub keys: List<'a, SearchKey<'a>>,
}

/// What to order by, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortCriterion {
    /// What.
    pub key: SortKey,
    /// Which way.
    pub order: SortOrder,
}

/// Which way to order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// Small and early first.
    Ascending,
    /// `REVERSE`: large and late first.
    Reverse,
}

/// `sort-key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SortKey {
    /// `ARRIVAL`: the internal date, with its time.
    Arrival,
    /// `CC`: the mailbox of the first address.
    Cc,
    /// `DATE`: when it was sent.
    Date,
    /// `FROM`.
    From,
    /// `SIZE`, in bytes.
    Size,
    /// `SUBJECT`: what RFC 5256 2.1 makes of it.
    Subject,
    /// `TO`.
    To,
    /// `DISPLAYFROM`: the name as shown (RFC 5957).
    DisplayFrom,
    /// `DISPLAYTO` (RFC 5957).
    DisplayTo,
    /// `RELEVANCY`, the highest score first (RFC 6203); only together with a key `FUZZY`.
    Relevancy,
}

impl SortKey {
    fn of_word(word: &[u8]) -> Option<Self> {
        keys! {
            ARRIVAL = "ARRIVAL", CC = "CC", DATE = "DATE", FROM = "FROM", SIZE = "SIZE", SUBJECT = "SUBJECT",
            TO = "TO", DISPLAYFROM = "DISPLAYFROM", DISPLAYTO = "DISPLAYTO", RELEVANCY = "RELEVANCY",
        }
        Some(match key(word) {
            ARRIVAL => Self::Arrival,
            CC => Self::Cc,
            DATE => Self::Date,
            FROM => Self::From,
            SIZE => Self::Size,
            SUBJECT => Self::Subject,
            TO => Self::To,
            DISPLAYFROM => Self::DisplayFrom,
            DISPLAYTO => Self::DisplayTo,
            RELEVANCY => Self::Relevancy,
            _ => return None,
        })
    }

    /// Its spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arrival => "ARRIVAL",
            Self::Cc => "CC",
            Self::Date => "DATE",
            Self::From => "FROM",
            Self::Size => "SIZE",
            Self::Subject => "SUBJECT",
            Self::To => "TO",
            Self::DisplayFrom => "DISPLAYFROM",
            Self::DisplayTo => "DISPLAYTO",
            Self::Relevancy => "RELEVANCY",
        }
    }
}

impl<'a> Sort<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let returned = returned::read(cursor)?;
        let criteria = cursor.spaced()?.list()?;
        let charset = cursor.spaced()?.astring()?;
        Ok(Self { numbering, returned, criteria, charset, keys: cursor.spaced_rest()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        returned::check(&self.returned, check)?;
        self.criteria.check_some(check)?;
        self.keys.check_some(check)
    }
}

impl<'a> Item<'a> for SortCriterion {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut node = cursor.next()?;
        let mut order = SortOrder::Ascending;
        if node.word()?.eq_ignore_ascii_case(b"REVERSE") {
            order = SortOrder::Reverse;
            node = cursor.spaced()?;
        }
        match SortKey::of_word(node.word()?) {
            Some(key) => Ok(Self { key, order }),
            None => node.fail("unknown sort key"),
        }
    }
}

impl Encode for Sort<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.criteria.is_empty() {
            return Err(PeerIncompatible::Inexpressible("SORT without criteria"));
        }
        returned::encode(&self.returned, out)?;
        out.raw(b" ");
        self.criteria.encode(out)?;
        out.raw(b" ");
        out.astring(&self.charset)?;
        encode_keys(&self.keys, out)
    }
}

impl Encode for SortCriterion {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.order == SortOrder::Reverse {
            out.raw(b"REVERSE ");
        }
        out.raw(self.key.as_str().as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Parser;

    #[test]
    fn a_sort_has_criteria_charset_and_keys() {
        for (arguments, good) in [
            ("(DATE) UTF-8 ALL", true),
            ("(reverse date REVERSE size) \"UTF-8\" ALL SEEN", true),
            ("(REVERSE RELEVANCY) UTF-8 FUZZY BODY x", true),
            ("() UTF-8 ALL", false),
            ("(REVERSE) UTF-8 ALL", false),
            ("(REVERSE REVERSE DATE) UTF-8 ALL", false),
            ("(FROB) UTF-8 ALL", false),
            ("DATE UTF-8 ALL", false),
            ("(DATE) UTF-8", false),
            ("(DATE) (UTF-8) ALL", false),
            ("(DATE) UTF-8 FROB", false),
            ("(DATE) RETURN () UTF-8 ALL", false),
        ] {
            for verb in ["SORT", "UID SORT"] {
                let frame = format!("a {verb} {arguments}");
                assert_eq!(Parser::new().command(frame.as_bytes()).is_ok(), good, "{frame}");
            }
        }
    }
}
