//! Writing: each change of [`Change`] as bound statements inside a transaction of the caller's.
//!
//! Update first, insert when nothing was there: the upsert of each database is different, this is not.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{Row, SqliteConnection};

use super::{
    name::Pattern,
    store::{
        AccountRow, AddressRow, Backend, Change, Domain, DomainKind, Enabled, Forwarding, MEMBERS_MAX,
        RouteError, Use, User, Version,
    },
};

/// Changes whose number is kept, so that the table does not grow for ever.
const CHANGES_KEPT: i64 = 1000;

/// The longest text of a refusal: it must fit in an SMTP reply line (RFC 5321 section 4.5.3.1.5).
pub(super) const REJECT_TEXT_BYTES_MAX: usize = 200;

/// Makes the change and gives it its number. The caller commits.
pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<Version, RouteError> {
    let what = match change {
        Change::PutDomain(domain) => put_domain(connection, domain).await.map(|()| "domain"),
        Change::RemoveDomain(name) => {
            remove(connection, "domain", "DELETE FROM domain WHERE name = ?1", name.as_str()).await
        }
        Change::PutBackend(backend) => put_backend(connection, backend).await.map(|()| "backend"),
        Change::RemoveBackend(name) => {
            remove(connection, "backend", "DELETE FROM backend WHERE name = ?1", name.as_str()).await
        }
        Change::PutUser(user) => put_user(connection, user).await.map(|()| "user"),
        Change::RemoveUser(login) => {
            remove(connection, "user", "DELETE FROM mailbox_user WHERE login = ?1", login.as_str()).await
        }
        Change::PutAddress(row) => put_address(connection, row).await.map(|()| "address"),
        Change::RemoveAddress(pattern) => {
            let address = pattern.to_string();
            for dependent in
                ["DELETE FROM member WHERE address = ?1", "DELETE FROM list_policy WHERE address = ?1"]
            {
                sqlx::query(dependent).bind(&address).execute(&mut *connection).await?;
            }
            remove(connection, "address", "DELETE FROM address WHERE address = ?1", &address).await
        }
        Change::PutAccount(account) => put_account(connection, account).await.map(|()| "account"),
        Change::RemoveAccount(login) => {
            remove(connection, "account", "DELETE FROM account WHERE login = ?1", login.as_str()).await
        }
    }?;
    bump(connection, what).await
}

