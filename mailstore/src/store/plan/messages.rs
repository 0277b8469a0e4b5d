//! Plans that put in, change, copy or take out messages.

use std::collections::HashMap;

use super::super::acl::{Actor, Rights};
use super::super::body::NewBody;
use super::super::contents::{Contents, Moment, seen_key};
use super::super::error::Error;
use super::super::flags::{Flags, Keyword, KeywordTable, SystemFlags};
use super::super::machine::Machine;
use super::super::mailbox::InternalDate;
use super::super::name::{MailboxId, MailboxName, Uid};
use super::super::quota::QuotaUsage;
use super::super::record::{Append, Copy, FlagChange, Record, Set};
use super::super::request::{
    Appended, Copied, CopyMode, Delivered, Delivery, FlagsOp, NewMessage, Recipient, Response, Stored,
    permitted_flags,
};
use super::super::uid_set::UidSet;
use super::{Plan, check_recipient, require_peer};

impl Machine {
    pub(super) fn plan_append(
        &self,
        actor: &Actor,
        name: &MailboxName,
        message: NewMessage,
        moment: Moment,
    ) -> Result<Plan, Error> {
        let (id, entry) = self.planned.find(actor, name, Rights::INSERT)?;
        let usage = usage_of(&message.body);
        self.planned.check_quota(entry.quota_root.as_ref(), usage)?;
        let rights = entry.rights(actor);
        let mut table = Keywords::new(id, &entry.keywords);
        let keywords = match rights.contains(Rights::WRITE) {
            true => table.bits_of(&message.flags.keywords, Unknown::Learn)?,
            false => 0,
        };
        let flags = message.flags.system.intersection(permitted_flags(rights));
        let own_seen = seen_key(&entry.meta, actor).filter(|_| flags.contains(SystemFlags::SEEN));
        let flags =
            if seen_key(&entry.meta, actor).is_some() { flags.without(SystemFlags::SEEN) } else { flags };
        let uid = entry.counters.uid(0)?;
        let append = Append {
            id,
            uid,
            date: message.internal_date.unwrap_or_else(|| date_of(moment)),
            flags,
            keywords,
            size_bytes: message.body.size_bytes(),
            delivery: None,
        };
        let mut records = table.learned;
        records.push(Record::Append(append));
        if let Some(user) = own_seen {
            records.push(Record::Seen { id, user: user.clone(), uids: UidSet::single(uid), set: Set::On });
        }
        let appended = Appended {
            mailbox: id,
            uid_validity: entry.meta.uid_validity,
            uid,
            modseq: moment.number.saturating_add(entry.meta.modseq_offset),
        };
        let plan = Plan::new(Response::Appended(appended), records);
        Ok(Plan { body: Some(message.body), ..plan })
    }

    pub(super) fn plan_delivery(
        &self,
        actor: &Actor,
        delivery: Delivery,
        moment: Moment,
    ) -> Result<Plan, Error> {
        let mut draft =
            DeliveryDraft { arrived: HashMap::new(), charged: HashMap::new(), records: Vec::new() };
        let results = delivery.recipients.iter();
        let results =
            results.map(|recipient| self.plan_recipient(actor, &delivery, recipient, moment, &mut draft));
        let response = Response::Delivered(results.collect());
        let plan = Plan::new(response, draft.records);
        Ok(Plan { body: Some(delivery.body), ..plan })
    }

