//! THREAD (RFC 5256): the command, and its result as a tree.
//!
//! A thread is a run of messages, each the parent of the next, and the threads that branch off the last of them. The tree
//! is read where it stands. It is no deeper than [`Limits::depth_max`](crate::Limits::depth_max), so that whoever walks
//! it may recurse; a response that is deeper is malformed.
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
use std::num::NonZeroU32;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::search::{SearchKey, encode_keys};
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

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
    pub members: List<'a, NonZeroU32>,
    /// None, or at least two.
    pub branches: List<'a, Thread<'a>>,
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

impl<'a> Item<'a> for Thread<'a> {
    const SPACED: bool = false;

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let all = inside;
        while inside.word_if(|_| true).is_some() {}
        Ok(Self { members: all.up_to(&inside).rest(), branches: inside.rest() })
    }

    /// As deep as the lists that hold it: the tokeniser has bounded that.
    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if self.members.is_empty() && self.branches.is_empty() {
            return Err(InvalidMessage::new("empty thread", 0));
        }
        self.members.check(check)?;
        self.branches.check(check)
    }
}

/// A message of a thread.
impl<'a> Item<'a> for NonZeroU32 {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        node.number().ok().and_then(Self::new).map_or_else(|| node.fail("expected a message number"), Ok)
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
        self.members.encode_bare(out)?;
        if branches > 0 && !self.members.is_empty() {
            out.raw(b" ");
        }
        self.branches.encode_bare(out)?;
        out.raw(b")");
        Ok(())
    }
}

impl Encode for NonZeroU32 {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.number(u64::from(self.get()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Literals, Parser, Response};

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
        ] {
            let mut parser = Parser::new();
            let response = parser.response(frame.as_bytes()).unwrap();
            assert!(matches!(response, Response::Invalid(_)), "{frame}: {response:?}");
        }
    }

    #[test]
    fn a_thread_that_is_none_is_not_written() {
        let number = [NonZeroU32::MIN];
        let leaf = Thread { members: List::of(&number), branches: List::default() };
        let (one, two) = ([leaf], [leaf, leaf]);
        let written = |members: &[NonZeroU32], branches: &[Thread<'_>]| {
            let thread = Thread { members: List::of(members), branches: List::of(branches) };
            let mut out = Vec::new();
            thread.encode(&mut Encoder::new(&mut out, Literals::Server)).ok().map(|()| out)
        };
        assert_eq!(written(&[], &[]), None);
        assert_eq!(written(&number, &one), None);
        assert_eq!(written(&[], &two).unwrap(), b"((1)(1))");
        assert_eq!(written(&number, &two).unwrap(), b"(1 (1)(1))");
    }
}
