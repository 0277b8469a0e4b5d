//! A message to each user, by SMTP through one front-end, followed by IMAP through another.

use std::time::Duration;

use imap_proto::{
    Command, Fetch, FetchAttribute, FetchItem, IString, List, MailboxName, Numbering, Peek, Response, Search,
    SearchKey, Section, SequenceSet,
};
use programs::imap::Imap;
use programs::node::say;
use programs::smtp;
use smtp_proto::Verdict;

use crate::Failure;
use crate::topology::{DOMAIN, Endpoints, User};

/// How long a message may take from one front-end to the other.
const ARRIVAL: Duration = Duration::from_secs(20);

/// Sends a message to each user and reads it; prints each step.
pub(crate) async fn follow_a_message_to_each_user(endpoints: &Endpoints) -> Result<(), Failure> {
    let count = endpoints.frontends.len();
    for (n, user) in endpoints.users.iter().enumerate() {
        let (Some(sending), Some(reading)) =
            (endpoints.frontends.get(n % count), endpoints.frontends.get((n + 1) % count))
        else {
            continue;
        };
        let subject = format!("Welcome, {}", user.login);
        let message = welcome(&subject, user);
        let replies =
            smtp::send(&sending.smtp, &format!("postmaster@{DOMAIN}"), &[&user.address], &message).await?;
        if !replies.iter().all(|reply| reply.verdict() == Verdict::Success) {
            return Err(format!("{} refuses mail for {}: {:?}", sending.name, user.address, replies).into());
        }
        say(&format!("  {:<9} took a message for {}", sending.name, user.address));
        let mut imap = Imap::connect(&reading.imap, None, &user.login, &user.password).await?;
        let number = wait_for_subject(&mut imap, &subject).await?;
        let text = fetch(&mut imap, number).await?;
        if !text.ends_with(message.as_bytes()) {
            return Err(format!("{} shows another message than was sent", reading.name).into());
        }
        say(&format!(
            "  {:<9} shows it in the INBOX of {} on {}, byte for byte",
            reading.name, user.login, user.backend
        ));
        imap.logout().await;
    }
    Ok(())
}

fn welcome(subject: &str, user: &User) -> String {
    let id = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!(
        "From: Corbie <postmaster@{DOMAIN}>\r\nTo: {}\r\nSubject: {subject}\r\nMessage-ID: <{id}@{DOMAIN}>\r\n\r\n\
         This message came in at one front-end and is read through another.\r\nYour mailbox is on {}.\r\n",
        user.address, user.backend
    )
}

/// The sequence number of the last message with this subject, once there is one.
pub(crate) async fn wait_for_subject(imap: &mut Imap, subject: &str) -> Result<u32, Failure> {
    let deadline = tokio::time::Instant::now() + ARRIVAL;
    loop {
        imap.run(&Command::Select(MailboxName::INBOX.into())).await?.success()?;
        if let Some(number) = search(imap, subject).await?.pop() {
            return Ok(number);
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!("no message {subject:?} within {} s", ARRIVAL.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The sequence numbers of the messages with this subject, ascending.
pub(crate) async fn search(imap: &mut Imap, subject: &str) -> Result<Vec<u32>, Failure> {
    let keys = [SearchKey::Subject(IString::new(subject)?)];
    let search = Search::new(Numbering::Sequence, List::of(&keys));
    let outcome = imap.run(&Command::Search(search)).await?.success()?;
    let found = outcome.untagged.iter().find_map(|response| match response.view() {
        Response::Search(found) => Some(found.numbers.iter().collect()),
        _ => None,
    });
    Ok(found.unwrap_or_default())
}

/// All of a message, without marking it as read.
pub(crate) async fn fetch(imap: &mut Imap, number: u32) -> Result<Vec<u8>, Failure> {
    let wanted =
        [FetchAttribute::Section { peek: Peek::LeaveUnseen, section: Section::MESSAGE, partial: None }];
    let set = number.to_string();
    let fetch = Fetch::new(Numbering::Sequence, SequenceSet::new(&set)?, &wanted);
    let outcome = imap.run(&Command::Fetch(fetch)).await?.success()?;
    if let Some(literal) = outcome.literals.into_iter().next() {
        return Ok(literal);
    }
    for response in &outcome.untagged {
        let Response::Fetch { items, .. } = response.view() else { continue };
        for item in items.iter() {
            if let FetchItem::Section { data, .. } = item
                && let Some(bytes) = data.to_bytes()
            {
                return Ok(bytes.into_owned());
            }
        }
    }
    Err("the message did not come".into())
}
