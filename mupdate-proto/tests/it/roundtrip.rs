//! What is written reads back as it was, in one frame, for every value.

use bytes::Bytes;
use mail_wire::sasl::MechanismName;
use mail_wire::{FrameLimits, Input, Keep, LiteralFramer, LiteralMode, Outbox, Part};
use mupdate_proto::{
    Acl, Change, Command, LINE_BYTES_MAX, Location, LocationPrefix, MailboxEntry, MailboxName, Response,
    ServerName, Status, Tag, mailbox_order,
};
use proptest::prelude::*;

fn octets(max: usize) -> impl Strategy<Value = Vec<u8>> {
    // Much that looks like syntax, some of everything.
    let byte = prop_oneof![
        4 => prop::sample::select(b"ab.!\t {}+0123456789\"\\*\r\n".to_vec()),
        1 => 1..=255_u8,
    ];
    prop::collection::vec(byte, 0..max)
}

fn name() -> impl Strategy<Value = MailboxName> {
    octets(60).prop_filter_map("not empty", |octets| MailboxName::new(octets).ok())
}

fn location() -> impl Strategy<Value = Location> {
    octets(40).prop_map(|octets| Location::new(octets).unwrap())
}

fn acl() -> impl Strategy<Value = Acl> {
    prop_oneof![octets(40), octets(3_000)].prop_map(|octets| Acl::new(octets).unwrap())
}

fn tag() -> impl Strategy<Value = Tag> {
    "[A-Za-z0-9]{1,14}".prop_map(|tag| Tag::new(tag.as_bytes()).unwrap())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (name(), location()).prop_map(|(name, location)| Change::Reserve { name, location }),
        (name(), location(), acl()).prop_map(|(name, location, acl)| Change::Activate {
            name,
            location,
            acl
        }),
        (name(), location()).prop_map(|(name, location)| Change::Deactivate { name, location }),
        name().prop_map(|name| Change::Delete { name }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let prefix = octets(20).prop_map(|octets| LocationPrefix::new(octets).unwrap());
    let server = octets(20).prop_filter_map("not empty", |octets| ServerName::new(octets).ok());
    let mechanism = "[A-Z0-9_-]{1,20}".prop_map(|name| MechanismName::new(name.as_bytes()).unwrap());
    let initial = prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Into::into));
    prop_oneof![
        change().prop_map(Command::Change),
        name().prop_map(Command::Find),
        prop::option::of(prefix).prop_map(Command::List),
        prop::collection::vec(server, 0..5).prop_map(Command::Update),
        (mechanism, initial).prop_map(|(mechanism, initial)| Command::Authenticate { mechanism, initial }),
        octets(20).prop_map(|octets| Command::Compress(octets.into())),
        Just(Command::StartTls),
        Just(Command::Noop),
        Just(Command::Logout),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let entry = prop_oneof![
        (name(), location()).prop_map(|(name, location)| MailboxEntry::reserved(name, location)),
        (name(), location(), acl())
            .prop_map(|(name, location, acl)| MailboxEntry::active(name, location, acl)),
    ];
    let status = prop::sample::select(vec![Status::Ok, Status::No, Status::Bad, Status::Bye]);
    prop_oneof![
        entry.prop_map(Response::Entry),
        name().prop_map(Response::Delete),
        (status, octets(40)).prop_map(|(status, text)| Response::Status(status, text.into())),
    ]
}

/// The one frame that the output is; anything else fails.
fn frame(mut out: Outbox) -> Bytes {
    let limits = FrameLimits { literals_max: 40, ..FrameLimits::default() };
    let (mut input, mut framer) = (Input::new(), LiteralFramer::new(limits));
    while let Some(piece) = out.take() {
        input.buffer().extend_from_slice(&piece);
    }
    check_lines(input.waiting());
    loop {
        match framer.poll(&mut input, LiteralMode::Command).unwrap() {
            Some(Part::Offer(_)) => framer.keep(Keep::Collect).unwrap(),
            Some(Part::Whole(frame)) => {
                assert!(input.is_empty(), "a second frame");
                return frame;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// No line outside of literals is longer than every peer takes.
fn check_lines(mut bytes: &[u8]) {
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let line = &bytes[..end];
        assert!(line.len() + 2 <= LINE_BYTES_MAX, "{} bytes", line.len());
        let announced = line.strip_suffix(b"+}").and_then(|l| l.rsplit(|b| *b == b'{').next());
        let literal: usize = announced.map_or(0, |n| std::str::from_utf8(n).unwrap().parse().unwrap());
        bytes = &bytes[end + 2 + literal..];
    }
    assert!(bytes.is_empty());
}

proptest! {
    #[test]
    fn e1_a_command_reads_back_as_one_frame(tag in tag(), command in command()) {
        let mut out = Outbox::new();
        command.encode(&tag, &mut out);
        prop_assert_eq!(Command::parse(&frame(out)), Ok((tag, command)));
    }

    #[test]
    fn e6_a_response_reads_back_as_one_frame(tag in prop::option::of(tag()), response in response()) {
        let mut out = Outbox::new();
        response.encode(tag.as_ref(), &mut out);
        prop_assert_eq!(Response::parse(&frame(out)), Ok((tag, response)));
    }

    #[test]
    fn no_frame_makes_a_parser_panic(bytes in octets(80)) {
        let frame = Bytes::from(bytes);
        let _ = Command::parse(&frame);
        let _ = Response::parse(&frame);
        let _ = Response::parse_unquoted(&frame);
    }

    #[test]
    fn the_order_is_total(a in octets(6), b in octets(6), c in octets(6)) {
        use std::cmp::Ordering::{Equal, Greater};
        prop_assert_eq!(mailbox_order(&a, &b), mailbox_order(&b, &a).reverse());
        prop_assert_eq!(mailbox_order(&a, &b) == Equal, a == b);
        if mailbox_order(&a, &b) != Greater && mailbox_order(&b, &c) != Greater {
            prop_assert!(mailbox_order(&a, &c) != Greater);
        }
        // It is the bytewise order of the names with 0x1F for their dots, unless they hold that octet themselves, as no
        // name of Cyrus does: then what is below a name still stands together.
        let key = |name: &[u8]| name.iter().map(|b| if *b == b'.' { 0x1f } else { *b }).collect::<Vec<_>>();
        if !(a.contains(&0x1f) || b.contains(&0x1f)) {
            prop_assert_eq!(mailbox_order(&a, &b), key(&a).cmp(&key(&b)));
        }
    }
}
