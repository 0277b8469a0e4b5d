//! Whole sessions, byte for byte.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::testing::{every_split, pump};
use mail_wire::{Connection as _, Outbox, TlsActive, TlsMode};
use mupdate_proto::client::{self, CommandId, Event, Outcome};
use mupdate_proto::{
    Acl, Change, Command, Location, LocationPrefix, MailboxEntry, MailboxName, Response, ServerName,
};

use crate::support::{
    Master, Said, client_bytes, config, credentials, output, server, server_bytes, text, transcript,
};

/// Feeds everything that the client says, however it is cut, and compares everything that the server says.
fn server_says(file: &str) {
    let transcript = transcript(file);
    let said = every_split(&client_bytes(&transcript), |pieces| {
        let (mut server, mut master) = (server(config()), Master::default());
        for piece in pieces {
            server.receive(piece, Instant::now());
            master.serve(&mut server).unwrap();
        }
        assert!(server.is_closing(), "LOGOUT closes");
        text(&output(&mut server))
    });
    assert_eq!(said, text(&server_bytes(&transcript)));
}

#[test]
fn a_session_of_a_back_end_and_a_tool() {
    server_says(include_str!("../../testdata/session.txt"));
}

#[test]
fn a_session_of_a_slave() {
    server_says(include_str!("../../testdata/stream.txt"));
}

/// Every example of the RFC means something to the side that it is for, and that side writes it the same way.
#[test]
fn the_examples_of_the_rfc_are_read_and_written() {
    let (mut commands, mut responses, mut banners) = (0, 0, Vec::new());
    for said in transcript(include_str!("../../testdata/rfc3656.txt")) {
        let mut out = Outbox::new();
        let line = said.by_client().or(said.by_server()).unwrap();
        let frame = Bytes::copy_from_slice(line.strip_suffix(b"\r\n").unwrap());
        match (said.by_client().is_some(), &frame[..]) {
            (true, b"C01 SELECT \"INBOX\"" | b"") => {
                assert!(Command::parse(&frame).is_err());
                continue;
            }
            (true, _) => {
                let (tag, command) = Command::parse(&frame).unwrap();
                command.encode(&tag, &mut out);
                commands += 1;
            }
            (false, [b'*', b' ', b'A' | b'S', ..] | [b'*', b' ', b'O', ..]) => {
                banners.extend_from_slice(line);
                continue;
            }
            (false, _) => {
                let (tag, response) = Response::parse(&frame).unwrap();
                response.encode(tag.as_ref(), &mut out);
                responses += 1;
            }
        }
        assert_eq!(text(&out.take().unwrap()), text(line));
    }
    assert_eq!((commands, responses), (13, 28));
    // The two banners, before TLS and under it.
    let now = Instant::now();
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
    client.receive(&banners, now);
    let Ok(Some(Event::Greeting(banner))) = client.poll_event() else { panic!() };
    assert_eq!(
        banner.mechanisms.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["KERBEROS_V4", "GSSAPI"]
    );
    assert!(banner.start_tls);
}

/// Plays the server's lines to a client whenever the client has said its own, in pieces of `piece_bytes`.
fn client_hears(
    file: &str,
    piece_bytes: usize,
    mut step: impl FnMut(usize, &mut client::Connection),
) -> Vec<Event> {
    let now = Instant::now();
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
    let (mut events, mut commands) = (Vec::new(), 0);
    for said in transcript(file) {
        match said {
            Said::Server(bytes) => {
                for piece in bytes.chunks(piece_bytes) {
                    client.receive(piece, now);
                    while let Some(event) = client.poll_event().unwrap() {
                        events.push(event);
                    }
                }
            }
            Said::Client(bytes) => {
                step(commands, &mut client);
                commands += 1;
                assert_eq!(text(&output(&mut client)), text(&bytes));
            }
        }
    }
    assert!(client.is_closing());
    events
}

fn name(name: &str) -> MailboxName {
    MailboxName::new(name.to_owned()).unwrap()
}

