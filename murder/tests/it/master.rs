//! The master over real sockets.

use std::sync::Arc;
use std::time::Duration;

use mupdate_proto::client::{Event, Outcome};
use mupdate_proto::{Command, ServerName, mailbox_order};
use murder::net::tls::Connector;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::master_support::{
    Client, SOON, TestMaster, activate, deactivate, delete, mailbox, reserve, shown,
};

#[tokio::test]
async fn a_mailbox_is_reserved_made_known_changed_and_deleted() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    be1.ok(reserve("user.alice", "be1!default")).await;
    assert_eq!(shown(&master.list().await), ["user.alice be1!default -"]);
    be1.ok(activate("user.alice", "be1!default", "alice\tlrs\t")).await;
    be1.ok(activate("user.alice", "be1!default", "alice\tlrs\tbob\tl\t")).await;
    assert_eq!(
        shown(&be1.find("user.alice").await.into_iter().collect::<Vec<_>>()),
        ["user.alice be1!default alice lrs bob l"]
    );
    assert_eq!(be1.find("user.Alice").await, None);
    be1.ok(deactivate("user.alice", "be1!default")).await;
    assert_eq!(shown(&master.list().await), ["user.alice be1!default -"]);
    be1.ok(delete("user.alice")).await;
    assert_eq!(master.list().await, []);
}

/// A rename by a Cyrus back-end, as it was seen on the wire.
#[tokio::test]
async fn a_location_with_an_empty_partition_is_taken_and_kept() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    be1.ok(activate("user.alice.Old", "be1!default", "alice\tlrs\t")).await;
    be1.ok(delete("user.alice.Old")).await;
    be1.ok(reserve("user.alice.New", "be1!")).await;
    be1.ok(activate("user.alice.New", "be1!", "alice\tlrs\t")).await;
    be1.ok(activate("DELETED.user.alice.6B05", "be1", "")).await;
    assert_eq!(shown(&master.list().await), ["DELETED.user.alice.6B05 be1", "user.alice.New be1! alice lrs"]);
    be1.ok(activate("user.alice.New", "be1!default", "alice\tlrs\t")).await;
    assert_eq!(shown(&be1.list(Some("be1!")).await), ["user.alice.New be1!default alice lrs"]);
}

#[tokio::test]
async fn x6_of_two_servers_that_reserve_a_name_at_once_one_has_it() {
    let master = TestMaster::start().await;
    let (mut be1, mut be2) = (master.client("be1").await, master.client("be2").await);
    for round in 0..40 {
        let name = format!("user.race{round}");
        let (change1, change2) = (reserve(&name, "be1!x"), reserve(&name, "be2!x"));
        let ((one, _), (other, text)) = tokio::join!(be1.change(change1), be2.change(change2));
        assert_ne!(one, other, "{text}");
        let (winner, loser, place) = if one == Outcome::Ok {
            (&mut be1, &mut be2, ["be1!x", "be2!x"])
        } else {
            (&mut be2, &mut be1, ["be2!x", "be1!x"])
        };
        loser.no(activate(&name, place[1], ""), "mailbox already exists").await;
        loser.no(delete(&name), "not at the location of this login").await;
        winner.ok(activate(&name, place[0], "")).await;
        loser.no(reserve(&name, place[1]), "mailbox already exists").await;
    }
}

#[tokio::test]
async fn x6_a_reservation_that_nobody_uses_expires() {
    let mut master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    let mut be2 = master.client("be2").await;
    be1.ok(reserve("user.dead", "be1!x")).await;
    master.clock.advance(Duration::from_millis(59_999));
    be2.no(reserve("user.dead", "be2!x"), "mailbox already exists").await;
    // Who has it and until when outlives a crash.
    master.kill().await;
    master.run().await;
    let mut be2 = master.client("be2").await;
    be2.no(reserve("user.dead", "be2!x"), "mailbox already exists").await;
    master.clock.advance(Duration::from_millis(1));
    be2.ok(reserve("user.dead", "be2!x")).await;
    let mut be1 = master.client("be1").await;
    be1.no(activate("user.dead", "be1!x", ""), "mailbox already exists").await;
}

