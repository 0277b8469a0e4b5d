//! The server's connection against scripted and hostile clients.

use std::time::{Duration, Instant};

use bytes::Bytes;
use imap_proto::server::{AuthFailure, Config, Connection, Event, Greeting, Limits, State};
use imap_proto::{Capability, Response, Status};
use mail_wire::testing::{check_tls_barrier, every_split};
use mail_wire::{
    ApiMisuse, Connection as _, Error, FrameLimits, InvalidMessage, Keep, LimitExceeded, PeerMisbehaved,
};

use crate::conn_owner::{Owner, many, plaintext, tls};

/// What a server said and saw, however its input was cut.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) sent: String,
    pub(crate) seen: Vec<String>,
    pub(crate) end: Option<Error>,
}

pub(crate) fn outcome(fresh: impl Fn() -> Owner, input: &[u8]) -> Outcome {
    every_split(input, |pieces| {
        let mut owner = fresh();
        owner.sent();
        let mut end = None;
        for piece in pieces {
            if let Err(error) = owner.receive(piece) {
                end = Some(error);
                break;
            }
        }
        Outcome { sent: owner.sent(), seen: std::mem::take(&mut owner.seen), end }
    })
}

/// The lines a server sends to a client that is logged in.
fn check(input: &str, expected: &[&str]) -> Outcome {
    let got = outcome(Owner::preauth, input.as_bytes());
    assert_eq!(got.sent.split_terminator("\r\n").collect::<Vec<_>>(), expected, "{input}");
    assert_eq!(got.end, None);
    got
}

/// The same for a stranger.
fn check_stranger(input: &str, expected: &[&str]) -> Outcome {
    let got = outcome(|| Owner::new(plaintext()), input.as_bytes());
    assert_eq!(got.sent.split_terminator("\r\n").collect::<Vec<_>>(), expected, "{input}");
    got
}

const REJECTED: &str = "NO [AUTHENTICATIONFAILED] Authentication failed";

#[test]
fn the_greeting_and_capabilities_follow_the_state() {
    let mut owner = Owner::new(tls());
    assert_eq!(
        owner.sent(),
        "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR STARTTLS LOGINDISABLED ID] ready\r\n"
    );
    owner.receive(b"a STARTTLS\r\n").unwrap();
    owner.server.tls_started(Instant::now());
    owner.receive(b"b CAPABILITY\r\n").unwrap();
    assert_eq!(
        owner.sent(),
        "a OK Begin TLS negotiation now\r\n\
         * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN\r\nb OK Completed\r\n"
    );
    owner.server.set_capabilities(vec![Capability::Idle, Capability::Move]);
    owner.receive(b"c LOGIN alice secret\r\n").unwrap();
    assert_eq!(owner.sent(), "c OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE MOVE] Logged in\r\n");
    assert_eq!(owner.server.state(), State::Authenticated);

    let mut preauth = Owner::preauth();
    assert_eq!(
        preauth.sent(),
        "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ ID IDLE NAMESPACE UNSELECT] hello\r\n"
    );
    let mut busy = Owner::of(plaintext(), Greeting::Bye("too many connections".into()));
    assert_eq!(busy.sent(), "* BYE too many connections\r\n");
    assert!(busy.server.is_closing());
}

#[test]
fn a_session_reads_the_same_however_it_is_cut() {
    let input = b"a1 LOGIN {5+}\r\nalice \"secret\"\r\n\r\na2 SELECT inbox\r\na3 NOOP\r\na4 FROB x\r\n\
        a5 APPEND x {3+}\r\nabc\r\na6 IDLE\r\nDONE\r\na7 CLOSE\r\na8 LOGOUT\r\n";
    let got = outcome(|| Owner::new(plaintext()), input);
    let expected = "a1 OK [CAPABILITY IMAP4rev1 LITERAL+ ID IDLE NAMESPACE UNSELECT] Logged in\r\n\
        * 3 EXISTS\r\na2 OK Done\r\na3 OK Done\r\na4 BAD Unknown command\r\na5 OK Done\r\n+ idling\r\n\
        a6 OK Done\r\na7 OK Done\r\n* BYE Logging out\r\na8 OK Completed\r\n";
    assert_eq!((got.sent.as_str(), got.end), (expected, None));
    assert_eq!(got.seen.last().map(String::as_str), Some("closed"));
}

