//! The master: it holds the mailbox list and speaks MUPDATE (RFC 3656).
//!
//! Back-ends change the list, each at its own location only; front-ends, and slaves of Cyrus, follow it. A change is
//! answered when it is durable: the list is a state machine on [`mailstore::log`], and all changes that come in while
//! one flush runs share the next. The rules of who may change what are one pure function in `rules.rs`.
//!
//! An update stream is the whole list, in MUPDATE's order, and then each change at once; state and stream are taken
//! at one moment. NOOP on a stream is answered when every change acknowledged before it was sent. A slave that does
//! not keep up is cut off and starts over.
//!
//! Logins: SASL PLAIN, in the clear from this machine only, else behind STARTTLS. A back-end's name is the server part
//! of its locations. Nothing that a client sends ends more than its own connection.

mod admin;
mod feed;
mod machine;
mod rules;
mod session;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use mailstore::clock::{Clock, SystemClock};
use mailstore::disk::{Disk, FileDisk};
use mailstore::log::{Log, LogError};
use tracing::{error, info, warn};

use crate::accounts::{Accounts, Hasher, MasterClient, NodeDirectory};
use crate::admin::Server as AdminServer;
use crate::config::{self, AccountLimits, Limits};
use crate::mailboxes::{ENTRIES_MAX, log_options};
use crate::net::tls::Acceptor;
use crate::net::{Admission, Listener};
use crate::node::{Running, StartError};

pub use feed::CHANGES_WAITING_MAX;
pub use machine::RESERVATION;

use feed::Feed;
use machine::Machine;

/// A client that has logged in may be silent for this long at least (RFC 3656 section 2).
const IDLE_MIN: Duration = Duration::from_secs(900);

/// The role.
#[derive(Debug, Clone, Copy)]
pub struct Master;

impl Master {
    /// A master of this configuration.
    #[must_use]
    pub fn builder(config: config::Master) -> Builder {
        Builder { config, config_file: None, disk: None, clock: Arc::new(SystemClock) }
    }
}

/// A master that has not started.
pub struct Builder {
    config: config::Master,
    config_file: Option<PathBuf>,
    disk: Option<Arc<dyn Disk>>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What all sessions share.
struct Shared {
    name: String,
    feed: Arc<Feed>,
    log: Log<Machine>,
    accounts: ArcSwap<Accounts<MasterClient>>,
    limits: ArcSwap<Limits>,
    tls: Option<Acceptor>,
    admission: Arc<Admission>,
    log_failed: AtomicBool,
}

impl Shared {
    /// A change could not be written.
    fn failed(&self, error: LogError) {
        match error {
            LogError::QueueFull | LogError::DiskFull => warn!(%error, "cannot change the mailbox list"),
            _ => {
                // One line, not one for each change from now on.
                if !self.log_failed.swap(true, Ordering::Relaxed) {
                    error!(%error, "cannot write the mailbox list; it is read-only until the master starts again");
                }
            }
        }
    }
}

impl Builder {
    /// The file that the configuration came from, for [`Running::reload`] to read again.
    #[must_use]
    pub fn config_file(mut self, path: &Path) -> Self {
        self.config_file = Some(path.to_owned());
        self
    }

