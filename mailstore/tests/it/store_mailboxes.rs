//! Names, lists, quota, subscriptions, and who may do what with them.

use mailstore::store::*;

use crate::store_support::*;

fn names(session: &Session) -> Vec<String> {
    let join = |info: Info| info.name.components().collect::<Vec<_>>().join("/");
    session.list(None).into_iter().map(join).collect()
}

fn key(text: &str) -> AclKey {
    AclKey::parse(text).unwrap()
}

fn rights(letters: &str) -> Rights {
    Rights::parse(letters).unwrap()
}

#[test]
fn a_user_makes_mailboxes_below_their_own_and_nowhere_else() {
    let mut bench = Bench::new(1);
    bench.inbox("alice");
    bench.inbox("bob");
    let alice = bench.user("alice");
    let work = alice.create(&name("user/alice/Work/2026"), Create::default()).wait().unwrap();
    assert_eq!(alice.create(&name("user/alice/Work/2026"), Create::default()).wait(), Err(Error::Exists));
    for elsewhere in ["user/bob/x", "x", "user/carol", "user"] {
        let refused = alice.create(&name(elsewhere), Create::default()).wait();
        assert_eq!(refused, Err(Error::NoSuchMailbox), "{elsewhere}");
    }
    let own_acl = alice.create(&name("user/alice/x"), owned("alice")).wait();
    assert!(matches!(own_acl, Err(Error::Denied { .. })));
    bench.reopen();
    let alice = bench.user("alice");
    assert_eq!(names(&alice), ["user/alice", "user/alice/Work/2026"]);
    let info = alice.info(&name("user/alice/Work/2026")).unwrap();
    assert_eq!((info.id, info.uid_validity), (work.mailbox, work.uid_validity));
    assert_eq!(info.owner, Some(UserName::new("alice").unwrap()));
    assert_eq!(info.acl.to_text(), "alice\tlrswipkxtecdan\t");
}

#[test]
fn a_list_shows_what_may_be_looked_up_and_whether_there_is_more_below() {
    let bench = Bench::new(1);
    let peer = bench.peer();
    for (text, acl) in [
        ("a", "alice\tlr"),
        ("a b", "alice\tlr"),
        ("a/hidden", ""),
        ("a/hidden/deep", "alice\tl"),
        ("b", "alice\tlr"),
        ("b/hidden", ""),
        ("c", ""),
    ] {
        peer.create(&name(text), shared(acl)).wait().unwrap();
    }
    let alice = bench.user("alice");
    let children: Vec<_> = alice.list(None).into_iter().map(|info| (info.name, info.has_children)).collect();
    let expected = [("a", true), ("a/hidden/deep", false), ("a b", false), ("b", false)]
        .map(|(text, more)| (name(text), more));
    assert_eq!(children, expected);
    assert_eq!(alice.list(Some(&name("a"))).len(), 2);
    assert!(alice.info(&name("a")).unwrap().has_children);
    assert!(!alice.info(&name("b")).unwrap().has_children);
}

#[test]
fn a_mailbox_that_may_not_be_looked_up_answers_like_one_that_is_not_there() {
    let bench = Bench::new(1);
    bench.peer().create(&name("secret"), shared("")).wait().unwrap();
    let bob = bench.user("bob");
    for place in [name("secret"), name("absent")] {
        let absent = Err(Error::NoSuchMailbox);
        assert_eq!(bob.status(&place).map(drop), absent);
        assert_eq!(bob.open(&place, Access::ReadOnly).map(drop), absent);
        assert_eq!(bob.acl(&place).map(drop), absent);
        assert_eq!(bob.my_rights(&place).map(drop), absent);
        assert_eq!(bob.quota_of(&place).map(drop), absent);
        assert_eq!(bob.info(&place).map(drop), absent);
        assert_eq!(bob.delete(&place).wait(), absent);
        assert_eq!(bob.rename(&place, &name("user/bob")).wait(), absent);
        assert_eq!(bob.set_acl(&place, key("bob"), AclChange::Add(Rights::ALL)).wait(), absent);
        assert_eq!(bob.set_special_use(&place, SpecialUse::SENT).wait(), absent);
        assert_eq!(bob.append(&place, NewMessage::new(bench.body(b"x"))).wait().map(drop), absent);
        assert_eq!(bob.create(&place.child("x").unwrap(), Create::default()).wait().map(drop), absent);
        assert_eq!(bob.quota(&place).map(drop), Err(Error::NoSuchQuotaRoot));
    }
}

