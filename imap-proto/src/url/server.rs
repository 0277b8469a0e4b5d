//! The server of a URL, and as whom to log in there (RFC 5092 3, `iserver`).

use mail_wire::InvalidMessage;

use super::component::{Alphabet, Component};

/// `[user[;AUTH=mechanism]@]host[:port]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlServer<'a> {
    /// As whom; anonymously, if it is not said.
    pub user: Option<UrlUser<'a>>,
    /// Where.
    pub host: UrlHost<'a>,
    /// The port; 143, if it is not said.
    pub port: Option<u16>,
}

/// `user[;AUTH=mechanism]`, of which one may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlUser<'a> {
    /// `user`, by whatever mechanism.
    Name(Component<'a>),
    /// `[user];AUTH=*`: by any mechanism that does.
    AnyMechanism(Option<Component<'a>>),
    /// `[user];AUTH=mechanism`: by that one only.
    Mechanism(Option<Component<'a>>, Component<'a>),
}

/// The host of a URL: a name or an address, compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub struct UrlHost<'a>(&'a str);

impl<'a> UrlHost<'a> {
    /// The host of this name, IPv4 address, or IPv6 address in brackets.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn new(host: &'a str) -> Result<Self, InvalidMessage> {
        let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let good = match inside {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            }
        };
        if good { Ok(Self(host)) } else { Err(InvalidMessage::new("expected a host", 0)) }
    }

    /// The host as spelled; an IPv6 address in its brackets.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl PartialEq for UrlHost<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for UrlHost<'_> {}

/// Reads an authority that stands at `offset` of its URL.
pub(super) fn read(authority: &str, offset: usize) -> Result<UrlServer<'_>, InvalidMessage> {
    let (user, place, place_offset) = match authority.split_once('@') {
        Some((user, place)) => (Some(read_user(user, offset)?), place, offset + user.len() + 1),
        None => (None, authority, offset),
    };
    let malformed = |what| InvalidMessage::new(what, place_offset);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (place, ""),
    };
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| malformed("port out of range"))?)
        }
        _ => return Err(malformed("malformed port")),
    };
    Ok(UrlServer { user, host: UrlHost::new(host).map_err(|error| malformed(error.what))?, port })
}

fn read_user(user: &str, offset: usize) -> Result<UrlUser<'_>, InvalidMessage> {
    let Some((name, auth)) = user.split_once(';') else {
        return Component::read(user, Alphabet::User, offset).map(UrlUser::Name);
    };
    let name = match name {
        "" => None,
        name => Some(Component::read(name, Alphabet::User, offset)?),
    };
    let auth_offset = offset + user.len() - auth.len();
    match super::read::parameter(auth, "AUTH") {
        Some("*") => Ok(UrlUser::AnyMechanism(name)),
        Some(mechanism) => {
            let mechanism = Component::read(mechanism, Alphabet::User, auth_offset + "AUTH=".len())?;
            Ok(UrlUser::Mechanism(name, mechanism))
        }
        None => Err(InvalidMessage::new("expected AUTH", auth_offset)),
    }
}
