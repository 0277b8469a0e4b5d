//! The server's side of a connection (RFC 1939 3 to 7).
//!
//! The connection answers by itself what needs no maildrop: CAPA, STLS, USER (always `+OK`, so that it tells nothing about
//! names; safety row A3), APOP (refused: it needs passwords that can be read), QUIT before a login, commands that are
//! bad or out of place. Everything else comes as an event with a [`Ticket`], one at a time; pipelined commands wait
//! in the buffer.
//!
//! ```text
//!  greet() --> AUTHORIZATION --login--> TRANSACTION --QUIT--> UPDATE --reply--> closed
//!                |       ^
//!                '--TLS--'
//! ```
//!
//! A reply of many lines is begun with [`Connection::begin`], which turns the ticket into a [`MultiLine`], filled in
//! pieces, and ended with [`Connection::end`]. Small replies leave in one piece.
//!
//! A ticket that is dropped is answered `-ERR [SYS/TEMP]` at the next poll and reported as [`Event::Misuse`]; the
//! connection goes on, since the fault is not the peer's. A [`MultiLine`] that is dropped ends the connection: half a
//! message must not look like a whole one. At the peer's end of stream, and after QUIT, `is_closing` is true and no
//! event follows; without an [`Event::Quit`] nothing may be removed from the maildrop.

mod answer;

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::sasl::{self, ClientMessage, Credentials, Mechanism, MechanismName};
use mail_wire::{
    ApiMisuse, Core, DotWriter, Error, Ledger, LimitExceeded, Line, LineFramer, PeerMisbehaved,
    PlaintextLogin, Secret, Text, Ticket, TlsActive, is_foreign_protocol,
};

pub use answer::MultiLine;

use crate::{
    BadCommand, Capability, Command, MaildropCommand, Password, Reply, ResponseCode, ServerLimits,
    ServerTimeouts, UserName,
};

/// What a server is and allows.
#[derive(Debug, Clone)]
pub struct Config {
    /// The SASL mechanisms it takes.
    pub mechanisms: Vec<MechanismName>,
    /// Whether STLS can be had.
    pub start_tls: StartTls,
    /// Whether USER, and mechanisms that send the password, may be used in the clear. If not, they are not even offered
    /// there.
    pub plaintext_login: PlaintextLogin,
    /// Capabilities to announce beside those of this crate: EXPIRE, LOGIN-DELAY, IMPLEMENTATION.
    pub capabilities: Vec<Capability>,
    /// Limits.
    pub limits: ServerLimits,
    /// Timeouts.
    pub timeouts: ServerTimeouts,
}

/// Whether a server offers STLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// It does, as long as the link is in the clear.
    Offer,
    /// It has no certificate.
    Off,
}

impl Default for Config {
    /// PLAIN, and that only under TLS; no STLS.
    fn default() -> Self {
        Self {
            mechanisms: vec![Mechanism::Plain.into()],
            start_tls: StartTls::Off,
            plaintext_login: PlaintextLogin::Refuse,
            capabilities: Vec::new(),
            limits: ServerLimits::default(),
            timeouts: ServerTimeouts::default(),
        }
    }
}

/// What the client wants of the owner.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The `+OK` to STLS is queued: send it, shake hands, then call `tls_started`.
    StartTls,
    /// A login by USER and PASS. Answer with [`Connection::auth_ok`] or [`Connection::auth_failed`].
    Login(Ticket, Credentials),
    /// A login by SASL begins. Answer as above or with [`Connection::challenge`].
    Authenticate {
        /// The duty to answer.
        ticket: Ticket,
        /// One of the configured mechanisms.
        mechanism: MechanismName,
        /// The client's first message, if it came along.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// The response to a challenge. Answer as above.
    AuthResponse(Ticket, Secret<Vec<u8>>),
    /// The client gave the exchange up, or sent what is no base64; it was told. The exchange is over.
    AuthAborted,
    /// A command about messages. Answer with [`Connection::reply`], or with [`Connection::begin`] if
    /// [`MaildropCommand::is_multi_line`].
    Maildrop(Ticket, MaildropCommand),
    /// Remove what is marked as deleted, then reply; the connection closes behind the reply.
    Quit(Ticket),
    /// The owner broke the contract; the peer was answered. To be logged.
    Misuse(ApiMisuse),
}

