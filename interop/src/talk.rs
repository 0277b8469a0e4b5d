//! A connection of ours on a blocking socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail_wire::Connection;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a peer may be silent before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection of ours that talks to a peer.
pub struct Talk<C> {
    conn: C,
    transport: Option<Transport>,
}

impl<C: Connection> Talk<C> {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn new(place: SocketAddr, conn: C) -> Self {
        let stream = TcpStream::connect(place).unwrap_or_else(|e| panic!("{place}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { conn, transport: Some(Transport::Plain(stream)) }
    }

    /// The connection, to be told what to do.
    pub fn conn(&mut self) -> &mut C {
        &mut self.conn
    }

    /// The next event; `None` once the peer has closed and all is said.
    ///
    /// # Panics
    /// When the connection fails, or the peer is silent for long.
    pub fn next_event(&mut self) -> Option<C::Event> {
        let mut eof = false;
        loop {
            let event = self.conn.poll_event().unwrap_or_else(|e| panic!("the connection failed: {e}"));
            self.flush();
            if event.is_some() || eof || self.conn.is_closing() {
                return event;
            }
            let mut piece = [0; 16 << 10];
            let read = match self.transport.as_mut().unwrap() {
                Transport::Plain(stream) => stream.read(&mut piece),
                Transport::Tls(stream) => stream.read(&mut piece),
            };
            match read {
                Ok(0) => {
                    self.conn.receive_eof();
                    eof = true;
                }
                Ok(bytes) => self.conn.receive(&piece[..bytes], Instant::now()),
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                    self.conn.receive_eof();
                    eof = true;
                }
                Err(e) => panic!("the peer said nothing: {e}"),
            }
        }
    }

    /// The first event that `test` finds something in.
    ///
    /// # Panics
    /// When the peer closes before.
    pub fn until<T>(&mut self, mut test: impl FnMut(C::Event) -> Option<T>) -> T {
        loop {
            let event = self.next_event().expect("the peer closed");
            if let Some(found) = test(event) {
                return found;
            }
        }
    }

    fn flush(&mut self) {
        while let Some(bytes) = self.conn.poll_transmit() {
            match self.transport.as_mut().unwrap() {
                Transport::Plain(stream) => stream.write_all(&bytes).unwrap(),
                Transport::Tls(stream) => stream.write_all(&bytes).unwrap(),
            }
        }
        if let Some(Transport::Tls(stream)) = &mut self.transport {
            stream.flush().unwrap();
        }
    }

    /// Does the handshake that the connection has asked for, trusting `authority` alone.
    ///
    /// # Panics
    /// When it fails.
    pub fn start_tls(&mut self, authority: &str) {
        self.flush();
        let Some(Transport::Plain(mut stream)) = self.transport.take() else { panic!("TLS over TLS") };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let mut tls =
            ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).unwrap_or_else(|e| panic!("handshake: {e}"));
        }
        self.transport = Some(Transport::Tls(Box::new(StreamOwned::new(tls, stream))));
        self.conn.tls_started(Instant::now());
    }
}
