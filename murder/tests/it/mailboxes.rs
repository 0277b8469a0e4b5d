//! Replica and registration, against a master of ours over real sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_wire::sasl::{Mechanism, ServerExchange, Step};
use mail_wire::{PlaintextLogin, Text};
use mailstore::disk::Disk;
use mailstore::disk::crash::CrashDisk;
use mailstore::store::{Actor, Rights, UserName};
use mupdate_proto::{Change, MailboxEntry, MailboxName, Status, server};
use murder::mailboxes::{
    LocalMailboxes, Location, Name, RefreshError, RegisterError, Registrar, Replica, SetAside, Told,
};
use murder::net::{Link, ShutdownTrigger, Transport};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::master_support::{SOON, TestMaster, activate, delete, reserve, shown};

const OWNER: &str = "lrswipkxtecdan";

fn name(mupdate: &str) -> Name {
    Name::from_mupdate(mupdate.as_bytes()).unwrap()
}

/// Something that runs until it is dropped.
struct Task {
    _trigger: ShutdownTrigger,
    task: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct TestReplica {
    replica: Replica,
    _task: Task,
}

impl TestReplica {
    fn open(master: &TestMaster, disk: &CrashDisk) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let (replica, follower) = Replica::open(&disk, master.upstream("fe1")).unwrap();
        let (trigger, shutdown) = ShutdownTrigger::new();
        Self { replica, _task: Task { _trigger: trigger, task: tokio::spawn(follower.run(shutdown)) } }
    }

    async fn connected(&self) {
        tokio::time::timeout(SOON, self.replica.connected()).await.unwrap();
    }

    /// Waits for the barrier, connecting first if need be.
    async fn settled(&self) -> Vec<String> {
        self.connected().await;
        self.replica.refresh(SOON).await.unwrap();
        self.shown()
    }

    fn shown(&self) -> Vec<String> {
        shown(&self.replica.list().page(None, 1_000_000))
    }
}

/// A store of mailboxes in memory.
#[derive(Default)]
struct Store {
    mailboxes: Mutex<BTreeMap<String, String>>,
    registrar: Mutex<Option<Registrar>>,
    asides: Mutex<Vec<String>>,
}

impl Store {
    fn put(&self, name: &str, acl_text: &str) {
        self.mailboxes.lock().unwrap().insert(name.to_owned(), acl_text.to_owned());
    }

    fn remove(&self, name: &str) {
        self.mailboxes.lock().unwrap().remove(name).unwrap();
    }
}

impl LocalMailboxes for Store {
    fn all(&self) -> Vec<(Name, String)> {
        self.mailboxes.lock().unwrap().iter().map(|(key, acl)| (name(key), acl.clone())).collect()
    }

    fn acl_text(&self, name: &Name) -> Option<String> {
        self.mailboxes.lock().unwrap().get(&name.to_mupdate()).cloned()
    }

    fn set_aside<'a>(&'a self, name: &'a Name, held_at: &'a Location) -> SetAside<'a> {
        Box::pin(async move {
            let lost = format!("LOST.{name}");
            let acl = self.mailboxes.lock().unwrap().remove(&name.to_mupdate()).unwrap();
            self.put(&lost, &acl);
            self.asides.lock().unwrap().push(format!("{name} held at {held_at}"));
            self.registrar.lock().unwrap().as_ref().unwrap().recheck(&[self::name(&lost)]);
        })
    }
}

struct TestBackend {
    store: Arc<Store>,
    registrar: Registrar,
    _task: Task,
}

impl TestBackend {
    fn start(master: &TestMaster, server: &str, store: Arc<Store>) -> Self {
        let location = Location::new(server, "default").unwrap();
        let local: Arc<dyn LocalMailboxes> = Arc::clone(&store) as Arc<dyn LocalMailboxes>;
        let (registrar, registration) = Registrar::new(master.upstream(server), location, local);
        *store.registrar.lock().unwrap() = Some(registrar.clone());
        let (trigger, shutdown) = ShutdownTrigger::new();
        let task = Task { _trigger: trigger, task: tokio::spawn(registration.run(shutdown)) };
        Self { store, registrar, _task: task }
    }

