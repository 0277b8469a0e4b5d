//! LMTP in, POP3 out, on a back-end that runs alone.

use crate::backend_support::{Lines, make_users, start};

async fn hello(running: &murder::node::Running) -> Lines {
    let mut lmtp = Lines::connect(running, "lmtp").await;
    assert!(lmtp.line().await.starts_with("220 solo"));
    lmtp.send("LHLO test\r\n").await;
    while !lmtp.line().await.starts_with("250 ") {}
    lmtp
}

async fn pop3(running: &murder::node::Running, login: &str) -> Lines {
    let mut pop3 = Lines::connect(running, "pop3").await;
    assert!(pop3.line().await.starts_with("+OK"));
    assert!(pop3.ask(&format!("USER {login}")).await.starts_with("+OK"));
    let answer = pop3.ask("PASS secret").await;
    assert!(answer.starts_with("+OK"), "{answer}");
    pop3
}

/// Delivers a message; the answer has the replies to MAIL, to each RCPT, and to the message for each accepted one.
async fn deliver(lmtp: &mut Lines, mail: &str, to: &[&str], message: &str) -> Vec<String> {
    let mut replies = vec![lmtp.ask(&format!("MAIL FROM:<s@elsewhere.test>{mail}")).await];
    for recipient in to {
        replies.push(lmtp.ask(&format!("RCPT TO:<{recipient}>")).await);
    }
    let accepted = replies.iter().skip(1).filter(|reply| reply.starts_with("250")).count();
    if accepted > 0 {
        assert!(lmtp.ask("DATA").await.starts_with("354"));
        lmtp.send(&format!("{message}.\r\n")).await;
        for _ in 0..accepted {
            replies.push(lmtp.line().await);
        }
    } else {
        lmtp.ask("RSET").await;
    }
    replies.into_iter().map(|reply| reply.chars().take(9).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn q6_each_accepted_recipient_gets_a_reply_and_the_message() {
    let folder = tempfile::tempdir().unwrap();
    make_users(folder.path()).await;
    let running = start(folder.path(), "").await;
    // The first login makes the INBOX.
    for login in ["alice", "bob"] {
        pop3(&running, login).await.ask("QUIT").await;
    }
    let mut lmtp = hello(&running).await;
    let message = "Subject: one\r\n\r\n..stuffed\r\nend\r\n";
    let replies = deliver(&mut lmtp, "", &["alice", "nobody", "bob@any.test"], message).await;
    let expected = ["250 2.1.0", "250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.0.0", "250 2.0.0"];
    assert_eq!(replies, expected);

    let mut drop = pop3(&running, "bob").await;
    assert!(drop.ask("STAT").await.starts_with("+OK 1 "));
    assert!(drop.ask("RETR 1").await.starts_with("+OK"));
    let lines = drop.lines_to_dot().await;
    assert_eq!(lines.first().map(String::as_str), Some("Return-Path: <s@elsewhere.test>"));
    assert!(lines.iter().any(|line| line.starts_with("Received: from ")));
    let sent = lines.iter().position(|line| line == "Subject: one").unwrap();
    assert_eq!(lines[sent..], ["Subject: one", "", "..stuffed", "end"]);
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q5_a_delivery_that_is_repeated_under_its_id_is_answered_and_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    make_users(folder.path()).await;
    let mut running = start(folder.path(), "").await;
    for login in ["alice", "bob"] {
        pop3(&running, login).await.ask("QUIT").await;
    }
    let message = "Subject: once\r\n\r\nx\r\n";
    for round in 0..3 {
        let mut lmtp = hello(&running).await;
        let replies = deliver(&mut lmtp, " XCORBIEID=q7.1", &["alice", "bob"], message).await;
        assert_eq!(replies.last().map(String::as_str), Some("250 2.0.0"), "round {round}");
        if round == 1 {
            // The id is kept with the delivery, so it outlives the process.
            running.shut_down().await;
            running = start(folder.path(), "").await;
        }
    }
    for login in ["alice", "bob"] {
        let mut drop = pop3(&running, login).await;
        assert!(drop.ask("STAT").await.starts_with("+OK 1 "), "{login}");
        drop.ask("QUIT").await;
    }
    let mut lmtp = hello(&running).await;
    deliver(&mut lmtp, " XCORBIEID=q7.2", &["alice"], message).await;
    assert!(pop3(&running, "alice").await.ask("STAT").await.starts_with("+OK 2 "));
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildrop_is_one_session_s_and_is_emptied_at_quit_only() {
    let folder = tempfile::tempdir().unwrap();
    make_users(folder.path()).await;
    let running = start(folder.path(), "").await;
    pop3(&running, "alice").await.ask("QUIT").await;
    let mut lmtp = hello(&running).await;
    for n in 0..3 {
        deliver(&mut lmtp, "", &["alice"], &format!("Subject: {n}\r\n\r\nx\r\n")).await;
    }
    let mut first = pop3(&running, "alice").await;
    let mut second = Lines::connect(&running, "pop3").await;
    second.line().await;
    second.ask("USER alice").await;
    assert!(second.ask("PASS secret").await.starts_with("-ERR [IN-USE]"));

    first.send("UIDL\r\n").await;
    assert!(first.line().await.starts_with("+OK"));
    let before = first.lines_to_dot().await;
    assert!(first.ask("DELE 2").await.starts_with("+OK"));
    assert!(first.ask("RETR 2").await.starts_with("-ERR"));
    drop(first); // without QUIT: nothing is removed

    let mut third = loop {
        let mut again = Lines::connect(&running, "pop3").await;
        again.line().await;
        again.ask("USER alice").await;
        if again.ask("PASS secret").await.starts_with("+OK") {
            break again;
        }
    };
    third.send("UIDL\r\n").await;
    third.line().await;
    assert_eq!(third.lines_to_dot().await, before);
    third.ask("DELE 2").await;
    assert!(third.ask("QUIT").await.starts_with("+OK"));
    let mut fourth = pop3(&running, "alice").await;
    fourth.send("UIDL\r\n").await;
    fourth.line().await;
    let after = fourth.lines_to_dot().await;
    let id = |line: &String| line.split(' ').nth(1).unwrap().to_owned();
    let left: Vec<_> = after.iter().map(id).collect();
    assert_eq!(left, [id(&before[0]), id(&before[2])]);
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_unknown_user_and_wrong_password_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    make_users(folder.path()).await;
    let running = start(folder.path(), "").await;
    let mut answers = Vec::new();
    for login in ["alice", "nobody"] {
        let mut pop3 = Lines::connect(&running, "pop3").await;
        pop3.line().await;
        answers.push((pop3.ask(&format!("USER {login}")).await, pop3.ask("PASS wrong").await));
    }
    assert_eq!(answers.first(), answers.last());
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_taken_from_trusted_networks_only() {
    let folder = tempfile::tempdir().unwrap();
    make_users(folder.path()).await;
    let running = start(folder.path(), "[lmtp]\ntrusted_networks = [\"192.0.2.0/24\"]\n").await;
    let mut lmtp = hello(&running).await;
    assert!(lmtp.ask("MAIL FROM:<s@elsewhere.test>").await.starts_with("530 "));
    // A user's password opens no door for delivery.
    assert!(lmtp.ask("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await.starts_with("535 "));
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_streams_through_and_one_above_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    make_users(folder.path()).await;
    let running = start(folder.path(), "[limits]\nmessage_bytes_max = 3000000\n").await;
    pop3(&running, "alice").await.ask("QUIT").await;
    let mut lmtp = hello(&running).await;
    let text = |lines: usize| {
        format!(
            "Subject: big\r\n\r\n{}",
            "0123456789abcdef0123456789abcdef0123456789abcdef\r\n".repeat(lines)
        )
    };
    let replies = deliver(&mut lmtp, "", &["alice"], &text(50_000)).await;
    assert_eq!(replies.last().map(String::as_str), Some("250 2.0.0"));
    let replies = deliver(&mut lmtp, "", &["alice"], &text(70_000)).await;
    assert!(replies.last().is_some_and(|reply| reply.starts_with("552")), "{replies:?}");

    let mut drop = pop3(&running, "alice").await;
    assert!(drop.ask("RETR 1").await.starts_with("+OK"));
    assert_eq!(
        drop.lines_to_dot().await.iter().filter(|line| line.starts_with("0123456789")).count(),
        50_000
    );
    assert!(drop.ask("TOP 1 2").await.starts_with("+OK"));
    assert_eq!(drop.lines_to_dot().await.iter().filter(|line| line.starts_with("0123456789")).count(), 2);
    assert!(drop.ask("QUIT").await.starts_with("+OK"));
    assert_eq!(drop.rest().await, "");
    running.shut_down().await;
}
