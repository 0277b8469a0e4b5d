//! Damage: each flipped bit is noticed, named, and never taken for the end of the log.

use mailstore::disk::crash::CrashDisk;
use mailstore::log::{OpenError, ReadError, SegmentId};

use crate::log_support::{Ask, Random, lose_power, open};

/// A log with three frames in one segment, cut off or closed, and the path of the segment.
fn three_frames(closed: bool) -> (CrashDisk, String) {
    let disk = CrashDisk::new(11);
    let opened = open(&disk).unwrap();
    for text in ["one", "two", "three"] {
        opened.put(text.as_bytes()).unwrap();
    }
    if closed {
        drop(opened);
    } else {
        lose_power(&disk, opened);
        disk.crash_with(|_| 0);
    }
    let path = disk.paths().into_iter().find(|path| path.ends_with(".seg")).unwrap();
    (disk, path)
}

/// Header of the frame, header of the record, the machine's byte, the text.
const FRAME_BYTES: u64 = 48 + 8 + 1 + 3;

#[test]
fn a_flipped_bit_in_any_byte_of_a_frame_with_another_behind_it_is_an_error_that_names_the_place() {
    let (disk, path) = three_frames(false);
    for (start, name) in [(8192, "first"), (12288, "second")] {
        for at in 0..FRAME_BYTES {
            let fork = disk.fork();
            assert!(fork.flip_bit(&path, start + at, (at % 8) as u8));
            match open(&fork) {
                Err(OpenError::Corrupt { file, offset, .. }) => {
                    assert_eq!((file, offset), (path.clone(), start));
                }
                other => panic!("{name} {at}: {:?}", other.map(|opened| opened.contents())),
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_frame_is_an_error_if_the_log_was_closed_and_else_a_cut() {
    for closed in [true, false] {
        let (disk, path) = three_frames(closed);
        for at in 0..FRAME_BYTES {
            let fork = disk.fork();
            assert!(fork.flip_bit(&path, 16384 + at, (at % 8) as u8));
            match open(&fork) {
                Err(OpenError::Corrupt { offset, .. }) if closed => assert_eq!(offset, 16384),
                Ok(opened) if !closed => {
                    assert_eq!(opened.contents(), [b"one", b"two"]);
                    // Without its magic or epoch it does not even look torn.
                    let cut = opened.recovery.cut;
                    assert!(cut.is_none() || cut == Some((SegmentId::new(1), 16384)));
                    assert!(cut.is_some() || at < 48, "byte {at}");
                }
                other => panic!("{closed} {at}: {:?}", other.map(|opened| opened.contents())),
            }
        }
    }
}

#[test]
fn one_copy_of_a_segment_header_is_enough_and_without_both_the_log_is_not_opened() {
    let disk = CrashDisk::new(2);
    let opened = open(&disk).unwrap();
    for index in 0..12_u8 {
        opened.put(&[index; 7000]).unwrap();
    }
    let contents = opened.contents();
    lose_power(&disk, opened);
    disk.crash();
    let paths: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".seg")).collect();
    assert!(paths.len() >= 3);
    for path in paths {
        for copy in [0, 4096] {
            let fork = disk.fork();
            fork.flip_bit(&path, copy + 30, 3);
            assert_eq!(open(&fork).unwrap().contents(), contents);
        }
        let fork = disk.fork();
        fork.flip_bit(&path, 30, 3);
        fork.flip_bit(&path, 4096 + 30, 3);
        match open(&fork) {
            Err(OpenError::Corrupt { file, .. } | OpenError::Missing { file }) => assert_eq!(file, path),
            other => panic!("{path}: {:?}", other.map(|opened| opened.contents().len())),
        }
    }
}

#[test]
fn a_segment_missing_from_the_midst_of_the_log_is_named() {
    use mailstore::disk::Disk;
    let disk = CrashDisk::new(2);
    let opened = open(&disk).unwrap();
    for index in 0..12_u8 {
        opened.put(&[index; 7000]).unwrap();
    }
    drop(opened);
    let paths: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".seg")).collect();
    let log = disk.subdirectory("log").unwrap();
    for path in &paths[..paths.len() - 1] {
        let fork = disk.fork();
        fork.subdirectory("log").unwrap().remove(path.strip_prefix("log/").unwrap()).unwrap();
        match open(&fork) {
            Err(OpenError::Missing { file }) => assert_eq!(&file, path),
            other => panic!("{path}: {:?}", other.map(|opened| opened.contents().len())),
        }
    }
    drop(log);
}

#[test]
fn a_damaged_record_is_an_error_at_each_read_and_the_log_goes_on() {
    let (disk, path) = three_frames(true);
    let opened = open(&disk).unwrap();
    let place = opened.state.lock().unwrap().kept[1].place;
    for at in 0..8 + 4 {
        disk.flip_bit(&path, u64::from(place.offset()) + at, 2);
        let corrupt = ReadError::Corrupt { segment: place.segment(), offset: u64::from(place.offset()) };
        assert_eq!(opened.log.read(place), Err(corrupt), "byte {at}");
        disk.flip_bit(&path, u64::from(place.offset()) + at, 2);
    }
    assert_eq!(opened.log.read(place).unwrap(), &b"Ptwo"[..]);
    opened.put(b"four").unwrap();
}

