//! BODY and BODYSTRUCTURE: the MIME tree of a message (RFC 3501 7.4.2).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::Envelope;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List, One};
use crate::token::Kind;

/// One part of a message, with the parts inside it.
// Parts are made on the stack one at a time while a tape is walked, and never stored.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPart<'a> {
    /// A leaf, or a message with a tree of its own.
    Single(SinglePart<'a>),
    /// `multipart/*`.
    Multi(MultiPart<'a>),
}

/// `body-type-1part`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinglePart<'a> {
    /// The media type, `TEXT`.
    pub media_type: IString<'a>,
    /// The subtype, `PLAIN`.
    pub subtype: IString<'a>,
    /// Parameters of `Content-Type`.
    pub parameters: List<'a, Parameter<'a>>,
    /// `Content-ID`.
    pub id: Option<IString<'a>>,
    /// `Content-Description`.
    pub description: Option<IString<'a>>,
    /// `Content-Transfer-Encoding`; some servers send `NIL`, for `7BIT`.
    pub encoding: Option<IString<'a>>,
    /// Size in bytes, encoded as it is.
    pub octets: u64,
    /// What text and messages have besides.
    pub kind: PartKind<'a>,
    /// `body-ext-1part`: there in BODYSTRUCTURE, not in BODY.
    pub extension: Option<SingleExtension<'a>>,
}

/// What a part has by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind<'a> {
    /// Nothing more.
    Basic,
    /// `text/*`.
    Text {
        /// Size in lines.
        lines: u64,
    },
    /// `message/rfc822`.
    Message {
        /// Its envelope.
        envelope: One<'a, Envelope<'a>>,
        /// Its tree.
        body: One<'a, BodyPart<'a>>,
        /// Size in lines.
        lines: u64,
    },
}

/// `body-type-mpart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiPart<'a> {
    /// The parts; at least one by the grammar.
    pub parts: List<'a, BodyPart<'a>>,
    /// The subtype, `MIXED`.
    pub subtype: IString<'a>,
    /// `body-ext-mpart`: there in BODYSTRUCTURE, not in BODY.
    pub extension: Option<MultiExtension<'a>>,
}

/// `body-ext-1part`. What a server leaves out at the end reads as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SingleExtension<'a> {
    /// `Content-MD5`.
    pub md5: Option<IString<'a>>,
    /// The fields that every part may have.
    pub common: CommonExtension<'a>,
}

/// `body-ext-mpart`. What a server leaves out at the end reads as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MultiExtension<'a> {
    /// Parameters of `Content-Type`.
    pub parameters: List<'a, Parameter<'a>>,
    /// The fields that every part may have.
    pub common: CommonExtension<'a>,
}

/// The extension data that single parts and multiparts share. Data beyond it is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommonExtension<'a> {
    /// `Content-Disposition`.
    pub disposition: Option<Disposition<'a>>,
    /// `Content-Language`.
    pub language: List<'a, IString<'a>>,
    /// `Content-Location`.
    pub location: Option<IString<'a>>,
}

/// `Content-Disposition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disposition<'a> {
    /// `ATTACHMENT`, `INLINE` or another.
    pub name: IString<'a>,
    /// Its parameters.
    pub parameters: List<'a, Parameter<'a>>,
}

/// A parameter of a MIME header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name, `CHARSET`.
    pub name: IString<'a>,
    /// Its value.
    pub value: IString<'a>,
}

impl<'a> Item<'a> for BodyPart<'a> {
    const SPACED: bool = false;

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let multi = inside.peek().is_some_and(|token| matches!(token.kind(), Kind::List | Kind::Opaque));
        if multi {
            MultiPart::read(&mut inside).map(Self::Multi)
        } else {
            SinglePart::read(&mut inside).map(Self::Single)
        }
    }

    /// Recursion is bounded: each level is a level of parentheses, which the tokeniser has counted.
    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Multi(part) => {
                part.parts.check_some(check)?;
                let Some(extension) = part.extension else { return Ok(()) };
                extension.parameters.check(check)?;
                extension.common.check(check)
            }
            Self::Single(part) => {
                part.parameters.check(check)?;
                if let PartKind::Message { envelope, body, .. } = &part.kind {
                    envelope.check(check)?;
                    body.check(check)?;
                }
                part.extension.map_or(Ok(()), |extension| extension.common.check(check))
            }
        }
    }
}

impl<'a> MultiPart<'a> {
    fn read(inside: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        // The parts are the lists in front.
        let all = *inside;
        while inside.peek().is_some_and(|token| token.kind() == Kind::List) {
            inside.next()?;
        }
        let parts = all.up_to(inside).rest();
        let subtype = inside.spaced()?.string()?;
        let extension = if inside.is_empty() {
            None
        } else {
            Some(MultiExtension {
                parameters: inside.spaced()?.list_or_nil()?,
                common: CommonExtension::read(inside)?,
            })
        };
        Ok(Self { parts, subtype, extension })
    }
}

