//! Frames with literals: commands and responses of IMAP and MUPDATE.
//!
//! A frame is a line whose text may be interrupted by literals, runs of a stated number of bytes (RFC 3501 4.3,
//! RFC 7888, RFC 3516 `~{n}`). The framer finds where frames end before any parser looks at them, so what is done
//! with a literal can never change which bytes are text: a literal is kept inside its frame, streamed past it, or
//! refused and skipped exactly (safety row F6). All caps are here (P1 to P3): nothing is reserved by an announced
//! size, memory grows with the bytes that came.
//!
//! What no frame may hold (a NUL, a bare CR or LF, text above its limit) is fatal: behind it, nobody can say
//! whether the next bytes are text or a literal.

use bytes::Bytes;
use memchr::{memchr, memchr2};

use crate::{Error, Input, InvalidMessage, LimitExceeded, LineEnd, PeerMisbehaved};

/// Limits of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes of text in one frame, literals and their announcements' braces apart.
    pub text_bytes_max: usize,
    /// Literals in one frame.
    pub literals_max: usize,
    /// Bytes of all literals that are kept inside one frame.
    pub kept_literal_bytes_max: u64,
    /// Bytes of one literal that is streamed.
    pub streamed_literal_bytes_max: u64,
    /// Bytes of refused literals that are skipped in one frame before the connection is given up.
    pub skipped_literal_bytes_max: u64,
}

impl Default for FrameLimits {
    /// 64 KiB of text, 64 literals, 128 KiB kept (as Cyrus `maxliteral`), 64 MiB streamed or skipped.
    fn default() -> Self {
        Self {
            text_bytes_max: 64 << 10,
            literals_max: 64,
            kept_literal_bytes_max: 128 << 10,
            streamed_literal_bytes_max: 64 << 20,
            skipped_literal_bytes_max: 64 << 20,
        }
    }
}

/// Which rules the next frame follows. The state machine above knows; the bytes do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralMode {
    /// A command, or any frame where `{n}` at the end of a line announces a literal unless it stands in quotes.
    Command,
    /// An IMAP response: as a command, but the text of a status or continuation line announces nothing.
    Response,
    /// One bare line, such as a SASL response or `DONE`: nothing is announced.
    Line,
}

/// Names one literal of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LiteralId(pub u64);

/// Whether the sender waits before it sends a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralForm {
    /// `{n}`: the sender of a command waits for a continuation request.
    Sync,
    /// `{n+}` (RFC 7888): the bytes follow at once.
    NonSync,
}

/// An announced literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its name on this connection.
    pub id: LiteralId,
    /// Its size.
    pub bytes: u64,
    /// Whether its sender waits.
    pub form: LiteralForm,
    /// True for `~{n}` (RFC 3516), which may hold NUL.
    pub binary: bool,
}

/// What becomes of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Its bytes stay inside the frame.
    Collect,
    /// Its bytes pass as [`Part::Chunk`]s; the frame has a hole behind the announcement.
    Stream,
}

/// A piece of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A frame without its final CRLF, with all its literals inside.
    Whole(Bytes),
    /// A literal was announced; [`LiteralFramer::keep`] or [`LiteralFramer::refuse`] is due.
    Offer(Announced),
    /// The frame up to and including the announcement of a streamed literal and its CRLF; or, behind an earlier
    /// streamed literal, the frame from there.
    Head(Bytes, Announced),
    /// Bytes of the streamed literal, never empty.
    Chunk(LiteralId, Bytes),
    /// The streamed literal is complete.
    LiteralEnd(LiteralId),
    /// The rest of the frame behind its last streamed literal, without its final CRLF.
    Tail(Bytes),
    /// The frame with a refused literal has gone by.
    Refused,
}

