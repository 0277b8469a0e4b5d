//! All that a server has announced.

use mail_wire::sasl::MechanismName;

use crate::extension::{Extension, OtherExtension};
use crate::reply::{Reply, Text};
use crate::session_limits::SessionLimits;

/// What a server can do.
///
/// ```
/// use smtp_proto::{Capabilities, Code, Extension, Reply};
/// let reply = Reply::new(Code::OK, "mx.example").with_line("SIZE 1000").with_line("AUTH PLAIN LOGIN");
/// let can = Capabilities::read(&reply);
/// assert_eq!(can.size_bytes_max(), Some(1000));
/// assert!(can.has_mechanism("login") && !can.has(&Extension::StartTls) && can.announces("AUTH"));
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

    /// True if the extension of this keyword was announced, in any case and whatever its parameters.
    #[must_use]
    pub fn announces(&self, keyword: &str) -> bool {
        self.extensions.iter().any(|extension| extension.keyword().eq_ignore_ascii_case(keyword))
    }

    /// The largest message in bytes, if the server says.
    #[must_use]
    pub fn size_bytes_max(&self) -> Option<u64> {
        self.extensions.iter().find_map(|e| if let Extension::Size(max) = e { *max } else { None })
    }

    /// The limits of a session (LIMITS), none if nothing was announced.
    #[must_use]
    pub fn session_limits(&self) -> Option<&SessionLimits> {
        self.extensions
            .iter()
            .find_map(|e| if let Extension::Limits(limits) = e { Some(limits) } else { None })
    }

    /// This SASL mechanism was announced, in any case.
    #[must_use]
    pub fn has_mechanism(&self, name: &str) -> bool {
        self.mechanisms().any(|mechanism| mechanism.as_str().eq_ignore_ascii_case(name))
    }

    /// The SASL mechanisms.
    pub fn mechanisms(&self) -> impl Iterator<Item = &MechanismName> {
        self.extensions
            .iter()
            .filter_map(|e| if let Extension::Auth(names) = e { Some(names) } else { None })
            .flatten()
    }

    /// The extension of this keyword that this crate gives no meaning.
    #[must_use]
    pub fn other(&self, keyword: &str) -> Option<&OtherExtension> {
        self.extensions.iter().find_map(|e| match e {
            Extension::Other(other) if other.keyword().eq_ignore_ascii_case(keyword) => Some(other),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use mail_wire::sasl::Mechanism;
    use proptest::prelude::*;

    use super::*;
    use crate::attributes::AttributeName;
    use crate::future_release::{FutureRelease, HoldSeconds};
    use crate::solicitation::Solicitation;
    use crate::timestamp::Timestamp;

    fn extension() -> impl Strategy<Value = Extension> {
        let unit = prop::sample::select(vec![
            Extension::Pipelining,
            Extension::EightBitMime,
            Extension::BinaryMime,
            Extension::Chunking,
            Extension::StartTls,
            Extension::Dsn,
            Extension::SmtpUtf8,
            Extension::RequireTls,
            Extension::Rrvs,
            Extension::Etrn,
            Extension::IgnoreQuota,
            Extension::Auth(vec![Mechanism::Plain.into(), Mechanism::Login.into()]),
            Extension::XClient(AttributeName::XCLIENT.to_vec()),
            Extension::XForward(Vec::new()),
            Extension::FutureRelease(FutureRelease {
                interval_max: HoldSeconds::new(86_400).expect("in range"),
                until_max: Timestamp::from_unix_seconds(2_000_000_000).expect("in range"),
            }),
        ]);
        let some = || prop::option::of(1..u32::MAX);
        prop_oneof![
            unit,
            prop::option::of(1..u64::MAX).prop_map(Extension::Size),
            some().prop_map(Extension::DeliverBy),
            prop::option::of("[A-Z]{1,9}").prop_map(|name| Extension::MtPriority(name.map(Into::into))),
            (some(), some(), some()).prop_map(|(mail_max, rcpt_max, rcpt_domain_max)| {
                let other = vec!["X-ONE=1".into(), "X-TWO".into()];
                Extension::Limits(SessionLimits { mail_max, rcpt_max, rcpt_domain_max, other })
            }),
            prop::collection::vec("imap(://[a-z.]{1,20})?", 0..3)
                .prop_map(|urls| Extension::Burl(urls.into_iter().map(Into::into).collect())),
            prop::option::of("[a-z]{1,9}(:[A-Z]{1,9})?").prop_map(|kinds| {
                Extension::NoSoliciting(kinds.map(|kinds| Solicitation::new(&kinds).expect("a list")))
            }),
            prop::collection::vec("[A-Z][A-Z0-9_-]{0,19}", 0..4).prop_map(|names| {
                Extension::Auth(
                    names.iter().map(|n| MechanismName::new(n.as_bytes()).expect("a name")).collect(),
                )
            }),
            ("X-[A-Z0-9-]{0,9}", "([!-~]([ -~]{0,9}[!-~])?)?").prop_map(|(keyword, params)| {
                Extension::Other(OtherExtension::new(&keyword, &params).expect("valid"))
            }),
        ]
    }

    proptest! {
        #[test]
        fn capabilities_read_back_as_they_were(extensions in prop::collection::vec(extension(), 0..8)) {
            let lines = extensions.iter().map(ToString::to_string);
            let reply = lines.fold(Reply::new(crate::Code::OK, "mx"), |reply, line| reply.with_line(line));
            prop_assert_eq!(Capabilities::read(&reply), Capabilities::new(extensions));
        }
    }
}
