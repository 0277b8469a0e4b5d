//! IMAP: grammar and connections.

use std::time::Instant;

use bytes::Bytes;
use imap_proto::server::{AuthFailure, Greeting};
use imap_proto::{Command, Encode, Encoder, Limits, Literals, Parser, Response, Status, client, server};
use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{Connection, Keep, PlaintextLogin, Ticket, TlsMode};

/// A frame of a client, read under both sets of limits and shown whole.
pub fn command(data: &[u8]) {
    for limits in [Limits::before_login(), Limits::default()] {
        let mut parser = Parser::with_limits(limits);
        if let Ok(tagged) = parser.command(data) {
            assert!(!format!("{tagged:?}").is_empty());
        }
        check_memory(&parser, data);
    }
}

/// A frame of a server, read and shown whole.
pub fn response(data: &[u8]) {
    let mut parser = Parser::new();
    if let Ok(response) = parser.response(data) {
        assert!(!format!("{response:?}").is_empty());
    }
    check_memory(&parser, data);
}

fn check_memory(parser: &Parser, frame: &[u8]) {
    let held = parser.heap_bytes();
    assert!(held <= 6 * frame.len() + 1_024, "{held} bytes for a frame of {}", frame.len());
}

/// A frame that can be read, and written again, is read as the same.
pub fn round_trip(data: &[u8]) {
    if let Ok(read) = Parser::new().command(data)
        && let Some(frame) = written(&read, Literals::NonSync)
    {
        let mut parser = Parser::new();
        let again = parser.command(&frame).unwrap_or_else(|e| panic!("{e}: {}", frame.escape_ascii()));
        assert_eq!(again, read, "{}", frame.escape_ascii());
    }
    if let Ok(read) = Parser::new().response(data)
        && let Some(frame) = written(&read, Literals::Server)
    {
        let mut parser = Parser::new();
        let again = parser.response(&frame).unwrap_or_else(|e| panic!("{e}: {}", frame.escape_ascii()));
        assert!(again == read || has_text_like_a_code(&read), "{}", frame.escape_ascii());
    }
}

/// Text that begins like a response code, which is written behind one more space.
fn has_text_like_a_code(response: &Response<'_>) -> bool {
    let text = match response {
        Response::Status(status) | Response::Tagged { status, .. } => status.text,
        Response::Continue(text) => *text,
        _ => return false,
    };
    text.as_bytes().starts_with(b"[")
}

/// The frame of a value; `None` if it holds what cannot be expressed: unknown and malformed things.
fn written(value: &impl Encode, literals: Literals) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    value.encode(&mut Encoder::new(&mut wire, literals)).ok()?;
    assert!(wire.ends_with(b"\r\n"), "{}", wire.escape_ascii());
    wire.truncate(wire.len() - 2);
    Some(wire)
}

/// What both sides say and send does not depend on where the input was cut. The first byte chooses the side and the
/// size of the pieces; the rest is input.
pub fn split(data: &[u8]) {
    let Some((&how, input)) = data.split_first() else { return };
    let piece = usize::from(how >> 1 & 15) + 1;
    if how & 1 == 0 {
        assert_eq!(client_story(how, input, piece), client_story(how, input, usize::MAX));
    } else {
        assert_eq!(server_story(how, input, piece), server_story(how, input, usize::MAX));
    }
}

/// Bytes of a server to a client that has asked this and that. The first byte chooses what, and the pieces.
pub fn client(data: &[u8]) {
    let Some((&how, input)) = data.split_first() else { return };
    client_story(how, input, usize::from(how & 15) + 1);
}

/// Bytes of a client to a server. The first byte chooses whether somebody is logged in, what becomes of literals, and
/// the pieces.
pub fn server(data: &[u8]) {
    let Some((&how, input)) = data.split_first() else { return };
    server_story(how, input, usize::from(how & 15) + 1);
}

/// All that a side said and sent.
type Story = (Vec<String>, Vec<u8>);

fn client_story(how: u8, input: &[u8], piece: usize) -> Story {
    let now = Instant::now();
    let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
    let mut client = client::Connection::new(config, now);
    let (mut said, mut sent) = (Vec::new(), Vec::new());
    if how & 32 != 0 {
        client.receive(b"* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ IDLE] hi\r\n", now);
    }
    let mut asked = false;
    let mut tagged = 0;
    // False when the connection has ended.
    let mut drain = |client: &mut client::Connection| {
        loop {
            match client.poll_event() {
                Ok(None) => return true,
                Ok(Some(event)) => {
                    match &event {
                        client::Event::Ready if !asked => {
                            asked = true;
                            ask(client, how);
                        }
                        client::Event::Tagged(..) => tagged += 1,
                        client::Event::SendLiteral { bytes, .. } => {
                            let body = Bytes::from(vec![b'x'; usize::try_from(*bytes).unwrap()]);
                            client.literal_chunk(body).unwrap();
                        }
                        _ => {}
                    }
                    match &event {
                        client::Event::Piece(client::Piece::Chunk(_, bytes)) => tell_chunk(&mut said, bytes),
                        event => said.push(format!("{event:?}")),
                    }
                }
                Err(e) => {
                    said.push(format!("{e:?}"));
                    assert!(client.is_closing(), "an error ends the connection");
                    return false;
                }
            }
            assert!(tagged <= 2, "two commands were sent");
        }
    };
    let mut alive = drain(&mut client);
    for bytes in input.chunks(piece.min(input.len().max(1))) {
        if alive {
            client.receive(bytes, now);
            alive = drain(&mut client);
        }
    }
    if alive {
        client.receive_eof();
        drain(&mut client);
    }
    while let Some(bytes) = client.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    (said, sent)
}

