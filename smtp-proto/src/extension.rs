//! What a server announces in its reply to EHLO or LHLO (RFC 5321 4.1.1.1): a typed list, unknown keywords kept.
//!
//! A new extension adds one variant, one line to `read` and one to `Display`.

use std::fmt;

use mail_wire::InvalidMessage;

use crate::params::is_keyword;
use crate::reply::{Reply, Text};

/// One announced extension.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extension {
    /// SIZE, with the largest message in bytes if there is a fixed limit (RFC 1870).
    Size(Option<u64>),
    /// PIPELINING (RFC 2920).
    Pipelining,
    /// 8BITMIME (RFC 6152).
    EightBitMime,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    EnhancedStatusCodes,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH, with the names of the mechanisms, in upper case (RFC 4954).
    Auth(Vec<Box<str>>),
    /// Another.
    Other(OtherExtension),
}

/// An extension that this crate gives no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherExtension {
    keyword: Box<str>,
    params: Box<str>,
}

impl OtherExtension {
    /// An extension of this keyword (letters, digits, `-`) and this text of parameters (printable ASCII, maybe none).
    pub fn new(keyword: &str, params: &str) -> Result<Self, InvalidMessage> {
        if !is_keyword(keyword) {
            return Err(InvalidMessage::new("keyword expected", 0));
        }
        if let Some(at) = params.bytes().position(|b| !(0x20..0x7f).contains(&b)) {
            return Err(InvalidMessage::new("printable ASCII expected", keyword.len() + 1 + at));
        }
        Ok(Self { keyword: keyword.to_ascii_uppercase().into(), params: params.trim_matches(' ').into() })
    }

    /// An extension without parameters, whose keyword stands in the program.
    ///
    /// # Panics
    /// If it is no keyword.
    #[must_use]
    pub fn from_static(keyword: &'static str) -> Self {
        assert!(is_keyword(keyword), "letters, digits and '-' make a keyword");
        Self { keyword: keyword.to_ascii_uppercase().into(), params: "".into() }
    }

    /// The keyword, in upper case.
    #[must_use]
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// The text behind the keyword.
    #[must_use]
    pub fn params(&self) -> &str {
        &self.params
    }
}

impl Extension {
    /// Reads one line of the reply. `None` for what is no keyword: such a line is passed over, not fatal.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        // The form `AUTH=LOGIN` is older than RFC 2554 and still announced for old clients.
        let (keyword, params) = match line.split_once([' ', '=']) {
            Some((keyword, params)) => (keyword, params.trim_matches(' ')),
            None => (line, ""),
        };
        if !is_keyword(keyword) {
            return None;
        }
        Some(match (keyword.to_ascii_uppercase().as_str(), params) {
            ("SIZE", "" | "0") => Self::Size(None),
            ("SIZE", digits) => Self::Size(Some(digits.parse().ok()?)),
            ("PIPELINING", "") => Self::Pipelining,
            ("8BITMIME", "") => Self::EightBitMime,
            ("ENHANCEDSTATUSCODES", "") => Self::EnhancedStatusCodes,
            ("STARTTLS", "") => Self::StartTls,
            ("AUTH", names) => Self::Auth(
                names
                    .split([' ', '='])
                    .filter(|n| is_mechanism(n))
                    .map(|n| n.to_ascii_uppercase().into())
                    .collect(),
            ),
            (keyword, params) => Self::Other(OtherExtension::new(keyword, params).ok()?),
        })
    }
}

/// A SASL mechanism's name (RFC 4422 3.1), in any case.
pub(crate) fn is_mechanism(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(None) => f.write_str("SIZE"),
            Self::Size(Some(max)) => write!(f, "SIZE {max}"),
            Self::Pipelining => f.write_str("PIPELINING"),
            Self::EightBitMime => f.write_str("8BITMIME"),
            Self::EnhancedStatusCodes => f.write_str("ENHANCEDSTATUSCODES"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Auth(mechanisms) => {
                f.write_str("AUTH")?;
                mechanisms.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::Other(other) if other.params.is_empty() => f.write_str(&other.keyword),
            Self::Other(other) => write!(f, "{} {}", other.keyword, other.params),
        }
    }
}

