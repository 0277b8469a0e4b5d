//! Both sides joined in memory.

use std::time::Instant;

use bytes::Bytes;
use lmtp_proto::DeliveryId;
use lmtp_proto::client::{Connection, Event, Stage};
use mail_wire::testing::pump;
use mail_wire::{Connection as _, Error};
use proptest::prelude::*;

use crate::server::{Store, verdict};
use crate::{client, server};

/// What became of each recipient: its place, the stage, the code.
type Fates = Vec<(usize, Stage, u16)>;

/// Sends messages to these users, one after the other, over one connection.
fn run(messages: &[Vec<&str>], body: &[u8], piece_bytes: usize) -> Result<(Vec<Fates>, Store), Error> {
    let now = Instant::now();
    let mut store = Store::new(server::config());
    let mut conn = Connection::new(client::config(), now);
    let mut queue = messages.iter();
    let mut fates: Vec<Vec<_>> = Vec::new();
    let mut begin = |conn: &mut Connection, fates: &mut Vec<Vec<_>>| match queue.next() {
        Some(users) => {
            let mut envelope = client::envelope(users);
            let id = DeliveryId::new("7.1").expect("valid");
            assert!(id.attach(&mut envelope.params, conn.capabilities().expect("ready")));
            fates.push(Vec::new());
            conn.send(envelope)
        }
        None => conn.quit().map_err(Into::into),
    };
    while !conn.is_closing() {
        pump(&mut conn, &mut store.conn, piece_bytes, now);
        store.drain();
        while let Some(event) = conn.poll_event()? {
            match event {
                Event::Ready(_) | Event::TransactionEnd => begin(&mut conn, &mut fates)?,
                Event::BodyWanted => {
                    for chunk in body.chunks(piece_bytes) {
                        conn.body_chunk(&Bytes::copy_from_slice(chunk))?;
                    }
                    conn.body_end()?;
                }
                Event::Fate { recipient, stage, reply, .. } => {
                    fates.last_mut().expect("begun").push((recipient, stage, reply.code().value()));
                }
                _ => {}
            }
        }
    }
    Ok((fates, store))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn q6_every_recipient_of_every_message_gets_one_fate_and_it_is_the_store_s(
        messages in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![Just("bob"), Just("nobody"), Just("full"), Just("broken")], 1..6), 0..4),
        piece_bytes in 1_usize..40,
    ) {
        let (fates, store) = run(&messages, b".text\r\n", piece_bytes)?;
        prop_assert_eq!(fates.len(), messages.len());
        for (users, fates) in messages.iter().zip(&fates) {
            let mut sorted = fates.clone();
            sorted.sort_unstable_by_key(|(recipient, ..)| *recipient);
            let expected: Vec<_> = users.iter().enumerate().map(|(place, user)| match *user {
                "nobody" => (place, Stage::Rcpt, 550),
                user => (place, Stage::Message, verdict(user).code().value()),
            }).collect();
            prop_assert_eq!(sorted, expected);
        }
        let carried = messages.iter().filter(|users| users.iter().any(|user| *user != "nobody")).count();
        prop_assert_eq!(store.bodies, vec![b".text\r\n".to_vec(); carried]);
    }
}
