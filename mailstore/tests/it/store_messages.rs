//! Messages: what is put in, changed, copied and taken out, and what a view shows of it.

use std::num::NonZeroU32;
use std::time::Duration;

use mailstore::message::Kind;
use mailstore::store::*;

use crate::store_support::*;

const MAIL: &[u8] = b"From: ann@example.org\r\nSubject: hello\r\n\r\nHi.\r\n";

fn number(n: u32) -> Bound {
    Bound::Number(NonZeroU32::new(n).unwrap())
}

fn add(view: &View, uids: &UidSet, flags: impl Into<Flags>) -> Stored {
    view.store_flags(uids, FlagsOp::Add, flags.into(), None).wait().unwrap()
}

#[test]
fn a_message_comes_back_as_it_was_with_all_that_belongs_to_it() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let flags =
        Flags { system: SystemFlags::FLAGGED.union(SystemFlags::SEEN), ..keywords(&["$Work", "later"]) };
    let date = InternalDate { secs: -86_400, zone_minutes: -330 };
    let message = NewMessage { flags, internal_date: Some(date), ..NewMessage::new(bench.body(MAIL)) };
    let id = message.body.email_id();
    let appended = bench.user("alice").append(&inbox, message).wait().unwrap();
    for _ in 0..2 {
        let view = bench.user("alice").open(&inbox, Access::ReadOnly).unwrap();
        let message = view.messages(&view.all()).next().unwrap();
        assert_eq!((message.uid, message.sequence, message.modseq), (1, 1, appended.modseq));
        assert_eq!(message.flags, SystemFlags::FLAGGED.union(SystemFlags::SEEN));
        assert_eq!((message.internal_date, u64::from(message.save_secs)), (date, NOW_SECS));
        let words: Vec<_> = view.keywords().names(message.keywords).map(|k| k.as_str().to_owned()).collect();
        assert_eq!(words, ["$Work", "later"]);
        let body = view.body(1).unwrap();
        assert_eq!(&body.read_all().unwrap()[..], MAIL);
        assert_eq!(&body.read(6..19).unwrap()[..], b"ann@example.o");
        assert_eq!(&body.read(40..9999).unwrap()[..], &MAIL[40..]);
        assert!(body.read(9999..10_000).unwrap().is_empty());
        assert_eq!(body.email_id().unwrap(), id);
        assert_eq!(body.structure().unwrap().envelope().subject, Some(&b"hello"[..]));
        bench.store.checkpoint().wait().unwrap();
        bench.reopen();
    }
}

#[test]
fn a_large_body_streams_and_is_kept_beside_the_log() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let mut writer = bench.store.body();
    let line = [b'x'; 998];
    writer.write(b"Content-Type: text/html\r\n\r\n").unwrap();
    for _ in 0..1000 {
        writer.write(&line).unwrap();
        writer.write(b"\r\n").unwrap();
    }
    let frame_bytes = bench.store.stats().frame_bytes;
    bench.peer().append(&inbox, NewMessage::new(writer.finish().unwrap())).wait().unwrap();
    assert!(bench.store.stats().frame_bytes - frame_bytes < 10_000, "the body went through the log");
    bench.crash();
    bench.store.checkpoint().wait().unwrap();
    bench.reopen();
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let body = view.body(1).unwrap();
    assert_eq!(body.size_bytes(), 1_000_027);
    assert_eq!(&body.read(999_990..1_000_027).unwrap()[35..], b"\r\n");
    let structure = body.structure().unwrap();
    assert_eq!((structure.root().kind, structure.root().media_subtype), (Kind::Leaf, &b"html"[..]));
    assert!(bench.disk.paths().iter().any(|path| path.ends_with(".blk")));
    add(&view, &view.all(), SystemFlags::DELETED);
    view.expunge(None).wait().unwrap();
    // Two checkpoints are kept, and the log back to the older: the space comes back with the second.
    bench.store.checkpoint().wait().unwrap();
    bench.append(&inbox, b"x");
    bench.store.checkpoint().wait().unwrap();
    let bulk_files = bench.disk.paths().into_iter().filter(|path| path.ends_with(".blk")).count();
    assert_eq!(bulk_files, 0, "the space of a large body comes back");
}

