//! A session's picture of one mailbox.
//!
//! The list of UIDs stands still until [`View::sync`], so that a sequence number means one message (RFC 3501 7.4.1);
//! flags are read fresh. Messages that were expunged by others keep their numbers until `sync` may show it
//! (RFC 2180 4.1); meanwhile they have no record any more and their bodies answer [`Error::Expunged`]. The UIDs are
//! shared with the mailbox in chunks, so a view of an unchanged mailbox costs a pointer for each 1,024 messages.

use std::sync::Arc;

use super::Session;
use super::acl::{Actor, Rights};
use super::body::Body;
use super::contents::{Contents, Mailbox, seen_key};
use super::error::{Error, Limit};
use super::flags::{Flags, KeywordBits, KeywordTable, SystemFlags};
use super::mailbox::InternalDate;
use super::name::{MailboxId, MailboxName, Uid};
use super::pending::Pending;
use super::request::{Copied, CopyMode, FlagsOp, Operation, Response, Stored};
use super::rows::{CHUNK_ROWS, Chunk, Row};
use super::uid_set::{Bound, UID_RANGES_MAX, UidSet};
use super::watch::Watch;

/// How a mailbox is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// SELECT: changes are allowed, and new messages are recent to this view alone.
    ReadWrite,
    /// EXAMINE: changes are refused, and nothing stops being recent.
    ReadOnly,
}

/// Whether a sync may take expunged messages out of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expunges {
    /// It may.
    Show,
    /// It may not: during FETCH, STORE and SEARCH (RFC 3501 7.4.1).
    Hide,
}

/// A message taken out of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expunged {
    /// The number it had. They come in descending order, so that each is right also after those before it.
    pub sequence: u32,
    /// Its UID.
    pub uid: Uid,
}

/// What a sync has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// How many messages the view has now (EXISTS).
    pub exists: u32,
    /// How many of them are new since the last sync; they are the last ones.
    pub arrived: u32,
    /// How many of all are recent (RECENT).
    pub recent: u32,
    /// Messages taken out of the list, by descending number.
    pub expunged: Vec<Expunged>,
    /// Messages that were there before and whose flags have changed, by ascending number, under the numbers that
    /// hold after `expunged`.
    pub changed: Vec<Message>,
}

/// What is known of a message without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number in the view, from 1.
    pub sequence: u32,
    /// Its UID.
    pub uid: Uid,
    /// System flags, with the viewing user's own \Seen.
    pub flags: SystemFlags,
    /// Keywords; [`View::keywords`] says which.
    pub keywords: KeywordBits,
    /// Whether it is recent to this view.
    pub recent: bool,
    /// MODSEQ.
    pub modseq: u64,
    /// RFC822.SIZE.
    pub size_bytes: u32,
    /// INTERNALDATE.
    pub internal_date: InternalDate,
    /// SAVEDATE (RFC 8514): seconds since 1970-01-01T00:00:00Z.
    pub save_secs: u32,
}

/// An open mailbox.
#[derive(Debug)]
pub struct View {
    session: Session,
    mailbox: Arc<Mailbox>,
    access: Access,
    list: UidList,
    recent: UidSet,
    /// Up to where flags have been reported.
    modseq: u64,
}

impl View {
    pub(super) fn new(session: Session, mailbox: Arc<Mailbox>, access: Access) -> Result<Self, Error> {
        let mut view =
            Self { session, mailbox, access, list: UidList::default(), recent: UidSet::default(), modseq: 0 };
        view.sync(Expunges::Show)?;
        Ok(view)
    }

    /// The mailbox's number.
    #[must_use]
    pub fn id(&self) -> MailboxId {
        self.mailbox.id
    }

    /// The mailbox's name now.
    #[must_use]
    pub fn name(&self) -> MailboxName {
        self.mailbox.read().meta.name.clone()
    }

    /// Its UIDVALIDITY.
    #[must_use]
    pub fn uid_validity(&self) -> u32 {
        self.mailbox.read().meta.uid_validity
    }

    /// Its UIDNEXT now; 0 when there is none left.
    #[must_use]
    pub fn uid_next(&self) -> Uid {
        Uid::try_from(self.mailbox.read().uid_next).unwrap_or(0)
    }

