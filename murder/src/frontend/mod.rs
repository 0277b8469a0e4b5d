//! A front-end: IMAP, POP3 and LMTP proxy, and mail hub.
//!
//! It holds no mail, only a replica of the mailbox list and the outbound queue. Logins are checked here; then it
//! connects as a proxy to the back-end that holds the user's INBOX.

pub mod delivery;
mod homes;
mod imap;
mod lmtp;
mod peers;
mod pop3;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailstore::clock::SystemClock;
use mailstore::disk::{Disk, FileDisk};

use crate::accounts::{Accounts, Doors, Hasher, LocalDirectory, Principal, ReservedNames};
use crate::admin::{self, AdminState};
use crate::config;
use crate::hub::{self, Hub, Queue};
use crate::mailboxes::{Replica, Upstream, rows};
use crate::net::tls::{Acceptor, Connector};
use crate::net::{Accepted, Admission, Shutdown};
use crate::node::{Reload, Running, StartError};
use crate::routing::Router;

pub use homes::{HomeError, Homes};
pub(crate) use lmtp::recipient_path;
pub use peers::{PeerError, Peers};

/// Services where TLS comes first.
const IMPLICIT_TLS: [&str; 3] = ["imaps", "pop3s", "submissions"];

/// The role; [`builder`](Self::builder) starts one.
#[derive(Debug)]
pub struct Frontend;

impl Frontend {
    /// A front-end of this configuration, not yet started.
    #[must_use]
    pub fn builder(config: config::Frontend) -> Builder {
        Builder { config, file: None }
    }
}

/// A front-end that has not started.
#[derive(Debug)]
pub struct Builder {
    config: config::Frontend,
    file: Option<PathBuf>,
}

/// What all sessions of a front-end share.
pub(crate) struct Shared {
    pub(crate) config: config::Frontend,
    pub(crate) hostname: String,
    pub(crate) router: Router,
    pub(crate) doors: Doors,
    pub(crate) replica: Replica,
    pub(crate) peers: Peers,
    pub(crate) homes: Homes,
    pub(crate) hub: Hub,
    pub(crate) acceptor: Option<Acceptor>,
}

impl Builder {
    /// Where the configuration came from: what a reload reads again.
    #[must_use]
    pub fn config_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Opens the replica and the queue, binds the ports, serves.
    pub async fn start(self) -> Result<Running, StartError> {
        let config = self.config;
        let mut running = Running::new(config.name.to_string());
        let hostname = config.hostname.as_ref().unwrap_or(&config.name).to_string();
        let (acceptor, connector) = tls(&config)?;
        let router = Router::open(&config.routing.database)
            .await
            .map_err(|e| StartError::new("open the routing database", e))?;
        let doors =
            Doors::new(accounts(&config, &router)?, ReservedNames::new(config.admins.iter().cloned()));
        let timeout = config.limits.connect_timeout;
        let peers = Peers::new(router.clone(), connector.clone(), &config.backends, &hostname, timeout)
            .map_err(|e| StartError::new("read the credentials", e))?;

        let disk = open_disk(&config.storage).await?;
        let replica_disk =
            disk.subdirectory("mailboxes").map_err(|e| StartError::new("open the replica", e))?;
        let upstream = Upstream::new(config.master.clone(), connector, timeout);
        let opened = tokio::task::spawn_blocking(move || Replica::open(&replica_disk, upstream)).await;
        let (replica, follower) = opened
            .map_err(|e| StartError::new("open the replica", e))?
            .map_err(|e| StartError::new("open the replica", e))?;
        running.spawn(follower.run(running.shutdown_signal()));
        let queue_disk = disk.subdirectory("queue").map_err(|e| StartError::new("open the queue", e))?;
        let messages_max = config.queue.messages_max;
        let opened = tokio::task::spawn_blocking(move || {
            Queue::open(&queue_disk, Arc::new(SystemClock), messages_max)
        });
        let (queue, arrivals) = opened
            .await
            .map_err(|e| StartError::new("open the queue", e))?
            .map_err(|e| StartError::new("open the queue", e))?;

        let homes = Homes::new(replica.clone(), router.clone(), peers.clone(), config.autocreate);
        let hub = Hub::new(queue);
        let shared =
            Arc::new(Shared { config, hostname, router, doors, replica, peers, homes, hub, acceptor });
        running.spawn(hub::deliver(Arc::clone(&shared), arrivals, running.shutdown_signal()));
        let limits = &shared.config.limits;
        let admission =
            Admission::new(limits.connections_max as usize, limits.connections_per_address_max as usize);
        let listen = &shared.config.listen;
        serve(&mut running, &shared, &admission, ("imap", &listen.imap), imap::serve).await?;
        serve(&mut running, &shared, &admission, ("imaps", &listen.imaps), imap::serve).await?;
        serve(&mut running, &shared, &admission, ("pop3", &listen.pop3), pop3::serve).await?;
        serve(&mut running, &shared, &admission, ("pop3s", &listen.pop3s), pop3::serve).await?;
        serve(&mut running, &shared, &admission, ("lmtp", &listen.lmtp), lmtp::serve).await?;
        serve(&mut running, &shared, &admission, ("smtp", &listen.smtp), hub::serve_mx).await?;
        let (submission, submissions) =
            (("submission", &listen.submission), ("submissions", &listen.submissions));
        serve(&mut running, &shared, &admission, submission, hub::serve_submission).await?;
        serve(&mut running, &shared, &admission, submissions, hub::serve_submission).await?;
        if let Some(admin) = &shared.config.admin {
            let state = State { shared: Arc::clone(&shared), admission: Arc::clone(&admission) };
            running.serve_admin(admin, Arc::new(state)).await?;
        }
        running.on_reload(reload(&shared, self.file));
        Ok(running)
    }
}