#[test]
fn n6_an_administrator_manages_every_mailbox_and_reads_none() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, b"private");
    let admin = bench.store.session(Actor::Admin);
    assert_eq!(admin.my_rights(&inbox).unwrap(), rights("lkxa"));
    let denied = |missing| Err(Error::Denied { missing });
    assert_eq!(admin.open(&inbox, Access::ReadOnly).map(drop), denied(Rights::READ));
    assert_eq!(admin.status(&inbox).map(drop), denied(Rights::READ));
    let append = admin.append(&inbox, NewMessage::new(bench.body(b"x"))).wait();
    assert_eq!(append.map(drop), denied(Rights::INSERT));
    let deliver = admin.deliver(bench.delivery(b"x", &[&inbox], None)).wait().unwrap();
    assert_eq!(deliver, [Err(Error::Denied { missing: Rights::INSERT })]);
    admin.rename(&inbox, &name("user/alicia")).wait().unwrap();
    admin.set_acl(&name("user/alicia"), key("bob"), AclChange::Add(rights("lr"))).wait().unwrap();
    assert_eq!(bench.user("bob").open(&name("user/alicia"), Access::ReadOnly).unwrap().len(), 1);
    admin.delete(&name("user/alicia")).wait().unwrap();
}

#[test]
fn n6_a_right_that_was_taken_away_is_gone_for_a_view_that_is_open() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, b"x");
    let peer = bench.peer();
    peer.set_acl(&inbox, key("bob"), AclChange::Replace(rights("lrwte"))).wait().unwrap();
    let mut view = bench.user("bob").open(&inbox, Access::ReadWrite).unwrap();
    let flag = |view: &View, flags: SystemFlags| {
        view.store_flags(&view.all(), FlagsOp::Add, flags.into(), None).wait()
    };
    flag(&view, SystemFlags::FLAGGED).unwrap();
    peer.set_acl(&inbox, key("bob"), AclChange::Replace(rights("lr"))).wait().unwrap();
    assert_eq!(flag(&view, SystemFlags::DRAFT), Err(Error::Denied { missing: Rights::WRITE }));
    assert_eq!(view.expunge(None).wait(), Err(Error::Denied { missing: Rights::EXPUNGE }));
    peer.delete_acl(&inbox, key("bob")).wait().unwrap();
    assert_eq!(flag(&view, SystemFlags::DRAFT), Err(Error::NoSuchMailbox));
    assert_eq!(view.body(1).map(drop), Err(Error::NoSuchMailbox));
    assert_eq!(view.sync(Expunges::Show), Err(Error::NoSuchMailbox));
}

#[test]
fn n1_names_that_look_like_paths_are_only_names() {
    let mut bench = Bench::new(1);
    let wild = ["..", ".", "../../etc/passwd", "/", "a/../b", "C:\\x", "~", "log", "STORE"];
    for text in wild {
        let name = MailboxName::new(["user", text]).unwrap();
        bench.peer().create(&name, owned("alice")).wait().unwrap();
        bench.append(&name, text.as_bytes());
    }
    bench.store.checkpoint().wait().unwrap();
    bench.reopen();
    for text in wild {
        let name = MailboxName::new(["user", text]).unwrap();
        let view = bench.peer().open(&name, Access::ReadOnly).unwrap();
        assert_eq!(&view.body(1).unwrap().read_all().unwrap()[..], text.as_bytes());
    }
    let ours = |path: &str| path == "STORE" || path.starts_with("log/") || !path.contains('/');
    assert!(
        bench.disk.paths().iter().all(|path| ours(path) && !path.contains("..")),
        "{:?}",
        bench.disk.paths()
    );
}

