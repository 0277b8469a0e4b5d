//! The server's side of a connection: a master, or a slave that answers questions.
//!
//! The connection answers by itself what needs no list: the banner, STARTTLS, COMPRESS, LOGOUT, NOOP outside
//! of an update stream, commands that are bad or out of place. Everything else comes as an event with a
//! [`Ticket`], one at a time; pipelined commands wait in the buffer, so they are executed in order (RFC 3656 2).
//!
//! ```text
//!  greet() --> not authenticated --AUTHENTICATE--> authenticated --UPDATE--> streaming
//!                  |      ^                          FIND, LIST, changes       only NOOP and LOGOUT
//!                  '-TLS--'
//! ```
//!
//! FIND and LIST are answered by [`Connection::entry`] for each entry and then [`Connection::reply`]; so is UPDATE, after
//! whose OK [`Connection::entry`] and [`Connection::deleted`] may be called at any time. Before the OK, entries must come in
//! [`mailbox_order`](crate::mailbox_order), which is checked, and are best pushed in pieces: the driver sees
//! `transmit_bytes` grow. A slave that lets more than `queue_bytes_max` wait is cut off.
//!
//! A ticket that is dropped is answered `NO "internal error"` at the next poll and reported as [`Event::Misuse`]; the
//! connection goes on, since the fault is not the peer's. At the peer's end of stream, or after LOGOUT,
//! `is_closing` is true and no event follows.

mod answer;

use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{self, ClientMessage, Mechanism, MechanismName};
use mail_wire::{
    ApiMisuse, Core, Error, InvalidMessage, Keep, Ledger, LimitExceeded, LiteralFramer, LiteralMode, Part,
    PeerMisbehaved, PlaintextLogin, Secret, Text, Ticket, TlsActive, is_foreign_protocol,
};

pub use mail_wire::StartTls;

use crate::banner::DEFLATE;
use crate::response::encode_status;
use crate::{
    Banner, BannerString, Change, Command, Identity, LocationPrefix, MailboxName, Role, ServerLimits,
    ServerName, ServerTimeouts, Status, Tag,
};

/// What a server is and allows.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who it says it is. As a [`Role::Slave`] it refuses every change by itself.
    pub identity: Identity,
    /// The mechanisms it takes.
    pub mechanisms: Vec<MechanismName>,
    /// Whether STARTTLS can be had.
    pub start_tls: StartTls,
    /// Whether COMPRESS can be had.
    pub compress: Compress,
    /// Whether mechanisms that send the password may run in the clear. If not, they are not even offered there.
    pub plaintext_login: PlaintextLogin,
    /// Limits.
    pub limits: ServerLimits,
    /// Timeouts.
    pub timeouts: ServerTimeouts,
}

/// Whether a server offers COMPRESS (Cyrus; RFC 4978 for its rules).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// It does: its owner can inflate what comes and deflate what goes.
    Offer,
    /// It does not. No Cyrus client ever asked for it.
    Off,
}

impl Config {
    /// A master of this host name that takes PLAIN, and that only under TLS, which it does not offer yet.
    pub fn new(host: &str) -> Result<Self, InvalidMessage> {
        let string = |text: &str| BannerString::new(Bytes::copy_from_slice(text.as_bytes()));
        Ok(Self {
            identity: Identity {
                host: string(host)?,
                implementation: string("Corbie")?,
                version: string(env!("CARGO_PKG_VERSION"))?,
                role: Role::Master,
            },
            mechanisms: vec![Mechanism::Plain.into()],
            start_tls: StartTls::Off,
            compress: Compress::Off,
            plaintext_login: PlaintextLogin::Refuse,
            limits: ServerLimits::default(),
            timeouts: ServerTimeouts::default(),
        })
    }
}

