//! The token tape: one scan over a frame, eight bytes for each word, string, literal and list.
//!
//! A token is a kind and two numbers, no reference, so a tape can be kept, shared and sent to another thread. Lists
//! carry the number of tokens inside them, so a reader steps over one without looking in. The scan is a table
//! look-up a byte, and never recursive: the depth is a counter (safety row P4).
//!
//! Two readings of the same shape: **strict** for commands (nesting beyond the limit is an error) and **tolerant** for
//! responses (a list nested too deep becomes one opaque token, so that only the item it belongs to is lost). What
//! spaces and quotes may do besides is a matter of quirks, which the branches ask that a sound frame never takes.

use mail_wire::{InvalidMessage, LiteralId};

use crate::Limits;
use crate::chars::{self, Class};
use crate::quirks::{Check, Quirk};

/// A run of bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// How long it is.
    pub len: usize,
}

impl Span {
    /// The bytes of `frame` that this names; empty if `frame` is not the frame it came from.
    #[must_use]
    pub fn of<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}

/// A literal that was streamed past its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The offset in the joined frame right behind the CRLF of the announcement.
    pub at: usize,
    /// Which literal.
    pub id: LiteralId,
    /// Its size.
    pub bytes: u64,
}

/// One element of a frame. Opaque: views read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u64);

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of anything but space, parentheses, quotes and controls.
    Word,
    /// A quoted string without escapes; the span is what is inside.
    Quoted,
    /// The same with backslashes in it.
    QuotedEscaped,
    /// A literal whose bytes are in the frame.
    Literal,
    /// `~{n}` (RFC 3516).
    Literal8,
    /// A literal whose bytes are elsewhere; two bare numbers follow: its id and its size.
    Hole,
    /// A list; the length is the number of tokens in it.
    List,
    /// Free text, or numbers.
    Text,
    /// A list nested too deep; the span covers it.
    Opaque,
}

const FIELD_BITS: u32 = 28;
const FIELD_MAX: usize = (1 << FIELD_BITS) - 1;
const FIELD_MASK: u64 = FIELD_MAX as u64;
const SPACED: u64 = 1 << 60;
const INVALID: u64 = 1 << 61;
const UTF8: u64 = 1 << 62;

impl Token {
    /// The largest frame a tape can describe, 256 MiB less one byte: the room of an offset.
    pub const FRAME_BYTES_MAX: usize = FIELD_MAX;

    #[inline]
    fn new(kind: Kind, spaced: bool, start: usize, len: usize) -> Self {
        debug_assert!(start <= FIELD_MAX && len <= FIELD_MAX, "frames are measured before they are scanned");
        let flag = if spaced { SPACED } else { 0 };
        Self(((kind as u64) << 56) | flag | ((start as u64) << FIELD_BITS) | len as u64)
    }

    #[inline]
    pub(crate) fn kind(self) -> Kind {
        match (self.0 >> 56) & 15 {
            0 => Kind::Word,
            1 => Kind::Quoted,
            2 => Kind::QuotedEscaped,
            3 => Kind::Literal,
            4 => Kind::Literal8,
            5 => Kind::Hole,
            6 => Kind::List,
            7 => Kind::Text,
            _ => Kind::Opaque,
        }
    }

    #[inline]
    pub(crate) fn start(self) -> usize {
        ((self.0 >> FIELD_BITS) & FIELD_MASK) as usize
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.0 & FIELD_MASK) as usize
    }

    /// A space stood before it.
    #[inline]
    pub(crate) fn is_spaced(self) -> bool {
        self.0 & SPACED != 0
    }

    /// The check found what it begins malformed.
    #[inline]
    pub(crate) fn is_invalid(self) -> bool {
        self.0 & INVALID != 0
    }

    pub(crate) fn mark_invalid(&mut self) {
        self.0 |= INVALID;
    }

    /// A mailbox name here is UTF-8.
    #[inline]
    pub(crate) fn is_utf8(self) -> bool {
        self.0 & UTF8 != 0
    }

    /// Says so of every token of a tape. What is kept of a frame tells the session it came from, whatever became of
    /// that since.
    pub(crate) fn mark_utf8(tape: &mut [Self]) {
        let mut at = 0;
        while let Some(token) = tape.get_mut(at) {
            token.0 |= UTF8;
            // The two numbers of a hole are bare.
            at += if token.kind() == Kind::Hole { token.width() } else { 1 };
        }
    }

    /// How many tokens, itself among them, it takes on the tape.
    #[inline]
    pub(crate) fn width(self) -> usize {
        match self.kind() {
            Kind::List => 1 + self.len(),
            Kind::Hole => 3,
            _ => 1,
        }
    }

    /// The number that a bare token is.
    pub(crate) fn bare(self) -> u64 {
        self.0
    }
}

