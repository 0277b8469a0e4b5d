//! When which message is tried: the one task that owns all deliveries of a hub.
//!
//! A message is due when it comes in, when its wait is over, when a destination that it waits for is back, or when
//! an administrator says so. Being due, it is routed, and its copies go into the lanes of their destinations; when
//! all of them are settled it is gone or waits again. After a start everything is due: what is down shows soon, and
//! costs one connection.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info};

use super::attempt::{hand_over, probe, route, wait};
use super::lanes::{Contact, Destination, Group, Lanes, Probing, Taken};
use super::queue::{Arrivals, QueueId};
use crate::frontend::Shared;
use crate::net::Shutdown;

/// Messages being routed at once. 64: a question to the database each, seldom a long one.
const ROUTING_AT_ONCE_MAX: usize = 64;

/// Attempts after which a message that breaks a delivery off waits for its turn. 3.
const BROKEN_OFF_MAX: u32 = 3;

/// Messages of the queue read at once at the start.
const PAGE: usize = 1000;

pub(super) struct Scheduler {
    shared: Arc<Shared>,
    lanes: Lanes,
    due: BTreeSet<(Instant, QueueId)>,
    /// When a waiting message is due.
    when: HashMap<QueueId, Instant>,
    /// Groups under way or in lanes, of messages that are being tried.
    tried: HashMap<QueueId, usize>,
    /// Messages to try again at once, since their destination came back while they were being tried.
    again: BTreeSet<QueueId>,
    jobs: HashMap<Id, Job>,
    tasks: JoinSet<Done>,
    routing: usize,
}

/// What a task is about.
enum Job {
    Route(QueueId),
    Deliver(Destination, QueueId),
    Probe(Destination),
}

/// What a task has done.
enum Done {
    Routed(Vec<(Destination, Group)>),
    Contacted(Contact),
}

