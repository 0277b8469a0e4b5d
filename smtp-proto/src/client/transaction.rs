//! One transaction: MAIL, RCPT, DATA, the message, and the fate of each recipient.

use mail_wire::{DotWriter, Error, PeerMisbehaved};

use super::content::Content;
use super::{Envelope, Event, Machine, Recipient, Stage, What};
use crate::body::Body;
use crate::code::{Code, Verdict};
use crate::dialect::{Dialect, Protocol};
use crate::extension::Extension;
use crate::reply::Reply;

/// The transaction that is under way.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Recipients not yet asked for, where the server takes one command at a time; last first.
    unasked: Vec<(usize, Recipient)>,
    pipelined: bool,
    fates: Vec<Fate>,
    /// The server has a transaction open.
    pub(super) open: bool,
    /// The body is announced as this.
    body: Option<Body>,
    /// It leaves in chunks, so that there is no DATA.
    chunked: bool,
    /// The message is being sent.
    pub(super) content: Option<Content>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Undecided,
    Accepted,
    Decided,
}

impl Transaction {
    pub(super) fn accepted(&self) -> impl Iterator<Item = usize> {
        self.fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::Accepted).map(|(place, _)| place)
    }
}

/// The stage that a reply belongs to.
pub(super) fn stage_of(what: &What) -> Stage {
    match what {
        What::Mail => Stage::Mail,
        What::Rcpt(_) => Stage::Rcpt,
        What::Data => Stage::Data,
        _ => Stage::Message,
    }
}

impl<D: Dialect> Machine<D> {
    /// Begins a transaction.
    ///
    /// # Errors
    /// `ApiMisuse` unless the connection [is idle](Self::is_idle) and there is a recipient; `LimitExceeded` if there are
    /// more than [`recipients_max`](crate::Limits::recipients_max), the message is larger than the server takes (limit
    /// `SIZE`), or it would pass a limit that the server announces (`MAILMAX`: use another connection; `RCPTMAX` and
    /// `RCPTDOMAINMAX`: send to some of the recipients now); `PeerIncompatible` if the server lacks an extension that
    /// the envelope needs. The connection stays as it was.
    pub fn send(&mut self, envelope: Envelope) -> Result<(), Error> {
        let params = self.expressible(&envelope)?;
        let (body, chunked) = (params.body, self.is_chunked(params.body));
        let capabilities = self.ready()?;
        let pipelined = capabilities.has(&Extension::Pipelining);
        let count = envelope.recipients.len();
        self.line(format_args!("MAIL FROM:{}{params}\r\n", envelope.reverse_path), What::Mail);
        let mut unasked: Vec<_> = envelope.recipients.into_iter().enumerate().collect();
        if pipelined {
            for (place, recipient) in unasked.drain(..) {
                self.rcpt(place, &recipient);
            }
            if !chunked {
                self.command(b"DATA\r\n", What::Data);
            }
        }
        unasked.reverse();
        let fates = vec![Fate::Undecided; count];
        self.spoke = true;
        self.mails = self.mails.saturating_add(1);
        self.transaction =
            Some(Transaction { unasked, pipelined, fates, open: false, body, chunked, content: None });
        Ok(())
    }

    fn rcpt(&mut self, place: usize, recipient: &Recipient) {
        self.line(format_args!("RCPT TO:{}{}\r\n", recipient.path, recipient.params), What::Rcpt(place));
    }

    pub(super) fn on_transaction_reply(&mut self, what: &What, reply: Reply) -> Result<(), Error> {
        let succeeded = reply.verdict() == Verdict::Success;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        match what {
            What::Mail if succeeded => transaction.open = true,
            What::Mail => self.end_undecided(Stage::Mail, &reply),
            What::Rcpt(place) => self.on_rcpt_reply(*place, reply),
            What::Data => return self.on_data_reply(&reply),
            What::Chunk if succeeded => self.send_last_chunk(),
            What::Chunk => {
                self.end_undecided(Stage::Message, &reply);
                if let Some(transaction) = &mut self.transaction {
                    transaction.open = true;
                    transaction.content = transaction.content.take().map(|_| Content::Refused);
                }
            }
            What::Message => self.end_undecided(Stage::Message, &reply),
            What::Delivery(place) => self.decide(*place, Stage::Message, &reply),
            _ => {}
        }
        self.go_on();
        Ok(())
    }

    fn on_rcpt_reply(&mut self, place: usize, reply: Reply) {
        let fate = self.transaction.as_mut().and_then(|t| t.fates.get_mut(place));
        // Behind a refused MAIL the recipient is decided already, and this reply is only its echo.
        let Some(fate) = fate.filter(|fate| **fate == Fate::Undecided) else { return };
        if reply.verdict() == Verdict::Success {
            *fate = Fate::Accepted;
            self.events.push_back(Event::Accepted { recipient: place, reply });
        } else {
            self.decide(place, Stage::Rcpt, &reply);
        }
    }

    fn on_data_reply(&mut self, reply: &Reply) -> Result<(), Error> {
        match reply.verdict() {
            Verdict::Intermediate if reply.code() == Code::START_MAIL => {}
            Verdict::Temporary | Verdict::Permanent => {
                self.end_undecided(Stage::Data, reply);
                self.go_on();
                return Ok(());
            }
            _ => return Err(PeerMisbehaved::UnexpectedReply.into()),
        }
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if transaction.accepted().next().is_some() {
            transaction.content = Some(Content::Dots(DotWriter::new()));
            self.events.push_back(Event::BodyWanted);
            return Ok(());
        }
        // The server wants a message for nobody (RFC 2920 3.1): it gets an empty one. LMTP owes no reply to it.
        transaction.open = false;
        self.core.out.put(b".\r\n");
        match D::PROTOCOL {
            Protocol::Smtp => self.expect(What::Message),
            Protocol::Lmtp => self.go_on(),
        }
        Ok(())
    }

    /// Says what is to be said next, or ends the transaction.
    fn go_on(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        let is_busy =
            transaction.content.as_ref().is_some_and(|content| !matches!(content, Content::Refused));
        if !self.due.is_empty() || is_busy {
            return;
        }
        let undecided = transaction.fates.iter().any(|fate| *fate != Fate::Decided);
        if undecided && transaction.chunked {
            transaction.content = Some(Content::chunks(transaction.body));
            return self.events.push_back(Event::BodyWanted);
        }
        if undecided && !transaction.pipelined {
            return match transaction.unasked.pop() {
                Some((place, recipient)) => self.rcpt(place, &recipient),
                None => self.command(b"DATA\r\n", What::Data),
            };
        }
        if transaction.open {
            transaction.open = false;
            return self.command(b"RSET\r\n", What::Rset);
        }
        self.transaction = None;
        self.events.push_back(Event::TransactionEnd);
    }

    /// Gives every recipient that has none this fate.
    pub(super) fn end_undecided(&mut self, stage: Stage, reply: &Reply) {
        let count = self.transaction.as_ref().map_or(0, |t| t.fates.len());
        for place in 0..count {
            self.decide(place, stage, reply);
        }
    }

    fn decide(&mut self, place: usize, stage: Stage, reply: &Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        let one_too_many =
            stage == Stage::Rcpt && reply.code() == Code::TOO_BIG && transaction.accepted().next().is_some();
        let verdict = if one_too_many { Verdict::Temporary } else { reply.verdict() };
        let fate = transaction.fates.get_mut(place).filter(|fate| **fate != Fate::Decided);
        if let Some(fate) = fate {
            *fate = Fate::Decided;
            self.events.push_back(Event::Fate { recipient: place, stage, verdict, reply: reply.clone() });
        }
    }
}
