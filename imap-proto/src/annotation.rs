//! Annotations as servers had them before METADATA: GETANNOTATION, SETANNOTATION and ANNOTATION
//! (draft-daboo-imap-annotatemore-05). Front-ends of a Cyrus murder ask its back-ends so.
//!
//! Entries and attributes may hold `*` and `%` where they ask. An attribute is `value.shared`, `size.priv` and the
//! like.
//!
//! ```
//! use imap_proto::{Command, Parser};
//! let mut parser = Parser::new();
//! let line = b"a GETANNOTATION INBOX /comment (\"value.priv\" \"value.shared\")";
//! let Command::GetAnnotation(get) = parser.command(line)?.command else { panic!() };
//! assert_eq!(get.entries.iter().count(), 1);
//! assert_eq!(get.attributes.iter().count(), 2);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::{ListPattern, MailboxName};
use crate::metadata::MetadataEntry;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// `GETANNOTATION mailboxes entries attributes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAnnotation<'a> {
    /// Of which mailboxes; the empty one is the server.
    pub mailboxes: ListPattern<'a>,
    /// Which entries; never none.
    pub entries: List<'a, IString<'a>>,
    /// Which attributes of them. Cyrus's front-end leaves them out by mistake, and its back-end answers that `BAD`.
    pub attributes: List<'a, IString<'a>>,
}

/// `SETANNOTATION mailboxes entry (attribute value ...)`, and the same of several entries in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAnnotation<'a> {
    /// Of which mailboxes; the empty one is the server.
    pub mailboxes: ListPattern<'a>,
    /// What is set; never nothing.
    pub entries: List<'a, Annotation<'a>>,
}

/// An entry with its attributes and their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// The entry.
    pub entry: IString<'a>,
    /// Its attributes.
    pub attributes: List<'a, MetadataEntry<'a>>,
}

/// `* ANNOTATION mailbox ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations<'a> {
    /// The mailbox; the empty one is the server.
    pub mailbox: MailboxName<'a>,
    /// What is told of its entries.
    pub entries: AnnotationEntries<'a>,
}

/// The entries of an ANNOTATION response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationEntries<'a> {
    /// `entry (attribute value ...) ...`: what was asked for.
    Values(List<'a, Annotation<'a>>),
    /// `(entry ...)`: these have changed.
    Changed(List<'a, IString<'a>>),
}

impl<'a> GetAnnotation<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailboxes = ListPattern::of_node(&cursor.spaced()?)?;
        let entries = cursor.one_or_list()?;
        let attributes = if cursor.is_empty() { List::of(&[]) } else { cursor.one_or_list()? };
        Ok(Self { mailboxes, entries, attributes })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailboxes.check(check)?;
        self.entries.check_some(check)?;
        self.attributes.check(check)
    }
}

impl<'a> SetAnnotation<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailboxes = ListPattern::of_node(&cursor.spaced()?)?;
        let entries = if cursor.at_list() {
            cursor.spaced()?.list()?
        } else {
            let before = *cursor;
            // An entry and its attributes.
            cursor.spaced()?;
            cursor.spaced()?;
            before.up_to(cursor).rest()
        };
        Ok(Self { mailboxes, entries })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailboxes.check(check)?;
        self.entries.check_some(check)
    }
}

impl<'a> Annotations<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::of_node(&cursor.spaced()?)?;
        let entries = if cursor.at_list() {
            AnnotationEntries::Changed(cursor.spaced()?.list()?)
        } else {
            AnnotationEntries::Values(cursor.spaced_rest()?)
        };
        Ok(Self { mailbox, entries })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        match &self.entries {
            AnnotationEntries::Values(entries) => entries.check(check),
            AnnotationEntries::Changed(entries) => entries.check_some(check),
        }
    }
}

impl<'a> Item<'a> for Annotation<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { entry: cursor.next()?.astring()?, attributes: cursor.spaced()?.list()? })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.attributes.check_some(check)
    }
}

impl Encode for Annotation<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.string(&self.entry)?;
        out.raw(b" ");
        self.attributes.encode_filled(out)
    }
}

/// One by itself, several in parentheses.
fn encode_entries<'a, S: Sink, T: Item<'a> + Encode>(
    entries: &List<'a, T>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    out.raw(b" ");
    if entries.iter().nth(1).is_some() || entries.is_empty() {
        return entries.encode_filled(out);
    }
    entries.encode_bare(out)
}

impl Encode for GetAnnotation<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailboxes.encode(out)?;
        encode_entries(&self.entries, out)?;
        if self.attributes.is_empty() { Ok(()) } else { encode_entries(&self.attributes, out) }
    }
}

impl Encode for SetAnnotation<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailboxes.encode(out)?;
        encode_entries(&self.entries, out)
    }
}

impl Encode for Annotations<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        match &self.entries {
            AnnotationEntries::Values(entries) if entries.is_empty() => {
                Err(PeerIncompatible::Inexpressible("ANNOTATION without entries"))
            }
            AnnotationEntries::Values(entries) => entries.encode_bare(out),
            AnnotationEntries::Changed(entries) => entries.encode_filled(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Data, Literals, Parser, Response};

    #[test]
    fn one_entry_or_several_are_set_and_told() {
        let mut parser = Parser::new();
        for (line, count) in [
            ("a SETANNOTATION INBOX \"/comment\" (\"value.priv\" NIL)", 1),
            ("a SETANNOTATION Work* (\"/a\" (\"value.priv\" \"x\") \"/b\" (\"value.shared\" \"y\"))", 2),
        ] {
            let Command::SetAnnotation(set) = parser.command(line.as_bytes()).unwrap().command else {
                panic!()
            };
            assert_eq!(set.entries.iter().count(), count, "{line}");
            let mut out = Vec::new();
            set.encode(&mut Encoder::new(&mut out, Literals::NonSync)).unwrap();
            assert_eq!(
                parser.command(&[b"a SETANNOTATION", &out[..]].concat()).unwrap().command.verb(),
                Some(crate::Verb::SetAnnotation)
            );
        }
        let line =
            b"* ANNOTATION \"INBOX\" \"/comment\" (\"value.priv\" \"My comment\" \"size.priv\" \"10\")";
        let Response::Annotation(told) = parser.response(line).unwrap() else { panic!() };
        let AnnotationEntries::Values(entries) = told.entries else { panic!() };
        let annotation = entries.iter().next().unwrap();
        assert_eq!(annotation.entry, "/comment");
        assert_eq!(annotation.attributes.iter().nth(1).unwrap().value, Data::inline(b"10"));
        let Response::Annotation(told) = parser.response(b"* ANNOTATION \"\" (\"/comment\")").unwrap() else {
            panic!()
        };
        assert!(matches!(told.entries, AnnotationEntries::Changed(_)));
        for bad in ["GETANNOTATION x", "GETANNOTATION x ()", "SETANNOTATION x /a", "SETANNOTATION x /a ()"] {
            assert!(parser.command(format!("a {bad}").as_bytes()).is_err(), "{bad}");
        }
    }
}
