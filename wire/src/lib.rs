//! What the line-based mail protocols share.
//!
//! IMAP, POP3, SMTP, LMTP and MUPDATE differ in grammar, but the ground they stand on is one: lines ended by
//! CRLF, literals announced by a count, bodies ended by a lone dot, a TLS handshake in the middle of a stream,
//! SASL exchanges in base64. Most of the well-known holes of mail software were dug in this ground, so here it is
//! laid once, with every limit in one place, and the five protocol crates build on it.
//!
//! # The contract of a connection
//!
//! Each protocol crate has a `client::Connection` and a `server::Connection`; all ten implement [`Connection`].
//! They do no I/O, hold no clock, start no thread and call nobody back. **Every mutation is followed by a full
//! drain**: after any call that changes the connection (bytes received, a reply given, a command sent, a timer
//! fired), call [`Connection::poll_event`] until it returns `Ok(None)` and [`Connection::poll_transmit`] until it
//! returns `None`. [`Connection::poll_timeout`] is valid until the next mutation.
//!
//! ```text
//!   bytes, time --> receive() --.                 .--> poll_event()     what the peer asked or answered
//!                                > one connection <
//!   replies, commands ---------'                  '--> poll_transmit()  bytes for the peer
//!                                                      poll_timeout()   when to call handle_timeout()
//! ```
//!
//! # Layers
//!
//! | layer | here | looks at |
//! | --- | --- | --- |
//! | input | [`Input`] | bytes that wait; the TLS gate |
//! | framing | [`LineFramer`], [`LiteralFramer`], [`DotReader`], [`DotWriter`], [`ChunkReader`], [`ChunkWriter`] | each byte once |
//! | obligations | [`Ticket`], [`Ledger`] | one reply for each command |
//! | output | [`Outbox`] | slices on their way out |
//! | what is left of a connection | [`Core`] | the deadline, the end |
//!
//! Nothing here knows a verb of any protocol.

#![forbid(unsafe_code)]

mod connection;
mod core;
mod decimal;
mod dot;
mod error;
mod escape;
mod foreign;
mod input;
mod line;
mod literal;
mod outbox;
pub mod sasl;
mod secret;
pub mod testing;
mod text;
mod ticket;

pub use connection::{Connection, PlaintextLogin, StartTls, TlsActive, TlsMode};
pub use core::Core;
pub use decimal::Decimal;
pub use dot::{BareLineEnd, BodyPart, BodySlice, ChunkReader, ChunkWriter, DotReader, DotWriter};
pub use error::{ApiMisuse, Error, InvalidMessage, LimitExceeded, PeerIncompatible, PeerMisbehaved};
pub use escape::Escaped;
pub use foreign::is_foreign_protocol;
pub use input::Input;
pub use line::{Line, LineEnd, LineFramer, LineLimits};
pub use literal::{Announced, FrameLimits, Keep, LiteralForm, LiteralFramer, LiteralId, LiteralMode, Part};
pub use outbox::Outbox;
pub use secret::Secret;
pub use text::Text;
pub use ticket::{Ledger, Ticket};
