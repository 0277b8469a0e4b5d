//! AUTH (RFC 4954): PLAIN and LOGIN by credentials, any mechanism step by step.

use bytes::Bytes;
use mail_wire::sasl::{self, Credentials, Mechanism, MechanismName};
use mail_wire::{ApiMisuse, Error, LineLimits, PeerIncompatible, PeerMisbehaved, Secret, TlsActive};

use super::{Event, Machine, What};
use crate::code::{Code, Verdict};
use crate::dialect::Dialect;
use crate::reply::Reply;

/// Bytes of a command line without extensions, which AUTH with an initial response keeps to (RFC 4954 4).
const LINE_BYTES_MAX: usize = 512;

impl<D: Dialect> Machine<D> {
    /// Logs in, with PLAIN or else LOGIN.
    ///
    /// # Errors
    /// `ApiMisuse` unless the connection [is idle](Self::is_idle); `PeerIncompatible` if the server offers neither
    /// mechanism, or only LOGIN where the credentials act as somebody else. The connection stays as it was.
    pub fn login(&mut self, credentials: &Credentials, _proof: TlsActive) -> Result<(), Error> {
        let capabilities = self.ready()?;
        let plain = capabilities.has_mechanism(Mechanism::Plain.name());
        let login = capabilities.has_mechanism(Mechanism::Login.name());
        if plain {
            let message = sasl::plain_message(credentials);
            // The command line has its limit of 512 bytes with an initial response too (RFC 4954 4).
            let encoded = sasl::encode(message.expose());
            let initial = encoded.expose().len() <= 512 - "AUTH PLAIN \r\n".len();
            let line = if initial {
                format!("AUTH PLAIN {}\r\n", encoded.expose())
            } else {
                "AUTH PLAIN\r\n".into()
            };
            self.command(line.as_bytes(), What::Auth(if initial { Vec::new() } else { vec![message] }));
        } else if !login {
            return Err(PeerIncompatible::Missing("AUTH PLAIN or LOGIN").into());
        } else if credentials.authzid.is_some() {
            return Err(PeerIncompatible::Inexpressible("LOGIN cannot act as another user").into());
        } else {
            let name = Secret::new(credentials.authcid.as_str().as_bytes().to_vec());
            self.command(b"AUTH LOGIN\r\n", What::Auth(vec![credentials.password.clone(), name]));
        }
        self.spoke = true;
        Ok(())
    }

    /// Begins a login by any mechanism, with its initial response if it has one. What follows are [`Event::Challenge`],
    /// [`Event::LoggedIn`], [`Event::LoginFailed`].
    ///
    /// # Errors
    /// `ApiMisuse` unless the connection [is idle](Self::is_idle); `PeerIncompatible` if the server does not offer the
    /// mechanism. The connection stays as it was.
    pub fn authenticate(
        &mut self,
        mechanism: &MechanismName,
        initial: Option<&Secret<Vec<u8>>>,
        _proof: TlsActive,
    ) -> Result<(), Error> {
        if !self.ready()?.has_mechanism(mechanism.as_str()) {
            return Err(PeerIncompatible::Missing("this AUTH mechanism").into());
        }
        let name = mechanism.as_str();
        let encoded = initial.map(|message| match message.expose().as_slice() {
            [] => Secret::from(String::from("=")),
            message => sasl::encode(message),
        });
        let in_command = encoded
            .as_ref()
            .is_none_or(|encoded| "AUTH  \r\n".len() + name.len() + encoded.expose().len() <= LINE_BYTES_MAX);
        match encoded.filter(|_| in_command) {
            Some(encoded) => {
                self.line(format_args!("AUTH {name} {}\r\n", encoded.expose()), What::Sasl(None))
            }
            None => self.line(format_args!("AUTH {name}\r\n"), What::Sasl(initial.cloned())),
        }
        self.set_line_bytes_max(sasl::MESSAGE_BYTES_MAX + "334 ".len());
        self.spoke = true;
        Ok(())
    }