impl<'a> SinglePart<'a> {
    fn read(inside: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let media_type = inside.next()?.string()?;
        let subtype = inside.spaced()?.string()?;
        let parameters = inside.spaced()?.list_or_nil()?;
        let id = inside.spaced()?.nstring()?;
        let description = inside.spaced()?.nstring()?;
        let encoding = inside.spaced()?.nstring()?;
        let octets = inside.spaced()?.number()?;
        let kind = if media_type.eq_ignore_ascii_case(b"TEXT") {
            PartKind::Text { lines: inside.spaced()?.number()? }
        } else if media_type.eq_ignore_ascii_case(b"MESSAGE")
            && subtype.eq_ignore_ascii_case(b"RFC822")
            && inside.peek().is_some_and(|token| matches!(token.kind(), Kind::List | Kind::Opaque))
        {
            let (envelope, body) = (One::list_at(inside)?, One::list_at(inside)?);
            PartKind::Message { envelope, body, lines: inside.spaced()?.number()? }
        } else {
            PartKind::Basic
        };
        let extension = if inside.is_empty() {
            None
        } else {
            Some(SingleExtension { md5: inside.spaced()?.nstring()?, common: CommonExtension::read(inside)? })
        };
        Ok(Self { media_type, subtype, parameters, id, description, encoding, octets, kind, extension })
    }
}

impl<'a> CommonExtension<'a> {
    fn read(inside: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut common = Self::default();
        if inside.is_empty() {
            return Ok(common);
        }
        let disposition = inside.spaced()?;
        if !disposition.is_nil() {
            let mut fields = disposition.inside()?;
            let name = fields.next()?.string()?;
            common.disposition = Some(Disposition { name, parameters: fields.spaced()?.list_or_nil()? });
            fields.end()?;
        }
        if inside.is_empty() {
            return Ok(common);
        }
        // A single language may stand without parentheses: a list of what is left of the cursor, one long.
        let before = *inside;
        let language = inside.spaced()?;
        if language.token.kind() == Kind::List {
            common.language = language.list()?;
        } else if language.nstring()?.is_some() {
            common.language = before.up_to(inside).rest();
        }
        if inside.is_empty() {
            return Ok(common);
        }
        common.location = inside.spaced()?.nstring()?;
        Ok(common)
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if let Some(disposition) = &self.disposition {
            disposition.parameters.check(check)?;
        }
        self.language.check(check)
    }
}

impl<'a> Item<'a> for Parameter<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { name: cursor.next()?.string()?, value: cursor.spaced()?.string()? })
    }
}

impl Encode for BodyPart<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"(");
        match self {
            Self::Multi(part) => part.encode_inside(out)?,
            Self::Single(part) => part.encode_inside(out)?,
        }
        out.raw(b")");
        Ok(())
    }
}

impl MultiPart<'_> {
    fn encode_inside<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.parts.is_empty() {
            return Err(PeerIncompatible::Inexpressible("multipart without parts"));
        }
        self.parts.encode_bare(out)?;
        out.spaced_string(&self.subtype)?;
        if let Some(extension) = &self.extension {
            extension.parameters.encode_spaced_or_nil(out)?;
            extension.common.encode(out)?;
        }
        Ok(())
    }
}

impl SinglePart<'_> {
    fn encode_inside<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.string(&self.media_type)?;
        out.spaced_string(&self.subtype)?;
        self.parameters.encode_spaced_or_nil(out)?;
        out.spaced_nstring(&self.id)?;
        out.spaced_nstring(&self.description)?;
        out.spaced_nstring(&self.encoding)?;
        out.spaced_number(self.octets);
        match &self.kind {
            PartKind::Basic => {}
            PartKind::Text { lines } => out.spaced_number(*lines),
            PartKind::Message { envelope, body, lines } => {
                out.raw(b" ");
                envelope.encode(out)?;
                out.raw(b" ");
                body.encode(out)?;
                out.spaced_number(*lines);
            }
        }
        if let Some(extension) = &self.extension {
            out.spaced_nstring(&extension.md5)?;
            extension.common.encode(out)?;
        }
        Ok(())
    }
}

impl Encode for CommonExtension<'_> {
    /// Each field behind a space, all of them.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match &self.disposition {
            None => out.raw(b" NIL"),
            Some(disposition) => {
                out.raw(b" (");
                out.string(&disposition.name)?;
                disposition.parameters.encode_spaced_or_nil(out)?;
                out.raw(b")");
            }
        }
        self.language.encode_spaced_or_nil(out)?;
        out.spaced_nstring(&self.location)
    }
}

impl Encode for Parameter<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.string(&self.name)?;
        out.spaced_string(&self.value)
    }
}
