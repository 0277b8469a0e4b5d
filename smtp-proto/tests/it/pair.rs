//! A client and a server joined in memory, in one piece and byte by byte.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::testing::pump;
use mail_wire::{Connection as _, TlsActive};
use proptest::prelude::*;
use smtp_proto::client::{self, Closed, Envelope, Event, Stage, TlsMode};
use smtp_proto::server::{self, StartTls};
use smtp_proto::{Address, Domain, ForwardPath, Limits, LocalPart, MailParams, ReversePath};

use crate::support::{Message, Site, auth_config, client_config};

/// Both sides, and what the client heard.
struct Pair {
    client: client::Connection,
    site: Site,
    events: Vec<Event>,
    piece_bytes: usize,
}

impl Pair {
    fn new(client: client::Config, server: server::Config, piece_bytes: usize) -> Self {
        let now = Instant::now();
        let mut site = Site::new(server);
        site.conn.greet().expect("first");
        Self { client: client::Connection::new(client, now), site, events: Vec::new(), piece_bytes }
    }

    /// Lets both sides talk until nobody has anything to say; `write` sends the message when it is wanted.
    fn run(&mut self, body: &[u8]) {
        let now = Instant::now();
        loop {
            let moved = pump(&mut self.client, &mut self.site.conn, self.piece_bytes, now);
            let before = self.events.len();
            while let Some(event) = self.client.poll_event().expect("no error") {
                match &event {
                    Event::BodyWanted => {
                        for chunk in body.chunks(self.piece_bytes) {
                            self.client.body_chunk(&Bytes::copy_from_slice(chunk)).expect("wanted");
                        }
                        self.client.body_end().expect("wanted");
                    }
                    Event::StartTls => {
                        self.site.conn.tls_started(now);
                        self.client.tls_started(now);
                    }
                    _ => {}
                }
                self.events.push(event);
            }
            self.poll_server();
            if moved == 0 && before == self.events.len() && self.client.transmit_bytes() == 0 {
                return;
            }
        }
    }

    /// Polls the server's events and leaves its output to the pump.
    fn poll_server(&mut self) {
        self.site.drain();
        let output = std::mem::take(&mut self.site.output);
        self.client.receive(&output, Instant::now());
        assert_eq!(self.site.error, None);
    }

    fn fates(&self) -> Vec<(usize, Stage, u16)> {
        let fate = |event: &Event| match event {
            Event::Fate { recipient, stage, reply, .. } => Some((*recipient, *stage, reply.code().value())),
            _ => None,
        };
        self.events.iter().filter_map(fate).collect()
    }
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    let path = |local: &&str| {
        let domain = Domain::new("foo.com").expect("valid");
        ForwardPath::from(Address::new(LocalPart::new(local).expect("valid"), domain)).into()
    };
    Envelope {
        reverse_path: from.parse::<Address>().map_or(ReversePath::Null, ReversePath::Address),
        params: MailParams { size_bytes: Some(10), ..MailParams::default() },
        recipients: to.iter().map(path).collect(),
    }
}

fn in_all_pieces(check: impl Fn(usize)) {
    [1, 2, 3, 5, 16, usize::MAX].into_iter().for_each(check);
}

#[test]
fn several_messages_pass_over_one_protected_session() {
    in_all_pieces(|piece_bytes| {
        let server = server::Config { start_tls: StartTls::Offer, ..auth_config() };
        let mut pair =
            Pair::new(client::Config { tls: TlsMode::Required, ..client_config() }, server, piece_bytes);
        pair.run(b"");
        assert!(matches!(pair.events[..], [Event::Greeting(_), Event::StartTls, Event::Ready(_)]));
        for _ in 0..3 {
            pair.client.send(envelope("a@b", &["c", "nobody", "later", "d"])).expect("idle");
            pair.run(b".one\r\n..two");
        }
        assert_eq!(
            pair.fates()[..4],
            [
                (1, Stage::Rcpt, 550),
                (2, Stage::Rcpt, 450),
                (0, Stage::Message, 250),
                (3, Stage::Message, 250)
            ]
        );
        let to = vec!["<c@foo.com>".to_owned(), "<d@foo.com>".to_owned()];
        let message = Message { from: "<a@b>".into(), to, body: b".one\r\n..two\r\n".to_vec() };
        assert_eq!(pair.site.seen.messages, vec![message; 3]);
        pair.client.quit().expect("idle");
        pair.run(b"");
        assert_eq!(pair.events.last(), Some(&Event::Closed(Closed::Quit)));
        assert!(pair.site.seen.closed);
    });
}

