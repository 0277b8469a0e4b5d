//! What holds for every message: the same structure for every cut of the input, places inside one another, a decoder
//! that takes back what was encoded and survives everything else.

use bytes::Bytes;
use mailstore::message::{
    Kind, Limits, Parser, Selection, SentDate, Structure, header_fields, headers, search,
};
use proptest::prelude::*;

/// Pieces that messages are made of; put together at random they come near every rule of the parser.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&'static [u8]> = vec![
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b"--",
        b"--x",
        b"--x--",
        b"--xy",
        b"\r\n--x\r\n",
        b"\r\n--x--\r\n",
        b"\r\n--xy\r\n",
        b"\r\n--xy--\r\n",
        b"--x \r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=\"xy\"\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: multipart/mixed\r\n",
        b"content-type: text/html;\r\n charset=utf-8\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''a\r\n",
        b"Content-Language: de, en\r\n",
        b"From: \"A\\\" B\" <a@b>, g: c@d (x), e;\r\n",
        b"To: <@r,@s:a@b>\r\n",
        b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n",
        b"Subject: =?utf-8?q?a=C3?=\r\n =?utf-8?b?qQ==?=\r\n",
        b"Message-ID: <1@x>\r\n",
        b": empty\r\n",
        b"broken\r\n",
        b"text text\r\n",
        b"=C3=A9=\r\n",
        b"\"",
        b"(",
        b"\\",
        b"<",
        b"@",
        b";",
        b",",
    ];
    prop_oneof![
        8 => proptest::sample::select(fixed).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

/// A message as a mail program writes it.
const REAL: &str = "Return-Path: <ann@example.org>\r\nReceived: from a.example (a.example [192.0.2.1])\r\n\tby b.example; \
    Tue, 1 Jul 2003 10:52:37 +0200\r\nDate: Tue, 1 Jul 2003 10:52:37 +0200 (CEST)\r\nFrom: \"Ann, A.\" <ann@example.org>\r\n\
    To: =?utf-8?q?B=C3=B6b?= <bob@example.net>,\r\n list: c@x, d@y;\r\nCc: carol@example.com (Carol)\r\n\
    Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nMessage-ID: <1.2@example.org>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed;\r\n boundary=\"----=_Part_1\"\r\n\r\nThis is MIME.\r\n\
    ------=_Part_1\r\nContent-Type: multipart/alternative; boundary=\"----=_Part_1.2\"\r\n\r\n\
    ------=_Part_1.2\r\nContent-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Sch=C3=B6ne Gr=\r\n=C3=BC=C3=9Fe\r\n\r\n------=_Part_1.2\r\nContent-Type: text/html\r\n\r\n<p>hi</p>\r\n\
    ------=_Part_1.2--\r\n\r\n------=_Part_1\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@x\r\nSubject: in\r\n\r\ninner\r\n\
    ------=_Part_1\r\nContent-Type: image/png; name*=utf-8''a%20b.png\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment;\r\n filename=\"a b.png\"\r\n\r\niVBORw0KGgo=\r\n------=_Part_1--\r\n";

#[derive(Clone, Debug)]
enum Change {
    Overwrite(u8),
    Remove(usize),
    Repeat(usize),
}

/// [`REAL`] with a few bytes overwritten, removed and repeated.
fn changed_message() -> impl Strategy<Value = Vec<u8>> {
    let change = prop_oneof![
        prop_oneof![any::<u8>(), proptest::sample::select(&b"\r\n -;:\"()<>@,=\0"[..])]
            .prop_map(Change::Overwrite),
        (1usize..60).prop_map(Change::Remove),
        (1usize..400).prop_map(Change::Repeat),
    ];
    proptest::collection::vec((any::<proptest::sample::Index>(), change), 0..8).prop_map(|changes| {
        let mut raw = REAL.as_bytes().to_vec();
        for (at, change) in changes {
            let at = at.index(raw.len());
            match change {
                Change::Overwrite(byte) => raw[at] = byte,
                Change::Remove(bytes) => drop(raw.drain(at..(at + bytes).min(raw.len() - 1).max(at))),
                Change::Repeat(bytes) => raw.extend_from_within(at..(at + bytes).min(raw.len())),
            }
        }
        raw
    })
}

#[test]
fn every_prefix_of_a_message_is_a_message() {
    let whole = Structure::parse(REAL.as_bytes());
    assert_eq!(whole.len(), 7);
    assert_eq!(whole.envelope().to.len(), 5);
    for end in 0..REAL.len() {
        let raw = &REAL.as_bytes()[..end];
        let structure = Structure::parse(raw);
        check_invariants(raw, &structure, &Limits::default());
        assert_eq!(Structure::decode(structure.encoded().clone()).as_ref(), Ok(&structure));
    }
}

fn small_limits() -> impl Strategy<Value = Limits> {
    (1usize..5, 1usize..6, 10u32..200, 5usize..60, 50usize..500, 0u32..600).prop_map(
        |(depth, parts, header, field, captured, message)| {
            let mut limits = Limits::default();
            limits.depth_max = depth;
            limits.parts_max = parts;
            limits.header_bytes_max = header;
            limits.field_bytes_max = field;
            limits.captured_bytes_max = captured;
            limits.message_bytes_max = message;
            limits.parameters_max = 2;
            limits.addresses_max = 3;
            limits.boundary_bytes_max = 2;
            limits
        },
    )
}

fn parse(raw: &[u8], limits: &Limits, cuts: &[usize]) -> Structure {
    let mut parser = Parser::new(limits.clone());
    let mut rest = raw;
    for &cut in cuts {
        let (piece, tail) = rest.split_at(cut.min(rest.len()));
        parser.feed(piece);
        rest = tail;
    }
    parser.feed(rest);
    parser.finish()
}

/// Asserts everything that holds for every structure of `raw`, and walks all its views.
fn check_invariants(raw: &[u8], structure: &Structure, limits: &Limits) {
    assert!(structure.size() as usize <= raw.len());
    assert!(structure.len() <= limits.parts_max);
    let mut reached = 1;
    for part in structure.parts() {
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= structure.size());
        let body = &raw[part.body.range()];
        assert_eq!(
            part.lines as usize,
            body.iter().filter(|b| **b == b'\n').count(),
            "lines of {:?}",
            part.id
        );
        let mut after = part.body.start;
        let children: Vec<_> = structure.children(&part).collect();
        for child in &children {
            assert!(child.header.start >= after && child.body.end <= part.body.end);
            assert!(child.id > part.id);
            after = child.body.end;
        }
        reached += children.len();
        match part.kind {
            Kind::Leaf => assert!(children.is_empty()),
            Kind::Multipart => assert!(!children.is_empty()),
            Kind::Message => assert_eq!(children.len(), 1),
        }
        assert!(part.parameters.clone().count() <= limits.parameters_max + 1);
        assert_eq!(part.envelope.is_some(), part.kind == Kind::Message);
        assert!(!part.media_type.is_empty() && !part.media_subtype.is_empty());
    }
    assert_eq!(reached, structure.len(), "every part has one parent");
    let envelope = structure.envelope();
    for list in [envelope.from, envelope.sender, envelope.reply_to, envelope.to, envelope.cc, envelope.bcc] {
        assert!(list.len() <= limits.addresses_max);
        let mut in_group = false;
        for address in list {
            let marker = address.host.is_none();
            assert!(!marker || (address.mailbox.is_some() != in_group), "groups begin and end in turn");
            in_group ^= marker;
            assert!(marker || address.mailbox.is_some());
        }
        assert!(!in_group);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p5_trees_are_the_same_for_every_cut_and_their_parts_lie_in_one_another(
        raw in message(), cuts in proptest::collection::vec(0usize..50, 0..30)
    ) {
        let limits = Limits::default();
        let whole = Structure::parse(&raw);
        check_invariants(&raw, &whole, &limits);
        prop_assert_eq!(whole.size() as usize, raw.len());
        prop_assert!(!whole.is_truncated());
        prop_assert_eq!(&parse(&raw, &limits, &cuts), &whole);
        prop_assert_eq!(&parse(&raw, &limits, &vec![1; raw.len()]), &whole);
    }

    #[test]
    fn damaged_messages_are_the_same_for_every_cut(
        raw in changed_message(), cuts in proptest::collection::vec(0usize..300, 0..10)
    ) {
        let limits = Limits::default();
        let whole = Structure::parse(&raw);
        check_invariants(&raw, &whole, &limits);
        prop_assert_eq!(&parse(&raw, &limits, &cuts), &whole);
        let needle = search::Needle::new("text that is not there");
        prop_assert!(!needle.is_in_message(&whole, &raw));
    }

    #[test]
    fn limits_hold_for_every_cut(
        raw in message(), limits in small_limits(), cuts in proptest::collection::vec(0usize..50, 0..30)
    ) {
        let whole = parse(&raw, &limits, &[]);
        check_invariants(&raw, &whole, &limits);
        prop_assert_eq!(&parse(&raw, &limits, &cuts), &whole);
        prop_assert_eq!(&parse(&raw, &limits, &vec![1; raw.len()]), &whole);
        let again = Structure::decode(whole.encoded().clone());
        prop_assert_eq!(again.as_ref(), Ok(&whole));
    }

    #[test]
    fn what_was_encoded_is_decoded_to_the_same(raw in message()) {
        let structure = Structure::parse(&raw);
        let again = Structure::decode(structure.encoded().clone());
        prop_assert_eq!(again.as_ref(), Ok(&structure));
        let debug = |s: &Structure| s.parts().map(|p| format!("{p:?}")).collect::<Vec<_>>();
        prop_assert_eq!(again.as_ref().map(debug), Ok(debug(&structure)));
    }

    #[test]
    fn damaged_encodings_are_refused_or_are_sound(
        raw in message(), at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<proptest::sample::Index>()
    ) {
        let good = Structure::parse(&raw).encoded().to_vec();
        let end = cut.index(good.len());
        prop_assert!(Structure::decode(Bytes::copy_from_slice(&good[..end])).is_err(), "a prefix is refused");
        let mut longer = good.clone();
        longer.push(0);
        prop_assert!(Structure::decode(Bytes::from(longer)).is_err(), "more bytes are refused");
        let mut bad = good;
        let place = at.index(bad.len());
        bad[place] = byte;
        if let Ok(structure) = Structure::decode(Bytes::from(bad)) {
            let count = structure.parts().map(|p| {
                structure.children(&p).count() + p.parameters.count() + p.languages.count()
            }).sum::<usize>();
            prop_assert!(count >= structure.len() - 1);
            prop_assert!(structure.parts().all(|p| p.body.end <= structure.size()));
        }
    }

    #[test]
    fn random_bytes_are_read_by_everything(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let structure = Structure::parse(&raw);
        check_invariants(&raw, &structure, &Limits::default());
        let _ = Structure::decode(Bytes::from(raw.clone()));
        let _ = SentDate::parse(&raw);
        let _ = search::decode_value(&raw);
        let needle = search::Needle::new("no such text in any message");
        prop_assert!(!needle.is_in_message(&structure, &raw));
    }

    #[test]
    fn searches_and_selections_take_every_message(raw in message(), text in "[a-z]{1,3}") {
        let structure = Structure::parse(&raw);
        let needle = search::Needle::new(&text);
        let in_body = needle.is_in_body(&structure, &raw);
        prop_assert!(!in_body || needle.is_in_message(&structure, &raw));
        let header = &raw[structure.root().header.range()];
        let fields: usize = headers(&raw).map(|f| f.raw.len()).sum();
        prop_assert!(fields <= header.len());
        prop_assert!(header.len() - fields <= 2, "only the empty line is no field");
        let all = header_fields(header, &["no-such-field"], Selection::Not);
        prop_assert_eq!(&all[..], header);
        let named = header_fields(header, &["from", "subject"], Selection::Only);
        let others = header_fields(header, &["from", "subject"], Selection::Not);
        let blank = header.len() - fields;
        prop_assert_eq!(named.len() + others.len(), header.len() + blank);
    }

    #[test]
    fn text_in_any_encoding_and_charset_is_decoded(
        pieces in proptest::collection::vec(text_piece(), 0..20),
        encoding in proptest::sample::select(&["base64", "quoted-printable", "8bit", "x-unknown"][..]),
        charset in proptest::sample::select(&[
            "utf-8", "us-ascii", "utf-7", "utf-16", "utf-16le", "utf-16be", "iso-2022-jp", "iso-2022-kr", "shift_jis",
            "big5", "gb18030", "euc-kr", "euc-jp", "iso-8859-8-i", "koi8-r", "tis-620", "windows-1258", "x-none", "",
            "a-name-of-a-charset-that-is-longer-than-any-charset-has-ever-been-named",
        ][..]),
    ) {
        let body = pieces.concat();
        let head = format!("Content-Type: text/plain; charset=\"{charset}\"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
        let raw = [head.as_bytes(), &body].concat();
        let structure = Structure::parse(&raw);
        let text = search::part_text(&structure.root(), &body).expect("a part of text");
        prop_assert!(text.len() <= 16 * body.len() + 16, "decoding grows text by a small factor");
        for method in ["q", "b"] {
            let word = [format!("=?{charset}?{method}?").as_bytes(), &body, b"?="].concat();
            let decoded = search::decode_value(&word);
            prop_assert!(decoded.len() <= 16 * word.len() + 16);
        }
    }
}

/// What the decoders of transfer encodings and charsets stumble over.
fn text_piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&'static [u8]> = vec![
        b"=",
        b"=\r\n",
        b"=3",
        b"=3D",
        b"=FF",
        b" ",
        b" \r\n",
        b"\t\n",
        b"\n",
        b"\r",
        b"QUJD",
        b"QQ==",
        b"====",
        b"Q",
        b"+",
        b"+-",
        b"+AOk-",
        b"-",
        b"\x1b$B",
        b"\x1b(B",
        b"\x1b$)C",
        b"\x0e",
        b"\x0f",
        b"\xff\xfe",
        b"\xd8\x00",
        b"\xdc\x00",
        b"\x81",
        b"\x81\x30\x81",
        b"\xe9",
        b"?",
        b"_",
    ];
    prop_oneof![
        3 => proptest::sample::select(fixed).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}
