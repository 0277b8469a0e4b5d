//! The processes of the topology: starting them, waiting until they serve, noticing their end, ending them.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use programs::node::say;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Failure;
use crate::topology::{NodeFile, Topology};

/// How long a node may take to serve.
const START: Duration = Duration::from_secs(30);
/// How long a node may take to stop when it is asked to.
const STOP: Duration = Duration::from_secs(15);

/// The running nodes.
pub(crate) struct Children(Vec<Node>);

struct Node {
    name: String,
    process: Child,
    log: PathBuf,
    ended: bool,
}

impl Node {
    fn signal(&self, signal: Signal) -> std::io::Result<()> {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.ok_or(std::io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// The last line of its log, and where the rest is.
    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.lines().next_back().unwrap_or("it wrote nothing");
        format!(":\n  {last}\n  (its log is {})", self.log.display())
    }
}

/// Called in a node: asks the system to stop it when the process that started it dies, however that dies. Elsewhere
/// than on Linux a node outlives a murder that is killed.
pub(crate) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(e) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        say(&format!("this node outlives a murder that is killed: {e}"));
    }
}

impl Children {
    /// Starts every node and waits until each serves. Writes the pids into the endpoints.
    pub(crate) async fn start(topology: &mut Topology) -> Result<Self, Failure> {
        let mut children = Self(Vec::new());
        for node in topology.nodes.clone() {
            if let Err(e) = children.spawn(topology, &node) {
                children.stop().await;
                return Err(e);
            }
        }
        for node in topology.nodes.clone() {
            if let Err(e) =
                children.wait_until_it_serves(&node.name, &admin_address(topology, &node.name)).await
            {
                children.stop().await;
                return Err(e);
            }
        }
        Ok(children)
    }

    /// Starts one more node and waits until it serves.
    pub(crate) async fn add(&mut self, topology: &mut Topology, node: &NodeFile) -> Result<(), Failure> {
        self.spawn(topology, node)?;
        self.wait_until_it_serves(&node.name, &admin_address(topology, &node.name)).await
    }

    /// Asks a node to read its credentials again.
    pub(crate) fn reload(&self, name: &str) -> Result<(), Failure> {
        let node =
            self.0.iter().find(|node| node.name == name).ok_or_else(|| format!("there is no {name}"))?;
        node.signal(Signal::HUP).map_err(|e| format!("{name}: {e}").into())
    }

    fn spawn(&mut self, topology: &mut Topology, node: &NodeFile) -> Result<(), Failure> {
        let process = start(node).map_err(|e| format!("{} does not start: {e}", node.name))?;
        note_pid(topology, &node.name, process.id().unwrap_or_default());
        let log = node.path.with_extension("log");
        self.0.push(Node { name: node.name.clone(), process, log, ended: false });
        Ok(())
    }

    /// Says when a node ends by itself, until `stop` returns.
    pub(crate) async fn watch_until(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => self.note_ends(),
            }
        }
    }

    /// Asks every node to stop, the last started first, and ends those that do not.
    pub(crate) async fn stop(&mut self) {
        for node in self.0.iter_mut().rev().filter(|node| !node.ended) {
            if node.signal(Signal::TERM).is_err() {
                // It cannot be asked; if it is there at all, it is told.
                let _ = node.process.start_kill();
            }
        }
        for node in &mut self.0 {
            if tokio::time::timeout(STOP, node.process.wait()).await.is_err() {
                // It was asked; now it is told.
                let _ = node.process.kill().await;
            }
        }
    }

    fn note_ends(&mut self) {
        for node in self.0.iter_mut().filter(|node| !node.ended) {
            if let Ok(Some(status)) = node.process.try_wait() {
                node.ended = true;
                say(&format!("{} has ended ({}); the others go on", node.name, describe(status)));
            }
        }
    }

    async fn wait_until_it_serves(&mut self, name: &str, address: &str) -> Result<(), Failure> {
        let log = |node: Option<&Node>| node.map(|node| node.last_words()).unwrap_or_default();
        let deadline = Instant::now() + START;
        loop {
            if is_healthy(address).await {
                return Ok(());
            }
            let mut node = self.0.iter_mut().find(|node| node.name == name);
            if let Some(Ok(Some(status))) = node.as_mut().map(|node| node.process.try_wait()) {
                let words = log(node.as_deref());
                return Err(format!("{name} ended while it started ({}){words}", describe(status)).into());
            }
            if Instant::now() > deadline {
                let words = log(node.as_deref());
                return Err(format!("{name} does not serve after {} s{words}", START.as_secs()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn start(node: &NodeFile) -> Result<Child, Failure> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(node.path.with_extension("log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--node").arg(&node.path).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // In a group of its own, so that Ctrl-C reaches this process alone, which then stops the nodes in order.
    command.process_group(0).kill_on_drop(true);
    Ok(command.spawn()?)
}

/// True when a node's `/health` answers that it is well.
async fn is_healthy(address: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.ok()?;
        let mut status = [0_u8; 12];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut status).await.ok()?;
        Some(status.ends_with(b" 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Some(true)))
}

fn admin_address(topology: &Topology, name: &str) -> String {
    let endpoints = &topology.endpoints;
    let backends = endpoints.backends.iter().map(|node| (&node.name, &node.admin));
    let mut all = backends.chain(endpoints.frontends.iter().map(|node| (&node.name, &node.admin)));
    all.find(|(of, _)| *of == name).map_or(&endpoints.master.admin, |(_, admin)| admin).clone()
}

fn note_pid(topology: &mut Topology, name: &str, pid: u32) {
    let endpoints = &mut topology.endpoints;
    if endpoints.master.name == name {
        endpoints.master.pid = pid;
    }
    if let Some(backend) = endpoints.backends.iter_mut().find(|b| b.name == name) {
        backend.pid = pid;
    }
    if let Some(frontend) = endpoints.frontends.iter_mut().find(|f| f.name == name) {
        frontend.pid = pid;
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for a reason unknown".to_owned(),
    }
}
