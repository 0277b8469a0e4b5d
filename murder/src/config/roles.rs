//! What a file of each role holds besides the role itself: [`Frontend`], [`Backend`], [`Master`], and the sections
//! they share.

use std::path::PathBuf;

use serde::Deserialize;

use crate::mailboxes::Namespace;

use super::{
    limits::{AccountLimits, Limits, QueueLimits},
    value::{AdminAddress, DatabaseUrl, HostPort, Listen, Network, NodeName, PasswordFile},
};

/// A front-end: proxies and mail hub (`role = "frontend"`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontend {
    /// The name of this node.
    pub name: NodeName,
    /// The host name for greetings, `Received` and message ids; the node's name when absent.
    pub hostname: Option<NodeName>,
    /// The directory of the replica and the queue; this process alone uses it.
    pub storage: PathBuf,
    /// Where clients find their mailboxes.
    #[serde(default)]
    pub namespace: Namespace,
    /// Whether a user's INBOX is made at first login or first delivery.
    #[serde(default = "on")]
    pub autocreate: bool,
    /// Logins that are administrators (after the front-end has verified them like any other).
    #[serde(default)]
    pub admins: Vec<String>,
    /// The services.
    #[serde(default)]
    pub listen: FrontendListen,
    /// Certificate, key, and the CA for other nodes.
    pub tls: Option<Tls>,
    /// The master to follow.
    pub master: Upstream,
    /// How this node logs in to back-ends.
    pub backends: BackendCredentials,
    /// Who may use LMTP here.
    #[serde(default)]
    pub lmtp: LmtpAccess,
    /// The routing database.
    pub routing: Routing,
    /// Password hashing and the cost of guessing.
    #[serde(default)]
    pub accounts: AccountLimits,
    /// The hub's queue.
    #[serde(default)]
    pub queue: QueueLimits,
    /// The limits.
    #[serde(default)]
    pub limits: Limits,
    /// The admin HTTP.
    pub admin: Option<Admin>,
    /// What is logged, how.
    #[serde(default)]
    pub log: Log,
}

/// A back-end: holds mail (`role = "backend"`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// The name of this node, as locations in the mailbox list have it.
    pub name: NodeName,
    /// The host name for greetings and `Received`; the node's name when absent.
    pub hostname: Option<NodeName>,
    /// The partition part of this server's locations.
    #[serde(default = "default_partition")]
    pub partition: NodeName,
    /// The directory of the store; this process alone uses it.
    pub storage: PathBuf,
    /// Whether this server runs alone: no master, accounts of its own, users log in here.
    #[serde(default)]
    pub standalone: bool,
    /// Whether INBOX is made at first login or delivery; only a standalone server asks.
    #[serde(default = "on")]
    pub autocreate: bool,
    /// Where clients of a standalone server find their mailboxes.
    #[serde(default)]
    pub namespace: Namespace,
    /// Logins of a standalone server that are administrators.
    #[serde(default)]
    pub admins: Vec<String>,
    /// The services.
    #[serde(default)]
    pub listen: BackendListen,
    /// Certificate, key, and the CA for the master.
    pub tls: Option<Tls>,
    /// The master; absent exactly when `standalone`.
    pub master: Option<Upstream>,
    /// The nodes that may log in.
    #[serde(default)]
    pub credential: Vec<Credential<BackendPeer>>,
    /// Who may use LMTP here without logging in.
    #[serde(default)]
    pub lmtp: LmtpAccess,
    /// The database with the accounts; present exactly when `standalone`.
    pub routing: Option<Routing>,
    /// Password hashing and the cost of guessing.
    #[serde(default)]
    pub accounts: AccountLimits,
    /// The limits.
    #[serde(default)]
    pub limits: Limits,
    /// The admin HTTP.
    pub admin: Option<Admin>,
    /// What is logged, how.
    #[serde(default)]
    pub log: Log,
}

/// A master: holds the mailbox list (`role = "master"`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Master {
    /// The name of this node.
    pub name: NodeName,
    /// The directory of the list; this process alone uses it.
    pub storage: PathBuf,
    /// The service.
    #[serde(default)]
    pub listen: MasterListen,
    /// Certificate and key.
    pub tls: Option<Tls>,
    /// The nodes that may log in.
    #[serde(default)]
    pub credential: Vec<Credential<MasterPeer>>,
    /// The limits.
    #[serde(default)]
    pub limits: Limits,
    /// The admin HTTP.
    pub admin: Option<Admin>,
    /// What is logged, how.
    #[serde(default)]
    pub log: Log,
}

