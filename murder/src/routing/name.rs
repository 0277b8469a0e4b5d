//! The names that routing looks up: logins, domains, addresses. All are folded to lower case when they are made, so
//! that equal names are equal bytes in every database.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use crate::mailboxes::Name;

/// The longest login, in bytes: it becomes part of a mailbox name.
pub const LOGIN_BYTES_MAX: usize = 128;
/// RFC 5321 section 4.5.3.1.1.
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// RFC 5321 section 4.5.3.1.2, less what RFC 1035 leaves of it.
pub const DOMAIN_BYTES_MAX: usize = 253;
/// What RFC 5321's 256 octets of path leave for the address.
pub const ADDRESS_BYTES_MAX: usize = 254;

/// Text that is no such name. Says what is allowed, never what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {what}; allowed: {allowed}")]
pub struct NameError {
    /// What was wanted.
    pub what: &'static str,
    /// What it may look like.
    pub allowed: &'static str,
}

/// The name of an account: what owns `user.NAME` in the mailbox list.
///
/// ```
/// use murder::routing::Login;
/// assert_eq!("Alice".parse::<Login>().unwrap().as_str(), "alice");
/// assert!("al*ce".parse::<Login>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Login(String);

impl FromStr for Login {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // What has a meaning in a LIST pattern, a location or a quoted string cannot be part of an owner's name; what
        // has one in a mailbox name, the name itself refuses.
        let bad = |c: char| c.is_whitespace() || "\\*%!\"".contains(c);
        let folded = text.to_lowercase();
        if folded.len() > LOGIN_BYTES_MAX || folded.contains(bad) || Name::inbox(&folded).is_err() {
            let allowed =
                "1 to 128 bytes of UTF-8 without spaces, controls or any of / \\ * % ! ^ \"; not . or ..";
            return Err(NameError { what: "a login", allowed });
        }
        Ok(Self(folded))
    }
}

/// A mail domain in A-labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if text.len() > DOMAIN_BYTES_MAX || !text.split('.').all(label) {
            let allowed = "labels of letters, digits and hyphens, joined by dots, at most 253 bytes";
            return Err(NameError { what: "a domain", allowed });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A mail address, `local@domain`.
///
/// The local part is any UTF-8 without controls; a quoted one is taken without its quotes, so that `"a"@x` and `a@x`
/// are one address. It is folded to lower case: no site keeps `Alice` and `alice` apart. Only the detail of
/// `base+detail` is also kept as it was written, because it may name a folder; it plays no part in comparing.
///
/// ```
/// use murder::routing::Address;
/// let address: Address = "Alice+Work@Example.ORG".parse().unwrap();
/// assert_eq!(address.to_string(), "alice+work@example.org");
/// assert_eq!(address.detail(), Some(("alice", "Work")));
/// ```
#[derive(Debug, Clone)]
pub struct Address {
    local_part: String,
    domain: DomainName,
    /// The detail as it was written, when there is one.
    detail: Option<String>,
}

impl Address {
    /// An address from its parts; the local part as it means, without quotes.
    ///
    /// # Errors
    ///
    /// When the local part is empty, too long, holds a control character, or has quotes for its first and last
    /// character (as text it could not be told from a quoted one).
    pub fn new(local_part: &str, domain: DomainName) -> Result<Self, NameError> {
        let detail = base_and_detail(local_part).map(|(_, detail)| detail.to_owned());
        let local_part = local_part.to_lowercase();
        let whole = local_part.len() + 1 + domain.as_str().len();
        if local_part.is_empty()
            || local_part.len() > LOCAL_PART_BYTES_MAX
            || whole > ADDRESS_BYTES_MAX
            || local_part.contains(char::is_control)
            || is_in_quotes(&local_part)
        {
            return Err(NOT_AN_ADDRESS);
        }
        Ok(Self { local_part, domain, detail })
    }

    /// The part before the `@`, in lower case, without quotes.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The base in lower case, and the detail as it was written, of `base+detail` (RFC 5233), when both are there.
    #[must_use]
    pub fn detail(&self) -> Option<(&str, &str)> {
        let (base, _) = base_and_detail(&self.local_part)?;
        Some((base, self.detail.as_deref()?))
    }

    /// The same local part in another domain.
    pub(super) fn with_domain(&self, domain: &DomainName) -> Result<Self, NameError> {
        let moved = Self::new(&self.local_part, domain.clone())?;
        Ok(Self { detail: self.detail.clone(), ..moved })
    }

    fn key(&self) -> (&str, &DomainName) {
        (&self.local_part, &self.domain)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

const NOT_AN_ADDRESS: NameError =
    NameError { what: "an address", allowed: "local@domain, at most 64 bytes before the @, no controls" };

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (local_part, domain) = text.rsplit_once('@').ok_or(NOT_AN_ADDRESS)?;
        let domain = domain.parse()?;
        match local_part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => Self::new(&unquote(quoted)?, domain),
            None => Self::new(local_part, domain),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part, self.domain)
    }
}

