//! Replies (RFC 5321 4.2) with enhanced status codes (RFC 2034, RFC 3463): made, written, read.
//!
//! A [`Reply`] is one code and one or more lines of [`Text`]; text cannot hold a line end, so a reply is one reply
//! whatever was put into it (safety row E6). Its enhanced code takes its class from the code itself, so the two never
//! contradict each other. [`ReplyReader`] joins the lines of one reply that was read, in bounded memory.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use mail_wire::{Error, InvalidMessage, LimitExceeded, Outbox, PeerMisbehaved};

use crate::code::{Code, EnhancedCode, Verdict};
use crate::reply_ref::ReplyLine;

/// Bytes of one line of text: a line of 512 (RFC 5321 4.5.3.1.5) less code, enhanced code and CRLF.
pub const TEXT_BYTES_MAX: usize = 490;

/// One line of a reply's text: at most [`TEXT_BYTES_MAX`] bytes, no control bytes but TAB.
///
/// Making one never fails: bytes that may not stand in it become `?`, and what is too long is cut. `Display` shows it
/// escaped, since it may be a peer's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// The bytes, as on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn clean(bytes: Bytes) -> Self {
        let mut bytes = bytes;
        bytes.truncate(TEXT_BYTES_MAX);
        if bytes.iter().all(|b| may_stand_in_text(*b)) {
            return Self(bytes);
        }
        Self(bytes.iter().map(|b| if may_stand_in_text(*b) { *b } else { b'?' }).collect())
    }
}

fn may_stand_in_text(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::clean(Bytes::from_static(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::clean(text.into())
    }
}

impl From<Bytes> for Text {
    fn from(text: Bytes) -> Self {
        Self::clean(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mail_wire::Escaped::new(&self.0).at_most(TEXT_BYTES_MAX).fmt(f)
    }
}

/// A reply.
///
/// ```
/// use smtp_proto::{Code, Reply, Verdict};
/// let reply = Reply::new(Code::MAILBOX_UNAVAILABLE, "No such user").with_status(1, 1);
/// assert_eq!(reply.to_string(), "550 5.1.1 No such user");
/// assert_eq!("550 5.1.1 No such user".parse(), Ok(reply.clone()));
/// assert_eq!(reply.verdict(), Verdict::Permanent);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    code: Code,
    /// Subject and detail of the enhanced code; the class is the code's.
    status: Option<(u16, u16)>,
    first: Text,
    more: Vec<Text>,
}

impl Reply {
    /// A reply of one line. Text that begins with a fitting enhanced code is taken apart.
    #[must_use]
    pub fn new(code: Code, text: impl Into<Text>) -> Self {
        let text = text.into();
        let (enhanced, rest) = EnhancedCode::split(code, &text.0);
        let first = Text(text.0.slice(text.0.len() - rest.len()..));
        Self { code, status: enhanced.map(EnhancedCode::status), first, more: Vec::new() }
    }

    /// The same with an enhanced code of this subject and detail (each cut to 999). Codes 3yz have none.
    #[must_use]
    pub fn with_status(mut self, subject: u16, detail: u16) -> Self {
        if self.code.verdict() != Verdict::Intermediate {
            self.status = Some((subject.min(999), detail.min(999)));
        }
        self
    }

    /// The same with one line more.
    #[must_use]
    pub fn with_line(mut self, text: impl Into<Text>) -> Self {
        self.more.push(text.into());
        self
    }

    /// 250 2.0.0: done.
    #[must_use]
    pub fn ok() -> Self {
        Self::fixed(250, 0, 0, "OK")
    }

    /// 250 2.1.0: the sender may send.
    #[must_use]
    pub fn sender_ok() -> Self {
        Self::fixed(250, 1, 0, "Sender OK")
    }

    /// 250 2.1.5: the recipient is accepted.
    #[must_use]
    pub fn recipient_ok() -> Self {
        Self::fixed(250, 1, 5, "Recipient OK")
    }

    /// 550 5.1.1: no such mailbox.
    #[must_use]
    pub fn no_such_mailbox() -> Self {
        Self::fixed(550, 1, 1, "No such mailbox")
    }

    /// 550 5.7.1: this server does not carry mail there for this client.
    #[must_use]
    pub fn relay_denied() -> Self {
        Self::fixed(550, 7, 1, "Relaying denied")
    }

    /// 451 4.3.0: something here does not work; try again.
    #[must_use]
    pub fn local_error() -> Self {
        Self::fixed(451, 3, 0, "Temporary failure, try again later")
    }

    /// 452 4.3.1: no room here.
    #[must_use]
    pub fn storage_full() -> Self {
        Self::fixed(452, 3, 1, "Insufficient system storage")
    }

    /// 452 4.2.2: the mailbox is over its quota.
    #[must_use]
    pub fn over_quota() -> Self {
        Self::fixed(452, 2, 2, "Over quota")
    }

    /// 552 5.3.4: the message is too big.
    #[must_use]
    pub fn too_big() -> Self {
        Self::fixed(552, 3, 4, "Message too big")
    }

    /// 421 4.3.2: this server goes down.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::fixed(421, 3, 2, "Service shutting down")
    }

    /// For the crates' own constant texts.
    pub(crate) fn fixed(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        Self::new(Code::fixed(code), text).with_status(subject, detail)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the code says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.code.verdict()
    }

    /// The enhanced code.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        let (subject, detail) = self.status?;
        EnhancedCode::new(self.code, subject, detail)
    }

    /// The lines of text, without codes; at least one.
    pub fn lines(&self) -> impl Iterator<Item = &Text> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The first line.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.first
    }

    /// Appends the reply's lines, with their CRLFs.
    pub fn encode(&self, out: &mut Outbox) {
        let enhanced = self.enhanced();
        let last = self.more.len();
        for (number, line) in self.lines().enumerate() {
            put_number(self.code.value(), out);
            out.put(if number == last { b" " } else { b"-" });
            if let Some(enhanced) = enhanced {
                put_number(enhanced.class_number(), out);
                out.put(b".");
                put_number(enhanced.subject().number(), out);
                out.put(b".");
                put_number(enhanced.detail(), out);
                out.put(b" ");
            }
            out.put(&line.0);
            out.put(b"\r\n");
        }
    }
}

