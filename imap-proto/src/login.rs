//! LOGIN and AUTHENTICATE (RFC 3501 6.2.2, 6.2.3; RFC 4959 section 3).
//!
//! ```
//! use imap_proto::{Command, Mechanism, Parser};
//! let mut parser = Parser::new();
//! let tagged = parser.command(b"C01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=")?;
//! let Command::Authenticate(authenticate) = tagged.command else { panic!() };
//! assert_eq!(authenticate.mechanism, Mechanism::PLAIN);
//! let Command::Login(login) = parser.command(b"a001 LOGIN SMITH SESAME")?.command else { panic!() };
//! assert_eq!(login.user, "SMITH");
//! assert_eq!(format!("{:?}", login.password), "***");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::string::{IString, Password};
use crate::tape::Cursor;

/// `LOGIN user password`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login<'a> {
    /// Who.
    pub user: IString<'a>,
    /// The proof; not printed.
    pub password: Password<'a>,
}

/// `AUTHENTICATE mechanism [initial response]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticate<'a> {
    /// The SASL mechanism.
    pub mechanism: Mechanism<'a>,
    /// The initial response in base64, or `=` for an empty one; not printed. Decoding is the SASL step's.
    pub initial: Option<Password<'a>>,
}

/// The name of a SASL mechanism (RFC 4422 3.1), compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub struct Mechanism<'a>(&'a [u8]);

impl<'a> Mechanism<'a> {
    /// `PLAIN` (RFC 4616).
    pub const PLAIN: Mechanism<'static> = Mechanism(b"PLAIN");

    /// The mechanism of this name.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let name = name.as_ref();
        if chars::is_atom(name) {
            Ok(Self(name))
        } else {
            Err(InvalidMessage::new("expected a mechanism", 0))
        }
    }

    /// Its name as spelled.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl PartialEq for Mechanism<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Mechanism<'_> {}

impl<'a> Login<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { user: cursor.spaced()?.astring()?, password: Password(cursor.spaced()?.astring()?) })
    }
}

impl<'a> Authenticate<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mechanism = Mechanism(cursor.spaced()?.atom()?);
        let initial = if cursor.is_empty() {
            None
        } else {
            let node = cursor.spaced()?;
            let word = node.word()?;
            if !is_base64(word) {
                return node.fail("expected base64");
            }
            Some(Password(IString::plain(word)))
        };
        Ok(Self { mechanism, initial })
    }
}

pub(crate) fn is_base64(word: &[u8]) -> bool {
    word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

impl Encode for Login<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        out.astring(&self.user)?;
        out.raw(b" ");
        out.astring(&self.password.0)
    }
}

impl Encode for Authenticate<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        out.raw(self.mechanism.0);
        if let Some(initial) = &self.initial {
            let word = initial.0.as_plain().filter(|word| !word.is_empty() && is_base64(word));
            out.raw(b" ");
            out.raw(word.ok_or(PeerIncompatible::Inexpressible("initial response that is not base64"))?);
        }
        Ok(())
    }
}
