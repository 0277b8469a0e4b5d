//! Literals that never enter a frame.

use bytes::Bytes;
use imap_proto::{
    Append, CatenatePart, Command, Data, Encode, Encoder, FetchItem, Hole, List, Literals, MailboxName,
    NewContent, NewMessage, Parser, Response, Section, Sink, Tag, TaggedCommand, UrlFound, UrlItem,
};
use mail_wire::{FrameLimits, Input, Keep, LiteralFramer, LiteralId, LiteralMode, Outbox, Part};

/// Records what an encoder says.
#[derive(Debug, Default)]
struct Script(Vec<Step>);

#[derive(Debug, PartialEq)]
enum Step {
    Bytes(Vec<u8>),
    Shared(*const u8),
    Wait,
    Hole(u64, u64),
}

impl Sink for Script {
    fn put(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Step::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.0.push(Step::Bytes(bytes.to_vec())),
        }
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        self.0.push(Step::Shared(bytes.as_ptr()));
    }

    fn wait(&mut self) {
        self.0.push(Step::Wait);
    }

    fn hole(&mut self, id: LiteralId, bytes: u64) {
        self.0.push(Step::Hole(id.0, bytes));
    }
}

fn script(value: &impl Encode, literals: Literals) -> Vec<Step> {
    let mut script = Script::default();
    value.encode(&mut Encoder::new(&mut script, literals)).unwrap();
    script.0
}

fn bytes(text: &str) -> Step {
    Step::Bytes(text.as_bytes().to_vec())
}

#[test]
fn a_fetch_response_streams_its_body_between_head_and_tail() {
    let data = Data::Streamed { id: LiteralId(3), bytes: 5_000_000_000 };
    let items = [FetchItem::Uid(7), FetchItem::Section { section: Section::MESSAGE, origin: None, data }];
    let response = Response::Fetch { message: 12, items: List::of(&items) };
    assert_eq!(
        script(&response, Literals::Server),
        [bytes("* 12 FETCH (UID 7 BODY[] {5000000000}\r\n"), Step::Hole(3, 5_000_000_000), bytes(")\r\n")]
    );
}

#[test]
fn a_shared_body_leaves_an_outbox_without_a_copy() {
    let body = Bytes::from(vec![b'x'; 100_000]);
    let items = [FetchItem::Rfc822(Data::Shared(&body))];
    let response = Response::Fetch { message: 1, items: List::of(&items) };
    let mut out = Outbox::new();
    response.encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
    assert_eq!(out.take().unwrap(), "* 1 FETCH (RFC822 {100000}\r\n");
    assert_eq!(out.take().unwrap().as_ptr(), body.as_ptr());
    assert_eq!(out.take().unwrap(), ")\r\n");
    assert_eq!(out.take(), None);
}

#[test]
fn a_synchronising_append_stops_at_its_announcement() {
    let data = Data::Streamed { id: LiteralId(1), bytes: 9 };
    let messages = [NewMessage::new(NewContent::Plain(data))];
    let append = Append { mailbox: MailboxName::new("two words").unwrap(), messages: List::of(&messages) };
    let command = TaggedCommand { tag: Tag::new("a").unwrap(), command: Command::Append(append) };
    assert_eq!(
        script(&command, Literals::Sync),
        [bytes("a APPEND \"two words\" {9}\r\n"), Step::Wait, Step::Hole(1, 9), bytes("\r\n")]
    );
    assert_eq!(
        script(&command, Literals::NonSync),
        [bytes("a APPEND \"two words\" {9+}\r\n"), Step::Hole(1, 9), bytes("\r\n")]
    );
}

#[test]
fn the_head_of_an_append_is_a_command_before_the_literal_is_accepted() {
    let head = b"a APPEND Sent (\\Seen) \"14-Jul-2024 02:44:25 +0200\" {310000}\r\n";
    let holes = [Hole { at: head.len(), id: LiteralId(8), bytes: 310_000 }];
    let parsed = Parser::new().parse_command(Bytes::from_static(head), &holes).unwrap();
    let Command::Append(append) = parsed.view().command else { panic!() };
    assert_eq!(append.mailbox, MailboxName::new("Sent").unwrap());
    let message = append.messages.iter().next().unwrap();
    assert_eq!(message.flags.iter().count(), 1);
    assert_eq!(message.content, NewContent::Plain(Data::Streamed { id: LiteralId(8), bytes: 310_000 }));
    // Without the hole, the literal is simply missing.
    assert!(Parser::new().command(head).is_err());
}

#[test]
fn a_response_with_several_streamed_literals_names_each() {
    let frame = b"* 3 FETCH (BODY[1] {70000}\r\n BODY[2] {3}\r\nabc BODY[3] {80000}\r\n UID 4)";
    let end_of = |text: &[u8]| frame.windows(text.len()).position(|w| w == text).unwrap() + text.len();
    let holes = [
        Hole { at: end_of(b"{70000}\r\n"), id: LiteralId(1), bytes: 70_000 },
        Hole { at: end_of(b"{80000}\r\n"), id: LiteralId(2), bytes: 80_000 },
    ];
    let parsed = Parser::new().parse_response(Bytes::from_static(frame), &holes).unwrap();
    let Response::Fetch { items, .. } = parsed.view() else { panic!() };
    let data: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            FetchItem::Section { data, .. } => Some(data),
            _ => None,
        })
        .collect();
    assert_eq!(data[0], Data::Streamed { id: LiteralId(1), bytes: 70_000 });
    assert_eq!(data[1], Data::inline(b"abc"));
    assert_eq!(data[2], Data::Streamed { id: LiteralId(2), bytes: 80_000 });
    assert_eq!(items.iter().last(), Some(FetchItem::Uid(4)));
}

