//! Accepted passwords, remembered for a while: mail clients log in on many connections at once, and again and again.
//!
//! Only acceptances are kept. The key is a keyed hash of name and password, with a key of this process alone, so that
//! neither is in memory longer than it must be and nothing here is of use elsewhere. Each [`super::Accounts`] has a
//! cache and a key of its own: two directories never share a verdict.

use std::{collections::HashMap, time::Duration, time::Instant};

use crate::config::AccountLimits;

/// The keyed hash of a name and a password.
pub(super) type Digest = [u8; 32];

pub(super) struct Cache<P> {
    key: [u8; 32],
    time: Duration,
    entries_max: usize,
    entries: HashMap<Digest, Entry<P>>,
}

struct Entry<P> {
    principal: P,
    epoch: i64,
    expires: Instant,
}

impl<P: Clone> Cache<P> {
    pub(super) fn new(key: [u8; 32], limits: &AccountLimits) -> Self {
        let entries_max = usize::try_from(limits.cache_entries_max).unwrap_or(usize::MAX);
        Self { key, time: limits.cache_time, entries_max, entries: HashMap::new() }
    }

    pub(super) fn digest(&self, name: &str, password: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(password);
        *hasher.finalize().as_bytes()
    }

    /// The principal that was accepted with this, unless that is too long ago or the directory changed since.
    pub(super) fn find(&self, digest: &Digest, epoch: i64, now: Instant) -> Option<P> {
        let entry = self.entries.get(digest)?;
        (entry.epoch == epoch && now < entry.expires).then(|| entry.principal.clone())
    }

    pub(super) fn keep(&mut self, digest: Digest, principal: P, epoch: i64, now: Instant) {
        if self.entries.len() >= self.entries_max {
            self.entries.retain(|_, entry| entry.epoch == epoch && now < entry.expires);
        }
        if self.entries.len() >= self.entries_max {
            // Each entry costs one hash to get back: cheaper than to keep them in order.
            self.entries.clear();
        }
        self.entries.insert(digest, Entry { principal, epoch, expires: now + self.time });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries_max: u32) -> Cache<u32> {
        let limits = AccountLimits { cache_entries_max: entries_max, ..AccountLimits::default() };
        Cache::new([7; 32], &limits)
    }

    #[test]
    fn a_verdict_is_good_for_its_time_and_its_epoch() {
        let mut cache = cache(10);
        let now = Instant::now();
        let digest = cache.digest("alice", b"secret");
        cache.keep(digest, 1, 5, now);
        assert_eq!(cache.find(&digest, 5, now + Duration::from_secs(299)), Some(1));
        assert_eq!(cache.find(&digest, 5, now + Duration::from_secs(300)), None);
        assert_eq!(cache.find(&digest, 6, now), None);
    }

    #[test]
    fn a10_name_and_password_do_not_run_into_each_other() {
        let cache = cache(10);
        assert_ne!(cache.digest("ab", b"c"), cache.digest("a", b"bc"));
    }

    #[test]
    fn the_cache_holds_its_maximum_and_not_one_more() {
        let mut cache = cache(3);
        let now = Instant::now();
        for n in 0..3 {
            cache.keep([n; 32], u32::from(n), 0, now);
        }
        assert_eq!(cache.entries.len(), 3);
        cache.keep([3; 32], 3, 0, now);
        assert!(cache.entries.len() <= 3);
        assert_eq!(cache.find(&[3; 32], 0, now), Some(3));
    }
}
