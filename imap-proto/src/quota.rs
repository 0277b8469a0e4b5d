//! Quota: SETQUOTA, GETQUOTA, GETQUOTAROOT and their responses (RFC 9208, which replaces RFC 2087).
//!
//! That a quota is used up is told by the code `OVERQUOTA` ([`ErrorCode::OverQuota`](crate::ErrorCode::OverQuota)).
//!
//! ```
//! use imap_proto::{Parser, Resource, Response};
//! let mut parser = Parser::new();
//! let Response::Quota(quota) = parser.response(b"* QUOTA \"#user/alice\" (STORAGE 54 111 MESSAGE 42 1000)")? else {
//!     panic!()
//! };
//! let storage = quota.resources.iter().find(|usage| usage.resource == Resource::Storage).unwrap();
//! assert_eq!((storage.usage, storage.limit), (54, 111));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// What a quota limits (RFC 9208 section 5).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Resource<'a> {
    /// `STORAGE`: the messages, in units of 1024 bytes.
    Storage,
    /// `MESSAGE`: the number of messages.
    Message,
    /// `MAILBOX`: the number of mailboxes.
    Mailbox,
    /// `ANNOTATION-STORAGE`: the annotations, in units of 1024 bytes.
    AnnotationStorage,
    /// Another resource.
    Other(ResourceName<'a>),
}

/// The name of a [`Resource::Other`].
#[derive(Clone, Copy)]
pub struct ResourceName<'a>(&'a [u8]);

impl<'a> Resource<'a> {
    /// The resource of this name, an atom, in any case.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_word(name.as_ref()).ok_or(InvalidMessage::new("expected a resource", 0))
    }

    fn of_word(word: &'a [u8]) -> Option<Self> {
        keys! { STORAGE = "STORAGE", MESSAGE = "MESSAGE", MAILBOX = "MAILBOX" }
        Some(match key(word) {
            STORAGE => Self::Storage,
            MESSAGE => Self::Message,
            MAILBOX => Self::Mailbox,
            // Longer than a key.
            _ if word.eq_ignore_ascii_case(ANNOTATION_STORAGE) => Self::AnnotationStorage,
            _ => return chars::is_atom(word).then_some(Self::Other(ResourceName(word))),
        })
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("expected a resource"), Ok)
    }

    /// Its name.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Storage => b"STORAGE",
            Self::Message => b"MESSAGE",
            Self::Mailbox => b"MAILBOX",
            Self::AnnotationStorage => ANNOTATION_STORAGE,
            Self::Other(name) => name.0,
        }
    }
}

const ANNOTATION_STORAGE: &[u8] = b"ANNOTATION-STORAGE";

impl PartialEq for Resource<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Resource<'_> {}

impl fmt::Debug for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped::new(self.as_bytes()))
    }
}

impl fmt::Debug for ResourceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped::new(self.0))
    }
}

/// How much is used of a resource, and how much may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceUsage<'a> {
    /// Of what.
    pub resource: Resource<'a>,
    /// Used, in the unit of the resource; 63 bits.
    pub usage: u64,
    /// Allowed.
    pub limit: u64,
}

/// A limit to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit<'a> {
    /// On what.
    pub resource: Resource<'a>,
    /// In the unit of the resource; 63 bits.
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

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.roots.check(check)
    }
}

impl<'a> Item<'a> for ResourceUsage<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let resource = Resource::read(cursor)?;
        Ok(Self { resource, usage: cursor.spaced()?.number64()?, limit: cursor.spaced()?.number64()? })
    }
}

impl<'a> Item<'a> for ResourceLimit<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { resource: Resource::read(cursor)?, limit: cursor.spaced()?.number64()? })
    }
}

impl Encode for ResourceUsage<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.resource.as_bytes());
        [self.usage, self.limit].into_iter().try_for_each(|number| {
            out.raw(b" ");
            out.number64(number)
        })
    }
}

impl Encode for ResourceLimit<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.resource.as_bytes());
        out.raw(b" ");
        out.number64(self.limit)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Parser, Response};

    #[test]
    fn resources_are_known_in_any_case_and_others_kept() {
        for (name, resource) in [
            ("storage", Resource::Storage),
            ("Message", Resource::Message),
            ("MAILBOX", Resource::Mailbox),
            ("annotation-storage", Resource::AnnotationStorage),
        ] {
            assert_eq!(Resource::new(name).unwrap(), resource);
            assert!(!matches!(Resource::new(name).unwrap(), Resource::Other(_)), "{name}");
        }
        assert_eq!(format!("{:?}", Resource::new("X-NUM-FOLDERS").unwrap()), "X-NUM-FOLDERS");
        assert!(Resource::new("").is_err());
    }

    #[test]
    fn amounts_have_63_bits() {
        let mut parser = Parser::new();
        for (limit, fits) in [("9223372036854775807", true), ("9223372036854775808", false), ("-1", false)] {
            let command = format!("a SETQUOTA \"\" (STORAGE {limit})");
            assert_eq!(parser.command(command.as_bytes()).is_ok(), fits, "{limit}");
            let response = format!("* QUOTA \"\" (STORAGE 0 {limit})");
            let read = parser.response(response.as_bytes()).unwrap();
            assert_eq!(matches!(read, Response::Quota(_)), fits, "{limit}");
        }
        let Command::SetQuota(quota) = parser.command(b"a SETQUOTA x ()").unwrap().command else { panic!() };
        assert!(quota.limits.is_empty());
    }
}
