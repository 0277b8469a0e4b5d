//! IMAP through a front-end: one session, two back-ends.

use std::time::Duration;

use crate::murder_support::{ADMIN, Imap, Murder, put_backend, start_backend};

const MESSAGE: &str = "From: a@example.org\r\nSubject: one\r\n\r\nHello\r\n";

/// What the untagged `LIST` or `LSUB` lines name, attributes apart.
fn names(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| Some(line.split_once(" \"/\" ")?.1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_appended_is_fetched_stored_and_expunged() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    let appended = alice.append("INBOX", "\\Flagged", MESSAGE).await;
    assert!(appended[0].starts_with("OK [APPENDUID "), "{appended:?}");
    let selected = alice.ok("SELECT inbox").await;
    assert!(selected.contains(&"* 1 EXISTS".to_owned()), "{selected:?}");
    assert!(selected.last().unwrap().starts_with("OK [READ-WRITE]"), "{selected:?}");
    let fetched = alice.ok("FETCH 1 (FLAGS BODY.PEEK[])").await.join("\r\n");
    assert!(fetched.contains(MESSAGE) && fetched.contains("\\Flagged"), "{fetched}");
    let stored = alice.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert!(stored[0].contains("\\Deleted"), "{stored:?}");
    assert_eq!(alice.ok("EXPUNGE").await[0], "* 1 EXPUNGE");
    alice.ok("CLOSE").await;
    assert!(alice.ask("FETCH 1 FLAGS").await[0].starts_with("BAD"));
    assert!(alice.ok("LOGOUT").await[0].starts_with("* BYE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_message_of_an_append_is_refused_and_the_first_not_kept() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    for append in [
        "APPEND INBOX {8+}\r\nS: x\r\n\r\n {12+}\r\nz LOGOUT\r\n\r\n",
        "APPEND INBOX ~{8+}\r\nS: x\r\n\r\n",
        "APPEND INBOX CATENATE (TEXT {8+}\r\nS: x\r\n\r\n)",
    ] {
        let refused = alice.ask(append).await;
        assert!(refused[0].starts_with("BAD") && refused.len() == 1, "{append}: {refused:?}");
    }
    alice.append("INBOX", "", MESSAGE).await;
    let selected = alice.ok("SELECT INBOX").await;
    assert!(selected.contains(&"* 1 EXISTS".to_owned()), "{selected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_both_ways_in_pieces() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(30_000));
    alice.append("INBOX", "", &large).await;
    alice.ok("SELECT INBOX").await;
    let fetched = alice.ok("FETCH 1 (UID BODY.PEEK[] FLAGS)").await.join("\r\n");
    assert!(fetched.contains(&large));
    // A literal that is asked for first.
    alice.send(&format!("s1 APPEND INBOX {{{}}}\r\n", MESSAGE.len())).await;
    assert!(alice.line().await.starts_with('+'));
    alice.send(&format!("{MESSAGE}\r\n")).await;
    loop {
        let line = alice.line().await;
        if let Some(reply) = line.strip_prefix("s1 ") {
            assert!(reply.starts_with("OK [APPENDUID"), "{line}");
            break;
        }
        assert_eq!(line.get(..2), Some("* "), "{line}");
    }
    // One that is malformed behind its message is not stored.
    let before = alice.ok("STATUS INBOX (MESSAGES)").await;
    assert!(
        alice.ask(&format!("APPEND INBOX {{{}+}}\r\n{MESSAGE} and more", MESSAGE.len())).await[0]
            .starts_with("BAD")
    );
    assert_eq!(murder.session("alice").await.ok("STATUS INBOX (MESSAGES)").await[0], before[0]);
    let refused = alice.ask("APPEND Nowhere {5+}\r\nhello").await;
    assert!(refused[0].starts_with("NO [TRYCREATE]"), "{refused:?}");
    let refused = alice.ask("APPEND INBOX {99999999}").await;
    assert!(refused[0].starts_with("NO [TOOBIG]"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_are_made_listed_renamed_and_deleted() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    alice.ok("CREATE Work/2026").await;
    alice.ok("CREATE Entw&APw-rfe (USE (\\Drafts))").await;
    let listed = alice.ok("LIST \"\" *").await;
    assert_eq!(names(&listed), ["Entw&APw-rfe", "INBOX", "Work", "Work/2026"]);
    assert!(listed[2].contains("\\HasChildren") && listed[3].contains("\\HasNoChildren"), "{listed:?}");
    assert_eq!(names(&alice.ok("LIST Work/ %").await), ["Work/2026"]);
    assert_eq!(names(&alice.ok("LIST \"\" %").await), ["Entw&APw-rfe", "INBOX", "Work"]);
    assert_eq!(alice.ok("LIST \"\" \"\"").await[0], "* LIST (\\Noselect) \"/\" \"\"");
    let drafts = alice.ok("LIST (SPECIAL-USE) \"\" *").await;
    assert_eq!(drafts.len(), 2, "{drafts:?}");
    assert!(drafts[0].contains("\\Drafts") && drafts[0].ends_with("Entw&APw-rfe"), "{drafts:?}");
    assert!(alice.ok("LIST \"\" * RETURN (SPECIAL-USE)").await[0].contains("\\Drafts"));

    alice.ok("RENAME Work Done").await;
    assert_eq!(names(&alice.ok("LIST \"\" D*").await), ["Done", "Done/2026"]);
    let status = alice.ok("STATUS Done/2026 (MESSAGES UIDNEXT)").await;
    assert_eq!(status[0], "* STATUS Done/2026 (MESSAGES 0 UIDNEXT 1)");
    alice.ok("DELETE Done/2026").await;
    assert!(alice.no("STATUS Done/2026 (MESSAGES)").await.starts_with("NO [NONEXISTENT]"));
    assert!(alice.no("CREATE Done").await.starts_with("NO"));
    assert!(alice.no("CREATE \"Other Users/carol/x\"").await.starts_with("NO [NOPERM]"));
    assert!(alice.no("CREATE \"Other Users\"").await.starts_with("NO [CANNOT]"));

    alice.ok("SUBSCRIBE Done").await;
    assert_eq!(names(&alice.ok("LSUB \"\" *").await), ["Done"]);
    assert!(alice.no("SUBSCRIBE Nowhere").await.starts_with("NO [NONEXISTENT]"));
    alice.ok("UNSUBSCRIBE Done").await;
    assert!(names(&alice.ok("LSUB \"\" *").await).is_empty());
    assert_eq!(
        alice.ok("NAMESPACE").await[0],
        "* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Shared Folders/\" \"/\"))"
    );
}

/// Carol's `Plans`, on the other server than alice's mailboxes, with a message; alice has these rights on it.
async fn carols_plans(murder: &Murder, rights: &str) -> Imap {
    let mut carol = murder.session("carol").await;
    carol.ok("CREATE Plans").await;
    carol.append("Plans", "", "Subject: plan\r\n\r\nA plan\r\n").await;
    carol.ok(&format!("SETACL Plans alice \"{rights}\"")).await;
    carol
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_of_two_servers_are_used_in_one_session() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    let mut carol = carols_plans(&murder, "lrswite").await;
    let plans = "\"Other Users/carol/Plans\"";
    let listed = alice.ok("LIST \"\" *").await;
    assert_eq!(names(&listed), ["INBOX", plans]);
    let levels = alice.ok("LIST \"\" %").await;
    assert_eq!(names(&levels), ["INBOX", "\"Other Users\""]);
    assert!(levels[1].contains("\\Noselect"), "{levels:?}");

    alice.append("INBOX", "", MESSAGE).await;
    alice.ok("SELECT INBOX").await;
    assert_eq!(
        alice.ok(&format!("STATUS {plans} (MESSAGES)")).await[0],
        format!("* STATUS {plans} (MESSAGES 1)")
    );
    assert!(alice.ok("FETCH 1 BODY.PEEK[TEXT]").await.join("\r\n").contains("Hello"));
    let selected = alice.ok(&format!("SELECT {plans}")).await;
    assert!(selected.contains(&"* 1 EXISTS".to_owned()), "{selected:?}");
    assert!(alice.ok("FETCH 1 BODY.PEEK[TEXT]").await.join("\r\n").contains("A plan"));
    // What happens to the INBOX now is of no concern to this client.
    alice.append("INBOX", "", MESSAGE).await;
    assert_eq!(alice.ok("NOOP").await.len(), 1);
    alice.ok(&format!("SUBSCRIBE {plans}")).await;
    assert_eq!(names(&alice.ok("LSUB \"\" *").await), [plans]);
    assert_eq!(alice.ok(&format!("MYRIGHTS {plans}")).await[0], format!("* MYRIGHTS {plans} lrswited"));
    assert!(alice.no(&format!("GETACL {plans}")).await.starts_with("NO [NOPERM]"));

    // COPY from the other server, with flags and UIDs.
    alice.ok("STORE 1 +FLAGS.SILENT (\\Answered $Work)").await;
    let copied = alice.ok("UID COPY 1 INBOX").await;
    let code = copied.last().unwrap();
    assert!(code.starts_with("OK [COPYUID ") && code.contains(" 1 3]"), "{copied:?}");
    // MOVE to the other server: COPYUID, then the originals go.
    alice.ok("SELECT INBOX").await;
    let flags = alice.ok("FETCH 3 FLAGS").await;
    assert!(flags[0].contains("\\Answered") && flags[0].contains("$Work"), "{flags:?}");
    let moved = alice.ok(&format!("MOVE 1:2 {plans}")).await;
    assert!(moved[0].starts_with("* OK [COPYUID ") && moved[0].contains(" 1:2 2:3]"), "{moved:?}");
    assert_eq!(moved.iter().filter(|line| line.ends_with(" EXPUNGE")).count(), 2, "{moved:?}");
    assert!(carol.ok("STATUS Plans (MESSAGES)").await[0].ends_with("(MESSAGES 3)"));
    assert!(alice.ok("STATUS INBOX (MESSAGES)").await[0].ends_with("(MESSAGES 1)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_servers_that_is_denied_leaves_nothing_behind() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    let mut carol = carols_plans(&murder, "lr").await;
    alice.append("INBOX", "", MESSAGE).await;
    alice.ok("SELECT INBOX").await;
    assert!(alice.no("COPY 1 \"Other Users/carol/Plans\"").await.starts_with("NO [NOPERM]"));
    assert!(alice.no("COPY 1 \"Other Users/carol\"").await.starts_with("NO [TRYCREATE]"));
    assert!(carol.ok("STATUS Plans (MESSAGES)").await[0].ends_with("(MESSAGES 1)"));
    // Large ones go in pieces.
    carol.ok("SETACL Plans alice lri").await;
    let large = format!("Subject: large\r\n\r\n{}", "0123456789\r\n".repeat(20_000));
    alice.append("INBOX", "", &large).await;
    alice.until_ok("COPY 2 \"Other Users/carol/Plans\"").await;
    carol.ok("SELECT Plans").await;
    assert!(carol.ok("FETCH 2 BODY.PEEK[]").await.join("\r\n").contains(&large));
    // Alice may insert and not delete: nothing of hers is moved out of Plans.
    alice.ok("SELECT \"Other Users/carol/Plans\"").await;
    assert!(alice.no("MOVE 1 INBOX").await.starts_with("NO [NOPERM]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_servers_that_fails_half_way_is_taken_back() {
    let murder = Murder::start().await;
    let (mut bob, mut carol) = (murder.session("bob").await, murder.session("carol").await);
    bob.ok("CREATE Box").await;
    bob.ok("SETACL Box carol lrsite").await;
    // Bob has 1,000 KiB: one of these fits.
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(18_000));
    carol.append("INBOX", "", &large).await;
    carol.append("INBOX", "", &large).await;
    carol.ok("SELECT INBOX").await;
    for command in ["COPY", "MOVE"] {
        let refused = carol.no(&format!("{command} 1:2 \"Other Users/bob/Box\"")).await;
        assert!(refused.starts_with("NO [OVERQUOTA]"), "{refused}");
        assert!(bob.ok("STATUS Box (MESSAGES)").await[0].ends_with("(MESSAGES 0)"));
        assert!(carol.ok("STATUS INBOX (MESSAGES)").await[0].ends_with("(MESSAGES 2)"));
    }
    // Both connections are still of use.
    carol.ok("MOVE 2 \"Other Users/bob/Box\"").await;
    assert!(bob.ok("STATUS Box (MESSAGES)").await[0].ends_with("(MESSAGES 1)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_told_when_the_node_stops() {
    let murder = Murder::start().await;
    let (mut alice, mut idler) = (murder.session("alice").await, murder.session("alice").await);
    idler.ok("SELECT INBOX").await;
    idler.send("i IDLE\r\n").await;
    assert!(idler.line().await.starts_with('+'));
    murder.frontend.shut_down().await;
    assert!(alice.line().await.starts_with("* BYE"));
    assert!(idler.line().await.starts_with("* BYE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn n5_a_mailbox_that_one_may_not_see_answers_like_one_that_is_not_there() {
    let murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    let _carol = carols_plans(&murder, "").await;
    for command in [
        "SELECT @",
        "EXAMINE @",
        "STATUS @ (MESSAGES)",
        "DELETE @",
        "RENAME @ New",
        "SUBSCRIBE @",
        "SETACL @ alice lr",
        "DELETEACL @ alice",
        "GETACL @",
        "MYRIGHTS @",
        "LISTRIGHTS @ alice",
        "GETQUOTAROOT @",
        "CREATE @",
        "APPEND @ {3+}\r\nabc",
    ] {
        let hidden = alice.no(&command.replace("@", "\"Other Users/carol/Plans\"")).await;
        let missing = alice.no(&command.replace("@", "\"Other Users/carol/Nowhere\"")).await;
        assert_eq!(hidden, missing, "{command}");
    }
    assert_eq!(alice.no("GETQUOTA user/carol").await, alice.no("GETQUOTA user/nobody").await);
    assert_eq!(names(&alice.ok("LIST \"\" *").await), ["INBOX"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_brings_what_the_server_of_the_selected_mailbox_tells() {
    let murder = Murder::start().await;
    let (mut alice, mut other) = (murder.session("alice").await, murder.session("alice").await);
    alice.send("i1 IDLE\r\n").await;
    assert!(alice.line().await.starts_with('+'));
    alice.send("DONE\r\n").await;
    assert!(alice.line().await.starts_with("i1 OK"));
    alice.ok("SELECT INBOX").await;
    alice.send("i2 IDLE\r\n").await;
    assert!(alice.line().await.starts_with('+'));
    other.append("INBOX", "", MESSAGE).await;
    while alice.line().await != "* 1 EXISTS" {}
    alice.send("DONE\r\n").await;
    while !alice.line().await.starts_with("i2 OK") {}
    alice.ok("NOOP").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_manage_mailboxes_and_read_no_mail() {
    let murder = Murder::start().await;
    let _alice = murder.session("alice").await;
    let mut admin = murder.session(ADMIN).await;
    admin.until_ok("CREATE news").await;
    admin.ok("CREATE news/rust").await;
    admin.ok("CREATE user/carol").await;
    assert_eq!(names(&admin.ok("LIST \"\" *").await), ["news", "news/rust", "user/alice", "user/carol"]);
    admin.ok("SETACL news/rust alice lr").await;
    let acl = admin.ok("GETACL news/rust").await;
    assert!(acl[0].starts_with("* ACL news/rust ") && acl[0].contains("alice lr"), "{acl:?}");
    admin.ok("SETQUOTA user/alice (STORAGE 500)").await;
    let quota = admin.ok("GETQUOTAROOT user/alice").await.join("\n");
    assert!(quota.contains("* QUOTAROOT user/alice") && quota.contains("STORAGE 0 500"), "{quota}");
    for command in ["SELECT user/alice", "EXAMINE news", "STATUS news (MESSAGES)", "SUBSCRIBE news"] {
        assert!(admin.no(command).await.starts_with("NO"), "{command}");
    }
    // Carol's INBOX went where she is placed.
    assert_eq!(names(&murder.session("carol").await.ok("LIST \"\" *").await), ["INBOX"]);
    let mut alice = murder.session("alice").await;
    assert_eq!(names(&alice.ok("LIST \"\" Shared*").await), ["\"Shared Folders/news/rust\""]);
    alice.ok("SELECT \"Shared Folders/news/rust\"").await;
    let quota = alice.ok("GETQUOTAROOT INBOX").await.join("\n");
    assert!(quota.contains("* QUOTAROOT INBOX"), "{quota}");
    admin.ok("DELETE news/rust").await;
    assert!(names(&alice.ok("LIST \"\" Shared*").await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_back_end_costs_its_own_mailboxes_only() {
    let mut murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    let _carol = carols_plans(&murder, "lrswite").await;
    let plans = "\"Other Users/carol/Plans\"";
    let mut both = murder.session("alice").await;
    both.until_ok(&format!("SELECT {plans}")).await;
    alice.ok("SELECT INBOX").await;
    drop(murder.be2.take());
    // The one that had selected a mailbox there is told, and may go on elsewhere.
    let told = both.line().await;
    assert!(told.starts_with("* NO [UNAVAILABLE]"), "{told}");
    assert!(both.no("FETCH 1 FLAGS").await.starts_with("NO [UNAVAILABLE]"));
    assert!(both.no("NOOP").await.starts_with("NO [UNAVAILABLE]"));
    assert!(both.no("IDLE").await.starts_with("NO [UNAVAILABLE]"));
    assert!(both.no(&format!("SELECT {plans}")).await.starts_with("NO [UNAVAILABLE]"));
    both.ok("NOOP").await;
    both.ok("SELECT INBOX").await;
    assert_eq!(names(&alice.ok("LIST \"\" *").await), ["INBOX", plans]);
    assert!(alice.no(&format!("STATUS {plans} (MESSAGES)")).await.starts_with("NO [UNAVAILABLE]"));
    alice.append("INBOX", "", MESSAGE).await;
    assert!(alice.no(&format!("COPY 1 {plans}")).await.starts_with("NO [UNAVAILABLE]"));
    alice.ok("FETCH 1 FLAGS").await;
    // Whose home is dead logs in all the same, and has no mailboxes for now.
    let mut carol = murder.connect().await;
    let logged_in = carol.ok("LOGIN carol secret").await;
    assert!(logged_in[0].contains("UIDPLUS"), "{logged_in:?}");
    assert!(carol.no("SELECT INBOX").await.starts_with("NO [UNAVAILABLE]"));
    carol.ok("NOOP").await;
    assert_eq!(names(&carol.ok("LIST \"\" *").await), ["INBOX", "Plans"]);

    // It comes back, elsewhere.
    let upstream = murder.master.as_ref().unwrap().address("mupdate").unwrap().to_string();
    let be2 = start_backend(murder.folder.path(), "be2", &upstream).await;
    let at = |service| be2.address(service).unwrap().to_string().parse().unwrap();
    put_backend(&murder.router, "be2", at("lmtp"), at("imap")).await;
    carol.until_ok("SELECT INBOX").await;
    both.until_ok(&format!("SELECT {plans}")).await;
    both.ok("FETCH 1 FLAGS").await;
    murder.be2 = Some(be2);
}

#[tokio::test(flavor = "multi_thread")]
async fn x3_without_a_master_mail_is_read_and_the_list_stays_as_it_is() {
    let mut murder = Murder::start().await;
    let mut alice = murder.session("alice").await;
    alice.ok("CREATE Work").await;
    drop(murder.master.take());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = alice.no("CREATE New").await;
    assert!(refused.starts_with("NO [UNAVAILABLE]"), "{refused}");
    assert!(alice.no("RENAME Work Done").await.starts_with("NO [UNAVAILABLE]"));
    assert!(alice.no("SETACL Work bob lr").await.starts_with("NO [UNAVAILABLE]"));
    alice.append("Work", "", MESSAGE).await;
    alice.ok("SELECT Work").await;
    alice.ok("STORE 1 +FLAGS (\\Seen)").await;
    assert_eq!(names(&alice.ok("LIST \"\" *").await), ["INBOX", "Work"]);
    let mut again = murder.session("alice").await;
    again.ok("SELECT Work").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x8_a_list_that_names_the_front_end_itself_leads_nowhere() {
    let mut murder = Murder::start().await;
    let at: murder::config::HostPort = murder.frontend.address("imap").unwrap().to_string().parse().unwrap();
    put_backend(&murder.router, "fe1", at.clone(), at).await;
    let user = murder.router.user(&"bob".parse().unwrap()).await.unwrap().unwrap();
    let user = murder::routing::User { backend: "fe1".parse().unwrap(), ..user };
    murder.router.apply(murder::routing::Change::PutUser(user)).await.unwrap();
    let mut bob = murder.connect().await;
    bob.ok("LOGIN bob secret").await;
    assert!(bob.no("SELECT INBOX").await.starts_with("NO"));
    murder.be2 = None;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_an_unknown_user_and_a_wrong_password_read_alike() {
    let murder = Murder::start().await;
    let mut client = murder.connect().await;
    let wrong = client.no("LOGIN alice wrong").await;
    assert_eq!(client.no("LOGIN nobody \"wröng\"").await, wrong);
    assert!(wrong.starts_with("NO [AUTHENTICATIONFAILED]"), "{wrong}");
    // Nor do the nodes' own names lead in here.
    let mut client = murder.connect().await;
    assert_eq!(client.no("LOGIN peer secret-peer").await, wrong);
    let mut client = murder.connect().await;
    // alice NUL alice NUL secret; and with bob as authorization identity.
    assert_eq!(client.no("AUTHENTICATE PLAIN Ym9iAGFsaWNlAHNlY3JldA==").await, wrong);
    client.ok("AUTHENTICATE PLAIN YWxpY2UAYWxpY2UAc2VjcmV0").await;
    assert!(client.ok("CAPABILITY").await[0].contains(" MOVE"), "home was reached");
    assert!(client.ok("ID NIL").await[0].contains("Corbie"));
}
