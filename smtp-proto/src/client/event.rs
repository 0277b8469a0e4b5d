//! What a client connection tells its owner.

use mail_wire::Secret;

use crate::capabilities::Capabilities;
use crate::code::Verdict;
use crate::reply::Reply;

/// What a server said, or what is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server's first words (220).
    Greeting(Reply),
    /// STARTTLS was accepted: start the handshake, then call
    /// [`tls_started`](mail_wire::Connection::tls_started).
    StartTls,
    /// The session is ready for a login or a message; this is what the server can do.
    Ready(Capabilities),
    /// The mechanism that [`authenticate`](super::Machine::authenticate) chose has a challenge, decoded: answer with
    /// [`respond`](super::Machine::respond) or [`cancel_login`](super::Machine::cancel_login).
    Challenge(Secret<Vec<u8>>),
    /// The login has succeeded.
    LoggedIn(Reply),
    /// The login has failed.
    LoginFailed(Reply),
    /// RCPT was accepted; the recipient's fate is decided with the message.
    Accepted {
        /// Its place in [`Envelope::recipients`](super::Envelope::recipients).
        recipient: usize,
        /// The reply to RCPT.
        reply: Reply,
    },
    /// At least one recipient was accepted, and the server waits for the message.
    BodyWanted,
    /// What has become of a recipient: delivered if the verdict is success, which it is only at [`Stage::Message`].
    Fate {
        /// Its place in [`Envelope::recipients`](super::Envelope::recipients).
        recipient: usize,
        /// Which command the reply answers.
        stage: Stage,
        /// Whether to try again. It is the reply's, but for 552 to RCPT behind an accepted recipient: old servers say
        /// so to one too many, and it is to be taken for 452 (RFC 5321 4.5.3.1.10).
        verdict: Verdict,
        /// The deciding reply.
        reply: Reply,
    },
    /// The transaction is over, every recipient has its fate; another may be sent. Where the message goes out in chunks
    /// this may come before all of it was handed over: the server has refused one.
    TransactionEnd,
    /// The answer to NOOP.
    Noop(Reply),
    /// The answer to [`ask`](super::Machine::ask), or a refusal of XCLIENT.
    Answer(Reply),
    /// The connection is over.
    Closed(Closed),
}

/// Which command decided about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The message.
    Message,
}

/// How a connection came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// After QUIT.
    Quit,
    /// The greeting or the reply to the hello was negative.
    Refused(Reply),
    /// The server said 421.
    Shutdown(Reply),
    /// The server closed without a word. Recipients without a fate: unknown, try again.
    Dropped,
}
