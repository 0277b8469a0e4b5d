//! The messages of a mailbox, packed: chunks of at most [`CHUNK_ROWS`] rows, ascending by UID.
//!
//! A chunk keeps its UIDs and its rows apart, each behind an `Arc`. Sessions hold the UIDs (their stable picture of
//! the mailbox), so an append or an expunge beside a session copies at most 4 KiB; rows are shared only for the moment
//! of a read, or with a checkpoint being written, so a flag is changed in place. A message takes 4 + 56 bytes.

use std::sync::Arc;

use super::codec::{Corrupt, Reader, Writer};
use super::flags::SystemFlags;
use super::name::Uid;
use super::uid_set::UidSet;
use crate::log::{Place, SegmentId};

/// Rows in a chunk: 56 KiB, small enough to copy on a write, large enough that 100 chunks make 100,000 messages.
pub(super) const CHUNK_ROWS: usize = 1024;

/// Two neighbours are merged when an expunge leaves them with no more rows than this.
const MERGE_ROWS: usize = CHUNK_ROWS / 2;

/// Where the bytes of a message are. It is also the body's identity in the count of references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BodyPlace {
    pub(super) segment: u32,
    pub(super) offset: u32,
}

impl BodyPlace {
    pub(super) fn new(place: Place) -> Result<Self, Corrupt> {
        Ok(Self { segment: segment_u32(place)?, offset: place.offset() })
    }

    pub(super) fn segment(self) -> SegmentId {
        SegmentId::new(u64::from(self.segment))
    }
}

/// Where the structure and identity record of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StructurePlace {
    segment: u32,
    offset: u32,
    bytes: u32,
}

impl StructurePlace {
    pub(super) fn new(place: Place) -> Result<Self, Corrupt> {
        Ok(Self { segment: segment_u32(place)?, offset: place.offset(), bytes: place.len_bytes() })
    }

    pub(super) fn segment(self) -> SegmentId {
        SegmentId::new(u64::from(self.segment))
    }

    pub(super) fn place(self) -> Place {
        Place::new(self.segment(), self.offset, self.bytes)
    }
}

/// Segment numbers are kept in 32 bits: 2^32 segments of 64 MiB are more than a file system holds.
fn segment_u32(place: Place) -> Result<u32, Corrupt> {
    u32::try_from(place.segment().value()).map_err(|_| Corrupt)
}

/// How the body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// In a record of the log.
    Inline,
    /// In a bulk file of its own.
    Bulk,
}

/// What the store knows of one message of one mailbox, but for its UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) modseq: u64,
    pub(super) internal_secs: i64,
    pub(super) keywords: u64,
    pub(super) body: BodyPlace,
    pub(super) structure: StructurePlace,
    pub(super) size_bytes: u32,
    pub(super) save_secs: u32,
    pub(super) zone_minutes: i16,
    pub(super) flags: SystemFlags,
    pub(super) storage: Storage,
}

impl Row {
    /// The body as the log knows it. An inline record has one byte before the body: its kind.
    pub(super) fn body_place(&self) -> Place {
        let extra = match self.storage {
            Storage::Inline => 1,
            Storage::Bulk => 0,
        };
        Place::new(self.body.segment(), self.body.offset, self.size_bytes.saturating_add(extra))
    }

    fn encode(&self, out: &mut Writer) {
        out.u64(self.modseq);
        out.i64(self.internal_secs);
        out.u64(self.keywords);
        out.u32(self.body.segment);
        out.u32(self.body.offset);
        out.u32(self.structure.segment);
        out.u32(self.structure.offset);
        out.u32(self.structure.bytes);
        out.u32(self.size_bytes);
        out.u32(self.save_secs);
        out.u16(u16::from_le_bytes(self.zone_minutes.to_le_bytes()));
        out.u8(self.flags.bits());
        out.u8(u8::from(self.storage == Storage::Bulk));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            modseq: input.u64()?,
            internal_secs: input.i64()?,
            keywords: input.u64()?,
            body: BodyPlace { segment: input.u32()?, offset: input.u32()? },
            structure: StructurePlace { segment: input.u32()?, offset: input.u32()?, bytes: input.u32()? },
            size_bytes: input.u32()?,
            save_secs: input.u32()?,
            zone_minutes: i16::from_le_bytes(input.fixed()?),
            flags: SystemFlags::from_bits(input.u8()?).ok_or(Corrupt)?,
            storage: match input.u8()? {
                0 => Storage::Inline,
                1 => Storage::Bulk,
                _ => return Err(Corrupt),
            },
        })
    }
}

