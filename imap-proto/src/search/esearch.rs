//! Results: the numbers of SEARCH and SORT (RFC 3501 7.2.5, RFC 5256, RFC 7162 3.1.6), and ESEARCH with its data items
//! (RFC 4731, RFC 5267, RFC 6203, RFC 7377, RFC 9394; RFC 9051 7.3.4).
//!
//! Data items come in any order, and those of changes count in the order in which they stand. What is not known is kept
//! with its span.
//!
//! ```
//! use imap_proto::search::SearchData;
//! use imap_proto::{Parser, Response, Tag};
//! let mut parser = Parser::new();
//! let line = br#"* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769) REMOVEFROM (3 7)"#;
//! let Response::Esearch(news) = parser.response(line)? else { panic!() };
//! assert_eq!(news.tag, Some(Tag::new("B01")?));
//! let Some(SearchData::AddTo(added)) = news.data.iter().next() else { panic!() };
//! assert!(added.iter().all(|update| update.position == 0 && update.messages.contains(32_769, 0)));
//!
//! let Response::Search(found) = parser.response(b"* SEARCH 2 84 882 (MODSEQ 917162500)")? else { panic!() };
//! assert!(found.numbers.iter().eq([2, 84, 882]));
//! assert_eq!(found.modseq.map(|modseq| modseq.value()), Some(917_162_500));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::modseq::ModSeq;
use crate::partial::PartialRange;
use crate::quirks::Check;
use crate::sequence::{NumberList, SequenceSet};
use crate::tag::Tag;
use crate::tape::{Cursor, Item, List, Node};
use crate::token::{Kind, Span};

/// `* SEARCH 2 84 882 (MODSEQ 917162500)`, and the same for SORT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchResult<'a> {
    /// The messages, for SORT in their order.
    pub numbers: NumberList<'a>,
    /// The highest mod-sequence among them, if the search asked for one (RFC 7162 3.1.6). Never without numbers.
    pub modseq: Option<ModSeq>,
}

impl<'a> From<NumberList<'a>> for SearchResult<'a> {
    fn from(numbers: NumberList<'a>) -> Self {
        Self { numbers, modseq: None }
    }
}

impl<'a> SearchResult<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let text = match cursor.peek() {
            Some(token) if token.kind() == Kind::Text => cursor.next()?.text()?,
            _ => b"",
        };
        let mut result = Self::from(NumberList::unchecked(text));
        if !cursor.is_empty() {
            let mut trailer = cursor.next()?.inside()?;
            if trailer.word_if(|word| word.eq_ignore_ascii_case(b"MODSEQ")).is_none() {
                return trailer.fail("expected MODSEQ");
            }
            result.modseq = Some(ModSeq::of_node(&trailer.spaced()?)?);
            trailer.end()?;
        }
        Ok(result)
    }

    /// Where the numbers from `start` on end: at the parenthesis of a trailer, or with the frame.
    pub(crate) fn numbers_end(frame: &[u8], start: usize) -> usize {
        let data = frame.get(start..).unwrap_or_default().trim_ascii_end();
        let trailer = data.ends_with(b")").then(|| memchr::memrchr(b'(', data)).flatten();
        trailer.map_or(frame.len(), |at| start + at)
    }
}

impl Encode for SearchResult<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.numbers.encode(out)?;
        match self.modseq {
            None => Ok(()),
            Some(_) if self.numbers.is_empty() => {
                Err(PeerIncompatible::Inexpressible("mod-sequence of an empty result"))
            }
            Some(modseq) => {
                out.raw(b" (MODSEQ ");
                modseq.encode(out)?;
                out.raw(b")");
                Ok(())
            }
        }
    }
}

/// `* ESEARCH (TAG "a567") UID COUNT 17 ALL 4:18,21,28`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Esearch<'a> {
    /// Which command it answers or, with [`SearchReturn::Update`](crate::SearchReturn::Update), goes on answering.
    /// `None`: none in particular.
    pub tag: Option<Tag<'a>>,
    /// Which mailbox it is about (RFC 7377). `None`: the selected one.
    pub mailbox: Option<SearchedMailbox<'a>>,
    /// How messages are numbered in it.
    pub numbering: Numbering,
    /// What is told.
    pub data: List<'a, SearchData<'a>>,
}

