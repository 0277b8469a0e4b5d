//! Logging in: who a session is, and what it may see (RFC 3501 6.2; RFC 4616).

use imap_proto::ErrorCode;
use imap_proto::server::AuthFailure;
use mail_wire::sasl::Credentials;
use mail_wire::{Secret, Ticket};
use mailstore::store::{self, Actor};
use tracing::warn;

use super::Session;
use super::answer::{Failure, no};
use super::names::Names;
use crate::accounts::{Entry, Identity};
use crate::backend::auth::actor_of;
use crate::backend::places::ensure_inbox;
use crate::mailboxes::Namespace;
use crate::net::LinkError;
use crate::sasl::{Exchange, Next};

/// Somebody who has logged in.
#[derive(Debug)]
pub(super) struct Who {
    /// The store in his hands.
    pub(super) store: store::Session,
    /// What he calls mailboxes.
    pub(super) names: Names,
}

impl Who {
    /// Refuses other nodes: their credential is for mailboxes, not for the mail in them.
    pub(super) fn require_reader(&self) -> Result<(), Failure> {
        match self.store.actor() {
            Actor::Peer => Err(no(ErrorCode::NoPerm, "Not for another node")),
            _ => Ok(()),
        }
    }
}

impl Session {
    pub(super) async fn authenticate(
        &mut self,
        ticket: Ticket,
        mechanism: &str,
        initial: Option<&Secret<Vec<u8>>>,
    ) -> Result<(), LinkError> {
        match Exchange::start(mechanism, initial) {
            Ok((exchange, next)) => self.go_on(ticket, exchange, next).await,
            Err(_) => self.reject(ticket, AuthFailure::Credentials),
        }
    }

    pub(super) async fn auth_response(
        &mut self,
        ticket: Ticket,
        message: &Secret<Vec<u8>>,
    ) -> Result<(), LinkError> {
        let step = self.exchange.take().map(|mut exchange| (exchange.respond(message), exchange));
        match step {
            Some((Ok(next), exchange)) => self.go_on(ticket, exchange, next).await,
            _ => self.reject(ticket, AuthFailure::Credentials),
        }
    }

    async fn go_on(&mut self, ticket: Ticket, exchange: Exchange, next: Next) -> Result<(), LinkError> {
        match next {
            Next::Challenge(challenge) => {
                self.exchange = Some(exchange);
                Ok(self.link.conn().challenge(ticket, challenge).map_err(mail_wire::Error::from)?)
            }
            Next::Check(credentials) => self.log_in(ticket, &credentials).await,
        }
    }

    pub(super) async fn log_in(
        &mut self,
        ticket: Ticket,
        credentials: &Credentials,
    ) -> Result<(), LinkError> {
        let entry = self.shared.doors.log_in(credentials, self.link.peer().ip(), "imap").await;
        let who = match entry {
            Entry::Granted(identity) => self.admit(identity).await,
            Entry::Rejected => Err(AuthFailure::Credentials),
            Entry::Unavailable => Err(AuthFailure::Temporary),
        };
        match who {
            Ok(who) => {
                self.who = Some(who);
                let ok = self.link.conn().auth_ok(ticket, "Logged in".into());
                Ok(ok.map_err(mail_wire::Error::from)?)
            }
            Err(why) => self.reject(ticket, why),
        }
    }

    fn reject(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), LinkError> {
        Ok(self.link.conn().auth_failed(ticket, why).map_err(mail_wire::Error::from)?)
    }

    /// The session of this identity. A user who comes straight to a back-end that runs alone gets his INBOX made.
    async fn admit(&self, identity: Identity) -> Result<Who, AuthFailure> {
        let (store, config) = (&self.shared.store, &self.shared.config);
        let (actor, names) = match identity {
            Identity::User { login, through } => {
                if config.standalone
                    && config.autocreate
                    && let Err(error) = ensure_inbox(store, &login, None).await
                {
                    warn!(protocol = "imap", login = login.as_str(), %error, "cannot make an INBOX");
                    return Err(AuthFailure::Temporary);
                }
                let namespace = match through {
                    Some(_) => Namespace::Classic,
                    None => config.namespace,
                };
                let actor = actor_of(&login).ok_or(AuthFailure::Credentials)?;
                (actor, Names::of_user(login.as_str(), namespace))
            }
            Identity::Admin(_) => (Actor::Admin, Names::absolute()),
            Identity::Peer(_) => (Actor::Peer, Names::absolute()),
        };
        Ok(Who { store: store.session(actor), names })
    }
}
