//! Bodies ended by a lone dot (RFC 5321 4.5.2, RFC 1939 3): unstuffing in, stuffing out.
//!
//! Only CRLF.CRLF ends a body. What other line ends may stand in it is a policy, and no policy makes them an end:
//! a receiver that takes `LF . LF` for the end while the sender does not can be made to read a second message out
//! of the first (SMTP smuggling, CVE-2023-51764 and its kin; safety rows F1 to F4). The writer canonicalises line
//! ends, so nothing that it sends can be read in two ways.
//!
//! Both carry their state across any cut of the bytes and never collect: the reader hands out slices of the input
//! buffer, the writer passes slices on.

use bytes::Bytes;
use memchr::memchr2;

use crate::{Error, Input, InvalidMessage, Outbox, PeerMisbehaved};

/// What a reader does with a CR or LF that is not part of a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareLineEnd {
    /// The body is refused. The default.
    #[default]
    Refuse,
    /// A bare LF is read as CRLF, a bare CR as a space; neither begins the end of the body.
    DangerNormalize,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyPart {
    /// The next bytes, unstuffed, never empty.
    Chunk(Bytes),
    /// The body has ended; what follows in the input is the next command.
    End,
}

/// Reads one dot-ended body. The body's final CRLF, which is also the first half of its end, belongs to it.
///
/// ```
/// use mail_wire::{BareLineEnd, BodyPart, DotReader, Input};
/// let mut input = Input::new();
/// input.buffer().extend_from_slice(b"one\r\n..two\r\n.\r\nQUIT\r\n");
/// let mut reader = DotReader::new(BareLineEnd::Refuse);
/// let mut body = Vec::new();
/// while let Some(BodyPart::Chunk(chunk)) = reader.poll(&mut input)? {
///     body.extend_from_slice(&chunk);
/// }
/// assert_eq!(body, b"one\r\n.two\r\n");
/// assert_eq!(input.waiting(), b"QUIT\r\n");
/// # Ok::<(), mail_wire::Error>(())
/// ```
#[derive(Debug)]
pub struct DotReader {
    bare: BareLineEnd,
    line: LineStart,
    /// Bytes consumed so far, for the offset of an error.
    offset: usize,
    /// A replacement that is due before anything else is read.
    due: Option<&'static [u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineStart {
    /// Behind a CRLF, or at the very start: a dot here is a stuffed dot or the end.
    AfterCrLf,
    /// Behind a normalised LF: a dot here is a stuffed dot, never the end.
    AfterLf,
    /// Inside a line.
    No,
}

impl DotReader {
    /// A reader at the start of a body.
    #[must_use]
    pub fn new(bare: BareLineEnd) -> Self {
        Self { bare, line: LineStart::AfterCrLf, offset: 0, due: None }
    }

    /// The next piece, if enough bytes are there to tell. An error is final: the end can no longer be found.
    pub fn poll(&mut self, input: &mut Input) -> Result<Option<BodyPart>, Error> {
        if let Some(due) = self.due.take() {
            return Ok(Some(BodyPart::Chunk(Bytes::from_static(due))));
        }
        if self.line != LineStart::No {
            match dot_at_start(input.waiting(), self.line) {
                Dot::Unknown => return self.wait(input),
                Dot::End => {
                    input.discard(3);
                    return Ok(Some(BodyPart::End));
                }
                Dot::Stuffed => {
                    input.discard(1);
                    self.offset += 1;
                }
                Dot::None => {}
            }
            self.line = LineStart::No;
        }
        let stop = self.scan(input.waiting());
        let (chunk_bytes, skip_bytes) = match stop {
            Stop::Wait(n) => (n, 0),
            Stop::Line(n) => {
                self.line = LineStart::AfterCrLf;
                (n, 0)
            }
            Stop::Bare(n, what) => {
                if self.bare == BareLineEnd::Refuse {
                    return Err(InvalidMessage::new(what, self.offset + n).into());
                }
                if what == InvalidMessage::BARE_LF {
                    self.line = LineStart::AfterLf;
                    self.due = Some(b"\r\n");
                } else {
                    self.due = Some(b" ");
                }
                (n, 1)
            }
        };
        let chunk = input.take(chunk_bytes);
        input.discard(skip_bytes);
        self.offset += chunk_bytes + skip_bytes;
        if !chunk.is_empty() {
            return Ok(Some(BodyPart::Chunk(chunk)));
        }
        match self.due.take() {
            Some(due) => Ok(Some(BodyPart::Chunk(Bytes::from_static(due)))),
            None => self.wait(input),
        }
    }

    fn wait(&self, input: &Input) -> Result<Option<BodyPart>, Error> {
        if input.has_ended() { Err(PeerMisbehaved::ClosedMidMessage.into()) } else { Ok(None) }
    }

