//! MULTISEARCH (RFC 7377 section 2): the ESEARCH command, which searches several mailboxes and selects none. It is
//! answered by UIDs, one [`Esearch`](crate::Esearch) for each mailbox in which something was found.
//!
//! ```
//! use imap_proto::{Command, Parser, Response, SearchSource};
//! let mut parser = Parser::new();
//! let line = br#"tag1 ESEARCH IN (mailboxes "folder1" subtree ("folder2" work)) UNSEEN"#;
//! let Command::Esearch(search) = parser.command(line)?.command else { panic!() };
//! let Some(SearchSource::Subtree(roots)) = search.sources.iter().nth(1) else { panic!() };
//! assert!(roots.iter().map(|name| name.to_utf8()).eq(["folder2", "work"]));
//!
//! let line = br#"* ESEARCH (TAG "tag1" MAILBOX "folder1" UIDVALIDITY 1) UID ALL 4001,4003"#;
//! let Response::Esearch(found) = parser.response(line)? else { panic!() };
//! assert_eq!(found.mailbox.unwrap().name.to_utf8(), "folder1");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::search::{SearchKey, SearchReturn, charset, encode_charset, encode_keys, returned};
use crate::string::IString;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// `ESEARCH IN (personal) RETURN (COUNT) UNSEEN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multisearch<'a> {
    /// Where to search; the selected mailbox if nothing is named.
    pub sources: List<'a, SearchSource<'a>>,
    /// What is to be returned; all that was found if it is `None` or empty. `SAVE` needs the selected mailbox as the
    /// only source.
    pub returned: Option<List<'a, SearchReturn<'a>>>,
    /// The charset of the strings, as for [`Search`](crate::Search).
    pub charset: Option<IString<'a>>,
    /// The keys, all of which must match; at least one.
    pub keys: List<'a, SearchKey<'a>>,
}

/// `filter-mailboxes`: which mailboxes (RFC 5465 section 6, RFC 7377 section 2.2). Names are names: `%` and `*` in them are
/// no wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchSource<'a> {
    /// `selected`.
    Selected,
    /// `inboxes`: where mail is delivered to.
    Inboxes,
    /// `personal`: the user's own.
    Personal,
    /// `subscribed`.
    Subscribed,
    /// `subtree`: these and all below them.
    Subtree(List<'a, MailboxName<'a>>),
    /// `subtree-one`: these and their children.
    SubtreeOne(List<'a, MailboxName<'a>>),
    /// `mailboxes`: these.
    Mailboxes(List<'a, MailboxName<'a>>),
}

impl<'a> Multisearch<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut sources = List::default();
        if cursor.word_if(|word| word.eq_ignore_ascii_case(b"IN")).is_some() {
            let node = cursor.spaced()?;
            sources = node.list()?;
            if sources.is_empty() {
                return node.fail("no mailbox to search");
            }
        }
        let returned = returned::read(cursor)?;
        Ok(Self { sources, returned, charset: charset(cursor)?, keys: cursor.spaced_rest()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.sources.check(check)?;
        returned::check(&self.returned, check)?;
        if self.saves_elsewhere() {
            return Err(InvalidMessage::new(SAVE_ELSEWHERE, 0));
        }
        self.keys.check_some(check)
    }

    /// `$` is for the selected mailbox (RFC 7377 2.2).
    fn saves_elsewhere(&self) -> bool {
        let saves = |options: List<'_, _>| options.iter().any(|option| option == SearchReturn::Save);
        self.returned.is_some_and(saves) && self.sources.iter().any(|source| source != SearchSource::Selected)
    }
}

const SAVE_ELSEWHERE: &str = "SAVE of more than the selected mailbox";

