//! Where an address goes: domains, addresses, users and back-ends in a relational database.
//!
//! [`Router`] answers the questions of the nodes from a cache that every change drops; [`RouteStore`] is the database
//! behind it ([`SqliteStore`] today), and [`Change`] what may be written to it. The mailbox list, not this database,
//! says where a mailbox *is*; this says where one is to be *made*, and how to reach the server that a location names.
//!
//! **Failures are not answers**: a database that cannot be asked is [`RouteError::Unavailable`], a temporary failure
//! towards the peer, never "unknown user". Names are folded and checked when they are made ([`Address`], [`Login`],
//! [`DomainName`]) and only ever bound as parameters.
//!
//! ```
//! use murder::{config::DatabaseUrl, routing::{Change, Domain, DomainKind, Route, Router}};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let directory = tempfile::tempdir()?;
//! let router = Router::open(&DatabaseUrl::Sqlite(directory.path().join("routing.db"))).await?;
//! router.apply(Change::PutDomain(Domain { name: "example.org".parse()?, kind: DomainKind::Local })).await?;
//! assert_eq!(router.route(&"nobody@example.org".parse()?).await?, Route::Unknown.into());
//! assert_eq!(router.route(&"nobody@example.net".parse()?).await?, Route::UnknownDomain.into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod changes;
mod expand;
mod name;
mod router;
mod sqlite;
mod store;

pub use expand::{ALIAS_DOMAINS_MAX, Destination, EXPANSION_ADDRESSES_MAX, Expansion, Fault, Place, Route};
pub use name::{
    ADDRESS_BYTES_MAX, Address, DOMAIN_BYTES_MAX, DomainName, LOCAL_PART_BYTES_MAX, LOGIN_BYTES_MAX, Login,
    NameError, Pattern,
};
pub use router::{CACHE_ENTRIES_MAX, POLL_INTERVAL, Router};
pub use sqlite::{BUSY_TIMEOUT, CONNECTIONS_MAX, SqliteStore};
pub use store::{
    AccountRow, AddressRow, Answer, Backend, BackendState, Change, Domain, DomainKind, Enabled, Entry,
    EntryKind, Forwarding, MEMBERS_MAX, Members, PAGE_ROWS_MAX, Page, Placement, RouteError, RouteStore,
    TlsMode, Use, User, Version,
};
