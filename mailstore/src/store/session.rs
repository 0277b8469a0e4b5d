//! What one actor does with the store.

use std::sync::Arc;

use super::acl::{Acl, AclChange, AclKey, Actor, Rights};
use super::contents::{Mailbox, seen_key};
use super::error::{Error, Limit};
use super::mailbox::{Create, Info, SpecialUse, Status};
use super::name::{MailboxId, MailboxName, Uid};
use super::pending::{Convert, Pending};
use super::quota::{Quota, QuotaLimits};
use super::record::Set;
use super::request::{Appended, Created, Delivered, Delivery, NewMessage, Operation, Request, Response};
use super::view::{Access, View};
use super::{RECIPIENTS_MAX, Store};

/// The store in the hands of one actor. Cheap to clone; holds nothing open.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) store: Store,
    pub(super) actor: Arc<Actor>,
}

impl Session {
    pub(super) fn new(store: Store, actor: Actor) -> Self {
        Self { store, actor: Arc::new(actor) }
    }

    /// On whose behalf.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(super) fn submit<T>(&self, operation: Operation, convert: Convert<T>) -> Pending<T> {
        let request = Request { actor: (*self.actor).clone(), operation };
        Pending::queued(self.store.log.submit(request), convert)
    }

    /// Makes a mailbox. Names above it need not exist. Needs `k` on the nearest mailbox above it; where there is
    /// none, an administrator or a peer.
    ///
    /// Refused with [`Error::Exists`], [`Error::Denied`], [`Error::NoSuchMailbox`] (nothing above that the actor may
    /// look up).
    pub fn create(&self, name: &MailboxName, create: Create) -> Pending<Created> {
        self.submit(Operation::Create { name: name.clone(), create }, |response| match response {
            Response::Created(created) => Some(created),
            _ => None,
        })
    }

    /// Removes a mailbox with its messages. Mailboxes below it stay. Needs `x`.
    pub fn delete(&self, name: &MailboxName) -> Pending<()> {
        self.submit(Operation::Delete { name: name.clone() }, Response::done)
    }

    /// Gives a mailbox and all below it another name, in one transaction. UIDs, UIDVALIDITY and
    /// [`MailboxId`] stay; quota roots at names that move are moved along, subscriptions are not.
    /// Needs `x` on all that move, and `k` on the nearest mailbox above the new name. At most
    /// [`RENAME_NAMES_MAX`](super::RENAME_NAMES_MAX).
    pub fn rename(&self, from: &MailboxName, to: &MailboxName) -> Pending<()> {
        self.submit(Operation::Rename { from: from.clone(), to: to.clone() }, Response::done)
    }

    /// Changes one entry of an access control list. Needs `a`.
    pub fn set_acl(&self, name: &MailboxName, key: AclKey, change: AclChange) -> Pending<()> {
        self.submit(Operation::SetAcl { name: name.clone(), key, change }, Response::done)
    }

    /// Removes one entry of an access control list (RFC 4314 3.2). Needs `a`.
    pub fn delete_acl(&self, name: &MailboxName, key: AclKey) -> Pending<()> {
        self.set_acl(name, key, AclChange::Replace(Rights::NONE))
    }

    /// Sets a mailbox's special uses (RFC 6154 leaves who may do so open). Needs `a`.
    pub fn set_special_use(&self, name: &MailboxName, special_use: SpecialUse) -> Pending<()> {
        self.submit(Operation::SetSpecialUse { name: name.clone(), special_use }, Response::done)
    }

    /// Remembers a name as subscribed; there need not be a mailbox. Only users have subscriptions, at most
    /// [`SUBSCRIPTIONS_MAX`](super::SUBSCRIPTIONS_MAX).
    pub fn subscribe(&self, name: &MailboxName) -> Pending<()> {
        self.submit(Operation::Subscribe { name: name.clone(), set: Set::On }, Response::done)
    }

    /// Forgets a subscribed name. One that is not subscribed is no error.
    pub fn unsubscribe(&self, name: &MailboxName) -> Pending<()> {
        self.submit(Operation::Subscribe { name: name.clone(), set: Set::Off }, Response::done)
    }

    /// Sets or (with `None`) removes the limits at a name, for all at and below it that have no nearer ones. Needs an
    /// administrator or a peer. A limit below the usage removes nothing, and nothing more fits.
    pub fn set_quota(&self, root: &MailboxName, limits: Option<QuotaLimits>) -> Pending<()> {
        self.submit(Operation::SetQuota { root: root.clone(), limits }, Response::done)
    }

    /// Puts a message into a mailbox. Needs `i`.
    pub fn append(&self, name: &MailboxName, message: NewMessage) -> Pending<Appended> {
        self.submit(Operation::Append { name: name.clone(), message }, |response| match response {
            Response::Appended(appended) => Some(appended),
            _ => None,
        })
    }

    /// Delivers a message to one or more mailboxes in one transaction: one body, an answer for each recipient in the
    /// order given. Recipients that are refused do not keep the others from getting it. Needs a peer.
    pub fn deliver(&self, delivery: Delivery) -> Pending<Vec<Result<Delivered, Error>>> {
        if delivery.recipients.len() > RECIPIENTS_MAX {
            return Pending::refused(Error::limit(Limit::Recipients, RECIPIENTS_MAX));
        }
        self.submit(Operation::Deliver(delivery), |response| match response {
            Response::Delivered(all) => Some(all),
            _ => None,
        })
    }

    /// Whether a delivery to this mailbox would be taken now: for an answer at RCPT, before there is a message.
    ///
    /// # Errors
    /// The refusal.
    pub fn check_recipient(&self, recipient: &super::Recipient) -> Result<(), Error> {
        let catalogue = self.store.shared.catalogue();
        super::plan::check_recipient(&catalogue, &self.actor, recipient, super::QuotaUsage::default())
            .map(drop)
    }

    /// The mailboxes at and below `top` (all for `None`) that the actor may look up, in the order of their names.
    #[must_use]
    pub fn list(&self, top: Option<&MailboxName>) -> Vec<Info> {
        let catalogue = self.store.shared.catalogue();
        let all: Box<dyn Iterator<Item = MailboxId>> = match top {
            Some(top) => Box::new(catalogue.subtree(top).map(|(_, id)| id)),
            None => Box::new(catalogue.names.values().copied()),
        };
        let mut infos: Vec<Info> = Vec::new();
        // Names that may still turn out to be above the next one: a path from the top to the last.
        let mut path: Vec<usize> = Vec::new();
        for (id, entry) in all.filter_map(|id| Some((id, catalogue.entry(id)?))) {
            let rights = entry.rights(&self.actor);
            if !rights.contains(Rights::LOOKUP) {
                continue;
            }
            let meta = &entry.meta;
            while let Some(above) = path.last().and_then(|at| infos.get_mut(*at)) {
                if meta.name.is_below(&above.name) {
                    above.has_children = true;
                    break;
                }
                path.pop();
            }
            path.push(infos.len());
            infos.push(Info {
                name: meta.name.clone(),
                id,
                uid_validity: meta.uid_validity,
                acl: meta.acl.clone(),
                rights,
                special_use: meta.special_use,
                owner: meta.owner.clone(),
                has_children: false,
            });
        }
        infos
    }

    /// One mailbox, as LIST wants it. Needs `l`.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`].
    pub fn info(&self, name: &MailboxName) -> Result<Info, Error> {
        let catalogue = self.store.shared.catalogue();
        let (id, entry) = catalogue.find(&self.actor, name, Rights::LOOKUP)?;
        let visible =
            |id| catalogue.entry(id).is_some_and(|entry| entry.rights(&self.actor).contains(Rights::LOOKUP));
        let has_children = catalogue.names.range(name.below()).any(|(_, id)| visible(*id));
        Ok(Info {
            name: name.clone(),
            id,
            uid_validity: entry.meta.uid_validity,
            acl: entry.meta.acl.clone(),
            rights: entry.rights(&self.actor),
            special_use: entry.meta.special_use,
            owner: entry.meta.owner.clone(),
            has_children,
        })
    }

    /// The name that a mailbox has now. Needs `l`.
    #[must_use]
    pub fn name_of(&self, id: MailboxId) -> Option<MailboxName> {
        let catalogue = self.store.shared.catalogue();
        let entry = catalogue.entry(id)?;
        entry.rights(&self.actor).contains(Rights::LOOKUP).then(|| entry.meta.name.clone())
    }

    /// The counts of a mailbox. Needs `r`.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::Denied`].
    pub fn status(&self, name: &MailboxName) -> Result<Status, Error> {
        let (mailbox, size_bytes) = self.mailbox(name, Rights::READ)?;
        let contents = mailbox.read();
        if contents.gone {
            return Err(Error::NoSuchMailbox);
        }
        let user = seen_key(&contents.meta, &self.actor);
        let recent_from = Uid::try_from(contents.recent_from).unwrap_or(Uid::MAX);
        let recent = super::UidSet::range(recent_from, contents.messages.last_uid());
        Ok(Status {
            id: mailbox.id,
            messages: contents.messages.len() as u64,
            recent: contents.messages.iter_in(&recent).count() as u64,
            uid_next: Uid::try_from(contents.uid_next).unwrap_or(0),
            uid_validity: contents.meta.uid_validity,
            unseen: contents.unseen(user),
            deleted: contents.deleted,
            highest_modseq: contents.highest_modseq(user),
            size_bytes,
        })
    }

    /// The access control list of a mailbox. Needs `a`.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::Denied`].
    pub fn acl(&self, name: &MailboxName) -> Result<Acl, Error> {
        let catalogue = self.store.shared.catalogue();
        catalogue.find(&self.actor, name, Rights::ADMINISTER).map(|(_, entry)| entry.meta.acl.clone())
    }

    /// What the actor may do with a mailbox. Needs any right that makes it visible (RFC 4314 4: `l`, `r`, `i`, `k`, `x`
    /// or `a`).
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`].
    pub fn my_rights(&self, name: &MailboxName) -> Result<Rights, Error> {
        let catalogue = self.store.shared.catalogue();
        let (_, entry) = catalogue.find(&self.actor, name, Rights::NONE)?;
        let rights = entry.rights(&self.actor);
        let telling = [
            Rights::LOOKUP,
            Rights::READ,
            Rights::INSERT,
            Rights::CREATE,
            Rights::DELETE_MAILBOX,
            Rights::ADMINISTER,
        ];
        let visible = telling.iter().any(|right| rights.contains(*right));
        if visible { Ok(rights) } else { Err(Error::NoSuchMailbox) }
    }

    /// The names that the user has subscribed to, in order, whether there are mailboxes of them or not. Empty for
    /// those who are no users.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<MailboxName> {
        let catalogue = self.store.shared.catalogue();
        let names = self.actor.user_name().and_then(|user| catalogue.subscriptions.get(user));
        names.map(|names| names.iter().cloned().collect()).unwrap_or_default()
    }

    /// The quota root that governs a mailbox, if there is one, with its limits and usage. Needs `r`, or an
    /// administrator.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::Denied`].
    pub fn quota_of(&self, name: &MailboxName) -> Result<Option<(MailboxName, Quota)>, Error> {
        let needed = if self.actor.require_operator().is_ok() { Rights::LOOKUP } else { Rights::READ };
        let catalogue = self.store.shared.catalogue();
        let (_, entry) = catalogue.find(&self.actor, name, needed)?;
        let root = entry.quota_root.as_ref();
        Ok(root.and_then(|root| Some((root.clone(), *catalogue.quotas.get(root)?))))
    }

    /// A quota root by its name. Needs an administrator or a peer, or `r` on a mailbox of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchQuotaRoot`], also where the actor may not see it.
    pub fn quota(&self, root: &MailboxName) -> Result<Quota, Error> {
        let catalogue = self.store.shared.catalogue();
        let may =
            self.actor.require_operator().is_ok() || catalogue.find(&self.actor, root, Rights::READ).is_ok();
        catalogue.quotas.get(root).copied().filter(|_| may).ok_or(Error::NoSuchQuotaRoot)
    }

    /// Opens a mailbox: SELECT or EXAMINE. Needs `r`.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::Denied`].
    pub fn open(&self, name: &MailboxName, access: Access) -> Result<View, Error> {
        let (mailbox, _) = self.mailbox(name, Rights::READ)?;
        View::new(self.clone(), mailbox, access)
    }

    /// A mailbox with its size in bytes.
    fn mailbox(&self, name: &MailboxName, needed: Rights) -> Result<(Arc<Mailbox>, u64), Error> {
        let catalogue = self.store.shared.catalogue();
        let (id, entry) = catalogue.find(&self.actor, name, needed)?;
        let size_bytes = entry.counters.usage.storage_bytes;
        drop(catalogue);
        Ok((self.store.shared.mailbox(id).ok_or(Error::NoSuchMailbox)?, size_bytes))
    }
}
