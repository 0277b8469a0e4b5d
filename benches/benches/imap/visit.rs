//! Reading every field of a view: each visit adds up what it finds, so that nothing is left out.

use imap_proto::search::SearchData;
use imap_proto::{
    Address, BodyPart, Command, CommonExtension, Envelope, FetchItem, IString, List, Parameter, PartKind,
    Response, SearchKey, StoreData,
};

/// Adds up what a view holds, so that every field is read.
pub(crate) fn visit_response(response: &Response<'_>) -> usize {
    match response {
        Response::Fetch { message, items } => {
            items.iter().fold(*message as usize, |sum, item| sum.wrapping_add(visit_item(&item)))
        }
        Response::List(listed) | Response::Lsub(listed) => {
            listed.attributes.iter().map(|a| a.as_bytes().len()).sum::<usize>()
                + listed.mailbox.to_utf8().len()
        }
        Response::MailboxStatus(status) => {
            status.values.iter().count() + usize::from(status.mailbox.is_inbox())
        }
        Response::Vanished(vanished) => vanished.uids.iter().count(),
        Response::Esearch(found) => found.data.iter().map(|data| visit_found(&data)).sum(),
        Response::Search(found) => found.numbers.iter().fold(0, |sum, n| sum.wrapping_add(n as usize)),
        _ => 0,
    }
}

fn visit_found(data: &SearchData<'_>) -> usize {
    match data {
        SearchData::Min(number) | SearchData::Max(number) => number.get() as usize,
        SearchData::Count(count) => *count as usize,
        SearchData::All(messages) => messages.iter().count(),
        _ => 0,
    }
}

/// The same without BODYSTRUCTURE: what a list of messages shows.
pub(crate) fn visit_summary(response: &Response<'_>) -> usize {
    let Response::Fetch { items, .. } = response else { return 0 };
    items
        .iter()
        .filter(|item| !matches!(item, FetchItem::BodyStructure(_)))
        .fold(0, |sum, item| sum.wrapping_add(visit_item(&item)))
}

fn nstring(nstring: &Option<IString<'_>>) -> usize {
    nstring.as_ref().map_or(0, IString::len)
}

fn visit_item(item: &FetchItem<'_>) -> usize {
    match item {
        FetchItem::Uid(uid) => *uid as usize,
        FetchItem::Flags(flags) => flags.iter().map(|flag| flag.as_bytes().len()).sum(),
        FetchItem::InternalDate(moment) => moment.zone_minutes().unsigned_abs().into(),
        FetchItem::Rfc822Size(size) => usize::try_from(*size).unwrap_or(0),
        FetchItem::Envelope(envelope) => envelope.value().map_or(0, |envelope| visit_envelope(&envelope)),
        FetchItem::Body(part) | FetchItem::BodyStructure(part) => {
            part.value().map_or(0, |part| visit_part(&part))
        }
        FetchItem::Section { data, .. } => usize::try_from(data.len().unwrap_or(0)).unwrap_or(0),
        _ => 0,
    }
}

fn visit_envelope(envelope: &Envelope<'_>) -> usize {
    let addresses = |list: &List<'_, Address<'_>>| -> usize {
        list.iter().map(|a| nstring(&a.name) + nstring(&a.adl) + nstring(&a.mailbox) + nstring(&a.host)).sum()
    };
    let lists =
        [&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc];
    nstring(&envelope.date)
        + nstring(&envelope.subject)
        + nstring(&envelope.in_reply_to)
        + nstring(&envelope.message_id)
        + lists.into_iter().map(addresses).sum::<usize>()
}

fn visit_parameters(parameters: &List<'_, Parameter<'_>>) -> usize {
    parameters.iter().map(|p| p.name.len() + p.value.len()).sum()
}

fn visit_common(common: &CommonExtension<'_>) -> usize {
    let disposition =
        common.disposition.as_ref().map_or(0, |d| d.name.len() + visit_parameters(&d.parameters));
    disposition + common.language.iter().map(|l| l.len()).sum::<usize>() + nstring(&common.location)
}

fn visit_part(part: &BodyPart<'_>) -> usize {
    match part {
        BodyPart::Multi(multi) => {
            multi.parts.iter().map(|part| visit_part(&part)).sum::<usize>()
                + multi.subtype.len()
                + multi
                    .extension
                    .as_ref()
                    .map_or(0, |e| visit_parameters(&e.parameters) + visit_common(&e.common))
        }
        BodyPart::Single(single) => {
            let inner = match &single.kind {
                PartKind::Message { envelope, body, lines } => {
                    usize::try_from(*lines).unwrap_or(0)
                        + envelope.value().map_or(0, |envelope| visit_envelope(&envelope))
                        + body.value().map_or(0, |part| visit_part(&part))
                }
                PartKind::Text { lines } => usize::try_from(*lines).unwrap_or(0),
                PartKind::Basic => 0,
            };
            inner
                + single.media_type.len()
                + single.subtype.len()
                + nstring(&single.id)
                + nstring(&single.description)
                + nstring(&single.encoding)
                + usize::try_from(single.octets).unwrap_or(0)
                + visit_parameters(&single.parameters)
                + single.extension.as_ref().map_or(0, |e| nstring(&e.md5) + visit_common(&e.common))
        }
    }
}

pub(crate) fn visit_command(command: &Command<'_>) -> usize {
    match command {
        Command::Search(search) => search.keys.iter().map(|key| visit_key(&key)).sum(),
        Command::Fetch(fetch) => fetch.messages.iter().count() + fetch.attributes.iter().count(),
        Command::Store(store) => store.messages.iter().count() + visit_store(&store.data),
        Command::Copy(copying) | Command::Move(copying) => copying.messages.iter().count(),
        Command::Status(query) => query.items.iter().count(),
        Command::Append(append) => append.messages.iter().map(|message| message.flags.iter().count()).sum(),
        Command::Select(select) | Command::Examine(select) => usize::from(select.mailbox.is_inbox()),
        _ => 1,
    }
}

fn visit_store(data: &StoreData<'_>) -> usize {
    match data {
        StoreData::Flags(flags) => flags.iter().count(),
        _ => 0,
    }
}

fn visit_key(key: &SearchKey<'_>) -> usize {
    match key {
        SearchKey::Not(inner) => inner.value().map_or(0, |inner| visit_key(&inner)),
        SearchKey::Or(one, other) => {
            one.value().map_or(0, |key| visit_key(&key)) + other.value().map_or(0, |key| visit_key(&key))
        }
        SearchKey::And(keys) => keys.iter().map(|key| visit_key(&key)).sum(),
        SearchKey::Sequence(set) | SearchKey::Uid(set) => set.iter().count(),
        _ => 1,
    }
}
