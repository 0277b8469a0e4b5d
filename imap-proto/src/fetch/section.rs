//! Sections: which part of a message (RFC 3501 6.4.5, `section`), as in `BODY[4.1.HEADER.FIELDS (DATE)]<0.512>`.
//!
//! ```
//! use imap_proto::{Command, FetchAttribute, Parser, SectionText};
//! let mut parser = Parser::new();
//! let frame = b"a FETCH 1 BODY.PEEK[4.1.HEADER.FIELDS (DATE)]<0.512>";
//! let Command::Fetch(fetch) = parser.command(frame)?.command else { panic!() };
//! let Some(FetchAttribute::Section { section, .. }) = fetch.attributes.iter().next() else { panic!() };
//! assert!(section.path.iter().map(|number| number.get()).eq([4, 1]));
//! assert!(matches!(section.text, SectionText::HeaderFields(names) if names.iter().count() == 1));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;
use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, List};

/// The path of a body part: `4.1`. Empty for the message itself.
#[derive(Clone, Copy)]
pub struct PartPath<'a>(Path<'a>);

#[derive(Clone, Copy)]
enum Path<'a> {
    /// Digits and dots, checked.
    Wire(&'a [u8]),
    Numbers(&'a [NonZeroU32]),
}

impl<'a> PartPath<'a> {
    /// The message itself.
    pub const MESSAGE: PartPath<'static> = PartPath(Path::Numbers(&[]));

    /// The part of these numbers, outermost first.
    #[must_use]
    pub const fn of(numbers: &'a [NonZeroU32]) -> Self {
        Self(Path::Numbers(numbers))
    }

    /// The numbers, outermost first.
    pub fn iter(&self) -> impl Iterator<Item = NonZeroU32> + 'a {
        let (wire, numbers): (&[u8], &[NonZeroU32]) = match self.0 {
            Path::Wire(wire) => (wire, &[]),
            Path::Numbers(numbers) => (b"", numbers),
        };
        let written = wire.split(|&b| b == b'.').filter_map(chars::number::<u32>).filter_map(NonZeroU32::new);
        written.chain(numbers.iter().copied())
    }

    /// True for the message itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Reads `section-binary` (RFC 3516 7) from behind its `[`: a path and nothing of it. Returns what follows the `]`.
    pub(crate) fn read_binary(rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut rest = rest;
        let path = Self::read(&mut rest)?;
        Some((path, rest.strip_prefix(b"]")?))
    }

    /// Writes `section-binary`, with its brackets.
    pub(crate) fn encode_binary<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"[");
        self.encode(out)?;
        out.raw(b"]");
        Ok(())
    }

    /// Takes the leading numbers of a section; what follows them stays.
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let all = *rest;
        let mut end = 0;
        loop {
            let here = all.get(end..)?;
            let digits = here.iter().position(|b| !b.is_ascii_digit()).unwrap_or(here.len());
            if digits == 0 {
                break;
            }
            let number = here.get(..digits)?;
            if number.first() == Some(&b'0') || chars::number::<u32>(number).is_none() {
                return None;
            }
            end += digits;
            match all.get(end) {
                Some(b'.') => end += 1,
                _ => break,
            }
        }
        let (path, after) = all.split_at(end);
        // A name stands behind a dot, and only there.
        let named = !after.is_empty() && !after.starts_with(b"]");
        if !path.is_empty() && path.ends_with(b".") != named {
            return None;
        }
        *rest = after;
        Some(Self(Path::Wire(path.strip_suffix(b".").unwrap_or(path))))
    }
}

impl PartialEq for PartPath<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PartPath<'_> {}

impl fmt::Debug for PartPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionText<'a> {
    /// Everything.
    All,
    /// `HEADER`.
    Header,
    /// `HEADER.FIELDS`, with the names.
    HeaderFields(List<'a, IString<'a>>),
    /// `HEADER.FIELDS.NOT`, with the names.
    HeaderFieldsNot(List<'a, IString<'a>>),
    /// `TEXT`.
    Text,
    /// `MIME`: the header of the part itself; only behind a path.
    Mime,
}

