//! Rows of the safety catalogue that the store answers for, by their ids. Those of the log beneath are tried there;
//! here is what a user of the store would notice.

use mailstore::disk::crash::{CrashDisk, Fault};
use mailstore::store::*;

use crate::store_support::*;

/// A store with two mailboxes and a message.
fn small_store() -> (Bench, MailboxName, MailboxName) {
    let bench = Bench::new(7);
    let (a, b) = (bench.inbox("a"), bench.inbox("b"));
    bench.append(&a, b"first");
    (bench, a, b)
}

/// Takes the store down with a fault at each call in turn, until the work gets through; then opens it again.
fn at_every_call(fault: Fault, work: impl Fn(&Bench) -> Result<(), Error>, check: impl Fn(&Bench, bool)) {
    for call in 0.. {
        let (mut bench, ..) = small_store();
        bench.disk.fail_call(call, fault);
        let calls = bench.disk.calls();
        let done = work(&bench).is_ok();
        let through = bench.disk.calls() - calls <= call;
        bench.disk.clear_faults();
        drop(std::mem::replace(&mut bench.store, Bench::new(0).store));
        bench.crash();
        check(&bench, done);
        bench.append(&name("user/a"), b"after");
        if through {
            assert!(done, "no fault was met, and yet it failed");
            return;
        }
    }
}

#[test]
fn s1_after_a_failed_write_or_sync_nothing_is_acknowledged_until_the_store_is_opened_again() {
    let mut failures = 0;
    for call in 0..12 {
        let (mut bench, a, _) = small_store();
        bench.disk.fail_call(call, Fault::Io);
        let append = |bench: &Bench| bench.peer().append(&a, NewMessage::new(bench.body(b"more"))).wait();
        let mut acknowledged = 1;
        let failed = (0..8).any(|_| {
            let ok = append(&bench).is_ok();
            acknowledged += u64::from(ok);
            !ok
        });
        bench.disk.clear_faults();
        if failed {
            failures += 1;
            assert_eq!(append(&bench).map(drop), Err(Error::PreviousIo));
            assert_eq!(bench.peer().delete(&a).wait(), Err(Error::PreviousIo));
            assert!(Error::PreviousIo.is_temporary());
        }
        drop(std::mem::replace(&mut bench.store, Bench::new(0).store));
        bench.crash();
        let messages = bench.peer().status(&a).unwrap().messages;
        assert!(
            (acknowledged..=acknowledged + 1).contains(&messages),
            "{messages} of {acknowledged} at {call}"
        );
        append(&bench).unwrap();
    }
    assert!(failures >= 10, "only {failures} faults were met");
}

#[test]
fn s2_a_delivery_to_two_mailboxes_is_in_both_or_in_none_wherever_power_is_lost() {
    let (a, b) = (name("user/a"), name("user/b"));
    let deliver =
        |bench: &Bench| bench.peer().deliver(bench.delivery(&[b'x'; 9000], &[&a, &b], None)).wait().map(drop);
    let check = |bench: &Bench, done: bool| {
        let count = |place| bench.peer().status(place).unwrap().messages;
        assert_eq!(count(&a), count(&b) + 1);
        assert!(!done || count(&b) == 1);
    };
    at_every_call(Fault::PowerLoss, deliver, check);
}

#[test]
fn s2_a_move_leaves_each_message_in_one_place_wherever_power_is_lost() {
    let (a, b) = (name("user/a"), name("user/b"));
    let relocate = |bench: &Bench| {
        let view = bench.peer().open(&a, Access::ReadWrite)?;
        view.move_to(&view.all(), &b).wait().map(drop)
    };
    let check = |bench: &Bench, done: bool| {
        let count = |place| bench.peer().status(place).unwrap().messages;
        assert_eq!(count(&a) + count(&b), 1);
        assert!(!done || count(&b) == 1);
    };
    at_every_call(Fault::PowerLoss, relocate, check);
}

