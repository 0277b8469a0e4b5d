//! The items of a FETCH response (RFC 3501 7.4.2; RFC 3516, 7162, 8474, 8514, 8970; X-GM-EXT-1).
//!
//! An item that is not known, or whose value is malformed, is a value too: its neighbours survive it.

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::date::DateTime;
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::{BodyPart, Envelope, PartPath, Section};
use crate::flag::Flag;
use crate::label::GmailLabel;
use crate::modseq::ModSeq;
use crate::object_id::ObjectId;
use crate::quirks::Check;
use crate::string::{Data, IString};
use crate::tape::{Cursor, Item, List, Node, One};
use crate::token::{Kind, Span};

/// What a server says of a message.
///
/// ```
/// use imap_proto::{FetchItem, Parser, Response};
/// let mut parser = Parser::new();
/// let line = b"* 2 FETCH (RFC822.SIZE many UID 9 BODY[1]<0> {5}\r\nhello)";
/// let Response::Fetch { items, .. } = parser.response(line)? else { panic!() };
/// let items: Vec<_> = items.iter().collect();
/// assert!(matches!(items[0], FetchItem::Invalid(_)));
/// assert_eq!(items[1], FetchItem::Uid(9));
/// let FetchItem::Section { origin: Some(0), data, .. } = items[2] else { panic!() };
/// assert_eq!(data.to_bytes().as_deref(), Some(&b"hello"[..]));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
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
    /// `BINARY[part]<origin>` (RFC 3516): without its transfer encoding.
    Binary {
        /// Which part.
        part: PartPath<'a>,
        /// The first byte, of a partial answer.
        origin: Option<u32>,
        /// The bytes, decoded; NUL may be among them.
        data: Data<'a>,
    },
    /// `BINARY.SIZE[part]` (RFC 3516).
    BinarySize {
        /// Which part.
        part: PartPath<'a>,
        /// Its size without its transfer encoding.
        bytes: u64,
    },
    /// `MODSEQ (n)` (RFC 7162).
    ModSeq(ModSeq),
    /// `EMAILID (id)` (RFC 8474).
    EmailId(ObjectId<'a>),
    /// `THREADID (id)` (RFC 8474), or `NIL` where there are no threads.
    ThreadId(Option<ObjectId<'a>>),
    /// `SAVEDATE` (RFC 8514): when it came into this mailbox; `NIL` where that is not kept.
    SaveDate(Option<DateTime>),
    /// `PREVIEW` (RFC 8970); `NIL` if there is none yet, empty if there is nothing to preview.
    Preview(Option<IString<'a>>),
    /// `X-GM-MSGID`.
    GmailMessageId(u64),
    /// `X-GM-THRID`.
    GmailThreadId(u64),
    /// `X-GM-LABELS`.
    GmailLabels(List<'a, GmailLabel<'a>>),
    /// An item that is not known here, name and value.
    Unknown(Span),
    /// A known item with a malformed value, name and value.
    Invalid(Span),
}

impl<'a> Item<'a> for FetchItem<'a> {
    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        if cursor.peek().is_some_and(|token| token.is_invalid()) {
            return Ok(Self::Invalid(Self::skip(cursor)));
        }
        keys! {
            UID = "UID", FLAGS = "FLAGS", INTERNALDATE = "INTERNALDATE", RFC822_SIZE = "RFC822.SIZE",
            ENVELOPE = "ENVELOPE", BODY = "BODY", BODYSTRUCTURE = "BODYSTRUCTURE", RFC822 = "RFC822",
            RFC822_HEADER = "RFC822.HEADER", RFC822_TEXT = "RFC822.TEXT",
            MODSEQ = "MODSEQ", EMAILID = "EMAILID", THREADID = "THREADID", SAVEDATE = "SAVEDATE",
            PREVIEW = "PREVIEW", GM_MSGID = "X-GM-MSGID", GM_THRID = "X-GM-THRID", GM_LABELS = "X-GM-LABELS",
        }
        let before = *cursor;
        let word = cursor.next()?.word()?;
        Ok(match key(word) {
            UID => Self::Uid(cursor.spaced()?.number()?),
            FLAGS => Self::Flags(cursor.spaced()?.list()?),
            INTERNALDATE => Self::InternalDate(moment(&cursor.spaced()?)?),
            RFC822_SIZE => Self::Rfc822Size(cursor.spaced()?.number()?),
            ENVELOPE => Self::Envelope(One::list_at(cursor)?),
            BODY => Self::Body(One::list_at(cursor)?),
            BODYSTRUCTURE => Self::BodyStructure(One::list_at(cursor)?),
            RFC822 => Self::Rfc822(Data::of_node(&cursor.spaced()?)?),
            RFC822_HEADER => Self::Rfc822Header(Data::of_node(&cursor.spaced()?)?),
            RFC822_TEXT => Self::Rfc822Text(Data::of_node(&cursor.spaced()?)?),
            MODSEQ => {
                let node = cursor.spaced()?;
                let mut inside = node.inside()?;
                let modseq = ModSeq::of_node(&inside.next()?)?;
                inside.end()?;
                Self::ModSeq(modseq)
            }
            EMAILID => Self::EmailId(ObjectId::of_list(&cursor.spaced()?)?),
            THREADID => Self::ThreadId(unless_nil(&cursor.spaced()?, ObjectId::of_list)?),
            SAVEDATE => Self::SaveDate(unless_nil(&cursor.spaced()?, moment)?),
            PREVIEW => Self::Preview(cursor.spaced()?.nstring()?),
            GM_MSGID => Self::GmailMessageId(cursor.spaced()?.number()?),
            GM_THRID => Self::GmailThreadId(cursor.spaced()?.number()?),
            GM_LABELS => Self::GmailLabels(cursor.spaced()?.list()?),
            _ => match name_and_section(word) {
                Some((b"BODY", rest)) => {
                    let (section, suffix) = Section::read(rest, cursor)?;
                    let origin = origin_of(suffix, cursor)?;
                    Self::Section { section, origin, data: Data::of_node(&cursor.spaced()?)? }
                }
                Some((name, rest)) => {
                    let malformed = InvalidMessage::new("malformed section", cursor.offset());
                    let (part, suffix) = PartPath::read_binary(rest).ok_or(malformed)?;
                    let origin = origin_of(suffix, cursor)?;
                    match (name, origin) {
                        (b"BINARY", _) => {
                            Self::Binary { part, origin, data: Data::of_node(&cursor.spaced()?)? }
                        }
                        (_, None) => Self::BinarySize { part, bytes: cursor.spaced()?.number()? },
                        _ => return Err(malformed),
                    }
                }
                None => {
                    *cursor = before;
                    Self::Unknown(Self::skip(cursor))
                }
            },
        })
    }

    #[inline(always)]
    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Flags(flags) => flags.check(check),
            Self::Envelope(envelope) => envelope.check(check),
            Self::Body(part) | Self::BodyStructure(part) => part.check(check),
            Self::Section { section, .. } => section.check(check),
            Self::GmailLabels(labels) => labels.check(check),
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

/// The name, in upper case, of an item with a section, and what stands behind its `[`.
fn name_and_section(word: &[u8]) -> Option<(&'static [u8], &[u8])> {
    let names: [&[u8]; 3] = [b"BODY", b"BINARY", b"BINARY.SIZE"];
    let (name, rest) = word.split_at(memchr::memchr(b'[', word)?);
    let name = names.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    Some((name, rest.get(1..)?))
}

/// `<origin>` behind a section, or nothing.
fn origin_of(suffix: &[u8], cursor: &Cursor<'_>) -> Result<Option<u32>, InvalidMessage> {
    if suffix.is_empty() {
        return Ok(None);
    }
    let digits = suffix.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
    digits.and_then(chars::number).map_or_else(|| cursor.fail("malformed origin"), |origin| Ok(Some(origin)))
}

fn moment(node: &Node<'_>) -> Result<DateTime, InvalidMessage> {
    DateTime::of_string(&node.string()?).map_or_else(|| node.fail("malformed date-time"), Ok)
}

fn unless_nil<'a, T>(
    node: &Node<'a>,
    read: impl FnOnce(&Node<'a>) -> Result<T, InvalidMessage>,
) -> Result<Option<T>, InvalidMessage> {
    if node.is_nil() { Ok(None) } else { read(node).map(Some) }
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
                encode_origin(out, *origin);
                data.encode(out)
            }
            Self::Binary { part, origin, data } => {
                out.raw(b"BINARY");
                part.encode_binary(out)?;
                encode_origin(out, *origin);
                data.encode_nul(out)
            }
            Self::BinarySize { part, bytes } => {
                out.raw(b"BINARY.SIZE");
                part.encode_binary(out)?;
                out.raw(b" ");
                out.number(*bytes);
                Ok(())
            }
            Self::ModSeq(modseq) => parenthesized(out, b"MODSEQ (", modseq),
            Self::EmailId(id) => parenthesized(out, b"EMAILID (", id),
            Self::ThreadId(Some(id)) => parenthesized(out, b"THREADID (", id),
            Self::ThreadId(None) => {
                out.raw(b"THREADID NIL");
                Ok(())
            }
            Self::SaveDate(None) => {
                out.raw(b"SAVEDATE NIL");
                Ok(())
            }
            Self::SaveDate(Some(moment)) => {
                out.raw(b"SAVEDATE ");
                moment.encode(out)
            }
            Self::Preview(text) => {
                out.raw(b"PREVIEW ");
                out.nstring(text)
            }
            Self::GmailMessageId(id) => {
                out.raw(b"X-GM-MSGID ");
                out.number(*id);
                Ok(())
            }
            Self::GmailThreadId(id) => {
                out.raw(b"X-GM-THRID ");
                out.number(*id);
                Ok(())
            }
            Self::GmailLabels(labels) => {
                out.raw(b"X-GM-LABELS ");
                labels.encode(out)
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

/// The origin, if there is one, and the space in front of the data.
fn encode_origin<S: Sink>(out: &mut Encoder<'_, S>, origin: Option<u32>) {
    if let Some(origin) = origin {
        out.raw(b"<");
        out.number(u64::from(origin));
        out.raw(b">");
    }
    out.raw(b" ");
}

fn parenthesized<S: Sink>(
    out: &mut Encoder<'_, S>,
    name: &[u8],
    value: &impl Encode,
) -> Result<(), PeerIncompatible> {
    out.raw(name);
    value.encode(out)?;
    out.raw(b")");
    Ok(())
}
