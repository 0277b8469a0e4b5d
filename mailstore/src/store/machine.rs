//! The state machine of the store: requests in, records out, records applied.
//!
//! Requests are validated against the **planned** state: the planned catalogue, and for each mailbox whose messages
//! matter and that has changes on their way to the disk, a draft of its contents. A draft is made only when it is
//! needed (a change of flags, an expunge, a copy right behind another change of the same mailbox in the same flush), so
//! a delivery never copies anything.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::body::Data;
use super::catalogue::Catalogue;
use super::codec::{Corrupt, Writer};
use super::contents::{Arrival, Contents, Mailbox, Moment, Places};
use super::delivery::{Deliveries, DeliveryKey};
use super::error::{Error, Limit};
use super::name::{MailboxId, Uid};
use super::plan::Plan;
use super::record::{Append, Decoded, KIND_BODY, KIND_BULK, KIND_STRUCTURE, Record};
use super::references::References;
use super::request::{Request, Response};
use super::rows::{BodyPlace, Row, Storage, StructurePlace};
use super::snapshot::{self, Frozen};
use super::watch::Topic;
use crate::clock::Timestamp;
use crate::log::{
    Bulk, Committed, InvalidRecord, Place, SegmentId, SnapshotReader, SnapshotWriter, StateMachine,
    Transaction, TransactionFull, TransactionNumber,
};

/// What sessions read: the applied state.
#[derive(Debug, Default)]
pub(super) struct Shared {
    catalogue: RwLock<Catalogue>,
    mailboxes: RwLock<HashMap<MailboxId, Arc<Mailbox>>>,
    /// Where watchers of the mailbox list wait.
    pub(super) list: Arc<Topic>,
}

