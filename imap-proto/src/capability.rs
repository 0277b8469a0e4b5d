//! Capabilities (RFC 3501 7.2.1, RFC 9051 7.2.2): one variant for each that has a meaning here, and any other by name.
//!
//! Names are compared without regard to case. A parameter is read as what it is: `APPENDLIMIT=35651584` holds a
//! number, `RIGHTS=kxte` rights. A known name whose parameter has another shape is [`Capability::Other`]: a peer that
//! misspells one capability keeps the rest.
//!
//! ```
//! use imap_proto::{Capability, Code, Parser, Response, Status};
//! let mut parser = Parser::new();
//! let greeting = parser.response(b"* OK [CAPABILITY IMAP4rev1 auth=plain APPENDLIMIT=1000 XYZZY] ready")?;
//! let Response::Status(Status { code: Some(Code::Capability(all)), .. }) = greeting else { panic!() };
//! assert!(all.iter().any(|capability| capability == Capability::AUTH_PLAIN));
//! assert!(all.iter().any(|capability| capability == Capability::AppendLimit(Some(1000))));
//! assert_eq!(all.iter().last().unwrap().to_string(), "XYZZY");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt::{self, Write as _};

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::acl::Rights;
use crate::chars::{self, key};
use crate::encode::{Encode, Encoder, Sink};
use crate::login::Mechanism;
use crate::quota::Resource;
use crate::tape::{Cursor, Item};

