//! A small SMTP client over Tokio: sends one message.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::TlsMode;
use murder::net::{Link, Transport};
use smtp_proto::client::{Config, Connection, Envelope, Event};
use smtp_proto::{Address, Domain, MailParams, Reply, ReversePath};
use tokio::net::TcpStream;

use crate::imap::Failure;

/// Sends a message in the clear, to a server on this machine. Returns the deciding reply for each recipient.
pub async fn send(
    place: &str,
    sender: &str,
    recipients: &[&str],
    message: &str,
) -> Result<Vec<Reply>, Failure> {
    let stream = TcpStream::connect(place).await.map_err(|e| format!("{place}: {e}"))?;
    let address = stream.peer_addr()?;
    let mut config = Config::new(Domain::new("localhost")?);
    config.tls = TlsMode::Never;
    let mut link = Link::new(Transport::Plain(stream), address, Connection::new(config, Instant::now()));
    let paths: Result<Vec<Address>, _> = recipients.iter().map(|to| to.parse()).collect();
    let envelope = Envelope {
        reverse_path: ReversePath::from(sender.parse::<Address>()?),
        params: MailParams::default(),
        recipients: paths?.into_iter().map(|to| smtp_proto::ForwardPath::from(to).into()).collect(),
    };
    let mut envelope = Some(envelope);
    let mut fates: Vec<Option<Reply>> = vec![None; recipients.len()];
    loop {
        match link.next().await? {
            Some(Event::Ready(_)) => {
                if let Some(envelope) = envelope.take() {
                    link.conn().send(envelope)?;
                }
            }
            Some(Event::BodyWanted) => {
                link.conn().body_chunk(&Bytes::copy_from_slice(message.as_bytes()))?;
                link.conn().body_end()?;
            }
            Some(Event::Fate { recipient, reply, .. }) => {
                if let Some(fate) = fates.get_mut(recipient) {
                    *fate = Some(reply);
                }
            }
            Some(Event::TransactionEnd) => {
                link.conn().quit()?;
                link.close().await;
                return fates
                    .into_iter()
                    .map(|fate| fate.ok_or_else(|| "a recipient without a reply".into()))
                    .collect();
            }
            Some(_) => {}
            None => return Err(format!("{place} closed the connection").into()),
        }
    }
}
