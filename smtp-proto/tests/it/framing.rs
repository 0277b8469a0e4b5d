//! Rows F: what ends a line, what ends a message, and who speaks when.

use mail_wire::testing::every_split;
use mail_wire::{BareLineEnd, Error, PeerMisbehaved};
use smtp_proto::server;

use crate::support::{Seen, Site, server_config};

const ENVELOPE: &[u8] = b"MAIL FROM:<a@bar.com>\r\nRCPT TO:<b@foo.com>\r\nDATA\r\n";

fn in_data(config: server::Config) -> Site {
    let mut site = Site::ready(config);
    assert!(site.say(ENVELOPE).ends_with("354 End data with <CR><LF>.<CR><LF>\r\n"));
    site
}

fn run_data(config: &server::Config, pieces: &[&[u8]]) -> (Seen, String, Option<Error>) {
    let mut site = in_data(config.clone());
    pieces.iter().for_each(|piece| site.feed(piece));
    let output = site.take_output();
    (site.seen, output, site.error)
}

#[test]
fn f1_only_crlf_dot_crlf_ends_data() {
    for smuggled in [
        &b"text\n.\nMAIL FROM:<x@evil>\r\n.\r\n"[..],
        b"text\n.\r\nMAIL FROM:<x@evil>\r\n.\r\n",
        b"text\r\n.\nMAIL FROM:<x@evil>\r\n.\r\n",
        b"text\r.\rMAIL FROM:<x@evil>\r\n.\r\n",
        b"text\r\n.\rMAIL FROM:<x@evil>\r\n.\r\n",
    ] {
        let (seen, output, error) = every_split(smuggled, |pieces| run_data(&server_config(), pieces));
        assert!(seen.messages.is_empty());
        assert_eq!(output, "550 5.5.2 Bare CR or LF received\r\n");
        assert!(matches!(error, Some(Error::InvalidMessage(e)) if e.what.starts_with("bare")));
    }
}

#[test]
fn f1_a_normalising_server_takes_one_message_where_a_lax_one_takes_two() {
    let config = server::Config { bare_line_end: BareLineEnd::DangerNormalize, ..server_config() };
    let (seen, _, error) =
        every_split(b"text\n.\nMAIL FROM:<x@evil>\r\n.\r\n", |pieces| run_data(&config, pieces));
    assert_eq!(error, None);
    assert_eq!(seen.messages.len(), 1);
    assert_eq!(seen.messages[0].body, b"text\r\n\r\nMAIL FROM:<x@evil>\r\n");
}

#[test]
fn f1_a_bare_line_end_in_a_command_ends_the_connection() {
    for (line, what) in [(&b"NOOP\nMAIL FROM:<>\r\n"[..], "bare LF"), (b"NOOP\rx\r\n", "bare CR")] {
        let mut site = Site::ready(server_config());
        assert_eq!(site.say(line), "550 5.5.2 Bare CR or LF received\r\n");
        assert!(matches!(site.error, Some(Error::InvalidMessage(e)) if e.what == what));
    }
    let config = server::Config { bare_line_end: BareLineEnd::DangerNormalize, ..server_config() };
    let mut site = Site::ready(config);
    assert_eq!(site.say(b"NOOP\n"), "250 2.0.0 OK\r\n");
    assert_eq!(site.say(b"NOOP\rx\r\n"), "500 5.5.2 Invalid octet in line\r\n");
}

#[test]
fn f3_dots_are_taken_off_whole_and_in_pieces_also_from_an_empty_message() {
    for (wire, body) in [
        (&b".\r\n"[..], &b""[..]),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
    ] {
        let (seen, output, _) = every_split(wire, |pieces| run_data(&server_config(), pieces));
        assert_eq!(seen.messages[0].body, body);
        assert_eq!(output, "250 2.0.0 OK\r\n");
    }
}

#[test]
fn f4_nothing_but_one_dot_and_the_end_is_stripped() {
    let (seen, output, _) = every_split(b"a\r\r\n.\r\n", |pieces| run_data(&server_config(), pieces));
    assert!(seen.messages.is_empty());
    assert_eq!(output, "550 5.5.2 Bare CR or LF received\r\n");
    let (seen, ..) = every_split(b" .\r\n. \r\n.\r\n", |pieces| run_data(&server_config(), pieces));
    assert_eq!(seen.messages[0].body, b" .\r\n \r\n");
}

