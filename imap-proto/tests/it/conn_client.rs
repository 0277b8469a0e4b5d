//! The client's connection against scripted and hostile servers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use imap_proto::client::{Config, Connection, Event, Piece, State};
use imap_proto::{Command, FetchItem, MailboxName, Response};
use mail_wire::sasl::{Authcid, Authzid, Credentials};
use mail_wire::testing::{check_tls_barrier, every_split};
use mail_wire::{
    ApiMisuse, Connection as _, Error, LimitExceeded, PeerIncompatible, PeerMisbehaved, Secret, TlsActive,
    TlsMode,
};

use crate::conn_pair::append;

const GREETING: &[u8] = b"* OK [CAPABILITY IMAP4rev1 STARTTLS SASL-IR AUTH=PLAIN] ready\r\n";

pub(crate) fn loopback() -> Config {
    Config { tls: TlsMode::Never, ..Config::default() }
}

/// A client that was greeted like this and is ready.
pub(crate) fn greeted(config: Config, greeting: &[u8]) -> Connection {
    let mut client = Connection::new(config, Instant::now());
    assert_eq!(receive(&mut client, greeting), (vec!["greeting".into(), "ready".into()], None));
    client
}

/// A client that is logged in; its next tag is A1.
pub(crate) fn ready(capabilities: &str) -> Connection {
    greeted(loopback(), format!("* PREAUTH [CAPABILITY IMAP4rev1{capabilities}] hi\r\n").as_bytes())
}

/// A client that has sent STARTTLS.
fn starting_tls(config: Config) -> Connection {
    let mut client = Connection::new(config, Instant::now());
    assert_eq!(receive(&mut client, GREETING), (vec!["greeting".into()], None));
    assert_eq!(sent(&mut client), "A1 STARTTLS\r\n");
    client
}

pub(crate) fn sent(client: &mut Connection) -> String {
    let mut sent = Vec::new();
    while let Some(bytes) = client.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    String::from_utf8(sent).unwrap()
}

/// Names of the events that these bytes cause, and the error they end in.
pub(crate) fn receive(client: &mut Connection, bytes: &[u8]) -> (Vec<String>, Option<Error>) {
    client.receive(bytes, Instant::now());
    events(client)
}

pub(crate) fn events(client: &mut Connection) -> (Vec<String>, Option<Error>) {
    let mut names: Vec<String> = Vec::new();
    loop {
        match client.poll_event() {
            Ok(None) => return (names, None),
            Err(error) => return (names, Some(error)),
            Ok(Some(event)) => match event {
                Event::Greeting(_) => names.push("greeting".into()),
                Event::Untagged(r) => names.push(format!("untagged {:?}", r.view())),
                Event::Streamed(r) => names.push(format!("streamed {:?}", r.view())),
                Event::Tagged(id, _) => names.push(format!("tagged {id}")),
                Event::SendLiteral { command, bytes } => names.push(format!("send {bytes} for {command}")),
                Event::Idling(id) => names.push(format!("idling {id}")),
                Event::Ready => names.push("ready".into()),
                Event::StartTls => names.push("start tls".into()),
                Event::Bye(_) => names.push("bye".into()),
                Event::Closed => names.push("closed".into()),
                Event::Piece(Piece::Head { text, .. }) => {
                    names.push(format!("head {}", String::from_utf8_lossy(text.as_bytes())));
                }
                Event::Piece(Piece::Chunk(_, bytes)) => match names.last_mut() {
                    Some(last) if last.starts_with("chunk ") => {
                        last.push_str(&String::from_utf8_lossy(&bytes));
                    }
                    _ => names.push(format!("chunk {}", String::from_utf8_lossy(&bytes))),
                },
                Event::Piece(Piece::LiteralEnd(_)) => names.push("end".into()),
                Event::Compress { .. } => names.push("compress".into()),
                Event::Piece(Piece::Tail(text)) => {
                    names.push(format!("tail {}", String::from_utf8_lossy(text.as_bytes())));
                }
                _ => panic!("an event without a name"),
            },
        }
    }
}

