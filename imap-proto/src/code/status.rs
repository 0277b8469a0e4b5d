//! What goes before the text of a reply: OK, NO, BAD, PREAUTH, BYE.

use mail_wire::{InvalidMessage, PeerIncompatible};

use super::Code;
use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::string::Text;
use crate::tape::Cursor;
use crate::token::Kind;

/// The word of a status response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `OK`.
    Ok,
    /// `NO`: the operation failed.
    No,
    /// `BAD`: not understood.
    Bad,
    /// `PREAUTH`: a greeting that needs no login.
    PreAuth,
    /// `BYE`: the server is about to close.
    Bye,
}

impl Condition {
    pub(crate) fn of_word(word: &[u8]) -> Option<Self> {
        keys! { OK = "OK", NO = "NO", BAD = "BAD", PREAUTH = "PREAUTH", BYE = "BYE" }
        Some(match key(word) {
            OK => Self::Ok,
            NO => Self::No,
            BAD => Self::Bad,
            PREAUTH => Self::PreAuth,
            BYE => Self::Bye,
            _ => return None,
        })
    }

    /// True for what may end a command.
    #[must_use]
    pub fn is_tagged(self) -> bool {
        matches!(self, Self::Ok | Self::No | Self::Bad)
    }

    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Ok => b"OK",
            Self::No => b"NO",
            Self::Bad => b"BAD",
            Self::PreAuth => b"PREAUTH",
            Self::Bye => b"BYE",
        }
    }
}

/// A status response without its tag.
///
/// ```
/// use imap_proto::{Code, Encode, Encoder, Literals, Status};
/// let mut out = Vec::new();
/// let status = Status::no("no such mailbox").with_code(Code::TryCreate);
/// status.encode(&mut Encoder::new(&mut out, Literals::Server))?;
/// assert_eq!(out, b"NO [TRYCREATE] no such mailbox");
/// # Ok::<(), imap_proto::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// The word.
    pub condition: Condition,
    /// What stands in brackets.
    pub code: Option<Code<'a>>,
    /// The text for a human.
    pub text: Text<'a>,
}

impl<'a> Status<'a> {
    /// A status with this text and no code.
    #[must_use]
    pub fn new(condition: Condition, text: Text<'a>) -> Self {
        Self { condition, code: None, text }
    }

    /// `OK` with constant text.
    #[must_use]
    pub fn ok(text: &'static str) -> Self {
        Self::new(Condition::Ok, text.into())
    }

    /// `NO` with constant text.
    #[must_use]
    pub fn no(text: &'static str) -> Self {
        Self::new(Condition::No, text.into())
    }

    /// `BAD` with constant text.
    #[must_use]
    pub fn bad(text: &'static str) -> Self {
        Self::new(Condition::Bad, text.into())
    }

    /// `BYE` with constant text.
    #[must_use]
    pub fn bye(text: &'static str) -> Self {
        Self::new(Condition::Bye, text.into())
    }

    /// `PREAUTH` with constant text.
    #[must_use]
    pub fn pre_auth(text: &'static str) -> Self {
        Self::new(Condition::PreAuth, text.into())
    }

    /// The same with a code.
    #[must_use]
    pub fn with_code(self, code: Code<'a>) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let word = cursor.spaced()?;
        let Some(condition) = Condition::of_word(word.word()?) else {
            return word.fail("expected OK, NO, BAD, PREAUTH or BYE");
        };
        let code = match cursor.peek().map(|token| token.kind()) {
            Some(Kind::List) => Some(Code::read_bracketed(cursor)?),
            _ => None,
        };
        Ok(Self { condition, code, text: Text::of_wire(cursor.next()?.text()?) })
    }
}

impl Encode for Status<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.condition.as_bytes());
        out.raw(b" ");
        if let Some(code) = &self.code {
            out.raw(b"[");
            code.encode(out)?;
            out.raw(b"] ");
        } else if self.text.as_bytes().starts_with(b"[") {
            // Would be read as a code.
            out.raw(b" ");
        }
        self.text.encode(out)
    }
}
