//! Routing on real SQLite files.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use murder::{
    config::{DatabaseUrl, HostPort},
    routing::{
        AccountRow, Address, AddressRow, Backend, BackendState, Change, Destination, Domain, DomainKind,
        Enabled, Expansion, Fault, Forwarding, Login, Page, Pattern, Place, Placement, Route, RouteError,
        Router, TlsMode, Use, User, Version,
    },
};

struct Site {
    router: Router,
    directory: tempfile::TempDir,
}

impl Site {
    /// `example.org` with alice and bob on `b1`, carol on `b2`.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let router = open(directory.path()).await;
        let site = Self { router, directory };
        site.put(Change::PutDomain(local("example.org"))).await;
        site.put(Change::PutBackend(backend("b1", 100))).await;
        site.put(Change::PutBackend(backend("b2", 100))).await;
        for (login, backend) in [("alice", "b1"), ("bob", "b1"), ("carol", "b2")] {
            site.put(Change::PutUser(user(login, backend))).await;
            site.mailbox(&format!("{login}@example.org"), login, &[]).await;
        }
        site
    }

    async fn put(&self, change: Change) -> Version {
        self.router.apply(change).await.unwrap()
    }

    async fn mailbox(&self, address: &str, user: &str, also: &[&str]) {
        let goes = Use::Mailbox { login: login(user), also: addresses(also) };
        self.put(Change::PutAddress(AddressRow { pattern: pattern(address), goes })).await;
    }

    async fn forward(&self, address: &str, targets: &[&str]) {
        let goes = Use::Forward(addresses(targets));
        self.put(Change::PutAddress(AddressRow { pattern: pattern(address), goes })).await;
    }

    async fn route(&self, address: &str) -> Route {
        self.router.route(&address.parse().unwrap()).await.unwrap().as_ref().clone()
    }
}

async fn open(directory: &Path) -> Router {
    Router::open(&DatabaseUrl::Sqlite(directory.join("routing.db"))).await.unwrap()
}

/// The database as another program sees it.
async fn raw(site: &Site) -> sqlx::SqlitePool {
    let path = site.directory.path().join("routing.db");
    sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap()
}

fn login(text: &str) -> Login {
    text.parse().unwrap()
}

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| address(text)).collect()
}

fn local(name: &str) -> Domain {
    Domain { name: name.parse().unwrap(), kind: DomainKind::Local }
}

fn host(text: &str) -> HostPort {
    text.parse().unwrap()
}

fn backend(name: &str, capacity_users: u32) -> Backend {
    Backend {
        name: name.parse().unwrap(),
        lmtp: host("127.0.0.1:24"),
        imap: host("127.0.0.1:143"),
        pop3: Some(host("127.0.0.1:110")),
        tls: TlsMode::None,
        capacity_users,
        state: BackendState::Up,
    }
}

fn user(name: &str, backend: &str) -> User {
    User {
        login: login(name),
        backend: backend.parse().unwrap(),
        partition: "default".to_owned(),
        quota_kib: None,
        forwarding: Forwarding::KeepsCopy,
        state: Enabled::Yes,
    }
}

fn place(name: &str, backend: &str, detail: Option<&str>) -> Place {
    Place {
        login: login(name),
        backend: backend.parse().unwrap(),
        partition: "default".to_owned(),
        quota_kib: None,
        detail: detail.map(str::to_owned),
    }
}

fn to(destinations: Vec<Destination>) -> Route {
    Route::Forward(Expansion { destinations, dangling: Vec::new() })
}

fn placed(backend: &str) -> Placement {
    Placement { backend: backend.parse().unwrap(), partition: "default".to_owned(), quota_kib: None }
}

