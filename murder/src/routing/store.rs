//! What a routing database must do: [`RouteStore`]. One implementation per database; all speak typed keys and bound
//! parameters only, so that no name that a peer sends is ever part of a statement.

use std::{pin::Pin, str::FromStr};

use super::name::{Address, DomainName, Login, Pattern};
use crate::config::{HostPort, NodeName};

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, RouteError>> + Send + 'a>>;

/// The longest page of a listing, in rows.
pub const PAGE_ROWS_MAX: u32 = 1000;

/// Members of one address. 10,000: a whole company in one list, yet a bounded statement.
pub const MEMBERS_MAX: usize = 10_000;

/// Why the database gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// It cannot be asked now: a temporary failure (RFC 3463 4.3.0), never "unknown user".
    #[error("the routing database cannot be used: {0}")]
    Unavailable(String),
    /// A change names something that is not there: a domain, a back-end, a user.
    #[error("{0} names something that does not exist, or is still in use")]
    Reference(&'static str),
    /// There is no such row to change or remove.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A change that cannot be: what is wrong with it.
    #[error("{0}")]
    Invalid(&'static str),
    /// The database was written by a newer program, or its schema was changed by hand.
    #[error("the schema of the routing database does not fit this program: {0}")]
    Schema(String),
    /// No back-end takes new users: none is up, or all are full.
    #[error("no back-end takes new users")]
    NoBackend,
    /// The back-end that this user belongs to is marked down.
    #[error("the back-end of this user is down")]
    BackendDown,
}

/// The number of the last change. Caches filled at one version are void at another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i64);

/// What kind of domain a domain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainKind {
    /// Its addresses are rows here.
    Local,
    /// All its mail goes to this next hop.
    Relay(HostPort),
    /// Its addresses are those of this domain.
    Alias(DomainName),
}

/// A domain that this site takes mail for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// Its kind.
    pub kind: DomainKind,
}

/// How a front-end secures its connections to a back-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Not at all: for loopback.
    None,
    /// STARTTLS or STLS, required.
    StartTls,
}

/// Whether a back-end takes mail and users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendState {
    /// Mail and new users.
    Up,
    /// Mail; no new users.
    Drain,
    /// Neither: an operator took it out.
    Down,
}

/// A back-end: how to reach the server that a location names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its name in locations.
    pub name: NodeName,
    /// Where it takes mail.
    pub lmtp: HostPort,
    /// Where it serves IMAP.
    pub imap: HostPort,
    /// Where it serves POP3, if it does.
    pub pop3: Option<HostPort>,
    /// How connections to it are secured.
    pub tls: TlsMode,
    /// It gets no new users beyond so many; at least 1.
    pub capacity_users: u32,
    /// Whether it takes mail and users.
    pub state: BackendState,
}

/// A user with a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub login: Login,
    /// Where the mailbox is made; where it is, when the mailbox list does not know.
    pub backend: NodeName,
    /// The partition on that server.
    pub partition: String,
    /// The quota of a new INBOX in KiB, if it gets one.
    pub quota_kib: Option<u64>,
    /// Whether mail that is forwarded also stays.
    pub forwarding: Forwarding,
    /// Whether mail is taken for the user.
    pub state: Enabled,
}

/// What a forward of a user's address leaves in the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// A copy.
    KeepsCopy,
    /// Nothing.
    Only,
}

/// Whether something is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// It is.
    Yes,
    /// It is kept, but out of force.
    No,
}

/// A row of the local table of accounts.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Whose it is.
    pub login: Login,
    /// The PHC string.
    pub password_hash: String,
    /// Whether it may log in.
    pub state: Enabled,
}

impl std::fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountRow")
            .field("login", &self.login)
            .field("password_hash", &"***")
            .field("state", &self.state)
            .finish()
    }
}

/// Where mail to an address goes, as it is written in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Into this user's mailbox, and to these addresses.
    Mailbox {
        /// The user.
        login: Login,
        /// Where a copy goes besides; instead, when the user's [`Forwarding`] is `Only`.
        also: Vec<Address>,
    },
    /// To these addresses.
    Forward(Vec<Address>),
    /// To these addresses, as a mailing list.
    List(Vec<Address>),
    /// Nowhere, with this text (printable ASCII, at most 200 bytes).
    Reject(String),
}

