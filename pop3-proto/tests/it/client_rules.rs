//! What a client lets a server do.

use std::time::Instant;

use mail_wire::sasl::{Mechanism, MechanismName};
use mail_wire::testing::check_tls_barrier;
use mail_wire::{
    Connection as _, Error, LimitExceeded, PeerIncompatible, PeerMisbehaved, TlsActive, TlsMode,
};
use pop3_proto::client::{Config, Connection, Event};
use pop3_proto::{Capability, MaildropCommand, Password, ResponseCode, UserName};

use crate::support::{credentials, message, output};

const CAPA: &str = "+OK\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n";
const CAPA_STLS: &str = "+OK\r\nUSER\r\nSASL PLAIN CRAM-MD5\r\nSTLS\r\n.\r\n";

/// All events that these bytes make.
fn hears(client: &mut Connection, bytes: &str) -> Result<Vec<Event>, Error> {
    client.receive(bytes.as_bytes(), Instant::now());
    let mut events = Vec::new();
    while let Some(event) = client.poll_event()? {
        events.push(event);
    }
    Ok(events)
}

/// A client that has read a greeting and these capabilities.
fn greeted(config: Config, capa: &str) -> (Connection, Result<Vec<Event>, Error>) {
    let mut client = Connection::new(config, Instant::now());
    assert_eq!(hears(&mut client, "+OK hello\r\n"), Ok(Vec::new()));
    assert_eq!(output(&mut client), b"CAPA\r\n");
    let events = hears(&mut client, capa);
    (client, events)
}

fn logged_in_with(config: Config, capa: &str) -> Connection {
    let (mut client, _) = greeted(config, capa);
    let (name, password) = (UserName::new(b"mrose").unwrap(), Password::new(b"secret").unwrap());
    client.login(name, password, TlsActive::danger_assume_protected()).unwrap();
    assert_eq!(output(&mut client), b"USER mrose\r\n");
    assert_eq!(hears(&mut client, "+OK\r\n"), Ok(Vec::new()));
    assert_eq!(output(&mut client), b"PASS secret\r\n");
    assert!(matches!(hears(&mut client, "+OK in\r\n").unwrap()[..], [Event::LoggedIn(_)]));
    client
}

fn logged_in() -> Connection {
    logged_in_with(never(), CAPA)
}

fn never() -> Config {
    Config::new(TlsMode::Never)
}

fn required() -> Config {
    Config::new(TlsMode::Required)
}

fn unsolicited() -> Result<Vec<Event>, Error> {
    Err(PeerMisbehaved::UnsolicitedReply.into())
}

#[test]
fn t3_nothing_of_the_server_passes_the_gate_of_stls() {
    let fresh = || {
        let (mut client, _) = greeted(required(), CAPA_STLS);
        assert_eq!(output(&mut client), b"STLS\r\n");
        client
    };
    check_tls_barrier(fresh, b"+OK go\r\n", b"+OK\r\nUSER\r\n.\r\n", |event| {
        !matches!(event, Event::StartTls)
    });
}

#[test]
fn t4_a_reply_before_its_command_has_left_is_fatal() {
    let (mut client, _) = greeted(required(), CAPA_STLS);
    assert_eq!(hears(&mut client, "+OK go\r\n"), unsolicited(), "STLS is still in the queue");
    let mut client = Connection::new(never(), Instant::now());
    assert_eq!(hears(&mut client, "+OK hello\r\n+OK\r\n"), unsolicited());
    let mut client = logged_in();
    client.send(MaildropCommand::Stat).unwrap();
    assert_eq!(hears(&mut client, "+OK 1 1\r\n"), unsolicited());
    assert_eq!(hears(&mut logged_in(), "-ERR autologout\r\n"), unsolicited());
}

#[test]
fn t4_a_stripped_or_refused_offer_is_an_error_where_tls_is_required() {
    let no_tls = Err(PeerIncompatible::NoStartTls.into());
    let (mut client, events) = greeted(required(), CAPA);
    assert_eq!(events, no_tls);
    assert_eq!(output(&mut client), b"");
    assert_eq!(greeted(required(), "-ERR unknown command\r\n").1, no_tls);
    let (mut client, _) = greeted(required(), CAPA_STLS);
    output(&mut client);
    assert_eq!(hears(&mut client, "-ERR no\r\n"), no_tls);

    let opportunistic = || Config::new(TlsMode::Opportunistic);
    assert!(matches!(greeted(opportunistic(), CAPA).1.unwrap()[..], [Event::Greeting(_)]));
    let (mut client, _) = greeted(opportunistic(), CAPA_STLS);
    output(&mut client);
    assert!(matches!(hears(&mut client, "-ERR no\r\n").unwrap()[..], [Event::Greeting(_)]));
}

#[test]
fn t5_there_is_no_login_without_tls_where_it_is_required() {
    let (mut client, _) = greeted(required(), CAPA_STLS);
    output(&mut client);
    let login = client.login_plain(&credentials(), TlsActive::danger_assume_protected());
    assert!(matches!(login, Err(Error::ApiMisuse(_))));
    assert!(client.send(MaildropCommand::Stat).is_err());
    assert!(client.tls().is_none());
}

