//! Peers that mean harm: nothing panics, nothing nests without end, memory stays in proportion.

use imap_proto::{FetchItem, Limits, Parser, Response};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generate::Gen;
use crate::support::{corpus, encoded_frame, shown};

/// Reads a frame as everything and walks all of it.
fn digest(frame: &[u8]) {
    let mut parser = Parser::new();
    if let Ok(command) = parser.command(frame) {
        let _ = format!("{command:?}");
    }
    if let Ok(response) = parser.response(frame) {
        let _ = format!("{response:?}");
    }
    assert!(parser.heap_bytes() <= 6 * frame.len() + 256, "{} for {}", parser.heap_bytes(), frame.len());
}

#[test]
fn p12_every_prefix_of_every_line_is_read_or_refused() {
    for line in corpus() {
        for end in 0..line.frame.len() {
            digest(&line.frame[..end]);
        }
    }
}

#[test]
fn p12_every_byte_of_every_line_may_be_another() {
    for line in corpus() {
        let mut frame = line.frame.clone();
        for at in 0..frame.len().min(120) {
            for byte in [b'(', b')', b'"', b'\\', b' ', b'{', b'[', b']', b'*', 0, b'\r', 0xff] {
                let kept = std::mem::replace(&mut frame[at], byte);
                digest(&frame);
                frame[at] = kept;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p12_random_bytes_are_read_or_refused(
        head in prop::sample::select(vec![
            "", "* ", "a ", "+ ", "* 1 FETCH (", "a SEARCH ", "a FETCH 1 ", "* OK [", "* ESEARCH (TAG a) ",
            "* THREAD ", "* SORT 1 ", "a ESEARCH IN (", "a SORT (DATE) UTF-8 ",
        ]),
        tail in vec(prop::sample::select(b"()\"\\ {}[]<>123+*%:,.&~-abNIL\r\n\0\xff".to_vec()), 0..60),
    ) {
        digest(&[head.as_bytes(), &tail].concat());
    }

    #[test]
    fn p12_mutated_messages_are_read_or_refused(
        pool in vec(any::<u8>(), 0..300),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut wire = encoded_frame(&Gen::new(&pool).response(), imap_proto::Literals::Server);
        let mut command = encoded_frame(&Gen::new(&pool).command(), imap_proto::Literals::NonSync);
        for (at, byte) in edits {
            let place = at.index(wire.len());
            wire[place] = byte;
            let place = at.index(command.len());
            command[place] = byte;
        }
        digest(&wire);
        digest(&command);
    }
}

fn nested(open: &str, inside: &str, close: &str, depth: usize) -> String {
    format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn p4_search_nests_to_the_limit_and_no_deeper() {
    for limits in [Limits::before_login(), Limits::default()] {
        let mut parser = Parser::with_limits(limits);
        let max = limits.depth_max;
        for depth in 0..=max + 1 {
            for (open, close) in [("(", ")"), ("NOT ", ""), ("OR ALL ", ""), ("FUZZY ", "")] {
                let frame = format!("a SEARCH {}", nested(open, "ALL", close, depth));
                assert_eq!(parser.command(frame.as_bytes()).is_ok(), depth <= max, "{frame}");
            }
        }
    }
}

#[test]
fn p4_mixed_nesting_counts_together() {
    let mut parser = Parser::new();
    for (pairs, good) in [(16, true), (17, false)] {
        let frame = format!("a SEARCH {}", nested("NOT (", "ALL", ")", pairs));
        assert_eq!(parser.command(frame.as_bytes()).is_ok(), good, "{frame}");
    }
}

#[test]
fn p4_a_structure_too_deep_costs_its_item_only() {
    let leaf = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)";
    let mut parser = Parser::new();
    // The list of items and the leaf are levels too.
    for (depth, good) in [(1, true), (30, true), (31, false), (100, false), (100_000, false)] {
        let structure = nested("(", leaf, " \"MIXED\")", depth);
        let frame = format!("* 1 FETCH (UID 9 BODYSTRUCTURE {structure} FLAGS (\\Seen))");
        let Response::Fetch { items, .. } = parser.response(frame.as_bytes()).unwrap() else {
            assert_eq!(depth, 100_000, "more tokens than a frame may have");
            continue;
        };
        let items: Vec<_> = items.iter().collect();
        assert_eq!(matches!(items[1], FetchItem::BodyStructure(_)), good, "{depth}");
        assert_eq!(matches!(items[1], FetchItem::Invalid(_)), !good, "{depth}");
        assert!(matches!((items[0], items[2]), (FetchItem::Uid(9), FetchItem::Flags(_))));
    }
}

#[test]
fn p4_a_million_parentheses_are_refused_at_once() {
    for frame in [
        format!("a SEARCH {}", "(".repeat(1_000_000)),
        format!("a SEARCH {}", "NOT ".repeat(1_000_000)),
        format!("a FETCH 1 {}", "(".repeat(1_000_000)),
        format!("a ID {}", "(".repeat(1_000_000)),
    ] {
        assert!(Parser::new().command(frame.as_bytes()).is_err());
    }
    let frame = format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(1_000_000));
    let mut parser = Parser::new();
    assert!(matches!(parser.response(frame.as_bytes()), Ok(Response::Invalid(_))));
    assert!(parser.heap_bytes() < 4096, "{}", parser.heap_bytes());
}

#[test]
fn p8_numbers_take_one_token_however_many() {
    let limits = Limits { tokens_max: 12, ..Limits::default() };
    let mut parser = Parser::with_limits(limits);
    let numbers = " 4294967295".repeat(5_000);
    // More ranges than a command may have: what a server has found is told whole.
    let set = vec!["4294967294:4294967295"; 20_000].join(",");
    for frame in [
        format!("* SEARCH{numbers} (MODSEQ 7)"),
        format!("* SORT{numbers}"),
        format!("* THREAD {}", "(1 (2)(3 4))".repeat(5_000)),
        format!("* ESEARCH (TAG \"a\") UID ALL {set}"),
    ] {
        let response = parser.response(frame.as_bytes()).unwrap();
        assert!(!matches!(response, Response::Invalid(_)), "{}", shown(&frame.as_bytes()[..40]));
    }
}

#[test]
fn p4_the_number_of_tokens_has_a_limit() {
    let limits = Limits { tokens_max: 12, ..Limits::default() };
    let mut parser = Parser::with_limits(limits);
    // Tag, verb, set and list are tokens too.
    let frame = |n: usize| format!("a FETCH 1 ({})", vec!["UID"; n].join(" "));
    assert!(parser.command(frame(8).as_bytes()).is_ok());
    assert!(parser.command(frame(9).as_bytes()).is_err());
}

#[test]
fn p8_a_set_has_no_more_ranges_than_the_limit() {
    let mut parser = Parser::new();
    let frame = |n: usize| format!("a UID FETCH {} FLAGS", vec!["1"; n].join(","));
    assert!(parser.command(frame(10_000).as_bytes()).is_ok());
    assert!(parser.command(frame(10_001).as_bytes()).is_err());
    let frame = |n: usize| format!("a SEARCH UID {}", vec!["1"; n].join(","));
    assert!(parser.command(frame(10_000).as_bytes()).is_ok());
    assert!(parser.command(frame(10_001).as_bytes()).is_err());
}

#[test]
fn p2_the_densest_frames_stay_below_six_bytes_a_byte() {
    for unit in ["()", "1 ", "\"\"", "(1)", "(((())))", "a(", "() ", "{0}\r\n"] {
        for head in ["* 1 FETCH (X ", "* X ", "a SEARCH ", "a FETCH 1 "] {
            for size in [10_usize, 1_000, 60_000] {
                digest(format!("{head}{}", unit.repeat(size / unit.len())).as_bytes());
            }
        }
    }
}

#[test]
fn errors_point_into_the_frame_and_hold_none_of_it() {
    let mut parser = Parser::new();
    for frame in ["a LOGIN alice hunter2 (", "a FETCH 1 hunter2", "a STORE 1 FLAGS hunter2)"] {
        let error = parser.command(frame.as_bytes()).unwrap_err();
        assert!(error.offset <= frame.len(), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!shown(frame.as_bytes()).is_empty());
    }
}

#[test]
fn p4_no_configuration_nests_deeper_than_the_ceiling() {
    let mut parser = Parser::with_limits(Limits { depth_max: 1_000, ..Limits::default() });
    for (depth, good) in [(Limits::DEPTH_CEILING, true), (Limits::DEPTH_CEILING + 1, false)] {
        for (open, close) in [("(", ")"), ("NOT ", "")] {
            let frame = format!("a SEARCH {}", nested(open, "ALL", close, depth));
            assert_eq!(parser.command(frame.as_bytes()).is_ok(), good, "{open} {depth}");
        }
    }
}

#[test]
fn an_id_is_no_larger_than_its_rfc_allows() {
    let mut parser = Parser::new();
    let id = |fields: usize, field: usize, value: usize| {
        let field = format!("\"{}\" \"{}\"", "f".repeat(field), "v".repeat(value));
        format!("a ID ({})", vec![field; fields].join(" "))
    };
    for (fields, field, value, good) in
        [(30, 30, 1024, true), (31, 1, 1, false), (1, 31, 1, false), (1, 1, 1025, false)]
    {
        assert_eq!(
            parser.command(id(fields, field, value).as_bytes()).is_ok(),
            good,
            "{fields} {field} {value}"
        );
    }
}
