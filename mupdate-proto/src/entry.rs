//! What the mailbox list holds: a name, where it is, who may do what (RFC 3656 3.5, 3.6), and the list's order.
//!
//! All of it is opaque octets on this protocol: names are in the form of the peers (Cyrus: `user.alice.Work`, modified
//! UTF-7, `DELETED.` names among them), a location is what the back-ends made it, an ACL is theirs too. So every
//! octet but NUL passes and comes out as it went in. What is known about the *form* of Cyrus's locations and ACLs is
//! offered as views.

use std::cmp::Ordering;
use std::fmt;

use bytes::{Bytes, BytesMut};
use mail_wire::{Escaped, InvalidMessage};
use memchr::memchr;

macro_rules! octets {
    ($(#[$doc:meta])* $type:ident, $range:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $type(Bytes);

        impl $type {
            /// Takes the octets, within the limit and without NUL.
            pub fn new(octets: impl Into<Bytes>) -> Result<Self, InvalidMessage> {
                let octets = octets.into();
                match memchr(0, &octets) {
                    Some(at) => Err(InvalidMessage::new(InvalidMessage::NUL, at)),
                    None => Self::of_string(octets),
                }
            }

            /// Takes a string that was read off a frame, which holds no NUL.
            pub(crate) fn of_string(octets: Bytes) -> Result<Self, InvalidMessage> {
                if $range.contains(&octets.len()) {
                    return Ok(Self(octets));
                }
                Err(InvalidMessage::new(concat!($what, " of this length"), octets.len()))
            }

            /// The octets.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// The octets as UTF-8 text, if they are that.
            #[must_use]
            pub fn as_str(&self) -> Option<&str> {
                std::str::from_utf8(&self.0).ok()
            }

            /// The octets as the slice that they are.
            #[must_use]
            pub fn into_bytes(self) -> Bytes {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Escaped::new(&self.0).fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }
    };
}

/// Bytes of a mailbox name, of a location and of a server's name (Cyrus keeps names below 490).
pub const NAME_BYTES_MAX: usize = 1_024;
/// Bytes of an ACL: a few thousand pairs.
pub const ACL_BYTES_MAX: usize = 64 << 10;

octets! {
    /// A mailbox name, 1 to [`NAME_BYTES_MAX`] octets. Its [`Ord`] is [`mailbox_order`].
    MailboxName, (1..=NAME_BYTES_MAX), "no mailbox name is"
}
octets! {
    /// Where a mailbox is, up to [`NAME_BYTES_MAX`] octets: `server!partition` with Cyrus; the partition may be empty
    /// (after a RENAME) or, from a site of a single server, all there is.
    Location, (0..=NAME_BYTES_MAX), "no location is"
}
octets! {
    /// What a location must begin with, up to [`NAME_BYTES_MAX`] octets. It is taken literally: `be` is a prefix of
    /// `be1!x` and of `be2!x`, so ask for a whole server with [`LocationPrefix::of_server`].
    LocationPrefix, (0..=NAME_BYTES_MAX), "no location prefix is"
}
octets! {
    /// A server whose entries alone are wanted of UPDATE, 1 to [`NAME_BYTES_MAX`] octets.
    ServerName, (1..=NAME_BYTES_MAX), "no server name is"
}
octets! {
    /// An ACL as the back-end wrote it, up to [`ACL_BYTES_MAX`] octets. Cyrus writes identifier, tab, rights, tab for each pair.
    Acl, (0..=ACL_BYTES_MAX), "no ACL is"
}

/// The order of the mailbox list: bytewise, with `.` before every printable octet (as if it were 0x1F).
///
/// It is part of the protocol: a slave merges what LIST or UPDATE sends with what it has, so an entry out of order
/// is taken for a deleted one. `user.a` comes before `user.a.b`, that before `user.a b`, that before `user.a-b`.
///
/// ```
/// use mupdate_proto::mailbox_order;
/// let mut names = [&b"user.a-b"[..], b"user.a b", b"user.a.b", b"user.a"];
/// names.sort_by(|a, b| mailbox_order(a, b));
/// assert_eq!(names, [&b"user.a"[..], b"user.a.b", b"user.a b", b"user.a-b"]);
/// ```
#[must_use]
pub fn mailbox_order(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: u8| if byte == b'.' { 0x1f } else { byte };
    for (x, y) in a.iter().zip(b) {
        if x != y {
            // Only a dot and 0x1F themselves have the same key; the octets then keep the order total.
            return key(*x).cmp(&key(*y)).then(x.cmp(y));
        }
    }
    a.len().cmp(&b.len())
}

impl Ord for MailboxName {
    fn cmp(&self, other: &Self) -> Ordering {
        mailbox_order(&self.0, &other.0)
    }
}

impl PartialOrd for MailboxName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Location {
    /// `server!partition`.
    pub fn of(server: &ServerName, partition: &[u8]) -> Result<Self, InvalidMessage> {
        if let Some(at) = memchr(b'!', server.as_bytes()) {
            return Err(InvalidMessage::new("exclamation mark in a server name", at));
        }
        Self::new([server.as_bytes(), b"!", partition].concat())
    }

    /// What stands before the first `!`, or everything.
    #[must_use]
    pub fn server(&self) -> &[u8] {
        self.0.get(..self.mark().unwrap_or(self.0.len())).unwrap_or_default()
    }

    /// What stands behind the first `!`; `None` if there is none.
    #[must_use]
    pub fn partition(&self) -> Option<&[u8]> {
        self.0.get(self.mark()? + 1..)
    }

    fn mark(&self) -> Option<usize> {
        memchr(b'!', &self.0)
    }
}

impl LocationPrefix {
    /// The prefix of every location at this server, and of none at another whose name is longer.
    pub fn of_server(server: &ServerName) -> Result<Self, InvalidMessage> {
        Self::new([server.as_bytes(), b"!"].concat())
    }

    /// True when the location begins with it.
    #[must_use]
    pub fn matches(&self, location: &Location) -> bool {
        location.0.starts_with(&self.0)
    }
}

impl ServerName {
    /// True when this server holds the location.
    #[must_use]
    pub fn holds(&self, location: &Location) -> bool {
        location.server() == &self.0[..]
    }
}

impl Acl {
    /// Writes pairs of identifier and rights as Cyrus does.
    ///
    /// ```
    /// use mupdate_proto::Acl;
    /// assert_eq!(Acl::from_pairs([("alice", "lrs")])?.as_bytes(), b"alice\tlrs\t");
    /// # Ok::<(), mail_wire::InvalidMessage>(())
    /// ```
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidMessage> {
        let mut text = BytesMut::new();
        for field in pairs.into_iter().flat_map(|(identifier, rights)| [identifier, rights]) {
            if let Some(at) = memchr(b'\t', field.as_bytes()) {
                return Err(InvalidMessage::new("tab in an ACL's field", at));
            }
            text.extend_from_slice(field.as_bytes());
            text.extend_from_slice(b"\t");
        }
        Self::new(text)
    }

    /// The pairs of identifier and rights, as far as the ACL has Cyrus's form; a last field alone is left out.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut fields = self.0.split(|b| *b == b'\t');
        std::iter::from_fn(move || Some((fields.next().filter(|id| !id.is_empty())?, fields.next()?)))
    }
}

/// One entry of the mailbox list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxEntry {
    /// Its name.
    pub name: MailboxName,
    /// Where it is.
    pub location: Location,
    /// Whether clients may use it.
    pub state: EntryState,
}

