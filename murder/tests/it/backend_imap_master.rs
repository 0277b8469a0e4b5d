//! IMAP at a back-end of a murder: what the master has to do with it.

use std::path::Path;
use std::time::Duration;

use murder::backend::Backend;
use murder::config::{self, Node};
use murder::node::Running;

use crate::backend_imap_support::{Imap, kill, message};
use crate::master_support::{TestMaster, activate, delete, reserve, shown};

const SOON: Duration = Duration::from_secs(20);

/// A back-end under this name, whose master listens there.
async fn start(folder: &Path, name: &str, master: &TestMaster) -> Running {
    for (file, secret) in
        [("master", format!("secret-{name}")), ("peer", "peer".into()), ("proxy", "proxy".into())]
    {
        std::fs::write(folder.join(file), secret).unwrap();
    }
    let text = format!(
        "role = \"backend\"\nname = \"{name}\"\nstorage = \"store\"\n[listen]\nimap = \"127.0.0.1:0\"\n\
         [master]\naddress = \"{}\"\nlogin = \"{name}\"\npassword_file = \"master\"\n\
         [[credential]]\nname = \"peer\"\nrole = \"peer\"\npassword_file = \"peer\"\n\
         [[credential]]\nname = \"proxy\"\nrole = \"proxy\"\npassword_file = \"proxy\"\n\
         [accounts]\nargon2_memory_kib = 8\nargon2_iterations = 1\n",
        master.address
    );
    let Node::Backend(config) = config::parse(&folder.join("backend.toml"), &text).unwrap() else {
        panic!("not a back-end")
    };
    Backend::builder(*config).start().await.unwrap()
}

async fn peer(running: &Running) -> Imap {
    let mut imap = Imap::connect(running).await;
    imap.ok("LOGIN peer peer").await;
    imap
}

async fn proxied(running: &Running, login: &str) -> Imap {
    let mut imap = Imap::connect(running).await;
    assert!(imap.plain(login, "proxy", "proxy").await.contains(" OK "));
    imap
}

/// Waits until a command succeeds: until the master is reached.
async fn soon(imap: &mut Imap, command: &str) {
    let tries = async {
        while !imap.reply(command).await.starts_with("OK") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, tries).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_the_tree_is_in_the_master_s_list_before_it_is_answered() {
    let master = TestMaster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), "be1", &master).await;
    let mut node = peer(&running).await;
    soon(&mut node, "CREATE user/alice").await;
    let list = async || shown(&master.list().await);
    let owner = "be1!default alice lrswipkxtecdan";
    assert_eq!(list().await, [format!("user.alice {owner}")]);
    let mut alice = proxied(&running, "alice").await;
    alice.ok("CREATE INBOX/a/b").await;
    alice.ok("SETACL INBOX/a bob lr").await;
    alice.ok("RENAME INBOX/a INBOX/c").await;
    let expected = [
        format!("user.alice {owner}"),
        format!("user.alice.c {owner} bob lr"),
        format!("user.alice.c.b {owner}"),
    ];
    assert_eq!(list().await, expected);
    alice.ok("DELETE INBOX/c/b").await;
    node.ok("DELETE user/alice").await;
    assert_eq!(list().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_master_mail_goes_on_and_only_the_tree_stands_still() {
    let mut master = TestMaster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), "be1", &master).await;
    let mut node = peer(&running).await;
    soon(&mut node, "CREATE user/alice").await;
    let mut alice = proxied(&running, "alice").await;
    alice.ok("CREATE INBOX/old").await;
    master.kill().await;
    let unavailable = "NO [UNAVAILABLE]";
    // Whether a connection has just been lost or was lost before, nothing is changed here.
    alice.check("CREATE INBOX/new", &[], unavailable).await;
    alice.check("RENAME INBOX/old INBOX/new", &[], unavailable).await;
    alice.check("SETACL INBOX bob lr", &[], unavailable).await;
    let tree = ["* LIST (\\HasChildren) \"/\" INBOX", "* LIST (\\HasNoChildren) \"/\" INBOX/old"];
    alice.check("LIST \"\" *", &tree, "OK").await;
    alice.check("GETACL INBOX", &["* ACL INBOX alice lrswipkxtecdan"], "OK").await;
    assert!(alice.append("INBOX", &message("1")).await.starts_with("OK"));
    alice.ok("SELECT INBOX").await;
    alice.ok("STORE 1 +FLAGS (\\Seen)").await;
    alice.ok("DELETE INBOX/old").await;
    master.run().await;
    soon(&mut alice, "CREATE INBOX/new").await;
    let owner = "be1!default alice lrswipkxtecdan";
    let expected = [format!("user.alice {owner}"), format!("user.alice.new {owner}")];
    assert_eq!(shown(&master.list().await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_another_server_cannot_be_made() {
    let master = TestMaster::start().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = start(folders[0].path(), "be1", &master).await;
    let second = start(folders[1].path(), "be2", &master).await;
    let mut one = peer(&first).await;
    soon(&mut one, "CREATE user/alice").await;
    let mut other = peer(&second).await;
    soon(&mut other, "CREATE user/bob").await;
    other.check("CREATE user/alice", &[], "NO [ALREADYEXISTS]").await;
    other.check("LIST \"\" user/alice", &[], "OK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_whose_name_another_server_has_is_set_aside_with_its_mail() {
    let master = TestMaster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), "be2", &master).await;
    soon(&mut peer(&running).await, "CREATE user/alice").await;
    assert!(proxied(&running, "alice").await.append("INBOX", &message("1")).await.starts_with("OK"));
    kill(Some(running), &folder.path().join("store")).await;
    master.client("be2").await.ok(delete("user.alice")).await;
    let mut other = master.client("be1").await;
    other.ok(reserve("user.alice", "be1!default")).await;
    other.ok(activate("user.alice", "be1!default", "alice\tlr\t")).await;
    let running = start(folder.path(), "be2", &master).await;
    let expected = ["LOST.user.alice be2!default alice lrswipkxtecdan", "user.alice be1!default alice lr"];
    let settled = async {
        while shown(&master.list().await) != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, settled).await.unwrap();
    let mut node = peer(&running).await;
    node.check("STATUS LOST/user/alice (MESSAGES)", &["* STATUS LOST/user/alice (MESSAGES 1)"], "OK").await;
    node.check("STATUS user/alice (MESSAGES)", &[], "NO [NONEXISTENT]").await;
}
