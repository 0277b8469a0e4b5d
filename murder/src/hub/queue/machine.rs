//! The queue as a state machine on the log.
//!
//! A message comes in as an envelope and a body, the latter as a record of the same transaction or as a file of its
//! own. What becomes of its copies are later records; when no copy waits any more the message is gone, and its bytes
//! with it as soon as nothing else lives in their segment. A report about failed copies comes in with the very
//! transaction that fails them, so it is never made twice and never forgotten.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mailstore::clock::Timestamp;
use mailstore::log::{
    Bulk, Committed, InvalidRecord, Place, SegmentId, SnapshotReader, SnapshotWriter, StateMachine,
    Transaction, TransactionFull, TransactionNumber,
};
use smtp_proto::ForwardPath;
use tokio::sync::mpsc;

use super::message::{
    DeadLetter, ENVELOPE_BYTES_MAX, Envelope, Message, QueueId, State, Storage, put_envelope, put_id,
    put_message, put_path, put_u32, take_envelope, take_id, take_message, take_path, take_string, take_u32,
};
use crate::mailboxes::codec::{Fields, put_text};

/// Dead letters remembered. 1,000: enough to see what goes wrong, too few to fill a disk.
pub const DEAD_LETTERS_MAX: usize = 1000;

/// Bytes of one record of a saved state at most: an envelope, the states of its copies, and the rest.
const SAVED_RECORD_BYTES_MAX: usize = 2 * ENVELOPE_BYTES_MAX;

/// A message for the queue.
#[derive(Debug)]
pub struct NewMessage {
    /// What it shall be called.
    pub id: QueueId,
    /// Whom it comes from and goes to.
    pub envelope: Envelope,
    /// Its bytes.
    pub body: NewBody,
}

/// The bytes of a message for the queue.
#[derive(Debug)]
pub enum NewBody {
    /// Few, to go into the log.
    Inline(Vec<u8>),
    /// Many, in a file of their own already.
    Bulk(Bulk),
}

/// What became of one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is delivered.
    Delivered,
    /// It never will be.
    Failed,
}

/// What an attempt came to.
#[derive(Debug)]
pub struct Settlement {
    /// The message.
    pub id: QueueId,
    /// The number of the attempt.
    pub attempt: u32,
    /// The copies that wait no longer, by their places in the envelope.
    pub outcomes: Vec<(usize, Outcome)>,
    /// What was said about a copy that failed or waits on; empty if all went well.
    pub last_reply: String,
    /// The report about the copies that failed now.
    pub report: Option<NewMessage>,
    /// Failed copies that nobody can be told of, and why they failed.
    pub buried: Vec<(ForwardPath, String)>,
}

#[derive(Debug)]
pub(super) enum Request {
    Accept(NewMessage),
    Settle(Settlement),
    /// The bytes of a message that stays are now here.
    Move(QueueId, Bulk),
}

/// Keeps the file of a body until its transaction is applied.
pub(super) type Kept = Option<Bulk>;

/// Why the queue refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It holds as many messages as it may.
    #[error("the queue is full")]
    Full,
    /// The envelope has more than [`ENVELOPE_BYTES_MAX`] bytes.
    #[error("too many recipients")]
    TooLarge,
    /// There is no such message any more.
    #[error("the message is gone")]
    Gone,
}

impl From<TransactionFull> for Refusal {
    fn from(_: TransactionFull) -> Self {
        Self::TooLarge
    }
}

/// What is in the queue: what is applied, for all to read.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) messages: BTreeMap<QueueId, Arc<Message>>,
    pub(super) dead: VecDeque<DeadLetter>,
    /// How many bodies live in a segment.
    bodies: HashMap<SegmentId, usize>,
}

impl Board {
    fn insert(&mut self, message: Message) {
        *self.bodies.entry(message.body.segment()).or_default() += 1;
        if let Some(old) = self.messages.insert(message.id, Arc::new(message)) {
            self.release(old.body);
        }
    }

    fn release(&mut self, place: Place) {
        if let Some(count) = self.bodies.get_mut(&place.segment()) {
            *count -= 1;
            if *count == 0 {
                self.bodies.remove(&place.segment());
            }
        }
    }

    fn settle(&mut self, id: QueueId, attempt: u32, last_reply: String, outcomes: &[(usize, Outcome)]) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let message = Arc::make_mut(message);
        message.attempts = message.attempts.max(attempt);
        if !last_reply.is_empty() {
            message.last_reply = last_reply;
        }
        for (place, outcome) in outcomes {
            if let Some(state) = message.states.get_mut(*place) {
                *state = match outcome {
                    Outcome::Delivered => State::Delivered,
                    Outcome::Failed => State::Failed,
                };
            }
        }
        if message.pending().next().is_none() {
            let body = message.body;
            self.messages.remove(&id);
            self.release(body);
        }
    }

    fn relocate(&mut self, id: QueueId, place: Place) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let message = Arc::make_mut(message);
        let old = std::mem::replace(&mut message.body, place);
        message.storage = Storage::Apart;
        *self.bodies.entry(place.segment()).or_default() += 1;
        self.release(old);
    }

    fn bury(&mut self, letter: DeadLetter) {
        self.dead.push_back(letter);
        while self.dead.len() > DEAD_LETTERS_MAX {
            self.dead.pop_front();
        }
    }
}

