//! Entries as views are the entries as events, whatever else stands between them and however the bytes are cut.

use std::time::Instant;

use mail_wire::testing::every_split;
use mail_wire::{Connection as _, Error, Outbox, TlsActive, TlsMode};
use mupdate_proto::client::{Config, Connection, Event};
use mupdate_proto::{Acl, Command, EntryView, Location, MailboxEntry, MailboxName, Response, Tag};
use proptest::prelude::*;

use crate::support::{credentials, output};

/// A slave whose `X2 UPDATE` has left.
fn slave() -> Connection {
    let now = Instant::now();
    let mut slave = Connection::new(Config::new(TlsMode::Never), now);
    slave.receive(b"* AUTH \"PLAIN\"\r\n* OK MUPDATE \"m\" \"i\" \"v\" \"(master)\"\r\n", now);
    while slave.poll_event().unwrap().is_some() {}
    slave.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
    output(&mut slave);
    slave.receive(b"X1 OK \"in\"\r\n", now);
    while slave.poll_event().unwrap().is_some() {}
    slave.send(&Command::Update(Vec::new())).unwrap();
    output(&mut slave);
    slave
}

#[derive(Debug, PartialEq)]
enum Heard {
    Entry(MailboxEntry),
    Event(Event),
    Error(Error),
}

/// Whether entries are asked for as views first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum As {
    Views,
    Events,
}

fn heard(pieces: &[&[u8]], how: As) -> Vec<Heard> {
    let (mut slave, mut heard) = (slave(), Vec::new());
    for piece in pieces {
        slave.receive(piece, Instant::now());
        loop {
            while how == As::Views
                && let Some((_, entry)) = slave.poll_entry()
            {
                heard.push(Heard::Entry(entry.to_entry()));
            }
            match slave.poll_event() {
                Ok(Some(Event::Entry { entry, .. })) => heard.push(Heard::Entry(entry)),
                Ok(Some(event)) => heard.push(Heard::Event(event)),
                Ok(None) => break,
                Err(error) => {
                    heard.push(Heard::Error(error));
                    return heard;
                }
            }
        }
    }
    heard
}

fn check(wire: &[u8]) -> Vec<Heard> {
    let events = every_split(wire, |pieces| heard(pieces, As::Events));
    let views = every_split(wire, |pieces| heard(pieces, As::Views));
    assert_eq!(views, events);
    views
}

#[test]
fn a_stream_of_all_there_is_reads_the_same_both_ways() {
    let wire = b"X2 MAILBOX \"user.a\" \"be1!p\" \"a\tlrs\t\"\r\n\
        X2 RESERVE {6+}\r\nuser.b {5+}\r\nbe1!p\r\n\
        X2 OK \"streaming\"\r\n\
        X2 MAILBOX {8+}\r\nuser.q\"x \"be1!\" {0+}\r\n\r\n\
        X2 DELETE \"user.a\"\r\n\
        X2 mailbox \"user.c\\\"\" \"be1!p\" \"\"\r\n\
        X2 RESERVE {6}\r\nuser.d \"be2\"\r\n\
        X2 MAILBOX \"DELETED.user.a.6B052915\" \"be1!\" \"x\"\r\n\
        X3 MAILBOX \"user.e\" \"be1!p\" \"\"\r\n";
    let heard = check(wire);
    assert_eq!(heard.iter().filter(|h| matches!(h, Heard::Entry(_))).count(), 6);
    assert!(matches!(heard.last(), Some(Heard::Error(Error::PeerMisbehaved(_)))), "the last tag is nobody's");
}

