//! Changes of the list of mailboxes: the store's part and the master's, in the order that keeps both true.
//!
//! A name is reserved with the master before there is a mailbox of it here, and made active when there is one, so
//! that no two servers make the same name and no front-end learns of a mailbox before it can be opened. A change of
//! an access control list goes to the master first. A deletion never waits for it. A back-end that runs alone has
//! nobody to ask.
//!
//! What the actor may do is asked before the master is, so that nobody can make this server reserve names for nothing.

use mailstore::store::{
    Acl, AclChange, AclKey, Actor, Create, Error, Info, MailboxName, QuotaLimits, Rights, Session,
    SpecialUse, Store, UserName,
};

use super::places::to_store;
use super::register::Register;
use crate::mailboxes::{Name, NameError};

/// Why the list was not changed.
#[derive(Debug)]
pub(crate) enum ChangeError {
    /// The store refuses.
    Store(Error),
    /// The master is needed, and not reached. Nothing has changed.
    Unavailable,
    /// Another server has the name.
    Elsewhere,
    /// A name that would come of it cannot be.
    Name(NameError),
}

impl From<Error> for ChangeError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<NameError> for ChangeError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

/// Makes the changes.
#[derive(Debug)]
pub(crate) struct Changes {
    store: Store,
    register: Register,
}

impl Changes {
    /// Changes of this store, told to this register.
    pub(crate) fn new(store: Store, register: Register) -> Self {
        Self { store, register }
    }

    /// Whether the master is reached, if there is one.
    pub(crate) fn is_connected(&self) -> Option<bool> {
        self.register.is_connected()
    }

    /// Makes a mailbox, and those above it that do not exist: clients lose track of children whose parents cannot be
    /// selected. INBOXes, which only an operator can make, belong to their users.
    pub(crate) async fn create(
        &self,
        session: &Session,
        name: &Name,
        special_use: SpecialUse,
    ) -> Result<(), ChangeError> {
        let wanted = to_store(name)?;
        if session.info(&wanted).is_ok() {
            return Err(Error::Exists.into());
        }
        let mut names = self.missing_above(session, name)?;
        self.require_create(session, &wanted)?;
        names.push(name.clone());
        let hold = self.register.reserve(&names).await?;
        for each in &names {
            let special_use = if each == name { special_use } else { SpecialUse::NONE };
            match self.create_here(session, each, special_use).await {
                // Somebody else may have made one of those above in the meantime, which is as good.
                Err(Error::Exists) if each != name => {}
                made => made?,
            }
        }
        hold.activate(&self.with_lists(&names)).await;
        Ok(())
    }

    /// Removes a mailbox. Those below it stay, except below an INBOX, which only an operator can remove: with it goes
    /// all that its user has.
    pub(crate) async fn delete(&self, session: &Session, name: &Name) -> Result<(), ChangeError> {
        let target = to_store(name)?;
        let mut names = vec![(target.clone(), name.clone())];
        if name.is_inbox() {
            let below = session.list(Some(&target)).into_iter().filter(|info| info.name != target);
            names.extend(below.filter_map(|info| Some((info.name.clone(), name_of(&info)?))));
        }
        let mut deleted = Vec::with_capacity(names.len());
        // The deepest first: what is left after a failure is still a tree.
        for (at, name) in names.into_iter().rev() {
            let done = session.delete(&at).await;
            if done.is_ok() {
                deleted.push(name);
            }
            if let Err(error) = done {
                self.register.delete(&deleted).await;
                return Err(error.into());
            }
        }
        self.register.delete(&deleted).await;
        Ok(())
    }

