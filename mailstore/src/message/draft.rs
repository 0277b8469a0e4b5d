//! What a header says, collected field by field while it streams past, and written in the encoded form when it ends.

use super::Limits;
use super::address::AddressList;
use super::codec::{put_bytes, put_number, put_string};
use super::date::SentDate;
use super::parameter::{Parameterised, first_word, unfold, words};
use super::view::Kind;

/// The fields of one header that a structure keeps. The first field of a name counts; addresses of further ones are
/// added, as servers in wide use do.
#[derive(Default)]
pub(super) struct HeaderDraft {
    pub(super) content_type: Option<Parameterised>,
    encoding: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    md5: Option<Vec<u8>>,
    location: Option<Vec<u8>>,
    disposition: Option<Parameterised>,
    languages: Option<Vec<Vec<u8>>>,
    envelope: EnvelopeDraft,
    pub(super) truncated: bool,
}

#[derive(Default)]
struct EnvelopeDraft {
    date: Option<Vec<u8>>,
    subject: Option<Vec<u8>>,
    from: AddressList,
    sender: AddressList,
    reply_to: AddressList,
    to: AddressList,
    cc: AddressList,
    bcc: AddressList,
    in_reply_to: Option<Vec<u8>>,
    message_id: Option<Vec<u8>>,
}

/// Whose header it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A message, at the top or inside `message/rfc822`: its fields make an envelope.
    Message,
    /// A part of a multipart: only `Content-*` fields mean something (RFC 2046 section 5.1).
    Part,
}

/// The longest name below, `content-transfer-encoding`.
const NAME_BYTES_MAX: usize = 25;

impl HeaderDraft {
    /// Takes one field. `value` is what stands behind the colon, its lines joined.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8], owner: Owner, limits: &Limits) {
        let mut lower = [0; NAME_BYTES_MAX];
        let Some(lower) = lower.get_mut(..name.len()) else { return };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"content-type" => parameterised(&mut self.content_type, value, limits, &mut self.truncated),
            b"content-disposition" => {
                parameterised(&mut self.disposition, value, limits, &mut self.truncated);
            }
            b"content-transfer-encoding" => {
                self.encoding = self.encoding.take().or_else(|| first_word(&unfold(value)));
            }
            b"content-language" if self.languages.is_none() => {
                let (languages, truncated) = words(&unfold(value), limits.parameters_max);
                self.languages = Some(languages);
                self.truncated |= truncated;
            }
            b"content-id" => first(&mut self.id, value),
            b"content-description" => first(&mut self.description, value),
            b"content-md5" => first(&mut self.md5, value),
            b"content-location" => first(&mut self.location, value),
            _ if owner == Owner::Message => self.truncated |= self.envelope.field(lower, value, limits),
            _ => {}
        }
    }

    pub(super) fn sent(&self) -> Option<SentDate> {
        self.envelope.date.as_deref().and_then(SentDate::parse)
    }

    pub(super) fn encode_envelope(&self) -> Vec<u8> {
        let envelope = &self.envelope;
        let mut out = Vec::new();
        put_string(&mut out, envelope.date.as_deref());
        put_string(&mut out, envelope.subject.as_deref());
        for list in
            [&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc]
        {
            put_number(&mut out, list.count);
            out.extend_from_slice(&list.encoded);
        }
        put_string(&mut out, envelope.in_reply_to.as_deref());
        put_string(&mut out, envelope.message_id.as_deref());
        out
    }

    /// Type to languages, as [`super::codec`] draws it.
    pub(super) fn encode_body_fields(&self, media: Media<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        media.encode(&mut out);
        for value in [&self.id, &self.description, &self.encoding, &self.md5, &self.location] {
            put_string(&mut out, value.as_deref());
        }
        match &self.disposition {
            Some(disposition) if !disposition.head.is_empty() => {
                put_string(&mut out, Some(&disposition.head));
                put_pairs(&mut out, &disposition.parameters);
            }
            _ => put_string(&mut out, None),
        }
        let languages = self.languages.as_deref().unwrap_or_default();
        put_number(&mut out, length(languages.len()));
        for language in languages {
            put_bytes(&mut out, language);
        }
        out
    }

    /// What the header says its body is, or what is assumed: `text/plain` (RFC 2045 section 5.2), in a digest
    /// `message/rfc822` (RFC 2046 section 5.1.5).
    pub(super) fn media(&self, default: Media<'static>) -> Media<'_> {
        let Some(sent) = &self.content_type else { return default };
        let is = |name: &[u8]| sent.head.eq_ignore_ascii_case(name);
        match (sent.head.as_slice(), sent.subtype.as_slice()) {
            (b"", _) => Media::PLAIN_TEXT,
            (head, b"") if is(b"multipart") => {
                Media { head, subtype: b"mixed", parameters: &sent.parameters }
            }
            (head, b"") if is(b"text") => Media { head, subtype: b"plain", parameters: &sent.parameters },
            (_, b"") => Media::PLAIN_TEXT,
            (head, subtype) => Media { head, subtype, parameters: &sent.parameters },
        }
    }
}

