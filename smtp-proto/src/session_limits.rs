//! LIMITS (RFC 9422): what a server takes in one session and one transaction, so that a client need not find out.

use std::fmt;

use mail_wire::InvalidMessage;

/// The limits that a server announces. Zero and what is no number are no limits.
///
/// ```
/// use smtp_proto::SessionLimits;
/// let limits = SessionLimits::read("MAILMAX=10 RCPTMAX=100 X-OTHER=a")?;
/// assert_eq!((limits.mail_max, limits.rcpt_max, limits.rcpt_domain_max), (Some(10), Some(100), None));
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionLimits {
    /// `MAILMAX`: transactions of a session.
    pub mail_max: Option<u32>,
    /// `RCPTMAX`: recipients of a transaction.
    pub rcpt_max: Option<u32>,
    /// `RCPTDOMAINMAX`: domains of the recipients of a transaction.
    pub rcpt_domain_max: Option<u32>,
    /// All others, as they stand there: `NAME` or `NAME=value`.
    pub other: Vec<Box<str>>,
}

impl SessionLimits {
    /// Reads what stands behind the keyword.
    pub fn read(params: &str) -> Result<Self, InvalidMessage> {
        let mut limits = Self::default();
        for word in params.split(' ').filter(|word| !word.is_empty()) {
            if let Some(at) = word.bytes().position(|b| !b.is_ascii_graphic()) {
                return Err(InvalidMessage::new("visible ASCII expected", at));
            }
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number =
                value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse::<u32>().ok()).flatten();
            let slot = match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => &mut limits.mail_max,
                "RCPTMAX" => &mut limits.rcpt_max,
                "RCPTDOMAINMAX" => &mut limits.rcpt_domain_max,
                _ => {
                    limits.other.push(word.into());
                    continue;
                }
            };
            *slot = number.filter(|number| *number > 0);
        }
        Ok(limits)
    }
}

impl fmt::Display for SessionLimits {
    /// As it stands behind the keyword.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known =
            [("MAILMAX", self.mail_max), ("RCPTMAX", self.rcpt_max), ("RCPTDOMAINMAX", self.rcpt_domain_max)];
        let mut space = "";
        for (name, value) in known {
            if let Some(value) = value {
                write!(f, "{space}{name}={value}")?;
                space = " ";
            }
        }
        for other in &self.other {
            write!(f, "{space}{other}")?;
            space = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_none_are_passed_over_and_others_kept() {
        let limits = SessionLimits::read("mailmax=0 RCPTMAX=x RCPTDOMAINMAX=1 FOO BAR=b").expect("readable");
        assert_eq!(limits.to_string(), "RCPTDOMAINMAX=1 FOO BAR=b");
        assert!(SessionLimits::read("A\tB").is_err());
        assert_eq!(SessionLimits::read(" "), Ok(SessionLimits::default()));
    }
}
