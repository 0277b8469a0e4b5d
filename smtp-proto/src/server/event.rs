//! What a server connection tells its owner.

use bytes::Bytes;
use mail_wire::sasl::MechanismName;
use mail_wire::{Secret, Ticket};

use crate::address::{ForwardPath, ReversePath};
use crate::attributes::Attributes;
use crate::dialect::{Dialect, Smtp};
use crate::params::{MailParams, RcptParams};

/// What a client asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<D: Dialect = Smtp> {
    /// The client said its name; it was answered. Names prove nothing.
    Hello(Box<str>),
    /// STARTTLS was answered: once the output is drained, start the handshake, then call
    /// [`tls_started`](mail_wire::Connection::tls_started).
    StartTls,
    /// AUTH: answer with [`challenge`](super::Machine::challenge), [`auth_ok`](super::Machine::auth_ok) or
    /// [`auth_failed`](super::Machine::auth_failed).
    Authenticate {
        /// The duty.
        ticket: Ticket,
        /// The mechanism, one of those in [`Config::mechanisms`](super::Config::mechanisms).
        mechanism: MechanismName,
        /// The initial response, decoded.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// The response to a challenge, decoded.
    AuthResponse(Ticket, Secret<Vec<u8>>),
    /// MAIL: a positive reply begins a transaction.
    Mail(Ticket, ReversePath, MailParams),
    /// RCPT: a positive reply adds the recipient.
    Rcpt(Ticket, ForwardPath, RcptParams),
    /// DATA, or the first BDAT, with at least one recipient: [`accept_data`](super::Machine::accept_data) asks for the
    /// message, a negative reply refuses it.
    Data(Ticket),
    /// BURL, where it was announced: fetch what the URL names and append it to the message. When it is there,
    /// [`accept_data`](super::Machine::accept_data) says so; a negative reply refuses the message. It may be the first
    /// that is heard of the message, in place of [`Data`](Self::Data).
    Burl(Ticket, Box<str>),
    /// The next bytes of the message, unstuffed. They share the read buffer.
    Chunk(Bytes),
    /// The message is complete. Reply when it is safe on disk: a positive reply takes it over. The transaction ends.
    BodyEnd(D::BodyEnd),
    /// The transaction is void, all that was handed out for it: the client gave it up, or the message grew too big.
    Reset,
    /// VRFY, where it was announced. Reply as RFC 5321 3.5 says.
    Verify(Ticket, Box<str>),
    /// EXPN, where it was announced.
    Expand(Ticket, Box<str>),
    /// ETRN, where it was announced. Reply as RFC 1985 5.3 says.
    Etrn(Ticket, Box<str>),
    /// XCLIENT, where it was announced: from now on the client is who this says. The session has begun anew, and with
    /// a login name it is authenticated.
    XClient(Attributes),
    /// XFORWARD, where it was announced: where the next message comes from, for the log.
    XForward(Attributes),
    /// The client is gone or has said QUIT. An open transaction is void.
    Closed,
}

/// Why a login fails, as far as the client may know (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// Name and password do not fit, the name is unknown, or the user may not: 535.
    Credentials,
    /// It could not be found out: 454. Counts as no failure.
    Temporary,
}
