//! What no single value can show: faults between keys ([`meaning`]) and with the files they name ([`files`]).

use std::{
    collections::HashMap,
    hash::Hash,
    path::{Path, PathBuf},
};

use super::{
    AdminAddress, Backend, Credential, DatabaseUrl, Frontend, HostPort, Limits, Listen, Master, Node,
    PasswordFile, Problem, QueueLimits, Tls,
    limits::AccountLimits,
    roles::{Admin, Upstream},
    source::Source,
    value::describe,
};

/// The longest name that a node logs in with: what SASL PLAIN carries (RFC 4616 section 2).
const LOGIN_BYTES_MAX: usize = 255;

/// Faults between keys.
pub(super) fn meaning(node: &Node, source: &Source<'_>) -> Vec<Problem> {
    let mut checks = Checks { source, problems: Vec::new() };
    match node {
        Node::Frontend(frontend) => checks.frontend(frontend),
        Node::Backend(backend) => checks.backend(backend),
        Node::Master(master) => checks.master(master),
    }
    checks.problems
}

/// Faults with the files that the keys name.
pub(super) fn files(node: &Node, source: &Source<'_>) -> Vec<Problem> {
    let mut checks = Checks { source, problems: Vec::new() };
    let mut node = node.clone();
    each_file(&mut node, &mut |key, kind, path| checks.file(key, kind, path));
    checks.problems
}

/// Makes relative paths start at `base`, the directory of the file.
pub(super) fn resolve_paths(node: &mut Node, base: &Path) {
    each_file(node, &mut |_, _, path| *path = base.join(&*path));
}

/// What a path should lead to.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A directory, or nothing yet in a directory.
    Directory,
    /// A file that is made when it is not there, in a directory that is.
    MayBeMade,
    /// A file that is there.
    File,
    /// A file whose first line is a password.
    Password,
}

struct Checks<'s, 't> {
    source: &'s Source<'t>,
    problems: Vec<Problem>,
}

impl Checks<'_, '_> {
    fn frontend(&mut self, node: &Frontend) {
        let listen = &node.listen;
        self.listeners(
            &[
                ("listen.imap", &listen.imap),
                ("listen.imaps", &listen.imaps),
                ("listen.pop3", &listen.pop3),
                ("listen.pop3s", &listen.pop3s),
                ("listen.smtp", &listen.smtp),
                ("listen.submission", &listen.submission),
                ("listen.submissions", &listen.submissions),
                ("listen.lmtp", &listen.lmtp),
            ],
            node.tls.as_ref(),
            node.admin.as_ref(),
        );
        self.upstream(&node.master, node.tls.as_ref());
        self.login("backends.proxy_login", &node.backends.proxy_login);
        self.login("backends.peer_login", &node.backends.peer_login);
        if node.backends.proxy_login == node.backends.peer_login {
            self.report(
                "backends.peer_login",
                "the same name as backends.proxy_login",
                "two names: who may act for users may not use the verbs of the cluster",
            );
        }
        self.administrators(&node.admins);
        self.account_limits(&node.accounts);
        self.queue_limits(&node.queue);
        self.limits(&node.limits);
    }

    fn backend(&mut self, node: &Backend) {
        let listen = &node.listen;
        self.listeners(
            &[
                ("listen.imap", &listen.imap),
                ("listen.imaps", &listen.imaps),
                ("listen.pop3", &listen.pop3),
                ("listen.pop3s", &listen.pop3s),
                ("listen.lmtp", &listen.lmtp),
            ],
            node.tls.as_ref(),
            node.admin.as_ref(),
        );
        match (&node.master, node.standalone) {
            (Some(master), false) => self.upstream(master, node.tls.as_ref()),
            (None, true) => {}
            (Some(_), true) => {
                self.report(
                    "master",
                    "given with standalone = true",
                    "no [master] on a server that runs alone",
                );
            }
            (None, false) => self.report("master", "is missing", "a [master] section, or standalone = true"),
        }
        match (&node.routing, node.standalone) {
            (Some(_), true) | (None, false) => {}
            (None, true) => {
                self.report(
                    "routing",
                    "is missing",
                    "a [routing] section with the accounts of a server that runs alone",
                );
            }
            (Some(_), false) => self.report(
                "routing",
                "given without standalone = true",
                "no [routing] on a member of a murder: front-ends know users and routes",
            ),
        }
        if !node.standalone && !node.admins.is_empty() {
            self.report(
                "admins",
                "given without standalone = true",
                "no admins on a member of a murder: name them on the front-ends",
            );
        }
        self.administrators(&node.admins);
        self.credentials(&node.credential);
        self.account_limits(&node.accounts);
        self.limits(&node.limits);
    }

