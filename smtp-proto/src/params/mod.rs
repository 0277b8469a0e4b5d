//! Parameters of MAIL and RCPT (RFC 5321 4.1.2 `esmtp-param`).
//!
//! [`Params`] is a checked view of the text behind a path. [`MailParam`] and [`RcptParam`] are what one of them means,
//! still a view; [`MailParams`] and [`RcptParams`] own all of a command's. Unknown parameters are kept in order.

mod mail;
mod rcpt;

use std::fmt;

use mail_wire::InvalidMessage;

pub use mail::{MailParam, MailParams};
pub use rcpt::{RcptParam, RcptParams};

use crate::chars::{KEYWORD, VALUE, refuse_controls, skip_spaces, span};

/// The parameters of one command as they stand on the line: `KEYWORD[=value]`, separated by spaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Params<'a>(&'a str);

impl PartialEq for Params<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params<'_> {}

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
        refuse_controls(text)?;
        Self::read(text)
    }

    /// The same, where control characters were refused before.
    pub(crate) fn read(text: &'a str) -> Result<Self, InvalidMessage> {
        let mut rest = text;
        loop {
            rest = skip_spaces(rest);
            if rest.is_empty() {
                return Ok(Self(text));
            }
            let at = text.len() - rest.len();
            (_, rest) = split_first(rest).ok_or(InvalidMessage::new("parameter expected", at))?;
        }
    }

    /// Each parameter, in order.
    pub fn iter(self) -> impl Iterator<Item = Param<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (param, after) = split_first(skip_spaces(rest))?;
            rest = after;
            Some(param)
        })
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        skip_spaces(self.0).is_empty()
    }
}

impl fmt::Display for Params<'_> {
    /// Each with a space in front, ready to stand behind a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|param| param.fmt(f))
    }
}

impl fmt::Display for Param<'_> {
    /// With a space in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.keyword)?;
        self.value.map_or(Ok(()), |value| write!(f, "={value}"))
    }
}

/// Takes the first parameter off the text, up to the space or the end behind it.
fn split_first(text: &str) -> Option<(Param<'_>, &str)> {
    let (keyword, rest) = text.split_at_checked(span(KEYWORD, text.as_bytes()))?;
    if keyword.is_empty() || keyword.starts_with('-') {
        return None;
    }
    let (value, rest) = match rest.strip_prefix('=') {
        Some(rest) => {
            let (value, rest) = rest.split_at_checked(span(VALUE, rest.as_bytes()))?;
            (Some(value).filter(|value| !value.is_empty()).map(Some)?, rest)
        }
        None => (None, rest),
    };
    (rest.is_empty() || rest.starts_with(' ')).then_some((Param { keyword, value }, rest))
}

/// `esmtp-keyword`, also the form of an EHLO keyword.
pub(crate) fn is_keyword(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && span(KEYWORD, text.as_bytes()) == text.len()
}

/// `esmtp-value`: visible, but `=`.
fn is_value(text: &str) -> bool {
    !text.is_empty() && span(VALUE, text.as_bytes()) == text.len() && refuse_controls(text).is_ok()
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
        Ok(Self::of_checked(Param { keyword, value }))
    }

    fn of_checked(param: Param<'_>) -> Self {
        Self { keyword: param.keyword.to_ascii_uppercase().into(), value: param.value.map(Into::into) }
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
        Param { keyword: &self.keyword, value: self.value() }.fmt(f)
    }
}

impl<'a> Param<'a> {
    fn is(self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword)
    }

    /// The value of a parameter that needs one.
    fn needed(self) -> Result<&'a str, InvalidMessage> {
        self.value.ok_or(InvalidMessage::new("value expected", 0))
    }

    /// The mark of a parameter that has no value.
    fn alone<T>(self, meaning: T) -> Result<T, InvalidMessage> {
        if self.value.is_none() { Ok(meaning) } else { Err(InvalidMessage::new("no value expected", 0)) }
    }
}

const GIVEN_TWICE: InvalidMessage = InvalidMessage { what: "parameter given twice", offset: 0 };

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), InvalidMessage> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(GIVEN_TWICE),
    }
}

fn flag_once(flag: &mut bool) -> Result<(), InvalidMessage> {
    if std::mem::replace(flag, true) { Err(GIVEN_TWICE) } else { Ok(()) }
}

fn push_other(others: &mut Vec<OtherParam>, param: Param<'_>) -> Result<(), InvalidMessage> {
    if others.iter().any(|other| param.is(&other.keyword)) {
        return Err(GIVEN_TWICE);
    }
    others.push(OtherParam::of_checked(param));
    Ok(())
}

/// The value of the parameter of this keyword among these, if it stands there with one.
fn find_other<'a>(others: &'a [OtherParam], keyword: &str) -> Option<&'a str> {
    others.iter().find(|other| other.keyword.eq_ignore_ascii_case(keyword))?.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_parameter_is_refused_with_its_place() {
        for (bad, at) in
            [("=1", 0), ("A=b=c", 0), (" X  -X", 4), ("A(b)", 0), ("A=", 0), ("A=1  B=", 5), ("\u{e9}", 0)]
        {
            assert_eq!(Params::parse(bad), Err(InvalidMessage::new("parameter expected", at)), "{bad}");
        }
        let params = Params::parse("  A=1   b ").expect("readable");
        assert_eq!(params.to_string(), " A=1 b");
        assert!(Params::parse("  ").is_ok_and(Params::is_empty));
    }
}
