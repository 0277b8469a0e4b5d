//! APPEND (RFC 3501 6.3.11).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::date::DateTime;
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::SettableFlag;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::Data;
use crate::tape::{Cursor, List};
use crate::token::Kind;

/// `APPEND mailbox [(flags)] ["date"] {n}`.
///
/// The frame up to the announcement is a complete command already if the literal is named as a hole: that is how an
/// owner sees what is to be appended before a byte of it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append<'a> {
    /// Where to.
    pub mailbox: MailboxName<'a>,
    /// The flags it shall have.
    pub flags: List<'a, SettableFlag<'a>>,
    /// Its internal date; now, if none is given.
    pub date: Option<DateTime>,
    /// The message; never `Nil`.
    pub message: Data<'a>,
}

impl<'a> Append<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        let mut flags = List::of(&[]);
        if cursor.peek().is_some_and(|token| token.kind() == Kind::List) {
            flags = cursor.spaced()?.list()?;
        }
        let mut date = None;
        let mut node = cursor.spaced()?;
        if matches!(node.token.kind(), Kind::Quoted | Kind::QuotedEscaped) {
            date = match DateTime::of_string(&node.string()?) {
                Some(date) => Some(date),
                None => return node.fail("malformed date-time"),
            };
            node = cursor.spaced()?;
        }
        match node.token.kind() {
            Kind::Literal | Kind::Hole => Ok(Self { mailbox, flags, date, message: Data::of_node(&node)? }),
            _ => node.fail("expected a literal"),
        }
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.flags.check(check)
    }
}

impl Encode for Append<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        if !self.flags.is_empty() {
            out.raw(b" ");
            self.flags.encode(out)?;
        }
        if let Some(date) = &self.date {
            out.raw(b" ");
            date.encode(out)?;
        }
        if self.message == Data::Nil {
            return Err(PeerIncompatible::Inexpressible("APPEND without a message"));
        }
        out.raw(b" ");
        self.message.encode(out)
    }
}
