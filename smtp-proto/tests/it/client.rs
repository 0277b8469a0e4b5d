//! A client against servers that misbehave, say 421, or leave.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mail_wire::sasl::{Authcid, Authzid, Credentials};
use mail_wire::{ApiMisuse, Connection as _, Error, PeerIncompatible, PeerMisbehaved, TlsActive};
use smtp_proto::client::{Closed, Connection, Envelope, Event, Stage};
use smtp_proto::{Address, Body, ForwardPath, MailParams, OtherParam, ReversePath, Verdict};

use crate::support::client_config;

fn envelope(count: usize) -> Envelope {
    let address = |n| format!("user{n}@foo.com").parse::<Address>().expect("valid");
    Envelope {
        reverse_path: ReversePath::Null,
        params: MailParams::default(),
        recipients: (0..count).map(|n| ForwardPath::from(address(n)).into()).collect(),
    }
}

/// A client and the bytes that it has sent.
struct Client {
    conn: Connection,
    events: Vec<Event>,
    sent: String,
    error: Option<Error>,
}

impl Client {
    fn new() -> Self {
        let conn = Connection::new(client_config(), Instant::now());
        Self { conn, events: Vec::new(), sent: String::new(), error: None }
    }

    /// Past the hello of a server that announces these extensions.
    fn ready(extensions: &[&str]) -> Self {
        let mut client = Self::new();
        client.hear("220 a\r\n");
        let mut hello = String::from("250-a\r\n");
        for extension in extensions {
            hello += &format!("250-{extension}\r\n");
        }
        client.hear(&(hello + "250 HELP\r\n"));
        assert!(matches!(client.events.last(), Some(Event::Ready(_))));
        client.events.clear();
        client.sent.clear();
        client
    }

    /// In the middle of a message for two recipients.
    fn in_body() -> Self {
        let mut client = Self::ready(&["PIPELINING"]);
        client.conn.send(envelope(2)).expect("idle");
        client.drain();
        client.hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
        assert_eq!(client.events.last(), Some(&Event::BodyWanted));
        client.events.clear();
        client
    }

