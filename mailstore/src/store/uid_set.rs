//! Sets of UIDs, and the sequence sets that peers write (RFC 3501 9 `sequence-set`), as ranges and never expanded.

use std::num::NonZeroU32;

use super::codec::{Corrupt, Reader, Writer};
use super::error::{Error, Limit};
use super::name::Uid;

/// The most ranges that a set from outside may have. A command line has room for fewer.
pub const UID_RANGES_MAX: usize = 50_000;

/// One end of a range of a sequence set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A number.
    Number(NonZeroU32),
    /// `*`: the last message there is.
    Last,
}

impl Bound {
    pub(super) fn resolve(self, last: u32) -> u32 {
        match self {
            Self::Number(number) => number.get(),
            Self::Last => last,
        }
    }
}

/// A set of UIDs: sorted ranges that neither overlap nor touch.
///
/// ```
/// use mailstore::store::UidSet;
///
/// let set = UidSet::from_ranges([(7, 9), (3, 1), (2, 4)])?;
/// assert_eq!(set.ranges(), [(1, 4), (7, 9)]);
/// assert_eq!(set.len(), 7);
/// # Ok::<(), mailstore::store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UidSet(Vec<(Uid, Uid)>);

impl UidSet {
    /// A set of these inclusive ranges, in any order, each either way round; 0 is no UID and is left out.
    ///
    /// # Errors
    /// [`Limit::UidRanges`] for more than [`UID_RANGES_MAX`].
    pub fn from_ranges(ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Result<Self, Error> {
        let mut sorted: Vec<(Uid, Uid)> = Vec::new();
        for (a, b) in ranges {
            if sorted.len() >= UID_RANGES_MAX {
                return Err(Error::limit(Limit::UidRanges, UID_RANGES_MAX));
            }
            if a.max(b) > 0 {
                sorted.push((a.min(b).max(1), a.max(b)));
            }
        }
        sorted.sort_unstable();
        Ok(sorted.into_iter().collect())
    }

    /// One UID, or none for 0.
    #[must_use]
    pub fn single(uid: Uid) -> Self {
        Self::range(uid, uid)
    }

    /// All from `first` to `last`, both included.
    #[must_use]
    pub fn range(first: Uid, last: Uid) -> Self {
        Self(if last >= first.max(1) { vec![(first.max(1), last)] } else { Vec::new() })
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(Uid, Uid)] {
        &self.0
    }

    /// How many UIDs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(a, b)| u64::from(b - a) + 1).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The least and the greatest.
    #[must_use]
    pub fn span(&self) -> Option<(Uid, Uid)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

    /// Whether `uid` is in the set.
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < uid);
        self.0.get(at).is_some_and(|(first, _)| *first <= uid)
    }

    /// Each UID, ascending. As long as the set says: only for sets that are known to exist in a mailbox.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.0.iter().flat_map(|(a, b)| *a..=*b)
    }

    /// Adds a UID that is greater than all in the set.
    pub(super) fn push(&mut self, uid: Uid) {
        self.push_range(uid, uid);
    }

    /// Adds a range that starts at or above the start of the last one.
    fn push_range(&mut self, first: Uid, last: Uid) {
        match self.0.last_mut() {
            Some(range) if first <= range.1.saturating_add(1) => range.1 = range.1.max(last),
            _ => self.0.push((first, last)),
        }
    }

    /// Those in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut sum = Self::default();
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) if l <= r => left.next(),
                (_, Some(_)) => right.next(),
                (Some(_), None) => left.next(),
                (None, None) => return sum,
            };
            if let Some((a, b)) = next {
                sum.push_range(*a, *b);
            }
        }
    }

    /// Those in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut i, mut j) = (0, 0);
        let mut both = Self::default();
        while let (Some(l), Some(r)) = (self.0.get(i), other.0.get(j)) {
            let (first, last) = (l.0.max(r.0), l.1.min(r.1));
            if first <= last {
                both.push_range(first, last);
            }
            if l.1 <= r.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        both
    }

    /// Those in this set and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        let mut j = 0;
        for &(mut first, last) in &self.0 {
            while other.0.get(j).is_some_and(|r| r.1 < first) {
                j += 1;
            }
            let mut k = j;
            let mut done = false;
            while let Some(&(cut_first, cut_last)) = other.0.get(k) {
                if cut_first > last {
                    break;
                }
                if cut_first > first {
                    rest.push_range(first, cut_first - 1);
                }
                if cut_last >= last {
                    done = true;
                    break;
                }
                first = first.max(cut_last + 1);
                k += 1;
            }
            if !done {
                rest.push_range(first, last);
            }
        }
        rest
    }

    /// A count of ranges, then each as the gap before it and its length, in variable-length numbers.
    pub(super) fn encode(&self, out: &mut Writer) {
        out.number(self.0.len() as u64);
        let mut at = 0;
        for (first, last) in &self.0 {
            out.number(u64::from(first - at));
            out.number(u64::from(last - first));
            at = *last;
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let count = input.count()?;
        let mut set = Self::default();
        let mut at: u32 = 0;
        for _ in 0..count {
            let first = at.checked_add(input.number_u32()?).filter(|first| *first > 0).ok_or(Corrupt)?;
            let last = first.checked_add(input.number_u32()?).ok_or(Corrupt)?;
            if set.0.last().is_some_and(|range| first <= range.1.saturating_add(1)) {
                return Err(Corrupt);
            }
            set.0.push((first, last));
            at = last;
        }
        Ok(set)
    }
}

