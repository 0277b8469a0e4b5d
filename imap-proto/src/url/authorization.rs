//! Who may fetch a URL, and the proof (RFC 4467 3, 6; RFC 5092 6).

use std::fmt;

use mail_wire::InvalidMessage;

use super::component::{Alphabet, Component};
use crate::chars;
use crate::date::{Date, DateTime};

/// `[;EXPIRE=date];URLAUTH=access[:mechanism:token]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlAuth<'a> {
    /// Until when; for ever, or until RESETKEY, if it is not said.
    pub expire: Option<Expire<'a>>,
    /// Who.
    pub access: Access<'a>,
    /// The proof; without it, this is the rump that GENURLAUTH takes.
    pub verifier: Option<Verifier<'a>>,
}

/// Who may fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    /// `submit+user`: a submission server on behalf of the user.
    Submit(Component<'a>),
    /// `user+user`: that user.
    User(Component<'a>),
    /// `authuser`: whoever has logged in.
    AuthUser,
    /// `anonymous`: everybody.
    Anonymous,
}

/// `:mechanism:token`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Verifier<'a> {
    /// How the token was made.
    pub mechanism: UrlMechanism<'a>,
    token: &'a str,
}

impl<'a> Verifier<'a> {
    /// The fewest digits of a token (RFC 5092 11, `enc-urlauth`).
    pub const TOKEN_DIGITS_MIN: usize = 32;

    /// A token of at least 32 hexadecimal digits.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(mechanism: UrlMechanism<'a>, token: &'a str) -> Result<Self, InvalidMessage> {
        let good = token.len() >= Self::TOKEN_DIGITS_MIN && token.bytes().all(|b| b.is_ascii_hexdigit());
        if good {
            Ok(Self { mechanism, token })
        } else {
            Err(InvalidMessage::new("malformed URLAUTH token", 0))
        }
    }

    /// The token, hexadecimal. Who has it can fetch: compare it in constant time, and keep it out of logs.
    #[must_use]
    pub fn token(&self) -> &'a str {
        self.token
    }
}

impl fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({}, ***)", self.mechanism.0)
    }
}

/// The name of an authorization mechanism (RFC 4467 9), compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub struct UrlMechanism<'a>(&'a str);

impl<'a> UrlMechanism<'a> {
    /// `INTERNAL`: known to the server that made it alone.
    pub const INTERNAL: UrlMechanism<'static> = UrlMechanism("INTERNAL");

    /// The mechanism of this name: letters, digits, `-` and `.`.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_bytes(name.as_ref()).ok_or(InvalidMessage::new("expected a URLAUTH mechanism", 0))
    }

    pub(crate) fn of_bytes(name: &'a [u8]) -> Option<Self> {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        let good = !name.is_empty() && name.iter().all(legal);
        good.then(|| std::str::from_utf8(name).ok().map(Self)).flatten()
    }

    /// Its name as spelled.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl PartialEq for UrlMechanism<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for UrlMechanism<'_> {}

/// The moment at which an authorization ends: `date-time` of RFC 3339, kept as written, since a token covers its
/// spelling.
///
/// ```
/// use imap_proto::Expire;
/// let expire = Expire::new("2026-02-28T23:59:60.25-01:30")?;
/// assert_eq!(expire.to_unix_seconds(), Expire::new("2026-03-01T01:30:00Z")?.to_unix_seconds());
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expire<'a> {
    text: &'a str,
    unix_seconds: i64,
}

impl<'a> Expire<'a> {
    /// The moment written like this.
    ///
    /// # Errors
    /// When there is no such moment, or it is written otherwise.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        let malformed = InvalidMessage::new("malformed expiry date", 0);
        rfc3339(text.as_bytes()).map(|unix_seconds| Self { text, unix_seconds }).ok_or(malformed)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Seconds since 1970, a fraction cut off.
    #[must_use]
    pub fn to_unix_seconds(&self) -> i64 {
        self.unix_seconds
    }
}

/// Reads what follows `URLAUTH=` at `offset` of its URL.
pub(super) fn read<'a>(
    text: &'a str,
    expire: Option<Expire<'a>>,
    offset: usize,
) -> Result<UrlAuth<'a>, InvalidMessage> {
    let (access, verifier) = match text.split_once(':') {
        Some((access, verifier)) => (access, Some(verifier)),
        None => (text, None),
    };
    let who = |prefix: &str| {
        access.get(..prefix.len()).filter(|found| found.eq_ignore_ascii_case(prefix))?;
        let user = access.get(prefix.len()..)?;
        Some(Component::read(user, Alphabet::User, offset + prefix.len()))
    };
    let access = if access.eq_ignore_ascii_case("authuser") {
        Access::AuthUser
    } else if access.eq_ignore_ascii_case("anonymous") {
        Access::Anonymous
    } else if let Some(user) = who("submit+") {
        Access::Submit(user?)
    } else if let Some(user) = who("user+") {
        Access::User(user?)
    } else {
        return Err(InvalidMessage::new("unknown access identifier", offset));
    };
    let verifier = match verifier {
        None => None,
        Some(verifier) => {
            let at =
                |error: InvalidMessage| InvalidMessage::new(error.what, offset + text.len() - verifier.len());
            let (mechanism, token) =
                verifier.split_once(':').ok_or(at(InvalidMessage::new("malformed URLAUTH token", 0)))?;
            let mechanism = UrlMechanism::new(mechanism).map_err(at)?;
            Some(Verifier::new(mechanism, token).map_err(at)?)
        }
    };
    Ok(UrlAuth { expire, access, verifier })
}

/// Seconds since 1970 of `2026-02-28T23:59:60.25-01:30`.
fn rfc3339(text: &[u8]) -> Option<i64> {
    let (day, clock) = text.split_at_checked(10)?;
    let (clock, rest) = clock.split_at_checked(9)?;
    let part = |from: usize, text: &[u8]| chars::number::<u8>(text.get(from..from + 2)?);
    let ([.., b'-', _, _, b'-', _, _], [b'T' | b't', _, _, b':', _, _, b':', _, _]) = (day, clock) else {
        return None;
    };
    let date = Date::of(chars::number(day.get(..4)?)?, part(5, day)?, part(8, day)?)?;
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().position(|b| !b.is_ascii_digit()).filter(|&digits| digits > 0)?;
            fraction.get(digits..)?
        }
    };
    let zone = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (part(1, rest)?, part(4, rest)?);
            let zone = (hours < 24 && minutes < 60).then(|| i16::from(hours) * 60 + i16::from(minutes))?;
            if *sign == b'-' { -zone } else { zone }
        }
        _ => return None,
    };
    let moment = DateTime::of(date, part(1, clock)?, part(4, clock)?, part(7, clock)?, zone)?;
    Some(moment.to_unix_seconds())
}