    async fn connected(&self) {
        tokio::time::timeout(SOON, self.registrar.connected()).await.unwrap();
    }

    async fn create(&self, mailbox: &str, acl: &str) -> Result<(), RegisterError> {
        let hold = self.registrar.reserve(&[name(mailbox)]).await?;
        self.store.put(mailbox, acl);
        hold.activate(&[(name(mailbox), acl.to_owned())]).await
    }
}

/// Waits until the master's list is this.
async fn becomes(master: &TestMaster, expected: &[&str]) {
    let mut listed = Vec::new();
    for _ in 0..1_000 {
        listed = shown(&master.list().await);
        if listed == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_replica_is_the_master_s_list_and_gives_rights() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    be1.ok(activate("user.alice", "be1!x", &format!("alice\t{OWNER}\tcarol\tlr\t"))).await;
    let replica = TestReplica::open(&master, &CrashDisk::new(2));
    replica.connected().await;
    let mut changes = replica.replica.changes();
    changes.borrow_and_update();
    be1.ok(reserve("user.alice.Work", "be1!x")).await;
    replica.replica.refresh(SOON).await.unwrap();
    assert!(changes.has_changed().unwrap());
    let rights = |mailbox: &str, user: &str| {
        let actor = Actor::user(UserName::new(user).unwrap());
        replica.replica.lookup(&name(mailbox)).unwrap().rights(&actor)
    };
    assert_eq!(rights("user.alice", "carol").to_string(), "lr");
    assert_eq!(rights("user.alice", "alice"), Rights::ALL);
    assert_eq!(rights("user.alice", "dave"), Rights::NONE);
    assert_eq!(rights("user.alice.Work", "alice"), Rights::NONE);
    assert_eq!(replica.replica.lookup(&name("user.alice")).unwrap().server(), "be1");
    assert_eq!(replica.replica.list().owned_by("alice").len(), 2);
}

#[tokio::test]
async fn x3_with_the_master_down_a_replica_serves_the_list_it_had_also_after_a_restart() {
    let mut master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    for number in 0..50 {
        be1.ok(activate(&format!("user.u{number}"), "be1!x", "a\tlr\t")).await;
    }
    be1.ok(delete("user.u7")).await;
    let disk = CrashDisk::new(3);
    let replica = TestReplica::open(&master, &disk);
    let served = replica.settled().await;
    assert_eq!(served.len(), 49);
    be1.ok(activate("user.late", "be1!x", "")).await;
    let with_late = replica.settled().await;
    assert_eq!(with_late.len(), 50);
    drop(be1);
    master.kill().await;
    let gone = async {
        while replica.replica.is_connected() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
    assert_eq!(replica.shown(), with_late);
    assert!(replica.replica.away_for().is_some());
    assert_eq!(replica.replica.refresh(SOON).await, Err(RefreshError::Disconnected));
    // The disk follows the memory; a moment later it has it all.
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(replica);
    tokio::time::sleep(Duration::from_millis(50)).await;
    disk.crash();
    let replica = TestReplica::open(&master, &disk);
    assert_eq!(replica.shown(), with_late);
    assert!(!replica.replica.is_connected());
    master.run().await;
    assert_eq!(replica.settled().await, with_late);
}

#[tokio::test]
async fn a_resync_takes_out_what_vanished_and_only_when_the_stream_begins() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    for mailbox in ["user.a", "user.b", "user.b.x", "user.b y"] {
        be1.ok(activate(mailbox, "be1!x", "")).await;
    }
    let disk = CrashDisk::new(4);
    let replica = TestReplica::open(&master, &disk);
    assert_eq!(replica.settled().await.len(), 4);
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(replica);
    tokio::time::sleep(Duration::from_millis(50)).await;
    be1.ok(delete("user.b")).await;
    be1.ok(delete("user.b y")).await;
    be1.ok(activate("user.a", "be1!z", "a\tl\t")).await;
    be1.ok(activate("user.c", "be1!x", "")).await;
    let replica = TestReplica::open(&master, &disk);
    assert_eq!(replica.shown(), ["user.a be1!x", "user.b be1!x", "user.b.x be1!x", "user.b y be1!x"]);
    assert_eq!(replica.settled().await, ["user.a be1!z a l", "user.b.x be1!x", "user.c be1!x"]);
}

#[tokio::test]
async fn x5_entries_that_nobody_can_read_do_not_hold_up_a_replica() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    let disk = CrashDisk::new(5);
    let replica = TestReplica::open(&master, &disk);
    replica.connected().await;
    for mailbox in ["bad..name", "user.&AGE-", "user.\u{e9}", "user", "a\"b", "a%b"] {
        be1.ok(activate(mailbox, "be1!x", "")).await;
    }
    be1.ok(activate("user.good", "be1!x", "")).await;
    assert_eq!(replica.settled().await.len(), 7);
    assert_eq!(replica.replica.list().unreadable(), 5);
    assert!(replica.replica.lookup(&name("user.good")).is_some());
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(replica);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let replica = TestReplica::open(&master, &disk);
    assert_eq!(replica.replica.list().unreadable(), 5);
    be1.ok(delete("bad..name")).await;
    assert_eq!(replica.settled().await.len(), 6);
}

