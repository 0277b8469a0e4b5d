//! The examples of the RFCs, and lines as software in use sends them.

use bytes::Bytes;
use imap_proto::{
    Address, BodyPart, Code, Command, Data, ErrorCode, Flag, IString, MailboxName, Parser, PartKind, Rename,
    Response, SectionText, StatusItem, StatusValue,
};

use crate::support::{corpus, shown, transcript};

#[test]
fn every_example_line_is_understood() {
    let mut parser = Parser::new();
    let (mut commands, mut responses) = (0, 0);
    for line in corpus() {
        let shown = shown(&line.frame);
        if line.from_client {
            commands += 1;
            let tagged = parser.command(&line.frame).unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert_eq!(!matches!(tagged.command, Command::Unknown(_)), line.known, "{shown}");
        } else {
            responses += 1;
            let response = parser.response(&line.frame).unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert!(!matches!(response, Response::Invalid(_)), "{shown}");
            let understood = !matches!(response, Response::Unknown(_));
            assert_eq!(understood, line.known || !shown.starts_with('*'), "{shown}");
            assert!(!format!("{response:?}").contains("Invalid"), "{shown}: {response:?}");
        }
    }
    assert!(commands > 100 && responses > 200, "{commands} {responses}");
}

#[test]
fn a_kept_frame_gives_the_same_view() {
    let mut parser = Parser::new();
    for line in corpus() {
        let frame = Bytes::from(line.frame);
        if line.from_client {
            let parsed = parser.parse_command(frame.clone(), &[]).unwrap();
            assert_eq!(parsed.view(), Parser::new().command(&frame).unwrap());
        } else {
            let parsed = parser.parse_response(frame.clone(), &[]).unwrap();
            assert_eq!(parsed.view(), Parser::new().response(&frame).unwrap());
        }
    }
}

#[test]
fn parsed_frames_can_go_anywhere() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<imap_proto::Parsed<imap_proto::kind::Command>>();
    check::<imap_proto::Parsed<imap_proto::kind::Response>>();
}

#[test]
fn a_raw_span_shares_the_frame() {
    let frame = Bytes::from_static(b"* 1 FETCH (X-VENDORS (\"a\" b) UID 4)");
    let parsed = Parser::new().parse_response(frame.clone(), &[]).unwrap();
    let Response::Fetch { items, .. } = parsed.view() else { panic!() };
    let Some(imap_proto::FetchItem::Unknown(span)) = items.iter().next() else { panic!() };
    let raw = parsed.raw(span);
    assert_eq!(raw, "X-VENDORS (\"a\" b)");
    assert_eq!(raw.as_ptr(), frame[11..].as_ptr());
    assert_eq!(parsed.share(&parsed.frame()[2..5]).unwrap(), "1 F");
    assert!(parsed.share(b"elsewhere").is_none());
}

fn response<R>(frame: &str, look: impl FnOnce(Response<'_>) -> R) -> R {
    look(Parser::new().response(frame.as_bytes()).unwrap())
}

#[test]
fn the_session_of_rfc_3501_section_8_says_what_it_says() {
    let lines = transcript("rfc3501.txt");
    let line = lines.iter().find(|line| shown(&line.frame).contains("IMAP4rev1 WG mtg summary")).unwrap();
    let mut parser = Parser::new();
    let Response::Fetch { message: 12, items } = parser.response(&line.frame).unwrap() else { panic!() };
    let items: Vec<_> = items.iter().collect();
    let imap_proto::FetchItem::Envelope(envelope) = items[3] else { panic!() };
    let envelope = envelope.value().unwrap();
    assert_eq!(envelope.subject.unwrap(), "IMAP4rev1 WG mtg summary and minutes");
    let text = |text: &'static str| Some(IString::new(text).unwrap());
    let second =
        Address { name: text("John Klensin"), adl: None, mailbox: text("KLENSIN"), host: text("MIT.EDU") };
    assert_eq!(envelope.cc.iter().nth(1), Some(second));
    assert!(envelope.bcc.is_empty());
    let imap_proto::FetchItem::Body(body) = items[4] else { panic!() };
    let Some(BodyPart::Single(part)) = body.value() else { panic!() };
    assert_eq!((part.octets, part.kind), (3028, PartKind::Text { lines: 92 }));
    assert_eq!(part.extension, None);
}

#[test]
fn a_message_in_utf_8_has_its_envelope_or_is_a_part_like_any_other() {
    // RFC 9051 9, `media-message`; servers of RFC 3501 do not know it.
    let envelope = "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    let text = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" 10 2)";
    let described = |more: &str| {
        let frame =
            format!("* 1 FETCH (BODYSTRUCTURE (\"MESSAGE\" \"GLOBAL\" NIL NIL NIL \"8BIT\" 300{more}))");
        response(&frame, |response| {
            let Response::Fetch { items, .. } = response else { panic!() };
            let Some(imap_proto::FetchItem::BodyStructure(structure)) = items.iter().next() else { panic!() };
            let Some(BodyPart::Single(part)) = structure.value() else { panic!() };
            match part.kind {
                PartKind::Message { envelope, lines, .. } => {
                    Some((envelope.value().unwrap().subject.unwrap().to_utf8().unwrap().into_owned(), lines))
                }
                _ => None,
            }
        })
    };
    assert_eq!(described(&format!(" {envelope} {text} 7 NIL")), Some(("inner".to_owned(), 7)));
    assert_eq!(described(" NIL"), None);
}

