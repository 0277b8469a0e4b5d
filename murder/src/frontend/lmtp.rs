//! LMTP proxy: mail for any user of the site comes in here and goes to the back-end of each recipient.
//!
//! For trusted networks and for those who log in. The message waits in a spool until every back-end has answered;
//! then each recipient gets the reply of its own back-end (safety row Q6). An alias of mailboxes counts as delivered
//! when all of them have it. Addresses that lead out of the site are for SMTP, not for here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lmtp_proto::client::Envelope;
use lmtp_proto::server::{AuthFailure, Config, Connection, Event, StartTls};
use lmtp_proto::{Deliveries, DeliveryId};
use mail_wire::Ticket;
use mail_wire::sasl::Mechanism;
use smtp_proto::{Code, Domain, ForwardPath, MailParams, Reply, ReversePath, Verdict};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::Shared;
use super::delivery::{Fate, deliver};
use super::homes::HomeError;
use super::spool::Spool;
use crate::accounts::{Entry, plaintext_login};
use crate::net::{Accepted, Link, LinkError, Shutdown, on_disk};
use crate::routing::{Address, Destination, Login, Place, Route};
use crate::sasl::{Exchange, Next};
use crate::trace::{Hop, With};

/// Serves one connection.
pub(super) async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown) {
    let peer = accepted.peer;
    let Ok(domain) = Domain::new(&shared.hostname) else { return };
    let limits = &shared.config.limits;
    let mut config = Config::new(domain);
    config.mechanisms = vec![Mechanism::Plain.into()];
    config.plaintext_login = plaintext_login(peer.ip());
    config.extensions = vec![DeliveryId::extension()];
    config.limits.message_bytes_max = limits.message_bytes_max;
    config.limits.recipients_max = limits.recipients_max as usize;
    config.start_tls = if shared.acceptor.is_some() { StartTls::Offer } else { StartTls::Off };
    let trusted = shared.config.lmtp.trusted_networks.iter().any(|network| network.contains(peer.ip()));
    let link = Link::new(accepted.transport, peer, Connection::new(config, Instant::now()));
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

/// A message on its way through.
struct Transaction {
    reverse_path: ReversePath,
    params: MailParams,
    /// For each accepted recipient, the copies that it stands for.
    recipients: Vec<Vec<Target>>,
    spool: Option<Spool>,
}

/// One copy: whose, and where.
#[derive(Debug, Clone)]
struct Target {
    server: String,
    path: ForwardPath,
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
                let next = self.exchange.take().map(|mut exchange| (exchange.respond(&message), exchange));
                match next {
                    Some((Ok(next), exchange)) => self.go_on(ticket, exchange, next).await?,
                    _ => self.fail_login(ticket, AuthFailure::Credentials)?,
                }
            }
            Event::Mail(ticket, reverse_path, params) => {
                let reply = self.begin(reverse_path, params);
                self.answer(ticket, &reply)?;
            }
            Event::Rcpt(ticket, path, _) => {
                let reply = match self.find(&path).await {
                    Ok(targets) => self.add_recipient(targets),
                    Err(reply) => reply,
                };
                self.answer(ticket, &reply)?;
            }
            Event::Data(ticket) => match self.begin_spool() {
                Ok(()) => self.link.conn().accept_data(ticket).map_err(mail_wire::Error::from)?,
                Err(e) => {
                    warn!(protocol = "lmtp", error = %e, "cannot spool a message");
                    self.answer(ticket, &Reply::storage_full())?;
                }
            },
            Event::Chunk(bytes) => self.add_to_spool(&bytes)?,
            Event::BodyEnd(deliveries) => self.pass_on(deliveries).await?,
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
            Entry::Granted(_) => {
                self.trusted = true;
                Ok(self.link.conn().auth_ok(ticket).map_err(mail_wire::Error::from)?)
            }
            Entry::Rejected => self.fail_login(ticket, AuthFailure::Credentials),
            Entry::Unavailable => self.fail_login(ticket, AuthFailure::Temporary),
        }
    }

    fn fail_login(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), LinkError> {
        Ok(self.link.conn().auth_failed(ticket, why).map_err(mail_wire::Error::from)?)
    }

    fn answer(&mut self, ticket: Ticket, reply: &Reply) -> Result<(), LinkError> {
        Ok(self.link.conn().reply(ticket, reply).map_err(mail_wire::Error::from)?)
    }

    fn begin(&mut self, reverse_path: ReversePath, params: MailParams) -> Reply {
        if !self.trusted {
            return reply(530, 7, 0, "Log in first");
        }
        self.transaction = Some(Transaction { reverse_path, params, recipients: Vec::new(), spool: None });
        Reply::sender_ok()
    }

    fn add_recipient(&mut self, targets: Vec<Target>) -> Reply {
        match &mut self.transaction {
            Some(transaction) => {
                transaction.recipients.push(targets);
                Reply::recipient_ok()
            }
            None => Reply::local_error(),
        }
    }

    /// Where an address leads; the reply that refuses it otherwise.
    async fn find(&self, path: &ForwardPath) -> Result<Vec<Target>, Reply> {
        let route = match path.address() {
            Some(address) => {
                let domain = address.domain().as_str().parse().map_err(|_| Reply::no_such_mailbox())?;
                let address =
                    Address::new(address.local_part(), domain).map_err(|_| Reply::no_such_mailbox())?;
                self.shared.router.route(&address).await.map_err(|e| {
                    warn!(protocol = "lmtp", error = %e, "cannot route an address");
                    Reply::local_error()
                })?
            }
            None => return Err(Reply::no_such_mailbox()),
        };
        match route.as_ref() {
            Route::Mailbox(place) => Ok(vec![self.target(place).await?]),
            Route::Forward(expansion) => {
                let mut targets = Vec::new();
                for destination in &expansion.destinations {
                    let Destination::Mailbox(place) = destination else {
                        return Err(reply(550, 7, 1, "This address leads out of the site; send by SMTP"));
                    };
                    targets.push(self.target(place).await?);
                }
                Ok(targets)
            }
            Route::Reject(text) => Err(Reply::new(Code::FAILED, text.clone()).with_status(7, 1)),
            Route::Unknown | Route::UnknownDomain | Route::Relay(_) => Err(Reply::no_such_mailbox()),
            _ => Err(Reply::local_error()),
        }
    }

    async fn target(&self, place: &Place) -> Result<Target, Reply> {
        let server = self.shared.homes.ensure(&place.login).await.map_err(|e| {
            info!(protocol = "lmtp", login = place.login.as_str(), error = %e, "no home for a recipient");
            match e {
                HomeError::None | HomeError::Login => Reply::no_such_mailbox(),
                _ => Reply::local_error(),
            }
        })?;
        let path =
            recipient_path(&place.login, place.detail.as_deref()).ok_or_else(Reply::no_such_mailbox)?;
        Ok(Target { server, path })
    }

    fn begin_spool(&mut self) -> std::io::Result<()> {
        let hop = Hop {
            hello: self.hello.as_deref(),
            peer: self.link.peer().ip(),
            by: &self.shared.hostname,
            with: With {
                protocol: "LMTP",
                tls: self.link.is_tls(),
                authenticated: self.link.conn().is_authenticated(),
            },
            id: None,
            recipient: None,
        };
        let mut spool = Spool::new(&self.shared.config.storage);
        spool.write(hop.received(Timestamp::now()).as_bytes())?;
        if let Some(transaction) = &mut self.transaction {
            transaction.spool = Some(spool);
        }
        Ok(())
    }

    fn add_to_spool(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let Some(spool) = self.transaction.as_mut().and_then(|transaction| transaction.spool.as_mut()) else {
            return Ok(());
        };
        if let Err(e) = on_disk(|| spool.write(bytes)) {
            warn!(protocol = "lmtp", error = %e, "cannot spool a message");
            self.transaction = None;
            self.link.conn().refuse_message(Reply::storage_full()).map_err(mail_wire::Error::from)?;
        }
        Ok(())
    }

    async fn pass_on(&mut self, deliveries: Deliveries) -> Result<(), LinkError> {
        let answered = match self.transaction.take() {
            Some(Transaction { reverse_path, params, recipients, spool: Some(spool) }) => {
                let verdicts = fan_out(&self.shared, &reverse_path, &params, &recipients, spool).await;
                let taken = verdicts.iter().filter(|reply| reply.verdict() == Verdict::Success).count();
                info!(protocol = "lmtp", peer = %self.link.peer(), recipients = verdicts.len(), taken, "message");
                deliveries.each(|n| verdicts.get(n).cloned().unwrap_or_else(Reply::local_error))
            }
            _ => deliveries.all(&Reply::local_error()),
        };
        Ok(self.link.conn().reply_message(answered).map_err(mail_wire::Error::from)?)
    }
}

