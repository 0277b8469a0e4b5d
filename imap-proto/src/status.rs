//! STATUS: the command's items and the response's values (RFC 3501 6.3.10, 7.2.4).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::tape::{Cursor, Item, List};
use crate::token::Span;

/// What STATUS asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusItem {
    /// `MESSAGES`.
    Messages,
    /// `RECENT`.
    Recent,
    /// `UIDNEXT`.
    UidNext,
    /// `UIDVALIDITY`.
    UidValidity,
    /// `UNSEEN`.
    Unseen,
}

impl StatusItem {
    fn of_word(word: &[u8]) -> Option<Self> {
        keys! {
            MESSAGES = "MESSAGES", RECENT = "RECENT", UIDNEXT = "UIDNEXT", UIDVALIDITY = "UIDVALIDITY",
            UNSEEN = "UNSEEN",
        }
        Some(match key(word) {
            MESSAGES => Self::Messages,
            RECENT => Self::Recent,
            UIDNEXT => Self::UidNext,
            UIDVALIDITY => Self::UidValidity,
            UNSEEN => Self::Unseen,
            _ => return None,
        })
    }

    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Messages => b"MESSAGES",
            Self::Recent => b"RECENT",
            Self::UidNext => b"UIDNEXT",
            Self::UidValidity => b"UIDVALIDITY",
            Self::Unseen => b"UNSEEN",
        }
    }
}

impl<'a> Item<'a> for StatusItem {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("unknown status item"), Ok)
    }
}

impl Encode for StatusItem {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_bytes());
        Ok(())
    }
}

/// A status item and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusValue {
    /// A known item.
    Known(StatusItem, u64),
    /// Another item with its value.
    Unknown(Span),
}

impl<'a> Item<'a> for StatusValue {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?;
        let value = cursor.spaced()?;
        let Some(item) = StatusItem::of_word(name.word()?) else {
            let start = name.token.start();
            return Ok(Self::Unknown(Span { start, len: value.end().saturating_sub(start) }));
        };
        value.number().map(|number| Self::Known(item, number))
    }
}

impl Encode for StatusValue {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Known(item, value) => {
                out.raw(item.as_bytes());
                out.raw(b" ");
                out.number(*value);
                Ok(())
            }
            Self::Unknown(_) => Err(PeerIncompatible::Inexpressible("unknown status item")),
        }
    }
}

/// The STATUS command: `STATUS blurdybloop (UIDNEXT MESSAGES)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusQuery<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// What is asked.
    pub items: List<'a, StatusItem>,
}

impl<'a> StatusQuery<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, items: cursor.spaced()?.list()? })
    }
}

/// The STATUS response: `STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxStatus<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The values.
    pub values: List<'a, StatusValue>,
}

impl<'a> MailboxStatus<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, values: cursor.spaced()?.list()? })
    }
}

impl Encode for StatusQuery<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.items.encode(out)
    }
}

impl Encode for MailboxStatus<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.values.encode(out)
    }
}