#[test]
fn bytes_that_no_line_holds_are_fatal_both_ways() {
    for line in [
        &b"X2 RESERVE \"a\0\" \"b\"\r\n"[..],
        b"X2 RESERVE \"a\r\" \"b\"\r\n",
        b"X2 RESERVE \"a\n\" \"b\"\r\n",
        b"X2 RESERVE \"a\" \"b\"\n",
        b"X2 RESERVE {1+}\r\n\0 \"b\"\r\n",
        b"X2 RESERVE \"\xc3\xa9\" \"b\"\r\n",
        b"X2 RESERVE \"a\" \"b\" \r\n",
        b"X2 MAILBOX \"a\" \"b\"\r\n",
    ] {
        assert!(matches!(check(line)[..], [Heard::Error(Error::InvalidMessage(_))]), "{line:?}");
    }
}

#[test]
fn a_view_is_there_before_its_answer_was_due_only_as_an_error() {
    let mut slave = slave();
    slave.send(&Command::Logout).unwrap();
    let mut early = Connection::new(Config::new(TlsMode::Never), Instant::now());
    early.receive(b"X2 RESERVE \"a\" \"b\"\r\n", Instant::now());
    assert_eq!(early.poll_entry(), None, "t4: nothing was asked");
    assert!(early.poll_event().is_err());
    slave.receive(b"X9 RESERVE \"a\" \"b\"\r\n", Instant::now());
    assert_eq!(slave.poll_entry(), None);
    assert!(slave.poll_event().is_err());
    slave.receive(b"X2 RESERVE \"a\" \"b\"\r\n", Instant::now());
    assert_eq!(slave.poll_entry(), None, "the connection is over");
}

#[test]
fn views_say_what_they_show_and_allocate_no_entry() {
    let mut slave = slave();
    slave.receive(
        b"X2 MAILBOX \"user.a\" \"be1!p\" \"a\tl\t\"\r\nX2 RESERVE \"user.b\" \"be2\"\r\nX2 O",
        Instant::now(),
    );
    let show = |view: Option<(_, EntryView<'_>)>| view.map(|(_, entry)| format!("{entry:?}"));
    assert_eq!(show(slave.poll_entry()).unwrap(), r"EntryView(user.a at be1!p, a\x09l\x09)");
    assert_eq!(show(slave.poll_entry()).unwrap(), "EntryView(user.b at be2)");
    assert_eq!(slave.poll_entry(), None);
    assert_eq!(slave.poll_event(), Ok(None));
    slave.receive(b"K \"streaming\"\r\n", Instant::now());
    assert_eq!(slave.poll_entry(), None);
    assert!(matches!(slave.poll_event(), Ok(Some(Event::Completed { .. }))));
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "[a-z.!\t ]{1,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(prop::sample::select(b"a\"\\{}+1\r\n\xc3 ".to_vec()), 1..8),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let name = || text().prop_map(|octets| MailboxName::new(octets).unwrap());
    let location = || text().prop_map(|octets| Location::new(octets).unwrap());
    let acl = text().prop_map(|octets| Acl::new(octets).unwrap());
    prop_oneof![
        4 => (name(), location(), acl).prop_map(|(n, l, a)| Response::Entry(MailboxEntry::active(n, l, a))),
        2 => (name(), location()).prop_map(|(n, l)| Response::Entry(MailboxEntry::reserved(n, l))),
        1 => name().prop_map(Response::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_stream_reads_the_same_both_ways(
        responses in prop::collection::vec(response(), 0..8),
        damage in prop::option::of((0_usize..200, any::<u8>())),
        cut in 1_usize..40,
    ) {
        let mut out = Outbox::new();
        out.put(b"X2 OK \"streaming\"\r\n");
        for response in &responses {
            response.encode(Some(&Tag::numbered(2)), &mut out);
        }
        let mut wire = out.take().unwrap().to_vec();
        if let Some((at, byte)) = damage
            && let Some(place) = wire.get_mut(at)
        {
            *place = byte;
        }
        let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
        let events = heard(&pieces, As::Events);
        prop_assert_eq!(heard(&pieces, As::Views), heard(&[&wire], As::Events));
        prop_assert_eq!(heard(&[&wire], As::Views), events);
    }
}
