//! MUPDATE: the update stream of a murder, read and written by the connections of `mupdate-proto`.
//!
//! Nobody else offers MUPDATE as a library, so the yardsticks are memchr, which only finds the line ends of the same
//! bytes, and memcpy, which only moves them. The input comes in segments of 64 KiB, as a socket would give it.
//!
//! `-- --check` makes a short pass and fails if a bar is missed.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use benches::{Bar, Bench, Peer, Work};
use bytes::BytesMut;
use mail_wire::{Connection as _, Outbox, PlaintextLogin, TlsActive, TlsMode, sasl};
use mupdate_proto::client::{self, Event};
use mupdate_proto::{Acl, Command, Location, MailboxEntry, MailboxName, Response, Status, Tag, server};

#[global_allocator]
static ALLOCATOR: benches::Counting = benches::Counting;

const LINES: usize = 100_000;
const SEGMENT_BYTES: usize = 64 << 10;

/// What is promised: 5 million lines a second, a third of what an idle core of 2024 does. Of the speed of memchr that
/// is a fiftieth, which a machine that is slow at both keeps too.
const LINES_PER_SECOND: Bar = Bar::MessagesPerSecond(5e6);
const OF_MEMCHR: Bar = Bar::Ratio(0.02);

fn entries() -> Vec<MailboxEntry> {
    (0..LINES)
        .map(|n| {
            let name = MailboxName::new(format!("user.user{n:06}.Sent")).expect("a name");
            let location = Location::new("be1.murder.example!p01").expect("a location");
            let acl = Acl::new(format!("user{n:06}\tlrswipkxtecdan\t")).expect("an ACL");
            MailboxEntry::active(name, location, acl)
        })
        .collect()
}

fn credentials() -> sasl::Credentials {
    sasl::Credentials {
        authcid: sasl::Authcid::new(b"fe1").expect("a name"),
        authzid: None,
        password: b"secret".to_vec().into(),
    }
}

fn output(connection: &mut impl mail_wire::Connection) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = connection.poll_transmit() {
        all.extend_from_slice(&bytes);
    }
    all
}

/// A client whose `X2 UPDATE` has been answered OK: the stream flows.
fn slave(now: Instant) -> client::Connection {
    let mut slave = client::Connection::new(client::Config::new(TlsMode::Never), now);
    slave.receive(b"* AUTH \"PLAIN\"\r\n* OK MUPDATE \"m\" \"i\" \"v\" \"(master)\"\r\n", now);
    while slave.poll_event().expect("a banner").is_some() {}
    slave.login_plain(&credentials(), TlsActive::danger_assume_protected()).expect("a login");
    output(&mut slave);
    slave.receive(b"X1 OK \"in\"\r\n", now);
    while slave.poll_event().expect("a login").is_some() {}
    slave.send(&Command::Update(Vec::new())).expect("a command");
    output(&mut slave);
    slave.receive(b"X2 OK \"streaming starts\"\r\n", now);
    while slave.poll_event().expect("an OK").is_some() {}
    slave
}

/// A server on whose connection `X2 UPDATE` was answered OK.
fn master(now: Instant) -> server::Connection {
    let mut config = server::Config::new("master.example").expect("a name");
    config.plaintext_login = PlaintextLogin::DangerAllow;
    let mut master = server::Connection::new(config, now);
    master.greet().expect("a banner");
    master.receive(b"X1 AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n", now);
    let Ok(Some(server::Event::Authenticate { ticket, .. })) = master.poll_event() else {
        panic!("no login")
    };
    master.auth_ok(ticket).expect("a login");
    master.receive(b"X2 UPDATE\r\n", now);
    let Ok(Some(server::Event::Update(ticket, _))) = master.poll_event() else { panic!("no UPDATE") };
    master.reply(ticket, Status::Ok, &mail_wire::Text::constant("go")).expect("an OK");
    output(&mut master);
    master
}

/// The lines as they are written here: quoted.
fn quoted(entries: &[MailboxEntry]) -> Vec<u8> {
    let (tag, mut out, mut wire) = (Tag::numbered(2), Outbox::new(), Vec::new());
    for entry in entries {
        Response::Entry(entry.clone()).encode(Some(&tag), &mut out);
    }
    while let Some(bytes) = out.take() {
        wire.extend_from_slice(&bytes);
    }
    wire
}

