//! Rows T: the line between clear text and TLS, on both sides.

use std::time::Instant;

use mail_wire::sasl::Mechanism;
use mail_wire::testing::{check_tls_barrier, every_split};
use mail_wire::{Connection as _, Error, PeerIncompatible, PeerMisbehaved};
use smtp_proto::client::{self, Event, TlsMode};
use smtp_proto::server::{Config, Event as Asked, StartTls};

use crate::support::{Site, client_config, server_config};

fn tls_config() -> Config {
    Config { start_tls: StartTls::Offer, mechanisms: vec![Mechanism::Plain.into()], ..server_config() }
}

const EXTRA: &[u8] = b"MAIL FROM:<x@evil>\r\n";

#[test]
fn t1_bytes_behind_starttls_end_the_connection_in_the_same_segment_and_in_the_next() {
    let fresh = || Site::ready(tls_config()).conn;
    check_tls_barrier(fresh, b"STARTTLS\r\n", EXTRA, |event| !matches!(event, Asked::StartTls));
    // No reply, or the grant alone: nothing that was injected is answered.
    let mut site = Site::ready(tls_config());
    assert_eq!(site.say(&[b"STARTTLS\r\n", EXTRA].concat()), "");
}

#[test]
fn t2_bytes_that_nobody_polled_before_the_handshake_do_not_survive_it() {
    let mut site = Site::ready(tls_config());
    assert_eq!(site.say(b"STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
    site.conn.receive(EXTRA, Instant::now());
    site.conn.tls_started(Instant::now());
    assert_eq!((site.say(b""), site.conn.tls()), (String::new(), None));
}

#[test]
fn t6_the_server_forgets_what_was_said_in_the_clear() {
    let mut site = Site::ready(tls_config());
    assert!(site.say(b"EHLO x\r\n").contains("STARTTLS"));
    site.say(b"STARTTLS\r\n");
    site.conn.tls_started(Instant::now());
    assert!(site.conn.tls().is_some());
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("503 5.5.1"));
    let hello = site.say(b"EHLO x\r\n");
    assert!(!hello.contains("STARTTLS") && hello.contains("AUTH PLAIN"));
    assert!(site.say(b"STARTTLS\r\n").starts_with("503 5.5.1"));
}

#[test]
fn starttls_that_is_not_offered_is_refused() {
    let mut site = Site::ready(server_config());
    assert!(site.say(b"STARTTLS\r\n").starts_with("502 5.5.1"));
    assert!(site.say(b"STARTTLS\r\nNOOP\r\n").starts_with("554 5.5.0"));
}

#[test]
fn implicit_tls_comes_before_the_greeting() {
    let mut site = Site::new(tls_config());
    site.conn.tls_started(Instant::now());
    site.conn.greet().expect("first");
    site.drain();
    assert_eq!(site.take_output(), "220 foo.com ESMTP\r\n");
    assert!(!site.say(b"EHLO x\r\n").contains("STARTTLS"));
}

/// A client that got these bytes from its server in these pieces: its events, its bytes, its error.
fn run_client(tls: TlsMode, pieces: &[&[u8]]) -> (Vec<Event>, String, Option<Error>) {
    let config = client::Config { tls, ..client_config() };
    let mut conn = client::Connection::new(config, Instant::now());
    let (mut events, mut sent, mut error) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        conn.receive(piece, Instant::now());
        while error.is_none() {
            match conn.poll_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(e) => error = Some(e),
            }
            sent.extend(std::iter::from_fn(|| conn.poll_transmit()).flatten());
        }
        sent.extend(std::iter::from_fn(|| conn.poll_transmit()).flatten());
    }
    assert!(conn.tls().is_none());
    (events, String::from_utf8(sent).expect("ASCII"), error)
}

const TO_TLS: [&[u8]; 3] = [b"220 a\r\n", b"250-a\r\n250 STARTTLS\r\n", b"220 go\r\n"];

