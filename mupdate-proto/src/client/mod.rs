//! The client's side of a connection: a slave, a back-end, or a tool.
//!
//! ```text
//!  banner --[STARTTLS, by TlsMode]--> Event::Greeting --login--> Event::Authenticated --> commands
//! ```
//!
//! * A **slave** sends [`Command::Update`] and gets [`Event::Entry`] for all there is, [`Event::Completed`], and from then
//!   on [`Event::Entry`] and [`Event::Deleted`] for each change. [`Command::Noop`] is a barrier: when it is completed,
//!   every change made before it has been told. Changes are states, not steps: the same entry may come twice, a
//!   deletion too.
//! * A **back-end** sends [`Command::Change`] and waits for [`Event::Completed`]; it compares by [`Command::List`] with
//!   [`LocationPrefix::of_server`](crate::LocationPrefix::of_server). The master of Cyrus 3.6 does not survive a DELETE or a
//!   DEACTIVATE of a name that it does not have: send [`Command::Find`] first.
//! * A **tool** lists.
//!
//! Commands may be sent ahead of their answers, which come in order; not behind a login (what follows AUTHENTICATE is
//! lost with Cyrus) and not on an update stream but for NOOP and LOGOUT.
//!
//! What the server may not do ends the connection: an answer that nobody waits for or that comes before its
//! command has left (safety row T4), bytes behind the OK to STARTTLS (T3), no offer of STARTTLS where it is required.

mod incoming;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{self, Credentials, Mechanism, MechanismName};
use mail_wire::{
    ApiMisuse, Core, Error, LimitExceeded, LiteralFramer, PeerIncompatible, PeerMisbehaved, Secret,
    TlsActive, TlsMode,
};

use crate::line::entry_line;
use crate::{
    Banner, ClientLimits, ClientTimeouts, Command, EntryView, LINE_BYTES_MAX, MailboxEntry, MailboxName, Tag,
};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether it goes under TLS by STARTTLS first.
    pub tls: TlsMode,
    /// Limits.
    pub limits: ClientLimits,
    /// Timeouts.
    pub timeouts: ClientTimeouts,
}

impl Config {
    /// The default limits and timeouts.
    #[must_use]
    pub fn new(tls: TlsMode) -> Self {
        Self { tls, limits: ClientLimits::default(), timeouts: ClientTimeouts::default() }
    }
}

/// Names one command of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(u64);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was refused, or failed.
    No,
    /// The server did not understand it, or not at this time.
    Bad,
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The OK to STARTTLS: shake hands now, then call `tls_started`.
    StartTls,
    /// The banner, the one under TLS if there is to be TLS. Log in now.
    Greeting(Banner),
    /// The OK to COMPRESS: from here on deflate what is sent, and inflate, raw, what comes, before it is received here;
    /// first of all these bytes, which came behind the OK.
    Compress {
        /// The beginning of what is compressed, often nothing.
        rest: Bytes,
    },
    /// A server's message of a login; answer with [`Connection::respond`] or [`Connection::cancel`].
    Challenge(Secret<Vec<u8>>),
    /// The login ended well.
    Authenticated,
    /// The login ended badly. Another may be tried. The text is the peer's.
    AuthenticationFailed {
        /// Why, in the server's words.
        text: Bytes,
    },
    /// An entry: part of the answer to FIND, LIST or UPDATE, or a change on the update stream.
    Entry {
        /// The command that asked for it.
        command: CommandId,
        /// The entry, made of slices of the read buffer; see [`MailboxEntry::detach`].
        entry: MailboxEntry,
    },
    /// A name that is free now, on the update stream. It may never have been taken.
    Deleted(MailboxName),
    /// A command has ended. OK to UPDATE begins the stream.
    Completed {
        /// Which.
        command: CommandId,
        /// How.
        outcome: Outcome,
        /// The server's words.
        text: Bytes,
    },
    /// The server says goodbye, or has answered LOGOUT; nothing follows. The text is the peer's.
    Bye {
        /// Its words.
        text: Bytes,
    },
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    framer: LiteralFramer,
    config: Config,
    state: State,
    banner: BannerSoFar,
    /// The banner in force.
    greeting: Option<Banner>,
    pending: VecDeque<Pending>,
    last_number: u64,
    /// Bytes at the front of the input that were shown by the last [`Connection::poll_entry`], and go at the next poll.
    shown_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Banner,
    Handshake,
    NotAuthenticated,
    /// A challenge is with the owner.
    Challenged,
    Authenticated,
    /// UPDATE was answered OK; changes carry its tag.
    Streaming(CommandId, Tag),
}

#[derive(Debug, Default)]
struct BannerSoFar {
    lines: usize,
    mechanisms: Option<Vec<MechanismName>>,
    start_tls: bool,
    compress_deflate: bool,
    partial_update: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    command: CommandId,
    tag: Tag,
    kind: Kind,
    /// [`Outbox::queued_bytes`](mail_wire::Outbox::queued_bytes) when it was queued in full.
    end: u64,
}

impl Pending {
    fn gives_entries(self) -> bool {
        matches!(self.kind, Kind::Entries | Kind::Update)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StartTls,
    Authenticate,
    Compress,
    Entries,
    Update,
    Logout,
    Other,
}

impl Connection {
    /// A connection that was made at `now`, and waits for the banner.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.reply));
        Self {
            core,
            framer: LiteralFramer::new(config.limits.frame),
            config,
            state: State::Banner,
            banner: BannerSoFar::default(),
            greeting: None,
            pending: VecDeque::new(),
            last_number: 0,
            shown_bytes: 0,
        }
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// Begins a login. A mechanism that sends the password needs the proof that nobody listens.
    pub fn authenticate(
        &mut self,
        mechanism: &MechanismName,
        initial: Option<Secret<Vec<u8>>>,
        _protected: TlsActive,
    ) -> Result<(), Error> {
        if self.state != State::NotAuthenticated || !self.pending.is_empty() {
            return Err(ApiMisuse::WrongState("a login belongs behind the greeting").into());
        }
        if !self.greeting.as_ref().is_some_and(|banner| banner.mechanisms.contains(mechanism)) {
            return Err(PeerIncompatible::Missing("this SASL mechanism").into());
        }
        let command = Command::Authenticate { mechanism: mechanism.clone(), initial };
        self.queue(&command, Kind::Authenticate)?;
        Ok(())
    }

