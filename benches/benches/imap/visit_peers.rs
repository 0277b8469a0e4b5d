//! The same visits of what the peers have built: every field of a FETCH reply.

use std::borrow::Cow;

use imap_codec::imap_types as codec;
use imap_proto_peer as proto;

/// What `imap-codec` parsed.
pub(crate) mod imap_codec_reply {
    use super::codec::body::{
        BasicFields, Body, BodyExtension, BodyStructure, Disposition, Language, Location, SpecificFields,
    };
    use super::codec::core::{IString, NString};
    use super::codec::envelope::{Address, Envelope};
    use super::codec::fetch::MessageDataItem;
    use super::codec::flag::FlagFetch;
    use super::codec::response::{Data, Response};

    /// Adds up what it holds.
    pub(crate) fn visit(response: &Response<'_>) -> usize {
        visit_items(response, |_| true)
    }

    /// The same without BODYSTRUCTURE.
    pub(crate) fn visit_summary(response: &Response<'_>) -> usize {
        visit_items(response, |item| !matches!(item, MessageDataItem::BodyStructure(_)))
    }

    fn visit_items(response: &Response<'_>, wanted: impl Fn(&MessageDataItem<'_>) -> bool) -> usize {
        let Response::Data(Data::Fetch { seq, items }) = response else { return 0 };
        let wanted = items.as_ref().iter().filter(|item| wanted(item));
        wanted.fold(seq.get() as usize, |sum, item| sum.wrapping_add(visit_item(item)))
    }

    fn visit_item(item: &MessageDataItem<'_>) -> usize {
        match item {
            MessageDataItem::Uid(uid) => uid.get() as usize,
            MessageDataItem::Flags(flags) => flags.iter().map(visit_flag).sum(),
            MessageDataItem::InternalDate(moment) => {
                moment.as_ref().offset().local_minus_utc().unsigned_abs() as usize
            }
            MessageDataItem::Rfc822Size(size) => *size as usize,
            MessageDataItem::Envelope(envelope) => visit_envelope(envelope),
            MessageDataItem::Body(part) | MessageDataItem::BodyStructure(part) => visit_part(part),
            MessageDataItem::BodyExt { data, .. } => nstring(data),
            _ => 0,
        }
    }

    fn visit_flag(flag: &FlagFetch<'_>) -> usize {
        use super::codec::flag::Flag;
        match flag {
            FlagFetch::Flag(Flag::Keyword(atom)) => atom.as_ref().len(),
            FlagFetch::Flag(_) => 5,
            FlagFetch::Recent => 7,
        }
    }

    fn string(string: &IString<'_>) -> usize {
        string.as_ref().len()
    }

    fn nstring(string: &NString<'_>) -> usize {
        string.0.as_ref().map_or(0, |string| string.as_ref().len())
    }

    fn visit_envelope(envelope: &Envelope<'_>) -> usize {
        let addresses = |list: &[Address<'_>]| -> usize {
            list.iter()
                .map(|a| nstring(&a.name) + nstring(&a.adl) + nstring(&a.mailbox) + nstring(&a.host))
                .sum()
        };
        let lists =
            [&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc];
        nstring(&envelope.date)
            + nstring(&envelope.subject)
            + nstring(&envelope.in_reply_to)
            + nstring(&envelope.message_id)
            + lists.into_iter().map(|list| addresses(list)).sum::<usize>()
    }

    fn visit_parameters(parameters: &[(IString<'_>, IString<'_>)]) -> usize {
        parameters.iter().map(|(name, value)| string(name) + string(value)).sum()
    }

    fn visit_disposition(disposition: &Disposition<'_>) -> usize {
        let own = disposition
            .disposition
            .as_ref()
            .map_or(0, |(name, parameters)| string(name) + visit_parameters(parameters));
        own + disposition.tail.as_ref().map_or(0, visit_language)
    }

    fn visit_language(language: &Language<'_>) -> usize {
        language.language.iter().map(string).sum::<usize>() + language.tail.as_ref().map_or(0, visit_location)
    }

    fn visit_location(location: &Location<'_>) -> usize {
        nstring(&location.location) + location.extensions.iter().map(visit_extension).sum::<usize>()
    }

    fn visit_extension(extension: &BodyExtension<'_>) -> usize {
        match extension {
            BodyExtension::NString(string) => nstring(string),
            BodyExtension::Number(number) => *number as usize,
            BodyExtension::List(list) => list.as_ref().iter().map(visit_extension).sum(),
        }
    }

    fn visit_part(part: &BodyStructure<'_>) -> usize {
        match part {
            BodyStructure::Single { body, extension_data } => {
                visit_single(body)
                    + extension_data
                        .as_ref()
                        .map_or(0, |e| nstring(&e.md5) + e.tail.as_ref().map_or(0, visit_disposition))
            }
            BodyStructure::Multi { bodies, subtype, extension_data } => {
                bodies.as_ref().iter().map(visit_part).sum::<usize>()
                    + string(subtype)
                    + extension_data.as_ref().map_or(0, |e| {
                        visit_parameters(&e.parameter_list) + e.tail.as_ref().map_or(0, visit_disposition)
                    })
            }
        }
    }

    fn visit_single(Body { basic, specific }: &Body<'_>) -> usize {
        let BasicFields { parameter_list, id, description, content_transfer_encoding, size } = basic;
        let specific = match specific {
            SpecificFields::Basic { r#type, subtype } => string(r#type) + string(subtype),
            SpecificFields::Text { subtype, number_of_lines } => string(subtype) + *number_of_lines as usize,
            SpecificFields::Message { envelope, body_structure, number_of_lines } => {
                visit_envelope(envelope) + visit_part(body_structure) + *number_of_lines as usize
            }
        };
        specific
            + visit_parameters(parameter_list)
            + nstring(id)
            + nstring(description)
            + string(content_transfer_encoding)
            + *size as usize
    }
}

