//! The records of the log: what happened, never what was asked. `docs/store-format.md` draws the bytes.
//!
//! A record is one byte of kind, then fields. Sets of messages are ranges of UIDs, so that a change to a whole mailbox
//! is tens of bytes. A message's body and structure are records of their own just before the appends that name them;
//! they are told apart by their kind alone and never decoded here.

use super::acl::{Acl, AclChange, AclKey, Identifier, Rights, Sign};
use super::codec::{Corrupt, Reader, Writer};
use super::delivery::DeliveryKey;
use super::flags::{Keyword, KeywordTable, SystemFlags};
use super::mailbox::{InternalDate, Meta, SpecialUse};
use super::name::{GroupName, MailboxId, MailboxName, Uid, UserName};
use super::quota::QuotaLimits;
use super::uid_set::UidSet;
use crate::log::Place;

/// The kind of a record that holds a body: this byte, then the message.
pub(super) const KIND_BODY: u8 = 1;
/// The kind of a record that holds 16 bytes of identity and the encoded structure.
pub(super) const KIND_STRUCTURE: u8 = 2;
/// The kind of a record that names a bulk file with a body.
pub(super) const KIND_BULK: u8 = 3;

const KIND_CREATE: u8 = 16;
const KIND_DELETE: u8 = 17;
const KIND_RENAME: u8 = 18;
const KIND_ACL: u8 = 19;
const KIND_SPECIAL_USE: u8 = 20;
const KIND_SUBSCRIBE: u8 = 21;
const KIND_QUOTA: u8 = 22;
const KIND_KEYWORD: u8 = 23;
const KIND_APPEND: u8 = 32;
const KIND_FLAGS: u8 = 33;
const KIND_SEEN: u8 = 34;
const KIND_EXPUNGE: u8 = 35;
const KIND_COPY: u8 = 36;

/// Whether something is put in or taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    On,
    Off,
}

/// One message put into a mailbox; its body and structure are those that came last in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Append {
    pub(super) id: MailboxId,
    pub(super) uid: Uid,
    pub(super) date: InternalDate,
    pub(super) flags: SystemFlags,
    pub(super) keywords: u64,
    pub(super) size_bytes: u32,
    /// Remembered, so that a repeated delivery is known.
    pub(super) delivery: Option<DeliveryKey>,
}

/// Messages put into a mailbox by reference, in the order of their UIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: MailboxId,
    pub(super) to: MailboxId,
    /// Exactly those copied.
    pub(super) uids: UidSet,
    /// The first of the new UIDs, which have no gaps.
    pub(super) first_uid: Uid,
    pub(super) bytes: u64,
    /// System flags that are taken along; \Seen is not among them.
    pub(super) keep: SystemFlags,
    /// Keywords that are taken along: bit there, bit here.
    pub(super) keywords: Vec<(u8, u8)>,
    /// Which of `uids` arrive as seen.
    pub(super) seen: UidSet,
    /// In whose seen set; `None`: in the messages.
    pub(super) seen_by: Option<UserName>,
}

/// A change of flags; a message for which it changes nothing is left alone, its MODSEQ too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FlagChange {
    pub(super) id: MailboxId,
    pub(super) uids: UidSet,
    pub(super) clear: SystemFlags,
    pub(super) set: SystemFlags,
    pub(super) keywords_clear: u64,
    pub(super) keywords_set: u64,
}

