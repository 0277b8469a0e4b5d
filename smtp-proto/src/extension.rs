//! What a server can announce in its reply to EHLO or LHLO (RFC 5321 4.1.1.1): one typed keyword, unknown ones kept.
//!
//! A new extension adds one variant, one line to `keyword`, `read` and `Display` each.

use std::fmt;

use mail_wire::InvalidMessage;
use mail_wire::sasl::MechanismName;

use crate::attributes::AttributeName;
use crate::future_release::FutureRelease;
use crate::params::is_keyword;
use crate::session_limits::SessionLimits;
use crate::solicitation::Solicitation;

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
    /// BINARYMIME (RFC 3030).
    BinaryMime,
    /// CHUNKING: BDAT (RFC 3030).
    Chunking,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    EnhancedStatusCodes,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH, with the names of the mechanisms (RFC 4954).
    Auth(Vec<MechanismName>),
    /// DSN (RFC 3461).
    Dsn,
    /// SMTPUTF8 (RFC 6531).
    SmtpUtf8,
    /// REQUIRETLS (RFC 8689).
    RequireTls,
    /// DELIVERBY, with the shortest deadline in seconds, if there is one (RFC 2852).
    DeliverBy(Option<u32>),
    /// FUTURERELEASE (RFC 4865).
    FutureRelease(FutureRelease),
    /// MT-PRIORITY, with the name of the policy, if it has one (RFC 6710).
    MtPriority(Option<Box<str>>),
    /// RRVS (RFC 7293).
    Rrvs,
    /// LIMITS (RFC 9422).
    Limits(SessionLimits),
    /// BURL, with `imap` and the URLs of servers that can be fetched from (RFC 4468).
    Burl(Vec<Box<str>>),
    /// NO-SOLICITING, with what is not wanted (RFC 3865).
    NoSoliciting(Option<Solicitation>),
    /// ETRN (RFC 1985).
    Etrn,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// IGNOREQUOTA: a parameter of RCPT in LMTP (Cyrus).
    IgnoreQuota,
    /// XCLIENT, with the attributes that may be set (Postfix).
    XClient(Vec<AttributeName>),
    /// XFORWARD, with the attributes that are logged (Postfix).
    XForward(Vec<AttributeName>),
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

impl From<OtherExtension> for Extension {
    fn from(other: OtherExtension) -> Self {
        Self::Other(other)
    }
}

impl Extension {
    /// Its keyword, in upper case.
    #[must_use]
    pub fn keyword(&self) -> &str {
        match self {
            Self::Size(_) => "SIZE",
            Self::Pipelining => "PIPELINING",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
            Self::Chunking => "CHUNKING",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::StartTls => "STARTTLS",
            Self::Auth(_) => "AUTH",
            Self::Dsn => "DSN",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::RequireTls => "REQUIRETLS",
            Self::DeliverBy(_) => "DELIVERBY",
            Self::FutureRelease(_) => "FUTURERELEASE",
            Self::MtPriority(_) => "MT-PRIORITY",
            Self::Rrvs => "RRVS",
            Self::Limits(_) => "LIMITS",
            Self::Burl(_) => "BURL",
            Self::NoSoliciting(_) => "NO-SOLICITING",
            Self::Etrn => "ETRN",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::IgnoreQuota => "IGNOREQUOTA",
            Self::XClient(_) => "XCLIENT",
            Self::XForward(_) => "XFORWARD",
            Self::Other(other) => &other.keyword,
        }
    }

    /// Reads one line of the reply. `None` for what is no keyword: such a line is passed over, not fatal. A known
    /// keyword with parameters that it does not have is kept as an unknown one.
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
        let keyword = keyword.to_ascii_uppercase();
        match known(&keyword, params) {
            Some(known) => Some(known),
            None => OtherExtension::new(&keyword, params).ok().map(Self::Other),
        }
    }
}

