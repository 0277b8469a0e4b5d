//! IMAP: the grammar of `imap-proto` beside `imap-codec` 2.0.0-alpha.10, same bytes, same run.
//!
//! Ours visits every field of what it has parsed, since its views read on demand; the peer has built all of it by the
//! time it returns and is only dropped. Both sides take turns within each round, so a busy machine slows both; the
//! table shows medians. Allocations are counted by the allocator, for one message of the corpus.
//!
//! `-- --check` makes a short pass and fails if a parse or an encode of ours allocates where it must not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder as _;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{
    Address, BodyPart, Command, CommonExtension, Encode, Encoder, Envelope, FetchItem, List, Literals,
    Parameter, Parser, PartKind, Response, SearchKey,
};

/// Counts what the system allocator is asked for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system allocator unchanged; counting touches no memory of its own.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

/// One line of the table.
struct Row {
    work: &'static str,
    ours: f64,
    peer: f64,
    ratio: f64,
    ours_allocations: f64,
    peer_allocations: f64,
    /// The most allocations a message may cost us.
    allocations_max: f64,
}

struct Plan {
    rounds: usize,
    round: Duration,
}

/// Nanoseconds this thread has had of a processor, where the system tells.
fn processor_nanos() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Nanoseconds a pass of `work` takes, over at least `least`: of processor time if possible, so that a busy machine
/// does not count.
fn pass_nanos(least: Duration, work: &mut dyn FnMut()) -> f64 {
    let processor_start = processor_nanos();
    let start = Instant::now();
    let mut passes = 0_u32;
    loop {
        work();
        passes += 1;
        let elapsed = start.elapsed();
        if elapsed >= least {
            let nanos = match (processor_start, processor_nanos()) {
                (Some(start), Some(end)) if end > start => end - start,
                _ => elapsed.as_secs_f64() * 1e9,
            };
            return nanos / f64::from(passes);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn allocations(work: &mut dyn FnMut()) -> f64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64
}

fn measure(
    plan: &Plan,
    work: &'static str,
    corpus: &Corpus,
    allocations_max: f64,
    ours: &mut dyn FnMut(),
    peer: &mut dyn FnMut(),
) -> Row {
    // The first pass grows what is kept.
    ours();
    peer();
    let messages = corpus.frames.len() as f64;
    let (ours_allocations, peer_allocations) = (allocations(ours) / messages, allocations(peer) / messages);
    let (mut ours_nanos, mut peer_nanos) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        ours_nanos.push(pass_nanos(plan.round, ours));
        peer_nanos.push(pass_nanos(plan.round, peer));
    }
    let ratios = ours_nanos.iter().zip(&peer_nanos).map(|(ours, peer)| peer / ours).collect();
    let megabytes_per_second = |nanos| corpus.bytes as f64 * 1e3 / median(nanos);
    Row {
        work,
        ratio: median(ratios),
        ours: megabytes_per_second(ours_nanos),
        peer: megabytes_per_second(peer_nanos),
        ours_allocations,
        peer_allocations,
        allocations_max,
    }
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

fn parse_commands(plan: &Plan) -> Row {
    let corpus = commands();
    let mut parser = Parser::new();
    let codec = CommandCodec::default();
    measure(
        plan,
        "commands: parse, all visited",
        &corpus,
        0.0,
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.command(frame).map(|tagged| visit_command(&tagged.command)).ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok()))),
    )
}

fn parse_responses(plan: &Plan, work: &'static str, corpus: &Corpus) -> Row {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        plan,
        work,
        corpus,
        0.0,
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.response(frame).map(|response| visit_response(&response)).ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode(line).ok()))),
    )
}

/// Only what a message list shows.
fn parse_summary(plan: &Plan, corpus: &Corpus) -> Row {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        plan,
        "FETCH metadata: parse, no structure visited",
        corpus,
        0.0,
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
    )
}

fn own_responses(plan: &Plan, corpus: &Corpus) -> Row {
    let mut parser = Parser::new();
    let codec = ResponseCodec::default();
    measure(
        plan,
        "FETCH metadata: parse to keep",
        corpus,
        1.0,
        &mut || {
            for frame in &corpus.frames {
                black_box(parser.parse_response(frame.clone(), &[]).ok());
            }
        },
        &mut || corpus.lines.iter().for_each(|line| drop(black_box(codec.decode_static(line).ok()))),
    )
}

fn encode_commands(plan: &Plan) -> Row {
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
        plan,
        "commands: encode",
        &corpus,
        0.0,
        &mut || {
            out.clear();
            for command in &parsed {
                black_box(command.encode(&mut Encoder::new(&mut out, Literals::NonSync)).ok());
            }
        },
        &mut || peers.iter().for_each(|c| drop(black_box(CommandCodec::default().encode(c).dump()))),
    )
}

fn encode_responses(plan: &Plan, work: &'static str, corpus: &Corpus) -> Row {
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
        plan,
        work,
        corpus,
        0.0,
        &mut || {
            out.clear();
            for response in &parsed {
                black_box(response.encode(&mut Encoder::new(&mut out, Literals::Server)).ok());
            }
        },
        &mut || peers.iter().for_each(|r| drop(black_box(ResponseCodec::default().encode(r).dump()))),
    )
}

#[allow(clippy::print_stdout)]
fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let plan = if check {
        Plan { rounds: 3, round: Duration::from_millis(20) }
    } else {
        Plan { rounds: 9, round: Duration::from_millis(150) }
    };
    let (metadata, literals, lists) = (fetch_metadata(), fetch_literals(), listings());
    let rows = [
        parse_commands(&plan),
        parse_responses(&plan, "FETCH metadata: parse, all visited", &metadata),
        parse_summary(&plan, &metadata),
        own_responses(&plan, &metadata),
        parse_responses(&plan, "FETCH of 50 KB literals: parse", &literals),
        parse_responses(&plan, "LIST, LSUB, STATUS, SEARCH: parse", &lists),
        encode_commands(&plan),
        encode_responses(&plan, "FETCH metadata: encode", &metadata),
    ];
    println!(
        "{:<46} {:>12} {:>22} {:>7} {:>22}",
        "work", "ours MB/s", "imap-codec α.10 MB/s", "ratio", "allocations/message"
    );
    let mut met = true;
    for row in &rows {
        let allocations = format!("{:.2} / {:.2}", row.ours_allocations, row.peer_allocations);
        println!(
            "{:<46} {:>12.0} {:>22.0} {:>6.2}x {:>22}",
            row.work, row.ours, row.peer, row.ratio, allocations
        );
        if row.ours_allocations > row.allocations_max {
            println!("  missed: at most {} allocations a message", row.allocations_max);
            met = false;
        }
    }
    if check && !met { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
