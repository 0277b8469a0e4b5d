//! Sessions of both sides: transcripts, joined connections, a proxy, hostile peers, properties.

// clippy.toml lets tests unwrap; their helpers, outside of a #[test], are tests too.
#![allow(clippy::unwrap_used)]

mod client_rules;
mod extensions;
mod hostile;
mod pair;
mod roundtrip;
mod server_rules;
mod support;
mod transcripts;
