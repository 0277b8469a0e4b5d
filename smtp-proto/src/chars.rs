//! Which bytes may stand where (RFC 5321 4.1.2, RFC 6531 3.3), as one table.
//!
//! Bytes above 0x7F belong to characters of UTF-8 text that was checked before; they stand wherever RFC 6531 lets them.

use mail_wire::InvalidMessage;

/// `atext`.
pub(crate) const ATEXT: u8 = 1;
/// Letters, digits, `-`, and `_`, which is in no host name but in names of hosts that send mail.
pub(crate) const LABEL: u8 = 2;
/// Letters, digits, `-`.
pub(crate) const KEYWORD: u8 = 4;
/// `esmtp-value`: visible, but `=`.
pub(crate) const VALUE: u8 = 8;
/// What `xtext` writes as it is: visible ASCII but `+` and `=`.
pub(crate) const XCHAR: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut b = 0_u8;
    loop {
        let byte = b as usize;
        let alphanumeric = b.is_ascii_alphanumeric();
        let above = b > 0x7f;
        let special = matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        );
        if alphanumeric || special || above {
            classes[byte] |= ATEXT;
        }
        if alphanumeric || matches!(b, b'-' | b'_') || above {
            classes[byte] |= LABEL;
        }
        if alphanumeric || b == b'-' {
            classes[byte] |= KEYWORD;
        }
        if (b.is_ascii_graphic() && b != b'=') || above {
            classes[byte] |= VALUE;
        }
        if b.is_ascii_graphic() && b != b'+' && b != b'=' {
            classes[byte] |= XCHAR;
        }
        if b == u8::MAX {
            break classes;
        }
        b += 1;
    }
};

/// True if the byte is of this class.
pub(crate) fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// How many leading bytes are of this class.
pub(crate) fn span(class: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is(class, *byte)).unwrap_or(bytes.len())
}

/// The text without the spaces in front.
pub(crate) fn skip_spaces(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix(' ') {
        text = rest;
    }
    text
}

/// Refuses control characters above 0x7F. Those below stand in no class.
pub(crate) fn refuse_controls(text: &str) -> Result<(), InvalidMessage> {
    if text.is_ascii() {
        return Ok(());
    }
    match text.char_indices().find(|(_, c)| c.is_control() && !c.is_ascii()) {
        Some((at, _)) => Err(InvalidMessage::new("printable text expected", at)),
        None => Ok(()),
    }
}