/// The board, for those who read it.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedBoard(Arc<Mutex<Board>>);

impl SharedBoard {
    pub(super) fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Machine {
    board: SharedBoard,
    /// Messages that are prepared and not applied.
    accepting: u64,
    messages_max: u64,
    arrivals: mpsc::UnboundedSender<QueueId>,
    replaying: bool,
}

impl Machine {
    pub(super) fn new(
        board: SharedBoard,
        messages_max: u64,
        arrivals: mpsc::UnboundedSender<QueueId>,
    ) -> Self {
        Self { board, accepting: 0, messages_max, arrivals, replaying: true }
    }

    fn append(message: &NewMessage, transaction: &mut Transaction<'_>) -> Result<(), Refusal> {
        let mut record = vec![ACCEPT];
        put_id(message.id, &mut record);
        put_envelope(&message.envelope, &mut record);
        if record.len() > ENVELOPE_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        match &message.body {
            NewBody::Inline(bytes) => {
                record.push(INLINE);
                transaction.append(&[&record])?;
                transaction.append(&[bytes])?;
            }
            NewBody::Bulk(bulk) => {
                record.push(BULK);
                record.extend_from_slice(&bulk.place().encode());
                transaction.append(&[&record])?;
            }
        }
        Ok(())
    }
}

const ACCEPT: u8 = 1;
const SETTLE: u8 = 2;
const BURY: u8 = 3;
const MOVE: u8 = 4;

const INLINE: u8 = 0;
const BULK: u8 = 1;

const DELIVERED: u8 = 0;
const FAILED: u8 = 1;

const SAVED_MESSAGE: u8 = 1;
const SAVED_DEAD: u8 = 2;

fn settle_record(settlement: &Settlement) -> Vec<u8> {
    let mut record = vec![SETTLE];
    put_id(settlement.id, &mut record);
    record.extend_from_slice(&settlement.attempt.to_le_bytes());
    put_text(settlement.last_reply.as_bytes(), &mut record);
    put_u32(settlement.outcomes.len(), &mut record);
    for (place, outcome) in &settlement.outcomes {
        put_u32(*place, &mut record);
        record.push(match outcome {
            Outcome::Delivered => DELIVERED,
            Outcome::Failed => FAILED,
        });
    }
    record
}

fn body_bytes(body: &NewBody) -> usize {
    match body {
        NewBody::Inline(bytes) => bytes.len(),
        NewBody::Bulk(_) => 0,
    }
}

/// Roughly what an envelope takes in memory.
fn envelope_bytes(envelope: &Envelope) -> usize {
    256 * (1 + envelope.recipients.len())
}

impl StateMachine for Machine {
    const FORMAT: [u8; 8] = *b"mailque1";
    type Request = Request;
    type Response = Kept;
    type Error = Refusal;
    type Frozen = (Vec<Arc<Message>>, Vec<DeadLetter>);

    fn weight(request: &Request) -> usize {
        let new = |message: &NewMessage| body_bytes(&message.body) + envelope_bytes(&message.envelope);
        match request {
            Request::Accept(message) => new(message),
            Request::Settle(settlement) => {
                settlement.report.as_ref().map_or(0, new) + 16 * settlement.outcomes.len() + 1024
            }
            Request::Move(..) => 64,
        }
    }

    fn frees_space(request: &Request) -> bool {
        matches!(request, Request::Settle(settlement) if settlement.report.is_none())
    }

    fn prepare(
        &mut self,
        _: TransactionNumber,
        _: Timestamp,
        request: Request,
        transaction: &mut Transaction<'_>,
    ) -> Result<Kept, Refusal> {
        match request {
            Request::Accept(message) => {
                let there = self.board.lock().messages.len() as u64;
                if there.saturating_add(self.accepting) >= self.messages_max {
                    return Err(Refusal::Full);
                }
                Self::append(&message, transaction)?;
                self.accepting += 1;
                Ok(kept(message))
            }
            Request::Settle(settlement) => {
                if !self.board.lock().messages.contains_key(&settlement.id) {
                    return Err(Refusal::Gone);
                }
                transaction.append(&[&settle_record(&settlement)])?;
                for (recipient, reply) in &settlement.buried {
                    let mut record = vec![BURY];
                    put_id(settlement.id, &mut record);
                    put_path(recipient, &mut record);
                    put_text(reply.as_bytes(), &mut record);
                    transaction.append(&[&record])?;
                }
                // A report takes the place of what it reports: it must not fail for want of room.
                if let Some(report) = settlement.report {
                    Self::append(&report, transaction)?;
                    self.accepting += 1;
                    return Ok(kept(report));
                }
                Ok(None)
            }
            Request::Move(id, bulk) => {
                if !self.board.lock().messages.contains_key(&id) {
                    return Err(Refusal::Gone);
                }
                let mut record = vec![MOVE];
                put_id(id, &mut record);
                record.extend_from_slice(&bulk.place().encode());
                transaction.append(&[&record])?;
                Ok(Some(bulk))
            }
        }
    }

    fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord> {
        let mut records = committed.records();
        while let Some(record) = records.next() {
            let mut fields = Fields::new(record.bytes);
            match fields.byte()? {
                ACCEPT => {
                    let id = take_id(&mut fields)?;
                    let envelope = take_envelope(&mut fields)?;
                    let (body, storage) = match fields.byte()? {
                        INLINE => (records.next().ok_or(InvalidRecord("no body"))?.place, Storage::Shared),
                        BULK => (Place::decode(fields.array()?), Storage::Apart),
                        _ => return Err(InvalidRecord("no kind of body")),
                    };
                    fields.end()?;
                    self.board.lock().insert(Message {
                        id,
                        accepted_at: committed.time(),
                        states: vec![State::Pending; envelope.recipients.len()],
                        envelope,
                        attempts: 0,
                        last_reply: String::new(),
                        body,
                        storage,
                    });
                    self.accepting = self.accepting.saturating_sub(1);
                    if !self.replaying {
                        // Nobody listens any more when the node is going down; the next start finds the message.
                        let _ = self.arrivals.send(id);
                    }
                }
                SETTLE => {
                    let id = take_id(&mut fields)?;
                    let attempt = u32::from_le_bytes(fields.array()?);
                    let last_reply = take_string(&mut fields)?;
                    let mut outcomes = Vec::new();
                    for _ in 0..take_u32(&mut fields)? {
                        let place = take_u32(&mut fields)?;
                        outcomes.push((
                            place,
                            match fields.byte()? {
                                DELIVERED => Outcome::Delivered,
                                FAILED => Outcome::Failed,
                                _ => return Err(InvalidRecord("no outcome")),
                            },
                        ));
                    }
                    fields.end()?;
                    self.board.lock().settle(id, attempt, last_reply, &outcomes);
                }
                BURY => {
                    let (id, recipient) = (take_id(&mut fields)?, take_path(&mut fields)?);
                    let reply = take_string(&mut fields)?;
                    fields.end()?;
                    self.board.lock().bury(DeadLetter { id, at: committed.time(), recipient, reply });
                }
                MOVE => {
                    let (id, place) = (take_id(&mut fields)?, Place::decode(fields.array()?));
                    fields.end()?;
                    self.board.lock().relocate(id, place);
                }
                _ => return Err(InvalidRecord("no record of a queue")),
            }
        }
        Ok(())
    }

    fn recovered(&mut self) {
        self.accepting = 0;
        self.replaying = false;
    }

    fn freeze(&self) -> Self::Frozen {
        let board = self.board.lock();
        (board.messages.values().cloned().collect(), board.dead.iter().cloned().collect())
    }

    fn save((messages, dead): &Self::Frozen, out: &mut SnapshotWriter<'_>) -> io::Result<()> {
        let mut record = Vec::new();
        let mut save = |record: &[u8]| {
            let length = u32::try_from(record.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(record)
        };
        for message in messages {
            record.clear();
            record.push(SAVED_MESSAGE);
            put_message(message, &mut record);
            save(&record)?;
        }
        for letter in dead {
            record.clear();
            record.push(SAVED_DEAD);
            put_id(letter.id, &mut record);
            record.extend_from_slice(&letter.at.as_millis().to_le_bytes());
            put_path(&letter.recipient, &mut record);
            put_text(letter.reply.as_bytes(), &mut record);
            save(&record)?;
        }
        // The end is marked: a state that was cut off is not one.
        save(&[])
    }

    fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord> {
        let mut record = Vec::new();
        let too_short = |_| InvalidRecord("too short");
        loop {
            let mut length = [0; 4];
            from.read_exact(&mut length).map_err(too_short)?;
            let bytes = u32::from_le_bytes(length) as usize;
            if bytes > SAVED_RECORD_BYTES_MAX {
                return Err(InvalidRecord("too long"));
            }
            record.resize(bytes, 0);
            from.read_exact(&mut record).map_err(too_short)?;
            if record.is_empty() {
                return Ok(());
            }
            let mut fields = Fields::new(&record);
            match fields.byte()? {
                SAVED_MESSAGE => self.board.lock().insert(take_message(&mut fields)?),
                SAVED_DEAD => {
                    let id = take_id(&mut fields)?;
                    let at = Timestamp::from_millis(u64::from_le_bytes(fields.array()?));
                    let (recipient, reply) = (take_path(&mut fields)?, take_string(&mut fields)?);
                    fields.end()?;
                    self.board.lock().bury(DeadLetter { id, at, recipient, reply });
                }
                _ => return Err(InvalidRecord("no record of a saved queue")),
            }
        }
    }

    fn pins(&self, segment: SegmentId) -> bool {
        self.board.lock().bodies.contains_key(&segment)
    }
}

fn kept(message: NewMessage) -> Kept {
    match message.body {
        NewBody::Bulk(bulk) => Some(bulk),
        NewBody::Inline(_) => None,
    }
}
