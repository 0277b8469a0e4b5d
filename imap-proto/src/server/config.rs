//! What a server connection is told: once, at its start, and what its owner learns later.

use mail_wire::PlaintextLogin;
use mail_wire::sasl::{Mechanism, MechanismName};

use super::{Limits, Timeouts};
use crate::{Capability, Quirks};

/// What a server connection is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the client may cost.
    pub limits: Limits,
    /// How long the client may take.
    pub timeouts: Timeouts,
    /// What the client may do against the grammar: nothing by default.
    pub quirks: Quirks,
    /// Whether STARTTLS is there.
    pub start_tls: StartTls,
    /// Whether passwords are taken over an unencrypted link.
    pub plaintext_login: PlaintextLogin,
    /// SASL mechanisms that the owner can carry out, in order of preference; announced as `AUTH=`.
    pub mechanisms: Vec<MechanismName>,
    /// Which literals a client may send unasked.
    pub unasked_literals: UnaskedLiterals,
    /// What becomes of a verb that this crate does not know.
    pub unknown_verbs: UnknownVerbs,
    /// What the owner adds to the capabilities before login. `IMAP4rev1`, `LITERAL+` or `LITERAL-`, `SASL-IR`,
    /// `STARTTLS`, `LOGINDISABLED` and `AUTH=` are the connection's own.
    pub capabilities_before_login: Vec<Capability<'static>>,
    /// What the owner adds after login; [`Connection::set_capabilities`](super::Connection::set_capabilities) changes it. COMPRESS and UNAUTHENTICATE
    /// are verbs only while `COMPRESS=DEFLATE` and `UNAUTHENTICATE` stand here.
    pub capabilities_after_login: Vec<Capability<'static>>,
}

impl Default for Config {
    /// No STARTTLS, no password in the clear, PLAIN and LOGIN, and of the extensions `ID` and `IDLE`, `UNSELECT`
    /// and `NAMESPACE`, which need little from a store.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            quirks: Quirks::STRICT,
            start_tls: StartTls::Off,
            plaintext_login: PlaintextLogin::Refuse,
            mechanisms: vec![Mechanism::Plain.into(), Mechanism::Login.into()],
            unasked_literals: UnaskedLiterals::default(),
            unknown_verbs: UnknownVerbs::default(),
            capabilities_before_login: vec![Capability::Id],
            capabilities_after_login: vec![
                Capability::Id,
                Capability::Idle,
                Capability::Namespace,
                Capability::Unselect,
            ],
        }
    }
}

/// Which literals a client may send without waiting for a `+` (RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnaskedLiterals {
    /// Any: `LITERAL+`. What is too large is skipped, as far as the limits go. The default.
    #[default]
    Any,
    /// Up to 4,096 bytes: `LITERAL-`. What is larger is refused, messages too, and skipped.
    Small,
}

impl UnaskedLiterals {
    /// The largest literal under `LITERAL-` (RFC 7888 5).
    pub const SMALL_BYTES_MAX: u64 = 4_096;
}

/// What becomes of a verb that this crate does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownVerbs {
    /// It is answered `BAD Unknown command`. The default.
    #[default]
    Refuse,
    /// After login it reaches the owner, as [`Command::Unknown`](crate::Command::Unknown).
    Pass,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Peer {
    /// A user's client. Verbs that the nodes of a Cyrus murder use among themselves do not exist for it (safety
    /// row N4): `LOCALAPPEND`, `LOCALCREATE`, `LOCALDELETE`, `MUPDATEPUSH`, `XFER`, `XLIST`, `RLIST`, `RLSUB`,
    /// `GETANNOTATION`, `SETANNOTATION`.
    #[default]
    User,
    /// A node of the same site. Those verbs exist for it, and verbs that are not known reach the owner.
    Node,
}

/// When the client can follow an EXPUNGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpungeTiming {
    /// While a command is in progress that is not FETCH, STORE, SEARCH, SORT or THREAD by sequence numbers
    /// (RFC 3501 7.4.1). The default.
    #[default]
    DuringCommands,
    /// Between commands too: the client asked for it by `NOTIFY SET (SELECTED ...)` (RFC 5465 5.2).
    Anytime,
}

/// Whether a server can switch to TLS on a connection that began without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTls {
    /// There is no certificate, or TLS came first.
    #[default]
    Off,
    /// STARTTLS is announced, until TLS is active.
    Offer,
}
