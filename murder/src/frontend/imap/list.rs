//! LIST and LSUB (RFC 3501 6.3.8, 6.3.9; CHILDREN, RFC 3348; SPECIAL-USE, RFC 6154).
//!
//! LIST comes from the replica: the mailboxes that the session may look up, by their names as the client sees them.
//! Patterns are matched against those and nothing else, here and once (safety row X2). Special uses are kept by the
//! servers and asked of them. Subscriptions are kept by the INBOX's server.

use std::collections::{BTreeMap, BTreeSet};

use imap_proto::{
    Command, ErrorCode, List, ListAttribute, ListPattern, ListPatterns, ListQuery, ListReturn, ListSelection,
    ListedMailbox, MailboxName, Response, SpecialUse, Status,
};
use mail_wire::{Connection as _, Ticket};

use super::names::{SEPARATOR, Who};
use super::relay::{self, nothing};
use super::{ADMIN_READS_NO_MAIL, Session, coded, unavailable};
use crate::mailboxes::name::{OTHER_USERS, SHARED_FOLDERS};
use crate::mailboxes::pattern::Pattern;
use crate::mailboxes::{Name, Namespace};
use crate::net::{LinkError, OUTPUT_HIGH_WATER_BYTES};

/// Mailboxes by the names that the client sees; `None` for a level that no mailbox has the name of.
type Listed = BTreeMap<String, Option<Name>>;
/// Special uses of mailboxes.
type Uses = BTreeMap<Name, Vec<SpecialUse>>;

/// Which of the two commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Lsub,
}

/// Which servers are asked for special uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Those that there is a connection to: a LIST that did not ask for it waits for nobody (RFC 6154 section 2
    /// leaves it to us).
    Connected,
    /// All that hold one of the mailboxes.
    All,
}

/// What becomes of a subscription.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subscription {
    Made,
    Ended,
}

