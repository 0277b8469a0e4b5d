//! An owner for a server connection, and shorthands for both sides.

use std::time::Instant;

use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{Connection as _, Error, PlaintextLogin};
use smtp_proto::server::{self, AuthFailure, Connection, Event};
use smtp_proto::{Code, Domain, Limits, Reply, client};

pub(crate) fn domain(name: &str) -> Domain {
    Domain::new(name).expect("a domain")
}

pub(crate) fn server_config() -> server::Config {
    let limits = Limits { message_bytes_max: 1_000, ..Limits::default() };
    server::Config { limits, ..server::Config::new(domain("foo.com")) }
}

/// With AUTH PLAIN and LOGIN in the clear.
pub(crate) fn auth_config() -> server::Config {
    let mechanisms = vec![Mechanism::Plain.into(), Mechanism::Login.into()];
    server::Config { mechanisms, plaintext_login: PlaintextLogin::DangerAllow, ..server_config() }
}

pub(crate) fn client_config() -> client::Config {
    client::Config { tls: client::TlsMode::Never, ..client::Config::new(domain("bar.com")) }
}

/// What the owner has seen.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) hellos: usize,
    pub(crate) messages: Vec<Message>,
    pub(crate) resets: usize,
    pub(crate) start_tls: usize,
    pub(crate) logins: usize,
    pub(crate) closed: bool,
    pub(crate) client: String,
    pub(crate) forwarded: String,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// An owner: mailboxes `green` and `nobody` do not exist, `later` is busy, `defer` refuses DATA; alice's password is
/// `secret`. Messages whose body says `full` find no room.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) conn: Connection,
    pub(crate) seen: Seen,
    pub(crate) output: Vec<u8>,
    pub(crate) error: Option<Error>,
    current: Message,
    refuse_data: bool,
    exchange: Option<ServerExchange>,
}

impl Site {
    pub(crate) fn new(config: server::Config) -> Self {
        let conn = Connection::new(config, Instant::now());
        Self {
            conn,
            seen: Seen::default(),
            output: Vec::new(),
            error: None,
            current: Message::default(),
            refuse_data: false,
            exchange: None,
        }
    }

    pub(crate) fn greeted(config: server::Config) -> Self {
        let mut site = Self::new(config);
        site.conn.greet().expect("first greeting");
        site.drain();
        site
    }

    /// Greeted, and past EHLO; the output is forgotten.
    pub(crate) fn ready(config: server::Config) -> Self {
        let mut site = Self::greeted(config);
        site.feed(b"EHLO bar.com\r\n");
        site.take_output();
        site
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.conn.receive(bytes, Instant::now());
        self.drain();
    }

    /// Feeds and gives the reply.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> String {
        self.feed(bytes);
        self.take_output()
    }

    pub(crate) fn take_output(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.output)).expect("ASCII")
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.conn.poll_event() {
                Ok(Some(event)) => self.on_event(event),
                Ok(None) => break,
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        self.collect();
    }

    /// Takes the output without polling events.
    pub(crate) fn collect(&mut self) {
        while let Some(bytes) = self.conn.poll_transmit() {
            self.output.extend_from_slice(&bytes);
        }
    }

    fn on_event(&mut self, event: Event) {
        let conn = &mut self.conn;
        match event {
            Event::Hello(_) => self.seen.hellos += 1,
            Event::StartTls => self.seen.start_tls += 1,
            Event::Authenticate { ticket, mechanism, initial } => {
                let mechanism = Mechanism::by_name(mechanism.as_str().as_bytes()).expect("offered");
                let mut exchange = ServerExchange::new(mechanism);
                let step = exchange.start(initial.as_ref().map(|i| i.expose().as_slice()));
                self.exchange = Some(exchange);
                self.on_step(ticket, step);
            }
            Event::AuthResponse(ticket, message) => {
                let step = self.exchange.as_mut().expect("under way").respond(message.expose());
                self.on_step(ticket, step);
            }
            Event::Mail(ticket, path, _) => {
                self.current = Message { from: path.to_string(), ..Message::default() };
                self.refuse_data = false;
                conn.reply(ticket, &Reply::sender_ok()).expect("fits");
            }
            Event::Rcpt(ticket, path, _) => {
                let reply = match path.local_part().to_ascii_lowercase().as_str() {
                    "green" | "nobody" => Reply::no_such_mailbox(),
                    "later" => Reply::new(Code::MAILBOX_BUSY, "Busy").with_status(2, 1),
                    name => {
                        self.refuse_data |= name == "defer";
                        self.current.to.push(path.to_string());
                        Reply::recipient_ok()
                    }
                };
                conn.reply(ticket, &reply).expect("fits");
            }
            Event::Data(ticket) if self.refuse_data => {
                conn.reply(ticket, &Reply::local_error()).expect("fits");
            }
            Event::Data(ticket) => conn.accept_data(ticket).expect("fits"),
            Event::Burl(ticket, url) if url.ends_with("missing") => {
                conn.reply(ticket, &Reply::new(Code::FAILED, "No").with_status(6, 6)).expect("fits");
            }
            Event::Burl(ticket, url) => {
                self.current.body.extend_from_slice(format!("<{url}>").as_bytes());
                conn.accept_data(ticket).expect("fits");
            }
            Event::XClient(attributes) => self.seen.client = attributes.to_string(),
            Event::XForward(attributes) => self.seen.forwarded = attributes.to_string(),
            Event::Verify(ticket, name) | Event::Expand(ticket, name) | Event::Etrn(ticket, name) => {
                let known = name.starts_with("alice");
                let reply = if known { Reply::ok() } else { Reply::no_such_mailbox() };
                conn.reply(ticket, &reply).expect("fits");
            }
            Event::Chunk(bytes) => self.current.body.extend_from_slice(&bytes),
            Event::BodyEnd(ticket) => {
                let message = std::mem::take(&mut self.current);
                let full = message.body.starts_with(b"full");
                let reply = if full { Reply::storage_full() } else { Reply::ok() };
                if !full {
                    self.seen.messages.push(message);
                }
                conn.reply(ticket, &reply).expect("fits");
            }
            Event::Reset => self.seen.resets += 1,
            Event::Closed => self.seen.closed = true,
            other => panic!("{other:?}"),
        }
    }

    fn on_step(&mut self, ticket: smtp_proto::Ticket, step: Result<Step, mail_wire::InvalidMessage>) {
        match step {
            Ok(Step::Challenge(message)) => self.conn.challenge(ticket, message).expect("fits"),
            Ok(Step::Done(who)) if who.authcid.as_str() == "alice" && who.password.expose() == b"secret" => {
                self.seen.logins += 1;
                self.conn.auth_ok(ticket).expect("fits");
            }
            _ => self.conn.auth_failed(ticket, AuthFailure::Credentials).expect("fits"),
        }
    }
}
