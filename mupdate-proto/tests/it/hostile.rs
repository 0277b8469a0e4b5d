//! Anything at all, in any pieces, at both sides: no panic, responses that are responses, a definite end.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::testing::check_end_is_final;
use mail_wire::{
    Connection as _, FrameLimits, Input, Keep, LiteralFramer, LiteralMode, Part, TlsActive, TlsMode,
};
use mupdate_proto::client::{self, Event};
use mupdate_proto::server::{Config, StartTls};
use mupdate_proto::{Command, MailboxName, Response};
use proptest::prelude::*;

use crate::support::{Master, config, credentials, output, server};

fn one_of(known: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => prop::sample::select(known).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

const FROM_CLIENT: &[&str] = &[
    "a AUTHENTICATE \"PLAIN\" \"AGJlMQBzZWNyZXQ=\"\r\n",
    "a AUTHENTICATE \"PLAIN\"\r\n",
    "AGJlMQBzZWNyZXQ=\r\n",
    "*\r\n",
    "s STARTTLS\r\n",
    "z COMPRESS \"DEFLATE\"\r\n",
    "r RESERVE \"user.a\" \"be1!p\"\r\n",
    "v ACTIVATE \"user.a\" {5+}\r\nbe1!p \"a\tlrs\t\"\r\n",
    "d DEACTIVATE \"user.a\" \"be1!p\"\r\n",
    "x DELETE \"user.a\"\r\n",
    "f FIND {6}\r\n",
    "user.a\r\n",
    "l LIST \"be1!\"\r\n",
    "u UPDATE\r\n",
    "n NOOP\r\n",
    "q LOGOUT\r\n",
    "big FIND {9999999+}\r\n",
    "\"",
    "{3+}\r\n",
    "\r",
    "\n",
    "\r\n",
];

const FROM_SERVER: &[&str] = &[
    "* AUTH \"PLAIN\"\r\n",
    "* STARTTLS\r\n",
    "* OK MUPDATE \"m\" \"i\" \"v\" \"(master)\"\r\n",
    "X1 OK \"done\"\r\n",
    "X2 OK \"done\"\r\n",
    "X3 OK \"done\"\r\n",
    "X1 NO \"no\"\r\n",
    "X2 BAD \"what\"\r\n",
    "X2 MAILBOX \"user.a\" \"be1!p\" \"a\tlrs\t\"\r\n",
    "X2 RESERVE {6+}\r\nuser.b \"be1!\"\r\n",
    "X2 RESERVE {6}\r\n",
    "X2 DELETE \"user.a\"\r\n",
    "* BYE \"bye\"\r\n",
    "\r\n",
    "dGV4dA==\r\n",
    "\"",
    "\r",
    "\n",
];

/// Every frame of what a server says is a response with one string, a bare line of a login, a go-ahead, or the banner.
fn check_said(said: &[u8]) {
    let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
    input.buffer().extend_from_slice(said);
    while let Some(part) = framer.poll(&mut input, LiteralMode::Command).unwrap() {
        match part {
            Part::Offer(_) => framer.keep(Keep::Collect).unwrap(),
            Part::Whole(frame) => assert!(is_response(&frame), "{frame:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(input.is_empty(), "half a line");
}

fn is_response(frame: &Bytes) -> bool {
    let banner = [&b"* AUTH"[..], b"* STARTTLS", b"* PARTIAL-UPDATE", b"* OK MUPDATE"];
    frame.is_empty()
        || &frame[..] == b"+ go ahead"
        || banner.iter().any(|line| frame.starts_with(line))
        || Response::parse(frame).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_server_takes_anything_and_says_only_responses(
        pieces in prop::collection::vec(one_of(FROM_CLIENT), 0..40),
    ) {
        let now = Instant::now();
        let mut server = server(Config { start_tls: StartTls::Offer, ..config() });
        let (mut master, mut said) = (Master::default(), Vec::new());
        let mut failed = None;
        for piece in &pieces {
            server.receive(piece, now);
            let served = master.serve(&mut server);
            said.extend(output(&mut server));
            if let Err(error) = served {
                failed = Some(error);
                break;
            }
        }
        check_said(&said);
        if let Some(error) = failed {
            check_end_is_final(&mut server, error, b"n NOOP\r\n");
        }
    }

    #[test]
    fn a_client_bears_any_server(
        pieces in prop::collection::vec(one_of(FROM_SERVER), 0..40),
        tls in prop::sample::select(vec![TlsMode::Never, TlsMode::Opportunistic, TlsMode::Required]),
    ) {
        let now = Instant::now();
        let mut client = client::Connection::new(client::Config::new(tls), now);
        let proof = TlsActive::danger_assume_protected();
        let mut turn = 0;
        for piece in &pieces {
            client.receive(piece, now);
            loop {
                while client.poll_entry().is_some() {}
                match client.poll_event() {
                    Ok(None) => break,
                    Ok(Some(Event::StartTls)) => client.tls_started(now),
                    Ok(Some(Event::Greeting(_))) => prop_assert!(tls != TlsMode::Required || client.tls().is_some()),
                    Ok(Some(_)) => {}
                    Err(error) => {
                        output(&mut client);
                        check_end_is_final(&mut client, error, b"X1 OK \"done\"\r\n");
                        prop_assert_eq!(client.poll_entry(), None);
                        return Ok(());
                    }
                }
            }
            // Whatever the owner tries in whatever state: done or refused.
            turn += 1;
            let _ = match turn % 7 {
                0 => client.respond(b"x"),
                1 => client.cancel(),
                2 => client.send(&Command::Find(MailboxName::new("user.a").unwrap())).map(drop),
                3 => client.send(&Command::Noop).map(drop),
                4 => client.send(&Command::Update(Vec::new())).map(drop),
                _ => client.login_plain(&credentials(), proof),
            };
            output(&mut client);
        }
    }
}