#[tokio::test]
async fn many_barriers_at_once_are_all_passed() {
    let master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    let replica = TestReplica::open(&master, &CrashDisk::new(6));
    replica.connected().await;
    for round in 0..20 {
        let mailbox = format!("user.r{round}");
        be1.ok(activate(&mailbox, "be1!x", "")).await;
        let barriers: Vec<_> = (0..50)
            .map(|_| {
                let (replica, mailbox) = (replica.replica.clone(), name(&mailbox));
                tokio::spawn(async move {
                    replica.refresh(SOON).await.unwrap();
                    assert!(replica.lookup(&mailbox).is_some());
                })
            })
            .collect();
        for barrier in barriers {
            barrier.await.unwrap();
        }
    }
}

#[tokio::test]
async fn x4_on_connect_the_master_s_list_becomes_what_the_store_holds() {
    let mut master = TestMaster::start().await;
    let mut be1 = master.client("be1").await;
    for mailbox in ["user.gone", "user.same", "user.acl", "bad..name"] {
        be1.ok(activate(mailbox, "be1!default", "a\tlr\t")).await;
    }
    be1.ok(activate("user.moved", "be1!", "a\tlr\t")).await;
    be1.ok(reserve("user.half", "be1!default")).await;
    master.client("be2").await.ok(activate("user.other", "be2!default", "")).await;
    let store = Arc::new(Store::default());
    for (mailbox, acl) in [
        ("user.same", "a\tlr\t"),
        ("user.acl", "a\tlrs\t"),
        ("user.moved", "a\tlr\t"),
        ("user.new", "a\tl\t"),
    ] {
        store.put(mailbox, acl);
    }
    let backend = TestBackend::start(&master, "be1", Arc::clone(&store));
    backend.connected().await;
    let expected = [
        "user.acl be1!default a lrs",
        "user.moved be1!default a lr",
        "user.new be1!default a l",
        "user.other be2!default",
        "user.same be1!default a lr",
    ];
    assert_eq!(shown(&master.list().await), expected);
    // And so again when a master comes back that has lost everything.
    drop(be1);
    master.kill().await;
    master.disk = CrashDisk::new(9);
    master.run().await;
    becomes(&master, &[expected[0], expected[1], expected[2], expected[4]]).await;
}

