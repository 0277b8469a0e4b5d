//! `--self-check`: what can be checked without killing anything, as a table.

mod growth;
mod tree;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use imap_proto::{
    Append, Command, Copying, Create, Data, IString, List, ListAttribute, ListPattern, ListQuery,
    MailboxName, NewContent, NewMessage, Numbering, Rename, Response, Rights, RightsAction, SequenceSet,
    SetAcl,
};
use programs::imap::{Failure, Imap};
use programs::node::say;
use programs::{pop3, smtp, table};
use smtp_proto::Verdict;

use crate::children::Children;
use crate::mail::{fetch, search, wait_for_subject};
use crate::topology::{DOMAIN, Endpoints, FrontendEndpoints, Topology, User};

/// How soon a change through one front-end must be seen through another.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// Runs every check, prints the table, and says whether all held.
pub(crate) async fn run(topology: &mut Topology, children: &mut Children) -> ExitCode {
    say("\nchecking");
    let endpoints = topology.endpoints.clone();
    let checks = Checks { endpoints: &endpoints };
    let mut rows = Vec::new();
    let mut failures = 0;
    let mut note = |what: &str, since: Instant, outcome: Result<(), Failure>| {
        let (verdict, detail) = match outcome {
            Ok(()) => ("ok", String::new()),
            Err(e) => {
                failures += 1;
                ("FAILED", e.to_string())
            }
        };
        rows.push(vec![
            what.to_owned(),
            verdict.to_owned(),
            format!("{} ms", since.elapsed().as_millis()),
            detail,
        ]);
    };
    macro_rules! check {
        ($what:literal, $check:expr) => {
            let since = Instant::now();
            note($what, since, $check.await);
        };
    }
    check!("mail in through either front-end is read by IMAP and POP3 through the other", checks.both_ways());
    check!(
        "one message to four recipients: 550 for the unknown one, delivery to the rest",
        checks.four_recipients()
    );
    check!("mail for other sites is refused (no open relay)", checks.no_relay());
    check!(
        "CREATE, RENAME, SUBSCRIBE, DELETE are seen through the other front-end within a second",
        checks.folders()
    );
    check!(
        "a shared mailbox on the other back-end is listed, read and copied in one session",
        checks.shared()
    );
    check!("a wrong password and an unknown user get the same answer", checks.one_answer());
    check!("500 mixed messages in 5 folders go in through one and come out of the other", checks.tree());
    check!(
        "another back-end joins while all run, and takes a new user",
        growth::another_backend(topology, children)
    );
    check!("the lists of the master and of each front-end agree", checks.lists_agree());
    say("");
    say(&table::render(&["check", "verdict", "took", ""], &rows));
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Checks<'a> {
    endpoints: &'a Endpoints,
}

