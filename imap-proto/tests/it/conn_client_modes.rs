//! What changes a client's connection itself: logins of every mechanism, COMPRESS, UNAUTHENTICATE, ENABLE; and whether
//! message numbers hold still.

use std::time::Instant;

use imap_proto::client::{CommandId, Connection, Event, State};
use imap_proto::{
    Capability, Command, Fetch, FetchAttribute, IString, List, Numbering, Quirk, Search, SearchKey,
    SequenceSet,
};
use mail_wire::sasl::{Authcid, Authzid, Credentials, MechanismName};
use mail_wire::testing::every_split;
use mail_wire::{ApiMisuse, Connection as _, Error, PeerIncompatible, PeerMisbehaved, Secret};

use crate::conn_client::{greeted, loopback, misbehaved, proof, ready, receive, secret, sent};

/// A client of a server with these capabilities, not logged in.
fn stranger(capabilities: &str) -> Connection {
    greeted(loopback(), format!("* OK [CAPABILITY IMAP4rev1 {capabilities}] hi\r\n").as_bytes())
}

fn alice() -> Credentials {
    Credentials { authcid: Authcid::new(b"alice").unwrap(), authzid: None, password: secret() }
}

fn token() -> Secret<String> {
    "vF9dft4qmT".to_owned().into()
}

/// Begins a login.
type Login = fn(&mut Connection) -> Result<CommandId, Error>;

