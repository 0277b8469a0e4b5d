//! Sequence sets and number lists (RFC 3501 9, `sequence-set`, and the data of SEARCH), walked where they stand.
//!
//! A set is ranges and stays ranges: nothing is expanded, sorted or stored, so `1:4294967295` costs what `1` costs
//! (safety row P8). `*` gets a value only when the owner says what the largest number is, and `$` (RFC 5182) only from
//! the owner's memory of the last search.
//!
//! ```
//! use imap_proto::{Parser, Response, SequenceSet};
//! let set = SequenceSet::new("559:*")?;
//! assert!(set.resolve(557).eq([557..=559])); // RFC 3501 6.4.8: the last message is always in it
//! let mut parser = Parser::new();
//! let Response::Search(found) = parser.response(b"* SEARCH 2 84 882")? else { panic!() };
//! assert!(found.numbers.iter().eq([2, 84, 882]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::Limits;
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::{Check, Quirk};
use crate::short::{self, Leading};
use crate::tape::Node;

/// `seq-last-command` (RFC 5182 section 3).
const SAVED_RESULT: &[u8] = b"$";

/// `seq-number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SequenceNumber {
    /// A message sequence number or UID.
    Number(NonZeroU32),
    /// `*`: the largest one in use.
    Largest,
}

impl Encode for SequenceNumber {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Number(number) => out.number(u64::from(number.get())),
            Self::Largest => out.raw(b"*"),
        }
        Ok(())
    }
}

/// `seq-number` or `seq-range`; both ends alike for a single number. The ends may come in either order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceRange {
    /// One end.
    pub from: SequenceNumber,
    /// The other.
    pub to: SequenceNumber,
}

impl SequenceRange {
    /// One number.
    #[must_use]
    pub fn one(number: NonZeroU32) -> Self {
        Self { from: SequenceNumber::Number(number), to: SequenceNumber::Number(number) }
    }

    /// The numbers of `range`. `None` if it holds 0 or nothing.
    #[must_use]
    pub fn of(range: &RangeInclusive<u32>) -> Option<Self> {
        let (from, to) = (NonZeroU32::new(*range.start())?, NonZeroU32::new(*range.end())?);
        (from <= to).then_some(Self { from: SequenceNumber::Number(from), to: SequenceNumber::Number(to) })
    }

    /// What it means while `largest` is the largest number in use; `None` if that is 0 and `*` occurs.
    #[must_use]
    pub fn resolve(&self, largest: u32) -> Option<RangeInclusive<u32>> {
        let value = |number| match number {
            SequenceNumber::Number(number) => Some(number.get()),
            SequenceNumber::Largest => NonZeroU32::new(largest).map(NonZeroU32::get),
        };
        let (from, to) = (value(self.from)?, value(self.to)?);
        Some(from.min(to)..=from.max(to))
    }
}

/// A set of message numbers or UIDs, of either origin: text that was checked, or the owner's ranges.
///
/// It may be `$`, the result of the last search that was saved (RFC 5182): then it has no ranges, and
/// [`is_saved_result`](Self::is_saved_result) says so. Whoever does not offer SEARCHRES must refuse it.
///
/// ```
/// use imap_proto::SequenceSet;
/// let set = SequenceSet::new("2:4,9,12:*")?;
/// let ranges: Vec<_> = set.resolve(15).collect();
/// assert_eq!(ranges, [2..=4, 9..=9, 12..=15]);
/// assert!(set.contains(13, 15) && !set.contains(5, 15));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Clone, Copy)]
pub struct SequenceSet<'a>(Set<'a>);

