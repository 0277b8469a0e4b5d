//! What is known of Cyrus 3.6's MUPDATE beyond the RFC, each point a test; and its master's answers beside ours.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::{
    ApiMisuse, Connection as _, Error, FrameLimits, Input, Keep, LiteralFramer, LiteralMode, Part,
    PeerMisbehaved, Text, TlsActive, TlsMode,
};
use mupdate_proto::client::{self, Outcome};
use mupdate_proto::server::{Compress, Config, Event, StartTls};
use mupdate_proto::{Acl, Command, Location, MailboxEntry, MailboxName, Response, Status};

use crate::support::{
    LOGIN, Master, client_bytes, config, credentials, logged_in, output, server, server_bytes, text,
    transcript,
};

fn entry(name: &'static str, location: &'static str, acl: &'static str) -> MailboxEntry {
    let (name, location) = (MailboxName::new(name).unwrap(), Location::new(location).unwrap());
    MailboxEntry::active(name, location, Acl::new(acl).unwrap())
}

/// What a master with this list answers to someone who has logged in.
fn answers(list: &[MailboxEntry], bytes: &[u8]) -> String {
    text(&answered(list, bytes))
}

fn answered(list: &[MailboxEntry], bytes: &[u8]) -> Vec<u8> {
    let mut server = server(config());
    let mut master = Master::default();
    master.list = list.iter().map(|entry| (entry.name.clone(), entry.clone())).collect();
    server.receive(LOGIN, Instant::now());
    master.serve(&mut server).unwrap();
    output(&mut server);
    server.receive(bytes, Instant::now());
    master.serve(&mut server).unwrap();
    output(&mut server)
}

/// The frames of a server's words, with the human texts of their statuses left out.
fn frames(bytes: &[u8]) -> Vec<String> {
    let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
    input.buffer().extend_from_slice(bytes);
    let mut frames = Vec::new();
    while let Some(part) = framer.poll(&mut input, LiteralMode::Command).unwrap() {
        match part {
            Part::Offer(_) => framer.keep(Keep::Collect).unwrap(),
            Part::Whole(frame) => frames.push(frame_without_text(&frame)),
            other => panic!("{other:?}"),
        }
    }
    frames
}

fn frame_without_text(frame: &Bytes) -> String {
    if frame.is_empty() || frame.starts_with(b"+ ") {
        return text(frame);
    }
    let (tag, response) = Response::parse_unquoted(frame).unwrap();
    let tag = tag.map_or("*".to_owned(), |tag| tag.as_str().to_owned());
    match response {
        Response::Status(status, _) => format!("{tag} {}", status.as_str()),
        other => format!("{tag} {other:?}"),
    }
}

#[test]
fn a_probe_gets_the_answers_that_cyrus_gives() {
    let all = include_str!("../../testdata/cyrus_probe.txt");
    let mut master = Master::default();
    let alice = entry("user.alice", "be1.murder.test!default", "alice\tlrswipkxtecdan\t");
    master.list.insert(alice.name.clone(), alice);
    let mut sections = 0;
    for section in all.split("## ").skip(1) {
        let (name, lines) = section.split_once('\n').unwrap();
        let transcript = transcript(lines);
        let mut server = server(config());
        output(&mut server);
        server.receive(&client_bytes(&transcript), Instant::now());
        master.serve(&mut server).unwrap();
        let mut ours = frames(&output(&mut server));
        // The owner of these tests tells of a deletion at each barrier.
        ours.retain(|frame| !frame.contains(" Delete("));
        let mut cyrus = frames(&server_bytes(&transcript));
        // Each ends with LOGOUT, which is answered BYE (RFC 3656 4.7); Cyrus says OK.
        assert_eq!(ours.pop().unwrap().replace("BYE", "OK"), cyrus.pop().unwrap(), "{name}");
        // An ACL is kept byte for byte; Cyrus loses one without a tab.
        if let Some(lost) = cyrus.iter_mut().find(|frame| frame.contains("a!b!c")) {
            *lost = lost.replace("Acl()", "Acl(x)");
        }
        assert_eq!(ours, cyrus, "{name}");
        sections += 1;
    }
    assert_eq!(sections, 18);
}