#[test]
fn sessions_run_as_they_are_written_down_however_they_are_cut() {
    for (name, session) in [
        ("stranger", include_str!("../../testdata/sessions/stranger.txt")),
        ("mailbox", include_str!("../../testdata/sessions/mailbox.txt")),
    ] {
        let side = |mark: &str| -> String {
            let lines = session.lines().filter_map(|line| line.strip_prefix(mark));
            lines.map(|line| line.replace("<CRLF>", "\r\n") + "\r\n").collect()
        };
        let said = every_split(side("C: ").as_bytes(), |pieces| {
            let mut owner = Owner::new(plaintext());
            for piece in pieces {
                owner.receive(piece).unwrap();
            }
            assert!(owner.server.is_closing());
            owner.sent()
        });
        assert_eq!(said.replace("\r\n", "\n"), side("S: ").replace("\r\n", "\n"), "{name}");
    }
}

#[test]
fn commands_out_of_state_are_bad() {
    check_stranger(
        "a SELECT x\r\nb FETCH 1 UID\r\nc APPEND x {3}\r\n",
        &["a BAD Log in first", "b BAD Select a mailbox first", "c BAD Log in first"],
    );
    check(
        "a LOGIN x y\r\nb FETCH 1 UID\r\nc STARTTLS\r\nd AUTHENTICATE PLAIN\r\n",
        &[
            "a BAD Already logged in",
            "b BAD Select a mailbox first",
            "c BAD Already logged in",
            "d BAD Already logged in",
        ],
    );
    check(
        "a SELECT x\r\nb UNSELECT\r\nc EXPUNGE\r\n",
        &["* 3 EXISTS", "a OK Done", "b OK Done", "c BAD Select a mailbox first"],
    );
    check_stranger("a STARTTLS\r\n", &["a BAD Unknown command"]);
}

#[test]
fn what_has_no_tag_is_answered_untagged() {
    check(
        "\"x\" NOOP\r\na\r\nb  NOOP\r\nc NOOP x\r\n",
        &[
            "* BAD Missing tag or command",
            "a BAD Missing tag or command",
            "b BAD Missing tag or command",
            "c BAD Invalid arguments",
        ],
    );
}

#[test]
fn bad_commands_are_counted_in_a_row() {
    let run = |count: usize, pardon: bool| {
        let mut owner = Owner::preauth();
        owner.sent();
        let mut input = "x FROB\r\n".repeat(count);
        if pardon {
            input.push_str("y NOOP\r\n");
            input.push_str(&"x FROB\r\n".repeat(count));
        }
        let end = owner.receive(input.as_bytes());
        (end, owner.sent())
    };
    let max = Limits::default().bad_commands_max as usize;
    assert_eq!(run(max, true).0, Ok(()));
    let (end, sent) = run(max + 1, false);
    assert_eq!(end, Err(PeerMisbehaved::TooManyBadCommands.into()));
    assert!(sent.ends_with("x BAD Unknown command\r\n* BYE Too many bad commands\r\n"));
    assert_eq!(sent.matches("BYE").count(), 1);
}

#[test]
fn f5_a_client_that_does_not_wait_for_the_greeting_is_cut_off() {
    let mut server = Connection::new(plaintext(), Instant::now());
    server.receive(b"a NOOP\r\n", Instant::now());
    assert_eq!(server.poll_event().err(), Some(PeerMisbehaved::BytesBeforeGreeting.into()));
    assert_eq!(server.poll_transmit().as_deref(), Some(&b"* BYE Not greeted yet\r\n"[..]));

    // The owner may greet before it polls: what was early stays early.
    let mut server = Connection::new(plaintext(), Instant::now());
    server.receive(b"a NOOP\r\n", Instant::now());
    server.greet(Greeting::Ok("ready".into())).unwrap();
    assert_eq!(server.poll_event().err(), Some(PeerMisbehaved::BytesBeforeGreeting.into()));
}

