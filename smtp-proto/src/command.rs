//! Commands (RFC 5321 4.1, RFC 3207, RFC 4954, RFC 2033): one line, one view, no allocation.
//!
//! A line is printable ASCII or it is no command: control bytes, NUL and bytes above 0x7E are refused before the verb
//! is looked at (safety row F7). Tolerated, since RFC 5321 4.1.1 or common clients want it: any case of verbs and
//! keywords, white space at the end, spaces between `FROM:` or `TO:` and the path.

use std::fmt;

use mail_wire::{InvalidMessage, Outbox};
use memchr::memchr;

use crate::params::Params;
use crate::path::{ForwardPathRef, ReversePathRef};

/// A command.
///
/// ```
/// use smtp_proto::Command;
/// let Ok(Command::Mail { path, params }) = Command::parse(b"MAIL FROM:<a@b.example> SIZE=9") else { panic!() };
/// assert_eq!(path.to_string(), "<a@b.example>");
/// assert_eq!(params.iter().next().map(|p| (p.keyword, p.value)), Some(("SIZE", Some("9"))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// EHLO: the client's name; extensions may follow.
    Ehlo(Word<'a>),
    /// HELO: the client's name, no extensions.
    Helo(Word<'a>),
    /// LHLO: LMTP's EHLO (RFC 2033 4.1).
    Lhlo(Word<'a>),
    /// MAIL: begins a transaction.
    Mail {
        /// Where failures go.
        path: ReversePathRef<'a>,
        /// The parameters.
        params: Params<'a>,
    },
    /// RCPT: one recipient.
    Rcpt {
        /// Who.
        path: ForwardPathRef<'a>,
        /// The parameters.
        params: Params<'a>,
    },
    /// DATA: the message follows, once it is asked for.
    Data,
    /// RSET: ends the transaction.
    Rset,
    /// NOOP, with the text that it may carry.
    Noop(Argument<'a>),
    /// VRFY.
    Vrfy(Argument<'a>),
    /// EXPN.
    Expn(Argument<'a>),
    /// HELP, with the text that it may carry.
    Help(Argument<'a>),
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth {
        /// The mechanism's name.
        mechanism: Word<'a>,
        /// The initial response, in base64 or `=`.
        initial: Option<InitialResponse<'a>>,
    },
}

/// A word: 1 to 255 bytes of visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a>(&'a str);

impl<'a> Word<'a> {
    /// Checks the text.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.bytes().position(|b| !b.is_ascii_graphic()) {
            Some(at) => Err(InvalidMessage::new("visible ASCII expected", at)),
            None if text.is_empty() || text.len() > 255 => {
                Err(InvalidMessage::new("word of 1 to 255 bytes expected", 0))
            }
            None => Ok(Self(text)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Free text: printable ASCII, maybe none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Argument<'a>(&'a str);

impl<'a> Argument<'a> {
    /// Checks the text. White space around it is dropped.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.bytes().position(|b| !(0x20..0x7f).contains(&b)) {
            Some(at) => Err(InvalidMessage::new("printable ASCII expected", at)),
            None => Ok(Self(text.trim_matches(' '))),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// The initial response of AUTH, still encoded. It may hold a password, so it prints as `***`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InitialResponse<'a>(&'a str);

impl<'a> InitialResponse<'a> {
    /// Checks the alphabet only; whether it is base64 is found out when it is decoded.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.bytes().position(|b| !b.is_ascii_graphic()) {
            None if !text.is_empty() => Ok(Self(text)),
            at => Err(InvalidMessage::new("base64 expected", at.unwrap_or(0))),
        }
    }

    /// The encoded text.
    #[must_use]
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for InitialResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a line is no command, in the terms of the reply that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// No such verb: 500.
    #[error("unknown command")]
    Unknown,
    /// The verb is known, its arguments are wrong: 501.
    #[error("{0}")]
    Syntax(#[from] InvalidMessage),
}

impl<'a> Command<'a> {
    /// Reads one line, without its CRLF. Offsets of errors count from the line's start.
    pub fn parse(line: &'a [u8]) -> Result<Self, InvalidCommand> {
        let line = printable(line)?.trim_end_matches(' ');
        let (verb, rest) = line.split_at(memchr(b' ', line.as_bytes()).unwrap_or(line.len()));
        let argument = rest.trim_start_matches(' ');
        let at = line.len() - argument.len();
        let shift = |e: InvalidMessage| InvalidMessage::new(e.what, e.offset + at);
        let word = || Word::new(argument).map_err(shift);
        let text = || Argument::new(argument).map_err(shift);
        let alone = |command| {
            if argument.is_empty() {
                Ok(command)
            } else {
                Err(InvalidMessage::new("no argument expected", at))
            }
        };
        let command = match Verb::of(verb).ok_or(InvalidCommand::Unknown)? {
            Verb::Ehlo => Command::Ehlo(word()?),
            Verb::Helo => Command::Helo(word()?),
            Verb::Lhlo => Command::Lhlo(word()?),
            Verb::Mail => {
                let (path, params) =
                    path_argument(argument, "FROM:", ReversePathRef::parse).map_err(shift)?;
                Command::Mail { path, params }
            }
            Verb::Rcpt => {
                let (path, params) = path_argument(argument, "TO:", ForwardPathRef::parse).map_err(shift)?;
                Command::Rcpt { path, params }
            }
            Verb::Data => alone(Command::Data)?,
            Verb::Rset => alone(Command::Rset)?,
            Verb::Noop => Command::Noop(text()?),
            Verb::Vrfy if argument.is_empty() => Err(InvalidMessage::new("name expected", at))?,
            Verb::Vrfy => Command::Vrfy(text()?),
            Verb::Expn if argument.is_empty() => Err(InvalidMessage::new("name expected", at))?,
            Verb::Expn => Command::Expn(text()?),
            Verb::Help => Command::Help(text()?),
            Verb::Quit => alone(Command::Quit)?,
            Verb::StartTls => alone(Command::StartTls)?,
            Verb::Auth => {
                let (mechanism, initial) = match argument.split_once(' ') {
                    Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
                    None => (argument, None),
                };
                let initial = initial.map(InitialResponse::new).transpose().map_err(shift)?;
                Command::Auth { mechanism: Word::new(mechanism).map_err(shift)?, initial }
            }
        };
        Ok(command)
    }

    /// Appends the line, with its CRLF.
    pub fn encode(&self, out: &mut Outbox) {
        out.put(format!("{self}\r\n").as_bytes());
    }
}

impl fmt::Display for Command<'_> {
    /// The line without its CRLF. That of AUTH holds a secret; log with `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |f: &mut fmt::Formatter<'_>, verb: &str, argument: &str| {
            f.write_str(verb)?;
            if argument.is_empty() { Ok(()) } else { write!(f, " {argument}") }
        };
        match self {
            Self::Ehlo(name) => with(f, "EHLO", name.0),
            Self::Helo(name) => with(f, "HELO", name.0),
            Self::Lhlo(name) => with(f, "LHLO", name.0),
            Self::Mail { path, params } => write!(f, "MAIL FROM:{path}{params}"),
            Self::Rcpt { path, params } => write!(f, "RCPT TO:{path}{params}"),
            Self::Data => f.write_str("DATA"),
            Self::Rset => f.write_str("RSET"),
            Self::Noop(text) => with(f, "NOOP", text.0),
            Self::Vrfy(name) => with(f, "VRFY", name.0),
            Self::Expn(name) => with(f, "EXPN", name.0),
            Self::Help(text) => with(f, "HELP", text.0),
            Self::Quit => f.write_str("QUIT"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Auth { mechanism, initial } => {
                write!(f, "AUTH {}", mechanism.0)?;
                initial.map_or(Ok(()), |initial| write!(f, " {}", initial.0))
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Ehlo,
    Helo,
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
    StartTls,
    Auth,
}

impl Verb {
    fn of(text: &str) -> Option<Self> {
        let mut upper = [0; 8];
        let upper = upper.get_mut(..text.len())?;
        upper.copy_from_slice(text.as_bytes());
        upper.make_ascii_uppercase();
        Some(match &*upper {
            b"RCPT" => Self::Rcpt,
            b"MAIL" => Self::Mail,
            b"DATA" => Self::Data,
            b"EHLO" => Self::Ehlo,
            b"HELO" => Self::Helo,
            b"LHLO" => Self::Lhlo,
            b"RSET" => Self::Rset,
            b"NOOP" => Self::Noop,
            b"VRFY" => Self::Vrfy,
            b"EXPN" => Self::Expn,
            b"HELP" => Self::Help,
            b"QUIT" => Self::Quit,
            b"STARTTLS" => Self::StartTls,
            b"AUTH" => Self::Auth,
            _ => return None,
        })
    }
}

/// `FROM:` or `TO:`, the path, and its parameters.
fn path_argument<'a, P>(
    argument: &'a str,
    prefix: &'static str,
    path: impl FnOnce(&'a str) -> Result<(P, &'a str), InvalidMessage>,
) -> Result<(P, Params<'a>), InvalidMessage> {
    let (head, tail) = argument.split_at_checked(prefix.len()).unwrap_or(("", argument));
    if !head.eq_ignore_ascii_case(prefix) {
        return Err(InvalidMessage::new("FROM: or TO: expected", 0));
    }
    let text = tail.trim_start_matches(' ');
    let at = argument.len() - text.len();
    let (path, rest) = path(text).map_err(|e| InvalidMessage::new(e.what, e.offset + at))?;
    let at = argument.len() - rest.len();
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(InvalidMessage::new("space or end expected", at));
    }
    let params = Params::parse(rest).map_err(|e| InvalidMessage::new(e.what, e.offset + at))?;
    Ok((path, params))
}

/// The line as text, if all of it is printable ASCII.
fn printable(line: &[u8]) -> Result<&str, InvalidMessage> {
    let is_printable = |b: &u8| (0x20..0x7f).contains(b);
    // Without an early exit, so that it compiles to vector instructions.
    if line.iter().fold(true, |all, b| all & is_printable(b)) {
        return std::str::from_utf8(line).map_err(|e| InvalidMessage::new("ASCII expected", e.valid_up_to()));
    }
    let at = line.iter().position(|b| !is_printable(b)).unwrap_or_default();
    Err(InvalidMessage::new("printable ASCII expected", at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_command_is_written_as_it_is_read() {
        for line in [
            "EHLO mail.example",
            "HELO [192.0.2.1]",
            "LHLO host",
            "MAIL FROM:<>",
            "MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME",
            "RCPT TO:<\"a b\"@c> X=y",
            "RCPT TO:<Postmaster>",
            "DATA",
            "RSET",
            "NOOP",
            "NOOP text of any kind",
            "VRFY name",
            "EXPN list",
            "HELP",
            "HELP mail",
            "QUIT",
            "STARTTLS",
            "AUTH PLAIN",
            "AUTH PLAIN =",
            "AUTH PLAIN AGEAYg==",
        ] {
            assert_eq!(Command::parse(line.as_bytes()).map(|c| c.to_string()).as_deref(), Ok(line));
        }
    }

    #[test]
    fn tolerated_forms_are_read_as_the_strict_one() {
        for (sloppy, strict) in [
            ("mail from: <a@b>  size=1 ", "MAIL FROM:<a@b> size=1"),
            ("rcpt TO:   <a@b>", "RCPT TO:<a@b>"),
            ("Quit   ", "QUIT"),
            ("ehlo   x", "EHLO x"),
            ("RCPT TO:<@x,@y:a@b>", "RCPT TO:<a@b>"),
        ] {
            assert_eq!(Command::parse(sloppy.as_bytes()).map(|c| c.to_string()).as_deref(), Ok(strict));
        }
    }

    #[test]
    fn wrong_arguments_and_unknown_verbs_are_told_apart() {
        for unknown in ["", "FOO", "MAILX FROM:<a@b>", "DATADATADATA", " QUIT", "GET / HTTP/1.1"] {
            assert_eq!(Command::parse(unknown.as_bytes()), Err(InvalidCommand::Unknown), "{unknown}");
        }
        for wrong in [
            "EHLO",
            "EHLO a b",
            "MAIL",
            "MAIL <a@b>",
            "MAIL TO:<a@b>",
            "MAIL FROM:a@b",
            "MAIL FROM:<a@b>x",
            "MAIL FROM:<a@b>> X",
            "RCPT TO:<>",
            "RCPT TO:<a@b> =",
            "DATA x",
            "RSET x",
            "QUIT x",
            "STARTTLS x",
            "AUTH",
            "AUTH PLAIN a b",
            "VRFY",
            "EXPN",
        ] {
            assert!(matches!(Command::parse(wrong.as_bytes()), Err(InvalidCommand::Syntax(_))), "{wrong}");
        }
    }

    #[test]
    fn f7_control_bytes_and_eight_bit_bytes_are_refused_in_every_command() {
        for byte in (0..0x20_u8).chain(0x7f..=0xff) {
            for line in [&b"NOOP x"[..], b"MAIL FROM:<a@b>", b"EHLO x", b"VRFY x"] {
                for at in 0..=line.len() {
                    let mut bytes = line.to_vec();
                    bytes.insert(at, byte);
                    assert!(Command::parse(&bytes).is_err(), "{byte:#x} at {at}");
                }
            }
        }
    }

    #[test]
    fn the_initial_response_is_not_printed() {
        let command = Command::parse(b"AUTH PLAIN c2VjcmV0");
        assert!(!format!("{command:?}").contains("c2VjcmV0"));
    }

    proptest! {
        #[test]
        fn e1_whatever_parses_is_written_as_one_line_that_parses_the_same(line in "(MAIL FROM:|RCPT TO:|EHLO |AUTH |NOOP |)[ -~]{0,40}") {
            if let Ok(command) = Command::parse(line.as_bytes()) {
                let wire = command.to_string();
                prop_assert!(wire.bytes().all(|b| (0x20..0x7f).contains(&b)));
                prop_assert_eq!(Command::parse(wire.as_bytes()), Ok(command));
            }
        }
    }
}
