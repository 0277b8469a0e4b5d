//! Checkpoints: the whole applied state, in sections of a kind, a length and content.
//!
//! Whatever follows from other things is not written but made again, so that it cannot contradict them: sizes and
//! counts of mailboxes, usage of quotas, what pins a segment. The counts of references are written and checked.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::catalogue::{Catalogue, Counters, Entry};
use super::codec::{Corrupt, Reader, Writer};
use super::contents::Contents;
use super::delivery::Deliveries;
use super::flags::SystemFlags;
use super::name::{MailboxId, UserName};
use super::quota::{Quota, QuotaUsage};
use super::record::{
    decode_id, decode_keywords, decode_limits, decode_meta, decode_name, encode_keywords, encode_limits,
    encode_meta,
};
use super::references::{Recount, References};
use super::seen::Seen;

const SECTION_HEAD: u8 = 1;
const SECTION_QUOTA: u8 = 2;
const SECTION_REFERENCES: u8 = 3;
const SECTION_MAILBOX: u8 = 4;
const SECTION_CHUNK: u8 = 5;
const SECTION_SEEN: u8 = 6;
const SECTION_SUBSCRIPTIONS: u8 = 7;
const SECTION_DELIVERIES: u8 = 8;
const SECTION_END: u8 = 9;

/// The applied state at one moment, shared with the machine that goes on.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    pub(super) catalogue: Catalogue,
    pub(super) contents: Vec<(MailboxId, Contents)>,
    pub(super) deliveries: Deliveries,
    pub(super) references: References,
}

pub(super) fn save(frozen: &Frozen, out: &mut impl Write) -> io::Result<()> {
    let catalogue = &frozen.catalogue;
    let mut head = Writer::default();
    head.u32(catalogue.uid_validity_last);
    head.u64(catalogue.mailbox_id_last);
    write(out, SECTION_HEAD, head)?;
    for (root, quota) in &catalogue.quotas {
        let mut section = Writer::default();
        section.text(root.joined());
        encode_limits(Some(&quota.limits), &mut section);
        write(out, SECTION_QUOTA, section)?;
    }
    frozen.references.encode(|section| write(out, SECTION_REFERENCES, section))?;
    for (id, contents) in &frozen.contents {
        save_mailbox(*id, contents, out)?;
    }
    for (user, names) in &catalogue.subscriptions {
        let mut section = Writer::default();
        section.text(user.as_str());
        names.iter().for_each(|name| section.text(name.joined()));
        write(out, SECTION_SUBSCRIPTIONS, section)?;
    }
    for number in 0..frozen.deliveries.generations() {
        let mut section = Writer::default();
        frozen.deliveries.encode(number, &mut section);
        write(out, SECTION_DELIVERIES, section)?;
    }
    let mut end = Writer::default();
    end.u64(frozen.contents.len() as u64);
    write(out, SECTION_END, end)
}

fn save_mailbox(id: MailboxId, contents: &Contents, out: &mut impl Write) -> io::Result<()> {
    let mut section = Writer::default();
    section.u64(id.0);
    section.u64(contents.uid_next);
    section.u64(contents.highest_modseq);
    encode_meta(&contents.meta, &mut section);
    encode_keywords(&contents.keywords, &mut section);
    write(out, SECTION_MAILBOX, section)?;
    for chunk in contents.messages.chunks() {
        let mut section = Writer::default();
        chunk.encode(&mut section);
        write(out, SECTION_CHUNK, section)?;
    }
    for (user, seen) in &contents.seen {
        let mut section = Writer::default();
        section.text(user.as_str());
        seen.encode(&mut section);
        write(out, SECTION_SEEN, section)?;
    }
    Ok(())
}

