//! One command at a back-end: what it brings goes to the client as it comes.
//!
//! What the connection with the selected mailbox says of its messages is passed on as it was framed, large literals
//! piece by piece; the back-end is read only as fast as the client takes it (safety row X9). Data that carries
//! mailbox names is never passed on: whoever asks for it gets it typed and writes it anew. What nobody asked for is
//! dropped.
//!
//! Response codes are passed on if this crate knows them: a referral, or a list of capabilities, is between a
//! back-end and us (safety row X1).

use imap_proto::client::{Connection, Event, Piece};
use imap_proto::{Code, Command, Parsed, Response, Status, kind, server};
use mail_wire::{Connection as _, Error};
use tracing::{debug, warn};

use super::backends::Backend;
use crate::net::{Link, LinkError};

/// Bytes for the client at which a back-end is not read any further. 64 KiB: a literal's pieces are a quarter of it.
const OUTPUT_HIGH_WATER_BYTES: usize = 64 << 10;
/// Bytes of responses kept for one command. 16 MiB: a hundred thousand subscriptions.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Which untagged responses a command wants for itself.
pub(super) type Wanted = fn(&Response<'_>) -> bool;

/// Wants nothing.
pub(super) fn nothing(_: &Response<'_>) -> bool {
    false
}

/// How a command at a back-end ended.
#[derive(Debug)]
pub(super) struct Answer {
    /// The tagged reply.
    pub(super) tagged: Parsed<kind::Response>,
    /// The untagged responses that the command wanted.
    pub(super) kept: Vec<Parsed<kind::Response>>,
}

impl Answer {
    /// Its status.
    pub(super) fn status(&self) -> Status<'_> {
        match self.tagged.view() {
            Response::Tagged { status, .. } => clean(status),
            _ => Status::bad("Not a reply"),
        }
    }

    /// Whether it is OK.
    pub(super) fn is_ok(&self) -> bool {
        self.status().condition == imap_proto::Condition::Ok
    }
}

/// Why there is no answer: the connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// It failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It was closed.
    #[error("it closed the connection")]
    Closed,
    /// It said what it may not say.
    #[error("it sent what was not asked for")]
    Misbehaved,
    /// The client broke off a message on its way there.
    #[error("the client broke off a message")]
    ClientGaveUp,
    /// It said too much.
    #[error("more than {KEPT_BYTES_MAX} bytes of answers to one command")]
    TooMuch,
}

/// The end of a conversation with a back-end, kept apart from the end of the client's.
pub(super) type Ended<T> = Result<Result<T, Lost>, LinkError>;

/// Sends a command and goes on to its end. The outer error is the client's, the inner one the back-end's.
pub(super) async fn run(
    client: &mut Link<server::Connection>,
    backend: &mut Backend,
    command: &Command<'_>,
    wanted: Wanted,
) -> Ended<Answer> {
    let id = match backend.link.conn().command(command) {
        Ok(id) => id,
        Err(e) => return Ok(Err(LinkError::from(e).into())),
    };
    finish(client, backend, id, wanted).await
}

/// Goes on to the end of a command that was sent.
pub(super) async fn finish(
    client: &mut Link<server::Connection>,
    backend: &mut Backend,
    id: imap_proto::client::CommandId,
    wanted: Wanted,
) -> Ended<Answer> {
    let mut kept = Vec::new();
    let mut kept_bytes = 0;
    let mut flow = Flow::default();
    loop {
        let event = match flow.next(client, &mut backend.link).await? {
            Ok(event) => event,
            Err(lost) => return Ok(Err(lost)),
        };
        match event {
            Event::Tagged(of, tagged) if of == id => return Ok(Ok(Answer { tagged, kept })),
            Event::Untagged(response) if wanted(&response.view()) => {
                kept_bytes += response.frame().len();
                if kept_bytes > KEPT_BYTES_MAX {
                    return Ok(Err(Lost::TooMuch));
                }
                kept.push(response);
            }
            event => {
                if let Err(lost) = pass_on(client, backend.is_selected, event)? {
                    return Ok(Err(lost));
                }
                flow.wrote();
            }
        }
    }
}

