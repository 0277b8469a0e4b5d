//! Short runs of bytes in a register: what most strings and all numbers are.
//!
//! Up to 16 bytes are loaded into one word, the first in its lowest byte, looked at all at once, and written by one
//! store of a fixed size. A byte at a time, and a call to copy each run, is where encoders spend their time. Digits are
//! read the same way, without a branch a digit. The table of `chars` says what is what; tests hold this to it, byte by
//! byte and place by place.

/// A run of up to 16 bytes, padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    bytes: u128,
    len: usize,
}

/// What a [`Short`] holds at most.
pub(crate) const SHORT_BYTES_MAX: usize = 16;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

const fn all(byte: u8) -> u64 {
    ONES * byte as u64
}

impl Short {
    /// The empty run.
    pub(crate) const NOTHING: Self = Self { bytes: 0, len: 0 };
    /// A space.
    pub(crate) const SPACE: Self = Self::NOTHING.then(b' ');

    /// This run; `None` if it is longer than 16 bytes.
    #[inline(always)]
    pub(crate) fn of(run: &[u8]) -> Option<Self> {
        let len = run.len();
        let bytes = match (run.first_chunk(), run.last_chunk()) {
            // Where the two overlap they are alike.
            (Some(first), Some(last)) if len <= SHORT_BYTES_MAX => {
                u128::from(u64::from_le_bytes(*first))
                    | u128::from(u64::from_le_bytes(*last)) << (8 * (len - 8))
            }
            (Some(_), _) => return None,
            _ => u128::from(below_eight(run)),
        };
        Some(Self { bytes, len })
    }

    /// The digits of a number below 10^8.
    #[inline(always)]
    pub(crate) fn small_decimal(number: u64) -> Self {
        debug_assert!(number < EIGHT_DIGITS_END);
        let digits = eight_digits(number);
        // The last digit stays, zero or not.
        let zeros = ((digits ^ all(b'0')) | 1 << 56).trailing_zeros() / 8;
        Self { bytes: u128::from(digits >> (8 * zeros)), len: 8 - zeros as usize }
    }

    /// The digits of a number below 10^16.
    pub(crate) fn decimal(number: u64) -> Self {
        debug_assert!(number < DECIMAL_END);
        if number < EIGHT_DIGITS_END {
            return Self::small_decimal(number);
        }
        let high = Self::small_decimal(number / EIGHT_DIGITS_END);
        let low = u128::from(eight_digits(number % EIGHT_DIGITS_END));
        Self { bytes: high.bytes | (low << (8 * high.len)), len: high.len + 8 }
    }

    /// All 16 digits of a number below 10^16.
    pub(crate) fn sixteen_digits(number: u64) -> Self {
        let [high, low] = [number / EIGHT_DIGITS_END, number % EIGHT_DIGITS_END].map(eight_digits);
        Self { bytes: u128::from(high) | (u128::from(low) << 64), len: SHORT_BYTES_MAX }
    }

    /// With a byte in front of it; the last byte of a full one is lost.
    #[inline(always)]
    pub(crate) fn behind(self, byte: u8) -> Self {
        Self { bytes: (self.bytes << 8) | u128::from(byte), len: self.len + 1 }
    }

    /// Both runs, which have eight bytes at most each.
    #[inline(always)]
    pub(crate) fn followed_by(self, next: Self) -> Self {
        debug_assert!(self.len <= 8 && next.len <= 8);
        Self { bytes: self.bytes | (next.bytes << (8 * self.len)), len: self.len + next.len }
    }

    /// `run` between quotes, behind `lead`, if all of it may stand between quotes as it is and there is room.
    #[inline(always)]
    pub(crate) fn quoted(lead: Self, run: &[u8]) -> Option<Self> {
        if lead.len + run.len() + 2 > SHORT_BYTES_MAX {
            return None;
        }
        let run = Self::of(run)?;
        run.is_plain_quotable().then(|| {
            let opened = lead.then(b'"');
            let bytes = opened.bytes | run.bytes << (8 * opened.len);
            Self { bytes, len: opened.len + run.len }.then(b'"')
        })
    }

    /// `run`, below 16 bytes long, and a quote.
    #[inline(always)]
    pub(crate) fn closed(run: &[u8]) -> Self {
        debug_assert!(run.len() < SHORT_BYTES_MAX);
        Self::of(run).unwrap_or(Self::NOTHING).then(b'"')
    }

