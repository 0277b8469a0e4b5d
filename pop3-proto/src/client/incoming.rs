//! What comes from the server, step by step.

use bytes::Bytes;
use mail_wire::{
    BodyPart, DotReader, Error, LimitExceeded, Line, PeerIncompatible, PeerMisbehaved, TlsMode, sasl,
};

use super::{Connection, Event, Kind, LoginStep, Many, Pending, State, Utf8State};
use crate::apop::Timestamp;
use crate::reply::ReplyText;
use crate::{
    Capabilities, Capability, Command, LANGUAGES_MAX, LanguageListing, MaildropCommand, Reply, ScanListing,
    UniqueIdListing,
};

pub(super) enum Step {
    Event(Event),
    Again,
    Wait,
}

impl From<Option<Event>> for Step {
    fn from(event: Option<Event>) -> Self {
        event.map_or(Self::Again, Self::Event)
    }
}

impl Connection {
    pub(super) fn step(&mut self) -> Result<Step, Error> {
        self.drop_shown();
        if let Some(Many::Message(command, reader, bytes)) = &mut self.many {
            let command = *command;
            return match reader.poll(&mut self.core.input)? {
                Some(BodyPart::Chunk(chunk)) => {
                    *bytes += chunk.len() as u64;
                    let max = self.config.limits.message_bytes_max;
                    if *bytes > max {
                        return Err(LimitExceeded::new("message_bytes_max", max).into());
                    }
                    Ok(Step::Event(Event::Chunk(chunk)))
                }
                Some(BodyPart::End) => {
                    self.answered();
                    Ok(Step::Event(Event::End(command)))
                }
                None => Ok(Step::Wait),
            };
        }
        match self.framer.poll(&mut self.core.input)? {
            Some(Line::Whole(line)) => match self.many {
                None => self.line(&line),
                Some(_) => self.listing_line(&line),
            },
            Some(Line::Invalid(error)) => Err(error.into()),
            Some(Line::Overlong(error)) => Err(error.into()),
            None => self.wait(),
        }
    }

    fn wait(&mut self) -> Result<Step, Error> {
        let owed = !self.pending.is_empty() || matches!(self.state, State::Greeting | State::Handshake);
        match (self.core.input.has_ended(), owed || !self.core.input.is_empty()) {
            (true, true) => return Err(PeerMisbehaved::ClosedMidMessage.into()),
            (true, false) => self.core.close(),
            (false, _) => {}
        }
        Ok(Step::Wait)
    }

    /// The command at the front is answered in full.
    fn answered(&mut self) {
        self.pending.pop_front();
        self.many = None;
        if self.pending.is_empty() {
            self.core.set_timeout(None);
        }
        if matches!(self.state, State::Transaction | State::Quitting) {
            self.send_waiting();
        }
    }

    fn listing_line(&mut self, line: &Bytes) -> Result<Step, Error> {
        let complete = &line[..] == b".";
        // Nothing in a listing begins with a dot, but if it does, it is stuffed.
        let line = if line.first() == Some(&b'.') { line.slice(1..) } else { line.clone() };
        match &mut self.many {
            Some(Many::Capabilities) if complete => {
                self.answered();
                self.capabilities_known()
            }
            Some(Many::Capabilities) => {
                // A line that is no capability is of no use, and no reason to give up.
                if let Ok(capability) = Capability::parse(&line) {
                    self.greeting.capabilities.push(capability);
                }
                Ok(Step::Again)
            }
            Some(Many::Languages(languages)) if complete => {
                let languages = std::mem::take(languages);
                self.answered();
                Ok(Step::Event(Event::Languages(Ok(languages))))
            }
            Some(Many::Languages(languages)) => {
                if let Ok(language) = LanguageListing::parse(&line)
                    && languages.len() < LANGUAGES_MAX
                {
                    languages.push(language);
                }
                Ok(Step::Again)
            }
            Some(Many::Lines(command, lines)) => {
                let command = *command;
                if complete {
                    self.answered();
                    return Ok(Step::Event(Event::End(command)));
                }
                *lines += 1;
                let max = self.config.limits.listing_lines_max;
                if *lines > max {
                    return Err(LimitExceeded::new("listing_lines_max", max).into());
                }
                let event = match command {
                    MaildropCommand::Uidl(_) => {
                        UniqueIdListing::parse(&line, &mut self.leniency).map(Event::UniqueIdListing)
                    }
                    _ => ScanListing::parse(&line).map(Event::ScanListing),
                };
                Ok(Step::Event(event.unwrap_or_else(Event::BadLine)))
            }
            Some(Many::Message(..)) | None => Ok(Step::Again),
        }
    }

