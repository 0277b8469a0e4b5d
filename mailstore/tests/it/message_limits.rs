//! Every limit of `message::Limits` at its maximum and one above.

use mailstore::message::{Kind, Limits, Parser, Structure};

fn parse_with(raw: &[u8], change: impl FnOnce(&mut Limits)) -> Structure {
    let mut limits = Limits::default();
    change(&mut limits);
    let mut parser = Parser::new(limits);
    parser.feed(raw);
    parser.finish()
}

fn depth(structure: &Structure) -> usize {
    let mut depth = 1;
    let mut part = structure.root();
    while let Some(child) = structure.children(&part).next() {
        part = child;
        depth += 1;
    }
    depth
}

fn multiparts(levels: usize) -> Vec<u8> {
    let mut raw = Vec::new();
    for level in 0..levels {
        raw.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n").as_bytes(),
        );
    }
    raw.extend_from_slice(b"\r\nbody\r\n");
    raw
}

fn messages(levels: usize) -> Vec<u8> {
    let mut raw = b"Content-Type: message/rfc822\r\n\r\n".repeat(levels);
    raw.extend_from_slice(b"\r\nbody\r\n");
    raw
}

fn flat(parts: usize) -> Vec<u8> {
    let mut raw = b"Content-Type: multipart/mixed; boundary=x\r\n".to_vec();
    raw.extend_from_slice(&b"\r\n--x\r\n".repeat(parts));
    raw.extend_from_slice(b"\r\nlast\r\n--x--\r\n");
    raw
}

#[test]
fn p5_depth_beyond_100_is_one_opaque_part() {
    for nested in [multiparts, messages] {
        let at = Structure::parse(&nested(99));
        assert_eq!((depth(&at), at.len(), at.is_truncated()), (100, 100, false));
        assert!(at.parts().all(|p| !p.opaque));

        for levels in [100, 101, 5_000] {
            let raw = nested(levels);
            let above = Structure::parse(&raw);
            assert_eq!((depth(&above), above.len(), above.is_truncated()), (100, 100, true));
            let last = above.parts().last().expect("the deepest part");
            assert!(last.opaque && last.is_type("application") && last.kind == Kind::Leaf);
            assert_eq!(last.body.range().end, raw.len());
        }
    }
}

#[test]
fn p5_parts_beyond_10_000_belong_to_the_last_one() {
    let at = Structure::parse(&flat(9_999));
    assert_eq!((at.len(), at.is_truncated()), (10_000, false));

    let raw = flat(10_005);
    let above = Structure::parse(&raw);
    assert_eq!((above.len(), above.is_truncated()), (10_000, true));
    let last = above.parts().last().expect("parts");
    assert_eq!(last.body.range().end, raw.len());
    assert!(raw[last.body.range()].ends_with(b"last\r\n--x--\r\n"));
    assert_eq!(Structure::decode(above.encoded().clone()).as_ref(), Ok(&above));
}

#[test]
fn p5_a_container_without_room_for_a_part_is_opaque() {
    for container in ["multipart/mixed; boundary=y", "multipart/mixed", "message/rfc822"] {
        let raw = format!(
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: {container}\r\n\r\n--y\r\n\r\n--x--\r\n"
        );
        let at = parse_with(raw.as_bytes(), |l| l.parts_max = 3);
        assert_eq!((at.len(), at.is_truncated()), (3, false), "{container}");
        let above = parse_with(raw.as_bytes(), |l| l.parts_max = 2);
        assert_eq!((above.len(), above.is_truncated()), (2, true), "{container}");
        assert!(above.parts().last().is_some_and(|p| p.opaque), "{container}");
    }
}

#[test]
fn p5_parts_that_a_delimiter_completes_count_before_the_one_it_begins() {
    // The member of the digest turns out to be a message, with a part of its own, when the next delimiter ends it.
    let raw = b"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n--x\r\n\r\n";
    let at = parse_with(raw, |l| l.parts_max = 5);
    assert_eq!((at.len(), at.is_truncated()), (5, false));
    let above = parse_with(raw, |l| l.parts_max = 3);
    assert_eq!((above.len(), above.is_truncated()), (3, true));
    // So does the multipart that ends without a part.
    let raw = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/mixed\r\n\r\n--x\r\n";
    let at = parse_with(raw, |l| l.parts_max = 4);
    assert_eq!((at.len(), at.is_truncated()), (4, false));
    let above = parse_with(raw, |l| l.parts_max = 3);
    assert_eq!((above.len(), above.is_truncated()), (3, true));
}

#[test]
fn p7_a_header_is_looked_into_up_to_its_limit() {
    let header = |bytes: usize| {
        let mut raw = b"Subject: early\r\n".to_vec();
        while raw.len() + 200 < bytes {
            raw.extend_from_slice(&[b"X: ", &[b'a'; 95][..], b"\r\n"].concat());
        }
        let last = b"Message-ID: <late@x>\r\n";
        let rest = bytes - raw.len() - last.len() - 5;
        raw.extend_from_slice(&[b"X: ", &vec![b'a'; rest][..], b"\r\n", last].concat());
        assert_eq!(raw.len(), bytes);
        raw.extend_from_slice(b"\r\nbody\r\n");
        raw
    };
    let max = Limits::default().header_bytes_max as usize;
    let at = Structure::parse(&header(max));
    assert_eq!((at.envelope().message_id, at.is_truncated()), (Some(&b"<late@x>"[..]), false));

    let raw = header(max + 1);
    let above = Structure::parse(&raw);
    assert_eq!((above.envelope().message_id, above.is_truncated()), (None, true));
    assert_eq!(above.envelope().subject, Some(&b"early"[..]));
    assert_eq!(&raw[above.root().body.range()], b"body\r\n");
}

