//! The limits of a node: `[limits]`, `[accounts]`, `[queue]`. Every field has a default with a reason, a smallest and
//! a largest value, and its unit in the name. Zero is never "unlimited"; it is refused.

use std::time::Duration;

use serde::Deserialize;

use super::value::{seconds, within};

/// What one node grants its peers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once over all listeners. 10,000: an idle session costs tens of KiB.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub connections_max: u32,
    /// Connections at once from one address. 50: a household of mail clients, not a botnet member.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub connections_per_address_max: u32,
    /// Time to log in. 60 s: RFC 9051 lets a server close an unauthenticated connection early.
    #[serde(rename = "login_timeout_seconds", deserialize_with = "seconds::<_, 1, 3600>")]
    pub login_timeout: Duration,
    /// Time without a command. 1,800 s: the least that RFC 9051 section 5.4 asks of IMAP.
    #[serde(rename = "idle_timeout_seconds", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub idle_timeout: Duration,
    /// Time in which a peer takes none of what we send. 300 s.
    #[serde(rename = "output_stall_timeout_seconds", deserialize_with = "seconds::<_, 1, 3600>")]
    pub output_stall_timeout: Duration,
    /// Time to connect to another node, TLS and login included. 5 s: a user is waiting.
    #[serde(rename = "connect_timeout_seconds", deserialize_with = "seconds::<_, 1, 300>")]
    pub connect_timeout: Duration,
    /// Time that sessions get to end in order when the node stops. 10 s.
    #[serde(rename = "shutdown_grace_seconds", deserialize_with = "seconds::<_, 1, 600>")]
    pub shutdown_grace: Duration,
    /// The size of a message, in bytes. 25 MiB: what most of the net takes.
    #[serde(deserialize_with = "within::<_, _, 1024, 1_073_741_824>")]
    pub message_bytes_max: u64,
    /// Recipients of one SMTP or LMTP transaction. 1,000: RFC 5321 section 4.5.3.1.8 asks for at least 100.
    #[serde(deserialize_with = "within::<_, _, 1, 100_000>")]
    pub recipients_max: u32,
    /// `Received` fields before a message counts as looping. 100: RFC 5321 section 6.3.
    #[serde(deserialize_with = "within::<_, _, 10, 1000>")]
    pub hops_max: u32,
    /// Failed logins on one connection before it is closed. 3.
    #[serde(deserialize_with = "within::<_, _, 1, 100>")]
    pub auth_failures_max: u32,
    /// Bad commands on one connection before it is closed. 20.
    #[serde(deserialize_with = "within::<_, _, 1, 1000>")]
    pub bad_commands_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_address_max: 50,
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(1800),
            output_stall_timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(10),
            message_bytes_max: 25 * 1024 * 1024,
            recipients_max: 1000,
            hops_max: 100,
            auth_failures_max: 3,
            bad_commands_max: 20,
        }
    }
}

/// How passwords are hashed, verdicts remembered and guessing slowed down: `[accounts]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountLimits {
    /// Memory of one Argon2id hash, in KiB. 19,456: OWASP's first choice.
    #[serde(deserialize_with = "within::<_, _, 8, 262_144>")]
    pub argon2_memory_kib: u32,
    /// Passes over that memory. 2.
    #[serde(deserialize_with = "within::<_, _, 1, 64>")]
    pub argon2_iterations: u32,
    /// Hashes computed at once. 2: more only take memory and processors from the sessions.
    #[serde(deserialize_with = "within::<_, _, 1, 256>")]
    pub hashes_at_once_max: u32,
    /// How long an accepted password is remembered. 300 s: mail clients open many connections.
    #[serde(rename = "cache_seconds", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub cache_time: Duration,
    /// Accepted passwords remembered. 10,000, about 1 MiB.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub cache_entries_max: u32,
    /// Failures of one address and user that cost no delay. 3: people mistype.
    #[serde(deserialize_with = "within::<_, _, 1, 100>")]
    pub free_failures_max: u32,
    /// The first delay, doubled with each further failure. 2 s.
    #[serde(rename = "first_delay_seconds", deserialize_with = "seconds::<_, 1, 60>")]
    pub first_delay: Duration,
    /// The longest delay. 15 s: longer, and clients time out and connect again.
    #[serde(rename = "delay_seconds_max", deserialize_with = "seconds::<_, 1, 300>")]
    pub delay_max: Duration,
    /// Failures are forgotten after so long without another. 900 s.
    #[serde(rename = "failures_forgotten_seconds", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub failures_forgotten: Duration,
    /// Pairs of address and user whose failures are counted. 10,000, about 2 MiB.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub failing_pairs_max: u32,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            argon2_memory_kib: 19_456,
            argon2_iterations: 2,
            hashes_at_once_max: 2,
            cache_time: Duration::from_secs(300),
            cache_entries_max: 10_000,
            free_failures_max: 3,
            first_delay: Duration::from_secs(2),
            delay_max: Duration::from_secs(15),
            failures_forgotten: Duration::from_secs(900),
            failing_pairs_max: 10_000,
        }
    }
}

/// How the hub tries again: `[queue]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueLimits {
    /// The wait after the first failed attempt, doubled with each further one. 60 s: a back-end that restarts is
    /// back by then.
    #[serde(rename = "first_retry_seconds", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub first_retry: Duration,
    /// The longest wait. 4,000 s: about an hour, and out of step with cron.
    #[serde(rename = "retry_seconds_max", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub retry_max: Duration,
    /// How long a message is tried before it is returned. 5 days: RFC 5321 section 4.5.4.1 says 4 to 5.
    #[serde(rename = "lifetime_seconds", deserialize_with = "seconds::<_, 1, 2_592_000>")]
    pub lifetime: Duration,
    /// Messages in the queue; beyond it mail is refused for now (452). 1,000,000.
    #[serde(deserialize_with = "within::<_, _, 1, 100_000_000>")]
    pub messages_max: u64,
    /// Deliveries under way at once. 100.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub deliveries_at_once_max: u32,
    /// Deliveries under way at once to one destination. 10: a slow one must not hold all.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub deliveries_per_destination_max: u32,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_secs(60),
            retry_max: Duration::from_secs(4000),
            lifetime: Duration::from_secs(5 * 86_400),
            messages_max: 1_000_000,
            deliveries_at_once_max: 100,
            deliveries_per_destination_max: 10,
        }
    }
}
