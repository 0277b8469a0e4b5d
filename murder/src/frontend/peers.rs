//! Connections to back-ends: found by name, under TLS, logged in.
//!
//! A front-end has two names at a back-end: as *proxy* it acts for users, as *peer* it makes mailboxes and delivers
//! mail. A location names a server; where that listens stands in the routing database, and a name that is not there
//! is a host with the standard ports. A password travels under TLS, or to a loopback address.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imap_proto::client as imap;
use imap_proto::{Condition, Response};
use lmtp_proto::client as lmtp;
use mail_wire::sasl::{Authcid, Authzid, Credentials};
use mail_wire::{Secret, TlsActive, TlsMode};
use pop3_proto::client as pop3;
use smtp_proto::Domain;
use thiserror::Error;
use tokio::net::TcpStream;

use crate::config::{BackendCredentials, HostPort};
use crate::net::tls::Connector;
use crate::net::{Link, LinkError, Transport};
use crate::routing::{self, Login, Router};

/// Ports of a server that the routing database does not know.
const IMAP_PORT: u16 = 143;
const POP3_PORT: u16 = 110;
const LMTP_PORT: u16 = 24;

/// Why there is no connection to a back-end.
#[derive(Debug, Error)]
pub enum PeerError {
    /// It does not answer, or not in time, or the routing database cannot be asked.
    #[error("{server} is not reached: {why}")]
    Unreachable {
        /// Its name.
        server: String,
        /// What happened.
        why: String,
    },
    /// It answers, and lets us not in.
    #[error("{server} does not let us in")]
    Refused {
        /// Its name.
        server: String,
    },
}

/// Makes connections to back-ends.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    router: Router,
    connector: Option<Connector>,
    proxy: NodePassword,
    peer: NodePassword,
    hostname: Domain,
    connect_timeout: Duration,
}

struct NodePassword {
    name: Authcid,
    password: Secret<Vec<u8>>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peers")
    }
}

/// A dialled server: the stream and what may be sent over it.
struct Dialled {
    stream: TcpStream,
    address: SocketAddr,
    host: String,
    start_tls: bool,
}

#[derive(Clone, Copy)]
enum Service {
    Imap,
    Pop3,
    Lmtp,
}

impl Peers {
    /// Connections with these credentials, to the servers of this database. The error says what is wrong with a
    /// password file or a name.
    pub fn new(
        router: Router,
        connector: Option<Connector>,
        credentials: &BackendCredentials,
        hostname: &str,
        connect_timeout: Duration,
    ) -> Result<Self, String> {
        let node = |name: &str, file: &crate::config::PasswordFile| {
            let name = Authcid::new(name.as_bytes()).map_err(|e| e.to_string())?;
            let password = file.read()?.expose().as_bytes().to_vec().into();
            Ok::<_, String>(NodePassword { name, password })
        };
        Ok(Self(Arc::new(Inner {
            router,
            connector,
            proxy: node(&credentials.proxy_login, &credentials.proxy_password_file)?,
            peer: node(&credentials.peer_login, &credentials.peer_password_file)?,
            hostname: Domain::new(hostname).map_err(|e| e.to_string())?,
            connect_timeout,
        })))
    }

    /// An IMAP connection that acts for a user.
    pub async fn imap_as_user(
        &self,
        server: &str,
        login: &Login,
    ) -> Result<Link<imap::Connection>, PeerError> {
        let credentials = self.for_user(server, login)?;
        self.in_time(server, self.imap(server, credentials)).await
    }

    /// An IMAP connection of this node itself.
    pub async fn imap_as_peer(&self, server: &str) -> Result<Link<imap::Connection>, PeerError> {
        self.in_time(server, self.imap(server, self.own())).await
    }

    /// A POP3 connection that acts for a user.
    pub async fn pop3_as_user(
        &self,
        server: &str,
        login: &Login,
    ) -> Result<Link<pop3::Connection>, PeerError> {
        let credentials = self.for_user(server, login)?;
        self.in_time(server, self.pop3(server, credentials)).await
    }

