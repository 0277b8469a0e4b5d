//! Writing (RFC 3501 4.3 and 9, RFC 7888): values choose their own form, and no value can end a line early.
//!
//! The owner gives values, never wire text. A string becomes an atom, a quoted string or a literal by what is in
//! it; whoever holds control bytes goes into a literal or is refused (safety rows E1, E2). What a literal costs in
//! round trips depends on the peer, which [`Literals`] says.
//!
//! ```
//! use imap_proto::{Encode, Encoder, IString, Literals, Login, Password};
//! let login = Login { user: IString::new("SMITH")?, password: Password(IString::new("\u{fc}ber")?) };
//! for (literals, wire) in [
//!     (Literals::Sync, " SMITH {5}\r\n\u{fc}ber"),
//!     (Literals::NonSync, " SMITH {5+}\r\n\u{fc}ber"),
//! ] {
//!     let mut out = Vec::new();
//!     login.encode(&mut Encoder::new(&mut out, literals))?;
//!     assert_eq!(out, wire.as_bytes());
//! }
//! # Ok::<(), imap_proto::Error>(())
//! ```

use bytes::Bytes;
use mail_wire::{LiteralId, Outbox, PeerIncompatible};

use crate::chars;
use crate::mailbox::Names;
use crate::short::{self, DECIMAL_END, EIGHT_DIGITS_END, SEVEN_DIGITS_END, Short};
use crate::string::{Data, IString};
use crate::tape::List;

/// Why a value could not be written.
pub(crate) type Inexpressible = PeerIncompatible;

/// Where encoded bytes go.
///
/// A plain byte vector takes everything in order and ignores the three notes; it is what tests use. A client
/// connection minds [`wait`](Self::wait); whoever streams bodies minds [`hole`](Self::hole).
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends the first `len` bytes of a block: short runs come this way. A sink that can should copy the whole block
    /// and cut it, since a copy of a fixed size needs no call.
    fn put_block(&mut self, block: [u8; 16], len: usize) {
        self.put(block.get(..len).unwrap_or(&block));
    }

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
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_block(&mut self, block: [u8; 16], len: usize) {
        let end = self.len() + len;
        self.extend_from_slice(&block);
        self.truncate(end);
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
    names: Names,
}

impl<'s, S: Sink> Encoder<'s, S> {
    /// Writes into `sink`.
    #[must_use]
    pub fn new(sink: &'s mut S, literals: Literals) -> Self {
        Self { sink, literals, names: Names::default() }
    }

