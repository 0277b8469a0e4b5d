//! The durable mailbox list: a state machine on the log.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mailstore::clock::Timestamp;
use mailstore::log::{
    Committed, InvalidRecord, SegmentId, SnapshotReader, SnapshotWriter, StateMachine, Transaction,
    TransactionFull, TransactionNumber,
};
use mupdate_proto::{Change, MailboxName};

use super::feed::Feed;
use super::rules::{Record, Refusal, Reservation, Verdict, decide};
use crate::mailboxes::codec::{Fields, Loaded, load_record, put_entry, put_text, save_record};
use crate::mailboxes::list::Slot;

/// How long a reservation is kept for the one who made it: from RESERVE to ACTIVATE he only makes a mailbox.
pub const RESERVATION: Duration = Duration::from_secs(60);

/// A change, and the back-end that asks for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) server: String,
    pub(super) change: Change,
}

/// The list. What is applied is in the feed's list, for all to read; reservations are the machine's alone.
pub(super) struct Machine {
    feed: Arc<Feed>,
    reservations: BTreeMap<MailboxName, Reservation>,
    /// Names whose last prepared change is not applied yet, with that change's outcome.
    planned: HashMap<MailboxName, (TransactionNumber, Option<Record>)>,
    planned_len: usize,
    entries_max: usize,
}

impl Machine {
    pub(super) fn new(feed: Arc<Feed>, entries_max: usize) -> Self {
        Self { feed, reservations: BTreeMap::new(), planned: HashMap::new(), planned_len: 0, entries_max }
    }

    /// The entry as it will be when all that was prepared is applied.
    fn current(&self, name: &MailboxName) -> Option<Record> {
        if let Some((_, record)) = self.planned.get(name) {
            return record.clone();
        }
        let entry = self.feed.list().slot(name)?.wire().clone();
        Some(Record { entry, reservation: self.reservations.get(name).cloned() })
    }

    fn put(&mut self, record: Record) {
        let name = record.entry.name.clone();
        match record.reservation {
            Some(reservation) => drop(self.reservations.insert(name, reservation)),
            None => drop(self.reservations.remove(&name)),
        }
        self.feed.put(Slot::new(record.entry.view()));
    }

    fn remove(&mut self, name: &MailboxName) {
        self.reservations.remove(name);
        self.feed.remove(name);
    }

    fn plan(
        &mut self,
        number: TransactionNumber,
        name: MailboxName,
        was_there: bool,
        record: Option<Record>,
    ) {
        self.planned_len = self.planned_len + usize::from(record.is_some()) - usize::from(was_there);
        self.planned.insert(name, (number, record));
    }
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// An entry, and if it is reserved, by whom and until when (0: for ever).
fn put_record(record: &Record, out: &mut Vec<u8>) {
    put_entry(&record.entry, out);
    if let Some(reservation) = &record.reservation {
        put_text(reservation.by.as_bytes(), out);
        out.extend_from_slice(&reservation.expires.map_or(0, Timestamp::as_millis).to_le_bytes());
    }
}

fn take_record(fields: &mut Fields<'_>) -> Result<Record, InvalidRecord> {
    let entry = fields.entry()?;
    let reservation = if entry.acl().is_some() {
        None
    } else {
        let by =
            std::str::from_utf8(fields.text()?).map_err(|_| InvalidRecord("no name of a server"))?.to_owned();
        let millis = u64::from_le_bytes(fields.array()?);
        Some(Reservation { by, expires: (millis != 0).then_some(Timestamp::from_millis(millis)) })
    };
    fields.end()?;
    Ok(Record { entry, reservation })
}

impl From<TransactionFull> for Refusal {
    /// One entry at its limits fits many times; a frame as small as that is a fault of the options.
    fn from(_: TransactionFull) -> Self {
        Self::Full
    }
}

impl StateMachine for Machine {
    const FORMAT: [u8; 8] = *b"mboxlst1";
    type Request = Request;
    type Response = ();
    type Error = Refusal;
    type Frozen = (Vec<Slot>, BTreeMap<MailboxName, Reservation>);

    fn weight(request: &Request) -> usize {
        let acl_bytes = match &request.change {
            Change::Activate { acl, .. } => acl.as_bytes().len(),
            _ => 0,
        };
        request.server.len() + 2 * mupdate_proto::NAME_BYTES_MAX + acl_bytes
    }

    fn frees_space(request: &Request) -> bool {
        matches!(request.change, Change::Delete { .. })
    }

    fn prepare(
        &mut self,
        number: TransactionNumber,
        now: Timestamp,
        request: Request,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), Refusal> {
        let reservation_millis = u64::try_from(RESERVATION.as_millis()).unwrap_or(u64::MAX);
        let expires = Timestamp::from_millis(now.as_millis().saturating_add(reservation_millis));
        let name = request.change.name();
        let current = self.current(name);
        match decide(current.as_ref(), &request.server, &request.change, now, expires)? {
            Verdict::Nothing => {}
            Verdict::Put(_) if current.is_none() && self.planned_len >= self.entries_max => {
                return Err(Refusal::Full);
            }
            Verdict::Put(record) => {
                // What is kept must not keep a whole read buffer alive.
                let record = Record { entry: record.entry.detach(), ..record };
                let mut bytes = vec![PUT];
                put_record(&record, &mut bytes);
                transaction.append(&[&bytes])?;
                self.plan(number, record.entry.name.clone(), current.is_some(), Some(record));
            }
            Verdict::Remove => {
                let mut bytes = vec![REMOVE];
                put_text(name.as_bytes(), &mut bytes);
                transaction.append(&[&bytes])?;
                let own = current.map_or_else(|| name.clone(), |current| current.entry.name);
                self.plan(number, own, true, None);
            }
        }
        Ok(())
    }

    fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord> {
        for record in committed.records() {
            let mut fields = Fields::new(record.bytes);
            let name = match fields.byte()? {
                PUT => {
                    let record = take_record(&mut fields)?;
                    let name = record.entry.name.clone();
                    self.put(record);
                    name
                }
                REMOVE => {
                    let name = fields.name()?;
                    fields.end()?;
                    self.remove(&name);
                    name
                }
                _ => return Err(InvalidRecord("no change of a mailbox list")),
            };
            if self.planned.get(&name).is_some_and(|(number, _)| *number == committed.number()) {
                self.planned.remove(&name);
            }
        }
        Ok(())
    }

    fn recovered(&mut self) {
        self.planned_len = self.feed.list().len();
    }

    fn freeze(&self) -> Self::Frozen {
        (self.feed.list().slots(), self.reservations.clone())
    }

    fn save((slots, reservations): &Self::Frozen, out: &mut SnapshotWriter<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for slot in slots {
            bytes.clear();
            let entry = slot.wire().clone();
            let reservation = reservations.get(&entry.name).cloned();
            put_record(&Record { entry, reservation }, &mut bytes);
            save_record(&bytes, out)?;
        }
        Ok(())
    }

    fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord> {
        let mut bytes = Vec::new();
        while load_record(from, &mut bytes)? == Loaded::Record {
            let record = take_record(&mut Fields::new(&bytes))?;
            self.put(record);
        }
        Ok(())
    }

    fn pins(&self, _: SegmentId) -> bool {
        false
    }
}