#[test]
fn f6_bytes_of_a_refused_message_are_not_commands() {
    // Without LITERAL+, the client waits and sends nothing.
    let got = check("a APPEND x {101}\r\nb NOOP\r\n", &["a NO Too large for this test", "b OK Done"]);
    assert_eq!(got.seen.len(), 2);
    let body = format!("{:<99}\r\n", "z DELETE inbox");
    let got = check(
        &format!("a APPEND x {{101+}}\r\n{body}\r\nb NOOP\r\n"),
        &["a NO Too large for this test", "b OK Done"],
    );
    assert_eq!(got.seen[0], "offer of 101 bytes");
    assert_eq!(got.seen.len(), 2);
    // Nor are those of a literal in a command that does not exist, or that is too large to keep.
    check("a FROB {9+}\r\nz NOOP\r\nx\r\nb NOOP\r\n", &["a BAD Unknown command", "b OK Done"]);
    let large = "z NOOP\r\n".repeat(513);
    check(
        &format!("a SEARCH {{{}+}}\r\n{large}\r\nb NOOP\r\n", large.len()),
        &["a BAD Select a mailbox first", "b OK Done"],
    );
    let mut owner = Owner::preauth();
    owner.receive(format!("a DELETE {{{}+}}\r\n{large}\r\nb NOOP\r\n", large.len()).as_bytes()).unwrap();
    assert!(owner.sent().ends_with("\r\na NO [TOOBIG] Literal too large\r\nb OK Done\r\n"));
}

#[test]
fn a_message_is_streamed_or_collected_as_its_owner_likes() {
    let got = check("a APPEND x (\\Seen) {5}\r\nhello\r\n", &["+ Ready for literal data", "a OK Done"]);
    assert_eq!(got.seen[..3], ["offer of 5 bytes", "body hello", "end of literal"]);
    assert!(got.seen[3].contains("Streamed"), "{}", got.seen[3]);

    let collecting = || {
        let mut owner = Owner::preauth();
        owner.keep = Keep::Collect;
        owner
    };
    let got = outcome(collecting, b"a APPEND {1}\r\nx {5+}\r\nhello\r\n");
    assert_eq!(got.sent, "+ Ready for literal data\r\na OK Done\r\n");
    assert_eq!(got.seen[0], "offer of 5 bytes");
    assert!(got.seen[1].contains("hello"), "{}", got.seen[1]);
}

#[test]
fn a_message_whose_command_turns_out_bad_is_abandoned() {
    let got = check("a APPEND x {3+}\r\nabc junk\r\nb NOOP\r\n", &["a BAD Invalid arguments", "b OK Done"]);
    assert_eq!(got.seen[..4], ["offer of 3 bytes", "body abc", "end of literal", "abandoned"]);
    // A mailbox that cannot be one is refused before its message is sent.
    let got = check("a APPEND (x) {3}\r\nb NOOP\r\n", &["a BAD Invalid arguments", "b OK Done"]);
    assert_eq!(got.seen.len(), 1);
}

#[test]
fn f8_an_endless_line_ends_the_session_at_its_limit() {
    let max = Limits::default().before_login.text_bytes_max;
    let line = |bytes: usize| format!("a NOOP {}\r\n", "x".repeat(bytes - 7));
    let mut owner = Owner::new(plaintext());
    owner.sent();
    assert_eq!(owner.receive(line(max).as_bytes()), Ok(()));
    assert_eq!(owner.sent(), "a BAD Invalid arguments\r\n");
    let end = owner.receive(line(max + 1).as_bytes());
    assert_eq!(end, Err(LimitExceeded::new("text_bytes_max", max as u64).into()));
    assert_eq!(owner.sent(), "* BYE [ALERT] Command too large\r\n");

    // It need not end to be noticed.
    let mut owner = Owner::new(plaintext());
    owner.sent();
    let mut sent = 0;
    let end = loop {
        sent += 512;
        if let Err(end) = owner.receive(&[b'x'; 512]) {
            break end;
        }
    };
    assert_eq!(end, LimitExceeded::new("text_bytes_max", max as u64).into());
    assert!(sent <= max + 1024);
}

#[test]
fn f7_bytes_that_no_line_may_hold_end_the_session() {
    for (input, what) in [
        (&b"a N\0OP\r\n"[..], InvalidMessage::NUL),
        (b"a NOOP\n", InvalidMessage::BARE_LF),
        (b"a\rb\r\n", InvalidMessage::BARE_CR),
    ] {
        let got = outcome(Owner::preauth, input);
        assert!(matches!(got.end, Some(Error::InvalidMessage(e)) if e.what == what), "{:?}", got.end);
        assert_eq!(got.sent, "* BYE Invalid bytes in a command\r\n");
    }
}

#[test]
fn f10_http_and_tls_get_no_answer() {
    for input in [
        &b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"GET /<script> HTTP/1.1\r\n",
        b"\x16\x03\x01\x00\xa5\x01",
    ] {
        let mut owner = Owner::new(plaintext());
        owner.sent();
        assert_eq!(owner.receive(input), Err(PeerMisbehaved::ForeignProtocol.into()));
        assert_eq!(owner.sent(), "");
    }
    // Later on, GET is a tag like another.
    check_stranger("a NOOP\r\nGET NOOP\r\n", &["a OK Done", "GET OK Done"]);
}

