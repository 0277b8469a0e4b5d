//! COPY and MOVE (RFC 3501 6.4.7, RFC 4315, RFC 6851), also from one server to another.
//!
//! Between servers each message is fetched from the one and appended to the other, with its flags and its date, never
//! held as a whole: its bytes are read only as fast as they are taken. Both ends then know real UIDs, so the client
//! gets a true COPYUID. A COPY that fails on the way takes back what it has appended (RFC 3501 6.4.7), as far as that
//! server can still be reached and the user may delete there; a MOVE removes the originals last, so no failure can
//! lose a message.

use std::num::NonZeroU32;

use imap_proto::client::{Event, Piece};
use imap_proto::server::Connection;
use imap_proto::{
    Append, Code, Command, Copying, DateTime, ErrorCode, Fetch, FetchAttribute, FetchItem, Flag, List,
    MailboxName, NewContent, NewMessage, Numbering, Peek, Response, Section, SectionText, SequenceNumber,
    SequenceRange, SequenceSet, SettableFlag, Status, Store, StoreAction, StoreAnswer, StoreData,
};
use imap_proto::{Data, PartPath};
use mail_wire::Ticket;
use mailstore::store::Rights;
use tracing::warn;

use super::append::{Begun, begin, give};
use super::backends::Backend;
use super::relay::{self, Answer, Flow, Lost, nothing};
use super::{ADMIN_READS_NO_MAIL, Access, Session, coded, gone, nonexistent, try_create, unavailable};
use crate::mailboxes::Entry;
use crate::net::{Link, LinkError};

/// Messages of one COPY or MOVE between two servers. 10,000: the client waits for one answer to all of them.
const MESSAGES_MAX: usize = 10_000;

/// Whether the originals stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    Copy,
    Move,
}

/// A message to be copied.
#[derive(Debug)]
struct Original {
    uid: NonZeroU32,
    flags: Vec<Box<[u8]>>,
    date: Option<DateTime>,
}

/// What was copied.
#[derive(Debug, Default)]
struct Copied {
    /// UIDs of the originals, ascending.
    originals: Vec<u32>,
    /// UIDVALIDITY of the mailbox copied to, and the UIDs there, in the same order. The latter are fewer if that
    /// server does not tell them.
    uid_validity: u32,
    copies: Vec<u32>,
}

/// Why it is not copied.
#[derive(Debug)]
enum Failure {
    Source(Lost),
    Target(Lost),
    Refused(Answer),
}

/// The outer error is the client's.
type Tried<T> = Result<Result<T, Failure>, LinkError>;

