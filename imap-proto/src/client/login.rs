//! Logging in: LOGIN, and AUTHENTICATE with the mechanisms that need no arithmetic (RFC 3501 6.2.2, 6.2.3; RFC 4959).
//!
//! An exchange is a queue of lines that are known from the start, or, for a mechanism that is the owner's, one
//! challenge and one response after the other. Every call asks for [`TlsActive`]: what is said here lets whoever
//! listens log in, too.

use std::collections::VecDeque;

use bytes::Bytes;
use mail_wire::sasl::{self, Authcid, Authzid, Credentials, MechanismName};
use mail_wire::{ApiMisuse, Error, PeerIncompatible, PeerMisbehaved, Secret, TlsActive};

use super::flow::{Pending, Purpose};
use super::{CommandId, Connection, Event, State};
use crate::{Command, IString, Login, Password};

/// The client's side of one AUTHENTICATE.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Lines for the server's next challenges, in base64.
    lines: VecDeque<Secret<String>>,
    /// So many of them are part of every exchange; the rest answers an error.
    required: usize,
    /// Whether the owner answers what the lines do not.
    responder: Responder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Responder {
    Nobody,
    Owner,
    /// The owner has a challenge to answer.
    OwnerIsAsked,
    /// The exchange was given up.
    Cancelled,
}

impl Exchange {
    fn of_lines(required: usize, lines: impl IntoIterator<Item = Secret<Vec<u8>>>) -> Self {
        let lines = lines.into_iter().map(|line| sasl::encode(line.expose())).collect();
        Self { lines, required, responder: Responder::Nobody }
    }

    /// True if the server may say OK: all was sent that it must have seen.
    pub(super) fn is_complete(&self) -> bool {
        self.required == 0 && matches!(self.responder, Responder::Nobody | Responder::Owner)
    }

    fn next(&mut self) -> Option<Secret<String>> {
        self.required = self.required.saturating_sub(1);
        self.lines.pop_front()
    }
}

impl Connection {
    /// Logs in with LOGIN (RFC 3501 6.2.3). The proof is [`tls`](Self::tls), or the owner's word.
    ///
    /// # Errors
    /// As [`authenticate_plain`](Self::authenticate_plain).
    pub fn login(
        &mut self,
        user: &str,
        password: &Secret<Vec<u8>>,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        self.check_login()?;
        if self.capabilities.as_ref().is_some_and(|c| c.has("LOGINDISABLED")) {
            return Err(PeerIncompatible::Missing("LOGIN").into());
        }
        let unfit = |_| PeerIncompatible::Inexpressible("NUL in a name or password");
        let user = IString::new(user).map_err(unfit)?;
        let password = Password(IString::new(password.expose()).map_err(unfit)?);
        self.send(&Command::Login(Login { user, password }), Purpose::Login)
    }

    /// Logs in with SASL PLAIN (RFC 4616); the message goes with the command where the server takes it
    /// (RFC 4959). A proxy names the user it acts for in `credentials.authzid`.
    ///
    /// # Errors
    /// [`PeerIncompatible`] if the server is known not to offer it. [`ApiMisuse`] before [`Event::Ready`], if
    /// somebody is logged in, or if commands are on their way.
    pub fn authenticate_plain(
        &mut self,
        credentials: &Credentials,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        self.exchange("PLAIN", "AUTH=PLAIN", Exchange::of_lines(1, [sasl::plain_message(credentials)]))
    }

    /// Logs in with SASL LOGIN, which is PLAIN in two lines and older than any RFC. It cannot act for another: the
    /// `authzid` is not sent.
    ///
    /// # Errors
    /// As [`authenticate_plain`](Self::authenticate_plain).
    pub fn authenticate_login(
        &mut self,
        credentials: &Credentials,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        let user = credentials.authcid.as_str().as_bytes().to_vec().into();
        let password = credentials.password.expose().clone().into();
        self.exchange("LOGIN", "AUTH=LOGIN", Exchange::of_lines(2, [user, password]))
    }