#[test]
fn s3_a_message_made_of_the_store_s_own_bytes_is_only_a_message() {
    let (mut bench, a, b) = small_store();
    bench.deliver(b"second", &[&a, &b], None);
    let images: Vec<Vec<u8>> =
        bench.disk.paths().iter().filter_map(|path| bench.disk.content(path)).collect();
    for image in &images {
        let end = image.iter().rposition(|byte| *byte != 0).map_or(0, |end| end + 1);
        for part in image[..end].chunks(30_000) {
            bench.append(&b, part);
        }
    }
    let before = bench.peer().status(&b).unwrap();
    for seed in 0..10 {
        let disk = bench.disk.fork();
        disk.crash_with(|outcomes| (seed * 7 + outcomes) % outcomes);
        let store = open(&disk, &bench.clock).unwrap();
        assert_eq!(store.session(Actor::Peer).status(&b).unwrap(), Status { recent: 0, ..before });
        assert_eq!(store.session(Actor::Peer).status(&a).unwrap().messages, 2);
    }
    bench.reopen();
    assert_eq!(bench.peer().status(&b).unwrap(), Status { recent: 0, ..before });
}

#[test]
fn s4_a_large_body_that_was_acknowledged_is_whole_wherever_power_is_lost() {
    let (a, large) = (name("user/a"), vec![b'x'; 300_000]);
    let append = |bench: &Bench| {
        let mut body = bench.store.body();
        body.write(&large)?;
        bench.peer().append(&a, NewMessage::new(body.finish()?)).wait().map(drop)
    };
    let check = |bench: &Bench, done: bool| {
        let view = bench.peer().open(&a, Access::ReadOnly).unwrap();
        assert!(!done || view.len() == 2);
        for uid in view.all().iter().skip(1) {
            assert!(view.body(uid).unwrap().read_all().unwrap() == large);
        }
    };
    at_every_call(Fault::PowerLoss, append, check);
}

#[test]
fn s5_a_full_disk_refuses_mail_and_lets_mail_be_expunged() {
    let (bench, a, _) = small_store();
    let text = vec![b'x'; 20_000];
    (0..75).for_each(|_| {
        bench.append(&a, &text);
    });
    bench.disk.set_capacity(bench.disk.used_bytes());
    let append = || bench.peer().append(&a, NewMessage::new(bench.body(&text))).wait();
    let refused = (0..100).find_map(|_| append().err());
    assert_eq!(refused, Some(Error::DiskFull));
    assert!(Error::DiskFull.is_temporary());
    let mut large = bench.store.body();
    assert!(large.write(&vec![b'x'; 400_000]).and_then(|()| large.finish().map(drop)).is_err());
    let before = bench.peer().status(&a).unwrap();
    let view = bench.peer().open(&a, Access::ReadWrite).unwrap();
    view.store_flags(&view.all(), FlagsOp::Add, SystemFlags::DELETED.into(), None).wait().unwrap();
    assert_eq!(view.expunge(None).wait().unwrap().len(), before.messages);
    assert_eq!(bench.peer().status(&a).unwrap().uid_next, before.uid_next);
    bench.disk.set_capacity(u64::MAX);
    assert_eq!(append().unwrap().uid, before.uid_next);
}

#[test]
fn s6_a_flipped_bit_is_an_error_or_a_damaged_message_and_never_another_message() {
    let (bench, a, _) = small_store();
    for n in 0..10 {
        bench.append(&a, format!("message {n} {}", "y".repeat(400)).as_bytes());
        if n == 5 {
            bench.store.checkpoint().wait().unwrap();
        }
    }
    let read = |store: &Store| -> Option<Vec<Result<Vec<u8>, Error>>> {
        let view = store.session(Actor::Peer).open(&a, Access::ReadOnly).ok()?;
        Some(view.all().iter().map(|uid| view.body(uid)?.read_all().map(|body| body.to_vec())).collect())
    };
    let whole = read(&bench.store).unwrap();
    bench.store.close().unwrap();
    let mut damaged = 0;
    for path in bench.disk.paths() {
        let image = bench.disk.content(&path).unwrap();
        let end = image.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        for at in (0..end).step_by(1 + end / 120) {
            let disk = bench.disk.fork();
            disk.crash();
            assert!(disk.flip_bit(&path, at as u64, (at % 8) as u8));
            let Ok(store) = open(&disk, &bench.clock) else {
                damaged += 1;
                continue;
            };
            // The last frame may be cut, as one that a crash tore; nothing before it.
            let found = read(&store).unwrap();
            assert!(found.len() + 1 >= whole.len(), "{} messages, {path} at {at}", found.len());
            for (found, expected) in found.iter().zip(&whole) {
                assert!(found == expected || *found == Err(Error::Damaged), "{path} at {at}");
                damaged += usize::from(found != expected);
            }
        }
    }
    assert!(damaged > 50, "only {damaged} flips were noticed");
}

