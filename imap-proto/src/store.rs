//! STORE (RFC 3501 6.4.6; RFC 7162 3.1.3; X-GM-EXT-1).
//!
//! ```
//! use imap_proto::{Command, ModSeq, Parser, StoreAction};
//! let mut parser = Parser::new();
//! let frame = b"a UID STORE 6 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)";
//! let Command::Store(store) = parser.command(frame)?.command else { panic!() };
//! assert_eq!((store.unchanged_since, store.action), (ModSeq::new(12_121_230_045), StoreAction::Add));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::SettableFlag;
use crate::label::GmailLabel;
use crate::modseq::ModSeq;
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// `STORE 2:4 +FLAGS.SILENT (\Deleted)` or `UID STORE ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store<'a> {
    /// How the messages are numbered.
    pub numbering: Numbering,
    /// Which messages.
    pub messages: SequenceSet<'a>,
    /// `(UNCHANGEDSINCE n)`: only those whose mod-sequence is not greater.
    pub unchanged_since: Option<ModSeq>,
    /// What happens to the flags or labels.
    pub action: StoreAction,
    /// Whether the new ones are told.
    pub answer: StoreAnswer,
    /// The flags or labels.
    pub data: StoreData<'a>,
}

/// What STORE changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreData<'a> {
    /// `FLAGS`.
    Flags(List<'a, SettableFlag<'a>>),
    /// `X-GM-LABELS`.
    GmailLabels(List<'a, GmailLabel<'a>>),
}

/// What STORE does with its flags or labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreAction {
    /// `FLAGS`: there are no others after it.
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
        let messages = SequenceSet::unchecked(&cursor.spaced()?)?;
        let mut unchanged_since = None;
        if cursor.peek().is_some_and(|token| token.kind() == Kind::List) {
            let node = cursor.spaced()?;
            let mut inside = node.inside()?;
            if !inside.word()?.eq_ignore_ascii_case(b"UNCHANGEDSINCE") {
                return node.fail("unknown STORE modifier");
            }
            unchanged_since = Some(ModSeq::of_node(&inside.spaced()?)?);
            inside.end()?;
        }
        let item = cursor.spaced()?;
        let (action, word) = match item.word()? {
            [b'+', word @ ..] => (StoreAction::Add, word),
            [b'-', word @ ..] => (StoreAction::Remove, word),
            word => (StoreAction::Replace, word),
        };
        keys! {
            FLAGS = "FLAGS", FLAGS_SILENT = "FLAGS.SILENT", LABELS = "X-GM-LABELS",
        }
        let (data, answer) = match key(word) {
            FLAGS => (StoreData::Flags(list(cursor)?), StoreAnswer::Flags),
            FLAGS_SILENT => (StoreData::Flags(list(cursor)?), StoreAnswer::Silent),
            LABELS => (StoreData::GmailLabels(list(cursor)?), StoreAnswer::Flags),
            _ if word.eq_ignore_ascii_case(b"X-GM-LABELS.SILENT") => {
                (StoreData::GmailLabels(list(cursor)?), StoreAnswer::Silent)
            }
            _ => return item.fail("unknown STORE item"),
        };
        Ok(Self { numbering, messages, unchanged_since, action, answer, data })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.messages.check(check, 0)?;
        match self.data {
            StoreData::Flags(flags) => flags.check(check),
            StoreData::GmailLabels(labels) => labels.check(check),
        }
    }
}

/// Flags or labels, in parentheses or bare.
fn list<'a, T: Item<'a>>(cursor: &mut Cursor<'a>) -> Result<List<'a, T>, InvalidMessage> {
    match cursor.peek() {
        Some(token) if token.kind() == Kind::List => cursor.spaced()?.list(),
        Some(token) if token.is_spaced() => Ok(cursor.rest()),
        _ => cursor.fail("expected flags"),
    }
}

impl Encode for Store<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.messages.encode(out)?;
        if let Some(modseq) = &self.unchanged_since {
            out.raw(b" (UNCHANGEDSINCE ");
            modseq.encode(out)?;
            out.raw(b")");
        }
        out.raw(match self.action {
            StoreAction::Replace => b" ",
            StoreAction::Add => b" +",
            StoreAction::Remove => b" -",
        });
        out.raw(match self.data {
            StoreData::Flags(_) => b"FLAGS",
            StoreData::GmailLabels(_) => b"X-GM-LABELS",
        });
        if self.answer == StoreAnswer::Silent {
            out.raw(b".SILENT");
        }
        out.raw(b" ");
        match &self.data {
            StoreData::Flags(flags) => flags.encode(out),
            StoreData::GmailLabels(labels) => labels.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Command, Parser, StoreData};

    #[test]
    fn gmail_labels_are_stored_like_flags() {
        let mut parser = Parser::new();
        for frame in
            ["a STORE 1 +X-GM-LABELS (foo \\Inbox \"two words\")", "a STORE 1 -x-gm-labels foo \\Inbox x"]
        {
            let Command::Store(store) = parser.command(frame.as_bytes()).unwrap().command else { panic!() };
            let StoreData::GmailLabels(labels) = store.data else { panic!("{frame}") };
            assert_eq!(labels.iter().count(), 3, "{frame}");
        }
    }

    #[test]
    fn a_store_modifier_that_is_not_known_is_refused() {
        for bad in [
            "a STORE 1 () FLAGS ()",
            "a STORE 1 (FROB) FLAGS ()",
            "a STORE 1 (UNCHANGEDSINCE) FLAGS ()",
            "a STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
            "a STORE 1 (UNCHANGEDSINCE 1 2) FLAGS ()",
            "a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()",
            "a STORE 1 (UNCHANGEDSINCE 1)(UNCHANGEDSINCE 1) FLAGS ()",
            "a STORE 1 ++FLAGS ()",
            "a STORE 1 X-GM-LABELS.LOUD ()",
        ] {
            assert!(Parser::new().command(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Parser::new().command(b"a STORE 1 (UNCHANGEDSINCE 0) FLAGS ()").is_ok());
    }
}
