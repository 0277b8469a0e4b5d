//! FETCH (RFC 3501 6.4.5, 7.4.2).
//!
//! What stands in a message's record (flags, UID, date, size) is told without reading anything. ENVELOPE and
//! BODYSTRUCTURE come from the structure that was made when the message arrived. Bytes of the message are read as
//! they stand: small pieces at once, large ones while they are sent.
//!
//! What sets `\Seen` does so for all the messages of the command in one transaction, before the first is sent, so that each
//! answer shows its flags as they are. If that cannot be written the messages are sent all the same.

mod piece;
mod structure;

use imap_proto::server::Connection;
use imap_proto::{
    Code, Data, DateTime, ErrorCode, Fetch, FetchAttribute, FetchItem, Flag, List, Numbering, Peek, Response,
    Section, Status,
};
use mail_wire::PeerIncompatible;
use mailstore::message::Structure;
use mailstore::store::{Access, Body, Error, Flags, FlagsOp, Message, Rights, SystemFlags, UidSet, View};
use tracing::warn;

use super::answer::{Answer, Failure, Outcome, bad, no, ok};
use super::select::Selected;
use super::updates::flags_of;
use super::{Session, make_room};
use crate::net::{Link, LinkError, on_disk};
use piece::{Later, Piece};
use structure::{Form, Shelves};

/// Bytes of a message that are read at once while it is sent.
const READ_BYTES: u32 = 256 << 10;

/// The most things that one FETCH may ask of a message. Clients ask for ten; each may hold memory while it is answered.
const ATTRIBUTES_MAX: usize = 64;

/// What a FETCH asks for, the macros spelled out.
struct Wanted<'a> {
    attributes: Vec<FetchAttribute<'a>>,
    /// Something of the message itself is wanted, so that it has to be looked at.
    contents: bool,
    /// ENVELOPE, BODY, BODYSTRUCTURE or a part: the structure has to be read.
    structure: bool,
    sets_seen: bool,
    flags: bool,
}

/// True for what FETCH is answered with here: RFC 3501.
fn is_served(attribute: FetchAttribute<'_>) -> bool {
    use FetchAttribute as A;
    matches!(
        attribute,
        A::All
            | A::Fast
            | A::Full
            | A::Envelope
            | A::Flags
            | A::InternalDate
            | A::Uid
            | A::Rfc822
            | A::Rfc822Header
            | A::Rfc822Size
            | A::Rfc822Text
            | A::Body
            | A::BodyStructure
            | A::Section { .. }
    )
}

impl<'a> Wanted<'a> {
    fn of(fetch: &Fetch<'a>) -> Self {
        use FetchAttribute as A;
        const FAST: [A<'static>; 3] = [A::Flags, A::InternalDate, A::Rfc822Size];
        let mut attributes = Vec::with_capacity(8);
        for attribute in fetch.attributes.iter() {
            match attribute {
                A::Fast => attributes.extend(FAST),
                A::All => attributes.extend(FAST.into_iter().chain([A::Envelope])),
                A::Full => attributes.extend(FAST.into_iter().chain([A::Envelope, A::Body])),
                other => attributes.push(other),
            }
        }
        if fetch.numbering == Numbering::Uid && !attributes.contains(&A::Uid) {
            attributes.insert(0, A::Uid);
        }
        let any = |test: fn(&A<'_>) -> bool| attributes.iter().any(test);
        Self {
            contents: any(|a| !matches!(a, A::Flags | A::InternalDate | A::Rfc822Size | A::Uid)),
            structure: any(|a| match a {
                A::Flags | A::InternalDate | A::Rfc822Size | A::Uid | A::Rfc822 => false,
                A::Section { section, .. } => *section != Section::MESSAGE,
                _ => true,
            }),
            sets_seen: any(|a| {
                matches!(a, A::Rfc822 | A::Rfc822Text | A::Section { peek: Peek::SetSeen, .. })
            }),
            flags: any(|a| *a == A::Flags),
            attributes,
        }
    }
}

/// What was read of one message.
struct Contents {
    body: Body,
    structure: Option<Structure>,
    /// For each attribute that is bytes, in order.
    pieces: Vec<Piece>,
}

/// What became of one message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    /// Somebody has expunged it.
    Gone,
    /// It cannot be read.
    Unreadable,
}

impl Session {
    pub(super) async fn fetch(&mut self, fetch: &Fetch<'_>) -> Outcome {
        if fetch.attributes.iter().count() > ATTRIBUTES_MAX {
            return Err(no(ErrorCode::Limit, "Too many attributes"));
        }
        if !fetch.modifiers.is_empty() {
            return Err(bad("Unknown FETCH modifier"));
        }
        if !fetch.attributes.iter().all(is_served) {
            return Err(bad("Unknown FETCH attribute"));
        }
        let uids = self.named(fetch.numbering, &fetch.messages)?;
        let wanted = Wanted::of(fetch);
        let seen = if wanted.sets_seen { self.mark_seen(&uids).await? } else { UidSet::default() };
        let keywords = self.tell_new_keywords()?;
        let Self { link, selected: Some(Selected { view, .. }), .. } = self else { return ok("Completed") };
        let (mut sent, mut unreadable, mut flags) = (0_u64, 0_u64, Vec::new());
        for message in view.messages(&uids) {
            let shows_flags = wanted.flags || seen.contains(message.uid);
            if shows_flags {
                flags_of(&message, &keywords, &mut flags);
            }
            let extra = (shows_flags && !wanted.flags).then_some(FetchItem::Flags(List::of(&flags)));
            let outcome = if wanted.contents {
                send_contents(link, view, &message, &wanted, &flags, extra).await?
            } else {
                send_record(link.conn(), &message, &wanted, &flags)?
            };
            match outcome {
                Sent::Yes => sent += 1,
                Sent::Gone => {}
                Sent::Unreadable => unreadable += 1,
            }
            make_room(link).await?;
        }
        if unreadable > 0 {
            return Err(Error::Damaged.into());
        }
        if sent < uids.len() && fetch.numbering == Numbering::Sequence {
            // RFC 2180 4.1.2: the numbers are still good, the messages are not.
            let gone = Status::no("Some of the messages are gone");
            return Ok(Answer::Status(gone.with_code(Code::Condition(ErrorCode::ExpungeIssued))));
        }
        ok("Completed")
    }

