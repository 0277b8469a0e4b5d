//! IMAP: the grammar of `imap-proto` beside `imap-codec` 2.0.0-alpha.10, same bytes, same run.
//!
//! Ours visits every field of what it has parsed, since its views read on demand; the peer has built all of it by the
//! time it returns and is only dropped. Both sides take turns within each round, so a busy machine slows both; the
//! table shows medians. Allocations are counted by the allocator, for one message of the corpus.
//!
//! `-- --check` makes a short pass and fails if a parse or an encode of ours allocates where it must not.

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bar, Bench, Peer, Work};
use bytes::Bytes;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder as _;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{
    Address, BodyPart, Command, CommonExtension, Encode, Encoder, Envelope, FetchItem, List, Literals,
    Parameter, Parser, PartKind, Response, SearchKey,
};

#[global_allocator]
static ALLOCATOR: benches::Counting = benches::Counting;

/// Frames without CRLF for ours, with CRLF for the peer.
struct Corpus {
    frames: Vec<Bytes>,
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

impl Corpus {
    fn new(frames: Vec<Vec<u8>>) -> Self {
        let lines: Vec<Vec<u8>> = frames.iter().map(|frame| [frame, &b"\r\n"[..]].concat()).collect();
        let bytes = lines.iter().map(Vec::len).sum();
        Self { frames: frames.into_iter().map(Bytes::from).collect(), lines, bytes }
    }