#[tokio::test]
async fn x4_the_active_owner_keeps_a_name_and_the_other_copy_is_set_aside() {
    let master = TestMaster::start().await;
    let mut be2 = master.client("be2").await;
    be2.ok(activate("user.twice", "be2!default", "")).await;
    be2.ok(reserve("user.coming", "be2!default")).await;
    let store = Arc::new(Store::default());
    store.put("user.twice", "a\tlr\t");
    store.put("user.coming", "a\tlr\t");
    let backend = TestBackend::start(&master, "be1", Arc::clone(&store));
    backend.connected().await;
    becomes(
        &master,
        &["LOST.user.twice be1!default a lr", "user.coming be2!default -", "user.twice be2!default"],
    )
    .await;
    assert_eq!(*store.asides.lock().unwrap(), ["user.twice held at be2!default"]);
    // What was only reserved there is ours as soon as it is free.
    be2.ok(delete("user.coming")).await;
    becomes(
        &master,
        &["LOST.user.twice be1!default a lr", "user.coming be1!default a lr", "user.twice be2!default"],
    )
    .await;
}

#[tokio::test]
async fn mailboxes_are_created_renamed_changed_and_deleted_with_the_master_s_word() {
    let master = TestMaster::start().await;
    let backend = TestBackend::start(&master, "be1", Arc::new(Store::default()));
    let other = TestBackend::start(&master, "be2", Arc::new(Store::default()));
    backend.connected().await;
    other.connected().await;
    backend.create("user.a", "a\tlr\t").await.unwrap();
    assert_eq!(other.create("user.a", "a\tlr\t").await, Err(RegisterError::Taken));
    assert_eq!(shown(&master.list().await), ["user.a be1!default a lr"]);

    let new = [name("user.b"), name("user.b.x")];
    let hold = backend.registrar.reserve(&new).await.unwrap();
    backend.store.remove("user.a");
    backend.store.put("user.b", "a\tlr\t");
    backend.store.put("user.b.x", "");
    hold.activate(&[(new[0].clone(), "a\tlr\t".to_owned()), (new[1].clone(), String::new())]).await.unwrap();
    assert_eq!(backend.registrar.delete(&[name("user.a"), name("user.never")]).await, Told::Now);
    assert_eq!(shown(&master.list().await), ["user.b be1!default a lr", "user.b.x be1!default"]);

    let hold = backend.registrar.set_acl(&name("user.b"), "a\tlrs\t").await.unwrap();
    backend.store.put("user.b", "a\tlrs\t");
    drop(hold);
    // This one the store does not change in the end.
    drop(backend.registrar.set_acl(&name("user.b.x"), "a\tlrs\t").await.unwrap());
    becomes(&master, &["user.b be1!default a lrs", "user.b.x be1!default"]).await;
    let hold = backend.registrar.deactivate(&name("user.b.x")).await.unwrap();
    assert_eq!(shown(&master.list().await), ["user.b be1!default a lrs", "user.b.x be1!default -"]);
    drop(hold);
    becomes(&master, &["user.b be1!default a lrs", "user.b.x be1!default"]).await;
    let never = backend.registrar.deactivate(&name("user.never")).await;
    assert!(matches!(never, Err(RegisterError::NotActive)));
}

#[tokio::test]
async fn a_name_that_was_reserved_and_not_made_is_given_free() {
    let master = TestMaster::start().await;
    let backend = TestBackend::start(&master, "be1", Arc::new(Store::default()));
    backend.connected().await;
    master.client("be2").await.ok(activate("user.taken", "be2!x", "")).await;
    // All or none.
    let both = backend.registrar.reserve(&[name("user.free"), name("user.taken")]).await;
    assert!(matches!(both, Err(RegisterError::Taken)));
    becomes(&master, &["user.taken be2!x"]).await;
    // Made, but its ACTIVATE was never sent.
    let hold = backend.registrar.reserve(&[name("user.made")]).await.unwrap();
    assert_eq!(shown(&master.list().await), ["user.made be1!default -", "user.taken be2!x"]);
    backend.store.put("user.made", "a\tlr\t");
    drop(hold);
    becomes(&master, &["user.made be1!default a lr", "user.taken be2!x"]).await;
}

