//! SASL as the mail protocols carry it (RFC 4422): base64 lines, and the steps of PLAIN (RFC 4616) and LOGIN.
//!
//! The connections of the protocol crates know no mechanism. They carry messages; who checks them sits above. What
//! stands here is what all of them need: the line form with its limit, the two mechanisms that hand over a name and
//! a password, and the types that keep who one *is* apart from who one *acts as* (safety row A1).
//!
//! Every odd input has a defined outcome that ends one exchange and nothing else (A5): no base64, too long, `=`,
//! `*`, an empty message, a message with too few or too many fields.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{InvalidMessage, Secret};

/// Bytes of one SASL message in base64 (as Dovecot's `LOGIN_MAX_AUTH_BUF_SIZE`).
pub const MESSAGE_BYTES_MAX: usize = 8_192;
/// Bytes of a user name.
pub const NAME_BYTES_MAX: usize = 255;

/// One line of an exchange, from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// A response; it may be empty.
    Response(Secret<Vec<u8>>),
    /// `*`: the client gives up.
    Cancel,
}

/// Reads a line that a client sent in an exchange.
///
/// ```
/// use mail_wire::sasl::{ClientMessage, decode_line};
/// assert_eq!(decode_line(b"*"), Ok(ClientMessage::Cancel));
/// assert_eq!(decode_line(b"AGEAYg=="), Ok(ClientMessage::Response(b"\0a\0b".to_vec().into())));
/// assert!(decode_line(b"?").is_err());
/// ```
pub fn decode_line(line: &[u8]) -> Result<ClientMessage, InvalidMessage> {
    if line == b"*" {
        return Ok(ClientMessage::Cancel);
    }
    decode(line).map(ClientMessage::Response)
}

/// Reads the initial response that stands in the command itself; `=` is the empty one (RFC 4954 4, RFC 4959 3).
pub fn decode_initial(argument: &[u8]) -> Result<Secret<Vec<u8>>, InvalidMessage> {
    if argument == b"=" { Ok(Vec::new().into()) } else { decode(argument) }
}

/// Reads base64 text, within [`MESSAGE_BYTES_MAX`].
pub fn decode(text: &[u8]) -> Result<Secret<Vec<u8>>, InvalidMessage> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(InvalidMessage::new("SASL message too long", MESSAGE_BYTES_MAX));
    }
    STANDARD.decode(text).map(Secret::new).map_err(|e| {
        let offset = match e {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len(),
        };
        InvalidMessage::new("base64 expected", offset)
    })
}

/// Writes a message as base64 text.
#[must_use]
pub fn encode(message: &[u8]) -> Secret<String> {
    STANDARD.encode(message).into()
}

/// Who logs in: the name whose password is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authcid(String);

/// Who the session is for, if that is somebody else: needs a right of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authzid(String);