#[test]
fn a_rename_moves_the_subtree_with_identities_and_messages() {
    let mut bench = Bench::new(1);
    bench.inbox("alice");
    let alice = bench.user("alice");
    for text in ["user/alice/a", "user/alice/a/b", "user/alice/ab"] {
        alice.create(&name(text), Create::default()).wait().unwrap();
        bench.append(&name(text), text.as_bytes());
    }
    let before = alice.info(&name("user/alice/a/b")).unwrap();
    let view = alice.open(&name("user/alice/a/b"), Access::ReadWrite).unwrap();
    alice.rename(&name("user/alice/a"), &name("user/alice/z/y")).wait().unwrap();
    assert_eq!(view.name(), name("user/alice/z/y/b"));
    let stored = view.store_flags(&view.all(), FlagsOp::Add, SystemFlags::SEEN.into(), None).wait().unwrap();
    assert!(stored.modseq.is_some());
    bench.reopen();
    let alice = bench.user("alice");
    assert_eq!(names(&alice), ["user/alice", "user/alice/ab", "user/alice/z/y", "user/alice/z/y/b"]);
    let after = alice.info(&name("user/alice/z/y/b")).unwrap();
    assert_eq!((after.id, after.uid_validity), (before.id, before.uid_validity));
    assert_eq!(alice.name_of(after.id), Some(after.name));
    assert_eq!(
        flags_of(&alice.open(&name("user/alice/z/y/b"), Access::ReadOnly).unwrap()),
        [(1, SystemFlags::SEEN)]
    );
}

#[test]
fn a_rename_that_cannot_be_moves_nothing() {
    let bench = Bench::new(1);
    bench.inbox("alice");
    let alice = bench.user("alice");
    for text in
        ["user/alice/a", "user/alice/a/b", "user/alice/c/b", "user/alice/locked", "user/alice/locked/in"]
    {
        alice.create(&name(text), Create::default()).wait().unwrap();
    }
    bench
        .peer()
        .set_acl(&name("user/alice/locked/in"), key("alice"), AclChange::Replace(Rights::NONE))
        .wait()
        .unwrap();
    let before = names(&bench.peer());
    let check = |from: &str, to: &str, error| {
        assert_eq!(alice.rename(&name(from), &name(to)).wait(), Err(error), "{from} to {to}");
    };
    check("user/alice/a", "user/alice/c", Error::Exists);
    check("user/alice/a", "user/alice/a", Error::Exists);
    check("user/alice/a", "user/alice/a/x", Error::BelowItself);
    check("user/alice/none", "user/alice/x", Error::NoSuchMailbox);
    check("user/alice/a", "elsewhere", Error::NoSuchMailbox);
    check("user/alice/locked", "user/alice/open", Error::Denied { missing: Rights::DELETE_MAILBOX });
    let deep = MailboxName::new(["user", "alice"].into_iter().chain(vec!["x"; 29])).unwrap();
    alice.rename(&name("user/alice/c/b"), &deep).wait().unwrap();
    alice.rename(&deep, &name("user/alice/c/b")).wait().unwrap();
    let too_deep = deep.child("y").unwrap();
    let refused = alice.rename(&name("user/alice/a"), &too_deep).wait();
    assert_eq!(refused, Err(Error::InvalidName(InvalidName::TooDeep)));
    assert_eq!(names(&bench.peer()), before);
}

#[test]
fn a_mailbox_made_again_shares_nothing_with_the_one_before() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    bench.append(&inbox, b"x");
    let before = bench.peer().info(&inbox).unwrap();
    let mut open = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
    bench.peer().delete(&inbox).wait().unwrap();
    assert_eq!(open.sync(Expunges::Show), Err(Error::NoSuchMailbox));
    assert_eq!(open.body(1).map(drop), Err(Error::Expunged));
    assert_eq!(open.expunge(None).wait(), Err(Error::NoSuchMailbox));
    bench.reopen();
    bench.inbox("alice");
    let after = bench.peer().info(&inbox).unwrap();
    assert!(after.id > before.id && after.uid_validity > before.uid_validity);
    assert_eq!(bench.peer().status(&inbox).unwrap().messages, 0);
}

#[test]
fn r8_a_clock_that_steps_never_makes_a_uid_validity_come_back() {
    let mut bench = Bench::new(1);
    let mut given = std::collections::BTreeSet::new();
    for secs in [NOW_SECS, 5, 4_000_000_000, NOW_SECS, 0, u64::MAX / 1000, 7] {
        bench.clock.set(mailstore::clock::Timestamp::from_millis(secs * 1000));
        for _ in 0..2 {
            let created = bench.peer().create(&name("m"), Create::default()).wait().unwrap();
            assert!(given.insert(created.uid_validity), "{} again at {secs}", created.uid_validity);
            bench.peer().delete(&name("m")).wait().unwrap();
            if given.len() % 3 == 0 {
                bench.store.checkpoint().wait().unwrap();
            }
            bench.reopen();
        }
    }
}

