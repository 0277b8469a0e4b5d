//! Known ways to break a mail server or client, each tried on both connections.

use std::time::Instant;

use imap_proto::server::{Event, Greeting};
use imap_proto::{
    Address, Command, Encode, Encoder, FetchItem, IString, Literals, Parser, Response, Status, Tag,
    TaggedCommand, client, server,
};
use mail_wire::{Connection as _, Keep, PeerMisbehaved, TlsMode};

use crate::conn_bounds::{hostile_commands, hostile_responses};
use crate::conn_client::{loopback, ready, receive, sent};
use crate::conn_owner::{Owner, plaintext, tls};
use crate::support::{encoded_frame, shown};

#[test]
fn t2_no_command_waits_behind_starttls() {
    let now = Instant::now();
    let mut server = Owner::new(tls()).server;
    while server.poll_transmit().is_some() {}
    // What came before is answered first, however late.
    server.receive(b"a NOOP\r\nb STARTTLS\r\n", now);
    let Ok(Some(Event::Command(ticket, _))) = server.poll_event() else { panic!() };
    assert!(matches!(server.poll_event(), Ok(None)));
    server.reply(ticket, &Status::ok("done")).unwrap();
    assert!(matches!(server.poll_event(), Ok(Some(Event::StartTls))));
    let sent: Vec<u8> = std::iter::from_fn(|| server.poll_transmit()).flatten().collect();
    assert_eq!(sent, b"a OK done\r\nb OK Begin TLS negotiation now\r\n");
    // What came behind it is none.
    let mut server = Owner::new(tls()).server;
    server.receive(b"b STARTTLS\r\nc LOGIN alice secret\r\n", now);
    assert_eq!(server.poll_event().err(), Some(PeerMisbehaved::BytesBeforeTls.into()));
    assert!(server.poll_event().is_err());
}

#[test]
fn x1_a_server_sends_nobody_elsewhere_of_its_own_accord() {
    let mut owner = Owner::new(plaintext());
    let input = "a LOGIN bob wrong\r\nb AUTHENTICATE PLAIN AGEAYg==\r\nc SELECT x\r\nd LOGIN alice secret\r\n\
                 e SELECT x\r\nf FROB\r\ng LOGOUT\r\n";
    owner.receive(input.as_bytes()).unwrap();
    let sent = owner.sent();
    assert!(sent.contains("d OK") && sent.contains("g OK"), "{sent}");
    assert!(!sent.to_ascii_uppercase().contains("REFERRAL"), "{sent}");
}

#[test]
fn x1_no_referral_moves_a_client_or_its_password() {
    for reply in [
        "A1 OK [REFERRAL imap://alice@evil.example/] in\r\n",
        "A1 NO [REFERRAL imap://alice;AUTH=PLAIN@evil.example/] not here\r\n",
        "* BYE [REFERRAL imap://evil.example/] not here\r\n",
    ] {
        let mut client =
            crate::conn_client::greeted(loopback(), b"* OK [CAPABILITY IMAP4rev1 LOGIN-REFERRALS] hi\r\n");
        client.login("alice", &crate::conn_client::secret(), crate::conn_client::proof()).unwrap();
        assert_eq!(sent(&mut client), "A1 LOGIN alice secret\r\n");
        receive(&mut client, reply.as_bytes());
        assert_eq!(sent(&mut client), "", "{reply}");
    }
}