fn location(location: &'static str) -> Location {
    Location::new(location).unwrap()
}

fn active(mailbox: &str, at: &'static str, acl: &'static str) -> MailboxEntry {
    MailboxEntry::active(name(mailbox), location(at), Acl::new(acl).unwrap())
}

fn login(client: &mut client::Connection) {
    client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
}

fn short(events: &[Event]) -> Vec<String> {
    let entry = |entry: &MailboxEntry| {
        let acl = entry.acl().map_or("RESERVED".into(), ToString::to_string);
        format!("{} at {}: {acl}", entry.name, entry.location)
    };
    let line = |event: &Event| match event {
        Event::Greeting(banner) => format!("greeting, {} mechanisms", banner.mechanisms.len()),
        Event::Authenticated => "authenticated".into(),
        Event::Entry { entry: e, .. } => entry(e),
        Event::Deleted(name) => format!("deleted {name}"),
        Event::Completed { outcome, .. } => format!("{outcome:?}"),
        Event::Bye { .. } => "bye".into(),
        other => format!("{other:?}"),
    };
    events.iter().map(line).collect()
}

#[test]
fn a_client_understands_a_cyrus_master() {
    for piece_bytes in [1, 7, usize::MAX] {
        let events =
            client_hears(include_str!("../../testdata/cyrus_backend.txt"), piece_bytes, |step, client| {
                let prefix =
                    || LocationPrefix::of_server(&ServerName::new("be1.murder.test").unwrap()).unwrap();
                let command = match step {
                    0 => return login(client),
                    1 => Command::Change(Change::Reserve {
                        name: name("user.p1"),
                        location: location("be2.murder.test!default"),
                    }),
                    2 => Command::Find(name("user.p1")),
                    3 => Command::List(Some(prefix())),
                    4 => Command::Compress("FOO".into()),
                    _ => Command::Logout,
                };
                client.send(&command).unwrap();
            });
        assert_eq!(
            short(&events),
            [
                "greeting, 3 mechanisms",
                "authenticated",
                "No",
                "user.p1 at be9.murder.test!zz: RESERVED",
                "Ok",
                r"user.alice at be1.murder.test!default: alice\x09lrswipkxtecdan\x09",
                r"user.p5.\xc3\xa9 at be1.murder.test!default: ",
                "Ok",
                "No",
                "bye",
            ]
        );
    }
}

#[test]
fn a_slave_follows_a_cyrus_master() {
    for piece_bytes in [1, 11, usize::MAX] {
        let events =
            client_hears(include_str!("../../testdata/cyrus_slave.txt"), piece_bytes, |step, client| {
                match step {
                    0 => login(client),
                    1 => _ = client.send(&Command::Update(Vec::new())).unwrap(),
                    2 | 3 => _ = client.send(&Command::Noop).unwrap(),
                    _ => _ = client.send(&Command::Logout).unwrap(),
                }
            });
        let s1 = r"user.s1 at be1.murder.test!default: s1\x09lrs\x09";
        assert_eq!(
            short(&events)[2..],
            [
                r"user.alice at be1.murder.test!default: alice\x09lrswipkxtecdan\x09",
                "Ok",
                s1,
                s1,
                "user.s1 at be1.murder.test!default: RESERVED",
                "Ok",
                "deleted user.s1",
                "deleted user.s1",
                "Ok",
                "bye",
            ]
        );
    }
}

/// Both connections joined in memory, the client's events collected.
struct Pair {
    client: client::Connection,
    server: mupdate_proto::server::Connection,
    master: Master,
    piece_bytes: usize,
}

impl Pair {
    fn new(piece_bytes: usize) -> Self {
        let client = client::Connection::new(client::Config::new(TlsMode::Never), Instant::now());
        Self { client, server: server(config()), master: Master::default(), piece_bytes }
    }