/// What a server can do.
///
/// ```
/// use smtp_proto::{Capabilities, Code, Extension, Reply};
/// let reply = Reply::new(Code::OK, "mx.example").with_line("SIZE 1000").with_line("AUTH PLAIN LOGIN");
/// let can = Capabilities::read(&reply);
/// assert_eq!(can.size_bytes_max(), Some(1000));
/// assert!(can.has_mechanism("login") && !can.has(&Extension::StartTls));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    extensions: Vec<Extension>,
}

impl Capabilities {
    /// These extensions.
    #[must_use]
    pub fn new(extensions: Vec<Extension>) -> Self {
        Self { extensions }
    }

    /// Reads a positive reply to EHLO or LHLO: its first line greets, each other one is an extension.
    #[must_use]
    pub fn read(reply: &Reply) -> Self {
        let text = |line: &Text| std::str::from_utf8(line.as_bytes()).ok().and_then(Extension::read);
        Self { extensions: reply.lines().skip(1).filter_map(text).collect() }
    }

    /// Each extension, in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.extensions.iter()
    }

    /// True if exactly this was announced.
    #[must_use]
    pub fn has(&self, extension: &Extension) -> bool {
        self.extensions.contains(extension)
    }

    /// SIZE was announced, with or without a maximum.
    #[must_use]
    pub fn has_size(&self) -> bool {
        self.extensions.iter().any(|e| matches!(e, Extension::Size(_)))
    }

    /// The largest message in bytes, if the server says.
    #[must_use]
    pub fn size_bytes_max(&self) -> Option<u64> {
        self.extensions.iter().find_map(|e| if let Extension::Size(max) = e { *max } else { None })
    }

    /// This SASL mechanism was announced, in any case.
    #[must_use]
    pub fn has_mechanism(&self, name: &str) -> bool {
        self.mechanisms().any(|mechanism| mechanism.eq_ignore_ascii_case(name))
    }

    /// The SASL mechanisms.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.extensions
            .iter()
            .filter_map(|e| if let Extension::Auth(names) = e { Some(names) } else { None })
            .flatten()
            .map(AsRef::as_ref)
    }

    /// The extension of this keyword that this crate gives no meaning.
    #[must_use]
    pub fn other(&self, keyword: &str) -> Option<&OtherExtension> {
        self.extensions.iter().find_map(|e| match e {
            Extension::Other(other) if other.keyword.eq_ignore_ascii_case(keyword) => Some(other),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_keyword_is_written_as_it_is_read() {
        for line in [
            "SIZE",
            "SIZE 1000",
            "PIPELINING",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "AUTH PLAIN SCRAM-SHA-256",
            "DSN",
            "XCLIENT NAME ADDR",
            "LIMITS RCPTMAX=100",
        ] {
            assert_eq!(Extension::read(line).map(|e| e.to_string()).as_deref(), Some(line));
        }
    }

    #[test]
    fn odd_announcements_are_read_or_passed_over() {
        assert_eq!(Extension::read("SIZE 0"), Some(Extension::Size(None)));
        assert_eq!(Extension::read("AUTH=LOGIN PLAIN"), Extension::read("AUTH LOGIN PLAIN"));
        assert_eq!(Extension::read("starttls"), Some(Extension::StartTls));
        for bad in ["", " SIZE", "SIZE x", "-X", "A\u{e9}", "X \r"] {
            assert_eq!(Extension::read(bad), None, "{bad:?}");
        }
    }

    fn extension() -> impl Strategy<Value = Extension> {
        prop_oneof![
            proptest::option::of(1..u64::MAX).prop_map(Extension::Size),
            Just(Extension::Pipelining),
            Just(Extension::EightBitMime),
            Just(Extension::StartTls),
            proptest::collection::vec("[A-Z][A-Z0-9_-]{0,19}", 0..4)
                .prop_map(|names| Extension::Auth(names.into_iter().map(Into::into).collect())),
            ("X-[A-Z0-9-]{0,9}", "([!-~]([ -~]{0,9}[!-~])?)?").prop_map(|(keyword, params)| {
                Extension::Other(OtherExtension::new(&keyword, &params).expect("valid"))
            }),
        ]
    }

    proptest! {
        #[test]
        fn capabilities_read_back_as_they_were(extensions in proptest::collection::vec(extension(), 0..6)) {
            let lines = extensions.iter().map(ToString::to_string);
            let reply = lines.fold(Reply::new(crate::Code::OK, "mx"), |reply, line| reply.with_line(line));
            prop_assert_eq!(Capabilities::read(&reply), Capabilities::new(extensions));
        }
    }
}
