//! IMAP: our grammar beside `imap-codec` 2.0.0-alpha.10 and the `imap-proto` 0.17 of others, same bytes, same run.
//!
//! Ours visits every field of what it has parsed, since its views read on demand; a peer has built all of it by the
//! time it returns and is only dropped. Both sides take turns within each round, so a busy machine slows both; the
//! table shows medians. Allocations are counted by the allocator, for one message of the corpus.
//!
//! `-- --check` makes a short pass and fails if a parse or an encode of ours allocates where it must not.

mod corpus;
mod encode;
mod parse;
mod visit;

use std::process::ExitCode;

use benches::{Bar, Bench, Peer, Work};

use crate::corpus::{Corpus, fetch_literals, fetch_metadata, listings};
use crate::encode::{encode_commands, encode_responses};
use crate::parse::{own_responses, parse_commands, parse_responses, parse_summary};

#[global_allocator]
static ALLOCATOR: benches::Counting = benches::Counting;

/// The names of the peers in the table.
pub(crate) const IMAP_CODEC: &str = "imap-codec";
pub(crate) const IMAP_PROTO: &str = "imap-proto 0.17";

pub(crate) fn measure(
    bench: &mut Bench,
    name: &'static str,
    corpus: &Corpus,
    bars: &[Bar],
    ours: &mut dyn FnMut(),
    peers: &mut [Peer<'_>],
) {
    let work = Work { name, bytes: corpus.bytes, messages: corpus.frames.len() };
    bench.row(work, bars, ours, peers);
}

fn main() -> ExitCode {
    let mut bench = Bench::from_args();
    let (metadata, literals, lists) = (fetch_metadata(), fetch_literals(), listings());
    parse_commands(&mut bench);
    parse_responses(&mut bench, "FETCH metadata: parse, all visited", &metadata);
    parse_summary(&mut bench, &metadata);
    own_responses(&mut bench, &metadata);
    parse_responses(&mut bench, "FETCH of 50 KB literals: parse", &literals);
    parse_responses(&mut bench, "LIST, LSUB, STATUS, SEARCH: parse", &lists);
    encode_commands(&mut bench);
    encode_responses(&mut bench, "FETCH metadata: encode", &metadata);
    bench.finish()
}