impl Shared {
    /// The applied catalogue. Held for a look-up, never across a flush.
    pub(super) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalogue_mut(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.catalogue.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mailbox(&self, id: MailboxId) -> Option<Arc<Mailbox>> {
        self.mailboxes.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn mailboxes_mut(&self) -> RwLockWriteGuard<'_, HashMap<MailboxId, Arc<Mailbox>>> {
        self.mailboxes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction between its `prepare` and its `apply`.
#[derive(Debug)]
struct Prepared {
    moment: Moment,
    records: Vec<Record>,
    /// What its copy takes along.
    copied: Vec<(Row, Arrival)>,
    /// Keeps the file of a large body until the transaction that names it is applied.
    _bulk: Option<Bulk>,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) shared: Arc<Shared>,
    pub(super) planned: Catalogue,
    pending: VecDeque<Prepared>,
    /// Mailboxes that something in `pending` changes.
    pending_mailboxes: HashSet<MailboxId>,
    drafts: HashMap<MailboxId, Contents>,
    pub(super) planned_deliveries: HashMap<DeliveryKey, (MailboxId, Uid)>,
    pub(super) deliveries: Deliveries,
    references: References,
    /// Mailboxes whose watchers are to be woken after this frame.
    changed: HashSet<MailboxId>,
    list_changed: bool,
    /// The planned state is not what it should be. Nothing is taken any more; only an opening anew helps.
    broken: bool,
}

/// Where planned messages are said to be: nobody reads the bodies of a draft.
const NOWHERE: Place = Place::new(SegmentId::new(0), 0, 0);

impl Machine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            planned: Catalogue::default(),
            pending: VecDeque::new(),
            pending_mailboxes: HashSet::new(),
            drafts: HashMap::new(),
            planned_deliveries: HashMap::new(),
            deliveries: Deliveries::default(),
            references: References::default(),
            changed: HashSet::new(),
            list_changed: false,
            broken: false,
        }
    }

    /// The contents of a mailbox as they will be after all that is on its way to the disk.
    pub(super) fn with_contents<R>(
        &mut self,
        id: MailboxId,
        look: impl FnOnce(&Contents) -> R,
    ) -> Result<R, Error> {
        if self.pending_mailboxes.contains(&id) && !self.drafts.contains_key(&id) {
            let draft = self.draft(id).ok_or(Error::NoSuchMailbox)?;
            self.drafts.insert(id, draft);
        }
        if let Some(draft) = self.drafts.get(&id) {
            return Ok(look(draft));
        }
        let mailbox = self.shared.mailbox(id).ok_or(Error::NoSuchMailbox)?;
        let contents = mailbox.read();
        Ok(look(&contents))
    }

    fn draft(&self, id: MailboxId) -> Option<Contents> {
        let entry = self.planned.entry(id)?;
        let mut draft = match self.shared.mailbox(id) {
            Some(mailbox) => mailbox.read().clone(),
            None => Contents::new(Arc::clone(&entry.meta), entry.counters.highest_modseq),
        };
        for prepared in &self.pending {
            for record in prepared.records.iter().filter(|record| record.touches(id)) {
                apply_to_draft(&mut draft, record, prepared.moment, &prepared.copied).ok()?;
            }
        }
        Some(draft)
    }

    /// Enters a prepared transaction into the planned state.
    fn enter(&mut self, moment: Moment, plan: Plan) -> Result<Response, Corrupt> {
        for record in &plan.records {
            self.planned.apply(record, moment.number)?;
            if let Record::Append(Append { id, uid, delivery: Some(key), .. }) = record {
                self.planned_deliveries.insert(*key, (*id, *uid));
            }
            if let Some(mailbox) = mailbox_of(record) {
                self.pending_mailboxes.insert(mailbox);
                if let Some(draft) = self.drafts.get_mut(&mailbox) {
                    apply_to_draft(draft, record, moment, &plan.copied)?;
                }
            }
        }
        let bulk = plan.body.and_then(|body| match body.data {
            Data::Bulk(bulk) => Some(bulk),
            Data::Inline(_) => None,
        });
        let Plan { response, records, copied, .. } = Plan { body: None, ..plan };
        self.pending.push_back(Prepared { moment, records, copied, _bulk: bulk });
        Ok(response)
    }

    fn apply_record(&mut self, record: &Record, moment: Moment, bodies: &mut Bodies) -> Result<(), Corrupt> {
        self.note(record);
        let shared = Arc::clone(&self.shared);
        shared.catalogue_mut().apply(record, moment.number)?;
        let references = &mut self.references;
        match record {
            Record::Create { id, meta: _ } => {
                let catalogue = shared.catalogue();
                let entry = catalogue.entry(*id).ok_or(Corrupt)?;
                let contents = Contents::new(Arc::clone(&entry.meta), entry.counters.highest_modseq);
                drop(catalogue);
                shared.mailboxes_mut().insert(*id, Arc::new(Mailbox::new(*id, contents)));
            }
            Record::Rename { to, .. } => {
                let catalogue = shared.catalogue();
                for (_, id) in catalogue.subtree(to) {
                    if let (Some(mailbox), Some(entry)) = (shared.mailbox(id), catalogue.entry(id)) {
                        mailbox.write().meta = Arc::clone(&entry.meta);
                        self.changed.insert(id);
                    }
                }
            }
            Record::Acl { id, .. } | Record::SpecialUse { id, .. } => {
                let meta =
                    shared.catalogue().entry(*id).map(|entry| Arc::clone(&entry.meta)).ok_or(Corrupt)?;
                shared.mailbox(*id).ok_or(Corrupt)?.write().meta = meta;
            }
            Record::Subscribe { .. } | Record::Quota { .. } => {}
            Record::Append(append) => {
                let places = bodies.refer(references)?;
                let mailbox = shared.mailbox(append.id).ok_or(Corrupt)?;
                mailbox.write().apply(record, moment, Some(places), &[], |_| {})?;
                if let Some(key) = append.delivery {
                    self.deliveries.insert(key, append.id, append.uid, moment.secs);
                }
            }
            Record::Copy(copy) => {
                let rows = shared.mailbox(copy.from).ok_or(Corrupt)?.read().copied(copy, moment);
                rows.iter().for_each(|(row, _)| references.again(row.body));
                let mailbox = shared.mailbox(copy.to).ok_or(Corrupt)?;
                mailbox.write().apply(record, moment, None, &rows, |_| {})?;
            }
            Record::Delete { id } => {
                let mailbox = shared.mailboxes_mut().remove(id).ok_or(Corrupt)?;
                mailbox.write().apply(record, moment, None, &[], |row| references.release(row))?;
                // Nobody finds it in the map any more, so its watchers are woken here.
                mailbox.notify();
            }
            Record::Keyword { id, .. }
            | Record::Flags(super::record::FlagChange { id, .. })
            | Record::Seen { id, .. }
            | Record::Expunge { id, .. } => {
                let mailbox = shared.mailbox(*id).ok_or(Corrupt)?;
                mailbox.write().apply(record, moment, None, &[], |row| references.release(row))?;
            }
        }
        Ok(())
    }

    /// Remembers whom to wake after the frame.
    fn note(&mut self, record: &Record) {
        self.changed.extend(mailbox_of(record));
        self.list_changed |= matches!(
            record,
            Record::Create { .. }
                | Record::Delete { .. }
                | Record::Rename { .. }
                | Record::Acl { .. }
                | Record::SpecialUse { .. }
        );
    }
}

