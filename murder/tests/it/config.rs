//! Configuration files: what is read, and what every fault says.

use std::{path::Path, time::Duration};

use murder::config::{
    self, AccountLimits, AdminAddress, BackendPeer, DatabaseUrl, Limits, LogFormat, Namespace, Node,
    QueueLimits,
};

const FRONTEND: &str = r#"role = "frontend"
name = "frontend1"
storage = "data"
[listen]
imap = "127.0.0.1:1143"
[master]
address = "127.0.0.1:3905"
login = "frontend1"
password_file = "master.password"
[backends]
proxy_login = "proxy1"
proxy_password_file = "proxy.password"
peer_login = "peer1"
peer_password_file = "peer.password"
[routing]
database = "sqlite:routing.db"
"#;

const BACKEND: &str = r#"role = "backend"
name = "backend1"
storage = "data"
[listen]
imap = "127.0.0.1:1143"
[master]
address = "127.0.0.1:3905"
login = "backend1"
password_file = "master.password"
"#;

const MASTER: &str = r#"role = "master"
name = "master1"
storage = "data"
[listen]
mupdate = "127.0.0.1:3905"
"#;

fn parse(text: &str) -> Result<Node, String> {
    config::parse(Path::new("/etc/corbie/node.toml"), text).map_err(|error| error.to_string())
}

/// The text with one fault, and all that is said of it after the file's name.
fn refuses(text: &str, expected: &str) {
    let error = parse(text).unwrap_err();
    let told = error.replace("/etc/corbie/node.toml", "F");
    assert_eq!(told, expected, "for:\n{text}");
}

/// The file with one line replaced.
fn with(text: &str, line: &str, other: &str) -> String {
    assert!(text.contains(line), "no line {line:?}");
    text.replace(line, other)
}

#[test]
fn the_least_file_of_each_role_is_read() {
    let Ok(Node::Frontend(frontend)) = parse(FRONTEND) else { panic!() };
    assert_eq!(frontend.name.as_str(), "frontend1");
    assert_eq!(frontend.namespace, Namespace::Personal);
    assert!(frontend.autocreate);
    assert_eq!(frontend.limits, Limits::default());
    assert_eq!(frontend.accounts, AccountLimits::default());
    assert_eq!(frontend.queue, QueueLimits::default());
    assert_eq!(frontend.log.format, LogFormat::Text);
    assert_eq!(frontend.storage, Path::new("/etc/corbie/data"));
    assert_eq!(frontend.routing.database, DatabaseUrl::Sqlite("/etc/corbie/routing.db".into()));
    assert!(
        frontend.lmtp.trusted_networks.iter().any(|network| network.contains("127.0.0.1".parse().unwrap()))
    );
    assert!(
        !frontend.lmtp.trusted_networks.iter().any(|network| network.contains("192.0.2.1".parse().unwrap()))
    );
    let Ok(Node::Backend(backend)) = parse(BACKEND) else { panic!() };
    assert_eq!((backend.partition.as_str(), backend.standalone), ("default", false));
    let Ok(Node::Master(master)) = parse(MASTER) else { panic!() };
    assert_eq!(master.listen.mupdate.0[0].to_string(), "127.0.0.1:3905");
}

#[test]
fn every_key_can_be_set() {
    let text = format!(
        "{}{}",
        with(
            BACKEND,
            "imap = \"127.0.0.1:1143\"",
            "imap = [\"192.0.2.1:143\", \"[2001:db8::1]:143\"]\nlmtp = \"127.0.0.1:24\""
        ),
        r#"[[credential]]
name = "proxy1"
role = "proxy"
password_file = "/run/proxy"
[[credential]]
name = "cyrus"
role = "admin"
password_hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"
[lmtp]
trusted_networks = ["192.0.2.0/24", "2001:db8::/32"]
[limits]
connections_max = 7
connections_per_address_max = 7
idle_timeout_seconds = 60
[admin]
listen = "unix:admin.socket"
token_file = "token"
[log]
format = "json"
level = "debug"
"#
    );
    let Node::Backend(backend) = parse(&text).unwrap() else { panic!() };
    assert_eq!(backend.listen.imap.0.len(), 2);
    assert_eq!(backend.credential[0].role, BackendPeer::Proxy);
    assert_eq!(backend.limits.idle_timeout, Duration::from_secs(60));
    assert_eq!(backend.limits.connections_max, 7);
    let admin = backend.admin.clone().unwrap();
    assert_eq!(admin.listen, AdminAddress::Unix("/etc/corbie/admin.socket".into()));
    assert_eq!(backend.credential[0].password_file.as_ref().unwrap().0, Path::new("/run/proxy"));
    assert!(!format!("{backend:?}").contains("argon2id"), "o1: a hash is not printed");
}