/// `section`: a part and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// Which part.
    pub path: PartPath<'a>,
    /// What of it.
    pub text: SectionText<'a>,
}

impl<'a> Section<'a> {
    /// `BODY[]`: the whole message.
    pub const MESSAGE: Section<'static> = Section { path: PartPath::MESSAGE, text: SectionText::All };
    /// `BODY[HEADER]`.
    pub const HEADER: Section<'static> = Section { path: PartPath::MESSAGE, text: SectionText::Header };
    /// `BODY[TEXT]`.
    pub const TEXT: Section<'static> = Section { path: PartPath::MESSAGE, text: SectionText::Text };

    /// Reads a section from behind its `[`, where `rest` is what the word holds after it. Takes the header list and
    /// the closing word off the cursor if the section has them. Returns what follows the `]`.
    pub(crate) fn read(rest: &'a [u8], cursor: &mut Cursor<'a>) -> Result<(Self, &'a [u8]), InvalidMessage> {
        let malformed = InvalidMessage::new("malformed section", cursor.offset());
        let mut rest = rest;
        let path = PartPath::read(&mut rest).ok_or(malformed)?;
        let closing = rest.iter().position(|&b| b == b']');
        let name = closing.map_or(rest, |at| rest.get(..at).unwrap_or_default());
        let after = closing.and_then(|at| rest.get(at + 1..));
        keys! {
            HEADER = "HEADER", TEXT = "TEXT", MIME = "MIME", FIELDS = "HEADER.FIELDS",
        }
        let text = match (key(name), after) {
            (0, Some(after)) if name.is_empty() => return Ok((Self { path, text: SectionText::All }, after)),
            (HEADER, Some(_)) => SectionText::Header,
            (TEXT, Some(_)) => SectionText::Text,
            (MIME, Some(_)) if !path.is_empty() => SectionText::Mime,
            (FIELDS, None) => SectionText::HeaderFields(cursor.spaced()?.list()?),
            (_, None) if name.eq_ignore_ascii_case(b"HEADER.FIELDS.NOT") => {
                SectionText::HeaderFieldsNot(cursor.spaced()?.list()?)
            }
            _ => return Err(malformed),
        };
        let after = match after {
            Some(after) => after,
            None => {
                let closing = cursor.next()?;
                if closing.token.is_spaced() {
                    return Err(malformed);
                }
                closing.word()?.strip_prefix(b"]").ok_or(malformed)?
            }
        };
        Ok((Self { path, text }, after))
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self.text {
            SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names) => names.check_some(check),
            _ => Ok(()),
        }
    }
}

impl Encode for PartPath<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        for (at, number) in self.iter().enumerate() {
            if at > 0 {
                out.raw(b".");
            }
            out.number(u64::from(number.get()));
        }
        Ok(())
    }
}

impl Encode for Section<'_> {
    /// With its brackets.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"[");
        self.path.encode(out)?;
        if !self.path.is_empty() && self.text != SectionText::All {
            out.raw(b".");
        }
        match &self.text {
            SectionText::All => {}
            SectionText::Header => out.raw(b"HEADER"),
            SectionText::HeaderFields(names) => fields(out, b"HEADER.FIELDS (", names)?,
            SectionText::HeaderFieldsNot(names) => fields(out, b"HEADER.FIELDS.NOT (", names)?,
            SectionText::Text => out.raw(b"TEXT"),
            SectionText::Mime if self.path.is_empty() => {
                return Err(PeerIncompatible::Inexpressible("MIME header of the message itself"));
            }
            SectionText::Mime => out.raw(b"MIME"),
        }
        out.raw(b"]");
        Ok(())
    }
}

fn fields<S: Sink>(
    out: &mut Encoder<'_, S>,
    name: &[u8],
    names: &List<'_, IString<'_>>,
) -> Result<(), PeerIncompatible> {
    out.raw(name);
    for (at, field) in names.iter().enumerate() {
        if at > 0 {
            out.raw(b" ");
        }
        out.astring(&field)?;
    }
    out.raw(b")");
    Ok(())
}
