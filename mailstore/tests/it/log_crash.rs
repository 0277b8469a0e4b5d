//! The crash simulator: thousands of short histories, each with a crash or a failure at a chosen call.

use mailstore::disk::crash::{CrashDisk, Fault, Writes};
use mailstore::log::OpenError;

use crate::log_support::{Ask, Opened, Random, lose_power, open};

/// What the outside knows: what was acknowledged, and what was asked for behind it without an answer.
#[derive(Default)]
struct Known {
    acknowledged: Vec<Vec<u8>>,
    in_flight: Vec<Vec<u8>>,
}

impl Known {
    /// Everything acknowledged is there, in order; behind it a prefix of what was under way.
    fn check(&mut self, opened: &Opened, seed: u64) {
        let found = opened.contents();
        let known: Vec<_> = self.acknowledged.iter().chain(&self.in_flight).collect();
        assert!(found.len() >= self.acknowledged.len(), "seed {seed}: an acknowledged transaction is lost");
        assert!(found.len() <= known.len(), "seed {seed}: a transaction came from nowhere");
        assert!(found.iter().zip(known).all(|(found, known)| found == known), "seed {seed}: not a prefix");
        self.acknowledged = found;
        self.in_flight.clear();
        opened.check_places();
    }
}

/// Drives one log with random requests until it fails or has had enough.
fn drive(opened: &Opened, random: &mut Random, known: &mut Known, counter: &mut u64) {
    for _ in 0..1 + random.below(30) {
        match random.below(12) {
            0 | 1 => drop(opened.log.checkpoint().wait()),
            // From here on no older segment is needed, so that checkpoints give them back.
            2 => match opened.log.submit(Ask::Unpin).wait() {
                Ok(_) => known.acknowledged.push(Vec::new()),
                Err(_) => known.in_flight.push(Vec::new()),
            },
            3 => {
                let _ = opened.log.submit(Ask::Refuse).wait();
            }
            _ => {
                let group: Vec<Vec<u8>> = (0..1 + random.below(5))
                    .map(|_| {
                        *counter += 1;
                        let length =
                            if random.below(4) == 0 { random.below(6000) } else { random.below(200) };
                        let mut bytes = counter.to_le_bytes().to_vec();
                        bytes.resize(8 + length as usize, *counter as u8);
                        bytes
                    })
                    .collect();
                let pending = opened.log.submit_all(group.iter().map(|bytes| Ask::Put(bytes.clone())));
                for (pending, bytes) in pending.into_iter().zip(group) {
                    match pending.wait() {
                        Ok(number) => {
                            assert!(known.in_flight.is_empty(), "acknowledged behind a failure");
                            known.acknowledged.push(bytes);
                            assert_eq!(number.value(), known.acknowledged.len() as u64);
                        }
                        Err(_) => known.in_flight.push(bytes),
                    }
                }
            }
        }
        if !known.in_flight.is_empty() {
            return;
        }
    }
}

fn history(seed: u64) -> u64 {
    let mut freed = 0;
    let mut random = Random(seed);
    let disk = CrashDisk::new(seed);
    if random.below(2) == 0 {
        disk.set_writes(Writes::SometimesShort);
    }
    let (mut known, mut counter) = (Known::default(), 0);
    for _ in 0..3 {
        let fault = if random.below(3) == 0 { Fault::Io } else { Fault::PowerLoss };
        disk.fail_call(random.below(150), fault);
        let failed = match open(&disk) {
            Ok(opened) => {
                known.check(&opened, seed);
                drive(&opened, &mut random, &mut known, &mut counter);
                freed += opened.log.stats().segments_freed;
                if random.below(3) == 0 {
                    let _ = opened.log.close();
                    drop(opened);
                } else {
                    lose_power(&disk, opened);
                }
                disk.is_dead()
            }
            Err(OpenError::Io { .. }) => disk.is_dead(),
            Err(other) => panic!("seed {seed}: {other}"),
        };
        if failed || random.below(2) == 0 {
            disk.crash();
        }
        disk.clear_faults();
        // What an opening serves is durable: a crash right behind it changes nothing.
        let opened = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        known.check(&opened, seed);
        lose_power(&disk, opened);
        disk.crash();
        let again = open(&disk).unwrap_or_else(|error| panic!("seed {seed}, second: {error}"));
        assert_eq!(again.contents(), known.acknowledged, "seed {seed}: a second recovery changed something");
        again.check_places();
        lose_power(&disk, again);
        disk.crash();
    }
    freed
}

/// How many seeds to try: as many as a long run asks for, or `usual`.
pub(crate) fn histories(usual: u64) -> u64 {
    std::env::var("CORBIE_CRASH_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn thousands_of_crash_histories_keep_what_was_acknowledged() {
    // A failing seed is in the message; put it here alone to see its history again.
    let freed: u64 = (0..histories(2000)).map(history).sum();
    assert!(freed > 1000, "segments were hardly ever used again: {freed}");
}
