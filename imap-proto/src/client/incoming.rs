//! What the server says, and whether it may say it now (RFC 3501 2.2.2, 7).

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mail_wire::{Announced, Error, Keep, LimitExceeded, LiteralMode, Part, PeerMisbehaved, TlsMode};

use super::flow::{Out, Pending, Purpose};
use super::{Capabilities, CommandId, Connection, Event, Piece, PieceText, Setup, State};
use crate::{Code, Condition, Enabled, Hole, Parsed, Response, Status, kind};

/// The text of a response whose literals go by, joined, and where they were.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    text: BytesMut,
    holes: Vec<Hole>,
}

impl Connection {
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some(error) = self.core.failure() {
            return Err(error);
        }
        if self.core.has_timed_out() {
            return Err(self.core.fail(PeerMisbehaved::TimedOut));
        }
        let polled = self.poll_parts();
        self.set_clock();
        polled.map_err(|error| {
            self.state = State::Logout;
            self.core.fail(error)
        })
    }

    fn poll_parts(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.core.is_closing() {
                return Ok(self.closed());
            }
            if self.setup == Setup::Handshake {
                self.core.input.check_gate()?;
                return self.at_end();
            }
            if self.setup == Setup::Compression {
                return self.at_end();
            }
            let Some(part) = self.framer.poll(&mut self.core.input, LiteralMode::Response)? else {
                return self.at_end();
            };
            match part {
                Part::Offer(literal) => self.literal(literal)?,
                Part::Whole(frame) => self.response(frame)?,
                Part::Head(text, literal) => {
                    // A greeting, or what ends a command, has no literals worth streaming.
                    let is_first = self.streamed.holes.is_empty();
                    if self.state == State::Greeting || (is_first && !text.starts_with(b"* ")) {
                        return Err(PeerMisbehaved::UnexpectedReply.into());
                    }
                    let so_far = self.head(&text, &literal)?;
                    let text = PieceText(text);
                    self.events.push_back(Event::Piece(Piece::Head { text, so_far, literal }));
                }
                Part::Chunk(id, bytes) => self.events.push_back(Event::Piece(Piece::Chunk(id, bytes))),
                Part::LiteralEnd(id) => self.events.push_back(Event::Piece(Piece::LiteralEnd(id))),
                Part::Tail(text) => self.tail(text)?,
                // Nothing is refused here: what is too large ends the connection.
                Part::Refused => return Err(PeerMisbehaved::UnexpectedReply.into()),
            }
        }
    }

    fn at_end(&mut self) -> Result<Option<Event>, Error> {
        if !self.core.input.has_ended() {
            return Ok(None);
        }
        if self.state != State::Logout && (self.state == State::Greeting || !self.pending.is_empty()) {
            return Err(PeerMisbehaved::ClosedMidMessage.into());
        }
        self.state = State::Logout;
        self.core.close();
        Ok(self.closed())
    }

    fn closed(&mut self) -> Option<Event> {
        let first = !self.closed_reported;
        self.closed_reported = true;
        first.then_some(Event::Closed)
    }

    fn literal(&mut self, literal: Announced) -> Result<(), Error> {
        let is_small = literal.bytes <= self.config.limits.kept_literal_bytes_max;
        if !(is_small && self.framer.keep(Keep::Collect).is_ok()) {
            self.framer.keep(Keep::Stream)?;
        }
        Ok(())
    }

    fn head(&mut self, text: &Bytes, literal: &Announced) -> Result<Parsed<kind::Response>, Error> {
        let limits = &self.config.limits;
        if self.streamed.holes.len() >= limits.streamed_literals_max {
            let max = limits.streamed_literals_max as u64;
            return Err(LimitExceeded::new("streamed_literals_max", max).into());
        }
        if self.streamed.text.len() + text.len() > limits.streamed_text_bytes_max {
            let max = limits.streamed_text_bytes_max as u64;
            return Err(LimitExceeded::new("streamed_text_bytes_max", max).into());
        }
        self.streamed.text.extend_from_slice(text);
        let at = self.streamed.text.len();
        self.streamed.holes.push(Hole { at, id: literal.id, bytes: literal.bytes });
        let joined =
            if at == text.len() { text.clone() } else { Bytes::copy_from_slice(&self.streamed.text) };
        Ok(self.parser.parse_response_so_far(joined, &self.streamed.holes)?)
    }

    fn tail(&mut self, text: Bytes) -> Result<(), Error> {
        let Streamed { text: mut joined, holes } = std::mem::take(&mut self.streamed);
        joined.extend_from_slice(&text);
        let parsed = self.parser.parse_response(joined.freeze(), &holes);
        self.events.push_back(Event::Piece(Piece::Tail(PieceText(text))));
        self.events.push_back(Event::Streamed(parsed?));
        Ok(())
    }

    fn response(&mut self, frame: Bytes) -> Result<(), Error> {
        let parsed = self.parser.parse_response(frame, &[])?;
        let event = match parsed.view() {
            _ if self.state == State::Greeting => return self.greeting(&parsed),
            Response::Continue(text) => return self.continuation(text.as_bytes()),
            Response::Tagged { tag, status } => {
                let id = self.pending_id(tag.as_bytes())?;
                self.learn(&status);
                return self.tagged(id, status.condition, parsed.clone());
            }
            Response::Status(status) if status.condition == Condition::Bye => {
                self.state = State::Logout;
                Event::Bye(parsed.clone())
            }
            Response::Status(status) => {
                self.learn(&status);
                Event::Untagged(parsed.clone())
            }
            Response::Capability(names) => {
                self.set_capabilities(names.iter().map(|c| c.to_string().into()));
                Event::Untagged(parsed.clone())
            }
            Response::Enabled(capabilities) => {
                let mut enabled = self.enabled;
                enabled.note(capabilities);
                self.set_enabled(enabled);
                Event::Untagged(parsed.clone())
            }
            _ => Event::Untagged(parsed.clone()),
        };
        self.events.push_back(event);
        Ok(())
    }

    fn greeting(&mut self, parsed: &Parsed<kind::Response>) -> Result<(), Error> {
        let Response::Status(status) = parsed.view() else {
            return Err(PeerMisbehaved::UnexpectedReply.into());
        };
        self.state = match status.condition {
            Condition::Ok => State::NotAuthenticated,
            Condition::PreAuth if self.config.tls == TlsMode::Required && self.core.tls().is_none() => {
                return Err(PeerMisbehaved::PreauthBeforeTls.into());
            }
            Condition::PreAuth => State::Authenticated,
            Condition::Bye => State::Logout,
            Condition::No | Condition::Bad => return Err(PeerMisbehaved::UnexpectedReply.into()),
        };
        self.learn(&status);
        self.events.push_back(Event::Greeting(parsed.clone()));
        if self.state == State::Logout { Ok(()) } else { self.prepare() }
    }

    fn set_enabled(&mut self, enabled: Enabled) {
        self.enabled = enabled;
        self.parser.set_names(enabled.names());
    }

    fn learn(&mut self, status: &Status<'_>) {
        if let Some(Code::Capability(names)) = &status.code {
            self.set_capabilities(names.iter().map(|c| c.to_string().into()));
        }
    }

    fn set_capabilities(&mut self, names: impl Iterator<Item = Box<str>>) {
        self.capabilities = Some(Capabilities(names.take(Capabilities::NAMES_MAX).collect()));
        self.capabilities_are_fresh = true;
    }

    /// The command that a tagged reply answers, if it was sent at all (safety row T4).
    fn pending_id(&self, tag: &[u8]) -> Result<CommandId, PeerMisbehaved> {
        let unsolicited = PeerMisbehaved::UnsolicitedReply;
        let number = std::str::from_utf8(tag).ok().and_then(|t| t.strip_prefix('A')?.parse().ok());
        let id = CommandId(number.ok_or(unsolicited)?);
        if id.to_string().as_bytes() != tag {
            return Err(unsolicited);
        }
        let pending = self.pending.iter().find(|p| p.id == id && !p.answered).ok_or(unsolicited)?;
        match pending.ends_at {
            Some(end) if end > self.sent_bytes() => Err(unsolicited),
            _ => Ok(id),
        }
    }

    fn tagged(
        &mut self,
        id: CommandId,
        status: Condition,
        parsed: Parsed<kind::Response>,
    ) -> Result<(), Error> {
        let Some(at) = self.pending.iter().position(|p| p.id == id) else { return Ok(()) };
        let is_ok = status == Condition::Ok;
        if self.pending.get(at).is_some_and(|p| p.ends_at.is_none()) {
            // The command is not yet sent in full. It may be refused, not granted.
            if is_ok {
                return Err(PeerMisbehaved::UnsolicitedReply.into());
            }
            match self.outgoing.front() {
                Some(Out::Wait) if self.is_next_out(id) => {
                    self.pending.remove(at);
                    self.withdraw(id);
                }
                // Its literal was announced as coming: it must come.
                Some(Out::Hole { command, .. }) if *command == id => {
                    if let Some(pending) = self.pending.get_mut(at) {
                        pending.answered = true;
                    }
                }
                _ => return Err(PeerMisbehaved::UnsolicitedReply.into()),
            }
            self.events.push_front(Event::Tagged(id, parsed));
            return Ok(());
        }
        let Some(Pending { purpose, .. }) = self.pending.remove(at) else { return Ok(()) };
        match purpose {
            Purpose::Capability => {
                // A server that does not tell has none that count.
                self.capabilities.get_or_insert_default();
                return self.prepare();
            }
            Purpose::StartTls if is_ok => {
                self.setup = Setup::Handshake;
                self.core.shut_gate()?;
                self.events.push_back(Event::StartTls);
                return Ok(());
            }
            Purpose::StartTls => return self.go_without_tls(),
            // A login that was not even sent.
            Purpose::Authenticate(exchange) if is_ok && !exchange.is_complete() => {
                return Err(PeerMisbehaved::UnsolicitedReply.into());
            }
            Purpose::Compress if is_ok => {
                self.setup = Setup::Compression;
                let behind = self.core.input.take(usize::MAX);
                self.events.push_back(Event::Tagged(id, parsed));
                self.events.push_back(Event::Compress { behind });
                return Ok(());
            }
            Purpose::Unauthenticate if is_ok => {
                self.state = State::NotAuthenticated;
                (self.capabilities, self.is_compressed) = (None, false);
                self.set_enabled(Enabled::default());
            }
            Purpose::Login | Purpose::Authenticate(_) if is_ok => {
                self.state = State::Authenticated;
                if !self.capabilities_are_fresh {
                    self.capabilities = None;
                }
            }
            // An OK before DONE: the server ends what only the client may end.
            Purpose::Idle { begun, done } if is_ok && !(begun && done) => {
                return Err(PeerMisbehaved::UnsolicitedReply.into());
            }
            Purpose::Logout if is_ok => {
                self.state = State::Logout;
                self.core.close();
            }
            _ => {}
        }
        self.events.push_back(Event::Tagged(id, parsed));
        Ok(())
    }

    /// Whether what is held back first belongs to this command.
    fn is_next_out(&self, id: CommandId) -> bool {
        self.outgoing.iter().find_map(|out| match out {
            Out::End(end) => Some(*end == id),
            _ => None,
        }) == Some(true)
    }

    /// `+`: somebody must have waited for it.
    fn continuation(&mut self, text: &[u8]) -> Result<(), Error> {
        if matches!(self.outgoing.front(), Some(Out::Wait)) {
            if self.core.out.bytes() > 0 {
                return Err(PeerMisbehaved::UnsolicitedReply.into());
            }
            self.outgoing.pop_front();
            self.flow();
            return Ok(());
        }
        let sent = self.sent_bytes();
        let due = self.pending.front_mut().filter(|p| p.ends_at.is_some_and(|end| end <= sent));
        match due {
            Some(Pending { id, purpose: Purpose::Idle { begun: begun @ false, done }, .. }) => {
                *begun = true;
                let done = *done;
                self.events.push_back(Event::Idling(*id));
                if done {
                    self.put_done();
                }
                Ok(())
            }
            Some(Pending { purpose: Purpose::Authenticate(_), .. }) => self.challenged(text),
            _ => Err(PeerMisbehaved::UnsolicitedReply.into()),
        }
    }

    /// An answer is due, or none is.
    pub(super) fn set_clock(&mut self) {
        let idles = matches!(
            self.pending.front(),
            Some(Pending { purpose: Purpose::Idle { begun: true, done: false }, .. })
        );
        let timeout = match self.state {
            State::Greeting => Some(self.config.timeouts.greeting),
            // Nothing is due, or it is the owner whose bytes are.
            _ if self.pending.is_empty() || idles || self.literal_bytes_due().is_some() => None,
            _ => Some(self.config.timeouts.reply),
        };
        self.core.set_timeout(timeout);
    }

    pub(super) fn encrypted(&mut self, now: Instant) {
        self.core.tls_started(now);
        // What was said in the clear is forgotten (safety row T6).
        self.capabilities = None;
        if self.setup == Setup::Handshake && self.core.failure().is_none() {
            self.framer.start_over(self.config.limits.frame);
            if let Err(error) = self.prepare() {
                self.core.fail(error);
            }
        }
    }
}
