//! First read: `mupdate-proto`, a master between a back-end that registers a mailbox and a front-end that hears of it.
//!
//!     cargo run -p corbie-examples --example mupdate

use std::time::Instant;

use mail_wire::{Connection as _, PlaintextLogin, Text, TlsActive, TlsMode, sasl};
use mupdate_proto::{
    Acl, Change, Command, Error, Location, MailboxEntry, MailboxName, Status, client, server,
};

mod transcript;
use transcript::Transcript;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Error> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Error> {
    let (mut frontend, mut backend) = (Peer::log_in("frontend")?, Peer::log_in("backend1")?);

    // The front-end asks for all there is, which is nothing yet, and for every change from then on.
    frontend.client.send(&Command::Update(vec![]))?;
    if let Some(server::Event::Update(ticket, _)) = frontend.talk()? {
        frontend.server.reply(ticket, Status::Ok, &Text::constant("changes follow"))?;
    }

    // The back-end takes a name, makes the mailbox, and only then shows it: no two of them can hold one name.
    let (name, location) = (MailboxName::new("user.alice")?, Location::new("backend1!default")?);
    let acl = Acl::new("alice\tlrswipkxtecdan\t")?;
    let reserve = Change::Reserve { name: name.clone(), location: location.clone() };
    for change in [reserve, Change::Activate { name, location, acl }] {
        backend.client.send(&Command::Change(change))?;
        if let Some(server::Event::Change(ticket, change)) = backend.talk()? {
            // A real master has the change on disk before it tells anybody.
            let entry = match change {
                Change::Activate { name, location, acl } => MailboxEntry::active(name, location, acl),
                Change::Reserve { name, location } | Change::Deactivate { name, location } => {
                    MailboxEntry::reserved(name, location)
                }
                Change::Delete { name } => {
                    frontend.server.deleted(&name)?;
                    continue;
                }
            };
            frontend.server.entry(&entry)?;
            backend.server.reply(ticket, Status::Ok, &Text::constant("done"))?;
        }
        frontend.talk()?;
    }
    backend.talk()?;
    Ok(format!("frontend:\n{}backend1:\n{}", frontend.transcript.text, backend.transcript.text))
}

/// A node, its connection to the master, and the master's end of that.
struct Peer {
    client: client::Connection,
    server: server::Connection,
    transcript: Transcript,
}

impl Peer {
    fn log_in(name: &str) -> Result<Self, Error> {
        let now = Instant::now();
        let mut config = server::Config::new("master.example")?;
        config.plaintext_login = PlaintextLogin::DangerAllow;
        let server = server::Connection::new(config, now);
        let client = client::Connection::new(client::Config::new(TlsMode::Never), now);
        let mut peer = Self { client, server, transcript: Transcript::default() };
        peer.server.greet()?;
        peer.talk()?;
        let (authcid, password) = (sasl::Authcid::new(name.as_bytes())?, b"secret".to_vec());
        let who = sasl::Credentials { authcid, authzid: None, password: password.into() };
        peer.client.login_plain(&who, TlsActive::danger_assume_protected())?;
        // Here `mail_wire::sasl::ServerExchange` would read the message, and the owner check the password.
        if let Some(server::Event::Authenticate { ticket, .. }) = peer.talk()? {
            peer.server.auth_ok(ticket)?;
        }
        peer.talk()?;
        Ok(peer)
    }

    /// Lets both talk until the master is asked something or all is said.
    fn talk(&mut self) -> Result<Option<server::Event>, Error> {
        while self.transcript.carry(&mut self.client, &mut self.server, Instant::now()) {
            while let Some(event) = self.client.poll_event()? {
                if let client::Event::Entry { entry, .. } = event {
                    self.transcript.note(format_args!("{} is at {}", entry.name, entry.location));
                }
            }
            if let Some(event) = self.server.poll_event()? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
