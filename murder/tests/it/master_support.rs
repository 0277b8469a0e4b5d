//! A master in this process, on a disk in memory, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail_wire::sasl::{Authcid, Authzid, Credentials};
use mail_wire::{Secret, TlsActive, TlsMode};
use mailstore::clock::{Clock, ManualClock, Timestamp};
use mailstore::disk::Disk;
use mailstore::disk::crash::CrashDisk;
use mupdate_proto::client::{self, Event, Outcome};
use mupdate_proto::{Acl, Change, Command, Location, LocationPrefix, MailboxEntry, MailboxName};
use murder::config;
use murder::mailboxes::Upstream;
use murder::master::Master;
use murder::net::tls::Connector;
use murder::net::{Link, Transport};
use murder::node::Running;
use tokio::net::TcpStream;

/// Nothing in these tests takes as long.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct TestMaster {
    pub(crate) disk: CrashDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) address: SocketAddr,
    pub(crate) running: Option<Running>,
    pub(crate) directory: tempfile::TempDir,
    /// Added to the configuration.
    extra: String,
}

pub(crate) const LOGINS: [(&str, &str); 5] =
    [("be1", "backend"), ("be2", "backend"), ("be3", "backend"), ("fe1", "frontend"), ("fe2", "frontend")];

impl TestMaster {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more lines of configuration, in which `DIR` is the directory.
    pub(crate) async fn start_with(extra: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (login, _) in LOGINS {
            std::fs::write(directory.path().join(login), format!("secret-{login}\n")).unwrap();
        }
        let mut master = Self {
            disk: CrashDisk::new(1),
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000))),
            address: "127.0.0.1:0".parse().unwrap(),
            running: None,
            extra: extra.replace("DIR", &directory.path().display().to_string()),
            directory,
        };
        master.run().await;
        master
    }

    pub(crate) async fn run(&mut self) {
        let mut text = format!(
            "role = \"master\"\nname = \"master\"\nstorage = \"list\"\nlisten = {{ mupdate = \"{}\" }}\n",
            self.address
        );
        text.push_str(&self.extra);
        for (login, role) in LOGINS {
            text.push_str(&format!(
                "[[credential]]\nname = \"{login}\"\nrole = \"{role}\"\npassword_file = \"{login}\"\n"
            ));
        }
        let config::Node::Master(config) =
            config::parse(&self.directory.path().join("master.toml"), &text).unwrap()
        else {
            panic!("not a master")
        };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let running = Master::builder(*config).disk(disk).clock(clock).start().await.unwrap();
        self.address = running.address("mupdate").unwrap();
        self.running = Some(running);
    }

    /// Ends as if killed: no goodbye to anybody, and the disk keeps what it must.
    pub(crate) async fn kill(&mut self) {
        drop(self.running.take());
        // Its tasks are dropped by the runtime's next turns.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.disk.crash();
    }

    pub(crate) fn upstream(&self, login: &str) -> Upstream {
        let config = config::Upstream {
            address: self.address.to_string().parse().unwrap(),
            login: login.to_owned(),
            password_file: config::PasswordFile(self.directory.path().join(login)),
        };
        Upstream::new(config, None, Duration::from_secs(5))
    }

    pub(crate) async fn client(&self, login: &str) -> Client {
        let mut client = Client::connect(self.address).await;
        assert!(client.log_in(login, None, &format!("secret-{login}")).await);
        client
    }

    /// The whole list.
    pub(crate) async fn list(&self) -> Vec<MailboxEntry> {
        self.client("fe2").await.list(None).await
    }
}

