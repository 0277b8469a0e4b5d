//! Replies as they stand on the wire: views that borrow from the bytes and cost no allocation.

use bytes::Bytes;
use mail_wire::InvalidMessage;
use memchr::{memchr, memchr2};

use crate::code::{Code, EnhancedCode, Verdict};
use crate::reply::Reply;

/// One line of a reply as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// The code.
    pub code: Code,
    /// No line of this reply follows.
    pub is_last: bool,
    /// All behind the code, the enhanced code included.
    pub text: &'a [u8],
}

impl<'a> ReplyLine<'a> {
    /// Reads one line, without its CRLF.
    pub fn parse(line: &'a [u8]) -> Result<Self, InvalidMessage> {
        let (code, rest) = match line {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
                let digit = |d: u8| u16::from(d - b'0');
                (Code::fixed(digit(*a) * 100 + digit(*b) * 10 + digit(*c)), rest)
            }
            _ => return Err(InvalidMessage::new("reply code expected", 0)),
        };
        match rest {
            [] => Ok(Self { code, is_last: true, text: b"" }),
            [b' ', text @ ..] => Ok(Self { code, is_last: true, text }),
            [b'-', text @ ..] => Ok(Self { code, is_last: false, text }),
            _ => Err(InvalidMessage::new("space or '-' expected", 3)),
        }
    }

    /// The enhanced code, if the text begins with one that fits the code, and the text behind it.
    #[must_use]
    pub fn enhanced(self) -> (Option<EnhancedCode>, &'a [u8]) {
        EnhancedCode::split(self.code, self.text)
    }
}

/// A whole reply, of one line or many.
///
/// ```
/// use smtp_proto::ReplyRef;
/// let bytes = b"250-mx.example\r\n250 SIZE 1000\r\n221 Bye\r\n";
/// let (reply, used) = ReplyRef::parse(bytes)?.expect("it is complete");
/// assert_eq!((reply.code().value(), reply.lines().count()), (250, 2));
/// assert_eq!(&bytes[used..], b"221 Bye\r\n");
/// assert!(ReplyRef::parse(b"250-mx.example\r\n250")?.is_none());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyRef<'a> {
    code: Code,
    /// The lines, each with its CRLF.
    wire: &'a [u8],
}

impl<'a> ReplyRef<'a> {
    /// Reads the reply at the start of the bytes and tells how many it has; `None` if its last line is not complete.
    /// All lines have the same code. The caller bounds how much he collects.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, InvalidMessage> {
        let (mut code, mut from) = (None, 0);
        loop {
            let rest = bytes.get(from..).unwrap_or_default();
            let Some(line_feed) = memchr(b'\n', rest) else { return Ok(None) };
            let shift = |e: InvalidMessage| InvalidMessage::new(e.what, e.offset + from);
            let bare = InvalidMessage::new(InvalidMessage::BARE_LF, from + line_feed);
            let line = rest.get(..line_feed).and_then(|line| line.strip_suffix(b"\r")).ok_or(bare)?;
            if let Some(at) = memchr2(b'\r', 0, line) {
                let is_nul = line.get(at) == Some(&0);
                let what = if is_nul { InvalidMessage::NUL } else { InvalidMessage::BARE_CR };
                return Err(InvalidMessage::new(what, from + at));
            }
            let line = ReplyLine::parse(line).map_err(shift)?;
            if *code.get_or_insert(line.code) != line.code {
                return Err(InvalidMessage::new("the code of the first line expected", from));
            }
            from += line_feed + 1;
            if line.is_last {
                let wire = bytes.get(..from).unwrap_or_default();
                return Ok(Some((Self { code: line.code, wire }, from)));
            }
        }
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> Code {
        self.code
    }

    /// What the code says.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        self.code.verdict()
    }

    /// The enhanced code of the first line.
    #[must_use]
    pub fn enhanced(self) -> Option<EnhancedCode> {
        self.lines().next()?.enhanced().0
    }

    /// Each line, at least one.
    pub fn lines(self) -> impl Iterator<Item = ReplyLine<'a>> {
        let Self { code, wire: mut rest } = self;
        // The form of each line was checked when the reply was read.
        std::iter::from_fn(move || {
            let (line, after) = rest.split_at_checked(memchr(b'\n', rest)? + 1)?;
            rest = after;
            let text = line.get(4..line.len() - 2).unwrap_or_default();
            Some(ReplyLine { code, is_last: line.get(3) != Some(&b'-'), text })
        })
    }

    /// The same, owned. Enhanced codes behind the first line are dropped where they repeat it.
    #[must_use]
    pub fn to_owned(self) -> Reply {
        let first = self.lines().next().map_or(&b""[..], |line| line.text);
        let first = Reply::new(self.code, Bytes::copy_from_slice(first));
        let enhanced = first.enhanced();
        self.lines().skip(1).fold(first, |reply, line| {
            let text = match line.enhanced() {
                (Some(own), text) if Some(own) == enhanced => text,
                _ => line.text,
            };
            reply.with_line(Bytes::copy_from_slice(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_reply_is_refused() {
        for bad in ["", "25", "2500", "25x", "150 x", "650 x", "abc", "250x", "\u{b2}50 x"] {
            assert!(ReplyLine::parse(bad.as_bytes()).is_err(), "{bad}");
            assert!(ReplyRef::parse(format!("{bad}\r\n").as_bytes()).is_err(), "{bad}");
        }
        for bad in [&b"250 x\n"[..], b"250-a\rb\r\n", b"250 a\0\r\n", b"250-a\r\n251 b\r\n", b"\n"] {
            assert!(ReplyRef::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_view_says_what_the_owned_reply_says(
            code in 200_u16..600,
            status in prop::option::of((0_u16..1000, 0_u16..1000)),
            lines in prop::collection::vec("[ -~]{0,20}", 1..5),
        ) {
            let mut texts = lines.into_iter();
            let mut reply = Reply::new(Code::new(code)?, texts.next().unwrap_or_default());
            if let Some((subject, detail)) = status {
                reply = reply.with_status(subject, detail);
            }
            let reply = texts.fold(reply, Reply::with_line);
            let mut out = mail_wire::Outbox::new();
            reply.encode(&mut out);
            let wire: Vec<u8> = std::iter::from_fn(|| out.take()).flatten().collect();
            for cut in 0..wire.len() {
                prop_assert_eq!(ReplyRef::parse(&wire[..cut]), Ok(None));
            }
            let (view, used) = ReplyRef::parse(&wire)?.expect("complete");
            prop_assert_eq!((used, view.code(), view.enhanced()), (wire.len(), reply.code(), reply.enhanced()));
            prop_assert_eq!(view.to_owned(), reply);
        }
    }
}
