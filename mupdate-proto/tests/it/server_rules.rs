//! What a server lets a client do, and for how long.

use std::time::{Duration, Instant};

use mail_wire::sasl::{self, Authzid, Mechanism, MechanismName, ServerExchange, Step};
use mail_wire::testing::check_tls_barrier;
use mail_wire::{
    ApiMisuse, Connection as _, Error, InvalidMessage, LimitExceeded, PeerMisbehaved, PlaintextLogin, Text,
};
use mupdate_proto::server::{AuthFailure, Config, Connection, Event, StartTls};
use mupdate_proto::{BannerString, Location, MailboxEntry, MailboxName, Role, Status};

use crate::support::{LOGIN, Master, config, logged_in, output, server, text};

/// What a fresh server makes of bytes: its words, and how it ended if it did.
fn session(config: Config, bytes: &[u8]) -> (String, Result<(), Error>) {
    let mut server = server(config);
    output(&mut server);
    server.receive(bytes, Instant::now());
    let served = Master::default().serve(&mut server);
    (text(&output(&mut server)), served)
}

/// A server behind its greeting that has a certificate and takes no password in the clear.
fn with_tls() -> Config {
    Config { start_tls: StartTls::Offer, plaintext_login: PlaintextLogin::Refuse, ..config() }
}

fn misbehaved(what: PeerMisbehaved) -> Result<(), Error> {
    Err(what.into())
}

#[test]
fn f5_bytes_before_the_banner_are_fatal() {
    let mut server = Connection::new(config(), Instant::now());
    server.receive(b"a NOOP\r\n", Instant::now());
    assert_eq!(server.poll_event().map(drop), misbehaved(PeerMisbehaved::BytesBeforeGreeting));
    assert_eq!(output(&mut server), b"");
}

#[test]
fn f6_bytes_of_a_refused_literal_never_run_as_commands() {
    let inside = b"x LOGOUT\r\n".repeat(20_000);
    let mut bytes = [LOGIN, format!("f FIND {{{}+}}\r\n", inside.len()).as_bytes()].concat();
    bytes.extend_from_slice(&inside);
    bytes.extend_from_slice(b"\r\nn NOOP\r\n");
    let (said, served) = session(config(), &bytes);
    assert_eq!(
        said,
        text(b"A OK \"Authenticated\"\r\nf BAD \"Literal too large\"\r\nn OK \"Noop done\"\r\n")
    );
    assert_eq!(served, Ok(()));
}

#[test]
fn f6_a_refused_synchronising_literal_is_not_asked_for() {
    let (said, _) = session(config(), b"f FIND {9999999}\r\nn LOGOUT\r\n");
    assert_eq!(said, text(b"f BAD \"Literal too large\"\r\nn BYE \"bye-bye\"\r\n"));
}

#[test]
fn f6_what_is_skipped_is_bounded() {
    let limits = config().limits;
    let max = limits.before_login.skipped_literal_bytes_max;
    let skipped = |bytes: u64| {
        let mut all = format!("f FIND {{{bytes}+}}\r\n").into_bytes();
        all.extend(std::iter::repeat_n(b'x', usize::try_from(bytes).unwrap()));
        session(config(), &[&all, &b"\r\n"[..]].concat()).1
    };
    assert_eq!(skipped(max), Ok(()));
    assert_eq!(skipped(max + 1), Err(LimitExceeded::new("skipped_literal_bytes_max", max).into()));
}

#[test]
fn f7_bytes_that_no_line_holds_end_the_connection() {
    for (byte, what) in
        [(0, InvalidMessage::NUL), (b'\r', InvalidMessage::BARE_CR), (b'\n', InvalidMessage::BARE_LF)]
    {
        let (said, served) = session(config(), &[b'a', b' ', byte, b'x', b'\r', b'\n']);
        assert_eq!(served, Err(InvalidMessage::new(what, 2).into()));
        assert_eq!(said, text(b"* BYE \"Line with a byte that no line holds\"\r\n"));
    }
    // Inside of a literal, CR and LF are text; NUL is not.
    let (said, served) =
        session(config(), &[LOGIN, b"f FIND {4+}\r\na\r\nb\r\ng FIND {1+}\r\n\0\r\n"].concat());
    assert_eq!(served, Ok(()));
    assert!(
        said.ends_with(&text(b"f OK \"Search completed\"\r\ng BAD \"Badly formed arguments\"\r\n")),
        "{said}"
    );
}