impl Session<'_> {
    pub(super) async fn copy(
        &mut self,
        ticket: Ticket,
        copying: &Copying<'_>,
        transfer: Transfer,
    ) -> Result<(), LinkError> {
        let Some(source) = self.backends.selected_server() else { return self.reply(ticket, &gone()) };
        let entry = match self.find(&copying.mailbox, ADMIN_READS_NO_MAIL).await {
            Ok(entry) => entry,
            Err(status) => return self.reply(ticket, &try_create(status)),
        };
        let classic = self.view.classic(entry.name());
        let Ok(mailbox) = MailboxName::new(&classic) else { return self.reply(ticket, &nonexistent()) };
        let copying = Copying { mailbox, ..*copying };
        if *source == *entry.server() {
            let command = match transfer {
                Transfer::Copy => Command::Copy(copying),
                Transfer::Move => Command::Move(copying),
            };
            return self.in_selected(ticket, &command).await;
        }
        if let Some(refusal) = self.refusal(&entry, transfer) {
            return self.reply(ticket, &refusal);
        }
        let originals = match self.originals(&copying).await? {
            Ok(originals) => originals,
            Err(Some(answer)) => return self.reply(ticket, &answer.status()),
            Err(None) => return self.reply(ticket, &gone()),
        };
        if originals.len() > MESSAGES_MAX {
            return self.reply(ticket, &coded(ErrorCode::Limit, "Too many messages for one command"));
        }
        if originals.is_empty() {
            return self.reply(ticket, &Status::ok("No messages"));
        }
        self.across(ticket, &entry, mailbox, &originals, transfer).await
    }

    /// What speaks against it from the start.
    fn refusal(&self, target: &Entry, transfer: Transfer) -> Option<Status<'static>> {
        let denied = || Some(coded(ErrorCode::NoPerm, "Permission denied"));
        if !self.view.rights(target).contains(Rights::INSERT) {
            return denied();
        }
        let selected = self.selected.as_ref()?;
        if transfer == Transfer::Copy {
            return None;
        }
        if selected.access == Access::ReadOnly {
            return Some(coded(ErrorCode::Cannot, "The mailbox is read-only"));
        }
        let rights = self.shared.replica.lookup(&selected.name).map(|entry| self.view.rights(&entry));
        let needed = Rights::DELETE_MESSAGES.union(Rights::EXPUNGE);
        if rights.is_none_or(|rights| !rights.contains(needed)) { denied() } else { None }
    }

    /// The messages that the client names; the inner error is the server's answer, or none if it is gone.
    async fn originals(
        &mut self,
        copying: &Copying<'_>,
    ) -> Result<Result<Vec<Original>, Option<Answer>>, LinkError> {
        let attributes = [FetchAttribute::Uid, FetchAttribute::Flags, FetchAttribute::InternalDate];
        let fetch = Command::Fetch(Fetch::new(copying.numbering, copying.messages, &attributes));
        let Some(server) = self.backends.selected_server() else { return Ok(Err(None)) };
        let wanted: relay::Wanted = |response| match response {
            Response::Fetch { items, .. } => {
                items.iter().any(|item| matches!(item, FetchItem::InternalDate(_)))
            }
            _ => false,
        };
        let answer = match self.ask(&server, &fetch, wanted).await? {
            Some(answer) if answer.is_ok() => answer,
            refused => return Ok(Err(refused)),
        };
        let mut originals: Vec<Original> =
            answer.kept.iter().filter_map(|response| Original::read(&response.view())).collect();
        originals.sort_by_key(|original| original.uid);
        originals.dedup_by_key(|original| original.uid);
        Ok(Ok(originals))
    }

    async fn across(
        &mut self,
        ticket: Ticket,
        entry: &Entry,
        mailbox: MailboxName<'_>,
        originals: &[Original],
        transfer: Transfer,
    ) -> Result<(), LinkError> {
        let Some(mut target) = self.backends.take(entry.server()).await else {
            return self.reply(ticket, &unavailable());
        };
        let mut copied = Copied::default();
        let mut failure = None;
        for original in originals {
            let Some(source) = self.backends.selected() else {
                failure = Some(Failure::Source(Lost::Closed));
                break;
            };
            match copy_one(self.client, source, &mut target, mailbox, original).await? {
                Ok(None) => {}
                Ok(Some(answer)) => copied.note(original.uid, &answer),
                Err(why) => {
                    failure = Some(why);
                    break;
                }
            }
        }
        if let Some(failure) = failure {
            if !matches!(failure, Failure::Target(_))
                && take_back(self.client, &mut target, mailbox, &copied).await?
            {
                self.backends.insert(target);
            }
            return self.fail(ticket, &failure);
        }
        self.backends.insert(target);
        match transfer {
            Transfer::Copy => self.tell_copied(ticket, &copied),
            Transfer::Move => self.remove_originals(ticket, &copied).await,
        }
    }

    fn fail(&mut self, ticket: Ticket, failure: &Failure) -> Result<(), LinkError> {
        match failure {
            Failure::Source(lost) => {
                if let Some(server) = self.backends.selected_server() {
                    self.backends.lose(&server, lost);
                }
                self.reply(ticket, &gone())
            }
            Failure::Target(lost) => {
                warn!(protocol = "imap", why = %lost, "a back-end was lost while messages were copied to it");
                self.reply(ticket, &unavailable())
            }
            Failure::Refused(answer) => self.reply(ticket, &answer.status()),
        }
    }

    fn tell_copied(&mut self, ticket: Ticket, copied: &Copied) -> Result<(), LinkError> {
        let ranges = copied.ranges();
        let mut status = Status::ok("Completed");
        status.code = ranges.as_ref().and_then(|ranges| copied.code(ranges));
        self.reply(ticket, &status)
    }

    /// The last step of MOVE; COPYUID comes before the first EXPUNGE (RFC 6851 4.3).
    async fn remove_originals(&mut self, ticket: Ticket, copied: &Copied) -> Result<(), LinkError> {
        let (Some(server), originals) = (self.backends.selected_server(), ranges_of(&copied.originals))
        else {
            return self.reply(ticket, &gone());
        };
        let Some(messages) = SequenceSet::of(&originals) else {
            return self.reply(ticket, &Status::ok("No messages"));
        };
        if let Some(ranges) = copied.ranges() {
            let mut status = Status::ok("Copied");
            status.code = copied.code(&ranges);
            relay::untagged(self.client, &Response::Status(status))?;
        }
        let deleted: Vec<SettableFlag<'_>> = SettableFlag::new(Flag::Deleted).into_iter().collect();
        let store = Command::Store(mark_deleted(messages, &deleted));
        for command in [store, Command::UidExpunge(messages)] {
            match self.ask(&server, &command, nothing).await? {
                Some(answer) if answer.is_ok() => {}
                Some(answer) => return self.reply(ticket, &answer.status()),
                None => return self.reply(ticket, &gone()),
            }
        }
        self.reply(ticket, &Status::ok("Completed"))
    }
}

