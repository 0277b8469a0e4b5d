//! The mailbox list as the admin HTTP shows it.

use mupdate_proto::MailboxName;

use super::List;
use crate::admin::{MailboxEntry, Part};

/// A part of the list. Names that are not UTF-8 are shown as far as they are.
pub(crate) fn page(list: &List, part: &Part) -> Vec<MailboxEntry> {
    let after = MailboxName::new(part.after.clone()).ok();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let row = |entry: mupdate_proto::MailboxEntry| MailboxEntry {
        name: text(entry.name.as_bytes()),
        location: text(entry.location.as_bytes()),
        state: if entry.acl().is_some() { "active" } else { "reserved" }.to_owned(),
        acl: entry.acl().map(|acl| text(acl.as_bytes())).unwrap_or_default(),
    };
    list.page(after.as_ref(), part.rows_max).into_iter().map(row).collect()
}
