//! What the queue keeps of a message besides its bytes, and the form of that on disk.
//!
//! Every field stands behind its length or has a fixed one: no text of a peer can end a record or begin another
//! (safety row E5). Texts that were parsed once are parsed again when they are read, so a record that holds anything
//! else is an error and never a strange value.

use std::fmt;
use std::str::FromStr;

use mailstore::clock::Timestamp;
use mailstore::log::{InvalidRecord, Place};
use smtp_proto::{Address, Body, ForwardPath, Reply, ReversePath};

use crate::config::HostPort;
use crate::mailboxes::codec::{Fields, put_text};
use crate::routing::Login;

/// Bytes of an envelope on disk. 1 MiB, some 10,000 recipients: a quarter of the largest transaction, so that a
/// message at its limits and a report about it always fit in one.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;

/// Bytes of a reply that are kept. 512: one line of SMTP.
const REPLY_BYTES_MAX: usize = 512;

/// Names a message in every front-end's queue: milliseconds since 1970 and 64 random bits, so that ids sort by age
/// and no two front-ends, nor two lives of one queue, use the same. Printed as 28 hexadecimal digits.
///
/// ```
/// use murder::hub::QueueId;
/// let id = QueueId::new(1_790_000_000_000, 7);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("7".parse::<QueueId>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(u128);

impl QueueId {
    /// Hexadecimal digits of an id.
    const DIGITS: usize = 28;

    /// An id of this moment and these random bits.
    #[must_use]
    pub fn new(unix_millis: u64, random: u64) -> Self {
        let millis = u128::from(unix_millis & ((1 << 48) - 1));
        Self(millis << 64 | u128::from(random))
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:028x}", self.0)
    }
}

impl FromStr for QueueId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(text, 16) {
            Ok(number) if hex => Ok(Self(number)),
            _ => Err("28 hexadecimal digits expected"),
        }
    }
}

/// Whom a message comes from and goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where failures are reported.
    pub reverse_path: ReversePath,
    /// What MAIL said of the body.
    pub body: Body,
    /// Each copy that is to be delivered.
    pub recipients: Vec<Recipient>,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The recipient as the client named him: what reports tell of.
    pub original: ForwardPath,
    /// Where the copy goes.
    pub target: Target,
}

/// Where a copy goes. Where a mailbox *is* is asked anew at each attempt: it may have moved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The INBOX of a user of this site, or the folder that the detail names.
    Mailbox {
        /// Whose.
        login: Login,
        /// What stood behind the `+`.
        detail: Option<String>,
    },
    /// An address in a domain that is relayed.
    Relay {
        /// The address there.
        address: Address,
        /// The server for its domain.
        next_hop: HostPort,
        /// How the address came about.
        passage: Passage,
    },
}

/// How an address in a relayed domain came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Passage {
    /// The client named it.
    Direct,
    /// An address of this site forwards to it: the copy carries `Delivered-To`, by which a loop is known.
    Forwarded,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Pending,
    /// It is delivered.
    Delivered,
    /// It never will be.
    Failed,
}

/// A message in the queue, as far as it is known to be on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: QueueId,
    /// When it was taken over.
    pub accepted_at: Timestamp,
    /// Its envelope.
    pub envelope: Envelope,
    /// How far each copy has come, by its place in the envelope.
    pub states: Vec<State>,
    /// Attempts that did not end it.
    pub attempts: u32,
    /// What the last of them came to; empty before.
    pub last_reply: String,
    pub(super) body: Place,
    /// Whether the body has a file of its own.
    pub(super) storage: Storage,
}

/// Where a body lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// In the log, among others.
    Shared,
    /// In a file of its own.
    Apart,
}

impl Message {
    /// The places of the copies that wait.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        let states = self.states.iter().enumerate();
        states.filter(|(_, state)| **state == State::Pending).map(|(place, _)| place)
    }

    /// Bytes of the message.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.body.len_bytes().into()
    }
}

/// A message that was given up although nobody could be told: a report that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The id that it had.
    pub id: QueueId,
    /// When it was given up.
    pub at: Timestamp,
    /// Who did not get it.
    pub recipient: ForwardPath,
    /// Why.
    pub reply: String,
}

/// A reply as it is kept: one line, escaped as replies show themselves, cut.
#[must_use]
pub(crate) fn reply_text(reply: &Reply) -> String {
    let text = reply.to_string();
    text.chars().filter(|c| matches!(c, ' '..='~')).take(REPLY_BYTES_MAX).collect()
}

pub(super) fn put_id(id: QueueId, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.0.to_le_bytes());
}

pub(super) fn take_id(fields: &mut Fields<'_>) -> Result<QueueId, InvalidRecord> {
    Ok(QueueId(u128::from_le_bytes(fields.array()?)))
}

