//! The date of a `Date:` field (RFC 5322 sections 3.3 and 4.3).
//!
//! Words are recognised by their form rather than by their place, so that the order of `asctime`, a missing day name
//! or zone, and the dashes of some gateways do no harm. Comments are skipped. A named zone that RFC 5322 does not know
//! counts as UTC, as the section on obsolete zones asks.

use super::parameter::comment;

/// When a message says it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SentDate {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub utc_seconds: i64,
    /// The sender's distance from UTC, in minutes, east positive.
    pub zone_minutes: i16,
}

impl SentDate {
    /// Reads the value of a `Date:` field; `None` if there is no date in it.
    ///
    /// ```
    /// use mailstore::message::SentDate;
    /// let date = SentDate::parse(b"Fri, 21 Nov 1997 09:55:06 -0600").unwrap();
    /// assert_eq!((date.utc_seconds, date.zone_minutes), (880_127_706, -360));
    /// assert_eq!(date.local_day(), 10_186);
    /// ```
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut found = Found::default();
        let plain = without_comments(value);
        let mut rest = plain.as_slice();
        // More words than any date has are not a date; this also bounds the work.
        for _ in 0..WORDS_MAX {
            let Some(word) = next_word(&mut rest) else { break };
            found.take(word);
        }
        found.date()
    }

    /// The calendar day that the sender saw, in days since 1970-01-01. `SENTBEFORE`, `SENTON` and `SENTSINCE` compare
    /// this one: they disregard time and zone (RFC 3501 section 6.4.4).
    pub fn local_day(&self) -> i64 {
        (self.utc_seconds + i64::from(self.zone_minutes) * 60).div_euclid(86_400)
    }
}

const WORDS_MAX: usize = 32;
const PLAIN_BYTES_MAX: usize = 256;

const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

#[derive(Default)]
struct Found {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    seconds: Option<i64>,
    zone: Option<i16>,
}

impl Found {
    fn take(&mut self, word: &[u8]) {
        match word.first() {
            Some(b'+' | b'-') if self.seconds.is_some() => {
                self.zone = self.zone.or_else(|| numeric_zone(word));
            }
            // A dash before the time is that of `21-Nov-1997`.
            Some(b'+' | b'-') => self.take_number(word.get(1..).unwrap_or_default()),
            Some(first) if first.is_ascii_digit() => self.take_number(word),
            Some(_) if self.month.is_none() => {
                self.month = word
                    .get(..3)
                    .and_then(|w| MONTHS.iter().position(|m| w.eq_ignore_ascii_case(m)))
                    .and_then(|at| i64::try_from(at + 1).ok());
            }
            Some(_) if self.seconds.is_some() && self.zone.is_none() => {
                self.zone = named_zone(word);
            }
            _ => {}
        }
    }

    fn take_number(&mut self, word: &[u8]) {
        if word.contains(&b':') {
            if self.seconds.is_none() {
                self.seconds = time(word);
            }
        } else if self.day.is_none() && word.len() <= 2 {
            self.day = decimal(word);
        } else if self.year.is_none() {
            self.year = year(word);
        }
    }

    fn date(&self) -> Option<SentDate> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        if day < 1 || day > month_days(year, month) {
            return None;
        }
        let zone_minutes = self.zone.unwrap_or(0);
        let local = days_from_civil(year, month, day) * 86_400 + self.seconds.unwrap_or(0);
        Some(SentDate { utc_seconds: local - i64::from(zone_minutes) * 60, zone_minutes })
    }
}

/// The value without comments, and without the white space that obsolete dates may have around the colons of the
/// time (RFC 5322 section 4.3); cut where no date goes on.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first()
        && plain.len() < PLAIN_BYTES_MAX
    {
        rest = tail;
        match byte {
            b'(' => {
                comment(&mut rest);
                plain.push(b' ');
            }
            b':' => {
                plain.truncate(plain.trim_ascii_end().len());
                plain.push(b':');
            }
            // White space behind a colon.
            _ if byte.is_ascii_whitespace() && plain.ends_with(b":") => {}
            _ => plain.push(byte),
        }
    }
    plain
}

