//! Capabilities (RFC 3501 7.2.1): names, compared without regard to case.

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::tape::{Cursor, Item};

/// One capability, such as `IMAP4rev1`, `AUTH=PLAIN` or `RIGHTS=texk`. What is not known is kept like the rest.
#[derive(Clone, Copy)]
pub struct Capability<'a>(&'a [u8]);

/// Declares capabilities by their registered names.
macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        impl Capability<'static> {
            $($(#[$doc])* pub const $name: Self = Self($text.as_bytes());)*
        }
    };
}

capabilities! {
    /// RFC 3501.
    IMAP4REV1 = "IMAP4rev1",
    /// RFC 3501 6.2.1.
    STARTTLS = "STARTTLS",
    /// RFC 3501 6.2.3.
    LOGINDISABLED = "LOGINDISABLED",
    /// RFC 4616 as SASL mechanism.
    AUTH_PLAIN = "AUTH=PLAIN",
    /// The obsolete mechanism that old clients still use.
    AUTH_LOGIN = "AUTH=LOGIN",
    /// RFC 4959.
    SASL_IR = "SASL-IR",
    /// RFC 7888.
    LITERAL_PLUS = "LITERAL+",
    /// RFC 7888.
    LITERAL_MINUS = "LITERAL-",
    /// RFC 2177.
    IDLE = "IDLE",
    /// RFC 2342.
    NAMESPACE = "NAMESPACE",
    /// RFC 2971.
    ID = "ID",
    /// RFC 5161.
    ENABLE = "ENABLE",
    /// RFC 4315.
    UIDPLUS = "UIDPLUS",
    /// RFC 3691.
    UNSELECT = "UNSELECT",
    /// RFC 6851.
    MOVE = "MOVE",
    /// RFC 6154.
    SPECIAL_USE = "SPECIAL-USE",
    /// RFC 6154.
    CREATE_SPECIAL_USE = "CREATE-SPECIAL-USE",
    /// RFC 3348.
    CHILDREN = "CHILDREN",
    /// RFC 4314.
    ACL = "ACL",
    /// RFC 4314: the rights beyond RFC 2086, all of them.
    RIGHTS_KXTE = "RIGHTS=kxte",
    /// RFC 2087.
    QUOTA = "QUOTA",
}

impl<'a> Capability<'a> {
    /// The capability of this name, an atom.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let name = name.as_ref();
        if chars::is_atom(name) {
            Ok(Self(name))
        } else {
            Err(InvalidMessage::new("expected a capability", 0))
        }
    }

    /// Its name as spelled.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The SASL mechanism of `AUTH=...`.
    #[must_use]
    pub fn mechanism(&self) -> Option<&'a [u8]> {
        let (prefix, mechanism) = self.0.split_at_checked(5)?;
        prefix.eq_ignore_ascii_case(b"AUTH=").then_some(mechanism)
    }
}

impl PartialEq for Capability<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Capability<'_> {}

impl fmt::Debug for Capability<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(self.0).fmt(f)
    }
}

impl<'a> Item<'a> for Capability<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        cursor.next()?.atom().map(Self)
    }
}

impl Encode for Capability<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_compare_without_case_and_name_their_mechanism() {
        assert_eq!(Capability::new("imap4REV1").unwrap(), Capability::IMAP4REV1);
        assert_eq!(Capability::new("auth=gssapi").unwrap().mechanism(), Some(&b"gssapi"[..]));
        assert_eq!(Capability::IDLE.mechanism(), None);
        assert!(Capability::new("A B").is_err());
        assert!(Capability::new("A]").is_err());
    }
}
