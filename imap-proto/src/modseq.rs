//! Mod-sequences (RFC 7162 3.1): the number that every change of a mailbox raises.
//!
//! ```
//! use imap_proto::{FetchItem, ModSeq, Parser, Response};
//! let mut parser = Parser::new();
//! let Response::Fetch { items, .. } = parser.response(b"* 1 FETCH (MODSEQ (624140003))")? else { panic!() };
//! assert!(items.iter().eq([FetchItem::ModSeq(ModSeq::new(624_140_003).unwrap())]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::tape::Node;

/// A mod-sequence: a number of 63 bits (RFC 7162 7). 0 means "before any change", and no message has it.
///
/// ```
/// use imap_proto::ModSeq;
/// assert!(ModSeq::new(0) < ModSeq::new(715_194_045_007));
/// assert_eq!(ModSeq::new(1 << 63), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModSeq(u64);

impl ModSeq {
    /// The largest one.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// `None` above 63 bits.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// `mod-sequence-valzer`.
    pub(crate) fn of_node(node: &Node<'_>) -> Result<Self, InvalidMessage> {
        match Self::new(node.number()?) {
            Some(modseq) => Ok(modseq),
            None => node.fail("mod-sequence above 63 bits"),
        }
    }

    /// `mod-sequence-value`: not 0.
    pub(crate) fn of_change(node: &Node<'_>) -> Result<Self, InvalidMessage> {
        match Self::of_node(node)? {
            Self(0) => node.fail("mod-sequence 0"),
            modseq => Ok(modseq),
        }
    }
}

impl Encode for ModSeq {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.number(self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mod_sequence_has_63_bits() {
        assert_eq!(ModSeq::new(i64::MAX as u64), Some(ModSeq::MAX));
        assert_eq!(ModSeq::new(i64::MAX as u64 + 1), None);
    }
}