/// Each mechanism: how it begins, and its lines with and without SASL-IR.
fn mechanisms() -> [(&'static str, Login, Vec<String>); 5] {
    let lines = |messages: &[&[u8]]| {
        let base64 = |message: &&[u8]| mail_wire::sasl::encode(message).expose().clone();
        messages.iter().map(base64).collect()
    };
    [
        ("PLAIN", |c| c.authenticate_plain(&alice(), proof()), lines(&[b"\0alice\0secret"])),
        ("LOGIN", |c| c.authenticate_login(&alice(), proof()), lines(&[b"alice", b"secret"])),
        (
            "EXTERNAL",
            |c| c.authenticate_external(Some(&Authzid::new(b"carol").unwrap()), proof()),
            lines(&[b"carol"]),
        ),
        (
            "OAUTHBEARER",
            |c| c.authenticate_oauthbearer(&Authcid::new(b"a,b=c").unwrap(), &token(), proof()),
            lines(&[b"n,a=a=2Cb=3Dc,\x01auth=Bearer vF9dft4qmT\x01\x01"]),
        ),
        (
            "XOAUTH2",
            |c| c.authenticate_xoauth2(&Authcid::new(b"alice").unwrap(), &token(), proof()),
            lines(&[b"user=alice\x01auth=Bearer vF9dft4qmT\x01\x01"]),
        ),
    ]
}

#[test]
fn each_mechanism_says_its_lines_and_no_more() {
    for (name, login, lines) in mechanisms() {
        for sasl_ir in [false, true] {
            let mut client = stranger(&format!("AUTH={name} {}", if sasl_ir { "SASL-IR" } else { "" }));
            login(&mut client).unwrap();
            let mut due = lines.iter();
            let first = if sasl_ir { format!(" {}", due.next().unwrap()) } else { String::new() };
            assert_eq!(sent(&mut client), format!("A1 AUTHENTICATE {name}{first}\r\n"));
            for line in due {
                assert_eq!(receive(&mut client, b"+ Pz8/\r\n"), (vec![], None), "{name}");
                assert_eq!(sent(&mut client), format!("{line}\r\n"), "{name}");
            }
            let (names, end) = receive(&mut client, b"A1 OK in\r\n");
            assert_eq!((names, end, client.state()), (vec!["tagged A1".into()], None, State::Authenticated));
        }
    }
}

#[test]
fn success_before_all_lines_were_said_is_no_success() {
    for (name, login, lines) in mechanisms() {
        for heard in 0..lines.len() {
            let mut client = stranger(&format!("AUTH={name}"));
            login(&mut client).unwrap();
            sent(&mut client);
            for _ in 0..heard {
                receive(&mut client, b"+ \r\n");
                sent(&mut client);
            }
            let end = receive(&mut client, b"A1 OK in\r\n").1;
            assert_eq!(end, misbehaved(PeerMisbehaved::UnsolicitedReply), "{name} {heard}");
        }
    }
}

#[test]
fn a_refused_token_is_acknowledged_and_the_no_follows() {
    for (name, dummy) in [("OAUTHBEARER", "AQ==\r\n"), ("XOAUTH2", "\r\n")] {
        let (_, login, _) = mechanisms().into_iter().find(|(mechanism, ..)| *mechanism == name).unwrap();
        let mut client = stranger(&format!("SASL-IR AUTH={name}"));
        login(&mut client).unwrap();
        sent(&mut client);
        // {"status":"401"}
        assert_eq!(receive(&mut client, b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"), (vec![], None));
        assert_eq!(sent(&mut client), dummy);
        assert_eq!(receive(&mut client, b"A1 NO failed\r\n"), (vec!["tagged A1".into()], None));
        assert_eq!(client.state(), State::NotAuthenticated);
    }
}

#[test]
fn e1_a_token_or_name_with_control_characters_is_not_sent() {
    let user = Authcid::new(b"alice").unwrap();
    for bad in ["a\r\nb", "a b", "a\x01b", "a\u{e9}"] {
        let mut client = stranger("AUTH=OAUTHBEARER AUTH=XOAUTH2");
        let token: Secret<String> = bad.to_owned().into();
        assert!(client.authenticate_oauthbearer(&user, &token, proof()).is_err(), "{bad:?}");
        assert!(client.authenticate_xoauth2(&user, &token, proof()).is_err(), "{bad:?}");
        assert_eq!(sent(&mut client), "");
    }
    let odd = Authcid::new(b"a\x01b").unwrap();
    assert!(stranger("AUTH=XOAUTH2").authenticate_xoauth2(&odd, &token(), proof()).is_err());
}

fn scram() -> MechanismName {
    MechanismName::new(b"SCRAM-SHA-256").unwrap()
}

fn bytes(text: &str) -> Secret<Vec<u8>> {
    text.as_bytes().to_vec().into()
}

/// The challenge that these bytes bring.
fn challenge(client: &mut Connection, line: &[u8]) -> Vec<u8> {
    client.receive(line, Instant::now());
    let Ok(Some(Event::Challenge(_, challenge))) = client.poll_event() else { panic!() };
    challenge.expose().clone()
}

#[test]
fn an_exchange_of_any_mechanism_goes_step_by_step() {
    let mut client = stranger("AUTH=SCRAM-SHA-256");
    client.authenticate(&scram(), Some(&bytes("n,,n=user,r=abc")), proof()).unwrap();
    assert_eq!(client.respond(&bytes("x")), Err(ApiMisuse::WrongState("there is no challenge to answer")));
    assert_eq!(sent(&mut client), "A1 AUTHENTICATE SCRAM-SHA-256\r\n");
    assert_eq!(receive(&mut client, b"+ \r\n"), (vec![], None));
    assert_eq!(sent(&mut client), "biwsbj11c2VyLHI9YWJj\r\n");
    assert_eq!(challenge(&mut client, b"+ cj1hYmNkZWY=\r\n"), b"r=abcdef");
    client.respond(&bytes("c=biws,r=abcdef,p=x")).unwrap();
    assert_eq!(sent(&mut client), "Yz1iaXdzLHI9YWJjZGVmLHA9eA==\r\n");
    assert_eq!(challenge(&mut client, b"+ dj14\r\n"), b"v=x");
    client.respond(&bytes("")).unwrap();
    assert_eq!(sent(&mut client), "\r\n");
    assert_eq!(receive(&mut client, b"A1 OK in\r\n"), (vec!["tagged A1".into()], None));
    assert_eq!(client.state(), State::Authenticated);
}

#[test]
fn an_exchange_can_be_given_up() {
    let mut client = stranger("AUTH=SCRAM-SHA-256 SASL-IR");
    client.authenticate(&scram(), None, proof()).unwrap();
    assert_eq!(sent(&mut client), "A1 AUTHENTICATE SCRAM-SHA-256\r\n");
    challenge(&mut client, b"+ \r\n");
    client.cancel_authenticate().unwrap();
    assert_eq!(sent(&mut client), "*\r\n");
    assert_eq!(receive(&mut client, b"A1 BAD cancelled\r\n"), (vec!["tagged A1".into()], None));
    // A challenge that is no base64 is given up without a question; success after that is a lie.
    client.authenticate(&scram(), None, proof()).unwrap();
    sent(&mut client);
    assert_eq!(receive(&mut client, b"+ ?\r\n"), (vec![], None));
    assert_eq!(sent(&mut client), "*\r\n");
    assert_eq!(receive(&mut client, b"A2 OK in\r\n").1, misbehaved(PeerMisbehaved::UnsolicitedReply));
}

#[test]
fn an_empty_initial_response_has_its_own_sign() {
    let mut client = stranger("AUTH=EXTERNAL SASL-IR");
    client.authenticate_external(None, proof()).unwrap();
    assert_eq!(sent(&mut client), "A1 AUTHENTICATE EXTERNAL =\r\n");
}

#[test]
fn t4_success_while_a_challenge_waits_is_no_success() {
    let mut client = stranger("AUTH=SCRAM-SHA-256");
    client.authenticate(&scram(), None, proof()).unwrap();
    sent(&mut client);
    challenge(&mut client, b"+ \r\n");
    assert_eq!(receive(&mut client, b"A1 OK in\r\n").1, misbehaved(PeerMisbehaved::UnsolicitedReply));
}

#[test]
fn a_mechanism_that_is_not_offered_is_not_tried() {
    let mut client = stranger("AUTH=PLAIN");
    let missing = |name| Err(PeerIncompatible::Missing(name).into());
    assert_eq!(client.authenticate(&scram(), None, proof()), missing("the SASL mechanism"));
    assert_eq!(client.authenticate_external(None, proof()), missing("AUTH=EXTERNAL"));
    assert_eq!(sent(&mut client), "");
}

#[test]
fn compression_begins_behind_the_reply_that_grants_it() {
    let reply = b"A1 OK on\r\n\xf2\xcb\x50\x08\x01";
    let got = every_split(reply, |pieces| {
        let mut client = ready(" COMPRESS=DEFLATE");
        client.compress().unwrap();
        assert_eq!(sent(&mut client), "A1 COMPRESS DEFLATE\r\n");
        let mut compressed = Vec::new();
        let mut is_granted = false;
        for piece in pieces {
            if is_granted {
                // From here on what is read is inflated first.
                compressed.extend_from_slice(piece);
                continue;
            }
            client.receive(piece, Instant::now());
            while let Some(event) = client.poll_event().unwrap() {
                if let Event::Compress { behind } = event {
                    compressed.extend_from_slice(&behind);
                    is_granted = true;
                }
            }
        }
        client.compression_started(Instant::now()).unwrap();
        client.command(&Command::Noop).unwrap();
        (compressed, sent(&mut client), receive(&mut client, b"* 3 EXISTS\r\nA2 OK done\r\n").0)
    });
    assert_eq!(got.0, b"\xf2\xcb\x50\x08\x01");
    assert_eq!((got.1.as_str(), got.2.len()), ("A2 NOOP\r\n", 2));
}

#[test]
fn between_the_grant_and_the_compressor_nothing_passes() {
    let mut client = ready(" COMPRESS=DEFLATE");
    client.compress().unwrap();
    assert!(client.command(&Command::Noop).is_err());
    sent(&mut client);
    assert_eq!(receive(&mut client, b"A1 OK on\r\n").1, None);
    assert!(client.command(&Command::Noop).is_err());
    // What is given to it now would be taken for text.
    assert_eq!(receive(&mut client, b"* BYE\r\n"), (vec![], None));
    assert!(client.compression_started(Instant::now()).is_err());

    let mut refused = ready(" COMPRESS=DEFLATE");
    refused.compress().unwrap();
    sent(&mut refused);
    assert_eq!(
        receive(&mut refused, b"A1 NO [COMPRESSIONACTIVE] by TLS\r\n"),
        (vec!["tagged A1".into()], None)
    );
    assert!(refused.compression_started(Instant::now()).is_err());
    refused.command(&Command::Noop).unwrap();
}

#[test]
fn compression_is_for_once_and_after_login() {
    let missing = Err(PeerIncompatible::Missing("COMPRESS=DEFLATE").into());
    assert_eq!(ready("").compress(), missing);
    assert!(stranger("COMPRESS=DEFLATE").compress().is_err());
    let mut client = ready(" COMPRESS=DEFLATE UNAUTHENTICATE");
    client.compress().unwrap();
    sent(&mut client);
    receive(&mut client, b"A1 OK on\r\n");
    client.compression_started(Instant::now()).unwrap();
    assert!(client.compress().is_err());
}

#[test]
fn t6_what_was_learned_goes_with_the_login() {
    let mut client = ready(" ENABLE UNAUTHENTICATE COMPRESS=DEFLATE AUTH=PLAIN");
    client.command(&Command::Enable(List::of(&[Capability::Utf8Accept]))).unwrap();
    sent(&mut client);
    receive(&mut client, b"* ENABLED UTF8=ACCEPT\r\nA1 OK done\r\n");
    assert!(client.enabled().has(&Capability::Utf8Accept));
    client.unauthenticate().unwrap();
    assert_eq!(sent(&mut client), "A2 UNAUTHENTICATE\r\n");
    assert_eq!(receive(&mut client, b"A2 OK done\r\n"), (vec!["tagged A2".into()], None));
    assert_eq!(client.state(), State::NotAuthenticated);
    assert!(client.capabilities().is_none());
    assert_eq!(client.enabled(), [].into_iter().collect());
    // The next one logs in; what the server offers is not known yet.
    client.authenticate_plain(&alice(), proof()).unwrap();
    assert_eq!(sent(&mut client), "A3 AUTHENTICATE PLAIN\r\n");

    assert!(stranger("UNAUTHENTICATE").unauthenticate().is_err());
    assert_eq!(ready("").unauthenticate(), Err(PeerIncompatible::Missing("UNAUTHENTICATE").into()));
    // A refusal changes nothing.
    let mut refused = ready(" UNAUTHENTICATE");
    refused.unauthenticate().unwrap();
    sent(&mut refused);
    receive(&mut refused, b"A1 BAD no\r\n");
    assert_eq!(refused.state(), State::Authenticated);
    assert!(refused.capabilities().is_some());
}

#[test]
fn utf8_that_was_enabled_is_no_quirk() {
    let name = "* ID (\"name\" \"caf\u{e9}\")\r\n".as_bytes();
    for (enabled, count) in [("", 1), (" UTF8=ACCEPT", 0), (" IMAP4rev2", 0)] {
        let mut client = ready("");
        receive(&mut client, format!("* ENABLED{enabled}\r\n").as_bytes());
        assert_eq!(receive(&mut client, name).0.len(), 1);
        assert_eq!(client.quirk_counts().of(Quirk::EightBitQuoted), count, "{enabled}");
    }
}

fn fetch(numbering: Numbering) -> Command<'static> {
    const ATTRIBUTES: [FetchAttribute<'static>; 1] = [FetchAttribute::Flags];
    let messages = SequenceSet::new("1:*").unwrap();
    Command::Fetch(Fetch::new(numbering, messages, &ATTRIBUTES))
}

#[test]
fn numbers_are_not_used_behind_what_may_shift_them() {
    let shifts = Err(ApiMisuse::WrongState("message numbers may shift before this command runs").into());
    let (by_number, by_uid) = (fetch(Numbering::Sequence), fetch(Numbering::Uid));
    for (first, may) in
        [(by_number, true), (by_uid, false), (Command::Noop, false), (Command::Expunge, false)]
    {
        let mut client = ready("");
        assert!(client.may_number());
        client.command(&first).unwrap();
        assert_eq!(client.may_number(), may, "{first:?}");
        // UIDs mean the same at any time.
        client.command(&by_uid).unwrap();
        assert_eq!(client.command(&by_number), shifts);
        sent(&mut client);
        receive(&mut client, b"A1 OK\r\nA2 OK\r\n");
        client.command(&by_number).unwrap();
    }
    // A SEARCH by numbers may follow a FETCH by numbers.
    let mut client = ready("");
    client.command(&by_number).unwrap();
    let keys = [SearchKey::All];
    let search =
        Search { numbering: Numbering::Sequence, returned: None, charset: None, keys: List::of(&keys) };
    client.command(&Command::Search(search)).unwrap();
}

#[test]
fn rev2_takes_small_literals_unasked() {
    for (capabilities, large) in [("", false), (" LITERAL-", true), (" IMAP4rev2", true), (" LITERAL+", true)]
    {
        let mut client = ready(capabilities);
        client.command(&Command::GetQuota(IString::new("a\nb").unwrap())).unwrap();
        assert_eq!(sent(&mut client).contains("{3+}"), large, "{capabilities}");
    }
    let long = "\n".repeat(4_097);
    for (capabilities, unasked) in [(" LITERAL-", false), (" IMAP4rev2", false), (" LITERAL+", true)] {
        let mut client = ready(capabilities);
        client.command(&Command::GetQuota(IString::new(&long).unwrap())).unwrap();
        assert_eq!(sent(&mut client).contains("{4097+}"), unasked, "{capabilities}");
    }
}