pub(crate) fn proof() -> TlsActive {
    TlsActive::danger_assume_protected()
}

pub(crate) fn secret() -> Secret<Vec<u8>> {
    b"secret".to_vec().into()
}

pub(crate) fn misbehaved(what: PeerMisbehaved) -> Option<Error> {
    Some(what.into())
}

#[test]
fn capabilities_are_learned_wherever_they_are_said_and_forgotten_with_the_state() {
    let mut client = greeted(loopback(), GREETING);
    let has = |client: &Connection, name| client.capabilities().map(|c| c.has(name));
    assert_eq!(has(&client, "starttls"), Some(true));
    client.command(&Command::Capability).unwrap();
    assert_eq!(sent(&mut client), "A1 CAPABILITY\r\n");
    receive(&mut client, b"* CAPABILITY IMAP4rev1 IDLE\r\nA1 OK done\r\n");
    assert_eq!((has(&client, "IDLE"), has(&client, "STARTTLS")), (Some(true), Some(false)));

    // After login they are unknown, unless the server says them.
    client.login("alice", &secret(), proof()).unwrap();
    sent(&mut client);
    receive(&mut client, b"A2 OK in\r\n");
    assert_eq!(client.state(), State::Authenticated);
    assert_eq!(client.capabilities(), None);
    for reply in ["A1 OK [CAPABILITY IMAP4rev1 MOVE] in\r\n", "* CAPABILITY IMAP4rev1 MOVE\r\nA1 OK in\r\n"] {
        let mut client = greeted(loopback(), GREETING);
        client.login("alice", &secret(), proof()).unwrap();
        sent(&mut client);
        receive(&mut client, reply.as_bytes());
        assert_eq!(has(&client, "MOVE"), Some(true), "{reply}");
    }
}

#[test]
fn what_comes_first_happens_by_itself() {
    // Neither capabilities nor TLS were told: they are asked for.
    let mut client = Connection::new(Config::default(), Instant::now());
    assert_eq!(receive(&mut client, b"* OK hi\r\n").0, ["greeting"]);
    assert_eq!(client.command(&Command::Noop), Err(ApiMisuse::WrongState("the session is not ready").into()));
    assert_eq!(sent(&mut client), "A1 CAPABILITY\r\n");
    receive(&mut client, b"* CAPABILITY IMAP4rev1 STARTTLS\r\nA1 OK\r\n");
    assert_eq!(sent(&mut client), "A2 STARTTLS\r\n");
    assert_eq!(receive(&mut client, b"A2 OK go\r\n").0, ["start tls"]);
    client.tls_started(Instant::now());
    assert_eq!(sent(&mut client), "A3 CAPABILITY\r\n");
    assert_eq!(receive(&mut client, b"* CAPABILITY IMAP4rev1 IDLE\r\nA3 OK\r\n").0.last().unwrap(), "ready");
    // A server that does not tell has none.
    let mut client = Connection::new(loopback(), Instant::now());
    receive(&mut client, b"* OK hi\r\n");
    sent(&mut client);
    assert_eq!(receive(&mut client, b"A1 BAD what\r\n").0, ["ready"]);
    assert_eq!(client.capabilities().map(|c| c.has("IMAP4rev1")), Some(false));
}

#[test]
fn t3_nothing_passes_the_barrier_of_starttls() {
    let injected = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n* BYE\r\nA2 OK\r\n";
    let is_forbidden = |event: &Event| !matches!(event, Event::StartTls);
    check_tls_barrier(|| starting_tls(Config::default()), b"A1 OK begin\r\n", injected, is_forbidden);
}

