//! APOP (RFC 1939 7): the timestamp in a greeting, and the digest that answers it.
//!
//! The digest is MD5 over the timestamp, brackets included, and a secret that both sides know in the clear. Neither
//! side computes it here: the server's owner has the secret, the client's has it too, and a hash function from a
//! cryptographic library takes the two. A protocol crate has no business with either.
//!
//! MD5 no longer keeps a secret from somebody who chooses timestamps (CVE-2007-1558): he sends ones that no message-id can
//! be. [`Timestamp`] holds nothing but what RFC 1939 and RFC 5322 allow, so a client of this crate offers no digest over
//! anything else. Prefer SASL under TLS all the same.

use std::fmt;

use bytes::Bytes;
use mail_wire::{Decimal, InvalidMessage};
use memchr::memchr;

/// The timestamp of a greeting: a message-id, `<left@right>`, of printable ASCII.
///
/// ```
/// use pop3_proto::apop::Timestamp;
/// let timestamp = Timestamp::of(1_896, 697_170_952, "dbc.mtview.ca.us")?;
/// assert_eq!(timestamp.as_str(), "<1896.697170952@dbc.mtview.ca.us>");
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp(String);

impl Timestamp {
    /// Bytes of a timestamp, brackets included.
    pub const BYTES_MAX: usize = 200;

    /// A timestamp that no other greeting has had: `unique` and `clock` together must never come twice. Take
    /// `unique` from a source of randomness, so that nobody can tell the next one.
    pub fn of(unique: u64, clock: u64, host: &str) -> Result<Self, InvalidMessage> {
        let text = |number| Decimal::new(number).as_bytes().to_vec();
        Self::new(&[b"<", &*text(unique), b".", &*text(clock), b"@", host.as_bytes(), b">"].concat())
    }

    /// Takes a timestamp with its brackets.
    pub fn new(timestamp: &[u8]) -> Result<Self, InvalidMessage> {
        if timestamp.len() > Self::BYTES_MAX {
            return Err(InvalidMessage::new("timestamp too long", Self::BYTES_MAX));
        }
        let inner = timestamp.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
        let inner = inner.ok_or(InvalidMessage::new("timestamp in angle brackets expected", 0))?;
        // No quoting, no comments, no spaces: what servers send, and no room for an attack.
        let is_text = |b: &u8| b.is_ascii_graphic() && !br#"<>@"\(),:;"#.contains(b);
        let part = |part: &[u8]| !part.is_empty() && part.iter().all(is_text);
        let at = memchr(b'@', inner).ok_or(InvalidMessage::new("at sign expected in a timestamp", 0))?;
        let (left, right) = (inner.get(..at).unwrap_or_default(), inner.get(at + 1..).unwrap_or_default());
        if !(part(left) && part(right)) {
            return Err(InvalidMessage::new("not in a timestamp", 0));
        }
        Ok(Self(String::from_utf8_lossy(timestamp).into_owned()))
    }

    /// The timestamp that stands in the text of a greeting, if one does.
    pub(crate) fn find(greeting: &[u8]) -> Option<Self> {
        let from = memchr(b'<', greeting)?;
        let rest = greeting.get(from..)?;
        Self::new(rest.get(..=memchr(b'>', rest)?)?).ok()
    }

    /// The timestamp with its brackets: what is hashed, before the secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest of an APOP command: 16 bytes.
#[derive(Clone, Copy)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Takes the bytes that a hash function gave.
    #[must_use]
    pub fn new(md5: [u8; 16]) -> Self {
        Self(md5)
    }

    /// Reads 32 hexadecimal digits, of either case.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidMessage> {
        let wrong = InvalidMessage::new("digest of 32 hexadecimal digits expected", 0);
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if text.len() != 32 {
            return Err(wrong);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
            let [high, low] = *pair;
            *byte = 16 * digit(high).ok_or(wrong)? + digit(low).ok_or(wrong)?;
        }
        Ok(Self(bytes))
    }

    /// The digest in lower-case hexadecimal digits, as it stands in the command.
    #[must_use]
    pub fn to_text(&self) -> Bytes {
        let digits = self.0.iter().flat_map(|b| [b >> 4, b & 15]);
        digits.map(|d| b"0123456789abcdef".get(usize::from(d)).copied().unwrap_or(b'0')).collect()
    }
}

/// Takes as long whether they are equal or not: a guesser learns nothing from it.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_of_the_rfc_is_found_in_its_greeting() {
        let found = |text: &[u8]| Timestamp::find(text).map(|t| t.as_str().to_owned());
        let rfc = "<1896.697170952@dbc.mtview.ca.us>";
        assert_eq!(found(format!("POP3 server ready {rfc}").as_bytes()), Some(rfc.into()));
        assert_eq!(found(format!("{rfc} ready").as_bytes()), Some(rfc.into()));
        for none in ["ready", "a < b > c", "<a@b", "<ab>", "<@b>", "<a@>", "<a@b@c>", "<<a@b>"] {
            assert_eq!(found(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_timestamp_that_is_no_message_id_is_none() {
        for bad in
            [&b"<a\x80b@c>"[..], b"<a b@c>", b"<a\"b@c>", b"<a\\b@c>", b"<a\0@b>", b"<a\r\n@b>", b"<(a)@b>"]
        {
            assert!(Timestamp::new(bad).is_err(), "{bad:?}");
        }
        let long = |bytes: usize| Timestamp::new(format!("<{}@b>", "a".repeat(bytes - 4)).as_bytes());
        assert!(long(Timestamp::BYTES_MAX).is_ok());
        assert!(long(Timestamp::BYTES_MAX + 1).is_err());
    }

    #[test]
    fn digests_are_read_and_written() {
        let text = b"c4c9334bac560ecc979e58001b3e22fb";
        let digest = Digest::parse(text).unwrap();
        assert_eq!(digest.to_text(), &text[..]);
        assert_eq!(Digest::parse(&text.to_ascii_uppercase()), Ok(digest));
        assert_ne!(Digest::parse(b"c4c9334bac560ecc979e58001b3e22fa"), Ok(digest));
        for bad in
            [&b""[..], &text[1..], b"c4c9334bac560ecc979e58001b3e22fg", b"c4c9334bac560ecc979e58001b3e22fb0"]
        {
            assert!(Digest::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(format!("{digest:?}"), "Digest(***)");
    }
}
