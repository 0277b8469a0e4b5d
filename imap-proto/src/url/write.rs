//! From a URL to text.

use std::fmt;

use super::component::Alphabet;
use super::{Access, ImapUrl, UrlBase, UrlPartial, UrlServer, UrlUser};

/// A URL as text, whether or not its parts go together. Not a `Display` of the URL itself, which would invite its token
/// into a log.
pub(super) struct Written<'u, 'a>(pub(super) &'u ImapUrl<'a>);

fn always(_: Option<u8>, _: u8) -> bool {
    true
}

/// In a name, a slash in front would begin a path at the root, a colon end a scheme, and a dot behind a slash make a
/// dot-segment (RFC 5092 7).
fn in_mailbox(before: Option<u8>, byte: u8) -> bool {
    match byte {
        b':' => false,
        b'/' => before.is_some(),
        b'.' => !matches!(before, None | Some(b'/')),
        _ => true,
    }
}

/// A bare star would mean any mechanism.
fn in_mechanism(_: Option<u8>, byte: u8) -> bool {
    byte != b'*'
}

impl fmt::Display for Written<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        match &url.base {
            UrlBase::Server(server) => write!(f, "imap://{}", WrittenServer(server))?,
            UrlBase::Network(server) => write!(f, "//{}", WrittenServer(server))?,
            UrlBase::Root | UrlBase::Relative => {}
        }
        let has_path = url.mailbox.is_some();
        if url.base == UrlBase::Root || (url.base != UrlBase::Relative && has_path) {
            f.write_str("/")?;
        }
        if let Some(mailbox) = &url.mailbox {
            mailbox.write(f, Alphabet::Path, in_mailbox)?;
        }
        if let Some(uid_validity) = url.uid_validity {
            write!(f, ";UIDVALIDITY={uid_validity}")?;
        }
        if let Some(search) = &url.search {
            f.write_str("?")?;
            search.write(f, Alphabet::Path, always)?;
        }
        let mut slash = if has_path { "/" } else { "" };
        let message = url.message.as_ref();
        if let Some(uid) = message.and_then(|message| message.uid) {
            write!(f, "{slash};UID={uid}")?;
            slash = "/";
        }
        if let Some(section) = message.and_then(|message| message.section.as_ref()) {
            write!(f, "{slash};SECTION=")?;
            section.write(f, Alphabet::Path, always)?;
            slash = "/";
        }
        if let Some(UrlPartial { offset, count }) = message.and_then(|message| message.partial) {
            write!(f, "{slash};PARTIAL={offset}")?;
            if let Some(count) = count {
                write!(f, ".{count}")?;
            }
        }
        let Some(auth) = &url.auth else { return Ok(()) };
        if let Some(expire) = &auth.expire {
            write!(f, ";EXPIRE={}", expire.as_str())?;
        }
        f.write_str(";URLAUTH=")?;
        match &auth.access {
            Access::Submit(user) => {
                f.write_str("submit+")?;
                user.write(f, Alphabet::User, always)?;
            }
            Access::User(user) => {
                f.write_str("user+")?;
                user.write(f, Alphabet::User, always)?;
            }
            Access::AuthUser => f.write_str("authuser")?,
            Access::Anonymous => f.write_str("anonymous")?,
        }
        match &auth.verifier {
            Some(verifier) => write!(f, ":{}:{}", verifier.mechanism.as_str(), verifier.token()),
            None => Ok(()),
        }
    }
}

struct WrittenServer<'u, 'a>(&'u UrlServer<'a>);

impl fmt::Display for WrittenServer<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(server) = self;
        if let Some(user) = &server.user {
            let (name, mechanism) = match user {
                UrlUser::Name(name) => (Some(name), None),
                UrlUser::AnyMechanism(name) => (name.as_ref(), None),
                UrlUser::Mechanism(name, mechanism) => (name.as_ref(), Some(mechanism)),
            };
            if let Some(name) = name {
                name.write(f, Alphabet::User, always)?;
            }
            match mechanism {
                Some(mechanism) => {
                    f.write_str(";AUTH=")?;
                    mechanism.write(f, Alphabet::User, in_mechanism)?;
                }
                None if matches!(user, UrlUser::AnyMechanism(_)) => f.write_str(";AUTH=*")?,
                None => {}
            }
            f.write_str("@")?;
        }
        f.write_str(server.host.as_str())?;
        server.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