impl Scheduler {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let limits = &shared.config.queue;
        let lanes = Lanes::new(
            limits.deliveries_at_once_max as usize,
            limits.deliveries_per_destination_max as usize,
        );
        Self {
            shared,
            lanes,
            due: BTreeSet::new(),
            when: HashMap::new(),
            tried: HashMap::new(),
            again: BTreeSet::new(),
            jobs: HashMap::new(),
            tasks: JoinSet::new(),
            routing: 0,
        }
    }

    /// Delivers until the word to stop; then what is under way gets some time to end.
    pub(super) async fn run(mut self, mut arrivals: Arrivals, mut shutdown: Shutdown) {
        self.everything_is_due();
        loop {
            self.start();
            let next = self.due.first().map(|(at, _)| *at).filter(|_| self.may_route());
            let timer = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.requested() => return self.wind_up().await,
                () = self.shared.hub.idle().stale() => {}
                Some(id) = arrivals.recv() => self.is_due(id, Instant::now()),
                Some(done) = self.tasks.join_next_with_id() => self.finish(done),
                () = self.shared.hub.flush_wanted() => self.everything_is_due(),
                () = timer => {}
            }
        }
    }

    fn everything_is_due(&mut self) {
        let now = Instant::now();
        let mut after = None;
        loop {
            let page = self.shared.hub.queue().messages(after, PAGE);
            for message in &page {
                self.is_due(message.id, now);
            }
            match page.last() {
                Some(last) => after = Some(last.id),
                None => return,
            }
        }
    }

    /// A message is due then, or earlier if it was already.
    fn is_due(&mut self, id: QueueId, at: Instant) {
        if self.tried.contains_key(&id) {
            self.again.insert(id);
            return;
        }
        if let Some(known) = self.when.get(&id).copied() {
            if known <= at {
                return;
            }
            self.due.remove(&(known, id));
        }
        self.when.insert(id, at);
        self.due.insert((at, id));
        self.shared.hub.note_next(id, Some(at));
    }

    fn may_route(&self) -> bool {
        self.routing < ROUTING_AT_ONCE_MAX
    }

    /// Starts whatever may start.
    fn start(&mut self) {
        let now = Instant::now();
        while self.may_route()
            && let Some((at, id)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            self.when.remove(&id);
            self.shared.hub.note_next(id, None);
            let Some(message) = self.shared.hub.queue().message(id) else {
                self.lanes.forget(id);
                continue;
            };
            self.tried.insert(id, 1);
            self.routing += 1;
            let shared = Arc::clone(&self.shared);
            self.spawn(Job::Route(id), async move { Done::Routed(route(&shared, &message).await) });
        }
        while let Some((destination, group)) = self.lanes.next() {
            let id = group.id;
            let job = Job::Deliver(destination.clone(), id);
            let shared = Arc::clone(&self.shared);
            match self.shared.hub.queue().message(id) {
                Some(message) => self.spawn(job, async move {
                    Done::Contacted(hand_over(&shared, &message, &destination, &group.places).await)
                }),
                None => self.spawn(job, async { Done::Contacted(Contact::Unknown) }),
            }
        }
    }

    fn spawn(&mut self, job: Job, task: impl Future<Output = Done> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.jobs.insert(handle.id(), job);
    }

    fn finish(&mut self, done: Result<(Id, Done), JoinError>) {
        let (task, done) = match done {
            Ok((task, done)) => (task, Some(done)),
            Err(e) => {
                error!(error = %e, "a delivery has failed by a fault of its own");
                (e.id(), None)
            }
        };
        match (self.jobs.remove(&task), done) {
            (Some(Job::Route(id)), done) => {
                self.routing -= 1;
                if let Some(Done::Routed(groups)) = done {
                    for (destination, group) in groups {
                        if self.lanes.push(&destination, group) == Taken::Waits {
                            *self.tried.entry(id).or_default() += 1;
                        }
                    }
                }
                self.group_done(id);
            }
            (Some(Job::Deliver(destination, id)), done) => {
                let contact = match done {
                    Some(Done::Contacted(contact)) => contact,
                    _ => Contact::Unknown,
                };
                let (groups, probing) = self.lanes.finish(&destination, contact);
                if contact == Contact::Unreached || (contact == Contact::BrokeOff && self.may_be_innocent(id))
                {
                    self.lanes.park(&destination, id);
                }
                for group in groups {
                    self.group_done(group.id);
                }
                if probing == Probing::Begin {
                    info!(destination = %destination, "a destination is down");
                    self.probe(destination);
                }
                self.group_done(id);
            }
            (Some(Job::Probe(destination)), done) => {
                if matches!(done, Some(Done::Contacted(Contact::Reached))) {
                    info!(destination = %destination, "a destination is back");
                    let now = Instant::now();
                    for id in self.lanes.is_back(&destination) {
                        self.is_due(id, now);
                    }
                } else if !self.lanes.forget_if_unwanted(&destination) {
                    self.probe(destination);
                }
            }
            (None, _) => {}
        }
    }

    /// Whether a message whose delivery broke off is tried again as soon as its destination answers. One that breaks
    /// each of its deliveries has to wait like any other.
    fn may_be_innocent(&self, id: QueueId) -> bool {
        self.shared.hub.queue().message(id).is_some_and(|message| message.attempts <= BROKEN_OFF_MAX)
    }

    fn probe(&mut self, destination: Destination) {
        let Some(wait) = self.lanes.probe_in(&destination) else { return };
        let shared = Arc::clone(&self.shared);
        self.spawn(Job::Probe(destination.clone()), async move {
            tokio::time::sleep(wait).await;
            Done::Contacted(probe(&shared, &destination).await)
        });
    }

    /// One group of a message, or its routing, is over. With the last of them the message is gone, or waits again.
    fn group_done(&mut self, id: QueueId) {
        if let Some(count) = self.tried.get_mut(&id) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        self.tried.remove(&id);
        let again = self.again.remove(&id);
        let Some(message) = self.shared.hub.queue().message(id) else {
            self.lanes.forget(id);
            return;
        };
        let wait = if again { Duration::ZERO } else { wait(&self.shared, &message) };
        self.is_due(id, Instant::now() + wait);
    }

    /// Waits for the deliveries under way, so that no server that is not ours gets a copy twice for nothing.
    async fn wind_up(&mut self) {
        let grace = self.shared.config.limits.shutdown_grace;
        let all_done = async {
            while self.jobs.values().any(|job| matches!(job, Job::Deliver(..))) {
                match self.tasks.join_next_with_id().await {
                    Some(Ok((task, _))) => drop(self.jobs.remove(&task)),
                    Some(Err(e)) => drop(self.jobs.remove(&e.id())),
                    None => return,
                }
            }
        };
        // What is still under way is cut off, and tried again after the next start.
        let _ = tokio::time::timeout(grace, all_done).await;
    }
}