    /// With a byte behind it, where there is room.
    #[inline(always)]
    const fn then(self, byte: u8) -> Self {
        Self { bytes: self.bytes | (byte as u128) << (8 * self.len), len: self.len + 1 }
    }

    /// True if it is printable ASCII without quotes and backslashes.
    #[inline(always)]
    fn is_plain_quotable(self) -> bool {
        // What lies behind the run must not be what decides.
        let behind = PADDING.get(self.len).copied().unwrap_or_default();
        let [low, high] = words(self.bytes | behind);
        (not_plain(low) | not_plain(high)) == 0
    }

    /// The run, padded with bytes of no meaning, and its length.
    #[inline(always)]
    pub(crate) fn block(self) -> ([u8; SHORT_BYTES_MAX], usize) {
        (self.bytes.to_le_bytes(), self.len)
    }
}

/// For each length, an ordinary letter at every place behind it.
const PADDING: [u128; SHORT_BYTES_MAX] = {
    let mut table = [u128::from_le_bytes([b'a'; 16]); SHORT_BYTES_MAX];
    let mut len = 1;
    while len < table.len() {
        table[len] = table[len - 1] << 8;
        len += 1;
    }
    table
};

/// Both halves of a run, the first bytes first.
#[inline(always)]
const fn words(bytes: u128) -> [u64; 2] {
    const LOW: u128 = u64::MAX as u128;
    // Lossless: each half is cut to its size.
    #[allow(clippy::cast_possible_truncation)]
    [(bytes & LOW) as u64, (bytes >> 64) as u64]
}

/// Where [`Short::decimal`] ends.
pub(crate) const DECIMAL_END: u64 = 10_u64.pow(16);

/// Below this, a number and a mark in front of it are eight bytes.
pub(crate) const SEVEN_DIGITS_END: u64 = 10_u64.pow(7);

/// Most numbers are below this.
pub(crate) const EIGHT_DIGITS_END: u64 = 10_u64.pow(8);

/// All digits of a number below 10^8, the first in the lowest byte.
#[inline(always)]
const fn eight_digits(number: u64) -> u64 {
    // The whole is cut into fours of digits, each in its half of the word, the fours into pairs, the pairs into digits.
    // The multiplications divide: 10486 / 2^20 is 1/100 for what is below 10^4, 103 / 2^10 is 1/10 below 100.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | ((pairs - tens * 10) << 8)) + all(b'0')
}

/// Up to seven bytes as a word.
#[inline]
fn below_eight(run: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (run.first_chunk(), run.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (run.len() - 4));
    }
    match *run {
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        _ => 0,
    }
}

/// The digits in front of a run, eight of them at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leading {
    word: u64,
    bits: u32,
}

