//! Memory: what a frame costs for each of its bytes, and what a connection holds at most, whatever its peer sends.

use std::time::Instant;

use bytes::Bytes;
use imap_proto::server::{Event, Greeting};
use imap_proto::{Limits, Parser, Status, client, server};
use mail_wire::testing::every_split;
use mail_wire::{Connection as _, Error, FrameLimits, Keep, LimitExceeded, PlaintextLogin, TlsMode};

use crate::heap::peak;

/// What the densest frames are made of.
const UNITS: [&str; 13] = [
    "()", "1 ", "\"\"", "(a)", "(((())))", "a(", "() ", "{0}\r\n", "a()", "a\"\" ", "NIL ", "((a)(a))", "1,",
];

/// Beginnings and ends of commands and responses in which much fits.
const COMMANDS: [(&str, &str); 5] = [
    ("a SEARCH ", ""),
    ("a SEARCH (", ")"),
    ("a FETCH ", " UID"),
    ("a STORE 1 FLAGS (", ")"),
    ("a ID (", ")"),
];
const RESPONSES: [(&str, &str); 9] = [
    ("* FLAGS (", ")"),
    ("* SEARCH ", ""),
    ("* X ", ""),
    ("* 1 FETCH (FLAGS (", "))"),
    ("* 1 FETCH (X ", ")"),
    ("* 1 FETCH (ENVELOPE (NIL NIL (", ") NIL NIL NIL NIL NIL NIL NIL))"),
    ("* 1 FETCH (BODYSTRUCTURE (", " \"MIXED\"))"),
    ("* OK [", "] x"),
    ("* CAPABILITY ", ""),
];

fn filled((head, tail): (&str, &str), unit: &str, bytes: usize) -> String {
    format!("{head}{}{tail}", unit.repeat(bytes / unit.len()))
}

#[test]
fn p2_a_frame_that_is_kept_costs_less_than_six_bytes_a_byte() {
    let limits = Limits { tokens_max: 1 << 20, ..Limits::default() };
    for unit in UNITS {
        // Just behind a step of the tape's growth is where it is largest.
        for bytes in [300, 4_000, 4_200, 11_000, 57_000, 59_000, 64_000, 66_000] {
            for parts in COMMANDS.into_iter().chain(RESPONSES) {
                let frame = Bytes::from(filled(parts, unit, bytes));
                let mut parser = Parser::with_limits(limits);
                let (_, most) = peak(|| {
                    let command = parser.parse_command(frame.clone(), &[]).is_ok();
                    (command, parser.parse_response(frame.clone(), &[]))
                });
                let max = limits.frame_heap_bytes_max(frame.len());
                assert!(most <= max, "{most} for {} of {unit:?} in {parts:?}", frame.len());
                let _ = parser.response(&frame);
                let tape = parser.heap_bytes();
                assert!(tape <= 6 * frame.len() + 1_024, "{tape} for {} of {unit:?}", frame.len());
            }
        }
    }
}

#[test]
fn p4_the_number_of_tokens_bounds_the_heap_of_a_frame_of_any_size() {
    let limits = Limits { tokens_max: 1_000, ..Limits::default() };
    let frame = Bytes::from(filled(("* X ", ""), "(a)", 1 << 20));
    let mut parser = Parser::with_limits(limits);
    let (_, most) = peak(|| parser.parse_response(frame.clone(), &[]).is_ok());
    assert!(most <= limits.frame_heap_bytes_max(frame.len()), "{most}");
    assert!(limits.frame_heap_bytes_max(frame.len()) < 64 << 10);
}

const READ_BYTES: usize = 4_096;

/// Limits at which a test reaches every one of them.
fn small_frames() -> FrameLimits {
    FrameLimits {
        text_bytes_max: 32 << 10,
        literals_max: 20,
        kept_literal_bytes_max: 16 << 10,
        streamed_literal_bytes_max: 1 << 20,
        skipped_literal_bytes_max: 1 << 20,
    }
}

fn server_limits() -> server::Limits {
    server::Limits { after_login: small_frames(), pipelined_bytes_max: 64 << 10, ..server::Limits::default() }
}