#[test]
fn f8_a_line_at_the_cap_passes_and_one_above_is_fatal() {
    let max = config().limits.before_login.text_bytes_max;
    let line = |bytes: usize| {
        let mut line = b"a XYZZY ".to_vec();
        line.resize(bytes, b'x');
        session(config(), &[&line[..], b"\r\n"].concat())
    };
    assert_eq!(line(max), (text(b"a BAD \"Unrecognized command\"\r\n"), Ok(())));
    let exceeded = Err(LimitExceeded::new("text_bytes_max", max as u64).into());
    assert_eq!(line(max + 1), (text(b"* BYE \"Limit exceeded\"\r\n"), exceeded));
}

#[test]
fn f10_another_protocol_gets_nothing_back() {
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"POST /a NOOP\r\n", b"\x16\x03\x01\x02\x00"] {
        assert_eq!(session(config(), bytes), (String::new(), misbehaved(PeerMisbehaved::ForeignProtocol)));
    }
}

#[test]
fn t1_t2_nothing_passes_the_gate_of_starttls() {
    let fresh = || server(with_tls());
    check_tls_barrier(fresh, b"s STARTTLS\r\n", b"a LOGOUT\r\n", |event| !matches!(event, Event::StartTls));
    // The client is not told to go ahead either.
    let mut server = fresh();
    output(&mut server);
    server.receive(b"s STARTTLS\r\na NOOP\r\n", Instant::now());
    assert!(server.poll_event().is_err());
    assert_eq!(output(&mut server), b"");
}

#[test]
fn t6_nothing_of_before_tls_is_left_after_it() {
    let now = Instant::now();
    let mut server = server(with_tls());
    let clear = text(&output(&mut server));
    assert!(clear.starts_with(&text(b"* AUTH\r\n* STARTTLS\r\n")), "{clear}");
    server.receive(b"s STARTTLS\r\n", now);
    assert!(matches!(server.poll_event(), Ok(Some(Event::StartTls))));
    assert_eq!(output(&mut server), b"s OK \"Begin TLS negotiation now\"\r\n");
    assert!(server.tls().is_none());
    server.tls_started(now);
    assert!(server.tls().is_some());
    let banner = text(&output(&mut server));
    assert!(banner.starts_with(&text(b"* AUTH \"PLAIN\"\r\n* PARTIAL-UPDATE\r\n* OK MUPDATE")), "{banner}");
    // Once is enough; and a login is still needed.
    server.receive(b"s STARTTLS\r\nl LIST\r\n", now);
    Master::default().serve(&mut server).unwrap();
    let expected = b"s NO \"STARTTLS comes first, and once\"\r\nl BAD \"Please login first\"\r\n";
    assert_eq!(text(&output(&mut server)), text(expected));
}

#[test]
fn where_tls_came_first_there_is_no_starttls() {
    let mut server = Connection::new(with_tls(), Instant::now());
    server.tls_started(Instant::now());
    assert_eq!(output(&mut server), b"", "the owner greets");
    server.greet().unwrap();
    assert!(text(&output(&mut server)).starts_with(&text(b"* AUTH \"PLAIN\"\r\n* PARTIAL-UPDATE\r\n")));
}

#[test]
fn starttls_belongs_before_the_login() {
    let config = Config { plaintext_login: PlaintextLogin::DangerAllow, ..with_tls() };
    let mut server = logged_in(config);
    server.receive(b"s STARTTLS\r\n", Instant::now());
    Master::default().serve(&mut server).unwrap();
    assert_eq!(output(&mut server), b"s NO \"STARTTLS comes first, and once\"\r\n");
}

