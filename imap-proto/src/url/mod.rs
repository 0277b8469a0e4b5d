//! IMAP URLs (RFC 5092, with the URLAUTH parts of RFC 4467): absolute ones, and the relative ones that CATENATE takes.
//!
//! A URL is read into its parts, which stay percent-encoded where they stand and are decoded on demand, each to no more
//! bytes than it had. [`ImapUrl::to_text`] writes one; what was read is written as it was, but for the case of
//! keywords. Characters that RFC 5092 does not let stand are errors, not guesses: the same text is a name for
//! whoever checks an authorization and for whoever fetches.
//!
//! Whoever verifies a URLAUTH token computes it over the text of the URL itself, [`ImapUrl::rump_of`], never over
//! a URL that was written anew.
//!
//! ```
//! use imap_proto::{Access, ImapUrl, UrlBase};
//! let text = "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:91354a473744909de610943775f92038";
//! let url = ImapUrl::new(text)?;
//! let UrlBase::Server(server) = url.base else { panic!() };
//! assert_eq!((server.host.as_str(), url.mailbox.unwrap().to_utf8()?.as_ref()), ("example.com", "INBOX"));
//! let message = url.message.unwrap();
//! assert_eq!((message.uid.unwrap().get(), message.section.unwrap().to_utf8()?.as_ref()), (20, "1.2"));
//! assert!(matches!(url.auth.unwrap().access, Access::Submit(who) if who.to_utf8()? == "fred"));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

mod authorization;
mod component;
mod read;
mod server;
mod write;

use std::num::NonZeroU32;

use mail_wire::{InvalidMessage, PeerIncompatible};

pub use authorization::{Access, Expire, UrlAuth, UrlMechanism, Verifier};
pub use component::Component;
pub use server::{UrlHost, UrlServer, UrlUser};

/// An IMAP URL or a relative reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImapUrl<'a> {
    /// Where its path begins.
    pub base: UrlBase<'a>,
    /// The mailbox, in UTF-8 under its encoding (RFC 5092 8). `None` for a URL of the server, or of a message in the
    /// mailbox that the base names.
    pub mailbox: Option<Component<'a>>,
    /// `;UIDVALIDITY=`, behind a mailbox only.
    pub uid_validity: Option<NonZeroU32>,
    /// `?search`: the messages that a search finds. Never with `message`.
    pub search: Option<Component<'a>>,
    /// A message or a part of one.
    pub message: Option<UrlMessage<'a>>,
    /// `;URLAUTH=`: who may fetch it, behind a message only.
    pub auth: Option<UrlAuth<'a>>,
}

/// What a URL begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlBase<'a> {
    /// `imap://server`.
    Server(UrlServer<'a>),
    /// `//server`: with the scheme of the base.
    Network(UrlServer<'a>),
    /// `/`: at the server of the base.
    Root,
    /// Nothing: in the mailbox or message of the base.
    Relative,
}

/// A message, or a part of one, in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlMessage<'a> {
    /// `;UID=`. Only a relative reference can do without.
    pub uid: Option<NonZeroU32>,
    /// `;SECTION=`: what stands in the brackets of a FETCH section, under its encoding.
    pub section: Option<Component<'a>>,
    /// `;PARTIAL=`.
    pub partial: Option<UrlPartial>,
}

/// `;PARTIAL=offset.count`: some of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UrlPartial {
    /// The first byte, from 0.
    pub offset: u32,
    /// How many; to the end, if it is not said.
    pub count: Option<NonZeroU32>,
}

impl<'a> ImapUrl<'a> {
    /// The longest URL that is read, in bytes. Longer than anything that a mailbox name and a section make; a URL is
    /// no place to keep data.
    pub const BYTES_MAX: usize = 8 << 10;

    /// The URL that a text is.
    ///
    /// # Errors
    /// When it is none; the offset says where it stops to be one.
    pub fn new(text: &'a str) -> Result<Self, InvalidMessage> {
        read::url(text)
    }

    /// The URL as text, with the parts encoded that need it.
    ///
    /// # Errors
    /// When the parts do not go together: a search and a message, a `UIDVALIDITY` without a mailbox, an authorization
    /// without a message.
    pub fn to_text(&self) -> Result<String, PeerIncompatible> {
        let text = write::Written(self).to_string();
        let is_whole = ImapUrl::new(&text).is_ok_and(|read| read == *self);
        if is_whole { Ok(text) } else { Err(PeerIncompatible::Inexpressible("parts that make no URL")) }
    }

    /// What a URLAUTH token is computed over (RFC 4467 6): the text in front of `:mechanism:token`. The whole text,
    /// if it ends behind the access identifier; `None`, if it has no URLAUTH.
    ///
    /// ```
    /// use imap_proto::ImapUrl;
    /// let url = "imap://a@example.com/x/;UID=1;URLAUTH=user+b:INTERNAL:91354a473744909de610943775f92038";
    /// assert_eq!(ImapUrl::rump_of(url), Some("imap://a@example.com/x/;UID=1;URLAUTH=user+b"));
    /// ```
    #[must_use]
    pub fn rump_of(text: &str) -> Option<&str> {
        let verifier = ImapUrl::new(text).ok()?.auth?.verifier;
        let behind = verifier.map_or(0, |v| v.mechanism.as_str().len() + v.token().len() + 2);
        text.get(..text.len() - behind)
    }
}

#[cfg(test)]
mod tests;
