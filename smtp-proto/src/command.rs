//! Commands (RFC 5321 4.1, RFC 1985, RFC 2033, RFC 3030, RFC 3207, RFC 4468, RFC 4954, Postfix's XCLIENT and XFORWARD):
//! one line, one view, no allocation.
//!
//! A line is printable text or it is no command: control characters, NUL and what is not UTF-8 are refused before the
//! verb is looked at (safety row F7). Characters above ASCII may stand only in paths, in the values of parameters and in
//! free text; whether they may stand there at all (SMTPUTF8, RFC 6531) is the connection's to say. Tolerated, since RFC 5321 4.1.1 or common clients want it: any case of verbs and
//! keywords, white space at the end, spaces between `FROM:` or `TO:` and the path.

use std::fmt;

use mail_wire::{InvalidMessage, Outbox};

use crate::attributes::Attributes;
use crate::chars::{refuse_controls, skip_spaces};
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
    /// BDAT: so many bytes of the message follow at once (RFC 3030 2).
    Bdat {
        /// The size of the chunk.
        bytes: u64,
        /// Whether the message ends with it.
        last: Last,
    },
    /// BURL: the server fetches a part of the message (RFC 4468 3).
    Burl {
        /// From where.
        url: Word<'a>,
        /// Whether the message ends with it.
        last: Last,
    },
    /// ETRN: asks for the mail that waits for a host (RFC 1985).
    Etrn(Word<'a>),
    /// XCLIENT: whom the client speaks for (Postfix).
    XClient(AttributesRef<'a>),
    /// XFORWARD: whom it has the message from, for the log (Postfix).
    XForward(AttributesRef<'a>),
}

/// Whether a part of a message is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Last {
    /// More follows.
    No,
    /// `LAST`: the message is complete.
    Yes,
}

/// The attributes of XCLIENT or XFORWARD as they stand on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributesRef<'a>(&'a str);

impl<'a> AttributesRef<'a> {
    /// Checks the text: at least one `NAME=value`.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        Attributes::check(text).map(|()| Self(text))
    }

    /// The same, owned and decoded.
    pub fn to_owned(self) -> Result<Attributes, InvalidMessage> {
        Attributes::read(self.0)
    }
}

/// A word: 1 to [`BYTES_MAX`](Self::BYTES_MAX) bytes of visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a>(&'a str);

impl<'a> Word<'a> {
    /// Bytes of a word: a host name has 255, a URL some more.
    pub const BYTES_MAX: usize = 1_000;

    /// Checks the text.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.bytes().position(|b| !b.is_ascii_graphic()) {
            Some(at) => Err(InvalidMessage::new("visible ASCII expected", at)),
            None if text.is_empty() || text.len() > Self::BYTES_MAX => {
                Err(InvalidMessage::new("word of 1 to 1000 bytes expected", 0))
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

/// Free text: printable, maybe none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Argument<'a>(&'a str);

impl<'a> Argument<'a> {
    /// Checks the text. White space around it is dropped.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(InvalidMessage::new("printable text expected", at)),
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
        let mut line =
            std::str::from_utf8(line).map_err(|e| InvalidMessage::new("text expected", e.valid_up_to()))?;
        refuse_controls(line)?;
        while let Some(rest) = line.strip_suffix(' ') {
            line = rest;
        }
        let (verb, rest) = Verb::split(line).ok_or(InvalidCommand::Unknown)?;
        let argument = skip_spaces(rest);
        let read = verb.read(argument);
        read.map_err(|e| InvalidMessage::new(e.what, e.offset + line.len() - argument.len()).into())
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
            Self::Bdat { bytes, last } => write!(f, "BDAT {bytes}{last}"),
            Self::Burl { url, last } => write!(f, "BURL {}{last}", url.0),
            Self::Etrn(name) => with(f, "ETRN", name.0),
            Self::XClient(attributes) => with(f, "XCLIENT", attributes.0),
            Self::XForward(attributes) => with(f, "XFORWARD", attributes.0),
        }
    }
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => Ok(()),
            Self::Yes => f.write_str(" LAST"),
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
    Bdat,
    Burl,
    Etrn,
    XClient,
    XForward,
}

