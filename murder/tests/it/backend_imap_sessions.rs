//! IMAP at a back-end: several sessions in one mailbox, and IDLE.

use crate::backend_imap_support::{Imap, Solo, message};

async fn two_sessions(solo: &Solo, messages: u32) -> (Imap, Imap) {
    let mut one = solo.user("alice").await;
    for number in 1..=messages {
        one.append("INBOX", &message(&number.to_string())).await;
    }
    one.ok("SELECT INBOX").await;
    let mut other = solo.user("alice").await;
    other.ok("SELECT INBOX").await;
    (one, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expunge_by_another_is_told_only_where_it_may_be() {
    let solo = Solo::start().await;
    let (mut one, mut other) = two_sessions(&solo, 3).await;
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    // The number still stands for the message, which cannot be read any more; it is told of nothing.
    one.check("FETCH 1:3 UID", &["* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)"], "NO [EXPUNGEISSUED]").await;
    one.check("FETCH 2 BODY[]", &[], "NO [EXPUNGEISSUED]").await;
    one.check("SEARCH ALL", &["* SEARCH 1 3"], "OK").await;
    one.check("STORE 3 +FLAGS (\\Flagged)", &["* 3 FETCH (FLAGS (\\Flagged \\Recent))"], "OK").await;
    one.check("UID FETCH 3 UID", &["* 3 FETCH (UID 3)", "* 2 EXPUNGE"], "OK").await;
    one.check("FETCH 2 UID", &["* 2 FETCH (UID 3)"], "OK").await;
    other.check("NOOP", &["* 2 FETCH (FLAGS (\\Flagged))"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_messages_and_flags_are_told_by_any_command() {
    let solo = Solo::start().await;
    let (mut one, mut other) = two_sessions(&solo, 1).await;
    other.append("INBOX", &message("new")).await;
    // Whoever was told first of a message has it as recent.
    one.check("CHECK", &["* 2 EXISTS", "* 1 RECENT"], "OK").await;
    one.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    other.check("FETCH 2 UID", &["* 2 FETCH (UID 2)", "* 1 FETCH (FLAGS (\\Seen))"], "OK").await;
    // A change of one's own is not told; what another did to the same message before is.
    other.ok("STORE 2 +FLAGS.SILENT (\\Answered)").await;
    one.check("STORE 2 +FLAGS.SILENT (\\Draft)", &["* 2 FETCH (FLAGS (\\Answered))"], "OK").await;
    one.check("NOOP", &[], "OK").await;
    other.check("NOOP", &["* 2 FETCH (FLAGS (\\Answered \\Draft \\Recent))"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_tells_what_happens_at_once() {
    let solo = Solo::start().await;
    let (mut one, mut other) = two_sessions(&solo, 2).await;
    one.send("i IDLE\r\n").await;
    assert!(one.line().await.starts_with("+ "));
    // By a session that has nothing selected, and so takes nothing as recent to itself.
    solo.user("alice").await.append("INBOX", &message("3")).await;
    assert_eq!(one.line().await, "* 3 EXISTS\r\n");
    assert_eq!(one.line().await, "* 3 RECENT\r\n");
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(one.line().await, "* 1 FETCH (FLAGS (\\Deleted \\Recent))\r\n");
    other.ok("EXPUNGE").await;
    assert_eq!(one.line().await, "* 1 EXPUNGE\r\n");
    one.send("DONE\r\n").await;
    assert_eq!(one.until("i").await, ["OK Idle is over"]);
    // Afterwards nothing comes unasked.
    other.ok("STORE 1 +FLAGS (\\Seen)").await;
    one.check("NOOP", &["* 1 FETCH (FLAGS (\\Seen \\Recent))"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_without_a_mailbox_waits_in_silence() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.send("i IDLE\r\n").await;
    assert!(imap.line().await.starts_with("+ "));
    imap.send("DONE\r\n").await;
    assert_eq!(imap.until("i").await, ["OK Idle is over"]);
    imap.send("j IDLE\r\n").await;
    assert!(imap.line().await.starts_with("+ "));
    imap.send("j2 NOOP\r\n").await;
    assert!(imap.until("j").await[0].starts_with("BAD"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_its_mailbox_is_deleted() {
    let solo = Solo::start().await;
    let mut one = solo.user("alice").await;
    one.ok("CREATE Work").await;
    one.ok("SELECT Work").await;
    let mut idle = solo.user("alice").await;
    idle.ok("SELECT Work").await;
    idle.send("i IDLE\r\n").await;
    idle.line().await;
    let mut other = solo.user("alice").await;
    other.ok("DELETE Work").await;
    assert_eq!(idle.line().await, "* BYE The selected mailbox is gone\r\n");
    assert_eq!(idle.line().await, "");
    one.check("NOOP", &[], "OK").await;
    assert_eq!(one.line().await, "* BYE The selected mailbox is gone\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selected_mailbox_can_be_renamed_and_stays_selected() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.ok("CREATE Work").await;
    imap.append("Work", &message("1")).await;
    imap.ok("SELECT Work").await;
    imap.ok("RENAME Work Play").await;
    imap.check("FETCH 1 UID", &["* 1 FETCH (UID 1)"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_commands_are_answered_in_order() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.send(
        "a APPEND INBOX {12+}\r\nS: 1\r\n\r\nHi\r\n\r\nb SELECT INBOX\r\nc FETCH 1 RFC822.SIZE\r\nd STORE 1 \
         +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\nf FETCH 1:* UID\r\ng LOGOUT\r\n",
    )
    .await;
    assert!(imap.until("a").await[0].starts_with("OK [APPENDUID"));
    assert_eq!(imap.until("b").await.last().unwrap(), "OK [READ-WRITE] Selected");
    assert_eq!(imap.until("c").await[0], "* 1 FETCH (RFC822.SIZE 12)");
    assert_eq!(imap.until("d").await.len(), 1);
    assert_eq!(imap.until("e").await[0], "* 1 EXPUNGE");
    assert_eq!(imap.until("f").await, ["OK Completed"]);
    assert_eq!(imap.until("g").await[0], "* BYE Logging out");
    assert_eq!(imap.line().await, "");
}