    /// An LMTP connection of this node itself, ready for a message.
    pub async fn lmtp(&self, server: &str) -> Result<Link<lmtp::Connection>, PeerError> {
        self.in_time(server, self.lmtp_session(server)).await
    }

    async fn imap(
        &self,
        server: &str,
        credentials: Credentials,
    ) -> Result<Link<imap::Connection>, PeerError> {
        let dialled = self.dial(server, Service::Imap).await?;
        let config = imap::Config { tls: dialled.tls_mode(), ..imap::Config::default() };
        let (mut link, host) = dialled.link(imap::Connection::new(config, Instant::now()));
        loop {
            match link.next().await.map_err(|e| broken(server, &e))? {
                Some(imap::Event::StartTls) => self.go_under_tls(server, &host, &mut link).await?,
                Some(imap::Event::Ready) => {
                    let proof = proof(server, link.conn().tls(), link.peer())?;
                    link.conn()
                        .authenticate_plain(&credentials, proof)
                        .map_err(|e| broken(server, &e.into()))?;
                }
                Some(imap::Event::Tagged(_, reply)) => {
                    return match reply.view() {
                        Response::Tagged { status, .. } if status.condition == Condition::Ok => Ok(link),
                        _ => Err(PeerError::Refused { server: server.to_owned() }),
                    };
                }
                Some(imap::Event::Bye(_) | imap::Event::Closed) | None => return Err(closed(server)),
                Some(_) => {}
            }
        }
    }

    async fn pop3(
        &self,
        server: &str,
        credentials: Credentials,
    ) -> Result<Link<pop3::Connection>, PeerError> {
        let dialled = self.dial(server, Service::Pop3).await?;
        let config = pop3::Config::new(dialled.tls_mode());
        let (mut link, host) = dialled.link(pop3::Connection::new(config, Instant::now()));
        loop {
            match link.next().await.map_err(|e| broken(server, &e))? {
                Some(pop3::Event::StartTls) => self.go_under_tls(server, &host, &mut link).await?,
                Some(pop3::Event::Greeting(_)) => {
                    let proof = proof(server, link.conn().tls(), link.peer())?;
                    link.conn().login_plain(&credentials, proof).map_err(|e| broken(server, &e.into()))?;
                }
                Some(pop3::Event::LoggedIn(_)) => return Ok(link),
                Some(pop3::Event::LoginFailed(reply))
                    if reply.code != Some(pop3_proto::ResponseCode::Auth) =>
                {
                    return Err(PeerError::Unreachable {
                        server: server.to_owned(),
                        why: reply.text.to_string(),
                    });
                }
                Some(pop3::Event::LoginFailed(_)) => {
                    return Err(PeerError::Refused { server: server.to_owned() });
                }
                Some(pop3::Event::Goodbye(_)) | None => return Err(closed(server)),
                Some(_) => {}
            }
        }
    }

    async fn lmtp_session(&self, server: &str) -> Result<Link<lmtp::Connection>, PeerError> {
        let dialled = self.dial(server, Service::Lmtp).await?;
        let mut config = lmtp::Config::new(self.0.hostname.clone());
        config.tls = dialled.tls_mode();
        let (mut link, host) = dialled.link(lmtp::Connection::new(config, Instant::now()));
        loop {
            match link.next().await.map_err(|e| broken(server, &e))? {
                Some(lmtp::Event::StartTls) => self.go_under_tls(server, &host, &mut link).await?,
                Some(lmtp::Event::Ready(_)) => {
                    let proof = proof(server, link.conn().tls(), link.peer())?;
                    link.conn().login(&self.own(), proof).map_err(|e| broken(server, &e.into()))?;
                }
                Some(lmtp::Event::LoggedIn(_)) => return Ok(link),
                Some(lmtp::Event::LoginFailed(_)) => {
                    return Err(PeerError::Refused { server: server.to_owned() });
                }
                Some(lmtp::Event::Closed(_)) | None => return Err(closed(server)),
                Some(_) => {}
            }
        }
    }

