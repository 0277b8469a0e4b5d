//! Integration tests: each room of the library through its public face.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod admin;
mod backend_delivery;
mod backend_imap_access;
mod backend_imap_mailboxes;
mod backend_imap_master;
mod backend_imap_messages;
mod backend_imap_search;
mod backend_imap_sessions;
mod backend_imap_support;
mod backend_support;
mod config;
mod frontend_imap;
mod frontend_imap_hostile;
mod frontend_imap_transcripts;
mod hub;
mod hub_support;
mod mailboxes;
mod master;
mod master_support;
mod murder_support;
mod routing;
mod tls;
