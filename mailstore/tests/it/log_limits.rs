//! Every limit at its maximum and one beyond it, and the promises of the handle.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use mailstore::disk::Disk;
use mailstore::disk::crash::CrashDisk;
use mailstore::log::{
    CommitError, LogError, OpenError, Options, REQUEST_OVERHEAD_BYTES, ReadError, TransactionNumber,
};

use crate::log_support::{Ask, lose_power, open, open_with, small};

fn open_small(disk: &CrashDisk, change: impl FnOnce(&mut Options)) -> crate::log_support::Opened {
    let mut options = small();
    change(&mut options);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open_with(&disk, options).unwrap()
}

#[test]
fn a_transaction_fills_a_frame_and_not_one_byte_more() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    // Frame header, record header, the machine's own byte.
    let max = 8192 - 48 - 8 - 1;
    assert_eq!(opened.put(&vec![7; max]).unwrap().value(), 1);
    assert_eq!(opened.put(&vec![7; max + 1]).unwrap_err(), CommitError::Refused("too large"));
    assert_eq!(opened.put(b"next").unwrap().value(), 2);
    lose_power(&disk, opened);
    disk.crash();
    let opened = open(&disk).unwrap();
    assert_eq!(opened.contents(), [vec![7; max], b"next".to_vec()]);
}

#[test]
fn the_queue_takes_its_bytes_and_not_one_more() {
    let put = |bytes: usize| Ask::Put(vec![1; bytes]);
    let limit = 2 * (REQUEST_OVERHEAD_BYTES + 100);
    for (second, fits) in [(100, true), (101, false)] {
        let disk = CrashDisk::new(1);
        let opened = open_small(&disk, |options| options.queue_bytes_max = limit);
        let mut pending = opened.log.submit_all([put(100), put(second)]).into_iter();
        assert_eq!(pending.next().unwrap().wait().unwrap().value(), 1);
        let second = pending.next().unwrap().wait();
        if fits {
            assert_eq!(second.unwrap().value(), 2);
        } else {
            assert_eq!(second.unwrap_err(), CommitError::Log(LogError::QueueFull));
        }
    }
}

#[test]
fn the_queue_has_room_again_once_its_requests_are_committed() {
    let disk = CrashDisk::new(1);
    let limit = REQUEST_OVERHEAD_BYTES + 100;
    let opened = open_small(&disk, |options| options.queue_bytes_max = limit);
    let mut done = 0;
    while done < 20 {
        // Between the answer and the release of the bytes lies a moment.
        match opened.put(&[0; 100]) {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error, CommitError::Log(LogError::QueueFull)),
        }
    }
}

#[test]
fn a_bulk_body_is_taken_up_to_its_limit_and_read_in_ranges() {
    let disk = CrashDisk::new(1);
    let max = 200_000_u32;
    let opened = open_small(&disk, |options| options.bulk_bytes_max = max);
    let body: Vec<u8> = (0..max).map(|index| (index % 251) as u8).collect();
    let mut writer = opened.log.bulk().unwrap();
    body.chunks(1000).for_each(|piece| writer.write(piece).unwrap());
    let bulk = writer.finish().unwrap();
    opened.log.submit(Ask::Attach(bulk.clone())).wait().unwrap();
    drop(bulk);
    let check = |opened: &crate::log_support::Opened| {
        let place = opened.state.lock().unwrap().attached.unwrap();
        assert_eq!(opened.log.read(place).unwrap(), body);
        for (from, to) in [(0, 0), (0, 1), (65_535, 65_537), (70_000, 199_999), (199_999, max), (max, max)] {
            let expected = &body[from as usize..to as usize];
            assert_eq!(opened.log.read_range(place, from..to).unwrap(), expected, "{from}..{to}");
        }
        assert_eq!(opened.log.read_range(place, 0..max + 1), Err(ReadError::OutOfRange));
        #[expect(clippy::reversed_empty_ranges, reason = "a caller's mistake is an error")]
        let reversed = 2..1;
        assert_eq!(opened.log.read_range(place, reversed), Err(ReadError::OutOfRange));
    };
    check(&opened);
    let mut writer = opened.log.bulk().unwrap();
    writer.write(&body).unwrap();
    assert_eq!(writer.write(b"x").unwrap_err(), LogError::BodyTooLarge { max_bytes: max });
    lose_power(&disk, opened);
    disk.crash();
    check(&open(&disk).unwrap());
}

