//! The examples of RFC 5092 and RFC 4467, and what is no URL.

use std::num::NonZeroU32;

use super::*;

fn url(text: &str) -> ImapUrl<'_> {
    ImapUrl::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn text(component: Option<Component<'_>>) -> Option<String> {
    component.map(|component| component.to_utf8().unwrap().into_owned())
}

fn mailbox(text_of_url: &str) -> Option<String> {
    text(url(text_of_url).mailbox)
}

#[test]
fn the_examples_of_rfc_5092_are_read_and_written_as_they_stand() {
    for text in [
        "imap://michael@example.org/INBOX",
        "imap://bester@example.org/INBOX",
        "imap://imap.example.com",
        "imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
        "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97",
        "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;UID=20/;SECTION=1.2",
        ";SECTION=1.4",
        "imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows",
        "imap://john;AUTH=*@minbari.example.org/babylon5/personel?charset%20UTF-8%20SUBJECT%20%7B14+%7D%0D%0A%D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2%D0%B0",
        "/foo",
        ";UID=20",
        "..;UIDVALIDITY=385759045/;UID=20",
        "",
        "//other.example.org/x",
        "imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2;URLAUTH=submit+fred:internal:91354a473744909de610943775f92038",
        "imap://owner@example.com/INBOX/;UID=20;EXPIRE=2006-02-13T00:00:00Z;URLAUTH=user+fred",
        "imap://[2001:db8::1]:1430/x;UIDVALIDITY=1?ALL",
    ] {
        assert_eq!(url(text).to_text().unwrap(), text);
    }
}

#[test]
fn parts_are_decoded_where_they_are_asked_for() {
    assert_eq!(mailbox("imap://a/~peter/%E6%97%A5%E6%9C%AC").as_deref(), Some("~peter/日本"));
    assert_eq!(
        text(url("imap://a/gray%20council?SUBJECT%20shadows").search).as_deref(),
        Some("SUBJECT shadows")
    );
    assert_eq!(url("imap://a/").mailbox, None);
    assert_eq!(mailbox("/b/;UIDVALIDITY=1").as_deref(), Some("b/"));
    assert_eq!(mailbox("/b//;UID=1").as_deref(), Some("b/"));
    let message =
        url("IMAP://a/x;uidvalidity=7/;uid=20/;section=HEADER.FIELDS%20(DATE)/;partial=5").message.unwrap();
    assert_eq!(text(message.section).as_deref(), Some("HEADER.FIELDS (DATE)"));
    assert_eq!(message.partial, Some(UrlPartial { offset: 5, count: None }));
    assert_eq!(url("imap://a/x;uidvalidity=7/;uid=20").uid_validity, NonZeroU32::new(7));
    let UrlBase::Server(server) = url("imap://fred%40b;AUTH=GSSAPI@Example.ORG:143").base else { panic!() };
    let Some(UrlUser::Mechanism(Some(name), mechanism)) = server.user else { panic!("{server:?}") };
    assert_eq!(
        (name.to_utf8().unwrap().as_ref(), mechanism.to_utf8().unwrap().as_ref()),
        ("fred@b", "GSSAPI")
    );
    assert_eq!((server.host, server.port), (UrlHost::new("example.org").unwrap(), Some(143)));
}

#[test]
fn a_component_that_names_no_text_says_so() {
    for bad in ["%00", "a%0D%0Ab", "%FF", "%C3", "%7F"] {
        let text = format!("imap://a/{bad}");
        assert!(url(&text).mailbox.unwrap().to_utf8().is_err(), "{bad}");
    }
    assert_eq!(url("imap://a/a%0D%0Ab").mailbox.unwrap().bytes().collect::<Vec<_>>(), b"a\r\nb");
}