#[test]
fn every_fault_of_one_key_names_file_line_key_and_what_is_allowed() {
    refuses(
        "role = ",
        "F:1: not a TOML document: string values must be quoted, expected literal string; allowed: TOML 1.0 (https://toml.io)",
    );
    refuses("name = \"x\"", "F: role: is missing; allowed: this key is required here");
    refuses(
        "role = \"director\"",
        "F:1: role: unknown variant `director`; allowed: one of `frontend`, `backend`, `master`",
    );
    refuses(
        &with(MASTER, "name = \"master1\"", ""),
        "F: name: is missing; allowed: this key is required here",
    );
    refuses(
        &with(MASTER, "storage = \"data\"", "storage = 5"),
        "F:3: storage: invalid type: integer `5`; allowed: path string",
    );
    refuses(
        &with(MASTER, "storage = \"data\"", "storage = \"data\"\nstorgae = \"x\""),
        "F:4: storgae: unknown key; allowed: one of `name`, `storage`, `listen`, `tls`, `credential`, `limits`, `admin`, `log`",
    );
    refuses(
        &with(MASTER, "mupdate = \"127.0.0.1:3905\"", "imap = \"127.0.0.1:143\""),
        "F:5: listen.imap: unknown key; allowed: `mupdate`",
    );
    refuses(
        &with(MASTER, "127.0.0.1:3905", "3905"),
        "F:5: listen.mupdate: invalid value: string \"3905\"; allowed: host:port, such as 127.0.0.1:143, [::1]:143 or mail.example.org:143, or a list of these",
    );
    refuses(
        &with(MASTER, "\"127.0.0.1:3905\"", "[\"127.0.0.1:3905\", \"127.0.0.1:99999\"]"),
        "F:5: listen.mupdate: invalid value: string \"127.0.0.1:99999\"; allowed: host:port, such as 127.0.0.1:143, [::1]:143 or mail.example.org:143",
    );
    refuses(
        &with(MASTER, "name = \"master1\"", "name = \"a!b\""),
        "F:2: name: invalid value: string \"a!b\"; allowed: 1 to 128 letters, digits, '.', '-' or '_', first a letter or digit",
    );
    refuses(
        &format!("{MASTER}[tls]\ncert = \"c\"\n"),
        "F:6: tls.key: is missing; allowed: this key is required here",
    );
    refuses(
        &format!("{MASTER}[[credential]]\nname = \"b\"\nrole = \"root\"\n"),
        "F:8: credential[0].role: unknown variant `root`; allowed: `backend` or `frontend`",
    );
    refuses(
        &format!("{MASTER}[admin]\nlisten = \"0.0.0.0:80\"\ntoken_file = \"t\"\n"),
        "F:7: admin.listen: invalid value: string \"0.0.0.0:80\"; allowed: a loopback host:port such as 127.0.0.1:8080, or unix:PATH",
    );
    refuses(
        &with(FRONTEND, "sqlite:routing.db", "postgres://db/routing"),
        "F:16: routing.database: invalid value: string \"postgres://db/routing\"; allowed: sqlite:PATH, such as sqlite:/var/lib/corbie/routing.db",
    );
    refuses(
        &format!("{FRONTEND}[lmtp]\ntrusted_networks = [\"192.0.2.0/33\"]\n"),
        "F:18: lmtp.trusted_networks: invalid value: string \"192.0.2.0/33\"; allowed: an address or a network such as 192.0.2.0/24 or 2001:db8::/32",
    );
    refuses(
        &with(FRONTEND, "storage = \"data\"", "storage = \"data\"\nnamespace = \"alt\""),
        "F:4: namespace: unknown variant `alt`; allowed: `personal` or `classic`",
    );
    refuses(
        &with(FRONTEND, "storage = \"data\"", "storage = \"data\"\nautocreate = \"yes\""),
        "F:4: autocreate: invalid type: string \"yes\"; allowed: a boolean",
    );
    refuses(
        &format!("{FRONTEND}[log]\nformat = \"xml\"\n"),
        "F:18: log.format: unknown variant `xml`; allowed: `text` or `json`",
    );
}