impl Checks<'_> {
    fn user(&self, login: &str) -> Result<&User, Failure> {
        self.endpoints
            .users
            .iter()
            .find(|user| user.login == login)
            .ok_or_else(|| format!("no user {login}").into())
    }

    fn frontend(&self, number: usize) -> Result<&FrontendEndpoints, Failure> {
        let all = &self.endpoints.frontends;
        all.get(number % all.len().max(1)).ok_or_else(|| "no front-end".into())
    }

    async fn imap(&self, frontend: usize, login: &str) -> Result<Imap, Failure> {
        let (user, node) = (self.user(login)?, self.frontend(frontend)?);
        Imap::connect(&node.imap, None, &user.login, &user.password).await
    }

    async fn send(
        &self,
        frontend: usize,
        to: &[&str],
        subject: &str,
    ) -> Result<Vec<smtp_proto::Reply>, Failure> {
        let node = self.frontend(frontend)?;
        let message =
            format!("From: sender@elsewhere.test\r\nSubject: {subject}\r\n\r\n.\r\n..dots\r\nend\r\n");
        smtp::send(&node.smtp, "sender@elsewhere.test", to, &message).await
    }

    async fn both_ways(&self) -> Result<(), Failure> {
        for (n, user) in self.endpoints.users.iter().enumerate() {
            for frontend in 0..self.endpoints.frontends.len() {
                let subject = unique(&format!("both ways {n} {frontend}"));
                let replies = self.send(frontend, &[&user.address], &subject).await?;
                expect(
                    replies.iter().all(|reply| reply.verdict() == Verdict::Success),
                    "the message was refused",
                )?;
                let mut imap = self.imap(frontend + 1, &user.login).await?;
                let number = wait_for_subject(&mut imap, &subject).await?;
                let text = fetch(&mut imap, number).await?;
                expect(
                    text.ends_with(b"\r\n\r\n.\r\n..dots\r\nend\r\n"),
                    "the message is not what was sent",
                )?;
                imap.logout().await;
                let reading = self.frontend(frontend + 1)?;
                let messages = pop3::read_all(&reading.pop3, &user.login, &user.password).await?;
                expect(messages.contains(&text), "POP3 shows it differently")?;
            }
        }
        Ok(())
    }

    async fn four_recipients(&self) -> Result<(), Failure> {
        let subject = unique("four recipients");
        let known = [self.user("alice")?, self.user("bob")?, self.user("carol")?];
        let unknown = format!("nobody-here@{DOMAIN}");
        let mut to: Vec<&str> = known.iter().map(|user| user.address.as_str()).collect();
        to.push(&unknown);
        let replies = self.send(0, &to, &subject).await?;
        let codes: Vec<u16> = replies.iter().map(|reply| reply.code().value()).collect();
        expect(codes == [250, 250, 250, 550], &format!("the replies were {codes:?}"))?;
        for user in known {
            let mut imap = self.imap(1, &user.login).await?;
            wait_for_subject(&mut imap, &subject).await?;
            expect(search(&mut imap, &subject).await?.len() == 1, "it came more than once")?;
            imap.logout().await;
        }
        Ok(())
    }

    async fn no_relay(&self) -> Result<(), Failure> {
        for to in ["x@not-local.test", "x%not-local.test@elsewhere.test"] {
            let replies = self.send(0, &[to], "relay").await?;
            expect(
                replies.iter().all(|reply| reply.verdict() == Verdict::Permanent),
                &format!("{to} was taken"),
            )?;
        }
        Ok(())
    }

    async fn folders(&self) -> Result<(), Failure> {
        for login in ["alice", "carol"] {
            let (mut one, mut two) = (self.imap(0, login).await?, self.imap(1, login).await?);
            let (before, after) = (unique("Check"), unique("Renamed"));
            let (old, new) = (MailboxName::new(&before)?, MailboxName::new(&after)?);
            one.run(&Command::Create(Create::new(old))).await?.success()?;
            seen(&mut two, &before, Verb::List, Presence::There).await?;
            one.run(&Command::Rename(Rename::new(old, new))).await?.success()?;
            seen(&mut two, &after, Verb::List, Presence::There).await?;
            seen(&mut two, &before, Verb::List, Presence::Gone).await?;
            one.run(&Command::Subscribe(new)).await?.success()?;
            seen(&mut two, &after, Verb::Lsub, Presence::There).await?;
            one.run(&Command::Unsubscribe(new)).await?.success()?;
            one.run(&Command::Delete(new)).await?.success()?;
            seen(&mut two, &after, Verb::List, Presence::Gone).await?;
            one.logout().await;
            two.logout().await;
        }
        Ok(())
    }

    async fn shared(&self) -> Result<(), Failure> {
        let (mut carol, mut alice) = (self.imap(0, "carol").await?, self.imap(1, "alice").await?);
        let plans = unique("Plans");
        let name = MailboxName::new(&plans)?;
        let subject = unique("a plan");
        let text = format!("Subject: {subject}\r\n\r\nSecret.\r\n");
        carol.run(&Command::Create(Create::new(name))).await?.success()?;
        let message = [NewMessage::new(NewContent::Plain(Data::Inline(IString::new(&text)?)))];
        let append = Append { mailbox: name, messages: List::of(&message) };
        carol.run(&Command::Append(append)).await?.success()?;

        let seen_by_alice = format!("Other Users/carol/{plans}");
        let other = MailboxName::new(&seen_by_alice)?;
        expect(!alice.run(&Command::Select(other.into())).await?.ok, "alice could open it without a right")?;
        let grant = SetAcl {
            mailbox: name,
            identifier: IString::new("alice")?,
            action: RightsAction::Replace,
            rights: Rights::new("lrs")?,
        };
        carol.run(&Command::SetAcl(grant)).await?.success()?;
        seen(&mut alice, &seen_by_alice, Verb::List, Presence::There).await?;
        alice.run(&Command::Select(MailboxName::INBOX.into())).await?.success()?;
        alice.run(&Command::Select(other.into())).await?.success()?;
        expect(fetch(&mut alice, 1).await? == text.as_bytes(), "it reads differently")?;
        let copy = Copying {
            numbering: Numbering::Sequence,
            messages: SequenceSet::new("1")?,
            mailbox: MailboxName::INBOX,
        };
        alice.run(&Command::Copy(copy)).await?.success()?;
        alice.run(&Command::Select(MailboxName::INBOX.into())).await?.success()?;
        expect(search(&mut alice, &subject).await?.len() == 1, "the copy is not there")?;
        carol.run(&Command::Delete(name)).await?.success()?;
        alice.logout().await;
        carol.logout().await;
        Ok(())
    }

    async fn one_answer(&self) -> Result<(), Failure> {
        let node = self.endpoints.frontends.first().ok_or("no front-end")?;
        let mut answers = Vec::new();
        for login in ["alice", "nobody-here"] {
            match Imap::connect(&node.imap, None, login, "wrong").await {
                Ok(_) => return Err(format!("{login} was let in").into()),
                Err(e) => answers.push(e.to_string().replace(login, "")),
            }
        }
        expect(answers.first() == answers.last(), &format!("{answers:?}"))
    }

    async fn lists_agree(&self) -> Result<(), Failure> {
        let token = std::fs::read_to_string(&self.endpoints.admin_token_file)?;
        let mut nodes = vec![self.endpoints.master.admin.clone()];
        nodes.extend(self.endpoints.frontends.iter().map(|frontend| frontend.admin.clone()));
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            let (nodes, token) = (nodes.clone(), token.trim().to_owned());
            let lists: Result<Vec<String>, Failure> =
                tokio::task::spawn_blocking(move || nodes.iter().map(|node| list_of(node, &token)).collect())
                    .await?;
            let lists = lists?;
            if lists.windows(2).all(|pair| pair.first() == pair.last()) {
                return Ok(());
            }
            expect(Instant::now() < deadline, "they differ")?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn list_of(node: &str, token: &str) -> Result<String, Failure> {
    let mut answer = ureq::get(&format!("http://{node}/mailboxes"))
        .header("Authorization", &format!("Bearer {token}"))
        .call()?;
    Ok(answer.body_mut().read_to_string()?)
}

#[derive(Clone, Copy)]
enum Verb {
    List,
    Lsub,
}

#[derive(Clone, Copy, PartialEq)]
enum Presence {
    There,
    Gone,
}

/// Waits until a name is listed, or is not, for as long as that may take.
async fn seen(imap: &mut Imap, name: &str, verb: Verb, wanted: Presence) -> Result<(), Failure> {
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        let query = ListQuery::new(MailboxName::new("")?, ListPattern::new(name)?);
        let command = match verb {
            Verb::List => Command::List(query),
            Verb::Lsub => Command::Lsub(query),
        };
        let outcome = imap.run(&command).await?.success()?;
        let listed = outcome.untagged.iter().any(|response| match response.view() {
            Response::List(mailbox) | Response::Lsub(mailbox) => {
                mailbox.mailbox.to_utf8() == name
                    && !mailbox.attributes.iter().any(|attribute| attribute == ListAttribute::NoSelect)
            }
            _ => false,
        });
        if listed == (wanted == Presence::There) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let how = if listed { "still listed" } else { "not listed" };
            return Err(format!("{name} is {how} after {} ms", SEEN_WITHIN.as_millis()).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A name that no earlier run over the same data used.
fn unique(what: &str) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{what} {}", since.as_millis())
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(otherwise.to_owned().into()) }
}
