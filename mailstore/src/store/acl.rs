//! Who may do what: rights and access control lists (RFC 4314), and the actor of each call.
//!
//! Rights of an actor are the union of all entries that match (the user's own, those of the groups, `anyone`), less the
//! union of all negative entries that match (RFC 4314 2). An owner has none but what the list gives. The old rights
//! `c` and `d` of RFC 2086 are virtual: read as `kx` and `et`, and shown when a member of theirs is there (2.1.1).
//!
//! There is no ambient authority: an administrator may look up, create, delete and administer any mailbox, and reads
//! or changes mail only as its list allows. Only a [`Actor::Peer`] (the site's own servers) may do everything.

use std::fmt;
use std::sync::Arc;

use super::error::{Error, InvalidName, Limit};
use super::name::{GroupName, UserName};

/// The most entries an access control list may have: a list is walked for each check.
pub const ACL_ENTRIES_MAX: usize = 1000;

/// A set of rights (RFC 4314 2.1), with the `n` of RFC 5257.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u16);

/// Letters in the order in which rights are shown. `c` and `d` stand where Cyrus has them.
const LETTERS: [(char, u16); 12] = [
    ('l', 1 << 0),
    ('r', 1 << 1),
    ('s', 1 << 2),
    ('w', 1 << 3),
    ('i', 1 << 4),
    ('p', 1 << 5),
    ('k', 1 << 6),
    ('x', 1 << 7),
    ('t', 1 << 8),
    ('e', 1 << 9),
    ('a', 1 << 10),
    ('n', 1 << 11),
];

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// `l`: the mailbox is visible.
    pub const LOOKUP: Self = Self(1 << 0);
    /// `r`: open it, read its messages, its counts.
    pub const READ: Self = Self(1 << 1);
    /// `s`: keep \Seen.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags other than \Seen and \Deleted.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: append and copy into it.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: post to its address.
    pub const POST: Self = Self(1 << 5);
    /// `k`: create mailboxes below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: delete it.
    pub const DELETE_MAILBOX: Self = Self(1 << 7);
    /// `t`: set and clear \Deleted.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: expunge.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: administer the list.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// `n`: annotate (RFC 5257).
    pub const ANNOTATE: Self = Self(1 << 11);
    /// All of them.
    pub const ALL: Self = Self((1 << 12) - 1);
    /// What an administrator has on every mailbox: `lkxa`.
    pub const IMPLIED_ADMIN: Self =
        Self(Self::LOOKUP.0 | Self::CREATE.0 | Self::DELETE_MAILBOX.0 | Self::ADMINISTER.0);

    /// Reads letters; `c` is `kx`, `d` is `et`.
    ///
    /// # Errors
    /// A character that is no right.
    ///
    /// ```
    /// use mailstore::store::Rights;
    ///
    /// let rights = Rights::parse("lrsd")?;
    /// assert!(rights.contains(Rights::EXPUNGE));
    /// assert_eq!(rights.to_string(), "lrsted");
    /// # Ok::<(), mailstore::store::InvalidName>(())
    /// ```
    pub fn parse(letters: &str) -> Result<Self, InvalidName> {
        letters.chars().try_fold(Self::NONE, |sum, letter| {
            let bits = match letter {
                'c' => Self::CREATE.0 | Self::DELETE_MAILBOX.0,
                'd' => Self::DELETE_MESSAGES.0 | Self::EXPUNGE.0,
                _ => LETTERS.iter().find(|(l, _)| *l == letter).ok_or(InvalidName::ForbiddenCharacter)?.1,
            };
            Ok(Self(sum.0 | bits))
        })
    }

    /// Whether all of `other` are in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in this set and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Option<Self> {
        Self::ALL.contains(Self(bits)).then_some(Self(bits))
    }

    /// `Ok` if `needed` is held; else the answer that tells no more than the actor may know.
    pub(super) fn require(self, needed: Self) -> Result<(), Error> {
        if self.contains(needed) {
            Ok(())
        } else if self.contains(Self::LOOKUP) {
            Err(Error::Denied { missing: needed.without(self) })
        } else {
            Err(Error::NoSuchMailbox)
        }
    }
}

/// As RFC 4314 2.1.1 wants it shown: with `c` if `k` or `x` is there, with `d` if `t` or `e` is.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, bit) in LETTERS {
            if letter == 'a' {
                if self.0 & (Self::CREATE.0 | Self::DELETE_MAILBOX.0) != 0 {
                    f.write_str("c")?;
                }
                if self.0 & (Self::DELETE_MESSAGES.0 | Self::EXPUNGE.0) != 0 {
                    f.write_str("d")?;
                }
            }
            if self.0 & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

/// Whom an entry of a list speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    /// `anyone`, the actors without a name included.
    Anyone,
    /// One user.
    User(UserName),
    /// `group:NAME`.
    Group(GroupName),
}

/// Whether an entry grants or takes away; RFC 4314 writes the latter with a leading `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sign {
    /// Grants.
    Positive,
    /// Takes away, whatever other entries grant.
    Negative,
}

