//! What is written is read back as it was, and is one frame to whoever frames it.

use imap_proto::{Encode, Encoder, Literals, Names, Parser, Quirk, Quirks};
use mail_wire::testing::every_split;
use mail_wire::{Announced, FrameLimits, Input, Keep, LiteralForm, LiteralFramer, LiteralMode, Part};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generate::Gen;
use crate::support::{encoded, encoded_frame, shown};

const CASES: u32 = 3_000;
const CLIENT_FORMS: [Literals; 3] = [Literals::Sync, Literals::NonSyncSmall, Literals::NonSync];

/// One that takes messages with a NUL in them, which the generators make.
fn parser() -> Parser {
    let mut parser = Parser::new();
    parser.set_command_quirks(Quirks::STRICT.with(Quirk::NulInLiteral));
    parser
}

/// The frames in what comes in these pieces, each kept whole.
fn frames(pieces: &[&[u8]], mode: LiteralMode) -> Vec<Vec<u8>> {
    let mut input = Input::new();
    let mut framer = LiteralFramer::new(FrameLimits::default());
    let mut frames = Vec::new();
    for piece in pieces {
        input.buffer().extend_from_slice(piece);
        while let Some(part) = framer.poll(&mut input, mode).unwrap() {
            match part {
                Part::Offer(_) => framer.keep(Keep::Collect).unwrap(),
                Part::Whole(frame) => frames.push(frame.to_vec()),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(input.is_empty() && framer.is_between_frames(), "bytes left of {}", shown(&pieces.concat()));
    frames
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn e2_a_command_is_read_back_as_it_was(pool in vec(any::<u8>(), 0..160)) {
        let command = Gen::new(&pool).command();
        let mut parser = parser();
        for literals in CLIENT_FORMS {
            let frame = encoded_frame(&command, literals);
            let read = parser.command(&frame);
            prop_assert!(read.is_ok(), "{:?} of {}", read, shown(&frame));
            prop_assert_eq!(read.unwrap(), command, "{}", shown(&frame));
        }
    }

    #[test]
    fn e1_an_encoded_command_is_exactly_one_frame(pool in vec(any::<u8>(), 0..160)) {
        let command = Gen::new(&pool).command();
        for literals in CLIENT_FORMS {
            let wire = encoded(&command, literals);
            let twice = [wire.clone(), wire.clone()].concat();
            let frame = wire[..wire.len() - 2].to_vec();
            prop_assert_eq!(frames(&[&twice], LiteralMode::Command), vec![frame.clone(), frame]);
        }
    }

    #[test]
    fn e2_a_response_is_read_back_as_it_was(pool in vec(any::<u8>(), 0..400)) {
        let response = Gen::new(&pool).response();
        let frame = encoded_frame(&response, Literals::Server);
        let mut parser = parser();
        let read = parser.response(&frame);
        prop_assert!(read.is_ok(), "{:?} of {}", read, shown(&frame));
        prop_assert_eq!(read.unwrap(), response, "{}", shown(&frame));
    }

    #[test]
    fn e6_an_encoded_response_is_exactly_one_frame(pool in vec(any::<u8>(), 0..400)) {
        let wire = encoded(&Gen::new(&pool).response(), Literals::Server);
        let twice = [wire.clone(), wire.clone()].concat();
        let frame = wire[..wire.len() - 2].to_vec();
        prop_assert_eq!(frames(&[&twice], LiteralMode::Response), vec![frame.clone(), frame]);
    }

    #[test]
    fn e2_a_url_is_read_back_as_it_was(pool in vec(any::<u8>(), 0..160)) {
        let url = Gen::new(&pool).imap_url();
        let text = url.to_text();
        prop_assert!(text.is_ok(), "{:?} of {:?}", text, url);
        let text = text.unwrap();
        prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{}", text);
        let read = imap_proto::ImapUrl::new(&text).unwrap();
        prop_assert_eq!(read, url, "{}", &text);
        prop_assert_eq!(read.to_text().unwrap(), text);
    }

    #[test]
    fn a_session_in_utf8_reads_back_what_it_wrote(pool in vec(any::<u8>(), 0..400)) {
        let mut parser = parser();
        parser.set_names(Names::Utf8);
        let command = Gen::new(&pool).command();
        let mut wire = Vec::new();
        command.encode(&mut Encoder::new(&mut wire, Literals::NonSync).with_names(Names::Utf8)).unwrap();
        wire.truncate(wire.len() - 2);
        let read = parser.command(&wire);
        prop_assert!(read.is_ok(), "{:?} of {}", read, shown(&wire));
        prop_assert_eq!(read.unwrap(), command, "{}", shown(&wire));

        let response = Gen::new(&pool).response();
        let mut wire = Vec::new();
        response.encode(&mut Encoder::new(&mut wire, Literals::Server).with_names(Names::Utf8)).unwrap();
        wire.truncate(wire.len() - 2);
        let parsed = parser.parse_response(wire.clone().into(), &[]).unwrap();
        // A kept frame remembers how its names were spelled.
        parser.set_names(Names::ModifiedUtf7);
        prop_assert_eq!(parsed.view(), response, "{}", shown(&wire));
    }

    #[test]
    fn what_was_read_can_be_written_again(pool in vec(any::<u8>(), 0..400)) {
        // Views that borrow from a tape encode as those of the owner do.
        let response = Gen::new(&pool).response();
        let frame = encoded_frame(&response, Literals::Server);
        let mut parser = parser();
        prop_assert_eq!(encoded_frame(&parser.response(&frame).unwrap(), Literals::Server), frame);
        let command = Gen::new(&pool).command();
        let frame = encoded_frame(&command, Literals::NonSync);
        prop_assert_eq!(encoded_frame(&parser.command(&frame).unwrap(), Literals::NonSync), frame);
    }
}

#[test]
fn every_example_line_is_one_frame_at_every_split() {
    for line in crate::support::corpus() {
        let mode = if line.from_client { LiteralMode::Command } else { LiteralMode::Response };
        let wire = [&line.frame[..], b"\r\n"].concat();
        assert_eq!(every_split(&wire, |pieces| frames(pieces, mode)), [line.frame]);
    }
}

#[test]
fn the_corpus_survives_being_written_and_read() {
    let (mut first, mut second) = (parser(), parser());
    let mut written = 0;
    for line in crate::support::corpus() {
        let mut out = Vec::new();
        if line.from_client {
            let command = first.command(&line.frame).unwrap();
            let mut encoder = Encoder::new(&mut out, Literals::NonSync);
            if command.encode(&mut encoder).is_ok() {
                out.truncate(out.len() - 2);
                assert_eq!(second.command(&out).unwrap(), command);
                written += 1;
            }
        } else {
            let response = first.response(&line.frame).unwrap();
            let mut encoder = Encoder::new(&mut out, Literals::Server);
            if response.encode(&mut encoder).is_ok() {
                out.truncate(out.len() - 2);
                assert_eq!(second.response(&out).unwrap(), response);
                written += 1;
            }
        }
    }
    assert!(written > 300, "{written}");
}

#[test]
fn e1_a_nul_cannot_be_written() {
    use imap_proto::{Command, IString, Login, Password, Tag, TaggedCommand};
    assert!(IString::new("a\0").is_err());
    // A literal may have brought one in.
    let mut parser = parser();
    let frame = b"a LOGIN {2+}\r\na\0 b";
    let command = parser.command(frame).unwrap();
    let Command::Login(Login { user, .. }) = command.command else { panic!() };
    let forwarded = TaggedCommand {
        tag: Tag::new("b").unwrap(),
        command: Command::Login(Login { user, password: Password(user) }),
    };
    let mut out = Vec::new();
    assert!(forwarded.encode(&mut Encoder::new(&mut out, Literals::NonSync)).is_err());
}

#[test]
fn literals_take_the_form_that_the_peer_takes() {
    use imap_proto::IString;
    let short = IString::new("a\r\n").unwrap();
    assert_eq!(encoded(&short, Literals::Server), b"{3}\r\na\r\n");
    assert_eq!(encoded(&short, Literals::Sync), b"{3}\r\na\r\n");
    assert_eq!(encoded(&short, Literals::NonSyncSmall), b"{3+}\r\na\r\n");
    assert_eq!(encoded(&short, Literals::NonSync), b"{3+}\r\na\r\n");
    for (size, form) in [(4096, LiteralForm::NonSync), (4097, LiteralForm::Sync)] {
        let text = vec![b'\t'; size];
        let wire = encoded(&IString::new(&text).unwrap(), Literals::NonSyncSmall);
        let mut input = Input::new();
        input.buffer().extend_from_slice(&wire);
        let offer =
            LiteralFramer::new(FrameLimits::default()).poll(&mut input, LiteralMode::Command).unwrap();
        let Some(Part::Offer(Announced { form: found, bytes, .. })) = offer else { panic!("{offer:?}") };
        assert_eq!((found, bytes), (form, size as u64));
    }
}

#[test]
fn passwords_are_not_printed() {
    let mut parser = parser();
    let shown = format!("{:?}", parser.command(b"a LOGIN alice hunter2").unwrap());
    assert!(shown.contains("alice") && !shown.contains("hunter2"), "{shown}");
    let shown = format!("{:?}", parser.command(b"a AUTHENTICATE PLAIN AGEAaHVudGVyMg==").unwrap());
    assert!(!shown.contains("AGEA"), "{shown}");
}
