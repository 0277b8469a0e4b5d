//! What the grammar refuses to hold, whoever sends it.
//!
//! Byte limits belong to framing (`mail_wire::FrameLimits`); these count what one frame is made of. The heap that a
//! frame costs beyond itself stays below 6 bytes for each of its bytes (safety rows P4, P8), and with the number of
//! tokens that is bounded too: [`Limits::frame_heap_bytes_max`].

/// Limits of the grammar. Every one is a count; passing one makes a command invalid, and the part of a response
/// that it concerns.
///
/// ```
/// use imap_proto::{Limits, Parser};
/// let strangers = Limits::before_login();
/// let deep = format!("a SEARCH {}ALL{}", "(".repeat(9), ")".repeat(9));
/// assert!(Parser::with_limits(strangers).command(deep.as_bytes()).is_err());
/// assert!(Parser::with_limits(Limits::default()).command(deep.as_bytes()).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Levels of parentheses, and of `NOT` and `OR` in a search. At most [`DEPTH_CEILING`](Self::DEPTH_CEILING).
    ///
    /// Default 32: as deep as the MIME trees that real mail has; mail clients send 3.
    pub depth_max: usize,
    /// Tokens in one frame. Default 64 Ki: as many as 64 KiB of text, the largest frame by default, can hold twice.
    pub tokens_max: usize,
    /// Ranges in one sequence set. Default 10,000: a set of scattered numbers that fills a frame.
    pub set_ranges_max: usize,
}

impl Limits {
    /// The deepest nesting that may be configured: what the tokeniser's stack holds.
    pub const DEPTH_CEILING: usize = 64;

    /// The heap that the parse of one frame of so many bytes holds at most, beyond the frame itself: 6 bytes for each
    /// of its bytes, or 12 for each token, whichever is less; and 32 KiB for a small frame, whose tape is there twice.
    #[must_use]
    pub fn frame_heap_bytes_max(&self, frame_bytes: usize) -> usize {
        let by_tokens = self.tokens_max.saturating_mul(12);
        frame_bytes.saturating_mul(6).min(by_tokens).saturating_add(32 << 10)
    }

    /// Limits for a peer that has not logged in: 8 levels, 1,000 tokens, no set worth the name.
    #[must_use]
    pub fn before_login() -> Self {
        Self { depth_max: 8, tokens_max: 1_000, set_ranges_max: 16 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 32, tokens_max: 64 << 10, set_ranges_max: 10_000 }
    }
}
