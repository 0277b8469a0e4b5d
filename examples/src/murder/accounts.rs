//! The demo's rows in the routing database: a domain, the back-ends, the users and their addresses.

use murder::accounts::Hasher;
use murder::config::{AccountLimits, DatabaseUrl};
use murder::routing::{
    AccountRow, AddressRow, Backend, BackendState, Change, Domain, DomainKind, Enabled, Forwarding, Login,
    Pattern, Router, TlsMode, Use, User,
};

use crate::Failure;
use crate::topology::{self, DOMAIN, Endpoints};

/// Users of one back-end at most.
const CAPACITY_USERS: u32 = 1_000_000;

/// Writes all rows. Those that are there are written again; ports may have changed. Accounts are kept.
pub(crate) async fn ensure(endpoints: &Endpoints) -> Result<(), Failure> {
    let router = Router::open(&endpoints.routing.parse::<DatabaseUrl>()?).await?;
    router.apply(Change::PutDomain(Domain { name: DOMAIN.parse()?, kind: DomainKind::Local })).await?;
    for backend in &endpoints.backends {
        let row = Backend {
            name: backend.name.parse()?,
            lmtp: backend.lmtp.parse()?,
            imap: backend.imap.parse()?,
            pop3: Some(backend.pop3.parse()?),
            tls: TlsMode::None,
            capacity_users: CAPACITY_USERS,
            state: BackendState::Up,
        };
        router.apply(Change::PutBackend(row)).await?;
    }
    for user in &endpoints.users {
        ensure_account(&router, user).await?;
        ensure_mailbox(&router, user).await?;
    }
    ensure_account(&router, &endpoints.admin).await
}

/// Adds a user with a mailbox on a back-end whose row is written too.
pub(crate) async fn add(endpoints: &Endpoints, user: &topology::User) -> Result<(), Failure> {
    ensure(endpoints).await?;
    let router = Router::open(&endpoints.routing.parse::<DatabaseUrl>()?).await?;
    ensure_account(&router, user).await?;
    ensure_mailbox(&router, user).await
}

async fn ensure_account(router: &Router, user: &topology::User) -> Result<(), Failure> {
    let login: Login = user.login.parse()?;
    if router.account(&login).await?.is_none() {
        let password_hash = Hasher::new(&AccountLimits::default())?.hash(user.password.as_bytes()).await?;
        router.apply(Change::PutAccount(AccountRow { login, password_hash, state: Enabled::Yes })).await?;
    }
    Ok(())
}

async fn ensure_mailbox(router: &Router, user: &topology::User) -> Result<(), Failure> {
    let login: Login = user.login.parse()?;
    if router.user(&login).await?.is_none() {
        let row = User {
            login: login.clone(),
            backend: user.backend.parse()?,
            partition: "default".to_owned(),
            quota_kib: None,
            forwarding: Forwarding::KeepsCopy,
            state: Enabled::Yes,
        };
        router.apply(Change::PutUser(row)).await?;
    }
    let row = AddressRow {
        pattern: Pattern::Address(user.address.parse()?),
        goes: Use::Mailbox { login, also: Vec::new() },
    };
    router.apply(Change::PutAddress(row)).await?;
    Ok(())
}
