//! The first reads do what their first lines say. Each is taken in as it stands.

// Each file brings its `transcript` along, and a `main` that is for `cargo run`.
#![allow(clippy::duplicate_mod, dead_code)]

#[path = "../../first/imap.rs"]
mod imap;
#[path = "../../first/imap_client.rs"]
mod imap_client;
#[path = "../../first/imap_server.rs"]
mod imap_server;
#[path = "../../first/lmtp.rs"]
mod lmtp;
#[path = "../../first/mupdate.rs"]
mod mupdate;
#[path = "../../first/murder.rs"]
mod murder;
#[path = "../../first/pop3.rs"]
mod pop3;
#[path = "../../first/smtp.rs"]
mod smtp;
#[path = "../../first/store.rs"]
mod store;
#[path = "../../first/wire.rs"]
mod wire;

/// These lines stand in the report, in this order.
fn check(report: &str, expected: &[&str]) {
    let mut lines = report.lines();
    for line in expected {
        assert!(lines.any(|l| l == *line), "{line:?} is not where it should be in:\n{report}");
    }
}

#[test]
fn wire_reads_what_is_whole_and_closes_on_a_smuggler() {
    let report = wire::run();
    check(
        &report,
        &[
            "login: alice by ***",
            r"message: The end:\x0d\x0a.\x0d\x0a",
            "bad line: NUL octet at offset 1",
            "line: QUIT",
            "closed: invalid message: bare LF at offset 5",
            r"sent: ..profile\x0d\x0aand more\x0d\x0a.\x0d\x0a",
        ],
    );
    assert!(!report.contains("boss"), "{report}");
}

#[test]
fn imap_logs_in_and_reads_two_messages() {
    check(
        &imap::run().unwrap(),
        &[
            "C: A1 LOGIN alice secret",
            "C: A3 UID FETCH 1:* (UID RFC822)",
            "S: * 2 EXISTS",
            "S: * 2 FETCH (UID 2 RFC822 {25}",
            "S: A4 OK Completed",
            "   Exists(2)",
        ],
    );
}

#[test]
fn the_client_reads_what_the_server_has_over_a_socket() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let texts = ["Subject: one\r\n\r\nFirst.\r\n", "Subject: two\r\n\r\nSecond.\r\n"];
    let mail = imap_server::Mail::new(texts.map(|text| text.as_bytes().to_vec()).to_vec().into());
    let server = std::thread::spawn(move || {
        let served = |()| imap_server::run(listener.accept().unwrap().0, &mail);
        (served(()), served(()))
    });
    let connect = || std::net::TcpStream::connect(address).unwrap();
    let headers = imap_client::run(connect(), "alice", "secret").unwrap();
    assert_eq!(headers, ["Subject: one\r\n\r\n", "Subject: two\r\n\r\n"]);
    let refused = imap_client::run(connect(), "alice", "wrong").unwrap_err();
    assert_eq!(refused.to_string(), "the server said no");
    let (whole, broken_off) = server.join().unwrap();
    assert!(whole.is_ok() && broken_off.is_ok());
}

#[test]
fn smtp_sends_to_one_recipient_of_two() {
    check(
        &smtp::run().unwrap(),
        &[
            "C: DATA",
            "   recipient 1: Permanent",
            "C: ..",
            "   recipient 0: Success",
            "   29 bytes have arrived",
        ],
    );
}

#[test]
fn lmtp_gives_each_recipient_a_fate_of_its_own() {
    check(
        &lmtp::run().unwrap(),
        &[
            "C: MAIL FROM:<> XCORBIEID=42.1",
            "   recipient 2: Permanent, said to Rcpt",
            "   recipient 0: Success, said to Message",
            "   recipient 1: Temporary, said to Message",
        ],
    );
}

#[test]
fn pop3_fetches_a_message_and_removes_it() {
    check(
        &pop3::run().unwrap(),
        &["S: +OK 2 messages", "C: DELE 2", "S: +OK 2 51", "S: ..", "S: +OK done", "S: +OK done"],
    );
}

#[test]
fn mupdate_tells_a_front_end_what_a_back_end_registers() {
    check(
        &mupdate::run().unwrap(),
        &[
            "frontend:",
            "S: X2 OK \"changes follow\"",
            "S: X2 RESERVE \"user.alice\" \"backend1!default\"",
            "S: X2 MAILBOX \"user.alice\" \"backend1!default\" \"alice\\x09lrswipkxtecdan\\x09\"",
            "   user.alice is at backend1!default",
            "backend1:",
            "S: X3 OK \"done\"",
        ],
    );
}

#[tokio::test]
async fn a_message_goes_through_all_three_nodes_of_a_murder() {
    let folder = tempfile::tempdir().unwrap();
    let limit = std::time::Duration::from_secs(30);
    let report = tokio::time::timeout(limit, murder::run(folder.path())).await.unwrap().unwrap();
    check(&report, &["the hub says 250"]);
    assert!(report.contains(r#"Rfc822Text(Inline("Through all three.\x0d\x0a"))"#), "{report}");
}

#[test]
fn a_store_has_everything_again_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    check(
        &store::run(folder.path()).unwrap(),
        &[
            "appended: UID 2",
            "UID 1: 1 parts, greets: false",
            "UID 2: 3 parts, greets: true",
            "reopened: 2 messages, 1 unseen, next UID 3",
            "eve: no such mailbox",
        ],
    );
}