    fn plan_recipient(
        &self,
        actor: &Actor,
        delivery: &Delivery,
        recipient: &Recipient,
        moment: Moment,
        draft: &mut DeliveryDraft,
    ) -> Result<Delivered, Error> {
        require_peer(actor)?;
        // Known first, checked then: a repeated delivery is answered like the first even if the quota is full now.
        let known = self.planned.find(actor, &recipient.mailbox, Rights::NONE)?.0;
        let key = delivery.delivery_id.as_ref().map(|id| id.key(known));
        if let Some(key) = &key {
            let earlier = draft.records.iter().find_map(|record| match record {
                Record::Append(append) if append.delivery.as_ref() == Some(key) => {
                    Some((append.id, append.uid))
                }
                _ => None,
            });
            let earlier = earlier.or_else(|| self.planned_deliveries.get(key).copied());
            if let Some((mailbox, uid)) = earlier.or_else(|| self.deliveries.find(key)) {
                return Ok(Delivered::AlreadyThere { mailbox, uid });
            }
        }
        let usage = usage_of(&delivery.body);
        let root = self.planned.entry(known).and_then(|entry| entry.quota_root.clone());
        let mut more = root.as_ref().and_then(|root| draft.charged.get(root)).copied().unwrap_or_default();
        more.add(usage);
        let (id, entry) = check_recipient(&self.planned, actor, recipient, more)?;
        let arrived = draft.arrived.entry(id).or_default();
        let uid = entry.counters.uid(*arrived)?;
        *arrived += 1;
        if let Some(root) = root {
            draft.charged.insert(root, more);
        }
        draft.records.push(Record::Append(Append {
            id,
            uid,
            date: delivery.internal_date.unwrap_or_else(|| date_of(moment)),
            flags: SystemFlags::NONE,
            keywords: 0,
            size_bytes: delivery.body.size_bytes(),
            delivery: key,
        }));
        Ok(Delivered::New(Appended {
            mailbox: id,
            uid_validity: entry.meta.uid_validity,
            uid,
            modseq: moment.number.saturating_add(entry.meta.modseq_offset),
        }))
    }

    pub(super) fn plan_flags(
        &mut self,
        actor: &Actor,
        id: MailboxId,
        uids: &UidSet,
        (op, flags): (FlagsOp, &Flags),
        unchanged_since: Option<u64>,
        moment: Moment,
    ) -> Result<Plan, Error> {
        let entry = self.planned.entry(id).ok_or(Error::NoSuchMailbox)?;
        let rights = entry.rights(actor);
        rights.require(Rights::READ)?;
        check_flags(rights, op, flags)?;
        let permitted = permitted_flags(rights);
        let mut table = Keywords::new(id, &entry.keywords);
        let learn = if op == FlagsOp::Remove { Unknown::Ignore } else { Unknown::Learn };
        let may_write = rights.contains(Rights::WRITE);
        let keywords = if may_write { table.bits_of(&flags.keywords, learn)? } else { 0 };
        let system = flags.system.intersection(permitted);
        let every_keyword = if may_write { u64::MAX } else { 0 };
        let (clear, set, keywords_clear, keywords_set) = match op {
            FlagsOp::Add => (SystemFlags::NONE, system, 0, keywords),
            FlagsOp::Remove => (system, SystemFlags::NONE, keywords, 0),
            FlagsOp::Replace => (permitted, system, every_keyword, keywords),
        };
        let user = seen_key(&entry.meta, actor).cloned();
        let modseq = moment.number.saturating_add(entry.meta.modseq_offset);
        let in_rows =
            if user.is_some() { SystemFlags::ALL.without(SystemFlags::SEEN) } else { SystemFlags::ALL };
        let own_seen = match user {
            Some(_) if set.contains(SystemFlags::SEEN) => Some(Set::On),
            Some(_) if clear.contains(SystemFlags::SEEN) => Some(Set::Off),
            _ => None,
        };
        let mut change = FlagChange {
            id,
            uids: UidSet::default(),
            clear: clear.intersection(in_rows),
            set: set.intersection(in_rows),
            keywords_clear,
            keywords_set,
        };
        let mut modified = UidSet::default();
        let mut seen = UidSet::default();
        let mut changes_rows = false;
        self.with_contents(id, |contents| {
            // What does not exist yet must not be touched by a set that reaches beyond the last message.
            change.uids = uids.intersection(&UidSet::range(1, contents.messages.last_uid()));
            for (uid, row) in contents.messages.iter_in(&change.uids) {
                let (flags, modseq) = contents.seen_as(user.as_ref(), uid, row);
                if unchanged_since.is_some_and(|since| modseq > since) {
                    modified.push(uid);
                    continue;
                }
                changes_rows |= change.apply(row.flags, row.keywords) != (row.flags, row.keywords);
                if own_seen.is_some_and(|set| (set == Set::On) != flags.contains(SystemFlags::SEEN)) {
                    seen.push(uid);
                }
            }
        })?;
        let mut records = Vec::new();
        if changes_rows {
            change.uids = change.uids.without(&modified);
            records = table.learned;
            records.push(Record::Flags(change));
        }
        if let (Some(user), Some(set), false) = (user, own_seen, seen.is_empty()) {
            records.push(Record::Seen { id, user, uids: seen, set });
        }
        let modseq = (!records.is_empty()).then_some(modseq);
        Ok(Plan::new(Response::Stored(Stored { modseq, modified }), records))
    }

