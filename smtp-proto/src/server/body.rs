//! The message behind DATA: unstuffed, counted, handed on piece by piece or dropped.

use mail_wire::{BodyPart, DotReader, Error, InvalidMessage, LimitExceeded};

use super::{Event, Machine, Owed, Phase};
use crate::dialect::{Dialect, Protocol};
use crate::reply::Reply;

/// A message that is being received.
#[derive(Debug)]
pub(super) struct Body {
    reader: DotReader,
    bytes: u64,
    /// Set: the rest is dropped, and this is said at the end.
    refusal: Option<Reply>,
    refused_bytes: u64,
}

impl Body {
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
    }
}

impl<D: Dialect> Machine<D> {
    pub(super) fn begin_body(&mut self) {
        let reader = DotReader::new(self.config.bare_line_end);
        self.body = Some(Body { reader, bytes: 0, refusal: None, refused_bytes: 0 });
        self.phase = Phase::Body;
        self.core.set_timeout(Some(self.config.timeouts.data));
    }

    /// Takes the next piece of the message; false when more bytes are needed.
    pub(super) fn advance_body(&mut self) -> Result<bool, Error> {
        let Some(body) = &mut self.body else { return Ok(false) };
        let part = match body.reader.poll(&mut self.core.input) {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(false),
            Err(error @ Error::InvalidMessage(_)) => return Err(self.die(&bare_line_end(), error)),
            Err(error) => return Err(self.core.fail(error)),
        };
        let limits = self.config.limits;
        match part {
            BodyPart::Chunk(chunk) if body.refusal.is_some() => {
                body.refused_bytes = body.refused_bytes.saturating_add(chunk.len() as u64);
                if body.refused_bytes > limits.refused_bytes_max {
                    let error = LimitExceeded::new("refused_bytes_max", limits.refused_bytes_max);
                    return Err(self.die(&Reply::fixed(421, 3, 4, "Message too big"), error));
                }
            }
            BodyPart::Chunk(chunk) => {
                body.bytes = body.bytes.saturating_add(chunk.len() as u64);
                if body.bytes > limits.message_bytes_max {
                    body.refuse(Reply::too_big());
                    self.events.push_back(Event::Reset);
                } else {
                    self.events.push_back(Event::Chunk(chunk));
                }
            }
            BodyPart::End => {
                let refusal = self.body.take().and_then(|body| body.refusal);
                self.phase = Phase::Command;
                self.core.set_timeout(Some(self.config.timeouts.command));
                match refusal {
                    Some(reply) => self.end_refused(&reply),
                    None => {
                        let accepted = self.accepted_recipients();
                        let ticket = self.issue(Owed::Message);
                        self.events.push_back(Event::BodyEnd(D::body_end(ticket, accepted)));
                    }
                }
            }
        }
        Ok(true)
    }

    fn end_refused(&mut self, reply: &Reply) {
        let count = match D::PROTOCOL {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted_recipients(),
        };
        self.end_message(&vec![reply.clone(); count]);
    }
}

/// 550 for a CR or LF alone, in a command or a message (F1).
pub(super) fn bare_line_end() -> Reply {
    Reply::fixed(550, 5, 2, "Bare CR or LF received")
}

/// True for the two kinds of stray line ends.
pub(super) fn is_bare_line_end(error: InvalidMessage) -> bool {
    matches!(error.what, InvalidMessage::BARE_CR | InvalidMessage::BARE_LF)
}