#[test]
fn a_body_structure_is_a_tree() {
    let lines = transcript("servers.txt");
    let line = lines.iter().find(|line| shown(&line.frame).starts_with("* 3 FETCH (BODYSTRUCTURE")).unwrap();
    let mut parser = Parser::new();
    let Response::Fetch { items, .. } = parser.response(&line.frame).unwrap() else { panic!() };
    let Some(imap_proto::FetchItem::BodyStructure(structure)) = items.iter().next() else { panic!() };
    let Some(BodyPart::Multi(mixed)) = structure.value() else { panic!() };
    let parts: Vec<_> = mixed.parts.iter().collect();
    let [BodyPart::Multi(alternative), BodyPart::Single(image)] = parts[..] else { panic!() };
    assert_eq!(alternative.subtype, "alternative");
    assert_eq!(alternative.parts.iter().count(), 2);
    let disposition = image.extension.unwrap().common.disposition.unwrap();
    assert_eq!(disposition.name, "attachment");
    assert_eq!(disposition.parameters.iter().next().unwrap().value, "a b.png");
    assert_eq!(mixed.extension.unwrap().common.language.iter().next().unwrap(), "en");
}

#[test]
fn sections_are_read_with_their_headers_and_origin() {
    let frame = "* 5 FETCH (BODY[HEADER.FIELDS (\"From\" SUBJECT)]<7> {4}\r\na\r\n\n UID 5)";
    response(frame, |response| {
        let Response::Fetch { items, .. } = response else { panic!() };
        let Some(imap_proto::FetchItem::Section { section, origin, data }) = items.iter().next() else {
            panic!()
        };
        let SectionText::HeaderFields(names) = section.text else { panic!() };
        assert!(names.iter().map(|n| n.to_utf8().unwrap().into_owned()).eq(["From", "SUBJECT"]));
        assert_eq!((origin, data), (Some(7), Data::inline(b"a\r\n\n")));
        assert_eq!(items.iter().nth(1), Some(imap_proto::FetchItem::Uid(5)));
    });
}

#[test]
fn one_bad_item_leaves_its_neighbours() {
    for bad in [
        "ENVELOPE (1 2 3)",
        "ENVELOPE (\"d\" \"s\" ((NIL NIL NIL)) NIL NIL NIL NIL NIL NIL NIL)",
        "BODYSTRUCTURE (NIL \"MIXED\")",
        "BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" x -1) \"MIXED\")",
        "INTERNALDATE \"yesterday\"",
        "RFC822.SIZE many",
        "FLAGS \\Seen",
        "BODY[1.] NIL",
        "BODY[HEADER.FIELDS (a)]<x> \"\"",
    ] {
        response(&format!("* 9 FETCH (UID 7 {bad} FLAGS (\\Seen))"), |response| {
            let Response::Fetch { message: 9, items } = response else { panic!("{bad}") };
            let items: Vec<_> = items.iter().collect();
            assert_eq!(items[0], imap_proto::FetchItem::Uid(7), "{bad}");
            let imap_proto::FetchItem::Invalid(span) = items[1] else { panic!("{bad}: {items:?}") };
            assert_eq!((span.start, span.len), (17, bad.len()), "{bad}");
            assert!(matches!(items[2], imap_proto::FetchItem::Flags(_)), "{bad}");
            assert_eq!(items.len(), 3, "{bad}");
        });
    }
}

