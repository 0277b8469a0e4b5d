//! One entry of the mailbox list, and where a mailbox is.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use mail_wire::Escaped;
use mailstore::store::{Acl, AclChange, AclKey, Actor, Rights};
use mupdate_proto::{EntryState, MailboxEntry, MailboxName};

use super::{Name, NameError};

/// Where a mailbox is: `server!partition` (RFC 3656 leaves the form to the servers; this is Cyrus's).
///
/// The partition may be empty: Cyrus leaves it out after a RENAME. A location without `!` is a server alone.
///
/// ```
/// use murder::mailboxes::Location;
/// let location: Location = "be1.example!default".parse()?;
/// assert_eq!((location.server(), location.partition()), ("be1.example", "default"));
/// # Ok::<(), murder::mailboxes::InvalidLocation>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// UTF-8, which is checked when it is made.
    wire: mupdate_proto::Location,
}

/// Text that is no location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a location is server!partition, without NUL, at most 1024 bytes")]
pub struct InvalidLocation;

impl Location {
    /// The location of a partition of a server.
    ///
    /// # Errors
    ///
    /// A server without a name or with `!` in it, a NUL, or more than [`mupdate_proto::NAME_BYTES_MAX`] bytes.
    pub fn new(server: &str, partition: &str) -> Result<Self, InvalidLocation> {
        if server.is_empty() || server.contains('!') {
            return Err(InvalidLocation);
        }
        format!("{server}!{partition}").parse()
    }

    /// The server's name: what stands before the first `!`.
    #[must_use]
    pub fn server(&self) -> &str {
        std::str::from_utf8(self.wire.server()).unwrap_or_default()
    }

    /// What stands behind the first `!`; empty if there is nothing.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.wire.partition().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.wire.as_str().unwrap_or_default()
    }

    /// The form on MUPDATE.
    #[must_use]
    pub fn wire(&self) -> &mupdate_proto::Location {
        &self.wire
    }

    /// Reads the form on MUPDATE; `None` if it is not UTF-8.
    #[must_use]
    pub fn from_wire(wire: mupdate_proto::Location) -> Option<Self> {
        wire.as_str().is_some().then_some(Self { wire })
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let wire = mupdate_proto::Location::new(Bytes::copy_from_slice(text.as_bytes()));
        wire.map(|wire| Self { wire }).map_err(|_| InvalidLocation)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", Escaped::new(self.wire.as_bytes()))
    }
}

/// How far a mailbox is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The name is taken; there is nothing for clients.
    Reserved,
    /// The mailbox is there.
    Active,
}

/// One entry of the mailbox list whose name, location and ACL can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: Name,
    location: Location,
    wire: MailboxEntry,
}