#[test]
fn t1_t2_nothing_passes_the_barrier_of_starttls() {
    let fresh = || Owner::new(tls()).server;
    let is_forbidden = |event: &Event| !matches!(event, Event::StartTls);
    check_tls_barrier(fresh, b"a STARTTLS\r\n", b"b LOGIN alice secret\r\n", is_forbidden);
}

#[test]
fn t6_what_was_said_in_the_clear_is_forgotten() {
    let mut owner = Owner::new(tls());
    for _ in 0..20 {
        owner.receive(b"x FROB\r\n").unwrap();
    }
    owner.receive(b"a STARTTLS\r\n").unwrap();
    owner.server.tls_started(Instant::now());
    owner.sent();
    // Bad commands in the clear do not count, and TLS cannot be started twice.
    owner.receive(b"b STARTTLS\r\nc NOOP\r\n").unwrap();
    assert_eq!(owner.sent(), "b BAD TLS is active\r\nc OK Done\r\n");
    assert_eq!(owner.server.state(), State::NotAuthenticated);
}

#[test]
fn a12_no_password_is_taken_in_the_clear() {
    let got = outcome(
        || Owner::new(tls()),
        b"a LOGIN alice secret\r\nb AUTHENTICATE PLAIN AGEAYg==\r\nc LOGIN {5}\r\n",
    );
    let refused = "NO [PRIVACYREQUIRED] Not without TLS\r\n";
    assert_eq!(got.sent, format!("a {refused}b {refused}c {refused}"));
    assert_eq!(got.seen, [""; 0]);
}

#[test]
fn a5_every_odd_exchange_ends_only_itself() {
    let large = "A".repeat(8_000);
    for (line, answer) in [
        ("*", "BAD Authentication cancelled"),
        ("%%%", "BAD Invalid base64"),
        ("A", "BAD Invalid base64"),
        ("=", "BAD Invalid base64"),
        ("", REJECTED),
        ("AA==", REJECTED),
        (large.as_str(), REJECTED),
        ("DONE {5}", "BAD Invalid base64"),
    ] {
        let got = outcome(
            || Owner::new(plaintext()),
            format!("a AUTHENTICATE PLAIN\r\n{line}\r\nb LOGIN alice secret\r\n").as_bytes(),
        );
        assert!(got.sent.starts_with(&format!("+ \r\na {answer}\r\nb OK ")), "{line}: {}", got.sent);
    }
    check_stranger(
        "a AUTHENTICATE PLAIN A\r\nb AUTHENTICATE GSSAPI\r\nc AUTHENTICATE PLAIN =\r\n",
        &["a BAD Invalid base64", "b NO Unsupported authentication mechanism", &format!("c {REJECTED}")],
    );
}

#[test]
fn a1_who_one_is_and_who_one_acts_as_reach_the_owner_apart() {
    // carol NUL proxy NUL secret
    let got = check_stranger(
        "a AUTHENTICATE PLAIN Y2Fyb2wAcHJveHkAc2VjcmV0\r\n",
        &["a OK [CAPABILITY IMAP4rev1 LITERAL+ ID IDLE NAMESPACE UNSELECT] Logged in"],
    );
    assert_eq!(got.seen, ["sasl proxy for Some(\"carol\")"]);
    let got = check_stranger(
        "a authenticate login\r\nYm9i\r\nc2VjcmV0\r\n",
        &[
            "+ VXNlcm5hbWU6",
            "+ UGFzc3dvcmQ6",
            "a OK [CAPABILITY IMAP4rev1 LITERAL+ ID IDLE NAMESPACE UNSELECT] Logged in",
        ],
    );
    assert_eq!(got.seen, ["sasl bob for None"]);
}

#[test]
fn a3_failures_differ_in_nothing_and_the_third_is_the_last() {
    let long = "n".repeat(256);
    let got = check_stranger(
        &format!(
            "a LOGIN alice wrong\r\nb LOGIN {long} secret\r\nc AUTHENTICATE PLAIN AGEAYg==\r\nd NOOP\r\n"
        ),
        &[
            &format!("a {REJECTED}"),
            &format!("b {REJECTED}"),
            &format!("c {REJECTED}"),
            "* BYE Too many failed logins",
        ],
    );
    assert_eq!(got.end, Some(PeerMisbehaved::TooManyFailedLogins.into()));
}

