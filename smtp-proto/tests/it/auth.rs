//! AUTH (RFC 4954) on the server: rows A3, A5, A12.

use mail_wire::sasl;
use smtp_proto::server::Config;

use crate::support::{Site, auth_config, server_config};

const FAILED: &str = "535 5.7.8 Authentication credentials invalid\r\n";

#[test]
fn plain_and_login_succeed_with_and_without_an_initial_response() {
    for dialogue in [
        &[("AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235 2.7.0")][..],
        &[("auth plain", "334 \r\n"), ("AGFsaWNlAHNlY3JldA==", "235 2.7.0")],
        &[
            ("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"),
            ("YWxpY2U=", "334 UGFzc3dvcmQ6\r\n"),
            ("c2VjcmV0", "235 2.7.0"),
        ],
        &[("AUTH LOGIN YWxpY2U=", "334 UGFzc3dvcmQ6\r\n"), ("c2VjcmV0", "235 2.7.0")],
    ] {
        let mut site = Site::ready(auth_config());
        for (line, reply) in dialogue {
            let got = site.say(format!("{line}\r\n").as_bytes());
            assert!(got.starts_with(reply), "{line}: {got}");
        }
        assert!(site.conn.is_authenticated() && site.seen.logins == 1);
        assert!(site.say(b"AUTH PLAIN\r\n").starts_with("503 5.5.1"));
    }
}

#[test]
fn a3_unknown_user_and_wrong_password_get_the_same_words() {
    for message in [&b"\0alice\0wrong"[..], b"\0nobody\0secret", b"\0alice\0", b"\0nobody\0"] {
        let mut site = Site::ready(auth_config());
        let line = format!("AUTH PLAIN {}\r\n", sasl::encode(message).expose());
        assert_eq!(site.say(line.as_bytes()), FAILED);
        assert!(!site.conn.is_authenticated());
    }
}

#[test]
fn a5_every_odd_message_ends_its_exchange_and_nothing_else() {
    let oversize = "A".repeat(sasl::MESSAGE_BYTES_MAX + 4);
    for (odd, reply) in [
        ("*", "501 5.0.0 Authentication cancelled\r\n"),
        ("%%%%", "501 5.5.2 Cannot decode response\r\n"),
        ("A", "501 5.5.2 Cannot decode response\r\n"),
        ("=", "501 5.5.2 Cannot decode response\r\n"),
        ("", FAILED),
        ("AAAA", FAILED),
        ("x\0y", "500 5.5.2 Invalid octet in line\r\n"),
        (oversize.as_str(), "500 5.5.2 Line too long\r\n"),
    ] {
        let mut site = Site::ready(auth_config());
        assert_eq!(site.say(b"AUTH PLAIN\r\n"), "334 \r\n");
        assert_eq!(site.say(format!("{odd}\r\n").as_bytes()), reply, "{odd:.9}");
        assert_eq!(site.error, None);
        assert!(site.say(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n").starts_with("235"));
    }
    let mut site = Site::ready(auth_config());
    assert_eq!(site.say(b"AUTH PLAIN =\r\n"), FAILED);
    assert_eq!(site.say(b"AUTH PLAIN %\r\n"), "501 5.5.2 Cannot decode response\r\n");
    assert_eq!(site.say(b"AUTH SCRAM-SHA-1\r\n"), "504 5.5.4 Unrecognized authentication type\r\n");
}

#[test]
fn a5_a_message_at_the_limit_is_read() {
    let mut site = Site::ready(auth_config());
    site.feed(b"AUTH PLAIN\r\n");
    site.take_output();
    assert_eq!(site.say(format!("{}\r\n", "A".repeat(sasl::MESSAGE_BYTES_MAX)).as_bytes()), FAILED);
    // Behind the exchange the limit of a command holds again.
    let line = format!("NOOP {}\r\n", "x".repeat(3_000));
    assert_eq!(site.say(line.as_bytes()), "500 5.5.2 Line too long\r\n");
}

#[test]
fn a12_without_tls_auth_is_neither_announced_nor_taken() {
    let config = Config { plaintext_login: mail_wire::PlaintextLogin::Refuse, ..auth_config() };
    let mut site = Site::ready(config);
    assert!(!site.say(b"EHLO x\r\n").contains("AUTH"));
    assert_eq!(
        site.say(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
        "538 5.7.11 Encryption required, use STARTTLS\r\n"
    );
    assert_eq!(site.seen.logins, 0);
    mail_wire::Connection::tls_started(&mut site.conn, std::time::Instant::now());
    assert!(site.say(b"EHLO x\r\n").contains("AUTH PLAIN LOGIN\r\n"));
    assert!(site.say(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n").starts_with("235"));
    let mut site = Site::ready(server_config());
    assert!(site.say(b"AUTH PLAIN\r\n").starts_with("502 5.5.1"));
}

#[test]
fn auth_inside_a_transaction_is_out_of_order() {
    let mut site = Site::ready(auth_config());
    site.say(b"MAIL FROM:<a@b>\r\n");
    assert!(site.say(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n").starts_with("503 5.5.1"));
}

#[test]
fn a_dropped_login_ticket_is_a_temporary_failure() {
    use mail_wire::Connection as _;
    let mut site = Site::ready(auth_config());
    site.conn.receive(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", std::time::Instant::now());
    drop(site.conn.poll_event());
    site.drain();
    assert_eq!(site.take_output(), "454 4.7.0 Temporary authentication failure\r\n");
    assert_eq!(site.say(b"NOOP\r\n"), "250 2.0.0 OK\r\n");
}