/// Up to [`CHUNK_ROWS`] messages. Never empty.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    uids: Arc<Vec<Uid>>,
    rows: Arc<Vec<Row>>,
    modseq_max: u64,
}

impl Chunk {
    pub(super) fn uids(&self) -> &Arc<Vec<Uid>> {
        &self.uids
    }

    pub(super) fn rows(&self) -> &Arc<Vec<Row>> {
        &self.rows
    }

    /// No row has a greater MODSEQ.
    pub(super) fn modseq_max(&self) -> u64 {
        self.modseq_max
    }

    /// The message at this position.
    pub(super) fn get(&self, at: usize) -> Option<(Uid, Row)> {
        Some((*self.uids.get(at)?, *self.rows.get(at)?))
    }

    fn last(&self) -> Uid {
        self.uids.last().copied().unwrap_or(0)
    }

    /// The positions of the UIDs from `first` to `last`.
    fn span(&self, first: Uid, last: Uid) -> std::ops::Range<usize> {
        self.uids.partition_point(|uid| *uid < first)..self.uids.partition_point(|uid| *uid <= last)
    }

    /// UIDs (4 bytes each), then rows, after their count.
    pub(super) fn encode(&self, out: &mut Writer) {
        out.number(self.uids.len() as u64);
        self.uids.iter().for_each(|uid| out.u32(*uid));
        self.rows.iter().for_each(|row| row.encode(out));
    }
}

/// All messages of a mailbox, ascending by UID. Cloning costs a pointer a chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    chunks: Vec<Chunk>,
    len: usize,
}

