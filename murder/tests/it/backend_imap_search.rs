//! IMAP at a back-end: SEARCH.

use crate::backend_imap_support::{Solo, message};

const RICH: &str = "Date: Mon, 2 Feb 2026 23:30:00 -0800\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\n\
                    To: alice@example.org\r\nCc: carol@example.org\r\nBcc: dave@example.org\r\n\
                    Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nX-Tag: blue\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
                    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                    c2VjcmV0IHNhdWNl\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: attached\r\n\r\ndeep\r\n--b--\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_search_key_finds_what_it_should() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.append("INBOX (\\Seen \\Answered) \"01-Jan-2026 23:30:00 -0800\"", &message("first")).await;
    imap.append("INBOX (\\Flagged $Work) \"02-Jan-2026 00:30:00 +0100\"", RICH).await;
    imap.append("INBOX (\\Deleted \\Draft) \"03-Jan-2026 12:00:00 +0000\"", &message("third")).await;
    imap.ok("SELECT INBOX").await;
    imap.ok("STORE 3 +FLAGS.SILENT (\\Deleted)").await;
    imap.ok("CREATE Gap").await;
    // UIDs and numbers differ: what was first is moved to the end.
    imap.ok("MOVE 1 Gap").await;
    imap.ok("SELECT Gap").await;
    imap.ok("MOVE 1 INBOX").await;
    imap.ok("SELECT INBOX").await;
    for (keys, expected) in [
        ("ALL", "1 2 3"),
        ("SEEN", "3"),
        ("UNSEEN", "1 2"),
        ("ANSWERED", "3"),
        ("UNANSWERED", "1 2"),
        ("FLAGGED", "1"),
        ("UNFLAGGED", "2 3"),
        ("DELETED", "2"),
        ("UNDELETED", "1 3"),
        ("DRAFT", "2"),
        ("UNDRAFT", "1 3"),
        ("KEYWORD $work", "1"),
        ("UNKEYWORD $Work", "2 3"),
        ("KEYWORD unheard", ""),
        ("UNKEYWORD unheard", "1 2 3"),
        ("RECENT", "3"),
        ("OLD", "1 2"),
        ("NEW", ""),
        ("ON 1-Jan-2026", "3"),
        ("ON 2-Jan-2026", "1"),
        ("BEFORE 2-Jan-2026", "3"),
        ("SINCE 2-Jan-2026", "1 2"),
        ("SENTON 2-Feb-2026", "1"),
        ("SENTBEFORE 3-Feb-2026", "1"),
        ("SENTSINCE 3-Feb-2026", ""),
        ("LARGER 300", "1"),
        ("SMALLER 300", "2 3"),
        ("FROM ANN", "2 3"),
        ("FROM j@example", "1"),
        ("TO bob", "2 3"),
        ("CC carol", "1"),
        ("BCC dave", "1"),
        ("SUBJECT IRS", "3"),
        ("HEADER X-Tag \"\"", "1"),
        ("HEADER X-Tag LU", "1"),
        ("HEADER X-Tag red", ""),
        ("BODY \"secret sauce\"", "1"),
        ("BODY attached", "1"),
        ("BODY deep", "1"),
        ("BODY alice", ""),
        ("TEXT alice", "1"),
        ("TEXT hello", "2 3"),
        ("1,3", "1 3"),
        ("2:*", "2 3"),
        ("7", ""),
        ("UID 4", "3"),
        ("UID 2:3", "1 2"),
        ("UID 9:*", "3"),
        ("NOT FLAGGED", "2 3"),
        ("OR SEEN FLAGGED", "1 3"),
        ("OR (SEEN ANSWERED) NOT (UNDELETED)", "2 3"),
        ("TEXT hello SEEN", "3"),
        ("NOT NOT DELETED", "2"),
    ] {
        let expected =
            if expected.is_empty() { "* SEARCH".to_owned() } else { format!("* SEARCH {expected}") };
        imap.check(&format!("SEARCH {keys}"), &[&expected], "OK").await;
    }
    imap.check("UID SEARCH SEEN", &["* SEARCH 4"], "OK").await;
    imap.send("u SEARCH CHARSET UTF-8 SUBJECT {6}\r\n").await;
    assert!(imap.line().await.starts_with('+'));
    imap.send("gr\u{fc}\u{df}\r\n").await;
    assert_eq!(imap.until("u").await[0], "* SEARCH 1");
    imap.check("SEARCH CHARSET UTF-8 SUBJECT \"gr\u{fc}\u{df}\"", &["* SEARCH 1"], "OK").await;
    imap.check("SEARCH CHARSET UTF-8 FROM \"j&uuml;\"", &["* SEARCH"], "OK").await;
    imap.check("SEARCH CHARSET KOI8-R ALL", &[], "NO [BADCHARSET]").await;
    imap.check("SEARCH CHARSET us-ascii ALL", &["* SEARCH 1 2 3"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_offered_is_refused_and_never_answered_by_less() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    imap.append("INBOX", &message("first")).await;
    imap.ok("SELECT INBOX").await;
    for command in [
        "SEARCH RETURN (COUNT) ALL",
        "SEARCH $",
        "UID SEARCH NOT (OR SEEN UID $)",
        "FETCH $ FLAGS",
        "STORE $ FLAGS (\\Seen)",
        "COPY $ INBOX",
        "SEARCH YOUNGER 60",
        "SEARCH OR SEEN FUZZY SUBJECT first",
        "SORT (DATE) UTF-8 ALL",
        "UID THREAD REFERENCES UTF-8 ALL",
        "ESEARCH IN (personal) ALL",
        "CANCELUPDATE \"x\"",
    ] {
        imap.check(command, &[], "BAD").await;
    }
    imap.check("SEARCH ALL", &["* SEARCH 1"], "OK").await;
}