#[test]
fn a1_the_owner_is_told_both_names_and_decides() {
    let mut server = server(config());
    let message = sasl::encode(b"carol\0proxy\0secret");
    server
        .receive(format!("a AUTHENTICATE \"PLAIN\" \"{}\"\r\n", message.expose()).as_bytes(), Instant::now());
    let Ok(Some(Event::Authenticate { ticket, initial, .. })) = server.poll_event() else { panic!() };
    let initial = initial.unwrap();
    let Ok(Step::Done(who)) = ServerExchange::new(Mechanism::Plain).start(Some(initial.expose())) else {
        panic!()
    };
    assert_eq!(who.authcid.as_str(), "proxy");
    assert_eq!(who.authzid.as_ref().map(Authzid::as_str), Some("carol"));
    server.auth_failed(ticket, AuthFailure::Credentials).unwrap();
    server.receive(b"l LIST\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)), "nobody is logged in");
}

#[test]
fn a3_an_unknown_name_and_a_wrong_password_get_the_same_words() {
    let attempt = |message: &[u8]| {
        let line = format!("a AUTHENTICATE \"PLAIN\" \"{}\"\r\n", sasl::encode(message).expose());
        session(config(), line.as_bytes())
    };
    let expected = (text(b"a NO \"Authentication failed\"\r\n"), Ok(()));
    for message in [&b"\0be1\0wrong"[..], b"\0nobody\0secret", b"be2\0be1\0secret", b"\0be1\0", b"nonsense"] {
        assert_eq!(attempt(message), expected);
    }
}

#[test]
fn a5_every_odd_message_ends_its_exchange_and_no_other() {
    let odd: [&[u8]; 8] = [b"*", b"=", b"%%%", b"A", b"\"AGJlMQBzZWNyZXQ=\"", b" ", b"AGE", b"{3+}"];
    for line in odd {
        let mut bytes = [b"a AUTHENTICATE \"PLAIN\"\r\n", line, b"\r\n"].concat();
        bytes.extend_from_slice(LOGIN);
        let (said, served) = session(config(), &bytes);
        assert_eq!(served, Ok(()), "{line:?}");
        assert!(said.starts_with(r"\r\na NO "), "{said}");
        assert!(said.ends_with(&text(b"A OK \"Authenticated\"\r\n")), "{said}");
    }
    // Nothing at all is a message; it is the owner's to judge.
    let bytes = [b"a AUTHENTICATE \"PLAIN\"\r\n\r\n", LOGIN].concat();
    let (said, _) = session(config(), &bytes);
    assert_eq!(said, text(b"\r\na NO \"Authentication failed\"\r\nA OK \"Authenticated\"\r\n"));
}

#[test]
fn a12_passwords_wait_for_tls() {
    let scram = MechanismName::new(b"SCRAM-SHA-256").unwrap();
    let config = Config { mechanisms: vec![Mechanism::Plain.into(), scram], ..with_tls() };
    let mut server = server(config.clone());
    assert!(text(&output(&mut server)).starts_with(&text(b"* AUTH \"SCRAM-SHA-256\"\r\n")));
    let (said, _) = session(config, LOGIN);
    assert_eq!(said, text(b"A NO \"This mechanism needs an encrypted connection\"\r\n"));
    server.receive(b"a AUTHENTICATE \"SCRAM-SHA-256\"\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Authenticate { .. }))));
}

#[test]
fn p1_an_announced_size_reserves_nothing() {
    let mut server = logged_in(config());
    server.receive(b"f FIND {131072+}\r\nabc", Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)));
    assert!(server.buffer().capacity() < 4_096, "{}", server.buffer().capacity());
    for size in ["131073", "99999999", "18446744073709551615"] {
        let mut server = logged_in(config());
        server.receive(format!("f FIND {{{size}}}\r\n").as_bytes(), Instant::now());
        assert!(matches!(server.poll_event(), Ok(None)));
        assert_eq!(output(&mut server), b"f BAD \"Literal too large\"\r\n");
    }
    for size in ["18446744073709551616", "99999999999999999999999"] {
        let (_, served) = session(config(), format!("f FIND {{{size}+}}\r\n").as_bytes());
        assert_eq!(served, Err(InvalidMessage::new("literal size out of range", 7).into()));
    }
}

#[test]
fn p2_as_many_literals_as_the_limit_pass_and_one_more_is_fatal() {
    let many = |count: usize| {
        let line = format!("u UPDATE{}\r\n", " {1+}\r\nx".repeat(count));
        session(config(), &[LOGIN, line.as_bytes()].concat())
    };
    let max = config().limits.after_login.literals_max;
    assert_eq!(many(max).1, Ok(()));
    assert_eq!(many(max + 1).1, Err(LimitExceeded::new("literals_max", max as u64).into()));
    // Two literals together above the limit of their sum: refused, and the command behind runs.
    let half = "x".repeat(70_000);
    let two = format!("d RESERVE {{70000+}}\r\n{half} {{70000+}}\r\n{half}\r\nn NOOP\r\n");
    let (said, served) = session(config(), &[LOGIN, two.as_bytes()].concat());
    assert_eq!(served, Ok(()));
    assert!(said.ends_with(&text(b"d BAD \"Literal too large\"\r\nn OK \"Noop done\"\r\n")), "{said}");
}

