//! Rights and quota (RFC 4314, RFC 2087).
//!
//! Rights are looked up in the replica and changed at the mailbox's server. Who may not administer a mailbox learns
//! no more of its list than his own rights (safety row N5). Quota lives at the server; the name of a root is the
//! absolute name of the mailbox at its top, for clients and back-ends alike.

use imap_proto::{
    Acl, AclEntry, AclSubject, Command, ErrorCode, IString, List, ListRights, MailboxName, MyRights,
    QuotaRoot, Response, Rights as Letters, SetAcl, SetQuota, Status,
};
use mail_wire::Ticket;
use mailstore::store::Rights;

use super::names::Who;
use super::relay;
use super::{Session, coded, nonexistent, unavailable};
use crate::mailboxes::{Name, Namespace};
use crate::net::LinkError;

/// Each right can be given alone (RFC 4314 3.7).
const OPTIONAL: [&str; 12] = ["l", "r", "s", "w", "i", "p", "k", "x", "t", "e", "a", "n"];

fn not_administered() -> Status<'static> {
    coded(ErrorCode::NoPerm, "You do not administer this mailbox")
}

impl Session<'_> {
    pub(super) async fn set_acl(&mut self, ticket: Ticket, change: &SetAcl<'_>) -> Result<(), LinkError> {
        let entry = match self.find_any(&change.mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(entry.name());
        let Ok(mailbox) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        self.change(ticket, entry.server(), &Command::SetAcl(SetAcl { mailbox, ..*change })).await
    }

    pub(super) async fn delete_acl(
        &mut self,
        ticket: Ticket,
        subject: &AclSubject<'_>,
    ) -> Result<(), LinkError> {
        let entry = match self.find_any(&subject.mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(entry.name());
        let Ok(mailbox) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        self.change(ticket, entry.server(), &Command::DeleteAcl(AclSubject { mailbox, ..*subject })).await
    }

    pub(super) async fn acl(&mut self, ticket: Ticket, mailbox: &MailboxName<'_>) -> Result<(), LinkError> {
        let entry = match self.find_any(mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        if !self.view.rights(&entry).contains(Rights::ADMINISTER) {
            return self.reply(ticket, &not_administered());
        }
        let acl = entry.acl();
        let texts: Vec<(String, String)> =
            acl.entries().iter().map(|(key, rights)| (key.to_string(), rights.to_string())).collect();
        let entries: Vec<AclEntry<'_>> = texts
            .iter()
            .filter_map(|(key, rights)| {
                Some(AclEntry { identifier: IString::new(key).ok()?, rights: Letters::new(rights).ok()? })
            })
            .collect();
        let told = Acl { mailbox: *mailbox, entries: List::of(&entries) };
        relay::untagged(self.client, &Response::Acl(told))?;
        self.reply(ticket, &Status::ok("Completed"))
    }

    pub(super) async fn list_rights(
        &mut self,
        ticket: Ticket,
        subject: &AclSubject<'_>,
    ) -> Result<(), LinkError> {
        let entry = match self.find_any(&subject.mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        if !self.view.rights(&entry).contains(Rights::ADMINISTER) {
            return self.reply(ticket, &not_administered());
        }
        let optional: Vec<Letters<'_>> =
            OPTIONAL.iter().filter_map(|right| Letters::new(*right).ok()).collect();
        if let Ok(required) = Letters::new("") {
            let told = ListRights {
                mailbox: subject.mailbox,
                identifier: subject.identifier,
                required,
                optional: List::of(&optional),
            };
            relay::untagged(self.client, &Response::ListRights(told))?;
        }
        self.reply(ticket, &Status::ok("Completed"))
    }

    pub(super) async fn my_rights(
        &mut self,
        ticket: Ticket,
        mailbox: &MailboxName<'_>,
    ) -> Result<(), LinkError> {
        let entry = match self.find_any(mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let rights = self.view.rights(&entry).to_string();
        if let Ok(rights) = Letters::new(&rights) {
            relay::untagged(self.client, &Response::MyRights(MyRights { mailbox: *mailbox, rights }))?;
        }
        self.reply(ticket, &Status::ok("Completed"))
    }

    pub(super) async fn set_quota(&mut self, ticket: Ticket, quota: &SetQuota<'_>) -> Result<(), LinkError> {
        if self.who != Who::Admin {
            return self.reply(ticket, &coded(ErrorCode::NoPerm, "Only an administrator sets quotas"));
        }
        self.at_root(ticket, &quota.root, &Command::SetQuota(*quota)).await
    }

    pub(super) async fn quota(&mut self, ticket: Ticket, root: &IString<'_>) -> Result<(), LinkError> {
        self.at_root(ticket, root, &Command::GetQuota(*root)).await
    }

    /// A command on a quota root, at the server of the mailbox that it is named after.
    async fn at_root(
        &mut self,
        ticket: Ticket,
        root: &IString<'_>,
        command: &Command<'_>,
    ) -> Result<(), LinkError> {
        let no_root = || coded(ErrorCode::NonExistent, "Quota root does not exist");
        let name = root.to_utf8().and_then(|root| Name::from_imap(&root, "", Namespace::Classic).ok());
        let entry = match name {
            Some(name) => self.locate(&name).await,
            None => None,
        };
        let Some(entry) = entry else { return self.reply(ticket, &no_root()) };
        let Some(answer) = self.ask(entry.server(), command, |r| matches!(r, Response::Quota(_))).await?
        else {
            return self.reply(ticket, &unavailable());
        };
        for response in &answer.kept {
            relay::untagged(self.client, &response.view())?;
        }
        self.reply(ticket, &answer.status())
    }

    pub(super) async fn quota_root(
        &mut self,
        ticket: Ticket,
        mailbox: &MailboxName<'_>,
    ) -> Result<(), LinkError> {
        let entry = match self.find_any(mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(entry.name());
        let Ok(name) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        let wanted: relay::Wanted = |r| matches!(r, Response::Quota(_) | Response::QuotaRoot(_));
        let Some(answer) = self.ask(entry.server(), &Command::GetQuotaRoot(name), wanted).await? else {
            return self.reply(ticket, &unavailable());
        };
        for response in &answer.kept {
            let told = match response.view() {
                Response::QuotaRoot(told) => {
                    Response::QuotaRoot(QuotaRoot { mailbox: *mailbox, roots: told.roots })
                }
                other => other,
            };
            relay::untagged(self.client, &told)?;
        }
        self.reply(ticket, &answer.status())
    }
}
