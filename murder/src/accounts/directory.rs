//! Who knows passwords: [`Directory`], and the two that come with a node: the local table of users, and the
//! configured names of other nodes.

use std::{collections::HashMap, pin::Pin};

use blake3::Hash;
use mail_wire::Secret;
use subtle::ConstantTimeEq;

use super::{
    hash::{Hasher, Match},
    roles::{AdminName, Principal, ReservedNames},
    verdict::{Outage, Rejection, Verdict},
};
use crate::{
    config::{BackendPeer, Credential, MasterPeer},
    routing::{Enabled, Login, Router},
};

/// A verdict that is on its way.
pub type Asked<'a, P> = Pin<Box<dyn Future<Output = Verdict<P>> + Send + 'a>>;

/// Something that knows whether a password is right.
///
/// It is asked only with passwords that can be one (not empty, no NUL), and must spend the same on an unknown name as
/// on a wrong password.
pub trait Directory<P>: Send + Sync {
    /// Whether the name and password belong together, and to whom.
    fn verify<'a>(&'a self, authcid: &'a str, password: &'a [u8]) -> Asked<'a, P>;

    /// A number that changes when verdicts given before may be void.
    fn epoch(&self) -> i64 {
        0
    }
}

/// The local table of accounts in the routing database.
#[derive(Debug)]
pub struct LocalDirectory {
    router: Router,
    hasher: Hasher,
    admins: ReservedNames,
}

impl LocalDirectory {
    /// The accounts of this database; those named in `admins` are administrators.
    #[must_use]
    pub fn new(router: Router, hasher: Hasher, admins: ReservedNames) -> Self {
        Self { router, hasher, admins }
    }

    async fn ask(&self, authcid: &str, password: &[u8]) -> Result<Verdict<Principal>, Outage> {
        let account = match authcid.parse::<Login>() {
            Ok(login) => {
                self.router.account(&login).await.map_err(|error| Outage::Directory(error.to_string()))?
            }
            Err(_) => None,
        };
        let stored = account.as_ref().map(|account| account.password_hash.as_str());
        let found = self.hasher.check(password, stored).await?;
        Ok(match (account, found) {
            (Some(account), Match::Yes) if account.state == Enabled::No => {
                Verdict::Rejected(Rejection::Disabled)
            }
            (Some(account), Match::Yes) if self.admins.contains(account.login.as_str()) => {
                Verdict::Accepted(Principal::Admin(AdminName::granted_to(account.login.as_str())))
            }
            (Some(account), Match::Yes) => Verdict::Accepted(Principal::User(account.login)),
            _ => Verdict::Rejected(Rejection::Credentials),
        })
    }
}

impl Directory<Principal> for LocalDirectory {
    fn verify<'a>(&'a self, authcid: &'a str, password: &'a [u8]) -> Asked<'a, Principal> {
        Box::pin(async move { self.ask(authcid, password).await.unwrap_or_else(Verdict::Unavailable) })
    }

    fn epoch(&self) -> i64 {
        self.router.version().0
    }
}

/// Names and passwords of other nodes, from this node's configuration. `R` is what a name may do here.
pub struct NodeDirectory<R> {
    nodes: HashMap<String, (R, Known)>,
    key: [u8; 32],
    hasher: Hasher,
}

/// How the password of a node is known.
enum Known {
    /// By a keyed hash of it, made when its file was read.
    Digest(Hash),
    /// By its Argon2id hash.
    Argon2(String),
}

impl<R: Copy> NodeDirectory<R> {
    /// Reads the passwords of these nodes.
    ///
    /// # Errors
    ///
    /// What is wrong with a password file, in words.
    pub fn new(credentials: &[Credential<R>], hasher: Hasher) -> Result<Self, String> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| error.to_string())?;
        let mut nodes = HashMap::new();
        for credential in credentials {
            let known = match (&credential.password_file, &credential.password_hash) {
                (Some(file), _) => {
                    let password: Secret<String> = file.read()?;
                    Known::Digest(blake3::keyed_hash(&key, password.expose().as_bytes()))
                }
                (None, Some(hash)) => Known::Argon2(hash.expose().to_owned()),
                (None, None) => return Err(format!("the credential {} has no password", credential.name)),
            };
            nodes.insert(credential.name.clone(), (credential.role, known));
        }
        Ok(Self { nodes, key, hasher })
    }

    /// Whether a node of this name is configured.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    async fn ask(&self, name: &str, password: &[u8]) -> Result<Option<R>, Outage> {
        let given = blake3::keyed_hash(&self.key, password);
        let right = match self.nodes.get(name) {
            Some((role, Known::Digest(known))) if bool::from(given.as_bytes().ct_eq(known.as_bytes())) => {
                Some(*role)
            }
            Some((role, Known::Argon2(stored))) => {
                (self.hasher.check(password, Some(stored)).await? == Match::Yes).then_some(*role)
            }
            // A wrong password costs what an unknown name costs.
            Some((_, Known::Digest(_))) | None => {
                self.hasher.check(password, None).await?;
                None
            }
        };
        Ok(right)
    }
}

/// Who may log in to a back-end: the nodes of its configuration, and its own accounts when it runs alone.
pub struct BackendDirectory {
    nodes: NodeDirectory<BackendPeer>,
    local: Option<LocalDirectory>,
}

impl BackendDirectory {
    /// Nodes, and local accounts if there are any. A name that is a node's is never looked up as a user's.
    #[must_use]
    pub fn new(nodes: NodeDirectory<BackendPeer>, local: Option<LocalDirectory>) -> Self {
        Self { nodes, local }
    }
}

impl Directory<Principal> for BackendDirectory {
    fn verify<'a>(&'a self, authcid: &'a str, password: &'a [u8]) -> Asked<'a, Principal> {
        use super::roles::{PeerName, ProxyName};
        Box::pin(async move {
            match &self.local {
                Some(local) if !self.nodes.knows(authcid) => local.verify(authcid, password).await,
                _ => match self.nodes.ask(authcid, password).await {
                    Ok(Some(role)) => Verdict::Accepted(match role {
                        BackendPeer::Proxy => Principal::Proxy(ProxyName::granted_to(authcid)),
                        BackendPeer::Peer => Principal::Peer(PeerName::granted_to(authcid)),
                        BackendPeer::Admin => Principal::Admin(AdminName::granted_to(authcid)),
                    }),
                    Ok(None) => Verdict::Rejected(Rejection::Credentials),
                    Err(outage) => Verdict::Unavailable(outage),
                },
            }
        })
    }

    fn epoch(&self) -> i64 {
        self.local.as_ref().map_or(0, Directory::epoch)
    }
}

/// Who logged in to a master, and what he may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterClient {
    /// The name; a back-end's is the server part of the locations that it may change.
    pub name: String,
    /// What it may do.
    pub role: MasterPeer,
}

impl Directory<MasterClient> for NodeDirectory<MasterPeer> {
    fn verify<'a>(&'a self, authcid: &'a str, password: &'a [u8]) -> Asked<'a, MasterClient> {
        Box::pin(async move {
            match self.ask(authcid, password).await {
                Ok(Some(role)) => Verdict::Accepted(MasterClient { name: authcid.to_owned(), role }),
                Ok(None) => Verdict::Rejected(Rejection::Credentials),
                Err(outage) => Verdict::Unavailable(outage),
            }
        })
    }
}
