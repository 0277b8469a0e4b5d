//! Properties of both connections under anything that may come.

use std::time::Instant;

use imap_proto::{Command, client};
use mail_wire::{Connection as _, Keep, TlsMode};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::conn_owner::{Owner, plaintext};

/// Commands of every kind, good and bad, each with its tag in the place of `@`.
const COMMANDS: [&str; 25] = [
    "@ NOOP\r\n",
    "\r\n@ CAPABILITY\r\n",
    "@ FROB {3+}\r\na b\r\n",
    "@ FROB {3}\r\n",
    "@ SELECT inbox\r\n",
    "@ SELECT {5+}\r\ninbox\r\n",
    "@ CLOSE\r\n",
    "@ FETCH 1:* (FLAGS\r\n",
    "@ UID FETCH 1:* FLAGS\r\n",
    "@ STARTTLS\r\n",
    "@ LOGIN alice secret\r\n",
    "@ LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n",
    "@ LOGIN {5+}\r\nx NOO {2000+}\r\n",
    "@ AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n",
    "@ AUTHENTICATE PLAIN ?\r\n",
    "@ APPEND x {8+}\r\ny NOOP\r\n\r\n",
    "@ APPEND x (\\Seen) {8+}\r\ny NOOP\r\n junk\r\n",
    "@ APPEND x {400}\r\n",
    "@ APPEND (x) {8+}\r\ny NOOP\r\n\r\n",
    "@ ID NIL\r\n",
    "@ SEARCH {400000}\r\n",
    "@ IDLE\r\nDONE\r\n",
    "@ IDLE\r\nx NOOP\r\n",
    "@ AUTHENTICATE PLAIN\r\n*\r\n",
    "@\r\n",
];

/// The words that a stranger's bytes are made of.
const WORDS: [&str; 28] = [
    "a ",
    "b ",
    "NOOP",
    "LOGIN ",
    "APPEND x ",
    "FETCH ",
    "IDLE",
    "DONE",
    "AUTHENTICATE PLAIN",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "{3}",
    "{3+}",
    "{99999}",
    "(",
    ")",
    "\"",
    "* ",
    "+ ",
    "OK ",
    "A1 ",
    "1 ",
    "BODY[] ",
    "[CAPABILITY X]",
    "\0",
];

fn owner(stranger: bool, keep: Keep) -> Owner {
    let mut owner = if stranger { Owner::new(plaintext()) } else { Owner::preauth() };
    owner.keep = keep;
    owner.sent();
    owner
}

fn config() -> ProptestConfig {
    // The same cases each time: a failure here is a failure everywhere.
    let rng_seed = RngSeed::Fixed(0x1a9);
    ProptestConfig { cases: 2_000, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_command_gets_one_tagged_reply_in_order(
        stranger in any::<bool>(),
        collect in any::<bool>(),
        picks in proptest::collection::vec(0..COMMANDS.len(), 1..10),
        pieces in 1_usize..40,
    ) {
        let mut owner = owner(stranger, if collect { Keep::Collect } else { Keep::Stream });
        let mut input = String::new();
        for (number, pick) in picks.iter().enumerate() {
            let mut command = COMMANDS[*pick].replace('@', &format!("t{number}"));
            if command.ends_with("{2000+}\r\n") {
                command.push_str(&"n NOOP\r\n".repeat(250));
                command.push_str("\r\n");
            }
            input.push_str(&command);
        }
        for piece in input.as_bytes().chunks(pieces) {
            owner.receive(piece).unwrap();
        }
        let sent = owner.sent();
        let tags: Vec<&str> =
            sent.lines().filter(|l| l.starts_with('t')).filter_map(|l| l.split(' ').next()).collect();
        let expected: Vec<String> = (0..picks.len()).map(|number| format!("t{number}")).collect();
        prop_assert_eq!(tags, expected, "{}", sent);
        // What stood in a literal was never a command.
        prop_assert!(!sent.lines().any(|l| l.starts_with("y ") || l.starts_with("n ")), "{}", sent);
    }

    #[test]
    fn nothing_a_client_sends_breaks_a_server(
        stranger in any::<bool>(),
        words in proptest::collection::vec(0..WORDS.len(), 0..60),
        pieces in 1_usize..20,
    ) {
        let input: String = words.iter().map(|word| WORDS[*word]).collect();
        let mut owner = owner(stranger, Keep::Stream);
        for piece in input.as_bytes().chunks(pieces) {
            if owner.receive(piece).is_err() {
                prop_assert!(owner.server.is_closing());
                break;
            }
        }
        owner.server.receive_eof();
        let _ = owner.drain();
        let sent = owner.sent();
        prop_assert!(sent.is_empty() || sent.ends_with("\r\n"));
        prop_assert!(owner.server.is_closing() || owner.server.poll_timeout().is_some());
    }

    #[test]
    fn nothing_a_server_sends_breaks_a_client(
        words in proptest::collection::vec(0..WORDS.len(), 0..60),
        pieces in 1_usize..20,
    ) {
        let now = Instant::now();
        let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
        let mut client = client::Connection::new(config, now);
        client.receive(b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", now);
        while client.poll_event().unwrap().is_some() {}
        client.command(&Command::Noop).unwrap();
        while client.poll_transmit().is_some() {}
        let input: String = words.iter().map(|word| WORDS[*word]).collect();
        let mut tagged = 0;
        'all: for piece in input.as_bytes().chunks(pieces) {
            client.receive(piece, now);
            loop {
                match client.poll_event() {
                    Ok(None) => break,
                    Ok(Some(client::Event::Tagged(..))) => tagged += 1,
                    Ok(Some(_)) => {}
                    Err(_) => break 'all,
                }
            }
        }
        prop_assert!(tagged <= 1);
    }
}
