//! The client's side of a connection (RFC 5321 3 and 4.5.3.2, RFC 2920, RFC 3207, RFC 4954).
//!
//! The connection says hello by itself when the greeting comes, falls back from EHLO to HELO, and asks for TLS as
//! [`TlsMode`] says; [`Event::Ready`] tells that mail can be sent. [`send`](Connection::send) then carries out one
//! transaction: MAIL, all RCPTs and DATA in one group where the server announces PIPELINING, one by one where not.
//! The message itself is streamed in by [`body_chunk`](Connection::body_chunk); it is dot-stuffed and its line ends
//! are canonicalised on the way (F2, F3). An owner that streams pauses while
//! [`transmit_bytes`](mail_wire::Connection::transmit_bytes) is high.
//!
//! **Each recipient gets exactly one [`Event::Fate`]**, whatever happened: MAIL, RCPT or DATA refused, the message
//! refused or accepted, or 421 in between. Only when the connection is lost do recipients stay without one; theirs is
//! unknown, and the message should be tried again.
//!
//! What a server must not do ends the connection with an error: bytes behind the reply to STARTTLS (T3), replies to
//! what was not asked or not yet sent (T4), codes that make no sense. A 421 is taken at any time.

mod config;
mod envelope;
mod event;
mod session;
mod transaction;

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::sasl::{self, Credentials, Mechanism};
use mail_wire::{ApiMisuse, Core, Error, LineFramer, LineLimits, PeerIncompatible, Secret, TlsActive};

pub use config::{Config, TlsMode};
pub use envelope::{Envelope, Recipient};
pub use event::{Closed, Event, Stage};

use crate::dialect::{Dialect, Smtp};
use crate::extension::Capabilities;
use crate::reply::ReplyReader;

/// What the next bytes from the server are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Replies.
    Replies,
    /// A TLS handshake.
    Tls,
}

/// A reply that is due.
#[derive(Debug)]
struct Due {
    what: What,
    /// Where its command ends in the stream of bytes sent; a reply that comes before these left is none (T4).
    sent_at: u64,
    /// Bytes of the server waited when the command was made, with no other due: they cannot be the reply (T4).
    is_late: bool,
}

#[derive(Debug)]
enum What {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// Messages of the exchange that are still to be sent, last first.
    Auth(Vec<Secret<Vec<u8>>>),
    Mail,
    Rcpt(usize),
    Data,
    /// The reply to a message, for all accepted recipients.
    Message,
    /// The reply to a message, for one.
    Delivery(usize),
    Rset,
    Noop,
    Quit,
}

/// An SMTP client connection.
pub type Connection = Machine<Smtp>;

/// A client connection of SMTP or LMTP.
#[derive(Debug)]
pub struct Machine<D: Dialect> {
    config: Config,
    core: Core,
    framer: LineFramer,
    replies: ReplyReader,
    due: VecDeque<Due>,
    events: VecDeque<Event>,
    phase: Phase,
    /// Set once the session is ready.
    capabilities: Option<Capabilities>,
    transaction: Option<transaction::Transaction>,
    /// Bytes handed to the transport so far.
    sent: u64,
    /// The owner has asked for something since the clock was last seen: the server's silence begins then.
    spoke: bool,
    dialect: PhantomData<D>,
}

