//! What a parse may overlook, and a note of what it did.
//!
//! Views read tolerantly, always. Whether what they read may be so is for the check that follows each parse: it knows
//! the limits and which quirks are allowed, and notes those that it met.

use crate::Limits;

/// What one check goes by.
#[derive(Debug)]
pub struct Check<'l> {
    pub(crate) limits: &'l Limits,
}

impl<'l> Check<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits }
    }
}
