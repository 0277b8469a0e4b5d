//! A whole murder in this process, over loopback: a master, two back-ends, a front-end, and bare sockets to it.

use std::path::Path;
use std::time::Duration;

use murder::accounts::Hasher;
use murder::backend::Backend;
use murder::config::{self, AccountLimits, DatabaseUrl, Node};
use murder::frontend::Frontend;
use murder::master::Master;
use murder::node::Running;
use murder::routing::{
    AccountRow, Backend as Row, BackendState, Change, Enabled, Forwarding, Login, Router, TlsMode, User,
};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use crate::backend_support::Lines;

/// Users, and the back-end that each is placed on.
pub(crate) const USERS: [(&str, &str); 3] = [("alice", "be1"), ("bob", "be1"), ("carol", "be2")];
/// The administrator; everybody's password is `secret`.
pub(crate) const ADMIN: &str = "postmaster";

pub(crate) struct Murder {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) master: Option<Running>,
    _be1: Running,
    pub(crate) be2: Option<Running>,
    pub(crate) frontend: Running,
    pub(crate) router: Router,
}

impl Murder {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more lines in the front-end's file.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for secret in ["fe1", "be1", "be2", "proxy", "peer"] {
            std::fs::write(folder.path().join(secret), format!("secret-{secret}\n")).unwrap();
        }
        let master = start_master(folder.path()).await;
        let upstream = master.address("mupdate").unwrap().to_string();
        let be1 = start_backend(folder.path(), "be1", &upstream).await;
        let be2 = start_backend(folder.path(), "be2", &upstream).await;
        let router = Router::open(&DatabaseUrl::Sqlite(folder.path().join("routing.db"))).await.unwrap();
        for (name, running) in [("be1", &be1), ("be2", &be2)] {
            let at = |service| running.address(service).unwrap().to_string().parse().unwrap();
            put_backend(&router, name, at("lmtp"), at("imap")).await;
        }
        let limits = AccountLimits { argon2_memory_kib: 8, argon2_iterations: 1, ..AccountLimits::default() };
        let password_hash = Hasher::new(&limits).unwrap().hash(b"secret").await.unwrap();
        for (login, backend) in USERS {
            let user = User {
                login: login.parse().unwrap(),
                backend: backend.parse().unwrap(),
                partition: "default".to_owned(),
                quota_kib: (login == "bob").then_some(1_000),
                forwarding: Forwarding::KeepsCopy,
                state: Enabled::Yes,
            };
            router.apply(Change::PutUser(user)).await.unwrap();
        }
        for login in USERS.map(|(login, _)| login).into_iter().chain([ADMIN]) {
            let login: Login = login.parse().unwrap();
            let account = AccountRow { login, password_hash: password_hash.clone(), state: Enabled::Yes };
            router.apply(Change::PutAccount(account)).await.unwrap();
        }
        let frontend = start_frontend(folder.path(), &upstream, more).await;
        Self { folder, master: Some(master), _be1: be1, be2: Some(be2), frontend, router }
    }

    /// A connection to the front-end.
    pub(crate) async fn connect(&self) -> Imap {
        Imap::connect(&self.frontend).await
    }

    /// A session of this user, whose INBOX is there.
    pub(crate) async fn session(&self, login: &str) -> Imap {
        let mut imap = self.connect().await;
        imap.ok(&format!("LOGIN {login} secret")).await;
        if login != ADMIN {
            imap.until_ok("STATUS INBOX (MESSAGES)").await;
        }
        imap
    }
}

pub(crate) async fn put_backend(router: &Router, name: &str, lmtp: config::HostPort, imap: config::HostPort) {
    let row = Row {
        name: name.parse().unwrap(),
        lmtp,
        imap,
        pop3: None,
        tls: TlsMode::None,
        capacity_users: 100,
        state: BackendState::Up,
    };
    router.apply(Change::PutBackend(row)).await.unwrap();
}

async fn start_master(folder: &Path) -> Running {
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
    Master::builder(*config).start().await.unwrap()
}

