//! What the tests against real peers share: real servers with configurations of their own, and a driver that lets our
//! connections talk to them.

#![forbid(unsafe_code)]
// These are parts of tests: they fail by panicking.
#![allow(clippy::unwrap_used)]

pub mod cyrus;
pub mod daemon;
pub mod dovecot;
pub mod postfix;
pub mod talk;
