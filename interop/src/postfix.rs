//! A whole Postfix for one test: its queue, its configuration, its log in a directory of its own.

use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::daemon::{self, Daemon, command, free_port, run, wait_until_it_listens};

/// A running Postfix.
pub struct Postfix {
    directory: TempDir,
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Its certificate, as PEM.
    pub certificate: String,
}

/// What becomes of mail for `@peer.test`.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// It is kept in a maildir, [`Postfix::maildir`].
    Maildir,
    /// It goes on by LMTP.
    Lmtp(SocketAddr),
}

impl Postfix {
    /// Starts one. `settings` are further lines of `main.cf`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(domain: &str, delivery: &Delivery, settings: &str) -> Self {
        let directory = daemon::directory();
        let certificate = daemon::certificate(directory.path());
        let smtp = free_port();
        let at = |name: &str| directory.path().join(name).display().to_string();
        for name in ["queue", "data", "mail"] {
            fs::create_dir(at(name)).unwrap();
        }
        run("chown", &["postfix", &at("data"), &at("mail")]);
        let transport = match delivery {
            Delivery::Maildir => "virtual".to_owned(),
            Delivery::Lmtp(place) => format!("lmtp:inet:{place}"),
        };
        let uid = run("id", &["-u", "postfix"]);
        let gid = run("id", &["-g", "postfix"]);
        let main = [
            "compatibility_level = 3.6".to_owned(),
            format!("queue_directory = {}", at("queue")),
            format!("data_directory = {}", at("data")),
            format!("maillog_file = {}", at("log")),
            format!("maillog_file_prefixes = {}", directory.path().display()),
            "daemon_directory = /usr/lib/postfix/sbin".to_owned(),
            "inet_interfaces = 127.0.0.1".to_owned(),
            "inet_protocols = ipv4".to_owned(),
            "myhostname = postfix.peer.test".to_owned(),
            "mynetworks =".to_owned(),
            "smtpd_relay_restrictions = reject_unauth_destination".to_owned(),
            "mydestination =".to_owned(),
            "alias_maps =".to_owned(),
            "smtputf8_enable = yes".to_owned(),
            format!("virtual_mailbox_domains = {domain}"),
            "virtual_mailbox_maps = static:all/".to_owned(),
            format!("virtual_mailbox_base = {}", at("mail")),
            format!("virtual_uid_maps = static:{}", uid.trim()),
            format!("virtual_gid_maps = static:{}", gid.trim()),
            "virtual_minimum_uid = 1".to_owned(),
            format!("virtual_transport = {transport}"),
            "minimal_backoff_time = 1s".to_owned(),
            "queue_run_delay = 1s".to_owned(),
            format!("smtpd_tls_cert_file = {}", at("cert.pem")),
            format!("smtpd_tls_key_file = {}", at("key.pem")),
            "smtpd_tls_security_level = may".to_owned(),
            settings.to_owned(),
        ];
        fs::write(at("main.cf"), main.join("\n") + "\n").unwrap();
        let port = smtp.port();
        let services = [
            format!("127.0.0.1:{port} inet n - n - - smtpd"),
            "pickup unix n - n 60 1 pickup".to_owned(),
            "cleanup unix n - n - 0 cleanup".to_owned(),
            "qmgr unix n - n 300 1 qmgr".to_owned(),
            "tlsmgr unix - - n 1000? 1 tlsmgr".to_owned(),
            "rewrite unix - - n - - trivial-rewrite".to_owned(),
            "bounce unix - - n - 0 bounce".to_owned(),
            "defer unix - - n - 0 bounce".to_owned(),
            "trace unix - - n - 0 bounce".to_owned(),
            "verify unix - - n - 1 verify".to_owned(),
            "flush unix n - n 1000? 0 flush".to_owned(),
            "proxymap unix - - n - - proxymap".to_owned(),
            "smtp unix - - n - - smtp".to_owned(),
            "error unix - - n - - error".to_owned(),
            "retry unix - - n - - error".to_owned(),
            "virtual unix - n n - - virtual".to_owned(),
            "lmtp unix - - n - - lmtp".to_owned(),
            "anvil unix - - n - 1 anvil".to_owned(),
            "scache unix - - n - 1 scache".to_owned(),
            "postlog unix-dgram n - n - 1 postlogd".to_owned(),
        ];
        fs::write(at("master.cf"), services.join("\n") + "\n").unwrap();
        let postfix = Self { directory, smtp, certificate };
        postfix.control("start");
        wait_until_it_listens(smtp, &postfix.directory.path().join("log"));
        postfix
    }

    /// The messages that were delivered to `@peer.test`.
    #[must_use]
    pub fn maildir(&self) -> Vec<Vec<u8>> {
        daemon::maildir(&self.directory.path().join("mail/all"))
    }

    /// The end of its log.
    #[must_use]
    pub fn log(&self) -> String {
        daemon::tail(&self.directory.path().join("log"))
    }

    fn control(&self, word: &str) {
        run("postfix", &["-c", self.directory.path().to_str().unwrap(), word]);
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.control("stop");
    }
}

/// Postfix's `smtp-sink`, which takes anything and keeps each message as a file.
pub struct Sink {
    directory: TempDir,
    /// Where it listens.
    pub smtp: SocketAddr,
    _process: Daemon,
}

impl Sink {
    /// Starts one with these options besides.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(options: &[&str]) -> Self {
        let directory = daemon::directory();
        daemon::set_mode(directory.path(), 0o777);
        let smtp = free_port();
        let mut program = command("smtp-sink");
        let template = directory.path().join("%M.").display().to_string();
        program.args(["-u", "postfix", "-d", &template]).args(options).arg(smtp.to_string()).arg("100");
        let process = Daemon::start(program, smtp, &directory.path().join("log"));
        Self { directory, smtp, _process: process }
    }

    /// The messages it has, each behind lines about the session.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn messages(&self) -> Vec<Vec<u8>> {
        let files = fs::read_dir(self.directory.path()).unwrap().flatten().map(|file| file.path());
        let messages = files.filter(|path| path.file_name().is_some_and(|name| name != "log"));
        messages.map(|path| whole(fs::read(path).unwrap())).collect()
    }
}

/// A dump without the empty line that ends it; nothing if that has not been written.
fn whole(mut dump: Vec<u8>) -> Vec<u8> {
    if !dump.ends_with(b"\n\n") {
        return Vec::new();
    }
    dump.truncate(dump.len() - 1);
    dump
}
