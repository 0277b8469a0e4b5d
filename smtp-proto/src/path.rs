//! Mailboxes and paths as they stand in MAIL and RCPT (RFC 5321 4.1.2): views that borrow from the line and cost no
//! allocation.
//!
//! A source route (`<@a,@b:user@c>`) is read and dropped, as RFC 5321 C requires; `%` and `!` in a local part are
//! ordinary characters and route nothing (safety row Q1). A path without angle brackets is refused.

use std::borrow::Cow;
use std::fmt;

use mail_wire::InvalidMessage;

use crate::address::host_name_bytes;
use crate::address::{
    Address, Domain, ForwardPath, LOCAL_PART_BYTES_MAX, LocalPart, ReversePath, domain_bytes,
    dot_string_bytes,
};
use crate::chars::refuse_controls;

/// A local part as it stands on the wire: a dot-string, or a quoted-string with its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPartRef<'a>(&'a str);

impl<'a> LocalPartRef<'a> {
    /// As on the wire.
    #[must_use]
    pub fn as_wire(self) -> &'a str {
        self.0
    }

    /// Without quotes and backslashes; allocates only where there are backslashes.
    #[must_use]
    pub fn unquoted(self) -> Cow<'a, str> {
        let Some(inner) = self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Cow::Borrowed(self.0);
        };
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        let mut text = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            text.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        Cow::Owned(text)
    }

    /// The same, owned.
    #[must_use]
    pub fn to_owned(self) -> LocalPart {
        LocalPart::of_checked(&self.unquoted())
    }
}

/// A mailbox that borrows from the line it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox<'a> {
    local: LocalPartRef<'a>,
    domain: &'a str,
}

impl<'a> Mailbox<'a> {
    /// Reads `local-part@domain`, all of the text.
    pub fn parse(text: &'a str) -> Result<Self, InvalidMessage> {
        refuse_controls(text)?;
        match mailbox(text)? {
            ("", Self { domain: "", .. }) => Err(InvalidMessage::new("domain expected", text.len())),
            ("", mailbox) => Ok(mailbox),
            (rest, _) => Err(InvalidMessage::new("end of the address expected", text.len() - rest.len())),
        }
    }

    /// Reads `local-part [ "@" domain ]`, all of the text, and owns it.
    pub(crate) fn parse_loose(text: &'a str) -> Result<(LocalPart, Option<Domain>), InvalidMessage> {
        match mailbox(text)? {
            ("", Self { local, domain: "" }) => Ok((local.to_owned(), None)),
            ("", Self { local, domain }) => Ok((local.to_owned(), Some(Domain::canonical(domain)))),
            (rest, _) => Err(InvalidMessage::new("end of the address expected", text.len() - rest.len())),
        }
    }

    /// The local part.
    #[must_use]
    pub fn local_part(self) -> LocalPartRef<'a> {
        self.local
    }

    /// The domain or address literal, in the case it was sent.
    #[must_use]
    pub fn domain(self) -> &'a str {
        self.domain
    }

    /// The same, owned.
    #[must_use]
    pub fn to_address(self) -> Address {
        Address::new(self.local.to_owned(), Domain::canonical(self.domain))
    }
}

/// [`ReversePath`] as a view of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePathRef<'a> {
    /// `<>`.
    Null,
    /// A mailbox.
    Mailbox(Mailbox<'a>),
}

impl<'a> ReversePathRef<'a> {
    /// Reads a path with its brackets from the start of the text; what follows is handed back.
    pub fn parse(text: &'a str) -> Result<(Self, &'a str), InvalidMessage> {
        refuse_controls(text)?;
        Self::read(text)
    }

    /// The same, where control characters were refused before.
    pub(crate) fn read(text: &'a str) -> Result<(Self, &'a str), InvalidMessage> {
        match path(text)? {
            (None, rest) => Ok((Self::Null, rest)),
            (Some(Mailbox { domain: "", .. }), _) => Err(InvalidMessage::new("domain expected", 0)),
            (Some(mailbox), rest) => Ok((Self::Mailbox(mailbox), rest)),
        }
    }

