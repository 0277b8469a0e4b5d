//! IMAP: grammar and connections.

use std::time::Instant;

use bytes::Bytes;
use imap_proto::server::{AuthFailure, Greeting};
use imap_proto::{Command, Encode, Encoder, Limits, Literals, Parser, Response, Status, client, server};
use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{Keep, PlaintextLogin, Ticket, TlsMode};

use crate::story::{Story, feed, tell_twice};

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
    tell_twice(data, |how, input, piece| {
        if how & 16 == 0 { client_story(how, input, piece) } else { server_story(how, input, piece) }
    });
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

fn client_story(how: u8, input: &[u8], piece: usize) -> Story {
    let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
    let mut client = client::Connection::new(config, Instant::now());
    // A greeting that comes with capabilities spares the client its question.
    let greeting: &[u8] =
        if how & 32 == 0 { b"" } else { b"* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ IDLE] hi\r\n" };
    let (mut asked, mut tagged) = (false, 0);
    feed(&mut client, &[greeting, input].concat(), piece, |client, event, story| {
        match &event {
            client::Event::Piece(client::Piece::Chunk(_, bytes)) => story.chunk(bytes),
            event => story.say(event),
        }
        match event {
            client::Event::Ready if !asked => {
                asked = true;
                ask(client, how);
            }
            client::Event::Tagged(..) => tagged += 1,
            client::Event::SendLiteral { bytes, .. } => {
                let body = Bytes::from(vec![b'x'; usize::try_from(bytes).unwrap()]);
                client.literal_chunk(body).unwrap();
            }
            _ => {}
        }
        assert!(tagged <= 2, "two commands were sent");
    })
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
    let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
    let mut server = server::Connection::new(config, Instant::now());
    let greeting =
        if how & 32 == 0 { Greeting::Ok("ready".into()) } else { Greeting::Preauth("ready".into()) };
    server.greet(greeting).unwrap();
    let mut owner = Owner { keep: if how & 64 == 0 { Keep::Stream } else { Keep::Collect }, exchange: None };
    let story = feed(&mut server, input, piece, |server, event, story| {
        match &event {
            server::Event::Chunk(_, bytes) => story.chunk(bytes),
            event => story.say(event),
        }
        owner.answer(server, event);
    });
    assert!(story.sent.ends_with(b"\r\n"), "whole lines are sent: {}", story.sent.escape_ascii());
    story
}

/// Decides as a server with one account and no mail would.
struct Owner {
    keep: Keep,
    exchange: Option<ServerExchange>,
}

impl Owner {
    fn answer(&mut self, server: &mut server::Connection, event: server::Event) {
        use server::Event;
        match event {
            Event::Command(ticket, command) => {
                match command.view().command {
                    Command::Idle => return server.idle_begin(ticket).unwrap(),
                    Command::Select(_) | Command::Examine(_) => {
                        server.set_selected().unwrap();
                        server.untagged(&Response::Exists(3)).unwrap();
                    }
                    Command::Close | Command::Unselect => server.set_unselected().unwrap(),
                    _ => {}
                }
                done(server, ticket);
            }
            Event::Login(ticket, who) => verdict(server, ticket, who.password.expose() == b"secret"),
            Event::Authenticate { ticket, mechanism, initial } => {
                let mechanism = Mechanism::by_name(mechanism.as_str().as_bytes()).unwrap();
                let mut exchange = ServerExchange::new(mechanism);
                let result = exchange.start(initial.as_ref().map(|i| i.expose().as_slice()));
                self.exchange = Some(exchange);
                step(server, ticket, result);
            }
            Event::AuthResponse(ticket, response) => {
                let result = self.exchange.as_mut().unwrap().respond(response.expose());
                step(server, ticket, result);
            }
            Event::Offer(offer) if offer.bytes() > 100 => {
                server.refuse(offer, &Status::no("Too large")).unwrap();
            }
            Event::Offer(offer) => server.accept(offer, self.keep).unwrap(),
            Event::IdleDone(ticket) => done(server, ticket),
            Event::Misuse(e) => panic!("{e:?}"),
            _ => {}
        }
    }
}

fn done(server: &mut server::Connection, ticket: Ticket) {
    server.reply(ticket, &Status::ok("Done")).unwrap();
}

fn step(server: &mut server::Connection, ticket: Ticket, step: Result<Step, mail_wire::InvalidMessage>) {
    match step {
        Ok(Step::Challenge(challenge)) => server.challenge(ticket, challenge).unwrap(),
        Ok(Step::Done(who)) => verdict(server, ticket, who.password.expose() == b"secret"),
        Err(_) => verdict(server, ticket, false),
    }
}

fn verdict(server: &mut server::Connection, ticket: Ticket, right: bool) {
    if right {
        server.auth_ok(ticket, "Logged in".into()).unwrap();
    } else {
        server.auth_failed(ticket, AuthFailure::Credentials).unwrap();
    }
}
