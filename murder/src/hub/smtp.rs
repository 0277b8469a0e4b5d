//! The SMTP servers: mail from other servers, and from users (submission, RFC 6409).
//!
//! Each recipient is decided at RCPT, so that no report has to be sent to somebody who did not write (safety row Q3).
//! The message goes into the queue as it comes, a `Received` field on top; the 250 follows the durable commit, and
//! everything else happens after it (Q5). A message that has come round in a circle is refused at its end (Q2).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use mail_wire::{Escaped, Ticket};
use mailstore::log::LogError;
use smtp_proto::server::{AuthFailure, AuthPolicy, Config, Event, Machine, StartTls};
use smtp_proto::{Body, Code, Domain, ForwardPath, MailParams, Reply, ReversePath, Smtp};
use tracing::{debug, info, warn};

use super::hops::HopScan;
use super::queue::{
    BodyWriter, ENVELOPE_BYTES_MAX, Envelope, NewMessage, QueueError, QueueId, Recipient, Refusal, Target,
    recipient_bytes,
};
use super::recipients::{Client, admit, may_send_as, reply};
use crate::accounts::{Entry, Identity, plaintext_login};
use crate::frontend::Shared;
use crate::net::{Accepted, Link, LinkError, Shutdown, on_disk};
use crate::sasl::{Exchange, Next, mechanism_names};
use crate::trace::{Hop, With};

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Mail from other servers.
    Mx,
    /// Mail from users.
    Submission,
}

/// Serves one connection from another server.
pub(crate) async fn serve_mx(shared: Arc<Shared>, accepted: Accepted, shutdown: Shutdown) {
    serve(shared, accepted, shutdown, Service::Mx).await;
}

/// Serves one connection from a user's client.
pub(crate) async fn serve_submission(shared: Arc<Shared>, accepted: Accepted, shutdown: Shutdown) {
    serve(shared, accepted, shutdown, Service::Submission).await;
}

async fn serve(shared: Arc<Shared>, accepted: Accepted, mut shutdown: Shutdown, service: Service) {
    let peer = accepted.peer;
    let Ok(domain) = Domain::new(&shared.hostname) else { return };
    let limits = &shared.config.limits;
    let mut config = Config::new(domain);
    config.limits.message_bytes_max = limits.message_bytes_max;
    config.limits.recipients_max = limits.recipients_max as usize;
    config.limits.auth_failures_max = limits.auth_failures_max;
    config.limits.bad_commands_max = limits.bad_commands_max;
    config.start_tls = if shared.acceptor.is_some() { StartTls::Offer } else { StartTls::Off };
    if service == Service::Submission {
        config.mechanisms = mechanism_names();
        config.auth = AuthPolicy::Require;
        config.plaintext_login = plaintext_login(peer.ip());
    }
    let link = Link::new(accepted.transport, peer, Machine::new(config, Instant::now()));
    let client = Client::Anyone;
    let mut session =
        Session { shared, link, service, client, hello: None, exchange: None, transaction: None };
    if let Err(e) = session.run(&mut shutdown).await {
        debug!(protocol = "smtp", %peer, error = %e, "connection failed");
    }
}

struct Session {
    shared: Arc<Shared>,
    link: Link<Machine<Smtp>>,
    service: Service,
    client: Client,
    hello: Option<Box<str>>,
    exchange: Option<Exchange>,
    transaction: Option<Transaction>,
}

/// A message on its way in.
struct Transaction {
    reverse_path: ReversePath,
    body: Body,
    /// As the client named them.
    originals: Vec<ForwardPath>,
    recipients: Vec<Recipient>,
    recipients_bytes: usize,
    given: HashSet<Target>,
    message: Option<Incoming>,
}

