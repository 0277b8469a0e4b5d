//! PIPELINING (RFC 2920): whole groups, cut anywhere, answered in order.

use mail_wire::testing::every_split;

use crate::support::{Seen, Site, server_config};

fn run(groups: &[&[&[u8]]]) -> (Seen, String, bool) {
    let mut site = Site::ready(server_config());
    for group in groups {
        group.iter().for_each(|piece| site.feed(piece));
    }
    let output = site.take_output();
    (site.seen, output, site.error.is_some())
}

#[test]
fn a_group_is_answered_the_same_however_it_is_cut() {
    let group =
        b"RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nobody@x>\r\nRCPT TO:<c@d>\r\nRCPT TO:<later@x>\r\nDATA\r\n";
    let (_, output, failed) = every_split(group, |pieces| run(&[pieces]));
    let codes: Vec<&str> = output.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "550", "250", "450", "354"]);
    assert!(!failed);
}

#[test]
fn the_next_group_may_stand_behind_the_message() {
    let begin: &[u8] = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let rest = b"one\r\n..\r\n.\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<e@f>\r\nDATA\r\n";
    let (seen, output, failed) = every_split(rest, |pieces| run(&[&[begin], pieces]));
    assert_eq!(seen.messages.len(), 1);
    assert_eq!(seen.messages[0].body, b"one\r\n.\r\n");
    assert_eq!(output.lines().filter(|line| line.starts_with("354")).count(), 2);
    assert!(!failed);
}

#[test]
fn a_group_whose_mail_is_refused_is_refused_whole() {
    let group = b"MAIL FROM:<a@b> SIZE=9999\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let (_, output, failed) = every_split(group, |pieces| run(&[pieces]));
    let codes: Vec<&str> = output.lines().map(|line| &line[..3]).collect();
    assert_eq!((codes.as_slice(), failed), (&["552", "503", "503"][..], false));
}

#[test]
fn what_follows_quit_is_never_read() {
    let (seen, output, failed) = every_split(b"QUIT\r\nMAIL FROM:<a@b>\r\n", |pieces| run(&[pieces]));
    assert_eq!((output.as_str(), seen.closed, failed), ("221 2.0.0 Bye\r\n", true, false));
}
