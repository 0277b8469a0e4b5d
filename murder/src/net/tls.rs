//! TLS through rustls with ring: 1.2 and 1.3, no knob below (safety row T8).
//!
//! Certificates are read from PEM files and can be read again while the node runs. A server name given to
//! [`Connector::connect`] must stand in the peer's certificate; there is no way to switch that off.
//!
//! A server is careful too, so that a browser cannot be sent to a mail port in place of a web server (safety row T7):
//! a client that names a host (SNI) which the certificate is not for gets no handshake, and neither does one that
//! names application protocols (ALPN) none of which is spoken on the port.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// The ALPN names of everything that a node may speak behind STARTTLS.
const PROTOCOLS: [&str; 5] = ["imap", "pop3", "smtp", "lmtp", "mupdate"];

/// Why a TLS configuration cannot be used: which file, and what is wrong with it.
#[derive(Debug, Error)]
#[error("{}: {what}", path.display())]
pub struct TlsError {
    path: PathBuf,
    what: String,
}

impl TlsError {
    fn new(path: &Path, what: impl std::fmt::Display) -> Self {
        Self { path: path.to_owned(), what: what.to_string() }
    }
}

/// The server's side: a certificate chain and its key, reloadable. Clones share them.
#[derive(Clone)]
pub struct Acceptor {
    identity: Arc<Identity>,
    config: Arc<ServerConfig>,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("certificate", &self.identity.certificate).finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Reads a PEM chain and a PEM key.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let certified = ArcSwap::from_pointee(certified_key(certificate, key)?);
        let identity =
            Arc::new(Identity { certificate: certificate.to_owned(), key: key.to_owned(), certified });
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError::new(certificate, e))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&identity) as _);
        config.alpn_protocols = PROTOCOLS.map(|name| name.as_bytes().to_vec()).to_vec();
        Ok(Self { identity, config: Arc::new(config) })
    }

    /// The same certificate for a port where TLS comes first and one protocol is spoken.
    #[must_use]
    pub fn speaking(&self, protocol: &str) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self { identity: Arc::clone(&self.identity), config: Arc::new(config) }
    }

    /// Reads the files again. New handshakes use them; if they are bad, the old ones stay in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        let certified = certified_key(&self.identity.certificate, &self.identity.key)?;
        self.identity.certified.store(Arc::new(certified));
        Ok(())
    }

    /// Shakes hands as the server.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await
    }
}

/// The certificate of a node, and where it came from.
#[derive(Debug)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    certified: ArcSwap<CertifiedKey>,
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certified = self.certified.load_full();
        let Some(asked) = hello.server_name() else { return Some(certified) };
        let own = ParsedCertificate::try_from(certified.cert.first()?).ok()?;
        let asked = ServerName::try_from(asked).ok()?;
        verify_server_name(&own, &asked).is_ok().then_some(certified)
    }
}

/// The client's side: the authorities that a server's certificate must come from.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Trusts the certificates of a PEM file and nothing else.
    pub fn load(authorities: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities)? {
            roots.add(certificate).map_err(|e| TlsError::new(authorities, e))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError::new(authorities, e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// Shakes hands as the client; `server_name` must stand in the server's certificate.
    pub async fn connect(
        &self,
        server_name: &str,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a server name"))?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

fn certified_key(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let text = fs::read(key).map_err(|e| TlsError::new(key, e))?;
    let private_key =
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::new(key, "no private key in PEM form"))?;
    CertifiedKey::from_der(chain, private_key, &ring::default_provider())
        .map_err(|e| TlsError::new(certificate, e))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(|e| TlsError::new(path, e))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| TlsError::new(path, "broken PEM"))?;
    if found.is_empty() { Err(TlsError::new(path, "no certificate in PEM form")) } else { Ok(found) }
}
