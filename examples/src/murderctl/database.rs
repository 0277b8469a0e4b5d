//! Users, addresses, domains and back-ends: rows of the routing database.
//!
//! Front-ends look for changes several times a second, so a row is in force at once.

use clap::Subcommand;
use murder::accounts::Hasher;
use murder::config::{AccountLimits, DatabaseUrl, HostPort, NodeName};
use murder::routing::{
    AccountRow, Address, AddressRow, Backend, BackendState, Change, Domain, DomainKind, DomainName, Enabled,
    Forwarding, Login, Page, Pattern, Router, TlsMode, Use, User,
};
use serde::Serialize;

use crate::Answer;
use crate::output::Output;
use crate::place::Places;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Adds a user, or changes one.
    Add {
        /// The login.
        login: Login,
        /// The password; without it the account cannot log in, or keeps the password that it has.
        #[arg(long)]
        password: Option<String>,
        /// The back-end of the mailbox; one with room when absent.
        #[arg(long)]
        backend: Option<NodeName>,
        /// The partition on it.
        #[arg(long, default_value = "default")]
        partition: String,
        /// An address whose mail goes into the mailbox; can be given more than once.
        #[arg(long)]
        address: Vec<Address>,
        /// The quota of a new mailbox, in KiB.
        #[arg(long)]
        quota_kib: Option<u64>,
    },
    /// Lists the users.
    List,
    /// Removes a user who has no addresses. The mailbox stays.
    Remove {
        /// The login.
        login: Login,
    },
}

/// What can be done with addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum AddressCommand {
    /// Adds an address, or changes where it goes.
    Add {
        /// The address, or `@domain` for all others of a domain.
        address: Pattern,
        /// Into this user's mailbox.
        #[arg(long, conflicts_with = "reject")]
        user: Option<Login>,
        /// To this address; can be given more than once.
        #[arg(long)]
        forward: Vec<Address>,
        /// Nowhere, with this text.
        #[arg(long, conflicts_with = "forward")]
        reject: Option<String>,
    },
    /// Lists the addresses.
    List,
    /// Removes an address.
    Remove {
        /// The address.
        address: Pattern,
    },
}

/// What can be done with domains.
#[derive(Debug, Subcommand)]
pub(crate) enum DomainCommand {
    /// Adds a domain whose addresses are here.
    Add {
        /// The domain.
        domain: DomainName,
        /// All its mail goes to this next hop instead.
        #[arg(long, conflicts_with = "alias_of")]
        relay: Option<HostPort>,
        /// Its addresses are those of this domain instead.
        #[arg(long)]
        alias_of: Option<DomainName>,
    },
    /// Lists the domains.
    List,
    /// Removes a domain without addresses.
    Remove {
        /// The domain.
        domain: DomainName,
    },
}

/// What can be done with back-ends.
#[derive(Debug, Subcommand)]
pub(crate) enum BackendCommand {
    /// Adds a back-end, or changes one.
    Add {
        /// The name, as it stands in locations.
        name: NodeName,
        /// Where it serves IMAP.
        #[arg(long)]
        imap: HostPort,
        /// Where it serves POP3.
        #[arg(long)]
        pop3: Option<HostPort>,
        /// Where it takes mail.
        #[arg(long)]
        lmtp: HostPort,
        /// STARTTLS, unless it is on loopback.
        #[arg(long, value_parser = ["none", "starttls"])]
        tls: Option<String>,
        /// New users only up to here.
        #[arg(long, default_value_t = 1_000_000)]
        capacity_users: u32,
    },
    /// Lists the back-ends.
    List,
    /// Says whether a back-end takes mail and users (up), mail only (drain), or neither (down).
    State {
        /// The name.
        name: NodeName,
        /// up, drain or down.
        #[arg(value_parser = ["up", "drain", "down"])]
        state: String,
    },
    /// Removes a back-end without users.
    Remove {
        /// The name.
        name: NodeName,
    },
}