#[test]
fn a_bulk_body_that_no_record_names_is_given_back() {
    let blocks = |disk: &CrashDisk| disk.paths().iter().filter(|path| path.ends_with(".blk")).count();
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let mut abandoned = opened.log.bulk().unwrap();
    abandoned.write(&[1; 100_000]).unwrap();
    assert_eq!(blocks(&disk), 1);
    drop(abandoned);
    assert_eq!(blocks(&disk), 0);

    let mut writer = opened.log.bulk().unwrap();
    writer.write(b"large").unwrap();
    let waiting = writer.finish().unwrap();
    opened.put(b"something else").unwrap();
    opened.log.checkpoint().wait().unwrap();
    assert_eq!(blocks(&disk), 1, "its commit may still come");
    opened.log.submit(Ask::Attach(waiting)).wait().unwrap();
    opened.log.checkpoint().wait().unwrap();
    assert_eq!(blocks(&disk), 1, "it is named");
    opened.log.submit(Ask::Unpin).wait().unwrap();
    opened.log.checkpoint().wait().unwrap();
    assert_eq!(blocks(&disk), 0, "it is named no more");

    drop(opened.log.bulk().unwrap().finish().unwrap());
    assert_eq!(blocks(&disk), 1);
    lose_power(&disk, opened);
    disk.crash_with(|outcomes| outcomes - 1);
    let opened = open(&disk).unwrap();
    assert_eq!(blocks(&disk), 0, "nobody can name it any more");
    drop(opened);
}

#[test]
fn segments_are_used_again_once_two_checkpoints_are_past_them() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let first = disk.paths();
    let mut most = 0;
    for round in 0..60_u8 {
        opened.put(&[round; 6000]).unwrap();
        opened.log.submit(Ask::Unpin).wait().unwrap();
        opened.log.checkpoint().wait().unwrap();
        most = most.max(disk.paths().len());
    }
    assert!(most <= first.len() + 8, "{:?}", disk.paths());
    assert!(opened.log.stats().segments_freed > 20);
    let contents = opened.contents();
    drop(opened);
    assert_eq!(open(&disk).unwrap().contents(), contents);
}

#[test]
fn a_leased_segment_stays_readable_after_it_was_given_back() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    opened.put(b"kept in hand").unwrap();
    let place = opened.state.lock().unwrap().kept[0].place;
    let lease = opened.log.lease(place.segment()).unwrap();
    for _ in 0..12 {
        opened.put(&[1; 6000]).unwrap();
        opened.log.submit(Ask::Unpin).wait().unwrap();
        opened.log.checkpoint().wait().unwrap();
    }
    assert_eq!(opened.log.read(place), Err(ReadError::Gone { segment: place.segment() }));
    assert_eq!(lease.read_range(place, 1..5).unwrap(), &b"kept"[..]);
}

#[test]
fn a_refused_request_leaves_nothing_and_takes_no_number() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let asks = [Ask::Put(b"a".to_vec()), Ask::Refuse, Ask::Query, Ask::Put(b"b".to_vec())];
    let mut answers = opened.log.submit_all(asks).into_iter().map(|pending| pending.wait());
    assert_eq!(answers.next().unwrap().unwrap().value(), 1);
    assert_eq!(answers.next().unwrap().unwrap_err(), CommitError::Refused("refused"));
    assert_eq!(answers.next().unwrap().unwrap().value(), 2, "a query sees the number and does not take it");
    assert_eq!(answers.next().unwrap().unwrap().value(), 2);
    assert_eq!(opened.contents(), [b"a".to_vec(), b"b".to_vec()]);
    assert_eq!((opened.log.stats().transactions, opened.log.stats().frames), (2, 1));
}

#[test]
fn requests_queued_together_share_frames_as_far_as_they_fit() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let asks = (0..10_u8).map(|index| Ask::Put(vec![index; 1900]));
    for (index, pending) in opened.log.submit_all(asks).into_iter().enumerate() {
        assert_eq!(pending.wait().unwrap().value(), index as u64 + 1);
    }
    assert_eq!(opened.log.stats().frames, 3, "four fit into a frame");
    opened.check_places();
}

#[test]
fn a_pending_transaction_is_a_future_that_wakes_its_task() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut pending = pin!(opened.log.submit(Ask::Put(b"x".to_vec())));
    let mut polls = 0;
    let answer = loop {
        polls += 1;
        match pending.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => break answer,
            Poll::Pending => {
                while count.0.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
            }
        }
    };
    assert_eq!(answer.unwrap(), TransactionNumber::new(1));
    assert!(polls <= 2);
}

