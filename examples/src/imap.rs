//! A small IMAP client over Tokio: what the programs need to look into mailboxes.
//!
//! It is also a fair example of how little stands between the sans-IO connection and a socket.

use std::net::SocketAddr;
use std::time::Instant;

use imap_proto::client::{Config, Connection, Event, Piece};
use imap_proto::{Command, Condition, Parsed, Response, kind};
use mail_wire::sasl::{Authcid, Credentials};
use mail_wire::{TlsActive, TlsMode};
use murder::net::tls::Connector;
use murder::net::{Link, Transport};
use tokio::net::TcpStream;

/// What went wrong, for a person to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A session that is logged in.
#[derive(Debug)]
pub struct Imap {
    link: Link<Connection>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    /// The untagged data, in order.
    pub untagged: Vec<Parsed<kind::Response>>,
    /// The large literals among it, in order.
    pub literals: Vec<Vec<u8>>,
    /// Whether the tagged reply was OK.
    pub ok: bool,
    /// What it said.
    pub text: String,
}

impl Outcome {
    /// The outcome, if it is OK; else an error with the server's words.
    pub fn success(self) -> Result<Self, Failure> {
        if self.ok { Ok(self) } else { Err(self.text.into()) }
    }
}

impl Imap {
    /// Connects and logs in; under TLS if there is a connector, else only to this machine.
    pub async fn connect(
        place: &str,
        tls: Option<(&Connector, &str)>,
        login: &str,
        password: &str,
    ) -> Result<Self, Failure> {
        let stream = TcpStream::connect(place).await.map_err(|e| format!("{place}: {e}"))?;
        let address: SocketAddr = stream.peer_addr()?;
        let mode = if tls.is_some() { TlsMode::Required } else { TlsMode::Never };
        let connection = Connection::new(Config { tls: mode, ..Config::default() }, Instant::now());
        let mut link = Link::new(Transport::Plain(stream), address, connection);
        let credentials = Credentials {
            authcid: Authcid::new(login.as_bytes())?,
            authzid: None,
            password: password.as_bytes().to_vec().into(),
        };
        loop {
            match link.next().await? {
                Some(Event::StartTls) => match tls {
                    Some((connector, name)) => link.connect_tls(connector, name).await?,
                    None => return Err("TLS was granted and not asked for".into()),
                },
                Some(Event::Ready) => {
                    let proof = match link.conn().tls() {
                        Some(proof) => proof,
                        None if address.ip().is_loopback() => TlsActive::danger_assume_protected(),
                        None => return Err("a password is not sent in the clear".into()),
                    };
                    link.conn().authenticate_plain(&credentials, proof)?;
                }
                Some(Event::Tagged(_, reply)) => {
                    let (ok, text) = status(&reply);
                    return if ok {
                        Ok(Self { link })
                    } else {
                        Err(format!("login as {login}: {text}").into())
                    };
                }
                Some(Event::Bye(reply)) => return Err(status(&reply).1.into()),
                Some(_) => {}
                None => return Err(format!("{place} closed the connection").into()),
            }
        }
    }

    /// Gives a command and collects what it brings.
    pub async fn run(&mut self, command: &Command<'_>) -> Result<Outcome, Failure> {
        let id = self.link.conn().command(command)?;
        let mut outcome =
            Outcome { untagged: Vec::new(), literals: Vec::new(), ok: false, text: String::new() };
        loop {
            match self.link.next().await? {
                Some(Event::Untagged(response) | Event::Streamed(response)) => {
                    outcome.untagged.push(response)
                }
                Some(Event::Piece(Piece::Head { .. })) => outcome.literals.push(Vec::new()),
                Some(Event::Piece(Piece::Chunk(_, bytes))) => {
                    if let Some(literal) = outcome.literals.last_mut() {
                        literal.extend_from_slice(&bytes);
                    }
                }
                Some(Event::Tagged(of, reply)) if of == id => {
                    (outcome.ok, outcome.text) = status(&reply);
                    return Ok(outcome);
                }
                Some(Event::Bye(reply)) => return Err(status(&reply).1.into()),
                Some(_) => {}
                None => return Err("the server closed the connection".into()),
            }
        }
    }

    /// Says goodbye.
    pub async fn logout(mut self) {
        if self.link.conn().logout().is_ok() {
            while let Ok(Some(_)) = self.link.next().await {}
        }
    }
}

fn status(reply: &Parsed<kind::Response>) -> (bool, String) {
    match reply.view() {
        Response::Tagged { status, .. } | Response::Status(status) => {
            let text = String::from_utf8_lossy(status.text.as_bytes()).into_owned();
            (status.condition == Condition::Ok, text)
        }
        _ => (false, String::new()),
    }
}
