//! Anything at all, in any pieces, at both sides: no panic, replies that are replies, a definite end, bounded memory.

use std::time::Instant;

use mail_wire::testing::check_end_is_final;
use mail_wire::{BareLineEnd, Connection as _, TlsActive, TlsMode};
use pop3_proto::apop::{Digest, Timestamp};
use pop3_proto::client::{self, Event};
use pop3_proto::server::{self, Config, StartTls, Utf8Mode};
use pop3_proto::{LanguageRange, MaildropCommand, Password, Quirks, UserName};
use proptest::prelude::*;

use crate::support::{APOP_TIMESTAMP, Maildrop, config, message, output};

fn one_of(known: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => prop::sample::select(known).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

const FROM_CLIENT: &[&str] = &[
    "CAPA\r\n",
    "USER mrose\r\n",
    "PASS secret\r\n",
    "PASS wrong\r\n",
    "APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n",
    "AUTH\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN bXJvc2U=\r\n",
    "c2VjcmV0\r\n",
    "*\r\n",
    "STLS\r\n",
    "UTF8\r\n",
    "LANG\r\n",
    "LANG *\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "UIDL 1\r\n",
    "RETR 1\r\n",
    "TOP 2 0\r\n",
    "TOP 2\r\n",
    "DELE 2\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "XYZZY\r\n",
    "\r",
    "\n",
    "\r\n",
    ".",
];

const FROM_SERVER: &[&str] = &[
    "+OK\r\n",
    "+OK hello <1.2@host>\r\n",
    "-ERR no\r\n",
    "-ERR [IN-USE] locked\r\n",
    "+OK 2 320\r\n",
    "+ \r\n",
    "+ dGV4dA==\r\n",
    "PIPELINING\r\n",
    "USER\r\n",
    "UTF8 USER\r\n",
    "LANG\r\n",
    "SASL PLAIN LOGIN\r\n",
    "STLS\r\n",
    "1 120\r\n",
    "2 id\r\n",
    "text\r\n",
    "..\r\n",
    ".\r\n",
    ".",
    "\r",
    "\n",
    "\r\n",
];

fn everything() -> Config {
    Config {
        start_tls: StartTls::Offer,
        utf8: Utf8Mode::MessagesAndNames,
        quirks: Quirks::tolerant(),
        ..config()
    }
}

/// Every line of what a server says is a reply, a part of one, or a challenge; and the last is whole.
fn check_said(said: &[u8]) {
    assert!(said.is_empty() || said.ends_with(b"\r\n"), "{said:?}");
    let mut multi_line = false;
    for line in said.split_inclusive(|b| *b == b'\n') {
        assert!(line.ends_with(b"\r\n") && line.len() <= 512, "{line:?}");
        match line {
            b".\r\n" => multi_line = false,
            _ if line.starts_with(b"+OK") || line.starts_with(b"-ERR") || line.starts_with(b"+ ") => {
                multi_line |= line.starts_with(b"+OK");
            }
            _ => assert!(multi_line, "{line:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_server_takes_anything_and_says_only_replies(pieces in prop::collection::vec(one_of(FROM_CLIENT), 0..40)) {
        let now = Instant::now();
        let mut server = server::Connection::new(everything(), now);
        let timestamp = Timestamp::new(APOP_TIMESTAMP.as_bytes()).unwrap();
        server.greet_with(&mail_wire::Text::constant("ready"), timestamp).unwrap();
        let (mut maildrop, mut said) = (Maildrop::default(), Vec::new());
        let mut failed = None;
        for piece in &pieces {
            server.receive(piece, now);
            let served = maildrop.serve(&mut server);
            said.extend(output(&mut server));
            if let Err(error) = served {
                failed = Some(error);
                break;
            }
        }
        check_said(&said);
        if let Some(error) = failed {
            check_end_is_final(&mut server, error, b"NOOP\r\n");
        }
    }

    #[test]
    fn a_client_bears_any_server(
        pieces in prop::collection::vec(one_of(FROM_SERVER), 0..40),
        tls in prop::sample::select(vec![TlsMode::Never, TlsMode::Opportunistic, TlsMode::Required]),
        quirks in prop::sample::select(vec![Quirks::NONE, Quirks::tolerant()]),
    ) {
        let now = Instant::now();
        let config = client::Config { quirks, bare_line_end: BareLineEnd::DangerNormalize, ..client::Config::new(tls) };
        let mut client = client::Connection::new(config, now);
        let proof = TlsActive::danger_assume_protected();
        let mut turn = 0;
        for piece in &pieces {
            client.receive(piece, now);
            loop {
                while client.poll_listing().is_some() {}
                match client.poll_event() {
                    Ok(None) => break,
                    Ok(Some(Event::StartTls)) => client.tls_started(now),
                    // T4, T5: without TLS where it is required, there is no greeting to log in behind.
                    Ok(Some(Event::Greeting(_))) => prop_assert!(tls != TlsMode::Required || client.tls().is_some()),
                    Ok(Some(Event::Chunk(bytes))) => prop_assert!(!bytes.is_empty()),
                    Ok(Some(_)) => {}
                    Err(error) => {
                        output(&mut client);
                        check_end_is_final(&mut client, error, b"+OK\r\n");
                        return Ok(());
                    }
                }
            }
            // Whatever the owner tries in whatever state: done or refused.
            turn += 1;
            let name = UserName::new(b"mrose").unwrap();
            let _ = match turn % 9 {
                0 => client.login(name, Password::new(b"secret").unwrap(), proof),
                1 => client.login_apop(name, Digest::new([0; 16])),
                2 => client.authenticate(&mail_wire::sasl::Mechanism::Plain.into(), None, proof),
                3 => client.respond(b"x"),
                4 => client.language(LanguageRange::Preferred),
                5 => client.capa(),
                6 => client.send(MaildropCommand::Retr(message(1))),
                7 => client.send(MaildropCommand::Uidl(None)),
                _ => client.utf8(),
            };
            let lines = output(&mut client);
            prop_assert!(lines.is_empty() || lines.ends_with(b"\r\n"));
        }
    }
}