/// What a client does that means harm.
pub(crate) fn hostile_commands() -> Vec<String> {
    let mut all: Vec<String> = COMMANDS
        .into_iter()
        .flat_map(|parts| UNITS.map(|unit| filled(parts, unit, 30_000) + "\r\n"))
        .collect();
    all.extend([
        // A line without an end.
        "a".repeat(200_000),
        "(".repeat(200_000),
        // One word too many, again and again.
        "a NOOP x\r\n".repeat(5_000),
        "\r\n".repeat(50_000),
        // Commands that wait behind one that is not answered.
        format!("a NOOP\r\n{}", "b NOOP\r\n".repeat(30_000)),
        // Literals: kept, skipped, streamed, announced only.
        format!("a RENAME {{4096+}}\r\n{} {{4096+}}\r\n{}\r\n", "x".repeat(4_096), "y".repeat(4_096)),
        format!("a RENAME{}\r\n", " {0+}\r\n".repeat(100)),
        format!("a X {{500000+}}\r\n{}\r\n", "b NOOP\r\n".repeat(62_500)),
        format!("a APPEND x {{500000+}}\r\n{}\r\n", "b NOOP\r\n".repeat(62_500)),
        "a APPEND x {500000000}\r\n".repeat(100),
        format!("a APPEND {}", "(\\Seen) ".repeat(20_000)),
    ]);
    all
}

