//! Logins: verdicts, their cost, their delays, and who may act for whom.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use mail_wire::{
    PlaintextLogin, Secret,
    sasl::{Authcid, Authzid, Credentials},
};
use murder::{
    accounts::{
        Accounts, AdminName, Asked, BackendDirectory, Directory, Hasher, Identity, LocalDirectory,
        MasterClient, NodeDirectory, Outage, PASSWORD_BYTES_MAX, PeerName, Principal, ProxyName,
        REJECTED_TEXT, Rejection, ReservedNames, UNAVAILABLE_TEXT, Verdict, authorize, plaintext_login,
    },
    config::{self, AccountLimits, BackendPeer, DatabaseUrl, MasterPeer, Node},
    routing::{AccountRow, Change, Enabled, Router},
};

/// Cheap hashes and short delays: what is tested is their number and order.
fn limits() -> AccountLimits {
    AccountLimits {
        argon2_memory_kib: 8,
        argon2_iterations: 1,
        first_delay: Duration::from_millis(200),
        delay_max: Duration::from_millis(400),
        ..AccountLimits::default()
    }
}

fn secret(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

fn peer() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn user(name: &str) -> Principal {
    Principal::User(name.parse().unwrap())
}

struct Site {
    accounts: Accounts<Principal>,
    hasher: Hasher,
    router: Router,
    _directory: tempfile::TempDir,
}

impl Site {
    /// alice with "secret", mallory disabled with "secret", and root, an administrator.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(directory.path().join("routing.db"));
        let router = Router::open(&url).await.unwrap();
        let hasher = Hasher::new(&limits()).unwrap();
        for (login, state) in [("alice", Enabled::Yes), ("mallory", Enabled::No), ("root", Enabled::Yes)] {
            set_password(&router, &hasher, login, "secret", state).await;
        }
        let admins = ReservedNames::new(["Root".to_owned()]);
        let local = LocalDirectory::new(router.clone(), hasher.clone(), admins);
        let accounts = Accounts::new(Box::new(local), &limits()).unwrap();
        Self { accounts, hasher, router, _directory: directory }
    }

    async fn verify(&self, name: &str, password: &str) -> Verdict<Principal> {
        self.accounts.verify(name, &secret(password), peer()).await
    }
}

async fn set_password(router: &Router, hasher: &Hasher, login: &str, password: &str, state: Enabled) {
    let password_hash = hasher.hash(password.as_bytes()).await.unwrap();
    router
        .apply(Change::PutAccount(AccountRow { login: login.parse().unwrap(), password_hash, state }))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_right_password_is_accepted_under_the_canonical_name() {
    let site = Site::new().await;
    assert_eq!(site.verify("alice", "secret").await, Verdict::Accepted(user("alice")));
    assert_eq!(site.verify("ALICE", "secret").await, Verdict::Accepted(user("alice")));
    assert_eq!(
        site.verify("root", "secret").await,
        Verdict::Accepted(Principal::Admin(AdminName::granted_to("root")))
    );
}

#[tokio::test]
async fn a3_unknown_wrong_and_disabled_cost_one_check_and_read_the_same() {
    let site = Site::new().await;
    let mut costs = Vec::new();
    for (name, password, expected) in [
        ("alice", "wrong", Rejection::Credentials),
        ("nobody", "secret", Rejection::Credentials),
        ("no*body", "secret", Rejection::Credentials),
        ("mallory", "secret", Rejection::Disabled),
        ("mallory", "wrong", Rejection::Credentials),
    ] {
        let before = site.hasher.checks();
        assert_eq!(site.verify(name, password).await, Verdict::Rejected(expected), "{name}");
        costs.push(site.hasher.checks() - before);
    }
    assert_eq!(costs, [1, 1, 1, 1, 1]);
    // There is one text, and it is a constant: no reason can reach it.
    assert_eq!(REJECTED_TEXT, "Invalid login or password");
    assert_ne!(REJECTED_TEXT, UNAVAILABLE_TEXT);
}

#[tokio::test]
async fn a8_empty_nul_and_endless_passwords_are_refused_before_anybody_is_asked() {
    let site = Site::new().await;
    let malformed = Verdict::Rejected(Rejection::Malformed);
    for password in ["", "\0", "secret\0", "\0secret"] {
        assert_eq!(site.verify("alice", password).await, malformed, "{password:?}");
    }
    assert_eq!(site.verify("", "secret").await, malformed);
    assert_eq!(site.verify("ali\0ce", "secret").await, malformed);
    assert_eq!(site.verify(&"a".repeat(256), "secret").await, malformed);
    assert_eq!(site.verify("alice", &"x".repeat(PASSWORD_BYTES_MAX + 1)).await, malformed);
    assert_eq!(site.hasher.checks(), 0);
    let longest = site.verify("alice", &"x".repeat(PASSWORD_BYTES_MAX)).await;
    assert_eq!(longest, Verdict::Rejected(Rejection::Credentials));
    assert_eq!(site.hasher.checks(), 1);
}

#[tokio::test]
async fn an_accepted_password_is_remembered_and_a_change_forgets_it() {
    let site = Site::new().await;
    for _ in 0..5 {
        assert_eq!(site.verify("alice", "secret").await, Verdict::Accepted(user("alice")));
    }
    assert_eq!(site.hasher.checks(), 1);
    assert_eq!(site.verify("alice", "secre").await, Verdict::Rejected(Rejection::Credentials));
    set_password(&site.router, &site.hasher, "alice", "other", Enabled::Yes).await;
    assert_eq!(site.verify("alice", "secret").await, Verdict::Rejected(Rejection::Credentials));
    assert_eq!(site.verify("alice", "other").await, Verdict::Accepted(user("alice")));
    set_password(&site.router, &site.hasher, "alice", "other", Enabled::No).await;
    assert_eq!(site.verify("alice", "other").await, Verdict::Rejected(Rejection::Disabled));
}

#[tokio::test]
async fn ten_connections_of_one_client_cost_one_check() {
    let site = Arc::new(Site::new().await);
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let site = Arc::clone(&site);
        logins.spawn(async move { site.verify("alice", "secret").await });
    }
    assert!(logins.join_all().await.iter().all(|verdict| *verdict == Verdict::Accepted(user("alice"))));
    assert_eq!(site.hasher.checks(), 1);
}

