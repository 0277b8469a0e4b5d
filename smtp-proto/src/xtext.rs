//! xtext (RFC 3461 4): printable text in the value of a parameter.

use std::borrow::Cow;
use std::fmt;

use mail_wire::InvalidMessage;

use crate::chars::{XCHAR, is, span};

/// A value in xtext, as it stands on the line. What it hides is printable ASCII: a CR or LF that came out of xtext has
/// become a second line of somebody's queue file before (safety rows E3, E5).
///
/// ```
/// use smtp_proto::Xtext;
/// assert_eq!(Xtext::new("e+2Bmc2+3Dx+20y")?.decode(), "e+mc2=x y");
/// assert!(Xtext::new("a+0Ab").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xtext<'a>(&'a str);

impl<'a> Xtext<'a> {
    /// Checks the text.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        let bytes = text.as_bytes();
        // Most values hide nothing.
        let mut at = span(XCHAR, bytes);
        while let Some(byte) = bytes.get(at) {
            let taken = match byte {
                b'+' if matches!(hidden(bytes, at), Some(0x20..0x7f)) => 3,
                byte if is(XCHAR, *byte) => 1,
                _ => return Err(InvalidMessage::new("xtext expected", at)),
            };
            at += taken;
        }
        Ok(Self(text))
    }

    /// As on the line.
    #[must_use]
    pub fn as_wire(self) -> &'a str {
        self.0
    }

    /// What it says; allocates only where something is hidden.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        if !self.0.contains('+') {
            return Cow::Borrowed(self.0);
        }
        let bytes = self.0.as_bytes();
        let (mut text, mut at) = (String::with_capacity(bytes.len()), 0);
        while let Some(byte) = bytes.get(at) {
            let hidden = if *byte == b'+' { hidden(bytes, at) } else { None };
            text.push(char::from(hidden.unwrap_or(*byte)));
            at += if hidden.is_some() { 3 } else { 1 };
        }
        Cow::Owned(text)
    }
}

/// The byte that `+XX` at this place hides. Upper case only.
fn hidden(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    match bytes.get(at + 1..at + 3)? {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// Writes printable text as xtext: `+`, `=`, spaces and all else that is not visible ASCII become `+XX`.
///
/// ```
/// use smtp_proto::encode_xtext;
/// assert_eq!(encode_xtext("e+mc2=x y"), "e+2Bmc2+3Dx+20y");
/// ```
#[must_use]
pub fn encode_xtext(text: &str) -> String {
    Encoded(text).to_string()
}

/// Text that is displayed as xtext.
pub(crate) struct Encoded<'a>(pub(crate) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| {
            if is(XCHAR, byte) { write!(f, "{}", char::from(byte)) } else { write!(f, "+{byte:02X}") }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn e3_xtext_never_decodes_to_a_control_byte() {
        for hidden in (0..0x20_u8).chain(0x7f..=0xff) {
            assert!(Xtext::new(&format!("a+{hidden:02X}b")).is_err(), "{hidden}");
        }
        for bad in ["+", "+4", "+4g", "+4a", "a=b", "a b", "\u{e9}"] {
            assert!(Xtext::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn xtext_reads_back_as_it_was(text in "[ -~]{0,50}") {
            let wire = encode_xtext(&text);
            prop_assert_eq!(Xtext::new(&wire)?.decode(), text);
        }
    }
}