/// How closely the shape is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Strict,
    Tolerant,
}

/// Where a scan stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    EndOfFrame,
    /// At a `]` outside all parentheses, which is consumed.
    Bracket,
}

/// A scan over one frame, appending to a tape.
pub(crate) struct Scanner<'f, 't> {
    pub(crate) frame: &'f [u8],
    pub(crate) at: usize,
    pub(crate) tape: &'t mut Vec<Token>,
    pub(crate) check: &'t Check<'t>,
    pub(crate) holes: &'t [Hole],
    pub(crate) manner: Manner,
    pub(crate) extent: Extent,
}

/// How much of a frame there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// What stands in front of a streamed literal: lists that are open at the end are taken as they are.
    Head,
}

impl Scanner<'_, '_> {
    /// The run of word bytes from here; empty at anything else.
    #[inline]
    pub(crate) fn word(&mut self, spaced: bool) -> Result<Span, InvalidMessage> {
        let span = self.word_span(self.at);
        if span.len == 0 {
            return Err(InvalidMessage::new("expected a word", self.at));
        }
        self.push(Kind::Word, spaced, span.start, span.len)?;
        self.at += span.len;
        Ok(span)
    }

    /// One space.
    pub(crate) fn space(&mut self) -> Result<(), InvalidMessage> {
        if self.frame.get(self.at) != Some(&b' ') {
            return Err(InvalidMessage::new("expected a space", self.at));
        }
        self.at += 1;
        while self.frame.get(self.at) == Some(&b' ') {
            self.check.meet(Quirk::DoubleSpace, self.at)?;
            self.at += 1;
        }
        Ok(())
    }

    /// Everything from here on as text.
    pub(crate) fn text(&mut self, spaced: bool) -> Result<(), InvalidMessage> {
        let (start, len) = (self.at, self.frame.len() - self.at);
        if let Some(bad) = self.frame[start..].iter().position(|&b| matches!(b, 0 | b'\r' | b'\n')) {
            return Err(InvalidMessage::new("control byte in text", start + bad));
        }
        self.at = self.frame.len();
        self.push(Kind::Text, spaced, start, len)
    }

    /// Everything from here up to `end`, whatever it is.
    pub(crate) fn opaque_text(&mut self, end: usize) -> Result<(), InvalidMessage> {
        let start = self.at;
        self.at = end;
        self.push(Kind::Text, true, start, end - start)
    }

