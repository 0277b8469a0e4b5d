//! Quota: SETQUOTA, GETQUOTA, GETQUOTAROOT and their responses (RFC 2087, RFC 9208).

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// The name of a quota resource, an atom, compared without regard to case.
#[derive(Clone, Copy)]
pub struct Resource<'a>(&'a [u8]);

impl<'a> Resource<'a> {
    /// `STORAGE`: in units of 1024 bytes.
    pub const STORAGE: Resource<'static> = Resource(b"STORAGE");
    /// `MESSAGE`: a number of messages.
    pub const MESSAGE: Resource<'static> = Resource(b"MESSAGE");

    /// The resource of this name.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let name = name.as_ref();
        if chars::is_atom(name) { Ok(Self(name)) } else { Err(InvalidMessage::new("expected a resource", 0)) }
    }

    /// Its name as spelled.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl PartialEq for Resource<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Resource<'_> {}

impl fmt::Debug for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped::new(self.0))
    }
}

/// How much is used of a resource, and how much may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceUsage<'a> {
    /// Of what.
    pub resource: Resource<'a>,
    /// Used, in the unit of the resource.
    pub usage: u64,
    /// Allowed.
    pub limit: u64,
}

/// A limit to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit<'a> {
    /// On what.
    pub resource: Resource<'a>,
    /// In the unit of the resource.
    pub limit: u64,
}

/// `SETQUOTA root (STORAGE 512)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetQuota<'a> {
    /// The quota root.
    pub root: IString<'a>,
    /// All limits it shall have.
    pub limits: List<'a, ResourceLimit<'a>>,
}

/// `* QUOTA root (STORAGE 10 512)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota<'a> {
    /// The quota root.
    pub root: IString<'a>,
    /// Its resources.
    pub resources: List<'a, ResourceUsage<'a>>,
}

/// `* QUOTAROOT mailbox root ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaRoot<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The roots that count it.
    pub roots: List<'a, IString<'a>>,
}

impl<'a> SetQuota<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { root: cursor.spaced()?.astring()?, limits: cursor.spaced()?.list()? })
    }
}

impl<'a> Quota<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { root: cursor.spaced()?.astring()?, resources: cursor.spaced()?.list()? })
    }
}

impl<'a> QuotaRoot<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, roots: cursor.rest() })
    }
}

impl<'a> Item<'a> for ResourceUsage<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let resource = Resource(cursor.next()?.atom()?);
        Ok(Self { resource, usage: cursor.spaced()?.number()?, limit: cursor.spaced()?.number()? })
    }
}

impl<'a> Item<'a> for ResourceLimit<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { resource: Resource(cursor.next()?.atom()?), limit: cursor.spaced()?.number()? })
    }
}

impl Encode for ResourceUsage<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.resource.0);
        for number in [self.usage, self.limit] {
            out.raw(b" ");
            out.number(number);
        }
        Ok(())
    }
}

impl Encode for ResourceLimit<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.resource.0);
        out.raw(b" ");
        out.number(self.limit);
        Ok(())
    }
}

impl Encode for SetQuota<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        out.astring(&self.root)?;
        out.raw(b" ");
        self.limits.encode(out)
    }
}

impl Encode for Quota<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        out.astring(&self.root)?;
        out.raw(b" ");
        self.resources.encode(out)
    }
}

impl Encode for QuotaRoot<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        for root in self.roots.iter() {
            out.raw(b" ");
            out.astring(&root)?;
        }
        Ok(())
    }
}
