//! Bytes on their way to the peer.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The output queue of a connection: small pieces are joined, large ones leave as the slices they came as.
///
/// One reply should leave in one write: joining small pieces is what keeps a server from waiting 40 ms on Nagle's
/// algorithm between a status line and its body.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
    /// Bytes that were taken since the start.
    sent_bytes: u64,
}

/// Slices below this are copied behind what already waits: a copy is cheaper than a system call.
const JOIN_BELOW_BYTES: usize = 2_048;
/// A joined piece is closed at this size.
const PIECE_BYTES: usize = 16_384;

impl Outbox {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes by copying them.
    pub fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.bytes += bytes.len();
        if self.tail.len() >= PIECE_BYTES {
            self.close_tail();
        }
    }

    /// Appends a slice, without a copy unless it is small.
    pub fn put_slice(&mut self, bytes: Bytes) {
        if bytes.len() < JOIN_BELOW_BYTES {
            return self.put(&bytes);
        }
        self.close_tail();
        self.bytes += bytes.len();
        self.queue.push_back(bytes);
    }

    /// The next piece to send.
    pub fn take(&mut self) -> Option<Bytes> {
        if self.queue.is_empty() {
            self.close_tail();
        }
        let piece = self.queue.pop_front()?;
        self.bytes -= piece.len();
        self.sent_bytes += piece.len() as u64;
        Some(piece)
    }

    /// Bytes that wait. An owner that produces faster than the peer reads stops when this passes its own limit.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that were ever appended. Taken down behind a command, it tells later, beside
    /// [`sent_bytes`](Self::sent_bytes), whether that command has left in full: an answer to what has not left is a lie
    /// (safety row T4).
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.sent_bytes + self.bytes as u64
    }

    /// Bytes that were ever taken.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Gives memory back, if nothing waits: for a peer that is going to be silent for long.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self { sent_bytes: self.sent_bytes, ..Self::new() };
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_only_when_nothing_waits() {
        let mut out = Outbox::new();
        out.put(b"abc");
        out.release();
        assert_eq!(out.take().as_deref(), Some(&b"abc"[..]));
        out.release();
        assert_eq!((out.tail.capacity(), out.queue.capacity()), (0, 0));
        assert_eq!((out.queued_bytes(), out.sent_bytes()), (3, 3), "what has left is remembered");
    }

    #[test]
    fn small_pieces_leave_together_and_in_order() {
        let mut out = Outbox::new();
        out.put(b"a");
        out.put_slice(Bytes::from_static(b"b"));
        let large = Bytes::from(vec![b'c'; JOIN_BELOW_BYTES]);
        out.put_slice(large.clone());
        out.put(b"d");
        assert_eq!(out.bytes(), 3 + JOIN_BELOW_BYTES);
        assert_eq!((out.queued_bytes(), out.sent_bytes()), (3 + JOIN_BELOW_BYTES as u64, 0));
        assert_eq!(out.take().as_deref(), Some(&b"ab"[..]));
        assert_eq!((out.queued_bytes(), out.sent_bytes()), (3 + JOIN_BELOW_BYTES as u64, 2));
        let second = out.take().unwrap();
        assert_eq!((second.as_ptr(), second.len()), (large.as_ptr(), large.len()));
        assert_eq!(out.take().as_deref(), Some(&b"d"[..]));
        assert_eq!(out.take(), None);
        assert!(out.is_empty());
    }
}