    /// Both sides must take every line, or the comparison is none.
    fn checked(self, ours: impl Fn(&[u8]) -> bool, peer: impl Fn(&[u8]) -> bool) -> Self {
        for (frame, line) in self.frames.iter().zip(&self.lines) {
            assert!(ours(frame), "ours refuses {}", String::from_utf8_lossy(frame));
            assert!(peer(line), "the peer refuses {}", String::from_utf8_lossy(line));
        }
        self
    }
}

fn measure(
    bench: &mut Bench,
    name: &'static str,
    corpus: &Corpus,
    bars: &[Bar],
    ours: &mut dyn FnMut(),
    peer: &mut dyn FnMut(),
) {
    let work = Work { name, bytes: corpus.bytes, messages: corpus.frames.len() };
    bench.row(work, bars, ours, &mut [Peer::new("imap-codec", peer)]);
}

fn commands() -> Corpus {
    let frames = [
        "a1 CAPABILITY",
        "a2 NOOP",
        "a3 LOGIN alice \"correct horse battery\"",
        "a4 AUTHENTICATE PLAIN",
        "a5 SELECT INBOX",
        "a6 EXAMINE \"Shared Folders/Team\"",
        "a7 LIST \"\" \"*\"",
        "a8 LIST \"\" %",
        "a9 LSUB \"\" \"INBOX/*\"",
        "a10 STATUS Archive (MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)",
        "a11 CREATE \"Projects/2024\"",
        "a12 RENAME Old New",
        "a13 SUBSCRIBE Work",
        "a14 FETCH 1:* (FLAGS UID)",
        "a15 UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO CC BCC SUBJECT DATE MESSAGE-ID PRIORITY X-PRIORITY REFERENCES NEWSGROUPS IN-REPLY-TO CONTENT-TYPE REPLY-TO)])",
        "a16 UID FETCH 4827313:4828442,4828500,4828510:4828520 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
        "a17 UID FETCH 4827313 (BODY.PEEK[1.2]<0.65536> BODY.PEEK[2.MIME])",
        "a18 UID FETCH 17 BODY[]",
        "a19 UID STORE 4827313:4827320 +FLAGS.SILENT (\\Deleted \\Seen)",
        "a20 STORE 2,4:7,9,12:* -FLAGS ($Junk NonJunk)",
        "a21 UID COPY 1,3,5,7,9,11,13,15,17,19 \"Trash\"",
        "a22 UID SEARCH UNSEEN SINCE 1-Feb-2024 NOT FROM \"Smith\"",
        "a23 SEARCH CHARSET UTF-8 OR SUBJECT \"quarterly report\" (FROM alice TO bob) LARGER 10000",
        "a24 UID SEARCH UID 1:* DELETED",
        "a25 APPEND Drafts (\\Seen \\Draft) \"14-Jul-2024 02:44:25 +0200\" {37+}\r\nSubject: a draft\r\n\r\nSome text here.\r\n",
        "a26 UID EXPUNGE 3000:3002",
        "a27 IDLE",
        "a28 CHECK",
        "a29 CLOSE",
        "a30 UNSELECT",
        "a31 EXPUNGE",
        "a32 UID MOVE 42:69 Archive",
        "a33 ENABLE UTF8=ACCEPT",
        "a34 LOGOUT",
    ];
    Corpus::new(frames.iter().map(|frame| frame.as_bytes().to_vec()).collect()).checked(
        |frame| Parser::new().command(frame).is_ok_and(|c| !matches!(c.command, Command::Unknown(_))),
        |line| CommandCodec::default().decode(line).is_ok(),
    )
}

fn responses_checked(frames: Vec<Vec<u8>>) -> Corpus {
    Corpus::new(frames).checked(
        |frame| {
            Parser::new().response(frame).is_ok_and(|response| match response {
                Response::Fetch { items, .. } => {
                    !items.iter().any(|item| matches!(item, FetchItem::Invalid(_) | FetchItem::Unknown(_)))
                }
                other => !matches!(other, Response::Invalid(_) | Response::Unknown(_)),
            })
        },
        |line| ResponseCodec::default().decode(line).is_ok(),
    )
}

fn fetch_metadata() -> Corpus {
    let frame = |n: usize| {
        let person = format!("(\"Person Number {n}\" NIL \"person{n}\" \"example.org\")");
        let text = format!(
            "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"utf-8\" \"FORMAT\" \"flowed\") NIL NIL \"QUOTED-PRINTABLE\" {} {} NIL NIL NIL NIL)",
            1000 + n,
            20 + n % 50
        );
        let html = text.replace("PLAIN", "HTML");
        format!(
            "* {n} FETCH (UID {} FLAGS (\\Seen $Forwarded) INTERNALDATE \"17-Jul-2024 02:44:25 -0700\" RFC822.SIZE {} \
             ENVELOPE (\"Wed, 17 Jul 2024 02:23:25 -0700 (PDT)\" \"Re: meeting number {n} and minutes\" ({person}) ({person}) \
             ({person}) ({person}{person}) NIL NIL \"<B27397-{n}@example.org>\" \"<B27398-{n}@example.org>\") \
             BODYSTRUCTURE (({text}{html} \"ALTERNATIVE\" (\"BOUNDARY\" \"----=_Part_{n}\") NIL NIL NIL)\
             (\"APPLICATION\" \"PDF\" (\"NAME\" \"minutes-{n}.pdf\") NIL NIL \"BASE64\" 40044 NIL (\"ATTACHMENT\" (\"FILENAME\" \"minutes-{n}.pdf\")) NIL NIL) \
             \"MIXED\" (\"BOUNDARY\" \"----=_Outer_{n}\") NIL NIL NIL))",
            4_827_313 + n,
            44_286 + n
        )
        .into_bytes()
    };
    responses_checked((1..=500).map(frame).collect())
}

fn fetch_literals() -> Corpus {
    let body = "x".repeat(78) + "\r\n";
    let body = body.repeat(640);
    responses_checked(
        (1..=8)
            .map(|n| format!("* {n} FETCH (UID {n} BODY[] {{{}}}\r\n{body})", body.len()).into_bytes())
            .collect(),
    )
}

fn listings() -> Corpus {
    let mut frames = Vec::new();
    for n in 0..80 {
        frames.push(format!("* LIST (\\HasNoChildren) \"/\" \"Projects/Customer {n}/Invoices\""));
        frames.push(format!("* LSUB () \"/\" Lists/rust-{n}"));
        frames.push(format!(
            "* STATUS \"Projects/{n}\" (MESSAGES {n} RECENT 0 UIDNEXT {} UIDVALIDITY 3857529045 UNSEEN {})",
            n * 1000 + 7,
            n % 9
        ));
    }
    let ids: Vec<String> = (1..1_500).map(|n| (n * 13).to_string()).collect();
    frames.extend((0..10).map(|_| format!("* SEARCH {}", ids.join(" "))));
    responses_checked(frames.into_iter().map(String::into_bytes).collect())
}

/// Adds up what a view holds, so that every field is read.
fn visit_response(response: &Response<'_>) -> usize {
    match response {
        Response::Fetch { message, items } => {
            items.iter().fold(*message as usize, |sum, item| sum.wrapping_add(visit_item(&item)))
        }
        Response::List(listed) | Response::Lsub(listed) => {
            listed.attributes.iter().map(|a| a.as_bytes().len()).sum::<usize>()
                + listed.mailbox.to_utf8().len()
        }
        Response::MailboxStatus(status) => {
            status.values.iter().count() + usize::from(status.mailbox.is_inbox())
        }
        Response::Search(numbers) => numbers.iter().fold(0, |sum, n| sum.wrapping_add(n as usize)),
        _ => 0,
    }
}

fn string(string: &Option<imap_proto::IString<'_>>) -> usize {
    string.and_then(|s| s.as_plain()).map_or(0, <[u8]>::len)
}

fn visit_item(item: &FetchItem<'_>) -> usize {
    match item {
        FetchItem::Uid(uid) => *uid as usize,
        FetchItem::Flags(flags) => flags.iter().map(|flag| flag.as_bytes().len()).sum(),
        FetchItem::InternalDate(moment) => moment.zone_minutes().unsigned_abs().into(),
        FetchItem::Rfc822Size(size) => usize::try_from(*size).unwrap_or(0),
        FetchItem::Envelope(envelope) => envelope.value().map_or(0, |envelope| visit_envelope(&envelope)),
        FetchItem::Body(part) | FetchItem::BodyStructure(part) => {
            part.value().map_or(0, |part| visit_part(&part))
        }
        FetchItem::Section { data, .. } => usize::try_from(data.len().unwrap_or(0)).unwrap_or(0),
        _ => 0,
    }
}

fn visit_envelope(envelope: &Envelope<'_>) -> usize {
    let addresses = |list: &List<'_, Address<'_>>| -> usize {
        list.iter().map(|a| string(&a.name) + string(&a.adl) + string(&a.mailbox) + string(&a.host)).sum()
    };
    let lists = [envelope.from, envelope.sender, envelope.reply_to, envelope.to, envelope.cc, envelope.bcc];
    string(&envelope.date)
        + string(&envelope.subject)
        + string(&envelope.in_reply_to)
        + string(&envelope.message_id)
        + lists.iter().map(addresses).sum::<usize>()
}

fn visit_parameters(parameters: &List<'_, Parameter<'_>>) -> usize {
    parameters.iter().map(|p| string(&Some(p.name)) + string(&Some(p.value))).sum()
}

fn visit_common(common: &CommonExtension<'_>) -> usize {
    let disposition =
        common.disposition.map_or(0, |d| string(&Some(d.name)) + visit_parameters(&d.parameters));
    disposition + common.language.iter().map(|l| string(&Some(l))).sum::<usize>() + string(&common.location)
}

fn visit_part(part: &BodyPart<'_>) -> usize {
    match part {
        BodyPart::Multi(multi) => {
            multi.parts.iter().map(|part| visit_part(&part)).sum::<usize>()
                + string(&Some(multi.subtype))
                + multi.extension.map_or(0, |e| visit_parameters(&e.parameters) + visit_common(&e.common))
        }
        BodyPart::Single(single) => {
            let inner = match &single.kind {
                PartKind::Message { envelope, body, .. } => {
                    envelope.value().map_or(0, |envelope| visit_envelope(&envelope))
                        + body.value().map_or(0, |part| visit_part(&part))
                }
                PartKind::Text { lines } => usize::try_from(*lines).unwrap_or(0),
                PartKind::Basic => 0,
            };
            inner
                + string(&Some(single.media_type))
                + string(&Some(single.subtype))
                + string(&single.id)
                + string(&single.description)
                + string(&single.encoding)
                + visit_parameters(&single.parameters)
                + single.extension.map_or(0, |e| string(&e.md5) + visit_common(&e.common))
        }
    }
}

fn visit_command(command: &Command<'_>) -> usize {
    match command {
        Command::Search(search) => search.keys.iter().map(|key| visit_key(&key)).sum(),
        Command::Fetch(fetch) => fetch.messages.iter().count() + fetch.attributes.iter().count(),
        Command::Store(store) => store.messages.iter().count() + store.flags.iter().count(),
        Command::Copy(copying) | Command::Move(copying) => copying.messages.iter().count(),
        Command::Status(query) => query.items.iter().count(),
        Command::Append(append) => append.flags.iter().count(),
        Command::Select(mailbox) | Command::Examine(mailbox) => usize::from(mailbox.is_inbox()),
        _ => 1,
    }
}

fn visit_key(key: &SearchKey<'_>) -> usize {
    match key {
        SearchKey::Not(inner) => inner.value().map_or(0, |inner| visit_key(&inner)),
        SearchKey::Or(one, other) => {
            one.value().map_or(0, |key| visit_key(&key)) + other.value().map_or(0, |key| visit_key(&key))
        }
        SearchKey::And(keys) => keys.iter().map(|key| visit_key(&key)).sum(),
        SearchKey::Sequence(set) | SearchKey::Uid(set) => set.iter().count(),
        _ => 1,
    }
}

fn parse_commands(bench: &mut Bench) {
    let corpus = commands();
    let mut parser = Parser::new();
    let codec = CommandCodec::default();
    measure(
        bench,
        "commands: parse, all visited",
        &corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.command(frame).map(|tagged| visit_command(&tagged.command)).ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok()))),
    );
}