    fn master(&mut self, node: &Master) {
        self.listeners(&[("listen.mupdate", &node.listen.mupdate)], node.tls.as_ref(), node.admin.as_ref());
        self.credentials(&node.credential);
        self.limits(&node.limits);
    }

    fn report(&mut self, key: impl Into<String>, message: impl Into<String>, allowed: impl Into<String>) {
        self.problems.push(self.source.problem(key, message, allowed));
    }

    fn listeners(&mut self, services: &[(&str, &Listen)], tls: Option<&Tls>, admin: Option<&Admin>) {
        if services.iter().all(|(_, listen)| listen.0.is_empty()) {
            let names: Vec<_> = services.iter().map(|(key, _)| *key).collect();
            self.report("listen", "no service is on", format!("at least one of {}", names.join(", ")));
        }
        for (key, listen) in services {
            if key.ends_with('s') && !listen.0.is_empty() && tls.is_none() {
                self.report(*key, "needs a certificate", "this service with a [tls] section, or none");
            }
        }
        let mut taken: Vec<(&str, &HostPort)> = Vec::new();
        let admin = admin.and_then(|admin| match &admin.listen {
            AdminAddress::Tcp(address) => Some(("admin.listen", address)),
            AdminAddress::Unix(_) => None,
        });
        let all =
            services.iter().flat_map(|(key, listen)| listen.0.iter().map(move |address| (*key, address)));
        for (key, address) in all.chain(admin) {
            match taken.iter().find(|(_, other)| clash(address, other)) {
                Some((other, _)) => {
                    self.report(
                        key,
                        format!("{address} is taken by {other}"),
                        "an address and port of its own",
                    );
                }
                None => taken.push((key, address)),
            }
        }
    }

    fn upstream(&mut self, master: &Upstream, tls: Option<&Tls>) {
        self.login("master.login", &master.login);
        if master.address.port == 0 {
            self.report("master.address", "port 0", "the port of the master, usually 3905");
        }
        if !master.address.is_loopback() && tls.is_none_or(|tls| tls.ca.is_none()) {
            self.report(
                "tls.ca",
                "is missing",
                "the CA of the site: nodes on other machines are reached over TLS and their names are checked",
            );
        }
    }

    fn login(&mut self, key: &str, login: &str) {
        if login.is_empty() || login.len() > LOGIN_BYTES_MAX || login.contains('\0') {
            self.report(key, "not a login", "1 to 255 bytes without NUL");
        }
    }

    fn administrators(&mut self, admins: &[String]) {
        for (number, admin) in admins.iter().enumerate() {
            self.login(&format!("admins[{number}]"), admin);
        }
    }

    fn credentials<R: Copy + Eq + Hash>(&mut self, credentials: &[Credential<R>]) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (number, credential) in credentials.iter().enumerate() {
            self.login(&format!("credential[{number}].name"), &credential.name);
            if let Some(first) = seen.insert(&credential.name, number) {
                self.report(
                    format!("credential[{number}].name"),
                    format!("the same name as credential[{first}]"),
                    "each name once: a name has one role and one password",
                );
            }
            match (&credential.password_file, &credential.password_hash) {
                (Some(_), None) => {}
                (None, Some(hash)) => {
                    if !hash.expose().starts_with("$argon2id$") {
                        self.report(
                            format!("credential[{number}].password_hash"),
                            "not an Argon2id hash",
                            "a PHC string that begins with $argon2id$",
                        );
                    }
                }
                _ => self.report(
                    format!("credential[{number}]"),
                    "needs one password",
                    "exactly one of password_file and password_hash",
                ),
            }
        }
    }

    fn account_limits(&mut self, limits: &AccountLimits) {
        if limits.first_delay > limits.delay_max {
            self.report(
                "accounts.first_delay_seconds",
                "longer than accounts.delay_seconds_max",
                "at most delay_seconds_max",
            );
        }
    }

    fn queue_limits(&mut self, limits: &QueueLimits) {
        if limits.first_retry > limits.retry_max {
            self.report(
                "queue.first_retry_seconds",
                "longer than queue.retry_seconds_max",
                "at most retry_seconds_max",
            );
        }
        if limits.retry_max > limits.lifetime {
            self.report(
                "queue.retry_seconds_max",
                "longer than queue.lifetime_seconds",
                "at most lifetime_seconds",
            );
        }
    }

    fn limits(&mut self, limits: &Limits) {
        if limits.connections_per_address_max > limits.connections_max {
            self.report(
                "limits.connections_per_address_max",
                "more than limits.connections_max",
                "at most connections_max",
            );
        }
    }

    fn file(&mut self, key: &str, kind: Kind, path: &Path) {
        match kind {
            Kind::Directory => {
                let there = path.is_dir() || (!path.exists() && parent(path).is_dir());
                if !there {
                    self.report(
                        key,
                        format!("{} is no directory and cannot become one", path.display()),
                        "a directory, or a new name in a directory that exists",
                    );
                }
            }
            Kind::MayBeMade => {
                if path.is_dir() || !parent(path).is_dir() {
                    self.report(
                        key,
                        format!("{} is no file and cannot become one", path.display()),
                        "a file, or a new name in a directory that exists",
                    );
                }
            }
            Kind::File => {
                if let Err(error) = std::fs::File::open(path) {
                    self.report(key, describe(&error, path), "a PEM file that this user may read");
                } else if path.is_dir() {
                    self.report(key, format!("{} is a directory", path.display()), "a PEM file");
                }
            }
            Kind::Password => {
                if let Err(message) = PasswordFile(path.to_owned()).read() {
                    self.report(key, message, "a file that this user may read, its first line the secret");
                }
            }
        }
    }
}

