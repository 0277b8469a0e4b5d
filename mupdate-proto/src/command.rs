//! Commands (RFC 3656 4, 5): their types, parser and encoder.
//!
//! A command is a tag, a verb in any case and strings, which must be quoted or literals; only AUTHENTICATE takes its
//! mechanism as an atom too, since the RFC's grammar and its text differ there. COMPRESS and the arguments of UPDATE
//! (PARTIAL-UPDATE) are Cyrus's.

use bytes::Bytes;
use mail_wire::sasl::{self, MechanismName};
use mail_wire::{InvalidMessage, Outbox, Secret, Text};

use crate::string::{Cursor, LineWriter};
use crate::{Acl, Location, LocationPrefix, MailboxName, ServerName, Tag};

/// Servers that one UPDATE can name (as Cyrus).
pub const UPDATE_SERVERS_MAX: usize = 30;

/// A command without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Log in (4.2).
    Authenticate {
        /// The mechanism.
        mechanism: MechanismName,
        /// The first message, if the client speaks first and did at once.
        initial: Option<Secret<Vec<u8>>>,
    },
    /// Go under TLS (4.10).
    StartTls,
    /// Compress the stream by this algorithm (Cyrus).
    Compress(Bytes),
    /// Change the list.
    Change(Change),
    /// Show one entry (4.5).
    Find(MailboxName),
    /// Show all entries, or those whose location has this prefix (4.6).
    List(Option<LocationPrefix>),
    /// Show all entries and every change from then on (4.11); if servers are named, theirs only.
    Update(Vec<ServerName>),
    /// Nothing; on an update stream, a barrier (4.8).
    Noop,
    /// Say goodbye (4.7).
    Logout,
}

/// A command that changes the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Take a name (4.9).
    Reserve {
        /// The name.
        name: MailboxName,
        /// Where the mailbox will be.
        location: Location,
    },
    /// Make a mailbox known, reserved before or not; or change its location or ACL (4.1).
    Activate {
        /// Its name.
        name: MailboxName,
        /// Where it is.
        location: Location,
        /// Who may do what.
        acl: Acl,
    },
    /// Take a mailbox back to reserved (4.3).
    Deactivate {
        /// Its name.
        name: MailboxName,
        /// Where it will be.
        location: Location,
    },
    /// Give a name free (4.4).
    Delete {
        /// The name.
        name: MailboxName,
    },
}

impl Change {
    /// The name that the change is about.
    #[must_use]
    pub fn name(&self) -> &MailboxName {
        match self {
            Self::Reserve { name, .. }
            | Self::Activate { name, .. }
            | Self::Deactivate { name, .. }
            | Self::Delete { name } => name,
        }
    }
}

/// A frame that is no command: what to answer, and to which tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad command: {kind}")]
pub struct BadCommand {
    /// The tag, if it could be read.
    pub tag: Option<Tag>,
    /// What is wrong.
    pub kind: BadCommandKind,
}

/// What is wrong with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCommandKind {
    /// There is no tag and verb.
    #[error("no tag and verb")]
    NeedCommand,
    /// The verb is empty.
    #[error("empty verb")]
    NullCommand,
    /// The verb is unknown.
    #[error("unknown verb")]
    UnrecognizedCommand,
    /// An argument is missing.
    #[error("missing argument")]
    MissingArguments,
    /// There are too many arguments.
    #[error("too many arguments")]
    ExtraArguments,
    /// An argument is not what it should be.
    #[error(transparent)]
    BadlyFormedArguments(#[from] InvalidMessage),
}

impl BadCommandKind {
    /// What a server says about it: constant text, as Cyrus has it.
    #[must_use]
    pub fn text(self) -> Text {
        match self {
            Self::NeedCommand => const { Text::constant("Need command") },
            Self::NullCommand => const { Text::constant("Null command") },
            Self::UnrecognizedCommand => const { Text::constant("Unrecognized command") },
            Self::MissingArguments => const { Text::constant("Missing arguments") },
            Self::ExtraArguments => const { Text::constant("Extra arguments") },
            Self::BadlyFormedArguments(_) => const { Text::constant("Badly formed arguments") },
        }
    }
}

