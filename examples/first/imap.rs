//! First read: `imap-proto`, a client that reads its mail and the server that has it, in memory.
//!
//! The connections keep the order of things: who may say what when. What is left to their owners is mail.
//!
//!     cargo run -p corbie-examples --example imap

use std::time::Instant;

use imap_proto::client::State;
use imap_proto::server::AuthFailure;
use imap_proto::{
    Code, Command, Data, Error, Fetch, FetchAttribute, FetchItem, Flag, List, MailboxName, Numbering,
    Response, SequenceSet, Status, client, server,
};
use mail_wire::{Connection as _, PlaintextLogin, Ticket, TlsActive, TlsMode};

mod transcript;
use transcript::Transcript;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Error> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Error> {
    let now = Instant::now();
    // Passwords in the clear are refused, on both sides, unless it is said by name: here nobody listens.
    let config = server::Config { plaintext_login: PlaintextLogin::DangerAllow, ..server::Config::default() };
    let mut server = server::Connection::new(config, now);
    let config = client::Config { tls: TlsMode::Never, ..client::Config::default() };
    let mut client = client::Connection::new(config, now);

    server.greet(server::Greeting::Ok("ready".into()))?;
    let mut transcript = Transcript::default();
    while transcript.carry(&mut client, &mut server, now) {
        while let Some(event) = server.poll_event()? {
            match event {
                server::Event::Login(ticket, who) => match who.password.expose().as_slice() {
                    b"secret" => server.auth_ok(ticket, "welcome".into())?,
                    _ => server.auth_failed(ticket, AuthFailure::Credentials)?,
                },
                // A command owns the bytes it was read from; `view` borrows its arguments from them.
                server::Event::Command(ticket, owned) => answer(&mut server, ticket, owned.view().command)?,
                _ => {}
            }
        }
        while let Some(event) = client.poll_event()? {
            read(&mut client, event, &mut transcript)?;
        }
    }
    Ok(transcript.text)
}

const MAIL: [&str; 2] = ["Subject: one\r\n\r\nFirst.\r\n", "Subject: two\r\n\r\nSecond.\r\n"];

/// The server's owner. Only commands that are allowed in the present state come here.
fn answer(server: &mut server::Connection, ticket: Ticket, command: Command<'_>) -> Result<(), Error> {
    match command {
        Command::Select(args) if args.mailbox.is_inbox() && args.parameters.is_empty() => {
            server.untagged(&Response::Flags(List::of(&[Flag::Seen, Flag::Deleted])))?;
            server.untagged(&Response::Exists(2))?;
            server.untagged(&Response::Status(Status::ok("for ever").with_code(Code::UidValidity(1))))?;
            server.set_selected()?;
            server.reply(ticket, &Status::ok("selected").with_code(Code::ReadWrite))
        }
        Command::Fetch(fetch) => {
            // `*` is the largest number there is, so a set means something only together with it.
            for (message, mail) in (1..).zip(MAIL).filter(|(n, _)| fetch.messages.contains(*n, 2)) {
                // What this client wants of each; a real server reads `fetch.attributes`.
                let items = [FetchItem::Uid(message), FetchItem::Rfc822(Data::inline(mail.as_bytes()))];
                server.untagged(&Response::Fetch { message, items: List::of(&items) })?;
            }
            server.reply(ticket, &Status::ok("fetched"))
        }
        _ => server.reply(ticket, &Status::no("not in this example")),
    }
}

/// The client's owner: logs in, and then sends all that it wants without waiting.
fn read(client: &mut client::Connection, event: client::Event, notes: &mut Transcript) -> Result<(), Error> {
    let is_idle = client.commands_pending() == 0;
    match event {
        client::Event::Ready => {
            // The proof would be `client.tls()`; without TLS, somebody has to answer for the link.
            client.login("alice", &b"secret".to_vec().into(), TlsActive::danger_assume_protected())?;
        }
        client::Event::Tagged(..) if is_idle && client.state() == State::Authenticated => {
            client.command(&Command::Select(MailboxName::new("INBOX")?.into()))?;
            let attributes = [FetchAttribute::Uid, FetchAttribute::Rfc822];
            // By UID: behind SELECT, the numbers of messages are not known to hold still.
            let fetch = Fetch::new(Numbering::Uid, SequenceSet::new("1:*")?, &attributes);
            client.command(&Command::Fetch(fetch))?;
            client.logout()?;
        }
        client::Event::Untagged(response) => notes.note(format_args!("{:?}", response.view())),
        _ => {}
    }
    Ok(())
}
