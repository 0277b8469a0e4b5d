//! SMTP: commands, replies and messages of `smtp-proto` beside the `smtp-proto` of crates.io (0.2.5), same bytes, same
//! run; memcpy and memchr of the same bytes as yardsticks.

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bar, Bench, Peer, Work};
use bytes::Bytes;
use mail_wire::{BareLineEnd, BodyPart, BodySlice, DotReader, DotWriter, Input, Outbox};
use smtp_proto_peer::request::receiver::DataReceiver;

#[global_allocator]
static ALLOCATOR: benches::Counting = benches::Counting;

/// Where messages go: a page that is written over and over, as a socket's or a file's would be.
struct Sink(Box<[u8; SINK_BYTES]>);

const SINK_BYTES: usize = 64 << 10;

impl Sink {
    fn new() -> Self {
        Self(vec![0; SINK_BYTES].into_boxed_slice().try_into().expect("the size fits"))
    }

    /// Takes a piece of at most a page.
    fn put(&mut self, bytes: &[u8]) {
        self.0[..bytes.len()].copy_from_slice(bytes);
        black_box(&self.0);
    }
}

/// A message of lines of 78 bytes, one of `stuffed_every` with a dot at its start.
fn message(bytes: usize, stuffed_every: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 78);
    for line in 1.. {
        if text.len() + 78 > bytes {
            break;
        }
        let dot = if line % stuffed_every == 0 { ".." } else { "xx" };
        text.extend_from_slice(format!("{dot}{line:0>74}\r\n").as_bytes());
    }
    text
}

fn read_slices(wire: &[u8], segment_bytes: usize, bare: BareLineEnd, sink: &mut Sink) {
    let mut reader = DotReader::new(bare);
    for mut segment in wire.chunks(segment_bytes) {
        while let Ok(Some(BodySlice::Text(text))) = reader.read(&mut segment) {
            sink.put(text);
        }
    }
}

fn read_input(wire: &[u8], segment_bytes: usize, bare: BareLineEnd, input: &mut Input, sink: &mut Sink) {
    let mut reader = DotReader::new(bare);
    for segment in wire.chunks(segment_bytes) {
        input.buffer().extend_from_slice(segment);
        while let Ok(Some(BodyPart::Chunk(text))) = reader.poll(input) {
            sink.put(&text);
        }
    }
}

fn bodies(bench: &mut Bench) {
    let wire = [message(1 << 20, 100), b".\r\n".to_vec()].concat();
    let work = |name| Work { name, bytes: wire.len(), messages: 1 };
    let (mut sink, mut other_sink) = (Sink::new(), Sink::new());
    for (name, bare, bar) in [
        ("DATA, 64 KiB segments, bare refused", BareLineEnd::Refuse, 0.3),
        ("DATA, 64 KiB segments, bare kept", BareLineEnd::DangerKeep, 0.4),
    ] {
        bench.row(
            work(name),
            &[Bar::Ratio(bar), Bar::Allocations(0.0)],
            &mut || read_slices(&wire, 64 << 10, bare, &mut sink),
            &mut [Peer::new("memcpy", &mut || {
                wire.chunks(64 << 10).for_each(|piece| other_sink.put(piece));
            })],
        );
    }
    for (name, bare) in [
        ("DATA, 1,460 B segments, bare refused", BareLineEnd::Refuse),
        ("DATA, 1,460 B segments, bare kept", BareLineEnd::DangerKeep),
    ] {
        bench.row(
            work(name),
            &[Bar::Ratio(0.8), Bar::Allocations(0.0)],
            &mut || read_slices(&wire, 1_460, bare, &mut sink),
            &mut [Peer::new("ours in 64 KiB segments", &mut || {
                read_slices(&wire, 64 << 10, bare, &mut other_sink);
            })],
        );
    }
    // A connection has its own buffer: the bytes are copied twice. The peer collects the message.
    let mut input = Input::new();
    for (name, segment_bytes) in
        [("DATA through Input, 64 KiB segments", 64 << 10), ("DATA through Input, 1,460 B segments", 1_460)]
    {
        bench.row(
            work(name),
            &[Bar::Allocations(0.0)],
            &mut || read_input(&wire, segment_bytes, BareLineEnd::Refuse, &mut input, &mut sink),
            &mut [
                Peer::new("smtp-proto 0.2.5", &mut || {
                    let (mut receiver, mut message) = (DataReceiver::new(), Vec::with_capacity(wire.len()));
                    for segment in wire.chunks(segment_bytes) {
                        black_box(receiver.ingest(&mut segment.iter(), &mut message));
                    }
                    black_box(message.len());
                }),
                Peer::new("memcpy", &mut || {
                    wire.chunks(segment_bytes).for_each(|piece| other_sink.put(piece));
                }),
                Peer::new("memchr", &mut || {
                    black_box(memchr::memchr(0, &wire));
                }),
            ],
        );
    }
    let text = Bytes::from(message(1 << 20, 100));
    let (mut sink, mut copy_sink, mut out) = (Sink::new(), Sink::new(), Outbox::new());
    bench.row(
        Work { name: "dot-stuffing, 64 KiB segments", bytes: text.len(), messages: 1 },
        &[Bar::Ratio(0.3)],
        &mut || {
            let mut writer = DotWriter::new();
            for at in (0..text.len()).step_by(64 << 10) {
                writer.write(&text.slice(at..text.len().min(at + (64 << 10))), &mut out);
                while let Some(piece) = out.take() {
                    sink.put(&piece);
                }
            }
            writer.finish(&mut out);
            while let Some(piece) = out.take() {
                sink.put(&piece);
            }
        },
        &mut [Peer::new("memcpy", &mut || text.chunks(64 << 10).for_each(|piece| copy_sink.put(piece)))],
    );
}

fn main() -> ExitCode {
    let mut bench = Bench::from_args();
    bodies(&mut bench);
    bench.finish()
}