impl Verb {
    /// The verb and what stands behind it: nothing, or a space and more.
    fn split(line: &str) -> Option<(Self, &str)> {
        // Setting this bit makes upper case lower case, and makes no other byte a letter.
        const LOWER: u32 = 0x2020_2020;
        let first: &[u8; 4] = line.as_bytes().first_chunk()?;
        let (verb, length) = match &(u32::from_be_bytes(*first) | LOWER).to_be_bytes() {
            b"rcpt" => (Self::Rcpt, 4),
            b"mail" => (Self::Mail, 4),
            b"data" => (Self::Data, 4),
            b"bdat" => (Self::Bdat, 4),
            b"ehlo" => (Self::Ehlo, 4),
            b"helo" => (Self::Helo, 4),
            b"lhlo" => (Self::Lhlo, 4),
            b"rset" => (Self::Rset, 4),
            b"noop" => (Self::Noop, 4),
            b"quit" => (Self::Quit, 4),
            b"auth" => (Self::Auth, 4),
            b"vrfy" => (Self::Vrfy, 4),
            b"expn" => (Self::Expn, 4),
            b"help" => (Self::Help, 4),
            b"burl" => (Self::Burl, 4),
            b"etrn" => (Self::Etrn, 4),
            b"star" => (Self::StartTls, 8),
            b"xcli" => (Self::XClient, 7),
            b"xfor" => (Self::XForward, 8),
            _ => return None,
        };
        let (name, rest) = line.split_at_checked(length)?;
        let is_whole = match verb {
            Self::StartTls => name.eq_ignore_ascii_case("STARTTLS"),
            Self::XClient => name.eq_ignore_ascii_case("XCLIENT"),
            Self::XForward => name.eq_ignore_ascii_case("XFORWARD"),
            _ => true,
        };
        (is_whole && (rest.is_empty() || rest.starts_with(' '))).then_some((verb, rest))
    }

    /// Reads the argument.
    fn read(self, argument: &str) -> Result<Command<'_>, InvalidMessage> {
        let alone = |command| {
            if argument.is_empty() {
                Ok(command)
            } else {
                Err(InvalidMessage::new("no argument expected", 0))
            }
        };
        let some = || {
            if argument.is_empty() {
                Err(InvalidMessage::new("name expected", 0))
            } else {
                Argument::new(argument)
            }
        };
        Ok(match self {
            Self::Ehlo => Command::Ehlo(Word::new(argument)?),
            Self::Helo => Command::Helo(Word::new(argument)?),
            Self::Lhlo => Command::Lhlo(Word::new(argument)?),
            Self::Mail => {
                let (path, params) = path_argument(argument, "FROM:", ReversePathRef::read)?;
                Command::Mail { path, params }
            }
            Self::Rcpt => {
                let (path, params) = path_argument(argument, "TO:", ForwardPathRef::read)?;
                Command::Rcpt { path, params }
            }
            Self::Data => alone(Command::Data)?,
            Self::Rset => alone(Command::Rset)?,
            Self::Noop => Command::Noop(Argument::new(argument)?),
            Self::Vrfy => Command::Vrfy(some()?),
            Self::Expn => Command::Expn(some()?),
            Self::Help => Command::Help(Argument::new(argument)?),
            Self::Quit => alone(Command::Quit)?,
            Self::StartTls => alone(Command::StartTls)?,
            Self::Auth => {
                let (mechanism, initial) = match argument.split_once(' ') {
                    Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
                    None => (argument, None),
                };
                let initial = initial.map(InitialResponse::new).transpose()?;
                Command::Auth { mechanism: Word::new(mechanism)?, initial }
            }
            Self::Bdat => {
                let (digits, last) = with_last(argument)?;
                let is_number =
                    (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                let bytes = digits.parse().ok().filter(|_| is_number);
                Command::Bdat {
                    bytes: bytes.ok_or(InvalidMessage::new("size of the chunk expected", 0))?,
                    last,
                }
            }
            Self::Burl => {
                let (url, last) = with_last(argument)?;
                Command::Burl { url: Word::new(url)?, last }
            }
            Self::Etrn => Command::Etrn(Word::new(argument)?),
            Self::XClient => Command::XClient(AttributesRef::new(argument)?),
            Self::XForward => Command::XForward(AttributesRef::new(argument)?),
        })
    }
}