/// Cyrus's XFER: the source gives the mailbox to the target, which activates it, or the source takes it back.
#[tokio::test]
async fn a_mailbox_that_moves_belongs_to_its_old_and_new_server_alone_until_it_has() {
    let master = TestMaster::start().await;
    let (mut be1, mut be2, mut be3) =
        (master.client("be1").await, master.client("be2").await, master.client("be3").await);
    be1.ok(activate("user.alice", "be1!x", "")).await;
    be1.ok(deactivate("user.alice", "be2!y")).await;
    master.clock.advance(Duration::from_secs(86_400));
    be3.no(reserve("user.alice", "be3!z"), "mailbox already exists").await;
    be1.ok(activate("user.alice", "be1!x", "")).await;
    be1.ok(deactivate("user.alice", "be2!y")).await;
    be2.ok(activate("user.alice", "be2!y", "")).await;
    be1.no(activate("user.alice", "be1!x", ""), "mailbox already exists").await;
    be1.no(deactivate("user.alice", "be1!x"), "not at the location of this login").await;
}

#[tokio::test]
async fn what_kills_the_master_of_cyrus_is_answered_no() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    be1.no(delete("user.nobody"), "no such mailbox").await;
    be1.no(deactivate("user.nobody", "be1!x"), "mailbox not currently active").await;
    be1.ok(reserve("user.nobody", "be1!x")).await;
    be1.no(deactivate("user.nobody", "be1!x"), "mailbox not currently active").await;
    // A literal beyond all limits costs its sender his connection at most.
    let mut rude = TcpStream::connect(master.address).await.unwrap();
    rude.write_all(b"A1 AUTHENTICATE \"PLAIN\" {99999999+}\r\n").await.unwrap();
    rude.shutdown().await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(SOON, rude.read_to_end(&mut said)).await.unwrap().unwrap();
    assert_eq!(be1.list(None).await.len(), 1);
}

#[tokio::test]
async fn a_back_end_changes_only_what_is_at_its_own_location_and_a_reader_nothing() {
    let master = TestMaster::start().await;
    let (mut be1, mut be2, mut fe1) =
        (master.client("be1").await, master.client("be2").await, master.client("fe1").await);
    be1.ok(activate("user.alice", "be1!x", "")).await;
    let not_yours = "not at the location of this login";
    be2.no(activate("user.bob", "be1!x", ""), not_yours).await;
    be2.no(reserve("user.bob", "be1!x"), not_yours).await;
    be2.no(activate("user.alice", "be2!x", ""), "mailbox already exists").await;
    be2.no(delete("user.alice"), not_yours).await;
    be2.no(deactivate("user.alice", "be2!x"), not_yours).await;
    for change in [
        reserve("user.bob", "fe1!x"),
        activate("user.bob", "fe1!x", ""),
        deactivate("user.alice", "be1!x"),
        delete("user.alice"),
    ] {
        fe1.no(change, "this login may only read").await;
    }
    assert_eq!(shown(&master.list().await), ["user.alice be1!x"]);
}

#[tokio::test]
async fn a1_a_login_is_for_its_own_name_and_needs_its_own_password() {
    let master = TestMaster::start().await;
    for (login, authzid, password, good) in [
        ("be1", None, "secret-be1", true),
        ("be1", Some("be1"), "secret-be1", true),
        ("be1", Some("be2"), "secret-be1", false),
        ("be1", None, "secret-be2", false),
        ("nobody", None, "secret-be1", false),
    ] {
        let mut client = Client::connect(master.address).await;
        assert_eq!(client.log_in(login, authzid, password).await, good, "{login} {authzid:?}");
        if good {
            assert_eq!(client.list(None).await, []);
        }
    }
}

#[tokio::test]
async fn list_and_update_come_in_the_order_of_mupdate() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    let names = [
        "user.a-b",
        "user.a b",
        "user.a.b",
        "user.a",
        "user.a0",
        "aaa",
        "user.a!",
        "bad..name",
        "user.\u{e9}",
    ];
    for name in names {
        be1.ok(activate(name, "be1!x", "")).await;
    }
    let listed = master.list().await;
    assert_eq!(listed.len(), names.len());
    assert!(listed.is_sorted_by(|a, b| mailbox_order(a.name.as_bytes(), b.name.as_bytes()).is_lt()));
    let mut slave = master.client("fe1").await;
    assert_eq!(slave.entries(&Command::Update(vec![])).await, listed);
}

