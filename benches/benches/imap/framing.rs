//! Framing and what it saves: a long line that comes in pieces, and bodies that only pass by.

use std::hint::black_box;

use benches::{Bar, Bench, Peer, Work};
use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_proto::Parser;
use mail_wire::{FrameLimits, Input, Keep, LiteralFramer, LiteralMode, Part};

use crate::corpus::Corpus;
use crate::visit::visit_response;
use crate::{IMAP_CODEC, IMAP_PROTO};

/// What a TCP segment carries on Ethernet.
const SEGMENT_BYTES: usize = 1_460;
/// What a driver reads at once.
const READ_BYTES: usize = 16 << 10;

/// Frames what comes in pieces, parses each frame and visits it.
fn receive(input: &mut Input, framer: &mut LiteralFramer, parser: &mut Parser, pieces: &[&[u8]]) -> usize {
    let mut visited = 0_usize;
    for piece in pieces {
        input.buffer().extend_from_slice(piece);
        while let Ok(Some(Part::Whole(frame))) = framer.poll(input, LiteralMode::Response) {
            let found = parser.response(&frame).map(|response| visit_response(&response));
            visited = visited.wrapping_add(found.unwrap_or_default());
        }
    }
    visited
}

/// One SEARCH of 20,000 ids as TCP brings it, beside the same bytes in one piece, and beside parsers that try again with
/// each segment.
pub(crate) fn search_in_segments(bench: &mut Bench) {
    let ids: Vec<String> = (1..=20_000).map(|n| (n * 13).to_string()).collect();
    let line = format!("* SEARCH {}\r\n", ids.join(" ")).into_bytes();
    let segments: Vec<&[u8]> = line.chunks(SEGMENT_BYTES).collect();
    let limits = FrameLimits { text_bytes_max: 1 << 20, ..FrameLimits::default() };
    let side = || (Input::new(), LiteralFramer::new(limits), Parser::new());
    let (mut ours, mut whole) = (side(), side());
    let wanted: usize = ids.iter().filter_map(|id| id.parse::<usize>().ok()).sum();
    assert_eq!(receive(&mut ours.0, &mut ours.1, &mut ours.2, &segments), wanted);
    let (mut codec_received, mut proto_received) = (Vec::new(), Vec::new());
    bench.row(
        Work { name: "SEARCH of 20,000 ids in 1,460-byte segments", bytes: line.len(), messages: 1 },
        // Against the first: within 10 % of the same bytes whole.
        &[Bar::Ratio(0.9)],
        &mut || {
            black_box(receive(&mut ours.0, &mut ours.1, &mut ours.2, &segments));
        },
        &mut [
            Peer::new("ours, whole", &mut || {
                black_box(receive(&mut whole.0, &mut whole.1, &mut whole.2, &[&line]));
            }),
            Peer::new(IMAP_CODEC, &mut || {
                let codec = ResponseCodec::default();
                again_with_each(&segments, &mut codec_received, |line| codec.decode(line).is_ok());
            }),
            Peer::new(IMAP_PROTO, &mut || {
                let parsed = |line: &[u8]| imap_proto_peer::Response::parse(line).is_ok();
                again_with_each(&segments, &mut proto_received, parsed);
            }),
        ],
    );
}

/// Parses what has come whenever more of it has come, until that succeeds.
fn again_with_each(segments: &[&[u8]], received: &mut Vec<u8>, parse: impl Fn(&[u8]) -> bool) {
    received.clear();
    for segment in segments {
        received.extend_from_slice(segment);
        if black_box(parse(received)) {
            return;
        }
    }
}

/// Bodies of 50 KB, streamed past their frames, beside a plain copy of the same bytes. Ours reads into its buffer, which
/// a copy stands for here, and hands out slices of that.
pub(crate) fn literals_streamed(bench: &mut Bench, corpus: &Corpus) {
    let wire = corpus.lines.concat();
    let mut target = Vec::with_capacity(wire.len());
    let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
    let mut bodies = 0;
    stream(&mut input, &mut framer, &wire, |chunk| bodies += chunk.len());
    assert!(bodies > wire.len() * 99 / 100, "bodies must be streamed");
    bench.row(
        Work {
            name: "FETCH of 50 KB literals: framed and streamed",
            bytes: wire.len(),
            messages: corpus.lines.len(),
        },
        &[Bar::Ratio(0.5)],
        &mut || stream(&mut input, &mut framer, &wire, |chunk| drop(black_box(chunk))),
        &mut [Peer::new("memcpy", &mut || {
            target.clear();
            target.extend_from_slice(black_box(&wire));
            black_box(&target);
        })],
    );
}

fn stream(input: &mut Input, framer: &mut LiteralFramer, wire: &[u8], mut each: impl FnMut(bytes::Bytes)) {
    for read in wire.chunks(READ_BYTES) {
        // One buffer for every read: what was handed out and dropped is written again.
        input.buffer().reserve(READ_BYTES);
        input.buffer().extend_from_slice(read);
        while let Ok(Some(part)) = framer.poll(input, LiteralMode::Response) {
            match part {
                Part::Offer(_) => drop(framer.keep(Keep::Stream)),
                Part::Chunk(_, chunk) => each(chunk),
                other => drop(black_box(other)),
            }
        }
    }
}
