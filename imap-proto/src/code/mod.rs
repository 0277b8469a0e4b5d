//! Status responses: OK, NO, BAD, PREAUTH, BYE, with their response codes and text (RFC 3501 7.1).
//!
//! The codes of RFC 9051 and of the extensions are typed: RFC 2193 and 2221 (referrals), 3516, 4315, 4467, 4469, 4978,
//! 5182, 5255, 5267, 5464, 5465, 5466, 5530, 6154, 7162, 8474, 9208, 9585, 9586, 9738. What is not known is kept; what
//! is known and malformed is [`Code::Invalid`], and the rest of its line survives it.
//!
//! ```
//! use imap_proto::{Code, Parser, Response};
//! let mut parser = Parser::new();
//! let frame = b"d105 OK [MODIFIED 7,9] Conditional STORE failed";
//! let Response::Tagged { status, .. } = parser.response(frame)? else { panic!() };
//! let Some(Code::Modified(messages)) = status.code else { panic!() };
//! assert!(messages.resolve(0).eq([7..=7, 9..=9]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

mod detail;
mod error;
mod status;

use mail_wire::{InvalidMessage, PeerIncompatible};

pub use detail::{MetadataCode, Progress, Referral, UnknownCode, UrlKey};
pub use error::ErrorCode;
pub use status::{Condition, Status};

use crate::capability::Capability;
use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::Flag;
use crate::modseq::ModSeq;
use crate::object_id::ObjectId;
use crate::quirks::{Check, Quirk};
use crate::sequence::SequenceSet;
use crate::string::IString;
use crate::tape::{Cursor, List};
use crate::token::Span;
use crate::url::UrlMechanism;
use crate::urlauth::UrlText;
use detail::{bare_url, quoted, short_astring};

