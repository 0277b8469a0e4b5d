//! Capabilities (RFC 2449 5 and 6, RFC 2595 4, RFC 5034 3, RFC 6856 2 and 3): the lines of CAPA.

use mail_wire::sasl::MechanismName;
use mail_wire::{InvalidMessage, Outbox, Text};

use crate::number::number;

/// One capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// TOP is there.
    Top,
    /// UIDL is there.
    Uidl,
    /// USER and PASS are there.
    User,
    /// AUTH is there, with these mechanisms.
    Sasl(Vec<MechanismName>),
    /// STLS is there.
    Stls,
    /// Text that begins with a bracket is a code.
    RespCodes,
    /// Failed logins carry a code (RFC 3206).
    AuthRespCode,
    /// Commands may be sent ahead.
    Pipelining,
    /// Seconds between two logins.
    LoginDelay {
        /// How many.
        seconds: u32,
        /// Whether the user's own value is told after login.
        scope: Scope,
    },
    /// Days that a message is kept.
    Expire {
        /// How many; `None` is for ever.
        days: Option<u32>,
        /// Whether the user's own value is told after login.
        scope: Scope,
    },
    /// UTF8 is there (RFC 6856).
    Utf8,
    /// The same, and names and passwords of USER, PASS and APOP may be UTF-8.
    Utf8User,
    /// LANG is there (RFC 6856).
    Lang,
    /// What software the server is.
    Implementation(Text),
    /// A line that is not known here.
    Other(Text),
}

/// Whether a value may differ after login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It is the same for all.
    Server,
    /// It may be another for the user.
    User,
}

/// Capabilities that are kept of one reply; further ones are passed over.
pub const CAPABILITIES_MAX: usize = 64;

/// What a server can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    /// Nothing beyond RFC 1939.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, up to [`CAPABILITIES_MAX`].
    pub fn push(&mut self, capability: Capability) {
        if self.0.len() < CAPABILITIES_MAX {
            self.0.push(capability);
        }
    }

    /// All of them, in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.iter()
    }

    /// True if this very capability is there.
    #[must_use]
    pub fn contains(&self, capability: &Capability) -> bool {
        self.0.contains(capability)
    }

    /// How long a client has to wait between two logins, in seconds, if the server says so.
    #[must_use]
    pub fn login_delay_seconds(&self) -> Option<u32> {
        self.0.iter().find_map(|c| match c {
            Capability::LoginDelay { seconds, .. } => Some(*seconds),
            _ => None,
        })
    }

    /// True if AUTH takes this mechanism.
    #[must_use]
    pub fn offers_mechanism(&self, name: &MechanismName) -> bool {
        self.0.iter().any(|c| matches!(c, Capability::Sasl(names) if names.contains(name)))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<T: IntoIterator<Item = Capability>>(all: T) -> Self {
        Self(all.into_iter().take(CAPABILITIES_MAX).collect())
    }
}

impl Capability {
    /// Reads a line without its CRLF. Arguments that do not fit make it an [`Other`](Self::Other).
    ///
    /// ```
    /// use pop3_proto::Capability;
    /// assert_eq!(Capability::parse(b"uidl")?, Capability::Uidl);
    /// # Ok::<(), mail_wire::InvalidMessage>(())
    /// ```
    pub fn parse(line: &[u8]) -> Result<Self, InvalidMessage> {
        let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
        let tag = words.next().ok_or(InvalidMessage::new("capability expected", 0))?;
        let arguments: Vec<&[u8]> = words.take(CAPABILITIES_MAX).collect();
        let known = match (&*tag.to_ascii_uppercase(), &*arguments) {
            (b"TOP", []) => Some(Self::Top),
            (b"UIDL", []) => Some(Self::Uidl),
            (b"USER", []) => Some(Self::User),
            (b"STLS", []) => Some(Self::Stls),
            (b"RESP-CODES", []) => Some(Self::RespCodes),
            (b"AUTH-RESP-CODE", []) => Some(Self::AuthRespCode),
            (b"PIPELINING", []) => Some(Self::Pipelining),
            (b"UTF8", []) => Some(Self::Utf8),
            (b"UTF8", [word]) if word.eq_ignore_ascii_case(b"USER") => Some(Self::Utf8User),
            (b"LANG", []) => Some(Self::Lang),
            (b"SASL", names) => {
                Some(Self::Sasl(names.iter().filter_map(|name| MechanismName::new(name).ok()).collect()))
            }
            (b"LOGIN-DELAY", [seconds, scope @ ..]) => match (number(seconds), scope_of(scope)) {
                (Some(seconds), Some(scope)) => Some(Self::LoginDelay { seconds, scope }),
                _ => None,
            },
            (b"EXPIRE", [days, scope @ ..]) => {
                let never = days.eq_ignore_ascii_case(b"NEVER");
                match (if never { Some(None) } else { number(days).map(Some) }, scope_of(scope)) {
                    (Some(days), Some(scope)) => Some(Self::Expire { days, scope }),
                    _ => None,
                }
            }
            (b"IMPLEMENTATION", [_, ..]) => Some(Self::Implementation(rest_of(line, tag))),
            _ => None,
        };
        Ok(known.unwrap_or_else(|| Self::Other(Text::lossy(&String::from_utf8_lossy(line)))))
    }

