//! The server's side of a connection (RFC 5321 4, RFC 2920, RFC 3207, RFC 4954).
//!
//! The connection answers by itself whatever needs no decision: EHLO and HELO (from [`Config`]), STARTTLS, NOOP, RSET,
//! HELP, QUIT, VRFY (252) and EXPN (502, safety row A3), bad and misplaced commands, parameters that were not
//! announced, a SIZE above the limit, the recipient after the last permitted one. The owner decides on MAIL, RCPT,
//! DATA, the message, and logins; each of these events carries a [`Ticket`] or, at the end of a message, the
//! dialect's duty. An owner that dislikes a client's hello says so at MAIL.
//!
//! What further extensions the owner answers for stands in [`Config::extensions`]; with it come the events of theirs.
//!
//! Commands are looked at one by one: pipelined ones wait until the one before is answered, so replies leave in
//! order. A client that speaks before its turn is cut off with 554 (F5): before the greeting; behind EHLO, AUTH, DATA,
//! XCLIENT or STARTTLS; and behind anything, unless the session has begun with EHLO or LHLO.
//!
//! Behind NOOP, VRFY and EXPN, where RFC 2920 3.1 wants a client to wait too, more commands are taken: their replies
//! decide nothing.
//!
//! A ticket that is dropped is answered with 451 (454 for a login) at the next poll. The session goes on: the fault is
//! the owner's, and the client may try again.
//!
//! The deadline runs from the client's last byte, or, where the owner has replied since, from the first `handle_timeout`
//! after that: a slow owner costs the client nothing. A driver that calls `handle_timeout` after each reply has exact
//! deadlines; one that waits for `poll_timeout` has them late by one timeout at most.
//!
//! Errors of [`Connection::poll_event`](mail_wire::Connection::poll_event) end the connection. Where a last reply helps
//! the client, it waits in `poll_transmit`.

mod auth;
mod command;
mod config;
mod envelope;
mod event;
mod message;
mod proxied;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::sasl::MechanismName;
use mail_wire::{
    ApiMisuse, BareLineEnd, Core, Error, Ledger, LimitExceeded, LineEnd, LineFramer, LineLimits,
    PeerMisbehaved, PlaintextLogin, Ticket, TlsActive, is_foreign_protocol,
};

pub use config::{AuthPolicy, Config, StartTls};
use envelope::Transaction;
pub use event::{AuthFailure, Event};

use crate::capabilities::Capabilities;
use crate::code::{Code, Verdict};
use crate::command::Last;
use crate::dialect::{Dialect, Protocol, Smtp};
use crate::extension::Extension;
use crate::reply::Reply;

/// Whose turn it is, and what the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Ours: the greeting.
    Greeting,
    /// A command.
    Command,
    /// A line of a SASL exchange.
    Sasl,
    /// A TLS handshake.
    Tls,
    /// A message.
    Body,
}

/// What the open ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// With the transaction that a positive reply begins.
    Mail(Transaction),
    Rcpt,
    Data,
    /// The first chunk of a message; its bytes follow, whatever the reply.
    Chunk(u64, Last),
    /// A part of the message that the owner fetches.
    Url(Last),
    Message,
    Auth,
    /// A question that has no consequence.
    Answer,
}

/// An SMTP server connection.
pub type Connection = Machine<Smtp>;

/// A server connection of SMTP or LMTP.
#[derive(Debug)]
pub struct Machine<D: Dialect> {
    config: Config,
    core: Core,
    framer: LineFramer,
    ledger: Ledger,
    owed: Owed,
    phase: Phase,
    events: VecDeque<Event<D>>,
    /// Set by a hello; says whether extensions may be used.
    hello: Option<Hello>,
    transaction: Option<Transaction>,
    /// The message that is being received; in chunks, also between two of them.
    body: Option<message::Message>,
    authenticated: bool,
    /// The first line is not yet complete.
    nothing_read: bool,
    /// The owner has answered since the clock was last seen: the client's silence begins then.
    spoke: bool,
    bad_commands: u32,
    idle_commands: u32,
    auth_failures: u32,
    refusals: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    Basic,
    Extended,
}