impl FlagChange {
    pub(super) fn apply(&self, flags: SystemFlags, keywords: u64) -> (SystemFlags, u64) {
        (flags.without(self.clear).union(self.set), keywords & !self.keywords_clear | self.keywords_set)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Create {
        id: MailboxId,
        meta: Meta,
    },
    Delete {
        id: MailboxId,
    },
    /// The mailbox, if there is one, and all below.
    Rename {
        from: MailboxName,
        to: MailboxName,
    },
    Acl {
        id: MailboxId,
        acl: Acl,
    },
    SpecialUse {
        id: MailboxId,
        special_use: SpecialUse,
    },
    Subscribe {
        user: UserName,
        name: MailboxName,
        set: Set,
    },
    /// `None`: the root is no more.
    Quota {
        root: MailboxName,
        limits: Option<QuotaLimits>,
    },
    /// The mailbox's next keyword.
    Keyword {
        id: MailboxId,
        keyword: Keyword,
    },
    Append(Append),
    Flags(FlagChange),
    Seen {
        id: MailboxId,
        user: UserName,
        uids: UidSet,
        set: Set,
    },
    /// Exactly those removed, and how many bytes they had.
    Expunge {
        id: MailboxId,
        uids: UidSet,
        bytes: u64,
    },
    Copy(Copy),
}

/// What a record of the log turned out to be.
#[derive(Debug)]
pub(super) enum Decoded {
    Body,
    Structure,
    Bulk(Place),
    Change(Record),
}

impl Record {
    /// Whether it may change what messages of this mailbox look like.
    pub(super) fn touches(&self, mailbox: MailboxId) -> bool {
        match self {
            Self::Append(append) => append.id == mailbox,
            Self::Flags(change) => change.id == mailbox,
            Self::Copy(copy) => copy.to == mailbox,
            Self::Seen { id, .. }
            | Self::Expunge { id, .. }
            | Self::Keyword { id, .. }
            | Self::Create { id, .. }
            | Self::Delete { id }
            | Self::Acl { id, .. }
            | Self::SpecialUse { id, .. } => *id == mailbox,
            Self::Rename { .. } | Self::Subscribe { .. } | Self::Quota { .. } => false,
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        match self {
            Self::Create { id, meta } => {
                out.u8(KIND_CREATE);
                out.u64(id.0);
                encode_meta(meta, out);
            }
            Self::Delete { id } => {
                out.u8(KIND_DELETE);
                out.u64(id.0);
            }
            Self::Rename { from, to } => {
                out.u8(KIND_RENAME);
                out.text(from.joined());
                out.text(to.joined());
            }
            Self::Acl { id, acl } => {
                out.u8(KIND_ACL);
                out.u64(id.0);
                encode_acl(acl, out);
            }
            Self::SpecialUse { id, special_use } => {
                out.u8(KIND_SPECIAL_USE);
                out.u64(id.0);
                out.u8(special_use.bits());
            }
            Self::Subscribe { user, name, set } => {
                out.u8(KIND_SUBSCRIBE);
                encode_set(*set, out);
                out.text(user.as_str());
                out.text(name.joined());
            }
            Self::Quota { root, limits } => {
                out.u8(KIND_QUOTA);
                out.text(root.joined());
                encode_limits(limits.as_ref(), out);
            }
            Self::Keyword { id, keyword } => {
                out.u8(KIND_KEYWORD);
                out.u64(id.0);
                out.text(keyword.as_str());
            }
            Self::Append(append) => append.encode(out),
            Self::Flags(change) => change.encode(out),
            Self::Seen { id, user, uids, set } => {
                out.u8(KIND_SEEN);
                out.u64(id.0);
                encode_set(*set, out);
                out.text(user.as_str());
                uids.encode(out);
            }
            Self::Expunge { id, uids, bytes } => {
                out.u8(KIND_EXPUNGE);
                out.u64(id.0);
                out.u64(*bytes);
                uids.encode(out);
            }
            Self::Copy(copy) => copy.encode(out),
        }
    }
}

impl Decoded {
    /// Reads one record. Kinds that this version does not know are an error: they would not be understood.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut input = Reader::new(bytes);
        let change = match input.u8()? {
            KIND_BODY => return Ok(Self::Body),
            KIND_STRUCTURE => return Ok(Self::Structure),
            KIND_BULK => {
                let place = Place::decode(input.fixed()?);
                input.end()?;
                return Ok(Self::Bulk(place));
            }
            KIND_CREATE => Record::Create { id: decode_id(&mut input)?, meta: decode_meta(&mut input)? },
            KIND_DELETE => Record::Delete { id: decode_id(&mut input)? },
            KIND_RENAME => Record::Rename { from: decode_name(&mut input)?, to: decode_name(&mut input)? },
            KIND_ACL => Record::Acl { id: decode_id(&mut input)?, acl: decode_acl(&mut input)? },
            KIND_SPECIAL_USE => Record::SpecialUse {
                id: decode_id(&mut input)?,
                special_use: SpecialUse::from_bits(input.u8()?),
            },
            KIND_SUBSCRIBE => {
                let set = decode_set(&mut input)?;
                Record::Subscribe { user: UserName::new(input.text()?)?, name: decode_name(&mut input)?, set }
            }
            KIND_QUOTA => {
                Record::Quota { root: decode_name(&mut input)?, limits: decode_limits(&mut input)? }
            }
            KIND_KEYWORD => {
                Record::Keyword { id: decode_id(&mut input)?, keyword: Keyword::new(input.text()?)? }
            }
            KIND_APPEND => Record::Append(Append::decode(&mut input)?),
            KIND_FLAGS => Record::Flags(FlagChange::decode(&mut input)?),
            KIND_SEEN => {
                let id = decode_id(&mut input)?;
                let set = decode_set(&mut input)?;
                let user = UserName::new(input.text()?)?;
                Record::Seen { id, user, uids: UidSet::decode(&mut input)?, set }
            }
            KIND_EXPUNGE => {
                let (id, bytes) = (decode_id(&mut input)?, input.u64()?);
                Record::Expunge { id, uids: UidSet::decode(&mut input)?, bytes }
            }
            KIND_COPY => Record::Copy(Copy::decode(&mut input)?),
            _ => return Err(Corrupt),
        };
        input.end()?;
        Ok(Self::Change(change))
    }
}

impl Append {
    fn encode(&self, out: &mut Writer) {
        out.u8(KIND_APPEND);
        out.u64(self.id.0);
        out.u32(self.uid);
        out.i64(self.date.secs);
        out.u16(u16::from_le_bytes(self.date.zone_minutes.to_le_bytes()));
        out.u8(self.flags.bits());
        out.u64(self.keywords);
        out.u32(self.size_bytes);
        match &self.delivery {
            Some(key) => {
                out.u8(1);
                out.bytes(key.as_bytes());
            }
            None => out.u8(0),
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: decode_id(input)?,
            uid: input.u32()?,
            date: InternalDate { secs: input.i64()?, zone_minutes: i16::from_le_bytes(input.fixed()?) },
            flags: decode_flags(input)?,
            keywords: input.u64()?,
            size_bytes: input.u32()?,
            delivery: match input.u8()? {
                0 => None,
                1 => Some(DeliveryKey::from_bytes(input.fixed()?)),
                _ => return Err(Corrupt),
            },
        })
    }
}

