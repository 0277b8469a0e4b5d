//! Text of a peer, made safe for a log line or a reply (safety rows E6, E7).

use std::fmt::{self, Write};

/// Displays bytes as printable ASCII on one line: control bytes, quotes, backslashes and everything above 0x7E
/// become `\xNN`, and what is beyond the cap becomes `...`.
///
/// ```
/// use mail_wire::Escaped;
/// assert_eq!(Escaped::new(b"a\r\nb\"\xff").to_string(), r"a\x0d\x0ab\x22\xff");
/// assert_eq!(Escaped::new(b"abcdef").at_most(3).to_string(), "abc...");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    bytes_max: usize,
}

impl<'a> Escaped<'a> {
    /// Bytes shown unless [`at_most`](Self::at_most) says otherwise.
    pub const BYTES_MAX: usize = 200;

    /// Shows up to [`BYTES_MAX`](Self::BYTES_MAX) bytes.
    #[must_use]
    pub fn new(bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { bytes: bytes.as_ref(), bytes_max: Self::BYTES_MAX }
    }

    /// Shows up to this many bytes.
    #[must_use]
    pub fn at_most(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.bytes.iter().take(self.bytes_max) {
            match byte {
                b'"' | b'\\' => write!(f, "\\x{byte:02x}")?,
                0x20..=0x7e => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        if self.bytes.len() > self.bytes_max { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_every_byte_comes_out_printable_and_on_one_line() {
        let all: Vec<u8> = (0..=255).collect();
        let text = Escaped::new(&all).at_most(256).to_string();
        assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)));
        assert!(!text.contains('"'));
    }

    #[test]
    fn the_cap_counts_bytes_of_the_peer() {
        assert_eq!(Escaped::new(&[0; 4]).at_most(4).to_string(), r"\x00\x00\x00\x00");
        assert_eq!(Escaped::new(&[0; 5]).at_most(4).to_string(), r"\x00\x00\x00\x00...");
    }
}