#[test]
fn every_fault_between_keys_is_told_and_all_at_once() {
    refuses(
        &with(MASTER, "mupdate = \"127.0.0.1:3905\"", ""),
        "F:4: listen: no service is on; allowed: at least one of listen.mupdate",
    );
    refuses(
        &with(FRONTEND, "imap = \"127.0.0.1:1143\"", "imap = \"127.0.0.1:1143\"\npop3 = \"0.0.0.0:1143\""),
        "F:6: listen.pop3: 0.0.0.0:1143 is taken by listen.imap; allowed: an address and port of its own",
    );
    refuses(
        &with(FRONTEND, "imap = ", "imaps = "),
        "F:5: listen.imaps: needs a certificate; allowed: this service with a [tls] section, or none",
    );
    refuses(
        &with(FRONTEND, "peer_login = \"peer1\"", "peer_login = \"proxy1\""),
        "F:13: backends.peer_login: the same name as backends.proxy_login; allowed: two names: who may act for users may not use the verbs of the cluster",
    );
    refuses(
        &with(BACKEND, "storage = \"data\"", "storage = \"data\"\nstandalone = true"),
        "F:7: master: given with standalone = true; allowed: no [master] on a server that runs alone\n\
         F: routing: is missing; allowed: a [routing] section with the accounts of a server that runs alone",
    );
    refuses(
        BACKEND.split("[master]").next().unwrap(),
        "F: master: is missing; allowed: a [master] section, or standalone = true",
    );
    refuses(
        &with(BACKEND, "address = \"127.0.0.1:3905\"", "address = \"master.example.org:3905\""),
        "F: tls.ca: is missing; allowed: the CA of the site: nodes on other machines are reached over TLS and their names are checked",
    );
    refuses(
        &format!("{MASTER}[[credential]]\nname = \"b\"\nrole = \"backend\"\n"),
        "F:6: credential[0]: needs one password; allowed: exactly one of password_file and password_hash",
    );
    refuses(
        &format!("{MASTER}[[credential]]\nname = \"b\"\nrole = \"backend\"\npassword_hash = \"hunter2\"\n"),
        "F:9: credential[0].password_hash: not an Argon2id hash; allowed: a PHC string that begins with $argon2id$",
    );
    refuses(
        &format!("{FRONTEND}[queue]\nfirst_retry_seconds = 100\nretry_seconds_max = 99\n"),
        "F:18: queue.first_retry_seconds: longer than queue.retry_seconds_max; allowed: at most retry_seconds_max",
    );
    refuses(
        &format!("{FRONTEND}[accounts]\nfirst_delay_seconds = 16\n"),
        "F:18: accounts.first_delay_seconds: longer than accounts.delay_seconds_max; allowed: at most delay_seconds_max",
    );
    refuses(
        &format!("{MASTER}[limits]\nconnections_max = 10\n"),
        "F:6: limits.connections_per_address_max: more than limits.connections_max; allowed: at most connections_max",
    );
}

#[test]
fn a2_a_name_has_one_role() {
    refuses(
        &format!(
            "{BACKEND}[[credential]]\nname = \"x\"\nrole = \"proxy\"\npassword_file = \"p\"\n\
             [[credential]]\nname = \"x\"\nrole = \"admin\"\npassword_file = \"q\"\n"
        ),
        "F:15: credential[1].name: the same name as credential[0]; allowed: each name once: a name has one role and one password",
    );
}

#[test]
fn o4_no_limit_takes_zero_and_each_takes_its_least_and_most() {
    let limits: &[(&str, &str, u64, u64)] = &[
        ("limits", "connections_max", 50, 1_000_000),
        ("limits", "connections_per_address_max", 1, 10_000),
        ("limits", "login_timeout_seconds", 1, 3600),
        ("limits", "idle_timeout_seconds", 1, 86_400),
        ("limits", "output_stall_timeout_seconds", 1, 3600),
        ("limits", "connect_timeout_seconds", 1, 300),
        ("limits", "shutdown_grace_seconds", 1, 600),
        ("limits", "message_bytes_max", 1024, 1_073_741_824),
        ("limits", "recipients_max", 1, 100_000),
        ("limits", "hops_max", 10, 1000),
        ("limits", "auth_failures_max", 1, 100),
        ("limits", "bad_commands_max", 1, 1000),
        ("accounts", "argon2_memory_kib", 8, 262_144),
        ("accounts", "argon2_iterations", 1, 64),
        ("accounts", "hashes_at_once_max", 1, 256),
        ("accounts", "cache_seconds", 1, 86_400),
        ("accounts", "cache_entries_max", 1, 1_000_000),
        ("accounts", "free_failures_max", 1, 100),
        ("accounts", "first_delay_seconds", 1, 15),
        ("accounts", "delay_seconds_max", 2, 300),
        ("accounts", "failures_forgotten_seconds", 1, 86_400),
        ("accounts", "failing_pairs_max", 1, 1_000_000),
        ("queue", "first_retry_seconds", 1, 4000),
        ("queue", "retry_seconds_max", 60, 86_400),
        ("queue", "lifetime_seconds", 4000, 2_592_000),
        ("queue", "messages_max", 1, 100_000_000),
        ("queue", "deliveries_at_once_max", 1, 10_000),
        ("queue", "deliveries_per_destination_max", 1, 10_000),
    ];
    for (section, key, least, most) in limits {
        let set = |value: i128| parse(&format!("{FRONTEND}[{section}]\n{key} = {value}\n"));
        set((*least).into()).unwrap_or_else(|error| panic!("{error}"));
        set((*most).into()).unwrap_or_else(|error| panic!("{error}"));
        for value in [0, -1, i128::from(*most) + 1] {
            let error = set(value).unwrap_err();
            let place = format!("/etc/corbie/node.toml:18: {section}.{key}: ");
            assert!(error.starts_with(&place) && error.contains("; allowed: "), "{key} = {value}: {error}");
        }
        if *least > 1 {
            assert!(set(i128::from(*least) - 1).is_err(), "{key} = {}", least - 1);
        }
        assert!(set_text(section, key, "\"unlimited\"").contains("invalid type"));
    }
}

