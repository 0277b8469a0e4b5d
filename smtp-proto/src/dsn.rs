//! Delivery status notifications (DSN, RFC 3461): RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT.

use std::fmt;
use std::ops::BitOr;

use mail_wire::InvalidMessage;

use crate::chars::{KEYWORD, VALUE, span};
use crate::xtext::{Encoded, Xtext};

/// How much of a failed message a report carries: `RET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ret {
    /// `FULL`: all of it.
    Full,
    /// `HDRS`: its header.
    Headers,
}

impl Ret {
    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        if value.eq_ignore_ascii_case("FULL") {
            Ok(Self::Full)
        } else if value.eq_ignore_ascii_case("HDRS") {
            Ok(Self::Headers)
        } else {
            Err(InvalidMessage::new("RET=FULL or RET=HDRS expected", 0))
        }
    }
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        })
    }
}

/// The sender's name for the envelope: `ENVID`. Printable ASCII, never empty; 100 bytes in xtext (RFC 3461 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvelopeId(Box<str>);

impl EnvelopeId {
    /// Bytes of an id in xtext.
    pub const WIRE_BYTES_MAX: usize = 100;

    /// An id.
    pub fn new(text: &str) -> Result<Self, InvalidMessage> {
        if let Some(at) = text.bytes().position(|b| !(0x20..0x7f).contains(&b)) {
            return Err(InvalidMessage::new("printable ASCII expected", at));
        }
        Self::check_wire(&Encoded(text).to_string())?;
        Ok(Self(text.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn check_wire(text: &str) -> Result<Xtext<'_>, InvalidMessage> {
        if text.is_empty() || text.len() > Self::WIRE_BYTES_MAX {
            return Err(InvalidMessage::new("ENVID of 1 to 100 bytes expected", 0));
        }
        Xtext::new(text)
    }
}

impl From<Xtext<'_>> for EnvelopeId {
    /// Of a value that was checked.
    fn from(text: Xtext<'_>) -> Self {
        Self(text.decode().into())
    }
}

impl fmt::Display for EnvelopeId {
    /// In xtext.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Encoded(&self.0).fmt(f)
    }
}

/// When the sender wants to hear of a recipient: `NOTIFY`.
///
/// ```
/// use smtp_proto::Notify;
/// let notify = Notify::FAILURE | Notify::DELAY;
/// assert!(notify.contains(Notify::DELAY) && !notify.contains(Notify::SUCCESS));
/// assert_eq!(notify.to_string(), "FAILURE,DELAY");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notify(u8);

impl Notify {
    /// In no case.
    pub const NEVER: Self = Self(0);
    /// When the message was delivered.
    pub const SUCCESS: Self = Self(1);
    /// When it was not.
    pub const FAILURE: Self = Self(2);
    /// When it takes long.
    pub const DELAY: Self = Self(4);

    const NAMES: [(&'static str, Self); 3] =
        [("SUCCESS", Self::SUCCESS), ("FAILURE", Self::FAILURE), ("DELAY", Self::DELAY)];

    /// True if all of these cases are wanted; `NEVER` is contained in everything.
    #[must_use]
    pub fn contains(self, cases: Self) -> bool {
        self.0 & cases.0 == cases.0
    }

    pub(crate) fn read(value: &str) -> Result<Self, InvalidMessage> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::NEVER);
        }
        let expected = InvalidMessage::new("NOTIFY=NEVER or a list of SUCCESS, FAILURE, DELAY expected", 0);
        value.as_bytes().split(|byte| *byte == b',').try_fold(Self::NEVER, |notify, name| {
            let case = Self::NAMES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
            case.map(|(_, case)| notify | *case).ok_or(expected)
        })
    }
}

