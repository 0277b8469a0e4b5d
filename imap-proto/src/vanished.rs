//! VANISHED: messages that are gone, by UID (RFC 7162 3.2.10).
//!
//! ```
//! use imap_proto::{Gone, Parser, Response};
//! let mut parser = Parser::new();
//! let Response::Vanished(vanished) = parser.response(b"* VANISHED 405,407,410,425")? else { panic!() };
//! assert_eq!(vanished.when, Gone::Now);
//! assert_eq!(vanished.uids.iter().count(), 4);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::tape::Cursor;
use crate::token::Kind;

/// `VANISHED [(EARLIER)] 300:310,405`. The set is one token however long it is, and is walked where it stands.
///
/// ```
/// use imap_proto::{Gone, Parser, Response};
/// let mut parser = Parser::new();
/// let Response::Vanished(vanished) = parser.response(b"* VANISHED (EARLIER) 41,43:116")? else { panic!() };
/// assert_eq!(vanished.when, Gone::Earlier);
/// assert!(vanished.uids.resolve(0).eq([41..=41, 43..=116]));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vanished<'a> {
    /// Whether the client's numbers shift.
    pub when: Gone,
    /// Which messages. Some may never have been there.
    pub uids: SequenceSet<'a>,
}

/// When messages vanished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gone {
    /// Just now: an EXPUNGE for each of them, message numbers and EXISTS among it.
    Now,
    /// `(EARLIER)`: before the mailbox was selected, so that no message number changes.
    Earlier,
}

impl<'a> Vanished<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut when = Gone::Now;
        if cursor.peek().is_some_and(|token| token.kind() == Kind::List) {
            let node = cursor.spaced()?;
            let mut inside = node.inside()?;
            if !inside.word()?.eq_ignore_ascii_case(b"EARLIER") {
                return node.fail("expected EARLIER");
            }
            inside.end()?;
            when = Gone::Earlier;
        }
        Ok(Self { when, uids: SequenceSet::unchecked(&cursor.spaced()?)? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.uids.check_assigned(check, 0)
    }
}

impl Encode for Vanished<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.when == Gone::Earlier {
            out.raw(b" (EARLIER)");
        }
        if !self.uids.is_assigned() {
            return Err(PeerIncompatible::Inexpressible("`*` or `$` in a result"));
        }
        out.raw(b" ");
        self.uids.encode(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Parser, Response};

    #[test]
    fn vanished_names_uids_and_nothing_else() {
        let mut parser = Parser::new();
        for bad in
            ["", " ", " (EARLIER)", " (LATER) 1", " (EARLIER 2) 1", " 1 2", " 1:*", " 0", " (EARLIER)1"]
        {
            let frame = format!("* VANISHED{bad}");
            assert!(matches!(parser.response(frame.as_bytes()), Ok(Response::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn a_vanished_set_is_as_long_as_its_frame() {
        // A limit here would make a client keep messages that are gone.
        let frame = format!("* VANISHED {}", vec!["7"; 20_000].join(","));
        let mut parser = Parser::new();
        let Ok(Response::Vanished(vanished)) = parser.response(frame.as_bytes()) else { panic!() };
        assert_eq!(vanished.uids.iter().count(), 20_000);
        assert!(parser.heap_bytes() < 1024);
    }
}
