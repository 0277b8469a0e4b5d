//! Strings and the lines they stand in (RFC 3656 2.1, 2.2): reading words and strings off a frame, writing a line.
//!
//! A frame comes from [`mail_wire::LiteralFramer`] with its literals inside. Strings are handed out as slices of it;
//! only a quoted string with a backslash in it is copied. The writer quotes what can be quoted and uses a
//! non-synchronising literal for the rest: some Cyrus clients refuse `{n+}` from a server, so a literal is the exception.
//! It also counts the line's bytes, since nobody has to take more than [`LINE_BYTES_MAX`] outside of literals.

use bytes::{Bytes, BytesMut};
use mail_wire::{Decimal, InvalidMessage, Outbox};
use memchr::{memchr, memchr2};
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, u64};
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// Bytes of a line outside of literals that every peer takes, CRLF included (RFC 3656 2).
pub const LINE_BYTES_MAX: usize = 1_024;

/// Reads a frame from left to right.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    frame: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(frame: &'a Bytes) -> Self {
        Self { frame, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.frame.get(self.at..).unwrap_or_default()
    }

    /// All that is left, as a slice of the frame.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        let rest = self.frame.slice(self.at.min(self.frame.len())..);
        self.at = self.frame.len();
        rest
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.frame.len()
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn error(&self, what: &'static str) -> InvalidMessage {
        InvalidMessage::new(what, self.at)
    }

    /// The bytes up to the next space or the end; they may be none.
    pub(crate) fn word(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let word = rest.get(..memchr(b' ', rest).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    /// Takes one space, if there is one.
    pub(crate) fn space(&mut self) -> bool {
        let found = self.rest().first() == Some(&b' ');
        self.at += usize::from(found);
        found
    }

    /// A quoted string or a literal.
    pub(crate) fn string(&mut self) -> Result<Bytes, InvalidMessage> {
        match self.rest().first() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Err(self.error("string expected")),
        }
    }

    /// A space and a string.
    pub(crate) fn argument(&mut self) -> Result<Bytes, InvalidMessage> {
        if self.space() { self.string() } else { Err(self.error("space expected")) }
    }

    /// True when nothing is left.
    pub(crate) fn end(&self) -> Result<(), InvalidMessage> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("end of line expected")) }
    }

    fn quoted(&mut self) -> Result<Bytes, InvalidMessage> {
        let from = self.at + 1;
        let body = self.frame.get(from..).unwrap_or_default();
        let stop = memchr2(b'"', b'\\', body).ok_or_else(|| self.error("closing quote expected"))?;
        if body.get(stop) == Some(&b'\\') {
            return self.quoted_with_escapes(body);
        }
        check_quoted(body.get(..stop).unwrap_or_default(), from)?;
        self.at = from + stop + 1;
        Ok(self.frame.slice(from..from + stop))
    }

    /// ACAP's quoting (RFC 2244): `\"` and `\\`. Cyrus reads it, nobody writes it.
    fn quoted_with_escapes(&mut self, body: &[u8]) -> Result<Bytes, InvalidMessage> {
        let from = self.at + 1;
        let mut text = BytesMut::new();
        let mut bytes = body.iter().enumerate();
        while let Some((offset, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    check_quoted(&text, from)?;
                    self.at = from + offset + 1;
                    return Ok(text.freeze());
                }
                b'\\' => match bytes.next() {
                    Some((_, escaped @ (b'"' | b'\\'))) => text.extend_from_slice(&[*escaped]),
                    _ => return Err(InvalidMessage::new("escaped quote expected", from + offset)),
                },
                _ => text.extend_from_slice(&[*byte]),
            }
        }
        Err(self.error("closing quote expected"))
    }

    fn literal(&mut self) -> Result<Bytes, InvalidMessage> {
        let rest = self.rest();
        let (body, announced) = literal_head(rest).map_err(|_| self.error("literal expected"))?;
        let from = self.at + (rest.len() - body.len());
        let bytes = usize::try_from(announced).unwrap_or(usize::MAX);
        let text = body.get(..bytes).ok_or_else(|| self.error("literal is cut off"))?;
        if let Some(nul) = memchr(0, text) {
            return Err(InvalidMessage::new(InvalidMessage::NUL, from + nul));
        }
        self.at = from + bytes;
        Ok(self.frame.slice(from..from + bytes))
    }
}

