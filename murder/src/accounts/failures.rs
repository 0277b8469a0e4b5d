//! What guessing costs: failures are counted for each pair of network and user, and each further guess waits longer.
//!
//! Attempts of one pair go one after the other ([`Pair::gate`]), so that a thousand connections guess no faster than
//! one; a waiting attempt holds no thread. The table is bounded: when it is full of pairs that are in use, further
//! logins are put off as a temporary failure rather than let through uncounted.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::verdict::Outage;
use crate::config::AccountLimits;

/// Attempts of one pair that wait at once. 64: more connections than any one client opens.
pub const ATTEMPTS_WAITING_MAX: usize = 64;

/// Networks are told apart by this many bits of an IPv4 address.
pub const IPV4_PREFIX_BITS: u32 = 24;

/// Networks are told apart by this many bits of an IPv6 address: what one customer gets.
pub const IPV6_PREFIX_BITS: u32 = 64;

pub(super) struct Failures {
    limits: AccountLimits,
    pairs: Mutex<HashMap<Key, Arc<Pair>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    network: u128,
    name: String,
}

/// One network and user.
pub(super) struct Pair {
    /// Held by the attempt whose turn it is.
    pub(super) gate: tokio::sync::Mutex<()>,
    record: Mutex<Record>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
}

impl Failures {
    pub(super) fn new(limits: &AccountLimits) -> Self {
        Self { limits: limits.clone(), pairs: Mutex::default() }
    }

    /// The pair that an attempt belongs to.
    pub(super) fn enter(&self, peer: IpAddr, name: &str, now: Instant) -> Result<Arc<Pair>, Outage> {
        let key = Key { network: network(peer), name: name.to_owned() };
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = pairs.get(&key) {
            // One reference is the table's own.
            return if Arc::strong_count(pair) > ATTEMPTS_WAITING_MAX {
                Err(Outage::Busy)
            } else {
                Ok(Arc::clone(pair))
            };
        }
        let pairs_max = usize::try_from(self.limits.failing_pairs_max).unwrap_or(usize::MAX);
        if pairs.len() >= pairs_max {
            let forgotten = self.limits.failures_forgotten;
            pairs.retain(|_, pair| in_use(pair) || now.duration_since(pair.record().last) < forgotten);
        }
        if pairs.len() >= pairs_max {
            let idle = pairs.iter().filter(|(_, pair)| !in_use(pair));
            let stalest = idle.min_by_key(|(_, pair)| pair.record().last).map(|(key, _)| key.clone());
            pairs.remove(&stalest.ok_or(Outage::Busy)?);
        }
        let record = Mutex::new(Record { failures: 0, last: now });
        let pair = Arc::new(Pair { gate: tokio::sync::Mutex::new(()), record });
        pairs.insert(key, Arc::clone(&pair));
        Ok(pair)
    }

    /// How long the next attempt of this pair waits.
    pub(super) fn delay(&self, pair: &Pair, now: Instant) -> Duration {
        let record = pair.record();
        if now.duration_since(record.last) >= self.limits.failures_forgotten {
            return Duration::ZERO;
        }
        delay(&self.limits, record.failures)
    }

    /// Counts a failure.
    pub(super) fn failed(&self, pair: &Pair, now: Instant) {
        let mut record = pair.record.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = now.duration_since(record.last) >= self.limits.failures_forgotten;
        let before = if forgotten { 0 } else { record.failures };
        *record = Record { failures: before.saturating_add(1), last: now };
    }

    /// Forgets the failures: this was the user.
    pub(super) fn succeeded(&self, pair: &Pair) {
        pair.record.lock().unwrap_or_else(PoisonError::into_inner).failures = 0;
    }

    /// Takes one failure back: nobody could say whether it was one.
    pub(super) fn not_counted(&self, pair: &Pair) {
        let mut record = pair.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.failures = record.failures.saturating_sub(1);
    }

    /// Drops a pair that has nothing to remember, so that the table holds those who fail, not those who log in.
    pub(super) fn leave(&self, peer: IpAddr, name: &str, pair: Arc<Pair>) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key { network: network(peer), name: name.to_owned() };
        drop(pair);
        if pairs.get(&key).is_some_and(|pair| !in_use(pair) && pair.record().failures == 0) {
            pairs.remove(&key);
        }
    }
}