#[tokio::test]
async fn an_address_leads_to_its_mailbox_whatever_its_case_and_detail() {
    let site = Site::new().await;
    assert_eq!(site.route("alice@example.org").await, Route::Mailbox(place("alice", "b1", None)));
    assert_eq!(site.route("ALICE@Example.Org").await, Route::Mailbox(place("alice", "b1", None)));
    assert_eq!(
        site.route("alice+Work+x@example.org").await,
        Route::Mailbox(place("alice", "b1", Some("Work+x")))
    );
    let lower = site.route("alice+work+x@example.org").await;
    assert_eq!(lower, Route::Mailbox(place("alice", "b1", Some("work+x"))), "a folder's name has case");
    assert_eq!(site.route("carol@example.org").await, Route::Mailbox(place("carol", "b2", None)));
    assert_eq!(site.route("nobody@example.org").await, Route::Unknown);
    assert_eq!(site.route("nobody+x@example.org").await, Route::Unknown);
    assert_eq!(site.route("alice@example.net").await, Route::UnknownDomain);
    assert_eq!(site.route("alice@sub.example.org").await, Route::UnknownDomain);
}

#[tokio::test]
async fn the_most_particular_row_wins() {
    let site = Site::new().await;
    site.mailbox("alice+lists@example.org", "bob", &[]).await;
    site.forward("@example.org", &["carol@example.org"]).await;
    assert_eq!(site.route("alice+lists@example.org").await, Route::Mailbox(place("bob", "b1", None)));
    assert_eq!(
        site.route("alice+other@example.org").await,
        Route::Mailbox(place("alice", "b1", Some("other")))
    );
    assert_eq!(
        site.route("nobody@example.org").await,
        to(vec![Destination::Mailbox(place("carol", "b2", None))])
    );
}

#[tokio::test]
async fn alias_domains_relays_and_refusals() {
    let site = Site::new().await;
    let alias = |name: &str, real: &str| {
        Change::PutDomain(Domain {
            name: name.parse().unwrap(),
            kind: DomainKind::Alias(real.parse().unwrap()),
        })
    };
    site.put(alias("example.com", "example.org")).await;
    site.put(alias("example.net", "example.com")).await;
    assert_eq!(site.route("alice+X@example.net").await, Route::Mailbox(place("alice", "b1", Some("X"))));
    let relay = DomainKind::Relay(host("[2001:db8::1]:25"));
    site.put(Change::PutDomain(Domain { name: "relay.example".parse().unwrap(), kind: relay })).await;
    assert_eq!(site.route("who@relay.example").await, Route::Relay(host("[2001:db8::1]:25")));
    let goes = Use::Reject("this address is closed".to_owned());
    site.put(Change::PutAddress(AddressRow { pattern: pattern("old@example.org"), goes })).await;
    assert_eq!(site.route("old@example.com").await, Route::Reject("this address is closed".to_owned()));
    site.put(alias("ring1.example", "ring2.example")).await;
    site.put(alias("ring2.example", "ring1.example")).await;
    assert_eq!(site.route("a@ring1.example").await, Route::Broken(Fault::AliasDomains));
}

#[tokio::test]
async fn four_alias_domains_are_followed_and_a_fifth_is_not() {
    let site = Site::new().await;
    let mut real = "example.org".to_owned();
    for n in 1..=5 {
        let name = format!("alias{n}.example");
        let kind = DomainKind::Alias(real.parse().unwrap());
        site.put(Change::PutDomain(Domain { name: name.parse().unwrap(), kind })).await;
        real = name;
    }
    assert_eq!(site.route("alice@alias4.example").await, Route::Mailbox(place("alice", "b1", None)));
    assert_eq!(site.route("alice@alias5.example").await, Route::Broken(Fault::AliasDomains));
}

#[tokio::test]
async fn q2_forwards_are_followed_each_address_once_and_a_ring_is_named() {
    let site = Site::new().await;
    site.forward("team@example.org", &["alice@example.org", "staff@example.org", "x@elsewhere.example"])
        .await;
    site.forward(
        "staff@example.org",
        &["team@example.org", "alice@example.org", "carol+in@example.org", "gone@example.org"],
    )
    .await;
    let expected = Expansion {
        destinations: vec![
            Destination::Mailbox(place("alice", "b1", None)),
            Destination::Outside(address("x@elsewhere.example")),
            Destination::Mailbox(place("carol", "b2", Some("in"))),
        ],
        dangling: addresses(&["gone@example.org"]),
    };
    assert_eq!(site.route("team@example.org").await, Route::Forward(expected));
    site.forward("a@example.org", &["b@example.org"]).await;
    site.forward("b@example.org", &["a@example.org"]).await;
    assert_eq!(site.route("a@example.org").await, Route::Broken(Fault::Loop));
    site.forward("lost@example.org", &["gone@example.org"]).await;
    assert_eq!(site.route("lost@example.org").await, Route::Unknown);
}

