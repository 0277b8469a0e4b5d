//! Helpers for tests of anything built on this crate: cut the input everywhere, join two connections, read transcripts.
//!
//! They are public because the harness of an embedder needs the same: [`every_split`] proves that what a machine
//! says does not depend on how the network cut its bytes, [`pump`] moves bytes between a client and a server in
//! memory.

use std::fmt::Debug;
use std::time::Instant;

use crate::{Connection, Error, PeerMisbehaved};

/// Runs `machine` over `input` in one piece, cut in two at every place, and byte by byte; panics unless it answers
/// the same each time. Returns that answer.
///
/// # Panics
/// When two ways of cutting give two answers.
pub fn every_split<T: PartialEq + Debug>(input: &[u8], mut machine: impl FnMut(&[&[u8]]) -> T) -> T {
    let whole = machine(&[input]);
    for at in 1..input.len() {
        let (head, tail) = input.split_at(at);
        assert_eq!(machine(&[head, tail]), whole, "cut at byte {at}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(machine(&bytes), whole, "byte by byte");
    whole
}

/// Moves all output of each connection to the other until both are silent. Returns the number of bytes moved.
///
/// Events are left for the caller to poll; call it again after each reply or command. `piece_bytes` cuts what is
/// moved, so that a test can run with `1` and with `usize::MAX`.
pub fn pump<A: Connection, B: Connection>(a: &mut A, b: &mut B, piece_bytes: usize, now: Instant) -> usize {
    let mut moved = 0;
    loop {
        let step = transfer(a, b, piece_bytes, now) + transfer(b, a, piece_bytes, now);
        if step == 0 {
            return moved;
        }
        moved += step;
    }
}

/// Proves that `STARTTLS` is a barrier for one connection, of either side of any protocol (safety rows T1 to T3).
///
/// `fresh` makes a connection that waits for the last bytes in the clear, and `last_bytes` are those: the STARTTLS
/// line for a server, the reply that grants it for a client. Every prefix of `injected` is tried behind them: in
/// the same segment, in a segment of its own before the handshake, and in the buffer when the handshake is
/// reported. Each time the connection must end with [`PeerMisbehaved::BytesBeforeTls`], and `is_forbidden` must
/// hold for none of its events.
///
/// # Panics
/// When a byte gets through.
pub fn check_tls_barrier<C: Connection>(
    fresh: impl Fn() -> C,
    last_bytes: &[u8],
    injected: &[u8],
    is_forbidden: impl Fn(&C::Event) -> bool,
) {
    let now = Instant::now();
    let ends = |connection: &mut C| -> Result<(), Error> {
        while let Some(event) = connection.poll_event()? {
            assert!(!is_forbidden(&event), "an injected message became an event");
        }
        Ok(())
    };
    let expected = Err(PeerMisbehaved::BytesBeforeTls.into());
    for bytes in 1..=injected.len() {
        let extra = injected.get(..bytes).unwrap_or_default();

        let mut same_segment = fresh();
        same_segment.receive(&[last_bytes, extra].concat(), now);
        assert_eq!(ends(&mut same_segment), expected, "{bytes} bytes in the same segment");

        let mut next_segment = fresh();
        next_segment.receive(last_bytes, now);
        assert_eq!(ends(&mut next_segment), Ok(()), "nothing was injected yet");
        next_segment.receive(extra, now);
        assert_eq!(ends(&mut next_segment), expected, "{bytes} bytes in the next segment");

        let mut unpolled = fresh();
        unpolled.receive(last_bytes, now);
        assert_eq!(ends(&mut unpolled), Ok(()), "nothing was injected yet");
        unpolled.receive(extra, now);
        unpolled.tls_started(now);
        assert_eq!(ends(&mut unpolled), expected, "{bytes} bytes in the buffer at the handshake");
        assert!(unpolled.is_closing());
    }
}

/// Who said a line of a transcript, and the bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The client did.
    Client(Vec<u8>),
    /// The server did.
    Server(Vec<u8>),
}

impl Said {
    /// The bytes, if the client said them.
    #[must_use]
    pub fn by_client(&self) -> Option<&[u8]> {
        match self {
            Self::Client(bytes) => Some(bytes),
            Self::Server(_) => None,
        }
    }

    /// The bytes, if the server said them.
    #[must_use]
    pub fn by_server(&self) -> Option<&[u8]> {
        match self {
            Self::Server(bytes) => Some(bytes),
            Self::Client(_) => None,
        }
    }
}

/// Reads a transcript: lines that begin with `C: ` or `S: `, and comments behind `#`. In a line, `\r`, `\n`, `\t`, `\\` and
/// `\xNN` stand for bytes; everything else stands for itself.
///
/// ```
/// use mail_wire::testing::{Said, transcript};
/// let said = transcript("# A greeting.\nS: +OK\\r\\n\n");
/// assert_eq!(said, [Said::Server(b"+OK\r\n".to_vec())]);
/// ```
///
/// # Panics
/// When a line is none of these.
#[must_use]
pub fn transcript(text: &str) -> Vec<Said> {
    let line = |line: &str| match line.split_at_checked(3) {
        Some(("C: ", rest)) => Some(Said::Client(unescape(rest))),
        Some(("S: ", rest)) => Some(Said::Server(unescape(rest))),
        _ => {
            assert!(line.starts_with('#') || line.is_empty(), "neither C, S nor comment: {line}");
            None
        }
    };
    text.lines().filter_map(line).collect()
}

/// Everything that the client says in a transcript.
#[must_use]
pub fn client_bytes(transcript: &[Said]) -> Vec<u8> {
    transcript.iter().filter_map(Said::by_client).flatten().copied().collect()
}

/// Everything that the server says in a transcript.
#[must_use]
pub fn server_bytes(transcript: &[Said]) -> Vec<u8> {
    transcript.iter().filter_map(Said::by_server).flatten().copied().collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escaped = chars.next();
        let byte = match escaped {
            Some('r') => Some(b'\r'),
            Some('n') => Some(b'\n'),
            Some('t') => Some(b'\t'),
            Some('\\') => Some(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2)
            }
            _ => None,
        };
        assert!(byte.is_some(), "unknown escape {escaped:?}");
        out.extend(byte);
    }
    out
}