#[test]
fn a_login_that_nobody_could_judge_is_no_failure() {
    let mut server = Owner::new(plaintext()).server;
    server.receive(b"a LOGIN alice x\r\n", Instant::now());
    let Ok(Some(Event::Login(ticket, _))) = server.poll_event() else { panic!() };
    server.auth_failed(ticket, AuthFailure::Temporary).unwrap();
    assert_eq!(server.auth_failures(), 0);
}

#[test]
fn p1_an_announced_size_costs_a_stranger_nothing() {
    check_stranger("a LOGIN {400000000}\r\nb NOOP\r\n", &["a NO [TOOBIG] Literal too large", "b OK Done"]);
    check_stranger(
        "a LOGIN {1025}\r\nb LOGIN {1024}\r\n",
        &["a NO [TOOBIG] Literal too large", "+ Ready for literal data"],
    );
    // Nobody waits for 400 MB to be skipped.
    let got = check_stranger(
        "a LOGIN {400000000+}\r\nb NOOP\r\n",
        &["a NO [TOOBIG] Literal too large", "* BYE [ALERT] Command too large"],
    );
    assert_eq!(got.end, Some(LimitExceeded::new("skipped_literal_bytes_max", 65_536).into()));
    let got = check_stranger("a LOGIN {99999999999999999999}\r\n", &["* BYE Invalid bytes in a command"]);
    assert!(matches!(got.end, Some(Error::InvalidMessage(_))));
}

#[test]
fn p2_many_literals_end_the_session_at_their_limit() {
    let literals = |count: usize| format!("a X{}\r\n", " {0+}\r\n".repeat(count));
    // The verb does not exist, so each literal is skipped, but they are counted.
    check_stranger(&literals(4), &["a BAD Unknown command"]);
    let got = check_stranger(&literals(5), &["* BYE [ALERT] Command too large"]);
    assert_eq!(got.end, Some(LimitExceeded::new("literals_max", 4).into()));
}

#[test]
fn p3_what_is_kept_of_a_command_is_capped_in_every_state() {
    check(
        "a DELETE {131073}\r\nb DELETE {131072}\r\n",
        &["a NO [TOOBIG] Literal too large", "+ Ready for literal data"],
    );
    check("a RENAME {4096+}\r\n", &[]);
    let mut owner = Owner::preauth();
    owner.sent();
    owner.receive(b"a RENAME {4097+}\r\n").unwrap();
    owner.receive(&many(b'x', 4_097)).unwrap();
    owner.receive(b" y\r\nb NOOP\r\n").unwrap();
    assert_eq!(owner.sent(), "a NO [TOOBIG] Literal too large\r\nb OK Done\r\n");
}

#[test]
fn p4_nesting_is_refused_by_depth_not_by_stack() {
    let search = |depth: usize| format!("a SEARCH {}ALL{}\r\n", "(".repeat(depth), ")".repeat(depth));
    for (depth, answer) in
        [(32, "a OK Done\r\n"), (33, "a BAD Invalid arguments\r\n"), (4_000, "a BAD Invalid arguments\r\n")]
    {
        let mut owner = Owner::preauth();
        owner.receive(b"s SELECT x\r\n").unwrap();
        owner.sent();
        owner.receive(search(depth).as_bytes()).unwrap();
        assert_eq!(owner.sent(), answer, "{depth}");
    }
}

#[test]
fn p4_a_stranger_may_nest_less() {
    for (command, answer) in [
        ("a ID (\"name\" \"x\")", "a OK Done"),
        ("a ID ((((((((\"name\"))))))))", "a BAD Invalid arguments"),
        ("a ID (((((((((", "a BAD Invalid arguments"),
    ] {
        check_stranger(&format!("{command}\r\n"), &[answer]);
    }
    // Parentheses without an end are text, and text has its limit.
    let mut owner = Owner::new(plaintext());
    let end = owner.receive(format!("a ID {}", "(".repeat(9_000)).as_bytes());
    assert_eq!(end, Err(LimitExceeded::new("text_bytes_max", 8 << 10).into()));
}