#[test]
fn a_withdrawn_request_is_not_committed() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let mut withdrawn = 0;
    for _ in 0..50 {
        match opened.log.submit(Ask::Put(b"x".to_vec())).withdraw() {
            Ok(Ask::Put(bytes)) => {
                assert_eq!(bytes, b"x");
                withdrawn += 1;
            }
            Ok(_) => panic!("another request"),
            Err(pending) => drop(pending.wait().unwrap()),
        }
    }
    opened.log.submit(Ask::Query).wait().unwrap();
    assert_eq!(opened.contents().len(), 50 - withdrawn);
}

#[test]
fn after_closing_every_call_is_refused_and_the_log_opens_without_a_rewrite() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    assert!(opened.recovery.was_closed);
    opened.put(b"a").unwrap();
    opened.log.close().unwrap();
    opened.log.close().unwrap();
    assert_eq!(opened.put(b"b").unwrap_err(), CommitError::Log(LogError::Closed));
    assert_eq!(opened.log.checkpoint().wait(), Err(LogError::Closed));
    assert_eq!(opened.log.bulk().err(), Some(LogError::Closed));
    let paths = disk.paths();
    for round in 0..5_u8 {
        let opened = open(&disk).unwrap();
        assert!(opened.recovery.was_closed);
        assert_eq!(opened.contents(), [b"a"]);
        assert_eq!(disk.paths(), paths, "round {round}");
    }
}

#[test]
fn a_checkpoint_is_made_unasked_after_so_many_bytes() {
    let disk = CrashDisk::new(1);
    let opened = open_small(&disk, |options| options.checkpoint_after_bytes = 3 * 4096);
    for _ in 0..3 {
        opened.put(b"x").unwrap();
    }
    opened.log.close().unwrap();
    assert_eq!(opened.log.stats().checkpoints, 1);
    drop(opened);
    let opened = open(&disk).unwrap();
    assert_eq!((opened.recovery.checkpoint.value(), opened.recovery.transactions_replayed), (3, 0));
}

#[test]
fn a_machine_that_panics_closes_the_log_and_everybody_hears_of_it() {
    use crate::log_support::previous_io;
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    opened.put(b"a").unwrap();
    // Poisons the mutex that the machine unwraps.
    let state = Arc::clone(&opened.state);
    let _ = std::thread::spawn(move || {
        let _guard = state.lock().unwrap();
        panic!("on purpose");
    })
    .join();
    previous_io(opened.put(b"b"));
    previous_io(opened.put(b"c"));
    drop(opened);
    assert_eq!(open(&disk).unwrap().contents()[0], b"a");
}

#[test]
fn a_log_of_another_machine_or_with_bad_options_is_not_opened() {
    let disk = CrashDisk::new(1);
    drop(open(&disk).unwrap());
    let options = Options { frame_bytes_max: 1000, ..small() };
    let root: Arc<dyn Disk> = Arc::new(disk.clone());
    assert!(matches!(open_with(&root, options), Err(OpenError::Options(_))));
    let found = disk.content("STORE").unwrap();
    assert_eq!(&found[24..32], b"recorder");
}

#[test]
fn no_more_files_are_open_than_the_limit_says_however_many_are_read() {
    let disk = CrashDisk::new(1);
    for max in [3, 4] {
        let opened = open_small(&disk, |options| options.open_files_max = max);
        for index in 0..40_u8 {
            opened.put(&[index; 5000]).unwrap();
        }
        opened.check_places();
        assert!(disk.paths().len() > 10);
        // One more is the one being written.
        assert_eq!(disk.open_files(), max + 1);
        drop(opened);
        assert_eq!(disk.open_files(), 0);
    }
}

#[test]
fn a_batch_may_fill_many_segments() {
    let disk = CrashDisk::new(1);
    let opened = open_small(&disk, |options| options.queue_bytes_max = 64 << 20);
    let bodies: Vec<Vec<u8>> = (0..100).map(|n| vec![n; 7000]).collect();
    let pending = opened.log.submit_all(bodies.iter().cloned().map(Ask::Put));
    for (pending, expected) in pending.into_iter().zip(1..) {
        assert_eq!(pending.wait().unwrap().value(), expected);
    }
    lose_power(&disk, opened);
    disk.crash();
    assert_eq!(open(&disk).unwrap().contents(), bodies);
}