#[test]
fn bodies_of_every_size_around_a_change_of_their_keeping_come_back() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let half_frame = 32_768;
    let sizes = [0, 1, half_frame - 1, half_frame, half_frame + 1, 65_535, 65_536, 65_537, 131_072, 300_000];
    let text = |size: usize| (0..size).map(|n| (n % 251) as u8).collect::<Vec<u8>>();
    sizes.iter().for_each(|size| assert!(bench.append(&inbox, &text(*size)) > 0));
    for _ in 0..2 {
        let view = bench.user("alice").open(&inbox, Access::ReadOnly).unwrap();
        for (message, size) in view.messages(&view.all()).zip(sizes) {
            let body = view.body(message.uid).unwrap();
            assert_eq!((message.size_bytes as usize, body.size_bytes() as usize), (size, size));
            assert!(body.read_all().unwrap() == text(size));
            let middle = size as u32 / 2;
            assert!(
                body.read(middle..middle + 9).unwrap()
                    == text(size)[middle as usize..].iter().take(9).copied().collect::<Vec<_>>()
            );
        }
        bench.store.checkpoint().wait().unwrap();
        bench.crash();
    }
}

#[test]
fn a_transaction_that_does_not_fit_in_a_frame_is_refused_and_changes_nothing() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, MAIL);
    let mut view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    while view.len() < 70_000 {
        view.copy(&view.all(), &inbox).wait().unwrap();
        view.sync(Expunges::Hide).unwrap();
    }
    // Every second message by itself: two bytes a range, more than the test's frames of 64 KiB.
    let odd = UidSet::from_ranges((0..35_000).map(|n| (n * 2 + 1, n * 2 + 1))).unwrap();
    let before = bench.user("alice").status(&inbox).unwrap();
    let refused = view.store_flags(&odd, FlagsOp::Add, SystemFlags::SEEN.into(), None).wait();
    assert!(matches!(refused, Err(Error::LimitExceeded { limit: Limit::TransactionBytes, .. })));
    let copy = view.copy(&odd, &inbox).wait();
    assert!(matches!(copy, Err(Error::LimitExceeded { limit: Limit::TransactionBytes, .. })));
    assert_eq!(bench.user("alice").status(&inbox).unwrap(), before);
    assert_eq!(bench.append(&inbox, MAIL), before.uid_next);
}

#[test]
fn a_message_may_be_as_large_as_the_limit_and_not_a_byte_larger() {
    let bench = Bench::new(1);
    let disk: std::sync::Arc<dyn mailstore::disk::Disk> =
        std::sync::Arc::new(mailstore::disk::crash::CrashDisk::new(2));
    let options = Options { message_bytes_max: 10, ..options() };
    let store = Store::open_on(&disk, bench.clock.clone(), options).unwrap();
    let mut body = store.body();
    body.write(&[b'x'; 10]).unwrap();
    assert_eq!(body.write(b"y"), Err(Error::LimitExceeded { limit: Limit::MessageBytes, max: 10 }));
    let mut body = store.body();
    body.write(&[b'x'; 10]).unwrap();
    assert_eq!(body.finish().unwrap().size_bytes(), 10);
}

#[test]
fn a_view_keeps_its_numbers_until_it_may_show_what_is_gone() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    (0..5).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    let mut view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let other = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    add(&other, &uids(&[(2, 2), (4, 4)]), SystemFlags::DELETED);
    other.expunge(None).wait().unwrap();
    bench.append(&inbox, MAIL);
    let changes = view.sync(Expunges::Hide).unwrap();
    assert_eq!((changes.exists, changes.arrived, changes.expunged.len()), (6, 1, 0));
    assert_eq!((view.uid(2), view.uid(6), view.sequence(5)), (Some(2), Some(6), Some(5)));
    assert_eq!(view.body(2).map(drop), Err(Error::Expunged));
    let shown: Vec<_> = view.messages(&view.all()).map(|message| message.sequence).collect();
    assert_eq!(shown, [1, 3, 5, 6]);
    let changes = view.sync(Expunges::Hide).unwrap();
    assert_eq!((changes.exists, changes.arrived), (6, 0));
    let changes = view.sync(Expunges::Show).unwrap();
    let expected = [Expunged { sequence: 4, uid: 4 }, Expunged { sequence: 2, uid: 2 }];
    assert_eq!((changes.exists, &changes.expunged[..]), (4, &expected[..]));
    assert_eq!((1..=4).filter_map(|n| view.uid(n)).collect::<Vec<_>>(), [1, 3, 5, 6]);
    assert_eq!((view.uid(0), view.uid(5), view.sequence(4)), (None, None, None));
    assert!(view.sync(Expunges::Show).unwrap().expunged.is_empty());
}

