//! What LIST and LSUB tell (RFC 3501 7.2.2 and 7.2.3, RFC 5258 3.4 and 3.5).

use mail_wire::{InvalidMessage, PeerIncompatible};

use super::{ListAttribute, Separator};
use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// `* LIST (\HasNoChildren) "/" INBOX`: a name and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedMailbox<'a> {
    /// Its attributes.
    pub attributes: List<'a, ListAttribute<'a>>,
    /// The hierarchy separator; `None` in a flat name space.
    pub separator: Option<Separator>,
    /// Its name.
    pub mailbox: MailboxName<'a>,
    /// More, if it was asked for (RFC 5258 section 3).
    pub data: List<'a, ListData<'a>>,
}

/// An extended data item behind a listed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListData<'a> {
    /// `CHILDINFO` (RFC 5258 3.5): which selection options something below it satisfies, such as `SUBSCRIBED`.
    ChildInfo(List<'a, IString<'a>>),
    /// `OLDNAME` (RFC 5465 5.4, RFC 9051 6.3.9.7): what it was called before.
    OldName(MailboxName<'a>),
    /// Another item.
    Unknown(Extension<'a>),
}

impl<'a> ListedMailbox<'a> {
    /// A name without extended data.
    #[must_use]
    pub fn new(
        attributes: List<'a, ListAttribute<'a>>,
        separator: Option<Separator>,
        mailbox: MailboxName<'a>,
    ) -> Self {
        Self { attributes, separator, mailbox, data: List::of(&[]) }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let attributes = cursor.spaced()?.list()?;
        let separator = Separator::of_node(&cursor.spaced()?)?;
        let mailbox = MailboxName::of_node(&cursor.spaced()?)?;
        let data = if cursor.is_empty() { List::of(&[]) } else { cursor.spaced()?.list()? };
        Ok(Self { attributes, separator, mailbox, data })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.attributes.check(check)?;
        self.mailbox.check(check)?;
        self.data.check(check)
    }
}

impl<'a> Item<'a> for ListData<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        // The name may be quoted.
        let name = node.astring()?;
        if name.eq_ignore_ascii_case(b"CHILDINFO") {
            return Ok(Self::ChildInfo(cursor.spaced()?.list()?));
        }
        if name.eq_ignore_ascii_case(b"OLDNAME") {
            let mut inside = cursor.spaced()?.inside()?;
            let old = MailboxName::of_node(&inside.next()?)?;
            inside.end()?;
            return Ok(Self::OldName(old));
        }
        Extension::read_pair(&node, cursor).map(Self::Unknown)
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::ChildInfo(options) => options.check(check),
            Self::OldName(mailbox) => mailbox.check(check),
            Self::Unknown(_) => Ok(()),
        }
    }
}

impl Encode for ListedMailbox<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.attributes.encode(out)?;
        out.raw(b" ");
        Separator::encode_option(self.separator, out)?;
        out.raw(b" ");
        self.mailbox.encode(out)?;
        if !self.data.is_empty() {
            out.raw(b" ");
            self.data.encode(out)?;
        }
        Ok(())
    }
}

impl Encode for ListData<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::ChildInfo(options) => {
                out.raw(b"\"CHILDINFO\" ");
                options.encode(out)
            }
            Self::OldName(mailbox) => {
                out.raw(b"\"OLDNAME\" (");
                mailbox.encode(out)?;
                out.raw(b")");
                Ok(())
            }
            Self::Unknown(extension) => extension.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parser, Response};

    #[test]
    fn extended_data_is_read_with_and_without_quotes() {
        let line =
            b"* LIST (\\NonExistent) \".\" x (childinfo (\"SUBSCRIBED\") \"OldName\" (\"&AOk-\") TABLECLOTH \
            ((\"fringe\" \"lacy\") (\"color\" \"white\")) N 4)";
        let mut parser = Parser::new();
        let Response::List(listed) = parser.response(line).unwrap() else { panic!() };
        let data: Vec<_> = listed.data.iter().collect();
        let [
            ListData::ChildInfo(options),
            ListData::OldName(old),
            ListData::Unknown(cloth),
            ListData::Unknown(n),
        ] = data[..]
        else {
            panic!("{data:?}")
        };
        assert!(options.iter().eq([IString::new("SUBSCRIBED").unwrap()]));
        assert_eq!(old.to_utf8(), "é");
        assert_eq!(cloth.value(), Some(&b"((\"fringe\" \"lacy\") (\"color\" \"white\"))"[..]));
        assert_eq!((n.name(), n.value()), (&b"N"[..], Some(&b"4"[..])));
    }

    #[test]
    fn malformed_extended_data_makes_the_line_invalid() {
        for bad in ["x (CHILDINFO)", "x (OLDNAME (a b))", "x (OLDNAME ())", "x y", "x (A)"] {
            let line = format!("* LIST () \"/\" {bad}");
            let mut parser = Parser::new();
            assert!(matches!(parser.response(line.as_bytes()).unwrap(), Response::Invalid(_)), "{bad}");
        }
    }
}
