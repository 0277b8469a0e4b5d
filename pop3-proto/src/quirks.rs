//! What peers get wrong and may be overlooked, each by a name, each off unless it is asked for, each counted.
//!
//! Grammar and connections follow the RFCs by themselves. A [`Config`](crate::server::Config) or
//! [`client::Config`](crate::client::Config) says which departures are let pass, and both connections tell which of them they
//! met, so that an operator sees who still needs what. What POP3 leaves open anyway is no quirk: keywords in any case,
//! text behind the size in a line of LIST.
//!
//! ```
//! use pop3_proto::{Quirk, Quirks};
//! let quirks = Quirks::NONE.with(Quirk::TopWithoutCount);
//! assert!(quirks.allows(Quirk::TopWithoutCount) && !quirks.allows(Quirk::AuthListing));
//! ```

/// One departure from the RFCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// Server: `AUTH` alone asks for the mechanisms, one a line. Older clients (Outlook Express, Netscape) ask so
    /// instead of by CAPA.
    AuthListing,
    /// Server: `TOP n` means `TOP n 0`.
    TopWithoutCount,
    /// Server: more than one space between the words of a command, or spaces before the first.
    ExtraSpaces,
    /// Server: a NUL in a message leaves as 0x80, as old versions of Outlook hang on it. Changes the message.
    OutlookNul,
    /// Server: a message whose header no empty line ends gets one, as Outlook Express waits for it for ever. Changes
    /// the message.
    OutlookEndOfHeader,
    /// Client: a status and its text without the space between them: `+OKready`.
    StatusWithoutSpace,
    /// Client: a status that is not in upper case: `+ok`.
    StatusInOtherCase,
    /// Client: a unique identifier with spaces in it.
    UniqueIdWithSpaces,
    /// Client: a line that ends with a lone LF. For those in messages there is
    /// [`client::Config::bare_line_end`](crate::client::Config::bare_line_end).
    BareLineFeed,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AuthListing,
        Self::TopWithoutCount,
        Self::ExtraSpaces,
        Self::OutlookNul,
        Self::OutlookEndOfHeader,
        Self::StatusWithoutSpace,
        Self::StatusInOtherCase,
        Self::UniqueIdWithSpaces,
        Self::BareLineFeed,
    ];

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// The quirks that a connection overlooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks(u16);

impl Quirks {
    /// None of them. The default.
    pub const NONE: Self = Self(0);

    /// All that change no message: for clients and servers that must live with whatever comes.
    #[must_use]
    pub fn tolerant() -> Self {
        let changes_messages = [Quirk::OutlookNul, Quirk::OutlookEndOfHeader];
        let harmless = Quirk::ALL.into_iter().filter(|quirk| !changes_messages.contains(quirk));
        harmless.fold(Self::NONE, Self::with)
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, quirk: Quirk) -> Self {
        Self(self.0 | quirk.bit())
    }

    /// True if it is one of them.
    #[must_use]
    pub fn allows(self, quirk: Quirk) -> bool {
        self.0 & quirk.bit() != 0
    }
}

/// How often a connection met each quirk that it overlooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuirksMet([u64; Quirk::ALL.len()]);

impl QuirksMet {
    /// How often this one.
    #[must_use]
    pub fn count(&self, quirk: Quirk) -> u64 {
        self.0.get(quirk as usize).copied().unwrap_or_default()
    }

    /// Those that were met, each with its number.
    pub fn iter(&self) -> impl Iterator<Item = (Quirk, u64)> {
        Quirk::ALL.into_iter().map(|quirk| (quirk, self.count(quirk))).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn set(&mut self, quirk: Quirk, count: u64) {
        if let Some(place) = self.0.get_mut(quirk as usize) {
            *place = count;
        }
    }
}

/// What one line is read by: the quirks that may be overlooked, and those that were.
#[derive(Debug, Default)]
pub(crate) struct Leniency {
    pub(crate) allowed: Quirks,
    pub(crate) met: QuirksMet,
}

impl Leniency {
    pub(crate) fn new(allowed: Quirks) -> Self {
        Self { allowed, met: QuirksMet::default() }
    }

    /// Overlooks it, if that is allowed, and counts it.
    pub(crate) fn overlook(&mut self, quirk: Quirk) -> bool {
        let allowed = self.allowed.allows(quirk);
        if allowed {
            self.met.set(quirk, self.met.count(quirk) + 1);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quirk_is_allowed_and_counted_by_itself() {
        for quirk in Quirk::ALL {
            let mut leniency = Leniency::new(Quirks::NONE.with(quirk));
            for other in Quirk::ALL {
                assert_eq!(leniency.overlook(other), other == quirk);
            }
            assert_eq!(leniency.met.iter().collect::<Vec<_>>(), [(quirk, 1)]);
        }
        assert_eq!(Leniency::default().allowed, Quirks::NONE);
    }

    #[test]
    fn a_tolerant_connection_changes_no_message() {
        let all = Quirk::ALL.into_iter().filter(|quirk| Quirks::tolerant().allows(*quirk)).count();
        assert_eq!(all, Quirk::ALL.len() - 2);
        assert!(!Quirks::tolerant().allows(Quirk::OutlookNul));
    }
}
