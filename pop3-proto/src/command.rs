//! Commands (RFC 1939 4 to 7, RFC 2449 5, RFC 2595 4, RFC 5034, RFC 6856): their types, parser and encoder.
//!
//! A command is a keyword in any case and its arguments behind single spaces. The argument of PASS is the whole rest
//! of the line, spaces included (RFC 1939 7); so is that of USER, as Cyrus and Dovecot have it. Trailing spaces
//! elsewhere are passed over.

use mail_wire::sasl::{self, Authcid, MechanismName};
use mail_wire::{Decimal, InvalidMessage, Outbox, Secret};
use memchr::{memchr, memchr3, memrchr};

use crate::apop::Digest;
use crate::language::LanguageRange;
use crate::number::{MessageNumber, number};
use crate::quirks::{Leniency, Quirk};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What the server can do (RFC 2449 5).
    Capa,
    /// Go under TLS (RFC 2595 4).
    Stls,
    /// The name of a login (RFC 1939 7).
    User(UserName),
    /// Its password.
    Pass(Password),
    /// A login by digest (RFC 1939 7).
    Apop {
        /// The name.
        name: UserName,
        /// The digest of the greeting's timestamp and the secret.
        digest: Digest,
    },
    /// A login by SASL (RFC 5034).
    Auth {
        /// The mechanism.
        mechanism: MechanismName,
        /// The first message, if the client speaks first and did at once.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// AUTH without a mechanism: which are there? Only with [`Quirk::AuthListing`].
    AuthListing,
    /// Go into UTF-8 mode (RFC 6856 2.1).
    Utf8,
    /// Speak this language, or tell which ones there are (RFC 6856 3).
    Lang(Option<LanguageRange>),
    /// A command of the TRANSACTION state.
    Maildrop(MaildropCommand),
    /// Remove what is marked as deleted, and say goodbye.
    Quit,
}

/// A command about messages (RFC 1939 5 and 7), in the TRANSACTION state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaildropCommand {
    /// How much is there.
    Stat,
    /// The size of a message, or of all.
    List(Option<MessageNumber>),
    /// The unique identifier of a message, or of all.
    Uidl(Option<MessageNumber>),
    /// A message.
    Retr(MessageNumber),
    /// The header of a message and so many lines of its body.
    Top(MessageNumber, u32),
    /// Mark a message as deleted.
    Dele(MessageNumber),
    /// Unmark all messages.
    Rset,
    /// Nothing.
    Noop,
}

impl MaildropCommand {
    /// True if a positive reply has many lines.
    #[must_use]
    pub fn is_multi_line(self) -> bool {
        matches!(self, Self::List(None) | Self::Uidl(None) | Self::Retr(_) | Self::Top(..))
    }
}

/// A name as it can stand in a line: what a SASL name can be, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserName(Authcid);

impl UserName {
    /// Takes the name: UTF-8, 1 to 255 bytes.
    pub fn new(name: &[u8]) -> Result<Self, InvalidMessage> {
        match name.iter().position(u8::is_ascii_control) {
            Some(at) => Err(InvalidMessage::new("control character in a name", at)),
            None => Authcid::new(name).map(Self),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name as that of a login.
    #[must_use]
    pub fn into_authcid(self) -> Authcid {
        self.0
    }
}

/// A password as it can stand in a line: 1 to [`BYTES_MAX`](Self::BYTES_MAX) octets without CR, LF and NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password(Secret<Vec<u8>>);

impl Password {
    /// Bytes of a password, so that a line of the default limit holds it.
    pub const BYTES_MAX: usize = 512;

    /// Takes the password.
    pub fn new(password: &[u8]) -> Result<Self, InvalidMessage> {
        if password.is_empty() || password.len() > Self::BYTES_MAX {
            return Err(InvalidMessage::new("password of 1 to 512 bytes expected", 0));
        }
        match memchr3(b'\r', b'\n', 0, password) {
            Some(at) => Err(InvalidMessage::new("not in a password", at)),
            None => Ok(Self(password.to_vec().into())),
        }
    }

    /// True if it is UTF-8.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        std::str::from_utf8(self.0.expose()).is_ok()
    }

    /// True if it is ASCII.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.0.expose().is_ascii()
    }

    /// The password.
    #[must_use]
    pub fn into_secret(self) -> Secret<Vec<u8>> {
        self.0
    }
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// The keyword is unknown.
    #[error("unknown keyword")]
    Unknown,
    /// The arguments do not fit the keyword.
    #[error("bad arguments: {0}")]
    Arguments(#[from] InvalidMessage),
}

impl Command {
    /// Reads a line without its CRLF.
    ///
    /// ```
    /// use pop3_proto::{Command, MaildropCommand, MessageNumber};
    /// let one = MessageNumber::new(1).unwrap();
    /// assert_eq!(Command::parse(b"top 1 10"), Ok(Command::Maildrop(MaildropCommand::Top(one, 10))));
    /// ```
    pub fn parse(line: &[u8]) -> Result<Self, BadCommand> {
        Self::parse_with(line, &mut Leniency::default())
    }