#[derive(Clone, Copy)]
enum Set<'a> {
    Wire(&'a [u8]),
    Ranges(&'a [SequenceRange]),
}

impl<'a> SequenceSet<'a> {
    /// `$`: what the last search with `SAVE` found (RFC 5182).
    pub const SAVED_RESULT: SequenceSet<'static> = SequenceSet(Set::Wire(SAVED_RESULT));

    /// The set written like this.
    pub fn new(set: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::checked(set.as_ref(), 0, &Limits::default())
    }

    /// The set of these ranges. `None` if there are none: the grammar has no empty set. Of numbers, a
    /// [`SequenceSetBuf`](crate::SequenceSetBuf) makes ranges.
    #[must_use]
    pub fn of(ranges: &'a [SequenceRange]) -> Option<Self> {
        (!ranges.is_empty()).then(|| Self::of_some(ranges))
    }

    /// The set of these ranges, which are there.
    pub(crate) fn of_some(ranges: &'a [SequenceRange]) -> Self {
        debug_assert!(!ranges.is_empty(), "the grammar has no empty set");
        Self(Set::Ranges(ranges))
    }

    /// True for `$`.
    #[must_use]
    pub fn is_saved_result(&self) -> bool {
        matches!(self.0, Set::Wire(SAVED_RESULT))
    }

    /// The ranges as written: in any order, perhaps overlapping. None for `$`.
    #[must_use]
    pub fn iter(&self) -> Ranges<'a> {
        Ranges(self.0)
    }

    /// The ranges while `largest` is the largest number in use (the number of messages, or the highest UID). With
    /// `largest` 0, ranges with a `*` are left out.
    pub fn resolve(&self, largest: u32) -> impl Iterator<Item = RangeInclusive<u32>> + 'a {
        self.iter().filter_map(move |range| range.resolve(largest))
    }

    /// Whether `number` is in it while `largest` is the largest number in use. Linear in the number of ranges.
    #[must_use]
    pub fn contains(&self, number: u32, largest: u32) -> bool {
        self.resolve(largest).any(|range| range.contains(&number))
    }

    /// True if `*` occurs.
    #[must_use]
    pub fn has_largest(&self) -> bool {
        match self.0 {
            Set::Wire(wire) => wire.contains(&b'*'),
            Set::Ranges(_) => {
                self.iter().any(|r| r.from == SequenceNumber::Largest || r.to == SequenceNumber::Largest)
            }
        }
    }

    /// True if a word begins as a set does.
    pub(crate) fn begins(word: &[u8]) -> bool {
        word.first().is_some_and(|&b| b.is_ascii_digit() || b == b'*') || word == SAVED_RESULT
    }

    /// The one number that a word is.
    pub(crate) fn number(word: &[u8]) -> Option<SequenceNumber> {
        let mut rest = word;
        sequence_number(&mut rest).filter(|_| rest.is_empty())
    }

    /// A set whose text was or will be checked.
    pub(crate) fn unchecked(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        let word = node.word()?;
        if Self::begins(word) { Ok(Self(Set::Wire(word))) } else { node.fail("expected a sequence set") }
    }

    pub(crate) fn check(&self, check: &Check<'_>, offset: usize) -> Result<(), InvalidMessage> {
        match self.0 {
            Set::Wire(wire) => Self::checked(wire, offset, check.limits).map(|_| ()),
            Set::Ranges(_) => Ok(()),
        }
    }

    /// The same for a set that a server tells: no `*` and no `$`, and as long as its frame, since walking it costs no
    /// memory and a client that did without would miss what it says.
    pub(crate) fn check_assigned(&self, check: &Check<'_>, offset: usize) -> Result<(), InvalidMessage> {
        let limits = Limits { set_ranges_max: usize::MAX, ..*check.limits };
        self.check(&Check::new(&limits), offset)?;
        if self.is_assigned() { Ok(()) } else { Err(InvalidMessage::new("`*` or `$` in a result", offset)) }
    }

    pub(crate) fn is_assigned(&self) -> bool {
        !self.has_largest() && !self.is_saved_result()
    }

    fn checked(wire: &'a [u8], offset: usize, limits: &Limits) -> Result<Self, InvalidMessage> {
        if wire == SAVED_RESULT {
            return Ok(Self(Set::Wire(wire)));
        }
        let mut rest = wire;
        let mut ranges = 0;
        loop {
            if range(&mut rest).is_none() {
                return Err(InvalidMessage::new("malformed sequence set", offset + wire.len() - rest.len()));
            }
            ranges += 1;
            if ranges > limits.set_ranges_max {
                return Err(InvalidMessage::new("too many ranges in a set", offset));
            }
            match rest.split_first() {
                None => return Ok(Self(Set::Wire(wire))),
                Some((b',', more)) => rest = more,
                Some(_) => {
                    return Err(InvalidMessage::new(
                        "malformed sequence set",
                        offset + wire.len() - rest.len(),
                    ));
                }
            }
        }
    }
}

