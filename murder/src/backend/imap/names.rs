//! Mailbox names at the edge: what a session calls a mailbox, and what it is.
//!
//! Front-ends name mailboxes in the classic form as their user sees them; nodes and administrators in the classic form
//! from nobody's point of view (`user/alice/Work`); the users of a back-end that runs alone as its namespace has it.

use imap_proto::MailboxName;
use imap_proto::mailbox::{decode_modified_utf7, encode_modified_utf7};
use mailstore::store;

use super::answer::Failure;
use crate::backend::places::to_store;
use crate::mailboxes::{Name, NameError, Namespace};

/// How one session names mailboxes.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Whose names are short; empty for those who have no mailboxes. No user's name is empty.
    user: String,
    namespace: Namespace,
}

impl Names {
    /// As this user sees them.
    pub(super) fn of_user(user: &str, namespace: Namespace) -> Self {
        Self { user: user.to_owned(), namespace }
    }

    /// As they are from nobody's point of view.
    pub(super) fn absolute() -> Self {
        Self { user: String::new(), namespace: Namespace::Classic }
    }

    /// Whose names are short, if anybody's.
    pub(super) fn user(&self) -> Option<&str> {
        (!self.user.is_empty()).then_some(&*self.user)
    }

    /// The form of the names.
    pub(super) fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// The mailbox that a command names.
    pub(super) fn read(&self, name: &MailboxName<'_>) -> Result<Name, NameError> {
        Name::from_imap(&name.to_utf8(), &self.user, self.namespace)
    }

    /// The same in the store's form.
    pub(super) fn read_to_store(&self, name: &MailboxName<'_>) -> Result<store::MailboxName, Failure> {
        Ok(to_store(&self.read(name)?)?)
    }

    /// What this session calls a mailbox, in UTF-8.
    pub(super) fn write(&self, name: &Name) -> String {
        name.to_imap(&self.user, self.namespace)
    }

    /// What this session calls a mailbox of the store. `None` for a name that no protocol could carry.
    pub(super) fn write_from_store(&self, name: &store::MailboxName) -> Option<String> {
        let components: Vec<&str> = name.components().collect();
        Name::from_store(&components).ok().map(|name| self.write(&name))
    }
}

/// The name of a quota root: the absolute classic form, whoever asks, so that it can be handed from server to server.
pub(super) fn quota_root(name: &store::MailboxName) -> Option<String> {
    Names::absolute().write_from_store(name).map(|name| encode_modified_utf7(&name))
}

/// The mailbox at which a quota root stands.
pub(super) fn read_quota_root(root: &[u8]) -> Result<store::MailboxName, Failure> {
    let text = decode_modified_utf7(root).map_err(|_| NameError::Encoding)?;
    Ok(to_store(&Name::from_imap(&text, "", Namespace::Classic)?)?)
}
