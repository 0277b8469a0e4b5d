//! What can go wrong, by whose fault.

use std::sync::Arc;

use super::acl::Rights;

/// A name that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// Nothing there, or an empty component.
    #[error("a name or a component of it is empty")]
    Empty,
    /// More bytes than the limit of its kind.
    #[error("the name is too long")]
    TooLong,
    /// More components than [`NAME_DEPTH_MAX`](super::NAME_DEPTH_MAX).
    #[error("the name has too many levels")]
    TooDeep,
    /// NUL, CR, LF, or (in identities and keywords) another character its grammar forbids.
    #[error("the name has a character that names may not have")]
    ForbiddenCharacter,
    /// It would read as something else in an access control list.
    #[error("the name is reserved")]
    Reserved,
}

/// A limit of the store, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Options::message_bytes_max`](super::Options).
    MessageBytes,
    /// [`KEYWORDS_MAX`](super::KEYWORDS_MAX) in one mailbox.
    Keywords,
    /// [`ACL_ENTRIES_MAX`](super::ACL_ENTRIES_MAX) in one list.
    AclEntries,
    /// [`SUBSCRIPTIONS_MAX`](super::SUBSCRIPTIONS_MAX) of one user.
    Subscriptions,
    /// [`UID_RANGES_MAX`](super::UID_RANGES_MAX) in one set.
    UidRanges,
    /// [`RECIPIENTS_MAX`](super::RECIPIENTS_MAX) of one delivery.
    Recipients,
    /// [`RENAME_NAMES_MAX`](super::RENAME_NAMES_MAX) in one renamed subtree.
    RenamedNames,
    /// The 2^32 - 1 UIDs of one mailbox.
    Uids,
    /// The 2^32 - 1 UIDVALIDITY values of one store.
    UidValidities,
    /// The bytes of one transaction: too many separate messages named at once.
    TransactionBytes,
    /// [`MAILBOXES_BELOW_MAX`](super::MAILBOXES_BELOW_MAX), for a user.
    Mailboxes,
}

/// What a quota counts (RFC 9208 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// STORAGE: bytes of messages.
    Storage,
    /// MESSAGE: number of messages.
    Messages,
}

/// Why the store refused, or could not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such mailbox, or one that the actor may not even look up: the two cannot be told apart.
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// The mailbox exists already.
    #[error("the mailbox exists already")]
    Exists,
    /// The name itself, or one that a rename would make, cannot be.
    #[error("invalid name: {0}")]
    InvalidName(#[from] InvalidName),
    /// A mailbox cannot be moved below itself.
    #[error("a mailbox cannot be renamed to a name below itself")]
    BelowItself,
    /// The actor lacks these rights. Only said of mailboxes that the actor may look up.
    #[error("missing rights: {missing}")]
    Denied {
        /// The rights that were needed and are not there.
        missing: Rights,
    },
    /// The view was opened read-only.
    #[error("the mailbox is open read-only")]
    ReadOnly,
    /// The change would exceed the quota.
    #[error("over quota ({0:?})")]
    OverQuota(Resource),
    /// No quota root of this name.
    #[error("no such quota root")]
    NoSuchQuotaRoot,
    /// A limit of the store.
    #[error("limit exceeded: {limit:?}, at most {max}")]
    LimitExceeded {
        /// Which.
        limit: Limit,
        /// The most there may be.
        max: u64,
    },
    /// Too much waits for the disk ([`Options::queue_bytes_max`](crate::log::Options)). Nothing was changed.
    #[error("too much waits for the disk")]
    Busy,
    /// The message is gone.
    #[error("the message has been expunged")]
    Expunged,
    /// A sequence number that the view does not have.
    #[error("no message of this sequence number")]
    NoSuchSequence,
    /// What the disk gave back is not what was written. The rest of the store is not affected.
    #[error("stored data is damaged")]
    Damaged,
    /// The disk is full. Nothing was changed; expunging still works.
    #[error("the disk is full")]
    DiskFull,
    /// An earlier write or sync failed: nothing can be acknowledged until the store is opened again.
    #[error("an earlier write failed; the store must be opened again")]
    PreviousIo,
    /// The disk failed.
    #[error("input or output failed: {0}")]
    Io(Arc<str>),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same call can be expected to work later, with no change by the caller: what a mail server answers
    /// with 4xx or `NO [UNAVAILABLE]`.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy | Self::DiskFull | Self::PreviousIo | Self::Io(_) | Self::Closed)
    }

    pub(super) fn limit(limit: Limit, max: usize) -> Self {
        Self::LimitExceeded { limit, max: max as u64 }
    }
}
