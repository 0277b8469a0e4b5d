//! The message itself: behind DATA, or in chunks.

use bytes::Bytes;
use mail_wire::{ApiMisuse, ChunkWriter, DotWriter, Error, Outbox, PeerIncompatible};

use super::transaction::Transaction;
use super::{Machine, What};
use crate::body::Body;
use crate::command::Word;
use crate::dialect::{Dialect, Protocol};

/// How a message that is wanted leaves.
#[derive(Debug)]
pub(super) enum Content {
    Dots(DotWriter),
    Chunks(Chunks),
    /// The server has refused a chunk: what else the owner hands over is dropped.
    Refused,
}

#[derive(Debug)]
pub(super) struct Chunks {
    /// Canonicalises line ends; none for a binary message.
    writer: Option<ChunkWriter>,
    /// Written, and not yet sent as a chunk.
    written: Outbox,
    /// The owner has said that this was all.
    is_complete: bool,
}

impl Content {
    pub(super) fn chunks(body: Option<Body>) -> Self {
        let writer = (body != Some(Body::BinaryMime)).then(ChunkWriter::new);
        Self::Chunks(Chunks { writer, written: Outbox::new(), is_complete: false })
    }
}

impl<D: Dialect> Machine<D> {
    /// Sends the next bytes of the message, after [`Event::BodyWanted`](super::Event::BodyWanted).
    ///
    /// # Errors
    /// When no message is wanted: before that event, and after the end of the message or of the transaction.
    pub fn body_chunk(&mut self, bytes: &Bytes) -> Result<(), ApiMisuse> {
        match wanted(&mut self.transaction)? {
            Content::Dots(writer) => writer.write(bytes, &mut self.core.out),
            Content::Chunks(chunks) => {
                match &mut chunks.writer {
                    Some(writer) => writer.write(bytes, &mut chunks.written),
                    None => chunks.written.put_slice(bytes.clone()),
                }
                self.send_chunk();
            }
            Content::Refused => {}
        }
        Ok(())
    }

    /// Has the server fetch the next part of the message (BURL, RFC 4468), after
    /// [`Event::BodyWanted`](super::Event::BodyWanted).
    ///
    /// # Errors
    /// `PeerIncompatible` if the server does not announce BURL, or the message does not leave in chunks; `ApiMisuse`
    /// when none is wanted.
    pub fn body_url(&mut self, url: Word<'_>) -> Result<(), Error> {
        match wanted(&mut self.transaction)? {
            Content::Refused => return Ok(()),
            Content::Dots(_) => {
                return Err(PeerIncompatible::Inexpressible(
                    "BURL in a message that does not leave in chunks",
                )
                .into());
            }
            Content::Chunks(_) => {}
        }
        if !self.capabilities.as_ref().is_some_and(|capabilities| capabilities.announces("BURL")) {
            return Err(PeerIncompatible::Missing("BURL").into());
        }
        self.line(format_args!("BURL {}\r\n", url.as_str()), What::Chunk);
        Ok(())
    }

    /// Ends the message.
    ///
    /// # Errors
    /// As [`body_chunk`](Self::body_chunk).
    pub fn body_end(&mut self) -> Result<(), ApiMisuse> {
        self.spoke = true;
        match wanted(&mut self.transaction)? {
            Content::Dots(writer) => {
                let writer = std::mem::take(writer);
                writer.finish(&mut self.core.out);
                self.await_verdict();
            }
            Content::Chunks(chunks) => {
                if let Some(writer) = chunks.writer.take() {
                    writer.finish(&mut chunks.written);
                }
                chunks.is_complete = true;
                self.send_last_chunk();
            }
            Content::Refused => {}
        }
        Ok(())
    }

    /// Sends what was written as a chunk of its own.
    fn send_chunk(&mut self) {
        let Some(written) = self.take_written() else { return };
        if !written.is_empty() {
            self.put_chunk(written, "");
            self.expect(What::Chunk);
        }
    }

    /// Sends the chunk that ends the message. In LMTP it waits for the replies to those before: behind one that was
    /// refused, nobody knows how many replies the last one gets.
    pub(super) fn send_last_chunk(&mut self) {
        let complete = self.transaction.as_ref().is_some_and(
            |transaction| matches!(&transaction.content, Some(Content::Chunks(chunks)) if chunks.is_complete),
        );
        if !complete || (D::PROTOCOL == Protocol::Lmtp && !self.due.is_empty()) {
            return;
        }
        if let Some(written) = self.take_written() {
            self.put_chunk(written, " LAST");
            self.await_verdict();
        }
    }

    fn take_written(&mut self) -> Option<Outbox> {
        match self.transaction.as_mut()?.content.as_mut()? {
            Content::Chunks(chunks) => Some(std::mem::take(&mut chunks.written)),
            _ => None,
        }
    }

    fn put_chunk(&mut self, mut written: Outbox, last: &str) {
        self.core.out.put(format!("BDAT {}{last}\r\n", written.bytes()).as_bytes());
        while let Some(piece) = written.take() {
            self.core.out.put_slice(piece);
        }
    }

    /// The message has left: its fate is due.
    fn await_verdict(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.content = None;
        transaction.open = false;
        let accepted: Vec<usize> = transaction.accepted().collect();
        match D::PROTOCOL {
            Protocol::Smtp => self.expect(What::Message),
            Protocol::Lmtp => accepted.into_iter().for_each(|place| self.expect(What::Delivery(place))),
        }
    }
}

/// The message, if more of it is wanted.
fn wanted(transaction: &mut Option<Transaction>) -> Result<&mut Content, ApiMisuse> {
    let content = transaction.as_mut().and_then(|transaction| transaction.content.as_mut());
    content
        .filter(|content| !matches!(content, Content::Chunks(chunks) if chunks.is_complete))
        .ok_or(ApiMisuse::WrongState("no message is wanted now"))
}
