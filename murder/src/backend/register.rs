//! Where the names of this server's mailboxes are registered: with the master, or nowhere.

use std::sync::{Arc, OnceLock};

use mailstore::store::{Actor, Info, Session, Store};
use tracing::{error, warn};

use super::changes::ChangeError;
use super::places::to_store;
use crate::config;
use crate::mailboxes::{
    self, LocalMailboxes, Location, Name, RegisterError, Registrar, Registration, SetAside, Upstream,
};
use crate::net::tls::Connector;
use crate::node::StartError;

/// Where mailboxes go whose name another server has: below this one, at the top of the tree.
const LOST: &str = "LOST";
/// How many names below it are tried for one mailbox.
const LOST_NAMES_MAX: u32 = 100;

/// The master's side of a change.
#[derive(Debug)]
pub(crate) enum Register {
    /// A back-end that runs alone.
    Nowhere,
    /// A back-end of a murder.
    Master(Registrar),
}

/// Names that are being changed.
#[derive(Debug)]
#[must_use = "the names are held as long as this lives"]
pub(crate) enum Hold {
    /// By nobody.
    Nowhere,
    /// Together with the master.
    Master(mailboxes::Hold),
}

impl From<RegisterError> for ChangeError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Taken | RegisterError::NotActive => Self::Elsewhere,
            RegisterError::TooLong => Self::Name(mailboxes::NameError::TooLong),
            _ => Self::Unavailable,
        }
    }
}

impl Register {
    /// The register that a configuration names, and the task that keeps it.
    pub(crate) fn open(
        config: &config::Backend,
        store: &Store,
    ) -> Result<(Self, Option<Registration>), StartError> {
        let Some(master) = config.master.clone() else { return Ok((Self::Nowhere, None)) };
        let ca = config.tls.as_ref().and_then(|tls| tls.ca.as_ref());
        let connector = ca.map(|ca| Connector::load(ca)).transpose();
        let connector = connector.map_err(|e| StartError::new("read the CA", e))?;
        let location = Location::new(config.name.as_str(), config.partition.as_str());
        let location = location.map_err(|e| StartError::new("name this server's location", e))?;
        let upstream = Upstream::new(master, connector, config.limits.connect_timeout);
        let local = Arc::new(Held { store: store.clone(), registrar: OnceLock::new() });
        let (registrar, registration) = Registrar::new(upstream, location, Arc::clone(&local) as _);
        // It was empty: nobody else has seen it yet.
        let _ = local.registrar.set(registrar.clone());
        Ok((Self::Master(registrar), Some(registration)))
    }

    /// Whether the master is reached; nothing to be told by a back-end that has none.
    pub(crate) fn is_connected(&self) -> Option<bool> {
        match self {
            Self::Nowhere => None,
            Self::Master(registrar) => Some(registrar.is_connected()),
        }
    }

    /// Takes names before there are mailboxes of them.
    pub(crate) async fn reserve(&self, names: &[Name]) -> Result<Hold, ChangeError> {
        Ok(match self {
            Self::Nowhere => Hold::Nowhere,
            Self::Master(registrar) => Hold::Master(registrar.reserve(names).await?),
        })
    }

    /// Tells the list that a mailbox is about to have.
    pub(crate) async fn set_acl(&self, name: &Name, acl_text: &str) -> Result<Hold, ChangeError> {
        Ok(match self {
            Self::Nowhere => Hold::Nowhere,
            Self::Master(registrar) => Hold::Master(registrar.set_acl(name, acl_text).await?),
        })
    }

    /// Gives up names whose mailboxes are gone; told later if the master is away.
    pub(crate) async fn delete(&self, names: &[Name]) {
        if let Self::Master(registrar) = self
            && !names.is_empty()
        {
            registrar.delete(names).await;
        }
    }
}

impl Hold {
    /// Tells that the mailboxes are there, with these lists. If the master is lost now, it learns of them when it is back:
    /// they are made, and that is what counts.
    pub(crate) async fn activate(self, mailboxes: &[(Name, String)]) {
        if let Self::Master(hold) = self
            && let Err(error) = hold.activate(mailboxes).await
        {
            warn!(%error, mailboxes = mailboxes.len(), "the master has yet to learn of new mailboxes");
        }
    }
}

/// What this server holds, for the registration.
struct Held {
    store: Store,
    registrar: OnceLock<Registrar>,
}

impl Held {
    fn everything(&self) -> Session {
        self.store.session(Actor::Peer)
    }

    /// Moves a mailbox, alone, to a name that nobody else has.
    async fn move_aside(&self, name: &Name) -> Result<Name, mailstore::store::Error> {
        let (session, from) = (self.everything(), to_store(name)?);
        for attempt in 0..LOST_NAMES_MAX {
            let Some(to) = lost_name(name, attempt) else { break };
            match session.rename(&from, &to_store(&to)?).await {
                Err(mailstore::store::Error::Exists) => {}
                moved => return moved.map(|()| to),
            }
        }
        Err(mailstore::store::Error::Exists)
    }
}

/// `LOST.user.alice.Work`, then `LOST.user.alice.Work-1`, and so on.
fn lost_name(name: &Name, attempt: u32) -> Option<Name> {
    let mut path: Vec<String> = std::iter::once(LOST.to_owned()).chain(name.to_store()).collect();
    if attempt > 0
        && let Some(leaf) = path.last_mut()
    {
        *leaf = format!("{leaf}-{attempt}");
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Name::new(None, &path).ok()
}

fn registered(info: &Info) -> Option<(Name, String)> {
    let components: Vec<&str> = info.name.components().collect();
    Some((Name::from_store(&components).ok()?, info.acl.to_text()))
}

impl LocalMailboxes for Held {
    fn all(&self) -> Vec<(Name, String)> {
        self.everything().list(None).iter().filter_map(registered).collect()
    }

    fn acl_text(&self, name: &Name) -> Option<String> {
        let info = self.everything().info(&to_store(name).ok()?).ok()?;
        Some(info.acl.to_text())
    }

    fn set_aside<'a>(&'a self, name: &'a Name, held_at: &'a Location) -> SetAside<'a> {
        Box::pin(async move {
            // A subtree moves with its top; those whose names are still ours come back as what they are now.
            match self.move_aside(name).await {
                Ok(to) => {
                    warn!(mailbox = %name, %to, server = held_at.server(), "set aside: another server has the name");
                    if let Some(registrar) = self.registrar.get() {
                        let session = self.everything();
                        let moved = to_store(&to).map(|top| session.list(Some(&top))).unwrap_or_default();
                        let names: Vec<Name> =
                            moved.iter().filter_map(registered).map(|(name, _)| name).collect();
                        registrar.recheck(&names);
                    }
                }
                Err(error) => error!(mailbox = %name, %error, "cannot set a mailbox aside"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_names_are_told_apart() {
        let name = Name::new(Some("alice"), &["Work"]).unwrap();
        assert_eq!(lost_name(&name, 0).unwrap().to_mupdate(), "LOST.user.alice.Work");
        assert_eq!(lost_name(&name, 2).unwrap().to_mupdate(), "LOST.user.alice.Work-2");
    }
}