/// The lines as Cyrus 3.6 writes them.
fn literals(entries: &[MailboxEntry]) -> Vec<u8> {
    let mut wire = Vec::new();
    for entry in entries {
        wire.extend_from_slice(b"X2 MAILBOX");
        for string in
            [entry.name.as_bytes(), entry.location.as_bytes(), entry.acl().map_or(&b""[..], Acl::as_bytes)]
        {
            wire.extend_from_slice(format!(" {{{}+}}\r\n", string.len()).as_bytes());
            wire.extend_from_slice(string);
        }
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// What a slave does with every entry, whether it comes as a view or as an event: it looks at all of it.
fn look(name: &[u8], location: &[u8], acl: Option<&[u8]>) {
    black_box((name, location, acl));
}

fn receive(
    slave: &mut client::Connection,
    wire: &[u8],
    now: Instant,
    drain: fn(&mut client::Connection) -> usize,
) {
    let mut lines = 0;
    for segment in wire.chunks(SEGMENT_BYTES) {
        slave.receive(segment, now);
        lines += drain(slave);
    }
    assert_eq!(lines, LINES);
}

fn by_entry(slave: &mut client::Connection) -> usize {
    let mut lines = 0;
    loop {
        while let Some((_, entry)) = slave.poll_entry() {
            look(entry.name(), entry.location(), entry.acl());
            lines += 1;
        }
        match slave.poll_event() {
            Ok(Some(Event::Entry { .. })) => lines += 1,
            Ok(None) => return lines,
            other => panic!("{other:?}"),
        }
    }
}

fn by_event(slave: &mut client::Connection) -> usize {
    let mut lines = 0;
    while let Some(event) = slave.poll_event().expect("no error") {
        let Event::Entry { entry, .. } = event else { panic!("{event:?}") };
        look(entry.name.as_bytes(), entry.location.as_bytes(), entry.acl().map(Acl::as_bytes));
        lines += 1;
    }
    lines
}

fn to_keep(slave: &mut client::Connection) -> usize {
    let mut lines = 0;
    loop {
        while let Some((_, entry)) = slave.poll_entry() {
            black_box(entry.to_entry());
            lines += 1;
        }
        match slave.poll_event() {
            Ok(Some(Event::Entry { .. })) => lines += 1,
            Ok(None) => return lines,
            other => panic!("{other:?}"),
        }
    }
}

fn main() -> ExitCode {
    let mut bench = Bench::from_args();
    let now = Instant::now();
    let entries = entries();
    for (name, wire, drain, bars) in [
        (
            "stream, quoted: parse",
            quoted(&entries),
            by_entry as fn(&mut client::Connection) -> usize,
            &[LINES_PER_SECOND, OF_MEMCHR, Bar::Allocations(0.0)][..],
        ),
        (
            "stream, literals as Cyrus: parse",
            literals(&entries),
            by_entry,
            &[LINES_PER_SECOND, OF_MEMCHR, Bar::Allocations(0.001)],
        ),
        ("stream, quoted: parse to keep", quoted(&entries), to_keep, &[Bar::Allocations(2.0)]),
        ("stream, quoted: parse to events", quoted(&entries), by_event, &[Bar::Allocations(0.01)]),
    ] {
        let mut slave = slave(now);
        let work = Work { name, bytes: wire.len(), messages: LINES };
        let mut memchr = || {
            black_box(memchr::memchr_iter(b'\n', black_box(&wire)).count());
        };
        bench.row(
            work,
            bars,
            &mut || receive(&mut slave, &wire, now, drain),
            &mut [Peer::new("memchr", &mut memchr)],
        );
    }

    let wire = quoted(&entries);
    let mut master = master(now);
    let mut copy = BytesMut::new();
    let mut memcpy = || {
        copy.clear();
        copy.extend_from_slice(black_box(&wire));
        black_box(&copy);
    };
    let mut push = || {
        for entry in &entries {
            master.entry(entry).expect("the slave reads");
            if master.transmit_bytes() > SEGMENT_BYTES {
                while let Some(bytes) = master.poll_transmit() {
                    black_box(bytes);
                }
            }
        }
    };
    let work = Work { name: "stream: write", bytes: wire.len(), messages: LINES };
    bench.row(work, &[LINES_PER_SECOND], &mut push, &mut [Peer::new("memcpy", &mut memcpy)]);
    bench.finish()
}
