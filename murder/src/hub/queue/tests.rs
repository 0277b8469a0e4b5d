//! The queue over a disk that loses what was not synced.

use std::sync::Arc;
use std::time::Duration;

use mailstore::clock::{ManualClock, Timestamp};
use mailstore::disk::Disk;
use mailstore::disk::crash::CrashDisk;

use super::message::tests::envelope;
use super::*;

const MESSAGES_MAX: u64 = 5;

fn open(disk: &CrashDisk) -> (Queue, Arrivals) {
    let root: Arc<dyn Disk> = Arc::new(disk.clone());
    let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
    Queue::open(&root, Arc::new(clock), MESSAGES_MAX).unwrap()
}

async fn put(queue: &Queue, text: &[u8], to: &[&str]) -> Result<QueueId, QueueError> {
    let id = queue.new_id()?;
    let mut body = queue.body();
    for piece in text.chunks(100_000) {
        body.write(piece)?;
    }
    let message = NewMessage { id, envelope: envelope("sender@example.test", to), body: body.finish()? };
    queue.accept(message).await?;
    Ok(id)
}

fn text(queue: &Queue, id: QueueId) -> Vec<u8> {
    let message = queue.message(id).unwrap();
    let source = queue.source(&message);
    let mut text = Vec::new();
    loop {
        let piece = source.read(text.len() as u64, 70_000).unwrap();
        if piece.is_empty() {
            return text;
        }
        text.extend_from_slice(&piece);
    }
}

fn settlement(id: QueueId, outcomes: &[(usize, Outcome)]) -> Settlement {
    Settlement {
        id,
        attempt: 1,
        outcomes: outcomes.to_vec(),
        last_reply: String::new(),
        report: None,
        buried: Vec::new(),
    }
}