#[tokio::test]
async fn x3_with_the_master_down_nothing_is_made_and_deletes_are_told_later() {
    let mut master = TestMaster::start().await;
    let backend = TestBackend::start(&master, "be1", Arc::new(Store::default()));
    backend.connected().await;
    for mailbox in ["user.a", "user.b", "user.c"] {
        backend.create(mailbox, "a\tlr\t").await.unwrap();
    }
    let half = backend.registrar.reserve(&[name("user.half")]).await.unwrap();
    master.kill().await;
    let gone = async {
        while backend.registrar.is_connected() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
    assert_eq!(backend.create("user.d", "").await, Err(RegisterError::Unavailable));
    assert!(backend.registrar.set_acl(&name("user.a"), "").await.is_err());
    backend.store.remove("user.b");
    assert_eq!(backend.registrar.delete(&[name("user.b")]).await, Told::Later);
    // This one was reserved while there was a master, and is there when its word cannot be had any more.
    backend.store.put("user.half", "a\tl\t");
    assert_eq!(
        half.activate(&[(name("user.half"), "a\tl\t".to_owned())]).await,
        Err(RegisterError::Unavailable)
    );
    master.run().await;
    becomes(&master, &["user.a be1!default a lr", "user.c be1!default a lr", "user.half be1!default a l"])
        .await;
}

#[tokio::test]
async fn histories_by_two_back_ends_end_in_one_list_everywhere() {
    let mut random = 7_u32;
    let mut next = move |below: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as usize % below
    };
    let mut master = TestMaster::start().await;
    let disks = [CrashDisk::new(11), CrashDisk::new(12)];
    let mut replicas = [TestReplica::open(&master, &disks[0]), TestReplica::open(&master, &disks[1])];
    let backends = [
        TestBackend::start(&master, "be1", Arc::new(Store::default())),
        TestBackend::start(&master, "be2", Arc::new(Store::default())),
    ];
    for round in 0..6 {
        for backend in &backends {
            backend.connected().await;
        }
        for _ in 0..60 {
            let backend = &backends[next(2)];
            let mailbox = format!("user.u{}", next(12));
            let held = backend.store.acl_text(&name(&mailbox)).is_some();
            match (held, next(3)) {
                (false, _) => drop(backend.create(&mailbox, "a\tlr\t").await),
                (true, 0) => {
                    backend.store.remove(&mailbox);
                    backend.registrar.delete(&[name(&mailbox)]).await;
                }
                (true, _) => {
                    let acl = format!("a\tlr\tb\t{}\t", ["l", "lr", "lrs"][next(3)]);
                    if let Ok(hold) = backend.registrar.set_acl(&name(&mailbox), &acl).await {
                        backend.store.put(&mailbox, &acl);
                        drop(hold);
                    }
                }
            }
        }
        match round % 3 {
            0 => {
                master.kill().await;
                master.run().await;
            }
            1 => {
                let at = next(2);
                disks[at].crash();
                replicas[at] = {
                    let other = CrashDisk::new(20 + round);
                    TestReplica::open(&master, &other)
                };
            }
            _ => {}
        }
        for backend in &backends {
            backend.connected().await;
        }
        let stores = || {
            let mut expected = Vec::new();
            for (backend, server) in backends.iter().zip(["be1", "be2"]) {
                for (mailbox, acl) in backend.store.mailboxes.lock().unwrap().iter() {
                    expected.push(
                        format!("{mailbox} {server}!default {}", acl.replace('\t', " "))
                            .trim_end()
                            .to_owned(),
                    );
                }
            }
            expected.sort();
            expected
        };
        let expected = stores();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        becomes(&master, &expected).await;
        for replica in &replicas {
            assert_eq!(replica.settled().await, expected, "round {round}");
        }
    }
}

#[tokio::test]
async fn thousands_of_mailboxes_are_registered_and_followed() {
    let master = TestMaster::start().await;
    let store = Arc::new(Store::default());
    for number in 0..2_000 {
        store.put(&format!("user.u{number:05}"), "a\tlr\t");
    }
    let replica = TestReplica::open(&master, &CrashDisk::new(8));
    let backend = TestBackend::start(&master, "be1", store);
    backend.connected().await;
    assert_eq!(replica.settled().await.len(), 2_000);
}

