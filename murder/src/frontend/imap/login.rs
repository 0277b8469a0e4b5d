//! Before and up to the login: the account is verified here, then the back-end of the user's INBOX is connected to,
//! so that the first command finds it there and the capabilities announced with the tagged OK are what both can do.
//!
//! A home that cannot be reached costs the user its mailboxes only: the login succeeds with this node's own list.

use std::sync::Arc;

use imap_proto::client::Capabilities;
use imap_proto::server::{AuthFailure, Connection, Event};
use imap_proto::{Capability, Command, Status};
use mail_wire::Ticket;
use mail_wire::sasl::Credentials;
use tracing::warn;

use super::backends::Backend;
use super::names::{View, Who};
use super::{answer_id, say_goodbye};
use crate::accounts::{Entry, Identity};
use crate::frontend::Shared;
use crate::net::{Link, LinkError, Shutdown};
use crate::routing::Login;
use crate::sasl::{Exchange, Next};

/// What a session can do after login; those of the second column only if its home can.
const CAPABILITIES: [(Capability<'static>, At); 13] = [
    (Capability::Id, At::FrontEnd),
    (Capability::Idle, At::BackEnd),
    (Capability::Namespace, At::FrontEnd),
    (Capability::Enable, At::FrontEnd),
    (Capability::Unselect, At::BackEnd),
    (Capability::UidPlus, At::BackEnd),
    (Capability::Move, At::BackEnd),
    (Capability::Children, At::FrontEnd),
    (Capability::SpecialUse, At::BackEnd),
    (Capability::CreateSpecialUse, At::BackEnd),
    (Capability::Acl, At::FrontEnd),
    (Capability::RIGHTS_KXTE, At::FrontEnd),
    (Capability::Quota, At::BackEnd),
];

/// Where something is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FrontEnd,
    BackEnd,
}

/// Somebody who is in.
pub(super) struct LoggedIn {
    pub(super) who: Who,
    pub(super) view: View,
    /// The connection to his INBOX's server, if it could be had.
    pub(super) home: Option<Backend>,
}

/// Serves a connection up to its login. `None` if it ends before.
pub(super) async fn log_in(
    shared: &Arc<Shared>,
    client: &mut Link<Connection>,
    shutdown: &mut Shutdown,
) -> Result<Option<LoggedIn>, LinkError> {
    let mut exchange: Option<Exchange> = None;
    loop {
        let event = tokio::select! {
            event = client.next() => event?,
            () = shutdown.requested() => {
                say_goodbye(client).await;
                None
            }
        };
        let Some(event) = event else { return Ok(None) };
        let (ticket, next) = match event {
            Event::StartTls => {
                if let Some(acceptor) = &shared.acceptor {
                    client.accept_tls(acceptor).await?;
                }
                continue;
            }
            Event::Command(ticket, command) => {
                let status = match command.view().command {
                    Command::Id(_) => answer_id(client)?,
                    Command::Noop => Status::ok("Completed"),
                    // What may be said before login, and is not announced, as LANGUAGE.
                    _ => Status::bad("Unknown command"),
                };
                client.conn().reply(ticket, &status)?;
                continue;
            }
            Event::Login(ticket, credentials) => (ticket, Ok(Next::Check(credentials))),
            Event::Authenticate { ticket, mechanism, initial } => {
                let started = Exchange::start(mechanism.as_str(), initial.as_ref());
                (
                    ticket,
                    started.map(|(begun, next)| {
                        exchange = Some(begun);
                        next
                    }),
                )
            }
            Event::AuthResponse(ticket, message) => match &mut exchange {
                Some(exchange) => (ticket, exchange.respond(&message)),
                None => {
                    client
                        .conn()
                        .auth_failed(ticket, AuthFailure::Credentials)
                        .map_err(mail_wire::Error::from)?;
                    continue;
                }
            },
            Event::AuthAborted => {
                exchange = None;
                continue;
            }
            Event::Misuse(e) => {
                warn!(protocol = "imap", error = %e, "a command was left without a reply");
                continue;
            }
            _ => continue,
        };
        match next {
            Ok(Next::Challenge(challenge)) => {
                client.conn().challenge(ticket, challenge).map_err(mail_wire::Error::from)?;
            }
            Ok(Next::Check(credentials)) => {
                exchange = None;
                if let Some(logged_in) = check(shared, client, ticket, &credentials).await? {
                    return Ok(Some(logged_in));
                }
            }
            Err(_) => {
                exchange = None;
                client
                    .conn()
                    .auth_failed(ticket, AuthFailure::Credentials)
                    .map_err(mail_wire::Error::from)?;
            }
        }
    }
}

async fn check(
    shared: &Arc<Shared>,
    client: &mut Link<Connection>,
    ticket: Ticket,
    credentials: &Credentials,
) -> Result<Option<LoggedIn>, LinkError> {
    let who = match shared.doors.log_in(credentials, client.peer().ip(), "imap").await {
        Entry::Granted(Identity::User { login, .. }) => Ok(Who::User(login)),
        Entry::Granted(Identity::Admin(_)) => Ok(Who::Admin),
        Entry::Granted(Identity::Peer(_)) | Entry::Rejected => Err(AuthFailure::Credentials),
        Entry::Unavailable => Err(AuthFailure::Temporary),
    };
    let named = who.and_then(|who| {
        let view = View::new(&who, shared.config.namespace).ok_or(AuthFailure::Credentials)?;
        Ok((who, view))
    });
    let (who, view) = match named {
        Ok(named) => named,
        Err(why) => {
            client.conn().auth_failed(ticket, why).map_err(mail_wire::Error::from)?;
            return Ok(None);
        }
    };
    let mut home = match &who {
        Who::User(login) => connect_home(shared, &who, login).await,
        Who::Admin => None,
    };
    let theirs = home.as_mut().and_then(|home| home.link.conn().capabilities().cloned());
    client.conn().set_capabilities(capabilities(theirs.as_ref()));
    client.conn().auth_ok(ticket, "Logged in".into()).map_err(mail_wire::Error::from)?;
    Ok(Some(LoggedIn { who, view, home }))
}

/// Finds or makes the user's INBOX and connects to its server, within the time that a user waits.
async fn connect_home(shared: &Arc<Shared>, who: &Who, login: &Login) -> Option<Backend> {
    let connecting = async {
        let server = shared.homes.ensure(login).await.map_err(|e| e.to_string())?;
        Backend::connect(shared, who, &server).await.map_err(|e| e.to_string())
    };
    let connected = tokio::time::timeout(shared.config.limits.connect_timeout, connecting).await;
    match connected.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
        Ok(home) => Some(home),
        Err(error) => {
            warn!(protocol = "imap", login = login.as_str(), error, "no home for a user");
            None
        }
    }
}

/// What both sides can do; all that this side can while the other is not known.
fn capabilities(home: Option<&Capabilities>) -> Vec<Capability<'static>> {
    let has = |name: &Capability<'_>| {
        home.is_none_or(|home| {
            home.iter().any(|theirs| Capability::new(theirs).is_ok_and(|theirs| theirs == *name))
        })
    };
    CAPABILITIES.iter().filter(|(name, at)| *at == At::FrontEnd || has(name)).map(|(name, _)| *name).collect()
}
