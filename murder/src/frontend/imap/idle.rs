//! IDLE (RFC 2177): what the server of the selected mailbox tells goes to the client as it comes.
//!
//! Without a selected mailbox there is nothing to tell, and the client may idle all the same.

use imap_proto::client::{CommandId, Event as BackendEvent};
use imap_proto::server::Event;
use imap_proto::{Parsed, Response, Status, kind};
use mail_wire::{Connection as _, Ticket};

use super::relay::{self, Answer, Flow, Lost, nothing};
use super::{Session, gone, say_goodbye};
use crate::net::{LinkError, OUTPUT_HIGH_WATER_BYTES};

/// Responses that a back-end may send between IDLE and its `+`; they wait for ours.
const EARLY_MAX: usize = 1_000;

/// Untagged data that came before the client could take it.
type Early = Vec<Parsed<kind::Response>>;

enum Said {
    Client(Option<Event>),
    Backend(Result<Option<BackendEvent>, LinkError>),
    Stop,
}

impl Session<'_> {
    pub(super) async fn idle(&mut self, ticket: Ticket) -> Result<(), LinkError> {
        let Some(server) = self.backends.selected_server() else {
            if self.selected.is_some() {
                return self.reply(ticket, &gone());
            }
            self.client.conn().idle_begin(ticket).map_err(mail_wire::Error::from)?;
            return self.idle_on(None).await;
        };
        match self.begin_at_backend().await? {
            Ok(Begun::Idling(id, early)) => {
                self.client.conn().idle_begin(ticket).map_err(mail_wire::Error::from)?;
                for response in early {
                    if let Err(lost) = relay::pass_on(self.client, true, BackendEvent::Untagged(response))? {
                        self.backends.lose(&server, &lost);
                        break;
                    }
                }
                self.idle_on(Some((server, id))).await
            }
            Ok(Begun::Refused(answer)) => self.reply(ticket, &answer.status()),
            Err(lost) => {
                self.backends.lose(&server, &lost);
                self.reply(ticket, &gone())
            }
        }
    }

    async fn begin_at_backend(&mut self) -> relay::Ended<Begun> {
        let Some(backend) = self.backends.selected() else { return Ok(Err(Lost::Closed)) };
        let id = match backend.link.conn().idle() {
            Ok(id) => id,
            Err(e) => return Ok(Err(LinkError::from(e).into())),
        };
        let mut flow = Flow::default();
        let mut early = Early::new();
        loop {
            match flow.next(self.client, &mut backend.link).await? {
                Ok(BackendEvent::Idling(_)) => return Ok(Ok(Begun::Idling(id, early))),
                Ok(BackendEvent::Tagged(_, tagged)) => {
                    return Ok(Ok(Begun::Refused(Answer { tagged, kept: Vec::new() })));
                }
                Ok(BackendEvent::Untagged(response)) if early.len() < EARLY_MAX => early.push(response),
                Ok(BackendEvent::Untagged(_)) => return Ok(Err(Lost::TooMuch)),
                Ok(_) => {}
                Err(lost) => return Ok(Err(lost)),
            }
        }
    }

    /// Idles until the client ends it, together with a back-end if there is one.
    async fn idle_on(&mut self, mut at: Option<(Box<str>, CommandId)>) -> Result<(), LinkError> {
        let was_at_backend = at.is_some();
        let ended = loop {
            let said = tokio::select! {
                event = self.client.next() => Said::Client(event?),
                event = self.backends.next_of_selected() => Said::Backend(event),
                () = self.shutdown.requested() => Said::Stop,
            };
            match said {
                Said::Stop => {
                    say_goodbye(self.client).await;
                    return Ok(());
                }
                Said::Client(Some(Event::IdleDone(ticket))) => break Some(ticket),
                Said::Client(Some(Event::IdleBroken)) => break None,
                Said::Client(None) => return Ok(()),
                Said::Client(Some(_)) => {}
                Said::Backend(event) => {
                    let passed = match event {
                        Ok(Some(BackendEvent::Bye(_) | BackendEvent::Closed) | None) => Err(Lost::Closed),
                        Ok(Some(BackendEvent::Tagged(..))) => Err(Lost::Misbehaved),
                        Ok(Some(event)) => relay::pass_on(self.client, true, event)?,
                        Err(e) => Err(e.into()),
                    };
                    if let Err(lost) = passed {
                        if let Some((server, _)) = at.take() {
                            self.backends.lose(&server, &lost);
                        }
                        relay::untagged(self.client, &Response::Status(gone()))?;
                    }
                }
            }
            if self.client.conn().transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
                self.client.flush().await?;
            }
        };
        if let Some((server, id)) = at.take()
            && let Err(lost) = self.end_at_backend(id).await?
        {
            self.backends.lose(&server, &lost);
        }
        let Some(ticket) = ended else { return Ok(()) };
        let is_gone = was_at_backend && self.backends.selected_server().is_none();
        self.reply(ticket, &if is_gone { gone() } else { Status::ok("Completed") })
    }

    async fn end_at_backend(&mut self, id: CommandId) -> relay::Ended<()> {
        let Some(backend) = self.backends.selected() else { return Ok(Err(Lost::Closed)) };
        if let Err(e) = backend.link.conn().idle_done() {
            return Ok(Err(LinkError::from(mail_wire::Error::from(e)).into()));
        }
        Ok(relay::finish(self.client, backend, id, nothing).await?.map(|_| ()))
    }
}

enum Begun {
    Idling(CommandId, Early),
    Refused(Answer),
}