/// The left-hand side of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclKey {
    /// Whom.
    pub identifier: Identifier,
    /// Which way.
    pub sign: Sign,
}

impl AclKey {
    /// Reads `anyone`, `fred`, `group:staff`, each also with a leading `-`.
    ///
    /// # Errors
    /// What is none of these.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (Sign::Negative, rest),
            None => (Sign::Positive, text),
        };
        let identifier = match text.strip_prefix("group:") {
            Some(group) => Identifier::Group(GroupName::new(group)?),
            None if text == "anyone" => Identifier::Anyone,
            None => Identifier::User(UserName::new(text)?),
        };
        Ok(Self { identifier, sign })
    }
}

impl fmt::Display for AclKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sign == Sign::Negative {
            f.write_str("-")?;
        }
        match &self.identifier {
            Identifier::Anyone => f.write_str("anyone"),
            Identifier::User(user) => f.write_str(user.as_str()),
            Identifier::Group(group) => write!(f, "group:{}", group.as_str()),
        }
    }
}

/// How SETACL changes an entry (RFC 4314 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclChange {
    /// Exactly these rights; none removes the entry.
    Replace(Rights),
    /// These too (`+`).
    Add(Rights),
    /// Not these (`-`).
    Remove(Rights),
}

/// An access control list: entries in the order in which they were made, at most [`ACL_ENTRIES_MAX`]. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Acl(Arc<[(AclKey, Rights)]>);

impl Acl {
    /// The list that gives `owner` everything and nobody else anything.
    #[must_use]
    pub fn owned_by(owner: &UserName) -> Self {
        let key = AclKey { identifier: Identifier::User(owner.clone()), sign: Sign::Positive };
        Self([(key, Rights::ALL)].into())
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[(AclKey, Rights)] {
        &self.0
    }

    /// The list with one entry changed.
    ///
    /// # Errors
    /// [`Limit::AclEntries`] if it would grow beyond [`ACL_ENTRIES_MAX`].
    pub fn with(&self, key: &AclKey, change: AclChange) -> Result<Self, Error> {
        let mut entries = self.0.to_vec();
        let at = entries.iter().position(|(k, _)| k == key);
        let old = at.and_then(|at| entries.get(at)).map_or(Rights::NONE, |(_, rights)| *rights);
        let new = match change {
            AclChange::Replace(rights) => rights,
            AclChange::Add(rights) => old.union(rights),
            AclChange::Remove(rights) => old.without(rights),
        };
        match at {
            Some(at) if new.is_empty() => drop(entries.remove(at)),
            Some(at) => entries.iter_mut().skip(at).take(1).for_each(|entry| entry.1 = new),
            None if new.is_empty() => {}
            None if entries.len() >= ACL_ENTRIES_MAX => {
                return Err(Error::limit(Limit::AclEntries, ACL_ENTRIES_MAX));
            }
            None => entries.push((key.clone(), new)),
        }
        Ok(Self(entries.into()))
    }

    /// What the list itself gives `actor`, before what its role adds.
    fn listed(&self, actor: &Actor) -> Rights {
        let matches = |identifier: &Identifier| match (identifier, actor) {
            (Identifier::Anyone, _) => true,
            (Identifier::User(name), Actor::User(user)) => *name == user.name,
            (Identifier::Group(group), Actor::User(user)) => user.groups.contains(group),
            (Identifier::User(_) | Identifier::Group(_), Actor::Admin | Actor::Peer) => false,
        };
        let sum = |sign| {
            self.0
                .iter()
                .filter(|(key, _)| key.sign == sign && matches(&key.identifier))
                .fold(Rights::NONE, |sum, (_, rights)| sum.union(*rights))
        };
        sum(Sign::Positive).without(sum(Sign::Negative))
    }

    /// What `actor` may do.
    #[must_use]
    pub fn rights(&self, actor: &Actor) -> Rights {
        match actor {
            Actor::User(_) => self.listed(actor),
            Actor::Admin => self.listed(actor).union(Rights::IMPLIED_ADMIN),
            Actor::Peer => Rights::ALL,
        }
    }

    /// Whether mail for the mailbox's own address may be posted by `poster`, `None` being someone who is not logged in.
    #[must_use]
    pub fn may_post(&self, poster: Option<&Actor>) -> bool {
        // Nobody in particular matches `anyone` alone, as `Admin` does in `listed`.
        self.listed(poster.unwrap_or(&Actor::Admin)).contains(Rights::POST)
    }

    /// The list as one text: `identifier TAB rights TAB` for each entry, as the MUPDATE protocol carries it between
    /// servers (RFC 3656 4.3 leaves the form to them).
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(key, rights)| format!("{key}\t{rights}\t")).collect()
    }

    /// Reads what [`Acl::to_text`] wrote. A missing last tab is accepted.
    ///
    /// # Errors
    /// Text that is no list, an entry twice, or too many entries.
    pub fn parse_text(text: &str) -> Result<Self, Error> {
        let mut acl = Self::default();
        let mut fields = text.strip_suffix('\t').unwrap_or(text).split('\t').filter(|_| !text.is_empty());
        while let Some(key) = fields.next() {
            let key = AclKey::parse(key)?;
            let rights = Rights::parse(fields.next().ok_or(InvalidName::Empty)?)?;
            acl = acl.with(&key, AclChange::Replace(rights))?;
        }
        Ok(acl)
    }
}