fn apply_to_draft(
    draft: &mut Contents,
    record: &Record,
    moment: Moment,
    copied: &[(Row, Arrival)],
) -> Result<(), Corrupt> {
    let places = Places {
        body: BodyPlace::new(NOWHERE)?,
        structure: StructurePlace::new(NOWHERE)?,
        storage: Storage::Inline,
    };
    draft.apply(record, moment, Some(places), copied, |_| {})
}

/// The mailbox whose contents a record changes.
fn mailbox_of(record: &Record) -> Option<MailboxId> {
    match record {
        Record::Create { id, .. }
        | Record::Delete { id }
        | Record::Acl { id, .. }
        | Record::SpecialUse { id, .. }
        | Record::Keyword { id, .. }
        | Record::Seen { id, .. }
        | Record::Expunge { id, .. } => Some(*id),
        Record::Append(append) => Some(append.id),
        Record::Flags(change) => Some(change.id),
        Record::Copy(copy) => Some(copy.to),
        Record::Rename { .. } | Record::Subscribe { .. } | Record::Quota { .. } => None,
    }
}

/// The body and structure that the appends of a transaction refer to: those that came last.
#[derive(Debug, Default)]
struct Bodies {
    body: Option<(BodyPlace, Storage)>,
    structure: Option<StructurePlace>,
    referred: bool,
}

impl Bodies {
    fn body(&mut self, place: Place, storage: Storage) -> Result<(), Corrupt> {
        *self = Self { body: Some((BodyPlace::new(place)?, storage)), structure: None, referred: false };
        Ok(())
    }

    fn refer(&mut self, references: &mut References) -> Result<Places, Corrupt> {
        let ((body, storage), structure) = self.body.zip(self.structure).ok_or(Corrupt)?;
        if self.referred {
            references.again(body);
        } else {
            references.first(body, structure);
            self.referred = true;
        }
        Ok(Places { body, structure, storage })
    }
}

impl StateMachine for Machine {
    const FORMAT: [u8; 8] = *b"CrbMail1";

    type Request = Request;
    type Response = Response;
    type Error = Error;
    type Frozen = Frozen;

    fn weight(request: &Request) -> usize {
        request.operation.weight()
    }

    fn frees_space(request: &Request) -> bool {
        request.operation.frees_space()
    }