impl Pair {
    fn record(&self) -> Record {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_use(pair: &Arc<Pair>) -> bool {
    Arc::strong_count(pair) > 1
}

/// Nothing for the free failures, then the first delay, doubled with each further failure up to the longest.
fn delay(limits: &AccountLimits, failures: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(limits.free_failures_max) else {
        return Duration::ZERO;
    };
    let factor = 2_u32.saturating_pow(beyond);
    limits.first_delay.saturating_mul(factor).min(limits.delay_max)
}

fn network(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits() >> (32 - IPV4_PREFIX_BITS)),
        // The top bit keeps it from being an IPv4 network's number.
        IpAddr::V6(address) => (address.to_bits() >> (128 - IPV6_PREFIX_BITS)) | 1 << 127,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(pairs_max: u32) -> Failures {
        Failures::new(&AccountLimits { failing_pairs_max: pairs_max, ..AccountLimits::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a4_guesses_wait_longer_and_longer_up_to_a_bound() {
        let limits = AccountLimits::default();
        let waits: Vec<_> = (0..9).map(|failures| delay(&limits, failures).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 15, 15, 15]);
        assert_eq!(delay(&limits, u32::MAX).as_secs(), 15);
    }

    #[test]
    fn a4_failures_are_counted_by_network_and_user_and_forgotten_in_time() {
        let failures = failures(100);
        let start = Instant::now();
        let pair = failures.enter(ip("192.0.2.1"), "alice", start).unwrap();
        for _ in 0..3 {
            failures.failed(&pair, start);
        }
        let neighbour = failures.enter(ip("::ffff:192.0.2.200"), "alice", start).unwrap();
        assert_eq!(failures.delay(&neighbour, start).as_secs(), 2);
        let other = failures.enter(ip("192.0.3.1"), "alice", start).unwrap();
        assert_eq!(failures.delay(&other, start).as_secs(), 0);
        let later = start + Duration::from_secs(900);
        assert_eq!(failures.delay(&pair, later - Duration::from_secs(1)).as_secs(), 2);
        assert_eq!(failures.delay(&pair, later).as_secs(), 0);
        failures.failed(&pair, later);
        assert_eq!(pair.record().failures, 1);
        failures.succeeded(&pair);
        assert_eq!(pair.record().failures, 0);
    }

    #[test]
    fn a4_the_table_holds_its_maximum_and_forgets_the_stalest() {
        let failures = failures(2);
        let start = Instant::now();
        for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
            let now = start + Duration::from_secs(n as u64);
            let pair = failures.enter(ip("192.0.2.1"), name, now).unwrap();
            failures.failed(&pair, now);
            failures.leave(ip("192.0.2.1"), name, pair);
        }
        let pairs = failures.pairs.lock().unwrap();
        let mut names: Vec<_> = pairs.keys().map(|key| key.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["three", "two"]);
    }

    #[test]
    fn a4_a_table_full_of_pairs_in_use_puts_further_logins_off() {
        let failures = failures(1);
        let now = Instant::now();
        let held = failures.enter(ip("192.0.2.1"), "one", now).unwrap();
        assert_eq!(failures.enter(ip("192.0.2.1"), "two", now).err(), Some(Outage::Busy));
        failures.leave(ip("192.0.2.1"), "one", held);
        assert!(failures.enter(ip("192.0.2.1"), "two", now).is_ok());
    }

    #[test]
    fn a4_attempts_of_one_pair_wait_in_a_bounded_line() {
        let failures = failures(1);
        let now = Instant::now();
        let line: Vec<_> =
            (0..ATTEMPTS_WAITING_MAX).map(|_| failures.enter(ip("::1"), "one", now).unwrap()).collect();
        assert_eq!(line.len(), ATTEMPTS_WAITING_MAX);
        assert_eq!(failures.enter(ip("::1"), "one", now).err(), Some(Outage::Busy));
    }

    #[test]
    fn who_logs_in_without_failure_leaves_nothing_behind() {
        let failures = failures(10);
        let pair = failures.enter(ip("::1"), "one", Instant::now()).unwrap();
        failures.leave(ip("::1"), "one", pair);
        assert!(failures.pairs.lock().unwrap().is_empty());
    }
}