/// `MAILBOX "folder1" UIDVALIDITY 1`: where an [`Esearch`] has its UIDs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchedMailbox<'a> {
    /// Its name.
    pub name: MailboxName<'a>,
    /// The epoch of its UIDs.
    pub uid_validity: NonZeroU32,
}

/// `search-return-data`: one item of an [`Esearch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchData<'a> {
    /// `MIN`. Not sent for an empty result.
    Min(NonZeroU32),
    /// `MAX`. Not sent for an empty result.
    Max(NonZeroU32),
    /// `ALL`: never empty, without `*` and `$`. Of a sorted result in its order.
    All(SequenceSet<'a>),
    /// `COUNT`.
    Count(u32),
    /// `MODSEQ`: the highest of what is returned (RFC 4731 3.2).
    ModSeq(ModSeq),
    /// `RELEVANCY`: one score for each message, in the order of `ALL` or `PARTIAL` (RFC 6203).
    Relevancy(List<'a, Score>),
    /// `PARTIAL`: a window of the result (RFC 5267, RFC 9394).
    Partial {
        /// The window as it was asked for.
        range: PartialRange,
        /// What lies in it; `None` for nothing.
        messages: Option<SequenceSet<'a>>,
    },
    /// `ADDTO`: messages that the result has now, in the order to be processed (RFC 5267).
    AddTo(List<'a, ContextUpdate<'a>>),
    /// `REMOVEFROM`: messages that it has no more.
    RemoveFrom(List<'a, ContextUpdate<'a>>),
    /// Another item with its value.
    Unknown(Span),
}

/// A place in a result and the messages that come or go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextUpdate<'a> {
    /// From 1; 0 for the order of the mailbox.
    pub position: u32,
    /// Which messages, without `*` and `$`.
    pub messages: SequenceSet<'a>,
}

/// How well a message fits a fuzzy search: 1 to 100 (RFC 6203 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u8);

impl Score {
    /// The score of this value. `None` outside 1 to 100.
    #[must_use]
    pub fn new(score: u8) -> Option<Self> {
        (1..=100).contains(&score).then_some(Self(score))
    }

    /// Its value.
    #[must_use]
    pub fn as_u8(self) -> u8 {
        self.0
    }
}

keys! {
    TAG = "TAG", MAILBOX = "MAILBOX", UIDVALIDITY = "UIDVALIDITY", MIN = "MIN", MAX = "MAX", ALL = "ALL",
    COUNT = "COUNT", MODSEQ = "MODSEQ", RELEVANCY = "RELEVANCY", PARTIAL = "PARTIAL", ADDTO = "ADDTO",
    REMOVEFROM = "REMOVEFROM",
}

impl<'a> Esearch<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let (mut tag, mut mailbox) = (None, None);
        if cursor.peek().is_some_and(|token| token.kind() == Kind::List) {
            (tag, mailbox) = correlators(cursor.spaced()?.inside()?)?;
        }
        let numbering = match cursor.word_if(|word| word.eq_ignore_ascii_case(b"UID")) {
            Some(_) => Numbering::Uid,
            None => Numbering::Sequence,
        };
        Ok(Self { tag, mailbox, numbering, data: cursor.rest() })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if let Some(mailbox) = &self.mailbox {
            mailbox.name.check(check)?;
        }
        self.data.check(check)
    }
}

type Correlators<'a> = (Option<Tag<'a>>, Option<SearchedMailbox<'a>>);

