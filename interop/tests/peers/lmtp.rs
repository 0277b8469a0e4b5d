//! LMTP: our client to Dovecot and Cyrus.

use std::time::Instant;

use interop::cyrus::Cyrus;
use interop::dovecot::Dovecot;
use interop::talk::Talk;
use lmtp_proto::client::{Connection, TlsMode};
use smtp_proto::ForwardPath;

use crate::mail::{bodies, config, envelope, holds, message, quit, ready, send};

#[test]
fn dovecot_answers_for_each_recipient_and_has_every_body_whole() {
    let dovecot = Dovecot::start();
    let mut talk = Talk::new(dovecot.lmtp, Connection::new(config(TlsMode::Never), Instant::now()));
    ready(&mut talk, "");
    let recipients = envelope(&["alice@peer.test", "nobody@peer.test", "bob@peer.test"]);
    for (kind, body) in bodies() {
        let fates = send(&mut talk, recipients.clone(), &message(kind, &body));
        assert_eq!((fates[0], fates[1] / 100, fates[2]), (250, 5, 250), "{kind}\n{}", dovecot.log());
    }
    quit(talk);
    for user in ["alice", "bob"] {
        let files = dovecot.maildir(user);
        assert_eq!(files.len(), bodies().len());
        for (kind, body) in bodies() {
            let text = message(kind, &body);
            assert_eq!(files.iter().filter(|file| holds(file, &text)).count(), 1, "{kind}");
        }
    }
}

#[test]
fn cyrus_answers_for_each_recipient() {
    let cyrus = Cyrus::start("");
    let mut talk = Talk::new(cyrus.lmtp, Connection::new(config(TlsMode::Never), Instant::now()));
    ready(&mut talk, "");
    let mut recipients = envelope(&["alice@peer.test"]);
    recipients.recipients =
        ["alice", "bob+Work"].map(|user| ForwardPath::local(user).unwrap().into()).to_vec();
    for (kind, body) in bodies() {
        let fates = send(&mut talk, recipients.clone(), &message(kind, &body));
        assert_eq!(fates, [250, 250], "{kind}\n{}", cyrus.log());
    }
    quit(talk);
}