    /// Gives a mailbox and all below it another name.
    pub(crate) async fn rename(&self, session: &Session, from: &Name, to: &Name) -> Result<(), ChangeError> {
        let (source, target) = (to_store(from)?, to_store(to)?);
        if session.list(Some(&source)).is_empty() {
            return Err(Error::NoSuchMailbox.into());
        }
        if to.is_below(from) {
            return Err(Error::BelowItself.into());
        }
        if session.info(&target).is_ok() {
            return Err(Error::Exists.into());
        }
        let above = self.missing_above(session, to)?;
        self.require_create(session, &target)?;
        let old: Vec<Name> = self.everything(Some(&source)).iter().filter_map(name_of).collect();
        let moved = old.iter().filter_map(|name| name.moved(from, to)).collect::<Result<Vec<_>, _>>()?;
        let new: Vec<Name> = above.iter().cloned().chain(moved).collect();
        let hold = self.register.reserve(&new).await?;
        for name in &above {
            match self.create_here(session, name, SpecialUse::NONE).await {
                Ok(()) | Err(Error::Exists) => {}
                Err(error) => return Err(error.into()),
            }
        }
        session.rename(&source, &target).await?;
        hold.activate(&self.with_lists(&new)).await;
        self.register.delete(&old).await;
        Ok(())
    }

    /// Changes one entry of an access control list.
    pub(crate) async fn set_acl(
        &self,
        session: &Session,
        name: &Name,
        key: AclKey,
        change: AclChange,
    ) -> Result<(), ChangeError> {
        let target = to_store(name)?;
        let wanted = session.acl(&target)?.with(&key, change)?;
        // Held until the store has followed, so that the two are not compared in between.
        let hold = self.register.set_acl(name, &wanted.to_text()).await?;
        session.set_acl(&target, key, change).await?;
        drop(hold);
        Ok(())
    }

    /// The names above this one of which there is no mailbox, outermost first. An INBOX that is not there is left to
    /// the operators.
    fn missing_above(&self, session: &Session, name: &Name) -> Result<Vec<Name>, Error> {
        let all = self.store.session(Actor::Peer);
        let mut missing = Vec::new();
        let mut above = name.parent();
        while let Some(name) = above {
            above = name.parent();
            if all.info(&to_store(&name)?).is_ok() {
                break;
            }
            if !name.is_inbox() || is_operator(session) {
                missing.push(name);
            }
        }
        missing.reverse();
        Ok(missing)
    }

    /// What the store will ask as well: `k` on the nearest mailbox above, or an operator.
    fn require_create(&self, session: &Session, wanted: &MailboxName) -> Result<(), Error> {
        if is_operator(session) {
            return Ok(());
        }
        let all = self.store.session(Actor::Peer);
        let above = std::iter::successors(wanted.parent(), MailboxName::parent);
        let nearest = above.into_iter().find(|name| all.info(name).is_ok()).ok_or(Error::NoSuchMailbox)?;
        let rights = session.my_rights(&nearest)?;
        match (rights.contains(Rights::CREATE), rights.contains(Rights::LOOKUP)) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::Denied { missing: Rights::CREATE }),
            (false, false) => Err(Error::NoSuchMailbox),
        }
    }

    async fn create_here(
        &self,
        session: &Session,
        name: &Name,
        special_use: SpecialUse,
    ) -> Result<(), Error> {
        let at = to_store(name)?;
        let Some(owner) = name.owner().filter(|_| name.is_inbox() && is_operator(session)) else {
            return session.create(&at, Create { special_use, ..Create::default() }).await.map(drop);
        };
        let owner = UserName::new(owner).map_err(Error::InvalidName)?;
        let create = Create { acl: Some(Acl::owned_by(&owner)), owner: Some(owner), special_use };
        session.create(&at, create).await?;
        session.set_quota(&at, Some(QuotaLimits::default())).await
    }

    /// These mailboxes with their lists, as the master wants them.
    fn with_lists(&self, names: &[Name]) -> Vec<(Name, String)> {
        let all = self.store.session(Actor::Peer);
        let list = |name: &Name| Some((name.clone(), all.info(&to_store(name).ok()?).ok()?.acl.to_text()));
        names.iter().filter_map(list).collect()
    }

    fn everything(&self, top: Option<&MailboxName>) -> Vec<Info> {
        self.store.session(Actor::Peer).list(top)
    }
}

fn is_operator(session: &Session) -> bool {
    matches!(session.actor(), Actor::Admin | Actor::Peer)
}

fn name_of(info: &Info) -> Option<Name> {
    let components: Vec<&str> = info.name.components().collect();
    Name::from_store(&components).ok()
}
