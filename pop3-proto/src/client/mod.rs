//! The client's side of a connection.
//!
//! ```text
//!  greeting --CAPA--[STLS, by TlsMode, --CAPA]--> Event::Greeting --login--> Event::LoggedIn --> commands --quit--> end
//! ```
//!
//! Login is one of [`Connection::login`] (USER and PASS), [`Connection::login_apop`] and [`Connection::authenticate`] (SASL),
//! behind [`Connection::utf8`] if messages are wanted in UTF-8. Languages and capabilities may be asked for at any time
//! between answered commands.
//!
//! Up to [`Event::Greeting`] everything happens by itself. A server that does not know CAPA has no capabilities. After
//! STLS they are asked for again, and those from before are forgotten (safety row T6).
//!
//! Commands may be given ahead of their answers: they are sent at once if the server announced PIPELINING, and one by
//! one otherwise. Answers come in order. A reply of one line, or a refusal, is [`Event::Reply`]; a reply of many lines is
//! [`Event::Begin`], then lines or pieces, then [`Event::End`].
//!
//! What the server may not do ends the connection: a reply that nobody waits for or that comes before its command has
//! left (safety row T4), bytes behind the `+OK` to STLS (T3), no offer of STLS where it is required.

mod incoming;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{self, Credentials, Mechanism, MechanismName};
use mail_wire::{
    ApiMisuse, BareLineEnd, Core, DotReader, Error, InvalidMessage, LimitExceeded, LineEnd, LineFramer,
    PeerIncompatible, PeerMisbehaved, Secret, Text, TlsActive, TlsMode,
};

use crate::apop::{Digest, Timestamp};
use crate::quirks::Leniency;
use crate::reply::ReplyText;
use crate::{
    Capabilities, Capability, ClientLimits, ClientTimeouts, Command, LanguageListing, LanguageRange,
    ListingView, MaildropCommand, Password, Quirk, Quirks, QuirksMet, Reply, ScanListing, UniqueIdListing,
    UserName,
};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether it goes under TLS by STLS first.
    pub tls: TlsMode,
    /// What is overlooked.
    pub quirks: Quirks,
    /// What becomes of bare CR and LF in a message. Old servers send mail with them.
    pub bare_line_end: BareLineEnd,
    /// Limits.
    pub limits: ClientLimits,
    /// Timeouts.
    pub timeouts: ClientTimeouts,
}

impl Config {
    /// Strict, with the default limits and timeouts.
    #[must_use]
    pub fn new(tls: TlsMode) -> Self {
        Self {
            tls,
            quirks: Quirks::NONE,
            bare_line_end: BareLineEnd::default(),
            limits: ClientLimits::default(),
            timeouts: ClientTimeouts::default(),
        }
    }
}

/// What a server said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Its greeting.
    pub text: Text,
    /// The timestamp in it, if APOP may be used. One from before STLS is forgotten (safety row T6).
    pub timestamp: Option<Timestamp>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The `+OK` to STLS: shake hands now, then call `tls_started`.
    StartTls,
    /// The server is ready, under TLS if there is to be TLS. Log in now.
    Greeting(Greeting),
    /// A server's message of a login; answer with [`Connection::respond`] or [`Connection::cancel`].
    Challenge(Secret<Vec<u8>>),
    /// The login ended well.
    LoggedIn(Reply),
    /// The login ended badly; the code may say why. Another may be tried.
    LoginFailed(Reply),
    /// The answer to UTF8: if it is positive, messages come in UTF-8.
    Utf8(Reply),
    /// The answer to LANG with a range. If it is positive, its text begins with the language, and all text comes in it.
    Language(Reply),
    /// The answer to LANG without one: what there is, or why that is not told.
    Languages(Result<Vec<LanguageListing>, Reply>),
    /// What the server can do, asked for anew.
    Capabilities(Capabilities),
    /// The whole answer to a command, in one line.
    Reply(MaildropCommand, Reply),
    /// The first line of an answer of many.
    Begin(MaildropCommand, Reply),
    /// A line of LIST.
    ScanListing(ScanListing),
    /// A line of UIDL.
    UniqueIdListing(UniqueIdListing),
    /// A line of LIST or UIDL that is none. The listing goes on.
    BadLine(InvalidMessage),
    /// Bytes of a message, unstuffed, cut anywhere, never empty.
    Chunk(Bytes),
    /// The answer of many lines is complete.
    End(MaildropCommand),
    /// The server has answered QUIT, or refused the connection by its greeting; nothing follows. A negative answer to
    /// QUIT means that marked messages may still be there.
    Goodbye(Reply),
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    framer: LineFramer,
    config: Config,
    state: State,
    greeting: Greeting,
    pending: VecDeque<Pending>,
    /// Commands that wait for the answer of the one before.
    waiting: VecDeque<Kind>,
    /// What is read of an answer of many lines.
    many: Option<Many>,
    /// What follows the server's next word in a login.
    secret: Option<LoginStep>,
    /// Replies may be in UTF-8.
    reading: ReplyText,
    utf8: Utf8State,
    leniency: Leniency,
    /// Bytes at the front of the input that were shown by the last [`Connection::poll_listing`], and go at the next poll.
    shown_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    /// CAPA and STLS are under way.
    Preparing,
    Handshake,
    Authorization,
    /// A challenge is with the owner.
    Challenged,
    Transaction,
    /// QUIT was given; nothing may follow.
    Quitting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Capa,
    Stls,
    User,
    /// PASS or APOP: the answer is that of the login.
    Pass,
    Auth,
    Utf8,
    Language,
    Languages,
    Maildrop(MaildropCommand),
    Quit,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    kind: Kind,
    /// [`Outbox::queued_bytes`](mail_wire::Outbox::queued_bytes) when it was queued in full.
    end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Utf8State {
    Off,
    On,
}