    pub(super) fn plan_expunge(
        &mut self,
        actor: &Actor,
        id: MailboxId,
        uids: Option<&UidSet>,
    ) -> Result<Plan, Error> {
        let entry = self.planned.entry(id).ok_or(Error::NoSuchMailbox)?;
        entry.rights(actor).require(Rights::EXPUNGE)?;
        let everything = UidSet::range(1, Uid::MAX);
        let (gone, bytes) = self.with_contents(id, |contents| {
            let mut gone = UidSet::default();
            let mut bytes = 0_u64;
            for (uid, row) in contents.messages.iter_in(uids.unwrap_or(&everything)) {
                if row.flags.contains(SystemFlags::DELETED) {
                    gone.push(uid);
                    bytes = bytes.saturating_add(u64::from(row.size_bytes));
                }
            }
            (gone, bytes)
        })?;
        let records = match gone.is_empty() {
            true => Vec::new(),
            false => vec![Record::Expunge { id, uids: gone.clone(), bytes }],
        };
        Ok(Plan::new(Response::Expunged(gone), records))
    }

    pub(super) fn plan_copy(
        &mut self,
        actor: &Actor,
        (from, uids): (MailboxId, &UidSet),
        to: &MailboxName,
        mode: CopyMode,
        moment: Moment,
    ) -> Result<Plan, Error> {
        let source = self.planned.entry(from).ok_or(Error::NoSuchMailbox)?;
        source.rights(actor).require(match mode {
            CopyMode::Copy => Rights::READ,
            CopyMode::Move => Rights::READ.union(Rights::DELETE_MESSAGES).union(Rights::EXPUNGE),
        })?;
        let (to_id, target) = self.planned.find(actor, to, Rights::INSERT)?;
        let (source, target) = (source.clone(), target.clone());
        let user = seen_key(&source.meta, actor).cloned();
        let found = self.with_contents(from, |contents| Found::among(contents, uids, user.as_ref()))?;
        let copied = Copied {
            mailbox: to_id,
            uid_validity: target.meta.uid_validity,
            source: found.uids.clone(),
            first_uid: 0,
        };
        let Some(last) = found.uids.len().checked_sub(1) else {
            return Ok(Plan::new(Response::Copied(copied), Vec::new()));
        };
        let first_uid = target.counters.uid(0)?;
        target.counters.uid(last)?;
        if mode == CopyMode::Copy || source.quota_root != target.quota_root {
            let more = QuotaUsage { storage_bytes: found.bytes, messages: found.uids.len() };
            self.planned.check_quota(target.quota_root.as_ref(), more)?;
        }
        let rights = target.rights(actor);
        let mut table = Keywords::new(to_id, &target.keywords);
        let may_write = rights.contains(Rights::WRITE);
        let keywords = if may_write { table.translate(&source.keywords, found.keywords) } else { Vec::new() };
        let seen = if rights.contains(Rights::SEEN) { found.seen } else { UidSet::default() };
        let copy = Copy {
            from,
            to: to_id,
            uids: found.uids.clone(),
            first_uid,
            bytes: found.bytes,
            keep: permitted_flags(rights).without(SystemFlags::SEEN),
            keywords,
            seen,
            seen_by: seen_key(&target.meta, actor).cloned(),
        };
        let rows = self.with_contents(from, |contents| contents.copied(&copy, moment))?;
        let mut records = table.learned;
        records.push(Record::Copy(copy));
        if mode == CopyMode::Move {
            records.push(Record::Expunge { id: from, uids: found.uids, bytes: found.bytes });
        }
        let plan = Plan::new(Response::Copied(Copied { first_uid, ..copied }), records);
        Ok(Plan { copied: rows, ..plan })
    }
}