pub(crate) struct Client {
    pub(crate) link: Link<client::Connection>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let config = client::Config::new(TlsMode::Never);
        let link =
            Link::new(Transport::Plain(stream), address, client::Connection::new(config, Instant::now()));
        let mut client = Self { link };
        assert!(matches!(client.event().await, Event::Greeting(_)));
        client
    }

    pub(crate) async fn connect_tls(address: SocketAddr, connector: &Connector) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let config = client::Config::new(TlsMode::Required);
        let link =
            Link::new(Transport::Plain(stream), address, client::Connection::new(config, Instant::now()));
        let mut client = Self { link };
        assert!(matches!(client.event().await, Event::StartTls));
        client.link.connect_tls(connector, "localhost").await.unwrap();
        assert!(matches!(client.event().await, Event::Greeting(_)));
        client
    }

    pub(crate) async fn log_in(&mut self, login: &str, authzid: Option<&str>, password: &str) -> bool {
        let credentials = Credentials {
            authcid: Authcid::new(login.as_bytes()).unwrap(),
            authzid: authzid.map(|authzid| Authzid::new(authzid.as_bytes()).unwrap()),
            password: Secret::new(password.as_bytes().to_vec()),
        };
        self.link.conn().login_plain(&credentials, TlsActive::danger_assume_protected()).unwrap();
        match self.event().await {
            Event::Authenticated => true,
            Event::AuthenticationFailed { .. } => false,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn try_event(&mut self) -> Option<Event> {
        tokio::time::timeout(SOON, self.link.next()).await.expect("an answer in time").ok().flatten()
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.try_event().await.expect("an event")
    }

    pub(crate) async fn change(&mut self, change: Change) -> (Outcome, String) {
        self.link.conn().send(&Command::Change(change)).unwrap();
        self.completed().await
    }

    async fn completed(&mut self) -> (Outcome, String) {
        match self.event().await {
            Event::Completed { outcome, text, .. } => (outcome, String::from_utf8(text.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ok(&mut self, change: Change) {
        assert_eq!(self.change(change.clone()).await, (Outcome::Ok, "done".to_owned()), "{change:?}");
    }

    pub(crate) async fn no(&mut self, change: Change, text: &str) {
        assert_eq!(self.change(change.clone()).await, (Outcome::No, text.to_owned()), "{change:?}");
    }

    /// The entries that a command gives.
    pub(crate) async fn entries(&mut self, command: &Command) -> Vec<MailboxEntry> {
        self.link.conn().send(command).unwrap();
        let mut entries = Vec::new();
        loop {
            match self.event().await {
                Event::Entry { entry, .. } => entries.push(entry.detach()),
                Event::Completed { outcome: Outcome::Ok, .. } => return entries,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn find(&mut self, name: &str) -> Option<MailboxEntry> {
        self.entries(&Command::Find(mailbox(name))).await.pop()
    }

    pub(crate) async fn list(&mut self, prefix: Option<&'static str>) -> Vec<MailboxEntry> {
        let prefix = prefix.map(|prefix| LocationPrefix::new(prefix).unwrap());
        self.entries(&Command::List(prefix)).await
    }
}

pub(crate) fn mailbox(name: &str) -> MailboxName {
    MailboxName::new(name.to_owned()).unwrap()
}

pub(crate) fn at(location: &str) -> Location {
    Location::new(location.to_owned()).unwrap()
}

pub(crate) fn acl(text: &str) -> Acl {
    Acl::new(text.to_owned()).unwrap()
}

pub(crate) fn reserve(name: &str, location: &str) -> Change {
    Change::Reserve { name: mailbox(name), location: at(location) }
}

pub(crate) fn activate(name: &str, location: &str, text: &str) -> Change {
    Change::Activate { name: mailbox(name), location: at(location), acl: acl(text) }
}

pub(crate) fn deactivate(name: &str, location: &str) -> Change {
    Change::Deactivate { name: mailbox(name), location: at(location) }
}

pub(crate) fn delete(name: &str) -> Change {
    Change::Delete { name: mailbox(name) }
}

/// `name location acl`, `-` standing for the ACL of what is reserved.
pub(crate) fn shown(entries: &[MailboxEntry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| {
            let acl = entry.acl().map_or("-".to_owned(), |acl| acl.as_str().unwrap().replace('\t', " "));
            format!("{} {} {}", entry.name, entry.location, acl).trim_end().to_owned()
        })
        .collect()
}
