//! The client's side of one IMAP connection (RFC 3501; RFC 2177, 2595, 4422, 4959, 4978, 5161, 7628, 7888, 8437).
//!
//! [`Connection`] sends typed commands under tags of its own and gives what the server says as [`Event`]s. It knows
//! what holds for every client: that nothing may be believed that came before it was asked for, that a password
//! needs an encrypted link, that what was learned in the clear is forgotten under TLS, and how a literal is sent to
//! this server. It follows no referral and sends no password a second time (safety row X1).
//!
//! **One mutation, then drain**, as the crate page of `mail_wire` puts it.
//!
//! ```text
//!  Event::Greeting --CAPABILITY--[STARTTLS, by TlsMode: Event::StartTls --CAPABILITY]--> Event::Ready --> commands
//! ```
//!
//! Up to [`Event::Ready`] everything happens by itself.
//!
//! # Sending a literal
//!
//! Strings in commands that need a literal become one; if the server takes no `LITERAL+`, the connection waits for
//! its `+` and holds back what follows. A message for APPEND is given as a hole, `Data::Streamed`: when its turn
//! comes, [`Event::SendLiteral`] says so, and [`Connection::literal_chunk`] takes exactly its bytes.
//!
//! # Compression and other users
//!
//! [`Connection::compress`] ends in [`Event::Compress`]: from there on the owner inflates what it reads and compresses
//! what it sends, and the connection goes on with text. [`Connection::unauthenticate`] takes a connection back to where
//! it was before the login.
//!
//! # Receiving a literal
//!
//! Literals up to [`Limits::kept_literal_bytes_max`] stay in their response. Larger ones pass by as
//! [`Event::Piece`]s, each a slice of what was read, which a proxy hands to
//! [`server::Connection::forward_piece`](crate::server::Connection::forward_piece) as they are; behind the last
//! piece, [`Event::Streamed`] gives the whole response, with holes where the literals were.

//!
//! # Example
//!
//! ```
//! use std::time::Instant;
//! use imap_proto::client::{Config, Connection, Event};
//! use imap_proto::{Command, MailboxName, Response};
//! use mail_wire::{Connection as _, TlsActive, TlsMode};
//!
//! // The link is a loopback here: no TLS, and somebody vouches for it.
//! let now = Instant::now();
//! let mut client = Connection::new(Config { tls: TlsMode::Never, ..Config::default() }, now);
//! client.receive(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n", now);
//! while let Some(event) = client.poll_event()? {
//!     if let Event::Ready = event {
//!         client.login("alice", &b"secret".to_vec().into(), TlsActive::danger_assume_protected())?;
//!     }
//! }
//! assert_eq!(client.poll_transmit().unwrap(), "A1 LOGIN alice secret\r\n");
//!
//! client.receive(b"A1 OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n", now);
//! assert!(matches!(client.poll_event()?, Some(Event::Tagged(..))));
//! assert!(client.capabilities().unwrap().has("IDLE"));
//! client.command(&Command::Select(MailboxName::new("INBOX")?.into()))?;
//! assert_eq!(client.poll_transmit().unwrap(), "A2 SELECT INBOX\r\n");
//! client.receive(b"* 172 EXISTS\r\nA2 OK done\r\n", now);
//! let Some(Event::Untagged(data)) = client.poll_event()? else { panic!("expected data") };
//! assert_eq!(data.view(), Response::Exists(172));
//! # Ok::<(), imap_proto::Error>(())
//! ```

mod capabilities;
mod event;
mod flow;
mod incoming;
mod limits;
mod login;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::{ApiMisuse, Core, Error, LiteralFramer, PeerIncompatible, TlsActive, TlsMode};

pub use capabilities::Capabilities;
pub use event::{CommandId, Event, Piece, PieceText};
pub use limits::{Limits, Timeouts};

use crate::numbers::Numbers;
use crate::segments::Segments;
use crate::{Command, Compression, Enabled, Literals, Parser, QuirkCounts, Quirks, quirks};
use flow::{Out, Pending, Purpose};
use incoming::Streamed;

/// What a client connection is told at its start.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Whether the session goes under TLS by STARTTLS first. Under [`TlsMode::Required`] nothing but CAPABILITY and
    /// STARTTLS is sent in the clear, a server without STARTTLS is given up, and so is one that greets with PREAUTH
    /// in the clear (safety rows T4, T5).
    pub tls: TlsMode,
    /// What the server may cost.
    pub limits: Limits,
    /// How long the server may take.
    pub timeouts: Timeouts,
    /// What the server may do against the grammar: [`Quirks::TOLERANT`] by default.
    pub quirks: Quirks,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tls: TlsMode::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            quirks: Quirks::TOLERANT,
        }
    }
}

