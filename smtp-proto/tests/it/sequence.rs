//! The order of commands (RFC 5321 4.1.4), parameters, and an owner's mistakes.

use std::time::Instant;

use mail_wire::{ApiMisuse, Connection as _};
use smtp_proto::server::{self, Event};
use smtp_proto::{Code, OtherExtension, Reply};

use crate::support::{Site, server_config};

pub(crate) fn check(config: server::Config, dialogue: &[(&str, &str)]) -> Site {
    let mut site = Site::ready(config);
    for (line, reply) in dialogue {
        let got = site.say(format!("{line}\r\n").as_bytes());
        assert!(got.starts_with(reply) && got.ends_with("\r\n"), "{line}: {got}");
    }
    assert_eq!(site.error, None);
    site
}

#[test]
fn commands_out_of_order_get_503_and_change_nothing() {
    check(
        server_config(),
        &[
            ("RCPT TO:<a@b>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
            ("MAIL FROM:<a@b>", "250"),
            ("MAIL FROM:<a@b>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
            ("RCPT TO:<nobody@foo.com>", "550 5.1.1"),
            ("DATA", "503 5.5.1"),
            ("RCPT TO:<c@d>", "250"),
            ("STARTTLS", "503 5.5.1"),
            ("DATA", "354"),
            ("text\r\n.", "250"),
            ("RCPT TO:<c@d>", "503 5.5.1"),
            ("MAIL FROM:<a@b>", "250"),
        ],
    );
}

#[test]
fn mail_before_hello_is_refused() {
    let mut site = Site::greeted(server_config());
    site.take_output();
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("503 5.5.1"));
    assert!(site.say(b"LHLO x\r\n").starts_with("500 5.5.2"));
    assert_eq!(site.say(b"HELO x\r\n"), "250 foo.com\r\n");
    assert!(site.say(b"MAIL FROM:<a@b> SIZE=1\r\n").starts_with("555 5.5.4"));
    assert!(site.say(b"MAIL FROM:<a@b>\r\n").starts_with("250"));
}

#[test]
fn rset_and_a_second_hello_end_the_transaction() {
    let site = check(
        server_config(),
        &[
            ("MAIL FROM:<a@b>", "250"),
            ("RSET", "250"),
            ("RCPT TO:<c@d>", "503"),
            ("MAIL FROM:<a@b>", "250"),
            ("EHLO again", "250-"),
            ("RCPT TO:<c@d>", "503"),
            ("RSET", "250"),
        ],
    );
    assert_eq!((site.seen.resets, site.seen.hellos), (2, 2));
}

#[test]
fn a3_vrfy_and_expn_tell_nothing() {
    check(
        server_config(),
        &[
            ("VRFY alice", "252"),
            ("VRFY nobody", "252"),
            ("EXPN list", "502"),
            ("HELP", "214"),
            ("NOOP x", "250"),
        ],
    );
}

#[test]
fn parameters_are_let_through_only_where_they_were_announced() {
    let extension = OtherExtension::new("X-TRACE", "").expect("valid");
    let config = server::Config { extensions: vec![extension.into()], ..server_config() };
    check(
        config,
        &[
            (
                "EHLO x",
                "250-foo.com\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 X-TRACE\r\n",
            ),
            ("MAIL FROM:<a@b> UNKNOWN=1", "555 5.5.4"),
            ("MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"),
            ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4"),
            ("MAIL FROM:<a@b> SIZE=1001", "552 5.3.4"),
            ("MAIL FROM:<a@b> SIZE=99999999999999999999", "552 5.3.4"),
            ("MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME X-Trace=1", "250"),
            ("RCPT TO:<c@d> UNKNOWN", "555 5.5.4"),
            ("RCPT TO:<c@d> x-trace=2", "250"),
        ],
    );
}

#[test]
fn q1_postmaster_alone_needs_no_domain() {
    check(
        server_config(),
        &[("MAIL FROM:<>", "250"), ("RCPT TO:<user>", "553 5.1.3"), ("RCPT TO:<postMaster>", "250")],
    );
}

#[test]
fn mail_can_be_kept_behind_tls_and_a_login() {
    let config = server::Config { start_tls: server::StartTls::Require, ..server_config() };
    check(config, &[("MAIL FROM:<a@b>", "530 5.7.0"), ("NOOP", "250")]);
    let config = server::Config { auth: server::AuthPolicy::Require, ..crate::support::auth_config() };
    check(
        config,
        &[
            ("MAIL FROM:<a@b>", "530 5.7.0"),
            ("AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235"),
            ("MAIL FROM:<a@b>", "250"),
        ],
    );
}

/// A connection whose next event is a ticket for this line.
fn at(line: &[u8]) -> Site {
    let mut site = Site::ready(server_config());
    site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    site.take_output();
    site.conn.receive(line, Instant::now());
    site
}

#[test]
fn a_dropped_ticket_is_answered_with_a_temporary_failure_and_the_session_goes_on() {
    let mut site = at(b"RCPT TO:<e@f>\r\n");
    drop(site.conn.poll_event());
    assert_eq!(
        site.say(b"DATA\r\n"),
        "451 4.3.0 Temporary failure, try again later\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
    );
    site.conn.receive(b"text\r\n.\r\n", Instant::now());
    while !matches!(site.conn.poll_event(), Ok(Some(Event::BodyEnd(_)))) {}
    assert_eq!(
        site.say(b"MAIL FROM:<a@b>\r\n"),
        "451 4.3.0 Temporary failure, try again later\r\n250 2.1.0 Sender OK\r\n"
    );
}

#[test]
fn a_reply_that_does_not_fit_is_a_misuse_and_becomes_a_temporary_failure() {
    let misuse = |site: &mut Site, ticket, code| {
        let reply = Reply::new(Code::new(code).expect("valid"), "x");
        assert!(matches!(site.conn.reply(ticket, &reply), Err(ApiMisuse::WrongState(_))));
        site.collect();
        assert!(site.take_output().starts_with("451 4.3.0"));
    };
    let mut site = at(b"DATA\r\n");
    let Ok(Some(Event::Data(ticket))) = site.conn.poll_event() else { panic!() };
    misuse(&mut site, ticket, 250);
    let mut site = at(b"RCPT TO:<e@f>\r\n");
    let Ok(Some(Event::Rcpt(ticket, ..))) = site.conn.poll_event() else { panic!() };
    misuse(&mut site, ticket, 354);
    assert_eq!(site.conn.accepted_recipients(), 1);
}

#[test]
fn a_ticket_of_another_connection_is_refused() {
    let (mut one, mut other) = (at(b"DATA\r\n"), at(b"DATA\r\n"));
    let Ok(Some(Event::Data(mine))) = one.conn.poll_event() else { panic!() };
    let Ok(Some(Event::Data(foreign))) = other.conn.poll_event() else { panic!() };
    assert_eq!(one.conn.accept_data(foreign), Err(ApiMisuse::ForeignTicket));
    assert_eq!(one.conn.accept_data(mine), Ok(()));
    assert!(one.conn.greet().is_err());
}

#[test]
fn an_owner_can_give_up_a_message_half_way_and_close_with_421() {
    let mut site = at(b"DATA\r\n");
    site.feed(b"");
    site.feed(b"text\r\n");
    site.conn.refuse_message(Reply::storage_full()).expect("under way");
    site.feed(b"more\r\n");
    assert!(site.say(b".\r\n").ends_with("452 4.3.1 Insufficient system storage\r\n"));
    assert!(site.seen.messages.is_empty());
    assert!(site.conn.refuse_message(Reply::storage_full()).is_err());
    site.conn.shut_down();
    site.drain();
    assert_eq!(site.take_output(), "421 4.3.2 Service shutting down\r\n");
    assert!(site.conn.is_closing());
}

#[test]
fn behind_421_nothing_more_is_said() {
    let mut site = at(b"DATA\r\n");
    let Ok(Some(Event::Data(ticket))) = site.conn.poll_event() else { panic!() };
    site.conn.shut_down();
    site.conn.accept_data(ticket).expect("the ticket is good");
    site.drain();
    assert_eq!(site.take_output(), "421 4.3.2 Service shutting down\r\n");
    let mut site = at(b"RCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\n");
    let Ok(Some(Event::Rcpt(ticket, ..))) = site.conn.poll_event() else { panic!() };
    site.conn.reply(ticket, &Reply::shutting_down()).expect("fits");
    site.drain();
    assert_eq!(site.take_output(), "421 4.3.2 Service shutting down\r\n");
    assert!(site.seen.closed && site.conn.is_closing());
}

#[test]
fn a_client_that_leaves_or_quits_is_reported_once() {
    let mut site = at(b"");
    site.conn.receive_eof();
    site.drain();
    assert!(site.seen.closed && site.error.is_none() && site.conn.is_closing());
    site.seen.closed = false;
    site.drain();
    assert!(!site.seen.closed);
}

#[test]
fn the_connection_knows_its_word_for_received_and_when_it_is_idle() {
    let mut site = Site::greeted(crate::support::auth_config());
    site.feed(b"HELO x\r\n");
    assert_eq!((site.conn.with_protocol(), site.conn.is_idle()), ("SMTP", true));
    site.feed(b"EHLO x\r\n");
    assert_eq!(site.conn.with_protocol(), "ESMTP");
    site.feed(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    assert_eq!(site.conn.with_protocol(), "ESMTPA");
    site.conn.tls_started(Instant::now());
    site.feed(b"EHLO x\r\n");
    assert_eq!(site.conn.with_protocol(), "ESMTPS");
    site.feed(b"MAIL FROM:<a@b>\r\n");
    assert!(!site.conn.is_idle());
}

#[test]
fn a_client_can_be_turned_away_with_the_greeting() {
    let mut site = Site::new(server_config());
    site.conn.turn_away(&Reply::shutting_down()).expect("not greeted");
    site.drain();
    assert_eq!(site.take_output(), "421 4.3.2 Service shutting down\r\n");
    assert!(site.conn.is_closing());
}
