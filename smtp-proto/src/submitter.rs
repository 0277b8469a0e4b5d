//! Who submitted a message first: AUTH of MAIL (RFC 4954 5).

use std::fmt;

use mail_wire::InvalidMessage;

use crate::address::{Address, LocalPart};
use crate::path::Mailbox;
use crate::xtext::{Encoded, Xtext};

/// Who submitted the message first, as the client says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Submitter {
    /// `AUTH=<>`: nobody knows, or nobody is trusted to say.
    Unknown,
    /// A mailbox.
    Address(Address),
    /// A user's name alone, as Cyrus's own tools send it.
    Local(LocalPart),
}

impl Submitter {
    /// Reads the value; its xtext was checked.
    pub(crate) fn read(value: Xtext<'_>) -> Result<Self, InvalidMessage> {
        if value.as_wire() == "<>" {
            return Ok(Self::Unknown);
        }
        let (local, domain) = Mailbox::parse_loose(&value.decode())?;
        Ok(match domain {
            Some(domain) => Self::Address(Address::new(local, domain)),
            None => Self::Local(local),
        })
    }
}

impl fmt::Display for Submitter {
    /// As the value of the parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("<>"),
            Self::Address(address) => Encoded(&address.to_string()).fmt(f),
            Self::Local(local) => Encoded(&local.to_string()).fmt(f),
        }
    }
}
