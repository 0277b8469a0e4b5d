//! Where runs of bytes end, and what short words and numbers are, looked at eight bytes at a time.
//!
//! Bytes are loaded into a word, the first in its lowest byte, and all eight are compared by arithmetic on the word. The
//! comparison may name bytes too many, never too few; each that it names is looked up in the table of `chars`, which
//! alone says what ends a run.

// Words are taken apart by casts that mean to cut.
#![allow(clippy::cast_possible_truncation)]

use crate::chars;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

const fn all(byte: u8) -> u64 {
    ONES * byte as u64
}

/// The eight bytes of `frame` from `at` on, with zeros for what is behind its end.
// An offset of 32 bits cannot overflow when eight is added, so one comparison guards the load.
#[inline(always)]
pub(crate) fn load(frame: &[u8], at: u32) -> u64 {
    let at = at as usize;
    match frame.get(at..at + 8).and_then(|chunk| chunk.try_into().ok()) {
        Some(chunk) => u64::from_le_bytes(chunk),
        None => load_end(frame, at),
    }
}

#[inline(never)]
fn load_end(frame: &[u8], at: usize) -> u64 {
    let rest = frame.get(at..).unwrap_or_default();
    match frame.last_chunk() {
        // The last eight bytes end where `rest` ends.
        Some(chunk) if !rest.is_empty() => u64::from_le_bytes(*chunk) >> (64 - 8 * rest.len()),
        _ => short(rest),
    }
}

/// Up to seven bytes as a word; of more, some.
#[inline]
const fn short(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // Where the two overlap they are alike.
        let (first, last) = (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64);
        return first | last << (8 * (bytes.len() - 4) % 64);
    }
    match *bytes {
        [a] => a as u64,
        [a, b] => a as u64 | (b as u64) << 8,
        [a, b, c] => a as u64 | (b as u64) << 8 | (c as u64) << 16,
        _ => 0,
    }
}

/// Where the word that goes on at `at` ends; `bytes` is what was loaded there.
#[inline(always)]
pub(crate) fn word_end(frame: &[u8], at: u32, bytes: u64) -> u32 {
    let (mut end, mut bytes) = (at, bytes);
    loop {
        // Everything that ends a word is below `*`, or DEL.
        let mut named = (bytes.wrapping_sub(all(b'*')) | bytes.wrapping_add(ONES)) & HIGHS;
        while named != 0 {
            let bit = named.trailing_zeros();
            if !chars::continues_word(byte_below(bytes, bit)) {
                return end + bit / 8;
            }
            named &= named - 1;
        }
        end += 8;
        bytes = load(frame, end);
    }
}

/// Where the run of ordinary bytes of a quoted string that goes on at `at` ends: at its quote, at a backslash, at a byte
/// above 127, at what no string may hold or at the end of the frame. With the byte there, 0 behind the frame.
#[inline(always)]
pub(crate) fn quoted_run_end(frame: &[u8], at: u32) -> (u32, u8) {
    let mut end = at;
    loop {
        let start = end as usize;
        let Some(chunk) = frame.get(start..start + 16).and_then(<[_]>::first_chunk) else {
            return quoted_run_tail(frame, end);
        };
        let bytes = u128::from_le_bytes(*chunk);
        let mut named = quoted_stops(bytes as u64);
        if named == 0 {
            end += 8;
            named = quoted_stops((bytes >> 64) as u64);
            if named == 0 {
                end += 8;
                continue;
            }
        }
        end += named.trailing_zeros() / 8;
        let byte = frame.get(end as usize).copied().unwrap_or_default();
        if byte == b'"' || chars::ends_quoted_run(byte) {
            return (end, byte);
        }
        end += 1;
    }
}

