//! The rows S1 to S7 of the catalogue of what other stores suffered.

use std::sync::Arc;

use mailstore::disk::Disk;
use mailstore::disk::crash::{CrashDisk, Fault};
use mailstore::log::{CommitError, LogError, OpenError};

use crate::log_support::{Ask, Opened, Random, lose_power, open, previous_io, small};

/// A fixed short history; gives what was acknowledged, and stops at the first failure.
fn run(opened: &Opened) -> (Vec<Vec<u8>>, bool) {
    let mut acknowledged = Vec::new();
    for index in 0..12_u8 {
        let bytes = vec![index; 100 + usize::from(index % 3) * 3000];
        if opened.put(&bytes).is_err() {
            return (acknowledged, true);
        }
        acknowledged.push(bytes);
        if index % 5 == 4 && opened.log.checkpoint().wait().is_err() {
            return (acknowledged, true);
        }
    }
    (acknowledged, opened.log.close().is_err())
}

/// How many changing calls the opening of an empty disk makes, and that and the history.
fn calls() -> (u64, u64) {
    let disk = CrashDisk::new(9);
    let opened = open(&disk).unwrap();
    let opening = disk.calls();
    assert!(!run(&opened).1);
    (opening, disk.calls())
}

#[test]
fn s1_after_the_first_failed_call_every_call_is_refused_until_the_log_is_opened_anew() {
    let (opening, all) = calls();
    for k in opening..all {
        let disk = CrashDisk::new(9);
        let opened = open(&disk).unwrap();
        disk.fail_call(k - opening, Fault::Io);
        let (acknowledged, failed) = run(&opened);
        assert!(failed, "call {k} was not missed");
        previous_io(opened.put(b"more"));
        assert_eq!(opened.log.checkpoint().wait(), Err(LogError::PreviousIo), "call {k}");
        assert_eq!(opened.log.bulk().err(), Some(LogError::PreviousIo));
        drop(opened);
        for crash in [false, true] {
            let disk = disk.fork();
            if crash {
                disk.crash();
            }
            let opened = open(&disk).unwrap();
            let found = opened.contents();
            assert_eq!(found[..acknowledged.len()], acknowledged, "call {k}");
            // What it serves must be on the disk by now, though the pages of the failed sync looked clean.
            lose_power(&disk, opened);
            disk.crash_with(|_| 0);
            assert_eq!(open(&disk).unwrap().contents(), found, "call {k}");
        }
    }
}

#[test]
fn s1_a_failed_opening_can_be_repeated() {
    let (opening, _) = calls();
    for k in 0..opening {
        for crash in [false, true] {
            let disk = CrashDisk::new(k);
            disk.fail_call(k, Fault::Io);
            assert!(matches!(open(&disk), Err(OpenError::Io { .. })), "call {k}");
            if crash {
                disk.crash();
            }
            let opened = open(&disk).unwrap();
            opened.put(b"a").unwrap();
            lose_power(&disk, opened);
            disk.crash_with(|_| 0);
            assert_eq!(open(&disk).unwrap().contents(), [b"a"], "call {k}");
        }
    }
}

