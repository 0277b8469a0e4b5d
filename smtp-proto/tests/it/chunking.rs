//! CHUNKING, BINARYMIME and BURL (RFC 3030, RFC 4468) on both sides: row F9, and F1 in chunks.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::testing::every_split;
use mail_wire::{ApiMisuse, BareLineEnd, Connection as _, Error, PeerIncompatible, PeerMisbehaved};
use proptest::prelude::*;
use smtp_proto::client::{self, Chunking, Envelope, Event};
use smtp_proto::server::{self, Event as Asked};
use smtp_proto::{Body, Extension, MailParams, Reply, ReversePath, Word};

use crate::support::{Seen, Site, client_config, server_config};

pub(crate) fn chunking_config() -> server::Config {
    let extensions = vec![Extension::Chunking, Extension::BinaryMime, Extension::Burl(vec!["imap".into()])];
    server::Config { extensions, ..server_config() }
}

const ENVELOPE: &[u8] = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

fn run(config: &server::Config, envelope: &[u8], pieces: &[&[u8]]) -> (Seen, Vec<String>, Option<Error>) {
    let mut site = Site::ready(config.clone());
    site.feed(envelope);
    site.take_output();
    pieces.iter().for_each(|piece| site.feed(piece));
    let codes = site.take_output().lines().map(|line| line[..3].to_owned()).collect();
    (site.seen, codes, site.error)
}

#[test]
fn f9_chunks_are_taken_in_one_group_however_it_is_cut() {
    let group = b"BDAT 8\r\n.\r\nRSET\nBDAT 0\r\nBDAT 7 LAST\r\n\r\n.\r\n\r\nNOOP\r\n";
    // A bare LF stands in the first chunk.
    let (seen, codes, error) = every_split(group, |pieces| run(&chunking_config(), ENVELOPE, pieces));
    assert!(seen.messages.is_empty() && codes == ["550"] && matches!(error, Some(Error::InvalidMessage(_))));
    let group = b"BDAT 9\r\n.\r\nRSET\r\nBDAT 0\r\nBDAT 7 LAST\r\n\r\n.\r\n\r\nNOOP\r\n";
    let (seen, codes, error) = every_split(group, |pieces| run(&chunking_config(), ENVELOPE, pieces));
    assert_eq!(
        (codes.as_slice(), error),
        (&["250".to_owned(), "250".into(), "250".into(), "250".into()][..], None)
    );
    assert_eq!(seen.messages[0].body, b".\r\nRSET\r\n\r\n.\r\n\r\n");
}

#[test]
fn f9_a_chunk_is_never_read_as_commands_whatever_is_said_about_it() {
    let chunk = b"BDAT 17\r\nMAIL FROM:<x@y>\r\nNOOP\r\n";
    let without = server_config();
    for (config, envelope, expected) in [
        (&chunking_config(), &b""[..], "503"),
        (&chunking_config(), b"MAIL FROM:<a@b>\r\n", "503"),
        (&chunking_config(), b"MAIL FROM:<a@b>\r\nRCPT TO:<nobody@d>\r\n", "503"),
        (&chunking_config(), b"MAIL FROM:<a@b>\r\nRCPT TO:<defer@d>\r\n", "451"),
        (&without, ENVELOPE, "502"),
    ] {
        let (seen, codes, error) = every_split(chunk, |pieces| run(config, envelope, pieces));
        assert_eq!((codes.as_slice(), error), (&[expected.to_owned(), "250".into()][..], None));
        assert!(seen.messages.is_empty());
    }
}

#[test]
fn f9_behind_a_refused_chunk_the_transaction_is_over_and_more_chunks_get_503() {
    let envelope = b"MAIL FROM:<a@b>\r\nRCPT TO:<defer@d>\r\n";
    let group = b"BDAT 2\r\nxxBDAT 2\r\nyyBDAT 0 LAST\r\nMAIL FROM:<a@b>\r\n";
    let (_, codes, error) = every_split(group, |pieces| run(&chunking_config(), envelope, pieces));
    assert_eq!((codes.as_slice(), error), (&["451", "503", "503", "250"].map(String::from)[..], None));
}

