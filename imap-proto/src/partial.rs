//! Partial ranges (RFC 5267 4.4, RFC 9394): a window of a list of results.
//!
//! ```
//! use imap_proto::search::SearchData;
//! use imap_proto::{Parser, Response};
//! let mut parser = Parser::new();
//! let line = b"* ESEARCH (TAG \"A02\") UID PARTIAL (-1:-100 200:250,252:300)";
//! let Response::Esearch(found) = parser.response(line)? else { panic!() };
//! let Some(SearchData::Partial { range, messages: Some(uids) }) = found.data.iter().next() else { panic!() };
//! assert_eq!(range.first().get(), 1);
//! assert!(uids.contains(252, 0) && !uids.contains(251, 0));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::tape::Node;

/// `partial-range`: places in a list of results, counted from 1.
///
/// ```
/// use imap_proto::{Direction, PartialRange};
/// let newest = PartialRange::new("-1:-100")?;
/// assert_eq!((newest.from, newest.first().get(), newest.last().get()), (Direction::End, 1, 100));
/// assert_eq!(newest.resolve(23_764), Some(23_665..=23_764));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartialRange {
    /// From which end the places are counted.
    pub from: Direction,
    /// One end, as written.
    pub start: NonZeroU32,
    /// The other. The ends may come in either order.
    pub end: NonZeroU32,
}

/// From which end of a list its places are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `1:100`: from the first of the results, which is the lowest number unless they are sorted.
    Start,
    /// `-1:-100`: from the last.
    End,
}

impl PartialRange {
    /// The range written like this.
    ///
    /// # Errors
    /// When it is none: both ends must be there, not 0, and counted from the same end.
    pub fn new(range: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_word(range.as_ref()).ok_or(InvalidMessage::new("malformed partial range", 0))
    }

    /// The place nearest to where counting begins.
    #[must_use]
    pub fn first(&self) -> NonZeroU32 {
        self.start.min(self.end)
    }

    /// The place farthest from it.
    #[must_use]
    pub fn last(&self) -> NonZeroU32 {
        self.start.max(self.end)
    }

    /// Which of `total` results it covers, counted from 1 at the first of them; `None` if it lies beyond them all.
    #[must_use]
    pub fn resolve(&self, total: u32) -> Option<RangeInclusive<u32>> {
        let (near, far) = (self.first().get(), self.last().get().min(total));
        if near > far {
            return None;
        }
        Some(match self.from {
            Direction::Start => near..=far,
            Direction::End => total - far + 1..=total - near + 1,
        })
    }

    fn of_word(word: &[u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', word)?;
        let (start, end) = (word.get(..colon)?, word.get(colon + 1..)?);
        let (from, start, end) = match start.strip_prefix(b"-") {
            Some(start) => (Direction::End, start, end.strip_prefix(b"-")?),
            None => (Direction::Start, start, end),
        };
        let place =
            |digits: &[u8]| NonZeroU32::new(chars::number(digits)?).filter(|_| !digits.starts_with(b"0"));
        Some(Self { from, start: place(start)?, end: place(end)? })
    }

    pub(crate) fn of_node(node: &Node<'_>) -> Result<Self, InvalidMessage> {
        Self::of_word(node.word()?).map_or_else(|| node.fail("malformed partial range"), Ok)
    }
}

impl Encode for PartialRange {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let sign: &[u8] = match self.from {
            Direction::Start => b"",
            Direction::End => b"-",
        };
        out.raw(sign);
        out.number(u64::from(self.start.get()));
        out.raw(b":");
        out.raw(sign);
        out.number(u64::from(self.end.get()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_range_counts_from_either_end() {
        for (range, total, covered) in [
            ("1:500", 600, Some(1..=500)),
            ("500:1", 600, Some(1..=500)),
            ("501:1000", 600, Some(501..=600)),
            ("501:1000", 500, None),
            ("1:1", 1, Some(1..=1)),
            ("1:1", 0, None),
            ("-1:-1", 0, None),
            ("-1:-1", 9, Some(9..=9)),
            ("-4:-2", 9, Some(6..=8)),
            ("-2:-100", 9, Some(1..=8)),
            ("-10:-12", 9, None),
            ("1:4294967295", u32::MAX, Some(1..=u32::MAX)),
            ("-1:-4294967295", u32::MAX, Some(1..=u32::MAX)),
        ] {
            assert_eq!(PartialRange::new(range).unwrap().resolve(total), covered, "{range} of {total}");
        }
    }

    #[test]
    fn a_partial_range_has_two_ends_on_one_side() {
        for range in [
            "",
            "1",
            "1:",
            ":1",
            "0:1",
            "1:0",
            "01:2",
            "1:-1",
            "-1:1",
            "-1:",
            "1:*",
            "1:2:3",
            "+1:2",
            "1:4294967296",
            "--1:-2",
        ] {
            assert!(PartialRange::new(range).is_err(), "{range}");
        }
    }
}
