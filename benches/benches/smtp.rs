//! SMTP: commands, replies and messages of `smtp-proto` beside the `smtp-proto` of crates.io (0.2.5), same bytes, same
//! run; memcpy and memchr of the same bytes as yardsticks.

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bar, Bench, Peer, Work};
use bytes::Bytes;
use mail_wire::{BareLineEnd, BodyPart, BodySlice, DotReader, DotWriter, Input, Outbox};
use smtp_proto::{Command, ForwardPathRef, MailParam, RcptParam, ReplyRef, ReversePathRef};
use smtp_proto_peer::Request;
use smtp_proto_peer::request::receiver::DataReceiver;
use smtp_proto_peer::response::parser::ResponseReceiver;

#[global_allocator]
static ALLOCATOR: benches::Counting = benches::Counting;

/// Where messages go: a page that is written over and over, as a socket's or a file's would be.
struct Sink(Box<[u8; SINK_BYTES]>);

const SINK_BYTES: usize = 64 << 10;

impl Sink {
    fn new() -> Self {
        Self(vec![0; SINK_BYTES].into_boxed_slice().try_into().expect("the size fits"))
    }

    /// Takes a piece of at most a page.
    fn put(&mut self, bytes: &[u8]) {
        self.0[..bytes.len()].copy_from_slice(bytes);
        black_box(&self.0);
    }
}

/// A message of lines of 78 bytes, one of `stuffed_every` with a dot at its start.
fn message(bytes: usize, stuffed_every: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 78);
    for line in 1.. {
        if text.len() + 78 > bytes {
            break;
        }
        let dot = if line % stuffed_every == 0 { ".." } else { "xx" };
        text.extend_from_slice(format!("{dot}{line:0>74}\r\n").as_bytes());
    }
    text
}

fn read_slices(wire: &[u8], segment_bytes: usize, bare: BareLineEnd, sink: &mut Sink) {
    let mut reader = DotReader::new(bare);
    for mut segment in wire.chunks(segment_bytes) {
        while let Ok(Some(BodySlice::Text(text))) = reader.read(&mut segment) {
            sink.put(text);
        }
    }
}

fn read_input(wire: &[u8], segment_bytes: usize, bare: BareLineEnd, input: &mut Input, sink: &mut Sink) {
    let mut reader = DotReader::new(bare);
    for segment in wire.chunks(segment_bytes) {
        input.buffer().extend_from_slice(segment);
        while let Ok(Some(BodyPart::Chunk(text))) = reader.poll(input) {
            sink.put(&text);
        }
    }
}

fn bodies(bench: &mut Bench) {
    let wire = [message(1 << 20, 100), b".\r\n".to_vec()].concat();
    let work = |name| Work { name, bytes: wire.len(), messages: 1 };
    let (mut sink, mut other_sink) = (Sink::new(), Sink::new());
    for (name, bare, bar) in [
        ("DATA, 64 KiB segments, bare refused", BareLineEnd::Refuse, 0.3),
        ("DATA, 64 KiB segments, bare kept", BareLineEnd::DangerKeep, 0.4),
    ] {
        bench.row(
            work(name),
            &[Bar::Ratio(bar), Bar::Allocations(0.0)],
            &mut || read_slices(&wire, 64 << 10, bare, &mut sink),
            &mut [Peer::new("memcpy", &mut || {
                wire.chunks(64 << 10).for_each(|piece| other_sink.put(piece));
            })],
        );
    }
    for (name, bare) in [
        ("DATA, 1,460 B segments, bare refused", BareLineEnd::Refuse),
        ("DATA, 1,460 B segments, bare kept", BareLineEnd::DangerKeep),
    ] {
        bench.row(
            work(name),
            &[Bar::Ratio(0.8), Bar::Allocations(0.0)],
            &mut || read_slices(&wire, 1_460, bare, &mut sink),
            &mut [Peer::new("ours in 64 KiB segments", &mut || {
                read_slices(&wire, 64 << 10, bare, &mut other_sink);
            })],
        );
    }
    // A connection has its own buffer: the bytes are copied twice. The peer collects the message.
    let mut input = Input::new();
    for (name, segment_bytes) in
        [("DATA through Input, 64 KiB segments", 64 << 10), ("DATA through Input, 1,460 B segments", 1_460)]
    {
        bench.row(
            work(name),
            &[Bar::Allocations(0.0)],
            &mut || read_input(&wire, segment_bytes, BareLineEnd::Refuse, &mut input, &mut sink),
            &mut [
                Peer::new("smtp-proto 0.2.5", &mut || {
                    let (mut receiver, mut message) = (DataReceiver::new(), Vec::with_capacity(wire.len()));
                    for segment in wire.chunks(segment_bytes) {
                        black_box(receiver.ingest(&mut segment.iter(), &mut message));
                    }
                    black_box(message.len());
                }),
                Peer::new("memcpy", &mut || {
                    wire.chunks(segment_bytes).for_each(|piece| other_sink.put(piece));
                }),
                Peer::new("memchr", &mut || {
                    black_box(memchr::memchr(0, &wire));
                }),
            ],
        );
    }
    let text = Bytes::from(message(1 << 20, 100));
    let (mut sink, mut copy_sink, mut out) = (Sink::new(), Sink::new(), Outbox::new());
    bench.row(
        Work { name: "dot-stuffing, 64 KiB segments", bytes: text.len(), messages: 1 },
        &[Bar::Ratio(0.3)],
        &mut || {
            let mut writer = DotWriter::new();
            for at in (0..text.len()).step_by(64 << 10) {
                writer.write(&text.slice(at..text.len().min(at + (64 << 10))), &mut out);
                while let Some(piece) = out.take() {
                    sink.put(&piece);
                }
            }
            writer.finish(&mut out);
            while let Some(piece) = out.take() {
                sink.put(&piece);
            }
        },
        &mut [Peer::new("memcpy", &mut || text.chunks(64 << 10).for_each(|piece| copy_sink.put(piece)))],
    );
}