    fn hear(&mut self, text: &str) {
        self.conn.receive(text.as_bytes(), Instant::now());
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.conn.poll_event() {
                Ok(Some(event)) => self.events.push(event),
                Ok(None) => break,
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
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

    fn closed(&self) -> Option<&Closed> {
        self.events.iter().find_map(|e| if let Event::Closed(how) = e { Some(how) } else { None })
    }
}

#[test]
fn a_421_is_taken_at_any_time_and_decides_for_all_that_is_open() {
    let mut idle = Client::ready(&[]);
    idle.hear("421 4.3.2 going down\r\n");
    assert!(matches!(idle.closed(), Some(Closed::Shutdown(_))) && idle.error.is_none());

    let mut after_mail = Client::ready(&["PIPELINING"]);
    after_mail.conn.send(envelope(2)).expect("idle");
    after_mail.drain();
    after_mail.hear("250 ok\r\n550 no\r\n421 going down\r\n");
    assert_eq!(after_mail.fates(), [(0, Stage::Rcpt, 550), (1, Stage::Rcpt, 421)]);
    assert!(matches!(after_mail.closed(), Some(Closed::Shutdown(_))));

    let mut in_body = Client::in_body();
    in_body.hear("421-going\r\n421 down\r\n");
    assert_eq!(in_body.fates(), [(0, Stage::Message, 421), (1, Stage::Message, 421)]);
    assert!(matches!(in_body.closed(), Some(Closed::Shutdown(_))) && in_body.conn.is_closing());
}

#[test]
fn a_server_that_leaves_decides_nothing() {
    for text in ["", "250", "250-ok\r\n"] {
        let mut client = Client::in_body();
        client.conn.body_end().expect("wanted");
        client.drain();
        client.hear(text);
        client.conn.receive_eof();
        client.drain();
        assert_eq!((client.fates().len(), client.closed()), (0, Some(&Closed::Dropped)));
        assert!(client.error.is_none() && client.conn.is_closing());
    }
    let mut client = Client::ready(&[]);
    client.conn.quit().expect("idle");
    client.conn.receive_eof();
    client.drain();
    assert_eq!(client.closed(), Some(&Closed::Quit));
}

#[test]
fn a_refused_greeting_or_hello_is_told_with_its_reply() {
    let mut client = Client::new();
    client.hear("554 5.7.1 go away\r\n");
    assert!(matches!(client.closed(), Some(Closed::Refused(r)) if r.verdict() == Verdict::Permanent));
    let mut client = Client::new();
    client.hear("220 a\r\n");
    client.hear("451 later\r\n");
    assert!(matches!(client.closed(), Some(Closed::Refused(r)) if r.verdict() == Verdict::Temporary));
}

#[test]
fn t4_replies_that_nobody_asked_for_are_fatal() {
    for unsolicited in ["250 ok\r\n", "250-more\r\n", "354 go\r\n"] {
        let mut client = Client::ready(&[]);
        client.hear(unsolicited);
        assert_eq!(client.error, Some(PeerMisbehaved::UnsolicitedReply.into()));
    }
    // A verdict on a message that is not yet complete.
    let mut client = Client::in_body();
    client.hear("250 ok\r\n");
    assert_eq!(client.error, Some(PeerMisbehaved::UnsolicitedReply.into()));
    // A reply to a command that still waits to be sent.
    let mut client = Client::ready(&[]);
    client.conn.noop().expect("idle");
    client.conn.receive(b"250 ok\r\n", Instant::now());
    assert_eq!(client.conn.poll_event(), Err(PeerMisbehaved::UnsolicitedReply.into()));
}

#[test]
fn replies_that_make_no_sense_are_fatal() {
    for (replies, error) in [
        ("354 go\r\n", PeerMisbehaved::UnexpectedReply),
        ("250 ok\r\n334 x\r\n", PeerMisbehaved::UnexpectedReply),
        ("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", PeerMisbehaved::UnexpectedReply),
        ("250-ok\r\n251 ok\r\n", PeerMisbehaved::UnexpectedReply),
    ] {
        let mut client = Client::ready(&["PIPELINING"]);
        client.conn.send(envelope(2)).expect("idle");
        client.drain();
        client.hear(replies);
        assert_eq!(client.error, Some(error.into()), "{replies}");
        assert!(client.fates().is_empty());
    }
    for bad in ["hello\r\n", "25\r\n", "2500 x\r\n", "250 a\nb\r\n", "250 a\0\r\n", "\r\n"] {
        let mut client = Client::new();
        client.hear(bad);
        assert!(matches!(client.error, Some(Error::InvalidMessage(_))), "{bad:?}");
    }
}

#[test]
fn f8_endless_replies_are_given_up_by_lines_and_by_bytes() {
    let mut client = Client::new();
    for _ in 0..300 {
        client.hear("220-more\r\n");
    }
    assert!(matches!(client.error, Some(Error::LimitExceeded(e)) if e.limit == "reply_lines_max"));
    let mut client = Client::new();
    client.hear(&format!("220 {}\r\n", "x".repeat(3_000)));
    assert!(matches!(client.error, Some(Error::LimitExceeded(e)) if e.limit == "line_bytes_max"));
}

#[test]
fn a_refused_mail_is_everybody_s_fate_and_its_echoes_are_passed_over() {
    let mut client = Client::ready(&["PIPELINING"]);
    client.conn.send(envelope(2)).expect("idle");
    client.drain();
    assert_eq!(client.sent, "MAIL FROM:<>\r\nRCPT TO:<user0@foo.com>\r\nRCPT TO:<user1@foo.com>\r\nDATA\r\n");
    client.hear("451 later\r\n503 MAIL first\r\n503 MAIL first\r\n503 MAIL first\r\n");
    assert_eq!(client.fates(), [(0, Stage::Mail, 451), (1, Stage::Mail, 451)]);
    assert_eq!(client.events.last(), Some(&Event::TransactionEnd));
    assert!(client.conn.is_idle());
}

#[test]
fn a_552_to_one_recipient_too_many_is_temporary_and_to_the_first_is_not() {
    let verdicts = |replies: &str| {
        let mut client = Client::ready(&["PIPELINING"]);
        client.conn.send(envelope(2)).expect("idle");
        client.drain();
        client.hear(replies);
        let verdict =
            |event: &Event| if let Event::Fate { verdict, .. } = event { Some(*verdict) } else { None };
        client.events.iter().filter_map(verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("250 ok\r\n250 ok\r\n552 too many\r\n"), [Verdict::Temporary]);
    assert_eq!(verdicts("250 ok\r\n552 full\r\n250 ok\r\n"), [Verdict::Permanent]);
}

#[test]
fn a_refused_data_is_the_fate_of_the_accepted_and_the_transaction_is_reset() {
    let mut client = Client::ready(&[]);
    client.conn.send(envelope(2)).expect("idle");
    for reply in ["250 ok\r\n", "250 ok\r\n", "550 no\r\n", "451 later\r\n"] {
        client.drain();
        client.hear(reply);
    }
    assert_eq!(client.fates(), [(1, Stage::Rcpt, 550), (0, Stage::Data, 451)]);
    assert!(client.sent.ends_with("DATA\r\nRSET\r\n") && !client.conn.is_idle());
    client.hear("250 ok\r\n");
    assert_eq!(client.events.last(), Some(&Event::TransactionEnd));
}

#[test]
fn calls_out_of_state_are_misuse_and_change_nothing() {
    let wrong = |result: Result<(), ApiMisuse>| assert!(matches!(result, Err(ApiMisuse::WrongState(_))));
    let mut client = Client::new();
    assert!(client.conn.send(envelope(1)).is_err());
    wrong(client.conn.quit());
    let mut client = Client::in_body();
    client.sent.clear();
    wrong(client.conn.noop());
    assert!(client.conn.send(envelope(1)).is_err());
    client.conn.body_end().expect("wanted");
    wrong(client.conn.body_chunk(&Bytes::from_static(b"x")));
    wrong(client.conn.body_end());
    client.drain();
    assert_eq!(client.sent, ".\r\n");
    let mut client = Client::ready(&[]);
    assert!(client.conn.send(envelope(0)).is_err());
    assert!(client.conn.send(envelope(1_001)).is_err());
    assert!(client.conn.send(envelope(1_000)).is_ok());
}

#[test]
fn an_envelope_is_told_only_what_the_server_understands() {
    let params = MailParams { size_bytes: Some(9), body: Some(Body::SevenBit), ..MailParams::default() };
    let mail = |extensions: &[&str], params: &MailParams| {
        let mut client = Client::ready(extensions);
        let sent = client.conn.send(Envelope { params: params.clone(), ..envelope(1) });
        client.drain();
        sent.map(|()| client.sent.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(mail(&[], &params), Ok("MAIL FROM:<>".into()));
    assert_eq!(mail(&["SIZE 9", "8BITMIME"], &params), Ok("MAIL FROM:<> SIZE=9 BODY=7BIT".into()));
    assert!(
        matches!(mail(&["SIZE 8"], &params), Err(Error::LimitExceeded(e)) if (e.limit, e.max) == ("SIZE", 8))
    );
    let eight = MailParams { body: Some(Body::EightBitMime), ..MailParams::default() };
    assert_eq!(mail(&[], &eight), Err(PeerIncompatible::Missing("8BITMIME").into()));
    let other = MailParams {
        other: vec![OtherParam::new("XID", Some("1")).expect("valid")],
        ..MailParams::default()
    };
    assert!(matches!(mail(&[], &other), Err(Error::PeerIncompatible(_))));
    assert_eq!(mail(&["XID"], &other), Ok("MAIL FROM:<> XID=1".into()));
}

fn credentials(authzid: Option<&str>) -> Credentials {
    Credentials {
        authcid: Authcid::new(b"alice").expect("valid"),
        authzid: authzid.map(|name| Authzid::new(name.as_bytes()).expect("valid")),
        password: b"secret".to_vec().into(),
    }
}

#[test]
fn a_login_takes_plain_or_login_and_never_answers_one_challenge_too_many() {
    let proof = TlsActive::danger_assume_protected();
    let mut client = Client::ready(&["AUTH LOGIN PLAIN"]);
    client.conn.login(&credentials(Some("bob")), proof).expect("offered");
    client.drain();
    assert_eq!(client.sent, "AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n");
    client.hear("334 \r\n");
    assert!(client.sent.ends_with("\r\n*\r\n"));
    client.hear("535 no\r\n");
    assert!(matches!(client.events.last(), Some(Event::LoginFailed(_))) && client.conn.is_idle());

    let mut client = Client::ready(&["AUTH=LOGIN"]);
    assert!(client.conn.login(&credentials(Some("bob")), proof).is_err());
    client.conn.login(&credentials(None), proof).expect("offered");
    for reply in ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 2.7.0 ok\r\n"] {
        client.drain();
        client.hear(reply);
    }
    assert_eq!(client.sent, "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n");
    assert!(matches!(client.events.last(), Some(Event::LoggedIn(_))));

    let mut client = Client::ready(&["AUTH CRAM-MD5"]);
    assert!(matches!(client.conn.login(&credentials(None), proof), Err(Error::PeerIncompatible(_))));
    assert_eq!(client.sent, "");
}

#[test]
fn a_long_password_does_not_go_into_the_command() {
    let mut client = Client::ready(&["AUTH PLAIN"]);
    let long = Credentials { password: vec![b'x'; 400].into(), ..credentials(None) };
    client.conn.login(&long, TlsActive::danger_assume_protected()).expect("offered");
    client.drain();
    assert_eq!(client.sent, "AUTH PLAIN\r\n");
    client.hear("334 \r\n");
    client.hear("235 ok\r\n");
    assert!(matches!(client.events.last(), Some(Event::LoggedIn(_))));
    // A server that is content with half an exchange.
    let mut client = Client::ready(&["AUTH PLAIN"]);
    client.conn.login(&long, TlsActive::danger_assume_protected()).expect("offered");
    client.drain();
    client.hear("235 ok\r\n");
    assert_eq!(client.error, Some(PeerMisbehaved::UnexpectedReply.into()));
}

#[test]
fn each_reply_has_its_own_deadline_and_an_idle_connection_none() {
    let start = Instant::now();
    let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
    let mut conn = Connection::new(client_config(), start);
    assert_eq!(conn.poll_timeout(), Some(at(5)));
    let hear = |conn: &mut Connection, text: &str, minutes| {
        while conn.poll_transmit().is_some() {}
        conn.receive(text.as_bytes(), at(minutes));
        while let Ok(Some(_)) = conn.poll_event() {}
        while conn.poll_transmit().is_some() {}
    };
    hear(&mut conn, "220 a\r\n", 1);
    assert_eq!(conn.poll_timeout(), Some(at(6)));
    hear(&mut conn, "250 a\r\n", 2);
    assert_eq!(conn.poll_timeout(), None);
    conn.send(envelope(1)).expect("idle");
    conn.handle_timeout(at(10));
    assert_eq!(conn.poll_timeout(), Some(at(15)));
    hear(&mut conn, "250 a\r\n", 11);
    hear(&mut conn, "250 a\r\n", 12);
    assert_eq!(conn.poll_timeout(), Some(at(14)));
    hear(&mut conn, "354 a\r\n", 13);
    assert_eq!(conn.poll_timeout(), None);
    conn.body_end().expect("wanted");
    conn.handle_timeout(at(20));
    assert_eq!(conn.poll_timeout(), Some(at(30)));
    conn.handle_timeout(at(30));
    assert_eq!(conn.poll_event(), Err(PeerMisbehaved::TimedOut.into()));
}
