//! First read: `pop3-proto`, a maildrop of two messages and a client that fetches one and removes it.
//!
//!     cargo run -p corbie-examples --example pop3

use std::time::Instant;

use mail_wire::{Connection as _, PlaintextLogin, Text, TlsActive, TlsMode};
use pop3_proto::server::AuthFailure;
use pop3_proto::{
    DropListing, Error, MaildropCommand, MessageNumber, Password, Reply, UserName, client, server,
};

mod transcript;
use transcript::Transcript;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Error> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Error> {
    let now = Instant::now();
    // A password in the clear is refused, and not even offered, unless this says otherwise: here nobody listens.
    let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
    let mut server = server::Connection::new(config, now);
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);

    server.greet(&Text::constant("at your service"))?;
    let mut transcript = Transcript::default();
    while transcript.carry(&mut client, &mut server, now) {
        while let Some(event) = server.poll_event()? {
            serve(&mut server, event)?;
        }
        while let Some(event) = client.poll_event()? {
            read(&mut client, event, &mut transcript)?;
        }
    }
    Ok(transcript.text)
}

const MESSAGES: [&str; 2] = ["Subject: one\r\n\r\nFirst.\r\n", "Subject: two\r\n\r\n.\r\nA dot.\r\n"];

fn serve(server: &mut server::Connection, event: server::Event) -> Result<(), Error> {
    let no = |text| Reply::err(Text::constant(text));
    let done = Reply::ok(Text::constant("done"));
    match event {
        server::Event::Login(ticket, who) => {
            // One answer for a wrong name and a wrong password: it tells a guesser nothing.
            match (who.authcid.as_str(), who.password.expose().as_slice()) {
                ("alice", b"secret") => server.auth_ok(ticket, &Text::constant("2 messages")),
                _ => server.auth_failed(ticket, AuthFailure::Credentials),
            }
        }
        server::Event::Maildrop(ticket, command) => match command {
            MaildropCommand::Stat => {
                let octets = MESSAGES.iter().map(|m| m.len() as u64).sum();
                server.reply(ticket, &Reply::drop_listing(DropListing { messages: 2, octets }))
            }
            MaildropCommand::Retr(number) => {
                let Some(message) = MESSAGES.get(number.as_u32() as usize - 1) else {
                    return server.reply(ticket, &no("no such message"));
                };
                // The ticket becomes a reply of many lines. It is filled in pieces, and dots are stuffed on the way.
                let reply = server.begin(ticket, &Text::constant("here it is"))?;
                server.body(&reply, &(*message).into())?;
                server.end(reply)
            }
            MaildropCommand::Dele(_) | MaildropCommand::Noop => server.reply(ticket, &done),
            _ => server.reply(ticket, &no("not in this example")),
        },
        // Only now may what was marked go: a client that vanishes must find everything again.
        server::Event::Quit(ticket) => server.reply(ticket, &done),
        _ => Ok(()),
    }
}

fn read(client: &mut client::Connection, event: client::Event, notes: &mut Transcript) -> Result<(), Error> {
    match event {
        client::Event::Greeting(_) => {
            // A login asks for proof that the link is safe; without TLS somebody has to say so by name.
            let (name, password) = (UserName::new(b"alice")?, Password::new(b"secret")?);
            client.login(name, password, TlsActive::danger_assume_protected())
        }
        client::Event::LoggedIn(_) => {
            let Some(second) = MessageNumber::new(2) else { return Ok(()) };
            // Given ahead of their answers; they travel together if the server announced PIPELINING.
            client.send(MaildropCommand::Stat)?;
            client.send(MaildropCommand::Retr(second))?;
            client.send(MaildropCommand::Dele(second))?;
            client.quit()
        }
        client::Event::Chunk(bytes) => {
            notes.note(format_args!("{} bytes of the message, unstuffed", bytes.len()));
            Ok(())
        }
        _ => Ok(()),
    }
}