#[test]
fn a_sync_tells_changed_flags_once_and_new_messages_as_new_only() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    (0..3).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    let mut view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let other = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    add(&other, &uids(&[(2, 9)]), SystemFlags::FLAGGED);
    add(&other, &uids(&[(2, 2)]), keywords(&["new"]));
    bench.append(&inbox, MAIL);
    let changes = view.sync(Expunges::Hide).unwrap();
    let changed: Vec<_> =
        changes.changed.iter().map(|m| (m.sequence, m.flags, m.keywords.is_empty())).collect();
    assert_eq!(changed, [(2, SystemFlags::FLAGGED, false), (3, SystemFlags::FLAGGED, true)]);
    assert_eq!((changes.exists, changes.arrived), (4, 1));
    assert!(view.sync(Expunges::Show).unwrap().changed.is_empty());
    // What changes nothing is no change, and gets no MODSEQ.
    let before = view.highest_modseq();
    assert_eq!(add(&other, &uids(&[(2, 3)]), SystemFlags::FLAGGED).modseq, None);
    assert_eq!(add(&other, &uids(&[(7, 9)]), SystemFlags::FLAGGED).modseq, None);
    assert_eq!(view.highest_modseq(), before);
}

#[test]
fn a_watch_of_a_mailbox_wakes_for_it_and_for_no_other() {
    let bench = Bench::new(1);
    let (inbox, other) = (bench.inbox("alice"), bench.inbox("bob"));
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let mut watch = view.watch();
    bench.append(&other, MAIL);
    assert!(!watch.wait(Duration::ZERO));
    bench.append(&inbox, MAIL);
    assert!(watch.wait(Duration::from_secs(20)));
    add(&view, &UidSet::single(1), SystemFlags::SEEN);
    assert!(watch.wait(Duration::from_secs(20)));
    bench.peer().delete(&inbox).wait().unwrap();
    assert!(watch.wait(Duration::from_secs(20)));
}

#[test]
fn a_message_is_recent_to_the_first_session_that_can_keep_it_so() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    (0..2).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    let alice = bench.user("alice");
    assert_eq!(alice.status(&inbox).unwrap().recent, 2);
    assert_eq!(alice.open(&inbox, Access::ReadOnly).unwrap().recent(), 2);
    let mut first = alice.open(&inbox, Access::ReadWrite).unwrap();
    let mut second = alice.open(&inbox, Access::ReadWrite).unwrap();
    assert_eq!((first.recent(), second.recent(), alice.status(&inbox).unwrap().recent), (2, 0, 0));
    bench.append(&inbox, MAIL);
    assert_eq!(second.sync(Expunges::Hide).unwrap().recent, 1);
    assert_eq!(first.sync(Expunges::Hide).unwrap().recent, 2);
    let recent: Vec<_> = second.messages(&second.all()).map(|message| message.recent).collect();
    assert_eq!(recent, [false, false, true]);
    add(&first, &first.all(), SystemFlags::DELETED);
    first.expunge(None).wait().unwrap();
    assert_eq!(first.sync(Expunges::Show).unwrap().recent, 0);
}