#[derive(Debug)]
enum Many {
    Capabilities,
    Languages(Vec<LanguageListing>),
    Lines(MaildropCommand, u64),
    Message(MaildropCommand, DotReader, u64),
}

#[derive(Debug)]
enum LoginStep {
    Password(Password),
    Message(Secret<Vec<u8>>),
}

/// Bytes that the lines of a listing hardly ever have: a number, a space, and an identifier of 70.
const LISTING_LINE_BYTES: usize = 128;
/// Bytes of an AUTH line with an initial response; a longer response is sent when the server asks (RFC 5034 4).
const AUTH_LINE_BYTES_MAX: usize = 255;

impl Connection {
    /// A connection that was made at `now`, and waits for the greeting.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.reply));
        Self {
            core,
            framer: framer(&config),
            leniency: Leniency::new(config.quirks),
            config,
            state: State::Greeting,
            greeting: Greeting {
                text: const { Text::constant("") },
                timestamp: None,
                capabilities: Capabilities::new(),
            },
            pending: VecDeque::new(),
            waiting: VecDeque::new(),
            many: None,
            secret: None,
            reading: ReplyText::Ascii,
            utf8: Utf8State::Off,
            shown_bytes: 0,
        }
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// What the server can do, once it has greeted.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.greeting.capabilities
    }

    /// True in the TRANSACTION state.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.state == State::Transaction
    }

    /// The next event, if it is a line of LIST or UIDL in its plain form, as a view of the read buffer: for whoever takes
    /// in long listings. Nothing is allocated, nothing counted. `None` says nothing about what comes next, so
    /// [`poll_event`](mail_wire::Connection::poll_event) follows:
    ///
    /// ```
    /// # use mail_wire::{Connection as _, Error};
    /// # use pop3_proto::{ListingView, client::{Connection, Event}};
    /// # fn take(_: ListingView<'_>) {}
    /// # fn drain(client: &mut Connection) -> Result<(), Error> {
    /// loop {
    ///     while let Some(line) = client.poll_listing() {
    ///         take(line);
    ///     }
    ///     match client.poll_event()? {
    ///         Some(Event::ScanListing(line)) => take(ListingView::Scan(line)),
    ///         Some(Event::UniqueIdListing(line)) => take(ListingView::UniqueId(line.message, line.id.as_str())),
    ///         Some(_) => {} // The other events.
    ///         None => return Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn poll_listing(&mut self) -> Option<ListingView<'_>> {
        self.drop_shown();
        if self.core.is_closing() || self.core.has_timed_out() {
            return None;
        }
        let Some(Many::Lines(command, lines)) = &mut self.many else { return None };
        if *lines >= self.config.limits.listing_lines_max {
            return None;
        }
        let input = self.framer.front(&self.core.input, LISTING_LINE_BYTES)?;
        let (line, bytes) = match command {
            MaildropCommand::Uidl(_) => ListingView::unique_id_line(input)?,
            _ => ListingView::scan_line(input)?,
        };
        *lines += 1;
        self.shown_bytes = bytes;
        Some(line)
    }

    /// True once the server has said yes to UTF8: messages come in UTF-8.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.utf8 == Utf8State::On
    }

    /// What was overlooked so far.
    #[must_use]
    pub fn quirks_met(&self) -> QuirksMet {
        let mut met = self.leniency.met;
        met.set(Quirk::BareLineFeed, self.framer.bare_lines());
        met
    }

    /// How many commands wait for their answer, sent or not.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len() + self.waiting.len()
    }

    /// Logs in by USER and PASS. Both must be ASCII unless the server announced `UTF8 USER` (RFC 6856 2.2).
    pub fn login(&mut self, name: UserName, password: Password, _protected: TlsActive) -> Result<(), Error> {
        self.may_log_in()?;
        self.check_ascii(name.as_str().is_ascii() && password.is_ascii())?;
        self.secret = Some(LoginStep::Password(password));
        self.put(&Command::User(name), Kind::User);
        Ok(())
    }

    /// Logs in by APOP, with the digest of the greeting's timestamp and a secret. It needs no proof of protection, since
    /// the secret is not sent; but whoever listens can try out guesses at it.
    pub fn login_apop(&mut self, name: UserName, digest: Digest) -> Result<(), Error> {
        self.may_log_in()?;
        if self.greeting.timestamp.is_none() {
            return Err(PeerIncompatible::Missing("a timestamp for APOP").into());
        }
        self.check_ascii(name.as_str().is_ascii())?;
        self.put(&Command::Apop { name, digest }, Kind::Pass);
        Ok(())
    }

    /// Logs in by SASL PLAIN; the name that is acted for may be another than the one whose password it is.
    pub fn login_plain(&mut self, credentials: &Credentials, protected: TlsActive) -> Result<(), Error> {
        let message = sasl::plain_message(credentials);
        self.authenticate(&Mechanism::Plain.into(), Some(message), protected)
    }

    /// Begins a login by SASL. An initial message that is too long for its line waits for the server to ask.
    pub fn authenticate(
        &mut self,
        mechanism: &MechanismName,
        initial: Option<Secret<Vec<u8>>>,
        _protected: TlsActive,
    ) -> Result<(), Error> {
        self.may_log_in()?;
        if !self.greeting.capabilities.offers_mechanism(mechanism) {
            return Err(PeerIncompatible::Missing("this SASL mechanism").into());
        }
        let fits = |message: &Secret<Vec<u8>>| {
            let base64_bytes = message.expose().len().div_ceil(3) * 4;
            "AUTH  \r\n".len() + mechanism.as_str().len() + base64_bytes <= AUTH_LINE_BYTES_MAX
        };
        let (now, later) = match initial {
            Some(message) if !fits(&message) => (None, Some(LoginStep::Message(message))),
            initial => (initial, None),
        };
        self.secret = later;
        self.put(&Command::Auth { mechanism: mechanism.clone(), initial: now }, Kind::Auth);
        Ok(())
    }

    /// Answers a challenge.
    pub fn respond(&mut self, message: &[u8]) -> Result<(), Error> {
        self.sasl_line(sasl::encode(message).expose().as_bytes())
    }

    /// Gives the login up; [`Event::LoginFailed`] follows.
    pub fn cancel(&mut self) -> Result<(), Error> {
        self.sasl_line(b"*")
    }

    /// Asks for messages in UTF-8 (RFC 6856 2), before the login; [`Event::Utf8`] follows.
    pub fn utf8(&mut self) -> Result<(), Error> {
        self.may_log_in()?;
        let capabilities = &self.greeting.capabilities;
        if !(capabilities.contains(&Capability::Utf8) || capabilities.contains(&Capability::Utf8User)) {
            return Err(PeerIncompatible::Missing("UTF8").into());
        }
        self.put(&Command::Utf8, Kind::Utf8);
        Ok(())
    }

    /// Asks for a language (RFC 6856 3), before or after the login; [`Event::Language`] follows.
    pub fn language(&mut self, range: LanguageRange) -> Result<(), Error> {
        self.may_ask_for_languages()?;
        self.put(&Command::Lang(Some(range)), Kind::Language);
        Ok(())
    }

    /// Asks which languages there are; [`Event::Languages`] follows.
    pub fn languages(&mut self) -> Result<(), Error> {
        self.may_ask_for_languages()?;
        self.put(&Command::Lang(None), Kind::Languages);
        Ok(())
    }

    /// Asks again what the server can do: behind a login, LOGIN-DELAY and EXPIRE may be the user's own (RFC 2449 6.5 and
    /// 6.7). [`Event::Capabilities`] follows; a refusal leaves them as they were.
    pub fn capa(&mut self) -> Result<(), Error> {
        self.may_ask_aside()?;
        self.put(&Command::Capa, Kind::Capa);
        Ok(())
    }

    /// Gives a command, to be sent now or when its turn comes.
    pub fn send(&mut self, command: MaildropCommand) -> Result<(), Error> {
        if self.state != State::Transaction {
            return Err(ApiMisuse::WrongState("commands belong behind the login").into());
        }
        let max = self.config.limits.commands_max;
        if self.pending() >= max {
            return Err(LimitExceeded::new("commands_max", max as u64).into());
        }
        self.waiting.push_back(Kind::Maildrop(command));
        self.send_waiting();
        Ok(())
    }

    /// Says goodbye behind all commands that were given: what is marked as deleted is removed.
    pub fn quit(&mut self) -> Result<(), Error> {
        match self.state {
            State::Transaction => {}
            State::Authorization if self.pending.is_empty() => {}
            _ => return Err(ApiMisuse::WrongState("QUIT does not belong here").into()),
        }
        self.state = State::Quitting;
        self.waiting.push_back(Kind::Quit);
        self.send_waiting();
        Ok(())
    }

    fn may_ask_aside(&self) -> Result<(), Error> {
        if !matches!(self.state, State::Authorization | State::Transaction) || self.pending() > 0 {
            return Err(ApiMisuse::WrongState("this belongs between answered commands").into());
        }
        Ok(())
    }

    fn may_ask_for_languages(&self) -> Result<(), Error> {
        if !self.greeting.capabilities.contains(&Capability::Lang) {
            return Err(PeerIncompatible::Missing("LANG").into());
        }
        self.may_ask_aside()
    }

    fn check_ascii(&self, ascii: bool) -> Result<(), Error> {
        if ascii || self.greeting.capabilities.contains(&Capability::Utf8User) {
            return Ok(());
        }
        Err(PeerIncompatible::Inexpressible("a name or password beyond ASCII").into())
    }

    fn may_log_in(&self) -> Result<(), Error> {
        if self.state != State::Authorization || !self.pending.is_empty() {
            return Err(ApiMisuse::WrongState("a login belongs behind the greeting").into());
        }
        Ok(())
    }

    fn drop_shown(&mut self) {
        if self.shown_bytes > 0 {
            self.framer.skip(&mut self.core.input, self.shown_bytes);
            self.shown_bytes = 0;
        }
    }

    fn sasl_line(&mut self, line: &[u8]) -> Result<(), Error> {
        if self.state != State::Challenged {
            return Err(ApiMisuse::WrongState("no challenge waits").into());
        }
        self.state = State::Authorization;
        self.put_line(line);
        Ok(())
    }

    /// Sends a line that belongs to the command under way.
    fn put_line(&mut self, line: &[u8]) {
        self.core.out.put(line);
        self.core.out.put(b"\r\n");
        self.queued();
    }

    fn put(&mut self, command: &Command, kind: Kind) {
        self.pending.push_back(Pending { kind, end: 0 });
        command.encode(&mut self.core.out);
        self.queued();
    }

    /// Accounts for bytes just queued on behalf of the last command.
    fn queued(&mut self) {
        if let Some(last) = self.pending.back_mut() {
            last.end = self.core.out.queued_bytes();
        }
        // A server that answers nothing must not live on because it is asked again and again.
        if self.pending.len() == 1 {
            self.core.set_timeout(Some(self.config.timeouts.reply));
            self.core.restart_timeout();
        }
    }

    fn send_waiting(&mut self) {
        let pipelining = self.greeting.capabilities.contains(&Capability::Pipelining);
        while pipelining || self.pending.is_empty() {
            match self.waiting.pop_front() {
                Some(Kind::Maildrop(command)) => {
                    self.put(&Command::Maildrop(command), Kind::Maildrop(command))
                }
                Some(kind) => self.put(&Command::Quit, kind),
                None => return,
            }
        }
    }
}

fn framer(config: &Config) -> LineFramer {
    let bare = config.quirks.allows(Quirk::BareLineFeed);
    let end = if bare { LineEnd::DangerLf } else { LineEnd::CrLf };
    LineFramer::new(config.limits.line).with_line_end(end)
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
            if self.core.has_timed_out() {
                return Err(self.core.fail(PeerMisbehaved::TimedOut));
            }
            match self.step() {
                Ok(incoming::Step::Event(event)) => return Ok(Some(event)),
                Ok(incoming::Step::Again) => {}
                Ok(incoming::Step::Wait) => return Ok(None),
                Err(error) => return Err(self.core.fail(error)),
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
    }

    fn tls_started(&mut self, now: Instant) {
        self.core.tls_started(now);
        if self.state == State::Handshake && !self.core.is_closing() {
            self.state = State::Preparing;
            self.greeting.capabilities = Capabilities::new();
            self.greeting.timestamp = None;
            self.framer = framer(&self.config);
            self.put(&Command::Capa, Kind::Capa);
        }
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
