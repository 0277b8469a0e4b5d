//! What the AUTHORIZATION state has of its own: logins, STLS, capabilities, languages.

use mail_wire::sasl::{self, ClientMessage, Credentials, MechanismName};
use mail_wire::{Error, PlaintextLogin, Secret, Text};

use super::{Connection, Event, Open, StartTls, State, Utf8Mode, Utf8State};
use crate::apop::Digest;
use crate::{Capability, LanguageRange, Password, Reply, UserName};

impl Connection {
    pub(super) fn sasl_line(&mut self, line: &[u8]) -> Event {
        self.state = State::Authorization;
        self.framer.set_limits(self.config.limits.command);
        match sasl::decode_line(line) {
            Ok(ClientMessage::Response(message)) => Event::AuthResponse(self.issue(Open::Login), message),
            Ok(ClientMessage::Cancel) => {
                self.refuse_command(const { Text::constant("Authentication cancelled") });
                Event::AuthAborted
            }
            Err(_) => {
                self.refuse_command(const { Text::constant("Base64 expected") });
                Event::AuthAborted
            }
        }
    }

    pub(super) fn capa(&mut self) {
        let names = self.mechanisms();
        let mut all = vec![
            Capability::Top,
            Capability::Uidl,
            Capability::RespCodes,
            Capability::AuthRespCode,
            Capability::Pipelining,
        ];
        if self.offers_tls() && self.state == State::Authorization {
            all.push(Capability::Stls);
        }
        if self.allows_passwords() {
            all.push(Capability::User);
        }
        if !names.is_empty() {
            all.push(Capability::Sasl(names));
        }
        match self.config.utf8 {
            Utf8Mode::Off => {}
            Utf8Mode::Messages => all.push(Capability::Utf8),
            Utf8Mode::MessagesAndNames => all.push(Capability::Utf8User),
        }
        if !self.config.languages.is_empty() {
            all.push(Capability::Lang);
        }
        self.put(&Reply::ok(const { Text::constant("Capabilities follow") }));
        let own = match (self.state, &self.user_capabilities) {
            (State::Transaction, Some(own)) => own,
            _ => &self.config.capabilities,
        };
        for capability in all.iter().chain(own) {
            capability.encode(&mut self.core.out);
        }
        self.core.out.put(b".\r\n");
    }

    pub(super) fn allows_passwords(&self) -> bool {
        self.core.tls().is_some() || self.config.plaintext_login == PlaintextLogin::DangerAllow
    }

    fn allows(&self, mechanism: &MechanismName) -> bool {
        self.allows_passwords() || !mechanism.sends_password()
    }

    fn offers_tls(&self) -> bool {
        self.core.tls().is_none() && self.config.start_tls == StartTls::Offer
    }

    /// The mechanisms that may be used now.
    fn mechanisms(&self) -> Vec<MechanismName> {
        self.config.mechanisms.iter().filter(|name| self.allows(name)).cloned().collect()
    }

    /// The mechanisms, one a line: what old clients ask for by AUTH alone.
    pub(super) fn auth_listing(&mut self) {
        self.put(&Reply::ok(const { Text::constant("Mechanisms follow") }));
        for name in self.mechanisms() {
            self.core.out.put(name.as_str().as_bytes());
            self.core.out.put(b"\r\n");
        }
        self.core.out.put(b".\r\n");
    }

    pub(super) fn go_utf8(&mut self) {
        if self.config.utf8 == Utf8Mode::Off {
            return self.refuse_command(const { Text::constant("UTF8 is not available") });
        }
        self.utf8 = Utf8State::On;
        self.reads_utf8 = true;
        self.put(&Reply::ok(const { Text::constant("UTF-8 from here on") }));
    }

    pub(super) fn lang(&mut self, range: Option<&LanguageRange>) -> Option<Event> {
        match range {
            _ if self.config.languages.is_empty() => {
                self.refuse_command(const { Text::constant("LANG is not available") });
                None
            }
            None => {
                self.list_languages();
                None
            }
            Some(range) => self.choose_language(range),
        }
    }

    fn list_languages(&mut self) {
        self.put(&Reply::ok(const { Text::constant("Languages follow") }));
        for language in &self.config.languages {
            language.listing.encode(&mut self.core.out);
        }
        self.core.out.put(b".\r\n");
    }

    fn choose_language(&mut self, range: &LanguageRange) -> Option<Event> {
        let matching = self.config.languages.iter().find(|language| range.matches(&language.listing.tag));
        let Some(language) = matching else {
            self.refuse_command(const { Text::constant("No such language") });
            return None;
        };
        // The tag is at most 35 bytes, so the line stays within 512.
        let tag = language.listing.tag.clone();
        let chosen = format!("{} {}", tag.as_str(), language.chosen.as_str());
        self.reads_utf8 = true;
        self.put(&Reply::ok(Text::international_lossy(&chosen)));
        Some(Event::Language(tag))
    }

    pub(super) fn stls(&mut self) -> Result<Option<Event>, Error> {
        if !self.offers_tls() {
            self.refuse_command(const { Text::constant("STLS is not available") });
            return Ok(None);
        }
        if self.utf8 == Utf8State::On {
            self.refuse_command(const { Text::constant("STLS comes before UTF8") });
            return Ok(None);
        }
        // Before the reply: a client that has sent on already is not told to go ahead.
        self.core.shut_gate()?;
        self.put(&Reply::ok(const { Text::constant("Begin TLS negotiation now") }));
        self.state = State::Handshake;
        Ok(Some(Event::StartTls))
    }

    pub(super) fn refuse_clear(&mut self) {
        self.refuse_command(const { Text::constant("This needs an encrypted connection") });
    }

    pub(super) fn pass(&mut self, password: Password) -> Option<Event> {
        if !self.allows_passwords() {
            self.refuse_clear();
            return None;
        }
        let Some(name) = self.user.take() else {
            self.refuse_command(const { Text::constant("USER comes first") });
            return None;
        };
        if self.config.utf8 == Utf8Mode::MessagesAndNames && !password.is_utf8() {
            self.refuse_command(const { Text::constant("UTF-8 expected") });
            return None;
        }
        let credentials =
            Credentials { authcid: name.into_authcid(), authzid: None, password: password.into_secret() };
        Some(Event::Login(self.issue(Open::Login), credentials))
    }

    pub(super) fn apop(&mut self, name: UserName, digest: Digest) -> Option<Event> {
        self.user = None;
        if self.timestamp.is_none() {
            self.refuse_command(const { Text::constant("APOP is not available") });
            return None;
        }
        Some(Event::Apop { ticket: self.issue(Open::Login), name: name.into_authcid(), digest })
    }

    pub(super) fn auth(
        &mut self,
        mechanism: MechanismName,
        initial: Option<Secret<Vec<u8>>>,
    ) -> Option<Event> {
        self.user = None;
        if !self.config.mechanisms.contains(&mechanism) {
            self.refuse_command(const { Text::constant("Unknown mechanism") });
            return None;
        }
        if !self.allows(&mechanism) {
            self.refuse_clear();
            return None;
        }
        Some(Event::Authenticate { ticket: self.issue(Open::Login), mechanism, initial })
    }
}