#[tokio::test]
async fn a4_guesses_wait_and_parallel_guesses_wait_in_line() {
    let site = Arc::new(Site::new().await);
    let start = Instant::now();
    let mut guesses = tokio::task::JoinSet::new();
    for n in 0..5 {
        let site = Arc::clone(&site);
        guesses.spawn(async move { site.verify("alice", &format!("guess{n}")).await });
    }
    assert!(
        guesses.join_all().await.iter().all(|verdict| *verdict == Verdict::Rejected(Rejection::Credentials))
    );
    // Three are free; the fourth waits 200 ms, the fifth 400 ms, one after the other.
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
    // Neither another user nor another network pays for it.
    let start = Instant::now();
    assert_eq!(site.verify("root", "wrong").await, Verdict::Rejected(Rejection::Credentials));
    let elsewhere = site.accounts.verify("alice", &secret("wrong"), "198.51.100.1".parse().unwrap()).await;
    assert_eq!(elsewhere, Verdict::Rejected(Rejection::Credentials));
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    // The user comes in, after a wait, and the failures are forgotten.
    assert_eq!(site.verify("alice", "secret").await, Verdict::Accepted(user("alice")));
    let start = Instant::now();
    assert_eq!(site.verify("alice", "wrong").await, Verdict::Rejected(Rejection::Credentials));
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a4_a_guess_whose_peer_hangs_up_is_counted() {
    /// Counts who asks, and never answers.
    struct Counting(Arc<AtomicU32>);
    impl Directory<()> for Counting {
        fn verify<'a>(&'a self, _: &'a str, _: &'a [u8]) -> Asked<'a, ()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        }
    }
    let asked = Arc::new(AtomicU32::new(0));
    let accounts = Accounts::new(Box::new(Counting(Arc::clone(&asked))), &limits()).unwrap();
    for _ in 0..6 {
        let guess = secret("x");
        let attempt = accounts.verify("a", &guess, peer());
        assert!(tokio::time::timeout(Duration::from_millis(5), attempt).await.is_err());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3, "the fourth hangs up while it waits, and has asked nothing");
}

#[tokio::test]
async fn a_directory_that_does_not_answer_is_neither_a_no_nor_a_failure() {
    struct Down;
    impl Directory<()> for Down {
        fn verify<'a>(&'a self, _: &'a str, _: &'a [u8]) -> Asked<'a, ()> {
            Box::pin(async { Verdict::Unavailable(Outage::Directory("gone".to_owned())) })
        }
    }
    let accounts = Accounts::new(Box::new(Down), &limits()).unwrap();
    let start = Instant::now();
    for _ in 0..20 {
        assert!(matches!(accounts.verify("a", &secret("x"), peer()).await, Verdict::Unavailable(_)));
    }
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_stored_hash_may_cost_only_so_much() {
    let hasher = Hasher::new(&limits()).unwrap();
    let hash = |params: &str| format!("$argon2id$v=19${params}$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA");
    assert!(hasher.check(b"x", Some(&hash("m=16,t=64,p=1"))).await.is_ok());
    for (params, outage) in [
        ("m=262145,t=1,p=1", "the hash costs more than is allowed"),
        ("m=16,t=65,p=1", "the hash costs more than is allowed"),
        ("m=4096,t=1,p=17", "the hash costs more than is allowed"),
        ("m=,t=1,p=1", "not an Argon2 hash"),
    ] {
        let told = hasher.check(b"x", Some(&hash(params))).await;
        assert!(matches!(told, Err(Outage::Stored(_))), "{params}");
        if params != "m=,t=1,p=1" {
            assert_eq!(told, Err(Outage::Stored(outage)), "{params}");
        }
    }
    assert_eq!(hasher.check(b"x", Some("hunter2")).await, Err(Outage::Stored("not a PHC string")));
}