    /// How far the bytes can be handed out as they are.
    fn scan(&self, bytes: &[u8]) -> Stop {
        let mut from = 0;
        while let Some(found) = memchr2(b'\r', b'\n', bytes.get(from..).unwrap_or_default()) {
            let at = from + found;
            if bytes.get(at) == Some(&b'\n') {
                return Stop::Bare(at, InvalidMessage::BARE_LF);
            }
            match bytes.get(at + 1) {
                None => return Stop::Wait(at),
                Some(b'\n') => from = at + 2,
                Some(_) => return Stop::Bare(at, InvalidMessage::BARE_CR),
            }
            match bytes.get(from) {
                None | Some(b'.') => return Stop::Line(from),
                Some(_) => {}
            }
        }
        Stop::Wait(bytes.len())
    }
}

/// Where [`DotReader::scan`] stopped, and why.
enum Stop {
    /// All before may go; more bytes are needed to go on.
    Wait(usize),
    /// Behind a CRLF that a dot follows, or whose next byte is not there yet.
    Line(usize),
    /// Before a bare CR or LF.
    Bare(usize, &'static str),
}

enum Dot {
    None,
    Stuffed,
    End,
    Unknown,
}

fn dot_at_start(bytes: &[u8], line: LineStart) -> Dot {
    match bytes {
        [] => Dot::Unknown,
        [b'.', ..] if line == LineStart::AfterLf => Dot::Stuffed,
        [b'.'] | [b'.', b'\r'] => Dot::Unknown,
        [b'.', b'\r', b'\n', ..] => Dot::End,
        [b'.', ..] => Dot::Stuffed,
        _ => Dot::None,
    }
}

/// Writes one dot-ended body: stuffs dots, turns every bare CR or LF into CRLF, ends with CRLF.CRLF.
///
/// ```
/// use mail_wire::{DotWriter, Outbox};
/// let (mut writer, mut out) = (DotWriter::new(), Outbox::new());
/// writer.write(&".a\n.".into(), &mut out);
/// writer.finish(&mut out);
/// assert_eq!(&out.take().unwrap()[..], b"..a\r\n..\r\n.\r\n");
/// ```
#[derive(Debug)]
pub struct DotWriter {
    line_start: bool,
    /// The last byte was a CR; whether it is bare is not known yet.
    after_cr: bool,
}

impl Default for DotWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl DotWriter {
    /// A writer at the start of a body.
    #[must_use]
    pub fn new() -> Self {
        Self { line_start: true, after_cr: false }
    }

    /// Writes the next bytes of the body; long runs pass without a copy.
    pub fn write(&mut self, bytes: &Bytes, out: &mut Outbox) {
        let mut from = 0;
        if self.after_cr && !bytes.is_empty() {
            self.end_line(out);
            from = usize::from(bytes.first() == Some(&b'\n'));
        }
        // `run` is where the bytes begin that can go as they are; `from`, where the search goes on.
        let mut run = from;
        loop {
            if self.line_start && bytes.get(from) == Some(&b'.') {
                put_run(bytes, run, from, out);
                out.put(b".");
                run = from;
            }
            let Some(found) = memchr2(b'\r', b'\n', bytes.get(from..).unwrap_or_default()) else {
                self.line_start &= from >= bytes.len();
                return put_run(bytes, run, bytes.len(), out);
            };
            let at = from + found;
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => from = at + 2,
                (Some(b'\r'), None) => {
                    self.after_cr = true;
                    self.line_start = false;
                    return put_run(bytes, run, at, out);
                }
                _ => {
                    put_run(bytes, run, at, out);
                    out.put(b"\r\n");
                    from = at + 1;
                    run = from;
                }
            }
            self.line_start = true;
        }
    }

    /// Ends the body.
    pub fn finish(mut self, out: &mut Outbox) {
        if self.after_cr || !self.line_start {
            self.end_line(out);
        }
        out.put(b".\r\n");
    }

    fn end_line(&mut self, out: &mut Outbox) {
        out.put(b"\r\n");
        self.after_cr = false;
        self.line_start = true;
    }
}

