//! SMTP (RFC 5321) as sans-IO codec and connection, client and server.
//!
//! The crate opens no socket, knows no clock and no runtime. Bytes and time go in, typed events and bytes come out;
//! what carries the bytes is the embedder's choice. LMTP is the same machine with another [`Dialect`]; its crate is
//! `lmtp-proto`.
//!
//! # Layers
//!
//! Each is public and usable alone.
//!
//! 1. **Framing** is [`mail_wire`]'s: lines ended by CRLF, messages ended by CRLF.CRLF, the TLS gate.
//! 2. **Grammar**: total functions from a line to a typed view and back, one file for each piece. [`Command`],
//!    [`MailParam`], [`ReplyRef`] borrow from the bytes and cost no allocation; [`Address`], [`ReversePath`],
//!    [`MailParams`], [`Reply`], [`Capabilities`] own their text. A value that exists can be written, and reads back as
//!    it was.
//! 3. **Connection**: [`server::Connection`] and [`client::Connection`] know who may speak when. Both implement
//!    [`mail_wire::Connection`] and keep its contract: **every mutation is followed by a full drain** of events and
//!    output.
//!
//! # A client and a server in memory
//!
//! ```
//! use std::time::Instant;
//! use mail_wire::Connection as _;
//! use smtp_proto::{Domain, Error, MailParams, Reply, ReversePath, client, server};
//!
//! let now = Instant::now();
//! let mut server = server::Connection::new(server::Config::new(Domain::new("mx.example")?), now);
//! let mut config = client::Config::new(Domain::new("client.example")?);
//! config.tls = client::TlsMode::Never;
//! let mut client = client::Connection::new(config, now);
//! server.greet()?;
//!
//! let (mut message, mut done) = (Vec::new(), false);
//! while !done {
//!     // Here a driver would read and write a socket.
//!     while let Some(bytes) = server.poll_transmit() { client.receive(&bytes, now); }
//!     while let Some(bytes) = client.poll_transmit() { server.receive(&bytes, now); }
//!     while let Some(event) = server.poll_event()? {
//!         match event {
//!             server::Event::Mail(ticket, from, _) => {
//!                 assert_eq!(from, ReversePath::Null);
//!                 server.reply(ticket, &Reply::sender_ok())?;
//!             }
//!             server::Event::Rcpt(ticket, to, _) if to.local_part() == "bob" => {
//!                 server.reply(ticket, &Reply::recipient_ok())?;
//!             }
//!             server::Event::Rcpt(ticket, ..) => server.reply(ticket, &Reply::no_such_mailbox())?,
//!             server::Event::Data(ticket) => server.accept_data(ticket)?,
//!             server::Event::Chunk(bytes) => message.extend_from_slice(&bytes),
//!             // Here the message would go to disk first.
//!             server::Event::BodyEnd(ticket) => server.reply(ticket, &Reply::ok())?,
//!             server::Event::Closed => done = true,
//!             _ => {}
//!         }
//!     }
//!     while let Some(event) = client.poll_event()? {
//!         match event {
//!             client::Event::Ready(_) => client.send(client::Envelope {
//!                 reverse_path: ReversePath::Null,
//!                 params: MailParams::default(),
//!                 recipients: vec!["bob@example".parse()?, "eve@example".parse()?],
//!             })?,
//!             client::Event::BodyWanted => {
//!                 client.body_chunk(&"Subject: hello\r\n\r\n.\r\n".into())?;
//!                 client.body_end()?;
//!             }
//!             client::Event::Fate { recipient, reply, .. } => {
//!                 assert_eq!(reply.code().value(), [250, 550][recipient]);
//!             }
//!             client::Event::TransactionEnd => client.quit()?,
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(message, b"Subject: hello\r\n\r\n.\r\n");
//! # Ok::<(), Error>(())
//! ```
//!
//! # Limits and refusals
//!
//! Whatever a peer can make large has a limit with a name and a default: see [`Limits`] and [`Timeouts`]. A message is
//! never collected here; it passes in slices of the read buffer. A bare CR or LF ends the connection unless
//! `danger_normalize` semantics are asked for ([`mail_wire::BareLineEnd`]); passwords need TLS unless
//! [`mail_wire::PlaintextLogin::DangerAllow`] is; a client that sends before its turn is cut off.
//!
//! # Documents
//!
//! RFC 5321; SIZE (1870), PIPELINING (2920), 8BITMIME (6152), CHUNKING and BINARYMIME (3030), ENHANCEDSTATUSCODES (2034,
//! 3463), STARTTLS (3207), AUTH (4954), DSN (3461), SMTPUTF8 (6531), REQUIRETLS (8689), DELIVERBY (2852), FUTURERELEASE
//! (4865), MT-PRIORITY (6710), RRVS (7293), LIMITS (9422), BURL (4468), NO-SOLICITING (3865), ETRN (1985), and Postfix's
//! XCLIENT and XFORWARD: typed in the grammar, both ways. Which of them a server offers is
//! [`server::Config::extensions`]; what their parameters ask for is its owner's to do. Parameters and keywords of other
//! extensions are kept as they are.

#![forbid(unsafe_code)]

mod address;
mod attributes;
mod body;
mod capabilities;
mod chars;
pub mod client;
mod code;
mod command;
mod deliver_by;
mod dialect;
mod dsn;
mod extension;
mod future_release;
mod limits;
mod params;
mod path;
mod priority;
mod reply;
mod reply_ref;
mod rrvs;
pub mod server;
mod session_limits;
mod solicitation;
mod submitter;
mod timestamp;
mod xtext;

pub use address::{
    Address, DOMAIN_BYTES_MAX, Domain, ForwardPath, LABEL_BYTES_MAX, LOCAL_PART_BYTES_MAX, LocalPart,
    ReversePath,
};
pub use attributes::{AttributeName, AttributeValue, Attributes};
pub use body::Body;
pub use capabilities::Capabilities;
pub use code::{Code, EnhancedCode, Subject, Verdict};
pub use command::{Argument, AttributesRef, Command, InitialResponse, InvalidCommand, Last, Word};
pub use deliver_by::{DeliverBy, LateMode, Traced};
pub use dialect::{Dialect, Protocol, Smtp};
pub use dsn::{EnvelopeId, Notify, OriginalRecipient, OriginalRecipientRef, Ret};
pub use extension::{Extension, OtherExtension};
pub use future_release::{FutureRelease, Hold, HoldSeconds};
pub use limits::{Limits, Timeouts};
pub use mail_wire::{Error, Ticket};
pub use params::{MailParam, MailParams, OtherParam, Param, Params, RcptParam, RcptParams};
pub use path::{ForwardPathRef, LocalPartRef, Mailbox, ReversePathRef};
pub use priority::Priority;
pub use reply::{Reply, ReplyReader, TEXT_BYTES_MAX, Text};
pub use reply_ref::{ReplyLine, ReplyRef};
pub use rrvs::{Rrvs, RrvsOtherwise};
pub use session_limits::SessionLimits;
pub use solicitation::Solicitation;
pub use submitter::Submitter;
pub use timestamp::Timestamp;
pub use xtext::{Xtext, encode_xtext};
