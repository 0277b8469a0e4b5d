//! Quota (RFC 9208): limits at a name, for all mailboxes at and below it that have no nearer ones.

/// Limits of a quota root; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct QuotaLimits {
    /// STORAGE, in bytes (the protocol counts units of 1,024).
    pub storage_bytes: Option<u64>,
    /// MESSAGE: number of messages.
    pub messages: Option<u64>,
}

/// What is used of a quota root: always the sum over its mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct QuotaUsage {
    /// STORAGE, in bytes. A message in two mailboxes counts twice, though it is stored once.
    pub storage_bytes: u64,
    /// MESSAGE.
    pub messages: u64,
}

/// Limits and usage of a quota root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Quota {
    /// The limits.
    pub limits: QuotaLimits,
    /// The usage.
    pub usage: QuotaUsage,
}

/// Whether a delivery minds the quota (LMTP's IGNOREQUOTA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum QuotaCheck {
    /// It is refused when over.
    #[default]
    Enforce,
    /// It is taken anyway, and counted.
    Ignore,
}

impl Quota {
    /// What would be exceeded by this much more.
    pub(super) fn exceeded_by(&self, more: QuotaUsage) -> Option<super::Resource> {
        let over = |limit: Option<u64>, used: u64, more: u64| {
            more > 0 && limit.is_some_and(|limit| used.saturating_add(more) > limit)
        };
        if over(self.limits.storage_bytes, self.usage.storage_bytes, more.storage_bytes) {
            Some(super::Resource::Storage)
        } else if over(self.limits.messages, self.usage.messages, more.messages) {
            Some(super::Resource::Messages)
        } else {
            None
        }
    }
}

impl QuotaUsage {
    pub(super) fn add(&mut self, more: Self) {
        self.storage_bytes = self.storage_bytes.saturating_add(more.storage_bytes);
        self.messages = self.messages.saturating_add(more.messages);
    }

    pub(super) fn subtract(&mut self, less: Self) {
        self.storage_bytes = self.storage_bytes.saturating_sub(less.storage_bytes);
        self.messages = self.messages.saturating_sub(less.messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Resource;

    #[test]
    fn a_quota_is_full_at_its_limit_and_over_beyond_it() {
        let quota = Quota {
            limits: QuotaLimits { storage_bytes: Some(100), messages: Some(3) },
            usage: QuotaUsage { storage_bytes: 90, messages: 2 },
        };
        let check = |storage_bytes, messages| quota.exceeded_by(QuotaUsage { storage_bytes, messages });
        assert_eq!(check(10, 1), None);
        assert_eq!(check(11, 1), Some(Resource::Storage));
        assert_eq!(check(1, 2), Some(Resource::Messages));
        assert_eq!(check(u64::MAX, 0), Some(Resource::Storage));
    }

    #[test]
    fn what_takes_nothing_more_is_never_over() {
        let limits = QuotaLimits { storage_bytes: Some(1), messages: Some(1) };
        let quota = Quota { limits, usage: QuotaUsage { storage_bytes: 5, messages: 5 } };
        assert_eq!(quota.exceeded_by(QuotaUsage::default()), None);
    }
}
