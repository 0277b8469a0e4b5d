//! Return options: `RETURN (MIN PARTIAL 1:500)` in front of search keys (RFC 4731, 5182, 5267, 5465, 6203, 9394). One
//! that is not known makes the command malformed.
//!
//! ```
//! use imap_proto::{Command, PartialRange, Parser, SearchReturn};
//! let mut parser = Parser::new();
//! let line = b"a UID SEARCH RETURN (PARTIAL -1:-100 UPDATE (UID FLAGS)) UNDELETED";
//! let Command::Search(search) = parser.command(line)?.command else { panic!() };
//! let options: Vec<_> = search.returned.unwrap().iter().collect();
//! assert_eq!(options[0], SearchReturn::Partial(PartialRange::new("-1:-100")?));
//! assert!(matches!(options[1], SearchReturn::Update(attributes) if attributes.iter().count() == 2));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::FetchAttribute;
use crate::partial::PartialRange;
use crate::quirks::Check;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// What a search is to return, as ESEARCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchReturn<'a> {
    /// `MIN`: the lowest number, or the first of a sorted result.
    Min,
    /// `MAX`: the highest number, or the last of a sorted result.
    Max,
    /// `ALL`: every number, as a set. What an empty list of options means.
    All,
    /// `COUNT`: how many there are.
    Count,
    /// `SAVE`: the result becomes `$` (RFC 5182).
    Save,
    /// `RELEVANCY`: the score of each (RFC 6203); only together with a key `FUZZY`.
    Relevancy,
    /// `PARTIAL 1:500`: a window of the result (RFC 5267, RFC 9394). Not together with `ALL` or another `PARTIAL`.
    Partial(PartialRange),
    /// `UPDATE`: later changes to the result are told (RFC 5267), and with attributes these, too, of every message that
    /// comes to it (RFC 5465 section 7).
    Update(List<'a, FetchAttribute<'a>>),
    /// `CONTEXT`: the same will be searched again (RFC 5267).
    Context,
}

impl<'a> Item<'a> for SearchReturn<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! {
            MIN = "MIN", MAX = "MAX", ALL = "ALL", COUNT = "COUNT", SAVE = "SAVE", RELEVANCY = "RELEVANCY",
            PARTIAL = "PARTIAL", UPDATE = "UPDATE", CONTEXT = "CONTEXT",
        }
        let node = cursor.next()?;
        Ok(match key(node.word()?) {
            MIN => Self::Min,
            MAX => Self::Max,
            ALL => Self::All,
            COUNT => Self::Count,
            SAVE => Self::Save,
            RELEVANCY => Self::Relevancy,
            PARTIAL => Self::Partial(PartialRange::of_node(&cursor.spaced()?)?),
            UPDATE => Self::Update(attributes(cursor)?),
            CONTEXT => Self::Context,
            _ => return node.fail("unknown return option"),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Update(attributes) => attributes.check(check),
            _ => Ok(()),
        }
    }
}

/// Takes the list behind `UPDATE`, if there is one.
fn attributes<'a>(cursor: &mut Cursor<'a>) -> Result<List<'a, FetchAttribute<'a>>, InvalidMessage> {
    if cursor.peek().is_none_or(|token| token.kind() != Kind::List) {
        return Ok(List::default());
    }
    let node = cursor.spaced()?;
    let attributes: List<'_, FetchAttribute<'_>> = node.list()?;
    if attributes.is_empty() { node.fail("no attributes") } else { Ok(attributes) }
}

impl Encode for SearchReturn<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(match self {
            Self::Min => b"MIN",
            Self::Max => b"MAX",
            Self::All => b"ALL",
            Self::Count => b"COUNT",
            Self::Save => b"SAVE",
            Self::Relevancy => b"RELEVANCY",
            Self::Partial(range) => {
                out.raw(b"PARTIAL ");
                return range.encode(out);
            }
            Self::Update(attributes) if attributes.is_empty() => b"UPDATE",
            Self::Update(attributes) => {
                out.raw(b"UPDATE ");
                return attributes.encode(out);
            }
            Self::Context => b"CONTEXT",
        });
        Ok(())
    }
}

