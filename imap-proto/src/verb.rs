//! Verbs (RFC 3501 section 6): the first word of a command, which is all that a connection reads of it.
//!
//! ```
//! use imap_proto::{Numbering, Verb};
//! assert_eq!(Verb::of_frame(b"a3 uid fetch 1:* ("), Some((Verb::Fetch, Numbering::Uid)));
//! assert_eq!(Verb::of_frame(b"a3 FROB"), None);
//! assert!(Verb::LocalCreate.is_internal());
//! ```

use crate::chars::{key, keys};
use crate::command::Numbering;
use crate::tag::Tag;

/// Declares the verbs: name, wire form.
macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident $constant:ident = $text:literal),* $(,)?) => {
        /// A verb that is known here. What connections look at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Verb {
            $(#[doc = concat!("`", $text, "`.")] $name,)*
        }

        $(const $constant: u128 = key($text.as_bytes());)*

        impl Verb {
            /// The verb spelled like this in any case.
            #[must_use]
            pub fn of_word(word: &[u8]) -> Option<Self> {
                Some(match key(word) {
                    $($constant => Self::$name,)*
                    _ => return None,
                })
            }

            /// Its spelling.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

verbs! {
    Capability CAPABILITY = "CAPABILITY",
    Noop NOOP = "NOOP",
    Logout LOGOUT = "LOGOUT",
    StartTls STARTTLS = "STARTTLS",
    Compress COMPRESS = "COMPRESS",
    Unauthenticate UNAUTHENTICATE = "UNAUTHENTICATE",
    Authenticate AUTHENTICATE = "AUTHENTICATE",
    Login LOGIN = "LOGIN",
    Enable ENABLE = "ENABLE",
    Id ID = "ID",
    Select SELECT = "SELECT",
    Examine EXAMINE = "EXAMINE",
    Create CREATE = "CREATE",
    Delete DELETE = "DELETE",
    Rename RENAME = "RENAME",
    Subscribe SUBSCRIBE = "SUBSCRIBE",
    Unsubscribe UNSUBSCRIBE = "UNSUBSCRIBE",
    List LIST = "LIST",
    Lsub LSUB = "LSUB",
    Rlist RLIST = "RLIST",
    Rlsub RLSUB = "RLSUB",
    Xlist XLIST = "XLIST",
    Status STATUS = "STATUS",
    GetMetadata GETMETADATA = "GETMETADATA",
    SetMetadata SETMETADATA = "SETMETADATA",
    GetAnnotation GETANNOTATION = "GETANNOTATION",
    SetAnnotation SETANNOTATION = "SETANNOTATION",
    Notify NOTIFY = "NOTIFY",
    Language LANGUAGE = "LANGUAGE",
    Comparator COMPARATOR = "COMPARATOR",
    GetJmapAccess GETJMAPACCESS = "GETJMAPACCESS",
    LocalAppend LOCALAPPEND = "LOCALAPPEND",
    LocalCreate LOCALCREATE = "LOCALCREATE",
    LocalDelete LOCALDELETE = "LOCALDELETE",
    Xfer XFER = "XFER",
    MupdatePush MUPDATEPUSH = "MUPDATEPUSH",
    Append APPEND = "APPEND",
    Replace REPLACE = "REPLACE",
    GenUrlAuth GENURLAUTH = "GENURLAUTH",
    ResetKey RESETKEY = "RESETKEY",
    UrlFetch URLFETCH = "URLFETCH",
    Namespace NAMESPACE = "NAMESPACE",
    Idle IDLE = "IDLE",
    Check CHECK = "CHECK",
    Close CLOSE = "CLOSE",
    Unselect UNSELECT = "UNSELECT",
    Expunge EXPUNGE = "EXPUNGE",
    Search SEARCH = "SEARCH",
    Esearch ESEARCH = "ESEARCH",
    Sort SORT = "SORT",
    Thread THREAD = "THREAD",
    CancelUpdate CANCELUPDATE = "CANCELUPDATE",
    Fetch FETCH = "FETCH",
    Store STORE = "STORE",
    Copy COPY = "COPY",
    Move MOVE = "MOVE",
    SetAcl SETACL = "SETACL",
    DeleteAcl DELETEACL = "DELETEACL",
    GetAcl GETACL = "GETACL",
    ListRights LISTRIGHTS = "LISTRIGHTS",
    MyRights MYRIGHTS = "MYRIGHTS",
    SetQuota SETQUOTA = "SETQUOTA",
    GetQuota GETQUOTA = "GETQUOTA",
    GetQuotaRoot GETQUOTAROOT = "GETQUOTAROOT",
}

keys! { UID = "UID" }

impl Verb {
    /// The verb of a frame that may be malformed behind it, with the numbering that a `UID` in front means. `None`
    /// without a tag and a known verb.
    #[must_use]
    pub fn of_frame(frame: &[u8]) -> Option<(Self, Numbering)> {
        let mut words = frame.split(|b| matches!(b, b' ' | b'(' | b'"' | b'{' | b'\r'));
        Tag::new(words.next()?).ok()?;
        let first = words.next()?;
        if key(first) == UID {
            let verb = Self::of_word(words.next()?)?;
            return verb.takes_uid().then_some((verb, Numbering::Uid));
        }
        Some((Self::of_word(first)?, Numbering::Sequence))
    }

    /// True for the verbs that bring a message.
    #[must_use]
    pub fn carries_message(self) -> bool {
        matches!(self, Self::Append | Self::LocalAppend | Self::Replace)
    }

    /// True for the verbs that only nodes of a cluster use among themselves (safety row N4): a connection to a user
    /// must know none of them.
    #[must_use]
    pub fn is_internal(self) -> bool {
        matches!(
            self,
            Self::Rlist
                | Self::Rlsub
                | Self::Xlist
                | Self::GetAnnotation
                | Self::SetAnnotation
                | Self::LocalAppend
                | Self::LocalCreate
                | Self::LocalDelete
                | Self::Xfer
                | Self::MupdatePush
        )
    }

    /// True for the verbs that may stand behind `UID`.
    #[must_use]
    pub fn takes_uid(self) -> bool {
        matches!(
            self,
            Self::Fetch
                | Self::Store
                | Self::Copy
                | Self::Move
                | Self::Search
                | Self::Sort
                | Self::Thread
                | Self::Expunge
                | Self::Replace
        )
    }
}