#[test]
fn t4_a_reply_that_came_before_its_command_left_is_fatal() {
    let unsolicited = misbehaved(PeerMisbehaved::UnsolicitedReply);
    // Behind the greeting, before anything was asked.
    let mut early = Connection::new(Config::default(), Instant::now());
    assert_eq!(receive(&mut early, &[GREETING, b"A1 OK begin\r\n"].concat()).1, unsolicited);
    let mut early = Connection::new(Config::default(), Instant::now());
    assert_eq!(receive(&mut early, b"* OK hi\r\nA1 OK done\r\n").1, unsolicited);
    assert_eq!(sent(&mut early), "A1 CAPABILITY\r\n");
    // While the command still waits in the output.
    let mut client = Connection::new(Config::default(), Instant::now());
    receive(&mut client, GREETING);
    assert_eq!(receive(&mut client, b"A1 OK begin\r\n").1, unsolicited);
    let mut client = ready("");
    client.command(&Command::Noop).unwrap();
    assert_eq!(receive(&mut client, b"A1 OK\r\n").1, unsolicited);
}

#[test]
fn t4_without_starttls_a_client_that_needs_it_ends() {
    let stripped = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n";
    let no_start_tls = Some(PeerIncompatible::NoStartTls.into());
    let mut client = Connection::new(Config::default(), Instant::now());
    assert_eq!(receive(&mut client, stripped).1, no_start_tls);
    assert!(client.is_closing());
    assert_eq!(sent(&mut client), "");
    // Offered, and then refused.
    let mut client = starting_tls(Config::default());
    assert_eq!(receive(&mut client, b"A1 BAD no\r\n").1, no_start_tls);
    // One that does not need it goes on.
    let opportunistic = Config { tls: TlsMode::Opportunistic, ..Config::default() };
    greeted(opportunistic, stripped);
    let mut client = starting_tls(opportunistic);
    assert_eq!(receive(&mut client, b"A1 BAD no\r\n"), (vec!["ready".into()], None));
}

#[test]
fn t4_no_password_leaves_before_the_handshake() {
    let mut client = starting_tls(Config::default());
    let refused = Err(ApiMisuse::WrongState("the session is not ready").into());
    assert_eq!(client.login("alice", &secret(), proof()), refused);
    assert_eq!(client.command(&Command::Select(MailboxName::INBOX.into())), refused);
    receive(&mut client, b"A1 OK go\r\n");
    assert_eq!(client.login("alice", &secret(), proof()), refused);
    client.tls_started(Instant::now());
    assert_eq!(sent(&mut client), "A2 CAPABILITY\r\n");
    receive(&mut client, b"A2 OK\r\n");
    let tls = client.tls().unwrap();
    client.login("alice", &secret(), tls).unwrap();
    assert_eq!(sent(&mut client), "A3 LOGIN alice secret\r\n");
}

#[test]
fn t5_a_session_that_claims_to_be_open_is_refused_in_the_clear() {
    let welcome = b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n";
    let mut client = Connection::new(Config::default(), Instant::now());
    assert_eq!(receive(&mut client, welcome).1, misbehaved(PeerMisbehaved::PreauthBeforeTls));
    // TLS from the first byte is another matter.
    let mut client = Connection::new(Config::default(), Instant::now());
    client.tls_started(Instant::now());
    assert_eq!(receive(&mut client, welcome), (vec!["greeting".into(), "ready".into()], None));
    assert_eq!(client.state(), State::Authenticated);
}

#[test]
fn t6_capabilities_said_in_the_clear_are_forgotten_under_tls() {
    let mut client = starting_tls(Config::default());
    receive(&mut client, b"A1 OK go\r\n");
    client.tls_started(Instant::now());
    assert_eq!(client.capabilities(), None);
}

#[test]
fn x1_a_referral_is_told_and_not_followed() {
    let mut client = greeted(loopback(), GREETING);
    client.login("alice", &secret(), proof()).unwrap();
    sent(&mut client);
    let got = receive(&mut client, b"A1 NO [REFERRAL IMAP://alice;AUTH=*@evil.example/] go there\r\n");
    assert_eq!(got, (vec!["tagged A1".into()], None));
    assert_eq!((sent(&mut client).as_str(), client.state()), ("", State::NotAuthenticated));
    let mut client = Connection::new(loopback(), Instant::now());
    receive(&mut client, b"* BYE [REFERRAL IMAP://evil.example/] go there\r\n");
    client.receive_eof();
    assert_eq!((sent(&mut client).as_str(), events(&mut client)), ("", (vec!["closed".into()], None)));
}