#[tokio::test]
async fn a_stream_tells_each_change_at_once_and_noop_is_a_barrier() {
    let master = TestMaster::start().await;
    let (mut be1, mut slave) = (master.client("be1").await, master.client("fe1").await);
    be1.ok(activate("user.a", "be1!x", "")).await;
    assert_eq!(shown(&slave.entries(&Command::Update(vec![])).await), ["user.a be1!x"]);
    be1.ok(reserve("user.b", "be1!x")).await;
    let Event::Entry { entry, .. } = slave.event().await else { panic!() };
    assert_eq!(shown(&[entry]), ["user.b be1!x -"]);
    be1.ok(activate("user.b", "be1!x", "b\tlr\t")).await;
    be1.ok(delete("user.a")).await;
    let noop = slave.link.conn().send(&Command::Noop).unwrap();
    let Event::Entry { entry, .. } = slave.event().await else { panic!() };
    assert_eq!(shown(&[entry]), ["user.b be1!x b lr"]);
    assert_eq!(slave.event().await, Event::Deleted(mailbox("user.a")));
    assert!(
        matches!(slave.event().await, Event::Completed { command, outcome: Outcome::Ok, .. } if command == noop)
    );
}

#[tokio::test]
async fn a_partial_stream_has_the_entries_of_its_servers() {
    let master = TestMaster::start().await;
    let (mut be1, mut be2, mut slave) =
        (master.client("be1").await, master.client("be2").await, master.client("fe1").await);
    be1.ok(activate("user.a", "be1!x", "")).await;
    be2.ok(activate("user.b", "be2!x", "")).await;
    let servers = vec![ServerName::new("be2").unwrap()];
    assert_eq!(shown(&slave.entries(&Command::Update(servers)).await), ["user.b be2!x"]);
    be1.ok(activate("user.c", "be1!x", "")).await;
    be1.ok(deactivate("user.a", "be2!y")).await;
    be2.ok(activate("user.a", "be2!y", "")).await;
    be2.ok(delete("user.b")).await;
    slave.link.conn().send(&Command::Noop).unwrap();
    let mut told = Vec::new();
    loop {
        match slave.event().await {
            Event::Entry { entry, .. } => told.extend(shown(&[entry])),
            Event::Deleted(name) => told.push(format!("no {name}")),
            _ => break,
        }
    }
    assert_eq!(told, ["user.a be2!y -", "user.a be2!y", "no user.b"]);
}

#[tokio::test]
async fn the_list_outlives_crashes_at_any_time() {
    let mut master = TestMaster::start().await;
    let mut expected = Vec::new();
    for round in 0..5 {
        let mut be1 = master.client("be1").await;
        for number in 0..20 {
            let name = format!("user.m{round}.{number:02}");
            be1.ok(activate(&name, "be1!x", "a\tlr\t")).await;
            expected.push(name);
        }
        let gone = expected.remove(round * 3);
        be1.ok(delete(&gone)).await;
        // This one is not waited for: it may be there, or not.
        be1.link.conn().send(&Command::Change(activate("zzz", "be1!x", ""))).unwrap();
        let _ = be1.link.flush().await;
        master.kill().await;
        master.run().await;
        let listed: Vec<String> = master.list().await.iter().map(|entry| entry.name.to_string()).collect();
        let known: Vec<String> = listed.into_iter().filter(|name| name != "zzz").collect();
        assert_eq!(known, expected);
    }
}

/// The bytes of a Cyrus back-end: non-synchronising literals, authzid, fixed tags.
#[tokio::test]
async fn the_dialogue_of_a_cyrus_back_end_is_understood() {
    let master = TestMaster::start().await;
    let mut stream = TcpStream::connect(master.address).await.unwrap();
    let read = async |stream: &mut TcpStream, until: &str| {
        let mut said = String::new();
        while !said.ends_with(until) {
            let mut byte = [0];
            tokio::time::timeout(SOON, stream.read_exact(&mut byte)).await.unwrap().unwrap();
            said.push(char::from(byte[0]));
        }
        said
    };
    let banner = read(&mut stream, "\"(master)\"\r\n").await;
    assert!(
        banner.starts_with("* AUTH \"PLAIN\"\r\n* PARTIAL-UPDATE\r\n* OK MUPDATE \"master\" \"Corbie\" "),
        "{banner}"
    );
    // be1 NUL be1 NUL secret-be1
    stream.write_all(b"A01 AUTHENTICATE \"PLAIN\" {24+}\r\nYmUxAGJlMQBzZWNyZXQtYmUx\r\n").await.unwrap();
    assert_eq!(read(&mut stream, "\r\n").await, "A01 OK \"Authenticated\"\r\n");
    stream.write_all(b"X0 RESERVE {10+}\r\nuser.alice {11+}\r\nbe1!default\r\n").await.unwrap();
    assert_eq!(read(&mut stream, "\r\n").await, "X0 OK \"done\"\r\n");
    stream
        .write_all(b"X1 ACTIVATE {10+}\r\nuser.alice {11+}\r\nbe1!default {10+}\r\nalice\tlrs\t\r\n")
        .await
        .unwrap();
    assert_eq!(read(&mut stream, "\r\n").await, "X1 OK \"done\"\r\n");
    stream.write_all(b"X2 LIST {4+}\r\nbe1!\r\nQ01 LOGOUT\r\n").await.unwrap();
    assert_eq!(
        read(&mut stream, "bye-bye\"\r\n").await,
        "X2 MAILBOX \"user.alice\" \"be1!default\" \"alice\tlrs\t\"\r\nX2 OK \"List completed\"\r\nQ01 BYE \"bye-bye\"\r\n"
    );
}