#[test]
fn t6_what_was_announced_in_the_clear_is_forgotten() {
    let (mut client, _) = greeted(required(), CAPA_STLS);
    output(&mut client);
    assert_eq!(hears(&mut client, "+OK go\r\n"), Ok(vec![Event::StartTls]));
    client.tls_started(Instant::now());
    assert_eq!(client.capabilities().iter().count(), 0);
    assert_eq!(output(&mut client), b"CAPA\r\n");
    let events = hears(&mut client, "+OK\r\nSASL SCRAM-SHA-1\r\n.\r\n").unwrap();
    let [Event::Greeting(greeting)] = &events[..] else { panic!("{events:?}") };
    let scram = MechanismName::new(b"SCRAM-SHA-1").unwrap();
    assert!(greeting.capabilities.offers_mechanism(&scram));
    let missing = Err(PeerIncompatible::Missing("this SASL mechanism").into());
    assert_eq!(client.login_plain(&credentials(), client.tls().unwrap()), missing);
}

#[test]
fn where_tls_came_first_nothing_is_asked_for() {
    let mut client = Connection::new(required(), Instant::now());
    client.tls_started(Instant::now());
    hears(&mut client, "+OK hello\r\n").unwrap();
    assert_eq!(output(&mut client), b"CAPA\r\n");
    assert!(matches!(hears(&mut client, CAPA).unwrap()[..], [Event::Greeting(_)]));
    assert_eq!(output(&mut client), b"");
}

#[test]
fn a_server_without_capa_is_served_all_the_same() {
    let client = logged_in_with(never(), "-ERR what?\r\n");
    assert_eq!(client.capabilities().iter().count(), 0);
}

#[test]
fn without_pipelining_a_command_waits_for_the_answer_before() {
    let mut client = logged_in_with(never(), "+OK\r\nUSER\r\n.\r\n");
    client.send(MaildropCommand::List(None)).unwrap();
    client.send(MaildropCommand::Stat).unwrap();
    client.quit().unwrap();
    assert_eq!(output(&mut client), b"LIST\r\n");
    assert_eq!(client.pending(), 3);
    hears(&mut client, "+OK\r\n1 2\r\n").unwrap();
    assert_eq!(output(&mut client), b"");
    hears(&mut client, ".\r\n").unwrap();
    assert_eq!(output(&mut client), b"STAT\r\n");
    hears(&mut client, "+OK 1 2\r\n").unwrap();
    assert_eq!(output(&mut client), b"QUIT\r\n");
    assert!(matches!(hears(&mut client, "+OK\r\n").unwrap()[..], [Event::Goodbye(_)]));
    assert!(client.is_closing());

    let mut client = logged_in();
    client.send(MaildropCommand::List(None)).unwrap();
    client.send(MaildropCommand::Stat).unwrap();
    assert_eq!(output(&mut client), b"LIST\r\nSTAT\r\n");
}

#[test]
fn a_bad_line_of_a_listing_does_not_end_it() {
    let mut client = logged_in();
    client.send(MaildropCommand::Uidl(None)).unwrap();
    output(&mut client);
    let events = hears(&mut client, "+OK\r\n1 a\r\nnonsense\r\n2 b c\r\n3 c\r\n.\r\n").unwrap();
    let kinds: String = events
        .iter()
        .map(|event| match event {
            Event::Begin(..) => 'b',
            Event::UniqueIdListing(_) => 'u',
            Event::BadLine(_) => '!',
            Event::End(_) => 'e',
            _ => '?',
        })
        .collect();
    assert_eq!(kinds, "bu!!ue");
}

#[test]
fn what_is_no_reply_is_fatal() {
    let mut client = Connection::new(never(), Instant::now());
    assert!(matches!(hears(&mut client, "* OK IMAP4rev1\r\n"), Err(Error::InvalidMessage(_))));
    let mut client = logged_in();
    client.send(MaildropCommand::Stat).unwrap();
    output(&mut client);
    assert!(matches!(hears(&mut client, "2 320\r\n"), Err(Error::InvalidMessage(_))));
    let mut client = logged_in();
    client.send(MaildropCommand::Stat).unwrap();
    output(&mut client);
    assert!(matches!(hears(&mut client, "+OK 2\n320\r\n"), Err(Error::InvalidMessage(_))));
}

