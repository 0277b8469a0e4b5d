//! POP3: a user's INBOX as a maildrop (RFC 1939).
//!
//! One session at a time has it. Message numbers are those of the view that was opened at login; what comes in later
//! is for the next session. UIDLs are `<uidvalidity>.<uid>`, which no message ever shares with another. What was
//! marked is removed at QUIT, in one transaction, and only then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::Credentials;
use mail_wire::{PlaintextLogin, Text, Ticket};
use mailstore::message::top;
use mailstore::store::{Access, Body, Error, FlagsOp, SystemFlags, Uid, UidSet, View};
use pop3_proto::server::{AuthFailure, Config, Connection, Event, MultiLine, StartTls};
use pop3_proto::{
    MaildropCommand, MessageNumber, Reply, ResponseCode, ScanListing, UniqueId, UniqueIdListing,
};
use tracing::{debug, info, warn};

use super::auth::actor_of;
use super::places::{ensure_inbox, inbox};
use super::{DropLock, Shared};
use crate::accounts::{Entry, Identity, plaintext_login};
use crate::net::{Accepted, Link, LinkError, OUTPUT_HIGH_WATER_BYTES, Shutdown, on_disk};
use crate::routing::Login;
use crate::sasl::{Exchange, Next, mechanism_names};

/// Bytes of a message read from the store at a time.
const READ_BYTES: u32 = 256 << 10;

/// Serves one connection.
pub(super) async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown) {
    let peer = accepted.peer;
    let mut config = Config { mechanisms: mechanism_names(), ..Config::default() };
    config.plaintext_login = plaintext_login(peer.ip());
    config.timeouts.login = shared.config.limits.login_timeout;
    config.start_tls = match shared.acceptor {
        Some(_) => StartTls::Offer,
        None => StartTls::Off,
    };
    config.limits.bad_commands_max = shared.config.limits.bad_commands_max;
    config.limits.auth_failures_max = shared.config.limits.auth_failures_max;
    debug_assert!(config.plaintext_login == PlaintextLogin::Refuse || peer.ip().to_canonical().is_loopback());
    let link = Link::new(accepted.transport, peer, Connection::new(config, Instant::now()));
    let mut session = Session { shared, link, exchange: None, maildrop: None };
    if let Err(e) = session.run(&mut shutdown).await {
        debug!(protocol = "pop3", %peer, error = %e, "connection failed");
    }
}

struct Session {
    shared: Arc<Shared>,
    link: Link<Connection>,
    exchange: Option<Exchange>,
    maildrop: Option<Maildrop>,
}

/// An open maildrop.
struct Maildrop {
    view: View,
    /// Sizes and UIDs by message number, from 1.
    messages: Vec<(Uid, u32)>,
    deleted: BTreeSet<u32>,
    _lock: DropLock,
}

