//! An LMTP client against servers that answer too little, too much, or too early.

use std::time::Instant;

use lmtp_proto::client::{Closed, Config, Connection, Envelope, Event, Stage, TlsMode};
use mail_wire::{Connection as _, Error, PeerMisbehaved};
use smtp_proto::{Domain, ForwardPath, MailParams, ReversePath};

pub(crate) fn config() -> Config {
    Config { tls: TlsMode::Never, ..Config::new(Domain::new("hub").expect("valid")) }
}

pub(crate) fn envelope(users: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Null,
        params: MailParams::default(),
        recipients: users.iter().map(|user| ForwardPath::local(user).expect("valid").into()).collect(),
    }
}

struct Client {
    conn: Connection,
    sent: String,
    events: Vec<Event>,
    error: Option<Error>,
}

impl Client {
    /// Behind the hello of a pipelining server, with a message for three under way.
    fn sending() -> Self {
        let conn = Connection::new(config(), Instant::now());
        let mut client = Self { conn, sent: String::new(), events: Vec::new(), error: None };
        client.hear("220 store LMTP\r\n");
        assert_eq!(client.sent, "LHLO hub\r\n");
        client.hear("250-store\r\n250 PIPELINING\r\n");
        client.conn.send(envelope(&["a", "b", "c"])).expect("idle");
        client.hear("");
        client
    }

    /// The same, with the message sent; `b` was refused.
    fn sent() -> Self {
        let mut client = Self::sending();
        client.hear("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n");
        client.conn.body_end().expect("wanted");
        client.hear("");
        client
    }

    fn hear(&mut self, text: &str) {
        self.conn.receive(text.as_bytes(), Instant::now());
        while self.error.is_none() {
            match self.conn.poll_event() {
                Ok(Some(event)) => self.events.push(event),
                Ok(None) => break,
                Err(error) => self.error = Some(error),
            }
        }
        while let Some(bytes) = self.conn.poll_transmit() {
            self.sent += std::str::from_utf8(&bytes).expect("ASCII");
        }
    }

    fn fates(&self) -> Vec<(usize, Stage, u16)> {
        let fate = |event: &Event| match event {
            Event::Fate { recipient, stage, reply, .. } => Some((*recipient, *stage, reply.code().value())),
            _ => None,
        };
        self.events.iter().filter_map(fate).collect()
    }
}

#[test]
fn q6_permanent_and_temporary_failures_stay_with_their_recipients() {
    let mut client = Client::sent();
    client.hear("452 4.2.2 full\r\n550-5.1.1 no\r\n550 5.1.1 no\r\n");
    assert_eq!(client.fates(), [(1, Stage::Rcpt, 550), (0, Stage::Message, 452), (2, Stage::Message, 550)]);
    assert_eq!(client.events.last(), Some(&Event::TransactionEnd));
    assert!(client.conn.is_idle());
}

#[test]
fn q6_one_reply_too_few_leaves_that_recipient_undecided() {
    let mut client = Client::sent();
    client.hear("250 ok\r\n");
    assert_eq!(client.fates().last(), Some(&(0, Stage::Message, 250)));
    assert!(!client.conn.is_idle());
    client.conn.receive_eof();
    client.hear("");
    assert_eq!(client.fates().len(), 2);
    assert_eq!(client.events.last(), Some(&Event::Closed(Closed::Dropped)));
}

#[test]
fn q6_one_reply_too_many_is_fatal() {
    let mut client = Client::sent();
    client.hear("250 ok\r\n250 ok\r\n250 ok\r\n");
    assert_eq!(client.fates().len(), 3);
    assert_eq!(client.error, Some(PeerMisbehaved::UnsolicitedReply.into()));
}

#[test]
fn q6_a_421_between_the_replies_decides_for_the_rest() {
    let mut client = Client::sent();
    client.hear("250 ok\r\n421 4.3.2 down\r\n");
    assert_eq!(client.fates(), [(1, Stage::Rcpt, 550), (0, Stage::Message, 250), (2, Stage::Message, 421)]);
    assert!(matches!(client.events.last(), Some(Event::Closed(Closed::Shutdown(_)))));
}

#[test]
fn a_message_for_nobody_is_ended_and_no_reply_awaited() {
    let mut client = Client::sending();
    client.sent.clear();
    client.hear("250 ok\r\n550 no\r\n550 no\r\n550 no\r\n354 go\r\n");
    assert_eq!(client.sent, ".\r\n");
    assert!(client.conn.is_idle());
    let mut client = Client::sending();
    client.sent.clear();
    client.hear("250 ok\r\n550 no\r\n550 no\r\n550 no\r\n503 no recipients\r\n");
    assert_eq!(client.sent, "RSET\r\n");
    client.hear("250 ok\r\n");
    assert!(client.conn.is_idle());
}

#[test]
fn a_refused_lhlo_is_no_reason_to_try_another_hello() {
    let mut conn = Connection::new(config(), Instant::now());
    conn.receive(b"220 mx ESMTP\r\n", Instant::now());
    assert!(matches!(conn.poll_event(), Ok(Some(Event::Greeting(_)))));
    while conn.poll_transmit().is_some() {}
    conn.receive(b"500 what?\r\n", Instant::now());
    assert!(matches!(conn.poll_event(), Ok(Some(Event::Closed(Closed::Refused(_))))));
    assert!(conn.poll_transmit().is_none() && conn.is_closing());
}
