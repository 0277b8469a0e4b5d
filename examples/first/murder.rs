//! First read: `murder`, a master, a back-end and a front-end in one process, and a message through all of them.
//!
//! A role is a builder over a configuration. Here each is a text; a program reads a file (`examples/src/node.rs`).
//!
//!     cargo run -p corbie-examples --example murder

use std::path::Path;
use std::time::Duration;

use imap_proto::{Command, Fetch, FetchAttribute, MailboxName, Numbering, Response, SequenceSet};
use murder::config::{self, Node};
use murder::node::Running;
use murder::{backend::Backend, frontend::Frontend, master::Master};
use programs::imap::{Failure, Imap};
use programs::smtp;
use tokio::{join, time::sleep};

mod routes;

#[allow(clippy::print_stdout)]
#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    print!("{}", run(folder.path()).await?);
    Ok(())
}

const MASTER: &str = r#"role = "master"
name = "master"
storage = "list"
listen = { mupdate = "127.0.0.1:0" }
credential = [{ name = "backend1", role = "backend", password_file = "password" },
              { name = "frontend", role = "frontend", password_file = "password" }]"#;
const BACKEND: &str = r#"role = "backend"
name = "backend1"
storage = "store"
listen = { imap = "127.0.0.1:0", lmtp = "127.0.0.1:0" }
credential = [{ name = "proxy", role = "proxy", password_file = "password" },
              { name = "peer", role = "peer", password_file = "password" }]
master = { address = "MASTER", login = "backend1", password_file = "password" }"#;
const FRONTEND: &str = r#"role = "frontend"
name = "frontend1"
storage = "queue"
listen = { imap = "127.0.0.1:0", smtp = "127.0.0.1:0" }
routing = { database = "sqlite:routing.db" }
backends = { proxy_login = "proxy", proxy_password_file = "password",
             peer_login = "peer", peer_password_file = "password" }
master = { address = "MASTER", login = "frontend", password_file = "password" }"#;

pub(crate) async fn run(folder: &Path) -> Result<String, Failure> {
    // One password for all nodes, since this is a demonstration; a site gives each its own.
    std::fs::write(folder.join("password"), "open sesame\n")?;
    let master = start(folder, MASTER, "").await?;
    let backend = start(folder, BACKEND, &at(&master, "mupdate")).await?;
    routes::tell(folder, &at(&backend, "lmtp"), &at(&backend, "imap")).await?;
    let frontend = start(folder, FRONTEND, &at(&master, "mupdate")).await?;

    // The front-end says 250 when the message lies in its queue. Alice has no INBOX yet: it has the back-end make one,
    // which registers it with the master, and delivers.
    let message = "Subject: hello\r\n\r\nThrough all three.\r\n";
    let replies =
        smtp::send(&at(&frontend, "smtp"), "bob@example.org", &["alice@example.test"], message).await?;

    // To alice the front-end is the server. What she reads comes from the back-end.
    let mut imap = Imap::connect(&at(&frontend, "imap"), None, "alice", "secret").await?;
    // She may be faster than the delivery.
    let select = Command::Select(MailboxName::new("INBOX")?.into());
    while !imap.run(&select).await?.untagged.iter().any(|r| matches!(r.view(), Response::Exists(1..))) {
        sleep(Duration::from_millis(20)).await;
    }
    let fetch = Fetch::new(Numbering::Sequence, SequenceSet::new("1")?, &[FetchAttribute::Rfc822Text]);
    let text = imap.run(&Command::Fetch(fetch)).await?.success()?;
    imap.logout().await;
    join!(frontend.shut_down(), backend.shut_down(), master.shut_down());
    let read = text.untagged.iter().map(|response| format!("alice reads {:?}\n", response.view()));
    let said = replies.iter().map(|reply| format!("the hub says {}\n", reply.code().value()));
    Ok(said.chain(read).collect())
}

async fn start(folder: &Path, text: &str, master: &str) -> Result<Running, Failure> {
    // The path is where relative paths start, and what an error would name.
    Ok(match config::parse(&folder.join("node.toml"), &text.replace("MASTER", master))? {
        Node::Master(config) => Master::builder(*config).start().await?,
        Node::Backend(config) => Backend::builder(*config).start().await?,
        Node::Frontend(config) => Frontend::builder(*config).start().await?,
    })
}

/// Where a node listens: port 0 in a configuration takes any that is free.
fn at(node: &Running, service: &str) -> String {
    node.address(service).map(|address| address.to_string()).unwrap_or_default()
}
