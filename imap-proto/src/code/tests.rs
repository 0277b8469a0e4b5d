//! Codes as servers send them.

use super::*;
use crate::{Encoder, Literals, Parser, Response};

fn with_code<R>(code: &str, look: impl FnOnce(Code<'_>) -> R) -> R {
    let frame = format!("* OK [{code}] Text");
    let mut parser = Parser::new();
    let Ok(Response::Status(status)) = parser.response(frame.as_bytes()) else { panic!("{code}") };
    assert_eq!(status.text.as_bytes(), b"Text", "{code}");
    look(status.code.unwrap_or_else(|| panic!("{code}")))
}

/// What the code is written as.
fn written(code: &str) -> String {
    with_code(code, |read| {
        assert!(!matches!(read, Code::Unknown(_) | Code::Invalid(_)), "{code}: {read:?}");
        let mut out = Vec::new();
        read.encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn every_code_is_written_as_it_was_read() {
    for code in [
        "ALERT",
        "BADCHARSET",
        "BADCHARSET (UTF-8 \"x y\")",
        "CAPABILITY IMAP4rev1 X",
        "PERMANENTFLAGS (\\Seen \\*)",
        "UIDNEXT 4392",
        "APPENDUID 38505 3955:3957",
        "COPYUID 38505 304,319:320 3956:3958",
        "HIGHESTMODSEQ 715194045007",
        "NOMODSEQ",
        "MODIFIED 7,9",
        "CLOSED",
        "USEATTR",
        "TOOBIG",
        "BADURL /INBOX;UIDVALIDITY=785799047/;UID=113330;section=1.5.9",
        "URLMECH INTERNAL",
        "URLMECH INTERNAL XSAMPLE=P34OKhO7VEkCbsiYY8rGEg== X.2",
        "UNKNOWN-CTE",
        "REFERRAL IMAP://user;AUTH=*@SERVER2/REMOTE IMAP://user;AUTH=*@SERVER3/REMOTE%20x",
        "COMPRESSIONACTIVE",
        "NOTSAVED",
        "BADCOMPARATOR",
        "NOUPDATE \"B02\"",
        "METADATA LONGENTRIES 2199",
        "METADATA MAXSIZE 1024",
        "METADATA TOOMANY",
        "METADATA NOPRIVATE",
        "NOTIFICATIONOVERFLOW",
        "BADEVENT (MessageNew MessageExpunge)",
        "UNDEFINED-FILTER x",
        "MAILBOXID (F2212ea87-6097-4256-9d51-71338625)",
        "INPROGRESS",
        "INPROGRESS (\"A001\" 454 1000)",
        "INPROGRESS (\"A001\" 175 NIL)",
        "INPROGRESS (NIL 175 NIL)",
        "UIDREQUIRED",
        "MESSAGELIMIT 1000",
        "MESSAGELIMIT 1000 23221",
        "HASCHILDREN",
        "OVERQUOTA",
        "EXPIRED",
        "LIMIT",
    ] {
        assert_eq!(written(code), code);
    }
}

#[test]
fn other_spellings_of_a_code_mean_the_same() {
    assert_eq!(written("badurl \"/x/;UID=1\""), "BADURL /x/;UID=1");
    assert_eq!(written("inprogress (NIL NIL NIL)"), "INPROGRESS");
    assert_eq!(written("NoUpdate B02"), "NOUPDATE \"B02\"");
    assert_eq!(written("NotificationOverflow"), "NOTIFICATIONOVERFLOW");
}

#[test]
fn a_malformed_code_leaves_the_text() {
    for code in [
        "UIDNEXT",
        "UIDNEXT x",
        "UIDNEXT 1 2",
        "ALERT 1",
        "HIGHESTMODSEQ",
        "HIGHESTMODSEQ 9223372036854775808",
        "MODIFIED",
        "MODIFIED 1:*",
        "MODIFIED (1)",
        "BADURL",
        "REFERRAL",
        "URLMECH",
        "URLMECH X",
        "URLMECH INTERNAL X=*",
        "METADATA",
        "METADATA MAXSIZE",
        "METADATA FROB",
        "NOUPDATE",
        "BADEVENT x",
        "BADEVENT ((x))",
        "MAILBOXID x",
        "MAILBOXID ()",
        "MAILBOXID (a b)",
        "MAILBOXID (a.b)",
        "INPROGRESS ()",
        "INPROGRESS (\"a\" NIL 7)",
        "INPROGRESS (\"a\" 7 0)",
        "INPROGRESS (\"a\" 7 8 9)",
        "MESSAGELIMIT",
        "MESSAGELIMIT 1 x",
    ] {
        with_code(code, |read| assert!(matches!(read, Code::Invalid(_)), "{code}: {read:?}"));
    }
}

#[test]
fn a_code_never_holds_a_literal() {
    let long = "x".repeat(2_000);
    let filter = |text| Code::UndefinedFilter(IString::plain(text));
    for code in [filter(&b"a\r\nb"[..]), filter(b"\xc3\xa9"), filter(long.as_bytes())] {
        let mut out = Vec::new();
        let encoded = code.encode(&mut Encoder::new(&mut out, Literals::Server));
        // An atom of any length stays one.
        assert_eq!(encoded.is_ok(), code == filter(long.as_bytes()), "{code:?}");
        assert!(!out.contains(&b'\n'));
    }
}

#[test]
fn a_referral_leads_anywhere_and_is_read_on_demand() {
    with_code("REFERRAL imap://a;AUTH=*@b/c mailto:x", |code| {
        let Code::Referral(referral) = code else { panic!("{code:?}") };
        let urls: Vec<_> = referral.iter().collect();
        assert!(urls[0].parse().is_ok());
        assert!(urls[1].parse().is_err());
        assert_eq!(urls[1].as_str(), Some("mailto:x"));
    });
}

#[test]
fn the_data_of_a_mechanism_is_not_printed() {
    with_code("URLMECH INTERNAL X=P34OKhO7", |code| {
        assert!(!format!("{code:?}").contains("P34"));
    });
}
