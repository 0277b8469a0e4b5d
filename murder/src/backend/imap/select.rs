//! The selected mailbox: SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE (RFC 3501 6.3.1, 6.3.2, 6.4.2, 6.4.3; RFC 3691;
//! RFC 4315 2.1).

use std::num::NonZeroU32;

use imap_proto::{Code, Flag, List, MailboxName, Response, SequenceNumber, SequenceSet, Status};
use mailstore::store::{Access, Bound, Error, KeywordTable, Rights, SystemFlags, UidSet, View, Watch};

use super::Session;
use super::answer::{Answer, Failure, Outcome, bad, ok};
use crate::net::LinkError;

/// How SELECT opens a mailbox.
pub(super) const SELECT: Access = Access::ReadWrite;
/// How EXAMINE does.
pub(super) const EXAMINE: Access = Access::ReadOnly;

/// An open mailbox.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) view: View,
    /// How many of the mailbox's keywords the client has been told of.
    pub(super) keywords_told: usize,
}

impl Selected {
    /// Waits for news of it.
    pub(super) fn watch(&self) -> Watch {
        self.view.watch()
    }

    /// The messages that a set of UIDs names.
    pub(super) fn uids(&self, messages: &SequenceSet<'_>) -> Result<UidSet, Error> {
        self.view.uids(&bounds(messages))
    }

    /// The messages that a set of sequence numbers names. In an empty mailbox `*` names nothing: clients ask
    /// for `1:*` without looking.
    pub(super) fn sequences(&self, messages: &SequenceSet<'_>) -> Result<UidSet, Error> {
        let ranges = bounds(messages);
        if self.view.is_empty() && ranges.iter().all(|(a, b)| *a == Bound::Last || *b == Bound::Last) {
            return Ok(UidSet::default());
        }
        self.view.sequences(&ranges)
    }
}

fn bounds(messages: &SequenceSet<'_>) -> Vec<(Bound, Bound)> {
    let bound = |number| match number {
        SequenceNumber::Number(number) => Bound::Number(number),
        SequenceNumber::Largest => Bound::Last,
    };
    messages.iter().map(|range| (bound(range.from), bound(range.to))).collect()
}

impl Session {
    pub(super) async fn select(&mut self, name: &MailboxName<'_>, access: Access) -> Outcome {
        // Whatever comes of it, the mailbox before is left (RFC 3501 6.3.1).
        self.leave()?;
        let who = self.who()?;
        who.require_reader()?;
        let name = who.names.read_to_store(name)?;
        let mut access = access;
        if access == Access::ReadWrite && !may_change(who.store.my_rights(&name)?) {
            access = Access::ReadOnly;
        }
        let view = who.store.open(&name, access)?;
        let keywords = view.keywords();
        self.tell_flags(&view, &keywords)?;
        let conn = self.link.conn();
        conn.untagged(&Response::Exists(view.len()))?;
        conn.untagged(&Response::Recent(view.recent()))?;
        let codes = [
            view.first_unseen().map(|message| (Code::Unseen(message.sequence), "The first unseen message")),
            Some((Code::UidValidity(view.uid_validity()), "UIDs are valid")),
            NonZeroU32::new(view.uid_next()).map(|uid| (Code::UidNext(uid.get()), "The next UID")),
        ];
        for (code, text) in codes.into_iter().flatten() {
            conn.untagged(&Response::Status(Status::ok(text).with_code(code)))?;
        }
        conn.set_selected()?;
        self.selected = Some(Selected { view, keywords_told: keywords.keywords().len() });
        Ok(Answer::Status(match access {
            Access::ReadWrite => Status::ok("Selected").with_code(Code::ReadWrite),
            Access::ReadOnly => Status::ok("Opened to read only").with_code(Code::ReadOnly),
        }))
    }

    /// FLAGS and PERMANENTFLAGS.
    pub(super) fn tell_flags(&mut self, view: &View, keywords: &KeywordTable) -> Result<(), LinkError> {
        let mut flags = system_flags(SystemFlags::ALL);
        flags.extend(keywords.keywords().iter().filter_map(|keyword| Flag::new(keyword.as_str()).ok()));
        let conn = self.link.conn();
        conn.untagged(&Response::Flags(List::of(&flags)))?;
        let mut permanent = system_flags(view.permanent_flags());
        if view.access() == Access::ReadWrite && view.rights().contains(Rights::WRITE) {
            permanent.extend(keywords.keywords().iter().filter_map(|k| Flag::new(k.as_str()).ok()));
            if keywords.has_room() {
                permanent.push(Flag::Any);
            }
        }
        let code = Code::PermanentFlags(List::of(&permanent));
        Ok(conn.untagged(&Response::Status(Status::ok("Flags that are kept").with_code(code)))?)
    }

    /// Leaves the selected mailbox.
    fn leave(&mut self) -> Result<(), Failure> {
        self.selected = None;
        self.link.conn().set_unselected()?;
        Ok(())
    }

    /// What is marked goes, unseen by this session.
    pub(super) async fn close(&mut self) -> Outcome {
        let left = self.selected.take();
        self.leave()?;
        if let Some(Selected { view, .. }) = left
            && view.access() == Access::ReadWrite
            && view.rights().contains(Rights::EXPUNGE)
        {
            view.expunge(None).await?;
        }
        ok("Closed")
    }

    pub(super) fn unselect(&mut self) -> Outcome {
        self.leave()?;
        ok("Left")
    }

    /// EXPUNGE, or UID EXPUNGE of these.
    pub(super) async fn expunge(&mut self, messages: Option<&SequenceSet<'_>>) -> Outcome {
        let selected = self.selected()?;
        let uids = messages.map(|messages| selected.uids(messages)).transpose()?;
        selected.view.expunge(uids.as_ref()).await?;
        ok("Expunged")
    }

    /// The selected mailbox. The connection lets no command this far without one.
    pub(super) fn selected(&mut self) -> Result<&mut Selected, Failure> {
        self.selected.as_mut().ok_or_else(|| bad("Select a mailbox first"))
    }
}

/// Whether there is anything in the mailbox that these rights could change (RFC 4314 5.2).
fn may_change(rights: Rights) -> bool {
    let changing = Rights::INSERT
        .union(Rights::EXPUNGE)
        .union(Rights::DELETE_MESSAGES)
        .union(Rights::WRITE)
        .union(Rights::SEEN);
    !rights.intersection(changing).is_empty()
}

/// The names of system flags.
pub(super) fn system_flags(flags: SystemFlags) -> Vec<Flag<'static>> {
    let mut names = Vec::with_capacity(16);
    push_system_flags(flags, &mut names);
    names
}

/// The same, into a list.
pub(super) fn push_system_flags(flags: SystemFlags, names: &mut Vec<Flag<'_>>) {
    let all = [
        (SystemFlags::ANSWERED, Flag::Answered),
        (SystemFlags::FLAGGED, Flag::Flagged),
        (SystemFlags::DELETED, Flag::Deleted),
        (SystemFlags::SEEN, Flag::Seen),
        (SystemFlags::DRAFT, Flag::Draft),
    ];
    names.extend(all.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name));
}
