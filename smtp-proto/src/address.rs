//! Addresses and paths (RFC 5321 4.1.2 and 4.1.3).
//!
//! The values here own their text; the views of the same that borrow from a command line are in `path`. They hold only
//! what the grammar admits, so they cannot put a CR, LF, NUL or a stray `>` into a command (safety row E3).
//!
//! Underscores are admitted in domain names, since such hosts send mail. Text is ASCII, or UTF-8 without control characters
//! (RFC 6531); a connection lets the latter pass only under SMTPUTF8.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use mail_wire::InvalidMessage;

use crate::chars::{ATEXT, KEYWORD, LABEL, is, refuse_controls, span};
use crate::path::Mailbox;

/// Bytes of a local part, unquoted. RFC 5321 4.5.3.1.1 guarantees 64; addresses that carry another address in
/// theirs (VERP, SRS) are longer and are common.
pub const LOCAL_PART_BYTES_MAX: usize = 255;
/// Bytes of a domain (RFC 5321 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// Bytes of one label of a domain (RFC 1035 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// A domain name in lower case, or an address literal in brackets in its usual form.
///
/// ```
/// use smtp_proto::Domain;
/// assert_eq!(Domain::new("Mail.Example.ORG")?.as_str(), "mail.example.org");
/// assert_eq!(Domain::new("[ipv6:2001:DB8:0::1]")?.as_str(), "[IPv6:2001:db8::1]");
/// assert!(Domain::new("a..b").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a domain or address literal.
    pub fn new(text: &str) -> Result<Self, InvalidMessage> {
        check_domain(text)?;
        Ok(Self::canonical(text))
    }

    /// Of text that was checked.
    pub(crate) fn canonical(text: &str) -> Self {
        Self(match read_literal(text) {
            Some(std::net::IpAddr::V4(v4)) => format!("[{v4}]").into(),
            Some(std::net::IpAddr::V6(v6)) => format!("[IPv6:{v6}]").into(),
            None => text.to_ascii_lowercase().into(),
        })
    }

    /// The text, as it goes on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if this is a literal of a known kind.
    #[must_use]
    pub fn literal(&self) -> Option<std::net::IpAddr> {
        read_literal(&self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = InvalidMessage;

    fn from_str(text: &str) -> Result<Self, InvalidMessage> {
        Self::new(text)
    }
}

/// A local part without quoting: 0 to [`LOCAL_PART_BYTES_MAX`] bytes of printable text.
///
/// Case matters, and what is in it is for its own host to read.
///
/// ```
/// use smtp_proto::LocalPart;
/// assert_eq!(LocalPart::new("john doe")?.to_string(), r#""john doe""#);
/// assert!(LocalPart::new("a\r\nb").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// Checks the text.
    pub fn new(text: &str) -> Result<Self, InvalidMessage> {
        if text.len() > LOCAL_PART_BYTES_MAX {
            return Err(InvalidMessage::new("local part too long", LOCAL_PART_BYTES_MAX));
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(InvalidMessage::new("printable text expected", at)),
            None => Ok(Self(text.into())),
        }
    }

    pub(crate) fn of_checked(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalPart {
    /// As it goes on the wire: quoted where it must be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_local_part(&self.0, f)
    }
}

/// A mailbox address that owns its text.
///
/// Two addresses are equal when their local parts are the same bytes and their domains the same name, however the
/// local part was quoted.
///
/// ```
/// use smtp_proto::Address;
/// let address: Address = r#""john doe"@Example.org"#.parse()?;
/// assert_eq!((address.local_part(), address.domain().as_str()), ("john doe", "example.org"));
/// assert_eq!(address.to_string(), r#""john doe"@example.org"#);
/// assert_eq!(r#""plain"@example.org"#.parse::<Address>()?.to_string(), "plain@example.org");
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// An address of these parts.
    #[must_use]
    pub fn new(local: LocalPart, domain: Domain) -> Self {
        Self { local, domain }
    }

    /// The local part, without quotes.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local.0
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// True if the address can be used without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.0.is_ascii() && self.domain.0.is_ascii()
    }
}

impl FromStr for Address {
    type Err = InvalidMessage;

    /// Reads `local-part@domain`, without angle brackets.
    fn from_str(text: &str) -> Result<Self, InvalidMessage> {
        Mailbox::parse(text).map(Mailbox::to_address)
    }
}

impl fmt::Display for Address {
    /// As it goes on the wire: the local part is quoted only where it must be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Where a failure is reported to: the path of `MAIL FROM`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: a report, which must never cause another.
    Null,
    /// A mailbox.
    Address(Address),
}

impl ReversePath {
    /// The address, unless the path is null.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// True if the path can be used without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.address().is_none_or(Address::is_ascii)
    }
}

impl fmt::Display for ReversePath {
    /// With its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// Who the message is for: the path of `RCPT TO`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// A mailbox.
    Address(Address),
    /// A local part alone. In SMTP only `<Postmaster>` may be one (RFC 5321 4.1.1.3), and a server connection lets
    /// no other pass; in LMTP it is what Cyrus's own tools send.
    Local(LocalPart),
}

impl ForwardPath {
    /// A path of a local part alone, which must not be empty.
    pub fn local(local_part: &str) -> Result<Self, InvalidMessage> {
        if local_part.is_empty() {
            return Err(InvalidMessage::new("local part expected", 0));
        }
        LocalPart::new(local_part).map(Self::Local)
    }

