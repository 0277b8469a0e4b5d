//! `SECURITY.md` names tests for what it claims; they are there, and no row is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How many rows each letter has; they are numbered from 1.
const ROWS: [(char, u32); 11] = [
    ('F', 10),
    ('T', 10),
    ('A', 12),
    ('P', 16),
    ('E', 8),
    ('N', 7),
    ('X', 9),
    ('R', 8),
    ('Q', 7),
    ('S', 9),
    ('O', 4),
];

/// Rows that must be proven by a test; the others may say why they are not yet.
const HELD: &str = "F1 F2 F3 F4 F5 F6 F7 F8 F10 T1 T2 T3 T4 T5 T6 T7 T8 P1 P2 P3 P4 A1 A2 A3 A8 A12 \
    N1 N2 N3 N4 Q1 Q2 Q5 Q6 S1 S2 S3 S7 X1 X2";

/// What stands in the last column, by the id in the first.
fn rows() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("{ROOT}/SECURITY.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, threat, met_by, tests] = cells[..] else { panic!("not four columns: {line}") };
        if id == "id" || id == "---" {
            continue;
        }
        assert!(!threat.is_empty() && !met_by.is_empty(), "{line}");
        assert!(rows.insert(id.to_owned(), tests.to_owned()).is_none(), "{id} stands twice");
    }
    rows
}

/// The tests that a last column names.
fn named(tests: &str) -> impl Iterator<Item = &str> {
    tests.split('`').skip(1).step_by(2)
}

/// The names of all test functions of the workspace.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                tests_in(&path, found);
            }
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                // Between `#[test]` and its function there may be other attributes. Inside `proptest!` it looks the same.
                if line.starts_with("#[") {
                    is_test |= line.contains("test]") || line.contains("test(");
                } else if let Some(rest) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
                    if is_test {
                        found.extend(rest.split('(').next().map(str::to_owned));
                    }
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_row_of_the_catalogue_stands_in_the_document() {
    let rows = rows();
    let expected: BTreeSet<String> =
        ROWS.iter().flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n}"))).collect();
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_test_that_the_document_names_is_there() {
    let mut tests = BTreeSet::new();
    tests_in(Path::new(ROOT), &mut tests);
    for (id, column) in rows() {
        let missing: Vec<_> = named(&column).filter(|test| !tests.contains(*test)).collect();
        assert!(missing.is_empty(), "{id} names {missing:?}");
        let proven = named(&column).next().is_some();
        let excused = column.strip_prefix("not yet: ").is_some_and(|why| !why.is_empty());
        assert!(proven != excused, "{id} names a test, or says why there is none: {column:?}");
    }
}

#[test]
fn what_this_version_holds_is_proven_by_a_test_of_that_name() {
    let rows = rows();
    for id in HELD.split_whitespace() {
        let own = format!("{}_", id.to_lowercase());
        let belongs = |test: &str| test.starts_with(&own) || test.contains(&format!("_{own}"));
        assert!(named(&rows[id]).any(belongs), "no test of {id} is named after it");
    }
}
