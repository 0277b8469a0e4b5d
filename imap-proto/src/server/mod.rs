//! The server's side of one IMAP connection (RFC 3501; RFC 2177, 2595, 3691, 4959, 5161, 5530, 6851, 7888).
//!
//! [`Connection`] takes bytes and time and gives commands; its owner gives replies and untagged data and takes
//! bytes. What needs no owner is done here: the order of things (greeting, one command at a time, one tagged reply
//! for each), which commands exist in which state, CAPABILITY, LOGOUT, STARTTLS, the lines of a SASL exchange, the
//! `+` before a synchronising literal, bad syntax. What depends on mailboxes or accounts is an [`Event`].
//!
//! **One mutation, then drain**, as the crate page of `mail_wire` puts it. Pipelined commands wait in the input
//! buffer: the next one is not looked at before the last one's [`Ticket`] came back with its reply. A ticket that
//! is dropped is noticed at the next poll, answered with `NO [SERVERBUG]` and reported as [`Event::Misuse`]; the
//! session goes on, since the fault is not the client's.
//!
//! # The message of an APPEND
//!
//! A literal of APPEND is offered before a byte of it is read, with the command so far already parsed:
//!
//! ```text
//!   C: a APPEND Work {310}      --> Event::Offer(offer)        accept(offer, Keep::Stream) or refuse(offer, ..)
//!   S: + Ready                  <--
//!   C: (310 bytes)              --> Event::Chunk(id, bytes) .. Event::LiteralEnd(id)
//!   C: (CRLF)                   --> Event::Command(ticket, APPEND with a hole named id)
//!   S: a OK [APPENDUID 1 7] Ok  <-- reply(ticket, ..)
//! ```
//!
//! If what follows the literal is no command, the connection answers BAD and says [`Event::Abandoned`]. Literals of
//! other commands are collected without a question, within the [`Limits`]; what is larger is refused with
//! `NO [TOOBIG]`, and its bytes are skipped exactly if they come all the same (safety row F6).

//!
//! # Example: both sides in memory
//!
//! ```
//! use std::time::Instant;
//! use imap_proto::{Command, Response, Status, client, server};
//! use mail_wire::{Connection as _, PlaintextLogin, Secret, TlsActive, TlsMode, testing::pump};
//!
//! let now = Instant::now();
//! let loopback = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
//! let mut server = server::Connection::new(loopback, now);
//! let local = client::Config { tls: TlsMode::Never, ..client::Config::default() };
//! let mut client = client::Connection::new(local, now);
//!
//! server.greet(server::Greeting::Ok("ready".into()))?;
//! pump(&mut client, &mut server, usize::MAX, now);
//! assert!(matches!(client.poll_event()?, Some(client::Event::Greeting(_))));
//! assert!(matches!(client.poll_event()?, Some(client::Event::Ready)));
//!
//! // The client logs in; the server's owner looks at the password.
//! let loopback = TlsActive::danger_assume_protected();
//! let login = client.login("alice", &Secret::new(b"secret".to_vec()), loopback)?;
//! pump(&mut client, &mut server, usize::MAX, now);
//! let Some(server::Event::Login(ticket, who)) = server.poll_event()? else { panic!("expected a login") };
//! assert_eq!((who.authcid.as_str(), who.password.expose().as_slice()), ("alice", &b"secret"[..]));
//! server.auth_ok(ticket, "welcome".into())?;
//! pump(&mut client, &mut server, usize::MAX, now);
//! assert!(matches!(client.poll_event()?, Some(client::Event::Tagged(id, _)) if id == login));
//!
//! // NOOP brings news, then its reply.
//! client.command(&Command::Noop)?;
//! pump(&mut client, &mut server, usize::MAX, now);
//! let Some(server::Event::Command(ticket, _)) = server.poll_event()? else { panic!("expected NOOP") };
//! server.untagged(&Response::Exists(23))?;
//! server.reply(ticket, &Status::ok("done"))?;
//! pump(&mut client, &mut server, usize::MAX, now);
//! let Some(client::Event::Untagged(news)) = client.poll_event()? else { panic!("expected news") };
//! assert_eq!(news.view(), Response::Exists(23));
//! # Ok::<(), imap_proto::Error>(())
//! ```

mod auth;
mod limits;
mod output;
mod turn;
mod verb;

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::sasl::{Credentials, Mechanism, MechanismName};
use mail_wire::{
    Announced, ApiMisuse, Core, Error, Keep, Ledger, LiteralFramer, LiteralId, PlaintextLogin, Secret,
    Ticket, TlsActive,
};

pub use auth::AuthFailure;
pub use limits::{Limits, Timeouts};
pub use output::Greeting;

use crate::segments::Segments;
use crate::{Capability, Command, Numbering, Parsed, Parser, Verb, kind};
use turn::{Streamed, Turn};

