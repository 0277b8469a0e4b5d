//! RRVS (RFC 7293): mail for the owner that a mailbox had at some time, and for nobody who has it since.

use std::fmt;

use mail_wire::InvalidMessage;

use crate::timestamp::Timestamp;

/// The parameter of RCPT: the owner must not have changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rrvs {
    /// The moment that counts.
    pub since: Timestamp,
    /// What a relay does whose next hop does not know the extension.
    pub otherwise: RrvsOtherwise,
}

/// What a relay does that cannot pass the condition on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RrvsOtherwise {
    /// `C`, or nothing said: it goes on, with the condition in a header field.
    #[default]
    Continue,
    /// `R`: it rejects the recipient.
    Reject,
}

impl Rrvs {
    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        let (since, otherwise) = match value.split_once(';') {
            None => (value, RrvsOtherwise::Continue),
            Some((since, mode)) if mode.eq_ignore_ascii_case("C") => (since, RrvsOtherwise::Continue),
            Some((since, mode)) if mode.eq_ignore_ascii_case("R") => (since, RrvsOtherwise::Reject),
            Some(_) => return Err(InvalidMessage::new("C or R expected", 0)),
        };
        Ok(Self { since: Timestamp::read(since)?, otherwise })
    }
}

impl fmt::Display for Rrvs {
    /// As the value of the parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let otherwise = match self.otherwise {
            RrvsOtherwise::Continue => "",
            RrvsOtherwise::Reject => ";R",
        };
        write!(f, "{}{otherwise}", self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_go_on_are_read() {
        for (value, strict) in [
            ("2014-04-03T23:01:00Z", "2014-04-03T23:01:00Z"),
            ("2014-04-03T23:01:00Z;C", "2014-04-03T23:01:00Z"),
            ("2014-04-03T23:01:00Z;r", "2014-04-03T23:01:00Z;R"),
        ] {
            assert_eq!(Rrvs::read(value).map(|r| r.to_string()).as_deref(), Ok(strict));
        }
        for bad in ["", "2014", "2014-04-03T23:01:00Z;", "2014-04-03T23:01:00Z;X", ";R"] {
            assert!(Rrvs::read(bad).is_err(), "{bad}");
        }
    }
}
