//! FETCH, both ways (RFC 3501 6.4.5, 7.4.2): what a client asks of a message and what a server says of it.
//!
//! ```
//! use imap_proto::{BodyPart, FetchItem, Parser, PartKind, Response};
//! let mut parser = Parser::new();
//! let line = b"* 12 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" \"minutes\" \
//!     ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) NIL NIL NIL NIL NIL NIL \"<B27397@cac>\") \
//!     BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92))";
//! let Response::Fetch { message: 12, items } = parser.response(line)? else { panic!() };
//! for item in items.iter() {
//!     match item {
//!         FetchItem::Envelope(envelope) => {
//!             let from = envelope.value().unwrap().from.iter().next().unwrap();
//!             assert_eq!(from.host.unwrap(), "cac.washington.edu");
//!         }
//!         FetchItem::Body(body) => {
//!             let Some(BodyPart::Single(part)) = body.value() else { panic!() };
//!             assert_eq!((part.octets, part.kind), (3028, PartKind::Text { lines: 92 }));
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

mod attribute;
mod body;
mod envelope;
mod item;
mod modifier;
mod section;

pub use attribute::{Fetch, FetchAttribute, Partial, Peek, PreviewDelay};
pub use body::{
    BodyPart, CommonExtension, Disposition, MultiExtension, MultiPart, Parameter, PartKind, SingleExtension,
    SinglePart,
};
pub use envelope::{Address, Envelope};
pub use item::FetchItem;
pub use modifier::FetchModifier;
pub use section::{PartPath, Section, SectionText};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Names;
    use crate::quirks::{Check, Quirks};
    use crate::tape::{Cursor, Item};
    use crate::token::{Kind, Token};
    use crate::{Limits, Parser};

    /// What `pass` lets through, `read` reads, to the same place. So it is one level down, list by list.
    fn agree<'a, T: Item<'a>>(at: Cursor<'a>, what: &str) -> bool {
        let limits = Limits::default();
        let pass = |quirks| {
            let (mut passed, mut read) = (at, at);
            let good = T::pass(&mut passed, &Check::allowing(&limits, quirks, Names::ModifiedUtf7)).is_ok();
            if good {
                assert!(T::read(&mut read).is_ok(), "{what}");
                assert_eq!(read.tokens.len(), passed.tokens.len(), "{what}");
            }
            good
        };
        let tolerated = pass(Quirks::TOLERANT);
        let good = pass(Quirks::STRICT);
        assert!(tolerated || !good, "{what}");
        good
    }

    fn agree_on_all(frame: &[u8], tokens: &[Token]) -> [bool; 4] {
        let what = String::from_utf8_lossy(frame);
        let at = Cursor::new(frame, tokens);
        [
            agree::<Envelope<'_>>(at, &what),
            agree::<Address<'_>>(at, &what),
            agree::<BodyPart<'_>>(at, &what),
            agree::<Parameter<'_>>(at, &what),
        ]
    }

    #[test]
    fn what_was_checked_can_be_read_and_nothing_else_is_let_through() {
        let person = "(\"A\" NIL \"a\" \"x\")";
        let envelope =
            format!("(\"date\" NIL ({person}{person}) ({person}) NIL NIL NIL NIL \"r\" {{2}}\r\nid)");
        let text = "(\"TEXT\" \"PLAIN\" (\"C\" \"u\" \"F\" \"f\") NIL \"d\" \"7BIT\" 10 2 NIL (\"INLINE\" (\"F\" \"n\")) (\"de\" \"en\") \"loc\")";
        let message =
            format!("(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 10 {envelope} {text} 3 NIL NIL \"de\")");
        let multi = format!("({text}{message} \"MIXED\" (\"B\" \"b\") NIL NIL NIL)");
        for (sample, which) in [(&envelope, 0), (&person.to_owned(), 1), (&multi, 2), (&message, 2)] {
            // Every element in turn is left out, doubled, or another.
            let mut parser = Parser::new();
            let whole = format!("* X {sample}");
            let _ = parser.response(whole.as_bytes());
            let tokens = parser.tokens().to_vec();
            assert!(agree_on_all(whole.as_bytes(), &tokens[2..])[which], "{whole}");
            let mut refused = 0;
            let elements = tokens[2..].iter().filter(|token| token.kind() != Kind::List);
            for element in elements {
                let quotes = usize::from(matches!(element.kind(), Kind::Quoted));
                let (start, end) = (element.start() - quotes, element.start() + element.len() + quotes);
                for other in ["", "NIL", "\"s\"", "7", "word", "()", "(NIL)", "(\"a\" \"b\")", "NIL NIL"] {
                    let mutant = [&whole[..start], other, &whole[end..]].concat();
                    let _ = parser.response(mutant.as_bytes());
                    if let Some(tokens) = parser.tokens().get(2..) {
                        refused += usize::from(!agree_on_all(mutant.as_bytes(), tokens)[which]);
                    }
                }
            }
            assert!(refused > 10, "{sample}");
        }
    }
}
