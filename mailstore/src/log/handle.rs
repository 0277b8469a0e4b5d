//! What callers hold: the log's handle, its queue, and what both sides of the queue share.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use bytes::Bytes;

use super::error::is_disk_full;
use super::open_files::OpenFiles;
use super::recovery;
use super::segment::{Segment, Segments};
use super::ticket::{Promise, Ticket, ticket};
use super::{
    BulkWriter, CommitError, LogError, OpenError, Options, Place, ReadError, Recovery, SegmentId,
    StateMachine, TransactionNumber,
};
use crate::clock::Clock;
use crate::disk::Disk;

/// Charged to each request beside its weight, so that small ones are bounded in number as well.
pub const REQUEST_OVERHEAD_BYTES: usize = 128;

/// A log of a state machine: a handle to the one thread that commits. Clones are the same log; when the last one is
/// dropped, what waits is committed and the thread ends (so that drop blocks for a flush).
pub struct Log<M: StateMachine> {
    handle: Arc<Handle<M>>,
}

impl<M: StateMachine> Log<M> {
    /// Opens the log in `disk`, or makes one, and replays it into `machine`, which must be new.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the disk failed, or what is on it is not a log that was written and then cut short.
    pub fn open(
        disk: &Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
        machine: M,
    ) -> Result<(Self, Recovery), OpenError> {
        let (committer, recovery) = recovery::open(disk, clock, options, machine)?;
        let shared = committer.shared();
        let failed = |error| OpenError::Io { file: ".".into(), error };
        let spawned = std::thread::Builder::new().name("log".into()).spawn(move || committer.run());
        let thread = Mutex::new(Some(spawned.map_err(failed)?));
        Ok((Self { handle: Arc::new(Handle { shared, thread }) }, recovery))
    }

    /// Queues a request. Requests are prepared in the order in which they were queued.
    ///
    /// What the [`Pending`] gives is known when the transaction is durable and applied. Dropping the `Pending`
    /// does not withdraw the request.
    pub fn submit(&self, request: M::Request) -> Pending<M> {
        let shared = &self.handle.shared;
        let mut queue = shared.queue();
        let was_idle = queue.entries.is_empty();
        let pending = shared.enqueue(&mut queue, request);
        drop(queue);
        if was_idle {
            shared.wake.notify_one();
        }
        pending
    }

    /// Queues several requests at once, with nothing between them: they share a frame as far as they fit.
    /// Each is accepted or refused by itself.
    pub fn submit_all(&self, requests: impl IntoIterator<Item = M::Request>) -> Vec<Pending<M>> {
        let shared = &self.handle.shared;
        // The caller's iterator does not run under the lock.
        let requests: Vec<M::Request> = requests.into_iter().collect();
        let mut queue = shared.queue();
        let pending = requests.into_iter().map(|request| shared.enqueue(&mut queue, request)).collect();
        drop(queue);
        shared.wake.notify_one();
        pending
    }

    /// Reads the whole content of a place, and checks it.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; never bytes other than those written. A damaged or unreadable place does not close the log.
    pub fn read(&self, place: Place) -> Result<Bytes, ReadError> {
        self.read_range(place, 0..place.len_bytes())
    }

    /// Reads a range of the content of a place. Of a record all is read and checked; of a bulk body only the chunks
    /// (64 KiB) that the range touches.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`ReadError::OutOfRange`].
    pub fn read_range(&self, place: Place, range: Range<u32>) -> Result<Bytes, ReadError> {
        let common = &self.handle.shared.common;
        common.alive().map_err(|error| match error {
            LogError::Closed => ReadError::Closed,
            _ => ReadError::PreviousIo,
        })?;
        let length = range.end.checked_sub(range.start).ok_or(ReadError::OutOfRange)?;
        let segment = common.segments.find(place.segment());
        segment.ok_or(ReadError::Gone { segment: place.segment() })?.read(place, range.start, length)
    }

    /// Keeps a segment readable for as long as the lease is held, whatever the machine pins; `None` if it is gone.
    pub fn lease(&self, segment: SegmentId) -> Option<Lease> {
        self.handle.shared.common.segments.find(segment).map(Lease)
    }

    /// Begins a large body, from [`BULK_BYTES_MIN`](super::BULK_BYTES_MIN) on, that is written beside the log.
    ///
    /// # Errors
    ///
    /// [`LogError`], as [`BulkWriter::write`].
    pub fn bulk(&self) -> Result<BulkWriter, LogError> {
        BulkWriter::new(&self.handle.shared.common)
    }

    /// Asks for a checkpoint of the state as it is or as it will be a little later. Gives the last transaction
    /// in it.
    pub fn checkpoint(&self) -> PendingCheckpoint {
        let shared = &self.handle.shared;
        let mut queue = shared.queue();
        let alive = if queue.stop { Err(LogError::Closed) } else { Ok(()) };
        if let Err(error) = shared.common.alive().and(alive) {
            return PendingCheckpoint(PendingState::Refused(error));
        }
        let (ticket, promise) = ticket(());
        queue.checkpoints.push(promise);
        drop(queue);
        shared.wake.notify_one();
        PendingCheckpoint(PendingState::Queued(ticket))
    }

