//! The scan: one pass over a frame that fills a tape.
//!
//! It is never recursive: the depth is a counter, and a list that is open holds, where its length will stand, which
//! list it stands in (safety row P4).
//!
//! Two readings of the same shape: **strict** for commands (nesting beyond the limit is an error) and **tolerant** for
//! responses (a list nested too deep becomes one opaque token, so that only the item it belongs to is lost). What
//! spaces and quotes may do besides is a matter of quirks, which the branches ask that a sound frame never takes.

use mail_wire::InvalidMessage;

use crate::Limits;
use crate::chars::{self, Class};
use crate::quirks::{Check, Quirk};
use crate::runs;
use crate::token::{Hole, Kind, Span, Tape, Token};

/// How closely the shape is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Strict,
    Tolerant,
}

/// How much of a frame there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// What stands in front of a streamed literal: lists that are open at the end are taken as they are.
    Head,
}

/// What a frame is taken for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'t> {
    pub(crate) manner: Manner,
    pub(crate) extent: Extent,
    pub(crate) holes: &'t [Hole],
}

/// A scan over one frame, appending to a tape.
pub(crate) struct Scanner<'f, 't> {
    pub(crate) frame: &'f [u8],
    pub(crate) at: usize,
    pub(crate) tape: &'t mut Tape,
    pub(crate) check: &'t Check<'t>,
    pub(crate) shape: Shape<'t>,
}

/// What stands where an open list has its length while no list is around it.
const OUTERMOST: usize = Token::FRAME_BYTES_MAX;

/// Where the bytes of a literal are.
enum Literal {
    Here(Span),
    Streamed(Hole),
}

/// What the main loop leaves to [`rare`].
enum Rare {
    /// A token and the offset behind it.
    Element(Token, u32),
    Hole(Hole),
}