#[test]
fn what_is_no_url_is_an_error_with_its_place() {
    let mut wrong = Vec::new();
    for (bad, offset) in [
        ("http://a/b", 4),
        ("imap:/a/b", 4),
        ("imap://", 7),
        ("imap://a b/c", 7),
        ("imap://a:x/c", 7),
        ("imap://a:65536/c", 7),
        ("imap://[::1/c", 7),
        ("imap://[x]/c", 7),
        ("imap://@a/c", 7),
        ("imap://;@a/c", 8),
        ("imap://;X=y@a/c", 8),
        ("imap://;AUTH=@a/c", 13),
        ("imap://a//b", 9),
        ("imap://a/b c", 10),
        ("imap://a/b%2", 10),
        ("imap://a/b%zz", 10),
        ("imap://a/é", 9),
        ("imap://a/b#c", 10),
        ("imap://a/b?", 11),
        ("imap://a/?ALL", 9),
        ("imap://a/b?x y", 12),
        ("imap://a/b/;UID=1?ALL", 17),
        ("imap://a/b;UID=1", 11),
        ("imap://a/b;UIDVALIDITY=0", 11),
        ("imap://a/b;UIDVALIDITY=01", 11),
        ("imap://a/b;UIDVALIDITY=4294967296", 11),
        ("imap://a/b/;UID=1/;UID=2", 19),
        ("imap://a/b/;UID=1/", 12),
        ("imap://a/b/;UID=1/..", 12),
        ("imap://a/b/;PARTIAL=1/;UID=1", 23),
        ("imap://a/b/;SECTION=", 20),
        ("imap://a/b/;SECTION=1", 21),
        ("imap://a/b/;PARTIAL=1.0", 12),
        ("imap://a/b/;FROB=1", 12),
        ("imap://a/b/;UID", 12),
        ("imap://a/;UID=1", 15),
        ("/;UID=1", 7),
        ("imap://a/b/;URLAUTH=anonymous", 11),
        ("imap://a/b;URLAUTH=anonymous", 10),
        ("imap://a/b/;UID=1;EXPIRE=2006-02-13T00:00:00Z", 11),
        ("imap://a/b/;UID=1;EXPIRE=soon;URLAUTH=anonymous", 25),
        ("imap://a/b/;UID=1;URLAUTH=nobody", 26),
        ("imap://a/b/;UID=1;URLAUTH=user+", 31),
        ("imap://a/b/;UID=1;URLAUTH=user+a;EXPIRE=2006-02-13T00:00:00Z", 33),
        ("imap://a/b/;UID=1;URLAUTH=anonymous:INTERNAL", 36),
        ("imap://a/b/;UID=1;URLAUTH=anonymous:INTERNAL:1234", 36),
        ("imap://a/b/;UID=1;URLAUTH=anonymous:IN_TERNAL:91354a473744909de610943775f92038", 36),
        ("imap://a/b/;UID=1;URLAUTH=anonymous:INTERNAL:91354a473744909de610943775f9203g", 36),
    ] {
        let found = ImapUrl::new(bad);
        if found.as_ref().map_err(|error| error.offset) != Err(offset) {
            wrong.push(format!("{bad} {offset}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_url_has_a_longest_one() {
    let text = |bytes: usize| format!("imap://a/{}", "x".repeat(bytes - 9));
    assert!(ImapUrl::new(&text(ImapUrl::BYTES_MAX)).is_ok());
    assert!(ImapUrl::new(&text(ImapUrl::BYTES_MAX + 1)).is_err());
}

#[test]
fn content_is_encoded_so_that_it_stays_what_it_is() {
    for (name, expected) in [
        ("a b", "/a%20b"),
        ("/x", "/%2Fx"),
        ("x/y", "/x/y"),
        ("x/", "/x/"),
        ("..", "/%2E."),
        ("a/../b.c", "/a/%2E./b.c"),
        ("a;UID=1", "/a%3BUID=1"),
        ("a?b#c%d", "/a%3Fb%23c%25d"),
        ("日本", "/%E6%97%A5%E6%9C%AC"),
        ("imap://a", "/imap%3A//a"),
        ("a\r\nb", "/a%0D%0Ab"),
    ] {
        let mailbox = Component::new(name);
        let written = ImapUrl { mailbox, base: UrlBase::Root, ..url("/") };
        assert_eq!(written.to_text().unwrap(), expected);
        let with_message = ImapUrl { message: url(";UID=1").message, ..written };
        assert_eq!(ImapUrl::new(&with_message.to_text().unwrap()).unwrap(), with_message);
    }
    assert_eq!(Component::new(""), None);
}

#[test]
fn parts_that_do_not_go_together_are_not_written() {
    let whole = url("imap://a/b/;UID=1;URLAUTH=anonymous");
    let search = url("imap://a/b?ALL").search;
    for odd in [
        ImapUrl { search, ..whole },
        ImapUrl { mailbox: None, ..whole },
        ImapUrl { message: None, ..whole },
        ImapUrl { mailbox: None, message: None, auth: None, uid_validity: NonZeroU32::new(1), ..whole },
    ] {
        assert!(odd.to_text().is_err(), "{odd:?}");
    }
}

#[test]
fn expiry_dates_are_moments() {
    let seconds = |text| Expire::new(text).map(|expire| expire.to_unix_seconds());
    assert_eq!(seconds("1970-01-01T00:00:00Z"), Ok(0));
    assert_eq!(seconds("1970-01-01t01:00:00.999+01:00"), Ok(0));
    assert_eq!(seconds("2004-02-29T12:00:00-00:30"), Ok(1_078_057_800));
    for bad in [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-1-01T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+0100",
        "+970-01-01T00:00:00Z",
        "1970-01-01T00:00:00Zx",
        "é970-01-01T00:00:00Z",
    ] {
        assert!(Expire::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_token_is_computed_over_the_text_as_it_came() {
    let rump = "IMAP://a@B/x/;uid=1;expire=2006-02-13T00:00:00.0Z;urlauth=USER+fred";
    let full = format!("{rump}:internal:91354A473744909de610943775f92038");
    assert_eq!(ImapUrl::rump_of(&full), Some(rump));
    assert_eq!(ImapUrl::rump_of(rump), Some(rump));
    assert_eq!(ImapUrl::rump_of("imap://a/x/;UID=1"), None);
    let verifier = url(&full).auth.unwrap().verifier.unwrap();
    assert_eq!((verifier.mechanism, verifier.token().len()), (UrlMechanism::INTERNAL, 32));
    assert!(!format!("{:?}", url(&full)).contains("91354A"));
}
