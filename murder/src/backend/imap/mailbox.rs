//! Making and unmaking mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3.3 to 6.3.7; RFC 6154 3).

use imap_proto::{Code, Create, ErrorCode, MailboxName, Status};
use mailstore::store::{Access, Actor, SpecialUse};

use super::Session;
use super::answer::{Failure, Outcome, no, ok};
use super::list::special_use;
use crate::backend::places::to_store;
use crate::mailboxes::Name;

impl Session {
    pub(super) async fn create(&mut self, create: &Create<'_>) -> Outcome {
        let who = self.who()?;
        let name = who.names.read(&create.mailbox)?;
        let uses = create.special_use.iter().map(special_use).fold(SpecialUse::NONE, SpecialUse::union);
        if uses != SpecialUse::NONE && name.is_inbox() {
            let refusal = Status::no("An INBOX has a use already").with_code(Code::UseAttr);
            return Err(Failure::Refused(refusal));
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
