//! What changes a server's connection itself: COMPRESS, UNAUTHENTICATE, ENABLE, who the peer is, which literals it may
//! send.

use std::time::{Duration, Instant};

use imap_proto::server::{
    Config, Event, ExpungeTiming, Greeting, Peer, State, UnaskedLiterals, UnknownVerbs,
};
use imap_proto::{Capability, FetchItem, List, Response, Status};
use mail_wire::{ApiMisuse, Connection as _, Error, Keep, PeerMisbehaved};

use crate::conn_owner::{Owner, plaintext};
use crate::conn_server::outcome;

/// A server that announces what this file is about.
fn full() -> Config {
    let capabilities_after_login =
        vec![Capability::CompressDeflate, Capability::Unauthenticate, Capability::Enable, Capability::Idle];
    Config { capabilities_after_login, ..plaintext() }
}

fn preauth(config: Config) -> Owner {
    let mut owner = Owner::of(config, Greeting::Preauth("hello".into()));
    owner.sent();
    owner
}

/// What is sent in answer to this.
fn answer(owner: &mut Owner, input: &str) -> String {
    owner.receive(input.as_bytes()).unwrap();
    owner.sent()
}

#[test]
fn compress_exists_where_it_is_announced_and_after_login() {
    assert_eq!(answer(&mut preauth(plaintext()), "a COMPRESS DEFLATE\r\n"), "a BAD Unknown command\r\n");
    let mut stranger = Owner::new(full());
    stranger.sent();
    assert_eq!(answer(&mut stranger, "a COMPRESS DEFLATE\r\n"), "a BAD Log in first\r\n");
    assert_eq!(answer(&mut preauth(full()), "a COMPRESS LZ4\r\n"), "a BAD Invalid arguments\r\n");
}

#[test]
fn compress_is_a_boundary_and_what_follows_is_the_callers_to_inflate() {
    let mut owner = preauth(full());
    assert_eq!(answer(&mut owner, "a COMPRESS DEFLATE\r\n"), "a OK Compression begins now\r\n");
    assert_eq!(owner.seen, ["compress"]);
    // In between, nobody may speak.
    assert!(owner.server.untagged(&Response::Exists(1)).is_err());
    owner.server.compression_started(Instant::now()).unwrap();
    // What is given now is inflated.
    assert_eq!(answer(&mut owner, "b NOOP\r\n"), "b OK Done\r\n");
    assert_eq!(answer(&mut owner, "c COMPRESS DEFLATE\r\n"), "c BAD Compression is active\r\n");
    let again = owner.server.compression_started(Instant::now());
    assert_eq!(again, Err(ApiMisuse::WrongState("COMPRESS was not granted")));
}

#[test]
fn t1_bytes_behind_compress_end_the_session_and_are_never_a_command() {
    let ended = Some(Error::from(PeerMisbehaved::PipelinedTooEarly));
    let injected = b"b NOOP\r\n";
    for bytes in 1..=injected.len() {
        let input = [b"a COMPRESS DEFLATE\r\n", &injected[..bytes]].concat();
        let mut whole = preauth(full());
        assert_eq!(whole.receive(&input).err(), ended, "{bytes}");
        assert_eq!(whole.sent(), "* BYE Nothing may follow COMPRESS\r\n");

        let mut next = preauth(full());
        assert_eq!(answer(&mut next, "a COMPRESS DEFLATE\r\n"), "a OK Compression begins now\r\n");
        assert_eq!(next.receive(&injected[..bytes]).err(), ended, "{bytes}");
        // Uncompressed words would not be understood.
        assert_eq!(next.sent(), "");

        let mut unpolled = preauth(full());
        answer(&mut unpolled, "a COMPRESS DEFLATE\r\n");
        unpolled.server.receive(&injected[..bytes], Instant::now());
        unpolled.server.compression_started(Instant::now()).unwrap();
        assert_eq!(unpolled.drain().err(), ended, "{bytes}");
        assert_eq!(unpolled.seen, ["compress"]);
    }
}

#[test]
fn unauthenticate_resets_all_but_tls() {
    let mut owner = Owner::new(full());
    let now = Instant::now();
    owner.sent();
    assert!(answer(&mut owner, "l LOGIN alice secret\r\n").starts_with("l OK [CAPABILITY"));
    owner.server.set_peer(Peer::Node);
    owner.server.set_expunge_timing(ExpungeTiming::Anytime);
    owner.server.receive(b"e ENABLE UTF8=ACCEPT UIDONLY\r\n", now);
    let Ok(Some(Event::Command(ticket, _))) = owner.server.poll_event() else { panic!() };
    let modes = [Capability::Utf8Accept, Capability::UidOnly];
    owner.server.untagged(&Response::Enabled(List::of(&modes))).unwrap();
    owner.server.reply(ticket, &Status::ok("Enabled")).unwrap();
    assert!(
        answer(&mut owner, "s SELECT inbox\r\nx LOCALDELETE a\r\n").ends_with("s OK Done\r\nx OK Done\r\n")
    );
    assert!(owner.server.enabled().has(&Capability::UidOnly));

    // The next login may come with it (RFC 8437 3).
    let sent = answer(
        &mut owner,
        "u UNAUTHENTICATE\r\nn LOGIN alice secret\r\nx LOCALDELETE a\r\nf FETCH 1 UID\r\n",
    );
    let lines: Vec<&str> = sent.lines().collect();
    assert_eq!(lines[0], "u OK Completed");
    assert!(lines[1].starts_with("n OK [CAPABILITY"));
    assert_eq!(lines[2..], ["x BAD Unknown command", "f BAD Select a mailbox first"]);
    assert_eq!(owner.server.enabled(), [].into_iter().collect());
    assert!(owner.server.untagged(&Response::Expunge(1)).is_err());
}