/// What the client wants of the owner.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The OK to STARTTLS is queued: send it, shake hands, then call `tls_started`.
    StartTls,
    /// The OK to COMPRESS is queued: send it, and from there on deflate what is sent and inflate what comes, raw, before
    /// it is received here.
    Compress,
    /// A login begins. Ticket with [`Connection::challenge`], [`Connection::auth_ok`] or [`Connection::auth_failed`].
    Authenticate {
        /// The duty to answer.
        ticket: Ticket,
        /// One of the configured mechanisms.
        mechanism: MechanismName,
        /// The client's first message, if it came along.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// The response to a challenge. Ticket as above.
    AuthResponse(Ticket, Secret<Vec<u8>>),
    /// The client gave the exchange up, or sent what is no base64; it was told. The exchange is over.
    AuthAborted,
    /// The list is to be changed. Reply OK only when the change is durable.
    Change(Ticket, Change),
    /// One entry is asked for; if there is none, OK alone is the answer.
    Find(Ticket, MailboxName),
    /// All entries are asked for, or those at matching locations.
    List(Ticket, Option<LocationPrefix>),
    /// All entries and, after the OK, every change; if servers are named, what is at theirs only.
    Update(Ticket, Vec<ServerName>),
    /// A barrier on the update stream: push every change that was made before now, then reply OK.
    Noop(Ticket),
    /// The owner broke the contract; the peer was answered. To be logged.
    Misuse(ApiMisuse),
}

/// Why a login failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// Wrong name, wrong password, or a name that may not do this: one answer for all (safety row A3).
    Credentials,
    /// It cannot be checked now. Not counted against the client.
    Temporary,
}

/// A server's connection.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    framer: LiteralFramer,
    config: Config,
    state: State,
    ledger: Ledger,
    /// The command whose ticket is out.
    open: Option<(Tag, Open)>,
    /// The name of the last entry of the answer under way.
    last_name: Vec<u8>,
    /// The tag of a command whose literal was refused and that has not gone by yet.
    refused: Option<Tag>,
    /// COMPRESS was answered OK.
    compressed: bool,
    /// A frame was read: the peer speaks this protocol, or at least not HTTP.
    heard: bool,
    bad_commands: u32,
    auth_failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ungreeted,
    NotAuthenticated,
    /// A challenge was sent; the next line is the response, or `*`.
    Exchange(Tag),
    Handshake,
    Authenticated,
    /// UPDATE was answered OK; changes carry its tag.
    Streaming(Tag),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Authenticate,
    Entries,
    Update,
    Other,
}

const DONE_NOOP: Text = Text::constant("Noop done");
const LOGIN_FIRST: Text = Text::constant("Please login first");
const STREAMING: Text = Text::constant("not legal when streaming");

