//! POP3 (RFC 1939) with CAPA and response codes (RFC 2449, RFC 3206), STLS (RFC 2595), SASL (RFC 1734, RFC 5034), APOP,
//! UTF8 and LANG (RFC 6856) and pipelining: sans-IO codec and connections for both sides.
//!
//! This crate knows the protocol and nothing of maildrops: bytes and time come in, events and bytes go out. Listings
//! and messages are streamed both ways, never collected.
//!
//! # Layers
//!
//! 1. Framing is [`mail_wire::LineFramer`] and, for messages, [`mail_wire::DotReader`] and [`mail_wire::DotWriter`].
//! 2. Grammar: [`Command`], [`Reply`], [`Capability`], [`ScanListing`], [`UniqueIdListing`], [`LanguageListing`], each with
//!    parser and encoder.
//! 3. Connections: [`server::Connection`] and [`client::Connection`], through the states AUTHORIZATION, TRANSACTION and
//!    UPDATE; [`relay::Relay`] joins one of each to a proxy.
//!
//! # Both sides in memory
//!
//! ```
//! use std::time::Instant;
//! use mail_wire::{Connection as _, PlaintextLogin, Text, TlsActive, TlsMode, testing::pump};
//! use pop3_proto::{MaildropCommand, MessageNumber, Password, UserName, client, server};
//!
//! let now = Instant::now();
//! let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
//! let mut server = server::Connection::new(config, now);
//! let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
//! server.greet(&Text::constant("ready"))?;
//! while pump(&mut server, &mut client, usize::MAX, now) > 0 {
//!     if let Some(server::Event::Login(ticket, credentials)) = server.poll_event()? {
//!         assert_eq!(credentials.password.expose(), b"secret");
//!         server.auth_ok(ticket, &Text::constant("1 message"))?;
//!     }
//!     if let Some(client::Event::Greeting(greeting)) = client.poll_event()? {
//!         assert!(greeting.capabilities.contains(&pop3_proto::Capability::Uidl));
//!         let (name, password) = (UserName::new(b"alice")?, Password::new(b"secret")?);
//!         client.login(name, password, TlsActive::danger_assume_protected())?;
//!     }
//! }
//! assert!(client.is_logged_in());
//!
//! // A message, streamed.
//! let first = MaildropCommand::Retr(MessageNumber::new(1).unwrap());
//! client.send(first)?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! let Some(server::Event::Maildrop(ticket, command)) = server.poll_event()? else { panic!() };
//! assert_eq!(command, first);
//! let reply = server.begin(ticket, &Text::constant("message follows"))?;
//! server.body(&reply, &"Subject: dots\r\n\r\n.".into())?;
//! server.body(&reply, &"\r\n".into())?;
//! server.end(reply)?;
//! pump(&mut server, &mut client, usize::MAX, now);
//! let mut message = Vec::new();
//! while let Some(event) = client.poll_event()? {
//!     if let client::Event::Chunk(bytes) = event {
//!         message.extend_from_slice(&bytes);
//!     }
//! }
//! assert_eq!(message, b"Subject: dots\r\n\r\n.\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the owner brings
//!
//! | for | it gives |
//! | --- | --- |
//! | APOP | a [`Timestamp`](apop::Timestamp) with the greeting, and MD5: a hash function is no business of a protocol |
//! | SASL | the steps of the mechanism; PLAIN and LOGIN are in [`mail_wire::sasl`] |
//! | LANG | [`server::Language`]s and its own texts in them; the connection's few words stay English |
//! | UTF8 | messages in UTF-8, or [`ResponseCode::Utf8`] to a client that has not asked for them |
//! | STLS | the handshake |
//! | peers that are wrong | [`Quirks`]: none is overlooked unless asked for by name, and each is counted |
//!
//! Limits are in [`ServerLimits`] and [`ClientLimits`], each with its default and the reason.

#![forbid(unsafe_code)]

pub mod apop;
mod capability;
pub mod client;
mod command;
mod language;
mod limits;
mod number;
mod quirks;
pub mod relay;
mod reply;
pub mod server;

pub use capability::{CAPABILITIES_MAX, Capabilities, Capability, Scope};
pub use command::{BadCommand, Command, MaildropCommand, Password, UserName};
pub use language::{LANGUAGES_MAX, LanguageListing, LanguageRange, LanguageTag};
pub use limits::{ClientLimits, ClientTimeouts, ServerLimits, ServerTimeouts};
pub use mail_wire::Error;
pub use number::{DropListing, ListingView, MessageNumber, ScanListing, UniqueId, UniqueIdListing};
pub use quirks::{Quirk, Quirks, QuirksMet};
pub use reply::{OtherCode, Reply, ReplyStatus, ResponseCode};
