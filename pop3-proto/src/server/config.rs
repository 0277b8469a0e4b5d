//! What a server is and allows.

use mail_wire::sasl::{Mechanism, MechanismName};
use mail_wire::{PlaintextLogin, StartTls, Text};

use crate::{Capability, LanguageListing, Quirks, ServerLimits, ServerTimeouts};

/// What a server is and allows.
#[derive(Debug, Clone)]
pub struct Config {
    /// The SASL mechanisms it takes.
    pub mechanisms: Vec<MechanismName>,
    /// Whether STLS can be had.
    pub start_tls: StartTls,
    /// Whether USER, and mechanisms that send the password, may be used in the clear. If not, they are not even offered
    /// there.
    pub plaintext_login: PlaintextLogin,
    /// Capabilities to announce beside those of this crate: EXPIRE, LOGIN-DELAY, IMPLEMENTATION. For what is the user's
    /// own there is [`Connection::set_user_capabilities`](super::Connection::set_user_capabilities).
    pub capabilities: Vec<Capability>,
    /// The languages that LANG offers (RFC 6856 3), the preferred one first. With none, there is no LANG.
    pub languages: Vec<Language>,
    /// Whether there is a UTF-8 mode (RFC 6856 2).
    pub utf8: Utf8Mode,
    /// What is overlooked.
    pub quirks: Quirks,
    /// Limits.
    pub limits: ServerLimits,
    /// Timeouts.
    pub timeouts: ServerTimeouts,
}

/// Whether a server has a UTF-8 mode (RFC 6856 2), and what may be in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8Mode {
    /// It has none.
    Off,
    /// Messages may.
    Messages,
    /// Messages may, and the names and passwords of USER, PASS and APOP. Prepare them by SASLprep before they are
    /// compared.
    MessagesAndNames,
}

/// A language that the owner writes its texts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// The language, and what it calls itself.
    pub listing: LanguageListing,
    /// What to say when it is chosen, in that language.
    pub chosen: Text,
}

impl Default for Config {
    /// PLAIN, and that only under TLS; no STLS.
    fn default() -> Self {
        Self {
            mechanisms: vec![Mechanism::Plain.into()],
            start_tls: StartTls::Off,
            plaintext_login: PlaintextLogin::Refuse,
            capabilities: Vec::new(),
            languages: Vec::new(),
            utf8: Utf8Mode::Off,
            quirks: Quirks::NONE,
            limits: ServerLimits::default(),
            timeouts: ServerTimeouts::default(),
        }
    }
}