#[test]
fn a_list_entry_is_changed_only_by_who_administers() {
    let bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let alice = bench.user("alice");
    alice.set_acl(&inbox, key("bob"), AclChange::Replace(rights("lrd"))).wait().unwrap();
    alice.set_acl(&inbox, key("-group:staff"), AclChange::Add(rights("r"))).wait().unwrap();
    assert_eq!(alice.acl(&inbox).unwrap().to_text(), "alice\tlrswipkxtecdan\tbob\tlrted\t-group:staff\tr\t");
    let bob = bench.user("bob");
    assert_eq!(bob.acl(&inbox), Err(Error::Denied { missing: Rights::ADMINISTER }));
    let grab = bob.set_acl(&inbox, key("bob"), AclChange::Add(Rights::ALL)).wait();
    assert_eq!(grab, Err(Error::Denied { missing: Rights::ADMINISTER }));
    let groups = [GroupName::new("staff").unwrap()].into();
    let staff = bench.store.session(Actor::User(User { name: UserName::new("bob").unwrap(), groups }));
    assert_eq!(staff.my_rights(&inbox).unwrap().to_string(), "lted");
    // An owner is given nothing that the list does not say.
    alice.delete_acl(&inbox, key("alice")).wait().unwrap();
    assert_eq!(alice.my_rights(&inbox), Err(Error::NoSuchMailbox));
}

#[test]
fn special_uses_and_lists_survive_a_reopening_and_wake_watchers_of_the_list() {
    let mut bench = Bench::new(1);
    let mut watch = bench.store.watch_list();
    let inbox = bench.inbox("alice");
    assert!(watch.has_changed());
    bench.append(&inbox, b"x");
    assert!(!watch.has_changed(), "mail is no change of the list");
    let alice = bench.user("alice");
    alice.set_special_use(&inbox, SpecialUse::ARCHIVE.union(SpecialUse::JUNK)).wait().unwrap();
    assert!(watch.has_changed());
    alice.set_acl(&inbox, key("anyone"), AclChange::Add(rights("p"))).wait().unwrap();
    assert!(watch.has_changed());
    alice.set_acl(&inbox, key("anyone"), AclChange::Add(rights("p"))).wait().unwrap();
    assert!(!watch.has_changed(), "nothing changed");
    bench.reopen();
    let info = bench.user("alice").info(&inbox).unwrap();
    assert!(info.special_use.contains(SpecialUse::JUNK) && !info.special_use.contains(SpecialUse::SENT));
    assert_eq!(info.acl.to_text(), "alice\tlrswipkxtecdan\tanyone\tp\t");
}

#[test]
fn subscriptions_are_names_of_one_user_whatever_they_name() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let alice = bench.user("alice");
    for place in [&inbox, &name("elsewhere/ä"), &inbox] {
        alice.subscribe(place).wait().unwrap();
    }
    alice.unsubscribe(&name("never")).wait().unwrap();
    bench.peer().delete(&inbox).wait().unwrap();
    bench.reopen();
    let alice = bench.user("alice");
    assert_eq!(alice.subscriptions(), [name("elsewhere/ä"), inbox.clone()]);
    assert!(bench.user("bob").subscriptions().is_empty());
    alice.unsubscribe(&inbox).wait().unwrap();
    bench.store.checkpoint().wait().unwrap();
    bench.reopen();
    assert_eq!(bench.user("alice").subscriptions(), [name("elsewhere/ä")]);
    assert!(matches!(bench.peer().subscribe(&inbox).wait(), Err(Error::Denied { .. })));
}

#[test]
fn a_user_may_subscribe_to_10000_names_and_not_to_10001() {
    let bench = Bench::new(1);
    let alice = bench.user("alice");
    let pending: Vec<_> = (0..SUBSCRIPTIONS_MAX).map(|n| alice.subscribe(&name(&format!("m{n}")))).collect();
    pending.into_iter().for_each(|pending| pending.wait().unwrap());
    let more = alice.subscribe(&name("more")).wait();
    assert_eq!(more, Err(Error::LimitExceeded { limit: Limit::Subscriptions, max: 10_000 }));
    assert_eq!(alice.subscribe(&name("m1")).wait(), Ok(()));
    alice.unsubscribe(&name("m1")).wait().unwrap();
    assert_eq!(alice.subscribe(&name("more")).wait(), Ok(()));
}

