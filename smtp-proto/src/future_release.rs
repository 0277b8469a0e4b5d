//! FUTURERELEASE (RFC 4865): a message that is to be held for some time.

use std::fmt;

use mail_wire::InvalidMessage;

use crate::timestamp::Timestamp;

/// How long a message is held back: `HOLDFOR` or `HOLDUNTIL` of MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// For so many seconds.
    For(HoldSeconds),
    /// Until then.
    Until(Timestamp),
}

/// Seconds of holding: 1 to 999,999,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldSeconds(u32);

impl HoldSeconds {
    /// Nine digits.
    pub const MAX: u32 = 999_999_999;

    /// So many seconds.
    pub fn new(seconds: u32) -> Result<Self, InvalidMessage> {
        if (1..=Self::MAX).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(InvalidMessage::new("1 to 999999999 seconds expected", 0))
        }
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0
    }

    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        let is_number = (1..=9).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
        Self::new(value.parse().ok().filter(|_| is_number).unwrap_or(0))
    }
}

impl fmt::Display for Hold {
    /// As the whole parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(seconds) => write!(f, "HOLDFOR={}", seconds.0),
            Self::Until(moment) => write!(f, "HOLDUNTIL={moment}"),
        }
    }
}

/// What a server announces: how long, and until when, it holds messages at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FutureRelease {
    /// The longest time.
    pub interval_max: HoldSeconds,
    /// The latest moment.
    pub until_max: Timestamp,
}

impl FutureRelease {
    pub(crate) fn read(params: &str) -> Result<Self, InvalidMessage> {
        let (interval, until) =
            params.split_once(' ').ok_or(InvalidMessage::new("two limits of FUTURERELEASE expected", 0))?;
        Ok(Self {
            interval_max: HoldSeconds::read(interval)?,
            until_max: Timestamp::read(until.trim_matches(' '))?,
        })
    }
}

impl fmt::Display for FutureRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interval_max.0, self.until_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_at_their_limits_pass_and_one_beyond_does_not() {
        assert!(HoldSeconds::new(1).is_ok() && HoldSeconds::new(HoldSeconds::MAX).is_ok());
        assert!(HoldSeconds::new(0).is_err() && HoldSeconds::new(HoldSeconds::MAX + 1).is_err());
        for bad in ["", "0", "+1", "-1", "1s", "1000000000"] {
            assert!(HoldSeconds::read(bad).is_err(), "{bad}");
        }
    }
}
