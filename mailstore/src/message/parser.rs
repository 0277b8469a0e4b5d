//! The streaming parser: lines in, a tree of parts out.
//!
//! It holds the open parts from the message down to the innermost (at most [`Limits::depth_max`]), the field being read,
//! and of a line that is cut by the end of a piece only as much as can matter: of a body line, what a boundary can be
//! long. Parts are numbered in the order in which they begin, so that a part's descendants follow it without gap.

use bytes::Bytes;
use memchr::memchr;

use super::Limits;
use super::codec::{FLAG_SENT, FLAG_TRUNCATED, FORMAT_VERSION, RECORD_OPAQUE, put_number};
use super::date::SentDate;
use super::draft::{HeaderDraft, Media, Owner};
use super::header::split;
use super::structure::Structure;
use super::view::Kind;

/// Reads a message in pieces.
///
/// ```
/// use mailstore::message::{Limits, Parser, Structure};
/// let mut parser = Parser::new(Limits::default());
/// for piece in [&b"Subject: in pie"[..], b"ces\r", b"\n\r\nbo", b"dy"] {
///     parser.feed(piece);
/// }
/// assert_eq!(parser.finish(), Structure::parse(b"Subject: in pieces\r\n\r\nbody"));
/// ```
pub struct Parser {
    limits: Limits,
    parts: Vec<Draft>,
    open: Vec<Open>,
    /// Open parts that still wait for a delimiter.
    boundaries: usize,
    in_header: bool,
    header: HeaderDraft,
    /// The field being read, its lines joined.
    field: Vec<u8>,
    /// Whether a line that begins with white space continues something.
    field_open: bool,
    /// What is kept of a line that began in an earlier piece.
    line: Vec<u8>,
    line_start: u32,
    /// Bytes of the line so far; the next byte stands at `line_start + line_bytes`.
    line_bytes: u32,
    last_byte: u8,
    /// Bytes of the line end before `line_start`: they belong to a delimiter that stands there.
    terminator: u32,
    /// Line feeds before `line_start`.
    lines: u32,
    sent: Option<SentDate>,
    captured: usize,
    truncated: bool,
}

struct Draft {
    kind: Kind,
    opaque: bool,
    owner: Owner,
    header_start: u32,
    body_start: u32,
    body_end: u32,
    lines: u32,
    /// One past the last descendant.
    end: u32,
    body_fields: Vec<u8>,
    envelope: Vec<u8>,
}

struct Open {
    part: usize,
    /// Of a multipart whose closing delimiter has not been seen.
    boundary: Option<Vec<u8>>,
    /// What a part in here is if it does not say.
    default: Media<'static>,
    lines_before_body: u32,
}

/// Where a line ends a header or a part: its start, and the line feeds before.
#[derive(Clone, Copy)]
struct Cut {
    at: u32,
    lines: u32,
}

impl Parser {
    /// A parser at the start of a message.
    pub fn new(limits: Limits) -> Self {
        let mut parser = Self {
            limits,
            parts: Vec::new(),
            open: Vec::new(),
            boundaries: 0,
            in_header: true,
            header: HeaderDraft::default(),
            field: Vec::new(),
            field_open: false,
            line: Vec::new(),
            line_start: 0,
            line_bytes: 0,
            last_byte: 0,
            terminator: 0,
            lines: 0,
            sent: None,
            captured: 0,
            truncated: false,
        };
        parser.begin_part(0, Owner::Message, Media::PLAIN_TEXT);
        parser
    }

