//! The contents of one mailbox as sessions see them: its messages, keywords, and what each user has seen.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::acl::Actor;
use super::codec::Corrupt;
use super::flags::{KeywordTable, SystemFlags};
use super::mailbox::Meta;
use super::name::{MailboxId, Uid, UserName};
use super::record::{Append, Copy, FlagChange, Record};
use super::rows::{BodyPlace, Messages, Row, Storage, StructurePlace};
use super::seen::Seen;
use super::uid_set::UidSet;
use super::watch::Topic;

/// One mailbox, shared by the committer and all sessions that have it open.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) id: MailboxId,
    contents: RwLock<Contents>,
    topic: OnceLock<Arc<Topic>>,
}

impl Mailbox {
    pub(super) fn new(id: MailboxId, contents: Contents) -> Self {
        Self { id, contents: RwLock::new(contents), topic: OnceLock::new() }
    }

    /// The contents as of the last transaction. Never held across a flush.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Where watchers of this mailbox wait; made when somebody first does.
    pub(super) fn topic(&self) -> &Arc<Topic> {
        self.topic.get_or_init(Arc::default)
    }

    pub(super) fn notify(&self) {
        if let Some(topic) = self.topic.get() {
            topic.notify();
        }
    }
}

/// Whose \Seen an actor sees: `None` is the one in the messages.
pub(super) fn seen_key<'a>(meta: &Meta, actor: &'a Actor) -> Option<&'a UserName> {
    actor.user_name().filter(|user| meta.owner.as_ref() != Some(*user))
}

/// Where the parts of a message that is being put in are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) body: BodyPlace,
    pub(super) structure: StructurePlace,
    pub(super) storage: Storage,
}

/// What comes with a transaction beside its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) number: u64,
    pub(super) secs: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) meta: Arc<Meta>,
    pub(super) messages: Messages,
    pub(super) keywords: KeywordTable,
    pub(super) seen: HashMap<UserName, Arc<Seen>>,
    pub(super) highest_modseq: u64,
    pub(super) uid_next: u64,
    /// Messages without \Seen in themselves.
    pub(super) unseen: u64,
    /// Messages with \Deleted.
    pub(super) deleted: u64,
    /// Messages from this UID on have been recent to nobody. Not kept on disk: after an opening nothing is recent.
    pub(super) recent_from: u64,
    /// The mailbox has been deleted; whoever still has it open sees the messages no more.
    pub(super) gone: bool,
}

impl Contents {
    pub(super) fn new(meta: Arc<Meta>, highest_modseq: u64) -> Self {
        Self {
            meta,
            messages: Messages::default(),
            keywords: KeywordTable::default(),
            seen: HashMap::new(),
            highest_modseq,
            uid_next: 1,
            unseen: 0,
            deleted: 0,
            recent_from: 1,
            gone: false,
        }
    }

    /// Which messages `user` has seen; `None`: as it stands in the messages.
    fn seen_of(&self, user: Option<&UserName>) -> Option<&Seen> {
        user.and_then(|user| self.seen.get(user)).map(|seen| &**seen)
    }

    /// The flags and the MODSEQ of a message as this user sees them.
    pub(super) fn seen_as(&self, user: Option<&UserName>, uid: Uid, row: &Row) -> (SystemFlags, u64) {
        match (user, self.seen_of(user)) {
            (None, _) => (row.flags, row.modseq),
            (Some(_), Some(seen)) => seen.view_of(uid, row),
            (Some(_), None) => (row.flags.without(SystemFlags::SEEN), row.modseq),
        }
    }

    /// HIGHESTMODSEQ as this user sees it.
    pub(super) fn highest_modseq(&self, user: Option<&UserName>) -> u64 {
        self.highest_modseq.max(self.seen_of(user).map_or(0, Seen::highest_modseq))
    }

    /// How many messages this user has not seen.
    pub(super) fn unseen(&self, user: Option<&UserName>) -> u64 {
        match (user, self.seen_of(user)) {
            (None, _) => self.unseen,
            (Some(_), None) => self.messages.len() as u64,
            (Some(_), Some(seen)) => {
                let seen = self.messages.iter_in(seen.uids()).count();
                self.messages.len().saturating_sub(seen) as u64
            }
        }
    }

    /// Applies a record of this mailbox. `places` are for an append, `copied` for a copy that arrives here, and
    /// `removed` is told of each row that goes.
    pub(super) fn apply(
        &mut self,
        record: &Record,
        moment: Moment,
        places: Option<Places>,
        copied: &[(Row, Arrival)],
        removed: impl FnMut(&Row),
    ) -> Result<(), Corrupt> {
        match record {
            Record::Append(append) => self.append(append, places.ok_or(Corrupt)?, moment),
            Record::Flags(change) => {
                self.change_flags(change, moment);
                Ok(())
            }
            Record::Seen { user, uids, set, .. } => {
                let modseq = self.modseq(moment);
                let seen = self.seen.entry(user.clone()).or_default();
                Arc::make_mut(seen).apply(uids, *set, modseq);
                Ok(())
            }
            Record::Expunge { uids, .. } => {
                self.expunge(uids, moment, removed);
                Ok(())
            }
            Record::Copy(copy) => self.receive(copy, copied, moment),
            Record::Keyword { keyword, .. } => {
                self.keywords = self.keywords.with(keyword.clone()).map_err(|_| Corrupt)?;
                Ok(())
            }
            Record::Delete { .. } => {
                self.messages.iter().map(|(_, row)| row).for_each(removed);
                self.messages = Messages::default();
                self.seen.clear();
                self.gone = true;
                Ok(())
            }
            // These change what the catalogue holds, and reach `meta` from there.
            Record::Create { .. }
            | Record::Rename { .. }
            | Record::Acl { .. }
            | Record::SpecialUse { .. }
            | Record::Subscribe { .. }
            | Record::Quota { .. } => Ok(()),
        }
    }