#[test]
fn a1_who_may_act_for_whom() {
    let reserved = ReservedNames::new(["root".to_owned(), "proxy1".to_owned(), "peer1".to_owned()]);
    let proxy = || Principal::Proxy(ProxyName::granted_to("proxy1"));
    let admin = || Principal::Admin(AdminName::granted_to("root"));
    let node = || Principal::Peer(PeerName::granted_to("peer1"));
    let alice = |through: Option<ProxyName>| Ok(Identity::User { login: "alice".parse().unwrap(), through });
    let no = Err(Rejection::MayNotActFor);
    let table: Vec<(Principal, Option<&str>, Result<Identity, Rejection>)> = vec![
        (user("alice"), None, alice(None)),
        (user("alice"), Some("alice"), alice(None)),
        (user("alice"), Some("Alice"), alice(None)),
        (user("alice"), Some("bob"), no.clone()),
        (user("alice"), Some("root"), no.clone()),
        (user("alice"), Some(""), no.clone()),
        (admin(), None, Ok(Identity::Admin(AdminName::granted_to("root")))),
        (admin(), Some("root"), Ok(Identity::Admin(AdminName::granted_to("root")))),
        (admin(), Some("alice"), no.clone()),
        (proxy(), None, no.clone()),
        (proxy(), Some("proxy1"), no.clone()),
        (proxy(), Some("alice"), alice(Some(ProxyName::granted_to("proxy1")))),
        (proxy(), Some("root"), no.clone()),
        (proxy(), Some("ROOT"), no.clone()),
        (proxy(), Some("peer1"), no.clone()),
        (proxy(), Some("al*ce"), no.clone()),
        (node(), None, Ok(Identity::Peer(PeerName::granted_to("peer1")))),
        (node(), Some("peer1"), Ok(Identity::Peer(PeerName::granted_to("peer1")))),
        (node(), Some("alice"), no),
    ];
    for (principal, authzid, expected) in table {
        assert_eq!(authorize(principal.clone(), authzid, &reserved), expected, "{principal:?} {authzid:?}");
    }
}

#[tokio::test]
async fn a1_a_login_that_may_not_act_for_another_is_refused_like_a_wrong_password() {
    let site = Site::new().await;
    let credentials = |authzid: Option<&str>| Credentials {
        authcid: Authcid::new(b"alice").unwrap(),
        authzid: authzid.map(|name| Authzid::new(name.as_bytes()).unwrap()),
        password: secret("secret"),
    };
    let nobody = ReservedNames::default();
    let alice = Verdict::Accepted(Identity::User { login: "alice".parse().unwrap(), through: None });
    assert_eq!(site.accounts.log_in(&credentials(None), &nobody, peer()).await, alice);
    let other = site.accounts.log_in(&credentials(Some("root")), &nobody, peer()).await;
    assert_eq!(other, Verdict::Rejected(Rejection::MayNotActFor));
}

/// A back-end's configuration with a node of each role: one known by a file, one by a hash.
async fn backend_nodes(hasher: &Hasher, directory: &std::path::Path) -> NodeDirectory<BackendPeer> {
    std::fs::write(directory.join("proxy"), "proxy secret\n").unwrap();
    std::fs::write(directory.join("peer"), "peer secret\n").unwrap();
    let hash = hasher.hash(b"admin secret").await.unwrap();
    let text = format!(
        "role = \"backend\"\nname = \"b1\"\nstorage = \"data\"\n[listen]\nimap = \"127.0.0.1:0\"\n\
         [master]\naddress = \"127.0.0.1:3905\"\nlogin = \"b1\"\npassword_file = \"peer\"\n\
         [[credential]]\nname = \"proxy1\"\nrole = \"proxy\"\npassword_file = \"proxy\"\n\
         [[credential]]\nname = \"peer1\"\nrole = \"peer\"\npassword_file = \"peer\"\n\
         [[credential]]\nname = \"cyrus\"\nrole = \"admin\"\npassword_hash = \"{hash}\"\n"
    );
    let Node::Backend(backend) = config::parse(&directory.join("b1.toml"), &text).unwrap() else { panic!() };
    NodeDirectory::new(&backend.credential, hasher.clone()).unwrap()
}

