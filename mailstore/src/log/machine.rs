//! What a log is a log of: the state machine, its transactions and its saved states.

use std::io;

use super::frame::{LAST, RECORD_HEADER_BYTES, Records};
use super::{InvalidRecord, Place, SegmentId, TransactionFull, TransactionNumber};
use crate::clock::Timestamp;

pub use super::checkpoint::{SnapshotReader, SnapshotWriter};

/// A deterministic state machine whose records are opaque to the log.
///
/// The log owns the machine and calls it from one thread only. What others shall read, the machine publishes itself
/// through whatever it shares with them; the log has no lock that a reader could meet.
///
/// **Two states.** Requests are validated against the state *as it will be*: between [`prepare`](Self::prepare) and
/// the [`apply`](Self::apply) of the same transaction lies a flush, and other transactions of the same frame are
/// prepared in between. So a machine has a *planned* state, which `prepare` reads and changes and nobody else sees,
/// and an *applied* state, which `apply` changes and publishes. Only what requests are validated against needs a
/// planned form (counters, names); the rest can wait for `apply`.
///
/// * Per transaction in commit order: `prepare`, then after the flush `apply`. No `apply` is skipped; if the flush
///   fails the machine is dropped and the log is opened anew with a fresh one.
/// * A `prepare` that returns an error, or appends no record, must leave the planned state as it was.
/// * In replay there is `apply` alone, and at its end [`recovered`](Self::recovered), where the planned state is
///   set to the applied one.
/// * `apply` depends on nothing but the state and its argument: not on time, chance or configuration.
/// * A panic closes the log, like a failed write.
/// * The machine holds no [`Log`](super::Log) of its own (it would wait for itself).
pub trait StateMachine: Send + 'static {
    /// Names the format of the records; a log with another one is not opened.
    const FORMAT: [u8; 8];

    /// What callers ask for.
    type Request: Send + 'static;
    /// What they get when it is durable.
    type Response: Send + 'static;
    /// Why it is refused.
    type Error: Send + 'static;
    /// The whole state at one moment, to be written while the machine goes on: best shared (`Arc`) and not copied.
    type Frozen: Send + 'static;

    /// How many bytes a waiting request takes, roughly.
    fn weight(request: &Self::Request) -> usize;

    /// Whether a request should pass on a full disk because it gives space back (an expunge).
    fn frees_space(_request: &Self::Request) -> bool {
        false
    }

    /// Validates a request against the planned state, appends its records, then changes the planned state.
    ///
    /// `number` is the transaction's, if it appends a record; without one none is used up, and the response is
    /// delivered when everything prepared before is durable. `now` never steps back, and comes back in
    /// [`Committed::time`].
    ///
    /// # Errors
    ///
    /// The machine's own; what was appended is dropped. [`Transaction::append`] that fails must be passed on.
    fn prepare(
        &mut self,
        number: TransactionNumber,
        now: Timestamp,
        request: Self::Request,
        transaction: &mut Transaction<'_>,
    ) -> Result<Self::Response, Self::Error>;

    /// Applies a durable transaction: after its flush, and again, with the same records, in replay.
    ///
    /// # Errors
    ///
    /// Records that this machine could not have written: replay stops with [`OpenError::Record`](super::OpenError).
    fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord>;

    /// All transactions of one frame are applied; their callers are woken next. The place to notify watchers.
    fn frame_applied(&mut self) {}

    /// Replay has ended: the planned state has to become the applied one.
    fn recovered(&mut self) {}

    /// Takes the whole applied state at this moment. Called between two frames, so it holds everybody up.
    fn freeze(&self) -> Self::Frozen;

    /// Writes a frozen state, on another thread.
    ///
    /// # Errors
    ///
    /// Those of `out`; any error means that this checkpoint does not come to be.
    fn save(frozen: &Self::Frozen, out: &mut SnapshotWriter<'_>) -> io::Result<()>;

    /// Reads what [`save`](Self::save) wrote, into a machine that is new.
    ///
    /// # Errors
    ///
    /// A saved state that this machine could not have written; its bytes are those that were written.
    fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord>;

    /// Whether the applied state still refers to a [`Place`] in this segment, so that it has to be kept. Asked
    /// after each checkpoint, for each segment that is older, and at opening for each bulk body.
    fn pins(&self, segment: SegmentId) -> bool;
}

/// The records of a transaction being prepared.
#[derive(Debug)]
pub struct Transaction<'a> {
    frame: &'a mut Vec<u8>,
    start: usize,
    last: Option<usize>,
    max_bytes: usize,
    overflowed: bool,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(frame: &'a mut Vec<u8>, max_bytes: usize) -> Self {
        Self { start: frame.len(), frame, last: None, max_bytes, overflowed: false }
    }

    /// Appends one record, given in parts that are written one after the other. An empty record is one, too.
    ///
    /// # Errors
    ///
    /// [`TransactionFull`]; the transaction must then be refused.
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<(), TransactionFull> {
        let content = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let room = self.max_bytes.saturating_sub(self.frame.len().saturating_sub(self.start));
        let length = u32::try_from(content).ok().filter(|length| length & LAST == 0);
        let (Some(length), true) = (length, content.saturating_add(RECORD_HEADER_BYTES) <= room) else {
            self.overflowed = true;
            return Err(TransactionFull { max_bytes: self.max_bytes });
        };
        self.last = Some(self.frame.len());
        self.frame.extend_from_slice(&length.to_le_bytes());
        self.frame.extend_from_slice(&[0; 4]);
        parts.iter().for_each(|part| self.frame.extend_from_slice(part));
        Ok(())
    }

    /// Bytes taken so far, with 8 for each record.
    pub fn len_bytes(&self) -> usize {
        self.frame.len().saturating_sub(self.start)
    }

    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Marks the last record as such. Whether there is one.
    pub(crate) fn finish(self) -> bool {
        let Some(last) = self.last else { return false };
        if let Some(top) = self.frame.get_mut(last + 3) {
            *top |= 0x80;
        }
        true
    }

    pub(crate) fn roll_back(self) {
        self.frame.truncate(self.start);
    }
}

/// A durable transaction.
#[derive(Clone, Debug)]
pub struct Committed<'a> {
    pub(crate) number: TransactionNumber,
    pub(crate) time: Timestamp,
    pub(crate) records: Records<'a>,
}

impl<'a> Committed<'a> {
    /// Its number.
    pub fn number(&self) -> TransactionNumber {
        self.number
    }

    /// The `now` that it was prepared with.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Its records in the order in which they were appended; at least one.
    pub fn records(&self) -> Records<'a> {
        self.records.clone()
    }
}

/// One record of a durable transaction.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it is, for [`Log::read`](super::Log::read).
    pub place: Place,
    /// Its content.
    pub bytes: &'a [u8],
}
