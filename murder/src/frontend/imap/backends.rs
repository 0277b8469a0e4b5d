//! The back-end connections of one session.
//!
//! At most one of them holds the mailbox that the client has selected; the others are helpers for what lies
//! elsewhere. They are made when they are needed, kept for the next time, and at most [`BACKENDS_MAX`] of them.

use std::sync::Arc;
use std::time::Duration;

use imap_proto::client::{Connection, Event};
use tracing::{info, warn};

use super::names::Who;
use super::relay::Lost;
use crate::frontend::Shared;
use crate::frontend::peers::PeerError;
use crate::net::{Link, LinkError};

/// Connections of one session. 8: each costs a session at a back-end, and few users see mailboxes of more servers.
pub(super) const BACKENDS_MAX: usize = 8;
/// Events that an idle helper may have in store for us before it is given up.
const STORED_EVENTS_MAX: usize = 100;

/// A connection to a back-end, logged in.
#[derive(Debug)]
pub(super) struct Backend {
    /// The server's name in the mailbox list.
    pub(super) server: Box<str>,
    /// The connection.
    pub(super) link: Link<Connection>,
    /// It holds the client's selected mailbox: its untagged data is the client's.
    pub(super) is_selected: bool,
}

/// All of one session.
pub(super) struct Backends {
    shared: Arc<Shared>,
    who: Who,
    /// The one used last at the end.
    links: Vec<Backend>,
}

impl Backend {
    /// Connects and logs in on behalf of `who`.
    pub(super) async fn connect(shared: &Arc<Shared>, who: &Who, server: &str) -> Result<Self, PeerError> {
        // A list that names this node would have it talk to itself without end (safety row X8).
        if server == shared.config.name.to_string() || server == shared.hostname {
            return Err(PeerError::Unreachable {
                server: server.to_owned(),
                why: "a front-end holds no mailboxes".to_owned(),
            });
        }
        let link = match who {
            Who::User(login) => shared.peers.imap_as_user(server, login).await?,
            Who::Admin => shared.peers.imap_as_peer(server).await?,
        };
        Ok(Self { server: server.into(), link, is_selected: false })
    }

    /// Takes what a helper has said meanwhile, which nobody asked for. False if it is gone.
    async fn is_alive(&mut self) -> bool {
        for _ in 0..STORED_EVENTS_MAX {
            match tokio::time::timeout(Duration::ZERO, self.link.next()).await {
                Err(_) => return true,
                Ok(Ok(Some(Event::Bye(_) | Event::Closed) | None) | Err(_)) => return false,
                Ok(Ok(Some(_))) => {}
            }
        }
        false
    }
}

impl Backends {
    /// No connections yet, for the sessions of `who`.
    pub(super) fn new(shared: Arc<Shared>, who: Who) -> Self {
        Self { shared, who, links: Vec::new() }
    }

    /// A connection to this server: one that is there, or a new one. `None`, with a line in the log, if it cannot be
    /// had.
    pub(super) async fn open(&mut self, server: &str) -> Option<&mut Backend> {
        let mut kept = None;
        if let Some(at) = self.links.iter().position(|backend| &*backend.server == server) {
            let mut backend = self.links.remove(at);
            // The one with the selected mailbox is listened to all the time.
            if backend.is_selected || backend.is_alive().await {
                kept = Some(backend);
            }
        }
        let backend = match kept {
            Some(backend) => backend,
            None => match Backend::connect(&self.shared, &self.who, server).await {
                Ok(backend) => backend,
                Err(e) => {
                    warn!(protocol = "imap", error = %e, "no connection to a back-end");
                    return None;
                }
            },
        };
        self.insert(backend);
        self.links.last_mut()
    }

    /// The same, taken out: for use beside another one. It is to be put back by [`insert`](Self::insert).
    pub(super) async fn take(&mut self, server: &str) -> Option<Backend> {
        self.open(server).await?;
        self.links.pop()
    }

    /// Adds a connection. The helper that was not used for longest makes room.
    pub(super) fn insert(&mut self, backend: Backend) {
        make_room(&mut self.links, |backend| backend.is_selected);
        self.links.push(backend);
    }

    /// The one that holds the selected mailbox.
    pub(super) fn selected(&mut self) -> Option<&mut Backend> {
        self.links.iter_mut().find(|backend| backend.is_selected)
    }

    /// The connection to this server, if there is one.
    pub(super) fn get(&mut self, server: &str) -> Option<&mut Backend> {
        self.links.iter_mut().find(|backend| &*backend.server == server)
    }

    /// The server of the selected mailbox, unless it is gone.
    pub(super) fn selected_server(&self) -> Option<Box<str>> {
        self.links.iter().find(|backend| backend.is_selected).map(|backend| backend.server.clone())
    }

    /// What the one with the selected mailbox says next; waits for ever if there is none.
    pub(super) async fn next_of_selected(&mut self) -> Result<Option<Event>, LinkError> {
        match self.selected() {
            Some(backend) => backend.link.next().await,
            None => std::future::pending().await,
        }
    }

    /// Gives up the connection to this server.
    pub(super) fn lose(&mut self, server: &str, why: &Lost) {
        info!(protocol = "imap", server, %why, "a connection to a back-end is lost");
        self.links.retain(|backend| &*backend.server != server);
    }
}

/// Takes out the first one that can be spared if there is no room for another.
fn make_room<T>(links: &mut Vec<T>, is_needed: impl Fn(&T) -> bool) {
    if links.len() >= BACKENDS_MAX
        && let Some(at) = links.iter().position(|link| !is_needed(link))
    {
        links.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_at_most_8_connections_and_keeps_the_one_it_needs() {
        let mut links: Vec<usize> = (0..BACKENDS_MAX - 1).collect();
        make_room(&mut links, |link| *link == 0);
        assert_eq!(links.len(), BACKENDS_MAX - 1);
        links.push(BACKENDS_MAX - 1);
        make_room(&mut links, |link| *link == 0);
        assert_eq!(links, [0, 2, 3, 4, 5, 6, 7]);
    }
}