#[test]
fn f5_a_client_that_speaks_before_the_greeting_is_cut_off() {
    for greet_first in [false, true] {
        let mut site = Site::new(server_config());
        if greet_first {
            mail_wire::Connection::receive(&mut site.conn, b"EHLO x\r\n", std::time::Instant::now());
            site.conn.greet().expect("first");
            site.drain();
        } else {
            site.feed(b"EHLO x\r\n");
        }
        assert_eq!(site.take_output(), "554 5.5.0 Input before its turn\r\n");
        assert_eq!(site.error, Some(PeerMisbehaved::BytesBeforeGreeting.into()));
    }
}

#[test]
fn f5_input_behind_ehlo_auth_and_data_is_cut_off() {
    for early in
        [&b"EHLO x\r\nMAIL FROM:<>\r\n"[..], b"HELO x\r\nM", b"AUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\n"]
    {
        let mut site = Site::ready(crate::support::auth_config());
        site.feed(early);
        assert_eq!(site.take_output(), "554 5.5.0 Input before its turn\r\n", "{early:?}");
        assert_eq!(site.error, Some(PeerMisbehaved::PipelinedTooEarly.into()));
    }
    let mut site = Site::ready(server_config());
    site.feed(&[ENVELOPE, b"text\r\n.\r\n"].concat());
    assert!(site.take_output().ends_with("OK\r\n554 5.5.0 Input before its turn\r\n"));
    assert!(site.seen.messages.is_empty());
    assert_eq!(site.error, Some(PeerMisbehaved::PipelinedTooEarly.into()));
}

#[test]
fn f5_a_message_sent_before_its_refusal_is_never_read_as_commands() {
    use mail_wire::Connection as _;
    let now = std::time::Instant::now();
    let mut site = Site::ready(server_config());
    site.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    site.conn.receive(b"DATA\r\n", now);
    let Ok(Some(server::Event::Data(ticket))) = site.conn.poll_event() else { panic!() };
    site.conn.receive(b"RSET\r\n", now);
    site.conn.reply(ticket, &smtp_proto::Reply::local_error()).expect("fits");
    site.drain();
    assert!(site.take_output().ends_with("554 5.5.0 Input before its turn\r\n"));
    assert_eq!(site.error, Some(PeerMisbehaved::PipelinedTooEarly.into()));
}

