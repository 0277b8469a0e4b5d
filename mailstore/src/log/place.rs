//! Where things are in a log: numbers, segments, places.

use std::fmt;

/// The number of a transaction: the first is 1, each next one greater by one, without gaps, over the whole life of
/// a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionNumber(u64);

impl TransactionNumber {
    /// Before the first transaction.
    pub const ZERO: Self = Self(0);
    /// The largest that is accepted from disk: far above what a log can reach, far below overflow.
    pub const MAX: Self = Self(1 << 62);

    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The number of the transaction after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    pub(crate) const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for TransactionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of one file that holds records: a segment of the log, or a bulk file with one large body. A number is
/// never used again, also when the space is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u64);

impl SegmentId {
    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where the bytes of one record, or of one bulk body, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    segment: SegmentId,
    offset: u32,
    len_bytes: u32,
}

impl Place {
    /// How many bytes a place takes when it is stored.
    pub const ENCODED_BYTES: usize = 16;

    pub(crate) const fn new(segment: SegmentId, offset: u32, len_bytes: u32) -> Self {
        Self { segment, offset, len_bytes }
    }

    /// The segment that holds it.
    pub const fn segment(self) -> SegmentId {
        self.segment
    }

    /// Where in the segment its header begins, in bytes.
    pub const fn offset(self) -> u32 {
        self.offset
    }

    /// How many bytes of content there are.
    pub const fn len_bytes(self) -> u32 {
        self.len_bytes
    }

    /// The stored form: segment, offset, length, little-endian.
    pub fn encode(self) -> [u8; Self::ENCODED_BYTES] {
        let all =
            u128::from(self.segment.0) | u128::from(self.offset) << 64 | u128::from(self.len_bytes) << 96;
        all.to_le_bytes()
    }

    /// Reads the stored form. Any bytes are a place; whether there is something is known at the read.
    pub fn decode(bytes: [u8; Self::ENCODED_BYTES]) -> Self {
        let all = u128::from_le_bytes(bytes);
        let part = |shift: u32| u32::try_from((all >> shift) & u128::from(u32::MAX)).unwrap_or(0);
        let segment = u64::from(part(0)) | u64::from(part(32)) << 32;
        Self { segment: SegmentId(segment), offset: part(64), len_bytes: part(96) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_stored() {
        let place = Place::new(SegmentId::new(0x0123_4567_89ab_cdef), 0xdead_beef, 0x1234_5678);
        assert_eq!(Place::decode(place.encode()), place);
    }
}
