//! What a server lets a client do, and for how long.

use std::time::{Duration, Instant};

use mail_wire::sasl::{self, Authzid, Mechanism, ServerExchange, Step};
use mail_wire::testing::check_tls_barrier;
use mail_wire::{
    ApiMisuse, Connection as _, Error, InvalidMessage, LimitExceeded, PeerMisbehaved, PlaintextLogin, Text,
};
use pop3_proto::server::{AuthFailure, Config, Connection, Event, StartTls};
use pop3_proto::{MaildropCommand, Reply, ScanListing};

use crate::support::{Maildrop, config, message, output, server, text};

const LOGIN: &[u8] = b"AUTH PLAIN AG1yb3NlAHNlY3JldA==\r\n";
const IN: &[u8] = b"+OK maildrop has 2 messages\r\n";

/// What a fresh server makes of bytes: its words, and how it ended if it did.
fn session(config: Config, bytes: &[u8]) -> (String, Result<(), Error>) {
    let mut server = server(config);
    output(&mut server);
    server.receive(bytes, Instant::now());
    let served = Maildrop::default().serve(&mut server);
    (text(&output(&mut server)), served)
}

fn logged_in(config: Config) -> Connection {
    let mut server = server(config);
    server.receive(LOGIN, Instant::now());
    Maildrop::default().serve(&mut server).unwrap();
    output(&mut server);
    server
}

fn with_tls() -> Config {
    Config { start_tls: StartTls::Offer, plaintext_login: PlaintextLogin::Refuse, ..config() }
}

fn misbehaved(what: PeerMisbehaved) -> Result<(), Error> {
    Err(what.into())
}

#[test]
fn f2_a_message_with_stray_line_ends_leaves_in_canonical_form() {
    let mut server = logged_in(config());
    server.receive(b"RETR 1\r\n", Instant::now());
    let Ok(Some(Event::Maildrop(ticket, _))) = server.poll_event() else { panic!() };
    let reply = server.begin(ticket, &Text::constant("follows")).unwrap();
    for piece in ["a\n.\n", ".\r", ".\r", "\n", "."] {
        server.body(&reply, &piece.into()).unwrap();
    }
    server.end(reply).unwrap();
    let expected = b"+OK follows\r\na\r\n..\r\n..\r\n..\r\n..\r\n.\r\n";
    assert_eq!(text(&output(&mut server)), text(expected));
}

#[test]
fn f5_bytes_before_the_greeting_are_fatal() {
    let mut server = Connection::new(config(), Instant::now());
    server.receive(b"QUIT\r\n", Instant::now());
    assert_eq!(server.poll_event().map(drop), misbehaved(PeerMisbehaved::BytesBeforeGreeting));
    assert_eq!(output(&mut server), b"");
}

#[test]
fn f6_an_overlong_line_never_runs_as_commands() {
    // POP3 has no literals; what could be cut into commands is a line above its limit.
    let long = [&[b'x'; 2_000][..], &b"\nQUIT".repeat(1_000)].concat();
    let (said, served) = session(config(), &[&long, &b"\r\n"[..], LOGIN].concat());
    assert_eq!(said, text(&[b"-ERR Line too long\r\n", IN].concat()));
    assert_eq!(served, Ok(()));
}

#[test]
fn f7_bytes_that_no_line_holds_end_the_connection() {
    for (byte, what) in
        [(0, InvalidMessage::NUL), (b'\r', InvalidMessage::BARE_CR), (b'\n', InvalidMessage::BARE_LF)]
    {
        let (said, served) = session(config(), &[b'N', byte, b'Q', b'U', b'I', b'T', b'\r', b'\n']);
        assert_eq!(served, Err(InvalidMessage::new(what, 1).into()));
        assert_eq!(said, text(b"-ERR Line with a byte that no line holds\r\n"));
    }
}

#[test]
fn f8_a_line_at_the_cap_passes_and_one_above_is_refused_once() {
    let max = config().limits.command.line_bytes_max;
    let line = |bytes: usize| {
        let mut line = b"USER ".to_vec();
        line.resize(bytes, b' ');
        session(config(), &[&line[..], b"\r\nQUIT\r\n"].concat()).0
    };
    assert_eq!(line(max), text(b"-ERR Bad arguments\r\n+OK Goodbye\r\n"));
    assert_eq!(line(max + 1), text(b"-ERR Line too long\r\n+OK Goodbye\r\n"));
}

