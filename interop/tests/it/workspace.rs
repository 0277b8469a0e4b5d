//! The arrows between the packages, as `ARCHITECTURE.md` draws them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The normal dependencies of each package of the workspace, by the folder it stands in.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let folder = |package: &cargo_metadata::Package| {
        package.manifest_path.parent().and_then(|p| p.file_name()).unwrap().to_owned()
    };
    metadata
        .packages
        .iter()
        .map(|package| {
            let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
            (folder(package), normal.map(|d| d.name.to_string()).collect())
        })
        .collect()
}

fn ours(of: &BTreeSet<String>) -> Vec<&str> {
    of.iter().filter_map(|d| d.strip_prefix("corbie-")).collect()
}

#[test]
fn the_arrows_between_our_crates_are_those_of_the_map() {
    let all = dependencies();
    assert_eq!(ours(&all["wire"]), [] as [&str; 0]);
    for protocol in ["imap-proto", "pop3-proto", "smtp-proto", "mupdate-proto"] {
        assert_eq!(ours(&all[protocol]), ["mail-wire"], "{protocol}");
    }
    assert_eq!(ours(&all["lmtp-proto"]), ["mail-wire", "smtp-proto"]);
    assert_eq!(ours(&all["mailstore"]), [] as [&str; 0]);
    for library in
        ["wire", "imap-proto", "pop3-proto", "smtp-proto", "lmtp-proto", "mupdate-proto", "mailstore"]
    {
        assert!(!all[library].contains("corbie-murder"), "{library}");
    }
}

#[test]
fn no_library_but_murder_knows_a_runtime_a_socket_or_a_logger() {
    let all = dependencies();
    let worldly =
        ["tokio", "async-std", "smol", "mio", "socket2", "tracing", "log", "rand", "chrono", "jiff", "time"];
    for library in
        ["wire", "imap-proto", "pop3-proto", "smtp-proto", "lmtp-proto", "mupdate-proto", "mailstore"]
    {
        let found: Vec<_> = worldly.iter().filter(|w| all[library].contains(**w)).collect();
        assert!(found.is_empty(), "{library} depends on {found:?}");
    }
    for protocol in ["wire", "imap-proto", "pop3-proto", "smtp-proto", "lmtp-proto", "mupdate-proto"] {
        assert!(!all[protocol].contains("getrandom"), "{protocol}");
    }
}

#[test]
fn protocol_crates_depend_on_little() {
    let allowed = ["base64", "bytes", "memchr", "nom", "thiserror", "tokio-util", "zeroize"];
    let all = dependencies();
    for protocol in ["wire", "imap-proto", "pop3-proto", "smtp-proto", "lmtp-proto", "mupdate-proto"] {
        for dependency in &all[protocol] {
            let known = allowed.contains(&dependency.as_str()) || dependency.starts_with("corbie-");
            assert!(known, "{protocol} depends on {dependency}");
        }
    }
}

#[test]
fn every_library_forbids_unsafe_code() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let libraries = [
        "wire",
        "imap-proto",
        "pop3-proto",
        "smtp-proto",
        "lmtp-proto",
        "mupdate-proto",
        "mailstore",
        "murder",
    ];
    for library in libraries {
        let text = std::fs::read_to_string(format!("{root}/{library}/src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{library}");
    }
}
