//! An LMTP server: rows Q6, F5, P16 where they differ from SMTP.

use std::time::Instant;

use lmtp_proto::server::{Config, Connection, Event};
use lmtp_proto::{Deliveries, DeliveryId};
use mail_wire::Connection as _;
use mail_wire::testing::every_split;
use smtp_proto::{Code, Domain, Extension, Limits, Reply};

pub(crate) fn config() -> Config {
    let limits = Limits { message_bytes_max: 100, ..Limits::default() };
    let extensions = vec![DeliveryId::extension()];
    Config { limits, extensions, ..Config::new(Domain::new("store").expect("valid")) }
}

/// The reply that this store gives to a copy for this user.
pub(crate) fn verdict(user: &str) -> Reply {
    match user {
        "full" => Reply::over_quota(),
        "broken" => Reply::new(Code::FAILED, "No").with_status(6, 0),
        _ => Reply::ok(),
    }
}

/// A server with its owner.
pub(crate) struct Store {
    pub(crate) conn: Connection,
    pub(crate) accepted: Vec<String>,
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) resets: usize,
    body: Vec<u8>,
    /// Duties that a test wants to handle itself.
    pub(crate) keep: bool,
    pub(crate) kept: Option<Deliveries>,
}

impl Store {
    pub(crate) fn new(config: Config) -> Self {
        let mut conn = Connection::new(config, Instant::now());
        conn.greet().expect("first");
        let (accepted, bodies) = (Vec::new(), Vec::new());
        Self { conn, accepted, bodies, resets: 0, body: Vec::new(), keep: false, kept: None }
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> String {
        self.conn.receive(bytes, Instant::now());
        self.drain();
        let sent: Vec<u8> = std::iter::from_fn(|| self.conn.poll_transmit()).flatten().collect();
        String::from_utf8(sent).expect("ASCII")
    }

    pub(crate) fn drain(&mut self) {
        while let Ok(Some(event)) = self.conn.poll_event() {
            match event {
                Event::Mail(ticket, ..) => {
                    self.accepted.clear();
                    self.conn.reply(ticket, &Reply::sender_ok()).expect("fits");
                }
                Event::Rcpt(ticket, to, _) if to.local_part() == "nobody" => {
                    self.conn.reply(ticket, &Reply::no_such_mailbox()).expect("fits");
                }
                Event::Rcpt(ticket, to, _) => {
                    self.accepted.push(to.local_part().to_owned());
                    self.conn.reply(ticket, &Reply::recipient_ok()).expect("fits");
                }
                Event::Data(ticket) => self.conn.accept_data(ticket).expect("fits"),
                Event::Chunk(bytes) => self.body.extend_from_slice(&bytes),
                Event::BodyEnd(deliveries) if self.keep => self.kept = Some(deliveries),
                Event::BodyEnd(deliveries) => {
                    assert_eq!(deliveries.len(), self.accepted.len());
                    self.bodies.push(std::mem::take(&mut self.body));
                    let answered = deliveries.each(|place| verdict(&self.accepted[place]));
                    self.conn.reply_message(answered).expect("fits");
                }
                Event::Reset => {
                    self.resets += 1;
                    self.body.clear();
                }
                _ => {}
            }
        }
    }
}

fn ready() -> Store {
    let mut store = Store::new(config());
    assert_eq!(
        store.say(b"LHLO hub\r\n"),
        "220 store LMTP\r\n250-store\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 XCORBIEID\r\n"
    );
    store
}

const ENVELOPE: &[u8] =
    b"MAIL FROM:<> XCORBIEID=1\r\nRCPT TO:<bob>\r\nRCPT TO:<nobody>\r\nRCPT TO:<full@a>\r\nRCPT TO:<broken@a>\r\nDATA\r\n";

#[test]
fn lmtp_has_its_own_hello() {
    let mut store = Store::new(config());
    assert_eq!(store.say(b""), "220 store LMTP\r\n");
    for smtp in [&b"EHLO x\r\n"[..], b"HELO x\r\n"] {
        assert_eq!(store.say(smtp), "500 5.5.1 This is LMTP, say LHLO\r\n");
    }
    assert!(store.say(b"MAIL FROM:<>\r\n").starts_with("503"));
}

#[test]
fn q6_each_accepted_recipient_gets_exactly_its_own_reply_in_order() {
    let replies = every_split(b"text\r\n.\r\nRSET\r\n", |pieces| {
        let mut store = ready();
        assert!(store.say(ENVELOPE).ends_with("354 End data with <CR><LF>.<CR><LF>\r\n"));
        pieces.iter().map(|piece| store.say(piece)).collect::<String>()
    });
    assert_eq!(replies, "250 2.0.0 OK\r\n452 4.2.2 Over quota\r\n554 5.6.0 No\r\n250 2.0.0 OK\r\n");
}

#[test]
fn q6_refused_and_dropped_messages_are_answered_for_each_recipient_too() {
    let mut store = ready();
    store.say(ENVELOPE);
    assert_eq!(
        store.say(format!("{}\r\n.\r\n", "x".repeat(99)).as_bytes()),
        "552 5.3.4 Message too big\r\n".repeat(3)
    );
    assert_eq!(store.resets, 1);

    store.say(ENVELOPE);
    store.conn.refuse_message(Reply::storage_full()).expect("under way");
    assert_eq!(store.say(b"text\r\n.\r\n"), "452 4.3.1 Insufficient system storage\r\n".repeat(3));

    store.say(ENVELOPE);
    store.keep = true;
    assert_eq!(store.say(b"text\r\n.\r\n"), "");
    drop(store.kept.take());
    assert_eq!(store.say(b""), "451 4.3.0 Temporary failure, try again later\r\n".repeat(3));

    store.keep = true;
    store.say(ENVELOPE);
    store.say(b"text\r\n.\r\n");
    let deliveries = store.kept.take().expect("kept");
    assert!(!deliveries.is_empty());
    store.conn.reply_message(deliveries.all(&Reply::new(Code::START_MAIL, "?"))).expect("fits");
    assert_eq!(store.say(b""), "451 4.3.0 Temporary failure, try again later\r\n".repeat(3));
}

#[test]
fn q6_the_same_recipient_twice_is_two_recipients() {
    let mut store = ready();
    store.say(
        b"MAIL FROM:<> XCORBIEID=1\r\nRCPT TO:<bob@a>\r\nRCPT TO:<full@a>\r\nRCPT TO:<bob@a>\r\nDATA\r\n",
    );
    assert_eq!(store.say(b".\r\n"), "250 2.0.0 OK\r\n452 4.2.2 Over quota\r\n250 2.0.0 OK\r\n");
}

#[test]
fn what_a_hub_that_is_trusted_says_of_quota_and_submitter_reaches_the_store() {
    let extensions = vec![Extension::IgnoreQuota, Extension::Dsn];
    let mechanisms = vec![mail_wire::sasl::Mechanism::Plain.into()];
    let mut store = Store::new(Config { extensions, mechanisms, ..config() });
    assert!(store.say(b"LHLO hub\r\n").contains("IGNOREQUOTA"));
    store.conn.receive(b"MAIL FROM:<> AUTH=cyrus\r\n", Instant::now());
    let (submitter, ticket) = loop {
        match store.conn.poll_event() {
            Ok(Some(Event::Mail(ticket, _, params))) => break (params.auth, ticket),
            Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(submitter.map(|who| who.to_string()).as_deref(), Some("cyrus"));
    store.conn.reply(ticket, &Reply::sender_ok()).expect("fits");
    store.conn.receive(b"RCPT TO:<bob> IGNOREQUOTA ORCPT=rfc822;bob@a\r\n", Instant::now());
    let Ok(Some(Event::Rcpt(_ticket, path, params))) = store.conn.poll_event() else { panic!() };
    assert_eq!((path.to_string().as_str(), params.ignore_quota), ("<bob>", true));
    assert_eq!(params.original_recipient.as_ref().map(|first| first.address()), Some("bob@a"));
}

#[test]
fn q6_a_duty_of_another_connection_is_refused() {
    let (mut one, mut other) = (ready(), ready());
    for store in [&mut one, &mut other] {
        store.keep = true;
        store.say(ENVELOPE);
        store.say(b"text\r\n.\r\n");
    }
    let foreign = other.kept.take().expect("kept").all(&Reply::ok());
    assert_eq!(one.conn.reply_message(foreign), Err(mail_wire::ApiMisuse::ForeignTicket));
}

#[test]
fn data_without_an_accepted_recipient_gets_503() {
    let mut store = ready();
    let replies = store.say(b"MAIL FROM:<>\r\nRCPT TO:<nobody>\r\nDATA\r\n");
    assert!(replies.ends_with("503 5.5.1 No valid recipients\r\n"));
}

#[test]
fn f5_a_message_behind_data_is_cut_off_in_lmtp_too() {
    let mut store = ready();
    let replies = store.say(&[ENVELOPE, b"text\r\n.\r\n"].concat());
    assert!(replies.ends_with("554 5.5.0 Input before its turn\r\n"));
    assert!(store.conn.is_closing() && store.bodies.is_empty());
}

#[test]
fn tls_and_logins_are_there_as_in_smtp() {
    use smtp_proto::server::StartTls;
    let config = Config {
        start_tls: StartTls::Require,
        mechanisms: vec![mail_wire::sasl::Mechanism::Plain.into()],
        ..config()
    };
    let mut store = Store::new(config);
    let hello = store.say(b"LHLO hub\r\n");
    assert!(hello.contains("STARTTLS") && !hello.contains("AUTH"));
    assert!(store.say(b"MAIL FROM:<>\r\n").starts_with("530 5.7.0"));
    assert!(store.say(b"STARTTLS\r\n").starts_with("220"));
    store.conn.tls_started(Instant::now());
    assert!(store.say(b"LHLO hub\r\n").contains("AUTH PLAIN"));
    store.conn.receive(b"AUTH PLAIN AGh1YgBzZWNyZXQ=\r\n", Instant::now());
    let ticket = loop {
        match store.conn.poll_event() {
            Ok(Some(Event::Authenticate { ticket, .. })) => break ticket,
            Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    store.conn.auth_ok(ticket).expect("fits");
    assert_eq!(
        (store.say(b""), store.conn.with_protocol()),
        ("235 2.7.0 Authentication succeeded\r\n".into(), "LMTPSA")
    );
}
