//! ENVELOPE and the addresses in it (RFC 3501 7.4.2).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};

/// The envelope of a message: fields of its header, as the server parsed them. An empty address list is `NIL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Envelope<'a> {
    /// `Date`, unparsed.
    pub date: Option<IString<'a>>,
    /// `Subject`, encoded words as they stand.
    pub subject: Option<IString<'a>>,
    /// `From`.
    pub from: List<'a, Address<'a>>,
    /// `Sender`; servers repeat `from` if there is none.
    pub sender: List<'a, Address<'a>>,
    /// `Reply-To`; servers repeat `from` if there is none.
    pub reply_to: List<'a, Address<'a>>,
    /// `To`.
    pub to: List<'a, Address<'a>>,
    /// `Cc`.
    pub cc: List<'a, Address<'a>>,
    /// `Bcc`.
    pub bcc: List<'a, Address<'a>>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<IString<'a>>,
    /// `Message-ID`.
    pub message_id: Option<IString<'a>>,
}

/// One address. A group begins with one that has a mailbox and no host, and ends with one that has neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Address<'a> {
    /// The display name.
    pub name: Option<IString<'a>>,
    /// The source route, long out of use.
    pub adl: Option<IString<'a>>,
    /// The local part, or the name of a group.
    pub mailbox: Option<IString<'a>>,
    /// The domain.
    pub host: Option<IString<'a>>,
}

impl<'a> Item<'a> for Envelope<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let envelope = Self {
            date: inside.next()?.nstring()?,
            subject: inside.spaced()?.nstring()?,
            from: inside.spaced()?.list_or_nil()?,
            sender: inside.spaced()?.list_or_nil()?,
            reply_to: inside.spaced()?.list_or_nil()?,
            to: inside.spaced()?.list_or_nil()?,
            cc: inside.spaced()?.list_or_nil()?,
            bcc: inside.spaced()?.list_or_nil()?,
            in_reply_to: inside.spaced()?.nstring()?,
            message_id: inside.spaced()?.nstring()?,
        };
        inside.end()?;
        Ok(envelope)
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        for addresses in [self.from, self.sender, self.reply_to, self.to, self.cc, self.bcc] {
            addresses.check_or_nil(check)?;
        }
        Ok(())
    }
}

impl<'a> Item<'a> for Address<'a> {
    const SPACED: bool = false;

    #[inline]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let address = Self {
            name: inside.next()?.nstring()?,
            adl: inside.spaced()?.nstring()?,
            mailbox: inside.spaced()?.nstring()?,
            host: inside.spaced()?.nstring()?,
        };
        inside.end()?;
        Ok(address)
    }
}

impl Encode for Envelope<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"(");
        out.nstring(&self.date)?;
        out.spaced_nstring(&self.subject)?;
        for addresses in [&self.from, &self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc] {
            addresses.encode_spaced_or_nil(out)?;
        }
        out.spaced_nstring(&self.in_reply_to)?;
        out.spaced_nstring(&self.message_id)?;
        out.raw(b")");
        Ok(())
    }
}

impl Encode for Address<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"(");
        out.nstring(&self.name)?;
        out.spaced_nstring(&self.adl)?;
        out.spaced_nstring(&self.mailbox)?;
        out.spaced_nstring(&self.host)?;
        out.raw(b")");
        Ok(())
    }
}
