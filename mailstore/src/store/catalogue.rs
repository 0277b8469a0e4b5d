//! The catalogue: names, lists, quota, subscriptions and the counters of each mailbox. Everything but messages.
//!
//! There are two of it: the planned one, which the committer validates requests against, and the applied one, which
//! sessions read. Both change by [`Catalogue::apply`] alone, so they cannot differ but in time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::acl::Rights;
use super::codec::Corrupt;
use super::error::Error;
use super::flags::KeywordTable;
use super::mailbox::Meta;
use super::name::{MailboxId, MailboxName, Uid, UserName};
use super::quota::{Quota, QuotaUsage};
use super::record::{Record, Set};
use super::{Actor, SUBSCRIPTIONS_MAX};
use crate::store::error::Limit;

/// The wall clock is believed up to here (the year 2097) when it proposes a UIDVALIDITY: a clock that is wildly wrong
/// must not use up the numbers.
const UID_VALIDITY_CLOCK_MAX: u64 = 0xF000_0000;

/// Numbers of one mailbox that change with its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    /// One more than the last UID given away; 2^32 when there is none left.
    pub(super) uid_next: u64,
    pub(super) usage: QuotaUsage,
    pub(super) highest_modseq: u64,
}

impl Counters {
    /// The UID that comes after `offset` others.
    pub(super) fn uid(&self, offset: u64) -> Result<Uid, Error> {
        let uid = self.uid_next.checked_add(offset).and_then(|uid| Uid::try_from(uid).ok());
        uid.ok_or(Error::LimitExceeded { limit: Limit::Uids, max: u64::from(u32::MAX) })
    }
}

/// One mailbox, but for its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) meta: Arc<Meta>,
    pub(super) counters: Counters,
    pub(super) keywords: KeywordTable,
    pub(super) quota_root: Option<MailboxName>,
}

