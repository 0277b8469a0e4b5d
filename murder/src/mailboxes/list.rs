//! The mailbox list in memory: what a master serves and what a front-end's replica is.
//!
//! A sorted map in the order of MUPDATE ([`mupdate_proto::mailbox_order`]): a mailbox is followed directly by what is
//! below it, so a subtree is one range. Many read while one writes; a reader holds the lock for one look-up or one
//! range and gets shared entries out.
//!
//! Entries whose name, location or ACL cannot be read ([`Entry::from_wire`]) are kept as they came and counted
//! (safety row X5): the master must give them back unchanged and a stream must not stall on them; but no look-up
//! by name finds them.
//!
//! ```
//! use murder::mailboxes::{List, Name};
//! let list = List::new();
//! assert!(list.lookup(&Name::inbox("alice")?).is_none());
//! assert!(list.is_empty());
//! # Ok::<(), murder::mailboxes::NameError>(())
//! ```

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mupdate_proto::{EntryView, MailboxEntry, MailboxName};
use tokio::sync::watch;

use super::Name;
use super::entry::{Entry, wire_name};

/// The list. Clones are the same list.
#[derive(Debug, Clone)]
pub struct List {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    map: RwLock<Map>,
    generation: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Map {
    slots: BTreeMap<MailboxName, Slot>,
    unreadable: usize,
}

/// What the list holds under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// An entry.
    Known(Arc<Entry>),
    /// An entry that we cannot read, as it came.
    Unreadable(Arc<MailboxEntry>),
}

impl Slot {
    pub(crate) fn new(entry: EntryView<'_>) -> Self {
        // What is off the wire would keep the whole read buffer alive.
        let own = entry.to_entry();
        match Entry::from_wire(&own) {
            Some(entry) => Self::Known(Arc::new(entry)),
            None => Self::Unreadable(Arc::new(own)),
        }
    }

    pub(crate) fn wire(&self) -> &MailboxEntry {
        match self {
            Self::Known(entry) => entry.wire(),
            Self::Unreadable(entry) => entry,
        }
    }