/// Runs a server over this, answering everything or nothing; how much it held.
fn served(greeting: Greeting<'_>, input: &str, answers: bool) -> usize {
    let now = Instant::now();
    let config = server::Config {
        limits: server_limits(),
        plaintext_login: PlaintextLogin::DangerAllow,
        ..server::Config::default()
    };
    let mut server = server::Connection::new(config, now);
    server.greet(greeting).unwrap();
    let ((), most) = peak(|| {
        let mut held = Vec::with_capacity(1);
        for piece in input.as_bytes().chunks(READ_BYTES) {
            while server.poll_transmit().is_some() {}
            if server.is_closing() {
                break;
            }
            server.receive(piece, now);
            loop {
                match server.poll_event() {
                    Ok(Some(Event::Command(ticket, _))) if answers => {
                        server.reply(ticket, &Status::ok("done")).unwrap();
                    }
                    Ok(Some(Event::Command(ticket, _))) => held.push(ticket),
                    Ok(Some(Event::Offer(offer))) => {
                        let _ = server.accept(offer, Keep::Stream);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
                // A driver writes as it goes.
                while server.poll_transmit().is_some() {}
            }
        }
    });
    most
}

#[test]
fn p3_a_server_holds_no_more_than_its_limits_say() {
    let limits = server_limits();
    for input in hostile_commands() {
        let name: String = input.chars().take(30).collect();
        for answers in [true, false] {
            let most = served(Greeting::Preauth("hi".into()), &input, answers);
            assert!(most <= limits.heap_bytes_max(READ_BYTES), "{most} for {name:?}");
            let most = served(Greeting::Ok("hi".into()), &input, answers);
            assert!(
                most <= limits.heap_bytes_before_login_max(READ_BYTES),
                "{most} for a stranger's {name:?}"
            );
        }
    }
}

#[test]
fn the_bound_of_a_server_is_near_to_what_can_be_held() {
    // A bound that nothing comes near to would prove nothing.
    let limits = server_limits();
    let most =
        hostile_commands().iter().map(|input| served(Greeting::Preauth("hi".into()), input, false)).max();
    assert!(most.is_some_and(|most| most * 8 > limits.heap_bytes_max(READ_BYTES)), "{most:?}");
}

#[test]
fn a_stranger_may_send_ahead_less() {
    let limits = server::Limits::default();
    let now = Instant::now();
    let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
    for (bytes, end) in [
        (limits.pipelined_bytes_before_login_max, None),
        (
            limits.pipelined_bytes_before_login_max + 1,
            Some(Error::from(LimitExceeded::new("pipelined_bytes_max", 64 << 10))),
        ),
    ] {
        let mut server = server::Connection::new(config.clone(), now);
        server.greet(Greeting::Ok("hi".into())).unwrap();
        server.receive(b"a LOGIN alice secret\r\n", now);
        let Ok(Some(Event::Login(_ticket, _))) = server.poll_event() else { panic!() };
        server.receive(&vec![b'x'; bytes], now);
        assert!(!server.wants_input());
        assert_eq!(server.poll_event().err(), end);
    }
}

fn client_limits() -> client::Limits {
    client::Limits {
        frame: FrameLimits { text_bytes_max: 128 << 10, ..small_frames() },
        streamed_text_bytes_max: 64 << 10,
        ..client::Limits::default()
    }
}

/// What a server does that means harm.
pub(crate) fn hostile_responses() -> Vec<String> {
    let mut all: Vec<String> = RESPONSES
        .into_iter()
        .flat_map(|parts| UNITS.map(|unit| filled(parts, unit, 120_000) + "\r\n"))
        .collect();
    all.extend([
        "*".repeat(300_000),
        format!("* {}", "(".repeat(300_000)),
        // Nobody asked for any of these.
        "* 3 EXISTS\r\n".repeat(30_000),
        "* 1 FETCH (FLAGS (\\Seen))\r\n".repeat(10_000),
        format!("* CAPABILITY {}\r\n", "XYZZY ".repeat(20_000)).repeat(3),
        "* OK [CAPABILITY IMAP4rev1] x\r\n".repeat(10_000),
        format!("* 1 FETCH ({})\r\n", "BODY[] {1}\r\nx ".repeat(15)),
        format!("* 1 FETCH (BODY[] {{900000}}\r\n{} UID 1)\r\n", "x".repeat(900_000)),
        format!("* 1 FETCH ({} {{70000}}\r\n{}", "X () ".repeat(10_000), "x".repeat(70_000)),
        "* 1 FETCH (BODY[] {1048576}\r\n".to_owned(),
    ]);
    all
}

#[test]
fn p3_a_client_holds_no_more_than_its_limits_say() {
    let now = Instant::now();
    let limits = client_limits();
    for input in hostile_responses() {
        let config = client::Config { tls: TlsMode::Never, limits, ..client::Config::default() };
        let mut client = client::Connection::new(config, now);
        client.receive(b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", now);
        while client.poll_event().unwrap().is_some() {}
        let ((), most) = peak(|| {
            for piece in input.as_bytes().chunks(READ_BYTES) {
                client.receive(piece, now);
                while let Ok(Some(_)) = client.poll_event() {}
            }
        });
        let name: String = input.chars().take(30).collect();
        assert!(most <= limits.heap_bytes_max(READ_BYTES), "{most} for {name:?}");
    }
}

/// The names of what a machine tells, and how it ends.
fn told<C: mail_wire::Connection>(connection: &mut C, piece: &[u8], seen: &mut Vec<String>) -> Option<Error>
where
    C::Event: std::fmt::Debug,
{
    connection.receive(piece, Instant::now());
    loop {
        match connection.poll_event() {
            Ok(Some(event)) => {
                let told = format!("{event:?}");
                // Where a chunk is cut is not what is told.
                match (told.starts_with("Piece(Chunk"), seen.last_mut()) {
                    (true, Some(last)) if last == "chunks" => {}
                    (true, _) => seen.push("chunks".into()),
                    (false, _) => seen.push(told),
                }
            }
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

#[test]
fn p3_a_hostile_server_is_read_the_same_however_it_is_cut() {
    let limits = client::Limits {
        frame: FrameLimits {
            text_bytes_max: 200,
            literals_max: 3,
            kept_literal_bytes_max: 40,
            ..small_frames()
        },
        grammar: Limits { tokens_max: 60, depth_max: 4, ..Limits::default() },
        kept_literal_bytes_max: 20,
        ..client::Limits::default()
    };
    for parts in RESPONSES {
        for unit in UNITS {
            for bytes in [30, 150, 250] {
                let input = filled(parts, unit, bytes) + "\r\n* 3 EXISTS\r\n";
                every_split(input.as_bytes(), |pieces| {
                    let config = client::Config { tls: TlsMode::Never, limits, ..client::Config::default() };
                    let mut client = client::Connection::new(config, Instant::now());
                    let mut seen = Vec::new();
                    told(&mut client, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", &mut seen);
                    let end = pieces.iter().find_map(|piece| told(&mut client, piece, &mut seen));
                    (seen, end, client.quirk_counts())
                });
            }
        }
    }
}
