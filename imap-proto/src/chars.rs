//! The character classes of RFC 3501 section 9, as one table.

/// What a byte means to the tokeniser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Word,
    Space,
    Open,
    Close,
    Quote,
    Brace,
    /// `~` and `]`: bytes of a word that may be more at its beginning.
    Mark,
    Control,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Word; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = Class::Control;
        byte += 1;
    }
    table[0x7f] = Class::Control;
    table[b' ' as usize] = Class::Space;
    table[b'(' as usize] = Class::Open;
    table[b')' as usize] = Class::Close;
    table[b'"' as usize] = Class::Quote;
    table[b'{' as usize] = Class::Brace;
    table[b'~' as usize] = Class::Mark;
    table[b']' as usize] = Class::Mark;
    table
};

const WORD: u8 = 1;
const ATOM: u8 = 2;
const ASTRING: u8 = 4;
const TAG: u8 = 8;
const PATTERN: u8 = 16;
const QUOTED: u8 = 32;
const PLAIN_QUOTED: u8 = 64;
const QUOTED_STOP: u8 = 128;

const FLAGS: [u8; 256] = {
    let mut table = [0_u8; 256];
    let mut b: u8 = 0;
    loop {
        let mut flags = 0;
        if b > 0x20 && b != 0x7f && b != b'(' && b != b')' && b != b'"' {
            flags |= WORD;
        }
        if b > 0x20 && b < 0x7f && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']') {
            flags |= ATOM | ASTRING | PATTERN;
            if b != b'+' {
                flags |= TAG;
            }
        }
        if b == b']' {
            flags |= ASTRING | PATTERN | TAG;
        }
        if matches!(b, b'%' | b'*') {
            flags |= PATTERN;
        }
        if b >= 0x20 && b < 0x7f {
            flags |= QUOTED;
            if !matches!(b, b'"' | b'\\') {
                flags |= PLAIN_QUOTED;
            }
        }
        if matches!(b, b'"' | b'\\' | 0 | b'\r' | b'\n') || b >= 0x80 {
            flags |= QUOTED_STOP;
        }
        table[b as usize] = flags;
        if b == u8::MAX {
            break;
        }
        b += 1;
    }
    table
};

#[inline]
pub(crate) fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

#[inline]
pub(crate) fn continues_word(byte: u8) -> bool {
    FLAGS[usize::from(byte)] & WORD != 0
}

fn all(bytes: &[u8], flag: u8) -> bool {
    bytes.iter().all(|&b| FLAGS[usize::from(b)] & flag != 0)
}

/// `atom`: at least one ATOM-CHAR.
pub(crate) fn is_atom(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, ATOM)
}

/// The unquoted form of `astring`.
pub(crate) fn is_astring_atom(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, ASTRING)
}

/// The unquoted form of `list-mailbox`.
pub(crate) fn is_pattern_atom(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, PATTERN)
}

/// `tag`: ASTRING-CHARs without `+`.
pub(crate) fn is_tag(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TAG)
}

/// May stand between quotes in a string of ours: printable ASCII.
pub(crate) fn is_quotable(byte: u8) -> bool {
    FLAGS[usize::from(byte)] & QUOTED != 0
}

/// The same without need of a backslash.
#[cfg(test)]
pub(crate) fn is_plain_quotable(byte: u8) -> bool {
    FLAGS[usize::from(byte)] & PLAIN_QUOTED != 0
}

/// Ends a run of ordinary bytes in a quoted string: its quote, a backslash, a byte above 127, or what no string may
/// hold.
#[inline]
pub(crate) fn ends_quoted_run(byte: u8) -> bool {
    FLAGS[usize::from(byte)] & QUOTED_STOP != 0
}

pub(crate) use crate::runs::{key, number};

/// Declares keywords as constants to match a [`key`] against.
macro_rules! keys {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(const $name: u128 = $crate::chars::key($text.as_bytes());)*
    };
}
pub(crate) use keys;