#[test]
fn plain_goes_with_the_command_where_the_server_takes_it() {
    let credentials = Credentials {
        authcid: Authcid::new(b"proxy").unwrap(),
        authzid: Some(Authzid::new(b"carol").unwrap()),
        password: secret(),
    };
    let mut client = greeted(loopback(), GREETING);
    client.authenticate_plain(&credentials, proof()).unwrap();
    assert_eq!(sent(&mut client), "A1 AUTHENTICATE PLAIN Y2Fyb2wAcHJveHkAc2VjcmV0\r\n");
    assert_eq!(receive(&mut client, b"+ \r\n").1, misbehaved(PeerMisbehaved::UnexpectedReply));

    let old = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n";
    let mut client = greeted(loopback(), old);
    client.authenticate_plain(&credentials, proof()).unwrap();
    assert_eq!(sent(&mut client), "A1 AUTHENTICATE PLAIN\r\n");
    receive(&mut client, b"+ \r\n");
    assert_eq!(sent(&mut client), "Y2Fyb2wAcHJveHkAc2VjcmV0\r\n");
    receive(&mut client, b"A1 OK in\r\n");
    assert_eq!(client.state(), State::Authenticated);

    // Success without having heard the password is no success.
    let mut client = greeted(loopback(), old);
    client.authenticate_plain(&credentials, proof()).unwrap();
    sent(&mut client);
    assert_eq!(receive(&mut client, b"A1 OK in\r\n").1, misbehaved(PeerMisbehaved::UnsolicitedReply));

    let mut client = greeted(loopback(), b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n");
    assert_eq!(
        client.authenticate_plain(&credentials, proof()),
        Err(PeerIncompatible::Missing("AUTH=PLAIN").into())
    );
    assert_eq!(client.login("a", &secret(), proof()), Err(PeerIncompatible::Missing("LOGIN").into()));
}

#[test]
fn commands_are_pipelined_and_answered_in_any_order() {
    let mut client = ready("");
    for _ in 0..3 {
        client.command(&Command::Noop).unwrap();
    }
    assert_eq!(sent(&mut client), "A1 NOOP\r\nA2 NOOP\r\nA3 NOOP\r\n");
    let got = every_split(b"A2 OK\r\n* 5 EXISTS\r\nA1 NO x\r\na3 OK x\r\n", |pieces| {
        let mut client = ready("");
        for _ in 0..3 {
            client.command(&Command::Noop).unwrap();
        }
        sent(&mut client);
        let mut seen = Vec::new();
        for piece in pieces {
            let (names, end) = receive(&mut client, piece);
            seen.extend(names);
            if end.is_some() {
                return (seen, end);
            }
        }
        (seen, None)
    });
    // Tags are compared byte for byte.
    let seen = vec!["tagged A2".into(), format!("untagged {:?}", Response::Exists(5)), "tagged A1".into()];
    assert_eq!(got, (seen, misbehaved(PeerMisbehaved::UnsolicitedReply)));
}

#[test]
fn the_number_of_commands_on_their_way_is_limited() {
    let mut client = ready("");
    for _ in 0..64 {
        client.command(&Command::Noop).unwrap();
    }
    assert!(client.command(&Command::Noop).is_err());
}

#[test]
fn a_synchronising_literal_waits_and_holds_back_what_follows() {
    let mut client = ready("");
    let id = append(&mut client, 5).unwrap();
    client.command(&Command::Noop).unwrap();
    assert_eq!(sent(&mut client), "A1 APPEND x {5}\r\n");
    assert!(client.literal_chunk(Bytes::from_static(b"hello")).is_err());
    assert_eq!(receive(&mut client, b"+ go\r\n").0, [format!("send 5 for {id}")]);
    client.literal_chunk(Bytes::from_static(b"hel")).unwrap();
    assert_eq!(client.literal_bytes_due(), Some(2));
    assert!(client.literal_chunk(Bytes::from_static(b"lo!")).is_err());
    client.literal_chunk(Bytes::from_static(b"lo")).unwrap();
    assert_eq!(sent(&mut client), "hello\r\nA2 NOOP\r\n");
    assert_eq!(receive(&mut client, b"A1 OK\r\nA2 OK\r\n").0, ["tagged A1", "tagged A2"]);
}

#[test]
fn a_refused_literal_is_not_sent_and_the_next_command_is() {
    let mut client = ready("");
    append(&mut client, 5).unwrap();
    append(&mut client, 6).unwrap();
    sent(&mut client);
    assert_eq!(receive(&mut client, b"A1 NO [TOOBIG] no\r\n").0, ["tagged A1"]);
    assert_eq!(sent(&mut client), "A2 APPEND x {6}\r\n");
    // Granted before it was sent: no.
    assert_eq!(receive(&mut client, b"A2 OK\r\n").1, misbehaved(PeerMisbehaved::UnsolicitedReply));
}

#[test]
fn a_literal_that_was_announced_as_coming_is_sent_even_if_refused() {
    let mut client = ready(" LITERAL+");
    append(&mut client, 5).unwrap();
    client.command(&Command::Noop).unwrap();
    assert_eq!(sent(&mut client), "A1 APPEND x {5+}\r\n");
    assert_eq!(receive(&mut client, b"A1 NO [OVERQUOTA] full\r\n").0, ["send 5 for A1", "tagged A1"]);
    assert_eq!(client.commands_pending(), 2);
    client.literal_chunk(Bytes::from_static(b"hello")).unwrap();
    assert_eq!(sent(&mut client), "hello\r\nA2 NOOP\r\n");
    assert_eq!(client.commands_pending(), 1);
    // It was answered; a second answer is one too many.
    assert_eq!(receive(&mut client, b"A1 NO again\r\n").1, misbehaved(PeerMisbehaved::UnsolicitedReply));
}

#[test]
fn a_continuation_nobody_waits_for_is_fatal() {
    for bytes in [&b"+ go\r\n"[..], b"A9 OK\r\n", b"A01 OK\r\n", b"b OK\r\n"] {
        let mut client = ready("");
        client.command(&Command::Noop).unwrap();
        sent(&mut client);
        assert_eq!(receive(&mut client, bytes).1, misbehaved(PeerMisbehaved::UnsolicitedReply), "{bytes:?}");
    }
}

#[test]
fn idle_begins_and_ends_in_order() {
    let mut client = ready("");
    client.idle().unwrap();
    assert!(client.command(&Command::Noop).is_err());
    assert_eq!(sent(&mut client), "A1 IDLE\r\n");
    // Ended before it was accepted: DONE waits for that.
    client.idle_done().unwrap();
    assert_eq!(sent(&mut client), "");
    assert!(client.idle_done().is_err());
    assert_eq!(receive(&mut client, b"+ idling\r\n").0, ["idling A1"]);
    assert_eq!(sent(&mut client), "DONE\r\n");
    assert_eq!(receive(&mut client, b"A1 OK\r\n"), (vec!["tagged A1".into()], None));

    client.idle().unwrap();
    sent(&mut client);
    let got = receive(&mut client, b"+ idling\r\n* 4 EXISTS\r\n");
    assert_eq!(got.0.len(), 2);
    assert_eq!(receive(&mut client, b"A2 OK\r\n").1, misbehaved(PeerMisbehaved::UnsolicitedReply));
}

#[test]
fn a_large_literal_goes_by_in_pieces() {
    let mut config = loopback();
    config.limits.kept_literal_bytes_max = 4;
    let input = b"* 1 FETCH (BODY[1] {4}\r\nkept BODY[2] {5}\r\nlarge UID 7)\r\n* 2 EXISTS\r\n";
    let got = every_split(input, |pieces| {
        let mut client = greeted(config, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
        let mut seen: Vec<String> = Vec::new();
        for piece in pieces {
            let (names, end) = receive(&mut client, piece);
            assert_eq!(end, None);
            for name in names {
                match (seen.last_mut(), name.strip_prefix("chunk ")) {
                    (Some(last), Some(more)) if last.starts_with("chunk ") => last.push_str(more),
                    _ => seen.push(name),
                }
            }
        }
        seen
    });
    assert_eq!(
        got[..4],
        ["head * 1 FETCH (BODY[1] {4}\r\nkept BODY[2] {5}\r\n", "chunk large", "end", "tail  UID 7)",]
    );
    assert!(got[4].starts_with("streamed Fetch"), "{}", got[4]);
    assert_eq!(got[5], format!("untagged {:?}", Response::Exists(2)));
}

#[test]
fn the_whole_of_a_streamed_response_has_holes_for_its_literals() {
    let mut client = ready("");
    client.receive(b"* 1 FETCH (UID 7 BODY[] {70000}\r\n", Instant::now());
    client.receive(&vec![b'x'; 70_000], Instant::now());
    client.receive(b")\r\n", Instant::now());
    let whole = loop {
        match client.poll_event().unwrap() {
            Some(Event::Streamed(whole)) => break whole,
            Some(Event::Piece(Piece::Head { so_far, .. })) => {
                let Response::Fetch { items, .. } = so_far.view() else { panic!() };
                assert_eq!(items.iter().next(), Some(FetchItem::Uid(7)));
            }
            Some(Event::Piece(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let Response::Fetch { items, .. } = whole.view() else { panic!() };
    let bytes = items.iter().find_map(|item| match item {
        FetchItem::Section { data, .. } => data.len(),
        _ => None,
    });
    assert_eq!(bytes, Some(70_000));
}

#[test]
fn a_malformed_response_costs_only_itself_and_a_line_that_is_none_the_session() {
    let mut client = ready("");
    for line in ["", "* ", "hello", "A1 MAYBE", "(x)"] {
        let mut client = ready("");
        client.command(&Command::Noop).unwrap();
        sent(&mut client);
        let (names, end) = receive(&mut client, format!("{line}\r\n").as_bytes());
        assert_eq!(end.is_some(), line != "* ", "{line}: {names:?}");
    }
    let got = receive(&mut client, b"* 1 FETCH (((\r\n* 2 EXISTS\r\n");
    assert_eq!(
        got,
        (
            vec![
                "untagged Invalid(Span { start: 0, len: 13 })".into(),
                format!("untagged {:?}", Response::Exists(2))
            ],
            None
        )
    );
}

#[test]
fn p3_what_a_server_says_is_capped() {
    let mut config = loopback();
    config.limits.frame.text_bytes_max = 100;
    config.limits.frame.streamed_literal_bytes_max = 100_000;
    let line = |bytes: usize| format!("* OK {}\r\n", "x".repeat(bytes - 5));
    let mut client = greeted(config, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
    assert_eq!(receive(&mut client, line(100).as_bytes()).1, None);
    let end = receive(&mut client, line(101).as_bytes()).1;
    assert_eq!(end, Some(LimitExceeded::new("text_bytes_max", 100).into()));
    let mut client = greeted(config, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
    assert_eq!(receive(&mut client, b"* 1 FETCH (BODY[] {100000}\r\n").1, None);
    let mut client = greeted(config, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
    let end = receive(&mut client, b"* 1 FETCH (BODY[] {100001}\r\n").1;
    assert_eq!(end, Some(LimitExceeded::new("streamed_literal_bytes_max", 100_000).into()));

    let mut config = loopback();
    config.limits.kept_literal_bytes_max = 0;
    config.limits.streamed_literals_max = 3;
    config.limits.streamed_text_bytes_max = 40;
    let fetch = |count: usize, name: &str| {
        format!("* 1 FETCH ({})\r\n", format!("{name} {{1}}\r\nx ").repeat(count).trim_end())
    };
    let limit = |limit, max| Some(LimitExceeded::new(limit, max).into());
    for (count, name, end) in [
        (3, "A", None),
        (4, "A", limit("streamed_literals_max", 3)),
        // Text up to the literal: `* 1 FETCH (`, the name, ` {1}` CRLF.
        (1, "ABCDEFGHIJKLMNOPQRSTUVW", None),
        (1, "ABCDEFGHIJKLMNOPQRSTUVWX", limit("streamed_text_bytes_max", 40)),
    ] {
        let mut client = greeted(config, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
        assert_eq!(receive(&mut client, fetch(count, name).as_bytes()).1, end, "{count} of {name}");
    }
}

#[test]
fn a_server_that_leaves_owes_nothing_or_misbehaves() {
    let mut client = ready("");
    client.receive_eof();
    assert_eq!(events(&mut client), (vec!["closed".into()], None));
    let mut client = ready("");
    client.command(&Command::Noop).unwrap();
    client.receive_eof();
    assert_eq!(events(&mut client).1, misbehaved(PeerMisbehaved::ClosedMidMessage));
    // It said so.
    let mut client = ready("");
    client.command(&Command::Noop).unwrap();
    sent(&mut client);
    client.receive(b"* BYE restarting\r\n", Instant::now());
    client.receive_eof();
    assert_eq!(events(&mut client), (vec!["bye".into(), "closed".into()], None));
    assert!(client.command(&Command::Noop).is_err());

    let mut client = ready("");
    client.logout().unwrap();
    sent(&mut client);
    assert_eq!(receive(&mut client, b"* BYE bye\r\nA1 OK done\r\n").0, ["bye", "tagged A1", "closed"]);
    assert!(client.is_closing());
}

#[test]
fn a_server_may_be_silent_when_nothing_is_due() {
    let start = Instant::now();
    let later = |seconds| start + Duration::from_secs(seconds);
    let mut client = Connection::new(loopback(), start);
    assert_eq!(client.poll_timeout(), Some(later(30)));
    client.receive(b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", later(1));
    events(&mut client);
    assert_eq!(client.poll_timeout(), None);

    client.command(&Command::Noop).unwrap();
    // The connection learns the time when the driver looks at its timer.
    client.handle_timeout(later(1_000));
    assert_eq!(client.poll_timeout(), Some(later(1_300)));
    sent(&mut client);
    client.receive(b"* 1 EXISTS\r\n", later(1_100));
    events(&mut client);
    assert_eq!(client.poll_timeout(), Some(later(1_400)));
    client.handle_timeout(later(1_400));
    assert_eq!(events(&mut client).1, misbehaved(PeerMisbehaved::TimedOut));

    // While its own literal is on the way, a client waits for nobody.
    let mut upload = ready(" LITERAL+");
    append(&mut upload, 5).unwrap();
    assert_eq!(upload.poll_timeout(), None);
    upload.literal_chunk(Bytes::from_static(b"hello")).unwrap();
    upload.handle_timeout(later(9_000));
    assert!(upload.poll_transmit().is_some());
    upload.handle_timeout(later(10_000));
    assert_eq!(upload.poll_timeout(), Some(later(10_300)));

    let mut idle = ready("");
    idle.idle().unwrap();
    sent(&mut idle);
    receive(&mut idle, b"+ idling\r\n");
    assert_eq!(idle.poll_timeout(), None);
}

#[test]
fn e1_no_value_can_end_a_command_early() {
    let mut client = ready(" LITERAL+");
    let hostile = "x\r\nA9 DELETE inbox";
    let name = MailboxName::new(hostile);
    if let Ok(name) = name {
        client.command(&Command::Delete(name)).unwrap();
        let sent = sent(&mut client);
        // Modified UTF-7 leaves no control byte.
        assert_eq!(sent.matches("\r\n").count(), 1, "{sent:?}");
    }
    let mut client = greeted(loopback(), b"* OK [CAPABILITY LITERAL+] hi\r\n");
    client.login(hostile, &secret(), proof()).unwrap();
    assert_eq!(sent(&mut client), format!("A1 LOGIN {{18+}}\r\n{hostile} secret\r\n"));
    let mut client = greeted(loopback(), b"* OK [CAPABILITY IMAP4rev1] hi\r\n");
    let nul: Secret<Vec<u8>> = b"a\0b".to_vec().into();
    assert!(matches!(client.login("alice", &nul, proof()), Err(Error::PeerIncompatible(_))));
    assert_eq!((sent(&mut client).as_str(), client.commands_pending()), ("", 0));
}
