//! The owner of a server that keeps its list in memory.

use std::collections::BTreeMap;
use std::time::Instant;

use mail_wire::sasl::{Authcid, Credentials, Mechanism, ServerExchange, Step};
pub(crate) use mail_wire::testing::{Said, client_bytes, output, server_bytes, transcript};
use mail_wire::{Connection as _, Error, PlaintextLogin, Secret, Text};
use mupdate_proto::server::{self, AuthFailure, Event};
use mupdate_proto::{Change, EntryState, MailboxEntry, MailboxName, ServerName, Status};

pub(crate) fn credentials() -> Credentials {
    Credentials {
        authcid: Authcid::new(b"be1").unwrap(),
        authzid: None,
        password: Secret::new(b"secret".to_vec()),
    }
}

pub(crate) fn config() -> server::Config {
    let mut config = server::Config::new("master.example").unwrap();
    config.plaintext_login = PlaintextLogin::DangerAllow;
    config
}

pub(crate) fn server(config: server::Config) -> server::Connection {
    let mut server = server::Connection::new(config, Instant::now());
    server.greet().unwrap();
    server
}

pub(crate) const LOGIN: &[u8] = b"A AUTHENTICATE \"PLAIN\" \"AGJlMQBzZWNyZXQ=\"\r\n";

/// A server behind the login.
pub(crate) fn logged_in(config: server::Config) -> server::Connection {
    let mut server = server(config);
    server.receive(LOGIN, Instant::now());
    Master::default().serve(&mut server).unwrap();
    output(&mut server);
    server
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A master's list and its rules, in their simplest form.
#[derive(Debug, Default)]
pub(crate) struct Master {
    pub(crate) list: BTreeMap<MailboxName, MailboxEntry>,
    /// What the stream of the one slave must still hear.
    deletions: Vec<MailboxName>,
    streamed: Vec<ServerName>,
}

impl Master {
    /// Answers every event that waits.
    pub(crate) fn serve(&mut self, server: &mut server::Connection) -> Result<(), Error> {
        while let Some(event) = server.poll_event()? {
            self.answer(server, event)?;
        }
        Ok(())
    }

    fn answer(&mut self, server: &mut server::Connection, event: Event) -> Result<(), Error> {
        let done = Text::constant("done");
        match event {
            Event::Authenticate { ticket, mechanism, initial } => {
                assert_eq!(mechanism, Mechanism::Plain.into());
                let mut exchange = ServerExchange::new(Mechanism::Plain);
                match exchange.start(initial.as_ref().map(|i| i.expose().as_slice())) {
                    Ok(Step::Challenge(challenge)) => server.challenge(ticket, challenge),
                    Ok(Step::Done(who)) if who == credentials() => server.auth_ok(ticket),
                    _ => server.auth_failed(ticket, AuthFailure::Credentials),
                }
            }
            Event::AuthResponse(ticket, message) => {
                match ServerExchange::new(Mechanism::Plain).respond(message.expose()) {
                    Ok(Step::Done(who)) if who == credentials() => server.auth_ok(ticket),
                    _ => server.auth_failed(ticket, AuthFailure::Credentials),
                }
            }
            Event::Change(ticket, change) => {
                let refused = self.change(change);
                match refused {
                    None => server.reply(ticket, Status::Ok, &done),
                    Some(why) => server.reply(ticket, Status::No, &Text::constant(why)),
                }
            }
            Event::Find(ticket, name) => {
                if let Some(entry) = self.list.get(&name) {
                    server.entry(entry)?;
                }
                server.reply(ticket, Status::Ok, &Text::constant("Search completed"))
            }
            Event::List(ticket, prefix) => {
                for entry in self.list.values() {
                    if prefix.as_ref().is_none_or(|prefix| prefix.matches(&entry.location)) {
                        server.entry(entry)?;
                    }
                }
                server.reply(ticket, Status::Ok, &Text::constant("list complete"))
            }
            Event::Update(ticket, servers) => {
                for entry in self.list.values() {
                    if servers.is_empty() || servers.iter().any(|s| s.holds(&entry.location)) {
                        self.deletions.push(entry.name.clone());
                        server.entry(entry)?;
                    }
                }
                self.streamed = servers;
                server.reply(ticket, Status::Ok, &Text::constant("streaming starts"))
            }
            Event::Noop(ticket) => {
                for name in self.deletions.drain(..) {
                    server.deleted(&name)?;
                }
                server.reply(ticket, Status::Ok, &Text::constant("Noop done"))
            }
            Event::AuthAborted | Event::StartTls | Event::Misuse(_) => Ok(()),
            other => panic!("unknown event {other:?}"),
        }
    }

    fn change(&mut self, change: Change) -> Option<&'static str> {
        match change {
            Change::Reserve { name, location } => {
                if self.list.get(&name).is_some_and(|entry| entry.location != location) {
                    return Some("mailbox already exists");
                }
                self.list.insert(name.clone(), MailboxEntry::reserved(name, location));
            }
            Change::Activate { name, location, acl } => {
                self.list.insert(name.clone(), MailboxEntry::active(name, location, acl));
            }
            Change::Deactivate { name, location } => match self.list.get_mut(&name) {
                Some(entry) if entry.acl().is_some() => {
                    (entry.location, entry.state) = (location, EntryState::Reserved);
                }
                _ => return Some("mailbox not currently active"),
            },
            Change::Delete { name } => {
                if self.list.remove(&name).is_none() {
                    return Some("no such mailbox");
                }
            }
        }
        None
    }
}