    fn line(&mut self, line: &Bytes) -> Result<Step, Error> {
        if self.state == State::Greeting {
            let timestamp = Timestamp::find(line);
            let reply = self.reply(line)?;
            return self.greeted(reply, timestamp);
        }
        let Some(Pending { kind, end }) = self.pending.front().copied() else {
            return Err(PeerMisbehaved::UnsolicitedReply.into());
        };
        if end > self.core.out.sent_bytes() || self.state == State::Challenged {
            return Err(PeerMisbehaved::UnsolicitedReply.into());
        }
        if kind == Kind::Auth
            && let [b'+', rest @ ..] = &line[..]
            && matches!(rest, [] | [b' ', ..])
        {
            return self.challenged(rest.get(1..).unwrap_or_default());
        }
        let reply = self.reply(line)?;
        match kind {
            Kind::Capa if reply.is_ok() => {
                self.greeting.capabilities = Capabilities::new();
                self.many = Some(Many::Capabilities);
                Ok(Step::Again)
            }
            Kind::Capa => {
                self.answered();
                self.capabilities_known()
            }
            Kind::Stls => {
                self.answered();
                self.stls(&reply)
            }
            Kind::User if reply.is_ok() => {
                let Some(LoginStep::Password(password)) = self.secret.take() else {
                    return Err(PeerMisbehaved::UnexpectedReply.into());
                };
                self.answered();
                self.put(&Command::Pass(password), Kind::Pass);
                Ok(Step::Again)
            }
            Kind::User | Kind::Pass | Kind::Auth => {
                self.secret = None;
                if reply.is_ok() {
                    self.state = State::Transaction;
                }
                self.answered();
                let event = if reply.is_ok() { Event::LoggedIn(reply) } else { Event::LoginFailed(reply) };
                Ok(Step::Event(event))
            }
            Kind::Utf8 => {
                if reply.is_ok() {
                    self.utf8 = Utf8State::On;
                    self.reading = ReplyText::Utf8;
                }
                self.answered();
                Ok(Step::Event(Event::Utf8(reply)))
            }
            Kind::Language => {
                self.answered();
                Ok(Step::Event(Event::Language(reply)))
            }
            Kind::Languages if reply.is_ok() => {
                self.many = Some(Many::Languages(Vec::new()));
                Ok(Step::Again)
            }
            Kind::Languages => {
                self.answered();
                Ok(Step::Event(Event::Languages(Err(reply))))
            }
            Kind::Maildrop(command) => Ok(Step::Event(self.maildrop_reply(command, reply))),
            Kind::Quit => {
                self.answered();
                self.core.close();
                Ok(Step::Event(Event::Goodbye(reply)))
            }
        }
    }

    fn maildrop_reply(&mut self, command: MaildropCommand, reply: Reply) -> Event {
        if !(command.is_multi_line() && reply.is_ok()) {
            self.answered();
            return Event::Reply(command, reply);
        }
        self.many = Some(match command {
            MaildropCommand::Retr(_) | MaildropCommand::Top(..) => {
                Many::Message(command, DotReader::new(self.config.bare_line_end), 0)
            }
            _ => Many::Lines(command, 0),
        });
        Event::Begin(command, reply)
    }

    /// Reads the first line of a reply. That of LANG is in the new language already.
    fn reply(&mut self, line: &[u8]) -> Result<Reply, Error> {
        let chooses = self.pending.front().is_some_and(|front| front.kind == Kind::Language);
        let reading = if chooses { ReplyText::Utf8 } else { self.reading };
        let reply = Reply::parse_with(line, reading, &mut self.leniency)?;
        if chooses && reply.is_ok() {
            self.reading = ReplyText::Utf8;
        }
        Ok(reply)
    }

    fn greeted(&mut self, reply: Reply, timestamp: Option<Timestamp>) -> Result<Step, Error> {
        if !reply.is_ok() {
            self.core.close();
            return Ok(Step::Event(Event::Goodbye(reply)));
        }
        self.greeting.text = reply.text;
        self.greeting.timestamp = timestamp;
        self.state = State::Preparing;
        self.put(&Command::Capa, Kind::Capa);
        Ok(Step::Again)
    }

    fn capabilities_known(&mut self) -> Result<Step, Error> {
        match self.state {
            State::Preparing => self.prepared(),
            _ => Ok(Step::Event(Event::Capabilities(self.greeting.capabilities.clone()))),
        }
    }

    /// The capabilities are known; STLS comes next, or the login.
    fn prepared(&mut self) -> Result<Step, Error> {
        let offered = self.greeting.capabilities.contains(&Capability::Stls);
        if self.core.tls().is_none() && self.config.tls != TlsMode::Never {
            if offered {
                self.put(&Command::Stls, Kind::Stls);
                return Ok(Step::Again);
            }
            if self.config.tls == TlsMode::Required {
                return Err(PeerIncompatible::NoStartTls.into());
            }
        }
        Ok(self.ready())
    }

    fn ready(&mut self) -> Step {
        self.state = State::Authorization;
        Step::Event(Event::Greeting(self.greeting.clone()))
    }

    fn stls(&mut self, reply: &Reply) -> Result<Step, Error> {
        if reply.is_ok() {
            self.core.shut_gate()?;
            self.state = State::Handshake;
            self.core.set_timeout(Some(self.config.timeouts.reply));
            return Ok(Step::Event(Event::StartTls));
        }
        if self.config.tls == TlsMode::Required {
            return Err(PeerIncompatible::NoStartTls.into());
        }
        Ok(self.ready())
    }

    fn challenged(&mut self, text: &[u8]) -> Result<Step, Error> {
        let message = sasl::decode(text)?;
        match self.secret.take() {
            Some(LoginStep::Message(initial)) => {
                self.put_line(sasl::encode(initial.expose()).expose().as_bytes());
                Ok(Step::Again)
            }
            _ => {
                self.state = State::Challenged;
                // The silence is the owner's until it responds.
                self.core.set_timeout(None);
                Ok(Step::Event(Event::Challenge(message)))
            }
        }
    }
}