/// Two listeners that cannot both be bound. Port 0 is any free port, so it clashes with nothing.
fn clash(one: &HostPort, other: &HostPort) -> bool {
    one.port == other.port
        && one.port != 0
        && (one.host == other.host || one.is_unspecified() || other.is_unspecified())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Visits every path of a configuration with its key.
fn each_file(node: &mut Node, visit: &mut dyn FnMut(&str, Kind, &mut PathBuf)) {
    match node {
        Node::Frontend(node) => {
            visit("storage", Kind::Directory, &mut node.storage);
            tls_files(node.tls.as_mut(), visit);
            admin_files(node.admin.as_mut(), visit);
            visit("master.password_file", Kind::Password, &mut node.master.password_file.0);
            let backends = &mut node.backends;
            visit("backends.proxy_password_file", Kind::Password, &mut backends.proxy_password_file.0);
            visit("backends.peer_password_file", Kind::Password, &mut backends.peer_password_file.0);
            let DatabaseUrl::Sqlite(path) = &mut node.routing.database;
            visit("routing.database", Kind::MayBeMade, path);
        }
        Node::Backend(node) => {
            visit("storage", Kind::Directory, &mut node.storage);
            tls_files(node.tls.as_mut(), visit);
            admin_files(node.admin.as_mut(), visit);
            if let Some(master) = &mut node.master {
                visit("master.password_file", Kind::Password, &mut master.password_file.0);
            }
            credential_files(&mut node.credential, visit);
            if let Some(routing) = &mut node.routing {
                let DatabaseUrl::Sqlite(path) = &mut routing.database;
                visit("routing.database", Kind::MayBeMade, path);
            }
        }
        Node::Master(node) => {
            visit("storage", Kind::Directory, &mut node.storage);
            tls_files(node.tls.as_mut(), visit);
            admin_files(node.admin.as_mut(), visit);
            credential_files(&mut node.credential, visit);
        }
    }
}

fn tls_files(tls: Option<&mut Tls>, visit: &mut dyn FnMut(&str, Kind, &mut PathBuf)) {
    if let Some(tls) = tls {
        visit("tls.cert", Kind::File, &mut tls.cert);
        visit("tls.key", Kind::File, &mut tls.key);
        if let Some(ca) = &mut tls.ca {
            visit("tls.ca", Kind::File, ca);
        }
    }
}

fn admin_files(admin: Option<&mut Admin>, visit: &mut dyn FnMut(&str, Kind, &mut PathBuf)) {
    if let Some(admin) = admin {
        if let AdminAddress::Unix(path) = &mut admin.listen {
            visit("admin.listen", Kind::MayBeMade, path);
        }
        visit("admin.token_file", Kind::Password, &mut admin.token_file.0);
    }
}

fn credential_files<R>(credentials: &mut [Credential<R>], visit: &mut dyn FnMut(&str, Kind, &mut PathBuf)) {
    for (number, credential) in credentials.iter_mut().enumerate() {
        if let Some(file) = &mut credential.password_file {
            visit(&format!("credential[{number}].password_file"), Kind::Password, &mut file.0);
        }
    }
}