/// A media type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Media<'a> {
    head: &'a [u8],
    subtype: &'a [u8],
    parameters: &'a [(Vec<u8>, Vec<u8>)],
}

impl Media<'static> {
    pub(super) const PLAIN_TEXT: Self = Self { head: b"text", subtype: b"plain", parameters: &[] };
    pub(super) const MESSAGE: Self = Self { head: b"message", subtype: b"rfc822", parameters: &[] };
    /// For a container that is not looked into.
    pub(super) const OPAQUE: Self = Self { head: b"application", subtype: b"octet-stream", parameters: &[] };

    /// For a part whose fields were dropped because the message has too many of them.
    pub(super) fn bare(kind: Kind) -> Self {
        match kind {
            Kind::Leaf => Self::OPAQUE,
            Kind::Multipart => Self { head: b"multipart", subtype: b"mixed", parameters: &[] },
            Kind::Message => Self::MESSAGE,
        }
    }
}

impl Media<'_> {
    pub(super) fn kind(&self) -> Kind {
        if self.head.eq_ignore_ascii_case(b"multipart") {
            Kind::Multipart
        } else if self.head.eq_ignore_ascii_case(b"message") && self.subtype.eq_ignore_ascii_case(b"rfc822") {
            Kind::Message
        } else {
            Kind::Leaf
        }
    }

    pub(super) fn is_digest(&self) -> bool {
        self.kind() == Kind::Multipart && self.subtype.eq_ignore_ascii_case(b"digest")
    }

    /// Text that names no charset is `us-ascii` (RFC 2045 section 5.2), and IMAP servers say so.
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.head);
        put_bytes(out, self.subtype);
        let is_charset = |(name, _): &(Vec<u8>, Vec<u8>)| {
            name.eq_ignore_ascii_case(b"charset") || name.eq_ignore_ascii_case(b"charset*")
        };
        if self.head.eq_ignore_ascii_case(b"text") && !self.parameters.iter().any(is_charset) {
            put_number(out, length(self.parameters.len() + 1));
            put_bytes(out, b"charset");
            put_bytes(out, b"us-ascii");
            for (name, value) in self.parameters {
                put_bytes(out, name);
                put_bytes(out, value);
            }
        } else {
            put_pairs(out, self.parameters);
        }
    }
}

impl EnvelopeDraft {
    /// True if the field had more addresses than the limit allows.
    fn field(&mut self, lower: &[u8], value: &[u8], limits: &Limits) -> bool {
        let text = match lower {
            b"date" => Some(&mut self.date),
            b"subject" => Some(&mut self.subject),
            b"in-reply-to" => Some(&mut self.in_reply_to),
            b"message-id" => Some(&mut self.message_id),
            _ => None,
        };
        if let Some(text) = text {
            first(text, value);
            return false;
        }
        let list = match lower {
            b"from" => &mut self.from,
            b"sender" => &mut self.sender,
            b"reply-to" => &mut self.reply_to,
            b"to" => &mut self.to,
            b"cc" => &mut self.cc,
            b"bcc" => &mut self.bcc,
            _ => return false,
        };
        list.parse(&unfold(value), limits.addresses_max);
        list.truncated
    }
}

fn first(slot: &mut Option<Vec<u8>>, value: &[u8]) {
    if slot.is_none() {
        *slot = Some(unfold(value));
    }
}

fn parameterised(slot: &mut Option<Parameterised>, value: &[u8], limits: &Limits, truncated: &mut bool) {
    if slot.is_none() {
        let parsed = Parameterised::parse(&unfold(value), limits.parameters_max);
        *truncated |= parsed.truncated;
        *slot = Some(parsed);
    }
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(Vec<u8>, Vec<u8>)]) {
    put_number(out, length(pairs.len()));
    for (name, value) in pairs {
        put_bytes(out, name);
        put_bytes(out, value);
    }
}

/// A count that the limits keep far below 2^32.
fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
