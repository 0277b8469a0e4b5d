//! What further extensions change on both sides: DSN and its kin, SMTPUTF8, REQUIRETLS, LIMITS, XCLIENT, XFORWARD, ETRN,
//! mechanisms beyond PLAIN and LOGIN.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::sasl::MechanismName;
use mail_wire::{ApiMisuse, Connection as _, Error, PeerIncompatible, PeerMisbehaved, Secret, TlsActive};
use smtp_proto::client::{Connection, Envelope, Event};
use smtp_proto::server::{AuthPolicy, Config};
use smtp_proto::{
    AttributeName, AttributeValue, Attributes, Command, EnvelopeId, Extension, MailParams, Notify,
    OriginalRecipient, ReversePath, SessionLimits,
};

use crate::sequence::check;
use crate::support::{Site, client_config, server_config};

fn with(extensions: Vec<Extension>) -> Config {
    Config { extensions, ..server_config() }
}

#[test]
fn each_parameter_needs_its_extension() {
    for (extension, mail, rcpt) in [
        (Extension::Dsn, "RET=HDRS ENVID=q1", "NOTIFY=NEVER ORCPT=rfc822;c@d"),
        (Extension::SmtpUtf8, "SMTPUTF8", ""),
        (Extension::DeliverBy(None), "BY=60;R", ""),
        (Extension::read("FUTURERELEASE 100 2030-01-01T00:00:00Z").expect("known"), "HOLDFOR=9", ""),
        (Extension::MtPriority(None), "MT-PRIORITY=3", ""),
        (Extension::Rrvs, "", "RRVS=2014-04-03T23:01:00Z"),
        (Extension::NoSoliciting(None), "SOLICIT=net.example:ADV", ""),
        (Extension::IgnoreQuota, "", "IGNOREQUOTA"),
    ] {
        let mail_line = format!("MAIL FROM:<a@b> {mail}");
        let rcpt_line = format!("RCPT TO:<c@d> {rcpt}");
        check(with(vec![extension]), &[(&mail_line, "250"), (&rcpt_line, "250")]);
        if !mail.is_empty() {
            check(server_config(), &[(&mail_line, "555 5.5.4")]);
        }
        if !rcpt.is_empty() {
            check(server_config(), &[("MAIL FROM:<a@b>", "250"), (&rcpt_line, "555 5.5.4")]);
        }
    }
}

#[test]
fn requiretls_is_there_only_under_tls() {
    let mut site = Site::ready(with(vec![Extension::RequireTls]));
    assert!(!site.say(b"EHLO x\r\n").contains("REQUIRETLS"));
    assert!(site.say(b"MAIL FROM:<a@b> REQUIRETLS\r\n").starts_with("555"));
    site.conn.tls_started(Instant::now());
    assert!(site.say(b"EHLO x\r\n").contains("REQUIRETLS"));
    assert!(site.say(b"MAIL FROM:<a@b> REQUIRETLS\r\n").starts_with("250"));
}

#[test]
fn addresses_beyond_ascii_need_smtputf8_in_the_session_and_in_the_transaction() {
    check(server_config(), &[("MAIL FROM:<r\u{e9}mi@b>", "501 5.5.2"), ("NOOP \u{e9}", "501 5.5.2")]);
    let site = check(
        with(vec![Extension::SmtpUtf8]),
        &[
            ("MAIL FROM:<r\u{e9}mi@b>", "553 5.6.7"),
            ("MAIL FROM:<a@b>", "250"),
            ("RCPT TO:<r\u{e9}mi@d>", "553 5.6.7"),
            ("RSET", "250"),
            ("MAIL FROM:<r\u{e9}mi@\u{4e2d}.example> SMTPUTF8", "250"),
            ("RCPT TO:<\u{4e2d}@d>", "250"),
            ("DATA", "354"),
            (".", "250"),
        ],
    );
    assert_eq!(site.seen.messages[0].from, "<r\u{e9}mi@\u{4e2d}.example>");
}

