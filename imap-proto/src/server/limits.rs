//! What a server connection lets a client cost it.

use std::time::Duration;

use mail_wire::FrameLimits;

/// Limits of one server connection. All of them hold in the framer, before any parser (safety row P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Frames before login, when the peer is a stranger: 8 KiB of text (Dovecot's `IMAP_LOGIN_MAX_LINE_LENGTH`),
    /// 4 literals, 1 KiB of literals kept, 64 KiB of refused literals skipped.
    pub before_login: FrameLimits,
    /// Frames after login: 64 KiB of text, 64 literals, 128 KiB of literals kept (Cyrus's `maxliteral`), 64 MiB
    /// for a message that is streamed or skipped.
    pub after_login: FrameLimits,
    /// What the grammar takes of one command before login: depth 8, few tokens.
    pub grammar_before_login: crate::Limits,
    /// What the grammar takes of one command after login: depth 32, 10,000 ranges in a set.
    pub grammar_after_login: crate::Limits,
    /// Bytes of one non-synchronising literal that is kept in its command: 4,096, which is what RFC 7888 5 lets a
    /// client send unasked. The message of APPEND is not measured by it: its owner is asked.
    pub nonsync_literal_bytes_max: u64,
    /// Bytes that may wait behind a command that is not answered yet: 1 MiB. From half of it on
    /// [`wants_input`](mail_wire::Connection::wants_input) says no; beyond it the connection ends.
    pub pipelined_bytes_max: usize,
    /// Commands in a row that make no sense, before the connection ends: 20 (Dovecot, Postfix).
    pub bad_commands_max: u32,
    /// Failed logins before the connection ends: 3.
    pub auth_failures_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let before_login = FrameLimits {
            text_bytes_max: 8 << 10,
            literals_max: 4,
            kept_literal_bytes_max: 1 << 10,
            streamed_literal_bytes_max: 0,
            skipped_literal_bytes_max: 64 << 10,
        };
        Self {
            before_login,
            after_login: FrameLimits::default(),
            grammar_before_login: crate::Limits::before_login(),
            grammar_after_login: crate::Limits::default(),
            nonsync_literal_bytes_max: 4_096,
            pipelined_bytes_max: 1 << 20,
            bad_commands_max: 20,
            auth_failures_max: 3,
        }
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first moment to a login, however busy the client is meanwhile: 60 s.
    pub login: Duration,
    /// Silence after login, IDLE included: 30 min, the least that RFC 3501 5.4 allows.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { login: Duration::from_secs(60), idle: Duration::from_secs(30 * 60) }
    }
}
