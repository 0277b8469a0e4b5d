//! The mailbox store: mailboxes, messages, flags, lists, quota and subscriptions over [`log`](crate::log).
//!
//! A [`Store`] is one directory, owned by one process. Whoever wants something of it opens a [`Session`] as an
//! [`Actor`]; every call is checked against that actor's rights **in the same order as the changes themselves**, so that a
//! right that was taken away is gone for whatever is committed after. A mailbox without the right `l` is answered like
//! one that does not exist.
//!
//! **Changes** return a [`Pending`]: a future, or [`wait`](Pending::wait). It completes when the change is durable and
//! visible. All that wait share one flush. A change is one transaction: a delivery to a hundred mailboxes, a
//! move, a rename of a subtree are there entirely or not at all.
//!
//! **Reads** never wait for a flush. A [`View`] is a session's stable picture of one mailbox: its sequence numbers change
//! only in [`View::sync`], the flags it shows are always the newest.
//!
//! **Numbers.** UIDs and MODSEQs are given when a transaction is packed, so that they become visible in order; they
//! come back from the log, so that no crash can make one be used twice. MODSEQ is the number of the transaction
//! (plus an offset for mailboxes that came with a history): strictly rising over the whole store (RFC 7162). UIDVALIDITY
//! is never given twice in a store.
//!
//! **Memory.** A message takes 60 bytes in chunks that sessions share; bodies stay on disk.
//!
//! Sources: RFC 3501 (2.3, 6.3, 6.4), 4314 (lists), 4315 (UIDPLUS), 6154 (special use), 6851 (MOVE), 7162 (MODSEQ), 8474
//! (identities), 9208 (quota). The records are drawn in `docs/store-format.md`.
//!
//! ```
//! use std::sync::Arc;
//! use mailstore::clock::SystemClock;
//! use mailstore::disk::{Disk, crash::CrashDisk};
//! use mailstore::store::*;
//!
//! let disk: Arc<dyn Disk> = Arc::new(CrashDisk::new(1));
//! let store = Store::open_on(&disk, Arc::new(SystemClock), Options::default())?;
//! let alice = UserName::new("alice")?;
//! let inbox = MailboxName::new(["user", "alice"])?;
//! let create = Create { acl: Some(Acl::owned_by(&alice)), owner: Some(alice.clone()), ..Create::default() };
//! store.session(Actor::Peer).create(&inbox, create).wait()?;
//!
//! let session = store.session(Actor::user(alice));
//! let mut body = store.body();
//! body.write(b"Subject: hello\r\n\r\nHi.\r\n")?;
//! let appended = session.append(&inbox, NewMessage::new(body.finish()?)).wait()?;
//! assert_eq!(appended.uid, 1);
//!
//! let view = session.open(&inbox, Access::ReadWrite)?;
//! let message = view.messages(&UidSet::single(1)).next().unwrap();
//! assert_eq!((message.sequence, message.size_bytes), (1, 23));
//! assert_eq!(&view.body(1)?.read_all()?[..], b"Subject: hello\r\n\r\nHi.\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acl;
mod body;
mod catalogue;
mod codec;
mod contents;
mod delivery;
mod error;
mod flags;
mod machine;
mod mailbox;
mod name;
mod pending;
mod plan;
mod quota;
mod record;
mod references;
mod request;
mod rows;
mod seen;
mod session;
mod snapshot;
mod uid_set;
mod view;
mod watch;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use acl::{ACL_ENTRIES_MAX, Acl, AclChange, AclKey, Actor, Identifier, Rights, Sign, User};
pub use body::{Body, BodyWriter, EmailId, NewBody};
pub use delivery::{DELIVERY_ID_BYTES_MAX, DeliveryId};
pub use error::{Error, InvalidName, Limit, Resource};
pub use flags::{Flags, KEYWORD_BYTES_MAX, KEYWORDS_MAX, Keyword, KeywordBits, KeywordTable, SystemFlags};
pub use mailbox::{Create, Info, InternalDate, SpecialUse, Status};
pub use name::{
    GroupName, IDENTITY_BYTES_MAX, MailboxId, MailboxName, NAME_BYTES_MAX, NAME_COMPONENT_BYTES_MAX,
    NAME_DEPTH_MAX, Uid, UserName,
};
pub use pending::Pending;
pub use quota::{Quota, QuotaCheck, QuotaLimits, QuotaUsage};
pub use request::{
    Appended, Copied, Created, Delivered, Delivery, FlagsOp, NewMessage, Posting, Recipient, Stored,
};
pub use session::Session;
pub use uid_set::{Bound, UID_RANGES_MAX, UidSet};
pub use view::{Access, Changes, Expunged, Expunges, Message, MessageIter, View};
pub use watch::{Changed, Watch};

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, FileDisk};
use crate::log::{Log, OpenError, PendingCheckpoint, Recovery, Stats};
use body::BodyLimits;
use machine::{Machine, Shared};

