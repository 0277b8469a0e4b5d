//! The delivery id: an extension between a sender and a store that know each other.
//!
//! A sender that loses the connection between the final dot and the replies must send again, and the message arrives
//! twice (RFC 1047). Where both sides know this extension, the server announces [`KEYWORD`] in its reply to LHLO, and
//! the client gives each delivery an id in a parameter of MAIL, the same id at each try. A store that keeps the id
//! with the message recognises the second try and answers it as the first, so that a delivery happens exactly once.

use std::fmt;

use mail_wire::InvalidMessage;
use smtp_proto::{Capabilities, Extension, MailParams, OtherExtension, OtherParam};

/// The keyword of LHLO and of the parameter.
pub const KEYWORD: &str = "XCORBIEID";

/// Names one delivery: 1 to 64 letters, digits, `.`, `-`, `_`, compared byte by byte.
///
/// ```
/// use lmtp_proto::DeliveryId;
/// use smtp_proto::{Capabilities, MailParams};
/// let can = Capabilities::new(vec![DeliveryId::extension()]);
/// let mut params = MailParams::default();
/// let id = DeliveryId::new("7f3a.0001")?;
/// assert!(id.attach(&mut params, &can));
/// assert_eq!(params.to_string(), " XCORBIEID=7f3a.0001");
/// assert_eq!(DeliveryId::of(&params), Ok(Some(id)));
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(Box<str>);

impl DeliveryId {
    /// Bytes of an id.
    pub const BYTES_MAX: usize = 64;

    /// An id.
    pub fn new(text: &str) -> Result<Self, InvalidMessage> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err(InvalidMessage::new("delivery id of 1 to 64 bytes expected", 0));
        }
        match text.bytes().position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'-' | b'_')) {
            Some(at) => Err(InvalidMessage::new("letter, digit, '.', '-' or '_' expected", at)),
            None => Ok(Self(text.into())),
        }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a server that knows the extension adds to its configuration.
    #[must_use]
    pub fn extension() -> Extension {
        OtherExtension::from_static(KEYWORD).into()
    }

    /// Adds the id to the parameters of MAIL if the server announced the extension; says whether it did.
    pub fn attach(&self, params: &mut MailParams, capabilities: &Capabilities) -> bool {
        let parameter = OtherParam::new(KEYWORD, Some(&self.0));
        match parameter {
            Ok(parameter) if capabilities.other(KEYWORD).is_some() => {
                params.other.retain(|p| p.keyword() != KEYWORD);
                params.other.push(parameter);
                true
            }
            _ => false,
        }
    }

    /// The id that a client gave. An error if the parameter is there and holds none.
    pub fn of(params: &MailParams) -> Result<Option<Self>, InvalidMessage> {
        match params.other.iter().find(|p| p.keyword() == KEYWORD) {
            Some(parameter) => Self::new(parameter.value().unwrap_or_default()).map(Some),
            None => Ok(None),
        }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_at_its_limit_passes_and_one_above_does_not() {
        assert!(DeliveryId::new(&"a".repeat(DeliveryId::BYTES_MAX)).is_ok());
        assert!(DeliveryId::new(&"a".repeat(DeliveryId::BYTES_MAX + 1)).is_err());
        for bad in ["", "a b", "a=b", "a\r\n", "<>", "\u{e9}"] {
            assert!(DeliveryId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_given_only_to_a_server_that_knows_it() {
        let id = DeliveryId::new("1").expect("valid");
        let mut params = MailParams::default();
        assert!(!id.attach(&mut params, &Capabilities::default()));
        assert_eq!((params.other.len(), DeliveryId::of(&params)), (0, Ok(None)));
        let knows = Capabilities::new(vec![DeliveryId::extension()]);
        assert!(id.attach(&mut params, &knows) && id.attach(&mut params, &knows));
        assert_eq!(params.other.len(), 1);
    }

    #[test]
    fn a_parameter_without_a_valid_id_is_an_error() {
        for value in [None, Some("a+b")] {
            let other = vec![OtherParam::new(KEYWORD, value).expect("valid")];
            assert!(DeliveryId::of(&MailParams { other, ..MailParams::default() }).is_err());
        }
    }
}
