//! The parameters of MAIL.

use std::fmt;

use mail_wire::InvalidMessage;

use super::{OtherParam, Param, Params, find_other, flag_once, once, push_other};
use crate::body::Body;
use crate::deliver_by::DeliverBy;
use crate::dsn::{EnvelopeId, Ret};
use crate::future_release::{Hold, HoldSeconds};
use crate::priority::Priority;
use crate::solicitation::Solicitation;
use crate::submitter::Submitter;
use crate::timestamp::Timestamp;
use crate::xtext::Xtext;

/// What one parameter of MAIL says: a view of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailParam<'a> {
    /// `SIZE`.
    Size(u64),
    /// `BODY`.
    Body(Body),
    /// `AUTH`: xtext that holds a mailbox, or `<>`.
    Auth(Xtext<'a>),
    /// `RET`.
    Ret(Ret),
    /// `ENVID`.
    EnvelopeId(Xtext<'a>),
    /// `SMTPUTF8`.
    SmtpUtf8,
    /// `REQUIRETLS`.
    RequireTls,
    /// `BY`.
    DeliverBy(DeliverBy),
    /// `HOLDFOR` or `HOLDUNTIL`.
    Hold(Hold),
    /// `MT-PRIORITY`.
    Priority(Priority),
    /// `SOLICIT`: a list.
    Solicit(&'a str),
    /// One of no known extension.
    Other(Param<'a>),
}

impl<'a> MailParam<'a> {
    /// What this parameter says.
    pub fn read(param: Param<'a>) -> Result<Self, InvalidMessage> {
        let has = |keyword| param.is(keyword);
        // By length and first letter, so that hardly ever more than one keyword is compared.
        let first = param.keyword.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
        Ok(match (param.keyword.len(), first) {
            (2, _) if has("BY") => Self::DeliverBy(DeliverBy::read(param.needed()?)?),
            (3, _) if has("RET") => Self::Ret(Ret::read(param.needed()?)?),
            (4, b's') if has("SIZE") => Self::Size(size(param.needed()?)?),
            (4, b'b') if has("BODY") => Self::Body(Body::read(param.needed()?)?),
            (4, b'a') if has("AUTH") => Self::Auth(Xtext::new(param.needed()?)?),
            (5, _) if has("ENVID") => Self::EnvelopeId(EnvelopeId::check_wire(param.needed()?)?),
            (7, b'h') if has("HOLDFOR") => Self::Hold(Hold::For(HoldSeconds::read(param.needed()?)?)),
            (7, b's') if has("SOLICIT") => Self::Solicit(Solicitation::check(param.needed()?)?),
            (8, _) if has("SMTPUTF8") => param.alone(Self::SmtpUtf8)?,
            (9, _) if has("HOLDUNTIL") => Self::Hold(Hold::Until(Timestamp::read(param.needed()?)?)),
            (10, _) if has("REQUIRETLS") => param.alone(Self::RequireTls)?,
            (11, _) if has("MT-PRIORITY") => Self::Priority(Priority::read(param.needed()?)?),
            _ => Self::Other(param),
        })
    }
}

/// What the parameters of MAIL say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MailParams {
    /// `SIZE`: the client's estimate in bytes (RFC 1870). A number above 2^64-1 reads as 2^64-1.
    pub size_bytes: Option<u64>,
    /// `BODY` (RFC 6152, RFC 3030).
    pub body: Option<Body>,
    /// `AUTH` (RFC 4954 5). To be believed only from a client that is trusted.
    pub auth: Option<Submitter>,
    /// `RET`: what a report carries (RFC 3461 4.3).
    pub ret: Option<Ret>,
    /// `ENVID`: the sender's name for the envelope (RFC 3461 4.4).
    pub envelope_id: Option<EnvelopeId>,
    /// `SMTPUTF8`: addresses or header fields are UTF-8 (RFC 6531).
    pub smtp_utf8: bool,
    /// `REQUIRETLS`: the message goes on under TLS or not at all (RFC 8689).
    pub require_tls: bool,
    /// `BY`: a deadline (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
    /// `HOLDFOR` or `HOLDUNTIL`: when to begin (RFC 4865).
    pub hold: Option<Hold>,
    /// `MT-PRIORITY` (RFC 6710).
    pub priority: Option<Priority>,
    /// `SOLICIT`: what the message solicits (RFC 3865).
    pub solicit: Option<Solicitation>,
    /// All others, in order.
    pub other: Vec<OtherParam>,
}

impl MailParams {
    /// Reads the parameters. Each may stand once; an error names the offset 0, the kind says which.
    pub fn read(params: Params<'_>) -> Result<Self, InvalidMessage> {
        let mut read = Self::default();
        for param in params.iter() {
            match MailParam::read(param)? {
                MailParam::Size(bytes) => once(&mut read.size_bytes, bytes)?,
                MailParam::Body(body) => once(&mut read.body, body)?,
                MailParam::Auth(text) => once(&mut read.auth, Submitter::read(text)?)?,
                MailParam::Ret(ret) => once(&mut read.ret, ret)?,
                MailParam::EnvelopeId(text) => once(&mut read.envelope_id, text.into())?,
                MailParam::SmtpUtf8 => flag_once(&mut read.smtp_utf8)?,
                MailParam::RequireTls => flag_once(&mut read.require_tls)?,
                MailParam::DeliverBy(by) => once(&mut read.deliver_by, by)?,
                MailParam::Hold(hold) => once(&mut read.hold, hold)?,
                MailParam::Priority(priority) => once(&mut read.priority, priority)?,
                MailParam::Solicit(list) => once(&mut read.solicit, Solicitation::new(list)?)?,
                MailParam::Other(other) => push_other(&mut read.other, other)?,
            }
        }
        Ok(read)
    }

    /// The value of an unknown parameter of this keyword, if it stands there with one.
    #[must_use]
    pub fn other(&self, keyword: &str) -> Option<&str> {
        find_other(&self.other, keyword)
    }

    /// The keywords that a server must have announced for these parameters, unknown ones apart. BODY is looked at by
    /// its value.
    pub(crate) fn needed_keywords(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.size_bytes.is_some(), "SIZE"),
            (matches!(self.body, Some(Body::SevenBit | Body::EightBitMime)), "8BITMIME"),
            (self.body == Some(Body::BinaryMime), "BINARYMIME"),
            (self.auth.is_some(), "AUTH"),
            (self.ret.is_some() || self.envelope_id.is_some(), "DSN"),
            (self.smtp_utf8, "SMTPUTF8"),
            (self.require_tls, "REQUIRETLS"),
            (self.deliver_by.is_some(), "DELIVERBY"),
            (self.hold.is_some(), "FUTURERELEASE"),
            (self.priority.is_some(), "MT-PRIORITY"),
            (self.solicit.is_some(), "NO-SOLICITING"),
        ]
        .into_iter()
        .filter_map(|(needed, keyword)| needed.then_some(keyword))
    }
}

