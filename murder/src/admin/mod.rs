//! HTTP for those who run a node: health, metrics, status, the mailbox list, the queue.
//!
//! | path | what | needs the token |
//! | --- | --- | --- |
//! | `/health` | `200 ok` or `503 degraded`, for load balancers | no |
//! | `/metrics` | Prometheus text | yes |
//! | `/status` | a page for people; JSON when `Accept` asks for it | yes |
//! | `/status.json` | the same as JSON | yes |
//! | `/mailboxes?after=NAME&limit=N` | a page of the mailbox list | yes |
//! | `/queue?after=ID&limit=N` | a page of the queue | yes |
//! | `POST /queue/flush` | try every message of the queue now | yes |
//!
//! It listens on loopback or on a Unix socket, and but for the last it changes nothing. The token comes as `Authorization:
//! Bearer TOKEN`; a browser may send it as the password of Basic authentication, with any user name. It is compared
//! in constant time. The node supplies what is shown through [`AdminState`].
//!
//! ```
//! use murder::admin::{AdminState, Health, Status};
//! struct Quiet;
//! impl AdminState for Quiet {
//!     fn health(&self) -> Health {
//!         Health::default()
//!     }
//!     fn status(&self) -> Status {
//!         Status { role: "master".into(), name: "master1".into(), ..Status::default() }
//!     }
//! }
//! assert!(Quiet.health().is_well());
//! ```

mod page;
mod server;
mod token;

use serde::Serialize;

pub use server::{BindError, Server};

/// Rows of one answer at most; a caller pages through the rest.
pub const ROWS_MAX: usize = 10_000;

/// What a node tells about itself. The methods are called once for each request and must not wait for anything.
pub trait AdminState: Send + Sync + 'static {
    /// Whether the node does its work.
    fn health(&self) -> Health;

    /// What the status page shows.
    fn status(&self) -> Status;

    /// A part of the mailbox list, by name; `None` when this node has none.
    fn mailboxes(&self, _part: &Part) -> Option<Vec<MailboxEntry>> {
        None
    }

    /// A part of the queue, by id; `None` when this node has none.
    fn queue(&self, _part: &Part) -> Option<Vec<QueueEntry>> {
        None
    }

    /// Tries every message of the queue now, and says how many there are; `None` when this node has no queue.
    fn flush_queue(&self) -> Option<usize> {
        None
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Only what comes after this key; empty for the beginning.
    pub after: String,
    /// At most so many rows, 1 to [`ROWS_MAX`].
    pub rows_max: usize,
}

/// What keeps a node from its work; nothing, usually.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// One line for each trouble, such as `the master is not reached since 12 s`.
    pub troubles: Vec<String>,
}

impl Health {
    /// Whether there is no trouble.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.troubles.is_empty()
    }
}

/// What the status page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `frontend`, `backend` or `master`.
    pub role: String,
    /// The node's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Single facts, in the order shown: a label, a value.
    pub facts: Vec<(String, String)>,
    /// Lists of things, such as connections to other nodes.
    pub tables: Vec<Table>,
}

/// A table of the status page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What it lists.
    pub title: String,
    /// The heads of its columns.
    pub columns: Vec<String>,
    /// Its rows, each with as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// An entry of the mailbox list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxEntry {
    /// The name as MUPDATE has it (`user.alice.Work`), in UTF-8.
    pub name: String,
    /// `server!partition`.
    pub location: String,
    /// `active` or `reserved`.
    pub state: String,
    /// The ACL, as MUPDATE has it; empty while reserved.
    pub acl: String,
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueEntry {
    /// Its id, by which the queue is paged.
    pub id: String,
    /// The reverse path; empty for a bounce.
    pub sender: String,
    /// Who has not got it yet.
    pub recipients: Vec<String>,
    /// The size of the message in bytes.
    pub size_bytes: u64,
    /// When it was accepted, RFC 3339.
    pub accepted_at: String,
    /// When it is tried again, RFC 3339; empty while it is being tried.
    pub next_attempt_at: String,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last attempt came to.
    pub last_error: String,
}