#[tokio::test]
async fn a_login_behind_starttls_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert_path, key_path) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert_path, key.cert.pem()).unwrap();
    std::fs::write(&key_path, key.signing_key.serialize_pem()).unwrap();
    let extra = format!("tls = {{ cert = \"{}\", key = \"{}\" }}\n", cert_path.display(), key_path.display());
    let master = TestMaster::start_with(&extra).await;
    let connector = Connector::load(&cert_path).unwrap();
    let mut client = Client::connect_tls(master.address, &connector).await;
    assert!(client.log_in("be1", None, "secret-be1").await);
    assert!(client.link.conn().tls().is_some());
    client.ok(activate("user.a", "be1!x", "")).await;
}

#[tokio::test]
async fn ten_thousand_entries_are_listed_and_streamed_alike() {
    let master = TestMaster::start().await;
    // Several at once share a flush.
    let mut back_ends = Vec::new();
    for part in 0..10 {
        let mut be1 = master.client("be1").await;
        back_ends.push(tokio::spawn(async move {
            for number in 0..1_000 {
                be1.ok(activate(&format!("user.u{part}{number:03}"), "be1!default", "u\tlrswipkxtecdan\t"))
                    .await;
            }
        }));
    }
    for back_end in back_ends {
        back_end.await.unwrap();
    }
    let listed = master.list().await;
    assert_eq!(listed.len(), 10_000);
    let mut slave = master.client("fe1").await;
    assert_eq!(slave.entries(&Command::Update(vec![])).await, listed);
}

#[tokio::test]
async fn the_admin_http_pages_through_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "let-me-in\n").unwrap();
    let extra = format!("admin = {{ listen = \"127.0.0.1:0\", token_file = \"{}\" }}\n", token.display());
    let master = TestMaster::start_with(&extra).await;
    let mut be1 = master.client("be1").await;
    for name in ["user.a", "user.a.b", "user.a b"] {
        be1.ok(activate(name, "be1!x", "a\tlr\t")).await;
    }
    let admin = master.running.as_ref().unwrap().address("admin").unwrap();
    let get = async |path: &str, token: &str| {
        let mut stream = TcpStream::connect(admin).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    };
    let page = get("/mailboxes?after=user.a&limit=1", "let-me-in").await;
    assert!(
        page.contains(r#"[{"name":"user.a.b","location":"be1!x","state":"active","acl":"a\tlr\t"}]"#),
        "{page}"
    );
    assert!(get("/mailboxes", "guess").await.starts_with("HTTP/1.1 401"));
    assert!(get("/health", "").await.starts_with("HTTP/1.1 200"));
    assert!(get("/status.json", "let-me-in").await.contains(r#"["mailboxes","3"]"#));
}

#[tokio::test]
async fn a_client_that_goes_in_the_midst_of_a_list_costs_nobody_else_anything() {
    let master = Arc::new(TestMaster::start().await);
    let mut be1 = master.client("be1").await;
    for number in 0..300 {
        be1.ok(activate(&format!("user.u{number}"), "be1!x", &"a\tlrs\t".repeat(200))).await;
    }
    for _ in 0..5 {
        let mut gone = master.client("fe1").await;
        gone.link.conn().send(&Command::Update(vec![])).unwrap();
        let _ = gone.event().await;
    }
    be1.ok(delete("user.u7")).await;
    assert_eq!(master.list().await.len(), 299);
}
