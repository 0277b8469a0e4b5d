//! Starts murders for the scenarios and runs those.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Ports that one murder takes, and the first of them all.
const PORTS: u16 = 220;
const FIRST_PORT: u16 = 20_000;

static NEXT_PORT: AtomicU16 = AtomicU16::new(FIRST_PORT);

/// The murder that the scenarios share which kill nothing.
pub(crate) fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(Shared::start)
}

/// A running murder.
pub(crate) struct Shared {
    data: TempDir,
    // Held for its standard input: the program ends when this process does.
    _program: Child,
}

impl Shared {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(data.path().join("murder.log")).unwrap();
        let mut program = Command::new(binaries().join("murder"))
            .args(["--until-stdin-closes", "--data"])
            .arg(data.path())
            .args(["--base-port", &next_port().to_string()])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the program `murder`, which `cargo test --workspace` builds");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !data.path().join("endpoints.json").exists() {
            assert!(
                program.try_wait().unwrap().is_none() && Instant::now() < deadline,
                "{}",
                log_of(data.path())
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { data, _program: program }
    }

    /// The domain of its users.
    pub(crate) fn domain(&self) -> String {
        let address = self.endpoints()["users"][0]["address"].as_str().unwrap().to_owned();
        address.split_once('@').unwrap().1.to_owned()
    }

    /// Where its first front-end takes LMTP.
    pub(crate) fn frontend_lmtp(&self) -> SocketAddr {
        self.endpoints()["frontends"][0]["lmtp"].as_str().unwrap().parse().unwrap()
    }

    fn endpoints(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.data.path().join("endpoints.json")).unwrap()).unwrap()
    }

    /// Runs a scenario on the endpoints of this murder. One at a time: they use the same four users.
    pub(crate) fn run(&self, script: &str, more: &[&str]) {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = python(script);
        command.arg(self.data.path().join("endpoints.json")).args(more);
        check(command, self.data.path());
    }
}

/// A murder of a scenario's own, which it may kill.
pub(crate) struct Own {
    data: TempDir,
}

impl Own {
    /// Room for one.
    pub(crate) fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap() }
    }

    /// Runs a scenario of `outage.py`.
    pub(crate) fn run(&self, scenario: &str, more: &[&str]) {
        let mut command = python("outage.py");
        command.arg(scenario).arg(binaries()).arg(self.data.path()).arg(next_port().to_string()).args(more);
        check(command, self.data.path());
    }
}

/// How often the kill loops kill.
pub(crate) fn kill_rounds() -> String {
    std::env::var("CORBIE_KILL_ROUNDS").unwrap_or_else(|_| "5".to_owned())
}

fn next_port() -> u16 {
    NEXT_PORT.fetch_add(PORTS, Ordering::Relaxed)
}

fn binaries() -> PathBuf {
    // target/debug/deps/clients-0123 -> target/debug
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

fn python(script: &str) -> Command {
    // The distribution's own, which ./test installs; others on the path may be anything.
    let mut command = Command::new("/usr/bin/python3");
    // Postfix's tools are for administrators.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script));
    command
}

fn check(mut command: Command, data: &Path) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        // What went wrong comes last, where it is seen.
        "{}\n{command:?}\n{}\n{}",
        log_of(data),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// The last lines of every log of a murder.
fn log_of(data: &Path) -> String {
    let mut text = String::new();
    let logs = std::fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path());
    for log in logs.filter(|path| path.extension().is_some_and(|e| e == "log")) {
        let whole = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = whole.lines().collect();
        let last = lines.len().saturating_sub(60);
        text += &format!("== {}\n{}\n", log.display(), lines.get(last..).unwrap_or_default().join("\n"));
    }
    text
}
