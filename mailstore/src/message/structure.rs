//! A structure: the encoded bytes, checked, and the tree of parts that they describe.
//!
//! Everything is checked once, by [`Structure::decode`]; the views of [`super::view`] therefore cannot meet bad bytes,
//! and should they do so nevertheless they show absent values instead of failing.

use bytes::Bytes;

use super::Limits;
use super::codec::{DecodeError, DecodeErrorKind, FLAG_SENT, FLAG_TRUNCATED, FORMAT_VERSION, Read, Reader};
use super::date::SentDate;
use super::parser::Parser;
use super::view::{Envelope, Extent, Kind, Part, PartId};

/// The structure and envelope of one message. Cheap to clone; equality is equality of the encoded bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Structure {
    encoded: Bytes,
    truncated: bool,
    size: u32,
    sent: Option<SentDate>,
    envelope: usize,
    parts: u32,
    table: usize,
    records: usize,
}

/// What of a part is asked for (RFC 3501 section 6.4.5, `section-text`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// `BODY[]`, `BODY[1.2]`.
    Whole,
    /// `BODY[HEADER]`, `BODY[1.2.HEADER]`: the header of a message.
    Header,
    /// `BODY[TEXT]`, `BODY[1.2.TEXT]`: the body of a message.
    Text,
    /// `BODY[1.2.MIME]`: the header of a part.
    Mime,
}

impl Structure {
    /// Reads a message that is at hand as a whole, with the default limits.
    pub fn parse(raw: &[u8]) -> Self {
        let mut parser = Parser::new(Limits::default());
        parser.feed(raw);
        parser.finish()
    }

    /// Takes bytes that [`Structure::encoded`] gave. All of them are checked, so that no view can fail later.
    ///
    /// # Errors
    /// [`DecodeError`] if they are not an encoded structure of this version. The message can then be read again.
    pub fn decode(encoded: Bytes) -> Result<Self, DecodeError> {
        let this = Self::open(encoded)?;
        this.check()?;
        Ok(this)
    }

    /// The bytes to keep; [`super::FORMAT_VERSION`] is the first of them.
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Size of the message in bytes (`RFC822.SIZE`).
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Whether some limit of [`Limits`] cut something off.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// When the message says it was sent, if its `Date` can be read.
    pub fn sent(&self) -> Option<SentDate> {
        self.sent
    }

