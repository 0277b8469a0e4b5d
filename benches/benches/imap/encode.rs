//! Encoding, into a buffer that is reused: of values as a program builds them, and of views of what was parsed.

use std::hint::black_box;

use benches::{Bar, Bench, Peer};
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder as _;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{
    Command, Encode, Encoder, Literals, Parser, Response, SequenceRange, SequenceSet, Tag, TaggedCommand,
};

use crate::corpus::{Corpus, commands};
use crate::{IMAP_CODEC, built, measure};

/// Where the values come from that are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The program has built them.
    Built,
    /// They are views of frames and tapes, which are read meanwhile.
    Parsed,
}

fn pass(values: &[impl Encode], literals: Literals, out: &mut Vec<u8>) {
    out.clear();
    for value in values {
        black_box(value.encode(&mut Encoder::new(out, literals)).ok());
    }
}

/// The bars: nothing is allocated, and values of the program's own leave so many times faster than the peer's.
fn bars(source: Source, ratio: f64) -> Vec<Bar> {
    let mut bars = vec![Bar::Allocations(0.0)];
    if source == Source::Built {
        bars.push(Bar::Ratio(ratio));
    }
    bars
}

pub(crate) fn encode_commands(bench: &mut Bench, name: &'static str, source: Source) {
    let corpus = commands();
    let mut parsers: Vec<Parser> = corpus.frames.iter().map(|_| Parser::new()).collect();
    let mut values: Vec<TaggedCommand<'_>> = parsers
        .iter_mut()
        .zip(&corpus.frames)
        .map(|(parser, frame)| parser.command(frame).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    if source == Source::Built {
        values.iter_mut().for_each(|value| *value = built::command(value));
    }
    let peers: Vec<_> =
        corpus.lines.iter().filter_map(|l| CommandCodec::default().decode(l).ok()).map(|(_, c)| c).collect();
    let mut out = Vec::with_capacity(corpus.bytes * 2);
    measure(
        bench,
        name,
        &corpus,
        &bars(source, 2.0),
        &mut || pass(&values, Literals::NonSync, &mut out),
        &mut [Peer::new(IMAP_CODEC, &mut || {
            peers.iter().for_each(|c| drop(black_box(CommandCodec::default().encode(c).dump())));
        })],
    );
}

pub(crate) fn encode_responses(bench: &mut Bench, name: &'static str, corpus: &Corpus, source: Source) {
    let mut parsers: Vec<Parser> = corpus.frames.iter().map(|_| Parser::new()).collect();
    let mut values: Vec<Response<'_>> = parsers
        .iter_mut()
        .zip(&corpus.frames)
        .map(|(parser, frame)| parser.response(frame).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    if source == Source::Built {
        values.iter_mut().for_each(|value| *value = built::response(value));
    }
    let peers: Vec<_> =
        corpus.lines.iter().filter_map(|l| ResponseCodec::default().decode(l).ok()).map(|(_, r)| r).collect();
    let mut out = Vec::with_capacity(corpus.bytes * 2);
    measure(
        bench,
        name,
        corpus,
        &bars(source, 2.0),
        &mut || pass(&values, Literals::Server, &mut out),
        &mut [Peer::new(IMAP_CODEC, &mut || {
            peers.iter().for_each(|r| drop(black_box(ResponseCodec::default().encode(r).dump())));
        })],
    );
}

/// One command with a set of so many ranges: the same speed for few and for many, or it is not linear.
pub(crate) fn encode_set(bench: &mut Bench, name: &'static str, ranges: u32) {
    let first = 1_000_000;
    let of = |n: u32| SequenceRange::of(&(first + 4 * n..=first + 4 * n + 2 * (n % 2)));
    let ranges: Vec<SequenceRange> = (0..ranges).filter_map(of).collect();
    let tag = Tag::new("a1").unwrap_or_else(|e| panic!("{e}"));
    let Some(set) = SequenceSet::of(&ranges) else { return };
    let command = TaggedCommand { tag, command: Command::UidExpunge(set) };
    let mut out = Vec::new();
    pass(&[command], Literals::NonSync, &mut out);
    let line = out.strip_suffix(b"\r\n").unwrap_or_default().to_vec();
    let corpus = Corpus::new(vec![line]);
    let peer = CommandCodec::default().decode(&corpus.lines[0]).map(|(_, command)| command);
    let peer = peer.unwrap_or_else(|_| panic!("the peer refuses the set"));
    measure(
        bench,
        name,
        &corpus,
        &bars(Source::Built, 2.0),
        &mut || pass(&[command], Literals::NonSync, &mut out),
        &mut [Peer::new(IMAP_CODEC, &mut || drop(black_box(CommandCodec::default().encode(&peer).dump())))],
    );
}
