//! Delivery ids: how a repeated delivery is known for one (RFC 1047).
//!
//! A server of the site that hands a message over may lose the answer and deliver it again. It names the delivery; the
//! store remembers the name with the recipient in the same transaction as the message, and answers a repetition with
//! the message that is there, even if it was expunged since. Kept for [`RETENTION_SECS`], longer than a queue
//! tries, and at most [`GENERATIONS_MAX`] generations: a safety net for memory, about 100 MB.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::codec::{Corrupt, Reader, Writer};
use super::error::InvalidName;
use super::name::{MailboxId, Uid};
use super::record::decode_id;

/// How long a delivery is remembered: two weeks, where queues give up after five days.
pub(super) const RETENTION_SECS: u64 = 14 * 24 * 3600;
const GENERATION_KEYS: usize = 65_536;
const GENERATIONS_MAX: usize = 32;

/// The most bytes a delivery id may have.
pub const DELIVERY_ID_BYTES_MAX: usize = 255;

/// What a sender calls a delivery: 1 to [`DELIVERY_ID_BYTES_MAX`] bytes, never used for another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(Arc<[u8]>);

impl DeliveryId {
    /// An id of these bytes.
    ///
    /// # Errors
    /// Empty, or too long.
    pub fn new(id: &[u8]) -> Result<Self, InvalidName> {
        match id.len() {
            0 => Err(InvalidName::Empty),
            1..=DELIVERY_ID_BYTES_MAX => Ok(Self(id.into())),
            _ => Err(InvalidName::TooLong),
        }
    }

    /// The key of this delivery into this mailbox.
    pub(super) fn key(&self, mailbox: MailboxId) -> DeliveryKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&mailbox.0.to_le_bytes());
        hasher.update(&self.0);
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        DeliveryKey(key)
    }
}

/// A digest of a delivery id and a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DeliveryKey([u8; 16]);

impl DeliveryKey {
    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// The deliveries remembered, in generations: a whole generation is forgotten at once, and shared with a checkpoint
/// being written at the price of a pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Deliveries(VecDeque<Arc<Generation>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Generation {
    newest_secs: u64,
    keys: HashMap<DeliveryKey, (MailboxId, Uid)>,
}

impl Deliveries {
    pub(super) fn find(&self, key: &DeliveryKey) -> Option<(MailboxId, Uid)> {
        self.0.iter().rev().find_map(|generation| generation.keys.get(key).copied())
    }

    pub(super) fn insert(&mut self, key: DeliveryKey, mailbox: MailboxId, uid: Uid, now_secs: u64) {
        while self
            .0
            .front()
            .is_some_and(|oldest| oldest.newest_secs.saturating_add(RETENTION_SECS) < now_secs)
        {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|newest| newest.keys.len() >= GENERATION_KEYS) {
            if self.0.len() >= GENERATIONS_MAX {
                self.0.pop_front();
            }
            self.0.push_back(Arc::default());
        }
        if let Some(newest) = self.0.back_mut() {
            let newest = Arc::make_mut(newest);
            newest.newest_secs = newest.newest_secs.max(now_secs);
            newest.keys.insert(key, (mailbox, uid));
        }
    }

    pub(super) fn generations(&self) -> usize {
        self.0.len()
    }

    pub(super) fn encode(&self, number: usize, out: &mut Writer) {
        let Some(generation) = self.0.get(number) else { return };
        out.u64(generation.newest_secs);
        out.number(generation.keys.len() as u64);
        for (key, (mailbox, uid)) in &generation.keys {
            out.bytes(key.as_bytes());
            out.u64(mailbox.0);
            out.u32(*uid);
        }
    }

    pub(super) fn decode(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        let mut generation = Generation { newest_secs: input.u64()?, keys: HashMap::new() };
        for _ in 0..input.count()? {
            let key = DeliveryKey::from_bytes(input.fixed()?);
            generation.keys.insert(key, (decode_id(input)?, input.u32()?));
        }
        self.0.push_back(Arc::new(generation));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> DeliveryKey {
        DeliveryId::new(&n.to_le_bytes()).unwrap().key(MailboxId(1))
    }

    #[test]
    fn an_id_may_have_255_bytes_and_not_256() {
        assert!(DeliveryId::new(&[7; 255]).is_ok());
        assert!(DeliveryId::new(&[7; 256]).is_err());
        assert!(DeliveryId::new(&[]).is_err());
    }

    #[test]
    fn a_key_is_of_one_mailbox() {
        let id = DeliveryId::new(b"x").unwrap();
        assert_ne!(id.key(MailboxId(1)), id.key(MailboxId(2)));
    }

    #[test]
    fn old_deliveries_are_forgotten_a_generation_at_a_time() {
        let mut deliveries = Deliveries::default();
        for n in 0..=GENERATION_KEYS as u64 {
            deliveries.insert(key(n), MailboxId(1), 1, 1000);
        }
        assert_eq!(deliveries.generations(), 2);
        deliveries.insert(key(u64::MAX), MailboxId(1), 9, 1000 + RETENTION_SECS);
        assert_eq!(deliveries.find(&key(0)), Some((MailboxId(1), 1)));
        deliveries.insert(key(u64::MAX - 1), MailboxId(1), 9, 1001 + RETENTION_SECS);
        assert_eq!(deliveries.find(&key(0)), None);
        assert_eq!(deliveries.find(&key(u64::MAX)), Some((MailboxId(1), 9)));
    }

    #[test]
    fn deliveries_survive_their_bytes() {
        let mut deliveries = Deliveries::default();
        (0..10).for_each(|n| deliveries.insert(key(n), MailboxId(n + 1), 5, n));
        let mut out = Writer::default();
        deliveries.encode(0, &mut out);
        let bytes = out.finish();
        let mut back = Deliveries::default();
        back.decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(back.0, deliveries.0);
    }
}