#[test]
fn malformed_responses_are_values_and_lost_tags_are_errors() {
    for invalid in [
        "* LIST (\\a \"/\" x",
        "* LIST () \"//\" x",
        "* LIST () \"/\" &AAA-",
        "* SEARCH 1 x",
        "* STATUS INBOX (MESSAGES x)",
        "* 0 FETCH (UID 1)",
        "* 1 FETCH (UID 1) (UID 2)",
        "* 99999999999 EXISTS",
        "* NAMESPACE NIL NIL",
        "* \"",
        "*",
        "* ",
        "* FLAGS (\\Seen))",
        "* LIST () \"/\" {5}",
    ] {
        response(invalid, |response| {
            let Response::Invalid(span) = response else { panic!("{invalid}: {response:?}") };
            assert_eq!((span.start, span.len), (0, invalid.len()));
        });
    }
    for error in ["", " ", "a1", "a1 FETCH", "a1 PREAUTH hi", "(a) OK x", "1 2 3"] {
        let mut parser = Parser::new();
        assert!(parser.response(error.as_bytes()).is_err(), "{error}");
    }
}

#[test]
fn response_codes_are_read_and_unknown_ones_kept() {
    let code = |frame: &str, look: &dyn Fn(Option<Code<'_>>, &[u8])| {
        response(frame, |response| match response {
            Response::Status(status) | Response::Tagged { status, .. } => {
                look(status.code, status.text.as_bytes());
            }
            _ => panic!("{frame}"),
        });
    };
    code("* OK [UIDVALIDITY 3857529045] UIDs valid", &|code, text| {
        assert_eq!((code, text), (Some(Code::UidValidity(3_857_529_045)), &b"UIDs valid"[..]));
    });
    code("a OK [COPYUID 38505 304,319:320 3956:3958] Done", &|code, _| {
        let Some(Code::CopyUid { uid_validity: 38505, source, .. }) = code else { panic!() };
        assert!(source.resolve(0).eq([304..=304, 319..=320]));
    });
    code("a NO [NonExistent] no", &|code, _| {
        assert_eq!(code, Some(Code::Condition(ErrorCode::NonExistent)));
    });
    code("* OK [PERMANENTFLAGS (\\Seen a]b \\*)] x", &|code, _| {
        let Some(Code::PermanentFlags(flags)) = code else { panic!() };
        assert_eq!(flags.iter().last(), Some(Flag::Any));
        assert_eq!(flags.iter().count(), 3);
    });
    code("* NO [X-REFER imap://a;b@c/d?e] x", &|code, text| {
        let Some(Code::Unknown(unknown)) = code else { panic!() };
        assert_eq!((unknown.name(), unknown.arguments()), (&b"X-REFER"[..], &b"imap://a;b@c/d?e"[..]));
        assert_eq!(text, b"x");
    });
    code("* OK [UIDNEXT x] text", &|code, text| {
        let Some(Code::Invalid(span)) = code else { panic!("{code:?}") };
        assert_eq!((span.start, span.len, text), (6, 9, &b"text"[..]));
    });
    code("* OK [COPYUID 1 1:* 2] text", &|code, _| assert!(matches!(code, Some(Code::Invalid(_)))));
    code("* OK [no end", &|code, text| assert_eq!((code, text), (None, &b"[no end"[..])));
    code("* BYE", &|code, text| assert_eq!((code, text), (None, &b""[..])));
}

