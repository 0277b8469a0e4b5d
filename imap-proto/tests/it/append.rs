//! Commands with several messages, as a server meets them: each literal is offered, streamed, collected or refused by
//! itself, however the bytes are cut.

use mail_wire::Keep;
use mail_wire::testing::every_split;

use crate::conn_owner::{MESSAGE_BYTES_MAX, Owner};

/// What the owner saw and what was sent, which must be the same at every split.
fn outcome(keep: Keep, input: &str) -> (Vec<String>, String) {
    every_split(input.as_bytes(), |pieces| {
        let mut owner = Owner::preauth();
        owner.keep = keep;
        owner.sent();
        let mut sent = String::new();
        for piece in pieces {
            owner.receive(piece).unwrap();
            sent += &owner.sent();
        }
        // The commands themselves are looked at elsewhere.
        owner.seen.retain(|seen| !seen.starts_with("Append(") && seen != "Noop");
        (owner.seen, sent)
    })
}

fn check(input: &str, seen: &[&str], sent: &[&str]) {
    let (got_seen, got_sent) = outcome(Keep::Stream, input);
    assert_eq!(got_seen, seen, "{input}");
    assert_eq!(got_sent.lines().collect::<Vec<_>>(), sent, "{input}");
}

#[test]
fn each_message_of_a_multiappend_is_offered_and_streamed() {
    check(
        "a APPEND x (\\Seen) {5}\r\nhello \"14-Jul-2024 02:44:25 +0200\" ~{3+}\r\nabc UTF8 (~{2}\r\nde)\r\nb NOOP\r\n",
        &[
            "offer of 5 bytes",
            "body hello",
            "end of literal",
            "offer of 3 bytes",
            "body abc",
            "end of literal",
            "offer of 2 bytes",
            "body de",
            "end of literal",
        ],
        &["+ Ready for literal data", "+ Ready for literal data", "a OK Done", "b OK Done"],
    );
}

#[test]
fn collected_messages_are_in_the_command() {
    let (seen, sent) = outcome(Keep::Collect, "a APPEND x {5+}\r\nhello {3+}\r\nabc\r\nb NOOP\r\n");
    assert_eq!(seen, ["offer of 5 bytes", "offer of 3 bytes"]);
    assert_eq!(sent, "a OK Done\r\nb OK Done\r\n");
}

#[test]
fn the_texts_of_a_catenate_are_offered_and_its_urls_are_not() {
    check(
        "a APPEND {1+}\r\nx CATENATE (TEXT {3+}\r\nabc URL {7+}\r\n/y;UID= URL z TEXT {2}\r\nde)\r\nb NOOP\r\n",
        &["offer of 3 bytes", "body abc", "end of literal", "offer of 2 bytes", "body de", "end of literal"],
        &["+ Ready for literal data", "a OK Done", "b OK Done"],
    );
}

#[test]
fn f6_a_refused_second_message_goes_by_to_its_last_byte() {
    let large = "\r\nz LOGOUT\r\n".repeat(20);
    assert!(large.len() as u64 > MESSAGE_BYTES_MAX);
    let seen = ["offer of 5 bytes", "body hello", "end of literal", "offer of 240 bytes", "abandoned"];
    check(
        &format!("a APPEND x {{5+}}\r\nhello {{240+}}\r\n{large} (\\Seen) {{3+}}\r\nabc\r\nb NOOP\r\n"),
        &seen,
        &["a NO Too large for this test", "b OK Done"],
    );
    // A client that waits does not send it.
    check(
        "a APPEND x {5+}\r\nhello {240}\r\nb NOOP\r\n",
        &seen,
        &["a NO Too large for this test", "b OK Done"],
    );
}

#[test]
fn f6_what_is_no_message_is_refused_before_its_bytes_and_they_go_by() {
    for bad in [
        "a APPEND x CATENATE (FILE {12+}\r\nz LOGOUT\r\n\r\n)",
        "a APPEND x (\\Recent) {12+}\r\nz LOGOUT\r\n\r\n",
        "a APPEND x UTF8 ({12+}\r\nz LOGOUT\r\n\r\n)",
        "a APPEND x CATENATE (TEXT ~{12+}\r\nz LOGOUT\r\n\r\n)",
    ] {
        check(&format!("{bad}\r\nb NOOP\r\n"), &[], &["a BAD Invalid arguments", "b OK Done"]);
    }
    check(
        "a APPEND x {5+}\r\nhello junk {12+}\r\nz LOGOUT\r\n\r\n\r\nb NOOP\r\n",
        &["offer of 5 bytes", "body hello", "end of literal", "abandoned"],
        &["a BAD Invalid arguments", "b OK Done"],
    );
}
