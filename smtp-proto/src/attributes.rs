//! XCLIENT and XFORWARD (Postfix): what a trusted proxy says about the client that it speaks for.
//!
//! Both commands carry `NAME=value` pairs; a value is xtext, `[UNAVAILABLE]` or `[TEMPUNAVAIL]`. XCLIENT makes the server
//! take the client for that other one, so only peers that it is announced to may use it; XFORWARD is for the log.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use mail_wire::InvalidMessage;

use crate::params::is_keyword;
use crate::xtext::{Encoded, Xtext};

/// The name of an attribute, in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributeName(Cow<'static, str>);

impl AttributeName {
    /// The client's host name.
    pub const NAME: Self = Self(Cow::Borrowed("NAME"));
    /// Its address.
    pub const ADDR: Self = Self(Cow::Borrowed("ADDR"));
    /// Its port.
    pub const PORT: Self = Self(Cow::Borrowed("PORT"));
    /// `SMTP` or `ESMTP`.
    pub const PROTO: Self = Self(Cow::Borrowed("PROTO"));
    /// What it said in its hello.
    pub const HELO: Self = Self(Cow::Borrowed("HELO"));
    /// XCLIENT: its login name.
    pub const LOGIN: Self = Self(Cow::Borrowed("LOGIN"));
    /// XCLIENT: the address that it connected to.
    pub const DESTADDR: Self = Self(Cow::Borrowed("DESTADDR"));
    /// XCLIENT: the port that it connected to.
    pub const DESTPORT: Self = Self(Cow::Borrowed("DESTPORT"));
    /// XFORWARD: the proxy's name for the message.
    pub const IDENT: Self = Self(Cow::Borrowed("IDENT"));
    /// XFORWARD: `LOCAL` or `REMOTE`.
    pub const SOURCE: Self = Self(Cow::Borrowed("SOURCE"));

    /// All that XCLIENT knows.
    pub const XCLIENT: [Self; 8] = [
        Self::NAME,
        Self::ADDR,
        Self::PORT,
        Self::PROTO,
        Self::HELO,
        Self::LOGIN,
        Self::DESTADDR,
        Self::DESTPORT,
    ];
    /// All that XFORWARD knows.
    pub const XFORWARD: [Self; 7] =
        [Self::NAME, Self::ADDR, Self::PORT, Self::PROTO, Self::HELO, Self::IDENT, Self::SOURCE];

