//! The token tape: one scan over a frame (RFC 3501 sections 4 and 9), eight bytes for each word, string, literal and
//! list.
//!
//! A token is a kind and two numbers, no reference, so a tape can be kept, shared and sent to another thread. Lists
//! carry the number of tokens inside them, so a reader steps over one without looking in. `scan` fills a tape, `tape`
//! reads it.
//!
//! ```
//! use imap_proto::{FetchItem, Parser, Response};
//! let frame = b"* 7 FETCH (UID 1 X-MOOD (good (very)) BODYSTRUCTURE (1 2))";
//! let mut parser = Parser::new();
//! let Response::Fetch { items, .. } = parser.response(frame)? else { panic!() };
//! let mut spans = items.iter().filter_map(|item| match item {
//!     FetchItem::Unknown(span) | FetchItem::Invalid(span) => Some(span.of(frame)),
//!     _ => None,
//! });
//! assert_eq!(spans.next(), Some(&b"X-MOOD (good (very))"[..]));
//! assert_eq!(spans.next(), Some(&b"BODYSTRUCTURE (1 2)"[..]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, LiteralId};

use crate::Limits;

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

/// By what a token holds in its kind bits. `NIL` is a word that was recognised while it was scanned.
const KINDS: [Kind; 16] = {
    let mut kinds = [Kind::Opaque; 16];
    kinds[Kind::Word as usize] = Kind::Word;
    kinds[Kind::Quoted as usize] = Kind::Quoted;
    kinds[Kind::QuotedEscaped as usize] = Kind::QuotedEscaped;
    kinds[Kind::Literal as usize] = Kind::Literal;
    kinds[Kind::Literal8 as usize] = Kind::Literal8;
    kinds[Kind::Hole as usize] = Kind::Hole;
    kinds[Kind::List as usize] = Kind::List;
    kinds[Kind::Text as usize] = Kind::Text;
    kinds[NIL] = Kind::Word;
    kinds
};

// A token: flags, kind, start, length.
const FIELD_BITS: u32 = 28;
const FIELD_MAX: usize = (1 << FIELD_BITS) - 1;
const FIELD_MASK: u64 = FIELD_MAX as u64;
const KIND_SHIFT: u32 = 2 * FIELD_BITS;
const KIND_MASK: u64 = 15;
/// The kind and whether it is spaced.
const SHAPE_MASK: u64 = 31;
const SPACED_SHIFT: u32 = 60;
const SPACED: u64 = 1 << SPACED_SHIFT;
const INVALID: u64 = 1 << 61;
const UTF8: u64 = 1 << 62;
const NIL: usize = Kind::Opaque as usize + 1;

/// Kinds of token, with or without a space before them, as a set.
#[derive(Clone, Copy)]
pub(crate) struct Shapes(u32);

impl Shapes {
    pub(crate) const STRING: Self = Self::of(Self::STRINGS);
    pub(crate) const NSTRING: Self = Self::of(Self::STRINGS | 1 << NIL);
    pub(crate) const NIL: Self = Self::of(1 << NIL);
    pub(crate) const ESCAPED: Self = Self::of(1 << Kind::QuotedEscaped as u32);
    pub(crate) const LIST: Self = Self::of(1 << Kind::List as u32);
    pub(crate) const HOLE: Self = Self::of(1 << Kind::Hole as u32);
    pub(crate) const LIST_OR_NIL: Self = Self::of(1 << Kind::List as u32 | 1 << NIL);

    const STRINGS: u32 =
        1 << Kind::Quoted as u32 | 1 << Kind::QuotedEscaped as u32 | 1 << Kind::Literal as u32;

    /// These kinds, whatever stands before them. The sixteen bits above are for those behind a space.
    const fn of(kinds: u32) -> Self {
        Self(kinds << 16 | kinds)
    }

    /// Only those behind a space.
    pub(crate) const fn spaced(self) -> Self {
        Self(self.0 & 0xffff_0000)
    }
}

impl Token {
    /// The largest frame a tape can describe, 256 MiB less one byte: the room of an offset.
    pub const FRAME_BYTES_MAX: usize = FIELD_MAX;

    #[inline(always)]
    pub(crate) fn new(kind: Kind, spaced: bool, start: usize, len: usize) -> Self {
        Self::of_bits(kind as u64, spaced, start, len)
    }

    /// The word NIL.
    #[inline(always)]
    pub(crate) fn nil(spaced: bool, start: usize) -> Self {
        Self::of_bits(NIL as u64, spaced, start, 3)
    }

    #[inline(always)]
    fn of_bits(kind: u64, spaced: bool, start: usize, len: usize) -> Self {
        debug_assert!(start <= FIELD_MAX && len <= FIELD_MAX, "frames are measured before they are scanned");
        Self(
            kind << KIND_SHIFT
                | u64::from(spaced) << SPACED_SHIFT
                | (start as u64) << FIELD_BITS
                | len as u64,
        )
    }

    /// A number that belongs to the token before it.
    pub(crate) fn of_bare(number: u64) -> Self {
        Self(number)
    }

