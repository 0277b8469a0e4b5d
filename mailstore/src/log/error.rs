//! What can go wrong with a log, and whose fault it is.

use std::io;

use super::{SegmentId, TransactionNumber};

/// Why a transaction was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError<E> {
    /// The state machine refused it; nothing was written.
    #[error("refused")]
    Refused(E),
    /// The log could not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why the log could not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Too much waits ([`Options::queue_bytes_max`](super::Options::queue_bytes_max)). Nothing was written.
    #[error("too many bytes wait for the log")]
    QueueFull,
    /// The disk is full. Nothing was written; requests that free space still pass.
    #[error("the disk is full")]
    DiskFull,
    /// A bulk body is larger than [`Options::bulk_bytes_max`](super::Options::bulk_bytes_max).
    #[error("the body is larger than {max_bytes} bytes")]
    BodyTooLarge {
        /// The limit.
        max_bytes: u32,
    },
    /// A write or a sync failed in this call. Whether the transaction is there is known after the log was opened
    /// anew; until then every call is [`PreviousIo`](Self::PreviousIo).
    #[error("input/output error: {0}")]
    Io(io::ErrorKind),
    /// A write or a sync failed earlier, or the state machine did: the log has to be opened anew.
    #[error("an earlier input/output error closed the log")]
    PreviousIo,
    /// The log was closed in good order.
    #[error("the log is closed")]
    Closed,
}

/// Why the content of a place could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No such segment: it was given back, or never was.
    #[error("segment {segment} is gone")]
    Gone {
        /// The segment of the place.
        segment: SegmentId,
    },
    /// The bytes are not those that were written, or there never was such a place.
    #[error("segment {segment} is damaged at offset {offset}")]
    Corrupt {
        /// The segment.
        segment: SegmentId,
        /// Where the damaged piece begins, in bytes.
        offset: u64,
    },
    /// The range does not lie within the content.
    #[error("the range is outside of the record")]
    OutOfRange,
    /// The disk failed to read.
    #[error("input/output error: {0}")]
    Io(io::ErrorKind),
    /// A write or a sync failed earlier: the log has to be opened anew.
    #[error("an earlier input/output error closed the log")]
    PreviousIo,
    /// The log was closed in good order.
    #[error("the log is closed")]
    Closed,
}

/// Why a log could not be opened. Nothing on disk was changed by a failed opening that could be needed later.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The options contradict each other.
    #[error("bad options: {0}")]
    Options(&'static str),
    /// The disk failed.
    #[error("{file}: {error}")]
    Io {
        /// The file, or `.` for the directory.
        file: String,
        /// What the system said.
        error: io::Error,
    },
    /// A file is not what was written. The log is not cut: restore the file, or the store from a backup.
    #[error("{file} is damaged at offset {offset}: {what}")]
    Corrupt {
        /// The file.
        file: String,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// What was expected there.
        what: &'static str,
    },
    /// A file that must be there is not.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: String,
    },
    /// Written by a newer version of the software, with features that this one does not know.
    #[error("{file} has format {major}.{minor}, features {features:#x}: too new for this version")]
    TooNew {
        /// The file.
        file: String,
        /// Its major format number.
        major: u16,
        /// Its minor format number.
        minor: u16,
        /// Its feature bits.
        features: u32,
    },
    /// This is a log of something else.
    #[error("the log holds records of format {found:?}")]
    OtherMachine {
        /// The [`StateMachine::FORMAT`](super::StateMachine::FORMAT) found.
        found: [u8; 8],
    },
    /// The state machine does not understand a record that was written.
    #[error("transaction {number}: {source}")]
    Record {
        /// The transaction of the record.
        number: TransactionNumber,
        /// What the machine said.
        source: InvalidRecord,
    },
}

/// A record, or a saved state, that the state machine does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid record: {0}")]
pub struct InvalidRecord(
    /// What is wrong, without any of its bytes.
    pub &'static str,
);

/// A transaction has grown beyond what a frame can hold: the machine has to refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a transaction of more than {max_bytes} bytes")]
pub struct TransactionFull {
    /// Most bytes of records in one transaction, with 8 bytes for each record.
    pub max_bytes: usize,
}

/// Whether an error says that there is no space left, in whichever way.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
