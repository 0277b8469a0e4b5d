//! Another back-end joins while the system runs and takes a new user; nothing else is started again.

use std::time::{Duration, Instant};

use programs::imap::{Failure, Imap};
use programs::smtp;
use serde_json::Value;
use smtp_proto::Verdict;

use super::{expect, list_of, unique};
use crate::accounts;
use crate::children::Children;
use crate::mail::wait_for_subject;
use crate::topology::{DOMAIN, Topology, User};

/// How soon a new address must be known everywhere: front-ends look for changes four times a second.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);

pub(super) async fn another_backend(topology: &mut Topology, children: &mut Children) -> Result<(), Failure> {
    let node = topology.grow()?;
    children.reload("master")?;
    children.add(topology, &node).await?;
    let backend = node.name;
    let login = unique("joiner").replace(' ', "-");
    let user = User {
        password: format!("{login}-secret"),
        address: format!("{login}@{DOMAIN}"),
        login,
        backend: backend.clone(),
    };
    accounts::add(&topology.endpoints, &user).await?;

    let endpoints = &topology.endpoints;
    let (Some(first), Some(last)) = (endpoints.frontends.first(), endpoints.frontends.last()) else {
        return Err("no front-end".into());
    };
    let subject = unique("for the new one");
    let message = format!("From: sender@elsewhere.test\r\nSubject: {subject}\r\n\r\nhello\r\n");
    let deadline = Instant::now() + KNOWN_WITHIN;
    loop {
        let replies = smtp::send(&first.smtp, "sender@elsewhere.test", &[&user.address], &message).await?;
        if replies.iter().all(|reply| reply.verdict() == Verdict::Success) {
            break;
        }
        expect(Instant::now() < deadline, "mail for the new user is refused")?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut imap = Imap::connect(&last.imap, None, &user.login, &user.password).await?;
    wait_for_subject(&mut imap, &subject).await?;
    imap.logout().await;

    let (node, token) = (last.admin.clone(), std::fs::read_to_string(&endpoints.admin_token_file)?);
    let list = tokio::task::spawn_blocking(move || list_of(&node, token.trim())).await??;
    let entries: Vec<Value> = serde_json::from_str(&list)?;
    let inbox = format!("user.{}", user.login);
    let location =
        entries.iter().find(|entry| entry["name"] == inbox.as_str()).map(|entry| entry["location"].clone());
    let there =
        location.as_ref().and_then(Value::as_str).is_some_and(|l| l.starts_with(&format!("{backend}!")));
    expect(there, &format!("{inbox} is at {location:?}"))
}
