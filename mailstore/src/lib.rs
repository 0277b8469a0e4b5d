//! The sealed mailbox store: one append-only log, everything else its replay.
//!
//! * [`log`] is the log: opaque records, group commit, checkpoints, recovery. It knows nothing of mail.
//! * [`disk`] and [`clock`] are the only ways out of this crate: a private directory and the time of day.
//! * [`message`] reads the structure of a message from its raw bytes.
//! * [`store`] is the mailbox store on that log.
#![forbid(unsafe_code)]

pub mod clock;
pub mod disk;
pub mod log;
pub mod message;
pub mod store;
