//! Replies, one by one: the way from the greeting to a ready session, logins, and the end.

use mail_wire::{Error, Line, PeerIncompatible, PeerMisbehaved};

use super::{Closed, Event, Machine, Phase, TlsMode, What};
use crate::capabilities::Capabilities;
use crate::code::{Code, Verdict};
use crate::dialect::{Dialect, Protocol};
use crate::extension::Extension;
use crate::reply::Reply;

impl<D: Dialect> Machine<D> {
    /// The next event.
    pub(super) fn advance(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = self.core.failure() {
                return Err(error);
            }
            if self.core.is_closing() {
                return Ok(None);
            }
            if self.core.has_timed_out() {
                return Err(self.core.fail(PeerMisbehaved::TimedOut));
            }
            if self.phase == Phase::Tls {
                self.core.input.check_gate().map_err(|e| self.core.fail(e))?;
                if self.core.input.has_ended() {
                    self.close(Closed::Dropped);
                    continue;
                }
                return Ok(None);
            }
            let line = match self.framer.poll(&mut self.core.input) {
                Ok(line) => line,
                Err(error) => return Err(self.core.fail(error)),
            };
            let outcome = match line {
                Some(Line::Whole(line)) => self.on_line(&line),
                Some(Line::Invalid(error)) => Err(error.into()),
                Some(Line::Overlong(error)) => Err(error.into()),
                None if self.core.input.has_ended() => {
                    let quit = matches!(self.due.front(), Some(due) if matches!(due.what, What::Quit));
                    self.close(if quit { Closed::Quit } else { Closed::Dropped });
                    Ok(())
                }
                None => return Ok(None),
            };
            outcome.map_err(|error| self.core.fail(error))?;
        }
    }

    fn on_line(&mut self, line: &bytes::Bytes) -> Result<(), Error> {
        let in_exchange = matches!(self.due.front(), Some(due) if matches!(due.what, What::Sasl(_)));
        if in_exchange && !self.replies.is_partial() && self.on_challenge(line)? {
            return Ok(());
        }
        let Some(reply) = self.replies.push(line, self.config.limits.reply_lines_max)? else {
            // A reply that nobody asked for is not read to its end, unless it may be the 421 that ends everything.
            return if self.due.is_empty() && !line.starts_with(b"421") {
                Err(PeerMisbehaved::UnsolicitedReply.into())
            } else {
                Ok(())
            };
        };
        let what = match self.take_due() {
            Err(_) if reply.code() == Code::SHUTTING_DOWN => self.due.pop_front().map(|due| due.what),
            taken => taken?,
        };
        match what {
            Some(What::Quit) => {
                self.close(Closed::Quit);
                Ok(())
            }
            _ if reply.code() == Code::SHUTTING_DOWN => {
                let stage = what.as_ref().map_or(super::Stage::Message, super::transaction::stage_of);
                self.end_undecided(stage, &reply);
                self.close(Closed::Shutdown(reply));
                Ok(())
            }
            Some(what) => self.on_reply(what, reply),
            None => Err(PeerMisbehaved::UnsolicitedReply.into()),
        }
    }

    /// Takes what the reply that has come answers. A reply to what did not leave yet is none (T4).
    pub(super) fn take_due(&mut self) -> Result<Option<What>, PeerMisbehaved> {
        match self.due.front() {
            Some(due) if due.sent_at <= self.sent && !due.is_late => {}
            _ => return Err(PeerMisbehaved::UnsolicitedReply),
        }
        let what = self.due.pop_front().map(|due| due.what);
        self.set_timeout();
        Ok(what)
    }

    fn on_reply(&mut self, what: What, reply: Reply) -> Result<(), Error> {
        let verdict = reply.verdict();
        if verdict == Verdict::Intermediate && !matches!(what, What::Auth(_) | What::Data) {
            return Err(PeerMisbehaved::UnexpectedReply.into());
        }
        let succeeded = verdict == Verdict::Success;
        match what {
            What::Greeting if succeeded => {
                self.events.push_back(Event::Greeting(reply));
                self.hello();
            }
            What::Ehlo if succeeded => return self.on_capabilities(Capabilities::read(&reply)),
            What::Ehlo if verdict == Verdict::Permanent && D::PROTOCOL == Protocol::Smtp => {
                let line = format!("HELO {}\r\n", self.config.name);
                self.command(line.as_bytes(), What::Helo);
            }
            What::Helo if succeeded => return self.on_capabilities(Capabilities::default()),
            What::Greeting | What::Ehlo | What::Helo => self.close(Closed::Refused(reply)),
            What::StartTls if reply.code() == Code::READY => {
                // Bytes behind this reply were put there by somebody who cannot speak TLS with us (T3).
                self.core.shut_gate()?;
                self.phase = Phase::Tls;
                self.core.set_timeout(Some(self.config.timeouts.reply));
                self.events.push_back(Event::StartTls);
            }
            What::StartTls if succeeded => return Err(PeerMisbehaved::UnexpectedReply.into()),
            What::StartTls if self.config.tls == TlsMode::Required => {
                return Err(PeerIncompatible::NoStartTls.into());
            }
            What::StartTls => self.become_ready(),
            What::Auth(messages) => return self.on_auth_reply(messages, reply),
            What::Sasl(_) | What::Cancelled => return self.on_sasl_reply(&what, reply),
            What::Noop => self.events.push_back(Event::Noop(reply)),
            What::XClient if succeeded => {
                // Whom the server takes us for now may be shown other things.
                self.capabilities = None;
                self.hello();
            }
            What::XClient | What::Answer => self.events.push_back(Event::Answer(reply)),
            What::Mail
            | What::Rcpt(_)
            | What::Data
            | What::Chunk
            | What::Message
            | What::Delivery(_)
            | What::Rset => return self.on_transaction_reply(&what, reply),
            What::Quit => {}
        }
        Ok(())
    }

    pub(super) fn hello(&mut self) {
        let verb = match D::PROTOCOL {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let line = format!("{verb} {}\r\n", self.config.name);
        self.command(line.as_bytes(), What::Ehlo);
    }

    fn on_capabilities(&mut self, capabilities: Capabilities) -> Result<(), Error> {
        self.mails = 0;
        let offered = capabilities.has(&Extension::StartTls);
        self.capabilities = Some(capabilities);
        if self.core.tls().is_some() {
            self.become_ready();
            return Ok(());
        }
        match self.config.tls {
            TlsMode::Required if !offered => return Err(PeerIncompatible::NoStartTls.into()),
            TlsMode::Required | TlsMode::Opportunistic if offered => {
                self.command(b"STARTTLS\r\n", What::StartTls);
            }
            _ => self.become_ready(),
        }
        Ok(())
    }

    fn become_ready(&mut self) {
        let capabilities = self.capabilities.clone().unwrap_or_default();
        self.events.push_back(Event::Ready(capabilities));
    }

    pub(super) fn close(&mut self, how: Closed) {
        self.core.close();
        self.due.clear();
        self.transaction = None;
        self.events.push_back(Event::Closed(how));
    }
}