fn set_text(section: &str, key: &str, value: &str) -> String {
    parse(&format!("{FRONTEND}[{section}]\n{key} = {value}\n")).unwrap_err()
}

#[test]
fn files_that_a_configuration_names_are_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    std::fs::write(&file, format!("{MASTER}[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n[[credential]]\nname = \"b\"\nrole = \"backend\"\npassword_file = \"b.password\"\n")).unwrap();
    let told = |wanted: &str| {
        let error = config::load(&file).unwrap_err().to_string();
        let shown = error.replace(&format!("{}/", directory.path().display()), "");
        assert_eq!(shown, wanted);
    };
    std::fs::write(directory.path().join("b.password"), "\nsecond line\n").unwrap();
    told(
        "node.toml:7: tls.cert: cert.pem does not exist; allowed: a PEM file that this user may read\n\
         node.toml:8: tls.key: key.pem does not exist; allowed: a PEM file that this user may read\n\
         node.toml:12: credential[0].password_file: the first line of b.password holds no password; \
         allowed: a file that this user may read, its first line the secret",
    );
    std::fs::write(directory.path().join("b.password"), "secret\n").unwrap();
    std::fs::write(directory.path().join("cert.pem"), "").unwrap();
    std::fs::create_dir(directory.path().join("key.pem")).unwrap();
    std::fs::write(directory.path().join("data"), "").unwrap();
    told(
        "node.toml:3: storage: data is no directory and cannot become one; allowed: a directory, or a new name in a directory that exists\n\
         node.toml:8: tls.key: key.pem is a directory; allowed: a PEM file",
    );
    std::fs::remove_dir(directory.path().join("key.pem")).unwrap();
    std::fs::write(directory.path().join("key.pem"), "").unwrap();
    std::fs::remove_file(directory.path().join("data")).unwrap();
    assert!(matches!(config::load(&file), Ok(Node::Master(_))));
    assert_eq!(
        config::load(Path::new("/nowhere/node.toml")).unwrap_err().to_string(),
        "/nowhere/node.toml: /nowhere/node.toml does not exist; allowed: a TOML file that this user may read"
    );
}

#[test]
fn a_file_is_read_up_to_its_longest_and_no_further() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.toml");
    let longest = usize::try_from(config::FILE_BYTES_MAX).unwrap();
    let comment = |length: usize| format!("{MASTER}#{}", "x".repeat(length - MASTER.len() - 1));
    std::fs::write(&path, comment(longest)).unwrap();
    assert!(config::load(&path).is_ok());
    std::fs::write(&path, comment(longest + 1)).unwrap();
    assert!(
        config::load(&path).unwrap_err().to_string().ends_with("node.toml: too long; allowed: at most 1 MiB")
    );
    let endless = config::load(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(endless.ends_with("allowed: at most 1 MiB"), "{endless}");
}

#[test]
fn o1_a_password_file_gives_its_first_line_and_never_its_text_in_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    let file = config::PasswordFile(path.clone());
    std::fs::write(&path, "se cret\r\nmore").unwrap();
    assert_eq!(file.read().unwrap().expose(), "se cret");
    assert_eq!(format!("{:?}", file.read().unwrap()), "***");
    std::fs::write(&path, b"se\0cret").unwrap();
    assert!(!file.read().unwrap_err().contains("cret"));
    std::fs::write(&path, b"\xff\xfecret").unwrap();
    assert!(!file.read().unwrap_err().contains("cret\u{0}"));
    std::fs::write(&path, "x".repeat(1024)).unwrap();
    assert_eq!(file.read().unwrap().expose().len(), 1024);
    std::fs::write(&path, "x".repeat(1025)).unwrap();
    assert!(file.read().unwrap_err().ends_with("is longer than 1024 bytes"));
    std::fs::write(&path, b"").unwrap();
    assert!(file.read().unwrap_err().ends_with("holds no password"));
}
