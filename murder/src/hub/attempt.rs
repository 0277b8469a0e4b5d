//! One attempt: where the copies of a message go, handing them over, and noting what came of it.
//!
//! Each step ends in one transaction of the queue. To back-ends of this site the delivery carries the queue's id, by
//! which they know a second try of what they have already (RFC 1047): so a copy arrives there once, whatever breaks in
//! between. The next hop of a relayed domain may see a copy twice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lmtp_proto::DeliveryId;
use mail_wire::TlsMode;
use smtp_proto::client::{Config, Envelope, Event, Machine, Recipient as Addressee};
use smtp_proto::{Body, Code, Domain, ForwardPath, MailParams, Reply, ReversePath, Smtp, Verdict};
use tokio::net::TcpStream;
use tracing::{info, warn};

use super::dsn::{Failure, HEADERS_BYTES_MAX, Report, header_section};
use super::lanes::{Contact, Destination, Group};
use super::queue::{
    Envelope as QueueEnvelope, Message, NewBody, NewMessage, Outcome, Passage, QueueError, Recipient,
    Refusal, Settlement, State, Target, reply_text,
};
use super::recipients::{Client, admit, reply};
use crate::config::HostPort;
use crate::frontend::delivery::{DeliveryError, Fate, MessageSource, deliver};
use crate::frontend::{HomeError, PeerError, Shared, recipient_path};
use crate::net::{Link, Transport};

/// A message of so many failed attempts is likely to stay, and gets a file of its own.
const ATTEMPTS_BEFORE_SET_APART: u32 = 2;

/// What is known of a copy after a step.
enum Verdicted {
    Delivered,
    Failed(Failure),
    /// To be tried again; why.
    Later(Reply),
}

/// Where the waiting copies of a message go. Those whose time is over, or that can go nowhere, are settled here.
pub(super) async fn route(shared: &Shared, message: &Message) -> Vec<(Destination, Group)> {
    if let Some(verdicts) = expire(shared, message) {
        settle(shared, message, verdicts).await;
        return Vec::new();
    }
    let mut groups: HashMap<Destination, Vec<usize>> = HashMap::new();
    let mut verdicts = Vec::new();
    for (place, recipient) in waiting(message) {
        match destination(shared, &recipient.target).await {
            Ok(destination) => groups.entry(destination).or_default().push(place),
            Err(later) => verdicts.push((place, Verdicted::Later(later))),
        }
    }
    if !verdicts.is_empty() {
        settle(shared, message, verdicts).await;
    }
    groups.into_iter().map(|(to, places)| (to, Group { id: message.id, places })).collect()
}

/// Hands copies to their destination.
pub(super) async fn hand_over(
    shared: &Shared,
    message: &Message,
    destination: &Destination,
    places: &[usize],
) -> Contact {
    let copies: Vec<(usize, &Recipient)> =
        waiting(message).filter(|(place, _)| places.contains(place)).collect();
    let (contact, verdicts) = match destination {
        Destination::Backend(server) => to_backend(shared, message, server, copies).await,
        Destination::NextHop(next_hop) => to_next_hop(shared, message, next_hop, copies).await,
    };
    let delivered = verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdicted::Delivered)).count();
    metrics::counter!("corbie_hub_copies_total", "outcome" => "delivered").increment(delivered as u64);
    info!(id = %message.id, to = %destination, copies = places.len(), delivered, attempt = message.attempts + 1, "attempt");
    settle(shared, message, verdicts).await;
    contact
}

/// Whether a destination answers.
pub(super) async fn probe(shared: &Shared, destination: &Destination) -> Contact {
    let reached = match destination {
        Destination::Backend(server) => match shared.peers.lmtp(server).await {
            Ok(mut link) => {
                let _ = link.conn().quit();
                link.close().await;
                true
            }
            Err(_) => false,
        },
        Destination::NextHop(next_hop) => match connect(shared, next_hop).await {
            Ok(mut link) => {
                let _ = link.conn().quit();
                link.close().await;
                true
            }
            Err(_) => false,
        },
    };
    if reached { Contact::Reached } else { Contact::Unreached }
}