/// An address and its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRow {
    /// The address, or the catch-all of a domain (whose use cannot be a mailbox).
    pub pattern: Pattern,
    /// Where its mail goes.
    pub goes: Use,
}

/// What one look-up found: the row of an address joined with its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which row it was.
    pub pattern: Pattern,
    /// What it says.
    pub kind: EntryKind,
    /// Whether there are members to read.
    pub members: Members,
}

/// Whether an entry has members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// At least one.
    Some,
    /// None.
    None,
}

/// What an [`Entry`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A mailbox.
    Mailbox(User),
    /// Only members.
    Forward,
    /// Refused with this text.
    Reject(String),
}

/// Where a new mailbox goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The server.
    pub backend: NodeName,
    /// The partition there.
    pub partition: String,
    /// The quota in KiB, if the user has one.
    pub quota_kib: Option<u64>,
}

/// A change. Each is one transaction that also makes a new [`Version`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a domain or replaces it.
    PutDomain(Domain),
    /// Removes a domain that has no addresses.
    RemoveDomain(DomainName),
    /// Adds a back-end or replaces it.
    PutBackend(Backend),
    /// Removes a back-end that has no users.
    RemoveBackend(NodeName),
    /// Adds a user or replaces the row.
    PutUser(User),
    /// Removes a user that has no addresses.
    RemoveUser(Login),
    /// Adds an address or replaces it and its members.
    PutAddress(AddressRow),
    /// Removes an address and its members.
    RemoveAddress(Pattern),
    /// Adds an account or replaces it.
    PutAccount(AccountRow),
    /// Removes an account.
    RemoveAccount(Login),
}

/// A part of a listing, in the order of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Only rows after this key; empty for the first page.
    pub after: String,
    /// At most so many rows, never above [`PAGE_ROWS_MAX`].
    pub rows_max: u32,
}

impl Page {
    /// The first rows.
    #[must_use]
    pub fn first() -> Self {
        Self { after: String::new(), rows_max: PAGE_ROWS_MAX }
    }
}

/// A routing database. Safe to share; every method is one statement or one transaction.
pub trait RouteStore: Send + Sync {
    /// The number of the last change.
    fn version(&self) -> Answer<'_, Version>;
    /// The best row for an address: its own, that of its base without `+detail`, the catch-all of its domain.
    fn entry<'a>(&'a self, address: &'a Address) -> Answer<'a, Option<Entry>>;
    /// The members of a row, at most [`MEMBERS_MAX`].
    fn members<'a>(&'a self, pattern: &'a Pattern) -> Answer<'a, Vec<Address>>;
    /// A domain, if it is enabled.
    fn domain<'a>(&'a self, name: &'a DomainName) -> Answer<'a, Option<Domain>>;
    /// A user.
    fn user<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<User>>;
    /// An account.
    fn account<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<AccountRow>>;
    /// Decides where a new mailbox goes and writes it down: one decision per user, whoever asks.
    fn place<'a>(&'a self, login: &'a Login) -> Answer<'a, Placement>;
    /// Makes a change.
    fn apply(&self, change: Change) -> Answer<'_, Version>;
    /// All domains.
    fn domains(&self) -> Answer<'_, Vec<Domain>>;
    /// All back-ends.
    fn backends(&self) -> Answer<'_, Vec<Backend>>;
    /// Users by login.
    fn users(&self, page: Page) -> Answer<'_, Vec<User>>;
    /// Addresses by pattern.
    fn addresses(&self, page: Page) -> Answer<'_, Vec<AddressRow>>;
}

/// Gives an enumeration its words in the database.
macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),*) => {
        impl $type {
            /// The word that stands for it in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl FromStr for $type {
            type Err = RouteError;
            fn from_str(word: &str) -> Result<Self, RouteError> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(RouteError::Invalid(concat!("allowed:" $(, " ", $word)*))),
                }
            }
        }
    };
}
words!(TlsMode: None = "none", StartTls = "starttls");
words!(BackendState: Up = "up", Drain = "drain", Down = "down");