fn parse_responses(bench: &mut Bench, work: &'static str, corpus: &Corpus) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        work,
        corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.response(frame).map(|response| visit_response(&response)).ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok()))),
    );
}

/// Only what a message list shows.
fn parse_summary(bench: &mut Bench, corpus: &Corpus) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        "FETCH metadata: parse, no structure visited",
        corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            for frame in &corpus.frames {
                let sum = parser.response(frame).map(|response| match response {
                    Response::Fetch { items, .. } => items
                        .iter()
                        .filter(|item| !matches!(item, FetchItem::BodyStructure(_)))
                        .fold(0_usize, |sum, item| sum.wrapping_add(visit_item(&item))),
                    _ => 0,
                });
                black_box(sum.ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok()))),
    );
}

fn own_responses(bench: &mut Bench, corpus: &Corpus) {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        bench,
        "FETCH metadata: parse to keep",
        corpus,
        &[Bar::Allocations(1.0)],
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.parse_response(frame.clone(), &[]).ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode_static(line).ok()))),
    );
}

fn encode_commands(bench: &mut Bench) {
    let corpus = commands();
    let mut parsers: Vec<Parser> = corpus.frames.iter().map(|_| Parser::new()).collect();
    let parsed: Vec<_> = parsers
        .iter_mut()
        .zip(&corpus.frames)
        .map(|(parser, frame)| parser.command(frame).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let peers: Vec<_> =
        corpus.lines.iter().filter_map(|l| CommandCodec::default().decode(l).ok()).map(|(_, c)| c).collect();
    let mut out = Vec::with_capacity(corpus.bytes * 2);
    measure(
        bench,
        "commands: encode",
        &corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            out.clear();
            for command in &parsed {
                black_box(command.encode(&mut Encoder::new(&mut out, Literals::NonSync)).ok());
            }
        },
        &mut || peers.iter().for_each(|c| drop(black_box(CommandCodec::default().encode(c).dump()))),
    );
}

