//! Who is it: names and passwords, and what guessing costs.
//!
//! [`Accounts`] stands between the protocols and a [`Directory`], which alone knows passwords: the local table of the
//! routing database ([`LocalDirectory`], Argon2id) or the configured names of other nodes ([`NodeDirectory`]).
//!
//! - **One answer.** Unknown, wrong, disabled and not allowed are one text ([`REJECTED_TEXT`]) at one cost: an unknown
//!   name is checked against a hash that nobody has. A directory that cannot be asked is a temporary failure, never
//!   "wrong password".
//! - **Nothing empty.** An empty password, or one with NUL, is refused before anybody is asked (RFC 4513 section
//!   5.1.2).
//! - **Guessing waits.** Failures are counted by network and user; each further guess waits longer, and holds no
//!   thread while it does. Attempts of one pair go one by one, so ten connections of one client cost one hash.
//! - **Roles are types.** [`authorize`] decides for whom somebody acts (RFC 4422 section 3.4.1); a proxy never becomes
//!   an administrator.
//!
//! ```
//! use murder::{accounts::{Accounts, Hasher, LocalDirectory, ReservedNames, Verdict}, routing};
//! # use murder::config::{AccountLimits, DatabaseUrl};
//! # use mail_wire::Secret;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let url = DatabaseUrl::Sqlite(directory.path().join("routing.db"));
//! # let limits = AccountLimits { argon2_memory_kib: 8, argon2_iterations: 1, ..AccountLimits::default() };
//! let router = routing::Router::open(&url).await?;
//! let local = LocalDirectory::new(router, Hasher::new(&limits)?, ReservedNames::default());
//! let accounts = Accounts::new(Box::new(local), &limits)?;
//! let verdict = accounts.verify("alice", &Secret::new(b"guess".to_vec()), "192.0.2.1".parse()?).await;
//! assert!(matches!(verdict, Verdict::Rejected(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod cache;
mod directory;
mod doors;
mod failures;
mod hash;
mod roles;
mod verdict;

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use mail_wire::{
    Escaped, PlaintextLogin, Secret,
    sasl::{Credentials, NAME_BYTES_MAX},
};

pub use directory::{Asked, BackendDirectory, Directory, LocalDirectory, MasterClient, NodeDirectory};
pub use doors::{Doors, Entry};
pub use failures::{ATTEMPTS_WAITING_MAX, IPV4_PREFIX_BITS, IPV6_PREFIX_BITS};
pub use hash::{Hasher, Match, STORED_ITERATIONS_MAX, STORED_LANES_MAX, STORED_MEMORY_KIB_MAX};
pub use roles::{AdminName, Identity, PeerName, Principal, ProxyName, ReservedNames, authorize};
pub use verdict::{Outage, REJECTED_TEXT, Rejection, UNAVAILABLE_TEXT, Verdict};

use cache::Cache;
use failures::{Failures, Pair};

use crate::config::AccountLimits;

/// The longest password that is looked at. 1,024 bytes: longer is no password but an attempt to make us hash.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Whether a server takes passwords in the clear from this peer: only from this machine.
#[must_use]
pub fn plaintext_login(peer: IpAddr) -> PlaintextLogin {
    if peer.to_canonical().is_loopback() { PlaintextLogin::DangerAllow } else { PlaintextLogin::Refuse }
}

/// A directory behind a cache of acceptances and a table of failures. Share it with `Arc`.
pub struct Accounts<P> {
    directory: Box<dyn Directory<P>>,
    cache: Mutex<Cache<P>>,
    failures: Failures,
}