impl FlagChange {
    fn encode(&self, out: &mut Writer) {
        out.u8(KIND_FLAGS);
        out.u64(self.id.0);
        out.u8(self.clear.bits());
        out.u8(self.set.bits());
        out.u64(self.keywords_clear);
        out.u64(self.keywords_set);
        self.uids.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: decode_id(input)?,
            clear: decode_flags(input)?,
            set: decode_flags(input)?,
            keywords_clear: input.u64()?,
            keywords_set: input.u64()?,
            uids: UidSet::decode(input)?,
        })
    }
}

impl Copy {
    fn encode(&self, out: &mut Writer) {
        out.u8(KIND_COPY);
        out.u64(self.from.0);
        out.u64(self.to.0);
        out.u32(self.first_uid);
        out.u64(self.bytes);
        out.u8(self.keep.bits());
        out.number(self.keywords.len() as u64);
        for (from, to) in &self.keywords {
            out.u8(*from);
            out.u8(*to);
        }
        out.text(self.seen_by.as_ref().map_or("", UserName::as_str));
        self.uids.encode(out);
        self.seen.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let (from, to) = (decode_id(input)?, decode_id(input)?);
        let (first_uid, bytes, keep) = (input.u32()?, input.u64()?, decode_flags(input)?);
        let bit =
            |input: &mut Reader<'_>| input.u8().and_then(|bit| if bit < 64 { Ok(bit) } else { Err(Corrupt) });
        let keywords = (0..input.count()?)
            .map(|_| Ok((bit(input)?, bit(input)?)))
            .collect::<Result<Vec<_>, Corrupt>>()?;
        let seen_by = match input.text()? {
            "" => None,
            user => Some(UserName::new(user)?),
        };
        let (uids, seen) = (UidSet::decode(input)?, UidSet::decode(input)?);
        Ok(Self { from, to, uids, first_uid, bytes, keep, keywords, seen, seen_by })
    }
}

