//! What a structure shows: plain values that borrow from its encoded bytes, and lists that are read as they are walked.

use std::ops::Range;

use super::codec::{DecodeErrorKind, RECORD_KIND, RECORD_OPAQUE, Read, Reader};

/// A part of a [`Structure`](super::Structure), by its place in the tree: 0 is the message, then parents before children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub(super) u32);

impl PartId {
    /// The message itself.
    pub const ROOT: Self = Self(0);
}

/// A place in the raw message, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// The first byte.
    pub start: u32,
    /// One past the last byte; never below `start`.
    pub end: u32,
}

impl Extent {
    /// Its size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a size, not a collection")]
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// To slice a message that is held as a whole.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The piece that a partial fetch `<start.count>` asks for, cut at the end of this place (RFC 3501 section 6.4.5).
    pub fn partial(&self, start: u32, count: u32) -> Self {
        let start = self.start.saturating_add(start).min(self.end);
        Self { start, end: start.saturating_add(count).min(self.end) }
    }
}

/// What a part is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Content without parts.
    Leaf = 0,
    /// `multipart/*`, with at least one child.
    Multipart = 1,
    /// `message/rfc822`: its one child is the message in it.
    Message = 2,
}

/// One part. Where a `BODYSTRUCTURE` has NIL, this has `None` or an empty list.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Which part it is.
    pub id: PartId,
    /// What it is made of.
    pub kind: Kind,
    /// A container that a limit kept closed; its type is given as `application/octet-stream`.
    pub opaque: bool,
    /// Its header with the empty line: `BODY[n.MIME]`, of a message `BODY[HEADER]`.
    pub header: Extent,
    /// Its body: `BODY[n]`, of a message `BODY[TEXT]`.
    pub body: Extent,
    /// Line ends in the body.
    pub lines: u32,
    /// The type, as sent: `text`.
    pub media_type: &'a [u8],
    /// The subtype, as sent: `plain`.
    pub media_subtype: &'a [u8],
    /// The parameters of `Content-Type`; of text always with a charset.
    pub parameters: Parameters<'a>,
    /// `Content-ID`.
    pub content_id: Option<&'a [u8]>,
    /// `Content-Description`.
    pub description: Option<&'a [u8]>,
    /// `Content-Transfer-Encoding`; `7BIT` if there is none.
    pub encoding: &'a [u8],
    /// `Content-MD5`.
    pub md5: Option<&'a [u8]>,
    /// `Content-Disposition`.
    pub disposition: Option<Disposition<'a>>,
    /// `Content-Language`.
    pub languages: Strings<'a>,
    /// `Content-Location`.
    pub location: Option<&'a [u8]>,
    /// Of a `message/rfc822`, the envelope of the message in it.
    pub envelope: Option<Envelope<'a>>,
    /// One past its last descendant.
    pub(super) end: u32,
}

/// `Content-Disposition` (RFC 2183).
#[derive(Clone, Debug)]
pub struct Disposition<'a> {
    /// `inline`, `attachment` or another word, as sent.
    pub kind: &'a [u8],
    /// Its parameters.
    pub parameters: Parameters<'a>,
}

/// An envelope (RFC 3501 section 7.4.2): values as sent, not decoded.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// `Date`.
    pub date: Option<&'a [u8]>,
    /// `Subject`.
    pub subject: Option<&'a [u8]>,
    /// `From`.
    pub from: Addresses<'a>,
    /// `Sender`, or `From` if that is absent or empty.
    pub sender: Addresses<'a>,
    /// `Reply-To`, or `From` if that is absent or empty.
    pub reply_to: Addresses<'a>,
    /// `To`.
    pub to: Addresses<'a>,
    /// `Cc`.
    pub cc: Addresses<'a>,
    /// `Bcc`.
    pub bcc: Addresses<'a>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<&'a [u8]>,
    /// `Message-ID`.
    pub message_id: Option<&'a [u8]>,
}

/// One address or group marker. A marker has no host: with a mailbox it begins the group of that name, without one it
/// ends the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The display name, without quotes.
    pub name: Option<&'a [u8]>,
    /// The obsolete source route (`@a,@b`).
    pub route: Option<&'a [u8]>,
    /// The local part, without quotes; it may be empty.
    pub mailbox: Option<&'a [u8]>,
    /// The domain.
    pub host: Option<&'a [u8]>,
}

impl<'a> Part<'a> {
    /// Whether the type is `media_type`, in any case.
    pub fn is_type(&self, media_type: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
    }

