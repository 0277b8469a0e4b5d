//! First read: an IMAP server over any transport, with one mailbox to read and to append to.
//!
//! All it wants of a transport is `Read` and `Write`. It has a thread for each client and no disk; what it does have is
//! every rule of who may say what when, since those are the connection's business.
//!
//!     cargo run -p corbie-examples --example imap_server -- 127.0.0.1:1143

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use imap_proto::server::{AuthFailure, Config, Connection, Event, Greeting};
use imap_proto::{
    Code, Command, Data, Error, Fetch, FetchAttribute, FetchItem, Flag, List, Response, Section, Status,
};
use mail_wire::{Connection as _, Keep, PlaintextLogin, Ticket};

/// All the mail there is.
pub(crate) type Mail = Arc<Mutex<Vec<Vec<u8>>>>;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1143".into());
    let mail = Mail::new(Mutex::new(vec![b"Subject: welcome\r\n\r\nHello.\r\n".to_vec()]));
    for client in TcpListener::bind(address)?.incoming() {
        let (client, mail) = (client?, Arc::clone(&mail));
        std::thread::spawn(move || run(client, &mail));
    }
    Ok(())
}

/// Serves one client to its end. Everybody is let in who knows that the password is `secret`.
pub(crate) fn run(mut transport: impl Read + Write, mail: &Mail) -> io::Result<()> {
    // Passwords in the clear: for a loopback.
    let config = Config { plaintext_login: PlaintextLogin::DangerAllow, ..Config::default() };
    let mut imap = Connection::new(config, Instant::now());
    imap.greet(Greeting::Ok("ready".into())).map_err(io::Error::other)?;
    let (mut arriving, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        // One mutation, then drain. The last words of a session that failed are sent, too.
        let polled = loop {
            match imap.poll_event() {
                Ok(Some(event)) => answer(&mut imap, event, mail, &mut arriving).map_err(io::Error::other)?,
                Ok(None) => break Ok(()),
                Err(error) => break Err(io::Error::other(error)),
            }
        };
        while let Some(bytes) = imap.poll_transmit() {
            transport.write_all(&bytes)?;
        }
        if polled.is_err() || imap.is_closing() {
            return polled;
        }
        match transport.read(&mut buffer)? {
            0 => imap.receive_eof(),
            read => imap.receive(buffer.get(..read).unwrap_or_default(), Instant::now()),
        }
    }
}

fn answer(imap: &mut Connection, event: Event, mail: &Mail, arriving: &mut Vec<u8>) -> Result<(), Error> {
    match event {
        Event::Login(ticket, who) if who.password.expose() == b"secret" => {
            imap.auth_ok(ticket, "hi".into())?
        }
        Event::Login(ticket, _) => imap.auth_failed(ticket, AuthFailure::Credentials)?,
        // SASL is left out here; LOGIN still works.
        Event::Authenticate { ticket, .. } => imap.auth_failed(ticket, AuthFailure::Temporary)?,
        // A message is asked about before a byte of it is read.
        Event::Offer(offer) if offer.bytes() > 1 << 20 => imap.refuse(offer, &Status::no("1 MiB at most"))?,
        Event::Offer(offer) => {
            arriving.clear();
            imap.accept(offer, Keep::Stream)?;
        }
        Event::Chunk(_, bytes) => arriving.extend_from_slice(&bytes),
        Event::Command(ticket, command) => {
            let mut mail = mail.lock().unwrap_or_else(PoisonError::into_inner);
            match command.view().command {
                Command::Select(wanted) | Command::Examine(wanted) if wanted.mailbox.is_inbox() => {
                    imap.untagged(&Response::Flags(List::of(&[Flag::Seen])))?;
                    imap.untagged(&Response::Exists(count(&mail)))?;
                    imap.untagged(&Response::Status(Status::ok("ok").with_code(Code::UidValidity(1))))?;
                    imap.set_selected()?;
                    imap.reply(ticket, &Status::ok("selected").with_code(Code::ReadOnly))?;
                }
                Command::Fetch(fetch) => send(imap, ticket, &fetch, &mail)?,
                Command::Append(_) => {
                    mail.push(std::mem::take(arriving));
                    imap.reply(ticket, &Status::ok("appended"))?;
                }
                Command::Noop => imap.reply(ticket, &Status::ok("here"))?,
                _ => imap.reply(ticket, &Status::no("not in this example"))?,
            }
        }
        // A ticket that is not answered is answered by the connection: `NO [SERVERBUG]`.
        _ => {}
    }
    Ok(())
}

fn count(mail: &[Vec<u8>]) -> u32 {
    u32::try_from(mail.len()).unwrap_or(u32::MAX)
}

/// Every message has its number as UID, so that a set means the same in both numberings.
fn send(imap: &mut Connection, ticket: Ticket, fetch: &Fetch<'_>, mail: &[Vec<u8>]) -> Result<(), Error> {
    for (message, text) in (1..).zip(mail).filter(|(n, _)| fetch.messages.contains(*n, count(mail))) {
        let mut items = vec![FetchItem::Uid(message)];
        for attribute in fetch.attributes {
            // A real server knows all attributes.
            if let FetchAttribute::Section { section, .. } = attribute {
                let header = text.windows(4).position(|w| w == b"\r\n\r\n").map_or(text.len(), |at| at + 4);
                let end = if section == Section::HEADER { header } else { text.len() };
                let data = Data::inline(text.get(..end).unwrap_or_default());
                items.push(FetchItem::Section { section, origin: None, data });
            }
        }
        imap.untagged(&Response::Fetch { message, items: List::of(&items) })?;
    }
    imap.reply(ticket, &Status::ok("fetched"))
}