#[test]
fn an_owner_that_collects_too_much_is_told_and_the_client_too() {
    let limits = Limits {
        after_login: FrameLimits {
            kept_literal_bytes_max: 10,
            streamed_literal_bytes_max: 20,
            ..FrameLimits::default()
        },
        ..Limits::default()
    };
    let mut server = Owner::of(Config { limits, ..plaintext() }, Greeting::Preauth("x".into())).server;
    while server.poll_transmit().is_some() {}
    for (bytes, keep, limit) in
        [(11, Keep::Collect, "kept_literal_bytes_max"), (21, Keep::Stream, "streamed_literal_bytes_max")]
    {
        server.receive(format!("a APPEND x {{{bytes}}}\r\n").as_bytes(), Instant::now());
        let Ok(Some(Event::Offer(offer))) = server.poll_event() else { panic!() };
        let refused = server.accept(offer, keep);
        assert_eq!(refused, Err(LimitExceeded::new(limit, bytes - 1).into()));
        assert!(matches!(server.poll_event(), Ok(None)));
        assert_eq!(server.poll_transmit().as_deref(), Some(&b"a NO [TOOBIG] Literal too large\r\n"[..]));
    }
}

#[test]
fn e6_a_reply_is_one_line_whatever_the_client_called_itself() {
    let got = outcome(Owner::preauth, b"a]{x NOOP\r\n\xff\xfe NOOP\r\na\x7fb NOOP\r\n");
    assert_eq!(got.sent, "* BAD Missing tag or command\r\n".repeat(3));
}

#[test]
fn idle_is_silent_until_it_has_begun() {
    let mut server = Owner::preauth().server;
    while server.poll_transmit().is_some() {}
    server.receive(b"a IDLE\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    assert!(server.untagged(&Response::Exists(4)).is_err());
    server.idle_begin(ticket).unwrap();
    server.untagged(&Response::Exists(4)).unwrap();
    server.receive(b"done\r\n", Instant::now());
    let Ok(Some(Event::IdleDone(ticket))) = server.poll_event() else { panic!() };
    server.reply(ticket, &Status::ok("Idle ended")).unwrap();
    assert_eq!(
        server.poll_transmit().as_deref(),
        Some(&b"+ idling\r\n* 4 EXISTS\r\na OK Idle ended\r\n"[..])
    );

    // A client in IDLE costs no buffers.
    server.receive(b"b IDLE\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    server.idle_begin(ticket).unwrap();
    while server.poll_transmit().is_some() {}
    assert_eq!(server.buffer().capacity(), 0);

    let got = check("a IDLE\r\nb NOOP\r\nc NOOP\r\n", &["+ idling", "a BAD Expected DONE", "c OK Done"]);
    assert_eq!(got.seen[1], "idle broken");
}

#[test]
fn expunge_is_sent_only_where_the_client_can_follow() {
    let mut server = Owner::preauth().server;
    let expunge = Response::Expunge(1);
    assert!(server.untagged(&expunge).is_err());
    server.set_selected().unwrap();
    for (command, may) in [
        ("a FETCH 1 UID", false),
        ("b STORE 1 FLAGS ()", false),
        ("c SEARCH ALL", false),
        ("d NOOP", true),
        ("e UID FETCH 1 UID", true),
    ] {
        server.receive(format!("{command}\r\n").as_bytes(), Instant::now());
        let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!("{command}") };
        assert_eq!(server.untagged(&expunge).is_ok(), may, "{command}");
        server.reply(ticket, &Status::ok("Done")).unwrap();
    }
}

#[test]
fn a_ticket_that_is_dropped_is_answered_and_the_session_goes_on() {
    let mut server = Owner::preauth().server;
    while server.poll_transmit().is_some() {}
    server.receive(b"a NOOP\r\nb APPEND x {5}\r\n", Instant::now());
    for _ in 0..2 {
        drop(server.poll_event());
        assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(ApiMisuse::TicketDropped)))));
    }
    assert!(matches!(server.poll_event(), Ok(None)));
    server.receive(b"c NOOP\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    server.reply(ticket, &Status::ok("Done")).unwrap();
    let sorry = "NO [SERVERBUG] Internal error\r\n";
    assert_eq!(
        server.poll_transmit().as_deref(),
        Some(format!("a {sorry}b {sorry}c OK Done\r\n").as_bytes())
    );
}

#[test]
fn a_ticket_of_another_connection_is_refused() {
    let (mut one, mut other) = (Owner::preauth().server, Owner::preauth().server);
    for server in [&mut one, &mut other] {
        server.receive(b"a NOOP\r\n", Instant::now());
    }
    let (Ok(Some(Event::Command(_mine, _))), Ok(Some(Event::Command(foreign, _)))) =
        (one.poll_event(), other.poll_event())
    else {
        panic!()
    };
    assert_eq!(one.reply(foreign, &Status::ok("Done")), Err(ApiMisuse::ForeignTicket.into()));
}

