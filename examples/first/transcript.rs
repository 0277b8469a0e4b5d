//! The network of the first reads: carries the bytes between two connections in memory and writes down what passes.
//!
//! In a program this is a socket on each side, and `murder::net::Link` is how that looks on Tokio. What it writes down
//! holds whatever was said, passwords too, so it is nothing for a log.

use std::fmt::Write as _;
use std::time::Instant;

use mail_wire::Connection;

/// What was said, line by line: `C:` by the client, `S:` by the server.
#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) text: String,
}

impl Transcript {
    /// Carries what each has to say to the other, once. False when both were silent.
    pub(crate) fn carry(
        &mut self,
        client: &mut impl Connection,
        server: &mut impl Connection,
        now: Instant,
    ) -> bool {
        let answered = self.pass("S", server, client, now);
        let asked = self.pass("C", client, server, now);
        answered || asked
    }

    /// Adds a line of the example's own.
    pub(crate) fn note(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.text, "   {line}");
    }

    fn pass(
        &mut self,
        who: &str,
        from: &mut impl Connection,
        to: &mut impl Connection,
        now: Instant,
    ) -> bool {
        let mut passed = Vec::new();
        while let Some(bytes) = from.poll_transmit() {
            passed.extend_from_slice(&bytes);
        }
        to.receive(&passed, now);
        for line in passed.split_inclusive(|byte| *byte == b'\n') {
            let _ = write!(self.text, "{who}: ");
            for &byte in line.strip_suffix(b"\r\n").unwrap_or(line) {
                // The bytes are a peer's: shown as they are, they could move the reader's cursor.
                match byte {
                    b' '..=b'~' => self.text.push(char::from(byte)),
                    _ => drop(write!(self.text, "\\x{byte:02x}")),
                }
            }
            self.text.push('\n');
        }
        !passed.is_empty()
    }
}
