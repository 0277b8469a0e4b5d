//! How far a message has come already, by its header section: the detection of loops (RFC 5321 6.3).
//!
//! Looks at the bytes as they come in, at any split, and keeps the beginning of one line.

/// Bytes of a header line that are looked at. 512: field name and an address at its limits.
const LINE_BYTES_MAX: usize = 512;

/// `Delivered-To` fields that are kept. 100, as many as there may be hops.
const DELIVERED_TO_MAX: usize = 100;

/// What the header section says of earlier hops.
#[derive(Debug, Default)]
pub(super) struct HopScan {
    line: Vec<u8>,
    received: u32,
    delivered_to: Vec<String>,
    ended: bool,
}

impl HopScan {
    /// Takes the next bytes of the message.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !self.ended && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            bytes = rest;
            if end.is_some() {
                self.end_line();
            }
        }
    }

    /// `Received` fields so far.
    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// Whether it was delivered to this address before, here or anywhere.
    pub(super) fn was_delivered_to(&self, address: &str) -> bool {
        self.delivered_to.iter().any(|known| known.eq_ignore_ascii_case(address))
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        self.ended = text.is_empty();
        if field(text, b"received").is_some() {
            self.received = self.received.saturating_add(1);
        } else if let Some(value) = field(text, b"delivered-to")
            && self.delivered_to.len() < DELIVERED_TO_MAX
        {
            let address = value.trim_ascii();
            let address = address.strip_prefix(b"<").and_then(|a| a.strip_suffix(b">")).unwrap_or(address);
            self.delivered_to.push(String::from_utf8_lossy(address).into_owned());
        }
    }
}

/// The value of a field of this name, given in lower case.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, value) = line.split_at_checked(name.len())?;
    if !head.eq_ignore_ascii_case(name) {
        return None;
    }
    // Blanks before the colon are obsolete syntax (RFC 5322 4.5).
    value.trim_ascii_start().strip_prefix(b":")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"Received: from a\r\n\tby b; received: no\r\nRECEIVED : from c\r\nDelivered-To: \
        <Carol@example.test>\r\nReceived-SPF: none\r\nSubject: x\r\n\r\nReceived: in the body\r\n";

    #[test]
    fn hops_are_counted_at_every_split() {
        for split in 0..MESSAGE.len() {
            let (one, two) = MESSAGE.split_at(split);
            let mut scan = HopScan::default();
            scan.feed(one);
            scan.feed(two);
            assert_eq!(scan.received(), 2, "split at {split}");
            assert!(
                scan.was_delivered_to("carol@example.test") && !scan.was_delivered_to("bob@example.test")
            );
        }
    }

    #[test]
    fn a_long_line_costs_no_more_than_its_beginning() {
        let mut scan = HopScan::default();
        for _ in 0..1000 {
            scan.feed(&[b'x'; 1000]);
            assert!(scan.line.len() <= LINE_BYTES_MAX);
        }
        scan.feed(b"\r\nReceived: x\r\n");
        assert_eq!(scan.received(), 1);
        for n in 0..=DELIVERED_TO_MAX {
            scan.feed(format!("Delivered-To: u{n}@x\r\n").as_bytes());
        }
        assert!(scan.was_delivered_to(&format!("u{}@x", DELIVERED_TO_MAX - 1)));
        assert!(!scan.was_delivered_to(&format!("u{DELIVERED_TO_MAX}@x")));
    }
}
