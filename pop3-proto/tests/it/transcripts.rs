//! Whole sessions, byte for byte.

use std::time::Instant;

use mail_wire::testing::every_split;
use mail_wire::{Connection as _, TlsActive, TlsMode, sasl};
use pop3_proto::client::{self, Event};
use pop3_proto::{Capability, Command, LanguageListing, MaildropCommand, Password};

use crate::support::{Maildrop, Said, client_bytes, config, output, server, server_bytes, text, transcript};

/// Feeds everything that the client says, however it is cut, and compares everything that the server says.
fn server_says(file: &str) {
    let transcript = transcript(file);
    let said = every_split(&client_bytes(&transcript), |pieces| {
        let (mut server, mut maildrop) = (server(config()), Maildrop::default());
        for piece in pieces {
            server.receive(piece, Instant::now());
            maildrop.serve(&mut server).unwrap();
        }
        assert!(server.is_closing(), "QUIT closes");
        text(&output(&mut server))
    });
    assert_eq!(said, text(&server_bytes(&transcript)));
}

#[test]
fn the_session_of_the_rfc() {
    server_says(include_str!("../../testdata/rfc1939.txt"));
}

#[test]
fn a_session_of_logins_and_refusals() {
    server_says(include_str!("../../testdata/session.txt"));
}

/// Lets a client say what the transcript has it say, through its typed calls, and gives it what the server said, cut in
/// several ways; gives back its events, a line each.
fn client_hears(file: &str) -> Vec<String> {
    client_hears_with(TlsMode::Never, file)
}

fn client_hears_with(tls: TlsMode, file: &str) -> Vec<String> {
    let heard = [1, 7, usize::MAX].map(|piece_bytes| {
        let now = Instant::now();
        let mut client = client::Connection::new(client::Config::new(tls), now);
        let mut events = Vec::new();
        for said in transcript(file) {
            match said {
                Said::Server(bytes) => {
                    for piece in bytes.chunks(piece_bytes) {
                        client.receive(piece, now);
                        while let Some(event) = client.poll_event().unwrap() {
                            if event == Event::StartTls {
                                client.tls_started(now);
                            }
                            events.push(event);
                        }
                    }
                }
                Said::Client(bytes) => {
                    for line in String::from_utf8(bytes.clone()).unwrap().split_terminator("\r\n") {
                        let preparing = !events.iter().any(|event| matches!(event, Event::Greeting(_)));
                        say(&mut client, line.as_bytes(), preparing);
                    }
                    assert_eq!(text(&output(&mut client)), text(&bytes));
                }
            }
        }
        assert!(client.is_closing());
        short(&events)
    });
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[1], heard[2]);
    heard.into_iter().next().unwrap()
}

/// Makes the client say this line. What it says by itself is left to it: CAPA and STLS while it prepares, PASS.
fn say(client: &mut client::Connection, line: &[u8], preparing: bool) {
    let proof = TlsActive::danger_assume_protected();
    match Command::parse(line) {
        Ok(Command::Capa | Command::Stls) if preparing => Ok(()),
        Ok(Command::Capa) => client.capa(),
        Ok(Command::User(name)) => client.login(name, Password::new(b"secret").unwrap(), proof),
        Ok(Command::Pass(_)) => Ok(()),
        Ok(Command::Apop { name, digest }) => client.login_apop(name, digest),
        Ok(Command::Auth { mechanism, initial }) => client.authenticate(&mechanism, initial, proof),
        Ok(Command::Utf8) => client.utf8(),
        Ok(Command::Lang(Some(range))) => client.language(range),
        Ok(Command::Lang(None)) => client.languages(),
        Ok(Command::Maildrop(command)) => client.send(command),
        Ok(Command::Quit) => client.quit(),
        Ok(other) => panic!("{other:?}"),
        Err(_) if line == b"*" => client.cancel(),
        Err(_) => client.respond(sasl::decode(line).unwrap().expose()),
    }
    .unwrap();
}

