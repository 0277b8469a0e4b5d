//! How a server connection behaves.

use mail_wire::sasl::MechanismName;
use mail_wire::{BareLineEnd, PlaintextLogin};

use crate::address::Domain;
use crate::extension::Extension;
use crate::limits::{Limits, Timeouts};

/// Whether this server offers STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTls {
    /// No: there is no certificate, or TLS came first.
    #[default]
    Off,
    /// Yes.
    Offer,
    /// Yes, and no mail is taken without it (530).
    Require,
}

/// Whether mail is taken from clients that did not log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthPolicy {
    /// Yes, as an MX does.
    #[default]
    Optional,
    /// No (530), as a submission service does.
    Require,
}

/// How a server connection behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this host, in the greeting and in the reply to EHLO.
    pub domain: Domain,
    /// STARTTLS.
    pub start_tls: StartTls,
    /// The SASL mechanisms to offer. None: there is no AUTH.
    pub mechanisms: Vec<MechanismName>,
    /// Whether mechanisms that send a password are there without TLS; if not they are not even announced (A12).
    pub plaintext_login: PlaintextLogin,
    /// Whether mail needs a login.
    pub auth: AuthPolicy,
    /// What is done with a bare CR or LF. By default the client gets 550 and is cut off (F1).
    pub bare_line_end: BareLineEnd,
    /// Further extensions to announce, beside PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES, STARTTLS and AUTH. Their
    /// commands, and their parameters of MAIL and RCPT, are let through to the owner, who has to do what they mean;
    /// those of others are refused.
    ///
    /// CHUNKING costs the owner nothing: a message in chunks comes in the same events. BINARYMIME is announced only with
    /// it, REQUIRETLS only under TLS. XCLIENT and XFORWARD are for peers whose word is taken: announce them by the
    /// address that the peer comes from.
    pub extensions: Vec<Extension>,
    /// What a client may cost.
    pub limits: Limits,
    /// How long it may stay silent.
    pub timeouts: Timeouts,
}

impl Config {
    /// No TLS, no logins, strict line ends, default limits.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            start_tls: StartTls::Off,
            mechanisms: Vec::new(),
            plaintext_login: PlaintextLogin::Refuse,
            auth: AuthPolicy::Optional,
            bare_line_end: BareLineEnd::Refuse,
            extensions: Vec::new(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}
