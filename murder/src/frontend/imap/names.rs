//! How one session names mailboxes: to its client, to back-ends, inside.
//!
//! Every name is read once into a [`Name`] and written once in the form of the other side (safety row X2): towards
//! clients in the namespace of the site, towards back-ends in the classic form as the acting user sees it. An
//! administrator acts for nobody, so both forms are the absolute classic one.

use imap_proto::{MailboxName, Separator};
use mailstore::store::{Actor, Rights, UserName};

use crate::mailboxes::{Entry, Name, NameError, Namespace};
use crate::routing::Login;

/// The separator of all our names.
pub(super) const SEPARATOR: Option<Separator> = Some(Separator::SLASH);

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// A user.
    User(Login),
    /// An administrator: manages mailboxes and reads no mail.
    Admin,
}

/// The names that one session sees, and what it may do with what they name.
#[derive(Debug)]
pub(super) struct View {
    user: String,
    namespace: Namespace,
    actor: Actor,
}

impl View {
    /// What `who` sees where `namespace` is the site's choice. `None` if the login cannot stand in an access control
    /// list.
    pub(super) fn new(who: &Who, namespace: Namespace) -> Option<Self> {
        Some(match who {
            Who::User(login) => {
                let user = login.as_str().to_owned();
                Self { actor: Actor::user(UserName::new(&user).ok()?), user, namespace }
            }
            Who::Admin => Self { user: String::new(), namespace: Namespace::Classic, actor: Actor::Admin },
        })
    }

    /// The user's name; empty for an administrator.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// How clients of this session see the tree.
    pub(super) fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// Reads a name of the client.
    pub(super) fn read(&self, name: &MailboxName<'_>) -> Result<Name, NameError> {
        Name::from_imap(&name.to_utf8(), &self.user, self.namespace)
    }

    /// The name for the client.
    pub(super) fn show(&self, name: &Name) -> String {
        name.to_imap(&self.user, self.namespace)
    }

    /// Reads a name of a back-end.
    pub(super) fn read_classic(&self, name: &MailboxName<'_>) -> Result<Name, NameError> {
        Name::from_imap(&name.to_utf8(), &self.user, Namespace::Classic)
    }

    /// The name for a back-end.
    pub(super) fn classic(&self, name: &Name) -> String {
        name.to_imap(&self.user, Namespace::Classic)
    }

    /// What the session may do with a mailbox.
    pub(super) fn rights(&self, entry: &Entry) -> Rights {
        entry.rights(&self.actor)
    }

    /// Whether the session may know of a mailbox at all.
    pub(super) fn sees(&self, entry: &Entry) -> bool {
        self.rights(entry).contains(Rights::LOOKUP)
    }

    /// False for entries that [`sees`](Self::sees) would deny, told by their text alone: what makes LIST cheap over a
    /// long list.
    pub(super) fn may_see(&self, entry: &Entry) -> bool {
        let acl = entry.acl_text();
        matches!(self.actor, Actor::Admin)
            || acl.contains(&self.user)
            || acl.contains("anyone")
            || acl.contains("group:")
    }

    /// True for a mailbox of this user.
    pub(super) fn owns(&self, name: &Name) -> bool {
        !self.user.is_empty() && name.owner() == Some(&self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice(namespace: Namespace) -> View {
        View::new(&Who::User("alice".parse().unwrap()), namespace).unwrap()
    }

    #[test]
    fn x2_a_name_is_read_once_and_written_once_for_each_side() {
        for (namespace, client, classic) in [
            (Namespace::Personal, "INBOX", "INBOX"),
            (Namespace::Personal, "Work/2026", "INBOX/Work/2026"),
            (Namespace::Personal, "Other Users/carol/Plans", "user/carol/Plans"),
            (Namespace::Personal, "Shared Folders/news", "news"),
            (Namespace::Classic, "INBOX/Work", "INBOX/Work"),
            (Namespace::Classic, "user/carol", "user/carol"),
        ] {
            let view = alice(namespace);
            let name = view.read(&MailboxName::new(client).unwrap()).unwrap();
            assert_eq!(view.classic(&name), classic);
            assert_eq!(view.read_classic(&MailboxName::new(classic).unwrap()), Ok(name.clone()));
            assert_eq!(view.show(&name), client);
        }
        // Another namespace's form names a mailbox of its own, never the same one twice.
        let view = alice(Namespace::Personal);
        assert!(view.read(&MailboxName::new("INBOX/Work").unwrap()).is_err());
        let own = view.read(&MailboxName::new("user/carol").unwrap()).unwrap();
        assert_eq!(view.classic(&own), "INBOX/user/carol");
    }

    #[test]
    fn an_administrator_has_absolute_names_and_no_inbox() {
        let view = View::new(&Who::Admin, Namespace::Personal).unwrap();
        let name = view.read(&MailboxName::new("user/alice/Work").unwrap()).unwrap();
        assert_eq!(view.classic(&name), "user/alice/Work");
        assert_eq!(view.show(&name), "user/alice/Work");
        assert!(view.read(&MailboxName::INBOX).is_err());
        assert!(!view.owns(&name));
    }
}
