//! Logging in: LOGIN and AUTHENTICATE (RFC 3501 6.2.2, 6.2.3; RFC 4959; codes of RFC 5530).
//!
//! The connection carries the messages of an exchange and keeps its forms; who checks them is its owner. All ways
//! in end in the same two calls, and everything a stranger may be told about a failure has one text (safety row A3).

use mail_wire::sasl::{self, Authcid, ClientMessage, Credentials, MechanismName};
use mail_wire::{ApiMisuse, Error, PeerMisbehaved, Ticket};

use super::turn::{BAD_ARGUMENTS, Duty, NOT_WITHOUT_TLS, Step, Turn};
use super::{Connection, Event, ExpungeTiming, Peer, StartTls, State, UnaskedLiterals};
use crate::{Authenticate, Capability, Command, Enabled, Login, Parsed, Text, Verb, kind};

/// Why a login failed, as far as the client may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFailure {
    /// Unknown user, wrong password, disabled account, no right to act for another: `[AUTHENTICATIONFAILED]`,
    /// always with the same text.
    Credentials,
    /// Whoever could tell is not there; it does not count as a guess: `[UNAVAILABLE]`.
    Temporary,
}

impl Connection {
    /// Answers a login with OK and the capabilities that hold from here on (set them before, if they differ).
    ///
    /// # Errors
    /// [`ApiMisuse`] if the ticket is not that of a login.
    pub fn auth_ok(&mut self, ticket: Ticket, text: Text<'_>) -> Result<(), ApiMisuse> {
        self.redeem_auth(ticket)?;
        self.logged_in();
        self.tagged_ok(&text);
        Ok(())
    }

    pub(super) fn logged_in(&mut self) {
        self.state = State::Authenticated;
        self.login_deadline = None;
        self.core.set_timeout(Some(self.config.timeouts.idle));
        self.framer.set_limits(self.config.limits.after_login);
        self.parser.set_limits(self.config.limits.grammar_after_login);
    }

    /// All that came with the login goes with it (RFC 8437 3, 4.1). TLS stays, and the count of failed logins.
    pub(super) fn log_out(&mut self) {
        self.state = State::NotAuthenticated;
        self.login_deadline = self.now.checked_add(self.config.timeouts.login);
        self.core.set_timeout(None);
        self.framer.set_limits(self.config.limits.before_login);
        self.parser.set_limits(self.config.limits.grammar_before_login);
        (self.peer, self.expunge_timing) = (Peer::User, ExpungeTiming::DuringCommands);
        self.is_compressed = false;
        self.set_enabled(Enabled::default());
    }

    pub(super) fn set_enabled(&mut self, enabled: Enabled) {
        self.enabled = enabled;
        self.parser.set_names(enabled.names());
    }

    /// Answers a login with NO. Too many of them end the connection at the next poll.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the ticket is not that of a login.
    pub fn auth_failed(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), ApiMisuse> {
        self.redeem_auth(ticket)?;
        match why {
            AuthFailure::Credentials => self.rejected(),
            AuthFailure::Temporary => self.tagged("NO [UNAVAILABLE] Temporary failure, try again later"),
        }
        Ok(())
    }

    /// Sends a challenge; the client's response comes as [`Event::AuthResponse`] with the ticket of the command.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the ticket is not that of an AUTHENTICATE.
    pub fn challenge(&mut self, ticket: Ticket, challenge: &[u8]) -> Result<(), ApiMisuse> {
        if matches!(self.verb, Some((Verb::Login, _))) {
            return Err(ApiMisuse::WrongState("LOGIN knows no challenge"));
        }
        self.redeem_auth(ticket)?;
        let line = sasl::encode(challenge);
        self.put(&["+ ", line.expose(), "\r\n"]);
        self.pass_to_client(Turn::AuthResponse);
        Ok(())
    }

    fn redeem_auth(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        if self.turn != Turn::Reply(Duty::Auth) {
            return Err(ApiMisuse::WrongState("no login is under way"));
        }
        self.check_may_answer()?;
        self.ledger.redeem(ticket)?;
        self.pass_to_client(Turn::Command);
        Ok(())
    }

