//! Reading the tape: a cursor over tokens, and lists that are walked in place.
//!
//! Every piece of grammar implements [`Item`]: `read` takes the tokens of one value off a cursor and leaves the
//! lists inside it as ranges of the tape, so it costs the same whatever they hold; `check` looks into those lists
//! too. The parser checks once; what it hands out, and what a kept frame is viewed as later, is only read.
//!
//! ```
//! use imap_proto::{Flag, List, Parser, Response};
//! let mut parser = Parser::new();
//! let Response::Flags(read) = parser.response(b"* FLAGS (\\Answered \\Seen)")? else { panic!() };
//! // Lists are equal by what is in them, be they read or made.
//! assert_eq!(read, List::of(&[Flag::Answered, Flag::Seen]));
//! assert_eq!(read.iter().last(), Some(Flag::Seen));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, LiteralId};

use crate::quirks::{Check, Quirk};
use crate::string::IString;
use crate::token::{Kind, Shapes, Token};

mod list;

pub use list::{Items, List, One};

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

    /// Takes one value off the cursor and looks into the lists inside it: [`read`](Self::read) and
    /// [`check`](Self::check) in one. Values that a parse checks by the hundred do it without being made; their `read`
    /// then leaves out what this has seen.
    #[inline(always)]
    fn pass(cursor: &mut Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        Self::read(cursor)?.check(check)
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

    #[cold]
    pub(crate) fn fail<T>(&self, what: &'static str) -> Result<T, InvalidMessage> {
        Err(InvalidMessage::new(what, self.offset()))
    }

    /// The next element, whether or not a space stands before it.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Node<'a>, InvalidMessage> {
        let Some((&token, rest)) = self.tokens.split_first() else {
            return self.fail("expected another argument");
        };
        let Some((inner, rest)) = rest.split_at_checked(token.inner_len()) else {
            return self.fail("broken tape");
        };
        self.tokens = rest;
        Ok(Node { frame: self.frame, token, inner })
    }

    /// The next element, behind a space.
    #[inline(always)]
    pub(crate) fn spaced(&mut self) -> Result<Node<'a>, InvalidMessage> {
        match self.peek() {
            Some(token) if !token.is_spaced() => self.fail("expected a space"),
            _ => self.next(),
        }
    }

    /// The next element as an `nstring`: as `next()?.nstring()`, with fewer steps.
    #[inline(always)]
    pub(crate) fn nstring(&mut self) -> Result<Option<IString<'a>>, InvalidMessage> {
        match self.tokens.split_first() {
            Some((&token, rest)) if token.is(Shapes::NSTRING) => {
                self.tokens = rest;
                Ok(token.nstring(self.frame))
            }
            _ => self.fail("expected a string or NIL"),
        }
    }

    /// The same for a `string`.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<IString<'a>, InvalidMessage> {
        match self.tokens.split_first() {
            Some((&token, rest)) if token.is(Shapes::STRING) => {
                self.tokens = rest;
                Ok(token.string(self.frame))
            }
            _ => self.fail("expected a string"),
        }
    }

    /// The same for a list or `NIL`.
    #[inline(always)]
    pub(crate) fn list_or_nil<T: Item<'a>>(&mut self) -> Result<List<'a, T>, InvalidMessage> {
        self.enter(Shapes::LIST_OR_NIL).map(|mut inside| inside.rest())
    }

    /// Steps over an element of these shapes, none of which is a list.
    #[inline(always)]
    pub(crate) fn pass(&mut self, shapes: Shapes) -> Result<(), InvalidMessage> {
        match self.tokens.split_first() {
            Some((token, rest)) if token.is(shapes) => {
                self.tokens = rest;
                Ok(())
            }
            _ => self.fail("unexpected element"),
        }
    }

    /// Steps over an element of these shapes, lists among them. Returns a cursor over what is inside it.
    #[inline(always)]
    pub(crate) fn enter(&mut self, shapes: Shapes) -> Result<Cursor<'a>, InvalidMessage> {
        match self.tokens.split_first() {
            Some((token, rest)) if token.is(shapes) => {
                let inner_len = if token.is_nil() { 0 } else { token.len() };
                let Some((inner, rest)) = rest.split_at_checked(inner_len) else {
                    return self.fail("broken tape");
                };
                self.tokens = rest;
                Ok(Cursor::new(self.frame, inner))
            }
            _ => self.fail("expected a list"),
        }
    }

    /// Steps over a list of values behind a space, or `NIL` for an empty one, and looks into it.
    #[inline(always)]
    pub(crate) fn pass_list_or_nil<T: Item<'a> + 'a>(
        &mut self,
        check: &Check<'_>,
    ) -> Result<(), InvalidMessage> {
        let before = *self;
        let mut inside = self.enter(Shapes::LIST_OR_NIL.spaced())?;
        if inside.is_empty() {
            return before.pass_nothing(check);
        }
        inside.rest::<T>().check(check)
    }

    /// Looks at how an empty list is written.
    #[inline(always)]
    fn pass_nothing(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self.peek() {
            Some(token) if token.is_nil() => Ok(()),
            _ => check.meet(Quirk::EmptyList, self.offset()),
        }
    }

    /// The next word, if the next element is one and satisfies `test`.
    pub(crate) fn word_if(&mut self, test: impl FnOnce(&[u8]) -> bool) -> Option<&'a [u8]> {
        let token = self.peek().filter(|token| token.kind() == Kind::Word)?;
        let word = token.bytes(self.frame);
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
        let list = List::on_tape(*self);
        self.tokens = &[];
        list
    }
}

