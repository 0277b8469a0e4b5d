//! What comes from the server, step by step.

use bytes::Bytes;
use mail_wire::{
    Error, Keep, LimitExceeded, LiteralForm, LiteralMode, Part, PeerIncompatible, PeerMisbehaved, TlsMode,
    sasl,
};

use super::{BannerSoFar, Connection, Event, Kind, Outcome, Pending, State};
use crate::banner::BannerLine;
use crate::{Banner, Command, Identity, MailboxEntry, Response, Status, Tag};

pub(super) enum Step {
    Event(Event),
    Again,
    Wait,
}

impl Connection {
    pub(super) fn step(&mut self) -> Result<Step, Error> {
        self.drop_shown();
        // The line of an exchange announces nothing, whatever it ends with; everywhere else a string may be a literal.
        let exchange = self.pending.front().is_some_and(|front| front.kind == Kind::Authenticate);
        let mode = if exchange { LiteralMode::Line } else { LiteralMode::Command };
        let event = match self.framer.poll(&mut self.core.input, mode)? {
            Some(Part::Whole(frame)) => self.frame(&frame)?,
            Some(Part::Offer(announced)) => {
                self.framer.keep(Keep::Collect)?;
                if announced.form == LiteralForm::Sync {
                    self.core.out.put(b"+ go ahead\r\n");
                }
                None
            }
            // Nothing is streamed or refused here.
            Some(_) => None,
            None => {
                let owed = !self.pending.is_empty() || matches!(self.state, State::Banner | State::Handshake);
                match (self.core.input.has_ended(), owed) {
                    (true, true) => return Err(PeerMisbehaved::ClosedMidMessage.into()),
                    (true, false) => self.core.close(),
                    (false, _) => {}
                }
                return Ok(Step::Wait);
            }
        };
        Ok(event.map_or(Step::Again, Step::Event))
    }

    /// The command whose answer is due, if this is its tag and it has left in full.
    fn answered(&self, tag: Tag) -> Result<Pending, PeerMisbehaved> {
        match self.pending.front() {
            Some(front) if front.tag == tag && front.end <= self.core.out.sent_bytes() => Ok(*front),
            _ => Err(PeerMisbehaved::UnsolicitedReply),
        }
    }

    fn frame(&mut self, frame: &Bytes) -> Result<Option<Event>, Error> {
        if self.state == State::Banner {
            return self.banner_line(frame);
        }
        let kind = self.pending.front().map(|front| front.kind);
        if kind == Some(Kind::Authenticate) && !frame.contains(&b' ') {
            return self.sasl_challenge(frame);
        }
        let unquoted = matches!(kind, Some(Kind::StartTls | Kind::Compress | Kind::Authenticate));
        let (tag, response) =
            if unquoted { Response::parse_unquoted(frame) } else { Response::parse(frame) }?;
        match response {
            Response::Entry(entry) => self.entry(tag, entry).map(Some),
            Response::Delete(name) => match (tag, self.state) {
                (Some(tag), State::Streaming(_, update)) if tag == update => Ok(Some(Event::Deleted(name))),
                _ => Err(PeerMisbehaved::UnexpectedReply.into()),
            },
            Response::Status(Status::Bye, text) => {
                self.core.close();
                Ok(Some(Event::Bye { text }))
            }
            Response::Status(status, text) => self.completed(tag, status, text),
        }
    }

    fn entry(&self, tag: Option<Tag>, entry: MailboxEntry) -> Result<Event, Error> {
        let tag = tag.ok_or(PeerMisbehaved::UnsolicitedReply)?;
        if let State::Streaming(command, update) = self.state
            && tag == update
        {
            return Ok(Event::Entry { command, entry });
        }
        let command = self.answered(tag)?;
        if !command.gives_entries() {
            return Err(PeerMisbehaved::UnexpectedReply.into());
        }
        Ok(Event::Entry { command: command.command, entry })
    }