impl Scanner<'_, '_> {
    /// The run of word bytes from here; empty at anything else.
    pub(crate) fn word(&mut self, spaced: bool) -> Result<Span, InvalidMessage> {
        let start = offset(self.at);
        let end = runs::word_end(self.frame, start, runs::load(self.frame, start));
        let span = Span { start: self.at, len: (end - start) as usize };
        if span.len == 0 {
            return Err(InvalidMessage::new("expected a word", self.at));
        }
        self.push(Token::new(Kind::Word, spaced, span.start, span.len))?;
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
    pub(crate) fn text(&mut self) -> Result<(), InvalidMessage> {
        let (start, len) = (self.at, self.frame.len() - self.at);
        if let Some(bad) = self.frame[start..].iter().position(|&b| matches!(b, 0 | b'\r' | b'\n')) {
            return Err(InvalidMessage::new("control byte in text", start + bad));
        }
        self.at = self.frame.len();
        self.push(Token::new(Kind::Text, true, start, len))
    }

    /// Everything from here up to `end`, whatever it is.
    pub(crate) fn opaque_text(&mut self, end: usize) -> Result<(), InvalidMessage> {
        let start = self.at;
        self.at = end;
        self.push(Token::new(Kind::Text, true, start, end - start))
    }

    fn push(&mut self, token: Token) -> Result<(), InvalidMessage> {
        self.tape.push(token, self.frame.len(), self.check.limits)
    }

    /// The elements from here up to the end of the frame.
    pub(crate) fn elements(&mut self) -> Result<(), InvalidMessage> {
        self.scan::<false>()
    }

    // A loop over every token keeps what it works with at hand: offsets of 32 bits, the free slots of the tape, where
    // the innermost open list stands. A tape that is full grows, and the element is scanned again.
    fn scan<const IN_CODE: bool>(&mut self) -> Result<(), InvalidMessage> {
        let (frame, shape, check) = (self.frame, self.shape, self.check);
        let depth_max = check.limits.depth_max.min(Limits::DEPTH_CEILING);
        let mut at = offset(self.at);
        let mut used = self.tape.len();
        let mut slots = self.tape.slots();
        let mut spaced = false;
        let mut depth = 0;
        let mut innermost = OUTERMOST;
        while let Some(&byte) = frame.get(at as usize) {
            let start = at as usize;
            let (token, next) = match chars::class(byte) {
                Class::Quote => {
                    let (end, ending) = runs::quoted_run_end(frame, at + 1);
                    let len = (end - at - 1) as usize;
                    if ending == b'"' && ends_string(frame, end + 1) {
                        (Token::new(Kind::Quoted, spaced, start + 1, len), end + 1)
                    } else {
                        odd_string(frame, check, at, end, spaced)?
                    }
                }
                Class::Word => {
                    let bytes = runs::load(frame, at);
                    if runs::is_nil_and_space(bytes) {
                        (Token::nil(spaced, start), at + 3)
                    } else {
                        let mut end = runs::word_end(frame, at, bytes);
                        if IN_CODE && depth == 0 {
                            end = up_to_bracket(frame, at, end);
                        }
                        if end - at == 3 && runs::is_nil(bytes) {
                            (Token::nil(spaced, start), end)
                        } else {
                            (Token::new(Kind::Word, spaced, start, (end - at) as usize), end)
                        }
                    }
                }
                Class::Close => {
                    if spaced {
                        check.meet(Quirk::SpaceBeforeClose, start)?;
                    }
                    if depth == 0 {
                        return Err(InvalidMessage::new("unbalanced parenthesis", start));
                    }
                    depth -= 1;
                    innermost = close_list(slots, innermost, used);
                    (at, spaced) = behind(frame, at + 1);
                    continue;
                }
                Class::Open if depth < depth_max => {
                    let Some(slot) = slots.get_mut(used) else {
                        slots = grown(self.tape, used, at, frame.len(), check.limits)?;
                        continue;
                    };
                    *slot = Token::new(Kind::List, spaced, start, innermost);
                    innermost = used;
                    used += 1;
                    depth += 1;
                    at += 1;
                    spaced = false;
                    continue;
                }
                Class::Space => {
                    // The list just opened has nothing in it yet.
                    let fresh = innermost != OUTERMOST && innermost + 1 == used;
                    if spaced || fresh {
                        let quirk = if fresh { Quirk::SpaceAfterOpen } else { Quirk::DoubleSpace };
                        check.meet(quirk, start)?;
                    }
                    at += 1;
                    spaced = !fresh;
                    continue;
                }
                Class::Mark if IN_CODE && byte == b']' && depth == 0 => {
                    if spaced {
                        check.meet(Quirk::SpaceBeforeClose, start)?;
                    }
                    self.at = start + 1;
                    self.tape.fill_to(used);
                    return Ok(());
                }
                Class::Open | Class::Mark | Class::Brace | Class::Control => {
                    match rare(frame, &shape, check, at, spaced)? {
                        Rare::Element(token, end) if IN_CODE && depth == 0 && token.kind() == Kind::Word => {
                            let end = up_to_bracket(frame, at, end);
                            (Token::new(Kind::Word, spaced, start, (end - at) as usize), end)
                        }
                        Rare::Element(token, end) => (token, end),
                        Rare::Hole(hole) => {
                            let Some([first, id, size]) =
                                slots.get_mut(used..).and_then(<[_]>::first_chunk_mut)
                            else {
                                slots = grown(self.tape, used, at, frame.len(), check.limits)?;
                                continue;
                            };
                            *first = Token::new(Kind::Hole, spaced, hole.at, 0);
                            (*id, *size) = (Token::of_bare(hole.id.0), Token::of_bare(hole.bytes));
                            used += 3;
                            (at, spaced) = behind(frame, offset(hole.at));
                            continue;
                        }
                    }
                }
            };
            let Some(slot) = slots.get_mut(used) else {
                slots = grown(self.tape, used, at, frame.len(), check.limits)?;
                continue;
            };
            *slot = token;
            used += 1;
            (at, spaced) = behind(frame, next);
        }
        self.at = at as usize;
        if !IN_CODE && shape.extent == Extent::Head {
            while depth > 0 {
                depth -= 1;
                innermost = close_list(slots, innermost, used);
            }
        }
        self.tape.fill_to(used);
        if depth > 0 || IN_CODE {
            return Err(InvalidMessage::new("frame ends inside a list", self.at));
        }
        if spaced {
            check.meet(Quirk::TrailingSpace, self.at)?;
        }
        Ok(())
    }

    /// Tokenises a response code from its `[` on, as a list. False, and nothing done, if it has no end.
    pub(crate) fn bracketed(&mut self) -> Result<bool, InvalidMessage> {
        let (start, mark) = (self.at, self.tape.len());
        self.push(Token::new(Kind::List, true, start, OUTERMOST))?;
        self.at += 1;
        let scanned = self.scan::<true>();
        // A literal in a code would bring line ends into a line; the framer sees none there.
        let code = self.frame.get(start..self.at).unwrap_or_default();
        if scanned.is_err() || code.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            self.tape.truncate(mark);
            self.at = start;
            return Ok(false);
        }
        let used = self.tape.len();
        close_list(self.tape.slots(), mark, used);
        Ok(true)
    }
}