/// A master with the traps of Cyrus 3.6: it dies of a DELETE or a DEACTIVATE of what it does not have, and lets
/// anybody take over any name.
async fn fragile_master(listener: TcpListener, list: Arc<Mutex<BTreeMap<MailboxName, MailboxEntry>>>) {
    let (stream, peer) = listener.accept().await.unwrap();
    let mut config = server::Config::new("cyrus").unwrap();
    config.plaintext_login = PlaintextLogin::DangerAllow;
    let connection = server::Connection::new(config, std::time::Instant::now());
    let mut link = Link::new(Transport::Plain(stream), peer, connection);
    link.conn().greet().unwrap();
    while let Ok(Some(event)) = link.next().await {
        let mut list = list.lock().unwrap();
        let ticket = match event {
            server::Event::Authenticate { ticket, initial, .. } => {
                let mut exchange = ServerExchange::new(Mechanism::Plain);
                let step = exchange.start(initial.as_ref().map(|message| message.expose().as_slice()));
                assert!(matches!(step, Ok(Step::Done(_))));
                link.conn().auth_ok(ticket).unwrap();
                continue;
            }
            server::Event::List(ticket, prefix) => {
                for entry in
                    list.values().filter(|entry| prefix.as_ref().is_none_or(|p| p.matches(&entry.location)))
                {
                    link.conn().entry(entry).unwrap();
                }
                ticket
            }
            server::Event::Find(ticket, name) => {
                if let Some(entry) = list.get(&name) {
                    link.conn().entry(entry).unwrap();
                }
                ticket
            }
            server::Event::Change(ticket, change) => {
                match change {
                    Change::Reserve { name, location } => {
                        drop(list.insert(name.clone(), MailboxEntry::reserved(name, location)));
                    }
                    Change::Activate { name, location, acl } => {
                        drop(list.insert(name.clone(), MailboxEntry::active(name, location, acl)));
                    }
                    Change::Deactivate { name, location } => {
                        assert!(list.get(&name).is_some_and(|entry| entry.acl().is_some()), "SIGABRT");
                        drop(list.insert(name.clone(), MailboxEntry::reserved(name, location)));
                    }
                    Change::Delete { name } => assert!(list.remove(&name).is_some(), "SIGSEGV"),
                }
                ticket
            }
            other => panic!("{other:?}"),
        };
        link.conn().reply(ticket, Status::Ok, &Text::constant("done")).unwrap();
    }
}

#[tokio::test]
async fn a_master_of_cyrus_survives_a_registration_and_no_name_is_taken_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut master = TestMaster::start().await;
    master.address = listener.local_addr().unwrap();
    let entry = |mailbox: &str, location: &str| {
        let (mailbox, location) =
            (crate::master_support::mailbox(mailbox), crate::master_support::at(location));
        (mailbox.clone(), MailboxEntry::active(mailbox, location, crate::master_support::acl("a\tlr\t")))
    };
    let list = Arc::new(Mutex::new(BTreeMap::from([
        entry("user.other", "be2!x"),
        entry("user.old", "be1!default"),
        entry("user.bare", "be1"),
    ])));
    let served = tokio::spawn(fragile_master(listener, Arc::clone(&list)));
    let store = Arc::new(Store::default());
    for mailbox in ["user.other", "user.bare", "user.new"] {
        store.put(mailbox, "a\tlr\t");
    }
    let backend = TestBackend::start(&master, "be1", Arc::clone(&store));
    backend.connected().await;
    backend.create("user.more", "a\tlr\t").await.unwrap();
    assert_eq!(backend.registrar.delete(&[name("user.never"), name("user.other")]).await, Told::Now);
    assert!(backend.registrar.deactivate(&name("user.never")).await.is_err());
    assert!(backend.registrar.deactivate(&name("user.other")).await.is_err());
    let expected = [
        "LOST.user.other be1!default a lr",
        "user.bare be1!default a lr",
        "user.more be1!default a lr",
        "user.new be1!default a lr",
        "user.other be2!x a lr",
    ];
    let listed = || shown(&list.lock().unwrap().values().cloned().collect::<Vec<_>>());
    for _ in 0..500 {
        if listed() == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(listed(), expected);
    assert!(!served.is_finished());
}
