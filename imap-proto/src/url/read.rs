//! From text to a URL.

use std::num::NonZeroU32;

use mail_wire::InvalidMessage;

use super::authorization::{self, Expire};
use super::component::{Alphabet, Component};
use super::{ImapUrl, UrlBase, UrlMessage, UrlPartial, server};

pub(super) fn url(text: &str) -> Result<ImapUrl<'_>, InvalidMessage> {
    if text.len() > ImapUrl::BYTES_MAX {
        return Err(InvalidMessage::new("URL too long", ImapUrl::BYTES_MAX));
    }
    let (base, path) = base(text)?;
    let mut url =
        ImapUrl { base, mailbox: None, uid_validity: None, search: None, message: None, auth: None };
    let start = text.len() - path.len();
    let (path, search) = match path.split_once('?') {
        Some((path, search)) => (path, Some(search)),
        None => (path, None),
    };
    let (mailbox, parameters) = path.split_at(path.find(';').unwrap_or(path.len()));
    // A slash before what names a message belongs to that; any other one is the mailbox's.
    let ends = parameters.strip_prefix(';').is_some_and(begins_behind_slash);
    let name = mailbox.strip_suffix('/').filter(|_| ends).unwrap_or(mailbox);
    let slashed = name.len() < mailbox.len();
    if !name.is_empty() || slashed {
        url.mailbox = Some(Component::read(name, Alphabet::Path, start)?);
    }
    read_parameters(&mut url, parameters, slashed, start + mailbox.len())?;
    let end = start + path.len();
    if let Some(search) = search {
        if url.mailbox.is_none() || url.message.is_some() {
            return Err(InvalidMessage::new("search in no mailbox", end));
        }
        url.search = Some(Component::read(search, Alphabet::Path, end + 1)?);
    }
    match url.message {
        Some(message)
            if url.base != UrlBase::Relative && (message.uid.is_none() || url.mailbox.is_none()) =>
        {
            Err(InvalidMessage::new("part of no message", end))
        }
        _ => Ok(url),
    }
}

fn base(text: &str) -> Result<(UrlBase<'_>, &str), InvalidMessage> {
    const SCHEME: &str = "imap://";
    let has_scheme = text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    let prefix = match text {
        _ if has_scheme => SCHEME.len(),
        _ if text.starts_with("//") => 2,
        _ => {
            return match (text.strip_prefix('/'), text.find([':', '/', ';', '?'])) {
                (Some(path), _) => Ok((UrlBase::Root, path)),
                // A colon in the first segment of a path would be that of a scheme (RFC 3986 4.2).
                (None, Some(at)) if text.as_bytes().get(at) == Some(&b':') => {
                    Err(InvalidMessage::new("URL of another scheme", at))
                }
                (None, _) => Ok((UrlBase::Relative, text)),
            };
        }
    };
    let rest = text.get(prefix..).unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let server = server::read(authority, prefix)?;
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.starts_with('/') {
        return Err(InvalidMessage::new("empty part of a URL", text.len() - path.len()));
    }
    Ok((if has_scheme { UrlBase::Server(server) } else { UrlBase::Network(server) }, path))
}

/// What may follow a mailbox, in the order in which it must.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Start,
    UidValidity,
    Uid,
    Section,
    Partial,
    Expire,
    UrlAuth,
}

/// Reads `;NAME=value` up to the end. `slashed` says that a slash stood in front, as it does before what names a
/// message.
fn read_parameters<'a>(
    url: &mut ImapUrl<'a>,
    text: &'a str,
    slashed: bool,
    offset: usize,
) -> Result<(), InvalidMessage> {
    let mut rest = text.strip_prefix(';');
    let (mut rank, mut slashed) = (Rank::Start, slashed);
    let mut expire = None;
    while let Some(here) = rest {
        let at = offset + text.len() - here.len();
        let malformed = |what| InvalidMessage::new(what, at);
        let (piece, next) = here.split_at(here.find(';').unwrap_or(here.len()));
        let next = next.strip_prefix(';');
        // A message, a section and a range stand behind a slash, which ends what precedes them.
        let (piece, next_slashed) = match (piece.strip_suffix('/'), next) {
            (Some(piece), Some(next)) if begins_behind_slash(next) => (piece, true),
            _ => (piece, false),
        };
        let (name, value) = piece.split_once('=').ok_or(malformed("expected a parameter"))?;
        let value_at = at + name.len() + 1;
        let (found, needs_slash) = rank_of(name).ok_or(malformed("unknown parameter"))?;
        // Nothing stands in front of the first parameter of a relative reference.
        let is_first = rank == Rank::Start && url.mailbox.is_none();
        if found <= rank || (needs_slash != slashed && !(needs_slash && is_first)) {
            return Err(malformed("misplaced parameter"));
        }
        let message = url.message.unwrap_or(UrlMessage { uid: None, section: None, partial: None });
        match found {
            Rank::Start => {}
            Rank::UidValidity => {
                url.mailbox.ok_or(malformed("UIDVALIDITY of no mailbox"))?;
                url.uid_validity = Some(non_zero(value).ok_or(malformed("malformed UIDVALIDITY"))?);
            }
            Rank::Uid => {
                let uid = Some(non_zero(value).ok_or(malformed("malformed UID"))?);
                url.message = Some(UrlMessage { uid, ..message });
            }
            Rank::Section => {
                let section = Some(Component::read(value, Alphabet::Path, value_at)?);
                url.message = Some(UrlMessage { section, ..message });
            }
            Rank::Partial => {
                let partial = Some(UrlPartial::read(value).ok_or(malformed("malformed range"))?);
                url.message = Some(UrlMessage { partial, ..message });
            }
            Rank::Expire => {
                expire = Some(Expire::new(value).map_err(|error| InvalidMessage::new(error.what, value_at))?);
            }
            Rank::UrlAuth => {
                url.auth = Some(authorization::read(value, expire, value_at)?);
            }
        }
        (rank, slashed, rest) = (found, next_slashed, next);
    }
    let has_message = url.message.is_some_and(|message| message.uid.is_some());
    if url.auth.is_some() && !has_message || url.auth.is_none() && expire.is_some() {
        return Err(InvalidMessage::new("authorization of no message", offset));
    }
    Ok(())
}

fn rank_of(name: &str) -> Option<(Rank, bool)> {
    let ranks = [
        ("UIDVALIDITY", Rank::UidValidity, false),
        ("UID", Rank::Uid, true),
        ("SECTION", Rank::Section, true),
        ("PARTIAL", Rank::Partial, true),
        ("EXPIRE", Rank::Expire, false),
        ("URLAUTH", Rank::UrlAuth, false),
    ];
    let found = ranks.into_iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    found.map(|(_, rank, needs_slash)| (rank, needs_slash))
}

fn begins_behind_slash(piece: &str) -> bool {
    piece.split_once('=').and_then(|(name, _)| rank_of(name)).is_some_and(|(_, needs_slash)| needs_slash)
}

/// The value of `NAME=value`.
pub(super) fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = text.split_once('=')?;
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// `nz-number`.
fn non_zero(digits: &str) -> Option<NonZeroU32> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

impl UrlPartial {
    fn read(value: &str) -> Option<Self> {
        let (offset, count) = match value.split_once('.') {
            Some((offset, count)) => (offset, Some(non_zero(count)?)),
            None => (value, None),
        };
        Some(Self { offset: crate::chars::number(offset.as_bytes())?, count })
    }
}