impl PartialEq for SequenceSet<'_> {
    /// Range by range as written.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SequenceSet<'_> {}

impl fmt::Debug for SequenceSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_saved_result() {
            return f.write_str("SequenceSet($)");
        }
        f.write_str("SequenceSet(")?;
        for (at, range) in self.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match (range.from, range.to) {
                (from, to) if from == to => write!(f, "{comma}{}", Shown(from))?,
                (from, to) => write!(f, "{comma}{}:{}", Shown(from), Shown(to))?,
            }
        }
        f.write_str(")")
    }
}

struct Shown(SequenceNumber);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SequenceNumber::Number(number) => number.fmt(f),
            SequenceNumber::Largest => f.write_str("*"),
        }
    }
}

impl Encode for SequenceSet<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let (first, rest) = match self.0 {
            Set::Wire(wire) => {
                out.raw(wire);
                return Ok(());
            }
            Set::Ranges([first, rest @ ..]) => (first, rest),
            Set::Ranges([]) => return Err(PeerIncompatible::Inexpressible("empty sequence set")),
        };
        first.from.encode(out)?;
        if first.from != first.to {
            marked(out, b':', first.to);
        }
        for range in rest {
            match (range.from, range.to) {
                (from, to) if from == to => marked(out, b',', from),
                (SequenceNumber::Number(from), SequenceNumber::Number(to)) => {
                    out.next_range(from.get().into(), to.get().into());
                }
                (from, to) => {
                    marked(out, b',', from);
                    marked(out, b':', to);
                }
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn marked<S: Sink>(out: &mut Encoder<'_, S>, mark: u8, number: SequenceNumber) {
    match number {
        SequenceNumber::Number(number) => out.number_behind(mark, number.get().into()),
        SequenceNumber::Largest => out.raw(&[mark, b'*']),
    }
}

/// The ranges of a [`SequenceSet`].
#[derive(Clone)]
pub struct Ranges<'a>(Set<'a>);

impl Iterator for Ranges<'_> {
    type Item = SequenceRange;

    fn next(&mut self) -> Option<SequenceRange> {
        match &mut self.0 {
            Set::Ranges(ranges) => {
                let (first, rest) = ranges.split_first()?;
                *ranges = rest;
                Some(*first)
            }
            Set::Wire(rest) => {
                let found = range(rest)?;
                if let [b',', more @ ..] = rest {
                    *rest = more;
                }
                Some(found)
            }
        }
    }
}

fn range(rest: &mut &[u8]) -> Option<SequenceRange> {
    let from = sequence_number(rest)?;
    let to = match rest {
        [b':', more @ ..] => {
            *rest = more;
            sequence_number(rest)?
        }
        _ => from,
    };
    Some(SequenceRange { from, to })
}

fn sequence_number(rest: &mut &[u8]) -> Option<SequenceNumber> {
    if let [b'*', more @ ..] = rest {
        *rest = more;
        return Some(SequenceNumber::Largest);
    }
    non_zero(rest).map(SequenceNumber::Number)
}

/// `nz-number`: no leading zero.
#[inline]
fn non_zero(rest: &mut &[u8]) -> Option<NonZeroU32> {
    let digits = Leading::of(rest);
    if digits.begins_with_zero() {
        return None;
    }
    let (value, more) = match rest.get(digits.count()..)? {
        more @ [b'0'..=b'9', ..] => nine_or_ten_digits(digits.value(), more)?,
        more => (digits.value(), more),
    };
    *rest = more;
    NonZeroU32::new(value)
}

