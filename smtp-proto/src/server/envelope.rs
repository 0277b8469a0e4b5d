//! The envelope: MAIL, RCPT, and the commands that begin a message.

use mail_wire::Error;

use super::command::not_available;
use super::{AuthPolicy, Event, Hello, Machine, Owed, StartTls};
use crate::body::Body;
use crate::command::Last;
use crate::dialect::{Dialect, Protocol};
use crate::params::{MailParams, OtherParam, Params, RcptParams};
use crate::path::{ForwardPathRef, ReversePathRef};
use crate::reply::Reply;

/// What is known of an open transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transaction {
    /// Accepted recipients.
    pub(super) accepted: usize,
    pub(super) body: Body,
    smtp_utf8: bool,
}

impl Transaction {
    pub(super) fn new(params: &MailParams) -> Self {
        Self { accepted: 0, body: params.body.unwrap_or_default(), smtp_utf8: params.smtp_utf8 }
    }

    /// The same with one recipient more.
    pub(super) fn with_recipient(self) -> Self {
        Self { accepted: self.accepted + 1, ..self }
    }
}

impl<D: Dialect> Machine<D> {
    pub(super) fn on_mail(&mut self, path: ReversePathRef<'_>, params: Params<'_>) -> Result<(), Error> {
        if self.hello.is_none() {
            return self.bad(&Reply::fixed(503, 5, 1, "Say hello first"));
        }
        if self.transaction.is_some() {
            return self.bad(&Reply::fixed(503, 5, 1, "Nested MAIL command"));
        }
        if self.config.start_tls == StartTls::Require && self.core.tls().is_none() {
            return self.bad(&Reply::fixed(530, 7, 0, "Say STARTTLS first"));
        }
        if self.config.auth == AuthPolicy::Require && !self.authenticated {
            return self.bad(&Reply::fixed(530, 7, 0, "Authentication required"));
        }
        let Ok(read) = MailParams::read(params) else {
            return self.bad(&Reply::fixed(501, 5, 4, "Syntax error in parameters"));
        };
        let basic = self.hello != Some(Hello::Extended);
        if (basic && !params.is_empty())
            || !read.needed_keywords().all(|keyword| self.announces(keyword))
            || !self.are_announced(&read.other)
        {
            return self.bad(&unknown_parameter());
        }
        let path = path.to_owned();
        if !path.is_ascii() && !read.smtp_utf8 {
            return self.bad(&not_ascii());
        }
        if read.size_bytes.is_some_and(|size| size > self.config.limits.message_bytes_max) {
            self.say(&Reply::too_big());
            return Ok(());
        }
        let ticket = self.issue(Owed::Mail(Transaction::new(&read)));
        self.events.push_back(Event::Mail(ticket, path, read));
        Ok(())
    }

    pub(super) fn on_rcpt(&mut self, path: ForwardPathRef<'_>, params: Params<'_>) -> Result<(), Error> {
        let Some(transaction) = self.transaction.filter(|_| self.body.is_none()) else {
            return self.bad(&Reply::fixed(503, 5, 1, "RCPT is not permitted now"));
        };
        let path = path.to_owned();
        if D::PROTOCOL == Protocol::Smtp && path.address().is_none() && !path.is_postmaster() {
            return self.bad(&Reply::fixed(553, 1, 3, "Address with a domain required"));
        }
        if !path.is_ascii() && !transaction.smtp_utf8 {
            return self.bad(&not_ascii());
        }
        let Ok(read) = RcptParams::read(params) else {
            return self.bad(&Reply::fixed(501, 5, 4, "Syntax error in parameters"));
        };
        if !read.needed_keywords().all(|keyword| self.announces(keyword)) || !self.are_announced(&read.other)
        {
            return self.bad(&unknown_parameter());
        }
        if transaction.accepted >= self.config.limits.recipients_max {
            self.say(&Reply::fixed(452, 5, 3, "Too many recipients"));
            return Ok(());
        }
        let ticket = self.issue(Owed::Rcpt);
        self.events.push_back(Event::Rcpt(ticket, path, read));
        Ok(())
    }

    pub(super) fn on_data(&mut self) -> Result<(), Error> {
        match self.message_refusal() {
            Some(reply) => self.bad(&reply),
            // RFC 3030 3: such a message has no line ends that could be trusted; RFC 3030 2: parts are not mixed.
            None if self.body.is_some()
                || self.transaction.is_some_and(|open| open.body == Body::BinaryMime) =>
            {
                self.bad(&Reply::fixed(503, 5, 1, "DATA is not permitted now"))
            }
            None => {
                let ticket = self.issue(Owed::Data);
                self.events.push_back(Event::Data(ticket));
                Ok(())
            }
        }
    }

    /// The chunk follows whatever is said about it, and is never read as commands (safety rows F6, F9).
    pub(super) fn on_bdat(&mut self, bytes: u64, last: Last) -> Result<(), Error> {
        let refusal = if self.announces("CHUNKING") { self.message_refusal() } else { Some(not_available()) };
        match refusal {
            Some(reply) => self.skip_chunk(bytes, reply),
            None if self.body.is_some() => self.begin_chunk(bytes, last),
            None => {
                let ticket = self.issue(Owed::Chunk(bytes, last));
                self.events.push_back(Event::Data(ticket));
            }
        }
        Ok(())
    }

    pub(super) fn on_burl(&mut self, url: &str, last: Last) -> Result<(), Error> {
        if !self.announces("BURL") {
            return self.bad(&not_available());
        }
        if let Some(reply) = self.message_refusal() {
            return self.bad(&reply);
        }
        let ticket = self.issue(Owed::Url(last));
        self.events.push_back(Event::Burl(ticket, url.into()));
        Ok(())
    }

    /// Why there can be no message now.
    fn message_refusal(&self) -> Option<Reply> {
        match self.transaction {
            None => Some(Reply::fixed(503, 5, 1, "Say MAIL first")),
            Some(Transaction { accepted: 0, .. }) => Some(Reply::fixed(503, 5, 1, "No valid recipients")),
            Some(_) => None,
        }
    }

    fn are_announced(&self, params: &[OtherParam]) -> bool {
        params.iter().all(|param| self.announces(param.keyword()))
    }
}

fn unknown_parameter() -> Reply {
    Reply::fixed(555, 5, 4, "Parameter not recognized or not permitted")
}

/// RFC 6531 3.5.
fn not_ascii() -> Reply {
    Reply::fixed(553, 6, 7, "Addresses that are not ASCII need SMTPUTF8")
}
