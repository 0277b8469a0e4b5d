//! The client's side of a connection (RFC 5321 3 and 4.5.3.2, RFC 2920, RFC 3207, RFC 4954).
//!
//! The connection says hello by itself when the greeting comes, falls back from EHLO to HELO, and asks for TLS as
//! [`TlsMode`] says; [`Event::Ready`] tells that mail can be sent. [`send`](Connection::send) then carries out one
//! transaction: MAIL, all RCPTs and DATA in one group where the server announces PIPELINING, one by one where not. What
//! the server announces as LIMITS (RFC 9422) is kept: an envelope above it is not begun.
//! The message itself is streamed in by [`body_chunk`](Connection::body_chunk); it is dot-stuffed and its line ends
//! are canonicalised on the way (F2, F3). An owner that streams pauses while
//! [`transmit_bytes`](mail_wire::Connection::transmit_bytes) is high. Where [`Chunking`] says so the message leaves by
//! BDAT, each piece that the owner hands over as one chunk.
//!
//! **Each recipient gets exactly one [`Event::Fate`]**, whatever happened: MAIL, RCPT or DATA refused, the message
//! refused or accepted, or 421 in between. Only when the connection is lost do recipients stay without one; theirs is
//! unknown, and the message should be tried again.
//!
//! What a server must not do ends the connection with an error: bytes behind the reply to STARTTLS (T3), replies to
//! what was not asked or not yet sent (T4), codes that make no sense. A 421 is taken at any time.

mod auth;
mod config;
mod content;
mod envelope;
mod event;
mod expressible;
mod session;
mod transaction;

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::{ApiMisuse, Core, Error, LineFramer, LineLimits, PeerIncompatible, Secret, TlsActive};

pub use config::{Chunking, Config, TlsMode};
pub use envelope::{Envelope, Recipient};
pub use event::{Closed, Event, Stage};

use crate::attributes::Attributes;
use crate::capabilities::Capabilities;
use crate::command::Command;
use crate::dialect::{Dialect, Smtp};
use crate::extension::Extension;
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
    /// A step of an exchange that the owner makes; an initial response that was too long to stand in the command.
    Sasl(Option<Secret<Vec<u8>>>),
    /// `*`, which ends an exchange.
    Cancelled,
    Mail,
    Rcpt(usize),
    Data,
    /// A chunk that is not the last.
    Chunk,
    /// The reply to a message, for all accepted recipients.
    Message,
    /// The reply to a message, for one.
    Delivery(usize),
    Rset,
    Noop,
    Answer,
    XClient,
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
    /// A challenge waits for the owner's response.
    challenged: bool,
    /// Transactions of this session.
    mails: u32,
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
            challenged: false,
            mails: 0,
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
            && !self.challenged
            && !self.core.is_closing()
    }

    /// Says NOOP.
    pub fn noop(&mut self) -> Result<(), ApiMisuse> {
        self.ready()?;
        self.command(b"NOOP\r\n", What::Noop);
        self.spoke = true;
        Ok(())
    }

    /// Asks what has no consequence for mail: VRFY, EXPN, HELP, ETRN, XFORWARD. The reply is [`Event::Answer`].
    ///
    /// # Errors
    /// `ApiMisuse` unless the connection [is idle](Self::is_idle), and for any other command; `PeerIncompatible` for ETRN
    /// and XFORWARD, and for a question that is not ASCII, if the server lacks the extension.
    pub fn ask(&mut self, command: &Command<'_>) -> Result<(), Error> {
        let capabilities = self.ready()?;
        let needed = match command {
            Command::Etrn(_) => Some("ETRN"),
            Command::XForward(_) => Some("XFORWARD"),
            Command::Vrfy(text) | Command::Expn(text) if !text.as_str().is_ascii() => Some("SMTPUTF8"),
            Command::Vrfy(_) | Command::Expn(_) | Command::Help(_) => None,
            _ => return Err(ApiMisuse::WrongState("this command has a method of its own").into()),
        };
        if let Some(needed) = needed.filter(|needed| !capabilities.announces(needed)) {
            return Err(PeerIncompatible::Missing(needed).into());
        }
        self.line(format_args!("{command}\r\n"), What::Answer);
        self.spoke = true;
        Ok(())
    }

    /// Speaks for somebody else from now on (XCLIENT, Postfix): the session begins anew, and [`Event::Ready`] comes again.
    /// A refusal is [`Event::Answer`].
    ///
    /// # Errors
    /// `ApiMisuse` unless the connection [is idle](Self::is_idle); `PeerIncompatible` if the server does not announce
    /// all of these attributes.
    pub fn xclient(&mut self, attributes: &Attributes) -> Result<(), Error> {
        let names = self.ready()?.iter().find_map(|extension| match extension {
            Extension::XClient(names) => Some(names),
            _ => None,
        });
        let names = names.ok_or(PeerIncompatible::Missing("XCLIENT"))?;
        if !attributes.iter().all(|(name, _)| names.contains(name)) {
            return Err(
                PeerIncompatible::Inexpressible("an attribute that XCLIENT does not take here").into()
            );
        }
        self.line(format_args!("XCLIENT{attributes}\r\n"), What::XClient);
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

    fn line(&mut self, text: std::fmt::Arguments<'_>, what: What) {
        self.command(text.to_string().as_bytes(), what);
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
            What::Chunk | What::Message | What::Delivery(_) => timeouts.message_reply,
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