    pub(crate) fn parse_with(line: &[u8], leniency: &mut Leniency) -> Result<Self, BadCommand> {
        let (keyword, behind) = split(skip_spaces(line, leniency));
        let mut upper = [0_u8; 4];
        let Some(upper) = upper.get_mut(..keyword.len()) else { return Err(BadCommand::Unknown) };
        upper.copy_from_slice(keyword);
        upper.make_ascii_uppercase();
        if &*upper == b"PASS" {
            // The one argument in which every space counts.
            return Ok(Self::Pass(Password::new(behind.unwrap_or_default())?));
        }
        let rest = behind.map(|rest| skip_spaces(rest, leniency));
        let none = || no_more(rest);
        Ok(match &*upper {
            b"CAPA" => none().map(|()| Self::Capa)?,
            b"STLS" => none().map(|()| Self::Stls)?,
            b"QUIT" => none().map(|()| Self::Quit)?,
            b"STAT" => none().map(|()| Self::Maildrop(MaildropCommand::Stat))?,
            b"RSET" => none().map(|()| Self::Maildrop(MaildropCommand::Rset))?,
            b"NOOP" => none().map(|()| Self::Maildrop(MaildropCommand::Noop))?,
            b"USER" => Self::User(UserName::new(trim(rest.unwrap_or_default()))?),
            b"APOP" => {
                let rest = trim(rest.unwrap_or_default());
                let space = memrchr(b' ', rest).ok_or(InvalidMessage::new("name and digest expected", 0))?;
                let (name, digest) = (rest.get(..space), rest.get(space + 1..));
                Self::Apop {
                    name: UserName::new(name.unwrap_or_default())?,
                    digest: Digest::parse(digest.unwrap_or_default())?,
                }
            }
            b"UTF8" => none().map(|()| Self::Utf8)?,
            b"LANG" => match trim(rest.unwrap_or_default()) {
                [] => Self::Lang(None),
                range => Self::Lang(Some(LanguageRange::parse(range)?)),
            },
            b"AUTH" => {
                let (mechanism, initial) = split(trim(rest.unwrap_or_default()));
                if mechanism.is_empty() && leniency.overlook(Quirk::AuthListing) {
                    return Ok(Self::AuthListing);
                }
                let initial = initial.map(|text| sasl::decode_initial(skip_spaces(text, leniency)));
                let initial = initial.transpose()?;
                Self::Auth { mechanism: MechanismName::new(mechanism)?, initial }
            }
            b"LIST" => Self::Maildrop(MaildropCommand::List(optional_message(rest)?)),
            b"UIDL" => Self::Maildrop(MaildropCommand::Uidl(optional_message(rest)?)),
            b"RETR" => Self::Maildrop(MaildropCommand::Retr(message(rest)?)),
            b"DELE" => Self::Maildrop(MaildropCommand::Dele(message(rest)?)),
            b"TOP" => {
                let (first, second) = split(trim(rest.unwrap_or_default()));
                let message = MessageNumber::parse(first)?;
                let lines = match second {
                    None if leniency.overlook(Quirk::TopWithoutCount) => Some(0),
                    second => second.and_then(|text| number(skip_spaces(text, leniency))),
                };
                let lines = lines.ok_or(InvalidMessage::new("number of lines expected", 0))?;
                Self::Maildrop(MaildropCommand::Top(message, lines))
            }
            _ => return Err(BadCommand::Unknown),
        })
    }

