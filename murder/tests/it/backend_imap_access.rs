//! IMAP at a back-end: who may do what.

use crate::backend_imap_support::{Imap, Solo, message};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_nobody_acts_for_another_but_a_proxy() {
    let solo = Solo::start().await;
    for (authzid, authcid, password, granted) in [
        ("", "alice", "secret", true),
        ("alice", "alice", "secret", true),
        ("bob", "alice", "secret", false),
        ("alice", "alice", "wrong", false),
        ("alice", "proxy", "proxy", true),
        ("", "proxy", "proxy", false),
        ("proxy", "proxy", "proxy", false),
        ("alice", "peer", "peer", false),
        ("alice", "root", "root", false),
    ] {
        let mut imap = solo.connect().await;
        let reply = imap.plain(authzid, authcid, password).await;
        let expected =
            if granted { "p OK [CAPABILITY " } else { "p NO [AUTHENTICATIONFAILED] Authentication failed" };
        assert!(reply.starts_with(expected), "{authzid} {authcid}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a_proxy_is_no_administrator_whomever_it_names() {
    let solo = Solo::start().await;
    for authzid in ["root", "peer", "ROOT"] {
        let reply = solo.connect().await.plain(authzid, "proxy", "proxy").await;
        assert!(reply.starts_with("p NO [AUTHENTICATIONFAILED]"), "{authzid}: {reply}");
    }
    solo.user("bob").await;
    let mut imap = solo.proxied("alice").await;
    solo.user("alice").await;
    imap.check("SETQUOTA user/alice (STORAGE 1)", &[], "NO [NOPERM]").await;
    imap.check("CREATE user/carol", &[], "NO [NONEXISTENT]").await;
    imap.check("CREATE news", &[], "NO [NONEXISTENT]").await;
    imap.check("DELETE user/bob", &[], "NO [CANNOT]").await;
    imap.check("SETACL user/bob alice lr", &[], "NO [NONEXISTENT]").await;
    imap.check("GETACL user/bob", &[], "NO [NONEXISTENT]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n4_verbs_of_a_cluster_exist_for_nobody_who_logs_in_here() {
    let solo = Solo::start().await;
    for mut imap in [solo.user("alice").await, solo.proxied("alice").await, solo.node("root").await] {
        for verb in ["LOCALCREATE", "LOCALDELETE", "XFER", "UNDUMP", "DUMP", "SYNCAPPLY", "RECONSTRUCT"] {
            imap.check(&format!("{verb} INBOX"), &[], "BAD Unknown command").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_manages_mailboxes_and_reads_no_mail() {
    let solo = Solo::start().await;
    let mut peer = solo.node("peer").await;
    peer.ok("CREATE user/carol").await;
    peer.check("GETACL user/carol", &["* ACL user/carol carol lrswipkxtecdan"], "OK").await;
    peer.check(
        "GETQUOTAROOT user/carol",
        &["* QUOTAROOT user/carol user/carol", "* QUOTA user/carol ()"],
        "OK",
    )
    .await;
    peer.check(
        "SETQUOTA user/carol (STORAGE 1 MESSAGE 5)",
        &["* QUOTA user/carol (STORAGE 0 1 MESSAGE 0 5)"],
        "OK",
    )
    .await;
    peer.check("SELECT user/carol", &[], "NO [NOPERM]").await;
    peer.check("EXAMINE user/carol", &[], "NO [NOPERM]").await;
    assert!(peer.append("user/carol", &message("1")).await.starts_with("NO [NOPERM]"));
    let mut carol = solo.proxied("carol").await;
    carol.ok("CREATE INBOX/Work").await;
    assert!(carol.append("INBOX", &message("1")).await.starts_with("OK"));
    assert!(carol.append("INBOX/Work", &message(&"x".repeat(1024))).await.starts_with("NO [OVERQUOTA]"));
    carol.check("GETQUOTA user/carol", &["* QUOTA user/carol (STORAGE 1 1 MESSAGE 1 5)"], "OK").await;
    carol
        .check(
            "LIST \"\" *",
            &["* LIST (\\HasChildren) \"/\" INBOX", "* LIST (\\HasNoChildren) \"/\" INBOX/Work"],
            "OK",
        )
        .await;
    peer.check("LIST \"\" user/carol/%", &["* LIST (\\HasNoChildren) \"/\" user/carol/Work"], "OK").await;
    peer.ok("CREATE news/rust").await;
    peer.ok("SETACL news/rust anyone lr").await;
    carol.check("LIST \"\" news*", &["* LIST (\\HasNoChildren) \"/\" news/rust"], "OK").await;
    carol.check("LIST \"\" news%", &["* LIST (\\Noselect \\HasChildren) \"/\" news"], "OK").await;
    peer.ok("RENAME user/carol user/caroline").await;
    peer.check("STATUS user/caroline/Work (MESSAGES)", &["* STATUS user/caroline/Work (MESSAGES 0)"], "OK")
        .await;
    // With an INBOX goes all that its user has.
    peer.ok("DELETE user/caroline").await;
    peer.check("LIST \"\" user/carol*", &[], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_mailbox_is_what_its_list_makes_of_it() {
    let solo = Solo::start().await;
    let mut alice = solo.user("alice").await;
    let mut bob = solo.user("bob").await;
    alice.ok("CREATE Plans").await;
    alice.append("Plans", &message("1")).await;
    alice.ok("SETACL Plans Bob lr").await;
    alice.check("GETACL Plans", &["* ACL Plans alice lrswipkxtecdan bob lr"], "OK").await;
    bob.check("LIST \"\" \"Other%\"", &["* LIST (\\Noselect \\HasChildren) \"/\" \"Other Users\""], "OK")
        .await;
    let plans = "\"Other Users/alice/Plans\"";
    bob.check("LIST \"\" \"Other*\"", &[&format!("* LIST (\\HasNoChildren) \"/\" {plans}")], "OK").await;
    bob.check(&format!("MYRIGHTS {plans}"), &[&format!("* MYRIGHTS {plans} lr")], "OK").await;
    assert_eq!(bob.reply(&format!("SELECT {plans}")).await, "OK [READ-ONLY] Opened to read only");
    bob.check("STORE 1 +FLAGS (\\Seen)", &[], "NO [CANNOT]").await;
    assert!(bob.append(plans, &message("2")).await.starts_with("NO [NOPERM]"));
    alice.ok("SETACL Plans bob +swi").await;
    assert!(bob.reply(&format!("SELECT {plans}")).await.starts_with("OK [READ-WRITE]"));
    // Each has seen what he has seen.
    bob.check("STORE 1 +FLAGS (\\Seen)", &["* 1 FETCH (FLAGS (\\Seen \\Recent))"], "OK").await;
    bob.check("STORE 1 +FLAGS (\\Deleted)", &[], "NO [NOPERM]").await;
    bob.check("EXPUNGE", &[], "NO [NOPERM]").await;
    alice.check("STATUS Plans (UNSEEN)", &["* STATUS Plans (UNSEEN 1)"], "OK").await;
    alice.check("SETACL Plans bob lrz", &[], "BAD").await;
    alice.check("LISTRIGHTS Plans bob", &["* LISTRIGHTS Plans bob \"\" l r s w i p k x t e a n"], "OK").await;
    // What is taken away is gone at once, from an open session too.
    alice.ok("DELETEACL Plans bob").await;
    bob.check("NOOP", &[], "OK").await;
    assert_eq!(bob.line().await, "* BYE The selected mailbox is gone\r\n");
}

/// All that can be said of a mailbox.
async fn probe(imap: &mut Imap, name: &str) -> Vec<String> {
    let mut replies = Vec::new();
    for command in [
        "SELECT {}",
        "EXAMINE {}",
        "STATUS {} (MESSAGES)",
        "DELETE {}",
        "RENAME {} mine",
        "RENAME mine {}/x",
        "GETACL {}",
        "SETACL {} bob lr",
        "DELETEACL {} bob",
        "LISTRIGHTS {} bob",
        "MYRIGHTS {}",
        "GETQUOTAROOT {}",
        "LIST \"\" {}",
        "CREATE {}",
        "CREATE {}/x",
        "SUBSCRIBE {}",
        "UNSUBSCRIBE {}",
    ] {
        let lines = imap.run(&command.replace("{}", name)).await;
        replies.push(format!("{command}: {}", lines.join("\r\n").replace(name, "{}")));
    }
    replies.push(imap.append(name, "S: x\r\n\r\n").await);
    imap.ok("SELECT mine").await;
    for command in ["COPY 1 {}", "MOVE 1 {}"] {
        replies.push(imap.reply(&command.replace("{}", name)).await);
    }
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n5_a_hidden_mailbox_is_answered_like_one_that_does_not_exist() {
    let solo = Solo::start().await;
    let mut alice = solo.user("alice").await;
    alice.ok("CREATE hidden").await;
    let mut bob = solo.user("bob").await;
    bob.ok("CREATE mine").await;
    bob.append("mine", &message("1")).await;
    let hidden = probe(&mut bob, "\"Other Users/alice/hidden\"").await;
    let absent = probe(&mut bob, "\"Other Users/alice/absent\"").await;
    assert_eq!(hidden, absent);
    let nobody = probe(&mut bob, "\"Other Users/nobody/absent\"").await;
    assert_eq!(hidden, nobody);
    assert!(hidden[0].contains("NO [NONEXISTENT] No such mailbox"), "{hidden:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_of_a_server_that_runs_alone_makes_shared_mailboxes() {
    let solo = Solo::start().await;
    let mut root = solo.node("root").await;
    root.ok("CREATE news").await;
    root.ok("SETACL news anyone lr").await;
    assert!(root.reply("EXAMINE news").await.starts_with("OK [READ-ONLY]"));
    let mut alice = solo.user("alice").await;
    alice.check("LIST \"\" Shared*", &["* LIST (\\HasNoChildren) \"/\" \"Shared Folders/news\""], "OK").await;
    root.check("SELECT user/alice", &[], "NO [NOPERM]").await;
}
