//! Whole sessions, byte for byte.

use std::time::Instant;

use mail_wire::testing::every_split;
use mail_wire::{Connection as _, TlsActive, TlsMode};
use pop3_proto::client::{self, Event};
use pop3_proto::{Capability, MaildropCommand};

use crate::support::{
    Maildrop, Said, client_bytes, config, credentials, message, output, server, server_bytes, text,
    transcript,
};

/// Feeds everything that the client says, however it is cut, and compares everything that the server says.
fn server_says(file: &str) {
    let transcript = transcript(file);
    let said = every_split(&client_bytes(&transcript), |pieces| {
        let (mut server, mut maildrop) = (server(config()), Maildrop::default());
        for piece in pieces {
            server.receive(piece, Instant::now());
            maildrop.serve(&mut server).unwrap();
        }
        assert!(server.is_closing(), "QUIT closes");
        text(&output(&mut server))
    });
    assert_eq!(said, text(&server_bytes(&transcript)));
}

#[test]
fn the_session_of_the_rfc() {
    server_says(include_str!("../../testdata/rfc1939.txt"));
}

#[test]
fn a_session_of_logins_and_refusals() {
    server_says(include_str!("../../testdata/session.txt"));
}

#[test]
fn a_client_reads_a_maildrop_of_cyrus() {
    for piece_bytes in [1, 7, usize::MAX] {
        let now = Instant::now();
        let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
        let (mut events, mut commands) = (Vec::new(), 0);
        for said in transcript(include_str!("../../testdata/cyrus.txt")) {
            match said {
                Said::Server(bytes) => {
                    for piece in bytes.chunks(piece_bytes) {
                        client.receive(piece, now);
                        while let Some(event) = client.poll_event().unwrap() {
                            events.push(event);
                        }
                    }
                }
                Said::Client(bytes) => {
                    match commands {
                        0 => {}
                        1 => {
                            client.login_plain(&credentials(), TlsActive::danger_assume_protected()).unwrap()
                        }
                        2 => client.send(MaildropCommand::Stat).unwrap(),
                        3 => client.send(MaildropCommand::List(None)).unwrap(),
                        4 => client.send(MaildropCommand::Uidl(None)).unwrap(),
                        5 => client.send(MaildropCommand::Retr(message(1))).unwrap(),
                        6 => client.send(MaildropCommand::Retr(message(3))).unwrap(),
                        7 => client.send(MaildropCommand::Dele(message(1))).unwrap(),
                        _ => client.quit().unwrap(),
                    }
                    commands += 1;
                    assert_eq!(text(&output(&mut client)), text(&bytes));
                }
            }
        }
        assert!(client.is_closing());
        assert_eq!(
            short(&events),
            [
                "greeting, 10 capabilities, pipelining true",
                "logged in",
                "Stat: 320 octets",
                "List(None) begins",
                "1 of 120",
                "2 of 200",
                "List(None) ends",
                "Uidl(None) begins",
                "1 is 1795500150.1",
                "2 is 1795500150.2",
                "Uidl(None) ends",
                "Retr(MessageNumber(1)) begins",
                r"Subject: one\r\n\r\n.\r\n",
                "Retr(MessageNumber(1)) ends",
                "Retr(MessageNumber(3)): false",
                "Dele(MessageNumber(1)): true",
                "goodbye true",
            ]
        );
    }
}

/// The events, a line each; the pieces of a message joined.
fn short(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut in_message = false;
    for event in events {
        let line = match event {
            Event::Greeting(greeting) => {
                let pipelining = greeting.capabilities.contains(&Capability::Pipelining);
                format!(
                    "greeting, {} capabilities, pipelining {pipelining}",
                    greeting.capabilities.iter().count()
                )
            }
            Event::LoggedIn(_) => "logged in".into(),
            Event::Reply(MaildropCommand::Stat, reply) => {
                format!("Stat: {} octets", reply.as_drop_listing().unwrap().octets)
            }
            Event::Reply(command, reply) => format!("{command:?}: {}", reply.is_ok()),
            Event::Begin(command, _) => format!("{command:?} begins"),
            Event::End(command) => format!("{command:?} ends"),
            Event::ScanListing(listing) => format!("{} of {}", listing.message, listing.octets),
            Event::UniqueIdListing(listing) => format!("{} is {}", listing.message, listing.id.as_str()),
            Event::Chunk(bytes) if in_message => {
                lines.last_mut().unwrap().push_str(&text(bytes));
                continue;
            }
            Event::Chunk(bytes) => text(bytes),
            Event::Goodbye(reply) => format!("goodbye {}", reply.is_ok()),
            other => format!("{other:?}"),
        };
        in_message = matches!(event, Event::Chunk(_));
        lines.push(line);
    }
    lines
}