    /// The one answer to everything that is wrong with a name or a password.
    fn rejected(&mut self) {
        self.tagged("NO [AUTHENTICATIONFAILED] Authentication failed");
        self.auth_failures += 1;
        if self.auth_failures >= self.config.limits.auth_failures_max {
            self.end(PeerMisbehaved::TooManyFailedLogins.into());
        }
    }

    pub(super) fn login(&mut self, command: &Parsed<kind::Command>) -> Result<Option<Event>, Error> {
        let Command::Login(Login { user, password }) = command.view().command else {
            return self.bad_login(BAD_ARGUMENTS);
        };
        // A name that cannot be one is as wrong as a name that is not.
        let Ok(authcid) = Authcid::new(&user.to_bytes()) else {
            self.rejected();
            return Ok(None);
        };
        let password = password.0.to_bytes().into_owned().into();
        self.turn = Turn::Reply(Duty::Auth);
        Ok(Some(Event::Login(self.ledger.issue(), Credentials { authcid, authzid: None, password })))
    }

    pub(super) fn authenticate(&mut self, command: &Parsed<kind::Command>) -> Result<Option<Event>, Error> {
        let Command::Authenticate(Authenticate { mechanism, initial }) = command.view().command else {
            return self.bad_login(BAD_ARGUMENTS);
        };
        let is_asked =
            |name: &&MechanismName| name.as_str().as_bytes().eq_ignore_ascii_case(mechanism.as_bytes());
        let Some(mechanism) = self.config.mechanisms.iter().find(is_asked).cloned() else {
            return self.bad_login("NO Unsupported authentication mechanism");
        };
        if mechanism.sends_password() && !self.passwords_are_taken() {
            return self.bad_login(NOT_WITHOUT_TLS);
        }
        let initial = match initial.map(|text| sasl::decode_initial(&text.0.to_bytes())) {
            None => None,
            Some(Ok(message)) => Some(message),
            Some(Err(_)) => return self.bad_login("BAD Invalid base64"),
        };
        self.turn = Turn::Reply(Duty::Auth);
        Ok(Some(Event::Authenticate { ticket: self.ledger.issue(), mechanism, initial }))
    }

    /// A line that the client sent in answer to a challenge. What is wrong with it ends the exchange (A5).
    pub(super) fn auth_line(&mut self, line: &[u8]) -> Result<Step, Error> {
        self.turn = Turn::Command;
        match sasl::decode_line(line) {
            Ok(ClientMessage::Response(message)) => {
                self.turn = Turn::Reply(Duty::Auth);
                return Ok(Step::Event(Event::AuthResponse(self.ledger.issue(), message)));
            }
            Ok(ClientMessage::Cancel) => self.bad_login("BAD Authentication cancelled")?,
            Err(_) => self.bad_login("BAD Invalid base64")?,
        };
        Ok(Step::Event(Event::AuthAborted))
    }

    fn bad_login(&mut self, answer: &str) -> Result<Option<Event>, Error> {
        self.tagged(answer);
        self.count_bad()?;
        Ok(None)
    }

    /// `CAPABILITY ...` as it stands now: what the connection does itself, then what its owner adds.
    pub(super) fn put_capabilities(&mut self) {
        let literals = match self.config.unasked_literals {
            UnaskedLiterals::Any => Capability::LiteralPlus,
            UnaskedLiterals::Small => Capability::LiteralMinus,
        };
        let mut names = vec![Capability::Imap4Rev1, literals];
        let mut mechanisms: &[MechanismName] = &[];
        let passwords_are_taken = self.passwords_are_taken();
        if self.state > State::NotAuthenticated {
            names.extend_from_slice(&self.config.capabilities_after_login);
        } else {
            names.push(Capability::SaslIr);
            if self.config.start_tls == StartTls::Offer && self.core.tls().is_none() {
                names.push(Capability::StartTls);
            }
            if !passwords_are_taken {
                names.push(Capability::LoginDisabled);
            }
            names.extend_from_slice(&self.config.capabilities_before_login);
            mechanisms = &self.config.mechanisms;
        }
        let out = &mut self.core.out;
        out.put(b"CAPABILITY");
        for name in names {
            out.put(b" ");
            out.put(name.to_string().as_bytes());
        }
        for mechanism in mechanisms.iter().filter(|m| passwords_are_taken || !m.sends_password()) {
            out.put(b" AUTH=");
            out.put(mechanism.as_str().as_bytes());
        }
    }
}
