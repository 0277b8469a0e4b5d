//! Reading the tape: a cursor over tokens, and lists that are walked in place.
//!
//! Every piece of grammar implements [`Item`]: `read` takes the tokens of one value off a cursor and leaves the
//! lists inside it as ranges of the tape, so it costs the same whatever they hold; `check` looks into those lists
//! too. The parser checks once; what it hands out, and what a kept frame is viewed as later, is only read.

use std::borrow::Borrow;
use std::fmt;

use mail_wire::{InvalidMessage, LiteralId, PeerIncompatible};

use crate::encode::{Encode, Encoder, Inexpressible, Sink};
use crate::quirks::{Check, Quirk};
use crate::string::IString;
use crate::token::{Kind, Span, Token};

/// What is wrong with a literal that was streamed, or is on offer, and is no message.
pub(crate) const STREAMED_ARGUMENT: &str = "streamed literal where none may be";

/// A place on a tape. Opaque outside this crate: only grammar reads it.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    pub(crate) frame: &'a [u8],
    pub(crate) tokens: &'a [Token],
}

/// A value of the grammar that can stand in a [`List`].
pub trait Item<'a>: Copy {
    /// Whether a space stands between two of them in a list. Addresses and body parts have none.
    const SPACED: bool = true;

    /// Takes one value off the cursor. Lists inside it are not looked into.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage>;

    /// Looks into the lists inside it.
    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let _ = check;
        Ok(())
    }

    /// Looks at how it was written, which its view may not tell. The cursor is the one it was read from.
    #[inline]
    fn check_form(&self, written: Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let _ = (written, check);
        Ok(())
    }
}

/// One element taken off a cursor.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) frame: &'a [u8],
    pub(crate) token: Token,
    /// What is inside it, or behind it: the tokens of a list, the numbers of a hole.
    pub(crate) inner: &'a [Token],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(frame: &'a [u8], tokens: &'a [Token]) -> Self {
        Self { frame, tokens }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<Token> {
        self.tokens.first().copied()
    }

    /// True in front of a list.
    pub(crate) fn at_list(&self) -> bool {
        self.peek().is_some_and(|token| token.kind() == Kind::List)
    }

    /// Where the next token begins, for errors.
    pub(crate) fn offset(&self) -> usize {
        self.peek().map_or(self.frame.len(), Token::start)
    }

    pub(crate) fn fail<T>(&self, what: &'static str) -> Result<T, InvalidMessage> {
        Err(InvalidMessage::new(what, self.offset()))
    }

    /// The next element, whether or not a space stands before it.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Node<'a>, InvalidMessage> {
        let Some((&token, rest)) = self.tokens.split_first() else {
            return self.fail("expected another argument");
        };
        let Some((inner, rest)) = rest.split_at_checked(token.width() - 1) else {
            return self.fail("broken tape");
        };
        self.tokens = rest;
        Ok(Node { frame: self.frame, token, inner })
    }

    /// The next element, behind a space.
    #[inline]
    pub(crate) fn spaced(&mut self) -> Result<Node<'a>, InvalidMessage> {
        match self.peek() {
            Some(token) if !token.is_spaced() => self.fail("expected a space"),
            _ => self.next(),
        }
    }

    /// The next word, if the next element is one and satisfies `test`.
    pub(crate) fn word_if(&mut self, test: impl FnOnce(&[u8]) -> bool) -> Option<&'a [u8]> {
        let token = self.peek().filter(|token| token.kind() == Kind::Word)?;
        let word = Span { start: token.start(), len: token.len() }.of(self.frame);
        test(word).then(|| {
            let _ = self.next();
            word
        })
    }

    #[inline]
    pub(crate) fn word(&mut self) -> Result<&'a [u8], InvalidMessage> {
        self.next()?.word()
    }

    #[inline]
    pub(crate) fn spaced_word(&mut self) -> Result<&'a [u8], InvalidMessage> {
        self.spaced()?.word()
    }

    #[inline]
    pub(crate) fn end(&self) -> Result<(), InvalidMessage> {
        if self.is_empty() { Ok(()) } else { self.fail("more arguments than expected") }
    }

    /// The same where there must be something, behind a space.
    pub(crate) fn spaced_rest<T: Item<'a>>(&mut self) -> Result<List<'a, T>, InvalidMessage> {
        match self.peek() {
            Some(token) if token.is_spaced() => Ok(self.rest()),
            _ => self.fail("expected another argument"),
        }
    }

    /// The same where there may be nothing.
    pub(crate) fn spaced_rest_or_nothing<T: Item<'a>>(&mut self) -> Result<List<'a, T>, InvalidMessage> {
        if self.is_empty() { Ok(List::of(&[])) } else { self.spaced_rest() }
    }

    /// One value, or a list of them in parentheses, behind a space.
    pub(crate) fn one_or_list<T: Item<'a>>(&mut self) -> Result<List<'a, T>, InvalidMessage> {
        let before = *self;
        let node = self.spaced()?;
        match node.token.kind() {
            Kind::List => node.list(),
            _ => Ok(before.up_to(self).rest()),
        }
    }

    /// What lies between here and a cursor further on.
    #[inline]
    pub(crate) fn up_to(&self, later: &Cursor<'_>) -> Self {
        let taken = self.tokens.len().saturating_sub(later.tokens.len());
        Self::new(self.frame, self.tokens.get(..taken).unwrap_or_default())
    }

    /// All that is left, as the items of a list.
    #[inline]
    pub(crate) fn rest<T: Item<'a>>(&mut self) -> List<'a, T> {
        let list = List(Source::Tape(*self));
        self.tokens = &[];
        list
    }
}

