//! Handshakes: which names and protocols a server accepts, which versions, and how certificates are exchanged.

use std::io;
use std::path::Path;
use std::sync::Arc;

use murder::net::tls::{Acceptor, Connector};
use murder::net::{Link, Transport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// Writes `ca.pem`, `node.pem` and `node.key` for these names.
fn certificates(folder: &Path, names: &[&str]) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("node.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("node.key"), key.serialize_pem()).unwrap();
}

fn acceptor(folder: &Path) -> Acceptor {
    Acceptor::load(&folder.join("node.pem"), &folder.join("node.key")).unwrap()
}

/// Serves one handshake after the other, by the STARTTLS path of a link.
async fn serve(acceptor: Acceptor) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let conn = imap_proto::server::Connection::new(
                imap_proto::server::Config::default(),
                std::time::Instant::now(),
            );
            let mut link = Link::new(Transport::Plain(stream), peer, conn);
            // A failed handshake is the client's to see.
            if link.accept_tls(&acceptor).await.is_ok() {
                let _ = link.next().await;
            }
        }
    });
    address
}

/// A handshake by a client that trusts `ca.pem`, names this host, and offers these protocols.
async fn shake(folder: &Path, address: std::net::SocketAddr, name: &str, alpn: &[&str]) -> io::Result<()> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map(drop)
}

#[tokio::test]
async fn t7_a_client_that_wants_another_protocol_or_host_gets_no_handshake() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &["mail.example.test", "127.0.0.1"]);
    let any = serve(acceptor(folder.path())).await;
    let imap = serve(acceptor(folder.path()).speaking("imap")).await;
    for (address, name, alpn, accepted) in [
        (any, "mail.example.test", &[][..], true),
        (any, "127.0.0.1", &[], true),
        (any, "mail.example.test", &["imap"], true),
        (any, "mail.example.test", &["h2", "http/1.1"], false),
        (any, "www.example.test", &[], false),
        (imap, "mail.example.test", &[], true),
        (imap, "mail.example.test", &["imap"], true),
        (imap, "mail.example.test", &["http/1.1", "imap"], true),
        (imap, "mail.example.test", &["pop3"], false),
        (imap, "mail.example.test", &["http/1.1"], false),
    ] {
        let shaken = shake(folder.path(), address, name, alpn).await;
        assert_eq!(shaken.is_ok(), accepted, "{name} {alpn:?} {shaken:?}");
    }
}

#[tokio::test]
async fn t8_no_version_below_1_2_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &["mail.example.test"]);
    let address = serve(acceptor(folder.path())).await;
    // (minor version, first byte of the answer, its alert)
    for (minor, record, alert) in [(1, 0x15, Some(70)), (2, 0x15, Some(70)), (3, 0x16, None)] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&client_hello(minor)).await.unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[0], record, "3.{minor}: {answer:?}");
        if let Some(alert) = alert {
            assert_eq!(answer[5..], [2, alert], "3.{minor}: {answer:?}");
        }
    }
}

/// A ClientHello of version 3.`minor`, with one cipher suite and the extensions that TLS 1.2 wants.
fn client_hello(minor: u8) -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 29, // supported_groups: x25519
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms: ecdsa_secp256r1_sha256
        0, 23, 0, 0, // extended_master_secret
    ];
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session; ECDHE-ECDSA-AES128-GCM-SHA256; no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let handshake = [&[1, 0, 0, u8::try_from(hello.len()).unwrap()], hello.as_slice()].concat();
    [&[0x16, 3, 1, 0, u8::try_from(handshake.len()).unwrap()], handshake.as_slice()].concat()
}

#[tokio::test]
async fn a_reload_takes_new_certificates_and_keeps_the_old_ones_when_they_are_bad() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &["old.example.test"]);
    let acceptor = acceptor(folder.path());
    let address = serve(acceptor.speaking("imap")).await;
    shake(folder.path(), address, "old.example.test", &[]).await.unwrap();

    std::fs::write(folder.path().join("node.pem"), "nothing").unwrap();
    let error = acceptor.reload().unwrap_err().to_string();
    assert!(error.contains("node.pem") && error.contains("no certificate"), "{error}");
    shake(folder.path(), address, "old.example.test", &[]).await.unwrap();

    certificates(folder.path(), &["new.example.test"]);
    acceptor.reload().unwrap();
    shake(folder.path(), address, "new.example.test", &[]).await.unwrap();
    assert!(shake(folder.path(), address, "old.example.test", &[]).await.is_err());
    assert!(Connector::load(&folder.path().join("node.key")).is_err());
}