/// The flow from a back-end to a client.
#[derive(Debug, Default)]
pub(super) struct Flow {
    unflushed: bool,
}

impl Flow {
    /// Something for the client was written.
    pub(super) fn wrote(&mut self) {
        self.unflushed = true;
    }

    /// The back-end's next event. While the back-end is silent the client gets what waits for it; while much waits,
    /// the back-end is not read.
    pub(super) async fn next(
        &mut self,
        client: &mut Link<server::Connection>,
        backend: &mut Link<Connection>,
    ) -> Ended<Event> {
        if client.conn().transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
            client.flush().await?;
            self.unflushed = false;
        }
        loop {
            let event = tokio::select! {
                biased;
                event = backend.next() => event,
                flushed = client.flush(), if self.unflushed => {
                    flushed?;
                    self.unflushed = false;
                    continue;
                }
            };
            return Ok(match event {
                Ok(Some(Event::Bye(_) | Event::Closed) | None) => Err(Lost::Closed),
                Ok(Some(event)) => Ok(event),
                Err(e) => Err(e.into()),
            });
        }
    }
}

/// Passes on an event that belongs to no command in particular. Only the connection with the selected mailbox has
/// anything to say to the client.
pub(super) fn pass_on(
    client: &mut Link<server::Connection>,
    is_selected: bool,
    event: Event,
) -> Result<Result<(), Lost>, LinkError> {
    match event {
        Event::Untagged(response) if is_selected => return pass_on_response(client, &response),
        Event::Piece(piece) => {
            let is_of_fetch = match &piece {
                Piece::Head { so_far, .. } => matches!(so_far.view(), Response::Fetch { .. }),
                _ => true,
            };
            if !is_selected || !is_of_fetch {
                return Ok(Err(Lost::Misbehaved));
            }
            client.conn().forward_piece(piece).map_err(Error::from)?;
        }
        _ => {}
    }
    Ok(Ok(()))
}

fn pass_on_response(
    client: &mut Link<server::Connection>,
    response: &Parsed<kind::Response>,
) -> Result<Result<(), Lost>, LinkError> {
    let conn = client.conn();
    match response.view() {
        Response::Exists(_)
        | Response::Recent(_)
        | Response::Fetch { .. }
        | Response::Flags(_)
        | Response::Search(_) => conn.forward(response)?,
        // Checked by the connection: at the wrong time it would shift the client's numbers.
        expunge @ Response::Expunge(_) => {
            if conn.untagged(&expunge).is_err() {
                return Ok(Err(Lost::Misbehaved));
            }
        }
        Response::Status(status) => untagged(client, &Response::Status(clean(status)))?,
        _ => debug!(protocol = "imap", "a back-end said something unasked"),
    }
    Ok(Ok(()))
}

/// Writes a response of ours. What cannot be expressed is left out.
pub(super) fn untagged(
    client: &mut Link<server::Connection>,
    response: &Response<'_>,
) -> Result<(), LinkError> {
    match client.conn().untagged(response) {
        Err(Error::PeerIncompatible(e)) => {
            warn!(protocol = "imap", error = %e, "a response of a back-end cannot be written");
            Ok(())
        }
        other => Ok(other?),
    }
}

/// The status with its code only if that is one for clients.
fn clean(status: Status<'_>) -> Status<'_> {
    let code = status.code.filter(is_for_clients);
    Status { code, ..status }
}

/// The codes of what a front-end announces. Capabilities and referrals are those of a server that no client knows of.
fn is_for_clients(code: &Code<'_>) -> bool {
    matches!(
        code,
        Code::Alert
            | Code::BadCharset(_)
            | Code::Parse
            | Code::PermanentFlags(_)
            | Code::ReadOnly
            | Code::ReadWrite
            | Code::TryCreate
            | Code::UidNext(_)
            | Code::UidValidity(_)
            | Code::Unseen(_)
            | Code::AppendUid { .. }
            | Code::CopyUid { .. }
            | Code::UidNotSticky
            | Code::UseAttr
            | Code::TooBig
            | Code::Condition(_)
    )
}
