//! A node that runs: what all three roles hand back once they have started.

use std::fmt;
use std::net::SocketAddr;

use std::sync::Arc;

use thiserror::Error;
use tokio::task::JoinSet;
use tracing::error;

use crate::admin::{self, AdminState};
use crate::config;
use crate::net::tls::Acceptor;
use crate::net::{Accepted, Admission, Listener, Shutdown, ShutdownTrigger};

/// Why a node did not start: what it was doing, and what went wrong.
#[derive(Debug, Error)]
#[error("{doing}: {cause}")]
pub struct StartError {
    doing: String,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl StartError {
    /// The failure of a step of starting. `doing` reads on from "cannot start": `listen on 127.0.0.1:143`.
    pub fn new(doing: impl Into<String>, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), cause: cause.into() }
    }
}

/// What a node does when it is told to read its certificates, credentials and limits again (SIGHUP).
pub type Reload = Box<dyn Fn() -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// A node that runs. Dropping it stops the node without waiting for it.
pub struct Running {
    name: String,
    addresses: Vec<(&'static str, SocketAddr)>,
    trigger: ShutdownTrigger,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
    reload: Option<Reload>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("name", &self.name)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// A node of this name without any task, for a role to fill while it starts.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let (trigger, shutdown) = ShutdownTrigger::new();
        Self {
            name: name.into(),
            addresses: Vec::new(),
            trigger,
            shutdown,
            tasks: JoinSet::new(),
            reload: None,
        }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a service listens: `imap`, `imaps`, `pop3`, `pop3s`, `smtp`, `submission`, `submissions`, `lmtp`,
    /// `mupdate`, `admin`. `None` when the node does not offer it.
    #[must_use]
    pub fn address(&self, service: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|(name, _)| *name == service).map(|(_, address)| *address)
    }

    /// Notes where a service listens.
    pub fn listens(&mut self, service: &'static str, address: SocketAddr) {
        self.addresses.push((service, address));
    }

    /// Adds a task, which must end soon after the word to stop.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// The word to stop, for a task to hear.
    #[must_use]
    pub fn shutdown_signal(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Binds a service at each of its addresses, none if it is off, and serves it.
    pub async fn serve<F, Task>(
        &mut self,
        (service, listen): (&'static str, &config::Listen),
        implicit_tls: Option<Acceptor>,
        admission: &Arc<Admission>,
        session: F,
    ) -> Result<(), StartError>
    where
        F: Fn(Accepted) -> Task + Clone + Send + 'static,
        Task: Future<Output = ()> + Send + 'static,
    {
        for address in &listen.0 {
            let tls = implicit_tls.as_ref().map(|acceptor| acceptor.speaking(protocol_of(service)));
            let bound = Listener::bind(service, &address.to_string(), tls, Arc::clone(admission)).await;
            let listener = bound.map_err(|e| StartError::new("bind", e))?;
            self.listens(service, listener.address().map_err(|e| StartError::new("bind", e))?);
            self.spawn(listener.serve(self.shutdown_signal(), session.clone()));
        }
        Ok(())
    }

    /// Serves the admin HTTP.
    pub async fn serve_admin(
        &mut self,
        admin: &config::Admin,
        state: Arc<dyn AdminState>,
    ) -> Result<(), StartError> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| StartError::new("serve the admin HTTP", e);
        let token = admin.token_file.read().map_err(|e| failed(e.into()))?;
        let server = admin::Server::bind(&admin.listen, &token, state).await.map_err(|e| failed(e.into()))?;
        if let Some(address) = server.local_addr() {
            self.listens("admin", address);
        }
        let mut signal = self.shutdown_signal();
        self.spawn(async move {
            if let Err(e) = server.serve(async move { signal.requested().await }).await {
                error!(error = %e, "the admin HTTP has ended");
            }
        });
        Ok(())
    }

    /// Sets what [`reload`](Self::reload) does.
    pub fn on_reload(&mut self, reload: Reload) {
        self.reload = Some(reload);
    }

    /// Reads certificates, credentials and limits again. On an error the old ones stay in force.
    pub fn reload(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.reload.as_ref().map_or(Ok(()), |reload| reload())
    }

    /// Gives the word to stop and waits until everything has.
    pub async fn shut_down(mut self) {
        self.trigger.shut_down();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The protocol of a service, as ALPN names it.
fn protocol_of(service: &'static str) -> &'static str {
    match service {
        "imaps" => "imap",
        "pop3s" => "pop3",
        "submission" | "submissions" => "smtp",
        other => other,
    }
}
