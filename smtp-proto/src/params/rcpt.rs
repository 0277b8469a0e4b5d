//! The parameters of RCPT.

use std::fmt;

use mail_wire::InvalidMessage;

use super::{OtherParam, Param, Params, find_other, flag_once, once, push_other};
use crate::dsn::{Notify, OriginalRecipient, OriginalRecipientRef};
use crate::rrvs::Rrvs;

/// What one parameter of RCPT says: a view of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RcptParam<'a> {
    /// `NOTIFY`.
    Notify(Notify),
    /// `ORCPT`.
    OriginalRecipient(OriginalRecipientRef<'a>),
    /// `RRVS`.
    Rrvs(Rrvs),
    /// `IGNOREQUOTA`.
    IgnoreQuota,
    /// One of no known extension.
    Other(Param<'a>),
}

impl<'a> RcptParam<'a> {
    /// What this parameter says.
    pub fn read(param: Param<'a>) -> Result<Self, InvalidMessage> {
        let has = |keyword| param.is(keyword);
        Ok(match param.keyword.len() {
            4 if has("RRVS") => Self::Rrvs(Rrvs::read(param.needed()?)?),
            5 if has("ORCPT") => Self::OriginalRecipient(OriginalRecipientRef::read(param.needed()?)?),
            6 if has("NOTIFY") => Self::Notify(Notify::read(param.needed()?)?),
            11 if has("IGNOREQUOTA") => param.alone(Self::IgnoreQuota)?,
            _ => Self::Other(param),
        })
    }
}

/// What the parameters of RCPT say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RcptParams {
    /// `NOTIFY`: when the sender wants to hear of this recipient (RFC 3461 4.1).
    pub notify: Option<Notify>,
    /// `ORCPT`: whom the message was first sent to (RFC 3461 4.2).
    pub original_recipient: Option<OriginalRecipient>,
    /// `RRVS`: the mailbox must not have changed hands since (RFC 7293).
    pub rrvs: Option<Rrvs>,
    /// `IGNOREQUOTA`: deliver also into a full mailbox. LMTP between a hub and its store (Cyrus).
    pub ignore_quota: bool,
    /// All others, in order.
    pub other: Vec<OtherParam>,
}

impl RcptParams {
    /// Reads the parameters. Each may stand once.
    pub fn read(params: Params<'_>) -> Result<Self, InvalidMessage> {
        let mut read = Self::default();
        for param in params.iter() {
            match RcptParam::read(param)? {
                RcptParam::Notify(notify) => once(&mut read.notify, notify)?,
                RcptParam::OriginalRecipient(first) => once(&mut read.original_recipient, first.to_owned())?,
                RcptParam::Rrvs(rrvs) => once(&mut read.rrvs, rrvs)?,
                RcptParam::IgnoreQuota => flag_once(&mut read.ignore_quota)?,
                RcptParam::Other(other) => push_other(&mut read.other, other)?,
            }
        }
        Ok(read)
    }

    /// The value of an unknown parameter of this keyword, if it stands there with one.
    #[must_use]
    pub fn other(&self, keyword: &str) -> Option<&str> {
        find_other(&self.other, keyword)
    }

    /// The keywords that a server must have announced for these parameters, unknown ones apart.
    pub(crate) fn needed_keywords(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.notify.is_some() || self.original_recipient.is_some(), "DSN"),
            (self.rrvs.is_some(), "RRVS"),
            (self.ignore_quota, "IGNOREQUOTA"),
        ]
        .into_iter()
        .filter_map(|(needed, keyword)| needed.then_some(keyword))
    }
}

impl fmt::Display for RcptParams {
    /// Each with a space in front, ready to stand behind a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notify) = self.notify {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(first) = &self.original_recipient {
            write!(f, " ORCPT={first}")?;
        }
        if let Some(rrvs) = self.rrvs {
            write!(f, " RRVS={rrvs}")?;
        }
        if self.ignore_quota {
            f.write_str(" IGNOREQUOTA")?;
        }
        self.other.iter().try_for_each(|other| other.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rrvs::RrvsOtherwise;
    use crate::timestamp::Timestamp;

    fn read(text: &str) -> Result<RcptParams, InvalidMessage> {
        RcptParams::read(Params::parse(text)?)
    }

    #[test]
    fn malformed_and_double_parameters_are_refused() {
        for bad in [
            "NOTIFY",
            "NOTIFY=NEVER,DELAY",
            "ORCPT=bob@example",
            "ORCPT=rfc822;",
            "ORCPT=rfc822;a+0A",
            "RRVS=now",
            "IGNOREQUOTA=1",
            "IGNOREQUOTA IGNOREQUOTA",
            "NOTIFY=DELAY notify=DELAY",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn e3_rcpt_parameters_read_back_as_they_were(
            notify in prop::option::of(0_u8..8),
            first in prop::option::of(prop_oneof!["[ -~]{1,30}", "[!-<>-~]{0,9}\u{4e2d}[!-<>-~\u{e9}]{0,9}"]),
            rrvs in prop::option::of((0..4_000_000_000_i64, any::<bool>())),
            ignore_quota: bool,
            other in prop::option::of("[!-<>-~]{1,20}"),
        ) {
            let params = RcptParams {
                notify: notify.map(|cases| {
                    [Notify::SUCCESS, Notify::FAILURE, Notify::DELAY]
                        .into_iter()
                        .enumerate()
                        .filter(|(bit, _)| cases & (1 << bit) != 0)
                        .fold(Notify::NEVER, |all, (_, case)| all | case)
                }),
                original_recipient: first.map(|text| OriginalRecipient::new("rfc822", &text)).transpose()?,
                rrvs: rrvs.map(|(since, reject)| -> Result<_, InvalidMessage> {
                    let otherwise = if reject { RrvsOtherwise::Reject } else { RrvsOtherwise::Continue };
                    Ok(Rrvs { since: Timestamp::from_unix_seconds(since)?, otherwise })
                }).transpose()?,
                ignore_quota,
                other: vec![OtherParam::new("X-OTHER", other.as_deref())?],
            };
            prop_assert_eq!(read(&params.to_string())?, params);
        }
    }
}
