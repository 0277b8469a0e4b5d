//! Parameters of MAIL and RCPT (RFC 5321 4.1.2 `esmtp-param`), and xtext (RFC 3461 4).
//!
//! [`Params`] is a checked view of the text behind a path. [`MailParams`] and [`RcptParams`] are what it means: known
//! parameters typed, unknown ones kept in order. A new extension adds one field here and one line to `read` and
//! `Display` each.

use std::fmt;

use mail_wire::InvalidMessage;

use crate::address::{Address, LocalPart};
use crate::path::Mailbox;

/// The parameters of one command as they stand on the line: `KEYWORD[=value]`, separated by spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a>(&'a str);

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its keyword, in the case it was sent: letters, digits, `-`.
    pub keyword: &'a str,
    /// What stands behind `=`; never empty.
    pub value: Option<&'a str>,
}

impl<'a> Params<'a> {
    /// Checks the text; each parameter must have its form.
    pub fn parse(text: &'a str) -> Result<Self, InvalidMessage> {
        let trimmed = text.trim_matches(' ');
        let mut offset = 0;
        for word in trimmed.split(' ') {
            if !word.is_empty() {
                let (keyword, value) = split(word);
                if !is_keyword(keyword) || value.is_some_and(|v| !is_value(v)) {
                    return Err(InvalidMessage::new("parameter expected", offset));
                }
            }
            offset += word.len() + 1;
        }
        Ok(Self(trimmed))
    }

    /// Each parameter, in order.
    pub fn iter(self) -> impl Iterator<Item = Param<'a>> {
        self.0.split(' ').filter(|word| !word.is_empty()).map(|word| {
            let (keyword, value) = split(word);
            Param { keyword, value }
        })
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Params<'_> {
    /// Each with a space in front, ready to stand behind a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for param in self.iter() {
            write!(f, " {}", param.keyword)?;
            if let Some(value) = param.value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

fn split(word: &str) -> (&str, Option<&str>) {
    word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)))
}

/// `esmtp-keyword`, also the form of an EHLO keyword.
pub(crate) fn is_keyword(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `esmtp-value`: visible ASCII but `=`.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'=')
}

/// A parameter of no known extension, owned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherParam {
    keyword: Box<str>,
    value: Option<Box<str>>,
}

impl OtherParam {
    /// A parameter of this keyword and value; both must have the grammar's form. The keyword becomes upper case.
    pub fn new(keyword: &str, value: Option<&str>) -> Result<Self, InvalidMessage> {
        if !is_keyword(keyword) {
            return Err(InvalidMessage::new("keyword expected", 0));
        }
        if value.is_some_and(|v| !is_value(v)) {
            return Err(InvalidMessage::new("value expected", keyword.len() + 1));
        }
        Ok(Self { keyword: keyword.to_ascii_uppercase().into(), value: value.map(Into::into) })
    }

    /// Its keyword, in upper case.
    #[must_use]
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl fmt::Display for OtherParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.keyword)?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, "={value}"))
    }
}

/// What the message is made of (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Body {
    /// `BODY=7BIT`, also what the absence of the parameter means.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`: lines with bytes above 0x7F.
    EightBitMime,
}

/// Who submitted the message first, as the client says (RFC 4954 5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Submitter {
    /// `AUTH=<>`: nobody knows, or nobody is trusted to say.
    Unknown,
    /// A mailbox.
    Address(Address),
    /// A user's name alone, as Cyrus's own tools send it.
    Local(LocalPart),
}

/// What the parameters of MAIL say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MailParams {
    /// `SIZE`: the client's estimate in bytes (RFC 1870). A number above 2^64-1 reads as 2^64-1.
    pub size_bytes: Option<u64>,
    /// `BODY` (RFC 6152).
    pub body: Option<Body>,
    /// `AUTH` (RFC 4954 5). To be believed only from a client that is trusted.
    pub auth: Option<Submitter>,
    /// All others, in order.
    pub other: Vec<OtherParam>,
}