/// Gives the transaction its number.
pub(super) async fn bump(
    connection: &mut SqliteConnection,
    what: &'static str,
) -> Result<Version, RouteError> {
    let row =
        sqlx::query("SELECT COALESCE(MAX(id), 0) + 1 FROM route_change").fetch_one(&mut *connection).await?;
    let id: i64 = row.try_get(0)?;
    sqlx::query("INSERT INTO route_change (id, at, what) VALUES (?1, ?2, ?3)")
        .bind(id)
        .bind(now())
        .bind(what)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM route_change WHERE id <= ?1")
        .bind(id - CHANGES_KEPT)
        .execute(connection)
        .await?;
    Ok(Version(id))
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Whether this text can stand in a reply line as it is.
pub(super) fn is_reply_text(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= REJECT_TEXT_BYTES_MAX
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

async fn remove(
    connection: &mut SqliteConnection,
    what: &'static str,
    statement: &'static str,
    key: &str,
) -> Result<&'static str, RouteError> {
    let removed = sqlx::query(statement).bind(key).execute(connection).await?.rows_affected();
    if removed == 0 { Err(RouteError::NotFound(what)) } else { Ok(what) }
}

async fn put_domain(connection: &mut SqliteConnection, domain: &Domain) -> Result<(), RouteError> {
    let (kind, target) = match &domain.kind {
        DomainKind::Local => ("local", None),
        DomainKind::Relay(next_hop) => ("relay", Some(next_hop.to_string())),
        DomainKind::Alias(real) if *real == domain.name => {
            return Err(RouteError::Invalid("a domain cannot be an alias of itself"));
        }
        DomainKind::Alias(real) => ("alias", Some(real.to_string())),
    };
    for statement in [
        "UPDATE domain SET kind = ?2, target = ?3, enabled = 1 WHERE name = ?1",
        "INSERT INTO domain (name, kind, target) VALUES (?1, ?2, ?3)",
    ] {
        let query = sqlx::query(statement).bind(domain.name.as_str()).bind(kind).bind(&target);
        if query.execute(&mut *connection).await?.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}

async fn put_backend(connection: &mut SqliteConnection, backend: &Backend) -> Result<(), RouteError> {
    if backend.capacity_users == 0 {
        return Err(RouteError::Invalid("the capacity of a back-end is at least 1 user"));
    }
    for statement in [
        "UPDATE backend SET lmtp = ?2, imap = ?3, pop3 = ?4, tls = ?5, capacity_users = ?6, state = ?7 WHERE name = ?1",
        "INSERT INTO backend (name, lmtp, imap, pop3, tls, capacity_users, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    ] {
        let query = sqlx::query(statement)
            .bind(backend.name.as_str())
            .bind(backend.lmtp.to_string())
            .bind(backend.imap.to_string())
            .bind(backend.pop3.as_ref().map(ToString::to_string))
            .bind(backend.tls.as_str())
            .bind(i64::from(backend.capacity_users))
            .bind(backend.state.as_str());
        if query.execute(&mut *connection).await?.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}

async fn put_user(connection: &mut SqliteConnection, user: &User) -> Result<(), RouteError> {
    let quota_kib = user
        .quota_kib
        .map(i64::try_from)
        .transpose()
        .map_err(|_| RouteError::Invalid("a quota is less than 2^63 KiB"))?;
    if user.partition.parse::<crate::config::NodeName>().is_err() || user.partition.len() > 64 {
        return Err(RouteError::Invalid("a partition is 1 to 64 letters, digits, '.', '-' or '_'"));
    }
    for statement in [
        "UPDATE mailbox_user SET backend = ?2, partition_name = ?3, quota_kib = ?4, keep_copy = ?5, enabled = ?6, \
         updated = ?7 WHERE login = ?1",
        "INSERT INTO mailbox_user (login, backend, partition_name, quota_kib, keep_copy, enabled, updated) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    ] {
        let query = sqlx::query(statement)
            .bind(user.login.as_str())
            .bind(user.backend.as_str())
            .bind(&user.partition)
            .bind(quota_kib)
            .bind(i64::from(user.forwarding == Forwarding::KeepsCopy))
            .bind(i64::from(user.state == Enabled::Yes))
            .bind(now());
        if query.execute(&mut *connection).await?.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}

async fn put_address(connection: &mut SqliteConnection, row: &AddressRow) -> Result<(), RouteError> {
    let (kind, login, reject_text, members) = match &row.goes {
        Use::Mailbox { .. } if matches!(row.pattern, Pattern::CatchAll(_)) => {
            return Err(RouteError::Invalid("a catch-all forwards or rejects; it is no mailbox itself"));
        }
        Use::Mailbox { login, also } => ("mailbox", Some(login.as_str()), None, also.as_slice()),
        Use::Forward(targets) | Use::List(targets) if targets.is_empty() => {
            return Err(RouteError::Invalid("a forward or list has at least one target"));
        }
        Use::Forward(targets) => ("forward", None, None, targets.as_slice()),
        Use::List(targets) => ("list", None, None, targets.as_slice()),
        Use::Reject(text) if !is_reply_text(text) => {
            return Err(RouteError::Invalid("a refusal is 1 to 200 printable ASCII characters"));
        }
        Use::Reject(text) => ("reject", None, Some(text.as_str()), [].as_slice()),
    };
    if members.len() > MEMBERS_MAX {
        return Err(RouteError::Invalid("an address has at most 10,000 targets"));
    }
    let address = row.pattern.to_string();
    for statement in [
        "UPDATE address SET domain = ?2, kind = ?3, login = ?4, reject_text = ?5, enabled = 1 WHERE address = ?1",
        "INSERT INTO address (address, domain, kind, login, reject_text) VALUES (?1, ?2, ?3, ?4, ?5)",
    ] {
        let query = sqlx::query(statement)
            .bind(&address)
            .bind(row.pattern.domain().as_str())
            .bind(kind)
            .bind(login)
            .bind(reject_text);
        if query.execute(&mut *connection).await?.rows_affected() > 0 {
            break;
        }
    }
    sqlx::query("DELETE FROM member WHERE address = ?1").bind(&address).execute(&mut *connection).await?;
    let mut targets: Vec<_> = members.iter().map(ToString::to_string).collect();
    targets.sort_unstable();
    targets.dedup();
    for target in targets {
        sqlx::query("INSERT INTO member (address, target) VALUES (?1, ?2)")
            .bind(&address)
            .bind(target)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn put_account(connection: &mut SqliteConnection, account: &AccountRow) -> Result<(), RouteError> {
    for statement in [
        "UPDATE account SET password_hash = ?2, enabled = ?3, updated = ?4 WHERE login = ?1",
        "INSERT INTO account (login, password_hash, enabled, updated) VALUES (?1, ?2, ?3, ?4)",
    ] {
        let query = sqlx::query(statement)
            .bind(account.login.as_str())
            .bind(&account.password_hash)
            .bind(i64::from(account.state == Enabled::Yes))
            .bind(now());
        if query.execute(&mut *connection).await?.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}
