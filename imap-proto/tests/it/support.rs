//! What several tests need.

use imap_proto::{Encode, Encoder, Literals};

/// A line of a transcript.
pub(crate) struct Line {
    pub(crate) from_client: bool,
    pub(crate) frame: Vec<u8>,
}

/// The frames of a file in `testdata/`: `C: ` or `S: `, `<CRLF>` for a line end.
pub(crate) fn transcript(text: &str) -> Vec<Line> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (side, frame) = line.split_at(3);
            assert!(matches!(side, "C: " | "S: "), "{line}");
            Line { from_client: side == "C: ", frame: frame.replace("<CRLF>", "\r\n").into_bytes() }
        })
        .collect()
}

/// All transcripts.
pub(crate) fn corpus() -> Vec<Line> {
    let files = [
        include_str!("../../testdata/rfc3501.txt"),
        include_str!("../../testdata/extensions.txt"),
        include_str!("../../testdata/servers.txt"),
    ];
    files.into_iter().flat_map(transcript).collect()
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
