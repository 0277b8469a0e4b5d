//! POP3: listings and messages, read and written by the connections of `pop3-proto`.
//!
//! Beside them `rfc1939` 1.0.0, the one library that reads them too: a whole reply in one slice, which somebody else must
//! have collected. Yardsticks are memchr, which only finds the line ends of the same bytes, and memcpy, which only moves
//! them. Our input comes in segments, as a socket would give it; a message goes into a sink of fixed size.
//!
//! `-- --check` makes a short pass and fails if a bar is missed.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use benches::{Bar, Bench, Peer, Work};
use bytes::Bytes;
use mail_wire::{BareLineEnd, Connection as _, PlaintextLogin, Text, TlsActive, TlsMode};
use pop3_proto::client::{self, Event};
use pop3_proto::{
    MaildropCommand, MessageNumber, Password, ScanListing, UniqueId, UniqueIdListing, UserName, server,
};
use rfc1939::transaction::response as rfc1939_replies;

#[global_allocator]
static ALLOCATOR: benches::Counting = benches::Counting;

const LINES: u32 = 100_000;
const SEGMENT_BYTES: usize = 64 << 10;
const ETHERNET_BYTES: usize = 1_460;
const MESSAGE_BYTES: usize = 1 << 20;
const SINK_BYTES: usize = 64 << 10;

/// What is promised of a listing, and the same as a share of memchr's speed, which a slow machine keeps too.
const LINES_PER_SECOND: Bar = Bar::MessagesPerSecond(5e6);
const OF_MEMCHR: Bar = Bar::Ratio(0.002);

/// A connection copies twice what memcpy copies once, into its buffer and out of it, and looks at every byte; a third is
/// the most that is left. On the way out one copy is spared.
const RETR: Bar = Bar::Ratio(0.2);
const RETR_IN_FRAMES: Bar = Bar::Ratio(0.1);
const RETR_OUT: Bar = Bar::Ratio(0.25);

fn number(n: u32) -> MessageNumber {
    MessageNumber::new(n).expect("from 1")
}

fn drain(connection: &mut impl mail_wire::Connection) {
    while let Some(bytes) = connection.poll_transmit() {
        black_box(bytes);
    }
}

/// A client that has logged in; its server announced PIPELINING.
fn client(now: Instant, bare_line_end: BareLineEnd) -> client::Connection {
    let config = client::Config { bare_line_end, ..client::Config::new(TlsMode::Never) };
    let mut client = client::Connection::new(config, now);
    let hears = |client: &mut client::Connection, line: &str| {
        client.receive(line.as_bytes(), now);
        while client.poll_event().expect("a good server").is_some() {}
        drain(client);
    };
    hears(&mut client, "+OK ready\r\n");
    hears(&mut client, "+OK\r\nPIPELINING\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n");
    let (name, password) = (UserName::new(b"alice").expect("a name"), Password::new(b"secret").expect("one"));
    client.login(name, password, TlsActive::danger_assume_protected()).expect("a login");
    drain(&mut client);
    hears(&mut client, "+OK\r\n");
    hears(&mut client, "+OK\r\n");
    client
}

/// A server on whose connection somebody has logged in.
fn server(now: Instant) -> server::Connection {
    let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
    let mut server = server::Connection::new(config, now);
    server.greet(&Text::constant("ready")).expect("a greeting");
    server.receive(b"USER alice\r\nPASS secret\r\n", now);
    let Ok(Some(server::Event::Login(ticket, _))) = server.poll_event() else { panic!("no login") };
    server.auth_ok(ticket, &Text::constant("welcome")).expect("a login");
    drain(&mut server);
    server
}

/// Gives a command and its answer in segments; gives back the events of the answer.
fn receive(
    client: &mut client::Connection,
    command: MaildropCommand,
    wire: &[u8],
    segment_bytes: usize,
    now: Instant,
    sink: &mut [u8],
) -> usize {
    client.send(command).expect("logged in");
    drain(client);
    let mut events = 0;
    for segment in wire.chunks(segment_bytes) {
        client.receive(segment, now);
        loop {
            while let Some(line) = client.poll_listing() {
                black_box(line);
                events += 1;
            }
            let Some(event) = client.poll_event().expect("a good server") else { break };
            events += 1;
            match event {
                Event::Chunk(bytes) => {
                    // The sink takes what fits, again and again: its bytes are all that is ever held.
                    for piece in bytes.chunks(sink.len()) {
                        sink[..piece.len()].copy_from_slice(piece);
                    }
                    black_box(&sink);
                }
                Event::BadLine(error) => panic!("{error}"),
                event => drop(black_box(event)),
            }
        }
    }
    events
}