#[test]
fn questions_go_to_the_owner_where_they_were_announced() {
    check(
        with(vec![Extension::Vrfy, Extension::Expn, Extension::Etrn]),
        &[
            ("VRFY alice", "250"),
            ("VRFY bob", "550"),
            ("EXPN alice-list", "250"),
            ("ETRN alice.example", "250"),
        ],
    );
    check(server_config(), &[("VRFY alice", "252"), ("EXPN alice", "502"), ("ETRN alice", "502")]);
    let mut config = with(vec![Extension::Vrfy]);
    config.limits.idle_commands_max = 3;
    let mut site = Site::ready(config);
    assert!(site.say(b"VRFY bob\r\n").starts_with("550"));
    assert!(site.say(b"VRFY carol\r\n").ends_with("421 4.7.0 Too many commands\r\n"));
}

#[test]
fn xclient_begins_the_session_anew_for_peers_that_may_say_it() {
    let config = Config {
        auth: AuthPolicy::Require,
        mechanisms: vec![mail_wire::sasl::Mechanism::Plain.into()],
        ..with(vec![Extension::XClient(vec![AttributeName::ADDR, AttributeName::LOGIN])])
    };
    let mut site = Site::ready(config);
    assert!(site.say(b"EHLO x\r\n").contains("XCLIENT ADDR LOGIN\r\n"));
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("530"));
    assert!(site.say(b"XCLIENT NAME=x\r\n").starts_with("501"));
    assert_eq!(site.say(b"XCLIENT ADDR=192.0.2.1 LOGIN=alice\r\n"), "220 foo.com ESMTP\r\n");
    assert_eq!(site.seen.client, " ADDR=192.0.2.1 LOGIN=alice");
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("503"));
    site.say(b"EHLO x\r\n");
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("250"));
    assert!(site.say(b"XCLIENT ADDR=192.0.2.2\r\n").starts_with("503"));
    site.say(b"RSET\r\n");
    assert!(site.say(b"XCLIENT ADDR=192.0.2.2 LOGIN=[UNAVAILABLE]\r\n").starts_with("220"));
    site.say(b"EHLO x\r\n");
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("530"));
    // What stands behind it was said as somebody else.
    assert!(site.say(b"XCLIENT ADDR=192.0.2.3\r\nEHLO x\r\n").starts_with("554"));
    assert_eq!(site.error, Some(PeerMisbehaved::PipelinedTooEarly.into()));
    check(server_config(), &[("XCLIENT ADDR=192.0.2.1", "502"), ("XFORWARD NAME=x", "502")]);
}

#[test]
fn xforward_is_told_to_the_owner_and_changes_nothing() {
    let names = AttributeName::XFORWARD.to_vec();
    let site = check(
        with(vec![Extension::XForward(names)]),
        &[
            ("XFORWARD NAME=spike.example ADDR=192.0.2.1 IDENT=4F+2B1 SOURCE=REMOTE", "250"),
            ("XFORWARD LOGIN=x", "501"),
            ("MAIL FROM:<a@b>", "250"),
            ("XFORWARD NAME=x", "503"),
        ],
    );
    assert_eq!(site.seen.forwarded, " NAME=spike.example ADDR=192.0.2.1 IDENT=4F+2B1 SOURCE=REMOTE");
}

/// A client past the hello of a server that announces these extensions.
struct Client {
    conn: Connection,
    sent: String,
    events: Vec<Event>,
}

impl Client {
    fn ready(extensions: &[&str]) -> Self {
        let conn = Connection::new(client_config(), Instant::now());
        let mut client = Self { conn, sent: String::new(), events: Vec::new() };
        client.hear("220 a\r\n").expect("readable");
        client.hello(extensions);
        client
    }

    fn hello(&mut self, extensions: &[&str]) {
        let lines: String = extensions.iter().map(|extension| format!("250-{extension}\r\n")).collect();
        self.hear(&format!("250-a\r\n{lines}250 HELP\r\n")).expect("readable");
        assert!(matches!(self.events.last(), Some(Event::Ready(_))));
        self.sent.clear();
    }