impl Connection {
    /// A connection that was accepted at `now`. Nothing is sent before [`greet`](Self::greet).
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.login));
        Self {
            core,
            framer: LiteralFramer::new(config.limits.before_login),
            config,
            state: State::Ungreeted,
            ledger: Ledger::new(),
            open: None,
            last_name: Vec::new(),
            refused: None,
            compressed: false,
            heard: false,
            bad_commands: 0,
            auth_failures: 0,
        }
    }

    /// Sends the banner. After STARTTLS it is sent again without being asked for.
    pub fn greet(&mut self) -> Result<(), Error> {
        if self.state != State::Ungreeted {
            return Err(ApiMisuse::WrongState("the banner was sent already").into());
        }
        self.state = State::NotAuthenticated;
        let banner = Banner {
            mechanisms: self.config.mechanisms.iter().filter(|m| self.allows(m)).cloned().collect(),
            start_tls: self.offers_tls(),
            compress_deflate: self.config.compress == Compress::Offer,
            partial_update: true,
            server: self.config.identity.clone(),
        };
        banner.encode(&mut self.core.out);
        Ok(())
    }

    /// True on an update stream: [`entry`](Self::entry) and [`deleted`](Self::deleted) may be called at any time.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming(_))
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// How many logins failed, for whoever delays the next.
    #[must_use]
    pub fn auth_failures(&self) -> u32 {
        self.auth_failures
    }

    /// Says BYE for a reason of the owner's (shutdown, too many connections) and closes.
    pub fn bye(&mut self, text: &Text) {
        // Not where the client expects a handshake.
        if self.state != State::Handshake && !self.core.is_closing() {
            self.status(Status::Bye, text, None);
        }
        self.core.close();
    }

    fn allows(&self, mechanism: &MechanismName) -> bool {
        let clear = self.core.tls().is_none() && self.config.plaintext_login == PlaintextLogin::Refuse;
        !(clear && mechanism.sends_password())
    }

    fn offers_tls(&self) -> bool {
        self.core.tls().is_none() && self.config.start_tls == StartTls::Offer
    }

    fn status(&mut self, status: Status, text: &Text, tag: Option<&Tag>) {
        encode_status(status, text, tag, &mut self.core.out);
    }

    fn issue(&mut self, tag: Tag, open: Open) -> Ticket {
        self.open = Some((tag, open));
        self.last_name.clear();
        self.ledger.issue()
    }

    fn count_bad_command(&mut self) {
        self.bad_commands += 1;
        if self.bad_commands >= self.config.limits.bad_commands_max {
            self.last_word(
                &const { Text::constant("Too many bad commands") },
                PeerMisbehaved::TooManyBadCommands,
            );
        }
    }

    fn last_word(&mut self, text: &Text, error: impl Into<Error>) -> Error {
        self.status(Status::Bye, text, None);
        self.core.fail(error)
    }

    fn refuse(&mut self, status: Status, text: &Text, tag: Option<&Tag>) {
        self.status(status, text, tag);
        self.count_bad_command();
    }

    /// The next frame, if there is one and it is time for it.
    fn next_frame(&mut self) -> Result<Option<Part>, Error> {
        if self.state == State::Ungreeted {
            let early = !self.core.input.is_empty();
            return if early { Err(PeerMisbehaved::BytesBeforeGreeting.into()) } else { Ok(None) };
        }
        if self.ledger.is_open() {
            let max = self.config.limits.waiting_bytes_max;
            let full = self.core.input.waiting().len() > max;
            return if full {
                Err(LimitExceeded::new("waiting_bytes_max", max as u64).into())
            } else {
                Ok(None)
            };
        }
        if !self.heard && is_foreign_protocol(self.core.input.waiting()) {
            return Err(PeerMisbehaved::ForeignProtocol.into());
        }
        let mode = match self.state {
            State::Exchange(_) => LiteralMode::Line,
            _ => LiteralMode::Command,
        };
        self.framer.poll(&mut self.core.input, mode)
    }

    /// What to say before an error ends the connection. Nothing to a peer that speaks another protocol or spoke
    /// out of turn: it would take our words for something else.
    fn fail(&mut self, error: Error) -> Error {
        match error {
            // The client expects a handshake, not a line.
            _ if self.state == State::Handshake => self.core.fail(error),
            Error::PeerMisbehaved(PeerMisbehaved::TimedOut) => {
                self.last_word(&const { Text::constant("Idle for too long") }, error)
            }
            Error::InvalidMessage(_) => {
                self.last_word(&const { Text::constant("Line with a byte that no line holds") }, error)
            }
            Error::LimitExceeded(_) => self.last_word(&const { Text::constant("Limit exceeded") }, error),
            _ => self.core.fail(error),
        }
    }

    /// Decides about a literal by its size, and asks for it if its sender waits.
    fn literal(&mut self, announced: &mail_wire::Announced) {
        if self.framer.keep(Keep::Collect).is_err() {
            let head = self.framer.so_far(&self.core.input).unwrap_or_default();
            self.refused = head.split(|b| *b == b' ').next().and_then(|word| Tag::new(word).ok());
            self.framer.refuse();
        } else if announced.form == mail_wire::LiteralForm::Sync {
            self.core.out.put(b"+ go ahead\r\n");
        }
    }

    fn frame(&mut self, frame: &Bytes) -> Result<Option<Event>, Error> {
        self.heard = true;
        if let State::Exchange(tag) = self.state {
            return Ok(Some(self.sasl_line(frame, tag)));
        }
        match Command::parse(frame) {
            Ok((tag, command)) => self.command(tag, command),
            Err(bad) => {
                self.refuse(Status::Bad, &bad.kind.text(), bad.tag.as_ref());
                Ok(None)
            }
        }
    }

    fn sasl_line(&mut self, line: &[u8], tag: Tag) -> Event {
        self.state = State::NotAuthenticated;
        match sasl::decode_line(line) {
            Ok(ClientMessage::Response(message)) => {
                Event::AuthResponse(self.issue(tag, Open::Authenticate), message)
            }
            Ok(ClientMessage::Cancel) => {
                self.refuse(
                    Status::No,
                    &const { Text::constant("Client canceled authentication") },
                    Some(&tag),
                );
                Event::AuthAborted
            }
            Err(_) => {
                self.refuse(Status::No, &const { Text::constant("Base64 expected") }, Some(&tag));
                Event::AuthAborted
            }
        }
    }

    fn command(&mut self, tag: Tag, command: Command) -> Result<Option<Event>, Error> {
        match (command, self.state) {
            (Command::Logout, _) => {
                self.status(Status::Bye, &const { Text::constant("bye-bye") }, Some(&tag));
                self.core.close();
                Ok(None)
            }
            (Command::Noop, State::Streaming(_)) => Ok(Some(Event::Noop(self.issue(tag, Open::Other)))),
            (_, State::Streaming(_)) => Ok(self.out_of_place(Status::Bad, &STREAMING, &tag)),
            (Command::Compress(algorithm), _) => self.compress(&tag, &algorithm),
            (Command::StartTls, state) => self.start_tls(&tag, state),
            (Command::Authenticate { mechanism, initial }, State::NotAuthenticated) => {
                Ok(self.authenticate(tag, mechanism, initial))
            }
            (Command::Authenticate { .. }, _) => {
                Ok(self.out_of_place(Status::Bad, &const { Text::constant("already authenticated") }, &tag))
            }
            (_, State::NotAuthenticated) => Ok(self.out_of_place(Status::Bad, &LOGIN_FIRST, &tag)),
            (Command::Noop, _) => {
                self.status(Status::Ok, &DONE_NOOP, Some(&tag));
                Ok(None)
            }
            (Command::Change(change), _) => Ok(match self.config.identity.role {
                Role::Master => Some(Event::Change(self.issue(tag, Open::Other), change)),
                Role::Slave(_) => {
                    self.out_of_place(Status::Bad, &const { Text::constant("read-only session") }, &tag)
                }
            }),
            (Command::Find(name), _) => Ok(Some(Event::Find(self.issue(tag, Open::Entries), name))),
            (Command::List(prefix), _) => Ok(Some(Event::List(self.issue(tag, Open::Entries), prefix))),
            (Command::Update(servers), _) => Ok(Some(Event::Update(self.issue(tag, Open::Update), servers))),
        }
    }

    fn out_of_place(&mut self, status: Status, text: &Text, tag: &Tag) -> Option<Event> {
        self.refuse(status, text, Some(tag));
        None
    }

    fn compress(&mut self, tag: &Tag, algorithm: &[u8]) -> Result<Option<Event>, Error> {
        let refused = if self.config.compress == Compress::Off {
            Some(const { Text::constant("Compression is not available") })
        } else if self.compressed {
            Some(const { Text::constant("Compression is active already") })
        } else if !algorithm.eq_ignore_ascii_case(DEFLATE.as_bytes()) {
            Some(const { Text::constant("Unknown COMPRESS algorithm") })
        } else {
            None
        };
        if let Some(text) = refused {
            return Ok(self.out_of_place(Status::No, &text, tag));
        }
        // Nobody could say whether what stands behind the command is compressed.
        if !self.core.input.is_empty() {
            return Err(PeerMisbehaved::PipelinedTooEarly.into());
        }
        self.compressed = true;
        self.status(Status::Ok, &const { Text::constant("DEFLATE active") }, Some(tag));
        Ok(Some(Event::Compress))
    }

    fn start_tls(&mut self, tag: &Tag, state: State) -> Result<Option<Event>, Error> {
        if self.config.start_tls == StartTls::Off {
            return Ok(self.out_of_place(
                Status::Bad,
                &const { Text::constant("Unrecognized command") },
                tag,
            ));
        }
        if state != State::NotAuthenticated || self.core.tls().is_some() || self.compressed {
            return Ok(self.out_of_place(
                Status::No,
                &const { Text::constant("STARTTLS comes first, and once") },
                tag,
            ));
        }
        // Before the OK: a client that has sent on already is not told to go ahead.
        self.core.shut_gate()?;
        self.status(Status::Ok, &const { Text::constant("Begin TLS negotiation now") }, Some(tag));
        self.state = State::Handshake;
        Ok(Some(Event::StartTls))
    }

    fn authenticate(
        &mut self,
        tag: Tag,
        mechanism: MechanismName,
        initial: Option<Secret<Vec<u8>>>,
    ) -> Option<Event> {
        if !self.config.mechanisms.contains(&mechanism) {
            let text = const { Text::constant("Unknown mechanism") };
            return self.out_of_place(Status::No, &text, &tag);
        }
        if !self.allows(&mechanism) {
            let text = const { Text::constant("This mechanism needs an encrypted connection") };
            return self.out_of_place(Status::No, &text, &tag);
        }
        Some(Event::Authenticate { ticket: self.issue(tag, Open::Authenticate), mechanism, initial })
    }

    /// Tickets a command whose ticket was dropped.
    fn settle_dropped(&mut self) -> Option<Event> {
        if !self.ledger.take_dropped() {
            return None;
        }
        let (tag, _) = self.open.take()?;
        self.status(Status::No, &const { Text::constant("internal error") }, Some(&tag));
        self.core.restart_timeout();
        Some(Event::Misuse(ApiMisuse::TicketDropped))
    }
}