#[test]
fn a_streamed_literal_where_none_may_be_is_malformed() {
    let frame = b"a LOGIN {5}\r\n x";
    let holes = [Hole { at: 13, id: LiteralId(1), bytes: 5 }];
    assert!(Parser::new().command_with_holes(frame, &holes).is_err());
    let frame = b"* 1 FETCH (UID 2 ENVELOPE {5}\r\n FLAGS ())";
    let holes = [Hole { at: 31, id: LiteralId(1), bytes: 5 }];
    let mut parser = Parser::new();
    let Response::Fetch { items, .. } = parser.response_with_holes(frame, &holes).unwrap() else { panic!() };
    let kinds: Vec<_> = items.iter().collect();
    assert!(
        matches!(kinds[..], [FetchItem::Uid(2), FetchItem::Invalid(_), FetchItem::Flags(_)]),
        "{kinds:?}"
    );
}

#[test]
fn the_head_of_a_response_shows_its_complete_items() {
    let head = b"* 3 FETCH (UID 4 X-NEW (1 2) ENVELOPE (1) BODY[1] {70000}\r\n";
    let holes = [Hole { at: head.len(), id: LiteralId(1), bytes: 70_000 }];
    let mut parser = Parser::new();
    let parsed = parser.parse_response_so_far(Bytes::from_static(head), &holes).unwrap();
    let Response::Fetch { message: 3, items } = parsed.view() else { panic!() };
    let items: Vec<_> = items.iter().collect();
    let [FetchItem::Uid(4), FetchItem::Unknown(_), FetchItem::Invalid(_), FetchItem::Section { data, .. }] =
        items[..]
    else {
        panic!("{items:?}")
    };
    assert_eq!(data, Data::Streamed { id: LiteralId(1), bytes: 70_000 });
    // As a whole frame, the same bytes are malformed.
    assert!(matches!(parser.response_with_holes(head, &holes), Ok(Response::Invalid(_))));
}

#[test]
fn a_streamed_body_and_its_frame_leave_as_slices_of_what_was_read() {
    let body = "x".repeat(51_200);
    let wire = format!("* 1 FETCH (UID 7 BODY[] {{{}}}\r\n{body} FLAGS ())\r\n", body.len());
    let (mut input, mut framer) = (Input::new(), LiteralFramer::new(FrameLimits::default()));
    input.buffer().extend_from_slice(wire.as_bytes());
    let read = input.waiting().as_ptr_range();
    let mut bytes = 0;
    while let Some(part) = framer.poll(&mut input, LiteralMode::Response).unwrap() {
        match part {
            Part::Offer(_) => framer.keep(Keep::Stream).unwrap(),
            Part::Head(piece, _) | Part::Chunk(_, piece) | Part::Tail(piece) => {
                assert!(read.contains(&piece.as_ptr()), "a piece was copied");
                bytes += piece.len();
            }
            _ => {}
        }
    }
    // All but the CRLF at the end.
    assert_eq!(bytes, wire.len() - 2);
}

#[test]
fn several_messages_stream_one_after_the_other() {
    let text =
        "a APPEND x {70000}\r\n (\\Seen) {3}\r\nabc CATENATE (URL y TEXT ~{80000}\r\n TEXT {90000}\r\n)";
    let text = text.replace('~', "");
    let end_of = |what: &str| text.find(what).unwrap() + what.len();
    let hole = |what: &str, id, bytes| Hole { at: end_of(what), id: LiteralId(id), bytes };
    let holes =
        [hole("{70000}\r\n", 1, 70_000), hole("{80000}\r\n", 3, 80_000), hole("{90000}\r\n", 4, 90_000)];
    let mut parser = Parser::new();
    let command = parser.command_with_holes(text.as_bytes(), &holes).unwrap().command;
    let Command::Append(append) = command else { panic!() };
    let contents: Vec<_> = append.messages.iter().map(|message| message.content).collect();
    assert_eq!(contents[0], NewContent::Plain(Data::Streamed { id: LiteralId(1), bytes: 70_000 }));
    assert_eq!(contents[1], NewContent::Plain(Data::inline(b"abc")));
    let NewContent::Catenate(parts) = contents[2] else { panic!("{contents:?}") };
    assert_eq!(
        parts.iter().nth(2),
        Some(CatenatePart::Text(Data::Streamed { id: LiteralId(4), bytes: 90_000 }))
    );
    let Step::Hole(1, 70_000) = &script(&command, Literals::NonSync)[1] else { panic!() };
    assert_eq!(script(&command, Literals::Sync).iter().filter(|step| **step == Step::Wait).count(), 4);
}

#[test]
fn the_head_of_a_urlfetch_response_shows_what_is_complete() {
    let head =
        b"* URLFETCH u (BODYPARTSTRUCTURE (\"IMAGE\" \"PNG\" () NIL NIL \"BINARY\" 9)) (BINARY ~{70000}\r\n";
    let holes = [Hole { at: head.len(), id: LiteralId(1), bytes: 70_000 }];
    let mut parser = Parser::new();
    let Response::UrlFetch(urls) = parser.response_so_far(head, &holes).unwrap() else { panic!() };
    let Some(UrlFound::Items(items)) = urls.iter().next().map(|url| url.found) else { panic!("{urls:?}") };
    let data = Data::Streamed { id: LiteralId(1), bytes: 70_000 };
    assert_eq!(items.iter().nth(1), Some(UrlItem::Binary(data)));
}