impl<P: Clone + Send> Accounts<P> {
    /// Puts a directory behind these limits.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn new(directory: Box<dyn Directory<P>>, limits: &AccountLimits) -> Result<Self, Outage> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| Outage::Stored("no randomness"))?;
        let cache = Mutex::new(Cache::new(key, limits));
        Ok(Self { directory, cache, failures: Failures::new(limits) })
    }

    /// Whether the name and password belong together. May take as long as the delay after many failures; dropping
    /// the future gives up the place in line. Counts the verdict and logs every refusal with its reason.
    pub async fn verify(&self, authcid: &str, password: &Secret<Vec<u8>>, peer: IpAddr) -> Verdict<P> {
        let verdict = self.judge(authcid, password.expose(), peer).await;
        let word = match &verdict {
            Verdict::Accepted(_) => "accepted",
            Verdict::Rejected(reason) => {
                tracing::info!(name = %Escaped::new(authcid), %peer, %reason, "login refused");
                "rejected"
            }
            Verdict::Unavailable(reason) => {
                tracing::warn!(name = %Escaped::new(authcid), %peer, %reason, "login put off");
                "unavailable"
            }
        };
        metrics::counter!("corbie_logins_total", "verdict" => word).increment(1);
        verdict
    }

    async fn judge(&self, authcid: &str, password: &[u8], peer: IpAddr) -> Verdict<P> {
        let well_formed = !password.is_empty()
            && password.len() <= PASSWORD_BYTES_MAX
            && !password.contains(&0)
            && !authcid.is_empty()
            && authcid.len() <= NAME_BYTES_MAX
            && !authcid.contains('\0');
        if !well_formed {
            return Verdict::Rejected(Rejection::Malformed);
        }
        if let Some(principal) = self.remembered(authcid, password) {
            return Verdict::Accepted(principal);
        }
        // Failures of `Alice` and `alice` count together. The cache takes names as they are: nodes' names have case.
        let name = authcid.to_lowercase();
        let pair = match self.failures.enter(peer, &name, Instant::now()) {
            Ok(pair) => pair,
            Err(outage) => return Verdict::Unavailable(outage),
        };
        let verdict = self.in_turn(&pair, authcid, password).await;
        self.failures.leave(peer, &name, pair);
        verdict
    }

    async fn in_turn(&self, pair: &Pair, authcid: &str, password: &[u8]) -> Verdict<P> {
        let _turn = pair.gate.lock().await;
        // Whoever was before us in the line may have been the same client with the same password.
        if let Some(principal) = self.remembered(authcid, password) {
            return Verdict::Accepted(principal);
        }
        let delay = self.failures.delay(pair, Instant::now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // Counted before the answer is known: a peer that hangs up at once has guessed all the same.
        self.failures.failed(pair, Instant::now());
        let epoch = self.directory.epoch();
        let verdict = self.directory.verify(authcid, password).await;
        match &verdict {
            Verdict::Accepted(principal) => {
                self.failures.succeeded(pair);
                let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
                let digest = cache.digest(authcid, password);
                cache.keep(digest, principal.clone(), epoch, Instant::now());
            }
            Verdict::Rejected(_) => {}
            Verdict::Unavailable(_) => self.failures.not_counted(pair),
        }
        verdict
    }

    fn remembered(&self, authcid: &str, password: &[u8]) -> Option<P> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = cache.digest(authcid, password);
        cache.find(&digest, self.directory.epoch(), Instant::now())
    }
}

impl Accounts<Principal> {
    /// Verifies credentials as SASL delivers them, and decides for whom the session acts.
    pub async fn log_in(
        &self,
        credentials: &Credentials,
        reserved: &ReservedNames,
        peer: IpAddr,
    ) -> Verdict<Identity> {
        match self.verify(credentials.authcid.as_str(), &credentials.password, peer).await {
            Verdict::Accepted(principal) => {
                let authzid = credentials.authzid.as_ref().map(|authzid| authzid.as_str());
                match authorize(principal, authzid, reserved) {
                    Ok(identity) => Verdict::Accepted(identity),
                    Err(reason) => {
                        let name = Escaped::new(credentials.authcid.as_str());
                        tracing::info!(%name, %peer, %reason, "login refused");
                        Verdict::Rejected(reason)
                    }
                }
            }
            Verdict::Rejected(rejection) => Verdict::Rejected(rejection),
            Verdict::Unavailable(outage) => Verdict::Unavailable(outage),
        }
    }
}

impl<P> std::fmt::Debug for Accounts<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}
