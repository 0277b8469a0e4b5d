//! Routing in an SQLite file, shared by all processes of one machine.
//!
//! Readers never wait (write-ahead log); writers take turns, at most [`BUSY_TIMEOUT`] each. Foreign keys are on. The
//! schema brings itself up to date when the file is opened, under the same lock as any change, so that processes that
//! start together do not collide.
//!
//! Every statement is a constant: `sqlx` takes no other text unless told that it is safe, and nothing here says so.

use std::{
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    Row, SqlSafeStr, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use super::{
    changes,
    name::{Address, DomainName, Login, Pattern},
    store::{
        AccountRow, AddressRow, Answer, Backend, Change, Domain, DomainKind, Enabled, Entry, EntryKind,
        Forwarding, MEMBERS_MAX, Members, PAGE_ROWS_MAX, Page, Placement, RouteError, RouteStore, Use, User,
        Version,
    },
};

/// How long a writer waits for its turn. 5 s: the time that a user waits at most.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one that was told `busy` while it opened the file waits before it asks again. 10 ms: a new file is ready
/// within a few.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Connections of one process to the file. 4: each is a thread, a look-up takes some 50 us.
pub const CONNECTIONS_MAX: u32 = 4;

/// The schema, oldest step first. A step that was ever released is never edited.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "routing and accounts", include_str!("../../migrations/0001_routing.sql"))];

/// A routing database in a file.
#[derive(Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it (for this user alone) if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`RouteError::Schema`] when a newer program wrote it, [`RouteError::Unavailable`] when it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, RouteError> {
        make_private(path).map_err(|error| RouteError::Unavailable(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let store = Self { pool: connect(options).await? };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), RouteError> {
        let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
            Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
        });
        let migrator = Migrator::with_migrations(migrations.collect());
        // One transaction around all: another process that opens the file now waits, then finds nothing to do.
        // `run_direct`, not `run`: the bound on the latter keeps this future from being `Send`.
        let mut transaction = self.write().await?;
        migrator.run_direct(None, &mut *transaction, false).await.map_err(|error| match error {
            MigrateError::Execute(error) => RouteError::from(error),
            other => RouteError::Schema(other.to_string()),
        })?;
        transaction.commit().await?;
        Ok(())
    }

    /// A transaction that holds the write lock from its start, so that it cannot fail half-way for want of it.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, RouteError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn find_entry(&self, address: &Address) -> Result<Option<Entry>, RouteError> {
        let exact = address.to_string();
        let base = match address.detail() {
            Some((base, _)) => format!("{base}@{}", address.domain()),
            None => exact.clone(),
        };
        let catch_all = format!("@{}", address.domain());
        let rows = sqlx::query(
            "SELECT r.address, r.kind, r.login, r.backend, r.partition_name, r.quota_kib, r.keep_copy, r.reject_text, \
             EXISTS (SELECT 1 FROM member m WHERE m.address = r.address) AS has_members \
             FROM route r WHERE r.address IN (?1, ?2, ?3)",
        )
        .bind(&exact)
        .bind(&base)
        .bind(&catch_all)
        .fetch_all(&self.pool)
        .await?;
        // At most three rows; the most particular one wins.
        let mut best: Option<(usize, &SqliteRow)> = None;
        for row in &rows {
            let found: &str = row.try_get("address")?;
            let rank =
                [&exact, &base, &catch_all].iter().position(|wanted| *wanted == found).unwrap_or(usize::MAX);
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, row));
            }
        }
        best.map(|(_, row)| entry(row)).transpose()
    }

    async fn find_place(&self, login: &Login) -> Result<Placement, RouteError> {
        let mut transaction = self.write().await?;
        let row = sqlx::query(
            "SELECT u.backend, u.partition_name, u.quota_kib, b.state FROM mailbox_user u \
             JOIN backend b ON b.name = u.backend WHERE u.login = ?1",
        )
        .bind(login.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = &row {
            match row.try_get::<&str, _>("state")? {
                "up" => return placement(row),
                // It may hold the mailbox though the list does not say so yet: a second one elsewhere helps nobody.
                "down" => return Err(RouteError::BackendDown),
                _ => {}
            }
        }
        let backend = least_loaded(&mut transaction).await?;
        let partition = match &row {
            Some(row) => row.try_get::<String, _>("partition_name")?,
            None => "default".to_owned(),
        };
        let quota_kib = match &row {
            Some(row) => quota(row)?,
            None => None,
        };
        let statement = match row {
            Some(_) => "UPDATE mailbox_user SET backend = ?2, updated = ?4 WHERE login = ?1",
            None => {
                "INSERT INTO mailbox_user (login, backend, partition_name, updated) VALUES (?1, ?2, ?3, ?4)"
            }
        };
        sqlx::query(statement)
            .bind(login.as_str())
            .bind(&backend)
            .bind(&partition)
            .bind(changes::now())
            .execute(&mut *transaction)
            .await?;
        changes::bump(&mut transaction, "place").await?;
        transaction.commit().await?;
        let backend = backend.parse().map_err(|_| bad_row("backend.name"))?;
        Ok(Placement { backend, partition, quota_kib })
    }

    async fn list_addresses(&self, page: Page) -> Result<Vec<AddressRow>, RouteError> {
        let rows = sqlx::query(
            "SELECT address, kind, login, reject_text FROM address WHERE address > ?1 ORDER BY address LIMIT ?2",
        )
        .bind(&page.after)
        .bind(rows_max(&page))
        .fetch_all(&self.pool)
        .await?;
        let mut addresses = Vec::with_capacity(rows.len());
        for row in &rows {
            let pattern: Pattern = name(row, "address")?;
            let members = self.find_members(&pattern).await?;
            let goes = match row.try_get::<&str, _>("kind")? {
                "mailbox" => Use::Mailbox { login: name(row, "login")?, also: members },
                "forward" => Use::Forward(members),
                "list" => Use::List(members),
                "reject" => Use::Reject(reject_text(row)?),
                _ => return Err(bad_row("address.kind")),
            };
            addresses.push(AddressRow { pattern, goes });
        }
        Ok(addresses)
    }

    async fn find_members(&self, pattern: &Pattern) -> Result<Vec<Address>, RouteError> {
        let limit = i64::try_from(MEMBERS_MAX).unwrap_or(i64::MAX);
        let rows = sqlx::query("SELECT target FROM member WHERE address = ?1 ORDER BY target LIMIT ?2")
            .bind(pattern.to_string())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| name(row, "target")).collect()
    }
}

