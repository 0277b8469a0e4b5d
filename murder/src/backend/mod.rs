//! A back-end: IMAP, POP3 and LMTP servers over one store, registered with the master.
//!
//! Users do not log in here but through front-ends, which are proxies: they name the user that they act for. Other
//! nodes deliver mail and make mailboxes as peers. A back-end that runs alone (`standalone`) has no master and
//! accounts of its own; then users log in directly.
//!
//! Every call into the store carries the actor that the login made; what he may do is decided there.

mod auth;
mod changes;
mod imap;
mod lmtp;
mod places;
mod pop3;
mod register;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mailstore::store::{MailboxId, Options, Store};
use tracing::info;

use crate::accounts::Doors;
use crate::admin::{self, AdminState};
use crate::config;
use crate::net::tls::Acceptor;
use crate::net::{Accepted, Admission, Shutdown};
use crate::node::{Reload, Running, StartError};
use crate::routing::Router;

use changes::Changes;
use register::Register;

/// Services where TLS comes first.
const IMPLICIT_TLS: [&str; 2] = ["imaps", "pop3s"];

/// The role; [`builder`](Self::builder) starts one.
#[derive(Debug)]
pub struct Backend;

impl Backend {
    /// A back-end of this configuration, not yet started.
    #[must_use]
    pub fn builder(config: config::Backend) -> Builder {
        Builder { config, file: None }
    }
}

/// A back-end that has not started.
#[derive(Debug)]
pub struct Builder {
    config: config::Backend,
    file: Option<PathBuf>,
}

/// What all sessions of a back-end share.
pub(crate) struct Shared {
    pub(crate) config: config::Backend,
    pub(crate) hostname: String,
    pub(crate) store: Store,
    pub(crate) acceptor: Option<Acceptor>,
    changes: Changes,
    doors: Doors,
    drops: DropLocks,
}

impl Builder {
    /// Where the configuration came from: what a reload reads again.
    #[must_use]
    pub fn config_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Opens the store, binds the ports, serves.
    pub async fn start(self) -> Result<Running, StartError> {
        let config = self.config;
        let store = open_store(&config).await?;
        let acceptor = match &config.tls {
            Some(tls) => Some(
                Acceptor::load(&tls.cert, &tls.key)
                    .map_err(|e| StartError::new("read the certificate", e))?,
            ),
            None => None,
        };
        let router = match &config.routing {
            Some(routing) => Some(
                Router::open(&routing.database)
                    .await
                    .map_err(|e| StartError::new("open the routing database", e))?,
            ),
            None => None,
        };
        let doors = auth::doors(&config, router.as_ref())?;
        let hostname = config.hostname.as_ref().unwrap_or(&config.name).to_string();
        let (register, registration) = Register::open(&config, &store)?;
        let changes = Changes::new(store.clone(), register);
        let drops = DropLocks::default();
        let shared = Arc::new(Shared { config, hostname, store, acceptor, changes, doors, drops });

        let mut running = Running::new(shared.config.name.to_string());
        let limits = &shared.config.limits;
        let admission =
            Admission::new(limits.connections_max as usize, limits.connections_per_address_max as usize);
        if let Some(registration) = registration {
            running.spawn(registration.run(running.shutdown_signal()));
        }
        let listen = &shared.config.listen;
        serve(&mut running, &shared, &admission, ("imap", &listen.imap), imap::serve).await?;
        serve(&mut running, &shared, &admission, ("imaps", &listen.imaps), imap::serve).await?;
        serve(&mut running, &shared, &admission, ("pop3", &listen.pop3), pop3::serve).await?;
        serve(&mut running, &shared, &admission, ("pop3s", &listen.pop3s), pop3::serve).await?;
        serve(&mut running, &shared, &admission, ("lmtp", &listen.lmtp), lmtp::serve).await?;
        if let Some(admin) = &shared.config.admin {
            let state = State { shared: Arc::clone(&shared), admission: Arc::clone(&admission) };
            running.serve_admin(admin, Arc::new(state)).await?;
        }
        running.on_reload(reload(&shared, router, self.file));
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

async fn open_store(config: &config::Backend) -> Result<Store, StartError> {
    let folder = config.storage.clone();
    let options = Options {
        message_bytes_max: u32::try_from(config.limits.message_bytes_max).unwrap_or(u32::MAX),
        ..Options::default()
    };
    let doing = format!("open the store in {}", folder.display());
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, options)).await;
    let store =
        opened.map_err(|e| StartError::new(doing.clone(), e))?.map_err(|e| StartError::new(doing, e))?;
    info!(recovery = ?store.recovery(), "the store is open");
    Ok(store)
}

/// What a back-end tells by its admin HTTP.
struct State {
    shared: Arc<Shared>,
    admission: Arc<Admission>,
}

impl AdminState for State {
    fn health(&self) -> admin::Health {
        let mut troubles = Vec::new();
        if self.shared.changes.is_connected() == Some(false) {
            troubles.push("the master is not reached".to_owned());
        }
        admin::Health { troubles }
    }

    fn status(&self) -> admin::Status {
        let stats = self.shared.store.stats();
        admin::Status {
            role: "backend".to_owned(),
            name: self.shared.config.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            facts: vec![
                ("connections".to_owned(), self.admission.connections().to_string()),
                ("transactions since the start".to_owned(), stats.transactions.to_string()),
                ("flushes for them".to_owned(), stats.flushes.to_string()),
                ("bytes logged for them".to_owned(), stats.frame_bytes.to_string()),
            ],
            tables: Vec::new(),
        }
    }
}

/// Which maildrops are in use by POP3 (RFC 1939 4: one session at a time).
#[derive(Debug, Default)]
pub(crate) struct DropLocks(Arc<Mutex<HashSet<MailboxId>>>);

/// The exclusive use of a maildrop, until it is dropped.
#[derive(Debug)]
pub(crate) struct DropLock {
    locks: Arc<Mutex<HashSet<MailboxId>>>,
    mailbox: MailboxId,
}

impl DropLocks {
    /// Takes a maildrop, unless somebody has it.
    fn take(&self, mailbox: MailboxId) -> Option<DropLock> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(mailbox);
        taken.then(|| DropLock { locks: Arc::clone(&self.0), mailbox })
    }
}

impl Drop for DropLock {
    fn drop(&mut self) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.mailbox);
    }
}

/// What SIGHUP does: certificates and credentials are read again.
fn reload(shared: &Arc<Shared>, router: Option<Router>, file: Option<PathBuf>) -> Reload {
    let shared = Arc::clone(shared);
    Box::new(move || {
        if let Some(acceptor) = &shared.acceptor {
            acceptor.reload()?;
        }
        if let Some(file) = &file
            && let config::Node::Backend(config) = config::load(file)?
        {
            shared.doors.replace(auth::accounts(&config, router.as_ref())?);
        }
        Ok(())
    })
}
