//! IMAP proxy: one client, and as many back-ends as its mailboxes need (RFC 3501).
//!
//! # What happens where
//!
//! - **Here:** login, NAMESPACE, ID, ENABLE; LIST, MYRIGHTS, GETACL and LISTRIGHTS from the replica of the mailbox list.
//! - **At the server of the named mailbox:** SELECT and all that follows, STATUS, APPEND, DELETE, RENAME, SETACL, quota.
//!   What the replica does not have, or what the session may not see, is one answer at one cost (safety row N5).
//! - **At the parent's server:** CREATE. **At the INBOX's server:** subscriptions, to names held elsewhere too.
//! - **Between two servers:** COPY and MOVE from one to the other.
//!
//! A command that changes the list is answered once the replica shows the change.
//!
//! The back-end connection with the selected mailbox alone gives sequence numbers and untagged data. Commands are
//! read typed and written anew for a back-end, with the names that it knows (safety rows F2, X2); see `relay` for
//! what comes back.
//!
//! # When a back-end is gone
//!
//! Commands for its mailboxes end with `NO [UNAVAILABLE]`, all others go on. If it held the selected mailbox, the
//! client is told by an untagged NO (RFC 3501 7.1.2), and what needs the selected mailbox ends with
//! `NO [UNAVAILABLE]` until the client selects one again: on another connection its numbers could mean other
//! messages. Only a response that broke off in the middle of a literal ends the session, since nothing can follow it.
//!
//! # Administrators
//!
//! They use absolute names, and the front-end's own credential as a peer. That could read mail; an administrator may
//! not, so SELECT, STATUS, APPEND and subscriptions are refused here.

mod acl;
mod append;
mod backends;
mod copy;
mod idle;
mod list;
mod login;
mod mailboxes;
mod names;
mod relay;

use std::sync::Arc;
use std::time::{Duration, Instant};

use imap_proto::client::Event as BackendEvent;
use imap_proto::server::{Config, Connection, Event, Greeting, Limits, StartTls};
use imap_proto::{
    Code, Command, ErrorCode, IString, Id, IdField, List, MailboxName, Namespace as Prefix, Namespaces,
    Parsed, Quirk, Response, Status, kind,
};
use mail_wire::{Connection as _, FrameLimits, Ticket};
use tracing::{debug, warn};

use self::backends::Backends;
use self::copy::Transfer;
use self::login::LoggedIn;
use self::names::{SEPARATOR, View, Who};
use self::relay::{Answer, Lost, Wanted, nothing};
use super::Shared;
use crate::accounts::plaintext_login;
use crate::mailboxes::{Entry, Name, Namespace};
use crate::net::{Accepted, Link, LinkError, OUTPUT_HIGH_WATER_BYTES, Shutdown};
use crate::sasl::mechanism_names;
use crate::unsupported::unsupported;

/// How long a command waits for the replica to show what the master has acknowledged.
const REFRESH: Duration = Duration::from_secs(5);

const ADMIN_READS_NO_MAIL: &str = "An administrator manages mailboxes and reads no mail";

/// Serves one connection.
pub(super) async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown) {
    let peer = accepted.peer;
    let _permit = accepted.permit;
    let mut client =
        Link::new(accepted.transport, peer, Connection::new(config(&shared, peer.ip()), Instant::now()));
    if let Err(e) = converse(shared, &mut client, &mut shutdown).await {
        debug!(protocol = "imap", %peer, error = %e, "connection failed");
    }
}

async fn converse(
    shared: Arc<Shared>,
    client: &mut Link<Connection>,
    shutdown: &mut Shutdown,
) -> Result<(), LinkError> {
    client.conn().greet(Greeting::Ok("Corbie IMAP is ready".into())).map_err(mail_wire::Error::from)?;
    let Some(LoggedIn { who, view, home }) = login::log_in(&shared, client, shutdown).await? else {
        return Ok(());
    };
    let mut backends = Backends::new(Arc::clone(&shared), who.clone());
    if let Some(home) = home {
        backends.insert(home);
    }
    Session { shared, client, shutdown, who, view, backends, selected: None }.run().await
}

fn config(shared: &Shared, peer: std::net::IpAddr) -> Config {
    let limits = &shared.config.limits;
    let mut config = Config { mechanisms: mechanism_names(), ..Config::default() };
    config.plaintext_login = plaintext_login(peer);
    // Clients put passwords and search words in UTF-8 between quotes, as no RFC before 6855 lets them.
    config.quirks = config.quirks.with(Quirk::EightBitQuoted);
    config.start_tls = if shared.acceptor.is_some() { StartTls::Offer } else { StartTls::Off };
    config.timeouts.login = limits.login_timeout;
    config.timeouts.idle = limits.idle_timeout;
    config.limits = Limits {
        after_login: FrameLimits {
            streamed_literal_bytes_max: limits.message_bytes_max,
            ..Limits::default().after_login
        },
        bad_commands_max: limits.bad_commands_max,
        auth_failures_max: limits.auth_failures_max,
        ..Limits::default()
    };
    config
}

