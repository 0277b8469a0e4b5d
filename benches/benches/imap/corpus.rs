//! What is parsed and encoded: lines as clients and servers send them, the same for all sides.

use bytes::Bytes;
use imap_codec::decode::Decoder;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::{Command, FetchItem, Parser, Response};

/// Frames without CRLF for ours, with CRLF for the peer.
pub(crate) struct Corpus {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) bytes: usize,
}

impl Corpus {
    pub(crate) fn new(frames: Vec<Vec<u8>>) -> Self {
        let lines: Vec<Vec<u8>> = frames.iter().map(|frame| [frame, &b"\r\n"[..]].concat()).collect();
        let bytes = lines.iter().map(Vec::len).sum();
        Self { frames: frames.into_iter().map(Bytes::from).collect(), lines, bytes }
    }

    /// All sides must take every line, or the comparison is none.
    fn checked(self, ours: impl Fn(&[u8]) -> bool, peer: impl Fn(&[u8]) -> bool) -> Self {
        for (frame, line) in self.frames.iter().zip(&self.lines) {
            assert!(ours(frame), "ours refuses {}", String::from_utf8_lossy(frame));
            assert!(peer(line), "a peer refuses {}", String::from_utf8_lossy(line));
        }
        self
    }
}

pub(crate) fn commands() -> Corpus {
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

pub(crate) fn responses_checked(frames: Vec<Vec<u8>>) -> Corpus {
    Corpus::new(frames).checked(
        |frame| {
            Parser::new().response(frame).is_ok_and(|response| match response {
                Response::Fetch { items, .. } => {
                    !items.iter().any(|item| matches!(item, FetchItem::Invalid(_) | FetchItem::Unknown(_)))
                }
                other => !matches!(other, Response::Invalid(_) | Response::Unknown(_)),
            })
        },
        |line| {
            ResponseCodec::default().decode(line).is_ok() && imap_proto_peer::Response::parse(line).is_ok()
        },
    )
}

/// 500 FETCH replies of about 1 KB, as a mail client asks for them to show a mailbox: five shapes of message in turns.
pub(crate) fn fetch_metadata() -> Corpus {
    responses_checked((1..=500).map(|n| fetch_line(n).into_bytes()).collect())
}

fn fetch_line(n: usize) -> String {
    let person = |k: usize| match k % 4 {
        0 => format!("(NIL NIL \"list-{k}\" \"lists.example.org\")"),
        1 => format!("(\"Person Number {k}\" NIL \"person{k}\" \"example.org\")"),
        2 => format!("(\"=?utf-8?Q?J=C3=BCrgen_M{k}?=\" NIL \"juergen.m{k}\" \"mail.example.com\")"),
        _ => format!("(\"\\\"Last{k}, First\\\" (Sales)\" NIL \"f.last{k}\" \"example.net\")"),
    };
    let people = |first: usize, count: usize| -> String { (first..first + count).map(person).collect() };
    let text = |subtype: &str| {
        format!(
            "(\"TEXT\" \"{subtype}\" (\"CHARSET\" \"utf-8\" \"FORMAT\" \"flowed\") NIL NIL \"QUOTED-PRINTABLE\" {} {} NIL NIL NIL NIL)",
            1000 + n * 7,
            20 + n % 50
        )
    };
    let file = |media: &str, name: &str| {
        format!(
            "({media} (\"NAME\" \"{name}\") \"<part-{n}@example.org>\" NIL \"BASE64\" {} NIL (\"ATTACHMENT\" (\"FILENAME\" \"{name}\")) NIL NIL)",
            40_044 + n
        )
    };
    let boundary = format!("(\"BOUNDARY\" \"----=_Part_{n}_1907.1721206\") NIL NIL NIL");
    let alternative = format!("({}{} \"ALTERNATIVE\" {boundary})", text("PLAIN"), text("HTML"));
    let envelope = |n: usize, to: usize, cc: usize| {
        let cc = if cc == 0 { "NIL".to_owned() } else { format!("({})", people(n + 30, cc)) };
        format!(
            "(\"Wed, 17 Jul 2024 02:23:25 -0700 (PDT)\" \"Re: meeting number {n} and what was said there\" ({p}) ({p}) ({p}) \
             ({}) {cc} NIL \"<B27397-{n}@example.org>\" \"<B27398-{n}@example.org>\")",
            people(n + 7, to),
            p = person(n)
        )
    };
    let structure = match n % 5 {
        0 => text("PLAIN"),
        1 => format!(
            "({alternative}{} \"MIXED\" {boundary})",
            file("\"APPLICATION\" \"PDF\"", &format!("minutes-{n}.pdf"))
        ),
        2 => alternative,
        3 => format!(
            "({}(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" {} {} {} 73 NIL NIL NIL NIL) \"MIXED\" {boundary})",
            text("PLAIN"),
            3_028 + n,
            envelope(n + 1, 1, 0),
            text("PLAIN")
        ),
        _ => format!(
            "({}{}{} \"RELATED\" {boundary})",
            text("HTML"),
            file("\"IMAGE\" \"PNG\"", "logo.png"),
            file("\"IMAGE\" \"JPEG\"", &format!("photo {n}.jpeg"))
        ),
    };
    let flags =
        ["", "\\Seen", "\\Seen $Forwarded", "\\Answered \\Seen", "\\Seen \\Flagged NonJunk $label1"][n % 5];
    let (to, cc) = if n.is_multiple_of(5) { (4, 5) } else { (1 + n % 3, n % 2) };
    format!(
        "* {n} FETCH (UID {} FLAGS ({flags}) INTERNALDATE \"17-Jul-2024 02:44:25 -0700\" RFC822.SIZE {} ENVELOPE {} BODYSTRUCTURE {structure})",
        4_827_313 + n,
        44_286 + n * 13,
        envelope(n, to, cc)
    )
}

