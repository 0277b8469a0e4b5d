//! Dates (RFC 3501 9: `date`, `date-time`): the calendar, checked, and seconds of the epoch from it.
//!
//! ```
//! use imap_proto::{Date, DateTime};
//! let moment = DateTime::new("17-Jul-1996 02:44:25 -0700")?;
//! assert_eq!((moment.date(), moment.zone_minutes()), (Date::of(1996, 7, 17).unwrap(), -420));
//! assert_eq!(moment.to_unix_seconds(), 837_596_665);
//! assert_eq!(DateTime::from_unix_seconds(837_596_665, -420), Some(moment));
//! assert!(DateTime::new("29-Feb-1900 00:00:00 +0000").is_err());
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::string::IString;

/// A day: `1-Feb-1994`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A moment and the zone it is told in: `" 1-Feb-1994 21:52:25 -0800"`.
///
/// ```
/// use imap_proto::DateTime;
/// let moment = DateTime::new(" 1-Feb-1994 21:52:25 -0800")?;
/// assert_eq!(moment.to_unix_seconds(), 760_168_345);
/// assert_eq!(DateTime::from_unix_seconds(760_168_345, -480), Some(moment));
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Date,
    hour: u8,
    minute: u8,
    second: u8,
    zone_minutes: i16,
}

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov",
    *b"Dec",
];
const SECONDS_PER_DAY: i64 = 86_400;
/// The widest zone: RFC 3501 says four digits, no place on Earth is further off than 14 hours, mail is.
const ZONE_MINUTES_MAX: i16 = 99 * 60 + 59;

