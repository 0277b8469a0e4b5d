//! The thread that commits: it packs what waits into frames, changes segments, makes checkpoints and gives space
//! back. It alone writes to the log and calls the machine.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use super::checkpoint::{Checkpoint, UNFINISHED};
use super::error::is_disk_full;
use super::frame::{self, FRAME_HEADER_BYTES, Header, Kind, Records};
use super::handle::{Answer, AnswerPromise, CheckpointPromise, Common, Counters, Entry, Shared};
use super::segment::{
    BLOCK_BYTES, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, SegmentKind, file_name, free_name,
};
use super::{CommitError, Committed, LogError, StateMachine, Transaction, TransactionNumber};
use crate::clock::{Clock, Timestamp};
use crate::disk::File;

/// Where the log ends.
pub(crate) struct Head {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn File>,
    pub(crate) offset: u32,
    /// The number of the next transaction.
    pub(crate) next: TransactionNumber,
    /// The latest time given to a transaction.
    pub(crate) time: Timestamp,
}

pub(crate) struct Committer<M: StateMachine> {
    pub(crate) shared: Arc<Shared<M>>,
    pub(crate) machine: M,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) head: Head,
    /// Files that are long enough to become a segment.
    pub(crate) free: Vec<String>,
    /// The good checkpoints, older first.
    pub(crate) checkpoints: VecDeque<Checkpoint>,
    /// Log written since the last checkpoint, in bytes.
    pub(crate) uncheckpointed_bytes: u64,
    /// Whether the log ends in a close frame that still says so.
    pub(crate) closed: bool,
    pub(crate) writing: Option<Writing>,
    pub(crate) asking: Vec<CheckpointPromise>,
    pub(crate) batch: Batch<M>,
}

/// A checkpoint being written on its own thread.
pub(crate) struct Writing {
    thread: JoinHandle<()>,
    checkpoint: Checkpoint,
    asking: Vec<CheckpointPromise>,
}

/// A frame being packed, and who waits for it.
pub(crate) struct Batch<M: StateMachine> {
    frame: Vec<u8>,
    count: u32,
    waiting: Vec<(AnswerPromise<M>, Answer<M>)>,
}

impl<M: StateMachine> Default for Batch<M> {
    fn default() -> Self {
        Self { frame: vec![0; FRAME_HEADER_BYTES], count: 0, waiting: Vec::new() }
    }
}

/// How many checkpoints are kept: one can be damaged.
pub(crate) const CHECKPOINTS_KEPT: usize = 2;

/// The log is closed; whoever waits has been told or will be, by the dropping of his promise.
struct Fatal;

impl<M: StateMachine> Committer<M> {
    pub(crate) fn shared(&self) -> Arc<Shared<M>> {
        Arc::clone(&self.shared)
    }

    /// Commits until it is told to stop or something fails.
    pub(crate) fn run(mut self) {
        let shared = self.shared();
        let ended = catch_unwind(AssertUnwindSafe(|| self.serve()));
        if !matches!(ended, Ok(Ok(()))) {
            shared.common.poison();
        }
        // Whoever opens the log next must find nobody writing.
        if let Some(writing) = self.writing.take() {
            let _ = writing.thread.join();
        }
        shared.common.close();
        // The machine and all promises of the batch go first, then those that still wait.
        drop(self);
        let mut queue = shared.queue();
        queue.stop = true;
        let rest = (std::mem::take(&mut queue.entries), std::mem::take(&mut queue.checkpoints));
        drop(queue);
        drop(rest);
    }

    fn serve(&mut self) -> Result<(), Fatal> {
        loop {
            let (entries, written, stop) = self.take_work();
            if let Some(result) = written {
                self.checkpoint_written(result)?;
            }
            let idle = entries.is_empty();
            if !idle {
                let weight = entries.iter().map(|entry| entry.weight).sum::<usize>();
                self.commit(entries)?;
                let mut queue = self.shared.queue();
                queue.bytes = queue.bytes.saturating_sub(weight);
            }
            // A bulk body or a read may have failed meanwhile.
            self.shared.common.alive().map_err(|_| Fatal)?;
            self.start_checkpoint()?;
            if stop && idle && self.asking.is_empty() {
                return self.finish();
            }
        }
    }

