//! LMTP (RFC 2033) as sans-IO connection, client and server, over the SMTP codec.
//!
//! LMTP is SMTP without a queue: it hands mail to a store that must say at once, for each recipient, what became of
//! it. Two things differ, and this crate is those two: the hello is LHLO (EHLO and HELO get 500), and a message is
//! answered by **one reply for each accepted recipient**, in the order of their RCPTs. All else (grammar, limits,
//! TLS, logins, pipelining, timeouts) is [`smtp_proto`]'s, whose connections are generic over the [`Lmtp`] dialect.
//!
//! The number of replies is kept by types: the end of a message hands the owner a [`Deliveries`] duty, which becomes
//! [`Answered`], one reply for each, in one step. On the client's side each recipient gets one
//! [`Fate`](client::Event::Fate), with its own reply.
//!
//! In chunks (RFC 3030) each chunk has one reply, and the last one a reply for each accepted recipient. A client sends
//! that last one when those before were taken, so that the number is never in doubt.
//!
//! [`DeliveryId`] is an extension by which a sender and a store that know each other deliver exactly once.
//!
//! # A client and a server in memory
//!
//! ```
//! use std::time::Instant;
//! use lmtp_proto::{DeliveryId, Error, client, server};
//! use mail_wire::Connection as _;
//! use smtp_proto::{Domain, ForwardPath, MailParams, Reply, ReversePath};
//!
//! let now = Instant::now();
//! let mut config = server::Config::new(Domain::new("store.example")?);
//! config.extensions.push(DeliveryId::extension());
//! let mut server = server::Connection::new(config, now);
//! let mut config = client::Config::new(Domain::new("hub.example")?);
//! config.tls = client::TlsMode::Never;
//! let mut client = client::Connection::new(config, now);
//! server.greet()?;
//!
//! let (mut accepted, mut fates, mut done) = (Vec::new(), Vec::new(), false);
//! while !done {
//!     // Here a driver would read and write a socket.
//!     while let Some(bytes) = server.poll_transmit() { client.receive(&bytes, now); }
//!     while let Some(bytes) = client.poll_transmit() { server.receive(&bytes, now); }
//!     while let Some(event) = server.poll_event()? {
//!         match event {
//!             server::Event::Mail(ticket, _, params) => {
//!                 assert_eq!(DeliveryId::of(&params)?, Some(DeliveryId::new("42.1")?));
//!                 server.reply(ticket, &Reply::sender_ok())?;
//!             }
//!             server::Event::Rcpt(ticket, to, _) => {
//!                 accepted.push(to.local_part().to_owned());
//!                 server.reply(ticket, &Reply::recipient_ok())?;
//!             }
//!             server::Event::Data(ticket) => server.accept_data(ticket)?,
//!             server::Event::BodyEnd(deliveries) => {
//!                 let answered = deliveries.each(|place| match accepted[place].as_str() {
//!                     "full" => Reply::over_quota(),
//!                     _ => Reply::ok(),
//!                 });
//!                 server.reply_message(answered)?;
//!             }
//!             server::Event::Closed => done = true,
//!             _ => {}
//!         }
//!     }
//!     while let Some(event) = client.poll_event()? {
//!         match event {
//!             client::Event::Ready(capabilities) => {
//!                 let mut params = MailParams::default();
//!                 DeliveryId::new("42.1")?.attach(&mut params, &capabilities);
//!                 let recipients = vec!["bob@example".parse()?, ForwardPath::local("full")?.into()];
//!                 client.send(client::Envelope { reverse_path: ReversePath::Null, params, recipients })?;
//!             }
//!             client::Event::BodyWanted => {
//!                 client.body_chunk(&"Subject: hello\r\n\r\n".into())?;
//!                 client.body_end()?;
//!             }
//!             client::Event::Fate { recipient, reply, .. } => fates.push((recipient, reply.code().value())),
//!             client::Event::TransactionEnd => client.quit()?,
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(fates, [(0, 250), (1, 452)]);
//! # Ok::<(), Error>(())
//! ```

#![forbid(unsafe_code)]

mod deliveries;
mod delivery_id;

pub use deliveries::{Answered, Deliveries, Lmtp};
pub use delivery_id::{DeliveryId, KEYWORD};
pub use mail_wire::Error;

/// The server's side: [`smtp_proto::server`] in the LMTP dialect.
pub mod server {
    pub use smtp_proto::server::{AuthFailure, AuthPolicy, Config, StartTls};

    use crate::Lmtp;

    /// A server connection. The methods and their contract are those of [`smtp_proto::server::Machine`]; a message
    /// is answered with [`reply_message`](smtp_proto::server::Machine::reply_message).
    pub type Connection = smtp_proto::server::Machine<Lmtp>;
    /// What a client asked for; `BodyEnd` carries [`Deliveries`](crate::Deliveries).
    pub type Event = smtp_proto::server::Event<Lmtp>;
}

/// The client's side: [`smtp_proto::client`] in the LMTP dialect.
pub mod client {
    pub use smtp_proto::client::{Chunking, Closed, Config, Envelope, Event, Recipient, Stage, TlsMode};

    use crate::Lmtp;

    /// A client connection. The methods and their contract are those of [`smtp_proto::client::Machine`]; the fate
    /// of each accepted recipient comes with a reply of its own.
    pub type Connection = smtp_proto::client::Machine<Lmtp>;
}
