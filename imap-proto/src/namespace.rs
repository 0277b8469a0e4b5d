//! The NAMESPACE response (RFC 2342).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::list::Separator;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::tape::{Cursor, Item, List};

/// Where the mailboxes of oneself, of others and of all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespaces<'a> {
    /// One's own.
    pub personal: List<'a, Namespace<'a>>,
    /// Other users'.
    pub other_users: List<'a, Namespace<'a>>,
    /// Shared by all.
    pub shared: List<'a, Namespace<'a>>,
}

/// A prefix and its separator. Namespace extensions are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace<'a> {
    /// What the names begin with; empty for the top.
    pub prefix: MailboxName<'a>,
    /// The hierarchy separator; `None` in a flat name space.
    pub separator: Option<Separator>,
}

impl<'a> Namespaces<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            personal: cursor.spaced()?.list_or_nil()?,
            other_users: cursor.spaced()?.list_or_nil()?,
            shared: cursor.spaced()?.list_or_nil()?,
        })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        [self.personal, self.other_users, self.shared].iter().try_for_each(|list| list.check(check))
    }
}

impl<'a> Item<'a> for Namespace<'a> {
    const SPACED: bool = false;

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let prefix = inside.next()?;
        prefix.string()?;
        let separator = Separator::of_node(&inside.spaced()?)?;
        Ok(Self { prefix: MailboxName::of_node(&prefix)?, separator })
    }
}

impl Encode for Namespace<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"(");
        self.prefix.encode_quoted(out)?;
        out.raw(b" ");
        Separator::encode_option(self.separator, out)?;
        out.raw(b")");
        Ok(())
    }
}

impl Encode for Namespaces<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        for namespaces in [self.personal, self.other_users, self.shared] {
            out.raw(b" ");
            namespaces.encode_or_nil(out)?;
        }
        Ok(())
    }
}
