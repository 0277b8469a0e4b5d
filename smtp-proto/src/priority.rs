//! MT-PRIORITY (RFC 6710): what is to be carried first.

use std::fmt;

use mail_wire::InvalidMessage;

/// The priority of a message, -9 to 9; 0 is that of a message without one.
///
/// ```
/// use smtp_proto::Priority;
/// assert!(Priority::new(4)? > Priority::default());
/// assert!(Priority::new(10).is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Priority(i8);

impl Priority {
    /// A priority.
    pub fn new(value: i8) -> Result<Self, InvalidMessage> {
        if (-9..=9).contains(&value) {
            Ok(Self(value))
        } else {
            Err(InvalidMessage::new("priority of -9 to 9 expected", 0))
        }
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> i8 {
        self.0
    }

    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        match value.as_bytes() {
            [b'0'] => Ok(Self(0)),
            [digit @ b'1'..=b'9'] => Ok(Self((digit - b'0').cast_signed())),
            [b'-', digit @ b'1'..=b'9'] => Ok(Self(-(digit - b'0').cast_signed())),
            _ => Err(InvalidMessage::new("priority of -9 to 9 expected", 0)),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_read_as_the_grammar_says() {
        for value in -9..=9 {
            let text = value.to_string();
            assert_eq!(Priority::read(&text), Priority::new(value));
        }
        for bad in ["", "-", "-0", "+1", "10", "-10", "01", "x"] {
            assert!(Priority::read(bad).is_err(), "{bad}");
        }
    }
}
