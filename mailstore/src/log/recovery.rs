//! Opening: find the last good checkpoint, replay the log behind it, prove or rewrite its end.
//!
//! The segments form a chain: each names the one before and says where that ends. All of the chain but its last
//! segment is settled: a frame in it that is not valid is damage, and an error. In the last segment the log ends
//! where the next frame is not valid, unless a valid frame of the same life stands behind it: a frame is written
//! only when the one before is durable, so that, too, is damage.
//!
//! The last frame itself may never have reached the disk (its sync failed, and the pages merely look well). Unless
//! a close frame behind it says that its sync was fine, it is written again, into a fresh segment, before
//! anything is served: first the copy, then the header that makes it part of the log and ends the old
//! segment before the original.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64};

use super::checkpoint::{Checkpoint, UNFINISHED};
use super::committer::{Batch, Committer, Head, apply_frame};
use super::error::is_disk_full;
use super::frame::{self, FRAME_HEADER_BYTES, Header, Kind, Spot};
use super::handle::{self, Common, Counters, Shared};
use super::identity::{Identity, STORE};
use super::open_files::OpenFiles;
use super::segment::{
    BLOCK_BYTES, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, SegmentKind, Segments, file_name, free_name,
    parse_name,
};
use super::{OpenError, Options, SegmentId, StateMachine, TransactionNumber};
use crate::clock::{Clock, Timestamp};
use crate::disk::{Disk, File};

/// What an opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The last transaction that is there.
    pub last: TransactionNumber,
    /// The last transaction of the checkpoint that the replay began with.
    pub checkpoint: TransactionNumber,
    /// How many transactions were replayed after it.
    pub transactions_replayed: u64,
    /// Where a torn frame was cut, if one was.
    pub cut: Option<(SegmentId, u32)>,
    /// Whether the log had been closed in good order (or was made just now).
    pub was_closed: bool,
    /// Files of older segments and checkpoints that are damaged: what is in them cannot be read.
    pub damaged: Vec<String>,
}

/// The subdirectory with segments and checkpoints.
const LOG: &str = "log";

pub(crate) fn open<M: StateMachine>(
    root: &Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    options: Options,
    machine: M,
) -> Result<(Committer<M>, Recovery), OpenError> {
    options.check().map_err(OpenError::Options)?;
    let disk = root.subdirectory(LOG).map_err(failed(LOG))?;
    let identity = match Identity::read(root.as_ref())? {
        Some(identity) => identity,
        None => make(root.as_ref(), disk.as_ref(), &options, M::FORMAT, clock.now()).map_err(refused)??,
    };
    if identity.machine != M::FORMAT {
        return Err(OpenError::OtherMachine { found: identity.machine });
    }
    // What can be seen need not be durable yet; from here on it is built upon.
    root.sync_directory().map_err(failed("."))?;
    disk.sync_directory().map_err(failed(LOG))?;
    let open_files = OpenFiles::new(Arc::clone(&disk), options.open_files_max);
    let files = Files::find(disk.as_ref(), identity.store, &open_files)?;
    let common = Common {
        disk,
        store: identity.store,
        options,
        files: open_files,
        segments: Segments::default(),
        next_segment: AtomicU64::new(files.id_max.saturating_add(1)),
        state: AtomicU8::new(handle::ALIVE),
        counters: Counters::default(),
    };
    let mut opening = Opening {
        machine,
        common,
        files,
        recovery: Recovery::default(),
        time: Timestamp::default(),
        log_bytes: 0,
        start: TransactionNumber::ZERO,
        last: SegmentId::new(0),
        held: None,
    };
    let checkpoints = opening.load_checkpoint()?;
    let head = opening.replay(&identity, checkpoints.back())?;
    let free = opening.tidy()?;
    opening.machine.recovered();
    opening.recovery.last = TransactionNumber::new(head.next.value().saturating_sub(1));
    let committer = Committer {
        shared: Arc::new(Shared::new(Arc::new(opening.common))),
        machine: opening.machine,
        clock,
        closed: opening.recovery.was_closed,
        head,
        free,
        checkpoints,
        uncheckpointed_bytes: opening.log_bytes,
        writing: None,
        asking: Vec::new(),
        batch: Batch::default(),
    };
    Ok((committer, opening.recovery))
}