impl<'a> Node<'a> {
    #[cold]
    pub(crate) fn fail<T>(&self, what: &'static str) -> Result<T, InvalidMessage> {
        Err(InvalidMessage::new(what, self.token.start()))
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.token.bytes(self.frame)
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> Result<&'a [u8], InvalidMessage> {
        if self.token.kind() == Kind::Word { Ok(self.bytes()) } else { self.fail("expected a word") }
    }

    pub(crate) fn atom(&self) -> Result<&'a [u8], InvalidMessage> {
        let word = self.word()?;
        if crate::chars::is_atom(word) { Ok(word) } else { self.fail("expected an atom") }
    }

    #[inline(always)]
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

    #[inline(always)]
    pub(crate) fn is_nil(&self) -> bool {
        self.token.is_nil()
    }

    /// `string`: quoted or literal.
    #[inline(always)]
    pub(crate) fn string(&self) -> Result<IString<'a>, InvalidMessage> {
        if self.token.is(Shapes::STRING) { Ok(self.token.string(self.frame)) } else { self.no_string() }
    }

    #[cold]
    fn no_string<T>(&self) -> Result<T, InvalidMessage> {
        self.fail(match self.token.kind() {
            Kind::Literal8 => "binary literal where none may be",
            Kind::Hole => STREAMED_ARGUMENT,
            _ => "expected a string",
        })
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
    #[inline(always)]
    pub(crate) fn nstring(&self) -> Result<Option<IString<'a>>, InvalidMessage> {
        if self.token.is(Shapes::NSTRING) { Ok(self.token.nstring(self.frame)) } else { self.no_string() }
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
    #[inline(always)]
    pub(crate) fn inside(&self) -> Result<Cursor<'a>, InvalidMessage> {
        if self.token.is(Shapes::LIST) {
            Ok(Cursor::new(self.frame, self.inner))
        } else {
            self.fail("expected a list")
        }
    }

    #[inline(always)]
    pub(crate) fn list<T: Item<'a>>(&self) -> Result<List<'a, T>, InvalidMessage> {
        self.inside().map(|mut cursor| cursor.rest())
    }

    /// A list, or `NIL` for an empty one.
    #[inline(always)]
    pub(crate) fn list_or_nil<T: Item<'a>>(&self) -> Result<List<'a, T>, InvalidMessage> {
        if self.is_nil() { Ok(Cursor::new(self.frame, &[]).rest()) } else { self.list() }
    }

    /// A number, or 0 for a negative one.
    #[inline(always)]
    pub(crate) fn number_or_negative(&self) -> Result<u64, InvalidMessage> {
        self.number().or_else(|error| if self.is_negative() { Ok(0) } else { Err(error) })
    }

    /// Looks at a number that may be negative.
    #[inline(always)]
    pub(crate) fn pass_number(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self.number::<u64>() {
            Ok(_) => Ok(()),
            Err(_) if self.is_negative() => check.meet(Quirk::NegativeNumber, self.token.start()),
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn is_negative(&self) -> bool {
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

impl Token {
    /// The content of an `nstring`.
    #[inline(always)]
    fn nstring(self, frame: &[u8]) -> Option<IString<'_>> {
        if self.is_nil() { None } else { Some(self.string(frame)) }
    }

    /// The content of a `string`.
    #[inline(always)]
    fn string(self, frame: &[u8]) -> IString<'_> {
        let bytes = self.bytes(frame);
        if self.is(Shapes::ESCAPED) { IString::escaped(bytes) } else { IString::plain(bytes) }
    }
}
