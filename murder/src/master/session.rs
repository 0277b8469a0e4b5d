//! One client of the master: a back-end, a front-end, or somebody who is nothing yet.

use std::sync::Arc;
use std::time::Instant;

use mail_wire::sasl::{Credentials, Mechanism, ServerExchange, Step};
use mail_wire::{Connection as _, Escaped, InvalidMessage, Secret, Text, Ticket};
use mailstore::log::CommitError;
use mupdate_proto::server::{self, AuthFailure, Event, StartTls};
use mupdate_proto::{Change, LocationPrefix, MailboxName, ServerName, Status};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::Shared;
use super::feed::{News, Told, wanted};
use super::machine::Request;
use crate::accounts::{MasterClient, Verdict, plaintext_login};
use crate::config::MasterPeer;
use crate::net::{Accepted, Link, LinkError, OUTPUT_HIGH_WATER_BYTES, Shutdown};

const DONE: Text = Text::constant("done");
const TOO_SLOW: Text = Text::constant("too many changes wait; connect again");
const STOPPING: Text = Text::constant("the server is stopping");

/// Why a session ended before its client wished.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Protocol(#[from] mail_wire::Error),
}

/// Serves a client to its end.
pub(super) async fn serve(accepted: Accepted, shared: Arc<Shared>, shutdown: Shutdown) {
    let peer = accepted.peer;
    let connection = match shared.connection(peer.ip()) {
        Ok(connection) => connection,
        Err(error) => return warn!(%error, "the name of this node cannot stand in a banner"),
    };
    let link = Link::new(accepted.transport, peer, connection);
    let mut session = Session { link, shared, client: None, exchange: None, stream: None };
    // The place among the connections is held to the end.
    let _permit = accepted.permit;
    if let Err(error) = session.run(shutdown).await {
        let client = session.client.as_ref().map_or("", |client| client.name.as_str());
        debug!(%peer, client, %error, "connection ended");
    }
}

struct Session {
    link: Link<server::Connection>,
    shared: Arc<Shared>,
    client: Option<MasterClient>,
    exchange: Option<ServerExchange>,
    stream: Option<Following>,
}

/// An update stream that flows.
struct Following {
    changes: mpsc::Receiver<Arc<Told>>,
    servers: Vec<ServerName>,
}