#[test]
fn refusals_at_every_stage_leave_the_session_usable() {
    in_all_pieces(|piece_bytes| {
        let mut pair = Pair::new(client_config(), auth_config(), piece_bytes);
        pair.run(b"");
        for (to, body, fate) in [
            (&["nobody"][..], "x", (0, Stage::Rcpt, 550)),
            (&["defer"], "x", (0, Stage::Data, 451)),
            (&["c"], "full", (0, Stage::Message, 452)),
            (&["c"], &"x".repeat(1_001), (0, Stage::Message, 552)),
            (&["c"], "fine", (0, Stage::Message, 250)),
        ] {
            pair.events.clear();
            pair.client.send(envelope("a@b", to)).expect("idle");
            pair.run(body.as_bytes());
            assert_eq!(pair.fates(), [fate]);
            assert_eq!(pair.events.last(), Some(&Event::TransactionEnd));
        }
        assert_eq!(pair.site.seen.messages.len(), 1);
    });
}

#[test]
fn a_login_is_checked_by_the_owner() {
    use mail_wire::sasl::{Authcid, Credentials, Mechanism};
    in_all_pieces(|piece_bytes| {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            let server = server::Config { mechanisms: vec![mechanism.into()], ..auth_config() };
            let mut pair = Pair::new(client_config(), server, piece_bytes);
            pair.run(b"");
            for (password, succeeds) in [("wrong", false), ("secret", true)] {
                let password = password.as_bytes().to_vec().into();
                let authcid = Authcid::new(b"alice").expect("valid");
                let credentials = Credentials { authcid, authzid: None, password };
                pair.client.login(&credentials, TlsActive::danger_assume_protected()).expect("offered");
                pair.run(b"");
                assert_eq!(matches!(pair.events.last(), Some(Event::LoggedIn(_))), succeeds);
            }
            assert!(pair.site.conn.is_authenticated());
        }
    });
}

#[test]
fn a_server_that_goes_down_is_heard_in_the_middle_of_a_message() {
    let mut pair = Pair::new(client_config(), auth_config(), usize::MAX);
    pair.run(b"");
    pair.client.send(envelope("a@b", &["c"])).expect("idle");
    let now = Instant::now();
    while !pair.events.contains(&Event::BodyWanted) {
        pump(&mut pair.client, &mut pair.site.conn, 7, now);
        pair.poll_server();
        pair.events.extend(std::iter::from_fn(|| pair.client.poll_event().expect("no error")));
    }
    pair.site.conn.shut_down();
    pair.poll_server();
    pair.run(b"");
    assert_eq!(pair.fates(), [(0, Stage::Message, 421)]);
    assert!(matches!(pair.events.last(), Some(Event::Closed(Closed::Shutdown(_)))));
}

/// What a body is after canonical line ends.
pub(crate) fn canonical(body: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for (at, byte) in body.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && body[at - 1] == b'\r' => {}
            b'\r' | b'\n' => out.extend_from_slice(b"\r\n"),
            _ => out.push(*byte),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn f2_any_body_arrives_in_its_canonical_form_as_one_message(
        body in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..300),
        piece_bytes in 1_usize..50,
    ) {
        let server = server::Config { limits: Limits::default(), ..auth_config() };
        let mut pair = Pair::new(client_config(), server, piece_bytes);
        pair.run(b"");
        pair.client.send(envelope("a@b", &["c"]))?;
        pair.run(&body);
        let expected = canonical(&body);
        prop_assert_eq!(pair.site.seen.messages.len(), usize::from(!body.starts_with(b"full")));
        if let Some(message) = pair.site.seen.messages.first() {
            prop_assert_eq!(&message.body, &expected);
        }
    }

    #[test]
    fn e3_any_address_reaches_the_other_side_as_it_was(local in "[ -~]{0,40}") {
        let mut pair = Pair::new(client_config(), auth_config(), usize::MAX);
        pair.run(b"");
        let address = Address::new(LocalPart::new(&local)?, Domain::new("foo.com")?);
        let special = matches!(local.to_ascii_lowercase().as_str(), "green" | "nobody" | "later" | "defer");
        prop_assume!(!special);
        pair.client.send(Envelope { recipients: vec![ForwardPath::from(address.clone()).into()], ..envelope("a@b", &[]) })?;
        pair.run(b"x");
        prop_assert_eq!(&pair.site.seen.messages[0].to, &vec![format!("<{address}>")]);
    }
}
