//! NOTIFY (RFC 5465): which events in which mailboxes a client wants to be told of.
//!
//! What the RFC says of the combinations is checked when a command is read and when it is written: MessageNew and
//! MessageExpunge come together, FlagChange with both, mailbox events and a wish for FETCH data go with the filters
//! that take them, and `SELECTED` or `SELECTED-DELAYED` stands once.
//!
//! ```
//! use imap_proto::{Command, NotifyEvent, NotifyEvents, NotifyFilter, Notify, Parser};
//! let mut parser = Parser::new();
//! let line = b"a NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge)) (subtree Lists NONE)";
//! let Command::Notify(Notify::Set { groups, .. }) = parser.command(line)?.command else { panic!() };
//! let groups: Vec<_> = groups.iter().collect();
//! assert_eq!(groups[0].filter, NotifyFilter::Selected);
//! let NotifyEvents::Some(events) = groups[0].events else { panic!() };
//! assert_eq!(events.iter().nth(1), Some(NotifyEvent::MessageExpunge));
//! assert_eq!(groups[1].events, NotifyEvents::None);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::extension::Extension;
use crate::fetch::FetchAttribute;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::tape::{Cursor, Item, List};
use crate::token::Kind;

/// The argument of NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify<'a> {
    /// `NONE`: nothing at all, not even of the selected mailbox.
    None,
    /// `SET`: these, and nothing else.
    Set {
        /// Whether the present state shall be told at once.
        initial: InitialStatus,
        /// The events; never nothing.
        groups: List<'a, NotifyGroup<'a>>,
    },
}

/// Whether NOTIFY asks for the present state (RFC 5465 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InitialStatus {
    /// The client knows it.
    Skip,
    /// `STATUS`: a STATUS response for each mailbox that is watched for messages.
    Send,
}

/// `(filter events)`: where to look for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyGroup<'a> {
    /// The mailboxes.
    pub filter: NotifyFilter<'a>,
    /// The events in them.
    pub events: NotifyEvents<'a>,
}

/// Which mailboxes (RFC 5465 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyFilter<'a> {
    /// `SELECTED`: the one that is selected, at once.
    Selected,
    /// `SELECTED-DELAYED`: the same, expunges only when they may be told (RFC 3501 7.4.1).
    SelectedDelayed,
    /// `INBOXES`: where mail is delivered.
    Inboxes,
    /// `PERSONAL`: the user's own.
    Personal,
    /// `SUBSCRIBED`.
    Subscribed,
    /// `SUBTREE`: these, and all below.
    Subtree(List<'a, MailboxName<'a>>),
    /// `MAILBOXES`: these.
    Mailboxes(List<'a, MailboxName<'a>>),
}

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyEvents<'a> {
    /// `NONE`.
    None,
    /// These; never an empty list.
    Some(List<'a, NotifyEvent<'a>>),
}

/// An event (RFC 5465 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyEvent<'a> {
    /// `MessageNew`, and what shall be told of the message; with the selected mailbox only.
    MessageNew(List<'a, FetchAttribute<'a>>),
    /// `MessageExpunge`.
    MessageExpunge,
    /// `FlagChange`.
    FlagChange,
    /// `AnnotationChange`, of messages (RFC 5257).
    AnnotationChange,
    /// `MailboxName`: created, deleted, renamed.
    MailboxName,
    /// `SubscriptionChange`.
    SubscriptionChange,
    /// `MailboxMetadataChange` (RFC 5464).
    MailboxMetadataChange,
    /// `ServerMetadataChange` (RFC 5464).
    ServerMetadataChange,
    /// An event that is not known here, to be answered `NO [BADEVENT ...]`.
    Unknown(Extension<'a>),
}