#[test]
fn each_user_has_their_own_seen_in_a_mailbox_that_is_not_theirs() {
    let mut bench = Bench::new(1);
    let place = name("shared");
    bench.peer().create(&place, shared("alice\tlrswi\tbob\tlrs\tcarol\tlr")).wait().unwrap();
    (0..3).for_each(|_| {
        bench.append(&place, MAIL);
    });
    let open = |bench: &Bench, user| bench.user(user).open(&place, Access::ReadWrite).unwrap();
    let (alice, mut bob) = (open(&bench, "alice"), open(&bench, "bob"));
    let stored = add(&alice, &uids(&[(1, 2)]), SystemFlags::SEEN.union(SystemFlags::FLAGGED));
    let changed = bob.sync(Expunges::Show).unwrap().changed;
    assert_eq!(changed.iter().map(|m| m.flags).collect::<Vec<_>>(), [SystemFlags::FLAGGED; 2]);
    let own = add(&bob, &uids(&[(2, u32::MAX)]), SystemFlags::SEEN);
    assert!(own.modseq > stored.modseq);
    assert_eq!(bob.highest_modseq(), own.modseq.unwrap());
    assert_eq!(alice.highest_modseq(), stored.modseq.unwrap());
    let changed: Vec<_> =
        bob.sync(Expunges::Show).unwrap().changed.iter().map(|m| (m.uid, m.modseq)).collect();
    assert_eq!(changed, [2, 3].map(|uid| (uid, own.modseq.unwrap())));
    bench.append(&place, MAIL);
    let message = NewMessage { flags: SystemFlags::SEEN.into(), ..NewMessage::new(bench.body(MAIL)) };
    bench.user("alice").append(&place, message).wait().unwrap();
    for _ in 0..2 {
        let seen = |user| -> Vec<Uid> {
            let flags = flags_of(&open(&bench, user));
            flags.into_iter().filter(|(_, f)| f.contains(SystemFlags::SEEN)).map(|(uid, _)| uid).collect()
        };
        assert_eq!((seen("alice"), seen("bob"), seen("carol")), (vec![1, 2, 5], vec![2, 3], vec![]));
        let unseen = |user| bench.user(user).status(&place).unwrap().unseen;
        assert_eq!((unseen("alice"), unseen("bob"), unseen("carol")), (2, 3, 5));
        assert_eq!(open(&bench, "bob").first_unseen().map(|message| message.uid), Some(1));
        bench.store.checkpoint().wait().unwrap();
        bench.reopen();
    }
    let carol = open(&bench, "carol");
    let refused = carol.store_flags(&carol.all(), FlagsOp::Add, SystemFlags::SEEN.into(), None).wait();
    assert_eq!(refused, Err(Error::Denied { missing: Rights::SEEN }));
}

#[test]
fn flags_change_as_far_as_the_rights_go() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, MAIL);
    bench
        .peer()
        .set_acl(&inbox, AclKey::parse("bob").unwrap(), AclChange::Add(Rights::parse("lrwi").unwrap()))
        .wait()
        .unwrap();
    let bob = bench.user("bob").open(&inbox, Access::ReadWrite).unwrap();
    assert_eq!(
        bob.permanent_flags(),
        SystemFlags::ANSWERED.union(SystemFlags::FLAGGED).union(SystemFlags::DRAFT)
    );
    add(&bob, &bob.all(), SystemFlags::DELETED.union(SystemFlags::DRAFT));
    assert_eq!(flags_of(&bob), [(1, SystemFlags::DRAFT)]);
    let alice = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    add(&alice, &alice.all(), SystemFlags::DELETED.union(SystemFlags::SEEN));
    let replaced = bob.store_flags(&bob.all(), FlagsOp::Replace, keywords(&["k"]), None).wait().unwrap();
    assert!(replaced.modseq.is_some());
    assert_eq!(flags_of(&alice), [(1, SystemFlags::DELETED.union(SystemFlags::SEEN))]);
    let only_deleted = bob.store_flags(&bob.all(), FlagsOp::Remove, SystemFlags::DELETED.into(), None).wait();
    assert_eq!(only_deleted, Err(Error::Denied { missing: Rights::DELETE_MESSAGES }));
    let message = NewMessage { flags: SystemFlags::ALL.into(), ..NewMessage::new(bench.body(MAIL)) };
    bench.user("bob").append(&inbox, message).wait().unwrap();
    let appended = flags_of(&bench.user("bob").open(&inbox, Access::ReadOnly).unwrap())[1].1;
    assert_eq!(appended, SystemFlags::ANSWERED.union(SystemFlags::FLAGGED).union(SystemFlags::DRAFT));
    let reader = bench.user("alice").open(&inbox, Access::ReadOnly).unwrap();
    assert_eq!(reader.permanent_flags(), SystemFlags::NONE);
    assert_eq!(reader.expunge(None).wait(), Err(Error::ReadOnly));
    let flag = reader.store_flags(&reader.all(), FlagsOp::Add, SystemFlags::SEEN.into(), None).wait();
    assert_eq!(flag, Err(Error::ReadOnly));
}

