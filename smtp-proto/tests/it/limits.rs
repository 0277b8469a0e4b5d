//! Every limit of a server connection at its value and one above; deadlines.

use std::time::{Duration, Instant};

use mail_wire::{Connection as _, Error, PeerMisbehaved};
use smtp_proto::server::{Config, Connection, Event};
use smtp_proto::{Limits, Reply};

use crate::support::{Site, auth_config, server_config};

fn with(limits: impl FnOnce(&mut Limits)) -> Config {
    let mut config = auth_config();
    limits(&mut config.limits);
    config
}

fn limit_of(site: &Site) -> Option<&'static str> {
    match site.error {
        Some(Error::LimitExceeded(e)) => Some(e.limit),
        _ => None,
    }
}

#[test]
fn recipients_above_the_limit_get_452_and_the_others_their_mail() {
    let mut site = Site::ready(with(|l| l.recipients_max = 2));
    site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<nobody@d>\r\nRCPT TO:<c@d>\r\nRCPT TO:<d@d>\r\n");
    assert_eq!(site.take_output().lines().last(), Some("250 2.1.5 Recipient OK"));
    assert_eq!(site.say(b"RCPT TO:<e@d>\r\n"), "452 4.5.3 Too many recipients\r\n");
    site.feed(b"DATA\r\n");
    site.feed(b".\r\n");
    assert_eq!(site.seen.messages[0].to.len(), 2);
}

#[test]
fn bad_commands_are_counted_and_the_last_one_ends_the_connection() {
    let mut site = Site::ready(with(|l| l.bad_commands_max = 3));
    for bad in [&b"FOO\r\n"[..], b"DATA\r\n"] {
        assert!(site.say(bad).starts_with('5'));
        assert_eq!(site.error, None);
    }
    assert_eq!(
        site.say(b"MAIL\r\n"),
        "501 5.5.4 Syntax error in parameters\r\n421 4.7.0 Too many errors\r\n"
    );
    assert_eq!(site.error, Some(PeerMisbehaved::TooManyBadCommands.into()));
}

#[test]
fn commands_that_do_nothing_are_counted_between_two_messages() {
    // The hello is the first.
    let mut site = Site::ready(with(|l| l.idle_commands_max = 3));
    assert_eq!(site.say(b"NOOP\r\n"), "250 2.0.0 OK\r\n");
    site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    site.feed(b".\r\n");
    site.take_output();
    for _ in 0..2 {
        assert_eq!(site.say(b"RSET\r\n"), "250 2.0.0 OK\r\n");
    }
    assert_eq!(site.say(b"NOOP\r\n"), "250 2.0.0 OK\r\n421 4.7.0 Too many commands\r\n");
}

#[test]
fn refusals_are_counted_between_two_messages() {
    let mut site = Site::ready(with(|l| l.refusals_max = 3));
    site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<nobody@d>\r\nRCPT TO:<nobody@d>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    site.feed(b".\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nobody@d>\r\nRCPT TO:<nobody@d>\r\n");
    assert_eq!((site.error, site.seen.messages.len()), (None, 1));
    site.take_output();
    assert_eq!(
        site.say(b"RCPT TO:<nobody@d>\r\n"),
        "550 5.1.1 No such mailbox\r\n421 4.7.0 Too many errors\r\n"
    );
    assert_eq!(limit_of(&site), Some("refusals_max"));
}

#[test]
fn a_message_at_its_limit_is_taken_and_one_byte_more_is_refused_at_its_end() {
    let run = |bytes: usize| {
        let mut site = Site::ready(with(|l| l.message_bytes_max = 100));
        site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        site.take_output();
        let body = [vec![b'x'; bytes - 2].as_slice(), b"\r\n.\r\n"].concat();
        body.chunks(7).for_each(|piece| site.feed(piece));
        (site.take_output(), site.seen.messages.len(), site.seen.resets, site.say(b"MAIL FROM:<a@b>\r\n"))
    };
    assert_eq!(run(100), ("250 2.0.0 OK\r\n".into(), 1, 0, "250 2.1.0 Sender OK\r\n".into()));
    assert_eq!(run(101), ("552 5.3.4 Message too big\r\n".into(), 0, 1, "250 2.1.0 Sender OK\r\n".into()));
}

