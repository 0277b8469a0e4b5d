//! ID (RFC 2971 section 3): who made the software at the other end. For statistics, never for decisions.
//!
//! ```
//! use imap_proto::{Parser, Response};
//! let mut parser = Parser::new();
//! let Response::Id(id) = parser.response(b"* ID (\"name\" \"Cyrus\" \"support-url\" NIL)")? else { panic!() };
//! let name = id.fields.unwrap().iter().find(|field| field.field == "name").unwrap();
//! assert_eq!(name.value.unwrap(), "Cyrus");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// The argument of the ID command, and of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<'a> {
    /// `None` for `NIL`: nothing is told.
    pub fields: Option<List<'a, IdField<'a>>>,
}

/// A field and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdField<'a> {
    /// The field, `name` or `version`.
    pub field: IString<'a>,
    /// The value.
    pub value: Option<IString<'a>>,
}

impl<'a> Id<'a> {
    /// Fields in one ID (RFC 2971 3.3).
    pub const FIELDS_MAX: usize = 30;
    /// Bytes of a field's name (RFC 2971 3.3).
    pub const FIELD_BYTES_MAX: usize = 30;
    /// Bytes of a value (RFC 2971 3.3).
    pub const VALUE_BYTES_MAX: usize = 1024;

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.spaced()?;
        Ok(Self { fields: if node.is_nil() { None } else { Some(node.list()?) } })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let Some(fields) = self.fields else { return Ok(()) };
        fields.check(check)?;
        let small = |field: &IdField<'_>| {
            field.field.bytes().count() <= Self::FIELD_BYTES_MAX
                && field.value.is_none_or(|value| value.bytes().count() <= Self::VALUE_BYTES_MAX)
        };
        if fields.iter().count() > Self::FIELDS_MAX || !fields.iter().all(|field| small(&field)) {
            return Err(InvalidMessage::new("ID larger than RFC 2971 allows", 0));
        }
        Ok(())
    }
}

impl<'a> Item<'a> for IdField<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { field: cursor.next()?.string()?, value: cursor.spaced()?.nstring()? })
    }
}

impl Encode for IdField<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.string(&self.field)?;
        out.raw(b" ");
        out.nstring(&self.value)
    }
}

impl Encode for Id<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        match &self.fields {
            None => {
                out.raw(b"NIL");
                Ok(())
            }
            Some(fields) => fields.encode(out),
        }
    }
}