#[test]
fn s2_every_subset_of_unsynced_writes_recovers_to_a_prefix_with_all_that_was_acknowledged() {
    let (_, all) = calls();
    let mut outcomes_tried = 0_u64;
    for k in 0..all {
        let disk = CrashDisk::new(9);
        disk.fail_call(k, Fault::PowerLoss);
        let acknowledged = open(&disk).map(|opened| run(&opened).0).unwrap_or_default();
        let mut waiting = Vec::new();
        disk.fork().crash_with(|outcomes| {
            waiting.push(outcomes);
            0
        });
        let subsets = 1_u64 << waiting.len().min(63);
        let mut random = Random(k);
        let mut check = |choose: &mut dyn FnMut(usize, usize) -> usize| {
            let fork = disk.fork();
            let mut index = 0;
            fork.crash_with(|outcomes| {
                index += 1;
                choose(index - 1, outcomes)
            });
            outcomes_tried += 1;
            let opened = open(&fork).unwrap_or_else(|error| panic!("call {k}: {error}"));
            let found = opened.contents();
            assert!(found.len() >= acknowledged.len() && found.len() <= acknowledged.len() + 1, "call {k}");
            assert_eq!(found[..acknowledged.len()], acknowledged, "call {k}");
            opened.check_places();
        };
        if waiting.len() <= 6 && waiting.iter().all(|outcomes| *outcomes == 2) {
            for subset in 0..subsets {
                check(&mut |index, _| usize::from(subset >> index & 1 == 1));
            }
            continue;
        }
        for cut in 0..=waiting.len() {
            // All before, all behind, all but one, only one.
            check(&mut |index, outcomes| if index < cut { outcomes - 1 } else { 0 });
            check(&mut |index, outcomes| if index >= cut { outcomes - 1 } else { 0 });
            check(&mut |index, outcomes| if index != cut { outcomes - 1 } else { 0 });
            check(&mut |index, outcomes| if index == cut { outcomes - 1 } else { 0 });
        }
        for _ in 0..16 {
            check(&mut |_, outcomes| usize::try_from(random.below(outcomes as u64)).unwrap());
        }
    }
    assert!(outcomes_tried > 1000, "{outcomes_tried}");
}

/// The path of the log segment with the highest number.
fn head_path(disk: &CrashDisk) -> String {
    disk.paths().into_iter().rfind(|path| path.ends_with(".seg")).unwrap()
}

#[test]
fn s3_a_body_that_is_a_copy_of_a_frame_never_passes_for_one() {
    for copied in [8192, 12288] {
        let disk = CrashDisk::new(3);
        let opened = open(&disk).unwrap();
        opened.put(b"the first").unwrap();
        opened.put(b"the second").unwrap();
        let known = opened.contents();
        // The body carries a true frame of this very life of this segment, at the beginning of a block: frame header,
        // record header and the machine's byte come before the body.
        let path = head_path(&disk);
        let before = disk.content(&path).unwrap();
        let mut body = vec![0; 4096 - 48 - 8 - 1];
        body.extend_from_slice(&before[copied..copied + 200]);
        opened.put(&body).unwrap();
        let now = disk.content(&path).unwrap();
        assert_eq!(now[16384 + 4096..][..200], before[copied..][..200]);
        // Its container is torn: the first sector is what it was, and the copy stands alone.
        let fork = disk.fork();
        for (offset, (old, new)) in before.iter().zip(&now).enumerate().skip(16384).take(512) {
            (0..8).filter(|bit| (old ^ new) >> bit & 1 == 1).for_each(|bit| {
                fork.flip_bit(&path, offset as u64, bit);
            });
        }
        assert_eq!(open(&fork).unwrap().contents(), known);
    }
}

#[test]
fn s3_frames_of_an_earlier_life_of_a_segment_do_not_come_back() {
    let disk = CrashDisk::new(4);
    let opened = open(&disk).unwrap();
    for round in 0..40_u8 {
        opened.put(&[round; 5000]).unwrap();
        opened.log.submit(Ask::Unpin).wait().unwrap();
        opened.log.checkpoint().wait().unwrap();
        let head = disk.content(&head_path(&disk)).unwrap();
        let old_frames =
            (8192..head.len()).step_by(4096).filter(|at| head[*at..].starts_with(b"CFrm")).count();
        // The power goes before a byte of the next frame: what stands behind the end is an earlier life.
        let fork = disk.fork();
        fork.crash_with(|_| 0);
        let recovered = open(&fork).unwrap();
        assert_eq!(recovered.contents(), opened.contents(), "round {round}, {old_frames} frames seen");
    }
    assert!(opened.log.stats().segments_freed > 10);
}

#[test]
fn s4_the_growth_of_a_segment_is_durable_before_a_frame_in_it_is_acknowledged() {
    let (_, all) = calls();
    for k in 0..all {
        let disk = CrashDisk::new(9);
        disk.fail_call(k, Fault::PowerLoss);
        let acknowledged = open(&disk).map(|opened| run(&opened).0).unwrap_or_default();
        // Nothing that waits is kept: no growth, no name, no sector. Then everything but growth and names.
        for keep_bytes in [false, true] {
            let fork = disk.fork();
            let mut growth = true;
            fork.crash_with(|outcomes| {
                let keep = keep_bytes && !growth;
                growth = false;
                if keep { outcomes - 1 } else { 0 }
            });
            let opened = open(&fork).unwrap();
            assert_eq!(opened.contents()[..acknowledged.len()], acknowledged, "call {k}");
        }
    }
}