type Session<Task> = fn(Arc<Shared>, Accepted, Shutdown) -> Task;

/// Serves one service with sessions of this kind.
async fn serve<Task: Future<Output = ()> + Send + 'static>(
    running: &mut Running,
    shared: &Arc<Shared>,
    admission: &Arc<Admission>,
    service: (&'static str, &config::Listen),
    session: Session<Task>,
) -> Result<(), StartError> {
    let tls = if IMPLICIT_TLS.contains(&service.0) { shared.acceptor.clone() } else { None };
    let (shared, signal) = (Arc::clone(shared), running.shutdown_signal());
    let handler = move |accepted| session(Arc::clone(&shared), accepted, signal.clone());
    running.serve(service, tls, admission, handler).await
}

fn tls(config: &config::Frontend) -> Result<(Option<Acceptor>, Option<Connector>), StartError> {
    let Some(tls) = &config.tls else { return Ok((None, None)) };
    let failed = |e| StartError::new("read the certificates", e);
    let acceptor = Acceptor::load(&tls.cert, &tls.key).map_err(failed)?;
    let connector = tls.ca.as_deref().map(Connector::load).transpose().map_err(failed)?;
    Ok((Some(acceptor), connector))
}

fn accounts(config: &config::Frontend, router: &Router) -> Result<Accounts<Principal>, StartError> {
    let failed = |e: crate::accounts::Outage| StartError::new("open the accounts", e);
    let hasher = Hasher::new(&config.accounts).map_err(failed)?;
    let admins = ReservedNames::new(config.admins.iter().cloned());
    let directory = LocalDirectory::new(router.clone(), hasher, admins);
    Accounts::new(Box::new(directory), &config.accounts).map_err(failed)
}

async fn open_disk(folder: &Path) -> Result<Arc<dyn Disk>, StartError> {
    let (folder, doing) = (folder.to_owned(), format!("open {}", folder.display()));
    let opened = tokio::task::spawn_blocking(move || FileDisk::open(&folder)).await;
    let disk =
        opened.map_err(|e| StartError::new(doing.clone(), e))?.map_err(|e| StartError::new(doing, e))?;
    Ok(Arc::new(disk))
}

/// What SIGHUP does: certificates and limits of accounts are read again.
fn reload(shared: &Arc<Shared>, file: Option<PathBuf>) -> Reload {
    let shared = Arc::clone(shared);
    Box::new(move || {
        if let Some(acceptor) = &shared.acceptor {
            acceptor.reload()?;
        }
        if let Some(file) = &file
            && let config::Node::Frontend(config) = config::load(file)?
        {
            shared.doors.replace(accounts(&config, &shared.router)?);
        }
        Ok(())
    })
}

/// What a front-end tells by its admin HTTP.
struct State {
    shared: Arc<Shared>,
    admission: Arc<Admission>,
}

impl AdminState for State {
    fn health(&self) -> admin::Health {
        let mut troubles = Vec::new();
        // Without a master a front-end serves what it knows; one that knows nothing yet is not ready to serve.
        if !self.shared.replica.is_connected() && self.shared.replica.list().is_empty() {
            troubles.push("the mailbox list was never read from the master".to_owned());
        }
        if self.shared.replica.is_unsaved() {
            troubles.push("the mailbox list cannot be kept on disk".to_owned());
        }
        if self.shared.hub.is_broken() {
            troubles.push("the queue cannot be written; mail is refused until a restart".to_owned());
        }
        admin::Health { troubles }
    }

    fn status(&self) -> admin::Status {
        let replica = &self.shared.replica;
        let master = match replica.away_for() {
            None => "connected".to_owned(),
            Some(away) => format!("not reached since {} s", away.as_secs()),
        };
        admin::Status {
            role: "frontend".to_owned(),
            name: self.shared.config.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            facts: vec![
                ("connections".to_owned(), self.admission.connections().to_string()),
                ("master".to_owned(), master),
                ("mailboxes".to_owned(), replica.list().len().to_string()),
                ("queue".to_owned(), self.shared.hub.queue().len().to_string()),
                ("dead letters".to_owned(), self.shared.hub.queue().dead_letters().len().to_string()),
            ],
            tables: Vec::new(),
        }
    }

    fn queue(&self, part: &admin::Part) -> Option<Vec<admin::QueueEntry>> {
        Some(self.shared.hub.page(part))
    }

    fn flush_queue(&self) -> Option<usize> {
        self.shared.hub.flush();
        Some(self.shared.hub.queue().len())
    }

    fn mailboxes(&self, page: &admin::Part) -> Option<Vec<admin::MailboxEntry>> {
        Some(rows::page(self.shared.replica.list(), page))
    }
}
