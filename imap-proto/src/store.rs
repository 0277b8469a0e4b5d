//! STORE (RFC 3501 6.4.6).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::SettableFlag;
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::tape::{Cursor, List};
use crate::token::Kind;

/// `STORE 2:4 +FLAGS.SILENT (\Deleted)` or `UID STORE ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store<'a> {
    /// How the messages are numbered.
    pub numbering: Numbering,
    /// Which messages.
    pub messages: SequenceSet<'a>,
    /// What happens to the flags.
    pub action: StoreAction,
    /// Whether the new flags are told.
    pub answer: StoreAnswer,
    /// The flags.
    pub flags: List<'a, SettableFlag<'a>>,
}

/// What STORE does with its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreAction {
    /// `FLAGS`: they become the flags.
    Replace,
    /// `+FLAGS`.
    Add,
    /// `-FLAGS`.
    Remove,
}

/// Whether STORE is answered with the new flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreAnswer {
    /// By FETCH responses.
    Flags,
    /// `.SILENT`: not.
    Silent,
}

impl<'a> Store<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! {
            FLAGS = "FLAGS", ADD = "+FLAGS", REMOVE = "-FLAGS", FLAGS_SILENT = "FLAGS.SILENT",
            ADD_SILENT = "+FLAGS.SILENT", REMOVE_SILENT = "-FLAGS.SILENT",
        }
        let messages = SequenceSet::unchecked(&cursor.spaced()?)?;
        let item = cursor.spaced()?;
        let (action, answer) = match key(item.word()?) {
            FLAGS => (StoreAction::Replace, StoreAnswer::Flags),
            ADD => (StoreAction::Add, StoreAnswer::Flags),
            REMOVE => (StoreAction::Remove, StoreAnswer::Flags),
            FLAGS_SILENT => (StoreAction::Replace, StoreAnswer::Silent),
            ADD_SILENT => (StoreAction::Add, StoreAnswer::Silent),
            REMOVE_SILENT => (StoreAction::Remove, StoreAnswer::Silent),
            _ => return item.fail("unknown STORE item"),
        };
        let flags = match cursor.peek() {
            Some(token) if token.kind() == Kind::List => cursor.spaced()?.list()?,
            Some(token) if token.is_spaced() => cursor.rest(),
            _ => return cursor.fail("expected flags"),
        };
        Ok(Self { numbering, messages, action, answer, flags })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.messages.check(check, 0)?;
        self.flags.check(check)
    }
}

impl Encode for Store<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.messages.encode(out)?;
        out.raw(match self.action {
            StoreAction::Replace => b" FLAGS",
            StoreAction::Add => b" +FLAGS",
            StoreAction::Remove => b" -FLAGS",
        });
        if self.answer == StoreAnswer::Silent {
            out.raw(b".SILENT");
        }
        out.raw(b" ");
        self.flags.encode(out)
    }
}
