//! Rows T in the LMTP dialect: the barrier is the same, the hello is another.

use std::time::Instant;

use lmtp_proto::{client, server};
use mail_wire::Connection as _;
use mail_wire::testing::check_tls_barrier;

use crate::client::config as client_config;
use crate::server::{Store, config as server_config};

#[test]
fn t1_t2_bytes_behind_starttls_end_the_connection() {
    let fresh = || {
        let config = server::Config { start_tls: server::StartTls::Offer, ..server_config() };
        let mut store = Store::new(config);
        store.say(b"LHLO hub\r\n");
        store.conn
    };
    check_tls_barrier(fresh, b"STARTTLS\r\n", b"LHLO hub\r\nMAIL FROM:<>\r\n", |event| {
        !matches!(event, server::Event::StartTls)
    });
}

#[test]
fn t3_replies_behind_the_grant_are_fatal() {
    let fresh = || {
        let config = client::Config { tls: client::TlsMode::Required, ..client_config() };
        let mut conn = client::Connection::new(config, Instant::now());
        for piece in ["220 store LMTP\r\n", "250-store\r\n250 STARTTLS\r\n"] {
            conn.receive(piece.as_bytes(), Instant::now());
            while conn.poll_event().expect("no error").is_some() {}
            while conn.poll_transmit().is_some() {}
        }
        conn
    };
    check_tls_barrier(fresh, b"220 go\r\n", b"250-store\r\n250 PIPELINING\r\n", |event| {
        !matches!(event, client::Event::StartTls)
    });
}

#[test]
fn t6_both_sides_begin_anew_with_lhlo_under_tls() {
    let config = server::Config { start_tls: server::StartTls::Offer, ..server_config() };
    let mut store = Store::new(config);
    store.say(b"LHLO hub\r\n");
    store.say(b"STARTTLS\r\n");
    store.conn.tls_started(Instant::now());
    assert!(store.say(b"MAIL FROM:<>\r\n").starts_with("503 5.5.1"));
    assert!(!store.say(b"LHLO hub\r\n").contains("STARTTLS"));
}
