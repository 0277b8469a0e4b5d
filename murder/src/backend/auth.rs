//! Who may come in at a back-end.
//!
//! Front-ends come as proxies, for a user whom they name; other nodes as peers; administrators as themselves. A
//! back-end that runs alone also lets in the users of its own database.

use mailstore::store::{Actor, UserName};

use crate::accounts::{
    Accounts, BackendDirectory, Doors, Hasher, LocalDirectory, NodeDirectory, Principal, ReservedNames,
};
use crate::config;
use crate::node::StartError;
use crate::routing::{Login, Router};

/// Opens the doors of a back-end: the credentials of nodes, and the database of accounts, if there is one.
pub(crate) fn doors(config: &config::Backend, router: Option<&Router>) -> Result<Doors, StartError> {
    let nodes = config.credential.iter().map(|credential| credential.name.clone());
    let reserved = ReservedNames::new(nodes.chain(config.admins.iter().cloned()));
    Ok(Doors::new(accounts(config, router)?, reserved))
}

/// Reads the credentials of nodes and the limits.
pub(crate) fn accounts(
    config: &config::Backend,
    router: Option<&Router>,
) -> Result<Accounts<Principal>, StartError> {
    let failed = |e: String| StartError::new("read the credentials", e);
    let hasher = Hasher::new(&config.accounts).map_err(|e| failed(e.to_string()))?;
    let nodes = NodeDirectory::new(&config.credential, hasher.clone()).map_err(failed)?;
    let admins = ReservedNames::new(config.admins.iter().cloned());
    let local = router.map(|router| LocalDirectory::new(router.clone(), hasher, admins));
    let directory = BackendDirectory::new(nodes, local);
    Accounts::new(Box::new(directory), &config.accounts).map_err(|e| failed(e.to_string()))
}

/// The store's actor of a user.
pub(crate) fn actor_of(login: &Login) -> Option<Actor> {
    UserName::new(login.as_str()).ok().map(Actor::user)
}