/// What clients say: a mix of sessions, with and without extensions.
const COMMANDS: [&str; 47] = [
    "EHLO mail.example.org",
    "EHLO [192.0.2.17]",
    "HELO client.example.com",
    "LHLO hub.example.net",
    "STARTTLS",
    "AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==",
    "AUTH LOGIN",
    "NOOP",
    "RSET",
    "MAIL FROM:<alice@example.org>",
    "MAIL FROM:<> SIZE=1843",
    "MAIL FROM:<alice.smith@mail.example.org> SIZE=48213 BODY=8BITMIME",
    "MAIL FROM:<bounces+12345-bob=example.com@lists.example.net> SIZE=2411 BODY=8BITMIME RET=HDRS ENVID=QQ314159",
    "MAIL FROM:<carol@example.net> SIZE=9001 BODY=8BITMIME SMTPUTF8",
    "RCPT TO:<bob@example.com>",
    "RCPT TO:<carol.jones@department.example.com>",
    "RCPT TO:<dave+folder@example.org>",
    "RCPT TO:<postmaster@example.net> NOTIFY=NEVER",
    "RCPT TO:<eve@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;eve@example.net",
    "RCPT TO:<\"john doe\"@example.org>",
    "RCPT TO:<frank@xn--bcher-kva.example>",
    "DATA",
    "BDAT 86 LAST",
    "QUIT",
    "MAIL FROM:<newsletter@mailing.example.com> SIZE=102400",
    "RCPT TO:<recipient0001@subscribers.example.org>",
    "RCPT TO:<recipient0002@subscribers.example.org>",
    "RCPT TO:<recipient0003@subscribers.example.org>",
    "RCPT TO:<recipient0004@subscribers.example.org>",
    "RCPT TO:<recipient0005@subscribers.example.org>",
    "RCPT TO:<recipient0006@subscribers.example.org>",
    "RCPT TO:<recipient0007@subscribers.example.org>",
    "RCPT TO:<recipient0008@subscribers.example.org>",
    "DATA",
    "MAIL FROM:<reports@monitoring.example.com> SIZE=7812 BODY=8BITMIME",
    "RCPT TO:<operations@example.com>",
    "RCPT TO:<oncall@example.com>",
    "DATA",
    "RSET",
    "MAIL FROM:<bob@example.com> SIZE=1200 BODY=8BITMIME",
    "RCPT TO:<alice@example.org>",
    "DATA",
    "VRFY alice",
    "HELP",
    "NOOP",
    "QUIT",
    "EHLO outbound-17.mail.provider.example",
];

/// What servers answer.
const REPLIES: [&str; 12] = [
    "220 mx.example.org ESMTP ready\r\n",
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
    "250 2.1.0 Ok\r\n",
    "250 2.1.5 Ok\r\n",
    "250 2.1.5 Recipient OK\r\n",
    "354 End data with <CR><LF>.<CR><LF>\r\n",
    "250 2.0.0 Ok: queued as 4F1B2C3D4E\r\n",
    "550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown in local recipient table\r\n",
    "450 4.2.0 <bob@example.org>: Recipient address rejected: Greylisted, see the postmaster's page\r\n",
    "552-5.2.2 The recipient's inbox is out of storage space.\r\n552-5.2.2 Please direct him to the page of\r\n552 5.2.2 his provider.\r\n",
    "421 4.7.0 Temporary system problem. Try again later.\r\n",
    "221 2.0.0 Bye\r\n",
];

