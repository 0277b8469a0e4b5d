//! The server's side of a connection (RFC 1939 3 to 7).
//!
//! The connection answers by itself what needs no maildrop: CAPA, STLS, UTF8, LANG, USER (always `+OK`, so that it tells
//! nothing about names; safety row A3), QUIT before a login, commands that are bad or out of place. Everything else comes as an event with a [`Ticket`], one at a time; pipelined commands wait
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
mod config;
mod login;
mod outlook;

use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{Authcid, Credentials, MechanismName};
use mail_wire::{
    ApiMisuse, Core, DotWriter, Error, Ledger, LimitExceeded, Line, LineFramer, PeerMisbehaved, Secret, Text,
    Ticket, TlsActive, is_foreign_protocol,
};

pub use answer::MultiLine;
pub use config::{Config, Language, Utf8Mode};
pub use mail_wire::StartTls;
use outlook::HeaderEnd;

use crate::apop::{Digest, Timestamp};
use crate::quirks::Leniency;
use crate::{
    BadCommand, Capability, Command, LanguageTag, MaildropCommand, QuirksMet, Reply, ResponseCode, UserName,
};

/// What the client wants of the owner.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The `+OK` to STLS is queued: send it, shake hands, then call `tls_started`.
    StartTls,
    /// A login by USER and PASS. Answer with [`Connection::auth_ok`] or [`Connection::auth_failed`].
    Login(Ticket, Credentials),
    /// A login by APOP. Compare the digest with that of [`Connection::timestamp`] and the user's secret; answer as above.
    Apop {
        /// The duty to answer.
        ticket: Ticket,
        /// Who logs in.
        name: Authcid,
        /// What the client computed.
        digest: Digest,
    },
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
    /// The client chose this language by LANG and was told. The owner's texts are to be in it from here on, as
    /// [`Text::international`]; the connection's own words stay English.
    Language(LanguageTag),
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
    /// Whether an empty line was seen in the message under way.
    header_end: HeaderEnd,
    /// The timestamp that was sent with the greeting.
    timestamp: Option<Timestamp>,
    user_capabilities: Option<Vec<Capability>>,
    utf8: Utf8State,
    /// The client said that it reads UTF-8 in replies, by UTF8 or LANG.
    reads_utf8: bool,
    leniency: Leniency,
    /// What USER said.
    user: Option<UserName>,
    /// A line was read: the peer speaks this protocol, or at least not HTTP.
    heard: bool,
    bad_commands: u32,
    auth_failures: u32,
}

/// Bytes of the line of a reply, CRLF included (RFC 1939 3).
const REPLY_LINE_BYTES_MAX: usize = 512;

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
enum Utf8State {
    Off,
    On,
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
            leniency: Leniency::new(config.quirks),
            config,
            state: State::Ungreeted,
            ledger: Ledger::new(),
            open: None,
            body: None,
            header_end: HeaderEnd::default(),
            timestamp: None,
            user_capabilities: None,
            utf8: Utf8State::Off,
            reads_utf8: false,
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

    /// Sends the greeting with a timestamp: APOP may be used. Each greeting must have another; see [`Timestamp::of`].
    pub fn greet_with(&mut self, text: &Text, timestamp: Timestamp) -> Result<(), Error> {
        let line_bytes = "+OK  \r\n".len() + text.as_str().len() + timestamp.as_str().len();
        if text.as_str().contains('<') || line_bytes > REPLY_LINE_BYTES_MAX {
            return Err(ApiMisuse::WrongState("this text leaves no room for a timestamp").into());
        }
        if self.state != State::Ungreeted {
            return Err(ApiMisuse::WrongState("the greeting was sent already").into());
        }
        self.state = State::Authorization;
        self.core.out.put(format!("+OK {text} {}\r\n", timestamp.as_str()).as_bytes());
        self.timestamp = Some(timestamp);
        Ok(())
    }

    /// The timestamp of the greeting, if it had one.
    #[must_use]
    pub fn timestamp(&self) -> Option<&Timestamp> {
        self.timestamp.as_ref()
    }

    /// What CAPA tells a user who has logged in, instead of [`Config::capabilities`]: his own LOGIN-DELAY and EXPIRE (RFC
    /// 2449 6.5 and 6.7, whose `USER` announces that they may differ).
    pub fn set_user_capabilities(&mut self, capabilities: Vec<Capability>) {
        self.user_capabilities = Some(capabilities);
    }

    /// True in UTF-8 mode. Out of it, a message that needs it is refused with [`ResponseCode::Utf8`] or sent in another form
    /// (RFC 6856 2.1).
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.utf8 == Utf8State::On
    }

    /// What was overlooked so far.
    #[must_use]
    pub fn quirks_met(&self) -> QuirksMet {
        self.leniency.met
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
        if self.reads_utf8 || reply.text.as_str().is_ascii() {
            return reply.encode(&mut self.core.out);
        }
        Reply { text: reply.text.to_ascii(), ..reply.clone() }.encode(&mut self.core.out);
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
        match Command::parse_with(line, &mut self.leniency) {
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
            (Command::Lang(range), _) => return Ok(self.lang(range.as_ref())),
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
            (Command::Apop { name, digest }, _) => return Ok(self.apop(name, digest)),
            (Command::Utf8, _) => self.go_utf8(),
            (Command::AuthListing, _) => self.auth_listing(),
            (Command::Auth { mechanism, initial }, _) => return Ok(self.auth(mechanism, initial)),
        }
        Ok(None)
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

    mail_wire::delegate_to_core!();

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
            self.reads_utf8 = false;
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