impl Session {
    async fn run(&mut self, mut shutdown: Shutdown) -> Result<(), SessionError> {
        self.link.conn().greet()?;
        loop {
            let stream = &mut self.stream;
            let told = async {
                match stream {
                    Some(stream) => stream.changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.link.next() => match event? {
                    Some(event) => self.take(event).await?,
                    None => return Ok(()),
                },
                told = told => match told {
                    Some(told) => self.push(&told).await?,
                    None => self.too_slow(),
                },
                () = shutdown.requested() => {
                    self.link.conn().bye(&STOPPING);
                    self.link.close().await;
                    return Ok(());
                }
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), SessionError> {
        match event {
            Event::StartTls => match &self.shared.tls {
                Some(acceptor) => {
                    let acceptor = acceptor.clone();
                    self.link.accept_tls(&acceptor).await?;
                }
                // It is offered only with a certificate.
                None => self.link.conn().bye(&STOPPING),
            },
            Event::Authenticate { ticket, initial, .. } => {
                let mut exchange = ServerExchange::new(Mechanism::Plain);
                let step = exchange.start(initial.as_ref().map(|message| message.expose().as_slice()));
                self.exchange = Some(exchange);
                self.step(ticket, step).await?;
            }
            Event::AuthResponse(ticket, message) => {
                let step = match &mut self.exchange {
                    Some(exchange) => exchange.respond(message.expose()),
                    None => Err(InvalidMessage::new("no exchange", 0)),
                };
                self.step(ticket, step).await?;
            }
            Event::AuthAborted => self.exchange = None,
            Event::Change(ticket, change) => self.change(ticket, change).await?,
            Event::Find(ticket, name) => self.find(ticket, &name)?,
            Event::List(ticket, prefix) => self.list(ticket, prefix.as_ref()).await?,
            Event::Update(ticket, servers) => self.update(ticket, servers).await?,
            Event::Noop(ticket) => self.barrier(ticket).await?,
            Event::Misuse(misuse) => warn!(?misuse, "a command was not answered"),
            _ => debug!("an event of a later version"),
        }
        Ok(())
    }

    async fn step(&mut self, ticket: Ticket, step: Result<Step, InvalidMessage>) -> Result<(), SessionError> {
        match step {
            Ok(Step::Challenge(challenge)) => self.link.conn().challenge(ticket, challenge)?,
            Ok(Step::Done(credentials)) => self.log_in(ticket, &credentials).await?,
            Err(_) => {
                self.exchange = None;
                self.link.conn().auth_failed(ticket, AuthFailure::Credentials)?;
            }
        }
        Ok(())
    }

    async fn log_in(&mut self, ticket: Ticket, credentials: &Credentials) -> Result<(), SessionError> {
        self.exchange = None;
        let peer = self.link.peer();
        let login = credentials.authcid.as_str();
        // Nobody acts for another here; Cyrus gives its own name twice (safety row A1).
        let for_another = credentials.authzid.as_ref().is_some_and(|authzid| authzid.as_str() != login);
        let password: &Secret<Vec<u8>> = &credentials.password;
        let accounts = self.shared.accounts.load_full();
        match accounts.verify(login, password, peer.ip()).await {
            Verdict::Accepted(client) if !for_another => {
                info!(%peer, client = %client.name, "logged in");
                self.client = Some(client);
                self.link.conn().auth_ok(ticket)?;
            }
            Verdict::Accepted(_) => {
                warn!(%peer, login = %Escaped::new(login), "login refused: may not act for another");
                self.link.conn().auth_failed(ticket, AuthFailure::Credentials)?;
            }
            Verdict::Rejected(reason) => {
                warn!(%peer, login = %Escaped::new(login), %reason, "login refused");
                self.link.conn().auth_failed(ticket, AuthFailure::Credentials)?;
            }
            Verdict::Unavailable(reason) => {
                warn!(%peer, login = %Escaped::new(login), %reason, "login not possible now");
                self.link.conn().auth_failed(ticket, AuthFailure::Temporary)?;
            }
        }
        Ok(())
    }

    async fn change(&mut self, ticket: Ticket, change: Change) -> Result<(), SessionError> {
        let Some(MasterClient { name: server, role: MasterPeer::Backend }) = &self.client else {
            let text = const { Text::constant("this login may only read") };
            self.link.conn().reply(ticket, Status::No, &text)?;
            return Ok(());
        };
        let name = change.name().clone();
        let request = Request { server: server.clone(), change };
        let (status, text) = match self.shared.log.submit(request).await {
            Ok(()) => (Status::Ok, DONE),
            Err(CommitError::Refused(refusal)) => {
                info!(%server, %name, ?refusal, "change refused");
                (Status::No, refusal.text())
            }
            Err(CommitError::Log(error)) => {
                self.shared.failed(error);
                (Status::No, const { Text::constant("the mailbox list cannot be changed now") })
            }
        };
        self.link.conn().reply(ticket, status, &text)?;
        Ok(())
    }

    fn find(&mut self, ticket: Ticket, name: &MailboxName) -> Result<(), SessionError> {
        if let Some(slot) = self.shared.feed.list().slot(name) {
            self.link.conn().entry(slot.wire())?;
        }
        self.link.conn().reply(ticket, Status::Ok, &const { Text::constant("Search completed") })?;
        Ok(())
    }

    async fn list(&mut self, ticket: Ticket, prefix: Option<&LocationPrefix>) -> Result<(), SessionError> {
        for slot in self.shared.feed.list().slots() {
            if prefix.is_none_or(|prefix| prefix.matches(&slot.wire().location)) {
                self.link.conn().entry(slot.wire())?;
                self.keep_moving().await?;
            }
        }
        self.link.conn().reply(ticket, Status::Ok, &const { Text::constant("List completed") })?;
        Ok(())
    }

    async fn update(&mut self, ticket: Ticket, servers: Vec<ServerName>) -> Result<(), SessionError> {
        let stream = self.shared.feed.follow();
        for slot in &stream.first {
            if wanted(slot, &servers) {
                self.link.conn().entry(slot.wire())?;
                self.keep_moving().await?;
            }
        }
        self.link.conn().reply(ticket, Status::Ok, &const { Text::constant("streaming starts") })?;
        self.stream = Some(Following { changes: stream.changes, servers });
        Ok(())
    }

    /// Everything that was acknowledged to anybody before now waits in the queue at the latest.
    async fn barrier(&mut self, ticket: Ticket) -> Result<(), SessionError> {
        while let Some(stream) = &mut self.stream {
            match stream.changes.try_recv() {
                Ok(told) => self.push(&told).await?,
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.too_slow();
                    return Ok(());
                }
            }
        }
        self.link.conn().reply(ticket, Status::Ok, &const { Text::constant("Noop done") })?;
        Ok(())
    }

    async fn push(&mut self, told: &Told) -> Result<(), SessionError> {
        let Some(stream) = &self.stream else { return Ok(()) };
        match told.news(&stream.servers) {
            News::Entry(slot) => self.link.conn().entry(slot.wire())?,
            News::Deleted(name) => self.link.conn().deleted(name)?,
            News::None => {}
        }
        self.keep_moving().await
    }

    /// What waits for the client stays short, however much it asked for.
    async fn keep_moving(&mut self) -> Result<(), SessionError> {
        if self.link.conn().transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
            self.link.flush().await?;
        }
        Ok(())
    }

    fn too_slow(&mut self) {
        let client = self.client.as_ref().map_or("", |client| client.name.as_str());
        warn!(peer = %self.link.peer(), client, "cutting off a slave that is too slow");
        self.stream = None;
        self.link.conn().bye(&TOO_SLOW);
    }
}

impl Shared {
    fn connection(&self, peer: std::net::IpAddr) -> Result<server::Connection, InvalidMessage> {
        let limits = self.limits.load();
        let mut config = server::Config::new(&self.name)?;
        config.start_tls = if self.tls.is_some() { StartTls::Offer } else { StartTls::Off };
        config.plaintext_login = plaintext_login(peer);
        config.limits.bad_commands_max = limits.bad_commands_max;
        config.limits.auth_failures_max = limits.auth_failures_max;
        config.timeouts.login = limits.login_timeout;
        config.timeouts.idle = limits.idle_timeout.max(super::IDLE_MIN);
        Ok(server::Connection::new(config, Instant::now()))
    }
}
