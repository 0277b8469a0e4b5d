//! One TOML file per node.
//!
//! A file says its role first (`role = "frontend"`, `"backend"` or `"master"`), then what a node of that role needs;
//! the commented samples in `examples/config/` show every key. A value that exists is valid: each kind of value is a
//! type that can only be made from text that means something. What no single value can show (a port given twice, a
//! file that is not there, a name with two roles) is checked after that, and all such faults are told at once.
//!
//! **Every error names the file, the line, the key and what is allowed.** Unknown keys are errors: a misspelt limit
//! must not silently leave the default in force. Zero never means unlimited. Passwords stand in files of their own,
//! never here, and are not read until they are needed. Relative paths start at the directory of the file.
//!
//! ```
//! use murder::config;
//! let error = config::parse("corbie.toml".as_ref(), "role = \"master\"\nname = \"m!\"\n").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "corbie.toml:2: name: invalid value: string \"m!\"; \
//!      allowed: 1 to 128 letters, digits, '.', '-' or '_', first a letter or digit"
//! );
//! ```

mod check;
mod error;
mod limits;
mod roles;
mod source;
mod value;

use std::{io::Read, path::Path};

use serde::Deserialize;
use toml::de::DeTable;

pub use crate::mailboxes::Namespace;
pub use error::{ConfigError, Problem};
pub use limits::{AccountLimits, Limits, QueueLimits};
pub use roles::{
    Admin, Backend, BackendCredentials, BackendListen, BackendPeer, Credential, Frontend, FrontendListen,
    LmtpAccess, Log, LogFormat, LogLevel, Master, MasterListen, MasterPeer, PasswordHash, Routing, Tls,
    Upstream,
};
pub use value::{
    AdminAddress, DatabaseUrl, HostPort, Listen, NODE_NAME_BYTES_MAX, Network, NodeName,
    PASSWORD_FILE_BYTES_MAX, PasswordFile,
};

use source::Source;

/// A configuration file is at most this long: it is written by hand, and read into memory whole.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The configuration of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A front-end.
    Frontend(Box<Frontend>),
    /// A back-end.
    Backend(Box<Backend>),
    /// A master.
    Master(Box<Master>),
}

impl Node {
    /// What the file calls this role.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self {
            Self::Frontend(_) => "frontend",
            Self::Backend(_) => "backend",
            Self::Master(_) => "master",
        }
    }
}

/// Reads and checks a file, and the files that it names: all that can be known without starting the node.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Node, ConfigError> {
    let text = read(path)?;
    let (node, source) = parse_with_source(path, &text)?;
    all_well(path, check::files(&node, &source)).map(|()| node)
}

/// Reads and checks the text of a file; `path` names it in errors and is where relative paths start. Looks at no
/// other file.
///
/// # Errors
///
/// Everything that is wrong with the text.
pub fn parse(path: &Path, text: &str) -> Result<Node, ConfigError> {
    parse_with_source(path, text).map(|(node, _)| node)
}

/// What is read first: which of the three the rest is.
#[derive(Deserialize)]
struct Head {
    role: Role,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Frontend,
    Backend,
    Master,
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let alone = |message, allowed: &str| ConfigError {
        file: path.to_owned(),
        problems: vec![Problem { line: None, key: String::new(), message, allowed: allowed.to_owned() }],
    };
    let readable = "a TOML file that this user may read";
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| alone(value::describe(&error, path), readable))?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| alone(value::describe(&error, path), readable))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(alone("too long".to_owned(), "at most 1 MiB"));
    }
    Ok(text)
}

fn parse_with_source<'t>(path: &Path, text: &'t str) -> Result<(Node, Source<'t>), ConfigError> {
    let fail = |problem| ConfigError { file: path.to_owned(), problems: vec![problem] };
    let source = Source::new(text).map_err(fail)?;
    let explain = |error: toml::de::Error| fail(source.explain(&error));
    let Head { role } = toml::from_str(text).map_err(explain)?;
    let mut document = DeTable::parse(text).map_err(explain)?;
    document.get_mut().remove("role");
    let rest = toml::de::Deserializer::from(document);
    let mut node = match role {
        Role::Frontend => Deserialize::deserialize(rest).map(Box::new).map(Node::Frontend),
        Role::Backend => Deserialize::deserialize(rest).map(Box::new).map(Node::Backend),
        Role::Master => Deserialize::deserialize(rest).map(Box::new).map(Node::Master),
    }
    .map_err(explain)?;
    check::resolve_paths(&mut node, path.parent().unwrap_or(Path::new("")));
    all_well(path, check::meaning(&node, &source)).map(|()| (node, source))
}

fn all_well(path: &Path, problems: Vec<Problem>) -> Result<(), ConfigError> {
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { file: path.to_owned(), problems }) }
}