/// The services of a front-end (`[listen]`); one that is absent is off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrontendListen {
    /// IMAP with STARTTLS.
    pub imap: Listen,
    /// IMAP over TLS.
    pub imaps: Listen,
    /// POP3 with STLS.
    pub pop3: Listen,
    /// POP3 over TLS.
    pub pop3s: Listen,
    /// Mail from other servers.
    pub smtp: Listen,
    /// Mail from users, with STARTTLS (RFC 6409).
    pub submission: Listen,
    /// Mail from users over TLS (RFC 8314).
    pub submissions: Listen,
    /// Delivery to users wherever they are.
    pub lmtp: Listen,
}

/// The services of a back-end (`[listen]`); one that is absent is off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackendListen {
    /// IMAP with STARTTLS.
    pub imap: Listen,
    /// IMAP over TLS.
    pub imaps: Listen,
    /// POP3 with STLS.
    pub pop3: Listen,
    /// POP3 over TLS.
    pub pop3s: Listen,
    /// Delivery to the users of this server.
    pub lmtp: Listen,
}

/// The service of a master (`[listen]`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MasterListen {
    /// MUPDATE with STARTTLS (RFC 3656).
    pub mupdate: Listen,
}

/// Certificates (`[tls]`), as PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, this node's first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CA that signs the certificates of the site's nodes.
    pub ca: Option<PathBuf>,
}

/// Another node that this one connects to (`[master]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Where it listens.
    pub address: HostPort,
    /// The name that this node logs in with.
    pub login: String,
    /// The file with the password.
    pub password_file: PasswordFile,
}

/// How a front-end logs in to back-ends (`[backends]`): as a proxy for users, as a peer for verbs of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendCredentials {
    /// The name that may act for users.
    pub proxy_login: String,
    /// The file with its password.
    pub proxy_password_file: PasswordFile,
    /// The name that may make and change mailboxes.
    pub peer_login: String,
    /// The file with its password.
    pub peer_password_file: PasswordFile,
}

/// A node that may log in here (`[[credential]]`). Exactly one of the two ways to give its password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, bound = "R: Deserialize<'de>")]
pub struct Credential<R> {
    /// The name that it logs in with; one name has one role.
    pub name: String,
    /// What it may do.
    pub role: R,
    /// The file with its password.
    pub password_file: Option<PasswordFile>,
    /// Or the Argon2id hash of the password, in PHC form (`$argon2id$...`).
    pub password_hash: Option<PasswordHash>,
}

/// An Argon2id hash in PHC form. Prints as `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The PHC string.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(phc: String) -> Self {
        Self(phc)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What another node may do on a back-end. A name has one of these, never two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendPeer {
    /// May act for any user, and for no administrator.
    Proxy,
    /// May use the verbs of the cluster.
    Peer,
    /// May administer mailboxes; acts for nobody.
    Admin,
}

/// What another node may do on a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MasterPeer {
    /// May change entries at its own location: the credential's name is the server's name.
    Backend,
    /// May read.
    Frontend,
}

/// Who may use LMTP without logging in (`[lmtp]`). By default: this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmtpAccess {
    /// The trusted networks.
    pub trusted_networks: Vec<Network>,
}

impl Default for LmtpAccess {
    fn default() -> Self {
        Self { trusted_networks: Network::LOOPBACK.to_vec() }
    }
}

/// The routing database (`[routing]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// Where it is.
    pub database: DatabaseUrl,
}

/// The admin HTTP (`[admin]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens.
    pub listen: AdminAddress,
    /// The file with the bearer token.
    pub token_file: PasswordFile,
}

/// Logging (`[log]`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How an event is written.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: LogLevel,
}

/// How an event is written: one line each, in either form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Levels of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what needs somebody now.
    Error,
    /// And what may need somebody.
    Warn,
    /// And the course of things.
    #[default]
    Info,
    /// And each step.
    Debug,
    /// And everything.
    Trace,
}

fn on() -> bool {
    true
}

fn default_partition() -> NodeName {
    NodeName::constant("default")
}
