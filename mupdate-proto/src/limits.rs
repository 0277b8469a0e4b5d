//! Every limit of this crate, with its default and the reason.

use std::time::Duration;

use mail_wire::{FrameLimits, sasl};

use crate::{ACL_BYTES_MAX, NAME_BYTES_MAX};

/// Limits of a server's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Frames before a login: one SASL message and little else, since anybody can send them.
    pub before_login: FrameLimits,
    /// Frames after a login: a name, a location and an ACL, or the servers of a partial UPDATE.
    pub after_login: FrameLimits,
    /// Bytes that may wait behind a command that is not answered yet. A client that pipelines more than this is
    /// given up; a driver that asks `wants_input` stops reading at a quarter of it.
    pub waiting_bytes_max: usize,
    /// Bytes that may wait for a client. A slave that reads so slowly that more wait is cut off, and starts over when
    /// it comes back; nobody else pays for it.
    pub queue_bytes_max: usize,
    /// Commands that may be bad before the connection is closed (as Dovecot).
    pub bad_commands_max: u32,
    /// Logins that may fail before the connection is closed.
    pub auth_failures_max: u32,
}

impl Default for ServerLimits {
    /// 8.5 KiB and 4 literals before login, 32 literals of 128 KiB together after it, 256 KiB waiting, 16 MiB queued,
    /// 20 bad commands, 3 failed logins.
    fn default() -> Self {
        Self {
            before_login: FrameLimits {
                text_bytes_max: sasl::MESSAGE_BYTES_MAX + 512,
                literals_max: 4,
                kept_literal_bytes_max: sasl::MESSAGE_BYTES_MAX as u64,
                streamed_literal_bytes_max: 0,
                skipped_literal_bytes_max: 64 << 10,
            },
            after_login: FrameLimits {
                text_bytes_max: 64 << 10,
                literals_max: 32,
                kept_literal_bytes_max: 128 << 10,
                streamed_literal_bytes_max: 0,
                skipped_literal_bytes_max: 1 << 20,
            },
            waiting_bytes_max: 256 << 10,
            queue_bytes_max: 16 << 20,
            bad_commands_max: 20,
            auth_failures_max: 3,
        }
    }
}

/// Limits of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Frames from the server.
    pub frame: FrameLimits,
    /// Lines of a banner.
    pub banner_lines_max: usize,
    /// Commands that may wait for their answer.
    pub commands_max: usize,
}

impl Default for ClientLimits {
    /// Room for the largest entry that the types hold; 64 lines of banner; 1,000 commands.
    fn default() -> Self {
        Self {
            frame: FrameLimits {
                text_bytes_max: ACL_BYTES_MAX + 4 * NAME_BYTES_MAX,
                literals_max: 8,
                kept_literal_bytes_max: (ACL_BYTES_MAX + 4 * NAME_BYTES_MAX) as u64,
                streamed_literal_bytes_max: 0,
                skipped_literal_bytes_max: 0,
            },
            banner_lines_max: 64,
            commands_max: 1_000,
        }
    }
}

/// How long a client may be silent. The RFC asks for 15 minutes at least (section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// Before it has logged in.
    pub login: Duration,
    /// After that. A slave sends NOOP every so often to stay.
    pub idle: Duration,
}

impl Default for ServerTimeouts {
    /// 15 minutes and 30.
    fn default() -> Self {
        Self { login: Duration::from_secs(900), idle: Duration::from_secs(1_800) }
    }
}

/// How long a server may be silent when it owes something: banner, handshake or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From the last byte of either side to the next of the server.
    pub reply: Duration,
}

impl Default for ClientTimeouts {
    /// 30 seconds: a change waits for the master's disk.
    fn default() -> Self {
        Self { reply: Duration::from_secs(30) }
    }
}