pub(crate) fn fetch_literals() -> Corpus {
    let body = "x".repeat(78) + "\r\n";
    let body = body.repeat(640);
    responses_checked(
        (1..=8)
            .map(|n| format!("* {n} FETCH (UID {n} BODY[] {{{}}}\r\n{body})", body.len()).into_bytes())
            .collect(),
    )
}

pub(crate) fn listings() -> Corpus {
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
    responses_checked(frames.into_iter().map(String::into_bytes).collect())
}

pub(crate) fn searches() -> Corpus {
    let ids: Vec<String> = (1..1_500).map(|n| (n * 13).to_string()).collect();
    responses_checked((0..10).map(|_| format!("* SEARCH {}", ids.join(" ")).into_bytes()).collect())
}

pub(crate) fn vanished() -> Corpus {
    let frame = |n: u32| {
        let ranges: Vec<String> =
            (0..20 * n).map(|m| format!("{}:{},{}", 1_000 + m * 9, 1_003 + m * 9, 1_006 + m * 9)).collect();
        format!("* VANISHED (EARLIER) {}", ranges.join(",")).into_bytes()
    };
    responses_checked((1..=20).map(frame).collect())
}

/// What neither peer takes, so that there is nothing to compare with but the rows above.
pub(crate) fn esearches() -> Corpus {
    let frame = |n: u32| {
        let ranges: Vec<String> =
            (0..40 * n).map(|m| format!("{}:{}", 1_000 + m * 7, 1_003 + m * 7)).collect();
        format!(
            "* ESEARCH (TAG \"a{n}\") UID MIN 1000 MAX {} COUNT {} ALL {}",
            1_000_000 + n,
            n * 160,
            ranges.join(",")
        )
        .into_bytes()
    };
    Corpus::new((1..=20).map(frame).collect())
        .checked(|frame| matches!(Parser::new().response(frame), Ok(Response::Esearch(_))), |_| true)
}
