//! The replies to a message in LMTP: one for each accepted recipient, in the order of their RCPTs (RFC 2033 4.2).

use mail_wire::Ticket;
use smtp_proto::{Dialect, Protocol, Reply};

/// LMTP, as a [`Dialect`] of SMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lmtp {}

impl Dialect for Lmtp {
    const PROTOCOL: Protocol = Protocol::Lmtp;
    type BodyEnd = Deliveries;
    type Answered = Answered;

    fn body_end(ticket: Ticket, accepted: usize) -> Deliveries {
        Deliveries { ticket, accepted }
    }

    fn into_replies(answered: Answered) -> (Ticket, Vec<Reply>) {
        (answered.ticket, answered.replies)
    }
}

/// The duty to say of each accepted recipient what became of his copy of the message.
///
/// It becomes [`Answered`] in one step, and that holds exactly one reply for each recipient: too few or too many
/// cannot be written down. A duty that is dropped is answered with 451 for all.
#[derive(Debug)]
#[must_use = "a message that is not answered leaves the client waiting"]
pub struct Deliveries {
    ticket: Ticket,
    accepted: usize,
}

/// One reply for each accepted recipient.
#[derive(Debug)]
#[must_use = "give it to the connection with `reply_message`"]
pub struct Answered {
    ticket: Ticket,
    replies: Vec<Reply>,
}

impl Deliveries {
    /// How many recipients were accepted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accepted
    }

    /// Never true: a message without recipients is not asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accepted == 0
    }

    /// Asks for the reply to each recipient, by his place among the accepted ones.
    ///
    /// A reply that decides nothing (3yz) becomes 451.
    pub fn each(self, mut reply: impl FnMut(usize) -> Reply) -> Answered {
        let replies = (0..self.accepted).map(|place| deciding(reply(place))).collect();
        Answered { ticket: self.ticket, replies }
    }

    /// The same reply for all.
    pub fn all(self, reply: &Reply) -> Answered {
        self.each(|_| reply.clone())
    }
}

fn deciding(reply: Reply) -> Reply {
    if reply.verdict() == smtp_proto::Verdict::Intermediate { Reply::local_error() } else { reply }
}