impl Original {
    fn read(response: &Response<'_>) -> Option<Self> {
        let Response::Fetch { items, .. } = response else { return None };
        let mut uid = None;
        let mut original = Self { uid: NonZeroU32::MIN, flags: Vec::new(), date: None };
        for item in items.iter() {
            match item {
                FetchItem::Uid(number) => uid = NonZeroU32::new(number),
                FetchItem::InternalDate(date) => original.date = Some(date),
                FetchItem::Flags(flags) => {
                    original.flags =
                        flags.iter().filter(Flag::is_settable).map(|flag| flag.as_bytes().into()).collect();
                }
                _ => {}
            }
        }
        original.uid = uid?;
        Some(original)
    }

    fn settable_flags(&self) -> Vec<SettableFlag<'_>> {
        self.flags.iter().filter_map(|flag| SettableFlag::new(Flag::new(flag).ok()?)).collect()
    }

    /// What is appended where it goes.
    fn appended<'a>(&self, flags: &'a [SettableFlag<'a>], data: Data<'a>) -> NewMessage<'a> {
        NewMessage { flags: List::of(flags), date: self.date, content: NewContent::Plain(data) }
    }
}

impl Copied {
    fn note(&mut self, original: NonZeroU32, answer: &Answer) {
        self.originals.push(original.get());
        if let Some(Code::AppendUid { uid_validity, uids }) = answer.status().code
            && let Some(SequenceNumber::Number(uid)) = uids.iter().next().map(|range| range.from)
        {
            self.uid_validity = uid_validity;
            self.copies.push(uid.get());
        }
    }

    /// The ranges for COPYUID, if every copy's UID is known.
    fn ranges(&self) -> Option<(Vec<SequenceRange>, Vec<SequenceRange>)> {
        let known = !self.copies.is_empty() && self.copies.len() == self.originals.len();
        known.then(|| (ranges_of(&self.originals), ranges_of(&self.copies)))
    }

    fn code<'r>(
        &self,
        (originals, copies): &'r (Vec<SequenceRange>, Vec<SequenceRange>),
    ) -> Option<Code<'r>> {
        Some(Code::CopyUid {
            uid_validity: self.uid_validity,
            source: SequenceSet::of(originals)?,
            destination: SequenceSet::of(copies)?,
        })
    }
}

