//! The bytes of a mailbox list's records, in the logs of master and replica.
//!
//! An entry is a state byte (0 reserved, 1 active), then name and location, each behind its length in two bytes, then
//! the ACL behind its length in four; all little-endian. It can be followed by more, which is the caller's.

use mailstore::log::InvalidRecord;
use mupdate_proto::{Acl, EntryState, Location, MailboxEntry, MailboxName};

const RESERVED: u8 = 0;
const ACTIVE: u8 = 1;

/// Bytes of an entry beside its texts.
const HEAD_BYTES: usize = 9;

/// Appends an entry.
pub(crate) fn put_entry(entry: &MailboxEntry, out: &mut Vec<u8>) {
    let acl = entry.acl().map_or(&[][..], Acl::as_bytes);
    out.reserve(HEAD_BYTES + entry.name.as_bytes().len() + entry.location.as_bytes().len() + acl.len());
    out.push(match entry.state {
        EntryState::Reserved => RESERVED,
        EntryState::Active(_) => ACTIVE,
    });
    put_text(entry.name.as_bytes(), out);
    put_text(entry.location.as_bytes(), out);
    out.extend_from_slice(&u32::try_from(acl.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(acl);
}

/// Appends a text of less than 64 KiB.
pub(crate) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    // Names and locations are at most 1,024 bytes by their types.
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(text);
}

/// Reads a record from left to right.
#[derive(Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(record: &'a [u8]) -> Self {
        Self(record)
    }

    pub(crate) fn entry(&mut self) -> Result<MailboxEntry, InvalidRecord> {
        let state = self.byte()?;
        let name = self.name()?;
        let location = Location::new(self.text()?.to_vec()).map_err(|_| InvalidRecord("no location"))?;
        let acl_bytes = u32::from_le_bytes(self.array()?) as usize;
        let acl = Acl::new(self.take(acl_bytes)?.to_vec()).map_err(|_| InvalidRecord("no ACL"))?;
        match state {
            RESERVED => Ok(MailboxEntry::reserved(name, location)),
            ACTIVE => Ok(MailboxEntry::active(name, location, acl)),
            _ => Err(InvalidRecord("no state of an entry")),
        }
    }

    pub(crate) fn name(&mut self) -> Result<MailboxName, InvalidRecord> {
        MailboxName::new(self.text()?.to_vec()).map_err(|_| InvalidRecord("no mailbox name"))
    }

    pub(crate) fn text(&mut self) -> Result<&'a [u8], InvalidRecord> {
        let length = u16::from_le_bytes(self.array()?);
        self.take(usize::from(length))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, InvalidRecord> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidRecord> {
        self.take(N)?.try_into().map_err(|_| InvalidRecord("too short"))
    }

    pub(crate) fn end(&self) -> Result<(), InvalidRecord> {
        if self.0.is_empty() { Ok(()) } else { Err(InvalidRecord("too long")) }
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], InvalidRecord> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(InvalidRecord("too short"))?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Bytes of one record of a saved list at most: an entry at its limits, and room for what masters add.
const SAVED_RECORD_BYTES_MAX: usize = 128 << 10;

/// Writes one record of a saved list, behind its length.
pub(crate) fn save_record(record: &[u8], out: &mut impl std::io::Write) -> std::io::Result<()> {
    let length = u32::try_from(record.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(record)
}

/// Reads the next record of a saved list into `record`, if there is one.
pub(crate) fn load_record(
    from: &mut impl std::io::Read,
    record: &mut Vec<u8>,
) -> Result<Loaded, InvalidRecord> {
    let mut length = [0; 4];
    let mut filled = 0;
    while let Some(room) = length.get_mut(filled..).filter(|room| !room.is_empty()) {
        match from.read(room).map_err(|_| InvalidRecord("unreadable"))? {
            0 if filled == 0 => return Ok(Loaded::End),
            0 => return Err(InvalidRecord("too short")),
            count => filled += count,
        }
    }
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > SAVED_RECORD_BYTES_MAX {
        return Err(InvalidRecord("too long"));
    }
    record.resize(bytes, 0);
    from.read_exact(record).map_err(|_| InvalidRecord("too short"))?;
    Ok(Loaded::Record)
}

/// What [`load_record`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// Another record.
    Record,
    /// The end.
    End,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: Vec<u8>, location: Vec<u8>, acl: Option<Vec<u8>>) -> MailboxEntry {
        let (name, location) = (MailboxName::new(name).unwrap(), Location::new(location).unwrap());
        match acl {
            Some(acl) => MailboxEntry::active(name, location, Acl::new(acl).unwrap()),
            None => MailboxEntry::reserved(name, location),
        }
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back_and_no_prefix_of_it_does(
            name in proptest::collection::vec(1..=255_u8, 1..40),
            location in proptest::collection::vec(1..=255_u8, 0..40),
            acl in proptest::option::of(proptest::collection::vec(1..=255_u8, 0..40)),
        ) {
            let entry = entry(name, location, acl);
            let mut bytes = Vec::new();
            put_entry(&entry, &mut bytes);
            let mut fields = Fields::new(&bytes);
            prop_assert_eq!(fields.entry(), Ok(entry));
            prop_assert_eq!(fields.end(), Ok(()));
            for cut in 0..bytes.len() {
                prop_assert!(Fields::new(&bytes[..cut]).entry().is_err());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Fields::new(&bytes).entry();
            let _ = load_record(&mut bytes.as_slice(), &mut Vec::new());
        }
    }

    #[test]
    fn saved_records_read_back_up_to_the_limit() {
        let mut saved = Vec::new();
        for record in [&b"one"[..], b"", b"three"] {
            save_record(record, &mut saved).unwrap();
        }
        let mut from = saved.as_slice();
        let mut record = Vec::new();
        for expected in [&b"one"[..], b"", b"three"] {
            assert_eq!(load_record(&mut from, &mut record), Ok(Loaded::Record));
            assert_eq!(record, expected);
        }
        assert_eq!(load_record(&mut from, &mut record), Ok(Loaded::End));
        assert!(load_record(&mut &saved[..2], &mut record).is_err());
        for (bytes, good) in [(SAVED_RECORD_BYTES_MAX, true), (SAVED_RECORD_BYTES_MAX + 1, false)] {
            let mut saved = Vec::new();
            save_record(&vec![0; bytes], &mut saved).unwrap();
            assert_eq!(load_record(&mut saved.as_slice(), &mut record).is_ok(), good);
        }
    }
}