/// What a server connection is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the client may cost.
    pub limits: Limits,
    /// How long the client may take.
    pub timeouts: Timeouts,
    /// Whether STARTTLS is there.
    pub start_tls: StartTls,
    /// Whether passwords are taken over an unencrypted link.
    pub plaintext_login: PlaintextLogin,
    /// SASL mechanisms that the owner can carry out, in order of preference; announced as `AUTH=`.
    pub mechanisms: Vec<MechanismName>,
    /// What the owner adds to the capabilities before login. `IMAP4rev1`, `LITERAL+`, `SASL-IR`, `STARTTLS`,
    /// `LOGINDISABLED` and `AUTH=` are the connection's own.
    pub capabilities_before_login: Vec<Capability<'static>>,
    /// What the owner adds after login; [`Connection::set_capabilities`] changes it.
    pub capabilities_after_login: Vec<Capability<'static>>,
}

impl Default for Config {
    /// No STARTTLS, no password in the clear, PLAIN and LOGIN, and of the extensions `ID` and `IDLE`, `UNSELECT`
    /// and `NAMESPACE`, which need little from a store.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            start_tls: StartTls::Off,
            plaintext_login: PlaintextLogin::Refuse,
            mechanisms: vec![Mechanism::Plain.into(), Mechanism::Login.into()],
            capabilities_before_login: vec![Capability::Id],
            capabilities_after_login: vec![
                Capability::Id,
                Capability::Idle,
                Capability::Namespace,
                Capability::Unselect,
            ],
        }
    }
}

/// Whether a server can switch to TLS on a connection that began without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTls {
    /// There is no certificate, or TLS came first.
    #[default]
    Off,
    /// STARTTLS is announced, until TLS is active.
    Offer,
}

/// How far a session has come (RFC 3501 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has logged in.
    NotAuthenticated,
    /// Somebody has; no mailbox is selected.
    Authenticated,
    /// A mailbox is selected.
    Selected,
    /// BYE was said.
    Logout,
}

/// What a server connection tells its owner. Every event owns what it holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A command that is allowed in this state, to be answered by [`Connection::reply`].
    ///
    /// IDLE comes this way too: [`Connection::idle_begin`] accepts it.
    Command(Ticket, Parsed<kind::Command>),
    /// LOGIN, to be answered by [`Connection::auth_ok`] or [`Connection::auth_failed`].
    Login(Ticket, Credentials),
    /// AUTHENTICATE with one of the announced mechanisms, to be answered like LOGIN, or first by
    /// [`Connection::challenge`].
    Authenticate {
        /// Its duty to be answered.
        ticket: Ticket,
        /// The mechanism, one of those in [`Config::mechanisms`].
        mechanism: MechanismName,
        /// The initial response (RFC 4959), decoded.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// The client's response to a challenge, decoded.
    AuthResponse(Ticket, Secret<Vec<u8>>),
    /// The client gave the exchange up, or sent what is no base64; it was answered. The exchange is over.
    AuthAborted,
    /// The client announced a message in APPEND: [`Connection::accept`] or [`Connection::refuse`] it.
    Offer(LiteralOffer),
    /// Bytes of a literal that is streamed, never empty.
    Chunk(LiteralId, Bytes),
    /// A literal that is streamed is complete. Its command is not yet.
    LiteralEnd(LiteralId),
    /// The command whose literals were streamed turned out to be none; it was answered. Drop what was kept of it.
    Abandoned,
    /// IDLE ended by DONE; to be answered by [`Connection::reply`].
    IdleDone(Ticket),
    /// IDLE ended by a line that is not DONE; it was answered BAD.
    IdleBroken,
    /// Start the TLS handshake once the output is drained, then call
    /// [`tls_started`](mail_wire::Connection::tls_started).
    StartTls,
    /// The owner dropped a ticket or an offer; the client was answered `NO [SERVERBUG]`. To be logged.
    Misuse(ApiMisuse),
    /// The session is over in good order: LOGOUT, or the client closed between two commands.
    Closed,
}

/// A literal of APPEND that waits for its owner's word.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct LiteralOffer {
    ticket: Ticket,
    command: Parsed<kind::Command>,
    announced: Announced,
}

impl LiteralOffer {
    /// The command so far: an APPEND whose message is the hole [`id`](Self::id).
    #[must_use]
    pub fn so_far(&self) -> Command<'_> {
        self.command.view().command
    }

    /// The literal's name on this connection.
    #[must_use]
    pub fn id(&self) -> LiteralId {
        self.announced.id
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.announced.bytes
    }

    /// Size, form and name together.
    #[must_use]
    pub fn announced(&self) -> &Announced {
        &self.announced
    }
}

