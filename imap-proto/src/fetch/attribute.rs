//! The FETCH command and its attributes (RFC 3501 6.4.5; RFC 3516, 7162, 8474, 8514, 8970; X-GM-EXT-1).
//!
//! ```
//! use imap_proto::{Command, FetchAttribute, FetchModifier, Parser};
//! let mut parser = Parser::new();
//! let frame = b"a UID FETCH 1:* (FLAGS PREVIEW (LAZY)) (CHANGEDSINCE 12345 VANISHED)";
//! let Command::Fetch(fetch) = parser.command(frame)?.command else { panic!() };
//! assert!(fetch.attributes.iter().any(|attribute| matches!(attribute, FetchAttribute::Preview(_))));
//! assert!(fetch.modifiers.iter().any(|modifier| modifier == FetchModifier::Vanished));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::{FetchModifier, PartPath, Section, SectionText};
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
    /// On what terms; no kind of them twice.
    pub modifiers: List<'a, FetchModifier>,
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
    /// `BINARY[part]<partial>` (RFC 3516): without its transfer encoding.
    Binary {
        /// Whether `\Seen` is left as it is.
        peek: Peek,
        /// Which part.
        part: PartPath<'a>,
        /// Which bytes of it, decoded.
        partial: Option<Partial>,
    },
    /// `BINARY.SIZE[part]` (RFC 3516): its size without its transfer encoding.
    BinarySize(PartPath<'a>),
    /// `MODSEQ` (RFC 7162).
    ModSeq,
    /// `EMAILID` (RFC 8474).
    EmailId,
    /// `THREADID` (RFC 8474).
    ThreadId,
    /// `SAVEDATE` (RFC 8514).
    SaveDate,
    /// `PREVIEW` (RFC 8970).
    Preview(PreviewDelay),
    /// `RFC822.PEEK`: as `BODY.PEEK[]`. Cyrus servers ask one another for it; nobody else does.
    Rfc822Peek,
    /// `X-GM-MSGID`.
    GmailMessageId,
    /// `X-GM-THRID`.
    GmailThreadId,
    /// `X-GM-LABELS`.
    GmailLabels,
}

/// Whether the answer to `PREVIEW` may wait for a preview to be made (RFC 8970 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PreviewDelay {
    /// `PREVIEW`: it may.
    Wait,
    /// `PREVIEW (LAZY)`: rather none than a late one.
    Lazy,
}