/// An offset in a frame, which is measured before it is scanned.
#[inline(always)]
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Where the next element begins if one ends at `end`, and whether a space is between them. Nearly always there is:
/// taking it here spares a turn of the loop.
#[inline(always)]
fn behind(frame: &[u8], end: u32) -> (u32, bool) {
    let spaced = frame.get(end as usize) == Some(&b' ');
    (end + u32::from(spaced), spaced)
}

/// More slots for a tape of which `used` are filled.
#[cold]
fn grown<'t>(
    tape: &'t mut Tape,
    used: usize,
    at: u32,
    frame_bytes: usize,
    limits: &Limits,
) -> Result<&'t mut [Token], InvalidMessage> {
    tape.fill_to(used);
    tape.grow(at as usize, frame_bytes, limits)?;
    Ok(tape.slots())
}

/// Gives the list at `list` its length. Returns the list around it.
#[inline(always)]
fn close_list(slots: &mut [Token], list: usize, used: usize) -> usize {
    let Some(token) = slots.get_mut(list) else { return OUTERMOST };
    let around = token.len();
    *token = token.with_len(used - list - 1);
    around
}

/// Whether a quote in front of `at` is the end of its string: only what may follow an element follows it.
#[inline(always)]
fn ends_string(frame: &[u8], at: u32) -> bool {
    matches!(frame.get(at as usize), None | Some(b' ' | b')' | b']' | b'('))
}

/// The quoted string that begins at `at` and has a backslash, a byte above 127 or a quote in it; its first run of ordinary
/// bytes ends at `end`. With the offset behind it.
#[inline(never)]
fn odd_string(
    frame: &[u8],
    check: &Check<'_>,
    at: u32,
    mut end: u32,
    spaced: bool,
) -> Result<(Token, u32), InvalidMessage> {
    let start = at as usize + 1;
    let (mut kind, mut eight_bit) = (Kind::Quoted, false);
    loop {
        let here = end as usize;
        match frame.get(here) {
            Some(b'"') if ends_string(frame, end + 1) => break,
            Some(b'"') => check.meet(Quirk::UnescapedQuote, here)?,
            Some(b'\\') => {
                kind = Kind::QuotedEscaped;
                match frame.get(here + 1) {
                    Some(b'"' | b'\\') => {}
                    Some(0 | b'\r' | b'\n') | None => {
                        return Err(InvalidMessage::new("malformed escape", here));
                    }
                    Some(&other) => {
                        eight_bit |= !other.is_ascii();
                        check.meet(Quirk::OddEscape, here)?;
                    }
                }
                end += 1;
            }
            // The string is looked at as a whole, once, when its end is known.
            Some(0x80..) => eight_bit = true,
            Some(_) => return Err(InvalidMessage::new("control byte in a quoted string", here)),
            None => return Err(InvalidMessage::new("quoted string without its end", at as usize)),
        }
        end = runs::quoted_run_end(frame, end + 1).0;
    }
    let inside = frame.get(start..end as usize).unwrap_or_default();
    if eight_bit {
        check.meet_eight_bit(inside, start)?;
    }
    Ok((Token::new(kind, spaced, start, inside.len()), end + 1))
}