/// What must happen before the owner's first command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setup {
    /// The greeting.
    Greeting,
    /// CAPABILITY and STARTTLS, as needed.
    Asking,
    /// The TLS handshake.
    Handshake,
    Ready,
    /// The caller's compressor.
    Compression,
}

/// How far a session has come, as the server's answers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The server has not greeted.
    Greeting,
    /// Nobody has logged in.
    NotAuthenticated,
    /// Somebody has. Which mailbox is selected is the owner's to know.
    Authenticated,
    /// BYE was said.
    Logout,
}

/// The client's side of one connection. The module page says how it is used.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    framer: LiteralFramer,
    config: Config,
    state: State,
    capabilities: Option<Capabilities>,
    /// Capabilities came since the login under way was sent.
    capabilities_are_fresh: bool,
    last_command: u64,
    /// Commands without their tagged reply, in the order they were given.
    pending: VecDeque<Pending>,
    /// What cannot leave yet: it waits for a `+`, or for bytes of a literal before it.
    outgoing: VecDeque<Out>,
    segments: Segments,
    parser: Parser,
    /// Bytes given to the output since the beginning.
    queued_bytes: u64,
    /// Events behind the one being reported.
    events: VecDeque<Event>,
    streamed: Streamed,
    enabled: Enabled,
    /// Both directions are compressed, outside of here.
    is_compressed: bool,
    setup: Setup,
    closed_reported: bool,
}

