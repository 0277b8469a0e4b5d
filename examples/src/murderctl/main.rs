//! `murderctl`: the operator's hand on a murder.
//!
//! Mailbox verbs go by IMAP through a front-end, as an administrator; lists, queues and health come from the nodes'
//! admin HTTP; users, addresses and back-ends are rows of the routing database. With `--data` all of that is found
//! in the data directory of the program `murder`; a site names its own places.

#![forbid(unsafe_code)]

mod database;
mod http;
mod mailbox;
mod output;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use murder::config::HostPort;

use output::Output;
use place::Places;

/// Administers a mail murder.
#[derive(Debug, Parser)]
#[command(name = "murderctl", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    places: PlaceArgs,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Where to find what.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The data directory of a running `murder`: all other places are read from its endpoints.json.
    #[arg(long, global = true, value_name = "DIR", default_value = "./murder-data")]
    pub(crate) data: PathBuf,
    /// The routing database, such as sqlite:/var/lib/corbie/routing.db.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) routing: Option<String>,
    /// A front-end's IMAP, with STARTTLS unless it is on loopback.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub(crate) imap: Option<HostPort>,
    /// The administrator's login at the front-end.
    #[arg(long, global = true)]
    pub(crate) admin_login: Option<String>,
    /// The file with the administrator's password.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) admin_password_file: Option<PathBuf>,
    /// The authority that signed the front-end's certificate.
    #[arg(long, global = true, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// A node's admin HTTP (instead of --node).
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub(crate) admin: Option<String>,
    /// The file with the token for it.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes, lists, renames and deletes mailboxes, through a front-end.
    #[command(subcommand)]
    Mailbox(mailbox::Command),
    /// Shows the mailbox list as a master or a front-end has it.
    List(http::Node),
    /// Shows or flushes the queue of a front-end.
    #[command(subcommand)]
    Queue(http::Queue),
    /// Shows how a node is.
    Status(http::Node),
    /// Adds, lists and removes users.
    #[command(subcommand)]
    User(database::UserCommand),
    /// Adds, lists and removes addresses.
    #[command(subcommand)]
    Address(database::AddressCommand),
    /// Adds, lists and removes domains.
    #[command(subcommand)]
    Domain(database::DomainCommand),
    /// Adds, lists and removes back-ends, and says whether they take users.
    #[command(subcommand)]
    Backend(database::BackendCommand),
}

/// What a command comes to: a table for people, or JSON.
pub(crate) type Answer = Result<Output, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let places = Places::new(cli.places);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return programs::node::complain(&format!("cannot start the runtime: {e}")),
    };
    let answer = runtime.block_on(async {
        match cli.command {
            Command::Mailbox(command) => mailbox::run(&places, command).await,
            Command::List(node) => http::list(&places, &node),
            Command::Queue(command) => http::queue(&places, &command),
            Command::Status(node) => http::status(&places, &node),
            Command::User(command) => database::users(&places, command).await,
            Command::Address(command) => database::addresses(&places, command).await,
            Command::Domain(command) => database::domains(&places, command).await,
            Command::Backend(command) => database::backends(&places, command).await,
        }
    });
    match answer {
        Ok(output) => {
            programs::node::say(&if cli.json { output.to_json() } else { output.to_text() });
            ExitCode::SUCCESS
        }
        Err(e) => programs::node::complain(&format!("murderctl: {e}")),
    }
}
