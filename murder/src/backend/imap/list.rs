//! What mailboxes there are: LIST, LSUB, STATUS, NAMESPACE (RFC 3501 6.3.8 to 6.3.10; RFC 2342, 3348, 6154).

use std::collections::BTreeMap;

use imap_proto::{
    ErrorCode, List, ListAttribute, ListPatterns, ListQuery, ListedMailbox, MailboxName, MailboxStatus,
    Namespace, Namespaces, Response, Separator, SpecialUse, StatusItem, StatusQuery, StatusValue,
};
use mailstore::store::{self, Actor, Status};

use super::Session;
use super::answer::{Failure, Outcome, bad, no, ok};
use super::login::Who;
use crate::mailboxes::pattern::Pattern;
use crate::mailboxes::{self, name::OTHER_USERS, name::SHARED_FOLDERS};

/// The special uses of both worlds. `\Important` (RFC 8457) the grammar does not know yet.
const USES: [(store::SpecialUse, SpecialUse); 7] = [
    (store::SpecialUse::ALL, SpecialUse::All),
    (store::SpecialUse::ARCHIVE, SpecialUse::Archive),
    (store::SpecialUse::DRAFTS, SpecialUse::Drafts),
    (store::SpecialUse::FLAGGED, SpecialUse::Flagged),
    (store::SpecialUse::JUNK, SpecialUse::Junk),
    (store::SpecialUse::SENT, SpecialUse::Sent),
    (store::SpecialUse::TRASH, SpecialUse::Trash),
];

/// The store's form of a special use, if it has one.
pub(super) fn special_use(asked: SpecialUse) -> Option<store::SpecialUse> {
    USES.iter().find(|(_, known)| *known == asked).map(|(special_use, _)| *special_use)
}

/// A name in the answer to LIST or LSUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A mailbox (LIST), or a name that is subscribed (LSUB).
    Name(store::SpecialUse),
    /// A level above one, without a mailbox (or subscription) of its own.
    Level,
}

/// The names in order, each with what it is, and the levels above them.
fn with_levels(names: impl IntoIterator<Item = (String, store::SpecialUse)>) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for (name, special_use) in names {
        let levels = name.char_indices().filter(|(_, c)| *c == '/').filter_map(|(at, _)| name.get(..at));
        for level in levels {
            entries.entry(level.to_owned()).or_insert(Entry::Level);
        }
        entries.insert(name, Entry::Name(special_use));
    }
    entries
}

impl Session {
    pub(super) async fn list(&mut self, query: &ListQuery<'_>) -> Outcome {
        if query.patterns.iter().all(|pattern| pattern.is_empty()) {
            return self.tell_root();
        }
        let pattern = pattern(query)?;
        let only_special = !query.selection.is_empty();
        let entries = with_levels(visible(self.who()?, &pattern));
        for (name, entry) in entries.iter().filter(|(name, _)| pattern.matches(name)) {
            let mut attributes = Vec::with_capacity(4);
            let uses = match entry {
                Entry::Level if only_special || !pattern.wants_levels() => continue,
                Entry::Level => {
                    attributes.push(ListAttribute::NoSelect);
                    store::SpecialUse::NONE
                }
                Entry::Name(uses) => *uses,
            };
            if only_special && uses == store::SpecialUse::NONE {
                continue;
            }
            let below = format!("{name}/");
            let children = entries.range(below.clone()..).next().is_some_and(|(n, _)| n.starts_with(&below));
            attributes.push(if children { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren });
            let uses = USES.iter().filter(|(special_use, _)| uses.contains(*special_use));
            attributes.extend(uses.map(|(_, name)| ListAttribute::Use(*name)));
            if let Some(mailbox) = listed(name, &attributes) {
                self.link.conn().untagged(&Response::List(mailbox))?;
            }
            self.make_room().await?;
        }
        ok("Completed")
    }

    pub(super) async fn lsub(&mut self, query: &ListQuery<'_>) -> Outcome {
        if query.patterns.iter().all(|pattern| pattern.is_empty()) {
            return self.tell_root();
        }
        let pattern = pattern(query)?;
        let who = self.who()?;
        let names = who.store.subscriptions();
        let names = names.iter().filter_map(|name| who.names.write_from_store(name));
        let entries = with_levels(names.map(|name| (name, store::SpecialUse::NONE)));
        for (name, entry) in entries.iter().filter(|(name, _)| pattern.matches(name)) {
            let attributes: &[ListAttribute<'_>] = match entry {
                Entry::Name(_) => &[],
                Entry::Level if pattern.wants_levels() => &[ListAttribute::NoSelect],
                Entry::Level => continue,
            };
            if let Some(mailbox) = listed(name, attributes) {
                self.link.conn().untagged(&Response::Lsub(mailbox))?;
            }
            self.make_room().await?;
        }
        ok("Completed")
    }

    /// The answer to an empty pattern: the separator.
    fn tell_root(&mut self) -> Outcome {
        if let Some(root) = listed("", &[ListAttribute::NoSelect]) {
            self.link.conn().untagged(&Response::List(root))?;
        }
        ok("Completed")
    }