#[test]
fn p3_the_cap_holds_in_every_state() {
    let limits = config().limits;
    let states: [(&[u8], usize); 4] = [
        (b"", limits.before_login.text_bytes_max),
        (b"a AUTHENTICATE \"PLAIN\"\r\n", limits.before_login.text_bytes_max),
        (LOGIN, limits.after_login.text_bytes_max),
        (&[LOGIN, b"u UPDATE\r\n"].concat(), limits.after_login.text_bytes_max),
    ];
    for (before, max) in states {
        let (mut server, mut master) = (server(config()), Master::default());
        server.receive(before, Instant::now());
        master.serve(&mut server).unwrap();
        let mut fed = 0;
        let error = loop {
            server.receive(&[b'x'; 1_000], Instant::now());
            fed += 1_000;
            match master.serve(&mut server) {
                Ok(()) => assert!(server.buffer().len() <= max + 1),
                Err(error) => break error,
            }
        };
        assert_eq!(error, LimitExceeded::new("text_bytes_max", max as u64).into());
        assert!(fed <= max + 2_000);
    }
}

#[test]
fn as_many_bad_commands_as_the_limit_close() {
    let max = usize::try_from(config().limits.bad_commands_max).unwrap();
    assert_eq!(session(config(), &b"x Y\r\n".repeat(max - 1)).1, Ok(()));
    let (said, served) = session(config(), &b"x Y\r\n".repeat(max));
    assert_eq!(served, misbehaved(PeerMisbehaved::TooManyBadCommands));
    assert!(said.ends_with(&text(b"* BYE \"Too many bad commands\"\r\n")));
}

#[test]
fn as_many_failed_logins_as_the_limit_close() {
    let max = usize::try_from(config().limits.auth_failures_max).unwrap();
    let wrong = b"a AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n";
    assert_eq!(session(config(), &wrong.repeat(max - 1)).1, Ok(()));
    let (said, served) = session(config(), &wrong.repeat(max));
    assert_eq!(served, misbehaved(PeerMisbehaved::TooManyFailedLogins));
    assert!(said.ends_with(&text(b"* BYE \"Too many failed logins\"\r\n")));
}

#[test]
fn a_login_that_could_not_be_checked_is_not_counted() {
    let mut server = server(config());
    for _ in 0..10 {
        server.receive(LOGIN, Instant::now());
        let Ok(Some(Event::Authenticate { ticket, .. })) = server.poll_event() else { panic!() };
        server.auth_failed(ticket, AuthFailure::Temporary).unwrap();
    }
    assert_eq!(server.auth_failures(), 0);
}

#[test]
fn as_much_as_the_limit_may_wait_behind_a_command() {
    let max = config().limits.waiting_bytes_max;
    let waiting = |bytes: usize| {
        let mut server = logged_in(config());
        server.receive(b"f FIND \"x\"\r\n", Instant::now());
        let find = server.poll_event();
        assert!(matches!(find, Ok(Some(Event::Find(..)))));
        server.receive(&vec![b'x'; bytes], Instant::now());
        (server.wants_input(), server.poll_event().map(|event| event.is_some()))
    };
    assert_eq!(waiting(10), (true, Ok(false)));
    assert_eq!(waiting(max), (false, Ok(false)));
    assert_eq!(waiting(max + 1), (false, Err(LimitExceeded::new("waiting_bytes_max", max as u64).into())));
}

#[test]
fn a_slave_that_does_not_read_is_cut_off_and_costs_no_more_than_the_limit() {
    let mut config = config();
    config.limits.queue_bytes_max = 10_000;
    let mut server = logged_in(config);
    server.receive(b"u UPDATE\r\n", Instant::now());
    Master::default().serve(&mut server).unwrap();
    let entry =
        MailboxEntry::reserved(MailboxName::new("user.x").unwrap(), Location::new("be1!default").unwrap());
    let error = loop {
        if let Err(error) = server.entry(&entry) {
            break error;
        }
        assert!(server.transmit_bytes() <= 10_000);
    };
    assert_eq!(error, LimitExceeded::new("queue_bytes_max", 10_000).into());
    assert!(server.is_closing());
    assert_eq!(server.poll_event().map(drop), Err(error));
}

