//! Responses: status, data, continuation (RFC 3501 7).
//!
//! ```
//! use imap_proto::{Condition, Parser, Response, Text};
//! let mut parser = Parser::new();
//! assert_eq!(parser.response(b"* 44 EXPUNGE")?, Response::Expunge(44));
//! let Response::Tagged { tag, status } = parser.response(b"A222 NO COPY failed: disk is full")? else { panic!() };
//! assert_eq!((tag.as_bytes(), status.condition), (&b"A222"[..], Condition::No));
//! assert_eq!(status.text, Text::new("COPY failed: disk is full")?);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::acl::{Acl, ListRights, MyRights};
use crate::annotation::Annotations;
use crate::capability::Capability;
use crate::chars::{self, key, keys};
use crate::code::{Condition, Status};
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::FetchItem;
use crate::flag::Flag;
use crate::id::Id;
use crate::language::Comparator;
use crate::list::ListedMailbox;
use crate::metadata::Metadata;
use crate::namespace::Namespaces;
use crate::quirks::Check;
use crate::quota::{Quota, QuotaRoot};
use crate::search::{Esearch, SearchResult, Threads};
use crate::status::MailboxStatus;
use crate::string::{IString, Text};
use crate::tag::Tag;
use crate::tape::{Cursor, List};
use crate::token::Span;
use crate::urlauth::{UrlContent, UrlText};
use crate::vanished::Vanished;