#[tokio::test]
async fn a_user_may_forward_with_or_without_a_copy() {
    let site = Site::new().await;
    site.mailbox("alice@example.org", "alice", &["alice@elsewhere.example"]).await;
    let outside = Destination::Outside(address("alice@elsewhere.example"));
    let here = Destination::Mailbox(place("alice", "b1", None));
    assert_eq!(site.route("alice@example.org").await, to(vec![here.clone(), outside.clone()]));
    site.put(Change::PutUser(User { forwarding: Forwarding::Only, ..user("alice", "b1") })).await;
    assert_eq!(site.route("alice@example.org").await, to(vec![outside.clone()]));
    site.mailbox("alice@example.org", "alice", &["alice@example.org", "alice@elsewhere.example"]).await;
    assert_eq!(
        site.route("alice@example.org").await,
        to(vec![here, outside]),
        "forwarding to oneself keeps a copy"
    );
}

#[tokio::test]
async fn an_expansion_is_bounded() {
    let site = Site::new().await;
    let targets = |n: usize| (0..n).map(|i| address(&format!("u{i}@elsewhere.example"))).collect::<Vec<_>>();
    let list = |pattern_text: &str, n| {
        Change::PutAddress(AddressRow { pattern: pattern(pattern_text), goes: Use::List(targets(n)) })
    };
    assert_eq!(
        site.router.apply(list("all@example.org", 10_001)).await,
        Err(RouteError::Invalid("an address has at most 10,000 targets"))
    );
    site.put(list("all@example.org", 9_999)).await;
    let Route::Forward(expansion) = site.route("all@example.org").await else { panic!() };
    assert_eq!(expansion.destinations.len(), 9_999);
    site.put(list("all@example.org", 10_000)).await;
    assert_eq!(site.route("all@example.org").await, Route::Broken(Fault::TooMany));
}

#[tokio::test]
async fn a_disabled_user_gets_no_mail() {
    let site = Site::new().await;
    site.put(Change::PutUser(User { state: Enabled::No, ..user("alice", "b1") })).await;
    assert_eq!(site.route("alice@example.org").await, Route::Unknown);
}

#[tokio::test]
async fn new_users_go_where_the_smallest_share_is_in_use() {
    let site = Site::new().await;
    // b1 has 2 of 100, b2 1 of 100.
    assert_eq!(site.router.place(&login("dave")).await, Ok(placed("b2")));
    assert_eq!(site.router.place(&login("dave")).await, Ok(placed("b2")), "once decided, it stays");
    assert_eq!(site.router.place(&login("erin")).await, Ok(placed("b1")), "2 and 2: by name");
    assert_eq!(site.router.place(&login("alice")).await, Ok(placed("b1")));
    assert_eq!(site.router.user(&login("dave")).await.unwrap().unwrap(), user("dave", "b2"));
}

#[tokio::test]
async fn the_state_and_the_capacity_of_a_backend_are_respected() {
    let site = Site::new().await;
    let state = |state| Change::PutBackend(Backend { state, ..backend("b2", 100) });
    site.put(state(BackendState::Drain)).await;
    assert_eq!(site.router.place(&login("dave")).await, Ok(placed("b1")));
    assert_eq!(
        site.router.place(&login("carol")).await,
        Ok(placed("b1")),
        "whoever has no mailbox yet moves off"
    );
    site.put(state(BackendState::Down)).await;
    site.put(Change::PutUser(user("carol", "b2"))).await;
    assert_eq!(site.router.place(&login("carol")).await, Err(RouteError::BackendDown));
    // alice, bob, dave: three of four.
    site.put(Change::PutBackend(backend("b1", 4))).await;
    assert_eq!(site.router.place(&login("frank")).await, Ok(placed("b1")));
    assert_eq!(site.router.place(&login("grace")).await, Err(RouteError::NoBackend));
    assert_eq!(
        site.router.apply(Change::PutBackend(backend("b3", 0))).await,
        Err(RouteError::Invalid("the capacity of a back-end is at least 1 user"))
    );
}

