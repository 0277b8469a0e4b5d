//! Commands, one by one: who may say what when (RFC 5321 4.1.4, RFC 2920 3).

use bytes::Bytes;
use mail_wire::{BareLineEnd, Error, Line, PeerMisbehaved, Ticket, is_foreign_protocol};

use super::message::{bare_line_end, is_bare_line_end};
use super::{Event, Hello, Machine, Owed, Phase};
use crate::code::Code;
use crate::command::{Command, InvalidCommand, Word};
use crate::dialect::{Dialect, Protocol};
use crate::reply::Reply;

impl<D: Dialect> Machine<D> {
    /// Takes the next line; false when more bytes are needed.
    pub(super) fn advance_line(&mut self) -> Result<bool, Error> {
        // HTTP and TLS are known by their first bytes, and get no answer (F10).
        if self.nothing_read && is_foreign_protocol(self.core.input.waiting()) {
            return Err(self.core.fail(PeerMisbehaved::ForeignProtocol));
        }
        let line = match self.framer.poll(&mut self.core.input) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(self.see_eof()),
            Err(error) => return Err(self.die(&line_too_long(), error)),
        };
        self.nothing_read = false;
        match (line, self.phase) {
            (Line::Whole(line), Phase::Sasl) => self.on_sasl_line(&line)?,
            (Line::Whole(line), _) => self.on_command_line(&line)?,
            (Line::Invalid(error), _)
                if is_bare_line_end(error) && self.config.bare_line_end == BareLineEnd::Refuse =>
            {
                return Err(self.die(&bare_line_end(), error));
            }
            (Line::Invalid(_), Phase::Sasl) => self.cancel_sasl(&bad_octets())?,
            (Line::Invalid(_), _) => self.bad(&bad_octets())?,
            (Line::Overlong(_), Phase::Sasl) => self.cancel_sasl(&line_too_long())?,
            (Line::Overlong(_), _) => self.bad(&line_too_long())?,
        }
        Ok(true)
    }

    /// Refuses a command that is wrong, and counts it.
    pub(super) fn bad(&mut self, reply: &Reply) -> Result<(), Error> {
        self.bad_commands += 1;
        self.say(reply);
        if self.bad_commands < self.config.limits.bad_commands_max {
            return Ok(());
        }
        Err(self.die(&Reply::fixed(421, 7, 0, "Too many errors"), PeerMisbehaved::TooManyBadCommands))
    }

    /// Answers a command that does nothing, and counts it.
    pub(super) fn idle(&mut self, reply: &Reply) -> Result<(), Error> {
        self.say(reply);
        self.count_idle()
    }

    pub(super) fn count_idle(&mut self) -> Result<(), Error> {
        self.idle_commands += 1;
        if self.idle_commands < self.config.limits.idle_commands_max {
            return Ok(());
        }
        Err(self.die(&Reply::fixed(421, 7, 0, "Too many commands"), PeerMisbehaved::TooManyBadCommands))
    }

    fn on_command_line(&mut self, line: &Bytes) -> Result<(), Error> {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(InvalidCommand::Unknown) if is_foreign_protocol(line) => {
                return Err(self.core.fail(PeerMisbehaved::ForeignProtocol));
            }
            Err(InvalidCommand::Unknown) => return self.bad(&unknown_command()),
            Err(InvalidCommand::Syntax(_)) => {
                return self.bad(&Reply::fixed(501, 5, 4, "Syntax error in parameters"));
            }
        };
        // RFC 2920 3.1: these end a group. Without extensions, every command does. What follows QUIT is never read.
        let ends_group = matches!(
            command,
            Command::Ehlo(_)
                | Command::Helo(_)
                | Command::Lhlo(_)
                | Command::Data
                | Command::Auth { .. }
                | Command::XClient(_)
        );
        if (ends_group || self.hello != Some(Hello::Extended))
            && !matches!(command, Command::Quit | Command::StartTls)
            && !self.core.input.is_empty()
        {
            return Err(self.die(&super::too_early(), PeerMisbehaved::PipelinedTooEarly));
        }
        if !line.is_ascii() && !self.announces("SMTPUTF8") {
            return self.bad(&Reply::fixed(501, 5, 2, "ASCII expected"));
        }
        match (command, D::PROTOCOL) {
            (Command::Ehlo(name), Protocol::Smtp) | (Command::Lhlo(name), Protocol::Lmtp) => {
                self.on_hello(name, Hello::Extended)
            }
            (Command::Helo(name), Protocol::Smtp) => self.on_hello(name, Hello::Basic),
            (Command::Ehlo(_) | Command::Helo(_), Protocol::Lmtp) => {
                self.bad(&Reply::fixed(500, 5, 1, "This is LMTP, say LHLO"))
            }
            (Command::Lhlo(_), Protocol::Smtp) => self.bad(&unknown_command()),
            (Command::Mail { path, params }, _) => self.on_mail(path, params),
            (Command::Rcpt { path, params }, _) => self.on_rcpt(path, params),
            (Command::Data, _) => self.on_data(),
            (Command::Rset, _) => {
                self.abandon();
                self.idle(&Reply::ok())
            }
            (Command::Noop(_), _) => self.idle(&Reply::ok()),
            (Command::Vrfy(name), _) if self.announces("VRFY") => self.ask(name.as_str(), Event::Verify),
            (Command::Vrfy(_), _) => {
                self.idle(&Reply::fixed(252, 1, 5, "Cannot verify, but will take mail for delivery"))
            }
            (Command::Expn(name), _) if self.announces("EXPN") => self.ask(name.as_str(), Event::Expand),
            (Command::Etrn(name), _) if self.announces("ETRN") => self.ask(name.as_str(), Event::Etrn),
            (Command::Expn(_) | Command::Etrn(_), _) => self.bad(&not_available()),
            (Command::Help(_), _) => self.idle(&Reply::fixed(214, 0, 0, "See RFC 5321")),
            (Command::Quit, _) => {
                self.say(&Reply::fixed(221, 0, 0, "Bye"));
                self.transaction = None;
                self.core.close();
                self.events.push_back(Event::Closed);
                Ok(())
            }
            (Command::StartTls, _) => self.on_start_tls(),
            (Command::Auth { mechanism, initial }, _) => self.on_auth(mechanism, initial),
            (Command::Bdat { bytes, last }, _) => self.on_bdat(bytes, last),
            (Command::Burl { url, last }, _) => self.on_burl(url.as_str(), last),
            (Command::XClient(attributes), _) => self.on_xclient(attributes),
            (Command::XForward(attributes), _) => self.on_xforward(attributes),
        }
    }

    /// Hands a question on to the owner.
    fn ask(&mut self, about: &str, event: fn(Ticket, Box<str>) -> Event<D>) -> Result<(), Error> {
        let ticket = self.issue(Owed::Answer);
        self.events.push_back(event(ticket, about.into()));
        Ok(())
    }

    /// Ends an open transaction and tells the owner.
    fn abandon(&mut self) {
        self.body = None;
        if self.transaction.take().is_some() {
            self.events.push_back(Event::Reset);
        }
    }

    fn on_hello(&mut self, name: Word<'_>, hello: Hello) -> Result<(), Error> {
        self.abandon();
        self.hello = Some(hello);
        let mut reply = Reply::new(Code::OK, self.config.domain.to_string());
        if hello == Hello::Extended {
            for extension in self.capabilities().iter() {
                reply = reply.with_line(extension.to_string());
            }
        }
        self.idle(&reply)?;
        self.events.push_back(Event::Hello(name.as_str().into()));
        Ok(())
    }

    fn on_start_tls(&mut self) -> Result<(), Error> {
        let refusal = if self.core.tls().is_some() || self.hello.is_none() || self.transaction.is_some() {
            Some(Reply::fixed(503, 5, 1, "STARTTLS is not permitted now"))
        } else if !self.may_start_tls() {
            Some(Reply::fixed(502, 5, 1, "STARTTLS is not available"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return if self.is_out_of_turn() { Ok(()) } else { self.bad(&refusal) };
        }
        // Bytes behind the command would be taken for bytes of the protected session (T1): no reply, no flush, the end.
        self.core.shut_gate().map_err(|e| self.core.fail(e))?;
        self.say(&Reply::fixed(220, 0, 0, "Ready to start TLS"));
        self.phase = Phase::Tls;
        self.events.push_back(Event::StartTls);
        Ok(())
    }
}

fn unknown_command() -> Reply {
    Reply::fixed(500, 5, 2, "Command not recognized")
}

pub(super) fn not_available() -> Reply {
    Reply::fixed(502, 5, 1, "Command not available")
}

fn line_too_long() -> Reply {
    Reply::fixed(500, 5, 2, "Line too long")
}

fn bad_octets() -> Reply {
    Reply::fixed(500, 5, 2, "Invalid octet in line")
}
