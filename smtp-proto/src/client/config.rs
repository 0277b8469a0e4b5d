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
    /// What a server may cost.
    pub limits: Limits,
    /// How long it may stay silent.
    pub timeouts: Timeouts,
}

impl Config {
    /// TLS required, default limits.
    #[must_use]
    pub fn new(name: Domain) -> Self {
        Self { name, tls: TlsMode::default(), limits: Limits::default(), timeouts: Timeouts::default() }
    }
}
