//! Integration tests of the store, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail, and helpers are tests, too"
)]

mod log_crash;
mod log_limits;
mod log_real_disk;
mod log_rot;
mod log_safety;
mod log_support;
mod message_limits;
mod message_properties;
mod message_structure;
mod store_crash;
mod store_mailboxes;
mod store_messages;
mod store_model;
mod store_safety;
mod store_support;
mod store_threads;