impl<D: Dialect> Machine<D> {
    /// A connection that was opened at `now` and waits for the greeting. Where TLS comes first, call `tls_started`
    /// before anything is received.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let limits = LineLimits {
            line_bytes_max: config.limits.reply_line_bytes_max,
            drain_bytes_max: config.limits.drain_bytes_max,
        };
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.greeting));
        Self {
            config,
            core,
            framer: LineFramer::new(limits),
            replies: ReplyReader::new(),
            due: VecDeque::from([Due { what: What::Greeting, sent_at: 0, is_late: false }]),
            events: VecDeque::new(),
            phase: Phase::Replies,
            capabilities: None,
            transaction: None,
            sent: 0,
            spoke: false,
            dialect: PhantomData,
        }
    }

    /// What the server can do, once the session is ready.
    #[must_use]
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// True when a message, a login, NOOP or QUIT may be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.capabilities.is_some()
            && self.due.is_empty()
            && self.transaction.is_none()
            && !self.core.is_closing()
    }

    /// Logs in, with PLAIN or else LOGIN.
    ///
    /// # Errors
    /// `ApiMisuse` unless the connection [is idle](Self::is_idle); `PeerIncompatible` if the server offers neither
    /// mechanism, or only LOGIN where the credentials act as somebody else. The connection stays as it was.
    pub fn login(&mut self, credentials: &Credentials, _proof: TlsActive) -> Result<(), Error> {
        let capabilities = self.ready()?;
        let plain = capabilities.has_mechanism(Mechanism::Plain.name());
        let login = capabilities.has_mechanism(Mechanism::Login.name());
        if plain {
            let message = sasl::plain_message(credentials);
            // The command line has its limit of 512 bytes with an initial response too (RFC 4954 4).
            let encoded = sasl::encode(message.expose());
            let initial = encoded.expose().len() <= 512 - "AUTH PLAIN \r\n".len();
            let line = if initial {
                format!("AUTH PLAIN {}\r\n", encoded.expose())
            } else {
                "AUTH PLAIN\r\n".into()
            };
            self.command(line.as_bytes(), What::Auth(if initial { Vec::new() } else { vec![message] }));
        } else if !login {
            return Err(PeerIncompatible::Missing("AUTH PLAIN or LOGIN").into());
        } else if credentials.authzid.is_some() {
            return Err(PeerIncompatible::Inexpressible("LOGIN cannot act as another user").into());
        } else {
            let name = Secret::new(credentials.authcid.as_str().as_bytes().to_vec());
            self.command(b"AUTH LOGIN\r\n", What::Auth(vec![credentials.password.clone(), name]));
        }
        self.spoke = true;
        Ok(())
    }

    /// Says NOOP.
    pub fn noop(&mut self) -> Result<(), ApiMisuse> {
        self.ready()?;
        self.command(b"NOOP\r\n", What::Noop);
        self.spoke = true;
        Ok(())
    }

    /// Says QUIT; the connection closes with the reply.
    pub fn quit(&mut self) -> Result<(), ApiMisuse> {
        self.ready()?;
        self.command(b"QUIT\r\n", What::Quit);
        self.spoke = true;
        Ok(())
    }

    /// Closes without a word: the only way out of a message that cannot be completed.
    pub fn abort(&mut self) {
        self.core.close();
        self.due.clear();
        self.transaction = None;
    }

    /// The capabilities, if the connection is idle.
    fn ready(&self) -> Result<&Capabilities, ApiMisuse> {
        match &self.capabilities {
            Some(capabilities) if self.is_idle() => Ok(capabilities),
            _ => Err(ApiMisuse::WrongState("the connection is not idle")),
        }
    }

    /// Sends a line and notes which reply is due.
    fn command(&mut self, line: &[u8], what: What) {
        self.core.out.put(line);
        self.expect(what);
    }

    fn expect(&mut self, what: What) {
        let sent_at = self.sent.saturating_add(self.core.out.bytes() as u64);
        let is_late = self.due.is_empty() && (!self.core.input.is_empty() || self.replies.is_partial());
        self.due.push_back(Due { what, sent_at, is_late });
        self.set_timeout();
    }

    /// The deadline for the reply that is due next.
    fn set_timeout(&mut self) {
        let timeouts = &self.config.timeouts;
        let timeout = self.due.front().map(|due| match due.what {
            What::Greeting => timeouts.greeting,
            What::Data => timeouts.data_reply,
            What::Message | What::Delivery(_) => timeouts.message_reply,
            _ => timeouts.reply,
        });
        self.core.set_timeout(timeout);
    }
}

impl<D: Dialect> mail_wire::Connection for Machine<D> {
    type Event = Event;

    fn buffer(&mut self) -> &mut BytesMut {
        self.core.buffer()
    }

    fn received(&mut self, now: Instant) {
        self.core.received(now);
    }

    fn receive_eof(&mut self) {
        self.core.receive_eof();
    }

    fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        self.advance()
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        let bytes = self.core.poll_transmit()?;
        self.sent = self.sent.saturating_add(bytes.len() as u64);
        Some(bytes)
    }

    fn transmit_bytes(&self) -> usize {
        self.core.transmit_bytes()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if std::mem::take(&mut self.spoke) {
            self.core.touch(now);
        }
        self.core.handle_timeout(now);
    }

    fn tls_started(&mut self, now: Instant) {
        let asked = self.phase == Phase::Tls;
        self.core.tls_started(now);
        self.phase = Phase::Replies;
        // What the server said in the clear was said by nobody (T6).
        self.capabilities = None;
        if asked && self.core.failure().is_none() {
            self.hello();
        }
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
