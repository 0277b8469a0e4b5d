//! What a parse may overlook, and a note of what it did.
//!
//! Views read tolerantly, always. Whether what they read may be so is for the check that follows each parse: it knows
//! the limits and which quirks are allowed, and notes those that it met.

use mail_wire::InvalidMessage;

use crate::Limits;

/// What one check goes by.
#[derive(Debug)]
pub struct Check<'l> {
    pub(crate) limits: &'l Limits,
    strict: bool,
}

impl<'l> Check<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, strict: false }
    }

    pub(crate) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    pub(crate) fn bare_name(&self) -> Result<(), InvalidMessage> {
        if self.strict {
            Err(InvalidMessage::new("mailbox name is not canonical modified UTF-7", 0))
        } else {
            Ok(())
        }
    }
}
