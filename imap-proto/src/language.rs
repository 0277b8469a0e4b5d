//! The language of texts and the order of strings: LANGUAGE, COMPARATOR and their responses (RFC 5255 3, 4.7, 4.8).
//!
//! What a comparator does to a search is the store's business; `I18NLEVEL=1` and `=2` say that there is one. The
//! translation of namespace prefixes is [`Namespace::translation`](crate::Namespace::translation).
//!
//! ```
//! use imap_proto::{Command, Parser, Response};
//! let mut parser = Parser::new();
//! let Command::Language(ranges) = parser.command(b"A001 LANGUAGE DE-IT \"*\"")?.command else { panic!() };
//! assert_eq!(ranges.iter().map(|range| range.to_utf8().unwrap()).collect::<Vec<_>>(), ["DE-IT", "*"]);
//! let Response::Comparator(told) = parser.response(b"* COMPARATOR i;basic")? else { panic!() };
//! assert_eq!(told.active, "i;basic");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, List};

/// `* COMPARATOR active [(others)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparator<'a> {
    /// The comparator in use.
    pub active: IString<'a>,
    /// Those that matched what was asked for, in the order of preference; `None` if it was not told.
    pub matching: Option<List<'a, IString<'a>>>,
}

impl<'a> Comparator<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let active = cursor.spaced()?.astring()?;
        let matching = if cursor.is_empty() { None } else { Some(cursor.spaced()?.list()?) };
        Ok(Self { active, matching })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.matching.map_or(Ok(()), |matching| matching.check_some(check))
    }
}

impl Encode for Comparator<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        out.astring(&self.active)?;
        self.matching.map_or(Ok(()), |matching| {
            out.raw(b" ");
            out.astrings(&matching)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Parser, Response};

    #[test]
    fn without_arguments_they_ask() {
        let mut parser = Parser::new();
        let Command::Language(ranges) = parser.command(b"a LANGUAGE").unwrap().command else { panic!() };
        assert!(ranges.is_empty());
        let Command::Comparator(order) = parser.command(b"a COMPARATOR \"cz;*\" i;basic").unwrap().command
        else {
            panic!()
        };
        assert_eq!(order.iter().next(), Some(IString::new("cz;*").unwrap()));
        assert!(parser.command(b"a LANGUAGE (de)").is_err());
        assert!(parser.command(b"a LANGUAGE *").is_err());
    }

    #[test]
    fn responses_name_languages_and_comparators() {
        let mut parser = Parser::new();
        let Response::Language(tags) = parser.response(b"* LANGUAGE (EN \"DE\" i-default)").unwrap() else {
            panic!()
        };
        assert_eq!(tags.iter().count(), 3);
        let line = b"* COMPARATOR i;basic (\"i;basic\" i;octet)";
        let Response::Comparator(told) = parser.response(line).unwrap() else { panic!() };
        assert_eq!(told.matching.unwrap().iter().count(), 2);
        for bad in
            ["LANGUAGE ()", "LANGUAGE de", "LANGUAGE", "COMPARATOR", "COMPARATOR a ()", "COMPARATOR a b"]
        {
            let line = format!("* {bad}");
            assert!(matches!(parser.response(line.as_bytes()).unwrap(), Response::Invalid(_)), "{bad}");
        }
    }
}
