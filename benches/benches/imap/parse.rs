//! Parsing: ours visits what it has parsed, since its views read on demand.

use std::hint::black_box;

use benches::{Bar, Bench, Peer};
use imap_codec::decode::Decoder;
use imap_codec::imap_types::response::Response as CodecResponse;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{Parser, Response};

use crate::corpus::{Corpus, commands};
use crate::visit::{visit_command, visit_response, visit_summary};
use crate::{IMAP_CODEC, IMAP_PROTO, measure, visit_peers};

pub(crate) fn parse_commands(bench: &mut Bench) {
    let corpus = commands();
    let mut parser = Parser::new();
    let codec = CommandCodec::default();
    measure(
        bench,
        "commands: parse, all visited",
        &corpus,
        &[Bar::Ratio(2.0), Bar::Allocations(0.0)],
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

/// What each side does with a FETCH reply that it has parsed.
pub(crate) struct Visits {
    pub(crate) ours: fn(&Response<'_>) -> usize,
    pub(crate) codec: fn(&CodecResponse<'_>) -> usize,
    pub(crate) proto: fn(&imap_proto_peer::Response<'_>) -> usize,
}

/// Every field visited, by the peers too.
pub(crate) const ALL: Visits = Visits {
    ours: visit_response,
    codec: visit_peers::imap_codec_reply::visit,
    proto: visit_peers::imap_proto_reply::visit,
};

/// Only what a list of messages shows.
pub(crate) const SUMMARY: Visits = Visits {
    ours: visit_summary,
    codec: visit_peers::imap_codec_reply::visit_summary,
    proto: visit_peers::imap_proto_reply::visit_summary,
};

pub(crate) fn parse_fetch(
    bench: &mut Bench,
    work: &'static str,
    corpus: &Corpus,
    ratio: f64,
    visits: &Visits,
) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        work,
        corpus,
        &[Bar::Ratio(ratio), Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.response(frame).map(|response| (visits.ours)(&response)).ok());
            }
        },
        &mut [
            Peer::new(IMAP_CODEC, &mut || {
                for line in &corpus.lines {
                    black_box(codec.decode(line).map(|(_, response)| (visits.codec)(&response)).ok());
                }
            }),
            Peer::new(IMAP_PROTO, &mut || {
                for line in &corpus.lines {
                    let parsed = imap_proto_peer::Response::parse(line);
                    black_box(parsed.map(|(_, response)| (visits.proto)(&response)).ok());
                }
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
        &[Bar::Ratio(2.3), Bar::Allocations(1.0)],
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