    /// Sets `\Seen` where it is not set yet and may be. Answers where.
    async fn mark_seen(&mut self, uids: &UidSet) -> Result<UidSet, Failure> {
        let view = &self.selected()?.view;
        if view.access() == Access::ReadOnly || !view.rights().contains(Rights::SEEN) {
            return Ok(UidSet::default());
        }
        let unseen = view.messages(uids).filter(|message| !message.flags.contains(SystemFlags::SEEN));
        let unseen: UidSet = unseen.map(|message| (message.uid, message.uid)).collect();
        if unseen.is_empty() {
            return Ok(unseen);
        }
        match self.change_flags(&unseen, FlagsOp::Add, Flags::from(SystemFlags::SEEN)).await {
            Ok(()) => Ok(unseen),
            Err(Failure::Refused(_)) => Ok(UidSet::default()),
            Err(failed) => Err(failed),
        }
    }
}

/// Tells what stands in the record.
fn send_record(
    conn: &mut Connection,
    message: &Message,
    wanted: &Wanted<'_>,
    flags: &[Flag<'_>],
) -> Result<Sent, mail_wire::Error> {
    let items = wanted.attributes.iter().filter_map(|attribute| record_item(message, attribute, flags));
    let items: Vec<FetchItem<'_>> = items.collect();
    conn.untagged(&Response::Fetch { message: message.sequence, items: List::of(&items) })?;
    Ok(Sent::Yes)
}

fn record_item<'a>(
    message: &Message,
    attribute: &FetchAttribute<'_>,
    flags: &'a [Flag<'a>],
) -> Option<FetchItem<'a>> {
    Some(match attribute {
        FetchAttribute::Uid => FetchItem::Uid(message.uid),
        FetchAttribute::Flags => FetchItem::Flags(List::of(flags)),
        FetchAttribute::Rfc822Size => FetchItem::Rfc822Size(u64::from(message.size_bytes)),
        FetchAttribute::InternalDate => {
            let date = message.internal_date;
            // A date beyond the grammar's years, which only a damaged clock could have made, is the epoch.
            let shown = DateTime::from_unix_seconds(date.secs, date.zone_minutes);
            FetchItem::InternalDate(shown.or_else(|| DateTime::from_unix_seconds(0, 0))?)
        }
        _ => return None,
    })
}

