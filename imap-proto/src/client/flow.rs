//! What leaves, and when: commands in order, stops at literals, one exclusive exchange at a time.

use bytes::Bytes;
use mail_wire::{ApiMisuse, Error, PeerIncompatible, PeerMisbehaved, TlsMode};

use super::login::Exchange;
use super::{CommandId, Connection, Event, Setup, State};
use crate::numbers::Numbers;
use crate::segments::Segment;
use crate::{Command, Encode, Encoder, Sink as _, Tag, TaggedCommand};

/// A command that has no tagged reply yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: CommandId,
    pub(super) purpose: Purpose,
    /// The command's end, counted in bytes given to the output; `None` while part of it is held back.
    pub(super) ends_at: Option<u64>,
    /// Its reply came while its literal was still being sent: the literal must be sent all the same.
    pub(super) answered: bool,
}

/// What a command is for.
#[derive(Debug)]
pub(super) enum Purpose {
    Command(Numbers),
    /// CAPABILITY on the connection's own account.
    Capability,
    StartTls,
    Login,
    /// AUTHENTICATE, and what is left of its exchange.
    Authenticate(Exchange),
    Compress,
    Unauthenticate,
    Idle {
        begun: bool,
        done: bool,
    },
    Logout,
}

impl Purpose {
    /// Nothing else may be on its way.
    fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Command(_) | Self::Logout)
    }

    /// While it runs, the numbers of messages may shift.
    pub(super) fn may_shift_numbers(&self) -> bool {
        !matches!(self, Self::Command(numbers) if !numbers.may_shift())
    }
}

/// What waits to leave.
#[derive(Debug)]
pub(super) enum Out {
    Bytes(Bytes),
    /// The server's `+` is due.
    Wait,
    /// Bytes of a literal are due from the owner.
    Hole {
        command: CommandId,
        left: u64,
        /// The owner was asked for them.
        asked: bool,
    },
    /// The command's last byte is behind us.
    End(CommandId),
}

impl Connection {
    pub(super) fn send(&mut self, command: &Command<'_>, purpose: Purpose) -> Result<CommandId, Error> {
        self.check_turn(&purpose)?;
        self.send_unchecked(command, purpose)
    }

    fn send_unchecked(&mut self, command: &Command<'_>, purpose: Purpose) -> Result<CommandId, Error> {
        let id = CommandId(self.last_command + 1);
        let literals = self.literals();
        self.segments.clear();
        let tag = id.to_string();
        let tag = Tag::new(&tag).map_err(|_| ApiMisuse::WrongState("tags have run out"))?;
        let tagged = TaggedCommand { tag, command: *command };
        let names = self.enabled.names();
        tagged.encode(&mut Encoder::new(&mut self.segments, literals).with_names(names))?;
        self.queue(id, purpose);
        Ok(id)
    }

