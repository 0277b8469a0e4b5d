//! Text that an owner puts into a reply (safety row E6).

use std::borrow::Cow;
use std::fmt;

use crate::InvalidMessage;

/// Human text for one reply line: printable ASCII, so that it can neither end the line nor begin another, and without
/// a leading `[`, so that it is never read as a response code.
///
/// ```
/// use mail_wire::Text;
/// assert_eq!(Text::new("mailbox already exists")?.as_str(), "mailbox already exists");
/// assert!(Text::new("two\r\nlines").is_err());
/// assert_eq!(Text::lossy("[x] caf\u{e9}\r\n").as_str(), "?x] caf???");
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Cow<'static, str>);

impl Text {
    /// Bytes of a text: a reply line of 512 bytes (RFC 1939 3, RFC 5321 4.5.3.1.5) keeps room for what stands
    /// before it.
    pub const BYTES_MAX: usize = 400;

    /// Takes a text as it is, or says what is wrong with it.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidMessage> {
        let text = text.into();
        match first_wrong(text.as_bytes()) {
            None => Ok(Self(text)),
            Some(at) => Err(InvalidMessage::new("not a reply text", at)),
        }
    }

    /// A constant text. Meant for `const`: there a wrong text does not compile.
    ///
    /// # Panics
    /// When the text is wrong.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        assert!(first_wrong(text.as_bytes()).is_none(), "not a reply text");
        Self(Cow::Borrowed(text))
    }

    /// Makes a text of anything: what may not stand in it becomes `?`, what is too long is cut off.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let safe = |(at, c): (usize, char)| match u8::try_from(c) {
            Ok(byte) if is_text(at, byte) => c,
            _ => '?',
        };
        Self(text.chars().take(Self::BYTES_MAX).enumerate().map(safe).collect::<String>().into())
    }

    /// A text in any language, for a peer that has said that it reads UTF-8 (RFC 6856 3): no control characters, no
    /// line or paragraph separators, nothing that turns the direction of writing.
    pub fn international(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidMessage> {
        let text = text.into();
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidMessage::new("not a reply text", Self::BYTES_MAX));
        }
        match text.char_indices().find(|(at, c)| !is_international(*at, *c)) {
            None => Ok(Self(text)),
            Some((at, _)) => Err(InvalidMessage::new("not a reply text", at)),
        }
    }

    /// Makes a text in any language of anything, as [`lossy`](Self::lossy) makes one in ASCII.
    #[must_use]
    pub fn international_lossy(text: &str) -> Self {
        let mut safe = String::new();
        for (at, c) in text.char_indices() {
            let c = if is_international(at, c) { c } else { '?' };
            if safe.len() + c.len_utf8() > Self::BYTES_MAX {
                break;
            }
            safe.push(c);
        }
        Self(safe.into())
    }

    /// The same in ASCII, with `?` for what is not: for a peer that has not said that it reads UTF-8.
    #[must_use]
    pub fn to_ascii(&self) -> Self {
        if self.0.is_ascii() { self.clone() } else { Self::lossy(&self.0) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_text(at: usize, byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && !(at == 0 && byte == b'[')
}

fn is_international(at: usize, c: char) -> bool {
    match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => is_text(at, byte),
        // Separators of lines, marks and overrides of direction, and the mark of byte order.
        _ => {
            !(c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
        }
    }
}

const fn first_wrong(text: &[u8]) -> Option<usize> {
    if text.len() > Text::BYTES_MAX {
        return Some(Text::BYTES_MAX);
    }
    let mut at = 0;
    while at < text.len() {
        if !is_text(at, text[at]) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e6_no_text_holds_a_byte_that_ends_a_line() {
        for byte in 0..=0xff_u8 {
            let text = format!("a{}", char::from(byte));
            assert_eq!(Text::new(text.clone()).is_ok(), (0x20..0x7f).contains(&byte), "{byte:#x}");
            assert!(Text::lossy(&text).as_str().bytes().all(|b| (0x20..0x7f).contains(&b)));
        }
    }

    #[test]
    fn e6_no_international_text_ends_a_line_or_turns_it_round() {
        let french = Text::international("Bo\u{ee}te aux lettres").unwrap();
        assert_eq!(french.as_str(), "Bo\u{ee}te aux lettres");
        assert_eq!(french.to_ascii().as_str(), "Bo?te aux lettres");
        for bad in [
            '\r', '\n', '\0', '\t', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{2066}',
            '\u{feff}',
        ] {
            let text = format!("a{bad}");
            assert!(Text::international(text.clone()).is_err(), "{bad:?}");
            assert_eq!(Text::international_lossy(&text).as_str(), "a?");
        }
        assert!(Text::international("[CODE]").is_err());
        let (max, two_bytes) = (Text::BYTES_MAX, "\u{ee}".repeat(Text::BYTES_MAX));
        assert!(Text::international(two_bytes[..max].to_owned()).is_ok());
        assert!(Text::international(two_bytes[..max + 2].to_owned()).is_err());
        assert_eq!(Text::international_lossy(&two_bytes).as_str().len(), max);
    }

    #[test]
    fn a_text_at_the_limit_passes_and_one_above_does_not() {
        let long = "x".repeat(Text::BYTES_MAX + 1);
        assert!(Text::new(long[1..].to_owned()).is_ok());
        assert_eq!(Text::new(long.clone()), Err(InvalidMessage::new("not a reply text", Text::BYTES_MAX)));
        assert_eq!(Text::lossy(&long).as_str().len(), Text::BYTES_MAX);
    }
}
