//! APOP, UTF8, LANG, a user's own capabilities, and what is overlooked.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::testing::pump;
use mail_wire::{ApiMisuse, Connection as _, Error, PeerIncompatible, Text, TlsActive, TlsMode};
use pop3_proto::apop::{Digest, Timestamp};
use pop3_proto::client::{self, Event};
use pop3_proto::server::{self, Config, Language, StartTls, Utf8Mode};
use pop3_proto::{
    Capability, LanguageListing, LanguageRange, LanguageTag, MaildropCommand, Password, Quirk, Quirks, Reply,
    ResponseCode, Scope, UserName,
};

use crate::support::{
    APOP_DIGEST, APOP_TIMESTAMP, Maildrop, client_bytes, config, output, server, server_bytes, text,
    transcript,
};

/// What a server of this configuration makes of bytes.
fn said(config: Config, bytes: &[u8]) -> String {
    let mut server = server(config);
    output(&mut server);
    server.receive(bytes, Instant::now());
    Maildrop::default().serve(&mut server).unwrap();
    text(&output(&mut server))
}

fn language(tag: &[u8], description: &'static str, chosen: &'static str) -> Language {
    let listing = LanguageListing {
        tag: LanguageTag::new(tag).unwrap(),
        description: Text::international(description).unwrap(),
    };
    Language { listing, chosen: Text::international(chosen).unwrap() }
}

fn international() -> Config {
    Config {
        languages: vec![
            language(b"en", "English", "Language changed"),
            language(b"es-ES", "Espa\u{f1}ol", "Idioma cambiado"),
        ],
        utf8: Utf8Mode::MessagesAndNames,
        ..config()
    }
}

#[test]
fn apop_lets_in_who_knows_the_secret() {
    let now = Instant::now();
    let timestamp = || Timestamp::new(APOP_TIMESTAMP.as_bytes()).unwrap();
    let mut server = server::Connection::new(config(), now);
    server.greet_with(&Text::constant("POP3 server ready"), timestamp()).unwrap();
    assert_eq!(server.timestamp(), Some(&timestamp()));
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), now);
    let (mut maildrop, mut events) = (Maildrop::default(), Vec::new());
    let mut run = |client: &mut client::Connection| {
        while pump(&mut server, client, usize::MAX, now) > 0 {
            maildrop.serve(&mut server).unwrap();
            while let Some(event) = client.poll_event().unwrap() {
                events.push(event);
            }
        }
        events.split_off(0)
    };
    let heard = run(&mut client);
    let [Event::Greeting(greeting)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(greeting.timestamp, Some(timestamp()));
    let name = || UserName::new(b"mrose").unwrap();
    client.login_apop(name(), Digest::new([0; 16])).unwrap();
    assert!(matches!(&run(&mut client)[..], [Event::LoginFailed(r)] if r.code == Some(ResponseCode::Auth)));
    client.login_apop(name(), Digest::parse(APOP_DIGEST).unwrap()).unwrap();
    assert!(matches!(run(&mut client)[..], [Event::LoggedIn(_)]));
}

#[test]
fn without_a_timestamp_there_is_no_apop() {
    let apop = format!("APOP mrose {}\r\n", String::from_utf8_lossy(APOP_DIGEST));
    assert_eq!(said(config(), apop.as_bytes()), text(b"-ERR APOP is not available\r\n"));
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), Instant::now());
    // What is no message-id is no timestamp: nobody gets a digest over what he chose (CVE-2007-1558).
    client.receive("+OK <caf\u{e9}@example> ready\r\n".as_bytes(), Instant::now());
    assert_eq!(client.poll_event(), Ok(None));
    output(&mut client);
    client.receive(b"-ERR what?\r\n", Instant::now());
    let Ok(Some(Event::Greeting(greeting))) = client.poll_event() else { panic!() };
    assert_eq!(greeting.timestamp, None);
    let missing = Err(PeerIncompatible::Missing("a timestamp for APOP").into());
    assert_eq!(client.login_apop(UserName::new(b"mrose").unwrap(), Digest::new([0; 16])), missing);
}

