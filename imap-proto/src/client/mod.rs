//! The client's side of one IMAP connection (RFC 3501; RFC 2177, 2595, 4959, 7888).
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
//! # Receiving a literal
//!
//! Literals up to [`Limits::kept_literal_bytes_max`] stay in their response. Larger ones pass by as
//! [`Event::Piece`]s, each a slice of what was read, which a proxy hands to
//! [`server::Connection::forward_piece`](crate::server::Connection::forward_piece) as they are; behind the last
//! piece, [`Event::Streamed`] gives the whole response, with holes where the literals were.

mod flow;
mod incoming;
mod limits;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::sasl::{self, Credentials};
use mail_wire::{
    Announced, ApiMisuse, Core, Error, LiteralFramer, LiteralId, PeerIncompatible, Secret, TlsActive, TlsMode,
};

pub use limits::{Limits, Timeouts};

use crate::segments::Segments;
use crate::{Command, IString, Literals, Login, Parsed, Parser, Password, kind};
use flow::{Out, Pending, Purpose, Sending};
use incoming::Streamed;

/// What a client connection is told at its start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Config {
    /// Whether the session goes under TLS by STARTTLS first. Under [`TlsMode::Required`] nothing but CAPABILITY and
    /// STARTTLS is sent in the clear, a server without STARTTLS is given up, and so is one that greets with PREAUTH
    /// in the clear (safety rows T4, T5).
    pub tls: TlsMode,
    /// What the server may cost.
    pub limits: Limits,
    /// How long the server may take.
    pub timeouts: Timeouts,
}

/// Names a command of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(u64);

impl fmt::Display for CommandId {
    /// The command's tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A{}", self.0)
    }
}

/// What a client connection tells its owner. Every event owns what it holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server's greeting: OK, or PREAUTH, or BYE (then it closes).
    Greeting(Parsed<kind::Response>),
    /// Untagged data. What is malformed comes as [`Response::Invalid`](crate::Response::Invalid), or as an invalid
    /// item within.
    Untagged(Parsed<kind::Response>),
    /// A piece of untagged data with a large literal, in order.
    Piece(Piece),
    /// The untagged data whose pieces went by is complete; its large literals are holes in it.
    Streamed(Parsed<kind::Response>),
    /// The tagged reply that ends a command.
    Tagged(CommandId, Parsed<kind::Response>),
    /// The turn of a streamed literal has come: give its bytes to [`Connection::literal_chunk`].
    SendLiteral {
        /// Whose literal.
        command: CommandId,
        /// Its size.
        bytes: u64,
    },
    /// The server has accepted IDLE.
    Idling(CommandId),
    /// The session is ready for commands; [`Connection::capabilities`] tells what the server can do.
    Ready,
    /// STARTTLS was granted. Drain the output, do the handshake, call
    /// [`tls_started`](mail_wire::Connection::tls_started).
    StartTls,
    /// The server says BYE; it closes next.
    Bye(Parsed<kind::Response>),
    /// The session is over: LOGOUT, or the server closed when nothing was due.
    Closed,
}

/// A piece of a response whose literals are too large to keep: what a proxy passes on.
///
/// Heads and tails come from a connection only; nobody can make one up.
#[derive(Debug, Clone)]
pub enum Piece {
    /// The response up to and including the announcement of a literal, whose bytes follow.
    Head {
        /// The text since the last literal that went by.
        text: PieceText,
        /// The response from its start, so that one can tell what the literal is: its last item has the hole.
        so_far: Parsed<kind::Response>,
        /// The literal.
        literal: Announced,
    },
    /// Bytes of the literal, never empty.
    Chunk(LiteralId, Bytes),
    /// The literal is complete.
    LiteralEnd(LiteralId),
    /// The rest of the response, without its CRLF.
    Tail(PieceText),
}

/// Text of a response as it was framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceText(Bytes);

impl PieceText {
    /// The bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
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
        Self {
            core,
            framer: LiteralFramer::new(config.limits.frame),
            config,
            state: State::Greeting,
            capabilities: None,
            capabilities_are_fresh: false,
            last_command: 0,
            pending: VecDeque::new(),
            outgoing: VecDeque::new(),
            segments: Segments::default(),
            parser: Parser::with_limits(config.limits.grammar),
            queued_bytes: 0,
            events: VecDeque::new(),
            streamed: Streamed::default(),
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

    /// Commands that have no tagged reply yet.
    #[must_use]
    pub fn commands_pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends a command. Several may be on their way; which of them can run side by side is RFC 3501 5.5.
    ///
    /// # Errors
    /// [`ApiMisuse`] before [`Event::Ready`], while IDLE or a login is under way, for commands
    /// that have a call of their own, and above [`Limits::commands_max`]. [`PeerIncompatible`] if a value cannot
    /// be expressed to this server. Nothing is sent then.
    pub fn command(&mut self, command: &Command<'_>) -> Result<CommandId, Error> {
        match command {
            Command::StartTls
            | Command::Login(_)
            | Command::Authenticate(_)
            | Command::Idle
            | Command::Logout => Err(ApiMisuse::WrongState("this command has a call of its own").into()),
            _ => self.send(command, Purpose::Command),
        }
    }

    /// Logs in with LOGIN (RFC 3501 6.2.3). The proof is [`tls`](Self::tls), or the owner's word.
    ///
    /// # Errors
    /// As [`authenticate_plain`](Self::authenticate_plain).
    pub fn login(
        &mut self,
        user: &str,
        password: &Secret<Vec<u8>>,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        self.check_login()?;
        if self.capabilities.as_ref().is_some_and(|c| c.has("LOGINDISABLED")) {
            return Err(PeerIncompatible::Missing("LOGIN").into());
        }
        let unfit = |_| PeerIncompatible::Inexpressible("NUL in a name or password");
        let user = IString::new(user).map_err(unfit)?;
        let password = Password(IString::new(password.expose()).map_err(unfit)?);
        self.send(&Command::Login(Login { user, password }), Purpose::Login)
    }

    /// Logs in with SASL PLAIN (RFC 4616); the message goes with the command where the server takes it
    /// (RFC 4959). A proxy names the user it acts for in `credentials.authzid`.
    ///
    /// # Errors
    /// [`PeerIncompatible`] if the server is known not to offer it. [`ApiMisuse`] before [`Event::Ready`], if
    /// somebody is logged in, or if commands are on their way.
    pub fn authenticate_plain(
        &mut self,
        credentials: &Credentials,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        self.check_login()?;
        if self.capabilities.as_ref().is_some_and(|c| !c.has("AUTH=PLAIN")) {
            return Err(PeerIncompatible::Missing("AUTH=PLAIN").into());
        }
        let message = sasl::encode(sasl::plain_message(credentials).expose());
        let sending = match &self.capabilities {
            Some(c) if c.has("SASL-IR") => Sending::AtOnce,
            _ => Sending::WhenAsked,
        };
        self.send_plain(message, sending)
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

    fn literals(&self) -> Literals {
        match &self.capabilities {
            Some(c) if c.has("LITERAL+") => Literals::NonSync,
            Some(c) if c.has("LITERAL-") => Literals::NonSyncSmall,
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

/// What a server can do, as it announced it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(Vec<Box<str>>);

impl Capabilities {
    /// Names kept of one announcement: 200; Cyrus sends 60.
    pub const NAMES_MAX: usize = 200;

    /// True if this capability was announced, in any case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|c| c.eq_ignore_ascii_case(name))
    }

    /// The names, as announced.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}
