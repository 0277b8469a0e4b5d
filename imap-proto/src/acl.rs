//! Access control: SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS and their responses (RFC 4314 section 3).
//!
//! Identifiers are kept as they come: what they name, and their normalisation, is the store's business. A `-` in front
//! of one makes its rights negative.
//!
//! ```
//! use imap_proto::{Command, Parser, RightsAction};
//! let mut parser = Parser::new();
//! let Command::SetAcl(change) = parser.command(b"A002 SETACL INBOX/Drafts Chris +cda")?.command else { panic!() };
//! assert_eq!(change.action, RightsAction::Add);
//! assert!(change.rights.contains(b'd') && !change.rights.contains(b'l'));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List, Node};

/// A set of rights: lower-case letters and digits, equal in any order.
#[derive(Debug, Clone, Copy)]
pub struct Rights<'a>(IString<'a>);

impl PartialEq for Rights<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.set() == other.set()
    }
}

impl Eq for Rights<'_> {}

impl<'a> Rights<'a> {
    /// `kxte`: the rights that RFC 4314 adds to those of RFC 2086.
    pub const KXTE: Rights<'static> = Rights(IString::plain(b"kxte"));

    /// The rights of these letters.
    pub fn new(rights: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_string(IString::new(rights)?).ok_or(InvalidMessage::new("expected rights", 0))
    }

    /// A bit for each letter and digit. Names of rights may repeat, as often as a peer likes.
    fn set(&self) -> u64 {
        self.iter().fold(0, |set, right| {
            set | 1 << if right.is_ascii_digit() { right - b'0' } else { (right & 31) + 10 }
        })
    }

    fn of_string(string: IString<'a>) -> Option<Self> {
        string.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).then_some(Self(string))
    }

    fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        Self::of_string(node.astring()?).map_or_else(|| node.fail("expected rights"), Ok)
    }

    /// The letters.
    pub fn iter(&self) -> impl Iterator<Item = u8> + 'a {
        self.0.bytes()
    }

    /// Whether a right is among them.
    #[must_use]
    pub fn contains(&self, right: u8) -> bool {
        self.iter().any(|b| b == right)
    }
}

/// How SETACL changes the rights of an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RightsAction {
    /// They become the rights.
    Replace,
    /// `+`.
    Add,
    /// `-`.
    Remove,
}

/// `SETACL mailbox identifier [+-]rights`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAcl<'a> {
    /// Of which mailbox.
    pub mailbox: MailboxName<'a>,
    /// Whose rights; a leading `-` is part of it and makes them negative rights.
    pub identifier: IString<'a>,
    /// What happens to them.
    pub action: RightsAction,
    /// Which.
    pub rights: Rights<'a>,
}

/// A mailbox and an identifier: the arguments of DELETEACL and LISTRIGHTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclSubject<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The identifier.
    pub identifier: IString<'a>,
}

/// `* ACL mailbox identifier rights ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acl<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// Who may what.
    pub entries: List<'a, AclEntry<'a>>,
}

/// An entry of an access control list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclEntry<'a> {
    /// Who.
    pub identifier: IString<'a>,
    /// What.
    pub rights: Rights<'a>,
}

/// `* LISTRIGHTS mailbox identifier required optional ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRights<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The identifier.
    pub identifier: IString<'a>,
    /// Rights that it always has.
    pub required: Rights<'a>,
    /// Rights that it can be given, in groups that are given together.
    pub optional: List<'a, Rights<'a>>,
}

/// `* MYRIGHTS mailbox rights`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MyRights<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The rights of the user who is logged in.
    pub rights: Rights<'a>,
}

impl<'a> SetAcl<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        let identifier = cursor.spaced()?.astring()?;
        let node = cursor.spaced()?;
        let string = node.astring()?;
        let (action, rights) = match string.as_plain() {
            Some([b'+', rights @ ..]) => (RightsAction::Add, IString::plain(rights)),
            Some([b'-', rights @ ..]) => (RightsAction::Remove, IString::plain(rights)),
            _ => (RightsAction::Replace, string),
        };
        let Some(rights) = Rights::of_string(rights) else { return node.fail("expected rights") };
        Ok(Self { mailbox, identifier, action, rights })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)
    }
}

impl<'a> AclSubject<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, identifier: cursor.spaced()?.astring()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)
    }
}

impl<'a> Acl<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, entries: cursor.rest() })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.entries.check(check)
    }
}

impl<'a> ListRights<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            mailbox: MailboxName::argument(cursor)?,
            identifier: cursor.spaced()?.astring()?,
            required: Rights::of_node(&cursor.spaced()?)?,
            optional: cursor.rest(),
        })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.optional.check(check)
    }
}

impl<'a> MyRights<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, rights: Rights::of_node(&cursor.spaced()?)? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)
    }
}

impl<'a> Item<'a> for AclEntry<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { identifier: cursor.next()?.astring()?, rights: Rights::of_node(&cursor.spaced()?)? })
    }
}

impl<'a> Item<'a> for Rights<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Self::of_node(&cursor.next()?)
    }
}

impl Encode for Rights<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.astring(&self.0)
    }
}

impl Encode for SetAcl<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        out.astring(&self.identifier)?;
        let action: &[u8] = match self.action {
            RightsAction::Replace => b"",
            RightsAction::Add => b"+",
            RightsAction::Remove => b"-",
        };
        let rights: Vec<u8> = action.iter().copied().chain(self.rights.iter()).collect();
        out.raw(b" ");
        out.astring(&IString::plain(&rights))
    }
}

impl Encode for AclSubject<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        out.astring(&self.identifier)
    }
}

impl Encode for AclEntry<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.astring(&self.identifier)?;
        out.raw(b" ");
        self.rights.encode(out)
    }
}

impl Encode for Acl<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        if !self.entries.is_empty() {
            out.raw(b" ");
        }
        self.entries.encode_bare(out)
    }
}

impl Encode for ListRights<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        out.astring(&self.identifier)?;
        out.raw(b" ");
        self.required.encode(out)?;
        for rights in self.optional.iter() {
            out.raw(b" ");
            rights.encode(out)?;
        }
        Ok(())
    }
}

impl Encode for MyRights<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.rights.encode(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Parser};

    #[test]
    fn rights_are_sets_of_lower_case_letters_and_digits() {
        let rights = |text: &'static str| Rights::new(text).unwrap();
        assert_eq!(rights("lrs"), rights("srl"));
        assert_ne!(rights("lrs"), rights("lr"));
        for bad in ["lQ", "l r", "l-", "\u{e9}"] {
            assert!(Rights::new(bad).is_err(), "{bad}");
        }
        let mut parser = Parser::new();
        assert!(parser.command(b"A035 SETACL INBOX/Drafts John lrQswicda").is_err());
        assert!(parser.command(b"a SETACL x y +-l").is_err());
        let Command::SetAcl(change) = parser.command(b"a SETACL x -fred \"\"").unwrap().command else {
            panic!()
        };
        assert_eq!(
            (change.identifier.to_utf8().unwrap().as_ref(), change.action),
            ("-fred", RightsAction::Replace)
        );
        assert_eq!(change.rights, rights(""));
    }
}