#[test]
fn unchanged_since_leaves_alone_what_has_changed_and_says_so() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    (0..4).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let since = view.highest_modseq();
    let changed = add(&view, &uids(&[(2, 3)]), SystemFlags::FLAGGED).modseq.unwrap();
    let op = |flags: SystemFlags, since| {
        view.store_flags(&view.all(), FlagsOp::Add, flags.into(), Some(since)).wait()
    };
    let stored = op(SystemFlags::SEEN, since).unwrap();
    assert_eq!(stored.modified, uids(&[(2, 3)]));
    let seen: Vec<_> = flags_of(&view).iter().map(|(_, flags)| flags.contains(SystemFlags::SEEN)).collect();
    assert_eq!(seen, [true, false, false, true]);
    assert!(stored.modseq > Some(changed));
    assert_eq!(op(SystemFlags::DRAFT, 0).unwrap(), Stored { modseq: None, modified: uids(&[(1, 4)]) });
}

#[test]
fn unchanged_since_is_checked_against_changes_in_the_same_flush() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, MAIL);
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let since = view.highest_modseq();
    let words = ["a", "b", "c", "d"];
    let mut since = since;
    for _ in 0..30 {
        // Of several that try to be the first, exactly one is.
        let pending =
            words.map(|word| view.store_flags(&view.all(), FlagsOp::Add, keywords(&[word]), Some(since)));
        let won = pending.into_iter().filter_map(|pending| pending.wait().unwrap().modseq).count();
        assert_eq!(won, 1);
        view.store_flags(&view.all(), FlagsOp::Remove, keywords(&words), None).wait().unwrap();
        since = view.highest_modseq();
    }
}

#[test]
fn an_expunge_minds_a_flag_taken_back_in_the_same_flush() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    (0..2).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    for _ in 0..20 {
        let mark = view.store_flags(&uids(&[(1, 1)]), FlagsOp::Add, SystemFlags::DELETED.into(), None);
        let unmark = view.store_flags(&uids(&[(1, 1)]), FlagsOp::Remove, SystemFlags::DELETED.into(), None);
        let expunge = view.expunge(None);
        mark.wait().unwrap();
        unmark.wait().unwrap();
        assert!(expunge.wait().unwrap().is_empty());
    }
    let mark = view.store_flags(&uids(&[(1, 1)]), FlagsOp::Add, SystemFlags::DELETED.into(), None);
    let twice = [view.expunge(None), view.expunge(None)];
    mark.wait().unwrap();
    assert_eq!(twice.map(|expunge| expunge.wait().unwrap().len()), [1, 0]);
}