    /// True for `<Postmaster>` in any case, without a domain.
    #[must_use]
    pub fn is_postmaster(&self) -> bool {
        matches!(self, Self::Local(local) if local.0.eq_ignore_ascii_case("postmaster"))
    }

    /// The address, if there is a domain.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Local(_) => None,
        }
    }

    /// True if the path can be used without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Address(address) => address.is_ascii(),
            Self::Local(local) => local.0.is_ascii(),
        }
    }

    /// The local part, unquoted.
    #[must_use]
    pub fn local_part(&self) -> &str {
        match self {
            Self::Address(address) => address.local_part(),
            Self::Local(local) => local.as_str(),
        }
    }
}

impl fmt::Display for ForwardPath {
    /// With its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "<{address}>"),
            Self::Local(local) => write!(f, "<{local}>"),
        }
    }
}

impl From<Address> for ReversePath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<Address> for ForwardPath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

/// `Atom *("." Atom)`.
pub(crate) fn is_dot_string(text: &str) -> bool {
    dot_string_bytes(text.as_bytes()) == Some(text.len())
}

/// The length of the dot-string at the start, if there is one.
pub(crate) fn dot_string_bytes(text: &[u8]) -> Option<usize> {
    let mut after_dot = true;
    let mut length = 0;
    for byte in text {
        if is(ATEXT, *byte) {
            after_dot = false;
        } else if *byte == b'.' && !after_dot {
            after_dot = true;
        } else {
            break;
        }
        length += 1;
    }
    (!after_dot).then_some(length)
}

fn write_local_part(local: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is_dot_string(local) {
        return f.write_str(local);
    }
    f.write_str("\"")?;
    for c in local.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("\"")
}

/// Checks a domain or address literal, all of the text.
pub(crate) fn check_domain(text: &str) -> Result<(), InvalidMessage> {
    refuse_controls(text)?;
    let length = domain_bytes(text)?;
    if length < text.len() { Err(InvalidMessage::new("domain expected", length)) } else { Ok(()) }
}

/// The length of the domain or address literal at the start.
pub(crate) fn domain_bytes(text: &str) -> Result<usize, InvalidMessage> {
    let length = if text.starts_with('[') {
        literal_bytes(text).ok_or(InvalidMessage::new("address literal expected", 0))?
    } else {
        host_name_bytes(text.as_bytes())?
    };
    if length > DOMAIN_BYTES_MAX {
        return Err(InvalidMessage::new("domain too long", DOMAIN_BYTES_MAX));
    }
    Ok(length)
}

/// The length of the labels with dots between them at the start; none of them begins or ends with `-`.
pub(crate) fn host_name_bytes(text: &[u8]) -> Result<usize, InvalidMessage> {
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let label = rest.get(..span(LABEL, rest)).unwrap_or_default();
        let is_label = matches!((label.first(), label.last()), (Some(first), Some(last)) if *first != b'-' && *last != b'-');
        if !is_label || label.len() > LABEL_BYTES_MAX {
            return Err(InvalidMessage::new("domain expected", length));
        }
        length += label.len();
        match text.get(length) {
            Some(b'.') => length += 1,
            _ => return Ok(length),
        }
    }
}

/// An IPv4, `IPv6:` or general address literal with its brackets (RFC 5321 4.1.3).
fn literal_bytes(text: &str) -> Option<usize> {
    let length = text.find(']')? + 1;
    let literal = text.get(..length)?;
    if read_literal(literal).is_some() {
        return Some(length);
    }
    let (tag, content) = literal.get(1..length - 1)?.split_once(':')?;
    let is_tag = !tag.is_empty() && span(KEYWORD, tag.as_bytes()) == tag.len();
    let is_content =
        !content.is_empty() && content.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b'\\'));
    (is_tag && is_content && !tag.eq_ignore_ascii_case("IPv6")).then_some(length)
}

fn read_literal(text: &str) -> Option<std::net::IpAddr> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    match inner.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6:") => v6.parse::<Ipv6Addr>().ok().map(Into::into),
        _ => inner.parse::<Ipv4Addr>().ok().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_at_their_limits_pass_and_one_above_does_not() {
        let local = |n: usize| format!("{}@b", "a".repeat(n)).parse::<Address>().is_ok();
        assert!(local(LOCAL_PART_BYTES_MAX) && !local(LOCAL_PART_BYTES_MAX + 1));
        let label = |n: usize| Domain::new(&"a".repeat(n)).is_ok();
        assert!(label(LABEL_BYTES_MAX) && !label(LABEL_BYTES_MAX + 1));
        let domain = |n: usize| Domain::new(&format!("{}a", "a.".repeat(n / 2))).is_ok();
        assert!(domain(DOMAIN_BYTES_MAX - 1) && !domain(DOMAIN_BYTES_MAX + 1));
    }

    proptest! {
        #[test]
        fn an_address_reads_back_as_it_was(
            local in "[ -~\u{e9}\u{4e2d}]{0,40}",
            domain in "[a-z0-9\u{e9}]{1,9}(\\.[a-z0-9_\u{4e2d}]{1,9}){0,3}",
        ) {
            let address = Address::new(LocalPart::new(&local)?, Domain::new(&domain)?);
            prop_assert_eq!(address.to_string().parse::<Address>()?, address);
        }
    }
}
