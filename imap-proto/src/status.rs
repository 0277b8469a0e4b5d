//! STATUS: the command's items and the response's values.
//!
//! RFC 3501 6.3.10 and 7.2.4, RFC 9051 6.3.11, with HIGHESTMODSEQ (RFC 7162 3.1.7), APPENDLIMIT (RFC 7889 3.2), SIZE
//! (RFC 8438), MAILBOXID (RFC 8474 4.3), DELETED and DELETED-STORAGE (RFC 9208 4.1.4). Every value has the type that
//! its item has; items that are not known are kept with theirs.
//!
//! ```
//! use imap_proto::{ObjectId, Parser, Response, StatusValue};
//! let line = b"* STATUS foo (MESSAGES 231 SIZE 4294967296 APPENDLIMIT NIL MAILBOXID (F2212ea87))";
//! let mut parser = Parser::new();
//! let Response::MailboxStatus(status) = parser.response(line)? else { panic!() };
//! assert!(status.values.iter().eq([
//!     StatusValue::Messages(231),
//!     StatusValue::Size(1 << 32),
//!     StatusValue::AppendLimit(None),
//!     StatusValue::MailboxId(ObjectId::new("F2212ea87")?),
//! ]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::mailbox::MailboxName;
use crate::modseq::ModSeq;
use crate::object_id::ObjectId;
use crate::quirks::Check;
use crate::tape::{Cursor, Item, List};

/// What STATUS asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusItem<'a> {
    /// `MESSAGES`.
    Messages,
    /// `RECENT`; not in IMAP4rev2.
    Recent,
    /// `UIDNEXT`.
    UidNext,
    /// `UIDVALIDITY`.
    UidValidity,
    /// `UNSEEN`: the number of messages without `\Seen`.
    Unseen,
    /// `DELETED`: the number of messages with `\Deleted` (RFC 9051, RFC 9208).
    Deleted,
    /// `DELETED-STORAGE`: the bytes that an EXPUNGE would free (RFC 9208).
    DeletedStorage,
    /// `SIZE`: the bytes of all messages, or more (RFC 8438, RFC 9051).
    Size,
    /// `HIGHESTMODSEQ` (RFC 7162).
    HighestModSeq,
    /// `MAILBOXID` (RFC 8474).
    MailboxId,
    /// `APPENDLIMIT`: the bytes of the largest message that it takes (RFC 7889).
    AppendLimit,
    /// An item that is not known here, to be answered `BAD`.
    Unknown(Extension<'a>),
}

keys! {
    MESSAGES = "MESSAGES", RECENT = "RECENT", UIDNEXT = "UIDNEXT", UIDVALIDITY = "UIDVALIDITY", UNSEEN = "UNSEEN",
    DELETED = "DELETED", DELETED_STORAGE = "DELETED-STORAGE", SIZE = "SIZE", HIGHESTMODSEQ = "HIGHESTMODSEQ",
    MAILBOXID = "MAILBOXID", APPENDLIMIT = "APPENDLIMIT",
}

impl StatusItem<'static> {
    fn of_word(word: &[u8]) -> Option<Self> {
        Some(match key(word) {
            MESSAGES => Self::Messages,
            RECENT => Self::Recent,
            UIDNEXT => Self::UidNext,
            UIDVALIDITY => Self::UidValidity,
            UNSEEN => Self::Unseen,
            DELETED => Self::Deleted,
            DELETED_STORAGE => Self::DeletedStorage,
            SIZE => Self::Size,
            HIGHESTMODSEQ => Self::HighestModSeq,
            MAILBOXID => Self::MailboxId,
            APPENDLIMIT => Self::AppendLimit,
            _ => return None,
        })
    }
}

impl<'a> Item<'a> for StatusItem<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?.atom()?;
        match StatusItem::of_word(name) {
            Some(known) => Ok(known),
            None => Extension::new(name).map(Self::Unknown),
        }
    }
}