    async fn dial(&self, server: &str, service: Service) -> Result<Dialled, PeerError> {
        let unreachable = |why: String| PeerError::Unreachable { server: server.to_owned(), why };
        let row = self.0.router.backend(server).await.map_err(|e| unreachable(e.to_string()))?;
        let (place, start_tls) = match &row {
            Some(row) if row.state == routing::BackendState::Down => {
                return Err(unreachable("taken out by the administrator".to_owned()));
            }
            Some(row) => {
                (service.place(row).ok_or_else(|| unreachable("it does not offer that".to_owned()))?, row.tls)
            }
            None => (HostPort { host: server.to_owned(), port: service.port() }, routing::TlsMode::StartTls),
        };
        let stream = TcpStream::connect((place.host.as_str(), place.port))
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        let address = stream.peer_addr().map_err(|e| unreachable(e.to_string()))?;
        stream.set_nodelay(true).map_err(|e| unreachable(e.to_string()))?;
        let start_tls = start_tls == routing::TlsMode::StartTls;
        Ok(Dialled { stream, address, host: place.host, start_tls })
    }

    async fn go_under_tls<C: mail_wire::Connection>(
        &self,
        server: &str,
        host: &str,
        link: &mut Link<C>,
    ) -> Result<(), PeerError> {
        let why = || "no authority to check its certificate with".to_owned();
        let unreachable = |why| PeerError::Unreachable { server: server.to_owned(), why };
        let connector = self.0.connector.as_ref().ok_or_else(|| unreachable(why()))?;
        link.connect_tls(connector, host).await.map_err(|e| broken(server, &e))
    }

    fn own(&self) -> Credentials {
        let NodePassword { name, password } = &self.0.peer;
        Credentials { authcid: name.clone(), authzid: None, password: password.clone() }
    }

    fn for_user(&self, server: &str, login: &Login) -> Result<Credentials, PeerError> {
        let NodePassword { name, password } = &self.0.proxy;
        let authzid = Authzid::new(login.as_str().as_bytes())
            .map_err(|_| PeerError::Refused { server: server.to_owned() })?;
        Ok(Credentials { authcid: name.clone(), authzid: Some(authzid), password: password.clone() })
    }

    async fn in_time<T>(
        &self,
        server: &str,
        connecting: impl Future<Output = Result<T, PeerError>>,
    ) -> Result<T, PeerError> {
        match tokio::time::timeout(self.0.connect_timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => {
                Err(PeerError::Unreachable { server: server.to_owned(), why: "no answer in time".to_owned() })
            }
        }
    }
}

impl Service {
    fn place(self, row: &routing::Backend) -> Option<HostPort> {
        match self {
            Self::Imap => Some(row.imap.clone()),
            Self::Pop3 => row.pop3.clone(),
            Self::Lmtp => Some(row.lmtp.clone()),
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Imap => IMAP_PORT,
            Self::Pop3 => POP3_PORT,
            Self::Lmtp => LMTP_PORT,
        }
    }
}

impl Dialled {
    fn tls_mode(&self) -> TlsMode {
        if self.start_tls { TlsMode::Required } else { TlsMode::Never }
    }

    fn link<C: mail_wire::Connection>(self, connection: C) -> (Link<C>, String) {
        (Link::new(Transport::Plain(self.stream), self.address, connection), self.host)
    }
}

/// The right to send a password: TLS, or a server on this machine.
fn proof(server: &str, tls: Option<TlsActive>, address: SocketAddr) -> Result<TlsActive, PeerError> {
    match tls {
        Some(proof) => Ok(proof),
        None if address.ip().to_canonical().is_loopback() => Ok(TlsActive::danger_assume_protected()),
        None => Err(PeerError::Unreachable {
            server: server.to_owned(),
            why: "a password is not sent in the clear".to_owned(),
        }),
    }
}

fn broken(server: &str, error: &LinkError) -> PeerError {
    PeerError::Unreachable { server: server.to_owned(), why: error.to_string() }
}

fn closed(server: &str) -> PeerError {
    PeerError::Unreachable { server: server.to_owned(), why: "it closed the connection".to_owned() }
}