    /// The same, owned.
    #[must_use]
    pub fn to_owned(self) -> ReversePath {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Address(mailbox.to_address()),
        }
    }
}

impl fmt::Display for ReversePathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{}@{}>", mailbox.local.0, mailbox.domain),
        }
    }
}

/// [`ForwardPath`] as a view of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardPathRef<'a> {
    /// A mailbox.
    Mailbox(Mailbox<'a>),
    /// A local part alone.
    Local(LocalPartRef<'a>),
}

impl<'a> ForwardPathRef<'a> {
    /// Reads a path with its brackets from the start of the text; what follows is handed back.
    pub fn parse(text: &'a str) -> Result<(Self, &'a str), InvalidMessage> {
        refuse_controls(text)?;
        Self::read(text)
    }

    /// The same, where control characters were refused before.
    pub(crate) fn read(text: &'a str) -> Result<(Self, &'a str), InvalidMessage> {
        match path(text)? {
            (None, _) => Err(InvalidMessage::new("recipient expected", 1)),
            (Some(Mailbox { local: LocalPartRef("\"\""), domain: "" }), _) => {
                Err(InvalidMessage::new("recipient expected", 1))
            }
            (Some(Mailbox { local, domain: "" }), rest) => Ok((Self::Local(local), rest)),
            (Some(mailbox), rest) => Ok((Self::Mailbox(mailbox), rest)),
        }
    }

    /// The same, owned.
    #[must_use]
    pub fn to_owned(self) -> ForwardPath {
        match self {
            Self::Mailbox(mailbox) => ForwardPath::Address(mailbox.to_address()),
            Self::Local(local) => ForwardPath::Local(local.to_owned()),
        }
    }
}

impl fmt::Display for ForwardPathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) => write!(f, "<{}@{}>", mailbox.local.0, mailbox.domain),
            Self::Local(local) => write!(f, "<{}>", local.0),
        }
    }
}

/// `"<" [ source route ":" ] mailbox ">"` or `"<>"`; an empty domain stands for none.
fn path(text: &str) -> Result<(Option<Mailbox<'_>>, &str), InvalidMessage> {
    let inner = text.strip_prefix('<').ok_or(InvalidMessage::new("'<' expected", 0))?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Ok((None, rest));
    }
    let after_route = if inner.starts_with('@') { source_route(inner)? } else { inner };
    let shift = text.len() - after_route.len();
    let (rest, mailbox) = mailbox(after_route).map_err(|e| InvalidMessage::new(e.what, e.offset + shift))?;
    match rest.strip_prefix('>') {
        Some(rest) => Ok((Some(mailbox), rest)),
        None => Err(InvalidMessage::new("'>' expected", text.len() - rest.len())),
    }
}

/// Passes `@a,@b:` (A-d-l ":").
fn source_route(text: &str) -> Result<&str, InvalidMessage> {
    let expected = InvalidMessage::new("source route expected", 1);
    let mut rest = text;
    loop {
        let hop = rest.strip_prefix('@').ok_or(expected)?;
        let (_, after) =
            hop.split_at_checked(host_name_bytes(hop.as_bytes()).map_err(|_| expected)?).ok_or(expected)?;
        match after.strip_prefix(':') {
            Some(rest) => return Ok(rest),
            None => rest = after.strip_prefix(',').ok_or(expected)?,
        }
    }
}

/// `local-part [ "@" domain ]`.
fn mailbox(text: &str) -> Result<(&str, Mailbox<'_>), InvalidMessage> {
    let (rest, local) = local_part(text).ok_or(InvalidMessage::new("local part expected", 0))?;
    if local.0.len() > LOCAL_PART_BYTES_MAX && local.unquoted().len() > LOCAL_PART_BYTES_MAX {
        return Err(InvalidMessage::new("local part too long", LOCAL_PART_BYTES_MAX));
    }
    let Some(after_at) = rest.strip_prefix('@') else { return Ok((rest, Mailbox { local, domain: "" })) };
    let at = text.len() - after_at.len();
    let length = domain_bytes(after_at).map_err(|e| InvalidMessage::new(e.what, e.offset + at))?;
    let (domain, rest) =
        after_at.split_at_checked(length).ok_or(InvalidMessage::new("domain expected", at))?;
    Ok((rest, Mailbox { local, domain }))
}

