//! IMAP: mailboxes of the store (RFC 3501; 2087 and 9208, 2177, 2342, 2971, 3348, 3691, 4314, 4315, 4959, 5161, 5530,
//! 6154, 6851, 7888).
//!
//! A session is one client: a user who logged in here or for whom a front-end speaks, an administrator, or another
//! node. What the connection leaves to its owner is done here, one file a group of commands. All of them end
//! the same way ([`Session::command`]): what has changed in the selected mailbox is told first, as far as
//! it may be, then comes the tagged reply.
//!
//! **Numbers stand still** while a command looks at them: the view of the selected mailbox is brought up to date only
//! at the end of a command and in IDLE. EXPUNGE is never told by FETCH, STORE or SEARCH (RFC 3501 7.4.1); a
//! message that somebody else has expunged meanwhile keeps its number and cannot be read any more.
//!
//! **Memory.** Messages pass in pieces, both ways; answers wait for the client above
//! [`OUTPUT_HIGH_WATER_BYTES`]. An idle session holds its view, which it shares with all others of the mailbox.
//!
//! **Nodes and administrators** see all mailboxes by their absolute names. Another node cannot read mail this way: it
//! makes, removes and renames mailboxes and sets lists and limits.

mod acl;
mod answer;
mod append;
mod fetch;
mod list;
mod login;
mod mailbox;
mod names;
mod quota;
mod search;
mod select;
mod store;
mod updates;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use imap_proto::server::{Config, Connection, Event, Greeting, StartTls};
use imap_proto::{
    Capability, Command, ErrorCode, IString, Id, IdField, List, Numbering, Parsed, Quirk, Response, kind,
};
use mail_wire::Ticket;
use mailstore::store::{Expunges, Watch};
use tracing::{debug, warn};

use super::Shared;
use crate::accounts::plaintext_login;
use crate::config::Limits;
use crate::net::{Accepted, Link, LinkError, OUTPUT_HIGH_WATER_BYTES, Shutdown};
use crate::sasl::{Exchange, mechanism_names};
use crate::unsupported::unsupported;
use answer::{Failure, Outcome, no, ok};
use append::Incoming;
use login::Who;
use select::Selected;

/// What a session can do, beside what its connection does by itself.
const CAPABILITIES: [Capability<'static>; 13] = [
    Capability::Id,
    Capability::Idle,
    Capability::Namespace,
    Capability::Enable,
    Capability::Unselect,
    Capability::UidPlus,
    Capability::Move,
    Capability::Children,
    Capability::SpecialUse,
    Capability::CreateSpecialUse,
    Capability::Acl,
    Capability::RIGHTS_KXTE,
    Capability::Quota,
];

/// Serves one connection.
pub(super) async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown) {
    let peer = accepted.peer;
    let start_tls = match shared.acceptor {
        Some(_) if !accepted.transport.is_tls() => StartTls::Offer,
        _ => StartTls::Off,
    };
    let mut config = config(&shared.config.limits, peer.ip(), start_tls);
    config.limits.after_login.streamed_literal_bytes_max = u64::from(shared.store.message_bytes_max());
    let conn = Connection::new(config, Instant::now());
    let link = Link::new(accepted.transport, peer, conn);
    let mut session =
        Session { shared, link, exchange: None, who: None, selected: None, incoming: None, idle: None };
    if let Err(e) = session.run(&mut shutdown).await {
        debug!(protocol = "imap", %peer, error = %e, "connection failed");
    }
}

fn config(limits: &Limits, peer: IpAddr, start_tls: StartTls) -> Config {
    let mut config = Config {
        start_tls,
        mechanisms: mechanism_names(),
        plaintext_login: plaintext_login(peer),
        capabilities_after_login: CAPABILITIES.to_vec(),
        ..Config::default()
    };
    // As at a front-end.
    config.quirks = config.quirks.with(Quirk::EightBitQuoted);
    config.timeouts.login = limits.login_timeout;
    config.timeouts.idle = limits.idle_timeout;
    config.limits.bad_commands_max = limits.bad_commands_max;
    config.limits.auth_failures_max = limits.auth_failures_max;
    config
}

/// One client.
struct Session {
    shared: Arc<Shared>,
    link: Link<Connection>,
    exchange: Option<Exchange>,
    /// Who has logged in.
    who: Option<Who>,
    selected: Option<Selected>,
    /// The message of an APPEND that is on its way.
    incoming: Option<Incoming>,
    /// During IDLE: what it waits for, if there is anything.
    idle: Option<Option<Watch>>,
}

/// Whether the selected mailbox is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    Gone,
}

