//! The mail hub of a front-end, over real sockets: in by SMTP, out to real back-ends and to strange ones.

use std::time::Duration;

use crate::hub_support::{Client, Goes, Play, Site, Strange};

const MESSAGE: &str = "From: someone@elsewhere.test\r\nSubject: hello\r\n\r\n..dots and \u{e9}\r\n";
const FROM: &str = "someone@elsewhere.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_for_users_of_two_back_ends_comes_in_once_and_reaches_both() {
    let site = Site::start().await;
    let mut mx = site.mx().await;
    assert_eq!(mx.code(&format!("MAIL FROM:<{FROM}>")).await, 250);
    for (to, code) in [("alice", 250), ("carol", 250), ("nobody", 550), ("bob+Work", 250), ("alice", 250)] {
        assert_eq!(mx.code(&format!("RCPT TO:<{to}@example.test>")).await, code, "{to}");
    }
    assert_eq!(mx.code("DATA").await, 354);
    mx.send(&format!("{}.\r\n", MESSAGE.replace("\r\n.", "\r\n.."))).await;
    assert!(mx.reply().await.starts_with("250 2.0.0 Queued as "));
    for login in ["alice", "carol", "bob"] {
        let message = site.inbox(login, 1).await.pop().unwrap();
        let (trace, rest) = message.split_once("From: someone").unwrap();
        assert_eq!(format!("From: someone{rest}"), MESSAGE);
        assert!(trace.starts_with("Return-Path: <someone@elsewhere.test>\r\nReceived: "), "{trace}");
        assert!(
            trace.contains("Received: from client.test ([127.0.0.1])\r\n\tby mx.example.test with ESMTP id ")
        );
    }
    site.queue(<[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q1_nothing_is_relayed_for_anybody() {
    let site = Site::start().await;
    let relayed = Strange::smtp(vec![]).await;
    site.relay("relayed.test", relayed.address).await;
    site.address("closed@example.test", Goes::Reject("This list is closed")).await;
    let tricks = [
        ("<victim@elsewhere.test>", 550),
        ("<victim%elsewhere.test@example.test>", 550),
        ("<\"victim@elsewhere.test\"@example.test>", 550),
        ("<elsewhere.test!victim@example.test>", 550),
        ("<victim%elsewhere.test@[127.0.0.1]>", 550),
        ("<victim@[127.0.0.1]>", 550),
        ("<victim@elsewhere.test@example.test>", 501),
        ("<@example.test:victim@elsewhere.test>", 550),
        ("<@example.test,@mx.example.test:victim@elsewhere.test>", 550),
        ("<\"victim@elsewhere.test\">", 553),
        ("<victim@example.test.elsewhere.test>", 550),
        ("<@elsewhere.test:alice@example.test>", 250),
        ("<alice@EXAMPLE.test>", 250),
        ("<anyone@relayed.test>", 250),
        ("<closed@example.test>", 554),
    ];
    for from in ["someone@elsewhere.test", "alice@example.test", ""] {
        let mut mx = site.mx().await;
        assert_eq!(mx.code(&format!("MAIL FROM:<{from}>")).await, 250);
        for (trick, code) in tricks {
            let reply = mx.ask(&format!("RCPT TO:{trick}")).await;
            assert!(reply.starts_with(&code.to_string()), "{trick}: {reply}");
        }
    }
    let mut user = site.submission("alice").await;
    assert_eq!(user.code("MAIL FROM:<alice@example.test>").await, 250);
    assert_eq!(user.ask("RCPT TO:<victim@elsewhere.test>").await, "550 5.4.4 No route to this domain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submission_needs_a_login_and_a_sender_of_one_s_own() {
    let site = Site::start().await;
    site.address("sales@example.test", Goes::Forward(&["alice@example.test", "bob@example.test"])).await;
    let mut nobody = Client::connect(site.frontend.as_ref().unwrap(), "submission").await;
    assert_eq!(nobody.code("MAIL FROM:<alice@example.test>").await, 530);
    assert_eq!(nobody.code("AUTH PLAIN AGFsaWNlAHdyb25n").await, 535);
    let mut alice = site.submission("alice").await;
    for (from, code) in [
        ("bob@example.test", 553),
        ("alice@elsewhere.test", 553),
        ("nobody@example.test", 553),
        ("alice@[127.0.0.1]", 553),
        ("sales@example.test", 250),
    ] {
        assert_eq!(alice.code(&format!("MAIL FROM:<{from}>")).await, code, "{from}");
    }
    assert_eq!(alice.code("RSET").await, 250);
    let sent = alice.mail("alice@example.test", &["carol@example.test"], "Subject: x\r\n\r\nhi").await;
    assert!(sent.starts_with("250 "), "{sent}");
    let message = site.inbox("carol", 1).await.pop().unwrap();
    assert!(
        message.contains(" with ESMTPA id ") && message.contains("for <carol@example.test>;"),
        "{message}"
    );
    // The MX offers no login at all.
    assert_eq!(site.mx().await.code("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await, 502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q2_loops_end() {
    let site = Site::start().await;
    let elsewhere = Strange::smtp(vec![]).await;
    site.relay("relayed.test", elsewhere.address).await;
    for (one, two) in [("a", "b"), ("b", "c"), ("c", "a")] {
        site.address(&format!("{one}@example.test"), Goes::Forward(&[&format!("{two}@example.test")])).await;
    }
    site.address("all@example.test", Goes::Forward(&["alice@example.test", "more@example.test"])).await;
    site.address("more@example.test", Goes::Forward(&["all@example.test", "alice@example.test"])).await;
    site.address("out@example.test", Goes::Forward(&["x@relayed.test"])).await;
    let mut mx = site.mx().await;
    assert_eq!(mx.code("MAIL FROM:<>").await, 250);
    let ring = mx.ask("RCPT TO:<a@example.test>").await;
    assert!(ring.starts_with("554 5.4.6 "), "{ring}");
    assert_eq!(mx.code("RSET").await, 250);

    let hops =
        |count: usize| format!("{}Subject: x\r\n\r\nReceived: no\r\n", "Received: from x\r\n".repeat(count));
    let looping = mx.mail("", &["alice@example.test"], &hops(101)).await;
    assert!(looping.starts_with("554 5.4.6 "), "{looping}");
    let fine = mx.mail("", &["all@example.test"], &hops(100)).await;
    assert!(fine.starts_with("250 "), "{fine}");
    site.inbox("alice", 1).await;

    let out = mx.mail("", &["out@example.test"], "Subject: y\r\n\r\n").await;
    assert!(out.starts_with("250 "), "{out}");
    let sent = elsewhere.received(1).await.pop().unwrap();
    assert_eq!(sent.to, ["<x@relayed.test>"]);
    assert!(sent.text.starts_with("Delivered-To: out@example.test\r\nReceived: "), "{}", sent.text);
    let back = mx.mail("", &["out@example.test"], sent.text.trim_end()).await;
    assert!(back.starts_with("554 5.4.6 "), "{back}");
    site.queue(<[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q5_what_was_answered_250_arrives_once_whoever_is_killed() {
    let mut site = Site::start_with("queue = { first_retry_seconds = 3600 }").await;
    site.be2.take();
    let mut mx = site.mx().await;
    for n in 0..20 {
        let text = format!("Subject: {n}\r\n\r\n{}", "line\r\n".repeat(if n == 7 { 60_000 } else { 1 }));
        let reply = mx.mail(FROM, &["alice@example.test", "carol@example.test"], &text).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    site.inbox("alice", 20).await;
    site.queue(|rows| {
        rows.len() == 20 && rows.iter().all(|row| row["recipients"].as_array().unwrap().len() == 1)
    })
    .await;
    // Killed: nobody says goodbye to anybody.
    site.frontend.take();
    drop(mx);
    site.start_frontend().await;
    site.queue(|rows| rows.len() == 20).await;
    site.start_be2().await;
    let mut messages = site.inbox("carol", 20).await;
    site.queue(<[_]>::is_empty).await;
    messages.extend(site.inbox("alice", 20).await);
    for n in 0..20 {
        let subject = format!("Subject: {n}\r\n");
        assert_eq!(messages.iter().filter(|message| message.contains(&subject)).count(), 2, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q5_a_delivery_that_breaks_off_is_repeated_under_the_same_id() {
    // The wait is longer than the test: the delivery is repeated as soon as the server answers again.
    let site = Site::start_with("queue = { first_retry_seconds = 3600 }").await;
    let strange = Strange::lmtp(vec![Play::Hang]).await;
    site.divert_be2(strange.address).await;
    let reply = site.mx().await.mail(FROM, &["carol@example.test", "dave@example.test"], MESSAGE).await;
    let received = strange.received(2).await;
    let ids: Vec<_> = received.iter().map(|message| message.id.clone().unwrap()).collect();
    assert_eq!(ids[0], ids[1]);
    assert!(reply.ends_with(&ids[0]), "{reply}: {ids:?}");
    assert_eq!(received[0].text, received[1].text);
    site.queue(<[_]>::is_empty).await;
    assert_eq!(strange.received(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q6_each_recipient_has_its_own_fate_and_failures_are_reported() {
    let site = Site::start_with("queue = { first_retry_seconds = 1 }").await;
    let plays = vec![Play::Answer(vec!["452 4.2.2 Over quota", "550 5.7.1 You, not"])];
    let strange = Strange::lmtp(plays).await;
    site.divert_be2(strange.address).await;
    let mut alice = site.submission("alice").await;
    let to = ["carol@example.test", "dave@example.test", "bob@example.test"];
    let reply = alice.mail("alice@example.test", &to, "Subject: secret plans\r\n\r\nthe body").await;
    let id = reply.rsplit(' ').next().unwrap();
    let received = strange.received(2).await;
    assert_eq!(received[0].to, ["<carol>", "<dave>"]);
    assert_eq!(received[1].to, ["<carol>"], "only what was temporary is tried again");
    site.inbox("bob", 1).await;
    let report = site.inbox("alice", 1).await.pop().unwrap();
    for part in [
        "Return-Path: <>\r\n",
        "From: \"Mail Delivery System\" <MAILER-DAEMON@mx.example.test>\r\n",
        "Content-Type: multipart/report; report-type=\"delivery-status\"",
        "Final-Recipient: rfc822; dave@example.test\r\nAction: failed\r\nStatus: 5.7.1\r\n",
        "Remote-MTA: dns; be2\r\nDiagnostic-Code: smtp; 550 5.7.1 You, not\r\n",
        "Subject: secret plans\r\n",
        &format!("X-Queue-ID: {id}\r\n"),
    ] {
        assert!(report.contains(part), "{part:?} in {report}");
    }
    assert!(!report.contains("the body") && !report.contains("carol@example.test\r\nAction"), "{report}");
    site.queue(<[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q4_a_report_that_fails_is_buried_and_reported_to_nobody() {
    let site = Site::start().await;
    let strange =
        Strange::lmtp(vec![Play::Answer(vec!["550 5.1.1 no"]), Play::Answer(vec!["550 5.1.1 no"])]).await;
    site.divert_be2(strange.address).await;
    let mut mx = site.mx().await;
    // The sender of a report.
    assert!(mx.mail("", &["carol@example.test"], MESSAGE).await.starts_with("250 "));
    strange.received(1).await;
    // A sender to whom no mail can go.
    assert!(mx.mail(FROM, &["carol@example.test"], MESSAGE).await.starts_with("250 "));
    strange.received(2).await;
    site.queue(<[_]>::is_empty).await;
    let status = site.admin("GET /status.json").await;
    assert!(status.contains(r#"["dead letters","2"]"#), "{status}");
    assert_eq!(strange.received(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_given_up_when_its_time_is_over_and_its_sender_told() {
    let mut site =
        Site::start_with("queue = { first_retry_seconds = 2, retry_seconds_max = 2, lifetime_seconds = 3 }")
            .await;
    site.be2.take();
    let mut alice = site.submission("alice").await;
    assert!(alice.mail("alice@example.test", &["carol@example.test"], MESSAGE).await.starts_with("250 "));
    let report = site.inbox("alice", 1).await.pop().unwrap();
    assert!(
        report.contains("Final-Recipient: rfc822; carol@example.test\r\nAction: failed\r\nStatus: 5.4.7\r\n")
    );
    assert!(report.contains("Given up after too long: "), "{report}");
    site.queue(<[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_is_shown_and_flushed() {
    let site = Site::start_with("queue = { first_retry_seconds = 3600 }").await;
    let strange = Strange::lmtp(vec![Play::Answer(vec!["451 4.3.0 not \"now\""])]).await;
    site.divert_be2(strange.address).await;
    let reply = site.mx().await.mail(FROM, &["carol@example.test"], MESSAGE).await;
    strange.received(1).await;
    let waits = |rows: &[serde_json::Value]| {
        rows.len() == 1 && !rows[0]["next_attempt_at"].as_str().unwrap().is_empty()
    };
    let row = site.queue(waits).await.pop().unwrap();
    assert!(reply.ends_with(row["id"].as_str().unwrap()));
    assert_eq!((row["sender"].as_str(), row["attempts"].as_u64()), (Some(FROM), Some(1)));
    assert_eq!(row["recipients"][0], "carol@example.test");
    assert!(row["last_error"].as_str().unwrap().starts_with("451 4.3.0 not "));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(strange.received(1).await.len(), 1, "an hour is not over yet");
    let answer = site.admin("POST /queue/flush").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"messages":1}"#), "{answer}");
    site.queue(<[_]>::is_empty).await;
    strange.received(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_known_is_refused_for_now_and_never_for_good() {
    let mut site = Site::start_with("autocreate = false").await;
    let mut mx = site.mx().await;
    assert_eq!(mx.code("MAIL FROM:<>").await, 250);
    assert_eq!(
        mx.code("RCPT TO:<carol@example.test>").await,
        550,
        "the list is up to date, and she is not there"
    );
    site.master.take();
    let mut code = 550;
    for _ in 0..100 {
        // It takes a moment until the replica has noticed.
        code = mx.code("RCPT TO:<carol@example.test>").await;
        if code != 550 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(code, 451);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_at_max_and_not_beyond() {
    let site = Site::start_with("limits = { message_bytes_max = 10000, recipients_max = 2 }").await;
    let mut mx = site.mx().await;
    assert_eq!(mx.code("MAIL FROM:<> SIZE=10001").await, 552);
    assert_eq!(mx.code("MAIL FROM:<> SIZE=10000").await, 250);
    for (to, code) in [("alice", 250), ("bob", 250), ("carol", 452)] {
        assert_eq!(mx.code(&format!("RCPT TO:<{to}@example.test>")).await, code);
    }
    assert_eq!(mx.code("RSET").await, 250);
    for (bytes, code) in [(10_000, "250"), (10_001, "552")] {
        let text = format!("Subject: x\r\n\r\n{}", "x".repeat(bytes - 16));
        let reply = mx.mail("", &["alice@example.test"], &text).await;
        assert!(reply.starts_with(code), "{bytes}: {reply}");
    }
    site.inbox("alice", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_postmaster_without_a_domain_is_somebody() {
    let site = Site::start().await;
    let mut mx = site.mx().await;
    assert_eq!(mx.code("MAIL FROM:<>").await, 250);
    assert_eq!(mx.code("RCPT TO:<Postmaster>").await, 550);
    site.address("postmaster@example.test", Goes::To("bob")).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(mx.code("RCPT TO:<Postmaster>").await, 250);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_back_end_are_used_again_and_replaced_when_they_have_died() {
    let mut site = Site::start_with("queue = { first_retry_seconds = 3600 }").await;
    let mut mx = site.mx().await;
    assert!(mx.mail("", &["carol@example.test"], MESSAGE).await.starts_with("250 "));
    site.inbox("carol", 1).await;
    site.be2.take();
    site.start_be2().await;
    assert!(mx.mail("", &["carol@example.test"], MESSAGE).await.starts_with("250 "));
    site.inbox("carol", 2).await;
    site.queue(<[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a12_t6_passwords_go_under_tls_and_what_was_said_before_is_forgotten() {
    let certified = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["mx.example.test".to_owned()]).unwrap();
    let (cert_path, key_path) = (certified.path().join("cert.pem"), certified.path().join("key.pem"));
    std::fs::write(&cert_path, key.cert.pem()).unwrap();
    std::fs::write(&key_path, key.signing_key.serialize_pem()).unwrap();
    let tls = format!("tls = {{ cert = \"{}\", key = \"{}\" }}", cert_path.display(), key_path.display());
    let site = Site::start_with(&tls).await;
    for (service, login, word) in [
        ("smtp", None, "ESMTPS"),
        ("submission", Some("alice"), "ESMTPSA"),
        ("submissions", Some("alice"), "ESMTPSA"),
    ] {
        let address = site.frontend.as_ref().unwrap().address(service).unwrap();
        let fate = send_under_tls(address, &cert_path, service == "submissions", login).await;
        assert!(fate.starts_with("250 2.0.0 Queued as "), "{service}: {fate}");
        let count = if service == "smtp" {
            1
        } else if service == "submission" {
            2
        } else {
            3
        };
        let messages = site.inbox("bob", count).await;
        assert!(messages.last().unwrap().contains(&format!(" with {word} id ")), "{service}: {messages:?}");
    }
}

/// Sends a message to Bob by the client connection of the library; the reply to it.
async fn send_under_tls(
    address: std::net::SocketAddr,
    authority: &std::path::Path,
    tls_first: bool,
    login: Option<&str>,
) -> String {
    use mail_wire::sasl::{Authcid, Credentials};
    use murder::net::{Link, Transport, tls::Connector};
    use smtp_proto::client::{Config, Envelope, Event, Machine};
    use smtp_proto::{MailParams, Smtp};

    let connector = Connector::load(authority).unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let config = Config::new("client.test".parse().unwrap());
    let machine = Machine::<Smtp>::new(config, std::time::Instant::now());
    let mut link = Link::new(Transport::Plain(stream), address, machine);
    if tls_first {
        link.connect_tls(&connector, "mx.example.test").await.unwrap();
    }
    let envelope = || Envelope {
        reverse_path: smtp_proto::ReversePath::Address("alice@example.test".parse().unwrap()),
        params: MailParams::default(),
        recipients: vec!["bob@example.test".parse().unwrap()],
    };
    loop {
        match link.next().await.unwrap().unwrap() {
            Event::StartTls => link.connect_tls(&connector, "mx.example.test").await.unwrap(),
            Event::Ready(can) => {
                assert!(link.conn().tls().is_some());
                assert_eq!(can.has_mechanism("PLAIN"), login.is_some());
                match login {
                    Some(login) => {
                        let credentials = Credentials {
                            authcid: Authcid::new(login.as_bytes()).unwrap(),
                            authzid: None,
                            password: b"secret".to_vec().into(),
                        };
                        let proof = link.conn().tls().unwrap();
                        link.conn().login(&credentials, proof).unwrap();
                    }
                    None => link.conn().send(envelope()).unwrap(),
                }
            }
            Event::LoggedIn(_) => link.conn().send(envelope()).unwrap(),
            Event::BodyWanted => {
                link.conn().body_chunk(&"Subject: x\r\n\r\n".into()).unwrap();
                link.conn().body_end().unwrap();
            }
            Event::Fate { reply, .. } => return reply.to_string(),
            Event::LoginFailed(reply) => return reply.to_string(),
            _ => {}
        }
    }
}
