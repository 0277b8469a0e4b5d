//! MUPDATE (RFC 3656), the protocol by which the servers of a mail cluster share one mailbox list: sans-IO codec and
//! connections for both sides, on the wire of Cyrus 3.6.
//!
//! A back-end reserves and activates names at the master; every front-end keeps a replica that the master feeds by an
//! update stream. This crate knows the protocol and nothing of the list: bytes and time come in, events and bytes
//! go out.
//!
//! # Layers
//!
//! 1. Framing is [`mail_wire::LiteralFramer`]: lines with literals inside, every limit in one place ([`ServerLimits`],
//!    [`ClientLimits`]).
//! 2. Grammar: [`Command`], [`Response`], [`Banner`], each with parser and encoder. Names, locations and ACLs are
//!    slices of what was read ([`MailboxName`], [`Location`], [`Acl`]); encoders quote what can be quoted and cannot be
//!    made to emit a stray line end.
//! 3. Connections: [`server::Connection`] and [`client::Connection`], which know who may say what when. A slave takes in a
//!    long list by [`client::Connection::poll_entry`], as [`EntryView`]s of the read buffer.
//!
//! # Both sides in memory
//!
//! ```
//! use std::time::Instant;
//! use mail_wire::{Connection as _, PlaintextLogin, Secret, Text, TlsActive, TlsMode, sasl, testing::pump};
//! use mupdate_proto::{Change, Command, Location, MailboxName, Status, client, server};
//!
//! let now = Instant::now();
//! let mut config = server::Config::new("master.example")?;
//! config.plaintext_login = PlaintextLogin::DangerAllow;
//! let mut server = server::Connection::new(config, now);
//! let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
//! server.greet()?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! assert!(matches!(client.poll_event()?, Some(client::Event::Greeting(_))));
//!
//! // The client logs in; the server's owner checks the password.
//! let credentials = sasl::Credentials {
//!     authcid: sasl::Authcid::new(b"be1")?,
//!     authzid: None,
//!     password: Secret::new(b"secret".to_vec()),
//! };
//! client.login_plain(&credentials, TlsActive::danger_assume_protected())?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! let Some(server::Event::Authenticate { ticket, initial, .. }) = server.poll_event()? else { panic!() };
//! let mut exchange = sasl::ServerExchange::new(sasl::Mechanism::Plain);
//! let step = exchange.start(initial.as_ref().map(|message| message.expose().as_slice()))?;
//! assert!(matches!(step, sasl::Step::Done(_)));
//! server.auth_ok(ticket)?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! assert_eq!(client.poll_event()?, Some(client::Event::Authenticated));
//!
//! // It takes a name; the server's owner writes that down and says so.
//! let change = Change::Reserve { name: MailboxName::new("user.alice")?, location: Location::new("be1!default")? };
//! let id = client.send(&Command::Change(change.clone()))?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! let Some(server::Event::Change(ticket, asked)) = server.poll_event()? else { panic!() };
//! assert_eq!(asked, change);
//! server.reply(ticket, Status::Ok, &Text::constant("done"))?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! let done = client::Event::Completed { command: id, outcome: client::Outcome::Ok, text: "done".into() };
//! assert_eq!(client.poll_event()?, Some(done));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from the RFC, and why
//!
//! Cyrus is the only other implementation, so where it and the RFC part, a real peer decides. Mechanisms are quoted in
//! the banner and in AUTHENTICATE. SASL messages are bare base64 lines without `+ `. An atom where a string belongs is
//! refused. The order of LIST and UPDATE is [`mailbox_order`], and a server sends no entry out of it. Strings to clients
//! are quoted wherever they can be. A location may have an empty partition. PARTIAL-UPDATE is offered, COMPRESS if
//! the owner can do it.
//! A bare LF ends no line, though Cyrus takes it.

#![forbid(unsafe_code)]

mod banner;
pub mod client;
mod command;
mod entry;
mod limits;
mod line;
mod response;
pub mod server;
mod string;
mod tag;

pub use banner::{BANNER_STRING_BYTES_MAX, Banner, BannerString, Identity, MECHANISMS_MAX, Role};
pub use command::{BadCommand, BadCommandKind, Change, Command, UPDATE_SERVERS_MAX};
pub use entry::{
    ACL_BYTES_MAX, Acl, EntryState, EntryView, Location, LocationPrefix, MailboxEntry, MailboxName,
    NAME_BYTES_MAX, ServerName, mailbox_order,
};
pub use limits::{ClientLimits, ClientTimeouts, ServerLimits, ServerTimeouts};
pub use mail_wire::Error;
pub use response::{Response, Status};
pub use string::LINE_BYTES_MAX;
pub use tag::Tag;
