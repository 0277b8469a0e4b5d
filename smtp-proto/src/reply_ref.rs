//! Replies as they stand on the wire: views that borrow from the bytes and cost no allocation.

use bytes::Bytes;
use mail_wire::InvalidMessage;
use memchr::{memchr, memchr3};

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
    first: ReplyLine<'a>,
    /// The lines behind the first, each with its CRLF.
    more: &'a [u8],
}

impl<'a> ReplyRef<'a> {
    /// Reads the reply at the start of the bytes and tells how many it has; `None` if its last line is not complete.
    /// All lines have the same code. The caller bounds how much he collects.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, InvalidMessage> {
        let (mut first, mut from) = (None, 0);
        loop {
            let rest = bytes.get(from..).unwrap_or_default();
            let Some(stop) = memchr3(b'\r', b'\n', 0, rest) else { return Ok(None) };
            let what = match (rest.get(stop), rest.get(stop + 1)) {
                (Some(b'\r'), Some(b'\n')) => None,
                (Some(b'\r'), None) => return Ok(None),
                (Some(b'\r'), _) => Some(InvalidMessage::BARE_CR),
                (Some(b'\n'), _) => Some(InvalidMessage::BARE_LF),
                _ => Some(InvalidMessage::NUL),
            };
            if let Some(what) = what {
                return Err(InvalidMessage::new(what, from + stop));
            }
            let line = rest.get(..stop).unwrap_or_default();
            let shift = |e: InvalidMessage| InvalidMessage::new(e.what, e.offset + from);
            let line = ReplyLine::parse(line).map_err(shift)?;
            let end = from + stop + 2;
            let (first, first_end) = *first.get_or_insert((line, end));
            if first.code != line.code {
                return Err(InvalidMessage::new("the code of the first line expected", from));
            }
            from = end;
            if line.is_last {
                let more = bytes.get(first_end..from).unwrap_or_default();
                return Ok(Some((Self { first, more }, from)));
            }
        }
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> Code {
        self.first.code
    }

    /// What the code says.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        self.first.code.verdict()
    }

    /// The enhanced code of the first line.
    #[must_use]
    pub fn enhanced(self) -> Option<EnhancedCode> {
        self.first.enhanced().0
    }

    /// Each line, at least one.
    pub fn lines(self) -> impl Iterator<Item = ReplyLine<'a>> {
        let Self { first, more: mut rest } = self;
        // The form of each line was checked when the reply was read.
        let more = std::iter::from_fn(move || {
            let (line, after) = rest.split_at_checked(memchr(b'\n', rest)? + 1)?;
            rest = after;
            let text = line.get(4..line.len() - 2).unwrap_or_default();
            Some(ReplyLine { code: first.code, is_last: rest.is_empty(), text })
        });
        std::iter::once(first).chain(more)
    }

    /// The same, owned. Enhanced codes behind the first line are dropped where they repeat it.
    #[must_use]
    pub fn to_owned(self) -> Reply {
        let first = Reply::new(self.first.code, Bytes::copy_from_slice(self.first.text));
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
