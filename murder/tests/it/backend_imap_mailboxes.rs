//! IMAP at a back-end: the tree of mailboxes.

use crate::backend_imap_support::{Solo, message};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_makes_what_is_missing_above() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.ok("CREATE a/b/c").await;
    imap.ok("CREATE \"Entw&APw-rfe\"").await;
    imap.ok("CREATE d/").await;
    imap.check(
        "LIST \"\" *",
        &[
            "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe",
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" a",
            "* LIST (\\HasChildren) \"/\" a/b",
            "* LIST (\\HasNoChildren) \"/\" a/b/c",
            "* LIST (\\HasNoChildren) \"/\" d",
        ],
        "OK",
    )
    .await;
    imap.check("CREATE a/b", &[], "NO [ALREADYEXISTS]").await;
    imap.check("CREATE inbox", &[], "NO [ALREADYEXISTS]").await;
    imap.check("CREATE a//b", &[], "NO [CANNOT]").await;
    imap.check("CREATE \"Other Users\"", &[], "NO [CANNOT]").await;
    imap.check("CREATE \"Shared Folders/x\"", &[], "NO [NONEXISTENT]").await;
    imap.check("DELETE inbox", &[], "NO [CANNOT]").await;
    imap.check("DELETE nowhere", &[], "NO [NONEXISTENT]").await;
    // A mailbox with others below it goes alone; the level stays.
    imap.ok("DELETE a/b").await;
    imap.check("LIST a/ %", &["* LIST (\\Noselect \\HasChildren) \"/\" a/b"], "OK").await;
    imap.check("SELECT a/b", &[], "NO [NONEXISTENT]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rename_takes_what_is_below_along() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.ok("CREATE a/b").await;
    imap.append("a/b", &message("1")).await;
    imap.check("RENAME a a/x", &[], "NO [CANNOT]").await;
    imap.check("RENAME a inbox", &[], "NO [ALREADYEXISTS]").await;
    imap.check("RENAME nowhere b", &[], "NO [NONEXISTENT]").await;
    imap.ok("RENAME a new/place").await;
    imap.check(
        "LIST \"\" \"n*\"",
        &[
            "* LIST (\\HasChildren) \"/\" new",
            "* LIST (\\HasChildren) \"/\" new/place",
            "* LIST (\\HasNoChildren) \"/\" new/place/b",
        ],
        "OK",
    )
    .await;
    imap.check("STATUS new/place/b (MESSAGES)", &["* STATUS new/place/b (MESSAGES 1)"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renaming_the_inbox_moves_its_messages_and_leaves_it_empty() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.append("INBOX (\\Flagged)", &message("1")).await;
    imap.ok("CREATE sub").await;
    imap.ok("RENAME INBOX old-mail").await;
    imap.check("STATUS INBOX (MESSAGES UIDNEXT)", &["* STATUS INBOX (MESSAGES 0 UIDNEXT 2)"], "OK").await;
    imap.ok("SELECT old-mail").await;
    imap.check("FETCH 1 FLAGS", &["* 1 FETCH (FLAGS (\\Flagged \\Recent))"], "OK").await;
    imap.check("LIST \"\" sub", &["* LIST (\\HasNoChildren) \"/\" sub"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_follow_patterns_references_and_special_uses() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.ok("CREATE Sent (USE (\\Sent))").await;
    imap.ok("CREATE Mail/2026").await;
    imap.check("LIST \"\" \"\"", &["* LIST (\\Noselect) \"/\" \"\""], "OK").await;
    imap.check("LIST \"\" iNbOx", &["* LIST (\\HasNoChildren) \"/\" INBOX"], "OK").await;
    let sent = "* LIST (\\HasNoChildren \\Sent) \"/\" Sent";
    let inbox = "* LIST (\\HasNoChildren) \"/\" INBOX";
    imap.check("LIST \"\" %", &[inbox, "* LIST (\\HasChildren) \"/\" Mail", sent], "OK").await;
    imap.check("LIST Mail/ %", &["* LIST (\\HasNoChildren) \"/\" Mail/2026"], "OK").await;
    imap.check("LIST (SPECIAL-USE) \"\" *", &[sent], "OK").await;
    imap.check("LIST \"\" S% RETURN (SPECIAL-USE)", &[sent], "OK").await;
    imap.check("LIST \"\" nothing", &[], "OK").await;
    imap.check("CREATE INBOX (USE (\\Trash))", &[], "NO [USEATTR]").await;
    imap.check(&format!("LIST \"\" {}", "%a".repeat(33)), &[], "NO [LIMIT]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_outlive_their_mailboxes() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.ok("SUBSCRIBE INBOX").await;
    imap.ok("SUBSCRIBE a/b").await;
    imap.ok("SUBSCRIBE \"Other Users/bob/x\"").await;
    imap.check(
        "LSUB \"\" *",
        &["* LSUB () \"/\" INBOX", "* LSUB () \"/\" \"Other Users/bob/x\"", "* LSUB () \"/\" a/b"],
        "OK",
    )
    .await;
    imap.check(
        "LSUB \"\" %",
        &[
            "* LSUB () \"/\" INBOX",
            "* LSUB (\\Noselect) \"/\" \"Other Users\"",
            "* LSUB (\\Noselect) \"/\" a",
        ],
        "OK",
    )
    .await;
    imap.ok("UNSUBSCRIBE a/b").await;
    imap.ok("UNSUBSCRIBE a/b").await;
    imap.check("LSUB \"\" a*", &[], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_id_enable_and_namespace_are_answered() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.append("INBOX (\\Seen)", &message("1")).await;
    imap.append("INBOX", &message("2")).await;
    let lines = imap.ok("STATUS inbox (MESSAGES RECENT UIDNEXT UNSEEN)").await;
    assert_eq!(lines, ["* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 1)"]);
    imap.check("STATUS nowhere (MESSAGES)", &[], "NO [NONEXISTENT]").await;
    assert!(imap.ok("ID NIL").await[0].starts_with("* ID (\"name\" \"Corbie\""));
    imap.check("ENABLE CONDSTORE", &["* ENABLED"], "OK").await;
    imap.check(
        "NAMESPACE",
        &["* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Shared Folders/\" \"/\"))"],
        "OK",
    )
    .await;
    let mut imap = solo.proxied("alice").await;
    imap.check("NAMESPACE", &["* NAMESPACE ((\"INBOX/\" \"/\")) ((\"user/\" \"/\")) ((\"\" \"/\"))"], "OK")
        .await;
    let mut imap = solo.node("peer").await;
    imap.check("NAMESPACE", &["* NAMESPACE NIL ((\"user/\" \"/\")) ((\"\" \"/\"))"], "OK").await;
}
