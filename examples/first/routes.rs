//! The routing database of the murder's first read: what front-ends look up. `murderctl` writes the same rows.

use std::path::Path;

use murder::accounts::Hasher;
use murder::config::{AccountLimits, DatabaseUrl};
use murder::routing::{self, BackendState, Change, DomainKind, Enabled, Forwarding, Router, TlsMode, Use};
use programs::imap::Failure;

/// One back-end, the domain `example.test`, and alice in it, whose password is `secret`.
pub(crate) async fn tell(folder: &Path, lmtp: &str, imap: &str) -> Result<(), Failure> {
    let router = Router::open(&DatabaseUrl::Sqlite(folder.join("routing.db"))).await?;
    let (name, state, tls) = ("backend1".parse()?, BackendState::Up, TlsMode::None);
    let (lmtp, imap) = (lmtp.parse()?, imap.parse()?);
    let place = routing::Backend { name, lmtp, imap, pop3: None, tls, capacity_users: 100, state };
    router.apply(Change::PutBackend(place)).await?;
    let domain = routing::Domain { name: "example.test".parse()?, kind: DomainKind::Local };
    router.apply(Change::PutDomain(domain)).await?;
    let password_hash = Hasher::new(&AccountLimits::default())?.hash(b"secret").await?;
    let account = routing::AccountRow { login: "alice".parse()?, password_hash, state: Enabled::Yes };
    router.apply(Change::PutAccount(account)).await?;
    let (login, backend, partition) = ("alice".parse()?, "backend1".parse()?, "default".to_owned());
    let (quota_kib, forwarding, state) = (None, Forwarding::KeepsCopy, Enabled::Yes);
    let user = routing::User { login, backend, partition, quota_kib, forwarding, state };
    router.apply(Change::PutUser(user)).await?;
    let goes = Use::Mailbox { login: "alice".parse()?, also: vec![] };
    let pattern = routing::Pattern::Address("alice@example.test".parse()?);
    router.apply(Change::PutAddress(routing::AddressRow { pattern, goes })).await?;
    Ok(())
}
