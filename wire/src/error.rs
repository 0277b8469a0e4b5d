//! Errors, by whose fault they are.
//!
//! An error carries its kind and a byte offset, never the bytes of the peer: what a peer sent may be a secret, or
//! shaped to confuse the reader of a log.

use thiserror::Error;

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer sent bytes that are not the protocol.
    #[error("invalid message: {0}")]
    InvalidMessage(#[from] InvalidMessage),
    /// The peer sent legal bytes at an illegal time.
    #[error("peer misbehaved: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// The peer lacks what the owner asked for.
    #[error("peer incompatible: {0}")]
    PeerIncompatible(#[from] PeerIncompatible),
    /// The peer passed a limit.
    #[error("{0}")]
    LimitExceeded(#[from] LimitExceeded),
    /// The owner of the connection broke its contract.
    #[error("API misuse: {0}")]
    ApiMisuse(#[from] ApiMisuse),
}

/// Bytes that are not the protocol: what was wrong, and where in the line or frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} at offset {offset}")]
pub struct InvalidMessage {
    /// What is wrong, or what was expected; constant text.
    pub what: &'static str,
    /// Where, in bytes from the start of the line or frame.
    pub offset: usize,
}

impl InvalidMessage {
    /// A line feed without its carriage return.
    pub const BARE_LF: &'static str = "bare LF";
    /// A carriage return without its line feed.
    pub const BARE_CR: &'static str = "bare CR";
    /// A NUL octet where none may be.
    pub const NUL: &'static str = "NUL octet";

    /// An error of this kind at this offset.
    #[must_use]
    pub fn new(what: &'static str, offset: usize) -> Self {
        Self { what, offset }
    }
}

/// Legal bytes at an illegal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// Bytes stood in the buffer, or arrived, between STARTTLS and the handshake (CVE-2011-0411 and its kin).
    #[error("bytes in the clear after STARTTLS")]
    BytesBeforeTls,
    /// The client spoke before it was greeted.
    #[error("bytes before the greeting")]
    BytesBeforeGreeting,
    /// Commands were sent ahead where the protocol allows none.
    #[error("pipelining where it is not allowed")]
    PipelinedTooEarly,
    /// The server answered what was not asked, or before the command was sent in full.
    #[error("reply without a command")]
    UnsolicitedReply,
    /// The server's reply does not fit the command.
    #[error("unexpected reply")]
    UnexpectedReply,
    /// A server claimed an authenticated session over a link that must be encrypted first.
    #[error("authenticated greeting over an unencrypted link")]
    PreauthBeforeTls,
    /// The first bytes belong to another protocol (HTTP, TLS).
    #[error("bytes of another protocol")]
    ForeignProtocol,
    /// Too many commands were bad.
    #[error("too many bad commands")]
    TooManyBadCommands,
    /// Too many logins failed.
    #[error("too many failed logins")]
    TooManyFailedLogins,
    /// The peer closed in the middle of a message or reply.
    #[error("connection closed in the middle of a message")]
    ClosedMidMessage,
    /// The peer said nothing for too long.
    #[error("timed out")]
    TimedOut,
}

/// The peer lacks what the owner asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// The capability is needed and not offered.
    #[error("the peer does not offer {0}")]
    Missing(&'static str),
    /// TLS is required and the peer does not offer it (or somebody on the way took the offer out).
    #[error("the peer does not offer STARTTLS")]
    NoStartTls,
    /// The value cannot be expressed in what the peer offers.
    #[error("the value cannot be sent to this peer: {0}")]
    Inexpressible(&'static str),
}

/// A limit was passed: which, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("limit {limit} of {max} exceeded")]
pub struct LimitExceeded {
    /// The field of the limits that was passed.
    pub limit: &'static str,
    /// Its value.
    pub max: u64,
}

impl LimitExceeded {
    /// The limit `limit`, whose value is `max`, was passed.
    #[must_use]
    pub fn new(limit: &'static str, max: u64) -> Self {
        Self { limit, max }
    }
}

/// The owner of the connection broke its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// A ticket was dropped without a reply.
    #[error("a command was left without a reply")]
    TicketDropped,
    /// A ticket of another connection was given.
    #[error("the ticket belongs to another connection")]
    ForeignTicket,
    /// The call makes no sense in this state.
    #[error("{0}")]
    WrongState(&'static str),
}