    /// The same for a session that spells mailbox names like this.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    pub(crate) fn names(&self) -> Names {
        self.names
    }

    /// Constant text, or text that a type has vouched for.
    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.sink.put(bytes);
    }

    #[inline]
    fn short(&mut self, short: Short) {
        let (block, len) = short.block();
        self.sink.put_block(block, len);
    }

    /// `number64` (RFC 9051 9): 63 bits.
    pub(crate) fn number64(&mut self, number: u64) -> Result<(), Inexpressible> {
        if number >> 63 != 0 {
            return Err(PeerIncompatible::Inexpressible("number above 63 bits"));
        }
        self.number(number);
        Ok(())
    }

    #[inline]
    pub(crate) fn number(&mut self, number: u64) {
        if number < EIGHT_DIGITS_END {
            self.short(Short::small_decimal(number))
        } else {
            self.large_number(number)
        }
    }

    /// A number behind a space.
    #[inline]
    pub(crate) fn spaced_number(&mut self, number: u64) {
        self.number_behind(b' ', number);
    }

    /// A number behind another byte.
    #[inline]
    pub(crate) fn number_behind(&mut self, byte: u8, number: u64) {
        if number < EIGHT_DIGITS_END {
            return self.short(Short::small_decimal(number).behind(byte));
        }
        self.raw(&[byte]);
        self.large_number(number);
    }

    /// `,from:to`.
    #[inline]
    pub(crate) fn next_range(&mut self, from: u64, to: u64) {
        if from.max(to) < SEVEN_DIGITS_END {
            let [from, to] = [(b',', from), (b':', to)].map(|(mark, n)| Short::small_decimal(n).behind(mark));
            return self.short(from.followed_by(to));
        }
        self.number_behind(b',', from);
        self.number_behind(b':', to);
    }

    fn large_number(&mut self, number: u64) {
        if number < DECIMAL_END {
            return self.short(Short::decimal(number));
        }
        self.short(Short::decimal(number / DECIMAL_END));
        self.short(Short::sixteen_digits(number % DECIMAL_END));
    }

    pub(crate) fn astring(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        match string.as_plain() {
            Some(bytes) if chars::is_astring_atom(bytes) => self.sink.put(bytes),
            _ => self.string(string)?,
        }
        Ok(())
    }

    /// A list of `astring` in parentheses, which must not be empty.
    pub(crate) fn astrings(&mut self, strings: &List<'_, IString<'_>>) -> Result<(), Inexpressible> {
        if strings.is_empty() {
            return Err(PeerIncompatible::Inexpressible("empty list"));
        }
        for (at, string) in strings.iter().enumerate() {
            self.sink.put(if at == 0 { b"(" } else { b" " });
            self.astring(&string)?;
        }
        self.sink.put(b")");
        Ok(())
    }

    #[inline]
    pub(crate) fn nstring(&mut self, string: &Option<IString<'_>>) -> Result<(), Inexpressible> {
        match string {
            None => self.sink.put(b"NIL"),
            Some(string) => self.string(string)?,
        }
        Ok(())
    }

    /// The same behind a space.
    #[inline]
    pub(crate) fn spaced_nstring(&mut self, string: &Option<IString<'_>>) -> Result<(), Inexpressible> {
        match string {
            None => self.sink.put(b" NIL"),
            Some(string) => self.spaced_string(string)?,
        }
        Ok(())
    }

    /// `nstring / literal8`: a value that may hold anything.
    pub(crate) fn value(&mut self, value: &Data<'_>) -> Result<(), Inexpressible> {
        let has_nul = |bytes: &[u8]| memchr::memchr(0, bytes).is_some();
        match value {
            Data::Nil => self.sink.put(b"NIL"),
            Data::Inline(string) if !string.bytes().any(|b| b == 0) => return self.string(string),
            Data::Shared(bytes) if bytes.len() <= QUOTED_BYTES_MAX && !has_nul(bytes) => {
                return self.string(&IString::plain(bytes));
            }
            // What passes by unseen may hold NUL, too.
            Data::Inline(_) | Data::Shared(_) | Data::Streamed { .. } => value.encode_binary(self)?,
        }
        Ok(())
    }

    /// Quoted if that is possible and not too long, otherwise a literal.
    pub(crate) fn string(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        self.string_behind(Short::NOTHING, string)
    }

    /// The same behind a space.
    pub(crate) fn spaced_string(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        self.string_behind(Short::SPACE, string)
    }

    /// A string behind a short lead. Most strings are short and plain and leave with their quotes as one block.
    #[inline(always)]
    fn string_behind(&mut self, lead: Short, string: &IString<'_>) -> Result<(), Inexpressible> {
        let content = string.as_plain().unwrap_or_default();
        if let Some(quoted) = Short::quoted(lead, content)
            && string.as_plain().is_some()
        {
            self.short(quoted);
            return Ok(());
        }
        self.short(lead);
        self.long_string(string)
    }

    fn long_string(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        match string.as_plain() {
            Some(content) if content.len() <= QUOTED_BYTES_MAX && short::is_plain_quotable(content) => {
                let (blocks, rest) = content.as_chunks();
                self.sink.put(b"\"");
                blocks.iter().for_each(|block| self.sink.put_block(*block, block.len()));
                self.short(Short::closed(rest));
                Ok(())
            }
            _ => self.other_string(string),
        }
    }

    /// A string with something in it that needs a backslash, or a literal.
    #[cold]
    fn other_string(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
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
            self.put_quoted(string);
            return Ok(());
        }
        self.announce(len as u64);
        match string.as_plain() {
            Some(bytes) => self.sink.put(bytes),
            None => string.bytes().for_each(|byte| self.sink.put(&[byte])),
        }
        Ok(())
    }

    /// A string that is UTF-8 without control characters, in quotes unless it is long.
    pub(crate) fn quoted_utf8(&mut self, string: &IString<'_>) -> Result<(), Inexpressible> {
        if string.bytes().count() > QUOTED_BYTES_MAX {
            return self.string(string);
        }
        self.put_quoted(string);
        Ok(())
    }

    fn put_quoted(&mut self, string: &IString<'_>) {
        self.sink.put(b"\"");
        for byte in string.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.sink.put(b"\\");
            }
            self.sink.put(&[byte]);
        }
        self.sink.put(b"\"");
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
