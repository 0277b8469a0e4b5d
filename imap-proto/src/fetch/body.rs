//! BODY and BODYSTRUCTURE: the MIME tree of a message (RFC 3501 7.4.2).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::Envelope;
use crate::quirks::{Check, Quirk};
use crate::string::IString;
use crate::tape::{Cursor, Item, List, Node, One};
use crate::token::{Kind, Shapes, Token};

/// One part of a message, with the parts inside it.
///
/// ```
/// use imap_proto::{BodyPart, FetchItem, Parser, Response};
/// fn leaves(part: &BodyPart<'_>) -> usize {
///     match part {
///         BodyPart::Single(_) => 1,
///         BodyPart::Multi(multi) => multi.parts.iter().map(|part| leaves(&part)).sum(),
///     }
/// }
/// let mut parser = Parser::new();
/// // RFC 3501 7.4.2: a text with a file attached.
/// let line = b"* 1 FETCH (BODY ((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)\
///     (\"TEXT\" \"PLAIN\" (\"NAME\" \"cc.diff\") \"<960723163407@cac>\" \"patch\" \"BASE64\" 4554 73) \"MIXED\"))";
/// let Response::Fetch { items, .. } = parser.response(line)? else { panic!() };
/// let Some(FetchItem::Body(body)) = items.iter().next() else { panic!() };
/// assert_eq!(leaves(&body.value().unwrap()), 2);
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
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
    /// `message/rfc822` and `message/global`.
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

    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let inside = cursor.enter(Shapes::LIST)?;
        match Form::of(&inside) {
            Form::Multi => MultiPart::read(inside).map(Self::Multi),
            Form::Single => SinglePart::read(inside).map(Self::Single),
            Form::WithoutParts => MultiPart::read_without_parts(inside).map(Self::Multi),
        }
    }

    /// Recursion is bounded: each level is a level of parentheses, which the scan has counted.
    fn pass(cursor: &mut Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let inside = cursor.enter(Shapes::LIST)?;
        match Form::of(&inside) {
            Form::Multi => MultiPart::pass(inside, check),
            Form::Single => SinglePart::pass(inside, check),
            Form::WithoutParts => MultiPart::pass_without_parts(inside, check),
        }
    }
}

/// What the first elements of a part say it is.
enum Form {
    Multi,
    Single,
    WithoutParts,
}

impl Form {
    #[inline(always)]
    fn of(inside: &Cursor<'_>) -> Self {
        match inside.tokens {
            [first, second, ..] if first.is(Shapes::STRING) && second.is(Shapes::STRING) => Self::Single,
            _ if begins_with_list(inside) => Self::Multi,
            _ => Self::WithoutParts,
        }
    }
}

#[inline(always)]
fn begins_with_list(inside: &Cursor<'_>) -> bool {
    inside.peek().is_some_and(|token| matches!(token.kind(), Kind::List | Kind::Opaque))
}

impl<'a> MultiPart<'a> {
    #[inline(always)]
    fn read(mut inside: Cursor<'a>) -> Result<Self, InvalidMessage> {
        let all = inside;
        while inside.enter(Shapes::LIST).is_ok() {}
        let parts = all.up_to(&inside).rest();
        Self::read_behind(parts, inside)
    }

    /// Subtype, parameters and more, which no single part begins with; a NIL may stand for the parts.
    #[cold]
    fn read_without_parts(mut inside: Cursor<'a>) -> Result<Self, InvalidMessage> {
        if inside.peek().is_some_and(Token::is_nil) {
            inside.next()?;
        }
        Self::read_behind(List::of(&[]), inside)
    }

    #[inline(always)]
    fn read_behind(parts: List<'a, BodyPart<'a>>, mut inside: Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            parts,
            subtype: inside.string()?,
            extension: if inside.is_empty() {
                None
            } else {
                Some(MultiExtension {
                    parameters: inside.list_or_nil()?,
                    common: CommonExtension::read(&mut inside)?,
                })
            },
        })
    }

    #[inline(always)]
    fn pass(mut inside: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let mut first = true;
        while let Some(token) = inside.peek().filter(|token| token.is(Shapes::LIST)) {
            if !first && token.is_spaced() {
                check.meet(Quirk::SpaceBetween, token.start())?;
            }
            first = false;
            BodyPart::pass(&mut inside, check)?;
        }
        inside.pass(Shapes::STRING.spaced())?;
        Self::pass_behind(inside, check)
    }

    #[cold]
    fn pass_without_parts(mut inside: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let offset = inside.offset();
        let subtype = if inside.peek().is_some_and(Token::is_nil) {
            inside.next()?;
            Shapes::STRING.spaced()
        } else {
            Shapes::STRING
        };
        inside.pass(subtype)?;
        if inside.is_empty() {
            return inside.fail("expected parameters");
        }
        Self::pass_behind(inside, check)?;
        check.meet(Quirk::MultipartWithoutParts, offset)
    }

    #[inline(always)]
    fn pass_behind(mut inside: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if inside.is_empty() {
            return Ok(());
        }
        inside.pass_list_or_nil::<Parameter<'_>>(check)?;
        CommonExtension::pass(&mut inside, check)
    }
}

