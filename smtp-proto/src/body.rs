//! What a message is made of: BODY of MAIL (RFC 6152, RFC 3030).

use std::fmt;

use mail_wire::InvalidMessage;

/// What the message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Body {
    /// `7BIT`, also what the absence of the parameter means.
    #[default]
    SevenBit,
    /// `8BITMIME`: lines with bytes above 0x7F.
    EightBitMime,
    /// `BINARYMIME`: any bytes, lines or not. Such a message is carried by BDAT only.
    BinaryMime,
}

impl Body {
    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        let body = match value.len() {
            4 => Self::SevenBit,
            8 => Self::EightBitMime,
            _ => Self::BinaryMime,
        };
        if body.name().eq_ignore_ascii_case(value) {
            Ok(body)
        } else {
            Err(InvalidMessage::new("7BIT, 8BITMIME or BINARYMIME expected", 0))
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