fn large() -> Vec<u8> {
    (0..=250).cycle().take(BULK_BYTES_MIN + 12_345).collect()
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_crash_small_or_large() {
    let disk = CrashDisk::new(1);
    let (queue, mut arrivals) = open(&disk);
    let small = put(&queue, b"Subject: x\r\n\r\n", &["a@x.test", "b@x.test"]).await.unwrap();
    let big = put(&queue, &large(), &["a@x.test"]).await.unwrap();
    let empty = put(&queue, b"", &["a@x.test"]).await.unwrap();
    assert_eq!(
        [arrivals.recv().await, arrivals.recv().await, arrivals.recv().await],
        [small, big, empty].map(Some)
    );
    let before = queue.messages(None, 10);
    drop(queue);
    disk.crash();
    let (queue, mut arrivals) = open(&disk);
    assert_eq!(queue.messages(None, 10), before);
    assert_eq!(text(&queue, small), b"Subject: x\r\n\r\n");
    assert!(text(&queue, big) == large() && text(&queue, empty).is_empty());
    assert!(arrivals.try_recv().is_err(), "what was there before has not arrived");
}

#[tokio::test]
async fn copies_end_one_by_one_and_the_message_with_the_last() {
    let disk = CrashDisk::new(2);
    let (queue, _arrivals) = open(&disk);
    let id = put(&queue, b"x", &["a@x.test", "b@x.test", "c@x.test"]).await.unwrap();
    let mut first = settlement(id, &[(1, Outcome::Delivered)]);
    first.last_reply = "451 later".to_owned();
    queue.settle(first).await.unwrap();
    drop(queue);
    disk.crash();
    let (queue, _arrivals) = open(&disk);
    let message = queue.message(id).unwrap();
    assert_eq!(message.pending().collect::<Vec<_>>(), [0, 2]);
    assert_eq!((message.attempts, message.last_reply.as_str()), (1, "451 later"));
    queue.settle(settlement(id, &[(0, Outcome::Failed), (2, Outcome::Delivered)])).await.unwrap();
    assert!(queue.is_empty());
    let again = queue.settle(settlement(id, &[(0, Outcome::Failed)])).await;
    assert_eq!(again, Err(QueueError::Refused(Refusal::Gone)));
    drop(queue);
    disk.crash();
    assert!(open(&disk).0.is_empty());
}

#[tokio::test]
async fn q4_a_report_comes_with_the_failure_or_the_failed_copy_is_buried() {
    let disk = CrashDisk::new(3);
    let (queue, _arrivals) = open(&disk);
    let id = put(&queue, b"x", &["a@x.test"]).await.unwrap();
    let report_id = queue.new_id().unwrap();
    let mut failed = settlement(id, &[(0, Outcome::Failed)]);
    failed.report = Some(NewMessage {
        id: report_id,
        envelope: envelope("", &["sender@example.test"]),
        body: NewBody::Inline(b"sorry".to_vec()),
    });
    queue.settle(failed).await.unwrap();
    drop(queue);
    disk.crash();
    let (queue, _arrivals) = open(&disk);
    let there: Vec<_> = queue.messages(None, 10).iter().map(|message| message.id).collect();
    assert_eq!(there, [report_id], "the report has taken the place of the message, for good");
    let mut failed = settlement(report_id, &[(0, Outcome::Failed)]);
    failed.buried =
        vec![("sender@example.test".parse::<smtp_proto::Address>().unwrap().into(), "550 no".into())];
    queue.settle(failed).await.unwrap();
    queue.log.checkpoint().await.unwrap();
    drop(queue);
    disk.crash();
    let (queue, _arrivals) = open(&disk);
    let dead = queue.dead_letters();
    assert!(queue.is_empty());
    assert_eq!(dead.iter().map(|d| (d.id, d.reply.as_str())).collect::<Vec<_>>(), [(report_id, "550 no")]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let (queue, _arrivals) = open(&CrashDisk::new(4));
    let mut ids = Vec::new();
    for _ in 0..MESSAGES_MAX {
        ids.push(put(&queue, b"x", &["a@x.test"]).await.unwrap());
    }
    let full = Err(QueueError::Refused(Refusal::Full));
    assert_eq!(put(&queue, b"x", &["a@x.test"]).await, full);
    queue.settle(settlement(ids.pop().unwrap(), &[(0, Outcome::Delivered)])).await.unwrap();
    assert!(put(&queue, b"x", &["a@x.test"]).await.is_ok());
    assert_eq!(put(&queue, b"x", &["a@x.test"]).await, full);
}

#[tokio::test]
async fn an_envelope_has_a_limit() {
    let (queue, _arrivals) = open(&CrashDisk::new(5));
    let each = recipient_bytes(&envelope("", &["abcdefgh@x.test"]).recipients.pop().unwrap());
    let fitting = (ENVELOPE_BYTES_MAX - 64) / each;
    assert!(put(&queue, b"x", &vec!["abcdefgh@x.test"; fitting]).await.is_ok());
    let too_many = put(&queue, b"x", &vec!["abcdefgh@x.test"; fitting + 10]).await;
    assert_eq!(too_many, Err(QueueError::Refused(Refusal::TooLarge)));
}

#[tokio::test]
async fn space_comes_back_and_one_that_stays_does_not_hold_it() {
    let disk = CrashDisk::new(6);
    let (queue, _arrivals) = open(&disk);
    let stays = put(&queue, b"I stay", &["a@x.test"]).await.unwrap();
    let body = vec![b'x'; BULK_BYTES_MIN - 1];
    let fill = async |queue: &Queue| {
        for _ in 0..140 {
            let id = put(queue, &body, &["a@x.test"]).await.unwrap();
            queue.settle(settlement(id, &[(0, Outcome::Delivered)])).await.unwrap();
        }
        queue.log.checkpoint().await.unwrap();
        queue.log.stats().segments_freed
    };
    fill(&queue).await;
    let first = queue.message(stays).unwrap().body.segment();
    assert!(queue.log.lease(first).is_some(), "its segment is kept for one small message");
    queue.set_apart(&queue.message(stays).unwrap()).await.unwrap();
    queue.set_apart(&queue.message(stays).unwrap()).await.unwrap();
    assert!(fill(&queue).await > 0);
    assert!(queue.log.lease(first).is_none(), "and is given back once that has a file of its own");
    drop(queue);
    disk.crash();
    let (queue, _arrivals) = open(&disk);
    assert_eq!(text(&queue, stays), b"I stay");
    queue.settle(settlement(stays, &[(0, Outcome::Delivered)])).await.unwrap();
    queue.log.checkpoint().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let files = disk.paths().into_iter().filter(|path| path.contains("bulk")).count();
    assert_eq!(files, 0, "{:?}", disk.paths());
}

#[tokio::test]
async fn pages_follow_the_ids() {
    let (queue, _arrivals) = open(&CrashDisk::new(7));
    for _ in 0..5 {
        put(&queue, b"x", &["a@x.test"]).await.unwrap();
    }
    let all: Vec<_> = queue.messages(None, 10).iter().map(|message| message.id).collect();
    let first: Vec<_> = queue.messages(None, 2).iter().map(|message| message.id).collect();
    let rest: Vec<_> = queue.messages(first.last().copied(), 10).iter().map(|message| message.id).collect();
    assert_eq!(all, [first, rest].concat());
    assert_eq!(queue.messages(all.last().copied(), 10), []);
}