/// Cuts the input into frames.
///
/// ```
/// use mail_wire::{FrameLimits, Input, Keep, LiteralFramer, LiteralMode, Part};
/// let mut input = Input::new();
/// let mut framer = LiteralFramer::new(FrameLimits::default());
/// input.buffer().extend_from_slice(b"a LOGIN {5+}\r\nalice secret\r\n");
/// let Some(Part::Offer(literal)) = framer.poll(&mut input, LiteralMode::Command)? else { panic!() };
/// assert_eq!(literal.bytes, 5);
/// framer.keep(Keep::Collect)?;
/// let whole = Part::Whole("a LOGIN {5+}\r\nalice secret".into());
/// assert_eq!(framer.poll(&mut input, LiteralMode::Command)?, Some(whole));
/// # Ok::<(), mail_wire::Error>(())
/// ```
#[derive(Debug)]
pub struct LiteralFramer {
    limits: FrameLimits,
    end: LineEnd,
    state: State,
    /// The frame is being refused: its text and literals are dropped.
    refusing: bool,
    /// A literal of the frame was streamed.
    holed: bool,
    /// Bytes at the front of the input that belong to the frame and were searched.
    scanned: usize,
    /// Where in the input the text behind the last literal begins.
    segment: usize,
    /// Bytes of the frame's text before `segment`.
    text_bytes: usize,
    literals: usize,
    kept_bytes: u64,
    skipped_bytes: u64,
    last_id: u64,
    bare_line_ends: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Text,
    Offered(Announced),
    Collecting {
        bytes: u64,
    },
    StreamDue(Announced),
    Streaming {
        id: LiteralId,
        left: u64,
    },
    Skipping {
        left: u64,
    },
    /// The refused literal waits at its sender, so the frame ends here.
    RefusedUnsent,
}