    /// A name: letters, digits, `-`, in any case.
    pub fn new(name: &str) -> Result<Self, InvalidMessage> {
        if is_keyword(name) {
            Ok(Self(name.to_ascii_uppercase().into()))
        } else {
            Err(InvalidMessage::new("attribute name expected", 0))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known about one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// It is this: printable ASCII.
    Known(Box<str>),
    /// `[UNAVAILABLE]`: there is none.
    Unavailable,
    /// `[TEMPUNAVAIL]`: it could not be found out.
    TemporarilyUnavailable,
}

impl AttributeValue {
    /// A known value.
    pub fn known(text: &str) -> Result<Self, InvalidMessage> {
        match text.bytes().position(|b| !(0x20..0x7f).contains(&b)) {
            Some(at) => Err(InvalidMessage::new("printable ASCII expected", at)),
            None if text.is_empty() => Err(InvalidMessage::new("value expected", 0)),
            None => Ok(Self::Known(text.into())),
        }
    }

    /// Of a value that was checked.
    fn of_checked(value: &str) -> Self {
        if value.eq_ignore_ascii_case("[UNAVAILABLE]") {
            Self::Unavailable
        } else if value.eq_ignore_ascii_case("[TEMPUNAVAIL]") {
            Self::TemporarilyUnavailable
        } else {
            Self::Known(Xtext::new(value).map_or(value.into(), Xtext::decode).into())
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("[UNAVAILABLE]"),
            Self::TemporarilyUnavailable => f.write_str("[TEMPUNAVAIL]"),
            // A known value must not be taken for one of those.
            Self::Known(text) => match text.strip_prefix('[') {
                Some(rest) => write!(f, "+5B{}", Encoded(rest)),
                None => Encoded(text).fmt(f),
            },
        }
    }
}

/// The attributes of one XCLIENT or XFORWARD; the last of a name counts.
///
/// ```
/// use smtp_proto::{AttributeName, AttributeValue, Attributes};
/// let said = Attributes::read("NAME=spike.example ADDR=192.0.2.1 HELO=[UNAVAILABLE]")?;
/// assert_eq!(said.addr(), Some([192, 0, 2, 1].into()));
/// assert_eq!(said.get(&AttributeName::HELO), Some(&AttributeValue::Unavailable));
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes(Vec<(AttributeName, AttributeValue)>);

impl Attributes {
    /// Reads the text behind the verb: at least one pair.
    pub fn read(text: &str) -> Result<Self, InvalidMessage> {
        Self::check(text)?;
        let pair = |(_, name, value): (usize, &str, &str)| {
            (AttributeName(name.to_ascii_uppercase().into()), AttributeValue::of_checked(value))
        };
        Ok(Self(pairs(text).map(pair).collect()))
    }

    /// Checks the text without keeping anything of it.
    pub(crate) fn check(text: &str) -> Result<(), InvalidMessage> {
        let mut count = 0;
        for (at, name, value) in pairs(text) {
            if !is_keyword(name) || value.is_empty() {
                return Err(InvalidMessage::new("NAME=value expected", at));
            }
            Xtext::new(value).map_err(|e| InvalidMessage::new(e.what, at + e.offset))?;
            count += 1;
        }
        if count == 0 { Err(InvalidMessage::new("attribute expected", 0)) } else { Ok(()) }
    }

    /// Adds one, or replaces it.
    pub fn set(&mut self, name: AttributeName, value: AttributeValue) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    /// What was said of this attribute.
    #[must_use]
    pub fn get(&self, name: &AttributeName) -> Option<&AttributeValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Each pair, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The client's address, if it was said and is one.
    #[must_use]
    pub fn addr(&self) -> Option<IpAddr> {
        let AttributeValue::Known(text) = self.get(&AttributeName::ADDR)? else { return None };
        let v6 = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPV6:"));
        text.get(v6.map_or(0, str::len)..)?.parse().ok()
    }
}

impl fmt::Display for Attributes {
    /// Each with a space in front, ready to stand behind the verb.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| write!(f, " {}={value}", name.0))
    }
}

/// Place, name and value of each word; what has no `=` has no name.
fn pairs(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut at = 0;
    text.split(' ').filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        let (name, value) = word.split_once('=').unwrap_or(("", word));
        (!word.is_empty()).then_some((start, name, value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_pair_is_refused() {
        for bad in ["", "  ", "NAME", "=x", "NAME=", "NAME=a=b", "NAME=a+0Ab", "N_E=x", "NAME=\u{e9}"] {
            assert!(Attributes::read(bad).is_err(), "{bad:?}");
        }
        let v6 = Attributes::read("ADDR=IPV6:2001:db8::1").expect("readable");
        assert_eq!(v6.addr(), "2001:db8::1".parse().ok());
    }

    proptest! {
        #[test]
        fn e3_attributes_read_back_as_they_were(values in prop::collection::vec(prop_oneof![
            "[ -~]{1,20}".prop_map(|text| AttributeValue::known(&text).expect("printable")),
            Just(AttributeValue::Unavailable),
            Just(AttributeValue::TemporarilyUnavailable),
        ], 1..8)) {
            let mut attributes = Attributes::default();
            for (name, value) in AttributeName::XCLIENT.into_iter().zip(values) {
                attributes.set(name, value);
            }
            let wire = attributes.to_string();
            prop_assert!(Attributes::check(&wire).is_ok());
            prop_assert_eq!(Attributes::read(&wire)?, attributes);
        }
    }
}
