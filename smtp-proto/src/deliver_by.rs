//! DELIVERBY (RFC 2852): a deadline for the delivery.

use std::fmt;

use mail_wire::InvalidMessage;

/// The deadline of a message, as `BY` of MAIL gives it: seconds from now, which may have passed already.
///
/// ```
/// use smtp_proto::{DeliverBy, LateMode};
/// let by = DeliverBy::new(120, LateMode::Return)?;
/// assert_eq!(by.to_string(), "120;R");
/// assert!(DeliverBy::new(0, LateMode::Return).is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliverBy {
    seconds: i32,
    late: LateMode,
    traced: Traced,
}

/// What becomes of a message that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LateMode {
    /// `R`: it is returned. The deadline lies ahead.
    Return,
    /// `N`: its sender is told, and it is tried further.
    Notify,
}

/// Whether each relay reports that it passed the message on (`T`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Traced {
    /// It does not.
    #[default]
    No,
    /// It does, if it hands the message to a server without DELIVERBY.
    Yes,
}

impl DeliverBy {
    /// Seconds of a deadline: nine digits.
    pub const SECONDS_MAX: i32 = 999_999_999;

    /// A deadline, not traced.
    pub fn new(seconds: i32, late: LateMode) -> Result<Self, InvalidMessage> {
        let fits = (-Self::SECONDS_MAX..=Self::SECONDS_MAX).contains(&seconds);
        if !fits || (late == LateMode::Return && seconds <= 0) {
            return Err(InvalidMessage::new("deadline out of range", 0));
        }
        Ok(Self { seconds, late, traced: Traced::No })
    }

    /// The same, traced.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { traced: Traced::Yes, ..self }
    }

    /// Seconds from now; negative when the time is over.
    #[must_use]
    pub fn seconds(self) -> i32 {
        self.seconds
    }

    /// What becomes of the message then.
    #[must_use]
    pub fn late_mode(self) -> LateMode {
        self.late
    }

    /// Whether relays report.
    #[must_use]
    pub fn is_traced(self) -> bool {
        self.traced == Traced::Yes
    }

    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        let expected = InvalidMessage::new("BY=seconds;R or BY=seconds;N expected", 0);
        let (seconds, mode) = value.split_once(';').ok_or(expected)?;
        let digits = seconds.strip_prefix('-').unwrap_or(seconds);
        if !(1..=9).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(expected);
        }
        let (late, traced) = match mode.to_ascii_uppercase().as_str() {
            "R" => (LateMode::Return, Traced::No),
            "RT" => (LateMode::Return, Traced::Yes),
            "N" => (LateMode::Notify, Traced::No),
            "NT" => (LateMode::Notify, Traced::Yes),
            _ => return Err(expected),
        };
        Self::new(seconds.parse().map_err(|_| expected)?, late).map(|by| Self { traced, ..by })
    }
}

impl fmt::Display for DeliverBy {
    /// As the value of the parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = match self.late {
            LateMode::Return => "R",
            LateMode::Notify => "N",
        };
        let traced = if self.is_traced() { "T" } else { "" };
        write!(f, "{};{late}{traced}", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_the_grammar_says() {
        for good in ["1;R", "999999999;RT", "-999999999;N", "0;NT"] {
            assert_eq!(DeliverBy::read(good).map(|by| by.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "1", ";R", "0;R", "-1;R", "+1;N", "1000000000;N", "--1;N", "1;T", "1;RTT", "1;RN"] {
            assert!(DeliverBy::read(bad).is_err(), "{bad}");
        }
        assert!(DeliverBy::new(DeliverBy::SECONDS_MAX, LateMode::Notify).is_ok());
        assert!(DeliverBy::new(DeliverBy::SECONDS_MAX + 1, LateMode::Notify).is_err());
    }
}
