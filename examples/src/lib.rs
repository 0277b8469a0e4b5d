//! What the programs share: how a node reads its command line, logs, and hears signals.

#![forbid(unsafe_code)]

pub mod imap;
pub mod node;
pub mod pop3;
pub mod smtp;
pub mod table;