#[test]
fn p7_a_field_is_kept_up_to_its_limit() {
    let max = Limits::default().field_bytes_max;
    // Folded in two lines of which each is below the limit: it counts for the field.
    let field = |bytes: usize| {
        let fill = bytes - "Subject:".len() - 1;
        let half = vec![b's'; fill / 2];
        let other = vec![b't'; fill - fill / 2];
        [b"Subject:", &half[..], b"\r\n ", &other, b"\r\nTo: a@b\r\n\r\n"].concat()
    };
    let at = Structure::parse(&field(max));
    assert_eq!((at.envelope().subject.map(<[u8]>::len), at.is_truncated()), (Some(max - 8), false));
    let above = Structure::parse(&field(max + 1));
    assert_eq!((above.envelope().subject.map(<[u8]>::len), above.is_truncated()), (Some(max - 8), true));
    assert_eq!(above.envelope().to.len(), 1);

    // All in one line.
    let line = |bytes: usize| [b"Subject:", &vec![b's'; bytes - 8][..], b"\r\n\r\n"].concat();
    let at = Structure::parse(&line(max));
    assert_eq!((at.envelope().subject.map(<[u8]>::len), at.is_truncated()), (Some(max - 8), false));
    let above = Structure::parse(&line(max + 1));
    assert_eq!((above.envelope().subject.map(<[u8]>::len), above.is_truncated()), (Some(max - 8), true));
}

#[test]
fn p7_all_values_of_a_message_are_kept_up_to_a_limit() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n".to_vec();
    for part in 0..50 {
        raw.extend_from_slice(
            format!("--x\r\nContent-Type: image/png; name={part:01000}\r\n\r\n").as_bytes(),
        );
    }
    raw.extend_from_slice(b"--x--\r\n");
    let kept = |max: usize| {
        let structure = parse_with(&raw, |l| l.captured_bytes_max = max);
        let named = structure.parts().filter(|p| p.parameters.named("name").is_some()).count();
        (structure.len(), named, structure.is_truncated())
    };
    let needed = (0..60_000).collect::<Vec<_>>().partition_point(|max| kept_is_truncated(&raw, *max));
    assert_eq!(kept(needed), (51, 50, false));
    assert_eq!(kept(needed - 1), (51, 49, true));
}

fn kept_is_truncated(raw: &[u8], max: usize) -> bool {
    parse_with(raw, |l| l.captured_bytes_max = max).is_truncated()
}

#[test]
fn a_message_is_counted_up_to_its_limit() {
    let raw = b"A: b\r\n\r\nbody";
    let at = parse_with(raw, |l| l.message_bytes_max = 12);
    assert_eq!((at.size(), at.is_truncated()), (12, false));
    let above = parse_with(raw, |l| l.message_bytes_max = 11);
    assert_eq!((above.size(), above.root().body.range().end, above.is_truncated()), (11, 11, true));

    let mut parser = {
        let mut limits = Limits::default();
        limits.message_bytes_max = 11;
        Parser::new(limits)
    };
    raw.chunks(1).for_each(|byte| parser.feed(byte));
    assert_eq!(parser.finish(), above);
}

#[test]
fn a_boundary_has_a_longest_length() {
    let max = Limits::default().boundary_bytes_max;
    let raw = |bytes: usize| {
        let boundary = "b".repeat(bytes);
        format!(
            "Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\r\na\r\n--{boundary}--\r\n\r\n--{boundary}\r\n"
        )
    };
    let at = raw(max);
    let structure = Structure::parse(at.as_bytes());
    assert_eq!(structure.find(&[1]).map(|p| &at[p.body.range()]), Some("a"));
    assert!(!structure.is_truncated());
    let above = Structure::parse(raw(max + 1).as_bytes());
    assert_eq!(above.find(&[1]).map(|p| p.body.len()), Some(0));
    assert!(above.is_truncated());
}

#[test]
fn parameters_languages_and_addresses_are_counted_up_to_their_limits() {
    let check = |raw: String, count: fn(&Structure) -> usize, expected: usize, truncated: bool| {
        let structure = Structure::parse(raw.as_bytes());
        assert_eq!((count(&structure), structure.is_truncated()), (expected, truncated));
    };
    let limits = Limits::default();
    let parameters = |n: usize| format!("Content-Type: a/b{}\r\n\r\n", ";a=b".repeat(n));
    let max = limits.parameters_max;
    check(parameters(max), |s| s.root().parameters.len(), max, false);
    check(parameters(max + 1), |s| s.root().parameters.len(), max, true);
    let languages = |n: usize| format!("Content-Language: {}\r\n\r\n", "de,".repeat(n));
    check(languages(max), |s| s.root().languages.len(), max, false);
    check(languages(max + 1), |s| s.root().languages.len(), max, true);
    let disposition = |n: usize| format!("Content-Disposition: inline{}\r\n\r\n", ";a=b".repeat(n));
    let count = |s: &Structure| s.root().disposition.map_or(0, |d| d.parameters.len());
    check(disposition(max), count, max, false);
    check(disposition(max + 1), count, max, true);
    // Over two fields of the same name.
    let addresses = |n: usize| format!("To: a@b\r\nTo: {}\r\n\r\n", "a@b,".repeat(n - 1));
    let max = limits.addresses_max;
    check(addresses(max), |s| s.envelope().to.len(), max, false);
    check(addresses(max + 1), |s| s.envelope().to.len(), max, true);
}