/// Proves that a connection that ended with `error` has ended: whatever comes, it says nothing more and reports that
/// error again. What waited to be sent must have been taken out.
///
/// # Panics
/// When there is life in it.
pub fn check_end_is_final<C: Connection>(connection: &mut C, error: Error, more: &[u8]) {
    assert!(connection.is_closing(), "closing");
    connection.receive(more, Instant::now());
    assert_eq!(connection.poll_event().err(), Some(error), "the same error");
    assert!(output(connection).is_empty(), "not a word");
}

/// All output of a connection that waits, in one piece.
pub fn output(connection: &mut impl Connection) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = connection.poll_transmit() {
        all.extend_from_slice(&bytes);
    }
    all
}

fn transfer<A: Connection, B: Connection>(
    from: &mut A,
    to: &mut B,
    piece_bytes: usize,
    now: Instant,
) -> usize {
    let mut moved = 0;
    while let Some(bytes) = from.poll_transmit() {
        for piece in bytes.chunks(piece_bytes.max(1)) {
            to.receive(piece, now);
        }
        moved += bytes.len();
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_tells_who_said_which_bytes() {
        let said = transcript("# words\nS: a\\r\\n\\x00\\\\ \u{e9}\n\nC: b\\t\nS: c\n");
        assert_eq!(server_bytes(&said), [&b"a\r\n\0\\ "[..], "\u{e9}c".as_bytes()].concat());
        assert_eq!(client_bytes(&said), b"b\t");
        for bad in ["X: a", "C:a", "C: \\q", "C: \\x0"] {
            assert!(std::panic::catch_unwind(|| transcript(bad)).is_err(), "{bad}");
        }
    }
}
