//! From requests to records: every check that the store makes, in the order of the commits.
//!
//! A plan changes nothing. It reads the planned state, and becomes part of it only when all its records have found room
//! in the transaction; so a refusal leaves nothing behind.

mod messages;

use std::collections::{BTreeMap, HashSet};

use super::acl::{AclChange, AclKey, Actor, Rights};
use super::body::NewBody;
use super::catalogue::{Catalogue, Entry};
use super::contents::{Arrival, Moment};
use super::error::{Error, Limit};
use super::machine::Machine;
use super::mailbox::{Create, Meta, SpecialUse};
use super::name::{MailboxId, MailboxName};
use super::quota::{QuotaCheck, QuotaLimits, QuotaUsage};
use super::record::{Record, Set};
use super::request::{Created, Operation, Posting, Recipient, Request, Response};
use super::rows::Row;
use super::{MAILBOXES_BELOW_MAX, RENAME_NAMES_MAX};

/// What a request comes to.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) response: Response,
    /// The message that its appends refer to.
    pub(super) body: Option<NewBody>,
    /// What happens; nothing for a request that changes nothing.
    pub(super) records: Vec<Record>,
    /// The rows that its copy takes along, for drafts.
    pub(super) copied: Vec<(Row, Arrival)>,
}

impl Plan {
    fn new(response: Response, records: Vec<Record>) -> Self {
        Self { response, body: None, records, copied: Vec::new() }
    }

    fn done(records: Vec<Record>) -> Self {
        Self::new(Response::Done, records)
    }
}

impl Machine {
    pub(super) fn plan(&mut self, moment: Moment, request: Request) -> Result<Plan, Error> {
        let Request { actor, operation } = request;
        match operation {
            Operation::Create { name, create } => self.plan_create(&actor, name, create, moment),
            Operation::Delete { name } => {
                let (id, _) = self.planned.find(&actor, &name, Rights::DELETE_MAILBOX)?;
                Ok(Plan::done(vec![Record::Delete { id }]))
            }
            Operation::Rename { from, to } => self.plan_rename(&actor, from, to),
            Operation::SetAcl { name, key, change } => self.plan_acl(&actor, &name, &key, change),
            Operation::SetSpecialUse { name, special_use } => self.plan_use(&actor, &name, special_use),
            Operation::Subscribe { name, set } => self.plan_subscribe(&actor, name, set),
            Operation::SetQuota { root, limits } => self.plan_quota(&actor, root, limits),
            Operation::Append { name, message } => self.plan_append(&actor, &name, message, moment),
            Operation::Deliver(delivery) => self.plan_delivery(&actor, delivery, moment),
            Operation::Flags { id, uids, op, flags, unchanged_since } => {
                self.plan_flags(&actor, id, &uids, (op, &flags), unchanged_since, moment)
            }
            Operation::Expunge { id, uids } => self.plan_expunge(&actor, id, uids.as_ref()),
            Operation::Copy { id, uids, to, mode } => self.plan_copy(&actor, (id, &uids), &to, mode, moment),
        }
    }

    fn plan_create(
        &self,
        actor: &Actor,
        name: MailboxName,
        create: Create,
        moment: Moment,
    ) -> Result<Plan, Error> {
        let ancestor = self.planned.ancestor(&name);
        match ancestor {
            Some(ancestor) => ancestor.rights(actor).require(Rights::CREATE)?,
            // The same answer as for an ancestor that may not be looked up.
            None => actor.require_operator().map_err(|_| Error::NoSuchMailbox)?,
        }
        if create.acl.is_some() || create.owner.is_some() {
            actor.require_operator()?;
        }
        if self.planned.names.contains_key(&name) {
            return Err(Error::Exists);
        }
        if actor.require_operator().is_err() {
            self.check_mailboxes(&name)?;
        }
        let id = MailboxId(self.planned.mailbox_id_last + 1);
        let uid_validity = self.planned.next_uid_validity(moment.secs)?;
        let meta = Meta {
            name,
            uid_validity,
            owner: create.owner.or_else(|| ancestor.and_then(|entry| entry.meta.owner.clone())),
            acl: create.acl.or_else(|| ancestor.map(|entry| entry.meta.acl.clone())).unwrap_or_default(),
            special_use: create.special_use,
            modseq_offset: 0,
        };
        let response = Response::Created(Created { mailbox: id, uid_validity });
        Ok(Plan::new(response, vec![Record::Create { id, meta }]))
    }

    /// Whether there is room for one more mailbox below the topmost one above `name`.
    fn check_mailboxes(&self, name: &MailboxName) -> Result<(), Error> {
        let above = std::iter::successors(name.parent(), MailboxName::parent);
        let Some(top) = above.filter(|name| self.planned.names.contains_key(name)).last() else {
            return Ok(());
        };
        let below = self.planned.names.range(top.below()).take(MAILBOXES_BELOW_MAX).count();
        if below < MAILBOXES_BELOW_MAX {
            Ok(())
        } else {
            Err(Error::limit(Limit::Mailboxes, MAILBOXES_BELOW_MAX))
        }
    }

