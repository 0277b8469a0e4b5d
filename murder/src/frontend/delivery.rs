//! One message to one server by LMTP or SMTP: what the LMTP proxy and the hub's queue both do.

use std::io;

use bytes::Bytes;
use mail_wire::Connection as _;
use smtp_proto::client::{Closed, Envelope, Event, Machine};
use smtp_proto::{Code, Dialect, Reply, Verdict};
use thiserror::Error;

use crate::net::{Link, LinkError, OUTPUT_HIGH_WATER_BYTES};

/// Bytes of a message read from its source at a time.
const READ_BYTES: usize = 256 << 10;

/// Where a message's bytes come from. Read more than once: each destination gets all of it.
pub trait MessageSource: Send + Sync {
    /// Up to `bytes_max` bytes from `offset` on; empty at the end. May block on the disk.
    fn read(&self, offset: u64, bytes_max: usize) -> io::Result<Bytes>;
}

impl MessageSource for Bytes {
    fn read(&self, offset: u64, bytes_max: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        Ok(self.slice(start..start.saturating_add(bytes_max).min(self.len())))
    }
}

/// Why some recipients have no verdict: what became of their copies is not known, and they are tried again.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// The connection failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The message cannot be read.
    #[error("the message cannot be read: {0}")]
    Source(#[from] io::Error),
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Whether to try again. Not always what the reply's code says: see [`Event::Fate`].
    pub verdict: Verdict,
    /// The deciding reply.
    pub reply: Reply,
}

impl Fate {
    /// The reply as it can be passed on: with a code that says what the verdict says.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        if self.verdict == Verdict::Temporary && self.reply.verdict() != Verdict::Temporary {
            return Reply::new(Code::STORAGE_FULL, "Too many recipients").with_status(5, 3);
        }
        self.reply
    }
}

/// Sends one message. The answer has a place for each recipient of the envelope: what became of it, or `None`
/// where the connection ended before that was known; then the reason stands beside.
pub async fn deliver<D: Dialect>(
    link: &mut Link<Machine<D>>,
    envelope: Envelope,
    message: &dyn MessageSource,
) -> (Vec<Option<Fate>>, Option<DeliveryError>) {
    let mut fates = vec![None; envelope.recipients.len()];
    let failed = transact(link, envelope, message, &mut fates).await.err();
    (fates, failed)
}

async fn transact<D: Dialect>(
    link: &mut Link<Machine<D>>,
    envelope: Envelope,
    message: &dyn MessageSource,
    fates: &mut [Option<Fate>],
) -> Result<(), DeliveryError> {
    link.conn().send(envelope).map_err(LinkError::from)?;
    loop {
        match link.next().await? {
            Some(Event::BodyWanted) => send_body(link, message).await?,
            Some(Event::Fate { recipient, verdict, reply, .. }) => {
                if let Some(fate) = fates.get_mut(recipient) {
                    *fate = Some(Fate { verdict, reply });
                }
            }
            Some(Event::TransactionEnd) => return Ok(()),
            Some(Event::Closed(Closed::Shutdown(reply))) => {
                // 421 says the same to everybody who has no answer yet.
                let fate = Fate { verdict: reply.verdict(), reply };
                fates.iter_mut().filter(|fate| fate.is_none()).for_each(|open| *open = Some(fate.clone()));
                return Err(DeliveryError::Closed);
            }
            Some(Event::Closed(_)) | None => return Err(DeliveryError::Closed),
            Some(_) => {}
        }
    }
}

async fn send_body<D: Dialect>(
    link: &mut Link<Machine<D>>,
    message: &dyn MessageSource,
) -> Result<(), DeliveryError> {
    let mut offset = 0;
    loop {
        let piece = match crate::net::on_disk(|| message.read(offset, READ_BYTES)) {
            Ok(piece) => piece,
            Err(e) => {
                // Half a message must not end with a dot.
                link.conn().abort();
                return Err(e.into());
            }
        };
        if piece.is_empty() {
            link.conn().body_end().map_err(|e| LinkError::from(mail_wire::Error::from(e)))?;
            return Ok(());
        }
        offset += piece.len() as u64;
        link.conn().body_chunk(&piece).map_err(|e| LinkError::from(mail_wire::Error::from(e)))?;
        if link.conn().transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
            link.flush().await?;
        }
    }
}