    fn hear(&mut self, text: &str) -> Result<(), Error> {
        self.conn.receive(text.as_bytes(), Instant::now());
        while let Some(event) = self.conn.poll_event()? {
            self.events.push(event);
        }
        while let Some(bytes) = self.conn.poll_transmit() {
            self.sent += std::str::from_utf8(&bytes).expect("text");
        }
        Ok(())
    }

    fn send(&mut self, params: MailParams, to: &[&str]) -> Result<String, Error> {
        let recipients = to.iter().map(|to| to.parse()).collect::<Result<_, _>>()?;
        self.conn.send(Envelope { reverse_path: ReversePath::Null, params, recipients })?;
        self.hear("")?;
        Ok(std::mem::take(&mut self.sent))
    }
}

#[test]
fn an_envelope_is_sent_only_where_all_of_it_can_be_said() {
    let missing = |keyword| Some(Error::PeerIncompatible(PeerIncompatible::Missing(keyword)));
    let with_id = MailParams { envelope_id: EnvelopeId::new("q1").ok(), ..MailParams::default() };
    assert_eq!(Client::ready(&[]).send(with_id.clone(), &["a@b"]).err(), missing("DSN"));
    let sent = Client::ready(&["DSN"]).send(with_id, &["a@b"]);
    assert_eq!(sent.as_deref(), Ok("MAIL FROM:<> ENVID=q1\r\n"));

    assert_eq!(Client::ready(&[]).send(MailParams::default(), &["r\u{e9}mi@b"]).err(), missing("SMTPUTF8"));
    let sent = Client::ready(&["SMTPUTF8"]).send(MailParams::default(), &["r\u{e9}mi@b"]);
    assert_eq!(sent.as_deref(), Ok("MAIL FROM:<> SMTPUTF8\r\n"));

    let under_tls = MailParams { require_tls: true, ..MailParams::default() };
    assert!(matches!(
        Client::ready(&["REQUIRETLS"]).send(under_tls, &["a@b"]).err(),
        Some(Error::PeerIncompatible(PeerIncompatible::Inexpressible(_)))
    ));

    let mut recipient: smtp_proto::client::Recipient = "a@b".parse().expect("an address");
    recipient.params.notify = Some(Notify::FAILURE);
    recipient.params.original_recipient = OriginalRecipient::new("rfc822", "x+y@z").ok();
    let envelope = Envelope {
        reverse_path: ReversePath::Null,
        params: MailParams::default(),
        recipients: vec![recipient],
    };
    let mut client = Client::ready(&["PIPELINING"]);
    assert_eq!(client.conn.send(envelope.clone()).err(), missing("DSN"));
    let mut client = Client::ready(&["PIPELINING", "DSN"]);
    client.conn.send(envelope).expect("expressible");
    client.hear("").expect("silent");
    assert!(client.sent.contains("RCPT TO:<a@b> NOTIFY=FAILURE ORCPT=rfc822;x+2By@z\r\n"));
}

#[test]
fn the_limits_that_a_server_announces_are_kept() {
    let limits = "LIMITS MAILMAX=2 RCPTMAX=3 RCPTDOMAINMAX=2";
    let limit = |sent: Result<String, Error>| match sent {
        Err(Error::LimitExceeded(e)) => Some((e.limit, e.max)),
        _ => None,
    };
    let mut client = Client::ready(&["PIPELINING", limits]);
    let said = client.conn.capabilities().and_then(|can| can.session_limits());
    assert_eq!(said.map(SessionLimits::to_string).as_deref(), Some("MAILMAX=2 RCPTMAX=3 RCPTDOMAINMAX=2"));
    let none = MailParams::default;
    assert_eq!(limit(client.send(none(), &["a@b", "c@b", "d@b", "e@b"])), Some(("RCPTMAX", 3)));
    assert_eq!(limit(client.send(none(), &["a@b", "a@c", "a@d"])), Some(("RCPTDOMAINMAX", 2)));
    for _ in 0..2 {
        client.send(none(), &["a@b", "c@b", "d@c"]).expect("within the limits");
        client.hear("250 ok\r\n550 no\r\n550 no\r\n550 no\r\n554 no\r\n").expect("readable");
        client.hear("250 ok\r\n").expect("readable");
        assert!(client.conn.is_idle());
    }
    assert_eq!(limit(client.send(none(), &["a@b"])), Some(("MAILMAX", 2)));
}