/// How far a mailbox is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryState {
    /// The name is taken; the mailbox is not there for clients.
    Reserved,
    /// The mailbox is there, with this ACL.
    Active(Acl),
}

impl MailboxEntry {
    /// A name that is taken.
    #[must_use]
    pub fn reserved(name: MailboxName, location: Location) -> Self {
        Self { name, location, state: EntryState::Reserved }
    }

    /// A mailbox that is there.
    #[must_use]
    pub fn active(name: MailboxName, location: Location, acl: Acl) -> Self {
        Self { name, location, state: EntryState::Active(acl) }
    }

    /// Its ACL, if it is active.
    #[must_use]
    pub fn acl(&self) -> Option<&Acl> {
        match &self.state {
            EntryState::Active(acl) => Some(acl),
            EntryState::Reserved => None,
        }
    }

    /// A view of it.
    #[must_use]
    pub fn view(&self) -> EntryView<'_> {
        let acl = self.acl().map(Acl::as_bytes);
        EntryView { name: self.name.as_bytes(), location: self.location.as_bytes(), acl }
    }

    /// The same in memory of its own. An entry that was read is made of slices of the read buffer
    /// and keeps all of it alive; call this before it is kept for long.
    #[must_use]
    pub fn detach(&self) -> Self {
        self.view().to_entry()
    }
}

/// An entry that somebody else keeps, such as a read buffer: octets within the limits of [`MailboxName`], [`Location`] and
/// [`Acl`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EntryView<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) location: &'a [u8],
    pub(crate) acl: Option<&'a [u8]>,
}

impl<'a> EntryView<'a> {
    /// The octets of its name.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The octets of its location.
    #[must_use]
    pub fn location(&self) -> &'a [u8] {
        self.location
    }

    /// The octets of its ACL, if it is active.
    #[must_use]
    pub fn acl(&self) -> Option<&'a [u8]> {
        self.acl
    }

    /// The entry in memory of its own: one piece for all three strings, and the count of its owners.
    #[must_use]
    pub fn to_entry(&self) -> MailboxEntry {
        let Self { name, location, acl } = *self;
        let acl = acl.unwrap_or_default();
        let mut own = BytesMut::with_capacity(name.len() + location.len() + acl.len());
        own.extend_from_slice(name);
        own.extend_from_slice(location);
        own.extend_from_slice(acl);
        let mut own = own.freeze();
        let name = MailboxName(own.split_to(name.len()));
        let location = Location(own.split_to(location.len()));
        let state = if self.acl.is_some() { EntryState::Active(Acl(own)) } else { EntryState::Reserved };
        MailboxEntry { name, location, state }
    }
}

