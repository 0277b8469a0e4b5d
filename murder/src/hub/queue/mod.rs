//! The durable queue: what was answered 250 is here until every copy of it is delivered or its sender told.
//!
//! A state machine on [`mailstore::log`]: all messages that come in while one flush runs share the next. Bodies up to
//! 256 KiB stand in the log, larger ones in files of their own; a small one that stays longer gets a file as well, so
//! that one message nobody takes does not hold up the space of all that came with it. Whatever was accepted is found
//! again at the next opening, whatever killed the process.
//!
//! ```
//! use std::sync::Arc;
//! use mailstore::{clock::SystemClock, disk::{Disk, crash::CrashDisk}};
//! use murder::hub::{Body, Envelope, NewMessage, Queue, Recipient, Target};
//! use smtp_proto::{Address, ReversePath};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let disk = CrashDisk::new(1);
//! let root: Arc<dyn Disk> = Arc::new(disk.clone());
//! let (queue, _) = Queue::open(&root, Arc::new(SystemClock), 1000)?;
//! let bob: Address = "bob@example.org".parse()?;
//! let target = Target::Mailbox { login: "bob".parse()?, detail: None };
//! let envelope = Envelope {
//!     reverse_path: ReversePath::Null,
//!     body: Body::SevenBit,
//!     recipients: vec![Recipient { original: bob.into(), target }],
//! };
//! let mut body = queue.body();
//! body.write(b"Subject: hello\r\n\r\n")?;
//! let id = queue.new_id()?;
//! queue.accept(NewMessage { id, envelope, body: body.finish()? }).await?;
//! drop(queue);
//!
//! disk.crash();
//! let (queue, _) = Queue::open(&root, Arc::new(SystemClock), 1000)?;
//! assert_eq!(queue.message(id).unwrap().pending().collect::<Vec<_>>(), [0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod machine;
mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use mailstore::clock::Clock;
use mailstore::disk::Disk;
use mailstore::log::{BULK_BYTES_MIN, BulkWriter, CommitError, Log, LogError, OpenError, Options, ReadError};
use tokio::sync::mpsc;

use crate::frontend::delivery::MessageSource;

pub use machine::{DEAD_LETTERS_MAX, NewBody, NewMessage, Outcome, Refusal, Settlement};
pub use message::{
    DeadLetter, ENVELOPE_BYTES_MAX, Envelope, Message, Passage, QueueId, Recipient, State, Target,
};
pub(super) use message::{recipient_bytes, reply_text};
pub use smtp_proto::Body;

use machine::{Machine, Request, SharedBoard};
use message::Storage;

/// The queue. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    log: Log<Machine>,
    board: SharedBoard,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("messages", &self.len()).finish_non_exhaustive()
    }
}

/// The ids of messages as they are accepted, once they are durable. Those that were there before are not among them.
pub type Arrivals = mpsc::UnboundedReceiver<QueueId>;

/// Why the queue does not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log cannot.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system gives no random numbers.
    #[error("no randomness")]
    Randomness,
}

impl From<CommitError<Refusal>> for QueueError {
    fn from(error: CommitError<Refusal>) -> Self {
        match error {
            CommitError::Refused(refusal) => Self::Refused(refusal),
            CommitError::Log(error) => Self::Log(error),
        }
    }
}