    /// Writes the command.
    pub fn encode(&self, out: &mut Outbox) {
        match self {
            Self::Capa => out.put(b"CAPA"),
            Self::Stls => out.put(b"STLS"),
            Self::Quit => out.put(b"QUIT"),
            Self::User(name) => {
                out.put(b"USER ");
                out.put(name.0.as_str().as_bytes());
            }
            Self::Pass(password) => {
                out.put(b"PASS ");
                out.put(password.0.expose());
            }
            Self::Apop { name, digest } => {
                out.put(b"APOP ");
                out.put(name.0.as_str().as_bytes());
                out.put(b" ");
                out.put(&digest.to_text());
            }
            Self::AuthListing => out.put(b"AUTH"),
            Self::Utf8 => out.put(b"UTF8"),
            Self::Lang(None) => out.put(b"LANG"),
            Self::Lang(Some(range)) => {
                out.put(b"LANG ");
                out.put(range.as_str().as_bytes());
            }
            Self::Auth { mechanism, initial } => {
                out.put(b"AUTH ");
                out.put(mechanism.as_str().as_bytes());
                if let Some(initial) = initial {
                    let text = sasl::encode(initial.expose());
                    out.put(b" ");
                    out.put(if text.expose().is_empty() { b"=" } else { text.expose().as_bytes() });
                }
            }
            Self::Maildrop(command) => return command.encode(out),
        }
        out.put(b"\r\n");
    }
}

impl MaildropCommand {
    /// Writes the command.
    pub fn encode(self, out: &mut Outbox) {
        match self {
            Self::Stat => out.put(b"STAT\r\n"),
            Self::Rset => out.put(b"RSET\r\n"),
            Self::Noop => out.put(b"NOOP\r\n"),
            Self::List(None) => out.put(b"LIST\r\n"),
            Self::Uidl(None) => out.put(b"UIDL\r\n"),
            Self::List(Some(n)) => line(b"LIST ", n, None, out),
            Self::Uidl(Some(n)) => line(b"UIDL ", n, None, out),
            Self::Retr(n) => line(b"RETR ", n, None, out),
            Self::Dele(n) => line(b"DELE ", n, None, out),
            Self::Top(n, lines) => line(b"TOP ", n, Some(lines), out),
        }
    }
}

fn line(keyword: &[u8], message: MessageNumber, lines: Option<u32>, out: &mut Outbox) {
    out.put(keyword);
    out.put(Decimal::new(message.as_u32().into()).as_bytes());
    if let Some(lines) = lines {
        out.put(b" ");
        out.put(Decimal::new(lines.into()).as_bytes());
    }
    out.put(b"\r\n");
}

/// The text without the spaces that it begins with, if they may be overlooked.
fn skip_spaces<'a>(text: &'a [u8], leniency: &mut Leniency) -> &'a [u8] {
    let spaces = text.iter().take_while(|b| **b == b' ').count();
    if spaces > 0 && leniency.overlook(Quirk::ExtraSpaces) {
        text.get(spaces..).unwrap_or_default()
    } else {
        text
    }
}

/// The first word, and what stands behind the space that ends it.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b' ', text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

fn trim(text: &[u8]) -> &[u8] {
    let spaces = text.iter().rev().take_while(|b| **b == b' ').count();
    text.get(..text.len() - spaces).unwrap_or_default()
}

fn no_more(rest: Option<&[u8]>) -> Result<(), InvalidMessage> {
    match trim(rest.unwrap_or_default()) {
        [] => Ok(()),
        _ => Err(InvalidMessage::new("no argument expected", 0)),
    }
}

fn message(rest: Option<&[u8]>) -> Result<MessageNumber, InvalidMessage> {
    MessageNumber::parse(trim(rest.unwrap_or_default()))
}

