//! What a client lets a server do.

use std::time::Instant;

use mail_wire::sasl::{Mechanism, MechanismName};
use mail_wire::testing::check_tls_barrier;
use mail_wire::{
    Connection as _, Error, LimitExceeded, PeerIncompatible, PeerMisbehaved, TlsActive, TlsMode,
};
use mupdate_proto::client::{Config, Connection, Event, Outcome};
use mupdate_proto::{Command, MailboxName};

use crate::support::{credentials, output, text};

const AUTH: &str = "* AUTH \"PLAIN\"\r\n";
const STARTTLS: &str = "* STARTTLS\r\n";
const LAST: &str = "* OK MUPDATE \"m\" \"i\" \"v\" \"(master)\"\r\n";

fn client(tls: TlsMode) -> Connection {
    Connection::new(Config::new(tls), Instant::now())
}

/// All events that these bytes make.
fn hears(client: &mut Connection, bytes: &str) -> Result<Vec<Event>, Error> {
    client.receive(bytes.as_bytes(), Instant::now());
    let mut events = Vec::new();
    while let Some(event) = client.poll_event()? {
        events.push(event);
    }
    Ok(events)
}

fn greeted(tls: TlsMode, banner: &[&str]) -> (Connection, Result<Vec<Event>, Error>) {
    let mut client = client(tls);
    let events = hears(&mut client, &banner.concat());
    (client, events)
}

fn ready() -> Connection {
    let (client, events) = greeted(TlsMode::Never, &[AUTH, LAST]);
    assert!(matches!(events.unwrap()[..], [Event::Greeting(_)]));
    client
}

fn logged_in() -> Connection {
    let mut client = ready();
    client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "X1 OK \"in\"\r\n"), Ok(vec![Event::Authenticated]));
    client
}

fn unsolicited() -> Result<Vec<Event>, Error> {
    Err(PeerMisbehaved::UnsolicitedReply.into())
}

#[test]
fn t3_nothing_of_the_server_passes_the_gate_of_starttls() {
    let fresh = || {
        let (mut client, events) = greeted(TlsMode::Required, &[AUTH, STARTTLS, LAST]);
        assert_eq!(events, Ok(Vec::new()));
        assert_eq!(output(&mut client), b"X1 STARTTLS\r\n");
        client
    };
    // Cyrus does not quote this text.
    let ok = b"X1 OK Begin TLS negotiation now\r\n";
    check_tls_barrier(fresh, ok, b"* AUTH \"PLAIN\"\r\n", |event| !matches!(event, Event::StartTls));
}

#[test]
fn t4_an_answer_before_its_command_has_left_is_fatal() {
    let (mut client, _) = greeted(TlsMode::Required, &[AUTH, STARTTLS, LAST]);
    assert_eq!(hears(&mut client, "X1 OK \"go\"\r\n"), unsolicited());
    assert!(client.tls().is_none());

    let mut client = logged_in();
    client.send(&Command::Noop).unwrap();
    assert_eq!(hears(&mut client, "X2 OK \"done\"\r\n"), unsolicited());
}

#[test]
fn t4_answers_that_nobody_waits_for_are_fatal() {
    for line in [
        "X1 OK \"a\"\r\n",
        "X9 OK \"a\"\r\n",
        "* OK \"a\"\r\n",
        "* BAD \"a\"\r\n",
        "X9 RESERVE \"a\" \"b\"\r\n",
    ] {
        assert_eq!(hears(&mut logged_in(), line), unsolicited(), "{line}");
    }
    let mut client = logged_in();
    client.send(&Command::Noop).unwrap();
    client.send(&Command::List(None)).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "X3 OK \"out of order\"\r\n"), unsolicited());
}

#[test]
fn t4_a_stripped_or_refused_offer_is_an_error_where_tls_is_required() {
    let (mut client, events) = greeted(TlsMode::Required, &[AUTH, LAST]);
    assert_eq!(events, Err(PeerIncompatible::NoStartTls.into()));
    assert_eq!(output(&mut client), b"");
    let (mut client, _) = greeted(TlsMode::Required, &[AUTH, STARTTLS, LAST]);
    output(&mut client);
    assert_eq!(hears(&mut client, "X1 NO \"no\"\r\n"), Err(PeerIncompatible::NoStartTls.into()));

    let (_, events) = greeted(TlsMode::Opportunistic, &[AUTH, LAST]);
    assert!(matches!(events.unwrap()[..], [Event::Greeting(_)]));
    let (mut client, _) = greeted(TlsMode::Opportunistic, &[AUTH, STARTTLS, LAST]);
    output(&mut client);
    assert!(matches!(hears(&mut client, "X1 NO \"no\"\r\n").unwrap()[..], [Event::Greeting(_)]));
}