fn encode_responses(bench: &mut Bench, work: &'static str, corpus: &Corpus) {
    let mut parsers: Vec<Parser> = corpus.frames.iter().map(|_| Parser::new()).collect();
    let parsed: Vec<_> = parsers
        .iter_mut()
        .zip(&corpus.frames)
        .map(|(parser, frame)| parser.response(frame).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let peers: Vec<_> =
        corpus.lines.iter().filter_map(|l| ResponseCodec::default().decode(l).ok()).map(|(_, r)| r).collect();
    let mut out = Vec::with_capacity(corpus.bytes * 2);
    measure(
        bench,
        work,
        corpus,
        &[Bar::Allocations(0.0)],
        &mut || {
            out.clear();
            for response in &parsed {
                black_box(response.encode(&mut Encoder::new(&mut out, Literals::Server)).ok());
            }
        },
        &mut || peers.iter().for_each(|r| drop(black_box(ResponseCodec::default().encode(r).dump()))),
    );
}

fn main() -> ExitCode {
    let mut bench = Bench::from_args();
    let (metadata, literals, lists) = (fetch_metadata(), fetch_literals(), listings());
    parse_commands(&mut bench);
    parse_responses(&mut bench, "FETCH metadata: parse, all visited", &metadata);
    parse_summary(&mut bench, &metadata);
    own_responses(&mut bench, &metadata);
    parse_responses(&mut bench, "FETCH of 50 KB literals: parse", &literals);
    parse_responses(&mut bench, "LIST, LSUB, STATUS, SEARCH: parse", &lists);
    encode_commands(&mut bench);
    encode_responses(&mut bench, "FETCH metadata: encode", &metadata);
    bench.finish()
}
