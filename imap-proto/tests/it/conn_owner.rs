//! A small owner of a server connection, for tests: it decides as a server with one account and no mail would, and
//! keeps a record of what it saw.

use std::time::Instant;

use bytes::Bytes;
use imap_proto::server::{AuthFailure, Config, Connection, Event, Greeting, StartTls};
use imap_proto::{Command, Response, Status};
use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{Connection as _, Error, Keep, PlaintextLogin, Ticket};

/// Messages above this are refused, as by a quota.
pub(crate) const MESSAGE_BYTES_MAX: u64 = 100;

pub(crate) struct Owner {
    pub(crate) server: Connection,
    pub(crate) seen: Vec<String>,
    pub(crate) keep: Keep,
    exchange: Option<ServerExchange>,
}

/// A server that takes passwords in the clear, as on the loopback interface.
pub(crate) fn plaintext() -> Config {
    Config { plaintext_login: PlaintextLogin::DangerAllow, ..Config::default() }
}

/// A server that offers STARTTLS and takes no password without.
pub(crate) fn tls() -> Config {
    Config { start_tls: StartTls::Offer, ..Config::default() }
}

impl Owner {
    pub(crate) fn new(config: Config) -> Self {
        Self::of(config, Greeting::Ok("ready".into()))
    }

    /// One whose client is known and logged in from the start.
    pub(crate) fn preauth() -> Self {
        Self::of(plaintext(), Greeting::Preauth("hello".into()))
    }

    pub(crate) fn of(config: Config, greeting: Greeting<'_>) -> Self {
        let mut server = Connection::new(config, Instant::now());
        server.greet(greeting).unwrap();
        Self { server, seen: Vec::new(), keep: Keep::Stream, exchange: None }
    }

    /// Polls and answers until nothing is left.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        while let Some(event) = self.server.poll_event()? {
            self.answer(event);
        }
        Ok(())
    }

    /// Gives bytes of a client and answers what they ask.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.server.receive(bytes, Instant::now());
        self.drain()
    }

    /// All that was sent since the last call.
    pub(crate) fn sent(&mut self) -> String {
        let mut sent = Vec::new();
        while let Some(bytes) = self.server.poll_transmit() {
            sent.extend_from_slice(&bytes);
        }
        String::from_utf8(sent).unwrap()
    }

    fn answer(&mut self, event: Event) {
        match event {
            Event::Command(ticket, command) => {
                self.see(&format!("{:?}", command.view().command));
                match command.view().command {
                    Command::Idle => self.server.idle_begin(ticket).unwrap(),
                    Command::Select(_) | Command::Examine(_) => {
                        self.server.set_selected().unwrap();
                        self.server.untagged(&Response::Exists(3)).unwrap();
                        self.done(ticket);
                    }
                    Command::Close | Command::Unselect => {
                        self.server.set_unselected().unwrap();
                        self.done(ticket);
                    }
                    _ => self.done(ticket),
                }
            }
            Event::Login(ticket, who) => {
                self.see(&format!("login {}", who.authcid.as_str()));
                self.verdict(ticket, who.password.expose() == b"secret");
            }
            Event::Authenticate { ticket, mechanism, initial } => {
                let mut exchange =
                    ServerExchange::new(Mechanism::by_name(mechanism.as_str().as_bytes()).unwrap());
                let step = exchange.start(initial.as_ref().map(|i| i.expose().as_slice()));
                self.exchange = Some(exchange);
                self.step(ticket, step);
            }
            Event::AuthResponse(ticket, response) => {
                let step = self.exchange.as_mut().unwrap().respond(response.expose());
                self.step(ticket, step);
            }
            Event::Offer(offer) => {
                self.see(&format!("offer of {} bytes", offer.bytes()));
                assert!(matches!(offer.so_far(), Command::Append(_)));
                if offer.bytes() > MESSAGE_BYTES_MAX {
                    self.server.refuse(offer, &Status::no("Too large for this test")).unwrap();
                } else {
                    self.server.accept(offer, self.keep).unwrap();
                }
            }
            Event::Chunk(_, bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                match self.seen.last_mut() {
                    Some(last) if last.starts_with("body ") => last.push_str(&text),
                    _ => self.see(&format!("body {text}")),
                }
            }
            Event::LiteralEnd(_) => self.see("end of literal"),
            Event::Abandoned => self.see("abandoned"),
            Event::IdleDone(ticket) => {
                self.see("idle done");
                self.done(ticket);
            }
            Event::IdleBroken => self.see("idle broken"),
            Event::AuthAborted => self.see("auth aborted"),
            Event::StartTls => self.see("start tls"),
            Event::Compress => self.see("compress"),
            Event::Unauthenticated => self.see("unauthenticated"),
            Event::Closed => self.see("closed"),
            _ => panic!("an event without an answer"),
        }
    }

    fn see(&mut self, what: &str) {
        self.seen.push(what.to_owned());
    }

    fn done(&mut self, ticket: Ticket) {
        self.server.reply(ticket, &Status::ok("Done")).unwrap();
    }

    fn step(&mut self, ticket: Ticket, step: Result<Step, mail_wire::InvalidMessage>) {
        match step {
            Ok(Step::Challenge(challenge)) => self.server.challenge(ticket, challenge).unwrap(),
            Ok(Step::Done(who)) => {
                self.see(&format!(
                    "sasl {} for {:?}",
                    who.authcid.as_str(),
                    who.authzid.as_ref().map(mail_wire::sasl::Authzid::as_str)
                ));
                self.verdict(ticket, who.password.expose() == b"secret");
            }
            Err(_) => self.verdict(ticket, false),
        }
    }

    fn verdict(&mut self, ticket: Ticket, right: bool) {
        if right {
            self.server.auth_ok(ticket, "Logged in".into()).unwrap();
        } else {
            self.server.auth_failed(ticket, AuthFailure::Credentials).unwrap();
        }
    }
}

/// Bytes for a test that needs many.
pub(crate) fn many(byte: u8, count: usize) -> Bytes {
    Bytes::from(vec![byte; count])
}
