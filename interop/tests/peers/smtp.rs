//! SMTP: our client, and Postfix.

use std::time::Instant;

use interop::daemon::eventually;
use interop::postfix::{Delivery, Postfix, Sink};
use interop::talk::Talk;
use smtp_proto::client::{Connection, TlsMode};

use crate::mail::{bodies, config, envelope, holds, message, quit, ready, send};

#[test]
fn postfix_smtp_sink_takes_every_body_whole_whatever_it_can_do() {
    // Everything, one command at a time, without 8BITMIME, and HELO alone.
    for options in [&["-N"][..], &["-p"], &["-e", "-8"]] {
        let sink = Sink::start(options);
        let mut talk = Talk::new(sink.smtp, Connection::new(config(TlsMode::Never), Instant::now()));
        ready(&mut talk, "");
        let sent: Vec<String> = bodies().iter().map(|(kind, body)| message(kind, body)).collect();
        for text in &sent {
            let fates = send(&mut talk, envelope(&["one@peer.test", "two@peer.test"]), text);
            assert_eq!(fates, [250, 250], "{options:?}");
        }
        quit(talk);
        // It writes a file before it answers, and closes it after.
        let messages = eventually("a whole file for each message", || {
            let messages = sink.messages();
            (messages.len() == sent.len() && messages.iter().all(|file| !file.is_empty())).then_some(messages)
        });
        for text in &sent {
            let found = messages.iter().filter(|file| holds(file, text)).count();
            assert_eq!(found, 1, "{options:?}: {text:.300}");
        }
    }
}

#[test]
fn what_a_sink_refuses_is_told_of_each_recipient() {
    for (option, command, code) in
        [("-r", "RCPT", 450), ("-f", "RCPT", 500), ("-r", "MAIL", 450), ("-f", "DATA", 500), ("-r", ".", 450)]
    {
        let sink = Sink::start(&[option, command]);
        let mut talk = Talk::new(sink.smtp, Connection::new(config(TlsMode::Never), Instant::now()));
        ready(&mut talk, "");
        let fates =
            send(&mut talk, envelope(&["one@peer.test", "two@peer.test"]), &message("refused", "x\r\n"));
        assert!(fates.iter().all(|fate| fate / 100 == code / 100), "{option} {command}: {fates:?}");
    }
}

#[test]
fn a_real_postfix_takes_mail_in_the_clear_and_under_tls() {
    let postfix = Postfix::start("peer.test", &Delivery::Maildir, "");
    let mut expected = Vec::new();
    for tls in [TlsMode::Never, TlsMode::Required] {
        let mut talk = Talk::new(postfix.smtp, Connection::new(config(tls), Instant::now()));
        ready(&mut talk, &postfix.certificate);
        assert_eq!(talk.conn().tls().is_some(), tls == TlsMode::Required);
        for (kind, body) in bodies() {
            let text = message(&format!("{kind} {tls:?}"), &body);
            let fates = send(&mut talk, envelope(&["one@peer.test", "nobody@not-here.test"]), &text);
            assert_eq!((fates[0], fates[1] / 100), (250, 5), "{}", postfix.log());
            expected.push(text);
        }
        quit(talk);
    }
    let files = eventually("every message in the maildir", || {
        Some(postfix.maildir()).filter(|files| files.len() >= expected.len())
    });
    for text in &expected {
        assert_eq!(
            files.iter().filter(|file| holds(file, text)).count(),
            1,
            "{text:.300}\n{}",
            postfix.log()
        );
    }
}