    /// Begins a login by PLAIN, with name and password in the first message. `authzid` is who the session is for;
    /// Cyrus's own back-ends give their own name twice.
    pub fn login_plain(&mut self, credentials: &Credentials, protected: TlsActive) -> Result<(), Error> {
        let initial = sasl::plain_message(credentials);
        self.authenticate(&Mechanism::Plain.into(), Some(initial), protected)
    }

    /// Answers a challenge.
    pub fn respond(&mut self, message: &[u8]) -> Result<(), Error> {
        let line = sasl::encode(message);
        self.sasl_line(line.expose().as_bytes())
    }

    /// Gives the login up; [`Event::AuthenticationFailed`] follows.
    pub fn cancel(&mut self) -> Result<(), Error> {
        self.sasl_line(b"*")
    }

    /// Sends a command that is no login and no STARTTLS. Its answer is an [`Event::Completed`] with this id, or,
    /// for LOGOUT, [`Event::Bye`].
    pub fn send(&mut self, command: &Command) -> Result<CommandId, Error> {
        let kind = match command {
            Command::Authenticate { .. } | Command::StartTls => {
                return Err(ApiMisuse::WrongState("logins and STARTTLS have calls of their own").into());
            }
            Command::Compress(_) => Kind::Compress,
            Command::Find(_) | Command::List(_) => Kind::Entries,
            Command::Update(_) => Kind::Update,
            Command::Logout => Kind::Logout,
            Command::Change(_) | Command::Noop => Kind::Other,
        };
        // What is said around COMPRESS must be said before it or behind its answer.
        let compressing = self.pending.iter().any(|p| p.kind == Kind::Compress);
        if compressing || kind == Kind::Compress && !self.pending.is_empty() {
            return Err(ApiMisuse::WrongState("COMPRESS is answered alone").into());
        }
        let updating = self.pending.iter().any(|p| p.kind == Kind::Update);
        let may = match self.state {
            State::Authenticated => !updating || matches!(command, Command::Noop | Command::Logout),
            State::Streaming(..) => matches!(command, Command::Noop | Command::Logout),
            State::NotAuthenticated => kind == Kind::Logout && self.pending.is_empty(),
            State::Banner | State::Handshake | State::Challenged => false,
        };
        if !may {
            return Err(ApiMisuse::WrongState("this command does not belong here").into());
        }
        self.queue(command, kind)
    }

    /// The next event, if it is an [`Event::Entry`] in one of the plain forms that masters write, as a view of the read
    /// buffer: for whoever takes in long lists. Nothing is allocated, nothing counted. `None` says nothing about what
    /// comes next, so [`poll_event`](mail_wire::Connection::poll_event) follows:
    ///
    /// ```
    /// # use mail_wire::{Connection as _, Error};
    /// # use mupdate_proto::client::{Connection, Event};
    /// # fn take(_: mupdate_proto::EntryView<'_>) {}
    /// # fn drain(client: &mut Connection) -> Result<(), Error> {
    /// loop {
    ///     while let Some((_, entry)) = client.poll_entry() {
    ///         take(entry);
    ///     }
    ///     match client.poll_event()? {
    ///         Some(Event::Entry { entry, .. }) => take(entry.view()),
    ///         Some(_) => {} // The other events.
    ///         None => return Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn poll_entry(&mut self) -> Option<(CommandId, EntryView<'_>)> {
        self.drop_shown();
        if self.core.is_closing() || self.core.has_timed_out() {
            return None;
        }
        let (command, tag) = match self.state {
            State::Streaming(command, tag) => (command, tag),
            _ => match self.pending.front() {
                Some(front) if front.gives_entries() && front.end <= self.core.out.sent_bytes() => {
                    (front.command, front.tag)
                }
                _ => return None,
            },
        };
        let input = self.framer.front(&self.core.input, LINE_BYTES_MAX)?;
        let (entry, line_bytes) = entry_line(input, &tag, &self.config.limits.frame)?;
        self.shown_bytes = line_bytes;
        Some((command, entry))
    }

    /// How many commands wait for their answer.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
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
        self.state = State::NotAuthenticated;
        self.core.out.put(line);
        self.core.out.put(b"\r\n");
        self.queued();
        Ok(())
    }

    fn queue(&mut self, command: &Command, kind: Kind) -> Result<CommandId, Error> {
        let max = self.config.limits.commands_max;
        if self.pending.len() >= max {
            return Err(LimitExceeded::new("commands_max", max as u64).into());
        }
        if self.core.is_closing() {
            return Err(ApiMisuse::WrongState("the connection is closed").into());
        }
        self.last_number += 1;
        let (id, tag) = (CommandId(self.last_number), Tag::numbered(self.last_number));
        self.pending.push_back(Pending { command: id, tag, kind, end: 0 });
        command.encode(&tag, &mut self.core.out);
        self.queued();
        Ok(id)
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
        if self.state == State::Handshake {
            self.state = State::Banner;
            self.greeting = None;
            self.framer = LiteralFramer::new(self.config.limits.frame);
            self.core.set_timeout(Some(self.config.timeouts.reply));
        }
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}