/// The most names one user may subscribe to. Far above any client; bounds what one user can make the store remember.
pub const SUBSCRIPTIONS_MAX: usize = 10_000;
/// The most recipients of one delivery. LMTP servers see a hundred; the records of a thousand fit in a frame.
pub const RECIPIENTS_MAX: usize = 1000;
/// The most mailboxes that a user may have made below the topmost mailbox above a new one. Bounds what one user can make
/// everybody's memory hold; far above what clients make. Administrators and peers are not bound by it.
pub const MAILBOXES_BELOW_MAX: usize = 10_000;
/// The most mailboxes that one rename may move: it holds up all others for so long.
pub const RENAME_NAMES_MAX: usize = 100_000;

/// The limits of a store. All may be changed between two openings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Those of the log beneath.
    pub log: crate::log::Options,
    /// The most bytes a message may have; default 100 MiB, above what mail systems exchange.
    pub message_bytes_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { log: crate::log::Options::default(), message_bytes_max: 100 << 20 }
    }
}

/// A mailbox store. Clones are the same store; it is closed when the last clone, session and view are gone.
#[derive(Clone)]
pub struct Store {
    log: Log<Machine>,
    shared: Arc<Shared>,
    recovery: Arc<Recovery>,
    body_limits: BodyLimits,
}

impl Store {
    /// Opens the store in a directory, or makes one there. The directory belongs to this process until it is closed.
    ///
    /// # Errors
    /// The disk, another owner, or a store that is damaged or of a newer format.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Io { file: ".".into(), error };
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(directory).map_err(failed)?);
        Self::open_on(&disk, Arc::new(SystemClock), options)
    }

    /// Opens the store on a disk of the caller's, with a clock of the caller's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: &Arc<dyn Disk>, clock: Arc<dyn Clock>, options: Options) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::default());
        let machine = Machine::new(Arc::clone(&shared));
        let body_limits = BodyLimits::new(&options);
        let (log, recovery) = Log::open(disk, clock, options.log, machine)?;
        Ok(Self { log, shared, recovery: Arc::new(recovery), body_limits })
    }

    /// A session of this actor. Costs nothing.
    #[must_use]
    pub fn session(&self, actor: Actor) -> Session {
        Session::new(self.clone(), actor)
    }

    /// Begins a body.
    #[must_use]
    pub fn body(&self) -> BodyWriter {
        BodyWriter::new(self.log.clone(), self.body_limits)
    }

    /// The most bytes a message may have.
    #[must_use]
    pub fn message_bytes_max(&self) -> u32 {
        self.body_limits.message_bytes_max
    }

    /// Waits for changes of the mailbox list: names, access control lists, special uses.
    #[must_use]
    pub fn watch_list(&self) -> Watch {
        self.shared.list.watch()
    }

    /// Asks for a checkpoint: a shorter recovery, and space of expunged messages given back.
    pub fn checkpoint(&self) -> PendingCheckpoint {
        self.log.checkpoint()
    }

    /// Commits what waits and closes the store in good order. All later changes are [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::PreviousIo`] if a write had failed.
    pub fn close(&self) -> Result<(), Error> {
        self.log.close().map_err(pending::log_error)
    }

    /// What the log beneath has done since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.log.stats()
    }

    /// What the opening found.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("log", &self.log).finish_non_exhaustive()
    }
}

/// Property tests try the same cases every time.
#[cfg(test)]
fn fixed() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};
    Config { rng_seed: RngSeed::Fixed(20_260_101), failure_persistence: None, ..Config::default() }
}
