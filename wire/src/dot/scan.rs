//! How far a body can be passed on as it is: one pass, in blocks that compile to vector instructions.

use memchr::{memchr, memchr2};

/// Positions looked at together. Mail has lines of some 76 bytes, so a search for each line end would start anew at
/// every line; a block does not care how many lines it holds.
const BLOCK_BYTES: usize = 64;
/// A block and the two bytes that decide about its last line end.
const WINDOW_BYTES: usize = BLOCK_BYTES + 2;

/// What a scan stops at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopAt {
    /// A dot behind CRLF, a CR or LF that is not part of a CRLF, a CR that is the last byte.
    DotsAndBareLineEnds,
    /// A CR or LF that is not part of a CRLF, a CR that is the last byte.
    BareLineEnds,
    /// A dot behind CRLF.
    Dots,
}

/// The number of leading bytes that need no attention. The byte before the first is neither a CR nor the LF of a CRLF.
///
/// The byte behind them, if there is one, tells why the scan stopped: a CR or LF is bare (or, at the very end, not yet
/// known to be), a dot begins a line.
pub(super) fn plain_bytes(bytes: &[u8], stop_at: StopAt) -> usize {
    if stop_at != StopAt::Dots && bytes.first() == Some(&b'\n') {
        return 0;
    }
    match stop_at {
        StopAt::DotsAndBareLineEnds => skip_blocks(
            bytes,
            |x, y, z| ((x == b'\r') ^ (y == b'\n')) | ((y == b'\n') & (z == b'.')),
            |rest| first_bare_line_end(rest, Some(b'.')),
        ),
        StopAt::BareLineEnds => {
            skip_blocks(bytes, |x, y, _| (x == b'\r') ^ (y == b'\n'), |rest| first_bare_line_end(rest, None))
        }
        StopAt::Dots => skip_blocks(bytes, |_, y, z| (y == b'\n') & (z == b'.'), first_dot),
    }
}

/// Passes the blocks in which no three neighbours `may_stop`, and lets `first_stop` look at the rest.
// The form matters: comparisons joined without short cuts, folded over zipped arrays, become vector instructions (30 to
// 45 GB/s); an index or an early exit in the loop, and it is 1 GB/s.
#[inline(always)]
fn skip_blocks(
    bytes: &[u8],
    may_stop: impl Fn(u8, u8, u8) -> bool,
    first_stop: impl Fn(&[u8]) -> Option<usize>,
) -> usize {
    let is_plain = |window: &[u8; WINDOW_BYTES]| {
        let neighbours = window.iter().zip(&window[1..]).zip(&window[2..]);
        neighbours.fold(0, |stops, ((x, y), z)| stops | u8::from(may_stop(*x, *y, *z))) == 0
    };
    let mut rest = bytes;
    while let Some(window) = rest.first_chunk() {
        if !is_plain(window) {
            return bytes.len() - rest.len() + first_stop(rest).unwrap_or(rest.len());
        }
        rest = rest.get(BLOCK_BYTES..).unwrap_or_default();
    }
    // A last block, which overlaps the one before, leaves two bytes to look at one by one.
    if bytes.last_chunk().is_some_and(is_plain) {
        rest = bytes.get(bytes.len() - (WINDOW_BYTES - BLOCK_BYTES)..).unwrap_or_default();
    }
    bytes.len() - rest.len() + first_stop(rest).unwrap_or(rest.len())
}

/// Finds the first bare line end, or `stuffed` behind a CRLF. An LF at the very start is known to follow a CR.
fn first_bare_line_end(bytes: &[u8], stuffed: Option<u8>) -> Option<usize> {
    let mut from = usize::from(bytes.first() == Some(&b'\n'));
    loop {
        let at = from + memchr2(b'\r', b'\n', bytes.get(from..)?)?;
        if bytes.get(at..at + 2) != Some(b"\r\n") {
            return Some(at);
        }
        from = at + 2;
        if stuffed.is_some() && bytes.get(from).copied() == stuffed {
            return Some(from);
        }
    }
}

fn first_dot(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'\n', bytes.get(from..)?)?;
        if bytes.get(at + 1) == Some(&b'.') && at > 0 && bytes.get(at - 1) == Some(&b'\r') {
            return Some(at + 1);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(bytes: &[u8], stop_at: StopAt) -> usize {
        let at = |place: usize| bytes.get(place).copied();
        let before = |place: usize| place.checked_sub(1).and_then(at);
        let stops = |place: usize| match bytes[place] {
            b'\r' => stop_at != StopAt::Dots && at(place + 1) != Some(b'\n'),
            b'\n' => stop_at != StopAt::Dots && before(place) != Some(b'\r'),
            b'.' => {
                let behind = before(place) == Some(b'\n') && place > 1 && at(place - 2) == Some(b'\r');
                behind && stop_at != StopAt::BareLineEnds
            }
            _ => false,
        };
        (0..bytes.len()).find(|place| stops(*place)).unwrap_or(bytes.len())
    }

    proptest! {
        #[test]
        fn a_scan_stops_where_the_rule_says(
            line in prop::sample::select(vec![&b"text\r\n"[..], b"a line of more than one half of a block\r\n", b""]),
            lines in 0_usize..60,
            odd in prop::collection::vec(prop::sample::select(b"\r\n.A".to_vec()), 0..8),
            tail in 0_usize..200,
        ) {
            let bytes = [line.repeat(lines), odd, vec![b'x'; tail]].concat();
            for stop_at in [StopAt::DotsAndBareLineEnds, StopAt::BareLineEnds, StopAt::Dots] {
                prop_assert_eq!(plain_bytes(&bytes, stop_at), reference(&bytes, stop_at), "{:?}", stop_at);
            }
        }
    }
}
