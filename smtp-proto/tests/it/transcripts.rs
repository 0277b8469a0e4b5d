//! The scenarios of RFC 5321 appendix D and others, as text in `testdata/`.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::Connection as _;
use smtp_proto::client::{self, Envelope, Event};
use smtp_proto::{Address, ForwardPath, MailParams, ReversePath};

use crate::support::{Site, client_config, server_config};

#[derive(Debug, PartialEq)]
enum Turn {
    Client(String),
    Server(String),
}

/// Joins the lines of a transcript into turns.
fn turns(transcript: &str) -> Vec<Turn> {
    let mut turns = Vec::new();
    for line in transcript.lines().filter(|line| !line.starts_with('#')) {
        let text = line[3..].strip_suffix("\\r\\n").expect("visible CRLF").to_owned() + "\r\n";
        match (&line[..3], turns.last_mut()) {
            ("C: ", Some(Turn::Client(turn))) | ("S: ", Some(Turn::Server(turn))) => turn.push_str(&text),
            ("C: ", _) => turns.push(Turn::Client(text)),
            ("S: ", _) => turns.push(Turn::Server(text)),
            _ => panic!("{line}"),
        }
    }
    turns
}

/// Plays the client's turns to the server, in pieces of this size; the server must say its turns.
fn play_to_server(transcript: &str, piece_bytes: usize) -> Site {
    let mut site = Site::greeted(server_config());
    for turn in turns(transcript) {
        match turn {
            Turn::Client(text) => text.as_bytes().chunks(piece_bytes).for_each(|piece| site.feed(piece)),
            Turn::Server(text) => assert_eq!(site.take_output(), text, "pieces of {piece_bytes}"),
        }
    }
    assert_eq!(site.error, None);
    site
}

fn check_server(transcript: &str) -> Site {
    for piece_bytes in 1..80 {
        play_to_server(transcript, piece_bytes);
    }
    play_to_server(transcript, usize::MAX)
}

#[test]
fn a_typical_transaction_runs_as_in_rfc_5321_d1() {
    let site = check_server(include_str!("../../testdata/server-d1.txt"));
    let message = &site.seen.messages[0];
    assert_eq!(message.from, "<Smith@bar.com>");
    assert_eq!(message.to, ["<Jones@foo.com>", "<Brown@foo.com>"]);
    assert_eq!(message.body, b"Blah blah blah...\r\n..etc. etc. etc.\r\n");
    assert!(site.seen.closed && site.conn.is_closing());
}

#[test]
fn an_aborted_transaction_runs_as_in_rfc_5321_d2() {
    let site = check_server(include_str!("../../testdata/server-d2.txt"));
    assert_eq!((site.seen.messages.len(), site.seen.resets), (0, 1));
}

#[test]
fn a_relayed_message_runs_as_in_rfc_5321_d3() {
    let site = check_server(include_str!("../../testdata/server-d3.txt"));
    assert_eq!(site.seen.messages[0].to, ["<Jones@xyz.com>"]);
}

#[test]
fn verifying_and_sending_runs_as_in_rfc_5321_d4() {
    let site = check_server(include_str!("../../testdata/server-d4.txt"));
    assert_eq!(site.seen.messages.len(), 1);
}

/// Plays the server's turns to a client that sends one message and quits; the client must say its turns.
fn play_to_client(transcript: &str, piece_bytes: usize) -> Vec<Event> {
    let now = Instant::now();
    let mut conn = client::Connection::new(client_config(), now);
    let mut events = Vec::new();
    for turn in turns(transcript) {
        match turn {
            Turn::Server(text) => {
                for piece in text.as_bytes().chunks(piece_bytes) {
                    conn.receive(piece, now);
                    while let Some(event) = conn.poll_event().expect("no error") {
                        on_client_event(&mut conn, &event);
                        events.push(event);
                    }
                }
            }
            Turn::Client(text) => {
                let sent: Vec<u8> = std::iter::from_fn(|| conn.poll_transmit()).flatten().collect();
                assert_eq!(String::from_utf8_lossy(&sent), text, "pieces of {piece_bytes}");
            }
        }
    }
    events
}

fn on_client_event(conn: &mut client::Connection, event: &Event) {
    match event {
        Event::Ready(_) => {
            let address = |local: &str| format!("{local}@foo.com").parse::<Address>().expect("valid");
            let recipients = ["Jones", "Green", "Brown"].map(|l| ForwardPath::from(address(l)).into());
            let envelope = Envelope {
                reverse_path: ReversePath::Address("Smith@bar.com".parse().expect("valid")),
                params: MailParams::default(),
                recipients: recipients.into(),
            };
            conn.send(envelope).expect("idle");
        }
        Event::BodyWanted => {
            conn.body_chunk(&Bytes::from_static(b"Blah blah blah...\r\n...etc.")).expect("wanted");
            conn.body_chunk(&Bytes::from_static(b" etc. etc.\r\n")).expect("wanted");
            conn.body_end().expect("wanted");
        }
        Event::TransactionEnd => conn.quit().expect("idle"),
        _ => {}
    }
}

fn check_client(transcript: &str) -> Vec<(usize, client::Stage, u16)> {
    let whole = play_to_client(transcript, usize::MAX);
    for piece_bytes in 1..80 {
        assert_eq!(play_to_client(transcript, piece_bytes), whole, "pieces of {piece_bytes}");
    }
    assert_eq!(whole.last(), Some(&Event::Closed(client::Closed::Quit)));
    let fate = |event: Event| match event {
        Event::Fate { recipient, stage, reply, .. } => Some((recipient, stage, reply.code().value())),
        _ => None,
    };
    whole.into_iter().filter_map(fate).collect()
}

#[test]
fn a_client_sends_as_in_rfc_5321_d1() {
    use client::Stage::{Message, Rcpt};
    let fates = check_client(include_str!("../../testdata/client-d1.txt"));
    assert_eq!(fates, [(1, Rcpt, 550), (0, Message, 250), (2, Message, 250)]);
}

#[test]
fn a_client_without_recipients_left_resets_and_falls_back_to_helo() {
    use client::Stage::Rcpt;
    let fates = check_client(include_str!("../../testdata/client-all-refused.txt"));
    assert_eq!(fates, [(0, Rcpt, 550), (1, Rcpt, 450), (2, Rcpt, 550)]);
}

#[test]
fn a_pipelining_client_ends_a_message_that_nobody_gets() {
    use client::Stage::Rcpt;
    let fates = check_client(include_str!("../../testdata/client-pipelined.txt"));
    assert_eq!(fates, [(0, Rcpt, 550), (1, Rcpt, 550), (2, Rcpt, 550)]);
}
