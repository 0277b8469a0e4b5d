//! The limits of a log.

use super::frame::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES};
use super::segment::{BLOCK_BYTES, SEGMENT_HEADER_BYTES};

/// Smallest body that is better written with [`Log::bulk`](super::Log::bulk) than as a record, in bytes: from here
/// on the transfer costs more than the flush, and would hold up everybody in the same frame.
pub const BULK_BYTES_MIN: usize = 256 * 1024;

/// The limits of a log. All may be changed between two openings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of a segment, in bytes; default 64 MiB, 4 frames and headers to 1 GiB. Long enough that the two syncs
    /// of a change of segments do not count, short enough that space comes back in small pieces.
    pub segment_bytes: u32,
    /// Largest frame, in bytes, so also the largest transaction (a little less); default and maximum 4 MiB. One
    /// flush of more than this holds up small transactions for longer than it gains.
    pub frame_bytes_max: u32,
    /// How many bytes of requests may wait, by [`StateMachine::weight`](super::StateMachine::weight); more are
    /// refused with [`LogError::QueueFull`](super::LogError::QueueFull). Default 64 MiB: bounds memory when the
    /// disk stalls.
    pub queue_bytes_max: usize,
    /// How many bytes of log are written before a checkpoint is made unasked; default 256 MiB, a replay of less
    /// than a second. 0: only when asked.
    pub checkpoint_after_bytes: u64,
    /// Largest bulk body, in bytes; default 1 GiB. Offsets are 32 bits wide, so 3 GiB at most.
    pub bulk_bytes_max: u32,
    /// How many files of segments are kept open for reading; default 256, since a process often may have 1024
    /// descriptors. Those being read or leased are not counted.
    pub open_files_max: usize,
    /// How many free segments are kept for use again; default 4. More are removed.
    pub free_segments_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            frame_bytes_max: FRAME_BYTES_MAX,
            queue_bytes_max: 64 << 20,
            checkpoint_after_bytes: 256 << 20,
            bulk_bytes_max: 1 << 30,
            open_files_max: 256,
            free_segments_max: 4,
        }
    }
}

impl Options {
    /// What is wrong with these, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let frame = self.frame_bytes_max;
        if !(BLOCK_BYTES..=FRAME_BYTES_MAX).contains(&frame) || !frame.is_multiple_of(BLOCK_BYTES) {
            return Err("frame_bytes_max must be a multiple of 4096 up to 4 MiB");
        }
        let segment = self.segment_bytes;
        if segment > 1 << 30 || !segment.is_multiple_of(BLOCK_BYTES) {
            return Err("segment_bytes must be a multiple of 4096 up to 1 GiB");
        }
        if segment < SEGMENT_HEADER_BYTES + 4 * frame {
            return Err("segment_bytes must be at least 8192 and four times frame_bytes_max");
        }
        if self.bulk_bytes_max > 3 << 30 {
            return Err("bulk_bytes_max must be at most 3 GiB");
        }
        Ok(())
    }

    /// Most bytes that the records of one transaction can take, with 8 bytes for each record.
    pub(crate) fn transaction_bytes_max(&self) -> usize {
        (self.frame_bytes_max as usize).saturating_sub(FRAME_HEADER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_max_and_not_beyond() {
        let check = |change: fn(&mut Options), good: bool| {
            let mut options = Options::default();
            change(&mut options);
            assert_eq!(options.check().is_ok(), good, "{options:?}");
        };
        check(|_| {}, true);
        check(|o| o.frame_bytes_max = FRAME_BYTES_MAX + BLOCK_BYTES, false);
        check(|o| o.frame_bytes_max = BLOCK_BYTES, true);
        check(|o| o.frame_bytes_max = BLOCK_BYTES - 1, false);
        check(|o| o.segment_bytes = 1 << 30, true);
        check(|o| o.segment_bytes = (1 << 30) + BLOCK_BYTES, false);
        check(|o| o.segment_bytes = SEGMENT_HEADER_BYTES + 4 * FRAME_BYTES_MAX, true);
        check(|o| o.segment_bytes = SEGMENT_HEADER_BYTES + 4 * FRAME_BYTES_MAX - BLOCK_BYTES, false);
        check(|o| o.bulk_bytes_max = 3 << 30, true);
        check(|o| o.bulk_bytes_max = (3 << 30) + 1, false);
    }
}