impl Entry {
    /// Reads an entry as MUPDATE has it; `None` if its name is none of ours or something in it is not UTF-8.
    #[must_use]
    pub fn from_wire(wire: &MailboxEntry) -> Option<Self> {
        let name = Name::from_mupdate(wire.name.as_bytes()).ok()?;
        let location = Location::from_wire(wire.location.clone())?;
        if wire.acl().is_some_and(|acl| acl.as_str().is_none()) {
            return None;
        }
        Some(Self { name, location, wire: wire.clone() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The server that holds it.
    #[must_use]
    pub fn server(&self) -> &str {
        self.location.server()
    }

    /// How far it is made.
    #[must_use]
    pub fn state(&self) -> State {
        match self.wire.state {
            EntryState::Reserved => State::Reserved,
            EntryState::Active(_) => State::Active,
        }
    }

    /// True if clients may use it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state() == State::Active
    }

    /// Its ACL as text (identifier, tab, rights, tab for each pair); empty while it is reserved.
    #[must_use]
    pub fn acl_text(&self) -> &str {
        self.wire.acl().and_then(mupdate_proto::Acl::as_str).unwrap_or_default()
    }

    /// Its ACL. Pairs that this version cannot read give nobody anything.
    #[must_use]
    pub fn acl(&self) -> Acl {
        read_acl(self.acl_text())
    }

    /// What an actor may do with it: nothing while it is reserved.
    #[must_use]
    pub fn rights(&self, actor: &Actor) -> Rights {
        if self.is_active() { self.acl().rights(actor) } else { Rights::NONE }
    }

    /// The entry as MUPDATE has it.
    #[must_use]
    pub fn wire(&self) -> &MailboxEntry {
        &self.wire
    }
}

/// The form on MUPDATE of a name.
///
/// # Errors
///
/// [`NameError::TooLong`] when modified UTF-7 makes it longer than [`mupdate_proto::NAME_BYTES_MAX`].
pub(crate) fn wire_name(name: &Name) -> Result<MailboxName, NameError> {
    MailboxName::new(name.to_mupdate()).map_err(|_| NameError::TooLong)
}

/// Reads as much of an ACL as can be read. A list as a whole is never refused for one strange pair: its owner would
/// lose the mailbox. But if what cannot be read is a negative entry, somebody is denied something that we cannot
/// tell, so the list then gives nothing.
fn read_acl(text: &str) -> Acl {
    if let Ok(acl) = Acl::parse_text(text) {
        return acl;
    }
    let mut acl = Acl::default();
    let mut fields = text.split('\t');
    while let (Some(identifier), Some(rights)) = (fields.next().filter(|id| !id.is_empty()), fields.next()) {
        let read = AclKey::parse(identifier).and_then(|key| Ok((key, Rights::parse(rights)?)));
        match read {
            Ok((key, rights)) => match acl.with(&key, AclChange::Replace(rights)) {
                Ok(longer) => acl = longer,
                Err(_) => return Acl::default(),
            },
            Err(_) if identifier.starts_with('-') => return Acl::default(),
            Err(_) => {}
        }
    }
    acl
}

#[cfg(test)]
mod tests {
    use mailstore::store::UserName;

    use super::*;

    fn entry(name: &'static str, location: &'static str, acl: &'static str) -> Option<Entry> {
        Entry::from_wire(&MailboxEntry::active(
            MailboxName::new(name).unwrap(),
            mupdate_proto::Location::new(location).unwrap(),
            mupdate_proto::Acl::new(acl).unwrap(),
        ))
    }

    #[test]
    fn a_location_has_a_server_and_perhaps_a_partition() {
        let parts = |text: &str| {
            let location: Location = text.parse().unwrap();
            (location.server().to_owned(), location.partition().to_owned())
        };
        assert_eq!(parts("be1!default"), ("be1".to_owned(), "default".to_owned()));
        assert_eq!(parts("be1!"), ("be1".to_owned(), String::new()));
        assert_eq!(parts("be1"), ("be1".to_owned(), String::new()));
        assert_eq!(Location::new("be1", "a!b").unwrap().partition(), "a!b");
        assert!(Location::new("be!1", "x").is_err());
        assert!(Location::new("", "x").is_err());
        assert!("a\0b".parse::<Location>().is_err());
    }

    #[test]
    fn rights_are_those_of_the_acl() {
        let rights = |acl, user: &str| {
            let actor = Actor::user(UserName::new(user).unwrap());
            entry("user.alice", "be1!x", acl).unwrap().rights(&actor).to_string()
        };
        assert_eq!(rights("alice\tlrs\tbob\tlr\t", "alice"), "lrs");
        assert_eq!(rights("alice\tlrs\tbob\tlr\t", "bob"), "lr");
        assert_eq!(rights("alice\tlrs\t", "carol"), "");
        assert_eq!(rights("anyone\tlr\t-bob\tr\t", "bob"), "l");
        assert_eq!(rights("", "alice"), "");
    }

    #[test]
    fn what_cannot_be_read_of_an_acl_gives_nothing_and_takes_nothing_from_others() {
        let rights = |acl, user: &str| {
            let actor = Actor::user(UserName::new(user).unwrap());
            entry("user.alice", "be1!x", acl).unwrap().rights(&actor).to_string()
        };
        // `9` is no right that we know.
        assert_eq!(rights("alice\tlr\tbob\tl9\t", "alice"), "lr");
        assert_eq!(rights("alice\tlr\tbob\tl9\t", "bob"), "");
        assert_eq!(rights("anyone\tlr\t-bob\t9\t", "alice"), "");
    }

    #[test]
    fn an_entry_that_holds_no_name_of_ours_or_no_utf_8_is_not_read() {
        assert!(entry("user.alice", "be1!x", "").is_some());
        assert!(entry("DELETED.user.alice.6B05", "be1!x", "").is_some());
        assert!(entry("user", "be1!x", "").is_none());
        assert!(entry("a..b", "be1!x", "").is_none());
        assert!(entry("user.&AGE-", "be1!x", "").is_none());
        let raw = MailboxEntry::reserved(
            MailboxName::new("user.a").unwrap(),
            mupdate_proto::Location::new(vec![0xff]).unwrap(),
        );
        assert!(Entry::from_wire(&raw).is_none());
    }
}