#[test]
fn t6_after_unauthenticate_the_limits_of_strangers_hold_again() {
    let mut owner = preauth(full());
    answer(&mut owner, "u UNAUTHENTICATE\r\n");
    assert_eq!(owner.server.state(), State::NotAuthenticated);
    assert_eq!(owner.seen, ["unauthenticated"]);
    let deep = format!("a ID {}NIL{}\r\n", "(".repeat(9), ")".repeat(9));
    assert_eq!(answer(&mut owner, &deep), "a BAD Invalid arguments\r\n");
    assert_eq!(answer(&mut owner, "b DELETE x\r\n"), "b BAD Log in first\r\n");
    assert!(answer(&mut owner, "c CAPABILITY\r\n").contains(" SASL-IR "));
    // And so does the time to log in.
    owner.server.handle_timeout(Instant::now() + Duration::from_secs(61));
    assert_eq!(owner.drain(), Err(PeerMisbehaved::TimedOut.into()));
}

#[test]
fn unauthenticate_exists_where_it_is_announced_and_for_who_is_logged_in() {
    assert_eq!(answer(&mut preauth(plaintext()), "a UNAUTHENTICATE\r\n"), "a BAD Unknown command\r\n");
    let mut stranger = Owner::new(full());
    stranger.sent();
    assert_eq!(answer(&mut stranger, "a UNAUTHENTICATE\r\n"), "a BAD Log in first\r\n");
    assert_eq!(answer(&mut preauth(full()), "a UNAUTHENTICATE x\r\n"), "a BAD Invalid arguments\r\n");
}