/// `{n}` or `{n+}`, and the line end behind it.
fn literal_head(input: &[u8]) -> IResult<&[u8], u64> {
    delimited(char('{'), u64, alt((tag("+}\r\n"), tag("}\r\n")))).parse(input)
}

fn check_quoted(text: &[u8], offset: usize) -> Result<(), InvalidMessage> {
    let is_wrong = |b: &u8| !b.is_ascii() || matches!(b, 0 | b'\r' | b'\n');
    // Without an early end, so that it runs over many bytes at once; what is wrong is looked for only if there is.
    if !text.iter().fold(false, |wrong, b| wrong | is_wrong(b)) {
        return Ok(());
    }
    let at = text.iter().position(is_wrong).unwrap_or_default();
    Err(InvalidMessage::new("not in a quoted string", offset + at))
}

/// Writes one line, and counts its bytes outside of literals.
#[derive(Debug)]
pub(crate) struct LineWriter<'a> {
    out: &'a mut Outbox,
    line_bytes: usize,
}

impl<'a> LineWriter<'a> {
    pub(crate) fn new(out: &'a mut Outbox) -> Self {
        Self { out, line_bytes: 0 }
    }

    /// Constant text, or a tag.
    pub(crate) fn raw(&mut self, text: &[u8]) -> &mut Self {
        self.out.put(text);
        self.line_bytes += text.len();
        self
    }

    /// A space and a string.
    pub(crate) fn argument(&mut self, text: &[u8]) -> &mut Self {
        // The quotes, and room for the announcement of a literal behind this string and the CRLF.
        const REST_BYTES: usize = 32;
        self.raw(b" ");
        if is_quotable(text) && self.line_bytes + text.len() + REST_BYTES <= LINE_BYTES_MAX {
            return self.raw(b"\"").raw(text).raw(b"\"");
        }
        self.out.put(b"{");
        self.out.put(Decimal::new(text.len() as u64).as_bytes());
        self.out.put(b"+}\r\n");
        self.out.put(text);
        self.line_bytes = 0;
        self
    }

    pub(crate) fn end(&mut self) {
        self.out.put(b"\r\n");
    }
}

fn is_quotable(text: &[u8]) -> bool {
    plain_bytes(text) == text.len()
}

/// How many bytes at the beginning are plain: printable ASCII without quote and backslash, and the tab that ACLs are
/// made with. They mean themselves in a quoted string, and nothing in them ends it.
///
/// Eight bytes are looked at in one go: strings here are too short for anything that has to be set up first.
pub(crate) fn plain_bytes(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if let Some(at) = first_not_plain(u64::from_le_bytes(*word)) {
            return 8 * index + at;
        }
    }
    // The zeros behind the last bytes are not plain, so the search ends there at the latest.
    let mut last = [0_u8; 8];
    last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    8 * words.len() + first_not_plain(u64::from_le_bytes(last)).unwrap_or(rest.len())
}