/// Makes a log: the first segment, then the identity, which alone makes it one.
fn make(
    root: &dyn Disk,
    disk: &dyn Disk,
    options: &Options,
    machine: [u8; 8],
    made: Timestamp,
) -> io::Result<Result<Identity, OpenError>> {
    // Whatever an interrupted making left has no transaction in it; a log that has lost its identity does.
    for name in disk.list()? {
        let id = parse_name(&name, ".seg").map(SegmentId::new);
        let frames = match id {
            Some(id) => stray_frame(disk.open(&name)?.as_ref(), id, SEGMENT_HEADER_BYTES)?.is_some(),
            None => name != UNFINISHED && !name.ends_with(".free"),
        };
        if frames {
            return Ok(Err(OpenError::Missing { file: STORE.into() }));
        }
    }
    for name in disk.list()? {
        disk.remove(&name)?;
    }
    let identity = Identity { store: root.random()?, machine, first_segment: SegmentId::new(1), made };
    let header = SegmentHeader {
        kind: SegmentKind::Log,
        store: identity.store,
        id: identity.first_segment,
        epoch: root.random()?,
        first: TransactionNumber::new(1),
        previous: SegmentId::new(0),
        previous_end: 0,
        len_bytes: options.segment_bytes,
    };
    let file = disk.create(&file_name(header.id, SegmentKind::Log))?;
    file.allocate(u64::from(header.len_bytes))?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    disk.sync_directory()?;
    root.sync_directory()?;
    identity.write(root)?;
    Ok(Ok(identity))
}

/// The files of the log, as found.
struct Files {
    /// Log segments with a valid header.
    log: HashMap<SegmentId, Arc<Segment>>,
    /// Names of log segments without.
    headless: Vec<(SegmentId, String)>,
    bulk: Vec<(SegmentId, String)>,
    free: Vec<String>,
    checkpoints: Vec<String>,
    unfinished: bool,
    id_max: u64,
}

impl Files {
    fn find(disk: &dyn Disk, store: u64, open_files: &Arc<OpenFiles>) -> Result<Self, OpenError> {
        let mut files = Self {
            log: HashMap::new(),
            headless: Vec::new(),
            bulk: Vec::new(),
            free: Vec::new(),
            checkpoints: Vec::new(),
            unfinished: false,
            id_max: 0,
        };
        let mut names = disk.list().map_err(failed(LOG))?;
        names.sort_unstable();
        for name in names {
            if let Some(number) = parse_name(&name, ".seg") {
                files.id_max = files.id_max.max(number);
                let id = SegmentId::new(number);
                let file = disk.open(&name).map_err(failed(&name))?;
                let header = SegmentHeader::read(file.as_ref(), SegmentKind::Log, store, id);
                match header.map_err(failed(&name))? {
                    Some(header) => drop(files.log.insert(id, Segment::new(header, open_files))),
                    None => files.headless.push((id, name)),
                }
            } else if let Some(number) = parse_name(&name, ".blk") {
                files.id_max = files.id_max.max(number);
                files.bulk.push((SegmentId::new(number), name));
            } else if let Some(number) = parse_name(&name, ".free") {
                files.id_max = files.id_max.max(number);
                files.free.push(name);
            } else if parse_name(&name, ".chk").is_some() {
                files.checkpoints.push(name);
            } else {
                files.unfinished |= name == UNFINISHED;
            }
        }
        Ok(files)
    }
}

/// A verified frame that is not applied yet.
struct Held {
    header: Header,
    offset: u32,
    frame: Vec<u8>,
}

struct Opening<M: StateMachine> {
    machine: M,
    common: Common,
    files: Files,
    recovery: Recovery,
    time: Timestamp,
    /// Log behind the checkpoint, in bytes.
    log_bytes: u64,
    /// The last transaction of the checkpoint.
    start: TransactionNumber,
    /// The last segment that was found.
    last: SegmentId,
    /// The last frame read: whether and where it is applied depends on what follows.
    held: Option<Held>,
}