    /// Its HIGHESTMODSEQ now, as the viewing user sees it.
    #[must_use]
    pub fn highest_modseq(&self) -> u64 {
        let contents = self.mailbox.read();
        contents.highest_modseq(seen_key(&contents.meta, self.actor()))
    }

    /// The keywords it knows now.
    #[must_use]
    pub fn keywords(&self) -> KeywordTable {
        self.mailbox.read().keywords.clone()
    }

    /// What the actor may do with it now.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.mailbox.read().meta.acl.rights(self.actor())
    }

    /// How it was opened.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The flags that the actor may change permanently (PERMANENTFLAGS); none in a read-only view. Keywords need `w`.
    #[must_use]
    pub fn permanent_flags(&self) -> SystemFlags {
        match self.access {
            Access::ReadOnly => SystemFlags::NONE,
            Access::ReadWrite => super::request::permitted_flags(self.rights()),
        }
    }

    /// How many messages the view has.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.list.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of its messages are recent.
    #[must_use]
    pub fn recent(&self) -> u32 {
        u32::try_from(self.recent.len()).unwrap_or(u32::MAX)
    }

    /// The UID of a sequence number from 1 to [`len`](Self::len).
    #[must_use]
    pub fn uid(&self, sequence: u32) -> Option<Uid> {
        self.list.uid(sequence)
    }

    /// The sequence number of a UID, if the view has it.
    #[must_use]
    pub fn sequence(&self, uid: Uid) -> Option<u32> {
        self.list.sequence(uid)
    }

    /// The messages of the view that a set of UIDs names: ranges either way round, `*` the last message; numbers
    /// without a message are left out (RFC 3501 6.4.8).
    ///
    /// # Errors
    /// [`Limit::UidRanges`].
    pub fn uids(&self, ranges: &[(Bound, Bound)]) -> Result<UidSet, Error> {
        let last = self.list.last().unwrap_or(0);
        let asked = UidSet::from_ranges(ranges.iter().map(|(a, b)| (a.resolve(last), b.resolve(last))))?;
        Ok(self.list.existing(&asked))
    }

    /// The messages of the view that a set of sequence numbers names: ranges either way round, `*` the last message.
    ///
    /// # Errors
    /// [`Error::NoSuchSequence`] for a number beyond the last message, `*` in an empty mailbox among them (RFC 3501 9,
    /// `seq-number`); [`Limit::UidRanges`].
    pub fn sequences(&self, ranges: &[(Bound, Bound)]) -> Result<UidSet, Error> {
        if ranges.len() > UID_RANGES_MAX {
            return Err(Error::limit(Limit::UidRanges, UID_RANGES_MAX));
        }
        let last = self.len();
        let resolve = |bound: &Bound| match bound.resolve(last) {
            number if (1..=last).contains(&number) => Ok(number),
            _ => Err(Error::NoSuchSequence),
        };
        let ranges: Vec<(u32, u32)> =
            ranges.iter().map(|(a, b)| Ok((resolve(a)?, resolve(b)?))).collect::<Result<_, Error>>()?;
        let numbers = UidSet::from_ranges(ranges)?;
        Ok(numbers
            .ranges()
            .iter()
            .flat_map(|(a, b)| self.list.between(*a, *b))
            .map(|uid| (uid, uid))
            .collect())
    }

    /// All messages of the view.
    #[must_use]
    pub fn all(&self) -> UidSet {
        self.list.between(1, self.len()).map(|uid| (uid, uid)).collect()
    }

    /// The records of these messages, ascending, as they are at the call; those not in the view, or expunged, are left
    /// out. The iterator holds no lock.
    #[must_use]
    pub fn messages<'a>(&'a self, uids: &'a UidSet) -> MessageIter<'a> {
        let contents = self.mailbox.read();
        let chunks = match uids.span() {
            Some((first, last)) => contents.messages.chunks_between(first, last),
            None => Vec::new(),
        };
        let user = seen_key(&contents.meta, self.actor());
        let seen = user.map(|user| contents.seen.get(user).cloned().unwrap_or_default());
        MessageIter { view: self, uids, chunks: chunks.into_iter(), chunk: None, at: 0, seen }
    }

    /// The first message of the view without \Seen (UNSEEN of SELECT).
    #[must_use]
    pub fn first_unseen(&self) -> Option<Message> {
        let all = UidSet::range(1, self.list.last().unwrap_or(0));
        self.messages(&all).find(|message| !message.flags.contains(SystemFlags::SEEN))
    }

    /// Brings the view up to date and says what that changed. New messages are always taken in, expunged ones taken
    /// out if that may be shown.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`] if the mailbox is gone or may not be looked up any more, [`Error::Denied`] without `r`.
    pub fn sync(&mut self, expunges: Expunges) -> Result<Changes, Error> {
        let mailbox = Arc::clone(&self.mailbox);
        let mut claimed = UidSet::default();
        let unclaimed = {
            let contents = mailbox.read();
            contents.recent_from < contents.uid_next
        };
        if self.access == Access::ReadWrite && unclaimed {
            let mut contents = mailbox.write();
            claimed = recent_range(&contents);
            contents.recent_from = contents.uid_next;
        }
        let contents = mailbox.read();
        if contents.gone {
            return Err(Error::NoSuchMailbox);
        }
        contents.meta.acl.rights(&self.session.actor).require(Rights::READ)?;
        let before_last = self.list.last().unwrap_or(0);
        let missing = self.list.missing_from(&contents);
        let mut expunged = Vec::new();
        if expunges == Expunges::Show {
            let gone =
                missing.iter().filter_map(|uid| Some(Expunged { sequence: self.list.sequence(uid)?, uid }));
            expunged = gone.collect();
            expunged.reverse();
            self.list = UidList::adopt(&contents);
            self.recent = self.recent.without(&missing);
        } else if missing.is_empty() {
            self.list = UidList::adopt(&contents);
        } else {
            self.list.extend(&contents);
        }
        if self.access == Access::ReadOnly {
            claimed = recent_range(&contents);
        }
        self.recent = self.recent.union(&self.list.existing(&claimed));
        let user = seen_key(&contents.meta, &self.session.actor);
        let arrived = self.list.count_above(before_last);
        let changed = self.changed(&contents, before_last);
        self.modseq = contents.highest_modseq(user);
        Ok(Changes { exists: self.len(), arrived, recent: self.recent(), expunged, changed })
    }

    /// The messages up to `last` whose flags changed since they were last reported.
    fn changed(&self, contents: &Contents, last: Uid) -> Vec<Message> {
        let user = seen_key(&contents.meta, self.actor());
        if contents.highest_modseq(user) <= self.modseq || last == 0 {
            return Vec::new();
        }
        let by_user =
            user.and_then(|user| contents.seen.get(user)).is_some_and(|s| s.highest_modseq() > self.modseq);
        let chunks =
            contents.messages.chunks().iter().filter(|chunk| by_user || chunk.modseq_max() > self.modseq);
        let rows = chunks.flat_map(|chunk| chunk.uids().iter().zip(chunk.rows().iter()));
        let known = rows.take_while(|(uid, _)| **uid <= last).filter_map(|(uid, row)| {
            let (flags, modseq) = contents.seen_as(user, *uid, row);
            let newer = by_user || row.modseq > self.modseq;
            (newer && modseq > self.modseq).then_some((*uid, row, flags, modseq))
        });
        known.filter_map(|(uid, row, flags, modseq)| self.message(uid, row, flags, modseq)).collect()
    }

    fn message(&self, uid: Uid, row: &Row, flags: SystemFlags, modseq: u64) -> Option<Message> {
        Some(Message {
            sequence: self.list.sequence(uid)?,
            uid,
            flags,
            keywords: KeywordBits(row.keywords),
            recent: self.recent.contains(uid),
            modseq,
            size_bytes: row.size_bytes,
            internal_date: InternalDate { secs: row.internal_secs, zone_minutes: row.zone_minutes },
            save_secs: row.save_secs,
        })
    }

    /// Waits for changes of this mailbox.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.mailbox.topic().watch()
    }

    /// The body of a message of the view.
    ///
    /// # Errors
    /// [`Error::Expunged`] if there is none, [`Error::Denied`] without `r`.
    pub fn body(&self, uid: Uid) -> Result<Body, Error> {
        let contents = self.mailbox.read();
        contents.meta.acl.rights(self.actor()).require(Rights::READ)?;
        let row = contents.messages.find(uid).filter(|_| self.list.sequence(uid).is_some());
        Ok(Body::new(self.session.store.log.clone(), row.ok_or(Error::Expunged)?))
    }

    /// Changes flags of messages (STORE). \Seen needs `s`, \Deleted `t`, others `w`; what the actor may not change is left
    /// alone, and refused if that is all. With `unchanged_since`, messages with a greater MODSEQ are left alone and
    /// named in the answer, all under one order (RFC 7162 3.1.3). Messages that do not exist are no error.
    pub fn store_flags(
        &self,
        uids: &UidSet,
        op: FlagsOp,
        flags: Flags,
        unchanged_since: Option<u64>,
    ) -> Pending<Stored> {
        let operation = Operation::Flags { id: self.id(), uids: uids.clone(), op, flags, unchanged_since };
        self.change(operation, |response| match response {
            Response::Stored(stored) => Some(stored),
            _ => None,
        })
    }

    /// Removes messages that have \Deleted: all, or those of a set (UID EXPUNGE, RFC 4315 2.1). Answers which. Needs
    /// `e`. Bodies go when nothing refers to them any more. The view shows it at the next sync.
    pub fn expunge(&self, uids: Option<&UidSet>) -> Pending<UidSet> {
        let operation = Operation::Expunge { id: self.id(), uids: uids.cloned() };
        self.change(operation, |response| match response {
            Response::Expunged(uids) => Some(uids),
            _ => None,
        })
    }

    /// Copies messages by reference: no body is read or written. Needs `r` here and `i` there; flags that the actor may
    /// not set there are left out.
    pub fn copy(&self, uids: &UidSet, to: &MailboxName) -> Pending<Copied> {
        self.session.submit(self.copying(uids, to, CopyMode::Copy), copied)
    }

    /// Moves messages in one transaction (RFC 6851). Needs `r`, `t` and `e` here and `i` there.
    pub fn move_to(&self, uids: &UidSet, to: &MailboxName) -> Pending<Copied> {
        self.change(self.copying(uids, to, CopyMode::Move), copied)
    }

    fn copying(&self, uids: &UidSet, to: &MailboxName, mode: CopyMode) -> Operation {
        Operation::Copy { id: self.id(), uids: uids.clone(), to: to.clone(), mode }
    }

    fn change<T>(&self, operation: Operation, convert: super::pending::Convert<T>) -> Pending<T> {
        match self.access {
            Access::ReadOnly => Pending::refused(Error::ReadOnly),
            Access::ReadWrite => self.session.submit(operation, convert),
        }
    }

    fn actor(&self) -> &Actor {
        &self.session.actor
    }
}

