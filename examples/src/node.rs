//! The life of a node's program: read the file, start the role, hear signals, stop.
//!
//! SIGHUP reads certificates, credentials and limits again; SIGINT and SIGTERM stop the node in order.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use murder::backend::Backend;
use murder::config::{self, Log, LogFormat, LogLevel, Node};
use murder::frontend::Frontend;
use murder::master::Master;
use murder::node::{Running, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, level_filters::LevelFilter};

/// The command line of `frontend`, `backend` and `master`.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// The node's configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Verify the file, say what is wrong where, and exit.
    #[arg(long)]
    pub check: bool,
}

/// What a program called `role` does: parses the command line and runs the node.
pub fn main(role: &'static str) -> ExitCode {
    let args = Args::parse();
    let node = match config::load(&args.config) {
        Ok(node) if node.role() == role => node,
        Ok(node) => {
            return complain(&format!(
                "{}: this is the file of a {}, not of a {role}",
                args.config.display(),
                node.role()
            ));
        }
        Err(e) => return complain(&e.to_string()),
    };
    if args.check {
        say(&format!("{}: a {role}'s file, and nothing is wrong with it", args.config.display()));
        return ExitCode::SUCCESS;
    }
    run(node, &args.config)
}

/// Runs a node until a signal stops it.
pub fn run(node: Node, file: &Path) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return complain(&format!("cannot start the runtime: {e}")),
    };
    init_log(log_of(&node));
    runtime.block_on(async {
        match start(node, file).await {
            Ok(running) => {
                serve(running).await;
                ExitCode::SUCCESS
            }
            Err(e) => {
                error!(error = %e, "cannot start");
                ExitCode::FAILURE
            }
        }
    })
}

async fn start(node: Node, file: &Path) -> Result<Running, StartError> {
    match node {
        Node::Frontend(config) => Frontend::builder(*config).config_file(file).start().await,
        Node::Backend(config) => Backend::builder(*config).config_file(file).start().await,
        Node::Master(config) => Master::builder(*config).config_file(file).start().await,
    }
}

async fn serve(running: Running) {
    info!(node = running.name(), "serving");
    let stop = |kind| signal(kind).map_err(|e| error!(error = %e, "cannot listen for a signal"));
    let (Ok(mut hangup), Ok(mut interrupt), Ok(mut terminate)) =
        (stop(SignalKind::hangup()), stop(SignalKind::interrupt()), stop(SignalKind::terminate()))
    else {
        return running.shut_down().await;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => match running.reload() {
                Ok(()) => info!("read certificates, credentials and limits again"),
                Err(e) => error!(error = %e, "cannot read again; what was in force stays so"),
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    info!(node = running.name(), "stopping");
    running.shut_down().await;
}

fn log_of(node: &Node) -> &Log {
    match node {
        Node::Frontend(config) => &config.log,
        Node::Backend(config) => &config.log,
        Node::Master(config) => &config.log,
    }
}

fn init_log(log: &Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // A second subscriber in one process cannot be set; the first stays in force.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Prints a line for people.
#[allow(clippy::print_stdout)]
pub fn say(line: &str) {
    println!("{line}");
}

/// Prints what went wrong, and fails.
#[allow(clippy::print_stderr)]
pub fn complain(line: &str) -> ExitCode {
    eprintln!("{line}");
    ExitCode::FAILURE
}
