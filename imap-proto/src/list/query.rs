//! What LIST and LSUB ask for (RFC 3501 6.3.8 and 6.3.9, RFC 5258 3).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::mailbox::{ListPattern, MailboxName};
use crate::quirks::Check;
use crate::status::StatusItem;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// `LIST [(selection)] reference patterns [RETURN (...)]`, or `LSUB reference pattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuery<'a> {
    /// What the patterns are relative to; mostly empty.
    pub reference: MailboxName<'a>,
    /// Which names.
    pub patterns: ListPatterns<'a>,
    /// What a name must have to be listed; LIST only.
    pub selection: List<'a, ListSelection<'a>>,
    /// What is to be told of it; LIST only.
    pub returned: List<'a, ListReturn<'a>>,
}

/// The names that are asked for: one pattern, or several, each name once.
#[derive(Debug, Clone, Copy)]
pub enum ListPatterns<'a> {
    /// `pattern`.
    One(ListPattern<'a>),
    /// `(pattern pattern ...)` (RFC 5258 3); never empty.
    Several(List<'a, ListPattern<'a>>),
}

/// What a name must have to be listed (RFC 5258 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListSelection<'a> {
    /// `SUBSCRIBED`: a subscription, whether or not there is a mailbox.
    Subscribed,
    /// `REMOTE`: mailboxes on other servers, too.
    Remote,
    /// `RECURSIVEMATCH`: something below it that has what the other options ask for, too. Never alone.
    RecursiveMatch,
    /// `SPECIAL-USE` (RFC 6154): a special use.
    SpecialUse,
    /// An option that is not known here, to be answered `BAD`.
    Unknown(Extension<'a>),
}

/// What is to be told of a name (RFC 5258 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListReturn<'a> {
    /// `SUBSCRIBED`: whether it is subscribed.
    Subscribed,
    /// `CHILDREN`: whether there is anything below it.
    Children,
    /// `SPECIAL-USE` (RFC 6154): its special uses.
    SpecialUse,
    /// `STATUS (...)` (RFC 5819): a STATUS response with these.
    Status(List<'a, StatusItem<'a>>),
    /// `MYRIGHTS` (RFC 8440): a MYRIGHTS response.
    MyRights,
    /// `METADATA (...)` (RFC 9590): a METADATA response with these entries.
    Metadata(List<'a, IString<'a>>),
    /// An option that is not known here, to be answered `BAD`.
    Unknown(Extension<'a>),
}

impl<'a> ListQuery<'a> {
    /// The query with no options, as RFC 3501 has it.
    #[must_use]
    pub fn new(reference: MailboxName<'a>, pattern: ListPattern<'a>) -> Self {
        let patterns = ListPatterns::One(pattern);
        Self { reference, patterns, selection: List::of(&[]), returned: List::of(&[]) }
    }

    /// Reads the arguments of LIST.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut selection = List::of(&[]);
        if cursor.at_list() {
            selection = cursor.spaced()?.list()?;
        }
        let reference = MailboxName::of_node(&cursor.spaced()?)?;
        let node = cursor.spaced()?;
        let patterns = match node.token.kind() {
            Kind::List => ListPatterns::Several(node.list()?),
            _ => ListPatterns::One(ListPattern::of_node(&node)?),
        };
        let mut returned = List::of(&[]);
        if !cursor.is_empty() {
            let word = cursor.spaced()?;
            if !word.word()?.eq_ignore_ascii_case(b"RETURN") {
                return word.fail("expected RETURN");
            }
            returned = cursor.spaced()?.list()?;
        }
        Ok(Self { reference, patterns, selection, returned })
    }

    /// Reads the arguments of LSUB.
    pub(crate) fn read_plain(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let reference = MailboxName::of_node(&cursor.spaced()?)?;
        Ok(Self::new(reference, ListPattern::of_node(&cursor.spaced()?)?))
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.reference.check(check)?;
        match &self.patterns {
            ListPatterns::One(pattern) => pattern.check(check)?,
            ListPatterns::Several(patterns) => patterns.check_some(check)?,
        }
        self.selection.check(check)?;
        self.returned.check(check)?;
        if self.modifies_nothing() {
            return Err(InvalidMessage::new(ALONE, 0));
        }
        Ok(())
    }

    /// RFC 5258 3.1: RECURSIVEMATCH needs an option to modify.
    fn modifies_nothing(&self) -> bool {
        let mut options = self.selection.iter();
        options.any(|option| option == ListSelection::RecursiveMatch)
            && self
                .selection
                .iter()
                .all(|option| matches!(option, ListSelection::RecursiveMatch | ListSelection::Remote))
    }

    /// True without options and with one pattern: what LSUB can ask.
    pub(crate) fn is_plain(&self) -> bool {
        self.selection.is_empty() && self.returned.is_empty() && matches!(self.patterns, ListPatterns::One(_))
    }
}

const ALONE: &str = "RECURSIVEMATCH alone";

impl<'a> ListPatterns<'a> {
    /// The patterns in order.
    pub fn iter(&self) -> impl Iterator<Item = ListPattern<'a>> + use<'a> {
        let (one, several) = match self {
            Self::One(pattern) => (Some(*pattern), List::of(&[])),
            Self::Several(patterns) => (None, *patterns),
        };
        one.into_iter().chain(several.iter())
    }
}

impl PartialEq for ListPatterns<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ListPatterns<'_> {}

