//! The file `STORE`: whose log this is. Written once, when the first segment is durable.
//!
//! ```text
//! 0 magic "CorbieSt" | 8 format major 2 | 10 minor 2 | 12 features 4 | 16 store 8 | 24 format of the records 8
//! 32 first segment 8 | 40 time of making 8 | 48 zero 12 | 60 crc32c 4
//! ```
//!
//! A reader refuses a major number or a feature bit that it does not know.

use std::io;

use super::frame::{u32_at, u64_at};
use super::segment::FORMAT;
use super::{OpenError, SegmentId};
use crate::clock::Timestamp;
use crate::disk::Disk;

pub(crate) const STORE: &str = "STORE";
const UNFINISHED: &str = "STORE.new";
const MAGIC: [u8; 8] = *b"CorbieSt";
const BYTES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) store: u64,
    pub(crate) machine: [u8; 8],
    pub(crate) first_segment: SegmentId,
    pub(crate) made: Timestamp,
}

impl Identity {
    /// Reads it; `None` if there is no such file.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Self>, OpenError> {
        let failed = |error| OpenError::Io { file: STORE.into(), error };
        let corrupt =
            || OpenError::Corrupt { file: STORE.into(), offset: 0, what: "the identity of the store" };
        let file = match disk.open(STORE) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = [0; BYTES];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(corrupt()),
            outcome => outcome.map_err(failed)?,
        }
        Self::decode(&bytes).ok_or_else(corrupt)?.map(Some)
    }

    fn decode(bytes: &[u8; BYTES]) -> Option<Result<Self, OpenError>> {
        let (covered, _) = bytes.split_at(BYTES - 4);
        if !bytes.starts_with(&MAGIC) || u32_at(bytes, 60)? != crc32c::crc32c(covered) {
            return None;
        }
        let [major_low, major_high, minor_low, minor_high] = u32_at(bytes, 8)?.to_le_bytes();
        let major = u16::from_le_bytes([major_low, major_high]);
        let (minor, features) = (u16::from_le_bytes([minor_low, minor_high]), u32_at(bytes, 12)?);
        if major != FORMAT || features != 0 {
            return Some(Err(OpenError::TooNew { file: STORE.into(), major, minor, features }));
        }
        Some(Ok(Self {
            store: u64_at(bytes, 16)?,
            machine: *bytes.get(24..)?.first_chunk()?,
            first_segment: SegmentId::new(u64_at(bytes, 32)?),
            made: Timestamp::from_millis(u64_at(bytes, 40)?),
        }))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.resize(16, 0);
        bytes.extend_from_slice(&self.store.to_le_bytes());
        bytes.extend_from_slice(&self.machine);
        bytes.extend_from_slice(&self.first_segment.value().to_le_bytes());
        bytes.extend_from_slice(&self.made.as_millis().to_le_bytes());
        bytes.resize(BYTES - 4, 0);
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Writes it, durable when this returns.
    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        if disk.list()?.iter().any(|name| name == UNFINISHED) {
            disk.remove(UNFINISHED)?;
        }
        let file = disk.create(UNFINISHED)?;
        file.write_all_at(&self.encode(), 0)?;
        file.sync_data()?;
        disk.rename(UNFINISHED, STORE)?;
        disk.sync_directory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::crash::CrashDisk;

    fn identity() -> Identity {
        let (store, made) = (7, Timestamp::from_millis(9));
        Identity { store, machine: *b"testing1", first_segment: SegmentId::new(1), made }
    }

    #[test]
    fn a_store_of_a_newer_format_or_with_unknown_features_is_refused() {
        for (at, expected) in [(8, (2, 0, 0)), (12, (1, 0, 3))] {
            let mut bytes = identity().encode();
            bytes[at] ^= 3;
            let sum = crc32c::crc32c(&bytes[..60]);
            bytes[60..].copy_from_slice(&sum.to_le_bytes());
            let Some(Err(OpenError::TooNew { major, minor, features, .. })) =
                Identity::decode(bytes.first_chunk().unwrap())
            else {
                panic!("accepted")
            };
            assert_eq!((major, minor, features), expected);
        }
    }

    #[test]
    fn every_flipped_bit_of_the_identity_is_noticed() {
        let disk = CrashDisk::new(1);
        identity().write(&disk).unwrap();
        assert_eq!(Identity::read(&disk).unwrap(), Some(identity()));
        for bit in 0..BYTES * 8 {
            let fork = disk.fork();
            fork.flip_bit(STORE, (bit / 8) as u64, u8::try_from(bit % 8).unwrap());
            assert!(Identity::read(&fork).is_err(), "bit {bit}");
        }
    }
}