#[test]
fn trap_1_entries_out_of_order_are_refused_before_they_are_sent() {
    for question in [&b"l LIST\r\n"[..], b"u UPDATE\r\n"] {
        let mut server = logged_in(config());
        server.receive(question, Instant::now());
        let ticket = match server.poll_event() {
            Ok(Some(Event::List(ticket, _) | Event::Update(ticket, _))) => ticket,
            other => panic!("{other:?}"),
        };
        let names = ["user.a", "user.a.b", "user.a b", "user.a-b"];
        for name in names {
            server.entry(&entry(name, "be1!p", "")).unwrap();
        }
        let sent = server.transmit_bytes();
        for name in names {
            let refused = server.entry(&entry(name, "be1!p", ""));
            assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::WrongState(_)))), "{name}");
        }
        assert_eq!(server.transmit_bytes(), sent);
        server.entry(&entry("user.b", "be1!p", "")).unwrap();
        server.reply(ticket, Status::Ok, &Text::constant("all")).unwrap();
        if server.is_streaming() {
            // On a stream, changes come as they happen.
            server.entry(&entry("user.a", "be1!p", "")).unwrap();
        }
    }
    // Each answer begins anew.
    let list = [entry("user.a", "be1!p", ""), entry("user.b", "be1!p", "")];
    assert_eq!(answers(&list, b"a LIST\r\nb LIST\r\nc FIND \"user.a\"\r\n").matches("MAILBOX").count(), 5);
}

#[test]
fn trap_2_strings_to_clients_are_quoted_and_literals_the_exception() {
    let list = [
        entry("user.a b", "be1!", "a\tlrs\t-b\tl\t"),
        entry("user.caf\u{e9}", "be1!p", "x"),
        entry("user.q\"x", "be1!p", "\\"),
    ];
    let expected = [
        &b"l MAILBOX \"user.a b\" \"be1!\" \"a\tlrs\t-b\tl\t\"\r\n"[..],
        "l MAILBOX {10+}\r\nuser.caf\u{e9} \"be1!p\" \"x\"\r\n".as_bytes(),
        b"l MAILBOX {8+}\r\nuser.q\"x \"be1!p\" {1+}\r\n\\\r\n",
        b"l OK \"list complete\"\r\n",
    ];
    assert_eq!(answers(&list, b"l LIST\r\n"), text(&expected.concat()));
}

#[test]
fn trap_3_atoms_are_no_strings_verbs_have_no_case_and_names_do() {
    let list = [entry("user.p3", "be1!p", "")];
    let said = answers(
        &list,
        b"a FIND user.p3\r\nb fInD \"USER.P3\"\r\nc find \"user.p3\"\r\nd FIND {7}\r\nuser.p3\r\n",
    );
    let found =
        |tag| format!("{tag} MAILBOX \"user.p3\" \"be1!p\" \"\"\r\n{tag} OK \"Search completed\"\r\n");
    let expected = format!(
        "a BAD \"Badly formed arguments\"\r\nb OK \"Search completed\"\r\n{}+ go ahead\r\n{}",
        found("c"),
        found("d")
    );
    assert_eq!(said, text(expected.as_bytes()));
}

#[test]
fn trap_4_every_status_of_ours_has_exactly_one_string() {
    let with_tls = Config { start_tls: StartTls::Offer, ..config() };
    let sessions: [(Config, &[u8]); 3] = [
        (
            config(),
            b"a LIST\r\nb\r\nc  \r\nd COMPRESS \"DEFLATE\"\r\ne STARTTLS\r\nf AUTHENTICATE \"X\"\r\n\
            g FIND {9999999+}\r\n",
        ),
        (
            config(),
            b"a AUTHENTICATE \"PLAIN\" \"AGJlMQBzZWNyZXQ=\"\r\nb FIND\r\nc NOOP\r\nd DELETE \"x\"\r\n\
            e COMPRESS FOO\r\nf UPDATE\r\ng LIST\r\nh NOOP\r\ni LOGOUT\r\n",
        ),
        (with_tls, b"a STARTTLS\r\n"),
    ];
    for (config, bytes) in sessions {
        let mut server = server(config);
        output(&mut server);
        server.receive(bytes, Instant::now());
        Master::default().serve(&mut server).unwrap();
        let said = output(&mut server);
        let lines: Vec<&[u8]> = said.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
        assert!(!lines.is_empty());
        for line in lines {
            let frame = Bytes::copy_from_slice(line.strip_suffix(b"\r").unwrap());
            assert!(Response::parse(&frame).is_ok(), "{}", text(line));
        }
    }
    // A cancelled login too, behind its bare challenge.
    let mut server = server(config());
    output(&mut server);
    server.receive(b"a AUTHENTICATE \"PLAIN\"\r\n*\r\n", Instant::now());
    Master::default().serve(&mut server).unwrap();
    assert_eq!(output(&mut server), b"\r\na NO \"Client canceled authentication\"\r\n");
}

