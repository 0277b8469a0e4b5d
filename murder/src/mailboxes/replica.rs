//! A front-end's replica of the mailbox list.
//!
//! A [`Follower`] keeps one update stream from the master (RFC 3656 4.11) and [`Replica`] is what others see of it. The
//! list that the master sends first is put in force as a whole when the stream begins: what is no longer there
//! vanishes then, and until then the old list is served. So it is while the master is away, and after a restart too,
//! since the list is kept on disk. The disk is behind the memory by a flush or so, and may be: whatever it misses comes
//! with the next stream. A disk that fails stops nothing but that.
//!
//! [`Replica::refresh`] is the barrier: when it returns `Ok`, every change that the master had acknowledged when it was
//! called is in the list. Callers at the same time share one NOOP. LMTP asks it before it says that there is no such
//! user, a session after it changed something.
//!
//! The stream is never silent: NOOP goes out after [`SILENCE`], and a master that owes an answer for long is given
//! up. Connecting again is tried for ever, with growing pauses.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mail_wire::Escaped;
use mailstore::clock::{SystemClock, Timestamp};
use mailstore::disk::Disk;
use mailstore::log::{
    CommitError, Committed, InvalidRecord, Log, LogError, OpenError, Options, Pending, SegmentId,
    SnapshotReader, SnapshotWriter, StateMachine, Transaction, TransactionFull, TransactionNumber,
};
use mupdate_proto::client::{self, CommandId, Event, Outcome};
use mupdate_proto::{Command, EntryView, MailboxName};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::codec::{Fields, Loaded, load_record, put_entry, put_text, save_record};
use super::list::Slot;
use super::upstream::{BackOff, ConnectError, Upstream, until};
use super::{Entry, List, Name};
use crate::net::{Link, LinkError, Shutdown};

/// How long a stream may be silent before a NOOP asks whether the master is still there. The RFC's masters stream
/// within 30 s, Cyrus's slaves ask after 20 s.
pub const SILENCE: Duration = Duration::from_secs(15);
/// Entries of one list at most: about 5 GB of memory. More come only from a master gone mad.
pub const ENTRIES_MAX: usize = 10_000_000;
/// Bytes of one record batch for the disk: well below a frame of the log.
const BATCH_BYTES_MAX: usize = 512 << 10;

/// A replica of the mailbox list. Clones are the same replica.
#[derive(Debug, Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    list: List,
    phase: watch::Sender<Phase>,
    /// Barriers asked for so far.
    asked: watch::Sender<u64>,
    /// Barriers that have been passed.
    passed: watch::Sender<u64>,
    saving_failed: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Since when there is no stream.
    Away(Instant),
    Streaming,
}

/// Why a barrier was not passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The master is not there: the list may be old.
    #[error("the master is not reached")]
    Disconnected,
    /// The master did not answer within the limit.
    #[error("the master did not answer in time")]
    TimedOut,
}

/// The task behind a [`Replica`].
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    upstream: Upstream,
    disk: Saver,
}

impl Replica {
    /// Opens the replica that `disk` holds; the disk is its own. The list of the last run is there at once. Run the
    /// follower to keep it true.
    ///
    /// # Errors
    ///
    /// What is on the disk is no replica, or cannot be read.
    pub fn open(disk: &Arc<dyn Disk>, upstream: Upstream) -> Result<(Self, Follower), OpenError> {
        let list = List::new();
        let machine = Machine { list: list.clone(), replaying: true };
        let (log, _) = Log::open(disk, Arc::new(SystemClock), log_options(), machine)?;
        let shared = Arc::new(Shared {
            list,
            phase: watch::Sender::new(Phase::Away(Instant::now())),
            asked: watch::Sender::new(0),
            passed: watch::Sender::new(0),
            saving_failed: AtomicBool::new(false),
        });
        let disk = Saver { log, waiting: VecDeque::new(), saving: None, stale: false };
        Ok((Self { shared: Arc::clone(&shared) }, Follower { shared, upstream, disk }))
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &List {
        &self.shared.list
    }

    /// The entry of this name, reserved or active.
    #[must_use]
    pub fn lookup(&self, name: &Name) -> Option<Arc<Entry>> {
        self.shared.list.lookup(name)
    }

    /// Whether the stream flows: the list is true but for what is on its way.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.shared.phase.borrow() == Phase::Streaming
    }

