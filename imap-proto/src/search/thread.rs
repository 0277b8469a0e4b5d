//! THREAD (RFC 5256): the command, and its result as a tree.
//!
//! A thread is a run of messages, each the parent of the next, and the threads that branch off the last of them. The tree
//! is one token: it is checked in one pass and read where it stands, each byte once for every level above it. It is no
//! deeper than [`Limits::depth_max`](crate::Limits::depth_max), so that whoever walks it may recurse; a response that is
//! deeper is malformed (safety rows P4, P8).
//!
//! ```
//! use imap_proto::{Command, Parser, Response, Thread};
//! let mut parser = Parser::new();
//! let Command::Thread(query) = parser.command(b"a THREAD REFERENCES UTF-8 SINCE 5-Mar-2000")?.command else { panic!() };
//! assert_eq!(query.algorithm.as_bytes(), b"REFERENCES");
//!
//! fn outline(thread: &Thread<'_>, depth: usize, lines: &mut Vec<String>) {
//!     let members = thread.members.iter().zip(depth..);
//!     lines.extend(members.map(|(message, depth)| format!("{}{message}", "-".repeat(depth))));
//!     let below = depth + thread.members.iter().count();
//!     thread.branches.iter().for_each(|branch| outline(&branch, below, lines));
//! }
//! let Response::Thread(threads) = parser.response(b"* THREAD (2)(3 6 (4 23)(44 7 96))")? else { panic!() };
//! let mut lines = Vec::new();
//! threads.iter().for_each(|thread| outline(&thread, 0, &mut lines));
//! assert_eq!(lines, ["2", "3", "-6", "--4", "---23", "--44", "---7", "----96"]);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::Limits;
use crate::chars::{self, key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::search::{SearchKey, encode_keys};
use crate::sequence::NumberList;
use crate::string::IString;
use crate::tape::{Cursor, List};

/// `THREAD REFERENCES UTF-8 SINCE 5-MAR-2000` or `UID THREAD ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadQuery<'a> {
    /// How the answer is numbered.
    pub numbering: Numbering,
    /// What makes a thread.
    pub algorithm: ThreadAlgorithm<'a>,
    /// The charset of the strings in the keys.
    pub charset: IString<'a>,
    /// The keys, all of which must match; at least one.
    pub keys: List<'a, SearchKey<'a>>,
}

/// `thread-alg`: what makes a thread.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ThreadAlgorithm<'a> {
    /// `ORDEREDSUBJECT`: one subject.
    OrderedSubject,
    /// `REFERENCES`: who answers whom.
    References,
    /// Another one.
    Other(AlgorithmName<'a>),
}

/// The spelling of a [`ThreadAlgorithm::Other`].
#[derive(Clone, Copy)]
pub struct AlgorithmName<'a>(&'a [u8]);

impl<'a> ThreadAlgorithm<'a> {
    /// The algorithm of this name, an atom.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let name = name.as_ref();
        if chars::is_atom(name) {
            Ok(Self::of_atom(name))
        } else {
            Err(InvalidMessage::new("expected an algorithm", 0))
        }
    }

    fn of_atom(name: &'a [u8]) -> Self {
        keys! { ORDEREDSUBJECT = "ORDEREDSUBJECT", REFERENCES = "REFERENCES" }
        match key(name) {
            ORDEREDSUBJECT => Self::OrderedSubject,
            REFERENCES => Self::References,
            _ => Self::Other(AlgorithmName(name)),
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::OrderedSubject => b"ORDEREDSUBJECT",
            Self::References => b"REFERENCES",
            Self::Other(name) => name.0,
        }
    }
}

impl PartialEq for ThreadAlgorithm<'_> {
    /// Without regard to ASCII case.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for ThreadAlgorithm<'_> {}

impl fmt::Debug for AlgorithmName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(self.0).fmt(f)
    }
}

/// `thread-list`: messages of which each is the parent of the next, and what branches off the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread<'a> {
    /// The messages. None if the parent of the branches was not found or is gone.
    pub members: NumberList<'a>,
    /// None, or at least two.
    pub branches: Threads<'a>,
}

/// Threads side by side, of either origin: text that was checked, or the owner's.
#[derive(Clone, Copy)]
pub struct Threads<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Wire(&'a [u8]),
    Slice(&'a [Thread<'a>]),
}