#[test]
fn questions_are_asked_and_answered() {
    let mut client = Client::ready(&["ETRN"]);
    for (line, sent) in [("VRFY alice", "VRFY alice\r\n"), ("HELP", "HELP\r\n"), ("ETRN x", "ETRN x\r\n")] {
        client.conn.ask(&Command::parse(line.as_bytes()).expect("a command")).expect("idle");
        client.hear("").expect("silent");
        assert_eq!(std::mem::take(&mut client.sent), sent);
        client.hear("252 perhaps\r\n").expect("readable");
        assert!(matches!(client.events.last(), Some(Event::Answer(_))));
    }
    assert!(matches!(client.conn.ask(&Command::Data), Err(Error::ApiMisuse(ApiMisuse::WrongState(_)))));
    let mut client = Client::ready(&[]);
    for line in ["ETRN x", "XFORWARD NAME=x", "VRFY r\u{e9}mi"] {
        let asked = client.conn.ask(&Command::parse(line.as_bytes()).expect("a command"));
        assert!(matches!(asked, Err(Error::PeerIncompatible(PeerIncompatible::Missing(_)))), "{line}");
    }
}

#[test]
fn a_proxy_says_for_whom_it_speaks_and_hears_a_new_hello() {
    let mut attributes = Attributes::default();
    attributes.set(AttributeName::ADDR, AttributeValue::known("192.0.2.1").expect("printable"));
    assert!(Client::ready(&[]).conn.xclient(&attributes).is_err());
    assert!(Client::ready(&["XCLIENT NAME"]).conn.xclient(&attributes).is_err());
    let mut client = Client::ready(&["XCLIENT NAME ADDR"]);
    client.conn.xclient(&attributes).expect("announced");
    client.hear("").expect("silent");
    assert_eq!(std::mem::take(&mut client.sent), "XCLIENT ADDR=192.0.2.1\r\n");
    client.hear("220 a\r\n").expect("readable");
    assert_eq!(client.sent, "EHLO bar.com\r\n");
    assert!(!client.conn.is_idle());
    client.hello(&["SIZE 7"]);
    assert_eq!(client.conn.capabilities().and_then(|can| can.size_bytes_max()), Some(7));
    let mut client = Client::ready(&["XCLIENT ADDR"]);
    client.conn.xclient(&attributes).expect("announced");
    client.hear("").expect("silent");
    client.hear("550 not you\r\n").expect("readable");
    assert!(matches!(client.events.last(), Some(Event::Answer(_))) && client.conn.is_idle());
}

fn scram() -> (MechanismName, Secret<Vec<u8>>, TlsActive) {
    let name = MechanismName::new(b"SCRAM-SHA-256").expect("a name");
    (name, b"n,,n=alice".to_vec().into(), TlsActive::danger_assume_protected())
}

