//! Both connections joined in memory; and two pairs joined by a relay, as in a proxy.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::testing::pump;
use mail_wire::{BareLineEnd, Connection as _, PeerMisbehaved, Text, TlsActive, TlsMode};
use pop3_proto::client::{self, Event};
use pop3_proto::relay::Relay;
use pop3_proto::{ListingView, MaildropCommand, Password, ResponseCode, UserName, server};
use proptest::prelude::*;

use crate::support::{Maildrop, config, credentials, message, server};

struct Pair {
    client: client::Connection,
    server: server::Connection,
    maildrop: Maildrop,
    piece_bytes: usize,
}

impl Pair {
    fn new(piece_bytes: usize) -> Self {
        let client = client::Connection::new(client::Config::new(TlsMode::Never), Instant::now());
        Self { client, server: server(config()), maildrop: Maildrop::default(), piece_bytes }
    }

    fn run(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let moved = pump(&mut self.server, &mut self.client, self.piece_bytes, Instant::now());
            self.maildrop.serve(&mut self.server).unwrap();
            while let Some(event) = self.client.poll_event().unwrap() {
                events.push(event);
            }
            if moved == 0 && self.client.transmit_bytes() == 0 && self.server.transmit_bytes() == 0 {
                return events;
            }
        }
    }

    fn logged_in(piece_bytes: usize) -> Self {
        let mut pair = Self::new(piece_bytes);
        assert!(matches!(pair.run()[..], [Event::Greeting(_)]));
        let (name, password) = (UserName::new(b"mrose").unwrap(), Password::new(b"secret").unwrap());
        pair.client.login(name, password, TlsActive::danger_assume_protected()).unwrap();
        assert!(matches!(pair.run()[..], [Event::LoggedIn(_)]));
        pair
    }
}