    fn prepare(
        &mut self,
        number: TransactionNumber,
        now: Timestamp,
        request: Request,
        transaction: &mut Transaction<'_>,
    ) -> Result<Response, Error> {
        if self.broken {
            return Err(Error::PreviousIo);
        }
        let moment = Moment { number: number.value(), secs: now.as_secs() };
        let plan = self.plan(moment, request)?;
        if plan.records.is_empty() {
            return Ok(plan.response);
        }
        let full = |full: TransactionFull| Error::limit(Limit::TransactionBytes, full.max_bytes);
        if let Some(body) = &plan.body {
            match &body.data {
                Data::Inline(bytes) => transaction.append(&[&[KIND_BODY], bytes]).map_err(full)?,
                Data::Bulk(bulk) => {
                    transaction.append(&[&[KIND_BULK], &bulk.place().encode()]).map_err(full)?
                }
            }
            transaction.append(&[&[KIND_STRUCTURE], &body.email_id.0, &body.structure]).map_err(full)?;
        }
        for record in &plan.records {
            let mut out = Writer::default();
            record.encode(&mut out);
            transaction.append(&[&out.finish()]).map_err(full)?;
        }
        // A plan that does not follow on the state it was made from would be a bug. It is refused before it is written,
        // and as it may have been entered in part, so is all that comes after.
        self.enter(moment, plan).map_err(|Corrupt| {
            self.broken = true;
            Error::PreviousIo
        })
    }

    fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord> {
        let moment = Moment { number: committed.number().value(), secs: committed.time().as_secs() };
        let mut bodies = Bodies::default();
        for record in committed.records() {
            let applied = Decoded::decode(record.bytes).and_then(|decoded| match decoded {
                Decoded::Body => bodies.body(record.place, Storage::Inline),
                Decoded::Bulk(place) => bodies.body(place, Storage::Bulk),
                Decoded::Structure => {
                    bodies.structure = Some(StructurePlace::new(record.place)?);
                    Ok(())
                }
                Decoded::Change(change) => self.apply_record(&change, moment, &mut bodies),
            });
            applied.map_err(|_| InvalidRecord("a record that cannot follow on what came before"))?;
        }
        if self.pending.front().is_some_and(|prepared| prepared.moment.number == moment.number) {
            self.pending.pop_front();
        }
        Ok(())
    }

    fn frame_applied(&mut self) {
        if self.pending.is_empty() {
            self.pending_mailboxes.clear();
            self.planned_deliveries.clear();
            self.drafts.clear();
        }
        for id in self.changed.drain() {
            if let Some(mailbox) = self.shared.mailbox(id) {
                mailbox.notify();
            }
        }
        if std::mem::take(&mut self.list_changed) {
            self.shared.list.notify();
        }
    }

    fn recovered(&mut self) {
        self.planned = self.shared.catalogue().clone();
        for mailbox in self.shared.mailboxes_mut().values() {
            let mut contents = mailbox.write();
            contents.recent_from = contents.uid_next;
        }
        self.changed.clear();
        self.list_changed = false;
    }

    fn freeze(&self) -> Frozen {
        let catalogue = self.shared.catalogue().clone();
        let mailboxes = self.shared.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        let contents = mailboxes.iter().map(|(id, mailbox)| (*id, mailbox.read().clone())).collect();
        Frozen {
            catalogue,
            contents,
            deliveries: self.deliveries.clone(),
            references: self.references.clone(),
        }
    }

    fn save(frozen: &Frozen, out: &mut SnapshotWriter<'_>) -> io::Result<()> {
        snapshot::save(frozen, out)
    }

    fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord> {
        let frozen = snapshot::load(from).map_err(|_| InvalidRecord("a checkpoint that does not add up"))?;
        let mailboxes = frozen.contents.into_iter();
        *self.shared.mailboxes_mut() =
            mailboxes.map(|(id, contents)| (id, Arc::new(Mailbox::new(id, contents)))).collect();
        *self.shared.catalogue_mut() = frozen.catalogue;
        self.deliveries = frozen.deliveries;
        self.references = frozen.references;
        Ok(())
    }

    fn pins(&self, segment: SegmentId) -> bool {
        self.references.pins(segment)
    }
}
