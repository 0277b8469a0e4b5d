//! The SASL mechanisms of a node's logins, in one place for all protocols.
//!
//! The connections carry messages; here the mechanisms of `mail_wire::sasl` turn them into credentials to check.

use mail_wire::sasl::{Credentials, Mechanism, MechanismName, ServerExchange, Step};
use mail_wire::{InvalidMessage, Secret};

/// One SASL exchange of a session, over the mechanisms that stand in `mail_wire::sasl`.
#[derive(Debug)]
pub(crate) struct Exchange(ServerExchange);

/// What an exchange wants next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this challenge.
    Challenge(&'static [u8]),
    /// Check these.
    Check(Credentials),
}

impl Exchange {
    /// Begins an exchange by this mechanism.
    pub(crate) fn start(
        name: &str,
        initial: Option<&Secret<Vec<u8>>>,
    ) -> Result<(Self, Next), InvalidMessage> {
        let mechanism =
            Mechanism::by_name(name.as_bytes()).ok_or(InvalidMessage::new("mechanism expected", 0))?;
        let mut exchange = ServerExchange::new(mechanism);
        let step = exchange.start(initial.map(|message| message.expose().as_slice()))?;
        Ok((Self(exchange), next(step)))
    }

    /// Goes on with the client's response.
    pub(crate) fn respond(&mut self, message: &Secret<Vec<u8>>) -> Result<Next, InvalidMessage> {
        self.0.respond(message.expose()).map(next)
    }
}

fn next(step: Step) -> Next {
    match step {
        Step::Challenge(text) => Next::Challenge(text),
        Step::Done(credentials) => Next::Check(credentials),
    }
}

/// The mechanisms that are offered.
pub(crate) fn mechanism_names() -> Vec<MechanismName> {
    [Mechanism::Plain, Mechanism::Login].map(Into::into).to_vec()
}