/// Copies one message. `None` if it is not there any more.
async fn copy_one(
    client: &mut Link<Connection>,
    source: &mut Backend,
    target: &mut Backend,
    mailbox: MailboxName<'_>,
    original: &Original,
) -> Tried<Option<Answer>> {
    let range = [SequenceRange::one(original.uid)];
    let whole = Section { path: PartPath::MESSAGE, text: SectionText::All };
    let attributes = [FetchAttribute::Section { peek: Peek::LeaveUnseen, section: whole, partial: None }];
    let Some(messages) = SequenceSet::of(&range) else { return Ok(Ok(None)) };
    let fetch = Fetch::new(Numbering::Uid, messages, &attributes);
    let id = match source.link.conn().command(&Command::Fetch(fetch)) {
        Ok(id) => id,
        Err(e) => return Ok(Err(Failure::Source(LinkError::from(e).into()))),
    };
    let flags = original.settable_flags();
    let mut flow = Flow::default();
    let mut copy = None;
    // The APPEND whose bytes are on their way.
    let mut under_way = None;
    loop {
        let event = match flow.next(client, &mut source.link).await? {
            Ok(event) => event,
            Err(lost) => return Ok(Err(Failure::Source(lost))),
        };
        match event {
            Event::Tagged(of, tagged) if of == id => {
                let answer = Answer { tagged, kept: Vec::new() };
                return Ok(if answer.is_ok() { Ok(copy) } else { Err(Failure::Refused(answer)) });
            }
            Event::Untagged(response) if body(&response.view()).is_some() => {
                let view = response.view();
                let Some(message) = body(&view) else { continue };
                let messages = [original.appended(&flags, message)];
                let append = Append { mailbox, messages: List::of(&messages) };
                match relay::run(client, target, &Command::Append(append), nothing).await? {
                    Ok(answer) if answer.is_ok() => copy = Some(answer),
                    Ok(answer) => {
                        return Ok(Err(abandon(client, source, id, Failure::Refused(answer)).await?));
                    }
                    Err(lost) => return Ok(Err(abandon(client, source, id, Failure::Target(lost)).await?)),
                }
            }
            Event::Piece(Piece::Head { so_far, literal, .. })
                if under_way.is_none() && matches!(so_far.view(), Response::Fetch { .. }) =>
            {
                let data = Data::Streamed { id: literal.id, bytes: literal.bytes };
                let messages = [original.appended(&flags, data)];
                match begin(client, target, &Append { mailbox, messages: List::of(&messages) }).await? {
                    Ok(Begun::Wanted(id)) => under_way = Some(id),
                    Ok(Begun::Refused(answer)) => {
                        return Ok(Err(abandon(client, source, id, Failure::Refused(answer)).await?));
                    }
                    Err(lost) => return Ok(Err(abandon(client, source, id, Failure::Target(lost)).await?)),
                }
            }
            Event::Piece(Piece::Chunk(_, bytes)) if under_way.is_some() => {
                if let Err(lost) = give(target, bytes).await {
                    return Ok(Err(abandon(client, source, id, Failure::Target(lost)).await?));
                }
            }
            Event::Piece(Piece::LiteralEnd(_)) => {
                let Some(appending) = under_way.take() else { continue };
                match relay::finish(client, target, appending, nothing).await? {
                    Ok(answer) if answer.is_ok() => copy = Some(answer),
                    Ok(answer) => {
                        return Ok(Err(abandon(client, source, id, Failure::Refused(answer)).await?));
                    }
                    Err(lost) => return Ok(Err(abandon(client, source, id, Failure::Target(lost)).await?)),
                }
            }
            Event::Piece(Piece::Tail(_)) => {}
            Event::Piece(_) => return Ok(Err(Failure::Source(Lost::Misbehaved))),
            event => {
                if let Err(lost) = relay::pass_on(client, true, event)? {
                    return Ok(Err(Failure::Source(lost)));
                }
                flow.wrote();
            }
        }
    }
}

/// Reads the rest of a FETCH that is of no use any more, so that its connection stays of use.
async fn abandon(
    client: &mut Link<Connection>,
    source: &mut Backend,
    id: imap_proto::client::CommandId,
    why: Failure,
) -> Result<Failure, LinkError> {
    let mut flow = Flow::default();
    loop {
        match flow.next(client, &mut source.link).await? {
            Ok(Event::Tagged(of, _)) if of == id => return Ok(why),
            Ok(Event::Untagged(response)) if body(&response.view()).is_none() => {
                if let Err(lost) = relay::pass_on(client, true, Event::Untagged(response))? {
                    return Ok(Failure::Source(lost));
                }
                flow.wrote();
            }
            Ok(_) => {}
            Err(lost) => return Ok(Failure::Source(lost)),
        }
    }
}