impl<D: Dialect> Machine<D> {
    /// A connection that was accepted at `now`. It is silent until [`greet`](Self::greet).
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let limits = LineLimits {
            line_bytes_max: config.limits.command_line_bytes_max,
            drain_bytes_max: config.limits.drain_bytes_max,
        };
        let end = match config.bare_line_end {
            BareLineEnd::Refuse => LineEnd::CrLf,
            BareLineEnd::DangerNormalize | BareLineEnd::DangerKeep => LineEnd::DangerLf,
        };
        let mut core = Core::new();
        core.touch(now);
        core.set_timeout(Some(config.timeouts.command));
        Self {
            config,
            core,
            framer: LineFramer::new(limits).with_line_end(end),
            ledger: Ledger::new(),
            owed: Owed::Answer,
            phase: Phase::Greeting,
            events: VecDeque::new(),
            hello: None,
            transaction: None,
            body: None,
            authenticated: false,
            nothing_read: true,
            spoke: false,
            bad_commands: 0,
            idle_commands: 0,
            auth_failures: 0,
            refusals: 0,
        }
    }

    /// Sends the greeting (220). Where TLS comes first, call it after `tls_started`.
    pub fn greet(&mut self) -> Result<(), ApiMisuse> {
        if self.phase != Phase::Greeting {
            return Err(ApiMisuse::WrongState("the client was already greeted"));
        }
        if !self.core.is_closing() && !self.spoke_too_early() {
            self.say_greeting();
            self.phase = Phase::Command;
        }
        Ok(())
    }

    fn say_greeting(&mut self) {
        let text = format!("{} {}", self.config.domain, D::PROTOCOL.greeting_word());
        self.say(&Reply::new(Code::READY, text));
    }

    /// Greets with a refusal (421 or 554, say) and closes.
    pub fn turn_away(&mut self, reply: &Reply) -> Result<(), ApiMisuse> {
        if self.phase != Phase::Greeting {
            return Err(ApiMisuse::WrongState("the client was already greeted"));
        }
        self.say(reply);
        self.core.close();
        Ok(())
    }

    /// Answers MAIL, RCPT, VRFY, EXPN, ETRN, or in SMTP a message; refuses DATA, BURL, or a login. After 421 the
    /// connection closes.
    ///
    /// A reply that makes no sense there (3yz, or 2yz to DATA and AUTH) is an [`ApiMisuse`]; the client gets 451.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) -> Result<(), ApiMisuse> {
        self.redeem(ticket)?;
        let verdict = reply.verdict();
        let fits = match self.owed {
            Owed::Mail(_) | Owed::Rcpt | Owed::Message | Owed::Answer => verdict != Verdict::Intermediate,
            Owed::Data | Owed::Chunk(..) | Owed::Url(_) | Owed::Auth => {
                matches!(verdict, Verdict::Temporary | Verdict::Permanent)
            }
        };
        if !fits {
            self.settle(&Reply::local_error());
            return Err(ApiMisuse::WrongState("a reply of this kind does not answer this command"));
        }
        self.settle(reply);
        Ok(())
    }

    /// Asks for the message (354), takes its first chunk, or says that what a BURL names was fetched. A client that has
    /// already begun to send what it was not yet asked for is cut off (F5).
    pub fn accept_data(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        if !matches!(self.owed, Owed::Data | Owed::Chunk(..) | Owed::Url(_)) {
            return Err(ApiMisuse::WrongState("the ticket is not for a message to come"));
        }
        self.redeem(ticket)?;
        match self.owed {
            _ if self.core.is_closing() => {}
            Owed::Chunk(bytes, last) => self.begin_chunk(bytes, last),
            Owed::Url(last) => self.url_fetched(last),
            _ => {
                if !self.is_out_of_turn() {
                    self.say(&Reply::new(Code::START_MAIL, "End data with <CR><LF>.<CR><LF>"));
                    self.begin_dots();
                }
            }
        }
        Ok(())
    }

    /// Answers a message: in SMTP with one reply, in LMTP with one for each accepted recipient.
    pub fn reply_message(&mut self, answered: D::Answered) -> Result<(), ApiMisuse> {
        let (ticket, replies) = D::into_replies(answered);
        if self.owed != Owed::Message {
            return Err(ApiMisuse::WrongState("the ticket is not for a message"));
        }
        self.redeem(ticket)?;
        self.end_message(&replies);
        Ok(())
    }

    /// Gives up the message that is being received: its rest is dropped, and this (negative) reply stands at its end.
    pub fn refuse_message(&mut self, reply: Reply) -> Result<(), ApiMisuse> {
        match &mut self.body {
            Some(body) if matches!(reply.verdict(), Verdict::Temporary | Verdict::Permanent) => {
                body.refuse(reply);
                Ok(())
            }
            _ => Err(ApiMisuse::WrongState("no message to refuse, or a reply that refuses nothing")),
        }
    }

    /// Says 421 and closes: this server goes down. A ticket that is still out can be given back, but is not answered
    /// any more; [`is_idle`](Self::is_idle) tells when there is none.
    pub fn shut_down(&mut self) {
        if !self.core.is_closing() {
            self.say(&Reply::shutting_down());
            self.core.close();
        }
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.core.tls()
    }

    /// True once the owner has called [`auth_ok`](Self::auth_ok).
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// True when no command waits for a reply and no transaction is open: a good moment to
    /// [`shut_down`](Self::shut_down).
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.ledger.is_open() && self.transaction.is_none() && self.phase == Phase::Command
    }

    /// The word behind `with` in a Received field (RFC 5321 4.4, RFC 3848): `SMTP`, `ESMTPSA`, `LMTPS` and so on.
    #[must_use]
    pub fn with_protocol(&self) -> &'static str {
        match (D::PROTOCOL, self.hello, self.core.tls().is_some(), self.authenticated) {
            (Protocol::Smtp, Some(Hello::Extended), false, false) => "ESMTP",
            (Protocol::Smtp, Some(Hello::Extended), true, false) => "ESMTPS",
            (Protocol::Smtp, Some(Hello::Extended), false, true) => "ESMTPA",
            (Protocol::Smtp, Some(Hello::Extended), true, true) => "ESMTPSA",
            (Protocol::Smtp, ..) => "SMTP",
            (Protocol::Lmtp, _, false, false) => "LMTP",
            (Protocol::Lmtp, _, true, false) => "LMTPS",
            (Protocol::Lmtp, _, false, true) => "LMTPA",
            (Protocol::Lmtp, _, true, true) => "LMTPSA",
        }
    }

    /// Accepted recipients of the open transaction.
    #[must_use]
    pub fn accepted_recipients(&self) -> usize {
        self.transaction.map_or(0, |open| open.accepted)
    }

    /// What would be announced in reply to EHLO or LHLO now.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let mut list = vec![
            Extension::Pipelining,
            Extension::Size(Some(self.config.limits.message_bytes_max)),
            Extension::EightBitMime,
            Extension::EnhancedStatusCodes,
        ];
        if self.may_start_tls() {
            list.push(Extension::StartTls);
        }
        let mechanisms = self.config.mechanisms.iter().filter(|name| self.may_log_in(Some(name)));
        let mechanisms: Vec<MechanismName> = mechanisms.cloned().collect();
        if !mechanisms.is_empty() {
            list.push(Extension::Auth(mechanisms));
        }
        list.extend(self.config.extensions.iter().filter(|extension| self.offers(extension)).cloned());
        Capabilities::new(list)
    }

    /// True if a command or parameter of this extension may come.
    fn announces(&self, keyword: &str) -> bool {
        match keyword {
            "SIZE" | "8BITMIME" => true,
            "AUTH" => !self.config.mechanisms.is_empty(),
            _ => {
                let mut further = self.config.extensions.iter().filter(|extension| self.offers(extension));
                further.any(|extension| extension.keyword() == keyword)
            }
        }
    }

    /// False for a configured extension that cannot be offered as things stand.
    fn offers(&self, extension: &Extension) -> bool {
        match extension {
            // RFC 3030 3.
            Extension::BinaryMime => self.config.extensions.contains(&Extension::Chunking),
            // RFC 8689 4.2.1.
            Extension::RequireTls => self.core.tls().is_some(),
            _ => true,
        }
    }

    fn may_start_tls(&self) -> bool {
        self.config.start_tls != StartTls::Off && self.core.tls().is_none()
    }

    /// True if a login by this mechanism may begin; without one, by some mechanism.
    fn may_log_in(&self, mechanism: Option<&MechanismName>) -> bool {
        if self.core.tls().is_some() {
            return true;
        }
        let is_safe = |name: &MechanismName| {
            !name.sends_password() || self.config.plaintext_login == PlaintextLogin::DangerAllow
        };
        self.config.start_tls != StartTls::Require
            && match mechanism {
                Some(name) => is_safe(name),
                None => self.config.mechanisms.iter().any(is_safe),
            }
    }

    /// True while the silence is the owner's.
    fn is_our_turn(&self) -> bool {
        self.ledger.is_open() || self.phase == Phase::Greeting
    }

    /// Hands out a ticket; nothing is read until it is back.
    fn issue(&mut self, owed: Owed) -> Ticket {
        self.owed = owed;
        self.ledger.issue()
    }

    /// Carries out the reply to what was owed.
    fn settle(&mut self, reply: &Reply) {
        let accepted = reply.verdict() == Verdict::Success;
        match self.owed {
            // In SMTP there is one reply; in LMTP this is a dropped ticket, and every recipient gets the same.
            Owed::Message => return self.end_refused(reply),
            Owed::Chunk(bytes, last) => {
                self.chunked_message().refuse(reply.clone());
                return self.begin_chunk(bytes, last);
            }
            Owed::Url(Last::Yes) => {
                self.body = None;
                return self.end_refused(reply);
            }
            Owed::Url(Last::No) => (self.body, self.transaction) = (None, None),
            Owed::Auth => return self.end_auth(reply),
            Owed::Mail(transaction) if accepted => self.transaction = Some(transaction),
            Owed::Rcpt if accepted => self.transaction = self.transaction.map(Transaction::with_recipient),
            Owed::Mail(_) | Owed::Rcpt | Owed::Data | Owed::Answer => {}
        }
        // Behind DATA stands a message, accepted or not: it must never be read as commands.
        if (self.owed == Owed::Data || self.hello != Some(Hello::Extended)) && self.is_out_of_turn() {
            return;
        }
        self.say_and_maybe_close(reply);
        if self.owed == Owed::Answer && !self.core.is_closing() {
            // An error is kept, and told at the next poll.
            let _ = self.count_idle();
        }
        if matches!(self.owed, Owed::Mail(_) | Owed::Rcpt) && !accepted {
            self.refusals += 1;
            if self.refusals >= self.config.limits.refusals_max && !self.core.is_closing() {
                let last = Reply::fixed(421, 7, 0, "Too many errors");
                self.die(&last, LimitExceeded::new("refusals_max", self.config.limits.refusals_max.into()));
            }
        }
    }

    fn end_message(&mut self, replies: &[Reply]) {
        self.transaction = None;
        (self.idle_commands, self.refusals) = (0, 0);
        if self.hello != Some(Hello::Extended) && self.is_out_of_turn() {
            return;
        }
        for reply in replies {
            self.say_and_maybe_close(reply);
        }
    }

    fn say_and_maybe_close(&mut self, reply: &Reply) {
        self.say(reply);
        if reply.code() == Code::SHUTTING_DOWN && !self.core.is_closing() {
            self.core.close();
            self.events.push_back(Event::Closed);
        }
    }

    /// Queues a reply; behind the last word, or in the middle of a handshake, there is nothing to say.
    fn say(&mut self, reply: &Reply) {
        if !self.core.is_closing() && self.phase != Phase::Tls {
            reply.encode(&mut self.core.out);
        }
    }

    /// Takes a ticket back. The time it was out is not the client's.
    pub(super) fn redeem(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        self.ledger.redeem(ticket)?;
        self.spoke = true;
        Ok(())
    }

    /// Says a last word and fails.
    fn die(&mut self, reply: &Reply, error: impl Into<Error>) -> Error {
        self.say(reply);
        self.events.clear();
        self.core.fail(error)
    }

    /// Fails if bytes wait that the client may only send after the reply that is due now (F5).
    fn is_out_of_turn(&mut self) -> bool {
        let early = !self.core.input.is_empty();
        if early {
            self.die(&too_early(), PeerMisbehaved::PipelinedTooEarly);
        }
        early
    }

    /// Fails if the client spoke before the greeting. HTTP and TLS get no reply at all (F10).
    fn spoke_too_early(&mut self) -> bool {
        let waiting = self.core.input.waiting();
        if waiting.is_empty() {
            return false;
        }
        if is_foreign_protocol(waiting) {
            self.core.fail(PeerMisbehaved::ForeignProtocol);
        } else {
            self.die(&too_early(), PeerMisbehaved::BytesBeforeGreeting);
        }
        true
    }

    /// The next event, without regard to those that wait.
    fn advance(&mut self) -> Result<Option<Event<D>>, Error> {
        loop {
            if let Some(error) = self.core.failure() {
                return Err(error);
            }
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.ledger.take_dropped() {
                let reply = match self.owed {
                    Owed::Auth => auth::temporary_failure(),
                    _ => Reply::local_error(),
                };
                self.settle(&reply);
                continue;
            }
            if self.core.is_closing() || self.ledger.is_open() {
                return Ok(None);
            }
            if self.core.has_timed_out() {
                let reply = Reply::fixed(421, 4, 2, "Timeout, closing connection");
                return Err(self.die(&reply, PeerMisbehaved::TimedOut));
            }
            let progress = match self.phase {
                Phase::Greeting => !self.spoke_too_early() && self.see_eof(),
                Phase::Tls => {
                    self.core.input.check_gate().map_err(|e| self.core.fail(e))?;
                    self.see_eof()
                }
                Phase::Body => self.advance_body()?,
                Phase::Command | Phase::Sasl => self.advance_line()?,
            };
            if !progress && self.core.failure().is_none() {
                return Ok(None);
            }
        }
    }

    /// Turns the end of the input, where nothing more can be read, into the end of the connection.
    fn see_eof(&mut self) -> bool {
        let ended = self.core.input.has_ended();
        if ended {
            self.core.close();
            self.transaction = None;
            self.events.push_back(Event::Closed);
        }
        ended
    }
}