#[test]
fn t5_there_is_no_session_without_tls_where_it_is_required() {
    let (mut client, _) = greeted(TlsMode::Required, &[AUTH, STARTTLS, LAST]);
    output(&mut client);
    let proof = TlsActive::danger_assume_protected();
    assert!(matches!(client.login_plain(&credentials(), proof), Err(Error::ApiMisuse(_))));
    assert_eq!(hears(&mut client, "X2 OK \"Authenticated\"\r\n"), unsolicited());
}

#[test]
fn t6_what_was_announced_in_the_clear_is_forgotten() {
    let (mut client, _) = greeted(
        TlsMode::Required,
        &["* AUTH \"PLAIN\" \"CRAM-MD5\"\r\n", STARTTLS, "* PARTIAL-UPDATE\r\n", LAST],
    );
    output(&mut client);
    assert_eq!(hears(&mut client, "X1 OK \"go\"\r\n"), Ok(vec![Event::StartTls]));
    client.tls_started(Instant::now());
    assert_eq!(client.poll_event(), Ok(None));
    let events = hears(&mut client, &["* AUTH \"SCRAM-SHA-1\"\r\n", LAST].concat()).unwrap();
    let [Event::Greeting(banner)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(banner.mechanisms, [MechanismName::new(b"SCRAM-SHA-1").unwrap()]);
    assert!(!banner.partial_update && !banner.start_tls);
    let proof = client.tls().unwrap();
    let missing = Err(PeerIncompatible::Missing("this SASL mechanism").into());
    assert_eq!(client.login_plain(&credentials(), proof), missing);
}

#[test]
fn where_tls_came_first_nothing_is_asked_for() {
    let mut client = client(TlsMode::Required);
    client.tls_started(Instant::now());
    assert!(matches!(hears(&mut client, &[AUTH, LAST].concat()).unwrap()[..], [Event::Greeting(_)]));
    assert_eq!(output(&mut client), b"");
}

#[test]
fn commands_out_of_place_are_refused() {
    let mut client = client(TlsMode::Never);
    assert!(client.send(&Command::Noop).is_err());
    let mut client = ready();
    assert!(client.send(&Command::List(None)).is_err());
    assert!(client.respond(b"").is_err());
    client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap();
    assert!(client.send(&Command::Logout).is_err(), "nothing goes behind a login");
    let mut client = logged_in();
    assert!(client.send(&Command::StartTls).is_err());
    let login = Command::Authenticate { mechanism: Mechanism::Plain.into(), initial: None };
    assert!(client.send(&login).is_err());
    client.send(&Command::Update(Vec::new())).unwrap();
    assert!(client.send(&Command::List(None)).is_err());
    assert!(client.send(&Command::Noop).is_ok());
}

#[test]
fn answers_of_the_wrong_kind_are_fatal() {
    let unexpected = Err(PeerMisbehaved::UnexpectedReply.into());
    let mut client = logged_in();
    client.send(&Command::Noop).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "X2 MAILBOX \"a\" \"b\" \"c\"\r\n"), unexpected);
    // DELETE belongs on a stream, behind the OK.
    let mut client = logged_in();
    client.send(&Command::Update(Vec::new())).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "X2 DELETE \"a\"\r\n"), unexpected);
    let mut client = logged_in();
    client.send(&Command::Update(Vec::new())).unwrap();
    output(&mut client);
    let deleted = Event::Deleted(MailboxName::new("a").unwrap());
    let events = hears(&mut client, "X2 OK \"s\"\r\nX2 DELETE \"a\"\r\n").unwrap();
    assert_eq!(events[1..], [deleted]);
    assert_eq!(hears(&mut client, "X3 DELETE \"a\"\r\n"), unexpected);
    // One string exactly, but where Cyrus does without.
    let mut client = logged_in();
    client.send(&Command::Noop).unwrap();
    output(&mut client);
    assert!(matches!(hears(&mut client, "X2 OK done\r\n"), Err(Error::InvalidMessage(_))));
}

#[test]
fn an_exchange_of_several_messages_runs_as_with_cyrus() {
    let scram = MechanismName::new(b"SCRAM-SHA-256").unwrap();
    let (mut client, _) = greeted(TlsMode::Never, &["* AUTH \"SCRAM-SHA-256\"\r\n", LAST]);
    let proof = TlsActive::danger_assume_protected();
    client.authenticate(&scram, Some(b"n,,n=be1".to_vec().into()), proof).unwrap();
    assert_eq!(output(&mut client), b"X1 AUTHENTICATE \"SCRAM-SHA-256\" \"biwsbj1iZTE=\"\r\n");
    assert_eq!(hears(&mut client, "cj0xMjM=\r\n"), Ok(vec![Event::Challenge(b"r=123".to_vec().into())]));
    client.respond(b"c=biws").unwrap();
    assert_eq!(output(&mut client), b"Yz1iaXdz\r\n");
    assert_eq!(hears(&mut client, "dj1hYg==\r\n"), Ok(vec![Event::Challenge(b"v=ab".to_vec().into())]));
    client.respond(b"").unwrap();
    assert_eq!(output(&mut client), b"\r\n");
    assert_eq!(hears(&mut client, "X1 OK \"Authenticated\"\r\n"), Ok(vec![Event::Authenticated]));
}

