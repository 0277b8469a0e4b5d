//! Tests of the whole crate, in one binary.

// `allow-unwrap-in-tests` sees functions with `#[test]` only, not their helpers.
#![allow(clippy::unwrap_used)]

mod append;
mod cluster;
mod conn_bounds;
mod conn_client;
mod conn_client_modes;
mod conn_modes;
mod conn_owner;
mod conn_pair;
mod conn_prop;
mod conn_quirks;
mod conn_safety;
mod conn_server;
mod encode_linear;
mod generate;
mod heap;
mod hostile;
mod round_trip;
mod streaming;
mod support;
mod transcripts;