impl Leading {
    #[inline(always)]
    pub(crate) fn of(run: &[u8]) -> Self {
        let word = match run.first_chunk() {
            Some(first) => u64::from_le_bytes(*first),
            None => below_eight(run),
        };
        let digits = word ^ all(b'0');
        // What is above 9 gets its high bit set; a carry goes only into bytes behind the first that has.
        let others = (digits | digits.wrapping_add(all(0x80 - 10))) & HIGHS;
        Self { word, bits: others.trailing_zeros() & !7 }
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn count(self) -> usize {
        self.bits as usize / 8
    }

    /// True if the first of them is a zero.
    #[inline(always)]
    pub(crate) fn begins_with_zero(self) -> bool {
        self.word & 0xff == u64::from(b'0')
    }

    /// The digits in front of the first space, where nothing but digits and spaces is and a space follows within eight
    /// bytes: what is found with fewer steps, since the next look waits for this one.
    #[inline(always)]
    pub(crate) fn before_space(run: &[u8]) -> Option<Self> {
        let word = u64::from_le_bytes(*run.first_chunk()?);
        // The lowest byte that gets a high bit is a space; what it borrows may give one to those behind it.
        let spaces = (word ^ all(b' ')).wrapping_sub(ONES) & HIGHS;
        (spaces != 0).then(|| Self { word, bits: spaces.trailing_zeros() & !7 })
    }

    /// The number they are.
    #[inline(always)]
    pub(crate) fn value(self) -> u32 {
        // What is shifted in below the first digit counts as leading zeros.
        let digits = (self.word ^ all(b'0')).unbounded_shl(64 - self.bits);
        // Neighbours become pairs, pairs become fours, fours the whole.
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
        let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
        // Eight digits are less than 2^27.
        (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0x07ff_ffff) as u32
    }
}

/// True if `run` is numbers of up to nine digits, none beginning with a zero, each behind one space: what a list of
/// message numbers is, nearly always. Others may be good, too, and must be looked at again.
///
/// Eight bytes are looked at wherever numbers begin and end in them, so no look waits for the one before.
pub(crate) fn is_plain_numbers(run: &[u8]) -> bool {
    let (words, rest) = run.as_chunks();
    let mut numbers = Numbers { named: 0, spaces: 0, digits: 0 };
    words.iter().for_each(|word| numbers.look_at(u64::from_le_bytes(*word), u64::MAX));
    // Spaces fill the last word, and do not count as doubled.
    let behind = u64::MAX << (8 * rest.len());
    numbers.look_at(below_eight(rest) | (all(b' ') & behind), !behind);
    numbers.named == 0 && (run.is_empty() || (run.starts_with(b" ") && !run.ends_with(b" ")))
}

/// What has been seen of a list of numbers.
struct Numbers {
    /// Not zero if something must be looked at again.
    named: u64,
    /// The spaces in the word before, as high bits.
    spaces: u64,
    /// How many digits ended it.
    digits: u32,
}

impl Numbers {
    #[inline(always)]
    fn look_at(&mut self, word: u64, within: u64) {
        let others = not_digit(word);
        let spaces = !nonzero(word ^ all(b' ')) & HIGHS;
        let behind_spaces = (spaces << 8) | (self.spaces >> 56);
        let zeros = !nonzero(word ^ all(b'0'));
        self.named |= (others ^ spaces) | ((zeros | (spaces & within)) & behind_spaces);
        let front = others.trailing_zeros() / 8;
        let run = self.digits + front;
        self.named |= u64::from(run > 9);
        self.digits = if others == 0 { run } else { others.leading_zeros() / 8 };
        self.spaces = spaces;
    }
}

/// The high bit of every byte that is not a digit.
#[inline(always)]
const fn not_digit(bytes: u64) -> u64 {
    let digits = bytes ^ all(b'0');
    (((digits & !HIGHS) + all(0x80 - 10)) | digits) & HIGHS
}

/// The high bit of every byte that is not 0.
#[inline(always)]
const fn nonzero(bytes: u64) -> u64 {
    (((bytes & !HIGHS) + !HIGHS) | bytes) & HIGHS
}

/// True if a run is printable ASCII without quotes and backslashes.
#[inline]
pub(crate) fn is_plain_quotable(run: &[u8]) -> bool {
    let (words, _) = run.as_chunks();
    let named = words.iter().fold(0, |named, word| named | not_plain(u64::from_le_bytes(*word)));
    match run.last_chunk() {
        Some(last) => named | not_plain(u64::from_le_bytes(*last)) == 0,
        None => Short::of(run).is_some_and(Short::is_plain_quotable),
    }
}

/// Nonzero if among the eight bytes is a control byte, a quote, a backslash, or one above `~`.
#[inline(always)]
const fn not_plain(bytes: u64) -> u64 {
    // A byte above `~` has its high bit set, DEL once one is added. Of the others, only one that is too small for the
    // subtraction gets a high bit; what it borrows makes its neighbour wrong, when the answer is known already.
    let controls = bytes.wrapping_sub(all(b' '));
    let quotes = (bytes ^ all(b'"')).wrapping_sub(ONES);
    let backslashes = (bytes ^ all(b'\\')).wrapping_sub(ONES);
    (controls | quotes | backslashes | bytes.wrapping_add(ONES) | bytes) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chars;

    fn bytes(short: Short) -> Vec<u8> {
        let (block, len) = short.block();
        block[..len].to_vec()
    }

    #[test]
    fn runs_come_back_as_they_were_up_to_sixteen_bytes() {
        let text = b"0123456789abcdefg";
        for len in 0..=SHORT_BYTES_MAX {
            assert_eq!(bytes(Short::of(&text[..len]).unwrap()), &text[..len]);
        }
        assert_eq!(Short::of(text), None);
    }

    #[test]
    fn every_byte_at_every_place_is_judged_as_the_table_judges() {
        for len in 1..40 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut run = vec![b'x'; len];
                    run[at] = byte;
                    let plain = chars::is_plain_quotable(byte);
                    assert_eq!(is_plain_quotable(&run), plain, "{run:?}");
                    for (lead, wire) in [(Short::NOTHING, &b"\""[..]), (Short::SPACE, b" \"")] {
                        let quoted = [wire, &run[..], b"\""].concat();
                        let quoted = (plain && quoted.len() <= SHORT_BYTES_MAX).then_some(quoted);
                        assert_eq!(Short::quoted(lead, &run).map(bytes), quoted, "{run:?}");
                    }
                }
            }
        }
        assert!(is_plain_quotable(b""));
        assert_eq!(Short::quoted(Short::NOTHING, b"").map(bytes), Some(b"\"\"".to_vec()));
        assert_eq!(bytes(Short::closed(b"0123456789abcde")), b"0123456789abcde\"");
    }

    #[test]
    fn pairs_of_bytes_do_not_hide_each_other() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let run = [b'x', first, second, b'y'];
                let plain = run.iter().all(|&b| chars::is_plain_quotable(b));
                assert_eq!(is_plain_quotable(&run), plain, "{run:?}");
            }
        }
    }

    fn leading(run: &[u8]) -> (u32, usize) {
        let digits = Leading::of(run);
        (digits.value(), digits.count())
    }

    #[test]
    fn two_runs_become_one() {
        let [mut from, to] = [1_234_567, 89].map(Short::small_decimal);
        from = from.behind(b',');
        assert_eq!(bytes(from.followed_by(to.behind(b':'))), b",1234567:89");
        assert_eq!(bytes(from.followed_by(from)), b",1234567,1234567");
    }

    #[test]
    fn digits_in_front_are_read_up_to_whatever_is_no_digit() {
        for digits in
            ["", "0", "7", "42", "007", "999", "1234", "99999", "123456", "9999999", "12345678", "00000000"]
        {
            let number = (digits.parse().unwrap_or_default(), digits.len());
            assert_eq!(leading(digits.as_bytes()), number);
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                for behind in [&b""[..], b"1", b"99999999", &[0xff; 9], b"::::::::"] {
                    let run = [digits.as_bytes(), &[other], behind].concat();
                    assert_eq!(leading(&run), number, "{run:?}");
                    let spaced =
                        Leading::before_space(&run).map(|leading| (leading.value(), leading.count()));
                    let has_space = other == b' ' && digits.len() < 8 && run.len() >= 8;
                    assert!(!has_space || spaced == Some(number), "{run:?}");
                }
            }
        }
        assert_eq!(leading(b"123456789"), (12_345_678, 8));
        assert!([&b"12"[..], b"12 3", b"12345678 "].iter().all(|run| Leading::before_space(run).is_none()));
    }

    #[test]
    fn plain_numbers_are_told_from_what_must_be_looked_at_again() {
        for plain in ["", " 1", " 7 10", " 999999999 999999999 1", " 2 84 882 100000000 90"] {
            assert!(is_plain_numbers(plain.as_bytes()), "{plain:?}");
        }
        let others =
            ["0", "01", "1 0", "1234567890", "4294967296", "1,2", "1/", "1:", "-1", "1\t2", "\u{b1}", " 1"];
        for ahead in (0..20).map(|count| " 7".repeat(count)) {
            for behind in ["", " 5", " 1234567 89"] {
                for plain in [" 10", " 123456789"] {
                    assert!(is_plain_numbers(format!("{ahead}{plain}{behind}").as_bytes()));
                }
                for other in others {
                    let run = format!("{ahead} {other}{behind}");
                    assert!(!is_plain_numbers(run.as_bytes()), "{run}");
                }
                assert!(!is_plain_numbers(format!("{ahead}{behind} ").as_bytes()));
                assert!(!is_plain_numbers(format!("1{ahead}{behind}").as_bytes()));
            }
        }
        // Every byte at every place.
        for at in 0..20 {
            for byte in 0..=u8::MAX {
                let mut run = *b" 1 23 456 7891 23456";
                run[at] = byte;
                let digits = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
                let number = |word: &str| digits(word) && !word.starts_with('0') && word.len() < 10;
                let text = std::str::from_utf8(&run).ok().and_then(|text| text.strip_prefix(' '));
                let plain = text.is_some_and(|text| text.split(' ').all(number));
                assert_eq!(is_plain_numbers(&run), plain, "{run:?}");
            }
        }
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let powers = (0..16).map(|exponent| 10_u64.pow(exponent));
        for number in
            powers.flat_map(|power| [power - 1, power, power + 1, power / 7]).chain([DECIMAL_END - 1])
        {
            assert_eq!(bytes(Short::decimal(number)), number.to_string().as_bytes());
            assert_eq!(bytes(Short::sixteen_digits(number)), format!("{number:016}").as_bytes());
        }
    }
}
