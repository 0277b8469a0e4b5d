//! What a master tells over the admin HTTP.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use crate::admin::{AdminState, Health, MailboxEntry, Part, Status};
use crate::mailboxes::rows;

/// The admin HTTP's view of a master.
pub(super) struct View(pub(super) Arc<Shared>);

impl AdminState for View {
    fn health(&self) -> Health {
        let mut health = Health::default();
        if self.0.log_failed.load(Ordering::Relaxed) {
            health
                .troubles
                .push("the mailbox list cannot be written: see the log, and start the master again".into());
        }
        health
    }

    fn status(&self) -> Status {
        let list = self.0.feed.list();
        let fact = |label: &str, value: String| (label.to_owned(), value);
        Status {
            role: "master".into(),
            name: self.0.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            facts: vec![
                fact("mailboxes", list.len().to_string()),
                fact("entries that cannot be read", list.unreadable().to_string()),
                fact("update streams", self.0.feed.followers().to_string()),
                fact("connections", self.0.admission.connections().to_string()),
                fact("changes since the start", self.0.log.stats().transactions.to_string()),
            ],
            tables: Vec::new(),
        }
    }

    fn mailboxes(&self, part: &Part) -> Option<Vec<MailboxEntry>> {
        Some(rows::page(self.0.feed.list(), part))
    }
}