/// What begins with `{`, `~` or `]`, a list that is nested too deep, or what no frame may hold.
#[inline(never)]
fn rare(
    frame: &[u8],
    shape: &Shape<'_>,
    check: &Check<'_>,
    at: u32,
    spaced: bool,
) -> Result<Rare, InvalidMessage> {
    let start = at as usize;
    let strict = shape.manner == Manner::Strict;
    let (brace, kind) = match frame.get(start) {
        Some(b'(') if strict => return Err(InvalidMessage::new("nested too deep", start)),
        Some(b'(') => {
            let end = opaque_end(frame, shape, check, at)?;
            return Ok(Rare::Element(Token::new(Kind::Opaque, spaced, start, (end - at) as usize), end));
        }
        Some(b'{') => (at, Kind::Literal),
        Some(b'~') => (at + 1, Kind::Literal8),
        Some(b']') => (at, Kind::Word),
        _ => return Err(InvalidMessage::new("control byte", start)),
    };
    match literal(frame, shape.holes, brace)? {
        Some(Literal::Here(span)) => {
            if kind == Kind::Literal
                && let Some(nul) = memchr::memchr(0, span.of(frame))
            {
                check.meet(Quirk::NulInLiteral, span.start + nul)?;
            }
            Ok(Rare::Element(Token::new(kind, spaced, span.start, span.len), offset(span.start + span.len)))
        }
        Some(Literal::Streamed(hole)) => Ok(Rare::Hole(hole)),
        None if kind == Kind::Literal && strict => Err(InvalidMessage::new("malformed literal", start)),
        None => {
            let end = runs::word_end(frame, at, runs::load(frame, at));
            Ok(Rare::Element(Token::new(Kind::Word, spaced, start, (end - at) as usize), end))
        }
    }
}

/// The literal whose `{` stands at `brace`, if it is the shape of one.
fn literal(frame: &[u8], holes: &[Hole], brace: u32) -> Result<Option<Literal>, InvalidMessage> {
    let Some((bytes, start)) = announcement(frame, brace as usize) else { return Ok(None) };
    if let Some(hole) = holes.iter().find(|hole| hole.at == start) {
        return Ok(Some(Literal::Streamed(*hole)));
    }
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    if frame.len() - start < len {
        return Err(InvalidMessage::new("literal longer than its frame", brace as usize));
    }
    Ok(Some(Literal::Here(Span { start, len })))
}

/// The offset behind the list that begins at `at`, whatever is in it. A frame of which only the head is there may end
/// in it. Responses alone have such lists.
fn opaque_end(frame: &[u8], shape: &Shape<'_>, check: &Check<'_>, at: u32) -> Result<u32, InvalidMessage> {
    let mut end = at;
    let mut depth = 0_usize;
    while let Some(&byte) = frame.get(end as usize) {
        match chars::class(byte) {
            Class::Quote => {
                let (run_end, ending) = runs::quoted_run_end(frame, end + 1);
                end = match ending {
                    b'"' if ends_string(frame, run_end + 1) => run_end + 1,
                    _ => odd_string(frame, check, end, run_end, false)?.1,
                };
            }
            Class::Space => end += 1,
            Class::Open => {
                depth += 1;
                end += 1;
            }
            Class::Close => {
                depth -= 1;
                end += 1;
                if depth == 0 {
                    return Ok(end);
                }
            }
            Class::Word | Class::Mark | Class::Brace => {
                end = match literal(frame, shape.holes, end + u32::from(byte == b'~'))? {
                    Some(Literal::Here(span)) => offset(span.start + span.len),
                    Some(Literal::Streamed(hole)) => offset(hole.at),
                    None => runs::word_end(frame, end, runs::load(frame, end)),
                };
            }
            Class::Control => return Err(InvalidMessage::new("control byte", end as usize)),
        }
    }
    match shape.extent {
        Extent::Head => Ok(end),
        Extent::Whole => Err(InvalidMessage::new("frame ends inside a list", end as usize)),
    }
}

/// Where a word of a response code ends: a `]` ends it, unless it begins with one.
fn up_to_bracket(frame: &[u8], at: u32, end: u32) -> u32 {
    let word = frame.get(at as usize..end as usize).unwrap_or_default();
    word.iter().position(|&b| b == b']').map_or(end, |len| at + offset(len.max(1)))
}

/// The size that `{n}` CRLF or `{n+}` CRLF at `brace` announces, and where its bytes begin.
fn announcement(frame: &[u8], brace: usize) -> Option<(u64, usize)> {
    frame.get(brace).filter(|&&b| b == b'{')?;
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