/// A response of a server. One that is malformed is a value, not an error: the connection survives it.
///
/// ```
/// use imap_proto::{FetchItem, Flag, Parser, Response};
/// let mut parser = Parser::new();
/// let response = parser.response(b"* 12 FETCH (FLAGS (\\Seen) X-MOOD (\"good\") UID 4827313)")?;
/// let Response::Fetch { message, items } = response else { panic!() };
/// assert_eq!(message, 12);
/// let items: Vec<_> = items.iter().collect();
/// assert!(matches!(items[0], FetchItem::Flags(flags) if flags.iter().eq([Flag::Seen])));
/// assert!(matches!(items[1], FetchItem::Unknown(_)));
/// assert_eq!(items[2], FetchItem::Uid(4827313));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response<'a> {
    /// The end of a command: `OK`, `NO` or `BAD` with its tag.
    Tagged {
        /// Of which command.
        tag: Tag<'a>,
        /// How it went.
        status: Status<'a>,
    },
    /// An untagged status; the greeting is one.
    Status(Status<'a>),
    /// `+ text`: a continuation request, or a SASL challenge in base64.
    Continue(Text<'a>),
    /// `* CAPABILITY`.
    Capability(List<'a, Capability<'a>>),
    /// `* ENABLED` (RFC 5161).
    Enabled(List<'a, Capability<'a>>),
    /// `* LIST`.
    List(ListedMailbox<'a>),
    /// `* LSUB`.
    Lsub(ListedMailbox<'a>),
    /// `* XLIST` (Gmail and Cyrus).
    Xlist(ListedMailbox<'a>),
    /// `* STATUS`.
    MailboxStatus(MailboxStatus<'a>),
    /// `* METADATA` (RFC 5464).
    Metadata(Metadata<'a>),
    /// `* ANNOTATION` (draft-daboo-imap-annotatemore-05).
    Annotation(Annotations<'a>),
    /// `* LANGUAGE` (RFC 5255): the one in use, or several that may be chosen.
    Language(List<'a, IString<'a>>),
    /// `* COMPARATOR` (RFC 5255).
    Comparator(Comparator<'a>),
    /// `* JMAPACCESS` (RFC 9698): the URL of the JMAP session resource.
    JmapAccess(IString<'a>),
    /// `* SEARCH`.
    Search(SearchResult<'a>),
    /// `* ESEARCH` (RFC 4731, RFC 9051).
    Esearch(Esearch<'a>),
    /// `* SORT` (RFC 5256).
    Sort(SearchResult<'a>),
    /// `* THREAD` (RFC 5256).
    Thread(Threads<'a>),
    /// `* FLAGS`.
    Flags(List<'a, Flag<'a>>),
    /// `* n EXISTS`.
    Exists(u32),
    /// `* n RECENT`.
    Recent(u32),
    /// `* n EXPUNGE`.
    Expunge(u32),
    /// `* n FETCH (...)`.
    Fetch {
        /// The message sequence number.
        message: u32,
        /// What is said of it.
        items: List<'a, FetchItem<'a>>,
    },
    /// `* n UIDFETCH (...)` (RFC 9586): FETCH by UID, in a session without message numbers.
    UidFetch {
        /// The UID.
        uid: u32,
        /// What is said of it.
        items: List<'a, FetchItem<'a>>,
    },
    /// `* VANISHED` (RFC 7162).
    Vanished(Vanished<'a>),
    /// `* GENURLAUTH` (RFC 4467): the URLs with their tokens.
    GenUrlAuth(List<'a, UrlText<'a>>),
    /// `* URLFETCH` (RFC 4467, RFC 5524).
    UrlFetch(List<'a, UrlContent<'a>>),
    /// `* NAMESPACE` (RFC 2342).
    Namespace(Namespaces<'a>),
    /// `* ID` (RFC 2971).
    Id(Id<'a>),
    /// `* ACL` (RFC 4314).
    Acl(Acl<'a>),
    /// `* LISTRIGHTS` (RFC 4314).
    ListRights(ListRights<'a>),
    /// `* MYRIGHTS` (RFC 4314).
    MyRights(MyRights<'a>),
    /// `* QUOTA` (RFC 2087).
    Quota(Quota<'a>),
    /// `* QUOTAROOT` (RFC 2087).
    QuotaRoot(QuotaRoot<'a>),
    /// An untagged response that is not known here; the span is the whole of it.
    Unknown(Span),
    /// A known untagged response that is malformed; the span is the whole of it.
    Invalid(Span),
}

keys! {
    CAPABILITY = "CAPABILITY", ENABLED = "ENABLED", LIST = "LIST", LSUB = "LSUB", STATUS = "STATUS",
    SEARCH = "SEARCH", FLAGS = "FLAGS", EXISTS = "EXISTS", RECENT = "RECENT", EXPUNGE = "EXPUNGE",
    FETCH = "FETCH", NAMESPACE = "NAMESPACE", ID = "ID", ACL = "ACL", LISTRIGHTS = "LISTRIGHTS",
    MYRIGHTS = "MYRIGHTS", QUOTA = "QUOTA", QUOTAROOT = "QUOTAROOT", ESEARCH = "ESEARCH", SORT = "SORT",
    THREAD = "THREAD", UIDFETCH = "UIDFETCH", VANISHED = "VANISHED", GENURLAUTH = "GENURLAUTH",
    URLFETCH = "URLFETCH", XLIST = "XLIST", METADATA = "METADATA", ANNOTATION = "ANNOTATION", LANGUAGE = "LANGUAGE",
    COMPARATOR = "COMPARATOR", JMAPACCESS = "JMAPACCESS",
}

/// What the scanner needs to know of an untagged response before it scans the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Status,
    /// Numbers, and perhaps a list behind them.
    Numbers,
    Threads,
    Elements,
}

impl Shape {
    pub(crate) fn of_word(word: &[u8]) -> Self {
        if matches!(key(word), SEARCH | SORT) {
            Self::Numbers
        } else if key(word) == THREAD {
            Self::Threads
        } else if Condition::of_word(word).is_some() {
            Self::Status
        } else {
            Self::Elements
        }
    }
}

/// True for the responses `* n FETCH` and `* n UIDFETCH`, whose items are checked one by one.
pub(crate) fn is_fetch(word: &[u8]) -> bool {
    matches!(key(word), FETCH | UIDFETCH)
}

impl<'a> Response<'a> {
    /// Reads what the parser put on the tape.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let whole = Span { start: 0, len: cursor.frame.len() };
        let first = cursor.next()?;
        if first.token.is_invalid() {
            return Ok(Self::Invalid(whole));
        }
        match first.word()? {
            b"*" => Self::read_untagged(cursor, whole),
            b"+" => Ok(Self::Continue(Text::of_wire(cursor.next()?.text()?))),
            tag => {
                let tag = Tag::new(tag)?;
                Ok(Self::Tagged { tag, status: Status::read(cursor)? })
            }
        }
    }

    fn read_untagged(cursor: &mut Cursor<'a>, whole: Span) -> Result<Self, InvalidMessage> {
        let before = *cursor;
        let word = cursor.spaced_word()?;
        if word.first().is_some_and(u8::is_ascii_digit) {
            return Self::read_numbered(word, cursor, whole);
        }
        let response = match key(word) {
            CAPABILITY => Self::Capability(cursor.rest()),
            ENABLED => Self::Enabled(cursor.rest()),
            LIST => Self::List(ListedMailbox::read(cursor)?),
            LSUB => Self::Lsub(ListedMailbox::read(cursor)?),
            XLIST => Self::Xlist(ListedMailbox::read(cursor)?),
            STATUS => Self::MailboxStatus(MailboxStatus::read(cursor)?),
            METADATA => Self::Metadata(Metadata::read(cursor)?),
            ANNOTATION => Self::Annotation(Annotations::read(cursor)?),
            LANGUAGE => Self::Language(cursor.spaced()?.list()?),
            COMPARATOR => Self::Comparator(Comparator::read(cursor)?),
            JMAPACCESS => Self::JmapAccess(cursor.spaced()?.string()?),
            SEARCH => Self::Search(SearchResult::read(cursor)?),
            ESEARCH => Self::Esearch(Esearch::read(cursor)?),
            SORT => Self::Sort(SearchResult::read(cursor)?),
            THREAD => {
                let text = if cursor.is_empty() { b"" } else { cursor.next()?.text()? };
                Self::Thread(Threads::unchecked(text))
            }
            FLAGS => Self::Flags(cursor.spaced()?.list()?),
            VANISHED => Self::Vanished(Vanished::read(cursor)?),
            GENURLAUTH => Self::GenUrlAuth(cursor.spaced_rest()?),
            URLFETCH => Self::UrlFetch(cursor.spaced_rest()?),
            NAMESPACE => Self::Namespace(Namespaces::read(cursor)?),
            ID => Self::Id(Id::read(cursor)?),
            ACL => Self::Acl(Acl::read(cursor)?),
            LISTRIGHTS => Self::ListRights(ListRights::read(cursor)?),
            MYRIGHTS => Self::MyRights(MyRights::read(cursor)?),
            QUOTA => Self::Quota(Quota::read(cursor)?),
            QUOTAROOT => Self::QuotaRoot(QuotaRoot::read(cursor)?),
            _ if Condition::of_word(word).is_some() => {
                *cursor = before;
                Self::Status(Status::read(cursor)?)
            }
            _ => return Ok(Self::Unknown(whole)),
        };
        cursor.end()?;
        Ok(response)
    }

    fn read_numbered(word: &[u8], cursor: &mut Cursor<'a>, whole: Span) -> Result<Self, InvalidMessage> {
        let offset = cursor.offset();
        let number = chars::number(word).ok_or(InvalidMessage::new("number out of range", offset))?;
        let response = match key(cursor.spaced_word()?) {
            EXISTS => Self::Exists(number),
            RECENT => Self::Recent(number),
            EXPUNGE if number > 0 => Self::Expunge(number),
            FETCH if number > 0 => Self::Fetch { message: number, items: cursor.spaced()?.list()? },
            UIDFETCH if number > 0 => Self::UidFetch { uid: number, items: cursor.spaced()?.list()? },
            EXPUNGE | FETCH | UIDFETCH => return cursor.fail("message number 0"),
            _ => return Ok(Self::Unknown(whole)),
        };
        cursor.end()?;
        Ok(response)
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Capability(capabilities) | Self::Enabled(capabilities) => capabilities.check(check),
            Self::List(listed) | Self::Lsub(listed) | Self::Xlist(listed) => listed.check(check),
            Self::MailboxStatus(status) => status.check(check),
            Self::Metadata(metadata) => metadata.check(check),
            Self::Annotation(annotations) => annotations.check(check),
            Self::Language(tags) => tags.check_some(check),
            Self::Comparator(comparator) => comparator.check(check),
            Self::Esearch(esearch) => esearch.check(check),
            Self::Flags(flags) => flags.check(check),
            Self::Vanished(vanished) => vanished.check(check),
            Self::GenUrlAuth(urls) => urls.check(check),
            Self::UrlFetch(urls) => urls.check(check),
            Self::Namespace(namespaces) => namespaces.check(check),
            Self::Id(id) => id.fields.map_or(Ok(()), |fields| fields.check(check)),
            Self::Acl(acl) => acl.check(check),
            Self::ListRights(rights) => rights.check(check),
            Self::MyRights(rights) => rights.check(check),
            Self::Quota(quota) => quota.resources.check(check),
            Self::QuotaRoot(quota) => quota.check(check),
            // Codes, numbers and FETCH items are checked by the parser while it fills the tape.
            _ => Ok(()),
        }
    }
}

impl Encode for Response<'_> {
    /// A whole line, or several where literals are.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Tagged { tag, status } => {
                if !status.condition.is_tagged() {
                    return Err(PeerIncompatible::Inexpressible("tagged BYE or PREAUTH"));
                }
                out.raw(tag.as_bytes());
                out.raw(b" ");
                status.encode(out)?;
            }
            Self::Status(status) => {
                out.raw(b"* ");
                status.encode(out)?;
            }
            Self::Continue(text) => {
                out.raw(b"+ ");
                text.encode(out)?;
            }
            Self::Capability(capabilities) => words(out, b"* CAPABILITY", capabilities)?,
            Self::Enabled(capabilities) => words(out, b"* ENABLED", capabilities)?,
            Self::List(listed) => data(out, b"* LIST", listed)?,
            Self::Lsub(listed) => data(out, b"* LSUB", listed)?,
            Self::Xlist(listed) => data(out, b"* XLIST", listed)?,
            Self::MailboxStatus(status) => data(out, b"* STATUS", status)?,
            Self::Metadata(metadata) => data(out, b"* METADATA", metadata)?,
            Self::Annotation(annotations) => data(out, b"* ANNOTATION", annotations)?,
            Self::Language(tags) => {
                out.raw(b"* LANGUAGE ");
                out.astrings(tags)?;
            }
            Self::Comparator(comparator) => data(out, b"* COMPARATOR", comparator)?,
            Self::JmapAccess(url) => data(out, b"* JMAPACCESS ", url)?,
            Self::Search(result) => data(out, b"* SEARCH", result)?,
            Self::Esearch(esearch) => data(out, b"* ESEARCH", esearch)?,
            Self::Sort(result) => data(out, b"* SORT", result)?,
            Self::Thread(threads) => {
                out.raw(if threads.is_empty() { b"* THREAD" } else { b"* THREAD " });
                threads.encode(out)?;
            }
            Self::Flags(flags) => data(out, b"* FLAGS ", flags)?,
            Self::Exists(number) => numbered(out, *number, b" EXISTS"),
            Self::Recent(number) => numbered(out, *number, b" RECENT"),
            Self::Expunge(0) | Self::Fetch { message: 0, .. } | Self::UidFetch { uid: 0, .. } => {
                return Err(PeerIncompatible::Inexpressible("message number 0"));
            }
            Self::Expunge(number) => numbered(out, *number, b" EXPUNGE"),
            Self::Fetch { message, items } => {
                numbered(out, *message, b" FETCH ");
                items.encode(out)?;
            }
            Self::UidFetch { uid, items } => {
                numbered(out, *uid, b" UIDFETCH ");
                items.encode(out)?;
            }
            Self::Vanished(vanished) => data(out, b"* VANISHED", vanished)?,
            Self::GenUrlAuth(urls) => {
                out.raw(b"* GENURLAUTH ");
                urls.encode_some(out)?;
            }
            Self::UrlFetch(urls) => {
                out.raw(b"* URLFETCH ");
                urls.encode_some(out)?;
            }
            Self::Namespace(namespaces) => data(out, b"* NAMESPACE", namespaces)?,
            Self::Id(id) => data(out, b"* ID", id)?,
            Self::Acl(acl) => data(out, b"* ACL", acl)?,
            Self::ListRights(rights) => data(out, b"* LISTRIGHTS", rights)?,
            Self::MyRights(rights) => data(out, b"* MYRIGHTS", rights)?,
            Self::Quota(quota) => data(out, b"* QUOTA", quota)?,
            Self::QuotaRoot(quota) => data(out, b"* QUOTAROOT", quota)?,
            Self::Unknown(_) | Self::Invalid(_) => {
                return Err(PeerIncompatible::Inexpressible("unknown or malformed response"));
            }
        }
        out.raw(b"\r\n");
        Ok(())
    }
}

fn data<S: Sink>(
    out: &mut Encoder<'_, S>,
    name: &[u8],
    arguments: &impl Encode,
) -> Result<(), PeerIncompatible> {
    out.raw(name);
    arguments.encode(out)
}

fn words<S: Sink>(
    out: &mut Encoder<'_, S>,
    name: &[u8],
    capabilities: &List<'_, Capability<'_>>,
) -> Result<(), PeerIncompatible> {
    out.raw(name);
    if !capabilities.is_empty() {
        out.raw(b" ");
    }
    capabilities.encode_bare(out)
}

fn numbered<S: Sink>(out: &mut Encoder<'_, S>, number: u32, name: &[u8]) {
    out.raw(b"* ");
    out.number(u64::from(number));
    out.raw(name);
}
