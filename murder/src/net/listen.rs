//! Accepting and admitting connections.
//!
//! Who is let in is decided before anything is allocated for him: a cap on all connections of a node and one for
//! each address (safety rows R2, R5). A node out of descriptors backs off and goes on.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::tls::Acceptor;
use super::{Shutdown, Transport};

/// How long connections may take to say goodbye when a node stops.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after `accept` failed, so that a node without descriptors does not spin.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long a handshake under implicit TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Caps on connections, shared by all listeners of a node.
#[derive(Debug)]
pub struct Admission {
    connections_max: usize,
    connections_per_address_max: usize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    /// Caps for a node. Connections from loopback count towards the first only: peers and proxies sit there.
    #[must_use]
    pub fn new(connections_max: usize, connections_per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { connections_max, connections_per_address_max, present: Mutex::default() })
    }

    /// Lets a connection in, for as long as the permit lives.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if present.all >= self.connections_max {
            return None;
        }
        if !address.is_loopback() {
            let count = present.by_address.entry(address).or_default();
            if *count >= self.connections_per_address_max {
                return None;
            }
            *count += 1;
        }
        present.all += 1;
        Some(Permit { admission: Arc::clone(self), address })
    }

    /// Connections present.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

/// A place of a connection.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut present = self.admission.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.all -= 1;
        if let Some(count) = present.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                present.by_address.remove(&self.address);
            }
        }
    }
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Accepted {
    /// The stream, already under TLS on a port for implicit TLS.
    pub transport: Transport,
    /// Who connects.
    pub peer: SocketAddr,
    /// His place.
    pub permit: Permit,
}

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    name: &'static str,
    implicit_tls: Option<Acceptor>,
    admission: Arc<Admission>,
}

impl Listener {
    /// Binds `address`. `name` is what logs call the port; with `implicit_tls`, TLS comes first.
    pub async fn bind(
        name: &'static str,
        address: &str,
        implicit_tls: Option<Acceptor>,
        admission: Arc<Admission>,
    ) -> io::Result<Self> {
        let tcp = TcpListener::bind(address)
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {address} for {name}: {e}")))?;
        Ok(Self { tcp, name, implicit_tls, admission })
    }

    /// The address that was bound; of use when port 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until the word to stop; then gives connections some seconds to end.
    pub async fn serve<F, Task>(self, mut shutdown: Shutdown, handler: F)
    where
        F: Fn(Accepted) -> Task + Clone + Send + 'static,
        Task: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
                () = shutdown.requested() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, &handler, &mut tasks),
                Err(e) => {
                    warn!(port = self.name, error = %e, "cannot accept");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
        drop(self.tcp);
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_ended).await.is_err() {
            info!(port = self.name, "ending connections that did not end themselves");
        }
    }

    fn admit<F, Task>(&self, stream: TcpStream, peer: SocketAddr, handler: &F, tasks: &mut JoinSet<()>)
    where
        F: Fn(Accepted) -> Task + Clone + Send + 'static,
        Task: Future<Output = ()> + Send + 'static,
    {
        let Some(permit) = self.admission.admit(peer.ip()) else {
            warn!(port = self.name, %peer, "too many connections");
            return;
        };
        // A reply that waits for the acknowledgement of the one before costs 40 ms.
        if let Err(e) = stream.set_nodelay(true) {
            debug!(port = self.name, %peer, error = %e, "cannot set TCP_NODELAY");
        }
        let (handler, acceptor, name) = (handler.clone(), self.implicit_tls.clone(), self.name);
        tasks.spawn(async move {
            let transport = match acceptor {
                None => Transport::Plain(stream),
                Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => Transport::ServerTls(Box::new(stream)),
                    Ok(Err(e)) => return debug!(port = name, %peer, error = %e, "TLS handshake failed"),
                    Err(_) => return debug!(port = name, %peer, "TLS handshake timed out"),
                },
            };
            handler(Accepted { transport, peer, permit }).await;
        });
    }
}
