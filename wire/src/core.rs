//! The half of a connection that no protocol changes: buffers, the TLS gate, one deadline, the end.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::{Error, Input, Outbox, PeerMisbehaved, TlsActive};

/// What each connection of each protocol is built on. A connection keeps one and passes the calls of
/// [`Connection`](crate::Connection) on to it.
#[derive(Debug, Default)]
pub struct Core {
    /// Bytes from the peer.
    pub input: Input,
    /// Bytes for the peer.
    pub out: Outbox,
    tls: Option<TlsActive>,
    now: Option<Instant>,
    timeout: Option<Duration>,
    timed_out: bool,
    restart: bool,
    closing: bool,
    failed: Option<Error>,
}

impl Core {
    /// Both buffers empty, no deadline, no TLS.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer to read into.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.input.buffer()
    }

    /// Bytes arrived at `now`: the deadline moves. What arrives after the end is dropped.
    pub fn received(&mut self, now: Instant) {
        self.touch(now);
        if self.closing {
            self.input.clear();
        }
    }

    /// The peer has said its last.
    pub fn receive_eof(&mut self) {
        self.input.end();
    }

    /// The next bytes for the peer.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.take()
    }

    /// Bytes that wait for the peer.
    #[must_use]
    pub fn transmit_bytes(&self) -> usize {
        self.out.bytes()
    }

    /// How long the peer may stay silent from the last sign of life on; `None` for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Notes the time without a sign of life of the peer: the start of a connection, or a reply just given.
    pub fn touch(&mut self, now: Instant) {
        self.now = Some(now);
        self.restart = false;
    }

    /// Counts the peer's silence anew, from the next time that is told: for calls that bring no time with them,
    /// such as a command sent or a reply given. Until then the deadline reads as passed already, so that the
    /// driver comes back at once with the time; that first call only starts the clock.
    pub fn restart_timeout(&mut self) {
        self.restart = self.now.is_some();
    }

    /// When the peer's silence has lasted too long.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closing || self.timed_out {
            return None;
        }
        let (now, timeout) = (self.now?, self.timeout?);
        if self.restart { Some(now) } else { now.checked_add(timeout) }
    }

    /// It is `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.restart {
            return self.touch(now);
        }
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.timed_out = true;
        }
    }

    /// True once the deadline has passed; the connection says its last word and calls [`close`](Self::close).
    #[must_use]
    pub fn has_timed_out(&self) -> bool {
        self.timed_out
    }

    /// Shuts the gate for a handshake (see [`Input::shut_gate`]).
    pub fn shut_gate(&mut self) -> Result<(), PeerMisbehaved> {
        self.input.shut_gate()
    }

    /// The handshake has ended at `now`. Bytes left over from before it fail the connection.
    pub fn tls_started(&mut self, now: Instant) {
        self.touch(now);
        match self.input.open_gate() {
            Ok(()) => self.tls = Some(TlsActive::established()),
            Err(e) => {
                self.fail(e);
            }
        }
    }

    /// Proof of TLS, if there is any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsActive> {
        self.tls
    }

    /// Nothing more is read; what waits to be sent may still go.
    pub fn close(&mut self) {
        self.closing = true;
        self.input.clear();
    }

    /// True after [`close`](Self::close) or [`fail`](Self::fail).
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Closes with an error, which every later poll reports again.
    pub fn fail(&mut self, error: impl Into<Error>) -> Error {
        let error = *self.failed.get_or_insert(error.into());
        self.close();
        error
    }

    /// The error that ended the connection.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_from_the_last_sign_of_life() {
        let start = Instant::now();
        let mut core = Core::new();
        core.set_timeout(Some(Duration::from_secs(10)));
        assert_eq!(core.poll_timeout(), None);
        core.touch(start);
        core.received(start + Duration::from_secs(5));
        assert_eq!(core.poll_timeout(), Some(start + Duration::from_secs(15)));
        core.handle_timeout(start + Duration::from_secs(14));
        assert!(!core.has_timed_out());
        core.handle_timeout(start + Duration::from_secs(15));
        assert!(core.has_timed_out());
    }

    #[test]
    fn silence_before_a_question_does_not_count_against_the_answer() {
        let start = Instant::now();
        let mut core = Core::new();
        core.set_timeout(Some(Duration::from_secs(10)));
        core.touch(start);
        core.restart_timeout();
        let asked = start + Duration::from_secs(3_600);
        assert!(core.poll_timeout().is_some_and(|at| at <= asked));
        core.handle_timeout(asked);
        assert!(!core.has_timed_out());
        assert_eq!(core.poll_timeout(), Some(asked + Duration::from_secs(10)));
        core.handle_timeout(asked + Duration::from_secs(10));
        assert!(core.has_timed_out());
    }

    #[test]
    fn t2_bytes_that_waited_for_the_handshake_fail_the_connection() {
        let now = Instant::now();
        let mut core = Core::new();
        assert_eq!(core.shut_gate(), Ok(()));
        core.buffer().extend_from_slice(b"NOOP\r\n");
        core.tls_started(now);
        assert_eq!(core.tls(), None);
        assert_eq!(core.failure(), Some(PeerMisbehaved::BytesBeforeTls.into()));
        assert!(core.is_closing());
    }

    #[test]
    fn after_the_end_nothing_is_kept() {
        let mut core = Core::new();
        core.close();
        core.buffer().extend_from_slice(b"more");
        core.received(Instant::now());
        assert!(core.input.is_empty());
    }
}