impl fmt::Display for Reply {
    /// One printable line: the lines of the text are joined by ` / `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.value())?;
        if let Some(enhanced) = self.enhanced() {
            write!(f, " {enhanced}")?;
        }
        for (number, line) in self.lines().enumerate() {
            write!(f, "{}{line}", if number == 0 { " " } else { " / " })?;
        }
        Ok(())
    }
}

impl FromStr for Reply {
    type Err = InvalidMessage;

    /// Reads a reply of one line.
    fn from_str(line: &str) -> Result<Self, InvalidMessage> {
        let parsed = ReplyLine::parse(line.as_bytes())?;
        if !parsed.is_last {
            return Err(InvalidMessage::new("a reply of one line expected", 3));
        }
        Ok(Self::new(parsed.code, Bytes::copy_from_slice(parsed.text)))
    }
}

/// Writes a number below 1,000 without allocating.
fn put_number(number: u16, out: &mut Outbox) {
    const DIGITS: &[u8; 10] = b"0123456789";
    let digit = |n: u16| DIGITS.get(usize::from(n % 10)).map_or(&b"0"[..], std::slice::from_ref);
    if number >= 100 {
        out.put(digit(number / 100));
    }
    if number >= 10 {
        out.put(digit(number / 10));
    }
    out.put(digit(number));
}

/// Joins the lines of one reply.
#[derive(Debug, Default)]
pub struct ReplyReader {
    partial: Option<Reply>,
}