    /// Logs in with SASL EXTERNAL (RFC 4422 appendix A): as the certificate of the TLS handshake says, or, if that may,
    /// as somebody else.
    ///
    /// # Errors
    /// As [`authenticate_plain`](Self::authenticate_plain).
    pub fn authenticate_external(
        &mut self,
        authzid: Option<&Authzid>,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        let name = authzid.map_or("", Authzid::as_str).as_bytes().to_vec();
        self.exchange("EXTERNAL", "AUTH=EXTERNAL", Exchange::of_lines(1, [name.into()]))
    }

    /// Logs in with SASL OAUTHBEARER (RFC 7628): a name and a bearer token. If the server refuses it with an error
    /// document, the dummy response of section 3.2.3 is sent by itself, and the tagged NO follows.
    ///
    /// # Errors
    /// As [`authenticate_plain`](Self::authenticate_plain); and if the token has characters that no token has.
    pub fn authenticate_oauthbearer(
        &mut self,
        user: &Authcid,
        token: &Secret<String>,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        // A comma and an equals sign would end the name (RFC 5801 4).
        let name = user.as_str().replace('=', "=3D").replace(',', "=2C");
        let message = format!("n,a={name},\x01auth=Bearer {}\x01\x01", checked(token)?);
        self.exchange(
            "OAUTHBEARER",
            "AUTH=OAUTHBEARER",
            Exchange::of_lines(1, [message.into_bytes().into(), vec![1].into()]),
        )
    }

    /// Logs in with XOAUTH2, as OAUTHBEARER was called before it was standardised; Gmail and Outlook have it.
    ///
    /// # Errors
    /// As [`authenticate_oauthbearer`](Self::authenticate_oauthbearer).
    pub fn authenticate_xoauth2(
        &mut self,
        user: &Authcid,
        token: &Secret<String>,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        if user.as_str().contains('\x01') {
            return Err(PeerIncompatible::Inexpressible("control character in a name").into());
        }
        let message = format!("user={}\x01auth=Bearer {}\x01\x01", user.as_str(), checked(token)?);
        self.exchange(
            "XOAUTH2",
            "AUTH=XOAUTH2",
            Exchange::of_lines(1, [message.into_bytes().into(), Vec::new().into()]),
        )
    }