    /// Answers [`Event::Challenge`].
    pub fn respond(&mut self, message: &Secret<Vec<u8>>) -> Result<(), ApiMisuse> {
        self.take_challenge()?;
        self.core.out.put(sasl::encode(message.expose()).expose().as_bytes());
        self.command(b"\r\n", What::Sasl(None));
        self.spoke = true;
        Ok(())
    }

    /// Gives up a login at [`Event::Challenge`]; [`Event::LoginFailed`] follows.
    pub fn cancel_login(&mut self) -> Result<(), ApiMisuse> {
        self.take_challenge()?;
        self.command(b"*\r\n", What::Cancelled);
        self.spoke = true;
        Ok(())
    }

    fn take_challenge(&mut self) -> Result<(), ApiMisuse> {
        if std::mem::take(&mut self.challenged) && !self.core.is_closing() {
            Ok(())
        } else {
            Err(ApiMisuse::WrongState("there is no challenge to answer"))
        }
    }

    fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        let drain_bytes_max = self.config.limits.drain_bytes_max;
        self.framer.set_limits(LineLimits { line_bytes_max, drain_bytes_max });
    }

    /// Takes a line of the server in an exchange that the owner makes; false if it is no challenge.
    pub(super) fn on_challenge(&mut self, line: &Bytes) -> Result<bool, Error> {
        let Some(text) = line.strip_prefix(b"334 ").or(if &line[..] == b"334" { Some(b"") } else { None })
        else {
            return Ok(false);
        };
        let Some(What::Sasl(initial)) = self.take_due()? else {
            return Err(PeerMisbehaved::UnexpectedReply.into());
        };
        match (sasl::decode(text), initial) {
            (Ok(challenge), Some(message)) if challenge.expose().is_empty() => {
                self.core.out.put(sasl::encode(message.expose()).expose().as_bytes());
                self.command(b"\r\n", What::Sasl(None));
            }
            (Ok(challenge), None) => {
                self.challenged = true;
                self.core.set_timeout(None);
                self.events.push_back(Event::Challenge(challenge));
            }
            // No base64, or a challenge where the server has to wait for the initial response.
            _ => self.command(b"*\r\n", What::Cancelled),
        }
        Ok(true)
    }

    /// Takes the reply that ends an exchange which the owner made.
    pub(super) fn on_sasl_reply(&mut self, what: &What, reply: Reply) -> Result<(), Error> {
        self.set_line_bytes_max(self.config.limits.reply_line_bytes_max);
        let event = match (reply.verdict(), what) {
            (Verdict::Temporary | Verdict::Permanent, _) => Event::LoginFailed(reply),
            (Verdict::Success, What::Sasl(None)) => Event::LoggedIn(reply),
            // A server that is content with nothing, or with what was taken back, has checked no password.
            _ => return Err(PeerMisbehaved::UnexpectedReply.into()),
        };
        self.events.push_back(event);
        Ok(())
    }

    pub(super) fn on_auth_reply(
        &mut self,
        mut messages: Vec<Secret<Vec<u8>>>,
        reply: Reply,
    ) -> Result<(), Error> {
        match reply.verdict() {
            Verdict::Success if messages.is_empty() => self.events.push_back(Event::LoggedIn(reply)),
            // A server that is content with half an exchange has checked no password.
            Verdict::Success => return Err(PeerMisbehaved::UnexpectedReply.into()),
            Verdict::Temporary | Verdict::Permanent => self.events.push_back(Event::LoginFailed(reply)),
            Verdict::Intermediate if reply.code() != Code::CHALLENGE => {
                return Err(PeerMisbehaved::UnexpectedReply.into());
            }
            Verdict::Intermediate => match messages.pop() {
                Some(message) => {
                    self.core.out.put(sasl::encode(message.expose()).expose().as_bytes());
                    self.command(b"\r\n", What::Auth(messages));
                }
                None => self.command(b"*\r\n", What::Cancelled),
            },
        }
        Ok(())
    }
}