impl ReplyReader {
    /// No line read.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True in the middle of a reply.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Takes the next line; returns the reply when it was the last. A reply has `lines_max` lines at most, all with
    /// the same code.
    pub fn push(&mut self, line: &Bytes, lines_max: usize) -> Result<Option<Reply>, Error> {
        let ReplyLine { code, is_last, text } = ReplyLine::parse(line)?;
        let text = line.slice(line.len() - text.len()..);
        let reply = match self.partial.take() {
            None => Reply::new(code, text),
            Some(reply) if reply.code != code => return Err(PeerMisbehaved::UnexpectedReply.into()),
            Some(reply) if reply.more.len() + 1 >= lines_max => {
                return Err(LimitExceeded::new("reply_lines_max", lines_max as u64).into());
            }
            Some(reply) => {
                let text = match EnhancedCode::split(code, &text) {
                    (Some(enhanced), rest) if Some(enhanced) == reply.enhanced() => {
                        text.slice(text.len() - rest.len()..)
                    }
                    _ => text,
                };
                reply.with_line(text)
            }
        };
        if is_last {
            return Ok(Some(reply));
        }
        self.partial = Some(reply);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(reply: &Reply) -> Vec<u8> {
        let mut out = Outbox::new();
        reply.encode(&mut out);
        std::iter::from_fn(|| out.take()).flatten().collect()
    }

    fn read(wire: &[u8]) -> Result<Vec<Reply>, Error> {
        let mut reader = ReplyReader::new();
        let mut replies = Vec::new();
        for line in wire.split_inclusive(|b| *b == b'\n') {
            let line = Bytes::copy_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
            replies.extend(reader.push(&line, 100)?);
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_written_as_the_rfc_shows_them() {
        let reply = Reply::ok().with_line("second").with_line("third");
        assert_eq!(wire(&reply), b"250-2.0.0 OK\r\n250-2.0.0 second\r\n250 2.0.0 third\r\n");
        assert_eq!(wire(&Reply::new(Code::START_MAIL, "Go").with_status(1, 1)), b"354 Go\r\n");
        assert_eq!(wire(&Reply::new(Code::OK, "")), b"250 \r\n");
    }

    #[test]
    fn odd_replies_of_real_servers_are_read() {
        for (line, code, enhanced, text) in [
            ("250", 250, None, ""),
            ("250 ", 250, None, ""),
            ("250 2.0.0", 250, Some("2.0.0"), ""),
            ("550 5.7.512 Access denied", 550, Some("5.7.512"), "Access denied"),
            ("550 4.1.1 wrong class", 550, None, "4.1.1 wrong class"),
            ("250 2.1 x", 250, None, "2.1 x"),
            ("250 2.1.0999 x", 250, None, "2.1.0999 x"),
        ] {
            let reply: Reply = line.parse().expect(line);
            assert_eq!((reply.code().value(), reply.text().as_bytes()), (code, text.as_bytes()), "{line}");
            assert_eq!(reply.enhanced().map(|e| e.to_string()).as_deref(), enhanced, "{line}");
        }
    }

    #[test]
    fn the_lines_of_a_reply_are_counted_and_must_agree() {
        let mut reader = ReplyReader::new();
        let line = Bytes::from_static(b"250-x");
        for _ in 0..4 {
            assert_eq!(reader.push(&line, 5), Ok(None));
        }
        let mut at_max = ReplyReader { partial: reader.partial.clone() };
        assert!(matches!(at_max.push(&"250 x".into(), 5), Ok(Some(_))));
        assert_eq!(reader.push(&line, 5), Ok(None));
        assert_eq!(reader.push(&line, 5), Err(LimitExceeded::new("reply_lines_max", 5).into()));
        assert_eq!(read(b"250-x\r\n251 y\r\n"), Err(PeerMisbehaved::UnexpectedReply.into()));
    }

    #[test]
    fn text_at_its_limit_is_whole_and_one_above_is_cut() {
        let text = |n: usize| Text::from("a".repeat(n)).as_bytes().len();
        assert_eq!((text(TEXT_BYTES_MAX), text(TEXT_BYTES_MAX + 1)), (TEXT_BYTES_MAX, TEXT_BYTES_MAX));
        let longest = Reply::new(Code::FAILED, "a".repeat(TEXT_BYTES_MAX)).with_status(999, 999);
        assert!(wire(&longest).len() <= 512);
    }

    proptest! {
        #[test]
        fn e6_a_reply_is_one_reply_whatever_text_it_is_made_of(
            code in 200_u16..600,
            status in proptest::option::of((0_u16..1000, 0_u16..1000)),
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..5),
        ) {
            let mut texts = lines.into_iter().map(Bytes::from);
            let mut reply = Reply::new(Code::new(code)?, texts.next().unwrap_or_default());
            if let Some((subject, detail)) = status {
                reply = reply.with_status(subject, detail);
            }
            for text in texts {
                reply = reply.with_line(text);
            }
            prop_assert_eq!(read(&wire(&reply))?, vec![reply.clone()]);
            prop_assert!(reply.to_string().bytes().all(|b| (0x20..0x7f).contains(&b)));
        }
    }
}