impl<'a> SinglePart<'a> {
    #[inline(always)]
    fn read(mut inside: Cursor<'a>) -> Result<Self, InvalidMessage> {
        let (media_type, subtype) = (inside.string()?, inside.string()?);
        Ok(Self {
            media_type,
            subtype,
            parameters: inside.list_or_nil()?,
            id: inside.nstring()?,
            description: inside.nstring()?,
            encoding: inside.nstring()?,
            octets: inside.next()?.number_or_negative()?,
            kind: match Family::of(&media_type, &subtype, &inside) {
                // Some servers leave the lines out.
                Family::Text if inside.is_empty() => PartKind::Text { lines: 0 },
                Family::Text => PartKind::Text { lines: inside.next()?.number_or_negative()? },
                Family::Message => PartKind::Message {
                    envelope: One::list_at(&mut inside)?,
                    body: One::list_at(&mut inside)?,
                    lines: inside.next()?.number_or_negative()?,
                },
                Family::Basic | Family::BareMessage => PartKind::Basic,
            },
            extension: if inside.is_empty() {
                None
            } else {
                let md5 = inside.nstring()?;
                Some(SingleExtension { md5, common: CommonExtension::read(&mut inside)? })
            },
        })
    }

    #[inline(always)]
    fn pass(mut inside: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        const NSTRING: Shapes = Shapes::NSTRING.spaced();
        let (media_type, subtype) = (inside.string()?, inside.spaced()?.string()?);
        inside.pass_list_or_nil::<Parameter<'_>>(check)?;
        inside.pass(NSTRING)?;
        inside.pass(NSTRING)?;
        if inside.peek().is_some_and(Token::is_nil) {
            check.meet(Quirk::NilEncoding, inside.offset())?;
        }
        inside.pass(NSTRING)?;
        inside.spaced()?.pass_number(check)?;
        match Family::of(&media_type, &subtype, &inside) {
            Family::Text if inside.is_empty() => check.meet(Quirk::MissingLines, inside.offset())?,
            Family::Text => inside.spaced()?.pass_number(check)?,
            Family::Message => {
                One::<Envelope<'_>>::list_at(&mut inside)?.check(check)?;
                One::<BodyPart<'_>>::list_at(&mut inside)?.check(check)?;
                inside.spaced()?.pass_number(check)?;
            }
            Family::BareMessage => check.meet(Quirk::MessageWithoutEnvelope, inside.offset())?,
            Family::Basic => {}
        }
        if inside.is_empty() {
            return Ok(());
        }
        inside.pass(NSTRING)?;
        CommonExtension::pass(&mut inside, check)
    }
}

/// What a part has by its type.
enum Family {
    Basic,
    Text,
    Message,
    /// A message described as any other part.
    BareMessage,
}

impl Family {
    #[inline(always)]
    fn of(media_type: &IString<'_>, subtype: &IString<'_>, rest: &Cursor<'_>) -> Self {
        keys! { TEXT = "TEXT", MESSAGE = "MESSAGE" }
        match media_type.as_plain().map_or(0, key) {
            TEXT => Self::Text,
            MESSAGE if subtype.eq_ignore_ascii_case(b"RFC822") => {
                if begins_with_list(rest) {
                    Self::Message
                } else {
                    Self::BareMessage
                }
            }
            // Servers of RFC 3501 describe it as any other part (RFC 9051 9, `media-message`).
            MESSAGE if subtype.eq_ignore_ascii_case(b"GLOBAL") && begins_with_list(rest) => Self::Message,
            _ => Self::Basic,
        }
    }
}

impl<'a> CommonExtension<'a> {
    #[inline(always)]
    fn read(inside: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            disposition: if inside.is_empty() { None } else { Disposition::read(inside)? },
            language: if inside.is_empty() { List::default() } else { Self::language(inside)? },
            location: if inside.is_empty() { None } else { inside.nstring()? },
        })
    }

    /// A single language may stand without parentheses: a list of what is taken off the cursor.
    #[inline(always)]
    fn language(inside: &mut Cursor<'a>) -> Result<List<'a, IString<'a>>, InvalidMessage> {
        if inside.peek().is_some_and(|token| token.is(Shapes::LIST_OR_NIL)) {
            return inside.list_or_nil();
        }
        let before = *inside;
        inside.string()?;
        Ok(before.up_to(inside).rest())
    }

    #[inline(always)]
    fn pass(inside: &mut Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        const NSTRING: Shapes = Shapes::NSTRING.spaced();
        if inside.is_empty() {
            return Ok(());
        }
        let disposition = inside.spaced()?;
        if !disposition.is_nil() {
            Disposition::pass(&disposition, check)?;
        }
        if inside.is_empty() {
            return Ok(());
        }
        let language = inside.spaced()?;
        if language.token.is(Shapes::LIST) {
            language.list::<IString<'_>>()?.check(check)?;
        } else {
            language.nstring()?;
        }
        if inside.is_empty() {
            return Ok(());
        }
        inside.pass(NSTRING)
    }
}

impl<'a> Disposition<'a> {
    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Result<Option<Self>, InvalidMessage> {
        let Ok(mut inside) = cursor.enter(Shapes::LIST_OR_NIL) else {
            // Some servers send the name alone.
            return Ok(Some(Self { name: cursor.string()?, parameters: List::of(&[]) }));
        };
        if inside.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { name: inside.string()?, parameters: inside.list_or_nil()? }))
    }

    #[inline(always)]
    fn pass(node: &Node<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if node.token.is(Shapes::STRING) {
            return check.meet(Quirk::BareDisposition, node.token.start());
        }
        let mut fields = node.inside()?;
        fields.pass(Shapes::STRING)?;
        fields.pass_list_or_nil::<Parameter<'_>>(check)?;
        fields.end()
    }
}

impl<'a> Item<'a> for Parameter<'a> {
    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { name: cursor.string()?, value: cursor.nstring()?.unwrap_or(IString::EMPTY) })
    }

    #[inline(always)]
    fn pass(cursor: &mut Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        cursor.pass(Shapes::STRING)?;
        if cursor.peek().is_some_and(Token::is_nil) {
            check.meet(Quirk::NilParameter, cursor.offset())?;
        }
        cursor.pass(Shapes::NSTRING.spaced())
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