#[tokio::test]
async fn a2_each_node_has_its_own_role_and_password() {
    let hasher = Hasher::new(&limits()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let nodes = backend_nodes(&hasher, directory.path()).await;
    let accounts = Accounts::new(Box::new(BackendDirectory::new(nodes, None)), &limits()).unwrap();
    let verify = async |name: &str, password: &str| accounts.verify(name, &secret(password), peer()).await;
    assert_eq!(
        verify("proxy1", "proxy secret").await,
        Verdict::Accepted(Principal::Proxy(ProxyName::granted_to("proxy1")))
    );
    assert_eq!(
        verify("peer1", "peer secret").await,
        Verdict::Accepted(Principal::Peer(PeerName::granted_to("peer1")))
    );
    assert_eq!(
        verify("cyrus", "admin secret").await,
        Verdict::Accepted(Principal::Admin(AdminName::granted_to("cyrus")))
    );
    for (name, password) in [
        ("proxy1", "peer secret"),
        ("peer1", "proxy secret"),
        ("cyrus", "proxy secret"),
        ("Proxy1", "proxy secret"),
    ] {
        assert_eq!(verify(name, password).await, Verdict::Rejected(Rejection::Credentials), "{name}");
    }
}

#[tokio::test]
async fn a3_a_wrong_password_of_a_node_costs_what_an_unknown_name_costs() {
    let hasher = Hasher::new(&limits()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let nodes = BackendDirectory::new(backend_nodes(&hasher, directory.path()).await, None);
    for name in ["proxy1", "cyrus", "nobody"] {
        let before = hasher.checks();
        assert_eq!(nodes.verify(name, b"wrong").await, Verdict::Rejected(Rejection::Credentials));
        assert_eq!(hasher.checks() - before, 1, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_runs_alone_knows_users_and_nodes_and_never_mixes_them() {
    let site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    set_password(&site.router, &site.hasher, "proxy1", "user secret", Enabled::Yes).await;
    let nodes = backend_nodes(&site.hasher, directory.path()).await;
    let local = LocalDirectory::new(site.router.clone(), site.hasher.clone(), ReservedNames::default());
    let both = BackendDirectory::new(nodes, Some(local));
    assert_eq!(both.verify("alice", b"secret").await, Verdict::Accepted(user("alice")));
    assert!(matches!(both.verify("proxy1", b"proxy secret").await, Verdict::Accepted(Principal::Proxy(_))));
    assert_eq!(both.verify("proxy1", b"user secret").await, Verdict::Rejected(Rejection::Credentials));
}

#[tokio::test]
async fn a_master_knows_back_ends_from_front_ends() {
    let hasher = Hasher::new(&limits()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p"), "secret").unwrap();
    let text = "role = \"master\"\nname = \"m\"\nstorage = \"data\"\n[listen]\nmupdate = \"127.0.0.1:0\"\n\
                [[credential]]\nname = \"b1\"\nrole = \"backend\"\npassword_file = \"p\"\n";
    let Node::Master(master) = config::parse(&directory.path().join("m.toml"), text).unwrap() else {
        panic!()
    };
    let nodes = NodeDirectory::new(&master.credential, hasher).unwrap();
    let accounts = Accounts::<MasterClient>::new(Box::new(nodes), &limits()).unwrap();
    let backend = MasterClient { name: "b1".to_owned(), role: MasterPeer::Backend };
    assert_eq!(accounts.verify("b1", &secret("secret"), peer()).await, Verdict::Accepted(backend));
}

#[test]
fn a12_passwords_in_the_clear_are_taken_from_this_machine_alone() {
    for (address, expected) in [
        ("127.0.0.1", PlaintextLogin::DangerAllow),
        ("127.8.9.10", PlaintextLogin::DangerAllow),
        ("::1", PlaintextLogin::DangerAllow),
        ("::ffff:127.0.0.1", PlaintextLogin::DangerAllow),
        ("192.168.0.1", PlaintextLogin::Refuse),
        ("10.0.0.1", PlaintextLogin::Refuse),
        ("fe80::1", PlaintextLogin::Refuse),
        ("::ffff:192.0.2.1", PlaintextLogin::Refuse),
    ] {
        assert_eq!(plaintext_login(address.parse().unwrap()), expected, "{address}");
    }
}

#[tokio::test]
async fn o1_no_debug_output_shows_a_password_or_a_hash() {
    let site = Site::new().await;
    let shown = format!("{:?} {:?} {:?}", site.accounts, site.hasher, site.router);
    assert!(!shown.contains("argon2id") && !shown.contains("secret"), "{shown}");
    let credentials =
        Credentials { authcid: Authcid::new(b"a").unwrap(), authzid: None, password: secret("hunter2") };
    assert!(!format!("{credentials:?}").contains("hunter2"));
}