/// One for which the owner has said that these are enabled.
fn enabled(capabilities: &[Capability<'static>]) -> Owner {
    let mut owner = preauth(full());
    owner.server.set_selected().unwrap();
    owner.server.untagged(&Response::Enabled(List::of(capabilities))).unwrap();
    owner.sent();
    owner
}

#[test]
fn what_is_enabled_changes_what_is_read() {
    let name = "a ID (\"name\" \"caf\u{e9}\")\r\n";
    assert_eq!(answer(&mut enabled(&[]), name), "a BAD Invalid arguments\r\n");
    for capability in [Capability::Utf8Accept, Capability::Imap4Rev2] {
        let mut owner = enabled(&[capability]);
        assert_eq!(answer(&mut owner, name), "a OK Done\r\n", "{capability}");
        // No quirk, then.
        assert_eq!(owner.server.quirk_counts().iter().count(), 0);
    }
}

#[test]
fn uidonly_knows_no_message_numbers() {
    let numbered = ["FETCH 1 UID", "STORE 1 FLAGS ()", "SEARCH ALL", "COPY 1 x", "MOVE 1 x"];
    for command in numbered {
        let mut owner = enabled(&[Capability::UidOnly]);
        let refused = "a BAD [UIDREQUIRED] Message numbers are not in use\r\n";
        assert_eq!(answer(&mut owner, &format!("a {command}\r\n")), refused, "{command}");
        assert_eq!(answer(&mut owner, &format!("b UID {command}\r\n")), "b OK Done\r\n", "{command}");
        let mut without = enabled(&[]);
        assert_eq!(answer(&mut without, &format!("a {command}\r\n")), "a OK Done\r\n", "{command}");
    }
    let numbered_key = "a UID SEARCH OR 1 SEEN\r\n";
    assert!(answer(&mut enabled(&[Capability::UidOnly]), numbered_key).starts_with("a BAD [UIDREQUIRED]"));
    assert_eq!(answer(&mut enabled(&[]), numbered_key), "a OK Done\r\n");
    let server = &mut enabled(&[Capability::UidOnly]).server;
    let items = [FetchItem::Uid(1)];
    assert!(server.untagged(&Response::Fetch { message: 1, items: List::of(&items) }).is_err());
    assert!(server.untagged(&Response::Expunge(1)).is_err());
}

#[test]
fn under_qresync_no_expunge_is_sent() {
    for (capability, may) in [(Capability::Qresync, false), (Capability::CondStore, true)] {
        let mut owner = enabled(&[capability]);
        assert!(owner.server.enabled().has(&Capability::CondStore));
        owner.server.receive(b"a NOOP\r\n", Instant::now());
        let Ok(Some(Event::Command(ticket, _))) = owner.server.poll_event() else { panic!() };
        assert_eq!(owner.server.untagged(&Response::Expunge(1)).is_ok(), may);
        owner.server.reply(ticket, &Status::ok("Done")).unwrap();
    }
}

#[test]
fn a_client_that_asked_for_it_is_told_of_expunges_at_any_time() {
    let mut owner = enabled(&[]);
    assert!(owner.server.untagged(&Response::Expunge(1)).is_err());
    owner.server.set_expunge_timing(ExpungeTiming::Anytime);
    owner.server.untagged(&Response::Expunge(1)).unwrap();
    // Not in a command that is answered by numbers, all the same.
    owner.server.receive(b"a SEARCH ALL\r\n", Instant::now());
    let Ok(Some(Event::Command(ticket, _))) = owner.server.poll_event() else { panic!() };
    assert!(owner.server.untagged(&Response::Expunge(1)).is_err());
    owner.server.reply(ticket, &Status::ok("Done")).unwrap();
    assert_eq!(owner.sent(), "* 1 EXPUNGE\r\na OK Done\r\n");
}

const INNER: [&str; 10] = [
    "LOCALAPPEND",
    "LOCALCREATE",
    "LOCALDELETE",
    "MUPDATEPUSH",
    "XFER",
    "XLIST",
    "RLIST",
    "RLSUB",
    "GETANNOTATION",
    "SETANNOTATION",
];

#[test]
fn n4_inner_verbs_exist_for_nodes_alone() {
    for unknown_verbs in [UnknownVerbs::Refuse, UnknownVerbs::Pass] {
        for verb in INNER {
            let mut owner = preauth(Config { unknown_verbs, ..plaintext() });
            let command = format!("a {} \"\" \"x\"\r\n", verb.to_lowercase());
            assert_eq!(answer(&mut owner, &command), "a BAD Unknown command\r\n", "{verb}");
            owner.server.set_peer(Peer::Node);
            assert!(!answer(&mut owner, &command).contains("Unknown"), "{verb}");
        }
    }
}

#[test]
fn old_verbs_for_users_exist_where_they_are_announced() {
    let opened = [("XLIST", Capability::Xlist), ("RLIST", Capability::MailboxReferrals)];
    for (verb, capability) in opened {
        let config = Config {
            unknown_verbs: UnknownVerbs::Pass,
            capabilities_after_login: vec![capability],
            ..plaintext()
        };
        assert_eq!(answer(&mut preauth(config), &format!("a {verb} \"\" *\r\n")), "a OK Done\r\n", "{verb}");
    }
}

#[test]
fn verbs_that_nobody_knows_reach_the_owner_that_asked_for_them() {
    let command = "a XFROB {3+}\r\nx y (\r\n";
    assert_eq!(answer(&mut preauth(plaintext()), command), "a BAD Unknown command\r\n");
    let pass = Config { unknown_verbs: UnknownVerbs::Pass, ..plaintext() };
    let mut owner = preauth(pass.clone());
    assert_eq!(answer(&mut owner, command), "a OK Done\r\n");
    assert!(owner.seen[0].starts_with("Unknown"), "{:?}", owner.seen);
    // Not a stranger's.
    let mut stranger = Owner::new(pass);
    stranger.sent();
    assert_eq!(answer(&mut stranger, "a XFROB\r\n"), "a BAD Log in first\r\n");
}

#[test]
fn f6_under_literal_minus_a_large_message_sent_unasked_is_skipped() {
    let config = Config { unasked_literals: UnaskedLiterals::Small, ..plaintext() };
    let fresh = || {
        let mut owner = preauth(config.clone());
        owner.keep = Keep::Stream;
        owner
    };
    assert!(answer(&mut fresh(), "a CAPABILITY\r\n").contains(" LITERAL- "));
    let body = |bytes: usize| "b NOOP\r\n".repeat(bytes / 8 + 1)[..bytes].to_owned();
    for (bytes, expected) in [
        (4_096, "a NO Too large for this test\r\n"),
        (4_097, "a BAD [TOOBIG] Literal too large to be sent unasked\r\n"),
    ] {
        let input = format!("a APPEND x {{{bytes}+}}\r\n{}\r\nc NOOP\r\n", body(bytes));
        let mut owner = fresh();
        assert_eq!(answer(&mut owner, &input), format!("{expected}c OK Done\r\n"));
    }
    // One that is announced and waits is a matter of its owner.
    assert_eq!(answer(&mut fresh(), "a APPEND x {4097}\r\n"), "a NO Too large for this test\r\n");
}

#[test]
fn modes_read_the_same_however_they_are_cut() {
    let input = b"a ENABLE QRESYNC\r\nb UNAUTHENTICATE\r\nc LOGIN {5+}\r\nalice secret\r\nd XFER a b\r\ne COMPRESS DEFLATE\r\n";
    let got = outcome(|| preauth(full()), input);
    assert_eq!(got.seen.last().map(String::as_str), Some("compress"));
    assert!(got.sent.ends_with("d BAD Unknown command\r\ne OK Compression begins now\r\n"), "{}", got.sent);
    assert_eq!(got.end, None);
}
