//! What sessions ask of the committer, and what it answers.

use super::acl::{AclChange, AclKey, Actor, Rights};
use super::body::NewBody;
use super::delivery::DeliveryId;
use super::error::Error;
use super::flags::Flags;
use super::mailbox::{Create, InternalDate, SpecialUse};
use super::name::{MailboxId, MailboxName, Uid};
use super::quota::{QuotaCheck, QuotaLimits};
use super::record::Set;
use super::uid_set::UidSet;

/// A message to be appended.
#[derive(Debug)]
pub struct NewMessage {
    /// The message itself, from a [`BodyWriter`](super::BodyWriter).
    pub body: NewBody,
    /// Its flags. Those that the actor may not set are left out (RFC 4314 4).
    pub flags: Flags,
    /// INTERNALDATE; `None` is the moment of the commit, in UTC.
    pub internal_date: Option<InternalDate>,
}

impl NewMessage {
    /// A message without flags, dated when it is committed.
    #[must_use]
    pub fn new(body: NewBody) -> Self {
        Self { body, flags: Flags::default(), internal_date: None }
    }
}

/// What a delivery to a mailbox needs beside the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posting {
    /// Nothing: the sender of the delivery has decided, as for an INBOX.
    Unchecked,
    /// The right `p` (RFC 4314 2.1), of this user, or of anyone.
    NeedsPost(Option<Actor>),
}

/// One recipient of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message goes.
    pub mailbox: MailboxName,
    /// What that needs.
    pub posting: Posting,
    /// Whether the quota counts.
    pub quota: QuotaCheck,
}

/// A delivery: one message to one or more mailboxes, in one transaction.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub body: NewBody,
    /// Where it goes, at most [`RECIPIENTS_MAX`](super::RECIPIENTS_MAX).
    pub recipients: Vec<Recipient>,
    /// What the sender calls it, to be recognised when it comes again.
    pub delivery_id: Option<DeliveryId>,
    /// INTERNALDATE; `None` is the moment of the commit, in UTC.
    pub internal_date: Option<InternalDate>,
}

/// Where a message has been put (RFC 4315 APPENDUID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// The UID of the message.
    pub uid: Uid,
    /// Its MODSEQ.
    pub modseq: u64,
}

/// What became of a delivery for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It is there now.
    New(Appended),
    /// It was delivered before under this id, with this UID; nothing was stored. It may have been expunged since.
    AlreadyThere {
        /// The mailbox.
        mailbox: MailboxId,
        /// The UID it was given.
        uid: Uid,
    },
}

/// Where messages have been copied or moved to (RFC 4315 COPYUID): the *n*th of `source` is the *n*th from `first_uid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The mailbox that they are in now.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// Their UIDs here, ascending. Empty if none of those asked for existed.
    pub source: UidSet,
    /// The first of their UIDs there; the others follow without gaps. 0 if there are none.
    pub first_uid: Uid,
}

/// What became of a change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The MODSEQ that the changed messages have now; `None` if nothing changed.
    pub modseq: Option<u64>,
    /// Messages that were left alone because they changed after `unchanged_since` (RFC 7162 3.1.3 MODIFIED).
    pub modified: UidSet,
}

/// How STORE changes flags (RFC 3501 6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsOp {
    /// `+FLAGS`.
    Add,
    /// `-FLAGS`.
    Remove,
    /// `FLAGS`.
    Replace,
}

/// A mailbox that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its number.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
}

/// Whether the originals stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyMode {
    Copy,
    Move,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) actor: Actor,
    pub(super) operation: Operation,
}

#[derive(Debug)]
pub(super) enum Operation {
    Create { name: MailboxName, create: Create },
    Delete { name: MailboxName },
    Rename { from: MailboxName, to: MailboxName },
    SetAcl { name: MailboxName, key: AclKey, change: AclChange },
    SetSpecialUse { name: MailboxName, special_use: SpecialUse },
    Subscribe { name: MailboxName, set: Set },
    SetQuota { root: MailboxName, limits: Option<QuotaLimits> },
    Append { name: MailboxName, message: NewMessage },
    Deliver(Delivery),
    Flags { id: MailboxId, uids: UidSet, op: FlagsOp, flags: Flags, unchanged_since: Option<u64> },
    Expunge { id: MailboxId, uids: Option<UidSet> },
    Copy { id: MailboxId, uids: UidSet, to: MailboxName, mode: CopyMode },
}

impl Operation {
    /// How many bytes it takes while it waits.
    pub(super) fn weight(&self) -> usize {
        let set = |uids: &UidSet| uids.ranges().len() * 8;
        match self {
            Self::Append { message, .. } => message.body.memory_bytes(),
            Self::Deliver(delivery) => delivery.body.memory_bytes() + delivery.recipients.len() * 128,
            Self::Flags { uids, .. } | Self::Copy { uids, .. } => set(uids),
            Self::Expunge { uids, .. } => uids.as_ref().map_or(0, set),
            _ => 0,
        }
    }

    /// Whether it gives space back, or leads to that: what has to work on a full disk.
    pub(super) fn frees_space(&self) -> bool {
        match self {
            Self::Delete { .. } | Self::Expunge { .. } => true,
            // To be expunged, messages have to be marked first.
            Self::Flags { flags, .. } => flags.system.contains(super::SystemFlags::DELETED),
            _ => false,
        }
    }
}

#[derive(Debug)]
pub(super) enum Response {
    Done,
    Created(Created),
    Appended(Appended),
    Delivered(Vec<Result<Delivered, Error>>),
    Stored(Stored),
    Expunged(UidSet),
    Copied(Copied),
}

impl Response {
    pub(super) fn done(self) -> Option<()> {
        matches!(self, Self::Done).then_some(())
    }
}

/// Which flags the holder of these rights may change.
pub(super) fn permitted_flags(rights: Rights) -> super::SystemFlags {
    use super::SystemFlags as Flag;
    let grant = |right, flags| if rights.contains(right) { flags } else { Flag::NONE };
    grant(Rights::SEEN, Flag::SEEN)
        .union(grant(Rights::DELETE_MESSAGES, Flag::DELETED))
        .union(grant(Rights::WRITE, Flag::ANSWERED.union(Flag::FLAGGED).union(Flag::DRAFT)))
}
