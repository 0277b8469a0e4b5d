//! The items of a FETCH response (RFC 3501 7.4.2).
//!
//! An item that is not known, or whose value is malformed, is a value too: its neighbours survive it.

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::date::DateTime;
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::{BodyPart, Envelope, Section};
use crate::flag::Flag;
use crate::quirks::Check;
use crate::string::Data;
use crate::tape::{Cursor, Item, List, One};
use crate::token::{Kind, Span};

/// What a server says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchItem<'a> {
    /// `UID`.
    Uid(u32),
    /// `FLAGS`.
    Flags(List<'a, Flag<'a>>),
    /// `INTERNALDATE`.
    InternalDate(DateTime),
    /// `RFC822.SIZE`.
    Rfc822Size(u64),
    /// `ENVELOPE`.
    Envelope(One<'a, Envelope<'a>>),
    /// `BODY`: the structure without extension data.
    Body(One<'a, BodyPart<'a>>),
    /// `BODYSTRUCTURE`.
    BodyStructure(One<'a, BodyPart<'a>>),
    /// `BODY[section]<origin>`.
    Section {
        /// Which part.
        section: Section<'a>,
        /// The first byte, of a partial answer.
        origin: Option<u32>,
        /// The bytes.
        data: Data<'a>,
    },
    /// `RFC822`.
    Rfc822(Data<'a>),
    /// `RFC822.HEADER`.
    Rfc822Header(Data<'a>),
    /// `RFC822.TEXT`.
    Rfc822Text(Data<'a>),
    /// An item that is not known here, name and value.
    Unknown(Span),
    /// A known item with a malformed value, name and value.
    Invalid(Span),
}

impl<'a> Item<'a> for FetchItem<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        if cursor.peek().is_some_and(|token| token.is_invalid()) {
            return Ok(Self::Invalid(Self::skip(cursor)));
        }
        keys! {
            UID = "UID", FLAGS = "FLAGS", INTERNALDATE = "INTERNALDATE", RFC822_SIZE = "RFC822.SIZE",
            ENVELOPE = "ENVELOPE", BODY = "BODY", BODYSTRUCTURE = "BODYSTRUCTURE", RFC822 = "RFC822",
            RFC822_HEADER = "RFC822.HEADER", RFC822_TEXT = "RFC822.TEXT",
        }
        let before = *cursor;
        let word = cursor.next()?.word()?;
        Ok(match key(word) {
            UID => Self::Uid(cursor.spaced()?.number()?),
            FLAGS => Self::Flags(cursor.spaced()?.list()?),
            INTERNALDATE => {
                let node = cursor.spaced()?;
                match DateTime::of_string(&node.string()?) {
                    Some(moment) => Self::InternalDate(moment),
                    None => return node.fail("malformed date-time"),
                }
            }
            RFC822_SIZE => Self::Rfc822Size(cursor.spaced()?.number()?),
            ENVELOPE => Self::Envelope(One::list_at(cursor)?),
            BODY => Self::Body(One::list_at(cursor)?),
            BODYSTRUCTURE => Self::BodyStructure(One::list_at(cursor)?),
            RFC822 => Self::Rfc822(Data::of_node(&cursor.spaced()?)?),
            RFC822_HEADER => Self::Rfc822Header(Data::of_node(&cursor.spaced()?)?),
            RFC822_TEXT => Self::Rfc822Text(Data::of_node(&cursor.spaced()?)?),
            _ => match section_of(word) {
                Some(rest) => {
                    let (section, suffix) = Section::read(rest, cursor)?;
                    let origin = match suffix {
                        b"" => None,
                        _ => Some(
                            origin_of(suffix)
                                .ok_or(InvalidMessage::new("malformed origin", cursor.offset()))?,
                        ),
                    };
                    Self::Section { section, origin, data: Data::of_node(&cursor.spaced()?)? }
                }
                None => {
                    *cursor = before;
                    Self::Unknown(Self::skip(cursor))
                }
            },
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Flags(flags) => flags.check(check),
            Self::Envelope(envelope) => envelope.check(check),
            Self::Body(part) | Self::BodyStructure(part) => part.check(check),
            Self::Section { section, .. } => section.check(check),
            _ => Ok(()),
        }
    }
}

impl FetchItem<'_> {
    /// Steps over an item whatever it is: a name, the rest of its section, a value.
    pub(crate) fn skip(cursor: &mut Cursor<'_>) -> Span {
        let start = cursor.offset();
        let mut end = start;
        let Ok(name) = cursor.next() else { return Span { start, len: 0 } };
        end = end.max(name.end());
        if let Ok(word) = name.word() {
            // `BODY[HEADER.FIELDS (...)]`: a list and what closes the bracket belong to the name.
            let open = word.contains(&b'[') && !word.contains(&b']');
            if open && cursor.peek().is_some_and(|token| token.kind() == Kind::List) {
                let _ = cursor.next();
                if cursor.peek().is_some_and(|token| !token.is_spaced()) {
                    let _ = cursor.next();
                }
            }
            if let Ok(value) = cursor.next() {
                end = value.end();
            }
        }
        Span { start, len: end.saturating_sub(start) }
    }
}

fn section_of(word: &[u8]) -> Option<&[u8]> {
    let (name, rest) = word.split_at_checked(5)?;
    name.eq_ignore_ascii_case(b"BODY[").then_some(rest)
}

fn origin_of(suffix: &[u8]) -> Option<u32> {
    chars::number(suffix.strip_prefix(b"<")?.strip_suffix(b">")?)
}

impl Encode for FetchItem<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Uid(uid) => {
                out.raw(b"UID ");
                out.number(u64::from(*uid));
                Ok(())
            }
            Self::Flags(flags) => {
                out.raw(b"FLAGS ");
                flags.encode(out)
            }
            Self::InternalDate(moment) => {
                out.raw(b"INTERNALDATE ");
                moment.encode(out)
            }
            Self::Rfc822Size(size) => {
                out.raw(b"RFC822.SIZE ");
                out.number(*size);
                Ok(())
            }
            Self::Envelope(envelope) => {
                out.raw(b"ENVELOPE ");
                envelope.encode(out)
            }
            Self::Body(part) => {
                out.raw(b"BODY ");
                part.encode(out)
            }
            Self::BodyStructure(part) => {
                out.raw(b"BODYSTRUCTURE ");
                part.encode(out)
            }
            Self::Section { section, origin, data } => {
                out.raw(b"BODY");
                section.encode(out)?;
                if let Some(origin) = origin {
                    out.raw(b"<");
                    out.number(u64::from(*origin));
                    out.raw(b">");
                }
                out.raw(b" ");
                data.encode(out)
            }
            Self::Rfc822(data) => {
                out.raw(b"RFC822 ");
                data.encode(out)
            }
            Self::Rfc822Header(data) => {
                out.raw(b"RFC822.HEADER ");
                data.encode(out)
            }
            Self::Rfc822Text(data) => {
                out.raw(b"RFC822.TEXT ");
                data.encode(out)
            }
            Self::Unknown(_) | Self::Invalid(_) => {
                Err(PeerIncompatible::Inexpressible("unknown or malformed FETCH item"))
            }
        }
    }
}