impl<'a> Item<'a> for SearchSource<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! {
            SELECTED = "SELECTED", INBOXES = "INBOXES", PERSONAL = "PERSONAL", SUBSCRIBED = "SUBSCRIBED",
            SUBTREE = "SUBTREE", SUBTREE_ONE = "SUBTREE-ONE", MAILBOXES = "MAILBOXES",
        }
        let node = cursor.next()?;
        Ok(match key(node.word()?) {
            SELECTED => Self::Selected,
            INBOXES => Self::Inboxes,
            PERSONAL => Self::Personal,
            SUBSCRIBED => Self::Subscribed,
            SUBTREE => Self::Subtree(names(cursor)?),
            SUBTREE_ONE => Self::SubtreeOne(names(cursor)?),
            MAILBOXES => Self::Mailboxes(names(cursor)?),
            _ => return node.fail("unknown source of a search"),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) => {
                names.check_some(check)
            }
            _ => Ok(()),
        }
    }
}

/// `one-or-more-mailbox`: a name, or names in parentheses.
fn names<'a>(cursor: &mut Cursor<'a>) -> Result<List<'a, MailboxName<'a>>, InvalidMessage> {
    let before = *cursor;
    let node = cursor.spaced()?;
    if node.token.kind() == Kind::List { node.list() } else { Ok(before.up_to(cursor).rest()) }
}

impl Encode for Multisearch<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.saves_elsewhere() {
            return Err(PeerIncompatible::Inexpressible(SAVE_ELSEWHERE));
        }
        if !self.sources.is_empty() {
            out.raw(b" IN ");
            self.sources.encode(out)?;
        }
        returned::encode(&self.returned, out)?;
        encode_charset(&self.charset, out)?;
        encode_keys(&self.keys, out)
    }
}

impl Encode for SearchSource<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let (name, names): (&[u8], _) = match self {
            Self::Selected => (b"selected", None),
            Self::Inboxes => (b"inboxes", None),
            Self::Personal => (b"personal", None),
            Self::Subscribed => (b"subscribed", None),
            Self::Subtree(names) => (b"subtree ", Some(names)),
            Self::SubtreeOne(names) => (b"subtree-one ", Some(names)),
            Self::Mailboxes(names) => (b"mailboxes ", Some(names)),
        };
        out.raw(name);
        match names {
            None => Ok(()),
            Some(names) if names.is_empty() => Err(PeerIncompatible::Inexpressible("source without names")),
            Some(names) if names.iter().nth(1).is_none() => names.encode_bare(out),
            Some(names) => names.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Literals, Parser};

    #[test]
    fn sources_are_named_and_save_is_for_the_selected_mailbox() {
        for (arguments, good) in [
            ("ALL", true),
            ("IN (personal) CHARSET UTF-8 ALL", true),
            ("IN (selected inboxes subscribed subtree-one (a b)) RETURN (COUNT) ALL", true),
            ("IN (mailboxes {3}\r\na b) ALL", true),
            ("IN () ALL", false),
            ("IN personal ALL", false),
            ("IN (selected-delayed) ALL", false),
            ("IN (frob) ALL", false),
            ("IN (subtree) ALL", false),
            ("IN (subtree ()) ALL", false),
            ("IN (mailboxes a b) ALL", false),
            ("IN (personal (x 1)) ALL", false),
            ("IN (personal)", false),
            ("RETURN (COUNT) IN (personal) ALL", false),
            ("RETURN (SAVE) ALL", true),
            ("IN (selected) RETURN (SAVE) ALL", true),
            ("IN (selected personal) RETURN (SAVE) ALL", false),
        ] {
            let frame = format!("a ESEARCH {arguments}");
            assert_eq!(Parser::new().command(frame.as_bytes()).is_ok(), good, "{frame}");
        }
    }

    #[test]
    fn what_is_not_read_is_not_written() {
        let mut out = Vec::new();
        let (sources, save, keys) = ([SearchSource::Personal], [SearchReturn::Save], [SearchKey::All]);
        let search = Multisearch {
            sources: List::of(&sources),
            returned: Some(List::of(&save)),
            charset: None,
            keys: List::of(&keys),
        };
        assert!(search.encode(&mut Encoder::new(&mut out, Literals::NonSync)).is_err());
        let source = SearchSource::Subtree(List::default());
        assert!(source.encode(&mut Encoder::new(&mut out, Literals::NonSync)).is_err());
    }
}