fn copied(response: Response) -> Option<Copied> {
    match response {
        Response::Copied(copied) => Some(copied),
        _ => None,
    }
}

fn recent_range(contents: &Contents) -> UidSet {
    let from = Uid::try_from(contents.recent_from).unwrap_or(Uid::MAX);
    UidSet::range(from, contents.messages.last_uid())
}

/// The iterator of [`View::messages`].
#[derive(Debug)]
pub struct MessageIter<'a> {
    view: &'a View,
    uids: &'a UidSet,
    chunks: std::vec::IntoIter<Chunk>,
    chunk: Option<Chunk>,
    at: usize,
    /// The viewing user's own seen set, where they have one.
    seen: Option<Arc<super::seen::Seen>>,
}

impl Iterator for MessageIter<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        loop {
            if self.chunk.is_none() {
                self.chunk = Some(self.chunks.next()?);
                self.at = 0;
            }
            let next = self.chunk.as_ref().and_then(|chunk| chunk.get(self.at));
            let Some((uid, row)) = next else {
                self.chunk = None;
                continue;
            };
            self.at += 1;
            if !self.uids.contains(uid) {
                continue;
            }
            let (flags, modseq) = match &self.seen {
                Some(seen) => seen.view_of(uid, &row),
                None => (row.flags, row.modseq),
            };
            if let Some(message) = self.view.message(uid, &row, flags, modseq) {
                return Some(message);
            }
        }
    }
}