impl LiteralFramer {
    /// A framer between frames.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            end: LineEnd::CrLf,
            state: State::Text,
            refusing: false,
            holed: false,
            scanned: 0,
            segment: 0,
            text_bytes: 0,
            literals: 0,
            kept_bytes: 0,
            skipped_bytes: 0,
            last_id: 0,
            bare_line_ends: 0,
        }
    }

    /// The same with another line end; [`LineEnd::DangerLf`] also lets NUL and bare CR through to the grammar.
    #[must_use]
    pub fn with_line_end(mut self, end: LineEnd) -> Self {
        self.end = end;
        self
    }

    /// Changes the limits (after login, say). A frame under way is measured by the new ones.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
    }

    /// Forgets a frame under way and goes on with these limits: after a handshake, when the bytes before it are gone.
    pub fn start_over(&mut self, limits: FrameLimits) {
        self.limits = limits;
        self.reset();
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &FrameLimits {
        &self.limits
    }

    /// How many line ends so far lacked their carriage return. Never any but with [`LineEnd::DangerLf`].
    #[must_use]
    pub fn bare_line_ends(&self) -> u64 {
        self.bare_line_ends
    }

    /// True when no frame has begun: the input is empty, or its first byte starts a new one.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Text) && self.scanned == 0 && !self.holed && !self.refusing
    }

    /// What waits, if a frame begins there of which no literal has been announced and no more than `searched_max`
    /// bytes have been searched: for a caller that reads frames of one plain form by itself, and takes them away by
    /// [`skip`](Self::skip). The cap is what keeps a frame that comes byte by byte from being searched twice for each.
    #[must_use]
    pub fn front<'a>(&self, input: &'a Input, searched_max: usize) -> Option<&'a [u8]> {
        let begins = matches!(self.state, State::Text) && self.segment == 0 && !self.holed && !self.refusing;
        (begins && self.scanned <= searched_max && !input.gate_is_shut()).then(|| input.waiting())
    }

    /// Takes away so many bytes of [`front`](Self::front), whole frames with their line ends, which its caller has
    /// read.
    pub fn skip(&mut self, input: &mut Input, bytes: usize) {
        input.discard(bytes);
        self.scanned = self.scanned.saturating_sub(bytes);
    }

    /// The frame up to and including the announcement that is on offer, for whoever must decide. `None` when no
    /// literal is on offer.
    #[must_use]
    pub fn so_far<'a>(&self, input: &'a Input) -> Option<&'a [u8]> {
        match self.state {
            State::Offered(_) => input.waiting().get(..self.scanned),
            _ => None,
        }
    }

    /// Accepts the literal on offer. An error means that this is not possible; refuse it then.
    pub fn keep(&mut self, how: Keep) -> Result<(), LimitExceeded> {
        let State::Offered(literal) = self.state else { return Ok(()) };
        match how {
            Keep::Collect => {
                let (kept, max) =
                    (self.kept_bytes.saturating_add(literal.bytes), self.limits.kept_literal_bytes_max);
                if kept > max {
                    return Err(LimitExceeded::new("kept_literal_bytes_max", max));
                }
                self.kept_bytes = kept;
                self.state = State::Collecting { bytes: literal.bytes };
            }
            Keep::Stream => {
                let max = self.limits.streamed_literal_bytes_max;
                if literal.bytes > max {
                    return Err(LimitExceeded::new("streamed_literal_bytes_max", max));
                }
                self.state = State::StreamDue(literal);
            }
        }
        Ok(())
    }

    /// Refuses the literal on offer, and its frame with it: [`Part::Refused`] follows when the frame has gone by.
    /// A synchronising literal was not sent, so that is at once; the others are skipped byte by byte.
    pub fn refuse(&mut self) {
        if let State::Offered(literal) = self.state {
            self.refusing = true;
            self.state = match literal.form {
                LiteralForm::Sync => State::RefusedUnsent,
                LiteralForm::NonSync => State::Skipping { left: literal.bytes },
            };
        }
    }

    /// The next piece, if it is complete. `mode` says how to read a frame that begins here or is under way. An
    /// error is final.
    pub fn poll(&mut self, input: &mut Input, mode: LiteralMode) -> Result<Option<Part>, Error> {
        input.check_gate()?;
        loop {
            match self.state {
                State::Offered(_) => return Ok(None),
                State::RefusedUnsent => {
                    input.discard(self.scanned);
                    self.reset();
                    return Ok(Some(Part::Refused));
                }
                State::Text => match self.poll_text(input, mode)? {
                    Step::Again => {}
                    Step::Wait => return self.wait(input),
                    Step::Part(part) => return Ok(Some(part)),
                },
                State::Collecting { bytes } => {
                    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                    if input.waiting().len().saturating_sub(self.scanned) < bytes {
                        return self.wait(input);
                    }
                    self.text_bytes += self.scanned - self.segment;
                    self.scanned += bytes;
                    self.segment = self.scanned;
                    self.state = State::Text;
                }
                State::StreamDue(literal) => {
                    self.text_bytes += self.scanned - self.segment;
                    let head = input.take(self.scanned);
                    (self.scanned, self.segment, self.holed) = (0, 0, true);
                    self.state = State::Streaming { id: literal.id, left: literal.bytes };
                    return Ok(Some(Part::Head(head, literal)));
                }
                State::Streaming { id, left: 0 } => {
                    self.state = State::Text;
                    return Ok(Some(Part::LiteralEnd(id)));
                }
                State::Streaming { id, left } => {
                    let chunk = input.take(usize::try_from(left).unwrap_or(usize::MAX));
                    if chunk.is_empty() {
                        return self.wait(input);
                    }
                    self.state = State::Streaming { id, left: left - chunk.len() as u64 };
                    return Ok(Some(Part::Chunk(id, chunk)));
                }
                State::Skipping { left } => {
                    // The text before the literal is dropped with it.
                    input.discard(self.scanned);
                    (self.scanned, self.segment) = (0, 0);
                    let skipped = (input.waiting().len() as u64).min(left);
                    input.discard(usize::try_from(skipped).unwrap_or(usize::MAX));
                    self.skipped_bytes = self.skipped_bytes.saturating_add(skipped);
                    let max = self.limits.skipped_literal_bytes_max;
                    if self.skipped_bytes > max {
                        return Err(LimitExceeded::new("skipped_literal_bytes_max", max).into());
                    }
                    if skipped < left {
                        self.state = State::Skipping { left: left - skipped };
                        return self.wait(input);
                    }
                    self.state = State::Text;
                }
            }
        }
    }

    fn wait(&self, input: &Input) -> Result<Option<Part>, Error> {
        if input.has_ended() && !(self.is_between_frames() && input.is_empty()) {
            return Err(PeerMisbehaved::ClosedMidMessage.into());
        }
        Ok(None)
    }

    fn poll_text(&mut self, input: &mut Input, mode: LiteralMode) -> Result<Step, Error> {
        let waiting = input.waiting();
        let Some(found) = memchr(b'\n', waiting.get(self.scanned..).unwrap_or_default()) else {
            self.scanned = waiting.len();
            // One byte more than the limit may be the CR of text that just fits.
            self.check_text(self.scanned.saturating_sub(self.segment + 1))?;
            return Ok(Step::Wait);
        };
        let line_feed = self.scanned + found;
        let with_cr = line_feed > self.segment && waiting.get(line_feed - 1) == Some(&b'\r');
        let text_end = if with_cr { line_feed - 1 } else { line_feed };
        let text = waiting.get(self.segment..text_end).unwrap_or_default();
        self.check_text(text.len())?;
        if self.end == LineEnd::CrLf {
            if let Some(at) = memchr2(b'\r', 0, text) {
                let what =
                    if text.get(at) == Some(&0) { InvalidMessage::NUL } else { InvalidMessage::BARE_CR };
                return Err(InvalidMessage::new(what, self.text_bytes + at).into());
            }
            if !with_cr {
                return Err(InvalidMessage::new(InvalidMessage::BARE_LF, self.text_bytes + text.len()).into());
            }
        }
        self.bare_line_ends += u64::from(!with_cr);
        let first_of_frame = self.segment == 0 && !self.holed && !self.refusing;
        if let Some(mut literal) = announcement(text, mode, first_of_frame)? {
            self.literals += 1;
            if self.literals > self.limits.literals_max {
                return Err(LimitExceeded::new("literals_max", self.limits.literals_max as u64).into());
            }
            self.last_id += 1;
            literal.id = LiteralId(self.last_id);
            self.scanned = line_feed + 1;
            self.state = State::Offered(literal);
            if self.refusing {
                self.refuse();
                return Ok(Step::Again);
            }
            return Ok(Step::Part(Part::Offer(literal)));
        }
        let frame = input.take(text_end);
        input.discard(line_feed + 1 - text_end);
        let part = match (self.refusing, self.holed) {
            (true, _) => Part::Refused,
            (false, true) => Part::Tail(frame),
            (false, false) => Part::Whole(frame),
        };
        self.reset();
        Ok(Step::Part(part))
    }

    fn check_text(&self, segment_bytes: usize) -> Result<(), LimitExceeded> {
        let max = self.limits.text_bytes_max;
        if self.text_bytes.saturating_add(segment_bytes) > max {
            return Err(LimitExceeded::new("text_bytes_max", max as u64));
        }
        Ok(())
    }

    fn reset(&mut self) {
        let Self { limits, end, last_id, bare_line_ends, .. } = *self;
        *self = Self { end, last_id, bare_line_ends, ..Self::new(limits) };
    }
}

