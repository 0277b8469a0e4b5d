//! IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and their extensions as grammar and connections, for clients, servers and
//! what stands between them. No socket, no clock, no runtime.
//!
//! # Layers
//!
//! Each is public and usable alone.
//!
//! 1. **Framing** is `mail_wire::LiteralFramer`: commands and responses with their literals, kept or streamed.
//! 2. **Grammar** is here: [`Parser`] scans a frame once to a tape of tokens; [`Command`] and [`Response`] are views
//!    that read the tape and borrow from the frame; [`Parsed`] is frame and tape as a value to keep. What is known can
//!    be written by [`Encode`], and comes back as it was; what is unknown is kept as a [`Span`] of the frame, to be
//!    answered or passed on.
//! 3. **Connections** put both under a state machine for each side: [`server::Connection`], [`client::Connection`].
//!    The page of [`server`] has both in one example.
//!
//! A command that is malformed is an error, to be answered `BAD`. A response that is malformed is a value
//! ([`Response::Invalid`], [`FetchItem::Invalid`], [`Code::Invalid`]), since a client must live with the servers that
//! there are: the neighbours of a bad item survive it.
//!
//! # Both sides
//!
//! ```
//! use imap_proto::{Command, Encode, Encoder, Fetch, FetchAttribute, FetchItem, Flag, List, Literals, Numbering};
//! use imap_proto::{Parser, Response, SequenceSet, Tag, TaggedCommand};
//!
//! // The client writes a command.
//! let attributes = [FetchAttribute::Uid, FetchAttribute::Flags];
//! let fetch = Fetch::new(Numbering::Sequence, SequenceSet::new("1:*")?, &attributes);
//! let command = TaggedCommand { tag: Tag::new("a1")?, command: Command::Fetch(fetch) };
//! let mut wire = Vec::new();
//! command.encode(&mut Encoder::new(&mut wire, Literals::NonSync))?;
//! assert_eq!(wire, b"a1 FETCH 1:* (UID FLAGS)\r\n");
//!
//! // The server reads it (framing takes off the CRLF) and writes a response.
//! let mut parser = Parser::new();
//! assert_eq!(parser.command(b"a1 FETCH 1:* (UID FLAGS)")?, command);
//! let flags = [Flag::Seen, Flag::new("$Work")?];
//! let items = [FetchItem::Uid(7), FetchItem::Flags(List::of(&flags))];
//! let response = Response::Fetch { message: 1, items: List::of(&items) };
//! let mut wire = Vec::new();
//! response.encode(&mut Encoder::new(&mut wire, Literals::Server))?;
//! assert_eq!(wire, b"* 1 FETCH (UID 7 FLAGS (\\Seen $Work))\r\n");
//!
//! // The client reads that.
//! assert_eq!(parser.response(b"* 1 FETCH (UID 7 FLAGS (\\Seen $Work))")?, response);
//! # Ok::<(), imap_proto::Error>(())
//! ```
//!
//! # Limits
//!
//! [`Limits`]: depth, tokens of a frame, ranges of a set. Sizes are framing's (`mail_wire::FrameLimits`). Parsing a
//! frame allocates nothing once the parser's tape has grown, and that is below 6 bytes for each byte of a frame. What a
//! whole connection holds at most is a function of its limits: [`server::Limits::heap_bytes_max`],
//! [`client::Limits::heap_bytes_max`].
//!
//! # Quirks
//!
//! Software in use breaks the grammar in known ways. Each has a name ([`Quirk`]); each connection has a set of those it
//! lets pass ([`Quirks`]), none from a client and nearly all from a server by default; and each that was let pass is
//! counted ([`QuirkCounts`]).
//!
//! # RFCs
//!
//! All of it in both directions. What a server does about an extension is its owner's; which of them it offers, too.
//!
//! | what | RFCs | module |
//! | --- | --- | --- |
//! | the base | 3501, 9051; 4466 (shapes of extensions) | [`command`], [`response`], [`extension`] |
//! | capabilities, codes | 5530 (response codes), 9585 (INPROGRESS), 9738 (MESSAGELIMIT), 9698 (JMAPACCESS) | [`capability`], [`code`] |
//! | referrals | 2193 (mailboxes), 2221 (logins) | [`code`], [`list`] |
//! | session | 2177 (IDLE), 2971 (ID), 4959 (SASL-IR), 4978 (COMPRESS), 5161 (ENABLE), 7888 (LITERAL+, LITERAL-), 8437 (UNAUTHENTICATE) | [`login`], [`id`], [`compress`], [`encode`] |
//! | languages | 5255 (LANGUAGE, COMPARATOR, I18NLEVEL), 6855 (UTF8=ACCEPT, UTF8=ONLY) | [`language`], [`mailbox`] |
//! | mailboxes | 2342 (NAMESPACE), 3348 (CHILDREN), 5258 (LIST-EXTENDED), 5819 (LIST-STATUS), 6154 (SPECIAL-USE), 8440 (LIST-MYRIGHTS), 9590 (LIST-METADATA) | [`list`], [`namespace`], [`create`] |
//! | their state | 7889 (APPENDLIMIT), 8438 (STATUS=SIZE), 5465 (NOTIFY) | [`status`], [`select`], [`notify`] |
//! | their properties | 4314 (ACL, RIGHTS=), 2087 and 9208 (QUOTA), 5464 (METADATA), draft-daboo-imap-annotatemore-05 | [`acl`], [`quota`], [`metadata`], [`annotation`] |
//! | searching | 4731 (ESEARCH), 5032 (WITHIN), 5182 (SEARCHRES), 5256 (SORT, THREAD), 5267 (CONTEXT, ESORT), 5466 (FILTERS), 5957 (SORT=DISPLAY), 6203 (SEARCH=FUZZY), 7377 (MULTISEARCH), 9394 (PARTIAL) | [`search`], [`partial`] |
//! | messages | 3516 (BINARY), 8474 (OBJECTID), 8514 (SAVEDATE), 8970 (PREVIEW), X-GM-EXT-1 | [`fetch`], [`store`], [`object_id`], [`label`] |
//! | coming and going | 3502 (MULTIAPPEND), 3691 (UNSELECT), 4315 (UIDPLUS), 4469 (CATENATE), 6851 (MOVE), 8508 (REPLACE) | [`append`], [`catenate`], [`replace`], [`copy`] |
//! | synchronising | 7162 (CONDSTORE, QRESYNC), 9586 (UIDONLY) | [`modseq`], [`select`], [`vanished`], [`response`] |
//! | URLs | 4467 (URLAUTH), 5092, 5524 (URLAUTH=BINARY) | [`url`], [`urlauth`] |
//! | a Cyrus cluster | the verbs of its inside, refused to users | [`peer`], [`verb`] |
//!
//! Not here: ANNOTATE (RFC 5257), CONVERT (RFC 5259), UIDBATCHES (RFC 10022), the replication protocol of Cyrus. Their
//! commands and data are read as unknown. How this crate compares with others is told in its README.