pub(super) fn decode_id(input: &mut Reader<'_>) -> Result<MailboxId, Corrupt> {
    match input.u64()? {
        0 => Err(Corrupt),
        id => Ok(MailboxId(id)),
    }
}

pub(super) fn decode_name(input: &mut Reader<'_>) -> Result<MailboxName, Corrupt> {
    Ok(MailboxName::from_joined(input.text()?)?)
}

fn decode_flags(input: &mut Reader<'_>) -> Result<SystemFlags, Corrupt> {
    SystemFlags::from_bits(input.u8()?).ok_or(Corrupt)
}

fn encode_set(set: Set, out: &mut Writer) {
    out.u8(u8::from(set == Set::On));
}

fn decode_set(input: &mut Reader<'_>) -> Result<Set, Corrupt> {
    match input.u8()? {
        0 => Ok(Set::Off),
        1 => Ok(Set::On),
        _ => Err(Corrupt),
    }
}

pub(super) fn encode_meta(meta: &Meta, out: &mut Writer) {
    out.text(meta.name.joined());
    out.u32(meta.uid_validity);
    out.text(meta.owner.as_ref().map_or("", UserName::as_str));
    out.u8(meta.special_use.bits());
    out.u64(meta.modseq_offset);
    encode_acl(&meta.acl, out);
}

pub(super) fn decode_meta(input: &mut Reader<'_>) -> Result<Meta, Corrupt> {
    Ok(Meta {
        name: decode_name(input)?,
        uid_validity: input.u32()?,
        owner: match input.text()? {
            "" => None,
            owner => Some(UserName::new(owner)?),
        },
        special_use: SpecialUse::from_bits(input.u8()?),
        // Far below 2^63, so that a number can be added.
        modseq_offset: input
            .u64()
            .and_then(|offset| if offset <= 1 << 62 { Ok(offset) } else { Err(Corrupt) })?,
        acl: decode_acl(input)?,
    })
}

fn encode_acl(acl: &Acl, out: &mut Writer) {
    out.number(acl.entries().len() as u64);
    for (key, rights) in acl.entries() {
        let negative = u8::from(key.sign == Sign::Negative) << 7;
        let (kind, name) = match &key.identifier {
            Identifier::Anyone => (0, ""),
            Identifier::User(user) => (1, user.as_str()),
            Identifier::Group(group) => (2, group.as_str()),
        };
        out.u8(kind | negative);
        out.text(name);
        out.u16(rights.bits());
    }
}

fn decode_acl(input: &mut Reader<'_>) -> Result<Acl, Corrupt> {
    let mut acl = Acl::default();
    for _ in 0..input.count()? {
        let kind = input.u8()?;
        let name = input.text()?;
        let identifier = match kind & 0x7F {
            0 if name.is_empty() => Identifier::Anyone,
            1 => Identifier::User(UserName::new(name)?),
            2 => Identifier::Group(GroupName::new(name)?),
            _ => return Err(Corrupt),
        };
        let sign = if kind & 0x80 == 0 { Sign::Positive } else { Sign::Negative };
        let rights = Rights::from_bits(input.u16()?).ok_or(Corrupt)?;
        acl = acl.with(&AclKey { identifier, sign }, AclChange::Replace(rights)).map_err(|_| Corrupt)?;
    }
    Ok(acl)
}

pub(super) fn encode_limits(limits: Option<&QuotaLimits>, out: &mut Writer) {
    let field = |value: Option<u64>, out: &mut Writer| {
        out.u8(u8::from(value.is_some()));
        out.u64(value.unwrap_or(0));
    };
    out.u8(u8::from(limits.is_some()));
    let limits = limits.copied().unwrap_or_default();
    field(limits.storage_bytes, out);
    field(limits.messages, out);
}

pub(super) fn decode_limits(input: &mut Reader<'_>) -> Result<Option<QuotaLimits>, Corrupt> {
    fn flag(input: &mut Reader<'_>) -> Result<bool, Corrupt> {
        decode_set(input).map(|set| set == Set::On)
    }
    fn field(input: &mut Reader<'_>) -> Result<Option<u64>, Corrupt> {
        let there = flag(input)?;
        let value = input.u64()?;
        Ok(there.then_some(value))
    }
    let there = flag(input)?;
    let limits = QuotaLimits { storage_bytes: field(input)?, messages: field(input)? };
    Ok(there.then_some(limits))
}