impl<D: Dialect> mail_wire::Connection for Machine<D> {
    type Event = Event<D>;

    fn buffer(&mut self) -> &mut BytesMut {
        self.core.buffer()
    }

    fn received(&mut self, now: Instant) {
        self.core.received(now);
        self.spoke = false;
        let max = self.config.limits.pipelined_bytes_max;
        if self.ledger.is_open() && self.core.input.waiting().len() > max {
            self.core.fail(LimitExceeded::new("pipelined_bytes_max", max as u64));
        }
    }

    fn receive_eof(&mut self) {
        self.core.receive_eof();
    }

    fn poll_event(&mut self) -> Result<Option<Event<D>>, Error> {
        self.advance()
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.core.poll_transmit()
    }

    fn transmit_bytes(&self) -> usize {
        self.core.transmit_bytes()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.is_our_turn() { None } else { self.core.poll_timeout() }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if std::mem::take(&mut self.spoke) {
            self.core.touch(now);
        }
        if !self.is_our_turn() {
            self.core.handle_timeout(now);
        }
    }

    fn tls_started(&mut self, now: Instant) {
        self.core.tls_started(now);
        // RFC 3207 4.2: whatever the client said in the clear was said by nobody.
        self.hello = None;
        self.transaction = None;
        self.body = None;
        self.authenticated = false;
        if self.phase == Phase::Tls {
            self.phase = Phase::Command;
        }
    }

    fn wants_input(&self) -> bool {
        let waiting = self.core.input.waiting().len();
        let behind = self.ledger.is_open() && waiting > self.config.limits.pipelined_bytes_max / 4;
        !(behind || self.is_closing())
    }

    fn is_closing(&self) -> bool {
        self.core.is_closing()
    }
}

fn too_early() -> Reply {
    Reply::fixed(554, 5, 0, "Input before its turn")
}
