//! Every limit of a connection, in one place.

use std::time::Duration;

/// What a peer may cost. Each field says what it bounds and why it is what it is by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a command line without CRLF. 2,048, as Postfix: RFC 5321 4.5.3.1.4 asks for 512, extensions for more.
    pub command_line_bytes_max: usize,
    /// Bytes of a reply line without CRLF. 2,048: four times what RFC 5321 4.5.3.1.5 allows, for chatty servers.
    pub reply_line_bytes_max: usize,
    /// Bytes of an overlong line that are read and dropped before the connection is given up. 1 MiB.
    pub drain_bytes_max: usize,
    /// Lines of one reply. 256: an EHLO reply has some twenty, HELP texts some more.
    pub reply_lines_max: usize,
    /// Bytes of a message as the owner gets it, announced as SIZE. 50 MiB, as most large sites have it.
    pub message_bytes_max: u64,
    /// Bytes of a refused message that are read and dropped, so that the client gets to hear why. 64 MiB: somewhat
    /// more than a client sends that has not been told the size limit.
    pub refused_bytes_max: u64,
    /// Accepted recipients of one transaction. 1,000, as Postfix; RFC 5321 4.5.3.1.8 asks for at least 100.
    pub recipients_max: usize,
    /// Bytes of pipelined commands that may wait for a reply to the one before. 256 KiB: a group of
    /// [`recipients_max`](Self::recipients_max) long recipients. A driver that asks `wants_input` stops reading at a
    /// quarter of it.
    pub pipelined_bytes_max: usize,
    /// Commands that are unknown, malformed or out of order, on one connection. 20, as Postfix and Dovecot.
    pub bad_commands_max: u32,
    /// Commands that do nothing (NOOP, RSET, VRFY, HELP, EHLO) between two messages. 100, as Postfix.
    pub idle_commands_max: u32,
    /// Refusals of MAIL and RCPT by the owner between two messages. 100: enough for a stale list, too few to try out a
    /// dictionary.
    pub refusals_max: u32,
    /// Failed logins on one connection. 3.
    pub auth_failures_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line_bytes_max: 2_048,
            reply_line_bytes_max: 2_048,
            drain_bytes_max: 1 << 20,
            reply_lines_max: 256,
            message_bytes_max: 50 << 20,
            refused_bytes_max: 64 << 20,
            recipients_max: 1_000,
            pipelined_bytes_max: 256 << 10,
            bad_commands_max: 20,
            idle_commands_max: 100,
            refusals_max: 100,
            auth_failures_max: 3,
        }
    }
}

/// How long a peer may stay silent where it is his turn (RFC 5321 4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Server: for the next command. 5 minutes.
    pub command: Duration,
    /// Server: for the next bytes of a message. 3 minutes.
    pub data: Duration,
    /// Client: for the greeting. 5 minutes.
    pub greeting: Duration,
    /// Client: for the reply to any command but those below. 5 minutes.
    pub reply: Duration,
    /// Client: for the reply to DATA. 2 minutes.
    pub data_reply: Duration,
    /// Client: for the reply to the message. 10 minutes, since giving up early makes duplicates (RFC 1047).
    pub message_reply: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            command: minutes(5),
            data: minutes(3),
            greeting: minutes(5),
            reply: minutes(5),
            data_reply: minutes(2),
            message_reply: minutes(10),
        }
    }
}
