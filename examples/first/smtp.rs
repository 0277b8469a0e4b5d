//! First read: `smtp-proto`, a client and a server that exchange one message in memory.
//!
//! A connection does no I/O. After every call that changes it, drain it: events until there are none, output until there
//! is none. The server below is the rule "bob lives here"; a real one differs in what it does with the message before
//! it says 250.
//!
//!     cargo run -p corbie-examples --example smtp

use std::time::Instant;

use mail_wire::Connection as _;
use smtp_proto::{Domain, Error, MailParams, Reply, ReversePath, client, server};

mod transcript;
use transcript::Transcript;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Error> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Error> {
    // Time comes in as an argument, so a test can let an hour pass in no time.
    let now = Instant::now();
    let mut server = server::Connection::new(server::Config::new(Domain::new("mx.example")?), now);
    let mut config = client::Config::new(Domain::new("client.example")?);
    // Memory needs no TLS. The default is that a server without STARTTLS is given up.
    config.tls = client::TlsMode::Never;
    let mut client = client::Connection::new(config, now);

    server.greet()?;
    let mut transcript = Transcript::default();
    let mut message = Vec::new();
    while transcript.carry(&mut client, &mut server, now) {
        while let Some(event) = server.poll_event()? {
            serve(&mut server, event, &mut message)?;
        }
        while let Some(event) = client.poll_event()? {
            send(&mut client, event, &mut transcript)?;
        }
    }
    transcript.note(format_args!("{} bytes have arrived", message.len()));
    Ok(transcript.text)
}

/// The server's owner: the connection has checked that each command may come now; he decides.
fn serve(server: &mut server::Connection, event: server::Event, message: &mut Vec<u8>) -> Result<(), Error> {
    match event {
        // A ticket is the duty to answer once. It cannot be copied, and one that is lost is noticed.
        server::Event::Mail(ticket, _from, _params) => server.reply(ticket, &Reply::sender_ok())?,
        server::Event::Rcpt(ticket, to, _) if to.local_part() == "bob" => {
            server.reply(ticket, &Reply::recipient_ok())?;
        }
        server::Event::Rcpt(ticket, ..) => server.reply(ticket, &Reply::no_such_mailbox())?,
        server::Event::Data(ticket) => server.accept_data(ticket)?,
        // Slices of the read buffer: a message is never collected unless its owner does it.
        server::Event::Chunk(bytes) => message.extend_from_slice(&bytes),
        // 250 is a promise. A real server has the message on disk by now.
        server::Event::BodyEnd(ticket) => server.reply(ticket, &Reply::ok())?,
        server::Event::Reset => message.clear(),
        _ => {}
    }
    Ok(())
}

/// The client's owner: one message, two recipients, and each of them hears what became of it.
fn send(client: &mut client::Connection, event: client::Event, notes: &mut Transcript) -> Result<(), Error> {
    match event {
        client::Event::Ready(_capabilities) => client.send(client::Envelope {
            reverse_path: ReversePath::Address("alice@client.example".parse()?),
            params: MailParams::default(),
            recipients: vec!["bob@example".parse()?, "eve@example".parse()?],
        }),
        client::Event::BodyWanted => {
            // The lone dot is text here; on the wire it is stuffed.
            client.body_chunk(&"Subject: hello\r\n\r\nA dot:\r\n.\r\n".into())?;
            Ok(client.body_end()?)
        }
        client::Event::Fate { recipient, verdict, .. } => {
            notes.note(format_args!("recipient {recipient}: {verdict:?}"));
            Ok(())
        }
        client::Event::TransactionEnd => Ok(client.quit()?),
        _ => Ok(()),
    }
}
