//! What a client connection lets a server cost it.
//!
//! # Memory
//!
//! The heap that a connection holds at most, whatever its server sends, is a function of its limits,
//! [`Limits::heap_bytes_max`]: the formula of [`server::Limits`](crate::server::Limits) without pipelined commands, and
//! the names of [`Capabilities`](super::Capabilities), which are of one frame. Responses do not pile up: one is given
//! away before the next is framed. What is not in it: commands that the server does not read, and events that the owner
//! keeps.

use std::time::Duration;

use mail_wire::FrameLimits;

use super::Capabilities;
use crate::server::heap_bytes;

/// Limits of one client connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Frames of the server: 8 MiB of text (a SEARCH reply with a million numbers), 1,000 literals, 1 MiB of
    /// literals kept in one response, and literals of any size IMAP can name (4 GiB) streamed.
    pub frame: FrameLimits,
    /// What the grammar takes of one response: depth, tokens, ranges.
    pub grammar: crate::Limits,
    /// Bytes of a literal up to which it is kept in its response: 64 KiB. Larger ones are streamed, as
    /// [`Event::Piece`](super::Event::Piece).
    pub kept_literal_bytes_max: u64,
    /// Literals of one response that are streamed: 64. Each shows the response so far anew.
    pub streamed_literals_max: usize,
    /// Bytes of a response with streamed literals, those literals apart: 2 MiB.
    pub streamed_text_bytes_max: usize,
    /// Commands that may be on their way at once: 64. More would sit in the server's buffers.
    pub commands_max: usize,
}

impl Limits {
    /// The heap that a connection holds at most, whatever its server sends, if no read is larger than `read_bytes`.
    #[must_use]
    pub fn heap_bytes_max(&self, read_bytes: usize) -> usize {
        let capabilities =
            self.frame.text_bytes_max.saturating_add(Capabilities::NAMES_MAX * size_of::<Box<str>>());
        heap_bytes(&self.frame, &self.grammar, read_bytes).saturating_add(capabilities)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let frame = FrameLimits {
            text_bytes_max: 8 << 20,
            literals_max: 1_000,
            kept_literal_bytes_max: 1 << 20,
            streamed_literal_bytes_max: 1 << 32,
            skipped_literal_bytes_max: 0,
        };
        // A number and its space are two bytes at the least.
        let grammar = crate::Limits { tokens_max: 4 << 20, ..crate::Limits::default() };
        Self {
            frame,
            grammar,
            kept_literal_bytes_max: 64 << 10,
            streamed_literals_max: 64,
            streamed_text_bytes_max: 2 << 20,
            commands_max: 64,
        }
    }
}

/// How long a server may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first moment to the greeting: 30 s.
    pub greeting: Duration,
    /// Silence while an answer is due: 5 min. In IDLE, and when nothing was asked, a server may be silent for
    /// ever.
    pub reply: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { greeting: Duration::from_secs(30), reply: Duration::from_secs(5 * 60) }
    }
}
