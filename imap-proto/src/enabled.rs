//! What ENABLE has switched on (RFC 5161), as far as it changes what a connection does.

use crate::{Capability, Names};

/// The capabilities in force that have to be enabled first.
///
/// A connection learns them from `* ENABLED`, whichever side of it it is, and forgets them with the login.
///
/// ```
/// use imap_proto::{Capability, Enabled};
/// let enabled: Enabled = [Capability::Qresync, Capability::Idle].into_iter().collect();
/// assert!(enabled.has(&Capability::Qresync) && enabled.has(&Capability::CondStore));
/// assert!(!enabled.has(&Capability::Idle));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled(u8);

/// Each has a bit.
const MODES: [Capability<'static>; 5] = [
    Capability::CondStore,
    Capability::Qresync,
    Capability::Utf8Accept,
    Capability::Imap4Rev2,
    Capability::UidOnly,
];

impl Enabled {
    /// Whether this capability is enabled: `CONDSTORE`, `QRESYNC` (RFC 7162), `UTF8=ACCEPT` (RFC 6855), `IMAP4rev2`
    /// (RFC 9051), `UIDONLY` (RFC 9586). No other has to be; of those it says no.
    #[must_use]
    pub fn has(&self, capability: &Capability<'_>) -> bool {
        let implied = *capability == Capability::CondStore && self.has(&Capability::Qresync);
        implied || self.0 & bit(capability) != 0
    }

    /// How mailbox names are spelled, and whether quoted strings may hold UTF-8.
    #[must_use]
    pub fn names(&self) -> Names {
        if self.has(&Capability::Utf8Accept) || self.has(&Capability::Imap4Rev2) {
            Names::Utf8
        } else {
            Names::ModifiedUtf7
        }
    }

    pub(crate) fn note<'a>(&mut self, capabilities: impl IntoIterator<Item = Capability<'a>>) {
        capabilities.into_iter().for_each(|capability| self.0 |= bit(&capability));
    }
}

impl<'a> FromIterator<Capability<'a>> for Enabled {
    fn from_iter<I: IntoIterator<Item = Capability<'a>>>(capabilities: I) -> Self {
        let mut enabled = Self::default();
        enabled.note(capabilities);
        enabled
    }
}

fn bit(capability: &Capability<'_>) -> u8 {
    MODES.iter().position(|mode| mode == capability).map_or(0, |at| 1 << at)
}