impl Session {
    async fn run(&mut self, shutdown: &mut Shutdown) -> Result<(), LinkError> {
        self.link.conn().greet(&text("Corbie POP3 is ready"))?;
        loop {
            let event = tokio::select! {
                event = self.link.next() => event?,
                () = shutdown.requested() => {
                    self.link.conn().refuse(&text("Shutting down"));
                    self.link.close().await;
                    return Ok(());
                }
            };
            match event {
                Some(event) => self.handle(event).await?,
                None => return Ok(()),
            }
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), LinkError> {
        match event {
            Event::StartTls => {
                if let Some(acceptor) = self.shared.acceptor.clone() {
                    self.link.accept_tls(&acceptor).await?;
                }
            }
            Event::Login(ticket, credentials) => self.log_in(ticket, &credentials).await?,
            Event::Authenticate { ticket, mechanism, initial } => {
                match Exchange::start(mechanism.as_str(), initial.as_ref()) {
                    Ok((exchange, next)) => self.go_on(ticket, exchange, next).await?,
                    Err(_) => self.link.conn().auth_failed(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::AuthResponse(ticket, message) => {
                let next = self.exchange.take().map(|mut exchange| (exchange.respond(&message), exchange));
                match next {
                    Some((Ok(next), exchange)) => self.go_on(ticket, exchange, next).await?,
                    _ => self.link.conn().auth_failed(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::AuthAborted => self.exchange = None,
            Event::Maildrop(ticket, command) => self.command(ticket, command).await?,
            Event::Quit(ticket) => self.quit(ticket).await?,
            Event::Misuse(e) => warn!(protocol = "pop3", error = %e, "a command was left without a reply"),
            _ => {}
        }
        Ok(())
    }

    async fn go_on(&mut self, ticket: Ticket, exchange: Exchange, next: Next) -> Result<(), LinkError> {
        match next {
            Next::Challenge(challenge) => {
                self.exchange = Some(exchange);
                Ok(self.link.conn().challenge(ticket, challenge)?)
            }
            Next::Check(credentials) => self.log_in(ticket, &credentials).await,
        }
    }

    async fn log_in(&mut self, ticket: Ticket, credentials: &Credentials) -> Result<(), LinkError> {
        let entry = self.shared.doors.log_in(credentials, self.link.peer().ip(), "pop3").await;
        let opened = match entry {
            Entry::Granted(Identity::User { login, .. }) => self.open(&login).await,
            Entry::Granted(_) | Entry::Rejected => Err(AuthFailure::Credentials),
            Entry::Unavailable => Err(AuthFailure::Temporary),
        };
        match opened {
            Ok(maildrop) => {
                let count = maildrop.messages.len();
                self.maildrop = Some(maildrop);
                Ok(self.link.conn().auth_ok(ticket, &Text::lossy(&format!("{count} messages")))?)
            }
            Err(why) => Ok(self.link.conn().auth_failed(ticket, why)?),
        }
    }

    async fn open(&self, login: &Login) -> Result<Maildrop, AuthFailure> {
        let failed = |e: Error| {
            warn!(protocol = "pop3", login = login.as_str(), error = %e, "cannot open a maildrop");
            if matches!(e, Error::Damaged) { AuthFailure::Broken } else { AuthFailure::Temporary }
        };
        let shared = &self.shared;
        if shared.config.standalone && shared.config.autocreate {
            ensure_inbox(&shared.store, login, None).await.map_err(failed)?;
        }
        let actor = actor_of(login).ok_or(AuthFailure::Temporary)?;
        let name = inbox(login).map_err(failed)?;
        let view = shared.store.session(actor).open(&name, Access::ReadWrite).map_err(failed)?;
        let lock = shared.drops.take(view.id()).ok_or(AuthFailure::InUse)?;
        let messages = view.messages(&view.all()).map(|message| (message.uid, message.size_bytes)).collect();
        Ok(Maildrop { view, messages, deleted: BTreeSet::new(), _lock: lock })
    }

    async fn command(&mut self, ticket: Ticket, command: MaildropCommand) -> Result<(), LinkError> {
        let Some(maildrop) = &mut self.maildrop else { return Ok(()) };
        match command {
            MaildropCommand::Stat => {
                let (count, bytes) = maildrop
                    .present()
                    .fold((0_u32, 0_u64), |(n, sum), (_, _, size)| (n + 1, sum + u64::from(size)));
                self.ok(ticket, &format!("{count} {bytes}"))
            }
            MaildropCommand::List(None) => self.list_all(ticket).await,
            MaildropCommand::Uidl(None) => self.identify_all(ticket).await,
            MaildropCommand::List(Some(number)) => match maildrop.message(number) {
                Some((_, size)) => self.ok(ticket, &format!("{number} {size}")),
                None => self.no_such_message(ticket),
            },
            MaildropCommand::Uidl(Some(number)) => match maildrop.message(number) {
                Some((uid, _)) => {
                    let line = format!("{number} {}.{uid}", maildrop.view.uid_validity());
                    self.ok(ticket, &line)
                }
                None => self.no_such_message(ticket),
            },
            MaildropCommand::Dele(number) => match maildrop.message(number) {
                Some(_) => {
                    maildrop.deleted.insert(number.as_u32());
                    self.ok(ticket, "Marked")
                }
                None => self.no_such_message(ticket),
            },
            MaildropCommand::Rset => {
                maildrop.deleted.clear();
                self.ok(ticket, "Unmarked")
            }
            MaildropCommand::Noop => self.ok(ticket, "Nothing"),
            MaildropCommand::Retr(number) => self.send_message(ticket, number, None).await,
            MaildropCommand::Top(number, lines) => self.send_message(ticket, number, Some(lines)).await,
        }
    }

    async fn list_all(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        let Some(maildrop) = &self.maildrop else { return Ok(()) };
        let all: Vec<_> = maildrop
            .present()
            .filter_map(|(number, _, size)| Some((MessageNumber::new(number)?, size)))
            .collect();
        let reply = self.link.conn().begin(ticket, &text("Sizes follow"))?;
        for (message, octets) in all {
            self.link.conn().scan_listing(&reply, ScanListing { message, octets: u64::from(octets) })?;
            self.make_room().await?;
        }
        Ok(self.link.conn().end(reply)?)
    }

    async fn identify_all(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        let Some(maildrop) = &self.maildrop else { return Ok(()) };
        let validity = maildrop.view.uid_validity();
        let all: Vec<_> = maildrop
            .present()
            .filter_map(|(number, uid, _)| Some((MessageNumber::new(number)?, uid)))
            .collect();
        let reply = self.link.conn().begin(ticket, &text("Identifiers follow"))?;
        for (message, uid) in all {
            let id = UniqueId::new(format!("{validity}.{uid}")).map_err(mail_wire::Error::from)?;
            self.link.conn().unique_id_listing(&reply, &UniqueIdListing { message, id })?;
            self.make_room().await?;
        }
        Ok(self.link.conn().end(reply)?)
    }

    async fn send_message(
        &mut self,
        ticket: Ticket,
        number: MessageNumber,
        lines: Option<u32>,
    ) -> Result<(), LinkError> {
        let Some(maildrop) = &self.maildrop else { return Ok(()) };
        let Some((uid, size)) = maildrop.message(number) else { return self.no_such_message(ticket) };
        let body = match maildrop.view.body(uid) {
            Ok(body) => body,
            Err(e) => return self.unreadable(ticket, &e),
        };
        // The first piece is read before the positive reply: what cannot be read at all is refused in good order.
        let first = match on_disk(|| first_piece(&body, lines)) {
            Ok(first) => first,
            Err(e) => return self.unreadable(ticket, &e),
        };
        let reply = self.link.conn().begin(ticket, &Text::lossy(&format!("{size} octets")))?;
        let mut at = u32::try_from(first.len()).unwrap_or(u32::MAX);
        self.link.conn().body(&reply, &first)?;
        while lines.is_none() && at < size {
            self.make_room().await?;
            match on_disk(|| body.read(at..at.saturating_add(READ_BYTES))) {
                Ok(piece) => {
                    at = at.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
                    self.link.conn().body(&reply, &piece)?;
                }
                Err(e) => return self.break_off(reply, &e),
            }
        }
        self.link.conn().end(reply)?;
        if lines.is_none() {
            self.mark_seen(uid);
        }
        Ok(())
    }

    /// Removes what was marked, then says goodbye.
    async fn quit(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        let Some(maildrop) = self.maildrop.take() else { return self.ok(ticket, "Goodbye") };
        let marked = maildrop.deleted.iter().filter_map(|n| maildrop.messages.get(*n as usize - 1));
        let marked: UidSet = marked.map(|(uid, _)| (*uid, *uid)).collect();
        if !marked.is_empty() {
            let removed = remove(&maildrop.view, marked).await;
            let peer = self.link.peer();
            match removed {
                Ok(()) => info!(protocol = "pop3", %peer, messages = maildrop.deleted.len(), "removed"),
                Err(e) => {
                    warn!(protocol = "pop3", %peer, error = %e, "cannot remove messages");
                    let reply =
                        Reply::err_with(ResponseCode::SysTemp, text("Some messages were not removed"));
                    return Ok(self.link.conn().reply(ticket, &reply)?);
                }
            }
        }
        self.ok(ticket, "Goodbye")
    }

    fn mark_seen(&self, uid: Uid) {
        if let Some(maildrop) = &self.maildrop {
            // Nobody waits for it, and nothing is lost without it: a message that looks unread.
            drop(maildrop.view.store_flags(
                &UidSet::single(uid),
                FlagsOp::Add,
                SystemFlags::SEEN.into(),
                None,
            ));
        }
    }

    async fn make_room(&mut self) -> Result<(), LinkError> {
        if mail_wire::Connection::transmit_bytes(self.link.conn()) > OUTPUT_HIGH_WATER_BYTES {
            self.link.flush().await?;
        }
        Ok(())
    }

    fn ok(&mut self, ticket: Ticket, line: &str) -> Result<(), LinkError> {
        Ok(self.link.conn().reply(ticket, &Reply::ok(Text::lossy(line)))?)
    }

    fn no_such_message(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        Ok(self.link.conn().reply(ticket, &Reply::err(text("No such message")))?)
    }

    fn unreadable(&mut self, ticket: Ticket, error: &Error) -> Result<(), LinkError> {
        warn!(protocol = "pop3", %error, "cannot read a message");
        let code = if error.is_temporary() { ResponseCode::SysTemp } else { ResponseCode::SysPerm };
        Ok(self.link.conn().reply(ticket, &Reply::err_with(code, text("The message cannot be read")))?)
    }

    fn break_off(&mut self, reply: MultiLine, error: &Error) -> Result<(), LinkError> {
        warn!(protocol = "pop3", %error, "cannot read the rest of a message");
        Ok(self.link.conn().abort(reply)?)
    }
}

impl Maildrop {
    /// Number, UID and size of the messages that are not marked.
    fn present(&self) -> impl Iterator<Item = (u32, Uid, u32)> {
        let numbered = (1..).zip(&self.messages);
        numbered
            .filter(|(number, _)| !self.deleted.contains(number))
            .map(|(number, (uid, size))| (number, *uid, *size))
    }

    fn message(&self, number: MessageNumber) -> Option<(Uid, u32)> {
        let number = number.as_u32();
        if self.deleted.contains(&number) { None } else { self.messages.get(number as usize - 1).copied() }
    }
}

async fn remove(view: &View, uids: UidSet) -> Result<(), Error> {
    view.store_flags(&uids, FlagsOp::Add, SystemFlags::DELETED.into(), None).await?;
    view.expunge(Some(&uids)).await.map(drop)
}

/// What goes out first: the first piece of a message, or all that TOP asks for.
fn first_piece(body: &Body, lines: Option<u32>) -> Result<Bytes, Error> {
    let Some(lines) = lines else { return body.read(0..READ_BYTES) };
    let header_end = body.structure()?.root().body.start;
    // Lines of a body are short; the rare message with long ones is read on until there are enough.
    let mut end = header_end.saturating_add(READ_BYTES).min(body.size_bytes());
    loop {
        let raw = body.read(0..end)?;
        let wanted = top(&raw, header_end, lines).len();
        if wanted < raw.len() || end >= body.size_bytes() {
            return Ok(raw.slice(..wanted));
        }
        end = end.saturating_mul(2).min(body.size_bytes());
    }
}

/// A constant text of this module.
fn text(constant: &'static str) -> Text {
    Text::lossy(constant)
}