/// Why a login failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// Wrong name, wrong password, or a name that may not do this: one answer for all (safety row A3).
    Credentials,
    /// Another session has the maildrop.
    InUse,
    /// The last login was too short a time ago.
    LoginDelay,
    /// It cannot be checked, or the maildrop cannot be opened, now.
    Temporary,
    /// It cannot be opened until somebody repairs it.
    Broken,
}

/// A server's connection.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    framer: LineFramer,
    config: Config,
    state: State,
    ledger: Ledger,
    /// The command whose ticket is out.
    open: Option<Open>,
    /// The body of the reply under way.
    body: Option<DotWriter>,
    /// What USER said.
    user: Option<UserName>,
    /// A line was read: the peer speaks this protocol, or at least not HTTP.
    heard: bool,
    bad_commands: u32,
    auth_failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ungreeted,
    Authorization,
    /// A challenge was sent; the next line is the response, or `*`.
    Exchange,
    Handshake,
    Transaction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Login,
    Maildrop(MaildropCommand),
    Quit,
}

impl Connection {
    /// A connection that was accepted at `now`. Nothing is sent before [`greet`](Self::greet).
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.login));
        Self {
            core,
            framer: LineFramer::new(config.limits.command),
            config,
            state: State::Ungreeted,
            ledger: Ledger::new(),
            open: None,
            body: None,
            user: None,
            heard: false,
            bad_commands: 0,
            auth_failures: 0,
        }
    }

    /// Sends the greeting. There is no second one after STLS.
    pub fn greet(&mut self, text: &Text) -> Result<(), Error> {
        if self.state != State::Ungreeted {
            return Err(ApiMisuse::WrongState("the greeting was sent already").into());
        }
        self.state = State::Authorization;
        self.put(&Reply::ok(text.clone()));
        Ok(())
    }

    /// Refuses the client instead of a greeting, or says a last word at a shutdown, and closes.
    pub fn refuse(&mut self, text: &Text) {
        // Not into half a message, and not where the client expects a handshake.
        let speaks = self.body.is_none() && self.state != State::Handshake;
        if speaks && !self.core.is_closing() {
            self.put(&Reply::err_with(ResponseCode::SysTemp, text.clone()));
        }
        self.core.close();
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

    fn put(&mut self, reply: &Reply) {
        reply.encode(&mut self.core.out);
    }

    fn allows_passwords(&self) -> bool {
        self.core.tls().is_some() || self.config.plaintext_login == PlaintextLogin::DangerAllow
    }

    fn allows(&self, mechanism: &MechanismName) -> bool {
        self.allows_passwords() || !mechanism.sends_password()
    }

    fn offers_tls(&self) -> bool {
        self.core.tls().is_none() && self.config.start_tls == StartTls::Offer
    }

    fn issue(&mut self, open: Open) -> Ticket {
        self.open = Some(open);
        self.ledger.issue()
    }

    fn refuse_command(&mut self, text: Text) {
        self.put(&Reply::err(text));
        self.bad_commands += 1;
        if self.bad_commands >= self.config.limits.bad_commands_max {
            self.core.fail(PeerMisbehaved::TooManyBadCommands);
        }
    }

    /// The next line, if there is one and it is time for it.
    fn next_line(&mut self) -> Result<Option<Line>, Error> {
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
        self.framer.poll(&mut self.core.input)
    }

    fn line(&mut self, line: &Bytes) -> Result<Option<Event>, Error> {
        if self.state == State::Exchange {
            return Ok(Some(self.sasl_line(line)));
        }
        match Command::parse(line) {
            Ok(command) => self.command(command),
            Err(BadCommand::Unknown) => {
                self.refuse_command(const { Text::constant("Unknown command") });
                Ok(None)
            }
            Err(BadCommand::Arguments(_)) => {
                self.refuse_command(const { Text::constant("Bad arguments") });
                Ok(None)
            }
        }
    }

    fn sasl_line(&mut self, line: &[u8]) -> Event {
        self.state = State::Authorization;
        self.framer.set_limits(self.config.limits.command);
        match sasl::decode_line(line) {
            Ok(ClientMessage::Response(message)) => Event::AuthResponse(self.issue(Open::Login), message),
            Ok(ClientMessage::Cancel) => {
                self.refuse_command(const { Text::constant("Authentication cancelled") });
                Event::AuthAborted
            }
            Err(_) => {
                self.refuse_command(const { Text::constant("Base64 expected") });
                Event::AuthAborted
            }
        }
    }

    fn overlong(&mut self) -> Result<Option<Event>, Error> {
        self.refuse_command(const { Text::constant("Line too long") });
        if self.state != State::Exchange {
            return Ok(None);
        }
        self.state = State::Authorization;
        self.framer.set_limits(self.config.limits.command);
        Ok(Some(Event::AuthAborted))
    }

    fn command(&mut self, command: Command) -> Result<Option<Event>, Error> {
        match (command, self.state) {
            (Command::Capa, _) => self.capa(),
            (Command::Quit, State::Transaction) => return Ok(Some(Event::Quit(self.issue(Open::Quit)))),
            (Command::Quit, _) => {
                self.put(&Reply::ok(const { Text::constant("Goodbye") }));
                self.core.close();
            }
            (Command::Maildrop(command), State::Transaction) => {
                return Ok(Some(Event::Maildrop(self.issue(Open::Maildrop(command)), command)));
            }
            (Command::Maildrop(_), _) => self.refuse_command(const { Text::constant("Log in first") }),
            (_, State::Transaction) => {
                self.refuse_command(const { Text::constant("Not after the login") });
            }
            (Command::Stls, _) => return self.stls(),
            (Command::User(_), _) if !self.allows_passwords() => self.refuse_clear(),
            (Command::User(name), _) => {
                self.user = Some(name);
                self.put(&Reply::ok(const { Text::constant("Send the password") }));
            }
            (Command::Pass(password), _) => return Ok(self.pass(password)),
            (Command::Apop { .. }, _) => {
                self.refuse_command(const { Text::constant("APOP is not available") })
            }
            (Command::Auth { mechanism, initial }, _) => return Ok(self.auth(mechanism, initial)),
        }
        Ok(None)
    }

    fn capa(&mut self) {
        let names: Vec<_> = self.config.mechanisms.iter().filter(|name| self.allows(name)).cloned().collect();
        let mut all = vec![
            Capability::Top,
            Capability::Uidl,
            Capability::RespCodes,
            Capability::AuthRespCode,
            Capability::Pipelining,
        ];
        if self.offers_tls() {
            all.push(Capability::Stls);
        }
        if self.allows_passwords() {
            all.push(Capability::User);
        }
        if !names.is_empty() {
            all.push(Capability::Sasl(names));
        }
        self.put(&Reply::ok(const { Text::constant("Capabilities follow") }));
        for capability in all.iter().chain(&self.config.capabilities) {
            capability.encode(&mut self.core.out);
        }
        self.core.out.put(b".\r\n");
    }

    fn stls(&mut self) -> Result<Option<Event>, Error> {
        if !self.offers_tls() {
            self.refuse_command(const { Text::constant("STLS is not available") });
            return Ok(None);
        }
        // Before the reply: a client that has sent on already is not told to go ahead.
        self.core.shut_gate()?;
        self.put(&Reply::ok(const { Text::constant("Begin TLS negotiation now") }));
        self.state = State::Handshake;
        Ok(Some(Event::StartTls))
    }

    fn refuse_clear(&mut self) {
        self.refuse_command(const { Text::constant("This needs an encrypted connection") });
    }

    fn pass(&mut self, password: Password) -> Option<Event> {
        if !self.allows_passwords() {
            self.refuse_clear();
            return None;
        }
        let Some(name) = self.user.take() else {
            self.refuse_command(const { Text::constant("USER comes first") });
            return None;
        };
        let credentials =
            Credentials { authcid: name.into_authcid(), authzid: None, password: password.into_secret() };
        Some(Event::Login(self.issue(Open::Login), credentials))
    }

    fn auth(&mut self, mechanism: MechanismName, initial: Option<Secret<Vec<u8>>>) -> Option<Event> {
        self.user = None;
        if !self.config.mechanisms.contains(&mechanism) {
            self.refuse_command(const { Text::constant("Unknown mechanism") });
            return None;
        }
        if !self.allows(&mechanism) {
            self.refuse_clear();
            return None;
        }
        Some(Event::Authenticate { ticket: self.issue(Open::Login), mechanism, initial })
    }

    /// Answers a command whose ticket was dropped.
    fn settle_dropped(&mut self) -> Result<Option<Event>, Error> {
        if !self.ledger.take_dropped() {
            return Ok(None);
        }
        if self.body.is_some() {
            return Err(self.core.fail(ApiMisuse::TicketDropped));
        }
        self.put(&Reply::err_with(ResponseCode::SysTemp, const { Text::constant("Internal error") }));
        if self.open.take() == Some(Open::Quit) {
            self.core.close();
        }
        self.core.restart_timeout();
        Ok(Some(Event::Misuse(ApiMisuse::TicketDropped)))
    }

    /// A last word, where the client can take it for one.
    fn fail(&mut self, error: Error) -> Error {
        let text = match error {
            Error::InvalidMessage(_) => const { Text::constant("Line with a byte that no line holds") },
            Error::LimitExceeded(_) => const { Text::constant("Too much at once") },
            _ => return self.core.fail(error),
        };
        if self.body.is_none() && self.state != State::Handshake {
            self.put(&Reply::err(text));
        }
        self.core.fail(error)
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
        loop {
            if let Some(error) = self.core.failure() {
                return Err(error);
            }
            if self.core.is_closing() {
                return Ok(None);
            }
            if let Some(event) = self.settle_dropped()? {
                return Ok(Some(event));
            }
            if self.core.has_timed_out() {
                // RFC 1939 3: without a word, and without the UPDATE state.
                return Err(self.core.fail(PeerMisbehaved::TimedOut));
            }
            let event = match self.next_line() {
                Ok(Some(Line::Whole(line))) => {
                    self.heard = true;
                    self.line(&line)
                }
                // Nobody can say what the sender takes for a line; what follows is not read.
                Ok(Some(Line::Invalid(error))) => Err(error.into()),
                Ok(Some(Line::Overlong(_))) => {
                    self.heard = true;
                    self.overlong()
                }
                Ok(None) => {
                    if self.core.input.has_ended() && !self.ledger.is_open() {
                        self.core.close();
                    }
                    return Ok(None);
                }
                Err(error) => Err(error),
            };
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.core.poll_transmit()
    }

    fn transmit_bytes(&self) -> usize {
        self.core.transmit_bytes()
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
        if self.state == State::Handshake {
            self.state = State::Authorization;
            self.framer = LineFramer::new(self.config.limits.command);
            self.user = None;
        }
    }

    fn wants_input(&self) -> bool {
        let behind = self.ledger.is_open()
            && self.core.input.waiting().len() > self.config.limits.waiting_bytes_max / 4;
        !(behind || self.is_closing())
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
