//! The same on a real directory, and what makes that directory private.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use mailstore::disk::{Disk, FileDisk};
use mailstore::log::Options;

use crate::log_support::{Ask, open_with, small};

#[test]
fn a_log_on_a_real_disk_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut expected = Vec::new();
    for round in 0..3_u8 {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(&path).unwrap());
        let opened = open_with(&disk, small()).unwrap();
        assert_eq!(opened.contents(), expected);
        for index in 0..20_u8 {
            let bytes = vec![round * 20 + index; 3000];
            opened.put(&bytes).unwrap();
            expected.push(bytes);
        }
        let mut writer = opened.log.bulk().unwrap();
        writer.write(&[9; 300_000]).unwrap();
        let bulk = writer.finish().unwrap();
        let place = bulk.place();
        opened.log.submit(Ask::Attach(bulk)).wait().unwrap();
        expected.push(place.encode().to_vec());
        opened.log.checkpoint().wait().unwrap();
        opened.check_places();
        assert_eq!(opened.log.read(place).unwrap(), vec![9; 300_000]);
    }
    for entry in fs::read_dir(path.join("log")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_default_options_open_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(directory.path()).unwrap());
    let opened = open_with(&disk, Options::default()).unwrap();
    opened.put(&vec![1; 3 << 20]).unwrap();
    opened.check_places();
}

#[test]
fn s8_a_second_owner_a_link_and_a_directory_that_others_can_write_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let disk = FileDisk::open(&path).unwrap();
    assert_eq!(FileDisk::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let below = disk.subdirectory("log").unwrap();
    drop(disk);
    assert_eq!(FileDisk::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock, "a part still has it");
    drop(below);
    let disk = FileDisk::open(&path).unwrap();

    fs::write(directory.path().join("elsewhere"), b"secret").unwrap();
    symlink(directory.path().join("elsewhere"), path.join("STORE")).unwrap();
    assert!(disk.open("STORE").is_err());
    assert!(disk.create("STORE").is_err());
    assert!(disk.open("../elsewhere").is_err());
    drop(disk);

    symlink(&path, directory.path().join("link")).unwrap();
    assert!(FileDisk::open(directory.path().join("link")).is_err());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(FileDisk::open(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}