#[test]
fn a_dropped_ticket_is_answered_and_reported_and_the_session_goes_on() {
    let mut server = logged_in(config());
    server.receive(b"f FIND \"x\"\r\nn NOOP\r\n", Instant::now());
    drop(server.poll_event());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(ApiMisuse::TicketDropped)))));
    assert!(matches!(server.poll_event(), Ok(None)));
    assert_eq!(text(&output(&mut server)), text(b"f NO \"internal error\"\r\nn OK \"Noop done\"\r\n"));
}

#[test]
fn calls_that_answer_nothing_are_refused() {
    let done = Text::constant("done");
    let mut server = server(config());
    assert!(server.greet().is_err());
    server.receive(LOGIN, Instant::now());
    let Ok(Some(Event::Authenticate { ticket, .. })) = server.poll_event() else { panic!() };
    assert!(matches!(server.reply(ticket, Status::Ok, &done), Err(Error::ApiMisuse(_))));
    assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(_)))));

    let mut server = logged_in(config());
    let entry = MailboxEntry::reserved(MailboxName::new("a").unwrap(), Location::new("b").unwrap());
    assert!(matches!(server.entry(&entry), Err(Error::ApiMisuse(_))));
    assert!(matches!(server.deleted(&entry.name), Err(Error::ApiMisuse(_))));
    server.receive(b"r RESERVE \"a\" \"b\"\r\n", Instant::now());
    let Ok(Some(Event::Change(ticket, _))) = server.poll_event() else { panic!() };
    assert!(matches!(server.entry(&entry), Err(Error::ApiMisuse(_))));
    let mut other = logged_in(config());
    other.receive(b"r RESERVE \"a\" \"b\"\r\n", Instant::now());
    let Ok(Some(Event::Change(foreign, _))) = other.poll_event() else { panic!() };
    assert_eq!(server.reply(foreign, Status::Ok, &done), Err(ApiMisuse::ForeignTicket.into()));
    assert_eq!(server.reply(ticket, Status::Ok, &done), Ok(()));
}

#[test]
fn a_slave_is_read_only() {
    let mut config = config();
    config.identity.role = Role::Slave(BannerString::new("master.example").unwrap());
    let mut fresh = server(config.clone());
    assert!(text(&output(&mut fresh)).contains("mupdate://master.example/"));
    let (said, _) = session(config, &[LOGIN, b"a DELETE \"x\"\r\nf FIND \"x\"\r\n"].concat());
    assert!(said.ends_with(&text(b"a BAD \"read-only session\"\r\nf OK \"Search completed\"\r\n")), "{said}");
}

#[test]
fn a_silent_client_is_closed_with_a_word_but_not_while_the_owner_works() {
    let start = Instant::now();
    let timeouts = config().timeouts;
    let mut server = Connection::new(config(), start);
    server.greet().unwrap();
    output(&mut server);
    assert_eq!(server.poll_timeout(), Some(start + timeouts.login));
    server.receive(LOGIN, start);
    Master::default().serve(&mut server).unwrap();
    server.handle_timeout(start);
    assert_eq!(server.poll_timeout(), Some(start + timeouts.idle));
    server.receive(b"f FIND \"x\"\r\n", start);
    let Ok(Some(Event::Find(ticket, _))) = server.poll_event() else { panic!() };
    assert_eq!(server.poll_timeout(), None);
    let later = start + Duration::from_secs(10_000);
    server.handle_timeout(later);
    server.reply(ticket, Status::Ok, &Text::constant("slow")).unwrap();
    server.handle_timeout(later);
    assert_eq!(server.poll_timeout(), Some(later + timeouts.idle));
    assert!(matches!(server.poll_event(), Ok(None)));
    server.handle_timeout(later + timeouts.idle);
    assert_eq!(server.poll_event().map(drop), misbehaved(PeerMisbehaved::TimedOut));
    assert!(text(&output(&mut server)).ends_with(&text(b"* BYE \"Idle for too long\"\r\n")));
}

#[test]
fn the_end_of_the_client_s_stream_is_the_end() {
    let mut server = logged_in(config());
    server.receive_eof();
    assert!(matches!(server.poll_event(), Ok(None)));
    assert!(server.is_closing());
    let mut server = logged_in(config());
    server.receive(b"f FIND \"x", Instant::now());
    server.receive_eof();
    assert_eq!(server.poll_event().map(drop), misbehaved(PeerMisbehaved::ClosedMidMessage));
}

#[test]
fn a_configuration_that_cannot_be_told_is_refused() {
    assert!(Config::new(&"x".repeat(256)).is_err());
    assert!(Config::new(&"x".repeat(255)).is_ok());
}
