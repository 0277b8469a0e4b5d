//! Who may change what in the mailbox list: one pure function.
//!
//! A back-end changes entries at its own location and no others. A name has one holder: the first to reserve it, until
//! it gives it up or its reservation expires. Where this and Cyrus's master differ: a name that is active at one
//! server is never taken over by another's ACTIVATE; what they agree on is in the table.
//!
//! | the entry is | RESERVE | ACTIVATE | DEACTIVATE | DELETE |
//! | --- | --- | --- | --- | --- |
//! | not there | reserves | activates | NO | NO |
//! | reserved, and ours | reserves, from now on | activates | NO | deletes |
//! | reserved by another | NO | NO | NO | NO |
//! | the same, expired | reserves | activates | NO | NO |
//! | active here | reserves (as Cyrus) | changes it | reserves | deletes |
//! | active elsewhere | NO | NO | NO | NO |
//!
//! A reservation is *ours* if we made it, or if it is for our location: DEACTIVATE may name another server, which then
//! ACTIVATEs it there (a mailbox that moves), or we do again (it did not). Such a reservation does not expire: there is
//! a mailbox behind it.

use mail_wire::Text;
use mailstore::clock::Timestamp;
use mupdate_proto::{Change, Location, MailboxEntry};

/// Who reserved an entry, and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reservation {
    /// The name of the server that did.
    pub(super) by: String,
    /// `None` if it does not expire.
    pub(super) expires: Option<Timestamp>,
}

/// An entry, and how it is reserved if it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) entry: MailboxEntry,
    pub(super) reservation: Option<Reservation>,
}

/// What a change comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is so already.
    Nothing,
    /// This is the entry now.
    Put(Record),
    /// There is no entry now.
    Remove,
}

/// Why a change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another server has the name.
    Taken,
    /// DEACTIVATE of what is not active.
    NotActive,
    /// DELETE of what is not there.
    Unknown,
    /// The location, or the entry, is another server's.
    NotYours,
    /// The list is full.
    Full,
}

impl Refusal {
    /// What the client is told.
    pub(super) fn text(self) -> Text {
        match self {
            Self::Taken => const { Text::constant("mailbox already exists") },
            Self::NotActive => const { Text::constant("mailbox not currently active") },
            Self::Unknown => const { Text::constant("no such mailbox") },
            Self::NotYours => const { Text::constant("not at the location of this login") },
            Self::Full => const { Text::constant("the mailbox list is full") },
        }
    }
}

/// Decides about a change that `server` asks for at the time `now`; a reservation expires at `expires`.
pub(super) fn decide(
    current: Option<&Record>,
    server: &str,
    change: &Change,
    now: Timestamp,
    expires: Timestamp,
) -> Result<Verdict, Refusal> {
    let here = |location: &Location| location.server() == server.as_bytes();
    match change {
        Change::Reserve { name, location } => {
            may_take(current, server, location, now)?;
            Ok(Verdict::Put(Record {
                entry: MailboxEntry::reserved(name.clone(), location.clone()),
                reservation: Some(Reservation { by: server.to_owned(), expires: Some(expires) }),
            }))
        }
        Change::Activate { name, location, acl } => {
            may_take(current, server, location, now)?;
            let entry = MailboxEntry::active(name.clone(), location.clone(), acl.clone());
            if current.is_some_and(|current| current.entry == entry) {
                return Ok(Verdict::Nothing);
            }
            Ok(Verdict::Put(Record { entry, reservation: None }))
        }
        Change::Deactivate { name, location } => match current {
            Some(Record { entry, reservation: None }) if here(&entry.location) => Ok(Verdict::Put(Record {
                entry: MailboxEntry::reserved(name.clone(), location.clone()),
                reservation: Some(Reservation { by: server.to_owned(), expires: None }),
            })),
            Some(Record { reservation: None, .. }) => Err(Refusal::NotYours),
            _ => Err(Refusal::NotActive),
        },
        Change::Delete { .. } => match current {
            Some(Record { entry, reservation }) => {
                let reserved_by_us = reservation.as_ref().is_some_and(|reservation| reservation.by == server);
                if here(&entry.location) || reserved_by_us {
                    Ok(Verdict::Remove)
                } else {
                    Err(Refusal::NotYours)
                }
            }
            None => Err(Refusal::Unknown),
        },
    }
}

/// Whether `server` may have the name at this location of its own.
fn may_take(
    current: Option<&Record>,
    server: &str,
    location: &Location,
    now: Timestamp,
) -> Result<(), Refusal> {
    let here = |location: &Location| location.server() == server.as_bytes();
    if !here(location) {
        return Err(Refusal::NotYours);
    }
    let may = match current {
        None => true,
        Some(Record { entry, reservation: None }) => here(&entry.location),
        Some(Record { entry, reservation: Some(reservation) }) => {
            here(&entry.location)
                || reservation.by == server
                || reservation.expires.is_some_and(|expires| expires <= now)
        }
    };
    if may { Ok(()) } else { Err(Refusal::Taken) }
}