impl Session {
    async fn run(&mut self, shutdown: &mut Shutdown) -> Result<(), LinkError> {
        self.link
            .conn()
            .greet(Greeting::Ok("Corbie IMAP is ready".into()))
            .map_err(mail_wire::Error::from)?;
        loop {
            let Self { link, idle, .. } = self;
            let event = tokio::select! {
                event = link.next() => event?,
                () = changed(idle) => {
                    Box::pin(self.idle_news()).await?;
                    continue;
                }
                () = shutdown.requested() => {
                    self.link.conn().shut_down("Shutting down".into());
                    self.link.close().await;
                    return Ok(());
                }
            };
            match event {
                // In a box: what a command needs while it runs is not kept by those who wait.
                Some(event) => Box::pin(self.handle(event)).await?,
                None => return Ok(()),
            }
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), LinkError> {
        match event {
            Event::Command(ticket, command) => self.command(ticket, &command).await?,
            Event::Login(ticket, credentials) => self.log_in(ticket, &credentials).await?,
            Event::Authenticate { ticket, mechanism, initial } => {
                self.authenticate(ticket, mechanism.as_str(), initial.as_ref()).await?;
            }
            Event::AuthResponse(ticket, message) => self.auth_response(ticket, &message).await?,
            Event::AuthAborted => self.exchange = None,
            Event::Offer(offer) => self.offer(offer)?,
            Event::Chunk(_, bytes) => self.chunk(&bytes),
            Event::LiteralEnd(_) => {}
            Event::Abandoned => self.incoming = None,
            Event::IdleDone(ticket) => {
                self.idle = None;
                self.conclude(ticket, Some(Expunges::Show), ok("Idle is over")).await?;
            }
            Event::IdleBroken => self.idle = None,
            Event::StartTls => {
                if let Some(acceptor) = self.shared.acceptor.clone() {
                    self.link.accept_tls(&acceptor).await?;
                }
            }
            Event::Misuse(e) => warn!(protocol = "imap", error = %e, "a command was left without a reply"),
            _ => {}
        }
        Ok(())
    }

    /// Carries out a command and answers it.
    async fn command(&mut self, ticket: Ticket, parsed: &Parsed<kind::Command>) -> Result<(), LinkError> {
        let command = parsed.view().command;
        if matches!(command, Command::Idle) {
            return self.idle_begin(ticket).await;
        }
        let outcome = self.perform(&command).await;
        self.conclude(ticket, news_with(&command), outcome).await
    }

    async fn perform(&mut self, command: &Command<'_>) -> Outcome {
        if let Some(why) = unsupported(command) {
            return Err(answer::bad(why));
        }
        match command {
            Command::Noop | Command::Check => ok("Completed"),
            Command::Id(_) => self.id(),
            Command::Enable(_) => {
                self.link.conn().untagged(&Response::Enabled(List::of(&[])))?;
                ok("Nothing to enable")
            }
            Command::Namespace => self.namespace(),
            Command::Select(args) => self.select(&args.mailbox, select::SELECT).await,
            Command::Examine(args) => self.select(&args.mailbox, select::EXAMINE).await,
            Command::Close => self.close().await,
            Command::Unselect => self.unselect(),
            Command::Expunge => self.expunge(None).await,
            Command::UidExpunge(messages) => self.expunge(Some(messages)).await,
            Command::Create(create) => self.create(create).await,
            Command::Delete(name) => self.delete(name).await,
            Command::Rename(args) => self.rename(&args.from, &args.to).await,
            Command::Subscribe(name) => self.subscribe(name).await,
            Command::Unsubscribe(name) => self.unsubscribe(name).await,
            Command::List(query) => self.list(query).await,
            Command::Lsub(query) => self.lsub(query).await,
            Command::Status(query) => self.status(query),
            Command::Append(append) => self.append(append).await,
            Command::Search(search) => self.search(search).await,
            Command::Fetch(fetch) => self.fetch(fetch).await,
            Command::Store(store) => self.store(store).await,
            Command::Copy(copying) => self.copy(copying).await,
            Command::Move(copying) => self.move_to(copying).await,
            Command::SetAcl(set) => self.set_acl(set).await,
            Command::DeleteAcl(subject) => self.delete_acl(subject).await,
            Command::GetAcl(name) => self.acl(name),
            Command::ListRights(subject) => self.list_rights(subject),
            Command::MyRights(name) => self.my_rights(name),
            Command::SetQuota(set) => self.set_quota(set).await,
            Command::GetQuota(root) => self.quota(root),
            Command::GetQuotaRoot(name) => self.quota_root(name),
            // What is left was answered by the connection, or does not exist.
            _ => Err(answer::bad("Unknown command")),
        }
    }

    /// Tells what has changed, then answers.
    async fn conclude(
        &mut self,
        ticket: Ticket,
        news: Option<Expunges>,
        outcome: Outcome,
    ) -> Result<(), LinkError> {
        if matches!(outcome, Err(Failure::Link(_))) {
            return self.answer(ticket, outcome);
        }
        let standing = match news {
            Some(expunges) => self.report(expunges).await?,
            None => Standing::Held,
        };
        self.answer(ticket, outcome)?;
        self.end_if_gone(standing);
        Ok(())
    }

    async fn idle_begin(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        // The watch before the look: nothing can fall between.
        self.idle = Some(self.selected.as_ref().map(Selected::watch));
        self.link.conn().idle_begin(ticket).map_err(mail_wire::Error::from)?;
        self.idle_news().await
    }

    async fn idle_news(&mut self) -> Result<(), LinkError> {
        let standing = self.report(Expunges::Show).await?;
        self.end_if_gone(standing);
        Ok(())
    }

    /// A session whose mailbox has been deleted, or may not be read any more, cannot go on: its numbers mean nothing.
    fn end_if_gone(&mut self, standing: Standing) {
        if standing == Standing::Gone {
            self.selected = None;
            self.idle = None;
            self.link.conn().shut_down("The selected mailbox is gone".into());
        }
    }

    fn id(&mut self) -> Outcome {
        let text = |text| IString::new(text).ok();
        let fields = [("name", "Corbie"), ("version", env!("CARGO_PKG_VERSION"))];
        let fields: Vec<IdField<'_>> = fields
            .iter()
            .filter_map(|(field, value)| Some(IdField { field: text(*field)?, value: text(*value) }))
            .collect();
        self.link.conn().untagged(&Response::Id(Id { fields: Some(List::of(&fields)) }))?;
        ok("Completed")
    }

    /// Who has logged in. The connection lets nobody else this far.
    fn who(&self) -> Result<&Who, Failure> {
        self.who.as_ref().ok_or_else(|| no(ErrorCode::AuthorizationFailed, "Log in first"))
    }

    /// Waits until the client has taken most of what waits for it.
    async fn make_room(&mut self) -> Result<(), LinkError> {
        make_room(&mut self.link).await
    }
}

async fn make_room(link: &mut Link<Connection>) -> Result<(), LinkError> {
    if mail_wire::Connection::transmit_bytes(link.conn()) > OUTPUT_HIGH_WATER_BYTES {
        link.flush().await?;
    }
    Ok(())
}

/// What may be told of the selected mailbox at the end of a command; nothing by those that select or leave it.
fn news_with(command: &Command<'_>) -> Option<Expunges> {
    match command {
        Command::Select(_) | Command::Examine(_) | Command::Close | Command::Unselect => None,
        Command::Fetch(_) | Command::Store(_) | Command::Search(_)
            if command.numbering() == Some(Numbering::Sequence) =>
        {
            Some(Expunges::Hide)
        }
        _ => Some(Expunges::Show),
    }
}

/// Completes when there is news for an IDLE; never outside one.
async fn changed(idle: &mut Option<Option<Watch>>) {
    match idle {
        Some(Some(watch)) => watch.changed().await,
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use mail_wire::Connection as _;

    use super::*;

    /// What a client at this address reads when it tries to log in.
    fn login_from(peer: &str) -> String {
        let config = config(&Limits::default(), peer.parse().unwrap(), StartTls::Offer);
        let mut conn = Connection::new(config, Instant::now());
        conn.greet(Greeting::Ok("ready".into())).unwrap();
        conn.receive(b"a LOGIN alice secret\r\n", Instant::now());
        // Held: a ticket that is dropped is answered, too.
        let _asked: Vec<Event> = std::iter::from_fn(|| conn.poll_event().unwrap()).collect();
        let mut said = Vec::new();
        while let Some(bytes) = conn.poll_transmit() {
            said.extend_from_slice(&bytes);
        }
        String::from_utf8(said).unwrap()
    }

    #[test]
    fn a12_passwords_are_taken_in_the_clear_from_this_machine_only() {
        let said = login_from("192.0.2.1");
        assert!(said.contains(" STARTTLS LOGINDISABLED "), "{said}");
        assert!(!said.contains("AUTH="), "{said}");
        assert!(said.contains("a NO [PRIVACYREQUIRED]"), "{said}");
        for near in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let said = login_from(near);
            assert!(!said.contains("LOGINDISABLED") && !said.contains("a NO"), "{said}");
        }
    }
}
