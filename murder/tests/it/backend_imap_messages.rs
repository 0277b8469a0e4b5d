//! IMAP at a back-end: messages in, messages out, and their flags.

use crate::backend_imap_support::{Imap, Solo, message};

const MIXED: &str = "Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nFrom: Ann <ann@example.org>\r\nTo: team:bob@x, \
                     \"C\\\"D\" <cd@x>;\r\nSubject: mixed\r\nMessage-ID: <1@x>\r\nMIME-Version: 1.0\r\n\
                     Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\
                     Content-Type: text/plain; charset=utf-8\r\nContent-Language: en\r\n\r\none\r\ntwo\r\n--b\r\n\
                     Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: eve@x\r\n\r\ninside\r\n--b\r\n\
                     Content-Type: image/png\r\nContent-Disposition: attachment; filename=x.png\r\n\
                     Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n";

async fn with_messages(solo: &Solo, messages: &[&str]) -> Imap {
    let mut imap = solo.user("alice").await;
    for message in messages {
        let reply = imap.append("INBOX", message).await;
        assert!(reply.starts_with("OK [APPENDUID "), "{reply}");
    }
    imap.ok("SELECT INBOX").await;
    imap
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_comes_back_byte_for_byte_with_what_was_said_of_it() {
    let solo = Solo::start().await;
    let mut imap = solo.user("alice").await;
    let reply = imap.append("inbox (\\Flagged $Work) \" 1-Feb-1994 21:52:25 -0800\"", MIXED).await;
    assert!(reply.starts_with("OK [APPENDUID ") && reply.ends_with(" 1] Appended"), "{reply}");
    let selected = imap.ok("SELECT INBOX").await;
    let expected = [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] Flags that are kept",
        "* 1 EXISTS",
        "* 1 RECENT",
        "* OK [UNSEEN 1] The first unseen message",
    ];
    assert_eq!(selected[..5], expected);
    assert!(selected[5].starts_with("* OK [UIDVALIDITY ") && selected[6].starts_with("* OK [UIDNEXT 2]"));
    imap.check(
        "FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)",
        &[&format!(
            "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent $Work) INTERNALDATE \" 1-Feb-1994 21:52:25 -0800\" \
             RFC822.SIZE {})",
            MIXED.len()
        )],
        "OK",
    )
    .await;
    let size = MIXED.len();
    imap.check("FETCH 1 BODY.PEEK[]", &[&format!("* 1 FETCH (BODY[] {{{size}}}\r\n{MIXED})")], "OK").await;
    // What is fetched without PEEK is seen, and said to be.
    let seen = "FLAGS (\\Flagged \\Seen \\Recent $Work)";
    imap.check("FETCH 1 RFC822", &[&format!("* 1 FETCH ({seen} RFC822 {{{size}}}\r\n{MIXED})")], "OK").await;
    imap.check("FETCH 1 (FLAGS)", &[&format!("* 1 FETCH ({seen})")], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envelopes_and_structures_are_told_as_the_grammar_has_them() {
    let solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[MIXED, "no header here\r\n", ""]).await;
    let envelope = "(\"Tue, 24 Nov 2026 08:00:00 +0000\" \"mixed\" ((\"Ann\" NIL \"ann\" \"example.org\")) \
                    ((\"Ann\" NIL \"ann\" \"example.org\")) ((\"Ann\" NIL \"ann\" \"example.org\")) ((NIL NIL \"team\" \
                    NIL)(NIL NIL \"bob\" \"x\")(\"C\\\"D\" NIL \"cd\" \"x\")(NIL NIL NIL NIL)) NIL NIL NIL \"<1@x>\")";
    imap.check("FETCH 1 ENVELOPE", &[&format!("* 1 FETCH (ENVELOPE {envelope})")], "OK").await;
    let inner = "(NIL \"inner\" ((NIL NIL \"eve\" \"x\")) ((NIL NIL \"eve\" \"x\")) ((NIL NIL \"eve\" \"x\")) NIL NIL \
                 NIL NIL NIL)";
    let body = format!(
        "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7BIT\" 8 1)(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 37 \
         {inner} (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 6 0) 3)(\"image\" \"png\" NIL NIL NIL \
         \"base64\" 4) \"mixed\")"
    );
    imap.check("FETCH 1 BODY", &[&format!("* 1 FETCH (BODY {body})")], "OK").await;
    let structure = format!(
        "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7BIT\" 8 1 NIL NIL (\"en\") NIL)(\"message\" \"rfc822\" NIL \
         NIL NIL \"7BIT\" 37 {inner} (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 6 0 NIL NIL NIL NIL) 3 \
         NIL NIL NIL NIL)(\"image\" \"png\" NIL NIL NIL \"base64\" 4 NIL (\"attachment\" (\"filename\" \"x.png\")) NIL \
         NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"
    );
    imap.check("FETCH 1 BODYSTRUCTURE", &[&format!("* 1 FETCH (BODYSTRUCTURE {structure})")], "OK").await;
    // Whatever a message is, its structure has a form.
    for number in [2, 3] {
        let lines = imap.ok(&format!("FETCH {number} (ENVELOPE BODYSTRUCTURE)")).await;
        let envelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
        assert!(
            lines[0].contains(&format!("ENVELOPE {envelope} BODYSTRUCTURE (\"text\" \"plain\"")),
            "{lines:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sections_and_parts_of_them_are_cut_where_they_are_asked() {
    let solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[MIXED]).await;
    for (section, expected) in [
        ("[1]", "[1] {8}\r\none\r\ntwo"),
        ("[2]", "[2] {37}\r\nSubject: inner\r\nFrom: eve@x\r\n\r\ninside"),
        ("[2.HEADER]", "[2.HEADER] {31}\r\nSubject: inner\r\nFrom: eve@x\r\n\r\n"),
        ("[2.TEXT]", "[2.TEXT] {6}\r\ninside"),
        ("[2.1]", "[2.1] {6}\r\ninside"),
        ("[2.HEADER.FIELDS (FROM)]", "[2.HEADER.FIELDS (FROM)] {15}\r\nFrom: eve@x\r\n\r\n"),
        ("[3.MIME]<0.23>", "[3.MIME]<0> {23}\r\nContent-Type: image/png"),
        ("[4]", "[4] NIL"),
        ("[1.HEADER]", "[1.HEADER] NIL"),
        ("[1]<3.2>", "[1]<3> {2}\r\n\r\n"),
        ("[1]<7.100>", "[1]<7> {1}\r\no"),
        ("[1]<8.1>", "[1]<8> {0}\r\n"),
        (
            "[HEADER.FIELDS (subject X-None)]",
            "[HEADER.FIELDS (subject X-None)] {18}\r\nSubject: mixed\r\n\r\n",
        ),
        ("[HEADER.FIELDS (Subject)]<9.5>", "[HEADER.FIELDS (Subject)]<9> {5}\r\nmixed"),
    ] {
        imap.check(&format!("FETCH 1 BODY.PEEK{section}"), &[&format!("* 1 FETCH (BODY{expected})")], "OK")
            .await;
    }
    let header = MIXED.split_once("\r\n\r\n").unwrap().0;
    let rest = MIXED.split_once("\r\n\r\n").unwrap().1;
    let lines = imap.ok("FETCH 1 (RFC822.HEADER BODY.PEEK[TEXT])").await;
    assert!(
        lines[0].contains(&format!("{header}\r\n\r\n BODY[TEXT]")) && lines[0].contains(rest),
        "{lines:?}"
    );
    let others: Vec<&str> =
        header.lines().filter(|line| !line.starts_with("Date") && !line.starts_with("From")).collect();
    let lines = imap.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (date from)]").await;
    assert!(lines[0].ends_with(&format!("\r\n{}\r\n\r\n)", others.join("\r\n"))), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_may_ask_for_64_things_and_not_65() {
    let solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[&message("1")]).await;
    let fetch = |things| format!("FETCH 1 ({})", vec!["UID"; things].join(" "));
    let all = format!("* 1 FETCH ({})", vec!["UID 1"; 64].join(" "));
    imap.check(&fetch(64), &[&all], "OK").await;
    imap.check(&fetch(65), &[], "NO [LIMIT]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_streams_in_and_out() {
    let solo = Solo::start().await;
    let line = format!("{}\r\n", "x".repeat(98));
    let large = format!("Subject: large\r\n\r\n{}", line.repeat(60_000));
    let mut imap = with_messages(&solo, &[&large]).await;
    let lines = imap.ok("FETCH 1 (UID BODY.PEEK[] BODY.PEEK[TEXT] FLAGS)").await;
    let text = large.split_once("\r\n\r\n").unwrap().1;
    let expected = format!(
        "* 1 FETCH (UID 1 BODY[] {{{}}}\r\n{large} BODY[TEXT] {{{}}}\r\n{text} FLAGS (\\Recent))",
        large.len(),
        text.len()
    );
    assert!(lines[0] == expected, "{} bytes", lines[0].len());
    imap.check("FETCH 1 BODY.PEEK[]<5000000.4>", &["* 1 FETCH (BODY[]<5000000> {4}\r\nxxxx)"], "OK").await;
    // Behind large pieces, one without bytes and a small one.
    let more = "BODY.PEEK[TEXT]<9000000.1> BODY.PEEK[TEXT]<0.3>";
    let lines = imap.ok(&format!("FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT] {more})")).await;
    assert!(lines[0].ends_with("BODY[TEXT]<9000000> {0}\r\n BODY[TEXT]<0> {3}\r\nxxx)"));
    imap.check("NOOP", &[], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_are_stored_and_told_as_asked() {
    let solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[&message("1"), &message("2"), &message("3")]).await;
    imap.check(
        "STORE 1:2 +FLAGS (\\Seen \\Flagged)",
        &["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))", "* 2 FETCH (FLAGS (\\Flagged \\Seen \\Recent))"],
        "OK",
    )
    .await;
    imap.check("STORE 1 -FLAGS \\Flagged", &["* 1 FETCH (FLAGS (\\Seen \\Recent))"], "OK").await;
    imap.check("STORE 2 FLAGS.SILENT (\\Draft)", &[], "OK").await;
    imap.check("FETCH 2 FLAGS", &["* 2 FETCH (FLAGS (\\Draft \\Recent))"], "OK").await;
    // A new keyword is announced before the first message that has it.
    imap.check(
        "UID STORE 3 FLAGS (todo)",
        &[
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft todo)",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft todo \\*)] Flags that are kept",
            "* 3 FETCH (FLAGS (\\Recent todo) UID 3)",
        ],
        "OK",
    )
    .await;
    imap.check("STORE 3 -FLAGS (TODO)", &["* 3 FETCH (FLAGS (\\Recent))"], "OK").await;
    imap.check("STORE 9 +FLAGS (\\Seen)", &[], "BAD").await;
    imap.check("UID STORE 9 +FLAGS (\\Seen)", &[], "OK").await;
    imap.check("STORE 1 +FLAGS (\\Recent)", &[], "BAD").await;
    imap.check("STORE 1 +FLAGS (\\Unheard)", &[], "BAD").await;
    imap.ok("EXAMINE INBOX").await;
    imap.check("STORE 1 +FLAGS (\\Seen)", &[], "NO [CANNOT]").await;
    // EXAMINE marks nothing as seen.
    imap.check("FETCH 2 BODY[]<0.1>", &["* 2 FETCH (BODY[]<0> {1}\r\nF)"], "OK").await;
    imap.check("FETCH 2 FLAGS", &["* 2 FETCH (FLAGS (\\Draft))"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_copied_and_moved_with_their_new_uids() {
    let solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[&message("1"), &message("2"), &message("3")]).await;
    imap.check("COPY 1 Work", &[], "NO [TRYCREATE]").await;
    imap.ok("CREATE Work").await;
    let reply = imap.reply("UID COPY 1,3 Work").await;
    assert!(reply.starts_with("OK [COPYUID ") && reply.contains(" 1,3 1:2] "), "{reply}");
    imap.check("UID COPY 77 Work", &[], "OK Done").await;
    let lines = imap.ok("MOVE 2:3 Work").await;
    assert!(lines[0].starts_with("* OK [COPYUID ") && lines[0].contains(" 2:3 3:4] "), "{lines:?}");
    assert_eq!(lines[1..], ["* 3 EXPUNGE", "* 2 EXPUNGE"]);
    imap.check("STATUS Work (MESSAGES UIDNEXT)", &["* STATUS Work (MESSAGES 4 UIDNEXT 5)"], "OK").await;
    imap.check("UID FETCH 1:* UID", &["* 1 FETCH (UID 1)"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_marked_is_expunged_all_at_once_or_by_uid() {
    let solo = Solo::start().await;
    let subjects = ["1", "2", "3", "4", "5"].map(message);
    let mut imap = with_messages(&solo, &subjects.each_ref().map(String::as_str)).await;
    imap.ok("STORE 1,3,5 +FLAGS.SILENT (\\Deleted)").await;
    imap.check("UID EXPUNGE 2:3", &["* 3 EXPUNGE"], "OK").await;
    imap.check("EXPUNGE", &["* 4 EXPUNGE", "* 1 EXPUNGE"], "OK").await;
    imap.check("FETCH 1:* UID", &["* 1 FETCH (UID 2)", "* 2 FETCH (UID 4)"], "OK").await;
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    imap.ok("UNSELECT").await;
    imap.check("STATUS INBOX (MESSAGES)", &["* STATUS INBOX (MESSAGES 2)"], "OK").await;
    imap.ok("SELECT INBOX").await;
    imap.check("CLOSE", &[], "OK").await;
    imap.check("STATUS INBOX (MESSAGES)", &["* STATUS INBOX (MESSAGES 1)"], "OK").await;
    imap.check("FETCH 1 FLAGS", &[], "BAD").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_refused_before_its_message_is_sent() {
    let solo = Solo::start_with("[limits]\nmessage_bytes_max = 1024\n").await;
    let mut imap = solo.user("alice").await;
    let fits = format!("S: x\r\n\r\n{}", "y".repeat(1016));
    assert!(imap.append("INBOX", &fits).await.starts_with("OK"));
    assert!(imap.append("INBOX", &format!("{fits}z")).await.starts_with("NO [TOOBIG]"));
    assert!(imap.append("Nowhere", "S: x\r\n\r\n").await.starts_with("NO [TRYCREATE]"));
    assert!(imap.append("INBOX (\\Recent)", "S: x\r\n\r\n").await.starts_with("BAD"));
    // Sent without waiting, it goes by, and the session goes on.
    imap.send("n1 APPEND Nowhere {8+}\r\nS: x\r\n\r\n\r\nn2 NOOP\r\n").await;
    assert!(imap.until("n1").await[0].starts_with("NO [TRYCREATE]"));
    assert!(imap.until("n2").await[0].starts_with("OK"));
    assert!(imap.append("INBOX", "S: \0\r\n\r\n").await.starts_with("NO [CANNOT]"));
    imap.check("STATUS INBOX (MESSAGES)", &["* STATUS INBOX (MESSAGES 1)"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_served_is_refused_and_nothing_of_it_done() {
    let solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[&message("1")]).await;
    for command in [
        "FETCH 1 BINARY[1]",
        "FETCH 1 (UID MODSEQ)",
        "FETCH 1 PREVIEW (LAZY)",
        "FETCH 1 RFC822.PEEK",
        "FETCH 1 X-GM-LABELS",
        "FETCH 1 FLAGS (CHANGEDSINCE 1)",
        "UID FETCH 1 FLAGS (PARTIAL 1:1)",
        "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Deleted)",
        "STORE 1 +X-GM-LABELS (x)",
        "APPEND INBOX CATENATE (URL /INBOX/;UID=1)",
        "APPEND INBOX CATENATE (TEXT {8+}\r\nS: x\r\n\r\n)",
        "APPEND INBOX UTF8 (~{8+}\r\nS: x\r\n\r\n)",
        "APPEND INBOX ~{8+}\r\nS: x\r\n\r\n",
        "APPEND INBOX {8+}\r\nS: x\r\n\r\n {12+}\r\nz LOGOUT\r\n\r\n",
        "REPLACE 1 INBOX {8+}\r\nS: x\r\n\r\n",
        "UID REPLACE 1 INBOX CATENATE (URL /INBOX/;UID=1)",
        "GENURLAUTH imap://alice@x/INBOX/;UID=1;URLAUTH=anonymous INTERNAL",
        "RESETKEY",
        "URLFETCH imap://alice@x/INBOX/;UID=1",
    ] {
        imap.check(command, &[], "BAD").await;
    }
    imap.check("FETCH 1:* FLAGS", &["* 1 FETCH (FLAGS (\\Recent))"], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_flags_and_uids_outlive_a_kill() {
    let mut solo = Solo::start().await;
    let mut imap = with_messages(&solo, &[&message("1"), &message("2")]).await;
    imap.ok("STORE 1 +FLAGS (\\Deleted)").await;
    imap.ok("EXPUNGE").await;
    imap.ok("STORE 1 +FLAGS (\\Answered kept)").await;
    let validity = imap.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)").await;
    solo.kill_and_start().await;
    let mut imap = solo.user("alice").await;
    assert_eq!(imap.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)").await, validity);
    imap.ok("SELECT INBOX").await;
    let body = message("2");
    imap.check(
        "FETCH 1 (UID FLAGS BODY.PEEK[])",
        &[&format!("* 1 FETCH (UID 2 FLAGS (\\Answered kept) BODY[] {{{}}}\r\n{body})", body.len())],
        "OK",
    )
    .await;
    assert!(imap.append("INBOX", &message("3")).await.contains(" 3] "));
}
