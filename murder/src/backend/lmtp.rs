//! LMTP: mail comes in from front-ends and other hubs (RFC 2033).
//!
//! Taken from peers that log in and from trusted networks. A recipient is `login`, `login+folder`, or either with any
//! domain behind it: who an address belongs to was decided where the mail came into the site. A message for many is
//! one transaction with one body, and the replies follow when it is durable. A delivery that carries an id which was
//! seen before is answered like the first time and stored once (safety row Q5).
//!
//! `Return-Path` and `Received` are put on top; the message below them stays as it came, byte for byte.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lmtp_proto::server::{AuthFailure, Config, Connection, Event, StartTls};
use lmtp_proto::{Deliveries, DeliveryId};
use mail_wire::sasl::Mechanism;
use mail_wire::{PlaintextLogin, Ticket};
use mailstore::store::{self, Actor, BodyWriter, Delivered, Error, Posting, QuotaCheck, Recipient};
use smtp_proto::{Code, Domain, ForwardPath, Reply, ReversePath};
use tracing::{debug, info, warn};

use super::Shared;
use super::places::to_store;
use crate::accounts::{Entry, Identity, plaintext_login};
use crate::mailboxes::Name;
use crate::net::{Accepted, Link, LinkError, Shutdown, on_disk};
use crate::routing::Login;
use crate::sasl::{Exchange, Next};
use crate::trace::{Hop, With};

/// Serves one connection.
pub(super) async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown) {
    let peer = accepted.peer;
    let Ok(domain) = Domain::new(&shared.hostname) else { return };
    let mut config = Config::new(domain);
    config.mechanisms = vec![Mechanism::Plain.into()];
    config.plaintext_login = plaintext_login(peer.ip());
    config.extensions = vec![DeliveryId::extension()];
    config.limits.message_bytes_max = shared.config.limits.message_bytes_max;
    config.limits.recipients_max = (shared.config.limits.recipients_max as usize).min(store::RECIPIENTS_MAX);
    config.start_tls = match shared.acceptor {
        Some(_) if config.plaintext_login == PlaintextLogin::Refuse => StartTls::Offer,
        _ => StartTls::Off,
    };
    let trusted = shared.config.lmtp.trusted_networks.iter().any(|network| network.contains(peer.ip()));
    let connection = Connection::new(config, Instant::now());
    let link = Link::new(accepted.transport, peer, connection);
    let mut session = Session { shared, link, trusted, hello: None, exchange: None, transaction: None };
    if let Err(e) = session.run(&mut shutdown).await {
        debug!(protocol = "lmtp", %peer, error = %e, "connection failed");
    }
}

struct Session {
    shared: Arc<Shared>,
    link: Link<Connection>,
    /// Mail is taken from this peer: its network is trusted, or it has logged in.
    trusted: bool,
    hello: Option<Box<str>>,
    exchange: Option<Exchange>,
    transaction: Option<Transaction>,
}

/// A message on its way in.
struct Transaction {
    reverse_path: ReversePath,
    delivery_id: Option<store::DeliveryId>,
    recipients: Vec<Recipient>,
    body: Option<BodyWriter>,
}

