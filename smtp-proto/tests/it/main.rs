//! The connections from outside: transcripts, hostile peers, and both sides joined in memory.
//!
//! Tests whose names begin with a letter and a number belong to that row of the safety catalogue.

mod auth;
mod chunking;
mod client;
mod extensions;
mod framing;
mod limits;
mod pair;
mod pipelining;
mod sequence;
mod soup;
mod support;
mod tls;
mod transcripts;
mod wording;