#[test]
fn t3_replies_injected_behind_the_reply_to_starttls_are_fatal() {
    let fresh = || {
        let config = client::Config { tls: TlsMode::Opportunistic, ..client_config() };
        let mut conn = client::Connection::new(config, Instant::now());
        for piece in &TO_TLS[..2] {
            conn.receive(piece, Instant::now());
            while conn.poll_event().expect("no error").is_some() {}
            while conn.poll_transmit().is_some() {}
        }
        conn
    };
    let injected = b"250-a\r\n250 AUTH PLAIN\r\n";
    check_tls_barrier(fresh, TO_TLS[2], injected, |event| !matches!(event, Event::StartTls));
}

#[test]
fn t4_a_stripped_or_refused_offer_is_an_error_where_tls_is_required() {
    let missing = Some(Error::from(PeerIncompatible::NoStartTls));
    for hello in [&b"250 a\r\n"[..], b"250-a\r\n250 AUTH PLAIN\r\n", b"250-a\r\n250 XSTARTTLS\r\n"] {
        let (events, sent, error) = run_client(TlsMode::Required, &[TO_TLS[0], hello]);
        assert_eq!((events.len(), sent.as_str(), error), (1, "EHLO bar.com\r\n", missing));
        let (events, _, error) = run_client(TlsMode::Opportunistic, &[TO_TLS[0], hello]);
        assert!(matches!(events[..], [Event::Greeting(_), Event::Ready(_)]) && error.is_none());
    }
    for refusal in [&b"454 4.7.0 not now\r\n"[..], b"502 no\r\n"] {
        let (_, _, error) = run_client(TlsMode::Required, &[TO_TLS[0], TO_TLS[1], refusal]);
        assert_eq!(error, missing);
        let (events, ..) = run_client(TlsMode::Opportunistic, &[TO_TLS[0], TO_TLS[1], refusal]);
        assert!(matches!(events[..], [Event::Greeting(_), Event::Ready(_)]));
    }
    // HELO has no extensions, so no TLS.
    let (_, _, error) = run_client(TlsMode::Required, &[TO_TLS[0], b"500 ?\r\n", b"250 a\r\n"]);
    assert_eq!(error, missing);
}

#[test]
fn t4_a_reply_that_comes_before_its_command_is_fatal() {
    // All in one segment: the replies to EHLO and STARTTLS are there before either was sent.
    let early = TO_TLS.concat();
    let (events, _, error) = run_client(TlsMode::Required, &[&early]);
    assert!(!events.contains(&Event::StartTls));
    assert_eq!(error, Some(PeerMisbehaved::UnsolicitedReply.into()));
    let greeting = every_split(TO_TLS[0], |pieces| run_client(TlsMode::Required, pieces).0);
    assert_eq!(greeting.len(), 1);
}

#[test]
fn t5_no_greeting_makes_a_client_skip_tls() {
    for greeting in [&b"220 a\r\n"[..], b"235 2.7.0 authenticated\r\n", b"250 a\r\n"] {
        let (events, sent, error) = run_client(TlsMode::Required, &[greeting, TO_TLS[1]]);
        assert!(!events.iter().any(|e| matches!(e, Event::Ready(_))));
        assert_eq!((sent.as_str(), error), ("EHLO bar.com\r\nSTARTTLS\r\n", None));
    }
}

#[test]
fn t6_the_client_forgets_what_the_server_announced_in_the_clear() {
    let config = client::Config { tls: TlsMode::Required, ..client_config() };
    let mut conn = client::Connection::new(config, Instant::now());
    for piece in [TO_TLS[0], b"250-a\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", TO_TLS[2]] {
        conn.receive(piece, Instant::now());
        while let Some(event) = conn.poll_event().expect("no error") {
            assert!(!matches!(event, Event::Ready(_)));
            while conn.poll_transmit().is_some() {}
        }
        while conn.poll_transmit().is_some() {}
    }
    conn.tls_started(Instant::now());
    assert_eq!(conn.capabilities(), None);
    assert_eq!(conn.poll_transmit().as_deref(), Some(&b"EHLO bar.com\r\n"[..]));
    conn.receive(b"250-a\r\n250 SIZE 7\r\n", Instant::now());
    let Ok(Some(Event::Ready(capabilities))) = conn.poll_event() else { panic!() };
    assert_eq!((capabilities.size_bytes_max(), capabilities.has_mechanism("PLAIN")), (Some(7), false));
}
