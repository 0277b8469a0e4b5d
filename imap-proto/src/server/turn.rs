//! Whose turn it is: from bytes to events (RFC 3501 2.2, 5.4, 5.5; RFC 2177; RFC 2595 3.1; RFC 7888).

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mail_wire::{
    Announced, ApiMisuse, Error, Keep, LimitExceeded, LiteralForm, LiteralMode, Part, PeerMisbehaved,
    PlaintextLogin, is_foreign_protocol,
};

use super::verb::{self, Head, Inner, Needs};
use super::{Connection, Event, LiteralOffer, Peer, StartTls, State, UnaskedLiterals, UnknownVerbs};
use crate::numbers::Numbers;
use crate::{Capability, Hole, Numbering, Parsed, Verb, kind};

/// Who is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The owner, who has not greeted yet.
    Greeting,
    /// The client: a command, or the rest of one.
    Command,
    /// The owner: a literal is on offer.
    Offer,
    /// The owner: a ticket is out.
    Reply(Duty),
    /// The client: a response to a challenge.
    AuthResponse,
    /// The client, with DONE; the owner may speak meanwhile.
    Idle,
    /// TLS.
    Handshake,
    /// The caller's compressor.
    Compression,
}

/// What the ticket that is out must be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    Command,
    /// IDLE that was not accepted yet.
    Idle,
    /// LOGIN or a step of AUTHENTICATE.
    Auth,
}

/// The text of a command whose literals go by, joined, and where they were.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    text: BytesMut,
    holes: Vec<Hole>,
}

/// How a command is refused.
type Refusal = &'static str;

const UNKNOWN: Refusal = "BAD Unknown command";
pub(super) const NOT_WITHOUT_TLS: Refusal = "NO [PRIVACYREQUIRED] Not without TLS";
const NO_HEAD: Refusal = "BAD Missing tag or command";
pub(super) const BAD_ARGUMENTS: Refusal = "BAD Invalid arguments";
const UIDS_ONLY: Refusal = "BAD [UIDREQUIRED] Message numbers are not in use";
const UNASKED: Refusal = "BAD [TOOBIG] Literal too large to be sent unasked";
const TOO_BIG: Refusal = "NO [TOOBIG] Literal too large";

