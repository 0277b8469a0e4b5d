//! What a client hears through a front-end is what it would hear from the back-end itself.

use crate::backend_support;
use crate::murder_support::{Imap, Murder};

/// Everything that a client does with mailboxes of one server.
const COMMANDS: [&str; 61] = [
    "CAPABILITY",
    "NAMESPACE",
    "LIST \"\" \"\"",
    "CREATE Work",
    "CREATE Work/",
    "CREATE Work/2026/January",
    "CREATE Entw&APw-rfe (USE (\\Drafts))",
    "CREATE INBOX/x",
    "CREATE INBOX",
    "LIST \"\" *",
    "LIST \"\" %",
    "LIST Work/ %",
    "LIST \"\" inbox",
    "LIST \"\" INBOX.AINBOX.A*",
    "LIST \"\" W%/%",
    "LIST \"\" Work/2026",
    "LIST \"\" Nowhere",
    "LIST Work %2026",
    "LIST \"\" *a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*",
    "LSUB \"\" \"\"",
    "LIST (SPECIAL-USE) \"\" *",
    "LIST \"\" % RETURN (SPECIAL-USE)",
    "SUBSCRIBE Work/2026",
    "SUBSCRIBE INBOX",
    "LSUB \"\" *",
    "LSUB \"\" %",
    "LSUB Work/ %",
    "UNSUBSCRIBE INBOX",
    "APPEND Work (\\Seen $Label) \"17-Jul-1996 02:44:25 -0700\" {41+}\r\nFrom: a@b.example\r\nSubject: x\r\n\r\nbody 1\r\n",
    "APPEND Work {41+}\r\nFrom: a@b.example\r\nSubject: y\r\n\r\nbody 2\r\n",
    "APPEND Nowhere {3+}\r\nabc",
    "STATUS Work (MESSAGES RECENT UIDNEXT UNSEEN)",
    "STATUS Nowhere (MESSAGES)",
    "SELECT Nowhere",
    "EXAMINE Work",
    "STORE 1 FLAGS (\\Seen)",
    "SELECT Work",
    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
    "UID FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[TEXT]<0.4>)",
    "FETCH 9 FLAGS",
    "SEARCH ALL",
    "UID SEARCH SUBJECT y",
    "SEARCH CHARSET KOI8-R TEXT a",
    "SEARCH RETURN (COUNT) ALL",
    "FETCH $ FLAGS",
    "SORT (DATE) UTF-8 ALL",
    "STORE 2 +FLAGS (\\Flagged)",
    "UID STORE 1 -FLAGS.SILENT (\\Seen)",
    "COPY 1:2 Work/2026",
    "COPY 1 Nowhere",
    "UID MOVE 1 Work/2026/January",
    "NOOP",
    "CHECK",
    "STORE 1 +FLAGS.SILENT (\\Deleted)",
    "UID EXPUNGE 1:*",
    "CLOSE",
    "MYRIGHTS Work",
    "GETACL Work",
    "RENAME Work Done",
    "DELETE Done/2026/January",
    "LIST \"\" Done*",
];

async fn transcript(imap: &mut Imap) -> Vec<String> {
    let mut lines = Vec::new();
    for command in COMMANDS {
        let heard = imap.ask(command).await;
        lines.push(format!("C: {command}"));
        lines.extend(heard.iter().map(|line| without_uid_validity(line)));
    }
    lines
}

/// Each store counts its own.
fn without_uid_validity(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        if words[at - 1].ends_with("UIDVALIDITY")
            || words[at - 1].ends_with("UID") && words[at - 1].starts_with('[')
        {
            words[at] = "N";
        }
    }
    words.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn x2_a_client_hears_through_a_front_end_what_the_back_end_says() {
    let murder = Murder::start().await;
    let folder = tempfile::tempdir().unwrap();
    backend_support::make_users(folder.path()).await;
    let solo = backend_support::start(folder.path(), "").await;

    let mut direct = Imap::connect(&solo).await;
    direct.ok("LOGIN alice secret").await;
    let mut proxied = murder.session("alice").await;
    let (direct, proxied) = (transcript(&mut direct).await, transcript(&mut proxied).await);
    let of_each = |lines: &[String]| lines.join("\n").split("C: ").map(str::to_owned).collect::<Vec<_>>();
    let differ: Vec<_> = of_each(&direct)
        .into_iter()
        .zip(of_each(&proxied))
        .filter(|(direct, proxied)| direct != proxied)
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}
