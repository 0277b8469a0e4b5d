//! What a mailbox is, but for its messages.

use super::acl::{Acl, Rights};
use super::name::{MailboxId, MailboxName, Uid, UserName};

/// Special uses of a mailbox (RFC 6154 2, RFC 8457 3): a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SpecialUse(u8);

impl SpecialUse {
    /// None.
    pub const NONE: Self = Self(0);
    /// \All.
    pub const ALL: Self = Self(1);
    /// \Archive.
    pub const ARCHIVE: Self = Self(2);
    /// \Drafts.
    pub const DRAFTS: Self = Self(4);
    /// \Flagged.
    pub const FLAGGED: Self = Self(8);
    /// \Junk.
    pub const JUNK: Self = Self(16);
    /// \Sent.
    pub const SENT: Self = Self(32);
    /// \Trash.
    pub const TRASH: Self = Self(64);
    /// \Important.
    pub const IMPORTANT: Self = Self(128);

    /// Whether all of `other` are in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// How a mailbox is to be made. The default is what a user may ask for: everything inherited.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Create {
    /// Its list. `None`: that of the nearest existing ancestor, empty without one. Given only by an administrator or
    /// a peer.
    pub acl: Option<Acl>,
    /// Whose \Seen is kept in the messages themselves; other users have seen sets of their own. `None`: as the
    /// nearest existing ancestor. Given only by an administrator or a peer.
    pub owner: Option<UserName>,
    /// Its special uses.
    pub special_use: SpecialUse,
}

/// A mailbox, as LIST wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: MailboxName,
    /// Its number.
    pub id: MailboxId,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// Its list. Shown by the layers above only to who has the right `a`.
    pub acl: Acl,
    /// What the asking actor may do with it.
    pub rights: Rights,
    /// Its special uses.
    pub special_use: SpecialUse,
    /// Whose \Seen the messages carry.
    pub owner: Option<UserName>,
    /// Whether a mailbox that the actor may look up lies below it.
    pub has_children: bool,
}

/// The counts of a mailbox (RFC 3501 6.3.10, RFC 7162 3.1.2, RFC 8438).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub id: MailboxId,
    /// MESSAGES.
    pub messages: u64,
    /// RECENT: messages that no session has been told of as recent.
    pub recent: u64,
    /// UIDNEXT; 0 when the last UID has been given away.
    pub uid_next: Uid,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UNSEEN: number of messages without \Seen, for the asking actor.
    pub unseen: u64,
    /// DELETED: number of messages with \Deleted.
    pub deleted: u64,
    /// HIGHESTMODSEQ, at least 1.
    pub highest_modseq: u64,
    /// SIZE: bytes of all messages.
    pub size_bytes: u64,
}

/// The date of a message as given on arrival (RFC 3501 2.3.3): a moment, and the zone in which it is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct InternalDate {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub secs: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
}

/// Everything about a mailbox that changes rarely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) name: MailboxName,
    pub(super) uid_validity: u32,
    pub(super) owner: Option<UserName>,
    pub(super) acl: Acl,
    pub(super) special_use: SpecialUse,
    /// Added to a transaction's number to make a MODSEQ: not 0 only in a mailbox that came with a history.
    pub(super) modseq_offset: u64,
}