/// The same where fewer than sixteen bytes are left.
#[inline(never)]
fn quoted_run_tail(frame: &[u8], at: u32) -> (u32, u8) {
    let mut end = at;
    loop {
        let mut named = quoted_stops(load(frame, end));
        while named != 0 {
            let stop = end + named.trailing_zeros() / 8;
            let byte = frame.get(stop as usize).copied().unwrap_or_default();
            if chars::ends_quoted_run(byte) {
                return (stop, byte);
            }
            named &= named - 1;
        }
        end += 8;
    }
}

#[inline(always)]
fn quoted_stops(bytes: u64) -> u64 {
    let quotes = (bytes ^ all(b'"')).wrapping_sub(ONES);
    let backslashes = (bytes ^ all(b'\\')).wrapping_sub(ONES);
    let controls = bytes.wrapping_sub(all(b' '));
    // Bytes above 127 stop too.
    (quotes | backslashes | controls | bytes) & HIGHS
}

/// The byte whose highest bit is this one.
#[inline(always)]
fn byte_below(bytes: u64, bit: u32) -> u8 {
    (bytes >> (bit & 56)) as u8
}

/// Whether the first three of these bytes read NIL.
#[inline(always)]
pub(crate) fn is_nil(bytes: u64) -> bool {
    const LOWER: u64 = 0x20_2020;
    const NIL: u64 = u64::from_le_bytes(*b"nil\0\0\0\0\0");
    (bytes & 0xff_ffff) | LOWER == NIL
}

/// Whether the first four of these bytes are `NIL` as every server writes it and a space: a third of all words in a
/// FETCH reply, told without a look at their end.
#[inline(always)]
pub(crate) fn is_nil_and_space(bytes: u64) -> bool {
    bytes as u32 == u32::from_le_bytes(*b"NIL ")
}

/// ASCII letters in upper case, the rest as it is.
#[inline(always)]
const fn upper(bytes: u64) -> u64 {
    // Most keywords come in upper case: no byte has both bits that every letter in lower case has.
    if bytes & bytes << 1 & all(0x40) == 0 {
        return bytes;
    }
    let low = bytes & !HIGHS;
    let above_z = low.wrapping_add(all(0x7f - b'z'));
    let from_a = low.wrapping_add(all(0x80 - b'a'));
    let letters = from_a & !above_z & !bytes & HIGHS;
    bytes ^ (letters >> 2)
}

/// A keyword of up to 16 letters as a number, without regard to case. Longer ones are 0.
#[inline]
pub(crate) const fn key(word: &[u8]) -> u128 {
    let (low, high) = match (word.first_chunk(), word.last_chunk()) {
        (Some(first), Some(last)) => {
            let high = match word.len() {
                8 => 0,
                len @ 9..=16 => u64::from_le_bytes(*last) >> (8 * (16 - len)),
                _ => return 0,
            };
            (u64::from_le_bytes(*first), high)
        }
        _ => (short(word), 0),
    };
    if high == 0 { upper(low) as u128 } else { upper(low) as u128 | (upper(high) as u128) << 64 }
}

/// The number that these digits are. No sign, no more digits than fit.
#[inline]
pub(crate) fn number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    let value = if digits.len() <= 8 { short_number(digits)? } else { long_number(digits)? };
    T::try_from(value).ok()
}

#[inline]
fn short_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let bytes = match digits.first_chunk() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => short(digits),
    };
    // The first digit is the lowest byte; what is shifted in below it counts as leading zeros.
    let digits = (bytes ^ all(b'0')) << (64 - 8 * digits.len());
    if (digits | digits.wrapping_add(all(0x80 - 10))) & HIGHS != 0 {
        return None;
    }
    // Neighbours become pairs, pairs become fours, fours the whole.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