    fn completed(&mut self, tag: Option<Tag>, status: Status, text: Bytes) -> Result<Option<Event>, Error> {
        let command = self.answered(tag.ok_or(PeerMisbehaved::UnsolicitedReply)?)?;
        self.pending.pop_front();
        if self.pending.is_empty() {
            self.core.set_timeout(None);
        }
        let outcome = match status {
            Status::Ok => Outcome::Ok,
            Status::No => Outcome::No,
            Status::Bad | Status::Bye => Outcome::Bad,
        };
        Ok(Some(match (command.kind, outcome) {
            (Kind::StartTls, Outcome::Ok) => {
                self.core.shut_gate()?;
                self.state = State::Handshake;
                self.core.set_timeout(Some(self.config.timeouts.reply));
                Event::StartTls
            }
            (Kind::StartTls, _) if self.config.tls == TlsMode::Opportunistic => return Ok(self.ready()),
            (Kind::StartTls, _) => return Err(PeerIncompatible::NoStartTls.into()),
            (Kind::Authenticate, Outcome::Ok) => {
                self.state = State::Authenticated;
                Event::Authenticated
            }
            (Kind::Authenticate, _) => Event::AuthenticationFailed { text },
            (Kind::Compress, Outcome::Ok) => Event::Compress { rest: self.core.input.take(usize::MAX) },
            // Cyrus says OK where the RFC has BYE.
            (Kind::Logout, Outcome::Ok) => {
                self.core.close();
                Event::Bye { text }
            }
            (kind, _) => {
                if (kind, outcome) == (Kind::Update, Outcome::Ok) {
                    self.state = State::Streaming(command.command, command.tag);
                }
                Event::Completed { command: command.command, outcome, text }
            }
        }))
    }

    fn sasl_challenge(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        let waits = self.pending.front().is_some_and(|front| front.end <= self.core.out.sent_bytes());
        if !waits || self.state == State::Challenged {
            return Err(PeerMisbehaved::UnsolicitedReply.into());
        }
        let message = sasl::decode(line)?;
        self.state = State::Challenged;
        // The silence is the owner's until it responds.
        self.core.set_timeout(None);
        Ok(Some(Event::Challenge(message)))
    }

    fn banner_line(&mut self, frame: &Bytes) -> Result<Option<Event>, Error> {
        self.banner.lines += 1;
        let max = self.config.limits.banner_lines_max;
        if self.banner.lines > max {
            return Err(LimitExceeded::new("banner_lines_max", max as u64).into());
        }
        match BannerLine::parse(frame)? {
            BannerLine::Auth(mechanisms) => self.banner.mechanisms = Some(mechanisms),
            BannerLine::StartTls => self.banner.start_tls = true,
            BannerLine::CompressDeflate => self.banner.compress_deflate = true,
            BannerLine::PartialUpdate => self.banner.partial_update = true,
            BannerLine::Unknown => {}
            BannerLine::Bye(text) => {
                self.core.close();
                return Ok(Some(Event::Bye { text }));
            }
            BannerLine::Last(server) => return self.banner_complete(server),
        }
        Ok(None)
    }

    fn banner_complete(&mut self, server: Identity) -> Result<Option<Event>, Error> {
        let so_far = std::mem::take(&mut self.banner);
        let Some(mechanisms) = so_far.mechanisms else {
            return Err(PeerIncompatible::Missing("a list of SASL mechanisms").into());
        };
        let BannerSoFar { start_tls, compress_deflate, partial_update, .. } = so_far;
        self.greeting = Some(Banner { mechanisms, start_tls, compress_deflate, partial_update, server });
        self.state = State::NotAuthenticated;
        if self.core.tls().is_none() && self.config.tls != TlsMode::Never {
            if start_tls {
                self.queue(&Command::StartTls, Kind::StartTls)?;
                return Ok(None);
            }
            if self.config.tls == TlsMode::Required {
                return Err(PeerIncompatible::NoStartTls.into());
            }
        }
        Ok(self.ready())
    }

    /// The banner is complete, and there is or will be no TLS to wait for.
    fn ready(&mut self) -> Option<Event> {
        self.core.set_timeout(None);
        self.greeting.clone().map(Event::Greeting)
    }
}