/// Declares the capabilities without a parameter: variant, constant to match its key, spelling, source. Keys hold 16
/// letters; what is longer is compared as text.
macro_rules! capabilities {
    (
        short { $($short:ident $constant:ident = $short_text:literal, $short_source:literal;)* }
        long { $($long:ident = $long_text:literal, $long_source:literal;)* }
    ) => {
        /// Something that a server can do.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Capability<'a> {
            $(#[doc = concat!("`", $short_text, "` (", $short_source, ").")] $short,)*
            $(#[doc = concat!("`", $long_text, "` (", $long_source, ").")] $long,)*
            /// `AUTH=`, a SASL mechanism (RFC 3501 7.2.1).
            Auth(Mechanism<'a>),
            /// `THREAD=`, an algorithm (RFC 5256).
            Thread(CapabilityName<'a>),
            /// `RIGHTS=`, the rights beyond RFC 2086 (RFC 4314 section 1).
            Rights(Rights<'a>),
            /// `QUOTA=RES-`, a resource that quotas may limit (RFC 9208 section 3.1.1).
            QuotaResource(Resource<'a>),
            /// `I18NLEVEL=`, 1 or 2 (RFC 5255 section 4).
            I18nLevel(u8),
            /// `APPENDLIMIT`: bytes of the largest message, or that each mailbox has its own limit (RFC 7889).
            AppendLimit(Option<u64>),
            /// `MESSAGELIMIT=`: messages that one command may concern (RFC 9738).
            MessageLimit(u32),
            /// `SAVELIMIT=`: results that SEARCH may save (RFC 9738).
            SaveLimit(u32),
            /// `MUPDATE=`, the URL of the master (Cyrus).
            Mupdate(CapabilityName<'a>),
            /// Another capability, whole.
            Other(CapabilityName<'a>),
        }

        $(const $constant: u128 = key($short_text.as_bytes());)*

        impl Capability<'_> {
            /// The capability without a parameter that is spelled like this.
            fn without_parameter(name: &[u8]) -> Option<Self> {
                Some(match key(name) {
                    $($constant => Self::$short,)*
                    $(_ if name.eq_ignore_ascii_case($long_text.as_bytes()) => Self::$long,)*
                    _ => return None,
                })
            }

            /// Its name, or the part of it in front of the parameter.
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$short => $short_text,)*
                    $(Self::$long => $long_text,)*
                    Self::Auth(_) => "AUTH=",
                    Self::Thread(_) => "THREAD=",
                    Self::Rights(_) => "RIGHTS=",
                    Self::QuotaResource(_) => "QUOTA=RES-",
                    Self::I18nLevel(_) => "I18NLEVEL=",
                    Self::AppendLimit(None) => "APPENDLIMIT",
                    Self::AppendLimit(Some(_)) => "APPENDLIMIT=",
                    Self::MessageLimit(_) => "MESSAGELIMIT=",
                    Self::SaveLimit(_) => "SAVELIMIT=",
                    Self::Mupdate(_) => "MUPDATE=",
                    Self::Other(_) => "",
                }
            }
        }

        /// Every capability without a parameter.
        #[cfg(test)]
        const WITHOUT_PARAMETER: &[(Capability<'static>, &str)] =
            &[$((Capability::$short, $short_text),)* $((Capability::$long, $long_text),)*];
    };
}

capabilities! {
    short {
        Imap4Rev1 IMAP4REV1 = "IMAP4rev1", "RFC 3501";
        Imap4Rev2 IMAP4REV2 = "IMAP4rev2", "RFC 9051";
        StartTls STARTTLS = "STARTTLS", "RFC 3501 6.2.1";
        LoginDisabled LOGINDISABLED = "LOGINDISABLED", "RFC 3501 6.2.3";
        SaslIr SASL_IR = "SASL-IR", "RFC 4959";
        LiteralPlus LITERAL_PLUS = "LITERAL+", "RFC 7888";
        LiteralMinus LITERAL_MINUS = "LITERAL-", "RFC 7888";
        Acl ACL = "ACL", "RFC 4314";
        Binary BINARY = "BINARY", "RFC 3516";
        Catenate CATENATE = "CATENATE", "RFC 4469";
        Children CHILDREN = "CHILDREN", "RFC 3348";
        CompressDeflate COMPRESS_DEFLATE = "COMPRESS=DEFLATE", "RFC 4978";
        CondStore CONDSTORE = "CONDSTORE", "RFC 7162";
        ContextSearch CONTEXT_SEARCH = "CONTEXT=SEARCH", "RFC 5267";
        ContextSort CONTEXT_SORT = "CONTEXT=SORT", "RFC 5267";
        Enable ENABLE = "ENABLE", "RFC 5161";
        Esearch ESEARCH = "ESEARCH", "RFC 4731";
        Esort ESORT = "ESORT", "RFC 5267";
        Filters FILTERS = "FILTERS", "RFC 5466";
        Id ID = "ID", "RFC 2971";
        Idle IDLE = "IDLE", "RFC 2177";
        InProgress INPROGRESS = "INPROGRESS", "RFC 9585";
        JmapAccess JMAPACCESS = "JMAPACCESS", "RFC 9698";
        Language LANGUAGE = "LANGUAGE", "RFC 5255 section 3";
        ListExtended LIST_EXTENDED = "LIST-EXTENDED", "RFC 5258";
        ListMetadata LIST_METADATA = "LIST-METADATA", "RFC 9590";
        ListMyRights LIST_MYRIGHTS = "LIST-MYRIGHTS", "RFC 8440";
        ListStatus LIST_STATUS = "LIST-STATUS", "RFC 5819";
        LoginReferrals LOGIN_REFERRALS = "LOGIN-REFERRALS", "RFC 2221";
        Metadata METADATA = "METADATA", "RFC 5464: of mailboxes and of the server";
        MetadataServer METADATA_SERVER = "METADATA-SERVER", "RFC 5464: of the server only";
        Move MOVE = "MOVE", "RFC 6851";
        MultiAppend MULTIAPPEND = "MULTIAPPEND", "RFC 3502";
        MultiSearch MULTISEARCH = "MULTISEARCH", "RFC 7377";
        Namespace NAMESPACE = "NAMESPACE", "RFC 2342";
        Notify NOTIFY = "NOTIFY", "RFC 5465";
        ObjectId OBJECTID = "OBJECTID", "RFC 8474";
        Partial PARTIAL = "PARTIAL", "RFC 9394";
        Preview PREVIEW = "PREVIEW", "RFC 8970";
        Qresync QRESYNC = "QRESYNC", "RFC 7162";
        Quota QUOTA = "QUOTA", "RFC 9208";
        QuotaSet QUOTASET = "QUOTASET", "RFC 9208";
        Replace REPLACE = "REPLACE", "RFC 8508";
        SaveDate SAVEDATE = "SAVEDATE", "RFC 8514";
        SearchFuzzy SEARCH_FUZZY = "SEARCH=FUZZY", "RFC 6203";
        SearchRes SEARCHRES = "SEARCHRES", "RFC 5182";
        Sort SORT = "SORT", "RFC 5256";
        SortDisplay SORT_DISPLAY = "SORT=DISPLAY", "RFC 5957";
        SpecialUse SPECIAL_USE = "SPECIAL-USE", "RFC 6154";
        StatusSize STATUS_SIZE = "STATUS=SIZE", "RFC 8438";
        UidOnly UIDONLY = "UIDONLY", "RFC 9586";
        UidPlus UIDPLUS = "UIDPLUS", "RFC 4315";
        Unauthenticate UNAUTHENTICATE = "UNAUTHENTICATE", "RFC 8437";
        Unselect UNSELECT = "UNSELECT", "RFC 3691";
        UrlAuth URLAUTH = "URLAUTH", "RFC 4467";
        UrlAuthBinary URLAUTH_BINARY = "URLAUTH=BINARY", "RFC 5524";
        UrlPartial URL_PARTIAL = "URL-PARTIAL", "RFC 5550";
        Utf8Accept UTF8_ACCEPT = "UTF8=ACCEPT", "RFC 6855";
        Utf8Only UTF8_ONLY = "UTF8=ONLY", "RFC 6855";
        Within WITHIN = "WITHIN", "RFC 5032";
        XGmExt1 X_GM_EXT_1 = "X-GM-EXT-1", "Gmail";
        Xlist XLIST = "XLIST", "Gmail and Cyrus, before RFC 6154";
    }
    long {
        CreateSpecialUse = "CREATE-SPECIAL-USE", "RFC 6154";
        MailboxReferrals = "MAILBOX-REFERRALS", "RFC 2193";
    }
}

/// The name of a capability, or its parameter: an atom, compared without regard to case.
#[derive(Clone, Copy)]
pub struct CapabilityName<'a>(&'a [u8]);

impl<'a> CapabilityName<'a> {
    /// The name spelled like this.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let name = name.as_ref();
        if chars::is_atom(name) { Ok(Self(name)) } else { Err(InvalidMessage::new(EXPECTED, 0)) }
    }

    /// Its spelling.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

const EXPECTED: &str = "expected a capability";

impl PartialEq for CapabilityName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for CapabilityName<'_> {}

impl fmt::Debug for CapabilityName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped::new(self.0))
    }
}

impl<'a> Capability<'a> {
    /// `AUTH=PLAIN` (RFC 4616).
    pub const AUTH_PLAIN: Capability<'static> = Capability::Auth(Mechanism::PLAIN);
    /// `RIGHTS=kxte` (RFC 4314): the rights beyond RFC 2086, all of them.
    pub const RIGHTS_KXTE: Capability<'static> = Capability::Rights(Rights::KXTE);

    /// The capability spelled like this, an atom.
    pub fn new(capability: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_word(capability.as_ref()).ok_or(InvalidMessage::new(EXPECTED, 0))
    }

    fn of_word(word: &'a [u8]) -> Option<Self> {
        if let Some(known) = Self::without_parameter(word) {
            return Some(known);
        }
        let whole = CapabilityName::new(word).ok()?;
        let parameterised = word.iter().position(|&b| b == b'=').and_then(|equals| {
            let (name, parameter) = word.split_at(equals);
            Self::with_parameter(name, parameter.get(1..)?)
        });
        Some(match parameterised {
            Some(known) => known,
            None if word.eq_ignore_ascii_case(b"APPENDLIMIT") => Self::AppendLimit(None),
            None => Self::Other(whole),
        })
    }

    fn with_parameter(name: &[u8], parameter: &'a [u8]) -> Option<Self> {
        chars::keys! {
            AUTH = "AUTH", THREAD = "THREAD", RIGHTS = "RIGHTS", I18NLEVEL = "I18NLEVEL", APPENDLIMIT = "APPENDLIMIT",
            MESSAGELIMIT = "MESSAGELIMIT", SAVELIMIT = "SAVELIMIT", MUPDATE = "MUPDATE",
        }
        Some(match key(name) {
            AUTH => Self::Auth(Mechanism::new(parameter).ok()?),
            THREAD => Self::Thread(CapabilityName::new(parameter).ok()?),
            RIGHTS => Self::Rights(Rights::new(parameter).ok()?),
            QUOTA => {
                let (prefix, resource) = parameter.split_at_checked(4)?;
                prefix.eq_ignore_ascii_case(b"RES-").then_some(())?;
                Self::QuotaResource(Resource::new(resource).ok()?)
            }
            I18NLEVEL => Self::I18nLevel(chars::number(parameter)?),
            APPENDLIMIT => Self::AppendLimit(Some(chars::number(parameter)?)),
            MESSAGELIMIT => Self::MessageLimit(chars::number(parameter)?),
            SAVELIMIT => Self::SaveLimit(chars::number(parameter)?),
            MUPDATE => Self::Mupdate(CapabilityName::new(parameter).ok()?),
            _ => return None,
        })
    }
}

impl fmt::Display for Capability<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Auth(mechanism) => write!(f, "{}", Escaped::new(mechanism.as_bytes())),
            Self::Rights(rights) => rights.iter().try_for_each(|right| f.write_char(char::from(right))),
            Self::QuotaResource(resource) => write!(f, "{resource:?}"),
            Self::Thread(name) | Self::Mupdate(name) | Self::Other(name) => write!(f, "{name:?}"),
            Self::I18nLevel(level) => write!(f, "{level}"),
            Self::AppendLimit(Some(bytes)) => write!(f, "{bytes}"),
            Self::MessageLimit(messages) | Self::SaveLimit(messages) => write!(f, "{messages}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Capability<'_> {
    /// As on the wire, whatever the variant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> Item<'a> for Capability<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail(EXPECTED), Ok)
    }
}