#[test]
fn s5_a_full_disk_at_any_call_loses_nothing_and_shows_nothing_partial() {
    let (opening, all) = calls();
    for k in opening..all {
        let disk = CrashDisk::new(9);
        let opened = open(&disk).unwrap();
        disk.fail_call(k - opening, Fault::NoSpace);
        let (acknowledged, _) = run(&opened);
        drop(opened);
        let opened = open(&disk).unwrap();
        let found = opened.contents();
        assert_eq!(found[..acknowledged.len()], acknowledged, "call {k}");
        assert!(found.len() <= acknowledged.len() + 1);
        opened.put(b"and on").unwrap();
    }
}

#[test]
fn s5_on_a_full_disk_requests_are_refused_but_those_that_free_space_pass() {
    let disk = CrashDisk::new(5);
    let opened = open(&disk).unwrap();
    opened.put(b"first").unwrap();
    disk.set_capacity(disk.used_bytes());
    let mut count = 1;
    let refusal = loop {
        match opened.put(&[1; 6000]) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 100);
    };
    assert_eq!(refusal, CommitError::Log(LogError::DiskFull));
    opened.log.submit(Ask::Expunge(b"old mail".to_vec())).wait().unwrap();
    assert_eq!(opened.put(b"x").unwrap_err(), CommitError::Log(LogError::DiskFull));
    // A body beside the log is refused the same way, and leaves nothing behind.
    let used = disk.used_bytes();
    let mut writer = opened.log.bulk().unwrap();
    assert_eq!(writer.write(&[0; 100_000]), Err(LogError::DiskFull));
    drop(writer);
    assert_eq!(disk.used_bytes(), used);
    // It opens on the full disk after a kill, with everything, and space makes it whole again.
    lose_power(&disk, opened);
    disk.crash();
    disk.set_capacity(disk.used_bytes());
    let opened = open(&disk).unwrap();
    assert_eq!(opened.contents().len(), count + 1);
    disk.set_capacity(u64::MAX);
    opened.put(b"room again").unwrap();
}

#[test]
fn s5_a_checkpoint_that_finds_no_room_is_refused_and_the_log_goes_on() {
    let disk = CrashDisk::new(5);
    let opened = open(&disk).unwrap();
    opened.put(&[1; 5000]).unwrap();
    disk.set_capacity(disk.used_bytes() + 100);
    assert_eq!(opened.log.checkpoint().wait(), Err(LogError::DiskFull));
    assert!(!disk.paths().iter().any(|path| path.ends_with(".new")));
    opened.put(b"goes on").unwrap();
    disk.set_capacity(u64::MAX);
    assert_eq!(opened.log.checkpoint().wait().unwrap().value(), 2);
}

#[test]
fn s7_a_transaction_number_is_never_given_twice_whatever_crashes() {
    let (_, all) = calls();
    for k in 0..all {
        let disk = CrashDisk::new(k);
        disk.fail_call(k, Fault::PowerLoss);
        let acknowledged = open(&disk).map(|opened| run(&opened).0.len() as u64).unwrap_or(0);
        disk.crash();
        let opened = open(&disk).unwrap();
        let last = opened.recovery.last.value();
        assert!(last >= acknowledged, "call {k}");
        assert_eq!(opened.put(b"next").unwrap().value(), last + 1, "call {k}");
    }
}

#[test]
fn s2_a_store_that_lost_its_identity_is_not_made_anew_over_its_mail() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    opened.put(b"mail").unwrap();
    drop(opened);
    let root: Arc<dyn Disk> = Arc::new(disk.clone());
    root.remove("STORE").unwrap();
    match crate::log_support::open_with(&root, small()) {
        Err(OpenError::Missing { file }) => assert_eq!(file, "STORE"),
        other => panic!("{:?}", other.map(|opened| opened.contents())),
    }
}
