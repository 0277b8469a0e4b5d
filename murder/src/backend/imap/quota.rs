//! Quota: SETQUOTA, GETQUOTA, GETQUOTAROOT (RFC 2087, RFC 9208).

use imap_proto::{
    ErrorCode, IString, List, MailboxName, Quota, QuotaRoot, Resource, ResourceUsage, Response, SetQuota,
};
use mailstore::store::{self, QuotaLimits};

use super::Session;
use super::answer::{Failure, Outcome, no, ok};
use super::names::{quota_root, read_quota_root};

/// The unit of STORAGE (RFC 9208 5.1).
const STORAGE_UNIT_BYTES: u64 = 1024;

impl Session {
    pub(super) async fn set_quota(&mut self, set: &SetQuota<'_>) -> Outcome {
        let root = read_quota_root(&set.root.to_bytes())?;
        let mut limits = QuotaLimits::default();
        for limit in set.limits.iter() {
            if limit.resource == Resource::Storage {
                limits.storage_bytes = Some(limit.limit.saturating_mul(STORAGE_UNIT_BYTES));
            } else if limit.resource == Resource::Message {
                limits.messages = Some(limit.limit);
            } else {
                return Err(no(ErrorCode::Cannot, "No such resource"));
            }
        }
        let who = self.who()?;
        who.store.set_quota(&root, Some(limits)).await?;
        let quota = who.store.quota(&root)?;
        self.tell_quota(&set.root, &quota)?;
        ok("Set")
    }

    pub(super) fn quota(&mut self, root: &IString<'_>) -> Outcome {
        let quota = self.who()?.store.quota(&read_quota_root(&root.to_bytes())?)?;
        self.tell_quota(root, &quota)?;
        ok("Completed")
    }

    pub(super) fn quota_root(&mut self, mailbox: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        let found = who.store.quota_of(&who.names.read_to_store(mailbox)?)?;
        let found = found.and_then(|(root, quota)| Some((quota_root(&root)?, quota)));
        let Some((root, quota)) = found else {
            let response = QuotaRoot { mailbox: *mailbox, roots: List::of(&[]) };
            self.link.conn().untagged(&Response::QuotaRoot(response))?;
            return ok("Completed");
        };
        let root = IString::new(&root).map_err(mail_wire::Error::from)?;
        let roots = [root];
        let response = QuotaRoot { mailbox: *mailbox, roots: List::of(&roots) };
        self.link.conn().untagged(&Response::QuotaRoot(response))?;
        self.tell_quota(&root, &quota)?;
        ok("Completed")
    }

    /// The resources that have a limit.
    fn tell_quota(&mut self, root: &IString<'_>, quota: &store::Quota) -> Result<(), Failure> {
        let store::Quota { limits, usage } = quota;
        let storage = limits.storage_bytes.map(|limit| ResourceUsage {
            resource: Resource::Storage,
            usage: usage.storage_bytes.div_ceil(STORAGE_UNIT_BYTES),
            limit: limit / STORAGE_UNIT_BYTES,
        });
        let messages = limits.messages.map(|limit| ResourceUsage {
            resource: Resource::Message,
            usage: usage.messages,
            limit,
        });
        let resources: Vec<ResourceUsage<'_>> = storage.into_iter().chain(messages).collect();
        let response = Quota { root: *root, resources: List::of(&resources) };
        Ok(self.link.conn().untagged(&Response::Quota(response))?)
    }
}
