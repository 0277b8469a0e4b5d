//! Status responses: OK, NO, BAD, PREAUTH, BYE, with their response codes and text (RFC 3501 7.1, RFC 4315, RFC 5530,
//! RFC 6154).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::capability::Capability;
use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::Flag;
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::string::{IString, Text};
use crate::tape::{Cursor, List};
use crate::token::{Kind, Span};

/// The word of a status response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `OK`.
    Ok,
    /// `NO`: the operation failed.
    No,
    /// `BAD`: not understood.
    Bad,
    /// `PREAUTH`: a greeting that needs no login.
    PreAuth,
    /// `BYE`: the server is about to close.
    Bye,
}

impl Condition {
    pub(crate) fn of_word(word: &[u8]) -> Option<Self> {
        keys! { OK = "OK", NO = "NO", BAD = "BAD", PREAUTH = "PREAUTH", BYE = "BYE" }
        Some(match key(word) {
            OK => Self::Ok,
            NO => Self::No,
            BAD => Self::Bad,
            PREAUTH => Self::PreAuth,
            BYE => Self::Bye,
            _ => return None,
        })
    }

    /// True for what may end a command.
    #[must_use]
    pub fn is_tagged(self) -> bool {
        matches!(self, Self::Ok | Self::No | Self::Bad)
    }

    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Ok => b"OK",
            Self::No => b"NO",
            Self::Bad => b"BAD",
            Self::PreAuth => b"PREAUTH",
            Self::Bye => b"BYE",
        }
    }
}

/// A status response without its tag.
///
/// ```
/// use imap_proto::{Code, Encode, Encoder, Literals, Status};
/// let mut out = Vec::new();
/// let status = Status::no("no such mailbox").with_code(Code::TryCreate);
/// status.encode(&mut Encoder::new(&mut out, Literals::Server))?;
/// assert_eq!(out, b"NO [TRYCREATE] no such mailbox");
/// # Ok::<(), imap_proto::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// The word.
    pub condition: Condition,
    /// What stands in brackets.
    pub code: Option<Code<'a>>,
    /// The text for a human.
    pub text: Text<'a>,
}

impl<'a> Status<'a> {
    /// A status with this text and no code.
    #[must_use]
    pub fn new(condition: Condition, text: Text<'a>) -> Self {
        Self { condition, code: None, text }
    }

    /// `OK` with constant text.
    #[must_use]
    pub fn ok(text: &'static str) -> Self {
        Self::new(Condition::Ok, text.into())
    }

    /// `NO` with constant text.
    #[must_use]
    pub fn no(text: &'static str) -> Self {
        Self::new(Condition::No, text.into())
    }

    /// `BAD` with constant text.
    #[must_use]
    pub fn bad(text: &'static str) -> Self {
        Self::new(Condition::Bad, text.into())
    }

    /// `BYE` with constant text.
    #[must_use]
    pub fn bye(text: &'static str) -> Self {
        Self::new(Condition::Bye, text.into())
    }

    /// `PREAUTH` with constant text.
    #[must_use]
    pub fn pre_auth(text: &'static str) -> Self {
        Self::new(Condition::PreAuth, text.into())
    }

    /// The same with a code.
    #[must_use]
    pub fn with_code(self, code: Code<'a>) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let word = cursor.spaced()?;
        let Some(condition) = Condition::of_word(word.word()?) else {
            return word.fail("expected OK, NO, BAD, PREAUTH or BYE");
        };
        let code = match cursor.peek().map(|token| token.kind()) {
            Some(Kind::List) => Some(Code::read_bracketed(cursor)?),
            _ => None,
        };
        Ok(Self { condition, code, text: Text::of_wire(cursor.next()?.text()?) })
    }
}

impl Encode for Status<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.condition.as_bytes());
        out.raw(b" ");
        if let Some(code) = &self.code {
            out.raw(b"[");
            code.encode(out)?;
            out.raw(b"] ");
        } else if self.text.as_bytes().starts_with(b"[") {
            // Would be read as a code.
            out.raw(b" ");
        }
        self.text.encode(out)
    }
}

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
        /// The UIDs given.
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
    /// `USEATTR` (RFC 6154): the special use cannot be had.
    UseAttr,
    /// `TOOBIG` (RFC 4469).
    TooBig,
    /// A code of RFC 5530, or one without arguments that means as much.
    Condition(ErrorCode),
    /// Another code, kept as it came.
    Unknown(UnknownCode<'a>),
    /// A known code with malformed arguments: the span of what stands in brackets.
    Invalid(Span),
}

