//! A moment in the form of RFC 3339 5.6, as FUTURERELEASE (RFC 4865) and RRVS (RFC 7293) have it.

use std::fmt;

use mail_wire::InvalidMessage;

/// A moment to the second, with the offset it was written in. Fractions of a second are read and dropped.
///
/// ```
/// use smtp_proto::Timestamp;
/// let moment = Timestamp::read("2014-04-03T23:01:00+02:00")?;
/// assert_eq!(moment.to_string(), "2014-04-03T23:01:00+02:00");
/// assert_eq!(moment.unix_seconds(), 1_396_558_860);
/// assert_eq!(Timestamp::from_unix_seconds(0)?.to_string(), "1970-01-01T00:00:00Z");
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    /// 60 in a leap second.
    second: u8,
    offset_minutes: i16,
}

impl Timestamp {
    /// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)`.
    pub fn read(text: &str) -> Result<Self, InvalidMessage> {
        read(text.as_bytes()).ok_or(InvalidMessage::new("date and time of RFC 3339 expected", 0))
    }

    /// A moment in UTC, in the years 0 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Result<Self, InvalidMessage> {
        let out_of_range = InvalidMessage::new("a moment in the years 0 to 9999 expected", 0);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let small = |number: i64| u8::try_from(number).map_err(|_| out_of_range);
        Ok(Self {
            year: u16::try_from(year).ok().filter(|year| *year <= 9_999).ok_or(out_of_range)?,
            month: small(month)?,
            day: small(day)?,
            hour: small(of_day / 3_600)?,
            minute: small(of_day / 60 % 60)?,
            second: small(of_day % 60)?,
            offset_minutes: 0,
        })
    }

    /// Seconds since 1970-01-01T00:00:00Z; those of a leap second are the next minute's first.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        let days = days_from_civil(self.year.into(), self.month.into(), self.day.into());
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute) - i64::from(self.offset_minutes);
        days * 86_400 + minutes * 60 + i64::from(self.second)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, offset_minutes } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if *offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if *offset_minutes < 0 { '-' } else { '+' };
        let minutes = offset_minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

fn read(text: &[u8]) -> Option<Timestamp> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t"))?;
    let (hour, rest) = digits(rest, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            fraction.get(length..)?
        }
        None => rest,
    };
    let offset_minutes = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, rest) = digits(rest, 2)?;
            let (minutes, rest) = digits(rest.strip_prefix(b":")?, 2)?;
            if hours > 23 || minutes > 59 || !rest.is_empty() {
                return None;
            }
            let offset = i16::try_from(hours * 60 + minutes).ok()?;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let small = |number: u16| u8::try_from(number).ok();
    let fits = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !fits {
        return None;
    }
    Some(Timestamp {
        year,
        month: small(month)?,
        day: small(day)?,
        hour: small(hour)?,
        minute: small(minute)?,
        second: small(second)?,
        offset_minutes,
    })
}

fn digits(text: &[u8], count: usize) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let number = digits
        .iter()
        .try_fold(0, |number, b| b.is_ascii_digit().then(|| number * 10 + u16::from(b - b'0')))?;
    Some((number, rest))
}

fn days_in_month(year: u16, month: u16) -> u16 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March, so that the leap day is a
/// year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_moments_are_refused() {
        for bad in [
            "",
            "2014-04-03",
            "2014-04-03T23:01:00",
            "2014-04-03 23:01:00Z",
            "2014-13-03T23:01:00Z",
            "2014-02-29T23:01:00Z",
            "2014-04-31T23:01:00Z",
            "2014-04-03T24:01:00Z",
            "2014-04-03T23:60:00Z",
            "2014-04-03T23:01:61Z",
            "2014-04-03T23:01:00.Z",
            "2014-04-03T23:01:00+2:00",
            "2014-04-03T23:01:00+24:00",
            "2014-04-03T23:01:00Zx",
            "20140403T230100Z",
        ] {
            assert!(Timestamp::read(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Timestamp::read("2012-02-29t23:59:60.123z").map(|t| t.to_string()).as_deref(),
            Ok("2012-02-29T23:59:60Z")
        );
    }

    proptest! {
        #[test]
        fn a_moment_reads_back_as_it_was(seconds in -62_167_219_200_i64..253_402_300_800, offset in -1439_i16..1440) {
            let mut moment = Timestamp::from_unix_seconds(seconds)?;
            prop_assert_eq!(moment.unix_seconds(), seconds);
            moment.offset_minutes = offset;
            prop_assert_eq!(Timestamp::read(&moment.to_string())?, moment);
        }
    }
}