    /// How long the master has been away; `None` if it is not.
    #[must_use]
    pub fn away_for(&self) -> Option<Duration> {
        match *self.shared.phase.borrow() {
            Phase::Away(since) => Some(since.elapsed()),
            Phase::Streaming => None,
        }
    }

    /// Whether the list could not be kept on disk: a restart would begin with an older one.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.shared.saving_failed.load(Ordering::Relaxed)
    }

    /// Tells of changes, as [`List::changes`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.list.changes()
    }

    /// Returns once the stream flows, which may be never.
    pub async fn connected(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.phase.subscribe().wait_for(|phase| *phase == Phase::Streaming).await;
    }

    /// Waits until every change is in the list that the master had acknowledged before this call.
    ///
    /// # Errors
    ///
    /// [`RefreshError`]; the list is then served as it is, and may be old.
    pub async fn refresh(&self, time_limit: Duration) -> Result<(), RefreshError> {
        let mut phase = self.shared.phase.subscribe();
        if *phase.borrow_and_update() != Phase::Streaming {
            return Err(RefreshError::Disconnected);
        }
        let mut passed = self.shared.passed.subscribe();
        let mut mine = 0;
        self.shared.asked.send_modify(|asked| {
            *asked += 1;
            mine = *asked;
        });
        let done = async {
            tokio::select! {
                biased;
                () = until(&mut passed, |passed| *passed >= mine) => Ok(()),
                () = until(&mut phase, |phase| *phase != Phase::Streaming) => Err(RefreshError::Disconnected),
            }
        };
        tokio::time::timeout(time_limit, done).await.unwrap_or(Err(RefreshError::TimedOut))
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Protocol(#[from] mail_wire::Error),
    #[error("the master closed the connection")]
    Closed,
    #[error("the master refused a command")]
    Refused,
    #[error("more than {ENTRIES_MAX} entries")]
    TooMany,
}

impl Follower {
    /// Follows the master until the word to stop.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        let mut back_off = BackOff::new();
        loop {
            let ended = tokio::select! {
                ended = self.follow(&mut back_off) => ended,
                () = shutdown.requested() => break,
            };
            self.shared.phase.send_if_modified(|phase| {
                let streamed = *phase == Phase::Streaming;
                if streamed {
                    *phase = Phase::Away(Instant::now());
                }
                streamed
            });
            if let Err(error) = ended {
                warn!(master = %self.upstream.address(), %error, "not following the master");
            }
            tokio::select! {
                () = tokio::time::sleep(back_off.next()) => {}
                () = self.disk.run() => {}
                () = shutdown.requested() => break,
            }
        }
        // The log commits what was submitted when it is dropped; this gives it the rest.
        self.disk.save_all().await;
    }

    async fn follow(&mut self, back_off: &mut BackOff) -> Result<(), StreamError> {
        let mut link = self.upstream.connect().await?;
        let mut stream = Stream::begin(&mut link, &self.shared)?;
        let mut asked = self.shared.asked.subscribe();
        loop {
            let may_ask = stream.is_flowing() && stream.barrier.is_none();
            tokio::select! {
                event = link.next() => {
                    let event = event?.ok_or(StreamError::Closed)?;
                    stream.heard = Instant::now();
                    let begun = stream.take(event, &self.shared, &mut self.disk)?;
                    // What was read with it: a list comes in thousands of entries at once.
                    while let Some((_, entry)) = link.conn().poll_entry() {
                        stream.entry(entry, &self.shared, &mut self.disk)?;
                    }
                    if begun {
                        back_off.reset();
                        info!(master = %self.upstream.address(), entries = self.shared.list.len(), "following the master");
                    }
                }
                () = until(&mut asked, |asked| *asked > stream.passed), if may_ask => {
                    stream.ask(&mut link, &self.shared)?;
                }
                () = tokio::time::sleep_until(stream.heard + SILENCE), if may_ask => {
                    stream.ask(&mut link, &self.shared)?;
                }
                () = self.disk.save_all(), if self.disk.has_work() => {}
            }
            self.shared.saving_failed.store(self.disk.stale, Ordering::Relaxed);
        }
    }
}

/// One update stream.
struct Stream {
    update: CommandId,
    /// What came before the stream began to flow.
    first: Option<Vec<Slot>>,
    /// The NOOP that is out, and the barriers that its answer passes.
    barrier: Option<(CommandId, u64)>,
    /// The barriers that are passed.
    passed: u64,
    heard: Instant,
}