fn local_part(text: &str) -> Option<(&str, LocalPartRef<'_>)> {
    let length = match text.strip_prefix('"') {
        Some(quoted) => quoted_bytes(quoted)? + 1,
        None => dot_string_bytes(text.as_bytes())?,
    };
    let (local, rest) = text.split_at_checked(length)?;
    Some((rest, LocalPartRef(local)))
}

/// The length of a quoted string behind its first quote, the last one included.
fn quoted_bytes(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if byte.is_ascii_control() => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forward(text: &str) -> Result<String, &'static str> {
        match ForwardPathRef::parse(text) {
            Ok((path, "")) => Ok(path.to_owned().to_string()),
            Ok(_) => Err("rest"),
            Err(e) => Err(e.what),
        }
    }

    #[test]
    fn q1_source_routes_are_dropped_and_percent_and_bang_are_ordinary() {
        for (path, kept) in [
            ("<@relay.example:user@victim.example>", "<user@victim.example>"),
            ("<@a,@b.c,@[192.0.2.1]:user@victim.example>", ""),
            ("<@a,@b.c:user@victim.example>", "<user@victim.example>"),
            ("<user%victim.example@here.example>", "<user%victim.example@here.example>"),
            ("<victim.example!user@here.example>", "<victim.example!user@here.example>"),
            ("<\"user@victim.example\"@here.example>", "<\"user@victim.example\"@here.example>"),
            ("<user%victim.example@[127.0.0.1]>", "<user%victim.example@[127.0.0.1]>"),
            ("<\"user%victim.example\"@here.example>", "<user%victim.example@here.example>"),
        ] {
            match forward(path) {
                Ok(read) => assert_eq!(read, kept, "{path}"),
                Err(_) => assert_eq!(kept, "", "{path}"),
            }
        }
        for refused in [
            "<user@victim.example@here.example>",
            "<user@here.example,victim.example>",
            "<@relay.example user@victim.example>",
            "<@:user@victim.example>",
            "<user@@victim.example>",
            "<user@here.example:25>",
            "user@here.example",
        ] {
            assert!(forward(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn paths_are_read_as_the_grammar_says() {
        for good in [
            "<a@b>",
            "<a.b+c@x-y.example>",
            "<\"\"@b>",
            "<\"a b\"@b>",
            "<\"a\\\\\\\"b\"@b>",
            "<a@[IPv6:2001:db8::1]>",
            "<a@[192.0.2.1]>",
            "<a@[x-tag:data]>",
            "<a@_srv.example>",
            "<Postmaster>",
        ] {
            assert!(forward(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "<",
            "<>",
            "<a",
            "<a@>",
            "<@b>",
            "<.a@b>",
            "<a.@b>",
            "<a..b@c>",
            "<a b@c>",
            "<a@b.>",
            "<a@.b>",
            "<a@-b>",
            "<a@b-.c>",
            "<\"a@b>",
            "<a@[192.0.2.256]>",
            "<a@[192.0.2.1>",
            "<a@[IPv6:zz]>",
            "<a@[]>",
            "<\"a\"b@c>",
            "<a<b@c>",
            "<a>b@c>",
            "<\"\">",
        ] {
            assert!(forward(bad).is_err(), "{bad}");
        }
        assert_eq!(ReversePathRef::parse("<> SIZE=1").ok(), Some((ReversePathRef::Null, " SIZE=1")));
        assert!(ReversePathRef::parse("<postmaster>").is_err());
    }

    proptest! {
        #[test]
        fn e3_no_text_gets_through_a_path_with_a_line_end_or_a_bracket(
            text in "[ -~\\r\\n\\x00\\x7f\u{e9}\u{85}]{0,30}",
        ) {
            if let Ok(address) = text.parse::<Address>() {
                let wire = address.to_string();
                prop_assert!(!wire.chars().any(char::is_control));
                let path = format!("<{wire}>");
                prop_assert_eq!(forward(&path), Ok(path.clone()));
            }
        }
    }
}
