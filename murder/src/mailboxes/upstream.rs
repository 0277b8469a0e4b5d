//! A logged-in connection to the master, for those who follow it or register with it.
//!
//! The password is read for each connection, so a changed file needs no restart. Over the loopback interface the link
//! is in the clear; anywhere else STARTTLS is required and the master's certificate must carry the configured host
//! name (safety rows T4, A12).

use std::time::{Duration, Instant};

use mail_wire::sasl::{Authcid, Credentials};
use mail_wire::{ApiMisuse, Secret, TlsActive, TlsMode};
use mupdate_proto::client::{self, Event};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::config;
use crate::net::tls::Connector;
use crate::net::{Link, LinkError, Transport};

/// The pause after the first failure to reach the master.
const BACK_OFF_MIN: Duration = Duration::from_millis(200);
/// The longest pause: a master that comes back is noticed within this.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How long the master may be silent when it owes an answer. Cyrus's slaves expect one within 20 s.
const REPLY: Duration = Duration::from_secs(15);

/// How to reach the master.
#[derive(Debug, Clone)]
pub struct Upstream {
    config: config::Upstream,
    tls: Option<Connector>,
    connect_timeout: Duration,
}

/// Why there is no connection to the master.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody answers there.
    #[error("cannot connect: {0}")]
    Io(#[from] std::io::Error),
    /// It took longer than the limit, TLS and login included.
    #[error("cannot connect in time")]
    TimedOut,
    /// The configured name or password cannot be used.
    #[error("credentials: {0}")]
    Credentials(String),
    /// The master does not let us in.
    #[error("the master does not accept the login")]
    Rejected,
    /// The master is on another machine, and no CA is configured.
    #[error("the link to the master needs TLS, and no CA is configured")]
    NoAuthority,
    /// The link ended.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The master said goodbye.
    #[error("the master closed the connection")]
    Closed,
}

impl From<mail_wire::Error> for ConnectError {
    fn from(error: mail_wire::Error) -> Self {
        Self::Link(error.into())
    }
}

impl Upstream {
    /// How to reach the master of this configuration. Without `tls` it must be on this machine.
    #[must_use]
    pub fn new(config: config::Upstream, tls: Option<Connector>, connect_timeout: Duration) -> Self {
        Self { config, tls, connect_timeout }
    }

    /// The address, for logs.
    pub(super) fn address(&self) -> &config::HostPort {
        &self.config.address
    }

    /// Connects and logs in.
    pub(super) async fn connect(&self) -> Result<Link<client::Connection>, ConnectError> {
        let connected = tokio::time::timeout(self.connect_timeout, self.log_in()).await;
        connected.unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn log_in(&self) -> Result<Link<client::Connection>, ConnectError> {
        let address = &self.config.address;
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        let local = peer.ip().to_canonical().is_loopback();
        let mut settings = client::Config::new(if local { TlsMode::Never } else { TlsMode::Required });
        settings.timeouts.reply = REPLY;
        let connection = client::Connection::new(settings, Instant::now());
        let mut link = Link::new(Transport::Plain(stream), peer, connection);
        while let Some(event) = link.next().await? {
            match event {
                Event::StartTls => {
                    let connector = self.tls.as_ref().ok_or(ConnectError::NoAuthority)?;
                    link.connect_tls(connector, &address.host).await?;
                }
                Event::Greeting(_) => {
                    let claimed = local.then(TlsActive::danger_assume_protected);
                    let protected = link.conn().tls().or(claimed).ok_or(ConnectError::NoAuthority)?;
                    link.conn().login_plain(&self.credentials()?, protected)?;
                }
                Event::Authenticated => return Ok(link),
                Event::AuthenticationFailed { .. } => return Err(ConnectError::Rejected),
                // PLAIN has no challenge once the first message was sent.
                Event::Challenge(_) => link.conn().cancel()?,
                Event::Bye { .. } => return Err(ConnectError::Closed),
                _ => return Err(mail_wire::Error::from(ApiMisuse::WrongState("an answer to nothing")).into()),
            }
        }
        Err(ConnectError::Closed)
    }

    fn credentials(&self) -> Result<Credentials, ConnectError> {
        let authcid = Authcid::new(self.config.login.as_bytes())
            .map_err(|_| ConnectError::Credentials("the login cannot be used with SASL".to_owned()))?;
        let password = self.config.password_file.read().map_err(ConnectError::Credentials)?;
        let password = Secret::new(password.expose().as_bytes().to_vec());
        Ok(Credentials { authcid, authzid: None, password })
    }
}

/// Returns once the watched value is as wanted, without keeping it locked, as what `wait_for` gives does: within
/// `select!` that would be until the end of the branch. Its sender must live as long.
pub(super) async fn until<T>(watched: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) {
    let _ = watched.wait_for(wanted).await;
}

/// Pauses between attempts: each twice the last, up to [`BACK_OFF_MAX`].
#[derive(Debug)]
pub(super) struct BackOff(Duration);

impl BackOff {
    pub(super) fn new() -> Self {
        Self(BACK_OFF_MIN)
    }

    /// The attempt was a success.
    pub(super) fn reset(&mut self) {
        self.0 = BACK_OFF_MIN;
    }

    /// The pause before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = pause.saturating_mul(2).min(BACK_OFF_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_again_after_a_success() {
        let mut back_off = BackOff::new();
        let pauses: Vec<u128> = (0..7).map(|_| back_off.next().as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        back_off.reset();
        assert_eq!(back_off.next(), BACK_OFF_MIN);
    }
}