impl Messages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub(super) fn last_uid(&self) -> Uid {
        self.chunks.last().map_or(0, Chunk::last)
    }

    /// Adds a message above all others. One that is not above them is not added: `false`.
    pub(super) fn push(&mut self, uid: Uid, row: Row) -> bool {
        if uid <= self.last_uid() {
            return false;
        }
        self.len += 1;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.uids.len() < CHUNK_ROWS => {
                Arc::make_mut(&mut chunk.uids).push(uid);
                Arc::make_mut(&mut chunk.rows).push(row);
                chunk.modseq_max = chunk.modseq_max.max(row.modseq);
            }
            _ => self.chunks.push(Chunk {
                uids: Arc::new(vec![uid]),
                rows: Arc::new(vec![row]),
                modseq_max: row.modseq,
            }),
        }
        true
    }

    pub(super) fn find(&self, uid: Uid) -> Option<&Row> {
        let chunk = self.chunk_at(uid)?;
        chunk.rows.get(chunk.uids.binary_search(&uid).ok()?)
    }

    /// The chunk that has `uid`, or the next greater one.
    pub(super) fn chunk_at(&self, uid: Uid) -> Option<&Chunk> {
        self.chunks.get(self.chunks.partition_point(|chunk| chunk.last() < uid))
    }

    /// The chunks that may have UIDs from `first` to `last`, shared.
    pub(super) fn chunks_between(&self, first: Uid, last: Uid) -> Vec<Chunk> {
        let start = self.chunks.partition_point(|chunk| chunk.last() < first);
        let near = self.chunks.iter().skip(start);
        near.take_while(|chunk| chunk.uids.first().is_some_and(|uid| *uid <= last)).cloned().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Uid, &Row)> {
        self.chunks.iter().flat_map(|chunk| chunk.uids.iter().copied().zip(chunk.rows.iter()))
    }

    /// The messages of `set` that exist, ascending. Costs what is found, not what the set spans.
    pub(super) fn iter_in<'a>(&'a self, set: &'a UidSet) -> impl Iterator<Item = (Uid, &'a Row)> + 'a {
        set.ranges().iter().flat_map(move |&(first, last)| {
            let start = self.chunks.partition_point(|chunk| chunk.last() < first);
            self.chunks
                .iter()
                .skip(start)
                .take_while(move |chunk| chunk.uids.first().is_some_and(|uid| *uid <= last))
                .flat_map(move |chunk| {
                    let span = chunk.span(first, last);
                    let uids = chunk.uids.get(span.clone()).unwrap_or_default();
                    uids.iter().copied().zip(chunk.rows.get(span).unwrap_or_default())
                })
        })
    }

    /// Changes the rows of `set`; a row for which `change` says so gets `modseq`.
    pub(super) fn update(
        &mut self,
        set: &UidSet,
        modseq: u64,
        mut change: impl FnMut(Uid, &mut Row) -> bool,
    ) {
        for &(first, last) in set.ranges() {
            let start = self.chunks.partition_point(|chunk| chunk.last() < first);
            for chunk in self.chunks.iter_mut().skip(start) {
                let span = chunk.span(first, last);
                if chunk.uids.first().is_none_or(|uid| *uid > last) {
                    break;
                }
                if span.is_empty() {
                    continue;
                }
                let uids = chunk.uids.get(span.clone()).unwrap_or_default();
                let rows = Arc::make_mut(&mut chunk.rows).get_mut(span).unwrap_or_default();
                for (uid, row) in uids.iter().zip(rows) {
                    if change(*uid, row) {
                        row.modseq = modseq;
                        chunk.modseq_max = chunk.modseq_max.max(modseq);
                    }
                }
            }
        }
    }

    /// Removes the messages of `set`, giving each to `removed`.
    pub(super) fn remove(&mut self, set: &UidSet, mut removed: impl FnMut(Uid, &Row)) {
        let Some((first, last)) = set.span() else { return };
        let start = self.chunks.partition_point(|chunk| chunk.last() < first);
        for chunk in self.chunks.iter_mut().skip(start) {
            if chunk.uids.first().is_none_or(|uid| *uid > last) {
                break;
            }
            if !chunk.uids.iter().any(|uid| set.contains(*uid)) {
                continue;
            }
            let (mut uids, mut rows) = (Vec::new(), Vec::new());
            for (uid, row) in chunk.uids.iter().zip(chunk.rows.iter()) {
                if set.contains(*uid) {
                    removed(*uid, row);
                    self.len -= 1;
                } else {
                    uids.push(*uid);
                    rows.push(*row);
                }
            }
            chunk.uids = Arc::new(uids);
            chunk.rows = Arc::new(rows);
        }
        self.tidy();
    }

    /// Drops empty chunks and merges small neighbours, so that a mailbox thinned out does not keep many tiny ones.
    fn tidy(&mut self) {
        let mut kept: Vec<Chunk> = Vec::with_capacity(self.chunks.len());
        for chunk in self.chunks.drain(..).filter(|chunk| !chunk.uids.is_empty()) {
            match kept.last_mut() {
                Some(before) if before.uids.len() + chunk.uids.len() <= MERGE_ROWS => {
                    Arc::make_mut(&mut before.uids).extend_from_slice(&chunk.uids);
                    Arc::make_mut(&mut before.rows).extend_from_slice(&chunk.rows);
                    before.modseq_max = before.modseq_max.max(chunk.modseq_max);
                }
                _ => kept.push(chunk),
            }
        }
        self.chunks = kept;
    }

    /// Reads what [`Chunk::encode`] wrote, to the end of this collection.
    pub(super) fn decode_chunk(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        let count = input.count()?;
        let mut uids = Reader::new(input.bytes(count * 4)?);
        for _ in 0..count {
            if !self.push(uids.u32()?, Row::decode(input)?) {
                return Err(Corrupt);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    pub(in crate::store) fn row(modseq: u64) -> Row {
        Row {
            modseq,
            internal_secs: -5,
            keywords: 1 << 63,
            body: BodyPlace { segment: 1, offset: 2 },
            structure: StructurePlace { segment: 3, offset: 4, bytes: 5 },
            size_bytes: 6,
            save_secs: 7,
            zone_minutes: -90,
            flags: SystemFlags::SEEN,
            storage: Storage::Bulk,
        }
    }

    fn filled(count: u32) -> Messages {
        let mut messages = Messages::default();
        (1..=count).for_each(|n| assert!(messages.push(n * 2, row(u64::from(n)))));
        messages
    }

    #[test]
    fn a_row_takes_56_bytes_in_memory_and_on_disk() {
        assert_eq!(size_of::<Row>(), 56);
        let mut out = Writer::default();
        row(9).encode(&mut out);
        assert_eq!(out.len(), 56);
        assert_eq!(Row::decode(&mut Reader::new(&out.finish())), Ok(row(9)));
    }

    #[test]
    fn a_chunk_takes_1024_rows_and_the_next_begins_another() {
        assert_eq!(filled(1024).chunks().len(), 1);
        assert_eq!(filled(1025).chunks().len(), 2);
    }

    #[test]
    fn a_uid_that_does_not_rise_is_not_taken() {
        let mut messages = filled(3);
        assert!(!messages.push(6, row(9)));
        assert!(!messages.push(1, row(9)));
        assert_eq!(messages.len(), 3);
    }

    #[test]
    fn thinned_chunks_are_merged() {
        let mut messages = filled(5000);
        let keep_every_tenth: UidSet = (1..=5000).filter(|n| n % 10 != 0).map(|n| (n * 2, n * 2)).collect();
        messages.remove(&keep_every_tenth, |_, _| {});
        assert_eq!(messages.len(), 500);
        assert_eq!(messages.chunks().len(), 1);
        assert_eq!(messages.find(20).map(|row| row.modseq), Some(10));
        assert!(messages.find(22).is_none());
    }

    #[test]
    fn a_session_s_uids_stay_as_they_were() {
        let mut messages = filled(10);
        let pinned = Arc::clone(messages.chunks()[0].uids());
        messages.remove(&UidSet::range(1, 10), |_, _| {});
        messages.push(100, row(1));
        assert_eq!(pinned.len(), 10);
        assert_eq!(messages.len(), 6);
    }

    proptest! {
        #![proptest_config(crate::store::fixed())]

        #[test]
        fn packed_messages_agree_with_a_naive_map(
            count in 0u32..3000,
            steps in proptest::collection::vec((0u32..6200, 0u32..600, any::<bool>()), 0..12),
        ) {
            let mut messages = filled(count);
            let mut naive: BTreeMap<u32, u64> = (1..=count).map(|n| (n * 2, u64::from(n))).collect();
            for (step, (first, width, remove)) in steps.into_iter().enumerate() {
                let set = UidSet::range(first, first + width);
                let modseq = 10_000 + step as u64;
                if remove {
                    let mut gone = Vec::new();
                    messages.remove(&set, |uid, _| gone.push(uid));
                    let expected: Vec<u32> = naive.keys().copied().filter(|uid| set.contains(*uid)).collect();
                    prop_assert_eq!(gone, expected);
                    naive.retain(|uid, _| !set.contains(*uid));
                } else {
                    messages.update(&set, modseq, |uid, _| uid % 4 == 0);
                    naive.iter_mut().filter(|(uid, _)| set.contains(**uid) && **uid % 4 == 0)
                        .for_each(|(_, value)| *value = modseq);
                }
                let all: Vec<_> = messages.iter().map(|(uid, row)| (uid, row.modseq)).collect();
                prop_assert_eq!(all, naive.iter().map(|(a, b)| (*a, *b)).collect::<Vec<_>>());
                prop_assert_eq!(messages.len(), naive.len());
                let inside: Vec<_> = messages.iter_in(&set).map(|(uid, _)| uid).collect();
                prop_assert_eq!(inside, naive.keys().copied().filter(|uid| set.contains(*uid)).collect::<Vec<_>>());
                prop_assert!(messages.chunks().iter().all(|chunk|
                    chunk.rows().iter().all(|row| row.modseq <= chunk.modseq_max())));
            }
            let mut back = Messages::default();
            for chunk in messages.chunks() {
                let mut out = Writer::default();
                chunk.encode(&mut out);
                let bytes = out.finish();
                back.decode_chunk(&mut Reader::new(&bytes)).unwrap();
            }
            prop_assert!(back.iter().eq(messages.iter()));
        }
    }
}