#[test]
fn silence_and_slow_logins_time_out() {
    let start = Instant::now();
    let minutes = |n: u64| start + Duration::from_secs(60 * n);
    let mut stranger = Connection::new(plaintext(), start);
    stranger.greet(Greeting::Ok("ready".into())).unwrap();
    // A word now and then does not help.
    stranger.receive(b"a", start + Duration::from_secs(59));
    assert_eq!(stranger.poll_timeout(), Some(minutes(1)));
    stranger.handle_timeout(minutes(1));
    assert_eq!(stranger.poll_event().err(), Some(PeerMisbehaved::TimedOut.into()));

    let mut user = Connection::new(plaintext(), start);
    user.greet(Greeting::Preauth("hello".into())).unwrap();
    user.receive(b"a NOOP\r\n", start);
    let Ok(Some(Event::Command(ticket, _))) = user.poll_event() else { panic!() };
    // While the owner works, the silence is the owner's.
    assert_eq!(user.poll_timeout(), None);
    user.handle_timeout(minutes(30));
    assert!(matches!(user.poll_event(), Ok(None)));
    user.reply(ticket, &Status::ok("Done")).unwrap();
    // The connection learns the time of the reply when the driver looks at its timer.
    assert!(user.poll_timeout().is_some_and(|at| at <= minutes(40)));
    user.handle_timeout(minutes(40));
    assert!(matches!(user.poll_event(), Ok(None)));
    assert_eq!(user.poll_timeout(), Some(minutes(70)));
    user.handle_timeout(minutes(70));
    assert_eq!(user.poll_event().err(), Some(PeerMisbehaved::TimedOut.into()));
    let mut sent = Vec::new();
    while let Some(bytes) = user.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    assert!(sent.ends_with(b"a OK Done\r\n* BYE Idle for too long\r\n"));
}

#[test]
fn what_waits_behind_a_command_is_bounded() {
    let max = Limits::default().pipelined_bytes_max;
    let mut server = Owner::preauth().server;
    server.receive(b"a NOOP\r\n", Instant::now());
    let Ok(Some(Event::Command(_ticket, _))) = server.poll_event() else { panic!() };
    assert!(server.wants_input());
    server.receive(&many(b'x', max / 2), Instant::now());
    assert!(!server.wants_input());
    server.receive(&many(b'x', max - max / 2), Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)));
    server.receive(b"x", Instant::now());
    assert_eq!(server.poll_event().err(), Some(LimitExceeded::new("pipelined_bytes_max", max as u64).into()));
}

#[test]
fn a_literal_larger_than_the_waiting_room_can_be_collected() {
    let after_login = FrameLimits { kept_literal_bytes_max: 3 << 20, ..FrameLimits::default() };
    let limits = Limits { after_login, ..Limits::default() };
    let mut owner = Owner::of(Config { limits, ..plaintext() }, Greeting::Preauth("x".into()));
    owner.receive(b"a RENAME {2097152}\r\n").unwrap();
    for _ in 0..2 {
        assert!(owner.server.wants_input());
        owner.receive(&many(b'x', 1 << 20)).unwrap();
    }
    assert!(owner.server.wants_input());
    owner.receive(b" y\r\n").unwrap();
    assert!(owner.sent().ends_with("a OK Done\r\n"));
}

#[test]
fn a_client_that_leaves_between_commands_has_closed() {
    for (input, clean) in
        [("", true), ("a NOOP\r\n", true), ("a NO", false), ("a APPEND x {5+}\r\nab", false)]
    {
        let mut owner = Owner::preauth();
        owner.receive(input.as_bytes()).unwrap();
        owner.server.receive_eof();
        let end = owner.drain();
        assert_eq!(end.is_ok(), clean, "{input}: {end:?}");
        assert_eq!(owner.seen.last().is_some_and(|e| e == "closed"), clean, "{input}");
    }
}