impl fmt::Display for MailParams {
    /// Each with a space in front, ready to stand behind a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut put = |keyword: &str, value: Option<&dyn fmt::Display>| match value {
            Some(value) => write!(f, " {keyword}={value}"),
            None => Ok(()),
        };
        fn some<T: fmt::Display>(value: &Option<T>) -> Option<&dyn fmt::Display> {
            value.as_ref().map(|value| value as &dyn fmt::Display)
        }
        put("SIZE", some(&self.size_bytes))?;
        put("BODY", some(&self.body))?;
        put("AUTH", some(&self.auth))?;
        put("RET", some(&self.ret))?;
        put("ENVID", some(&self.envelope_id))?;
        put("BY", some(&self.deliver_by))?;
        put("MT-PRIORITY", some(&self.priority))?;
        put("SOLICIT", some(&self.solicit))?;
        if let Some(hold) = self.hold {
            write!(f, " {hold}")?;
        }
        if self.smtp_utf8 {
            f.write_str(" SMTPUTF8")?;
        }
        if self.require_tls {
            f.write_str(" REQUIRETLS")?;
        }
        self.other.iter().try_for_each(|other| other.fmt(f))
    }
}

fn size(digits: &str) -> Result<u64, InvalidMessage> {
    let number = digits.bytes().try_fold(0_u64, |number, b| {
        b.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add((b - b'0').into()))
    });
    number.filter(|_| digits.len() <= 20).ok_or(InvalidMessage::new("SIZE with 1 to 20 digits expected", 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::{Address, LocalPart};
    use crate::deliver_by::LateMode;

    fn read(text: &str) -> Result<MailParams, InvalidMessage> {
        MailParams::read(Params::parse(text)?)
    }

    #[test]
    fn known_parameters_are_typed_and_unknown_ones_kept() {
        let line = " SIZE=1000 BODY=8BITMIME AUTH=e+2Bmc2@x RET=HDRS ENVID=q+2B1 BY=120;R MT-PRIORITY=-3 \
                    SOLICIT=net.example:ADV HOLDFOR=60 SMTPUTF8 REQUIRETLS X-NEW=1 X-FLAG";
        let params = read(line).expect("readable");
        assert_eq!((params.size_bytes, params.body), (Some(1000), Some(Body::EightBitMime)));
        assert_eq!(params.envelope_id.as_ref().map(EnvelopeId::as_str), Some("q+1"));
        assert_eq!(params.other("x-new"), Some("1"));
        assert_eq!(params.to_string(), line);
        let sloppy = read("size=1 Body=8bitmime ret=hdrs by=1;n smtputf8").map(|params| params.to_string());
        assert_eq!(sloppy.as_deref(), Ok(" SIZE=1 BODY=8BITMIME RET=HDRS BY=1;N SMTPUTF8"));
        assert_eq!(read("").map(|p| p == MailParams::default()), Ok(true));
    }

    #[test]
    fn malformed_and_double_parameters_are_refused() {
        for bad in [
            "SIZE",
            "SIZE=a",
            "SIZE=-1",
            "SIZE=100000000000000000000",
            "BODY=9BIT",
            "BODY",
            "SIZE=1 SIZE=1",
            "X X",
            "AUTH",
            "AUTH=+0A@x",
            "AUTH=+2",
            "RET=ALL",
            "ENVID",
            "SMTPUTF8=1",
            "SMTPUTF8 SMTPUTF8",
            "REQUIRETLS=x",
            "BY=0;R",
            "HOLDFOR=0",
            "HOLDFOR=1 HOLDUNTIL=2030-01-01T00:00:00Z",
            "HOLDUNTIL=tomorrow",
            "MT-PRIORITY=10",
            "SOLICIT=1",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("SIZE=99999999999999999999").map(|p| p.size_bytes), Ok(Some(u64::MAX)));
    }

    fn submitter() -> impl Strategy<Value = Submitter> {
        prop_oneof![
            Just(Submitter::Unknown),
            "[ -~]{1,20}".prop_map(|local| {
                let local = LocalPart::new(&local).expect("printable");
                Submitter::Address(Address::new(local, crate::Domain::new("example.org").expect("a domain")))
            }),
        ]
    }

    fn params() -> impl Strategy<Value = MailParams> {
        let first = (
            prop::option::of(any::<u64>()),
            prop::option::of(prop::sample::select(vec![
                Body::SevenBit,
                Body::EightBitMime,
                Body::BinaryMime,
            ])),
            prop::option::of(submitter()),
            prop::option::of(prop::sample::select(vec![Ret::Full, Ret::Headers])),
            prop::option::of("[ -~]{1,30}"),
            any::<(bool, bool)>(),
        );
        let second = (
            prop::option::of((1..=DeliverBy::SECONDS_MAX, any::<bool>(), any::<bool>())),
            prop::option::of(prop_oneof![
                (1..=HoldSeconds::MAX).prop_map(|s| Hold::For(HoldSeconds::new(s).expect("in range"))),
                (0..4_000_000_000_i64)
                    .prop_map(|s| Hold::Until(Timestamp::from_unix_seconds(s).expect("in range"))),
            ]),
            prop::option::of((-9..=9_i8).prop_map(|p| Priority::new(p).expect("in range"))),
            prop::option::of("[a-z][a-z0-9.:_-]{0,9}(,[a-z]{1,9}){0,3}"),
            prop::option::of("[!-<>-~]{1,20}"),
        );
        (first, second).prop_map(
            |((size_bytes, body, auth, ret, id, flags), (by, hold, priority, solicit, other))| MailParams {
                size_bytes,
                body,
                auth,
                ret,
                envelope_id: id.map(|id| EnvelopeId::new(&id).expect("short")),
                smtp_utf8: flags.0,
                require_tls: flags.1,
                deliver_by: by.map(|(seconds, late, traced)| {
                    let late = if late { LateMode::Return } else { LateMode::Notify };
                    let by = DeliverBy::new(seconds, late).expect("in range");
                    if traced { by.traced() } else { by }
                }),
                hold,
                priority,
                solicit: solicit.map(|list| Solicitation::new(&list).expect("a list")),
                other: vec![OtherParam::new("X-OTHER", other.as_deref()).expect("a parameter")],
            },
        )
    }

    proptest! {
        #[test]
        fn e3_mail_parameters_read_back_as_they_were(params in params()) {
            prop_assert_eq!(read(&params.to_string())?, params);
        }
    }
}