    fn known(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Known(entry) => Some(entry),
            Self::Unreadable(_) => None,
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { map: RwLock::default(), generation: watch::Sender::new(0) }) }
    }

    /// The entry of this name, reserved or active.
    #[must_use]
    pub fn lookup(&self, name: &Name) -> Option<Arc<Entry>> {
        let key = wire_name(name).ok()?;
        self.read().slots.get(&key)?.known().cloned()
    }

    /// The entries below a name, in order, without the name itself.
    #[must_use]
    pub fn below(&self, name: &Name) -> Vec<Arc<Entry>> {
        let Ok(first) = MailboxName::new(format!("{name}.")) else { return Vec::new() };
        let map = self.read();
        map.slots
            .range(first.clone()..)
            .take_while(|(key, _)| key.as_bytes().starts_with(first.as_bytes()))
            .filter_map(|(_, slot)| slot.known().cloned())
            .collect()
    }

    /// A user's INBOX and all below it, in order.
    #[must_use]
    pub fn owned_by(&self, owner: &str) -> Vec<Arc<Entry>> {
        let Ok(inbox) = Name::inbox(owner) else { return Vec::new() };
        // Between the two look-ups the list may change, as it may after them.
        self.lookup(&inbox).into_iter().chain(self.below(&inbox)).collect()
    }

    /// Every entry, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.read().slots.values().filter_map(Slot::known).cloned().collect()
    }

    /// The entries that `wanted` picks, in order. The list cannot change while it picks: it should be quick.
    pub fn select(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<Arc<Entry>> {
        self.read().slots.values().filter_map(Slot::known).filter(|entry| wanted(entry)).cloned().collect()
    }

    /// At most `entries_max` entries as MUPDATE has them, those that cannot be read included, from the one after
    /// `after` on.
    #[must_use]
    pub fn page(&self, after: Option<&MailboxName>, entries_max: usize) -> Vec<MailboxEntry> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let map = self.read();
        let range = map.slots.range::<MailboxName, _>((from, Bound::Unbounded));
        range.take(entries_max).map(|(_, slot)| slot.wire().clone()).collect()
    }

    /// How many entries there are, with those that cannot be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.read().unreadable
    }

    /// Tells of changes: the number is another one after each. Several changes may be told as one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.generation.subscribe()
    }

    /// The entry of this wire name.
    pub(crate) fn slot(&self, name: &MailboxName) -> Option<Slot> {
        self.read().slots.get(name).cloned()
    }

    /// Everything, in order: cheap, since the entries are shared.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.read().slots.values().cloned().collect()
    }

    /// Sets an entry. Gives the one that was there.
    pub(crate) fn put(&self, slot: Slot) -> Option<Slot> {
        let old = self.write().put(slot);
        self.changed();
        old
    }

    /// Removes an entry. Gives it.
    pub(crate) fn remove(&self, name: &MailboxName) -> Option<Slot> {
        let old = self.write().remove(name)?;
        self.changed();
        Some(old)
    }

    /// Makes these the whole list, at once. Gives what differs from before: entries to set, names to remove.
    pub(crate) fn replace(&self, slots: Vec<Slot>) -> (Vec<Slot>, Vec<MailboxName>) {
        let new: BTreeMap<MailboxName, Slot> =
            slots.into_iter().map(|slot| (slot.wire().name.clone(), slot)).collect();
        let (gone, set) = {
            // There is one writer, so nothing changes between this look and the change below.
            let map = self.read();
            let gone: Vec<MailboxName> =
                map.slots.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
            let differs = |(name, slot): &(&MailboxName, &Slot)| map.slots.get(*name) != Some(*slot);
            let set: Vec<Slot> = new.iter().filter(differs).map(|(_, slot)| slot.clone()).collect();
            (gone, set)
        };
        let mut map = self.write();
        for name in &gone {
            map.remove(name);
        }
        for slot in &set {
            map.put(slot.clone());
        }
        drop(map);
        if !(set.is_empty() && gone.is_empty()) {
            self.changed();
        }
        (set, gone)
    }

    fn changed(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.shared.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.shared.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    fn put(&mut self, slot: Slot) -> Option<Slot> {
        self.unreadable += usize::from(slot.known().is_none());
        let old = self.slots.insert(slot.wire().name.clone(), slot);
        self.forget(old)
    }

    fn remove(&mut self, name: &MailboxName) -> Option<Slot> {
        let old = self.slots.remove(name);
        self.forget(old)
    }

    fn forget(&mut self, old: Option<Slot>) -> Option<Slot> {
        self.unreadable -= usize::from(old.as_ref().is_some_and(|slot| slot.known().is_none()));
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str, location: &str) -> Slot {
        let entry = MailboxEntry::active(
            MailboxName::new(name.to_owned()).unwrap(),
            mupdate_proto::Location::new(location.to_owned()).unwrap(),
            mupdate_proto::Acl::new("alice\tlrs\t").unwrap(),
        );
        Slot::new(entry.view())
    }

    fn names(entries: &[Arc<Entry>]) -> Vec<String> {
        entries.iter().map(|entry| entry.name().to_mupdate()).collect()
    }

    fn list(names: &[&str]) -> List {
        let list = List::new();
        for name in names {
            list.put(slot(name, "be1!x"));
        }
        list
    }

    #[test]
    fn the_order_is_that_of_mupdate_and_a_subtree_is_a_range() {
        let list = list(&["user.a-b", "user.a", "user.a b.c", "user.a.b.c", "user.a.b", "user.a b", "z"]);
        let sorted = ["user.a", "user.a.b", "user.a.b.c", "user.a b", "user.a b.c", "user.a-b", "z"];
        assert_eq!(names(&list.all()), sorted);
        assert_eq!(names(&list.below(&Name::inbox("a").unwrap())), sorted[1..3]);
        assert_eq!(names(&list.owned_by("a")), sorted[..3]);
        assert_eq!(names(&list.owned_by("nobody")), [""; 0]);
    }

    #[test]
    fn x5_what_cannot_be_read_is_kept_counted_and_not_found() {
        let list = list(&["user.a", "bad..name", "user.&AGE-"]);
        assert_eq!((list.len(), list.unreadable(), list.all().len()), (3, 2, 1));
        let page = list.page(None, 10);
        assert_eq!(page.len(), 3);
        assert_eq!(list.page(Some(&page[0].name), 1)[0].name, page[1].name);
        list.put(slot("bad..name", "be2!y"));
        assert_eq!(list.unreadable(), 2);
        list.remove(&MailboxName::new("bad..name").unwrap());
        assert_eq!((list.len(), list.unreadable()), (2, 1));
        list.replace(vec![slot("user.b", "be1!x")]);
        assert_eq!((list.len(), list.unreadable()), (1, 0));
    }

    #[test]
    fn replacing_tells_what_differs_and_only_that() {
        let list = list(&["user.a", "user.b", "user.c"]);
        let mut changes = list.changes();
        changes.borrow_and_update();
        let (set, gone) =
            list.replace(vec![slot("user.d", "be1!x"), slot("user.a", "be1!x"), slot("user.b", "be2!x")]);
        let wire = |slot: &Slot| slot.wire().name.to_string();
        assert_eq!(set.iter().map(wire).collect::<Vec<_>>(), ["user.b", "user.d"]);
        assert_eq!(gone.iter().map(ToString::to_string).collect::<Vec<_>>(), ["user.c"]);
        assert!(changes.has_changed().unwrap());
        changes.borrow_and_update();
        let again = list.slots();
        assert_eq!(list.replace(again), (vec![], vec![]));
        assert!(!changes.has_changed().unwrap());
    }
}