macro_rules! name {
    ($type:ident) => {
        impl $type {
            /// A name: UTF-8, 1 to [`NAME_BYTES_MAX`] bytes, no NUL.
            pub fn new(bytes: &[u8]) -> Result<Self, InvalidMessage> {
                if bytes.is_empty() {
                    return Err(InvalidMessage::new("empty name", 0));
                }
                if bytes.len() > NAME_BYTES_MAX {
                    return Err(InvalidMessage::new("name too long", NAME_BYTES_MAX));
                }
                match std::str::from_utf8(bytes) {
                    Ok(name) if !name.contains('\0') => Ok(Self(name.to_owned())),
                    _ => Err(InvalidMessage::new("name is not UTF-8", 0)),
                }
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
name!(Authcid);
name!(Authzid);

/// A name and password that a client sent, to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who logs in.
    pub authcid: Authcid,
    /// Who he wants to act as, when he named somebody.
    pub authzid: Option<Authzid>,
    /// His password, as sent.
    pub password: Secret<Vec<u8>>,
}

/// The mechanisms whose steps stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The unregistered two-step exchange that Outlook still uses.
    Login,
}

impl Mechanism {
    /// The mechanism of this name, in any case.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        [Self::Plain, Self::Login].into_iter().find(|m| name.eq_ignore_ascii_case(m.name().as_bytes()))
    }

    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// The registered name of a mechanism, known here or not (RFC 4422 3.1).
///
/// ```
/// use mail_wire::sasl::MechanismName;
/// assert_eq!(MechanismName::new(b"scram-sha-256")?.as_str(), "SCRAM-SHA-256");
/// assert!(MechanismName::new(b"PLAIN LOGIN").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MechanismName(Cow<'static, str>);

impl MechanismName {
    /// Bytes of a name (RFC 4422 3.1).
    pub const BYTES_MAX: usize = 20;

    /// A name: letters in any case (kept in upper case), digits, `-` and `_`, up to
    /// [`BYTES_MAX`](Self::BYTES_MAX) bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let wrong = |b: &u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if bytes.is_empty() || bytes.len() > Self::BYTES_MAX {
            return Err(InvalidMessage::new("mechanism name of 1 to 20 bytes expected", 0));
        }
        if let Some(offset) = bytes.iter().position(wrong) {
            return Err(InvalidMessage::new("not in a mechanism name", offset));
        }
        let name = bytes.iter().map(|b| char::from(b.to_ascii_uppercase())).collect::<String>();
        Ok(Self(name.into()))
    }

    /// The name, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for a mechanism that hands the password itself over, and so must not run in the clear (safety row A12).
    #[must_use]
    pub fn sends_password(&self) -> bool {
        Mechanism::by_name(self.0.as_bytes()).is_some()
    }
}

impl From<Mechanism> for MechanismName {
    fn from(mechanism: Mechanism) -> Self {
        Self(mechanism.name().into())
    }
}

/// What a server does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge (not yet in base64; it may be empty).
    Challenge(&'static [u8]),
    /// The exchange is over; check this.
    Done(Credentials),
}

/// The server's side of one exchange.
///
/// ```
/// use mail_wire::sasl::{Mechanism, ServerExchange, Step};
/// let mut exchange = ServerExchange::new(Mechanism::Plain);
/// assert_eq!(exchange.start(None)?, Step::Challenge(b""));
/// let Step::Done(who) = exchange.respond(b"\0alice\0secret")? else { panic!() };
/// assert_eq!((who.authcid.as_str(), who.authzid), ("alice", None));
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug)]
pub struct ServerExchange {
    mechanism: Mechanism,
    name: Option<Authcid>,
}

impl ServerExchange {
    /// An exchange that has not begun.
    #[must_use]
    pub fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, name: None }
    }

    /// Begins, with the initial response if the client sent one.
    pub fn start(&mut self, initial: Option<&[u8]>) -> Result<Step, InvalidMessage> {
        match (initial, self.mechanism) {
            (Some(message), _) => self.respond(message),
            (None, Mechanism::Plain) => Ok(Step::Challenge(b"")),
            (None, Mechanism::Login) => Ok(Step::Challenge(b"Username:")),
        }
    }

    /// Goes on with the client's response. An error ends the exchange.
    pub fn respond(&mut self, message: &[u8]) -> Result<Step, InvalidMessage> {
        match (self.mechanism, self.name.take()) {
            (Mechanism::Plain, _) => plain(message).map(Step::Done),
            (Mechanism::Login, None) => {
                self.name = Some(Authcid::new(message)?);
                Ok(Step::Challenge(b"Password:"))
            }
            (Mechanism::Login, Some(authcid)) => {
                let password = Secret::new(message.to_vec());
                Ok(Step::Done(Credentials { authcid, authzid: None, password }))
            }
        }
    }
}

