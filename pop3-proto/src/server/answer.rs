//! What an owner says to the client: the outcome of a login, replies, listings and messages.

use bytes::Bytes;
use mail_wire::{ApiMisuse, Decimal, DotWriter, Error, PeerMisbehaved, Text, Ticket, sasl};

use super::outlook::{HeaderEnd, without_nul};
use super::{AuthFailure, Connection, Open, State};
use crate::{MaildropCommand, MessageNumber, Quirk, Reply, ResponseCode, ScanListing, UniqueIdListing};

/// A reply of many lines under way: [`Connection::end`] is due.
#[derive(Debug)]
#[must_use = "a reply that is not ended leaves the client waiting"]
pub struct MultiLine(Ticket);

impl Connection {
    /// Sends a server's message of a login and waits for the client's.
    pub fn challenge(&mut self, ticket: Ticket, message: &[u8]) -> Result<(), Error> {
        self.redeem(ticket, |open| open == Open::Login)?;
        self.core.out.put(b"+ ");
        self.core.out.put(sasl::encode(message).expose().as_bytes());
        self.core.out.put(b"\r\n");
        self.state = State::Exchange;
        self.framer.set_limits(self.config.limits.sasl_response);
        Ok(())
    }

    /// Ends a login well: the maildrop is open, and locked.
    pub fn auth_ok(&mut self, ticket: Ticket, text: &Text) -> Result<(), Error> {
        self.redeem(ticket, |open| open == Open::Login)?;
        self.state = State::Transaction;
        self.core.set_timeout(Some(self.config.timeouts.autologout));
        self.put(&Reply::ok(text.clone()));
        Ok(())
    }

    /// Ends a login badly. The last of too many closes the connection.
    pub fn auth_failed(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), Error> {
        self.redeem(ticket, |open| open == Open::Login)?;
        let (code, text) = match why {
            AuthFailure::Credentials => {
                (ResponseCode::Auth, const { Text::constant("Authentication failed") })
            }
            AuthFailure::InUse => (ResponseCode::InUse, const { Text::constant("The maildrop is in use") }),
            AuthFailure::LoginDelay => {
                (ResponseCode::LoginDelay, const { Text::constant("The last login was a short time ago") })
            }
            AuthFailure::Temporary => (ResponseCode::SysTemp, const { Text::constant("Try again later") }),
            AuthFailure::Broken => {
                (ResponseCode::SysPerm, const { Text::constant("The maildrop cannot be opened") })
            }
        };
        self.put(&Reply::err_with(code, text));
        if why == AuthFailure::Credentials {
            self.auth_failures += 1;
            if self.auth_failures >= self.config.limits.auth_failures_max {
                self.core.fail(PeerMisbehaved::TooManyFailedLogins);
            }
        }
        Ok(())
    }

    /// Answers with one line: what is not of many lines, what is refused, and QUIT.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply) -> Result<(), Error> {
        let open = self.redeem(ticket, |open| match open {
            Open::Login => false,
            Open::Maildrop(command) => !(command.is_multi_line() && reply.is_ok()),
            Open::Quit => true,
        })?;
        self.put(reply);
        if open == Open::Quit {
            self.core.close();
        }
        Ok(())
    }

    /// Begins a reply of many lines to RETR, TOP, or LIST or UIDL of all messages.
    pub fn begin(&mut self, ticket: Ticket, text: &Text) -> Result<MultiLine, Error> {
        match self.open {
            Some(Open::Maildrop(command)) if command.is_multi_line() => {}
            _ => return Err(ApiMisuse::WrongState("this command has no reply of many lines").into()),
        }
        if self.body.is_some() {
            return Err(ApiMisuse::WrongState("a reply is under way").into());
        }
        self.put(&Reply::ok(text.clone()));
        self.body = Some(DotWriter::new());
        self.header_end = HeaderEnd::default();
        Ok(MultiLine(ticket))
    }

    /// Adds a line to the reply to LIST.
    pub fn scan_listing(&mut self, _reply: &MultiLine, listing: ScanListing) -> Result<(), Error> {
        self.expect(|command| matches!(command, MaildropCommand::List(None)))?;
        self.listing_line(listing.message, Decimal::new(listing.octets).as_bytes());
        Ok(())
    }

    /// Adds a line to the reply to UIDL.
    pub fn unique_id_listing(&mut self, _reply: &MultiLine, listing: &UniqueIdListing) -> Result<(), Error> {
        self.expect(|command| matches!(command, MaildropCommand::Uidl(None)))?;
        self.listing_line(listing.message, listing.id.as_str().as_bytes());
        Ok(())
    }

    /// Adds bytes to the reply to RETR or TOP, cut anywhere. Dots are stuffed and line ends made CRLF here; large
    /// pieces pass without a copy.
    pub fn body(&mut self, _reply: &MultiLine, bytes: &Bytes) -> Result<(), Error> {
        self.expect(|command| matches!(command, MaildropCommand::Retr(_) | MaildropCommand::Top(..)))?;
        let quirks = self.leniency.allowed;
        if quirks.allows(Quirk::OutlookEndOfHeader) {
            self.header_end.look(bytes);
        }
        let changed = if quirks.allows(Quirk::OutlookNul) { without_nul(bytes) } else { None };
        if changed.is_some() {
            self.leniency.overlook(Quirk::OutlookNul);
        }
        if let Some(body) = &mut self.body {
            body.write(changed.as_ref().unwrap_or(bytes), &mut self.core.out);
        }
        Ok(())
    }

    /// Ends a reply of many lines.
    pub fn end(&mut self, reply: MultiLine) -> Result<(), Error> {
        let open = self.redeem(reply.0, |_| true)?;
        if let (Open::Maildrop(MaildropCommand::Retr(_) | MaildropCommand::Top(..)), Some(lacks)) =
            (open, self.header_end.missing())
            && self.leniency.overlook(Quirk::OutlookEndOfHeader)
            && let Some(body) = &mut self.body
        {
            body.write(&Bytes::from_static(lacks), &mut self.core.out);
        }
        if let Some(body) = self.body.take() {
            body.finish(&mut self.core.out);
        }
        Ok(())
    }

    /// Gives up in the middle of a reply of many lines: the client learns by the closed connection that what it has
    /// is not all.
    pub fn abort(&mut self, reply: MultiLine) -> Result<(), Error> {
        self.redeem(reply.0, |_| true)?;
        self.core.close();
        Ok(())
    }

    fn listing_line(&mut self, message: MessageNumber, rest: &[u8]) {
        let out = &mut self.core.out;
        out.put(Decimal::new(message.as_u32().into()).as_bytes());
        out.put(b" ");
        out.put(rest);
        out.put(b"\r\n");
    }

    fn expect(&self, fits: impl Fn(MaildropCommand) -> bool) -> Result<(), Error> {
        match self.open {
            Some(Open::Maildrop(command)) if fits(command) && self.body.is_some() => Ok(()),
            _ => Err(ApiMisuse::WrongState("this is no part of the reply under way").into()),
        }
    }

    fn redeem(&mut self, ticket: Ticket, fits: impl Fn(Open) -> bool) -> Result<Open, Error> {
        match self.open {
            // The ticket is dropped here, and its command answered at the next poll.
            Some(open) if !fits(open) => {
                Err(ApiMisuse::WrongState("this call does not answer this command").into())
            }
            Some(open) => {
                self.ledger.redeem(ticket)?;
                self.core.restart_timeout();
                self.open = None;
                Ok(open)
            }
            None => Err(ApiMisuse::WrongState("no command is open").into()),
        }
    }
}