    /// Commits what waits, marks the log as closed in good order and ends its thread. All later calls are
    /// [`LogError::Closed`].
    ///
    /// # Errors
    ///
    /// [`LogError::PreviousIo`] if a write failed.
    pub fn close(&self) -> Result<(), LogError> {
        self.handle.stop();
        match self.handle.shared.common.alive() {
            Err(LogError::Closed) => Ok(()),
            outcome => outcome,
        }
    }

    /// What the log has done since it was opened.
    pub fn stats(&self) -> Stats {
        self.handle.shared.common.counters.stats()
    }
}

impl<M: StateMachine> Clone for Log<M> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<M: StateMachine> fmt::Debug for Log<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A transaction on its way: a future, or [`wait`](Self::wait) on a thread.
#[must_use = "the outcome is known only here"]
pub struct Pending<M: StateMachine>(PendingState<M::Request, Answer<M>>);

/// What the committer answers.
pub(crate) type Answer<M> = Result<<M as StateMachine>::Response, CommitError<<M as StateMachine>::Error>>;

/// The committer's side of a [`Pending`].
pub(crate) type AnswerPromise<M> = Promise<<M as StateMachine>::Request, Answer<M>>;

enum PendingState<Q, R> {
    Queued(Ticket<Q, R>),
    Refused(LogError),
}

impl<M: StateMachine> Pending<M> {
    /// Blocks until the transaction is durable and applied, or known not to be.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub fn wait(self) -> Result<M::Response, CommitError<M::Error>> {
        match self.0 {
            PendingState::Queued(ticket) => ticket.wait().unwrap_or(Err(LogError::PreviousIo.into())),
            PendingState::Refused(error) => Err(error.into()),
        }
    }

    /// Takes the request back, if it has not been prepared yet: for a caller whose deadline has passed.
    ///
    /// # Errors
    ///
    /// The transaction itself, if it is too late.
    pub fn withdraw(self) -> Result<M::Request, Self> {
        let taken = match &self.0 {
            PendingState::Queued(ticket) => ticket.take_back(),
            PendingState::Refused(_) => None,
        };
        taken.ok_or(self)
    }
}

impl<M: StateMachine> Future for Pending<M> {
    type Output = Result<M::Response, CommitError<M::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            PendingState::Queued(ticket) => Pin::new(ticket)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(LogError::PreviousIo.into()))),
            PendingState::Refused(error) => Poll::Ready(Err((*error).into())),
        }
    }
}

impl<M: StateMachine> fmt::Debug for Pending<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

/// A checkpoint on its way: a future, or [`wait`](Self::wait) on a thread.
#[must_use = "the outcome is known only here"]
pub struct PendingCheckpoint(PendingState<(), Result<TransactionNumber, LogError>>);

impl PendingCheckpoint {
    /// Blocks until the checkpoint is durable, or known not to be.
    ///
    /// # Errors
    ///
    /// [`LogError::DiskFull`]: there is none, the log goes on. Else the log is closed.
    pub fn wait(self) -> Result<TransactionNumber, LogError> {
        match self.0 {
            PendingState::Queued(ticket) => ticket.wait().unwrap_or(Err(LogError::PreviousIo)),
            PendingState::Refused(error) => Err(error),
        }
    }
}

impl Future for PendingCheckpoint {
    type Output = Result<TransactionNumber, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            PendingState::Queued(ticket) => {
                Pin::new(ticket).poll(context).map(|answer| answer.unwrap_or(Err(LogError::PreviousIo)))
            }
            PendingState::Refused(error) => Poll::Ready(Err(*error)),
        }
    }
}

impl fmt::Debug for PendingCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingCheckpoint")
    }
}

/// Keeps a segment readable.
#[derive(Clone)]
pub struct Lease(Arc<Segment>);

impl Lease {
    /// Reads a range of a place in this segment, and checks it, as [`Log::read_range`].
    ///
    /// # Errors
    ///
    /// As [`Log::read_range`]; [`ReadError::Gone`] for a place in another segment.
    pub fn read_range(&self, place: Place, range: Range<u32>) -> Result<Bytes, ReadError> {
        if place.segment() != self.0.header.id {
            return Err(ReadError::Gone { segment: place.segment() });
        }
        let length = range.end.checked_sub(range.start).ok_or(ReadError::OutOfRange)?;
        self.0.read(place, range.start, length)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.0.header.id).finish()
    }
}

