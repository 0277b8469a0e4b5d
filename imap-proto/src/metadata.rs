//! Annotations of mailboxes and of the server: GETMETADATA, SETMETADATA and METADATA (RFC 5464).
//!
//! The empty mailbox name is the server. Entries are paths such as `/shared/comment`, without regard to case.
//!
//! ```
//! use imap_proto::{Command, GetMetadata, MetadataOption, Parser};
//! let mut parser = Parser::new();
//! let line = b"a GETMETADATA (MAXSIZE 1024) INBOX (/shared/comment /private/comment)";
//! let Command::GetMetadata(GetMetadata { mailbox, options, entries }) = parser.command(line)?.command else {
//!     panic!()
//! };
//! assert!(mailbox.is_inbox());
//! assert_eq!(options.iter().next(), Some(MetadataOption::MaxSize(1024)));
//! assert_eq!(entries.iter().count(), 2);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::{Data, IString};
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// `GETMETADATA [(options)] mailbox entries`. Options behind the mailbox, where the examples of the RFC have them, are
/// read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetMetadata<'a> {
    /// The mailbox, or the server.
    pub mailbox: MailboxName<'a>,
    /// How much is wanted; mostly nothing.
    pub options: List<'a, MetadataOption<'a>>,
    /// Which entries; never none.
    pub entries: List<'a, IString<'a>>,
}

/// An option of GETMETADATA (RFC 5464 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataOption<'a> {
    /// `MAXSIZE`: values up to this many bytes.
    MaxSize(u32),
    /// `DEPTH`: entries below those that are named.
    Depth(MetadataDepth),
    /// An option that is not known here, to be answered `BAD`.
    Unknown(Extension<'a>),
}

/// How far below an entry (RFC 5464 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetadataDepth {
    /// `0`: the entry alone.
    Zero,
    /// `1`: and those right below it.
    One,
    /// `infinity`: and all below it.
    Infinity,
}

/// `SETMETADATA mailbox (entry value ...)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMetadata<'a> {
    /// The mailbox, or the server.
    pub mailbox: MailboxName<'a>,
    /// What is set; never nothing.
    pub entries: List<'a, MetadataEntry<'a>>,
}

/// An entry and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataEntry<'a> {
    /// Its name.
    pub name: IString<'a>,
    /// Its value; `Nil` removes it, or says that there is none.
    pub value: Data<'a>,
}

/// `* METADATA mailbox ...` (RFC 5464 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The mailbox, or the server.
    pub mailbox: MailboxName<'a>,
    /// What is told of its entries.
    pub entries: MetadataEntries<'a>,
}

/// The entries of a METADATA response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataEntries<'a> {
    /// `(entry value ...)`: what was asked for.
    Values(List<'a, MetadataEntry<'a>>),
    /// `entry ...`: these have changed.
    Changed(List<'a, IString<'a>>),
}

/// One by itself, several in parentheses.
fn encode_entries<S: Sink>(
    entries: &List<'_, IString<'_>>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    let mut iter = entries.iter();
    match (iter.next(), iter.next()) {
        (Some(only), None) => out.astring(&only),
        _ => out.astrings(entries),
    }
}

impl<'a> GetMetadata<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut options = List::of(&[]);
        let options_first = cursor.at_list();
        if options_first {
            options = cursor.spaced()?.list()?;
        }
        let mailbox = MailboxName::of_node(&cursor.spaced()?)?;
        let mut entries_at = *cursor;
        let node = cursor.spaced()?;
        if !options_first && node.token.kind() == Kind::List && !cursor.is_empty() {
            options = node.list()?;
            entries_at = *cursor;
        }
        *cursor = entries_at;
        Ok(Self { mailbox, options, entries: cursor.one_or_list()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.options.check(check)?;
        self.entries.check_some(check)
    }
}

impl<'a> Item<'a> for MetadataOption<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! { MAXSIZE = "MAXSIZE", DEPTH = "DEPTH", INFINITY = "INFINITY" }
        let name = cursor.next()?.atom()?;
        Ok(match key(name) {
            MAXSIZE => Self::MaxSize(cursor.spaced()?.number()?),
            DEPTH => {
                let node = cursor.spaced()?;
                Self::Depth(match node.word()? {
                    b"0" => MetadataDepth::Zero,
                    b"1" => MetadataDepth::One,
                    word if key(word) == INFINITY => MetadataDepth::Infinity,
                    _ => return node.fail("expected 0, 1 or infinity"),
                })
            }
            _ => Self::Unknown(Extension::read_value(name, cursor)?),
        })
    }
}

impl<'a> SetMetadata<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::of_node(&cursor.spaced()?)?, entries: cursor.spaced()?.list()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.entries.check_some(check)
    }
}

