//! How commands end: the tagged reply of each outcome, and the one text for each refusal of the store.
//!
//! A mailbox that the actor may not look up and one that does not exist are answered by the same words (safety row
//! N5): the store makes no difference between them, and nothing is added here. No text holds anything of a client's.

use std::num::NonZeroU32;

use imap_proto::{Code, Condition, ErrorCode, SequenceNumber, SequenceRange, SequenceSet, Status};
use mail_wire::{ApiMisuse, Ticket};
use mailstore::store::{Appended, Copied, Error, Limit, Uid, UidSet};
use tracing::warn;

use super::Session;
use crate::backend::changes::ChangeError;
use crate::mailboxes::NameError;
use crate::net::LinkError;

/// A command that was carried out, or answered at least.
#[derive(Debug)]
pub(super) enum Answer {
    /// This, tagged.
    Status(Status<'static>),
    /// OK with APPENDUID (RFC 4315 3).
    Appended(Appended),
    /// OK with COPYUID (RFC 4315 3), unless nothing was copied.
    Copied(Copied),
}

/// A command that was not carried out.
#[derive(Debug)]
pub(super) enum Failure {
    /// This is why.
    Refused(Status<'static>),
    /// There is nobody to answer any more.
    Link(LinkError),
}

pub(super) type Outcome = Result<Answer, Failure>;

/// OK with this text.
pub(super) fn ok(text: &'static str) -> Outcome {
    Ok(Answer::Status(Status::ok(text)))
}

/// NO with this code and text.
pub(super) fn no(code: ErrorCode, text: &'static str) -> Failure {
    Failure::Refused(Status::no(text).with_code(Code::Condition(code)))
}

/// BAD with this text.
pub(super) fn bad(text: &'static str) -> Failure {
    Failure::Refused(Status::bad(text))
}

impl Failure {
    /// The same, with the hint that CREATE would help where there is no mailbox (RFC 3501 6.3.11, 6.4.7).
    pub(super) fn or_try_create(self) -> Self {
        match self {
            Self::Refused(Status { code: Some(Code::Condition(ErrorCode::NonExistent)), text, .. }) => {
                Self::Refused(Status::new(Condition::No, text).with_code(Code::TryCreate))
            }
            other => other,
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<mail_wire::Error> for Failure {
    fn from(error: mail_wire::Error) -> Self {
        Self::Link(error.into())
    }
}

impl From<ApiMisuse> for Failure {
    fn from(error: ApiMisuse) -> Self {
        Self::Link(mail_wire::Error::from(error).into())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        let text = match error {
            NameError::TooLong => "The mailbox name is too long",
            NameError::Reserved => "No mailbox can have this name",
            NameError::Empty | NameError::Character | NameError::Encoding => "Invalid mailbox name",
        };
        no(ErrorCode::Cannot, text)
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::Unavailable => no(ErrorCode::Unavailable, "The mailbox list cannot be changed now"),
            ChangeError::Elsewhere => no(ErrorCode::AlreadyExists, "The mailbox exists already"),
            ChangeError::Name(error) => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_temporary() || error == Error::Damaged {
            warn!(protocol = "imap", %error, "the store cannot do what was asked");
        }
        let code = match &error {
            Error::NoSuchMailbox | Error::NoSuchQuotaRoot => ErrorCode::NonExistent,
            Error::Exists => ErrorCode::AlreadyExists,
            Error::Denied { .. } => ErrorCode::NoPerm,
            Error::OverQuota(_) => ErrorCode::OverQuota,
            Error::Expunged => ErrorCode::ExpungeIssued,
            Error::Damaged => ErrorCode::Corruption,
            Error::LimitExceeded { limit: Limit::MessageBytes, .. } => {
                return Self::Refused(Status::no("The message is too large").with_code(Code::TooBig));
            }
            Error::LimitExceeded { .. } => ErrorCode::Limit,
            Error::NoSuchSequence => return bad("No message has this number"),
            Error::InvalidName(_) | Error::BelowItself | Error::ReadOnly => ErrorCode::Cannot,
            _ => ErrorCode::Unavailable,
        };
        let text = match error {
            Error::NoSuchMailbox => "No such mailbox",
            Error::NoSuchQuotaRoot => "No such quota root",
            Error::Exists => "The mailbox exists already",
            Error::Denied { .. } => "Not allowed",
            Error::OverQuota(_) => "Over quota",
            Error::Expunged => "The message is gone",
            Error::Damaged => "The message cannot be read",
            Error::LimitExceeded { limit: Limit::Keywords, .. } => "The mailbox has too many keywords",
            Error::LimitExceeded { .. } => "Too many at once",
            Error::InvalidName(_) => "Invalid mailbox name",
            Error::BelowItself => "A mailbox cannot be moved below itself",
            Error::ReadOnly => "The mailbox is open read-only",
            Error::Busy => "Too busy, try again later",
            _ => "Temporary failure, try again later",
        };
        no(code, text)
    }
}

impl Session {
    /// Sends the tagged reply of an outcome.
    pub(super) fn answer(&mut self, ticket: Ticket, outcome: Outcome) -> Result<(), LinkError> {
        let conn = self.link.conn();
        match outcome {
            Ok(Answer::Status(status)) | Err(Failure::Refused(status)) => conn.reply(ticket, &status)?,
            Ok(Answer::Appended(appended)) => {
                let uid = ranges(&UidSet::single(appended.uid));
                let done = Status::ok("Appended");
                let code = SequenceSet::of(&uid)
                    .map(|uids| Code::AppendUid { uid_validity: appended.uid_validity, uids });
                conn.reply(ticket, &Status { code, ..done })?;
            }
            Ok(Answer::Copied(copied)) => {
                with_copy_uid(&copied, |code| conn.reply(ticket, &Status { code, ..Status::ok("Done") }))?;
            }
            Err(Failure::Link(error)) => return Err(error),
        }
        Ok(())
    }
}

/// Gives COPYUID to `say`, if anything was copied.
pub(super) fn with_copy_uid<T>(copied: &Copied, say: impl FnOnce(Option<Code<'_>>) -> T) -> T {
    let source = ranges(&copied.source);
    let count = Uid::try_from(copied.source.len()).unwrap_or(Uid::MAX);
    let last = copied.first_uid.saturating_add(count.saturating_sub(1));
    let destination = ranges(&UidSet::range(copied.first_uid, last));
    let code = SequenceSet::of(&source).zip(SequenceSet::of(&destination)).map(|(source, destination)| {
        Code::CopyUid { uid_validity: copied.uid_validity, source, destination }
    });
    say(code)
}

/// A set as the grammar has it. A set of the store never holds 0.
fn ranges(uids: &UidSet) -> Vec<SequenceRange> {
    let number = |uid| NonZeroU32::new(uid).map(SequenceNumber::Number);
    let range =
        |(first, last): &(Uid, Uid)| Some(SequenceRange { from: number(*first)?, to: number(*last)? });
    uids.ranges().iter().filter_map(range).collect()
}