    fn run(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let moved = pump(&mut self.server, &mut self.client, self.piece_bytes, Instant::now());
            self.master.serve(&mut self.server).unwrap();
            while let Some(event) = self.client.poll_event().unwrap() {
                events.push(event);
            }
            if moved == 0 {
                return events;
            }
        }
    }

    fn logged_in(piece_bytes: usize) -> Self {
        let mut pair = Self::new(piece_bytes);
        assert!(matches!(pair.run()[..], [Event::Greeting(_)]));
        login(&mut pair.client);
        assert_eq!(pair.run(), [Event::Authenticated]);
        pair
    }

    fn completed(&mut self, command: &Command) -> (Vec<MailboxEntry>, Outcome) {
        let id = self.client.send(command).unwrap();
        let mut entries = Vec::new();
        let mut events = self.run().into_iter();
        loop {
            match events.next() {
                Some(Event::Entry { command, entry }) if command == id => entries.push(entry),
                Some(Event::Completed { command, outcome, .. }) if command == id => {
                    return (entries, outcome);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_back_end_and_a_slave_see_the_same_list() {
    for piece_bytes in [1, usize::MAX] {
        let mut pair = Pair::logged_in(piece_bytes);
        let entries = [
            active("user.a", "be1!", "a\tlrs\t"),
            MailboxEntry::reserved(name("user.a.b"), location("be1!default")),
            active("user.a b", "be2!x", ""),
            active("user.a-\"b\"", "be2", "odd \\ acl"),
        ];
        // Pushed in the wrong order; the master's map keeps the right one.
        for entry in entries.iter().rev() {
            let (name, location) = (entry.name.clone(), entry.location.clone());
            let change = match entry.acl().cloned() {
                Some(acl) => Change::Activate { name, location, acl },
                None => Change::Reserve { name, location },
            };
            assert_eq!(pair.completed(&Command::Change(change)), (Vec::new(), Outcome::Ok));
        }
        assert_eq!(pair.completed(&Command::List(None)), (entries.to_vec(), Outcome::Ok));
        let of_be1 = LocationPrefix::new("be1!").unwrap();
        assert_eq!(pair.completed(&Command::List(Some(of_be1))), (entries[..2].to_vec(), Outcome::Ok));
        assert_eq!(pair.completed(&Command::Find(name("user.a"))), (entries[..1].to_vec(), Outcome::Ok));
        assert_eq!(pair.completed(&Command::Update(Vec::new())), (entries.to_vec(), Outcome::Ok));
        assert!(pair.server.is_streaming());

        // A change after that, a push at once, then a barrier.
        pair.server.entry(&entries[0]).unwrap();
        let id = pair.client.send(&Command::Noop).unwrap();
        let events = pair.run();
        assert!(matches!(&events[0], Event::Entry { entry, .. } if *entry == entries[0]));
        assert!(matches!(events.last(), Some(Event::Completed { command, .. }) if *command == id));
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Deleted(_))).count(), entries.len());
    }
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let mut pair = Pair::logged_in(usize::MAX);
    let sent: Vec<CommandId> = (0..100)
        .map(|n| {
            let location = location("be1!");
            let change = Change::Reserve { name: name(&format!("user.{n}")), location };
            pair.client.send(&Command::Change(change)).unwrap()
        })
        .collect();
    let answered: Vec<CommandId> = pair
        .run()
        .into_iter()
        .map(|event| match event {
            Event::Completed { command, outcome: Outcome::Ok, .. } => command,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answered, sent);
    assert_eq!(pair.client.pending(), 0);
}

#[test]
fn a_server_that_says_bye_is_heard() {
    let mut pair = Pair::logged_in(usize::MAX);
    pair.server.bye(&mail_wire::Text::constant("shutting down"));
    assert_eq!(pair.run(), [Event::Bye { text: "shutting down".into() }]);
    assert!(pair.client.is_closing() && pair.server.is_closing());
    let mut pair = Pair::logged_in(usize::MAX);
    pair.client.send(&Command::Logout).unwrap();
    assert_eq!(pair.run(), [Event::Bye { text: "bye-bye".into() }]);
}