#[cfg(test)]
mod tests {
    use mupdate_proto::{Acl, MailboxName};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Timestamp = Timestamp::from_millis(61_000);

    fn name() -> MailboxName {
        MailboxName::new("user.alice").unwrap()
    }

    fn at(location: &'static str) -> Location {
        Location::new(location).unwrap()
    }

    fn active(location: &'static str) -> Record {
        let acl = Acl::new("alice\tlrs\t").unwrap();
        Record { entry: MailboxEntry::active(name(), at(location), acl), reservation: None }
    }

    fn reserved(location: &'static str, by: &str, expires: Option<Timestamp>) -> Record {
        let entry = MailboxEntry::reserved(name(), at(location));
        Record { entry, reservation: Some(Reservation { by: by.to_owned(), expires }) }
    }

    fn reserve(location: &'static str) -> Change {
        Change::Reserve { name: name(), location: at(location) }
    }

    fn activate(location: &'static str) -> Change {
        Change::Activate { name: name(), location: at(location), acl: Acl::new("alice\tlrs\t").unwrap() }
    }

    fn deactivate(location: &'static str) -> Change {
        Change::Deactivate { name: name(), location: at(location) }
    }

    fn delete() -> Change {
        Change::Delete { name: name() }
    }

    /// What be1 gets.
    fn ask(current: &Option<Record>, change: &Change) -> Result<Verdict, Refusal> {
        decide(current.as_ref(), "be1", change, NOW, LATER)
    }

    #[test]
    fn the_table_of_the_module_holds() {
        use Refusal::{NotActive, NotYours, Taken, Unknown};
        let put = |record: Record| Ok(Verdict::Put(record));
        let ours = || put(reserved("be1!x", "be1", Some(LATER)));
        let held = || put(reserved("be1!x", "be1", None));
        let table = [
            (None, ours(), put(active("be1!x")), Err(NotActive), Err(Unknown)),
            (
                Some(reserved("be1!x", "be1", Some(LATER))),
                ours(),
                put(active("be1!x")),
                Err(NotActive),
                Ok(Verdict::Remove),
            ),
            (
                // Given to us by a server that gave it up.
                Some(reserved("be1!x", "be2", None)),
                ours(),
                put(active("be1!x")),
                Err(NotActive),
                Ok(Verdict::Remove),
            ),
            (
                // Given away by us.
                Some(reserved("be2!x", "be1", None)),
                ours(),
                put(active("be1!x")),
                Err(NotActive),
                Ok(Verdict::Remove),
            ),
            (
                Some(reserved("be2!x", "be2", Some(LATER))),
                Err(Taken),
                Err(Taken),
                Err(NotActive),
                Err(NotYours),
            ),
            (Some(reserved("be2!x", "be2", None)), Err(Taken), Err(Taken), Err(NotActive), Err(NotYours)),
            (
                Some(reserved("be2!x", "be2", Some(NOW))),
                ours(),
                put(active("be1!x")),
                Err(NotActive),
                Err(NotYours),
            ),
            (Some(active("be1!x")), ours(), Ok(Verdict::Nothing), held(), Ok(Verdict::Remove)),
            (Some(active("be1!")), ours(), put(active("be1!x")), held(), Ok(Verdict::Remove)),
            (Some(active("be2!x")), Err(Taken), Err(Taken), Err(NotYours), Err(NotYours)),
            // A name that begins like ours is another's.
            (Some(active("be1b!x")), Err(Taken), Err(Taken), Err(NotYours), Err(NotYours)),
        ];
        for (current, reserves, activates, deactivates, deletes) in table {
            assert_eq!(ask(&current, &reserve("be1!x")), reserves, "RESERVE of {current:?}");
            assert_eq!(ask(&current, &activate("be1!x")), activates, "ACTIVATE of {current:?}");
            assert_eq!(ask(&current, &deactivate("be1!x")), deactivates, "DEACTIVATE of {current:?}");
            assert_eq!(ask(&current, &delete()), deletes, "DELETE of {current:?}");
        }
    }

    #[test]
    fn nobody_puts_a_mailbox_at_the_location_of_another() {
        for location in ["be2!x", "be2", "be1b!x", "!x", "x"] {
            assert_eq!(ask(&None, &reserve(location)), Err(Refusal::NotYours), "{location}");
            assert_eq!(ask(&None, &activate(location)), Err(Refusal::NotYours), "{location}");
        }
        for location in ["be1!x", "be1!", "be1", "be1!a!b"] {
            assert!(ask(&None, &activate(location)).is_ok(), "{location}");
        }
    }
}
