//! Values as a program builds them: of slices and references of its own, and ranges. A peer encodes what it holds in
//! memory too; what was parsed into a tape is read from it while it is encoded, which is more work and another row.
//!
//! They live as long as the process.

use imap_proto::{
    Append, BodyPart, Command, CommonExtension, Disposition, Envelope, Fetch, FetchAttribute, FetchItem,
    Item, List, ListedMailbox, MailboxName, MailboxStatus, MultiExtension, MultiPart, NewMessage, NumberList,
    One, Rename, Response, Search, SearchKey, SearchResult, Section, SectionText, Select, SequenceSet,
    SingleExtension, SinglePart, Store, StoreData, TaggedCommand, Vanished,
};

fn kept<'a, T: 'a>(value: T) -> &'a T {
    Box::leak(Box::new(value))
}

fn slice<'a, T>(items: impl Iterator<Item = T>) -> &'a [T] {
    Vec::leak(items.collect())
}

fn list<'a, T: Item<'a>>(items: List<'a, T>, each: impl Fn(T) -> T) -> List<'a, T> {
    List::of(slice(items.iter().map(each)))
}

fn same<'a, T: Item<'a>>(items: List<'a, T>) -> List<'a, T> {
    list(items, |item| item)
}

fn one<'a, T: Item<'a>>(value: One<'a, T>, each: impl Fn(T) -> T) -> One<'a, T> {
    value.value().map_or(value, |value| One::of(kept(each(value))))
}

fn set(set: SequenceSet<'_>) -> SequenceSet<'_> {
    SequenceSet::of(slice(set.iter())).unwrap_or(set)
}

fn name(mailbox: MailboxName<'_>) -> MailboxName<'_> {
    MailboxName::new(kept(mailbox.to_utf8().into_owned())).unwrap_or(mailbox)
}

pub(crate) fn response<'a>(response: &Response<'a>) -> Response<'a> {
    match *response {
        Response::Fetch { message, items } => Response::Fetch { message, items: list(items, item) },
        Response::List(listed) => Response::List(listed_mailbox(listed)),
        Response::Lsub(listed) => Response::Lsub(listed_mailbox(listed)),
        Response::MailboxStatus(status) => Response::MailboxStatus(MailboxStatus {
            mailbox: name(status.mailbox),
            values: same(status.values),
        }),
        Response::Vanished(vanished) => Response::Vanished(Vanished { uids: set(vanished.uids), ..vanished }),
        Response::Search(found) => {
            let numbers = NumberList::of(slice(found.numbers.iter())).unwrap_or(found.numbers);
            Response::Search(SearchResult { numbers, ..found })
        }
        other => other,
    }
}

fn listed_mailbox(listed: ListedMailbox<'_>) -> ListedMailbox<'_> {
    ListedMailbox { attributes: same(listed.attributes), mailbox: name(listed.mailbox), ..listed }
}

fn item(item: FetchItem<'_>) -> FetchItem<'_> {
    match item {
        FetchItem::Flags(flags) => FetchItem::Flags(same(flags)),
        FetchItem::Envelope(value) => FetchItem::Envelope(one(value, envelope)),
        FetchItem::BodyStructure(body) => FetchItem::BodyStructure(one(body, part)),
        other => other,
    }
}

fn envelope(envelope: Envelope<'_>) -> Envelope<'_> {
    Envelope {
        from: same(envelope.from),
        sender: same(envelope.sender),
        reply_to: same(envelope.reply_to),
        to: same(envelope.to),
        cc: same(envelope.cc),
        bcc: same(envelope.bcc),
        ..envelope
    }
}

fn part(body: BodyPart<'_>) -> BodyPart<'_> {
    match body {
        BodyPart::Single(single) => BodyPart::Single(SinglePart {
            parameters: same(single.parameters),
            extension: single
                .extension
                .map(|extension| SingleExtension { common: common(extension.common), ..extension }),
            ..single
        }),
        BodyPart::Multi(multi) => BodyPart::Multi(MultiPart {
            parts: list(multi.parts, part),
            extension: multi.extension.map(|extension| MultiExtension {
                parameters: same(extension.parameters),
                common: common(extension.common),
            }),
            ..multi
        }),
    }
}

fn common(common: CommonExtension<'_>) -> CommonExtension<'_> {
    CommonExtension {
        disposition: common
            .disposition
            .map(|disposition| Disposition { parameters: same(disposition.parameters), ..disposition }),
        language: same(common.language),
        ..common
    }
}

pub(crate) fn command<'a>(tagged: &TaggedCommand<'a>) -> TaggedCommand<'a> {
    let command = match tagged.command {
        Command::Select(select) => Command::Select(Select { mailbox: name(select.mailbox), ..select }),
        Command::Examine(select) => Command::Examine(Select { mailbox: name(select.mailbox), ..select }),
        Command::Subscribe(mailbox) => Command::Subscribe(name(mailbox)),
        Command::Rename(rename) => {
            Command::Rename(Rename { from: name(rename.from), to: name(rename.to), ..rename })
        }
        Command::Status(mut query) => {
            (query.mailbox, query.items) = (name(query.mailbox), same(query.items));
            Command::Status(query)
        }
        Command::Append(append) => Command::Append(Append {
            mailbox: name(append.mailbox),
            messages: list(append.messages, |message| NewMessage { flags: same(message.flags), ..message }),
        }),
        Command::UidExpunge(messages) => Command::UidExpunge(set(messages)),
        Command::Fetch(fetch) => Command::Fetch(Fetch {
            messages: set(fetch.messages),
            attributes: list(fetch.attributes, attribute),
            ..fetch
        }),
        Command::Store(store) => {
            let data = match store.data {
                StoreData::Flags(flags) => StoreData::Flags(same(flags)),
                other => other,
            };
            Command::Store(Store { messages: set(store.messages), data, ..store })
        }
        Command::Copy(mut copying) => {
            (copying.messages, copying.mailbox) = (set(copying.messages), name(copying.mailbox));
            Command::Copy(copying)
        }
        Command::Move(mut copying) => {
            (copying.messages, copying.mailbox) = (set(copying.messages), name(copying.mailbox));
            Command::Move(copying)
        }
        Command::Search(search) => Command::Search(Search { keys: list(search.keys, key), ..search }),
        Command::Enable(capabilities) => Command::Enable(same(capabilities)),
        other => other,
    };
    TaggedCommand { command, ..*tagged }
}

fn attribute(attribute: FetchAttribute<'_>) -> FetchAttribute<'_> {
    match attribute {
        FetchAttribute::Section { peek, section, partial } => {
            let text = match section.text {
                SectionText::HeaderFields(names) => SectionText::HeaderFields(same(names)),
                other => other,
            };
            FetchAttribute::Section { peek, section: Section { text, ..section }, partial }
        }
        other => other,
    }
}

fn key(search_key: SearchKey<'_>) -> SearchKey<'_> {
    match search_key {
        SearchKey::Sequence(messages) => SearchKey::Sequence(set(messages)),
        SearchKey::Uid(messages) => SearchKey::Uid(set(messages)),
        SearchKey::Not(inner) => SearchKey::Not(one(inner, key)),
        SearchKey::Or(left, right) => SearchKey::Or(one(left, key), one(right, key)),
        SearchKey::And(keys) => SearchKey::And(list(keys, key)),
        other => other,
    }
}