impl Connection {
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some(error) = self.core.failure() {
            return Err(error);
        }
        if self.core.is_closing() {
            return Ok(self.closed());
        }
        if self.ledger.take_dropped() {
            return self.answer_dropped().map(Some);
        }
        if self.core.has_timed_out() {
            return Err(self.end(PeerMisbehaved::TimedOut.into()));
        }
        self.step().map_err(|error| self.end(error))
    }

    /// The owner lost a ticket or an offer: the client gets its one reply all the same.
    fn answer_dropped(&mut self) -> Result<Event, Error> {
        const SORRY: &str = "NO [SERVERBUG] Internal error";
        if self.is_mid_response() {
            // A reply would fall into the body that was promised and never came.
            return Err(self.end(ApiMisuse::TicketDropped.into()));
        }
        if self.turn == Turn::Offer {
            self.refuse_literal(SORRY);
        } else {
            self.tagged(SORRY);
            self.pass_to_client(Turn::Command);
        }
        Ok(Event::Misuse(ApiMisuse::TicketDropped))
    }

    pub(super) fn owner_is_busy(&self) -> bool {
        matches!(self.turn, Turn::Offer | Turn::Reply(_)) || self.is_mid_response()
    }

    /// The owner has spoken: it is the client whose silence counts from here on.
    pub(super) fn pass_to_client(&mut self, turn: Turn) {
        self.turn = turn;
        self.core.restart_timeout();
    }

    /// Ends with an error: the last word, unless it would fall into the middle of a response or of a handshake, or
    /// would answer a peer that speaks another protocol.
    pub(super) fn end(&mut self, error: Error) -> Error {
        if let Some(first) = self.core.failure() {
            return first;
        }
        let word: Option<&str> = match error {
            Error::InvalidMessage(_) => Some("Invalid bytes in a command"),
            Error::LimitExceeded(_) => Some("[ALERT] Command too large"),
            Error::PeerMisbehaved(PeerMisbehaved::TimedOut) if self.state == State::NotAuthenticated => {
                Some("Login timed out")
            }
            Error::PeerMisbehaved(PeerMisbehaved::TimedOut) => Some("Idle for too long"),
            Error::PeerMisbehaved(PeerMisbehaved::BytesBeforeGreeting) => Some("Not greeted yet"),
            Error::PeerMisbehaved(PeerMisbehaved::PipelinedTooEarly) => Some("Nothing may follow COMPRESS"),
            Error::PeerMisbehaved(PeerMisbehaved::TooManyBadCommands) => Some("Too many bad commands"),
            Error::PeerMisbehaved(PeerMisbehaved::TooManyFailedLogins) => Some("Too many failed logins"),
            _ => None,
        };
        let is_unheard = matches!(self.turn, Turn::Handshake | Turn::Compression);
        if let (Some(word), false) = (word, self.is_mid_response() || is_unheard) {
            self.put(&["* BYE ", word, "\r\n"]);
        }
        self.state = State::Logout;
        self.core.fail(error)
    }

    fn closed(&mut self) -> Option<Event> {
        let first = !self.closed_reported;
        self.closed_reported = true;
        first.then_some(Event::Closed)
    }

    fn step(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(error) = self.core.failure() {
                return Err(error);
            }
            if self.core.is_closing() {
                return Ok(self.closed());
            }
            let stepped = match self.turn {
                // An answer of the connection's own would fall into the middle of a response.
                _ if self.is_mid_response() => return self.wait_for_owner(),
                Turn::Greeting => return self.before_greeting(),
                Turn::Offer | Turn::Reply(_) => return self.wait_for_owner(),
                Turn::Handshake => {
                    self.core.input.check_gate()?;
                    return Ok(self.closed_by_peer());
                }
                Turn::Compression if !self.core.input.is_empty() => {
                    return Err(PeerMisbehaved::PipelinedTooEarly.into());
                }
                Turn::Compression => return Ok(self.closed_by_peer()),
                Turn::Command => self.command_part()?,
                Turn::AuthResponse | Turn::Idle => self.line()?,
            };
            match stepped {
                Step::Again => {}
                Step::Wait => return Ok(self.closed_by_peer()),
                Step::Event(event) => return Ok(Some(event)),
            }
        }
    }

    fn before_greeting(&mut self) -> Result<Option<Event>, Error> {
        match self.core.input.waiting() {
            [] => Ok(self.closed_by_peer()),
            bytes if is_foreign_protocol(bytes) => Err(PeerMisbehaved::ForeignProtocol.into()),
            _ => Err(PeerMisbehaved::BytesBeforeGreeting.into()),
        }
    }

    fn wait_for_owner(&self) -> Result<Option<Event>, Error> {
        let max = self.pipelined_bytes_max();
        if self.pipelined_bytes() > max {
            return Err(LimitExceeded::new("pipelined_bytes_max", max as u64).into());
        }
        Ok(None)
    }

    /// Bytes that wait behind what the owner is asked about.
    pub(super) fn pipelined_bytes(&self) -> usize {
        let asked = self.framer.so_far(&self.core.input).map_or(0, <[u8]>::len);
        self.core.input.waiting().len() - asked
    }

    fn closed_by_peer(&mut self) -> Option<Event> {
        if !self.core.input.has_ended() {
            return None;
        }
        self.state = State::Logout;
        self.core.close();
        self.closed()
    }

    fn command_part(&mut self) -> Result<Step, Error> {
        if self.first_frame && is_foreign_protocol(self.core.input.waiting()) {
            return Err(PeerMisbehaved::ForeignProtocol.into());
        }
        let Some(part) = self.framer.poll(&mut self.core.input, LiteralMode::Command)? else {
            return Ok(Step::Wait);
        };
        self.first_frame = false;
        match part {
            Part::Offer(literal) => self.literal(literal),
            // Some clients put an empty line between APPEND and the next command.
            Part::Whole(frame) if frame.is_empty() => Ok(Step::Again),
            Part::Whole(frame) => self.command(frame, &[]),
            Part::Head(text, literal) => {
                self.streamed.text.extend_from_slice(&text);
                let at = self.streamed.text.len();
                self.streamed.holes.push(Hole { at, id: literal.id, bytes: literal.bytes });
                Ok(Step::Again)
            }
            Part::Chunk(id, bytes) => Ok(Step::Event(Event::Chunk(id, bytes))),
            Part::LiteralEnd(id) => Ok(Step::Event(Event::LiteralEnd(id))),
            Part::Tail(text) => {
                let Streamed { text: mut joined, holes } = std::mem::take(&mut self.streamed);
                joined.extend_from_slice(&text);
                self.command(joined.freeze(), &holes)
            }
            Part::Refused => {
                let was_streamed = !std::mem::take(&mut self.streamed).holes.is_empty();
                let refusal = std::mem::take(&mut self.refusal);
                self.core.out.put(&refusal);
                self.tag.clear();
                Ok(if was_streamed { Step::Event(Event::Abandoned) } else { Step::Again })
            }
        }
    }

    /// A literal was announced: collect it, ask the owner, or refuse.
    fn literal(&mut self, literal: Announced) -> Result<Step, Error> {
        let so_far = self.framer.so_far(&self.core.input).unwrap_or_default();
        let start = if self.streamed.holes.is_empty() { so_far } else { &self.streamed.text };
        let (tag, admitted) = match verb::head(start) {
            Ok(head) => (head.tag.as_bytes().to_vec(), self.admit(head)),
            Err(no_head) => (no_head.tag().to_vec(), Err(NO_HEAD)),
        };
        let message = match admitted {
            Ok(Some((verb, _))) if verb.carries_message() => {
                let text = Bytes::from([&self.streamed.text, so_far].concat());
                let mut holes = self.streamed.holes.clone();
                holes.push(Hole { at: text.len(), id: literal.id, bytes: literal.bytes });
                self.parser.parse_command_so_far(text, &holes).map_err(|_| BAD_ARGUMENTS)
            }
            Ok(_) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        self.tag = tag;
        match message {
            Ok(None) => {}
            Ok(Some(command)) => {
                let is_too_large = literal.bytes > UnaskedLiterals::SMALL_BYTES_MAX
                    && literal.form == LiteralForm::NonSync
                    && self.config.unasked_literals == UnaskedLiterals::Small;
                if is_too_large {
                    self.refuse_literal(UNASKED);
                    self.check_skip(&literal)?;
                    return Ok(Step::Again);
                }
                self.turn = Turn::Offer;
                let ticket = self.ledger.issue();
                return Ok(Step::Event(Event::Offer(LiteralOffer { ticket, command, announced: literal })));
            }
            Err(refusal) => {
                self.refuse_literal(refusal);
                self.check_skip(&literal)?;
                self.count_bad()?;
                return Ok(Step::Again);
            }
        }
        let nonsync_max = self.config.limits.nonsync_literal_bytes_max;
        let unasked = literal.form == LiteralForm::NonSync && literal.bytes > nonsync_max;
        if unasked || self.framer.keep(Keep::Collect).is_err() {
            self.refuse_literal(TOO_BIG);
            self.check_skip(&literal)?;
        } else {
            self.accepted(&literal);
        }
        Ok(Step::Again)
    }

    /// Bytes that will come all the same are skipped, but not without end: what is announced beyond the limit is
    /// not waited for.
    fn check_skip(&mut self, literal: &Announced) -> Result<(), LimitExceeded> {
        let max = self.framer.limits().skipped_literal_bytes_max;
        if literal.form == LiteralForm::NonSync && literal.bytes > max {
            let refusal = std::mem::take(&mut self.refusal);
            self.core.out.put(&refusal);
            return Err(LimitExceeded::new("skipped_literal_bytes_max", max));
        }
        Ok(())
    }

    /// The literal on offer, and its command with it, is refused; the reply goes out when it has gone by.
    fn refuse_literal(&mut self, why: &str) {
        self.refusal = self.tagged_line(why);
        self.framer.refuse();
        self.pass_to_client(Turn::Command);
    }

    /// The same in the owner's words.
    pub(super) fn refuse_offer(&mut self, reply: Vec<u8>, literal: &Announced) -> Result<(), Error> {
        self.refusal = reply;
        self.framer.refuse();
        self.pass_to_client(Turn::Command);
        self.check_skip(literal).map_err(|limit| self.end(limit.into()))
    }

    /// What the owner accepted cannot be kept after all.
    pub(super) fn too_big(&mut self, literal: &Announced) -> Result<(), Error> {
        let reply = self.tagged_line(TOO_BIG);
        self.refuse_offer(reply, literal)
    }

    pub(super) fn accepted(&mut self, literal: &Announced) {
        self.pass_to_client(Turn::Command);
        if literal.form == LiteralForm::Sync {
            self.put(&["+ Ready for literal data\r\n"]);
        }
    }

    /// Whether the verb exists, here and now.
    fn admit(&self, head: Head<'_>) -> Result<Option<(Verb, Numbering)>, Refusal> {
        match head.verb.and_then(|(verb, _)| verb::inner(verb)) {
            Some(Inner::NodesOnly) if self.peer == Peer::User => return Err(UNKNOWN),
            Some(Inner::OrWith(capability)) if self.peer == Peer::User && !self.announces(&capability) => {
                return Err(UNKNOWN);
            }
            _ => {}
        }
        let needs = match head.verb {
            Some((verb, _))
                if verb::needs_capability(verb).is_some_and(|needed| !self.announces(&needed)) =>
            {
                return Err(UNKNOWN);
            }
            Some((verb, _)) => verb::needs(verb),
            None if self.peer == Peer::Node || self.config.unknown_verbs == UnknownVerbs::Pass => {
                Needs::Login
            }
            None => return Err(UNKNOWN),
        };
        match needs {
            Needs::Login if self.state < State::Authenticated => return Err("BAD Log in first"),
            Needs::Mailbox if self.state < State::Selected => return Err("BAD Select a mailbox first"),
            Needs::NoLogin if self.state > State::NotAuthenticated => return Err("BAD Already logged in"),
            _ => {}
        }
        match head.verb {
            Some((Verb::Login, _)) if !self.passwords_are_taken() => Err(NOT_WITHOUT_TLS),
            Some((Verb::StartTls, _)) if self.core.tls().is_some() => Err("BAD TLS is active"),
            Some((Verb::StartTls, _)) if self.config.start_tls == StartTls::Off => Err(UNKNOWN),
            Some((Verb::Compress, _)) if self.is_compressed => Err("BAD Compression is active"),
            verb => Ok(verb),
        }
    }

    /// Whether the owner announces this to whoever has logged in.
    fn announces(&self, capability: &Capability<'_>) -> bool {
        self.config.capabilities_after_login.contains(capability)
    }

    pub(super) fn passwords_are_taken(&self) -> bool {
        self.core.tls().is_some() || self.config.plaintext_login == PlaintextLogin::DangerAllow
    }

    fn command(&mut self, frame: Bytes, holes: &[Hole]) -> Result<Step, Error> {
        let (verb, refusal) = match verb::head(&frame) {
            Ok(head) => {
                // A copy: a slice would keep the whole read buffer alive for as long as an IDLE lasts.
                self.note_tag(head.tag.as_bytes());
                match self.admit(head) {
                    Ok(verb) => (verb, None),
                    Err(refusal) => (None, Some(refusal)),
                }
            }
            Err(no_head) => {
                self.note_tag(no_head.tag());
                (None, Some(NO_HEAD))
            }
        };
        if let Some(refusal) = refusal {
            return self.bad(refusal, holes);
        }
        let Ok(command) = self.parser.parse_command(frame, holes) else {
            return self.bad(BAD_ARGUMENTS, holes);
        };
        if self.enabled.has(&Capability::UidOnly) && Numbers::of(&command.view().command).are_used() {
            return self.bad(UIDS_ONLY, holes);
        }
        self.verb = verb;
        let event = match verb.map(|(verb, _)| verb) {
            Some(Verb::Capability) => {
                self.put(&["* "]);
                self.put_capabilities();
                self.put(&["\r\n"]);
                self.tagged("OK Completed");
                None
            }
            Some(Verb::Logout) => {
                self.put(&["* BYE Logging out\r\n"]);
                self.tagged("OK Completed");
                self.state = State::Logout;
                self.core.close();
                None
            }
            Some(Verb::StartTls) => {
                self.tagged("OK Begin TLS negotiation now");
                self.turn = Turn::Handshake;
                self.core.shut_gate()?;
                Some(Event::StartTls)
            }
            Some(Verb::Compress) => {
                // What is here already was sent before the answer, which RFC 4978 3 forbids: nobody could say in which
                // form it is.
                if !self.core.input.is_empty() {
                    return Err(PeerMisbehaved::PipelinedTooEarly.into());
                }
                self.tagged("OK Compression begins now");
                self.turn = Turn::Compression;
                Some(Event::Compress)
            }
            Some(Verb::Unauthenticate) => {
                self.tagged("OK Completed");
                self.log_out();
                Some(Event::Unauthenticated)
            }
            Some(Verb::Login) => self.login(&command)?,
            Some(Verb::Authenticate) => self.authenticate(&command)?,
            Some(Verb::Idle) => Some(self.hand_out(Duty::Idle, command)),
            _ => Some(self.hand_out(Duty::Command, command)),
        };
        Ok(event.map_or(Step::Again, Step::Event))
    }

    fn note_tag(&mut self, tag: &[u8]) {
        self.tag.clear();
        self.tag.extend_from_slice(tag);
    }

    fn hand_out(&mut self, duty: Duty, command: Parsed<kind::Command>) -> Event {
        self.turn = Turn::Reply(duty);
        self.bad_commands = 0;
        Event::Command(self.ledger.issue(), command)
    }

    fn bad(&mut self, refusal: Refusal, holes: &[Hole]) -> Result<Step, Error> {
        self.tagged(refusal);
        self.count_bad()?;
        Ok(if holes.is_empty() { Step::Again } else { Step::Event(Event::Abandoned) })
    }

    pub(super) fn count_bad(&mut self) -> Result<(), PeerMisbehaved> {
        self.bad_commands += 1;
        if self.bad_commands > self.config.limits.bad_commands_max {
            return Err(PeerMisbehaved::TooManyBadCommands);
        }
        Ok(())
    }

    /// A line in an exchange or an IDLE.
    fn line(&mut self) -> Result<Step, Error> {
        match self.framer.poll(&mut self.core.input, LiteralMode::Line)? {
            None => Ok(Step::Wait),
            Some(Part::Whole(line)) if self.turn == Turn::Idle => self.idle_line(&line),
            Some(Part::Whole(line)) => self.auth_line(&line),
            // A bare line announces nothing.
            Some(_) => Err(ApiMisuse::WrongState("a literal in a bare line").into()),
        }
    }

    fn idle_line(&mut self, line: &[u8]) -> Result<Step, Error> {
        if line.eq_ignore_ascii_case(b"DONE") {
            self.turn = Turn::Reply(Duty::Command);
            return Ok(Step::Event(Event::IdleDone(self.ledger.issue())));
        }
        self.turn = Turn::Command;
        self.tagged("BAD Expected DONE");
        self.count_bad()?;
        Ok(Step::Event(Event::IdleBroken))
    }

    pub(super) fn time_passed(&mut self, now: Instant) {
        self.now = now;
        if self.owner_is_busy() {
            return;
        }
        if self.login_deadline.is_some_and(|deadline| deadline <= now) {
            self.core.touch(now);
            self.core.set_timeout(Some(Duration::ZERO));
        }
        self.core.handle_timeout(now);
    }

    pub(super) fn encrypted(&mut self, now: Instant) {
        self.core.tls_started(now);
        // What was learned in the clear is forgotten (safety row T6); TLS from the first byte changes nothing.
        if self.turn == Turn::Handshake {
            self.turn = Turn::Command;
            self.framer.start_over(self.config.limits.before_login);
            self.bad_commands = 0;
            self.tag.clear();
        }
        self.first_frame = true;
    }
}

/// The next move of the loop.
pub(super) enum Step {
    Again,
    Wait,
    Event(Event),
}