/// A response code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code<'a> {
    /// `ALERT`: show the text to the user.
    Alert,
    /// `BADCHARSET`, with the charsets that would do.
    BadCharset(List<'a, IString<'a>>),
    /// `CAPABILITY`.
    Capability(List<'a, Capability<'a>>),
    /// `PARSE`: a message could not be parsed.
    Parse,
    /// `PERMANENTFLAGS`.
    PermanentFlags(List<'a, Flag<'a>>),
    /// `READ-ONLY`.
    ReadOnly,
    /// `READ-WRITE`.
    ReadWrite,
    /// `TRYCREATE`.
    TryCreate,
    /// `UIDNEXT`.
    UidNext(u32),
    /// `UIDVALIDITY`.
    UidValidity(u32),
    /// `UNSEEN`: the first unseen message.
    Unseen(u32),
    /// `APPENDUID` (RFC 4315).
    AppendUid {
        /// UIDVALIDITY of the mailbox appended to.
        uid_validity: u32,
        /// The UIDs given, in the order of the messages.
        uids: SequenceSet<'a>,
    },
    /// `COPYUID` (RFC 4315).
    CopyUid {
        /// UIDVALIDITY of the mailbox copied to.
        uid_validity: u32,
        /// UIDs of the messages copied.
        source: SequenceSet<'a>,
        /// UIDs given, in the same order.
        destination: SequenceSet<'a>,
    },
    /// `UIDNOTSTICKY` (RFC 4315).
    UidNotSticky,
    /// `HIGHESTMODSEQ` (RFC 7162): the mod-sequence of the mailbox.
    HighestModSeq(ModSeq),
    /// `NOMODSEQ` (RFC 7162): the mailbox has none.
    NoModSeq,
    /// `MODIFIED` (RFC 7162): the messages that a conditional STORE left alone.
    Modified(SequenceSet<'a>),
    /// `CLOSED` (RFC 7162, RFC 9051): what follows is about another mailbox.
    Closed,
    /// `USEATTR` (RFC 6154): the special use cannot be had.
    UseAttr,
    /// `TOOBIG` (RFC 4469).
    TooBig,
    /// `BADURL` (RFC 4469): the URL of a CATENATE that led to nothing.
    BadUrl(UrlText<'a>),
    /// `URLMECH` (RFC 4467): the mechanisms that there are besides `INTERNAL`.
    UrlMechanisms(List<'a, UrlKey<'a>>),
    /// `UNKNOWN-CTE` (RFC 3516): a transfer encoding that the server cannot undo.
    UnknownCte,
    /// `REFERRAL` (RFC 2193, RFC 2221).
    Referral(Referral<'a>),
    /// `COMPRESSIONACTIVE` (RFC 4978).
    CompressionActive,
    /// `NOTSAVED` (RFC 5182): the saved search result is empty.
    NotSaved,
    /// `BADCOMPARATOR` (RFC 5255).
    BadComparator,
    /// `NOUPDATE` (RFC 5267): the search with this tag is not kept up to date.
    NoUpdate(IString<'a>),
    /// `METADATA` (RFC 5464).
    Metadata(MetadataCode),
    /// `NOTIFICATIONOVERFLOW` (RFC 5465): the server notifies no more.
    NotificationOverflow,
    /// `BADEVENT` (RFC 5465), with the names of the events that there are.
    BadEvent(List<'a, IString<'a>>),
    /// `UNDEFINED-FILTER` (RFC 5466), with the name of the filter.
    UndefinedFilter(IString<'a>),
    /// `MAILBOXID` (RFC 8474).
    MailboxId(ObjectId<'a>),
    /// `INPROGRESS` (RFC 9585).
    InProgress(Progress<'a>),
    /// `UIDREQUIRED` (RFC 9586): message numbers cannot be used any more.
    UidRequired,
    /// `MESSAGELIMIT` (RFC 9738): a command went over more messages than it may.
    MessageLimit {
        /// How many it may.
        messages: u32,
        /// The lowest UID that it got to, if it did some.
        uid: Option<u32>,
    },
    /// `HASCHILDREN` (RFC 9051): a mailbox with others below it cannot be deleted.
    HasChildren,
    /// A code of RFC 5530, or one without arguments that means as much.
    Condition(ErrorCode),
    /// Another code, kept as it came.
    Unknown(UnknownCode<'a>),
    /// A known code with malformed arguments: the span of what stands in brackets.
    Invalid(Span),
}

impl Code<'static> {
    /// The codes that are one word.
    const WORDS: [(Self, &'static str); 17] = [
        (Self::Alert, "ALERT"),
        (Self::Parse, "PARSE"),
        (Self::ReadOnly, "READ-ONLY"),
        (Self::ReadWrite, "READ-WRITE"),
        (Self::TryCreate, "TRYCREATE"),
        (Self::UidNotSticky, "UIDNOTSTICKY"),
        (Self::NoModSeq, "NOMODSEQ"),
        (Self::Closed, "CLOSED"),
        (Self::UseAttr, "USEATTR"),
        (Self::TooBig, "TOOBIG"),
        (Self::UnknownCte, "UNKNOWN-CTE"),
        (Self::CompressionActive, "COMPRESSIONACTIVE"),
        (Self::NotSaved, "NOTSAVED"),
        (Self::BadComparator, "BADCOMPARATOR"),
        (Self::NotificationOverflow, "NOTIFICATIONOVERFLOW"),
        (Self::UidRequired, "UIDREQUIRED"),
        (Self::HasChildren, "HASCHILDREN"),
    ];

    fn of_word(word: &[u8]) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(code, _)| *code).or_else(|| ErrorCode::of_word(word).map(Code::Condition))
    }
}

impl<'a> Code<'a> {
    fn read_bracketed(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        let start = node.token.start() + 1;
        let span = Span { start, len: node.end().saturating_sub(start + 1) };
        if node.token.is_invalid() {
            return Ok(Self::Invalid(span));
        }
        let mut inside = node.inside()?;
        let code = Self::read(&mut inside, span)?;
        inside.end()?;
        Ok(code)
    }

    fn read(cursor: &mut Cursor<'a>, span: Span) -> Result<Self, InvalidMessage> {
        keys! {
            BADCHARSET = "BADCHARSET", CAPABILITY = "CAPABILITY", PERMANENTFLAGS = "PERMANENTFLAGS",
            UIDNEXT = "UIDNEXT", UIDVALIDITY = "UIDVALIDITY", UNSEEN = "UNSEEN", APPENDUID = "APPENDUID",
            COPYUID = "COPYUID", HIGHESTMODSEQ = "HIGHESTMODSEQ", MODIFIED = "MODIFIED", BADURL = "BADURL",
            URLMECH = "URLMECH", REFERRAL = "REFERRAL", NOUPDATE = "NOUPDATE", METADATA = "METADATA",
            BADEVENT = "BADEVENT", UNDEFINED_FILTER = "UNDEFINED-FILTER", MAILBOXID = "MAILBOXID",
            INPROGRESS = "INPROGRESS", MESSAGELIMIT = "MESSAGELIMIT",
        }
        let name = cursor.word()?;
        // Of a code whose arguments are no elements of the grammar.
        let raw = |cursor: &mut Cursor<'a>| {
            cursor.tokens = &[];
            span.of(cursor.frame).get(name.len()..).unwrap_or_default().trim_ascii()
        };
        Ok(match key(name) {
            BADCHARSET if cursor.is_empty() => Self::BadCharset(List::of(&[])),
            BADCHARSET => Self::BadCharset(cursor.spaced()?.list()?),
            CAPABILITY => Self::Capability(cursor.rest()),
            PERMANENTFLAGS => Self::PermanentFlags(cursor.spaced()?.list()?),
            UIDNEXT => Self::UidNext(cursor.spaced()?.number()?),
            UIDVALIDITY => Self::UidValidity(cursor.spaced()?.number()?),
            UNSEEN => Self::Unseen(cursor.spaced()?.number()?),
            APPENDUID => Self::AppendUid {
                uid_validity: cursor.spaced()?.number()?,
                uids: SequenceSet::unchecked(&cursor.spaced()?)?,
            },
            COPYUID => Self::CopyUid {
                uid_validity: cursor.spaced()?.number()?,
                source: SequenceSet::unchecked(&cursor.spaced()?)?,
                destination: SequenceSet::unchecked(&cursor.spaced()?)?,
            },
            HIGHESTMODSEQ => Self::HighestModSeq(ModSeq::of_node(&cursor.spaced()?)?),
            MODIFIED => Self::Modified(SequenceSet::unchecked(&cursor.spaced()?)?),
            BADURL => match raw(cursor) {
                b"" => return cursor.fail("expected a URL"),
                // The example of RFC 4469 quotes it, its grammar does not.
                [b'"', url @ .., b'"'] | url => Self::BadUrl(UrlText(IString::plain(url))),
            },
            URLMECH => {
                if UrlMechanism::of_bytes(cursor.spaced_word()?) != Some(UrlMechanism::INTERNAL) {
                    return cursor.fail("expected INTERNAL");
                }
                Self::UrlMechanisms(cursor.rest())
            }
            REFERRAL => match Referral::of_wire(raw(cursor)) {
                Some(referral) => Self::Referral(referral),
                None => return cursor.fail("expected a URL"),
            },
            NOUPDATE => Self::NoUpdate(cursor.spaced()?.astring()?),
            METADATA => Self::Metadata(MetadataCode::read(cursor)?),
            BADEVENT => Self::BadEvent(cursor.spaced()?.list()?),
            UNDEFINED_FILTER => Self::UndefinedFilter(cursor.spaced()?.astring()?),
            MAILBOXID => Self::MailboxId(ObjectId::of_list(&cursor.spaced()?)?),
            INPROGRESS if cursor.is_empty() => Self::InProgress(Progress::default()),
            INPROGRESS => Self::InProgress(Progress::read(&cursor.spaced()?)?),
            MESSAGELIMIT => Self::MessageLimit {
                messages: cursor.spaced()?.number()?,
                uid: if cursor.is_empty() { None } else { Some(cursor.spaced()?.number()?) },
            },
            _ => match Code::of_word(name) {
                Some(code) => code,
                None => Self::Unknown(UnknownCode { name, arguments: raw(cursor) }),
            },
        })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::BadCharset(strings) | Self::BadEvent(strings) => strings.check(check),
            Self::Capability(capabilities) => capabilities.check(check),
            Self::PermanentFlags(flags) => flags.check(check),
            Self::UrlMechanisms(keys) => keys.check(check),
            Self::AppendUid { uids: set, .. } | Self::Modified(set) => set.check_assigned(check, 0),
            Self::CopyUid { source, destination, .. } => {
                source.check_assigned(check, 0)?;
                destination.check_assigned(check, 0)
            }
            Self::Unknown(code) if !code.is_sound() => check.meet(Quirk::OddCode, 0),
            _ => Ok(()),
        }
    }
}

impl Encode for Code<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::BadCharset(charsets) => {
                out.raw(b"BADCHARSET");
                if !charsets.is_empty() {
                    out.raw(b" ");
                    strings(out, charsets)?;
                }
            }
            Self::Capability(capabilities) => {
                out.raw(b"CAPABILITY ");
                capabilities.encode_bare(out)?;
            }
            Self::PermanentFlags(flags) => {
                out.raw(b"PERMANENTFLAGS ");
                flags.encode(out)?;
            }
            Self::UidNext(number) => number_code(out, b"UIDNEXT ", *number),
            Self::UidValidity(number) => number_code(out, b"UIDVALIDITY ", *number),
            Self::Unseen(number) => number_code(out, b"UNSEEN ", *number),
            Self::AppendUid { uid_validity, uids } => {
                number_code(out, b"APPENDUID ", *uid_validity);
                out.raw(b" ");
                uids.encode(out)?;
            }
            Self::CopyUid { uid_validity, source, destination } => {
                number_code(out, b"COPYUID ", *uid_validity);
                out.raw(b" ");
                source.encode(out)?;
                out.raw(b" ");
                destination.encode(out)?;
            }
            Self::HighestModSeq(modseq) => {
                out.raw(b"HIGHESTMODSEQ ");
                modseq.encode(out)?;
            }
            Self::Modified(messages) => {
                out.raw(b"MODIFIED ");
                messages.encode(out)?;
            }
            Self::BadUrl(url) => {
                out.raw(b"BADURL ");
                bare_url(out, url)?;
            }
            Self::UrlMechanisms(keys) => {
                out.raw(b"URLMECH INTERNAL");
                for key in keys.iter() {
                    out.raw(b" ");
                    key.encode(out)?;
                }
            }
            Self::Referral(referral) => {
                out.raw(b"REFERRAL");
                referral.encode(out)?;
            }
            Self::NoUpdate(tag) => {
                out.raw(b"NOUPDATE ");
                quoted(out, tag)?;
            }
            Self::Metadata(code) => {
                out.raw(b"METADATA ");
                code.encode(out)?;
            }
            Self::BadEvent(events) => {
                out.raw(b"BADEVENT ");
                strings(out, events)?;
            }
            Self::UndefinedFilter(name) => {
                out.raw(b"UNDEFINED-FILTER ");
                short_astring(out, name)?;
            }
            Self::MailboxId(id) => {
                out.raw(b"MAILBOXID (");
                id.encode(out)?;
                out.raw(b")");
            }
            Self::InProgress(progress) => {
                out.raw(b"INPROGRESS");
                progress.encode(out)?;
            }
            Self::MessageLimit { messages, uid } => {
                number_code(out, b"MESSAGELIMIT ", *messages);
                if let Some(uid) = uid {
                    number_code(out, b" ", *uid);
                }
            }
            Self::Condition(code) => out.raw(code.as_bytes()),
            Self::Unknown(code) => code.encode(out)?,
            Self::Invalid(_) => return Err(PeerIncompatible::Inexpressible("malformed response code")),
            word => {
                let name = Code::WORDS.iter().find(|(code, _)| code == word).map(|(_, name)| name);
                out.raw(name.ok_or(PeerIncompatible::Inexpressible("response code"))?.as_bytes());
            }
        }
        Ok(())
    }
}

fn number_code<S: Sink>(out: &mut Encoder<'_, S>, name: &[u8], number: u32) {
    out.raw(name);
    out.number(u64::from(number));
}

/// Strings in parentheses, none of them a literal.
fn strings<S: Sink>(
    out: &mut Encoder<'_, S>,
    strings: &List<'_, IString<'_>>,
) -> Result<(), PeerIncompatible> {
    out.raw(b"(");
    for (at, string) in strings.iter().enumerate() {
        if at > 0 {
            out.raw(b" ");
        }
        short_astring(out, &string)?;
    }
    out.raw(b")");
    Ok(())
}

#[cfg(test)]
mod tests;