fn write(out: &mut impl Write, kind: u8, section: Writer) -> io::Result<()> {
    let len = u32::try_from(section.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    out.write_all(&[kind])?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(&section.finish())
}

pub(super) fn load(from: &mut impl Read) -> Result<Frozen, Corrupt> {
    let mut frozen = Frozen::default();
    let mut recount = Recount::default();
    loop {
        let (kind, bytes) = read(from)?;
        let mut input = Reader::new(&bytes);
        match kind {
            SECTION_HEAD => {
                frozen.catalogue.uid_validity_last = input.u32()?;
                frozen.catalogue.mailbox_id_last = input.u64()?;
            }
            SECTION_QUOTA => {
                let root = decode_name(&mut input)?;
                let limits = decode_limits(&mut input)?.ok_or(Corrupt)?;
                frozen.catalogue.quotas.insert(root, Quota { limits, usage: QuotaUsage::default() });
            }
            SECTION_REFERENCES => recount.decode(&mut input)?,
            SECTION_MAILBOX => {
                let mailbox = load_mailbox(&mut input)?;
                frozen.contents.push(mailbox);
            }
            SECTION_CHUNK => {
                let (_, contents) = frozen.contents.last_mut().ok_or(Corrupt)?;
                contents.messages.decode_chunk(&mut input)?;
            }
            SECTION_SEEN => {
                let (_, contents) = frozen.contents.last_mut().ok_or(Corrupt)?;
                let user = UserName::new(input.text()?)?;
                contents.seen.insert(user, Arc::new(Seen::decode(&mut input)?));
            }
            SECTION_SUBSCRIPTIONS => {
                let user = UserName::new(input.text()?)?;
                let names = std::iter::from_fn(|| (!input.is_empty()).then(|| decode_name(&mut input)));
                let names = names.collect::<Result<_, Corrupt>>()?;
                frozen.catalogue.subscriptions.insert(user, Arc::new(names));
            }
            SECTION_DELIVERIES => frozen.deliveries.decode(&mut input)?,
            SECTION_END => {
                let count = input.u64()?;
                input.end()?;
                if count != frozen.contents.len() as u64 {
                    return Err(Corrupt);
                }
                break;
            }
            _ => return Err(Corrupt),
        }
        input.end()?;
    }
    settle(&mut frozen, recount)?;
    Ok(frozen)
}

fn read(from: &mut impl Read) -> Result<(u8, Vec<u8>), Corrupt> {
    let mut header = [0; 5];
    from.read_exact(&mut header).map_err(|_| Corrupt)?;
    let [kind, len @ ..] = header;
    let len = u32::from_le_bytes(len);
    let mut bytes = Vec::new();
    // Grows with what is there, not with what the length says.
    from.take(u64::from(len)).read_to_end(&mut bytes).map_err(|_| Corrupt)?;
    if bytes.len() as u64 == u64::from(len) { Ok((kind, bytes)) } else { Err(Corrupt) }
}

fn load_mailbox(input: &mut Reader<'_>) -> Result<(MailboxId, Contents), Corrupt> {
    let id = decode_id(input)?;
    let (uid_next, highest_modseq) = (input.u64()?, input.u64()?);
    let mut contents = Contents::new(Arc::new(decode_meta(input)?), highest_modseq);
    contents.uid_next = uid_next;
    contents.keywords = decode_keywords(input)?;
    Ok((id, contents))
}

/// Makes again what follows from the messages: counts, usage, the catalogue's entries, what is pinned.
fn settle(frozen: &mut Frozen, mut recount: Recount) -> Result<(), Corrupt> {
    let catalogue = &mut frozen.catalogue;
    for (id, contents) in &mut frozen.contents {
        let mut usage = QuotaUsage::default();
        for (_, row) in contents.messages.iter() {
            recount.count(row)?;
            usage.add(QuotaUsage { storage_bytes: u64::from(row.size_bytes), messages: 1 });
            contents.unseen += u64::from(!row.flags.contains(SystemFlags::SEEN));
            contents.deleted += u64::from(row.flags.contains(SystemFlags::DELETED));
        }
        let name = contents.meta.name.clone();
        let quota_root = catalogue.root_of(&name);
        if let Some(quota) = quota_root.as_ref().and_then(|root| catalogue.quotas.get_mut(root)) {
            quota.usage.add(usage);
        }
        let entry = Entry {
            meta: Arc::clone(&contents.meta),
            counters: Counters {
                uid_next: contents.uid_next,
                usage,
                highest_modseq: contents.highest_modseq,
            },
            keywords: contents.keywords.clone(),
            quota_root,
        };
        let uids_in_order = u64::from(contents.messages.last_uid()) < contents.uid_next;
        let known =
            catalogue.names.insert(name, *id).is_some() || catalogue.entries.insert(*id, entry).is_some();
        if known || !uids_in_order || id.0 > catalogue.mailbox_id_last {
            return Err(Corrupt);
        }
    }
    frozen.references = recount.finish()?;
    Ok(())
}
