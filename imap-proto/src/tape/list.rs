//! Lists and single values, walked or read where they stand: on a tape, or with the owner who wants them encoded.

use std::borrow::Borrow;
use std::fmt;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Inexpressible, Sink};
use crate::quirks::{Check, Quirk};
use crate::tape::{Cursor, Item};

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
    /// What is left of a cursor.
    #[inline(always)]
    pub(super) fn on_tape(cursor: Cursor<'a>) -> Self {
        Self(Source::Tape(cursor))
    }

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
            T::pass(&mut cursor, check)?;
        }
        Ok(())
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
        match self.0 {
            OneSource::Tape(mut cursor) => T::pass(&mut cursor, check),
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
