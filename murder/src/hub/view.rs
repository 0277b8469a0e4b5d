//! The queue as an administrator sees it.

use jiff::{SignedDuration, Timestamp};
use mail_wire::Escaped;
use tokio::time::Instant;

use super::Hub;
use super::queue::Message;
use crate::admin::{Part, QueueEntry};

/// Recipients shown of one message. 100: the page is for a look, not for a list.
const RECIPIENTS_SHOWN_MAX: usize = 100;

impl Hub {
    /// A page of the queue, by id. An `after` that is no id begins at the beginning.
    pub(crate) fn page(&self, part: &Part) -> Vec<QueueEntry> {
        let messages = self.queue().messages(part.after.parse().ok(), part.rows_max);
        messages.iter().map(|message| self.entry(message)).collect()
    }

    fn entry(&self, message: &Message) -> QueueEntry {
        let address = message.envelope.reverse_path.address();
        let recipients = message.pending().filter_map(|place| message.envelope.recipients.get(place));
        let recipients = recipients.take(RECIPIENTS_SHOWN_MAX);
        QueueEntry {
            id: message.id.to_string(),
            sender: address.map(|sender| Escaped::new(&sender.to_string()).to_string()).unwrap_or_default(),
            recipients: recipients.map(|to| unbracketed(&to.original.to_string())).collect(),
            size_bytes: message.size_bytes(),
            accepted_at: at(message.accepted_at.as_millis()).to_string(),
            next_attempt_at: self
                .next_attempt(message.id)
                .map(|next| from_now(next).to_string())
                .unwrap_or_default(),
            attempts: message.attempts,
            last_error: message.last_reply.clone(),
        }
    }
}

fn unbracketed(path: &str) -> String {
    Escaped::new(path.trim_start_matches('<').trim_end_matches('>')).to_string()
}

fn at(millis: u64) -> Timestamp {
    i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

fn from_now(next: Instant) -> Timestamp {
    let wait = next.saturating_duration_since(Instant::now());
    let wait = SignedDuration::try_from(wait).unwrap_or_default();
    Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX)
}
