//! Lines ended by CRLF: commands and replies of SMTP, LMTP and POP3, SASL lines everywhere.
//!
//! Each byte is looked at once, however the bytes arrive. The line's cap sits here, before any parser (safety rows
//! F8, P3): an overlong line is drained in constant memory and reported once, in its place among the others; a line
//! that never ends is fatal. NUL, bare CR and bare LF are found here too (F1, F7).

use bytes::Bytes;
use memchr::{memchr, memchr2};

use crate::{Error, Input, InvalidMessage, LimitExceeded};

/// Limits of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    /// Bytes of one line without its CRLF.
    pub line_bytes_max: usize,
    /// Bytes of an overlong line that are drained before the connection is given up.
    pub drain_bytes_max: usize,
}

impl Default for LineLimits {
    /// 2,048 bytes (as Postfix), drained to 1 MiB.
    fn default() -> Self {
        Self { line_bytes_max: 2_048, drain_bytes_max: 1 << 20 }
    }
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnd {
    /// CRLF only.
    #[default]
    CrLf,
    /// CRLF, and a lone LF as well: for a client that reads from sloppy servers.
    DangerLf,
}

/// A line, or why it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The line without its CRLF.
    Whole(Bytes),
    /// The line held a byte that no line may hold. It was consumed up to its line feed.
    Invalid(InvalidMessage),
    /// The line was longer than the limit; it was consumed up to its end.
    Overlong(LimitExceeded),
}

/// Cuts the input into lines.
///
/// ```
/// use mail_wire::{Input, Line, LineFramer, LineLimits};
/// let mut input = Input::new();
/// let mut framer = LineFramer::new(LineLimits::default());
/// input.buffer().extend_from_slice(b"NOOP\r\nQU");
/// assert_eq!(framer.poll(&mut input), Ok(Some(Line::Whole("NOOP".into()))));
/// assert_eq!(framer.poll(&mut input), Ok(None));
/// ```
#[derive(Debug)]
pub struct LineFramer {
    limits: LineLimits,
    end: LineEnd,
    /// Bytes of the current line already searched for a line feed.
    scanned: usize,
    /// Bytes dropped of an overlong line; zero while the line is within its limit.
    drained: usize,
    /// The last dropped byte was a carriage return.
    drained_cr: bool,
    bare_lines: u64,
}

impl LineFramer {
    /// A framer for lines that end with CRLF.
    #[must_use]
    pub fn new(limits: LineLimits) -> Self {
        Self { limits, end: LineEnd::CrLf, scanned: 0, drained: 0, drained_cr: false, bare_lines: 0 }
    }

    /// The same with another line end.
    #[must_use]
    pub fn with_line_end(mut self, end: LineEnd) -> Self {
        self.end = end;
        self
    }

    /// Changes the limits, from the next line on.
    pub fn set_limits(&mut self, limits: LineLimits) {
        self.limits = limits;
    }