/// What the recipients before have taken.
struct DeliveryDraft {
    arrived: HashMap<MailboxId, u64>,
    charged: HashMap<MailboxName, QuotaUsage>,
    records: Vec<Record>,
}

/// The messages that a copy is about.
struct Found {
    uids: UidSet,
    seen: UidSet,
    bytes: u64,
    keywords: u64,
}

impl Found {
    fn among(contents: &Contents, uids: &UidSet, user: Option<&super::super::UserName>) -> Self {
        let mut found = Self { uids: UidSet::default(), seen: UidSet::default(), bytes: 0, keywords: 0 };
        for (uid, row) in contents.messages.iter_in(uids) {
            found.uids.push(uid);
            if contents.seen_as(user, uid, row).0.contains(SystemFlags::SEEN) {
                found.seen.push(uid);
            }
            found.bytes = found.bytes.saturating_add(u64::from(row.size_bytes));
            found.keywords |= row.keywords;
        }
        found
    }
}

/// Whether a keyword that the mailbox does not know is taken in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Learn,
    Ignore,
}

/// A mailbox's keywords with those that a request adds.
struct Keywords {
    id: MailboxId,
    table: KeywordTable,
    learned: Vec<Record>,
}

impl Keywords {
    fn new(id: MailboxId, table: &KeywordTable) -> Self {
        Self { id, table: table.clone(), learned: Vec::new() }
    }

    fn bit(&mut self, keyword: &Keyword, unknown: Unknown) -> Result<u64, Error> {
        if let Some(bits) = self.table.bit(keyword.as_str()) {
            return Ok(bits.0);
        }
        if unknown == Unknown::Ignore {
            return Ok(0);
        }
        self.table = self.table.with(keyword.clone())?;
        self.learned.push(Record::Keyword { id: self.id, keyword: keyword.clone() });
        Ok(self.table.bit(keyword.as_str()).unwrap_or_default().0)
    }

    fn bits_of(&mut self, keywords: &[Keyword], unknown: Unknown) -> Result<u64, Error> {
        keywords.iter().try_fold(0, |bits, keyword| Ok(bits | self.bit(keyword, unknown)?))
    }

    /// Pairs of bits, there and here, for the keywords of `bits`. One for which there is no room is left behind: a copy
    /// must not fail for it.
    fn translate(&mut self, source: &KeywordTable, bits: u64) -> Vec<(u8, u8)> {
        let used = (0_u8..64).zip(source.keywords()).filter(|(from, _)| bits >> from & 1 == 1);
        used.filter_map(|(from, keyword)| {
            let to = self.bit(keyword, Unknown::Learn).ok().filter(|bit| *bit != 0)?;
            Some((from, u8::try_from(to.trailing_zeros()).ok()?))
        })
        .collect()
    }
}

/// Refuses a change of flags of which the actor may make no part (RFC 4314 4, STORE).
fn check_flags(rights: Rights, op: FlagsOp, flags: &Flags) -> Result<(), Error> {
    let permitted = permitted_flags(rights);
    let asks_keywords = !flags.keywords.is_empty();
    let asked = if op == FlagsOp::Replace { SystemFlags::ALL } else { flags.system };
    let nothing_asked = asked.is_empty() && !asks_keywords;
    let some_permitted =
        !asked.intersection(permitted).is_empty() || asks_keywords && rights.contains(Rights::WRITE);
    if nothing_asked || some_permitted {
        return Ok(());
    }
    let need = |flag, right| if asked.contains(flag) { right } else { Rights::NONE };
    let others = asked.without(SystemFlags::SEEN).without(SystemFlags::DELETED);
    let write = if asks_keywords || !others.is_empty() { Rights::WRITE } else { Rights::NONE };
    let needed = need(SystemFlags::SEEN, Rights::SEEN)
        .union(need(SystemFlags::DELETED, Rights::DELETE_MESSAGES))
        .union(write);
    rights.require(needed)
}

fn usage_of(body: &NewBody) -> QuotaUsage {
    QuotaUsage { storage_bytes: u64::from(body.size_bytes()), messages: 1 }
}

fn date_of(moment: Moment) -> InternalDate {
    InternalDate { secs: i64::try_from(moment.secs).unwrap_or(i64::MAX), zone_minutes: 0 }
}
