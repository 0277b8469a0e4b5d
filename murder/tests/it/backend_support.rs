//! A back-end that runs alone, in this process, and a bare socket to talk to it.

use std::path::Path;

use murder::accounts::Hasher;
use murder::backend::Backend;
use murder::config::{self, AccountLimits, DatabaseUrl, Node};
use murder::node::Running;
use murder::routing::{
    AccountRow, Backend as Row, BackendState, Change, Enabled, Forwarding, Router, TlsMode, User,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Makes users `alice` and `bob`, each with the password `secret`, in a database in `folder`.
pub(crate) async fn make_users(folder: &Path) -> Router {
    let router = Router::open(&DatabaseUrl::Sqlite(folder.join("routing.db"))).await.unwrap();
    let backend = Row {
        name: "solo".parse().unwrap(),
        lmtp: "127.0.0.1:24".parse().unwrap(),
        imap: "127.0.0.1:143".parse().unwrap(),
        pop3: None,
        tls: TlsMode::None,
        capacity_users: 100,
        state: BackendState::Up,
    };
    router.apply(Change::PutBackend(backend)).await.unwrap();
    let limits = AccountLimits { argon2_memory_kib: 8, argon2_iterations: 1, ..AccountLimits::default() };
    let password_hash = Hasher::new(&limits).unwrap().hash(b"secret").await.unwrap();
    for login in ["alice", "bob"] {
        let login: murder::routing::Login = login.parse().unwrap();
        let user = User {
            login: login.clone(),
            backend: "solo".parse().unwrap(),
            partition: "default".to_owned(),
            quota_kib: None,
            forwarding: Forwarding::KeepsCopy,
            state: Enabled::Yes,
        };
        router.apply(Change::PutUser(user)).await.unwrap();
        let account = AccountRow { login, password_hash: password_hash.clone(), state: Enabled::Yes };
        router.apply(Change::PutAccount(account)).await.unwrap();
    }
    router
}

/// Starts a back-end that runs alone over `folder`; `more` is added to its file.
pub(crate) async fn start(folder: &Path, more: &str) -> Running {
    let text = format!(
        "role = \"backend\"\nname = \"solo\"\nstorage = \"store\"\nstandalone = true\n\
         [listen]\npop3 = \"127.0.0.1:0\"\nlmtp = \"127.0.0.1:0\"\nimap = \"127.0.0.1:0\"\n\
         [routing]\ndatabase = \"sqlite:routing.db\"\n[accounts]\nargon2_memory_kib = 8\nargon2_iterations = 1\n\
         first_delay_seconds = 1\n{more}"
    );
    let Node::Backend(config) = config::parse(&folder.join("backend.toml"), &text).unwrap() else {
        unreachable!()
    };
    Backend::builder(*config).start().await.unwrap()
}

/// A socket that speaks lines.
pub(crate) struct Lines(BufReader<TcpStream>);

impl Lines {
    pub(crate) async fn connect(running: &Running, service: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(running.address(service).unwrap()).await.unwrap()))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line, without its CRLF; empty at the end.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(std::time::Duration::from_secs(20), read).await.unwrap().unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// Sends a line and returns the one that answers.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.send(&format!("{text}\r\n")).await;
        self.line().await
    }

    /// Lines up to and without the lone dot.
    pub(crate) async fn lines_to_dot(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.line().await {
                line if line == "." => return lines,
                line => lines.push(line),
            }
        }
    }

    /// The socket.
    pub(crate) fn into_stream(self) -> BufReader<TcpStream> {
        self.0
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut text = String::new();
        let read = self.0.read_to_string(&mut text);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(20), read).await.unwrap();
        text
    }
}