pub(crate) async fn users(places: &Places, command: UserCommand) -> Answer {
    let router = open(places).await?;
    match command {
        UserCommand::Add { login, password, backend, partition, address, quota_kib } => {
            if let Some(backend) = backend {
                let user = User {
                    login: login.clone(),
                    backend,
                    partition,
                    quota_kib,
                    forwarding: Forwarding::KeepsCopy,
                    state: Enabled::Yes,
                };
                router.apply(Change::PutUser(user)).await?;
            } else {
                router.place(&login).await?;
            }
            if let Some(password) = password {
                let password_hash = Hasher::new(&AccountLimits::default())?.hash(password.as_bytes()).await?;
                router
                    .apply(Change::PutAccount(AccountRow {
                        login: login.clone(),
                        password_hash,
                        state: Enabled::Yes,
                    }))
                    .await?;
            }
            for address in address {
                let goes = Use::Mailbox { login: login.clone(), also: Vec::new() };
                router
                    .apply(Change::PutAddress(AddressRow { pattern: Pattern::Address(address), goes }))
                    .await?;
            }
            done(format!("user {} is there", login.as_str()))
        }
        UserCommand::List => {
            let mut found = Vec::new();
            let mut page = Page::first();
            loop {
                let rows = router.store().users(page.clone()).await?;
                let Some(last) = rows.last() else { break };
                page.after = last.login.as_str().to_owned();
                found.extend(rows.iter().map(|user| UserView {
                    login: user.login.as_str().to_owned(),
                    backend: user.backend.to_string(),
                    partition: user.partition.clone(),
                    quota_kib: user.quota_kib,
                    enabled: user.state == Enabled::Yes,
                }));
            }
            Ok(Output::rows(&["login", "backend", "partition", "quota KiB", "enabled"], &found, |user| {
                let quota = user.quota_kib.map_or_else(|| "none".to_owned(), |kib| kib.to_string());
                vec![
                    user.login.clone(),
                    user.backend.clone(),
                    user.partition.clone(),
                    quota,
                    user.enabled.to_string(),
                ]
            })?)
        }
        UserCommand::Remove { login } => {
            router.apply(Change::RemoveAccount(login.clone())).await?;
            router.apply(Change::RemoveUser(login.clone())).await?;
            done(format!("user {} is gone", login.as_str()))
        }
    }
}

pub(crate) async fn addresses(places: &Places, command: AddressCommand) -> Answer {
    let router = open(places).await?;
    match command {
        AddressCommand::Add { address, user, forward, reject } => {
            let goes = match (user, reject) {
                (Some(login), _) => Use::Mailbox { login, also: forward },
                (None, Some(text)) => Use::Reject(text),
                (None, None) if forward.is_empty() => {
                    return Err("one of --user, --forward, --reject is needed".into());
                }
                (None, None) => Use::Forward(forward),
            };
            let name = address.to_string();
            router.apply(Change::PutAddress(AddressRow { pattern: address, goes })).await?;
            done(format!("address {name} is there"))
        }
        AddressCommand::List => {
            let mut found = Vec::new();
            let mut page = Page::first();
            loop {
                let rows = router.store().addresses(page.clone()).await?;
                let Some(last) = rows.last() else { break };
                page.after = last.pattern.to_string();
                found.extend(rows.iter().map(address_view));
            }
            Ok(Output::rows(&["address", "kind", "goes to"], &found, |row| {
                vec![row.address.clone(), row.kind.to_owned(), row.goes_to.join(", ")]
            })?)
        }
        AddressCommand::Remove { address } => {
            let name = address.to_string();
            router.apply(Change::RemoveAddress(address)).await?;
            done(format!("address {name} is gone"))
        }
    }
}

pub(crate) async fn domains(places: &Places, command: DomainCommand) -> Answer {
    let router = open(places).await?;
    match command {
        DomainCommand::Add { domain, relay, alias_of } => {
            let kind = match (relay, alias_of) {
                (Some(next_hop), _) => DomainKind::Relay(next_hop),
                (None, Some(target)) => DomainKind::Alias(target),
                (None, None) => DomainKind::Local,
            };
            let name = domain.as_str().to_owned();
            router.apply(Change::PutDomain(Domain { name: domain, kind })).await?;
            done(format!("domain {name} is there"))
        }
        DomainCommand::List => {
            let found: Vec<DomainView> = router.store().domains().await?.iter().map(domain_view).collect();
            Ok(Output::rows(&["domain", "kind", "target"], &found, |row| {
                vec![row.domain.clone(), row.kind.to_owned(), row.target.clone().unwrap_or_default()]
            })?)
        }
        DomainCommand::Remove { domain } => {
            let name = domain.as_str().to_owned();
            router.apply(Change::RemoveDomain(domain)).await?;
            done(format!("domain {name} is gone"))
        }
    }
}