fn waiting(message: &Message) -> impl Iterator<Item = (usize, &Recipient)> {
    let recipients = message.envelope.recipients.iter().zip(&message.states).enumerate();
    recipients
        .filter(|(_, (_, state))| **state == State::Pending)
        .map(|(place, (recipient, _))| (place, recipient))
}

/// When a message was tried for its whole life, all its copies have failed.
fn expire(shared: &Shared, message: &Message) -> Option<Vec<(usize, Verdicted)>> {
    if !time_left(shared, message).is_zero() {
        return None;
    }
    let last: Reply = message.last_reply.parse().unwrap_or_else(|_| Reply::local_error());
    let reply =
        Reply::new(Code::FAILED, format!("Given up after too long: {}", last.text())).with_status(4, 7);
    Some(
        waiting(message)
            .map(|(place, recipient)| {
                let recipient = recipient.original.clone();
                (place, Verdicted::Failed(Failure { recipient, reply: reply.clone(), remote: None }))
            })
            .collect(),
    )
}

/// Where a copy goes now; otherwise why that is not known.
async fn destination(shared: &Shared, target: &Target) -> Result<Destination, Reply> {
    let login = match target {
        Target::Relay { next_hop, .. } => return Ok(Destination::NextHop(next_hop.clone())),
        Target::Mailbox { login, .. } => login,
    };
    if let Some(server) = shared.homes.find(login) {
        return Ok(Destination::Backend(server));
    }
    match shared.router.place(login).await {
        Ok(placement) => Ok(Destination::Backend(placement.backend.to_string())),
        Err(e) => {
            warn!(login = login.as_str(), error = %e, "no place for a mailbox");
            Err(reply(451, 3, 5, "There is no place for this mailbox now"))
        }
    }
}

async fn to_backend(
    shared: &Shared,
    message: &Message,
    server: &str,
    copies: Vec<(usize, &Recipient)>,
) -> (Contact, Vec<(usize, Verdicted)>) {
    let mut verdicts = Vec::new();
    let mut sent: Vec<(usize, &Recipient)> = Vec::new();
    let mut addressees = Vec::new();
    let mut homes = Contact::Unknown;
    for (place, recipient) in copies {
        match addressee(shared, server, recipient).await {
            Ok(path) => {
                sent.push((place, recipient));
                addressees.push(Addressee::from(path));
            }
            Err((verdict, found)) => {
                verdicts.push((place, verdict));
                homes = if found == Contact::Unknown { homes } else { found };
            }
        }
    }
    if sent.is_empty() {
        return (homes, verdicts);
    }
    let (fates, contact) = match deliver_to_backend(shared, message, server, addressees).await {
        Ok(delivered) => delivered,
        Err(e) => {
            info!(server, error = %e, "a back-end is not reached");
            let later = || reply(451, 4, 1, "The mail server of this recipient is not reached");
            verdicts.extend(sent.into_iter().map(|(place, _)| (place, Verdicted::Later(later()))));
            return (Contact::Unreached, verdicts);
        }
    };
    for ((place, recipient), fate) in sent.into_iter().zip(fates) {
        verdicts.push((place, verdict(recipient, fate, server)));
    }
    (contact, verdicts)
}

/// One LMTP transaction, over a connection that is there already if one is. A connection that waited may have died
/// unnoticed: then another is taken. The delivery id makes that harmless.
async fn deliver_to_backend(
    shared: &Shared,
    message: &Message,
    server: &str,
    recipients: Vec<Addressee>,
) -> Result<(Vec<Option<Fate>>, Contact), PeerError> {
    let source = shared.hub.queue().source(message);
    loop {
        let waited = shared.hub.idle().take(server);
        let may_be_stale = waited.is_some();
        let mut link = match waited {
            Some(link) => link,
            None => shared.peers.lmtp(server).await?,
        };
        let mut params = MailParams { body: Some(message.envelope.body), ..MailParams::default() };
        if let (Ok(id), Some(can)) = (DeliveryId::new(&message.id.to_string()), link.conn().capabilities()) {
            id.attach(&mut params, can);
        }
        let reverse_path = message.envelope.reverse_path.clone();
        let envelope = Envelope { reverse_path, params, recipients: recipients.clone() };
        let (fates, failed) = deliver(&mut link, envelope, &source).await;
        let contact = contact(message, server, failed.as_ref());
        match contact {
            Contact::BrokeOff if may_be_stale => continue,
            Contact::Reached if failed.is_none() => shared.hub.idle().put(server, link),
            _ => link.close().await,
        }
        return Ok((fates, contact));
    }
}