#[tokio::test]
async fn many_front_ends_that_ask_at_once_get_one_place() {
    let site = Site::new().await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let router = open(site.directory.path()).await;
        for _ in 0..4 {
            let router = router.clone();
            asking.spawn(async move { router.place(&login("newcomer")).await });
        }
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.len(), 16);
    assert!(answers.iter().all(|answer| *answer == Ok(placed("b2"))), "{answers:?}");
}

#[tokio::test]
async fn processes_that_open_a_new_file_together_all_find_it_ready() {
    let directory = tempfile::tempdir().unwrap();
    let mut opening = tokio::task::JoinSet::new();
    for n in 0..8 {
        let path = directory.path().join("routing.db");
        opening.spawn(async move {
            let router = Router::open(&DatabaseUrl::Sqlite(path)).await?;
            router.apply(Change::PutDomain(local(&format!("d{n}.example")))).await
        });
    }
    let mut versions: Vec<_> = opening.join_all().await.into_iter().map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=8).map(Version).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_change_by_another_process_is_in_force_here_within_a_second() {
    let site = Site::new().await;
    let other = open(site.directory.path()).await;
    let mut watch = other.watch();
    let before = *watch.borrow_and_update();
    let carol = address("carol@example.org");
    assert_eq!(*other.route(&carol).await.unwrap(), Route::Mailbox(place("carol", "b2", None)));
    let version = site.put(Change::RemoveAddress(pattern("carol@example.org"))).await;
    assert!(version > before);
    assert_eq!(site.route("carol@example.org").await, Route::Unknown, "at once where it was made");
    tokio::time::timeout(Duration::from_secs(1), watch.wait_for(|now| *now == version))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*other.route(&carol).await.unwrap(), Route::Unknown);
    assert_eq!(other.version(), version);
}

