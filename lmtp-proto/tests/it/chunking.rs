//! Messages in chunks (RFC 3030) in LMTP: one reply for each chunk but the last, which has one for each recipient.

use std::time::Instant;

use bytes::Bytes;
use lmtp_proto::client::{Chunking, Config, Connection, Event};
use lmtp_proto::server;
use mail_wire::Connection as _;
use mail_wire::testing::every_split;
use smtp_proto::Extension;

use crate::client::{config as client_config, envelope};
use crate::server::{Store, config as server_config};

fn chunking() -> server::Config {
    server::Config { extensions: vec![Extension::Chunking], ..server_config() }
}

const ENVELOPE: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<bob>\r\nRCPT TO:<nobody>\r\nRCPT TO:<full@a>\r\n";

fn codes(group: &[u8], config: &server::Config) -> Vec<String> {
    every_split(group, |pieces| {
        let mut store = Store::new(config.clone());
        store.say(b"LHLO hub\r\n");
        store.say(ENVELOPE);
        let replies: String = pieces.iter().map(|piece| store.say(piece)).collect();
        replies.lines().map(|line| line[..3].to_owned()).collect()
    })
}

#[test]
fn q6_the_last_chunk_is_answered_for_each_accepted_recipient_and_the_others_once() {
    assert_eq!(codes(b"BDAT 2\r\nxxBDAT 3 LAST\r\nyyyRSET\r\n", &chunking()), ["250", "250", "452", "250"]);
    assert_eq!(codes(b"BDAT 0 LAST\r\nRSET\r\n", &chunking()), ["250", "452", "250"]);
}

#[test]
fn q6_a_refused_last_chunk_is_answered_for_each_recipient_and_a_stray_one_once() {
    // The limit is 100 bytes.
    let large = [b"BDAT 101 LAST\r\n".to_vec(), vec![b'x'; 101], b"RSET\r\n".to_vec()].concat();
    assert_eq!(codes(&large, &chunking()), ["552", "552", "250"]);
    let large = [b"BDAT 101\r\n".to_vec(), vec![b'x'; 101], b"BDAT 1 LAST\r\nxRSET\r\n".to_vec()].concat();
    assert_eq!(codes(&large, &chunking()), ["552", "503", "250"]);
    assert_eq!(codes(b"BDAT 1 LAST\r\nxRSET\r\n", &server_config()), ["502", "250"]);
}

/// A client that sends to two recipients in chunks; both are accepted.
struct Hub {
    conn: Connection,
    events: Vec<Event>,
}

impl Hub {
    fn sending() -> Self {
        let config = Config { chunking: Chunking::WhenOffered, ..client_config() };
        let mut hub = Self { conn: Connection::new(config, Instant::now()), events: Vec::new() };
        hub.hear("220 store LMTP\r\n");
        hub.hear("250-store\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
        hub.conn.send(envelope(&["a", "b"])).expect("idle");
        hub.hear("");
        hub.hear("250 ok\r\n250 ok\r\n250 ok\r\n");
        assert_eq!(hub.events.last(), Some(&Event::BodyWanted));
        hub
    }

    /// What the client says after this.
    fn hear(&mut self, text: &str) -> String {
        self.conn.receive(text.as_bytes(), Instant::now());
        while let Some(event) = self.conn.poll_event().expect("no error") {
            self.events.push(event);
        }
        let sent: Vec<u8> = std::iter::from_fn(|| self.conn.poll_transmit()).flatten().collect();
        String::from_utf8(sent).expect("ASCII")
    }

    fn fates(&self) -> Vec<(usize, u16)> {
        let fate = |event: &Event| match event {
            Event::Fate { recipient, reply, .. } => Some((*recipient, reply.code().value())),
            _ => None,
        };
        self.events.iter().filter_map(fate).collect()
    }
}

#[test]
fn q6_a_client_sends_the_last_chunk_when_those_before_were_taken() {
    let mut hub = Hub::sending();
    hub.conn.body_chunk(&Bytes::from_static(b"one\r\n")).expect("wanted");
    hub.conn.body_chunk(&Bytes::from_static(b"two")).expect("wanted");
    hub.conn.body_end().expect("wanted");
    assert_eq!(hub.hear(""), "BDAT 5\r\none\r\nBDAT 3\r\ntwo");
    assert_eq!(hub.hear("250 ok\r\n"), "");
    assert_eq!(hub.hear("250 ok\r\n"), "BDAT 2 LAST\r\n\r\n");
    hub.hear("250 ok\r\n452 full\r\n");
    assert_eq!(hub.fates(), [(0, 250), (1, 452)]);
    assert!(hub.conn.is_idle());
}

#[test]
fn q6_behind_a_refused_chunk_no_last_one_is_sent() {
    let mut hub = Hub::sending();
    hub.conn.body_chunk(&Bytes::from_static(b"one\r\n")).expect("wanted");
    hub.conn.body_end().expect("wanted");
    assert_eq!(hub.hear(""), "BDAT 5\r\none\r\n");
    assert_eq!(hub.hear("452 full\r\n"), "RSET\r\n");
    hub.hear("250 ok\r\n");
    assert_eq!(hub.fates(), [(0, 452), (1, 452)]);
    assert!(hub.conn.is_idle());
}