impl<'a> Threads<'a> {
    /// These threads.
    #[must_use]
    pub const fn of(threads: &'a [Thread<'a>]) -> Self {
        Self(Source::Slice(threads))
    }

    /// The threads in order.
    #[must_use]
    pub fn iter(&self) -> ThreadIter<'a> {
        ThreadIter(self.0)
    }

    /// True without threads.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn unchecked(wire: &'a [u8]) -> Self {
        Self(Source::Wire(wire))
    }

    /// Checks text at `offset` of a frame. Spaces may stand between any two elements.
    pub(crate) fn check(wire: &[u8], offset: usize, limits: &Limits) -> Result<(), InvalidMessage> {
        let depth_max = limits.depth_max.min(Limits::DEPTH_CEILING);
        let mut depth = 0_usize;
        // One bit a level: a branch was there, so that no message may follow.
        let mut branched = 0_u128;
        let mut opened = false;
        let mut rest = wire;
        while let Some((&byte, more)) = rest.split_first() {
            let fail = |what| Err(InvalidMessage::new(what, offset + wire.len() - rest.len()));
            match byte {
                b' ' => {}
                b'(' if depth == depth_max => return fail("nested too deep"),
                b'(' => {
                    branched |= 1 << depth;
                    depth += 1;
                    branched &= !(1 << depth);
                    opened = true;
                }
                b')' if depth == 0 || opened => return fail("no thread to end"),
                b')' => depth -= 1,
                b'1'..=b'9' if depth > 0 && branched & (1 << depth) == 0 => {
                    let (digits, after) = rest.split_at(run_of_digits(rest));
                    if chars::number::<u32>(digits).is_none() || !matches!(after, [b' ' | b'(' | b')', ..]) {
                        return fail("malformed number");
                    }
                    (opened, rest) = (false, after);
                    continue;
                }
                _ => return fail("expected a thread"),
            }
            rest = more;
        }
        if depth > 0 {
            Err(InvalidMessage::new("thread without its end", offset + wire.len()))
        } else {
            Ok(())
        }
    }
}

fn run_of_digits(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len())
}

impl Default for Threads<'_> {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl PartialEq for Threads<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Threads<'_> {}

impl fmt::Debug for Threads<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Threads<'a> {
    type Item = Thread<'a>;
    type IntoIter = ThreadIter<'a>;

    fn into_iter(self) -> ThreadIter<'a> {
        self.iter()
    }
}

/// The threads of [`Threads`].
#[derive(Clone)]
pub struct ThreadIter<'a>(Source<'a>);

impl<'a> Iterator for ThreadIter<'a> {
    type Item = Thread<'a>;

    fn next(&mut self) -> Option<Thread<'a>> {
        match &mut self.0 {
            Source::Slice(threads) => {
                let (first, rest) = threads.split_first()?;
                *threads = rest;
                Some(*first)
            }
            Source::Wire(wire) => {
                let inside = wire.trim_ascii_start().strip_prefix(b"(")?;
                let (inside, rest) = inside.split_at_checked(end_of_thread(inside)?)?;
                *wire = rest.get(1..)?;
                let (members, branches) =
                    inside.split_at(memchr::memchr(b'(', inside).unwrap_or(inside.len()));
                let members = NumberList::unchecked(members);
                Some(Thread { members, branches: Threads::unchecked(branches) })
            }
        }
    }
}

/// Where the thread ends whose inside begins here.
fn end_of_thread(inside: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    memchr::memchr2_iter(b'(', b')', inside).find(|&at| match inside.get(at) {
        Some(b'(') => {
            depth += 1;
            false
        }
        _ if depth == 0 => true,
        _ => {
            depth -= 1;
            false
        }
    })
}

impl<'a> ThreadQuery<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let algorithm = ThreadAlgorithm::of_atom(cursor.spaced()?.atom()?);
        let charset = cursor.spaced()?.astring()?;
        Ok(Self { numbering, algorithm, charset, keys: cursor.spaced_rest()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.keys.check_some(check)
    }
}

impl Encode for ThreadQuery<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        out.raw(self.algorithm.as_bytes());
        out.raw(b" ");
        out.astring(&self.charset)?;
        encode_keys(&self.keys, out)
    }
}

impl Encode for Thread<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let branches = self.branches.iter().take(2).count();
        if branches == 1 || (branches == 0 && self.members.is_empty()) {
            return Err(PeerIncompatible::Inexpressible("thread with one branch, or of nothing"));
        }
        out.raw(b"(");
        for (at, message) in self.members.iter().enumerate() {
            if at > 0 {
                out.raw(b" ");
            }
            out.number(u64::from(message));
        }
        if branches > 0 && !self.members.is_empty() {
            out.raw(b" ");
        }
        self.branches.encode(out)?;
        out.raw(b")");
        Ok(())
    }
}

