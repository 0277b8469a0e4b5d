//! Every limit of this crate, with its default and the reason.

use std::time::Duration;

use mail_wire::{LineLimits, sasl};

/// Limits of a server's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// A command's line. RFC 2449 asks for 255 bytes; a long name and password by AUTH PLAIN take more.
    pub command: LineLimits,
    /// The line of a SASL response.
    pub sasl_response: LineLimits,
    /// Bytes that may wait behind a command that is not answered yet. A client that pipelines more than this is
    /// given up; a driver that asks `wants_input` stops reading at a quarter of it.
    pub waiting_bytes_max: usize,
    /// Commands that may be bad before the connection is closed (as Dovecot).
    pub bad_commands_max: u32,
    /// Logins that may fail before the connection is closed.
    pub auth_failures_max: u32,
}

impl Default for ServerLimits {
    /// Lines of 1,024 bytes, 8 KiB for SASL, 256 KiB waiting, 20 bad commands, 3 failed logins.
    fn default() -> Self {
        Self {
            command: LineLimits { line_bytes_max: 1_024, drain_bytes_max: 64 << 10 },
            sasl_response: LineLimits { line_bytes_max: sasl::MESSAGE_BYTES_MAX, drain_bytes_max: 64 << 10 },
            waiting_bytes_max: 256 << 10,
            bad_commands_max: 20,
            auth_failures_max: 3,
        }
    }
}

/// How long a client may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// Before it has logged in.
    pub login: Duration,
    /// After that: the autologout timer of RFC 1939 3, which must be 10 minutes at least.
    pub autologout: Duration,
}

impl Default for ServerTimeouts {
    /// 3 minutes (as Dovecot) and 10.
    fn default() -> Self {
        Self { login: Duration::from_secs(180), autologout: Duration::from_secs(600) }
    }
}

/// Limits of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// A line of the server outside of messages. RFC 2449 allows 512 bytes; SASL challenges are longer.
    pub line: LineLimits,
    /// Lines of one listing.
    pub listing_lines_max: u64,
    /// Bytes of one message.
    pub message_bytes_max: u64,
    /// Commands that may wait for their answer, sent or not.
    pub commands_max: usize,
}

impl Default for ClientLimits {
    /// 8 KiB a line; 10 million lines; 1 GiB a message; 10,000 commands.
    fn default() -> Self {
        Self {
            line: LineLimits { line_bytes_max: sasl::MESSAGE_BYTES_MAX + 2, drain_bytes_max: 64 << 10 },
            listing_lines_max: 10_000_000,
            message_bytes_max: 1 << 30,
            commands_max: 10_000,
        }
    }
}

/// How long a server may be silent when it owes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From the last byte of either side to the next of the server.
    pub reply: Duration,
}

impl Default for ClientTimeouts {
    /// 60 seconds: a server may have to open a large maildrop.
    fn default() -> Self {
        Self { reply: Duration::from_secs(60) }
    }
}