    /// The elements from here up to `until`.
    pub(crate) fn elements(&mut self, until: Until) -> Result<(), InvalidMessage> {
        let mut spaced = false;
        let strict = self.manner == Manner::Strict;
        let depth_max = self.check.limits.depth_max.min(Limits::DEPTH_CEILING);
        // Where on the tape each open list stands.
        let mut open = [0_u32; Limits::DEPTH_CEILING];
        let mut depth = 0;
        // The list just opened has nothing in it yet.
        let mut fresh = false;
        // Levels below an opaque list, and where that list began.
        let mut below = 0_usize;
        while let Some(&byte) = self.frame.get(self.at) {
            match chars::class(byte) {
                Class::Word => {
                    if byte == b'~' && self.frame.get(self.at + 1) == Some(&b'{') {
                        if !self.literal(self.at + 1, Kind::Literal8, spaced, below)? {
                            self.bare_word(until, depth, spaced, below)?;
                        }
                    } else if byte == b']' && until == Until::Bracket && depth == 0 {
                        if spaced {
                            self.check.meet(Quirk::SpaceBeforeClose, self.at)?;
                        }
                        self.at += 1;
                        return Ok(());
                    } else {
                        self.bare_word(until, depth, spaced, below)?;
                    }
                }
                Class::Space => {
                    if spaced || fresh {
                        let quirk = if fresh { Quirk::SpaceAfterOpen } else { Quirk::DoubleSpace };
                        self.check.meet(quirk, self.at)?;
                    }
                    self.at += 1;
                    spaced = !fresh;
                    continue;
                }
                Class::Open if depth == depth_max => {
                    if strict {
                        return Err(InvalidMessage::new("nested too deep", self.at));
                    }
                    if below == 0 {
                        self.push(Kind::Opaque, spaced, self.at, 0)?;
                    }
                    below += 1;
                    self.at += 1;
                }
                Class::Open => {
                    open[depth] = u32::try_from(self.tape.len()).unwrap_or(u32::MAX);
                    depth += 1;
                    self.push(Kind::List, spaced, self.at, 0)?;
                    self.at += 1;
                    (fresh, spaced) = (true, false);
                    continue;
                }
                Class::Close => {
                    if spaced {
                        self.check.meet(Quirk::SpaceBeforeClose, self.at)?;
                    }
                    if depth == 0 {
                        return Err(InvalidMessage::new("unbalanced parenthesis", self.at));
                    }
                    self.at += 1;
                    if below > 0 {
                        below -= 1;
                        if below == 0 {
                            self.close_opaque();
                        }
                    } else {
                        depth -= 1;
                        self.close_list(open[depth] as usize);
                    }
                }
                Class::Quote => self.quoted(spaced, below)?,
                Class::Brace => {
                    if !self.literal(self.at, Kind::Literal, spaced, below)? {
                        if strict {
                            return Err(InvalidMessage::new("malformed literal", self.at));
                        }
                        self.bare_word(until, depth, spaced, below)?;
                    }
                }
                Class::Control => return Err(InvalidMessage::new("control byte", self.at)),
            }
            // Nearly every element is followed by a space; taking it here spares a turn of the loop.
            (fresh, spaced) = (false, self.frame.get(self.at) == Some(&b' '));
            self.at += usize::from(spaced);
        }
        if until == Until::EndOfFrame && self.extent == Extent::Head {
            if below > 0 {
                self.close_opaque();
            }
            open.iter().take(depth).rev().for_each(|&at| self.close_list(at as usize));
            depth = 0;
        }
        if depth > 0 || until == Until::Bracket {
            return Err(InvalidMessage::new("frame ends inside a list", self.at));
        }
        if spaced {
            self.check.meet(Quirk::TrailingSpace, self.at)?;
        }
        Ok(())
    }

    #[inline]
    fn close_list(&mut self, at: usize) {
        let len = self.tape.len();
        if let Some(token) = self.tape.get_mut(at) {
            *token = Token::new(Kind::List, token.is_spaced(), token.start(), len - at - 1);
        }
    }

    fn close_opaque(&mut self) {
        let end = self.at;
        if let Some(token) = self.tape.last_mut() {
            *token = Token::new(Kind::Opaque, token.is_spaced(), token.start(), end - token.start());
        }
    }

    #[inline]
    fn bare_word(
        &mut self,
        until: Until,
        depth: usize,
        spaced: bool,
        below: usize,
    ) -> Result<(), InvalidMessage> {
        let mut span = self.word_span(self.at);
        if until == Until::Bracket && depth == 0 {
            span.len = span.of(self.frame).iter().position(|&b| b == b']').unwrap_or(span.len);
        }
        self.at += span.len.max(1);
        if below == 0 { self.push(Kind::Word, spaced, span.start, span.len.max(1)) } else { Ok(()) }
    }

    #[inline]
    fn word_span(&self, start: usize) -> Span {
        let rest = self.frame.get(start..).unwrap_or_default();
        let len = rest.iter().position(|&b| !chars::continues_word(b)).unwrap_or(rest.len());
        Span { start, len }
    }

    fn quoted(&mut self, spaced: bool, below: usize) -> Result<(), InvalidMessage> {
        let start = self.at + 1;
        let mut end = start;
        let (mut kind, mut eight_bit) = (Kind::Quoted, false);
        loop {
            // Most strings are short: a look-up a byte costs less here than a vector search and a check after it.
            let rest = self.frame.get(end..).unwrap_or_default();
            let plain = rest.iter().position(|&b| chars::ends_quoted_run(b)).unwrap_or(rest.len());
            end += plain;
            match rest.get(plain) {
                Some(b'"') => match rest.get(plain + 1) {
                    None | Some(b' ' | b')' | b']' | b'(') => break,
                    Some(_) => {
                        self.check.meet(Quirk::UnescapedQuote, end)?;
                        end += 1;
                    }
                },
                Some(b'\\') => {
                    kind = Kind::QuotedEscaped;
                    match rest.get(plain + 1) {
                        Some(b'"' | b'\\') => {}
                        Some(0 | b'\r' | b'\n') | None => {
                            return Err(InvalidMessage::new("malformed escape", end));
                        }
                        Some(&other) => {
                            eight_bit |= !other.is_ascii();
                            self.check.meet(Quirk::OddEscape, end)?;
                        }
                    }
                    end += 2;
                }
                Some(0x80..) => {
                    // The string is looked at as a whole, once, when its end is known.
                    let ascii = rest.get(plain..).unwrap_or_default().iter().position(u8::is_ascii);
                    (end, eight_bit) = (end + ascii.unwrap_or(rest.len() - plain), true);
                }
                Some(_) => return Err(InvalidMessage::new("control byte in a quoted string", end)),
                None => return Err(InvalidMessage::new("quoted string without its end", self.at)),
            }
        }
        if eight_bit {
            self.check.meet_eight_bit(self.frame.get(start..end).unwrap_or_default(), start)?;
        }
        self.at = end + 1;
        if below == 0 { self.push(kind, spaced, start, end - start) } else { Ok(()) }
    }

