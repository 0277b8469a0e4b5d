//! URLAUTH (RFC 4467 7 and 8, RFC 5524 3): GENURLAUTH, RESETKEY, URLFETCH and what they are answered with.
//!
//! ```
//! use imap_proto::{Command, Parser, UrlPart};
//! let mut parser = Parser::new();
//! let frame = b"a URLFETCH (\"imap://joe@example.com/INBOX/;uid=20;urlauth=anonymous\" BINARY) imap://x/y/;UID=1";
//! let Command::UrlFetch(queries) = parser.command(frame)?.command else { panic!() };
//! let queries: Vec<_> = queries.iter().collect();
//! assert!(queries[0].parts.iter().eq([UrlPart::Binary]));
//! assert!(queries[1].parts.is_empty());
//! assert_eq!(queries[1].url.parse()?.mailbox.unwrap().to_utf8()?, "y");
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars::{key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::fetch::BodyPart;
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::{Data, IString};
use crate::tape::{Cursor, Item, List, One};
use crate::token::{Kind, Span};
use crate::url::{ImapUrl, UrlMechanism};

/// The text of a URL as a command or a response has it, not yet read. `Debug` shows no authorization token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UrlText<'a>(pub IString<'a>);

impl<'a> UrlText<'a> {
    /// The URL.
    ///
    /// # Errors
    /// When it is none of IMAP's. The command that holds it is well-formed all the same: a bad URL is answered `NO`
    /// (`[BADURL]`), or with `NIL`.
    pub fn parse(&self) -> Result<ImapUrl<'a>, InvalidMessage> {
        ImapUrl::new(self.as_str().ok_or(InvalidMessage::new("URL that is no ASCII", 0))?)
    }

    /// The text; `None` if it holds what no URL does: bytes that are not ASCII, quotes, backslashes.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        self.0.as_plain().filter(|text| text.is_ascii()).and_then(|text| std::str::from_utf8(text).ok())
    }
}

impl fmt::Debug for UrlText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const AUTH: &[u8] = b";URLAUTH=";
        let text = self.0.to_bytes();
        let auth = text.windows(AUTH.len()).position(|window| window.eq_ignore_ascii_case(AUTH));
        let token = auth.and_then(|at| Some(at + memchr::memchr(b':', text.get(at..)?)?));
        match token.and_then(|at| text.get(..at)) {
            Some(rump) => write!(f, "\"{}:***\"", Escaped::new(rump)),
            None => write!(f, "\"{}\"", Escaped::new(&text)),
        }
    }
}

impl<'a> Item<'a> for UrlText<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        cursor.next()?.astring().map(Self)
    }
}

impl Encode for UrlText<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.astring(&self.0)
    }
}

/// What GENURLAUTH takes: a URL without its token, and how to make that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlRump<'a> {
    /// The URL up to and with the access identifier.
    pub url: UrlText<'a>,
    /// The mechanism.
    pub mechanism: UrlMechanism<'a>,
}

impl<'a> Item<'a> for UrlRump<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let url = UrlText::read(cursor)?;
        if cursor.peek().is_some_and(|token| !token.is_spaced()) {
            return cursor.fail("expected a space");
        }
        Ok(Self { url, mechanism: UrlMechanism::read(cursor)? })
    }
}

impl<'a> Item<'a> for UrlMechanism<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_bytes(node.word()?).map_or_else(|| node.fail("expected a URLAUTH mechanism"), Ok)
    }
}

impl Encode for UrlMechanism<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_str().as_bytes());
        Ok(())
    }
}

impl Encode for UrlRump<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.url.encode(out)?;
        out.raw(b" ");
        self.mechanism.encode(out)
    }
}

/// `RESETKEY [mailbox [mechanism ...]]`: every URL that the keys had authorized is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetKey<'a> {
    /// The mailbox; all of the user's, if none is given.
    pub mailbox: Option<MailboxName<'a>>,
    /// The mechanisms, all of them if none is given; only with a mailbox.
    pub mechanisms: List<'a, UrlMechanism<'a>>,
}

impl<'a> ResetKey<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        if cursor.is_empty() {
            return Ok(Self { mailbox: None, mechanisms: List::of(&[]) });
        }
        let mailbox = Some(MailboxName::argument(cursor)?);
        let mechanisms = if cursor.is_empty() { List::of(&[]) } else { cursor.spaced_rest()? };
        Ok(Self { mailbox, mechanisms })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        if let Some(mailbox) = &self.mailbox {
            mailbox.check(check)?;
        }
        self.mechanisms.check(check)
    }
}