impl<'a> Node<'a> {
    pub(crate) fn fail<T>(&self, what: &'static str) -> Result<T, InvalidMessage> {
        Err(InvalidMessage::new(what, self.token.start()))
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        Span { start: self.token.start(), len: self.token.len() }.of(self.frame)
    }

    pub(crate) fn word(&self) -> Result<&'a [u8], InvalidMessage> {
        if self.token.kind() == Kind::Word { Ok(self.bytes()) } else { self.fail("expected a word") }
    }

    pub(crate) fn atom(&self) -> Result<&'a [u8], InvalidMessage> {
        let word = self.word()?;
        if crate::chars::is_atom(word) { Ok(word) } else { self.fail("expected an atom") }
    }

    #[inline]
    pub(crate) fn number<N: TryFrom<u64>>(&self) -> Result<N, InvalidMessage> {
        crate::chars::number(self.word()?).map_or_else(|| self.fail("expected a number within its range"), Ok)
    }

    /// `number64` (RFC 9051 9): 63 bits.
    pub(crate) fn number64(&self) -> Result<u64, InvalidMessage> {
        let number: u64 = self.number()?;
        if number >> 63 == 0 { Ok(number) } else { self.fail("number above 63 bits") }
    }

    pub(crate) fn text(&self) -> Result<&'a [u8], InvalidMessage> {
        if self.token.kind() == Kind::Text { Ok(self.bytes()) } else { self.fail("expected text") }
    }

    #[inline]
    pub(crate) fn is_nil(&self) -> bool {
        self.token.kind() == Kind::Word && self.bytes().eq_ignore_ascii_case(b"NIL")
    }

    /// `string`: quoted or literal.
    #[inline]
    pub(crate) fn string(&self) -> Result<IString<'a>, InvalidMessage> {
        match self.token.kind() {
            Kind::Quoted | Kind::Literal => Ok(IString::plain(self.bytes())),
            Kind::QuotedEscaped => Ok(IString::escaped(self.bytes())),
            Kind::Literal8 => self.fail("binary literal where none may be"),
            Kind::Hole => self.fail(STREAMED_ARGUMENT),
            _ => self.fail("expected a string"),
        }
    }

    /// `astring`.
    pub(crate) fn astring(&self) -> Result<IString<'a>, InvalidMessage> {
        if self.token.kind() != Kind::Word {
            return self.string();
        }
        let word = self.bytes();
        if crate::chars::is_astring_atom(word) {
            Ok(IString::plain(word))
        } else {
            self.fail("expected a string or an atom")
        }
    }

    /// `nstring`.
    #[inline]
    pub(crate) fn nstring(&self) -> Result<Option<IString<'a>>, InvalidMessage> {
        if self.is_nil() { Ok(None) } else { self.string().map(Some) }
    }

    pub(crate) fn hole(&self) -> Option<(LiteralId, u64)> {
        match (self.token.kind(), self.inner) {
            (Kind::Hole, [id, bytes]) => Some((LiteralId(id.bare()), bytes.bare())),
            _ => None,
        }
    }

    /// Whether the literal that was streamed was announced as `~{n}`: the announcement stands in front of the hole.
    pub(crate) fn is_binary_hole(&self) -> bool {
        let before = self.frame.get(..self.token.start()).unwrap_or_default();
        let brace = memchr::memrchr(b'{', before).unwrap_or_default();
        brace.checked_sub(1).and_then(|at| before.get(at)) == Some(&b'~')
    }

    /// A cursor over what is inside a list.
    #[inline]
    pub(crate) fn inside(&self) -> Result<Cursor<'a>, InvalidMessage> {
        if self.token.kind() == Kind::List {
            Ok(Cursor::new(self.frame, self.inner))
        } else {
            self.fail("expected a list")
        }
    }

    #[inline]
    pub(crate) fn list<T: Item<'a>>(&self) -> Result<List<'a, T>, InvalidMessage> {
        self.inside().map(|mut cursor| cursor.rest())
    }

    /// A list, or `NIL` for an empty one.
    #[inline]
    pub(crate) fn list_or_nil<T: Item<'a>>(&self) -> Result<List<'a, T>, InvalidMessage> {
        if self.is_nil() { Ok(List::of(&[])) } else { self.list() }
    }

    /// A number, or 0 for a negative one.
    #[inline]
    pub(crate) fn number_or_negative(&self) -> Result<u64, InvalidMessage> {
        self.number().or_else(|error| if self.is_negative() { Ok(0) } else { Err(error) })
    }

    #[cold]
    pub(crate) fn is_negative(&self) -> bool {
        self.word().is_ok_and(|word| {
            word.strip_prefix(b"-").is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
        })
    }

    /// The offset behind it.
    pub(crate) fn end(&self) -> usize {
        let (start, len) = (self.token.start(), self.token.len());
        match self.token.kind() {
            Kind::Quoted | Kind::QuotedEscaped => start + len + 1,
            Kind::List => {
                let mut cursor = Cursor::new(self.frame, self.inner);
                let mut end = start + 1;
                while let Ok(node) = cursor.next() {
                    if cursor.is_empty() {
                        end = node.end();
                    }
                }
                let closing = self.frame.get(end..).unwrap_or_default();
                end + closing.iter().position(|b| matches!(b, b')' | b']')).map_or(0, |at| at + 1)
            }
            _ => start + len,
        }
    }
}

