//! One transaction: MAIL, RCPT, DATA, the message, and the fate of each recipient.

use bytes::Bytes;
use mail_wire::{ApiMisuse, DotWriter, Error, LimitExceeded, PeerIncompatible, PeerMisbehaved};

use super::{Envelope, Event, Machine, Recipient, Stage, What};
use crate::dialect::{Dialect, Protocol};
use crate::extension::{Capabilities, Extension};
use crate::params::{Body, MailParams, OtherParam};
use crate::reply::{Code, Reply, Verdict};

/// The transaction that is under way.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Recipients not yet asked for, where the server takes one command at a time; last first.
    unasked: Vec<(usize, Recipient)>,
    pipelined: bool,
    fates: Vec<Fate>,
    /// The server has a transaction open.
    open: bool,
    /// The message is being sent.
    writer: Option<DotWriter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Undecided,
    Accepted,
    Decided,
}

impl Transaction {
    fn accepted(&self) -> impl Iterator<Item = usize> {
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
    /// more than [`recipients_max`](crate::Limits::recipients_max), or the message is larger than the server takes
    /// (limit `SIZE`); `PeerIncompatible` if the server lacks 8BITMIME or an extension that a parameter needs. The
    /// connection stays as it was.
    pub fn send(&mut self, envelope: Envelope) -> Result<(), Error> {
        let capabilities = self.ready()?;
        let max = self.config.limits.recipients_max;
        if envelope.recipients.is_empty() {
            return Err(ApiMisuse::WrongState("an envelope has at least one recipient").into());
        }
        if envelope.recipients.len() > max {
            return Err(LimitExceeded::new("recipients_max", max as u64).into());
        }
        let params = expressible(envelope.params, capabilities)?;
        for recipient in &envelope.recipients {
            are_announced(&recipient.params.other, capabilities)?;
        }
        let pipelined = capabilities.has(&Extension::Pipelining);
        let count = envelope.recipients.len();
        self.line(format_args!("MAIL FROM:{}{params}\r\n", envelope.reverse_path), What::Mail);
        let mut unasked: Vec<_> = envelope.recipients.into_iter().enumerate().collect();
        if pipelined {
            for (place, recipient) in unasked.drain(..) {
                self.rcpt(place, &recipient);
            }
            self.command(b"DATA\r\n", What::Data);
        }
        unasked.reverse();
        let fates = vec![Fate::Undecided; count];
        self.spoke = true;
        self.transaction = Some(Transaction { unasked, pipelined, fates, open: false, writer: None });
        Ok(())
    }

    /// Sends the next bytes of the message, after [`Event::BodyWanted`].
    pub fn body_chunk(&mut self, bytes: &Bytes) -> Result<(), ApiMisuse> {
        let writer = self.transaction.as_mut().and_then(|t| t.writer.as_mut());
        writer.ok_or(NO_BODY_WANTED)?.write(bytes, &mut self.core.out);
        Ok(())
    }

    /// Ends the message.
    pub fn body_end(&mut self) -> Result<(), ApiMisuse> {
        let transaction = self.transaction.as_mut().ok_or(NO_BODY_WANTED)?;
        transaction.writer.take().ok_or(NO_BODY_WANTED)?.finish(&mut self.core.out);
        transaction.open = false;
        self.spoke = true;
        let accepted: Vec<usize> = transaction.accepted().collect();
        match D::PROTOCOL {
            Protocol::Smtp => self.expect(What::Message),
            Protocol::Lmtp => accepted.into_iter().for_each(|place| self.expect(What::Delivery(place))),
        }
        Ok(())
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>, what: What) {
        self.command(text.to_string().as_bytes(), what);
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
            transaction.writer = Some(DotWriter::new());
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
        if !self.due.is_empty() || transaction.writer.is_some() {
            return;
        }
        let undecided = transaction.fates.iter().any(|fate| *fate != Fate::Decided);
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

const NO_BODY_WANTED: ApiMisuse = ApiMisuse::WrongState("no message is wanted now");

/// The parameters as this server can be told them.
fn expressible(mut params: MailParams, capabilities: &Capabilities) -> Result<MailParams, Error> {
    if let (Some(size), Some(max)) = (params.size_bytes, capabilities.size_bytes_max())
        && size > max
    {
        return Err(LimitExceeded::new("SIZE", max).into());
    }
    params.size_bytes = params.size_bytes.filter(|_| capabilities.has_size());
    if !capabilities.has(&Extension::EightBitMime) {
        if params.body == Some(Body::EightBitMime) {
            return Err(PeerIncompatible::Missing("8BITMIME").into());
        }
        params.body = None;
    }
    params.auth = params.auth.filter(|_| capabilities.mechanisms().next().is_some());
    are_announced(&params.other, capabilities)?;
    Ok(params)
}

fn are_announced(params: &[OtherParam], capabilities: &Capabilities) -> Result<(), PeerIncompatible> {
    if params.iter().all(|param| capabilities.other(param.keyword()).is_some()) {
        Ok(())
    } else {
        Err(PeerIncompatible::Inexpressible("a parameter of an extension that the peer does not announce"))
    }
}