#[test]
fn f9_rset_quit_and_a_new_hello_are_defined_between_two_chunks() {
    for (then, codes) in [
        (&b"RSET\r\nBDAT 2 LAST\r\nxx"[..], &["250", "250", "503"][..]),
        (b"NOOP\r\nBDAT 2 LAST\r\nxx", &["250", "250", "250"]),
        (b"QUIT\r\n", &["250", "221"]),
        (b"EHLO x\r\n", &["250"]),
        (b"MAIL FROM:<a@b>\r\n", &["250", "503"]),
        (b"RCPT TO:<e@f>\r\n", &["250", "503"]),
        (b"DATA\r\n", &["250", "503"]),
    ] {
        let (_, mut said, error) = run(&chunking_config(), ENVELOPE, &[b"BDAT 2\r\nxx", then]);
        said.dedup_by(|a, b| a == b && then.starts_with(b"EHLO"));
        assert_eq!((said, error), (codes.iter().map(ToString::to_string).collect(), None), "{then:?}");
    }
    let mut site = Site::ready(chunking_config());
    site.feed(&[ENVELOPE, b"BDAT 5\r\nxx"].concat());
    site.conn.receive_eof();
    site.drain();
    assert_eq!(site.error, Some(PeerMisbehaved::ClosedMidMessage.into()));
    assert!(site.seen.messages.is_empty());
}

#[test]
fn f1_line_ends_in_chunks_obey_the_policy_across_chunks() {
    let config = |bare_line_end| server::Config { bare_line_end, ..chunking_config() };
    let group = b"BDAT 4\r\na\r\n\rBDAT 2 LAST\r\n\nb";
    let (seen, ..) = every_split(group, |pieces| run(&config(BareLineEnd::Refuse), ENVELOPE, pieces));
    assert_eq!(seen.messages[0].body, b"a\r\n\r\nb");
    let group = b"BDAT 4 LAST\r\na\nb\r";
    let (_, codes, _) = every_split(group, |pieces| run(&config(BareLineEnd::Refuse), ENVELOPE, pieces));
    assert_eq!(codes, ["550"]);
    let (seen, ..) =
        every_split(group, |pieces| run(&config(BareLineEnd::DangerNormalize), ENVELOPE, pieces));
    assert_eq!(seen.messages[0].body, b"a\r\nb ");
    let binary = b"MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n";
    let (seen, ..) = every_split(group, |pieces| run(&config(BareLineEnd::Refuse), binary, pieces));
    assert_eq!(seen.messages[0].body, b"a\nb\r");
}

#[test]
fn a_binary_message_is_not_taken_by_data_nor_without_the_extension() {
    let binary = b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n";
    let (_, codes, _) = run(&chunking_config(), b"", &[binary, b"RCPT TO:<c@d>\r\nDATA\r\n"]);
    assert_eq!(codes, ["250", "250", "503"]);
    let (_, codes, _) = run(&server_config(), b"", &[binary]);
    assert_eq!(codes, ["555"]);
    let only_binary = server::Config { extensions: vec![Extension::BinaryMime], ..server_config() };
    assert!(!Site::ready(only_binary).say(b"EHLO x\r\n").contains("BINARYMIME"));
}

#[test]
fn chunks_above_the_limit_of_a_message_are_refused_before_they_come() {
    // The limit is 1,000 bytes.
    let (seen, codes, _) =
        run(&chunking_config(), ENVELOPE, &[b"BDAT 1001 LAST\r\n", &[b'x'; 1001], b"NOOP\r\n"]);
    assert_eq!((codes, seen.resets), (vec!["552".into(), "250".into()], 1));
    let (seen, codes, _) =
        run(&chunking_config(), ENVELOPE, &[b"BDAT 999\r\n", &[b'x'; 999], b"BDAT 1 LAST\r\ny"]);
    assert_eq!((codes, seen.messages.len()), (vec!["250".into(), "250".into()], 1));
    // Nothing is reserved, and what is announced without end is given up where refused messages are.
    let mut config = chunking_config();
    config.limits.refused_bytes_max = 100;
    let (_, codes, error) = run(&config, ENVELOPE, &[b"BDAT 18446744073709551615\r\n", &[b'x'; 101]]);
    assert_eq!(codes, ["421"]);
    assert!(matches!(error, Some(Error::LimitExceeded(e)) if e.limit == "refused_bytes_max"));
}