/// A number of which eight digits have been read, and what follows it.
#[cold]
fn nine_or_ten_digits(mut value: u32, mut rest: &[u8]) -> Option<(u32, &[u8])> {
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        value = value.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
        rest = more;
    }
    Some((value, rest))
}

/// The numbers of a SEARCH response, of either origin; one token however many they are.
#[derive(Clone, Copy)]
pub struct NumberList<'a>(Numbers<'a>);

#[derive(Clone, Copy)]
enum Numbers<'a> {
    /// Numbers with one or more spaces between.
    Wire(&'a [u8]),
    Slice(&'a [u32]),
}

impl<'a> NumberList<'a> {
    /// These numbers. `None` if 0 is among them.
    #[must_use]
    pub fn of(numbers: &'a [u32]) -> Option<Self> {
        (!numbers.contains(&0)).then_some(Self(Numbers::Slice(numbers)))
    }

    /// The numbers in order.
    #[must_use]
    pub fn iter(&self) -> NumberIter<'a> {
        NumberIter(match self.0 {
            Numbers::Wire(wire) => Numbers::Wire(skip_spaces(wire)),
            slice @ Numbers::Slice(_) => slice,
        })
    }

    /// True without numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn unchecked(wire: &'a [u8]) -> Self {
        Self(Numbers::Wire(wire))
    }

    /// Checks text at `offset` of a frame.
    pub(crate) fn check(wire: &[u8], offset: usize, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if short::is_plain_numbers(wire) {
            return Ok(());
        }
        let mut rest = wire;
        loop {
            if let [b' ', more @ ..] = rest {
                rest = more;
                if !rest.first().is_some_and(u8::is_ascii_digit) {
                    rest = skip_spaces(rest);
                    let quirk = if rest.is_empty() { Quirk::TrailingSpace } else { Quirk::DoubleSpace };
                    check.meet(quirk, offset + wire.len() - rest.len())?;
                }
            }
            if rest.is_empty() {
                return Ok(());
            }
            let valid = non_zero(&mut rest).is_some() && matches!(rest.first(), None | Some(b' '));
            if !valid {
                return Err(InvalidMessage::new("malformed number", offset + wire.len() - rest.len()));
            }
        }
    }
}

impl PartialEq for NumberList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for NumberList<'_> {}

impl fmt::Debug for NumberList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for NumberList<'a> {
    type Item = u32;
    type IntoIter = NumberIter<'a>;

    fn into_iter(self) -> NumberIter<'a> {
        self.iter()
    }
}

impl Encode for NumberList<'_> {
    /// Each number behind a space.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.iter().for_each(|number| out.spaced_number(u64::from(number)));
        Ok(())
    }
}

/// The numbers of a [`NumberList`].
// Of text, the spaces in front are skipped already.
#[derive(Clone)]
pub struct NumberIter<'a>(Numbers<'a>);

impl Iterator for NumberIter<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        match &mut self.0 {
            Numbers::Slice(numbers) => {
                let (first, rest) = numbers.split_first()?;
                *numbers = rest;
                Some(*first)
            }
            Numbers::Wire(rest) => {
                let (number, more) = first_number(rest)?;
                *rest = more;
                Some(number)
            }
        }
    }

    fn fold<B, F: FnMut(B, u32) -> B>(self, mut sum: B, mut each: F) -> B {
        match self.0 {
            Numbers::Slice(numbers) => numbers.iter().copied().fold(sum, each),
            Numbers::Wire(mut rest) => {
                while let Some((number, more)) = first_number(rest) {
                    (sum, rest) = (each(sum, number), more);
                }
                sum
            }
        }
    }
}

/// The number in front of text that was checked, and what stands behind the spaces that follow it.
#[inline(always)]
fn first_number(mut rest: &[u8]) -> Option<(u32, &[u8])> {
    if let Some(digits) = Leading::before_space(rest) {
        // Up to seven digits and a space: what nearly all are.
        return Some((digits.value(), skip_spaces(rest.get(digits.count() + 1..)?)));
    }
    let number = non_zero(&mut rest)?;
    Some((number.get(), skip_spaces(rest)))
}