/// The lowest of eight bytes that is not plain. In each sum below, the low seven bits of a byte and a constant below
/// 0x80 stay within that byte, so no byte disturbs its neighbour; the top bit then tells.
fn first_not_plain(word: u64) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * ONES;
    const LOW: u64 = 0x7f * ONES;
    let low = word & LOW;
    let differs_from = |byte: u8| (low ^ (ONES * u64::from(byte))) + LOW;
    let from_space = low + (0x80 - 0x20) * ONES;
    let allowed = from_space | !differs_from(b'\t');
    let plain = allowed & differs_from(b'"') & differs_from(b'\\') & differs_from(0x7f) & !word & TOP;
    let other = plain ^ TOP;
    (other != 0).then(|| (other.trailing_zeros() / 8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &'static [u8]) -> Result<(Bytes, usize), InvalidMessage> {
        let frame = Bytes::from_static(text);
        let mut cursor = Cursor::new(&frame);
        cursor.string().map(|string| (string, cursor.offset()))
    }

    fn written(text: &[u8], before: usize) -> Vec<u8> {
        let mut out = Outbox::new();
        let mut line = LineWriter::new(&mut out);
        line.raw(&vec![b'x'; before]).argument(text).end();
        let mut all = Vec::new();
        while let Some(piece) = out.take() {
            all.extend_from_slice(&piece);
        }
        all.split_off(before)
    }

    #[test]
    fn quoted_strings_and_literals_read_the_same() {
        assert_eq!(string(b"\"user.a b\" x"), Ok(("user.a b".into(), 10)));
        assert_eq!(string(b"{8+}\r\nuser.a b x"), Ok(("user.a b".into(), 14)));
        assert_eq!(string(b"{8}\r\nuser.a b"), Ok(("user.a b".into(), 13)));
        assert_eq!(string(b"\"\""), Ok(("".into(), 2)));
        assert_eq!(string(b"{0+}\r\n"), Ok(("".into(), 6)));
        assert_eq!(string(b"\"a\\\"b\\\\\" x"), Ok(("a\"b\\".into(), 8)));
    }

    #[test]
    fn f7_bytes_that_no_quoted_string_holds_are_refused() {
        for byte in 0..=0xff_u8 {
            let frame = Bytes::from(vec![b'"', b'a', byte, b'"']);
            let allowed = byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n' | b'\\');
            assert_eq!(Cursor::new(&frame).string().is_ok(), allowed, "{byte:#x}");
        }
        assert_eq!(string(b"{2+}\r\na\0"), Err(InvalidMessage::new(InvalidMessage::NUL, 7)));
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for bad in [
            &b"atom"[..],
            b"",
            b"\"open",
            b"\"a\\",
            b"\"a\\x\"",
            b"{3+}\r\nab",
            b"{}\r\n",
            b"{1+} a",
            b"{-1}\r\n",
        ] {
            assert!(string(bad).is_err(), "{bad:?}");
        }
        assert!(string(b"{99999999999999999999}\r\n").is_err());
        assert!(string(b"{18446744073709551615}\r\nabc").is_err());
    }

    #[test]
    fn e1_only_what_a_quoted_string_holds_is_quoted() {
        assert_eq!(written(b"alice\tlrs\t", 0), b" \"alice\tlrs\t\"\r\n");
        assert_eq!(written(b"", 0), b" \"\"\r\n");
        assert_eq!(written(b"a\"b", 0), b" {3+}\r\na\"b\r\n");
        assert_eq!(written(b"a\r\nb", 0), b" {4+}\r\na\r\nb\r\n");
        assert_eq!(written("é".as_bytes(), 0), " {2+}\r\né\r\n".as_bytes());
    }

    #[test]
    fn plain_bytes_are_counted_up_to_the_first_that_is_not() {
        let is_plain = |b: u8| matches!(b, b'\t' | 0x20..=0x7e) && !matches!(b, b'"' | b'\\');
        for byte in 0..=0xff_u8 {
            for neighbour in [b'a', b'\t', b' ', b'~'] {
                for at in 0..20 {
                    let mut text = [neighbour; 20];
                    text[at] = byte;
                    let expected = if is_plain(byte) { 20 } else { at };
                    assert_eq!(plain_bytes(&text), expected, "{byte:#x} at {at}");
                    assert_eq!(plain_bytes(&text[..at]), at);
                }
            }
        }
    }

    #[test]
    fn no_line_outside_of_literals_grows_beyond_what_every_peer_takes() {
        for (before, name_bytes) in [(0, 900), (0, 1_000), (900, 80), (900, 100), (960, 31), (980, 5)] {
            let name = vec![b'n'; name_bytes];
            let line = written(&name, before);
            let longest = line.split(|b| *b == b'\n').map(|l| l.len() + 1).max().unwrap();
            let quoted = line.starts_with(b" \"");
            assert!(!quoted || before + longest <= LINE_BYTES_MAX, "{before} + {name_bytes}");
        }
        assert!(written(&[b'n'; 991], 0).starts_with(b" \""));
        assert!(written(&[b'n'; 992], 0).starts_with(b" {992+}"));
    }
}