/// Each may stand once, and a mailbox not without the epoch of its UIDs.
fn correlators<'a>(mut inside: Cursor<'a>) -> Result<Correlators<'a>, InvalidMessage> {
    let (mut tag, mut mailbox, mut uid_validity) = (None, None, None);
    while !inside.is_empty() {
        let name = inside.next()?;
        let repeated = match key(name.word()?) {
            TAG => tag.replace(Tag::read(&mut inside)?).is_some(),
            MAILBOX => mailbox.replace(MailboxName::argument(&mut inside)?).is_some(),
            UIDVALIDITY => uid_validity.replace(non_zero(&inside.spaced()?)?).is_some(),
            _ => return name.fail("unknown correlator"),
        };
        if repeated {
            return name.fail("correlator twice");
        }
    }
    match (mailbox, uid_validity) {
        (None, None) => Ok((tag, None)),
        (Some(name), Some(uid_validity)) => Ok((tag, Some(SearchedMailbox { name, uid_validity }))),
        _ => inside.fail("mailbox without UIDVALIDITY"),
    }
}

fn non_zero(node: &Node<'_>) -> Result<NonZeroU32, InvalidMessage> {
    node.number().ok().and_then(NonZeroU32::new).map_or_else(|| node.fail("expected a number above 0"), Ok)
}

impl<'a> Item<'a> for SearchData<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?;
        let value = cursor.spaced()?;
        Ok(match key(name.word()?) {
            MIN => Self::Min(non_zero(&value)?),
            MAX => Self::Max(non_zero(&value)?),
            ALL => Self::All(SequenceSet::unchecked(&value)?),
            COUNT => Self::Count(value.number()?),
            MODSEQ => Self::ModSeq(ModSeq::of_node(&value)?),
            RELEVANCY => Self::Relevancy(value.list()?),
            PARTIAL => {
                let mut inside = value.inside()?;
                let range = PartialRange::of_node(&inside.next()?)?;
                let messages = inside.spaced()?;
                inside.end()?;
                let messages =
                    if messages.is_nil() { None } else { Some(SequenceSet::unchecked(&messages)?) };
                Self::Partial { range, messages }
            }
            ADDTO => Self::AddTo(value.list()?),
            REMOVEFROM => Self::RemoveFrom(value.list()?),
            _ => {
                let start = name.token.start();
                Self::Unknown(Span { start, len: value.end().saturating_sub(start) })
            }
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::All(set) | Self::Partial { messages: Some(set), .. } => set.check_assigned(check, 0),
            Self::Relevancy(scores) => scores.check(check),
            Self::AddTo(updates) | Self::RemoveFrom(updates) => updates.check_some(check),
            _ => Ok(()),
        }
    }
}

impl<'a> Item<'a> for ContextUpdate<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let position = cursor.next()?.number()?;
        Ok(Self { position, messages: SequenceSet::unchecked(&cursor.spaced()?)? })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.messages.check_assigned(check, 0)
    }
}

impl<'a> Item<'a> for Score {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        node.number().ok().and_then(Self::new).map_or_else(|| node.fail("expected a score"), Ok)
    }
}

impl Encode for Esearch<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.tag.is_some() || self.mailbox.is_some() {
            out.raw(b" (");
            if let Some(tag) = &self.tag {
                out.raw(b"TAG ");
                tag.encode(out)?;
            }
            if let Some(mailbox) = &self.mailbox {
                out.raw(if self.tag.is_some() { b" MAILBOX " } else { b"MAILBOX " });
                mailbox.name.encode(out)?;
                out.raw(b" UIDVALIDITY ");
                out.number(u64::from(mailbox.uid_validity.get()));
            }
            out.raw(b")");
        }
        if self.numbering == Numbering::Uid {
            out.raw(b" UID");
        }
        if !self.data.is_empty() {
            out.raw(b" ");
        }
        self.data.encode_bare(out)
    }
}

