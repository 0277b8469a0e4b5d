//! MUPDATE: our client and Cyrus's master, Cyrus's clients and our master.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use interop::cyrus::Cyrus;
use interop::daemon::{self, Daemon, command, eventually, free_port};
use interop::talk::Talk;
use mail_wire::sasl::{Authcid, Credentials};
use mail_wire::{Secret, TlsActive, TlsMode};
use mupdate_proto::client::{Config, Connection, Event, Outcome};
use mupdate_proto::{Acl, Change, Command, EntryState, Location, LocationPrefix, MailboxEntry, MailboxName};
use smtp_proto::ForwardPath;

use crate::mail::{self, envelope, message, quit, ready};

/// The password of everybody here.
const PASSWORD: &str = "secret";

#[test]
fn cyrus_as_a_master_keeps_the_list_and_streams_its_changes() {
    let cyrus = Cyrus::start("");
    let mut backend = log_in(cyrus.mupdate, "mupdate");
    let change = |name: &str, acl: &str| Change::Activate {
        name: mailbox(name),
        location: location("be1.peer.test!default"),
        acl: Acl::new(acl.as_bytes().to_vec()).unwrap(),
    };
    let reserve =
        |name: &str| Change::Reserve { name: mailbox(name), location: location("be1.peer.test!default") };
    for name in ["user.alice", "user.alice.Sent Items", "user.bob"] {
        assert_eq!(ask(&mut backend, &Command::Change(reserve(name))).0, Outcome::Ok);
        assert_eq!(
            ask(&mut backend, &Command::Change(change(name, "alice\tlrswipkxtecdan\t"))).0,
            Outcome::Ok
        );
    }
    let (outcome, found) = ask(&mut backend, &Command::Find(mailbox("user.alice.Sent Items")));
    assert_eq!(outcome, Outcome::Ok);
    assert_eq!(shown(&found), ["user.alice.Sent Items be1.peer.test!default alice\tlrswipkxtecdan\t"]);
    let prefix = LocationPrefix::new(&b"be1.peer.test!"[..]).unwrap();
    let (_, listed) = ask(&mut backend, &Command::List(Some(prefix)));
    assert_eq!(listed.len(), 3, "{listed:?}");

    // A front-end's slave: the list first, then each change, and a barrier behind it.
    let mut slave = log_in(cyrus.mupdate, "mupdate");
    let (outcome, entries) = ask(&mut slave, &Command::Update(Vec::new()));
    assert_eq!((outcome, entries.len()), (Outcome::Ok, 3));
    assert_eq!(ask(&mut backend, &Command::Change(change("user.bob", "bob\tlrs\t"))).0, Outcome::Ok);
    let deactivate =
        Change::Deactivate { name: mailbox("user.alice"), location: location("be1.peer.test!default") };
    assert_eq!(ask(&mut backend, &Command::Change(deactivate)).0, Outcome::Ok);
    let delete = Change::Delete { name: mailbox("user.alice.Sent Items") };
    assert_eq!(ask(&mut backend, &Command::Change(delete)).0, Outcome::Ok);
    let barrier = slave.conn().send(&Command::Noop).unwrap();
    let mut told = Vec::new();
    loop {
        match slave.next_event().expect("Cyrus closed") {
            Event::Entry { entry, .. } => told.push(shown(&[entry]).remove(0)),
            Event::Deleted(name) => told.push(format!("deleted {name}")),
            Event::Completed { command, outcome, .. } => {
                assert_eq!((command, outcome), (barrier, Outcome::Ok));
                break;
            }
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(
        told,
        [
            "user.bob be1.peer.test!default bob\tlrs\t",
            "user.alice be1.peer.test!default reserved",
            "deleted user.alice.Sent Items"
        ]
    );
    for mut talk in [backend, slave] {
        talk.conn().send(&Command::Logout).unwrap();
        talk.until(|event| matches!(event, Event::Bye { .. }).then_some(()));
    }
}

#[test]
fn cyrus_as_a_back_end_registers_at_our_master() {
    let master = Master::start();
    let settings = format!(
        "mupdate_server: localhost:{}\nmupdate_port: {}\nmupdate_authname: localhost\nmupdate_username: localhost\n\
         mupdate_password: {PASSWORD}\nproxyservers: proxy\n",
        master.mupdate.port(),
        master.mupdate.port()
    );
    let cyrus = Cyrus::start(&settings);

    // A test of Cyrus's own logs in.
    let mut test = command("/usr/lib/cyrus/bin/mupdatetest");
    test.args(["-m", "PLAIN", "-a", "localhost", "-u", "localhost", "-w", PASSWORD, "-p"]);
    test.arg(master.mupdate.port().to_string()).arg("localhost");
    let mut test = test.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    test.stdin.take().unwrap().write_all(b"F01 FIND \"user.nobody\"\r\nQ01 LOGOUT\r\n").unwrap();
    let output = String::from_utf8_lossy(&test.wait_with_output().unwrap().stdout).into_owned();
    assert!(output.contains("Authenticated.") && output.contains("F01 OK"), "{output}");

    // Its store makes an INBOX at the first delivery, and says so to the master.
    let mut delivery = Talk::new(
        cyrus.lmtp,
        lmtp_proto::client::Connection::new(mail::config(TlsMode::Never), Instant::now()),
    );
    ready(&mut delivery, "");
    let mut to_alice = envelope(&["alice@peer.test"]);
    to_alice.recipients = vec![ForwardPath::local("alice").unwrap().into()];
    let fates = mail::send(&mut delivery, to_alice, &message("first", "x\r\n"));
    assert_eq!(fates, [250], "{}", cyrus.log());
    quit(delivery);
    let mut site = log_in(master.mupdate, "localhost");
    let registered = eventually("the INBOX on the list", || {
        let (_, entries) = ask(&mut site, &Command::List(None));
        shown(&entries).into_iter().find(|entry| entry.starts_with("user.alice localhost!default alice\t"))
    });

    // The list has lost it: a push of the whole store brings it back, and takes off what the store does not have.
    assert_eq!(
        ask(&mut site, &Command::Change(Change::Delete { name: mailbox("user.alice") })).0,
        Outcome::Ok
    );
    let stranger = Change::Activate {
        name: mailbox("user.stranger"),
        location: location("localhost!default"),
        acl: Acl::new(&b"stranger\tlrs\t"[..]).unwrap(),
    };
    assert_eq!(ask(&mut site, &Command::Change(stranger)).0, Outcome::Ok);
    let mut push = cyrus.tool("ctl_mboxlist");
    let pushed = push.arg("-m").output().unwrap();
    assert!(pushed.status.success(), "{pushed:?}\n{}", cyrus.log());
    let (_, entries) = ask(&mut site, &Command::List(None));
    assert_eq!(shown(&entries), [registered]);
}

fn mailbox(name: &str) -> MailboxName {
    MailboxName::new(name.as_bytes().to_vec()).unwrap()
}

fn location(location: &str) -> Location {
    Location::new(location.as_bytes().to_vec()).unwrap()
}

/// A connection that is logged in.
fn log_in(place: SocketAddr, name: &str) -> Talk<Connection> {
    let mut talk = Talk::new(place, Connection::new(Config::new(TlsMode::Never), Instant::now()));
    talk.until(|event| matches!(event, Event::Greeting(_)).then_some(()));
    let who = Credentials {
        authzid: None,
        authcid: Authcid::new(name.as_bytes()).unwrap(),
        password: Secret::new(PASSWORD.as_bytes().to_vec()),
    };
    talk.conn().login_plain(&who, TlsActive::danger_assume_protected()).unwrap();
    talk.until(|event| match event {
        Event::Authenticated => Some(()),
        event => panic!("{event:?}"),
    });
    talk
}

/// Sends a command. Returns how it ended, and the entries that it gave.
fn ask(talk: &mut Talk<Connection>, command: &Command) -> (Outcome, Vec<MailboxEntry>) {
    let id = talk.conn().send(command).unwrap();
    let mut entries = Vec::new();
    loop {
        match talk.next_event().expect("the master closed") {
            Event::Entry { entry, .. } => entries.push(entry),
            Event::Completed { command, outcome, .. } if command == id => return (outcome, entries),
            event => panic!("{event:?}"),
        }
    }
}

/// Name, location and ACL of each entry.
fn shown(entries: &[MailboxEntry]) -> Vec<String> {
    let shown = entries.iter().map(|MailboxEntry { name, location, state }| match state {
        EntryState::Active(acl) => format!("{name} {location} {}", String::from_utf8_lossy(acl.as_bytes())),
        EntryState::Reserved => format!("{name} {location} reserved"),
    });
    shown.collect()
}

/// A master of ours, with a back-end called `localhost`.
struct Master {
    mupdate: SocketAddr,
    _directory: tempfile::TempDir,
    _process: Daemon,
}

impl Master {
    fn start() -> Self {
        let directory = daemon::directory();
        let _ = daemon::certificate(directory.path());
        let (mupdate, admin) = (free_port(), free_port());
        let at = |name: &str| directory.path().join(name).display().to_string();
        for (file, text) in [("secret", PASSWORD), ("token", "0123456789abcdef0123456789abcdef")] {
            fs::write(at(file), text).unwrap();
            daemon::set_mode(at(file).as_ref(), 0o600);
        }
        daemon::set_mode(at("key.pem").as_ref(), 0o600);
        let configuration = format!(
            "role = \"master\"\nname = \"master\"\nstorage = \"{}\"\n[listen]\nmupdate = \"{mupdate}\"\n\
             [tls]\ncert = \"{}\"\nkey = \"{}\"\n[[credential]]\nname = \"localhost\"\nrole = \"backend\"\n\
             password_file = \"{}\"\n[admin]\nlisten = \"{admin}\"\ntoken_file = \"{}\"\n",
            at("list"),
            at("cert.pem"),
            at("key.pem"),
            at("secret"),
            at("token"),
        );
        fs::write(at("master.toml"), configuration).unwrap();
        let mut program = command(binary("master").to_str().unwrap());
        program.arg("--config").arg(at("master.toml"));
        let process = Daemon::start(program, mupdate, &directory.path().join("log"));
        Self { mupdate, _directory: directory, _process: process }
    }
}

/// A program of this workspace, which `cargo test --workspace` builds.
fn binary(name: &str) -> PathBuf {
    // target/debug/deps/peers-0123 -> target/debug
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join(name)
}