#[test]
fn a_refusal_in_the_greeting_is_told() {
    let mut client = Connection::new(never(), Instant::now());
    let events = hears(&mut client, "-ERR [SYS/TEMP] too many connections\r\n").unwrap();
    let [Event::Goodbye(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(reply.code, Some(ResponseCode::SysTemp));
    assert!(client.is_closing());
}

#[test]
fn an_exchange_may_be_answered_or_given_up() {
    let (mut client, _) = greeted(never(), CAPA);
    let proof = TlsActive::danger_assume_protected();
    client.authenticate(&Mechanism::Plain.into(), None, proof).unwrap();
    assert_eq!(output(&mut client), b"AUTH PLAIN\r\n");
    assert_eq!(hears(&mut client, "+ Zm9v\r\n"), Ok(vec![Event::Challenge(b"foo".to_vec().into())]));
    client.respond(b"\0a\0b").unwrap();
    assert_eq!(output(&mut client), b"AGEAYg==\r\n");
    assert_eq!(hears(&mut client, "+\r\n"), Ok(vec![Event::Challenge(Vec::new().into())]));
    client.cancel().unwrap();
    assert_eq!(output(&mut client), b"*\r\n");
    assert!(matches!(hears(&mut client, "-ERR cancelled\r\n").unwrap()[..], [Event::LoginFailed(_)]));
    assert!(client.login_plain(&credentials(), proof).is_ok());
    output(&mut client);
    assert!(matches!(hears(&mut client, "+ ?\r\n"), Err(Error::InvalidMessage(_))));
}

#[test]
fn a_login_that_user_ends_is_a_failed_login() {
    let (mut client, _) = greeted(never(), CAPA);
    let (name, password) = (UserName::new(b"mrose").unwrap(), Password::new(b"secret").unwrap());
    client.login(name, password, TlsActive::danger_assume_protected()).unwrap();
    output(&mut client);
    assert!(matches!(hears(&mut client, "-ERR no such user\r\n").unwrap()[..], [Event::LoginFailed(_)]));
    assert_eq!(output(&mut client), b"", "the password stays here");
}

#[test]
fn limits_hold_at_their_value_and_break_above_it() {
    let mut config = never();
    config.limits.commands_max = 3;
    config.limits.listing_lines_max = 2;
    config.limits.message_bytes_max = 5;
    let mut client = logged_in_with(config.clone(), CAPA);
    for _ in 0..3 {
        client.send(MaildropCommand::Noop).unwrap();
    }
    assert_eq!(client.send(MaildropCommand::Noop), Err(LimitExceeded::new("commands_max", 3).into()));

    let answer = |command, bytes: &str| {
        let mut client = logged_in_with(config.clone(), CAPA);
        client.send(command).unwrap();
        output(&mut client);
        hears(&mut client, bytes).map(drop)
    };
    let list = MaildropCommand::List(None);
    assert_eq!(answer(list, "+OK\r\n1 1\r\n2 2\r\n.\r\n"), Ok(()));
    let exceeded = Err(LimitExceeded::new("listing_lines_max", 2).into());
    assert_eq!(answer(list, "+OK\r\n1 1\r\n2 2\r\n3 3\r\n.\r\n"), exceeded);
    let retr = MaildropCommand::Retr(message(1));
    assert_eq!(answer(retr, "+OK\r\nabc\r\n.\r\n"), Ok(()));
    let exceeded = Err(LimitExceeded::new("message_bytes_max", 5).into());
    assert_eq!(answer(retr, "+OK\r\nabcd\r\n.\r\n"), exceeded);
    let max = config.limits.line.line_bytes_max;
    let line = |bytes: usize| answer(MaildropCommand::Noop, &format!("+OK {}\r\n", "x".repeat(bytes - 4)));
    assert_eq!(line(max), Ok(()));
    assert_eq!(line(max + 1), Err(LimitExceeded::new("line_bytes_max", max as u64).into()));
}

#[test]
fn a_server_that_owes_something_is_not_waited_for_for_ever() {
    let start = Instant::now();
    let reply = never().timeouts.reply;
    let mut silent = Connection::new(never(), start);
    silent.handle_timeout(start + reply);
    assert_eq!(silent.poll_event(), Err(PeerMisbehaved::TimedOut.into()));

    let mut client = logged_in();
    assert_eq!(client.poll_timeout(), None, "nothing is owed");
    client.send(MaildropCommand::Noop).unwrap();
    let later = Instant::now() + reply * 10;
    client.handle_timeout(later);
    assert_eq!(client.poll_event(), Ok(None), "the silence before the command does not count");
    assert_eq!(client.poll_timeout(), Some(later + reply));
    client.send(MaildropCommand::Noop).unwrap();
    client.handle_timeout(later + reply / 2);
    assert_eq!(client.poll_timeout(), Some(later + reply), "asking again gives no respite");
    client.handle_timeout(later + reply);
    assert_eq!(client.poll_event(), Err(PeerMisbehaved::TimedOut.into()));
}

#[test]
fn the_end_of_the_server_s_stream_is_an_error_when_something_is_owed() {
    for said in ["", "+OK\r\n", "+OK\r\nSubject: x\r\n", "+OK\r\nSubject: x\r\n."] {
        let mut client = logged_in();
        client.send(MaildropCommand::Retr(message(1))).unwrap();
        output(&mut client);
        hears(&mut client, said).unwrap();
        client.receive_eof();
        assert_eq!(client.poll_event(), Err(PeerMisbehaved::ClosedMidMessage.into()), "{said:?}");
    }
    let mut idle = logged_in();
    idle.receive_eof();
    assert_eq!(idle.poll_event(), Ok(None));
    assert!(idle.is_closing() && !idle.capabilities().contains(&Capability::Stls));
}