#[test]
fn trap_5_a_name_that_is_not_there_is_ok_alone_and_a_prefix_is_literal() {
    let list = [entry("user.a", "be1!p", ""), entry("user.b", "be12!p", "")];
    assert_eq!(answers(&list, b"f FIND \"user.x\"\r\n"), text(b"f OK \"Search completed\"\r\n"));
    for (prefix, matches) in [("be1", 2), ("be1!", 1), ("be", 2), ("", 2), ("BE1", 0), ("be1!p!", 0)] {
        let said = answers(&list, format!("l LIST \"{prefix}\"\r\n").as_bytes());
        assert_eq!(said.matches("MAILBOX").count(), matches, "{prefix}");
    }
}

#[test]
fn trap_6_a_partial_update_names_servers_exactly() {
    let list = [entry("user.a", "be1!p", ""), entry("user.b", "be12!p", ""), entry("user.c", "be2", "")];
    let said = answers(&list, b"u UPDATE \"be1\" \"be2\"\r\n");
    assert!(said.contains("user.a") && said.contains("user.c") && !said.contains("user.b"), "{said}");
}

#[test]
fn traps_8_9_14_locations_of_every_form_are_taken_and_kept() {
    for location in ["be1", "be1!", "be1!p", "a!b!c", "", "default"] {
        let change = format!("a ACTIVATE \"user.a\" \"{location}\" \"x\"\r\nf FIND \"user.a\"\r\n");
        let said = answers(&[], change.as_bytes());
        let expected = format!("a OK \"done\"\r\nf MAILBOX \"user.a\" \"{location}\" \"x\"\r\n");
        assert!(said.starts_with(&text(expected.as_bytes())), "{said}");
    }
}

#[test]
fn trap_10_an_acl_comes_back_byte_for_byte() {
    for acl in ["", "x", "alice\tlrs", "alice\tlrswipkxtecdan\t-bob\tlrs\t", "\t\t", "anyone lrs"] {
        let change = format!("a ACTIVATE \"user.a\" \"be1!p\" \"{acl}\"\r\nf FIND \"user.a\"\r\n");
        let expected = format!("f MAILBOX \"user.a\" \"be1!p\" \"{acl}\"\r\n");
        assert!(answers(&[], change.as_bytes()).contains(&text(expected.as_bytes())), "{acl:?}");
    }
}

#[test]
fn trap_11_names_are_any_octets_and_tombstones_are_names() {
    for name in [
        "user.x^y.a b",
        "user.p5.&AOk-",
        "DELETED.user.alice.6B052915",
        "user.caf\u{e9}",
        "a",
        "..",
        "user.q\"\\",
    ] {
        let bytes = name.len();
        let change =
            format!("a RESERVE {{{bytes}+}}\r\n{name} \"be1!\"\r\nf FIND {{{bytes}+}}\r\n{name}\r\n");
        let said = frames(&answered(&[], change.as_bytes()));
        let entry = MailboxEntry::reserved(
            MailboxName::new(name.to_owned()).unwrap(),
            Location::new("be1!").unwrap(),
        );
        assert_eq!(said, ["a OK", &format!("f {:?}", Response::Entry(entry)), "f OK"], "{name}");
    }
}