#[test]
fn t6_a_timestamp_from_before_stls_is_forgotten() {
    let now = Instant::now();
    let mut client = client::Connection::new(client::Config::new(TlsMode::Required), now);
    let hears = |client: &mut client::Connection, bytes: &str| {
        client.receive(bytes.as_bytes(), now);
        let event = client.poll_event();
        output(client);
        event
    };
    assert_eq!(hears(&mut client, &format!("+OK {APOP_TIMESTAMP}\r\n")), Ok(None));
    assert_eq!(hears(&mut client, "+OK\r\nSTLS\r\n.\r\n"), Ok(None));
    assert_eq!(hears(&mut client, "+OK\r\n"), Ok(Some(Event::StartTls)));
    client.tls_started(now);
    output(&mut client);
    let Ok(Some(Event::Greeting(greeting))) = hears(&mut client, "+OK\r\nUSER\r\n.\r\n") else { panic!() };
    assert_eq!(greeting.timestamp, None);
}

#[test]
fn a_timestamp_needs_room_and_a_text_without_angle_brackets() {
    let greet = |words: usize, text: &str| {
        let mut server = server::Connection::new(config(), Instant::now());
        let timestamp = Timestamp::new(format!("<{}@b>", "a".repeat(words)).as_bytes()).unwrap();
        server.greet_with(&Text::lossy(text), timestamp).map(|()| output(&mut server).len())
    };
    let text = "x".repeat(400);
    let room = 512 - "+OK  <@b>\r\n".len() - 400;
    assert_eq!(greet(room, &text), Ok(512));
    assert!(matches!(greet(room + 1, &text), Err(Error::ApiMisuse(ApiMisuse::WrongState(_)))));
    assert!(greet(1, "<a@b>").is_err());
}

#[test]
fn languages_are_offered_listed_and_chosen() {
    let languages = transcript(include_str!("../../testdata/languages.txt"));
    let mut server = server(international());
    server.receive(&client_bytes(&languages), Instant::now());
    Maildrop::default().serve(&mut server).unwrap();
    assert_eq!(text(&output(&mut server)), text(&server_bytes(&languages)));
    assert_eq!(said(config(), b"LANG\r\nLANG en\r\nUTF8\r\n").matches("not available").count(), 3);
}