impl fmt::Debug for EntryView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryView({} at {}", Escaped::new(self.name), Escaped::new(self.location))?;
        match self.acl {
            Some(acl) => write!(f, ", {})", Escaped::new(acl)),
            None => f.write_str(")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &'static str) -> Location {
        Location::new(text).unwrap()
    }

    #[test]
    fn the_order_is_that_of_the_mailbox_list_and_is_total() {
        let ordered = [
            "a",
            "user",
            "user.a",
            "user.a.b",
            "user.a.b.c",
            "user.a b",
            "user.a!",
            "user.a-b",
            "user.a0",
            "user.b",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(mailbox_order(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} and {b}");
            }
        }
        assert_eq!(mailbox_order(b"a\x1fz", b"a.a"), Ordering::Less);
        assert_eq!(mailbox_order(b"a.a", b"a\x1fz"), Ordering::Greater);
        assert_eq!(mailbox_order(b"\x1e", b"."), Ordering::Less);
    }

    #[test]
    fn locations_of_every_form_that_was_seen_keep_their_octets() {
        let parts = |text| {
            let l = location(text);
            (l.server().to_vec(), l.partition().map(<[u8]>::to_vec))
        };
        assert_eq!(parts("be1.example!default"), (b"be1.example".to_vec(), Some(b"default".to_vec())));
        assert_eq!(parts("be1.example!"), (b"be1.example".to_vec(), Some(Vec::new())));
        assert_eq!(parts("be1.example"), (b"be1.example".to_vec(), None));
        assert_eq!(parts("a!b!c"), (b"a".to_vec(), Some(b"b!c".to_vec())));
        assert_eq!(parts(""), (Vec::new(), None));
        let server = ServerName::new("be1").unwrap();
        assert_eq!(Location::of(&server, b"").unwrap(), location("be1!"));
        assert!(Location::of(&ServerName::new("a!b").unwrap(), b"").is_err());
    }

    #[test]
    fn a_prefix_is_literal_and_a_server_is_exact() {
        let server = ServerName::new("be").unwrap();
        let (be, be2) = (location("be!x"), location("be2!x"));
        let literal = LocationPrefix::new("be").unwrap();
        assert!(literal.matches(&be) && literal.matches(&be2));
        let whole = LocationPrefix::of_server(&server).unwrap();
        assert!(whole.matches(&be) && !whole.matches(&be2));
        assert!(server.holds(&be) && !server.holds(&be2));
    }

    #[test]
    fn acls_are_pairs_as_far_as_they_have_that_form() {
        let pairs = |text: &'static str| {
            let acl = Acl::new(text).unwrap();
            acl.pairs().map(|(i, r)| format!("{}={}", Escaped::new(i), Escaped::new(r))).collect::<Vec<_>>()
        };
        assert_eq!(pairs("alice\tlrs\t-bob\tl\t"), ["alice=lrs", "-bob=l"]);
        assert_eq!(pairs("anyone rls"), [""; 0]);
        assert_eq!(pairs(""), [""; 0]);
        assert!(Acl::from_pairs([("a\tb", "l")]).is_err());
    }

    #[test]
    fn octets_at_the_limits_pass_and_one_above_does_not() {
        assert!(MailboxName::new("").is_err());
        assert!(MailboxName::new(vec![b'a'; NAME_BYTES_MAX]).is_ok());
        assert!(MailboxName::new(vec![b'a'; NAME_BYTES_MAX + 1]).is_err());
        assert!(Location::new(vec![b'a'; NAME_BYTES_MAX + 1]).is_err());
        assert!(Acl::new(vec![b'a'; ACL_BYTES_MAX]).is_ok());
        assert!(Acl::new(vec![b'a'; ACL_BYTES_MAX + 1]).is_err());
        assert!(Acl::new("a\0b").is_err());
    }

    #[test]
    fn a_detached_entry_is_equal_to_its_origin() {
        let name = MailboxName::new("user.alice").unwrap();
        let acl = Acl::new("alice\tlrs\t").unwrap();
        for entry in [
            MailboxEntry::active(name.clone(), location("be1!x"), acl),
            MailboxEntry::active(name.clone(), location("be1!x"), Acl::new("").unwrap()),
            MailboxEntry::reserved(name, location("")),
        ] {
            assert_eq!(entry.detach(), entry);
        }
    }

    #[test]
    fn e6_names_are_shown_on_one_printable_line() {
        assert_eq!(MailboxName::new("a\r\n\u{e9}").unwrap().to_string(), r"a\x0d\x0a\xc3\xa9");
    }
}
