//! Our clients against real servers: Postfix and its sink, Dovecot, Cyrus; and their clients against a murder.
//!
//! `./test` runs this where those are installed (a mount namespace of the tests' own) and nothing else is to be reached.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lmtp;
mod mail;
mod mupdate;
mod pop3;
mod smtp;
