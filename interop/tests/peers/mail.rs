//! Messages, and one transaction by SMTP or LMTP.

use bytes::Bytes;
use interop::talk::Talk;
use smtp_proto::client::{Config, Envelope, Event, Machine, Recipient, TlsMode};

use smtp_proto::{Address, Dialect, Domain, MailParams, ReversePath};

/// Bodies in which something of every transport goes wrong if it can.
pub(crate) fn bodies() -> Vec<(&'static str, String)> {
    vec![
        ("plain", "Hello.\r\n".to_owned()),
        ("empty", String::new()),
        ("dots", ".\r\n..\r\n...three\r\n.\r\n.profile\r\nend\r\n".to_owned()),
        ("eight bit", "gr\u{fc}\u{df}e \u{65e5}\u{672c}\r\n".to_owned()),
        ("long line", "x".repeat(990) + "\r\n"),
        ("large", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(8_000)),
    ]
}

/// A message with this body.
pub(crate) fn message(subject: &str, body: &str) -> String {
    format!(
        "From: sender@elsewhere.test\r\nTo: someone@peer.test\r\nSubject: {subject}\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@elsewhere.test>\r\n\r\n{body}",
        subject.replace(' ', ".")
    )
}

/// Whether a delivered file holds this message below what transports add; line ends are the system's own there.
pub(crate) fn holds(file: &[u8], message: &str) -> bool {
    file.ends_with(message.replace("\r\n", "\n").as_bytes())
}

pub(crate) fn config(tls: TlsMode) -> Config {
    let mut config = Config::new(Domain::new("client.elsewhere.test").unwrap());
    config.tls = tls;
    config
}

pub(crate) fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath::from("sender@elsewhere.test".parse::<Address>().unwrap()),
        params: MailParams::default(),
        recipients: recipients.iter().map(|to| to.parse::<Recipient>().unwrap()).collect(),
    }
}

/// Waits until the session is ready, going under TLS on the way if it is to.
pub(crate) fn ready<D: Dialect>(talk: &mut Talk<Machine<D>>, authority: &str) {
    loop {
        match talk.next_event().expect("the peer closed") {
            Event::StartTls => talk.start_tls(authority),
            Event::Ready(_) => return,
            _ => {}
        }
    }
}

/// Sends one message. Returns the code of each recipient's fate, in their order.
pub(crate) fn send<D: Dialect>(talk: &mut Talk<Machine<D>>, envelope: Envelope, message: &str) -> Vec<u16> {
    let mut fates = vec![0; envelope.recipients.len()];
    talk.conn().send(envelope).unwrap();
    loop {
        match talk.next_event().expect("the peer closed") {
            Event::BodyWanted => {
                for piece in message.as_bytes().chunks(10_000) {
                    talk.conn().body_chunk(&Bytes::copy_from_slice(piece)).unwrap();
                }
                talk.conn().body_end().unwrap();
            }
            Event::Fate { recipient, reply, .. } => fates[recipient] = reply.code().value(),
            Event::TransactionEnd => return fates,
            _ => {}
        }
    }
}

/// Says goodbye, and waits for it to be heard.
pub(crate) fn quit<D: Dialect>(mut talk: Talk<Machine<D>>) {
    talk.conn().quit().unwrap();
    while talk.next_event().is_some() {}
}
