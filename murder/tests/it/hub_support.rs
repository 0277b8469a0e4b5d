//! A murder with a mail hub in this process, over loopback, whose nodes can be killed; and strange servers for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use lmtp_proto::{DeliveryId, Lmtp};
use murder::accounts::Hasher;
use murder::backend::Backend;
use murder::config::{self, AccountLimits, DatabaseUrl, Node};
use murder::frontend::Frontend;
use murder::master::Master;
use murder::net::{Link, Transport};
use murder::node::{Running, StartError};
use murder::routing::{
    AccountRow, Backend as Row, BackendState, Change, Domain, DomainKind, Enabled, Forwarding, Login, Router,
    TlsMode, User,
};
use smtp_proto::server::{Config, Event, Machine};
use smtp_proto::{Dialect, Reply, Smtp};
use tokio::net::TcpListener;

use crate::backend_support::Lines;

/// Nothing in these tests takes as long.
pub(crate) const SOON: Duration = Duration::from_secs(20);

const USERS: [(&str, &str); 4] = [("alice", "be1"), ("bob", "be1"), ("carol", "be2"), ("dave", "be2")];

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) master: Option<Running>,
    pub(crate) be1: Option<Running>,
    pub(crate) be2: Option<Running>,
    pub(crate) frontend: Option<Running>,
    pub(crate) router: Router,
    upstream: SocketAddr,
    /// Of back-end 2, LMTP and IMAP, to come back at.
    places: (SocketAddr, SocketAddr),
    more: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more lines of configuration for the front-end, before its tables.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for secret in ["fe1", "be1", "be2", "proxy", "peer", "admin"] {
            std::fs::write(folder.path().join(secret), format!("secret-{secret}\n")).unwrap();
        }
        let any = "127.0.0.1:0".parse().unwrap();
        let master = start_master(folder.path()).await.unwrap();
        let upstream = master.address("mupdate").unwrap();
        let be1 = start_backend(folder.path(), "be1", upstream, (any, any)).await.unwrap();
        let be2 = start_backend(folder.path(), "be2", upstream, (any, any)).await.unwrap();
        let router = Router::open(&DatabaseUrl::Sqlite(folder.path().join("routing.db"))).await.unwrap();
        let places = |running: &Running| (running.address("lmtp").unwrap(), running.address("imap").unwrap());
        for (name, running) in [("be1", &be1), ("be2", &be2)] {
            put_backend(&router, name, places(running)).await;
        }
        let local = Domain { name: "example.test".parse().unwrap(), kind: DomainKind::Local };
        router.apply(Change::PutDomain(local)).await.unwrap();
        let limits = AccountLimits { argon2_memory_kib: 8, argon2_iterations: 1, ..AccountLimits::default() };
        let password_hash = Hasher::new(&limits).unwrap().hash(b"secret").await.unwrap();
        for (login, backend) in USERS {
            let user = User {
                login: login.parse().unwrap(),
                backend: backend.parse().unwrap(),
                partition: "default".to_owned(),
                quota_kib: None,
                forwarding: Forwarding::KeepsCopy,
                state: Enabled::Yes,
            };
            router.apply(Change::PutUser(user)).await.unwrap();
            let login: Login = login.parse().unwrap();
            address(&router, &format!("{}@example.test", login.as_str()), Goes::To(login.as_str())).await;
            let account = AccountRow { login, password_hash: password_hash.clone(), state: Enabled::Yes };
            router.apply(Change::PutAccount(account)).await.unwrap();
        }
        let mut site = Self {
            places: places(&be2),
            folder,
            master: Some(master),
            be1: Some(be1),
            be2: Some(be2),
            frontend: None,
            router,
            upstream,
            more: more.to_owned(),
        };
        site.start_frontend().await;
        site
    }

    pub(crate) async fn start_frontend(&mut self) {
        let submissions = match self.more.starts_with("tls") {
            true => "submissions = \"127.0.0.1:0\"\n",
            false => "",
        };
        let text = format!(
            "role = \"frontend\"\nname = \"fe1\"\nhostname = \"mx.example.test\"\nstorage = \"fe1.d\"\n{}\n\
             [listen]\nsmtp = \"127.0.0.1:0\"\nsubmission = \"127.0.0.1:0\"\n{submissions}\
             [master]\naddress = \"{}\"\nlogin = \"fe1\"\npassword_file = \"fe1\"\n\
             [backends]\nproxy_login = \"proxy\"\nproxy_password_file = \"proxy\"\n\
             peer_login = \"peer\"\npeer_password_file = \"peer\"\n\
             [routing]\ndatabase = \"sqlite:routing.db\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"admin\"\n\
             [accounts]\nargon2_memory_kib = 8\nargon2_iterations = 1\nfirst_delay_seconds = 1\n",
            self.more, self.upstream
        );
        let file = self.folder.path().join("frontend.toml");
        let Node::Frontend(config) = config::parse(&file, &text).unwrap() else { unreachable!() };
        self.frontend = Some(in_the_end(|| Frontend::builder(*config.clone()).start()).await);
    }

    /// Starts back-end 2 again, where it was.
    pub(crate) async fn start_be2(&mut self) {
        let (folder, upstream, places) = (self.folder.path(), self.upstream, self.places);
        self.be2 = Some(in_the_end(|| start_backend(folder, "be2", upstream, places)).await);
    }

    /// Has LMTP to back-end 2 go elsewhere; IMAP stays.
    pub(crate) async fn divert_be2(&self, lmtp: SocketAddr) {
        put_backend(&self.router, "be2", (lmtp, self.places.1)).await;
    }

    pub(crate) async fn address(&self, address: &str, goes: Goes<'_>) {
        self::address(&self.router, address, goes).await;
    }

    pub(crate) async fn relay(&self, domain: &str, next_hop: SocketAddr) {
        let kind = DomainKind::Relay(next_hop.to_string().parse().unwrap());
        self.router.apply(Change::PutDomain(Domain { name: domain.parse().unwrap(), kind })).await.unwrap();
    }

    /// A session with the MX, after EHLO.
    pub(crate) async fn mx(&self) -> Client {
        Client::connect(self.frontend.as_ref().unwrap(), "smtp").await
    }

    /// A session with the submission service, after EHLO and the login.
    pub(crate) async fn submission(&self, login: &str) -> Client {
        let mut client = Client::connect(self.frontend.as_ref().unwrap(), "submission").await;
        let message = base64::engine::general_purpose::STANDARD.encode(format!("\0{login}\0secret"));
        assert_eq!(client.code(&format!("AUTH PLAIN {message}")).await, 235);
        client
    }

    /// The messages of an INBOX, once there are as many.
    pub(crate) async fn inbox(&self, login: &str, count: usize) -> Vec<String> {
        let backend = match login {
            "alice" | "bob" => self.be1.as_ref(),
            _ => self.be2.as_ref(),
        };
        let deadline = Instant::now() + SOON;
        loop {
            let messages = read_inbox(backend.unwrap(), login).await;
            assert!(messages.len() <= count, "{login} has too many: {messages:?}");
            if messages.len() == count {
                return messages;
            }
            assert!(Instant::now() < deadline, "{login} has only {} of {count}", messages.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the admin HTTP answers.
    pub(crate) async fn admin(&self, request: &str) -> String {
        let mut lines = Lines::connect(self.frontend.as_ref().unwrap(), "admin").await;
        let head = "Host: x\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Bearer secret-admin";
        lines.send(&format!("{request} HTTP/1.1\r\n{head}\r\n\r\n")).await;
        lines.rest().await
    }

    /// The queue as the admin HTTP tells it, once it is so.
    pub(crate) async fn queue(&self, is_so: impl Fn(&[serde_json::Value]) -> bool) -> Vec<serde_json::Value> {
        let deadline = Instant::now() + SOON;
        loop {
            let answer = self.admin("GET /queue").await;
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            let rows: Vec<serde_json::Value> =
                serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
            if is_so(&rows) {
                return rows;
            }
            assert!(Instant::now() < deadline, "the queue is {rows:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What an address is.
pub(crate) enum Goes<'a> {
    To(&'a str),
    Forward(&'a [&'a str]),
    Reject(&'a str),
}

async fn address(router: &Router, address: &str, goes: Goes<'_>) {
    use murder::routing::{AddressRow, Use};
    let goes = match goes {
        Goes::To(login) => Use::Mailbox { login: login.parse().unwrap(), also: Vec::new() },
        Goes::Forward(members) => {
            Use::Forward(members.iter().map(|member| member.parse().unwrap()).collect())
        }
        Goes::Reject(text) => Use::Reject(text.to_owned()),
    };
    let row = AddressRow { pattern: address.parse().unwrap(), goes };
    router.apply(Change::PutAddress(row)).await.unwrap();
}

async fn put_backend(router: &Router, name: &str, (lmtp, imap): (SocketAddr, SocketAddr)) {
    let row = Row {
        name: name.parse().unwrap(),
        lmtp: lmtp.to_string().parse().unwrap(),
        imap: imap.to_string().parse().unwrap(),
        pop3: None,
        tls: TlsMode::None,
        capacity_users: 100,
        state: BackendState::Up,
    };
    router.apply(Change::PutBackend(row)).await.unwrap();
}

/// Starts a node; one that was killed a moment ago may still hold its directory or its port.
async fn in_the_end<F: Future<Output = Result<Running, StartError>>>(start: impl Fn() -> F) -> Running {
    let deadline = Instant::now() + SOON;
    loop {
        match start().await {
            Ok(running) => return running,
            Err(e) => assert!(Instant::now() < deadline, "{e}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn start_master(folder: &Path) -> Result<Running, StartError> {
    let mut text =
        "role = \"master\"\nname = \"master\"\nstorage = \"list\"\nlisten = { mupdate = \"127.0.0.1:0\" }\n"
            .to_owned();
    for (name, role) in [("be1", "backend"), ("be2", "backend"), ("fe1", "frontend")] {
        text +=
            &format!("[[credential]]\nname = \"{name}\"\nrole = \"{role}\"\npassword_file = \"{name}\"\n");
    }
    let Node::Master(config) = config::parse(&folder.join("master.toml"), &text).unwrap() else {
        unreachable!()
    };
    Master::builder(*config).start().await
}

async fn start_backend(
    folder: &Path,
    name: &str,
    upstream: SocketAddr,
    (lmtp, imap): (SocketAddr, SocketAddr),
) -> Result<Running, StartError> {
    let text = format!(
        "role = \"backend\"\nname = \"{name}\"\nstorage = \"store-{name}\"\n\
         [listen]\nlmtp = \"{lmtp}\"\nimap = \"{imap}\"\n\
         [master]\naddress = \"{upstream}\"\nlogin = \"{name}\"\npassword_file = \"{name}\"\n\
         [[credential]]\nname = \"proxy\"\nrole = \"proxy\"\npassword_file = \"proxy\"\n\
         [[credential]]\nname = \"peer\"\nrole = \"peer\"\npassword_file = \"peer\"\n\
         [accounts]\nargon2_memory_kib = 8\nargon2_iterations = 1\n"
    );
    let file = folder.join(format!("{name}.toml"));
    let Node::Backend(config) = config::parse(&file, &text).unwrap() else { unreachable!() };
    Backend::builder(*config).start().await
}

/// The messages of an INBOX, asked at its back-end as a proxy does.
async fn read_inbox(backend: &Running, login: &str) -> Vec<String> {
    let mut imap = Lines::connect(backend, "imap").await;
    let message = base64::engine::general_purpose::STANDARD.encode(format!("{login}\0proxy\0secret-proxy"));
    imap.send(&format!(
        "a AUTHENTICATE PLAIN {message}\r\nb SELECT INBOX\r\nc FETCH 1:* (BODY.PEEK[])\r\nd LOGOUT\r\n"
    ))
    .await;
    let all = imap.rest().await;
    let mut messages = Vec::new();
    let mut rest = all.as_str();
    while let Some((_, after)) = rest.split_once("BODY[] {") {
        let (count, after) = after.split_once("}\r\n").unwrap();
        let (message, after) = after.split_at(count.parse().unwrap());
        messages.push(message.to_owned());
        rest = after;
    }
    messages
}

/// The client's side of an SMTP session, as text.
pub(crate) struct Client(Lines);

impl Client {
    pub(crate) async fn connect(running: &Running, service: &str) -> Self {
        let mut client = Self(Lines::connect(running, service).await);
        assert!(client.reply().await.starts_with("220 mx.example.test ESMTP"));
        assert!(client.ask("EHLO client.test").await.starts_with("250"));
        client
    }

    /// A reply, of whose lines the last.
    pub(crate) async fn reply(&mut self) -> String {
        loop {
            let line = self.0.line().await;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    pub(crate) async fn ask(&mut self, command: &str) -> String {
        self.0.send(&format!("{command}\r\n")).await;
        self.reply().await
    }

    pub(crate) async fn code(&mut self, command: &str) -> u16 {
        let reply = self.ask(command).await;
        reply.get(..3).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{command}: {reply:?}"))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(text).await;
    }

    /// Sends a message; the reply at its end.
    pub(crate) async fn mail(&mut self, from: &str, to: &[&str], message: &str) -> String {
        assert_eq!(self.code(&format!("MAIL FROM:<{from}>")).await, 250);
        for to in to {
            assert_eq!(self.code(&format!("RCPT TO:<{to}>")).await, 250, "{to}");
        }
        assert_eq!(self.code("DATA").await, 354);
        self.send(&format!("{message}\r\n.\r\n")).await;
        self.reply().await
    }
}

/// What a strange server was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) id: Option<String>,
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
}

/// What a strange server does with a message.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// A reply for each recipient; in SMTP the first, for all.
    Answer(Vec<&'static str>),
    /// It closes the connection instead of answering.
    Hang,
}

/// A server that does what it was told, message by message; after that it takes everything.
#[derive(Clone)]
pub(crate) struct Strange {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
}

impl Strange {
    pub(crate) async fn lmtp(plays: Vec<Play>) -> Self {
        Self::start::<Lmtp>(plays, |duty, replies| {
            duty.each(|n| replies.get(n).cloned().unwrap_or_else(Reply::ok))
        })
        .await
    }

    pub(crate) async fn smtp(plays: Vec<Play>) -> Self {
        Self::start::<Smtp>(plays, |ticket, replies| {
            (ticket, replies.first().cloned().unwrap_or_else(Reply::ok))
        })
        .await
    }

    async fn start<D: Dialect>(plays: Vec<Play>, answer: fn(D::BodyEnd, &[Reply]) -> D::Answered) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let plays = Arc::new(Mutex::new(VecDeque::from(plays)));
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                let mut config = Config::new("strange.test".parse().unwrap());
                config.extensions.push(DeliveryId::extension());
                config.mechanisms = vec![mail_wire::sasl::Mechanism::Plain.into()];
                config.plaintext_login = mail_wire::PlaintextLogin::DangerAllow;
                let link = Link::new(Transport::Plain(stream), peer, Machine::new(config, Instant::now()));
                tokio::spawn(play::<D>(link, Arc::clone(&plays), Arc::clone(&log), answer));
            }
        });
        Self { address, received }
    }

    /// What was sent to it, once it is so much.
    pub(crate) async fn received(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + SOON;
        loop {
            let received = self.received.lock().unwrap().clone();
            if received.len() >= count {
                return received;
            }
            assert!(Instant::now() < deadline, "only {received:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn play<D: Dialect>(
    mut link: Link<Machine<D>>,
    plays: Arc<Mutex<VecDeque<Play>>>,
    log: Arc<Mutex<Vec<Received>>>,
    answer: fn(D::BodyEnd, &[Reply]) -> D::Answered,
) {
    link.conn().greet().unwrap();
    let mut message = Received::default();
    while let Ok(Some(event)) = link.next().await {
        match event {
            Event::Authenticate { ticket, .. } => link.conn().auth_ok(ticket).unwrap(),
            Event::Mail(ticket, _, params) => {
                let id = DeliveryId::of(&params).unwrap().map(|id| id.to_string());
                message = Received { id, ..Received::default() };
                link.conn().reply(ticket, &Reply::sender_ok()).unwrap();
            }
            Event::Rcpt(ticket, path, _) => {
                message.to.push(path.to_string());
                link.conn().reply(ticket, &Reply::recipient_ok()).unwrap();
            }
            Event::Data(ticket) => link.conn().accept_data(ticket).unwrap(),
            Event::Chunk(bytes) => message.text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Event::BodyEnd(duty) => {
                log.lock().unwrap().push(std::mem::take(&mut message));
                let next = plays.lock().unwrap().pop_front();
                match next.unwrap_or_else(|| Play::Answer(Vec::new())) {
                    Play::Answer(replies) => {
                        let replies: Vec<Reply> =
                            replies.iter().map(|reply| reply.parse().unwrap()).collect();
                        link.conn().reply_message(answer(duty, &replies)).unwrap();
                    }
                    Play::Hang => return,
                }
            }
            _ => {}
        }
    }
}
