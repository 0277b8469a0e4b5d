//! The server's side of one IMAP connection (RFC 3501; RFC 2177, 2595, 3691, 4959, 4978, 5161, 5530, 6851, 7888, 8437,
//! 9586).
//!
//! [`Connection`] takes bytes and time and gives commands; its owner gives replies and untagged data and takes
//! bytes. What needs no owner is done here: the order of things (greeting, one command at a time, one tagged reply
//! for each), which commands exist in which state, CAPABILITY, LOGOUT, STARTTLS, the lines of a SASL exchange, the
//! `+` before a synchronising literal, bad syntax. What depends on mailboxes or accounts is an [`Event`].
//!
//! **One mutation, then drain**, as the crate page of `mail_wire` puts it. Pipelined commands wait in the input
//! buffer: the next one is not looked at before the last one's [`Ticket`](mail_wire::Ticket) came back with its reply. A
//! ticket that is dropped is noticed at the next poll, answered with `NO [SERVERBUG]` and reported as
//! [`Event::Misuse`]; the session goes on, since the fault is not the client's.
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
//! # What changes the connection
//!
//! - ENABLE: the owner answers it with [`Response::Enabled`](crate::Response::Enabled), and what stands there holds:
//!   UTF-8 in strings (`UTF8=ACCEPT`, `IMAP4rev2`), no message numbers (`UIDONLY`), no EXPUNGE (`QRESYNC`).
//! - COMPRESS: granted if `COMPRESS=DEFLATE` is announced, as [`Event::Compress`]. Inflating is the owner's. The client
//!   may send nothing before it has seen the reply (RFC 4978 3), so bytes behind the command end the session.
//! - UNAUTHENTICATE: done if it is announced, as [`Event::Unauthenticated`]. The next login may stand right behind it.
//! - [`Connection::set_peer`]: a node of the same site has verbs that do not exist for users.
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
mod config;
mod event;
mod limits;
mod output;
mod turn;
mod verb;

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::{ApiMisuse, Core, Error, Keep, Ledger, LiteralFramer, PeerMisbehaved, TlsActive};

pub use auth::AuthFailure;
pub use config::{Config, ExpungeTiming, Peer, StartTls, UnaskedLiterals, UnknownVerbs};
pub use event::{Event, LiteralOffer, State};
pub(crate) use limits::heap_bytes;
pub use limits::{Limits, Timeouts};
pub use output::Greeting;

use crate::segments::Segments;
use crate::{Enabled, Numbering, Parser, QuirkCounts, Verb, quirks};
use turn::{Streamed, Turn};

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
    peer: Peer,
    enabled: Enabled,
    expunge_timing: ExpungeTiming,
    /// Both directions are compressed, outside of here.
    is_compressed: bool,
    bad_commands: u32,
    auth_failures: u32,
    login_deadline: Option<Instant>,
    /// The last time that was told.
    now: Instant,
    first_frame: bool,
    closed_reported: bool,
}

impl Connection {
    /// A connection that began at `now`. Nothing is sent or read before [`greet`](Self::greet).
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        let mut parser = Parser::with_limits(config.limits.grammar_before_login);
        parser.set_command_quirks(config.quirks);
        Self {
            core,
            framer: quirks::framer(config.limits.before_login, config.quirks),
            ledger: Ledger::new(),
            state: State::NotAuthenticated,
            turn: Turn::Greeting,
            tag: Vec::new(),
            verb: None,
            streamed: Streamed::default(),
            refusal: Vec::new(),
            writing: output::Writing::Nothing,
            segments: Segments::default(),
            parser,
            peer: Peer::User,
            enabled: Enabled::default(),
            expunge_timing: ExpungeTiming::DuringCommands,
            is_compressed: false,
            bad_commands: 0,
            auth_failures: 0,
            login_deadline: now.checked_add(config.timeouts.login),
            now,
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

    /// In how many frames so far each quirk of [`Config::quirks`] was let pass.
    #[must_use]
    pub fn quirk_counts(&self) -> QuirkCounts {
        quirks::counts(&self.parser, &self.framer)
    }

    /// What the client has enabled, as the owner's `ENABLED` told it.
    #[must_use]
    pub fn enabled(&self) -> Enabled {
        self.enabled
    }

    /// Says who the peer is; call it when somebody has proved to be a node of the same site, before the reply. Holds
    /// until UNAUTHENTICATE.
    pub fn set_peer(&mut self, peer: Peer) {
        self.peer = peer;
    }

    /// Says when the client can follow an EXPUNGE; call it before the reply to NOTIFY. Holds until UNAUTHENTICATE.
    pub fn set_expunge_timing(&mut self, timing: ExpungeTiming) {
        self.expunge_timing = timing;
    }

    /// Says at `now` that both directions are compressed from here on, in answer to [`Event::Compress`]. Bytes given
    /// from here on are inflated ones.
    ///
    /// # Errors
    /// [`ApiMisuse`] if COMPRESS was not granted. Bytes that came before fail the connection at the next poll.
    pub fn compression_started(&mut self, now: Instant) -> Result<(), ApiMisuse> {
        if self.turn != Turn::Compression {
            return Err(ApiMisuse::WrongState("COMPRESS was not granted"));
        }
        self.core.touch(now);
        if !self.core.input.is_empty() {
            self.end(PeerMisbehaved::PipelinedTooEarly.into());
            return Ok(());
        }
        self.is_compressed = true;
        self.pass_to_client(Turn::Command);
        Ok(())
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

    fn pipelined_bytes_max(&self) -> usize {
        let limits = &self.config.limits;
        if self.state == State::NotAuthenticated {
            limits.pipelined_bytes_before_login_max
        } else {
            limits.pipelined_bytes_max
        }
    }

    /// Gives memory back: IDLE lasts for hours, and most connections are in it.
    fn release(&mut self) {
        self.core.input.release();
        self.core.out.release();
        self.segments = Segments::default();
        self.parser.release();
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
        self.now = now;
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
        let is_full = || self.pipelined_bytes() >= self.pipelined_bytes_max() / 2;
        !(self.core.is_closing() || (self.owner_is_busy() && is_full()))
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