#[test]
fn f8_a_line_without_end_is_fatal_and_costs_constant_memory() {
    for (before, max) in [(&b""[..], 1_024), (b"AUTH PLAIN\r\n", 8_192), (LOGIN, 1_024)] {
        let (mut server, mut maildrop) = (server(config()), Maildrop::default());
        server.receive(before, Instant::now());
        maildrop.serve(&mut server).unwrap();
        let mut fed = 0;
        let error = loop {
            server.receive(&[b'x'; 1_000], Instant::now());
            fed += 1_000;
            match maildrop.serve(&mut server) {
                Ok(()) => assert!(server.buffer().len() <= max + 1),
                Err(error) => break error,
            }
        };
        assert_eq!(error, LimitExceeded::new("drain_bytes_max", 64 << 10).into());
        assert!(fed <= (64 << 10) + 10_000);
    }
}

#[test]
fn f10_another_protocol_gets_nothing_back() {
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"POST /a QUIT\r\n", b"\x16\x03\x01\x02\x00"] {
        assert_eq!(session(config(), bytes), (String::new(), misbehaved(PeerMisbehaved::ForeignProtocol)));
    }
}

#[test]
fn t1_t2_nothing_passes_the_gate_of_stls() {
    let fresh = || server(with_tls());
    check_tls_barrier(fresh, b"STLS\r\n", b"USER mrose\r\nPASS x\r\n", |event| {
        !matches!(event, Event::StartTls)
    });
    let mut server = fresh();
    output(&mut server);
    server.receive(b"STLS\r\nCAPA\r\n", Instant::now());
    assert!(server.poll_event().is_err());
    assert_eq!(output(&mut server), b"", "the client is not told to go ahead");
}

#[test]
fn t6_nothing_of_before_tls_is_left_after_it() {
    let now = Instant::now();
    let config = Config { plaintext_login: PlaintextLogin::DangerAllow, ..with_tls() };
    let mut server = server(config);
    server.receive(b"USER mrose\r\nSTLS\r\n", now);
    assert!(matches!(server.poll_event(), Ok(Some(Event::StartTls))));
    output(&mut server);
    server.tls_started(now);
    assert!(server.tls().is_some());
    assert_eq!(output(&mut server), b"", "there is no second greeting");
    server.receive(b"PASS secret\r\nSTLS\r\nCAPA\r\n", now);
    assert!(matches!(server.poll_event(), Ok(None)));
    let said = text(&output(&mut server));
    assert!(said.starts_with(&text(b"-ERR USER comes first\r\n-ERR STLS is not available\r\n+OK")), "{said}");
    assert!(!said.contains(&text(b"\r\nSTLS\r\n")), "{said}");
}

