//! Sequence sets that a program makes of its numbers: the shortest ranges that hold them (RFC 3501 9, `sequence-set`).
//!
//! Numbers come as an iterator in any order, and go into ranges as they come: while they ascend, memory is that of the
//! ranges, eight bytes each, whatever the ranges span. Numbers that come in disorder are kept one by one until the
//! end, then sorted once and joined.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use crate::sequence::{SequenceNumber, SequenceRange, SequenceSet};

/// An owned sequence set: ranges in ascending order, none of which touches another. It is never empty, and has no `*`.
///
/// ```
/// use imap_proto::SequenceSetBuf;
/// let selected = [7, 3, 4, 5, 9, 8];
/// let set = SequenceSetBuf::of_numbers(selected).unwrap();
/// assert!(set.as_set().resolve(u32::MAX).eq([3..=5, 7..=9]));
/// assert!(SequenceSetBuf::of_numbers([0]).is_none() && SequenceSetBuf::of_numbers([]).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceSetBuf(Vec<SequenceRange>);

impl SequenceSetBuf {
    /// The set of these numbers, in whatever order and however often each of them comes. `None` if there are none, or
    /// if 0 is among them.
    pub fn of_numbers(numbers: impl IntoIterator<Item = u32>) -> Option<Self> {
        Self::of_ranges(numbers.into_iter().map(|number| number..=number))
    }

    /// The same of ranges, which may overlap. `None` also if one of them is empty.
    pub fn of_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Option<Self> {
        let mut joined: Vec<Ends> = Vec::new();
        let mut ascending = true;
        for range in ranges {
            let ends = (NonZeroU32::new(*range.start())?, NonZeroU32::new(*range.end())?);
            if range.is_empty() {
                return None;
            }
            let last = joined.last_mut();
            let follows = last.as_ref().is_none_or(|last| last.0 < ends.0);
            if !last.is_some_and(|last| join(&ends, last)) {
                ascending &= follows;
                joined.push(ends);
            }
        }
        if !ascending {
            joined.sort_unstable();
            joined.dedup_by(|next, last| join(next, last));
        }
        let ranges = joined.into_iter().map(|(from, to)| SequenceRange {
            from: SequenceNumber::Number(from),
            to: SequenceNumber::Number(to),
        });
        let ranges: Vec<SequenceRange> = ranges.collect();
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    /// The set, to be encoded.
    #[must_use]
    pub fn as_set(&self) -> SequenceSet<'_> {
        SequenceSet::of_some(&self.0)
    }
}

type Ends = (NonZeroU32, NonZeroU32);

/// Takes `next` into `last`, if it begins inside it or right behind it.
fn join(next: &Ends, last: &mut Ends) -> bool {
    let joins = last.0 <= next.0 && next.0 <= last.1.saturating_add(1);
    if joins {
        last.1 = last.1.max(next.1);
    }
    joins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encode, Encoder, Literals};

    fn encoded(set: &SequenceSetBuf) -> String {
        let mut out = Vec::new();
        set.as_set().encode(&mut Encoder::new(&mut out, Literals::NonSync)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_in_any_order_become_the_shortest_ranges() {
        for (numbers, set) in [
            (&[1_u32][..], "1"),
            (&[1, 2], "1:2"),
            (&[5, 4, 3], "3:5"),
            (&[1, 3, 2, 3, 9, 1], "1:3,9"),
            (&[9, 1, 8, 2, 10], "1:2,8:10"),
            (&[u32::MAX, u32::MAX - 1, u32::MAX], "4294967294:4294967295"),
        ] {
            assert_eq!(encoded(&SequenceSetBuf::of_numbers(numbers.iter().copied()).unwrap()), set);
        }
    }

    #[test]
    fn ranges_that_touch_or_overlap_become_one_and_are_never_expanded() {
        for (ranges, set) in [
            (&[1..=u32::MAX][..], "1:4294967295"),
            (&[1..=5, 6..=9, 11..=12], "1:9,11:12"),
            (&[4..=9, 1..=20, 2..=3], "1:20"),
            (&[7..=9, 1..=2, 3..=3], "1:3,7:9"),
            (&[1..=9, 3..=4, 10..=10], "1:10"),
        ] {
            assert_eq!(encoded(&SequenceSetBuf::of_ranges(ranges.iter().cloned()).unwrap()), set);
        }
        // An empty range on purpose.
        #[allow(clippy::reversed_empty_ranges)]
        let empty = 2..=1;
        assert_eq!(SequenceSetBuf::of_ranges([1..=3, empty]), None);
        assert_eq!(SequenceSetBuf::of_ranges([0..=3]), None);
    }

    #[test]
    fn p8_memory_is_that_of_the_ranges_while_numbers_ascend() {
        let set = SequenceSetBuf::of_numbers(1..=1_000_000).unwrap();
        assert_eq!(encoded(&set), "1:1000000");
        assert!(set.0.capacity() * size_of::<SequenceRange>() <= 64);
    }
}
