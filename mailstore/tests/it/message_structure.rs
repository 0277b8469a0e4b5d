//! Tables of messages, ordinary and nasty, and the structure they have.

use mailstore::message::{Address, Addresses, Kind, Part, SectionText, SentDate, Structure};

/// The tree as text: `text/plain`, `multipart/mixed[a b]`, `message/rfc822{text/plain}`.
fn tree(structure: &Structure) -> String {
    fn show(structure: &Structure, part: &Part<'_>) -> String {
        let kind = format!("{}/{}", text(part.media_type), text(part.media_subtype));
        let children: Vec<_> = structure.children(part).map(|child| show(structure, &child)).collect();
        match part.kind {
            Kind::Leaf => kind,
            Kind::Multipart => format!("{kind}[{}]", children.join(" ")),
            Kind::Message => format!("{kind}{{{}}}", children.join(" ")),
        }
    }
    show(structure, &structure.root())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_tree(raw: &str, expected: &str) {
    let raw = raw.replace('\n', "\r\n");
    assert_eq!(tree(&Structure::parse(raw.as_bytes())), expected, "{raw}");
}

/// The bodies of all leaves, in order, with the lines that each has.
fn leaves(raw: &[u8]) -> Vec<(String, u32)> {
    Structure::parse(raw)
        .parts()
        .filter(|p| p.kind == Kind::Leaf)
        .map(|p| (text(&raw[p.body.range()]), p.lines))
        .collect()
}

fn check_leaves(raw: &str, expected: &[(&str, u32)]) {
    let raw = raw.replace('\n', "\r\n");
    let found = leaves(raw.as_bytes());
    let found: Vec<_> = found.iter().map(|(body, lines)| (body.as_str(), *lines)).collect();
    assert_eq!(found, expected, "{raw}");
}

fn addresses(list: Addresses<'_>) -> String {
    let show = |address: Address<'_>| {
        [address.name, address.route, address.mailbox, address.host]
            .map(|value| value.map_or("NIL".to_owned(), text))
            .join(" ")
    };
    list.map(show).collect::<Vec<_>>().join(", ")
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=x\n\n";

#[test]
fn single_parts_take_the_defaults_of_the_standard() {
    check_tree("", "text/plain");
    check_tree("no colon at all", "text/plain");
    check_tree("A: b\n\nbody\n", "text/plain");
    check_tree("Content-Type: nonsense\n\nbody\n", "text/plain");
    check_tree("Content-Type: text\n\nbody\n", "text/plain");
    check_tree("Content-Type: IMAGE/Png\n\nbody\n", "IMAGE/Png");
    check_tree("Content-Type: a/b\nContent-Type: c/d\n\nbody\n", "a/b");

    let structure = Structure::parse(b"\r\nbody");
    let root = structure.root();
    assert_eq!(root.parameters.clone().collect::<Vec<_>>(), [(&b"charset"[..], &b"us-ascii"[..])]);
    assert_eq!(root.encoding, b"7BIT");
    assert_eq!((root.header.range(), root.body.range(), root.lines), (0..2, 2..6, 0));
}

#[test]
fn multiparts_are_taken_apart() {
    check_tree(
        &format!("{MIXED}--x\n\na\n--x\nContent-Type: image/png\n\nb\n--x--\n"),
        "multipart/mixed[text/plain image/png]",
    );
    check_leaves(
        &format!("{MIXED}preamble\n--x\n\na\n\n--x\n\nb\nc\n--x--\nepilogue\n"),
        &[("a\r\n", 1), ("b\r\nc", 1)],
    );
    check_tree(
        "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\nb\n--x\nContent-Type: text/html\n\n--x--",
        "multipart/digest[message/rfc822{text/plain} text/html]",
    );
    check_tree(
        &format!(
            "{MIXED}--x\nContent-Type: message/rfc822\n\nSubject: in\nContent-Type: multipart/alternative; boundary=y\n\n\
             --y\n\na\n--y\nContent-Type: text/html\n\nb\n--y--\n\n--x\n\nc\n--x--\n"
        ),
        "multipart/mixed[message/rfc822{multipart/alternative[text/plain text/html]} text/plain]",
    );
}

#[test]
fn broken_multiparts_give_what_is_there() {
    // Nothing closes; the outer delimiter ends the inner multipart.
    check_leaves(&format!("{MIXED}--x\n\na\n"), &[("a\r\n", 1)]);
    check_leaves(&format!("{MIXED}--x\n\na"), &[("a", 0)]);
    check_leaves(
        &format!(
            "{MIXED}--x\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\na\n--x\n\nb\n--y\nc\n--x--\n--x\nd\n"
        ),
        &[("a", 0), ("b\r\n--y\r\nc", 2)],
    );
    // Delimiters directly behind one another, behind a header, at the very end, and without any header line.
    check_leaves(&format!("{MIXED}--x\n--x\n\n--x\nA: b\n--x--"), &[("", 0), ("", 0), ("", 0)]);
    check_leaves(&format!("{MIXED}--x"), &[("", 0)]);
    check_leaves(&format!("{MIXED}--x\n"), &[("", 0)]);
    check_tree(
        &format!("{MIXED}--x\nContent-Type: message/rfc822\n--x--"),
        "multipart/mixed[message/rfc822{text/plain}]",
    );
    check_tree(
        &format!("{MIXED}--x\nContent-Type: multipart/mixed; boundary=y\n--x--"),
        "multipart/mixed[multipart/mixed[text/plain]]",
    );
    check_tree("Content-Type: message/rfc822", "message/rfc822{text/plain}");
}

#[test]
fn a_multipart_without_parts_has_one_empty_part() {
    for raw in [
        "Content-Type: multipart/mixed\n\nbody\n",
        "Content-Type: multipart; boundary=x\n\nbody\n",
        "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n--\n",
        "Content-Type: multipart/mixed; boundary=x\n\n--x--\n",
        "Content-Type: multipart/mixed; boundary=x",
    ] {
        check_tree(raw, "multipart/mixed[text/plain]");
        check_leaves(raw, &[("", 0)]);
    }
}

#[test]
fn boundaries_match_whole_and_the_longest_wins() {
    // White space behind is allowed, other text is not.
    check_leaves(
        &format!("{MIXED}--x \t\n\na\n--xy\n--x.\n --x\n-x\n--x-- junk\n"),
        &[("a\r\n--xy\r\n--x.\r\n --x\r\n-x", 4)],
    );
    check_tree(
        &format!(
            "{MIXED}--x\nContent-Type: multipart/mixed; boundary=x--y\n\n--x--y\n\na\n--x--y\n\nb\n--x--y--\n--x\n\nc\n--x--"
        ),
        "multipart/mixed[multipart/mixed[text/plain text/plain] text/plain]",
    );
    // An inner multipart with its parent's boundary is closed first.
    let same = format!(
        "{MIXED}--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n--x\n\nb\n--x--\n"
    );
    check_tree(&same, "multipart/mixed[multipart/mixed[text/plain] text/plain]");
    check_leaves(&same, &[("a", 0), ("b", 0)]);
    check_tree(
        "Content-Type: multipart/mixed; boundary=\"a b \"\n\n--a b\n\na\n--a b--\n",
        "multipart/mixed[text/plain]",
    );
    check_leaves(
        "Content-Type: multipart/mixed;\n boundary*0=a;\n boundary*1=b\n\n--ab\n\na\n--ab--\n",
        &[("a", 0)],
    );
}

#[test]
fn bare_line_feeds_end_lines_too() {
    let raw = b"Content-Type: multipart/mixed;\n\tboundary=x\n\n--x\n\na\n--x\r\n\r\nb\r\r\n--x--\n";
    assert_eq!(leaves(raw), [("a".to_owned(), 0), ("b\r".to_owned(), 0)]);
}

#[test]
fn sections_are_found_by_their_numbers() {
    let raw = format!(
        "Subject: out\n{MIXED}--x\n\none\n--x\nContent-Type: message/rfc822\n\nSubject: in\n\ntwo\n--x\n\
         Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=y\n\n--y\nA: b\n\nthree\n--y--\n--x--\n"
    )
    .replace('\n', "\r\n");
    let structure = Structure::parse(raw.as_bytes());
    let section = |numbers: &[u32], what| {
        structure.section(numbers, what).map(|place| raw[place.range()].replace("\r\n", "|"))
    };
    let find = |numbers: &[u32], what, expected: Option<&str>| {
        assert_eq!(section(numbers, what).as_deref(), expected, "{numbers:?} {what:?}");
    };
    use SectionText::{Header, Mime, Text, Whole};
    assert_eq!(section(&[], Whole), Some(raw.replace("\r\n", "|")));
    find(&[], Header, Some("Subject: out|Content-Type: multipart/mixed; boundary=x||"));
    find(&[], Mime, None);
    find(&[1], Whole, Some("one"));
    find(&[1], Mime, Some("|"));
    find(&[1], Header, None);
    find(&[1], Text, None);
    find(&[1, 1], Whole, None);
    find(&[2], Whole, Some("Subject: in||two"));
    find(&[2], Mime, Some("Content-Type: message/rfc822||"));
    find(&[2], Header, Some("Subject: in||"));
    find(&[2], Text, Some("two"));
    find(&[2, 1], Whole, Some("two"));
    find(&[2, 1], Mime, Some("Subject: in||"));
    find(&[2, 2], Whole, None);
    find(&[2, 1, 1], Whole, None);
    find(&[3, 1], Whole, Some("three"));
    find(&[3, 1], Mime, Some("A: b||"));
    find(&[3, 2], Whole, None);
    find(&[4], Whole, None);
    find(&[0], Whole, None);
    find(&[u32::MAX], Whole, None);
}

#[test]
fn part_1_of_a_message_that_is_no_multipart_is_its_body() {
    let structure = Structure::parse(b"A: b\r\n\r\nbody");
    assert_eq!(structure.section(&[1], SectionText::Whole).map(|p| p.range()), Some(8..12));
    assert_eq!(structure.section(&[1], SectionText::Mime).map(|p| p.range()), Some(0..8));
    assert_eq!(structure.section(&[2], SectionText::Whole), None);

    let structure = Structure::parse(b"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nbody");
    assert_eq!(structure.section(&[1], SectionText::Whole).map(|p| p.range()), Some(32..44));
    assert_eq!(structure.section(&[1], SectionText::Text).map(|p| p.range()), Some(40..44));
    assert_eq!(structure.section(&[1, 1], SectionText::Whole).map(|p| p.range()), Some(40..44));
}

#[test]
fn partial_fetches_are_cut_at_the_end_of_the_section() {
    let structure = Structure::parse(b"A: b\r\n\r\nbody");
    let body = structure.root().body;
    assert_eq!(body.partial(0, 2).range(), 8..10);
    assert_eq!(body.partial(3, 100).range(), 11..12);
    assert_eq!(body.partial(4, 1).range(), 12..12);
    assert_eq!(body.partial(u32::MAX, u32::MAX).range(), 12..12);
}

#[test]
fn envelopes_hold_what_was_sent() {
    let raw = "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n\
         From: =?utf-8?q?Ter=C3=A9?= <a@x>,\r\n \"B, C\" <b@y>\r\nSubject: one\r\n  two\r\n\
         subject: not this\r\nTo: g: c@z;\r\nTO: d@z\r\nReply-To:\r\nCc:\r\nMESSAGE-ID : <1@x>\r\nIn-Reply-To:\r\n\r\n";
    let structure = Structure::parse(raw.as_bytes());
    let envelope = structure.envelope();
    assert_eq!(envelope.date.map(text).as_deref(), Some("Mon, 7 Feb 1994 21:52:25 -0800 (PST)"));
    assert_eq!(structure.sent(), Some(SentDate { utc_seconds: 760_686_745, zone_minutes: -480 }));
    assert_eq!(envelope.subject.map(text).as_deref(), Some("one  two"));
    assert_eq!(envelope.message_id.map(text).as_deref(), Some("<1@x>"));
    assert_eq!(envelope.in_reply_to, Some(&b""[..]));
    let from = "=?utf-8?q?Ter=C3=A9?= NIL a x, B, C NIL b y";
    assert_eq!(addresses(envelope.from), from);
    assert_eq!(addresses(envelope.sender), from);
    assert_eq!(addresses(envelope.reply_to), from);
    assert_eq!(addresses(envelope.to), "NIL NIL g NIL, NIL NIL c z, NIL NIL NIL NIL, NIL NIL d z");
    assert_eq!((envelope.cc.len(), envelope.bcc.len()), (0, 0));
}

#[test]
fn a_message_inside_has_an_envelope_of_its_own_and_parts_have_none() {
    let raw = format!(
        "Subject: out\n{MIXED}--x\nSubject: part\nDate: 1 Jan 2000 00:00:00 +0000\nContent-Type: message/rfc822\n\n\
         Subject: in\nSender: s@t\n\nbody\n--x--\n"
    );
    let structure = Structure::parse(raw.as_bytes());
    assert_eq!(structure.envelope().subject, Some(&b"out"[..]));
    assert_eq!(structure.sent(), None);
    let inner = structure.find(&[1]).and_then(|part| part.envelope).expect("a message");
    assert_eq!(inner.subject, Some(&b"in"[..]));
    assert_eq!((addresses(inner.sender).as_str(), inner.from.len()), ("NIL NIL s t", 0));
    assert!(structure.root().envelope.is_none());
}

#[test]
fn body_fields_hold_what_was_sent() {
    let raw = b"Content-Type: Application/PDF; name*0=\"a\"; name*1*=%20b\r\nContent-ID: <i@d>\r\n\
        Content-Description: two\r\n words\r\nContent-Transfer-Encoding: BASE64 (x)\r\nContent-MD5: Q2hl==\r\n\
        Content-Disposition: attachment; filename=\"a \\\"b\\\".pdf\"; size=3\r\n\
        Content-Language: de, en\r\nContent-Location: http://x/\r\n y\r\n\r\nAAAA\r\n";
    let structure = Structure::parse(raw);
    let part = structure.root();
    assert_eq!((part.media_type, part.media_subtype), (&b"Application"[..], &b"PDF"[..]));
    let parameters: Vec<_> = part.parameters.map(|(n, v)| format!("{}={}", text(n), text(v))).collect();
    assert_eq!(parameters, ["name*0=a", "name*1*=%20b"]);
    assert_eq!(part.content_id, Some(&b"<i@d>"[..]));
    assert_eq!(part.description, Some(&b"two words"[..]));
    assert_eq!(part.encoding, b"BASE64");
    assert_eq!(part.md5, Some(&b"Q2hl=="[..]));
    let disposition = part.disposition.expect("a disposition");
    assert_eq!(disposition.kind, b"attachment");
    assert_eq!(disposition.parameters.named("FileName"), Some(&b"a \"b\".pdf"[..]));
    assert_eq!(disposition.parameters.len(), 2);
    assert_eq!(part.languages.collect::<Vec<_>>(), [&b"de"[..], b"en"]);
    assert_eq!(part.location, Some(&b"http://x/ y"[..]));
    assert_eq!((part.lines, part.body.len()), (1, 6));
}

#[test]
fn values_never_hold_cr_lf_or_nul() {
    let raw = b"Subject: a\0b\r\r\n c\r\nFrom: \"x\0\r\r\n y\" <a@b>\r\nContent-Type: text/plain; name=\"\0\"\r\n\r\n";
    let structure = Structure::parse(raw);
    assert_eq!(structure.envelope().subject, Some(&b"a b c"[..]));
    let part = structure.root();
    assert_eq!(part.parameters.named("name"), Some(&b" "[..]));
    assert_eq!(addresses(structure.envelope().from), "x  y NIL a b");
}

#[test]
fn text_keeps_a_charset_that_was_sent() {
    let count = |raw: &[u8]| Structure::parse(raw).root().parameters.len();
    assert_eq!(count(b"Content-Type: text/plain; CHARSET=utf-8\r\n\r\n"), 1);
    assert_eq!(count(b"Content-Type: text/plain; format=flowed\r\n\r\n"), 2);
    assert_eq!(count(b"Content-Type: image/png\r\n\r\n"), 0);
}