/// Takes `RETURN (...)`, if it stands here.
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
) -> Result<Option<List<'a, SearchReturn<'a>>>, InvalidMessage> {
    match cursor.word_if(|word| word.eq_ignore_ascii_case(b"RETURN")) {
        Some(_) => cursor.spaced()?.list().map(Some),
        None => Ok(None),
    }
}

/// What may not be asked for together.
fn fault(options: &List<'_, SearchReturn<'_>>) -> Option<&'static str> {
    let (mut windows, mut alls) = (0_usize, 0_usize);
    for option in options {
        match option {
            SearchReturn::Partial(_) => windows += 1,
            SearchReturn::All => alls += 1,
            SearchReturn::Update(attributes) if attributes.iter().any(|attribute| attribute.is_macro()) => {
                return Some("FETCH macro among attributes");
            }
            _ => {}
        }
    }
    // RFC 9394 3.1.
    (windows > 0 && windows + alls > 1).then_some("PARTIAL together with ALL or another PARTIAL")
}

pub(super) fn check(
    returned: &Option<List<'_, SearchReturn<'_>>>,
    check: &Check<'_>,
) -> Result<(), InvalidMessage> {
    let Some(options) = returned else { return Ok(()) };
    options.check(check)?;
    fault(options).map_or(Ok(()), |fault| Err(InvalidMessage::new(fault, 0)))
}

/// Writes ` RETURN (...)`, if there are options.
pub(super) fn encode<S: Sink>(
    returned: &Option<List<'_, SearchReturn<'_>>>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    let Some(options) = returned else { return Ok(()) };
    if let Some(fault) = fault(options) {
        return Err(PeerIncompatible::Inexpressible(fault));
    }
    out.raw(b" RETURN ");
    options.encode(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Literals, Parser, PartialRange, Search, SearchKey};

    #[test]
    fn what_excludes_each_other_is_not_written_either() {
        let window = SearchReturn::Partial(PartialRange::new("1:2").unwrap());
        let macros = [FetchAttribute::Fast];
        let update = SearchReturn::Update(List::of(&macros));
        for (options, good) in [
            (&[window, SearchReturn::Count][..], true),
            (&[window, SearchReturn::All], false),
            (&[window, window], false),
            (&[update], false),
        ] {
            let keys = [SearchKey::All];
            let search = Search::new(crate::Numbering::Uid, List::of(&keys));
            let search = Search { returned: Some(List::of(options)), ..search };
            let mut out = Vec::new();
            let written = search.encode(&mut Encoder::new(&mut out, Literals::NonSync));
            assert_eq!(written.is_ok(), good, "{options:?}");
        }
    }

    #[test]
    fn return_options_exclude_each_other_where_the_rfcs_say_so() {
        for (options, good) in [
            ("()", true),
            ("(ALL ALL)", true),
            ("(PARTIAL 1:2 MIN MAX COUNT SAVE RELEVANCY UPDATE CONTEXT)", true),
            ("(PARTIAL 1:2 ALL)", false),
            ("(ALL PARTIAL -1:-2)", false),
            ("(PARTIAL 1:2 PARTIAL 3:4)", false),
            ("(PARTIAL)", false),
            ("(PARTIAL 1)", false),
            ("(FROB)", false),
            ("ALL", false),
            ("(UPDATE (UID))", true),
            ("(UPDATE ())", false),
            ("(UPDATE (ALL))", false),
            ("(UPDATE (FROB))", false),
            ("(COUNT (UID))", false),
        ] {
            for command in ["SEARCH", "UID SEARCH", "ESEARCH"] {
                let frame = format!("a {command} RETURN {options} SEEN");
                assert_eq!(Parser::new().command(frame.as_bytes()).is_ok(), good, "{frame}");
            }
            let frame = format!("a SORT RETURN {options} (DATE) UTF-8 SEEN");
            assert_eq!(Parser::new().command(frame.as_bytes()).is_ok(), good, "{frame}");
        }
    }
}
