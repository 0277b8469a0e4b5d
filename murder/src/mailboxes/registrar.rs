//! A back-end's registration of its mailboxes with the master.
//!
//! One connection is kept (RFC 3656 asks for no more), and on it every change of a mailbox waits for the master's
//! word, so that no front-end learns of a mailbox before it is there, and no two servers make the same one:
//!
//! | the back-end's change | before | after |
//! | --- | --- | --- |
//! | create | [`reserve`](Registrar::reserve) | [`Hold::activate`] |
//! | rename, with all that is below | reserve the new names | activate them, then [`delete`](Registrar::delete) the old ones |
//! | change an ACL | [`set_acl`](Registrar::set_acl), keep the [`Hold`] | drop it |
//! | delete | | `delete` |
//!
//! While the master is away everything in the column *before* fails with [`RegisterError::Unavailable`], and the
//! back-end has changed nothing yet. A delete never fails (safety row X3). **The store is the journal**: on every
//! connect, all that the master lists at this server is compared with all that the store holds, and each name
//! that differs is settled by one rule, which also settles names whose command was lost with its connection:
//!
//! | here | at the master | what is done |
//! | --- | --- | --- |
//! | held | unknown, or ours and different | ACTIVATE |
//! | held | active at another server | the copy here is set aside ([`LocalMailboxes::set_aside`]); nothing is deleted |
//! | held | reserved by another server | asked again later: it becomes active there, or free |
//! | not held | ours | DELETE |
//!
//! Names under a [`Hold`] are left alone until it is dropped. A master of Cyrus 3.6 is treated with care: it lets
//! ACTIVATE take over a name of another server, and dies of a DELETE or a DEACTIVATE of a name that it does not have,
//! so FIND goes before each of these, but for the ACTIVATE of a name that is reserved or active here already.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mupdate_proto::{Acl, MailboxName};
use tokio::sync::{mpsc, oneshot, watch};

use super::entry::wire_name;
use super::registration::Registration;
use super::{Location, Name, NameError, Upstream};

/// Changes that may wait for the connection; more wait to be queued.
const JOBS_WAITING_MAX: usize = 1_024;

/// The mailboxes that a back-end holds, as its store has them now.
pub trait LocalMailboxes: Send + Sync + 'static {
    /// All of them, each with its ACL as MUPDATE has it (identifier, tab, rights, tab for each pair).
    fn all(&self) -> Vec<(Name, String)>;

    /// The ACL of this one; `None` if it is not held here.
    fn acl_text(&self, name: &Name) -> Option<String>;

    /// The name is active at another server, which keeps it: give the mailbox here a name below `LOST`, and
    /// [`recheck`](Registrar::recheck) that.
    fn set_aside<'a>(&'a self, name: &'a Name, held_at: &'a Location) -> SetAside<'a>;
}

/// A mailbox is being set aside.
pub type SetAside<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A back-end's registration. Clones are the same registration.
#[derive(Debug, Clone)]
pub struct Registrar {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) location: Location,
    pub(super) ready: watch::Sender<bool>,
    /// Names to be compared. Entries that no [`Name`] can be read from are in it too, to be deleted.
    pub(super) suspects: watch::Sender<BTreeSet<MailboxName>>,
    /// How many holds there are on a name.
    held: Mutex<BTreeMap<MailboxName, usize>>,
    jobs: mpsc::Sender<Job>,
}

/// Something to be done at the master.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: MailboxName,
    pub(super) goal: Goal,
    pub(super) answer: Option<oneshot::Sender<Result<(), RegisterError>>>,
}

/// What a job is to bring about.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    Reserve,
    Activate(Acl),
    Deactivate,
    Delete,
    /// Make the master agree with the store.
    Agree,
}

/// Why the master's word for a change was not had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The master is not reached, or was lost before it answered.
    #[error("the mailbox list cannot be changed now: the master is not reached")]
    Unavailable,
    /// The master refuses: another server has the name.
    #[error("the name is taken")]
    Taken,
    /// The name is not active at this server.
    #[error("the mailbox is not active here")]
    NotActive,
    /// The name, or the ACL, is too long for the list.
    #[error("too long for the mailbox list")]
    TooLong,
}

impl From<NameError> for RegisterError {
    fn from(_: NameError) -> Self {
        Self::TooLong
    }
}

/// When the master learns of a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It knows.
    Now,
    /// It is not reached; it will be told when it is.
    Later,
}

impl Registrar {
    /// A registration at this location with this master, and the task that keeps it. The name of the location's
    /// server is what the master knows this back-end by.
    #[must_use]
    pub fn new(
        upstream: Upstream,
        location: Location,
        local: Arc<dyn LocalMailboxes>,
    ) -> (Self, Registration) {
        let (jobs, queue) = mpsc::channel(JOBS_WAITING_MAX);
        let shared = Arc::new(Shared {
            location,
            ready: watch::Sender::new(false),
            suspects: watch::Sender::new(BTreeSet::new()),
            held: Mutex::default(),
            jobs,
        });
        let registrar = Self { shared };
        (registrar.clone(), Registration::new(registrar, upstream, local, queue))
    }

