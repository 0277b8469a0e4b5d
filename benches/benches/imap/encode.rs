//! Encoding: of values that were parsed, into a buffer that is reused.

use std::hint::black_box;

use benches::{Bar, Bench, Peer};
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder as _;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{Encode, Encoder, Literals, Parser};

use crate::corpus::{Corpus, commands};
use crate::{IMAP_CODEC, measure};

pub(crate) fn encode_commands(bench: &mut Bench) {
    let corpus = commands();
    let mut parsers: Vec<Parser> = corpus.frames.iter().map(|_| Parser::new()).collect();
    let parsed: Vec<_> = parsers
        .iter_mut()
        .zip(&corpus.frames)
        .map(|(parser, frame)| parser.command(frame).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let peers: Vec<_> =
        corpus.lines.iter().filter_map(|l| CommandCodec::default().decode(l).ok()).map(|(_, c)| c).collect();
    let mut out = Vec::with_capacity(corpus.bytes * 2);
    measure(
        bench,
        "commands: encode",
        &corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            out.clear();
            for command in &parsed {
                black_box(command.encode(&mut Encoder::new(&mut out, Literals::NonSync)).ok());
            }
        },
        &mut [Peer::new(IMAP_CODEC, &mut || {
            peers.iter().for_each(|c| drop(black_box(CommandCodec::default().encode(c).dump())));
        })],
    );
}

pub(crate) fn encode_responses(bench: &mut Bench, work: &'static str, corpus: &Corpus) {
    let mut parsers: Vec<Parser> = corpus.frames.iter().map(|_| Parser::new()).collect();
    let parsed: Vec<_> = parsers
        .iter_mut()
        .zip(&corpus.frames)
        .map(|(parser, frame)| parser.response(frame).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let peers: Vec<_> =
        corpus.lines.iter().filter_map(|l| ResponseCodec::default().decode(l).ok()).map(|(_, r)| r).collect();
    let mut out = Vec::with_capacity(corpus.bytes * 2);
    measure(
        bench,
        work,
        corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            out.clear();
            for response in &parsed {
                black_box(response.encode(&mut Encoder::new(&mut out, Literals::Server)).ok());
            }
        },
        &mut [Peer::new(IMAP_CODEC, &mut || {
            peers.iter().for_each(|r| drop(black_box(ResponseCodec::default().encode(r).dump())));
        })],
    );
}
