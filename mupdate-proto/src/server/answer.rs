//! What an owner says to the client: the outcome of a login, entries, replies.

use mail_wire::{ApiMisuse, Error, LimitExceeded, PeerMisbehaved, Text, Ticket, sasl};

use super::{AuthFailure, Connection, Open, State};
use crate::response::{encode_delete, encode_entry};
use crate::{MailboxEntry, MailboxName, Status, Tag, mailbox_order};

impl Connection {
    /// Sends a server's message of a login and waits for the client's.
    pub fn challenge(&mut self, ticket: Ticket, message: &[u8]) -> Result<(), Error> {
        let tag = self.redeem(ticket, |open| open == Open::Authenticate)?.0;
        self.core.out.put(sasl::encode(message).expose().as_bytes());
        self.core.out.put(b"\r\n");
        self.state = State::Exchange(tag);
        Ok(())
    }

    /// Ends a login well.
    pub fn auth_ok(&mut self, ticket: Ticket) -> Result<(), Error> {
        let tag = self.redeem(ticket, |open| open == Open::Authenticate)?.0;
        self.state = State::Authenticated;
        self.core.set_timeout(Some(self.config.timeouts.idle));
        self.framer.set_limits(self.config.limits.after_login);
        self.status(Status::Ok, &const { Text::constant("Authenticated") }, Some(&tag));
        Ok(())
    }

    /// Ends a login badly. The last of too many closes the connection.
    pub fn auth_failed(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), Error> {
        let tag = self.redeem(ticket, |open| open == Open::Authenticate)?.0;
        self.state = State::NotAuthenticated;
        let text = match why {
            AuthFailure::Credentials => const { Text::constant("Authentication failed") },
            AuthFailure::Temporary => const { Text::constant("Authentication is not possible now") },
        };
        self.status(Status::No, &text, Some(&tag));
        if why == AuthFailure::Credentials {
            self.count_auth_failure();
        }
        Ok(())
    }

    /// Sends one entry: in answer to FIND, LIST or UPDATE before their [`reply`](Self::reply), or as a change on the
    /// update stream. Of one answer, each entry must be behind the one before in
    /// [`mailbox_order`]: one that is not is refused and not sent, since it would make a slave
    /// drop others. Fails when too much waits for the client; the connection is over then.
    pub fn entry(&mut self, entry: &MailboxEntry) -> Result<(), Error> {
        let tag = self.entries_tag()?;
        if self.open.is_some() {
            let (last, name) = (&mut self.last_name, entry.name.as_bytes());
            if !last.is_empty() && mailbox_order(last, name).is_ge() {
                return Err(ApiMisuse::WrongState("entries come in the order of the mailbox list").into());
            }
            last.clear();
            last.extend_from_slice(name);
        }
        encode_entry(entry, Some(&tag), &mut self.core.out);
        self.check_queue()
    }

    /// Sends on the update stream that a name is free. Fails as [`entry`](Self::entry) does.
    pub fn deleted(&mut self, name: &MailboxName) -> Result<(), Error> {
        let State::Streaming(tag) = self.state else {
            return Err(ApiMisuse::WrongState("no update stream").into());
        };
        encode_delete(name, Some(&tag), &mut self.core.out);
        self.check_queue()
    }

    /// Ends a command that is no login. OK to UPDATE begins the stream; BYE ends the connection.
    pub fn reply(&mut self, ticket: Ticket, status: Status, text: &Text) -> Result<(), Error> {
        let (tag, open) = self.redeem(ticket, |open| open != Open::Authenticate)?;
        self.status(status, text, Some(&tag));
        match (status, open) {
            (Status::Ok, Open::Update) => self.state = State::Streaming(tag),
            (Status::Bye, _) => self.core.close(),
            _ => {}
        }
        Ok(())
    }

    fn entries_tag(&self) -> Result<Tag, Error> {
        match (self.open, self.state) {
            (Some((tag, Open::Entries | Open::Update)), _) | (_, State::Streaming(tag)) => Ok(tag),
            _ => Err(ApiMisuse::WrongState("no command that asks for entries").into()),
        }
    }

    fn check_queue(&mut self) -> Result<(), Error> {
        let max = self.config.limits.queue_bytes_max;
        if self.core.out.bytes() <= max {
            return Ok(());
        }
        Err(self.core.fail(LimitExceeded::new("queue_bytes_max", max as u64)))
    }

    fn redeem(&mut self, ticket: Ticket, fits: impl Fn(Open) -> bool) -> Result<(Tag, Open), Error> {
        match self.open {
            // The ticket is dropped here, and its command answered at the next poll.
            Some((_, open)) if !fits(open) => {
                Err(ApiMisuse::WrongState("this call does not answer this command").into())
            }
            open => {
                self.ledger.redeem(ticket)?;
                self.core.restart_timeout();
                self.open = None;
                open.ok_or_else(|| ApiMisuse::WrongState("no command is open").into())
            }
        }
    }

    fn count_auth_failure(&mut self) {
        self.auth_failures += 1;
        if self.auth_failures >= self.config.limits.auth_failures_max {
            self.last_word(
                &const { Text::constant("Too many failed logins") },
                PeerMisbehaved::TooManyFailedLogins,
            );
        }
    }
}
