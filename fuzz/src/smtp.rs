//! SMTP and LMTP: grammar, and the machine of both.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{Outbox, PlaintextLogin, TlsMode};
use smtp_proto::client::{self, Envelope};
use smtp_proto::server::{self, AuthFailure};
use smtp_proto::{Address, Command, Dialect, Domain, MailParams, Reply, ReplyRef, ReversePath, Smtp};

use crate::story::{Story, feed, tell_twice};

/// A line that can be read, and written again, is read as the same; a reply can be read without end.
pub fn round_trip(data: &[u8]) {
    if let Ok(read) = Command::parse(data) {
        let mut out = Outbox::new();
        read.encode(&mut out);
        let mut line = drained(out);
        assert!(line.ends_with(b"\r\n"), "{}", line.escape_ascii());
        line.truncate(line.len() - 2);
        let again = Command::parse(&line);
        assert_eq!(again.as_ref(), Ok(&read), "{}", line.escape_ascii());
    }
    let mut rest = data;
    while let Ok(Some((reply, used))) = ReplyRef::parse(rest) {
        assert!(used > 0 && reply.lines().count() > 0);
        rest = &rest[used..];
    }
}

fn drained(mut out: Outbox) -> Vec<u8> {
    std::iter::from_fn(|| out.take()).flatten().collect()
}

/// Bytes of a client to an SMTP server. The first byte chooses the pieces.
pub fn server(data: &[u8]) {
    tell_twice(data, |_, input, piece| {
        server_story::<Smtp>(input, piece, |server, ticket| server.reply(ticket, &Reply::ok()).unwrap())
    });
}

/// The same to an LMTP server.
pub fn lmtp_server(data: &[u8]) {
    tell_twice(data, |_, input, piece| {
        server_story::<lmtp_proto::Lmtp>(input, piece, |server, deliveries| {
            server.reply_message(deliveries.all(&Reply::ok())).unwrap();
        })
    });
}

/// Bytes of a server to an SMTP client with a message for two. The first byte chooses the pieces, and whether it logs
/// in first.
pub fn client(data: &[u8]) {
    tell_twice(data, client_story::<Smtp>);
}

/// The same to an LMTP client.
pub fn lmtp_client(data: &[u8]) {
    tell_twice(data, client_story::<lmtp_proto::Lmtp>);
}

fn server_story<D: Dialect>(
    input: &[u8],
    piece: usize,
    end: impl Fn(&mut server::Machine<D>, D::BodyEnd),
) -> Story {
    let mut config = server::Config::new(Domain::new("mx.example").unwrap());
    config.plaintext_login = PlaintextLogin::DangerAllow;
    let mut server = server::Machine::<D>::new(config, Instant::now());
    server.greet().unwrap();
    let mut exchange: Option<ServerExchange> = None;
    feed(&mut server, input, piece, |server, event, story| {
        use server::Event;
        match &event {
            Event::Chunk(bytes) => story.chunk(bytes),
            event => story.say(event),
        }
        let step = match event {
            Event::Mail(ticket, ..) => return server.reply(ticket, &Reply::sender_ok()).unwrap(),
            Event::Rcpt(ticket, to, _) if to.local_part() == "eve" => {
                return server.reply(ticket, &Reply::no_such_mailbox()).unwrap();
            }
            Event::Rcpt(ticket, ..) => return server.reply(ticket, &Reply::recipient_ok()).unwrap(),
            Event::Data(ticket) => return server.accept_data(ticket).unwrap(),
            Event::BodyEnd(duty) => return end(server, duty),
            Event::Verify(ticket, _) | Event::Expand(ticket, _) | Event::Etrn(ticket, _) => {
                return server.reply(ticket, &Reply::ok()).unwrap();
            }
            Event::Authenticate { ticket, mechanism, initial } => {
                let mechanism = Mechanism::by_name(mechanism.as_str().as_bytes()).unwrap();
                let begun = exchange.insert(ServerExchange::new(mechanism));
                (ticket, begun.start(initial.as_ref().map(|i| i.expose().as_slice())))
            }
            Event::AuthResponse(ticket, response) => {
                (ticket, exchange.as_mut().unwrap().respond(response.expose()))
            }
            _ => return,
        };
        match step {
            (ticket, Ok(Step::Challenge(challenge))) => server.challenge(ticket, challenge).unwrap(),
            (ticket, Ok(Step::Done(who))) if who.password.expose() == b"secret" => {
                server.auth_ok(ticket).unwrap();
            }
            (ticket, _) => server.auth_failed(ticket, AuthFailure::Credentials).unwrap(),
        }
    })
}

fn client_story<D: Dialect>(how: u8, input: &[u8], piece: usize) -> Story {
    let mut config = client::Config::new(Domain::new("client.example").unwrap());
    config.tls = TlsMode::Never;
    let mut client = client::Machine::<D>::new(config, Instant::now());
    let mut sent = how & 16 == 0;
    feed(&mut client, input, piece, |client, event, story| {
        use client::Event;
        story.say(&event);
        match event {
            Event::Ready(_) | Event::TransactionEnd if client.is_idle() => {
                if std::mem::replace(&mut sent, true) {
                    client.quit().ok();
                    return;
                }
                let envelope = Envelope {
                    reverse_path: ReversePath::from("alice@client.example".parse::<Address>().unwrap()),
                    params: MailParams::default(),
                    recipients: vec!["bob@example".parse().unwrap(), "eve@example".parse().unwrap()],
                };
                client.send(envelope).ok();
            }
            Event::BodyWanted => {
                client.body_chunk(&Bytes::from_static(b"Subject: x\r\n\r\n.\r\nend")).unwrap();
                client.body_end().unwrap();
            }
            _ => {}
        }
    })
}
