//! The NAMESPACE response (RFC 2342 5, RFC 9051 7.3.4), with its extensions, among them TRANSLATION (RFC 5255 3.4).
//!
//! ```
//! use imap_proto::{Parser, Response};
//! let mut parser = Parser::new();
//! let line = b"* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\" \"TRANSLATION\" (\"Andere Ben&APw-tzer/\"))) NIL";
//! let Response::Namespace(namespaces) = parser.response(line)? else { panic!() };
//! assert_eq!(namespaces.personal.iter().count(), 1);
//! let others = namespaces.other_users.iter().next().unwrap();
//! assert_eq!(others.prefix.to_utf8(), "~");
//! assert_eq!(others.translation()?.unwrap(), "Andere Benützer/");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::list::Separator;
use crate::mailbox::{MailboxName, decode_modified_utf7};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// Where the mailboxes of oneself, of others and of all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespaces<'a> {
    /// One's own.
    pub personal: List<'a, Namespace<'a>>,
    /// Other users'.
    pub other_users: List<'a, Namespace<'a>>,
    /// Shared by all.
    pub shared: List<'a, Namespace<'a>>,
}

/// A prefix and its separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace<'a> {
    /// What the names begin with; empty for the top.
    pub prefix: MailboxName<'a>,
    /// The hierarchy separator; `None` in a flat name space.
    pub separator: Option<Separator>,
    /// What else is told of it; mostly nothing.
    pub extensions: List<'a, NamespaceExtension<'a>>,
}

/// An extension of a namespace: a name and its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceExtension<'a> {
    /// Its name.
    pub name: IString<'a>,
    /// Its values; never none.
    pub values: List<'a, IString<'a>>,
}

impl<'a> Namespace<'a> {
    /// The prefix without extensions.
    #[must_use]
    pub fn new(prefix: MailboxName<'a>, separator: Option<Separator>) -> Self {
        Self { prefix, separator, extensions: List::of(&[]) }
    }

    /// The prefix in the language of the session, to be shown in place of it (RFC 5255 3.4). It is modified UTF-7.
    ///
    /// # Errors
    /// When there is one and it is not canonical.
    pub fn translation(&self) -> Result<Option<String>, InvalidMessage> {
        let found = self.extensions.iter().find(|e| e.name.eq_ignore_ascii_case(b"TRANSLATION"));
        found
            .and_then(|extension| extension.values.iter().next())
            .map(|value| decode_modified_utf7(&value.to_bytes()))
            .transpose()
    }
}

impl<'a> Namespaces<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            personal: cursor.spaced()?.list_or_nil()?,
            other_users: cursor.spaced()?.list_or_nil()?,
            shared: cursor.spaced()?.list_or_nil()?,
        })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        [self.personal, self.other_users, self.shared].iter().try_for_each(|list| list.check(check))
    }
}

impl<'a> Item<'a> for Namespace<'a> {
    const SPACED: bool = false;

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let prefix = inside.next()?;
        prefix.string()?;
        let separator = Separator::of_node(&inside.spaced()?)?;
        Ok(Self { prefix: MailboxName::of_node(&prefix)?, separator, extensions: inside.rest() })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.prefix.check(check)?;
        self.extensions.check(check)
    }
}

impl<'a> Item<'a> for NamespaceExtension<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { name: cursor.next()?.string()?, values: cursor.spaced()?.list()? })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.values.check_some(check)
    }
}

impl Encode for Namespace<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"(");
        self.prefix.encode_quoted(out)?;
        out.raw(b" ");
        Separator::encode_option(self.separator, out)?;
        for extension in self.extensions.iter() {
            out.raw(b" ");
            out.string(&extension.name)?;
            out.raw(b" ");
            extension.values.encode_filled(out)?;
        }
        out.raw(b")");
        Ok(())
    }
}

impl Encode for Namespaces<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        for namespaces in [self.personal, self.other_users, self.shared] {
            namespaces.encode_spaced_or_nil(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Parser, Response};

    #[test]
    fn extensions_are_kept_and_must_have_values() {
        let mut parser = Parser::new();
        let line = b"* NAMESPACE ((\"\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\") \"Y\" (\"\"))) NIL NIL";
        let Response::Namespace(namespaces) = parser.response(line).unwrap() else { panic!() };
        let personal = namespaces.personal.iter().next().unwrap();
        let names: Vec<_> = personal.extensions.iter().map(|e| e.name.to_utf8().unwrap()).collect();
        assert_eq!(names, ["X-PARAM", "Y"]);
        assert_eq!(personal.extensions.iter().next().unwrap().values.iter().count(), 2);
        assert_eq!(personal.translation(), Ok(None));
        for bad in ["\"X\"", "\"X\" ()", "\"X\" \"y\"", "X (\"y\")"] {
            let line = format!("* NAMESPACE ((\"\" \"/\" {bad})) NIL NIL");
            assert!(matches!(parser.response(line.as_bytes()).unwrap(), Response::Invalid(_)), "{bad}");
        }
    }
}