    /// Whether the master is reached and agrees with the store.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Returns once the master is reached and agrees with the store, which may be never.
    pub async fn connected(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Takes names, all or none, for mailboxes that are about to be made. Names that the hold does not activate are
    /// given free when it is dropped, unless there are mailboxes of these names by then.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Taken`] if another server has one of them.
    pub async fn reserve(&self, names: &[Name]) -> Result<Hold, RegisterError> {
        let hold = self.hold(names.iter().map(wire_name).collect::<Result<_, _>>()?);
        let goals = hold.unsettled.iter().map(|name| (name.clone(), Goal::Reserve)).collect();
        self.all(goals).await?;
        Ok(hold)
    }

    /// Makes an ACL known, before the store changes it. Keep the hold until the store has, or could not: the two
    /// are compared when it is dropped.
    ///
    /// # Errors
    ///
    /// Whatever keeps the master from knowing it; the store should stay as it is.
    pub async fn set_acl(&self, name: &Name, acl_text: &str) -> Result<Hold, RegisterError> {
        let name = wire_name(name)?;
        let goal = Goal::Activate(wire_acl(acl_text)?);
        let hold = self.hold(BTreeSet::from([name.clone()]));
        self.all(vec![(name, goal)]).await?;
        Ok(hold)
    }

    /// Takes a mailbox back to reserved: it stays ours, and no client gets at it. For a mailbox that moves away.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotActive`] if the master has it otherwise.
    pub async fn deactivate(&self, name: &Name) -> Result<Hold, RegisterError> {
        let name = wire_name(name)?;
        let hold = self.hold(BTreeSet::from([name.clone()]));
        self.all(vec![(name, Goal::Deactivate)]).await?;
        Ok(hold)
    }

    /// Gives names free whose mailboxes are gone from the store.
    pub async fn delete(&self, names: &[Name]) -> Told {
        // A name too long for the list never was in it.
        let names: Vec<MailboxName> = names.iter().filter_map(|name| wire_name(name).ok()).collect();
        let told = self.all(names.iter().map(|name| (name.clone(), Goal::Delete)).collect()).await;
        if told.is_ok() {
            return Told::Now;
        }
        self.suspect(names);
        Told::Later
    }

    /// Has these names compared, soon.
    pub fn recheck(&self, names: &[Name]) {
        self.suspect(names.iter().filter_map(|name| wire_name(name).ok()));
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn hold(&self, names: BTreeSet<MailboxName>) -> Hold {
        let mut held = self.shared.held();
        for name in &names {
            *held.entry(name.clone()).or_default() += 1;
        }
        drop(held);
        Hold { registrar: self.clone(), unsettled: names.clone(), names }
    }

    pub(super) fn suspect(&self, names: impl IntoIterator<Item = MailboxName>) {
        self.shared.suspects.send_modify(|suspects| suspects.extend(names));
    }

    /// Queues jobs together and waits for all of them. The first failure is the answer.
    async fn all(&self, goals: Vec<(MailboxName, Goal)>) -> Result<(), RegisterError> {
        if !self.is_connected() {
            return Err(RegisterError::Unavailable);
        }
        let mut answers = Vec::with_capacity(goals.len());
        for (name, goal) in goals {
            let (answer, answered) = oneshot::channel();
            let job = Job { name, goal, answer: Some(answer) };
            self.shared.jobs.send(job).await.map_err(|_| RegisterError::Unavailable)?;
            answers.push(answered);
        }
        let mut outcome = Ok(());
        for answered in answers {
            // A job that is dropped was lost with its connection.
            let answer = answered.await.unwrap_or(Err(RegisterError::Unavailable));
            outcome = outcome.and(answer);
        }
        outcome
    }
}

impl Shared {
    pub(super) fn is_held(&self, name: &MailboxName) -> bool {
        self.held().contains_key(name)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<MailboxName, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names whose mailboxes are being changed: while it lives, comparisons leave them alone.
#[derive(Debug)]
#[must_use = "the names are compared, and perhaps given free, when this is dropped"]
pub struct Hold {
    registrar: Registrar,
    names: BTreeSet<MailboxName>,
    /// Those that have to be compared in the end.
    unsettled: BTreeSet<MailboxName>,
}

impl Hold {
    /// Makes mailboxes known that are there now, under names of this hold.
    ///
    /// # Errors
    ///
    /// The master was lost meanwhile, or refuses. The mailboxes are there: they are made known when it is
    /// back, or set aside if another server has the name then.
    pub async fn activate(mut self, mailboxes: &[(Name, String)]) -> Result<(), RegisterError> {
        let goals: Result<Vec<_>, RegisterError> = mailboxes
            .iter()
            .map(|(name, acl_text)| Ok((wire_name(name)?, Goal::Activate(wire_acl(acl_text)?))))
            .collect();
        let goals = goals?;
        let names: Vec<MailboxName> = goals.iter().map(|(name, _)| name.clone()).collect();
        self.registrar.all(goals).await?;
        for name in &names {
            self.unsettled.remove(name);
        }
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.registrar.shared.held();
        for name in &self.names {
            if let Some(count) = held.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    held.remove(name);
                }
            }
        }
        drop(held);
        if !self.unsettled.is_empty() {
            self.registrar.suspect(std::mem::take(&mut self.unsettled));
        }
    }
}

pub(super) fn wire_acl(acl_text: &str) -> Result<Acl, RegisterError> {
    Acl::new(acl_text.to_owned()).map_err(|_| RegisterError::TooLong)
}