#[test]
fn a_copy_is_a_reference_and_the_body_lives_as_long_as_one_is_left() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let sub = name("user/alice/sub");
    bench.user("alice").create(&sub, Create::default()).wait().unwrap();
    let large = vec![b'x'; 60_000];
    bench.append(&inbox, &large);
    let flags = Flags { system: SystemFlags::SEEN.union(SystemFlags::DRAFT), ..keywords(&["a", "b"]) };
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    add(&view, &view.all(), flags);
    let target = bench.user("alice").open(&sub, Access::ReadWrite).unwrap();
    bench.append(&sub, MAIL);
    add(&target, &uids(&[(1, 1)]), keywords(&["b", "c"]));
    let bytes = bench.store.stats().frame_bytes;
    let copied = view.copy(&uids(&[(1, u32::MAX)]), &sub).wait().unwrap();
    assert!(bench.store.stats().frame_bytes - bytes < 10_000, "a copy wrote the body again");
    assert_eq!((copied.source.ranges(), copied.first_uid), (&[(1, 1)][..], 2));
    view.copy(&view.all(), &sub).wait().unwrap();
    add(&view, &view.all(), SystemFlags::DELETED);
    view.expunge(None).wait().unwrap();
    for _ in 0..3 {
        bench.store.checkpoint().wait().unwrap();
        bench.append(&inbox, &large);
        bench.reopen();
        let target = bench.user("alice").open(&sub, Access::ReadWrite).unwrap();
        let message = target.messages(&uids(&[(2, 2)])).next().unwrap();
        assert_eq!(message.flags, SystemFlags::SEEN.union(SystemFlags::DRAFT));
        let words: Vec<_> =
            target.keywords().names(message.keywords).map(|k| k.as_str().to_owned()).collect();
        assert_eq!(words, ["b", "a"]);
        assert_eq!(&target.body(3).unwrap().read_all().unwrap()[..], large);
        let ids = [2, 3].map(|uid| target.body(uid).unwrap().email_id().unwrap());
        assert_eq!(ids[0], ids[1]);
    }
    let target = bench.user("alice").open(&sub, Access::ReadWrite).unwrap();
    add(&target, &uids(&[(2, 2)]), SystemFlags::DELETED);
    target.expunge(None).wait().unwrap();
    assert_eq!(target.body(3).unwrap().size_bytes(), 60_000);
}

#[test]
fn a_move_is_one_transaction_and_messages_are_in_one_place_always() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let sub = name("user/alice/sub");
    bench.user("alice").create(&sub, Create::default()).wait().unwrap();
    (0..5).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let transactions = bench.store.stats().transactions;
    let moved = view.move_to(&uids(&[(2, 2), (4, 9)]), &sub).wait().unwrap();
    assert_eq!(bench.store.stats().transactions, transactions + 1);
    assert_eq!((moved.source, moved.first_uid), (uids(&[(2, 2), (4, 5)]), 1));
    let alice = bench.user("alice");
    assert_eq!((alice.status(&inbox).unwrap().messages, alice.status(&sub).unwrap().messages), (2, 3));
    // Two who move the same messages in one flush: one gets them.
    let pending = [view.move_to(&view.all(), &sub), view.move_to(&view.all(), &sub)];
    assert_eq!(pending.map(|moved| moved.wait().unwrap().source.len()), [2, 0]);
    // Within a mailbox messages get new UIDs.
    let target = alice.open(&sub, Access::ReadWrite).unwrap();
    assert_eq!(target.move_to(&uids(&[(1, 1)]), &sub).wait().unwrap().first_uid, 6);
    assert_eq!(alice.status(&sub).unwrap().messages, 5);
    bench
        .peer()
        .set_acl(&inbox, AclKey::parse("bob").unwrap(), AclChange::Add(Rights::parse("lrt").unwrap()))
        .wait()
        .unwrap();
    bench.append(&inbox, MAIL);
    let bob = bench.user("bob").open(&inbox, Access::ReadWrite).unwrap();
    assert_eq!(
        bob.move_to(&bob.all(), &inbox).wait().map(drop),
        Err(Error::Denied { missing: Rights::EXPUNGE })
    );
    assert_eq!(bob.copy(&bob.all(), &sub).wait().map(drop), Err(Error::NoSuchMailbox));
}

#[test]
fn a_copy_takes_the_copier_s_own_seen_along() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let place = name("shared");
    bench.peer().create(&place, shared("alice\tlrswi\tbob\tlrs")).wait().unwrap();
    (0..3).for_each(|_| {
        bench.append(&place, MAIL);
    });
    let alice = bench.user("alice");
    let view = alice.open(&place, Access::ReadWrite).unwrap();
    add(&view, &uids(&[(1, 1), (3, 3)]), SystemFlags::SEEN);
    view.copy(&view.all(), &inbox).wait().unwrap();
    let own = alice.open(&inbox, Access::ReadWrite).unwrap();
    let seen =
        |view: &View| flags_of(view).iter().map(|(_, f)| f.contains(SystemFlags::SEEN)).collect::<Vec<_>>();
    assert_eq!(seen(&own), [true, false, true]);
    own.copy(&own.all(), &place).wait().unwrap();
    let view = alice.open(&place, Access::ReadWrite).unwrap();
    assert_eq!(seen(&view), [true, false, true, true, false, true]);
    assert_eq!(seen(&bench.user("bob").open(&place, Access::ReadWrite).unwrap()), [false; 6]);
}