#[test]
fn where_tls_came_first_there_is_no_stls() {
    let mut server = Connection::new(with_tls(), Instant::now());
    server.tls_started(Instant::now());
    server.greet(&Text::constant("hello")).unwrap();
    server.receive(b"CAPA\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)));
    let said = text(&output(&mut server));
    assert!(!said.contains("STLS") && said.contains("USER") && said.contains("SASL PLAIN LOGIN"), "{said}");
}

#[test]
fn a1_the_owner_is_told_both_names_and_decides() {
    let mut server = server(config());
    let line = format!("AUTH PLAIN {}\r\n", sasl::encode(b"carol\0proxy\0secret").expose());
    server.receive(line.as_bytes(), Instant::now());
    let Ok(Some(Event::Authenticate { ticket, initial, .. })) = server.poll_event() else { panic!() };
    let initial = initial.unwrap();
    let Ok(Step::Done(who)) = ServerExchange::new(Mechanism::Plain).start(Some(initial.expose())) else {
        panic!()
    };
    assert_eq!(who.authcid.as_str(), "proxy");
    assert_eq!(who.authzid.as_ref().map(Authzid::as_str), Some("carol"));
    server.auth_failed(ticket, AuthFailure::Credentials).unwrap();
    server.receive(b"STAT\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)), "nobody is logged in");
}

#[test]
fn a3_user_is_always_ok_and_all_failures_have_the_same_words() {
    let attempt = |name: &str, password: &str| {
        session(config(), format!("USER {name}\r\nPASS {password}\r\n").as_bytes())
    };
    let expected = text(b"+OK Send the password\r\n-ERR [AUTH] Authentication failed\r\n");
    for (name, password) in [("mrose", "wrong"), ("nobody", "secret"), ("two words", "x"), ("é", "é")] {
        assert_eq!(attempt(name, password), (expected.clone(), Ok(())));
    }
    let plain = |message: &[u8]| {
        session(config(), format!("AUTH PLAIN {}\r\n", sasl::encode(message).expose()).as_bytes())
    };
    for message in [&b"\0mrose\0wrong"[..], b"\0nobody\0secret", b"root\0mrose\0secret", b"nonsense"] {
        assert_eq!(plain(message), (text(b"-ERR [AUTH] Authentication failed\r\n"), Ok(())));
    }
}

#[test]
fn a5_every_odd_message_ends_its_exchange_and_no_other() {
    let long = vec![b'A'; 8_193];
    let odd: [&[u8]; 7] = [b"*", b"=", b"%%%", b"A", b" ", b"AGE", &long];
    for line in odd {
        let bytes = [b"AUTH PLAIN\r\n", line, b"\r\n", LOGIN].concat();
        let (said, served) = session(config(), &bytes);
        assert_eq!(served, Ok(()), "{line:?}");
        assert!(said.starts_with(&text(b"+ \r\n-ERR ")), "{said}");
        assert!(said.ends_with(&text(IN)), "{said}");
    }
    for initial in ["=", "AA==", "!", "A"] {
        let bytes = [format!("AUTH PLAIN {initial}\r\n").as_bytes(), LOGIN].concat();
        let (said, _) = session(config(), &bytes);
        assert!(said.starts_with("-ERR ") && said.ends_with(&text(IN)), "{said}");
    }
}

#[test]
fn a12_passwords_wait_for_tls_and_are_not_offered_before() {
    let (said, _) = session(with_tls(), &[b"CAPA\r\nUSER mrose\r\nPASS secret\r\n", LOGIN].concat());
    assert!(
        said.contains(&text(b"\r\nSTLS\r\n")) && !said.contains("USER") && !said.contains("SASL"),
        "{said}"
    );
    let refused = text(b"-ERR This needs an encrypted connection\r\n").repeat(3);
    assert!(said.ends_with(&refused), "{said}");
}

#[test]
fn each_failure_of_a_login_has_its_code() {
    for (why, code) in [
        (AuthFailure::Credentials, "[AUTH]"),
        (AuthFailure::InUse, "[IN-USE]"),
        (AuthFailure::LoginDelay, "[LOGIN-DELAY]"),
        (AuthFailure::Temporary, "[SYS/TEMP]"),
        (AuthFailure::Broken, "[SYS/PERM]"),
    ] {
        let mut server = server(config());
        output(&mut server);
        server.receive(b"USER mrose\r\nPASS secret\r\n", Instant::now());
        let Ok(Some(Event::Login(ticket, _))) = server.poll_event() else { panic!() };
        output(&mut server);
        server.auth_failed(ticket, why).unwrap();
        assert!(text(&output(&mut server)).starts_with(&format!("-ERR {code} ")));
        assert_eq!(server.auth_failures(), u32::from(why == AuthFailure::Credentials));
    }
}

#[test]
fn as_many_bad_commands_and_failed_logins_as_the_limits_close() {
    let max = usize::try_from(config().limits.bad_commands_max).unwrap();
    assert_eq!(session(config(), &b"XTND\r\n".repeat(max - 1)).1, Ok(()));
    assert_eq!(session(config(), &b"XTND\r\n".repeat(max)).1, misbehaved(PeerMisbehaved::TooManyBadCommands));
    let max = usize::try_from(config().limits.auth_failures_max).unwrap();
    let wrong = b"USER a\r\nPASS b\r\n";
    assert_eq!(session(config(), &wrong.repeat(max - 1)).1, Ok(()));
    assert_eq!(session(config(), &wrong.repeat(max)).1, misbehaved(PeerMisbehaved::TooManyFailedLogins));
}

#[test]
fn as_much_as_the_limit_may_wait_behind_a_command() {
    let max = config().limits.waiting_bytes_max;
    let waiting = |bytes: usize| {
        let mut server = logged_in(config());
        server.receive(b"STAT\r\n", Instant::now());
        let stat = server.poll_event();
        assert!(matches!(stat, Ok(Some(Event::Maildrop(..)))));
        server.receive(&vec![b'x'; bytes], Instant::now());
        (server.wants_input(), server.poll_event().map(|event| event.is_some()))
    };
    assert_eq!(waiting(10), (true, Ok(false)));
    assert_eq!(waiting(max), (false, Ok(false)));
    assert_eq!(waiting(max + 1), (false, Err(LimitExceeded::new("waiting_bytes_max", max as u64).into())));
}

#[test]
fn a_dropped_ticket_is_answered_and_reported_and_the_session_goes_on() {
    let mut server = logged_in(config());
    server.receive(b"STAT\r\nCAPA\r\n", Instant::now());
    drop(server.poll_event());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(ApiMisuse::TicketDropped)))));
    assert!(matches!(server.poll_event(), Ok(None)));
    assert!(text(&output(&mut server)).starts_with(&text(b"-ERR [SYS/TEMP] Internal error\r\n+OK Cap")));
    // QUIT must end the session all the same.
    server.receive(b"QUIT\r\n", Instant::now());
    drop(server.poll_event());
    assert!(matches!(server.poll_event(), Ok(Some(Event::Misuse(_)))));
    assert!(server.is_closing());
}