async fn send_contents(
    link: &mut Link<Connection>,
    view: &View,
    message: &Message,
    wanted: &Wanted<'_>,
    flags: &[Flag<'_>],
    extra: Option<FetchItem<'_>>,
) -> Result<Sent, LinkError> {
    let contents = match read(view, message, wanted) {
        Ok(contents) => contents,
        Err(Error::Expunged) => return Ok(Sent::Gone),
        Err(error) => {
            warn!(protocol = "imap", uid = message.uid, %error, "cannot read a message");
            return Ok(Sent::Unreadable);
        }
    };
    match respond(link.conn(), message, wanted, flags, extra, &contents) {
        Ok(()) => {}
        Err(mail_wire::Error::PeerIncompatible(PeerIncompatible::Inexpressible(why))) => {
            warn!(protocol = "imap", uid = message.uid, why, "cannot tell of a message");
            return Ok(Sent::Unreadable);
        }
        Err(error) => return Err(error.into()),
    }
    for piece in contents.pieces {
        if let Piece::Later(later) = piece {
            stream(link, &contents.body, later).await?;
        }
    }
    Ok(Sent::Yes)
}

/// Reads what is small enough to be held, and the beginning of what is not: if something cannot be read, the answer is
/// not begun.
fn read(view: &View, message: &Message, wanted: &Wanted<'_>) -> Result<Contents, Error> {
    let body = view.body(message.uid)?;
    let structure = if wanted.structure { Some(body.structure()?) } else { None };
    let mut reader = piece::Reader::new(&body, structure.as_ref());
    let mut pieces = Vec::new();
    for attribute in &wanted.attributes {
        match attribute {
            FetchAttribute::Rfc822 => pieces.push(reader.piece(&Section::MESSAGE, None)?),
            FetchAttribute::Rfc822Header => pieces.push(reader.piece(&Section::HEADER, None)?),
            FetchAttribute::Rfc822Text => pieces.push(reader.piece(&Section::TEXT, None)?),
            FetchAttribute::Section { section, partial, .. } => {
                pieces.push(reader.piece(section, *partial)?);
            }
            _ => {}
        }
    }
    Ok(Contents { body, structure, pieces })
}

/// Begins the answer: all of it, but for pieces that are still to be read.
fn respond(
    conn: &mut Connection,
    message: &Message,
    wanted: &Wanted<'_>,
    flags: &[Flag<'_>],
    extra: Option<FetchItem<'_>>,
    contents: &Contents,
) -> Result<(), mail_wire::Error> {
    let trees = |a: &&FetchAttribute<'_>| {
        matches!(a, FetchAttribute::Envelope | FetchAttribute::Body | FetchAttribute::BodyStructure)
    };
    let trees = wanted.attributes.iter().filter(trees).count();
    let shelves = Shelves::for_structure(contents.structure.as_ref(), trees);
    let mut pieces = contents.pieces.iter();
    let mut items: Vec<FetchItem<'_>> = extra.into_iter().collect();
    for attribute in &wanted.attributes {
        let structure = contents.structure.as_ref();
        let mut data = || pieces.next().map_or(Data::Nil, Piece::data);
        let item = match attribute {
            FetchAttribute::Rfc822 => Some(FetchItem::Rfc822(data())),
            FetchAttribute::Rfc822Header => Some(FetchItem::Rfc822Header(data())),
            FetchAttribute::Rfc822Text => Some(FetchItem::Rfc822Text(data())),
            FetchAttribute::Section { section, partial, .. } => Some(FetchItem::Section {
                section: *section,
                origin: partial.map(|partial| partial.offset),
                data: data(),
            }),
            FetchAttribute::Envelope => {
                structure.and_then(|s| shelves.envelope(&s.envelope())).map(FetchItem::Envelope)
            }
            FetchAttribute::Body => structure.and_then(|s| shelves.body(s, Form::Body)).map(FetchItem::Body),
            FetchAttribute::BodyStructure => {
                structure.and_then(|s| shelves.body(s, Form::BodyStructure)).map(FetchItem::BodyStructure)
            }
            other => record_item(message, other, flags),
        };
        items.extend(item);
    }
    conn.untagged(&Response::Fetch { message: message.sequence, items: List::of(&items) })
}

/// Sends a piece that was announced, in parts that are read one after the other.
async fn stream(link: &mut Link<Connection>, body: &Body, later: Later) -> Result<(), LinkError> {
    let Later { first, rest } = later;
    let mut at = rest.start;
    let mut part = first;
    loop {
        link.conn().literal_chunk(part).map_err(mail_wire::Error::from)?;
        make_room(link).await?;
        if at >= rest.end {
            return Ok(());
        }
        let to = rest.end.min(at.saturating_add(READ_BYTES));
        part = on_disk(|| body.read(at..to)).map_err(|error| broken_off(&error))?;
        if part.is_empty() {
            return Err(broken_off(&Error::Damaged));
        }
        at = to;
    }
}

/// A promise of bytes that cannot be kept: nothing can be said any more, so the connection ends.
fn broken_off(error: &Error) -> LinkError {
    warn!(protocol = "imap", %error, "cannot read the rest of a message");
    std::io::Error::other("the rest of a message cannot be read").into()
}
