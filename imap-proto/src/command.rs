//! Commands: one variant a verb (RFC 3501 6 and the extensions that the crate page names).
//!
//! An unknown verb is a command too, with its span, so that an owner can answer it or pass it on.
//!
//! ```
//! use imap_proto::{Command, Parser, Verb};
//! let mut parser = Parser::new();
//! let frame = b"a10 XCHECK quick";
//! let Command::Unknown(unknown) = parser.command(frame)?.command else { panic!() };
//! assert_eq!(unknown.verb(), b"XCHECK");
//! assert_eq!(unknown.arguments().of(frame), b"quick");
//! assert_eq!(parser.command(b"a11 EXPUNGE")?.command.verb(), Some(Verb::Expunge));
//! assert!(parser.command(b"a12 EXPUNGE now").is_err());
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::acl::{AclSubject, SetAcl};
use crate::annotation::{GetAnnotation, SetAnnotation};
use crate::append::Append;
use crate::capability::Capability;
use crate::chars::{key, keys};
use crate::compress::Compression;
use crate::copy::Copying;
use crate::create::{Create, Rename};
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::Fetch;
use crate::id::Id;
use crate::list::ListQuery;
use crate::login::{Authenticate, Login};
use crate::mailbox::MailboxName;
use crate::metadata::{GetMetadata, SetMetadata};
use crate::notify::Notify;
use crate::peer::{LocalAppend, LocalCreate, Xfer};
use crate::quirks::Check;
use crate::quota::SetQuota;
use crate::replace::Replace;
use crate::search::{Multisearch, Search, Sort, ThreadQuery};
use crate::select::Select;
use crate::sequence::SequenceSet;
use crate::status::StatusQuery;
use crate::store::Store;
use crate::string::IString;
use crate::tag::Tag;
use crate::tape::{Cursor, List};
use crate::token::{Kind, Span};
use crate::urlauth::{ResetKey, UrlQuery, UrlRump};
use crate::verb::Verb;

/// How messages are numbered in a command and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// By message sequence number.
    Sequence,
    /// By UID: the command stands behind `UID`.
    Uid,
}

/// A command and its tag.
///
/// ```
/// use imap_proto::{Command, Parser};
/// let mut parser = Parser::new();
/// let tagged = parser.command(b"a3 UID MOVE 7:9 Archive")?;
/// assert_eq!(tagged.tag.as_bytes(), b"a3");
/// let Command::Move(args) = tagged.command else { panic!() };
/// assert_eq!(args.mailbox.to_utf8(), "Archive");
/// assert!(args.messages.contains(8, 100));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaggedCommand<'a> {
    /// What the answer will be called.
    pub tag: Tag<'a>,
    /// What is asked.
    pub command: Command<'a>,
}

