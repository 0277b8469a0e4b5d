//! CATENATE (RFC 4469 section 3): a message put together from literals and from parts of messages that the server has.
//!
//! ```
//! use imap_proto::{CatenatePart, Command, NewContent, Parser};
//! let mut parser = Parser::new();
//! let frame = b"a APPEND Drafts CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;UID=20\" TEXT {2+}\r\nhi)";
//! let Command::Append(append) = parser.command(frame)?.command else { panic!() };
//! let Some(NewContent::Catenate(parts)) = append.messages.iter().next().map(|m| m.content) else { panic!() };
//! let Some(CatenatePart::Url(url)) = parts.iter().next() else { panic!() };
//! assert_eq!(url.parse()?.message.and_then(|message| message.uid), std::num::NonZeroU32::new(20));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::append::{encode_utf8, utf8_data};
use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::string::Data;
use crate::tape::{Cursor, Item};
use crate::token::Kind;
use crate::urlauth::UrlText;

/// `cat-part`: a piece of a message that is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatenatePart<'a> {
    /// `URL`: a message of the server or a part of one, absolute or relative.
    Url(UrlText<'a>),
    /// `TEXT {n}`.
    Text(Data<'a>),
    /// `UTF8 (~{n})` (RFC 6855 4): a header of it may hold UTF-8.
    Utf8(Data<'a>),
}

impl<'a> Item<'a> for CatenatePart<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! { URL = "URL", TEXT = "TEXT", UTF8 = "UTF8" }
        let name = cursor.next()?;
        Ok(match key(name.word()?) {
            URL => Self::Url(UrlText(cursor.spaced()?.astring()?)),
            TEXT => {
                let node = cursor.spaced()?;
                let plain = match node.token.kind() {
                    Kind::Literal => true,
                    Kind::Hole => !node.is_binary_hole(),
                    _ => false,
                };
                if !plain {
                    return node.fail("expected a literal");
                }
                Self::Text(Data::of_node(&node)?)
            }
            UTF8 => Self::Utf8(utf8_data(cursor)?),
            _ => return name.fail("unknown part of a message"),
        })
    }
}

impl Encode for CatenatePart<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Text(Data::Nil) | Self::Utf8(Data::Nil) => {
                Err(PeerIncompatible::Inexpressible("part without content"))
            }
            Self::Url(url) => {
                out.raw(b"URL ");
                url.encode(out)
            }
            Self::Text(data) => {
                out.raw(b"TEXT ");
                data.encode(out)
            }
            Self::Utf8(data) => encode_utf8(out, data),
        }
    }
}