impl Entry {
    pub(super) fn rights(&self, actor: &Actor) -> Rights {
        self.meta.acl.rights(actor)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Catalogue {
    pub(super) names: BTreeMap<MailboxName, MailboxId>,
    pub(super) entries: HashMap<MailboxId, Entry>,
    pub(super) quotas: BTreeMap<MailboxName, Quota>,
    pub(super) subscriptions: HashMap<UserName, Arc<BTreeSet<MailboxName>>>,
    pub(super) uid_validity_last: u32,
    pub(super) mailbox_id_last: u64,
}

impl Catalogue {
    pub(super) fn entry(&self, id: MailboxId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The mailbox of this name if the actor has `needed`; else what the actor may know about it.
    pub(super) fn find(
        &self,
        actor: &Actor,
        name: &MailboxName,
        needed: Rights,
    ) -> Result<(MailboxId, &Entry), Error> {
        let id = *self.names.get(name).ok_or(Error::NoSuchMailbox)?;
        let entry = self.entry(id).ok_or(Error::NoSuchMailbox)?;
        entry.rights(actor).require(needed)?;
        Ok((id, entry))
    }

    /// The nearest mailbox above this name.
    pub(super) fn ancestor(&self, name: &MailboxName) -> Option<&Entry> {
        let above = std::iter::successors(name.parent(), MailboxName::parent);
        above.filter_map(|name| self.names.get(&name)).find_map(|id| self.entry(*id))
    }

    /// The mailbox of this name, if there is one, and all below it.
    pub(super) fn subtree(&self, name: &MailboxName) -> impl Iterator<Item = (&MailboxName, MailboxId)> {
        let top = self.names.get_key_value(name);
        top.into_iter().chain(self.names.range(name.below())).map(|(name, id)| (name, *id))
    }

    /// The quota root that governs this name: the nearest at or above it.
    pub(super) fn root_of(&self, name: &MailboxName) -> Option<MailboxName> {
        std::iter::successors(Some(name.clone()), MailboxName::parent)
            .find_map(|name| self.quotas.get_key_value(&name))
            .map(|(root, _)| root.clone())
    }

    /// A UIDVALIDITY that this store has never given away: above the last one, and by the clock if that is further.
    pub(super) fn next_uid_validity(&self, now_secs: u64) -> Result<u32, Error> {
        let by_clock = u32::try_from(now_secs.min(UID_VALIDITY_CLOCK_MAX)).unwrap_or(0);
        let by_clock = if now_secs > UID_VALIDITY_CLOCK_MAX { 0 } else { by_clock };
        let limit = Error::LimitExceeded { limit: Limit::UidValidities, max: u64::from(u32::MAX) };
        self.uid_validity_last.max(by_clock).checked_add(1).ok_or(limit)
    }

    /// Applies one record of transaction `number`.
    ///
    /// # Errors
    /// A record that cannot follow on this state: nobody could have written it.
    pub(super) fn apply(&mut self, record: &Record, number: u64) -> Result<(), Corrupt> {
        match record {
            Record::Create { id, meta } => self.create(*id, meta, number),
            Record::Delete { id } => self.delete(*id),
            Record::Rename { from, to } => self.rename(from, to),
            Record::Acl { id, acl } => {
                self.meta(*id)?.acl = acl.clone();
                Ok(())
            }
            Record::SpecialUse { id, special_use } => {
                self.meta(*id)?.special_use = *special_use;
                Ok(())
            }
            Record::Subscribe { user, name, set } => {
                self.subscribe(user, name, *set);
                Ok(())
            }
            Record::Quota { root, limits } => {
                match limits {
                    Some(limits) => self.quotas.entry(root.clone()).or_default().limits = *limits,
                    None => drop(self.quotas.remove(root)),
                }
                let below: Vec<MailboxId> = self.subtree(root).map(|(_, id)| id).collect();
                below.into_iter().for_each(|id| self.reroot(id));
                Ok(())
            }
            Record::Keyword { id, keyword } => {
                let entry = self.entries.get_mut(id).ok_or(Corrupt)?;
                entry.keywords = entry.keywords.with(keyword.clone()).map_err(|_| Corrupt)?;
                Ok(())
            }
            Record::Append(append) => {
                let usage = QuotaUsage { storage_bytes: u64::from(append.size_bytes), messages: 1 };
                self.arrived(append.id, u64::from(append.uid), usage, number)
            }
            Record::Copy(copy) => {
                let usage = QuotaUsage { storage_bytes: copy.bytes, messages: copy.uids.len() };
                self.arrived(copy.to, u64::from(copy.first_uid), usage, number)
            }
            Record::Flags(change) => self.touch(change.id, number).map(drop),
            Record::Seen { id, .. } => self.entry(*id).map(drop).ok_or(Corrupt),
            Record::Expunge { id, uids, bytes } => {
                let gone = QuotaUsage { storage_bytes: *bytes, messages: uids.len() };
                let entry = self.touch(*id, number)?;
                if gone.messages > entry.counters.usage.messages {
                    return Err(Corrupt);
                }
                entry.counters.usage.subtract(gone);
                let root = entry.quota_root.clone();
                self.charge(root.as_ref(), |usage| usage.subtract(gone));
                Ok(())
            }
        }
    }

    fn create(&mut self, id: MailboxId, meta: &Meta, number: u64) -> Result<(), Corrupt> {
        if id.0 <= self.mailbox_id_last || self.names.contains_key(&meta.name) {
            return Err(Corrupt);
        }
        let entry = Entry {
            counters: Counters {
                uid_next: 1,
                usage: QuotaUsage::default(),
                highest_modseq: number.saturating_add(meta.modseq_offset),
            },
            keywords: KeywordTable::default(),
            quota_root: self.root_of(&meta.name),
            meta: Arc::new(meta.clone()),
        };
        self.mailbox_id_last = id.0;
        self.uid_validity_last = self.uid_validity_last.max(meta.uid_validity);
        self.names.insert(meta.name.clone(), id);
        self.entries.insert(id, entry);
        Ok(())
    }

    fn delete(&mut self, id: MailboxId) -> Result<(), Corrupt> {
        let entry = self.entries.remove(&id).ok_or(Corrupt)?;
        self.names.remove(&entry.meta.name);
        self.charge(entry.quota_root.as_ref(), |usage| usage.subtract(entry.counters.usage));
        Ok(())
    }

    fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Result<(), Corrupt> {
        let moved = |name: &MailboxName| name.moved(from, to).ok_or(Corrupt)?.map_err(Corrupt::from);
        let leaving: Vec<(MailboxName, MailboxId)> =
            self.subtree(from).map(|(name, id)| (name.clone(), id)).collect();
        for (name, id) in &leaving {
            self.names.remove(name);
            self.uncharge(*id);
        }
        let roots = self.quotas.get_key_value(from).into_iter().chain(self.quotas.range(from.below()));
        let roots: Vec<MailboxName> = roots.map(|(root, _)| root.clone()).collect();
        for root in roots {
            if let Some(quota) = self.quotas.remove(&root) {
                self.quotas.entry(moved(&root)?).or_insert(quota);
            }
        }
        for (name, id) in leaving {
            let name = moved(&name)?;
            self.meta(id)?.name = name.clone();
            if self.names.insert(name, id).is_some() {
                return Err(Corrupt);
            }
        }
        // A root that moved in may govern mailboxes that were there before.
        let all: Vec<MailboxId> = self.subtree(to).map(|(_, id)| id).collect();
        all.into_iter().for_each(|id| self.reroot(id));
        Ok(())
    }

    fn subscribe(&mut self, user: &UserName, name: &MailboxName, set: Set) {
        let names = self.subscriptions.entry(user.clone()).or_default();
        match set {
            Set::On => drop(Arc::make_mut(names).insert(name.clone())),
            Set::Off => drop(Arc::make_mut(names).remove(name)),
        }
        if names.is_empty() {
            self.subscriptions.remove(user);
        }
    }

    fn arrived(&mut self, id: MailboxId, first: u64, usage: QuotaUsage, number: u64) -> Result<(), Corrupt> {
        let entry = self.touch(id, number)?;
        let next = first.checked_add(usage.messages).ok_or(Corrupt)?;
        if first < entry.counters.uid_next || next > u64::from(u32::MAX) + 1 {
            return Err(Corrupt);
        }
        entry.counters.uid_next = next;
        entry.counters.usage.add(usage);
        let root = entry.quota_root.clone();
        self.charge(root.as_ref(), |used| used.add(usage));
        Ok(())
    }

    /// Notes that this transaction changes messages of the mailbox.
    fn touch(&mut self, id: MailboxId, number: u64) -> Result<&mut Entry, Corrupt> {
        let entry = self.entries.get_mut(&id).ok_or(Corrupt)?;
        entry.counters.highest_modseq = number.saturating_add(entry.meta.modseq_offset);
        Ok(entry)
    }

    fn meta(&mut self, id: MailboxId) -> Result<&mut Meta, Corrupt> {
        self.entries.get_mut(&id).map(|entry| Arc::make_mut(&mut entry.meta)).ok_or(Corrupt)
    }

    fn charge(&mut self, root: Option<&MailboxName>, change: impl FnOnce(&mut QuotaUsage)) {
        if let Some(quota) = root.and_then(|root| self.quotas.get_mut(root)) {
            change(&mut quota.usage);
        }
    }

    /// Takes a mailbox's usage out of its quota root, until [`reroot`](Self::reroot) finds it another.
    fn uncharge(&mut self, id: MailboxId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (root, usage) = (entry.quota_root.take(), entry.counters.usage);
        self.charge(root.as_ref(), |used| used.subtract(usage));
    }

    /// Moves a mailbox's usage to the quota root that now governs its name.
    fn reroot(&mut self, id: MailboxId) {
        let Some(entry) = self.entry(id) else { return };
        let (old, usage) = (entry.quota_root.clone(), entry.counters.usage);
        let new = self.root_of(&entry.meta.name);
        if old == new {
            return;
        }
        self.charge(old.as_ref(), |used| used.subtract(usage));
        self.charge(new.as_ref(), |used| used.add(usage));
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.quota_root = new;
        }
    }

    /// Whether the user may subscribe to one more name.
    pub(super) fn check_subscriptions(&self, user: &UserName, name: &MailboxName) -> Result<(), Error> {
        match self.subscriptions.get(user) {
            Some(names) if names.len() >= SUBSCRIPTIONS_MAX && !names.contains(name) => {
                Err(Error::limit(Limit::Subscriptions, SUBSCRIPTIONS_MAX))
            }
            _ => Ok(()),
        }
    }

    /// What `more` in these quota roots would exceed.
    pub(super) fn check_quota(&self, root: Option<&MailboxName>, more: QuotaUsage) -> Result<(), Error> {
        let quota = root.and_then(|root| self.quotas.get(root));
        match quota.and_then(|quota| quota.exceeded_by(more)) {
            Some(resource) => Err(Error::OverQuota(resource)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::acl::Acl;
    use crate::store::mailbox::SpecialUse;
    use crate::store::quota::QuotaLimits;
    use crate::store::record::Append;
    use crate::store::{InternalDate, SystemFlags};

    fn name(text: &str) -> MailboxName {
        MailboxName::new(text.split('/')).unwrap()
    }

    fn create(catalogue: &mut Catalogue, text: &str, now_secs: u64) -> MailboxId {
        let id = MailboxId(catalogue.mailbox_id_last + 1);
        let meta = Meta {
            name: name(text),
            uid_validity: catalogue.next_uid_validity(now_secs).unwrap(),
            owner: None,
            acl: Acl::default(),
            special_use: SpecialUse::NONE,
            modseq_offset: 0,
        };
        catalogue.apply(&Record::Create { id, meta }, 1).unwrap();
        id
    }

    fn append(catalogue: &mut Catalogue, id: MailboxId, size_bytes: u32) {
        let append = Append {
            id,
            uid: catalogue.entry(id).unwrap().counters.uid(0).unwrap(),
            date: InternalDate::default(),
            flags: SystemFlags::NONE,
            keywords: 0,
            size_bytes,
            delivery: None,
        };
        catalogue.apply(&Record::Append(append), 2).unwrap();
    }

    fn used(catalogue: &Catalogue, root: &str) -> u64 {
        catalogue.quotas[&name(root)].usage.storage_bytes
    }

    fn limit(catalogue: &mut Catalogue, root: &str) {
        let limits = Some(QuotaLimits { storage_bytes: Some(1000), messages: None });
        catalogue.apply(&Record::Quota { root: name(root), limits }, 3).unwrap();
    }

    #[test]
    fn a_quota_root_set_later_counts_what_is_there() {
        let mut catalogue = Catalogue::default();
        let (a, b) = (create(&mut catalogue, "a", 0), create(&mut catalogue, "a/b", 0));
        append(&mut catalogue, a, 10);
        append(&mut catalogue, b, 7);
        limit(&mut catalogue, "a");
        assert_eq!(used(&catalogue, "a"), 17);
        limit(&mut catalogue, "a/b");
        assert_eq!((used(&catalogue, "a"), used(&catalogue, "a/b")), (10, 7));
        catalogue.apply(&Record::Quota { root: name("a/b"), limits: None }, 4).unwrap();
        assert_eq!(used(&catalogue, "a"), 17);
    }

    #[test]
    fn a_rename_takes_usage_and_roots_along() {
        let mut catalogue = Catalogue::default();
        for text in ["a", "a/b", "a/b/c", "x"] {
            let id = create(&mut catalogue, text, 0);
            append(&mut catalogue, id, 10);
        }
        for root in ["a", "a/b/c", "x"] {
            limit(&mut catalogue, root);
        }
        catalogue.apply(&Record::Rename { from: name("a/b"), to: name("x/y") }, 5).unwrap();
        let names: Vec<_> = catalogue.names.keys().cloned().collect();
        assert_eq!(names, ["a", "x", "x/y", "x/y/c"].map(name));
        assert_eq!((used(&catalogue, "a"), used(&catalogue, "x"), used(&catalogue, "x/y/c")), (10, 20, 10));
        assert!(!catalogue.quotas.contains_key(&name("a/b/c")));
    }

    #[test]
    fn a_root_that_moves_above_mailboxes_that_were_there_counts_them() {
        let mut catalogue = Catalogue::default();
        for text in ["b/x", "c"] {
            let id = create(&mut catalogue, text, 0);
            append(&mut catalogue, id, 10);
        }
        limit(&mut catalogue, "b");
        catalogue.apply(&Record::Rename { from: name("b"), to: name("c") }, 5).unwrap();
        assert_eq!(used(&catalogue, "c"), 20);
    }

    #[test]
    fn r8_a_uid_validity_is_never_used_again_whatever_the_clock_does() {
        let mut catalogue = Catalogue::default();
        let mut last = 0;
        let clock =
            [1_000, 5, 0, 1_800_000_000, 0x7FFF_FFFF, 0x8000_0000, 3, 0xF000_0001, u64::MAX, 4_300_000_000];
        for (n, now) in clock.into_iter().enumerate() {
            let id = create(&mut catalogue, &format!("m{n}"), now);
            let uid_validity = catalogue.entry(id).unwrap().meta.uid_validity;
            assert!(uid_validity > last, "{uid_validity} after {last} at {now}");
            catalogue.apply(&Record::Delete { id }, 9).unwrap();
            last = uid_validity;
        }
        assert!(last < 0x9000_0000, "a wild clock used up the numbers: {last:#x}");
    }

    #[test]
    fn r8_the_last_uid_validity_is_followed_by_an_error() {
        let catalogue = Catalogue { uid_validity_last: u32::MAX - 1, ..Catalogue::default() };
        assert_eq!(catalogue.next_uid_validity(0), Ok(u32::MAX));
        let catalogue = Catalogue { uid_validity_last: u32::MAX, ..Catalogue::default() };
        assert!(catalogue.next_uid_validity(0).is_err());
    }

    #[test]
    fn s7_a_record_that_would_use_a_uid_again_is_refused() {
        let mut catalogue = Catalogue::default();
        let id = create(&mut catalogue, "a", 0);
        append(&mut catalogue, id, 1);
        let again = Append {
            id,
            uid: 1,
            date: InternalDate::default(),
            flags: SystemFlags::NONE,
            keywords: 0,
            size_bytes: 1,
            delivery: None,
        };
        assert_eq!(catalogue.apply(&Record::Append(again), 5), Err(Corrupt));
    }

    #[test]
    fn the_last_uid_is_4294967295_and_there_is_none_after_it() {
        let counters = |uid_next| Counters { uid_next, usage: QuotaUsage::default(), highest_modseq: 1 };
        assert_eq!(counters(u64::from(u32::MAX)).uid(0), Ok(u32::MAX));
        assert!(counters(u64::from(u32::MAX)).uid(1).is_err());
        assert!(counters(1 << 32).uid(0).is_err());
    }
}
