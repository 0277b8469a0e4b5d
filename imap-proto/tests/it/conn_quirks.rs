//! What servers in use send against the grammar: refused where it is not allowed, read and counted where it is.

use std::time::Instant;

use imap_proto::{
    BodyPart, Code, Condition, FetchItem, Flag, Names, Parser, PartKind, Quirk, Quirks, Response, client,
    server,
};
use mail_wire::{Connection as _, Error, InvalidMessage, TlsMode};

use crate::conn_owner::{Owner, plaintext};
use crate::support::{self, shown};

/// The lines of `testdata/quirks.txt`, each with the quirks named in front of it.
fn corpus() -> Vec<(Vec<Quirk>, Vec<u8>)> {
    let text = std::fs::read_to_string(support::testdata().join("quirks.txt")).unwrap();
    let mut lines = Vec::new();
    let mut named = None;
    for line in text.lines().skip_while(|line| !line.is_empty()).filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let (names, _) = comment.split_once(':').unwrap();
            let quirk = |name: &str| Quirk::ALL.into_iter().find(|quirk| format!("{quirk:?}") == name);
            named = Some(names.split(", ").filter(|n| *n != "none").map(|n| quirk(n).unwrap()).collect());
        } else {
            lines.push((named.take().unwrap(), support::frame(&line[3..])));
        }
    }
    lines
}

/// The line for which `test` holds.
fn find(part: &str) -> Vec<u8> {
    let found = corpus().into_iter().find(|(_, frame)| shown(frame).contains(part));
    found.unwrap_or_else(|| panic!("no line with {part}")).1
}

/// Whether the parser found anything to refuse.
fn is_refused(parser: &mut Parser, frame: &[u8]) -> bool {
    match parser.response(frame) {
        Err(_) => true,
        // What is no code is text.
        Ok(Response::Status(status)) => status.code.is_none() && status.text.as_bytes().starts_with(b"["),
        Ok(response) => format!("{response:?}").contains("Invalid"),
    }
}

#[test]
fn every_line_is_refused_in_strict_manner_and_read_in_tolerant() {
    let lines = corpus();
    assert!(lines.len() >= 20, "{}", lines.len());
    for (quirks, frame) in lines {
        let shown = shown(&frame);
        let mut strict = Parser::new();
        strict.set_response_quirks(Quirks::STRICT);
        assert_eq!(is_refused(&mut strict, &frame), !quirks.is_empty(), "{shown}");
        assert_eq!(strict.quirk_counts().iter().count(), 0, "{shown}");

        let mut tolerant = Parser::new();
        assert!(!is_refused(&mut tolerant, &frame), "{shown}");
        let counted: Vec<_> = tolerant.quirk_counts().iter().collect();
        assert_eq!(counted, quirks.iter().map(|quirk| (*quirk, 1)).collect::<Vec<_>>(), "{shown}");

        // Each of them is needed, and no other.
        let needed = quirks.iter().fold(Quirks::STRICT, |set, quirk| set.with(*quirk));
        let mut exact = Parser::new();
        exact.set_response_quirks(needed);
        assert!(!is_refused(&mut exact, &frame), "{shown}");
        for quirk in quirks {
            exact.set_response_quirks(Quirks::TOLERANT.without(quirk));
            assert!(is_refused(&mut exact, &frame), "{shown} without {quirk:?}");
        }
    }
}

#[test]
fn every_quirk_has_its_line() {
    let lines = corpus();
    for quirk in Quirk::ALL {
        let elsewhere = matches!(quirk, Quirk::DangerBareLf | Quirk::CodeWithoutStatus);
        let here = lines.iter().any(|(quirks, _)| quirks.contains(&quirk));
        assert_ne!(here, elsewhere, "{quirk:?}");
    }
}

