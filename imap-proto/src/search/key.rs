//! Search keys (RFC 3501 6.4.4 and its extensions): a tree that is walked where it stands.
//!
//! `NOT`, `OR` and `FUZZY` nest without parentheses, so their depth is counted here, not by the tokeniser: finding where
//! a key ends is a loop, and looking into one stops at the limit (safety row P4).
//!
//! ```
//! use imap_proto::{Command, Parser, SearchKey};
//! let mut parser = Parser::new();
//! let Command::Search(search) = parser.command(b"a SEARCH NOT (SEEN YOUNGER 259200)")?.command else { panic!() };
//! let Some(SearchKey::Not(key)) = search.keys.iter().next() else { panic!() };
//! let Some(SearchKey::And(keys)) = key.value() else { panic!() };
//! assert!(matches!(keys.iter().nth(1), Some(SearchKey::Younger(seconds)) if seconds.get() == 259_200));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```
//!
//! Beyond RFC 3501: `OLDER` and `YOUNGER` (5032), `FILTER` (5466), `FUZZY` (6203), `MODSEQ` (7162), `EMAILID` and
//! `THREADID` (8474), the saved dates (8514), and Gmail's `X-GM-RAW`, `X-GM-MSGID`, `X-GM-THRID`, `X-GM-LABELS`.

