//! Values of the grammar of mailboxes: lists, status, parameters, annotations, notifications, and what nodes of a
//! cluster say.

use imap_proto::annotation::{Annotation, AnnotationEntries, Annotations, GetAnnotation, SetAnnotation};
use imap_proto::{
    Append, Command, Comparator, Compression, Create, CreateParameter, Data, Extension, FetchAttribute,
    GetMetadata, IString, InitialStatus, List, ListAttribute, ListData, ListPatterns, ListQuery, ListReturn,
    ListSelection, ListedMailbox, LocalAppend, LocalCreate, MailboxName, Metadata, MetadataDepth,
    MetadataEntries, MetadataEntry, MetadataOption, ModSeq, Namespace, NamespaceExtension, Notify,
    NotifyEvent, NotifyEvents, NotifyFilter, NotifyGroup, ObjectId, Qresync, Rename, Resource, Response,
    Select, SelectParameter, Separator, SequenceRange, SequenceSet, SetMetadata, SpecialUse, StatusItem,
    StatusValue, Xfer,
};

use super::{Gen, leak};

impl Gen<'_> {
    pub(super) fn u63(&mut self) -> u64 {
        self.u64() & (u64::MAX >> 1)
    }

    fn extension(&mut self) -> Extension<'static> {
        Extension::new(self.pick(&["X-Y", "vendor.a-b", "_z", "FROB"])).unwrap()
    }

    pub(super) fn resource(&mut self) -> Resource<'static> {
        self.pick(&[
            Resource::Storage,
            Resource::Message,
            Resource::Mailbox,
            Resource::AnnotationStorage,
            Resource::new("x-y").unwrap(),
        ])
    }

    pub(super) fn status_item(&mut self) -> StatusItem<'static> {
        let unknown = self.extension();
        self.pick(&[
            StatusItem::Messages,
            StatusItem::Recent,
            StatusItem::UidNext,
            StatusItem::UidValidity,
            StatusItem::Unseen,
            StatusItem::Deleted,
            StatusItem::DeletedStorage,
            StatusItem::Size,
            StatusItem::HighestModSeq,
            StatusItem::MailboxId,
            StatusItem::AppendLimit,
            StatusItem::Unknown(unknown),
        ])
    }

    pub(super) fn status_value(&mut self) -> StatusValue<'static> {
        match self.below(10) {
            0 => StatusValue::Messages(self.u32()),
            1 => StatusValue::Recent(self.u32()),
            2 => StatusValue::UidNext(self.u32()),
            3 => StatusValue::UidValidity(self.u32()),
            4 => StatusValue::Unseen(self.u32()),
            5 => StatusValue::Deleted(self.u32()),
            6 => StatusValue::DeletedStorage(self.u63()),
            7 => StatusValue::HighestModSeq(ModSeq::new(self.u63()).unwrap()),
            8 => StatusValue::MailboxId(ObjectId::new(self.pick(&["F1", "a-b_C", "0"])).unwrap()),
            _ if self.coin() => StatusValue::Size(self.u63()),
            _ => StatusValue::AppendLimit(self.option(Self::u63)),
        }
    }

    fn list_attribute(&mut self) -> ListAttribute<'static> {
        self.pick(&[
            ListAttribute::NoSelect,
            ListAttribute::HasChildren,
            ListAttribute::NonExistent,
            ListAttribute::Subscribed,
            ListAttribute::Remote,
            ListAttribute::NoAccess,
            ListAttribute::Use(SpecialUse::Sent),
            ListAttribute::Use(SpecialUse::Important),
            ListAttribute::new("\\X").unwrap(),
        ])
    }

    pub(super) fn listed(&mut self) -> ListedMailbox<'static> {
        ListedMailbox {
            attributes: List::of(self.many(3, Self::list_attribute)),
            separator: self.option(|g| Separator::new(g.pick(b"/.\\\" ")).unwrap()),
            mailbox: self.mailbox(),
            data: List::of(self.many(2, |g| {
                if g.coin() {
                    ListData::ChildInfo(List::of(g.many(2, Self::string)))
                } else {
                    ListData::OldName(g.mailbox())
                }
            })),
        }
    }

    /// The query of LIST, or of LSUB and those that take as little.
    pub(super) fn query(&mut self, extended: bool) -> ListQuery<'static> {
        let mut query = ListQuery::new(self.mailbox(), self.pattern());
        if extended {
            if self.coin() {
                query.patterns = ListPatterns::Several(List::of(self.some(3, Self::pattern)));
            }
            let unknown = self.extension();
            let selection = [
                ListSelection::Subscribed,
                ListSelection::Remote,
                ListSelection::SpecialUse,
                ListSelection::Unknown(unknown),
            ];
            query.selection = List::of(self.many(2, |g| g.pick(&selection)));
            query.returned = List::of(self.many(3, Self::list_return));
        }
        query
    }

    fn list_return(&mut self) -> ListReturn<'static> {
        match self.below(7) {
            0 => ListReturn::Subscribed,
            1 => ListReturn::Children,
            2 => ListReturn::SpecialUse,
            3 => ListReturn::Status(List::of(self.some(3, Self::status_item))),
            4 => ListReturn::MyRights,
            5 => ListReturn::Metadata(List::of(self.some(2, Self::string))),
            _ => ListReturn::Unknown(self.extension()),
        }
    }

    fn no_largest(&mut self) -> SequenceSet<'static> {
        SequenceSet::of(self.some(4, |g| SequenceRange::one(g.non_zero()))).unwrap()
    }

    fn select(&mut self) -> Select<'static> {
        let parameter = |g: &mut Self| match g.below(3) {
            0 => SelectParameter::CondStore,
            1 => SelectParameter::Unknown(g.extension()),
            _ => SelectParameter::Qresync(Qresync {
                uid_validity: g.non_zero(),
                modseq: ModSeq::new(g.u63()).unwrap(),
                known_uids: g.option(Self::no_largest),
                sequence_match: g.option(|g| (g.no_largest(), g.no_largest())),
            }),
        };
        Select { mailbox: self.mailbox(), parameters: List::of(self.many(2, parameter)) }
    }

    fn create(&mut self) -> Create<'static> {
        let parameter = |g: &mut Self| match g.below(2) {
            0 => CreateParameter::Use(List::of(g.many(2, Self::list_attribute))),
            _ => CreateParameter::Unknown(g.extension()),
        };
        Create {
            mailbox: self.mailbox(),
            location: self.option(Self::string),
            parameters: List::of(self.many(2, parameter)),
        }
    }

    /// A name, or the empty one of the server.
    fn annotated(&mut self) -> MailboxName<'static> {
        if self.coin() { self.mailbox() } else { MailboxName::new("").unwrap() }
    }

    fn value(&mut self) -> Data<'static> {
        match self.data() {
            // A shared value without NUL comes back as a string.
            Data::Shared(bytes) => Data::inline(bytes),
            data => data,
        }
    }

    fn metadata_entry(&mut self) -> MetadataEntry<'static> {
        MetadataEntry { name: self.string(), value: self.value() }
    }

    fn annotation(&mut self) -> Annotation<'static> {
        Annotation { entry: self.string(), attributes: List::of(self.some(2, Self::metadata_entry)) }
    }

    fn get_metadata(&mut self) -> GetMetadata<'static> {
        let option = |g: &mut Self| match g.below(3) {
            0 => MetadataOption::MaxSize(g.u32()),
            1 => MetadataOption::Depth(g.pick(&[
                MetadataDepth::Zero,
                MetadataDepth::One,
                MetadataDepth::Infinity,
            ])),
            _ => MetadataOption::Unknown(g.extension()),
        };
        GetMetadata {
            mailbox: self.annotated(),
            options: List::of(self.many(2, option)),
            entries: List::of(self.some(3, Self::string)),
        }
    }

    fn notify_group(&mut self, selected: bool) -> NotifyGroup<'static> {
        let filter = match self.below(5) {
            _ if selected => self.pick(&[NotifyFilter::Selected, NotifyFilter::SelectedDelayed]),
            0 => NotifyFilter::Inboxes,
            1 => NotifyFilter::Personal,
            2 => NotifyFilter::Subscribed,
            3 => NotifyFilter::Subtree(List::of(self.some(2, Self::mailbox))),
            _ => NotifyFilter::Mailboxes(List::of(self.some(2, Self::mailbox))),
        };
        let mut events = Vec::new();
        if self.coin() {
            let attributes: &[FetchAttribute<'_>] =
                if selected { self.many(2, Self::attribute) } else { &[] };
            events.push(NotifyEvent::MessageNew(List::of(attributes)));
            events.push(NotifyEvent::MessageExpunge);
            events.extend(self.option(|_| NotifyEvent::FlagChange));
        }
        let unknown = self.extension();
        let others = [
            NotifyEvent::Unknown(unknown),
            NotifyEvent::AnnotationChange,
            NotifyEvent::MailboxName,
            NotifyEvent::SubscriptionChange,
            NotifyEvent::MailboxMetadataChange,
            NotifyEvent::ServerMetadataChange,
        ];
        let others = if selected { &others[..2] } else { &others };
        events.extend(self.many(2, |g| g.pick(others)));
        let events = match events.is_empty() {
            true => NotifyEvents::None,
            false => NotifyEvents::Some(List::of(events.leak())),
        };
        NotifyGroup { filter, events }
    }

    fn notify(&mut self) -> Notify<'static> {
        if self.below(4) == 1 {
            return Notify::None;
        }
        let selected = self.option(|g| g.notify_group(true));
        let others = self.many(2, |g| g.notify_group(false));
        let mut groups: Vec<_> = selected.into_iter().chain(others.iter().copied()).collect();
        if groups.is_empty() {
            groups.push(self.notify_group(false));
        }
        let initial = self.pick(&[InitialStatus::Skip, InitialStatus::Send]);
        Notify::Set { initial, groups: List::of(groups.leak()) }
    }

    pub(super) fn mailbox_command(&mut self) -> Command<'static> {
        match self.below(23) {
            0 => Command::Select(self.select()),
            1 => Command::Examine(self.select()),
            2 => Command::Create(self.create()),
            3 => Command::Rename(Rename {
                from: self.mailbox(),
                to: self.mailbox(),
                location: self.option(Self::string),
                parameters: List::of(self.many(2, Self::extension)),
            }),
            4 => Command::Rlist(self.query(false)),
            5 => Command::Rlsub(self.query(false)),
            6 => Command::Xlist(self.query(false)),
            7 => Command::GetMetadata(self.get_metadata()),
            8 => Command::SetMetadata(SetMetadata {
                mailbox: self.annotated(),
                entries: List::of(self.some(3, Self::metadata_entry)),
            }),
            9 => Command::GetAnnotation(GetAnnotation {
                mailboxes: self.pattern(),
                entries: List::of(self.some(3, Self::string)),
                attributes: List::of(self.many(2, Self::string)),
            }),
            10 => Command::SetAnnotation(SetAnnotation {
                mailboxes: self.pattern(),
                entries: List::of(self.some(2, Self::annotation)),
            }),
            11 | 12 => Command::Notify(self.notify()),
            13 => Command::Language(List::of(self.many(3, Self::string))),
            14 => Command::Comparator(List::of(self.many(3, Self::string))),
            15 => Command::Compress(Compression::Deflate),
            16 => Command::Unauthenticate,
            17 => Command::GetJmapAccess,
            18 => Command::LocalAppend(LocalAppend {
                selected: self.annotated(),
                append: Append {
                    mailbox: self.mailbox(),
                    messages: List::of(self.some(2, Self::new_message)),
                },
            }),
            19 => Command::LocalCreate(LocalCreate {
                mailbox: self.mailbox(),
                partition: self.option(Self::string),
            }),
            20 => Command::LocalDelete(self.mailbox()),
            21 => Command::Xfer(Xfer {
                mailbox: self.mailbox(),
                server: self.string(),
                partition: self.option(Self::string),
            }),
            _ => Command::MupdatePush(self.mailbox()),
        }
    }

    pub(super) fn namespace(&mut self) -> Namespace<'static> {
        Namespace {
            prefix: MailboxName::new(self.pick(&["", "INBOX.", "Other Users/", "é/"])).unwrap(),
            separator: self.option(|_| Separator::SLASH),
            extensions: List::of(self.many(2, |g| NamespaceExtension {
                name: g.string(),
                values: List::of(g.some(2, Self::string)),
            })),
        }
    }

    pub(super) fn mailbox_response(&mut self) -> Response<'static> {
        match self.below(6) {
            0 => Response::Xlist(self.listed()),
            1 => Response::Metadata(Metadata {
                mailbox: self.annotated(),
                entries: if self.coin() {
                    MetadataEntries::Changed(List::of(self.some(3, Self::string)))
                } else {
                    MetadataEntries::Values(List::of(self.many(3, Self::metadata_entry)))
                },
            }),
            2 => Response::Annotation(Annotations {
                mailbox: self.annotated(),
                entries: if self.coin() {
                    AnnotationEntries::Changed(List::of(self.some(3, Self::string)))
                } else {
                    AnnotationEntries::Values(List::of(self.some(2, Self::annotation)))
                },
            }),
            3 => Response::Language(List::of(self.some(3, Self::string))),
            4 => Response::Comparator(Comparator {
                active: self.string(),
                matching: self.option(|g| List::of(g.some(2, Self::string))),
            }),
            _ => Response::JmapAccess(IString::new(leak("https://example.org/jmap")).unwrap()),
        }
    }
}
