//! Writing: values choose their own form, and no value can end a line early.
//!
//! The owner gives values, never wire text. A string becomes an atom, a quoted string or a literal by what is in
//! it; whoever holds control bytes goes into a literal or is refused (safety rows E1, E2). What a literal costs in
//! round trips depends on the peer, which [`Literals`] says.

use bytes::Bytes;
use mail_wire::{LiteralId, Outbox, PeerIncompatible};

use crate::chars;
use crate::string::IString;

/// Why a value could not be written.
pub(crate) type Inexpressible = PeerIncompatible;

/// Where encoded bytes go.
///
/// A plain byte vector takes everything in order and ignores the three notes; it is what tests use. A client
/// connection minds [`wait`](Self::wait); whoever streams bodies minds [`hole`](Self::hole).
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends bytes that are shared already, so that they need not be copied.
    fn put_shared(&mut self, bytes: &Bytes) {
        self.put(bytes);
    }

    /// A synchronising literal was announced: what follows waits for the peer's continuation request.
    fn wait(&mut self) {}

    /// Here belong the bytes of a literal that comes by another way.
    fn hole(&mut self, id: LiteralId, bytes: u64) {
        let _ = (id, bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for Outbox {
    fn put(&mut self, bytes: &[u8]) {
        Self::put(self, bytes);
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        self.put_slice(bytes.clone());
    }
}

/// Which literals the peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Literals {
    /// `{n}` and no waiting: the form of a server, whose client never has to ask for more.
    #[default]
    Server,
    /// `{n}`, and the client waits before it goes on (RFC 3501 7.5).
    Sync,
    /// `{n+}` up to 4096 bytes, `{n}` above (RFC 7888, `LITERAL-`).
    NonSyncSmall,
    /// `{n+}` (RFC 7888, `LITERAL+`).
    NonSync,
}

/// The largest non-synchronising literal under `LITERAL-` (RFC 7888 section 5).
const NON_SYNC_SMALL_BYTES_MAX: u64 = 4096;

/// Strings above this leave as literals though they could be quoted: receivers cap lines, not literals.
pub(crate) const QUOTED_BYTES_MAX: usize = 1024;

/// A value that can be written.
///
/// ```
/// use imap_proto::{Encode, Encoder, IString, Literals};
/// let mut out = Vec::new();
/// IString::new("say \"hi\"")?.encode(&mut Encoder::new(&mut out, Literals::NonSync))?;
/// IString::new("two\r\nlines")?.encode(&mut Encoder::new(&mut out, Literals::NonSync))?;
/// assert_eq!(out, b"\"say \\\"hi\\\"\"{10+}\r\ntwo\r\nlines");
/// # Ok::<(), imap_proto::Error>(())
/// ```
pub trait Encode {
    /// Writes the value. An error means that it has no form the peer would take; what was written before it is
    /// not a message then.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible>;
}

/// A sink and what its peer takes.
pub struct Encoder<'s, S> {
    sink: &'s mut S,
    literals: Literals,
}

impl<'s, S: Sink> Encoder<'s, S> {
    /// Writes into `sink`.
    #[must_use]
    pub fn new(sink: &'s mut S, literals: Literals) -> Self {
        Self { sink, literals }
    }

    /// Constant text, or text that a type has vouched for.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.sink.put(bytes);
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.sink.put(&digits[at..]);
    }

    /// A zero-padded number of two or four digits.
    pub(crate) fn padded(&mut self, number: u16, digits: u32) {
        for place in (0..digits).rev() {
            let digit = number / 10_u16.pow(place) % 10;
            self.sink.put(&[b'0' + (digit % 10) as u8]);
        }
    }

    pub(crate) fn astring(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        match string.as_plain() {
            Some(bytes) if chars::is_astring_atom(bytes) => self.sink.put(bytes),
            _ => self.string(string)?,
        }
        Ok(())
    }

    pub(crate) fn nstring(&mut self, string: &Option<IString<'_>>) -> Result<(), Inexpressible> {
        match string {
            None => self.sink.put(b"NIL"),
            Some(string) => self.string(string)?,
        }
        Ok(())
    }

    pub(crate) fn string(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        if let Some(bytes) = string.as_plain()
            && bytes.len() <= QUOTED_BYTES_MAX
            && bytes.iter().all(|&byte| chars::is_plain_quotable(byte))
        {
            self.sink.put(b"\"");
            self.sink.put(bytes);
            self.sink.put(b"\"");
            return Ok(());
        }
        let mut len = 0;
        let mut quotable = true;
        for byte in string.bytes() {
            if byte == 0 {
                return Err(PeerIncompatible::Inexpressible("NUL in a string"));
            }
            quotable &= chars::is_quotable(byte);
            len += 1;
        }
        if quotable && len <= QUOTED_BYTES_MAX {
            self.sink.put(b"\"");
            for byte in string.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    self.sink.put(b"\\");
                }
                self.sink.put(&[byte]);
            }
            self.sink.put(b"\"");
            return Ok(());
        }
        self.announce(len as u64);
        match string.as_plain() {
            Some(bytes) => self.sink.put(bytes),
            None => string.bytes().for_each(|byte| self.sink.put(&[byte])),
        }
        Ok(())
    }

    /// The announcement of a literal of this size; its bytes are due next.
    pub(crate) fn announce(&mut self, bytes: u64) {
        let (mark, wait): (&[u8], bool) = match self.literals {
            Literals::Server => (b"}\r\n", false),
            Literals::NonSync => (b"+}\r\n", false),
            Literals::NonSyncSmall if bytes <= NON_SYNC_SMALL_BYTES_MAX => (b"+}\r\n", false),
            Literals::NonSyncSmall | Literals::Sync => (b"}\r\n", true),
        };
        self.sink.put(b"{");
        self.number(bytes);
        self.sink.put(mark);
        if wait {
            self.sink.wait();
        }
    }

    /// A literal whatever is in it: the body of a message.
    pub(crate) fn literal(&mut self, bytes: &[u8]) {
        self.announce(bytes.len() as u64);
        self.sink.put(bytes);
    }

    pub(crate) fn shared_literal(&mut self, bytes: &Bytes) {
        self.announce(bytes.len() as u64);
        self.sink.put_shared(bytes);
    }

    pub(crate) fn hole(&mut self, id: LiteralId, bytes: u64) {
        self.announce(bytes);
        self.sink.hole(id, bytes);
    }
}