#[test]
fn commands_say_what_they_say() {
    let mut parser = Parser::new();
    let tagged = parser.command(b"a RENAME inbox {4+}\r\na b!").unwrap();
    let Command::Rename(Rename { from, to, .. }) = tagged.command else { panic!() };
    assert_eq!((from, to), (MailboxName::INBOX, MailboxName::new("a b!").unwrap()));
    let tagged = parser.command(b"a status x (unseen uidnext)").unwrap();
    let Command::Status(query) = tagged.command else { panic!() };
    assert!(query.items.iter().eq([StatusItem::Unseen, StatusItem::UidNext]));
    let tagged = parser.command(b"a FROB (( {7} \"x").unwrap();
    let Command::Unknown(unknown) = tagged.command else { panic!() };
    assert_eq!(unknown.verb(), b"FROB");
    assert_eq!(unknown.arguments().of(b"a FROB (( {7} \"x"), b"(( {7} \"x");
    response("* STATUS x (MESSAGES 4 X-DELETED 7 UNSEEN 2)", |response| {
        let Response::MailboxStatus(status) = response else { panic!() };
        let values: Vec<_> = status.values.iter().collect();
        assert_eq!(values[0], StatusValue::Messages(4));
        assert!(matches!(values[1], StatusValue::Unknown(_)));
        assert_eq!(values[2], StatusValue::Unseen(2));
    });
}

#[test]
fn malformed_commands_are_refused() {
    for bad in [
        "",
        "a",
        "a ",
        " a NOOP",
        "a  NOOP",
        "a NOOP ",
        "a NOOP x",
        "+ NOOP",
        "a LOGIN x",
        "a LOGIN x  y",
        "a LOGIN \"x\"\"y\"",
        "a LOGIN x y z",
        "a LOGIN x \"y",
        "a LOGIN x y\"",
        "a LOGIN x {5}\r\nabc",
        "a LOGIN x {5}",
        "a LOGIN x \"a\\b\"",
        "a LOGIN x ~{1}\r\na",
        "a SELECT \"\"",
        "a SELECT",
        "a SELECT a*b",
        "a SELECT \u{e9}",
        "a LIST \"\"",
        "a LIST \"\" x RETURN FOO",
        "a LSUB (SPECIAL-USE) \"\" x",
        "a STATUS x ()",
        "a STATUS x (FOO (1))",
        "a STATUS x MESSAGES",
        "a FETCH 1",
        "a FETCH 1 ()",
        "a FETCH 1 FLAGS UID",
        "a FETCH 1 (ALL FLAGS)",
        "a FETCH 0 FLAGS",
        "a FETCH 1 BODY[MIME]",
        "a FETCH 1 BODY[0]",
        "a FETCH 1 BODY[1.]",
        "a FETCH 1 BODY[1",
        "a FETCH 1 BODY[HEADER.FIELDS]",
        "a FETCH 1 BODY[HEADER.FIELDS ()]",
        "a FETCH 1 BODY[TEXT]<0>",
        "a FETCH 1 BODY[TEXT]<0.0>",
        "a FETCH 1 ( FLAGS)",
        "a FETCH 1 (FLAGS )",
        "a FETCH 1 (FLAGS)(UID)",
        "a STORE 1 FLAGS",
        "a STORE 1 FLAGS (\\Recent)",
        "a STORE 1 FLAGS (\\*)",
        "a STORE 1 XFLAGS (\\Seen)",
        "a SEARCH",
        "a SEARCH CHARSET UTF-8",
        "a SEARCH NOT",
        "a SEARCH OR ALL",
        "a SEARCH ()",
        "a SEARCH FROB",
        "a SEARCH ON 31-Feb-2000",
        "a SEARCH KEYWORD \\Seen",
        "a SEARCH (ALL)(ALL)",
        "a SEARCH LARGER -1",
        "a CANCELUPDATE",
        "a CANCELUPDATE (\"x\")",
        "a CANCELUPDATE \"x y\"",
        "a UID EXPUNGE",
        "a UID",
        "a EXPUNGE 1",
        "a APPEND x",
        "a APPEND x \"not a date\" {1}\r\na",
        "a APPEND x \"quoted\"",
        "a APPEND x (\\Recent) {1}\r\na",
        "a AUTHENTICATE PLAIN *",
        "a AUTHENTICATE PLAIN a b",
        "a ID",
        "a ID (a b)",
        "a ID (\"a\")",
        "a ENABLE",
        "a SETACL x y R",
        "a SETQUOTA x (STORAGE)",
        "a CREATE x (USE \\All)",
        "a CREATE x (USE (All\\))",
        "a NOOP\r\nb NOOP",
        "a SELECT \"a\r\nb\"",
    ] {
        assert!(Parser::new().command(bad.as_bytes()).is_err(), "{bad}");
    }
}
