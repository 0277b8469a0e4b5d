//! ENVELOPE and the addresses in it (RFC 3501 7.4.2).

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List};
use crate::token::Shapes;

/// The envelope of a message: fields of its header, as the server parsed them. An empty address list is `NIL`.
///
/// ```
/// use imap_proto::{Address, Encode, Encoder, Envelope, IString, List, Literals};
/// let from = [Address {
///     mailbox: Some(IString::new("gray")?),
///     host: Some(IString::new("cac.washington.edu")?),
///     ..Address::default()
/// }];
/// let envelope = Envelope { subject: Some(IString::new("minutes")?), from: List::of(&from), ..Envelope::default() };
/// let mut out = Vec::new();
/// envelope.encode(&mut Encoder::new(&mut out, Literals::Server))?;
/// let wire = r#"(NIL "minutes" ((NIL NIL "gray" "cac.washington.edu")) NIL NIL NIL NIL NIL NIL NIL)"#;
/// assert_eq!(out, wire.as_bytes());
/// # Ok::<(), imap_proto::Error>(())
/// ```
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
    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.enter(Shapes::LIST)?;
        Ok(Self {
            date: inside.nstring()?,
            subject: inside.nstring()?,
            from: inside.list_or_nil()?,
            sender: inside.list_or_nil()?,
            reply_to: inside.list_or_nil()?,
            to: inside.list_or_nil()?,
            cc: inside.list_or_nil()?,
            bcc: inside.list_or_nil()?,
            in_reply_to: inside.nstring()?,
            message_id: inside.nstring()?,
        })
    }

    fn pass(cursor: &mut Cursor<'a>, check: &Check<'_>) -> Result<(), InvalidMessage> {
        const NSTRING: Shapes = Shapes::NSTRING.spaced();
        let mut inside = cursor.enter(Shapes::LIST)?;
        inside.pass(Shapes::NSTRING)?;
        inside.pass(NSTRING)?;
        for _ in ["from", "sender", "reply_to", "to", "cc", "bcc"] {
            inside.pass_list_or_nil::<Address<'_>>(check)?;
        }
        inside.pass(NSTRING)?;
        inside.pass(NSTRING)?;
        inside.end()
    }
}

impl<'a> Item<'a> for Address<'a> {
    const SPACED: bool = false;

    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.enter(Shapes::LIST)?;
        Ok(Self {
            name: inside.nstring()?,
            adl: inside.nstring()?,
            mailbox: inside.nstring()?,
            host: inside.nstring()?,
        })
    }

    #[inline(always)]
    fn pass(cursor: &mut Cursor<'a>, _: &Check<'_>) -> Result<(), InvalidMessage> {
        const NSTRING: Shapes = Shapes::NSTRING.spaced();
        let mut inside = cursor.enter(Shapes::LIST)?;
        inside.pass(Shapes::NSTRING)?;
        inside.pass(NSTRING)?;
        inside.pass(NSTRING)?;
        inside.pass(NSTRING)?;
        inside.end()
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