impl Command {
    /// Reads a frame: a line without its CRLF, with its literals inside.
    ///
    /// ```
    /// use mupdate_proto::{Command, MailboxName};
    /// let (tag, command) = Command::parse(&"F01 find {8+}\r\nuser.bob".into()).unwrap();
    /// assert_eq!(tag.as_str(), "F01");
    /// assert_eq!(command, Command::Find(MailboxName::new("user.bob").unwrap()));
    /// ```
    pub fn parse(frame: &Bytes) -> Result<(Tag, Self), BadCommand> {
        let mut cursor = Cursor::new(frame);
        let tag = Tag::new(cursor.word()).ok();
        let (Some(known), true) = (tag, cursor.space()) else {
            // A line without a verb is answered without its tag, as it might be anything.
            return Err(BadCommand { tag: None, kind: BadCommandKind::NeedCommand });
        };
        let command = Self::parse_behind_tag(&mut cursor).map_err(|kind| BadCommand { tag, kind })?;
        Ok((known, command))
    }

    fn parse_behind_tag(cursor: &mut Cursor<'_>) -> Result<Self, BadCommandKind> {
        let verb = cursor.word();
        let mut upper = [0_u8; 16];
        let Some(upper) = upper.get_mut(..verb.len()) else {
            return Err(BadCommandKind::UnrecognizedCommand);
        };
        upper.copy_from_slice(verb);
        upper.make_ascii_uppercase();
        let mut arguments = Arguments(cursor);
        let command = match &*upper {
            b"" => return Err(BadCommandKind::NullCommand),
            b"ACTIVATE" => Self::Change(Change::Activate {
                name: MailboxName::of_string(arguments.next()?)?,
                location: Location::of_string(arguments.next()?)?,
                acl: Acl::of_string(arguments.next()?)?,
            }),
            b"AUTHENTICATE" => Self::Authenticate {
                mechanism: MechanismName::new(&arguments.atom_or_string()?)?,
                initial: arguments.optional()?.map(|text| sasl::decode_initial(&text)).transpose()?,
            },
            b"COMPRESS" => Self::Compress(arguments.atom_or_string()?),
            b"DEACTIVATE" => Self::Change(Change::Deactivate {
                name: MailboxName::of_string(arguments.next()?)?,
                location: Location::of_string(arguments.next()?)?,
            }),
            b"DELETE" => Self::Change(Change::Delete { name: MailboxName::of_string(arguments.next()?)? }),
            b"FIND" => Self::Find(MailboxName::of_string(arguments.next()?)?),
            b"LIST" => Self::List(arguments.optional()?.map(LocationPrefix::of_string).transpose()?),
            b"LOGOUT" => Self::Logout,
            b"NOOP" => Self::Noop,
            b"RESERVE" => Self::Change(Change::Reserve {
                name: MailboxName::of_string(arguments.next()?)?,
                location: Location::of_string(arguments.next()?)?,
            }),
            b"STARTTLS" => Self::StartTls,
            b"UPDATE" => {
                let mut servers = Vec::new();
                while let Some(server) = arguments.optional()? {
                    if servers.len() == UPDATE_SERVERS_MAX {
                        return Err(BadCommandKind::ExtraArguments);
                    }
                    servers.push(ServerName::of_string(server)?);
                }
                Self::Update(servers)
            }
            _ => return Err(BadCommandKind::UnrecognizedCommand),
        };
        if cursor.is_at_end() { Ok(command) } else { Err(BadCommandKind::ExtraArguments) }
    }