    /// What waits, if a line begins there of which no more than `searched_max` bytes have been searched: for a caller
    /// that reads lines of one plain form by itself, and takes them away by [`skip`](Self::skip). The cap is what keeps a
    /// line that comes byte by byte from being searched twice for each.
    #[must_use]
    pub fn front<'a>(&self, input: &'a Input, searched_max: usize) -> Option<&'a [u8]> {
        let begins = self.drained == 0 && self.scanned <= searched_max && !input.gate_is_shut();
        begins.then(|| input.waiting())
    }

    /// Takes away so many bytes of [`front`](Self::front), whole lines with their ends, which its caller has read.
    pub fn skip(&mut self, input: &mut Input, bytes: usize) {
        input.discard(bytes);
        self.scanned = self.scanned.saturating_sub(bytes);
    }

    /// How many lines ended with a lone LF, where [`LineEnd::DangerLf`] lets them.
    #[must_use]
    pub fn bare_lines(&self) -> u64 {
        self.bare_lines
    }

    /// The next line, if it is complete. An error is final.
    pub fn poll(&mut self, input: &mut Input) -> Result<Option<Line>, Error> {
        input.check_gate()?;
        if self.drained > 0 {
            return self.drain(input);
        }
        let waiting = input.waiting();
        let Some(found) = memchr(b'\n', waiting.get(self.scanned..).unwrap_or_default()) else {
            self.scanned = waiting.len();
            // One byte more than the limit may be the CR of a line that just fits.
            if waiting.len() > self.limits.line_bytes_max.saturating_add(1) {
                return self.drain(input);
            }
            return Ok(None);
        };
        let line_feed = self.scanned + found;
        let with_cr = line_feed > 0 && waiting.get(line_feed - 1) == Some(&b'\r');
        let text_bytes = if with_cr { line_feed - 1 } else { line_feed };
        if text_bytes > self.limits.line_bytes_max {
            return self.drain(input);
        }
        self.scanned = 0;
        let text = input.take(text_bytes);
        input.discard(line_feed + 1 - text_bytes);
        if !with_cr {
            if self.end == LineEnd::CrLf {
                return Ok(Some(Line::Invalid(InvalidMessage::new(InvalidMessage::BARE_LF, text_bytes))));
            }
            self.bare_lines += 1;
        }
        if let Some(at) = memchr2(b'\r', 0, &text) {
            let what = if text.get(at) == Some(&0) { InvalidMessage::NUL } else { InvalidMessage::BARE_CR };
            return Ok(Some(Line::Invalid(InvalidMessage::new(what, at))));
        }
        Ok(Some(Line::Whole(text)))
    }

    fn drain(&mut self, input: &mut Input) -> Result<Option<Line>, Error> {
        let waiting = input.waiting();
        let mut from = 0;
        while let Some(found) = memchr(b'\n', waiting.get(from..).unwrap_or_default()) {
            let at = from + found;
            let after_cr = if at == 0 { self.drained_cr } else { waiting.get(at - 1) == Some(&b'\r') };
            if after_cr || self.end == LineEnd::DangerLf {
                self.count_drained(at + 1)?;
                input.discard(at + 1);
                (self.scanned, self.drained, self.drained_cr) = (0, 0, false);
                return Ok(Some(Line::Overlong(self.overlong())));
            }
            from = at + 1;
        }
        if let Some(last) = waiting.last() {
            self.drained_cr = *last == b'\r';
        }
        self.count_drained(waiting.len())?;
        input.clear();
        self.scanned = 0;
        Ok(None)
    }

    fn count_drained(&mut self, bytes: usize) -> Result<(), LimitExceeded> {
        self.drained = self.drained.saturating_add(bytes);
        let max = self.limits.drain_bytes_max;
        if self.drained > max { Err(LimitExceeded::new("drain_bytes_max", max as u64)) } else { Ok(()) }
    }

    fn overlong(&self) -> LimitExceeded {
        LimitExceeded::new("line_bytes_max", self.limits.line_bytes_max as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::every_split;

    fn lines(limits: LineLimits, input: &[u8]) -> Vec<Result<Line, Error>> {
        every_split(input, |pieces| {
            let (mut buffer, mut framer, mut out) = (Input::new(), LineFramer::new(limits), Vec::new());
            for piece in pieces {
                buffer.buffer().extend_from_slice(piece);
                loop {
                    match framer.poll(&mut buffer) {
                        Ok(Some(line)) => out.push(Ok(line)),
                        Ok(None) => break,
                        Err(e) => {
                            out.push(Err(e));
                            return out;
                        }
                    }
                }
            }
            out
        })
    }

    fn whole(text: &'static str) -> Result<Line, Error> {
        Ok(Line::Whole(text.into()))
    }

    #[test]
    fn lines_are_the_same_at_every_split() {
        let got = lines(LineLimits::default(), b"EHLO a\r\n\r\nQUIT\r\nrest");
        assert_eq!(got, [whole("EHLO a"), whole(""), whole("QUIT")]);
    }

    #[test]
    fn f8_a_line_at_the_cap_passes_and_one_above_is_reported_once() {
        let limits = LineLimits { line_bytes_max: 4, drain_bytes_max: 64 };
        let overlong = || Ok(Line::Overlong(LimitExceeded::new("line_bytes_max", 4)));
        assert_eq!(lines(limits, b"abcd\r\nx\r\n"), [whole("abcd"), whole("x")]);
        assert_eq!(lines(limits, b"abcde\r\nx\r\n"), [overlong(), whole("x")]);
        // A bare LF inside a long line: nothing behind it may be read as a line of its own, at any cut.
        assert_eq!(lines(limits, b"abcdefghijkl\nmn\r\nx\r\n"), [overlong(), whole("x")]);
    }

    #[test]
    fn f8_a_line_without_end_is_fatal_and_costs_constant_memory() {
        let (mut input, mut framer) =
            (Input::new(), LineFramer::new(LineLimits { line_bytes_max: 10, drain_bytes_max: 1000 }));
        let mut fed = 0;
        let error = loop {
            input.buffer().extend_from_slice(b"aaaaaaa");
            fed += 7;
            match framer.poll(&mut input) {
                Ok(None) => assert!(input.waiting().len() <= 11),
                Ok(Some(_)) => unreachable!("no line ends"),
                Err(e) => break e,
            }
        };
        assert_eq!(error, LimitExceeded::new("drain_bytes_max", 1000).into());
        assert!((1000..1020).contains(&fed));
    }

    #[test]
    fn a_caller_may_read_lines_at_the_front_by_itself() {
        let limits = LineLimits { line_bytes_max: 8, drain_bytes_max: 64 };
        let (mut input, mut framer) = (Input::new(), LineFramer::new(limits));
        input.buffer().extend_from_slice(b"1 120\r\n2 2");
        assert_eq!(framer.front(&input, 0), Some(&b"1 120\r\n2 2"[..]));
        framer.skip(&mut input, 7);
        assert_eq!(framer.poll(&mut input), Ok(None));
        assert_eq!(framer.front(&input, 2), None, "3 bytes were searched");
        input.buffer().extend_from_slice(b"00\r\n.\r\n");
        assert_eq!(framer.front(&input, 3), Some(&b"2 200\r\n.\r\n"[..]));
        framer.skip(&mut input, 7);
        assert_eq!(framer.poll(&mut input), Ok(Some(Line::Whole(".".into()))));
        input.buffer().extend_from_slice(b"much too long");
        assert_eq!(framer.poll(&mut input), Ok(None));
        assert_eq!(framer.front(&input, usize::MAX), None, "an overlong line is being drained");
    }

    #[test]
    fn f1_bare_cr_and_bare_lf_end_no_line() {
        let bad = |what, at| Ok(Line::Invalid(InvalidMessage::new(what, at)));
        assert_eq!(lines(LineLimits::default(), b"a\nb\r\n"), [bad(InvalidMessage::BARE_LF, 1), whole("b")]);
        assert_eq!(lines(LineLimits::default(), b"a\rb\r\n"), [bad(InvalidMessage::BARE_CR, 1)]);
        assert_eq!(lines(LineLimits::default(), b"a\r\r\n"), [bad(InvalidMessage::BARE_CR, 1)]);
    }

    #[test]
    fn f7_nul_is_refused_and_other_control_bytes_are_the_grammar_s() {
        for byte in (0x00..0x20).chain([0x7f, 0x80, 0xff]) {
            let text = [b'a', byte, b'\r', b'\n'];
            let got = lines(LineLimits::default(), &text);
            match byte {
                0 => assert_eq!(got, [Ok(Line::Invalid(InvalidMessage::new(InvalidMessage::NUL, 1)))]),
                b'\n' => {
                    assert_eq!(got[0], Ok(Line::Invalid(InvalidMessage::new(InvalidMessage::BARE_LF, 1))))
                }
                b'\r' => {
                    assert_eq!(got, [Ok(Line::Invalid(InvalidMessage::new(InvalidMessage::BARE_CR, 1)))])
                }
                _ => assert_eq!(got, [Ok(Line::Whole(Bytes::copy_from_slice(&text[..2])))]),
            }
        }
    }

    #[test]
    fn a_tolerant_client_takes_a_bare_lf() {
        let (mut input, mut framer) =
            (Input::new(), LineFramer::new(LineLimits::default()).with_line_end(LineEnd::DangerLf));
        input.buffer().extend_from_slice(b"+OK\n-ERR\r\n");
        assert_eq!(framer.poll(&mut input), Ok(Some(Line::Whole("+OK".into()))));
        assert_eq!(framer.poll(&mut input), Ok(Some(Line::Whole("-ERR".into()))));
        assert_eq!(framer.bare_lines(), 1);
    }
}