impl Encode for StatusItem<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(match self {
            Self::Messages => b"MESSAGES",
            Self::Recent => b"RECENT",
            Self::UidNext => b"UIDNEXT",
            Self::UidValidity => b"UIDVALIDITY",
            Self::Unseen => b"UNSEEN",
            Self::Deleted => b"DELETED",
            Self::DeletedStorage => b"DELETED-STORAGE",
            Self::Size => b"SIZE",
            Self::HighestModSeq => b"HIGHESTMODSEQ",
            Self::MailboxId => b"MAILBOXID",
            Self::AppendLimit => b"APPENDLIMIT",
            Self::Unknown(extension) => return extension.encode(out),
        });
        Ok(())
    }
}

/// A status item and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusValue<'a> {
    /// `MESSAGES`.
    Messages(u32),
    /// `RECENT`.
    Recent(u32),
    /// `UIDNEXT`.
    UidNext(u32),
    /// `UIDVALIDITY`.
    UidValidity(u32),
    /// `UNSEEN`: the number of messages without `\Seen`.
    Unseen(u32),
    /// `DELETED`: the number of messages with `\Deleted`.
    Deleted(u32),
    /// `DELETED-STORAGE`, in bytes.
    DeletedStorage(u64),
    /// `SIZE`, in bytes.
    Size(u64),
    /// `HIGHESTMODSEQ`; 0 for a mailbox that has no mod-sequences.
    HighestModSeq(ModSeq),
    /// `MAILBOXID`.
    MailboxId(ObjectId<'a>),
    /// `APPENDLIMIT`, in bytes; `None` for `NIL`: it has no limit of its own.
    AppendLimit(Option<u64>),
    /// Another item with its value.
    Unknown(Extension<'a>),
}

impl<'a> StatusValue<'a> {
    /// Of which item it is.
    #[must_use]
    pub fn item(&self) -> StatusItem<'a> {
        match self {
            Self::Messages(_) => StatusItem::Messages,
            Self::Recent(_) => StatusItem::Recent,
            Self::UidNext(_) => StatusItem::UidNext,
            Self::UidValidity(_) => StatusItem::UidValidity,
            Self::Unseen(_) => StatusItem::Unseen,
            Self::Deleted(_) => StatusItem::Deleted,
            Self::DeletedStorage(_) => StatusItem::DeletedStorage,
            Self::Size(_) => StatusItem::Size,
            Self::HighestModSeq(_) => StatusItem::HighestModSeq,
            Self::MailboxId(_) => StatusItem::MailboxId,
            Self::AppendLimit(_) => StatusItem::AppendLimit,
            Self::Unknown(extension) => StatusItem::Unknown(extension.without_value()),
        }
    }
}

impl<'a> Item<'a> for StatusValue<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        let Some(item) = StatusItem::of_word(node.word()?) else {
            return Extension::read_pair(&node, cursor).map(Self::Unknown);
        };
        let value = cursor.spaced()?;
        Ok(match item {
            StatusItem::Messages => Self::Messages(value.number()?),
            StatusItem::Recent => Self::Recent(value.number()?),
            StatusItem::UidNext => Self::UidNext(value.number()?),
            StatusItem::UidValidity => Self::UidValidity(value.number()?),
            StatusItem::Unseen => Self::Unseen(value.number()?),
            StatusItem::Deleted => Self::Deleted(value.number()?),
            StatusItem::DeletedStorage => Self::DeletedStorage(value.number64()?),
            StatusItem::Size => Self::Size(value.number64()?),
            StatusItem::HighestModSeq => Self::HighestModSeq(ModSeq::of_node(&value)?),
            StatusItem::MailboxId => Self::MailboxId(ObjectId::of_list(&value)?),
            StatusItem::AppendLimit if value.is_nil() => Self::AppendLimit(None),
            StatusItem::AppendLimit => Self::AppendLimit(Some(value.number64()?)),
            StatusItem::Unknown(_) => return value.fail("unknown status item"),
        })
    }
}