impl<M: StateMachine> Opening<M> {
    /// Loads the newest good checkpoint. Gives all good ones, older first.
    fn load_checkpoint(&mut self) -> Result<VecDeque<Checkpoint>, OpenError> {
        let disk = Arc::clone(&self.common.disk);
        let mut good = VecDeque::new();
        for name in std::mem::take(&mut self.files.checkpoints).into_iter().rev() {
            let file = disk.open(&name).map_err(failed(&name))?;
            let checkpoint = Checkpoint::verify(file.as_ref(), self.common.store).map_err(failed(&name))?;
            let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.file_name() == name) else {
                self.recovery.damaged.push(format!("{LOG}/{name}"));
                continue;
            };
            if good.is_empty() {
                self.machine
                    .load(&mut checkpoint.reader(file.as_ref()))
                    .map_err(|source| OpenError::Record { number: checkpoint.number, source })?;
                self.start = checkpoint.number;
                self.time = checkpoint.time;
                self.recovery.checkpoint = checkpoint.number;
                let next = self.common.next_segment.get_mut();
                *next = (*next).max(checkpoint.next_segment);
            }
            good.push_front(checkpoint);
        }
        Ok(good)
    }

    /// Walks the chain from the checkpoint, or from the first segment, and applies what is new.
    fn replay(&mut self, identity: &Identity, from: Option<&Checkpoint>) -> Result<Head, OpenError> {
        let mut id = from.map_or(identity.first_segment, |checkpoint| checkpoint.segment);
        let mut offset = from.map_or(SEGMENT_HEADER_BYTES, |checkpoint| checkpoint.offset);
        let mut number = self.start.next();
        let next_of: HashMap<SegmentId, SegmentId> =
            self.files.log.values().map(|segment| (segment.header.previous, segment.header.id)).collect();
        loop {
            let missing = || OpenError::Missing { file: path(id) };
            let segment = Arc::clone(self.files.log.get(&id).ok_or_else(missing)?);
            let len_bytes = segment.open().and_then(|file| file.len()).map_err(failed(&path(id)))?;
            // Growth is durable before a header, and a header before a frame: it cannot have been lost.
            if len_bytes < u64::from(segment.header.len_bytes) {
                return Err(corrupt(id, len_bytes, "more of the file"));
            }
            let Some(next) = next_of.get(&id).and_then(|next| self.files.log.get(next)).cloned() else {
                return self.replay_last(&segment, offset, number);
            };
            let end = next.header.previous_end;
            while offset < end {
                let damaged = corrupt(id, u64::from(offset), "a frame");
                let held = read_frame(&segment, offset)?.filter(|held| held.header.first == number);
                let held = held.ok_or(damaged)?;
                number = held.header.after();
                offset = held.offset + padded(&held.header);
                self.take(held, &segment)?;
            }
            // The log may begin anew before the checkpoint: its last frame was rewritten in the next segment.
            let overlaps = offset > end && from.is_some_and(|checkpoint| checkpoint.segment == id);
            let follows = next.header.first == number && offset == end;
            if next.header.id <= id || !(follows || (overlaps && next.header.first <= number)) {
                return Err(corrupt(next.header.id, 0, "the segment that follows the one before"));
            }
            self.apply_held(&segment)?;
            (id, offset, number) = (next.header.id, SEGMENT_HEADER_BYTES, next.header.first);
        }
    }

    /// Replays the last segment and settles where the log ends.
    fn replay_last(
        &mut self,
        segment: &Arc<Segment>,
        mut offset: u32,
        mut number: TransactionNumber,
    ) -> Result<Head, OpenError> {
        let id = segment.header.id;
        self.last = id;
        let mut closed = false;
        while let Some(held) = read_frame(segment, offset)? {
            if held.header.first != number {
                return Err(corrupt(id, u64::from(offset), "the next transaction"));
            }
            if held.header.kind == Kind::Close {
                closed = true;
                break;
            }
            number = held.header.after();
            offset = held.offset + padded(&held.header);
            self.take(held, segment)?;
        }
        if !closed {
            self.check_end(segment, offset, number)?;
        }
        self.recovery.was_closed = closed || number == TransactionNumber::new(1);
        let head = match self.held.take() {
            Some(held) if !closed => self.rewrite(segment, held, number)?,
            held => {
                self.held = held;
                self.apply_held(segment)?;
                if !closed && offset == SEGMENT_HEADER_BYTES {
                    rewrite_header(segment).map_err(failed(&path(id)))?;
                }
                let file = segment.open().map_err(failed(&path(id)))?;
                Head { segment: Arc::clone(segment), file, offset, next: number, time: self.time }
            }
        };
        Ok(Head { time: self.time, ..head })
    }

    /// Makes sure that nothing valid stands behind the end, and notes what is cut.
    fn check_end(&mut self, last: &Arc<Segment>, end: u32, next: TransactionNumber) -> Result<(), OpenError> {
        let id = last.header.id;
        let mut offset = end.saturating_add(BLOCK_BYTES);
        while offset < last.header.len_bytes {
            if read_frame(last, offset)?.is_some() {
                return Err(corrupt(id, u64::from(end), "a frame"));
            }
            offset += BLOCK_BYTES;
        }
        // Segments that follow, but cannot be reached.
        let beyond = self.files.log.values().map(|segment| segment.header).filter(|header| header.id > id);
        if let Some(header) = beyond.min_by_key(|header| header.id) {
            let previous = header.previous;
            return Err(match self.files.headless.iter().any(|(headless, _)| *headless == previous) {
                true => corrupt(previous, 0, "the header of the segment"),
                false => OpenError::Missing { file: path(previous) },
            });
        }
        for (id, name) in self.files.headless.iter().filter(|(headless, _)| *headless > id) {
            let file = self.common.disk.open(name).map_err(failed(name))?;
            // A commit stands only behind a durable header; a recovered copy is written before it, but not what
            // follows the copy.
            let stray = |offset| stray_frame(file.as_ref(), *id, offset).map_err(failed(name));
            let headed = match stray(SEGMENT_HEADER_BYTES)? {
                Some(header) if header.kind == Kind::Recovered => {
                    let second = stray(SEGMENT_HEADER_BYTES + padded(&header))?;
                    second.is_some_and(|second| second.epoch == header.epoch)
                }
                Some(header) => header.first == next,
                None => false,
            };
            if headed {
                return Err(corrupt(*id, 0, "the header of the segment"));
            }
        }
        let mut start = [0; FRAME_HEADER_BYTES];
        let torn = match last.open().and_then(|file| file.read_exact_at(&mut start, u64::from(end))) {
            Ok(()) => Header::decode(&start).is_some_and(|header| header.epoch == last.header.epoch),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(failed(&path(id))(error)),
        };
        self.recovery.cut = torn.then_some((id, end));
        Ok(())
    }

    /// Holds a frame back, and applies the one held before: its successor proves it.
    fn take(&mut self, held: Held, segment: &Segment) -> Result<(), OpenError> {
        self.apply_held(segment)?;
        self.held = Some(held);
        Ok(())
    }

    fn apply_held(&mut self, segment: &Segment) -> Result<(), OpenError> {
        match self.held.take() {
            Some(held) => self.apply(&held.frame, segment.spot(held.offset), &held.header),
            None => Ok(()),
        }
    }

    fn apply(&mut self, frame: &[u8], spot: Spot, header: &Header) -> Result<(), OpenError> {
        let from = self.start.next();
        apply_frame(&mut self.machine, frame, spot, header, from)
            .map_err(|(number, source)| OpenError::Record { number, source })?;
        let new = header.after().value().saturating_sub(header.first.max(from).value());
        self.recovery.transactions_replayed += new;
        self.log_bytes += u64::from(padded(header));
        self.time = self.time.max(header.time);
        Ok(())
    }

    /// Writes the last frame, of which nothing proves that it is durable, into a fresh segment.
    fn rewrite(
        &mut self,
        old: &Arc<Segment>,
        mut held: Held,
        next: TransactionNumber,
    ) -> Result<Head, OpenError> {
        let old_path = path(old.header.id);
        if held.offset == SEGMENT_HEADER_BYTES {
            rewrite_header(old).map_err(failed(&old_path))?;
        }
        let next_segment = self.common.next_segment.get_mut();
        let id = SegmentId::new(*next_segment);
        *next_segment += 1;
        let len_bytes = self.common.options.segment_bytes.max(SEGMENT_HEADER_BYTES + padded(&held.header));
        let file = match self.fresh_file(id, len_bytes) {
            Ok(file) => file,
            Err(error) if is_disk_full(&error) => {
                // The same bytes in the same place: a sector is old or new, which is the same. Not done while
                // there is room, since a disk may keep less than that.
                held.frame.resize(padded(&held.header) as usize, 0);
                let file = old.open().map_err(failed(&old_path))?;
                let written = file.write_all_at(&held.frame, u64::from(held.offset));
                written.and_then(|()| file.sync_data()).map_err(failed(&old_path))?;
                held.frame.truncate(held.header.frame_bytes());
                let offset = held.offset + padded(&held.header);
                self.apply(&held.frame, old.spot(held.offset), &held.header)?;
                return Ok(Head { segment: Arc::clone(old), file, offset, next, time: self.time });
            }
            Err(error) => return Err(failed(&path(id))(error)),
        };
        let common = &self.common;
        let write = |frame: &mut Vec<u8>| {
            let header = SegmentHeader {
                id,
                epoch: common.disk.random()?,
                first: held.header.first,
                previous: old.header.id,
                previous_end: held.offset,
                len_bytes,
                ..old.header
            };
            let segment = Segment::new(header, &common.files);
            let copy = Header { kind: Kind::Recovered, epoch: header.epoch, ..held.header };
            frame::seal(frame, segment.spot(SEGMENT_HEADER_BYTES), &copy);
            let frame_bytes = frame.len();
            frame.resize(padded(&copy) as usize, 0);
            common.disk.sync_directory()?;
            file.write_all_at(frame, u64::from(SEGMENT_HEADER_BYTES))?;
            file.sync_data()?;
            file.write_all_at(&header.encode(), 0)?;
            file.sync_data()?;
            frame.truncate(frame_bytes);
            Ok(segment)
        };
        let segment = write(&mut held.frame).map_err(failed(&path(id)))?;
        self.files.log.insert(id, Arc::clone(&segment));
        // The rest of the old segment is spent, which brings the next checkpoint nearer.
        self.log_bytes += u64::from(old.header.len_bytes.saturating_sub(held.offset));
        self.apply(&held.frame, segment.spot(SEGMENT_HEADER_BYTES), &held.header)?;
        let offset = SEGMENT_HEADER_BYTES + padded(&held.header);
        Ok(Head { segment, file: file.into(), offset, next, time: self.time })
    }

    /// A file that can become segment `id`: a free one, or a new one.
    fn fresh_file(&mut self, id: SegmentId, len_bytes: u32) -> io::Result<Box<dyn File>> {
        let disk = &self.common.disk;
        let name = file_name(id, SegmentKind::Log);
        while let Some(free) = self.files.free.pop() {
            if disk.open(&free)?.len()? == u64::from(len_bytes) {
                disk.rename(&free, &name)?;
                return disk.open(&name);
            }
            disk.remove(&free)?;
        }
        let file = disk.create(&name)?;
        match file.allocate(u64::from(len_bytes)) {
            Ok(()) => Ok(file),
            Err(error) => disk.remove(&name).and(Err(error)),
        }
    }

    /// Registers what can be read and removes what nobody needs. Gives the files that can become segments.
    fn tidy(&mut self) -> Result<Vec<String>, OpenError> {
        let common = &self.common;
        let (disk, last) = (common.disk.as_ref(), self.last);
        self.files.log.values().for_each(|segment| common.segments.insert(segment));
        for (id, name) in std::mem::take(&mut self.files.headless) {
            if id > last {
                let free = free_name(id);
                disk.rename(&name, &free).map_err(failed(&name))?;
                self.files.free.push(free);
            } else if self.machine.pins(id) {
                self.recovery.damaged.push(format!("{LOG}/{name}"));
            }
        }
        for (id, name) in std::mem::take(&mut self.files.bulk) {
            if !self.machine.pins(id) {
                disk.remove(&name).map_err(failed(&name))?;
                continue;
            }
            let file = disk.open(&name).map_err(failed(&name))?;
            let header = SegmentHeader::read(file.as_ref(), SegmentKind::Bulk, common.store, id);
            match header.map_err(failed(&name))? {
                Some(header) => common.segments.insert(&Segment::new(header, &common.files)),
                None => self.recovery.damaged.push(format!("{LOG}/{name}")),
            }
        }
        if self.files.unfinished {
            disk.remove(UNFINISHED).map_err(failed(UNFINISHED))?;
        }
        let mut free = Vec::new();
        for name in std::mem::take(&mut self.files.free) {
            let len = disk.open(&name).and_then(|file| file.len()).map_err(failed(&name))?;
            if len == u64::from(common.options.segment_bytes) && free.len() < common.options.free_segments_max
            {
                free.push(name);
            } else {
                disk.remove(&name).map_err(failed(&name))?;
            }
        }
        Ok(free)
    }
}

