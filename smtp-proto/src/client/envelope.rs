//! What a client is given to send, apart from the message itself.

use std::str::FromStr;

use mail_wire::InvalidMessage;

use crate::address::{Address, ForwardPath, ReversePath};
use crate::params::{MailParams, RcptParams};

/// Whom a message comes from and goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where failures go.
    pub reverse_path: ReversePath,
    /// Parameters of MAIL. SIZE, `BODY=7BIT` and AUTH are left out where the server does not know them; SMTPUTF8 is added
    /// where an address needs it.
    pub params: MailParams,
    /// At least one; events name them by their place here.
    pub recipients: Vec<Recipient>,
}

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub path: ForwardPath,
    /// Parameters of RCPT.
    pub params: RcptParams,
}

impl Recipient {
    /// True if SMTPUTF8 is not needed.
    pub(super) fn is_ascii(&self) -> bool {
        let first = self.params.original_recipient.as_ref();
        self.path.is_ascii() && first.is_none_or(|first| first.address().is_ascii())
    }
}

impl From<ForwardPath> for Recipient {
    fn from(path: ForwardPath) -> Self {
        Self { path, params: RcptParams::default() }
    }
}

impl FromStr for Recipient {
    type Err = InvalidMessage;

    /// Reads an address, without angle brackets; no parameters.
    fn from_str(address: &str) -> Result<Self, InvalidMessage> {
        address.parse::<Address>().map(|address| ForwardPath::from(address).into())
    }
}