#[test]
fn quota_is_counted_in_the_commit_and_refused_beyond_its_limit() {
    let mut bench = Bench::new(1);
    let inbox = bench.inbox("alice");
    let alice = bench.user("alice");
    let sub = name("user/alice/sub");
    alice.create(&sub, Create::default()).wait().unwrap();
    let limits = QuotaLimits { storage_bytes: Some(100), messages: Some(4) };
    assert!(matches!(alice.set_quota(&inbox, Some(limits)).wait(), Err(Error::Denied { .. })));
    bench.store.session(Actor::Admin).set_quota(&inbox, Some(limits)).wait().unwrap();
    let append = |bench: &Bench, place, bytes| {
        bench.user("alice").append(place, NewMessage::new(bench.body(&vec![b'x'; bytes]))).wait().map(drop)
    };
    assert_eq!(append(&bench, &inbox, 60), Ok(()));
    assert_eq!(append(&bench, &sub, 41), Err(Error::OverQuota(Resource::Storage)));
    assert_eq!(append(&bench, &sub, 40), Ok(()));
    assert_eq!(append(&bench, &sub, 0), Ok(()));
    assert_eq!(append(&bench, &sub, 0), Ok(()));
    assert_eq!(append(&bench, &sub, 0), Err(Error::OverQuota(Resource::Messages)));
    let view = alice.open(&inbox, Access::ReadWrite).unwrap();
    assert_eq!(view.copy(&view.all(), &sub).wait().map(drop), Err(Error::OverQuota(Resource::Storage)));
    // A move within the quota root takes nothing more.
    view.move_to(&view.all(), &sub).wait().unwrap();
    bench.reopen();
    let (root, quota) = bench.user("alice").quota_of(&sub).unwrap().unwrap();
    assert_eq!((root, quota.usage), (inbox.clone(), QuotaUsage { storage_bytes: 100, messages: 4 }));
    let view = bench.user("alice").open(&sub, Access::ReadWrite).unwrap();
    view.store_flags(&uids(&[(1, 1)]), FlagsOp::Add, SystemFlags::DELETED.into(), None).wait().unwrap();
    assert_eq!(view.expunge(None).wait().unwrap(), UidSet::single(1));
    assert_eq!(bench.peer().quota(&inbox).unwrap().usage, QuotaUsage { storage_bytes: 60, messages: 3 });
    bench.peer().delete(&sub).wait().unwrap();
    assert_eq!(bench.peer().quota(&inbox).unwrap().usage, QuotaUsage::default());
    bench.peer().set_quota(&inbox, None).wait().unwrap();
    assert_eq!(bench.peer().set_quota(&inbox, None).wait(), Err(Error::NoSuchQuotaRoot));
    assert_eq!(bench.user("alice").quota_of(&inbox), Ok(None));
}

#[test]
fn a_rename_into_a_full_quota_root_is_refused() {
    let bench = Bench::new(1);
    let peer = bench.peer();
    for text in ["a", "a/x", "b"] {
        peer.create(&name(text), Create::default()).wait().unwrap();
    }
    bench.append(&name("a/x"), b"0123456789");
    let limits = |bytes| Some(QuotaLimits { storage_bytes: Some(bytes), messages: None });
    peer.set_quota(&name("b"), limits(9)).wait().unwrap();
    let refused = peer.rename(&name("a/x"), &name("b/x")).wait();
    assert_eq!(refused, Err(Error::OverQuota(Resource::Storage)));
    peer.set_quota(&name("b"), limits(10)).wait().unwrap();
    peer.rename(&name("a/x"), &name("b/x")).wait().unwrap();
    assert_eq!(peer.quota(&name("b")).unwrap().usage.storage_bytes, 10);
}

#[test]
fn a_user_may_make_10000_mailboxes_and_not_10001() {
    let bench = Bench::new(1);
    bench.inbox("alice");
    let create = |session: &Session, n| session.create(&name(&format!("user/alice/m{n}")), Create::default());
    let alice = bench.user("alice");
    for first in (0..MAILBOXES_BELOW_MAX).step_by(250) {
        let pending: Vec<_> = (first..first + 250).map(|n| create(&alice, n)).collect();
        pending.into_iter().for_each(|pending| assert!(pending.wait().is_ok()));
    }
    let limit = Error::LimitExceeded { limit: Limit::Mailboxes, max: 10_000 };
    assert_eq!(create(&alice, 10_000).wait(), Err(limit));
    create(&bench.peer(), 10_000).wait().unwrap();
}
