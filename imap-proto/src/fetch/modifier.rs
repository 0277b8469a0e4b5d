//! The modifiers of FETCH: what stands in parentheses behind its attributes (RFC 4466 2.3, RFC 7162 3.1.4.1 and 3.2.6,
//! RFC 9394 3.3).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::modseq::ModSeq;
use crate::partial::PartialRange;
use crate::tape::{Cursor, Item};

/// One modifier. An unknown one makes the command malformed, as RFC 4466 wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchModifier {
    /// `CHANGEDSINCE n`: only messages whose mod-sequence is greater.
    ChangedSince(ModSeq),
    /// `VANISHED`: tell, too, which of the messages are gone. Only with `CHANGEDSINCE`, and behind `UID FETCH`.
    Vanished,
    /// `PARTIAL range`: only these of the messages named.
    Partial(PartialRange),
}

impl<'a> Item<'a> for FetchModifier {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! { CHANGEDSINCE = "CHANGEDSINCE", VANISHED = "VANISHED", PARTIAL = "PARTIAL" }
        let node = cursor.next()?;
        Ok(match key(node.word()?) {
            CHANGEDSINCE => Self::ChangedSince(ModSeq::of_change(&cursor.spaced()?)?),
            VANISHED => Self::Vanished,
            PARTIAL => Self::Partial(PartialRange::of_node(&cursor.spaced()?)?),
            _ => return node.fail("unknown FETCH modifier"),
        })
    }
}

impl Encode for FetchModifier {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::ChangedSince(modseq) if modseq.value() == 0 => {
                Err(PeerIncompatible::Inexpressible("CHANGEDSINCE 0"))
            }
            Self::ChangedSince(modseq) => {
                out.raw(b"CHANGEDSINCE ");
                modseq.encode(out)
            }
            Self::Vanished => {
                out.raw(b"VANISHED");
                Ok(())
            }
            Self::Partial(range) => {
                out.raw(b"PARTIAL ");
                range.encode(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Parser};

    #[test]
    fn modifiers_follow_the_attributes_in_either_form() {
        let mut parser = Parser::new();
        for (frame, attributes) in [
            ("a UID FETCH 1:* (FLAGS UID) (CHANGEDSINCE 12345 VANISHED)", 2),
            ("a UID FETCH 1:* FLAGS (CHANGEDSINCE 12345 VANISHED)", 1),
            ("a UID FETCH 1:* PREVIEW (CHANGEDSINCE 12345 VANISHED)", 1),
            ("a UID FETCH 1:* PREVIEW (LAZY) (CHANGEDSINCE 12345 VANISHED)", 1),
        ] {
            let Command::Fetch(fetch) = parser.command(frame.as_bytes()).unwrap().command else { panic!() };
            assert_eq!(fetch.attributes.iter().count(), attributes, "{frame}");
            let modifiers: Vec<_> = fetch.modifiers.iter().collect();
            let since = FetchModifier::ChangedSince(ModSeq::new(12345).unwrap());
            assert_eq!(modifiers, [since, FetchModifier::Vanished], "{frame}");
        }
    }

    #[test]
    fn modifiers_that_say_nothing_known_are_refused() {
        for bad in [
            "a FETCH 1 FLAGS ()",
            "a FETCH 1 FLAGS (FROB)",
            "a FETCH 1 FLAGS (CHANGEDSINCE)",
            "a FETCH 1 FLAGS (CHANGEDSINCE 0)",
            "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
            "a FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
            "a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
            "a UID FETCH 1 FLAGS (VANISHED)",
            "a FETCH 1 FLAGS (CHANGEDSINCE 1) (VANISHED)",
            "a FETCH 1 FLAGS(CHANGEDSINCE 1)",
            "a FETCH 1 FLAGS CHANGEDSINCE 1",
            "a FETCH 1 (PREVIEW (SOON))",
            "a FETCH 1 (PREVIEW ())",
        ] {
            assert!(Parser::new().command(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
