//! POP3: grammar and connections.

use std::time::Instant;

use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{Connection as _, Outbox, PlaintextLogin, Text, TlsActive, TlsMode};
use pop3_proto::client::{self, Event};
use pop3_proto::server::{self, AuthFailure};
use pop3_proto::{Command, MaildropCommand, MessageNumber, Password, Quirks, Reply, ScanListing, UserName};

use crate::story::{Story, feed, tell_twice};

/// A line that can be read, and written again, is read as the same.
pub fn round_trip(data: &[u8]) {
    if let Ok(read) = Command::parse(data) {
        let mut out = Outbox::new();
        read.encode(&mut out);
        assert_eq!(Command::parse(&line(out)), Ok(read));
    }
    if let Ok(read) = Reply::parse(data) {
        let mut out = Outbox::new();
        read.encode(&mut out);
        let line = line(out);
        // A reply longer than the RFC allows is cut when it is written.
        let again = Reply::parse(&line);
        assert!(line.len() >= 500 || again.as_ref() == Ok(&read), "{}", line.escape_ascii());
    }
}

fn line(mut out: Outbox) -> Vec<u8> {
    let mut line: Vec<u8> = std::iter::from_fn(|| out.take()).flatten().collect();
    assert!(line.ends_with(b"\r\n"), "{}", line.escape_ascii());
    line.truncate(line.len() - 2);
    assert!(!line.contains(&b'\r') && !line.contains(&b'\n'), "{}", line.escape_ascii());
    line
}

/// Bytes of a client to a server with one message. The first byte chooses the pieces.
pub fn server(data: &[u8]) {
    tell_twice(data, |_, input, piece| {
        let config = server::Config {
            mechanisms: vec![Mechanism::Plain.into(), Mechanism::Login.into()],
            plaintext_login: PlaintextLogin::DangerAllow,
            quirks: Quirks::tolerant(),
            ..server::Config::default()
        };
        let mut server = server::Connection::new(config, Instant::now());
        server.greet(&Text::constant("ready")).unwrap();
        let mut exchange: Option<ServerExchange> = None;
        feed(&mut server, input, piece, |server, event, story| {
            story.say(&event);
            serve(server, event, &mut exchange);
        })
    });
}

fn serve(server: &mut server::Connection, event: server::Event, exchange: &mut Option<ServerExchange>) {
    use server::Event;
    let ready = Text::constant("one message");
    let step = match event {
        Event::Login(ticket, who) if who.password.expose() == b"secret" => {
            return server.auth_ok(ticket, &ready).unwrap();
        }
        Event::Login(ticket, _) => return server.auth_failed(ticket, AuthFailure::Credentials).unwrap(),
        Event::Authenticate { ticket, mechanism, initial } => {
            let mechanism = Mechanism::by_name(mechanism.as_str().as_bytes()).unwrap();
            let begun = exchange.insert(ServerExchange::new(mechanism));
            (ticket, begun.start(initial.as_ref().map(|i| i.expose().as_slice())))
        }
        Event::AuthResponse(ticket, response) => {
            (ticket, exchange.as_mut().unwrap().respond(response.expose()))
        }
        Event::Maildrop(ticket, command) if command.is_multi_line() => {
            let reply = server.begin(ticket, &ready).unwrap();
            match command {
                MaildropCommand::Retr(_) | MaildropCommand::Top(..) => {
                    server.body(&reply, &b"Subject: x\r\n\r\n.\r\n..\r\nend"[..].into()).unwrap();
                }
                MaildropCommand::List(_) => {
                    let message = MessageNumber::new(1).unwrap();
                    server.scan_listing(&reply, ScanListing { message, octets: 20 }).unwrap();
                }
                _ => {}
            }
            return server.end(reply).unwrap();
        }
        Event::Maildrop(ticket, _) | Event::Quit(ticket) => {
            return server.reply(ticket, &Reply::ok(ready)).unwrap();
        }
        _ => return,
    };
    match step {
        (ticket, Ok(Step::Challenge(challenge))) => server.challenge(ticket, challenge).unwrap(),
        (ticket, Ok(Step::Done(who))) if who.password.expose() == b"secret" => {
            server.auth_ok(ticket, &ready).unwrap();
        }
        (ticket, _) => server.auth_failed(ticket, AuthFailure::Credentials).unwrap(),
    }
}

/// Bytes of a server to a client that logs in and asks for everything in one flight. The first byte chooses the pieces,
/// and whether it is tolerant.
pub fn client(data: &[u8]) {
    tell_twice(data, client_story);
}

fn client_story(how: u8, input: &[u8], piece: usize) -> Story {
    let quirks = if how & 16 == 0 { Quirks::NONE } else { Quirks::tolerant() };
    let config = client::Config { quirks, ..client::Config::new(TlsMode::Never) };
    let mut client = client::Connection::new(config, Instant::now());
    let mut logged_in = false;
    feed(&mut client, input, piece, |client, event, story| {
        match &event {
            Event::Chunk(bytes) => story.chunk(bytes),
            event => story.say(event),
        }
        match event {
            Event::Greeting(_) => {
                let name = UserName::new(b"mrose").unwrap();
                let password = Password::new(b"secret").unwrap();
                client.login(name, password, TlsActive::danger_assume_protected()).ok();
            }
            Event::LoggedIn(_) if !logged_in => {
                logged_in = true;
                let first = MessageNumber::new(1).unwrap();
                for command in [
                    MaildropCommand::Stat,
                    MaildropCommand::List(None),
                    MaildropCommand::Uidl(None),
                    MaildropCommand::Retr(first),
                    MaildropCommand::Top(first, 0),
                ] {
                    client.send(command).ok();
                }
            }
            _ => assert!(client.pending() <= 5),
        }
        assert!(client.transmit_bytes() < 10_000);
    })
}