/// A command without its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `CAPABILITY`.
    Capability,
    /// `NOOP`.
    Noop,
    /// `LOGOUT`.
    Logout,
    /// `STARTTLS`.
    StartTls,
    /// `COMPRESS` (RFC 4978).
    Compress(Compression),
    /// `UNAUTHENTICATE` (RFC 8437).
    Unauthenticate,
    /// `AUTHENTICATE`.
    Authenticate(Authenticate<'a>),
    /// `LOGIN`.
    Login(Login<'a>),
    /// `ENABLE` (RFC 5161).
    Enable(List<'a, Capability<'a>>),
    /// `ID` (RFC 2971).
    Id(Id<'a>),
    /// `SELECT`.
    Select(Select<'a>),
    /// `EXAMINE`.
    Examine(Select<'a>),
    /// `CREATE`.
    Create(Create<'a>),
    /// `DELETE`.
    Delete(MailboxName<'a>),
    /// `RENAME`.
    Rename(Rename<'a>),
    /// `SUBSCRIBE`.
    Subscribe(MailboxName<'a>),
    /// `UNSUBSCRIBE`.
    Unsubscribe(MailboxName<'a>),
    /// `LIST`.
    List(ListQuery<'a>),
    /// `LSUB`.
    Lsub(ListQuery<'a>),
    /// `RLIST` (RFC 2193).
    Rlist(ListQuery<'a>),
    /// `RLSUB` (RFC 2193).
    Rlsub(ListQuery<'a>),
    /// `XLIST` (Gmail and Cyrus).
    Xlist(ListQuery<'a>),
    /// `STATUS`.
    Status(StatusQuery<'a>),
    /// `GETMETADATA` (RFC 5464).
    GetMetadata(GetMetadata<'a>),
    /// `SETMETADATA` (RFC 5464).
    SetMetadata(SetMetadata<'a>),
    /// `GETANNOTATION` (draft-daboo-imap-annotatemore-05).
    GetAnnotation(GetAnnotation<'a>),
    /// `SETANNOTATION` (draft-daboo-imap-annotatemore-05).
    SetAnnotation(SetAnnotation<'a>),
    /// `NOTIFY` (RFC 5465).
    Notify(Notify<'a>),
    /// `LANGUAGE` (RFC 5255): language ranges in order of preference; without any, which languages there are.
    Language(List<'a, IString<'a>>),
    /// `COMPARATOR` (RFC 5255): comparators in order of preference; without any, which one is in use.
    Comparator(List<'a, IString<'a>>),
    /// `GETJMAPACCESS` (RFC 9698).
    GetJmapAccess,
    /// `LOCALAPPEND` (Cyrus).
    LocalAppend(LocalAppend<'a>),
    /// `LOCALCREATE` (Cyrus).
    LocalCreate(LocalCreate<'a>),
    /// `LOCALDELETE` (Cyrus).
    LocalDelete(MailboxName<'a>),
    /// `XFER` (Cyrus).
    Xfer(Xfer<'a>),
    /// `MUPDATEPUSH` (Cyrus): tell the master of this mailbox.
    MupdatePush(MailboxName<'a>),
    /// `APPEND`.
    Append(Append<'a>),
    /// `REPLACE`, `UID REPLACE` (RFC 8508).
    Replace(Replace<'a>),
    /// `GENURLAUTH` (RFC 4467).
    GenUrlAuth(List<'a, UrlRump<'a>>),
    /// `RESETKEY` (RFC 4467).
    ResetKey(ResetKey<'a>),
    /// `URLFETCH` (RFC 4467, RFC 5524).
    UrlFetch(List<'a, UrlQuery<'a>>),
    /// `NAMESPACE` (RFC 2342).
    Namespace,
    /// `IDLE` (RFC 2177).
    Idle,
    /// `CHECK`.
    Check,
    /// `CLOSE`.
    Close,
    /// `UNSELECT` (RFC 3691).
    Unselect,
    /// `EXPUNGE`.
    Expunge,
    /// `UID EXPUNGE` (RFC 4315).
    UidExpunge(SequenceSet<'a>),
    /// `SEARCH`, `UID SEARCH`.
    Search(Search<'a>),
    /// `ESEARCH` (RFC 7377).
    Esearch(Multisearch<'a>),
    /// `SORT`, `UID SORT` (RFC 5256).
    Sort(Sort<'a>),
    /// `THREAD`, `UID THREAD` (RFC 5256).
    Thread(ThreadQuery<'a>),
    /// `CANCELUPDATE` (RFC 5267): the tags of searches that shall not be updated any more.
    CancelUpdate(List<'a, Tag<'a>>),
    /// `FETCH`, `UID FETCH`.
    Fetch(Fetch<'a>),
    /// `STORE`, `UID STORE`.
    Store(Store<'a>),
    /// `COPY`, `UID COPY`.
    Copy(Copying<'a>),
    /// `MOVE`, `UID MOVE` (RFC 6851).
    Move(Copying<'a>),
    /// `SETACL` (RFC 4314).
    SetAcl(SetAcl<'a>),
    /// `DELETEACL` (RFC 4314).
    DeleteAcl(AclSubject<'a>),
    /// `GETACL` (RFC 4314).
    GetAcl(MailboxName<'a>),
    /// `LISTRIGHTS` (RFC 4314).
    ListRights(AclSubject<'a>),
    /// `MYRIGHTS` (RFC 4314).
    MyRights(MailboxName<'a>),
    /// `SETQUOTA` (RFC 2087).
    SetQuota(SetQuota<'a>),
    /// `GETQUOTA` (RFC 2087).
    GetQuota(IString<'a>),
    /// `GETQUOTAROOT` (RFC 2087).
    GetQuotaRoot(MailboxName<'a>),
    /// A verb that is not known here.
    Unknown(UnknownCommand<'a>),
}

/// A command whose verb is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCommand<'a> {
    verb: &'a [u8],
    arguments: Span,
}

impl<'a> UnknownCommand<'a> {
    /// The verb as spelled; for `UID X`, that `X`.
    #[must_use]
    pub fn verb(&self) -> &'a [u8] {
        self.verb
    }

    /// Everything behind the verb, unparsed.
    #[must_use]
    pub fn arguments(&self) -> Span {
        self.arguments
    }
}

keys! { UID = "UID" }

impl<'a> TaggedCommand<'a> {
    /// Reads what the parser put on the tape.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let offset = cursor.offset();
        let tag = Tag::new(cursor.word()?).map_err(|error| InvalidMessage::new(error.what, offset))?;
        Ok(Self { tag, command: Command::read(cursor)? })
    }

    /// What stands for a kept frame that cannot be read, which parsing has ruled out.
    pub(crate) fn unreadable() -> Self {
        let command = Command::Unknown(UnknownCommand { verb: b"", arguments: Span { start: 0, len: 0 } });
        Self { tag: Tag::UNKNOWN, command }
    }
}

impl<'a> Command<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut word = cursor.spaced_word()?;
        let mut numbering = Numbering::Sequence;
        if key(word) == UID {
            numbering = Numbering::Uid;
            word = cursor.spaced_word()?;
        }
        let verb = Verb::of_word(word).filter(|verb| numbering == Numbering::Sequence || verb.takes_uid());
        let Some(verb) = verb else {
            let arguments = match cursor.peek() {
                Some(token) if token.kind() == Kind::Text => {
                    let _ = cursor.next()?;
                    Span { start: token.start(), len: token.len() }
                }
                _ => Span { start: cursor.frame.len(), len: 0 },
            };
            return Ok(Self::Unknown(UnknownCommand { verb: word, arguments }));
        };
        Ok(match verb {
            Verb::Capability => Self::Capability,
            Verb::Noop => Self::Noop,
            Verb::Logout => Self::Logout,
            Verb::StartTls => Self::StartTls,
            Verb::Compress => Self::Compress(Compression::read(cursor)?),
            Verb::Unauthenticate => Self::Unauthenticate,
            Verb::Authenticate => Self::Authenticate(Authenticate::read(cursor)?),
            Verb::Login => Self::Login(Login::read(cursor)?),
            Verb::Enable => Self::Enable(cursor.spaced_rest()?),
            Verb::Id => Self::Id(Id::read(cursor)?),
            Verb::Select => Self::Select(Select::read(cursor)?),
            Verb::Examine => Self::Examine(Select::read(cursor)?),
            Verb::Create => Self::Create(Create::read(cursor)?),
            Verb::Delete => Self::Delete(MailboxName::argument(cursor)?),
            Verb::Rename => Self::Rename(Rename::read(cursor)?),
            Verb::Subscribe => Self::Subscribe(MailboxName::argument(cursor)?),
            Verb::Unsubscribe => Self::Unsubscribe(MailboxName::argument(cursor)?),
            Verb::List => Self::List(ListQuery::read(cursor)?),
            Verb::Lsub => Self::Lsub(ListQuery::read_plain(cursor)?),
            Verb::Rlist => Self::Rlist(ListQuery::read_plain(cursor)?),
            Verb::Rlsub => Self::Rlsub(ListQuery::read_plain(cursor)?),
            Verb::Xlist => Self::Xlist(ListQuery::read_plain(cursor)?),
            Verb::Status => Self::Status(StatusQuery::read(cursor)?),
            Verb::GetMetadata => Self::GetMetadata(GetMetadata::read(cursor)?),
            Verb::SetMetadata => Self::SetMetadata(SetMetadata::read(cursor)?),
            Verb::GetAnnotation => Self::GetAnnotation(GetAnnotation::read(cursor)?),
            Verb::SetAnnotation => Self::SetAnnotation(SetAnnotation::read(cursor)?),
            Verb::Notify => Self::Notify(Notify::read(cursor)?),
            Verb::Language => Self::Language(cursor.spaced_rest_or_nothing()?),
            Verb::Comparator => Self::Comparator(cursor.spaced_rest_or_nothing()?),
            Verb::GetJmapAccess => Self::GetJmapAccess,
            Verb::LocalAppend => Self::LocalAppend(LocalAppend::read(cursor)?),
            Verb::LocalCreate => Self::LocalCreate(LocalCreate::read(cursor)?),
            Verb::LocalDelete => Self::LocalDelete(MailboxName::argument(cursor)?),
            Verb::Xfer => Self::Xfer(Xfer::read(cursor)?),
            Verb::MupdatePush => Self::MupdatePush(MailboxName::argument(cursor)?),
            Verb::Append => Self::Append(Append::read(cursor)?),
            Verb::Replace => Self::Replace(Replace::read(numbering, cursor)?),
            Verb::GenUrlAuth => Self::GenUrlAuth(cursor.spaced_rest()?),
            Verb::ResetKey => Self::ResetKey(ResetKey::read(cursor)?),
            Verb::UrlFetch => Self::UrlFetch(cursor.spaced_rest()?),
            Verb::Namespace => Self::Namespace,
            Verb::Idle => Self::Idle,
            Verb::Check => Self::Check,
            Verb::Close => Self::Close,
            Verb::Unselect => Self::Unselect,
            Verb::Expunge if numbering == Numbering::Uid => {
                Self::UidExpunge(SequenceSet::unchecked(&cursor.spaced()?)?)
            }
            Verb::Expunge => Self::Expunge,
            Verb::Search => Self::Search(Search::read(numbering, cursor)?),
            Verb::Esearch => Self::Esearch(Multisearch::read(cursor)?),
            Verb::Sort => Self::Sort(Sort::read(numbering, cursor)?),
            Verb::Thread => Self::Thread(ThreadQuery::read(numbering, cursor)?),
            Verb::CancelUpdate => Self::CancelUpdate(cursor.spaced_rest()?),
            Verb::Fetch => Self::Fetch(Fetch::read(numbering, cursor)?),
            Verb::Store => Self::Store(Store::read(numbering, cursor)?),
            Verb::Copy => Self::Copy(Copying::read(numbering, cursor)?),
            Verb::Move => Self::Move(Copying::read(numbering, cursor)?),
            Verb::SetAcl => Self::SetAcl(SetAcl::read(cursor)?),
            Verb::DeleteAcl => Self::DeleteAcl(AclSubject::read(cursor)?),
            Verb::GetAcl => Self::GetAcl(MailboxName::argument(cursor)?),
            Verb::ListRights => Self::ListRights(AclSubject::read(cursor)?),
            Verb::MyRights => Self::MyRights(MailboxName::argument(cursor)?),
            Verb::SetQuota => Self::SetQuota(SetQuota::read(cursor)?),
            Verb::GetQuota => Self::GetQuota(cursor.spaced()?.astring()?),
            Verb::GetQuotaRoot => Self::GetQuotaRoot(MailboxName::argument(cursor)?),
        })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Enable(capabilities) => capabilities.check_some(check),
            Self::Id(id) => id.check(check),
            Self::Select(args) | Self::Examine(args) => args.check(check),
            Self::Create(args) => args.check(check),
            Self::Rename(args) => args.check(check),
            Self::Delete(mailbox)
            | Self::Subscribe(mailbox)
            | Self::Unsubscribe(mailbox)
            | Self::LocalDelete(mailbox)
            | Self::MupdatePush(mailbox)
            | Self::GetAcl(mailbox)
            | Self::MyRights(mailbox)
            | Self::GetQuotaRoot(mailbox) => mailbox.check(check),
            Self::List(query)
            | Self::Lsub(query)
            | Self::Rlist(query)
            | Self::Rlsub(query)
            | Self::Xlist(query) => query.check(check),
            Self::Status(query) => query.check(check),
            Self::GetMetadata(args) => args.check(check),
            Self::SetMetadata(args) => args.check(check),
            Self::GetAnnotation(args) => args.check(check),
            Self::SetAnnotation(args) => args.check(check),
            Self::Notify(args) => args.check(check),
            Self::Language(order) | Self::Comparator(order) => order.check(check),
            Self::LocalAppend(args) => args.check(check),
            Self::LocalCreate(args) => args.check(check),
            Self::Xfer(args) => args.check(check),
            Self::Append(append) => append.check(check),
            Self::Replace(replace) => replace.check(check),
            Self::GenUrlAuth(urls) => urls.check_some(check),
            Self::ResetKey(reset) => reset.check(check),
            Self::UrlFetch(urls) => urls.check_some(check),
            Self::UidExpunge(set) => set.check(check, 0),
            Self::Search(search) => search.check(check),
            Self::Esearch(search) => search.check(check),
            Self::Sort(sort) => sort.check(check),
            Self::Thread(query) => query.check(check),
            Self::CancelUpdate(tags) => tags.check_some(check),
            Self::Fetch(fetch) => fetch.check(check),
            Self::Store(store) => store.check(check),
            Self::Copy(copying) | Self::Move(copying) => copying.check(check),
            Self::SetAcl(args) => args.check(check),
            Self::DeleteAcl(subject) | Self::ListRights(subject) => subject.check(check),
            Self::SetQuota(quota) => quota.limits.check(check),
            _ => Ok(()),
        }
    }

    /// The verb; `None` for a command that is not known here.
    #[must_use]
    pub fn verb(&self) -> Option<Verb> {
        Some(match self {
            Self::Capability => Verb::Capability,
            Self::Noop => Verb::Noop,
            Self::Logout => Verb::Logout,
            Self::StartTls => Verb::StartTls,
            Self::Compress(_) => Verb::Compress,
            Self::Unauthenticate => Verb::Unauthenticate,
            Self::Authenticate(_) => Verb::Authenticate,
            Self::Login(_) => Verb::Login,
            Self::Enable(_) => Verb::Enable,
            Self::Id(_) => Verb::Id,
            Self::Select(_) => Verb::Select,
            Self::Examine(_) => Verb::Examine,
            Self::Create(_) => Verb::Create,
            Self::Delete(_) => Verb::Delete,
            Self::Rename(_) => Verb::Rename,
            Self::Subscribe(_) => Verb::Subscribe,
            Self::Unsubscribe(_) => Verb::Unsubscribe,
            Self::List(_) => Verb::List,
            Self::Lsub(_) => Verb::Lsub,
            Self::Rlist(_) => Verb::Rlist,
            Self::Rlsub(_) => Verb::Rlsub,
            Self::Xlist(_) => Verb::Xlist,
            Self::Status(_) => Verb::Status,
            Self::GetMetadata(_) => Verb::GetMetadata,
            Self::SetMetadata(_) => Verb::SetMetadata,
            Self::GetAnnotation(_) => Verb::GetAnnotation,
            Self::SetAnnotation(_) => Verb::SetAnnotation,
            Self::Notify(_) => Verb::Notify,
            Self::Language(_) => Verb::Language,
            Self::Comparator(_) => Verb::Comparator,
            Self::GetJmapAccess => Verb::GetJmapAccess,
            Self::LocalAppend(_) => Verb::LocalAppend,
            Self::LocalCreate(_) => Verb::LocalCreate,
            Self::LocalDelete(_) => Verb::LocalDelete,
            Self::Xfer(_) => Verb::Xfer,
            Self::MupdatePush(_) => Verb::MupdatePush,
            Self::Append(_) => Verb::Append,
            Self::Replace(_) => Verb::Replace,
            Self::GenUrlAuth(_) => Verb::GenUrlAuth,
            Self::ResetKey(_) => Verb::ResetKey,
            Self::UrlFetch(_) => Verb::UrlFetch,
            Self::Namespace => Verb::Namespace,
            Self::Idle => Verb::Idle,
            Self::Check => Verb::Check,
            Self::Close => Verb::Close,
            Self::Unselect => Verb::Unselect,
            Self::Expunge | Self::UidExpunge(_) => Verb::Expunge,
            Self::Search(_) => Verb::Search,
            Self::Esearch(_) => Verb::Esearch,
            Self::Sort(_) => Verb::Sort,
            Self::Thread(_) => Verb::Thread,
            Self::CancelUpdate(_) => Verb::CancelUpdate,
            Self::Fetch(_) => Verb::Fetch,
            Self::Store(_) => Verb::Store,
            Self::Copy(_) => Verb::Copy,
            Self::Move(_) => Verb::Move,
            Self::SetAcl(_) => Verb::SetAcl,
            Self::DeleteAcl(_) => Verb::DeleteAcl,
            Self::GetAcl(_) => Verb::GetAcl,
            Self::ListRights(_) => Verb::ListRights,
            Self::MyRights(_) => Verb::MyRights,
            Self::SetQuota(_) => Verb::SetQuota,
            Self::GetQuota(_) => Verb::GetQuota,
            Self::GetQuotaRoot(_) => Verb::GetQuotaRoot,
            Self::Unknown(_) => return None,
        })
    }

    /// True for what only nodes of a cluster may ask of each other (safety row N4): an internal verb, or a CREATE or
    /// RENAME that names the place where the mailbox shall be.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        match self {
            Self::Create(create) => create.location.is_some(),
            Self::Rename(rename) => rename.location.is_some(),
            _ => self.verb().is_some_and(Verb::is_internal),
        }
    }

    /// How its messages are numbered, for the verbs that may stand behind `UID`.
    #[must_use]
    pub fn numbering(&self) -> Option<Numbering> {
        match self {
            Self::Search(search) => Some(search.numbering),
            Self::Sort(sort) => Some(sort.numbering),
            Self::Thread(query) => Some(query.numbering),
            Self::Fetch(fetch) => Some(fetch.numbering),
            Self::Store(store) => Some(store.numbering),
            Self::Replace(replace) => Some(replace.numbering),
            Self::Copy(copying) | Self::Move(copying) => Some(copying.numbering),
            Self::Expunge => Some(Numbering::Sequence),
            Self::UidExpunge(_) => Some(Numbering::Uid),
            _ => None,
        }
    }
}

impl Encode for TaggedCommand<'_> {
    /// A whole line, or several where literals are.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.tag.as_bytes());
        out.raw(b" ");
        self.command.encode(out)?;
        out.raw(b"\r\n");
        Ok(())
    }
}

impl Encode for Command<'_> {
    /// Verb and arguments, without tag and CRLF.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let Some(verb) = self.verb() else {
            return Err(PeerIncompatible::Inexpressible("unknown command"));
        };
        if self.numbering() == Some(Numbering::Uid) {
            out.raw(b"UID ");
        }
        out.raw(verb.as_str().as_bytes());
        match self {
            Self::Compress(compression) => compression.encode(out),
            Self::Authenticate(args) => args.encode(out),
            Self::Login(args) => args.encode(out),
            Self::Enable(capabilities) => {
                out.raw(b" ");
                capabilities.encode_some(out)
            }
            Self::Id(args) => args.encode(out),
            Self::Select(args) | Self::Examine(args) => args.encode(out),
            Self::Delete(mailbox)
            | Self::Subscribe(mailbox)
            | Self::Unsubscribe(mailbox)
            | Self::LocalDelete(mailbox)
            | Self::MupdatePush(mailbox)
            | Self::GetAcl(mailbox)
            | Self::MyRights(mailbox)
            | Self::GetQuotaRoot(mailbox) => {
                out.raw(b" ");
                mailbox.encode(out)
            }
            Self::Create(args) => args.encode(out),
            Self::Rename(args) => args.encode(out),
            Self::List(args) => args.encode(out),
            Self::Lsub(args) | Self::Rlist(args) | Self::Rlsub(args) | Self::Xlist(args) => {
                if !args.is_plain() {
                    return Err(PeerIncompatible::Inexpressible("options for a verb that has none"));
                }
                args.encode(out)
            }
            Self::Status(args) => args.encode(out),
            Self::GetMetadata(args) => args.encode(out),
            Self::SetMetadata(args) => args.encode(out),
            Self::GetAnnotation(args) => args.encode(out),
            Self::SetAnnotation(args) => args.encode(out),
            Self::Notify(args) => args.encode(out),
            Self::Language(order) | Self::Comparator(order) => order.iter().try_for_each(|wanted| {
                out.raw(b" ");
                out.astring(&wanted)
            }),
            Self::LocalAppend(args) => args.encode(out),
            Self::LocalCreate(args) => args.encode(out),
            Self::Xfer(args) => args.encode(out),
            Self::Append(args) => args.encode(out),
            Self::Replace(args) => args.encode(out),
            Self::GenUrlAuth(urls) => {
                out.raw(b" ");
                urls.encode_some(out)
            }
            Self::ResetKey(args) => args.encode(out),
            Self::UrlFetch(urls) => {
                out.raw(b" ");
                urls.encode_some(out)
            }
            Self::UidExpunge(set) => {
                out.raw(b" ");
                set.encode(out)
            }
            Self::Search(args) => args.encode(out),
            Self::Esearch(args) => args.encode(out),
            Self::Sort(args) => args.encode(out),
            Self::Thread(args) => args.encode(out),
            Self::CancelUpdate(tags) if tags.is_empty() => {
                Err(PeerIncompatible::Inexpressible("CANCELUPDATE of nothing"))
            }
            Self::CancelUpdate(tags) => {
                out.raw(b" ");
                tags.encode_bare(out)
            }
            Self::Fetch(args) => args.encode(out),
            Self::Store(args) => args.encode(out),
            Self::Copy(args) | Self::Move(args) => args.encode(out),
            Self::SetAcl(args) => args.encode(out),
            Self::DeleteAcl(args) | Self::ListRights(args) => args.encode(out),
            Self::SetQuota(args) => args.encode(out),
            Self::GetQuota(root) => {
                out.raw(b" ");
                out.astring(root)
            }
            Self::Capability
            | Self::Noop
            | Self::Logout
            | Self::StartTls
            | Self::Unauthenticate
            | Self::GetJmapAccess
            | Self::Namespace
            | Self::Idle
            | Self::Check
            | Self::Close
            | Self::Unselect
            | Self::Expunge
            | Self::Unknown(_) => Ok(()),
        }
    }
}