#[test]
fn a_client_reads_a_maildrop_of_cyrus() {
    assert_eq!(
        client_hears(include_str!("../../testdata/cyrus.txt")),
        [
            "greeting, 10 capabilities, pipelining true, timestamp",
            "logged in",
            "Stat: 320 octets",
            "List(None) begins",
            "1 of 120",
            "2 of 200",
            "List(None) ends",
            "Uidl(None) begins",
            "1 is 1795500150.1",
            "2 is 1795500150.2",
            "Uidl(None) ends",
            "Retr(MessageNumber(1)) begins",
            r"Subject: one\r\n\r\n.\r\n",
            "Retr(MessageNumber(1)) ends",
            "Retr(MessageNumber(3)): false",
            "Dele(MessageNumber(1)): true",
            "goodbye true",
        ]
    );
}

#[test]
fn a_client_reads_a_maildrop_of_dovecot() {
    let header = r"From: rose@example.org\r\nSubject: one\r\nMessage-ID: <1@example.org>\r\n\r\n";
    let heard = client_hears(include_str!("../../testdata/dovecot.txt"));
    let expected = [
        "greeting, 8 capabilities, pipelining true, timestamp",
        "login failed: Some(Auth)",
        "logged in",
        "6 capabilities",
        "Stat: 163 octets",
        "List(None) begins",
        "1 of 88",
        "2 of 75",
        "List(None) ends",
        "Uidl(None) begins",
        "1 is 000000016b0572fb",
        "2 is 000000026b0572fb",
        "Uidl(None) ends",
        "List(Some(MessageNumber(2))): true",
        "Uidl(Some(MessageNumber(2))): true",
        "List(Some(MessageNumber(9))): false",
        "Retr(MessageNumber(1)) begins",
        &format!(r"{header}.\r\n..leading dots\r\n"),
        "Retr(MessageNumber(1)) ends",
        "Top(MessageNumber(1), 0) begins",
        header,
        "Top(MessageNumber(1), 0) ends",
        "Retr(MessageNumber(3)): false",
        "Dele(MessageNumber(1)): true",
        "Retr(MessageNumber(1)): false",
        "Rset: true",
        "Noop: true",
        "Stat: 163 octets",
        "List(Some(MessageNumber(1))): true",
        "Retr(MessageNumber(2)) begins",
        r"From: rose@example.org\r\nSubject: two\r\nMessage-ID: <2@example.org>\r\n\r\nTwo.\r\n",
        "Retr(MessageNumber(2)) ends",
        "goodbye true",
    ];
    assert_eq!(heard, expected);
}

#[test]
fn a_client_logs_in_to_dovecot_by_apop_and_by_sasl() {
    let apop = client_hears(include_str!("../../testdata/dovecot_apop.txt"));
    assert_eq!(apop, ["greeting, 8 capabilities, pipelining true, timestamp", "logged in", "goodbye true"]);
    assert_eq!(
        client_hears(include_str!("../../testdata/dovecot_sasl.txt")),
        [
            "greeting, 8 capabilities, pipelining true, timestamp",
            "challenge of 0 bytes",
            "login failed: None",
            "challenge of 0 bytes",
            "logged in",
            "goodbye true",
        ]
    );
}