/// From ranges whose starts ascend.
impl FromIterator<(Uid, Uid)> for UidSet {
    fn from_iter<T: IntoIterator<Item = (Uid, Uid)>>(ranges: T) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            set.push_range(first, last);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Vec<(u32, u32)>> {
        proptest::collection::vec((0u32..60, 0u32..60), 0..12)
    }

    fn naive(ranges: &[(u32, u32)]) -> BTreeSet<u32> {
        ranges.iter().flat_map(|(a, b)| *a.min(b)..=*a.max(b)).filter(|n| *n > 0).collect()
    }

    proptest! {
        #![proptest_config(crate::store::fixed())]

        #[test]
        fn p8_sets_agree_with_a_naive_set(a in ranges(), b in ranges()) {
            let (left, right) = (UidSet::from_ranges(a.clone()).unwrap(), UidSet::from_ranges(b.clone()).unwrap());
            let (naive_left, naive_right) = (naive(&a), naive(&b));
            let same = |set: &UidSet, naive: BTreeSet<u32>| {
                prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), naive);
                prop_assert!(set.ranges().windows(2).all(|w| w[0].1 + 1 < w[1].0), "ranges touch: {:?}", set);
                let mut out = Writer::default();
                set.encode(&mut out);
                let bytes = out.finish();
                prop_assert_eq!(&UidSet::decode(&mut Reader::new(&bytes)).unwrap(), set);
                Ok(())
            };
            same(&left, naive_left.clone())?;
            same(&left.union(&right), &naive_left | &naive_right)?;
            same(&left.intersection(&right), &naive_left & &naive_right)?;
            same(&left.without(&right), &naive_left - &naive_right)?;
            for n in 0..61 {
                prop_assert_eq!(left.contains(n), naive_left.contains(&n));
            }
            prop_assert_eq!(left.len(), naive_left.len() as u64);
        }
    }

    #[test]
    fn p8_the_greatest_number_is_a_uid_like_any_other() {
        let set = UidSet::from_ranges([(u32::MAX, u32::MAX), (1, u32::MAX - 1)]).unwrap();
        assert_eq!(set.ranges(), [(1, u32::MAX)]);
        assert_eq!(set.len(), u64::from(u32::MAX));
        assert!(set.without(&set).is_empty());
    }

    #[test]
    fn p8_a_set_may_have_50000_ranges_and_not_50001() {
        let ranges = |n: u32| (1..=n).map(|n| (n * 2, n * 2));
        assert_eq!(UidSet::from_ranges(ranges(50_000)).unwrap().len(), 50_000);
        assert!(UidSet::from_ranges(ranges(50_001)).is_err());
    }
}