impl Stream {
    fn begin(link: &mut Link<client::Connection>, shared: &Shared) -> Result<Self, StreamError> {
        // Whoever asked before the command goes out is answered by the list itself.
        let passed = *shared.asked.borrow();
        let update = link.conn().send(&Command::Update(Vec::new()))?;
        Ok(Self { update, first: Some(Vec::new()), barrier: None, passed, heard: Instant::now() })
    }

    fn is_flowing(&self) -> bool {
        self.first.is_none()
    }

    fn ask(&mut self, link: &mut Link<client::Connection>, shared: &Shared) -> Result<(), StreamError> {
        let asked = *shared.asked.borrow();
        self.barrier = Some((link.conn().send(&Command::Noop)?, asked));
        Ok(())
    }

    fn entry(&mut self, entry: EntryView<'_>, shared: &Shared, disk: &mut Saver) -> Result<(), StreamError> {
        let slot = Slot::new(entry);
        if let Slot::Unreadable(entry) = &slot {
            debug!(name = %entry.name, "an entry that cannot be read");
        }
        match &mut self.first {
            Some(first) if first.len() >= ENTRIES_MAX => return Err(StreamError::TooMany),
            Some(first) => first.push(slot),
            None if shared.list.len() >= ENTRIES_MAX => return Err(StreamError::TooMany),
            None => {
                shared.list.put(slot.clone());
                disk.queue([Edit::Put(slot)]);
            }
        }
        Ok(())
    }

    /// Takes an event in; true when the stream has just begun to flow.
    fn take(&mut self, event: Event, shared: &Shared, disk: &mut Saver) -> Result<bool, StreamError> {
        match event {
            Event::Entry { entry, .. } => self.entry(entry.view(), shared, disk)?,
            Event::Deleted(name) => {
                // A name off the wire is a slice of a read buffer.
                if let Some(old) = shared.list.remove(&name) {
                    disk.queue([Edit::Remove(old.wire().name.clone())]);
                }
            }
            Event::Completed { command, outcome: Outcome::Ok, .. } if command == self.update => {
                let (set, gone) = shared.list.replace(self.first.take().unwrap_or_default());
                if disk.stale {
                    disk.start_over(shared.list.slots());
                } else {
                    disk.queue(gone.into_iter().map(Edit::Remove));
                    disk.queue(set.into_iter().map(Edit::Put));
                }
                shared.phase.send_replace(Phase::Streaming);
                shared.passed.send_replace(self.passed);
                return Ok(true);
            }
            Event::Completed { command, outcome: Outcome::Ok, .. } => {
                if let Some((noop, passed)) = self.barrier.take()
                    && noop == command
                {
                    self.passed = passed;
                    shared.passed.send_replace(passed);
                }
            }
            Event::Completed { text, .. } => {
                warn!(said = %Escaped::new(&text), "the master refused a command");
                return Err(StreamError::Refused);
            }
            Event::Bye { text } => {
                debug!(said = %Escaped::new(&text), "the master says goodbye");
                return Err(StreamError::Closed);
            }
            _ => {}
        }
        Ok(false)
    }
}

/// Keeps the list on disk, behind the memory.
struct Saver {
    log: Log<Machine>,
    waiting: VecDeque<Edit>,
    saving: Option<Pin<Box<Pending<Machine>>>>,
    /// Something could not be saved: the disk has to be written anew.
    stale: bool,
}

impl std::fmt::Debug for Saver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saver")
            .field("waiting", &self.waiting.len())
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

impl Saver {
    fn queue(&mut self, edits: impl IntoIterator<Item = Edit>) {
        if !self.stale {
            self.waiting.extend(edits);
        }
        // A disk that stalls must not cost more than the list itself.
        if self.waiting.len() > 2 * ENTRIES_MAX {
            self.fail(LogError::QueueFull);
        }
    }

    fn start_over(&mut self, slots: Vec<Slot>) {
        self.stale = false;
        self.waiting = std::iter::once(Edit::Clear).chain(slots.into_iter().map(Edit::Put)).collect();
    }

    fn has_work(&self) -> bool {
        self.saving.is_some() || !self.waiting.is_empty()
    }

    /// Saves what waits, and then never returns: only the caller can queue more. Cancelling it loses nothing.
    async fn run(&mut self) {
        self.save_all().await;
        std::future::pending::<()>().await;
    }