    /// Takes the next bytes of the message; pieces may be cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        let room = self.limits.message_bytes_max.saturating_sub(self.line_start + self.line_bytes);
        let mut rest = bytes;
        if let Some(taken) = bytes.get(..room as usize)
            && taken.len() < bytes.len()
        {
            self.truncated = true;
            rest = taken;
        }
        while let Some((line, tail)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
            self.end_line(line);
            rest = tail;
        }
        self.keep(rest);
    }

    /// Ends the message and gives its structure.
    pub fn finish(mut self) -> Structure {
        if self.line_bytes > 0 {
            let line = std::mem::take(&mut self.line);
            self.process(&line, self.line_bytes, 0);
        }
        self.terminator = 0;
        self.close_down_to(0);
        Structure::from_trusted(Bytes::from(self.encode()))
    }

    /// Bytes of a line that can matter; the rest of a longer one is only counted.
    fn line_bytes_max(&self) -> usize {
        // Both dashes before the boundary, both after, and one byte to see that the boundary ends there.
        let delimiter = self.limits.boundary_bytes_max.saturating_add(5);
        if self.in_header { self.limits.field_bytes_max.max(delimiter) } else { delimiter }
    }

    /// Remembers the piece of a line whose end has not come yet.
    fn keep(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        self.last_byte = *last;
        // The piece is at most as long as what is left up to `message_bytes_max`, so this is exact.
        self.line_bytes = self.line_bytes.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
        let room = self.line_bytes_max().saturating_sub(self.line.len());
        // A body line that cannot be a delimiter is not kept beyond what shows that.
        if self.in_header || self.line.len() < 2 || self.line.starts_with(b"--") {
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
    }

    /// Processes a line; `piece` is its end, with the line feed.
    fn end_line(&mut self, piece: &[u8]) {
        let before = piece.len().checked_sub(2).and_then(|at| piece.get(at)).copied();
        let carriage_return = before.or((piece.len() == 1 && self.line_bytes > 0).then_some(self.last_byte));
        let terminator: u32 = if carriage_return == Some(b'\r') { 2 } else { 1 };
        if self.line_bytes == 0 {
            self.line_bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let content = piece.len() - terminator as usize;
            self.process(piece.get(..content).unwrap_or_default(), self.line_bytes, terminator);
        } else {
            self.keep(piece);
            let mut line = std::mem::take(&mut self.line);
            line.truncate((self.line_bytes - terminator) as usize);
            self.process(&line, self.line_bytes, terminator);
            line.clear();
            self.line = line;
        }
    }

    /// `content` is a line without its end, or the start of it.
    fn process(&mut self, content: &[u8], line_bytes: u32, terminator: u32) {
        let content = content.get(..self.line_bytes_max()).unwrap_or(content);
        let next = Cut { at: self.line_start + line_bytes, lines: self.lines + u32::from(terminator > 0) };
        if self.in_header {
            self.header_line(content, next, line_bytes - terminator);
        } else if self.boundaries > 0 && content.starts_with(b"--") {
            self.delimiter(content, next);
        }
        self.line_start = next.at;
        self.lines = next.lines;
        self.line_bytes = 0;
        self.terminator = terminator;
    }

    fn header_line(&mut self, content: &[u8], next: Cut, content_bytes: u32) {
        if content.is_empty() {
            self.end_field();
            self.end_header(next);
            return;
        }
        let continues = matches!(content.first(), Some(b' ' | b'\t'));
        if !continues {
            self.end_field();
            if self.boundaries > 0 && content.starts_with(b"--") && self.delimiter(content, next) {
                return;
            }
            self.field_open = true;
        } else if !self.field_open {
            return;
        }
        let header_start =
            self.open.last().and_then(|o| self.parts.get(o.part)).map_or(0, |p| p.header_start);
        if next.at - header_start > self.limits.header_bytes_max {
            // The field that crosses the limit is dropped as a whole: a part of it could mean something else.
            self.truncated = true;
            self.field_open = false;
            self.field.clear();
            return;
        }
        let room = self.limits.field_bytes_max.saturating_sub(self.field.len());
        self.truncated |= content_bytes as usize > room;
        self.field.extend_from_slice(content.get(..room).unwrap_or(content));
    }

    fn end_field(&mut self) {
        self.field_open = false;
        if self.field.is_empty() {
            return;
        }
        let owner = self.open.last().and_then(|o| self.parts.get(o.part)).map_or(Owner::Part, |p| p.owner);
        let (name, value) = split(&self.field);
        if !name.is_empty() {
            self.header.field(name, value, owner, &self.limits);
        }
        self.field.clear();
    }

    fn begin_part(&mut self, at: u32, owner: Owner, default: Media<'static>) {
        self.open.push(Open { part: self.parts.len(), boundary: None, default, lines_before_body: 0 });
        self.parts.push(Draft::begin(at, owner));
        self.in_header = true;
    }

    /// The header of the innermost open part is complete and its body begins at `body`.
    fn end_header(&mut self, body: Cut) {
        let header = std::mem::take(&mut self.header);
        self.truncated |= header.truncated;
        self.in_header = false;
        let depth = self.open.len();
        let room = depth < self.limits.depth_max && self.parts.len() < self.limits.parts_max;
        let Some(open) = self.open.last_mut() else { return };
        let Some(part) = self.parts.get_mut(open.part) else { return };
        if open.part == 0 {
            self.sent = header.sent();
        }
        let mut media = header.media(open.default);
        part.kind = media.kind();
        part.body_start = body.at;
        open.lines_before_body = body.lines;
        open.default = if media.is_digest() { Media::MESSAGE } else { Media::PLAIN_TEXT };
        if part.kind != Kind::Leaf && !room {
            part.kind = Kind::Leaf;
            part.opaque = true;
            media = Media::OPAQUE;
            self.truncated = true;
        }
        if part.kind == Kind::Multipart {
            let boundary = header.content_type.as_ref().and_then(|t| t.parameter(b"boundary"));
            // White space at its end may not be there (RFC 2046 section 5.1.1) and would not survive transport.
            let boundary = boundary.map(|b| b.trim_ascii_end().to_vec()).filter(|b| !b.is_empty());
            match boundary {
                Some(boundary) if boundary.len() <= self.limits.boundary_bytes_max => {
                    open.boundary = Some(boundary);
                    self.boundaries += 1;
                }
                Some(_) => self.truncated = true,
                None => {}
            }
        }
        let body_fields = header.encode_body_fields(media);
        let envelope = match part.owner {
            Owner::Message => header.encode_envelope(),
            Owner::Part => Vec::new(),
        };
        let captured = self.captured.saturating_add(body_fields.len() + envelope.len());
        if captured <= self.limits.captured_bytes_max {
            self.captured = captured;
            part.body_fields = body_fields;
            part.envelope = envelope;
        } else {
            self.truncated = true;
            let empty = HeaderDraft::default();
            part.body_fields = empty.encode_body_fields(Media::bare(part.kind));
            if part.owner == Owner::Message {
                part.envelope = empty.encode_envelope();
            }
        }
        if part.kind == Kind::Message {
            self.begin_part(body.at, Owner::Message, Media::PLAIN_TEXT);
        }
    }

    /// Acts on a line that may be a delimiter of an open multipart; false if it is none. A header ends before one.
    fn delimiter(&mut self, content: &[u8], next: Cut) -> bool {
        let Some((level, closes)) = self.matching_boundary(content) else { return false };
        self.settle_header();
        // A multipart that is left without parts will get one.
        let promised = usize::from(self.open.len() > level + 1 && self.innermost_is_childless_multipart());
        if !closes && self.parts.len() + promised >= self.limits.parts_max {
            // The rest of the message, this line included, belongs to the part that is open now.
            self.truncated = true;
            self.boundaries = 0;
            for open in &mut self.open {
                open.boundary = None;
            }
            return true;
        }
        self.close_down_to(level + 1);
        if let Some(open) = self.open.get_mut(level) {
            if closes {
                open.boundary = None;
                self.boundaries -= 1;
            } else {
                let default = open.default;
                self.begin_part(next.at, Owner::Part, default);
            }
        }
        true
    }

    /// The longest open boundary that the line begins with, and whether two dashes follow it.
    fn matching_boundary(&self, content: &[u8]) -> Option<(usize, bool)> {
        let line = content.strip_prefix(b"--")?;
        let mut best = None::<(usize, usize, bool)>;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(boundary) = &open.boundary else { continue };
            if best.is_some_and(|(length, ..)| length >= boundary.len()) {
                continue;
            }
            let Some(tail) = line.strip_prefix(boundary.as_slice()) else { continue };
            let closes = tail.starts_with(b"--");
            if closes || matches!(tail.first(), None | Some(b' ' | b'\t' | b'\r')) {
                best = Some((boundary.len(), level, closes));
            }
        }
        best.map(|(_, level, closes)| (level, closes))
    }

    /// Ends a header that has no empty line before the current line. A message that then begins right here has a
    /// header, too.
    fn settle_header(&mut self) {
        let here = Cut { at: self.line_start, lines: self.lines };
        while self.in_header {
            self.end_field();
            self.end_header(here);
        }
    }

    /// Only the innermost open part can be without children.
    fn innermost_is_childless_multipart(&self) -> bool {
        self.open.last().is_some_and(|open| {
            let kind = self.parts.get(open.part).map(|part| part.kind);
            kind == Some(Kind::Multipart) && self.parts.len() == open.part + 1
        })
    }

    /// Ends all but the outermost `keep` open parts before the current line.
    fn close_down_to(&mut self, keep: usize) {
        self.settle_header();
        let here = Cut { at: self.line_start, lines: self.lines };
        let end = here.at.saturating_sub(self.terminator);
        let mut inner_end = 0;
        while self.open.len() > keep {
            let childless = self.innermost_is_childless_multipart();
            let Some(open) = self.open.pop() else { break };
            self.boundaries -= usize::from(open.boundary.is_some());
            let count = self.parts.len() + usize::from(childless);
            let Some(part) = self.parts.get_mut(open.part) else { break };
            // A body that begins behind the line end before the delimiter is empty, and its containers reach as far.
            part.body_end = end.max(part.body_start).max(inner_end);
            let lines_at_end = here.lines - u32::from(self.terminator > 0 && part.body_end < here.at);
            part.lines = lines_at_end.saturating_sub(open.lines_before_body);
            part.end = u32::try_from(count).unwrap_or(u32::MAX);
            inner_end = part.body_end;
            if childless {
                let end = part.end;
                self.parts.push(Draft { end, ..Draft::empty_text(inner_end) });
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT_VERSION, 0];
        put_number(&mut out, self.line_start);
        if let (Some(sent), Some(flags)) = (self.sent, out.get_mut(1)) {
            *flags |= FLAG_SENT;
            out.extend_from_slice(&sent.utc_seconds.to_le_bytes());
            out.extend_from_slice(&sent.zone_minutes.to_le_bytes());
        }
        if let (true, Some(flags)) = (self.truncated, out.get_mut(1)) {
            *flags |= FLAG_TRUNCATED;
        }
        if let Some(root) = self.parts.first() {
            out.extend_from_slice(&root.envelope);
        }
        put_number(&mut out, u32::try_from(self.parts.len()).unwrap_or(u32::MAX));
        let mut records = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let offset = u32::try_from(records.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&offset.to_le_bytes());
            records.push(part.kind as u8 | if part.opaque { RECORD_OPAQUE } else { 0 });
            for number in [
                part.end,
                part.header_start,
                part.body_start - part.header_start,
                part.body_end - part.body_start,
                part.lines,
            ] {
                put_number(&mut records, number);
            }
            records.extend_from_slice(&part.body_fields);
            if part.kind == Kind::Message
                && let Some(inner) = self.parts.get(index + 1)
            {
                records.extend_from_slice(&inner.envelope);
            }
        }
        out.append(&mut records);
        out
    }
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser")
            .field("offset", &(self.line_start + self.line_bytes))
            .field("parts", &self.parts.len())
            .field("depth", &self.open.len())
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// A part that begins at `at` and of which nothing is known yet.
    fn begin(at: u32, owner: Owner) -> Self {
        Self {
            kind: Kind::Leaf,
            opaque: false,
            owner,
            header_start: at,
            body_start: at,
            body_end: at,
            lines: 0,
            end: 0,
            body_fields: Vec::new(),
            envelope: Vec::new(),
        }
    }

    /// The part that a multipart without parts gets.
    fn empty_text(at: u32) -> Self {
        let body_fields = HeaderDraft::default().encode_body_fields(Media::PLAIN_TEXT);
        Self { body_fields, ..Self::begin(at, Owner::Part) }
    }
}