impl<'a> Notify<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.spaced()?;
        let word = node.word()?;
        if word.eq_ignore_ascii_case(b"NONE") {
            return Ok(Self::None);
        }
        if !word.eq_ignore_ascii_case(b"SET") {
            return node.fail("expected SET or NONE");
        }
        let initial = match cursor.word_if(|word| word.eq_ignore_ascii_case(b"STATUS")) {
            Some(_) => InitialStatus::Send,
            None => InitialStatus::Skip,
        };
        Ok(Self::Set { initial, groups: cursor.spaced_rest()? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        let Self::Set { groups, .. } = self else { return Ok(()) };
        groups.check(check)?;
        self.fault().map_or(Ok(()), |fault| Err(InvalidMessage::new(fault, 0)))
    }

    /// What RFC 5465 5 and 6 forbid.
    fn fault(&self) -> Option<&'static str> {
        let Self::Set { groups, .. } = self else { return None };
        if groups.is_empty() {
            return Some("NOTIFY SET of nothing");
        }
        if groups.iter().filter(|group| group.filter.is_selected()).count() > 1 {
            return Some("selected mailbox filtered twice");
        }
        groups.iter().find_map(|group| group.fault())
    }
}

impl NotifyGroup<'_> {
    fn fault(&self) -> Option<&'static str> {
        let NotifyEvents::Some(events) = self.events else { return None };
        if events.is_empty() {
            return Some("empty list of events");
        }
        let has = |wanted: NotifyEvent<'_>| events.iter().any(|event| event == wanted);
        let new = events.iter().any(|event| matches!(event, NotifyEvent::MessageNew(_)));
        let expunge = has(NotifyEvent::MessageExpunge);
        if new != expunge {
            return Some("MessageNew and MessageExpunge come together");
        }
        if has(NotifyEvent::FlagChange) && !new {
            return Some("FlagChange without MessageNew");
        }
        let is_selected = self.filter.is_selected();
        events.iter().find_map(|event| match event {
            NotifyEvent::MessageNew(attributes) if !attributes.is_empty() && !is_selected => {
                Some("FETCH attributes for a mailbox that is not selected")
            }
            NotifyEvent::MailboxName
            | NotifyEvent::SubscriptionChange
            | NotifyEvent::MailboxMetadataChange
            | NotifyEvent::ServerMetadataChange
                if is_selected =>
            {
                Some("event that is none of the selected mailbox")
            }
            _ => None,
        })
    }
}

impl NotifyFilter<'_> {
    fn is_selected(&self) -> bool {
        matches!(self, Self::Selected | Self::SelectedDelayed)
    }
}

impl<'a> Item<'a> for NotifyGroup<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut inside = cursor.next()?.inside()?;
        let filter = NotifyFilter::read(&mut inside)?;
        let node = inside.spaced()?;
        let events = match node.token.kind() {
            Kind::List => NotifyEvents::Some(node.list()?),
            _ if node.word()?.eq_ignore_ascii_case(b"NONE") => NotifyEvents::None,
            _ => return node.fail("expected events or NONE"),
        };
        inside.end()?;
        Ok(Self { filter, events })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if let NotifyFilter::Subtree(mailboxes) | NotifyFilter::Mailboxes(mailboxes) = &self.filter {
            mailboxes.check_some(check)?;
        }
        match &self.events {
            NotifyEvents::Some(events) => events.check(check),
            NotifyEvents::None => Ok(()),
        }
    }
}

impl<'a> NotifyFilter<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! {
            SELECTED = "SELECTED", SELECTED_DELAYED = "SELECTED-DELAYED", INBOXES = "INBOXES", PERSONAL = "PERSONAL",
            SUBSCRIBED = "SUBSCRIBED", SUBTREE = "SUBTREE", MAILBOXES = "MAILBOXES",
        }
        let node = cursor.next()?;
        Ok(match key(node.word()?) {
            SELECTED => Self::Selected,
            SELECTED_DELAYED => Self::SelectedDelayed,
            INBOXES => Self::Inboxes,
            PERSONAL => Self::Personal,
            SUBSCRIBED => Self::Subscribed,
            SUBTREE => Self::Subtree(cursor.one_or_list()?),
            MAILBOXES => Self::Mailboxes(cursor.one_or_list()?),
            _ => return node.fail("unknown mailbox filter"),
        })
    }
}