    async fn save_all(&mut self) {
        while self.has_work() {
            if self.saving.is_none() {
                let batch = self.next_batch();
                self.saving = Some(Box::pin(self.log.submit(batch)));
            }
            let Some(saving) = &mut self.saving else { return };
            let saved = saving.await;
            self.saving = None;
            match saved {
                Ok(()) => {}
                Err(CommitError::Log(error)) => self.fail(error),
                Err(CommitError::Refused(_)) => self.fail(LogError::QueueFull),
            }
        }
    }

    fn fail(&mut self, error: LogError) {
        warn!(%error, "cannot keep the mailbox list on disk");
        self.waiting.clear();
        self.stale = true;
    }

    fn next_batch(&mut self) -> Vec<Edit> {
        let mut bytes = 0;
        let mut batch = Vec::new();
        while bytes < BATCH_BYTES_MAX
            && let Some(edit) = self.waiting.pop_front()
        {
            bytes += edit.weight();
            batch.push(edit);
        }
        batch
    }
}

/// A change of the list on disk.
#[derive(Debug)]
enum Edit {
    Put(Slot),
    Remove(MailboxName),
    Clear,
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const CLEAR: u8 = 3;

impl Edit {
    fn weight(&self) -> usize {
        64 + match self {
            Self::Put(slot) => {
                let entry = slot.wire();
                let acl_bytes = entry.acl().map_or(0, |acl| acl.as_bytes().len());
                entry.name.as_bytes().len() + entry.location.as_bytes().len() + acl_bytes
            }
            Self::Remove(name) => name.as_bytes().len(),
            Self::Clear => 0,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put(slot) => {
                out.push(PUT);
                put_entry(slot.wire(), out);
            }
            Self::Remove(name) => {
                out.push(REMOVE);
                put_text(name.as_bytes(), out);
            }
            Self::Clear => out.push(CLEAR),
        }
    }
}

/// The list on disk. In memory it is the replica's own list, which runs ahead; so in service nothing is applied, and
/// a saved state may be newer than its number says. Replaying older changes over it does no harm: each is a state,
/// and the last of each name is there.
struct Machine {
    list: List,
    replaying: bool,
}

impl StateMachine for Machine {
    const FORMAT: [u8; 8] = *b"replica1";
    type Request = Vec<Edit>;
    type Response = ();
    type Error = TransactionFull;
    type Frozen = Vec<Slot>;

    fn weight(request: &Vec<Edit>) -> usize {
        request.iter().map(Edit::weight).sum()
    }

    fn prepare(
        &mut self,
        _: TransactionNumber,
        _: Timestamp,
        request: Vec<Edit>,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), TransactionFull> {
        let mut record = Vec::new();
        for edit in request {
            record.clear();
            edit.encode(&mut record);
            transaction.append(&[&record])?;
        }
        Ok(())
    }

    fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord> {
        if !self.replaying {
            return Ok(());
        }
        for record in committed.records() {
            let mut fields = Fields::new(record.bytes);
            match fields.byte()? {
                PUT => drop(self.list.put(Slot::new(fields.entry()?.view()))),
                REMOVE => drop(self.list.remove(&fields.name()?)),
                CLEAR => drop(self.list.replace(Vec::new())),
                _ => return Err(InvalidRecord("no change of a list")),
            }
            fields.end()?;
        }
        Ok(())
    }

    fn recovered(&mut self) {
        self.replaying = false;
    }

    fn freeze(&self) -> Vec<Slot> {
        self.list.slots()
    }

    fn save(frozen: &Vec<Slot>, out: &mut SnapshotWriter<'_>) -> io::Result<()> {
        let mut record = Vec::new();
        for slot in frozen {
            record.clear();
            put_entry(slot.wire(), &mut record);
            save_record(&record, out)?;
        }
        Ok(())
    }

    fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord> {
        let mut record = Vec::new();
        while load_record(from, &mut record)? == Loaded::Record {
            let mut fields = Fields::new(&record);
            self.list.put(Slot::new(fields.entry()?.view()));
            fields.end()?;
        }
        Ok(())
    }

    fn pins(&self, _: SegmentId) -> bool {
        false
    }
}

/// A list is small beside a mail store: short segments, checkpoints before the log outgrows it by much.
pub(crate) fn log_options() -> Options {
    Options {
        segment_bytes: 16 << 20,
        frame_bytes_max: 1 << 20,
        queue_bytes_max: 64 << 20,
        checkpoint_after_bytes: 64 << 20,
        free_segments_max: 1,
        ..Options::default()
    }
}