/// A session that is logged in.
struct Session<'s> {
    shared: Arc<Shared>,
    client: &'s mut Link<Connection>,
    shutdown: &'s mut Shutdown,
    who: Who,
    view: View,
    backends: Backends,
    /// What the client has selected; its connection is the selected one of `backends`, or gone.
    selected: Option<Selected>,
}

/// The selected mailbox.
#[derive(Debug)]
struct Selected {
    name: Name,
    access: Access,
}

/// How a mailbox is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// By SELECT.
    ReadWrite,
    /// By EXAMINE, or because more is not allowed.
    ReadOnly,
}

enum Said {
    Client(Option<Event>),
    Backend(Result<Option<BackendEvent>, LinkError>),
    Stop,
}

impl Session<'_> {
    async fn run(&mut self) -> Result<(), LinkError> {
        loop {
            let said = tokio::select! {
                event = self.client.next() => Said::Client(event?),
                event = self.backends.next_of_selected() => Said::Backend(event),
                () = self.shutdown.requested() => Said::Stop,
            };
            match said {
                Said::Stop => {
                    say_goodbye(self.client).await;
                    return Ok(());
                }
                Said::Client(None) => return Ok(()),
                Said::Client(Some(event)) => self.handle(event).await?,
                Said::Backend(event) => self.unasked(event).await?,
            }
        }
    }

    /// The back-end with the selected mailbox speaks between two commands.
    async fn unasked(&mut self, event: Result<Option<BackendEvent>, LinkError>) -> Result<(), LinkError> {
        let passed = match event {
            Ok(Some(BackendEvent::Bye(_) | BackendEvent::Closed) | None) => Err(Lost::Closed),
            Ok(Some(event)) => relay::pass_on(self.client, true, event)?,
            Err(e) => Err(e.into()),
        };
        if let Err(lost) = passed {
            if let Some(server) = self.backends.selected_server() {
                self.backends.lose(&server, &lost);
            }
            relay::untagged(self.client, &Response::Status(gone()))?;
        }
        if self.client.conn().transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
            self.client.flush().await?;
        }
        Ok(())
    }

    async fn handle(&mut self, event: Event) -> Result<(), LinkError> {
        match event {
            Event::Command(ticket, command) => self.command(ticket, &command).await,
            Event::Offer(offer) => self.append(offer).await,
            Event::Misuse(e) => {
                warn!(protocol = "imap", error = %e, "a command was left without a reply");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn command(&mut self, ticket: Ticket, parsed: &Parsed<kind::Command>) -> Result<(), LinkError> {
        let command = parsed.view().command;
        if let Some(why) = unsupported(&command) {
            return self.reply(ticket, &Status::bad(why));
        }
        match command {
            Command::Idle => return self.idle(ticket).await,
            Command::Noop if self.selected.is_none() => self.reply(ticket, &Status::ok("Completed")),
            Command::Id(_) => {
                let status = answer_id(self.client)?;
                self.reply(ticket, &status)
            }
            Command::Enable(_) => {
                relay::untagged(self.client, &Response::Enabled(List::of(&[])))?;
                self.reply(ticket, &Status::ok("Nothing of that needs to be enabled"))
            }
            Command::Namespace => self.namespace(ticket),
            Command::List(query) => self.list(ticket, &query).await,
            Command::Lsub(query) => self.lsub(ticket, &query).await,
            Command::Status(query) => self.status(ticket, &query).await,
            Command::Select(args) => self.select(ticket, &args.mailbox, Access::ReadWrite).await,
            Command::Examine(args) => self.select(ticket, &args.mailbox, Access::ReadOnly).await,
            Command::Create(create) => self.create(ticket, &create).await,
            Command::Delete(mailbox) => self.delete(ticket, &mailbox).await,
            Command::Rename(args) => self.rename(ticket, &args.from, &args.to).await,
            Command::Subscribe(mailbox) => self.subscribe(ticket, &mailbox).await,
            Command::Unsubscribe(mailbox) => self.unsubscribe(ticket, &mailbox).await,
            Command::SetAcl(change) => self.set_acl(ticket, &change).await,
            Command::DeleteAcl(subject) => self.delete_acl(ticket, &subject).await,
            Command::GetAcl(mailbox) => self.acl(ticket, &mailbox).await,
            Command::ListRights(subject) => self.list_rights(ticket, &subject).await,
            Command::MyRights(mailbox) => self.my_rights(ticket, &mailbox).await,
            Command::SetQuota(quota) => self.set_quota(ticket, &quota).await,
            Command::GetQuota(root) => self.quota(ticket, &root).await,
            Command::GetQuotaRoot(mailbox) => self.quota_root(ticket, &mailbox).await,
            Command::Copy(copying) => self.copy(ticket, &copying, Transfer::Copy).await,
            Command::Move(copying) => self.copy(ticket, &copying, Transfer::Move).await,
            command @ (Command::Close | Command::Unselect) => self.unselect(ticket, &command).await,
            command @ (Command::Noop
            | Command::Check
            | Command::Expunge
            | Command::UidExpunge(_)
            | Command::Search(_)
            | Command::Fetch(_)
            | Command::Store(_)) => self.in_selected(ticket, &command).await,
            // An APPEND without a literal does not parse; everything else the connection answers itself.
            _ => self.reply(ticket, &Status::bad("Unknown command")),
        }
    }

    /// SELECT and EXAMINE. Whatever becomes of it, the mailbox before is not selected any more (RFC 3501 6.3.1).
    async fn select(
        &mut self,
        ticket: Ticket,
        mailbox: &MailboxName<'_>,
        access: Access,
    ) -> Result<(), LinkError> {
        let place = self.find(mailbox, ADMIN_READS_NO_MAIL).await;
        let stays = place.as_ref().is_ok_and(|entry| {
            self.backends.selected().is_some_and(|backend| *backend.server == *entry.server())
        });
        if !stays {
            self.leave_selected().await?;
        }
        self.selected = None;
        self.client.conn().set_unselected().map_err(mail_wire::Error::from)?;
        let entry = match place {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &status),
        };
        let classic = self.view.classic(entry.name());
        let Ok(name) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        let Some(backend) = self.backends.open(entry.server()).await else {
            return self.reply(ticket, &unavailable());
        };
        // What it says of the mailbox is for the client already.
        backend.is_selected = true;
        let command = match access {
            Access::ReadWrite => Command::Select(name.into()),
            Access::ReadOnly => Command::Examine(name.into()),
        };
        let Some(answer) = self.ask(entry.server(), &command, nothing).await? else {
            return self.reply(ticket, &unavailable());
        };
        if answer.is_ok() {
            // The server may grant less than was asked for.
            let granted =
                if answer.status().code == Some(Code::ReadOnly) { Access::ReadOnly } else { access };
            self.selected = Some(Selected { name: entry.name().clone(), access: granted });
            self.client.conn().set_selected().map_err(mail_wire::Error::from)?;
        } else if let Some(backend) = self.backends.selected() {
            backend.is_selected = false;
        }
        self.reply(ticket, &answer.status())
    }

    /// Lets go of the selected mailbox at its back-end, silently. Nothing is expunged.
    async fn leave_selected(&mut self) -> Result<(), LinkError> {
        let Some(backend) = self.backends.selected() else { return Ok(()) };
        backend.is_selected = false;
        if let Err(lost) = relay::run(self.client, backend, &Command::Unselect, nothing).await? {
            let server = backend.server.clone();
            self.backends.lose(&server, &lost);
        }
        Ok(())
    }

    /// CLOSE and UNSELECT.
    async fn unselect(&mut self, ticket: Ticket, command: &Command<'_>) -> Result<(), LinkError> {
        let answer = match self.backends.selected_server() {
            Some(server) => self.ask(&server, command, nothing).await?,
            None => None,
        };
        // A mailbox whose server is gone is not selected there, so it need not be here.
        if answer.as_ref().is_none_or(Answer::is_ok) {
            self.selected = None;
            self.client.conn().set_unselected().map_err(mail_wire::Error::from)?;
            if let Some(backend) = self.backends.selected() {
                backend.is_selected = false;
            }
        }
        match answer {
            Some(answer) => self.reply(ticket, &answer.status()),
            None if matches!(command, Command::Unselect) => self.reply(ticket, &Status::ok("Completed")),
            None => self.reply(ticket, &unavailable()),
        }
    }

    /// A command on the selected mailbox, as it is.
    async fn in_selected(&mut self, ticket: Ticket, command: &Command<'_>) -> Result<(), LinkError> {
        let Some(server) = self.backends.selected_server() else {
            return self.reply(ticket, &gone());
        };
        match self.ask(&server, command, nothing).await? {
            Some(answer) => self.reply(ticket, &answer.status()),
            None => self.reply(ticket, &gone()),
        }
    }

    /// The entry of a mailbox that the client names, or the answer that tells why there is none for it. With
    /// `refusal`, administrators get that.
    async fn find(
        &self,
        mailbox: &MailboxName<'_>,
        refusal: &'static str,
    ) -> Result<Arc<Entry>, Status<'static>> {
        if self.who == Who::Admin {
            return Err(coded(ErrorCode::NoPerm, refusal));
        }
        self.find_any(mailbox).await
    }

    /// The same for what administrators may do.
    async fn find_any(&self, mailbox: &MailboxName<'_>) -> Result<Arc<Entry>, Status<'static>> {
        let name = self.view.read(mailbox).map_err(|_| nonexistent())?;
        self.locate(&name).await.ok_or_else(nonexistent)
    }

    /// The entry of a mailbox that is there and that this session may see. What is not there and what is not to be
    /// seen cost the same: a look at the list, the wait for what the master has told meanwhile, another look.
    async fn locate(&self, name: &Name) -> Option<Arc<Entry>> {
        let look = || {
            let entry = self.shared.replica.lookup(name)?;
            (entry.is_active() && self.view.sees(&entry)).then_some(entry)
        };
        if let Some(entry) = look() {
            return Some(entry);
        }
        if let (Who::User(login), true) = (&self.who, name.is_inbox() && self.view.owns(name)) {
            // It could not be made at login.
            let made = self.shared.homes.ensure(login);
            let _ = tokio::time::timeout(self.shared.config.limits.connect_timeout, made).await;
        } else {
            let _ = self.shared.replica.refresh(REFRESH).await;
        }
        look()
    }

    /// The server of the user's INBOX; `None` if there is none.
    async fn home(&self) -> Option<String> {
        let inbox = Name::inbox(self.view.user()).ok()?;
        Some(self.locate(&inbox).await?.server().to_owned())
    }

    /// A command at a server and what came of it; `None` if the server cannot be reached.
    async fn ask(
        &mut self,
        server: &str,
        command: &Command<'_>,
        wanted: Wanted,
    ) -> Result<Option<Answer>, LinkError> {
        let Some(backend) = self.backends.open(server).await else { return Ok(None) };
        match relay::run(self.client, backend, command, wanted).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(lost) => {
                self.backends.lose(server, &lost);
                Ok(None)
            }
        }
    }

    /// Waits until the replica shows what a command has changed.
    async fn see_change(&self) {
        if let Err(e) = self.shared.replica.refresh(REFRESH).await {
            warn!(protocol = "imap", error = %e, "the mailbox list does not show a change yet");
        }
    }

    fn reply(&mut self, ticket: Ticket, status: &Status<'_>) -> Result<(), LinkError> {
        Ok(self.client.conn().reply(ticket, status)?)
    }

    fn namespace(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        let prefixes = match self.view.namespace() {
            Namespace::Personal => ["", "Other Users/", "Shared Folders/"],
            Namespace::Classic => ["INBOX/", "user/", ""],
        };
        let prefix =
            |prefix: &'static str| MailboxName::new(prefix).map(|prefix| [Prefix::new(prefix, SEPARATOR)]);
        if let [Ok(personal), Ok(other_users), Ok(shared)] = prefixes.map(prefix) {
            let namespaces = Namespaces {
                personal: List::of(&personal),
                other_users: List::of(&other_users),
                shared: List::of(&shared),
            };
            relay::untagged(self.client, &Response::Namespace(namespaces))?;
        }
        self.reply(ticket, &Status::ok("Completed"))
    }
}