#[test]
fn a_delivery_to_many_is_one_transaction_with_one_body() {
    let bench = Bench::new(1);
    let boxes: Vec<_> = (0..20).map(|n| bench.inbox(&format!("u{n}"))).collect();
    let full = name("user/u3");
    let limits = QuotaLimits { storage_bytes: Some(10), messages: None };
    bench.peer().set_quota(&full, Some(limits)).wait().unwrap();
    let absent = name("user/none");
    let text = vec![b'x'; 30_000];
    let to: Vec<_> = boxes.iter().chain([&absent]).collect();
    let before = bench.store.stats();
    let results = bench.deliver(&text, &to, None);
    let after = bench.store.stats();
    assert_eq!(after.transactions, before.transactions + 1);
    assert!(after.frame_bytes - before.frame_bytes < 40_000);
    for (n, result) in results.iter().enumerate() {
        match (n, result) {
            (3, result) => assert_eq!(*result, Err(Error::OverQuota(Resource::Storage))),
            (20, result) => assert_eq!(*result, Err(Error::NoSuchMailbox)),
            (_, result) => assert!(matches!(result, Ok(Delivered::New(Appended { uid: 1, .. })))),
        }
    }
    assert_eq!(
        bench.deliver(&text, &[&full, &absent], None).iter().filter(|result| result.is_ok()).count(),
        0
    );
    assert_eq!(bench.store.stats().transactions, after.transactions, "nothing delivered, nothing written");
    let ignore = |mailbox: &MailboxName| Recipient {
        mailbox: mailbox.clone(),
        posting: Posting::Unchecked,
        quota: QuotaCheck::Ignore,
    };
    let delivery = Delivery { recipients: vec![ignore(&full)], ..bench.delivery(&text, &[], None) };
    assert!(bench.peer().deliver(delivery).wait().unwrap()[0].is_ok());
    assert_eq!(bench.peer().quota(&full).unwrap().usage.storage_bytes, 30_000);
}

#[test]
fn a_delivery_may_have_1000_recipients_and_not_1001() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let results = bench.deliver(MAIL, &vec![&inbox; RECIPIENTS_MAX], None);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(bench.peer().status(&inbox).unwrap().uid_next, 1001);
    let delivery = bench.delivery(MAIL, &vec![&inbox; RECIPIENTS_MAX + 1], None);
    let refused = bench.peer().deliver(delivery).wait();
    assert_eq!(refused, Err(Error::LimitExceeded { limit: Limit::Recipients, max: 1000 }));
}

#[test]
fn a_folder_takes_mail_only_from_those_who_may_post() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let deliver = |poster: Option<Actor>| {
        let recipient = Recipient {
            mailbox: inbox.clone(),
            posting: Posting::NeedsPost(poster),
            quota: QuotaCheck::Enforce,
        };
        let checked = bench.peer().check_recipient(&recipient);
        let delivery = Delivery { recipients: vec![recipient], ..bench.delivery(MAIL, &[], None) };
        let result = bench.peer().deliver(delivery).wait().unwrap().remove(0).map(drop);
        assert_eq!(checked, result);
        result
    };
    let refused = Err(Error::Denied { missing: Rights::POST });
    let alice = Actor::user(UserName::new("alice").unwrap());
    assert_eq!((deliver(None), deliver(Some(alice))), (refused.clone(), Ok(())));
    let anyone = AclKey::parse("anyone").unwrap();
    bench.peer().set_acl(&inbox, anyone, AclChange::Add(Rights::POST)).wait().unwrap();
    assert_eq!(deliver(None), Ok(()));
    bench
        .user("alice")
        .set_acl(&inbox, AclKey::parse("-bob").unwrap(), AclChange::Add(Rights::POST))
        .wait()
        .unwrap();
    assert_eq!(deliver(Some(Actor::user(UserName::new("bob").unwrap()))), refused);
}