/// The key of a row of addresses: one address, or all of a domain that have no row (`@domain`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// This address.
    Address(Address),
    /// Whatever else comes to this domain.
    CatchAll(DomainName),
}

impl Pattern {
    /// The domain that it belongs to.
    #[must_use]
    pub fn domain(&self) -> &DomainName {
        match self {
            Self::Address(address) => address.domain(),
            Self::CatchAll(domain) => domain,
        }
    }
}

impl FromStr for Pattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix('@') {
            Some(domain) if !domain.contains('@') => domain.parse().map(Self::CatchAll),
            _ => text.parse().map(Self::Address),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::CatchAll(domain) => write!(f, "@{domain}"),
        }
    }
}

macro_rules! text_name {
    ($($type:ident),*) => { $(
        impl $type {
            /// The name, in lower case.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}
text_name!(Login, DomainName);

fn base_and_detail(local_part: &str) -> Option<(&str, &str)> {
    local_part.split_once('+').filter(|(base, detail)| !base.is_empty() && !detail.is_empty())
}

fn is_in_quotes(local_part: &str) -> bool {
    local_part.len() > 1 && local_part.starts_with('"') && local_part.ends_with('"')
}

/// What a quoted string means (RFC 5321 section 4.1.2): a backslash takes the next character as it is.
fn unquote(quoted: &str) -> Result<String, NameError> {
    let mut plain = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next().ok_or(NOT_AN_ADDRESS)?),
            '"' => return Err(NOT_AN_ADDRESS),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_at_their_longest_and_refused_one_byte_longer() {
        assert!("x".repeat(LOGIN_BYTES_MAX).parse::<Login>().is_ok());
        assert!("x".repeat(LOGIN_BYTES_MAX + 1).parse::<Login>().is_err());
        let local = |n: usize| format!("{}@example.org", "x".repeat(n)).parse::<Address>();
        assert!(local(LOCAL_PART_BYTES_MAX).is_ok());
        assert!(local(LOCAL_PART_BYTES_MAX + 1).is_err());
        let domain = |n: usize| {
            let label = "d".repeat(60);
            let whole = format!("{label}.{label}.{label}.{label}.{}", "d".repeat(60));
            whole.get(..n).unwrap().parse::<DomainName>()
        };
        assert!(domain(DOMAIN_BYTES_MAX).is_ok());
        assert!(domain(DOMAIN_BYTES_MAX + 1).is_err());
        let label = "d".repeat(62);
        let whole =
            |local: usize| format!("{}@{label}.{label}.{label}", "x".repeat(local)).parse::<Address>();
        assert!(whole(64).is_ok(), "{} bytes in all", 64 + 1 + 188);
        let longest = format!("{}@d.{label}.{label}.{label}", "x".repeat(64));
        assert_eq!(longest.len(), 64 + 1 + 190);
        assert!(longest.parse::<Address>().is_err(), "255 bytes in all");
    }

    proptest::proptest! {
        #[test]
        fn a_name_that_was_made_is_read_back_as_it_was(text in "\\PC{0,12}(@[a-zA-Z0-9.-]{0,12})?") {
            if let Ok(address) = text.parse::<Address>() {
                proptest::prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
            if let Ok(pattern) = text.parse::<Pattern>() {
                proptest::prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
            }
            if let Ok(login) = text.parse::<Login>() {
                proptest::prop_assert_eq!(login.to_string().parse::<Login>(), Ok(login));
            }
        }
    }

    #[test]
    fn n1_a_login_can_always_own_a_mailbox() {
        for good in ["alice", "o'brien", "a.b", "a+b", "a@example.org", "j\u{f6}rg", "\u{263a}"] {
            let login: Login = good.parse().unwrap();
            assert!(Name::inbox(login.as_str()).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "a/b", "a^b", "a*", "%", "a!b", "a b", "a\tb", "a\0", "a\"", "a\\b", "a\u{202e}b"]
        {
            assert!(bad.parse::<Login>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quotes_are_taken_off() {
        let address: Address = r#""a b\"c"@example.org"#.parse().unwrap();
        assert_eq!(address.local_part(), r#"a b"c"#);
        assert_eq!(r#""alice"@example.org"#.parse::<Address>(), "alice@example.org".parse());
        for bad in [
            r#""a"b"@x"#,
            r#""a\"@x"#,
            "@x",
            "a",
            "a@",
            "a@x..y",
            "a@-x",
            r#""\"a\""@x"#,
            "a\r\nb@x",
            "a@[127.0.0.1]",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_detail_needs_both_sides_of_the_plus() {
        let detail =
            |text: &str| text.parse::<Address>().unwrap().detail().map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(detail("A+B+c@x"), Some(("a".to_owned(), "B+c".to_owned())));
        assert_eq!(detail("+b@x"), None);
        assert_eq!(detail("a+@x"), None);
        assert_eq!(detail("a@x"), None);
    }
}
