//! Anything at all, in any pieces, at both sides: no panic, bounded memory, replies that are replies, a definite end.

use std::time::Instant;

use bytes::Bytes;
use mail_wire::Connection as _;
use proptest::prelude::*;
use smtp_proto::client::{self, Envelope, Event, TlsMode};
use smtp_proto::server::{Config, StartTls};
use smtp_proto::{MailParams, ReplyLine, ReversePath};

use crate::support::{Site, auth_config, client_config};

/// What clients say, and what they should not.
fn from_client() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "EHLO x\r\n",
        "HELO x\r\n",
        "LHLO x\r\n",
        "MAIL FROM:<a@b>\r\n",
        "MAIL FROM:<> SIZE=9\r\n",
        "RCPT TO:<c@d>\r\n",
        "RCPT TO:<nobody@d>\r\n",
        "RCPT TO:<defer@d>\r\n",
        "DATA\r\n",
        "text\r\n",
        "..\r\n",
        ".\r\n",
        "RSET\r\n",
        "AUTH PLAIN\r\n",
        "AUTH LOGIN YWxpY2U=\r\n",
        "c2VjcmV0\r\n",
        "*\r\n",
        "STARTTLS\r\n",
        "NOOP\r\n",
        "VRFY x\r\n",
        "QUIT\r\n",
        "\r",
        "\n",
        "\r\n",
        ".",
    ]);
    prop_oneof![
        12 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

/// What servers say, and what they should not.
fn from_server() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "220 x\r\n",
        "250 ok\r\n",
        "250-ok\r\n",
        "250-PIPELINING\r\n",
        "250 STARTTLS\r\n",
        "250 AUTH PLAIN LOGIN\r\n",
        "354 go\r\n",
        "334 \r\n",
        "235 ok\r\n",
        "421 bye\r\n",
        "450 later\r\n",
        "550 5.1.1 no\r\n",
        "550-no\r\n",
        "221 bye\r\n",
        "2",
        "\r\n",
    ]);
    prop_oneof![
        12 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_server_takes_anything_and_says_only_replies(pieces in prop::collection::vec(from_client(), 0..40)) {
        let config = Config { start_tls: StartTls::Offer, ..auth_config() };
        let mut site = Site::greeted(config);
        for piece in &pieces {
            site.feed(piece);
            if site.seen.start_tls == 1 && site.error.is_none() {
                site.seen.start_tls = 0;
                site.conn.tls_started(Instant::now());
            }
            prop_assert!(site.conn.buffer().len() <= 4_096);
        }
        site.conn.receive_eof();
        site.drain();
        prop_assert!(site.conn.is_closing());
        let output = site.take_output();
        prop_assert!(output.is_empty() || output.ends_with("\r\n"));
        for line in output.split_terminator("\r\n") {
            prop_assert!(ReplyLine::parse(line.as_bytes()).is_ok(), "{}", line);
        }
    }

    #[test]
    fn a_client_takes_anything_and_gives_each_recipient_at_most_one_fate(
        pieces in prop::collection::vec(from_server(), 0..40),
    ) {
        let now = Instant::now();
        let mut conn = client::Connection::new(client::Config { tls: TlsMode::Opportunistic, ..client_config() }, now);
        let (mut fates, mut sent) = (Vec::new(), false);
        conn.receive(b"220 x\r\n", now);
        for piece in &pieces {
            while let Ok(Some(event)) = conn.poll_event() {
                match event {
                    Event::Ready(_) if !sent => {
                        sent = true;
                        let recipients = vec!["a@b".parse()?, "c@d".parse()?];
                        let params = MailParams::default();
                        conn.send(Envelope { reverse_path: ReversePath::Null, params, recipients })?;
                    }
                    Event::BodyWanted => {
                        conn.body_chunk(&Bytes::from_static(b"text"))?;
                        conn.body_end()?;
                    }
                    Event::StartTls => conn.tls_started(now),
                    Event::Fate { recipient, .. } => fates.push(recipient),
                    Event::TransactionEnd => {
                        fates.sort_unstable();
                        prop_assert_eq!(&fates, &[0, 1]);
                    }
                    _ => {}
                }
            }
            while conn.poll_transmit().is_some() {}
            conn.receive(piece, now);
            prop_assert!(conn.buffer().len() <= 4_096);
        }
        conn.receive_eof();
        while let Ok(Some(_)) = conn.poll_event() {}
        prop_assert!(conn.is_closing());
        let given = fates.len();
        fates.sort_unstable();
        fates.dedup();
        prop_assert_eq!(fates.len(), given);
    }
}
