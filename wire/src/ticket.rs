//! One reply for each command, by construction.
//!
//! A server connection hands out a [`Ticket`] with each command and takes it back with the reply. A ticket cannot
//! be copied, so a second reply does not compile; a ticket that is dropped is noticed by the [`Ledger`] the next
//! time the connection is polled, and answered by the connection itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ApiMisuse;

/// The duty to answer one command of one connection.
#[derive(Debug)]
#[must_use = "a command that is not answered leaves the client waiting"]
pub struct Ticket {
    number: u64,
    dropped: Arc<AtomicU64>,
}

impl Ticket {
    /// The command's number on its connection, counted from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.dropped.store(self.number, Ordering::Release);
    }
}

/// A connection's record of the ticket that is out. One at a time: the next command is not even looked at before
/// the last one is answered, which is what keeps pipelined commands in order and their queue short (safety row R4).
#[derive(Debug, Default)]
pub struct Ledger {
    last: u64,
    open: bool,
    dropped: Arc<AtomicU64>,
}

impl Ledger {
    /// A record without any ticket.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out the ticket for the next command.
    pub fn issue(&mut self) -> Ticket {
        self.last += 1;
        self.open = true;
        Ticket { number: self.last, dropped: Arc::clone(&self.dropped) }
    }

    /// True while a ticket is out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes a ticket back, with its reply.
    // By value: giving the ticket away is what makes a second reply impossible.
    #[allow(clippy::needless_pass_by_value)]
    pub fn redeem(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        if !Arc::ptr_eq(&self.dropped, &ticket.dropped) {
            return Err(ApiMisuse::ForeignTicket);
        }
        if !self.open || ticket.number != self.last {
            return Err(ApiMisuse::WrongState("the ticket was already answered"));
        }
        self.open = false;
        Ok(())
    }

    /// Finds out whether the open ticket was dropped, and closes it: the connection then owes the reply.
    pub fn take_dropped(&mut self) -> bool {
        let dropped = self.open && self.dropped.load(Ordering::Acquire) == self.last;
        if dropped {
            self.open = false;
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redeemed_ticket_closes_the_command() {
        let mut ledger = Ledger::new();
        let ticket = ledger.issue();
        assert!(ledger.is_open());
        assert_eq!(ledger.redeem(ticket), Ok(()));
        assert!(!ledger.is_open());
        assert!(!ledger.take_dropped());
    }

    #[test]
    fn a_dropped_ticket_is_noticed_once() {
        let mut ledger = Ledger::new();
        drop(ledger.issue());
        assert!(ledger.take_dropped());
        assert!(!ledger.take_dropped());
        let next = ledger.issue();
        assert!(!ledger.take_dropped());
        assert_eq!(ledger.redeem(next), Ok(()));
    }

    #[test]
    fn a_ticket_of_another_connection_is_refused() {
        let (mut one, mut other) = (Ledger::new(), Ledger::new());
        let _mine = one.issue();
        let foreign = other.issue();
        assert_eq!(one.redeem(foreign), Err(ApiMisuse::ForeignTicket));
        assert!(one.is_open());
    }
}