    pub(super) fn read(id: PartId, reader: &mut Reader<'a>) -> Read<Self> {
        let flags = reader.byte()?;
        let kind = match flags & RECORD_KIND {
            0 => Kind::Leaf,
            1 => Kind::Multipart,
            2 => Kind::Message,
            _ => return reader.fail(DecodeErrorKind::Malformed),
        };
        if flags & !(RECORD_KIND | RECORD_OPAQUE) != 0 {
            return reader.fail(DecodeErrorKind::Malformed);
        }
        let end = reader.number()?;
        let start = reader.number()?;
        let header_bytes = reader.number()?;
        let body_bytes = reader.number()?;
        let places = start
            .checked_add(header_bytes)
            .and_then(|middle| Some((middle, middle.checked_add(body_bytes)?)));
        let Some((middle, finish)) = places else {
            return reader.fail(DecodeErrorKind::Malformed);
        };
        Ok(Self {
            id,
            kind,
            opaque: flags & RECORD_OPAQUE != 0,
            header: Extent { start, end: middle },
            body: Extent { start: middle, end: finish },
            lines: reader.number()?,
            media_type: reader.bytes()?,
            media_subtype: reader.bytes()?,
            parameters: Parameters::read(reader)?,
            content_id: reader.string()?,
            description: reader.string()?,
            encoding: reader.string()?.unwrap_or(b"7BIT"),
            md5: reader.string()?,
            location: reader.string()?,
            disposition: match reader.string()? {
                None => None,
                Some(kind) => Some(Disposition { kind, parameters: Parameters::read(reader)? }),
            },
            languages: Strings::read(reader)?,
            envelope: match kind {
                Kind::Message => Some(Envelope::read(reader)?),
                Kind::Leaf | Kind::Multipart => None,
            },
            end,
        })
    }

    pub(super) fn absent(id: PartId) -> Self {
        Self {
            id,
            kind: Kind::Leaf,
            opaque: true,
            header: Extent { start: 0, end: 0 },
            body: Extent { start: 0, end: 0 },
            lines: 0,
            media_type: b"application",
            media_subtype: b"octet-stream",
            parameters: Parameters::default(),
            content_id: None,
            description: None,
            encoding: b"7BIT",
            md5: None,
            disposition: None,
            languages: Strings::default(),
            location: None,
            envelope: None,
            end: id.0.saturating_add(1),
        }
    }
}

impl<'a> Envelope<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let date = reader.string()?;
        let subject = reader.string()?;
        let from = Addresses::read(reader)?;
        let mut or_from = || {
            let list = Addresses::read(reader)?;
            Ok(if list.len() == 0 { from.clone() } else { list })
        };
        Ok(Self {
            date,
            subject,
            sender: or_from()?,
            reply_to: or_from()?,
            from,
            to: Addresses::read(reader)?,
            cc: Addresses::read(reader)?,
            bcc: Addresses::read(reader)?,
            in_reply_to: reader.string()?,
            message_id: reader.string()?,
        })
    }
}

impl Default for Envelope<'_> {
    fn default() -> Self {
        let none = Addresses::default;
        Self {
            date: None,
            subject: None,
            from: none(),
            sender: none(),
            reply_to: none(),
            to: none(),
            cc: none(),
            bcc: none(),
            in_reply_to: None,
            message_id: None,
        }
    }
}

/// Declares an iterator over a list in the encoded bytes. Its clone begins where it stands; its length is known.
macro_rules! list {
    ($(#[$docs:meta])* $name:ident, $item:ty, $read:expr) => {
        $(#[$docs])*
        #[derive(Clone, Debug)]
        pub struct $name<'a> {
            left: u32,
            reader: Reader<'a>,
        }

        impl<'a> $name<'a> {
            fn read(reader: &mut Reader<'a>) -> Read<Self> {
                let read: fn(&mut Reader<'a>) -> Read<$item> = $read;
                let (left, reader) = reader.list(|reader| read(reader).map(drop))?;
                Ok(Self { left, reader })
            }
        }

        impl Default for $name<'_> {
            fn default() -> Self {
                Self { left: 0, reader: Reader::new(&[], 0) }
            }
        }

        impl<'a> Iterator for $name<'a> {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                let read: fn(&mut Reader<'a>) -> Read<$item> = $read;
                self.left = self.left.checked_sub(1)?;
                read(&mut self.reader).ok()
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.left as usize, Some(self.left as usize))
            }
        }

        impl ExactSizeIterator for $name<'_> {}
    };
}

list!(
    /// Parameters as name and value, in the order sent, names in the case sent.
    Parameters, (&'a [u8], &'a [u8]), |reader| Ok((reader.bytes()?, reader.bytes()?))
);

impl<'a> Parameters<'a> {
    /// The value of the first parameter of this name, in any case.
    pub fn named(&self, name: &str) -> Option<&'a [u8]> {
        self.clone().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

list!(
    /// A list of words.
    Strings, &'a [u8], |reader| reader.bytes()
);

list!(
    /// Addresses and group markers in the order sent.
    Addresses, Address<'a>, |reader| Ok(Address {
        name: reader.string()?,
        route: reader.string()?,
        mailbox: reader.string()?,
        host: reader.string()?,
    })
);
