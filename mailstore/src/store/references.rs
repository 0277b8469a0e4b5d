//! How often each body is referred to, and which segments of the log hold bodies that still are.
//!
//! A body has a reference from each mailbox it is in. Only counts other than one are kept: most mail is in one
//! place. A segment is pinned while any body or structure in it is referred to.

use std::collections::{HashMap, HashSet};

use super::codec::{Corrupt, Reader, Writer};
use super::rows::{BodyPlace, Row, StructurePlace};
use crate::log::SegmentId;

/// How many counts go into one section of a checkpoint.
const SECTION_COUNTS: usize = 16_384;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    /// Bodies with more than one reference.
    shared: HashMap<BodyPlace, u32>,
    /// Bodies and structures that are referred to, by segment.
    segments: HashMap<SegmentId, u64>,
}

impl References {
    /// The first reference to a body.
    pub(super) fn first(&mut self, body: BodyPlace, structure: StructurePlace) {
        *self.segments.entry(body.segment()).or_default() += 1;
        *self.segments.entry(structure.segment()).or_default() += 1;
    }

    /// One more reference to a body that has some.
    pub(super) fn again(&mut self, body: BodyPlace) {
        let count = self.shared.entry(body).or_insert(1);
        *count = count.saturating_add(1);
    }

    /// One reference less.
    pub(super) fn release(&mut self, row: &Row) {
        match self.shared.get_mut(&row.body) {
            Some(count) if *count > 2 => *count -= 1,
            Some(_) => drop(self.shared.remove(&row.body)),
            None => {
                self.unpin(row.body.segment());
                self.unpin(row.structure.segment());
            }
        }
    }

    fn unpin(&mut self, segment: SegmentId) {
        if let Some(count) = self.segments.get_mut(&segment) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.segments.remove(&segment);
            }
        }
    }

    pub(super) fn pins(&self, segment: SegmentId) -> bool {
        self.segments.contains_key(&segment)
    }

    /// Gives the counts to `section` in pieces. What is pinned follows from the messages.
    pub(super) fn encode<E>(&self, mut section: impl FnMut(Writer) -> Result<(), E>) -> Result<(), E> {
        let all: Vec<_> = self.shared.iter().collect();
        for part in all.chunks(SECTION_COUNTS) {
            let mut out = Writer::default();
            for (body, count) in part {
                out.u32(body.segment);
                out.u32(body.offset);
                out.u32(**count);
            }
            section(out)?;
        }
        Ok(())
    }
}

/// Rebuilds references while a checkpoint is read: the counts first, then every message.
#[derive(Debug, Default)]
pub(super) struct Recount {
    references: References,
    met: HashSet<BodyPlace>,
    left: HashMap<BodyPlace, u32>,
}

impl Recount {
    pub(super) fn decode(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        while !input.is_empty() {
            let body = BodyPlace { segment: input.u32()?, offset: input.u32()? };
            let count = input.u32()?;
            if count < 2 || self.left.insert(body, count).is_some() {
                return Err(Corrupt);
            }
            self.references.shared.insert(body, count);
        }
        Ok(())
    }

    pub(super) fn count(&mut self, row: &Row) -> Result<(), Corrupt> {
        if let Some(left) = self.left.get_mut(&row.body) {
            *left = left.checked_sub(1).ok_or(Corrupt)?;
            if !self.met.insert(row.body) {
                return Ok(());
            }
        }
        self.references.first(row.body, row.structure);
        Ok(())
    }

    /// The references, if every count has come out.
    pub(super) fn finish(self) -> Result<References, Corrupt> {
        if self.left.values().all(|left| *left == 0) { Ok(self.references) } else { Err(Corrupt) }
    }
}
