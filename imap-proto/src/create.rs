//! CREATE and RENAME with their parameters (RFC 3501 6.3.3 and 6.3.5, RFC 4466 2.2 and 2.3, RFC 6154 3).
//!
//! Nodes of a Cyrus murder, and administrators of one, may name the place behind the mailbox: `CREATE user/dave
//! default`, `RENAME user/bob user/bob be2.example!default`. A server that serves users alone answers that `BAD`.
//!
//! ```
//! use imap_proto::{Command, CreateParameter, ListAttribute, Parser, SpecialUse};
//! let mut parser = Parser::new();
//! let Command::Create(create) = parser.command(b"t2 CREATE MySpecial (USE (\\Drafts))")?.command else { panic!() };
//! let Some(CreateParameter::Use(uses)) = create.parameters.iter().next() else { panic!() };
//! assert!(uses.iter().eq([ListAttribute::Use(SpecialUse::Drafts)]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::list::ListAttribute;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// The arguments of CREATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Create<'a> {
    /// The name to be.
    pub mailbox: MailboxName<'a>,
    /// Partition, or server and partition, where it shall be; nodes of a cluster only.
    pub location: Option<IString<'a>>,
    /// More; mostly nothing.
    pub parameters: List<'a, CreateParameter<'a>>,
}

/// A parameter of CREATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateParameter<'a> {
    /// `USE`: what it shall be used for (RFC 6154). Attributes that are no special uses here are answered
    /// `NO [USEATTR]`.
    Use(List<'a, ListAttribute<'a>>),
    /// A parameter that is not known here, to be answered `BAD`.
    Unknown(Extension<'a>),
}

/// The arguments of RENAME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rename<'a> {
    /// The present name.
    pub from: MailboxName<'a>,
    /// The name to be.
    pub to: MailboxName<'a>,
    /// Partition, or server and partition, where it shall be; nodes of a cluster only.
    pub location: Option<IString<'a>>,
    /// Parameters: RFC 4466 has room for them, nobody has defined one, and they are answered `BAD`.
    pub parameters: List<'a, Extension<'a>>,
}

/// What may stand behind the names: a location, parameters.
fn read_rest<'a, T: Item<'a>>(
    cursor: &mut Cursor<'a>,
) -> Result<(Option<IString<'a>>, List<'a, T>), InvalidMessage> {
    let mut location = None;
    if !cursor.is_empty() && !cursor.at_list() {
        location = Some(cursor.spaced()?.astring()?);
    }
    let parameters = if cursor.is_empty() { List::of(&[]) } else { cursor.spaced()?.list()? };
    Ok((location, parameters))
}

fn encode_rest<'a, S: Sink, T: Item<'a> + Encode>(
    location: &Option<IString<'_>>,
    parameters: &List<'a, T>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    if let Some(location) = location {
        out.raw(b" ");
        out.astring(location)?;
    }
    if !parameters.is_empty() {
        out.raw(b" ");
        parameters.encode(out)?;
    }
    Ok(())
}

impl<'a> Create<'a> {
    /// The mailbox, anywhere, for any use.
    #[must_use]
    pub fn new(mailbox: MailboxName<'a>) -> Self {
        Self { mailbox, location: None, parameters: List::of(&[]) }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        let (location, parameters) = read_rest(cursor)?;
        Ok(Self { mailbox, location, parameters })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.parameters.check(check)
    }
}

impl<'a> Rename<'a> {
    /// One name for another, in its place.
    #[must_use]
    pub fn new(from: MailboxName<'a>, to: MailboxName<'a>) -> Self {
        Self { from, to, location: None, parameters: List::of(&[]) }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let (from, to) = (MailboxName::argument(cursor)?, MailboxName::argument(cursor)?);
        let (location, parameters) = read_rest(cursor)?;
        Ok(Self { from, to, location, parameters })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.from.check(check)?;
        self.to.check(check)?;
        self.parameters.check(check)
    }
}

impl<'a> Item<'a> for CreateParameter<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?.atom()?;
        if name.eq_ignore_ascii_case(b"USE") {
            return Ok(Self::Use(cursor.spaced()?.list()?));
        }
        Extension::read_value(name, cursor).map(Self::Unknown)
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Use(uses) => uses.check(check),
            Self::Unknown(_) => Ok(()),
        }
    }
}

impl Encode for Create<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        encode_rest(&self.location, &self.parameters, out)
    }
}

impl Encode for Rename<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.from.encode(out)?;
        out.raw(b" ");
        self.to.encode(out)?;
        encode_rest(&self.location, &self.parameters, out)
    }
}

impl Encode for CreateParameter<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Use(uses) => {
                out.raw(b"USE ");
                uses.encode(out)
            }
            Self::Unknown(extension) => extension.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Parser, SpecialUse};

    #[test]
    fn a_location_stands_in_front_of_the_parameters() {
        let mut parser = Parser::new();
        let line = b"a CREATE user/dave be2.example!default (USE (\\Frob \\Important) X 1)";
        let Command::Create(create) = parser.command(line).unwrap().command else { panic!() };
        assert_eq!(create.location.unwrap(), "be2.example!default");
        let parameters: Vec<_> = create.parameters.iter().collect();
        let [CreateParameter::Use(uses), CreateParameter::Unknown(unknown)] = parameters[..] else {
            panic!()
        };
        let uses: Vec<_> = uses.iter().collect();
        assert!(matches!(uses[..], [ListAttribute::Other(_), ListAttribute::Use(SpecialUse::Important)]));
        assert_eq!(unknown.value(), Some(&b"1"[..]));

        let line = b"a RENAME \"user/bob\" user/bob \"default\"";
        let Command::Rename(rename) = parser.command(line).unwrap().command else { panic!() };
        assert_eq!(rename.location.unwrap(), "default");
        for bad in ["CREATE x y z", "CREATE x (USE)", "CREATE x (USE \\All)", "RENAME x", "RENAME x y (a) b"]
        {
            assert!(parser.command(format!("a {bad}").as_bytes()).is_err(), "{bad}");
        }
    }
}
