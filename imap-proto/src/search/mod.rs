//! SEARCH and its family: what to look for, in which mailboxes, in which order, and what to tell of it.
//!
//! | | command | response |
//! | --- | --- | --- |
//! | RFC 3501 6.4.4 | [`Search`] | [`SearchResult`] |
//! | RFC 4731 and RFC 9051 6.4.4 (ESEARCH), 5182, 5267, 6203, 9394 | [`Search`] with [`SearchReturn`] | [`Esearch`] |
//! | RFC 5256 (SORT), 5957 | [`Sort`] | [`SearchResult`], or [`Esearch`] with RFC 5267 |
//! | RFC 5256 (THREAD) | [`ThreadQuery`] | [`Threads`] |
//! | RFC 7377 (MULTISEARCH) | [`Multisearch`] | [`Esearch`] |
//!
//! Results stay what they are on the wire: numbers, sets and threads are one token each, walked in place and never
//! expanded. [`SearchKey`]s nest as deep as [`Limits::depth_max`](crate::Limits::depth_max).
//!
//! ```
//! use imap_proto::search::SearchData;
//! use imap_proto::{Command, Parser, Response, SearchReturn};
//! let mut parser = Parser::new();
//! let Command::Search(search) = parser.command(b"a5 UID SEARCH RETURN (COUNT ALL) UNSEEN")?.command else { panic!() };
//! assert!(search.returned.unwrap().iter().eq([SearchReturn::Count, SearchReturn::All]));
//!
//! let Response::Esearch(found) = parser.response(b"* ESEARCH (TAG \"a5\") UID COUNT 17 ALL 4:18,21,28")? else { panic!() };
//! let data: Vec<_> = found.data.iter().collect();
//! assert_eq!(data[0], SearchData::Count(17));
//! let SearchData::All(uids) = data[1] else { panic!() };
//! assert!(uids.contains(21, 0) && uids.iter().count() == 3);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

mod argument;
mod esearch;
mod key;
mod multi;
mod returned;
mod sort;
mod thread;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::command::{Command, Numbering};
use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, List};

pub use argument::{EntryKind, FilterName, ModSeqEntry};
pub use esearch::{ContextUpdate, Esearch, Score, SearchData, SearchResult, SearchedMailbox};
pub use key::SearchKey;
pub use multi::{Multisearch, SearchSource};
pub use returned::SearchReturn;
pub use sort::{Sort, SortCriterion, SortKey, SortOrder};
pub use thread::{AlgorithmName, Thread, ThreadAlgorithm, ThreadIter, ThreadQuery, Threads};

/// `SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"` or `UID SEARCH ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search<'a> {
    /// How the answer is numbered.
    pub numbering: Numbering,
    /// What is to be returned as ESEARCH; all that was found if the list is empty. `None`: as SEARCH has it, which is
    /// a [`SearchResult`] on IMAP4rev1 and ESEARCH with `ALL` on IMAP4rev2.
    pub returned: Option<List<'a, SearchReturn<'a>>>,
    /// The charset of the strings. `None`: `US-ASCII` on IMAP4rev1, `UTF-8` on IMAP4rev2. Once `UTF8=ACCEPT` is
    /// enabled none may be named (RFC 6855 section 3).
    pub charset: Option<IString<'a>>,
    /// The keys, all of which must match; at least one.
    pub keys: List<'a, SearchKey<'a>>,
}

impl<'a> Search<'a> {
    /// The search for these keys as RFC 3501 has it.
    #[must_use]
    pub fn new(numbering: Numbering, keys: List<'a, SearchKey<'a>>) -> Self {
        Self { numbering, returned: None, charset: None, keys }
    }

    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let returned = returned::read(cursor)?;
        Ok(Self { numbering, returned, charset: charset(cursor)?, keys: cursor.spaced_rest()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        returned::check(&self.returned, check)?;
        self.keys.check_some(check)
    }
}

impl Encode for Search<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        returned::encode(&self.returned, out)?;
        encode_charset(&self.charset, out)?;
        encode_keys(&self.keys, out)
    }
}

impl Command<'_> {
    /// True if `$` stands in it, so that it depends on the last search that saved its result (RFC 5182).
    ///
    /// ```
    /// use imap_proto::Parser;
    /// let mut parser = Parser::new();
    /// assert!(parser.command(b"a COPY $ Archive")?.command.uses_saved_result());
    /// assert!(parser.command(b"a SEARCH NOT (OR $ 7 SEEN)")?.command.uses_saved_result());
    /// assert!(!parser.command(b"a SEARCH KEYWORD $")?.command.uses_saved_result());
    /// # Ok::<(), imap_proto::InvalidMessage>(())
    /// ```
    #[must_use]
    pub fn uses_saved_result(&self) -> bool {
        match self {
            Self::Fetch(fetch) => fetch.messages.is_saved_result(),
            Self::Store(store) => store.messages.is_saved_result(),
            Self::Copy(copying) | Self::Move(copying) => copying.messages.is_saved_result(),
            Self::UidExpunge(messages) => messages.is_saved_result(),
            _ => self.any_key(&mut |key| match key {
                SearchKey::Sequence(set) | SearchKey::Uid(set) => set.is_saved_result(),
                _ => false,
            }),
        }
    }

    /// Whether a search key in it, however deep, satisfies `test`.
    pub(crate) fn any_key(&self, test: &mut impl FnMut(&SearchKey<'_>) -> bool) -> bool {
        let keys = match self {
            Self::Search(search) => &search.keys,
            Self::Esearch(search) => &search.keys,
            Self::Sort(sort) => &sort.keys,
            Self::Thread(query) => &query.keys,
            _ => return false,
        };
        keys.iter().any(|key| key.any(test))
    }
}

/// Takes `CHARSET name`, if it stands here.
fn charset<'a>(cursor: &mut Cursor<'a>) -> Result<Option<IString<'a>>, InvalidMessage> {
    match cursor.word_if(|word| word.eq_ignore_ascii_case(b"CHARSET")) {
        Some(_) => cursor.spaced()?.astring().map(Some),
        None => Ok(None),
    }
}

fn encode_charset<S: Sink>(
    charset: &Option<IString<'_>>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    let Some(charset) = charset else { return Ok(()) };
    out.raw(b" CHARSET ");
    out.astring(charset)
}

fn encode_keys<S: Sink>(
    keys: &List<'_, SearchKey<'_>>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    if keys.is_empty() {
        return Err(PeerIncompatible::Inexpressible("search without keys"));
    }
    out.raw(b" ");
    keys.encode_bare(out)
}