fn put_run(bytes: &Bytes, from: usize, to: usize, out: &mut Outbox) {
    if from < to && to <= bytes.len() {
        out.put_slice(bytes.slice(from..to));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::every_split;

    /// What a body reads as: the text and the bytes consumed, an error, or neither yet.
    #[derive(Debug, PartialEq, Clone)]
    enum Read {
        Ended(Vec<u8>, usize),
        Failed,
        Waits,
    }

    fn read(bare: BareLineEnd, pieces: &[&[u8]]) -> Read {
        let (mut input, mut reader, mut body) = (Input::new(), DotReader::new(bare), Vec::new());
        let total: usize = pieces.iter().map(|p| p.len()).sum();
        let mut fed = 0;
        for piece in pieces {
            input.buffer().extend_from_slice(piece);
            fed += piece.len();
            loop {
                match reader.poll(&mut input) {
                    Ok(Some(BodyPart::Chunk(chunk))) => {
                        assert!(!chunk.is_empty());
                        body.extend_from_slice(&chunk);
                    }
                    Ok(Some(BodyPart::End)) => return Read::Ended(body, fed - input.waiting().len()),
                    Ok(None) => break,
                    Err(_) => return Read::Failed,
                }
            }
        }
        assert_eq!(fed, total);
        Read::Waits
    }

    /// The rule in its plainest words: find CRLF.CRLF (the body's start counts as behind a CRLF), refuse any other
    /// CR or LF before it, take one dot off each line.
    fn reference(bytes: &[u8]) -> Read {
        let mut text = Vec::new();
        let mut rest = bytes;
        loop {
            if rest.starts_with(b".\r\n") {
                return Read::Ended(text, bytes.len() - rest.len() + 3);
            }
            let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return Read::Waits };
            if rest[at] == b'\n' {
                return Read::Failed;
            }
            match rest.get(at + 1) {
                None => return Read::Waits,
                Some(b'\n') => {}
                Some(_) => return Read::Failed,
            }
            let line = &rest[..at + 2];
            text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = &rest[at + 2..];
        }
    }

    fn every_string_up_to(length: usize, mut check: impl FnMut(&[u8])) {
        for n in 0..=length {
            for code in 0..1_usize << (2 * n) {
                let text: Vec<u8> = (0..n).map(|i| b"\r\n.A"[(code >> (2 * i)) & 3]).collect();
                check(&text);
            }
        }
    }

    #[test]
    fn f1_f4_every_short_string_reads_as_the_reference_does() {
        every_string_up_to(8, |text| {
            let expected = reference(text);
            assert_eq!(read(BareLineEnd::Refuse, &[text]), expected, "{text:?}");
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(read(BareLineEnd::Refuse, &bytes), expected, "{text:?} byte by byte");
        });
    }

    #[test]
    fn f1_a_normalising_reader_still_wants_crlf_dot_crlf() {
        for smuggled in
            [&b"a\n.\nb"[..], b"a\n.\r\nb", b"a\r\n.\nb", b"a\r.\r\nb", b"a\r\n.\rb", b"a\r\r\n.\rb"]
        {
            assert_eq!(read(BareLineEnd::DangerNormalize, &[smuggled]), Read::Waits, "{smuggled:?}");
        }
        every_string_up_to(7, |text| {
            let whole = every_split(text, |pieces| read(BareLineEnd::DangerNormalize, pieces));
            let ends = text.starts_with(b".\r\n") || text.windows(5).any(|w| w == b"\r\n.\r\n");
            assert_eq!(matches!(whole, Read::Ended(..)), ends, "{text:?}");
        });
    }

    #[test]
    fn an_empty_body_and_a_stuffed_first_line_are_read() {
        assert_eq!(read(BareLineEnd::Refuse, &[b".\r\nNOOP"]), Read::Ended(vec![], 3));
        assert_eq!(read(BareLineEnd::Refuse, &[b"..\r\n.\r\n"]), Read::Ended(b".\r\n".to_vec(), 7));
    }

    #[test]
    fn a_body_cut_off_by_the_peer_is_no_body() {
        let (mut input, mut reader) = (Input::new(), DotReader::new(BareLineEnd::Refuse));
        input.buffer().extend_from_slice(b"a\r\n.");
        input.end();
        assert_eq!(reader.poll(&mut input), Ok(Some(BodyPart::Chunk("a\r\n".into()))));
        assert_eq!(reader.poll(&mut input), Err(PeerMisbehaved::ClosedMidMessage.into()));
    }

    fn write(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut writer, mut out, mut wire) = (DotWriter::new(), Outbox::new(), Vec::new());
        for piece in pieces {
            writer.write(&Bytes::copy_from_slice(piece), &mut out);
        }
        writer.finish(&mut out);
        while let Some(bytes) = out.take() {
            wire.extend_from_slice(&bytes);
        }
        wire
    }

    /// Every bare CR or LF is a CRLF, and the last line ends with one.
    fn canonical(text: &[u8]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        let mut bytes = text.iter().peekable();
        while let Some(&b) = bytes.next() {
            match b {
                b'\r' => {
                    bytes.next_if(|n| **n == b'\n');
                    out.extend_from_slice(b"\r\n");
                }
                b'\n' => out.extend_from_slice(b"\r\n"),
                _ => out.push(b),
            }
        }
        if !out.is_empty() && !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    #[test]
    fn f2_f3_every_short_string_is_written_so_that_a_strict_reader_gets_its_canonical_form() {
        every_string_up_to(7, |text| {
            let wire = every_split(text, write);
            let expected = canonical(text);
            assert_eq!(read(BareLineEnd::Refuse, &[&wire]), Read::Ended(expected, wire.len()), "{text:?}");
        });
    }

    proptest! {
        #[test]
        fn f2_f3_any_bytes_survive_stuffing_and_unstuffing(
            text in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..6000),
            cut in 0_usize..6000,
        ) {
            let (head, tail) = text.split_at(cut.min(text.len()));
            let wire = write(&[head, tail]);
            prop_assert_eq!(read(BareLineEnd::Refuse, &[&wire]), Read::Ended(canonical(&text), wire.len()));
        }
    }
}