/// An argument, and maybe LAST.
fn with_last(argument: &str) -> Result<(&str, Last), InvalidMessage> {
    match argument.split_once(' ') {
        None => Ok((argument, Last::No)),
        Some((first, last)) if last.trim_start_matches(' ').eq_ignore_ascii_case("LAST") => {
            Ok((first, Last::Yes))
        }
        Some((first, _)) => Err(InvalidMessage::new("LAST or end expected", first.len() + 1)),
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
    let text = skip_spaces(tail);
    let at = argument.len() - text.len();
    let (path, rest) = path(text).map_err(|e| InvalidMessage::new(e.what, e.offset + at))?;
    let at = argument.len() - rest.len();
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(InvalidMessage::new("space or end expected", at));
    }
    let params = Params::read(rest).map_err(|e| InvalidMessage::new(e.what, e.offset + at))?;
    Ok((path, params))
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
            "BDAT 0",
            "BDAT 18446744073709551615 LAST",
            "BURL imap://bob@mail.example/INBOX;uidvalidity=1/;uid=20;urlauth=submit+bob:internal:91354a473 LAST",
            "BURL imap://x",
            "ETRN example.com",
            "ETRN #queue",
            "XCLIENT NAME=spike.example ADDR=192.0.2.1",
            "XFORWARD NAME=[UNAVAILABLE]",
            "MAIL FROM:<r\u{e9}mi@\u{4e2d}.example> SMTPUTF8",
            "VRFY r\u{e9}mi SMTPUTF8",
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
            ("bdat 10  last", "BDAT 10 LAST"),
            ("xClient   NAME=x", "XCLIENT NAME=x"),
            ("ehlo   x", "EHLO x"),
            ("RCPT TO:<@x,@y:a@b>", "RCPT TO:<a@b>"),
        ] {
            assert_eq!(Command::parse(sloppy.as_bytes()).map(|c| c.to_string()).as_deref(), Ok(strict));
        }
    }

    #[test]
    fn wrong_arguments_and_unknown_verbs_are_told_apart() {
        for unknown in [
            "",
            "FOO",
            "MAILX FROM:<a@b>",
            "DATADATADATA",
            " QUIT",
            "GET / HTTP/1.1",
            "XCLIENTS A=b",
            "STARTTLX",
            "QUI",
        ] {
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
            "BDAT",
            "BDAT -1",
            "BDAT 1 FIRST",
            "BDAT 1 LAST LAST",
            "BDAT 18446744073709551616",
            "BDAT 000000000000000000001",
            "BURL",
            "BURL x y",
            "ETRN",
            "XCLIENT",
            "XCLIENT NAME",
            "XFORWARD NAME=",
            "EHLO r\u{e9}mi",
            "MAIL FROM:<a@b> \u{e9}=1",
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
        fn e1_whatever_parses_is_written_as_one_line_that_parses_the_same(
            line in "(MAIL FROM:|RCPT TO:|EHLO |AUTH |NOOP |BDAT |BURL |XCLIENT [A-Z]=|)[ -~\u{e9}]{0,40}",
        ) {
            if let Ok(command) = Command::parse(line.as_bytes()) {
                let wire = command.to_string();
                prop_assert!(!wire.chars().any(char::is_control));
                prop_assert_eq!(Command::parse(wire.as_bytes()), Ok(command));
            }
        }
    }
}
