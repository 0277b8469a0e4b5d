//! The name of a mailbox, and its forms on each wire.
//!
//! Inside a murder a name is an owner (or none, for a shared mailbox) and a path of UTF-8 components. It is read
//! once, at the edge where it comes in, and written once, where it goes out:
//!
//! | edge | alice's INBOX | her folder `Work/2026` | as carol sees it | shared |
//! | --- | --- | --- | --- | --- |
//! | MUPDATE, murderctl | `user.alice` | `user.alice.Work.2026` | the same | `news.rust` |
//! | front-end to back-end (classic) | `INBOX` | `INBOX/Work/2026` | `user/alice/Work/2026` | `news/rust` |
//! | client | `INBOX` | `Work/2026` | `Other Users/alice/Work/2026` | `Shared Folders/news/rust` |
//! | store | `user`, `alice` | `user`, `alice`, `Work`, `2026` | the same | `news`, `rust` |
//!
//! Nothing else in the system takes a name apart. On MUPDATE a dot inside a component is `^`, as Cyrus has it, and
//! other than ASCII is modified UTF-7; so a component may hold neither `^` nor `/`.
//!
//! Safety rows N1 and N3: no component is empty, `.` or `..`, longer than 255 bytes, or holds a control or
//! bidirectional override character, `/`, `%`, `*` or `^`; a path is at most 32 components and 1,000 bytes.

use std::cmp::Ordering;
use std::fmt;

use imap_proto::mailbox::{decode_modified_utf7, encode_modified_utf7};
use serde::Deserialize;
use thiserror::Error;

/// Bytes of one component.
pub const COMPONENT_BYTES_MAX: usize = 255;
/// Components of a path, the owner apart.
pub const COMPONENTS_MAX: usize = 32;
/// Bytes of all components together.
pub const NAME_BYTES_MAX: usize = 1_000;

/// Where clients find other people's mailboxes.
pub const OTHER_USERS: &str = "Other Users";
/// Where clients find mailboxes that belong to nobody.
pub const SHARED_FOLDERS: &str = "Shared Folders";

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// A component is empty, or the name is.
    #[error("empty component in mailbox name")]
    Empty,
    /// Longer, or deeper, than allowed.
    #[error("mailbox name too long")]
    TooLong,
    /// A character that no name may hold.
    #[error("character not allowed in mailbox name")]
    Character,
    /// Not canonical modified UTF-7, or not UTF-8.
    #[error("mailbox name not in canonical modified UTF-7")]
    Encoding,
    /// The name stands for a place that holds no mailbox, such as `Other Users`.
    #[error("no mailbox can have this name")]
    Reserved,
}

/// A mailbox's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    owner: Option<String>,
    path: Vec<String>,
}

/// How clients see the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// One's own folders at the top, others under `Other Users/` and `Shared Folders/`. The default.
    #[default]
    Personal,
    /// One's own folders under `INBOX/`, others under `user/`, shared ones at the top.
    Classic,
}

impl Name {
    /// The INBOX of a user.
    pub fn inbox(owner: &str) -> Result<Self, NameError> {
        Self::new(Some(owner), &[])
    }

    /// A name of these parts. Without an owner the path has at least one component.
    pub fn new(owner: Option<&str>, path: &[&str]) -> Result<Self, NameError> {
        if owner.is_none() && path.is_empty() {
            return Err(NameError::Empty);
        }
        // `user` at the top is how the owned ones begin in every form.
        if owner.is_none() && path.first() == Some(&"user") {
            return Err(NameError::Reserved);
        }
        if path.len() > COMPONENTS_MAX
            || owner.into_iter().chain(path.iter().copied()).map(str::len).sum::<usize>() > NAME_BYTES_MAX
        {
            return Err(NameError::TooLong);
        }
        for component in owner.into_iter().chain(path.iter().copied()) {
            check_component(component)?;
        }
        Ok(Self { owner: owner.map(str::to_owned), path: path.iter().map(|c| (*c).to_owned()).collect() })
    }

