//! The labels of Gmail (X-GM-EXT-1, `X-GM-LABELS`).
//!
//! ```
//! use imap_proto::{FetchItem, Parser, Response};
//! let mut parser = Parser::new();
//! let line = b"* 1 FETCH (X-GM-LABELS (\\Inbox \\Sent Important \"Muy Importante\"))";
//! let Response::Fetch { items, .. } = parser.response(line)? else { panic!() };
//! let Some(FetchItem::GmailLabels(labels)) = items.iter().next() else { panic!() };
//! assert_eq!(labels.iter().filter(|label| label.is_system()).count(), 2);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::borrow::Cow;
use std::fmt;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::decode_modified_utf7;
use crate::string::IString;
use crate::tape::{Cursor, Item};
use crate::token::Kind;

/// A label: the name of a mailbox in modified UTF-7, or of the system's behind a backslash (`\Inbox`). Gmail quotes
/// either or not, as it likes; the spelling alone counts here.
///
/// ```
/// use imap_proto::{GmailLabel, IString};
/// let label = GmailLabel(IString::new("Entw&APw-rfe")?);
/// assert_eq!(label.to_utf8().as_deref(), Some("Entwürfe"));
/// assert!(GmailLabel(IString::new("\\Starred")?).is_system());
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GmailLabel<'a>(pub IString<'a>);

impl<'a> GmailLabel<'a> {
    /// True for the labels of the system: a backslash in front.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.bytes().next() == Some(b'\\')
    }

    /// The label as a human reads it; `None` if it is not modified UTF-7.
    #[must_use]
    pub fn to_utf8(&self) -> Option<Cow<'a, str>> {
        decode_modified_utf7(&self.0.to_bytes()).ok().map(Cow::Owned)
    }
}

impl fmt::Debug for GmailLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a> Item<'a> for GmailLabel<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        if node.token.kind() != Kind::Word {
            return node.string().map(Self);
        }
        let word = node.word()?;
        if chars::is_astring_atom(word.strip_prefix(b"\\").unwrap_or(word)) {
            Ok(Self(IString::plain(word)))
        } else {
            node.fail("expected a label")
        }
    }
}

impl Encode for GmailLabel<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if let Some(name) = self.0.as_plain().and_then(|spelling| spelling.strip_prefix(b"\\"))
            && chars::is_astring_atom(name)
        {
            out.raw(b"\\");
            out.raw(name);
            return Ok(());
        }
        out.astring(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::{FetchItem, Parser, Response};

    #[test]
    fn labels_are_the_same_in_quotes_and_without() {
        let frame = br#"* 1 FETCH (X-GM-LABELS (\Inbox "\\Sent" Important "Muy Importante" {2}"#;
        let frame = [frame, &b"\r\nab))"[..]].concat();
        let mut parser = Parser::new();
        let Response::Fetch { items, .. } = parser.response(&frame).unwrap() else { panic!() };
        let Some(FetchItem::GmailLabels(labels)) = items.iter().next() else { panic!("{items:?}") };
        let names: Vec<_> = labels.iter().map(|label| label.to_utf8().unwrap()).collect();
        assert_eq!(names, ["\\Inbox", "\\Sent", "Important", "Muy Importante", "ab"]);
        assert!(labels.iter().map(|label| label.is_system()).eq([true, true, false, false, false]));
    }
}