/// Delivers to every back-end at once. The answer has one reply for each recipient.
async fn fan_out(
    shared: &Arc<Shared>,
    reverse_path: &ReversePath,
    params: &MailParams,
    recipients: &[Vec<Target>],
    spool: Spool,
) -> Vec<Reply> {
    let mut by_server: BTreeMap<&str, Vec<(usize, ForwardPath)>> = BTreeMap::new();
    for (place, targets) in recipients.iter().enumerate() {
        for target in targets {
            by_server.entry(&target.server).or_default().push((place, target.path.clone()));
        }
    }
    let spool = Arc::new(spool);
    let mut tasks = JoinSet::new();
    for (server, copies) in by_server {
        let (shared, spool, server) = (Arc::clone(shared), Arc::clone(&spool), server.to_owned());
        let (reverse_path, params) = (reverse_path.clone(), params.clone());
        tasks.spawn(async move { deliver_to(&shared, &server, reverse_path, params, copies, &spool).await });
    }
    let mut verdicts: Vec<Option<Reply>> = vec![None; recipients.len()];
    while let Some(done) = tasks.join_next().await {
        for (place, reply) in done.unwrap_or_default() {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = Some(worse(verdict.take(), reply));
            }
        }
    }
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(Reply::local_error)).collect()
}