pub(super) fn put_u32(number: usize, out: &mut Vec<u8>) {
    // Counts and places are bounded by the bytes of an envelope.
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

pub(super) fn take_u32(fields: &mut Fields<'_>) -> Result<usize, InvalidRecord> {
    Ok(u32::from_le_bytes(fields.array()?) as usize)
}

pub(super) fn take_string(fields: &mut Fields<'_>) -> Result<String, InvalidRecord> {
    Ok(take_str(fields)?.to_owned())
}

fn take_str<'a>(fields: &mut Fields<'a>) -> Result<&'a str, InvalidRecord> {
    std::str::from_utf8(fields.text()?).map_err(|_| InvalidRecord("no text"))
}

fn take_address(fields: &mut Fields<'_>) -> Result<Address, InvalidRecord> {
    take_str(fields)?.parse().map_err(|_| InvalidRecord("no address"))
}

pub(super) fn put_path(path: &ForwardPath, out: &mut Vec<u8>) {
    match path {
        ForwardPath::Address(address) => {
            out.push(0);
            put_text(address.to_string().as_bytes(), out);
        }
        ForwardPath::Local(local) => {
            out.push(1);
            put_text(local.as_str().as_bytes(), out);
        }
    }
}

pub(super) fn take_path(fields: &mut Fields<'_>) -> Result<ForwardPath, InvalidRecord> {
    match fields.byte()? {
        0 => Ok(ForwardPath::Address(take_address(fields)?)),
        1 => ForwardPath::local(take_str(fields)?).map_err(|_| InvalidRecord("no local part")),
        _ => Err(InvalidRecord("no forward path")),
    }
}

/// Bytes that a recipient takes in an envelope on disk.
#[must_use]
pub(crate) fn recipient_bytes(recipient: &Recipient) -> usize {
    let mut bytes = Vec::new();
    put_recipient(recipient, &mut bytes);
    bytes.len()
}

/// Appends an envelope.
pub(super) fn put_envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    match &envelope.reverse_path {
        ReversePath::Null => out.push(0),
        ReversePath::Address(address) => {
            out.push(1);
            put_text(address.to_string().as_bytes(), out);
        }
    }
    out.push(match envelope.body {
        Body::SevenBit => 0,
        Body::EightBitMime => 1,
        Body::BinaryMime => 2,
    });
    put_u32(envelope.recipients.len(), out);
    envelope.recipients.iter().for_each(|recipient| put_recipient(recipient, out));
}

fn put_recipient(recipient: &Recipient, out: &mut Vec<u8>) {
    put_path(&recipient.original, out);
    put_target(&recipient.target, out);
}

fn put_target(target: &Target, out: &mut Vec<u8>) {
    match target {
        Target::Mailbox { login, detail } => {
            out.push(0);
            put_text(login.as_str().as_bytes(), out);
            out.push(u8::from(detail.is_some()));
            put_text(detail.as_deref().unwrap_or_default().as_bytes(), out);
        }
        Target::Relay { address, next_hop, passage } => {
            out.push(match passage {
                Passage::Direct => 1,
                Passage::Forwarded => 2,
            });
            put_text(address.to_string().as_bytes(), out);
            put_text(next_hop.host.as_bytes(), out);
            out.extend_from_slice(&next_hop.port.to_le_bytes());
        }
    }
}

/// Reads what [`put_envelope`] wrote.
pub(super) fn take_envelope(fields: &mut Fields<'_>) -> Result<Envelope, InvalidRecord> {
    let reverse_path = match fields.byte()? {
        0 => ReversePath::Null,
        1 => ReversePath::Address(take_address(fields)?),
        _ => return Err(InvalidRecord("no reverse path")),
    };
    let body = match fields.byte()? {
        0 => Body::SevenBit,
        1 => Body::EightBitMime,
        2 => Body::BinaryMime,
        _ => return Err(InvalidRecord("no kind of body")),
    };
    let count = take_u32(fields)?;
    let mut recipients = Vec::new();
    for _ in 0..count {
        recipients.push(Recipient { original: take_path(fields)?, target: take_target(fields)? });
    }
    Ok(Envelope { reverse_path, body, recipients })
}

fn take_target(fields: &mut Fields<'_>) -> Result<Target, InvalidRecord> {
    let passage = match fields.byte()? {
        0 => {
            let login = take_str(fields)?.parse().map_err(|_| InvalidRecord("no login"))?;
            let has_detail = fields.byte()? != 0;
            let detail = take_string(fields)?;
            return Ok(Target::Mailbox { login, detail: has_detail.then_some(detail) });
        }
        1 => Passage::Direct,
        2 => Passage::Forwarded,
        _ => return Err(InvalidRecord("no target")),
    };
    let address = take_address(fields)?;
    let next_hop = HostPort { host: take_string(fields)?, port: u16::from_le_bytes(fields.array()?) };
    Ok(Target::Relay { address, next_hop, passage })
}