/// The UIDs of a view by sequence number.
#[derive(Debug, Default)]
struct UidList {
    chunks: Vec<Arc<Vec<Uid>>>,
    /// How many UIDs lie before each chunk.
    before: Vec<u32>,
    len: u32,
}

impl UidList {
    /// The mailbox as it is.
    fn adopt(contents: &Contents) -> Self {
        let mut list = Self::default();
        contents.messages.chunks().iter().for_each(|chunk| list.add(Arc::clone(chunk.uids())));
        list
    }

    fn add(&mut self, chunk: Arc<Vec<Uid>>) {
        self.before.push(self.len);
        // A mailbox has fewer than 2^32 UIDs.
        self.len = self.len.saturating_add(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
        self.chunks.push(chunk);
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn last(&self) -> Option<Uid> {
        self.chunks.last().and_then(|chunk| chunk.last()).copied()
    }

    fn uid(&self, sequence: u32) -> Option<Uid> {
        let index = sequence.checked_sub(1)?;
        let chunk = self.before.partition_point(|before| *before <= index).checked_sub(1)?;
        let offset = index.checked_sub(*self.before.get(chunk)?)?;
        self.chunks.get(chunk)?.get(offset as usize).copied()
    }

    fn sequence(&self, uid: Uid) -> Option<u32> {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last < uid));
        let offset = self.chunks.get(at)?.binary_search(&uid).ok()?;
        Some(self.before.get(at)? + u32::try_from(offset).ok()? + 1)
    }