    #[inline(always)]
    pub(crate) fn kind(self) -> Kind {
        KINDS[(self.0 >> KIND_SHIFT & KIND_MASK) as usize]
    }

    /// The word NIL, in any case.
    #[inline(always)]
    pub(crate) fn is_nil(self) -> bool {
        self.is(Shapes::NIL)
    }

    /// Whether it is one of these.
    #[inline(always)]
    pub(crate) fn is(self, shapes: Shapes) -> bool {
        shapes.0 >> (self.0 >> KIND_SHIFT & SHAPE_MASK) & 1 != 0
    }

    #[inline(always)]
    pub(crate) fn start(self) -> usize {
        (self.0 >> FIELD_BITS & FIELD_MASK) as usize
    }

    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        (self.0 & FIELD_MASK) as usize
    }

    #[inline(always)]
    pub(crate) fn with_len(self, len: usize) -> Self {
        debug_assert!(len <= FIELD_MAX, "frames are measured before they are scanned");
        Self(self.0 & !FIELD_MASK | len as u64)
    }

    /// A space stood before it.
    #[inline(always)]
    pub(crate) fn is_spaced(self) -> bool {
        self.0 & SPACED != 0
    }

    /// The check found what it begins malformed.
    #[inline(always)]
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
            at += if token.kind() == Kind::Hole { 1 + token.inner_len() } else { 1 };
        }
    }

    /// How many tokens behind it belong to it.
    #[inline(always)]
    pub(crate) fn inner_len(self) -> usize {
        if self.is(Shapes::LIST) {
            self.len()
        } else if self.is(Shapes::HOLE) {
            2
        } else {
            0
        }
    }

    /// The number that a bare token is.
    pub(crate) fn bare(self) -> u64 {
        self.0
    }

    /// Its bytes in the frame.
    #[inline(always)]
    pub(crate) fn bytes(self, frame: &[u8]) -> &[u8] {
        let start = self.start();
        frame.get(start..start + self.len()).unwrap_or_else(none)
    }
}

/// What a token of another frame would name.
#[cold]
fn none<'a>() -> &'a [u8] {
    &[]
}

/// A tape in the making. It keeps its slots from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    slots: Vec<Token>,
    /// How many slots, from the first, are filled.
    used: usize,
    /// How many may be: those that there are, or fewer by the limit.
    end: usize,
}

impl Tape {
    /// Empties it for a frame under these limits.
    pub(crate) fn reset(&mut self, limits: &Limits) {
        self.used = 0;
        self.end = self.slots.len().min(limits.tokens_max);
    }

    /// Gives its memory away, as the filled slots.
    pub(crate) fn take(&mut self) -> Vec<Token> {
        let mut slots = std::mem::take(&mut self.slots);
        slots.truncate(self.used);
        (self.used, self.end) = (0, 0);
        slots
    }

    /// Bytes of heap that it holds.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Token>()
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    #[inline(always)]
    pub(crate) fn tokens(&self) -> &[Token] {
        self.slots.get(..self.used).unwrap_or_default()
    }

    pub(crate) fn tokens_mut(&mut self) -> &mut [Token] {
        self.slots.get_mut(..self.used).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> Option<Token> {
        self.tokens().get(at).copied()
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Token> {
        self.tokens_mut().get_mut(at)
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.used = self.used.min(len);
    }

    pub(crate) fn push(
        &mut self,
        token: Token,
        frame_bytes: usize,
        limits: &Limits,
    ) -> Result<(), InvalidMessage> {
        if self.used >= self.end {
            self.grow(token.start(), frame_bytes, limits)?;
        }
        if let Some(slot) = self.slots.get_mut(self.used) {
            *slot = token;
            self.used += 1;
        }
        Ok(())
    }

    /// The slots that may be filled; from [`len`](Self::len) on they are free.
    #[inline(always)]
    pub(crate) fn slots(&mut self) -> &mut [Token] {
        self.slots.get_mut(..self.end).unwrap_or_default()
    }

    /// Says that the slots up to `len` are filled.
    #[inline(always)]
    pub(crate) fn fill_to(&mut self, len: usize) {
        self.used = len;
    }

    /// Makes room behind the filled slots, for a token at the offset `at` of a frame of so many bytes.
    ///
    /// By half, not by doubling, and never for more than can still come: three bytes hold two tokens at the most, as in
    /// `(a)`, apart from lists that are still open. So the tape stays below 6 bytes a byte.
    #[cold]
    pub(crate) fn grow(
        &mut self,
        at: usize,
        frame_bytes: usize,
        limits: &Limits,
    ) -> Result<(), InvalidMessage> {
        if self.used >= limits.tokens_max {
            return Err(InvalidMessage::new("too many tokens", at));
        }
        let most = frame_bytes.saturating_sub(at) / 3 * 2 + Limits::DEPTH_CEILING;
        self.slots.reserve_exact((self.slots.len() / 2).clamp(32, most));
        self.slots.resize(self.slots.capacity(), Token(0));
        self.end = self.slots.len().min(limits.tokens_max);
        Ok(())
    }
}
