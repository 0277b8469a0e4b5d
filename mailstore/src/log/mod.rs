//! The log: opaque records, committed in groups, replayed at the next opening.
//!
//! Callers [`submit`](Log::submit) requests; one thread prepares all that wait through the [`StateMachine`], packs
//! their records into **one frame**, writes it with one write and one sync, applies it, and only then wakes them.
//! The flush costs, not the bytes; so the rate grows with the number of callers.
//!
//! **What is promised.** An acknowledged transaction is there after any crash. What is there is a prefix of what was
//! prepared, in transaction numbers without gaps. Opening twice gives the same as opening once.
//! A frame that was cut off by a crash is cut; damage in the midst of the log is an error that names the file and
//! the offset, and nothing is ever cut silently.
//!
//! **What is not.** Damage to the very last frame cannot be told from a write that a crash cut short; it is cut.
//!
//! **Failures.** After the first failed write or sync every call is [`LogError::PreviousIo`] until the log is opened
//! anew: what such a sync left behind is not known. The next opening does not trust what it reads of the last
//! frame, but writes it again elsewhere before it serves. A disk that is full when space is reserved ahead refuses
//! requests with [`LogError::DiskFull`], except those that free space, and closes nothing.
//!
//! The bytes are drawn in `docs/format.md`.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::sync::{Arc, Mutex};
//! use mailstore::clock::{SystemClock, Timestamp};
//! use mailstore::disk::{Disk, crash::CrashDisk};
//! use mailstore::log::*;
//!
//! /// A sum that cannot fall below zero. Reads see `applied`; requests are checked against `planned`.
//! #[derive(Default)]
//! struct Sum { planned: i64, applied: Arc<Mutex<i64>> }
//!
//! impl StateMachine for Sum {
//!     const FORMAT: [u8; 8] = *b"example1";
//!     type Request = i64;
//!     type Response = i64;
//!     type Error = &'static str;
//!     type Frozen = i64;
//!
//!     fn weight(_: &i64) -> usize { 8 }
//!     fn prepare(&mut self, _: TransactionNumber, _: Timestamp, add: i64, transaction: &mut Transaction<'_>)
//!         -> Result<i64, &'static str> {
//!         let sum = self.planned + add;
//!         if sum < 0 { return Err("below zero"); }
//!         transaction.append(&[&add.to_le_bytes()]).map_err(|_| "too large")?;
//!         self.planned = sum;
//!         Ok(sum)
//!     }
//!     fn apply(&mut self, committed: &Committed<'_>) -> Result<(), InvalidRecord> {
//!         for record in committed.records() {
//!             let add = record.bytes.try_into().map_err(|_| InvalidRecord("not a number"))?;
//!             *self.applied.lock().unwrap() += i64::from_le_bytes(add);
//!         }
//!         Ok(())
//!     }
//!     fn recovered(&mut self) { self.planned = *self.applied.lock().unwrap(); }
//!     fn freeze(&self) -> i64 { *self.applied.lock().unwrap() }
//!     fn save(frozen: &i64, out: &mut SnapshotWriter<'_>) -> std::io::Result<()> { out.write_all(&frozen.to_le_bytes()) }
//!     fn load(&mut self, from: &mut SnapshotReader<'_>) -> Result<(), InvalidRecord> {
//!         let mut bytes = [0; 8];
//!         from.read_exact(&mut bytes).map_err(|_| InvalidRecord("too short"))?;
//!         *self.applied.lock().unwrap() = i64::from_le_bytes(bytes);
//!         Ok(())
//!     }
//!     fn pins(&self, _: SegmentId) -> bool { false }
//! }
//!
//! let disk = CrashDisk::new(1);
//! let root: Arc<dyn Disk> = Arc::new(disk.clone());
//! let options = Options { segment_bytes: 64 << 10, frame_bytes_max: 8 << 10, ..Options::default() };
//! let (log, _) = Log::open(&root, Arc::new(SystemClock), options.clone(), Sum::default())?;
//! assert_eq!(log.submit(5).wait().unwrap(), 5);
//! assert_eq!(log.submit(-6).wait().unwrap_err(), CommitError::Refused("below zero"));
//! drop(log);
//!
//! disk.crash();
//! let sum = Sum::default();
//! let applied = Arc::clone(&sum.applied);
//! let (_log, recovery) = Log::open(&root, Arc::new(SystemClock), options, sum)?;
//! assert_eq!((*applied.lock().unwrap(), recovery.transactions_replayed), (5, 1));
//! # Ok::<(), OpenError>(())
//! ```

mod bulk;
mod checkpoint;
mod committer;
mod error;
mod frame;
mod handle;
mod identity;
mod machine;
mod open_files;
mod options;
mod place;
mod recovery;
mod segment;
mod ticket;

pub use bulk::{Bulk, BulkWriter};
pub use error::{CommitError, InvalidRecord, LogError, OpenError, ReadError, TransactionFull};
pub use frame::Records;
pub use handle::{Lease, Log, Pending, PendingCheckpoint, REQUEST_OVERHEAD_BYTES, Stats};
pub use machine::{Committed, Record, SnapshotReader, SnapshotWriter, StateMachine, Transaction};
pub use options::{BULK_BYTES_MIN, Options};
pub use place::{Place, SegmentId, TransactionNumber};
pub use recovery::Recovery;
