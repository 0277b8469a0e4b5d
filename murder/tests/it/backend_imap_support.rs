//! A back-end in this process, and an IMAP client that shows what it reads as it stands on the wire.

use std::path::Path;
use std::time::Duration;

use murder::node::Running;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::backend_support::{make_users, start};

/// Nothing in these tests takes as long.
const SOON: Duration = Duration::from_secs(20);

/// Nodes that may log in, and an administrator; the password of each is its name.
const CREDENTIALS: &str = r#"
[[credential]]
name = "proxy"
role = "proxy"
password_file = "proxy"
[[credential]]
name = "peer"
role = "peer"
password_file = "peer"
[[credential]]
name = "root"
role = "admin"
password_file = "root"
"#;

/// A back-end that runs alone, with users `alice` and `bob`.
pub(crate) struct Solo {
    folder: TempDir,
    running: Option<Running>,
    more: String,
}

impl Solo {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more in its file.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_users(folder.path()).await;
        for name in ["proxy", "peer", "root"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let mut solo = Self { folder, running: None, more: format!("{CREDENTIALS}{more}") };
        solo.running = Some(start(solo.folder.path(), &solo.more).await);
        solo
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Stops it as if it were killed, without a word to anybody, and starts it again.
    pub(crate) async fn kill_and_start(&mut self) {
        kill(self.running.take(), &self.folder.path().join("store")).await;
        self.running = Some(start(self.folder.path(), &self.more).await);
    }

    /// A client that has read the greeting.
    pub(crate) async fn connect(&self) -> Imap {
        Imap::connect(self.running()).await
    }

    /// A user who came here directly.
    pub(crate) async fn user(&self, login: &str) -> Imap {
        let mut imap = self.connect().await;
        imap.ok(&format!("LOGIN {login} secret")).await;
        imap
    }

    /// A user for whom the proxy speaks.
    pub(crate) async fn proxied(&self, login: &str) -> Imap {
        let mut imap = self.connect().await;
        let reply = imap.plain(login, "proxy", "proxy").await;
        assert!(reply.contains(" OK "), "{reply}");
        imap
    }

    /// Another node, or the administrator.
    pub(crate) async fn node(&self, name: &str) -> Imap {
        let mut imap = self.connect().await;
        imap.ok(&format!("LOGIN {name} {name}")).await;
        imap
    }
}

/// Stops a back-end without a word to anybody, and waits until its store can be opened again.
pub(crate) async fn kill(running: Option<Running>, store: &Path) {
    drop(running);
    // The store is given back when the runtime has dropped the last task.
    let lock_is_free = async {
        loop {
            let file = std::fs::File::open(store.join("LOCK"));
            if file.map_or(true, |file| file.try_lock().is_ok()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, lock_is_free).await.unwrap();
}

/// A client.
pub(crate) struct Imap {
    socket: BufReader<TcpStream>,
    tags: u32,
}

impl Imap {
    pub(crate) async fn connect(running: &Running) -> Self {
        let socket = TcpStream::connect(running.address("imap").unwrap()).await.unwrap();
        let mut imap = Self { socket: BufReader::new(socket), tags: 0 };
        let greeting = imap.line().await;
        assert!(greeting.starts_with("* OK ["), "{greeting}");
        imap
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line with its literals; empty at the end.
    pub(crate) async fn line(&mut self) -> String {
        tokio::time::timeout(SOON, self.read_line()).await.expect("an answer in time")
    }

    async fn read_line(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            self.socket.read_line(&mut line).await.unwrap();
            let literal = line
                .strip_suffix("}\r\n")
                .and_then(|line| line.rsplit_once('{'))
                .and_then(|(_, bytes)| bytes.parse::<usize>().ok());
            text.push_str(&line);
            let Some(bytes) = literal else { return text };
            let mut data = vec![0; bytes];
            self.socket.read_exact(&mut data).await.unwrap();
            text.push_str(&String::from_utf8_lossy(&data));
        }
    }

    /// Sends a command and reads up to its reply, which comes last, without the tag.
    pub(crate) async fn run(&mut self, command: &str) -> Vec<String> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(&format!("{tag} {command}\r\n")).await;
        self.until(&tag).await
    }

    /// Reads up to the reply of this tag.
    pub(crate) async fn until(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the connection ended after {lines:?}");
            let line = line.strip_suffix("\r\n").unwrap_or(&line);
            if let Some(reply) = line.strip_prefix(&format!("{tag} ")) {
                lines.push(reply.to_owned());
                return lines;
            }
            lines.push(line.to_owned());
        }
    }

    /// Runs a command that succeeds; answers what was said before the reply.
    pub(crate) async fn ok(&mut self, command: &str) -> Vec<String> {
        let mut lines = self.run(command).await;
        let reply = lines.pop().unwrap();
        assert!(reply.starts_with("OK"), "{command}: {lines:?} {reply}");
        lines
    }

    /// Runs a command and answers its reply alone.
    pub(crate) async fn reply(&mut self, command: &str) -> String {
        self.run(command).await.pop().unwrap()
    }

    /// The untagged answers of a command to be these, and the reply to begin like that.
    #[track_caller]
    pub(crate) fn check<'s>(
        &'s mut self,
        command: &'s str,
        expected: &'s [&'s str],
        reply: &'s str,
    ) -> impl Future<Output = ()> + 's {
        let caller = std::panic::Location::caller();
        async move {
            let mut lines = self.run(command).await;
            let last = lines.pop().unwrap();
            assert_eq!(lines, expected, "{command} at {caller}");
            assert!(last.starts_with(reply), "{command} at {caller}: {last}");
        }
    }

    /// Appends a message, by a literal that waits.
    pub(crate) async fn append(&mut self, arguments: &str, message: &str) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(&format!("{tag} APPEND {arguments} {{{}}}\r\n", message.len())).await;
        let line = self.line().await;
        if !line.starts_with('+') {
            return line.trim_end().strip_prefix(&format!("{tag} ")).unwrap_or(&line).to_owned();
        }
        self.send(&format!("{message}\r\n")).await;
        self.until(&tag).await.pop().unwrap()
    }

    /// Logs in by SASL PLAIN.
    pub(crate) async fn plain(&mut self, authzid: &str, authcid: &str, password: &str) -> String {
        let message = base64(format!("{authzid}\0{authcid}\0{password}").as_bytes());
        self.send(&format!("p AUTHENTICATE PLAIN {message}\r\n")).await;
        self.line().await
    }
}

fn base64(bytes: &[u8]) -> String {
    let exchange = mail_wire::sasl::encode(bytes);
    exchange.expose().to_owned()
}

/// A message with this subject and some text.
pub(crate) fn message(subject: &str) -> String {
    format!("From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: {subject}\r\n\r\nHello.\r\n")
}
