//! Access control lists: SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314).
//!
//! What a session may not look up is not there, whatever it asks of it (safety row N5).

use imap_proto::{
    Acl, AclEntry, AclSubject, IString, List, ListRights, MailboxName, MyRights, Response, RightsAction,
    SetAcl,
};
use mailstore::store::{AclChange, AclKey, Rights};

use super::Session;
use super::answer::{Failure, Outcome, bad, ok};

impl Session {
    pub(super) async fn set_acl(&mut self, set: &SetAcl<'_>) -> Outcome {
        let rights: String = set.rights.iter().map(char::from).collect();
        let rights = Rights::parse(&rights).map_err(|_| bad("Unknown right"))?;
        let change = match set.action {
            RightsAction::Replace => AclChange::Replace(rights),
            RightsAction::Add => AclChange::Add(rights),
            RightsAction::Remove => AclChange::Remove(rights),
        };
        self.change_acl(&set.mailbox, &set.identifier, change).await
    }

    pub(super) async fn delete_acl(&mut self, subject: &AclSubject<'_>) -> Outcome {
        self.change_acl(&subject.mailbox, &subject.identifier, AclChange::Replace(Rights::NONE)).await
    }

    async fn change_acl(
        &mut self,
        mailbox: &MailboxName<'_>,
        identifier: &IString<'_>,
        change: AclChange,
    ) -> Outcome {
        let who = self.who()?;
        let name = who.names.read(mailbox)?;
        self.shared.changes.set_acl(&who.store, &name, key(identifier)?, change).await?;
        ok("Changed")
    }

    pub(super) fn acl(&mut self, mailbox: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        let acl = who.store.acl(&who.names.read_to_store(mailbox)?)?;
        let texts: Vec<(String, String)> =
            acl.entries().iter().map(|(key, rights)| (key.to_string(), rights.to_string())).collect();
        let entries = texts.iter().map(entry).collect::<Result<Vec<_>, mail_wire::Error>>()?;
        let response = Acl { mailbox: *mailbox, entries: List::of(&entries) };
        self.link.conn().untagged(&Response::Acl(response))?;
        ok("Completed")
    }

    /// Every right can be given to everybody, each by itself, and nobody has one that cannot be taken away.
    pub(super) fn list_rights(&mut self, subject: &AclSubject<'_>) -> Outcome {
        let who = self.who()?;
        who.store.acl(&who.names.read_to_store(&subject.mailbox)?)?;
        key(&subject.identifier)?;
        let letters = ["l", "r", "s", "w", "i", "p", "k", "x", "t", "e", "a", "n"];
        let optional = letters.iter().map(imap_proto::Rights::new).collect::<Result<Vec<_>, _>>();
        let optional = optional.map_err(mail_wire::Error::from)?;
        let response = ListRights {
            mailbox: subject.mailbox,
            identifier: subject.identifier,
            required: imap_proto::Rights::new("").map_err(mail_wire::Error::from)?,
            optional: List::of(&optional),
        };
        self.link.conn().untagged(&Response::ListRights(response))?;
        ok("Completed")
    }

    pub(super) fn my_rights(&mut self, mailbox: &MailboxName<'_>) -> Outcome {
        let who = self.who()?;
        let rights = who.store.my_rights(&who.names.read_to_store(mailbox)?)?.to_string();
        let rights = imap_proto::Rights::new(&rights).map_err(mail_wire::Error::from)?;
        self.link.conn().untagged(&Response::MyRights(MyRights { mailbox: *mailbox, rights }))?;
        ok("Completed")
    }
}

fn entry((identifier, rights): &(String, String)) -> Result<AclEntry<'_>, mail_wire::Error> {
    Ok(AclEntry { identifier: IString::new(identifier)?, rights: imap_proto::Rights::new(rights)? })
}

/// Whom an identifier means. Users' names are lower case, as logins are.
fn key(identifier: &IString<'_>) -> Result<AclKey, Failure> {
    let text = identifier.to_utf8().ok_or_else(|| bad("The identifier is not UTF-8"))?;
    AclKey::parse(&text.to_lowercase()).map_err(|_| bad("Not an identifier"))
}