fn known(keyword: &str, params: &str) -> Option<Extension> {
    let maybe_text = || (!params.is_empty()).then(|| params.into());
    let words = || params.split(' ').filter(|word| !word.is_empty());
    let attributes = || words().filter_map(|name| AttributeName::new(name).ok()).collect();
    let visible = params.bytes().all(|b| (0x20..0x7f).contains(&b));
    if !visible {
        return None;
    }
    Some(match (keyword, params) {
        ("SIZE", "" | "0") => Extension::Size(None),
        ("SIZE", digits) => Extension::Size(Some(number(digits)?)),
        ("PIPELINING", "") => Extension::Pipelining,
        ("8BITMIME", "") => Extension::EightBitMime,
        ("BINARYMIME", "") => Extension::BinaryMime,
        ("CHUNKING", "") => Extension::Chunking,
        ("ENHANCEDSTATUSCODES", "") => Extension::EnhancedStatusCodes,
        ("STARTTLS", "") => Extension::StartTls,
        ("AUTH", names) => Extension::Auth(
            names.split([' ', '=']).filter_map(|name| MechanismName::new(name.as_bytes()).ok()).collect(),
        ),
        ("DSN", "") => Extension::Dsn,
        // RFC 6531 3.1 defines no parameter, and wants any to be passed over.
        ("SMTPUTF8", _) => Extension::SmtpUtf8,
        ("REQUIRETLS", "") => Extension::RequireTls,
        ("DELIVERBY", "") => Extension::DeliverBy(None),
        ("DELIVERBY", seconds) => Extension::DeliverBy(Some(number(seconds)?.try_into().ok()?)),
        ("FUTURERELEASE", limits) => Extension::FutureRelease(FutureRelease::read(limits).ok()?),
        ("MT-PRIORITY", _) => Extension::MtPriority(maybe_text()),
        ("RRVS", "") => Extension::Rrvs,
        ("LIMITS", limits) => Extension::Limits(SessionLimits::read(limits).ok()?),
        ("BURL", _) => Extension::Burl(words().map(Into::into).collect()),
        ("NO-SOLICITING", "") => Extension::NoSoliciting(None),
        ("NO-SOLICITING", kinds) => Extension::NoSoliciting(Some(Solicitation::new(kinds).ok()?)),
        ("ETRN", "") => Extension::Etrn,
        ("VRFY", "") => Extension::Vrfy,
        ("EXPN", "") => Extension::Expn,
        ("HELP", "") => Extension::Help,
        ("IGNOREQUOTA", "") => Extension::IgnoreQuota,
        ("XCLIENT", _) => Extension::XClient(attributes()),
        ("XFORWARD", _) => Extension::XForward(attributes()),
        _ => return None,
    })
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())?;
        match self {
            Self::Size(Some(max)) => write!(f, " {max}"),
            Self::Auth(mechanisms) => mechanisms.iter().try_for_each(|name| write!(f, " {}", name.as_str())),
            Self::DeliverBy(Some(seconds)) => write!(f, " {seconds}"),
            Self::FutureRelease(limits) => write!(f, " {limits}"),
            Self::MtPriority(Some(policy)) => write!(f, " {policy}"),
            Self::Limits(limits) if *limits == SessionLimits::default() => Ok(()),
            Self::Limits(limits) => write!(f, " {limits}"),
            Self::Burl(urls) => urls.iter().try_for_each(|url| write!(f, " {url}")),
            Self::NoSoliciting(Some(kinds)) => write!(f, " {kinds}"),
            Self::XClient(names) | Self::XForward(names) => {
                names.iter().try_for_each(|name| write!(f, " {}", name.as_str()))
            }
            Self::Other(other) if !other.params.is_empty() => write!(f, " {}", other.params),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_written_as_it_is_read() {
        for line in [
            "SIZE",
            "SIZE 1000",
            "PIPELINING",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "AUTH PLAIN SCRAM-SHA-256",
            "DSN",
            "SMTPUTF8",
            "REQUIRETLS",
            "DELIVERBY",
            "DELIVERBY 240",
            "FUTURERELEASE 31536000 2030-01-01T00:00:00Z",
            "MT-PRIORITY",
            "MT-PRIORITY MIXER",
            "RRVS",
            "LIMITS MAILMAX=10 RCPTMAX=100 X=1",
            "BURL imap imap://imap.example.org",
            "NO-SOLICITING",
            "NO-SOLICITING net.example:ADV",
            "ETRN",
            "VRFY",
            "EXPN",
            "HELP",
            "IGNOREQUOTA",
            "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
            "XFORWARD NAME ADDR",
        ] {
            let extension = Extension::read(line).expect(line);
            assert!(!matches!(extension, Extension::Other(_)), "{line}");
            assert_eq!(extension.to_string(), line);
            assert_eq!(line.split(' ').next(), Some(extension.keyword()));
        }
        assert_eq!(Extension::read("x-exps gssapi").map(|e| e.to_string()).as_deref(), Some("X-EXPS gssapi"));
    }

    #[test]
    fn odd_announcements_are_read_or_passed_over() {
        assert_eq!(Extension::read("SIZE 0"), Some(Extension::Size(None)));
        assert_eq!(Extension::read("AUTH=LOGIN PLAIN"), Extension::read("AUTH LOGIN PLAIN"));
        assert_eq!(Extension::read("starttls"), Some(Extension::StartTls));
        for bad in ["", " SIZE", "-X", "A\u{e9}", "X \r", "BURL imap\r"] {
            assert_eq!(Extension::read(bad), None, "{bad:?}");
        }
        for odd in ["SIZE x", "STARTTLS now", "FUTURERELEASE 1", "DELIVERBY soon"] {
            assert!(matches!(Extension::read(odd), Some(Extension::Other(_))), "{odd}");
        }
    }
}