impl MailParams {
    /// Reads the parameters. Each may stand once; an error names the offset 0, the kind says which.
    pub fn read(params: Params<'_>) -> Result<Self, InvalidMessage> {
        let mut read = Self::default();
        for param in params.iter() {
            let keyword = param.keyword;
            if keyword.eq_ignore_ascii_case("SIZE") {
                once(&mut read.size_bytes, size(param.value)?)?;
            } else if keyword.eq_ignore_ascii_case("BODY") {
                once(&mut read.body, body(param.value)?)?;
            } else if keyword.eq_ignore_ascii_case("AUTH") {
                once(&mut read.auth, submitter(param.value)?)?;
            } else {
                push_other(&mut read.other, param)?;
            }
        }
        Ok(read)
    }

    /// The value of an unknown parameter of this keyword, if it stands there with one.
    #[must_use]
    pub fn other(&self, keyword: &str) -> Option<&str> {
        self.other.iter().find(|p| p.keyword.eq_ignore_ascii_case(keyword))?.value()
    }
}

impl fmt::Display for MailParams {
    /// Each with a space in front, ready to stand behind a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size_bytes {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            Some(Body::SevenBit) => f.write_str(" BODY=7BIT")?,
            Some(Body::EightBitMime) => f.write_str(" BODY=8BITMIME")?,
            None => {}
        }
        match &self.auth {
            Some(Submitter::Unknown) => f.write_str(" AUTH=<>")?,
            Some(Submitter::Address(address)) => write!(f, " AUTH={}", encode_xtext(&address.to_string()))?,
            Some(Submitter::Local(local)) => write!(f, " AUTH={}", encode_xtext(&local.to_string()))?,
            None => {}
        }
        self.other.iter().try_for_each(|other| other.fmt(f))
    }
}

/// What the parameters of RCPT say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RcptParams {
    /// All parameters, in order.
    pub other: Vec<OtherParam>,
}

impl RcptParams {
    /// Reads the parameters. Each may stand once.
    pub fn read(params: Params<'_>) -> Result<Self, InvalidMessage> {
        let mut read = Self::default();
        for param in params.iter() {
            push_other(&mut read.other, param)?;
        }
        Ok(read)
    }
}

impl fmt::Display for RcptParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.other.iter().try_for_each(|other| other.fmt(f))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), InvalidMessage> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(InvalidMessage::new("parameter given twice", 0)),
    }
}

fn push_other(others: &mut Vec<OtherParam>, param: Param<'_>) -> Result<(), InvalidMessage> {
    if others.iter().any(|o| o.keyword.eq_ignore_ascii_case(param.keyword)) {
        return Err(InvalidMessage::new("parameter given twice", 0));
    }
    others.push(OtherParam::new(param.keyword, param.value)?);
    Ok(())
}

fn size(value: Option<&str>) -> Result<u64, InvalidMessage> {
    let digits = value.filter(|v| v.len() <= 20 && v.bytes().all(|b| b.is_ascii_digit()));
    match digits {
        Some(digits) => Ok(digits.parse().unwrap_or(u64::MAX)),
        None => Err(InvalidMessage::new("SIZE with 1 to 20 digits expected", 0)),
    }
}

fn body(value: Option<&str>) -> Result<Body, InvalidMessage> {
    match value {
        Some(v) if v.eq_ignore_ascii_case("7BIT") => Ok(Body::SevenBit),
        Some(v) if v.eq_ignore_ascii_case("8BITMIME") => Ok(Body::EightBitMime),
        _ => Err(InvalidMessage::new("BODY=7BIT or BODY=8BITMIME expected", 0)),
    }
}

fn submitter(value: Option<&str>) -> Result<Submitter, InvalidMessage> {
    match value {
        Some("<>") => Ok(Submitter::Unknown),
        Some(text) => {
            let text = decode_xtext(text)?;
            let (local, domain) = Mailbox::parse_loose(&text)?;
            Ok(match domain {
                Some(domain) => Submitter::Address(Address::new(local, domain)),
                None => Submitter::Local(local),
            })
        }
        None => Err(InvalidMessage::new("AUTH with a mailbox expected", 0)),
    }
}

