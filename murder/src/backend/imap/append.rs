//! APPEND (RFC 3501 6.3.11; APPENDUID, RFC 4315 3): a message streams from the socket into the store.
//!
//! It is asked for only if it can be kept: the mailbox, the right to insert, the size and the quota are looked at before
//! a byte of it comes, and again by the store when it is put in.

use bytes::Bytes;
use imap_proto::server::LiteralOffer;
use imap_proto::{Append, Code, Command, ErrorCode, NewContent, Status};
use mail_wire::Keep;
use mailstore::store::{BodyWriter, Error, InternalDate, NewMessage, Resource, Rights};

use super::Session;
use super::answer::{Answer, Failure, Outcome, bad, no};
use super::store::flags_to_set;
use crate::net::{LinkError, on_disk};

/// Messages above this go to the disk while they come, so that writing them may block.
const BLOCKING_ABOVE_BYTES: u64 = 64 << 10;

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    body: BodyWriter,
    blocking: bool,
    /// What went wrong meanwhile: the rest of the message goes by.
    failed: Option<Failure>,
}

/// The message of an APPEND that has one, as a plain literal: no more is announced.
fn only_message<'a>(append: &Append<'a>) -> Result<imap_proto::NewMessage<'a>, Failure> {
    let mut messages = append.messages.iter();
    match (messages.next(), messages.next()) {
        (Some(message), None) if matches!(message.content, NewContent::Plain(_)) => Ok(message),
        (Some(_), None) => Err(bad("Only a plain literal is taken")),
        _ => Err(bad("One message at a time")),
    }
}

impl Session {
    /// Takes or refuses a message that is announced.
    pub(super) fn offer(&mut self, offer: LiteralOffer) -> Result<(), LinkError> {
        let refusal = match offer.so_far() {
            Command::Append(append) => self.check_offer(&append, offer.bytes()).err(),
            _ => Some(bad("Only APPEND carries a message")),
        };
        match refusal {
            Some(Failure::Refused(status)) => Ok(self.link.conn().refuse(offer, &status)?),
            Some(Failure::Link(error)) => Err(error),
            None => {
                let blocking = offer.bytes() > BLOCKING_ABOVE_BYTES;
                self.incoming = Some(Incoming { body: self.shared.store.body(), blocking, failed: None });
                Ok(self.link.conn().accept(offer, Keep::Stream)?)
            }
        }
    }

    fn check_offer(&self, append: &Append<'_>, bytes: u64) -> Result<(), Failure> {
        let message = only_message(append)?;
        if bytes > u64::from(self.shared.store.message_bytes_max()) {
            return Err(Failure::Refused(Status::no("The message is too large").with_code(Code::TooBig)));
        }
        let who = self.who()?;
        who.require_reader()?;
        let name = who.names.read_to_store(&append.mailbox)?;
        flags_to_set(message.flags)?;
        let rights = who.store.my_rights(&name).map_err(|e| Failure::from(e).or_try_create())?;
        if !rights.contains(Rights::INSERT) {
            return Err(match rights.contains(Rights::LOOKUP) {
                true => Error::Denied { missing: Rights::INSERT }.into(),
                false => Failure::from(Error::NoSuchMailbox).or_try_create(),
            });
        }
        // Who may insert but not read is told by the store, afterwards.
        if let Ok(Some((_, quota))) = who.store.quota_of(&name)
            && quota
                .limits
                .storage_bytes
                .is_some_and(|max| quota.usage.storage_bytes.saturating_add(bytes) > max)
        {
            return Err(Error::OverQuota(Resource::Storage).into());
        }
        Ok(())
    }

    /// Takes a piece of the message.
    pub(super) fn chunk(&mut self, bytes: &Bytes) {
        let Some(incoming) = &mut self.incoming else { return };
        if incoming.failed.is_some() {
            return;
        }
        // RFC 3501 9 lets no literal hold NUL, and no client could read it.
        if memchr::memchr(0, bytes).is_some() {
            incoming.failed = Some(no(ErrorCode::Cannot, "The message holds NUL"));
            return;
        }
        let body = &mut incoming.body;
        let written = if incoming.blocking { on_disk(|| body.write(bytes)) } else { body.write(bytes) };
        incoming.failed = written.err().map(Failure::from);
    }

    /// Puts the message in.
    pub(super) async fn append(&mut self, append: &Append<'_>) -> Outcome {
        let message = only_message(append)?;
        let incoming = self.incoming.take().ok_or_else(|| bad("No message"))?;
        if let Some(failed) = incoming.failed {
            return Err(failed);
        }
        let who = self.who()?;
        let name = who.names.read_to_store(&append.mailbox)?;
        let body = match incoming.blocking {
            true => on_disk(|| incoming.body.finish())?,
            false => incoming.body.finish()?,
        };
        let date = |date: imap_proto::DateTime| InternalDate {
            secs: date.to_unix_seconds(),
            zone_minutes: date.zone_minutes(),
        };
        let message =
            NewMessage { body, flags: flags_to_set(message.flags)?, internal_date: message.date.map(date) };
        let appended = who.store.append(&name, message).await;
        appended.map(Answer::Appended).map_err(|e| Failure::from(e).or_try_create())
    }
}