/// The bytes of a message on its way in.
struct Incoming {
    id: QueueId,
    writer: BodyWriter,
    hops: HopScan,
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
            Event::Hello(name) => {
                self.hello = Some(name);
                self.transaction = None;
            }
            Event::StartTls => {
                // Whatever was said in the clear was said by nobody (RFC 3207 4.2).
                (self.client, self.hello, self.transaction) = (Client::Anyone, None, None);
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
                let reply = self.begin(reverse_path, &params).await;
                self.answer(ticket, &reply)?;
            }
            Event::Rcpt(ticket, path, _) => {
                let reply = match admit(&self.shared, &path, &self.client).await {
                    Ok(allowed) => self.add_recipient(path, allowed.into_targets()),
                    Err(reply) => reply,
                };
                self.answer(ticket, &reply)?;
            }
            Event::Data(ticket) => match self.begin_message() {
                Ok(()) => self.link.conn().accept_data(ticket).map_err(mail_wire::Error::from)?,
                Err(e) => {
                    warn!(protocol = "smtp", error = %e, "cannot take a message");
                    self.answer(ticket, &refusal(&e))?;
                }
            },
            Event::Chunk(bytes) => self.add_to_message(&bytes)?,
            Event::BodyEnd(ticket) => {
                let reply = self.commit().await;
                self.answer(ticket, &reply)?;
            }
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
        let login = match self.shared.doors.log_in(&credentials, self.link.peer().ip(), "submission").await {
            Entry::Granted(Identity::User { login, .. }) => Some(login),
            // An administrator may have a mailbox of his own, and sends as its owner.
            Entry::Granted(Identity::Admin(admin)) => admin.as_str().parse().ok(),
            Entry::Granted(Identity::Peer(_)) | Entry::Rejected => None,
            Entry::Unavailable => return self.fail_login(ticket, AuthFailure::Temporary),
        };
        match login {
            Some(login) => {
                self.client = Client::User(login);
                Ok(self.link.conn().auth_ok(ticket).map_err(mail_wire::Error::from)?)
            }
            None => self.fail_login(ticket, AuthFailure::Credentials),
        }
    }

    fn fail_login(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), LinkError> {
        Ok(self.link.conn().auth_failed(ticket, why).map_err(mail_wire::Error::from)?)
    }

    fn answer(&mut self, ticket: Ticket, reply: &Reply) -> Result<(), LinkError> {
        Ok(self.link.conn().reply(ticket, reply).map_err(mail_wire::Error::from)?)
    }

    async fn begin(&mut self, reverse_path: ReversePath, params: &MailParams) -> Reply {
        match (&self.client, self.service) {
            (Client::User(login), _) => {
                if let Err(reply) = may_send_as(&self.shared, login, &reverse_path).await {
                    info!(
                        protocol = "submission",
                        login = login.as_str(),
                        sender = %Escaped::new(&reverse_path.to_string()),
                        "refused a sender"
                    );
                    return reply;
                }
            }
            (Client::Anyone, Service::Mx) => {}
            (Client::Anyone, Service::Submission) => return reply(530, 7, 0, "Log in first"),
        }
        self.transaction = Some(Transaction {
            reverse_path,
            body: params.body.unwrap_or_default(),
            originals: Vec::new(),
            recipients: Vec::new(),
            recipients_bytes: 0,
            given: HashSet::new(),
            message: None,
        });
        Reply::sender_ok()
    }

    fn add_recipient(&mut self, original: ForwardPath, targets: Vec<Target>) -> Reply {
        let Some(transaction) = &mut self.transaction else { return Reply::local_error() };
        let mut recipients = Vec::new();
        for target in targets {
            // Who is reached by two ways gets one copy.
            if !transaction.given.contains(&target) {
                recipients.push(Recipient { original: original.clone(), target });
            }
        }
        let bytes: usize = recipients.iter().map(recipient_bytes).sum();
        // A sender takes some hundred bytes; the rest of the room is for recipients.
        if transaction.recipients_bytes + bytes > ENVELOPE_BYTES_MAX - 4096 {
            return reply(452, 5, 3, "Too many recipients");
        }
        transaction.recipients_bytes += bytes;
        transaction.given.extend(recipients.iter().map(|recipient| recipient.target.clone()));
        transaction.recipients.extend(recipients);
        transaction.originals.push(original);
        Reply::recipient_ok()
    }

    fn begin_message(&mut self) -> Result<(), QueueError> {
        let extended = self.link.conn().with_protocol() != "SMTP";
        let authenticated = self.link.conn().is_authenticated();
        let Some(transaction) = &mut self.transaction else { return Err(LogError::Closed.into()) };
        let queue = self.shared.hub.queue();
        let id = queue.new_id()?;
        let name = id.to_string();
        let recipient = match transaction.originals.as_slice() {
            [ForwardPath::Address(address)] => Some(address.to_string()),
            _ => None,
        };
        let hop = Hop {
            hello: self.hello.as_deref(),
            peer: self.link.peer().ip(),
            by: &self.shared.hostname,
            with: With {
                protocol: if extended { "ESMTP" } else { "SMTP" },
                tls: self.link.is_tls(),
                authenticated,
            },
            id: Some(&name),
            recipient: recipient.as_deref(),
        };
        let mut writer = queue.body();
        writer.write(hop.received(Timestamp::now()).as_bytes())?;
        transaction.message = Some(Incoming { id, writer, hops: HopScan::default() });
        Ok(())
    }

    fn add_to_message(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let Some(message) = &mut transaction.message else { return Ok(()) };
        message.hops.feed(bytes);
        let refused = if message.hops.received() > self.shared.config.limits.hops_max {
            Some(reply(554, 4, 6, "Too many hops, this message goes in a circle"))
        } else {
            on_disk(|| message.writer.write(bytes)).err().map(|e| {
                warn!(protocol = "smtp", error = %e, "cannot take a message");
                refusal(&e.into())
            })
        };
        if let Some(reply) = refused {
            self.transaction = None;
            self.link.conn().refuse_message(reply).map_err(mail_wire::Error::from)?;
        }
        Ok(())
    }

    /// Takes the message over, or says why not.
    async fn commit(&mut self) -> Reply {
        let Some(Transaction { reverse_path, body, originals, recipients, message: Some(message), .. }) =
            self.transaction.take()
        else {
            return Reply::local_error();
        };
        let Incoming { id, writer, hops } = message;
        let comes_back = |original: &ForwardPath| {
            original.address().is_some_and(|address| hops.was_delivered_to(&address.to_string()))
        };
        if originals.iter().any(comes_back) {
            return reply(554, 4, 6, "This message was delivered to this address before");
        }
        let sender = reverse_path.to_string();
        let count = recipients.len();
        let envelope = Envelope { reverse_path, body, recipients };
        let queue = self.shared.hub.queue();
        let accepted = match on_disk(|| writer.finish()) {
            Ok(body) => queue.accept(NewMessage { id, envelope, body }).await,
            Err(e) => Err(e.into()),
        };
        match accepted {
            Ok(()) => {
                let (peer, sender) = (self.link.peer(), Escaped::new(&sender).to_string());
                metrics::counter!("corbie_hub_accepted_total").increment(1);
                info!(protocol = "smtp", %peer, %id, sender, recipients = count, "accepted a message");
                Reply::new(Code::OK, format!("Queued as {id}")).with_status(0, 0)
            }
            Err(e) => {
                self.shared.hub.failed(&e);
                warn!(protocol = "smtp", error = %e, "cannot take a message");
                refusal(&e)
            }
        }
    }
}

fn refusal(error: &QueueError) -> Reply {
    match error {
        QueueError::Refused(Refusal::TooLarge) => reply(452, 5, 3, "Too many recipients"),
        QueueError::Refused(_) | QueueError::Log(LogError::DiskFull | LogError::QueueFull) => {
            Reply::storage_full()
        }
        QueueError::Log(LogError::BodyTooLarge { .. }) => Reply::too_big(),
        QueueError::Log(_) | QueueError::Randomness => Reply::local_error(),
    }
}
