//! The small words of a maildrop: message numbers, unique identifiers, sizes (RFC 1939 3, 5, 7).

use std::fmt;
use std::num::NonZeroU32;

use bytes::Bytes;
use mail_wire::InvalidMessage;
use memchr::memchr;
use nom::character::complete::{char, u32, u64};
use nom::combinator::all_consuming;
use nom::sequence::separated_pair;
use nom::{IResult, Parser};

use crate::quirks::{Leniency, Quirk};

/// The number of a message in a session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// A number; zero is none.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number, from 1.
    #[must_use]
    pub fn as_u32(self) -> u32 {
        self.0.into()
    }

    /// Reads decimal digits and nothing else.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, InvalidMessage> {
        number(text).and_then(Self::new).ok_or(InvalidMessage::new("message number expected", 0))
    }
}

impl fmt::Display for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Decimal digits and nothing else.
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    let parsed: IResult<_, _> = all_consuming(u32).parse(text);
    parsed.ok().map(|(_, number)| number)
}

/// A message's unique identifier: 1 to 70 printable ASCII characters without space. One that was read by
/// [`Quirk::UniqueIdWithSpaces`] may hold spaces.
///
/// ```
/// use pop3_proto::UniqueId;
/// assert_eq!(UniqueId::new("1795500150.17")?.as_str(), "1795500150.17");
/// assert!(UniqueId::new("two words").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UniqueId(Bytes);

impl UniqueId {
    /// Bytes of an identifier (RFC 1939 7).
    pub const BYTES_MAX: usize = 70;

    /// Takes the identifier.
    pub fn new(id: impl Into<Bytes>) -> Result<Self, InvalidMessage> {
        Self::new_with(id.into(), &mut Leniency::default())
    }

    fn new_with(id: Bytes, leniency: &mut Leniency) -> Result<Self, InvalidMessage> {
        if id.is_empty() || id.len() > Self::BYTES_MAX {
            return Err(InvalidMessage::new("unique identifier of 1 to 70 bytes expected", 0));
        }
        let wrong = |at| InvalidMessage::new("not in a unique identifier", at);
        if let Some(at) = id.iter().position(|b| !(b.is_ascii_graphic() || *b == b' ')) {
            return Err(wrong(at));
        }
        match memchr(b' ', &id) {
            Some(at) if !leniency.overlook(Quirk::UniqueIdWithSpaces) => Err(wrong(at)),
            _ => Ok(Self(id)),
        }
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UniqueId({})", self.as_str())
    }
}

/// A message and its size: a line of LIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanListing {
    /// The message.
    pub message: MessageNumber,
    /// Its size in octets, each line end counted as two.
    pub octets: u64,
}

impl ScanListing {
    /// Reads `number SP octets`; what a server puts behind a further space is passed over (RFC 1939 5 lets it).
    pub(crate) fn parse(text: &[u8]) -> Result<Self, InvalidMessage> {
        let listing = pair(text).and_then(|(n, octets)| Some((MessageNumber::new(n)?, octets)));
        let (message, octets) = listing.ok_or(InvalidMessage::new("scan listing expected", 0))?;
        Ok(Self { message, octets })
    }
}

/// A message and its identifier: a line of UIDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIdListing {
    /// The message.
    pub message: MessageNumber,
    /// Its identifier.
    pub id: UniqueId,
}

impl UniqueIdListing {
    pub(crate) fn parse(text: &Bytes, leniency: &mut Leniency) -> Result<Self, InvalidMessage> {
        let space = memchr(b' ', text).ok_or(InvalidMessage::new("unique-id listing expected", 0))?;
        let message = MessageNumber::parse(text.get(..space).unwrap_or_default())?;
        Ok(Self { message, id: UniqueId::new_with(text.slice(space + 1..), leniency)? })
    }
}

/// A line of LIST or UIDL that somebody else keeps, such as a read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingView<'a> {
    /// A line of LIST.
    Scan(ScanListing),
    /// A line of UIDL: the message, and its identifier within the limits of [`UniqueId`].
    UniqueId(MessageNumber, &'a str),
}

impl<'a> ListingView<'a> {
    /// Reads the line of LIST at the front of the input, if it is there whole and in its plainest form, and its bytes.
    pub(crate) fn scan_line(input: &'a [u8]) -> Option<(Self, usize)> {
        let (message, rest) = message_and_space(input)?;
        let (octets, rest) = digits(rest)?;
        let rest = rest.strip_prefix(b"\r\n")?;
        Some((Self::Scan(ScanListing { message, octets }), input.len() - rest.len()))
    }

    /// Reads a line of UIDL as well.
    pub(crate) fn unique_id_line(input: &'a [u8]) -> Option<(Self, usize)> {
        let (message, rest) = message_and_space(input)?;
        let most = rest.get(..=UniqueId::BYTES_MAX).unwrap_or(rest);
        let bytes = most.iter().position(|b| !b.is_ascii_graphic())?;
        let (id, rest) = rest.split_at_checked(bytes)?;
        let rest = rest.strip_prefix(b"\r\n")?;
        let id = std::str::from_utf8(id).ok().filter(|id| !id.is_empty())?;
        Some((Self::UniqueId(message, id), input.len() - rest.len()))
    }
}

fn message_and_space(input: &[u8]) -> Option<(MessageNumber, &[u8])> {
    let (number, rest) = digits(input)?;
    let message = MessageNumber::new(u32::try_from(number).ok()?)?;
    Some((message, rest.strip_prefix(b" ")?))
}

