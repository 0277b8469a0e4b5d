//! Tag and verb: all that the connection itself reads of a command, and the state that each verb needs
//! (RFC 3501 3 and 6).

use crate::{Capability, Numbering, Tag, Verb};

/// The first words of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) tag: Tag<'a>,
    /// The word behind the tag.
    pub(super) word: &'a [u8],
    /// What follows that word, with its leading space.
    pub(super) arguments: &'a [u8],
    /// The verb, if it is known.
    pub(super) verb: Option<(Verb, Numbering)>,
}

/// Why a line has no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHead<'a> {
    /// Not even a tag; it is answered untagged.
    Tag,
    /// A tag and no verb.
    Verb(Tag<'a>),
}

impl<'a> NoHead<'a> {
    /// The tag to answer with; empty if there is none.
    pub(super) fn tag(self) -> &'a [u8] {
        match self {
            Self::Tag => b"",
            Self::Verb(tag) => tag.as_bytes(),
        }
    }
}

/// Reads the head of a frame.
pub(super) fn head(frame: &[u8]) -> Result<Head<'_>, NoHead<'_>> {
    let tag = Tag::of_frame(frame).ok_or(NoHead::Tag)?;
    let rest = frame.get(tag.as_bytes().len() + 1..).unwrap_or_default();
    let word_bytes = rest.iter().position(|b| !b.is_ascii_graphic()).unwrap_or(rest.len());
    let (word, arguments) = rest.split_at(word_bytes);
    if word.is_empty() {
        return Err(NoHead::Verb(tag));
    }
    Ok(Head { tag, word, arguments, verb: Verb::of_frame(frame) })
}

/// When a verb may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    NoLogin,
    Login,
    Mailbox,
}

/// The state that a verb needs.
pub(super) fn needs(verb: Verb) -> Needs {
    match verb {
        Verb::Capability | Verb::Id | Verb::Language | Verb::Logout | Verb::Noop => Needs::Nothing,
        Verb::Authenticate | Verb::Login | Verb::StartTls => Needs::NoLogin,
        Verb::Append
        | Verb::Comparator
        | Verb::Compress
        | Verb::Create
        | Verb::Delete
        | Verb::DeleteAcl
        | Verb::Enable
        | Verb::Esearch
        | Verb::Examine
        | Verb::GenUrlAuth
        | Verb::GetAcl
        | Verb::GetAnnotation
        | Verb::GetJmapAccess
        | Verb::GetMetadata
        | Verb::GetQuota
        | Verb::GetQuotaRoot
        | Verb::Idle
        | Verb::List
        | Verb::ListRights
        | Verb::LocalAppend
        | Verb::LocalCreate
        | Verb::LocalDelete
        | Verb::Lsub
        | Verb::MupdatePush
        | Verb::MyRights
        | Verb::Namespace
        | Verb::Notify
        | Verb::Rename
        | Verb::ResetKey
        | Verb::Rlist
        | Verb::Rlsub
        | Verb::Select
        | Verb::SetAcl
        | Verb::SetAnnotation
        | Verb::SetMetadata
        | Verb::SetQuota
        | Verb::Status
        | Verb::Subscribe
        | Verb::Unauthenticate
        | Verb::Unsubscribe
        | Verb::UrlFetch
        | Verb::Xfer
        | Verb::Xlist => Needs::Login,
        Verb::CancelUpdate
        | Verb::Check
        | Verb::Close
        | Verb::Copy
        | Verb::Expunge
        | Verb::Fetch
        | Verb::Move
        | Verb::Replace
        | Verb::Search
        | Verb::Sort
        | Verb::Store
        | Verb::Thread
        | Verb::Unselect => Needs::Mailbox,
    }
}

/// The capability without which a verb that changes the connection itself does not exist.
pub(super) fn needs_capability(verb: Verb) -> Option<Capability<'static>> {
    match verb {
        Verb::Compress => Some(Capability::CompressDeflate),
        Verb::Unauthenticate => Some(Capability::Unauthenticate),
        _ => None,
    }
}

/// Who may use a verb that the nodes of a Cyrus murder use among themselves; `None` for all others. Some of them have
/// been for users once; they are again where their capability is announced.
pub(super) fn inner(verb: Verb) -> Option<Inner> {
    match verb {
        Verb::Xlist => Some(Inner::OrWith(Capability::Xlist)),
        Verb::Rlist | Verb::Rlsub => Some(Inner::OrWith(Capability::MailboxReferrals)),
        _ => verb.is_internal().then_some(Inner::NodesOnly),
    }
}

/// Who may use an inner verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inner {
    NodesOnly,
    /// Anybody where this is announced.
    OrWith(Capability<'static>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_tag_and_a_verb() {
        let found = head(b"a.1 LOGIN x {3}\r\nabc").unwrap();
        assert_eq!((found.tag.as_bytes(), found.word), (&b"a.1"[..], &b"LOGIN"[..]));
        assert_eq!(found.arguments, b" x {3}\r\nabc");
        assert_eq!(found.verb, Some((Verb::Login, Numbering::Sequence)));
        for frame in [&b""[..], b" a NOOP", b"+ x", b"* OK", b"a+ NOOP", b"a\tNOOP", b"\xc3\xa9 NOOP"] {
            assert_eq!(head(frame), Err(NoHead::Tag), "{frame:?}");
        }
        for frame in [&b"a"[..], b"a ", b"a  NOOP"] {
            assert!(matches!(head(frame), Err(NoHead::Verb(_))), "{frame:?}");
        }
    }

    #[test]
    fn n4_verbs_of_a_cluster_do_not_exist_for_a_user() {
        for verb in [
            "LOCALAPPEND",
            "LOCALDELETE",
            "LOCALCREATE",
            "XFER",
            "MUPDATEPUSH",
            "RLIST",
            "RLSUB",
            "XLIST",
            "GETANNOTATION",
            "SETANNOTATION",
            "UNDUMP",
            "DUMP",
            "SYNCAPPLY",
            "UID XFER",
            "UID CLOSE",
        ] {
            let known = head(format!("a {verb} x").as_bytes()).unwrap().verb;
            assert!(known.is_none_or(|(verb, _)| inner(verb).is_some()), "{verb}");
        }
    }
}