    /// Writes the command.
    pub fn encode(&self, tag: &Tag, out: &mut Outbox) {
        let mut line = LineWriter::new(out);
        line.raw(tag.as_bytes()).raw(b" ");
        match self {
            Self::Authenticate { mechanism, initial } => {
                line.raw(b"AUTHENTICATE").argument(mechanism.as_str().as_bytes());
                if let Some(initial) = initial {
                    line.argument(sasl::encode(initial.expose()).expose().as_bytes());
                }
            }
            Self::StartTls => _ = line.raw(b"STARTTLS"),
            Self::Compress(algorithm) => _ = line.raw(b"COMPRESS").argument(algorithm),
            Self::Change(Change::Reserve { name, location }) => {
                line.raw(b"RESERVE").argument(name.as_bytes()).argument(location.as_bytes());
            }
            Self::Change(Change::Activate { name, location, acl }) => {
                line.raw(b"ACTIVATE").argument(name.as_bytes()).argument(location.as_bytes());
                line.argument(acl.as_bytes());
            }
            Self::Change(Change::Deactivate { name, location }) => {
                line.raw(b"DEACTIVATE").argument(name.as_bytes()).argument(location.as_bytes());
            }
            Self::Change(Change::Delete { name }) => _ = line.raw(b"DELETE").argument(name.as_bytes()),
            Self::Find(name) => _ = line.raw(b"FIND").argument(name.as_bytes()),
            Self::List(prefix) => {
                line.raw(b"LIST");
                if let Some(prefix) = prefix {
                    line.argument(prefix.as_bytes());
                }
            }
            Self::Update(servers) => {
                line.raw(b"UPDATE");
                for server in servers {
                    line.argument(server.as_bytes());
                }
            }
            Self::Noop => _ = line.raw(b"NOOP"),
            Self::Logout => _ = line.raw(b"LOGOUT"),
        }
        line.end();
    }
}

/// The arguments of a command, with the words for what is wrong with them.
struct Arguments<'a, 'f>(&'a mut Cursor<'f>);

impl Arguments<'_, '_> {
    fn next(&mut self) -> Result<Bytes, BadCommandKind> {
        self.optional()?.ok_or(BadCommandKind::MissingArguments)
    }

    fn optional(&mut self) -> Result<Option<Bytes>, BadCommandKind> {
        if self.0.is_at_end() { Ok(None) } else { Ok(Some(self.0.argument()?)) }
    }