keys! {
    SUBSCRIBED = "SUBSCRIBED", REMOTE = "REMOTE", RECURSIVEMATCH = "RECURSIVEMATCH", SPECIAL_USE = "SPECIAL-USE",
    CHILDREN = "CHILDREN", STATUS = "STATUS", MYRIGHTS = "MYRIGHTS", METADATA = "METADATA",
}

impl<'a> Item<'a> for ListSelection<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?.atom()?;
        Ok(match key(name) {
            SUBSCRIBED => Self::Subscribed,
            REMOTE => Self::Remote,
            RECURSIVEMATCH => Self::RecursiveMatch,
            SPECIAL_USE => Self::SpecialUse,
            _ => Self::Unknown(Extension::read_value(name, cursor)?),
        })
    }
}

impl<'a> Item<'a> for ListReturn<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let name = cursor.next()?.atom()?;
        Ok(match key(name) {
            SUBSCRIBED => Self::Subscribed,
            CHILDREN => Self::Children,
            SPECIAL_USE => Self::SpecialUse,
            STATUS => Self::Status(cursor.spaced()?.list()?),
            MYRIGHTS => Self::MyRights,
            METADATA => Self::Metadata(cursor.spaced()?.list()?),
            _ => Self::Unknown(Extension::read_value(name, cursor)?),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Status(items) => items.check_some(check),
            Self::Metadata(entries) => entries.check_some(check),
            _ => Ok(()),
        }
    }
}

impl Encode for ListQuery<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.modifies_nothing() {
            return Err(PeerIncompatible::Inexpressible(ALONE));
        }
        if !self.selection.is_empty() {
            out.raw(b" ");
            self.selection.encode(out)?;
        }
        out.raw(b" ");
        self.reference.encode(out)?;
        out.raw(b" ");
        match &self.patterns {
            ListPatterns::One(pattern) => pattern.encode(out)?,
            ListPatterns::Several(patterns) => patterns.encode_filled(out)?,
        }
        if !self.returned.is_empty() {
            out.raw(b" RETURN ");
            self.returned.encode(out)?;
        }
        Ok(())
    }
}

impl Encode for ListSelection<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(match self {
            Self::Subscribed => b"SUBSCRIBED",
            Self::Remote => b"REMOTE",
            Self::RecursiveMatch => b"RECURSIVEMATCH",
            Self::SpecialUse => b"SPECIAL-USE",
            Self::Unknown(extension) => return extension.encode(out),
        });
        Ok(())
    }
}

impl Encode for ListReturn<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(match self {
            Self::Subscribed => b"SUBSCRIBED",
            Self::Children => b"CHILDREN",
            Self::SpecialUse => b"SPECIAL-USE",
            Self::MyRights => b"MYRIGHTS",
            Self::Status(items) => {
                out.raw(b"STATUS ");
                return items.encode_filled(out);
            }
            Self::Metadata(entries) => {
                out.raw(b"METADATA ");
                return out.astrings(entries);
            }
            Self::Unknown(extension) => return extension.encode(out),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Literals, Parser};

    fn query<R>(line: &str, look: impl FnOnce(ListQuery<'_>) -> R) -> R {
        let mut parser = Parser::new();
        let Command::List(query) = parser.command(line.as_bytes()).unwrap().command else { panic!("{line}") };
        look(query)
    }

    #[test]
    fn options_are_read_with_their_values_and_unknown_ones_kept() {
        let line = "a LIST (SUBSCRIBED vendor.x-option (a b) remote) \"\" (\"*\" a/%) RETURN (STATUS (SIZE) \
                    METADATA (/shared/comment) X-Y 7 Children)";
        query(line, |query| {
            let selection: Vec<_> = query.selection.iter().collect();
            let [ListSelection::Subscribed, ListSelection::Unknown(unknown), ListSelection::Remote] =
                selection[..]
            else {
                panic!("{selection:?}")
            };
            assert_eq!((unknown.name(), unknown.value()), (&b"vendor.x-option"[..], Some(&b"(a b)"[..])));
            let returned: Vec<_> = query.returned.iter().collect();
            let [
                ListReturn::Status(items),
                ListReturn::Metadata(entries),
                ListReturn::Unknown(unknown),
                ListReturn::Children,
            ] = returned[..]
            else {
                panic!("{returned:?}")
            };
            assert!(items.iter().eq([StatusItem::Size]));
            assert!(entries.iter().eq([IString::new("/shared/comment").unwrap()]));
            assert_eq!(unknown.value(), Some(&b"7"[..]));
            let mut out = Vec::new();
            query.encode(&mut Encoder::new(&mut out, Literals::Sync)).unwrap();
            let written = String::from_utf8(out).unwrap();
            assert_eq!(format!("a LIST{written}").to_lowercase(), line.replace("\"*\"", "*").to_lowercase());
        });
    }

    #[test]
    fn recursive_match_needs_something_to_match() {
        let mut parser = Parser::new();
        for alone in ["(RECURSIVEMATCH)", "(REMOTE RECURSIVEMATCH)"] {
            assert!(parser.command(format!("a LIST {alone} \"\" *").as_bytes()).is_err(), "{alone}");
        }
        query("a LIST (RECURSIVEMATCH SUBSCRIBED) \"\" *", |query| assert!(!query.modifies_nothing()));
        query("a LIST (RECURSIVEMATCH X-Y) \"\" *", |query| assert!(!query.modifies_nothing()));
        query("a LIST () \"\" *", |query| assert!(query.is_plain()));
        assert!(parser.command(b"a LIST \"\" ()").is_err());
        assert!(parser.command(b"a LIST \"\" * RETURN (STATUS ())").is_err());
    }
}