    fn plan_rename(&self, actor: &Actor, from: MailboxName, to: MailboxName) -> Result<Plan, Error> {
        let planned = &self.planned;
        let moving: Vec<(&MailboxName, MailboxId)> =
            planned.subtree(&from).take(RENAME_NAMES_MAX + 1).collect();
        let entries: Vec<&Entry> = moving.iter().filter_map(|(_, id)| planned.entry(*id)).collect();
        // If one may not be moved, whether it may be looked up is not told: only that not all may be moved.
        let visible = entries.iter().any(|entry| entry.rights(actor).contains(Rights::LOOKUP));
        if !visible {
            return Err(Error::NoSuchMailbox);
        }
        if entries.iter().any(|entry| !entry.rights(actor).contains(Rights::DELETE_MAILBOX)) {
            return Err(Error::Denied { missing: Rights::DELETE_MAILBOX });
        }
        if to.is_below(&from) {
            return Err(Error::BelowItself);
        }
        match planned.ancestor(&to) {
            Some(ancestor) => ancestor.rights(actor).require(Rights::CREATE)?,
            None => actor.require_operator().map_err(|_| Error::NoSuchMailbox)?,
        }
        if moving.len() > RENAME_NAMES_MAX {
            return Err(Error::limit(Limit::RenamedNames, RENAME_NAMES_MAX));
        }
        if from == to {
            return Err(Error::Exists);
        }
        let leaving: HashSet<&MailboxName> = moving.iter().map(|(name, _)| *name).collect();
        let mut arriving: BTreeMap<MailboxName, QuotaUsage> = BTreeMap::new();
        for (old, entry) in leaving_with(&moving, planned) {
            let new = old.moved(&from, &to).ok_or(Error::NoSuchMailbox)??;
            if planned.names.contains_key(&new) && !leaving.contains(&new) {
                return Err(Error::Exists);
            }
            // A quota root at a name that moves is moved along.
            let stays = entry.quota_root.as_ref().filter(|root| **root != from && !root.is_below(&from));
            let root = planned.root_of(&new);
            if root.as_ref() != stays
                && (stays.is_some() || entry.quota_root.is_none())
                && let Some(root) = root
            {
                arriving.entry(root).or_default().add(entry.counters.usage);
            }
        }
        for (root, usage) in &arriving {
            planned.check_quota(Some(root), *usage)?;
        }
        Ok(Plan::done(vec![Record::Rename { from, to }]))
    }

    fn plan_acl(
        &self,
        actor: &Actor,
        name: &MailboxName,
        key: &AclKey,
        change: AclChange,
    ) -> Result<Plan, Error> {
        let (id, entry) = self.planned.find(actor, name, Rights::ADMINISTER)?;
        let acl = entry.meta.acl.with(key, change)?;
        let changes = acl != entry.meta.acl;
        Ok(Plan::done(if changes { vec![Record::Acl { id, acl }] } else { Vec::new() }))
    }

    fn plan_use(&self, actor: &Actor, name: &MailboxName, special_use: SpecialUse) -> Result<Plan, Error> {
        let (id, entry) = self.planned.find(actor, name, Rights::ADMINISTER)?;
        let changes = special_use != entry.meta.special_use;
        Ok(Plan::done(if changes { vec![Record::SpecialUse { id, special_use }] } else { Vec::new() }))
    }

    fn plan_subscribe(&self, actor: &Actor, name: MailboxName, set: Set) -> Result<Plan, Error> {
        let user = actor.user_name().ok_or(Error::Denied { missing: Rights::LOOKUP })?;
        let subscribed = self.planned.subscriptions.get(user).is_some_and(|names| names.contains(&name));
        if subscribed == (set == Set::On) {
            return Ok(Plan::done(Vec::new()));
        }
        if set == Set::On {
            self.planned.check_subscriptions(user, &name)?;
        }
        Ok(Plan::done(vec![Record::Subscribe { user: user.clone(), name, set }]))
    }

    fn plan_quota(
        &self,
        actor: &Actor,
        root: MailboxName,
        limits: Option<QuotaLimits>,
    ) -> Result<Plan, Error> {
        actor.require_operator()?;
        if limits.is_none() && !self.planned.quotas.contains_key(&root) {
            return Err(Error::NoSuchQuotaRoot);
        }
        Ok(Plan::done(vec![Record::Quota { root, limits }]))
    }
}

fn leaving_with<'a>(
    moving: &'a [(&MailboxName, MailboxId)],
    planned: &'a Catalogue,
) -> impl Iterator<Item = (&'a MailboxName, &'a Entry)> {
    moving.iter().filter_map(|(name, id)| Some((*name, planned.entry(*id)?)))
}

/// Only servers of the site deliver; all others learn nothing of any mailbox.
fn require_peer(actor: &Actor) -> Result<(), Error> {
    if *actor == Actor::Peer { Ok(()) } else { Err(Error::Denied { missing: Rights::INSERT }) }
}

/// The mailbox of a recipient, if a message that takes `more` may be delivered to it.
pub(super) fn check_recipient<'a>(
    catalogue: &'a Catalogue,
    actor: &Actor,
    recipient: &Recipient,
    more: QuotaUsage,
) -> Result<(MailboxId, &'a Entry), Error> {
    require_peer(actor)?;
    let (id, entry) = catalogue.find(actor, &recipient.mailbox, Rights::NONE)?;
    if let Posting::NeedsPost(poster) = &recipient.posting
        && !entry.meta.acl.may_post(poster.as_ref())
    {
        return Err(Error::Denied { missing: Rights::POST });
    }
    if recipient.quota == QuotaCheck::Enforce {
        catalogue.check_quota(entry.quota_root.as_ref(), more)?;
    }
    Ok((id, entry))
}
