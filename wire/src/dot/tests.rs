//! Readers and writers against plain references, over all short strings.

use proptest::prelude::*;

use bytes::Bytes;

use super::*;
use crate::testing::every_split;
use crate::{Input, Outbox, PeerMisbehaved};

/// What a body reads as: the text and the bytes consumed, an error, or neither yet.
#[derive(Debug, PartialEq, Clone)]
enum Read {
    Ended(Vec<u8>, usize),
    Failed,
    Waits,
}

fn read(bare: BareLineEnd, pieces: &[&[u8]]) -> Read {
    let (mut input, mut reader, mut body) = (Input::new(), DotReader::new(bare), Vec::new());
    let total: usize = pieces.iter().map(|p| p.len()).sum();
    let mut fed = 0;
    for piece in pieces {
        input.buffer().extend_from_slice(piece);
        fed += piece.len();
        loop {
            match reader.poll(&mut input) {
                Ok(Some(BodyPart::Chunk(chunk))) => {
                    assert!(!chunk.is_empty());
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(BodyPart::End)) => return Read::Ended(body, fed - input.waiting().len()),
                Ok(None) => break,
                Err(_) => return Read::Failed,
            }
        }
    }
    assert_eq!(fed, total);
    Read::Waits
}

/// The rule in its plainest words: find CRLF.CRLF (the body's start counts as behind a CRLF), refuse any other
/// CR or LF before it, take one dot off each line.
fn reference(bytes: &[u8]) -> Read {
    let mut text = Vec::new();
    let mut rest = bytes;
    loop {
        if rest.starts_with(b".\r\n") {
            return Read::Ended(text, bytes.len() - rest.len() + 3);
        }
        let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return Read::Waits };
        if rest[at] == b'\n' {
            return Read::Failed;
        }
        match rest.get(at + 1) {
            None => return Read::Waits,
            Some(b'\n') => {}
            Some(_) => return Read::Failed,
        }
        let line = &rest[..at + 2];
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = &rest[at + 2..];
    }
}

fn every_string_up_to(length: usize, mut check: impl FnMut(&[u8])) {
    for n in 0..=length {
        for code in 0..1_usize << (2 * n) {
            let text: Vec<u8> = (0..n).map(|i| b"\r\n.A"[(code >> (2 * i)) & 3]).collect();
            check(&text);
        }
    }
}

#[test]
fn f1_f4_every_short_string_reads_as_the_reference_does() {
    every_string_up_to(8, |text| {
        let expected = reference(text);
        assert_eq!(read(BareLineEnd::Refuse, &[text]), expected, "{text:?}");
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(BareLineEnd::Refuse, &bytes), expected, "{text:?} byte by byte");
    });
}

#[test]
fn f1_a_normalising_reader_still_wants_crlf_dot_crlf() {
    for smuggled in [&b"a\n.\nb"[..], b"a\n.\r\nb", b"a\r\n.\nb", b"a\r.\r\nb", b"a\r\n.\rb", b"a\r\r\n.\rb"]
    {
        assert_eq!(read(BareLineEnd::DangerNormalize, &[smuggled]), Read::Waits, "{smuggled:?}");
    }
    every_string_up_to(7, |text| {
        let whole = every_split(text, |pieces| read(BareLineEnd::DangerNormalize, pieces));
        let ends = text.starts_with(b".\r\n") || text.windows(5).any(|w| w == b"\r\n.\r\n");
        assert_eq!(matches!(whole, Read::Ended(..)), ends, "{text:?}");
    });
}

#[test]
fn f1_a_keeping_reader_hands_on_what_stands_between_its_line_ends() {
    every_string_up_to(7, |text| {
        let whole = every_split(text, |pieces| read(BareLineEnd::DangerKeep, pieces));
        // The body's start counts as behind a CRLF.
        let framed = [b"\r\n", text].concat();
        match framed.windows(5).position(|w| w == b"\r\n.\r\n") {
            Some(end) => {
                let lines = framed[..end + 2].to_vec();
                assert_eq!(whole, Read::Ended(without_first_dots(&lines), end + 3), "{text:?}");
            }
            None => assert_eq!(whole, Read::Waits, "{text:?}"),
        }
    });
}

/// Takes the CRLF off the front, and one dot behind it and each other CRLF.
fn without_first_dots(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for at in 2..lines.len() {
        if !(lines[at] == b'.' && lines[..at].ends_with(b"\r\n")) {
            out.push(lines[at]);
        }
    }
    out
}

/// Reads a body in two chunks, its bytes arriving one by one.
fn read_chunks(bare: BareLineEnd, head: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
    let (mut input, mut reader, mut body) = (Input::new(), ChunkReader::new(bare), Vec::new());
    for chunk in [head, tail] {
        reader.begin(chunk.len() as u64);
        let mut bytes = chunk.iter();
        loop {
            match reader.poll(&mut input) {
                Ok(Some(BodyPart::Chunk(text))) => body.extend_from_slice(&text),
                Ok(Some(BodyPart::End)) => break,
                Ok(None) => input.buffer().extend(bytes.next()),
                Err(_) => return None,
            }
        }
        assert!(input.is_empty() && bytes.next().is_none());
    }
    if let Some(BodyPart::Chunk(text)) = reader.finish().ok()? {
        body.extend_from_slice(&text);
    }
    Some(body)
}