/// Two commands, so that replies can come in order and out of it.
fn ask(client: &mut client::Connection, how: u8) {
    let commands = [Command::Noop, Command::Namespace, Command::Expunge, Command::Close];
    client.command(&commands[usize::from(how >> 6)]).ok();
    if how & 64 != 0 {
        client.idle().ok();
    } else {
        client.command(&Command::Capability).ok();
    }
}

fn server_story(how: u8, input: &[u8], piece: usize) -> Story {
    let now = Instant::now();
    let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
    let mut owner = Owner {
        server: server::Connection::new(config, now),
        said: Vec::new(),
        keep: if how & 64 == 0 { Keep::Stream } else { Keep::Collect },
        exchange: None,
    };
    let greeting =
        if how & 32 == 0 { Greeting::Ok("ready".into()) } else { Greeting::Preauth("ready".into()) };
    owner.server.greet(greeting).unwrap();
    let mut alive = owner.drain();
    for bytes in input.chunks(piece.min(input.len().max(1))) {
        if !alive {
            break;
        }
        owner.server.receive(bytes, now);
        alive = owner.drain();
    }
    if alive {
        owner.server.receive_eof();
        owner.drain();
    }
    let mut sent = Vec::new();
    while let Some(bytes) = owner.server.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    assert!(sent.ends_with(b"\r\n"), "whole lines are sent: {}", sent.escape_ascii());
    (owner.said, sent)
}

/// Chunks of a literal come as the input was cut: they are told as one.
fn tell_chunk(said: &mut Vec<String>, bytes: &[u8]) {
    const CHUNK: &str = "chunk ";
    match said.last_mut() {
        Some(last) if last.starts_with(CHUNK) => last.push_str(&bytes.escape_ascii().to_string()),
        _ => said.push(format!("{CHUNK}{}", bytes.escape_ascii())),
    }
}

/// Decides as a server with one account and no mail would.
struct Owner {
    server: server::Connection,
    said: Vec<String>,
    keep: Keep,
    exchange: Option<ServerExchange>,
}

impl Owner {
    /// Answers until nothing is left; false when the connection has ended.
    fn drain(&mut self) -> bool {
        loop {
            match self.server.poll_event() {
                Ok(None) => return true,
                Ok(Some(event)) => {
                    match &event {
                        server::Event::Chunk(_, bytes) => tell_chunk(&mut self.said, bytes),
                        event => self.said.push(format!("{event:?}")),
                    }
                    self.answer(event);
                }
                Err(e) => {
                    self.said.push(format!("{e:?}"));
                    assert!(self.server.is_closing(), "an error ends the connection");
                    return false;
                }
            }
        }
    }

    fn answer(&mut self, event: server::Event) {
        use server::Event;
        match event {
            Event::Command(ticket, command) => {
                match command.view().command {
                    Command::Idle => return self.server.idle_begin(ticket).unwrap(),
                    Command::Select(_) | Command::Examine(_) => {
                        self.server.set_selected().unwrap();
                        self.server.untagged(&Response::Exists(3)).unwrap();
                    }
                    Command::Close | Command::Unselect => self.server.set_unselected().unwrap(),
                    _ => {}
                }
                self.done(ticket);
            }
            Event::Login(ticket, who) => self.verdict(ticket, who.password.expose() == b"secret"),
            Event::Authenticate { ticket, mechanism, initial } => {
                let mechanism = Mechanism::by_name(mechanism.as_str().as_bytes()).unwrap();
                let mut exchange = ServerExchange::new(mechanism);
                let step = exchange.start(initial.as_ref().map(|i| i.expose().as_slice()));
                self.exchange = Some(exchange);
                self.step(ticket, step);
            }
            Event::AuthResponse(ticket, response) => {
                let step = self.exchange.as_mut().unwrap().respond(response.expose());
                self.step(ticket, step);
            }
            Event::Offer(offer) if offer.bytes() > 100 => {
                self.server.refuse(offer, &Status::no("Too large")).unwrap();
            }
            Event::Offer(offer) => self.server.accept(offer, self.keep).unwrap(),
            Event::IdleDone(ticket) => self.done(ticket),
            Event::Misuse(e) => panic!("{e:?}"),
            _ => {}
        }
    }

    fn done(&mut self, ticket: Ticket) {
        self.server.reply(ticket, &Status::ok("Done")).unwrap();
    }

    fn step(&mut self, ticket: Ticket, step: Result<Step, mail_wire::InvalidMessage>) {
        match step {
            Ok(Step::Challenge(challenge)) => self.server.challenge(ticket, challenge).unwrap(),
            Ok(Step::Done(who)) => self.verdict(ticket, who.password.expose() == b"secret"),
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