#[test]
fn a_damaged_chunk_of_a_bulk_body_spoils_only_the_ranges_that_touch_it() {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    let mut writer = opened.log.bulk().unwrap();
    writer.write(&[5; 200_000]).unwrap();
    let bulk = writer.finish().unwrap();
    let path = disk.paths().into_iter().find(|path| path.ends_with(".blk")).unwrap();
    disk.flip_bit(&path, 8192 + 65540 + 100, 0);
    let corrupt = ReadError::Corrupt { segment: bulk.place().segment(), offset: 8192 + 65540 };
    assert_eq!(opened.log.read(bulk.place()), Err(corrupt));
    assert_eq!(opened.log.read_range(bulk.place(), 65_536..65_537), Err(corrupt));
    assert_eq!(opened.log.read_range(bulk.place(), 0..65_536).unwrap(), vec![5; 65_536]);
    assert_eq!(opened.log.read_range(bulk.place(), 131_072..200_000).unwrap(), vec![5; 68_928]);
}

/// A log with so many checkpoints and one transaction behind them, closed; what it holds, and its two checkpoints.
fn checkpointed(rounds: u8) -> (CrashDisk, Vec<Vec<u8>>, Vec<String>) {
    let disk = CrashDisk::new(1);
    let opened = open(&disk).unwrap();
    for round in 0..rounds {
        opened.put(&[round; 7000]).unwrap();
        opened.log.submit(Ask::Unpin).wait().unwrap();
        opened.log.checkpoint().wait().unwrap();
    }
    opened.put(b"behind it").unwrap();
    let contents = opened.contents();
    assert!(opened.log.stats().segments_freed > 0, "the log still reaches back to its beginning");
    drop(opened);
    let checkpoints: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".chk")).collect();
    assert_eq!(checkpoints.len(), 2);
    (disk, contents, checkpoints)
}

#[test]
fn a_damaged_checkpoint_costs_time_and_not_mail() {
    // The two lie in one segment or in two, as the number of rounds has it.
    for rounds in 6..14 {
        let (disk, contents, checkpoints) = checkpointed(rounds);
        let fork = disk.fork();
        fork.flip_bit(&checkpoints[1], 100, 4);
        let opened = open(&fork).unwrap();
        assert!(opened.contents() == contents, "{rounds} rounds");
        assert_eq!(opened.recovery.damaged, [checkpoints[1].clone()]);
        assert_eq!(opened.recovery.checkpoint.value(), 2 * (u64::from(rounds) - 1));
        disk.flip_bit(&checkpoints[0], 70, 1);
        disk.flip_bit(&checkpoints[1], 70, 1);
        assert!(matches!(open(&disk), Err(OpenError::Missing { .. })), "what is lost is not passed over");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_checkpoint_is_noticed() {
    let (disk, contents, checkpoints) = checkpointed(6);
    let length = disk.content(&checkpoints[1]).unwrap().len() as u64;
    for at in (0..72).chain((72..length).step_by(97)).chain(length - 16..length) {
        let fork = disk.fork();
        fork.flip_bit(&checkpoints[1], at, (at % 8) as u8);
        let opened = open(&fork).unwrap();
        assert!(opened.contents() == contents, "byte {at}");
        assert_eq!(opened.recovery.damaged, [checkpoints[1].clone()], "byte {at}");
    }
}

#[test]
fn s6_an_image_with_any_bits_flipped_or_any_file_cut_is_refused_or_gives_only_what_was_written() {
    let disk = CrashDisk::new(6);
    let opened = open(&disk).unwrap();
    for index in 0..14_u8 {
        opened.put(&vec![index; 10 + usize::from(index) * 400]).unwrap();
        if index % 6 == 5 {
            opened.log.checkpoint().wait().unwrap();
        }
    }
    let written = opened.contents();
    drop(opened);
    let (paths, mut opened_count) = (disk.paths(), 0);
    for seed in 0..600 {
        let mut random = Random(seed);
        let fork = disk.fork();
        for _ in 0..=random.below(3) {
            let path = &paths[random.below(paths.len() as u64) as usize];
            let length = fork.content(path).unwrap().len() as u64;
            if random.below(4) == 0 {
                fork.truncate(path, random.below(length) as usize);
            } else {
                // Half of them where headers are.
                let reach = if random.below(2) == 0 { 8192 + 64 } else { length };
                fork.flip_bit(path, random.below(reach), random.below(8) as u8);
            }
        }
        let Ok(opened) = open(&fork) else { continue };
        opened_count += 1;
        let same = opened.contents() == written;
        assert!(same, "seed {seed}: opened with something else than was written");
        for kept in &opened.state.lock().unwrap().kept {
            if let Ok(bytes) = opened.log.read(kept.place) {
                assert_eq!(bytes, kept.bytes, "seed {seed}");
            }
        }
    }
    assert!((50..550).contains(&opened_count), "{opened_count}");
}