/// The server's side of one connection. The module page says how it is used.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    framer: LiteralFramer,
    ledger: Ledger,
    config: Config,
    state: State,
    turn: Turn,
    /// The tag and verb of the command under way.
    tag: Vec<u8>,
    verb: Option<(Verb, Numbering)>,
    /// The text of a command with streamed literals, as far as it came.
    streamed: Streamed,
    /// The tagged reply to a command whose literal was refused, due when the command has gone by.
    refusal: Vec<u8>,
    /// A response of ours is open: how much of a literal is still to come.
    writing: output::Writing,
    segments: Segments,
    parser: Parser,
    private_verbs: &'static [&'static str],
    bad_commands: u32,
    auth_failures: u32,
    login_deadline: Option<Instant>,
    first_frame: bool,
    closed_reported: bool,
}

impl Connection {
    /// A connection that began at `now`. Nothing is sent or read before [`greet`](Self::greet).
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        Self {
            core,
            framer: LiteralFramer::new(config.limits.before_login),
            ledger: Ledger::new(),
            state: State::NotAuthenticated,
            turn: Turn::Greeting,
            tag: Vec::new(),
            verb: None,
            streamed: Streamed::default(),
            refusal: Vec::new(),
            writing: output::Writing::Nothing,
            segments: Segments::default(),
            parser: Parser::with_limits(config.limits.grammar_before_login),
            private_verbs: &[],
            bad_commands: 0,
            auth_failures: 0,
            login_deadline: now.checked_add(config.timeouts.login),
            first_frame: true,
            closed_reported: false,
            config,
        }
    }

    /// How far the session has come.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// Failed logins so far, for whoever slows down guessing.
    #[must_use]
    pub fn auth_failures(&self) -> u32 {
        self.auth_failures
    }

    /// Lets through verbs that this crate does not know, as `Command::Unknown`. For a session whose peer is known
    /// to be a node of the same site, never for a user's (safety row N4).
    pub fn allow_private_verbs(&mut self, verbs: &'static [&'static str]) {
        self.private_verbs = verbs;
    }

    /// Accepts a literal: its bytes follow as events, or stay in the command.
    ///
    /// # Errors
    /// What passes a limit cannot be kept; the command was then refused with `NO [TOOBIG]`. [`ApiMisuse`] if the
    /// literal is not on offer here, or a response is open.
    pub fn accept(&mut self, offer: LiteralOffer, how: Keep) -> Result<(), Error> {
        let LiteralOffer { ticket, announced, .. } = offer;
        self.check_may_answer()?;
        self.ledger.redeem(ticket)?;
        if let Err(limit) = self.framer.keep(how) {
            self.too_big(&announced)?;
            return Err(limit.into());
        }
        self.accepted(&announced);
        Ok(())
    }

    /// Says that a mailbox is selected; call it before the reply to SELECT or EXAMINE.
    ///
    /// # Errors
    /// Nobody is logged in.
    pub fn set_selected(&mut self) -> Result<(), ApiMisuse> {
        self.set_mailbox_state(State::Selected)
    }

    /// Says that no mailbox is selected any more; call it before the reply to CLOSE, UNSELECT or a failed SELECT.
    ///
    /// # Errors
    /// Nobody is logged in.
    pub fn set_unselected(&mut self) -> Result<(), ApiMisuse> {
        self.set_mailbox_state(State::Authenticated)
    }

    /// Gives memory back: IDLE lasts for hours, and most connections are in it.
    fn release(&mut self) {
        self.core.input.release();
        self.core.out.release();
        self.segments = Segments::default();
        self.parser = Parser::with_limits(*self.grammar_limits());
    }

    fn set_mailbox_state(&mut self, state: State) -> Result<(), ApiMisuse> {
        if !matches!(self.state, State::Authenticated | State::Selected) {
            return Err(ApiMisuse::WrongState("nobody is logged in"));
        }
        self.state = state;
        Ok(())
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
        let bytes = self.core.poll_transmit();
        if bytes.is_none() && self.turn == Turn::Idle {
            self.release();
        }
        bytes
    }

    fn transmit_bytes(&self) -> usize {
        self.core.transmit_bytes()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.owner_is_busy() {
            // The silence is ours.
            return None;
        }
        match (self.core.poll_timeout(), self.login_deadline) {
            _ if self.core.is_closing() => None,
            (Some(silence), Some(login)) => Some(silence.min(login)),
            (silence, login) => silence.or(login),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.time_passed(now);
    }

    fn tls_started(&mut self, now: Instant) {
        self.encrypted(now);
    }

    fn wants_input(&self) -> bool {
        let is_full = || self.pipelined_bytes() >= self.config.limits.pipelined_bytes_max / 2;
        !(self.core.is_closing() || (self.owner_is_busy() && is_full()))
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