#[test]
fn trap_13_compress_is_not_offered_and_is_refused_in_either_form() {
    let mut server = server(config());
    assert!(!text(&output(&mut server)).contains("COMPRESS"));
    let said = answered(&[], b"Z01 COMPRESS \"DEFLATE\"\r\nZ02 COMPRESS DEFLATE\r\nn NOOP\r\n");
    assert_eq!(frames(&said), ["Z01 NO", "Z02 NO", "n OK"]);
}

#[test]
fn trap_16_what_kills_a_master_of_cyrus_is_answered() {
    let said = answered(
        &[],
        b"a DELETE \"user.nope\"\r\nb DEACTIVATE \"user.nope\" \"be1!p\"\r\n\
          c RESERVE \"user.r\" \"be1!p\"\r\nd DEACTIVATE \"user.r\" \"be1!p\"\r\ne FIND {99999999}\r\nn NOOP\r\n",
    );
    assert_eq!(frames(&said), ["a NO", "b NO", "c OK", "d NO", "e BAD", "n OK"]);
}

#[test]
fn traps_4_and_12_a_client_bears_what_cyrus_leaves_unquoted_and_pipelines_behind_no_login() {
    let now = Instant::now();
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
    client.receive(
        b"* AUTH \"PLAIN\"\r\n* COMPRESS \"DEFLATE\"\r\n* OK MUPDATE \"m\" \"i\" \"v\" \"(master)\"\r\n",
        now,
    );
    assert!(matches!(client.poll_event(), Ok(Some(client::Event::Greeting(_)))));
    client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
    assert!(client.send(&Command::Noop).is_err());
    output(&mut client);
    client.receive(b"X1 OK \"Authenticated\"\r\n", now);
    assert_eq!(client.poll_event(), Ok(Some(client::Event::Authenticated)));
    let compress = client.send(&Command::Compress("DEFLATE".into())).unwrap();
    output(&mut client);
    client.receive(b"X2 NO Unknown COMPRESS algorithm: FOO\r\n", now);
    let refused = client::Event::Completed {
        command: compress,
        outcome: Outcome::No,
        text: "Unknown COMPRESS algorithm: FOO".into(),
    };
    assert_eq!(client.poll_event(), Ok(Some(refused)));
    // What follows an OK is compressed, and nothing of it is read as it is.
    client.send(&Command::Compress("DEFLATE".into())).unwrap();
    assert!(client.send(&Command::Noop).is_err());
    output(&mut client);
    client.receive(b"X3 OK DEFLATE active\r\n\xca\x00", now);
    assert_eq!(
        client.poll_event(),
        Ok(Some(client::Event::Compress { rest: Bytes::from_static(b"\xca\0") }))
    );
    let noop = client.send(&Command::Noop).unwrap();
    assert!(client.send(&Command::Compress("DEFLATE".into())).is_err(), "not behind another command");
    output(&mut client);
    client.receive(b"X4 OK \"done\"\r\n", now);
    assert!(
        matches!(client.poll_event(), Ok(Some(client::Event::Completed { command, .. })) if command == noop)
    );
}

#[test]
fn trap_13_compress_is_offered_where_the_owner_can_do_it() {
    let mut server = server(Config { compress: Compress::Offer, start_tls: StartTls::Offer, ..config() });
    assert!(
        text(&output(&mut server))
            .contains(&text(b"* STARTTLS\r\n* COMPRESS \"DEFLATE\"\r\n* PARTIAL-UPDATE"))
    );
    server.receive(b"a COMPRESS \"LZMA\"\r\nb COMPRESS \"deflate\"\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Compress))));
    let expected = b"a NO \"Unknown COMPRESS algorithm\"\r\nb OK \"DEFLATE active\"\r\n";
    assert_eq!(text(&output(&mut server)), text(expected));
    server.receive(b"c COMPRESS \"DEFLATE\"\r\nd STARTTLS\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)));
    assert_eq!(frames(&output(&mut server)), ["c NO", "d NO"]);

    let mut early = crate::support::server(Config { compress: Compress::Offer, ..config() });
    output(&mut early);
    early.receive(b"b COMPRESS \"DEFLATE\"\r\nc NOOP\r\n", Instant::now());
    assert_eq!(early.poll_event().map(drop), Err(PeerMisbehaved::PipelinedTooEarly.into()));
    assert_eq!(output(&mut early), b"", "the client is not told to go ahead");
}
