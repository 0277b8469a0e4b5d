//! What every connection of every protocol looks like from outside, and the proof of an encrypted link.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::Error;

/// A sans-IO connection: bytes and time in, events and bytes out.
///
/// The trait is what a driver needs and no more; the typed calls (send this command, give this reply) are
/// inherent methods of each connection. The crate page states the contract: one mutation, then drain.
pub trait Connection {
    /// What the connection tells its owner.
    type Event;

    /// Takes bytes that the peer sent. They are copied once, into the input buffer.
    fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.buffer().extend_from_slice(bytes);
        self.received(now);
    }

    /// The input buffer, to read into without that copy. Append only; call [`received`](Self::received) after.
    ///
    /// Events may hold slices of this buffer: a long-lived slice keeps the whole read buffer alive.
    fn buffer(&mut self) -> &mut BytesMut;

    /// Says that bytes were appended to [`buffer`](Self::buffer) at the time `now`.
    fn received(&mut self, now: Instant);

    /// Says that the peer will send nothing more.
    fn receive_eof(&mut self);

    /// The next event. An `Err` ends the connection: what [`poll_transmit`](Self::poll_transmit) still holds
    /// (a last error reply) may be sent, then the transport is closed.
    fn poll_event(&mut self) -> Result<Option<Self::Event>, Error>;

    /// The next bytes for the peer.
    fn poll_transmit(&mut self) -> Option<Bytes>;

    /// Bytes that [`poll_transmit`](Self::poll_transmit) would give. A driver that sees this grow stops asking for
    /// events until the peer has read.
    fn transmit_bytes(&self) -> usize;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, if nothing happens before.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Says that it is `now`; a deadline that has passed takes effect.
    fn handle_timeout(&mut self, now: Instant);

    /// Says that the TLS handshake has ended well, either because this connection asked for it (STARTTLS) or
    /// because TLS came first. What was learned in the clear is forgotten.
    fn tls_started(&mut self, now: Instant);

    /// False when the driver should stop reading for a while: the connection is closing, or so much waits behind
    /// an unanswered command that more would only cost memory. It is asked again after the next event or reply.
    fn wants_input(&self) -> bool {
        !self.is_closing()
    }

    /// True when nothing more will be read; the transport is closed once the output is drained.
    fn is_closing(&self) -> bool;
}

/// The five methods of [`Connection`] that every connection with a `core: Core` passes on to it unchanged.
#[macro_export]
macro_rules! delegate_to_core {
    () => {
        fn buffer(&mut self) -> &mut ::bytes::BytesMut {
            self.core.buffer()
        }

        fn received(&mut self, now: ::std::time::Instant) {
            self.core.received(now);
        }

        fn receive_eof(&mut self) {
            self.core.receive_eof();
        }

        fn poll_transmit(&mut self) -> Option<::bytes::Bytes> {
            self.core.poll_transmit()
        }

        fn transmit_bytes(&self) -> usize {
            self.core.transmit_bytes()
        }
    };
}

/// Proof that the link is encrypted. Calls that carry a password ask for it.
///
/// Only a connection makes one, after [`Connection::tls_started`]; or the owner, by the name that says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsActive(());

impl TlsActive {
    /// For protocol crates: the handshake has been reported.
    #[must_use]
    pub fn established() -> Self {
        Self(())
    }

    /// Claims protection that TLS does not give: the peer is on this machine, or the owner accepts the risk.
    #[must_use]
    pub fn danger_assume_protected() -> Self {
        Self(())
    }
}

/// Whether a server takes passwords over an unencrypted link (safety row A12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlaintextLogin {
    /// Passwords only under TLS. The default.
    #[default]
    Refuse,
    /// Passwords in the clear too: for a peer on the loopback interface.
    DangerAllow,
}

/// Whether a server offers to go under TLS by STARTTLS (STLS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// It does, as long as the link is in the clear.
    Offer,
    /// It has no certificate.
    Off,
}

/// Whether a client goes under TLS by STARTTLS (STLS) before it does anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// It must; a server that does not offer it is given up (safety rows T4, T5). The default.
    #[default]
    Required,
    /// It does if the server offers it. Somebody on the way can take the offer out.
    Opportunistic,
    /// It does not: the link is under TLS already, or is a loopback.
    Never,
}