    pub(super) fn status(&mut self, query: &StatusQuery<'_>) -> Outcome {
        let who = self.who()?;
        let status = who.store.status(&who.names.read_to_store(&query.mailbox)?)?;
        let values: Vec<StatusValue<'_>> =
            query.items.iter().map(|item| value(item, &status)).collect::<Result<_, _>>()?;
        let mailbox = query.mailbox;
        let response = MailboxStatus { mailbox, values: List::of(&values) };
        self.link.conn().untagged(&Response::MailboxStatus(response))?;
        ok("Completed")
    }

    pub(super) fn namespace(&mut self) -> Outcome {
        let who = self.who()?;
        let (other_users, shared) = (format!("{OTHER_USERS}/"), format!("{SHARED_FOLDERS}/"));
        let (personal, other_users, shared) = match (who.names.namespace(), who.names.user()) {
            (mailboxes::Namespace::Personal, _) => (Some(""), &*other_users, &*shared),
            (mailboxes::Namespace::Classic, Some(_)) => (Some("INBOX/"), "user/", ""),
            (mailboxes::Namespace::Classic, None) => (None, "user/", ""),
        };
        let namespace = |prefix| {
            let separator = Some(Separator::SLASH);
            MailboxName::new(prefix).ok().map(|prefix| Namespace::new(prefix, separator))
        };
        let personal: Vec<_> = personal.into_iter().filter_map(namespace).collect();
        let others: Vec<_> = namespace(other_users).into_iter().collect();
        let shared: Vec<_> = namespace(shared).into_iter().collect();
        let namespaces = Namespaces {
            personal: List::of(&personal),
            other_users: List::of(&others),
            shared: List::of(&shared),
        };
        self.link.conn().untagged(&Response::Namespace(namespaces))?;
        ok("Completed")
    }
}

/// A line of the answer. Names are made of what names may hold; one that cannot be said would be left out.
fn listed<'a>(name: &'a str, attributes: &'a [ListAttribute<'a>]) -> Option<ListedMailbox<'a>> {
    let (separator, mailbox) = (Some(Separator::SLASH), MailboxName::new(name).ok()?);
    Some(ListedMailbox::new(List::of(attributes), separator, mailbox))
}

fn pattern(query: &ListQuery<'_>) -> Result<Pattern, Failure> {
    let ListPatterns::One(pattern) = query.patterns else { return Err(bad("One pattern at a time")) };
    Pattern::new(&query.reference.to_utf8(), &pattern.to_utf8())
        .ok_or_else(|| no(ErrorCode::Limit, "Too many wildcards"))
}

/// The mailboxes that may be looked up, by the session's names. A name that is asked for exactly is not searched for
/// among all.
fn visible(who: &Who, pattern: &Pattern) -> Vec<(String, store::SpecialUse)> {
    let infos = match pattern.exact().and_then(|name| exact(who, &name)) {
        Some(top) => who.store.list(Some(&top)),
        None => who.store.list(None),
    };
    let named = |info: &store::Info| Some((who.names.write_from_store(&info.name)?, info.special_use));
    infos.iter().filter_map(named).collect()
}

/// The place of a name that is asked for exactly, and has one.
fn exact(who: &Who, name: &str) -> Option<store::MailboxName> {
    let name = MailboxName::new(name).ok()?;
    let place = who.names.read(&name).ok()?;
    // What is below it shows whether it has children; below an INBOX it may stand elsewhere in the tree.
    if place.is_inbox() && matches!(who.store.actor(), Actor::User(_)) {
        return None;
    }
    crate::backend::places::to_store(&place).ok()
}

/// The value of an item; one that is not announced is not understood.
fn value<'a>(item: StatusItem<'a>, status: &Status) -> Result<StatusValue<'a>, Failure> {
    // No mailbox holds more messages than there are UIDs.
    let count = |messages: u64| u32::try_from(messages).unwrap_or(u32::MAX);
    Ok(match item {
        StatusItem::Messages => StatusValue::Messages(count(status.messages)),
        StatusItem::Recent => StatusValue::Recent(count(status.recent)),
        StatusItem::UidNext => StatusValue::UidNext(status.uid_next),
        StatusItem::UidValidity => StatusValue::UidValidity(status.uid_validity),
        StatusItem::Unseen => StatusValue::Unseen(count(status.unseen)),
        _ => return Err(bad("Unknown STATUS item")),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn levels_stand_above_names_and_give_way_to_mailboxes() {
        let names = ["a/b/c", "a/b", "Other Users/x"].map(|name| (name.to_owned(), store::SpecialUse::NONE));
        let entries = with_levels(names);
        let levels: BTreeSet<&str> =
            entries.iter().filter(|(_, e)| **e == Entry::Level).map(|(name, _)| &**name).collect();
        assert_eq!(levels, BTreeSet::from(["a", "Other Users"]));
        assert_eq!(entries.len(), 5);
    }
}
