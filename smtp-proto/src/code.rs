//! Reply codes (RFC 5321 4.2) and enhanced status codes (RFC 3463).

use std::fmt;

use mail_wire::InvalidMessage;

/// A reply code, 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

impl Code {
    /// 220.
    pub const READY: Self = Self(220);
    /// 221.
    pub const CLOSING: Self = Self(221);
    /// 235.
    pub const AUTHENTICATED: Self = Self(235);
    /// 250.
    pub const OK: Self = Self(250);
    /// 334.
    pub const CHALLENGE: Self = Self(334);
    /// 354.
    pub const START_MAIL: Self = Self(354);
    /// 421: the server closes the connection.
    pub const SHUTTING_DOWN: Self = Self(421);
    /// 450.
    pub const MAILBOX_BUSY: Self = Self(450);
    /// 451.
    pub const LOCAL_ERROR: Self = Self(451);
    /// 452.
    pub const STORAGE_FULL: Self = Self(452);
    /// 550.
    pub const MAILBOX_UNAVAILABLE: Self = Self(550);
    /// 552.
    pub const TOO_BIG: Self = Self(552);
    /// 554.
    pub const FAILED: Self = Self(554);

    /// A code.
    pub fn new(code: u16) -> Result<Self, InvalidMessage> {
        if (200..600).contains(&code) {
            Ok(Self(code))
        } else {
            Err(InvalidMessage::new("code of 200 to 599 expected", 0))
        }
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> u16 {
        self.0
    }

    /// What its first digit says.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self.0 / 100 {
            2 => Verdict::Success,
            3 => Verdict::Intermediate,
            4 => Verdict::Temporary,
            _ => Verdict::Permanent,
        }
    }

    pub(crate) const fn fixed(code: u16) -> Self {
        Self(code)
    }
}

/// What a reply means for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// 2yz: done.
    Success,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now; asking again later may help.
    Temporary,
    /// 5yz: not this way, ever.
    Permanent,
}

/// An enhanced status code (RFC 3463 2). Its class is that of the reply's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    class: Verdict,
    subject: u16,
    detail: u16,
}

/// What an enhanced status code is about (RFC 3463 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// X.0: nothing that can be named.
    Other,
    /// X.1: an address.
    Addressing,
    /// X.2: a mailbox.
    Mailbox,
    /// X.3: a mail system.
    MailSystem,
    /// X.4: the network, or the way through it.
    Routing,
    /// X.5: the protocol.
    Protocol,
    /// X.6: the message's content.
    Content,
    /// X.7: security or policy.
    Security,
    /// One that RFC 3463 does not define, 8 to 999.
    Unassigned(u16),
}

impl Subject {
    /// The number, 0 to 999.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Other => 0,
            Self::Addressing => 1,
            Self::Mailbox => 2,
            Self::MailSystem => 3,
            Self::Routing => 4,
            Self::Protocol => 5,
            Self::Content => 6,
            Self::Security => 7,
            Self::Unassigned(number) => number,
        }
    }
}

impl fmt::Display for Subject {
    /// The number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl EnhancedCode {
    /// The enhanced code that goes with this code; those 3yz have none. Subject and detail are 0 to 999.
    pub(crate) fn new(code: Code, subject: u16, detail: u16) -> Option<Self> {
        let class = code.verdict();
        (class != Verdict::Intermediate).then_some(Self { class, subject, detail })
    }

    /// Success, a temporary or a permanent failure.
    #[must_use]
    pub fn class(self) -> Verdict {
        self.class
    }

    /// What it is about.
    #[must_use]
    pub fn subject(self) -> Subject {
        match self.subject {
            0 => Subject::Other,
            1 => Subject::Addressing,
            2 => Subject::Mailbox,
            3 => Subject::MailSystem,
            4 => Subject::Routing,
            5 => Subject::Protocol,
            6 => Subject::Content,
            7 => Subject::Security,
            number => Subject::Unassigned(number),
        }
    }

    /// 0 to 999: more of it (RFC 3463 3, RFC 5248).
    #[must_use]
    pub fn detail(self) -> u16 {
        self.detail
    }

    pub(crate) fn status(self) -> (u16, u16) {
        (self.subject, self.detail)
    }

    pub(crate) fn class_number(self) -> u16 {
        match self.class {
            Verdict::Success => 2,
            Verdict::Intermediate => 3,
            Verdict::Temporary => 4,
            Verdict::Permanent => 5,
        }
    }

    /// The enhanced code at the start of a line, if there is one that fits the code, and the text behind it.
    pub(crate) fn split(code: Code, text: &[u8]) -> (Option<Self>, &[u8]) {
        let split = || {
            let [class, b'.', rest @ ..] = text else { return None };
            let (subject, rest) = number(rest)?;
            let (detail, rest) = number(rest.strip_prefix(b".")?)?;
            let enhanced = Self::new(code, subject, detail)?;
            if u16::from(*class) != enhanced.class_number() + u16::from(b'0') {
                return None;
            }
            match rest {
                [] => Some((enhanced, rest)),
                [b' ', rest @ ..] => Some((enhanced, rest)),
                _ => None,
            }
        };
        split().map_or((None, text), |(enhanced, rest)| (Some(enhanced), rest))
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class_number(), self.subject, self.detail)
    }
}

/// One to three digits, no leading zero.
fn number(text: &[u8]) -> Option<(u16, &[u8])> {
    let digit = |at: usize| text.get(at).filter(|b| b.is_ascii_digit()).map(|b| u16::from(b - b'0'));
    let (mut number, mut length) = (digit(0)?, 1);
    while let Some(next) = digit(length) {
        if length == 3 || number == 0 {
            return None;
        }
        (number, length) = (number * 10 + next, length + 1);
    }
    Some((number, text.get(length..)?))
}