/// Reads and verifies the frame at `offset`; `None` if there is none.
fn read_frame(segment: &Arc<Segment>, offset: u32) -> Result<Option<Held>, OpenError> {
    let left = segment.header.len_bytes.saturating_sub(offset);
    if left < BLOCK_BYTES {
        return Ok(None);
    }
    let mut frame = vec![0; BLOCK_BYTES as usize];
    if !read_fully(segment, &mut frame, offset)? {
        return Ok(None);
    }
    let header = Header::decode(&frame).filter(|header| header.epoch == segment.header.epoch);
    let Some(header) = header.filter(|header| header.frame_bytes() <= left as usize) else { return Ok(None) };
    let first = frame.len();
    frame.resize(header.frame_bytes(), 0);
    if let Some(rest) = frame.get_mut(first..)
        && !read_fully(segment, rest, offset + BLOCK_BYTES)?
    {
        return Ok(None);
    }
    let valid = frame::verify(&frame, segment.spot(offset), &header);
    Ok(valid.then_some(Held { header, offset, frame }))
}

/// Whether the file had all these bytes.
fn read_fully(segment: &Arc<Segment>, buffer: &mut [u8], offset: u32) -> Result<bool, OpenError> {
    match segment.open().and_then(|file| file.read_exact_at(buffer, u64::from(offset))) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(failed(&path(segment.header.id))(error)),
    }
}