#[test]
fn a_dropped_half_of_a_reply_ends_the_connection() {
    let mut server = logged_in(config());
    server.receive(b"RETR 1\r\n", Instant::now());
    let Ok(Some(Event::Maildrop(ticket, _))) = server.poll_event() else { panic!() };
    let reply = server.begin(ticket, &Text::constant("follows")).unwrap();
    server.body(&reply, &"half".into()).unwrap();
    drop(reply);
    assert_eq!(server.poll_event().map(drop), Err(ApiMisuse::TicketDropped.into()));
    assert_eq!(output(&mut server), b"+OK follows\r\nhalf");
}

#[test]
fn calls_that_do_not_fit_the_command_are_refused() {
    let ask = |command: &str| {
        let mut server = logged_in(config());
        server.receive(format!("{command}\r\n").as_bytes(), Instant::now());
        let Ok(Some(Event::Maildrop(ticket, _))) = server.poll_event() else { panic!() };
        (server, ticket)
    };
    let ok = Reply::ok(Text::constant("x"));
    let (mut server, ticket) = ask("RETR 1");
    assert!(matches!(server.reply(ticket, &ok), Err(Error::ApiMisuse(_))), "RETR has many lines");
    let (mut server, ticket) = ask("STAT");
    assert!(matches!(server.begin(ticket, &ok.text), Err(Error::ApiMisuse(_))), "STAT has one");
    let (mut server, ticket) = ask("LIST");
    let reply = server.begin(ticket, &ok.text).unwrap();
    assert!(matches!(server.body(&reply, &"x".into()), Err(Error::ApiMisuse(_))), "LIST has no body");
    let listing = ScanListing { message: message(1), octets: 1 };
    assert_eq!(server.scan_listing(&reply, listing), Ok(()));
    assert_eq!(server.end(reply), Ok(()));
    let (mut server, ticket) = ask("NOOP");
    assert!(matches!(server.auth_ok(ticket, &ok.text), Err(Error::ApiMisuse(_))));
    let (_, foreign) = ask("NOOP");
    let (mut server, ticket) = ask("NOOP");
    assert_eq!(server.reply(foreign, &ok), Err(ApiMisuse::ForeignTicket.into()));
    assert_eq!(server.reply(ticket, &ok), Ok(()));
}

#[test]
fn a_small_reply_leaves_in_one_piece() {
    let mut server = logged_in(config());
    server.receive(b"RETR 1\r\n", Instant::now());
    Maildrop::default().serve(&mut server).unwrap();
    let piece = server.poll_transmit().unwrap();
    assert!(piece.starts_with(b"+OK") && piece.ends_with(b"\r\n.\r\n"));
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn an_autologout_says_nothing_and_removes_nothing() {
    let start = Instant::now();
    let timeouts = config().timeouts;
    assert!(timeouts.autologout >= Duration::from_secs(600), "RFC 1939 3");
    let mut server = Connection::new(config(), start);
    server.greet(&Text::constant("hello")).unwrap();
    assert_eq!(server.poll_timeout(), Some(start + timeouts.login));
    server.receive(LOGIN, start);
    let mut maildrop = Maildrop::default();
    maildrop.serve(&mut server).unwrap();
    server.receive(b"DELE 1\r\n", start);
    maildrop.serve(&mut server).unwrap();
    output(&mut server);
    server.handle_timeout(start);
    assert_eq!(server.poll_timeout(), Some(start + timeouts.autologout));
    server.handle_timeout(start + timeouts.autologout);
    assert_eq!(maildrop.serve(&mut server), misbehaved(PeerMisbehaved::TimedOut));
    assert_eq!(output(&mut server), b"");
    assert_eq!(maildrop.messages.len(), 2);
}

#[test]
fn a_command_that_the_owner_works_on_does_not_time_out() {
    let start = Instant::now();
    let mut server = logged_in(config());
    server.receive(b"NOOP\r\n", start);
    let Ok(Some(Event::Maildrop(ticket, MaildropCommand::Noop))) = server.poll_event() else { panic!() };
    assert_eq!(server.poll_timeout(), None);
    let later = start + Duration::from_secs(100_000);
    server.handle_timeout(later);
    server.reply(ticket, &Reply::ok(Text::constant(""))).unwrap();
    server.handle_timeout(later);
    assert_eq!(server.poll_timeout(), Some(later + config().timeouts.autologout));
}

#[test]
fn a_refused_client_hears_why_and_a_closed_stream_is_the_end() {
    let mut server = Connection::new(config(), Instant::now());
    server.refuse(&Text::constant("too many connections"));
    assert_eq!(output(&mut server), b"-ERR [SYS/TEMP] too many connections\r\n");
    assert!(server.is_closing());
    let mut server = logged_in(config());
    server.receive(b"STA", Instant::now());
    server.receive_eof();
    assert!(matches!(server.poll_event(), Ok(None)));
    assert!(server.is_closing(), "half a command is no command");
}