enum Step {
    Again,
    Wait,
    Part(Part),
}

/// The literal that a line of text announces at its end, if any. Its id is the caller's to give.
fn announcement(text: &[u8], mode: LiteralMode, first: bool) -> Result<Option<Announced>, InvalidMessage> {
    let Some(body) = text.strip_suffix(b"}") else { return Ok(None) };
    let Some(open) = memchr::memrchr(b'{', body) else { return Ok(None) };
    let (before, count) = (text.get(..open).unwrap_or_default(), body.get(open + 1..).unwrap_or_default());
    let (digits, form) = match count.strip_suffix(b"+") {
        Some(digits) => (digits, LiteralForm::NonSync),
        None => (count, LiteralForm::Sync),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let announces = match mode {
        LiteralMode::Line => false,
        LiteralMode::Command => !ends_inside_quotes(before),
        LiteralMode::Response => !(ends_inside_quotes(before) || (first && is_free_text(before))),
    };
    if !announces {
        return Ok(None);
    }
    let bytes = digits
        .iter()
        .try_fold(0_u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0')))
        .ok_or(InvalidMessage::new("literal size out of range", open))?;
    Ok(Some(Announced { id: LiteralId(0), bytes, form, binary: before.ends_with(b"~") }))
}

fn ends_inside_quotes(text: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    quoted
}

/// True for `+ text` and for `* OK text`, `tag NO text` and their kin: human text in which braces mean nothing.
fn is_free_text(line: &[u8]) -> bool {
    let mut words = line.splitn(3, |b| *b == b' ');
    match (words.next(), words.next()) {
        (Some(b"+"), _) => true,
        (_, Some(word)) => {
            [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|w| word.eq_ignore_ascii_case(w))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::every_split;

    #[derive(Debug, PartialEq, Clone)]
    enum Seen {
        Whole(String),
        Streamed { head: String, body: String },
        Tail(String),
        Refused,
        Error(Error),
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn frames(
        limits: FrameLimits,
        mode: LiteralMode,
        input: &[u8],
        decide: impl Fn(&Announced) -> Option<Keep>,
    ) -> Vec<Seen> {
        every_split(input, |pieces| {
            let (mut buffer, mut framer, mut seen) = (Input::new(), LiteralFramer::new(limits), Vec::new());
            for piece in pieces {
                buffer.buffer().extend_from_slice(piece);
                loop {
                    match framer.poll(&mut buffer, mode) {
                        Ok(None) => break,
                        Ok(Some(Part::Offer(literal))) => {
                            assert!(framer.so_far(&buffer).is_some_and(|f| f.ends_with(b"}\r\n")));
                            if decide(&literal).is_none_or(|keep| framer.keep(keep).is_err()) {
                                framer.refuse();
                            }
                        }
                        Ok(Some(Part::Whole(frame))) => seen.push(Seen::Whole(text(&frame))),
                        Ok(Some(Part::Head(head, _))) => {
                            seen.push(Seen::Streamed { head: text(&head), body: String::new() });
                        }
                        Ok(Some(Part::Chunk(_, chunk))) => {
                            assert!(!chunk.is_empty());
                            if let Some(Seen::Streamed { body, .. }) = seen.last_mut() {
                                body.push_str(&text(&chunk));
                            }
                        }
                        Ok(Some(Part::LiteralEnd(_))) => {}
                        Ok(Some(Part::Tail(tail))) => seen.push(Seen::Tail(text(&tail))),
                        Ok(Some(Part::Refused)) => seen.push(Seen::Refused),
                        Err(error) => {
                            seen.push(Seen::Error(error));
                            return seen;
                        }
                    }
                }
            }
            seen
        })
    }

    fn command(input: &[u8], decide: impl Fn(&Announced) -> Option<Keep>) -> Vec<Seen> {
        frames(FrameLimits::default(), LiteralMode::Command, input, decide)
    }

    fn whole(text: &str) -> Seen {
        Seen::Whole(text.into())
    }

    #[test]
    fn kept_literals_stay_inside_the_frame() {
        let got = command(b"a LOGIN {5+}\r\nal{ce {3}\r\nabc\r\nb NOOP\r\n", |_| Some(Keep::Collect));
        assert_eq!(got, [whole("a LOGIN {5+}\r\nal{ce {3}\r\nabc"), whole("b NOOP")]);
    }

    #[test]
    fn a_streamed_literal_leaves_a_hole_and_the_frame_goes_on_behind_it() {
        let streamed = |head: &str, body: &str| Seen::Streamed { head: head.into(), body: body.into() };
        let got = command(b"a APPEND x {4+}\r\nab\r\n (\\Seen) {2+}\r\ncd END\r\nb NOOP\r\n", |_| {
            Some(Keep::Stream)
        });
        let expected = [
            streamed("a APPEND x {4+}\r\n", "ab\r\n"),
            streamed(" (\\Seen) {2+}\r\n", "cd"),
            Seen::Tail(" END".into()),
            whole("b NOOP"),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn f6_bytes_of_a_refused_literal_are_never_read_as_a_command() {
        let input = b"a APPEND x {12+}\r\nb DELETE x\r\n {3+}\r\nc\r\n tail\r\nd NOOP\r\n";
        assert_eq!(command(input, |_| None), [Seen::Refused, whole("d NOOP")]);
        // A synchronising literal that is refused was not sent: the next byte is the next command.
        assert_eq!(command(b"a APPEND x {12}\r\nb NOOP\r\n", |_| None), [Seen::Refused, whole("b NOOP")]);
        // Behind a refused literal, a synchronising one ends the frame: its sender is waiting.
        assert_eq!(command(b"a X {1+}\r\nz {9}\r\nb NOOP\r\n", |_| None), [Seen::Refused, whole("b NOOP")]);
    }

    #[test]
    fn f6_what_is_announced_does_not_depend_on_what_a_parser_thinks() {
        let keep = |_: &Announced| Some(Keep::Collect);
        // Inside quotes, and in the free text of a response, braces are text.
        assert_eq!(command(b"a X \"q {5}\r\n", keep), [whole("a X \"q {5}")]);
        assert_eq!(
            command(b"a X \"q\\\" {1}\" {2+}\r\nok\r\n", keep),
            [whole("a X \"q\\\" {1}\" {2+}\r\nok")]
        );
        let response = |input: &[u8]| frames(FrameLimits::default(), LiteralMode::Response, input, keep);
        for line in ["* OK text {5}", "a no text {5}", "+ go {5}", "* BYE {5}"] {
            assert_eq!(response(format!("{line}\r\n").as_bytes()), [whole(line)]);
        }
        assert_eq!(response(b"* LIST () \"/\" {2}\r\nab\r\n"), [whole("* LIST () \"/\" {2}\r\nab")]);
        let line = |input: &[u8]| frames(FrameLimits::default(), LiteralMode::Line, input, keep);
        assert_eq!(line(b"DONE {5}\r\n"), [whole("DONE {5}")]);
        for not_a_count in ["{}", "{-1}", "{5-}", "{+}", "{ 5}", "{5}x", "5}"] {
            assert_eq!(
                command(format!("a {not_a_count}\r\n").as_bytes(), keep),
                [whole(&format!("a {not_a_count}"))]
            );
        }
    }

    #[test]
    fn a_caller_may_read_frames_at_the_front_by_itself() {
        let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
        input.buffer().extend_from_slice(b"a NOOP\r\nb NO");
        assert_eq!(framer.front(&input, 0), Some(&b"a NOOP\r\nb NO"[..]));
        framer.skip(&mut input, 8);
        assert_eq!(framer.poll(&mut input, LiteralMode::Command), Ok(None));
        assert_eq!(framer.front(&input, 3), None, "4 bytes were searched");
        assert_eq!(framer.front(&input, 4), Some(&b"b NO"[..]));
        input.buffer().extend_from_slice(b"OP\r\nc X {1+}\r\n");
        framer.skip(&mut input, 8);
        assert!(matches!(framer.poll(&mut input, LiteralMode::Command), Ok(Some(Part::Offer(_)))));
        assert_eq!(framer.front(&input, usize::MAX), None, "a literal is on offer");
        framer.keep(Keep::Collect).unwrap();
        input.buffer().extend_from_slice(b"x\r\nd NOOP\r\n");
        let polled = framer.poll(&mut input, LiteralMode::Command);
        assert_eq!(polled, Ok(Some(Part::Whole("c X {1+}\r\nx".into()))));
        assert_eq!(framer.front(&input, 0), Some(&b"d NOOP\r\n"[..]));
    }

    #[test]
    fn p1_an_announced_size_reserves_nothing_and_an_impossible_one_is_refused() {
        let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
        input.buffer().extend_from_slice(b"a LOGIN {400000000}\r\n");
        let offer = framer.poll(&mut input, LiteralMode::Command);
        assert!(matches!(offer, Ok(Some(Part::Offer(Announced { bytes: 400_000_000, .. })))));
        assert_eq!(framer.keep(Keep::Collect), Err(LimitExceeded::new("kept_literal_bytes_max", 128 << 10)));
        assert!(framer.keep(Keep::Stream).is_err());
        framer.refuse();
        assert_eq!(framer.poll(&mut input, LiteralMode::Command), Ok(Some(Part::Refused)));
        assert!(input.buffer().capacity() < 4096);
        let overflow = command(b"a X {99999999999999999999+}\r\n", |_| None);
        assert_eq!(overflow, [Seen::Error(InvalidMessage::new("literal size out of range", 4).into())]);
    }

    #[test]
    fn p2_p3_every_cap_holds_at_its_value_and_not_above() {
        let limits = FrameLimits {
            text_bytes_max: 20,
            literals_max: 2,
            kept_literal_bytes_max: 4,
            streamed_literal_bytes_max: 4,
            skipped_literal_bytes_max: 6,
        };
        let run = |input: &[u8], keep| frames(limits, LiteralMode::Command, input, |_| Some(keep));
        let error = |limit, max| Seen::Error(LimitExceeded::new(limit, max).into());

        assert_eq!(run(b"12345678901234567890\r\n", Keep::Collect), [whole("12345678901234567890")]);
        assert_eq!(run(b"123456789012345678901\r\n", Keep::Collect), [error("text_bytes_max", 20)]);
        assert_eq!(run(b"a {2+}\r\nab{2+}\r\ncd\r\n", Keep::Collect), [whole("a {2+}\r\nab{2+}\r\ncd")]);
        assert_eq!(run(b"a {2+}\r\nab{3+}\r\ncde\r\nb\r\n", Keep::Collect), [Seen::Refused, whole("b")]);
        let three = b"{1+}\r\na{1+}\r\nb{1+}\r\nc\r\n";
        assert_eq!(run(three, Keep::Collect), [error("literals_max", 2)]);
        assert!(matches!(run(b"{4+}\r\nabcd\r\n", Keep::Stream)[..], [Seen::Streamed { .. }, Seen::Tail(_)]));
        assert_eq!(run(b"{5+}\r\nabcde\r\nb\r\n", Keep::Stream), [Seen::Refused, whole("b")]);
        assert_eq!(run(b"{6+}\r\nabcdef\r\nb\r\n", Keep::Collect), [Seen::Refused, whole("b")]);
        assert_eq!(run(b"{7+}\r\nabcdefg\r\nb\r\n", Keep::Collect), [error("skipped_literal_bytes_max", 6)]);
    }

    #[test]
    fn f7_nul_and_bare_line_ends_end_the_connection() {
        let error = |what, at| Seen::Error(InvalidMessage::new(what, at).into());
        assert_eq!(command(b"a N\0OP\r\n", |_| None), [error(InvalidMessage::NUL, 3)]);
        assert_eq!(command(b"a NOOP\n", |_| None), [error(InvalidMessage::BARE_LF, 6)]);
        assert_eq!(command(b"a N\rOOP\r\n", |_| None), [error(InvalidMessage::BARE_CR, 3)]);
        // Inside a literal any byte may stand; what it may hold is the grammar's business.
        assert_eq!(command(b"a {3+}\r\n\0\r\n\r\n", |_| Some(Keep::Collect)), [whole("a {3+}\r\n\0\r\n")]);
    }

    #[test]
    fn a_frame_cut_off_by_the_peer_is_an_error_and_a_clean_end_is_none() {
        for (bytes, clean) in
            [(&b""[..], true), (b"a NOOP\r\n", true), (b"a NO", false), (b"a {3+}\r\nab", false)]
        {
            let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
            input.buffer().extend_from_slice(bytes);
            input.end();
            let last = loop {
                match framer.poll(&mut input, LiteralMode::Command) {
                    Ok(Some(Part::Offer(_))) => framer.keep(Keep::Collect).unwrap(),
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            assert_eq!(last.is_ok(), clean, "{bytes:?}");
        }
    }
}