    /// Whose mailbox it is; `None` for a shared one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// The components below the owner; empty for an INBOX.
    #[must_use]
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// True for somebody's INBOX.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.owner.is_some() && self.path.is_empty()
    }

    /// The mailbox above, if there can be one.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.path.split_last()?;
        if above.is_empty() && self.owner.is_none() {
            return None;
        }
        Some(Self { owner: self.owner.clone(), path: above.to_vec() })
    }

    /// The mailbox of this name below this one.
    pub fn child(&self, component: &str) -> Result<Self, NameError> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).chain([component]).collect();
        Self::new(self.owner(), &path)
    }

    /// True when `self` is below `other` in the tree.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.owner == other.owner && self.path.len() > other.path.len() && self.path.starts_with(&other.path)
    }

    /// The same place below `to` that this name has below `from` (or `to` itself for `from` itself): what RENAME
    /// does to children. `None` when this name is elsewhere.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Result<Self, NameError>> {
        if self != from && !self.is_below(from) {
            return None;
        }
        let rest = self.path.get(from.path.len()..).unwrap_or_default();
        let path: Vec<&str> = to.path.iter().chain(rest).map(String::as_str).collect();
        Some(Self::new(to.owner(), &path))
    }

    /// The form on MUPDATE: `user.alice.Work`.
    #[must_use]
    pub fn to_mupdate(&self) -> String {
        let components =
            self.owner.iter().flat_map(|owner| ["user", owner]).chain(self.path.iter().map(String::as_str));
        let encoded: Vec<String> = components.map(|c| encode_modified_utf7(&c.replace('.', "^"))).collect();
        encoded.join(".")
    }

    /// Reads the form on MUPDATE.
    pub fn from_mupdate(name: &[u8]) -> Result<Self, NameError> {
        let components: Result<Vec<String>, NameError> = name
            .split(|b| *b == b'.')
            .map(|c| decode_modified_utf7(c).map(|c| c.replace('^', ".")).map_err(|_| NameError::Encoding))
            .collect();
        let components = components?;
        Self::from_store(&components)
    }

    /// Reads the form on MUPDATE as a person types it: letters other than ASCII may stand as they are.
    pub fn from_mupdate_text(name: &str) -> Result<Self, NameError> {
        if name.is_ascii() {
            return Self::from_mupdate(name.as_bytes());
        }
        let components: Vec<String> = name.split('.').map(|component| component.replace('^', ".")).collect();
        Self::from_store(&components)
    }

    /// The form in the store: a list of components.
    #[must_use]
    pub fn to_store(&self) -> Vec<String> {
        let owner = self.owner.iter().flat_map(|owner| ["user".to_owned(), owner.clone()]);
        owner.chain(self.path.iter().cloned()).collect()
    }

    /// Reads the form in the store.
    pub fn from_store(components: &[impl AsRef<str>]) -> Result<Self, NameError> {
        let components: Vec<&str> = components.iter().map(AsRef::as_ref).collect();
        match components.as_slice() {
            ["user", owner, path @ ..] => Self::new(Some(owner), path),
            ["user"] => Err(NameError::Reserved),
            path => Self::new(None, path),
        }
    }

    /// The form in which `user` sees it in a namespace, in UTF-8, separator `/`.
    #[must_use]
    pub fn to_imap(&self, user: &str, namespace: Namespace) -> String {
        let own = self.owner() == Some(user);
        let head: &[&str] = match (self.owner(), namespace) {
            (Some(_), _) if own && self.path.is_empty() => &["INBOX"],
            (Some(_), Namespace::Classic) if own => &["INBOX"],
            (Some(_), Namespace::Personal) if own => &[],
            (Some(owner), Namespace::Classic) => &["user", owner],
            (Some(owner), Namespace::Personal) => &[OTHER_USERS, owner],
            (None, Namespace::Classic) => &[],
            (None, Namespace::Personal) => &[SHARED_FOLDERS],
        };
        let parts: Vec<&str> = head.iter().copied().chain(self.path.iter().map(String::as_str)).collect();
        parts.join("/")
    }

    /// Reads the form in which `user` names a mailbox in a namespace. One trailing `/` is allowed, since CREATE may
    /// carry it (RFC 3501 6.3.3).
    pub fn from_imap(name: &str, user: &str, namespace: Namespace) -> Result<Self, NameError> {
        let name = name.strip_suffix('/').unwrap_or(name);
        let parts: Vec<&str> = name.split('/').collect();
        let inbox = |first: &str| first.eq_ignore_ascii_case("INBOX");
        match (namespace, parts.as_slice()) {
            (_, [first]) if inbox(first) => Self::inbox(user),
            (Namespace::Classic, [first, path @ ..]) if inbox(first) => Self::new(Some(user), path),
            (Namespace::Classic, ["user", owner, path @ ..]) => Self::new(Some(owner), path),
            (Namespace::Classic, path) => Self::new(None, path),
            // Two names for one mailbox would be two entries in a client's cache.
            (Namespace::Personal, [first, ..]) if inbox(first) => Err(NameError::Reserved),
            (Namespace::Personal, [OTHER_USERS, owner, path @ ..]) if *owner != user => {
                Self::new(Some(owner), path)
            }
            (Namespace::Personal, [SHARED_FOLDERS, path @ ..]) if !path.is_empty() => Self::new(None, path),
            (Namespace::Personal, [OTHER_USERS | SHARED_FOLDERS, ..]) => Err(NameError::Reserved),
            (Namespace::Personal, path) => Self::new(Some(user), path),
        }
    }
}

