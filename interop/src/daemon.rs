//! Processes that a test starts and ends, and what they need: ports, directories, a certificate.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a daemon may take to listen.
const START: Duration = Duration::from_secs(30);

/// A port of this machine that no other daemon of this process has. The tests run in a network of their own.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(31_000);
    SocketAddr::from(([127, 0, 0, 1], NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A directory that daemons under users of their own can look into.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("peer").tempdir_in("/tmp").unwrap();
    set_mode(directory.path(), 0o755);
    directory
}

/// Changes the mode of a file.
///
/// # Panics
/// When it cannot be changed.
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A program that has to succeed. Returns its output.
///
/// # Panics
/// When it fails; with its words.
pub fn run(program: &str, words: &[&str]) -> String {
    let output = command(program).args(words).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {words:?}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A program by name; those for administrators are found too.
#[must_use]
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    command
}

/// A process that ends with its owner.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it does not, within half a minute; with the end of its log.
    pub fn start(mut command: Command, listens: SocketAddr, log: &Path) -> Self {
        let output = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        // A group of its own: Cyrus's master tells its whole group when it ends.
        command.stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        wait_until_it_listens(listens, log);
        Self(child)
    }
}

/// Waits for a daemon that has put itself into the background.
///
/// # Panics
/// When it does not listen in time; with the end of its log.
pub fn wait_until_it_listens(place: SocketAddr, log: &Path) {
    let deadline = Instant::now() + START;
    while TcpStream::connect(place).is_err() {
        assert!(Instant::now() < deadline, "nobody listens at {place}\n{}", tail(log));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The last lines of a log.
#[must_use]
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // By its own signal first: masters end their children then.
        let _ = run("kill", &["-TERM", &self.0.id().to_string()]);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a key and a certificate of `localhost`, as `key.pem` and `cert.pem`; returns the latter.
///
/// # Panics
/// When openssl fails.
pub fn certificate(directory: &Path) -> String {
    let (key, certificate) = (directory.join("key.pem"), directory.join("cert.pem"));
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            certificate.to_str().unwrap(),
        ],
    );
    set_mode(&key, 0o644);
    fs::read_to_string(certificate).unwrap()
}

/// Waits for what `look` finds.
///
/// # Panics
/// When it finds nothing for 20 seconds.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The files of a maildir's `new`, each with its content.
#[must_use]
pub fn maildir(directory: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(directory.join("new")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read(file.path()).ok()).collect()
}