#[tokio::test]
async fn equal_questions_are_answered_from_memory_until_something_changes() {
    let site = Site::new().await;
    let alice = address("alice@example.org");
    let first = site.router.route(&alice).await.unwrap();
    let second = site.router.route(&alice).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    site.put(Change::PutDomain(local("other.example"))).await;
    let third = site.router.route(&alice).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &third));
    let backends = site.router.backends().await.unwrap();
    assert_eq!(backends.len(), 2);
    assert_eq!(site.router.backend("b1").await.unwrap(), Some(backend("b1", 100)));
    site.put(Change::PutBackend(backend("b3", 5))).await;
    assert_eq!(site.router.backend("b3").await.unwrap(), Some(backend("b3", 5)));
    assert_eq!(site.router.backend("mail.example.org").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_in_use_cannot_be_removed_and_what_is_not_there_cannot_be_named() {
    let site = Site::new().await;
    let reference = Err(RouteError::Reference("this change"));
    assert_eq!(site.router.apply(Change::RemoveDomain("example.org".parse().unwrap())).await, reference);
    assert_eq!(site.router.apply(Change::RemoveBackend("b1".parse().unwrap())).await, reference);
    assert_eq!(site.router.apply(Change::RemoveUser(login("alice"))).await, reference);
    assert_eq!(site.router.apply(Change::PutUser(user("dave", "b9"))).await, reference);
    let nobody = Use::Mailbox { login: login("nobody"), also: Vec::new() };
    let row = AddressRow { pattern: pattern("x@example.org"), goes: nobody };
    assert_eq!(site.router.apply(Change::PutAddress(row)).await, reference);
    let row = AddressRow { pattern: pattern("x@nowhere.example"), goes: Use::Reject("no".to_owned()) };
    assert_eq!(site.router.apply(Change::PutAddress(row)).await, reference);
    let missing = site.router.apply(Change::RemoveAddress(pattern("x@example.org"))).await;
    assert_eq!(missing, Err(RouteError::NotFound("address")));
    let catch_all = Use::Mailbox { login: login("alice"), also: Vec::new() };
    let row = AddressRow { pattern: pattern("@example.org"), goes: catch_all };
    assert!(matches!(site.router.apply(Change::PutAddress(row)).await, Err(RouteError::Invalid(_))));
    for text in ["", "two\r\nlines", "f\u{fc}r", &"x".repeat(201)] {
        let row = AddressRow { pattern: pattern("x@example.org"), goes: Use::Reject(text.to_owned()) };
        assert!(
            matches!(site.router.apply(Change::PutAddress(row)).await, Err(RouteError::Invalid(_))),
            "{text:?}"
        );
    }
    let row = AddressRow { pattern: pattern("x@example.org"), goes: Use::Reject("x".repeat(200)) };
    site.put(Change::PutAddress(row)).await;
}

#[tokio::test]
async fn a_failed_change_leaves_no_trace() {
    let site = Site::new().await;
    let before = site.router.store().version().await.unwrap();
    assert!(site.router.apply(Change::RemoveUser(login("alice"))).await.is_err());
    assert_eq!(site.router.store().version().await.unwrap(), before);
    assert_eq!(site.route("alice@example.org").await, Route::Mailbox(place("alice", "b1", None)));
}

#[tokio::test]
async fn rows_are_listed_in_pages_as_they_were_put() {
    let site = Site::new().await;
    site.forward("info@example.org", &["alice@example.org"]).await;
    let store = site.router.store();
    assert_eq!(store.domains().await.unwrap(), [local("example.org")]);
    let page = Page { after: String::new(), rows_max: 2 };
    let users = store.users(page).await.unwrap();
    assert_eq!(users, [user("alice", "b1"), user("bob", "b1")]);
    let next = Page { after: "bob".to_owned(), rows_max: 2 };
    assert_eq!(store.users(next).await.unwrap(), [user("carol", "b2")]);
    let all = store.addresses(Page::first()).await.unwrap();
    assert_eq!(all.len(), 4);
    let info = AddressRow {
        pattern: pattern("info@example.org"),
        goes: Use::Forward(addresses(&["alice@example.org"])),
    };
    assert_eq!(all[3], info);
    let account =
        AccountRow { login: login("alice"), password_hash: "$argon2id$x".to_owned(), state: Enabled::No };
    site.put(Change::PutAccount(account.clone())).await;
    assert_eq!(site.router.account(&login("alice")).await.unwrap(), Some(account.clone()));
    assert!(!format!("{account:?}").contains("argon2"), "o1: a hash is not printed");
    site.put(Change::RemoveAccount(login("alice"))).await;
    assert_eq!(site.router.account(&login("alice")).await.unwrap(), None);
    site.put(Change::RemoveAddress(pattern("alice@example.org"))).await;
    site.put(Change::RemoveUser(login("alice"))).await;
}

#[tokio::test]
async fn a7_hostile_names_are_names_like_any_other() {
    let site = Site::new().await;
    let hostile = [
        "' OR '1'='1",
        "'; DROP TABLE address; --",
        "x' UNION SELECT 1,2,3,4,5,6,7,8,9 --",
        "%",
        "_",
        "a%",
        "al_ce",
        "?1",
        "$1",
        ":address",
        "\\",
        "a'",
        "x\u{2019}",
        "%' OR address LIKE '%",
        "alice/*",
        "'||'",
    ];
    for name in hostile {
        let given = Address::new(name, "example.org".parse().unwrap()).unwrap();
        assert_eq!(*site.router.route(&given).await.unwrap(), Route::Unknown, "{name}");
    }
    for name in hostile {
        let given = Address::new(name, "example.org".parse().unwrap()).unwrap();
        let goes = Use::Forward(vec![address("alice@example.org")]);
        site.put(Change::PutAddress(AddressRow { pattern: Pattern::Address(given.clone()), goes })).await;
        let here = to(vec![Destination::Mailbox(place("alice", "b1", None))]);
        assert_eq!(*site.router.route(&given).await.unwrap(), here, "{name}");
    }
    assert_eq!(site.route("nobody@example.org").await, Route::Unknown);
    assert_eq!(site.router.store().addresses(Page::first()).await.unwrap().len(), 3 + hostile.len());
    for name in ["a'--", "o'brien", "x;y"] {
        assert_eq!(site.router.user(&login(name)).await.unwrap(), None);
        site.put(Change::PutUser(user(name, "b1"))).await;
        assert_eq!(site.router.user(&login(name)).await.unwrap(), Some(user(name, "b1")));
    }
}

#[tokio::test]
async fn a_schema_from_the_future_is_not_touched() {
    let site = Site::new().await;
    let pool =
        sqlx::SqlitePool::connect(&format!("sqlite:{}", site.directory.path().join("routing.db").display()))
            .await
            .unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'new', 1, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let opened = Router::open(&DatabaseUrl::Sqlite(site.directory.path().join("routing.db"))).await;
    assert!(matches!(opened, Err(RouteError::Schema(_))), "{opened:?}");
}

#[tokio::test]
async fn a_database_put_back_from_a_copy_is_noticed() {
    let site = Site::new().await;
    let mut watch = site.router.watch();
    assert_eq!(site.route("alice@example.org").await, Route::Mailbox(place("alice", "b1", None)));
    let pool = raw(&site).await;
    sqlx::query("DELETE FROM address").execute(&pool).await.unwrap();
    sqlx::query("DELETE FROM route_change WHERE id > 2").execute(&pool).await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), watch.wait_for(|now| *now == Version(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(site.route("alice@example.org").await, Route::Unknown);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_a_temporary_failure_that_names_the_column() {
    let site = Site::new().await;
    let pool = raw(&site).await;
    sqlx::query("UPDATE address SET kind = 'secret' WHERE address = 'bob@example.org'")
        .execute(&pool)
        .await
        .unwrap();
    let told = site.router.route(&address("bob@example.org")).await.unwrap_err();
    assert_eq!(told, RouteError::Unavailable("a value in column address.kind is not valid".to_owned()));
    sqlx::query("UPDATE backend SET imap = 'here'").execute(&pool).await.unwrap();
    let told = site.router.store().backends().await.unwrap_err();
    assert_eq!(told, RouteError::Unavailable("a value in column imap is not valid".to_owned()));
    sqlx::query("UPDATE address SET kind = 'reject', reject_text = 'a' || char(13, 10) || '250 ok' WHERE address = 'bob@example.org'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        site.route("bob@example.org").await,
        Route::Reject("mail to this address is refused".to_owned())
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_seen_and_seen_to_come_back() {
    let site = Site::new().await;
    assert_eq!(site.route("alice@example.org").await, Route::Mailbox(place("alice", "b1", None)));
    assert_eq!(site.router.outage(), None);
    let pool = raw(&site).await;
    let rename = async |from_to: &'static str| sqlx::query(from_to).execute(&pool).await.unwrap();
    let until = async |wanted: bool| {
        let deadline = Instant::now() + Duration::from_secs(5);
        while site.router.outage().is_some() != wanted && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(site.router.outage().is_some(), wanted);
    };
    rename("ALTER TABLE route_change RENAME TO gone").await;
    until(true).await;
    let known = site.route("alice@example.org").await;
    assert_eq!(known, Route::Mailbox(place("alice", "b1", None)), "what is known goes on");
    rename("ALTER TABLE gone RENAME TO route_change").await;
    until(false).await;
}

#[tokio::test]
async fn the_numbers_of_old_changes_are_dropped() {
    let site = Site::new().await;
    let pool = raw(&site).await;
    sqlx::query("INSERT INTO route_change (id, at, what) VALUES (5000, 0, 'test')")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(site.put(Change::PutDomain(local("more.example"))).await, Version(5001));
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM route_change").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 2);
}

#[tokio::test]
async fn o1_the_file_with_the_hashes_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new().await;
    for entry in std::fs::read_dir(site.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_a_temporary_failure() {
    let opened = Router::open(&DatabaseUrl::Sqlite("/nowhere/at/all/routing.db".into())).await;
    assert!(matches!(opened, Err(RouteError::Unavailable(_))), "{opened:?}");
}

#[tokio::test]
async fn a_back_end_that_has_just_joined_is_known_at_once_everywhere() {
    let site = Site::new().await;
    let other = open(site.directory.path()).await;
    assert_eq!(other.backends().await.unwrap().len(), 2);
    site.put(Change::PutBackend(backend("b3", 100))).await;
    // No wait for the next look at the database: until then the name would be taken for a host's.
    assert_eq!(other.backend("b3").await.unwrap().map(|b| b.name.to_string()).as_deref(), Some("b3"));
    assert_eq!(other.backend("b4").await.unwrap(), None);
}