    /// Sleeps until there is something to do, and takes all of it.
    fn take_work(&mut self) -> (VecDeque<Entry<M>>, Option<io::Result<()>>, bool) {
        let mut queue = self.shared.queue();
        while queue.entries.is_empty()
            && queue.checkpoints.is_empty()
            && queue.checkpoint_written.is_none()
            && (!queue.stop || self.writing.is_some())
        {
            queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        self.asking.append(&mut queue.checkpoints);
        (std::mem::take(&mut queue.entries), queue.checkpoint_written.take(), queue.stop)
    }

    fn finish(&mut self) -> Result<(), Fatal> {
        while self.writing.is_some() {
            let mut queue = self.shared.queue();
            while queue.checkpoint_written.is_none() {
                queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let written = queue.checkpoint_written.take();
            drop(queue);
            written.map_or(Ok(()), |written| self.checkpoint_written(written))?;
        }
        if !self.closed && self.head.offset + BLOCK_BYTES <= self.head.segment.header.len_bytes {
            self.write_frame(Kind::Close).map_err(|_| Fatal)?;
        }
        Ok(())
    }

    fn commit(&mut self, entries: VecDeque<Entry<M>>) -> Result<(), Fatal> {
        self.reserve().map_err(|_| Fatal)?;
        let now = self.clock.now().max(self.head.time);
        self.head.time = now;
        for entry in entries {
            // Nothing to ask: it was withdrawn, and nobody waits.
            let Some(request) = entry.promise.question() else { continue };
            if !self.has_room(M::frees_space(&request)) {
                entry.promise.answer(Err(LogError::DiskFull.into()));
                continue;
            }
            let number = self.head.next.plus(u64::from(self.batch.count));
            let start = self.batch.frame.len();
            let max_bytes = self.shared.common.options.transaction_bytes_max();
            let mut transaction = Transaction::new(&mut self.batch.frame, max_bytes);
            let answer = match self.machine.prepare(number, now, request, &mut transaction) {
                Ok(_) if transaction.overflowed() => return Err(Fatal),
                Ok(response) => {
                    if transaction.finish() {
                        self.count_in(start)?;
                    }
                    Ok(response)
                }
                Err(error) => {
                    transaction.roll_back();
                    Err(CommitError::Refused(error))
                }
            };
            self.batch.waiting.push((entry.promise, answer));
        }
        self.flush()
    }

    /// Counts a transaction whose records begin at `start` of the frame. If the frame has become too long, all
    /// before it goes out and it begins the next one.
    fn count_in(&mut self, start: usize) -> Result<(), Fatal> {
        if self.batch.frame.len() > self.shared.common.options.frame_bytes_max as usize {
            let carried = self.batch.frame.split_off(start);
            self.flush()?;
            self.batch.frame.extend_from_slice(&carried);
            // That frame may have taken the reserved segment, and there may be more behind it.
            self.reserve().map_err(|_| Fatal)?;
        }
        self.batch.count += 1;
        Ok(())
    }

    /// Makes the frame durable, applies it, and answers all who wait for it.
    fn flush(&mut self) -> Result<(), Fatal> {
        if self.batch.count > 0 {
            let written = self.write_frame(Kind::Commit);
            let outcome = match written {
                Ok(header) => self.apply(&header).map_err(|_| LogError::PreviousIo),
                Err(error) => Err(LogError::Io(error.kind())),
            };
            if let Err(error) = outcome {
                // Before anybody hears of it, so that he who does finds the log closed.
                self.shared.common.poison();
                for (promise, _) in std::mem::take(&mut self.batch.waiting) {
                    promise.answer(Err(error.into()));
                }
                return Err(Fatal);
            }
        }
        self.batch.frame.truncate(FRAME_HEADER_BYTES);
        self.batch.count = 0;
        for (promise, answer) in self.batch.waiting.drain(..) {
            promise.answer(answer);
        }
        Ok(())
    }

    /// One write, one sync. Leaves the frame sealed in the batch and the head behind it, but for a close frame:
    /// that one is written over.
    fn write_frame(&mut self, kind: Kind) -> io::Result<Header> {
        let frame_bytes = self.batch.frame.len();
        let padded_bytes = frame_bytes.next_multiple_of(BLOCK_BYTES as usize);
        let padded = u32::try_from(padded_bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        if padded > self.head.segment.header.len_bytes.saturating_sub(self.head.offset) {
            self.change_segment()?;
        }
        let segment = Arc::clone(&self.head.segment);
        let offset = self.head.offset;
        let header = Header {
            kind,
            payload_bytes: u32::try_from(frame_bytes - FRAME_HEADER_BYTES).unwrap_or(0),
            epoch: segment.header.epoch,
            first: self.head.next,
            count: self.batch.count,
            time: self.head.time,
        };
        frame::seal(&mut self.batch.frame, segment.spot(offset), &header);
        self.batch.frame.resize(padded_bytes, 0);
        self.head.file.write_all_at(&self.batch.frame, u64::from(offset))?;
        self.head.file.sync_data()?;
        self.batch.frame.truncate(frame_bytes);
        let counters = &self.shared.common.counters;
        Counters::add(&counters.flushes, 1);
        self.closed = kind == Kind::Close;
        if kind != Kind::Close {
            self.head.next = header.after();
            self.head.offset = offset + padded;
            self.uncheckpointed_bytes += u64::from(padded);
            Counters::add(&counters.frames, 1);
            Counters::add(&counters.frame_bytes, u64::from(padded));
            Counters::add(&counters.transactions, u64::from(header.count));
        }
        Ok(header)
    }

    fn apply(&mut self, header: &Header) -> Result<(), super::InvalidRecord> {
        let padded = header.frame_bytes().next_multiple_of(BLOCK_BYTES as usize);
        let offset = self.head.offset - u32::try_from(padded).unwrap_or(0);
        apply_frame(
            &mut self.machine,
            &self.batch.frame,
            self.head.segment.spot(offset),
            header,
            header.first,
        )
        .map_err(|(_, error)| error)?;
        self.machine.frame_applied();
        Ok(())
    }

    /// Whether a request may pass: any, while a segment is reserved; on a full disk only one that frees space,
    /// into what is left of the current segment. Two frames: the one being packed, and the one it may spill into.
    fn has_room(&self, frees_space: bool) -> bool {
        let header = &self.head.segment.header;
        let left = header.len_bytes.saturating_sub(self.head.offset);
        !self.free.is_empty() || (frees_space && left >= 2 * self.shared.common.options.frame_bytes_max)
    }

    /// Reserves the segment after this one. A full disk is no error: see [`has_room`](Self::has_room).
    fn reserve(&mut self) -> io::Result<()> {
        if !self.free.is_empty() {
            return Ok(());
        }
        let common = &self.shared.common;
        let name = free_name(common.take_segment_id());
        let len_bytes = u64::from(common.options.segment_bytes);
        match common.disk.create(&name).and_then(|file| file.allocate(len_bytes)) {
            Ok(()) => self.free.push(name),
            // Should this removal fail, the next opening does it.
            Err(error) if is_disk_full(&error) => drop(common.disk.remove(&name)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn change_segment(&mut self) -> io::Result<()> {
        self.reserve()?;
        let free = self.free.pop().ok_or(io::ErrorKind::StorageFull)?;
        let common = &self.shared.common;
        let header = SegmentHeader {
            kind: SegmentKind::Log,
            store: common.store,
            id: common.take_segment_id(),
            epoch: common.disk.random()?,
            first: self.head.next,
            previous: self.head.segment.header.id,
            previous_end: self.head.offset,
            len_bytes: common.options.segment_bytes,
        };
        let name = file_name(header.id, SegmentKind::Log);
        // The name first: a header under a name that is not its own counts for nothing. The sync of the header
        // covers the growth of a new file as well. Frames come only then.
        common.disk.rename(&free, &name)?;
        common.disk.sync_directory()?;
        let file = common.disk.open(&name)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_data()?;
        Counters::add(&common.counters.flushes, 2);
        let segment = Segment::new(header, &common.files);
        common.segments.insert(&segment);
        self.head.segment = segment;
        self.head.file = file.into();
        self.head.offset = SEGMENT_HEADER_BYTES;
        Ok(())
    }

    /// Begins a checkpoint if one is asked for or due, and none is being written.
    fn start_checkpoint(&mut self) -> Result<(), Fatal> {
        let common = &self.shared.common;
        let after_bytes = common.options.checkpoint_after_bytes;
        let due = after_bytes > 0 && self.uncheckpointed_bytes >= after_bytes;
        if self.writing.is_some() || (self.asking.is_empty() && !due) {
            return Ok(());
        }
        let number = TransactionNumber::new(self.head.next.value().saturating_sub(1));
        let newest = self.checkpoints.back().map_or(TransactionNumber::ZERO, |checkpoint| checkpoint.number);
        if number == newest {
            self.asking.drain(..).for_each(|promise| promise.answer(Ok(number)));
            self.uncheckpointed_bytes = 0;
            return Ok(());
        }
        let checkpoint = Checkpoint {
            store: common.store,
            number,
            time: self.head.time,
            segment: self.head.segment.header.id,
            offset: self.head.offset,
            next_segment: common.next_segment.load(Ordering::Relaxed),
        };
        let frozen = self.machine.freeze();
        let shared = self.shared();
        let write = move || {
            let write = || checkpoint.write(shared.common.disk.as_ref(), |out| M::save(&frozen, out));
            let written = catch_unwind(AssertUnwindSafe(write));
            shared.queue().checkpoint_written =
                Some(written.unwrap_or_else(|_| Err(io::Error::other("panic while saving"))));
            shared.wake.notify_one();
        };
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(write).map_err(|_| Fatal)?;
        self.uncheckpointed_bytes = 0;
        self.writing = Some(Writing { thread, checkpoint, asking: std::mem::take(&mut self.asking) });
        Ok(())
    }

    fn checkpoint_written(&mut self, result: io::Result<()>) -> Result<(), Fatal> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let _ = writing.thread.join();
        let common = Arc::clone(&self.shared.common);
        let answer = match result {
            Ok(()) => {
                self.checkpoints.push_back(writing.checkpoint);
                Counters::add(&common.counters.checkpoints, 1);
                self.reclaim().map_err(|error| common.failed(&error)).and(Ok(writing.checkpoint.number))
            }
            Err(error) => {
                // Left alone, it would keep the disk full; if it cannot be removed, the next opening does it.
                let _ = common.disk.remove(UNFINISHED);
                Err(common.failed(&error))
            }
        };
        writing.asking.into_iter().for_each(|promise| promise.answer(answer));
        common.alive().map_err(|_| Fatal)
    }

    /// Gives back what neither the kept checkpoints nor the machine need.
    fn reclaim(&mut self) -> io::Result<()> {
        let common = Arc::clone(&self.shared.common);
        let mut removed = false;
        while self.checkpoints.len() > CHECKPOINTS_KEPT {
            if let Some(old) = self.checkpoints.pop_front() {
                common.disk.remove(&old.file_name())?;
                removed = true;
            }
        }
        // With one checkpoint only, the whole log is what could replace it.
        let floor = if self.checkpoints.len() == CHECKPOINTS_KEPT { self.checkpoints.front() } else { None };
        if let Some(floor) = floor.map(|checkpoint| checkpoint.segment) {
            if removed {
                // An older checkpoint must not come back once its log is gone.
                common.disk.sync_directory()?;
            }
            for id in common.segments.ids(SegmentKind::Log) {
                if id < floor && !self.machine.pins(id) {
                    self.free_segment(id)?;
                    removed = true;
                }
            }
        }
        for id in common.segments.ids(SegmentKind::Bulk) {
            // Two: the map's and this one. A third is a reader, or a body whose commit is still to come.
            let unused = common.segments.find(id).is_some_and(|segment| Arc::strong_count(&segment) == 2);
            if unused && !self.machine.pins(id) {
                common.segments.take(id).map_or(Ok(()), |segment| remove(&common, &segment))?;
                Counters::add(&common.counters.segments_freed, 1);
                removed = true;
            }
        }
        if removed { common.disk.sync_directory() } else { Ok(()) }
    }

    fn free_segment(&mut self, id: super::SegmentId) -> io::Result<()> {
        let common = Arc::clone(&self.shared.common);
        let Some(segment) = common.segments.take(id) else { return Ok(()) };
        let wanted = segment.header.len_bytes == common.options.segment_bytes
            && self.free.len() < common.options.free_segments_max;
        // Someone may still read from it; then its space is his until he is done.
        let read = Arc::strong_count(&segment) > 1;
        if wanted && !read {
            let free = free_name(id);
            common.disk.rename(&file_name(id, SegmentKind::Log), &free)?;
            self.free.push(free);
        } else {
            remove(&common, &segment)?;
        }
        Counters::add(&common.counters.segments_freed, 1);
        Ok(())
    }
}

/// Removes the file of a segment that is no longer listed. Whoever still holds the segment can go on reading.
fn remove(common: &Common, segment: &Arc<Segment>) -> io::Result<()> {
    if Arc::strong_count(segment) > 1 {
        segment.keep_open()?;
    }
    common.disk.remove(&file_name(segment.header.id, segment.header.kind))
}

/// Applies the transactions of a verified frame from number `from` on.
pub(crate) fn apply_frame<M: StateMachine>(
    machine: &mut M,
    frame: &[u8],
    spot: frame::Spot,
    header: &Header,
    from: TransactionNumber,
) -> Result<(), (TransactionNumber, super::InvalidRecord)> {
    let mut records = Records::of_frame(frame, spot);
    for index in 0..header.count {
        let number = header.first.plus(u64::from(index));
        let next = records.next_transaction();
        if number >= from {
            let committed = Committed { number, time: header.time, records };
            machine.apply(&committed).map_err(|error| (number, error))?;
        }
        records = next;
    }
    Ok(())
}