/// Removes from the target what an unsuccessful COPY has put there. False if that connection is of no use any more.
async fn take_back(
    client: &mut Link<Connection>,
    target: &mut Backend,
    mailbox: MailboxName<'_>,
    copied: &Copied,
) -> Result<bool, LinkError> {
    let ranges = ranges_of(&copied.copies);
    let Some(messages) = SequenceSet::of(&ranges) else { return Ok(true) };
    let deleted: Vec<SettableFlag<'_>> = SettableFlag::new(Flag::Deleted).into_iter().collect();
    let commands = [
        Command::Select(mailbox.into()),
        Command::Store(mark_deleted(messages, &deleted)),
        Command::UidExpunge(messages),
        Command::Unselect,
    ];
    for command in commands {
        match relay::run(client, target, &command, nothing).await? {
            Ok(answer) if answer.is_ok() => {}
            Ok(_) => {
                warn!(protocol = "imap", server = &*target.server, "cannot take back what was copied");
                return Ok(false);
            }
            Err(lost) => {
                warn!(protocol = "imap", server = &*target.server, why = %lost, "cannot take back what was copied");
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn mark_deleted<'a>(messages: SequenceSet<'a>, deleted: &'a [SettableFlag<'a>]) -> Store<'a> {
    Store {
        numbering: Numbering::Uid,
        messages,
        unchanged_since: None,
        action: StoreAction::Add,
        answer: StoreAnswer::Silent,
        data: StoreData::Flags(List::of(deleted)),
    }
}

/// The body of a FETCH response that was kept whole.
fn body<'a>(response: &Response<'a>) -> Option<Data<'a>> {
    let Response::Fetch { items, .. } = response else { return None };
    items.iter().find_map(|item| match item {
        FetchItem::Section { data: data @ Data::Inline(_), .. } => Some(data),
        _ => None,
    })
}

/// Numbers as ranges, in their order.
fn ranges_of(numbers: &[u32]) -> Vec<SequenceRange> {
    let mut ranges: Vec<std::ops::RangeInclusive<u32>> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(number) => *last = *last.start()..=number,
            _ => ranges.push(number..=number),
        }
    }
    ranges.iter().filter_map(SequenceRange::of).collect()
}

#[cfg(test)]
mod tests {
    use imap_proto::Parser;

    use super::*;

    #[test]
    fn ranges_keep_the_order_of_their_numbers() {
        let written = |numbers: &[u32]| {
            let ranges = ranges_of(numbers);
            let set = SequenceSet::of(&ranges).unwrap();
            set.resolve(u32::MAX).map(|range| (*range.start(), *range.end())).collect::<Vec<_>>()
        };
        assert_eq!(written(&[1, 2, 3, 7]), [(1, 3), (7, 7)]);
        assert_eq!(written(&[5, 4]), [(5, 5), (4, 4)]);
        assert_eq!(written(&[u32::MAX]), [(u32::MAX, u32::MAX)]);
        assert!(ranges_of(&[]).is_empty());
    }

    #[test]
    fn an_original_keeps_the_flags_that_a_client_can_set() {
        let mut parser = Parser::new();
        let response = parser
            .response(b"* 3 FETCH (FLAGS (\\Seen \\Recent $Work) INTERNALDATE \" 1-Jan-2026 00:00:00 +0100\" UID 9)")
            .unwrap();
        let original = Original::read(&response).unwrap();
        assert_eq!(original.uid.get(), 9);
        assert_eq!(original.flags, [b"\\Seen".as_slice().into(), b"$Work".as_slice().into()]);
        assert!(original.date.is_some());
        assert!(Original::read(&parser.response(b"* 3 FETCH (FLAGS (\\Seen))").unwrap()).is_none());
    }
}
