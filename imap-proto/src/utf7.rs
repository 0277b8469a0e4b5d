//! Modified UTF-7 (RFC 3501 5.1.3), one character at a time.
//!
//! Decoding accepts exactly what encoding produces: a printable ASCII character in base64, a shift that closes and
//! opens again, stray bits, half a surrogate pair, a raw byte above 0x7E, are all errors. So two spellings never
//! mean one mailbox, and no separator hides in base64 (safety row N2).

/// Decodes bytes to characters; the first `Err` ends it.
#[derive(Clone)]
pub(crate) struct Decoder<I> {
    bytes: I,
    shifted: bool,
    /// The last byte closed a shift that held something.
    closed: bool,
    bits: u32,
    bit_count: u32,
    /// Something was decoded in this shift.
    filled: bool,
    high: Option<u16>,
}

/// Not canonical modified UTF-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCanonical;

impl<I: Iterator<Item = u8>> Decoder<I> {
    pub(crate) fn new(bytes: I) -> Self {
        Self { bytes, shifted: false, closed: false, bits: 0, bit_count: 0, filled: false, high: None }
    }

    fn unit(&mut self, unit: u16) -> Result<Option<char>, NotCanonical> {
        self.filled = true;
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                char::from_u32(code).map(Some).ok_or(NotCanonical)
            }
            (None, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                Ok(None)
            }
            (None, 0x20..=0x7e) => Err(NotCanonical),
            (None, _) => char::from_u32(u32::from(unit)).map(Some).ok_or(NotCanonical),
            (Some(_), _) => Err(NotCanonical),
        }
    }

    fn step(&mut self) -> Result<Option<char>, NotCanonical> {
        loop {
            let Some(byte) = self.bytes.next() else {
                return if self.shifted { Err(NotCanonical) } else { Ok(None) };
            };
            if !self.shifted {
                match byte {
                    b'&' => {
                        (self.shifted, self.filled, self.bits, self.bit_count) = (true, false, 0, 0);
                        continue;
                    }
                    0x20..=0x7e => {
                        self.closed = false;
                        return Ok(Some(char::from(byte)));
                    }
                    _ => return Err(NotCanonical),
                }
            }
            if byte == b'-' {
                self.shifted = false;
                if !self.filled && self.bit_count == 0 {
                    self.closed = false;
                    return Ok(Some('&'));
                }
                let stray = self.bits & ((1 << self.bit_count) - 1);
                if !self.filled || self.bit_count >= 6 || stray != 0 || self.high.is_some() {
                    return Err(NotCanonical);
                }
                self.closed = true;
                continue;
            }
            if self.closed && !self.filled && self.bit_count == 0 {
                // The shift before ended where this one begins.
                return Err(NotCanonical);
            }
            let value = value_of(byte).ok_or(NotCanonical)?;
            self.bits = (self.bits << 6) | value;
            self.bit_count += 6;
            if self.bit_count >= 16 {
                self.bit_count -= 16;
                let unit = ((self.bits >> self.bit_count) & 0xffff) as u16;
                self.bits &= (1 << self.bit_count) - 1;
                if let Some(decoded) = self.unit(unit)? {
                    return Ok(Some(decoded));
                }
            }
        }
    }
}

impl<I: Iterator<Item = u8>> Iterator for Decoder<I> {
    type Item = Result<char, NotCanonical>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn value_of(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b',' => 63,
        _ => return None,
    })
}

/// Appends the one spelling of `text`.
pub(crate) fn encode(text: &str, out: &mut Vec<u8>) {
    let (mut shifted, mut bits, mut bit_count) = (false, 0_u32, 0_u32);
    let close = |out: &mut Vec<u8>, bits: u32, bit_count: u32| {
        if bit_count > 0 {
            out.push(ALPHABET[((bits << (6 - bit_count)) & 63) as usize]);
        }
        out.push(b'-');
    };
    for character in text.chars() {
        if let ' '..='~' = character {
            if shifted {
                close(out, bits, bit_count);
                shifted = false;
            }
            out.push(character as u8);
            if character == '&' {
                out.push(b'-');
            }
            continue;
        }
        if !shifted {
            out.push(b'&');
            (shifted, bits, bit_count) = (true, 0, 0);
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            bits = (bits << 16) | u32::from(*unit);
            bit_count += 16;
            while bit_count >= 6 {
                bit_count -= 6;
                out.push(ALPHABET[((bits >> bit_count) & 63) as usize]);
                bits &= (1 << bit_count) - 1;
            }
        }
    }
    if shifted {
        close(out, bits, bit_count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(wire: &[u8]) -> Result<String, NotCanonical> {
        Decoder::new(wire.iter().copied()).collect()
    }

    fn encoded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        out
    }

    #[test]
    fn the_examples_of_rfc_3501_decode_and_encode() {
        for (wire, text) in [
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("R&-D", "R&D"),
            ("&AOk-&-&AOk-", "é&é"),
            ("&2D3cTg-", "👎"),
            ("", ""),
        ] {
            assert_eq!(decode(wire.as_bytes()).as_deref(), Ok(text), "{wire}");
            assert_eq!(encoded(text), wire.as_bytes());
        }
    }

    #[test]
    fn n2_what_has_another_spelling_is_refused() {
        // The last four: the superfluous shifts of RFC 3501 5.1.3, a printable character in base64, an encoded
        // hierarchy separator, a raw byte.
        for wire in [
            "&",
            "&AOk",
            "&A-",
            "&AOl-",
            "&AO-",
            "&2D0-",
            "&3E4-",
            "&U,BTFw-&ZeVnLIqe-",
            "&AGE-",
            "&AC8-",
            "\u{e9}",
        ] {
            assert_eq!(decode(wire.as_bytes()), Err(NotCanonical), "{wire}");
        }
    }

    #[test]
    fn n2_every_short_string_is_its_own_encoding_or_an_error() {
        const LETTERS: &[u8] = b"&-AOk,/ a\xe9";
        let mut accepted = 0_u32;
        for length in 0..=6 {
            for number in 0..LETTERS.len().pow(length) {
                let mut rest = number;
                let wire: Vec<u8> = (0..length)
                    .map(|_| {
                        let letter = LETTERS[rest % LETTERS.len()];
                        rest /= LETTERS.len();
                        letter
                    })
                    .collect();
                if let Ok(text) = decode(&wire) {
                    assert_eq!(encoded(&text), wire, "{text:?}");
                    accepted += 1;
                }
            }
        }
        assert!(accepted > 10_000, "the alphabet must reach past the errors: {accepted}");
    }
}