impl<'a> Metadata<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::of_node(&cursor.spaced()?)?;
        let entries = if cursor.at_list() {
            MetadataEntries::Values(cursor.spaced()?.list()?)
        } else {
            MetadataEntries::Changed(cursor.spaced_rest()?)
        };
        Ok(Self { mailbox, entries })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        match &self.entries {
            MetadataEntries::Values(entries) => entries.check(check),
            MetadataEntries::Changed(entries) => entries.check(check),
        }
    }
}

impl<'a> Item<'a> for MetadataEntry<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { name: cursor.next()?.astring()?, value: Data::of_node(&cursor.spaced()?)? })
    }
}

impl Encode for GetMetadata<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if !self.options.is_empty() {
            out.raw(b" ");
            self.options.encode(out)?;
        }
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        encode_entries(&self.entries, out)
    }
}

impl Encode for MetadataOption<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::MaxSize(bytes) => {
                out.raw(b"MAXSIZE ");
                out.number(u64::from(*bytes));
                Ok(())
            }
            Self::Depth(depth) => {
                out.raw(match depth {
                    MetadataDepth::Zero => b"DEPTH 0",
                    MetadataDepth::One => b"DEPTH 1",
                    MetadataDepth::Infinity => b"DEPTH infinity",
                });
                Ok(())
            }
            Self::Unknown(extension) => extension.encode(out),
        }
    }
}

impl Encode for SetMetadata<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.entries.encode_filled(out)
    }
}

impl Encode for Metadata<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        match &self.entries {
            MetadataEntries::Values(entries) => {
                out.raw(b" ");
                entries.encode(out)
            }
            MetadataEntries::Changed(entries) if entries.is_empty() => {
                Err(PeerIncompatible::Inexpressible("METADATA without entries"))
            }
            MetadataEntries::Changed(entries) => entries.iter().try_for_each(|entry| {
                out.raw(b" ");
                out.astring(&entry)
            }),
        }
    }
}

impl Encode for MetadataEntry<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.astring(&self.name)?;
        out.raw(b" ");
        out.value(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Literals, Parser, Response};

    #[test]
    fn options_may_stand_on_either_side_of_the_mailbox() {
        for line in ["a GETMETADATA (DEPTH 1 X 7) x /a", "a GETMETADATA x (DEPTH 1 X 7) (/a)"] {
            let mut parser = Parser::new();
            let Command::GetMetadata(get) = parser.command(line.as_bytes()).unwrap().command else {
                panic!()
            };
            let options: Vec<_> = get.options.iter().collect();
            assert_eq!(options[0], MetadataOption::Depth(MetadataDepth::One));
            assert!(matches!(options[1], MetadataOption::Unknown(_)));
            assert!(get.entries.iter().eq([IString::new("/a").unwrap()]), "{line}");
        }
        for bad in ["x", "x ()", "x /a /b", "(DEPTH 2) x /a", "(MAXSIZE) x /a", "(DEPTH 1) x (DEPTH 1) /a"] {
            assert!(Parser::new().command(format!("a GETMETADATA {bad}").as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_nil_strings_or_anything_at_all() {
        let line = b"a SETMETADATA \"\" (/a NIL /b \"x\" /c ~{3+}\r\n\0\r\n /d {2+}\r\n\r\n)";
        let mut parser = Parser::new();
        let Command::SetMetadata(set) = parser.command(line).unwrap().command else { panic!() };
        let values: Vec<_> = set.entries.iter().map(|entry| entry.value).collect();
        let inline = |bytes: &'static [u8]| Data::inline(bytes);
        assert_eq!(values, [Data::Nil, inline(b"x"), inline(b"\0\r\n"), inline(b"\r\n")]);
        let mut out = Vec::new();
        set.encode(&mut Encoder::new(&mut out, Literals::NonSync)).unwrap();
        assert_eq!(out, line["a SETMETADATA".len()..]);
        assert!(Parser::new().command(b"a SETMETADATA x ()").is_err());
    }

    #[test]
    fn both_forms_of_the_response_are_told_apart() {
        let mut parser = Parser::new();
        let Response::Metadata(told) = parser.response(b"* METADATA \"\" /shared/comment /b").unwrap() else {
            panic!()
        };
        let MetadataEntries::Changed(entries) = told.entries else { panic!() };
        assert_eq!((told.mailbox.is_empty(), entries.iter().count()), (true, 2));
        for bad in ["x", "x (/a)", "x /a (/b NIL)"] {
            let line = format!("* METADATA {bad}");
            assert!(matches!(parser.response(line.as_bytes()).unwrap(), Response::Invalid(_)), "{bad}");
        }
    }
}