#[test]
fn p8_sets_are_resolved_within_what_the_view_has() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let mut view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let last = Bound::Last;
    assert_eq!(view.uids(&[(number(1), last)]).unwrap(), UidSet::default());
    assert_eq!(view.uids(&[(last, last)]).unwrap(), UidSet::default());
    assert_eq!(view.sequences(&[(number(1), last)]), Err(Error::NoSuchSequence));
    assert_eq!(view.sequences(&[(last, last)]), Err(Error::NoSuchSequence));
    (0..5).for_each(|_| {
        bench.append(&inbox, MAIL);
    });
    add(&view, &uids(&[(1, 2), (4, 4)]), SystemFlags::DELETED);
    view.expunge(None).wait().unwrap();
    view.sync(Expunges::Show).unwrap();
    let check = |ranges: &[(Bound, Bound)], by_uid: &[(Uid, Uid)], by_sequence: Option<&[(Uid, Uid)]>| {
        assert_eq!(view.uids(ranges).unwrap(), uids(by_uid), "{ranges:?}");
        assert_eq!(view.sequences(ranges).ok(), by_sequence.map(uids), "{ranges:?}");
    };
    let huge = number(u32::MAX);
    check(&[(number(1), last)], &[(3, 3), (5, 5)], Some(&[(3, 3), (5, 5)]));
    check(&[(last, number(2))], &[(3, 3), (5, 5)], Some(&[(5, 5)]));
    check(&[(number(2), number(1))], &[], Some(&[(3, 3), (5, 5)]));
    check(&[(huge, last)], &[(5, 5)], None);
    check(&[(huge, huge)], &[], None);
    check(&[(number(3), number(3))], &[(3, 3)], None);
    check(&[(last, last), (last, number(1)), (last, last)], &[(3, 3), (5, 5)], Some(&[(3, 3), (5, 5)]));
    let many = vec![(number(1), last); UID_RANGES_MAX + 1];
    assert!(view.uids(&many[1..]).is_ok() && view.sequences(&many[1..]).is_ok());
    let limit = Error::LimitExceeded { limit: Limit::UidRanges, max: 50_000 };
    assert_eq!((view.uids(&many), view.sequences(&many)), (Err(limit.clone()), Err(limit)));
}

#[test]
fn a_mailbox_takes_64_keywords_and_refuses_the_next() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, MAIL);
    let view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    let words: Vec<String> = (0..64).map(|n| format!("k{n}")).collect();
    add(&view, &view.all(), keywords(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    let more = view.store_flags(&view.all(), FlagsOp::Add, keywords(&["K1", "more"]), None).wait();
    assert_eq!(more, Err(Error::LimitExceeded { limit: Limit::Keywords, max: 64 }));
    assert_eq!(add(&view, &view.all(), keywords(&["K1"])).modseq, None);
    let unknown = view.store_flags(&view.all(), FlagsOp::Remove, keywords(&["more"]), None).wait().unwrap();
    assert_eq!(unknown.modseq, None);
}

#[test]
fn a_change_to_a_hundred_thousand_messages_is_a_record_of_bytes() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    // Doubling by copies: quicker than as many deliveries.
    bench.append(&inbox, MAIL);
    let mut view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    while view.len() < 100_000 {
        view.copy(&view.all(), &inbox).wait().unwrap();
        view.sync(Expunges::Hide).unwrap();
    }
    let before = bench.store.stats().frame_bytes;
    add(&view, &view.all(), SystemFlags::SEEN);
    assert!(bench.store.stats().frame_bytes - before <= 4096);
    assert_eq!(bench.user("alice").status(&inbox).unwrap().unseen, 0);
    let (first, last) = (view.uid(1).unwrap(), view.uid(view.len()).unwrap());
    assert_eq!((view.sequence(first), view.sequence(last)), (Some(1), Some(view.len())));
    assert_eq!(view.sync(Expunges::Hide).unwrap().changed.len(), view.len() as usize);
}
