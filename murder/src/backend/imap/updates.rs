//! What has changed in the selected mailbox, as untagged data (RFC 3501 7.3, 7.4): EXPUNGE, EXISTS and RECENT, and
//! FETCH with the flags.

use imap_proto::{FetchItem, Flag, List, Response};
use mailstore::store::{Changes, Error, Expunges, KeywordTable, Message, UidSet};

use super::select::push_system_flags;
use super::{Session, Standing, make_room};
use crate::net::LinkError;

/// Changes that need not be told: those that the client itself has made.
#[derive(Debug)]
pub(super) struct Own<'a> {
    /// To these messages,
    pub(super) uids: &'a UidSet,
    /// by the transaction of this number.
    pub(super) modseq: u64,
}

impl Session {
    /// Brings the view up to date and tells what that changed.
    pub(super) async fn report(&mut self, expunges: Expunges) -> Result<Standing, LinkError> {
        self.report_but(expunges, None).await
    }

    /// The same without changes of the client's own.
    pub(super) async fn report_but(
        &mut self,
        expunges: Expunges,
        own: Option<Own<'_>>,
    ) -> Result<Standing, LinkError> {
        let Some(selected) = &mut self.selected else { return Ok(Standing::Held) };
        let changes = match selected.view.sync(expunges) {
            Ok(changes) => changes,
            Err(Error::NoSuchMailbox | Error::Denied { .. }) => return Ok(Standing::Gone),
            // A store that cannot be written can still be read.
            Err(_) => return Ok(Standing::Held),
        };
        let Changes { exists, arrived, recent, expunged, changed } = changes;
        for message in expunged {
            self.link.conn().untagged(&Response::Expunge(message.sequence))?;
            self.make_room().await?;
        }
        if arrived > 0 {
            self.link.conn().untagged(&Response::Exists(exists))?;
            self.link.conn().untagged(&Response::Recent(recent))?;
        }
        if changed.is_empty() {
            return Ok(Standing::Held);
        }
        let keywords = self.tell_new_keywords()?;
        let is_own = |message: &Message| {
            own.as_ref().is_some_and(|own| message.modseq == own.modseq && own.uids.contains(message.uid))
        };
        let mut flags = Vec::new();
        for message in changed.iter().filter(|message| !is_own(message)) {
            flags_of(message, &keywords, &mut flags);
            let items = [FetchItem::Flags(List::of(&flags))];
            let response = Response::Fetch { message: message.sequence, items: List::of(&items) };
            self.link.conn().untagged(&response)?;
            make_room(&mut self.link).await?;
        }
        Ok(Standing::Held)
    }

    /// Tells the client of keywords that the mailbox has learned, before it sees a message with one. Answers all.
    pub(super) fn tell_new_keywords(&mut self) -> Result<KeywordTable, LinkError> {
        let Some(mut selected) = self.selected.take() else { return Ok(KeywordTable::default()) };
        let keywords = selected.view.keywords();
        let told = if keywords.keywords().len() > selected.keywords_told {
            selected.keywords_told = keywords.keywords().len();
            self.tell_flags(&selected.view, &keywords)
        } else {
            Ok(())
        };
        self.selected = Some(selected);
        told.map(|()| keywords)
    }
}

/// The flags of a message, in place of those that were in the list.
pub(super) fn flags_of<'k>(message: &Message, keywords: &'k KeywordTable, flags: &mut Vec<Flag<'k>>) {
    flags.clear();
    push_system_flags(message.flags, flags);
    if message.recent {
        flags.push(Flag::Recent);
    }
    if !message.keywords.is_empty() {
        flags.extend(keywords.names(message.keywords).filter_map(|k| Flag::new(k.as_str()).ok()));
    }
}