fn long_number(digits: &[u8]) -> Option<u64> {
    if digits.len() > 20 {
        return None;
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place among ordinary ones, in frames that end anywhere.
    fn frames() -> impl Iterator<Item = (Vec<u8>, usize)> {
        (0..=255_u8).flat_map(|byte| {
            (0..18).flat_map(move |at| {
                (at + 1..20).map(move |len| {
                    let mut frame = vec![b'x'; len];
                    frame[at] = byte;
                    (frame, at)
                })
            })
        })
    }

    #[test]
    fn runs_end_where_the_table_says() {
        for (mut frame, at) in frames() {
            for neighbour in [b'x', b'#', 0xff, 0x80, b'!', b'~'] {
                if let Some(next) = frame.get_mut(at + 1) {
                    *next = neighbour;
                }
                for start in 0..frame.len() {
                    let rest = &frame[start..];
                    let word = rest.iter().position(|&b| !chars::continues_word(b)).unwrap_or(rest.len());
                    let at = u32::try_from(start).unwrap();
                    assert_eq!(
                        word_end(&frame, at, load(&frame, at)) as usize,
                        start + word,
                        "{frame:?} from {at}"
                    );
                    let run = rest.iter().position(|&b| chars::ends_quoted_run(b)).unwrap_or(rest.len());
                    let byte = rest.get(run).copied().unwrap_or_default();
                    let (end, ending) = quoted_run_end(&frame, at);
                    assert_eq!((end as usize, ending), (start + run, byte), "{frame:?} from {at}");
                }
            }
        }
    }

    #[test]
    fn what_is_behind_the_end_reads_as_zeros() {
        let frame: Vec<u8> = (1..=20).collect();
        for len in 0..frame.len() {
            for at in 0..len + 10 {
                let bytes: [u8; 8] =
                    std::array::from_fn(|n| frame[..len].get(at + n).copied().unwrap_or_default());
                let at = u32::try_from(at).unwrap();
                assert_eq!(load(&frame[..len], at), u64::from_le_bytes(bytes), "{at} of {len}");
            }
        }
    }

    #[test]
    fn keys_differ_unless_only_case_does() {
        let text = b"BODY[\\{|}~.=-+1A";
        for len in 0..=text.len() {
            let word = &text[..len];
            assert_eq!(key(word), key(&word.to_ascii_lowercase()));
            for at in 0..len {
                for byte in 0..=255 {
                    let mut other = word.to_vec();
                    other[at] = byte;
                    let alike = byte.eq_ignore_ascii_case(&word[at]);
                    assert_eq!(key(&other) == key(word), alike, "{other:?}");
                }
            }
            assert!((0..len).all(|shorter| key(&text[..shorter]) != key(word)));
        }
        assert_eq!(key(b"seventeen letters"), 0);
        assert_ne!(key(b"AUTHENTIENTICATE"), key(b"AUTHENTICATE"));
    }

    #[test]
    fn numbers_are_digits_within_their_range() {
        for (text, number_64, number_32) in [
            ("", None, None),
            ("0", Some(0), Some(0)),
            ("007", Some(7), Some(7)),
            ("1234567", Some(1_234_567), Some(1_234_567)),
            ("9999999", Some(9_999_999), Some(9_999_999)),
            ("12345678", Some(12_345_678), Some(12_345_678)),
            ("4294967295", Some(4_294_967_295), Some(4_294_967_295)),
            ("4294967296", Some(4_294_967_296), None),
            ("18446744073709551615", Some(u64::MAX), None),
            ("18446744073709551616", None, None),
            ("000000000000000000001", None, None),
            ("+1", None, None),
            ("12:4", None, None),
            ("12/", None, None),
            ("1\u{e9}", None, None),
        ] {
            assert_eq!(number::<u64>(text.as_bytes()), number_64, "{text}");
            assert_eq!(number::<u32>(text.as_bytes()), number_32, "{text}");
        }
        for digits in 1..=9 {
            for at in 0..digits {
                for byte in 0..=255_u8 {
                    let mut text = vec![b'9'; digits];
                    text[at] = byte;
                    let wanted = std::str::from_utf8(&text).ok().filter(|_| byte.is_ascii_digit());
                    assert_eq!(number::<u64>(&text), wanted.and_then(|text| text.parse().ok()), "{text:?}");
                }
            }
        }
    }
}
