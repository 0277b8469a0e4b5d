//! LIST, LSUB and their relations, both ways: what is asked ([`ListQuery`]) and what is told ([`ListedMailbox`]) with
//! [`attributes`](ListAttribute).
//!
//! RFC 3501 6.3.8 and 7.2.2, CHILDREN (RFC 3348), LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819), SPECIAL-USE (RFC
//! 6154), LIST-MYRIGHTS (RFC 8440), LIST-METADATA (RFC 9590). RLIST and RLSUB (RFC 2193) take what LSUB takes, and so
//! does XLIST, which came before SPECIAL-USE. Options and data that are not known are kept as they came.
//!
//! ```
//! use imap_proto::{Command, ListAttribute, ListReturn, Parser, Response, SpecialUse};
//! let mut parser = Parser::new();
//! let tagged = parser.command(b"a LIST (SUBSCRIBED) \"\" (INBOX Work/%) RETURN (CHILDREN STATUS (UNSEEN))")?;
//! let Command::List(query) = tagged.command else { panic!() };
//! let patterns: Vec<_> = query.patterns.iter().map(|pattern| pattern.to_utf8()).collect();
//! assert_eq!(patterns, ["INBOX", "Work/%"]);
//! assert_eq!(query.returned.iter().next(), Some(ListReturn::Children));
//!
//! let response = parser.response(b"* LIST (\\Sent \\HasNoChildren) \"/\" \"Sent Mail\"")?;
//! let Response::List(listed) = response else { panic!() };
//! assert_eq!(listed.mailbox.to_utf8(), "Sent Mail");
//! assert_eq!(listed.attributes.iter().next(), Some(ListAttribute::Use(SpecialUse::Sent)));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

mod attribute;
mod listed;
mod query;

pub use attribute::{AttributeName, ListAttribute, Separator, SpecialUse};
pub use listed::{ListData, ListedMailbox};
pub use query::{ListPatterns, ListQuery, ListReturn, ListSelection};