pub(crate) async fn start_backend(folder: &Path, name: &str, upstream: &str) -> Running {
    let text = format!(
        "role = \"backend\"\nname = \"{name}\"\nstorage = \"store-{name}\"\n\
         [listen]\nlmtp = \"127.0.0.1:0\"\nimap = \"127.0.0.1:0\"\n\
         [master]\naddress = \"{upstream}\"\nlogin = \"{name}\"\npassword_file = \"{name}\"\n\
         [[credential]]\nname = \"proxy\"\nrole = \"proxy\"\npassword_file = \"proxy\"\n\
         [[credential]]\nname = \"peer\"\nrole = \"peer\"\npassword_file = \"peer\"\n\
         [accounts]\nargon2_memory_kib = 8\nargon2_iterations = 1\n"
    );
    let file = folder.join(format!("{name}.toml"));
    let Node::Backend(config) = config::parse(&file, &text).unwrap() else { unreachable!() };
    Backend::builder(*config).start().await.unwrap()
}

pub(crate) async fn start_frontend(folder: &Path, upstream: &str, more: &str) -> Running {
    let text = format!(
        "role = \"frontend\"\nname = \"fe1\"\nstorage = \"fe1.d\"\nadmins = [\"{ADMIN}\"]\n{more}\n\
         [listen]\nimap = \"127.0.0.1:0\"\n\
         [master]\naddress = \"{upstream}\"\nlogin = \"fe1\"\npassword_file = \"fe1\"\n\
         [backends]\nproxy_login = \"proxy\"\nproxy_password_file = \"proxy\"\n\
         peer_login = \"peer\"\npeer_password_file = \"peer\"\n\
         [routing]\ndatabase = \"sqlite:routing.db\"\n\
         [accounts]\nargon2_memory_kib = 8\nargon2_iterations = 1\nfirst_delay_seconds = 1\n"
    );
    let Node::Frontend(config) = config::parse(&folder.join("frontend.toml"), &text).unwrap() else {
        unreachable!()
    };
    Frontend::builder(*config).start().await.unwrap()
}

/// A client's side of an IMAP session, as text.
pub(crate) struct Imap {
    lines: Lines,
    tag: u32,
}

impl Imap {
    pub(crate) async fn connect(running: &Running) -> Self {
        let mut lines = Lines::connect(running, "imap").await;
        assert!(lines.line().await.starts_with("* OK ["));
        Self { lines, tag: 0 }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.lines.send(text).await;
    }

    pub(crate) async fn line(&mut self) -> String {
        self.lines.line().await
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        self.lines.rest().await
    }

    /// The socket, for what is no text.
    pub(crate) fn into_stream(self) -> BufReader<TcpStream> {
        self.lines.into_stream()
    }

    /// Sends a command and gives all lines up to its tagged reply, of which the tag is taken off.
    pub(crate) async fn ask(&mut self, command: &str) -> Vec<String> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        self.send(&format!("{tag}{command}\r\n")).await;
        let mut lines: Vec<String> = Vec::new();
        loop {
            let line = self.line().await;
            // A closed connection gives empty lines without end.
            assert!(
                lines.len() < 5 || lines.iter().rev().take(5).any(|line| !line.is_empty()),
                "closed: {command}"
            );
            match line.strip_prefix(&tag) {
                Some(reply) => {
                    lines.push(reply.to_owned());
                    return lines;
                }
                None => lines.push(line),
            }
        }
    }

    /// The same for a command that succeeds.
    pub(crate) async fn ok(&mut self, command: &str) -> Vec<String> {
        let lines = self.ask(command).await;
        assert!(lines.last().unwrap().starts_with("OK"), "{command}: {lines:?}");
        lines
    }

    /// The tagged reply of a command that fails, which brings nothing else.
    pub(crate) async fn no(&mut self, command: &str) -> String {
        let mut lines = self.ask(command).await;
        let reply = lines.pop().unwrap();
        assert!(reply.starts_with("NO") && lines.is_empty(), "{command}: {lines:?} {reply}");
        reply
    }

    /// Asks until it succeeds: for what needs another node to have caught up.
    pub(crate) async fn until_ok(&mut self, command: &str) -> Vec<String> {
        for _ in 0..200 {
            let lines = self.ask(command).await;
            if lines.last().unwrap().starts_with("OK") {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{command} never succeeded")
    }

    /// Appends a message.
    pub(crate) async fn append(&mut self, mailbox: &str, flags: &str, message: &str) -> Vec<String> {
        let size = message.len();
        self.ok(&format!(
            "APPEND {mailbox} ({flags}) \" 1-Jan-2026 10:00:00 +0100\" {{{size}+}}\r\n{message}"
        ))
        .await
    }
}