impl RouteStore for SqliteStore {
    fn version(&self) -> Answer<'_, Version> {
        Box::pin(async move {
            let row =
                sqlx::query("SELECT COALESCE(MAX(id), 0) FROM route_change").fetch_one(&self.pool).await?;
            Ok(Version(row.try_get(0)?))
        })
    }

    fn entry<'a>(&'a self, address: &'a Address) -> Answer<'a, Option<Entry>> {
        Box::pin(self.find_entry(address))
    }

    fn members<'a>(&'a self, pattern: &'a Pattern) -> Answer<'a, Vec<Address>> {
        Box::pin(self.find_members(pattern))
    }

    fn domain<'a>(&'a self, name: &'a DomainName) -> Answer<'a, Option<Domain>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT name, kind, target FROM domain WHERE name = ?1 AND enabled = 1")
                .bind(name.as_str())
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(domain).transpose()
        })
    }

    fn user<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<User>> {
        Box::pin(async move {
            let row = sqlx::query(
                "SELECT login, backend, partition_name, quota_kib, keep_copy, enabled FROM mailbox_user WHERE login = ?1",
            )
            .bind(login.as_str())
            .fetch_optional(&self.pool)
            .await?;
            row.as_ref().map(|row| user(row, enabled(row)?)).transpose()
        })
    }

    fn account<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<AccountRow>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT login, password_hash, enabled FROM account WHERE login = ?1")
                .bind(login.as_str())
                .fetch_optional(&self.pool)
                .await?;
            row.map(|row| {
                Ok(AccountRow {
                    login: name(&row, "login")?,
                    password_hash: row.try_get("password_hash")?,
                    state: enabled(&row)?,
                })
            })
            .transpose()
        })
    }

    fn place<'a>(&'a self, login: &'a Login) -> Answer<'a, Placement> {
        Box::pin(self.find_place(login))
    }

    fn apply(&self, change: Change) -> Answer<'_, Version> {
        Box::pin(async move {
            let mut transaction = self.write().await?;
            let version = changes::apply(&mut transaction, &change).await?;
            transaction.commit().await?;
            Ok(version)
        })
    }

    fn domains(&self) -> Answer<'_, Vec<Domain>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT name, kind, target FROM domain ORDER BY name")
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(domain).collect()
        })
    }

    fn backends(&self) -> Answer<'_, Vec<Backend>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT name, lmtp, imap, pop3, tls, capacity_users, state FROM backend ORDER BY name",
            )
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(backend).collect()
        })
    }

    fn users(&self, page: Page) -> Answer<'_, Vec<User>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT login, backend, partition_name, quota_kib, keep_copy, enabled FROM mailbox_user \
                 WHERE login > ?1 ORDER BY login LIMIT ?2",
            )
            .bind(&page.after)
            .bind(rows_max(&page))
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(|row| user(row, enabled(row)?)).collect()
        })
    }

    fn addresses(&self, page: Page) -> Answer<'_, Vec<AddressRow>> {
        Box::pin(self.list_addresses(page))
    }
}

/// Opens the first connection.
///
/// Who opens a new file first turns its write-ahead log on, for which SQLite wants the file alone and waits for nobody:
/// those that come at that moment are told `busy` at once, whatever [`BUSY_TIMEOUT`] says, and have to ask again.
async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(BUSY_TIMEOUT);
        match pool.connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(BUSY_PAUSE).await
            }
            opened => return opened,
        }
    }
}