#[test]
fn a_body_is_sent_in_exactly_the_bytes_that_were_announced() {
    use mail_wire::LiteralId;
    let mut owner = Owner::preauth();
    owner.receive(b"s SELECT x\r\n").unwrap();
    owner.sent();
    let mut server = owner.server;
    server.receive(b"a FETCH 1 BODY[]\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    crate::conn_pair::with_streamed_body(LiteralId(1), 10, |response| server.untagged(response)).unwrap();
    assert_eq!(server.literal_bytes_due(), Some(10));
    // Nothing else may be said meanwhile, and no byte too many.
    assert!(server.untagged(&Response::Exists(1)).is_err());
    assert!(server.literal_chunk(Bytes::from_static(b"12345678901")).is_err());
    server.literal_chunk(Bytes::from_static(b"12345")).unwrap();
    server.literal_chunk(Bytes::from_static(b"67890")).unwrap();
    assert_eq!(server.literal_bytes_due(), None);
    assert!(server.literal_chunk(Bytes::from_static(b"x")).is_err());
    server.reply(ticket, &Status::ok("Done")).unwrap();
    let sent = server.poll_transmit().unwrap();
    assert_eq!(sent, &b"* 1 FETCH (UID 7 BODY[] {10}\r\n1234567890)\r\na OK Done\r\n"[..]);
}

#[test]
fn nothing_falls_into_the_middle_of_a_response() {
    use mail_wire::LiteralId;
    let mut server = Owner::preauth().server;
    while server.poll_transmit().is_some() {}
    // Between two commands, or while a literal is on offer.
    for (pipelined, answer) in [
        ("a CAPABILITY\r\n", "a OK Completed\r\n"),
        ("a FROB\r\n", "a BAD Unknown command\r\n"),
        ("a DELETE {5}\r\n", "+ Ready for literal data\r\n"),
    ] {
        let mut server = Owner::preauth().server;
        while server.poll_transmit().is_some() {}
        crate::conn_pair::with_streamed_body(LiteralId(1), 5, |response| server.untagged(response)).unwrap();
        server.receive(pipelined.as_bytes(), Instant::now());
        assert!(matches!(server.poll_event(), Ok(None)));
        assert_eq!(server.poll_timeout(), None);
        server.literal_chunk(Bytes::from_static(b"hello")).unwrap();
        assert!(matches!(server.poll_event(), Ok(None)));
        let sent = server.poll_transmit().unwrap();
        let sent = String::from_utf8_lossy(&sent);
        assert!(sent.starts_with("* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n"), "{sent}");
        assert!(sent.ends_with(answer), "{sent}");
    }
    server.receive(b"a APPEND x {5}\r\n", Instant::now());
    let Ok(Some(Event::Offer(offer))) = server.poll_event() else { panic!() };
    crate::conn_pair::with_streamed_body(LiteralId(1), 5, |response| server.untagged(response)).unwrap();
    assert!(server.accept(offer, Keep::Stream).is_err());
    // The offer is lost and the body was never given: there is no way on.
    assert_eq!(server.poll_event().err(), Some(ApiMisuse::TicketDropped.into()));
    assert_eq!(server.poll_transmit().as_deref(), Some(&b"* 1 FETCH (UID 7 BODY[] {5}\r\n"[..]));
}

#[test]
fn a_shut_down_says_bye_and_nothing_after_it() {
    let mut server = Owner::preauth().server;
    while server.poll_transmit().is_some() {}
    server.receive(b"a NOOP\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    server.shut_down("restarting".into());
    assert!(server.reply(ticket, &Status::ok("Done")).is_err());
    assert!(server.untagged(&Response::Exists(1)).is_err());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Closed))));
    assert!(matches!(server.poll_event(), Ok(None)));
    assert_eq!(server.poll_transmit().as_deref(), Some(&b"* BYE restarting\r\n"[..]));
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn a_reply_that_is_none_is_refused_and_the_client_answered() {
    let mut server = Owner::preauth().server;
    while server.poll_transmit().is_some() {}
    server.receive(b"a NOOP\r\nb APPEND x {5}\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    assert!(server.reply(ticket, &Status::bye("no")).is_err());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(_)))));
    let Ok(Some(Event::Offer(offer))) = server.poll_event() else { panic!() };
    assert!(server.refuse(offer, &Status::ok("yes")).is_err());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(_)))));
    assert!(matches!(server.poll_event(), Ok(None)));
    let sorry = "NO [SERVERBUG] Internal error\r\n";
    assert_eq!(server.poll_transmit().as_deref(), Some(format!("a {sorry}b {sorry}").as_bytes()));
}

#[test]
fn an_idle_connection_is_small() {
    // What it holds on the heap beside this is its configuration; buffers grow with what is in them.
    assert!(size_of::<Connection>() <= 1_024, "{}", size_of::<Connection>());
}
