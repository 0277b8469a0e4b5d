//! Many threads at once: deliveries, changes, moves, views and checkpoints, and what must hold at the end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mailstore::store::*;

use crate::store_support::*;

#[test]
fn threads_that_deliver_move_expunge_and_watch_lose_and_double_nothing() {
    const SENDERS: u32 = 4;
    const EACH: u32 = 60;
    let mut bench = Bench::new(5);
    let (inbox, archive) = (bench.inbox("alice"), name("user/alice/Archive"));
    bench.user("alice").create(&archive, Create::default()).wait().unwrap();
    bench.peer().set_quota(&inbox, Some(QuotaLimits::default())).wait().unwrap();
    let done = AtomicBool::new(false);
    let moved = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (bench, inbox) = (&bench, &inbox);
                scope.spawn(move || {
                    let mut given = Vec::new();
                    for n in 0..EACH {
                        let text = format!("{sender}-{n}");
                        let result = bench
                            .deliver(text.as_bytes(), &[inbox], Some(text.as_bytes()))
                            .remove(0)
                            .unwrap();
                        let Delivered::New(appended) = result else { panic!("delivered twice") };
                        given.push((appended.uid, appended.modseq));
                    }
                    assert!(given.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
                })
            })
            .collect();
        let watcher = scope.spawn(|| {
            let mut view = bench.user("alice").open(&inbox, Access::ReadOnly).unwrap();
            let mut watch = view.watch();
            let mut highest = 0;
            let mut known = UidSet::default();
            while !done.load(Ordering::Relaxed) {
                watch.wait(Duration::from_millis(20));
                view.sync(Expunges::Show).unwrap();
                let all = view.all();
                let new = all.without(&known);
                assert!(new.iter().all(|uid| uid > highest), "a UID below one that was seen turned up later");
                highest = all.span().map_or(highest, |(_, last)| last.max(highest));
                known = all;
            }
        });
        let movers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    let mut view = bench.user("alice").open(&inbox, Access::ReadWrite).unwrap();
                    while !done.load(Ordering::Relaxed) {
                        view.sync(Expunges::Show).unwrap();
                        let some = view.sequences(&[(Bound::Last, Bound::Last)]).unwrap_or_default();
                        count += view.move_to(&some, &archive).wait().unwrap().source.len();
                        bench.store.checkpoint().wait().unwrap();
                    }
                    count
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        movers.into_iter().map(|mover| mover.join().unwrap()).sum::<u64>()
    });
    for _ in 0..2 {
        let texts = |place: &MailboxName| -> Vec<Vec<u8>> {
            let view = bench.user("alice").open(place, Access::ReadOnly).unwrap();
            view.all().iter().map(|uid| view.body(uid).unwrap().read_all().unwrap().to_vec()).collect()
        };
        let (here, there) = (texts(&inbox), texts(&archive));
        assert_eq!(there.len() as u64, moved);
        assert_eq!(here.len() + there.len(), (SENDERS * EACH) as usize);
        let all: BTreeSet<_> = here.iter().chain(&there).collect();
        assert_eq!(all.len(), (SENDERS * EACH) as usize);
        let usage = bench.peer().quota(&inbox).unwrap().usage;
        let bytes: usize = all.iter().map(|text| text.len()).sum();
        assert_eq!(usage, QuotaUsage { storage_bytes: bytes as u64, messages: u64::from(SENDERS * EACH) });
        bench.reopen();
    }
}

#[test]
fn what_callers_hold_crosses_threads_and_awaits() {
    fn send<T: Send>() {}
    fn share<T: Send + Sync + 'static>() {}
    share::<Store>();
    share::<Session>();
    share::<View>();
    share::<Body>();
    share::<Watch>();
    send::<MessageIter<'static>>();
    send::<Changed<'static>>();
    send::<BodyWriter>();
    send::<NewBody>();
    send::<Pending<Vec<Result<Delivered, Error>>>>();
}
