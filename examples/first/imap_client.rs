//! First read: an IMAP client over any transport, that reads the headers of INBOX.
//!
//! All it wants of a transport is `Read` and `Write`: a TCP stream, a TLS session on one, a pipe to `ssh`.
//!
//!     cargo run -p corbie-examples --example imap_client -- 127.0.0.1:1143 alice secret

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use imap_proto::client::{CommandId, Config, Connection, Event};
use imap_proto::{
    Command, Condition, Error, Fetch, FetchAttribute, FetchItem, MailboxName, Numbering, Peek, Response,
    Section, SequenceSet,
};
use mail_wire::{Connection as _, TlsActive, TlsMode};

#[allow(clippy::print_stdout)]
fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, user, password] = words.as_slice() else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "address, user and password are wanted"));
    };
    println!("{}", run(std::net::TcpStream::connect(address)?, user, password)?.concat());
    Ok(())
}

/// The headers of all messages of INBOX. The transport must be one that nobody listens on.
pub(crate) fn run(transport: impl Read + Write, user: &str, password: &str) -> io::Result<Vec<String>> {
    let config = Config { tls: TlsMode::Never, ..Config::default() };
    let mut link = Link { transport, imap: Connection::new(config, Instant::now()) };
    while !matches!(link.next()?, Event::Ready) {}
    // Without TLS, somebody has to answer for the link before a password goes over it.
    let proof = TlsActive::danger_assume_protected();
    let login = link.imap.login(user, &password.as_bytes().to_vec().into(), proof);
    link.finish(login, &mut |_| {})?;
    let inbox = MailboxName::new("INBOX").map_err(io::Error::other)?;
    let examine = link.imap.command(&Command::Examine(inbox.into()));
    link.finish(examine, &mut |_| {})?;

    let header =
        [FetchAttribute::Section { peek: Peek::LeaveUnseen, section: Section::HEADER, partial: None }];
    let messages = SequenceSet::new("1:*").map_err(io::Error::other)?;
    let fetch = link.imap.command(&Command::Fetch(Fetch::new(Numbering::Uid, messages, &header)));
    let mut headers = Vec::new();
    link.finish(fetch, &mut |response| {
        let Response::Fetch { items, .. } = response else { return };
        for item in items {
            // What is malformed, or was not asked for, comes here too, and is passed over.
            if let FetchItem::Section { data, .. } = item {
                headers.push(String::from_utf8_lossy(&data.to_bytes().unwrap_or_default()).into_owned());
            }
        }
    })?;
    let logout = link.imap.logout();
    link.finish(logout, &mut |_| {})?;
    Ok(headers)
}

/// What looks at the data that comes before a reply.
type Show<'a> = dyn FnMut(Response<'_>) + 'a;

/// A transport, and the state of what is said over it.
struct Link<T> {
    transport: T,
    imap: Connection,
}

impl<T: Read + Write> Link<T> {
    /// Waits for the end of a command, and shows to `see` what comes before it.
    fn finish(&mut self, sent: Result<CommandId, Error>, see: &mut Show<'_>) -> io::Result<()> {
        let id = sent.map_err(io::Error::other)?;
        loop {
            match self.next()? {
                Event::Untagged(response) => see(response.view()),
                Event::Tagged(of, reply) if of == id => match reply.view() {
                    Response::Tagged { status, .. } if status.condition == Condition::Ok => return Ok(()),
                    _ => return Err(io::Error::other("the server said no")),
                },
                Event::Closed => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// The next event: sends what is to be sent, and reads until something has happened.
    fn next(&mut self) -> io::Result<Event> {
        let mut buffer = [0; 4096];
        loop {
            while let Some(bytes) = self.imap.poll_transmit() {
                self.transport.write_all(&bytes)?;
            }
            if let Some(event) = self.imap.poll_event().map_err(io::Error::other)? {
                return Ok(event);
            }
            match self.transport.read(&mut buffer)? {
                0 => self.imap.receive_eof(),
                read => self.imap.receive(buffer.get(..read).unwrap_or_default(), Instant::now()),
            }
        }
    }
}
