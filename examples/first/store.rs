//! First read: `mailstore`, the store: two messages are kept, flagged and searched, and are there after a restart.
//!
//!     cargo run -p corbie-examples --example store

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use mailstore::message::search::Needle;
use mailstore::store::{
    Access, Acl, Actor, Create, FlagsOp, MailboxName, NewMessage, Options, Store, SystemFlags, UidSet,
    UserName,
};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    print!("{}", run(folder.path())?);
    Ok(())
}

const PLAIN: &str = "From: Ann <ann@example.org>\r\nSubject: lunch\r\n\r\nAt noon?\r\n";
const WITH_ATTACHMENT: &str = "From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nA picture.\r\n\
    --x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--x--\r\n";

pub(crate) fn run(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut report = String::new();
    let alice = UserName::new("alice")?;
    let inbox = MailboxName::new(["user", "alice"])?;
    keep(folder, &alice, &inbox, &mut report)?;

    // Had the process been killed instead, this would be the same: the log is the store, all else is its replay.
    let store = Store::open(folder, Options::default())?;
    let status = store.session(Actor::user(alice)).status(&inbox)?;
    let (messages, unseen) = (status.messages, status.unseen);
    writeln!(report, "reopened: {messages} messages, {unseen} unseen, next UID {}", status.uid_next)?;
    // Somebody else is told that there is no such mailbox, not that it is none of his business.
    let stranger = store.session(Actor::user(UserName::new("eve")?));
    if let Err(refused) = stranger.open(&inbox, Access::ReadOnly) {
        writeln!(report, "eve: {refused}")?;
    }
    Ok(report)
}

fn keep(
    folder: &Path,
    alice: &UserName,
    inbox: &MailboxName,
    report: &mut String,
) -> Result<(), Box<dyn Error>> {
    // A directory belongs to one process. Here it is empty, so a store is made in it.
    let store = Store::open(folder, Options::default())?;
    // Whoever wants something does it as somebody, and every call is checked. A peer is another node of the site.
    let create = Create { acl: Some(Acl::owned_by(alice)), owner: Some(alice.clone()), ..Create::default() };
    store.session(Actor::Peer).create(inbox, create).wait()?;

    let session = store.session(Actor::user(alice.clone()));
    // A change answers when it is on disk and visible, not before. All that wait at one moment share one flush, so
    // begin many before you wait for the first. In async code, `await` them.
    let mut pending = Vec::new();
    for text in [PLAIN, WITH_ATTACHMENT] {
        let mut body = store.body();
        body.write(text.as_bytes())?;
        pending.push(session.append(inbox, NewMessage::new(body.finish()?)));
    }
    for appended in pending {
        writeln!(report, "appended: UID {}", appended.wait()?.uid)?;
    }

    let view = session.open(inbox, Access::ReadWrite)?;
    view.store_flags(&UidSet::single(1), FlagsOp::Add, SystemFlags::SEEN.into(), None).wait()?;

    // Envelope and structure were read once, when the message came. A search decodes what it looks into.
    let needle = Needle::new("grüße");
    for message in view.messages(&view.all()) {
        let structure = view.body(message.uid)?.structure()?;
        let found = structure.envelope().subject.is_some_and(|subject| needle.is_in_value(subject));
        writeln!(report, "UID {}: {} parts, greets: {found}", message.uid, structure.len())?;
    }
    Ok(store.close()?)
}
