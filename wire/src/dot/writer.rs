//! Bodies out.

use bytes::Bytes;

use super::lines::Dots;
use super::scan::{StopAt, plain_bytes};
use crate::Outbox;

/// Writes one dot-ended body: stuffs dots, turns every bare CR or LF into CRLF, ends with CRLF.CRLF.
///
/// ```
/// use mail_wire::{DotWriter, Outbox};
/// let (mut writer, mut out) = (DotWriter::new(), Outbox::new());
/// writer.write(&".a\n.".into(), &mut out);
/// writer.finish(&mut out);
/// assert_eq!(&out.take().unwrap()[..], b"..a\r\n..\r\n.\r\n");
/// ```
#[derive(Debug)]
pub struct DotWriter(Canonical);

impl Default for DotWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl DotWriter {
    /// A writer at the start of a body.
    #[must_use]
    pub fn new() -> Self {
        Self(Canonical::new(Dots::Stuffed))
    }

    /// Writes the next bytes of the body; long runs pass without a copy.
    pub fn write(&mut self, bytes: &Bytes, out: &mut Outbox) {
        self.0.write(bytes, out);
    }

    /// Ends the body.
    pub fn finish(mut self, out: &mut Outbox) {
        self.0.end_last_line(out);
        out.put(b".\r\n");
    }
}

/// Writes a text body that leaves in chunks (RFC 3030): every bare CR or LF becomes CRLF, dots stay as they are. A
/// binary body needs no writer.
///
/// ```
/// use mail_wire::{ChunkWriter, Outbox};
/// let (mut writer, mut out) = (ChunkWriter::new(), Outbox::new());
/// writer.write(&".a\n.".into(), &mut out);
/// assert_eq!(&out.take().unwrap()[..], b".a\r\n.");
/// writer.finish(&mut out);
/// assert_eq!(&out.take().unwrap()[..], b"\r\n");
/// ```
#[derive(Debug)]
pub struct ChunkWriter(Canonical);

impl Default for ChunkWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkWriter {
    /// A writer at the start of a body.
    #[must_use]
    pub fn new() -> Self {
        Self(Canonical::new(Dots::Text))
    }

    /// Writes the next bytes of the body, which may come out as more or fewer; long runs pass without a copy.
    pub fn write(&mut self, bytes: &Bytes, out: &mut Outbox) {
        self.0.write(bytes, out);
    }

    /// Ends the last line, if it has no end.
    pub fn finish(mut self, out: &mut Outbox) {
        self.0.end_last_line(out);
    }
}

/// The machine below both: canonical line ends.
#[derive(Debug)]
struct Canonical {
    dots: Dots,
    line_start: bool,
    /// The last byte was a CR; whether it is bare is not known yet.
    after_cr: bool,
}

impl Canonical {
    fn new(dots: Dots) -> Self {
        Self { dots, line_start: true, after_cr: false }
    }

    fn write(&mut self, bytes: &Bytes, out: &mut Outbox) {
        let stop_at = match self.dots {
            Dots::Stuffed => StopAt::DotsAndBareLineEnds,
            Dots::Text => StopAt::BareLineEnds,
        };
        let mut from = 0;
        if self.after_cr && !bytes.is_empty() {
            self.end_line(out);
            from = usize::from(bytes.first() == Some(&b'\n'));
        }
        while let Some(next) = bytes.get(from) {
            if self.line_start && self.dots == Dots::Stuffed && *next == b'.' {
                out.put(b".");
            }
            let to = from + plain_bytes(bytes.get(from..).unwrap_or_default(), stop_at);
            if from < to {
                self.line_start = bytes.get(from..to).is_some_and(|run| run.ends_with(b"\r\n"));
                out.put_slice(bytes.slice(from..to));
            }
            from = to;
            match bytes.get(to..) {
                Some([b'\r']) => {
                    self.after_cr = true;
                    return;
                }
                Some([b'\r' | b'\n', ..]) => {
                    self.end_line(out);
                    from += 1;
                }
                _ => {}
            }
        }
    }

    fn end_last_line(&mut self, out: &mut Outbox) {
        if self.after_cr || !self.line_start {
            self.end_line(out);
        }
    }

    fn end_line(&mut self, out: &mut Outbox) {
        out.put(b"\r\n");
        self.after_cr = false;
        self.line_start = true;
    }
}
