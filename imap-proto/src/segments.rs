//! An encoded message on its way into a connection's output: text, shared slices, and the places where it stops.
//!
//! A message is encoded here first and moved to the output as a whole, so that a value that cannot be expressed
//! leaves no half of a message behind.

use bytes::Bytes;
use mail_wire::LiteralId;

use crate::Sink;

/// Where the text of a message is interrupted.
#[derive(Debug)]
enum Mark {
    Shared(Bytes),
    Hole(u64),
    Wait,
}

/// A piece of a message, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// Text, to be copied.
    Text(&'a [u8]),
    /// Bytes that need no copy.
    Shared(Bytes),
    /// So many bytes come by another way.
    Hole(u64),
    /// The peer must ask for what follows.
    Wait,
}

/// A sink that keeps one message. Its text buffer is reused from message to message.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    text: Vec<u8>,
    marks: Vec<(usize, Mark)>,
}

/// What the text buffer may keep from one message to the next; a rare large one does not stay in memory.
const KEPT_BYTES_MAX: usize = 16 << 10;

impl Segments {
    /// Forgets the message.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.marks.clear();
        if self.text.capacity() > KEPT_BYTES_MAX {
            self.text.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Gives the message piece by piece.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(Segment<'_>)) {
        let mut from = 0;
        for (at, mark) in self.marks.drain(..) {
            let text = self.text.get(from..at).unwrap_or_default();
            if !text.is_empty() {
                each(Segment::Text(text));
            }
            from = at;
            each(match mark {
                Mark::Shared(bytes) => Segment::Shared(bytes),
                Mark::Hole(bytes) => Segment::Hole(bytes),
                Mark::Wait => Segment::Wait,
            });
        }
        let text = self.text.get(from..).unwrap_or_default();
        if !text.is_empty() {
            each(Segment::Text(text));
        }
        self.clear();
    }
}

impl Sink for Segments {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.text.put(bytes);
    }

    #[inline]
    fn put_block(&mut self, block: [u8; 16], len: usize) {
        self.text.put_block(block, len);
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        self.marks.push((self.text.len(), Mark::Shared(bytes.clone())));
    }

    fn wait(&mut self) {
        self.marks.push((self.text.len(), Mark::Wait));
    }

    fn hole(&mut self, _: LiteralId, bytes: u64) {
        self.marks.push((self.text.len(), Mark::Hole(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_once() {
        let mut segments = Segments::default();
        segments.put(b"a {3}\r\n");
        segments.wait();
        segments.put_shared(&Bytes::from_static(b"xyz"));
        segments.put(b" {9}\r\n");
        segments.hole(LiteralId(1), 9);
        segments.put(b"\r\n");
        let mut seen = Vec::new();
        segments.drain(|segment| seen.push(format!("{segment:?}")));
        let expected = [
            format!("{:?}", Segment::Text(b"a {3}\r\n")),
            "Wait".into(),
            format!("{:?}", Segment::Shared(Bytes::from_static(b"xyz"))),
            format!("{:?}", Segment::Text(b" {9}\r\n")),
            "Hole(9)".into(),
            format!("{:?}", Segment::Text(b"\r\n")),
        ];
        assert_eq!(seen, expected);
        segments.drain(|segment| panic!("{segment:?} was given twice"));
    }
}