impl Encode for Threads<'_> {
    /// One behind the other.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.iter().try_for_each(|thread| thread.encode(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Literals, Parser, Response};

    #[test]
    fn a_query_has_algorithm_charset_and_keys() {
        for (arguments, good) in [
            ("references UTF-8 ALL", true),
            ("X-OWN UTF-8 ALL", true),
            ("REFERENCES UTF-8", false),
            ("\"REFERENCES\" UTF-8 ALL", false),
            ("REFERENCES ALL", false),
            ("RETURN () REFERENCES UTF-8 ALL", false),
        ] {
            let frame = format!("a UID THREAD {arguments}");
            assert_eq!(Parser::new().command(frame.as_bytes()).is_ok(), good, "{frame}");
        }
        assert!(ThreadAlgorithm::new("a b").is_err());
        assert_eq!(ThreadAlgorithm::new("orderedsubject").unwrap(), ThreadAlgorithm::OrderedSubject);
    }

    #[test]
    fn p4_a_tree_is_as_deep_as_the_limit_and_no_deeper() {
        let limits = Limits { depth_max: 4, ..Limits::default() };
        let mut parser = Parser::with_limits(limits);
        for depth in 1..8 {
            let frame = format!("* THREAD {}{}", "(1 (2)".repeat(depth), ")".repeat(depth));
            let response = parser.response(frame.as_bytes()).unwrap();
            // The threads `(2)` are a level below those that hold them.
            assert_eq!(matches!(response, Response::Thread(_)), depth < 4, "{frame}");
        }
    }

    #[test]
    fn malformed_threads_are_values() {
        for frame in [
            "* THREAD ()",
            "* THREAD (1",
            "* THREAD 1",
            "* THREAD (0)",
            "* THREAD (x)",
            "* THREAD (1 (2)(3) 4)",
            "* THREAD (1 \"2\")",
            "* THREAD (1)(4294967296)",
            "* THREAD (1)(02)",
            "* THREAD (1) 2",
            "* THREAD (1))",
            "* THREAD (1(2)(3)4)",
            "* THREAD (1,2)",
            "* THREAD ((1)())",
        ] {
            let mut parser = Parser::new();
            let response = parser.response(frame.as_bytes()).unwrap();
            assert!(matches!(response, Response::Invalid(_)), "{frame}: {response:?}");
        }
    }

    #[test]
    fn spaces_may_stand_between_threads() {
        let mut parser = Parser::new();
        let Response::Thread(spaced) = parser.response(b"* THREAD  (1  2 ) ( 3 (4) (5)(6 7 ) ) ").unwrap()
        else {
            panic!()
        };
        let mut other = Parser::new();
        let Response::Thread(plain) = other.response(b"* THREAD (1 2)(3(4)(5)(6 7))").unwrap() else {
            panic!()
        };
        assert_eq!(spaced, plain);
        assert_eq!(plain.iter().nth(1).unwrap().branches.iter().count(), 3);
    }

    #[test]
    fn p4_no_configuration_takes_a_tree_deeper_than_the_ceiling() {
        let limits = Limits { depth_max: usize::MAX, ..Limits::default() };
        for (depth, good) in [(Limits::DEPTH_CEILING, true), (Limits::DEPTH_CEILING + 1, false)] {
            let tree = format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
            assert_eq!(Threads::check(tree.as_bytes(), 0, &limits).is_ok(), good);
        }
    }

    #[test]
    fn a_thread_that_is_none_is_not_written() {
        let number = [1];
        let leaf = Thread { members: NumberList::of(&number).unwrap(), branches: Threads::default() };
        let (one, two) = ([leaf], [leaf, leaf]);
        let written = |members: &[u32], branches: &[Thread<'_>]| {
            let thread =
                Thread { members: NumberList::of(members).unwrap(), branches: Threads::of(branches) };
            let mut out = Vec::new();
            thread.encode(&mut Encoder::new(&mut out, Literals::Server)).ok().map(|()| out)
        };
        assert_eq!(written(&[], &[]), None);
        assert_eq!(written(&number, &one), None);
        assert_eq!(written(&[], &two).unwrap(), b"((1)(1))");
        assert_eq!(written(&number, &two).unwrap(), b"(1 (1)(1))");
    }
}
