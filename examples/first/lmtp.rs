//! First read: `lmtp-proto`, a hub that hands one message to a store for three people and hears of each.
//!
//! LMTP is SMTP with one reply for each accepted recipient. The types keep the count: the end of a message hands the
//! store's owner a duty for all of them, and only a reply for each turns it into something that can be sent.
//!
//!     cargo run -p corbie-examples --example lmtp

use std::time::Instant;

use lmtp_proto::{DeliveryId, Error, client, server};
use mail_wire::Connection as _;
use smtp_proto::{Domain, ForwardPath, MailParams, Reply, ReversePath};

mod transcript;
use transcript::Transcript;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Error> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Error> {
    let now = Instant::now();
    let mut config = server::Config::new(Domain::new("store.example")?);
    // Announced in the reply to LHLO: a store that remembers these ids never delivers twice.
    config.extensions.push(DeliveryId::extension());
    let mut server = server::Connection::new(config, now);
    let mut config = client::Config::new(Domain::new("hub.example")?);
    config.tls = client::TlsMode::Never;
    let mut client = client::Connection::new(config, now);

    server.greet()?;
    let mut transcript = Transcript::default();
    let mut store = Store::default();
    while transcript.carry(&mut client, &mut server, now) {
        while let Some(event) = server.poll_event()? {
            store.serve(&mut server, event)?;
        }
        while let Some(event) = client.poll_event()? {
            send(&mut client, event, &mut transcript)?;
        }
    }
    Ok(transcript.text)
}

/// A store in which `full` has no room left.
#[derive(Default)]
struct Store {
    accepted: Vec<String>,
}

impl Store {
    fn serve(&mut self, server: &mut server::Connection, event: server::Event) -> Result<(), Error> {
        match event {
            server::Event::Mail(ticket, ..) => server.reply(ticket, &Reply::sender_ok())?,
            server::Event::Rcpt(ticket, to, _) if to.local_part() == "nobody" => {
                server.reply(ticket, &Reply::no_such_mailbox())?;
            }
            server::Event::Rcpt(ticket, to, _) => {
                self.accepted.push(to.local_part().to_owned());
                server.reply(ticket, &Reply::recipient_ok())?;
            }
            server::Event::Data(ticket) => server.accept_data(ticket)?,
            server::Event::BodyEnd(deliveries) => {
                let is_full = |place| self.accepted.get(place).is_some_and(|user| user == "full");
                let reply = |place| if is_full(place) { Reply::over_quota() } else { Reply::ok() };
                server.reply_message(deliveries.each(reply))?;
                self.accepted.clear();
            }
            server::Event::Reset => self.accepted.clear(),
            _ => {}
        }
        Ok(())
    }
}

/// The hub: who was delivered to, who is to be tried again, who bounces?
fn send(client: &mut client::Connection, event: client::Event, notes: &mut Transcript) -> Result<(), Error> {
    match event {
        client::Event::Ready(capabilities) => {
            let mut params = MailParams::default();
            DeliveryId::new("42.1")?.attach(&mut params, &capabilities);
            let local = |user: &str| ForwardPath::local(user).map(client::Recipient::from);
            let recipients = vec![local("bob")?, local("full")?, local("nobody")?];
            client.send(client::Envelope { reverse_path: ReversePath::Null, params, recipients })?;
        }
        client::Event::BodyWanted => {
            client.body_chunk(&"Subject: to all of you\r\n\r\nHello.\r\n".into())?;
            client.body_end()?;
        }
        client::Event::Fate { recipient, stage, verdict, .. } => {
            notes.note(format_args!("recipient {recipient}: {verdict:?}, said to {stage:?}"));
        }
        client::Event::TransactionEnd => client.quit()?,
        _ => {}
    }
    Ok(())
}
