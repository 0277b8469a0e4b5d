//! APPEND: the message goes through to its mailbox's server as it comes (RFC 3501 6.3.11, RFC 7888).
//!
//! The client's literal is accepted only when the back-end has accepted its own, and read no faster than the back-end
//! takes it (safety row X9). The last piece is held back until the client's command is complete: should it turn out
//! malformed, the back-end's is broken off by closing that connection, and nothing was appended.

use bytes::Bytes;
use imap_proto::client::{CommandId, Event as BackendEvent};
use imap_proto::server::{Connection, Event, LiteralOffer};
use imap_proto::{Append, Code, Command, MailboxName, NewContent, Status};
use mail_wire::{Connection as _, Keep};

use super::backends::Backend;
use super::relay::{self, Answer, Ended, Flow, Lost, nothing};
use super::{ADMIN_READS_NO_MAIL, Session, try_create, unavailable};
use crate::net::{Link, LinkError, OUTPUT_HIGH_WATER_BYTES};

/// Where a message goes.
struct Target {
    server: Box<str>,
    id: CommandId,
}

/// Why it goes nowhere.
enum Refused {
    /// Our own words.
    Here(Status<'static>),
    /// The back-end's.
    There(Answer),
}

fn one_message() -> Status<'static> {
    Status::bad("One message at a time")
}

impl Session<'_> {
    /// Takes an APPEND from the announcement of its message to its reply.
    pub(super) async fn append(&mut self, offer: LiteralOffer) -> Result<(), LinkError> {
        match self.offer(&offer).await? {
            Ok(target) => {
                self.client.conn().accept(offer, Keep::Stream)?;
                self.pump(&target).await
            }
            Err(Refused::Here(status)) => Ok(self.client.conn().refuse(offer, &status)?),
            Err(Refused::There(answer)) => Ok(self.client.conn().refuse(offer, &answer.status())?),
        }
    }

    /// Begins the APPEND at the back-end, up to where it takes the message.
    async fn offer(&mut self, offer: &LiteralOffer) -> Result<Result<Target, Refused>, LinkError> {
        let Command::Append(append) = offer.so_far() else {
            return Ok(Err(Refused::Here(Status::bad("No literal is expected here"))));
        };
        let mut messages = append.messages.iter();
        let (Some(message), None) = (messages.next(), messages.next()) else {
            return Ok(Err(Refused::Here(one_message())));
        };
        if !matches!(message.content, NewContent::Plain(_)) {
            return Ok(Err(Refused::Here(Status::bad("Only a plain literal is taken"))));
        }
        if offer.bytes() == 0 {
            // It means "none after all" in RFC 3502.
            return Ok(Err(Refused::Here(Status::no("An empty message is not stored"))));
        }
        if offer.bytes() > self.shared.config.limits.message_bytes_max {
            return Ok(Err(Refused::Here(Status::no("Message too large").with_code(Code::TooBig))));
        }
        let entry = match self.find(&append.mailbox, ADMIN_READS_NO_MAIL).await {
            Ok(entry) => entry,
            Err(status) => return Ok(Err(Refused::Here(try_create(status)))),
        };
        let classic = self.view.classic(entry.name());
        let Ok(mailbox) = MailboxName::new(&classic) else { return Ok(Err(Refused::Here(unavailable()))) };
        let Some(backend) = self.backends.open(entry.server()).await else {
            return Ok(Err(Refused::Here(unavailable())));
        };
        match begin(self.client, backend, &Append { mailbox, messages: append.messages }).await? {
            Ok(Begun::Wanted(id)) => Ok(Ok(Target { server: entry.server().into(), id })),
            Ok(Begun::Refused(answer)) => Ok(Err(Refused::There(answer))),
            Err(lost) => {
                self.backends.lose(entry.server(), &lost);
                Ok(Err(Refused::Here(unavailable())))
            }
        }
    }

    /// Passes the client's literal on and answers the command. If the back-end is lost on the way, the rest of the
    /// literal is read all the same: the client has been told to send it.
    async fn pump(&mut self, target: &Target) -> Result<(), LinkError> {
        let mut held = Bytes::new();
        let mut lost: Option<Lost> = None;
        let ticket = loop {
            match self.client.next().await? {
                Some(Event::Chunk(_, bytes)) => {
                    let ready = std::mem::replace(&mut held, bytes);
                    if lost.is_none() && !ready.is_empty() {
                        lost = self.give(&target.server, ready).await.err();
                    }
                }
                Some(Event::Command(ticket, _)) => break ticket,
                // Its bytes go by; the APPEND is abandoned with it.
                Some(Event::Offer(second)) => self.client.conn().refuse(second, &one_message())?,
                Some(Event::Abandoned) | None => {
                    self.backends.lose(&target.server, &Lost::ClientGaveUp);
                    return Ok(());
                }
                Some(_) => {}
            }
        };
        if lost.is_none() {
            lost = self.give(&target.server, held).await.err();
        }
        let answer = match (lost, self.backends.get(&target.server)) {
            (None, Some(backend)) => relay::finish(self.client, backend, target.id, nothing).await?,
            (lost, _) => Err(lost.unwrap_or(Lost::Closed)),
        };
        match answer {
            Ok(answer) => self.reply(ticket, &answer.status()),
            Err(lost) => {
                self.backends.lose(&target.server, &lost);
                self.reply(ticket, &unavailable())
            }
        }
    }

    async fn give(&mut self, server: &str, bytes: Bytes) -> Result<(), Lost> {
        give(self.backends.get(server).ok_or(Lost::Closed)?, bytes).await
    }
}

/// How far an APPEND at a back-end came.
pub(super) enum Begun {
    /// It wants the message.
    Wanted(CommandId),
    /// It does not.
    Refused(Answer),
}

/// Sends an APPEND whose message is streamed, up to where the back-end takes that.
pub(super) async fn begin(
    client: &mut Link<Connection>,
    backend: &mut Backend,
    append: &Append<'_>,
) -> Ended<Begun> {
    let id = match backend.link.conn().command(&Command::Append(*append)) {
        Ok(id) => id,
        Err(e) => return Ok(Err(LinkError::from(e).into())),
    };
    let mut flow = Flow::default();
    loop {
        let event = match flow.next(client, &mut backend.link).await? {
            Ok(event) => event,
            Err(lost) => return Ok(Err(lost)),
        };
        match event {
            BackendEvent::SendLiteral { command, .. } if command == id => return Ok(Ok(Begun::Wanted(id))),
            BackendEvent::Tagged(of, tagged) if of == id => {
                return Ok(Ok(Begun::Refused(Answer { tagged, kept: Vec::new() })));
            }
            event => {
                if let Err(lost) = relay::pass_on(client, backend.is_selected, event)? {
                    return Ok(Err(lost));
                }
                flow.wrote();
            }
        }
    }
}

/// Gives bytes of a message to a back-end; returns when it has taken most of what it was given.
pub(super) async fn give(backend: &mut Backend, bytes: Bytes) -> Result<(), Lost> {
    let conn = backend.link.conn();
    conn.literal_chunk(bytes).map_err(|e| LinkError::from(mail_wire::Error::from(e)))?;
    if conn.transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
        backend.link.flush().await?;
    }
    Ok(())
}