fn items<R>(part: &str, look: impl FnOnce(&[FetchItem<'_>]) -> R) -> R {
    let frame = find(part);
    let mut parser = Parser::new();
    let Ok(Response::Fetch { items, .. }) = parser.response(&frame) else { panic!("{part}") };
    look(&items.iter().collect::<Vec<_>>())
}

fn structure<R>(part: &str, look: impl FnOnce(BodyPart<'_>) -> R) -> R {
    items(part, |items| {
        let found = items.iter().find_map(|item| match item {
            FetchItem::Body(part) | FetchItem::BodyStructure(part) => part.value(),
            _ => None,
        });
        look(found.unwrap())
    })
}

fn single<R>(part: &str, look: impl FnOnce(imap_proto::SinglePart<'_>) -> R) -> R {
    structure(part, |structure| {
        let BodyPart::Single(single) = structure else { panic!("{part}") };
        look(single)
    })
}

fn multi<R>(part: &str, look: impl FnOnce(imap_proto::MultiPart<'_>) -> R) -> R {
    structure(part, |structure| {
        let BodyPart::Multi(multi) = structure else { panic!("{part}") };
        look(multi)
    })
}

#[test]
fn an_address_of_mail_ru_has_an_empty_name() {
    items("mail.example", |items| {
        let [FetchItem::Envelope(envelope)] = items else { panic!() };
        let from = envelope.value().unwrap().from.iter().next().unwrap();
        assert_eq!(from.name.unwrap(), "");
        assert_eq!(from.host.unwrap(), "mail.example");
    });
}

#[test]
fn a_parameter_of_mail_ru_without_value_is_empty() {
    multi("(\"boundary\" NIL)", |part| {
        assert_eq!(part.parts.iter().count(), 2);
        let boundary = part.extension.unwrap().parameters.iter().next().unwrap();
        assert_eq!(boundary.name, "boundary");
        assert_eq!(boundary.value, "");
    });
}

#[test]
fn a_part_of_icloud_without_encoding_has_none() {
    single("NIL NIL NIL 12 1", |part| {
        assert_eq!((part.encoding, part.octets, part.kind), (None, 12, PartKind::Text { lines: 1 }));
    });
}

#[test]
fn an_answer_of_icloud_without_the_message_is_an_answer_without_it() {
    items("(UID 7)", |items| assert_eq!(items, [FetchItem::Uid(7)]));
}

#[test]
fn codes_are_read_with_or_without_text_behind_them() {
    let frame = find("HIGHESTMODSEQ");
    let mut parser = Parser::new();
    let Ok(Response::Status(status)) = parser.response(&frame) else { panic!() };
    assert!(status.code.is_some());
    assert_eq!((status.condition, status.text.as_bytes()), (Condition::Ok, &b""[..]));

    let frame = find("SSL");
    let Ok(Response::Tagged { status, .. }) = parser.response(&frame) else { panic!() };
    let Some(Code::Unknown(code)) = status.code else { panic!() };
    assert_eq!(code.name(), b"Error=");
    assert!(code.arguments().starts_with(b"\"Micro") && code.arguments().ends_with(b"Service=Imap4"));
    assert_eq!(status.text.as_bytes(), b"AUTHENTICATE completed.");

    for (part, condition) in [("A2 OK", Condition::Ok), ("* BYE", Condition::Bye)] {
        let frame = find(part);
        let Ok(Response::Tagged { status, .. } | Response::Status(status)) = parser.response(&frame) else {
            panic!("{part}")
        };
        assert_eq!((status.condition, status.code, status.text.as_bytes()), (condition, None, &b""[..]));
    }
}

#[test]
fn a_keyword_may_have_a_bracket() {
    items("[Gmail]/Work]", |items| {
        let [FetchItem::Uid(5), FetchItem::Flags(flags)] = items else { panic!() };
        assert!(flags.iter().eq([Flag::Seen, Flag::new("[Gmail]/Work]").unwrap()]));
    });
}

#[test]
fn a_multipart_may_have_lost_its_parts() {
    multi("RELATED", |part| {
        let parts: Vec<_> = part.parts.iter().collect();
        let [BodyPart::Single(_), BodyPart::Multi(related)] = parts[..] else { panic!("{parts:?}") };
        assert_eq!(related.subtype, "RELATED");
        assert!(related.parts.is_empty());
        let disposition = related.extension.unwrap().common.disposition.unwrap();
        assert_eq!(disposition.name, "ATTACHMENT");
    });
    multi("Apple-Mail", |part| {
        assert!(part.parts.is_empty());
        assert_eq!(part.subtype, "alternative");
        assert_eq!(part.extension.unwrap().parameters.iter().next().unwrap().value, "Apple-Mail=_1");
    });
}

#[test]
fn a_disposition_may_be_a_string() {
    multi("S/MIME", |part| {
        let disposition = part.extension.unwrap().common.disposition.unwrap();
        assert_eq!(disposition.name, "S/MIME Encrypted Message");
        assert!(disposition.parameters.is_empty());
    });
}

#[test]
fn spaces_do_not_count() {
    let mut parser = Parser::new();
    let mut read = |part: &str| {
        let frame = find(part);
        format!("{:?}", parser.response(&frame).unwrap())
    };
    let sound = |frame: &str| format!("{:?}", Parser::new().response(frame.as_bytes()).unwrap());
    for (part, frame) in [
        (
            "$Forwarded )",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Draft \\Seen $Forwarded)] Limited",
        ),
        ("19436 )", "* 9 FETCH (UID 19436)"),
        ("IDLE ", "* CAPABILITY IMAP4rev1 IDLE"),
        ("STATUS", "* STATUS INBOX (MESSAGES 3)"),
        ("SEARCH", "* SEARCH 2 84 882"),
        ("QUOTA", "* QUOTA \"\" (STORAGE 10 512)"),
        ("* FLAGS", "* FLAGS (\\Seen \\Deleted)"),
        (
            "* 17",
            "* 17 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1)(\"text\" \"html\" NIL NIL NIL \"7bit\" 5 1) \"alternative\"))",
        ),
        (
            "* 18",
            "* 18 FETCH (ENVELOPE (NIL NIL ((NIL NIL \"a\" \"x.example\")(NIL NIL \"b\" \"x.example\")) NIL NIL NIL NIL NIL NIL NIL))",
        ),
        (
            "* 19",
            "* 19 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1))",
        ),
        ("+", "+ "),
    ] {
        let got =
            if part == "+" { format!("{:?}", Parser::new().response(b"+").unwrap()) } else { read(part) };
        assert_eq!(got, sound(frame), "{part}");
    }
}

#[test]
fn quotes_without_a_backslash_belong_to_the_string() {
    items("163.com", |items| {
        let [FetchItem::Envelope(envelope)] = items else { panic!() };
        let envelope = envelope.value().unwrap();
        assert_eq!(envelope.subject.unwrap(), "\"\"");
        assert_eq!(envelope.message_id.unwrap(), "<1.JavaMail.\"cv@x.example\"@v-1>");
        assert_eq!(envelope.from.iter().next().unwrap().host.unwrap(), "163.com");
    });
}

#[test]
fn a_body_may_hold_nul() {
    items("BODY[] {3}", |items| {
        let [FetchItem::Section { data, .. }, FetchItem::Uid(11)] = items else { panic!() };
        assert_eq!(data.to_bytes().unwrap().as_ref(), b"a\0b");
    });
    // By the rules, in a binary literal.
    let mut strict = Parser::new();
    strict.set_response_quirks(Quirks::STRICT);
    assert!(!is_refused(&mut strict, b"* 11 FETCH (BODY[] ~{3}\r\na\0b UID 11)"));
}

#[test]
fn a_quoted_string_may_hold_what_its_mode_allows() {
    single("caf", |part| {
        let name = part.parameters.iter().next().unwrap().value;
        assert_eq!(name.to_bytes().as_ref(), b"caf\xe9.png");
        assert_eq!(name.to_utf8(), None);
    });
    let mut parser = Parser::new();
    parser.set_response_quirks(Quirks::STRICT);
    let utf8 = "* ID (\"name\" \"café\")".as_bytes();
    assert!(is_refused(&mut parser, utf8));
    parser.set_names(Names::Utf8);
    assert!(!is_refused(&mut parser, utf8));
    assert!(is_refused(&mut parser, b"* ID (\"name\" \"caf\xe9\")"));
}

#[test]
fn sizes_below_nothing_are_nothing() {
    single("multipart", |part| assert_eq!((part.octets, part.kind), (0, PartKind::Basic)));
    single("5 -1", |part| assert_eq!((part.octets, part.kind), (5, PartKind::Text { lines: 0 })));
    single("* 15", |part| assert_eq!((part.octets, part.kind), (5, PartKind::Text { lines: 0 })));
    single("* 16", |part| assert_eq!((part.octets, part.kind), (5, PartKind::Basic)));
}

#[test]
fn a_code_without_its_status_costs_its_line() {
    let line = b"[COPYUID 124 10 233]";
    let mut parser = Parser::new();
    assert!(matches!(parser.response(line), Ok(Response::Invalid(_))));
    assert_eq!(parser.quirk_counts().of(Quirk::CodeWithoutStatus), 1);
    parser.set_response_quirks(Quirks::STRICT);
    assert!(parser.response(line).is_err());
}

#[test]
fn what_was_met_in_an_item_that_is_malformed_anyway_is_not_counted() {
    let mut parser = Parser::new();
    let frame = b"* 1 FETCH (BODY (\"text\" \"plain\" () NIL NIL NIL 5 x) FLAGS (a]))";
    assert!(is_refused(&mut parser, frame));
    assert_eq!(parser.quirk_counts().iter().collect::<Vec<_>>(), [(Quirk::BracketInFlag, 1)]);
}

fn talk(quirks: Quirks, bytes: &[u8]) -> (Result<usize, Error>, u64) {
    let now = Instant::now();
    let config = client::Config { tls: TlsMode::Never, quirks, ..client::Config::default() };
    let mut client = client::Connection::new(config, now);
    client.receive(bytes, now);
    let mut events = 0;
    let outcome = loop {
        match client.poll_event() {
            Ok(Some(_)) => events += 1,
            Ok(None) => break Ok(events),
            Err(error) => break Err(error),
        }
    };
    (outcome, client.quirk_counts().of(Quirk::DangerBareLf))
}

#[test]
fn a_bare_line_feed_ends_a_line_only_where_its_danger_is_accepted() {
    let session = b"* OK [CAPABILITY IMAP4rev1] hi\n* 3 EXISTS\r\n* 1 FETCH (BODY[] {2}\n\n\n)\r\n";
    let refused = Err(InvalidMessage::new(InvalidMessage::BARE_LF, 30).into());
    assert_eq!(talk(Quirks::TOLERANT, session), (refused, 0));
    // Greeting, Ready and both lines; the line feeds of the literal are data.
    assert_eq!(talk(Quirks::TOLERANT.with(Quirk::DangerBareLf), session), (Ok(4), 2));
}

#[test]
fn a_server_is_strict_unless_it_is_told_otherwise() {
    let line = b"a ID  (\"name\" \"caf\xc3\xa9\") \r\n";
    let mut strict = Owner::new(plaintext());
    strict.sent();
    strict.receive(b"l LOGIN alice secret\r\n").unwrap();
    strict.sent();
    strict.receive(line).unwrap();
    assert_eq!(strict.sent(), "a BAD Invalid arguments\r\n");

    let set = [Quirk::DoubleSpace, Quirk::TrailingSpace, Quirk::EightBitQuoted];
    let quirks = set.into_iter().fold(Quirks::STRICT, Quirks::with);
    let mut tolerant = Owner::new(server::Config { quirks, ..plaintext() });
    tolerant.sent();
    tolerant.receive(b"l LOGIN alice secret\r\n").unwrap();
    tolerant.sent();
    tolerant.receive(line).unwrap();
    assert!(tolerant.sent().starts_with("a OK"), "the line was read");
    let counts = tolerant.server.quirk_counts();
    assert!(set.iter().all(|quirk| counts.of(*quirk) == 1) && counts.iter().count() == 3, "{counts:?}");
}