impl Encode for SearchData<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let (name, number): (&[u8], u64) = match self {
            Self::Min(number) => (b"MIN ", number.get().into()),
            Self::Max(number) => (b"MAX ", number.get().into()),
            Self::Count(number) => (b"COUNT ", (*number).into()),
            Self::ModSeq(modseq) => (b"MODSEQ ", modseq.value()),
            Self::All(set) => {
                out.raw(b"ALL ");
                return told(out, set);
            }
            Self::Relevancy(scores) => {
                out.raw(b"RELEVANCY ");
                return scores.encode(out);
            }
            Self::Partial { range, messages } => {
                out.raw(b"PARTIAL (");
                range.encode(out)?;
                out.raw(b" ");
                match messages {
                    Some(set) => told(out, set)?,
                    None => out.raw(b"NIL"),
                }
                out.raw(b")");
                return Ok(());
            }
            Self::AddTo(updates) => return updates_item(out, b"ADDTO ", updates),
            Self::RemoveFrom(updates) => return updates_item(out, b"REMOVEFROM ", updates),
            Self::Unknown(_) => return Err(PeerIncompatible::Inexpressible("unknown search data")),
        };
        out.raw(name);
        out.number(number);
        Ok(())
    }
}

fn told<S: Sink>(out: &mut Encoder<'_, S>, set: &SequenceSet<'_>) -> Result<(), PeerIncompatible> {
    if set.is_assigned() {
        set.encode(out)
    } else {
        Err(PeerIncompatible::Inexpressible("`*` or `$` in a search result"))
    }
}

fn updates_item<S: Sink>(
    out: &mut Encoder<'_, S>,
    name: &[u8],
    updates: &List<'_, ContextUpdate<'_>>,
) -> Result<(), PeerIncompatible> {
    if updates.is_empty() {
        return Err(PeerIncompatible::Inexpressible("update of nothing"));
    }
    out.raw(name);
    updates.encode(out)
}

impl Encode for ContextUpdate<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.number(u64::from(self.position));
        out.raw(b" ");
        told(out, &self.messages)
    }
}

