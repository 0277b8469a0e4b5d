//! SMTP and LMTP (RFC 2033) are one protocol but for two things: the verb of the hello, and the replies to a message:
//! SMTP gives one, LMTP one for each accepted recipient. A [`Dialect`] is those two things; the connections are
//! generic over it.

use std::fmt::Debug;

use mail_wire::Ticket;

use crate::reply::Reply;

/// Which of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321: EHLO and HELO.
    Smtp,
    /// RFC 2033: LHLO.
    Lmtp,
}

impl Protocol {
    /// What the greeting says that the server speaks.
    #[must_use]
    pub fn greeting_word(self) -> &'static str {
        match self {
            Self::Smtp => "ESMTP",
            Self::Lmtp => "LMTP",
        }
    }
}

/// A protocol as a type: how a server is asked for, and gives, the replies to a message.
pub trait Dialect: Debug + Send + Sync + 'static {
    /// Which protocol.
    const PROTOCOL: Protocol;
    /// The duty to answer a message, as handed to the owner.
    type BodyEnd: Debug + Send;
    /// That duty done.
    type Answered: Debug + Send;

    /// Makes the duty, for a message with this many accepted recipients.
    fn body_end(ticket: Ticket, accepted: usize) -> Self::BodyEnd;

    /// Takes the ticket and the replies out again.
    fn into_replies(answered: Self::Answered) -> (Ticket, Vec<Reply>);
}

/// SMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smtp {}

impl Dialect for Smtp {
    const PROTOCOL: Protocol = Protocol::Smtp;
    type BodyEnd = Ticket;
    type Answered = (Ticket, Reply);

    fn body_end(ticket: Ticket, _accepted: usize) -> Ticket {
        ticket
    }

    fn into_replies((ticket, reply): (Ticket, Reply)) -> (Ticket, Vec<Reply>) {
        (ticket, vec![reply])
    }
}