/// A NO with a code of RFC 5530.
fn coded(code: ErrorCode, text: &'static str) -> Status<'static> {
    Status::no(text).with_code(Code::Condition(code))
}

/// The back-end that held the selected mailbox is gone.
fn gone() -> Status<'static> {
    coded(ErrorCode::Unavailable, "The server of the selected mailbox has gone, select again")
}

/// There is no such mailbox, or none that this session may know of.
fn nonexistent() -> Status<'static> {
    coded(ErrorCode::NonExistent, "No such mailbox")
}

/// The same where messages were to go: the client may make the mailbox and try again (RFC 3501 7.1).
fn try_create(status: Status<'static>) -> Status<'static> {
    if status == nonexistent() { status.with_code(Code::TryCreate) } else { status }
}

/// The server of a mailbox cannot be reached.
fn unavailable() -> Status<'static> {
    coded(ErrorCode::Unavailable, "The server of this mailbox is not available")
}

/// Tells who made this (RFC 2971).
fn answer_id(client: &mut Link<Connection>) -> Result<Status<'static>, LinkError> {
    let pair = |field, value| {
        Ok::<_, mail_wire::InvalidMessage>(IdField {
            field: IString::new(field)?,
            value: Some(IString::new(value)?),
        })
    };
    if let (Ok(name), Ok(version)) = (pair("name", "Corbie"), pair("version", env!("CARGO_PKG_VERSION"))) {
        relay::untagged(client, &Response::Id(Id { fields: Some(List::of(&[name, version])) }))?;
    }
    Ok(Status::ok("Completed"))
}

async fn say_goodbye(client: &mut Link<Connection>) {
    client.conn().shut_down("Shutting down".into());
    client.close().await;
}