/// What the end of a transaction says about its destination.
fn contact(message: &Message, server: &str, failed: Option<&DeliveryError>) -> Contact {
    let Some(error) = failed else { return Contact::Reached };
    warn!(id = %message.id, server, %error, "a delivery broke off");
    match error {
        DeliveryError::Source(_) => Contact::Reached,
        DeliveryError::Link(_) | DeliveryError::Closed => Contact::BrokeOff,
    }
}

/// How a back-end is told of a copy, once its mailbox is there. The error also says what making the mailbox has found
/// out about the back-end.
async fn addressee(
    shared: &Shared,
    server: &str,
    recipient: &Recipient,
) -> Result<ForwardPath, (Verdicted, Contact)> {
    let failed = |reply| {
        let recipient = recipient.original.clone();
        (Verdicted::Failed(Failure { recipient, reply, remote: None }), Contact::Unknown)
    };
    let later = |reply, contact| (Verdicted::Later(reply), contact);
    let Target::Mailbox { login, detail } = &recipient.target else {
        return Err(later(Reply::local_error(), Contact::Unknown));
    };
    match shared.homes.ensure(login).await {
        Ok(home) if home == server => {}
        Ok(_) => return Err(later(reply(451, 3, 0, "The mailbox has moved"), Contact::Unknown)),
        Err(e @ (HomeError::None | HomeError::Login)) => {
            info!(login = login.as_str(), error = %e, "a recipient has no home");
            return Err(failed(Reply::no_such_mailbox()));
        }
        Err(e) => {
            warn!(login = login.as_str(), error = %e, "cannot make an INBOX");
            // That IMAP does not answer need not mean that LMTP does not: not quite unreached.
            let contact = match e {
                HomeError::Peer(_) | HomeError::Link(_) => Contact::BrokeOff,
                _ => Contact::Unknown,
            };
            return Err(later(reply(451, 3, 0, "The mailbox cannot be made now"), contact));
        }
    }
    recipient_path(login, detail.as_deref())
        // A detail that cannot stand in a path is no folder anybody has.
        .or_else(|| recipient_path(login, None))
        .ok_or_else(|| failed(Reply::no_such_mailbox()))
}

async fn to_next_hop(
    shared: &Shared,
    message: &Message,
    next_hop: &HostPort,
    copies: Vec<(usize, &Recipient)>,
) -> (Contact, Vec<(usize, Verdicted)>) {
    let name = next_hop.host.as_str();
    let mut verdicts = Vec::new();
    // Copies that are forwarded by one address share a `Delivered-To`; those that are not have none.
    let mut transactions: HashMap<Option<&ForwardPath>, Vec<(usize, &Recipient, ForwardPath)>> =
        HashMap::new();
    for (place, recipient) in copies {
        if let Target::Relay { address, passage, .. } = &recipient.target {
            let forwarded_by = (*passage == Passage::Forwarded).then_some(&recipient.original);
            transactions.entry(forwarded_by).or_default().push((place, recipient, address.clone().into()));
        }
    }
    let mut worst = Contact::Reached;
    for (forwarded_by, copies) in transactions {
        let mut link = match connect(shared, next_hop).await {
            Ok(link) => link,
            Err(why) => {
                info!(next_hop = name, why, "a next hop is not reached");
                let later = || reply(451, 4, 1, "The next mail server is not reached");
                verdicts.extend(copies.into_iter().map(|(place, ..)| (place, Verdicted::Later(later()))));
                worst = Contact::Unreached;
                continue;
            }
        };
        let params = MailParams { body: Some(message.envelope.body), ..MailParams::default() };
        let recipients = copies.iter().map(|(_, _, path)| path.clone().into()).collect();
        let envelope = Envelope { reverse_path: message.envelope.reverse_path.clone(), params, recipients };
        let head = forwarded_by
            .and_then(ForwardPath::address)
            .map(|address| format!("Delivered-To: {address}\r\n"))
            .unwrap_or_default();
        let source = Headed { head: head.into_bytes().into(), rest: shared.hub.queue().source(message) };
        let (fates, failed) = deliver(&mut link, envelope, &source).await;
        let _ = link.conn().quit();
        link.close().await;
        for ((place, recipient, _), fate) in copies.into_iter().zip(fates) {
            verdicts.push((place, verdict(recipient, fate, name)));
        }
        worst = match contact(message, name, failed.as_ref()) {
            Contact::Reached => worst,
            other => other,
        };
    }
    (worst, verdicts)
}

