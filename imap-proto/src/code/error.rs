//! The codes that say why something failed.

/// The response codes of RFC 5530 section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `UNAVAILABLE`: a subsystem is down, try later.
    Unavailable,
    /// `AUTHENTICATIONFAILED`.
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED`.
    AuthorizationFailed,
    /// `EXPIRED`: the credentials are out of date.
    Expired,
    /// `PRIVACYREQUIRED`: not without encryption.
    PrivacyRequired,
    /// `CONTACTADMIN`.
    ContactAdmin,
    /// `NOPERM`: the ACL does not allow it.
    NoPerm,
    /// `INUSE`.
    InUse,
    /// `EXPUNGEISSUED`: somebody else expunged.
    ExpungeIssued,
    /// `CORRUPTION`.
    Corruption,
    /// `SERVERBUG`.
    ServerBug,
    /// `CLIENTBUG`.
    ClientBug,
    /// `CANNOT`: the operation can never succeed.
    Cannot,
    /// `LIMIT`.
    Limit,
    /// `OVERQUOTA`.
    OverQuota,
    /// `ALREADYEXISTS`.
    AlreadyExists,
    /// `NONEXISTENT`.
    NonExistent,
}

impl ErrorCode {
    const ALL: [(Self, &'static str); 17] = [
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::AuthenticationFailed, "AUTHENTICATIONFAILED"),
        (Self::AuthorizationFailed, "AUTHORIZATIONFAILED"),
        (Self::Expired, "EXPIRED"),
        (Self::PrivacyRequired, "PRIVACYREQUIRED"),
        (Self::ContactAdmin, "CONTACTADMIN"),
        (Self::NoPerm, "NOPERM"),
        (Self::InUse, "INUSE"),
        (Self::ExpungeIssued, "EXPUNGEISSUED"),
        (Self::Corruption, "CORRUPTION"),
        (Self::ServerBug, "SERVERBUG"),
        (Self::ClientBug, "CLIENTBUG"),
        (Self::Cannot, "CANNOT"),
        (Self::Limit, "LIMIT"),
        (Self::OverQuota, "OVERQUOTA"),
        (Self::AlreadyExists, "ALREADYEXISTS"),
        (Self::NonExistent, "NONEXISTENT"),
    ];

    pub(super) fn of_word(word: &[u8]) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(code, _)| *code)
    }

    pub(super) fn as_bytes(self) -> &'static [u8] {
        Self::ALL.iter().find(|(code, _)| *code == self).map_or(b"", |(_, name)| name.as_bytes())
    }
}
