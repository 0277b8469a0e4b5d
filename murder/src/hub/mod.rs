//! The SMTP hub of a front-end: it takes mail from other servers and from users, keeps it safe, and brings it to the
//! back-ends where the recipients' mailboxes are.
//!
//! * [`queue`](Queue): what was accepted, on disk.
//! * The SMTP servers decide about each recipient before they take a message, and answer 250 when it is durable.
//! * The scheduler tries each message until every copy is delivered, has failed for good, or its time is over; then
//!   the sender gets a report.
//!
//! Mail leaves the site only for domains that the routing database relays to a next hop.

mod attempt;
mod dsn;
mod hops;
mod idle;
mod lanes;
mod queue;
mod recipients;
mod scheduler;
mod smtp;
mod view;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mailstore::log::LogError;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use queue::{
    Arrivals, Body, BodyWriter, DEAD_LETTERS_MAX, DeadLetter, ENVELOPE_BYTES_MAX, Envelope, Message, NewBody,
    NewMessage, Outcome, Passage, Queue, QueueError, QueueId, Recipient, Refusal, Settlement, State, Target,
};
pub(crate) use smtp::{serve_mx, serve_submission};

use crate::frontend::Shared;
use crate::net::Shutdown;

/// What the servers, the scheduler and the administrator's view share.
#[derive(Debug)]
pub(crate) struct Hub {
    queue: Queue,
    flush: Notify,
    /// When waiting messages are tried again.
    next: Mutex<HashMap<QueueId, Instant>>,
    idle: idle::Idle,
    broken: AtomicBool,
}

impl Hub {
    pub(crate) fn new(queue: Queue) -> Self {
        Self {
            queue,
            flush: Notify::new(),
            next: Mutex::default(),
            idle: idle::Idle::default(),
            broken: AtomicBool::new(false),
        }
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Notes that the queue did not do what it should; from a failed write on it takes nothing until a restart.
    fn failed(&self, error: &QueueError) {
        if matches!(error, QueueError::Log(LogError::Io(_) | LogError::PreviousIo)) {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the queue has failed, so that the node must be started again.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn idle(&self) -> &idle::Idle {
        &self.idle
    }

    /// Makes every message due now.
    pub(crate) fn flush(&self) {
        self.flush.notify_one();
    }

    async fn flush_wanted(&self) {
        self.flush.notified().await;
    }

    fn note_next(&self, id: QueueId, at: Option<Instant>) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => drop(next.insert(id, at)),
            None => drop(next.remove(&id)),
        }
    }

    fn next_attempt(&self, id: QueueId) -> Option<Instant> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }
}

/// Delivers what is in the queue and what comes into it, until the word to stop.
pub(crate) async fn deliver(shared: Arc<Shared>, arrivals: Arrivals, shutdown: Shutdown) {
    scheduler::Scheduler::new(shared).run(arrivals, shutdown).await;
}