#![forbid(unsafe_code)]

pub mod acl;
pub mod annotation;
pub mod append;
pub mod capability;
pub mod catenate;
mod chars;
pub mod client;
pub mod code;
pub mod command;
pub mod compress;
pub mod copy;
pub mod create;
pub mod date;
mod enabled;
pub mod encode;
pub mod extension;
pub mod fetch;
pub mod flag;
pub mod id;
pub mod label;
pub mod language;
mod limits;
pub mod list;
pub mod login;
pub mod mailbox;
pub mod metadata;
pub mod modseq;
pub mod namespace;
pub mod notify;
mod numbers;
pub mod object_id;
pub mod parser;
pub mod partial;
pub mod peer;
mod quirks;
pub mod quota;
pub mod replace;
pub mod response;
mod runs;
mod scan;
pub mod search;
mod segments;
pub mod select;
pub mod sequence;
mod sequence_buf;
pub mod server;
mod short;
pub mod status;
pub mod store;
pub mod string;
mod tag;
pub mod tape;
pub mod token;
pub mod url;
pub mod urlauth;
mod utf7;
pub mod vanished;
pub mod verb;

pub use acl::{Acl, AclEntry, AclSubject, ListRights, MyRights, Rights, RightsAction, SetAcl};
pub use annotation::{Annotation, AnnotationEntries, Annotations, GetAnnotation, SetAnnotation};
pub use append::{Append, NewContent, NewMessage};
pub use capability::{Capability, CapabilityName};
pub use catenate::CatenatePart;
pub use code::{Code, Condition, ErrorCode, MetadataCode, Progress, Referral, Status, UrlKey};
pub use command::{Command, Numbering, TaggedCommand, UnknownCommand};
pub use compress::Compression;
pub use copy::Copying;
pub use create::{Create, CreateParameter, Rename};
pub use date::{Date, DateTime};
pub use enabled::Enabled;
pub use encode::{Encode, Encoder, Literals, Sink};
pub use extension::Extension;
pub use fetch::{
    Address, BodyPart, CommonExtension, Disposition, Envelope, Fetch, FetchAttribute, FetchItem,
    FetchModifier, MultiExtension, MultiPart, Parameter, PartKind, PartPath, Partial, Peek, PreviewDelay,
    Section, SectionText, SingleExtension, SinglePart,
};
pub use flag::{Flag, SettableFlag};
pub use id::{Id, IdField};
pub use label::GmailLabel;
pub use language::Comparator;
pub use limits::Limits;
pub use list::{
    ListAttribute, ListData, ListPatterns, ListQuery, ListReturn, ListSelection, ListedMailbox, Separator,
    SpecialUse,
};
pub use login::{Authenticate, Login, Mechanism};
pub use mail_wire::{ApiMisuse, Error, InvalidMessage, LimitExceeded, PeerIncompatible, PeerMisbehaved};
pub use mailbox::{ListPattern, MailboxName, Names};
pub use metadata::{
    GetMetadata, Metadata, MetadataDepth, MetadataEntries, MetadataEntry, MetadataOption, SetMetadata,
};
pub use modseq::ModSeq;
pub use namespace::{Namespace, NamespaceExtension, Namespaces};
pub use notify::{InitialStatus, Notify, NotifyEvent, NotifyEvents, NotifyFilter, NotifyGroup};
pub use object_id::ObjectId;
pub use parser::{Parsed, Parser, kind};
pub use partial::{Direction, PartialRange};
pub use peer::{LocalAppend, LocalCreate, Xfer};
pub use quirks::{Check, Quirk, QuirkCounts, Quirks};
pub use quota::{Quota, QuotaRoot, Resource, ResourceLimit, ResourceUsage, SetQuota};
pub use replace::Replace;
pub use response::Response;
pub use search::{
    Esearch, Multisearch, Search, SearchKey, SearchResult, SearchReturn, SearchSource, Sort, Thread,
    ThreadQuery, Threads,
};
pub use select::{Qresync, Select, SelectParameter};
pub use sequence::{NumberList, SequenceNumber, SequenceRange, SequenceSet};
pub use sequence_buf::SequenceSetBuf;
pub use status::{MailboxStatus, StatusItem, StatusQuery, StatusValue};
pub use store::{Store, StoreAction, StoreAnswer, StoreData};
pub use string::{Data, IString, Password, Text};
pub use tag::Tag;
pub use tape::{Item, List, One};
pub use token::{Hole, Span};
pub use url::{
    Access, Component, Expire, ImapUrl, UrlAuth, UrlBase, UrlHost, UrlMechanism, UrlMessage, UrlPartial,
    UrlServer, UrlUser, Verifier,
};
pub use urlauth::{ResetKey, UrlContent, UrlFound, UrlItem, UrlPart, UrlQuery, UrlRump, UrlText};
pub use vanished::{Gone, Vanished};
pub use verb::Verb;

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