    fn atom_or_string(&mut self) -> Result<Bytes, BadCommandKind> {
        if self.0.is_at_end() {
            return Err(BadCommandKind::MissingArguments);
        }
        if !self.0.space() {
            return Err(self.0.error("space expected").into());
        }
        match self.0.rest().first() {
            Some(b'"' | b'{') => Ok(self.0.string()?),
            _ => {
                let before = self.0.error("atom expected");
                let word = self.0.word();
                let is_atom = word
                    .iter()
                    .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'{' | b'(' | b')'));
                if is_atom && !word.is_empty() {
                    Ok(Bytes::copy_from_slice(word))
                } else {
                    Err(before.into())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    fn location(text: &'static str) -> Location {
        Location::new(text).unwrap()
    }

    fn parse(text: &'static [u8]) -> Result<Command, BadCommandKind> {
        Command::parse(&Bytes::from_static(text)).map(|(_, command)| command).map_err(|bad| bad.kind)
    }

    #[test]
    fn every_command_of_the_rfc_s_examples_is_read() {
        let acl = Acl::new("rjs3 lrswipcda").unwrap();
        let check = |text: &'static [u8], expected: Command| assert_eq!(parse(text), Ok(expected));
        check(b"N01 NOOP", Command::Noop);
        check(b"L01 LOGOUT", Command::Logout);
        check(b"S01 STARTTLS", Command::StartTls);
        check(b"U01 UPDATE", Command::Update(Vec::new()));
        check(b"L01 LIST", Command::List(None));
        check(b"F01 FIND \"user.rjs3.xyzzy\"", Command::Find(name("user.rjs3.xyzzy")));
        check(
            b"L02 LIST \"mail4.example.org!\"",
            Command::List(Some(LocationPrefix::new("mail4.example.org!").unwrap())),
        );
        let (new, place) = (name("user.rjs3.new"), location("mail3.example.org!u4"));
        check(
            b"R01 RESERVE \"user.rjs3.new\" \"mail3.example.org!u4\"",
            Command::Change(Change::Reserve { name: new.clone(), location: place.clone() }),
        );
        check(
            b"A01 DEACTIVATE \"user.rjs3.new\" \"mail3.example.org!u4\"",
            Command::Change(Change::Deactivate { name: new.clone(), location: place.clone() }),
        );
        check(
            b"A01 ACTIVATE \"user.rjs3.new\" \"mail3.example.org!u4\" \"rjs3 lrswipcda\"",
            Command::Change(Change::Activate { name: new, location: place, acl }),
        );
    }

    #[test]
    fn what_cyrus_back_ends_send_is_read() {
        let acl = Acl::new("alice\tlrswipkxtecdan\t").unwrap();
        let (alice, place) = (name("user.alice"), location("be1.murder.test!default"));
        assert_eq!(
            parse(b"X1 ACTIVATE {10+}\r\nuser.alice {23+}\r\nbe1.murder.test!default {21+}\r\nalice\tlrswipkxtecdan\t"),
            Ok(Command::Change(Change::Activate { name: alice.clone(), location: place, acl }))
        );
        assert_eq!(
            parse(b"X0 RESERVE {10+}\r\nuser.alice {4+}\r\nbe1!"),
            Ok(Command::Change(Change::Reserve { name: alice, location: location("be1!") }))
        );
        let plain = |initial: Option<&[u8]>| Command::Authenticate {
            mechanism: MechanismName::new(b"PLAIN").unwrap(),
            initial: initial.map(|message| message.to_vec().into()),
        };
        assert_eq!(parse(b"A01 AUTHENTICATE \"PLAIN\" {8+}\r\nAGEAYg=="), Ok(plain(Some(b"\0a\0b"))));
        assert_eq!(parse(b"a authenticate \"plain\" \"AGEAYg==\""), Ok(plain(Some(b"\0a\0b"))));
        assert_eq!(parse(b"a AUTHENTICATE PLAIN"), Ok(plain(None)));
        assert_eq!(parse(b"a AUTHENTICATE \"PLAIN\" \"\""), Ok(plain(Some(b""))));
        assert_eq!(
            parse(b"u UPDATE \"be1\" \"be2\""),
            Ok(Command::Update(vec![ServerName::new("be1").unwrap(), ServerName::new("be2").unwrap()]))
        );
    }

    #[test]
    fn what_is_wrong_with_a_command_has_cyrus_s_words() {
        use BadCommandKind::*;
        for (text, kind) in [
            (&b""[..], NeedCommand),
            (b"f", NeedCommand),
            (b"* NOOP", NeedCommand),
            (b"g  ", NullCommand),
            (b"d XYZZY", UnrecognizedCommand),
            (b"d XYZZYXYZZYXYZZYXYZZY", UnrecognizedCommand),
            (b"e FIND", MissingArguments),
            (b"e RESERVE \"a\"", MissingArguments),
            (b"e AUTHENTICATE", MissingArguments),
            (b"d FIND \"user.p3\" extra", ExtraArguments),
            (b"e NOOP x", ExtraArguments),
            (b"f LOGOUT x", ExtraArguments),
        ] {
            assert_eq!(parse(text), Err(kind), "{text:?}");
        }
        for text in [
            &b"c FIND user.p3"[..],
            b"u UPDATE \"\"",
            b"f FIND ",
            b"f FIND \"\"",
            b"x AUTHENTICATE \"PLAIN\" \"!\"",
        ] {
            assert!(matches!(parse(text), Err(BadlyFormedArguments(_))), "{text:?}");
        }
    }

    #[test]
    fn as_many_servers_as_the_limit_are_taken_and_one_more_is_not() {
        let update =
            |n: usize| Command::parse(&Bytes::from(format!("u UPDATE{}", " \"be\"".repeat(n)))).is_ok();
        assert!(update(UPDATE_SERVERS_MAX));
        assert!(!update(UPDATE_SERVERS_MAX + 1));
    }

    #[test]
    fn the_tag_of_a_bad_command_is_kept_for_the_answer() {
        let bad = Command::parse(&"t7 XYZZY".into()).unwrap_err();
        assert_eq!(bad.tag, Tag::new(b"t7").ok());
        assert_eq!(Command::parse(&"t7".into()).unwrap_err().tag, None);
    }
}