/// The response codes of RFC 5530 section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `UNAVAILABLE`: a subsystem is down, try later.
    Unavailable,
    /// `AUTHENTICATIONFAILED`.
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED`.
    AuthorizationFailed,
    /// `EXPIRED`: the credentials are out of date.
    Expired,
    /// `PRIVACYREQUIRED`: not without encryption.
    PrivacyRequired,
    /// `CONTACTADMIN`.
    ContactAdmin,
    /// `NOPERM`: the ACL does not allow it.
    NoPerm,
    /// `INUSE`.
    InUse,
    /// `EXPUNGEISSUED`: somebody else expunged.
    ExpungeIssued,
    /// `CORRUPTION`.
    Corruption,
    /// `SERVERBUG`.
    ServerBug,
    /// `CLIENTBUG`.
    ClientBug,
    /// `CANNOT`: the operation can never succeed.
    Cannot,
    /// `LIMIT`.
    Limit,
    /// `OVERQUOTA`.
    OverQuota,
    /// `ALREADYEXISTS`.
    AlreadyExists,
    /// `NONEXISTENT`.
    NonExistent,
}

impl ErrorCode {
    const ALL: [(Self, &'static str); 17] = [
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::AuthenticationFailed, "AUTHENTICATIONFAILED"),
        (Self::AuthorizationFailed, "AUTHORIZATIONFAILED"),
        (Self::Expired, "EXPIRED"),
        (Self::PrivacyRequired, "PRIVACYREQUIRED"),
        (Self::ContactAdmin, "CONTACTADMIN"),
        (Self::NoPerm, "NOPERM"),
        (Self::InUse, "INUSE"),
        (Self::ExpungeIssued, "EXPUNGEISSUED"),
        (Self::Corruption, "CORRUPTION"),
        (Self::ServerBug, "SERVERBUG"),
        (Self::ClientBug, "CLIENTBUG"),
        (Self::Cannot, "CANNOT"),
        (Self::Limit, "LIMIT"),
        (Self::OverQuota, "OVERQUOTA"),
        (Self::AlreadyExists, "ALREADYEXISTS"),
        (Self::NonExistent, "NONEXISTENT"),
    ];

    fn of_word(word: &[u8]) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(code, _)| *code)
    }

    fn as_bytes(self) -> &'static [u8] {
        Self::ALL.iter().find(|(code, _)| *code == self).map_or(b"", |(_, name)| name.as_bytes())
    }
}

/// A code that is not known here: a name and, perhaps, arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode<'a> {
    name: &'a [u8],
    arguments: &'a [u8],
}

impl<'a> UnknownCode<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// What stands between the name and the closing bracket, without the space; peer's bytes.
    #[must_use]
    pub fn arguments(&self) -> &'a [u8] {
        self.arguments
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
            ALERT = "ALERT", BADCHARSET = "BADCHARSET", CAPABILITY = "CAPABILITY", PARSE = "PARSE",
            PERMANENTFLAGS = "PERMANENTFLAGS", READ_ONLY = "READ-ONLY", READ_WRITE = "READ-WRITE",
            TRYCREATE = "TRYCREATE", UIDNEXT = "UIDNEXT", UIDVALIDITY = "UIDVALIDITY", UNSEEN = "UNSEEN",
            APPENDUID = "APPENDUID", COPYUID = "COPYUID", UIDNOTSTICKY = "UIDNOTSTICKY", USEATTR = "USEATTR",
            TOOBIG = "TOOBIG",
        }
        let name = cursor.word()?;
        Ok(match key(name) {
            ALERT => Self::Alert,
            BADCHARSET if cursor.is_empty() => Self::BadCharset(List::of(&[])),
            BADCHARSET => Self::BadCharset(cursor.spaced()?.list()?),
            CAPABILITY => Self::Capability(cursor.rest()),
            PARSE => Self::Parse,
            PERMANENTFLAGS => Self::PermanentFlags(cursor.spaced()?.list()?),
            READ_ONLY => Self::ReadOnly,
            READ_WRITE => Self::ReadWrite,
            TRYCREATE => Self::TryCreate,
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
            UIDNOTSTICKY => Self::UidNotSticky,
            USEATTR => Self::UseAttr,
            TOOBIG => Self::TooBig,
            _ => match ErrorCode::of_word(name) {
                Some(code) => Self::Condition(code),
                None => {
                    let _all: List<'_, Capability<'_>> = cursor.rest();
                    let arguments = span.of(cursor.frame).get(name.len()..).unwrap_or_default();
                    Self::Unknown(UnknownCode { name, arguments: arguments.trim_ascii_start() })
                }
            },
        })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::BadCharset(charsets) => charsets.check(check),
            Self::Capability(capabilities) => capabilities.check(check),
            Self::PermanentFlags(flags) => flags.check(check),
            Self::AppendUid { uids, .. } => uids.check_assigned(check, 0),
            Self::CopyUid { source, destination, .. } => {
                source.check_assigned(check, 0)?;
                destination.check_assigned(check, 0)
            }
            _ => Ok(()),
        }
    }
}

impl Encode for Code<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Alert => out.raw(b"ALERT"),
            Self::BadCharset(charsets) => {
                out.raw(b"BADCHARSET");
                if !charsets.is_empty() {
                    out.raw(b" ");
                    charsets.encode(out)?;
                }
            }
            Self::Capability(capabilities) => {
                out.raw(b"CAPABILITY ");
                capabilities.encode_bare(out)?;
            }
            Self::Parse => out.raw(b"PARSE"),
            Self::PermanentFlags(flags) => {
                out.raw(b"PERMANENTFLAGS ");
                flags.encode(out)?;
            }
            Self::ReadOnly => out.raw(b"READ-ONLY"),
            Self::ReadWrite => out.raw(b"READ-WRITE"),
            Self::TryCreate => out.raw(b"TRYCREATE"),
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
            Self::UidNotSticky => out.raw(b"UIDNOTSTICKY"),
            Self::UseAttr => out.raw(b"USEATTR"),
            Self::TooBig => out.raw(b"TOOBIG"),
            Self::Condition(code) => out.raw(code.as_bytes()),
            Self::Unknown(code) => {
                out.raw(code.name);
                if !code.arguments.is_empty() {
                    out.raw(b" ");
                    out.raw(code.arguments);
                }
            }
            Self::Invalid(_) => return Err(PeerIncompatible::Inexpressible("malformed response code")),
        }
        Ok(())
    }
}

fn number_code<S: Sink>(out: &mut Encoder<'_, S>, name: &[u8], number: u32) {
    out.raw(name);
    out.number(u64::from(number));
}
