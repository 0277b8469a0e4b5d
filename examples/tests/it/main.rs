//! The programs' files and command lines.

mod first_reads;

use std::path::Path;
use std::process::Command;

use murder::config;

#[test]
fn every_sample_configuration_says_what_its_role_understands() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for role in ["frontend", "backend", "master"] {
        let path = folder.join(format!("{role}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let node = config::parse(&path, &text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(node.role(), role);
    }
}

#[test]
fn check_says_what_is_wrong_where_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    std::fs::write(&file, "role = \"master\"\nname = \"m\"\nstorage = \"s\"\nstorge = 1\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_master"))
        .arg("--check")
        .arg("--config")
        .arg(&file)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in [file.to_str().unwrap(), ":4:", "storge", "allowed"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_file_of_another_role_is_refused() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/master.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_frontend")).arg("--config").arg(file).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn every_program_explains_itself() {
    for program in [
        env!("CARGO_BIN_EXE_frontend"),
        env!("CARGO_BIN_EXE_master"),
        env!("CARGO_BIN_EXE_backend"),
        env!("CARGO_BIN_EXE_murder"),
        env!("CARGO_BIN_EXE_murderctl"),
    ] {
        let output = Command::new(program).arg("--help").output().unwrap();
        assert!(output.status.success(), "{program}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage:"), "{program}");
    }
}
