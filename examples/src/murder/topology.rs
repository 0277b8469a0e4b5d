//! Which nodes there are, where each listens, and the configuration file of each.
//!
//! Everything follows from the data directory, the first port and the two numbers, so a second start over the same
//! directory finds its mail again.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{certificates, files};

/// Nodes of one kind at most; each has ten ports.
pub(crate) const NODES_MAX: u16 = 9;
/// The domain of the demo addresses.
pub(crate) const DOMAIN: &str = "example.test";
/// The administrator's login.
pub(crate) const ADMIN: &str = "admin";

/// The users, and which back-end (counted from 0) each starts on.
pub(crate) const USERS: [(&str, usize); 4] = [("alice", 0), ("bob", 0), ("carol", 1), ("dave", 1)];

/// What `endpoints.json` holds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Endpoints {
    pub(crate) master: MasterEndpoints,
    pub(crate) frontends: Vec<FrontendEndpoints>,
    pub(crate) backends: Vec<BackendEndpoints>,
    pub(crate) users: Vec<User>,
    /// The PEM file of the authority that signed the nodes' certificate.
    pub(crate) ca: PathBuf,
    /// The administrator's account.
    pub(crate) admin: User,
    /// The file with the token for the admin HTTP of every node.
    pub(crate) admin_token_file: PathBuf,
    /// The routing database.
    pub(crate) routing: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct MasterEndpoints {
    pub(crate) name: String,
    pub(crate) mupdate: String,
    pub(crate) admin: String,
    pub(crate) pid: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct FrontendEndpoints {
    pub(crate) name: String,
    pub(crate) imap: String,
    pub(crate) imaps: String,
    pub(crate) pop3: String,
    pub(crate) pop3s: String,
    pub(crate) smtp: String,
    pub(crate) submission: String,
    pub(crate) submissions: String,
    pub(crate) lmtp: String,
    pub(crate) admin: String,
    pub(crate) pid: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BackendEndpoints {
    pub(crate) name: String,
    pub(crate) imap: String,
    pub(crate) pop3: String,
    pub(crate) lmtp: String,
    pub(crate) admin: String,
    pub(crate) pid: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct User {
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) address: String,
    pub(crate) backend: String,
}

/// A node to start: its name and its file, which says its role.
#[derive(Debug, Clone)]
pub(crate) struct NodeFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// A topology whose files are written.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) endpoints: Endpoints,
    /// In the order in which they start: the master, the back-ends, the front-ends.
    pub(crate) nodes: Vec<NodeFile>,
    data: PathBuf,
    base_port: u16,
}

impl Topology {
    /// Writes secrets, certificates and the file of each node into `data`. What is there already is kept.
    pub(crate) fn write(data: &Path, base_port: u16, frontends: u16, backends: u16) -> io::Result<Self> {
        std::fs::create_dir_all(data)?;
        let data = std::path::absolute(data)?;
        let data = data.as_path();
        certificates::ensure(data)?;
        for secret in ["proxy.secret", "peer.secret", "frontend.secret", "admin.token"] {
            files::ensure_secret(&data.join(secret))?;
        }
        let endpoints = endpoints(data, base_port, frontends, backends);
        let mut nodes = vec![node(data, "master", &master_file(&endpoints))?];
        for backend in &endpoints.backends {
            files::ensure_secret(&data.join(format!("{}.secret", backend.name)))?;
            nodes.push(node(data, &backend.name, &backend_file(&endpoints, backend))?);
        }
        for frontend in &endpoints.frontends {
            nodes.push(node(data, &frontend.name, &frontend_file(&endpoints, frontend))?);
        }
        Ok(Self { endpoints, nodes, data: data.to_owned(), base_port })
    }

    /// Writes the files of one more back-end, and the master's anew so that it lets that in.
    pub(crate) fn grow(&mut self) -> io::Result<NodeFile> {
        let number = u16::try_from(self.endpoints.backends.len()).unwrap_or(NODES_MAX);
        if number >= NODES_MAX {
            return Err(io::Error::other(format!("there are {NODES_MAX} back-ends already")));
        }
        let backend = backend_endpoints(self.base_port, number);
        files::ensure_secret(&self.data.join(format!("{}.secret", backend.name)))?;
        let file = node(&self.data, &backend.name, &backend_file(&self.endpoints, &backend))?;
        self.endpoints.backends.push(backend);
        node(&self.data, "master", &master_file(&self.endpoints))?;
        self.nodes.push(file.clone());
        Ok(file)
    }
}

fn node(data: &Path, name: &str, text: &str) -> io::Result<NodeFile> {
    let path = data.join(format!("{name}.toml"));
    files::write_private(&path, text.as_bytes())?;
    Ok(NodeFile { name: name.to_owned(), path })
}

fn endpoints(data: &Path, base_port: u16, frontends: u16, backends: u16) -> Endpoints {
    let at = |block: u16, port: u16| place(base_port, block, port);
    let backends: Vec<BackendEndpoints> = (0..backends).map(|n| backend_endpoints(base_port, n)).collect();
    let frontends = (0..frontends)
        .map(|n| {
            let block = 1 + n;
            FrontendEndpoints {
                name: format!("frontend{}", n + 1),
                imap: at(block, 0),
                imaps: at(block, 1),
                pop3: at(block, 2),
                pop3s: at(block, 3),
                smtp: at(block, 4),
                submission: at(block, 5),
                submissions: at(block, 6),
                lmtp: at(block, 7),
                admin: at(block, 9),
                pid: 0,
            }
        })
        .collect();
    let home = |n: usize| {
        backends.get(n.min(backends.len().saturating_sub(1))).map_or_else(String::new, |b| b.name.clone())
    };
    let user = |login: &str, backend: String| User {
        login: login.to_owned(),
        password: format!("{login}-secret"),
        address: format!("{login}@{DOMAIN}"),
        backend,
    };
    let users = USERS.iter().map(|(login, n)| user(login, home(*n))).collect();
    let admin = user(ADMIN, home(0));
    Endpoints {
        master: MasterEndpoints { name: "master".to_owned(), mupdate: at(0, 0), admin: at(0, 9), pid: 0 },
        frontends,
        backends,
        users,
        ca: data.join("ca.pem"),
        admin,
        admin_token_file: data.join("admin.token"),
        routing: format!("sqlite:{}", data.join("routing.db").display()),
    }
}

fn backend_endpoints(base_port: u16, number: u16) -> BackendEndpoints {
    let at = |port: u16| place(base_port, 10 + number, port);
    BackendEndpoints {
        name: format!("backend{}", number + 1),
        imap: at(0),
        pop3: at(1),
        lmtp: at(2),
        admin: at(9),
        pid: 0,
    }
}

/// Each node has a block of ten ports: the master the first, front-ends the next nine, then the back-ends.
fn place(base_port: u16, block: u16, port: u16) -> String {
    format!("127.0.0.1:{}", base_port + block * 10 + port)
}

fn master_file(endpoints: &Endpoints) -> String {
    let mut text = format!(
        r#"role = "master"
name = "master"
storage = "master"

[listen]
mupdate = "{}"

[tls]
cert = "node.pem"
key = "node.key"

[admin]
listen = "{}"
token_file = "admin.token"

[[credential]]
name = "frontend"
role = "frontend"
password_file = "frontend.secret"
"#,
        endpoints.master.mupdate, endpoints.master.admin
    );
    for backend in &endpoints.backends {
        let _ = write!(
            text,
            "\n[[credential]]\nname = \"{0}\"\nrole = \"backend\"\npassword_file = \"{0}.secret\"\n",
            backend.name
        );
    }
    text
}

fn backend_file(endpoints: &Endpoints, backend: &BackendEndpoints) -> String {
    format!(
        r#"role = "backend"
name = "{0}"
storage = "{0}"

[listen]
imap = "{1}"
pop3 = "{2}"
lmtp = "{3}"

[tls]
cert = "node.pem"
key = "node.key"
ca = "ca.pem"

[master]
address = "{4}"
login = "{0}"
password_file = "{0}.secret"

[[credential]]
name = "proxy"
role = "proxy"
password_file = "proxy.secret"

[[credential]]
name = "peer"
role = "peer"
password_file = "peer.secret"

[admin]
listen = "{5}"
token_file = "admin.token"
"#,
        backend.name, backend.imap, backend.pop3, backend.lmtp, endpoints.master.mupdate, backend.admin
    )
}

fn frontend_file(endpoints: &Endpoints, frontend: &FrontendEndpoints) -> String {
    format!(
        r#"role = "frontend"
name = "{0}"
hostname = "{0}.{DOMAIN}"
storage = "{0}"
admins = ["{ADMIN}"]

[listen]
imap = "{1}"
imaps = "{2}"
pop3 = "{3}"
pop3s = "{4}"
smtp = "{5}"
submission = "{6}"
submissions = "{7}"
lmtp = "{8}"

[tls]
cert = "node.pem"
key = "node.key"
ca = "ca.pem"

[master]
address = "{9}"
login = "frontend"
password_file = "frontend.secret"

[backends]
proxy_login = "proxy"
proxy_password_file = "proxy.secret"
peer_login = "peer"
peer_password_file = "peer.secret"

[routing]
database = "{10}"

# A demo is looked at: what waits for a back-end is tried again soon.
[queue]
first_retry_seconds = 1
retry_seconds_max = 5

[admin]
listen = "{11}"
token_file = "admin.token"
"#,
        frontend.name,
        frontend.imap,
        frontend.imaps,
        frontend.pop3,
        frontend.pop3s,
        frontend.smtp,
        frontend.submission,
        frontend.submissions,
        frontend.lmtp,
        endpoints.master.mupdate,
        endpoints.routing,
        frontend.admin
    )
}
