//! What a server connection lets a client cost it.
//!
//! # Memory
//!
//! The heap that a connection holds at most, whatever its client sends, is a function of its limits,
//! [`Limits::heap_bytes_max`]. With
//!
//! ```text
//!   F = text_bytes_max + kept_literal_bytes_max + 2 literals_max    the largest frame
//!   I = F + pipelined_bytes_max + R                                 what waits in the input, R being the largest read
//!   P = min(6 F, 12 tokens_max) + 32 KiB                            the parse of a frame
//!   T = text_bytes_max + 32 literals_max                            the text around literals that are streamed
//!
//!   heap <= 3 I + P + 4 T + 64 KiB
//! ```
//!
//! the larger of before and after login. Input counts three times since a buffer that grows holds its old bytes beside
//! twice as many. What is not in it: the configuration, output that the client does not read (an owner stops at
//! [`transmit_bytes`](mail_wire::Connection::transmit_bytes)), and events that the owner keeps.

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
    /// The same before login, when the peer is a stranger: 64 KiB.
    pub pipelined_bytes_before_login_max: usize,
    /// Commands in a row that make no sense, before the connection ends: 20 (Dovecot, Postfix).
    pub bad_commands_max: u32,
    /// Failed logins before the connection ends: 3.
    pub auth_failures_max: u32,
}

impl Limits {
    /// The heap that a connection holds at most, whatever its client sends, if no read is larger than `read_bytes`:
    /// the formula of the module's page, before and after login.
    ///
    /// ```
    /// use imap_proto::server::Limits;
    /// let limits = Limits::default();
    /// assert!(limits.heap_bytes_max(16 << 10) < 6 << 20);
    /// assert!(limits.heap_bytes_before_login_max(16 << 10) < 512 << 10);
    /// ```
    #[must_use]
    pub fn heap_bytes_max(&self, read_bytes: usize) -> usize {
        let after = heap_bytes(
            &self.after_login,
            &self.grammar_after_login,
            self.pipelined_bytes_max.saturating_add(read_bytes),
        );
        after.max(self.heap_bytes_before_login_max(read_bytes))
    }

    /// The same for a client that has not logged in.
    #[must_use]
    pub fn heap_bytes_before_login_max(&self, read_bytes: usize) -> usize {
        let waiting = self.pipelined_bytes_before_login_max.saturating_add(read_bytes);
        heap_bytes(&self.before_login, &self.grammar_before_login, waiting)
    }
}

/// What framing and parsing hold at most when so many bytes wait behind a frame.
pub(crate) fn heap_bytes(frames: &FrameLimits, grammar: &crate::Limits, waiting_bytes: usize) -> usize {
    /// Buffers that are reused, and the fixed parts.
    const FIXED_BYTES: usize = 64 << 10;
    /// A hole, twice, since its list grows like a buffer.
    const HOLE_BYTES: usize = 32;
    let kept = usize::try_from(frames.kept_literal_bytes_max).unwrap_or(usize::MAX);
    let frame =
        frames.text_bytes_max.saturating_add(kept).saturating_add(frames.literals_max.saturating_mul(2));
    let input = frame.saturating_add(waiting_bytes).saturating_mul(3);
    let text = frames.text_bytes_max.saturating_add(frames.literals_max.saturating_mul(HOLE_BYTES));
    [grammar.frame_heap_bytes_max(frame), text.saturating_mul(4), FIXED_BYTES]
        .into_iter()
        .fold(input, usize::saturating_add)
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
            pipelined_bytes_before_login_max: 64 << 10,
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
