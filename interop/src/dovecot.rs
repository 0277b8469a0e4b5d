//! A whole Dovecot for one test: LMTP and POP3.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::daemon::{self, Daemon, command, free_port, run};

/// A running Dovecot with the users alice and bob, whose password is `secret`.
pub struct Dovecot {
    directory: TempDir,
    /// Where it takes mail by LMTP.
    pub lmtp: SocketAddr,
    /// Where it gives mail by POP3, with STLS.
    pub pop3: SocketAddr,
    /// Its certificate, as PEM.
    pub certificate: String,
    _process: Daemon,
}

impl Dovecot {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory = daemon::directory();
        let certificate = daemon::certificate(directory.path());
        let (lmtp, pop3) = (free_port(), free_port());
        let at = |name: &str| directory.path().join(name).display().to_string();
        fs::create_dir(at("mail")).unwrap();
        run("chown", &["dovecot", &at("mail")]);
        fs::write(at("users"), "alice:{PLAIN}secret::::::\nbob:{PLAIN}secret::::::\n").unwrap();
        let (uid, gid) = (run("id", &["-u", "dovecot"]), run("id", &["-g", "dovecot"]));
        let settings = format!(
            "base_dir = {base}\nlog_path = {log}\nprotocols = lmtp pop3\nlisten = 127.0.0.1\n\
             mail_location = maildir:{mail}/%n\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nmail_uid = {uid}\nmail_gid = {gid}\n\
             ssl = yes\nssl_cert = <{cert}\nssl_key = <{key}\ndisable_plaintext_auth = no\nauth_mechanisms = plain login\nauth_username_format = %Ln\n\
             passdb {{\n driver = passwd-file\n args = {users}\n}}\n\
             userdb {{\n driver = static\n args = uid={uid} gid={gid} home={mail}/%n\n}}\n\
             service lmtp {{\n inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {lmtp}\n }}\n}}\n\
             service pop3-login {{\n inet_listener pop3 {{\n  port = {pop3}\n }}\n inet_listener pop3s {{\n  port = 0\n }}\n}}\n",
            base = at("run"),
            log = at("log"),
            mail = at("mail"),
            cert = at("cert.pem"),
            key = at("key.pem"),
            users = at("users"),
            uid = uid.trim(),
            gid = gid.trim(),
            lmtp = lmtp.port(),
            pop3 = pop3.port(),
        );
        fs::write(at("conf"), settings).unwrap();
        let mut program = command("dovecot");
        program.args(["-F", "-c", &at("conf")]);
        let process = Daemon::start(program, pop3, &directory.path().join("log"));
        daemon::wait_until_it_listens(lmtp, &directory.path().join("log"));
        Self { directory, lmtp, pop3, certificate, _process: process }
    }

    /// The messages of a user.
    #[must_use]
    pub fn maildir(&self, user: &str) -> Vec<Vec<u8>> {
        daemon::maildir(&self.directory.path().join("mail").join(user))
    }

    /// The end of its log.
    #[must_use]
    pub fn log(&self) -> String {
        let log: PathBuf = self.directory.path().join("log");
        daemon::tail(&log)
    }
}
