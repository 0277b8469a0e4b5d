//! A store on a disk in memory, and short words for what tests do with it.

use std::sync::Arc;
use std::time::Duration;

use mailstore::clock::{ManualClock, Timestamp};
use mailstore::disk::Disk;
use mailstore::disk::crash::CrashDisk;
use mailstore::log::{OpenError, Options as LogOptions};
use mailstore::store::*;

/// 2026-01-01.
pub(crate) const NOW_SECS: u64 = 1_767_225_600;

/// A store, and what it stands on.
pub(crate) struct Bench {
    pub(crate) disk: CrashDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Store,
}

/// Small segments, so that a test sees many; checkpoints only when asked for.
pub(crate) fn options() -> Options {
    let log = LogOptions {
        segment_bytes: 8192 + 4 * 65_536,
        frame_bytes_max: 65_536,
        checkpoint_after_bytes: 0,
        ..LogOptions::default()
    };
    Options { log, ..Options::default() }
}

pub(crate) fn open(disk: &CrashDisk, clock: &Arc<ManualClock>) -> Result<Store, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::open_on(&disk, Arc::clone(clock) as _, options())
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = CrashDisk::new(seed);
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW_SECS * 1000)));
        let store = open(&disk, &clock).unwrap();
        Self { disk, clock, store }
    }

    /// Closes the store in good order and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.store.close().unwrap();
        self.store = open(&self.disk, &self.clock).unwrap();
    }

    /// Loses power and opens the store again.
    pub(crate) fn crash(&mut self) {
        self.disk.crash();
        self.store = open(&self.disk, &self.clock).unwrap();
    }

    pub(crate) fn peer(&self) -> Session {
        self.store.session(Actor::Peer)
    }

    pub(crate) fn user(&self, user: &str) -> Session {
        self.store.session(Actor::user(UserName::new(user).unwrap()))
    }

    /// Makes `user/NAME` for a user who may do everything there.
    pub(crate) fn inbox(&self, user: &str) -> MailboxName {
        let inbox = name(&format!("user/{user}"));
        self.peer().create(&inbox, owned(user)).wait().unwrap();
        inbox
    }

    pub(crate) fn body(&self, text: &[u8]) -> NewBody {
        let mut body = self.store.body();
        body.write(text).unwrap();
        body.finish().unwrap()
    }

    /// Appends a message as a peer.
    pub(crate) fn append(&self, mailbox: &MailboxName, text: &[u8]) -> Uid {
        self.peer().append(mailbox, NewMessage::new(self.body(text))).wait().unwrap().uid
    }

    pub(crate) fn deliver(
        &self,
        text: &[u8],
        to: &[&MailboxName],
        id: Option<&[u8]>,
    ) -> Vec<Result<Delivered, Error>> {
        self.peer().deliver(self.delivery(text, to, id)).wait().unwrap()
    }

    pub(crate) fn delivery(&self, text: &[u8], to: &[&MailboxName], id: Option<&[u8]>) -> Delivery {
        let recipient = |mailbox: &&MailboxName| Recipient {
            mailbox: (*mailbox).clone(),
            posting: Posting::Unchecked,
            quota: QuotaCheck::Enforce,
        };
        Delivery {
            body: self.body(text),
            recipients: to.iter().map(recipient).collect(),
            delivery_id: id.map(|id| DeliveryId::new(id).unwrap()),
            internal_date: None,
        }
    }

    pub(crate) fn advance_secs(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::new(text.split('/')).unwrap()
}

pub(crate) fn owned(user: &str) -> Create {
    let user = UserName::new(user).unwrap();
    Create { acl: Some(Acl::owned_by(&user)), owner: Some(user), ..Create::default() }
}

pub(crate) fn shared(acl: &str) -> Create {
    Create { acl: Some(Acl::parse_text(acl).unwrap()), ..Create::default() }
}

pub(crate) fn uids(ranges: &[(Uid, Uid)]) -> UidSet {
    UidSet::from_ranges(ranges.iter().copied()).unwrap()
}

pub(crate) fn keywords(words: &[&str]) -> Flags {
    let keywords = words.iter().map(|word| Keyword::new(word).unwrap()).collect();
    Flags { system: SystemFlags::NONE, keywords }
}

/// UID and system flags of all messages that a view shows.
pub(crate) fn flags_of(view: &View) -> Vec<(Uid, SystemFlags)> {
    view.messages(&view.all()).map(|message| (message.uid, message.flags)).collect()
}
