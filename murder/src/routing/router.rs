//! The routing database as a node sees it: cached, watched.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    expand::{self, Route},
    name::{Address, Login},
    sqlite::SqliteStore,
    store::{AccountRow, Backend, Change, Placement, RouteError, RouteStore, User, Version},
};
use crate::config::DatabaseUrl;

/// How often the database is asked for its version. 250 ms: a change is in force everywhere within one second.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Routes remembered. 10,000, about 3 MiB; a full cache is emptied, which costs one query for each address in use.
pub const CACHE_ENTRIES_MAX: usize = 10_000;

/// A routing database with a cache. Cloning shares it; the last clone to go stops the watch.
#[derive(Clone)]
pub struct Router {
    inner: Arc<Inner>,
}

struct Inner {
    store: Box<dyn RouteStore>,
    version: watch::Sender<Version>,
    cache: Mutex<Cache>,
    outage: Mutex<Option<RouteError>>,
}

#[derive(Default)]
struct Cache {
    version: Version,
    /// By address, with the detail as it was written when this was found: equal addresses may differ in that.
    routes: HashMap<Address, (Option<String>, Arc<Route>)>,
    backends: Option<Arc<[Backend]>>,
}

impl Router {
    /// Opens the database and begins to watch it. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or its schema is newer than this program.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, RouteError> {
        match url {
            DatabaseUrl::Sqlite(path) => Self::with_store(Box::new(SqliteStore::open(path).await?)).await,
        }
    }

    /// Takes a database of the embedder's own.
    ///
    /// # Errors
    ///
    /// When it does not know its version.
    pub async fn with_store(store: Box<dyn RouteStore>) -> Result<Self, RouteError> {
        let version = store.version().await?;
        let cache = Mutex::new(Cache { version, ..Cache::default() });
        let inner =
            Arc::new(Inner { store, version: watch::Sender::new(version), cache, outage: Mutex::default() });
        tokio::spawn(poll(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Where mail to an address goes.
    ///
    /// # Errors
    ///
    /// [`RouteError::Unavailable`]: answer 451 and try again.
    pub async fn route(&self, address: &Address) -> Result<Arc<Route>, RouteError> {
        let detail = address.detail().map(|(_, detail)| detail);
        let find = |cache: &Cache| {
            let found = cache.routes.get(address).filter(|(written, _)| written.as_deref() == detail);
            found.map(|(_, route)| Arc::clone(route))
        };
        let version = match self.inner.cached(find) {
            (_, Some(route)) => return Ok(route),
            (version, None) => version,
        };
        let route = Arc::new(expand::route(&*self.inner.store, address).await?);
        self.inner.remember(version, |cache| {
            if cache.routes.len() >= CACHE_ENTRIES_MAX {
                cache.routes.clear();
            }
            cache.routes.insert(address.clone(), (detail.map(str::to_owned), Arc::clone(&route)));
        });
        Ok(route)
    }

    /// Where a new INBOX of this user is to be made. A user without a row gets one, at the back-end with the
    /// smallest share of its capacity in use; so does one whose back-end is being drained. All front-ends get the
    /// same answer.
    ///
    /// # Errors
    ///
    /// [`RouteError::NoBackend`], [`RouteError::BackendDown`], [`RouteError::Unavailable`]: each is temporary.
    pub async fn place(&self, login: &Login) -> Result<Placement, RouteError> {
        self.inner.store.place(login).await
    }

    /// All back-ends, by name.
    ///
    /// # Errors
    ///
    /// [`RouteError::Unavailable`].
    pub async fn backends(&self) -> Result<Arc<[Backend]>, RouteError> {
        let version = match self.inner.cached(|cache| cache.backends.clone()) {
            (_, Some(backends)) => return Ok(backends),
            (version, None) => version,
        };
        let backends: Arc<[Backend]> = self.inner.store.backends().await?.into();
        self.inner.remember(version, |cache| cache.backends = Some(Arc::clone(&backends)));
        Ok(backends)
    }

    /// The back-end that a location calls by this name. When there is none, the name is a host name and the ports
    /// are the standard ones.
    ///
    /// # Errors
    ///
    /// [`RouteError::Unavailable`].
    pub async fn backend(&self, name: &str) -> Result<Option<Backend>, RouteError> {
        let named = |backend: &&Backend| backend.name.as_str() == name;
        if let Some(known) = self.backends().await?.iter().find(named) {
            return Ok(Some(known.clone()));
        }
        // The list may be a quarter of a second old, and a back-end that has just joined is no host of that name.
        Ok(self.inner.store.backends().await?.iter().find(named).cloned())
    }

    /// A user with a mailbox.
    ///
    /// # Errors
    ///
    /// [`RouteError::Unavailable`].
    pub async fn user(&self, login: &Login) -> Result<Option<User>, RouteError> {
        self.inner.store.user(login).await
    }

    /// A row of the local accounts. Not cached here: verdicts are.
    ///
    /// # Errors
    ///
    /// [`RouteError::Unavailable`].
    pub async fn account(&self, login: &Login) -> Result<Option<AccountRow>, RouteError> {
        self.inner.store.account(login).await
    }

    /// Makes a change. It is in force here when this returns, elsewhere within [`POLL_INTERVAL`].
    ///
    /// # Errors
    ///
    /// What is wrong with the change, or [`RouteError::Unavailable`].
    pub async fn apply(&self, change: Change) -> Result<Version, RouteError> {
        let version = self.inner.store.apply(change).await?;
        self.inner.moved_to(version, Version(i64::MIN));
        Ok(version)
    }

    /// The database itself: listings, and what is not cached.
    #[must_use]
    pub fn store(&self) -> &dyn RouteStore {
        &*self.inner.store
    }

    /// The version now in force here.
    #[must_use]
    pub fn version(&self) -> Version {
        *self.inner.version.borrow()
    }

    /// Why the database did not answer when it was last polled, if it did not: for the health of the node.
    #[must_use]
    pub fn outage(&self) -> Option<RouteError> {
        self.inner.outage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells of each new version.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Version> {
        self.inner.version.subscribe()
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Inner {
    /// What the cache has, and at which version it has it.
    fn cached<T>(&self, find: impl FnOnce(&Cache) -> Option<T>) -> (Version, Option<T>) {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        (cache.version, find(&cache))
    }

    /// Keeps an answer, unless the database has moved on since the question was asked.
    fn remember(&self, asked_at: Version, keep: impl FnOnce(&mut Cache)) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.version == asked_at {
            keep(&mut cache);
        }
    }

    /// Drops what was known at another version. The cache goes first: who is told of a version finds none of the old.
    ///
    /// `asked_at` is the version in force when the question was asked. A smaller answer than that is a database that
    /// was put back from a copy; one that is merely smaller than what is in force now was overtaken on its way.
    fn moved_to(&self, version: Version, asked_at: Version) {
        {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let overtaken = version < cache.version && version >= asked_at;
            if version == cache.version || overtaken {
                return;
            }
            *cache = Cache { version, ..Cache::default() };
        }
        self.version.send_replace(version);
    }
}

async fn poll(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        let asked_at = *inner.version.borrow();
        let outage = match inner.store.version().await {
            Ok(version) => {
                inner.moved_to(version, asked_at);
                None
            }
            Err(error) => Some(error),
        };
        let mut known = inner.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &outage) {
            (None, Some(error)) => tracing::warn!(%error, "the routing database does not answer"),
            (Some(_), None) => tracing::info!("the routing database answers again"),
            _ => {}
        }
        *known = outage;
    }
}
