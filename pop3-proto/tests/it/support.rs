//! The owner of a server that keeps a maildrop in memory.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{Authcid, Credentials, Mechanism, ServerExchange, Step};
pub(crate) use mail_wire::testing::{Said, client_bytes, output, server_bytes, transcript};
use mail_wire::{Connection as _, Error, PlaintextLogin, Secret, Text, Ticket};
use pop3_proto::apop::Digest;
use pop3_proto::server::{self, AuthFailure, Event};
use pop3_proto::{
    Capability, DropListing, MaildropCommand, MessageNumber, Reply, ScanListing, Scope, UniqueId,
    UniqueIdListing,
};

pub(crate) fn credentials() -> Credentials {
    Credentials {
        authcid: Authcid::new(b"mrose").unwrap(),
        authzid: None,
        password: Secret::new(b"secret".to_vec()),
    }
}

pub(crate) fn config() -> server::Config {
    server::Config {
        mechanisms: vec![Mechanism::Plain.into(), Mechanism::Login.into()],
        plaintext_login: PlaintextLogin::DangerAllow,
        capabilities: vec![Capability::Expire { days: None, scope: Scope::Server }],
        ..server::Config::default()
    }
}

pub(crate) fn server(config: server::Config) -> server::Connection {
    let mut server = server::Connection::new(config, Instant::now());
    server.greet(&Text::constant("POP3 server ready")).unwrap();
    server
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

pub(crate) fn message(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

pub(crate) const APOP_TIMESTAMP: &str = "<1896.697170952@dbc.mtview.ca.us>";
pub(crate) const APOP_DIGEST: &[u8] = b"c4c9334bac560ecc979e58001b3e22fb";

/// A message of a maildrop.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: UniqueId,
    pub(crate) octets: u64,
    pub(crate) text: Bytes,
    pub(crate) deleted: bool,
}

/// A maildrop in memory, and the exchange of a login under way.
#[derive(Debug)]
pub(crate) struct Maildrop {
    pub(crate) messages: Vec<Message>,
    exchange: Option<ServerExchange>,
}

impl Default for Maildrop {
    /// The maildrop of RFC 1939's examples.
    fn default() -> Self {
        let message = |id: &'static str, octets, text: &'static str| Message {
            id: UniqueId::new(id).unwrap(),
            octets,
            text: text.into(),
            deleted: false,
        };
        Self {
            messages: vec![
                message("whqtswO00WBw418f9t5JxYwZ", 120, "Subject: one\r\n\r\n.\r\n..leading dots\r\n"),
                message("QhdPYR:00WBw1Ph7x7", 200, "Subject: two\r\n\r\nno line end"),
            ],
            exchange: None,
        }
    }
}

impl Maildrop {
    /// Answers every event that waits.
    pub(crate) fn serve(&mut self, server: &mut server::Connection) -> Result<(), Error> {
        while let Some(event) = server.poll_event()? {
            match event {
                Event::Login(ticket, who) => self.judge(server, ticket, &who)?,
                Event::Authenticate { ticket, mechanism, initial } => {
                    let mechanism = Mechanism::by_name(mechanism.as_str().as_bytes()).unwrap();
                    let mut exchange = ServerExchange::new(mechanism);
                    let step = exchange.start(initial.as_ref().map(|i| i.expose().as_slice()));
                    self.exchange = Some(exchange);
                    self.step(server, ticket, step)?;
                }
                Event::AuthResponse(ticket, response) => {
                    let step = self.exchange.as_mut().unwrap().respond(response.expose());
                    self.step(server, ticket, step)?;
                }
                Event::Maildrop(ticket, command) => self.answer(server, ticket, command)?,
                Event::Quit(ticket) => {
                    self.messages.retain(|message| !message.deleted);
                    let text = Text::lossy(&format!("{} messages left", self.messages.len()));
                    server.reply(ticket, &Reply::ok(text))?;
                }
                Event::AuthAborted => self.exchange = None,
                Event::Apop { ticket, name, digest } => {
                    // Of RFC 1939's example: its timestamp and the secret `tanstaaf`.
                    if name.as_str() == "mrose" && digest == Digest::parse(APOP_DIGEST).unwrap() {
                        server.auth_ok(ticket, &self.summary())?;
                    } else {
                        server.auth_failed(ticket, AuthFailure::Credentials)?;
                    }
                }
                Event::StartTls | Event::Misuse(_) | Event::Language(_) => {}
                other => panic!("unknown event {other:?}"),
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        server: &mut server::Connection,
        ticket: Ticket,
        step: Result<Step, mail_wire::InvalidMessage>,
    ) -> Result<(), Error> {
        match step {
            Ok(Step::Challenge(challenge)) => server.challenge(ticket, challenge),
            Ok(Step::Done(who)) => self.judge(server, ticket, &who),
            Err(_) => server.auth_failed(ticket, AuthFailure::Credentials),
        }
    }

    fn judge(&self, server: &mut server::Connection, ticket: Ticket, who: &Credentials) -> Result<(), Error> {
        if *who == credentials() {
            server.auth_ok(ticket, &self.summary())
        } else {
            server.auth_failed(ticket, AuthFailure::Credentials)
        }
    }

    fn summary(&self) -> Text {
        Text::lossy(&format!("maildrop has {} messages", self.present().count()))
    }

    fn present(&self) -> impl Iterator<Item = (MessageNumber, &Message)> {
        let numbered = (1..).map(message).zip(&self.messages);
        numbered.filter(|(_, message)| !message.deleted)
    }

    fn find(&self, number: MessageNumber) -> Option<&Message> {
        self.present().find(|(n, _)| *n == number).map(|(_, message)| message)
    }

    fn answer(
        &mut self,
        server: &mut server::Connection,
        ticket: Ticket,
        command: MaildropCommand,
    ) -> Result<(), Error> {
        let listing = |message, octets| ScanListing { message, octets };
        let ids = |message, id: &UniqueId| UniqueIdListing { message, id: id.clone() };
        let all = Text::lossy(&format!("{} messages", self.present().count()));
        let none = Reply::err(Text::constant("no such message"));
        let reply = match command {
            MaildropCommand::Stat => Reply::drop_listing(DropListing {
                messages: u32::try_from(self.present().count()).unwrap(),
                octets: self.present().map(|(_, message)| message.octets).sum(),
            }),
            MaildropCommand::List(None) => {
                let reply = server.begin(ticket, &all)?;
                for (number, message) in self.present() {
                    server.scan_listing(&reply, listing(number, message.octets))?;
                }
                return server.end(reply);
            }
            MaildropCommand::Uidl(None) => {
                let reply = server.begin(ticket, &all)?;
                for (number, message) in self.present() {
                    server.unique_id_listing(&reply, &ids(number, &message.id))?;
                }
                return server.end(reply);
            }
            MaildropCommand::List(Some(n)) => {
                self.find(n).map_or(none, |message| Reply::scan_listing(listing(n, message.octets)))
            }
            MaildropCommand::Uidl(Some(n)) => {
                self.find(n).map_or(none, |message| Reply::unique_id_listing(&ids(n, &message.id)))
            }
            MaildropCommand::Retr(n) | MaildropCommand::Top(n, _) => match self.find(n) {
                None => none,
                Some(message) => {
                    let (text, body) = match command {
                        MaildropCommand::Top(..) => {
                            ("top of message follows".into(), message.text.slice(..16))
                        }
                        _ => (format!("{} octets", message.octets), message.text.clone()),
                    };
                    let reply = server.begin(ticket, &Text::lossy(&text))?;
                    // In two pieces, to see that the cut does not matter.
                    let (head, tail) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
                    server.body(&reply, &head)?;
                    server.body(&reply, &tail)?;
                    return server.end(reply);
                }
            },
            MaildropCommand::Dele(n) => {
                let index = usize::try_from(n.as_u32() - 1).unwrap();
                match self.messages.get_mut(index).filter(|message| !message.deleted) {
                    None => none,
                    Some(message) => {
                        message.deleted = true;
                        Reply::ok(Text::constant("message deleted"))
                    }
                }
            }
            MaildropCommand::Rset => {
                for message in &mut self.messages {
                    message.deleted = false;
                }
                Reply::ok(self.summary())
            }
            MaildropCommand::Noop => Reply::ok(Text::constant("")),
        };
        server.reply(ticket, &reply)
    }
}