impl<'a> Item<'a> for NotifyEvent<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        keys! {
            MESSAGENEW = "MessageNew", MESSAGEEXPUNGE = "MessageExpunge", FLAGCHANGE = "FlagChange",
            ANNOTATIONCHANGE = "AnnotationChange", MAILBOXNAME = "MailboxName",
        }
        let name = cursor.next()?.atom()?;
        Ok(match key(name) {
            MESSAGENEW => {
                Self::MessageNew(if cursor.at_list() { cursor.spaced()?.list()? } else { List::of(&[]) })
            }
            MESSAGEEXPUNGE => Self::MessageExpunge,
            FLAGCHANGE => Self::FlagChange,
            ANNOTATIONCHANGE => Self::AnnotationChange,
            MAILBOXNAME => Self::MailboxName,
            // Longer than a key.
            _ if name.eq_ignore_ascii_case(b"SubscriptionChange") => Self::SubscriptionChange,
            _ if name.eq_ignore_ascii_case(b"MailboxMetadataChange") => Self::MailboxMetadataChange,
            _ if name.eq_ignore_ascii_case(b"ServerMetadataChange") => Self::ServerMetadataChange,
            _ => Self::Unknown(Extension::new(name)?),
        })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::MessageNew(attributes) => attributes.check(check),
            _ => Ok(()),
        }
    }
}

impl Encode for Notify<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if let Some(fault) = self.fault() {
            return Err(PeerIncompatible::Inexpressible(fault));
        }
        let Self::Set { initial, groups } = self else {
            out.raw(b" NONE");
            return Ok(());
        };
        out.raw(match initial {
            InitialStatus::Skip => b" SET ",
            InitialStatus::Send => b" SET STATUS ",
        });
        groups.encode_bare(out)
    }
}

impl Encode for NotifyGroup<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b"(");
        self.filter.encode(out)?;
        out.raw(b" ");
        match &self.events {
            NotifyEvents::None => out.raw(b"NONE"),
            NotifyEvents::Some(events) => events.encode(out)?,
        }
        out.raw(b")");
        Ok(())
    }
}

impl Encode for NotifyFilter<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(match self {
            Self::Selected => b"selected",
            Self::SelectedDelayed => b"selected-delayed",
            Self::Inboxes => b"inboxes",
            Self::Personal => b"personal",
            Self::Subscribed => b"subscribed",
            Self::Subtree(mailboxes) => {
                out.raw(b"subtree ");
                return mailboxes.encode_filled(out);
            }
            Self::Mailboxes(mailboxes) => {
                out.raw(b"mailboxes ");
                return mailboxes.encode_filled(out);
            }
        });
        Ok(())
    }
}

impl Encode for NotifyEvent<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(match self {
            Self::MessageNew(attributes) => {
                out.raw(b"MessageNew");
                if attributes.is_empty() {
                    return Ok(());
                }
                out.raw(b" ");
                return attributes.encode(out);
            }
            Self::MessageExpunge => b"MessageExpunge",
            Self::FlagChange => b"FlagChange",
            Self::AnnotationChange => b"AnnotationChange",
            Self::MailboxName => b"MailboxName",
            Self::SubscriptionChange => b"SubscriptionChange",
            Self::MailboxMetadataChange => b"MailboxMetadataChange",
            Self::ServerMetadataChange => b"ServerMetadataChange",
            Self::Unknown(extension) => return extension.encode(out),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Parser;

    #[test]
    fn combinations_are_checked() {
        for (arguments, good) in [
            ("NONE", true),
            ("none", true),
            ("SET (personal (MailboxName SubscriptionChange X-Frob))", true),
            ("SET STATUS (mailboxes (a INBOX) (MessageNew MessageExpunge FlagChange))", true),
            ("SET (subtree a NONE) (selected-delayed (MessageNew (UID) MessageExpunge))", true),
            ("SET (selected (MessageNew () MessageExpunge))", true),
            ("", false),
            ("SET", false),
            ("SET STATUS", false),
            ("FROB", false),
            ("NONE x", false),
            ("SET (personal ())", false),
            ("SET (frob (MessageNew MessageExpunge))", false),
            ("SET (personal (MessageNew))", false),
            ("SET (personal (MessageExpunge))", false),
            ("SET (personal (FlagChange))", false),
            ("SET (personal (MessageNew (UID) MessageExpunge))", false),
            ("SET (selected (MailboxName))", false),
            ("SET (selected NONE) (selected-delayed NONE)", false),
            ("SET (subtree () NONE)", false),
            ("SET (subtree NONE)", false),
            ("SET (personal NONE NONE)", false),
            ("SET (personal NONE)(inboxes NONE)", false),
        ] {
            let line = format!("a NOTIFY {arguments}");
            assert_eq!(Parser::new().command(line.as_bytes()).is_ok(), good, "{arguments}");
        }
    }
}