    fn modseq(&self, moment: Moment) -> u64 {
        moment.number.saturating_add(self.meta.modseq_offset)
    }

    fn push(&mut self, uid: Uid, row: Row) -> Result<(), Corrupt> {
        if u64::from(uid) < self.uid_next || !self.messages.push(uid, row) {
            return Err(Corrupt);
        }
        self.uid_next = u64::from(uid) + 1;
        self.highest_modseq = row.modseq;
        self.unseen += u64::from(!row.flags.contains(SystemFlags::SEEN));
        self.deleted += u64::from(row.flags.contains(SystemFlags::DELETED));
        Ok(())
    }

    fn append(&mut self, append: &Append, places: Places, moment: Moment) -> Result<(), Corrupt> {
        let row = Row {
            modseq: self.modseq(moment),
            internal_secs: append.date.secs,
            keywords: append.keywords,
            body: places.body,
            structure: places.structure,
            size_bytes: append.size_bytes,
            save_secs: save_secs(moment),
            zone_minutes: append.date.zone_minutes,
            flags: append.flags,
            storage: places.storage,
        };
        self.push(append.uid, row)
    }

    fn change_flags(&mut self, change: &FlagChange, moment: Moment) {
        let modseq = self.modseq(moment);
        let (mut unseen, mut deleted) = (self.unseen, self.deleted);
        self.messages.update(&change.uids, modseq, |_, row| {
            let (flags, keywords) = change.apply(row.flags, row.keywords);
            if (flags, keywords) == (row.flags, row.keywords) {
                return false;
            }
            let count = |flags: SystemFlags, flag| u64::from(flags.contains(flag));
            unseen = unseen + count(row.flags, SystemFlags::SEEN) - count(flags, SystemFlags::SEEN);
            deleted = deleted + count(flags, SystemFlags::DELETED) - count(row.flags, SystemFlags::DELETED);
            row.flags = flags;
            row.keywords = keywords;
            true
        });
        (self.unseen, self.deleted, self.highest_modseq) = (unseen, deleted, modseq);
    }

    fn expunge(&mut self, uids: &UidSet, moment: Moment, mut removed: impl FnMut(&Row)) {
        let (mut unseen, mut deleted) = (0, 0);
        self.messages.remove(uids, |_, row| {
            unseen += u64::from(!row.flags.contains(SystemFlags::SEEN));
            deleted += u64::from(row.flags.contains(SystemFlags::DELETED));
            removed(row);
        });
        self.unseen = self.unseen.saturating_sub(unseen);
        self.deleted = self.deleted.saturating_sub(deleted);
        self.highest_modseq = self.modseq(moment);
        for seen in self.seen.values_mut() {
            Arc::make_mut(seen).expunge(uids);
        }
    }

    /// The rows that a copy takes from here, each as it is to arrive but for its MODSEQ.
    pub(super) fn copied(&self, copy: &Copy, moment: Moment) -> Vec<(Row, Arrival)> {
        let rows = self.messages.iter_in(&copy.uids).map(|(uid, row)| {
            let mut keywords = 0;
            for (from, to) in &copy.keywords {
                keywords |= (row.keywords >> (from & 63) & 1) << (to & 63);
            }
            let flags = row.flags.intersection(copy.keep).without(SystemFlags::SEEN);
            let seen = copy.seen.contains(uid);
            let in_row = seen && copy.seen_by.is_none();
            let flags = if in_row { flags.union(SystemFlags::SEEN) } else { flags };
            let arrival = if seen && !in_row { Arrival::Seen } else { Arrival::Unseen };
            (Row { flags, keywords, save_secs: save_secs(moment), ..*row }, arrival)
        });
        rows.collect()
    }

    fn receive(&mut self, copy: &Copy, rows: &[(Row, Arrival)], moment: Moment) -> Result<(), Corrupt> {
        if rows.len() as u64 != copy.uids.len() {
            return Err(Corrupt);
        }
        let modseq = self.modseq(moment);
        let mut seen = UidSet::default();
        for (uid, (row, arrival)) in (u64::from(copy.first_uid)..).zip(rows) {
            let uid = Uid::try_from(uid).map_err(|_| Corrupt)?;
            self.push(uid, Row { modseq, ..*row })?;
            if *arrival == Arrival::Seen {
                seen.push(uid);
            }
        }
        if let Some(user) = copy.seen_by.as_ref().filter(|_| !seen.is_empty()) {
            let by_user = self.seen.entry(user.clone()).or_default();
            Arc::make_mut(by_user).apply(&seen, super::record::Set::On, modseq);
        }
        Ok(())
    }
}

/// Whether a copied message arrives as seen in the copier's own seen set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Seen,
    Unseen,
}

/// SAVEDATE (RFC 8514), to the year 2106.
fn save_secs(moment: Moment) -> u32 {
    u32::try_from(moment.secs).unwrap_or(u32::MAX)
}