/// A user, with the groups that whoever logged them in vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub name: UserName,
    /// Their groups at the time of login.
    pub groups: Arc<[GroupName]>,
}

/// On whose behalf a call is made. Every call has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user: what lists allow, nothing else.
    User(User),
    /// An administrator of the site: [`Rights::IMPLIED_ADMIN`] everywhere, quota; no reading of mail.
    Admin,
    /// A server of the site, such as the one that delivers: everything.
    Peer,
}

impl Actor {
    /// A user without groups.
    #[must_use]
    pub fn user(name: UserName) -> Self {
        Self::User(User { name, groups: Arc::default() })
    }

    /// The user's name, if the actor is one.
    #[must_use]
    pub fn user_name(&self) -> Option<&UserName> {
        match self {
            Self::User(user) => Some(&user.name),
            Self::Admin | Self::Peer => None,
        }
    }

    /// `Ok` for an administrator or a peer.
    pub(super) fn require_operator(&self) -> Result<(), Error> {
        match self {
            Self::User(_) => Err(Error::Denied { missing: Rights::ADMINISTER }),
            Self::Admin | Self::Peer => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fred(groups: &[&str]) -> Actor {
        let groups = groups.iter().map(|g| GroupName::new(g).unwrap()).collect();
        Actor::User(User { name: UserName::new("fred").unwrap(), groups })
    }

    #[test]
    fn rights_add_up_and_negative_ones_win() {
        let acl = Acl::parse_text("fred\tlr\tgroup:staff\twi\tanyone\tp\t-fred\tw\t-group:out\tr").unwrap();
        let check = |actor: &Actor, expected| assert_eq!(acl.rights(actor).to_string(), expected);
        check(&fred(&[]), "lrp");
        check(&fred(&["staff"]), "lrip");
        check(&fred(&["staff", "out"]), "lip");
        check(&Actor::user(UserName::new("mary").unwrap()), "p");
        check(&Actor::Admin, "lpkxca");
        check(&Actor::Peer, "lrswipkxtecdan");
    }

    #[test]
    fn the_old_rights_are_read_and_shown_as_rfc_4314_wants() {
        let check = |input: &str, shown: &str| assert_eq!(Rights::parse(input).unwrap().to_string(), shown);
        check("lrswida", "lrswiteda");
        check("c", "kxc");
        check("k", "kc");
        check("e", "ed");
        check("lrswipkxtecdan", "lrswipkxtecdan");
        assert!(Rights::parse("lz").is_err());
    }

    #[test]
    fn a_list_survives_its_text() {
        let acl = Acl::parse_text("alice\tlrswipkxtecdan\t-anyone\tw\tgroup:staff\tlr\t").unwrap();
        assert_eq!(acl.to_text(), "alice\tlrswipkxtecdan\t-anyone\tw\tgroup:staff\tlr\t");
        assert_eq!(Acl::parse_text(&acl.to_text()).unwrap(), acl);
        assert_eq!(Acl::parse_text("").unwrap(), Acl::default());
        assert!(Acl::parse_text("alice").is_err());
    }

    #[test]
    fn a_list_may_have_1000_entries_and_not_1001() {
        let mut acl = Acl::default();
        for n in 0..ACL_ENTRIES_MAX {
            acl = acl
                .with(&AclKey::parse(&format!("u{n}")).unwrap(), AclChange::Replace(Rights::READ))
                .unwrap();
        }
        let next = AclKey::parse("more").unwrap();
        assert!(acl.with(&next, AclChange::Add(Rights::READ)).is_err());
        assert!(acl.with(&next, AclChange::Remove(Rights::READ)).is_ok());
        assert!(acl.with(&AclKey::parse("u1").unwrap(), AclChange::Add(Rights::SEEN)).is_ok());
    }

    #[test]
    fn changes_replace_add_and_remove() {
        let key = AclKey::parse("-fred").unwrap();
        let acl = Acl::default().with(&key, AclChange::Add(Rights::READ)).unwrap();
        let acl = acl.with(&key, AclChange::Add(Rights::SEEN)).unwrap();
        assert_eq!(acl.to_text(), "-fred\trs\t");
        let acl = acl.with(&key, AclChange::Remove(Rights::READ)).unwrap();
        assert_eq!(acl.to_text(), "-fred\ts\t");
        assert_eq!(acl.with(&key, AclChange::Replace(Rights::NONE)).unwrap(), Acl::default());
    }

    #[test]
    fn without_lookup_a_refusal_reads_like_absence() {
        assert_eq!(Rights::NONE.require(Rights::READ), Err(Error::NoSuchMailbox));
        assert_eq!(Rights::LOOKUP.require(Rights::READ), Err(Error::Denied { missing: Rights::READ }));
        assert_eq!(Rights::READ.require(Rights::READ), Ok(()));
    }
}
