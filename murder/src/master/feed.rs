//! The list and those who follow it.
//!
//! A stream begins with all entries and goes on with every change after exactly that state: both are taken under one
//! lock, which the one writer holds for each change. What a stream has not sent yet waits in a queue of its own. If
//! the queue overflows its stream is ended, and the slave starts over when it connects again (safety row X5): one slow
//! slave costs neither memory nor the others' time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mupdate_proto::{MailboxName, ServerName};
use tokio::sync::mpsc;

use crate::mailboxes::List;
use crate::mailboxes::list::Slot;

/// Changes that may wait for one slave. With entries of usual size some 10 MB, shared by all slaves that lag.
pub const CHANGES_WAITING_MAX: usize = 65_536;

/// A change that was made.
#[derive(Debug)]
pub(super) enum Told {
    /// This is the entry now.
    Put { now: Slot, before: Option<Slot> },
    /// This is gone.
    Removed(Slot),
}

/// What a slave is to be sent of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    Entry(&'a Slot),
    Deleted(&'a MailboxName),
    None,
}

#[derive(Debug)]
pub(super) struct Feed {
    list: List,
    streams: Mutex<Vec<mpsc::Sender<Arc<Told>>>>,
    changes_waiting_max: usize,
}

/// What a slave follows.
#[derive(Debug)]
pub(super) struct Stream {
    /// Everything, when the stream began.
    pub(super) first: Vec<Slot>,
    /// What changed since. Ends when the slave was too slow.
    pub(super) changes: mpsc::Receiver<Arc<Told>>,
}

impl Feed {
    pub(super) fn new(changes_waiting_max: usize) -> Self {
        Self { list: List::new(), streams: Mutex::default(), changes_waiting_max }
    }

    pub(super) fn list(&self) -> &List {
        &self.list
    }

    pub(super) fn follow(&self) -> Stream {
        let (sender, changes) = mpsc::channel(self.changes_waiting_max);
        let mut streams = self.streams();
        streams.push(sender);
        Stream { first: self.list.slots(), changes }
    }

    /// How many follow.
    pub(super) fn followers(&self) -> usize {
        self.streams().iter().filter(|stream| !stream.is_closed()).count()
    }

    pub(super) fn put(&self, now: Slot) {
        let mut streams = self.streams();
        let before = self.list.put(now.clone());
        tell(&mut streams, Told::Put { now, before });
    }

    pub(super) fn remove(&self, name: &MailboxName) {
        let mut streams = self.streams();
        if let Some(old) = self.list.remove(name) {
            tell(&mut streams, Told::Removed(old));
        }
    }

    fn streams(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Arc<Told>>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever is gone or has no room is dropped, which ends his stream.
fn tell(streams: &mut Vec<mpsc::Sender<Arc<Told>>>, told: Told) {
    if streams.is_empty() {
        return;
    }
    let told = Arc::new(told);
    streams.retain(|stream| stream.try_send(Arc::clone(&told)).is_ok());
}

impl Told {
    /// What it is to a slave that wants these servers only, or all if none are named. An entry that left them is gone
    /// for it.
    pub(super) fn news(&self, servers: &[ServerName]) -> News<'_> {
        match self {
            Self::Put { now, .. } if wanted(now, servers) => News::Entry(now),
            Self::Put { before: Some(before), .. } if wanted(before, servers) => {
                News::Deleted(&before.wire().name)
            }
            Self::Put { .. } => News::None,
            Self::Removed(old) if wanted(old, servers) => News::Deleted(&old.wire().name),
            Self::Removed(_) => News::None,
        }
    }
}

/// Whether an entry is at one of these servers, or none are named.
pub(super) fn wanted(slot: &Slot, servers: &[ServerName]) -> bool {
    servers.is_empty() || servers.iter().any(|server| server.holds(&slot.wire().location))
}

#[cfg(test)]
mod tests {
    use mupdate_proto::{Location, MailboxEntry};

    use super::*;

    fn slot(name: &str, location: &str) -> Slot {
        let name = MailboxName::new(name.to_owned()).unwrap();
        Slot::new(MailboxEntry::reserved(name, Location::new(location.to_owned()).unwrap()).view())
    }

    #[test]
    fn x5_a_slave_with_a_full_queue_is_cut_off_and_the_others_are_not() {
        let feed = Feed::new(3);
        let (mut slow, mut quick) = (feed.follow(), feed.follow());
        for number in 0..3 {
            feed.put(slot(&format!("a{number}"), "be1!x"));
            assert!(quick.changes.try_recv().is_ok());
        }
        assert_eq!(feed.followers(), 2);
        feed.put(slot("one.too.many", "be1!x"));
        assert_eq!(feed.followers(), 1);
        assert!(quick.changes.try_recv().is_ok());
        let got = std::iter::from_fn(|| slow.changes.try_recv().ok()).count();
        assert_eq!(got, 3);
        assert_eq!(slow.changes.try_recv().err(), Some(mpsc::error::TryRecvError::Disconnected));
        assert_eq!(feed.follow().first.len(), 4);
    }

    #[test]
    fn a_slave_of_some_servers_sees_entries_come_and_go() {
        let wants = [ServerName::new("be1").unwrap()];
        let (here, there) = (slot("a", "be1!x"), slot("a", "be2!x"));
        let news = |told: &Told| match told.news(&wants) {
            News::Entry(_) => "entry",
            News::Deleted(_) => "deleted",
            News::None => "nothing",
        };
        assert_eq!(news(&Told::Put { now: here.clone(), before: None }), "entry");
        assert_eq!(news(&Told::Put { now: there.clone(), before: None }), "nothing");
        assert_eq!(news(&Told::Put { now: there.clone(), before: Some(here.clone()) }), "deleted");
        assert_eq!(news(&Told::Put { now: here.clone(), before: Some(there.clone()) }), "entry");
        assert_eq!(news(&Told::Removed(here)), "deleted");
        assert_eq!(news(&Told::Removed(there.clone())), "nothing");
        assert!(matches!(Told::Removed(there).news(&[]), News::Deleted(_)));
    }
}
