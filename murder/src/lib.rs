//! The nodes of a mail murder: front-end, master and back-end, as libraries on Tokio.
//!
//! Each role is a type with a builder, so that a test or an embedder can run a whole topology in one process; the
//! binaries in `examples/` only read a configuration file and start one. `ARCHITECTURE.md` draws how they work
//! together.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod admin;
pub mod backend;
pub mod config;
pub mod frontend;
pub mod hub;
pub mod mailboxes;
pub mod master;
pub mod net;
pub mod node;
pub mod routing;
mod sasl;
pub mod trace;
mod unsupported;