impl Encode for Score {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.number(u64::from(self.0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Literals, Parser, Response};

    fn esearch(frame: &str, look: impl FnOnce(Option<Esearch<'_>>)) {
        match Parser::new().response(frame.as_bytes()).unwrap() {
            Response::Esearch(esearch) => look(Some(esearch)),
            Response::Invalid(_) => look(None),
            other => panic!("{frame}: {other:?}"),
        }
    }

    #[test]
    fn correlators_come_in_any_order_and_once() {
        for (frame, good) in [
            ("* ESEARCH", true),
            ("* ESEARCH UID", true),
            ("* ESEARCH ()", true),
            ("* ESEARCH (TAG a)", true),
            ("* ESEARCH (UIDVALIDITY 3 TAG \"a\" MAILBOX x) UID COUNT 0", true),
            ("* ESEARCH (MAILBOX x UIDVALIDITY 3)", true),
            ("* ESEARCH (TAG a TAG a)", false),
            ("* ESEARCH (TAG \"a b\")", false),
            ("* ESEARCH (TAG)", false),
            ("* ESEARCH (MAILBOX x)", false),
            ("* ESEARCH (UIDVALIDITY 3)", false),
            ("* ESEARCH (MAILBOX x UIDVALIDITY 0)", false),
            ("* ESEARCH (FROB 1)", false),
        ] {
            esearch(frame, |esearch| assert_eq!(esearch.is_some(), good, "{frame}"));
        }
    }

    #[test]
    fn malformed_data_spoils_the_response_and_unknown_data_nothing() {
        for data in [
            "MIN",
            "MIN 0",
            "MAX x",
            "COUNT -1",
            "COUNT 4294967296",
            "ALL 1:*",
            "ALL $",
            "ALL 0",
            "ALL (1)",
            "MODSEQ 9223372036854775808",
            "RELEVANCY 5",
            "RELEVANCY (0)",
            "RELEVANCY (101)",
            "PARTIAL 1:5",
            "PARTIAL (1:5)",
            "PARTIAL (1:5 1:*)",
            "PARTIAL (1:5 1 2)",
            "PARTIAL (5 1)",
            "ADDTO ()",
            "ADDTO (1)",
            "ADDTO (1 *)",
            "REMOVEFROM (x 1)",
        ] {
            esearch(&format!("* ESEARCH (TAG \"a\") {data}"), |esearch| assert_eq!(esearch, None, "{data}"));
        }
        let frame = "* ESEARCH (TAG \"a\") X-RANK (1 (2 \"three\")) COUNT 5 X-SUM 7";
        esearch(frame, |esearch| {
            let data: Vec<_> = esearch.unwrap().data.iter().collect();
            let [SearchData::Unknown(rank), SearchData::Count(5), SearchData::Unknown(sum)] = data[..] else {
                panic!("{data:?}")
            };
            assert_eq!(rank.of(frame.as_bytes()), b"X-RANK (1 (2 \"three\"))");
            assert_eq!(sum.of(frame.as_bytes()), b"X-SUM 7");
        });
    }

    #[test]
    fn scores_are_percentages() {
        assert_eq!((Score::new(0), Score::new(101)), (None, None));
        assert!(Score::new(1) < Score::new(100));
    }

    #[test]
    fn numbers_end_at_the_trailer() {
        for (frame, numbers, modseq) in [
            ("* SEARCH", &[][..], None),
            ("* SEARCH 2 84 (MODSEQ 9)", &[2, 84], ModSeq::new(9)),
            ("* SORT 84 2 (modseq 9) ", &[84, 2], ModSeq::new(9)),
            ("* SEARCH (MODSEQ 0)", &[], ModSeq::new(0)),
            ("* SORT 3  ", &[3], None),
        ] {
            let mut parser = Parser::new();
            let (Response::Search(result) | Response::Sort(result)) =
                parser.response(frame.as_bytes()).unwrap()
            else {
                panic!("{frame}")
            };
            assert!(result.numbers.iter().eq(numbers.iter().copied()), "{frame}");
            assert_eq!(result.modseq, modseq, "{frame}");
        }
        for frame in [
            "* SEARCH 2 ()",
            "* SEARCH 2 (MODSEQ)",
            "* SEARCH 2 (MODSEQ x)",
            "* SEARCH 2 (MODSEQ 1 2)",
            "* SEARCH 2 (MODSEQ 1) 3",
            "* SEARCH 2 (MODSEQ 1)(MODSEQ 1)",
            "* SEARCH 2 ((MODSEQ 1))",
            "* SEARCH 2 (FROB 1)",
            "* SORT 2)",
            "* SORT 0",
        ] {
            let mut parser = Parser::new();
            let response = parser.response(frame.as_bytes()).unwrap();
            assert!(matches!(response, Response::Invalid(_)), "{frame}: {response:?}");
        }
    }

    #[test]
    fn what_no_result_may_hold_is_not_written() {
        let written = |data: SearchData<'_>| {
            let data = [data];
            let esearch =
                Esearch { tag: None, mailbox: None, numbering: Numbering::Uid, data: List::of(&data) };
            let mut out = Vec::new();
            Response::Esearch(esearch).encode(&mut Encoder::new(&mut out, Literals::Server)).map(|()| out)
        };
        let star = SequenceSet::new("1:*").unwrap();
        let range = PartialRange::new("1:2").unwrap();
        let update = [ContextUpdate { position: 1, messages: star }];
        for data in [
            SearchData::All(star),
            SearchData::All(SequenceSet::SAVED_RESULT),
            SearchData::Partial { range, messages: Some(star) },
            SearchData::AddTo(List::of(&update)),
            SearchData::RemoveFrom(List::default()),
        ] {
            assert!(written(data).is_err(), "{data:?}");
        }
        assert_eq!(written(SearchData::Count(0)).unwrap(), b"* ESEARCH UID COUNT 0\r\n");
        let empty = SearchResult { numbers: NumberList::of(&[]).unwrap(), modseq: Some(ModSeq::MAX) };
        let mut out = Vec::new();
        assert!(Response::Search(empty).encode(&mut Encoder::new(&mut out, Literals::Server)).is_err());
    }
}