#[test]
fn a_client_hears_the_examples_of_the_rfcs() {
    let rfc1939 = client_hears(include_str!("../../testdata/rfc1939_apop.txt"));
    assert_eq!(
        rfc1939[..3],
        ["greeting, 0 capabilities, pipelining false, timestamp", "logged in", "Stat: 320 octets"]
    );
    assert_eq!(rfc1939.last().unwrap(), "goodbye true");
    assert_eq!(
        client_hears(include_str!("../../testdata/rfc2449.txt")),
        [
            "greeting, 8 capabilities, pipelining true, login delay 900",
            "login failed: Some(InUse)",
            "login failed: Some(LoginDelay)",
            "logged in",
            "goodbye true",
        ]
    );
    assert_eq!(
        client_hears_with(TlsMode::Required, include_str!("../../testdata/rfc2595.txt")),
        ["StartTls", "greeting, 1 capabilities, pipelining false", "goodbye true"]
    );
    assert_eq!(
        client_hears(include_str!("../../testdata/rfc1734.txt")),
        [
            "greeting, 1 capabilities, pipelining false",
            "challenge of 4 bytes",
            "challenge of 8 bytes",
            "logged in",
            "goodbye true",
        ]
    );
    assert_eq!(
        client_hears(include_str!("../../testdata/rfc5034.txt")),
        [
            "greeting, 3 capabilities, pipelining false",
            "login failed: Some(Auth)",
            "challenge of 0 bytes",
            "logged in",
            "goodbye true",
        ]
    );
    assert_eq!(
        client_hears(include_str!("../../testdata/rfc6856.txt")),
        [
            "greeting, 3 capabilities, pipelining false",
            "UTF-8 true",
            "logged in",
            "language: invalid language MUL",
            "languages: en, en-boont, de, it, es Espa\u{f1}ol, sv",
            "no languages",
            "language: es Idioma cambiado",
            "language: es Idioma \u{ab}UGA\u{bb} no es conocido",
            "language: sv Kommandot \"LANG\" lyckades",
            "language: es Idioma cambiado",
            "Retr(MessageNumber(1)): false",
            "goodbye true",
        ]
    );
}

/// The events, a line each; the pieces of a message joined.
fn short(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut in_message = false;
    for event in events {
        let line = match event {
            Event::Greeting(greeting) => {
                let capabilities = &greeting.capabilities;
                let pipelining = capabilities.contains(&Capability::Pipelining);
                let delay = capabilities.login_delay_seconds().filter(|seconds| *seconds > 0);
                format!(
                    "greeting, {} capabilities, pipelining {pipelining}{}{}",
                    capabilities.iter().count(),
                    delay.map(|seconds| format!(", login delay {seconds}")).unwrap_or_default(),
                    if greeting.timestamp.is_some() { ", timestamp" } else { "" },
                )
            }
            Event::Challenge(message) => format!("challenge of {} bytes", message.expose().len()),
            Event::LoginFailed(reply) => format!("login failed: {:?}", reply.code),
            Event::Capabilities(all) => format!("{} capabilities", all.iter().count()),
            Event::Utf8(reply) => format!("UTF-8 {}", reply.is_ok()),
            Event::Language(reply) => format!("language: {}", reply.text),
            Event::Languages(Err(_)) => "no languages".into(),
            Event::Languages(Ok(all)) => {
                let spanish = |l: &LanguageListing| l.tag.as_str() == "es";
                let name = |l: &LanguageListing| match spanish(l) {
                    true => format!("{} {}", l.tag.as_str(), l.description),
                    false => l.tag.as_str().to_owned(),
                };
                format!("languages: {}", all.iter().map(name).collect::<Vec<_>>().join(", "))
            }
            Event::LoggedIn(_) => "logged in".into(),
            Event::Reply(MaildropCommand::Stat, reply) => {
                format!("Stat: {} octets", reply.as_drop_listing().unwrap().octets)
            }
            Event::Reply(command, reply) => format!("{command:?}: {}", reply.is_ok()),
            Event::Begin(command, _) => format!("{command:?} begins"),
            Event::End(command) => format!("{command:?} ends"),
            Event::ScanListing(listing) => format!("{} of {}", listing.message, listing.octets),
            Event::UniqueIdListing(listing) => format!("{} is {}", listing.message, listing.id.as_str()),
            Event::Chunk(bytes) if in_message => {
                lines.last_mut().unwrap().push_str(&text(bytes));
                continue;
            }
            Event::Chunk(bytes) => text(bytes),
            Event::Goodbye(reply) => format!("goodbye {}", reply.is_ok()),
            other => format!("{other:?}"),
        };
        in_message = matches!(event, Event::Chunk(_));
        lines.push(line);
    }
    lines
}