#[test]
fn f5_without_extensions_nothing_may_be_pipelined() {
    let mut site = Site::greeted(server_config());
    site.feed(b"HELO bar.com\r\n");
    site.take_output();
    assert_eq!(site.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"), "554 5.5.0 Input before its turn\r\n");
    let mut site = Site::greeted(server_config());
    site.take_output();
    assert_eq!(site.say(b"NOOP\r\nNOOP\r\n"), "554 5.5.0 Input before its turn\r\n");
}

#[test]
fn f7_control_bytes_make_a_command_bad_and_nothing_worse() {
    for byte in (0..0x20_u8).chain(0x7f..=0xff).filter(|b| !matches!(b, b'\r' | b'\n')) {
        let mut site = Site::ready(server_config());
        let output = site.say(&[b"MAIL FROM:<a", &[byte][..], b"@b>\r\n"].concat());
        assert!(output.starts_with("50"), "{byte:#x}: {output}");
        assert_eq!(site.error, None);
        assert_eq!(site.say(b"MAIL FROM:<a@b>\r\n"), "250 2.1.0 Sender OK\r\n");
    }
}

#[test]
fn f8_a_line_at_the_cap_passes_and_one_above_is_refused_once() {
    let max = server_config().limits.command_line_bytes_max;
    let line = |n: usize| [b"NOOP ", vec![b'x'; n - 5].as_slice(), b"\r\n"].concat();
    let run = |n: usize| {
        let mut site = Site::ready(server_config());
        let text = line(n);
        text.chunks(100).for_each(|piece| site.feed(piece));
        site.take_output() + &site.say(b"NOOP\r\n")
    };
    assert_eq!(run(max), "250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
    assert_eq!(run(max + 1), "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
}

#[test]
fn f8_a_line_without_end_is_given_up() {
    let mut site = Site::ready(server_config());
    for _ in 0..1_100 {
        site.feed(&[b'x'; 1_000]);
    }
    assert_eq!(site.take_output(), "500 5.5.2 Line too long\r\n");
    assert!(matches!(site.error, Some(Error::LimitExceeded(e)) if e.limit == "drain_bytes_max"));
}

#[test]
fn f10_http_and_tls_get_no_answer() {
    for first in [
        &b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\n"[..],
        b"GET / HTTP/1.0\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ] {
        every_split(first, |pieces| {
            let mut site = Site::greeted(server_config());
            site.take_output();
            pieces.iter().for_each(|piece| site.feed(piece));
            assert_eq!(site.take_output(), "");
            assert_eq!(site.error, Some(PeerMisbehaved::ForeignProtocol.into()));
        });
        let mut site = Site::new(server_config());
        site.feed(first);
        assert_eq!(site.take_output(), "");
        assert_eq!(site.error, Some(PeerMisbehaved::ForeignProtocol.into()));
    }
    let mut site = Site::ready(server_config());
    assert_eq!(site.say(b"GET / HTTP/1.1\r\nHost: x\r\n"), "");
    assert_eq!(site.error, Some(PeerMisbehaved::ForeignProtocol.into()));
}

#[test]
fn e6_no_reply_repeats_what_the_client_said() {
    let mut site = Site::ready(server_config());
    for line in [
        &b"XEVIL marker\r\n"[..],
        b"MAIL FROM:<marker\r\n",
        b"VRFY marker\r\n",
        b"HELP marker\r\n",
        b"NOOP marker\r\n",
        b"MAIL FROM:<marker@x> MARKER=marker\r\n",
        b"EHLO marker\r\n",
    ] {
        let output = site.say(line);
        assert!(!output.to_ascii_lowercase().contains("marker"), "{output}");
    }
}

#[test]
fn a_message_cut_off_by_the_client_is_no_message() {
    use mail_wire::Connection as _;
    let mut site = in_data(server_config());
    site.feed(b"half a message\r\n.");
    site.conn.receive_eof();
    site.drain();
    assert!(site.seen.messages.is_empty());
    assert_eq!(site.error, Some(PeerMisbehaved::ClosedMidMessage.into()));
}

/// The rule in its plainest words: the codes of the replies to these bytes behind DATA.
fn reference(bytes: &[u8]) -> Vec<&'static str> {
    let mut rest = bytes;
    while !rest.starts_with(b".\r\n") {
        let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return vec![] };
        match (rest[at], rest.get(at + 1)) {
            (b'\r', Some(b'\n')) => rest = &rest[at + 2..],
            (b'\r', None) => return vec![],
            _ => return vec!["550"],
        }
    }
    // Behind the end stand commands, of which none is one; a bare line end there is the end as well.
    let lines = String::from_utf8_lossy(&rest[3..]).into_owned();
    let whole = lines.matches('\n').count();
    let bad = lines
        .split_inclusive('\n')
        .position(|l| l.ends_with('\n') && l.trim_end_matches("\r\n").contains(['\r', '\n']));
    let mut codes = vec!["250"];
    codes.extend(std::iter::repeat_n("500", bad.unwrap_or(whole)));
    codes.extend(bad.map(|_| "550"));
    codes
}

#[test]
fn f1_f4_every_short_string_behind_data_is_answered_as_the_reference_says() {
    let config = server_config();
    for length in 0..=8 {
        for code in 0..1_usize << (2 * length) {
            let text: Vec<u8> = (0..length).map(|i| b"\r\n.A"[(code >> (2 * i)) & 3]).collect();
            let expected = reference(&text);
            // Whole strings are cheap enough for all; byte by byte, one in eight is.
            for piece_bytes in if code % 8 == 0 { &[8, 1][..] } else { &[8][..] } {
                let pieces: Vec<&[u8]> = text.chunks(*piece_bytes).collect();
                let (_, output, _) = run_data(&config, &pieces);
                let codes: Vec<&str> = output.lines().map(|line| &line[..3]).collect();
                assert_eq!(codes, expected, "{text:?} in pieces of {piece_bytes}");
            }
        }
    }
}