#[test]
fn any_mechanism_runs_step_by_step_also_with_long_challenges() {
    let (name, first, proof) = scram();
    assert!(Client::ready(&["AUTH PLAIN"]).conn.authenticate(&name, None, proof).is_err());
    let mut client = Client::ready(&["AUTH PLAIN SCRAM-SHA-256"]);
    client.conn.authenticate(&name, Some(&first), proof).expect("offered");
    client.hear("").expect("silent");
    assert_eq!(client.sent, "AUTH SCRAM-SHA-256 biwsbj1hbGljZQ==\r\n");
    let long = vec![b'x'; 3_000];
    client.hear(&format!("334 {}\r\n", mail_wire::sasl::encode(&long).expose())).expect("readable");
    assert_eq!(client.events.last(), Some(&Event::Challenge(long.into())));
    assert!(!client.conn.is_idle() && client.conn.quit().is_err() && client.conn.poll_timeout().is_none());
    client.sent.clear();
    client.conn.respond(&b"c=".to_vec().into()).expect("asked");
    assert!(client.conn.respond(&Vec::new().into()).is_err());
    client.hear("").expect("silent");
    assert_eq!(client.sent, "Yz0=\r\n");
    client.hear("235 2.7.0 welcome\r\n").expect("readable");
    assert!(matches!(client.events.last(), Some(Event::LoggedIn(_))) && client.conn.is_idle());
}

#[test]
fn a_long_initial_response_waits_for_the_first_challenge() {
    let (name, _, proof) = scram();
    let long: Secret<Vec<u8>> = vec![b'x'; 600].into();
    let mut client = Client::ready(&["AUTH SCRAM-SHA-256"]);
    client.conn.authenticate(&name, Some(&long), proof).expect("offered");
    client.hear("").expect("silent");
    assert_eq!(std::mem::take(&mut client.sent), "AUTH SCRAM-SHA-256\r\n");
    client.hear("334 \r\n").expect("readable");
    assert_eq!(client.sent.len(), 800 + 2);
}

#[test]
fn a5_an_exchange_that_goes_wrong_ends_and_the_session_goes_on() {
    let (name, first, proof) = scram();
    // No base64: given up with `*`.
    let mut client = Client::ready(&["AUTH SCRAM-SHA-256"]);
    client.conn.authenticate(&name, Some(&first), proof).expect("offered");
    client.hear("").expect("silent");
    client.sent.clear();
    client.hear("334 ?\r\n").expect("readable");
    assert_eq!(client.sent, "*\r\n");
    client.hear("501 cancelled\r\n").expect("readable");
    assert!(matches!(client.events.last(), Some(Event::LoginFailed(_))) && client.conn.is_idle());
    // Given up by the owner.
    client.conn.authenticate(&name, None, proof).expect("offered");
    client.hear("").expect("silent");
    client.hear("334 \r\n").expect("readable");
    client.conn.cancel_login().expect("asked");
    client.hear("").expect("silent");
    client.hear("501 cancelled\r\n").expect("readable");
    assert!(client.conn.is_idle());
    // A success that was taken back is none.
    client.conn.authenticate(&name, None, proof).expect("offered");
    client.hear("").expect("silent");
    client.hear("334 \r\n").expect("readable");
    client.conn.cancel_login().expect("asked");
    client.hear("").expect("silent");
    assert_eq!(client.hear("235 welcome\r\n"), Err(PeerMisbehaved::UnexpectedReply.into()));
}

#[test]
fn a12_a_mechanism_that_sends_no_password_is_offered_in_the_clear() {
    let names = || vec![scram().0, mail_wire::sasl::Mechanism::Plain.into()];
    let mut site = Site::ready(Config { mechanisms: names(), ..server_config() });
    assert!(site.say(b"EHLO x\r\n").contains("AUTH SCRAM-SHA-256\r\n"));
    assert!(site.say(b"AUTH PLAIN AGEAYg==\r\n").starts_with("538"));
    assert!(site.say(b"AUTH XOAUTH2\r\n").starts_with("504"));
    site.conn.tls_started(Instant::now());
    assert!(site.say(b"EHLO x\r\n").contains("AUTH SCRAM-SHA-256 PLAIN\r\n"));
}

#[test]
fn no_message_is_wanted_before_it_is() {
    let mut client = Client::ready(&["PIPELINING"]);
    assert!(client.conn.body_chunk(&Bytes::new()).is_err() && client.conn.body_end().is_err());
}