/// A frame of a segment whose header is not to be had, if it is consistent in itself.
fn stray_frame(file: &dyn File, id: SegmentId, at: u32) -> io::Result<Option<Header>> {
    let mut start = [0; FRAME_HEADER_BYTES];
    let offset = u64::from(at);
    match file.read_exact_at(&mut start, offset) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let Some(header) = Header::decode(&start) else { return Ok(None) };
    let mut frame = vec![0; header.frame_bytes()];
    match file.read_exact_at(&mut frame, offset) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let spot = Spot { segment: id, epoch: header.epoch, offset: at };
    Ok(frame::verify(&frame, spot, &header).then_some(header))
}

/// Writes both copies of a header again, one after the other, since their first sync may have failed.
fn rewrite_header(segment: &Arc<Segment>) -> io::Result<()> {
    let (both, file) = (segment.header.encode(), segment.open()?);
    for (copy, offset) in both.chunks(BLOCK_BYTES as usize).zip([0, u64::from(BLOCK_BYTES)]) {
        file.write_all_at(copy, offset)?;
        file.sync_data()?;
    }
    Ok(())
}

fn padded(header: &Header) -> u32 {
    u32::try_from(header.frame_bytes().next_multiple_of(BLOCK_BYTES as usize)).unwrap_or(u32::MAX)
}

fn path(id: SegmentId) -> String {
    format!("{LOG}/{}", file_name(id, SegmentKind::Log))
}

fn corrupt(id: SegmentId, offset: u64, what: &'static str) -> OpenError {
    OpenError::Corrupt { file: path(id), offset, what }
}

fn failed(file: &str) -> impl Fn(io::Error) -> OpenError {
    let file = file.to_owned();
    move |error| OpenError::Io { file: file.clone(), error }
}

fn refused(error: io::Error) -> OpenError {
    failed(".")(error)
}