#[test]
fn a_part_that_the_owner_fetches_is_a_part_of_the_message() {
    let mut site = Site::ready(chunking_config());
    assert!(site.say(b"EHLO x\r\n").contains("BURL imap\r\n"));
    assert!(site.say(b"BURL imap://x\r\n").starts_with("503"));
    site.feed(ENVELOPE);
    site.take_output();
    assert_eq!(site.say(b"BURL imap://x LAST\r\nNOOP\r\n"), "250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
    assert_eq!(site.seen.messages[0].body, b"<imap://x>");
    site.feed(ENVELOPE);
    site.feed(b"BDAT 2\r\na:BURL imap://y\r\nBDAT 2 LAST\r\n:b");
    assert_eq!(site.seen.messages[1].body, b"a:<imap://y>:b");
    site.feed(ENVELOPE);
    site.take_output();
    assert!(site.say(b"BURL imap://missing LAST\r\n").starts_with("554"));
    assert!(site.say(b"RCPT TO:<c@d>\r\n").starts_with("503"));
    assert!(Site::ready(server_config()).say(b"BURL imap://x\r\n").starts_with("502"));
}

/// A client that sends in chunks, past the hello of a server that announces all it needs.
struct Sender {
    conn: client::Connection,
    events: Vec<Event>,
    sent: String,
}

impl Sender {
    fn new(chunking: Chunking, extensions: &str, params: MailParams) -> Result<Self, Error> {
        let config = client::Config { chunking, ..client_config() };
        let mut conn = client::Connection::new(config, Instant::now());
        let hello = format!("250-a\r\n{extensions}250 8BITMIME\r\n");
        for text in ["220 a\r\n", &hello] {
            conn.receive(text.as_bytes(), Instant::now());
            while conn.poll_event()?.is_some() {}
            while conn.poll_transmit().is_some() {}
        }
        let recipients = vec!["c@d".parse()?, "e@f".parse()?];
        conn.send(Envelope { reverse_path: ReversePath::Null, params, recipients })?;
        let mut sender = Self { conn, events: Vec::new(), sent: String::new() };
        sender.hear("");
        Ok(sender)
    }

    fn hear(&mut self, text: &str) {
        self.conn.receive(text.as_bytes(), Instant::now());
        while let Some(event) = self.conn.poll_event().expect("no error") {
            self.events.push(event);
        }
        while let Some(bytes) = self.conn.poll_transmit() {
            self.sent += std::str::from_utf8(&bytes).expect("ASCII");
        }
    }

    fn fates(&self) -> Vec<(usize, u16)> {
        let fate = |event: &Event| match event {
            Event::Fate { recipient, reply, .. } => Some((*recipient, reply.code().value())),
            _ => None,
        };
        self.events.iter().filter_map(fate).collect()
    }
}

const ALL: &str = "250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-BURL imap\r\n";

#[test]
fn a_client_sends_its_chunks_without_waiting_and_counts_their_replies() {
    let mut sender = Sender::new(Chunking::WhenOffered, ALL, MailParams::default()).expect("expressible");
    assert_eq!(sender.sent, "MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n");
    sender.sent.clear();
    sender.hear("250 ok\r\n250 ok\r\n550 no\r\n");
    assert_eq!(sender.events.last(), Some(&Event::BodyWanted));
    sender.conn.body_chunk(&Bytes::from_static(b".a\nb")).expect("wanted");
    sender.conn.body_url(Word::new("imap://x").expect("a word")).expect("announced");
    sender.conn.body_end().expect("wanted");
    assert!(sender.conn.body_end().is_err());
    sender.hear("");
    assert_eq!(sender.sent, "BDAT 5\r\n.a\r\nbBURL imap://x\r\nBDAT 2 LAST\r\n\r\n");
    sender.hear("250 ok\r\n250 ok\r\n250 taken\r\n");
    assert_eq!(sender.fates(), [(1, 550), (0, 250)]);
    assert_eq!(sender.events.last(), Some(&Event::TransactionEnd));
}

#[test]
fn a_client_whose_chunk_is_refused_drops_the_rest_and_resets() {
    let mut sender = Sender::new(Chunking::WhenOffered, ALL, MailParams::default()).expect("expressible");
    sender.hear("250 ok\r\n250 ok\r\n250 ok\r\n");
    sender.sent.clear();
    for _ in 0..2 {
        sender.conn.body_chunk(&Bytes::from_static(b"a\r\n")).expect("wanted");
    }
    sender.hear("");
    assert_eq!(sender.sent, "BDAT 3\r\na\r\nBDAT 3\r\na\r\n");
    sender.hear("452 full\r\n");
    assert_eq!(sender.fates(), [(0, 452), (1, 452)]);
    // The owner has not looked yet.
    sender.conn.body_chunk(&Bytes::from_static(b"a\r\n")).expect("dropped");
    sender.conn.body_end().expect("dropped");
    sender.sent.clear();
    sender.hear("503 no\r\n");
    assert_eq!(sender.sent, "RSET\r\n");
    sender.hear("250 ok\r\n");
    assert_eq!(sender.events.last(), Some(&Event::TransactionEnd));
    assert!(sender.conn.is_idle());
    assert!(matches!(sender.conn.body_chunk(&Bytes::new()), Err(ApiMisuse::WrongState(_))));
}

#[test]
fn a_client_sends_by_data_where_chunks_are_not_offered_and_binary_messages_not_at_all() {
    let binary = || MailParams { body: Some(Body::BinaryMime), ..MailParams::default() };
    for offered in ["", "250-CHUNKING\r\n", "250-PIPELINING\r\n"] {
        let sender = Sender::new(Chunking::WhenOffered, offered, MailParams::default()).expect("expressible");
        assert!(sender.sent.starts_with("MAIL FROM:<>\r\n") && !sender.sent.contains("BDAT"));
        assert!(matches!(
            Sender::new(Chunking::Never, offered, binary()).err(),
            Some(Error::PeerIncompatible(PeerIncompatible::Missing("BINARYMIME")))
        ));
    }
    let without_pipelining = ALL.replace("250-PIPELINING\r\n", "");
    assert!(Sender::new(Chunking::Never, &without_pipelining, binary()).is_err());
    let mut sender = Sender::new(Chunking::Never, ALL, binary()).expect("expressible");
    assert!(sender.sent.starts_with("MAIL FROM:<> BODY=BINARYMIME\r\n"));
    sender.hear("250 ok\r\n250 ok\r\n250 ok\r\n");
    sender.sent.clear();
    sender.conn.body_chunk(&Bytes::from_static(b"a\nb\r")).expect("wanted");
    sender.conn.body_end().expect("wanted");
    sender.hear("");
    assert_eq!(sender.sent, "BDAT 4\r\na\nb\rBDAT 0 LAST\r\n");
}

/// What a model of the server says to a sequence of commands in a session that has begun.
#[derive(Debug, Clone, Copy)]
enum Step {
    Mail,
    Rcpt,
    Data,
    Chunk,
    Last,
    Rset,
    Noop,
}

#[derive(Default)]
struct Model {
    open: bool,
    accepted: bool,
    chunks: bool,
    messages: usize,
}

impl Model {
    fn code(&mut self, step: Step) -> &'static str {
        match step {
            Step::Mail if self.open => "503",
            Step::Mail => {
                self.open = true;
                "250"
            }
            Step::Rcpt if !self.open || self.chunks => "503",
            Step::Rcpt => {
                self.accepted = true;
                "250"
            }
            Step::Data if !self.accepted || self.chunks => "503",
            Step::Data => {
                *self = Self { messages: self.messages + 1, ..Self::default() };
                "354 250"
            }
            Step::Chunk | Step::Last if !self.accepted => "503",
            Step::Chunk => {
                self.chunks = true;
                "250"
            }
            Step::Last => {
                *self = Self { messages: self.messages + 1, ..Self::default() };
                "250"
            }
            Step::Rset => {
                *self = Self { messages: self.messages, ..Self::default() };
                "250"
            }
            Step::Noop => "250",
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn f9_any_sequence_of_commands_is_answered_as_the_model_says(
        steps in prop::collection::vec(prop::sample::select(vec![
            Step::Mail, Step::Rcpt, Step::Data, Step::Chunk, Step::Last, Step::Rset, Step::Noop,
        ]), 0..30),
        piece_bytes in 1_usize..30,
    ) {
        let mut config = chunking_config();
        config.limits.bad_commands_max = 100;
        let (mut site, mut model) = (Site::ready(config), Model::default());
        for step in steps {
            let line: &[u8] = match step {
                Step::Mail => b"MAIL FROM:<a@b>\r\n",
                Step::Rcpt => b"RCPT TO:<c@d>\r\n",
                Step::Data => b"DATA\r\n",
                Step::Chunk => b"BDAT 6\r\nRSET\r\n",
                Step::Last => b"BDAT 6 LAST\r\nQUIT\r\n",
                Step::Rset => b"RSET\r\n",
                Step::Noop => b"NOOP\r\n",
            };
            line.chunks(piece_bytes).for_each(|piece| site.feed(piece));
            let mut output = site.take_output();
            if output.starts_with("354") {
                output += &site.say(b"text\r\n.\r\n");
            }
            let codes: Vec<&str> = output.lines().map(|line| &line[..3]).collect();
            prop_assert_eq!(codes.join(" "), model.code(step), "{:?}", step);
            prop_assert_eq!(site.error, None);
        }
        prop_assert_eq!(site.seen.messages.len(), model.messages);
    }

    #[test]
    fn f2_any_body_arrives_in_its_canonical_form_in_chunks_too(
        body in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..300),
        piece_bytes in 1_usize..50,
        binary: bool,
    ) {
        let now = Instant::now();
        let mut site = Site::greeted(chunking_config());
        let config = client::Config { chunking: Chunking::WhenOffered, ..client_config() };
        let mut conn = client::Connection::new(config, now);
        let mut done = false;
        while !done {
            let output = site.take_output();
            output.as_bytes().chunks(piece_bytes).for_each(|piece| conn.receive(piece, now));
            while let Some(event) = conn.poll_event()? {
                match event {
                    Event::Ready(_) => {
                        let body = Some(if binary { Body::BinaryMime } else { Body::EightBitMime });
                        let params = MailParams { body, ..MailParams::default() };
                        let recipients = vec!["c@d".parse()?];
                        conn.send(Envelope { reverse_path: ReversePath::Null, params, recipients })?;
                    }
                    Event::BodyWanted => {
                        for chunk in body.chunks(piece_bytes) {
                            conn.body_chunk(&Bytes::copy_from_slice(chunk))?;
                        }
                        conn.body_end()?;
                    }
                    Event::TransactionEnd => done = true,
                    _ => {}
                }
            }
            while let Some(bytes) = conn.poll_transmit() {
                bytes.chunks(piece_bytes).for_each(|piece| site.feed(piece));
            }
            prop_assert_eq!(site.error, None);
        }
        let expected = if binary { body.clone() } else { crate::pair::canonical(&body) };
        prop_assert_eq!(site.seen.messages.len(), usize::from(!body.starts_with(b"full")));
        if let Some(message) = site.seen.messages.first() {
            prop_assert_eq!(&message.body, &expected);
        }
    }
}

#[test]
fn a_dropped_ticket_for_chunks_refuses_them_in_their_place() {
    let mut site = Site::ready(chunking_config());
    site.feed(ENVELOPE);
    site.take_output();
    site.conn.receive(b"BDAT 2 LAST\r\nxx", Instant::now());
    let Ok(Some(Asked::Data(ticket))) = site.conn.poll_event() else { panic!() };
    drop(ticket);
    assert_eq!(site.say(b""), "451 4.3.0 Temporary failure, try again later\r\n");
    site.feed(ENVELOPE);
    site.take_output();
    site.conn.receive(b"BDAT 2\r\nxx", Instant::now());
    let Ok(Some(Asked::Data(ticket))) = site.conn.poll_event() else { panic!() };
    site.conn.reply(ticket, &Reply::storage_full()).expect("fits");
    assert_eq!(site.say(b""), "452 4.3.1 Insufficient system storage\r\n");
    assert!(site.say(b"BDAT 0 LAST\r\n").starts_with("503"));
}