#[test]
fn a_login_that_failed_or_was_given_up_may_be_tried_again() {
    let mut client = ready();
    let proof = TlsActive::danger_assume_protected();
    client.authenticate(&Mechanism::Plain.into(), None, proof).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "\r\n"), Ok(vec![Event::Challenge(Vec::new().into())]));
    client.cancel().unwrap();
    assert_eq!(output(&mut client), b"*\r\n");
    // Cyrus does not quote this text either.
    let failed = |text: &'static str| Ok(vec![Event::AuthenticationFailed { text: text.into() }]);
    assert_eq!(
        hears(&mut client, "X1 NO Client canceled authentication\r\n"),
        failed("Client canceled authentication")
    );
    client.login_plain(&credentials(), proof).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "X2 NO \"undefined error!\"\r\n"), failed("undefined error!"));
    assert!(client.login_plain(&credentials(), proof).is_ok());
}

#[test]
fn a_synchronising_literal_from_a_server_is_asked_for() {
    let mut client = logged_in();
    client.send(&Command::Find(MailboxName::new("a").unwrap())).unwrap();
    output(&mut client);
    assert_eq!(hears(&mut client, "X2 RESERVE {1}\r\n"), Ok(Vec::new()));
    assert_eq!(text(&output(&mut client)), text(b"+ go ahead\r\n"));
    let events = hears(&mut client, "a \"b\"\r\nX2 OK \"x\"\r\n").unwrap();
    assert!(matches!(events[..], [Event::Entry { .. }, Event::Completed { outcome: Outcome::Ok, .. }]));
}

#[test]
fn as_many_commands_and_banner_lines_as_the_limits_pass() {
    let mut client = logged_in();
    let max = Config::new(TlsMode::Never).limits.commands_max;
    for _ in 0..max {
        client.send(&Command::Noop).unwrap();
    }
    let exceeded = LimitExceeded::new("commands_max", max as u64);
    assert_eq!(client.send(&Command::Noop).map(drop), Err(exceeded.into()));

    let max = Config::new(TlsMode::Never).limits.banner_lines_max;
    let banner =
        |unknown: usize| greeted(TlsMode::Never, &[AUTH, &"* X\r\n".repeat(unknown), LAST]).1.map(drop);
    assert_eq!(banner(max - 2), Ok(()));
    assert_eq!(banner(max - 1), Err(LimitExceeded::new("banner_lines_max", max as u64).into()));
}

#[test]
fn a_server_that_owes_something_is_not_waited_for_for_ever() {
    let start = Instant::now();
    let reply = Config::new(TlsMode::Never).timeouts.reply;
    let mut silent = Connection::new(Config::new(TlsMode::Never), start);
    assert_eq!(silent.poll_timeout(), Some(start + reply));
    silent.handle_timeout(start + reply);
    assert_eq!(silent.poll_event(), Err(PeerMisbehaved::TimedOut.into()));

    let mut client = logged_in();
    assert_eq!(client.poll_timeout(), None, "nothing is owed");
    client.send(&Command::Noop).unwrap();
    let later = Instant::now() + reply * 10;
    client.handle_timeout(later);
    assert_eq!(client.poll_event(), Ok(None), "the silence before the command does not count");
    assert_eq!(client.poll_timeout(), Some(later + reply));
    client.send(&Command::Noop).unwrap();
    client.handle_timeout(later + reply / 2);
    assert_eq!(client.poll_timeout(), Some(later + reply), "asking again gives no respite");
    client.handle_timeout(later + reply);
    assert_eq!(client.poll_event(), Err(PeerMisbehaved::TimedOut.into()));
}

#[test]
fn the_end_of_the_server_s_stream_is_an_error_when_something_is_owed() {
    let mut owed = logged_in();
    owed.send(&Command::Noop).unwrap();
    owed.receive_eof();
    assert_eq!(owed.poll_event(), Err(PeerMisbehaved::ClosedMidMessage.into()));
    let mut idle = logged_in();
    idle.receive_eof();
    assert_eq!(idle.poll_event(), Ok(None));
    assert!(idle.is_closing());
}