    /// The envelope of the message.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope::read(&mut Reader::new(&self.encoded, self.envelope)).unwrap_or_default()
    }

    /// The message itself as a part.
    pub fn root(&self) -> Part<'_> {
        self.view(PartId::ROOT)
    }

    /// Number of parts, the message included; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.parts as usize
    }

    /// A part; `None` if the id is of another structure and beyond this one.
    pub fn part(&self, id: PartId) -> Option<Part<'_>> {
        (id.0 < self.parts).then(|| self.view(id))
    }

    /// All parts, parents before children.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        (0..self.parts).map(|index| self.view(PartId(index)))
    }

    /// The children of a part in order: none of a leaf, one of a message.
    pub fn children(&self, part: &Part<'_>) -> Children<'_> {
        Children { structure: self, next: part.id.0 + 1, end: part.end.min(self.parts) }
    }

    /// The part that section numbers name (`1.2.3`). Part 1 of a message that is no multipart is its body.
    pub fn find(&self, numbers: &[u32]) -> Option<Part<'_>> {
        // Numbers count within a message or a multipart; `None` when the last one named something else.
        let mut within = Some(self.root());
        let mut named = None;
        for &number in numbers {
            let container = within?;
            let part = if container.kind == Kind::Multipart {
                self.children(&container).nth(usize::try_from(number.checked_sub(1)?).ok()?)?
            } else if number == 1 {
                container
            } else {
                return None;
            };
            within = match part.kind {
                Kind::Leaf => None,
                Kind::Multipart => Some(part.clone()),
                Kind::Message => self.children(&part).next(),
            };
            named = Some(part);
        }
        named
    }

    /// Where a section stands. `None` if the message has no such part, or the part has nothing of that kind: only a
    /// message has `HEADER` and `TEXT`, and `MIME` needs a number.
    pub fn section(&self, numbers: &[u32], text: SectionText) -> Option<Extent> {
        if numbers.is_empty() {
            let root = self.root();
            return match text {
                SectionText::Whole => Some(Extent { start: 0, end: self.size }),
                SectionText::Header => Some(root.header),
                SectionText::Text => Some(root.body),
                SectionText::Mime => None,
            };
        }
        let part = self.find(numbers)?;
        match text {
            SectionText::Whole => Some(part.body),
            SectionText::Mime => Some(part.header),
            SectionText::Header | SectionText::Text if part.kind == Kind::Message => {
                let message = self.children(&part).next()?;
                Some(if text == SectionText::Header { message.header } else { message.body })
            }
            SectionText::Header | SectionText::Text => None,
        }
    }

    /// For bytes that this crate has just written.
    pub(super) fn from_trusted(encoded: Bytes) -> Self {
        // The fallback is what an empty message gives, and is not reached: the parser writes what `open` reads.
        Self::open(encoded).unwrap_or_else(|_| Self {
            encoded: Bytes::new(),
            truncated: true,
            size: 0,
            sent: None,
            envelope: 0,
            parts: 1,
            table: 0,
            records: 0,
        })
    }

    /// Reads what stands before the records.
    fn open(encoded: Bytes) -> Read<Self> {
        let mut reader = Reader::new(&encoded, 0);
        if reader.byte()? != FORMAT_VERSION {
            return Reader::new(&encoded, 0).fail(DecodeErrorKind::Version);
        }
        let flags = reader.byte()?;
        if flags & !(FLAG_TRUNCATED | FLAG_SENT) != 0 {
            return reader.fail(DecodeErrorKind::Malformed);
        }
        let size = reader.number()?;
        let sent = if flags & FLAG_SENT == 0 {
            None
        } else {
            Some(SentDate {
                utc_seconds: i64::from_le_bytes(reader.array()?),
                zone_minutes: i16::from_le_bytes(reader.array()?),
            })
        };
        let envelope = reader.at();
        Envelope::read(&mut reader)?;
        let parts = reader.number()?;
        if parts == 0 {
            return reader.fail(DecodeErrorKind::Tree);
        }
        let table = reader.at();
        reader.take((parts as usize).saturating_mul(4))?;
        let records = reader.at();
        Ok(Self {
            truncated: flags & FLAG_TRUNCATED != 0,
            size,
            sent,
            envelope,
            parts,
            table,
            records,
            encoded,
        })
    }

    /// Checks all records and that they are a tree of parts that lie in one another.
    fn check(&self) -> Read<()> {
        let mut reader = Reader::new(&self.encoded, self.records);
        // The open parts: kind, end of the subtree, place, children so far.
        let mut open: Vec<(Kind, u32, Extent, u32)> = Vec::new();
        for index in 0..self.parts {
            if self.record_start(index) != Some(reader.at()) {
                return reader.fail(DecodeErrorKind::Tree);
            }
            let part = Part::read(PartId(index), &mut reader)?;
            while let Some(&(kind, end, _, children)) = open.last()
                && end <= index
            {
                check_children(&reader, kind, children)?;
                open.pop();
            }
            let place = match open.last_mut() {
                Some((_, end, place, children)) => {
                    *children += 1;
                    if part.end > *end {
                        return reader.fail(DecodeErrorKind::Tree);
                    }
                    *place
                }
                None if index == 0 && part.end == self.parts => Extent { start: 0, end: self.size },
                None => return reader.fail(DecodeErrorKind::Tree),
            };
            if part.end <= index || part.header.start < place.start || part.body.end > place.end {
                return reader.fail(DecodeErrorKind::Tree);
            }
            open.push((part.kind, part.end, part.body, 0));
        }
        for (kind, _, _, children) in open {
            check_children(&reader, kind, children)?;
        }
        if reader.at() != self.encoded.len() {
            return reader.fail(DecodeErrorKind::Trailing);
        }
        Ok(())
    }

    fn record_start(&self, index: u32) -> Option<usize> {
        let at = self.table + (index as usize) * 4;
        let offset = Reader::new(&self.encoded, at).array().ok().map(u32::from_le_bytes)?;
        Some(self.records + offset as usize)
    }

    fn view(&self, id: PartId) -> Part<'_> {
        self.record_start(id.0)
            .and_then(|at| Part::read(id, &mut Reader::new(&self.encoded, at)).ok())
            .unwrap_or_else(|| Part::absent(id))
    }
}

fn check_children(reader: &Reader<'_>, kind: Kind, children: u32) -> Read<()> {
    let fits = match kind {
        Kind::Leaf => children == 0,
        Kind::Multipart => children > 0,
        Kind::Message => children == 1,
    };
    if fits { Ok(()) } else { reader.fail(DecodeErrorKind::Tree) }
}

impl std::fmt::Debug for Structure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Structure")
            .field("size", &self.size)
            .field("parts", &self.parts)
            .field("truncated", &self.truncated)
            .finish_non_exhaustive()
    }
}