/// Appends a whole message, for a saved state.
pub(super) fn put_message(message: &Message, out: &mut Vec<u8>) {
    put_id(message.id, out);
    out.extend_from_slice(&message.accepted_at.as_millis().to_le_bytes());
    out.extend_from_slice(&message.attempts.to_le_bytes());
    put_text(message.last_reply.as_bytes(), out);
    out.extend_from_slice(&message.body.encode());
    out.push(match message.storage {
        Storage::Shared => 0,
        Storage::Apart => 1,
    });
    put_envelope(&message.envelope, out);
    out.extend(message.states.iter().map(|state| match state {
        State::Pending => 0,
        State::Delivered => 1,
        State::Failed => 2,
    }));
}

/// Reads what [`put_message`] wrote.
pub(super) fn take_message(fields: &mut Fields<'_>) -> Result<Message, InvalidRecord> {
    let id = take_id(fields)?;
    let accepted_at = Timestamp::from_millis(u64::from_le_bytes(fields.array()?));
    let attempts = u32::from_le_bytes(fields.array()?);
    let last_reply = take_string(fields)?;
    let body = Place::decode(fields.array()?);
    let storage = match fields.byte()? {
        0 => Storage::Shared,
        1 => Storage::Apart,
        _ => return Err(InvalidRecord("no storage")),
    };
    let envelope = take_envelope(fields)?;
    let mut states = Vec::with_capacity(envelope.recipients.len());
    for _ in &envelope.recipients {
        states.push(match fields.byte()? {
            0 => State::Pending,
            1 => State::Delivered,
            2 => State::Failed,
            _ => return Err(InvalidRecord("no state of a copy")),
        });
    }
    fields.end()?;
    Ok(Message { id, accepted_at, envelope, states, attempts, last_reply, body, storage })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use smtp_proto::Code;

    use super::*;

    pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
        let reverse_path = match from {
            "" => ReversePath::Null,
            from => ReversePath::Address(from.parse().unwrap()),
        };
        let recipients = to.iter().map(|to| {
            let address: Address = to.parse().unwrap();
            let login = address.local_part().parse().unwrap();
            Recipient { original: address.into(), target: Target::Mailbox { login, detail: None } }
        });
        Envelope { reverse_path, body: Body::SevenBit, recipients: recipients.collect() }
    }

    fn round_trips(envelope: &Envelope) {
        let mut bytes = Vec::new();
        put_envelope(envelope, &mut bytes);
        let mut fields = Fields::new(&bytes);
        assert_eq!(take_envelope(&mut fields).as_ref(), Ok(envelope));
        assert_eq!(fields.end(), Ok(()));
        for cut in 0..bytes.len() {
            assert!(take_envelope(&mut Fields::new(&bytes[..cut])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn e5_hostile_values_come_back_as_they_were() {
        let hostile = [
            r#""a b\"c"@example.test"#,
            r#""R:<root>"@example.test"#,
            r#""| /bin/sh -c x"@example.test"#,
            "a%b!c@example.test",
            "x@[127.0.0.1]",
            &format!("{}@example.test", "l".repeat(64)),
        ];
        for text in hostile {
            let address: Address = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            for (passage, port) in [(Passage::Direct, 25), (Passage::Forwarded, u16::MAX)] {
                let next_hop = HostPort { host: "relay\u{e9}\n.example\0".to_owned(), port };
                let targets = [
                    Target::Relay { address: address.clone(), next_hop, passage },
                    Target::Mailbox { login: "al'ice;--".parse().unwrap(), detail: Some("\r\n.\r\n".into()) },
                    Target::Mailbox { login: "alice".parse().unwrap(), detail: Some(String::new()) },
                    Target::Mailbox { login: "alice".parse().unwrap(), detail: None },
                ];
                let recipients = targets
                    .into_iter()
                    .map(|target| Recipient { original: address.clone().into(), target })
                    .chain([Recipient {
                        original: ForwardPath::local("Postmaster").unwrap(),
                        target: Target::Mailbox { login: "x".parse().unwrap(), detail: None },
                    }])
                    .collect();
                round_trips(&Envelope {
                    reverse_path: ReversePath::Address(address.clone()),
                    body: Body::EightBitMime,
                    recipients,
                });
            }
        }
        round_trips(&Envelope { reverse_path: ReversePath::Null, body: Body::SevenBit, recipients: vec![] });
    }

    #[test]
    fn a_kept_reply_is_one_short_line() {
        let hostile = Reply::new(Code::FAILED, "no\r\n250 yes\x1b[2J").with_line("more");
        let text = reply_text(&hostile);
        assert!(
            text.starts_with("554 no") && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{text}"
        );
        let long = (0..8)
            .fold(Reply::new(Code::FAILED, "x".repeat(400)), |reply, _| reply.with_line("y".repeat(400)));
        assert!(reply_text(&long).len() <= REPLY_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = take_envelope(&mut Fields::new(&bytes));
            let _ = take_message(&mut Fields::new(&bytes));
        }
    }
}
