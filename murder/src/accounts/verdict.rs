//! What came of a login, and the one text that a peer gets for every kind of "no".

/// What a peer is told when it is not let in, whatever the reason: unknown, wrong, disabled or not allowed.
pub const REJECTED_TEXT: &str = "Invalid login or password";

/// What a peer is told when nobody can say now whether the password is right (RFC 5530 UNAVAILABLE, RFC 4954 454).
pub const UNAVAILABLE_TEXT: &str = "Temporary authentication failure";

/// What came of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<P> {
    /// The password is right.
    Accepted(P),
    /// No. Say [`REJECTED_TEXT`]; the reason is for the log.
    Rejected(Rejection),
    /// It cannot be said now. Say [`UNAVAILABLE_TEXT`], as a temporary failure; the reason is for the log.
    Unavailable(Outage),
}

/// Why somebody is not let in: for the log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// No password, one with NUL, or one beyond all length: refused before anybody was asked.
    #[error("the name or password cannot be one")]
    Malformed,
    /// There is no such account, or the password is wrong; the difference is told to nobody.
    #[error("unknown name or wrong password")]
    Credentials,
    /// The password is right, the account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The password is right, but not for acting as the name that was asked for.
    #[error("may not act for that name")]
    MayNotActFor,
}

/// Why it cannot be said now whether a password is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Outage {
    /// The directory does not answer.
    #[error("the directory does not answer: {0}")]
    Directory(String),
    /// Too many logins of this user from this network are waiting, or too many users are failing at once.
    #[error("too many logins at once")]
    Busy,
    /// What the directory holds for this account cannot be used.
    #[error("the stored credentials cannot be used: {0}")]
    Stored(&'static str),
}
