//! How a client connection behaves.

pub use mail_wire::TlsMode;

use crate::address::Domain;
use crate::limits::{Limits, Timeouts};

/// How a client connection behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this host, or its address literal, for the hello.
    pub name: Domain,
    /// STARTTLS.
    pub tls: TlsMode,
    /// How messages are sent.
    pub chunking: Chunking,
    /// What a server may cost.
    pub limits: Limits,
    /// How long it may stay silent.
    pub timeouts: Timeouts,
}

impl Config {
    /// TLS required, messages by DATA, default limits.
    #[must_use]
    pub fn new(name: Domain) -> Self {
        Self {
            name,
            tls: TlsMode::default(),
            chunking: Chunking::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// Whether messages are sent in chunks (BDAT, RFC 3030). A binary message always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chunking {
    /// They are sent by DATA. The default: every server takes that.
    #[default]
    Never,
    /// In chunks, where the server offers CHUNKING and PIPELINING: one round trip less.
    WhenOffered,
}
