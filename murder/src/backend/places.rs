//! Names and errors at the edge between protocols and the store.

use mailstore::store::{Acl, Actor, Create, Error, MailboxName, QuotaLimits, Store, UserName};

use crate::mailboxes::Name;
use crate::routing::Login;

/// A name in the store's form. Every [`Name`] has one: its own limits are the narrower.
pub(crate) fn to_store(name: &Name) -> Result<MailboxName, Error> {
    MailboxName::new(name.to_store()).map_err(Error::InvalidName)
}

/// The INBOX of a user, in the store's form.
pub(crate) fn inbox(login: &Login) -> Result<MailboxName, Error> {
    let name = Name::inbox(login.as_str()).map_err(|_| Error::NoSuchMailbox)?;
    to_store(&name)
}

/// Makes a user's INBOX and its quota root, for a back-end that runs alone; that it is there already is no error.
pub(crate) async fn ensure_inbox(store: &Store, login: &Login, quota_kib: Option<u64>) -> Result<(), Error> {
    let (name, owner) = (inbox(login)?, UserName::new(login.as_str()).map_err(Error::InvalidName)?);
    let session = store.session(Actor::Peer);
    let create = Create { acl: Some(Acl::owned_by(&owner)), owner: Some(owner), ..Create::default() };
    match session.create(&name, create).await {
        Ok(_) => {}
        Err(Error::Exists) => return Ok(()),
        Err(e) => return Err(e),
    }
    let storage_bytes = quota_kib.map(|kib| kib.saturating_mul(1024));
    session.set_quota(&name, Some(QuotaLimits { storage_bytes, messages: None })).await
}