#[inline(always)]
fn skip_spaces(mut rest: &[u8]) -> &[u8] {
    while let [b' ', more @ ..] = rest {
        rest = more;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Names, Quirks};

    #[test]
    fn p8_sets_are_refused_or_read_as_written() {
        for set in [
            "",
            "0",
            "01",
            "1,",
            ",1",
            "1:",
            ":1",
            "1::2",
            "4294967296",
            "1 2",
            "a",
            "1,0",
            "*,,1",
            "1;2",
            "$,1",
            "$$",
        ] {
            assert!(SequenceSet::new(set).is_err(), "{set}");
        }
        for (set, shown) in [
            ("4294967295", "SequenceSet(4294967295)"),
            ("1:1", "SequenceSet(1)"),
            ("9:2", "SequenceSet(9:2)"),
            ("*:4,*", "SequenceSet(*:4,*)"),
            ("$", "SequenceSet($)"),
        ] {
            assert_eq!(format!("{:?}", SequenceSet::new(set).unwrap()), shown);
        }
    }

    #[test]
    fn p8_a_star_is_resolved_at_use_and_is_nothing_in_an_empty_mailbox() {
        let resolved = |set: &str, largest| {
            SequenceSet::new(set)
                .unwrap()
                .resolve(largest)
                .map(|r| (*r.start(), *r.end()))
                .collect::<Vec<_>>()
        };
        assert_eq!(resolved("1:*", 0), []);
        assert_eq!(resolved("1:*,7", 0), [(7, 7)]);
        assert_eq!(resolved("*", 3), [(3, 3)]);
        assert_eq!(resolved("559:*", 12), [(12, 559)]);
        assert_eq!(resolved("5:2", 9), [(2, 5)]);
        assert_eq!(resolved("1:4294967295", 9), [(1, u32::MAX)]);
    }

    #[test]
    fn the_saved_result_is_a_set_without_ranges() {
        let set = SequenceSet::new("$").unwrap();
        assert!(set.is_saved_result() && !set.has_largest() && !set.contains(1, 9));
        assert_eq!((set, set.iter().next()), (SequenceSet::SAVED_RESULT, None));
        let limits = Limits::default();
        let check = Check::new(&limits);
        assert!(set.check(&check, 0).is_ok() && set.check_assigned(&check, 0).is_err());
        assert!(!SequenceSet::new("1").unwrap().is_saved_result());
    }

    #[test]
    fn there_is_no_set_of_no_ranges() {
        assert!(SequenceSet::of(&[]).is_none());
    }

    #[test]
    fn p8_the_number_of_ranges_has_a_limit() {
        let set = |n: usize| vec!["7"; n].join(",");
        assert!(SequenceSet::new(&set(10_000)).is_ok());
        assert!(SequenceSet::new(&set(10_001)).is_err());
        let limits = Limits { set_ranges_max: 2, ..Limits::default() };
        assert!(SequenceSet::checked(b"1,2", 0, &limits).is_ok());
        assert!(SequenceSet::checked(b"1,2,3", 0, &limits).is_err());
    }

    #[test]
    fn number_lists_are_walked_in_place() {
        let limits = Limits::default();
        let check = Check::allowing(&limits, Quirks::TOLERANT, Names::ModifiedUtf7);
        let walked = |wire: &'static [u8]| {
            NumberList::check(wire, 0, &check)
                .map(|()| NumberList::unchecked(wire).iter().collect::<Vec<_>>())
        };
        assert_eq!(walked(b" 2 84  882 "), Ok(vec![2, 84, 882]));
        assert_eq!(walked(b""), Ok(vec![]));
        for wire in [&b" 0"[..], b" 1,2", b" x", b" 4294967296"] {
            assert!(NumberList::check(wire, 0, &check).is_err());
        }
        assert!(NumberList::of(&[1, 0]).is_none());
    }
}
