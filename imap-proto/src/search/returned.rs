//! Return options: `RETURN (MIN PARTIAL 1:500)` in front of search keys (RFC 4731, 5182, 5267, 6203, 9394).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::partial::PartialRange;
use crate::quirks::Check;
use crate::tape::{Cursor, Item, List};

/// What a search is to return, as ESEARCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SearchReturn {
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
    /// `UPDATE`: later changes to the result are told (RFC 5267).
    Update,
    /// `CONTEXT`: the same will be searched again (RFC 5267).
    Context,
}

impl<'a> Item<'a> for SearchReturn {
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
            UPDATE => Self::Update,
            CONTEXT => Self::Context,
            _ => return node.fail("unknown return option"),
        })
    }
}

impl Encode for SearchReturn {
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
            Self::Update => b"UPDATE",
            Self::Context => b"CONTEXT",
        });
        Ok(())
    }
}

/// Takes `RETURN (...)`, if it stands here.
pub(super) fn read<'a>(cursor: &mut Cursor<'a>) -> Result<Option<List<'a, SearchReturn>>, InvalidMessage> {
    match cursor.word_if(|word| word.eq_ignore_ascii_case(b"RETURN")) {
        Some(_) => cursor.spaced()?.list().map(Some),
        None => Ok(None),
    }
}

/// At most one of `ALL` and `PARTIAL`, once there is a `PARTIAL` (RFC 9394 3.1).
pub(super) fn check(
    returned: &Option<List<'_, SearchReturn>>,
    check: &Check<'_>,
) -> Result<(), InvalidMessage> {
    let Some(options) = returned else { return Ok(()) };
    options.check(check)?;
    let (mut partial, mut all) = (0_usize, 0_usize);
    for option in options {
        partial += usize::from(matches!(option, SearchReturn::Partial(_)));
        all += usize::from(option == SearchReturn::All);
    }
    if partial > 0 && partial + all > 1 {
        return Err(InvalidMessage::new("PARTIAL together with ALL or another PARTIAL", 0));
    }
    Ok(())
}

/// Writes ` RETURN (...)`, if there are options.
pub(super) fn encode<S: Sink>(
    returned: &Option<List<'_, SearchReturn>>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    let Some(options) = returned else { return Ok(()) };
    out.raw(b" RETURN ");
    options.encode(out)
}
