//! The FETCH command and its attributes (RFC 3501 6.4.5).

use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::{Section, SectionText};
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// `FETCH 1:5 (FLAGS UID)` or `UID FETCH ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch<'a> {
    /// How the messages are numbered.
    pub numbering: Numbering,
    /// Which messages.
    pub messages: SequenceSet<'a>,
    /// What of them. A macro stands alone.
    pub attributes: List<'a, FetchAttribute<'a>>,
}

/// What is asked of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchAttribute<'a> {
    /// The macro `ALL`: `FLAGS INTERNALDATE RFC822.SIZE ENVELOPE`.
    All,
    /// The macro `FAST`: `FLAGS INTERNALDATE RFC822.SIZE`.
    Fast,
    /// The macro `FULL`: `ALL` and `BODY`.
    Full,
    /// `ENVELOPE`.
    Envelope,
    /// `FLAGS`.
    Flags,
    /// `INTERNALDATE`.
    InternalDate,
    /// `UID`.
    Uid,
    /// `RFC822`: as `BODY[]`.
    Rfc822,
    /// `RFC822.HEADER`: as `BODY.PEEK[HEADER]`.
    Rfc822Header,
    /// `RFC822.SIZE`.
    Rfc822Size,
    /// `RFC822.TEXT`: as `BODY[TEXT]`.
    Rfc822Text,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`.
    BodyStructure,
    /// `BODY[section]<partial>`.
    Section {
        /// Whether `\Seen` is left as it is.
        peek: Peek,
        /// Which part.
        section: Section<'a>,
        /// Which bytes of it.
        partial: Option<Partial>,
    },
}

/// Whether reading a section sets `\Seen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peek {
    /// `BODY[...]` sets it.
    SetSeen,
    /// `BODY.PEEK[...]` leaves it.
    LeaveUnseen,
}

/// `<offset.count>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partial {
    /// The first byte wanted, from 0.
    pub offset: u32,
    /// How many.
    pub count: NonZeroU32,
}

impl Partial {
    fn read(suffix: &[u8]) -> Option<Self> {
        let inside = suffix.strip_prefix(b"<")?.strip_suffix(b">")?;
        let dot = memchr::memchr(b'.', inside)?;
        let count: u32 = chars::number(inside.get(dot + 1..)?)?;
        Some(Self { offset: chars::number(inside.get(..dot)?)?, count: NonZeroU32::new(count)? })
    }
}

impl FetchAttribute<'_> {
    /// True for `ALL`, `FAST` and `FULL`.
    #[must_use]
    pub fn is_macro(&self) -> bool {
        matches!(self, Self::All | Self::Fast | Self::Full)
    }
}

impl<'a> Fetch<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let messages = SequenceSet::unchecked(&cursor.spaced()?)?;
        let attributes = match cursor.peek() {
            Some(token) if token.kind() == Kind::List => cursor.spaced()?.list()?,
            Some(token) if token.is_spaced() => {
                let before = *cursor;
                FetchAttribute::read(cursor)?;
                before.up_to(cursor).rest()
            }
            _ => return cursor.fail("expected what to fetch"),
        };
        Ok(Self { numbering, messages, attributes })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.messages.check(check, 0)?;
        self.attributes.check_some(check)?;
        let mut several = self.attributes.iter();
        let several = several.next().is_some() && several.next().is_some();
        if several && self.attributes.iter().any(|attribute| attribute.is_macro()) {
            return Err(InvalidMessage::new("FETCH macro among attributes", 0));
        }
        Ok(())
    }
}

impl<'a> Item<'a> for FetchAttribute<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! {
            ALL = "ALL", FAST = "FAST", FULL = "FULL", ENVELOPE = "ENVELOPE", FLAGS = "FLAGS",
            INTERNALDATE = "INTERNALDATE", UID = "UID", RFC822 = "RFC822", RFC822_HEADER = "RFC822.HEADER",
            RFC822_SIZE = "RFC822.SIZE", RFC822_TEXT = "RFC822.TEXT", BODY = "BODY",
            BODYSTRUCTURE = "BODYSTRUCTURE", BODY_PEEK = "BODY.PEEK",
        }
        let node = cursor.next()?;
        let word = node.word()?;
        let (name, section) = match memchr::memchr(b'[', word) {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        if let Some(section) = section {
            let peek = match key(name) {
                BODY => Peek::SetSeen,
                BODY_PEEK => Peek::LeaveUnseen,
                _ => return node.fail("unknown FETCH attribute"),
            };
            let (section, suffix) = Section::read(section, cursor)?;
            let partial = match suffix {
                b"" => None,
                _ => match Partial::read(suffix) {
                    Some(partial) => Some(partial),
                    None => return node.fail("malformed partial range"),
                },
            };
            return Ok(Self::Section { peek, section, partial });
        }
        Ok(match key(name) {
            ALL => Self::All,
            FAST => Self::Fast,
            FULL => Self::Full,
            ENVELOPE => Self::Envelope,
            FLAGS => Self::Flags,
            INTERNALDATE => Self::InternalDate,
            UID => Self::Uid,
            RFC822 => Self::Rfc822,
            RFC822_HEADER => Self::Rfc822Header,
            RFC822_SIZE => Self::Rfc822Size,
            RFC822_TEXT => Self::Rfc822Text,
            BODY => Self::Body,
            BODYSTRUCTURE => Self::BodyStructure,
            _ => return node.fail("unknown FETCH attribute"),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Section { section, .. } => section.check(check),
            _ => Ok(()),
        }
    }
}

impl Encode for FetchAttribute<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let name: &[u8] = match self {
            Self::All => b"ALL",
            Self::Fast => b"FAST",
            Self::Full => b"FULL",
            Self::Envelope => b"ENVELOPE",
            Self::Flags => b"FLAGS",
            Self::InternalDate => b"INTERNALDATE",
            Self::Uid => b"UID",
            Self::Rfc822 => b"RFC822",
            Self::Rfc822Header => b"RFC822.HEADER",
            Self::Rfc822Size => b"RFC822.SIZE",
            Self::Rfc822Text => b"RFC822.TEXT",
            Self::Body => b"BODY",
            Self::BodyStructure => b"BODYSTRUCTURE",
            Self::Section { peek, section, partial } => {
                out.raw(match peek {
                    Peek::SetSeen => b"BODY",
                    Peek::LeaveUnseen => b"BODY.PEEK",
                });
                let empty = match section.text {
                    SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names) => {
                        names.is_empty()
                    }
                    _ => false,
                };
                if empty {
                    return Err(PeerIncompatible::Inexpressible("no header fields named"));
                }
                section.encode(out)?;
                if let Some(partial) = partial {
                    out.raw(b"<");
                    out.number(u64::from(partial.offset));
                    out.raw(b".");
                    out.number(u64::from(partial.count.get()));
                    out.raw(b">");
                }
                return Ok(());
            }
        };
        out.raw(name);
        Ok(())
    }
}

impl Encode for Fetch<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.messages.encode(out)?;
        out.raw(b" ");
        let mut attributes = self.attributes.iter();
        match (attributes.next(), attributes.next()) {
            (None, _) => Err(PeerIncompatible::Inexpressible("FETCH of nothing")),
            (Some(attribute), None) => attribute.encode(out),
            _ if self.attributes.iter().any(|attribute| attribute.is_macro()) => {
                Err(PeerIncompatible::Inexpressible("FETCH macro among attributes"))
            }
            _ => self.attributes.encode(out),
        }
    }
}
