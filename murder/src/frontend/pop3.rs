//! POP3 proxy: the password is checked here, the maildrop is on the back-end of the user's INBOX.

use std::sync::Arc;
use std::time::Instant;

use mail_wire::sasl::Credentials;
use mail_wire::{Text, Ticket};
use pop3_proto::client;
use pop3_proto::relay::Relay;
use pop3_proto::server::{AuthFailure, Config, Connection, Event, StartTls};
use tracing::{debug, info, warn};

use super::Shared;
use crate::accounts::{Entry, Identity, plaintext_login};
use crate::net::{Accepted, Link, LinkError, Shutdown};
use crate::routing::Login;
use crate::sasl::{Exchange, Next, mechanism_names};

/// Serves one connection.
pub(super) async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown) {
    let peer = accepted.peer;
    let limits = &shared.config.limits;
    let mut config = Config { mechanisms: mechanism_names(), ..Config::default() };
    config.plaintext_login = plaintext_login(peer.ip());
    config.timeouts.login = limits.login_timeout;
    config.limits.bad_commands_max = limits.bad_commands_max;
    config.limits.auth_failures_max = limits.auth_failures_max;
    config.start_tls = if shared.acceptor.is_some() { StartTls::Offer } else { StartTls::Off };
    let link = Link::new(accepted.transport, peer, Connection::new(config, Instant::now()));
    let mut session = Session { shared, client: link, exchange: None, backend: None, relay: Relay::new() };
    if let Err(e) = session.run(&mut shutdown).await {
        debug!(protocol = "pop3", %peer, error = %e, "connection failed");
    }
}

struct Session {
    shared: Arc<Shared>,
    client: Link<Connection>,
    exchange: Option<Exchange>,
    backend: Option<Link<client::Connection>>,
    relay: Relay,
}

enum Said {
    Client(Option<Event>),
    Backend(Result<Option<client::Event>, LinkError>),
    Stop,
}

impl Session {
    async fn run(&mut self, shutdown: &mut Shutdown) -> Result<(), LinkError> {
        self.client.conn().greet(&Text::lossy("Corbie POP3 is ready"))?;
        loop {
            let said = self.listen(shutdown).await?;
            match said {
                Said::Stop => {
                    self.client.conn().refuse(&Text::lossy("Shutting down"));
                    self.client.close().await;
                    return Ok(());
                }
                Said::Client(None) => return Ok(()),
                Said::Client(Some(event)) => self.handle(event).await?,
                Said::Backend(Ok(Some(event))) => self.relay_back(event).await?,
                Said::Backend(Ok(None)) => self.lose("it closed the connection").await?,
                Said::Backend(Err(e)) => self.lose(&e.to_string()).await?,
            }
        }
    }

    /// Waits for whoever speaks next. While an answer is under way the back-end is read only as fast as the client
    /// takes it.
    async fn listen(&mut self, shutdown: &mut Shutdown) -> Result<Said, LinkError> {
        let Some(backend) = &mut self.backend else {
            return tokio::select! {
                event = self.client.next() => Ok(Said::Client(event?)),
                () = shutdown.requested() => Ok(Said::Stop),
            };
        };
        tokio::select! {
            event = self.client.next(), if !self.relay.is_busy() => Ok(Said::Client(event?)),
            event = backend.next() => Ok(Said::Backend(event)),
            () = shutdown.requested() => Ok(Said::Stop),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), LinkError> {
        match event {
            Event::StartTls => {
                if let Some(acceptor) = self.shared.acceptor.clone() {
                    self.client.accept_tls(&acceptor).await?;
                }
            }
            Event::Login(ticket, credentials) => self.log_in(ticket, &credentials).await?,
            Event::Authenticate { ticket, mechanism, initial } => {
                match Exchange::start(mechanism.as_str(), initial.as_ref()) {
                    Ok((exchange, next)) => self.go_on(ticket, exchange, next).await?,
                    Err(_) => self.client.conn().auth_failed(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::AuthResponse(ticket, message) => {
                let next = self.exchange.take().map(|mut exchange| (exchange.respond(&message), exchange));
                match next {
                    Some((Ok(next), exchange)) => self.go_on(ticket, exchange, next).await?,
                    _ => self.client.conn().auth_failed(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::AuthAborted => self.exchange = None,
            Event::Maildrop(ticket, command) => {
                if let Some(backend) = &mut self.backend {
                    self.relay.command(ticket, command, backend.conn())?;
                }
            }
            Event::Quit(ticket) => {
                if let Some(backend) = &mut self.backend {
                    self.relay.quit(ticket, backend.conn())?;
                }
            }
            Event::Misuse(e) => warn!(protocol = "pop3", error = %e, "a command was left without a reply"),
            _ => {}
        }
        Ok(())
    }

    async fn go_on(&mut self, ticket: Ticket, exchange: Exchange, next: Next) -> Result<(), LinkError> {
        match next {
            Next::Challenge(challenge) => {
                self.exchange = Some(exchange);
                Ok(self.client.conn().challenge(ticket, challenge)?)
            }
            Next::Check(credentials) => self.log_in(ticket, &credentials).await,
        }
    }

    async fn log_in(&mut self, ticket: Ticket, credentials: &Credentials) -> Result<(), LinkError> {
        let connected = match self.shared.doors.log_in(credentials, self.client.peer().ip(), "pop3").await {
            Entry::Granted(Identity::User { login, .. }) => self.connect(&login).await,
            Entry::Granted(_) | Entry::Rejected => Err(AuthFailure::Credentials),
            Entry::Unavailable => Err(AuthFailure::Temporary),
        };
        match connected {
            Ok(backend) => {
                self.backend = Some(backend);
                Ok(self.client.conn().auth_ok(ticket, &Text::lossy("Logged in"))?)
            }
            Err(why) => Ok(self.client.conn().auth_failed(ticket, why)?),
        }
    }

    async fn connect(&self, login: &Login) -> Result<Link<client::Connection>, AuthFailure> {
        let server = self.shared.homes.ensure(login).await.map_err(|e| {
            warn!(protocol = "pop3", login = login.as_str(), error = %e, "no home for a user");
            AuthFailure::Temporary
        })?;
        self.shared.peers.pop3_as_user(&server, login).await.map_err(|e| {
            warn!(protocol = "pop3", login = login.as_str(), error = %e, "no connection to a back-end");
            AuthFailure::Temporary
        })
    }

    async fn relay_back(&mut self, event: client::Event) -> Result<(), LinkError> {
        if let Some(other) = self.relay.event(event, self.client.conn())? {
            debug!(protocol = "pop3", event = ?std::mem::discriminant(&other), "the back-end said something unasked");
        }
        // Everything goes out before the back-end is read again: this is what bounds a client that does not read.
        self.client.flush().await
    }

    async fn lose(&mut self, why: &str) -> Result<(), LinkError> {
        if self.relay.is_busy() || !mail_wire::Connection::is_closing(self.client.conn()) {
            info!(protocol = "pop3", peer = %self.client.peer(), why, "the back-end is gone");
        }
        self.backend = None;
        self.relay.lost(self.client.conn())?;
        self.client.conn().refuse(&Text::lossy("The mail server is not available"));
        Ok(())
    }
}
