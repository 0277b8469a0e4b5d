//! STATUS, CREATE, DELETE, RENAME (RFC 3501 6.3.3 to 6.3.5, 6.3.10).
//!
//! A back-end registers each change with the master before it answers; here the answer waits until the replica shows
//! it, so the session sees its own change at once.

use imap_proto::{
    Command, Create, ErrorCode, MailboxName, MailboxStatus, Rename, Response, Status, StatusQuery,
};
use mail_wire::Ticket;
use tracing::warn;

use super::names::Who;
use super::relay::{self, nothing};
use super::{ADMIN_READS_NO_MAIL, REFRESH, Session, coded, nonexistent, unavailable};
use crate::mailboxes::Name;
use crate::net::LinkError;
use crate::routing::{BackendState, Login};

/// No mailbox can have this name.
fn no_name() -> Status<'static> {
    coded(ErrorCode::Cannot, "No mailbox can have this name")
}

fn no_permission() -> Status<'static> {
    coded(ErrorCode::NoPerm, "Permission denied")
}

impl Session<'_> {
    pub(super) async fn status(&mut self, ticket: Ticket, query: &StatusQuery<'_>) -> Result<(), LinkError> {
        let entry = match self.find(&query.mailbox, ADMIN_READS_NO_MAIL).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(entry.name());
        let Ok(mailbox) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        let asked = Command::Status(StatusQuery { mailbox, items: query.items });
        let Some(answer) =
            self.ask(entry.server(), &asked, |r| matches!(r, Response::MailboxStatus(_))).await?
        else {
            return self.reply(ticket, &unavailable());
        };
        for response in &answer.kept {
            if let Response::MailboxStatus(told) = response.view() {
                let told = MailboxStatus { mailbox: query.mailbox, values: told.values };
                relay::untagged(self.client, &Response::MailboxStatus(told))?;
            }
        }
        self.reply(ticket, &answer.status())
    }

    pub(super) async fn create(&mut self, ticket: Ticket, create: &Create<'_>) -> Result<(), LinkError> {
        let Ok(name) = self.view.read(&create.mailbox) else { return self.reply(ticket, &no_name()) };
        let server = match self.place(&name).await {
            Ok(server) => server,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(&name);
        let Ok(mailbox) = MailboxName::new(&classic) else { return self.reply(ticket, &no_name()) };
        self.change(ticket, &server, &Command::Create(Create { mailbox, ..*create })).await
    }

    /// The server where a mailbox of this name is to be made: its nearest ancestor's. A user cannot begin a tree; an
    /// administrator's begins where routing places its owner, or, if it is nobody's, at the first server that takes
    /// new mailboxes.
    async fn place(&self, name: &Name) -> Result<String, Status<'static>> {
        let mut above = name.parent();
        let mut is_fresh = false;
        while let Some(ancestor) = above {
            let entry = match self.shared.replica.lookup(&ancestor) {
                None if !is_fresh => {
                    is_fresh = true;
                    let _ = self.shared.replica.refresh(REFRESH).await;
                    self.shared.replica.lookup(&ancestor)
                }
                found => found,
            };
            match entry {
                Some(entry) if self.view.sees(&entry) => return Ok(entry.server().to_owned()),
                // Nobody is told that there is something that he may not see.
                Some(_) => return Err(no_permission()),
                None => above = ancestor.parent(),
            }
        }
        match &self.who {
            Who::User(_) if self.view.owns(name) => self.home().await.ok_or_else(unavailable),
            Who::User(_) => Err(no_permission()),
            Who::Admin => self.place_at_top(name).await,
        }
    }

    async fn place_at_top(&self, name: &Name) -> Result<String, Status<'static>> {
        let away = |e| {
            warn!(protocol = "imap", error = %e, "cannot place a mailbox");
            coded(ErrorCode::Unavailable, "The routing database is not available")
        };
        let Some(owner) = name.owner() else {
            let backends = self.shared.router.backends().await.map_err(away)?;
            let first = backends.iter().find(|backend| backend.state == BackendState::Up);
            return first
                .map(|backend| backend.name.to_string())
                .ok_or_else(|| coded(ErrorCode::Unavailable, "No server takes new mailboxes"));
        };
        let login: Login = owner.parse().map_err(|_| no_name())?;
        Ok(self.shared.router.place(&login).await.map_err(away)?.backend.to_string())
    }

    pub(super) async fn delete(
        &mut self,
        ticket: Ticket,
        mailbox: &MailboxName<'_>,
    ) -> Result<(), LinkError> {
        let entry = match self.find_any(mailbox).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(entry.name());
        let Ok(mailbox) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        self.change(ticket, entry.server(), &Command::Delete(mailbox)).await
    }

    /// A mailbox keeps its server when it is renamed, and takes with it what is below. What lies elsewhere cannot
    /// come along.
    pub(super) async fn rename(
        &mut self,
        ticket: Ticket,
        from: &MailboxName<'_>,
        to: &MailboxName<'_>,
    ) -> Result<(), LinkError> {
        let entry = match self.find_any(from).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let Ok(new) = self.view.read(to) else { return self.reply(ticket, &no_name()) };
        let below = self.shared.replica.list().below(entry.name());
        if !entry.name().is_inbox() && below.iter().any(|child| child.server() != entry.server()) {
            let status = coded(ErrorCode::Cannot, "Mailboxes below it are on another server");
            return self.reply(ticket, &status);
        }
        let (from, to) = (self.view.classic(entry.name()), self.view.classic(&new));
        let (Ok(from), Ok(to)) = (MailboxName::new(&from), MailboxName::new(&to)) else {
            return self.reply(ticket, &no_name());
        };
        self.change(ticket, entry.server(), &Command::Rename(Rename::new(from, to))).await
    }

    /// A command that changes the mailbox list.
    pub(super) async fn change(
        &mut self,
        ticket: Ticket,
        server: &str,
        command: &Command<'_>,
    ) -> Result<(), LinkError> {
        let Some(answer) = self.ask(server, command, nothing).await? else {
            return self.reply(ticket, &unavailable());
        };
        if answer.is_ok() {
            self.see_change().await;
        }
        self.reply(ticket, &answer.status())
    }
}
