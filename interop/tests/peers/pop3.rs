//! POP3: our client to Dovecot.

use std::time::Instant;

use interop::dovecot::Dovecot;
use interop::talk::Talk;
use mail_wire::sasl::{Authcid, Credentials};
use mail_wire::{Connection as _, Secret, TlsMode};
use pop3_proto::client::{Config, Connection, Event};
use pop3_proto::{MaildropCommand, MessageNumber};

use crate::mail::{bodies, config, envelope, message, ready, send};

#[test]
fn dovecot_gives_every_message_as_it_was_sent() {
    let dovecot = Dovecot::start();
    let mut delivery =
        Talk::new(dovecot.lmtp, lmtp_proto::client::Connection::new(config(TlsMode::Never), Instant::now()));
    ready(&mut delivery, "");
    for (kind, body) in bodies() {
        assert_eq!(send(&mut delivery, envelope(&["alice@peer.test"]), &message(kind, &body)), [250]);
    }

    let mut talk = Talk::new(dovecot.pop3, Connection::new(Config::new(TlsMode::Required), Instant::now()));
    loop {
        match talk.next_event().expect("Dovecot closed") {
            Event::StartTls => talk.start_tls(&dovecot.certificate),
            Event::Greeting(_) => break,
            event => panic!("{event:?}"),
        }
    }
    let protected = talk.conn().tls().unwrap();
    let who = Credentials {
        authzid: None,
        authcid: Authcid::new(b"alice").unwrap(),
        password: Secret::new(b"secret".to_vec()),
    };
    talk.conn().login_plain(&who, protected).unwrap();
    talk.until(|event| matches!(event, Event::LoggedIn(_)).then_some(()));

    // Everything in one flight: the listings, then each message whole and its head.
    talk.conn().send(MaildropCommand::Stat).unwrap();
    talk.conn().send(MaildropCommand::List(None)).unwrap();
    talk.conn().send(MaildropCommand::Uidl(None)).unwrap();
    let numbers: Vec<_> = (1..).map(|n| MessageNumber::new(n).unwrap()).take(bodies().len()).collect();
    for number in &numbers {
        talk.conn().send(MaildropCommand::Retr(*number)).unwrap();
        talk.conn().send(MaildropCommand::Top(*number, 0)).unwrap();
    }
    let (mut sizes, mut identifiers, mut texts, mut text) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while texts.len() < numbers.len() * 2 {
        match talk.next_event().expect("Dovecot closed") {
            Event::ScanListing(line) => sizes.push(line.octets),
            Event::UniqueIdListing(line) => identifiers.push(format!("{:?}", line.id)),
            Event::Chunk(bytes) => text.extend_from_slice(&bytes),
            Event::End(MaildropCommand::Retr(_) | MaildropCommand::Top(..)) => {
                texts.push(std::mem::take(&mut text))
            }
            Event::BadLine(e) => panic!("{e}"),
            _ => {}
        }
    }
    identifiers.sort();
    identifiers.dedup();
    assert_eq!((sizes.len(), identifiers.len()), (numbers.len(), numbers.len()));
    for ((kind, body), pair) in bodies().iter().zip(texts.chunks(2)) {
        let sent = message(kind, body);
        assert!(pair[0].ends_with(sent.as_bytes()), "{kind}: {}", String::from_utf8_lossy(&pair[0]));
        assert!(pair[0].starts_with(&pair[1]), "{kind}: TOP 0 is the head of the message");
        assert!(pair[1].ends_with(b"\r\n\r\n"), "{kind}");
    }
    talk.conn().quit().unwrap();
    talk.until(|event| matches!(event, Event::Goodbye(_)).then_some(()));
    assert!(talk.conn().is_closing());
}