/// Adds up what a command holds, so that every field is read and every parameter typed.
fn visit(command: &Command<'_>) -> usize {
    match command {
        Command::Mail { path, params } => {
            let path = match path {
                ReversePathRef::Null => 0,
                ReversePathRef::Mailbox(mailbox) => mailbox.domain().len(),
            };
            path + params
                .iter()
                .filter_map(|param| MailParam::read(param).ok())
                .map(|p| visit_mail(&p))
                .sum::<usize>()
        }
        Command::Rcpt { path, params } => {
            let path = match path {
                ForwardPathRef::Mailbox(mailbox) => mailbox.local_part().as_wire().len(),
                ForwardPathRef::Local(local) => local.as_wire().len(),
            };
            path + params
                .iter()
                .filter_map(|param| RcptParam::read(param).ok())
                .map(|p| visit_rcpt(&p))
                .sum::<usize>()
        }
        Command::Ehlo(name) | Command::Helo(name) | Command::Lhlo(name) => name.as_str().len(),
        Command::Bdat { bytes, .. } => usize::try_from(*bytes).unwrap_or_default(),
        _ => 1,
    }
}

fn visit_mail(param: &MailParam<'_>) -> usize {
    match param {
        MailParam::Size(bytes) => usize::try_from(*bytes).unwrap_or_default(),
        MailParam::EnvelopeId(text) => text.as_wire().len(),
        _ => 1,
    }
}

fn visit_rcpt(param: &RcptParam<'_>) -> usize {
    match param {
        RcptParam::OriginalRecipient(first) => first.address_type().len(),
        _ => 1,
    }
}

/// The next line of the bytes, with its CRLF.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (line, after) = rest.split_at_checked(memchr::memchr(b'\n', rest)? + 1)?;
    *rest = after;
    Some(line)
}

fn grammar(bench: &mut Bench) {
    let repeat = 24;
    let commands = COMMANDS.map(|line| format!("{line}\r\n")).concat().repeat(repeat).into_bytes();
    for line in COMMANDS {
        assert!(Command::parse(line.as_bytes()).is_ok(), "ours refuses {line}");
        assert!(
            Request::parse(&mut format!("{line}\r\n").as_bytes().iter()).is_ok(),
            "the peer refuses {line}"
        );
    }
    bench.row(
        Work {
            name: "commands: parse, all visited",
            bytes: commands.len(),
            messages: COMMANDS.len() * repeat,
        },
        // 1.4x on a quiet machine, parity on a crowded one: no promise on speed yet.
        &[Bar::Allocations(0.0)],
        &mut || {
            let (mut rest, mut sum) = (commands.as_slice(), 0);
            while let Some(line) = next_line(&mut rest) {
                let line = line.strip_suffix(b"\r\n").unwrap_or(line);
                sum += Command::parse(line).map_or(0, |command| visit(&command));
            }
            black_box(sum);
        },
        &mut [Peer::new("smtp-proto 0.2.5", &mut || {
            let mut bytes = commands.iter();
            while bytes.len() > 0 {
                let _ = black_box(Request::parse(&mut bytes));
            }
        })],
    );
    let replies = REPLIES.concat().repeat(repeat).into_bytes();
    bench.row(
        Work { name: "replies: parse, all visited", bytes: replies.len(), messages: REPLIES.len() * repeat },
        &[Bar::Ratio(1.5), Bar::Allocations(0.0)],
        &mut || {
            let (mut rest, mut sum) = (replies.as_slice(), 0);
            while let Ok(Some((reply, used))) = ReplyRef::parse(rest) {
                sum += usize::from(reply.code().value());
                sum += reply.enhanced().map_or(0, |enhanced| usize::from(enhanced.detail()));
                sum += reply.lines().map(|line| line.text.len()).sum::<usize>();
                rest = rest.get(used..).unwrap_or_default();
            }
            black_box(sum);
        },
        &mut [Peer::new("smtp-proto 0.2.5", &mut || {
            let (mut bytes, mut receiver) = (replies.iter(), ResponseReceiver::default());
            while let Ok(reply) = receiver.parse(&mut bytes) {
                black_box(reply);
                receiver.reset();
            }
        })],
    );
    let parsed: Vec<Command<'_>> =
        COMMANDS.iter().filter_map(|line| Command::parse(line.as_bytes()).ok()).collect();
    let mut out = Outbox::new();
    bench.row(
        Work { name: "commands: encode", bytes: commands.len() / repeat, messages: COMMANDS.len() },
        &[],
        &mut || {
            parsed.iter().for_each(|command| command.encode(&mut out));
            while let Some(piece) = out.take() {
                black_box(piece);
            }
        },
        &mut [],
    );
}

fn main() -> ExitCode {
    let mut bench = Bench::from_args();
    grammar(&mut bench);
    bodies(&mut bench);
    bench.finish()
}