pub(super) fn encode_keywords(table: &KeywordTable, out: &mut Writer) {
    out.number(table.keywords().len() as u64);
    table.keywords().iter().for_each(|keyword| out.text(keyword.as_str()));
}

pub(super) fn decode_keywords(input: &mut Reader<'_>) -> Result<KeywordTable, Corrupt> {
    let mut table = KeywordTable::default();
    for _ in 0..input.count()? {
        table = table.with(Keyword::new(input.text()?)?).map_err(|_| Corrupt)?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples() -> Vec<Record> {
        let name = |text: &str| MailboxName::new(text.split('/')).unwrap();
        let user = UserName::new("fred").unwrap();
        let uids: UidSet = [(1, 3), (9, 9), (100, u32::MAX)].into_iter().collect();
        let id = MailboxId(7);
        vec![
            Record::Create {
                id,
                meta: Meta {
                    name: name("user/fred"),
                    uid_validity: 5,
                    owner: Some(user.clone()),
                    acl: Acl::parse_text("fred\tlr\t-group:x\twi\tanyone\tp").unwrap(),
                    special_use: SpecialUse::JUNK,
                    modseq_offset: 1 << 62,
                },
            },
            Record::Delete { id },
            Record::Rename { from: name("a"), to: name("b/c") },
            Record::Acl { id, acl: Acl::default() },
            Record::SpecialUse { id, special_use: SpecialUse::ALL.union(SpecialUse::IMPORTANT) },
            Record::Subscribe { user: user.clone(), name: name("a/ä"), set: Set::On },
            Record::Quota {
                root: name("a"),
                limits: Some(QuotaLimits { storage_bytes: Some(u64::MAX), messages: None }),
            },
            Record::Quota { root: name("a"), limits: None },
            Record::Keyword { id, keyword: Keyword::new("$Junk").unwrap() },
            Record::Append(Append {
                id,
                uid: u32::MAX,
                date: InternalDate { secs: -1, zone_minutes: -720 },
                flags: SystemFlags::ALL,
                keywords: u64::MAX,
                size_bytes: 1,
                delivery: Some(DeliveryKey::from_bytes([9; 16])),
            }),
            Record::Flags(FlagChange {
                id,
                uids: uids.clone(),
                clear: SystemFlags::ALL,
                set: SystemFlags::DRAFT,
                keywords_clear: 1,
                keywords_set: 2,
            }),
            Record::Seen { id, user: user.clone(), uids: uids.clone(), set: Set::Off },
            Record::Expunge { id, uids: uids.clone(), bytes: u64::MAX },
            Record::Copy(Copy {
                from: id,
                to: MailboxId(8),
                uids: uids.clone(),
                first_uid: 4,
                bytes: 77,
                keep: SystemFlags::DRAFT,
                keywords: vec![(0, 63), (1, 0)],
                seen: uids,
                seen_by: Some(user),
            }),
        ]
    }

    fn encoded(record: &Record) -> bytes::Bytes {
        let mut out = Writer::default();
        record.encode(&mut out);
        out.finish()
    }

    #[test]
    fn every_record_survives_its_bytes() {
        for record in samples() {
            let Ok(Decoded::Change(back)) = Decoded::decode(&encoded(&record)) else { panic!("{record:?}") };
            assert_eq!(back, record);
        }
    }

    #[test]
    fn s6_no_record_is_read_from_a_part_of_it_or_with_more_behind_it() {
        for record in samples() {
            let bytes = encoded(&record);
            for cut in 0..bytes.len() {
                assert!(Decoded::decode(&bytes[..cut]).is_err(), "{record:?} cut at {cut}");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(Decoded::decode(&longer).is_err(), "{record:?} with a byte behind");
        }
    }

    proptest! {
        #![proptest_config(crate::store::fixed())]

        #[test]
        fn s6_reading_a_damaged_record_never_panics(at in any::<prop::sample::Index>(), pick in 0usize..14, value: u8) {
            let mut bytes = encoded(&samples()[pick]).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = Decoded::decode(&bytes);
        }
    }
}
