//! A proxy's middle: one client's commands go to a back-end, its answers come back.
//!
//! Everything is read and written anew on the way, messages are unstuffed and stuffed again: nothing that one side
//! sends reaches the other as it stood on the wire (safety row F2). Nothing is collected; pieces of a message pass
//! without a copy unless they are small.
//!
//! ```
//! # use std::time::Instant;
//! # use mail_wire::{Connection as _, Error};
//! use pop3_proto::{client, relay::Relay, server};
//!
//! /// One turn of a proxy's loop, behind both logins.
//! fn turn(front: &mut server::Connection, relay: &mut Relay, back: &mut client::Connection) -> Result<(), Error> {
//!     match front.poll_event()? {
//!         Some(server::Event::Maildrop(ticket, command)) => relay.command(ticket, command, back)?,
//!         Some(server::Event::Quit(ticket)) => relay.quit(ticket, back)?,
//!         _ => {}
//!     }
//!     while let Some(event) = back.poll_event()? {
//!         relay.event(event, front)?;
//!     }
//!     Ok(())
//! }
//! # let now = Instant::now();
//! # let mut front = server::Connection::new(server::Config::default(), now);
//! # let mut back = client::Connection::new(client::Config::new(mail_wire::TlsMode::Never), now);
//! # turn(&mut front, &mut Relay::new(), &mut back).unwrap();
//! ```

use mail_wire::{Error, Text, Ticket};

use crate::server::MultiLine;
use crate::{MaildropCommand, Reply, ResponseCode, client, server};

/// What one session of a proxy owes its client.
///
/// The owner logs both sides in, then loops: a [`server::Event::Maildrop`] goes to [`command`](Self::command), a
/// [`server::Event::Quit`] to [`quit`](Self::quit), every [`client::Event`] to [`event`](Self::event); when the back-end is gone,
/// [`lost`](Self::lost) says so.
#[derive(Debug, Default)]
pub struct Relay {
    owed: Option<Owed>,
}

#[derive(Debug)]
enum Owed {
    Reply(Ticket),
    MultiLine(MultiLine),
}

impl Relay {
    /// Nothing is owed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes a command on to the back-end.
    pub fn command(
        &mut self,
        ticket: Ticket,
        command: MaildropCommand,
        backend: &mut client::Connection,
    ) -> Result<(), Error> {
        self.owed = Some(Owed::Reply(ticket));
        backend.send(command)
    }

    /// Passes QUIT on.
    pub fn quit(&mut self, ticket: Ticket, backend: &mut client::Connection) -> Result<(), Error> {
        self.owed = Some(Owed::Reply(ticket));
        backend.quit()
    }

    /// Passes a part of an answer back. Gives back an event that is no part of one.
    pub fn event(
        &mut self,
        event: client::Event,
        server: &mut server::Connection,
    ) -> Result<Option<client::Event>, Error> {
        match (event, self.owed.take()) {
            (client::Event::Reply(_, reply) | client::Event::Goodbye(reply), Some(Owed::Reply(ticket))) => {
                server.reply(ticket, &reply)?;
            }
            (client::Event::Begin(_, reply), Some(Owed::Reply(ticket))) => {
                self.owed = Some(Owed::MultiLine(server.begin(ticket, &reply.text)?));
            }
            (client::Event::End(_), Some(Owed::MultiLine(reply))) => server.end(reply)?,
            (event, Some(Owed::MultiLine(reply))) => {
                let back = part(event, &reply, server);
                self.owed = Some(Owed::MultiLine(reply));
                return back;
            }
            (event, owed) => {
                self.owed = owed;
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// True while the client waits for an answer, or for the rest of one.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.owed.is_some()
    }

    /// The back-end is gone. A command that waits is refused; a message that has begun is cut off together with the
    /// connection, so that nobody takes it for whole.
    pub fn lost(&mut self, server: &mut server::Connection) -> Result<(), Error> {
        match self.owed.take() {
            Some(Owed::Reply(ticket)) => {
                let text = const { Text::constant("The mail server is not available") };
                server.reply(ticket, &Reply::err_with(ResponseCode::SysTemp, text))
            }
            Some(Owed::MultiLine(reply)) => server.abort(reply),
            None => Ok(()),
        }
    }
}

fn part(
    event: client::Event,
    reply: &MultiLine,
    server: &mut server::Connection,
) -> Result<Option<client::Event>, Error> {
    match event {
        client::Event::Chunk(bytes) => server.body(reply, &bytes)?,
        client::Event::ScanListing(listing) => server.scan_listing(reply, listing)?,
        client::Event::UniqueIdListing(listing) => server.unique_id_listing(reply, &listing)?,
        other => return Ok(Some(other)),
    }
    Ok(None)
}