impl Encode for Capability<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.name().as_bytes());
        match self {
            Self::Auth(mechanism) => out.raw(mechanism.as_bytes()),
            Self::Rights(rights) => rights.iter().for_each(|right| out.raw(&[right])),
            Self::QuotaResource(resource) => out.raw(resource.as_bytes()),
            Self::Thread(name) | Self::Mupdate(name) | Self::Other(name) => out.raw(name.as_bytes()),
            Self::I18nLevel(level) => out.number(u64::from(*level)),
            Self::AppendLimit(Some(bytes)) => out.number(*bytes),
            Self::MessageLimit(messages) | Self::SaveLimit(messages) => out.number(u64::from(*messages)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Literals;

    fn encoded(capability: &Capability<'_>) -> String {
        let mut out = Vec::new();
        capability.encode(&mut Encoder::new(&mut out, Literals::Server)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_capability_is_known_by_its_name_in_any_case() {
        for (capability, name) in WITHOUT_PARAMETER {
            for spelling in [name.to_string(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                assert_eq!(Capability::new(&spelling).unwrap(), *capability, "{spelling}");
            }
            assert_eq!(
                (encoded(capability), format!("{capability:?}")),
                (name.to_string(), name.to_string())
            );
        }
    }

    #[test]
    fn parameters_are_read_as_what_they_are() {
        let name = |name| CapabilityName::new(name).unwrap();
        for (text, capability) in [
            ("AUTH=gssapi", Capability::Auth(Mechanism::new("GSSAPI").unwrap())),
            ("THREAD=References", Capability::Thread(name("REFERENCES"))),
            ("RIGHTS=texk", Capability::RIGHTS_KXTE),
            ("QUOTA=RES-STORAGE", Capability::QuotaResource(Resource::Storage)),
            ("I18NLEVEL=2", Capability::I18nLevel(2)),
            ("APPENDLIMIT", Capability::AppendLimit(None)),
            ("APPENDLIMIT=18446744073709551615", Capability::AppendLimit(Some(u64::MAX))),
            ("MESSAGELIMIT=1000", Capability::MessageLimit(1000)),
            ("SAVELIMIT=7", Capability::SaveLimit(7)),
            ("MUPDATE=mupdate://m.example/", Capability::Mupdate(name("mupdate://m.example/"))),
        ] {
            assert_eq!(Capability::new(text).unwrap(), capability, "{text}");
            assert_eq!(Capability::new(&encoded(&capability)).unwrap(), capability, "{text}");
            assert_eq!(Capability::new(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_known_is_kept_whole() {
        for text in [
            "XYZZY",
            "AUTH=",
            "APPENDLIMIT=",
            "APPENDLIMIT=18446744073709551616",
            "RIGHTS=T",
            "I18NLEVEL=x",
            "QUOTA=STORAGE",
            "QUOTA=RES",
            "X-Y=AUTH=Z",
            "SORT=",
            "CREATE-SPECIAL-USEX",
            "=",
            "UTF8=ALL",
        ] {
            assert_eq!(
                Capability::new(text).unwrap(),
                Capability::Other(CapabilityName(text.as_bytes())),
                "{text}"
            );
            assert_eq!(encoded(&Capability::new(text).unwrap()), text);
        }
        for bad in ["", "A B", "A]", "a\"", "AUTH=(", "\u{e9}"] {
            assert!(Capability::new(bad).is_err(), "{bad}");
        }
    }
}