/// What a log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions made durable.
    pub transactions: u64,
    /// Frames, each one write and one sync.
    pub frames: u64,
    /// Syncs of the log, with those for changes of segments.
    pub flushes: u64,
    /// Bytes of frames written, with their padding.
    pub frame_bytes: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Segments given back for use again, or removed.
    pub segments_freed: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) transactions: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) frame_bytes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) segments_freed: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    fn stats(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            transactions: load(&self.transactions),
            frames: load(&self.frames),
            flushes: load(&self.flushes),
            frame_bytes: load(&self.frame_bytes),
            checkpoints: load(&self.checkpoints),
            segments_freed: load(&self.segments_freed),
        }
    }
}

pub(crate) const ALIVE: u8 = 0;
pub(crate) const CLOSED: u8 = 1;
pub(crate) const POISONED: u8 = 2;

/// What all who touch the disk share, whatever the machine.
pub(crate) struct Common {
    /// The directory `log`.
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: u64,
    pub(crate) options: Options,
    pub(crate) files: Arc<OpenFiles>,
    pub(crate) segments: Segments,
    pub(crate) next_segment: AtomicU64,
    /// [`ALIVE`], [`CLOSED`] or [`POISONED`]; only rises.
    pub(crate) state: AtomicU8,
    pub(crate) counters: Counters,
}

impl Common {
    pub(crate) fn alive(&self) -> Result<(), LogError> {
        match self.state.load(Ordering::Acquire) {
            ALIVE => Ok(()),
            CLOSED => Err(LogError::Closed),
            _ => Err(LogError::PreviousIo),
        }
    }

    pub(crate) fn poison(&self) {
        self.state.fetch_max(POISONED, Ordering::Release);
    }

    /// Nothing more may touch the disk: someone else can have it now.
    pub(crate) fn close(&self) {
        self.state.fetch_max(CLOSED, Ordering::Release);
    }

    /// A write, sync or change of names that was not in an acknowledged frame's way has failed: a full disk is
    /// only refused, everything else closes the log.
    pub(crate) fn failed(&self, error: &io::Error) -> LogError {
        if is_disk_full(error) {
            return LogError::DiskFull;
        }
        self.poison();
        LogError::Io(error.kind())
    }

    pub(crate) fn take_segment_id(&self) -> SegmentId {
        SegmentId::new(self.next_segment.fetch_add(1, Ordering::Relaxed))
    }
}

/// What callers and committer share.
pub(crate) struct Shared<M: StateMachine> {
    pub(crate) common: Arc<Common>,
    pub(crate) queue: Mutex<Queue<M>>,
    pub(crate) wake: Condvar,
}

impl<M: StateMachine> Shared<M> {
    pub(crate) fn new(common: Arc<Common>) -> Self {
        let queue = Queue {
            entries: VecDeque::new(),
            bytes: 0,
            checkpoints: Vec::new(),
            checkpoint_written: None,
            stop: false,
        };
        Self { common, queue: Mutex::new(queue), wake: Condvar::new() }
    }

    fn enqueue(&self, queue: &mut Queue<M>, request: M::Request) -> Pending<M> {
        let weight = M::weight(&request).saturating_add(REQUEST_OVERHEAD_BYTES);
        if let Err(error) = self.common.alive() {
            return Pending(PendingState::Refused(error));
        }
        if queue.stop {
            return Pending(PendingState::Refused(LogError::Closed));
        }
        let bytes = queue.bytes.saturating_add(weight);
        if bytes > self.common.options.queue_bytes_max {
            return Pending(PendingState::Refused(LogError::QueueFull));
        }
        let (ticket, promise) = ticket(request);
        queue.bytes = bytes;
        queue.entries.push_back(Entry { promise, weight });
        Pending(PendingState::Queued(ticket))
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue<M>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Queue<M: StateMachine> {
    pub(crate) entries: VecDeque<Entry<M>>,
    /// The weight of all that wait or are being packed.
    pub(crate) bytes: usize,
    pub(crate) checkpoints: Vec<CheckpointPromise>,
    /// What became of the checkpoint that was being written.
    pub(crate) checkpoint_written: Option<io::Result<()>>,
    pub(crate) stop: bool,
}

pub(crate) struct Entry<M: StateMachine> {
    pub(crate) promise: AnswerPromise<M>,
    pub(crate) weight: usize,
}

pub(crate) type CheckpointPromise = Promise<(), Result<TransactionNumber, LogError>>;

struct Handle<M: StateMachine> {
    shared: Arc<Shared<M>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<M: StateMachine> Handle<M> {
    fn stop(&self) {
        self.shared.queue().stop = true;
        self.shared.wake.notify_one();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = thread.take() else { return };
        // Dropped by a waker on the committer itself: it will see the flag, and cannot wait for its own end.
        if thread.thread().id() != std::thread::current().id() {
            // A panic of the machine has closed the log; whoever waits has been told.
            let _ = thread.join();
        }
    }
}

impl<M: StateMachine> Drop for Handle<M> {
    fn drop(&mut self) {
        self.stop();
    }
}
