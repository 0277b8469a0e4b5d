//! Where a user's mail is, and making an INBOX for one who has none.
//!
//! Where a mailbox is, the mailbox list alone says. Where a new INBOX goes, the routing database decides; the
//! back-end there makes it and registers it with the master before it answers, and the front-end waits until its
//! replica has it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imap_proto::client::Event;
use imap_proto::{
    Code, Command, Condition, Create, ErrorCode, IString, MailboxName, Resource, Response, SetQuota,
};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::peers::{PeerError, Peers};
use crate::mailboxes::{Name, Namespace, Replica};
use crate::net::{Link, LinkError};
use crate::routing::{Login, Placement, RouteError, Router};

/// INBOXes made at once by one front-end. Each user falls into one of these places, so two logins of one user never
/// make an INBOX twice.
const PLACES: usize = 64;
/// How long to wait for the replica to see a change that the master has acknowledged.
const REFRESH: Duration = Duration::from_secs(5);

/// The pause before a back-end is asked again that refused to make an INBOX.
const RETRY: Duration = Duration::from_millis(200);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a user has no home.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is no INBOX, and none is made here (`autocreate`).
    #[error("the user has no INBOX")]
    None,
    /// The login cannot own a mailbox.
    #[error("the login cannot own a mailbox")]
    Login,
    /// The routing database cannot say where.
    #[error("routing: {0}")]
    Routing(#[from] RouteError),
    /// The back-end cannot be reached.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The connection to it failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It refused to make the INBOX, as it does while the master is away.
    #[error("the back-end does not make the INBOX")]
    Refused,
}

/// Finds homes. Clones share the same places.
#[derive(Debug, Clone)]
pub struct Homes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    replica: Replica,
    router: Router,
    peers: Peers,
    autocreate: bool,
    places: [Mutex<()>; PLACES],
    hasher: RandomState,
}

impl Inner {
    fn place_of(&self, login: &Login) -> &Mutex<()> {
        let [byte, ..] = self.hasher.hash_one(login).to_le_bytes();
        &self.places[usize::from(byte) % PLACES]
    }
}

impl Homes {
    /// Homes by this list, made where this database says.
    #[must_use]
    pub fn new(replica: Replica, router: Router, peers: Peers, autocreate: bool) -> Self {
        let places = std::array::from_fn(|_| Mutex::new(()));
        Self(Arc::new(Inner { replica, router, peers, autocreate, places, hasher: RandomState::new() }))
    }

    /// The server of a user's INBOX, if there is one.
    #[must_use]
    pub fn find(&self, login: &Login) -> Option<String> {
        let entry = self.0.replica.lookup(&Name::inbox(login.as_str()).ok()?)?;
        entry.is_active().then(|| entry.server().to_owned())
    }

    /// The server of a user's INBOX, which is made if there is none and this front-end makes them.
    ///
    /// # Errors
    ///
    /// [`HomeError`]; all but [`HomeError::None`] and [`HomeError::Login`] can be tried again.
    pub async fn ensure(&self, login: &Login) -> Result<String, HomeError> {
        if let Some(server) = self.find(login) {
            return Ok(server);
        }
        if !self.0.autocreate {
            return Err(HomeError::None);
        }
        let inbox = Name::inbox(login.as_str()).map_err(|_| HomeError::Login)?;
        let _turn = self.0.place_of(login).lock().await;
        // The list may be behind, and somebody may have been before us.
        let _ = self.0.replica.refresh(REFRESH).await;
        if let Some(server) = self.find(login) {
            return Ok(server);
        }
        let placement = self.0.router.place(login).await?;
        let server = placement.backend.to_string();
        let deadline = Instant::now() + REFRESH;
        loop {
            let mut link = self.0.peers.imap_as_peer(&server).await?;
            match make(&mut link, &inbox, &placement).await {
                Ok(()) => break,
                // A back-end that has just started may not have reached the master that we do reach.
                Err(HomeError::Refused) if self.0.replica.is_connected() && Instant::now() < deadline => {
                    tokio::time::sleep(RETRY).await;
                }
                Err(e) => return Err(e),
            }
        }
        info!(login = login.as_str(), server, "asked for an INBOX");
        self.appears(login).await;
        Ok(server)
    }
}

impl Homes {
    /// Waits until the replica shows a new INBOX. Somebody else may be making it at this moment: then it is there,
    /// reserved, and not yet active.
    async fn appears(&self, login: &Login) {
        let deadline = Instant::now() + REFRESH;
        loop {
            let refreshed = self.0.replica.refresh(REFRESH).await;
            if self.find(login).is_some() {
                return;
            }
            if refreshed.is_err() || Instant::now() > deadline {
                warn!(login = login.as_str(), "the mailbox list does not show a new INBOX yet");
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn make(
    link: &mut Link<imap_proto::client::Connection>,
    inbox: &Name,
    placement: &Placement,
) -> Result<(), HomeError> {
    // A peer names mailboxes by their absolute classic form.
    let classic = inbox.to_imap("", Namespace::Classic);
    let name = MailboxName::new(&classic).map_err(|_| HomeError::Login)?;
    if !succeeds(link, &Command::Create(Create::new(name))).await? {
        return Err(HomeError::Refused);
    }
    if let Some(kib) = placement.quota_kib {
        let limits = [imap_proto::ResourceLimit { resource: Resource::Storage, limit: kib }];
        let root = IString::new(&classic).map_err(|_| HomeError::Login)?;
        let set = SetQuota { root, limits: limits.as_slice().into() };
        if !succeeds(link, &Command::SetQuota(set)).await? {
            return Err(HomeError::Refused);
        }
    }
    let _ = link.conn().logout();
    Ok(())
}

/// Sends a command and waits for its end; that a mailbox is there already counts as success.
async fn succeeds(
    link: &mut Link<imap_proto::client::Connection>,
    command: &Command<'_>,
) -> Result<bool, HomeError> {
    let id = link.conn().command(command).map_err(LinkError::from)?;
    loop {
        match link.next().await? {
            Some(Event::Tagged(of, reply)) if of == id => {
                return Ok(match reply.view() {
                    Response::Tagged { status, .. } => {
                        status.condition == Condition::Ok
                            || matches!(status.code, Some(Code::Condition(ErrorCode::AlreadyExists)))
                    }
                    _ => false,
                });
            }
            Some(_) => {}
            None => return Err(HomeError::Refused),
        }
    }
}