#[test]
fn p10_every_poll_of_a_server_consumes_input_or_ends() {
    let now = Instant::now();
    for input in hostile_commands() {
        let mut server = server::Connection::new(plaintext(), now);
        server.greet(Greeting::Preauth("hi".into())).unwrap();
        let mut polls = 0;
        for piece in input.as_bytes().chunks(4_096) {
            if server.is_closing() {
                break;
            }
            server.receive(piece, now);
            loop {
                polls += 1;
                match server.poll_event() {
                    Ok(Some(Event::Command(ticket, _))) => server.reply(ticket, &Status::ok("done")).unwrap(),
                    Ok(Some(Event::Offer(offer))) => drop(server.accept(offer, Keep::Stream)),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
        assert!(polls <= input.len() + 2, "{polls} polls for {} bytes", input.len());
    }
}

#[test]
fn p10_every_poll_of_a_client_consumes_input_or_ends() {
    let now = Instant::now();
    for input in hostile_responses() {
        let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
        let mut client = client::Connection::new(config, now);
        client.receive(b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", now);
        let mut polls = 0;
        for piece in input.as_bytes().chunks(4_096) {
            client.receive(piece, now);
            loop {
                polls += 1;
                if !matches!(client.poll_event(), Ok(Some(_))) {
                    break;
                }
            }
        }
        assert!(polls <= input.len() + 4, "{polls} polls for {} bytes", input.len());
    }
}

#[test]
fn p11_numbers_at_the_edges_of_their_types_are_read_and_beyond_refused() {
    let mut parser = Parser::new();
    for (good, bad) in [
        ("a FETCH 4294967295 UID", "a FETCH 4294967296 UID"),
        ("a FETCH 1:4294967295 UID", "a FETCH 1:4294967296 UID"),
        ("a FETCH 1 BODY[]<0.4294967295>", "a FETCH 1 BODY[]<0.4294967296>"),
        ("a FETCH 1 BODY[]<4294967295.1>", "a FETCH 1 BODY[]<4294967296.1>"),
        ("a FETCH 1 BODY[4294967295]", "a FETCH 1 BODY[4294967296]"),
        ("a SEARCH LARGER 4294967295", "a SEARCH LARGER 99999999999999999999"),
        ("a SEARCH UID 4294967295", "a SEARCH UID 4294967296"),
        ("a SETQUOTA x (STORAGE 9223372036854775807)", "a SETQUOTA x (STORAGE 99999999999999999999)"),
    ] {
        assert!(parser.command(good.as_bytes()).is_ok(), "{good}");
        assert!(parser.command(bad.as_bytes()).is_err(), "{bad}");
    }
    for (good, bad) in [
        ("* 4294967295 EXISTS", "* 4294967296 EXISTS"),
        ("* SEARCH 4294967295", "* SEARCH 4294967296"),
        ("* 1 FETCH (UID 4294967295)", "* 1 FETCH (UID 4294967296)"),
        ("* 1 FETCH (RFC822.SIZE 18446744073709551615)", "* 1 FETCH (RFC822.SIZE 18446744073709551616)"),
        ("* OK [UIDNEXT 4294967295] x", "* OK [UIDNEXT 4294967296] x"),
        ("* OK [COPYUID 1 1:3 4294967293:4294967295] x", "* OK [COPYUID 1 1:3 4294967293:4294967296] x"),
        ("* STATUS x (MESSAGES 4294967295)", "* STATUS x (MESSAGES 99999999999999999999)"),
    ] {
        let is_invalid = |parser: &mut Parser, line: &str| {
            format!("{:?}", parser.response(line.as_bytes()).unwrap()).contains("Invalid")
        };
        assert!(!is_invalid(&mut parser, good), "{good}");
        assert!(is_invalid(&mut parser, bad), "{bad}");
    }
    // Literals of impossible sizes end a session; nothing wraps around.
    for size in ["18446744073709551616", "99999999999999999999", "18446744073709551615+"] {
        let mut owner = Owner::new(plaintext());
        let end = owner.receive(format!("a LOGIN {{{size}}}\r\n").as_bytes());
        assert!(end.is_err(), "{size}");
    }
}

#[test]
fn p13_odd_but_legal_commands_are_read_and_written_again() {
    let mut parser = Parser::new();
    for line in [
        "a LOGIN \"\" \"\"",
        "a LIST \"\" \"\"",
        "a ID NIL",
        "a ID (\"\" NIL)",
        "a STORE 1 FLAGS ()",
        "a SEARCH SUBJECT \"\"",
        "a SEARCH HEADER \"\" \"\"",
        "a SEARCH (((ALL)))",
        "a FETCH *:* BODY[]<0.1>",
        "a FETCH 1 BODY[1.1.1.1.1.1.MIME]",
        "a SETACL x anyone \"\"",
        "a SETQUOTA \"\" ()",
        "a APPEND inbox {0+}\r\n",
        "1 NOOP",
        "[x] NOOP",
    ] {
        let read = parser.command(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
        let again = encoded_frame(&read, Literals::NonSync);
        assert_eq!(Parser::new().command(&again).unwrap(), read, "{line}: {}", shown(&again));
    }
}

#[test]
fn p13_odd_but_legal_responses_are_read_and_written_again() {
    let mut parser = Parser::new();
    let groups = "((NIL NIL \"team\" NIL)(NIL NIL NIL NIL)(\"\" \"\" \"\" \"\")(NIL \"@a\" \"b\" \"c\"))";
    for line in [
        "* LIST () NIL \"\"",
        "* FLAGS ()",
        "* SEARCH",
        "* 1 FETCH ()",
        "* 1 FETCH (BODY[] NIL)",
        "* 1 FETCH (BODY[]<0> {0}\r\n)",
        "* 0 EXISTS",
        "* NAMESPACE NIL NIL NIL",
        "* ID NIL",
        "* ACL x",
        "* QUOTA \"\" ()",
        "* QUOTAROOT x",
        "* 1 FETCH (BODY (\"\" \"\" NIL \"\" \"\" \"\" 0))",
        "* OK ",
        "a NO ",
        "+ ",
        &format!("* 1 FETCH (ENVELOPE (\"\" \"\" {groups} NIL NIL NIL NIL NIL \"\" \"\"))"),
    ] {
        let read = parser.response(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(!format!("{read:?}").contains("Invalid"), "{line}: {read:?}");
        let again = encoded_frame(&read, Literals::Server);
        assert_eq!(Parser::new().response(&again).unwrap(), read, "{line}: {}", shown(&again));
    }
    let line = format!("* 1 FETCH (ENVELOPE (NIL NIL {groups} NIL NIL NIL NIL NIL NIL NIL))");
    let Ok(Response::Fetch { items, .. }) = parser.response(line.as_bytes()) else { panic!() };
    let Some(FetchItem::Envelope(envelope)) = items.iter().next() else { panic!() };
    let from: Vec<Address<'_>> = envelope.value().unwrap().from.iter().collect();
    assert_eq!(from.len(), 4);
    assert_eq!(from[1], Address::default());
}

#[test]
fn e2_no_string_is_taken_for_the_announcement_of_a_literal() {
    for text in ["x {5}", "{5+}", "a\" {3}", "a\\\" {3+}", "~{1}", "{0}\r\nb NOOP", "x\r\n", "\" {9"] {
        for literals in [Literals::Sync, Literals::NonSync, Literals::NonSyncSmall] {
            let command = TaggedCommand {
                tag: Tag::new("a").unwrap(),
                command: Command::GetQuota(IString::new(text).unwrap()),
            };
            let mut wire = Vec::new();
            command.encode(&mut Encoder::new(&mut wire, literals)).unwrap();
            wire.extend_from_slice(b"b NOOP\r\n");
            let mut owner = Owner::preauth();
            owner.sent();
            owner.receive(&wire).unwrap();
            let sent = owner.sent().replace("+ Ready for literal data\r\n", "");
            assert_eq!(sent, "a OK Done\r\nb OK Done\r\n", "{text:?}");
            assert!(owner.seen[0].starts_with("GetQuota"), "{:?}", owner.seen);
        }
    }
}

#[test]
fn p1_no_client_reserves_what_a_server_announces() {
    let mut client = ready("");
    let ((), most) = crate::heap::peak(|| {
        let end = receive(&mut client, b"* 1 FETCH (BODY[] {4294967295}\r\n").1;
        assert_eq!(end, None);
    });
    assert!(most < 16 << 10, "{most}");
}
