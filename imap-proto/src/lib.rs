//! IMAP4rev1 (RFC 3501) as grammar and connections, for clients, servers and what stands between them. No socket, no
//! clock, no runtime.
//!
//! # Layers
//!
//! Each is public and usable alone.
//!
//! 1. **Framing** is `mail_wire::LiteralFramer`: commands and responses with their literals, kept or streamed.
//! 2. **Grammar** is here: [`Parser`] scans a frame once to a tape of tokens; [`Command`] and [`Response`] are views
//!    that read the tape and borrow from the frame; [`Parsed`] is frame and tape as a value to keep. Everything that
//!    can be read can be written by [`Encode`], and comes back as it was.
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
//! 3501, and 2087 and 9208 (QUOTA), 2177 (IDLE), 2342 (NAMESPACE), 2971 (ID), 3348 (CHILDREN), 3691 (UNSELECT), 4314
//! (ACL, RIGHTS=), 4315 (UIDPLUS), 4959 (SASL-IR), 4978 (COMPRESS), 8437 (UNAUTHENTICATE), 5161 (ENABLE), 5530
//! (response codes), 6154 (SPECIAL-USE, CREATE-SPECIAL-USE), 6851 (MOVE), 7888 (LITERAL+, LITERAL-). Searching: 4731
//! (ESEARCH), 5032 (WITHIN), 5182 (SEARCHRES), 5256 (SORT, THREAD), 5267 (CONTEXT, ESORT), 5466 (FILTERS), 5957
//! (SORT=DISPLAY), 6203 (SEARCH=FUZZY), 7377 (MULTISEARCH), 9394 (PARTIAL). Messages: 3502 (MULTIAPPEND), 3516
//! (BINARY), 4467 and 5524 (URLAUTH), 4469 (CATENATE), 5092 (URLs), 6855 (APPEND with UTF8), 7162 (CONDSTORE,
//! QRESYNC), 8474 (OBJECTID), 8508 (REPLACE), 8514 (SAVEDATE), 8970 (PREVIEW), 9586 (UIDFETCH), X-GM-EXT-1. What is
//! not known is kept as typed unknowns with their spans.

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