/// What `imap-proto` parsed.
pub(crate) mod imap_proto_reply {
    use super::Cow;
    use super::proto::{
        Address, AttributeValue, BodyContentCommon, BodyContentSinglePart, BodyExtension, BodyParams,
        BodyStructure, ContentEncoding, Envelope, Response,
    };

    /// Adds up what it holds.
    pub(crate) fn visit(response: &Response<'_>) -> usize {
        visit_items(response, |_| true)
    }

    /// The same without BODYSTRUCTURE.
    pub(crate) fn visit_summary(response: &Response<'_>) -> usize {
        visit_items(response, |item| !matches!(item, AttributeValue::BodyStructure(_)))
    }

    fn visit_items(response: &Response<'_>, wanted: impl Fn(&AttributeValue<'_>) -> bool) -> usize {
        let Response::Fetch(number, items) = response else { return 0 };
        let wanted = items.iter().filter(|item| wanted(item));
        wanted.fold(*number as usize, |sum, item| sum.wrapping_add(visit_item(item)))
    }

    fn visit_item(item: &AttributeValue<'_>) -> usize {
        match item {
            AttributeValue::Uid(uid) => *uid as usize,
            AttributeValue::Flags(flags) => flags.iter().map(|flag| flag.len()).sum(),
            AttributeValue::InternalDate(moment) => moment.len(),
            AttributeValue::Rfc822Size(size) => *size as usize,
            AttributeValue::Envelope(envelope) => visit_envelope(envelope),
            AttributeValue::BodyStructure(part) => visit_part(part),
            AttributeValue::BodySection { data, .. } => data.as_ref().map_or(0, |data| data.len()),
            _ => 0,
        }
    }

    fn text(text: &Option<Cow<'_, str>>) -> usize {
        text.as_ref().map_or(0, |text| text.len())
    }

    fn nstring(string: &Option<Cow<'_, [u8]>>) -> usize {
        string.as_ref().map_or(0, |string| string.len())
    }

    fn visit_envelope(envelope: &Envelope<'_>) -> usize {
        let addresses = |list: &[Address<'_>]| -> usize {
            list.iter()
                .map(|a| nstring(&a.name) + nstring(&a.adl) + nstring(&a.mailbox) + nstring(&a.host))
                .sum()
        };
        let lists =
            [&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc];
        nstring(&envelope.date)
            + nstring(&envelope.subject)
            + nstring(&envelope.in_reply_to)
            + nstring(&envelope.message_id)
            + lists.into_iter().flatten().map(|list| addresses(list)).sum::<usize>()
    }

    fn visit_parameters(parameters: &BodyParams<'_>) -> usize {
        parameters.iter().flatten().map(|(name, value)| name.len() + value.len()).sum()
    }

    fn visit_common(common: &BodyContentCommon<'_>) -> usize {
        common.ty.ty.len()
            + common.ty.subtype.len()
            + visit_parameters(&common.ty.params)
            + common.disposition.as_ref().map_or(0, |d| d.ty.len() + visit_parameters(&d.params))
            + common.language.iter().flatten().map(|language| language.len()).sum::<usize>()
            + text(&common.location)
    }

    fn visit_single(single: &BodyContentSinglePart<'_>) -> usize {
        let encoding = match &single.transfer_encoding {
            ContentEncoding::Other(name) => name.len(),
            _ => 4,
        };
        text(&single.id) + text(&single.md5) + text(&single.description) + encoding + single.octets as usize
    }

    fn visit_extension(extension: &BodyExtension<'_>) -> usize {
        match extension {
            BodyExtension::Num(number) => *number as usize,
            BodyExtension::Str(string) => text(string),
            BodyExtension::List(list) => list.iter().map(visit_extension).sum(),
        }
    }

    fn visit_part(part: &BodyStructure<'_>) -> usize {
        let (own, extension) = match part {
            BodyStructure::Basic { common, other, extension } => {
                (visit_common(common) + visit_single(other), extension)
            }
            BodyStructure::Text { common, other, lines, extension } => {
                (visit_common(common) + visit_single(other) + *lines as usize, extension)
            }
            BodyStructure::Message { common, other, envelope, body, lines, extension } => {
                let inner = visit_envelope(envelope) + visit_part(body) + *lines as usize;
                (visit_common(common) + visit_single(other) + inner, extension)
            }
            BodyStructure::Multipart { common, bodies, extension } => {
                (visit_common(common) + bodies.iter().map(visit_part).sum::<usize>(), extension)
            }
        };
        own + extension.as_ref().map_or(0, visit_extension)
    }
}