impl Session {
    async fn run(&mut self, shutdown: &mut Shutdown) -> Result<(), LinkError> {
        self.link.conn().greet().map_err(mail_wire::Error::from)?;
        loop {
            let event = tokio::select! {
                event = self.link.next() => event?,
                () = shutdown.requested() => {
                    self.link.conn().shut_down();
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
            Event::Hello(name) => self.hello = Some(name),
            Event::StartTls => {
                if let Some(acceptor) = self.shared.acceptor.clone() {
                    self.link.accept_tls(&acceptor).await?;
                }
            }
            Event::Authenticate { ticket, mechanism, initial } => {
                match Exchange::start(mechanism.as_str(), initial.as_ref()) {
                    Ok((exchange, next)) => self.go_on(ticket, exchange, next).await?,
                    Err(_) => self.fail_login(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::AuthResponse(ticket, message) => {
                let Some(mut exchange) = self.exchange.take() else { return Ok(()) };
                match exchange.respond(&message) {
                    Ok(next) => self.go_on(ticket, exchange, next).await?,
                    Err(_) => self.fail_login(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::Mail(ticket, reverse_path, params) => {
                let reply = self.begin(reverse_path, DeliveryId::of(&params).ok().flatten());
                self.answer(ticket, &reply)?;
            }
            Event::Rcpt(ticket, path, _) => {
                let reply = self.add_recipient(&path);
                self.answer(ticket, &reply)?;
            }
            Event::Data(ticket) => match self.begin_body() {
                Ok(()) => self.link.conn().accept_data(ticket).map_err(mail_wire::Error::from)?,
                Err(e) => self.answer(ticket, &refusal(&e))?,
            },
            Event::Chunk(bytes) => self.add_to_body(&bytes)?,
            Event::BodyEnd(deliveries) => self.deliver(deliveries).await?,
            Event::Reset | Event::Closed => self.transaction = None,
            _ => {}
        }
        Ok(())
    }

    async fn go_on(&mut self, ticket: Ticket, exchange: Exchange, next: Next) -> Result<(), LinkError> {
        let credentials = match next {
            Next::Challenge(text) => {
                self.exchange = Some(exchange);
                return Ok(self.link.conn().challenge(ticket, text).map_err(mail_wire::Error::from)?);
            }
            Next::Check(credentials) => credentials,
        };
        match self.shared.doors.log_in(&credentials, self.link.peer().ip(), "lmtp").await {
            Entry::Granted(Identity::Peer(_)) => {
                self.trusted = true;
                Ok(self.link.conn().auth_ok(ticket).map_err(mail_wire::Error::from)?)
            }
            Entry::Granted(_) | Entry::Rejected => self.fail_login(ticket, AuthFailure::Credentials),
            Entry::Unavailable => self.fail_login(ticket, AuthFailure::Temporary),
        }
    }

    fn fail_login(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), LinkError> {
        Ok(self.link.conn().auth_failed(ticket, why).map_err(mail_wire::Error::from)?)
    }

    fn answer(&mut self, ticket: Ticket, reply: &Reply) -> Result<(), LinkError> {
        Ok(self.link.conn().reply(ticket, reply).map_err(mail_wire::Error::from)?)
    }

    fn begin(&mut self, reverse_path: ReversePath, id: Option<DeliveryId>) -> Reply {
        if !self.trusted {
            return permanent(530, 7, 0, "Log in first");
        }
        let delivery_id = match id.map(|id| store::DeliveryId::new(id.as_str().as_bytes())) {
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return permanent(501, 5, 4, "Bad delivery id"),
            None => None,
        };
        self.transaction =
            Some(Transaction { reverse_path, delivery_id, recipients: Vec::new(), body: None });
        Reply::sender_ok()
    }

    fn add_recipient(&mut self, path: &ForwardPath) -> Reply {
        let found = self.find_recipient(path);
        match (found, &mut self.transaction) {
            (Ok(recipient), Some(transaction)) => {
                transaction.recipients.push(recipient);
                Reply::recipient_ok()
            }
            (Err(e), _) => refusal(&e),
            (Ok(_), None) => Reply::local_error(),
        }
    }

    /// The mailbox of an address: the folder behind `+` where it may be posted to, else the INBOX.
    fn find_recipient(&self, path: &ForwardPath) -> Result<Recipient, Error> {
        let local_part = path.local_part();
        let (login, detail) = match local_part.split_once('+') {
            Some((login, detail)) => (login, Some(detail)),
            None => (local_part, None),
        };
        let login: Login = login.parse().map_err(|_| Error::NoSuchMailbox)?;
        let session = self.shared.store.session(Actor::Peer);
        if let Some(recipient) = detail.and_then(|detail| folder(&login, detail, &session)) {
            return Ok(recipient);
        }
        let mailbox = super::places::inbox(&login)?;
        let recipient = Recipient { mailbox, posting: Posting::Unchecked, quota: QuotaCheck::Enforce };
        session.check_recipient(&recipient)?;
        Ok(recipient)
    }

    fn begin_body(&mut self) -> Result<(), Error> {
        let tls = self.link.is_tls();
        let hop = Hop {
            hello: self.hello.as_deref(),
            peer: self.link.peer().ip(),
            by: &self.shared.hostname,
            with: With { protocol: "LMTP", tls, authenticated: self.link.conn().is_authenticated() },
            id: None,
            recipient: None,
        };
        let received = hop.received(Timestamp::now());
        let Some(transaction) = &mut self.transaction else { return Err(Error::Closed) };
        let mut body = self.shared.store.body();
        body.write(format!("Return-Path: {}\r\n{received}", transaction.reverse_path).as_bytes())?;
        transaction.body = Some(body);
        Ok(())
    }

    fn add_to_body(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let Some(body) = self.transaction.as_mut().and_then(|transaction| transaction.body.as_mut()) else {
            return Ok(());
        };
        if let Err(e) = on_disk(|| body.write(bytes)) {
            self.transaction = None;
            self.link.conn().refuse_message(refusal(&e)).map_err(mail_wire::Error::from)?;
        }
        Ok(())
    }

    async fn deliver(&mut self, deliveries: Deliveries) -> Result<(), LinkError> {
        let peer = self.link.peer();
        let outcome = match self.transaction.take() {
            Some(transaction) => store_message(&self.shared, transaction).await,
            None => Err(Error::Closed),
        };
        let answered = match outcome {
            Ok(verdicts) => {
                let stored = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
                info!(protocol = "lmtp", %peer, recipients = verdicts.len(), stored, "message");
                deliveries.each(|n| match verdicts.get(n) {
                    Some(Ok(Delivered::New(_) | Delivered::AlreadyThere { .. })) => Reply::ok(),
                    Some(Err(e)) => refusal(e),
                    None => Reply::local_error(),
                })
            }
            Err(e) => {
                warn!(protocol = "lmtp", %peer, error = %e, "cannot store a message");
                deliveries.all(&refusal(&e))
            }
        };
        Ok(self.link.conn().reply_message(answered).map_err(mail_wire::Error::from)?)
    }
}

async fn store_message(
    shared: &Shared,
    transaction: Transaction,
) -> Result<Vec<Result<Delivered, Error>>, Error> {
    let Transaction { delivery_id, recipients, body, .. } = transaction;
    let body = on_disk(|| body.ok_or(Error::Closed)?.finish())?;
    let delivery = store::Delivery { body, recipients, delivery_id, internal_date: None };
    shared.store.session(Actor::Peer).deliver(delivery).await
}

/// A folder of the user's that anyone may post to. Its case is not minded: addresses have none.
fn folder(login: &Login, detail: &str, session: &store::Session) -> Option<Recipient> {
    let wanted: Vec<String> = detail.split(['/', '.']).map(str::to_lowercase).collect();
    let inbox = super::places::inbox(login).ok()?;
    let found = session.list(Some(&inbox)).into_iter().find_map(|info| {
        let components: Vec<&str> = info.name.components().collect();
        let name = Name::from_store(&components).ok()?;
        let path: Vec<String> = name.path().iter().map(|component| component.to_lowercase()).collect();
        if path == wanted { to_store(&name).ok() } else { None }
    })?;
    let recipient =
        Recipient { mailbox: found, posting: Posting::NeedsPost(None), quota: QuotaCheck::Enforce };
    session.check_recipient(&recipient).ok().map(|()| recipient)
}

/// What a sender is told when the store refuses.
fn refusal(error: &Error) -> Reply {
    match error {
        Error::NoSuchMailbox | Error::InvalidName(_) => Reply::no_such_mailbox(),
        Error::OverQuota(_) => Reply::over_quota(),
        Error::DiskFull => Reply::storage_full(),
        Error::LimitExceeded { limit: store::Limit::MessageBytes, .. } => Reply::too_big(),
        Error::Denied { .. } => permanent(550, 7, 1, "Not allowed"),
        _ => Reply::local_error(),
    }
}

fn permanent(code: u16, subject: u16, detail: u16, text: &'static str) -> Reply {
    Reply::new(Code::new(code).unwrap_or(Code::FAILED), text).with_status(subject, detail)
}