/// `[authzid] NUL authcid NUL password` (RFC 4616 2).
fn plain(message: &[u8]) -> Result<Credentials, InvalidMessage> {
    let mut fields = message.split(|b| *b == 0);
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(authzid), Some(authcid), Some(password), None) => Ok(Credentials {
            authcid: Authcid::new(authcid)?,
            authzid: if authzid.is_empty() { None } else { Some(Authzid::new(authzid)?) },
            password: Secret::new(password.to_vec()),
        }),
        _ => Err(InvalidMessage::new("two NUL octets expected", 0)),
    }
}

/// The message of PLAIN, for a client. Names come from [`Authcid`] and [`Authzid`], so they hold no NUL.
#[must_use]
pub fn plain_message(credentials: &Credentials) -> Secret<Vec<u8>> {
    let mut message = Vec::new();
    message.extend_from_slice(credentials.authzid.as_ref().map_or("", Authzid::as_str).as_bytes());
    message.push(0);
    message.extend_from_slice(credentials.authcid.as_str().as_bytes());
    message.push(0);
    message.extend_from_slice(credentials.password.expose());
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        responses: &[&[u8]],
    ) -> Result<Step, InvalidMessage> {
        let mut exchange = ServerExchange::new(mechanism);
        let mut step = exchange.start(initial)?;
        for response in responses {
            step = exchange.respond(response)?;
        }
        Ok(step)
    }

    #[test]
    fn a5_every_odd_message_ends_the_exchange_and_only_that() {
        for bad in [&b""[..], b"\0", b"alice\0secret", b"\0\0secret", b"a\0b\0c\0d", b"\0\xff\0x"] {
            assert!(run(Mechanism::Plain, Some(bad), &[]).is_err(), "{bad:?}");
        }
        assert!(run(Mechanism::Login, None, &[b""]).is_err());
        for bad in [&b"%%%%"[..], b"A", b"AA", b"AA=", b"A===", b"YQ==\n"] {
            assert!(decode_line(bad).is_err(), "{bad:?}");
        }
        assert_eq!(decode_line(b""), Ok(ClientMessage::Response(Vec::new().into())));
        assert_eq!(decode_initial(b"="), Ok(Vec::new().into()));
        assert!(decode_initial(b"*").is_err());
    }

    #[test]
    fn a5_a_message_at_the_limit_passes_and_one_above_does_not() {
        assert!(decode(&[b'A'; MESSAGE_BYTES_MAX]).is_ok());
        assert!(decode(&[b'A'; MESSAGE_BYTES_MAX + 4]).is_err());
        assert!(Authcid::new(&[b'a'; NAME_BYTES_MAX]).is_ok());
        assert!(Authcid::new(&[b'a'; NAME_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_mechanism_name_at_the_limit_passes_and_one_above_does_not() {
        assert!(MechanismName::new(&[b'A'; MechanismName::BYTES_MAX]).is_ok());
        assert!(MechanismName::new(&[b'A'; MechanismName::BYTES_MAX + 1]).is_err());
        assert!(MechanismName::new(b"").is_err());
        assert!(MechanismName::from(Mechanism::Login).sends_password());
        assert_eq!(MechanismName::new(b"gssapi").map(|name| name.sends_password()), Ok(false));
    }

    #[test]
    fn a1_who_one_is_and_who_one_acts_as_stay_apart() {
        let Ok(Step::Done(who)) = run(Mechanism::Plain, Some(b"carol\0proxy\0secret"), &[]) else { panic!() };
        assert_eq!(who.authcid.as_str(), "proxy");
        assert_eq!(who.authzid.as_ref().map(Authzid::as_str), Some("carol"));
        assert_eq!(plain_message(&who).expose(), b"carol\0proxy\0secret");
    }

    #[test]
    fn login_asks_for_name_and_password() {
        let step = run(Mechanism::Login, None, &[b"bob", b"p\0w"]);
        let Ok(Step::Done(who)) = step else { panic!() };
        assert_eq!((who.authcid.as_str(), who.password.expose().as_slice()), ("bob", &b"p\0w"[..]));
    }
}