impl Encode for StatusValue<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if let Self::Unknown(extension) = self {
            return match extension.value() {
                None => Err(PeerIncompatible::Inexpressible("status item without a value")),
                Some(_) => extension.encode(out),
            };
        }
        self.item().encode(out)?;
        out.raw(b" ");
        match self {
            Self::Messages(number)
            | Self::Recent(number)
            | Self::UidNext(number)
            | Self::UidValidity(number)
            | Self::Unseen(number)
            | Self::Deleted(number) => out.number(u64::from(*number)),
            Self::DeletedStorage(bytes) | Self::Size(bytes) | Self::AppendLimit(Some(bytes)) => {
                return out.number64(*bytes);
            }
            Self::HighestModSeq(modseq) => return modseq.encode(out),
            Self::MailboxId(id) => {
                out.raw(b"(");
                id.encode(out)?;
                out.raw(b")");
            }
            Self::AppendLimit(None) => out.raw(b"NIL"),
            Self::Unknown(_) => {}
        }
        Ok(())
    }
}

/// The STATUS command: `STATUS blurdybloop (UIDNEXT MESSAGES)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusQuery<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// What is asked.
    pub items: List<'a, StatusItem<'a>>,
}

impl<'a> StatusQuery<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, items: cursor.spaced()?.list()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.items.check_some(check)
    }
}

/// The STATUS response: `STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxStatus<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The values.
    pub values: List<'a, StatusValue<'a>>,
}

impl<'a> MailboxStatus<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, values: cursor.spaced()?.list()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.values.check(check)
    }
}

impl Encode for StatusQuery<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.items.encode_filled(out)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Literals, Parser, Response};

    fn values<R>(values: &str, look: impl FnOnce(Option<Vec<StatusValue<'_>>>) -> R) -> R {
        let line = format!("* STATUS x ({values})");
        match Parser::new().response(line.as_bytes()).unwrap() {
            Response::MailboxStatus(status) => look(Some(status.values.iter().collect())),
            _ => look(None),
        }
    }

    #[test]
    fn numbers_have_the_range_of_their_item() {
        for (item, largest) in [
            ("MESSAGES", u64::from(u32::MAX)),
            ("DELETED", u64::from(u32::MAX)),
            ("SIZE", i64::MAX as u64),
            ("DELETED-STORAGE", i64::MAX as u64),
            ("HIGHESTMODSEQ", i64::MAX as u64),
            ("APPENDLIMIT", i64::MAX as u64),
        ] {
            values(&format!("{item} {largest}"), |read| assert!(read.is_some(), "{item}"));
            values(&format!("{item} {}", largest + 1), |read| assert!(read.is_none(), "{item}"));
        }
        for bad in [
            "SIZE NIL",
            "MAILBOXID x",
            "MAILBOXID ()",
            "MAILBOXID (a b)",
            "MAILBOXID (a.b)",
            "X",
            "X {1}\r\na",
        ] {
            values(bad, |read| assert!(read.is_none(), "{bad}"));
        }
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, Literals::Server);
        assert!(StatusValue::Size(1 << 63).encode(&mut encoder).is_err());
    }

    #[test]
    fn unknown_items_are_kept_with_their_values() {
        values("X-A (b \"c)\") UNSEEN 2 X-B 7 ANNOTATIONS \"q\"", |read| {
            let read = read.unwrap();
            let [
                StatusValue::Unknown(a),
                StatusValue::Unseen(2),
                StatusValue::Unknown(b),
                StatusValue::Unknown(c),
            ] = read[..]
            else {
                panic!("{read:?}")
            };
            assert_eq!((a.name(), a.value()), (&b"X-A"[..], Some(&b"(b \"c)\")"[..])));
            assert_eq!((b.value(), c.value()), (Some(&b"7"[..]), Some(&b"\"q\""[..])));
            assert_eq!(read[0].item(), StatusItem::Unknown(Extension::new("x-a").unwrap()));
            let mut out = Vec::new();
            List::of(&read).encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
            assert_eq!(out, b"(X-A (b \"c)\") UNSEEN 2 X-B 7 ANNOTATIONS \"q\")");
        });
    }

    #[test]
    fn a_query_asks_for_something() {
        let mut parser = Parser::new();
        assert!(parser.command(b"a STATUS x ()").is_err());
        let Command::Status(query) = parser.command(b"a STATUS x (Size X-Y)").unwrap().command else {
            panic!()
        };
        assert!(
            query.items.iter().eq([StatusItem::Size, StatusItem::Unknown(Extension::new("X-Y").unwrap())])
        );
    }
}
