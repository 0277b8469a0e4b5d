//! The shape that extensions have (`tagged-ext`, RFC 4466 section 3): a name and, perhaps, a value.
//!
//! Parameters of SELECT, options of LIST, items of STATUS that are not known are kept as such, so that an owner can
//! answer for them and a proxy can pass them on.
//!
//! ```
//! use imap_proto::{Command, Parser, SelectParameter};
//! let mut parser = Parser::new();
//! let tagged = parser.command(b"a SELECT INBOX (CONDSTORE X-VIEW (unread \"last week\"))")?;
//! let Command::Select(select) = tagged.command else { panic!() };
//! let Some(SelectParameter::Unknown(extension)) = select.parameters.iter().nth(1) else { panic!() };
//! assert_eq!(extension.name(), b"X-VIEW");
//! assert_eq!(extension.value(), Some(&b"(unread \"last week\")"[..]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::tape::{Cursor, Item, Node};
use crate::token::Kind;

/// A name that is not known and its value, both as they came. The name is compared without regard to case.
#[derive(Clone, Copy)]
pub struct Extension<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

impl<'a> Extension<'a> {
    /// The extension of this name, an atom, without a value.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let name = name.as_ref();
        if chars::is_atom(name) {
            Ok(Self { name, value: None })
        } else {
            Err(InvalidMessage::new("expected an atom", 0))
        }
    }

    /// Its name, an atom.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Its value, unparsed: a number, a sequence set or a list in parentheses. Peer's bytes.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    pub(crate) fn without_value(self) -> Self {
        Self { value: None, ..self }
    }

    /// Reads a value behind a name, if there is one.
    pub(crate) fn read_value(name: &'a [u8], cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let value = match cursor.peek() {
            Some(token) if token.kind() == Kind::List => Some(raw(&cursor.spaced()?)?),
            // A name begins with a letter, a number and a set do not.
            _ => cursor
                .word_if(|word| word.first().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'*' | b'$'))),
        };
        Ok(Self { name, value })
    }

    /// Reads a name, which `node` is, and the value behind it, whatever its shape.
    pub(crate) fn read_pair(node: &Node<'a>, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let Some(name) = node.astring()?.as_plain().filter(|name| chars::is_atom(name)) else {
            return node.fail("expected an atom");
        };
        Ok(Self { name, value: Some(raw(&cursor.spaced()?)?) })
    }
}

impl<'a> Item<'a> for Extension<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?.atom()?;
        Self::read_value(name, cursor)
    }
}

/// An element as it is spelled. A literal by itself is no value.
fn raw<'a>(node: &Node<'a>) -> Result<&'a [u8], InvalidMessage> {
    let start = match node.token.kind() {
        Kind::List | Kind::Word => node.token.start(),
        Kind::Quoted | Kind::QuotedEscaped => node.token.start().saturating_sub(1),
        _ => return node.fail("expected a value"),
    };
    Ok(node.frame.get(start..node.end()).unwrap_or_default())
}

impl PartialEq for Extension<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(other.name) && self.value == other.value
    }
}

impl Eq for Extension<'_> {}

impl fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped::new(self.name))?;
        self.value.map_or(Ok(()), |value| write!(f, " {}", Escaped::new(value)))
    }
}

impl Encode for Extension<'_> {
    /// A value with a literal in it has no form here: which literals the peer takes is another matter than which the
    /// peer took that it came from.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.name);
        if let Some(value) = self.value {
            if value.iter().any(u8::is_ascii_control) {
                return Err(PeerIncompatible::Inexpressible("unknown extension with a literal in it"));
            }
            out.raw(b" ");
            out.raw(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Literals, Parser, SelectParameter};

    fn extensions(parameters: &str, look: impl FnOnce(Vec<Extension<'_>>)) {
        let line = format!("a SELECT x ({parameters})");
        let mut parser = Parser::new();
        let Command::Select(select) = parser.command(line.as_bytes()).unwrap().command else { panic!() };
        look(
            select
                .parameters
                .iter()
                .map(|parameter| match parameter {
                    SelectParameter::Unknown(extension) => extension,
                    other => panic!("{other:?}"),
                })
                .collect(),
        );
    }

    #[test]
    fn names_and_values_are_told_apart() {
        extensions("X Y 7 Z 1:*,$ W (a (b \"c)\") 3) V", |all| {
            let all: Vec<_> = all.iter().map(|e| (e.name(), e.value())).collect();
            let expected: [(&[u8], Option<&[u8]>); 5] = [
                (b"X", None),
                (b"Y", Some(b"7")),
                (b"Z", Some(b"1:*,$")),
                (b"W", Some(b"(a (b \"c)\") 3)")),
                (b"V", None),
            ];
            assert_eq!(all, expected);
        });
    }

    #[test]
    fn e2_a_value_with_a_literal_cannot_be_passed_on() {
        let encoded = |extension: &Extension<'_>| {
            let mut out = Vec::new();
            extension.encode(&mut Encoder::new(&mut out, Literals::Sync)).map(|()| out)
        };
        extensions("X (a {3+}\r\nb c) Y (\"q\")", |all| {
            assert!(encoded(&all[0]).is_err());
            assert_eq!(encoded(&all[1]).unwrap(), b"Y (\"q\")");
            assert_eq!(format!("{:?}", all[1]), "Y (\\x22q\\x22)");
        });
        assert!(Extension::new("a b").is_err());
    }
}
