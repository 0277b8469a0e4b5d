//! Argon2id (RFC 9106): made and checked off the runtime's threads, a few at a time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc},
};
use mail_wire::Secret;
use tokio::sync::Semaphore;

use super::verdict::Outage;
use crate::config::AccountLimits;

/// A stored hash may ask for this much memory, in KiB, and no more: the database must not exhaust the node.
pub const STORED_MEMORY_KIB_MAX: u32 = 262_144;
/// A stored hash may ask for this many passes.
pub const STORED_ITERATIONS_MAX: u32 = 64;
/// A stored hash may ask for this many lanes.
pub const STORED_LANES_MAX: u32 = 16;

/// What a check of a password against a hash says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is the password.
    Yes,
    /// It is not.
    No,
}

/// Makes and checks hashes. Cloning shares the bound on how many run at once.
#[derive(Clone)]
pub struct Hasher {
    argon2: Argon2<'static>,
    at_once: Arc<Semaphore>,
    checks: Arc<AtomicU64>,
    /// The hash of a password that nobody has: what unknown names are checked against, at the same cost.
    dummy: Arc<str>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("checks", &self.checks()).finish_non_exhaustive()
    }
}

impl Hasher {
    /// A hasher of this cost; computes one hash.
    ///
    /// # Errors
    ///
    /// When the cost is not one that Argon2 knows, or the system gives no randomness.
    pub fn new(limits: &AccountLimits) -> Result<Self, Outage> {
        let params = Params::new(limits.argon2_memory_kib, limits.argon2_iterations, 1, None)
            .map_err(|_| Outage::Stored("no such Argon2 cost"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut nobody = [0; 32];
        getrandom::fill(&mut nobody).map_err(|_| Outage::Stored("no randomness"))?;
        let dummy = make(&argon2, &nobody)?.into();
        let at_once = usize::try_from(limits.hashes_at_once_max).unwrap_or(1).max(1);
        Ok(Self { argon2, at_once: Arc::new(Semaphore::new(at_once)), checks: Arc::default(), dummy })
    }

    /// The PHC string for a new password.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub async fn hash(&self, password: &[u8]) -> Result<String, Outage> {
        let argon2 = self.argon2.clone();
        let password = Secret::new(password.to_vec());
        self.run(move || make(&argon2, password.expose())).await?
    }

    /// Checks a password against a stored hash, whatever its cost within the limits above; against the dummy when
    /// there is none, which then says `No`.
    ///
    /// # Errors
    ///
    /// When the stored hash is not one, or asks for too much.
    pub async fn check(&self, password: &[u8], stored: Option<&str>) -> Result<Match, Outage> {
        let known = stored.is_some();
        let stored = stored.map_or_else(|| Arc::clone(&self.dummy), Arc::from);
        let argon2 = self.argon2.clone();
        let password = Secret::new(password.to_vec());
        self.checks.fetch_add(1, Ordering::Relaxed);
        let found = self.run(move || compare(&argon2, password.expose(), &stored)).await??;
        Ok(if known { found } else { Match::No })
    }

    /// How many checks there were, of stored hashes and of the dummy alike.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    /// Runs on a blocking thread. Who waits here is a connection, and those are bounded.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Outage> {
        // The permit goes with the work: when the caller is dropped meanwhile, the work still counts until it ends.
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| Outage::Busy)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .map_err(|_| Outage::Busy)
    }
}

fn make(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, Outage> {
    argon2
        .hash_password(password)
        .map(|hash| hash.to_string())
        .map_err(|_| Outage::Stored("cannot be hashed"))
}

fn compare(argon2: &Argon2<'_>, password: &[u8], stored: &str) -> Result<Match, Outage> {
    let hash = phc::PasswordHash::new(stored).map_err(|_| Outage::Stored("not a PHC string"))?;
    let params = Params::try_from(&hash).map_err(|_| Outage::Stored("not an Argon2 hash"))?;
    if params.m_cost() > STORED_MEMORY_KIB_MAX
        || params.t_cost() > STORED_ITERATIONS_MAX
        || params.p_cost() > STORED_LANES_MAX
    {
        return Err(Outage::Stored("the hash costs more than is allowed"));
    }
    match argon2.verify_password(password, &hash) {
        Ok(()) => Ok(Match::Yes),
        Err(password_hash::Error::PasswordInvalid) => Ok(Match::No),
        Err(_) => Err(Outage::Stored("not a hash of a known kind")),
    }
}
