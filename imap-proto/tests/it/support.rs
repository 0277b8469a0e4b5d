//! What several tests need.

use std::path::{Path, PathBuf};

use imap_proto::{Encode, Encoder, Literals};

/// A line of a transcript.
pub(crate) struct Line {
    pub(crate) from_client: bool,
    /// The crate knows the verb, or what the response is.
    pub(crate) known: bool,
    pub(crate) frame: Vec<u8>,
}

/// The frames of a file in `testdata/`; `rfc3501.txt` there says what its lines look like.
pub(crate) fn transcript(name: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(testdata().join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (side, frame) = line.split_at(3);
            assert!(matches!(side, "C: " | "S: " | "C? " | "S? "), "{name}: {line}");
            Line {
                from_client: side.starts_with('C'),
                known: side.ends_with(": "),
                frame: self::frame(frame),
            }
        })
        .collect()
}

/// All transcripts.
pub(crate) fn corpus() -> Vec<Line> {
    let files = std::fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".txt"));
    names.sort_unstable();
    names.iter().flat_map(|name| transcript(name)).collect()
}

/// The bytes of a frame as it is written down.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let names: [(&str, &[u8]); 4] =
            [("<CRLF>", b"\r\n"), ("<NUL>", &[0]), ("<E9>", &[0xe9]), ("<", b"<")];
        let (name, meant) = names.into_iter().find(|(name, _)| rest.starts_with(name)).unwrap();
        bytes.extend_from_slice(meant);
        rest = &rest[name.len()..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

pub(crate) fn encoded(value: &impl Encode, literals: Literals) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut Encoder::new(&mut out, literals)).unwrap();
    out
}

/// The same without the final CRLF, as framing hands it on.
pub(crate) fn encoded_frame(value: &impl Encode, literals: Literals) -> Vec<u8> {
    let mut out = encoded(value, literals);
    assert!(out.ends_with(b"\r\n"));
    out.truncate(out.len() - 2);
    out
}

pub(crate) fn shown(frame: &[u8]) -> String {
    String::from_utf8_lossy(frame).into_owned()
}