/// The next word, past white space and commas. A dash parts two words; before a digit it also begins one, as it may be
/// the sign of a zone.
fn next_word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let parts = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let mut bytes = rest.iter().enumerate();
    let start = bytes.find_map(|(at, byte)| {
        let dash = *byte == b'-' && !rest.get(at + 1).is_some_and(u8::is_ascii_digit);
        (!parts(byte) && !dash).then_some(at)
    })?;
    let word = rest.get(start..)?;
    let length = word
        .iter()
        .skip(1)
        .position(|byte| parts(byte) || matches!(byte, b'-' | b'+'))
        .map_or(word.len(), |at| at + 1);
    let (word, tail) = word.split_at_checked(length)?;
    *rest = tail;
    Some(word)
}

fn decimal(word: &[u8]) -> Option<i64> {
    if word.is_empty() || word.len() > 4 {
        return None;
    }
    word.iter().try_fold(0i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// Two and three digits are obsolete years (RFC 5322 section 4.3).
fn year(word: &[u8]) -> Option<i64> {
    let year = decimal(word)?;
    match word.len() {
        2 if year < 50 => Some(year + 2000),
        2 | 3 => Some(year + 1900),
        4 => Some(year),
        _ => None,
    }
}

fn time(word: &[u8]) -> Option<i64> {
    let mut fields = word.split(|b| *b == b':').map(decimal);
    let hour = fields.next()??;
    let minute = fields.next()??;
    let second = fields.next().unwrap_or(Some(0))?;
    (hour < 24 && minute < 60 && second <= 60 && fields.next().is_none())
        .then_some(hour * 3600 + minute * 60 + second)
}

fn numeric_zone(word: &[u8]) -> Option<i16> {
    let (sign, digits) = word.split_first()?;
    let digits = digits.get(..4)?;
    let value = i16::try_from(decimal(digits)?).ok()?;
    let minutes = value / 100 * 60 + value % 100;
    if value % 100 >= 60 {
        return None;
    }
    Some(if *sign == b'-' { -minutes } else { minutes })
}

fn named_zone(word: &[u8]) -> Option<i16> {
    let hours = match word.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => 0,
    };
    Some(hours * 60)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<(i64, i16)>) {
        let found = SentDate::parse(value.as_bytes()).map(|d| (d.utc_seconds, d.zone_minutes));
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn dates_of_the_standard_and_of_old_software_are_read() {
        check("Thu, 1 Jan 1970 00:00:00 +0000", Some((0, 0)));
        check("Fri, 21 Nov 1997 09:55:06 -0600", Some((880_127_706, -360)));
        check("Tue, 1 Jul 2003 10:52:37 +0200", Some((1_057_049_557, 120)));
        check("21 Nov 97 09:55:06 GMT", Some((880_106_106, 0)));
        check("21 Nov 097 09:55 GMT", Some((880_106_100, 0)));
        check("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", Some((880_127_706, -360)));
        check("Fri, 21 Nov 1997 09:55:06 -0600 (CST (really))", Some((880_127_706, -360)));
        check("21 Nov 1997 09:55:06 EST", Some((880_124_106, -300)));
        check("21 Nov 1997 09:55:06 Z", Some((880_106_106, 0)));
        check("21 Nov 1997 09:55:06 X", Some((880_106_106, 0)));
        check("Fri Nov 21 09:55:06 1997", Some((880_106_106, 0)));
        check("21-Nov-1997 09:55:06 -0600", Some((880_127_706, -360)));
        check("21-Nov-97 09:55:06 -0600", Some((880_127_706, -360)));
        check("29 Feb 2000 12:00:00 +0000", Some((951_825_600, 0)));
        check("31 Dec 2016 23:59:60 +0000", Some((1_483_228_800, 0)));
        check("21 Nov 1997", Some((880_070_400, 0)));
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for value in [
            "",
            " ",
            "(",
            "yesterday",
            "32 Jan 2000 00:00:00 +0000",
            "29 Feb 1900 00:00:00 +0000",
            "0 Jan 2000",
            "1 Foo 2000",
            "Jan 2000",
            "1 Jan 20000",
            "----",
            "+-+-",
            "99999999999999999999 Jan 1",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn the_local_day_disregards_the_zone() {
        let day = |value: &[u8]| SentDate::parse(value).map(|d| d.local_day());
        assert_eq!(day(b"2 Jan 1970 23:59:59 -1200"), Some(1));
        assert_eq!(day(b"2 Jan 1970 00:00:00 +1400"), Some(1));
        assert_eq!(day(b"31 Dec 1969 00:00:00 +0000"), Some(-1));
    }
}