    /// Begins an exchange of any mechanism (RFC 4422), of which the owner knows the steps: each challenge comes as
    /// [`Event::Challenge`], to be answered by [`respond`](Self::respond). The initial response, if the mechanism
    /// has one, goes with the command where the server takes it, and else answers its first, empty challenge.
    ///
    /// ```
    /// use std::time::Instant;
    /// use imap_proto::client::{Config, Connection, Event};
    /// use mail_wire::sasl::MechanismName;
    /// use mail_wire::{Connection as _, TlsActive, TlsMode};
    ///
    /// let now = Instant::now();
    /// let mut client = Connection::new(Config { tls: TlsMode::Never, ..Config::default() }, now);
    /// client.receive(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hi\r\n", now);
    /// while client.poll_event()?.is_some() {}
    /// let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO".to_vec().into();
    /// let scram = MechanismName::new(b"SCRAM-SHA-256")?;
    /// client.authenticate(&scram, Some(&first), TlsActive::danger_assume_protected())?;
    /// assert!(client.poll_transmit().unwrap().starts_with(b"A1 AUTHENTICATE SCRAM-SHA-256 biwsbj11c2Vy"));
    /// client.receive(b"+ cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5s\r\n", now);
    /// let Some(Event::Challenge(_, challenge)) = client.poll_event()? else { panic!() };
    /// assert!(challenge.expose().starts_with(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNl"));
    /// client.respond(&b"c=biws,r=...,p=...".to_vec().into())?;
    /// # Ok::<(), imap_proto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`authenticate_plain`](Self::authenticate_plain).
    pub fn authenticate(
        &mut self,
        mechanism: &MechanismName,
        initial: Option<&Secret<Vec<u8>>>,
        _: TlsActive,
    ) -> Result<CommandId, Error> {
        let lines: VecDeque<_> = initial.map(|message| sasl::encode(message.expose())).into_iter().collect();
        let exchange = Exchange { required: lines.len(), lines, responder: Responder::Owner };
        self.exchange(mechanism.as_str(), "the SASL mechanism", exchange)
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// [`ApiMisuse`] if there is none to answer.
    pub fn respond(&mut self, response: &Secret<Vec<u8>>) -> Result<(), ApiMisuse> {
        self.asked()?.responder = Responder::Owner;
        self.put_line(sasl::encode(response.expose()).expose());
        Ok(())
    }

    /// Gives the exchange up instead of answering a challenge; the server's BAD follows.
    ///
    /// # Errors
    /// [`ApiMisuse`] if there is no challenge to answer.
    pub fn cancel_authenticate(&mut self) -> Result<(), ApiMisuse> {
        self.asked()?.responder = Responder::Cancelled;
        self.put_line("*");
        Ok(())
    }

    fn asked(&mut self) -> Result<&mut Exchange, ApiMisuse> {
        match self.pending.front_mut() {
            Some(Pending { purpose: Purpose::Authenticate(exchange), .. })
                if exchange.responder == Responder::OwnerIsAsked =>
            {
                Ok(exchange)
            }
            _ => Err(ApiMisuse::WrongState("there is no challenge to answer")),
        }
    }

    fn exchange(
        &mut self,
        mechanism: &str,
        capability: &'static str,
        mut exchange: Exchange,
    ) -> Result<CommandId, Error> {
        self.check_login()?;
        if self.capabilities.as_ref().is_some_and(|c| !c.has(&format!("AUTH={mechanism}"))) {
            return Err(PeerIncompatible::Missing(capability).into());
        }
        self.check_turn(&Purpose::Login)?;
        let at_once = self.capabilities.as_ref().is_some_and(|c| c.has("SASL-IR"));
        let initial = if at_once { exchange.next() } else { None };
        // An empty message has a sign of its own there (RFC 4959 3).
        let initial = initial.as_ref().map(|line| if line.expose().is_empty() { "=" } else { line.expose() });
        Ok(self.send_authenticate(mechanism, initial, Purpose::Authenticate(exchange)))
    }

    /// The server's `+` in an exchange.
    pub(super) fn challenged(&mut self, text: &[u8]) -> Result<(), Error> {
        let Some(Pending { id, purpose: Purpose::Authenticate(exchange), .. }) = self.pending.front_mut()
        else {
            return Err(PeerMisbehaved::UnsolicitedReply.into());
        };
        if let Some(line) = exchange.next() {
            self.put_line(line.expose());
            return Ok(());
        }
        match exchange.responder {
            Responder::Nobody | Responder::OwnerIsAsked => Err(PeerMisbehaved::UnexpectedReply.into()),
            Responder::Cancelled => Err(PeerMisbehaved::UnsolicitedReply.into()),
            Responder::Owner => {
                match sasl::decode(text) {
                    Ok(challenge) => {
                        exchange.responder = Responder::OwnerIsAsked;
                        self.events.push_back(Event::Challenge(*id, challenge));
                    }
                    Err(_) => {
                        exchange.responder = Responder::Cancelled;
                        self.put_line("*");
                    }
                }
                Ok(())
            }
        }
    }

    fn put_line(&mut self, line: &str) {
        self.put_last(Bytes::from([line, "\r\n"].concat()));
        self.core.restart_timeout();
        self.set_clock();
    }

    fn check_login(&self) -> Result<(), ApiMisuse> {
        if self.state > State::NotAuthenticated {
            return Err(ApiMisuse::WrongState("somebody is logged in"));
        }
        Ok(())
    }
}

/// A token, if it is one: visible characters (RFC 6750 2.1).
fn checked(token: &Secret<String>) -> Result<&str, PeerIncompatible> {
    if token.expose().bytes().all(|b| b.is_ascii_graphic()) {
        Ok(token.expose())
    } else {
        Err(PeerIncompatible::Inexpressible("not a bearer token"))
    }
}
