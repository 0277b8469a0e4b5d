//! What the fuzz targets do with their bytes, as plain functions, so that a test of the stable toolchain can replay
//! what was found: `tests/` runs every input of `corpus/` through its target. A target panics when what it looks for
//! does not hold, and does nothing else.
//!
//! ```sh
//! cargo install cargo-fuzz
//! cargo run -p corbie-fuzz -- unpack imap_server                  # corpus/imap_server.txt -> target/fuzz/imap_server/
//! cargo +nightly fuzz run --features libfuzzer imap_server target/fuzz/imap_server -- -max_total_time=600
//! cargo run -p corbie-fuzz -- pack imap_server                    # what is new, minimised first, back again
//! ```
//!
//! An input is bytes that a peer could send, behind a few that choose how (documented at each target).

#![forbid(unsafe_code)]
// A target says what it found by panicking.
#![allow(clippy::unwrap_used)]

pub mod corpus;
pub mod imap;
pub mod mupdate;
pub mod pop3;
pub mod smtp;
mod story;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("imap_command", imap::command),
    ("imap_response", imap::response),
    ("imap_round_trip", imap::round_trip),
    ("imap_split", imap::split),
    ("imap_client", imap::client),
    ("imap_server", imap::server),
    ("smtp_round_trip", smtp::round_trip),
    ("smtp_client", smtp::client),
    ("smtp_server", smtp::server),
    ("lmtp_client", smtp::lmtp_client),
    ("lmtp_server", smtp::lmtp_server),
    ("pop3_round_trip", pop3::round_trip),
    ("pop3_client", pop3::client),
    ("pop3_server", pop3::server),
    ("mupdate_round_trip", mupdate::round_trip),
    ("mupdate_client", mupdate::client),
    ("mupdate_server", mupdate::server),
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