#[test]
fn f1_f9_every_short_string_in_two_chunks_obeys_the_policy_of_line_ends() {
    every_string_up_to(6, |text| {
        let is_clean = !String::from_utf8_lossy(text).replace("\r\n", "").contains(['\r', '\n']);
        let normal =
            String::from_utf8_lossy(text).replace("\r\n", "\0").replace('\r', " ").replace('\n', "\0");
        for cut in 0..=text.len() {
            let (head, tail) = text.split_at(cut);
            let refused = read_chunks(BareLineEnd::Refuse, head, tail);
            assert_eq!(refused, is_clean.then(|| text.to_vec()), "{text:?} at {cut}");
            assert_eq!(read_chunks(BareLineEnd::DangerKeep, head, tail).as_deref(), Some(text));
            let normalized = read_chunks(BareLineEnd::DangerNormalize, head, tail);
            assert_eq!(normalized, Some(normal.replace('\0', "\r\n").into_bytes()), "{text:?} at {cut}");
        }
    });
}

#[test]
fn p1_a_huge_chunk_reserves_nothing_and_its_end_is_exact() {
    let (mut input, mut reader) = (Input::new(), ChunkReader::new(BareLineEnd::Refuse));
    reader.begin(u64::MAX);
    assert_eq!(reader.poll(&mut input), Ok(None));
    input.buffer().extend_from_slice(b"text");
    assert_eq!(reader.poll(&mut input), Ok(Some(BodyPart::Chunk("text".into()))));
    assert_eq!(reader.left_bytes(), u64::MAX - 4);
    input.end();
    assert_eq!(reader.poll(&mut input), Err(PeerMisbehaved::ClosedMidMessage.into()));
}

#[test]
fn both_readers_of_a_dotted_body_agree() {
    every_string_up_to(6, |text| {
        let (mut reader, mut rest, mut body) = (DotReader::new(BareLineEnd::Refuse), text, Vec::new());
        let outcome = loop {
            match reader.read(&mut rest) {
                Ok(Some(BodySlice::Text(slice))) => body.extend_from_slice(slice),
                Ok(Some(BodySlice::End)) => break Read::Ended(body, text.len() - rest.len()),
                Ok(None) => {
                    assert!(rest.is_empty());
                    break Read::Waits;
                }
                Err(_) => break Read::Failed,
            }
        };
        assert_eq!(outcome, read(BareLineEnd::Refuse, &[text]), "{text:?}");
    });
}

#[test]
fn an_empty_body_and_a_stuffed_first_line_are_read() {
    assert_eq!(read(BareLineEnd::Refuse, &[b".\r\nNOOP"]), Read::Ended(vec![], 3));
    assert_eq!(read(BareLineEnd::Refuse, &[b"..\r\n.\r\n"]), Read::Ended(b".\r\n".to_vec(), 7));
}

#[test]
fn a_body_cut_off_by_the_peer_is_no_body() {
    let (mut input, mut reader) = (Input::new(), DotReader::new(BareLineEnd::Refuse));
    input.buffer().extend_from_slice(b"a\r\n.");
    input.end();
    assert_eq!(reader.poll(&mut input), Ok(Some(BodyPart::Chunk("a\r\n".into()))));
    assert_eq!(reader.poll(&mut input), Err(PeerMisbehaved::ClosedMidMessage.into()));
}

fn write(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut writer, mut out, mut wire) = (DotWriter::new(), Outbox::new(), Vec::new());
    for piece in pieces {
        writer.write(&Bytes::copy_from_slice(piece), &mut out);
    }
    writer.finish(&mut out);
    while let Some(bytes) = out.take() {
        wire.extend_from_slice(&bytes);
    }
    wire
}

/// Every bare CR or LF is a CRLF, and the last line ends with one.
fn canonical(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut bytes = text.iter().peekable();
    while let Some(&b) = bytes.next() {
        match b {
            b'\r' => {
                bytes.next_if(|n| **n == b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            _ => out.push(b),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn f2_f3_every_short_string_is_written_so_that_a_strict_reader_gets_its_canonical_form() {
    every_string_up_to(7, |text| {
        let wire = every_split(text, write);
        let expected = canonical(text);
        assert_eq!(read(BareLineEnd::Refuse, &[&wire]), Read::Ended(expected, wire.len()), "{text:?}");
    });
}

proptest! {
    #[test]
    fn f2_f3_any_bytes_survive_stuffing_and_unstuffing(
        text in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..6000),
        cut in 0_usize..6000,
    ) {
        let (head, tail) = text.split_at(cut.min(text.len()));
        let wire = write(&[head, tail]);
        prop_assert_eq!(read(BareLineEnd::Refuse, &[&wire]), Read::Ended(canonical(&text), wire.len()));
    }
}
