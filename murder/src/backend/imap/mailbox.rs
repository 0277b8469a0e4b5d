//! Making and unmaking mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3.3 to 6.3.7; RFC 6154 3).

use imap_proto::{Code, Create, CreateParameter, ErrorCode, ListAttribute, MailboxName, Status};
use mailstore::store::{Access, Actor, SpecialUse};

use super::Session;
use super::answer::{Failure, Outcome, no, ok};
use super::list::special_use;
use crate::backend::places::to_store;
use crate::mailboxes::Name;

fn no_use(text: &'static str) -> Failure {
    Failure::Refused(Status::no(text).with_code(Code::UseAttr))
}

/// What a mailbox to be shall be used for.
fn uses(create: &Create<'_>) -> Result<SpecialUse, Failure> {
    let mut uses = SpecialUse::NONE;
    for parameter in create.parameters.iter() {
        let CreateParameter::Use(asked) = parameter else { continue };
        for attribute in asked.iter() {
            let known = match attribute {
                ListAttribute::Use(asked) => special_use(asked),
                _ => None,
            };
            uses = uses.union(known.ok_or_else(|| no_use("There is no such use"))?);
        }
    }
    Ok(uses)
}

impl Session {
    pub(super) async fn create(&mut self, create: &Create<'_>) -> Outcome {
        let who = self.who()?;
        let name = who.names.read(&create.mailbox)?;
        let uses = uses(create)?;
        if uses != SpecialUse::NONE && name.is_inbox() {
            return Err(no_use("An INBOX has a use already"));
        }
        self.shared.changes.create(&who.store, &name, uses).await?;
        ok("Created")
    }

    pub(super) async fn delete(&mut self, name: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        let name = who.names.read(name)?;
        if name.is_inbox() && is_user(who.store.actor()) {
            return Err(no(ErrorCode::Cannot, "An INBOX cannot be deleted"));
        }
        self.shared.changes.delete(&who.store, &name).await?;
        ok("Deleted")
    }

    pub(super) async fn rename(&mut self, from: &MailboxName<'_>, to: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        let (from, to) = (who.names.read(from)?, who.names.read(to)?);
        if from.is_inbox() && is_user(who.store.actor()) {
            return self.rename_inbox(&from, &to).await;
        }
        self.shared.changes.rename(&who.store, &from, &to).await?;
        ok("Renamed")
    }

    /// Renaming an INBOX moves its messages to a new mailbox and leaves it, empty, where it is (RFC 3501 6.3.5).
    async fn rename_inbox(&mut self, from: &Name, to: &Name) -> Outcome {
        let who = self.who()?;
        let view = who.store.open(&to_store(from)?, Access::ReadWrite)?;
        self.shared.changes.create(&who.store, to, SpecialUse::NONE).await?;
        view.move_to(&view.all(), &to_store(to)?).await?;
        ok("Renamed")
    }

    /// There need not be a mailbox: it may be on another server, or be gone for a while (RFC 3501 6.3.6).
    pub(super) async fn subscribe(&mut self, name: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        who.store.subscribe(&who.names.read_to_store(name)?).await?;
        ok("Subscribed")
    }

    pub(super) async fn unsubscribe(&mut self, name: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        who.store.unsubscribe(&who.names.read_to_store(name)?).await?;
        ok("Unsubscribed")
    }
}

fn is_user(actor: &Actor) -> bool {
    matches!(actor, Actor::User(_))
}
