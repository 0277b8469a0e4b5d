//! SEARCH (RFC 3501 6.4.4): keys as a tree that is walked where it stands.
//!
//! `NOT` and `OR` nest without parentheses, so their depth is counted here, not by the tokeniser: finding where a
//! key ends is a loop, and looking into one stops at the limit (safety row P4).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::Limits;
use crate::chars::{key, keys};
use crate::command::Numbering;
use crate::date::Date;
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::{Flag, SettableFlag};
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::string::IString;
use crate::tape::{Cursor, Item, List, Node, One};
use crate::token::Kind;

/// `SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"` or `UID SEARCH ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search<'a> {
    /// How the answer is numbered.
    pub numbering: Numbering,
    /// The charset of the strings; `US-ASCII` if none is named.
    pub charset: Option<IString<'a>>,
    /// The keys, all of which must match; at least one.
    pub keys: List<'a, SearchKey<'a>>,
}

/// One condition on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchKey<'a> {
    /// `ALL`.
    All,
    /// `ANSWERED`, `DELETED`, ..., `KEYWORD flag`: the flag is set. Also `RECENT`.
    Flag(Flag<'a>),
    /// `UNANSWERED`, ..., `UNKEYWORD flag`: it is not. `OLD` is this with `\Recent`.
    NoFlag(Flag<'a>),
    /// `NEW`: `RECENT UNSEEN`.
    New,
    /// `BCC`.
    Bcc(IString<'a>),
    /// `BODY`.
    Body(IString<'a>),
    /// `CC`.
    Cc(IString<'a>),
    /// `FROM`.
    From(IString<'a>),
    /// `SUBJECT`.
    Subject(IString<'a>),
    /// `TEXT`.
    Text(IString<'a>),
    /// `TO`.
    To(IString<'a>),
    /// `HEADER field value`.
    Header {
        /// The field.
        field: IString<'a>,
        /// What it contains; anything if empty.
        value: IString<'a>,
    },
    /// `BEFORE`, by internal date.
    Before(Date),
    /// `ON`.
    On(Date),
    /// `SINCE`.
    Since(Date),
    /// `SENTBEFORE`, by the `Date` field.
    SentBefore(Date),
    /// `SENTON`.
    SentOn(Date),
    /// `SENTSINCE`.
    SentSince(Date),
    /// `LARGER`, in bytes.
    Larger(u64),
    /// `SMALLER`, in bytes.
    Smaller(u64),
    /// A sequence set.
    Sequence(SequenceSet<'a>),
    /// `UID set`.
    Uid(SequenceSet<'a>),
    /// `NOT key`.
    Not(One<'a, SearchKey<'a>>),
    /// `OR key key`.
    Or(One<'a, SearchKey<'a>>, One<'a, SearchKey<'a>>),
    /// Keys in parentheses, all of which must match.
    And(List<'a, SearchKey<'a>>),
}

keys! {
    ALL = "ALL", ANSWERED = "ANSWERED", DELETED = "DELETED", DRAFT = "DRAFT", FLAGGED = "FLAGGED",
    RECENT = "RECENT", SEEN = "SEEN", UNANSWERED = "UNANSWERED", UNDELETED = "UNDELETED", UNDRAFT = "UNDRAFT",
    UNFLAGGED = "UNFLAGGED", UNSEEN = "UNSEEN", OLD = "OLD", NEW = "NEW", KEYWORD = "KEYWORD",
    UNKEYWORD = "UNKEYWORD", BCC = "BCC", BODY = "BODY", CC = "CC", FROM = "FROM", SUBJECT = "SUBJECT",
    TEXT = "TEXT", TO = "TO", HEADER = "HEADER", BEFORE = "BEFORE", ON = "ON", SINCE = "SINCE",
    SENTBEFORE = "SENTBEFORE", SENTON = "SENTON", SENTSINCE = "SENTSINCE", LARGER = "LARGER",
    SMALLER = "SMALLER", UID = "UID", NOT = "NOT", OR = "OR",
}

impl<'a> Search<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut charset = None;
        if cursor.word_if(|word| word.eq_ignore_ascii_case(b"CHARSET")).is_some() {
            charset = Some(cursor.spaced()?.astring()?);
        }
        if cursor.peek().is_none_or(|token| !token.is_spaced()) {
            return cursor.fail("expected a search key");
        }
        Ok(Self { numbering, charset, keys: cursor.rest() })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.keys.check_some(check)
    }
}

/// Steps over one key, however it nests.
fn skip(cursor: &mut Cursor<'_>) -> Result<(), InvalidMessage> {
    let mut due = 1_usize;
    while due > 0 {
        due -= 1;
        let node = cursor.next()?;
        if node.token.kind() == Kind::List {
            continue;
        }
        let arguments = match key(node.word()?) {
            NOT => {
                due += 1;
                continue;
            }
            OR => {
                due += 2;
                continue;
            }
            HEADER => 2,
            KEYWORD | UNKEYWORD | BCC | BODY | CC | FROM | SUBJECT | TEXT | TO | BEFORE | ON | SINCE
            | SENTBEFORE | SENTON | SENTSINCE | LARGER | SMALLER | UID => 1,
            _ => 0,
        };
        for _ in 0..arguments {
            cursor.next()?;
        }
    }
    Ok(())
}

/// The key at the cursor, to be read later.
fn operand<'a>(cursor: &mut Cursor<'a>) -> Result<One<'a, SearchKey<'a>>, InvalidMessage> {
    if cursor.peek().is_some_and(|token| !token.is_spaced()) {
        return cursor.fail("expected a space");
    }
    let before = *cursor;
    skip(cursor)?;
    Ok(One::at(before.up_to(cursor)))
}

impl<'a> Item<'a> for SearchKey<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        if node.token.kind() == Kind::List {
            return node.list().map(Self::And);
        }
        let word = node.word()?;
        let mut string = || cursor.spaced()?.astring();
        Ok(match key(word) {
            ALL => Self::All,
            ANSWERED => Self::Flag(Flag::Answered),
            DELETED => Self::Flag(Flag::Deleted),
            DRAFT => Self::Flag(Flag::Draft),
            FLAGGED => Self::Flag(Flag::Flagged),
            RECENT => Self::Flag(Flag::Recent),
            SEEN => Self::Flag(Flag::Seen),
            UNANSWERED => Self::NoFlag(Flag::Answered),
            UNDELETED => Self::NoFlag(Flag::Deleted),
            UNDRAFT => Self::NoFlag(Flag::Draft),
            UNFLAGGED => Self::NoFlag(Flag::Flagged),
            UNSEEN => Self::NoFlag(Flag::Seen),
            OLD => Self::NoFlag(Flag::Recent),
            NEW => Self::New,
            KEYWORD => Self::Flag(keyword(&cursor.spaced()?)?),
            UNKEYWORD => Self::NoFlag(keyword(&cursor.spaced()?)?),
            BCC => Self::Bcc(string()?),
            BODY => Self::Body(string()?),
            CC => Self::Cc(string()?),
            FROM => Self::From(string()?),
            SUBJECT => Self::Subject(string()?),
            TEXT => Self::Text(string()?),
            TO => Self::To(string()?),
            HEADER => Self::Header { field: string()?, value: string()? },
            BEFORE => Self::Before(date(&cursor.spaced()?)?),
            ON => Self::On(date(&cursor.spaced()?)?),
            SINCE => Self::Since(date(&cursor.spaced()?)?),
            SENTBEFORE => Self::SentBefore(date(&cursor.spaced()?)?),
            SENTON => Self::SentOn(date(&cursor.spaced()?)?),
            SENTSINCE => Self::SentSince(date(&cursor.spaced()?)?),
            LARGER => Self::Larger(cursor.spaced()?.number()?),
            SMALLER => Self::Smaller(cursor.spaced()?.number()?),
            UID => Self::Uid(SequenceSet::unchecked(&cursor.spaced()?)?),
            NOT => Self::Not(operand(cursor)?),
            OR => Self::Or(operand(cursor)?, operand(cursor)?),
            _ if SequenceSet::begins(word) => Self::Sequence(SequenceSet::unchecked(&node)?),
            _ => return node.fail("unknown search key"),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.check_at(1, check)
    }
}

impl<'a> SearchKey<'a> {
    /// Recursion ends at `depth_max` levels of `NOT`, `OR` and parentheses together.
    fn check_at(&self, depth: usize, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if depth > check.limits.depth_max.min(Limits::DEPTH_CEILING) + 1 {
            return Err(InvalidMessage::new("search keys nested too deep", 0));
        }
        match self {
            Self::Sequence(set) | Self::Uid(set) => set.check(check, 0),
            Self::Not(key) => key.try_value()?.check_at(depth + 1, check),
            Self::Or(one, other) => {
                one.try_value()?.check_at(depth + 1, check)?;
                other.try_value()?.check_at(depth + 1, check)
            }
            Self::And(keys) if keys.is_empty() => Err(InvalidMessage::new("empty list of search keys", 0)),
            Self::And(keys) => keys.check_each(|key: Self| key.check_at(depth + 1, check)),
            _ => Ok(()),
        }
    }
}

fn keyword<'a>(node: &Node<'a>) -> Result<Flag<'a>, InvalidMessage> {
    let flag = Flag::of_word(node.word()?).filter(Flag::is_keyword);
    flag.map_or_else(|| node.fail("expected a keyword"), Ok)
}

fn date(node: &Node<'_>) -> Result<Date, InvalidMessage> {
    Date::of_string(&node.astring()?).map_or_else(|| node.fail("malformed date"), Ok)
}

impl Encode for Search<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if let Some(charset) = &self.charset {
            out.raw(b" CHARSET ");
            out.astring(charset)?;
        }
        if self.keys.is_empty() {
            return Err(PeerIncompatible::Inexpressible("SEARCH without keys"));
        }
        out.raw(b" ");
        self.keys.encode_bare(out)
    }
}

impl Encode for SearchKey<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::All => out.raw(b"ALL"),
            Self::Flag(flag) => return flag_key(out, flag, b"", b"RECENT"),
            Self::NoFlag(flag) => return flag_key(out, flag, b"UN", b"OLD"),
            Self::New => out.raw(b"NEW"),
            Self::Bcc(value) => return string_key(out, b"BCC ", value),
            Self::Body(value) => return string_key(out, b"BODY ", value),
            Self::Cc(value) => return string_key(out, b"CC ", value),
            Self::From(value) => return string_key(out, b"FROM ", value),
            Self::Subject(value) => return string_key(out, b"SUBJECT ", value),
            Self::Text(value) => return string_key(out, b"TEXT ", value),
            Self::To(value) => return string_key(out, b"TO ", value),
            Self::Header { field, value } => {
                string_key(out, b"HEADER ", field)?;
                out.raw(b" ");
                return out.astring(value);
            }
            Self::Before(date) => return date_key(out, b"BEFORE ", date),
            Self::On(date) => return date_key(out, b"ON ", date),
            Self::Since(date) => return date_key(out, b"SINCE ", date),
            Self::SentBefore(date) => return date_key(out, b"SENTBEFORE ", date),
            Self::SentOn(date) => return date_key(out, b"SENTON ", date),
            Self::SentSince(date) => return date_key(out, b"SENTSINCE ", date),
            Self::Larger(size) => {
                out.raw(b"LARGER ");
                out.number(*size);
            }
            Self::Smaller(size) => {
                out.raw(b"SMALLER ");
                out.number(*size);
            }
            Self::Sequence(set) => return set.encode(out),
            Self::Uid(set) => {
                out.raw(b"UID ");
                return set.encode(out);
            }
            Self::Not(key) => {
                out.raw(b"NOT ");
                return key.encode(out);
            }
            Self::Or(one, other) => {
                out.raw(b"OR ");
                one.encode(out)?;
                out.raw(b" ");
                return other.encode(out);
            }
            Self::And(keys) if keys.is_empty() => {
                return Err(PeerIncompatible::Inexpressible("empty search"));
            }
            Self::And(keys) => return keys.encode(out),
        }
        Ok(())
    }
}

