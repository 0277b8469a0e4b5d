//! A state machine that remembers all it was told, and what is needed to try a log with it.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use mailstore::clock::{ManualClock, Timestamp};
use mailstore::disk::Disk;
use mailstore::disk::crash::CrashDisk;
use mailstore::log::{
    Bulk, CommitError, Committed, InvalidRecord, Log, LogError, OpenError, Options, Place, Recovery,
    SegmentId, SnapshotReader, SnapshotWriter, StateMachine, Transaction, TransactionNumber,
};

/// What the machine is asked.
pub(crate) enum Ask {
    /// Remember this.
    Put(Vec<u8>),
    /// Remember this, and that it gives space back.
    Expunge(Vec<u8>),
    /// Remember where a large body is.
    Attach(Bulk),
    /// Forget all places: no segment is needed any more.
    Unpin,
    /// Be refused, after records were appended.
    Refuse,
    /// Append nothing.
    Query,
}

/// One remembered transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) number: TransactionNumber,
    pub(crate) bytes: Vec<u8>,
    pub(crate) place: Place,
}

#[derive(Clone, Default, Debug)]
pub(crate) struct State {
    pub(crate) kept: Vec<Kept>,
    pub(crate) unpinned_to: usize,
    pub(crate) attached: Option<Place>,
}

/// Remembers all transactions in order and insists on their numbers.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) state: Arc<Mutex<State>>,
}

impl StateMachine for Recorder {
    const FORMAT: [u8; 8] = *b"recorder";
    type Request = Ask;
    type Response = TransactionNumber;
    type Error = &'static str;
    type Frozen = State;

    fn weight(request: &Ask) -> usize {
        match request {
            Ask::Put(bytes) | Ask::Expunge(bytes) => bytes.len(),
            _ => 0,
        }
    }

    fn frees_space(request: &Ask) -> bool {
        matches!(request, Ask::Expunge(_))
    }

    fn prepare(
        &mut self,
        number: TransactionNumber,
        _: Timestamp,
        request: Ask,
        transaction: &mut Transaction<'_>,
    ) -> Result<TransactionNumber, &'static str> {
        let appended = match &request {
            Ask::Put(bytes) | Ask::Expunge(bytes) => transaction.append(&[b"P", bytes]),
            Ask::Attach(bulk) => transaction.append(&[b"A", &bulk.place().encode()]),
            Ask::Unpin => transaction.append(&[b"U"]),
            Ask::Refuse => transaction.append(&[b"P", b"must not be seen"]).and(Ok(())),
            Ask::Query => Ok(()),
        };
        appended.map_err(|_| "too large")?;
        if matches!(request, Ask::Refuse) { Err("refused") } else { Ok(number) }
    }

    fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord> {
        let mut state = self.state.lock().unwrap();
        for record in committed.records() {
            let (kind, content) = record.bytes.split_first().ok_or(InvalidRecord("empty"))?;
            match kind {
                b'P' => {}
                b'A' => {
                    state.attached =
                        Some(Place::decode(content.try_into().map_err(|_| InvalidRecord("place"))?));
                }
                b'U' => {
                    state.unpinned_to = state.kept.len();
                    state.attached = None;
                }
                _ => return Err(InvalidRecord("kind")),
            }
            if committed.number().value() != state.kept.len() as u64 + 1 {
                return Err(InvalidRecord("a gap"));
            }
            let bytes = record.bytes.to_vec();
            state.kept.push(Kept { number: committed.number(), bytes, place: record.place });
        }
        Ok(())
    }

    fn freeze(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    fn save(frozen: &State, out: &mut SnapshotWriter<'_>) -> io::Result<()> {
        out.write_all(&(frozen.unpinned_to as u64).to_le_bytes())?;
        match frozen.attached {
            Some(place) => out.write_all(&place.encode())?,
            None => out.write_all(&[0; 16])?,
        }
        for kept in &frozen.kept {
            out.write_all(&(kept.bytes.len() as u64).to_le_bytes())?;
            out.write_all(&kept.place.encode())?;
            out.write_all(&kept.bytes)?;
        }
        Ok(())
    }

    fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord> {
        let mut all = Vec::new();
        from.read_to_end(&mut all).map_err(|_| InvalidRecord("unreadable"))?;
        let mut rest = all.as_slice();
        let mut take = |count: usize| {
            let (now, later) = rest.split_at_checked(count)?;
            rest = later;
            Some(now)
        };
        let mut state = self.state.lock().unwrap();
        let short = InvalidRecord("short");
        state.unpinned_to = u64::from_le_bytes(take(8).ok_or(short)?.try_into().unwrap()) as usize;
        let attached: [u8; 16] = take(16).ok_or(short)?.try_into().unwrap();
        state.attached = (attached != [0; 16]).then(|| Place::decode(attached));
        while let Some(length) = take(8) {
            let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let place = Place::decode(take(16).ok_or(short)?.try_into().unwrap());
            let bytes = take(length).ok_or(short)?.to_vec();
            let number = TransactionNumber::new(state.kept.len() as u64 + 1);
            state.kept.push(Kept { number, bytes, place });
        }
        Ok(())
    }

    fn pins(&self, segment: SegmentId) -> bool {
        let state = self.state.lock().unwrap();
        state.attached.is_some_and(|place| place.segment() == segment)
            || state.kept[state.unpinned_to..].iter().any(|kept| kept.place.segment() == segment)
    }
}

/// An open log with a view of its machine's state.
pub(crate) struct Opened {
    pub(crate) log: Log<Recorder>,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) recovery: Recovery,
}

/// The smallest limits: four frames of two blocks a segment.
pub(crate) fn small() -> Options {
    Options {
        segment_bytes: 8192 + 4 * 8192,
        frame_bytes_max: 8192,
        checkpoint_after_bytes: 0,
        ..Options::default()
    }
}

pub(crate) fn open_with(disk: &Arc<dyn Disk>, options: Options) -> Result<Opened, OpenError> {
    let machine = Recorder::default();
    let state = Arc::clone(&machine.state);
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    let (log, recovery) = Log::open(disk, clock, options, machine)?;
    Ok(Opened { log, state, recovery })
}

pub(crate) fn open(disk: &CrashDisk) -> Result<Opened, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open_with(&disk, small())
}

impl Opened {
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<TransactionNumber, CommitError<&'static str>> {
        self.log.submit(Ask::Put(bytes.to_vec())).wait()
    }

    /// The contents of all applied transactions that put something.
    pub(crate) fn contents(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().kept.iter().map(|kept| kept.bytes[1..].to_vec()).collect()
    }

    /// Reads each place and compares it with what was applied.
    pub(crate) fn check_places(&self) {
        let state = self.state.lock().unwrap().clone();
        for kept in &state.kept[state.unpinned_to..] {
            assert_eq!(self.log.read(kept.place).unwrap(), kept.bytes, "{:?}", kept.place);
        }
    }
}

/// Ends a log as a power loss does, without any farewell, and restarts the disk.
pub(crate) fn lose_power(disk: &CrashDisk, opened: Opened) {
    if !disk.is_dead() {
        disk.clear_faults();
        disk.fail_call(0, mailstore::disk::crash::Fault::PowerLoss);
    }
    drop(opened);
}

/// SplitMix64, for choices that follow from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

pub(crate) fn previous_io<T: std::fmt::Debug, E: std::fmt::Debug + PartialEq>(
    outcome: Result<T, CommitError<E>>,
) {
    match outcome {
        Err(CommitError::Log(LogError::PreviousIo)) => {}
        other => panic!("expected PreviousIo, found {other:?}"),
    }
}