/// Writes printable text as xtext: `+`, `=`, spaces and all else that is not visible ASCII become `+XX`.
///
/// ```
/// use smtp_proto::{decode_xtext, encode_xtext};
/// assert_eq!(encode_xtext("e+mc2=x y"), "e+2Bmc2+3Dx+20y");
/// assert_eq!(decode_xtext("e+2Bmc2+3Dx+20y").as_deref(), Ok("e+mc2=x y"));
/// ```
#[must_use]
pub fn encode_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0x21..0x7f if byte != b'+' && byte != b'=' => out.push(char::from(byte)),
            _ => out.push_str(&format!("+{byte:02X}")),
        }
    }
    out
}

/// Reads xtext. What it hides must be printable ASCII: a CR or LF that came out of here has become a second line of
/// somebody's queue file before (safety rows E3, E5).
pub fn decode_xtext(text: &str) -> Result<String, InvalidMessage> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let decoded = match byte {
            b'+' => {
                let mut digit = || bytes.next().and_then(|(_, b)| hex_digit(b));
                let high = digit();
                let low = digit();
                high.zip(low).map(|(high, low)| high << 4 | low)
            }
            0x21..0x7f if byte != b'=' => Some(byte),
            _ => None,
        };
        match decoded {
            Some(b @ 0x20..0x7f) => out.push(char::from(b)),
            _ => return Err(InvalidMessage::new("xtext expected", at)),
        }
    }
    Ok(out)
}

/// Upper case only (RFC 3461 4).
fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<MailParams, InvalidMessage> {
        MailParams::read(Params::parse(text)?)
    }

    #[test]
    fn known_parameters_are_typed_and_unknown_ones_kept() {
        let params = read(" size=1000 BODY=8bitmime AUTH=e+2Bmc2@x X-New=1 SMTPUTF8").expect("valid");
        assert_eq!((params.size_bytes, params.body), (Some(1000), Some(Body::EightBitMime)));
        assert!(matches!(&params.auth, Some(Submitter::Address(a)) if a.local_part() == "e+mc2"));
        assert!(
            matches!(read("AUTH=alice"), Ok(MailParams { auth: Some(Submitter::Local(l)), .. }) if l.as_str() == "alice")
        );
        assert_eq!(params.other("x-new"), Some("1"));
        assert_eq!(params.to_string(), " SIZE=1000 BODY=8BITMIME AUTH=e+2Bmc2@x X-NEW=1 SMTPUTF8");
        assert_eq!(read("").map(|p| p == MailParams::default()), Ok(true));
    }

    #[test]
    fn malformed_and_double_parameters_are_refused() {
        for bad in [
            "=1",
            "SIZE=",
            "SIZE",
            "SIZE=a",
            "SIZE=-1",
            "SIZE=100000000000000000000",
            "A=b=c",
            "BODY=9BIT",
            "SIZE=1 SIZE=1",
            "X X",
            "AUTH",
            "AUTH=+0A@x",
            "AUTH=+2",
            "-X",
            "A(b)",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("SIZE=99999999999999999999").map(|p| p.size_bytes), Ok(Some(u64::MAX)));
    }

    #[test]
    fn e3_xtext_never_decodes_to_a_control_byte() {
        for hidden in (0..0x20_u8).chain(0x7f..=0xff) {
            assert!(decode_xtext(&format!("a+{hidden:02X}b")).is_err(), "{hidden}");
        }
        for bad in ["+", "+4", "+4g", "+4a", "a=b", "a b", "\u{e9}"] {
            assert!(decode_xtext(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn xtext_reads_back_as_it_was(text in "[ -~]{0,50}") {
            prop_assert_eq!(decode_xtext(&encode_xtext(&text)), Ok(text));
        }

        #[test]
        fn e3_mail_parameters_read_back_as_they_were(
            size_bytes in proptest::option::of(any::<u64>()),
            body in proptest::option::of(prop_oneof![Just(Body::SevenBit), Just(Body::EightBitMime)]),
            auth in proptest::option::of("[ -~]{1,20}"),
            other in proptest::option::of("[!-<>-~]{1,20}"),
        ) {
            let auth = match auth {
                Some(local) => Some(Submitter::Address(Address::new(LocalPart::new(&local)?, crate::Domain::new("example.org")?))),
                None => Some(Submitter::Unknown),
            };
            let other = vec![OtherParam::new("X-OTHER", other.as_deref())?];
            let params = MailParams { size_bytes, body, auth, other };
            prop_assert_eq!(read(&params.to_string())?, params);
        }
    }
}