impl Session<'_> {
    pub(super) async fn list(&mut self, ticket: Ticket, query: &ListQuery<'_>) -> Result<(), LinkError> {
        let ListPatterns::One(asked) = query.patterns else {
            return self.reply(ticket, &Status::bad("One pattern at a time"));
        };
        if asked.is_empty() {
            return self.say_root(ticket);
        }
        let Some(pattern) = Pattern::new(&query.reference.to_utf8(), &asked.to_utf8()) else {
            return self.reply(ticket, &too_many_wildcards());
        };
        let visible = self.visible(&pattern);
        let matching = matching(&visible, &pattern);
        let only_uses = query.selection.iter().any(|option| option == ListSelection::SpecialUse);
        let ask = if only_uses || query.returned.iter().any(|option| option == ListReturn::SpecialUse) {
            Ask::All
        } else {
            Ask::Connected
        };
        let uses = self.special_uses(matching.values().copied().flatten().collect(), ask).await?;
        for (shown, name) in matching {
            let its_uses = name.and_then(|name| uses.get(name)).map(Vec::as_slice).unwrap_or_default();
            if only_uses && its_uses.is_empty() {
                continue;
            }
            let mut attributes = Vec::with_capacity(2 + its_uses.len());
            if name.is_none() {
                attributes.push(ListAttribute::NoSelect);
            }
            attributes.push(if has_children(&visible, &shown) {
                ListAttribute::HasChildren
            } else {
                ListAttribute::HasNoChildren
            });
            attributes.extend(its_uses.iter().copied().map(ListAttribute::Use));
            self.say_listed(Kind::List, &attributes, &shown)?;
            self.flush_if_full().await?;
        }
        self.reply(ticket, &Status::ok("Completed"))
    }

    pub(super) async fn lsub(&mut self, ticket: Ticket, query: &ListQuery<'_>) -> Result<(), LinkError> {
        if self.who == Who::Admin {
            return self.reply(ticket, &Status::ok("An administrator has no subscriptions"));
        }
        let ListPatterns::One(asked) = query.patterns else {
            return self.reply(ticket, &Status::bad("One pattern at a time"));
        };
        if asked.is_empty() {
            return self.say_root(ticket);
        }
        let Some(pattern) = Pattern::new(&query.reference.to_utf8(), &asked.to_utf8()) else {
            return self.reply(ticket, &too_many_wildcards());
        };
        let (Some(home), Ok(root), Ok(all)) =
            (self.home().await, MailboxName::new(""), ListPattern::new("*"))
        else {
            return self.reply(ticket, &unavailable());
        };
        let everything = Command::Lsub(ListQuery::new(root, all));
        let Some(answer) = self.ask(&home, &everything, |r| matches!(r, Response::Lsub(_))).await? else {
            return self.reply(ticket, &unavailable());
        };
        if answer.is_ok() {
            let mut subscribed = Listed::new();
            for response in &answer.kept {
                if let Response::Lsub(listed) = response.view()
                    && !listed.attributes.iter().any(|a| a == ListAttribute::NoSelect)
                    && let Ok(name) = self.view.read_classic(&listed.mailbox)
                {
                    subscribed.insert(self.view.show(&name), Some(name));
                }
            }
            for (shown, name) in matching(&subscribed, &pattern) {
                // A level above a subscribed name, which is not subscribed itself (RFC 3501 6.3.9).
                let attributes: &[_] = if name.is_none() { &[ListAttribute::NoSelect] } else { &[] };
                self.say_listed(Kind::Lsub, attributes, &shown)?;
                self.flush_if_full().await?;
            }
        }
        self.reply(ticket, &answer.status())
    }

    pub(super) async fn subscribe(
        &mut self,
        ticket: Ticket,
        mailbox: &MailboxName<'_>,
    ) -> Result<(), LinkError> {
        match self.find(mailbox, ADMIN_READS_NO_MAIL).await {
            Ok(entry) => self.at_home(ticket, entry.name(), Subscription::Made).await,
            Err(status) => self.reply(ticket, &status),
        }
    }

    /// A name may be unsubscribed whatever became of its mailbox.
    pub(super) async fn unsubscribe(
        &mut self,
        ticket: Ticket,
        mailbox: &MailboxName<'_>,
    ) -> Result<(), LinkError> {
        match self.view.read(mailbox) {
            Ok(name) if self.who != Who::Admin => self.at_home(ticket, &name, Subscription::Ended).await,
            _ => self.reply(ticket, &coded(ErrorCode::NonExistent, "There is no such subscription")),
        }
    }

    /// Changes a subscription at the server of the user's INBOX.
    async fn at_home(
        &mut self,
        ticket: Ticket,
        name: &Name,
        subscription: Subscription,
    ) -> Result<(), LinkError> {
        let classic = self.view.classic(name);
        let (Some(home), Ok(mailbox)) = (self.home().await, MailboxName::new(&classic)) else {
            return self.reply(ticket, &unavailable());
        };
        let command = match subscription {
            Subscription::Made => Command::Subscribe(mailbox),
            Subscription::Ended => Command::Unsubscribe(mailbox),
        };
        match self.ask(&home, &command, nothing).await? {
            Some(answer) => self.reply(ticket, &answer.status()),
            None => self.reply(ticket, &unavailable()),
        }
    }

    /// All mailboxes that the session may look up and that are not ruled out by the pattern at once.
    fn visible(&self, pattern: &Pattern) -> Listed {
        let view = &self.view;
        let only_own = view.namespace() == Namespace::Personal
            && ![OTHER_USERS, SHARED_FOLDERS].iter().any(|root| pattern.may_match_below(&format!("{root}/")));
        let list = self.shared.replica.list();
        let candidates = if only_own {
            list.owned_by(view.user())
        } else {
            list.select(|entry| entry.is_active() && view.may_see(entry))
        };
        let mut visible = Listed::new();
        for entry in candidates {
            let shown = view.show(entry.name());
            // A name that reads as another one in this namespace could not be used.
            let reads_back =
                MailboxName::new(&shown).is_ok_and(|n| view.read(&n).as_ref() == Ok(entry.name()));
            if reads_back && view.sees(&entry) {
                visible.insert(shown, Some(entry.name().clone()));
            }
        }
        visible
    }

    /// The special uses of the user's own mailboxes among these, from the servers that hold them. A server that
    /// cannot be reached is left out.
    async fn special_uses(&mut self, names: Vec<&Name>, ask: Ask) -> Result<Uses, LinkError> {
        let mut servers = BTreeSet::new();
        for name in names.into_iter().filter(|name| self.view.owns(name) && !name.is_inbox()) {
            if let Some(entry) = self.shared.replica.lookup(name)
                && (ask == Ask::All || self.backends.get(entry.server()).is_some())
            {
                servers.insert(entry.server().to_owned());
            }
        }
        let mut uses = Uses::new();
        let (Ok(root), Ok(own)) = (MailboxName::new(""), ListPattern::new("INBOX/*")) else {
            return Ok(uses);
        };
        let query =
            ListQuery { selection: List::of(&[ListSelection::SpecialUse]), ..ListQuery::new(root, own) };
        for server in servers {
            let answer = self.ask(&server, &Command::List(query), |r| matches!(r, Response::List(_))).await?;
            for response in answer.iter().flat_map(|answer| &answer.kept) {
                let Response::List(listed) = response.view() else { continue };
                let its_uses: Vec<SpecialUse> = listed
                    .attributes
                    .iter()
                    .filter_map(|attribute| match attribute {
                        ListAttribute::Use(special) => Some(special),
                        _ => None,
                    })
                    .collect();
                if let (false, Ok(name)) = (its_uses.is_empty(), self.view.read_classic(&listed.mailbox)) {
                    uses.insert(name, its_uses);
                }
            }
        }
        Ok(uses)
    }

    /// The answer to an empty pattern, which asks for the separator.
    fn say_root(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        self.say_listed(Kind::List, &[ListAttribute::NoSelect], "")?;
        self.reply(ticket, &Status::ok("Completed"))
    }

    fn say_listed(
        &mut self,
        kind: Kind,
        attributes: &[ListAttribute<'_>],
        name: &str,
    ) -> Result<(), LinkError> {
        let Ok(mailbox) = MailboxName::new(name) else { return Ok(()) };
        let listed = ListedMailbox::new(List::of(attributes), SEPARATOR, mailbox);
        let response = match kind {
            Kind::List => Response::List(listed),
            Kind::Lsub => Response::Lsub(listed),
        };
        relay::untagged(self.client, &response)
    }

    async fn flush_if_full(&mut self) -> Result<(), LinkError> {
        if self.client.conn().transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
            self.client.flush().await?;
        }
        Ok(())
    }
}

fn too_many_wildcards() -> Status<'static> {
    coded(ErrorCode::Limit, "Too many wildcards")
}

/// The names that match, with the levels between if the pattern wants them.
fn matching<'l>(listed: &'l Listed, pattern: &Pattern) -> BTreeMap<String, Option<&'l Name>> {
    let mut matching = BTreeMap::new();
    for (shown, name) in listed {
        if pattern.matches(shown) {
            matching.insert(shown.clone(), name.as_ref());
        }
        if pattern.wants_levels() {
            for (at, _) in shown.match_indices('/') {
                let level = shown.get(..at).unwrap_or_default();
                if !listed.contains_key(level) && !matching.contains_key(level) && pattern.matches(level) {
                    matching.insert(level.to_owned(), None);
                }
            }
        }
    }
    matching
}

fn has_children(listed: &Listed, name: &str) -> bool {
    let below = format!("{name}/");
    listed.range(below.clone()..).next().is_some_and(|(first, _)| first.starts_with(&below))
}