impl BitOr for Notify {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("NEVER");
        }
        let mut comma = "";
        for (name, case) in Self::NAMES {
            if self.contains(case) {
                write!(f, "{comma}{name}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

/// Whom the message was first sent to: `ORCPT`, a view of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginalRecipientRef<'a> {
    address_type: &'a str,
    address: &'a str,
}

impl<'a> OriginalRecipientRef<'a> {
    pub(crate) fn read(value: &'a str) -> Result<Self, InvalidMessage> {
        let expected = InvalidMessage::new("ORCPT=type;address expected", 0);
        let (address_type, rest) = value.split_at_checked(span(KEYWORD, value.as_bytes())).ok_or(expected)?;
        let address = rest.strip_prefix(';').ok_or(expected)?;
        if address_type.is_empty() || address.is_empty() || value.len() > OriginalRecipient::WIRE_BYTES_MAX {
            return Err(expected);
        }
        // `utf-8` addresses stand as they are or in the escapes of RFC 6533 3, which are for its readers.
        if address.is_ascii() {
            Xtext::new(address)?;
        }
        Ok(Self { address_type, address })
    }

    /// The kind of the address, such as `rfc822`.
    #[must_use]
    pub fn address_type(self) -> &'a str {
        self.address_type
    }

    /// The same, owned and decoded.
    #[must_use]
    pub fn to_owned(self) -> OriginalRecipient {
        let decoded = Xtext::new(self.address).map_or(self.address.into(), Xtext::decode);
        OriginalRecipient {
            address_type: self.address_type.to_ascii_lowercase().into(),
            address: decoded.into(),
        }
    }
}

/// Whom the message was first sent to: `ORCPT` (RFC 3461 4.2), at most 500 bytes.
///
/// ```
/// use smtp_proto::OriginalRecipient;
/// let first = OriginalRecipient::new("rfc822", "bob+lists@example.org")?;
/// assert_eq!(first.to_string(), "rfc822;bob+2Blists@example.org");
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    address_type: Box<str>,
    address: Box<str>,
}

impl OriginalRecipient {
    /// Bytes of the whole value on the line.
    pub const WIRE_BYTES_MAX: usize = 500;

    /// An address of this type; printable text. Only under SMTPUTF8 may it be more than ASCII.
    pub fn new(address_type: &str, address: &str) -> Result<Self, InvalidMessage> {
        let is_value = span(VALUE, address.as_bytes()) == address.len();
        if address.chars().any(char::is_control) || !(address.is_ascii() || is_value) {
            return Err(InvalidMessage::new("printable text expected", 0));
        }
        let new = Self { address_type: address_type.to_ascii_lowercase().into(), address: address.into() };
        OriginalRecipientRef::read(&new.to_string())?;
        Ok(new)
    }

    /// The kind of the address, in lower case.
    #[must_use]
    pub fn address_type(&self) -> &str {
        &self.address_type
    }

    /// The address, decoded.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for OriginalRecipient {
    /// As the value of the parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.is_ascii() {
            write!(f, "{};{}", self.address_type, Encoded(&self.address))
        } else {
            write!(f, "{};{}", self.address_type, self.address)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_id_at_its_limit_passes_and_one_above_does_not() {
        assert!(EnvelopeId::new(&"a".repeat(EnvelopeId::WIRE_BYTES_MAX)).is_ok());
        assert!(EnvelopeId::new(&"a".repeat(EnvelopeId::WIRE_BYTES_MAX + 1)).is_err());
        assert!(EnvelopeId::new(&"+".repeat(34)).is_err());
        for bad in ["", "a\r\nb", "\u{e9}"] {
            assert!(EnvelopeId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_original_recipient_at_its_limit_passes_and_one_above_does_not() {
        let of = |bytes: usize| OriginalRecipient::new("x", &"a".repeat(bytes - 2));
        assert!(of(OriginalRecipient::WIRE_BYTES_MAX).is_ok());
        assert!(of(OriginalRecipient::WIRE_BYTES_MAX + 1).is_err());
        for (address_type, address) in
            [("", "a"), ("x", ""), ("a b", "a"), ("x", "a\r\nb"), ("x", "\u{e9} b")]
        {
            assert!(OriginalRecipient::new(address_type, address).is_err(), "{address_type:?} {address:?}");
        }
    }

    #[test]
    fn notify_never_stands_alone() {
        for bad in ["", "NEVER,DELAY", "DELAY,", "SOMETIMES"] {
            assert!(Notify::read(bad).is_err(), "{bad}");
        }
        assert_eq!(Notify::read("delay,Success"), Ok(Notify::SUCCESS | Notify::DELAY));
        assert_eq!(Notify::read("never"), Ok(Notify::NEVER));
    }
}