    /// The literal whose `{` stands at `brace`; false, and nothing done, if it is not the shape of one.
    fn literal(
        &mut self,
        brace: usize,
        kind: Kind,
        spaced: bool,
        below: usize,
    ) -> Result<bool, InvalidMessage> {
        let Some((bytes, start)) = announcement(self.frame, brace) else { return Ok(false) };
        if let Some(hole) = self.holes.iter().find(|hole| hole.at == start) {
            self.at = start;
            if below == 0 {
                self.push(Kind::Hole, spaced, start, 0)?;
                self.push_bare(hole.id.0)?;
                self.push_bare(hole.bytes)?;
            }
            return Ok(true);
        }
        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
        if self.frame.len() - start < len {
            return Err(InvalidMessage::new("literal longer than its frame", brace));
        }
        self.at = start + len;
        let bytes = self.frame.get(start..self.at).unwrap_or_default();
        if kind == Kind::Literal
            && let Some(at) = memchr::memchr(0, bytes)
        {
            self.check.meet(Quirk::NulInLiteral, start + at)?;
        }
        if below == 0 {
            self.push(kind, spaced, start, len)?;
        }
        Ok(true)
    }

    #[inline]
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        spaced: bool,
        start: usize,
        len: usize,
    ) -> Result<(), InvalidMessage> {
        self.reserve(start)?;
        self.tape.push(Token::new(kind, spaced, start, len));
        Ok(())
    }

    fn push_bare(&mut self, number: u64) -> Result<(), InvalidMessage> {
        self.reserve(self.at)?;
        self.tape.push(Token(number));
        Ok(())
    }

    #[inline]
    fn reserve(&mut self, at: usize) -> Result<(), InvalidMessage> {
        if self.tape.len() >= self.check.limits.tokens_max {
            return Err(InvalidMessage::new("too many tokens", at));
        }
        if self.tape.len() == self.tape.capacity() {
            // Three bytes hold two tokens at the most, as in `(a)`, apart from lists that are still open. With no more
            // room than that the tape stays below 6 bytes a byte.
            let most = self.frame.len().saturating_sub(at) / 3 * 2 + Limits::DEPTH_CEILING;
            self.tape.reserve_exact((self.tape.len() / 2).clamp(32, most));
        }
        Ok(())
    }

    /// Tokenises a response code from its `[` on, as a list. False, and nothing done, if it has no end.
    pub(crate) fn bracketed(&mut self, spaced: bool) -> Result<bool, InvalidMessage> {
        let (start, mark) = (self.at, self.tape.len());
        self.push(Kind::List, spaced, start, 0)?;
        self.at += 1;
        let scanned = self.elements(Until::Bracket);
        // A literal in a code would bring line ends into a line; the framer sees none there.
        let code = self.frame.get(start..self.at).unwrap_or_default();
        if scanned.is_err() || code.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            self.tape.truncate(mark);
            self.at = start;
            return Ok(false);
        }
        self.close_list(mark);
        Ok(true)
    }
}

/// The size that `{n}` CRLF or `{n+}` CRLF at `brace` announces, and where its bytes begin.
fn announcement(frame: &[u8], brace: usize) -> Option<(u64, usize)> {
    let mut at = brace + 1;
    let mut bytes: u64 = 0;
    let digits = at;
    while let Some(digit) = frame.get(at).filter(|b| b.is_ascii_digit()) {
        bytes = bytes.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        at += 1;
    }
    if at == digits {
        return None;
    }
    if frame.get(at) == Some(&b'+') {
        at += 1;
    }
    frame.get(at..)?.starts_with(b"}\r\n").then_some((bytes, at + 3))
}
