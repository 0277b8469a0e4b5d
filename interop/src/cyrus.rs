//! A Cyrus for one test: an LMTP server over a store of its own, or a MUPDATE master, or the tools of a back-end.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::{self, Daemon, command, free_port, run, tail};

/// Where Debian keeps the programs that Cyrus's master starts.
const PROGRAMS: &str = "/usr/lib/cyrus/bin";

/// A running Cyrus. Its administrator is `cyrus`, its MUPDATE user `mupdate`, the password of both `secret`.
pub struct Cyrus {
    directory: TempDir,
    /// IMAP.
    pub imap: SocketAddr,
    /// LMTP, for everybody on this machine.
    pub lmtp: SocketAddr,
    /// MUPDATE, as the master of a Murder.
    pub mupdate: SocketAddr,
    _process: Daemon,
}

impl Cyrus {
    /// Starts one. `settings` are further lines of `imapd.conf`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(settings: &str) -> Self {
        let directory = daemon::directory();
        let (imap, lmtp, mupdate) = (free_port(), free_port(), free_port());
        let at = |name: &str| directory.path().join(name).display().to_string();
        for name in ["conf", "spool", "run", "conf/proc", "conf/socket", "conf/log", "conf/db", "conf/msg"] {
            fs::create_dir(at(name)).unwrap();
        }
        let users = at("users");
        for user in ["cyrus", "mupdate", "alice", "bob"] {
            let words = format!("printf secret | saslpasswd2 -p -c -f '{users}' -u localhost {user}");
            run("sh", &["-c", &words]);
        }
        let configuration = format!(
            "configdirectory: {conf}\npartition-default: {spool}\nproc_path: {conf}/proc\nmboxname_lockpath: {run}\n\
             servername: localhost\nadmins: cyrus mupdate\nvirtdomains: off\nunixhierarchysep: no\nallowplaintext: yes\n\
             sasl_pwcheck_method: auxprop\nsasl_auxprop_plugin: sasldb\nsasl_sasldb_path: {users}\nsasl_mech_list: PLAIN\n\
             duplicatesuppression: no\nlmtp_downcase_rcpt: yes\nautocreate_quota: 0\nautocreate_post: yes\n\
             tls_session_timeout: 0\nsyslog_prefix: corbie\n{settings}\n",
            conf = at("conf"),
            spool = at("spool"),
            run = at("run"),
        );
        fs::write(at("imapd.conf"), configuration).unwrap();
        let services = format!(
            "START {{\n recover cmd=\"ctl_cyrusdb -C {conf} -r\"\n}}\nSERVICES {{\n \
             imap cmd=\"imapd -C {conf}\" listen=\"{imap}\" prefork=0\n \
             lmtp cmd=\"lmtpd -a -C {conf}\" listen=\"{lmtp}\" prefork=0\n \
             mupdate cmd=\"mupdate -m -C {conf}\" listen=\"{mupdate}\" prefork=1\n}}\nEVENTS {{\n}}\n",
            conf = at("imapd.conf"),
        );
        fs::write(at("cyrus.conf"), services).unwrap();
        run("chown", &["-R", "cyrus:mail", directory.path().to_str().unwrap()]);
        let mut master = command(&format!("{PROGRAMS}/master"));
        master.args(["-D", "-C", &at("imapd.conf"), "-M", &at("cyrus.conf"), "-p", &at("pid")]);
        let log = directory.path().join("log");
        let process = Daemon::start(master, mupdate, &log);
        daemon::wait_until_it_listens(lmtp, &log);
        Self { directory, imap, lmtp, mupdate, _process: process }
    }

    /// One of Cyrus's programs, to be run as Cyrus does.
    #[must_use]
    pub fn tool(&self, program: &str) -> Command {
        let mut tool = command("setpriv");
        let path = format!("{PROGRAMS}/{program}");
        let program = if Path::new(&path).exists() { path } else { program.to_owned() };
        tool.args(["--reuid=cyrus", "--regid=mail", "--init-groups", &program, "-C"]);
        tool.arg(self.directory.path().join("imapd.conf"));
        tool
    }

    /// The end of what its programs have said.
    #[must_use]
    pub fn log(&self) -> String {
        tail(&self.directory.path().join("log"))
    }
}