impl Encode for ResetKey<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match &self.mailbox {
            Some(mailbox) => {
                out.raw(b" ");
                mailbox.encode(out)?;
            }
            None if self.mechanisms.is_empty() => {}
            None => return Err(PeerIncompatible::Inexpressible("mechanisms of no mailbox")),
        }
        if self.mechanisms.is_empty() {
            return Ok(());
        }
        out.raw(b" ");
        self.mechanisms.encode_bare(out)
    }
}

/// What URLFETCH asks for: `url`, or `(url part ...)` (RFC 5524 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlQuery<'a> {
    /// The URL.
    pub url: UrlText<'a>,
    /// What of it, each once and not both `BODY` and `BINARY`. Without any, the content is told as RFC 4467 has it.
    pub parts: List<'a, UrlPart>,
}

/// What of a URL is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlPart {
    /// `BODY`: the content as it stands.
    Body,
    /// `BINARY`: without its transfer encoding.
    Binary,
    /// `BODYPARTSTRUCTURE`: what it is.
    BodyPartStructure,
}

impl UrlPart {
    fn of_word(word: &[u8]) -> Option<Self> {
        keys! { BODY = "BODY", BINARY = "BINARY" }
        match key(word) {
            BODY => Some(Self::Body),
            BINARY => Some(Self::Binary),
            _ if word.eq_ignore_ascii_case(b"BODYPARTSTRUCTURE") => Some(Self::BodyPartStructure),
            _ => None,
        }
    }

    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Body => b"BODY",
            Self::Binary => b"BINARY",
            Self::BodyPartStructure => b"BODYPARTSTRUCTURE",
        }
    }
}

impl<'a> Item<'a> for UrlPart {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("unknown part of a URL"), Ok)
    }
}

impl Encode for UrlPart {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_bytes());
        Ok(())
    }
}

impl UrlQuery<'_> {
    fn parts_fit(&self) -> bool {
        let count = |wanted| self.parts.iter().filter(|part| *part == wanted).count();
        count(UrlPart::Body) + count(UrlPart::Binary) <= 1 && count(UrlPart::BodyPartStructure) <= 1
    }
}

impl<'a> Item<'a> for UrlQuery<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        if node.token.kind() != Kind::List {
            return Ok(Self { url: UrlText(node.astring()?), parts: List::of(&[]) });
        }
        let mut inside = node.inside()?;
        let url = UrlText::read(&mut inside)?;
        let parts = if inside.is_empty() { List::of(&[]) } else { inside.spaced_rest()? };
        Ok(Self { url, parts })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.parts.check(check)?;
        if self.parts_fit() { Ok(()) } else { Err(InvalidMessage::new("part of a URL twice", 0)) }
    }
}

impl Encode for UrlQuery<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if self.parts.is_empty() {
            return self.url.encode(out);
        }
        if !self.parts_fit() {
            return Err(PeerIncompatible::Inexpressible("part of a URL twice"));
        }
        out.raw(b"(");
        self.url.encode(out)?;
        out.raw(b" ");
        self.parts.encode_bare(out)?;
        out.raw(b")");
        Ok(())
    }
}

/// What URLFETCH is answered with, for one URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlContent<'a> {
    /// The URL as it was asked for.
    pub url: UrlText<'a>,
    /// What there is.
    pub found: UrlFound<'a>,
}

/// What a URL led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFound<'a> {
    /// The content; `Nil` if the URL is bad or nothing is there.
    Content(Data<'a>),
    /// `(item) (item)`: what was asked for by name (RFC 5524 3.2).
    Items(List<'a, UrlItem<'a>>),
}

/// A part of what a URL led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlItem<'a> {
    /// `BODY`.
    Body(Data<'a>),
    /// `BINARY`; `Nil` if it cannot be decoded.
    Binary(Data<'a>),
    /// `BODYPARTSTRUCTURE`.
    BodyPartStructure(One<'a, BodyPart<'a>>),
    /// An item that is not known here, with its parentheses.
    Unknown(Span),
}

impl<'a> Item<'a> for UrlContent<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let url = UrlText::read(cursor)?;
        let is_list = |cursor: &Cursor<'_>| cursor.peek().is_some_and(|token| token.kind() == Kind::List);
        if !is_list(cursor) {
            return Ok(Self { url, found: UrlFound::Content(Data::of_node(&cursor.spaced()?)?) });
        }
        let before = *cursor;
        while is_list(cursor) {
            cursor.spaced()?;
        }
        Ok(Self { url, found: UrlFound::Items(before.up_to(cursor).rest()) })
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self.found {
            UrlFound::Content(_) => Ok(()),
            UrlFound::Items(items) => items.check(check),
        }
    }
}

