//! SELECT and EXAMINE with their parameters (RFC 3501 6.3.1 and 6.3.2, RFC 4466 2.4, RFC 7162 3.1.8 and 3.2.5).
//!
//! ```
//! use imap_proto::{Command, Parser, SelectParameter};
//! let mut parser = Parser::new();
//! let line = b"A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211 (4 100)))";
//! let Command::Select(select) = parser.command(line)?.command else { panic!() };
//! let Some(SelectParameter::Qresync(known)) = select.parameters.iter().next() else { panic!() };
//! assert_eq!(known.uid_validity.get(), 67890007);
//! assert!(known.known_uids.unwrap().contains(100, u32::MAX));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::mailbox::MailboxName;
use crate::modseq::ModSeq;
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// The arguments of SELECT and EXAMINE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Select<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// How it shall be opened; mostly nothing.
    pub parameters: List<'a, SelectParameter<'a>>,
}

/// A parameter of SELECT and EXAMINE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectParameter<'a> {
    /// `CONDSTORE`: mod-sequences shall be told from now on.
    CondStore,
    /// `QRESYNC`: what has changed since shall be told.
    Qresync(Qresync<'a>),
    /// A parameter that is not known here, to be answered `BAD`.
    Unknown(Extension<'a>),
}

/// What a client knows of a mailbox from before (RFC 7162 3.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qresync<'a> {
    /// The UIDVALIDITY that it knew. With another one nothing else here means anything.
    pub uid_validity: NonZeroU32,
    /// The mod-sequence up to which it knows all changes.
    pub modseq: ModSeq,
    /// The UIDs that it knows; all, if there are none here.
    pub known_uids: Option<SequenceSet<'a>>,
    /// Some message sequence numbers, in ascending order, and the UIDs that they had, in the same order.
    pub sequence_match: Option<(SequenceSet<'a>, SequenceSet<'a>)>,
}

impl<'a> Select<'a> {
    /// The mailbox without parameters.
    #[must_use]
    pub fn new(mailbox: MailboxName<'a>) -> Self {
        Self { mailbox, parameters: List::of(&[]) }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        let parameters = if cursor.is_empty() { List::of(&[]) } else { cursor.spaced()?.list()? };
        Ok(Self { mailbox, parameters })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.parameters.check(check)
    }
}

impl<'a> From<MailboxName<'a>> for Select<'a> {
    fn from(mailbox: MailboxName<'a>) -> Self {
        Self::new(mailbox)
    }
}

impl<'a> Item<'a> for SelectParameter<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! { CONDSTORE = "CONDSTORE", QRESYNC = "QRESYNC" }
        let name = cursor.next()?.atom()?;
        Ok(match key(name) {
            CONDSTORE => Self::CondStore,
            QRESYNC => Self::Qresync(Qresync::read(cursor)?),
            _ => Self::Unknown(Extension::read_value(name, cursor)?),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Qresync(known) => known.check(check),
            _ => Ok(()),
        }
    }
}

const NOT_KNOWN: &str = "`*` or `$` in a set that is known";

impl<'a> Qresync<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.spaced()?.inside()?;
        let node = inside.next()?;
        let Some(uid_validity) = NonZeroU32::new(node.number()?) else { return node.fail("UIDVALIDITY 0") };
        let modseq = ModSeq::of_node(&inside.spaced()?)?;
        let mut known_uids = None;
        if inside.peek().is_some_and(|token| token.kind() == Kind::Word) {
            known_uids = Some(SequenceSet::unchecked(&inside.spaced()?)?);
        }
        let mut sequence_match = None;
        if !inside.is_empty() {
            let mut pair = inside.spaced()?.inside()?;
            let numbers = SequenceSet::unchecked(&pair.next()?)?;
            sequence_match = Some((numbers, SequenceSet::unchecked(&pair.spaced()?)?));
            pair.end()?;
        }
        inside.end()?;
        Ok(Self { uid_validity, modseq, known_uids, sequence_match })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.sets().try_for_each(|set| {
            set.check(check, 0)?;
            if set.is_assigned() { Ok(()) } else { Err(InvalidMessage::new(NOT_KNOWN, 0)) }
        })
    }

    fn sets(&self) -> impl Iterator<Item = SequenceSet<'a>> {
        let (numbers, uids) = self.sequence_match.unzip();
        [self.known_uids, numbers, uids].into_iter().flatten()
    }
}

impl Encode for Select<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        if !self.parameters.is_empty() {
            out.raw(b" ");
            self.parameters.encode(out)?;
        }
        Ok(())
    }
}

impl Encode for SelectParameter<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::CondStore => {
                out.raw(b"CONDSTORE");
                Ok(())
            }
            Self::Qresync(known) => known.encode(out),
            Self::Unknown(extension) => extension.encode(out),
        }
    }
}

impl Encode for Qresync<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if !self.sets().all(|set| set.is_assigned()) {
            return Err(PeerIncompatible::Inexpressible(NOT_KNOWN));
        }
        out.raw(b"QRESYNC (");
        out.number(u64::from(self.uid_validity.get()));
        out.raw(b" ");
        self.modseq.encode(out)?;
        if let Some(uids) = &self.known_uids {
            out.raw(b" ");
            uids.encode(out)?;
        }
        if let Some((numbers, uids)) = &self.sequence_match {
            out.raw(b" (");
            numbers.encode(out)?;
            out.raw(b" ");
            uids.encode(out)?;
            out.raw(b")");
        }
        out.raw(b")");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Parser;

    #[test]
    fn malformed_parameters_are_refused() {
        for bad in [
            "()",
            "CONDSTORE",
            "(CONDSTORE)(X)",
            "(QRESYNC)",
            "(QRESYNC 1)",
            "(QRESYNC (0 1))",
            "(QRESYNC (1))",
            "(QRESYNC (1 9223372036854775808))",
            "(QRESYNC (1 2 *))",
            "(QRESYNC (1 2 $))",
            "(QRESYNC (1 2 3 (1 2:*)))",
            "(QRESYNC (1 2 3 (1)))",
            "(QRESYNC (1 2 3 (1 2 3)))",
            "(QRESYNC (1 2 3 (1 2) 4))",
            "(QRESYNC (1 2 3 4))",
        ] {
            let line = format!("a EXAMINE x {bad}");
            let empty = bad == "()";
            assert_eq!(Parser::new().command(line.as_bytes()).is_ok(), empty, "{bad}");
        }
    }
}
