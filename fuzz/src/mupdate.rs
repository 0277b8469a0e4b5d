//! MUPDATE: grammar and connections.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{Authcid, Credentials, Mechanism, ServerExchange, Step};
use mail_wire::{Connection as _, Outbox, PlaintextLogin, Secret, Text, TlsActive, TlsMode};
use mupdate_proto::client::{self, Event};
use mupdate_proto::server::{self, AuthFailure};
use mupdate_proto::{Acl, Command, Location, MailboxEntry, MailboxName, Response, Status};

use crate::story::{Story, feed, tell_twice};

/// A frame that can be read, and written again, is read as the same.
pub fn round_trip(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    if let Ok((tag, read)) = Command::parse(&frame) {
        let mut out = Outbox::new();
        read.encode(&tag, &mut out);
        assert_eq!(Command::parse(&written(out)), Ok((tag, read)));
    }
    if let Ok((tag, read)) = Response::parse(&frame) {
        let mut out = Outbox::new();
        read.encode(tag.as_ref(), &mut out);
        assert_eq!(Response::parse(&written(out)), Ok((tag, read)));
    }
}

fn written(mut out: Outbox) -> Bytes {
    let mut frame: Vec<u8> = std::iter::from_fn(|| out.take()).flatten().collect();
    assert!(frame.ends_with(b"\r\n"), "{}", frame.escape_ascii());
    frame.truncate(frame.len() - 2);
    frame.into()
}

fn entry() -> MailboxEntry {
    let name = MailboxName::new("user.alice").unwrap();
    MailboxEntry::active(name, Location::new("be1!default").unwrap(), Acl::new("alice\tlrs\t").unwrap())
}

/// Bytes of a client to a master with one mailbox. The first byte chooses the pieces.
pub fn server(data: &[u8]) {
    tell_twice(data, |_, input, piece| {
        let mut config = server::Config::new("master.example").unwrap();
        config.plaintext_login = PlaintextLogin::DangerAllow;
        let mut server = server::Connection::new(config, Instant::now());
        server.greet().unwrap();
        feed(&mut server, input, piece, |server, event, story| {
            story.say(&event);
            serve(server, event);
        })
    });
}

fn serve(server: &mut server::Connection, event: server::Event) {
    use server::Event;
    let done = Text::constant("done");
    match event {
        Event::Authenticate { ticket, initial, .. } => {
            let initial = initial.as_ref().map(|i| i.expose().as_slice());
            match ServerExchange::new(Mechanism::Plain).start(initial) {
                Ok(Step::Challenge(challenge)) => server.challenge(ticket, challenge).unwrap(),
                Ok(Step::Done(who)) if who.password.expose() == b"secret" => server.auth_ok(ticket).unwrap(),
                _ => server.auth_failed(ticket, AuthFailure::Credentials).unwrap(),
            }
        }
        Event::AuthResponse(ticket, message) => {
            match ServerExchange::new(Mechanism::Plain).respond(message.expose()) {
                Ok(Step::Done(who)) if who.password.expose() == b"secret" => server.auth_ok(ticket).unwrap(),
                _ => server.auth_failed(ticket, AuthFailure::Credentials).unwrap(),
            }
        }
        Event::Change(ticket, _) | Event::Noop(ticket) => server.reply(ticket, Status::Ok, &done).unwrap(),
        Event::Find(ticket, _) | Event::List(ticket, _) | Event::Update(ticket, _) => {
            server.entry(&entry()).unwrap();
            server.reply(ticket, Status::Ok, &done).unwrap();
        }
        _ => {}
    }
}

/// Bytes of a master to a client that logs in and asks for the list and its changes. The first byte chooses the pieces,
/// and whether entries are taken as views.
pub fn client(data: &[u8]) {
    tell_twice(data, client_story);
    // As views or as events: the same entries.
    if let Some((&how, input)) = data.split_first() {
        assert_eq!(client_story(how & !16, input, usize::MAX), client_story(how | 16, input, usize::MAX));
    }
}

fn client_story(how: u8, input: &[u8], piece: usize) -> Story {
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), Instant::now());
    let as_views = how & 16 != 0;
    feed(&mut client, input, piece, |client, event, story| {
        match &event {
            Event::Entry { command, entry } => story.say(&(command, entry)),
            event => story.say(event),
        }
        match event {
            Event::Greeting(_) => {
                let who = Credentials {
                    authzid: None,
                    authcid: Authcid::new(b"be1").unwrap(),
                    password: Secret::new(b"secret".to_vec()),
                };
                client.login_plain(&who, TlsActive::danger_assume_protected()).ok();
            }
            Event::Authenticated => {
                client.send(&Command::Update(Vec::new())).ok();
            }
            _ => {}
        }
        while as_views && let Some((command, entry)) = client.poll_entry() {
            story.say(&(&command, &entry.to_entry()));
        }
        assert!(client.transmit_bytes() < 10_000);
    })
}
