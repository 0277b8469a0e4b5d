//! Client and server joined in memory; and a proxy between two of each.

use std::time::Instant;

use bytes::Bytes;
use imap_proto::client::{self, CommandId};
use imap_proto::{Append, Command, Data, FetchItem, List, MailboxName, NewContent, NewMessage, Response};
use mail_wire::testing::pump;
use mail_wire::{Connection as _, Error, LiteralId, Secret, TlsActive, TlsMode};

use crate::conn_owner::{Owner, plaintext, tls};

/// Calls `send` with `* 1 FETCH (UID 7 BODY[] ...)` whose body is streamed.
pub(crate) fn with_streamed_body<T>(id: LiteralId, bytes: u64, send: impl FnOnce(&Response<'_>) -> T) -> T {
    let body = FetchItem::Section {
        section: imap_proto::Section::MESSAGE,
        origin: None,
        data: Data::Streamed { id, bytes },
    };
    let items = [FetchItem::Uid(7), body];
    send(&Response::Fetch { message: 1, items: List::of(&items) })
}

/// Begins an APPEND of a streamed message of this size to `x`.
pub(crate) fn append(client: &mut client::Connection, bytes: u64) -> Result<CommandId, Error> {
    let messages = [NewMessage::new(NewContent::Plain(Data::Streamed { id: LiteralId(0), bytes }))];
    let append = Append { mailbox: MailboxName::new("x").unwrap(), messages: List::of(&messages) };
    client.command(&Command::Append(append))
}

/// A client and a server with its owner.
struct Pair {
    client: client::Connection,
    owner: Owner,
    piece_bytes: usize,
    /// What the client's owner saw.
    seen: Vec<String>,
    /// A message to give when its turn comes.
    message: Bytes,
}

impl Pair {
    fn new(owner: Owner, tls: TlsMode, piece_bytes: usize) -> Self {
        let config = client::Config { tls, ..client::Config::default() };
        let client = client::Connection::new(config, Instant::now());
        let mut pair = Self { client, owner, piece_bytes, seen: Vec::new(), message: Bytes::new() };
        pair.run();
        pair
    }

    /// Moves and answers until both sides are silent.
    fn run(&mut self) {
        let now = Instant::now();
        loop {
            let moved = pump(&mut self.client, &mut self.owner.server, self.piece_bytes, now);
            self.owner.drain().unwrap();
            let mut polled = false;
            while let Some(event) = self.client.poll_event().unwrap() {
                polled = true;
                match event {
                    client::Event::SendLiteral { .. } => {
                        self.client.literal_chunk(self.message.clone()).unwrap();
                    }
                    client::Event::StartTls => {
                        self.client.tls_started(now);
                        self.owner.server.tls_started(now);
                    }
                    client::Event::Tagged(id, reply) => {
                        let Response::Tagged { status, .. } = reply.view() else { panic!() };
                        self.seen.push(format!("{id} {:?}", status.condition));
                    }
                    client::Event::Untagged(response) => self.seen.push(format!("{:?}", response.view())),
                    client::Event::Ready => self.seen.push("ready".into()),
                    client::Event::Idling(_) => self.seen.push("idling".into()),
                    client::Event::Closed => self.seen.push("closed".into()),
                    _ => {}
                }
            }
            if moved == 0 && !polled {
                return;
            }
        }
    }

    fn take_seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    fn log_in(&mut self) {
        let proof = self.client.tls().unwrap_or_else(TlsActive::danger_assume_protected);
        self.client.login("alice", &Secret::new(b"secret".to_vec()), proof).unwrap();
        self.run();
    }
}

#[test]
fn a_whole_session_over_starttls() {
    for piece_bytes in [1, usize::MAX] {
        let mut pair = Pair::new(Owner::new(tls()), TlsMode::Required, piece_bytes);
        assert!(pair.client.tls().is_some());
        assert_eq!(pair.take_seen().last().map(String::as_str), Some("ready"));
        pair.log_in();
        pair.client.command(&Command::Select(MailboxName::INBOX.into())).unwrap();
        pair.client.command(&Command::Noop).unwrap();
        pair.run();
        pair.client.idle().unwrap();
        pair.run();
        pair.owner.server.untagged(&Response::Exists(4)).unwrap();
        pair.run();
        pair.client.idle_done().unwrap();
        pair.run();
        pair.client.logout().unwrap();
        pair.run();
        let seen = pair.take_seen();
        let seen: Vec<&str> =
            seen.iter().map(String::as_str).filter(|s| !s.starts_with("Capability")).collect();
        let exists = |n| format!("{:?}", Response::Exists(n));
        assert_eq!(
            seen,
            ["A3 Ok", &exists(3), "A4 Ok", "A5 Ok", "idling", &exists(4), "A6 Ok", "A7 Ok", "closed"]
        );
        assert_eq!(pair.owner.seen.last().map(String::as_str), Some("closed"));
        assert_eq!(pair.owner.seen.first().map(String::as_str), Some("start tls"));
    }
}

#[test]
fn messages_arrive_whichever_way_their_literal_is_sent() {
    for piece_bytes in [1, usize::MAX] {
        // Our server offers LITERAL+; a client that was not told waits for the continuation.
        for forgetful in [false, true] {
            let mut pair = Pair::new(Owner::new(plaintext()), TlsMode::Never, piece_bytes);
            pair.log_in();
            if forgetful {
                pair.client.tls_started(Instant::now());
                assert_eq!(pair.client.capabilities(), None);
            }
            pair.message = Bytes::from_static(b"Subject: x\r\n\r\n. {5}\r\n");
            let bytes = pair.message.len() as u64;
            append(&mut pair.client, bytes).unwrap();
            append(&mut pair.client, bytes).unwrap();
            pair.run();
            assert_eq!(pair.take_seen(), ["ready", "A1 Ok", "A2 Ok", "A3 Ok"]);
            let bodies = pair.owner.seen.iter().filter(|s| *s == "body Subject: x\r\n\r\n. {5}\r\n").count();
            assert_eq!(bodies, 2);

            // Refused: with LITERAL+ the bytes go by, without they are not sent.
            pair.message = crate::conn_owner::many(b'm', 101);
            append(&mut pair.client, 101).unwrap();
            pair.client.command(&Command::Noop).unwrap();
            pair.run();
            assert_eq!(pair.take_seen(), ["A4 No", "A5 Ok"]);
        }
    }
}

#[test]
fn strings_that_need_a_literal_arrive() {
    for forgetful in [false, true] {
        let mut pair = Pair::new(Owner::new(plaintext()), TlsMode::Never, 1);
        if forgetful {
            pair.client.tls_started(Instant::now());
        }
        let proof = TlsActive::danger_assume_protected();
        pair.client.login("al\r\nice {3}", &Secret::new(b"secret".to_vec()), proof).unwrap();
        pair.run();
        assert_eq!(pair.take_seen(), ["ready", "A1 Ok"]);
        assert_eq!(pair.owner.seen[0], "login al\r\nice {3}");
    }
}

#[test]
fn a_proxy_passes_on_bodies_as_they_were_read() {
    let now = Instant::now();
    let body = crate::conn_owner::many(b'b', 200_000);
    // Behind: a server with a mailbox selected, asked by the proxy's client.
    let mut behind = Owner::preauth();
    behind.receive(b"s SELECT x\r\n").unwrap();
    behind.sent();
    let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
    let mut inner = client::Connection::new(config, now);
    inner.receive(b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", now);
    while inner.poll_event().unwrap().is_some() {}
    // In front: the proxy's server, asked by a user.
    let mut front = Owner::preauth();
    front.receive(b"s SELECT x\r\n").unwrap();
    front.sent();
    let mut front = front.server;
    front.receive(b"u7 UID FETCH 7 BODY[]\r\n", now);
    let Ok(Some(imap_proto::server::Event::Command(ticket, command))) = front.poll_event() else { panic!() };
    inner.command(&command.view().command).unwrap();
    let asked = inner.poll_transmit().unwrap();
    assert_eq!(asked, &b"A1 UID FETCH 7 BODY[]\r\n"[..]);

    behind.server.receive(&asked, now);
    let Ok(Some(imap_proto::server::Event::Command(asked, _))) = behind.server.poll_event() else { panic!() };
    behind.server.untagged(&Response::Exists(9)).unwrap();
    with_streamed_body(LiteralId(1), body.len() as u64, |r| behind.server.untagged(r)).unwrap();
    for chunk in [body.slice(..70_000), body.slice(70_000..)] {
        behind.server.literal_chunk(chunk).unwrap();
    }
    behind.server.reply(asked, &imap_proto::Status::ok("Fetched")).unwrap();

    let mut ticket = Some(ticket);
    let mut shared = 0;
    while let Some(bytes) = behind.server.poll_transmit() {
        inner.receive(&bytes, now);
        while let Some(event) = inner.poll_event().unwrap() {
            match event {
                client::Event::Untagged(response) => front.forward(&response).unwrap(),
                client::Event::Piece(piece) => {
                    if let client::Piece::Chunk(_, bytes) = &piece {
                        shared += bytes.len();
                    }
                    front.forward_piece(piece).unwrap();
                }
                client::Event::Streamed(response) => assert!(front.forward(&response).is_err()),
                client::Event::Tagged(_, reply) => {
                    front.reply_forward(ticket.take().unwrap(), &reply).unwrap()
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(shared, body.len());
    let mut seen = Vec::new();
    while let Some(bytes) = front.poll_transmit() {
        seen.extend_from_slice(&bytes);
    }
    let expected =
        [b"* 9 EXISTS\r\n* 1 FETCH (UID 7 BODY[] {200000}\r\n", &body[..], b")\r\nu7 OK Fetched\r\n"]
            .concat();
    assert!(seen == expected);
}

#[test]
fn a_reply_is_passed_on_under_the_tag_of_the_one_who_asked() {
    let now = Instant::now();
    for (reply, expected) in [
        ("A1 OK [APPENDUID 38505 3955] done", Some("u1 OK [APPENDUID 38505 3955] done\r\n")),
        ("A1 NO [X-ODD (1 2)] no", Some("u1 NO [X-ODD (1 2)] no\r\n")),
        // A code that cannot be read is left out; the text still tells a human.
        ("A1 NO [APPENDUID x] no", Some("u1 NO no\r\n")),
        ("* OK not the end", None),
        ("+ go on", None),
    ] {
        let mut front = Owner::preauth().server;
        while front.poll_transmit().is_some() {}
        front.receive(b"u1 NOOP\r\n", now);
        let Ok(Some(imap_proto::server::Event::Command(ticket, _))) = front.poll_event() else { panic!() };
        let reply =
            imap_proto::Parser::new().parse_response(Bytes::from_static(reply.as_bytes()), &[]).unwrap();
        assert_eq!(front.reply_forward(ticket, &reply).is_ok(), expected.is_some(), "{reply:?}");
        if let Some(expected) = expected {
            assert_eq!(front.poll_transmit().as_deref(), Some(expected.as_bytes()));
            assert!(front.forward(&reply).is_err());
        }
    }
}

#[test]
fn pieces_out_of_order_are_refused() {
    let mut inner = client::Connection::new(
        client::Config { tls: TlsMode::Never, ..client::Config::default() },
        Instant::now(),
    );
    let body = "b".repeat(70_000);
    inner.receive(
        format!("* PREAUTH hi\r\n* 1 FETCH (BODY[] {{70000}}\r\n{body})\r\n").as_bytes(),
        Instant::now(),
    );
    let mut pieces = Vec::new();
    while let Some(event) = inner.poll_event().unwrap() {
        if let client::Event::Piece(piece) = event {
            pieces.push(piece);
        }
    }
    let mut front = Owner::preauth().server;
    // Every piece but the first fails at the start; after the head, neither its end nor its tail nor a second head.
    for piece in &pieces[1..] {
        assert!(front.forward_piece(piece.clone()).is_err());
    }
    front.forward_piece(pieces[0].clone()).unwrap();
    for at in [0, pieces.len() - 2, pieces.len() - 1] {
        assert!(front.forward_piece(pieces[at].clone()).is_err());
    }
    assert!(front.untagged(&Response::Exists(1)).is_err());
    for piece in &pieces[1..] {
        front.forward_piece(piece.clone()).unwrap();
    }
    front.untagged(&Response::Exists(1)).unwrap();
}

/// Carries an APPEND of `bytes` through a proxy whose user sends it in this form, and whose server refuses what is
/// above its limit. Returns what the user and the server behind saw.
fn proxied_append(announced: &str, message: &[u8], capabilities: &str) -> (String, Vec<String>) {
    use imap_proto::server::Event;
    use mail_wire::Keep;

    let now = Instant::now();
    let mut behind = Owner::preauth();
    behind.sent();
    let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
    let mut inner = client::Connection::new(config, now);
    inner.receive(format!("* PREAUTH [CAPABILITY IMAP4rev1{capabilities}] hi\r\n").as_bytes(), now);
    while inner.poll_event().unwrap().is_some() {}
    let mut user = Owner::preauth();
    user.sent();
    let mut front = user.server;

    front.receive(format!("u1 APPEND x (\\Seen) {announced}\r\n").as_bytes(), now);
    let Ok(Some(Event::Offer(offer))) = front.poll_event() else { panic!() };
    let append = inner.command(&offer.so_far()).unwrap();
    let (mut offer, mut ticket, mut answer) = (Some(offer), None, None);
    // A user who does not wait has sent the message already.
    let mut unsent = Some(message);
    if announced.contains('+') {
        front.receive(&[unsent.take().unwrap(), b"\r\n"].concat(), now);
    }
    let mut sent = Vec::new();
    loop {
        let mut moved = pump(&mut inner, &mut behind.server, usize::MAX, now) > 0;
        behind.drain().unwrap();
        while let Some(event) = inner.poll_event().unwrap() {
            moved = true;
            match event {
                client::Event::SendLiteral { command, .. } => {
                    assert_eq!(command, append);
                    front.accept(offer.take().unwrap(), Keep::Stream).unwrap();
                }
                client::Event::Tagged(_, reply) => answer = Some(reply),
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = front.poll_event().unwrap() {
            moved = true;
            match event {
                Event::Chunk(_, bytes) => inner.literal_chunk(bytes).unwrap(),
                Event::LiteralEnd(_) => {}
                Event::Command(due, _) => ticket = Some(due),
                other => panic!("{other:?}"),
            }
        }
        if let Some(reply) = &answer {
            if let Some(offer) = offer.take() {
                let Response::Tagged { status, .. } = reply.view() else { panic!() };
                front.refuse(offer, &status).unwrap();
                moved = true;
            } else if let Some(ticket) = ticket.take() {
                front.reply_forward(ticket, reply).unwrap();
                moved = true;
            }
        }
        while let Some(bytes) = front.poll_transmit() {
            if bytes.starts_with(b"+ ")
                && let Some(message) = unsent.take()
            {
                front.receive(&[message, b"\r\n"].concat(), now);
            }
            sent.extend_from_slice(&bytes);
            moved = true;
        }
        if !moved {
            return (String::from_utf8(sent).unwrap(), behind.seen);
        }
    }
}

#[test]
fn a_proxy_streams_an_append_whatever_forms_both_sides_use() {
    let seen_by_server = |seen: &[String], body: &str| {
        assert_eq!(seen[..3], ["offer of 5 bytes", &format!("body {body}"), "end of literal"]);
        assert!(seen[3].contains("Seen"), "{}", seen[3]);
    };
    for capabilities in ["", " LITERAL+"] {
        let (sent, seen) = proxied_append("{5}", b"hello", capabilities);
        assert_eq!(sent, "+ Ready for literal data\r\nu1 OK Done\r\n");
        seen_by_server(&seen, "hello");
        let (sent, seen) = proxied_append("{5+}", b"he\r\nl", capabilities);
        assert_eq!(sent, "u1 OK Done\r\n");
        seen_by_server(&seen, "he\r\nl");
    }
    // Refused behind, and so in front, before the user sends a byte, or while he does.
    let large = crate::conn_owner::many(b'm', 101);
    for announced in ["{101}", "{101+}"] {
        let (sent, seen) = proxied_append(announced, &large, "");
        assert_eq!((sent.as_str(), seen.len()), ("u1 NO Too large for this test\r\n", 1));
    }
    let (sent, _) = proxied_append("{101+}", &large, " LITERAL+");
    assert_eq!(sent, "u1 NO Too large for this test\r\n");
}