#[test]
fn a_refused_message_is_not_read_for_ever() {
    let run = |bytes: usize| {
        let mut site = Site::ready(with(|l| (l.message_bytes_max, l.refused_bytes_max) = (0, 100)));
        site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        site.take_output();
        // The first piece is the one that passes the limit of the message.
        site.feed(b"x");
        (0..bytes).for_each(|_| site.feed(b"x"));
        (site.take_output(), limit_of(&site))
    };
    assert_eq!(run(100), (String::new(), None));
    assert_eq!(run(101), ("421 4.3.4 Message too big\r\n".into(), Some("refused_bytes_max")));
}

#[test]
fn pipelined_commands_may_wait_up_to_the_limit() {
    let run = |bytes: usize| {
        let mut site = Site::ready(with(|l| l.pipelined_bytes_max = 100));
        site.conn.receive(b"MAIL FROM:<a@b>\r\n", Instant::now());
        let Ok(Some(Event::Mail(ticket, ..))) = site.conn.poll_event() else { panic!() };
        assert!(site.conn.wants_input());
        site.conn.receive(&[b'x'; 25], Instant::now());
        assert!(site.conn.wants_input());
        site.conn.receive(&vec![b'x'; bytes - 25], Instant::now());
        assert!(!site.conn.wants_input());
        site.conn.reply(ticket, &Reply::ok()).expect("fits");
        site.drain();
        limit_of(&site)
    };
    assert_eq!((run(100), run(101)), (None, Some("pipelined_bytes_max")));
}

#[test]
fn r4_one_command_is_out_at_a_time() {
    let mut site = Site::ready(server_config());
    site.conn.receive(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n", Instant::now());
    let first = site.conn.poll_event();
    assert!(matches!(first, Ok(Some(Event::Mail(..)))));
    assert!(matches!(site.conn.poll_event(), Ok(None)));
}

#[test]
fn failed_logins_are_counted() {
    let mut site = Site::ready(with(|l| l.auth_failures_max = 2));
    let wrong = b"AUTH PLAIN AGFsaWNlAHdyb25n\r\n";
    assert_eq!(site.say(wrong), "535 5.7.8 Authentication credentials invalid\r\n");
    assert!(site.say(wrong).ends_with("421 4.7.0 Too many failed logins\r\n"));
    assert_eq!(site.error, Some(PeerMisbehaved::TooManyFailedLogins.into()));
}

#[test]
fn a_silent_client_is_told_and_cut_off_and_a_slow_owner_is_not_its_fault() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut conn = Connection::new(server_config(), start);
    conn.greet().expect("first");
    assert_eq!(conn.poll_timeout(), Some(at(300)));
    conn.receive(b"EHLO x\r\n", at(10));
    while let Ok(Some(_)) = conn.poll_event() {}
    conn.receive(b"MAIL FROM:<a@b>\r\n", at(20));
    let Ok(Some(Event::Mail(ticket, ..))) = conn.poll_event() else { panic!() };
    assert_eq!(conn.poll_timeout(), None);
    conn.handle_timeout(at(1_000));
    conn.reply(ticket, &Reply::ok()).expect("fits");
    // The clock was last seen before the reply: the deadline begins anew when it is seen next.
    conn.handle_timeout(at(1_100));
    assert!(matches!(conn.poll_event(), Ok(None)));
    assert_eq!(conn.poll_timeout(), Some(at(1_400)));
    conn.handle_timeout(at(1_399));
    assert!(matches!(conn.poll_event(), Ok(None)));
    conn.handle_timeout(at(1_400));
    assert_eq!(conn.poll_event().err(), Some(PeerMisbehaved::TimedOut.into()));
    let output: Vec<u8> = std::iter::from_fn(|| conn.poll_transmit()).flatten().collect();
    assert!(output.ends_with(b"421 4.4.2 Timeout, closing connection\r\n"));
    assert!(conn.is_closing() && conn.poll_timeout().is_none());
}