    /// Writes the line.
    pub fn encode(&self, out: &mut Outbox) {
        match self {
            Self::Top => out.put(b"TOP"),
            Self::Uidl => out.put(b"UIDL"),
            Self::User => out.put(b"USER"),
            Self::Stls => out.put(b"STLS"),
            Self::RespCodes => out.put(b"RESP-CODES"),
            Self::AuthRespCode => out.put(b"AUTH-RESP-CODE"),
            Self::Pipelining => out.put(b"PIPELINING"),
            Self::Utf8 => out.put(b"UTF8"),
            Self::Utf8User => out.put(b"UTF8 USER"),
            Self::Lang => out.put(b"LANG"),
            Self::Sasl(names) => {
                out.put(b"SASL");
                for name in names {
                    out.put(b" ");
                    out.put(name.as_str().as_bytes());
                }
            }
            Self::LoginDelay { seconds, scope } => {
                out.put(format!("LOGIN-DELAY {seconds}{}", scope.suffix()).as_bytes());
            }
            Self::Expire { days: Some(days), scope } => {
                out.put(format!("EXPIRE {days}{}", scope.suffix()).as_bytes());
            }
            Self::Expire { days: None, scope } => {
                out.put(format!("EXPIRE NEVER{}", scope.suffix()).as_bytes());
            }
            Self::Implementation(text) => {
                out.put(b"IMPLEMENTATION ");
                out.put(text.as_str().as_bytes());
            }
            Self::Other(line) => {
                // A leading dot would be stuffing, or the end.
                let line = line.as_str().trim_start_matches('.');
                out.put(if line.is_empty() { b"X-EMPTY" } else { line.as_bytes() });
            }
        }
        out.put(b"\r\n");
    }
}

impl Scope {
    fn suffix(self) -> &'static str {
        match self {
            Self::Server => "",
            Self::User => " USER",
        }
    }
}

fn scope_of(arguments: &[&[u8]]) -> Option<Scope> {
    match arguments {
        [] => Some(Scope::Server),
        [word] if word.eq_ignore_ascii_case(b"USER") => Some(Scope::User),
        _ => None,
    }
}

/// The text behind a word that the line begins with.
fn rest_of(line: &[u8], word: &[u8]) -> Text {
    let at = line.windows(word.len()).position(|w| w == word).unwrap_or(0);
    let rest = line.get(at + word.len()..).unwrap_or_default();
    Text::lossy(String::from_utf8_lossy(rest).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_of_dovecot_and_cyrus_are_read() {
        let check = |line: &[u8], expected| assert_eq!(Capability::parse(line), Ok(expected), "{line:?}");
        let names = |all: &[&str]| all.iter().map(|n| MechanismName::new(n.as_bytes()).unwrap()).collect();
        check(b"TOP", Capability::Top);
        check(b"AUTH-RESP-CODE", Capability::AuthRespCode);
        check(b"sasl PLAIN login", Capability::Sasl(names(&["PLAIN", "LOGIN"])));
        check(b"SASL", Capability::Sasl(Vec::new()));
        check(b"UTF8", Capability::Utf8);
        check(b"utf8 user", Capability::Utf8User);
        check(b"LANG", Capability::Lang);
        check(b"EXPIRE NEVER", Capability::Expire { days: None, scope: Scope::Server });
        check(b"EXPIRE 30 USER", Capability::Expire { days: Some(30), scope: Scope::User });
        check(b"LOGIN-DELAY 0", Capability::LoginDelay { seconds: 0, scope: Scope::Server });
        let text = Text::constant("Shlemazle-Plotz-v302 beta");
        check(b"IMPLEMENTATION Shlemazle-Plotz-v302 beta", Capability::Implementation(text));
    }

    #[test]
    fn lines_that_are_not_known_are_kept() {
        for line in
            ["X-NEW a b", "EXPIRE soon", "LOGIN-DELAY", "TOP 1", "LANG en", "UTF8 x", "IMPLEMENTATION"]
        {
            let expected = Capability::Other(Text::new(line).unwrap());
            assert_eq!(Capability::parse(line.as_bytes()), Ok(expected), "{line}");
        }
        assert!(Capability::parse(b"").is_err());
        assert!(Capability::parse(b"  ").is_err());
    }

    #[test]
    fn no_more_capabilities_are_kept_than_the_limit() {
        let mut all = Capabilities::new();
        for _ in 0..=CAPABILITIES_MAX {
            all.push(Capability::Top);
        }
        assert_eq!(all.iter().count(), CAPABILITIES_MAX);
    }
}