impl mail_wire::Connection for Connection {
    type Event = Event;

    mail_wire::delegate_to_core!();

    fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(error) = self.core.failure() {
                return Err(error);
            }
            if self.core.is_closing() {
                return Ok(None);
            }
            if let Some(event) = self.settle_dropped() {
                return Ok(Some(event));
            }
            if self.core.has_timed_out() {
                return Err(self.fail(PeerMisbehaved::TimedOut.into()));
            }
            let part = match self.next_frame() {
                Ok(part) => part,
                Err(error) => return Err(self.fail(error)),
            };
            let event = match part {
                Some(Part::Offer(announced)) => {
                    self.literal(&announced);
                    None
                }
                Some(Part::Whole(frame)) => match self.frame(&frame) {
                    Ok(event) => event,
                    Err(error) => return Err(self.fail(error)),
                },
                Some(Part::Refused) => {
                    let tag = self.refused.take();
                    self.refuse(Status::Bad, &const { Text::constant("Literal too large") }, tag.as_ref());
                    None
                }
                // No literal is streamed here.
                Some(Part::Head(..) | Part::Chunk(..) | Part::LiteralEnd(_) | Part::Tail(_)) => None,
                None => {
                    if self.core.input.has_ended() && !self.ledger.is_open() {
                        self.core.close();
                    }
                    return Ok(None);
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// None while a command waits for the owner: the silence is not the client's.
    fn poll_timeout(&self) -> Option<Instant> {
        if self.ledger.is_open() { None } else { self.core.poll_timeout() }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.ledger.is_open() {
            self.core.handle_timeout(now);
        }
    }

    fn tls_started(&mut self, now: Instant) {
        self.core.tls_started(now);
        if self.state == State::Handshake && !self.core.is_closing() {
            self.state = State::Ungreeted;
            self.framer = LiteralFramer::new(self.config.limits.before_login);
            // The state was set so that this cannot fail.
            let _ = self.greet();
        }
    }

    fn wants_input(&self) -> bool {
        let limit = self.config.limits.waiting_bytes_max / 4;
        !(self.is_closing() || self.ledger.is_open() && self.core.input.waiting().len() > limit)
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