#[test]
fn the_owner_is_told_the_language_and_its_texts_go_out_in_it() {
    let now = Instant::now();
    let mut server = server(international());
    let login = b"USER mrose\r\nPASS secret\r\n";
    server.receive(&[&login[..], b"NOOP\r\nLANG es\r\nNOOP\r\n"].concat(), now);
    let spanish = Reply::ok(Text::international("Buz\u{f3}n").unwrap());
    let mut chosen = None;
    while let Some(event) = server.poll_event().unwrap() {
        match event {
            server::Event::Login(ticket, _) => server.auth_ok(ticket, &Text::constant("hello")).unwrap(),
            server::Event::Maildrop(ticket, MaildropCommand::Noop) => server.reply(ticket, &spanish).unwrap(),
            server::Event::Language(tag) => chosen = Some(tag),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(chosen, LanguageTag::new(b"es-ES").ok());
    let said = String::from_utf8(output(&mut server)).unwrap();
    assert!(said.ends_with("+OK Buz?n\r\n+OK es-ES Idioma cambiado\r\n+OK Buz\u{f3}n\r\n"), "{said}");
}

#[test]
fn utf8_mode_is_entered_before_the_login_and_behind_stls() {
    let config = Config { start_tls: StartTls::Offer, ..international() };
    let said = said(config.clone(), b"UTF8\r\nSTLS\r\nUSER mrose\r\nPASS secret\r\nUTF8\r\n");
    let expected = b"+OK UTF-8 from here on\r\n-ERR STLS comes before UTF8\r\n+OK Send the password\r\n\
        +OK maildrop has 2 messages\r\n-ERR Not after the login\r\n";
    assert_eq!(said, text(expected));
    let mut server = server(config);
    server.receive(b"STLS\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(Some(server::Event::StartTls))));
    server.tls_started(Instant::now());
    assert!(!server.is_utf8());
    server.receive(b"UTF8\r\n", Instant::now());
    assert!(matches!(server.poll_event(), Ok(None)));
    assert!(server.is_utf8());
}

#[test]
fn names_and_passwords_beyond_ascii_need_the_server_s_word() {
    let login = |capability: &str, name: &str, password: &[u8]| {
        let mut client = client::Connection::new(client::Config::new(TlsMode::Never), Instant::now());
        client.receive(b"+OK\r\n", Instant::now());
        assert_eq!(client.poll_event(), Ok(None));
        output(&mut client);
        client.receive(format!("+OK\r\nUSER\r\n{capability}\r\n.\r\n").as_bytes(), Instant::now());
        assert!(matches!(client.poll_event(), Ok(Some(Event::Greeting(_)))));
        let (name, password) = (UserName::new(name.as_bytes()).unwrap(), Password::new(password).unwrap());
        client.login(name, password, TlsActive::danger_assume_protected())
    };
    let refused = Err(PeerIncompatible::Inexpressible("a name or password beyond ASCII").into());
    assert_eq!(login("UTF8", "ren\u{e9}", b"secret"), refused);
    assert_eq!(login("UTF8", "rene", "secr\u{e9}t".as_bytes()), refused);
    assert_eq!(login("UTF8 USER", "ren\u{e9}", "secr\u{e9}t".as_bytes()), Ok(()));
    assert_eq!(login("UTF8", "rene", b"secret"), Ok(()));
    // A server that offers it takes nothing else beyond ASCII.
    let bad = said(international(), b"USER mrose\r\nPASS \xff\r\n");
    assert_eq!(bad, text(b"+OK Send the password\r\n-ERR UTF-8 expected\r\n"));
    assert!(said(config(), b"USER mrose\r\nPASS \xff\r\n").contains("[AUTH]"));
}

#[test]
fn calls_for_what_is_not_there_are_refused() {
    let mut client = client::Connection::new(client::Config::new(TlsMode::Never), Instant::now());
    let range = || LanguageRange::Preferred;
    assert!(client.capa().is_err(), "the greeting has not come");
    client.receive(b"+OK\r\n", Instant::now());
    assert_eq!(client.poll_event(), Ok(None));
    output(&mut client);
    client.receive(b"+OK\r\nUSER\r\n.\r\n", Instant::now());
    assert!(matches!(client.poll_event(), Ok(Some(Event::Greeting(_)))));
    assert_eq!(client.language(range()), Err(PeerIncompatible::Missing("LANG").into()));
    assert_eq!(client.languages(), Err(PeerIncompatible::Missing("LANG").into()));
    assert_eq!(client.utf8(), Err(PeerIncompatible::Missing("UTF8").into()));
    client.capa().unwrap();
    assert!(client.capa().is_err(), "one at a time");
}

#[test]
fn a_user_s_own_capabilities_are_told_behind_the_login() {
    let everybody = [
        Capability::LoginDelay { seconds: 240, scope: Scope::User },
        Capability::Expire { days: Some(30), scope: Scope::User },
    ];
    let own = vec![
        Capability::LoginDelay { seconds: 0, scope: Scope::Server },
        Capability::Expire { days: None, scope: Scope::Server },
    ];
    let mut server = server(Config { capabilities: everybody.to_vec(), ..config() });
    output(&mut server);
    server.set_user_capabilities(own);
    server.receive(b"CAPA\r\nUSER mrose\r\nPASS secret\r\nCAPA\r\n", Instant::now());
    Maildrop::default().serve(&mut server).unwrap();
    let said = text(&output(&mut server));
    let (before, after) = said.split_at(said.find("maildrop has").unwrap());
    assert!(before.contains(r"LOGIN-DELAY 240 USER\r\nEXPIRE 30 USER\r\n"), "{before}");
    assert!(after.contains(r"LOGIN-DELAY 0\r\nEXPIRE NEVER\r\n"), "{after}");
}

#[test]
fn stls_is_announced_in_its_state_only() {
    let config = Config { start_tls: StartTls::Offer, ..config() };
    let said = said(config, b"CAPA\r\nUSER mrose\r\nPASS secret\r\nCAPA\r\n");
    assert_eq!(said.matches("STLS").count(), 1, "{said}");
}

#[test]
fn quirks_of_clients_are_overlooked_where_they_are_allowed_and_counted() {
    let bytes = b"AUTH\r\nUSER  mrose\r\nPASS secret\r\nTOP 1\r\n";
    let strict = said(config(), bytes);
    assert_eq!(strict.matches("-ERR Bad arguments").count(), 2, "{strict}");
    let mut server = server(Config { quirks: Quirks::tolerant(), ..config() });
    output(&mut server);
    server.receive(bytes, Instant::now());
    Maildrop::default().serve(&mut server).unwrap();
    let lenient = text(&output(&mut server));
    assert!(lenient.starts_with(r"+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n+OK"), "{lenient}");
    assert!(lenient.ends_with(r"Subject: one\r\n\r\n.\r\n"), "{lenient}");
    let met: Vec<_> = server.quirks_met().iter().collect();
    assert_eq!(met, [(Quirk::AuthListing, 1), (Quirk::TopWithoutCount, 1), (Quirk::ExtraSpaces, 1)]);
}

#[test]
fn a12_a_listing_of_mechanisms_shows_what_may_be_used_now() {
    let hidden =
        Config { plaintext_login: mail_wire::PlaintextLogin::Refuse, quirks: Quirks::tolerant(), ..config() };
    assert_eq!(said(hidden, b"AUTH\r\n"), text(b"+OK Mechanisms follow\r\n.\r\n"));
}

/// The message as it leaves, and what was overlooked for it.
fn retrieved(quirks: Quirks, body: &'static [u8]) -> (String, Vec<(Quirk, u64)>) {
    let mut server = server(Config { quirks, ..config() });
    server.receive(b"USER mrose\r\nPASS secret\r\nRETR 1\r\n", Instant::now());
    let mut maildrop = Maildrop::default();
    maildrop.messages[0].text = Bytes::from_static(body);
    maildrop.serve(&mut server).unwrap();
    let said = text(&output(&mut server));
    let (_, message) = said.split_once(r"octets\r\n").unwrap();
    (message.to_owned(), server.quirks_met().iter().collect())
}

#[test]
fn outlook_gets_its_messages_without_nul_and_with_an_end_of_header() {
    let both = Quirks::NONE.with(Quirk::OutlookNul).with(Quirk::OutlookEndOfHeader);
    let check = |quirks, body, message: &[u8], met: &[(Quirk, u64)]| {
        assert_eq!(retrieved(quirks, body), (text(message), met.to_vec()), "{body:?}");
    };
    check(Quirks::NONE, b"A: b\r\nC: d\0\r\n", b"A: b\r\nC: d\0\r\n.\r\n", &[]);
    let changed = [(Quirk::OutlookNul, 1), (Quirk::OutlookEndOfHeader, 1)];
    check(both, b"A: b\r\nC: d\0\r\n", b"A: b\r\nC: d\x80\r\n\r\n.\r\n", &changed);
    check(both, b"A: b\nC: d", b"A: b\r\nC: d\r\n\r\n.\r\n", &changed[1..]);
    check(both, b"A: b\r\n\r\nbody", b"A: b\r\n\r\nbody\r\n.\r\n", &[]);
}

#[test]
fn quirks_of_servers_are_overlooked_where_they_are_allowed_and_counted() {
    let session = |quirks: Quirks| -> Result<client::Connection, Error> {
        let config = client::Config { quirks, ..client::Config::new(TlsMode::Never) };
        let mut client = client::Connection::new(config, Instant::now());
        let hears = |client: &mut client::Connection, bytes: &[u8]| -> Result<Vec<Event>, Error> {
            output(client);
            client.receive(bytes, Instant::now());
            std::iter::from_fn(|| client.poll_event().transpose()).collect()
        };
        hears(&mut client, b"+OKready\r\n")?;
        hears(&mut client, b"-err what?\n")?;
        let (name, password) = (UserName::new(b"mrose").unwrap(), Password::new(b"secret").unwrap());
        client.login(name, password, TlsActive::danger_assume_protected())?;
        hears(&mut client, b"+OK\r\n")?;
        hears(&mut client, b"+OK\r\n")?;
        client.send(MaildropCommand::Uidl(None))?;
        let events = hears(&mut client, b"+OK\r\n1 Sat 12 Jan\r\n.\r\n")?;
        assert!(matches!(&events[1], Event::UniqueIdListing(l) if l.id.as_str() == "Sat 12 Jan"));
        client.send(MaildropCommand::List(None))?;
        // Text behind the size is no quirk: RFC 1939 leaves room for it.
        let events = hears(&mut client, b"+OK\r\n1 120 some text\r\n.\r\n")?;
        assert!(matches!(&events[1], Event::ScanListing(l) if l.octets == 120));
        Ok(client)
    };
    assert!(matches!(session(Quirks::NONE), Err(Error::InvalidMessage(_))));
    let met: Vec<_> = session(Quirks::tolerant()).unwrap().quirks_met().iter().collect();
    let expected = [
        (Quirk::StatusWithoutSpace, 1),
        (Quirk::StatusInOtherCase, 1),
        (Quirk::UniqueIdWithSpaces, 1),
        (Quirk::BareLineFeed, 1),
    ];
    assert_eq!(met, expected);
}