    /// Keeps the list on this disk, its own, instead of in the configured directory.
    #[must_use]
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// Takes the time of day, by which reservations expire, from this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts it: once this returns, it serves.
    ///
    /// # Errors
    ///
    /// What it was doing, and what went wrong.
    pub async fn start(self) -> Result<Running, StartError> {
        let config = self.config;
        let name = config.name.as_str().to_owned();
        let mut running = Running::new(name.clone());
        let tls = match &config.tls {
            Some(tls) => Some(
                Acceptor::load(&tls.cert, &tls.key)
                    .map_err(|error| StartError::new("read the certificate", error))?,
            ),
            None => None,
        };
        let hasher = Hasher::new(&AccountLimits::default())
            .map_err(|error| StartError::new("prepare the check of passwords", error))?;
        let accounts = accounts(&config, &hasher)?;
        let feed = Arc::new(Feed::new(CHANGES_WAITING_MAX));
        let log = open_log(&config.storage, self.disk, self.clock, Arc::clone(&feed)).await?;
        let limits = &config.limits;
        let admission =
            Admission::new(limits.connections_max as usize, limits.connections_per_address_max as usize);
        let shared = Arc::new(Shared {
            name,
            feed,
            log,
            accounts: ArcSwap::from_pointee(accounts),
            limits: ArcSwap::from_pointee(config.limits.clone()),
            tls,
            admission,
            log_failed: AtomicBool::new(false),
        });
        info!(node = %shared.name, mailboxes = shared.feed.list().len(), "mailbox list read");
        listen(&config, &shared, &mut running).await?;
        if let Some(admin) = &config.admin {
            serve_admin(admin, &shared, &mut running).await?;
        }
        if let Some(path) = self.config_file {
            running.on_reload(Box::new(move || reload(&path, &shared, &hasher)));
        }
        Ok(running)
    }
}

async fn open_log(
    storage: &Path,
    disk: Option<Arc<dyn Disk>>,
    clock: Arc<dyn Clock>,
    feed: Arc<Feed>,
) -> Result<Log<Machine>, StartError> {
    let doing = format!("open the mailbox list in {}", storage.display());
    let storage = storage.to_owned();
    // Replay takes as long as it takes; the runtime has other things to do.
    let opened = tokio::task::spawn_blocking(move || {
        let disk = match disk {
            Some(disk) => disk,
            None => Arc::new(FileDisk::open(&storage)?),
        };
        let (log, _) = Log::open(&disk, clock, log_options(), Machine::new(feed, ENTRIES_MAX))?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(log)
    });
    match opened.await {
        Ok(opened) => opened.map_err(|error| StartError::new(doing, error)),
        Err(error) => Err(StartError::new(doing, error)),
    }
}

async fn listen(
    config: &config::Master,
    shared: &Arc<Shared>,
    running: &mut Running,
) -> Result<(), StartError> {
    for address in &config.listen.mupdate.0 {
        let doing = || format!("listen on {address} for MUPDATE");
        let listener = Listener::bind("mupdate", &address.to_string(), None, Arc::clone(&shared.admission))
            .await
            .map_err(|error| StartError::new(doing(), error))?;
        running.listens("mupdate", listener.address().map_err(|error| StartError::new(doing(), error))?);
        let (shared, shutdown) = (Arc::clone(shared), running.shutdown_signal());
        let stop = shutdown.clone();
        running
            .spawn(listener.serve(shutdown, move |accepted| {
                session::serve(accepted, Arc::clone(&shared), stop.clone())
            }));
    }
    Ok(())
}

async fn serve_admin(
    admin: &config::Admin,
    shared: &Arc<Shared>,
    running: &mut Running,
) -> Result<(), StartError> {
    let token = admin.token_file.read().map_err(|error| StartError::new("read the admin token", error))?;
    let server = AdminServer::bind(&admin.listen, &token, Arc::new(admin::View(Arc::clone(shared))))
        .await
        .map_err(|error| StartError::new("listen for the admin HTTP", error))?;
    if let Some(address) = server.local_addr() {
        running.listens("admin", address);
    }
    let mut shutdown = running.shutdown_signal();
    running.spawn(async move {
        if let Err(error) = server.serve(async move { shutdown.requested().await }).await {
            error!(%error, "the admin HTTP has ended");
        }
    });
    Ok(())
}

fn accounts(config: &config::Master, hasher: &Hasher) -> Result<Accounts<MasterClient>, StartError> {
    let directory = NodeDirectory::new(&config.credential, hasher.clone())
        .map_err(|error| StartError::new("read the credentials", error))?;
    Accounts::new(Box::new(directory), &AccountLimits::default())
        .map_err(|error| StartError::new("prepare the check of passwords", error))
}

/// Certificates, credentials and limits. Connections keep what they began with.
fn reload(
    path: &Path,
    shared: &Shared,
    hasher: &Hasher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let config::Node::Master(config) = config::load(path)? else {
        return Err("this is not the file of a master".into());
    };
    let accounts = accounts(&config, hasher)?;
    if let Some(tls) = &shared.tls {
        tls.reload()?;
    }
    shared.accounts.store(Arc::new(accounts));
    shared.limits.store(Arc::new(config.limits.clone()));
    Ok(())
}