use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::Limits;
use crate::chars::{key, keys};
use crate::date::Date;
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::{Flag, SettableFlag};
use crate::label::GmailLabel;
use crate::modseq::ModSeq;
use crate::object_id::ObjectId;
use crate::quirks::Check;
use crate::search::{FilterName, ModSeqEntry};
use crate::sequence::SequenceSet;
use crate::string::IString;
use crate::tape::{Cursor, Item, List, Node, One};
use crate::token::Kind;

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
    /// `SAVEDBEFORE`, by the day on which the message came into this mailbox (RFC 8514).
    SavedBefore(Date),
    /// `SAVEDON`.
    SavedOn(Date),
    /// `SAVEDSINCE`.
    SavedSince(Date),
    /// `SAVEDATESUPPORTED`: that day is known of the message's mailbox.
    SaveDateSupported,
    /// `OLDER`: the internal date is at least this many seconds ago (RFC 5032).
    Older(NonZeroU32),
    /// `YOUNGER`: at most this many.
    Younger(NonZeroU32),
    /// `LARGER`, in bytes.
    Larger(u64),
    /// `SMALLER`, in bytes.
    Smaller(u64),
    /// A sequence set.
    Sequence(SequenceSet<'a>),
    /// `UID set`.
    Uid(SequenceSet<'a>),
    /// `MODSEQ`: changed at this mod-sequence or later (RFC 7162).
    ModSeq {
        /// What must have changed; anything if not named. Servers may ignore it.
        entry: Option<ModSeqEntry<'a>>,
        /// Since when.
        at_least: ModSeq,
    },
    /// `EMAILID` (RFC 8474).
    EmailId(ObjectId<'a>),
    /// `THREADID` (RFC 8474).
    ThreadId(ObjectId<'a>),
    /// `FILTER`: the keys that are stored under this name (RFC 5466). Its strings are UTF-8.
    Filter(FilterName<'a>),
    /// `X-GM-RAW`: in Gmail's own language.
    GmailRaw(IString<'a>),
    /// `X-GM-MSGID`.
    GmailMessageId(u64),
    /// `X-GM-THRID`.
    GmailThreadId(u64),
    /// `X-GM-LABELS`.
    GmailLabel(GmailLabel<'a>),
    /// `FUZZY key`: what comes close to it (RFC 6203).
    Fuzzy(One<'a, SearchKey<'a>>),
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
    SMALLER = "SMALLER", UID = "UID", NOT = "NOT", OR = "OR", FUZZY = "FUZZY", OLDER = "OLDER",
    YOUNGER = "YOUNGER", SAVEDBEFORE = "SAVEDBEFORE", SAVEDON = "SAVEDON", SAVEDSINCE = "SAVEDSINCE",
    MODSEQ = "MODSEQ", EMAILID = "EMAILID", THREADID = "THREADID", FILTER = "FILTER", X_GM_RAW = "X-GM-RAW",
    X_GM_MSGID = "X-GM-MSGID", X_GM_THRID = "X-GM-THRID", X_GM_LABELS = "X-GM-LABELS",
}

/// Longer than a keyword constant can be.
const SAVEDATESUPPORTED: &[u8] = b"SAVEDATESUPPORTED";

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
            NOT | FUZZY => {
                due += 1;
                continue;
            }
            OR => {
                due += 2;
                continue;
            }
            HEADER => 2,
            MODSEQ if cursor.peek().is_some_and(|token| token.kind() != Kind::Word) => 3,
            KEYWORD | UNKEYWORD | BCC | BODY | CC | FROM | SUBJECT | TEXT | TO | BEFORE | ON | SINCE
            | SENTBEFORE | SENTON | SENTSINCE | SAVEDBEFORE | SAVEDON | SAVEDSINCE | LARGER | SMALLER
            | UID | OLDER | YOUNGER | MODSEQ | EMAILID | THREADID | FILTER | X_GM_RAW | X_GM_MSGID
            | X_GM_THRID | X_GM_LABELS => 1,
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
            SAVEDBEFORE => Self::SavedBefore(date(&cursor.spaced()?)?),
            SAVEDON => Self::SavedOn(date(&cursor.spaced()?)?),
            SAVEDSINCE => Self::SavedSince(date(&cursor.spaced()?)?),
            OLDER => Self::Older(seconds(&cursor.spaced()?)?),
            YOUNGER => Self::Younger(seconds(&cursor.spaced()?)?),
            MODSEQ => {
                let entry = ModSeqEntry::read(cursor)?;
                Self::ModSeq { entry, at_least: ModSeq::of_node(&cursor.spaced()?)? }
            }
            EMAILID => Self::EmailId(ObjectId::of_node(&cursor.spaced()?)?),
            THREADID => Self::ThreadId(ObjectId::of_node(&cursor.spaced()?)?),
            FILTER => Self::Filter(FilterName::of_node(&cursor.spaced()?)?),
            X_GM_RAW => Self::GmailRaw(string()?),
            X_GM_MSGID => Self::GmailMessageId(cursor.spaced()?.number()?),
            X_GM_THRID => Self::GmailThreadId(cursor.spaced()?.number()?),
            X_GM_LABELS => Self::GmailLabel(spaced_item(cursor)?),
            NOT => Self::Not(operand(cursor)?),
            FUZZY => Self::Fuzzy(operand(cursor)?),
            OR => Self::Or(operand(cursor)?, operand(cursor)?),
            _ if SequenceSet::begins(word) => Self::Sequence(SequenceSet::unchecked(&node)?),
            _ if word.eq_ignore_ascii_case(SAVEDATESUPPORTED) => Self::SaveDateSupported,
            _ => return node.fail("unknown search key"),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.check_at(1, check)
    }
}

impl<'a> SearchKey<'a> {
    /// True if `test` holds for the key or for one inside it: for what a server must know of a whole search, as whether
    /// it asks for mod-sequences.
    #[must_use]
    pub fn any(&self, test: &mut impl FnMut(&SearchKey<'a>) -> bool) -> bool {
        test(self)
            || match self {
                Self::Not(key) | Self::Fuzzy(key) => key.value().is_some_and(|key| key.any(test)),
                Self::Or(one, other) => {
                    [one, other].into_iter().any(|key| key.value().is_some_and(|key| key.any(test)))
                }
                Self::And(keys) => keys.iter().any(|key| key.any(test)),
                _ => false,
            }
    }

    /// Recursion ends at `depth_max` levels of `NOT`, `OR`, `FUZZY` and parentheses together.
    fn check_at(&self, depth: usize, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if depth > check.limits.depth_max.min(Limits::DEPTH_CEILING) + 1 {
            return Err(InvalidMessage::new("search keys nested too deep", 0));
        }
        match self {
            Self::Sequence(set) | Self::Uid(set) => set.check(check, 0),
            Self::Not(key) | Self::Fuzzy(key) => key.try_value()?.check_at(depth + 1, check),
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

/// What can stand in a list too, behind a space.
fn spaced_item<'a, T: Item<'a>>(cursor: &mut Cursor<'a>) -> Result<T, InvalidMessage> {
    if cursor.peek().is_some_and(|token| !token.is_spaced()) {
        return cursor.fail("expected a space");
    }
    T::read(cursor)
}

fn seconds(node: &Node<'_>) -> Result<NonZeroU32, InvalidMessage> {
    node.number().ok().and_then(NonZeroU32::new).map_or_else(|| node.fail("expected seconds above 0"), Ok)
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
            Self::SavedBefore(date) => return date_key(out, b"SAVEDBEFORE ", date),
            Self::SavedOn(date) => return date_key(out, b"SAVEDON ", date),
            Self::SavedSince(date) => return date_key(out, b"SAVEDSINCE ", date),
            Self::SaveDateSupported => out.raw(SAVEDATESUPPORTED),
            Self::Older(seconds) => number_key(out, b"OLDER ", u64::from(seconds.get())),
            Self::Younger(seconds) => number_key(out, b"YOUNGER ", u64::from(seconds.get())),
            Self::Larger(size) => number_key(out, b"LARGER ", *size),
            Self::Smaller(size) => number_key(out, b"SMALLER ", *size),
            Self::GmailMessageId(id) => number_key(out, b"X-GM-MSGID ", *id),
            Self::GmailThreadId(id) => number_key(out, b"X-GM-THRID ", *id),
            Self::GmailRaw(value) => return string_key(out, b"X-GM-RAW ", value),
            Self::GmailLabel(label) => {
                out.raw(b"X-GM-LABELS ");
                return label.encode(out);
            }
            Self::ModSeq { entry, at_least } => {
                out.raw(b"MODSEQ ");
                if let Some(entry) = entry {
                    entry.encode(out)?;
                    out.raw(b" ");
                }
                return at_least.encode(out);
            }
            Self::EmailId(id) => {
                out.raw(b"EMAILID ");
                return id.encode(out);
            }
            Self::ThreadId(id) => {
                out.raw(b"THREADID ");
                return id.encode(out);
            }
            Self::Filter(name) => {
                out.raw(b"FILTER ");
                out.raw(name.as_bytes());
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
            Self::Fuzzy(key) => {
                out.raw(b"FUZZY ");
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

fn number_key<S: Sink>(out: &mut Encoder<'_, S>, name: &[u8], number: u64) {
    out.raw(name);
    out.number(number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::EntryKind;
    use crate::{Command, Parser};

    fn first(frame: &str, look: impl FnOnce(SearchKey<'_>)) {
        let mut parser = Parser::new();
        let tagged = parser.command(frame.as_bytes()).unwrap_or_else(|error| panic!("{frame}: {error}"));
        let Command::Search(search) = tagged.command else { panic!("{frame}") };
        look(search.keys.iter().next().unwrap());
    }

    #[test]
    fn a_mod_sequence_is_asked_of_all_or_of_one_flag() {
        let entry = |flag, kind| Some(ModSeqEntry { flag: SettableFlag::new(flag).unwrap(), kind });
        let keyword = Flag::new("$MDNSent").unwrap();
        for (argument, expected) in [
            ("7", None),
            ("\"/flags/\\\\Seen\" priv 7", entry(Flag::Seen, EntryKind::Private)),
            ("\"/FLAGS/$MDNSent\" SHARED 7", entry(keyword, EntryKind::Shared)),
            ("{12}\r\n/flags/\\Seen all 7", entry(Flag::Seen, EntryKind::All)),
        ] {
            first(&format!("a SEARCH MODSEQ {argument}"), |key| {
                let at_least = ModSeq::new(7).unwrap();
                assert_eq!(key, SearchKey::ModSeq { entry: expected, at_least }, "{argument}");
            });
            // What follows it is the next key wherever a key is looked over.
            first(&format!("a SEARCH NOT MODSEQ {argument} SEEN"), |key| {
                assert!(
                    matches!(key, SearchKey::Not(key) if matches!(key.value(), Some(SearchKey::ModSeq { .. })))
                );
            });
        }
    }

    #[test]
    fn labels_are_words_or_strings() {
        for argument in ["\\Inbox", "\"\\\\Inbox\"", "{6}\r\n\\Inbox"] {
            first(&format!("a SEARCH X-GM-LABELS {argument}"), |key| {
                assert_eq!(key, SearchKey::GmailLabel(GmailLabel(IString::plain(b"\\Inbox"))), "{argument}");
            });
        }
    }

    #[test]
    fn a_set_may_be_the_saved_result() {
        for (keys, uid) in [("$", false), ("UID $", true)] {
            first(&format!("a SEARCH {keys}"), |key| match key {
                SearchKey::Sequence(set) => assert!(!uid && set.is_saved_result()),
                SearchKey::Uid(set) => assert!(uid && set.is_saved_result()),
                _ => panic!("{keys}"),
            });
        }
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        let big_id = format!("EMAILID {}", "x".repeat(256));
        for keys in [
            "OLDER 0",
            "YOUNGER -1",
            "YOUNGER 4294967296",
            "OLDER",
            "FUZZY",
            "MODSEQ",
            "MODSEQ 9223372036854775808",
            "MODSEQ \"/flags/\\\\Seen\" 7",
            "MODSEQ \"/flags/\\\\Seen\" some 7",
            "MODSEQ \"/flags/\\\\Recent\" all 7",
            "MODSEQ \"/flags/a\\\\b\" all 7",
            "MODSEQ \"/flags/\" all 7",
            "MODSEQ \"/x/Seen\" all 7",
            "MODSEQ (7)",
            "EMAILID a.b",
            "EMAILID \"\"",
            &big_id,
            "THREADID",
            "FILTER a/b",
            "FILTER \"x\"",
            "SAVEDON yesterday",
            "SAVEDATESUPPORTEDX",
            "X-GM-MSGID 18446744073709551616",
            "X-GM-THRID x",
            "X-GM-LABELS \\",
            "$Junk",
            "$,1",
        ] {
            assert!(Parser::new().command(format!("a SEARCH {keys}").as_bytes()).is_err(), "{keys}");
        }
    }
}
