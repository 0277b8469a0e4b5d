//! What a server connection tells its owner.

use bytes::Bytes;
use mail_wire::sasl::{Credentials, MechanismName};
use mail_wire::{Announced, ApiMisuse, LiteralId, Secret, Ticket};

use crate::{Command, Parsed, kind};

/// How far a session has come (RFC 3501 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has logged in.
    NotAuthenticated,
    /// Somebody has; no mailbox is selected.
    Authenticated,
    /// A mailbox is selected.
    Selected,
    /// BYE was said.
    Logout,
}

/// What a server connection tells its owner. Every event owns what it holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A command that is allowed in this state, to be answered by [`Connection::reply`](super::Connection::reply).
    ///
    /// IDLE comes this way too: [`Connection::idle_begin`](super::Connection::idle_begin) accepts it.
    Command(Ticket, Parsed<kind::Command>),
    /// LOGIN, to be answered by [`Connection::auth_ok`](super::Connection::auth_ok) or [`Connection::auth_failed`](super::Connection::auth_failed).
    Login(Ticket, Credentials),
    /// AUTHENTICATE with one of the announced mechanisms, to be answered like LOGIN, or first by
    /// [`Connection::challenge`](super::Connection::challenge).
    Authenticate {
        /// Its duty to be answered.
        ticket: Ticket,
        /// The mechanism, one of those in [`Config::mechanisms`](super::Config::mechanisms).
        mechanism: MechanismName,
        /// The initial response (RFC 4959), decoded.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// The client's response to a challenge, decoded.
    AuthResponse(Ticket, Secret<Vec<u8>>),
    /// The client gave the exchange up, or sent what is no base64; it was answered. The exchange is over.
    AuthAborted,
    /// The client announced a message in APPEND: [`Connection::accept`](super::Connection::accept) or [`Connection::refuse`](super::Connection::refuse) it.
    Offer(LiteralOffer),
    /// Bytes of a literal that is streamed, never empty.
    Chunk(LiteralId, Bytes),
    /// A literal that is streamed is complete. Its command is not yet.
    LiteralEnd(LiteralId),
    /// The command whose literals were streamed turned out to be none; it was answered. Drop what was kept of it.
    Abandoned,
    /// IDLE ended by DONE; to be answered by [`Connection::reply`](super::Connection::reply).
    IdleDone(Ticket),
    /// IDLE ended by a line that is not DONE; it was answered BAD.
    IdleBroken,
    /// Start the TLS handshake once the output is drained, then call
    /// [`tls_started`](mail_wire::Connection::tls_started).
    StartTls,
    /// COMPRESS was granted (RFC 4978). Send the output, compress what follows, inflate what is read from here on,
    /// and call [`Connection::compression_started`](super::Connection::compression_started). Up to there the client may send nothing: bytes behind its
    /// COMPRESS end the connection, since nobody could say in which form they are.
    Compress,
    /// UNAUTHENTICATE was done (RFC 8437): forget who it was, what is selected, saved and watched. If COMPRESS is
    /// active, it ends in both directions, behind the reply that was just given and behind the command.
    Unauthenticated,
    /// The owner dropped a ticket or an offer; the client was answered `NO [SERVERBUG]`. To be logged.
    Misuse(ApiMisuse),
    /// The session is over in good order: LOGOUT, or the client closed between two commands.
    Closed,
}

/// A literal of APPEND that waits for its owner's word.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct LiteralOffer {
    pub(super) ticket: Ticket,
    pub(super) command: Parsed<kind::Command>,
    pub(super) announced: Announced,
}

impl LiteralOffer {
    /// The command so far: an APPEND whose message is the hole [`id`](Self::id).
    #[must_use]
    pub fn so_far(&self) -> Command<'_> {
        self.command.view().command
    }

    /// The literal's name on this connection.
    #[must_use]
    pub fn id(&self) -> LiteralId {
        self.announced.id
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.announced.bytes
    }

    /// Size, form and name together.
    #[must_use]
    pub fn announced(&self) -> &Announced {
        &self.announced
    }
}