/// A list of values, of either origin: a range of a tape that was checked, or a slice of the owner's to be encoded.
///
/// Walking it allocates nothing. Two lists are equal if their items are, whatever their origin.
pub struct List<'a, T>(Source<'a, T>);

enum Source<'a, T> {
    Tape(Cursor<'a>),
    Slice(&'a [T]),
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for List<'_, T> {}
impl<T> Clone for Source<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Source<'_, T> {}

impl<'a, T> List<'a, T> {
    /// A list of these items.
    #[must_use]
    pub const fn of(items: &'a [T]) -> Self {
        Self(Source::Slice(items))
    }

    /// True without items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.0 {
            Source::Tape(cursor) => cursor.is_empty(),
            Source::Slice(items) => items.is_empty(),
        }
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self::of(items)
    }
}

impl<'a, T: Item<'a>> List<'a, T> {
    /// The items in order.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> Items<'a, T> {
        Items(self.0)
    }

    /// Reads and checks every item.
    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let Source::Tape(mut cursor) = self.0 else { return Ok(()) };
        let mut first = true;
        while let Some(token) = cursor.peek() {
            if !first && T::SPACED != token.is_spaced() {
                if T::SPACED {
                    return cursor.fail("expected a space");
                }
                check.meet(Quirk::SpaceBetween, token.start())?;
            }
            first = false;
            let written = cursor;
            let item = T::read(&mut cursor)?;
            item.check(check)?;
            item.check_form(written, check)?;
        }
        Ok(())
    }

    /// True for `()`, which the grammar has in few places.
    pub(crate) fn is_empty_parentheses(&self) -> bool {
        matches!(self.0, Source::Tape(cursor) if cursor.is_empty())
    }

    /// The same as [`check`](Self::check) for a list that is `NIL` when it is empty.
    pub(crate) fn check_or_nil(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if self.is_empty_parentheses() {
            check.meet(Quirk::EmptyList, 0)?;
        }
        self.check(check)
    }

    /// Reads every item and gives it to `check`.
    pub(crate) fn check_each(
        &self,
        mut check: impl FnMut(T) -> Result<(), InvalidMessage>,
    ) -> Result<(), InvalidMessage> {
        let Source::Tape(mut cursor) = self.0 else { return Ok(()) };
        let mut first = true;
        while let Some(token) = cursor.peek() {
            if !first && T::SPACED && !token.is_spaced() {
                return cursor.fail("expected a space");
            }
            first = false;
            check(T::read(&mut cursor)?)?;
        }
        Ok(())
    }

    /// The same for a list that must hold something.
    pub(crate) fn check_some(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self.0 {
            Source::Tape(cursor) if cursor.is_empty() => cursor.fail("empty list"),
            _ => self.check(check),
        }
    }

    /// Writes the items with a space between two, or none where the grammar has none.
    pub(crate) fn encode_bare<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), Inexpressible>
    where
        T: Encode,
    {
        match self.0 {
            // The items are the owner's: none need be copied.
            Source::Slice(items) => encode_items::<S, T>(items.iter(), T::SPACED, out),
            Source::Tape(_) => encode_items::<S, T>(self.iter(), T::SPACED, out),
        }
    }

    /// The same for a list that must hold something.
    pub(crate) fn encode_some<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), Inexpressible>
    where
        T: Encode,
    {
        if self.is_empty() {
            return Err(PeerIncompatible::Inexpressible("empty list"));
        }
        self.encode_bare(out)
    }

    /// The same in parentheses.
    pub(crate) fn encode_filled<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), Inexpressible>
    where
        T: Encode,
    {
        out.raw(b"(");
        self.encode_some(out)?;
        out.raw(b")");
        Ok(())
    }

    /// In parentheses behind a space; an empty list as `NIL`.
    pub(crate) fn encode_spaced_or_nil<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), Inexpressible>
    where
        T: Encode,
    {
        if self.is_empty() {
            out.raw(b" NIL");
            return Ok(());
        }
        out.raw(b" (");
        self.encode_bare(out)?;
        out.raw(b")");
        Ok(())
    }
}