fn listings(bench: &mut Bench, now: Instant) {
    let scan: String = (1..=LINES).map(|n| format!("{n} {}\r\n", 1_000 + 37 * n)).collect();
    let unique: String = (1..=LINES).map(|n| format!("{n} 1795500150.{n:08}\r\n")).collect();
    for (name, command, lines) in [
        ("LIST: parse", MaildropCommand::List(None), scan),
        ("UIDL: parse", MaildropCommand::Uidl(None), unique),
    ] {
        let wire = format!("+OK {LINES} messages\r\n{lines}.\r\n").into_bytes();
        let mut client = client(now, BareLineEnd::Refuse);
        let mut ours = || {
            let events = receive(&mut client, command, &wire, SEGMENT_BYTES, now, &mut []);
            assert_eq!(events, LINES as usize + 2);
        };
        let mut rfc1939 = || match command {
            MaildropCommand::Uidl(_) => assert!(black_box(rfc1939_replies::uidl(&wire)).is_some()),
            _ => assert!(black_box(rfc1939_replies::list(&wire)).is_some()),
        };
        let mut memchr = || {
            black_box(memchr::memchr_iter(b'\n', black_box(&wire)).count());
        };
        let work = Work { name, bytes: wire.len(), messages: LINES as usize };
        let bars = [LINES_PER_SECOND, OF_MEMCHR, Bar::Allocations(0.001)];
        let mut peers = [Peer::new("rfc1939", &mut rfc1939), Peer::new("memchr", &mut memchr)];
        bench.row(work, &bars, &mut ours, &mut peers);
    }

    let scan: Vec<ScanListing> =
        (1..=LINES).map(|n| ScanListing { message: number(n), octets: 1_000 + 37 * u64::from(n) }).collect();
    let unique: Vec<UniqueIdListing> = (1..=LINES)
        .map(|n| {
            let id = UniqueId::new(format!("1795500150.{n:08}")).expect("an identifier");
            UniqueIdListing { message: number(n), id }
        })
        .collect();
    let mut server = server(now);
    let begin = |server: &mut server::Connection, line: &[u8]| {
        server.receive(line, now);
        let Ok(Some(server::Event::Maildrop(ticket, _))) = server.poll_event() else { panic!("no command") };
        server.begin(ticket, &Text::constant("listing follows")).expect("of many lines")
    };
    let work = |name| Work { name, bytes: LINES as usize * 20, messages: LINES as usize };
    let mut write = || {
        let reply = begin(&mut server, b"LIST\r\n");
        for listing in &scan {
            server.scan_listing(&reply, *listing).expect("a listing");
            if server.transmit_bytes() > SEGMENT_BYTES {
                drain(&mut server);
            }
        }
        server.end(reply).expect("a listing");
        drain(&mut server);
    };
    bench.row(work("LIST: write"), &[LINES_PER_SECOND, Bar::Allocations(0.02)], &mut write, &mut []);
    let mut write = || {
        let reply = begin(&mut server, b"UIDL\r\n");
        for listing in &unique {
            server.unique_id_listing(&reply, listing).expect("a listing");
            if server.transmit_bytes() > SEGMENT_BYTES {
                drain(&mut server);
            }
        }
        server.end(reply).expect("a listing");
        drain(&mut server);
    };
    bench.row(work("UIDL: write"), &[LINES_PER_SECOND, Bar::Allocations(0.02)], &mut write, &mut []);
}

fn messages(bench: &mut Bench, now: Instant) {
    // Lines of 76 bytes, as base64 has them, a stuffed one among every hundred.
    let line = |n: usize| format!("{}{n:074}\r\n", if n.is_multiple_of(100) { ".." } else { "ab" });
    let body: String = (0..).map(line).take(MESSAGE_BYTES / 78).collect();
    let wire = format!("+OK {} octets\r\n{body}.\r\n", body.len()).into_bytes();
    let mut sink = vec![0; SINK_BYTES];
    let copy = |wire: &[u8], sink: &mut [u8]| {
        for piece in wire.chunks(sink.len()) {
            sink[..piece.len()].copy_from_slice(piece);
            black_box(&sink);
        }
    };
    for (name, segment_bytes, bare, bar) in [
        ("RETR of 1 MiB, 64 KiB segments: parse", SEGMENT_BYTES, BareLineEnd::Refuse, RETR),
        ("RETR of 1 MiB, 1,460 B segments: parse", ETHERNET_BYTES, BareLineEnd::Refuse, RETR_IN_FRAMES),
        ("RETR of 1 MiB, bare CR and LF allowed: parse", SEGMENT_BYTES, BareLineEnd::DangerNormalize, RETR),
    ] {
        let mut client = client(now, bare);
        let (mut ours_sink, retr) = (vec![0; SINK_BYTES], MaildropCommand::Retr(number(1)));
        let mut ours = || {
            black_box(receive(&mut client, retr, &wire, segment_bytes, now, &mut ours_sink));
        };
        let mut rfc1939 = || assert!(black_box(rfc1939_replies::retr(&wire)).is_some());
        let mut memcpy = || copy(&wire, &mut sink);
        let work = Work { name, bytes: wire.len(), messages: 1 };
        // The allocations are those of the reply's first line and of the buffer, not of the message.
        let bars = [bar, Bar::Allocations(4.0)];
        let mut peers =
            [Peer::new("rfc1939, which unstuffs nothing", &mut rfc1939), Peer::new("memcpy", &mut memcpy)];
        bench.row(work, &bars, &mut ours, &mut peers);
    }
    let plain = Bytes::from(body.replace("\r\n..", "\r\n."));
    let mut server = server(now);
    let mut ours_sink = vec![0; SINK_BYTES];
    let mut write = || {
        server.receive(b"RETR 1\r\n", now);
        let Ok(Some(server::Event::Maildrop(ticket, _))) = server.poll_event() else { panic!("no command") };
        let reply = server.begin(ticket, &Text::constant("message follows")).expect("of many lines");
        for from in (0..plain.len()).step_by(SEGMENT_BYTES) {
            server.body(&reply, &plain.slice(from..plain.len().min(from + SEGMENT_BYTES))).expect("a body");
            while let Some(bytes) = server.poll_transmit() {
                copy(&bytes, &mut ours_sink);
            }
        }
        server.end(reply).expect("a body");
        drain(&mut server);
    };
    let mut memcpy = || copy(&wire, &mut sink);
    let work = Work { name: "RETR of 1 MiB: write", bytes: wire.len(), messages: 1 };
    bench.row(work, &[RETR_OUT], &mut write, &mut [Peer::new("memcpy", &mut memcpy)]);
}

fn main() -> ExitCode {
    let mut bench = Bench::from_args();
    let now = Instant::now();
    listings(&mut bench, now);
    messages(&mut bench, now);
    bench.finish()
}
