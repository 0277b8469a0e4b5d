//! NO-SOLICITING (RFC 3865): kinds of solicitation, as a server refuses them and a message confesses to them.

use std::fmt;

use mail_wire::InvalidMessage;

/// Kinds of solicitation, separated by commas: `org.example:ADV:ADLT,net.example:ADV`. At most 1,000 bytes.
///
/// ```
/// use smtp_proto::Solicitation;
/// let kinds = Solicitation::new("net.example:ADV,org.example:ADV:ADLT")?;
/// assert_eq!(kinds.iter().last(), Some("org.example:ADV:ADLT"));
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Solicitation(Box<str>);

impl Solicitation {
    /// Bytes of a list (RFC 3865 2.3).
    pub const BYTES_MAX: usize = 1_000;

    /// A list with at least one kind.
    pub fn new(list: &str) -> Result<Self, InvalidMessage> {
        Self::check(list)?;
        Ok(Self(list.into()))
    }

    /// Each kind.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    /// The list, as on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn check(list: &str) -> Result<&str, InvalidMessage> {
        let is_kind = |kind: &str| {
            kind.starts_with(|c: char| c.is_ascii_alphabetic())
                && kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
        };
        if list.len() <= Self::BYTES_MAX && list.split(',').all(is_kind) {
            Ok(list)
        } else {
            Err(InvalidMessage::new("solicitation keywords expected", 0))
        }
    }
}

impl fmt::Display for Solicitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_at_its_limit_passes_and_one_above_does_not() {
        assert!(Solicitation::new(&"a".repeat(Solicitation::BYTES_MAX)).is_ok());
        assert!(Solicitation::new(&"a".repeat(Solicitation::BYTES_MAX + 1)).is_err());
        for bad in ["", ",", "a,", "1a", "a b", "a=b", "a\r\n"] {
            assert!(Solicitation::new(bad).is_err(), "{bad:?}");
        }
    }
}
