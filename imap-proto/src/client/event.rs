//! What a client connection tells its owner.

use std::fmt;

use bytes::Bytes;
use mail_wire::{Announced, LiteralId, Secret};

use crate::{Parsed, kind};

/// Names a command of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub(super) u64);

impl fmt::Display for CommandId {
    /// The command's tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A{}", self.0)
    }
}

/// What a client connection tells its owner. Every event owns what it holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server's greeting: OK, or PREAUTH, or BYE (then it closes).
    Greeting(Parsed<kind::Response>),
    /// Untagged data. What is malformed comes as [`Response::Invalid`](crate::Response::Invalid), or as an invalid
    /// item within.
    Untagged(Parsed<kind::Response>),
    /// A piece of untagged data with a large literal, in order.
    Piece(Piece),
    /// The untagged data whose pieces went by is complete; its large literals are holes in it.
    Streamed(Parsed<kind::Response>),
    /// The tagged reply that ends a command.
    Tagged(CommandId, Parsed<kind::Response>),
    /// The turn of a streamed literal has come: give its bytes to [`Connection::literal_chunk`](super::Connection::literal_chunk).
    SendLiteral {
        /// Whose literal.
        command: CommandId,
        /// Its size.
        bytes: u64,
    },
    /// The server's challenge in an exchange that [`Connection::authenticate`](super::Connection::authenticate) began, decoded: answer it by
    /// [`Connection::respond`](super::Connection::respond), or give up by [`Connection::cancel_authenticate`](super::Connection::cancel_authenticate).
    Challenge(CommandId, Secret<Vec<u8>>),
    /// The server has accepted IDLE.
    Idling(CommandId),
    /// The session is ready for commands; [`Connection::capabilities`](super::Connection::capabilities) tells what the server can do.
    Ready,
    /// STARTTLS was granted. Drain the output, do the handshake, call
    /// [`tls_started`](mail_wire::Connection::tls_started).
    StartTls,
    /// COMPRESS was granted (RFC 4978): both sides compress from here on. Drain the output, inflate what was read
    /// behind the reply (it is given here) and all that is read later, and call
    /// [`Connection::compression_started`](super::Connection::compression_started) before inflated bytes are received.
    Compress {
        /// What came with the reply: the beginning of the compressed stream; often empty.
        behind: Bytes,
    },
    /// The server says BYE; it closes next.
    Bye(Parsed<kind::Response>),
    /// The session is over: LOGOUT, or the server closed when nothing was due.
    Closed,
}

/// A piece of a response whose literals are too large to keep: what a proxy passes on.
///
/// Heads and tails come from a connection only; nobody can make one up.
#[derive(Debug, Clone)]
pub enum Piece {
    /// The response up to and including the announcement of a literal, whose bytes follow.
    Head {
        /// The text since the last literal that went by.
        text: PieceText,
        /// The response from its start, so that one can tell what the literal is: its last item has the hole.
        so_far: Parsed<kind::Response>,
        /// The literal.
        literal: Announced,
    },
    /// Bytes of the literal, never empty.
    Chunk(LiteralId, Bytes),
    /// The literal is complete.
    LiteralEnd(LiteralId),
    /// The rest of the response, without its CRLF.
    Tail(PieceText),
}

/// Text of a response as it was framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceText(pub(super) Bytes);

impl PieceText {
    /// The bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}