pub(crate) async fn backends(places: &Places, command: BackendCommand) -> Answer {
    let router = open(places).await?;
    match command {
        BackendCommand::Add { name, imap, pop3, lmtp, tls, capacity_users } => {
            let tls = match tls.as_deref() {
                Some(word) => word.parse()?,
                None if imap.is_loopback() && lmtp.is_loopback() => TlsMode::None,
                None => TlsMode::StartTls,
            };
            let text = format!("back-end {name} is there");
            let backend = Backend { name, lmtp, imap, pop3, tls, capacity_users, state: BackendState::Up };
            router.apply(Change::PutBackend(backend)).await?;
            done(text)
        }
        BackendCommand::List => {
            let found: Vec<BackendView> = router.store().backends().await?.iter().map(backend_view).collect();
            Ok(Output::rows(&["name", "state", "imap", "pop3", "lmtp", "tls", "capacity"], &found, |row| {
                let pop3 = row.pop3.clone().unwrap_or_default();
                let capacity = row.capacity_users.to_string();
                vec![
                    row.name.clone(),
                    row.state.to_owned(),
                    row.imap.clone(),
                    pop3,
                    row.lmtp.clone(),
                    row.tls.to_owned(),
                    capacity,
                ]
            })?)
        }
        BackendCommand::State { name, state } => {
            let known = router.backend(name.as_str()).await?.ok_or_else(|| format!("no back-end {name}"))?;
            router.apply(Change::PutBackend(Backend { state: state.parse()?, ..known })).await?;
            done(format!("back-end {name} is {state}"))
        }
        BackendCommand::Remove { name } => {
            let text = format!("back-end {name} is gone");
            router.apply(Change::RemoveBackend(name)).await?;
            done(text)
        }
    }
}

async fn open(places: &Places) -> Result<Router, Box<dyn std::error::Error>> {
    let url: DatabaseUrl = places.routing()?.parse()?;
    Ok(Router::open(&url).await?)
}

fn done(what: String) -> Answer {
    Ok(Output::Done(what))
}

#[derive(Serialize)]
struct UserView {
    login: String,
    backend: String,
    partition: String,
    quota_kib: Option<u64>,
    enabled: bool,
}

#[derive(Serialize)]
struct AddressView {
    address: String,
    kind: &'static str,
    goes_to: Vec<String>,
}

fn address_view(row: &AddressRow) -> AddressView {
    let texts = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (kind, goes_to) = match &row.goes {
        Use::Mailbox { login, also } => {
            ("mailbox", std::iter::once(login.as_str().to_owned()).chain(texts(also)).collect())
        }
        Use::Forward(to) => ("forward", texts(to)),
        Use::List(to) => ("list", texts(to)),
        Use::Reject(text) => ("reject", vec![text.clone()]),
    };
    AddressView { address: row.pattern.to_string(), kind, goes_to }
}

#[derive(Serialize)]
struct DomainView {
    domain: String,
    kind: &'static str,
    target: Option<String>,
}

fn domain_view(row: &Domain) -> DomainView {
    let (kind, target) = match &row.kind {
        DomainKind::Local => ("local", None),
        DomainKind::Relay(next_hop) => ("relay", Some(next_hop.to_string())),
        DomainKind::Alias(domain) => ("alias", Some(domain.as_str().to_owned())),
    };
    DomainView { domain: row.name.as_str().to_owned(), kind, target }
}

#[derive(Serialize)]
struct BackendView {
    name: String,
    state: &'static str,
    imap: String,
    pop3: Option<String>,
    lmtp: String,
    tls: &'static str,
    capacity_users: u32,
}

fn backend_view(row: &Backend) -> BackendView {
    BackendView {
        name: row.name.to_string(),
        state: row.state.as_str(),
        imap: row.imap.to_string(),
        pop3: row.pop3.as_ref().map(ToString::to_string),
        lmtp: row.lmtp.to_string(),
        tls: row.tls.as_str(),
        capacity_users: row.capacity_users,
    }
}