/// A message with a field on top.
struct Headed<S> {
    head: bytes::Bytes,
    rest: S,
}

impl<S: MessageSource> MessageSource for Headed<S> {
    fn read(&self, offset: u64, bytes_max: usize) -> std::io::Result<bytes::Bytes> {
        match offset.checked_sub(self.head.len() as u64) {
            Some(offset) => self.rest.read(offset, bytes_max),
            None => self.head.read(offset, bytes_max),
        }
    }
}

/// An SMTP session with the next hop of a domain, under TLS where that offers it and this site has an authority.
async fn connect(shared: &Shared, next_hop: &HostPort) -> Result<Link<Machine<Smtp>>, String> {
    let connecting = async {
        let stream =
            TcpStream::connect((next_hop.host.as_str(), next_hop.port)).await.map_err(|e| e.to_string())?;
        let address = stream.peer_addr().map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let mut config = Config::new(Domain::new(&shared.hostname).map_err(|e| e.to_string())?);
        // No certificate of a foreign server can be checked against the site's own authority.
        config.tls = TlsMode::Never;
        let mut link = Link::new(Transport::Plain(stream), address, Machine::new(config, Instant::now()));
        loop {
            match link.next().await.map_err(|e| e.to_string())? {
                Some(Event::Ready(_)) => return Ok(link),
                Some(Event::Closed(_)) | None => return Err("it closed the connection".to_owned()),
                Some(_) => {}
            }
        }
    };
    match tokio::time::timeout(shared.config.limits.connect_timeout, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn verdict(recipient: &Recipient, fate: Option<Fate>, server: &str) -> Verdicted {
    match fate {
        None => Verdicted::Later(reply(451, 4, 2, "The connection to the mail server broke off")),
        Some(Fate { verdict: Verdict::Success, .. }) => Verdicted::Delivered,
        Some(Fate { verdict: Verdict::Permanent, reply }) => Verdicted::Failed(Failure {
            recipient: recipient.original.clone(),
            reply,
            remote: Some(server.to_owned()),
        }),
        Some(Fate { reply, .. }) => Verdicted::Later(reply),
    }
}

/// Notes verdicts, and reports failures, in one transaction. When that fails the copies wait on.
async fn settle(shared: &Shared, message: &Message, verdicts: Vec<(usize, Verdicted)>) {
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    let mut last_reply = String::new();
    let mut later = false;
    for (place, verdict) in verdicts {
        match verdict {
            Verdicted::Delivered => outcomes.push((place, Outcome::Delivered)),
            Verdicted::Failed(failure) => failures.push((place, failure)),
            Verdicted::Later(reply) => {
                later = true;
                last_reply = reply_text(&reply);
            }
        }
    }
    let (report, buried) = match account_for(shared, message, &failures).await {
        Ok(accounted) => {
            outcomes.extend(failures.iter().map(|(place, _)| (*place, Outcome::Failed)));
            accounted
        }
        Err(why) => {
            // Nobody is told yet, so nothing has failed yet.
            last_reply = reply_text(&why);
            later = true;
            (None, Vec::new())
        }
    };
    if outcomes.is_empty() && !later {
        return;
    }
    let settlement =
        Settlement { id: message.id, attempt: message.attempts + 1, outcomes, last_reply, report, buried };
    match shared.hub.queue().settle(settlement).await {
        Ok(()) | Err(QueueError::Refused(Refusal::Gone)) => {}
        Err(e) => {
            shared.hub.failed(&e);
            warn!(id = %message.id, error = %e, "cannot note what an attempt came to");
        }
    }
    if later && message.attempts >= ATTEMPTS_BEFORE_SET_APART {
        match shared.hub.queue().set_apart(message).await {
            Ok(()) | Err(QueueError::Refused(Refusal::Gone)) => {}
            Err(e) => warn!(id = %message.id, error = %e, "cannot set a message apart"),
        }
    }
}

type Accounted = (Option<NewMessage>, Vec<(ForwardPath, String)>);

/// Who is told of failures: the sender, by a report; or nobody, and then they are buried. The error says why that
/// cannot be decided now.
async fn account_for(
    shared: &Shared,
    message: &Message,
    failures: &[(usize, Failure)],
) -> Result<Accounted, Reply> {
    if failures.is_empty() {
        return Ok((None, Vec::new()));
    }
    let failures: Vec<Failure> = failures.iter().map(|(_, failure)| failure.clone()).collect();
    let buried = || {
        warn!(id = %message.id, copies = failures.len(), "failed, and nobody can be told");
        failures.iter().map(|f| (f.recipient.clone(), reply_text(&f.reply))).collect()
    };
    // A report must never cause another.
    let ReversePath::Address(sender) = &message.envelope.reverse_path else { return Ok((None, buried())) };
    let original = ForwardPath::Address(sender.clone());
    let targets = match admit(shared, &original, &Client::Anyone).await {
        Ok(allowed) => allowed.into_targets(),
        Err(reply) if reply.verdict() == Verdict::Permanent => return Ok((None, buried())),
        Err(reply) => return Err(reply),
    };
    let queue = shared.hub.queue();
    let source = queue.source(message);
    let beginning = crate::net::on_disk(|| source.read(0, HEADERS_BYTES_MAX)).map_err(|e| {
        warn!(id = %message.id, error = %e, "the message cannot be read");
        Reply::local_error()
    })?;
    let id = queue.new_id().map_err(|_| Reply::local_error())?;
    let arrived = i64::try_from(message.accepted_at.as_millis()).unwrap_or(0);
    let report = Report {
        hostname: &shared.hostname,
        id,
        about: message.id,
        arrived: Timestamp::from_millisecond(arrived).unwrap_or_default(),
        now: Timestamp::now(),
        to: &sender.to_string(),
        failures: &failures,
        headers: header_section(&beginning),
    };
    let envelope = QueueEnvelope {
        reverse_path: ReversePath::Null,
        body: Body::EightBitMime,
        recipients: targets
            .into_iter()
            .map(|target| Recipient { original: original.clone(), target })
            .collect(),
    };
    info!(id = %message.id, report = %id, copies = failures.len(), "failed, the sender is told");
    Ok((Some(NewMessage { id, envelope, body: NewBody::Inline(report.render()) }), Vec::new()))
}

/// How long a message may still be tried.
fn time_left(shared: &Shared, message: &Message) -> Duration {
    let age_millis = shared.hub.queue().now().as_millis().saturating_sub(message.accepted_at.as_millis());
    shared.config.queue.lifetime.saturating_sub(Duration::from_millis(age_millis))
}

/// How long a message waits now: by its attempts, and not beyond its life.
pub(super) fn wait(shared: &Shared, message: &Message) -> Duration {
    let limits = &shared.config.queue;
    let wait = back_off(limits.first_retry, limits.retry_max, message.attempts);
    match time_left(shared, message) {
        // Its time is over and that could not be noted: not too soon again.
        Duration::ZERO => wait,
        left => wait.min(left),
    }
}

/// How long a message waits after so many attempts: the first wait, doubled with each further one.
fn back_off(first: Duration, max: Duration, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let wait =
            |attempts| back_off(Duration::from_secs(60), Duration::from_secs(4000), attempts).as_secs();
        assert_eq!([0, 1, 2, 3, 6, 7, 8, 100].map(wait), [60, 60, 120, 240, 1920, 3840, 4000, 4000]);
        assert_eq!(wait(u32::MAX), 4000);
    }
}