/// The children of a part.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    structure: &'a Structure,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.next >= self.end {
            return None;
        }
        let part = self.structure.view(PartId(self.next));
        // Checked ends lie behind their part; this keeps an unchecked one from standing still.
        self.next = part.end.max(self.next + 1);
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::{put_bytes, put_number};
    use super::*;

    /// Kind, end of the subtree, start, header bytes, body bytes.
    type Record = (Kind, u32, u32, u32, u32);

    /// The encoding of a message of 100 bytes with these parts, whether they are a tree or not.
    fn encode(parts: &[Record]) -> Vec<u8> {
        let empty_envelope = [0; 10];
        let mut out = vec![FORMAT_VERSION, 0, 100];
        out.extend_from_slice(&empty_envelope);
        out.push(u8::try_from(parts.len()).expect("few parts"));
        let mut records = Vec::new();
        for &(kind, end, start, header, body) in parts {
            out.extend_from_slice(&u32::try_from(records.len()).expect("few bytes").to_le_bytes());
            records.push(kind as u8);
            for number in [end, start, header, body, 0] {
                put_number(&mut records, number);
            }
            put_bytes(&mut records, b"a");
            put_bytes(&mut records, b"b");
            records.extend_from_slice(&[0; 8]);
            if kind == Kind::Message {
                records.extend_from_slice(&empty_envelope);
            }
        }
        out.append(&mut records);
        out
    }

    fn check(parts: &[Record], expected: Result<(), DecodeErrorKind>) {
        let found = Structure::decode(Bytes::from(encode(parts)));
        assert_eq!(found.map(drop).map_err(|e| e.kind), expected, "{parts:?}");
    }

    #[test]
    fn p5_only_bytes_that_describe_a_tree_are_decoded() {
        use Kind::{Leaf, Message, Multipart};
        let refused = Err(DecodeErrorKind::Tree);
        check(&[(Leaf, 1, 0, 50, 50)], Ok(()));
        check(&[(Multipart, 3, 0, 10, 90), (Leaf, 2, 20, 1, 9), (Leaf, 3, 40, 0, 60)], Ok(()));
        check(&[(Message, 2, 0, 10, 90), (Leaf, 2, 10, 1, 89)], Ok(()));
        check(&[], refused);
        // Children that their parent's kind does not have.
        check(&[(Leaf, 2, 0, 10, 90), (Leaf, 2, 20, 1, 9)], refused);
        check(&[(Multipart, 1, 0, 10, 90)], refused);
        check(&[(Multipart, 3, 0, 10, 90), (Multipart, 2, 20, 1, 9), (Leaf, 3, 40, 0, 60)], refused);
        check(&[(Message, 3, 0, 10, 90), (Leaf, 2, 10, 1, 9), (Leaf, 3, 30, 1, 9)], refused);
        // Subtrees that end before they begin, beyond their parent, or do not make up the whole.
        check(&[(Multipart, 2, 0, 10, 90), (Leaf, 1, 20, 1, 9)], refused);
        check(&[(Multipart, 2, 0, 10, 90), (Leaf, 0, 20, 1, 9)], refused);
        check(&[(Leaf, 1, 0, 10, 90), (Leaf, 2, 20, 1, 9)], refused);
        check(&[(Multipart, 3, 0, 10, 90), (Leaf, 2, 20, 1, 9)], refused);
        check(&[(Multipart, 2, 0, 10, 90), (Leaf, 3, 20, 1, 9)], refused);
        let inner = |end| {
            [(Multipart, 4, 0, 0, 100), (Multipart, 3, 0, 0, 50), (Leaf, end, 0, 0, 50), (Leaf, 4, 50, 0, 50)]
        };
        check(&inner(3), Ok(()));
        check(&inner(4), refused);
        // Places outside the message or the parent's body.
        check(&[(Leaf, 1, 0, 50, 51)], refused);
        check(&[(Multipart, 2, 0, 10, 90), (Leaf, 2, 9, 1, 9)], refused);
        check(&[(Multipart, 2, 0, 10, 80), (Leaf, 2, 20, 1, 70)], refused);
        check(&[(Leaf, 1, u32::MAX, 1, 0)], Err(DecodeErrorKind::Malformed));
        check(&[(Leaf, 1, 0, u32::MAX, 1)], Err(DecodeErrorKind::Malformed));
    }

    #[test]
    fn bytes_that_are_no_structure_are_refused_with_their_place() {
        let good = encode(&[(Kind::Leaf, 1, 0, 50, 50)]);
        let check = |at: usize, byte: u8, kind: DecodeErrorKind| {
            let mut bad = good.clone();
            bad[at] = byte;
            let error = Structure::decode(Bytes::from(bad)).expect_err("bad bytes");
            assert_eq!(error.kind, kind, "{byte} at {at}");
            assert!(error.offset <= good.len());
        };
        let table = 14;
        check(0, FORMAT_VERSION + 1, DecodeErrorKind::Version);
        check(1, 0x80, DecodeErrorKind::Malformed);
        check(3, 0x7F, DecodeErrorKind::Truncated);
        check(table - 1, 0, DecodeErrorKind::Tree);
        check(table, 1, DecodeErrorKind::Tree);
        check(table + 4, 3, DecodeErrorKind::Malformed);
        check(table + 4, 0x80, DecodeErrorKind::Malformed);
        let mut longer = good.clone();
        longer.push(0);
        let error = Structure::decode(Bytes::from(longer)).expect_err("a byte too many");
        assert_eq!(error, DecodeError { kind: DecodeErrorKind::Trailing, offset: good.len() });
    }
}