impl Connection {
    /// A connection that began at `now` and waits for the greeting.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.greeting));
        let mut parser = Parser::with_limits(config.limits.grammar);
        parser.set_response_quirks(config.quirks);
        Self {
            core,
            framer: quirks::framer(config.limits.frame, config.quirks),
            config,
            state: State::Greeting,
            capabilities: None,
            capabilities_are_fresh: false,
            last_command: 0,
            pending: VecDeque::new(),
            outgoing: VecDeque::new(),
            segments: Segments::default(),
            parser,
            queued_bytes: 0,
            events: VecDeque::new(),
            streamed: Streamed::default(),
            enabled: Enabled::default(),
            is_compressed: false,
            setup: Setup::Greeting,
            closed_reported: false,
        }
    }

    /// How far the session has come.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Proof of TLS, to be shown to [`login`](Self::login).
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// What the server can do; `None` until it has said so in the present state (ask with
    /// [`Command::Capability`]).
    #[must_use]
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// Whether message sequence numbers hold still, so that a command may use them now (RFC 3501 5.5): nothing is on
    /// its way but FETCH, STORE, SEARCH, SORT and THREAD by sequence numbers, during which a server says no EXPUNGE.
    /// Behind any other command, wait for its reply, or use UIDs.
    #[must_use]
    pub fn may_number(&self) -> bool {
        !self.pending.iter().any(|pending| pending.purpose.may_shift_numbers())
    }

    /// What is enabled, as the server's `ENABLED` told it.
    #[must_use]
    pub fn enabled(&self) -> Enabled {
        self.enabled
    }

    /// In how many frames so far each quirk of [`Config::quirks`] was let pass.
    #[must_use]
    pub fn quirk_counts(&self) -> QuirkCounts {
        quirks::counts(&self.parser, &self.framer)
    }

    /// Commands that have no tagged reply yet.
    #[must_use]
    pub fn commands_pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends a command. Several may be on their way, unless the numbers of one could be shifted by another: see
    /// [`may_number`](Self::may_number).
    ///
    /// # Errors
    /// [`ApiMisuse`] before [`Event::Ready`], while IDLE or a login is under way, for commands
    /// that have a call of their own, for one with message numbers while they may shift, and above
    /// [`Limits::commands_max`]. [`PeerIncompatible`] if a value cannot
    /// be expressed to this server. Nothing is sent then.
    pub fn command(&mut self, command: &Command<'_>) -> Result<CommandId, Error> {
        match command {
            Command::StartTls
            | Command::Compress(_)
            | Command::Unauthenticate
            | Command::Login(_)
            | Command::Authenticate(_)
            | Command::Idle
            | Command::Logout => Err(ApiMisuse::WrongState("this command has a call of its own").into()),
            _ => self.send(command, Purpose::Command(Numbers::of(command))),
        }
    }

    /// Asks for compression (RFC 4978): [`Event::Compress`] follows if the server grants it.
    ///
    /// # Errors
    /// [`PeerIncompatible`] if the server is known not to offer it. [`ApiMisuse`] as [`command`](Self::command), if
    /// nobody is logged in, if it was asked for already, or if commands are on their way.
    pub fn compress(&mut self) -> Result<CommandId, Error> {
        self.check_offer("COMPRESS=DEFLATE")?;
        if self.state != State::Authenticated || self.is_compressed {
            return Err(ApiMisuse::WrongState("compression is for once, after login").into());
        }
        self.send(&Command::Compress(Compression::Deflate), Purpose::Compress)
    }

    /// Says at `now` that both directions are compressed from here on, in answer to [`Event::Compress`]. Bytes given
    /// from here on are inflated ones.
    ///
    /// # Errors
    /// [`ApiMisuse`] if COMPRESS was not granted, or if bytes were received since.
    pub fn compression_started(&mut self, now: Instant) -> Result<(), ApiMisuse> {
        if self.setup != Setup::Compression {
            return Err(ApiMisuse::WrongState("COMPRESS was not granted"));
        }
        if !self.core.input.is_empty() {
            return Err(ApiMisuse::WrongState("bytes were received before they were inflated"));
        }
        self.core.touch(now);
        (self.setup, self.is_compressed) = (Setup::Ready, true);
        self.set_clock();
        Ok(())
    }

    /// Ends the login and keeps the connection (RFC 8437), to log in again. When the tagged OK comes, what the server
    /// can do and what was enabled are forgotten. Compression ends with it in both directions: the command was the
    /// last of the stream that leaves, the OK the last of the one that comes.
    ///
    /// # Errors
    /// [`PeerIncompatible`] if the server is known not to offer it. [`ApiMisuse`] as [`command`](Self::command), if
    /// nobody is logged in, or if commands are on their way.
    pub fn unauthenticate(&mut self) -> Result<CommandId, Error> {
        self.check_offer("UNAUTHENTICATE")?;
        if self.state != State::Authenticated {
            return Err(ApiMisuse::WrongState("nobody is logged in").into());
        }
        self.send(&Command::Unauthenticate, Purpose::Unauthenticate)
    }

    /// Begins IDLE (RFC 2177): [`Event::Idling`] follows, then untagged data until [`idle_done`](Self::idle_done).
    /// The server may give up after 30 minutes; begin anew after 29.
    ///
    /// # Errors
    /// As [`command`](Self::command); other commands must be answered first.
    pub fn idle(&mut self) -> Result<CommandId, Error> {
        self.send(&Command::Idle, Purpose::Idle { begun: false, done: false })
    }

    /// Ends IDLE. May be called before the server has accepted it; DONE then follows the acceptance.
    ///
    /// # Errors
    /// [`ApiMisuse`] if there is no IDLE, or it was ended.
    pub fn idle_done(&mut self) -> Result<(), ApiMisuse> {
        self.end_idle()
    }

    /// Says goodbye. [`Event::Closed`] follows.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn logout(&mut self) -> Result<CommandId, Error> {
        self.send(&Command::Logout, Purpose::Logout)
    }

    /// Gives bytes of the literal that [`Event::SendLiteral`] asked for; large slices leave without a copy.
    ///
    /// # Errors
    /// [`ApiMisuse`] if no literal is due, or if these are more bytes than it has. Nothing is sent then.
    pub fn literal_chunk(&mut self, bytes: Bytes) -> Result<(), ApiMisuse> {
        self.put_literal(bytes)
    }

    /// Bytes of the literal that are still due before anything else can be sent.
    #[must_use]
    pub fn literal_bytes_due(&self) -> Option<u64> {
        match self.outgoing.front() {
            Some(Out::Hole { left, .. }) => Some(*left),
            _ => None,
        }
    }

    /// An error if the server has said what it offers, and this is not among it.
    fn check_offer(&self, name: &'static str) -> Result<(), PeerIncompatible> {
        match &self.capabilities {
            Some(capabilities) if !capabilities.has(name) => Err(PeerIncompatible::Missing(name)),
            _ => Ok(()),
        }
    }

    fn literals(&self) -> Literals {
        match &self.capabilities {
            Some(c) if c.has("LITERAL+") => Literals::NonSync,
            // IMAP4rev2 has LITERAL- in it (RFC 9051 4.3).
            Some(c) if c.has("LITERAL-") || c.has("IMAP4rev2") => Literals::NonSyncSmall,
            _ => Literals::Sync,
        }
    }
}

impl mail_wire::Connection for Connection {
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
        self.next_event()
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        let bytes = self.core.poll_transmit()?;
        // While we speak, the server may listen in silence.
        self.core.restart_timeout();
        Some(bytes)
    }

    fn transmit_bytes(&self) -> usize {
        self.core.transmit_bytes()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
    }

    fn tls_started(&mut self, now: Instant) {
        self.encrypted(now);
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
