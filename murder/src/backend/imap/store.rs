//! Changing messages: STORE, COPY, MOVE (RFC 3501 6.4.6, 6.4.7; RFC 6851; COPYUID, RFC 4315 3).

use imap_proto::{
    Copying, FetchItem, Flag, List, Numbering, Response, SettableFlag, Status, Store, StoreAction,
    StoreAnswer, StoreData,
};
use mailstore::store::{Expunges, Flags, FlagsOp, Keyword, SystemFlags, UidSet};

use super::answer::{Answer, Failure, Outcome, bad, ok, with_copy_uid};
use super::select::Selected;
use super::updates::{Own, flags_of};
use super::{Session, make_room};
use imap_proto::SequenceSet;

/// The flags that a client names, as the store has them.
pub(super) fn flags_to_set<'a>(named: List<'a, SettableFlag<'a>>) -> Result<Flags, Failure> {
    let mut flags = Flags::default();
    for flag in named.iter().map(|flag| flag.flag()) {
        let system = match flag {
            Flag::Answered => SystemFlags::ANSWERED,
            Flag::Flagged => SystemFlags::FLAGGED,
            Flag::Deleted => SystemFlags::DELETED,
            Flag::Seen => SystemFlags::SEEN,
            Flag::Draft => SystemFlags::DRAFT,
            Flag::Other(_) if flag.is_keyword() => {
                let keyword = std::str::from_utf8(flag.as_bytes()).ok().and_then(|k| Keyword::new(k).ok());
                flags.keywords.push(keyword.ok_or_else(|| bad("Not a keyword"))?);
                continue;
            }
            Flag::Recent | Flag::Any | Flag::Other(_) => return Err(bad("Not a flag that can be set")),
        };
        flags.system = flags.system.union(system);
    }
    Ok(flags)
}

impl Session {
    pub(super) async fn store(&mut self, store: &Store<'_>) -> Outcome {
        let StoreData::Flags(flags) = store.data else { return Err(bad("Unknown STORE item")) };
        if store.unchanged_since.is_some() {
            // To change flags all the same would be worse than to refuse.
            return Err(bad("Unknown STORE modifier"));
        }
        let flags = flags_to_set(flags)?;
        let uids = self.named(store.numbering, &store.messages)?;
        let op = match store.action {
            StoreAction::Replace => FlagsOp::Replace,
            StoreAction::Add => FlagsOp::Add,
            StoreAction::Remove => FlagsOp::Remove,
        };
        self.change_flags(&uids, op, flags).await?;
        if store.answer == StoreAnswer::Flags {
            self.tell_flags_of(&uids, store.numbering).await?;
        }
        ok("Stored")
    }

    /// Changes flags. What others have changed is told, before and after; what this changes is not.
    pub(super) async fn change_flags(
        &mut self,
        uids: &UidSet,
        op: FlagsOp,
        flags: Flags,
    ) -> Result<(), Failure> {
        // First, so that what others did to these messages is not taken for this client's own doing.
        self.report(Expunges::Hide).await?;
        let stored = self.selected()?.view.store_flags(uids, op, flags, None).await?;
        if let Some(modseq) = stored.modseq {
            self.report_but(Expunges::Hide, Some(Own { uids, modseq })).await?;
        }
        Ok(())
    }

    /// FETCH with the flags of these messages, as they are now.
    async fn tell_flags_of(&mut self, uids: &UidSet, numbering: Numbering) -> Result<(), Failure> {
        let keywords = self.tell_new_keywords()?;
        let Self { link, selected: Some(Selected { view, .. }), .. } = self else { return Ok(()) };
        let mut flags = Vec::new();
        for message in view.messages(uids) {
            flags_of(&message, &keywords, &mut flags);
            let items = [FetchItem::Flags(List::of(&flags)), FetchItem::Uid(message.uid)];
            let items = match numbering {
                Numbering::Uid => &items[..],
                Numbering::Sequence => items.split_at(1).0,
            };
            let response = Response::Fetch { message: message.sequence, items: List::of(items) };
            link.conn().untagged(&response)?;
            make_room(link).await?;
        }
        Ok(())
    }

    pub(super) async fn copy(&mut self, copying: &Copying<'_>) -> Outcome {
        let uids = self.named(copying.numbering, &copying.messages)?;
        let to = self.who()?.names.read_to_store(&copying.mailbox).map_err(Failure::or_try_create)?;
        let copied = self.selected()?.view.copy(&uids, &to).await;
        copied.map(Answer::Copied).map_err(|e| Failure::from(e).or_try_create())
    }

    /// COPYUID comes before the EXPUNGEs that the end of the command tells (RFC 6851 4.3).
    pub(super) async fn move_to(&mut self, copying: &Copying<'_>) -> Outcome {
        let uids = self.named(copying.numbering, &copying.messages)?;
        let to = self.who()?.names.read_to_store(&copying.mailbox).map_err(Failure::or_try_create)?;
        let moved = self.selected()?.view.move_to(&uids, &to).await;
        let moved = moved.map_err(|e| Failure::from(e).or_try_create())?;
        with_copy_uid(&moved, |code| match code {
            Some(code) => {
                let status = Status::ok("Moved").with_code(code);
                self.link.conn().untagged(&Response::Status(status))
            }
            None => Ok(()),
        })?;
        ok("Completed")
    }

    /// The messages of a command.
    pub(super) fn named(
        &mut self,
        numbering: Numbering,
        messages: &SequenceSet<'_>,
    ) -> Result<UidSet, Failure> {
        let selected = self.selected()?;
        Ok(match numbering {
            Numbering::Sequence => selected.sequences(messages)?,
            Numbering::Uid => selected.uids(messages)?,
        })
    }
}
