//! A front-end in front of a back-end that nobody should trust: what it says may cost its own mailboxes, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::murder_support::{Imap, Murder, put_backend};

/// What the back-end does about a command, which is given without its tag: its untagged lines, `TAG` standing for the
/// tag, and whether it then hangs up.
type Script = fn(&str) -> Vec<u8>;

/// A back-end at the address of be2, where carol's mailboxes are.
struct Fake {
    connections: Arc<AtomicU64>,
    /// Bytes that were taken from it.
    sent_bytes: Arc<AtomicU64>,
}

impl Fake {
    async fn in_place_of_be2(murder: &mut Murder, script: Script) -> Self {
        drop(murder.be2.take());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at: murder::config::HostPort = listener.local_addr().unwrap().to_string().parse().unwrap();
        put_backend(&murder.router, "be2", at.clone(), at).await;
        let fake = Self { connections: Arc::default(), sent_bytes: Arc::default() };
        let (connections, sent_bytes) = (Arc::clone(&fake.connections), Arc::clone(&fake.sent_bytes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, script, Arc::clone(&sent_bytes)));
            }
        });
        fake
    }
}

async fn serve(stream: TcpStream, script: Script, sent_bytes: Arc<AtomicU64>) {
    let mut stream = BufReader::new(stream);
    let capabilities = "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN IDLE UIDPLUS UNSELECT MOVE";
    let mut out = format!("* OK [{capabilities}] fake\r\n").into_bytes();
    loop {
        for chunk in out.chunks(16 << 10) {
            if stream.write_all(chunk).await.is_err() {
                return;
            }
            sent_bytes.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        }
        if out.ends_with(b"HANG UP") {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap();
        let answer = match command.split(' ').next().unwrap() {
            "AUTHENTICATE" => format!("TAG OK [{capabilities}] in\r\n").into_bytes(),
            _ => match script(command) {
                answer if answer.is_empty() => b"TAG OK done\r\n".to_vec(),
                answer => answer,
            },
        };
        // Large answers hold no tag but at their ends.
        let tail_at = answer.len().saturating_sub(100);
        let (head, tail) = answer.split_at(tail_at);
        let tail = String::from_utf8_lossy(tail).replace("TAG", tag);
        out = [head, tail.as_bytes()].concat();
    }
}

/// Carol, whose only back-end is a fake; her INBOX was there before.
async fn carol(script: Script) -> (Murder, Fake, Imap) {
    let mut murder = Murder::start().await;
    drop(murder.session("carol").await);
    let fake = Fake::in_place_of_be2(&mut murder, script).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut carol = murder.connect().await;
    carol.ok("LOGIN carol secret").await;
    (murder, fake, carol)
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_a_referral_is_neither_followed_nor_passed_on() {
    let (_murder, fake, mut carol) = carol(|command| match command {
        "SELECT INBOX" => b"TAG NO [REFERRAL imap://evil.example/INBOX] Try there\r\n".to_vec(),
        _ => Vec::new(),
    })
    .await;
    assert_eq!(carol.no("SELECT INBOX").await, "NO Try there");
    carol.ok("NOOP").await;
    assert_eq!(fake.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_nobody_asked_for_does_not_reach_the_client() {
    let (_murder, _fake, mut carol) = carol(|command| match command {
        "SELECT INBOX" => {
            b"* LIST () \"/\" INBOX/secret\r\n* CAPABILITY IMAP4rev1 EVIL\r\n* ACL user/x y lr\r\n\
            * STATUS INBOX (MESSAGES 1)\r\n* NONSENSE 5\r\n* 1 EXISTS\r\n* OK [CAPABILITY EVIL] told\r\n\
            TAG OK [READ-WRITE] done\r\n"
                .to_vec()
        }
        _ => Vec::new(),
    })
    .await;
    assert_eq!(carol.ok("SELECT INBOX").await, ["* 1 EXISTS", "* OK told", "OK [READ-WRITE] done"]);
    // A helper has nothing to say of messages at all.
    carol.ok("UNSELECT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_what_breaks_the_rules_costs_the_back_end_its_connection() {
    for (what, script) in [
        ("an endless line", (|_| vec![b'x'; 9 << 20]) as Script),
        ("NUL", |_| b"* OK \0\r\nTAG OK done\r\n".to_vec()),
        ("a reply to nothing", |_| b"A999 OK done\r\n".to_vec()),
        ("a continuation of nothing", |_| b"+ go on\r\n".to_vec()),
        ("a large literal outside FETCH", |_| {
            [b"* LIST () \"/\" {100000}\r\n".as_slice(), &[b'x'; 100_000], b"\r\nTAG OK done\r\n"].concat()
        }),
        ("a hang-up", |_| b"* 1 EXISTS\r\nHANG UP".to_vec()),
        ("BYE", |_| b"* BYE enough\r\n".to_vec()),
    ] {
        let (_murder, _fake, mut carol) = carol(script).await;
        let lines = carol.ask("SELECT INBOX").await;
        assert!(lines.last().unwrap().starts_with("NO [UNAVAILABLE]"), "{what}: {lines:?}");
        carol.ok("NOOP").await;
        assert!(carol.ok("LIST \"\" *").await[0].ends_with(" INBOX"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expunge_at_the_wrong_time_unselects_the_mailbox() {
    let (_murder, _fake, mut carol) = carol(|command| match command {
        "SELECT INBOX" => b"* 2 EXISTS\r\nTAG OK [READ-WRITE] done\r\n* 1 EXPUNGE\r\n".to_vec(),
        _ => Vec::new(),
    })
    .await;
    carol.ok("SELECT INBOX").await;
    let told = carol.line().await;
    assert!(told.starts_with("* NO [UNAVAILABLE]"), "{told}");
    assert!(carol.no("FETCH 1 FLAGS").await.starts_with("NO [UNAVAILABLE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_breaks_off_in_a_literal_ends_the_session() {
    let (_murder, _fake, mut carol) = carol(|command| match command.split(' ').next() {
        Some("FETCH") => [b"* 1 FETCH (BODY[] {100000}\r\n".as_slice(), &[b'x'; 70_000], b"HANG UP"].concat(),
        _ => Vec::new(),
    })
    .await;
    carol.ok("SELECT INBOX").await;
    carol.send("f1 FETCH 1 BODY[]\r\n").await;
    assert_eq!(carol.line().await, "* 1 FETCH (BODY[] {100000}");
    // Nothing but the message's own bytes follows.
    let rest = carol.rest().await;
    assert!(rest.len() <= 70_007 && rest.starts_with('x') && !rest.contains("f1"), "{} bytes", rest.len());
}

/// So many subscriptions, each a line of 64 bytes.
fn subscriptions(count: usize) -> Vec<u8> {
    let mut answer = format!("* LSUB () \"/\" INBOX/{}\r\n", "x".repeat(42)).into_bytes().repeat(count);
    answer.extend_from_slice(b"TAG OK done\r\n");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_to_one_command_have_a_limit() {
    // 16 MiB, line ends apart.
    const LINES_MAX: usize = (16 << 20) / 62;
    let (_murder, _fake, mut carol) = carol(|_| subscriptions(LINES_MAX)).await;
    assert_eq!(carol.ok("LSUB \"\" *").await.len(), 2);
    let (_murder, _fake, mut carol) = self::carol(|_| subscriptions(LINES_MAX + 1)).await;
    assert!(carol.no("LSUB \"\" *").await.starts_with("NO [UNAVAILABLE]"));
}

/// So many messages, none of which has a body any more when it comes to that.
fn messages(command: &str, count: usize) -> Vec<u8> {
    let mut answer = String::new();
    if command.starts_with("FETCH ") {
        for n in 1..=count {
            answer +=
                &format!("* {n} FETCH (UID {n} FLAGS () INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\")\r\n");
        }
    }
    (answer + "TAG OK done\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_servers_takes_10000_messages_and_not_10001() {
    for (script, expected) in [
        ((|command| messages(command, 10_000)) as Script, "OK Completed"),
        (|command| messages(command, 10_001), "NO [LIMIT]"),
    ] {
        let (murder, _fake, mut carol) = carol(script).await;
        murder.session("alice").await.ok("SETACL INBOX carol lri").await;
        carol.ok("SELECT INBOX").await;
        let reply = carol.ask("COPY 1:* \"Other Users/alice\"").await;
        assert!(reply[0].starts_with(expected), "{reply:?}");
    }
}

/// Far more than the buffers of all sockets between.
const LARGE: usize = 96 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn x9_a_client_that_does_not_read_stops_the_back_end() {
    let (_murder, fake, carol) = carol(|command| match command.split(' ').next() {
        Some("FETCH") => {
            let head = format!("* 1 FETCH (BODY[] {{{LARGE}}}\r\n").into_bytes();
            [head, vec![b'x'; LARGE], b")\r\nTAG OK done\r\n".to_vec()].concat()
        }
        _ => Vec::new(),
    })
    .await;
    let mut carol = carol;
    carol.ok("SELECT INBOX").await;
    carol.send("f1 FETCH 1 BODY[]\r\n").await;
    let mut before = 0;
    let stopped_at = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        match fake.sent_bytes.load(Ordering::SeqCst) {
            now if now == before && now > 1_000_000 => break now,
            now => before = now,
        }
    };
    assert!(stopped_at < LARGE as u64 / 2, "the back-end sent {stopped_at} bytes to nobody");
    // All of it comes once the client reads.
    carol.line().await;
    let mut stream = carol.into_stream();
    let mut body = vec![0; LARGE];
    stream.read_exact(&mut body).await.unwrap();
    assert!(body.iter().all(|b| *b == b'x'));
    let mut end = String::new();
    stream.read_line(&mut end).await.unwrap();
    stream.read_line(&mut end).await.unwrap();
    assert_eq!(end, ")\r\nf1 OK done\r\n");
}