fn flag_key<S: Sink>(
    out: &mut Encoder<'_, S>,
    flag: &Flag<'_>,
    un: &[u8],
    recent: &[u8],
) -> Result<(), PeerIncompatible> {
    let name: &[u8] = match flag {
        Flag::Answered => b"ANSWERED",
        Flag::Flagged => b"FLAGGED",
        Flag::Deleted => b"DELETED",
        Flag::Seen => b"SEEN",
        Flag::Draft => b"DRAFT",
        Flag::Recent => {
            out.raw(recent);
            return Ok(());
        }
        Flag::Other(_) if flag.is_keyword() && SettableFlag::new(*flag).is_some() => {
            out.raw(un);
            out.raw(b"KEYWORD ");
            return flag.encode(out);
        }
        Flag::Any | Flag::Other(_) => {
            return Err(PeerIncompatible::Inexpressible("flag that cannot be searched for"));
        }
    };
    out.raw(un);
    out.raw(name);
    Ok(())
}

fn string_key<S: Sink>(
    out: &mut Encoder<'_, S>,
    name: &[u8],
    value: &IString<'_>,
) -> Result<(), PeerIncompatible> {
    out.raw(name);
    out.astring(value)
}

fn date_key<S: Sink>(out: &mut Encoder<'_, S>, name: &[u8], date: &Date) -> Result<(), PeerIncompatible> {
    out.raw(name);
    date.encode(out)
}