fn encode_items<S: Sink, T: Encode>(
    items: impl Iterator<Item = impl Borrow<T>>,
    spaced: bool,
    out: &mut Encoder<'_, S>,
) -> Result<(), Inexpressible> {
    let mut behind = false;
    for item in items {
        if behind && spaced {
            out.raw(b" ");
        }
        behind = true;
        item.borrow().encode(out)?;
    }
    Ok(())
}

impl<'a, T: Item<'a> + Encode> Encode for List<'a, T> {
    /// In parentheses.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), Inexpressible> {
        out.raw(b"(");
        self.encode_bare(out)?;
        out.raw(b")");
        Ok(())
    }
}

impl<'a, T: Item<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Item<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The items of a [`List`].
pub struct Items<'a, T>(Source<'a, T>);

impl<'a, T: Item<'a>> Iterator for Items<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Slice(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(*first)
            }
            Source::Tape(cursor) => {
                if cursor.is_empty() {
                    return None;
                }
                let item = T::read(cursor).ok();
                if item.is_none() {
                    // Not reached for a list that was checked.
                    cursor.tokens = &[];
                }
                item
            }
        }
    }
}

/// One value that is read when it is looked at: an envelope, a structure, the operand of a search key. Like
/// [`List`], of either origin.
pub struct One<'a, T>(OneSource<'a, T>);

enum OneSource<'a, T> {
    Tape(Cursor<'a>),
    Value(&'a T),
}

impl<T> Clone for One<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for One<'_, T> {}
impl<T> Clone for OneSource<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for OneSource<'_, T> {}

impl<'a, T: Item<'a>> One<'a, T> {
    /// This value.
    #[must_use]
    pub const fn of(value: &'a T) -> Self {
        Self(OneSource::Value(value))
    }

    #[inline]
    pub(crate) fn at(cursor: Cursor<'a>) -> Self {
        Self(OneSource::Tape(cursor))
    }

    /// Takes a list behind a space, to be read later.
    #[inline]
    pub(crate) fn list_at(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let before = *cursor;
        cursor.spaced()?.inside()?;
        Ok(Self::at(before.up_to(cursor)))
    }

    /// Reads and checks the value.
    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let value = self.try_value()?;
        value.check(check)?;
        match self.0 {
            OneSource::Tape(written) => value.check_form(written, check),
            OneSource::Value(_) => Ok(()),
        }
    }

    /// The value. `None` cannot come from a frame that was checked.
    #[must_use]
    pub fn value(&self) -> Option<T> {
        self.try_value().ok()
    }

    pub(crate) fn try_value(&self) -> Result<T, InvalidMessage> {
        match self.0 {
            OneSource::Tape(mut cursor) => T::read(&mut cursor),
            OneSource::Value(value) => Ok(*value),
        }
    }
}

impl<'a, T: Item<'a> + Encode> Encode for One<'a, T> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), Inexpressible> {
        match self.0 {
            OneSource::Value(value) => value.encode(out),
            OneSource::Tape(_) => self
                .value()
                .ok_or(PeerIncompatible::Inexpressible("value of a frame that was not checked"))?
                .encode(out),
        }
    }
}

impl<'a, T: Item<'a> + PartialEq> PartialEq for One<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl<'a, T: Item<'a> + Eq> Eq for One<'a, T> {}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for One<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}