fn optional_message(rest: Option<&[u8]>) -> Result<Option<MessageNumber>, InvalidMessage> {
    match trim(rest.unwrap_or_default()) {
        [] => Ok(None),
        text => MessageNumber::parse(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::LanguageTag;
    use crate::quirks::Quirks;

    fn number_of(n: u32) -> MessageNumber {
        MessageNumber::new(n).unwrap()
    }

    #[test]
    fn every_command_of_the_rfc_is_read_in_any_case() {
        use MaildropCommand::*;
        for (line, command) in [
            ("STAT", Stat),
            ("stat ", Stat),
            ("LIST", List(None)),
            ("LIST ", List(None)),
            ("list 2", List(Some(number_of(2)))),
            ("UIDL", Uidl(None)),
            ("UIDL 2", Uidl(Some(number_of(2)))),
            ("RETR 1", Retr(number_of(1))),
            ("Top 1 0", Top(number_of(1), 0)),
            ("TOP 10 25 ", Top(number_of(10), 25)),
            ("DELE 4294967295", Dele(number_of(u32::MAX))),
            ("RSET", Rset),
            ("nOOp", Noop),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(Command::Maildrop(command)), "{line}");
        }
        for (line, command) in [("CAPA", Command::Capa), ("stls", Command::Stls), ("QUIT", Command::Quit)] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn logins_are_read() {
        let alice = UserName::new(b"alice").unwrap();
        let digest = "c4c9334bac560ecc979e58001b3e22fb";
        let apop = Command::Apop { name: alice.clone(), digest: Digest::parse(digest.as_bytes()).unwrap() };
        assert_eq!(Command::parse(format!("APOP alice {digest}").as_bytes()), Ok(apop));
        assert_eq!(Command::parse(b"USER alice"), Ok(Command::User(alice)));
        let password = Password::new(b" two  words ").unwrap();
        assert_eq!(Command::parse(b"PASS  two  words "), Ok(Command::Pass(password)));
        let auth = |initial: Option<&[u8]>| {
            let mechanism = MechanismName::new(b"PLAIN").unwrap();
            Ok(Command::Auth { mechanism, initial: initial.map(|message| message.to_vec().into()) })
        };
        assert_eq!(Command::parse(b"AUTH plain"), auth(None));
        assert_eq!(Command::parse(b"AUTH PLAIN ="), auth(Some(b"")));
        assert_eq!(Command::parse(b"AUTH PLAIN AGEAYg=="), auth(Some(b"\0a\0b")));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for unknown in ["", " ", "XTND", "RETRO 1", "RET", "  ", " NOOP"] {
            assert_eq!(Command::parse(unknown.as_bytes()), Err(BadCommand::Unknown), "{unknown}");
        }
        for bad in [
            "RETR",
            "RETR 0",
            "RETR -1",
            "RETR 1 2",
            "RETR x",
            "DELE",
            "TOP 1",
            "TOP 1 -1",
            "TOP 1 2 3",
            "TOP",
            "LIST 0",
            "LIST x",
            "STAT 1",
            "NOOP x",
            "QUIT now",
            "USER",
            "USER ",
            "PASS",
            "PASS ",
            "AUTH",
            "AUTH *",
            "AUTH PLAIN !",
            "AUTH PLAIN AA== x",
            "APOP alice",
            "APOP alice 00",
            "CAPA x",
            "UTF8 x",
            "LANG en us",
            "LANG **",
            "LIST  2",
        ] {
            assert!(matches!(Command::parse(bad.as_bytes()), Err(BadCommand::Arguments(_))), "{bad}");
        }
    }

    #[test]
    fn languages_are_asked_for_or_listed() {
        assert_eq!(Command::parse(b"utf8"), Ok(Command::Utf8));
        assert_eq!(Command::parse(b"LANG "), Ok(Command::Lang(None)));
        assert_eq!(Command::parse(b"LANG *"), Ok(Command::Lang(Some(LanguageRange::Preferred))));
        let tag = LanguageTag::new(b"en-boont").unwrap();
        assert_eq!(Command::parse(b"lang en-boont"), Ok(Command::Lang(Some(LanguageRange::Tag(tag)))));
    }

    #[test]
    fn quirks_of_clients_are_overlooked_by_name_and_counted() {
        let top = Command::Maildrop(MaildropCommand::Top(number_of(3), 0));
        let list = Command::Maildrop(MaildropCommand::List(Some(number_of(2))));
        let plain = MechanismName::new(b"PLAIN").unwrap();
        let auth = Command::Auth { mechanism: plain, initial: Some(b"\0a\0b".to_vec().into()) };
        for (line, quirk, command, times) in [
            (&b"AUTH"[..], Quirk::AuthListing, Command::AuthListing, 1),
            (b"AUTH ", Quirk::AuthListing, Command::AuthListing, 1),
            (b"TOP 3", Quirk::TopWithoutCount, top.clone(), 1),
            (b"  LIST   2 ", Quirk::ExtraSpaces, list, 2),
            (b"TOP  3  0", Quirk::ExtraSpaces, top, 2),
            (b"AUTH PLAIN  AGEAYg==", Quirk::ExtraSpaces, auth, 1),
        ] {
            assert!(Command::parse(line).is_err(), "{line:?}");
            let mut leniency = Leniency::new(Quirks::NONE.with(quirk));
            assert_eq!(Command::parse_with(line, &mut leniency), Ok(command), "{line:?}");
            assert_eq!(leniency.met.iter().collect::<Vec<_>>(), [(quirk, times)], "{line:?}");
        }
        // Every space of a password is the password's.
        let mut leniency = Leniency::new(Quirks::tolerant());
        let password = Command::Pass(Password::new(b"  two ").unwrap());
        assert_eq!(Command::parse_with(b"PASS   two ", &mut leniency), Ok(password));
        assert_eq!(leniency.met.iter().count(), 0);
    }

    #[test]
    fn e1_names_and_passwords_hold_no_line_end() {
        for bad in [&b"a\r\nDELE 1"[..], b"a\n", b"a\0", b"a\r", b""] {
            assert!(UserName::new(bad).is_err(), "{bad:?}");
            assert!(Password::new(bad).is_err(), "{bad:?}");
        }
        assert!(Password::new(&[b'a'; Password::BYTES_MAX]).is_ok());
        assert!(Password::new(&[b'a'; Password::BYTES_MAX + 1]).is_err());
    }
}
