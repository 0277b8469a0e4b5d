//! What one user has seen of a mailbox that is not theirs: ranges of UIDs, with a MODSEQ for recent changes.

use super::codec::{Corrupt, Reader, Writer};
use super::flags::SystemFlags;
use super::name::Uid;
use super::record::Set;
use super::rows::Row;
use super::uid_set::UidSet;

/// The most ranges whose MODSEQ is told apart. Beyond that neighbours are merged under the greater of both, so that a
/// client is told of a few messages too many and never of one too few.
const CHANGES_MAX: usize = 256;

/// A seen set. Changes later in time have greater MODSEQs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Seen {
    uids: UidSet,
    changes: Vec<(Uid, Uid, u64)>,
}

impl Seen {
    pub(super) fn uids(&self) -> &UidSet {
        &self.uids
    }

    /// The MODSEQ of the last change to this message's \Seen; 0 if none is known.
    pub(super) fn modseq(&self, uid: Uid) -> u64 {
        let at = self.changes.partition_point(|(_, last, _)| *last < uid);
        self.changes.get(at).filter(|(first, ..)| *first <= uid).map_or(0, |(.., modseq)| *modseq)
    }

    /// The flags and the MODSEQ of a message as this user sees them.
    pub(super) fn view_of(&self, uid: Uid, row: &Row) -> (SystemFlags, u64) {
        let others = row.flags.without(SystemFlags::SEEN);
        let own = if self.uids.contains(uid) { SystemFlags::SEEN } else { SystemFlags::NONE };
        (others.union(own), row.modseq.max(self.modseq(uid)))
    }

    /// The greatest MODSEQ of all changes.
    pub(super) fn highest_modseq(&self) -> u64 {
        self.changes.iter().map(|(.., modseq)| *modseq).max().unwrap_or(0)
    }

    pub(super) fn apply(&mut self, uids: &UidSet, set: Set, modseq: u64) {
        self.uids = match set {
            Set::On => self.uids.union(uids),
            Set::Off => self.uids.without(uids),
        };
        for range in uids.ranges() {
            self.changed(*range, modseq);
        }
        self.merge();
    }

    /// Forgets messages that are gone.
    pub(super) fn expunge(&mut self, uids: &UidSet) {
        self.uids = self.uids.without(uids);
    }

    fn changed(&mut self, (first, last): (Uid, Uid), modseq: u64) {
        let start = self.changes.partition_point(|(_, end, _)| *end < first);
        let end = self.changes.partition_point(|(begin, ..)| *begin <= last);
        let overlapped = self.changes.get(start..end).unwrap_or_default();
        let mut pieces = Vec::with_capacity(3);
        if let Some(&(begin, _, old)) = overlapped.first()
            && begin < first
        {
            pieces.push((begin, first - 1, old));
        }
        pieces.push((first, last, modseq));
        if let Some(&(_, end, old)) = overlapped.last()
            && end > last
        {
            pieces.push((last + 1, end, old));
        }
        self.changes.splice(start..end, pieces);
    }

    /// Merges the pairs of neighbours that are nearest to each other in time until there is room.
    fn merge(&mut self) {
        if self.changes.len() <= CHANGES_MAX {
            return;
        }
        let mut merged: Vec<(Uid, Uid, u64)> = Vec::with_capacity(CHANGES_MAX);
        let group = self.changes.len().div_ceil(CHANGES_MAX / 2).max(2);
        for part in self.changes.chunks(group) {
            if let (Some(first), Some(last)) = (part.first(), part.last()) {
                let modseq = part.iter().map(|(.., modseq)| *modseq).max().unwrap_or(0);
                merged.push((first.0, last.1, modseq));
            }
        }
        self.changes = merged;
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        self.uids.encode(out);
        out.number(self.changes.len() as u64);
        for (first, last, modseq) in &self.changes {
            out.u32(*first);
            out.u32(*last);
            out.u64(*modseq);
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let uids = UidSet::decode(input)?;
        let mut changes: Vec<(Uid, Uid, u64)> = Vec::new();
        for _ in 0..input.count()? {
            let (first, last, modseq) = (input.u32()?, input.u32()?, input.u64()?);
            if first > last || changes.last().is_some_and(|before| before.1 >= first) {
                return Err(Corrupt);
            }
            changes.push((first, last, modseq));
        }
        Ok(Self { uids, changes })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::store::fixed())]

        #[test]
        fn a_change_is_never_told_as_older_than_it_is(
            steps in proptest::collection::vec((1u32..3000, 0u32..9, any::<bool>()), 0..700),
        ) {
            let mut seen = Seen::default();
            let mut naive: BTreeMap<u32, (bool, u64)> = BTreeMap::new();
            for (step, (first, width, on)) in steps.into_iter().enumerate() {
                let modseq = step as u64 + 1;
                let set = if on { Set::On } else { Set::Off };
                seen.apply(&UidSet::range(first, first + width), set, modseq);
                naive.extend((first..=first + width).map(|uid| (uid, (on, modseq))));
            }
            prop_assert!(seen.changes.len() <= CHANGES_MAX);
            prop_assert!(seen.changes.windows(2).all(|w| w[0].1 < w[1].0));
            for (uid, (on, modseq)) in naive {
                prop_assert_eq!(seen.uids().contains(uid), on);
                prop_assert!(seen.modseq(uid) >= modseq);
            }
            let mut out = Writer::default();
            seen.encode(&mut out);
            let bytes = out.finish();
            prop_assert_eq!(Seen::decode(&mut Reader::new(&bytes)), Ok(seen));
        }
    }

    #[test]
    fn an_overlapped_change_keeps_its_ends() {
        let mut seen = Seen::default();
        seen.apply(&UidSet::range(1, 9), Set::On, 5);
        seen.apply(&UidSet::range(4, 6), Set::Off, 7);
        assert_eq!([1, 3, 4, 6, 7, 9, 10].map(|uid| seen.modseq(uid)), [5, 5, 7, 7, 5, 5, 0]);
        assert_eq!(seen.uids().ranges(), [(1, 3), (7, 9)]);
        assert_eq!(seen.highest_modseq(), 7);
    }
}