/// Up to 18 digits, so that nothing can overflow, and what follows them.
fn digits(input: &[u8]) -> Option<(u64, &[u8])> {
    const DIGITS_MAX: usize = 18;
    let (mut number, mut count) = (0_u64, 0);
    for byte in input.iter().take_while(|b| b.is_ascii_digit()) {
        number = 10 * number + u64::from(byte - b'0');
        count += 1;
        if count > DIGITS_MAX {
            return None;
        }
    }
    Some((number, input.get(count..)?)).filter(|_| count > 0)
}

/// How much a maildrop holds: the answer to STAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropListing {
    /// Messages that are not marked as deleted.
    pub messages: u32,
    /// Their octets together.
    pub octets: u64,
}

impl DropListing {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, InvalidMessage> {
        let (messages, octets) = pair(text).ok_or(InvalidMessage::new("drop listing expected", 0))?;
        Ok(Self { messages, octets })
    }
}

/// `number SP number`, and perhaps more behind another space.
fn pair(text: &[u8]) -> Option<(u32, u64)> {
    let parsed: IResult<_, _> = separated_pair(u32, char(' '), u64).parse(text);
    match parsed {
        Ok(([] | [b' ', ..], pair)) => Some(pair),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quirks::Quirks;

    #[test]
    fn numbers_are_digits_and_not_zero() {
        assert_eq!(MessageNumber::parse(b"42").map(MessageNumber::as_u32), Ok(42));
        assert_eq!(MessageNumber::parse(b"4294967295").map(MessageNumber::as_u32), Ok(u32::MAX));
        for bad in [&b""[..], b"0", b"-1", b"+1", b"1 ", b"1x", b"4294967296", b"\xc2\xb9"] {
            assert!(MessageNumber::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn listings_are_read_with_what_servers_put_behind_them() {
        let listing = ScanListing::parse(b"1 120 odd extra").unwrap();
        assert_eq!((listing.message.as_u32(), listing.octets), (1, 120));
        assert_eq!(DropListing::parse(b"2 320"), Ok(DropListing { messages: 2, octets: 320 }));
        assert_eq!(DropListing::parse(b"0 0"), Ok(DropListing { messages: 0, octets: 0 }));
        for bad in
            [&b""[..], b"1", b"1 ", b"1 x", b"0 5", b" 1 2", b"1  2", b"1 2x", b"1 18446744073709551616"]
        {
            assert!(ScanListing::parse(bad).is_err(), "{bad:?}");
        }
        let parse = |text: &str| UniqueIdListing::parse(&text.to_owned().into(), &mut Leniency::default());
        let listing = parse("2 QhdPYR:00WBw1Ph7x7").unwrap();
        assert_eq!((listing.message.as_u32(), listing.id.as_str()), (2, "QhdPYR:00WBw1Ph7x7"));
        for bad in ["", "1", "1 ", "x a", "1 a b", "1 \u{e9}"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        let mut spaces = Leniency::new(Quirks::NONE.with(Quirk::UniqueIdWithSpaces));
        let listing = UniqueIdListing::parse(&"1 a b".into(), &mut spaces).unwrap();
        assert_eq!(listing.id.as_str(), "a b");
        assert!(UniqueIdListing::parse(&"1 a".into(), &mut spaces).is_ok());
        assert_eq!(spaces.met.count(Quirk::UniqueIdWithSpaces), 1);
    }

    #[test]
    fn plain_lines_are_read_at_the_front_of_the_input_and_others_left_alone() {
        let one = MessageNumber::new(1).unwrap();
        let scan = |octets| ListingView::Scan(ScanListing { message: one, octets });
        assert_eq!(ListingView::scan_line(b"1 120\r\n2 "), Some((scan(120), 7)));
        assert_eq!(
            ListingView::scan_line(b"1 999999999999999999\r\n"),
            Some((scan(999_999_999_999_999_999), 22))
        );
        assert_eq!(
            ListingView::unique_id_line(b"1 a.b\r\n.\r\n"),
            Some((ListingView::UniqueId(one, "a.b"), 7))
        );
        for other in [
            &b"1 120"[..],
            b"1 120\r",
            b"1 120\n",
            b"1 120 x\r\n",
            b"0 120\r\n",
            b"1  120\r\n",
            b" 1 120\r\n",
            b"1 \r\n",
            b"1\r\n",
            b".\r\n",
            b"4294967296 1\r\n",
            b"1 1000000000000000000\r\n",
        ] {
            assert_eq!(ListingView::scan_line(other), None, "{other:?}");
        }
        for other in [&b"1 a"[..], b"1 a b\r\n", b"1 \r\n", b"1 \xc3\xa9\r\n", b"1 a\n", b"0 a\r\n", b".\r\n"]
        {
            assert_eq!(ListingView::unique_id_line(other), None, "{other:?}");
        }
        let long = |bytes: usize| [&b"1 "[..], &vec![b'a'; bytes], b"\r\n"].concat();
        assert!(ListingView::unique_id_line(&long(UniqueId::BYTES_MAX)).is_some());
        assert!(ListingView::unique_id_line(&long(UniqueId::BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn an_identifier_at_the_limit_passes_and_one_above_does_not() {
        assert!(UniqueId::new(vec![b'a'; UniqueId::BYTES_MAX]).is_ok());
        assert!(UniqueId::new(vec![b'a'; UniqueId::BYTES_MAX + 1]).is_err());
        assert!(UniqueId::new("").is_err());
        for byte in 0..=0xff_u8 {
            assert_eq!(UniqueId::new(vec![byte]).is_ok(), (0x21..0x7f).contains(&byte), "{byte:#x}");
        }
    }
}
