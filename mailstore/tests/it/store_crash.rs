//! Histories cut by power loss: what was acknowledged is there exactly once, numbers never step back, sums add up.

use std::collections::{BTreeMap, BTreeSet};

use mailstore::disk::crash::{CrashDisk, Fault, Writes};
use mailstore::store::*;

use crate::store_support::*;

/// SplitMix64: the same chance everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

/// What the clients of one store were told.
#[derive(Default)]
struct Told {
    /// Messages that were acknowledged, by text; and whether an expunge was asked for.
    there: BTreeMap<String, Fate>,
    next: u64,
    uid_next: BTreeMap<MailboxName, Uid>,
    highest_modseq: u64,
    uid_validities: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Sent, no answer.
    Unknown,
    There,
    /// An expunge was sent, no answer.
    Going,
    Gone,
}

struct Places {
    inbox: MailboxName,
    archive: MailboxName,
}

impl Told {
    fn note_uid(&mut self, mailbox: &MailboxName, uid: Uid) {
        let next = self.uid_next.entry(mailbox.clone()).or_insert(1);
        *next = (*next).max(uid + 1);
    }
}

/// Does things until the disk fails; several at a time, so that they share frames.
fn work(bench: &Bench, places: &Places, told: &mut Told, chance: &mut Chance) -> Result<(), Error> {
    for _ in 0..40 {
        match chance.below(8) {
            0..=3 => deliver(bench, places, told, chance)?,
            4 => expunge(bench, places, told, chance)?,
            5 => relocate(bench, places, told, chance)?,
            6 => {
                let scratch = name("scratch");
                let created = bench.peer().create(&scratch, Create::default()).wait()?;
                assert!(told.uid_validities.insert(created.uid_validity), "a UIDVALIDITY twice");
                bench.peer().delete(&scratch).wait()?;
            }
            _ => drop(bench.store.checkpoint().wait().map_err(|_| Error::PreviousIo)?),
        }
    }
    Ok(())
}

