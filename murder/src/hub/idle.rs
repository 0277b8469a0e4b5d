//! Connections to back-ends that wait for the next message: under load a login for each would cost more than the mail.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lmtp_proto::client::Connection;
use tokio::time::Instant;

use crate::net::Link;

/// How long a connection waits. 5 s: long enough between messages under load, short enough to be no burden.
const IDLE: Duration = Duration::from_secs(5);

/// Connections that wait for each back-end. 10, as many as deliver to one at once by default.
const IDLE_PER_SERVER_MAX: usize = 10;

/// The connections that wait, by the names of their servers, the latest last.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<HashMap<String, Vec<Waiting>>>);

#[derive(Debug)]
struct Waiting {
    until: Instant,
    link: Link<Connection>,
}

impl Idle {
    /// A connection that waits, if there is one. It may have died.
    pub(super) fn take(&self, server: &str) -> Option<Link<Connection>> {
        let now = Instant::now();
        let mut all = self.lock();
        let waiting = all.get_mut(server)?;
        let latest = waiting.pop().filter(|latest| latest.until > now);
        if latest.is_none() {
            // The others have waited longer still.
            all.remove(server);
        }
        latest.map(|latest| latest.link)
    }

    /// Lets a connection wait.
    pub(super) fn put(&self, server: &str, mut link: Link<Connection>) {
        if !link.conn().is_idle() {
            return;
        }
        let mut all = self.lock();
        let waiting = all.entry(server.to_owned()).or_default();
        if waiting.len() < IDLE_PER_SERVER_MAX {
            waiting.push(Waiting { until: Instant::now() + IDLE, link });
        }
    }

    /// Closes the connections that have waited long enough, as soon as there are any.
    pub(super) async fn stale(&self) {
        let first = self.lock().values().flatten().map(|waiting| waiting.until).min();
        match first {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
        let now = Instant::now();
        let stale: Vec<Waiting> = {
            let mut all = self.lock();
            let stale =
                all.values_mut().flat_map(|waiting| waiting.extract_if(.., |one| one.until <= now)).collect();
            all.retain(|_, waiting| !waiting.is_empty());
            stale
        };
        for Waiting { mut link, .. } in stale {
            let _ = link.conn().quit();
            // Not the scheduler's to wait for.
            tokio::spawn(async move { link.close().await });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