impl<'a> Item<'a> for UrlItem<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        let mut inside = node.inside()?;
        let item = match UrlPart::of_word(inside.word()?) {
            Some(UrlPart::Body) => Self::Body(Data::of_node(&inside.spaced()?)?),
            Some(UrlPart::Binary) => Self::Binary(Data::of_node(&inside.spaced()?)?),
            Some(UrlPart::BodyPartStructure) => Self::BodyPartStructure(One::list_at(&mut inside)?),
            None => {
                let start = node.token.start();
                return Ok(Self::Unknown(Span { start, len: node.end().saturating_sub(start) }));
            }
        };
        inside.end()?;
        Ok(item)
    }

    fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        match self {
            Self::BodyPartStructure(part) => part.check(check),
            _ => Ok(()),
        }
    }
}

impl Encode for UrlContent<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        self.url.encode(out)?;
        out.raw(b" ");
        match &self.found {
            UrlFound::Content(data) => data.encode(out),
            UrlFound::Items(items) => items.encode_some(out),
        }
    }
}

impl Encode for UrlItem<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Body(data) => {
                out.raw(b"(BODY ");
                data.encode(out)?;
            }
            Self::Binary(data) => {
                out.raw(b"(BINARY ");
                data.encode_nul(out)?;
            }
            Self::BodyPartStructure(part) => {
                out.raw(b"(BODYPARTSTRUCTURE ");
                part.encode(out)?;
            }
            Self::Unknown(_) => return Err(PeerIncompatible::Inexpressible("unknown part of a URL")),
        }
        out.raw(b")");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Parser, Response};

    #[test]
    fn tokens_are_not_printed() {
        for url in ["imap://a/b/;UID=1;URLAUTH=user+c:INTERNAL:91354a473744", "x;urlauth=y:91354a473744"] {
            let shown = format!("{:?}", UrlText(IString::new(url).unwrap()));
            assert!(shown.to_ascii_lowercase().contains(";urlauth=") && !shown.contains("91354"), "{shown}");
        }
    }

    #[test]
    fn commands_that_ask_for_no_url_are_refused() {
        for bad in [
            "a GENURLAUTH",
            "a GENURLAUTH imap://x/y",
            "a GENURLAUTH imap://x/y in_ternal",
            "a GENURLAUTH \"imap://x/y\"INTERNAL",
            "a GENURLAUTH imap://x/y INTERNAL imap://x/z",
            "a RESETKEY x \"INTERNAL\"",
            "a RESETKEY (x)",
            "a URLFETCH",
            "a URLFETCH ()",
            "a URLFETCH (x FROB)",
            "a URLFETCH (x BODY BINARY)",
            "a URLFETCH (x BODY BODY)",
        ] {
            assert!(Parser::new().command(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_url_in_parentheses_without_parts_is_the_bare_one() {
        let mut parser = Parser::new();
        let Command::UrlFetch(one) = parser.command(b"a URLFETCH (x)").unwrap().command else { panic!() };
        let query = one.iter().next().unwrap();
        assert!(query.parts.is_empty());
        assert_eq!(query.url.as_str(), Some("x"));
    }

    #[test]
    fn each_url_of_an_answer_has_its_own_items() {
        let frame = b"* URLFETCH u1 (BINARY ~{3}\r\na\0b) (X 1) u2 NIL u3 (BODY {1}\r\na) u4 {2}\r\nhi";
        let mut parser = Parser::new();
        let Response::UrlFetch(urls) = parser.response(frame).unwrap() else { panic!() };
        let urls: Vec<_> = urls.iter().collect();
        assert_eq!(urls.len(), 4);
        let UrlFound::Items(items) = urls[0].found else { panic!("{urls:?}") };
        let items: Vec<_> = items.iter().collect();
        assert!(matches!(items[..], [UrlItem::Binary(data), UrlItem::Unknown(_)] if data.len() == Some(3)));
        assert_eq!(urls[1].found, UrlFound::Content(Data::Nil));
        assert!(matches!(urls[2].found, UrlFound::Items(_)));
        assert_eq!(urls[3].found, UrlFound::Content(Data::inline(b"hi")));
    }
}
