//! A small POP3 client over Tokio: reads a maildrop.

use std::time::Instant;

use mail_wire::sasl::{Authcid, Credentials};
use mail_wire::{TlsActive, TlsMode};
use murder::net::{Link, Transport};
use pop3_proto::client::{Config, Connection, Event};
use pop3_proto::{MaildropCommand, MessageNumber};
use tokio::net::TcpStream;

use crate::imap::Failure;

/// All messages of a maildrop on a server of this machine, in its order.
pub async fn read_all(place: &str, login: &str, password: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let stream = TcpStream::connect(place).await.map_err(|e| format!("{place}: {e}"))?;
    let address = stream.peer_addr()?;
    let connection = Connection::new(Config::new(TlsMode::Never), Instant::now());
    let mut link = Link::new(Transport::Plain(stream), address, connection);
    let credentials = Credentials {
        authcid: Authcid::new(login.as_bytes())?,
        authzid: None,
        password: password.as_bytes().to_vec().into(),
    };
    let mut messages: Vec<Vec<u8>> = Vec::new();
    loop {
        match link.next().await? {
            Some(Event::Greeting(_)) => {
                link.conn().login_plain(&credentials, TlsActive::danger_assume_protected())?;
            }
            Some(Event::LoggedIn(_)) => link.conn().send(MaildropCommand::List(None))?,
            Some(Event::LoginFailed(reply)) => return Err(reply.text.to_string().into()),
            Some(Event::ScanListing(listing)) => ask_for(&mut link, listing.message)?,
            Some(Event::Begin(MaildropCommand::Retr(_), _)) => messages.push(Vec::new()),
            Some(Event::Chunk(bytes)) => {
                if let Some(message) = messages.last_mut() {
                    message.extend_from_slice(&bytes);
                }
            }
            Some(Event::Reply(command, reply)) => return Err(format!("{command:?}: {}", reply.text).into()),
            Some(Event::End(_)) if link.conn().pending() == 0 => link.conn().quit()?,
            Some(Event::Goodbye(_)) => return Ok(messages),
            Some(_) => {}
            None => return Err(format!("{place} closed the connection").into()),
        }
    }
}

/// Pipelines a RETR behind the listing that is being read.
fn ask_for(link: &mut Link<Connection>, message: MessageNumber) -> Result<(), Failure> {
    Ok(link.conn().send(MaildropCommand::Retr(message))?)
}