/// Whether another connection held what this one wanted: `SQLITE_BUSY`, with or without an extended code above it.
fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: i64 = 5;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i64>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

/// Makes the file if it is not there: it holds password hashes, and SQLite gives its other files the same rights.
fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// The back-end with the smallest share of its capacity in use, among those that are up and have room.
async fn least_loaded(connection: &mut SqliteConnection) -> Result<String, RouteError> {
    let row = sqlx::query(
        "SELECT b.name FROM backend b LEFT JOIN mailbox_user u ON u.backend = b.name WHERE b.state = 'up' \
         GROUP BY b.name, b.capacity_users HAVING COUNT(u.login) < b.capacity_users \
         ORDER BY COUNT(u.login) * 1.0 / b.capacity_users, b.name LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    row.ok_or(RouteError::NoBackend)?.try_get(0).map_err(RouteError::from)
}

fn rows_max(page: &Page) -> i64 {
    i64::from(page.rows_max.clamp(1, PAGE_ROWS_MAX))
}

/// A row that this program would not have written: said by column, never by content.
fn bad_row(column: &'static str) -> RouteError {
    RouteError::Unavailable(format!("a value in column {column} is not valid"))
}

fn name<T: std::str::FromStr>(row: &SqliteRow, column: &'static str) -> Result<T, RouteError> {
    let text: Option<&str> = row.try_get(column)?;
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad_row(column))
}

fn enabled(row: &SqliteRow) -> Result<Enabled, RouteError> {
    Ok(if row.try_get::<i64, _>("enabled")? == 1 { Enabled::Yes } else { Enabled::No })
}

fn quota(row: &SqliteRow) -> Result<Option<u64>, RouteError> {
    Ok(row.try_get::<Option<i64>, _>("quota_kib")?.and_then(|kib| u64::try_from(kib).ok()))
}

fn reject_text(row: &SqliteRow) -> Result<String, RouteError> {
    let text: Option<String> = row.try_get("reject_text")?;
    Ok(text
        .filter(|text| changes::is_reply_text(text))
        .unwrap_or_else(|| "mail to this address is refused".to_owned()))
}

fn placement(row: &SqliteRow) -> Result<Placement, RouteError> {
    Ok(Placement {
        backend: name(row, "backend")?,
        partition: row.try_get("partition_name")?,
        quota_kib: quota(row)?,
    })
}

fn user(row: &SqliteRow, state: Enabled) -> Result<User, RouteError> {
    let keep_copy = row.try_get::<i64, _>("keep_copy")? == 1;
    Ok(User {
        login: name(row, "login")?,
        backend: name(row, "backend")?,
        partition: row.try_get("partition_name")?,
        quota_kib: quota(row)?,
        forwarding: if keep_copy { Forwarding::KeepsCopy } else { Forwarding::Only },
        state,
    })
}

fn entry(row: &SqliteRow) -> Result<Entry, RouteError> {
    let kind = match row.try_get::<&str, _>("kind")? {
        "mailbox" => EntryKind::Mailbox(user(row, Enabled::Yes)?),
        "forward" | "list" => EntryKind::Forward,
        "reject" => EntryKind::Reject(reject_text(row)?),
        _ => return Err(bad_row("address.kind")),
    };
    let members = if row.try_get::<i64, _>("has_members")? == 1 { Members::Some } else { Members::None };
    Ok(Entry { pattern: name(row, "address")?, kind, members })
}

fn domain(row: &SqliteRow) -> Result<Domain, RouteError> {
    let kind = match row.try_get::<&str, _>("kind")? {
        "local" => DomainKind::Local,
        "relay" => DomainKind::Relay(name(row, "target")?),
        "alias" => DomainKind::Alias(name(row, "target")?),
        _ => return Err(bad_row("domain.kind")),
    };
    Ok(Domain { name: name(row, "name")?, kind })
}

fn backend(row: &SqliteRow) -> Result<Backend, RouteError> {
    let pop3: Option<&str> = row.try_get("pop3")?;
    let pop3 = pop3.map(|text| text.parse().map_err(|_| bad_row("backend.pop3"))).transpose()?;
    let capacity: i64 = row.try_get("capacity_users")?;
    Ok(Backend {
        name: name(row, "name")?,
        lmtp: name(row, "lmtp")?,
        imap: name(row, "imap")?,
        pop3,
        tls: name(row, "tls")?,
        capacity_users: u32::try_from(capacity)
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| bad_row("capacity_users"))?,
        state: name(row, "state")?,
    })
}

impl From<sqlx::Error> for RouteError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_foreign_key_violation() => {
                Self::Reference("this change")
            }
            // Text of the driver: statements are constant and values bound, so no name is in it.
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
