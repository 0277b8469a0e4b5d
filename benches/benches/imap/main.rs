//! IMAP: our grammar beside `imap-codec` 2.0.0-alpha.10 and the `imap-proto` 0.17 of others, same bytes, same run.
//!
//! Ours visits every field of what it has parsed, since its views read on demand. Of FETCH replies the peers visit what
//! they have built as well; elsewhere it is only dropped. All sides take turns within each round, so a busy machine slows
//! all of them; the table shows medians. Allocations are counted by the allocator, for one message of the corpus.
//!
//! `-- --check` makes a short pass and fails if a bar that stands beside a row is missed.

mod built;
mod corpus;
mod encode;
mod framing;
mod parse;
mod visit;
mod visit_peers;

use std::process::ExitCode;

use benches::{Bar, Bench, Peer, Work};

use crate::corpus::{Corpus, esearches, fetch_literals, fetch_metadata, listings, searches, vanished};
use crate::encode::{Source, encode_commands, encode_responses, encode_set};
use crate::framing::{literals_streamed, search_in_segments};
use crate::parse::{ALL, SUMMARY, own_responses, parse_alone, parse_commands, parse_fetch, parse_responses};

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
    let (metadata, literals) = (fetch_metadata(), fetch_literals());
    let (lists, found, gone) = (listings(), searches(), vanished());
    parse_commands(&mut bench);
    parse_fetch(&mut bench, "FETCH metadata: parse, all visited", &metadata, 2.3, &ALL);
    parse_fetch(&mut bench, "FETCH metadata: parse, no structure visited", &metadata, 3.0, &SUMMARY);
    own_responses(&mut bench, &metadata);
    parse_responses(&mut bench, "FETCH of 50 KB literals: parse", &literals);
    parse_responses(&mut bench, "LIST, LSUB, STATUS: parse", &lists);
    parse_responses(&mut bench, "SEARCH of 1,499 ids: parse", &found);
    parse_responses(&mut bench, "VANISHED: parse", &gone);
    parse_alone(&mut bench, "ESEARCH: parse", &esearches());
    encode_commands(&mut bench, "commands: encode", Source::Built);
    encode_commands(&mut bench, "commands: encode what was parsed", Source::Parsed);
    encode_responses(&mut bench, "FETCH metadata: encode", &metadata, Source::Built);
    encode_responses(&mut bench, "FETCH metadata: encode what was parsed", &metadata, Source::Parsed);
    encode_responses(&mut bench, "LIST, LSUB, STATUS: encode", &lists, Source::Built);
    encode_responses(&mut bench, "SEARCH of 1,499 ids: encode", &found, Source::Built);
    encode_responses(&mut bench, "VANISHED: encode", &gone, Source::Built);
    encode_set(&mut bench, "sequence set of 1,000 ranges: encode", 1_000);
    encode_set(&mut bench, "sequence set of 100,000 ranges: encode", 100_000);
    search_in_segments(&mut bench);
    literals_streamed(&mut bench, &literals);
    bench.finish()
}