impl Queue {
    /// Opens the queue in `disk`, or makes one, for at most `messages_max` messages. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the log.
    pub fn open(
        disk: &Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        messages_max: u64,
    ) -> Result<(Self, Arrivals), OpenError> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let board = SharedBoard::default();
        let machine = Machine::new(board.clone(), messages_max, sender);
        let (log, recovery) = Log::open(disk, Arc::clone(&clock), log_options(), machine)?;
        let queue = Self { log, board, clock };
        tracing::info!(messages = queue.len(), ?recovery, "the queue is open");
        Ok((queue, arrivals))
    }

    /// A new id.
    ///
    /// # Errors
    ///
    /// [`QueueError::Randomness`].
    pub fn new_id(&self) -> Result<QueueId, QueueError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| QueueError::Randomness)?;
        Ok(QueueId::new(self.clock.now().as_millis(), u64::from_le_bytes(random)))
    }

    /// Begins a body.
    #[must_use]
    pub fn body(&self) -> BodyWriter {
        BodyWriter { log: self.log.clone(), memory: Vec::new(), bulk: None }
    }

    /// Takes a message over. When this returns well, it is durable.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: then nothing was taken over, but after an input/output error that is not known.
    pub async fn accept(&self, message: NewMessage) -> Result<(), QueueError> {
        self.log.submit(Request::Accept(message)).await?;
        Ok(())
    }

    /// Notes what an attempt came to. When this returns well, it is durable.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: then the copies wait on.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), QueueError> {
        self.log.submit(Request::Settle(settlement)).await?;
        Ok(())
    }

    /// Puts the bytes of a message that stays into a file of their own, if they are not there yet.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: then they stay where they are. A body that cannot be read stays as well, without an error.
    pub async fn set_apart(&self, message: &Message) -> Result<(), QueueError> {
        if message.storage == Storage::Apart {
            return Ok(());
        }
        let written = crate::net::on_disk(|| {
            let Ok(bytes) = self.log.read(message.body) else { return Ok(None) };
            let mut bulk = self.log.bulk()?;
            bulk.write(&bytes)?;
            bulk.finish().map(Some)
        })?;
        if let Some(bulk) = written {
            self.log.submit(Request::Move(message.id, bulk)).await?;
        }
        Ok(())
    }

    /// A message, if it is there.
    #[must_use]
    pub fn message(&self, id: QueueId) -> Option<Arc<Message>> {
        self.board.lock().messages.get(&id).cloned()
    }

    /// Up to `count_max` messages by age, those after an id.
    #[must_use]
    pub fn messages(&self, after: Option<QueueId>, count_max: usize) -> Vec<Arc<Message>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.board
            .lock()
            .messages
            .range((from, Bound::Unbounded))
            .take(count_max)
            .map(|(_, m)| Arc::clone(m))
            .collect()
    }

    /// The latest messages that were given up although nobody could be told, at most [`DEAD_LETTERS_MAX`].
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.board.lock().dead.iter().cloned().collect()
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.board.lock().messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a message.
    #[must_use]
    pub fn source(&self, message: &Message) -> impl MessageSource + use<> {
        Source { log: self.log.clone(), place: message.body }
    }

    /// The time by the queue's clock.
    #[must_use]
    pub fn now(&self) -> mailstore::clock::Timestamp {
        self.clock.now()
    }
}

/// Messages are short-lived and a segment comes back when all in it are gone: shorter segments than a store's.
fn log_options() -> Options {
    Options {
        segment_bytes: 32 << 20,
        checkpoint_after_bytes: 64 << 20,
        queue_bytes_max: 64 << 20,
        ..Options::default()
    }
}

/// A body being written: in memory while it is small, then in a file of its own.
pub struct BodyWriter {
    log: Log<Machine>,
    memory: Vec<u8>,
    bulk: Option<BulkWriter>,
}

impl std::fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyWriter").field("in_memory_bytes", &self.memory.len()).finish_non_exhaustive()
    }
}

impl BodyWriter {
    /// Appends to it. May block on the disk.
    ///
    /// # Errors
    ///
    /// Those of the log: this body is lost.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        if let Some(bulk) = &mut self.bulk {
            return bulk.write(bytes);
        }
        if self.memory.len() + bytes.len() < BULK_BYTES_MIN {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let bulk = self.bulk.insert(self.log.bulk()?);
        bulk.write(&std::mem::take(&mut self.memory))?;
        bulk.write(bytes)
    }

    /// Ends it. May block on the disk.
    ///
    /// # Errors
    ///
    /// Those of the log.
    pub fn finish(self) -> Result<NewBody, LogError> {
        match self.bulk {
            Some(bulk) => bulk.finish().map(NewBody::Bulk),
            None => Ok(NewBody::Inline(self.memory)),
        }
    }
}

struct Source {
    log: Log<Machine>,
    place: mailstore::log::Place,
}

impl MessageSource for Source {
    fn read(&self, offset: u64, bytes_max: usize) -> io::Result<Bytes> {
        let len_bytes = self.place.len_bytes();
        let start = u32::try_from(offset).unwrap_or(u32::MAX).min(len_bytes);
        let end = start.saturating_add(u32::try_from(bytes_max).unwrap_or(u32::MAX)).min(len_bytes);
        let failed = |e: ReadError| io::Error::new(io::ErrorKind::InvalidData, e);
        self.log.read_range(self.place, start..end).map_err(failed)
    }
}