/// Delivers to one back-end; each copy gets a reply.
async fn deliver_to(
    shared: &Shared,
    server: &str,
    reverse_path: ReversePath,
    mut params: MailParams,
    copies: Vec<(usize, ForwardPath)>,
    spool: &Spool,
) -> Vec<(usize, Reply)> {
    let unreached = || reply(451, 4, 1, "The mail server of this recipient is not reached");
    let mut link = match shared.peers.lmtp(server).await {
        Ok(link) => link,
        Err(e) => {
            warn!(protocol = "lmtp", server, error = %e, "no connection to a back-end");
            return copies.into_iter().map(|(place, _)| (place, unreached())).collect();
        }
    };
    let delivery_id = DeliveryId::of(&params).ok().flatten();
    params.other.clear();
    // The spool has a trace field more than the client announced.
    params.size_bytes = None;
    if let (Some(id), Some(can)) = (delivery_id, link.conn().capabilities()) {
        id.attach(&mut params, can);
    }
    let (places, recipients): (Vec<usize>, Vec<_>) =
        copies.into_iter().map(|(place, path)| (place, path.into())).unzip();
    let envelope = Envelope { reverse_path, params, recipients };
    let (fates, failed) = deliver(&mut link, envelope, spool).await;
    if let Some(e) = failed {
        warn!(protocol = "lmtp", server, error = %e, "a delivery broke off");
    }
    let _ = link.conn().quit();
    let reply_of = |fate: Option<Fate>| match fate.map(Fate::into_reply) {
        // To the client, 421 would mean that this front-end goes away.
        Some(reply) if reply.code() == Code::SHUTTING_DOWN => unreached(),
        Some(reply) => reply,
        None => unreached(),
    };
    places.into_iter().zip(fates).map(|(place, fate)| (place, reply_of(fate))).collect()
}

/// Of two replies to copies of one recipient, the one to tell: a temporary failure brings the sender back, a
/// permanent one tells him, and only if all went well does he hear so.
fn worse(one: Option<Reply>, other: Reply) -> Reply {
    let rank = |reply: &Reply| match reply.verdict() {
        Verdict::Temporary => 2,
        Verdict::Permanent => 1,
        _ => 0,
    };
    match one {
        Some(one) if rank(&one) >= rank(&other) => one,
        _ => other,
    }
}

/// How a back-end is told of a recipient: `login` or `login+detail`.
pub(crate) fn recipient_path(login: &Login, detail: Option<&str>) -> Option<ForwardPath> {
    let local_part = match detail {
        Some(detail) => format!("{}+{detail}", login.as_str()),
        None => login.as_str().to_owned(),
    };
    ForwardPath::local(&local_part).ok()
}

fn reply(code: u16, subject: u16, detail: u16, text: &'static str) -> Reply {
    Reply::new(Code::new(code).unwrap_or(Code::FAILED), text).with_status(subject, detail)
}