    pub(super) fn send_authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<&str>,
        purpose: Purpose,
    ) -> CommandId {
        let id = CommandId(self.last_command + 1);
        self.segments.clear();
        self.segments.put(format!("{id} AUTHENTICATE {mechanism}").as_bytes());
        if let Some(initial) = initial {
            self.segments.put(b" ");
            self.segments.put(initial.as_bytes());
        }
        self.segments.put(b"\r\n");
        self.queue(id, purpose);
        id
    }

    /// Moves the encoded command to the queue.
    fn queue(&mut self, id: CommandId, purpose: Purpose) {
        let Self { segments, outgoing, .. } = self;
        segments.drain(|segment| {
            outgoing.push_back(match segment {
                Segment::Text(text) => Out::Bytes(Bytes::copy_from_slice(text)),
                Segment::Shared(bytes) => Out::Bytes(bytes),
                Segment::Wait => Out::Wait,
                Segment::Hole(left) => Out::Hole { command: id, left, asked: false },
            });
        });
        outgoing.push_back(Out::End(id));
        if matches!(purpose, Purpose::Login | Purpose::Authenticate(_)) {
            self.capabilities_are_fresh = false;
        }
        self.last_command = id.0;
        self.core.restart_timeout();
        self.pending.push_back(Pending { id, purpose, ends_at: None, answered: false });
        self.flow();
        self.set_clock();
    }

    /// Lets out what may leave.
    pub(super) fn flow(&mut self) {
        while let Some(front) = self.outgoing.front_mut() {
            match front {
                Out::Wait => return,
                Out::Hole { left: 0, .. } => {}
                Out::Hole { asked: true, .. } => return,
                Out::Hole { command, left, asked } => {
                    *asked = true;
                    self.events.push_back(Event::SendLiteral { command: *command, bytes: *left });
                    return;
                }
                Out::Bytes(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.put_out(bytes);
                }
                Out::End(id) => {
                    let id = *id;
                    self.sent(id);
                }
            }
            self.outgoing.pop_front();
        }
    }

    /// The last line of the exchange in front: its reply is due only when this has left.
    pub(super) fn put_last(&mut self, line: Bytes) {
        self.put_out(line);
        let end = self.queued_bytes;
        if let Some(pending) = self.pending.front_mut() {
            pending.ends_at = Some(end);
        }
    }

    fn put_out(&mut self, bytes: Bytes) {
        self.queued_bytes += bytes.len() as u64;
        self.core.out.put_slice(bytes);
    }

    fn sent(&mut self, id: CommandId) {
        let at = self.queued_bytes;
        if let Some(pending) = self.pending.iter_mut().find(|p| p.id == id) {
            pending.ends_at = Some(at);
        }
        self.pending.retain(|p| !(p.id == id && p.answered));
    }

    /// Bytes that have left for the server.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.queued_bytes - self.core.out.bytes() as u64
    }

    pub(super) fn put_literal(&mut self, bytes: Bytes) -> Result<(), ApiMisuse> {
        let Some(Out::Hole { left, .. }) = self.outgoing.front_mut() else {
            return Err(ApiMisuse::WrongState("no literal is due"));
        };
        *left = left
            .checked_sub(bytes.len() as u64)
            .ok_or(ApiMisuse::WrongState("more bytes than were announced"))?;
        self.put_out(bytes);
        self.flow();
        self.set_clock();
        Ok(())
    }

    /// The server refused to ask for the rest of this command: it is not sent.
    pub(super) fn withdraw(&mut self, id: CommandId) {
        while let Some(out) = self.outgoing.pop_front() {
            if matches!(out, Out::End(end) if end == id) {
                break;
            }
        }
        self.flow();
    }

    pub(super) fn end_idle(&mut self) -> Result<(), ApiMisuse> {
        let Some(Pending { purpose: Purpose::Idle { begun, done: done @ false }, .. }) =
            self.pending.front_mut()
        else {
            return Err(ApiMisuse::WrongState("there is no IDLE to end"));
        };
        *done = true;
        if *begun {
            self.put_done();
        }
        Ok(())
    }

    pub(super) fn put_done(&mut self) {
        self.put_last(Bytes::from_static(b"DONE\r\n"));
        self.core.restart_timeout();
        self.set_clock();
    }

    /// What comes before the owner's first command: capabilities, TLS.
    pub(super) fn prepare(&mut self) -> Result<(), Error> {
        let wants_tls = self.config.tls != TlsMode::Never
            && self.core.tls().is_none()
            && self.state == State::NotAuthenticated;
        self.setup = Setup::Asking;
        match &self.capabilities {
            None => self.send_unchecked(&Command::Capability, Purpose::Capability).map(|_| ()),
            Some(c) if wants_tls && c.has("STARTTLS") => {
                if !self.core.input.is_empty() {
                    // What is here already cannot be the answer, and nothing else is expected.
                    return Err(PeerMisbehaved::UnsolicitedReply.into());
                }
                self.send_unchecked(&Command::StartTls, Purpose::StartTls).map(|_| ())
            }
            Some(_) if wants_tls => self.go_without_tls(),
            Some(_) => {
                self.ready();
                Ok(())
            }
        }
    }

    /// TLS is not to be had.
    pub(super) fn go_without_tls(&mut self) -> Result<(), Error> {
        if self.config.tls == TlsMode::Required {
            return Err(PeerIncompatible::NoStartTls.into());
        }
        self.ready();
        Ok(())
    }

    fn ready(&mut self) {
        self.setup = Setup::Ready;
        self.events.push_back(Event::Ready);
    }

    pub(super) fn check_turn(&self, purpose: &Purpose) -> Result<(), ApiMisuse> {
        if self.core.is_closing() || self.state == State::Logout {
            return Err(ApiMisuse::WrongState("the session is over"));
        }
        if self.setup != Setup::Ready {
            return Err(ApiMisuse::WrongState("the session is not ready"));
        }
        let exclusive_runs = self.pending.iter().any(|p| p.purpose.is_exclusive());
        if exclusive_runs || (purpose.is_exclusive() && !self.pending.is_empty()) {
            return Err(ApiMisuse::WrongState("another command must be answered first"));
        }
        if matches!(purpose, Purpose::Command(numbers) if numbers.are_used()) && !self.may_number() {
            return Err(ApiMisuse::WrongState("message numbers may shift before this command runs"));
        }
        if self.pending.len() >= self.config.limits.commands_max {
            return Err(ApiMisuse::WrongState("too many commands are on their way"));
        }
        Ok(())
    }
}