impl PreviewDelay {
    /// Takes the modifier behind `PREVIEW`. A list that begins otherwise is none: behind a lone attribute, the
    /// modifiers of FETCH itself may follow.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, InvalidMessage> {
        let Some(token) = cursor.peek().filter(|token| token.kind() == Kind::List && token.is_spaced())
        else {
            return Ok(Self::Wait);
        };
        let mut ahead = *cursor;
        let mut inside = ahead.next()?.inside()?;
        if inside.word_if(|word| word.eq_ignore_ascii_case(b"LAZY")).is_none() {
            return Ok(Self::Wait);
        }
        if !inside.is_empty() {
            return Err(InvalidMessage::new("unknown PREVIEW modifier", token.start()));
        }
        *cursor = ahead;
        Ok(Self::Lazy)
    }
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
    /// FETCH of these attributes, without modifiers.
    #[must_use]
    pub fn new(
        numbering: Numbering,
        messages: SequenceSet<'a>,
        attributes: &'a [FetchAttribute<'a>],
    ) -> Self {
        Self { numbering, messages, attributes: List::of(attributes), modifiers: List::of(&[]) }
    }

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
        let mut modifiers = List::of(&[]);
        if !cursor.is_empty() {
            let node = cursor.spaced()?;
            modifiers = node.list()?;
            if modifiers.is_empty() {
                return node.fail("empty list");
            }
        }
        Ok(Self { numbering, messages, attributes, modifiers })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.messages.check(check, 0)?;
        self.attributes.check_some(check)?;
        let mut several = self.attributes.iter();
        let several = several.next().is_some() && several.next().is_some();
        if several && self.attributes.iter().any(|attribute| attribute.is_macro()) {
            return Err(InvalidMessage::new("FETCH macro among attributes", 0));
        }
        self.modifiers.check(check)?;
        self.modifiers_fit().map_err(|what| InvalidMessage::new(what, 0))
    }

    /// Each modifier once (RFC 4466 2.3); `VANISHED` with `CHANGEDSINCE` and, like `PARTIAL`, with UIDs
    /// (RFC 7162 3.2.6, RFC 9394 3.3).
    fn modifiers_fit(&self) -> Result<(), &'static str> {
        let (mut since, mut vanished, mut partial) = (0, 0, 0);
        for modifier in self.modifiers.iter() {
            match modifier {
                FetchModifier::ChangedSince(_) => since += 1,
                FetchModifier::Vanished => vanished += 1,
                FetchModifier::Partial(_) => partial += 1,
            }
        }
        if since > 1 || vanished > 1 || partial > 1 {
            return Err("FETCH modifier twice");
        }
        if vanished > since {
            return Err("VANISHED without CHANGEDSINCE");
        }
        if vanished + partial > 0 && self.numbering == Numbering::Sequence {
            return Err("FETCH modifier that needs UID");
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
            BODYSTRUCTURE = "BODYSTRUCTURE", BODY_PEEK = "BODY.PEEK", BINARY = "BINARY",
            BINARY_PEEK = "BINARY.PEEK", BINARY_SIZE = "BINARY.SIZE", MODSEQ = "MODSEQ", EMAILID = "EMAILID",
            THREADID = "THREADID", SAVEDATE = "SAVEDATE", PREVIEW = "PREVIEW", RFC822_PEEK = "RFC822.PEEK",
            GM_MSGID = "X-GM-MSGID", GM_THRID = "X-GM-THRID", GM_LABELS = "X-GM-LABELS",
        }
        let node = cursor.next()?;
        let word = node.word()?;
        let (name, section) = match memchr::memchr(b'[', word) {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        if let Some(section) = section {
            let peek = match key(name) {
                BODY | BINARY => Peek::SetSeen,
                BODY_PEEK | BINARY_PEEK | BINARY_SIZE => Peek::LeaveUnseen,
                _ => return node.fail("unknown FETCH attribute"),
            };
            let partial_of = |suffix: &[u8]| match suffix {
                b"" => Ok(None),
                _ => Partial::read(suffix)
                    .map_or_else(|| node.fail("malformed partial range"), |p| Ok(Some(p))),
            };
            if matches!(key(name), BODY | BODY_PEEK) {
                let (section, suffix) = Section::read(section, cursor)?;
                return Ok(Self::Section { peek, section, partial: partial_of(suffix)? });
            }
            return match (key(name), PartPath::read_binary(section)) {
                (BINARY_SIZE, Some((part, b""))) => Ok(Self::BinarySize(part)),
                (BINARY | BINARY_PEEK, Some((part, suffix))) => {
                    Ok(Self::Binary { peek, part, partial: partial_of(suffix)? })
                }
                _ => node.fail("malformed section"),
            };
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
            MODSEQ => Self::ModSeq,
            EMAILID => Self::EmailId,
            THREADID => Self::ThreadId,
            SAVEDATE => Self::SaveDate,
            PREVIEW => Self::Preview(PreviewDelay::read(cursor)?),
            RFC822_PEEK => Self::Rfc822Peek,
            GM_MSGID => Self::GmailMessageId,
            GM_THRID => Self::GmailThreadId,
            GM_LABELS => Self::GmailLabels,
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

impl Encode for Partial {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"<");
        out.number(u64::from(self.offset));
        out.raw(b".");
        out.number(u64::from(self.count.get()));
        out.raw(b">");
        Ok(())
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
            Self::ModSeq => b"MODSEQ",
            Self::EmailId => b"EMAILID",
            Self::ThreadId => b"THREADID",
            Self::SaveDate => b"SAVEDATE",
            Self::Preview(PreviewDelay::Wait) => b"PREVIEW",
            Self::Preview(PreviewDelay::Lazy) => b"PREVIEW (LAZY)",
            Self::Rfc822Peek => b"RFC822.PEEK",
            Self::GmailMessageId => b"X-GM-MSGID",
            Self::GmailThreadId => b"X-GM-THRID",
            Self::GmailLabels => b"X-GM-LABELS",
            Self::BinarySize(part) => {
                out.raw(b"BINARY.SIZE");
                return part.encode_binary(out);
            }
            Self::Binary { peek, part, partial } => {
                out.raw(match peek {
                    Peek::SetSeen => b"BINARY",
                    Peek::LeaveUnseen => b"BINARY.PEEK",
                });
                part.encode_binary(out)?;
                return partial.map_or(Ok(()), |partial| partial.encode(out));
            }
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
                return partial.map_or(Ok(()), |partial| partial.encode(out));
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
        }?;
        self.modifiers_fit().map_err(PeerIncompatible::Inexpressible)?;
        if self.modifiers.is_empty() {
            return Ok(());
        }
        out.raw(b" ");
        self.modifiers.encode(out)
    }
}
