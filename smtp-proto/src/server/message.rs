//! The message behind DATA or in chunks: unstuffed, counted, handed on piece by piece or dropped.

use mail_wire::{BareLineEnd, BodyPart, ChunkReader, DotReader, Error, InvalidMessage, LimitExceeded};

use super::{Event, Machine, Owed, Phase};
use crate::body::Body;
use crate::command::Last;
use crate::dialect::{Dialect, Protocol};
use crate::reply::Reply;

/// A message that is being received.
#[derive(Debug)]
pub(super) struct Message {
    source: Source,
    bytes: u64,
    /// Set: the rest is dropped, and this is said at the end.
    refusal: Option<Reply>,
    refused_bytes: u64,
}

#[derive(Debug)]
enum Source {
    Dots(DotReader),
    Chunks(ChunkReader, Last),
    /// A chunk of no message.
    Stray(ChunkReader),
}

impl Message {
    fn new(source: Source) -> Self {
        Self { source, bytes: 0, refusal: None, refused_bytes: 0 }
    }

    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
    }
}

impl<D: Dialect> Machine<D> {
    pub(super) fn begin_dots(&mut self) {
        let reader = DotReader::new(self.config.bare_line_end);
        self.body = Some(Message::new(Source::Dots(reader)));
        self.read_body();
    }

    /// Begins the first chunk of a message, or the next one.
    pub(super) fn begin_chunk(&mut self, bytes: u64, last: Last) {
        let max = self.config.limits.message_bytes_max;
        let message = self.chunked_message();
        if let Source::Chunks(reader, is_last) = &mut message.source {
            reader.begin(bytes);
            *is_last = last;
        }
        let too_big = message.bytes.saturating_add(bytes) > max;
        if too_big && message.refusal.is_none() {
            message.refuse(Reply::too_big());
            self.events.push_back(Event::Reset);
        }
        self.read_body();
    }

    /// The message that is under way in chunks; it begins if there is none.
    pub(super) fn chunked_message(&mut self) -> &mut Message {
        let binary = self.transaction.is_some_and(|open| open.body == Body::BinaryMime);
        // Nothing can be smuggled through bytes that are counted and were declared to be no lines.
        let bare = if binary { BareLineEnd::DangerKeep } else { self.config.bare_line_end };
        self.body.get_or_insert_with(|| Message::new(Source::Chunks(ChunkReader::new(bare), Last::No)))
    }

    /// Drops a chunk that belongs to no message, and says this behind it.
    pub(super) fn skip_chunk(&mut self, bytes: u64, reply: Reply) {
        let mut reader = ChunkReader::new(BareLineEnd::DangerKeep);
        reader.begin(bytes);
        let mut message = Message::new(Source::Stray(reader));
        message.refuse(reply);
        self.body = Some(message);
        self.read_body();
    }

    fn read_body(&mut self) {
        self.phase = Phase::Body;
        self.core.set_timeout(Some(self.config.timeouts.data));
    }

    /// Takes the next piece of the message; false when more bytes are needed.
    pub(super) fn advance_body(&mut self) -> Result<bool, Error> {
        let Some(message) = &mut self.body else { return Ok(false) };
        let input = &mut self.core.input;
        let part = match &mut message.source {
            Source::Dots(reader) => reader.poll(input),
            Source::Chunks(reader, _) | Source::Stray(reader) => reader.poll(input),
        };
        match part {
            Ok(Some(part)) => self.on_part(part).map(|()| true),
            Ok(None) => Ok(false),
            Err(error @ Error::InvalidMessage(_)) => Err(self.die(&bare_line_end(), error)),
            Err(error) => Err(self.core.fail(error)),
        }
    }

    fn on_part(&mut self, part: BodyPart) -> Result<(), Error> {
        let Some(message) = &mut self.body else { return Ok(()) };
        let limits = self.config.limits;
        match part {
            BodyPart::Chunk(chunk) if message.refusal.is_some() => {
                message.refused_bytes = message.refused_bytes.saturating_add(chunk.len() as u64);
                if message.refused_bytes > limits.refused_bytes_max {
                    let error = LimitExceeded::new("refused_bytes_max", limits.refused_bytes_max);
                    return Err(self.die(&Reply::fixed(421, 3, 4, "Message too big"), error));
                }
            }
            BodyPart::Chunk(chunk) => {
                message.bytes = message.bytes.saturating_add(chunk.len() as u64);
                if message.bytes > limits.message_bytes_max {
                    message.refuse(Reply::too_big());
                    self.events.push_back(Event::Reset);
                } else {
                    self.events.push_back(Event::Chunk(chunk));
                }
            }
            BodyPart::End => return self.on_part_end(),
        }
        Ok(())
    }

    /// The dot has come, or the end of a chunk.
    fn on_part_end(&mut self) -> Result<(), Error> {
        self.phase = Phase::Command;
        self.core.set_timeout(Some(self.config.timeouts.command));
        let Some(mut message) = self.body.take() else { return Ok(()) };
        let finished = match &mut message.source {
            Source::Dots(_) => None,
            Source::Chunks(reader, Last::Yes) => match reader.finish() {
                Ok(part) => part,
                Err(error) => return Err(self.die(&bare_line_end(), error)),
            },
            Source::Chunks(_, Last::No) => {
                match &message.refusal {
                    // What is left of the transaction takes no further chunk.
                    Some(reply) => {
                        self.transaction = None;
                        self.say_and_maybe_close(reply);
                    }
                    None => {
                        self.body = Some(message);
                        self.say(&chunk_ok());
                    }
                }
                return Ok(());
            }
            Source::Stray(_) => {
                return self.bad(&message.refusal.unwrap_or_else(Reply::local_error));
            }
        };
        if let Some(BodyPart::Chunk(text)) = finished
            && message.refusal.is_none()
        {
            self.events.push_back(Event::Chunk(text));
        }
        match message.refusal {
            Some(reply) => self.end_refused(&reply),
            None => self.end_complete(),
        }
        Ok(())
    }

    /// What a URL names is part of the message now.
    pub(super) fn url_fetched(&mut self, last: Last) {
        match last {
            Last::No => {
                self.chunked_message();
                self.say(&chunk_ok());
            }
            Last::Yes => {
                self.body = None;
                self.end_complete();
            }
        }
    }

    fn end_complete(&mut self) {
        let accepted = self.accepted_recipients();
        let ticket = self.issue(Owed::Message);
        self.events.push_back(Event::BodyEnd(D::body_end(ticket, accepted)));
    }

    /// Ends a message with this reply: one, or in LMTP one for each accepted recipient.
    pub(super) fn end_refused(&mut self, reply: &Reply) {
        let count = match D::PROTOCOL {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted_recipients(),
        };
        self.end_message(&vec![reply.clone(); count]);
    }
}

fn chunk_ok() -> Reply {
    Reply::fixed(250, 0, 0, "Chunk OK")
}

/// 550 for a CR or LF alone, in a command or a message (F1).
pub(super) fn bare_line_end() -> Reply {
    Reply::fixed(550, 5, 2, "Bare CR or LF received")
}

/// True for the two kinds of stray line ends.
pub(super) fn is_bare_line_end(error: InvalidMessage) -> bool {
    matches!(error.what, InvalidMessage::BARE_CR | InvalidMessage::BARE_LF)
}
