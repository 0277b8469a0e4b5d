//! Whose mail is taken: the decision at RCPT and at MAIL, before any byte of the message.
//!
//! A recipient enters an envelope only with the proof [`RelayAllowed`], which nothing but [`admit`] makes (safety row
//! Q1): the address leads to a mailbox of this site, or into a domain that is relayed by the site's own database.
//! Whatever cannot be found out now is a temporary failure, never "no such user".

use std::time::Duration;

use smtp_proto::{Code, ForwardPath, Reply, ReversePath};
use tracing::warn;

use super::queue::{Passage, Target};
use crate::frontend::Shared;
use crate::routing::{self, Destination, DomainKind, DomainName, Fault, Login, Place, Route};

/// How long to wait for the mailbox list to be up to date before a mailbox counts as missing.
const REFRESH: Duration = Duration::from_secs(5);

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Client {
    /// Another server, or anybody.
    Anyone,
    /// A user of this site who has logged in.
    User(Login),
}

/// Proof that mail to a recipient may be taken, and where it leads.
#[derive(Debug)]
pub(super) struct RelayAllowed(Vec<Target>);

impl RelayAllowed {
    /// Where copies go; at least one.
    pub(super) fn into_targets(self) -> Vec<Target> {
        self.0
    }
}

/// Decides about a recipient. The error is what the client is told.
pub(super) async fn admit(
    shared: &Shared,
    path: &ForwardPath,
    client: &Client,
) -> Result<RelayAllowed, Reply> {
    let address = match path.address() {
        Some(address) => routing_address(address).ok_or_else(|| elsewhere(client))??,
        None if path.is_postmaster() => postmaster(shared).await?,
        None => return Err(Reply::no_such_mailbox()),
    };
    let targets = match shared.router.route(&address).await.map_err(|e| cannot_route(&e))?.as_ref() {
        Route::Mailbox(place) => vec![mailbox(shared, place).await?],
        Route::Forward(expansion) => forward(shared, expansion).await?,
        Route::Relay(next_hop) => {
            let address = path.address().cloned().ok_or_else(Reply::no_such_mailbox)?;
            vec![Target::Relay { address, next_hop: next_hop.clone(), passage: Passage::Direct }]
        }
        Route::Reject(text) => return Err(Reply::new(Code::FAILED, text.clone()).with_status(7, 1)),
        Route::Unknown => return Err(Reply::no_such_mailbox()),
        Route::UnknownDomain => return Err(elsewhere(client)),
        Route::Broken(Fault::Loop) => return Err(reply(554, 4, 6, "This address leads in a circle")),
        Route::Broken(fault) => {
            warn!(?fault, "the rows of an address make no sense");
            return Err(Reply::local_error());
        }
    };
    Ok(RelayAllowed(targets))
}

/// Whether a user may name this reverse path: one of his own addresses, or none.
pub(super) async fn may_send_as(shared: &Shared, login: &Login, path: &ReversePath) -> Result<(), Reply> {
    let Some(address) = path.address() else { return Ok(()) };
    let foreign = || reply(553, 7, 1, "This is not an address of yours");
    let address = routing_address(address).ok_or_else(foreign)?.map_err(|_| foreign())?;
    let is_own = match shared.router.route(&address).await.map_err(|e| cannot_route(&e))?.as_ref() {
        Route::Mailbox(place) => place.login == *login,
        Route::Forward(expansion) => expansion
            .destinations
            .iter()
            .any(|to| matches!(to, Destination::Mailbox(place) if place.login == *login)),
        _ => false,
    };
    if is_own { Ok(()) } else { Err(foreign()) }
}

/// The address as routing has it; `None` if its domain cannot be one of ours.
fn routing_address(address: &smtp_proto::Address) -> Option<Result<routing::Address, Reply>> {
    let domain: DomainName = address.domain().as_str().parse().ok()?;
    let address = routing::Address::new(address.local_part(), domain);
    Some(address.map_err(|_| Reply::no_such_mailbox()))
}

/// Whom `<Postmaster>` means (RFC 5321 4.5.1): the postmaster of this host, or of the first domain that has one.
async fn postmaster(shared: &Shared) -> Result<routing::Address, Reply> {
    let domains = shared.router.store().domains().await.map_err(|e| cannot_route(&e))?;
    let local =
        domains.into_iter().filter(|domain| domain.kind == DomainKind::Local).map(|domain| domain.name);
    for domain in shared.hostname.parse().ok().into_iter().chain(local) {
        let Ok(address) = routing::Address::new("postmaster", domain) else { continue };
        let route = shared.router.route(&address).await.map_err(|e| cannot_route(&e))?;
        if matches!(route.as_ref(), Route::Mailbox(_) | Route::Forward(_)) {
            return Ok(address);
        }
    }
    Err(Reply::no_such_mailbox())
}

async fn forward(shared: &Shared, expansion: &routing::Expansion) -> Result<Vec<Target>, Reply> {
    let mut targets = Vec::new();
    let mut missing = expansion.dangling.len();
    for destination in &expansion.destinations {
        match destination {
            Destination::Mailbox(place) => match mailbox(shared, place).await {
                Ok(target) => targets.push(target),
                Err(reply) if reply.verdict() == smtp_proto::Verdict::Permanent => missing += 1,
                Err(reply) => return Err(reply),
            },
            Destination::Relay { address, next_hop } => match address.to_string().parse() {
                Ok(address) => {
                    let next_hop = next_hop.clone();
                    targets.push(Target::Relay { address, next_hop, passage: Passage::Forwarded });
                }
                Err(_) => missing += 1,
            },
            // To take it and then fail would be a report to somebody who may not have sent it.
            Destination::Outside(_) => {
                return Err(reply(550, 4, 4, "This address forwards to where no mail goes"));
            }
        }
    }
    if missing > 0 {
        warn!(missing, "an address forwards to mailboxes that do not exist");
    }
    if targets.is_empty() { Err(Reply::no_such_mailbox()) } else { Ok(targets) }
}

/// A mailbox of this site: one that is there, or that is made at its first delivery.
async fn mailbox(shared: &Shared, place: &Place) -> Result<Target, Reply> {
    let found = || shared.config.autocreate || shared.homes.find(&place.login).is_some();
    if !found() {
        // The list may be behind, and while it is not followed nothing is known to be missing.
        shared.replica.refresh(REFRESH).await.map_err(|e| {
            warn!(error = %e, "cannot tell whether a mailbox exists");
            Reply::local_error()
        })?;
        if !found() {
            return Err(Reply::no_such_mailbox());
        }
    }
    Ok(Target::Mailbox { login: place.login.clone(), detail: place.detail.clone() })
}

fn elsewhere(client: &Client) -> Reply {
    match client {
        Client::Anyone => Reply::relay_denied(),
        Client::User(_) => reply(550, 4, 4, "No route to this domain"),
    }
}

fn cannot_route(error: &routing::RouteError) -> Reply {
    warn!(error = %error, "cannot route an address");
    Reply::local_error()
}

pub(super) fn reply(code: u16, subject: u16, detail: u16, text: &'static str) -> Reply {
    Reply::new(Code::new(code).unwrap_or(Code::FAILED), text).with_status(subject, detail)
}
