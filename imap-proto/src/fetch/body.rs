//! BODY and BODYSTRUCTURE: the MIME tree of a message (RFC 3501 7.4.2).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::Envelope;
use crate::quirks::{Check, Quirk};
use crate::string::IString;
use crate::tape::{Cursor, Item, List, Node, One};
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
            return MultiPart::read(&mut inside).map(Self::Multi);
        }
        let before = inside;
        SinglePart::read(&mut inside)
            .map(Self::Single)
            .or_else(|error| MultiPart::read_without_parts(before).map(Self::Multi).map_err(|_| error))
    }

    /// Recursion is bounded: each level is a level of parentheses, which the tokeniser has counted.
    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Multi(part) => {
                if part.parts.is_empty() {
                    check.meet(Quirk::MultipartWithoutParts, 0)?;
                }
                part.parts.check(check)?;
                let Some(extension) = part.extension else { return Ok(()) };
                extension.parameters.check_or_nil(check)?;
                extension.common.check(check)
            }
            Self::Single(part) => {
                part.parameters.check_or_nil(check)?;
                if part.encoding.is_none() {
                    check.meet(Quirk::NilEncoding, 0)?;
                }
                match &part.kind {
                    PartKind::Message { envelope, body, .. } => {
                        envelope.check(check)?;
                        body.check(check)?;
                    }
                    PartKind::Basic if is_message(&part.media_type, &part.subtype) => {
                        check.meet(Quirk::MessageWithoutEnvelope, 0)?
                    }
                    PartKind::Basic | PartKind::Text { .. } => {}
                }
                part.extension.map_or(Ok(()), |extension| extension.common.check(check))
            }
        }
    }

    fn check_form(&self, mut written: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let (is_zero, extension) = match self {
            Self::Multi(part) => (false, part.extension.map(|extension| extension.common)),
            Self::Single(part) => {
                let lines = match part.kind {
                    PartKind::Basic => 1,
                    PartKind::Text { lines } | PartKind::Message { lines, .. } => lines,
                };
                (part.octets == 0 || lines == 0, part.extension.map(|extension| extension.common))
            }
        };
        let is_bare = extension.is_some_and(|common| {
            common.disposition.is_some_and(|disposition| disposition.parameters.is_empty())
        });
        // A zero may stand for what is no number, and a disposition without parameters for a bare string.
        if is_zero || is_bare { self.check_fields(written.next()?.inside()?, check) } else { Ok(()) }
    }
}

impl<'a> BodyPart<'a> {
    /// Looks at the fields that have stood for something else.
    #[cold]
    fn check_fields(&self, mut fields: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let (mut at, mut disposition_at) = (0, 0);
        if let Self::Single(part) = self {
            disposition_at = match part.kind {
                PartKind::Basic => 8,
                PartKind::Text { .. } => 9,
                PartKind::Message { .. } => 11,
            };
        } else {
            while fields.peek().is_some_and(|token| token.kind() == Kind::List) {
                fields.next()?;
            }
            // Subtype and parameters come first; NIL may stand for the parts.
            let nil = fields;
            if !fields.next()?.is_nil() {
                fields = nil;
            }
            disposition_at += 2;
        }
        let is_text = matches!(self, Self::Single(SinglePart { kind: PartKind::Text { .. }, .. }));
        while !fields.is_empty() {
            let field = fields.next()?;
            if field.is_negative() {
                check.meet(Quirk::NegativeNumber, field.token.start())?;
            }
            if at == disposition_at && field.string().is_ok() {
                check.meet(Quirk::BareDisposition, field.token.start())?;
            }
            at += 1;
        }
        if is_text && at == 7 { check.meet(Quirk::MissingLines, fields.offset()) } else { Ok(()) }
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
        let subtype = inside.spaced()?;
        Self::read_behind(parts, &subtype, inside)
    }

    /// Subtype, parameters and more, which no single part begins with; a NIL may stand for the parts.
    #[cold]
    fn read_without_parts(mut inside: Cursor<'a>) -> Result<Self, InvalidMessage> {
        let first = inside.next()?;
        let subtype = if first.is_nil() { inside.spaced()? } else { first };
        if inside.is_empty() {
            return inside.fail("expected parameters");
        }
        Self::read_behind(List::of(&[]), &subtype, &mut inside)
    }

    fn read_behind(
        parts: List<'a, BodyPart<'a>>,
        subtype: &Node<'a>,
        inside: &mut Cursor<'a>,
    ) -> Result<Self, InvalidMessage> {
        let subtype = subtype.string()?;
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
        let octets = inside.spaced()?.number_or_negative()?;
        let kind = if media_type.eq_ignore_ascii_case(b"TEXT") {
            let lines = if inside.is_empty() { 0 } else { inside.spaced()?.number_or_negative()? };
            PartKind::Text { lines }
        } else if is_message(&media_type, &subtype)
            && inside.peek().is_some_and(|token| matches!(token.kind(), Kind::List | Kind::Opaque))
        {
            let (envelope, body) = (One::list_at(inside)?, One::list_at(inside)?);
            PartKind::Message { envelope, body, lines: inside.spaced()?.number_or_negative()? }
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

fn is_message(media_type: &IString<'_>, subtype: &IString<'_>) -> bool {
    media_type.eq_ignore_ascii_case(b"MESSAGE") && subtype.eq_ignore_ascii_case(b"RFC822")
}

impl<'a> CommonExtension<'a> {
    fn read(inside: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut common = Self::default();
        if inside.is_empty() {
            return Ok(common);
        }
        let disposition = inside.spaced()?;
        if !disposition.is_nil() {
            common.disposition = Some(Disposition::read(&disposition)?);
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
            disposition.parameters.check_or_nil(check)?;
        }
        self.language.check(check)
    }
}

impl<'a> Disposition<'a> {
    fn read(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        let Ok(mut fields) = node.inside() else {
            // Some servers send the name alone.
            return Ok(Self { name: node.string()?, parameters: List::of(&[]) });
        };
        let disposition =
            Self { name: fields.next()?.string()?, parameters: fields.spaced()?.list_or_nil()? };
        fields.end()?;
        Ok(disposition)
    }
}

impl<'a> Item<'a> for Parameter<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            name: cursor.next()?.string()?,
            value: cursor.spaced()?.nstring()?.unwrap_or(IString::EMPTY),
        })
    }

    #[inline]
    fn check_form(&self, mut written: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if !self.value.is_empty() {
            return Ok(());
        }
        written.next()?;
        let value = written.next()?;
        if value.is_nil() { check.meet(Quirk::NilParameter, value.token.start()) } else { Ok(()) }
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