/// The order of the mailbox list: bytes of the MUPDATE form with `.` below every other character, so that a
/// mailbox's children follow it directly.
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |name: &Self| name.to_mupdate().replace('.', "\u{1f}");
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_mupdate())
    }
}

fn check_component(component: &str) -> Result<(), NameError> {
    if component.is_empty() {
        return Err(NameError::Empty);
    }
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    if component == "." || component == ".." || component.chars().any(is_forbidden) {
        return Err(NameError::Character);
    }
    Ok(())
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '%' | '*' | '^' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(owner: Option<&str>, path: &[&str]) -> Name {
        Name::new(owner, path).unwrap()
    }

    #[test]
    fn a_name_has_one_form_on_each_wire() {
        let check = |name: &Name, user, mupdate: &str, classic: &str, client: &str| {
            assert_eq!(name.to_mupdate(), mupdate);
            assert_eq!(Name::from_mupdate(mupdate.as_bytes()).as_ref(), Ok(name));
            for (form, namespace) in [(classic, Namespace::Classic), (client, Namespace::Personal)] {
                assert_eq!(name.to_imap(user, namespace), form);
                assert_eq!(Name::from_imap(form, user, namespace).as_ref(), Ok(name));
            }
            assert_eq!(Name::from_store(&name.to_store()).as_ref(), Ok(name));
        };
        let inbox = name(Some("alice"), &[]);
        check(&inbox, "alice", "user.alice", "INBOX", "INBOX");
        check(&inbox, "carol", "user.alice", "user/alice", "Other Users/alice");
        let folder = name(Some("x.y"), &["Entwürfe", "a b"]);
        check(&folder, "x.y", "user.x^y.Entw&APw-rfe.a b", "INBOX/Entwürfe/a b", "Entwürfe/a b");
        check(
            &folder,
            "z",
            "user.x^y.Entw&APw-rfe.a b",
            "user/x.y/Entwürfe/a b",
            "Other Users/x.y/Entwürfe/a b",
        );
        check(&name(None, &["news", "rust"]), "z", "news.rust", "news/rust", "Shared Folders/news/rust");
    }

    #[test]
    fn n3_separators_wildcards_dots_and_controls_make_no_name() {
        let long = "x".repeat(COMPONENT_BYTES_MAX + 1);
        for (bad, error) in [
            ("", NameError::Empty),
            ("a//b", NameError::Empty),
            ("/a", NameError::Empty),
            ("a/../b", NameError::Character),
            (".", NameError::Character),
            ("a%", NameError::Character),
            ("a*b", NameError::Character),
            ("a^b", NameError::Character),
            ("a\nb", NameError::Character),
            ("a\u{202e}b", NameError::Character),
            (&long, NameError::TooLong),
            ("Other Users", NameError::Reserved),
            ("Other Users/alice", NameError::Reserved),
            ("Shared Folders", NameError::Reserved),
            ("Shared Folders/user/bob", NameError::Reserved),
            ("inbox/Work", NameError::Reserved),
        ] {
            assert_eq!(Name::from_imap(bad, "alice", Namespace::Personal), Err(error), "{bad:?}");
        }
        assert!(Name::from_imap(&"x".repeat(COMPONENT_BYTES_MAX), "alice", Namespace::Personal).is_ok());
        let deep = |n: usize| Name::from_imap(&vec!["d"; n].join("/"), "alice", Namespace::Personal);
        assert!(deep(COMPONENTS_MAX).is_ok());
        assert_eq!(deep(COMPONENTS_MAX + 1), Err(NameError::TooLong));
        assert!(Name::from_imap("iNbOx", "alice", Namespace::Personal).unwrap().is_inbox());
        assert_eq!(
            Name::from_imap("Work/", "a", Namespace::Personal),
            Name::from_imap("Work", "a", Namespace::Personal)
        );
    }

    #[test]
    fn renaming_moves_what_is_below() {
        let (work, old) = (name(Some("a"), &["Work"]), name(Some("a"), &["Old", "Work"]));
        let below = name(Some("a"), &["Work", "2026"]);
        assert_eq!(below.moved(&work, &old), Some(Ok(name(Some("a"), &["Old", "Work", "2026"]))));
        assert_eq!(work.moved(&work, &old), Some(Ok(old.clone())));
        assert_eq!(name(Some("a"), &["Worker"]).moved(&work, &old), None);
        assert!(below.is_below(&work) && !work.is_below(&work));
        assert_eq!(below.parent(), Some(work));
        assert_eq!(name(None, &["news"]).parent(), None);
    }

    #[test]
    fn children_sort_directly_behind_their_mailbox() {
        let mut names: Vec<Name> = ["user.a-b", "user.a b", "user.a", "user.a.b"]
            .iter()
            .map(|n| Name::from_mupdate(n.as_bytes()).unwrap())
            .collect();
        names.sort();
        let sorted: Vec<String> = names.iter().map(Name::to_mupdate).collect();
        assert_eq!(sorted, ["user.a", "user.a.b", "user.a b", "user.a-b"]);
    }

    proptest! {
        #[test]
        fn every_form_reads_back(
            owner in proptest::option::of("[a-z.@ö]{1,8}"),
            path in proptest::collection::vec("[ -~äΩ日]{1,6}", 1..4),
            user in "[a-z]{1,4}",
        ) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let Ok(name) = Name::new(owner.as_deref(), &path) else { return Ok(()) };
            prop_assert_eq!(Name::from_mupdate(name.to_mupdate().as_bytes()), Ok(name.clone()));
            prop_assert_eq!(Name::from_store(&name.to_store()), Ok(name.clone()));
            for namespace in [Namespace::Personal, Namespace::Classic] {
                // A name that begins like another namespace has no form of its own in this one.
                if let Ok(read) = Name::from_imap(&name.to_imap(&user, namespace), &user, namespace) {
                    prop_assert!(read == name || path.first().is_some_and(|p| p.eq_ignore_ascii_case("inbox") || *p == OTHER_USERS || *p == SHARED_FOLDERS));
                }
            }
        }
    }
}
