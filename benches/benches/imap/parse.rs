//! Parsing: ours visits what it has parsed, since its views read on demand.

use std::hint::black_box;

use benches::{Bar, Bench, Peer};
use imap_codec::decode::Decoder;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{FetchItem, Parser, Response};

use crate::corpus::{Corpus, commands};
use crate::visit::{visit_command, visit_item, visit_response};
use crate::{IMAP_CODEC, IMAP_PROTO, measure};

pub(crate) fn parse_commands(bench: &mut Bench) {
    let corpus = commands();
    let mut parser = Parser::new();
    let codec = CommandCodec::default();
    measure(
        bench,
        "commands: parse, all visited",
        &corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.command(frame).map(|tagged| visit_command(&tagged.command)).ok());
            }
        },
        &mut [Peer::new(IMAP_CODEC, &mut || {
            corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok())));
        })],
    );
}

pub(crate) fn parse_responses(bench: &mut Bench, work: &'static str, corpus: &Corpus) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        work,
        corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.response(frame).map(|response| visit_response(&response)).ok());
            }
        },
        &mut [
            Peer::new(IMAP_CODEC, &mut || {
                corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok())));
            }),
            Peer::new(IMAP_PROTO, &mut || {
                corpus
                    .lines
                    .iter()
                    .for_each(|line| drop(black_box(imap_proto_peer::Response::parse(line).ok())));
            }),
        ],
    );
}

/// What no peer takes: its speed and its allocations alone.
pub(crate) fn parse_alone(bench: &mut Bench, work: &'static str, corpus: &Corpus) {
    let mut parser = Parser::new();
    let ours = &mut || {
        for frame in &corpus.frames {
            black_box(parser.response(frame).map(|response| visit_response(&response)).ok());
        }
    };
    measure(bench, work, corpus, &[Bar::Allocations(0.0)], ours, &mut []);
}

/// Only what a message list shows.
pub(crate) fn parse_summary(bench: &mut Bench, corpus: &Corpus) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        "FETCH metadata: parse, no structure visited",
        corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                let sum = parser.response(frame).map(|response| match response {
                    Response::Fetch { items, .. } => items
                        .iter()
                        .filter(|item| !matches!(item, FetchItem::BodyStructure(_)))
                        .fold(0_usize, |sum, item| sum.wrapping_add(visit_item(&item))),
                    _ => 0,
                });
                black_box(sum.ok());
            }
        },
        &mut [
            Peer::new(IMAP_CODEC, &mut || {
                corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok())));
            }),
            Peer::new(IMAP_PROTO, &mut || {
                corpus
                    .lines
                    .iter()
                    .for_each(|line| drop(black_box(imap_proto_peer::Response::parse(line).ok())));
            }),
        ],
    );
}

pub(crate) fn own_responses(bench: &mut Bench, corpus: &Corpus) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        "FETCH metadata: parse to keep",
        corpus,
        &[Bar::Allocations(1.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.parse_response(frame.clone(), &[]).ok());
            }
        },
        &mut [
            Peer::new(IMAP_CODEC, &mut || {
                corpus.lines.iter().for_each(|line| drop(black_box(codec.decode_static(line).ok())));
            }),
            Peer::new(IMAP_PROTO, &mut || {
                let own = |line| imap_proto_peer::Response::parse(line).map(|(_, r)| r.into_owned());
                corpus.lines.iter().for_each(|line| drop(black_box(own(line).ok())));
            }),
        ],
    );
}
