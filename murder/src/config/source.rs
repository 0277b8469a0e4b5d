//! The text of a configuration file, and where in it each key stands.
//!
//! `serde` says what is wrong with a value, TOML says at which byte; an operator wants the line and the dotted
//! path. Both come from one walk over the parsed document.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::Problem;

/// Where a key stands.
#[derive(Debug)]
struct Place {
    path: String,
    key: Range<usize>,
    value: Range<usize>,
    is_table: bool,
}

/// A parsed file: every key with its place.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: &'t str,
    places: Vec<Place>,
}

impl<'t> Source<'t> {
    /// Reads the document, or says where it is not TOML.
    pub(super) fn new(text: &'t str) -> Result<Self, Problem> {
        match DeTable::parse(text) {
            Ok(document) => Ok(Self { text, places: places(&document) }),
            Err(error) => Err(Problem {
                line: error.span().map(|span| line_at(text, span.start)),
                key: String::new(),
                message: format!("not a TOML document: {}", error.message()),
                allowed: "TOML 1.0 (https://toml.io)".to_owned(),
            }),
        }
    }

    /// The line on which this key stands; of its nearest parent when the key itself is missing.
    pub(super) fn line(&self, key: &str) -> Option<usize> {
        let mut path = key;
        loop {
            if let Some(place) = self.places.iter().find(|place| place.path == path) {
                return Some(line_at(self.text, place.key.start));
            }
            path = path.rsplit_once(['.', '['])?.0;
        }
    }

    /// A problem with this key.
    pub(super) fn problem(
        &self,
        key: impl Into<String>,
        message: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Problem {
        let key = key.into();
        Problem { line: self.line(&key), key, message: message.into(), allowed: allowed.into() }
    }

    /// What `serde` found wrong, as a problem.
    pub(super) fn explain(&self, error: &toml::de::Error) -> Problem {
        let message = error.message();
        let missing = quoted_after(message, "missing field `");
        // What is missing is missing from a table, though the table may be no longer than its one key.
        let wanted = |place: &&Place| missing.is_none() || place.is_table;
        let parent = error.span().map(|span| self.path_at(&span, wanted)).unwrap_or_default();
        if let Some(field) = missing {
            return self.problem(join(&parent, field), "is missing", "this key is required here");
        }
        let (what, allowed) = message.split_once(", expected ").unwrap_or((message, "see the sample files"));
        let key = match quoted_after(message, "unknown field `") {
            Some(field) if last(&parent) != field => join(&parent, field),
            _ => parent,
        };
        let what = match what.strip_prefix("unknown field") {
            Some(_) => "unknown key",
            None => what,
        };
        Problem {
            line: error.span().map(|span| line_at(self.text, span.start)),
            key,
            message: what.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    /// The innermost key that has this part of the text in its name or value.
    fn path_at(&self, span: &Range<usize>, wanted: impl Fn(&&Place) -> bool) -> String {
        let holds = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
        self.places
            .iter()
            .filter(|place| holds(&place.key) || holds(&place.value))
            .filter(wanted)
            .max_by_key(|place| place.path.len())
            .map(|place| place.path.clone())
            .unwrap_or_default()
    }
}

fn places(document: &Spanned<DeTable<'_>>) -> Vec<Place> {
    let mut places = Vec::new();
    let mut tables = vec![(String::new(), document.get_ref())];
    let mut arrays = Vec::new();
    while let Some((parent, table)) = tables.pop() {
        for (key, value) in table {
            let path = join(&parent, key.get_ref());
            places.push(place(&path, key.span(), value));
            match value.get_ref() {
                DeValue::Table(table) => tables.push((path, table)),
                DeValue::Array(array) => arrays.push((path, array)),
                _ => {}
            }
        }
        while let Some((path, array)) = arrays.pop() {
            for (number, value) in array.iter().enumerate() {
                let path = format!("{path}[{number}]");
                places.push(place(&path, value.span(), value));
                match value.get_ref() {
                    DeValue::Table(table) => tables.push((path, table)),
                    DeValue::Array(array) => arrays.push((path, array)),
                    _ => {}
                }
            }
        }
    }
    places
}

fn place(path: &str, key: Range<usize>, value: &Spanned<DeValue<'_>>) -> Place {
    let is_table = matches!(value.get_ref(), DeValue::Table(_));
    Place { path: path.to_owned(), key, value: value.span(), is_table }
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

fn quoted_after<'m>(message: &'m str, prefix: &str) -> Option<&'m str> {
    message.strip_prefix(prefix)?.split_once('`').map(|(name, _)| name)
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    memchr::memchr_iter(b'\n', before).count() + 1
}