#[test]
fn q5_a_delivery_that_comes_again_is_answered_and_not_stored_again() {
    let (mut bench, a, b) = small_store();
    let first = bench.deliver(b"once", &[&a, &b], Some(b"q1"));
    let Ok(Delivered::New(appended)) = first[0] else { panic!("{first:?}") };
    let known = [Ok(Delivered::AlreadyThere { mailbox: appended.mailbox, uid: appended.uid })];
    for round in 0..3 {
        // To one of the two, to both, and to one that did not get it: each recipient counts by itself.
        assert_eq!(bench.deliver(b"once", &[&a], Some(b"q1")), known);
        let transactions = bench.store.stats().transactions;
        assert!(bench.deliver(b"once", &[&b, &a], Some(b"q1")).contains(&known[0]));
        assert_eq!(bench.store.stats().transactions, transactions, "nothing is written for what is known");
        if round == 1 {
            bench.store.checkpoint().wait().unwrap();
        }
        bench.crash();
    }
    assert_eq!(bench.peer().status(&a).unwrap().messages, 2);
    let c = bench.inbox("c");
    let mixed = bench.deliver(b"once", &[&a, &c], Some(b"q1"));
    assert_eq!(mixed[..1], known);
    assert!(matches!(mixed[1], Ok(Delivered::New(_))));
    assert!(matches!(bench.deliver(b"once", &[&a], Some(b"q2"))[0], Ok(Delivered::New(_))));
    // An expunged message stays delivered, and a full quota does not turn a known delivery into a refused one.
    let view = bench.peer().open(&a, Access::ReadWrite).unwrap();
    view.store_flags(&view.all(), FlagsOp::Add, SystemFlags::DELETED.into(), None).wait().unwrap();
    view.expunge(None).wait().unwrap();
    let none = QuotaLimits { storage_bytes: Some(0), messages: Some(0) };
    bench.peer().set_quota(&a, Some(none)).wait().unwrap();
    assert_eq!(bench.deliver(b"once", &[&a], Some(b"q1")), known);
    // Two weeks later it is forgotten, when the next delivery with an id comes.
    bench.peer().set_quota(&a, None).wait().unwrap();
    bench.advance_secs(14 * 24 * 3600 + 1);
    bench.deliver(b"later", &[&b], Some(b"q3"));
    assert!(matches!(bench.deliver(b"once", &[&a], Some(b"q1"))[0], Ok(Delivered::New(_))));
}

#[test]
fn q5_the_same_delivery_twice_in_one_flush_is_stored_once() {
    let (bench, a, _) = small_store();
    let pending: Vec<_> =
        (0..30).map(|_| bench.peer().deliver(bench.delivery(b"once", &[&a, &a], Some(b"q1")))).collect();
    let results: Vec<_> = pending.into_iter().flat_map(|pending| pending.wait().unwrap()).collect();
    let new = results.iter().filter(|result| matches!(result, Ok(Delivered::New(_)))).count();
    assert_eq!((results.len(), new), (60, 1));
    assert_eq!(bench.peer().status(&a).unwrap().messages, 2);
}

#[test]
fn q5_a_delivery_whose_answer_was_lost_is_stored_once_when_it_comes_again() {
    let a = name("user/a");
    let deliver =
        |bench: &Bench| bench.peer().deliver(bench.delivery(b"once", &[&a], Some(b"q1"))).wait().map(drop);
    let check = |bench: &Bench, _| {
        deliver(bench).unwrap();
        let view = bench.peer().open(&a, Access::ReadOnly).unwrap();
        let texts = view
            .all()
            .iter()
            .filter(|uid| &view.body(*uid).unwrap().read_all().unwrap()[..] == b"once")
            .count();
        assert_eq!(texts, 1);
    };
    at_every_call(Fault::PowerLoss, deliver, check);
    at_every_call(Fault::Io, deliver, check);
}

#[test]
fn a_store_of_another_kind_is_not_opened() {
    let disk = CrashDisk::new(1);
    let clock = std::sync::Arc::new(mailstore::clock::ManualClock::default());
    drop(open(&disk, &clock).unwrap());
    assert!(crate::log_support::open(&disk).is_err());
}
