//! AUTH (RFC 4954): the frame of a SASL exchange. The steps inside are the owner's.
//!
//! Whatever goes wrong in an exchange ends that exchange and nothing else (safety row A5): no base64 and `*` get 501,
//! the session goes on. All failed logins get one text (A3).

use bytes::Bytes;
use mail_wire::sasl::{self, ClientMessage};
use mail_wire::{ApiMisuse, Error, LineLimits, PeerMisbehaved, Ticket};

use super::{AuthFailure, Event, Machine, Owed, Phase};
use crate::code::Verdict;
use crate::command::{InitialResponse, Word};
use crate::dialect::Dialect;
use crate::reply::Reply;

impl<D: Dialect> Machine<D> {
    /// Sends a challenge, to be answered by [`Event::AuthResponse`]. It may be empty.
    pub fn challenge(&mut self, ticket: Ticket, message: &[u8]) -> Result<(), ApiMisuse> {
        self.redeem_auth(ticket)?;
        if !self.is_out_of_turn() {
            self.core.out.put(b"334 ");
            self.core.out.put(sasl::encode(message).expose().as_bytes());
            self.core.out.put(b"\r\n");
            self.phase = Phase::Sasl;
            self.set_line_bytes_max(sasl::MESSAGE_BYTES_MAX);
        }
        Ok(())
    }

    /// The login has succeeded (235).
    pub fn auth_ok(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        self.redeem_auth(ticket)?;
        self.end_auth(&Reply::fixed(235, 7, 0, "Authentication succeeded"));
        Ok(())
    }

    /// The login has failed. After [`auth_failures_max`](crate::Limits::auth_failures_max) of them the client is cut
    /// off.
    pub fn auth_failed(&mut self, ticket: Ticket, why: AuthFailure) -> Result<(), ApiMisuse> {
        self.redeem_auth(ticket)?;
        self.end_auth(&match why {
            AuthFailure::Credentials => Reply::fixed(535, 7, 8, "Authentication credentials invalid"),
            AuthFailure::Temporary => temporary_failure(),
        });
        Ok(())
    }

    fn redeem_auth(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        if self.owed != Owed::Auth {
            return Err(ApiMisuse::WrongState("the ticket is not for a login"));
        }
        self.redeem(ticket)
    }

    pub(super) fn end_auth(&mut self, reply: &Reply) {
        self.leave_sasl();
        if self.is_out_of_turn() {
            return;
        }
        match reply.verdict() {
            Verdict::Success => self.authenticated = true,
            Verdict::Permanent => self.auth_failures += 1,
            Verdict::Temporary | Verdict::Intermediate => {}
        }
        if self.auth_failures >= self.config.limits.auth_failures_max {
            self.say(reply);
            let last = Reply::fixed(421, 7, 0, "Too many failed logins");
            self.die(&last, PeerMisbehaved::TooManyFailedLogins);
        } else {
            self.say_and_maybe_close(reply);
        }
    }

    fn leave_sasl(&mut self) {
        self.phase = Phase::Command;
        self.set_line_bytes_max(self.config.limits.command_line_bytes_max);
    }

    fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        let drain_bytes_max = self.config.limits.drain_bytes_max;
        self.framer.set_limits(LineLimits { line_bytes_max, drain_bytes_max });
    }

    pub(super) fn on_auth(
        &mut self,
        mechanism: Word<'_>,
        initial: Option<InitialResponse<'_>>,
    ) -> Result<(), Error> {
        let known =
            self.config.mechanisms.iter().find(|m| m.as_str().eq_ignore_ascii_case(mechanism.as_str()));
        let known = known.cloned();
        if self.config.mechanisms.is_empty() {
            return self.bad(&Reply::fixed(502, 5, 1, "AUTH is not available"));
        }
        if !self.may_log_in(known.as_ref()) {
            return self.bad(&Reply::fixed(538, 7, 11, "Encryption required, use STARTTLS"));
        }
        if self.hello.is_none() || self.authenticated || self.transaction.is_some() {
            return self.bad(&Reply::fixed(503, 5, 1, "AUTH is not permitted now"));
        }
        let Some(mechanism) = known else {
            return self.bad(&Reply::fixed(504, 5, 4, "Unrecognized authentication type"));
        };
        let initial = match initial.map(|text| sasl::decode_initial(text.expose().as_bytes())).transpose() {
            Ok(initial) => initial,
            Err(_) => return self.bad(&no_base64()),
        };
        let ticket = self.issue(Owed::Auth);
        self.events.push_back(Event::Authenticate { ticket, mechanism, initial });
        Ok(())
    }

    pub(super) fn on_sasl_line(&mut self, line: &Bytes) -> Result<(), Error> {
        match sasl::decode_line(line) {
            Ok(ClientMessage::Response(message)) => {
                let ticket = self.issue(Owed::Auth);
                self.events.push_back(Event::AuthResponse(ticket, message));
                Ok(())
            }
            Ok(ClientMessage::Cancel) => {
                self.cancel_sasl(&Reply::fixed(501, 0, 0, "Authentication cancelled"))
            }
            Err(_) => self.cancel_sasl(&no_base64()),
        }
    }

    /// Ends the exchange because of what the client sent.
    pub(super) fn cancel_sasl(&mut self, reply: &Reply) -> Result<(), Error> {
        self.leave_sasl();
        self.bad(reply)
    }
}

pub(super) fn temporary_failure() -> Reply {
    Reply::fixed(454, 7, 0, "Temporary authentication failure")
}

fn no_base64() -> Reply {
    Reply::fixed(501, 5, 2, "Cannot decode response")
}