    /// The UIDs with sequence numbers from `first` to `last`.
    fn between(&self, first: u32, last: u32) -> impl Iterator<Item = Uid> + '_ {
        let start = self.before.partition_point(|before| *before < first).saturating_sub(1);
        let skip = first.saturating_sub(1).saturating_sub(self.before.get(start).copied().unwrap_or(0));
        let count = last.saturating_add(1).saturating_sub(first.max(1));
        let chunks = self.chunks.get(start..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter().copied()).skip(skip as usize).take(count as usize)
    }

    /// Which of `set` the list has. Costs what is found, and a search for each range.
    fn existing(&self, set: &UidSet) -> UidSet {
        let mut found = UidSet::default();
        for &(first, last) in set.ranges() {
            let start = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|uid| *uid < first));
            let chunks = self.chunks.get(start..).unwrap_or_default();
            let near = chunks.iter().take_while(|chunk| chunk.first().is_some_and(|uid| *uid <= last));
            for chunk in near {
                let from = chunk.partition_point(|uid| *uid < first);
                let to = chunk.partition_point(|uid| *uid <= last);
                chunk.get(from..to).unwrap_or_default().iter().for_each(|uid| found.push(*uid));
            }
        }
        found
    }

    fn count_above(&self, uid: Uid) -> u32 {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last <= uid));
        match (self.chunks.get(at), self.before.get(at)) {
            (Some(chunk), Some(before)) => {
                let up_to = u32::try_from(chunk.partition_point(|known| *known <= uid)).unwrap_or(0);
                self.len.saturating_sub(before + up_to)
            }
            _ => 0,
        }
    }

    /// Which of the list the mailbox has no more. Chunks that are shared, or have only grown, are not looked into.
    fn missing_from(&self, contents: &Contents) -> UidSet {
        let mut missing = UidSet::default();
        for chunk in &self.chunks {
            let Some(first) = chunk.first() else { continue };
            let now = contents.messages.chunk_at(*first);
            if now.is_some_and(|now| Arc::ptr_eq(now.uids(), chunk) || now.uids().starts_with(chunk)) {
                continue;
            }
            let gone = chunk.iter().filter(|uid| contents.messages.find(**uid).is_none());
            gone.for_each(|uid| missing.push(*uid));
        }
        missing
    }

    /// Takes in what is new, and keeps what is there although some of it is gone.
    fn extend(&mut self, contents: &Contents) {
        let Some(above) = self.last().unwrap_or(0).checked_add(1) else { return };
        let new = UidSet::range(above, Uid::MAX);
        let uids: Vec<Uid> = contents.messages.iter_in(&new).map(|(uid, _)| uid).collect();
        for part in uids.chunks(CHUNK_ROWS) {
            match self.chunks.last_mut() {
                Some(last) if last.len() + part.len() <= CHUNK_ROWS => {
                    Arc::make_mut(last).extend_from_slice(part);
                    self.len = self.len.saturating_add(u32::try_from(part.len()).unwrap_or(0));
                }
                _ => self.add(Arc::new(part.to_vec())),
            }
        }
    }
}