fn deliver(bench: &Bench, places: &Places, told: &mut Told, chance: &mut Chance) -> Result<(), Error> {
    let mut texts: Vec<String> = told
        .there
        .iter()
        .filter(|(_, fate)| **fate == Fate::Unknown)
        .map(|(text, _)| text.clone())
        .take(3)
        .collect();
    for _ in 0..=chance.below(3) {
        told.next += 1;
        let padding = "x".repeat(chance.below(3000) as usize);
        texts.push(format!("{} {padding}", told.next));
    }
    let pending: Vec<_> = texts
        .iter()
        .map(|text| {
            told.there.entry(text.clone()).or_insert(Fate::Unknown);
            let id = text.split(' ').next().unwrap().as_bytes();
            bench.peer().deliver(bench.delivery(text.as_bytes(), &[&places.inbox], Some(id)))
        })
        .collect();
    let mut outcome = Ok(());
    for (text, pending) in texts.iter().zip(pending) {
        match pending.wait() {
            Ok(results) => {
                if let Delivered::New(appended) = results[0].clone()? {
                    told.note_uid(&places.inbox, appended.uid);
                    told.highest_modseq = told.highest_modseq.max(appended.modseq);
                }
                told.there.insert(text.clone(), Fate::There);
            }
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

fn expunge(bench: &Bench, places: &Places, told: &mut Told, chance: &mut Chance) -> Result<(), Error> {
    let place = if chance.below(2) == 0 { &places.inbox } else { &places.archive };
    let view = bench.peer().open(place, Access::ReadWrite)?;
    let Some(uid) = view.uid(1 + chance.below(u64::from(view.len()) + 1) as u32) else { return Ok(()) };
    let text = String::from_utf8(view.body(uid)?.read_all()?.to_vec()).unwrap();
    let set = UidSet::single(uid);
    told.there.insert(text.clone(), Fate::Going);
    let mark = view.store_flags(&set, FlagsOp::Add, SystemFlags::DELETED.into(), None);
    let expunge = view.expunge(Some(&set));
    if let Some(modseq) = mark.wait()?.modseq {
        told.highest_modseq = told.highest_modseq.max(modseq);
    }
    assert_eq!(expunge.wait()?, set);
    told.there.insert(text, Fate::Gone);
    Ok(())
}

fn relocate(bench: &Bench, places: &Places, told: &mut Told, chance: &mut Chance) -> Result<(), Error> {
    let view = bench.peer().open(&places.inbox, Access::ReadWrite)?;
    let first = chance.below(u64::from(view.uid_next()) + 1) as u32;
    let moved = view.move_to(&UidSet::range(first, first + 3), &places.archive).wait()?;
    if moved.first_uid > 0 {
        told.note_uid(&places.archive, moved.first_uid + moved.source.len() as u32 - 1);
    }
    Ok(())
}

fn check(bench: &Bench, places: &Places, told: &mut Told) {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut usage = QuotaUsage::default();
    for place in [&places.inbox, &places.archive] {
        let view = bench.peer().open(place, Access::ReadOnly).unwrap();
        let next = told.uid_next.get(place).copied().unwrap_or(1);
        assert!(view.uid_next() >= next, "UIDNEXT stepped back from {next} to {}", view.uid_next());
        for message in view.messages(&view.all()) {
            let text = view.body(message.uid).unwrap().read_all().unwrap();
            assert_eq!(text.len(), message.size_bytes as usize);
            usage.storage_bytes += text.len() as u64;
            usage.messages += 1;
            *found.entry(String::from_utf8(text.to_vec()).unwrap()).or_default() += 1;
        }
        told.highest_modseq = told.highest_modseq.max(view.highest_modseq());
    }
    for (text, fate) in &mut told.there {
        let count = found.remove(text).unwrap_or(0);
        let short = text.split(' ').next().unwrap();
        match fate {
            Fate::There => assert_eq!(count, 1, "{short} was acknowledged"),
            Fate::Gone => assert_eq!(count, 0, "{short} was expunged"),
            Fate::Unknown => assert!(count <= 1, "{short} is there twice"),
            Fate::Going => {
                assert!(count <= 1, "{short} is there twice");
                *fate = if count == 0 { Fate::Gone } else { Fate::There };
            }
        }
    }
    assert!(found.is_empty(), "messages that nobody sent: {:?}", found.keys());
    assert_eq!(bench.peer().quota(&name("user/alice")).unwrap().usage, usage);
}

fn history(seed: u64) {
    let mut chance = Chance(seed);
    let mut bench = Bench::new(seed);
    if seed.is_multiple_of(3) {
        bench.disk.set_writes(Writes::SometimesShort);
    }
    let places = Places { inbox: bench.inbox("alice"), archive: name("user/alice/Archive") };
    bench.peer().create(&places.archive, Create::default()).wait().unwrap();
    bench.peer().set_quota(&places.inbox, Some(QuotaLimits::default())).wait().unwrap();
    let mut told = Told::default();
    for _ in 0..4 {
        let fault = if chance.below(3) == 0 { Fault::Io } else { Fault::PowerLoss };
        bench.disk.fail_call(chance.below(60), fault);
        let _ = work(&bench, &places, &mut told, &mut chance);
        bench.disk.clear_faults();
        drop(std::mem::replace(&mut bench.store, Bench::new(0).store));
        bench.crash();
        check(&bench, &places, &mut told);
        let before = told.highest_modseq;
        let next = bench.append(&places.inbox, b"probe");
        assert!(next >= told.uid_next.get(&places.inbox).copied().unwrap_or(1), "a UID was used again");
        let view = bench.peer().open(&places.inbox, Access::ReadWrite).unwrap();
        assert!(view.highest_modseq() > before, "a MODSEQ was used again");
        let set = UidSet::single(next);
        view.store_flags(&set, FlagsOp::Add, SystemFlags::DELETED.into(), None).wait().unwrap();
        view.expunge(Some(&set)).wait().unwrap();
        told.note_uid(&places.inbox, next);
    }
    // The sender tries again until all is answered: then everything is there exactly once.
    let left: Vec<String> =
        told.there.iter().filter(|(_, fate)| **fate == Fate::Unknown).map(|(text, _)| text.clone()).collect();
    for text in left {
        let id = text.split(' ').next().unwrap().as_bytes();
        bench.deliver(text.as_bytes(), &[&places.inbox], Some(id)).remove(0).unwrap();
        told.there.insert(text, Fate::There);
    }
    // A second opening changes nothing.
    for _ in 0..2 {
        check(&bench, &places, &mut told);
        bench.reopen();
    }
}

#[test]
fn s7_what_was_acknowledged_is_there_once_and_no_number_comes_back_after_a_crash() {
    for seed in 0..crate::log_crash::histories(250) {
        let run = std::panic::catch_unwind(|| history(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn s7_the_uid_of_an_expunged_message_is_not_used_again_after_a_crash() {
    let mut bench = Bench::new(3);
    let inbox = bench.inbox("alice");
    (0..3).for_each(|_| {
        bench.append(&inbox, b"x");
    });
    for round in 0..6 {
        let view = bench.peer().open(&inbox, Access::ReadWrite).unwrap();
        let last = view.uid(view.len()).unwrap();
        let modseq = view.highest_modseq();
        let set = UidSet::single(last);
        view.store_flags(&set, FlagsOp::Add, SystemFlags::DELETED.into(), None).wait().unwrap();
        view.expunge(Some(&set)).wait().unwrap();
        if round % 2 == 0 {
            bench.store.checkpoint().wait().unwrap();
        }
        drop(view);
        bench.disk = CrashDisk::fork(&bench.disk);
        bench.crash();
        let status = bench.peer().status(&inbox).unwrap();
        assert_eq!(status.uid_next, last + 1);
        assert!(status.highest_modseq > modseq);
        assert_eq!(bench.append(&inbox, b"y"), last + 1);
    }
}
