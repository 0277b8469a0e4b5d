//! `murder`: a whole mail murder on loopback, to look at, to test against, to learn from.
//!
//! Starts one master, back-ends and front-ends, each a process of its own (this executable again, by role), makes
//! users and certificates, shows that mail flows, prints where everything is, and serves until Ctrl-C.

#![forbid(unsafe_code)]

mod accounts;
mod certificates;
mod checks;
mod children;
mod files;
mod mail;
mod topology;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use murder::config;
use programs::node::{complain, say};
use programs::table;

use children::Children;
use topology::{ADMIN, Endpoints, NODES_MAX, Topology};

/// A whole mail murder on loopback: one master, back-ends, front-ends, each a process of its own.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// Where everything is kept; used again at the next start.
    #[arg(long, value_name = "DIR", default_value = "./murder-data")]
    data: PathBuf,
    /// The first of 200 ports.
    #[arg(long, value_name = "N", default_value_t = 14_300, value_parser = clap::value_parser!(u16).range(1..=65_335))]
    base_port: u16,
    /// Front-ends to start.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    frontends: u16,
    /// Back-ends to start.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    backends: u16,
    /// Run every check that kills nothing, print a table of them, stop; exit with 0 or 1.
    #[arg(long)]
    self_check: bool,
    /// Stop when standard input is closed: for a harness, whose end then ends the murder too.
    #[arg(long)]
    until_stdin_closes: bool,
    /// Be one node of the murder: how this program starts itself again.
    #[arg(long, value_name = "FILE", hide = true)]
    node: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(file) = &cli.node {
        children::end_with_parent();
        return match config::load(file) {
            Ok(node) => programs::node::run(node, file),
            Err(e) => complain(&e.to_string()),
        };
    }
    match run(&cli) {
        Ok(code) => code,
        Err(e) => complain(&format!("murder: {e}")),
    }
}

type Failure = programs::imap::Failure;

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let endpoints_file = cli.data.join("endpoints.json");
    // A harness waits for this file: one of an earlier run would mislead it.
    if endpoints_file.exists() {
        std::fs::remove_file(&endpoints_file)?;
    }
    let mut topology = Topology::write(&cli.data, cli.base_port, cli.frontends, cli.backends)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        say("making users and addresses in the routing database");
        accounts::ensure(&topology.endpoints).await?;
        say("starting one master, the back-ends and the front-ends, each a process of its own");
        let mut children = Children::start(&mut topology).await?;
        let shown = show(cli, &mut topology, &endpoints_file, &mut children).await;
        children.stop().await;
        shown
    })
}

async fn show(
    cli: &Cli,
    topology: &mut Topology,
    endpoints_file: &Path,
    children: &mut Children,
) -> Result<ExitCode, Failure> {
    let endpoints = &topology.endpoints;
    mail::follow_a_message_to_each_user(endpoints).await?;
    files::write_whole(endpoints_file, serde_json::to_string_pretty(endpoints)?.as_bytes())?;
    if cli.self_check {
        return Ok(checks::run(topology, children).await);
    }
    print_endpoints(endpoints, endpoints_file);
    children.watch_until(stop_requested(cli.until_stdin_closes)).await;
    Ok(ExitCode::SUCCESS)
}

/// Returns when the user, the system or the harness wants this to end.
async fn stop_requested(until_stdin_closes: bool) {
    let stdin_closed = async {
        if !until_stdin_closes {
            return std::future::pending().await;
        }
        // A read that ends, in whatever way, is the sign; what was read means nothing.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    };
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
        () = stdin_closed => {}
    }
}

fn print_endpoints(endpoints: &Endpoints, endpoints_file: &Path) {
    let short =
        |address: &str| address.rsplit_once(':').map_or_else(String::new, |(_, port)| port.to_owned());
    let master = &endpoints.master;
    say("\nEverything listens on 127.0.0.1, at these ports:\n");
    let head = [
        "front-end",
        "imap",
        "imaps",
        "pop3",
        "pop3s",
        "smtp",
        "submission",
        "submissions",
        "lmtp",
        "admin",
        "pid",
    ];
    let rows: Vec<Vec<String>> = endpoints
        .frontends
        .iter()
        .map(|f| {
            let ports = [
                &f.imap,
                &f.imaps,
                &f.pop3,
                &f.pop3s,
                &f.smtp,
                &f.submission,
                &f.submissions,
                &f.lmtp,
                &f.admin,
            ];
            std::iter::once(f.name.clone())
                .chain(ports.map(|a| short(a)))
                .chain([f.pid.to_string()])
                .collect()
        })
        .collect();
    say(&table::render(&head, &rows));
    let rows: Vec<Vec<String>> = endpoints
        .backends
        .iter()
        .map(|b| {
            let ports = [&b.imap, &b.pop3, &b.lmtp, &b.admin];
            std::iter::once(b.name.clone())
                .chain(ports.map(|a| short(a)))
                .chain([b.pid.to_string()])
                .collect()
        })
        .collect();
    say(&table::render(&["back-end", "imap", "pop3", "lmtp", "admin", "pid"], &rows));
    let row = vec![master.name.clone(), short(&master.mupdate), short(&master.admin), master.pid.to_string()];
    say(&table::render(&["master", "mupdate", "admin", "pid"], &[row]));
    let rows: Vec<Vec<String>> = endpoints
        .users
        .iter()
        .map(|u| vec![u.login.clone(), u.password.clone(), u.address.clone(), u.backend.clone()])
        .chain([vec![
            ADMIN.to_owned(),
            endpoints.admin.password.clone(),
            String::new(),
            "administrator".to_owned(),
        ]])
        .collect();
    say(&table::render(&["login", "password", "address", "home"], &rows));
    say(&format!("authority of the certificates: {}", endpoints.ca.display()));
    say(&format!("the same for programs:         {}", endpoints_file.display()));
    say("\nserving until Ctrl-C");
}