impl Date {
    /// The day of this year (0 to 9999), month (1 to 12) and day of the month. `None` if there is no such day.
    #[must_use]
    pub fn of(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        (year <= 9999 && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// The year.
    #[must_use]
    pub fn year(&self) -> u16 {
        self.year
    }

    /// The month, from 1.
    #[must_use]
    pub fn month(&self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    #[must_use]
    pub fn day(&self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn to_unix_days(&self) -> i64 {
        // Years that begin in March put the leap day last; an era is 400 of them.
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The day this many days after 1970-01-01; `None` outside the years 0 to 9999.
    #[must_use]
    pub fn from_unix_days(days: i64) -> Option<Self> {
        let days = days.checked_add(719_468)?;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = u8::try_from(day_of_year - (153 * from_march + 2) / 5 + 1).ok()?;
        let month = u8::try_from(if from_march < 10 { from_march + 3 } else { from_march - 9 }).ok()?;
        let year = u16::try_from(year_of_era + era.checked_mul(400)? + i64::from(month <= 2)).ok()?;
        Self::of(year, month, day)
    }

    /// Reads `date`, with or without its quotes.
    pub(crate) fn of_string(string: &IString<'_>) -> Option<Self> {
        let (day, rest) = string.as_plain()?.split_last_chunk()?;
        let day = match *day {
            [ones] => of_two_digits(b'0', ones)?,
            [tens, ones] => of_two_digits(tens, ones)?,
            _ => return None,
        };
        Self::of_text(day, rest)
    }

    /// Reads `-Feb-1994`.
    #[inline]
    fn of_text(day: u8, text: &[u8; 9]) -> Option<Self> {
        let [b'-', a, b, c, b'-', millennia, centuries, decades, years] = *text else { return None };
        let month = match [a, b, c].map(|letter| letter | 0x20) {
            [b'j', b'a', b'n'] => 1,
            [b'f', b'e', b'b'] => 2,
            [b'm', b'a', b'r'] => 3,
            [b'a', b'p', b'r'] => 4,
            [b'm', b'a', b'y'] => 5,
            [b'j', b'u', b'n'] => 6,
            [b'j', b'u', b'l'] => 7,
            [b'a', b'u', b'g'] => 8,
            [b's', b'e', b'p'] => 9,
            [b'o', b'c', b't'] => 10,
            [b'n', b'o', b'v'] => 11,
            [b'd', b'e', b'c'] => 12,
            _ => return None,
        };
        let century = of_two_digits(millennia, centuries)?;
        let year = u16::from(century) * 100 + u16::from(of_two_digits(decades, years)?);
        Self::of(year, month, day)
    }
}

impl DateTime {
    /// The moment that reads so in a zone this many minutes east of UTC (up to 5999 either way). `None` if there is
    /// none; a leap second is one.
    #[must_use]
    pub fn of(date: Date, hour: u8, minute: u8, second: u8, zone_minutes: i16) -> Option<Self> {
        let valid = hour < 24 && minute < 60 && second <= 60 && zone_minutes.abs() <= ZONE_MINUTES_MAX;
        valid.then_some(Self { date, hour, minute, second, zone_minutes })
    }

    /// The moment written like this (without quotes).
    pub fn new(text: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_bytes(text.as_ref()).ok_or(InvalidMessage::new("malformed date-time", 0))
    }

    fn of_bytes(text: &[u8]) -> Option<Self> {
        // `date-day-fixed` is two characters; some clients leave the space out.
        let (day, rest) = text.split_last_chunk::<24>()?;
        let day = match *day {
            [ones] | [b' ', ones] => of_two_digits(b'0', ones)?,
            [tens, ones] => of_two_digits(tens, ones)?,
            _ => return None,
        };
        let (date, clock) = rest.split_first_chunk()?;
        let date = Date::of_text(day, date)?;
        let [b' ', h, hh, b':', m, mm, b':', s, ss, b' ', sign, zh, zhh, zm, zmm] = *clock else {
            return None;
        };
        let (hour, minute, second) = (of_two_digits(h, hh)?, of_two_digits(m, mm)?, of_two_digits(s, ss)?);
        let (zone_hours, minutes) = (of_two_digits(zh, zhh)?, of_two_digits(zm, zmm)?);
        let zone_minutes = i16::from(zone_hours) * 60 + i16::from(minutes);
        let zone_minutes = match sign {
            b'+' => zone_minutes,
            b'-' => -zone_minutes,
            _ => return None,
        };
        if minutes >= 60 {
            return None;
        }
        Self::of(date, hour, minute, second, zone_minutes)
    }

    pub(crate) fn of_string(string: &IString<'_>) -> Option<Self> {
        Self::new(string.as_plain()?).ok()
    }

    /// Seconds since 1970-01-01 00:00:00 UTC.
    #[must_use]
    pub fn to_unix_seconds(&self) -> i64 {
        let clock = i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second);
        self.date.to_unix_days() * SECONDS_PER_DAY + clock - i64::from(self.zone_minutes) * 60
    }

    /// The moment this many seconds after the epoch, told in a zone. `None` outside the years 0 to 9999 and zones
    /// up to 5999 minutes.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64, zone_minutes: i16) -> Option<Self> {
        let local = seconds.checked_add(i64::from(zone_minutes) * 60)?;
        let date = Date::from_unix_days(local.div_euclid(SECONDS_PER_DAY))?;
        let clock = u32::try_from(local.rem_euclid(SECONDS_PER_DAY)).ok()?;
        let part = |n: u32| u8::try_from(n).ok();
        Self::of(date, part(clock / 3_600)?, part(clock / 60 % 60)?, part(clock % 60)?, zone_minutes)
    }

    /// The day in its own zone.
    #[must_use]
    pub fn date(&self) -> Date {
        self.date
    }

    /// Minutes east of UTC.
    #[must_use]
    pub fn zone_minutes(&self) -> i16 {
        self.zone_minutes
    }
}

impl Encode for Date {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let text = self.fixed();
        // The first digit of a day below 10 is a space, which only `date-day-fixed` has.
        out.raw(if self.day < 10 { text.get(1..).unwrap_or_default() } else { &text });
        Ok(())
    }
}

impl Date {
    /// With a day of two characters.
    fn fixed(&self) -> [u8; 11] {
        let [tens, ones] = two_digits(self.day.into());
        let tens = if tens == b'0' { b' ' } else { tens };
        let [m, o, n] = MONTHS.get(usize::from(self.month) - 1).copied().unwrap_or_default();
        let [century, year] = [self.year / 100, self.year % 100].map(two_digits);
        [tens, ones, b'-', m, o, n, b'-', century[0], century[1], year[0], year[1]]
    }
}

impl Encode for DateTime {
    /// With its quotes.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let [hour, minute, second] =
            [self.hour, self.minute, self.second].map(|part| two_digits(part.into()));
        let sign = if self.zone_minutes < 0 { b'-' } else { b'+' };
        let zone = self.zone_minutes.unsigned_abs();
        let [zone_hours, zone_minutes] = [zone / 60, zone % 60].map(two_digits);
        out.raw(b"\"");
        out.raw(&self.date.fixed());
        out.raw(&[
            b' ', hour[0], hour[1], b':', minute[0], minute[1], b':', second[0], second[1], b' ', sign,
        ]);
        out.raw(&[zone_hours[0], zone_hours[1], zone_minutes[0], zone_minutes[1], b'"']);
        Ok(())
    }
}

/// The digits of a number below 100.
fn two_digits(number: u16) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// The number of two digits.
#[inline]
fn of_two_digits(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Literals;

    #[test]
    fn a_date_time_must_exist() {
        for (text, good) in [
            ("17-Jul-1996 02:44:25 -0700", true),
            (" 7-jul-1996 02:44:25 +0000", true),
            ("7-Jul-1996 02:44:25 +0000", true),
            ("07-Jul-1996 02:44:25 +0000", true),
            ("29-Feb-2000 23:59:60 +1400", true),
            ("29-Feb-1900 00:00:00 +0000", false),
            ("31-Apr-2000 00:00:00 +0000", false),
            ("00-Jan-2000 00:00:00 +0000", false),
            ("1-Jan-2000 24:00:00 +0000", false),
            ("1-Jan-2000 00:00:00 +0060", false),
            ("1-Jan-2000 00:00:00 UTC", false),
            ("1-Jan-2000 00:00:00", false),
            ("1-Jan-2000 00:00:00 +00000", false),
        ] {
            assert_eq!(DateTime::new(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_counts_and_comes_back() {
        let (first, last) = (Date::of(0, 1, 1).unwrap(), Date::of(9999, 12, 31).unwrap());
        let mut previous: Option<Date> = None;
        for days in first.to_unix_days()..=last.to_unix_days() {
            let date = Date::from_unix_days(days).unwrap();
            assert_eq!(date.to_unix_days(), days);
            assert!(previous.is_none_or(|previous| previous < date));
            previous = Some(date);
        }
        assert_eq!(Date::from_unix_days(0), Date::of(1970, 1, 1));
        assert_eq!(Date::from_unix_days(last.to_unix_days() + 1), None);
        assert_eq!(Date::from_unix_days(first.to_unix_days() - 1), None);
        assert_eq!(Date::from_unix_days(i64::MAX), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["\" 1-Feb-1994 21:52:25 -0800\"", "\"17-Jul-1996 02:44:25 +0530\""] {
            let moment = DateTime::new(text.trim_matches('"')).unwrap();
            let mut out = Vec::new();
            moment.encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
