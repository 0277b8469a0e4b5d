//! Bytes that have arrived and wait to be framed, and the gate that STARTTLS closes.

use bytes::{Buf, Bytes, BytesMut};

use crate::PeerMisbehaved;

/// The input buffer of a connection.
///
/// The gate is the answer to command injection through STARTTLS (safety rows T1 to T3): once it is shut, any byte
/// that stood behind the STARTTLS line, or that arrives before the handshake, is a violation. Such bytes are not
/// flushed and forgotten, since one side or the other would still believe in them: the connection ends.
#[derive(Debug, Default)]
pub struct Input {
    bytes: BytesMut,
    gate_shut: bool,
    ended: bool,
}

impl Input {
    /// An empty buffer, gate open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer itself, to append to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// What waits.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.bytes
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes the first `n` bytes, or all there are if fewer, as a slice that shares this buffer.
    pub fn take(&mut self, n: usize) -> Bytes {
        self.bytes.split_to(n.min(self.bytes.len())).freeze()
    }

    /// Drops the first `n` bytes, or all there are if fewer.
    pub fn discard(&mut self, n: usize) {
        let n = n.min(self.bytes.len());
        self.bytes.advance(n);
    }

    /// Drops everything: nothing of this peer is read any more.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Gives memory back, if nothing waits: for a peer that is going to be silent for long.
    pub fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    /// Notes that the peer will send nothing more.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// True when the peer has said its last.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Shuts the gate: from here to [`open_gate`](Self::open_gate), no byte may arrive in the clear.
    pub fn shut_gate(&mut self) -> Result<(), PeerMisbehaved> {
        self.gate_shut = true;
        self.check_gate()
    }

    /// An error if the gate is shut and bytes are there nevertheless. Framers ask before they read.
    pub fn check_gate(&self) -> Result<(), PeerMisbehaved> {
        if self.gate_shut && !self.bytes.is_empty() { Err(PeerMisbehaved::BytesBeforeTls) } else { Ok(()) }
    }

    /// True between STARTTLS and the end of the handshake.
    #[must_use]
    pub fn gate_is_shut(&self) -> bool {
        self.gate_shut
    }

    /// Opens the gate after the handshake. Bytes from before it are a violation even now.
    pub fn open_gate(&mut self) -> Result<(), PeerMisbehaved> {
        let checked = self.check_gate();
        self.gate_shut = false;
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_bytes_behind_a_shut_gate_are_a_violation() {
        let mut input = Input::new();
        input.buffer().extend_from_slice(b"x");
        assert_eq!(input.shut_gate(), Err(PeerMisbehaved::BytesBeforeTls));
        let mut input = Input::new();
        assert_eq!(input.shut_gate(), Ok(()));
        input.buffer().extend_from_slice(b"x");
        assert_eq!(input.check_gate(), Err(PeerMisbehaved::BytesBeforeTls));
        assert_eq!(input.open_gate(), Err(PeerMisbehaved::BytesBeforeTls));
    }

    #[test]
    fn memory_is_given_back_only_when_nothing_waits() {
        let mut input = Input::new();
        input.buffer().extend_from_slice(b"abc");
        input.release();
        assert_eq!(input.waiting(), b"abc");
        input.discard(3);
        input.release();
        assert_eq!(input.buffer().capacity(), 0);
    }

    #[test]
    fn taking_more_than_there_is_takes_what_there_is() {
        let mut input = Input::new();
        input.buffer().extend_from_slice(b"abc");
        assert_eq!(&input.take(2)[..], b"ab");
        assert_eq!(&input.take(9)[..], b"c");
        input.discard(3);
        assert!(input.is_empty());
    }
}