fn body(events: &[Event]) -> Vec<u8> {
    let chunks = events.iter().filter_map(|event| match event {
        Event::Chunk(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    chunks.flatten().collect()
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    for piece_bytes in [1, 100, usize::MAX] {
        let mut pair = Pair::logged_in(piece_bytes);
        let commands = [
            MaildropCommand::Retr(message(1)),
            MaildropCommand::Dele(message(1)),
            MaildropCommand::Retr(message(1)),
            MaildropCommand::Uidl(None),
            MaildropCommand::Retr(message(2)),
            MaildropCommand::Stat,
        ];
        for command in commands {
            pair.client.send(command).unwrap();
        }
        pair.client.quit().unwrap();
        assert!(pair.client.send(MaildropCommand::Noop).is_err(), "QUIT is the last");
        let events = pair.run();
        let answered: Vec<MaildropCommand> = events
            .iter()
            .filter_map(|event| match event {
                Event::Reply(command, _) | Event::End(command) => Some(*command),
                _ => None,
            })
            .collect();
        assert_eq!(answered, commands);
        let bodies = b"Subject: one\r\n\r\n.\r\n..leading dots\r\nSubject: two\r\n\r\nno line end\r\n";
        assert_eq!(body(&events), bodies);
        assert!(matches!(events.last(), Some(Event::Goodbye(reply)) if reply.is_ok()));
        assert_eq!(pair.maildrop.messages.len(), 1, "the UPDATE state was entered");
        assert!(pair.client.is_closing() && pair.server.is_closing());
    }
}

#[test]
fn without_quit_nothing_is_removed() {
    let mut pair = Pair::logged_in(usize::MAX);
    pair.client.send(MaildropCommand::Dele(message(1))).unwrap();
    pair.run();
    pair.server.receive_eof();
    pair.maildrop.serve(&mut pair.server).unwrap();
    assert!(pair.server.is_closing());
    assert_eq!(pair.maildrop.messages.len(), 2);
}

#[test]
fn a_refused_login_may_be_tried_again() {
    let mut pair = Pair::new(usize::MAX);
    pair.run();
    let proof = TlsActive::danger_assume_protected();
    let (name, password) = (UserName::new(b"mrose").unwrap(), Password::new(b"wrong").unwrap());
    pair.client.login(name, password, proof).unwrap();
    let events = pair.run();
    let [Event::LoginFailed(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(reply.code, Some(ResponseCode::Auth));
    pair.client.login_plain(&credentials(), proof).unwrap();
    assert!(matches!(pair.run()[..], [Event::LoggedIn(_)]));
}

#[test]
fn a_long_initial_message_waits_for_the_server_to_ask() {
    let mut pair = Pair::new(1);
    pair.run();
    let mut long = credentials();
    long.password = vec![b'x'; 300].into();
    pair.client.login_plain(&long, TlsActive::danger_assume_protected()).unwrap();
    assert_eq!(pair.client.transmit_bytes(), "AUTH PLAIN\r\n".len());
    assert!(matches!(pair.run()[..], [Event::LoginFailed(_)]));
}

/// A client, a proxy made of a server, a relay and a client, and a back-end.
struct Proxy {
    user: client::Connection,
    front: server::Connection,
    relay: Relay,
    back: Pair,
}

impl Proxy {
    fn logged_in() -> Self {
        let Pair { mut client, server: front, .. } = Pair::new(usize::MAX);
        let (mut front, now) = (front, Instant::now());
        loop {
            let moved = pump(&mut front, &mut client, usize::MAX, now);
            match client.poll_event().unwrap() {
                Some(Event::Greeting(_)) => {
                    client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
                }
                Some(Event::LoggedIn(_)) => break,
                _ => {}
            }
            match front.poll_event().unwrap() {
                Some(server::Event::Authenticate { ticket, .. }) => {
                    front.auth_ok(ticket, &Text::constant("in")).unwrap();
                }
                _ => assert!(moved > 0, "stuck"),
            }
        }
        Self { user: client, front, relay: Relay::new(), back: Pair::logged_in(usize::MAX) }
    }

    fn run(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..50 {
            pump(&mut self.user, &mut self.front, usize::MAX, Instant::now());
            match self.front.poll_event().unwrap() {
                Some(server::Event::Maildrop(ticket, command)) => {
                    self.relay.command(ticket, command, &mut self.back.client).unwrap();
                }
                Some(server::Event::Quit(ticket)) => self.relay.quit(ticket, &mut self.back.client).unwrap(),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            for event in self.back.run() {
                assert_eq!(self.relay.event(event, &mut self.front), Ok(None));
            }
            pump(&mut self.user, &mut self.front, usize::MAX, Instant::now());
            while let Some(event) = self.user.poll_event().unwrap() {
                events.push(event);
            }
        }
        events
    }
}

#[test]
fn f2_a_proxy_writes_everything_anew_and_loses_nothing() {
    let mut proxy = Proxy::logged_in();
    let large = Bytes::from(b".dots\r\n".repeat(10_000));
    proxy.back.maildrop.messages[1].text = large.clone();
    for command in [
        MaildropCommand::Stat,
        MaildropCommand::List(None),
        MaildropCommand::Uidl(None),
        MaildropCommand::Retr(message(2)),
        MaildropCommand::Retr(message(9)),
        MaildropCommand::Top(message(1), 0),
        MaildropCommand::Dele(message(1)),
    ] {
        proxy.user.send(command).unwrap();
    }
    proxy.user.quit().unwrap();
    let events = proxy.run();
    assert_eq!(body(&events), [&large[..], b"Subject: one\r\n\r\n"].concat());
    let listings = |event: &&Event| matches!(event, Event::ScanListing(_) | Event::UniqueIdListing(_));
    assert_eq!(events.iter().filter(listings).count(), 4);
    assert!(matches!(events.last(), Some(Event::Goodbye(reply)) if reply.is_ok()));
    assert_eq!(proxy.back.maildrop.messages.len(), 1);
    assert!(!proxy.relay.is_busy());
}

#[test]
fn a_lost_back_end_is_told_to_the_client() {
    let mut proxy = Proxy::logged_in();
    proxy.user.send(MaildropCommand::Stat).unwrap();
    pump(&mut proxy.user, &mut proxy.front, usize::MAX, Instant::now());
    let Ok(Some(server::Event::Maildrop(ticket, command))) = proxy.front.poll_event() else { panic!() };
    proxy.relay.command(ticket, command, &mut proxy.back.client).unwrap();
    proxy.relay.lost(&mut proxy.front).unwrap();
    pump(&mut proxy.user, &mut proxy.front, usize::MAX, Instant::now());
    let Ok(Some(Event::Reply(MaildropCommand::Stat, reply))) = proxy.user.poll_event() else { panic!() };
    assert_eq!(reply.code, Some(ResponseCode::SysTemp));
}

#[test]
fn half_a_message_is_never_taken_for_a_whole_one() {
    let mut proxy = Proxy::logged_in();
    proxy.user.send(MaildropCommand::Retr(message(1))).unwrap();
    pump(&mut proxy.user, &mut proxy.front, usize::MAX, Instant::now());
    let Ok(Some(server::Event::Maildrop(ticket, command))) = proxy.front.poll_event() else { panic!() };
    proxy.relay.command(ticket, command, &mut proxy.back.client).unwrap();
    let begin = Event::Begin(command, pop3_proto::Reply::ok(Text::constant("follows")));
    proxy.relay.event(begin, &mut proxy.front).unwrap();
    proxy.relay.event(Event::Chunk("Subject: half\r\n".into()), &mut proxy.front).unwrap();
    proxy.relay.lost(&mut proxy.front).unwrap();
    assert!(proxy.front.is_closing());
    pump(&mut proxy.front, &mut proxy.user, usize::MAX, Instant::now());
    proxy.user.receive_eof();
    let end = loop {
        match proxy.user.poll_event() {
            Ok(Some(Event::End(_)) | None) => panic!("the message looks whole"),
            Ok(Some(_)) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(end, PeerMisbehaved::ClosedMidMessage.into());
}

/// CRLF for every line end, and one at the end, which is what a message reads as behind the writer.
fn canonical(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(*other),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

proptest! {
    #[test]
    fn f3_any_message_arrives_whole_however_it_is_cut(
        text in prop::collection::vec(prop::sample::select(b"\r\n.A".to_vec()), 0..40),
        piece_bytes in 1..10_usize,
    ) {
        let mut pair = Pair::logged_in(piece_bytes);
        pair.maildrop.messages[0].text = text.clone().into();
        pair.client.send(MaildropCommand::Retr(message(1))).unwrap();
        pair.client.send(MaildropCommand::Noop).unwrap();
        let events = pair.run();
        prop_assert_eq!(body(&events), canonical(&text));
        // What follows is still in step.
        let noop = Some(MaildropCommand::Noop);
        prop_assert_eq!(noop, events.last().and_then(|event| match event {
            Event::Reply(command, _) => Some(*command),
            _ => None,
        }));
    }
}

/// A client that has asked for a message and reads these bytes for it.
fn retrieved(bare: BareLineEnd, bytes: &[u8]) -> (Vec<u8>, bool, Result<(), mail_wire::Error>) {
    let config = client::Config { bare_line_end: bare, ..client::Config::new(TlsMode::Never) };
    let mut pair = Pair::new(usize::MAX);
    pair.client = client::Connection::new(config, Instant::now());
    pair.run();
    pair.client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
    pair.run();
    pair.client.send(MaildropCommand::Retr(message(1))).unwrap();
    while pair.client.poll_transmit().is_some() {}
    pair.client.receive(&[b"+OK\r\n", bytes].concat(), Instant::now());
    let mut events = Vec::new();
    let result = loop {
        match pair.client.poll_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    (body(&events), events.iter().any(|event| matches!(event, Event::End(_))), result)
}

#[test]
fn f1_f4_only_crlf_dot_crlf_ends_a_message() {
    for end in [&b"a\n.\n"[..], b"a\n.\r\n", b"a\r\n.\n", b"a\r.\r\n", b"a\r\n.\r\r\n", b"a\r\n.\r"] {
        for bare in [BareLineEnd::Refuse, BareLineEnd::DangerNormalize] {
            let (_, ended, _) = retrieved(bare, end);
            assert!(!ended, "{end:?}");
        }
    }
    let (text, ended, result) = retrieved(BareLineEnd::Refuse, b"a\r\n..\r\n.\r\n");
    assert_eq!((&text[..], ended, result), (&b"a\r\n.\r\n"[..], true, Ok(())));
    assert!(retrieved(BareLineEnd::Refuse, b"a\nb\r\n.\r\n").2.is_err());
    let (text, ended, result) = retrieved(BareLineEnd::DangerNormalize, b"a\nb\r\n.\r\n");
    assert_eq!((&text[..], ended, result), (&b"a\r\nb\r\n"[..], true, Ok(())));
}

/// The lines of a listing and what else is heard of these bytes behind a login, with and without views.
fn listed(command: MaildropCommand, pieces: &[&[u8]], views: Views) -> Vec<String> {
    let mut client = Pair::logged_in(usize::MAX).client;
    client.send(command).unwrap();
    while client.poll_transmit().is_some() {}
    let mut heard = Vec::new();
    for piece in pieces {
        client.receive(piece, Instant::now());
        loop {
            while views == Views::First
                && let Some(line) = client.poll_listing()
            {
                heard.push(match line {
                    ListingView::Scan(line) => format!("{line:?}"),
                    ListingView::UniqueId(n, id) => format!("{n} {id}"),
                });
            }
            match client.poll_event() {
                Ok(Some(Event::ScanListing(line))) => heard.push(format!("{line:?}")),
                Ok(Some(Event::UniqueIdListing(line))) => {
                    heard.push(format!("{} {}", line.message, line.id.as_str()));
                }
                Ok(Some(event)) => heard.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => {
                    heard.push(error.to_string());
                    return heard;
                }
            }
        }
    }
    heard
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Views {
    First,
    Never,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_listing_reads_the_same_as_views_and_as_events(
        lines in prop::collection::vec(
            prop_oneof![
                4 => "[1-9][0-9]{0,3} [0-9]{1,6}",
                2 => "[0-9]{1,2} [!-~]{1,72}",
                1 => "[ -~]{0,8}",
            ],
            0..8,
        ),
        damage in prop::option::of((0_usize..100, any::<u8>())),
        cut in 1_usize..30,
        command in prop::sample::select(vec![MaildropCommand::List(None), MaildropCommand::Uidl(None)]),
    ) {
        let mut wire = format!("+OK\r\n{}.\r\n", lines.iter().map(|l| format!("{l}\r\n")).collect::<String>()).into_bytes();
        if let Some((at, byte)) = damage
            && let Some(place) = wire.get_mut(at)
        {
            *place = byte;
        }
        let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
        let events = listed(command, &[&wire], Views::Never);
        prop_assert_eq!(&listed(command, &[&wire], Views::First), &events);
        prop_assert_eq!(&listed(command, &pieces, Views::First), &events);
        prop_assert_eq!(&listed(command, &pieces, Views::Never), &events);
    }
}
