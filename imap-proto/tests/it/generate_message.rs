//! Values of the message family: FETCH, STORE, APPEND and REPLACE with their extensions, URLs, response codes.

use imap_proto::{
    Access, Append, CatenatePart, Code, Command, Component, Data, Direction, ErrorCode, Expire,
    FetchAttribute, FetchItem, FetchModifier, GmailLabel, Gone, IString, ImapUrl, List, MetadataCode, ModSeq,
    NewContent, NewMessage, Numbering, ObjectId, One, PartialRange, Password, Peek, PreviewDelay, Progress,
    Referral, Replace, ResetKey, Response, SequenceNumber, Store, StoreAction, StoreAnswer, StoreData,
    UrlAuth, UrlBase, UrlContent, UrlFound, UrlHost, UrlItem, UrlKey, UrlMechanism, UrlMessage, UrlPart,
    UrlPartial, UrlQuery, UrlRump, UrlServer, UrlText, UrlUser, Vanished, Verifier,
};

use super::{Gen, leak};

impl Gen<'_> {
    fn object_id(&mut self) -> ObjectId<'static> {
        ObjectId::new(self.pick(&["M1", "nil", "NIL", "-", "T_6d99ac3275bb4e"])).unwrap()
    }

    fn short(&mut self) -> IString<'static> {
        IString::new(self.pick(&["x", "", "A 1", "q\"\\", "NIL", "(", "{3}"])).unwrap()
    }

    fn binary(&mut self) -> Data<'static> {
        if self.coin() { self.data() } else { Data::inline(b"a\0b\r\n") }
    }

    fn octets(&mut self) -> Data<'static> {
        Data::inline(self.many(30, Self::byte))
    }

    fn label(&mut self) -> GmailLabel<'static> {
        let fixed = self.pick(&["\\Inbox", "\\", "Important", "Muy Importante", "Entw&APw-rfe", "\\a b", ""]);
        GmailLabel(if self.coin() { IString::new(fixed).unwrap() } else { self.string() })
    }

    pub(super) fn extended_attribute(&mut self) -> FetchAttribute<'static> {
        let simple = [
            FetchAttribute::ModSeq,
            FetchAttribute::EmailId,
            FetchAttribute::ThreadId,
            FetchAttribute::SaveDate,
            FetchAttribute::Preview(PreviewDelay::Wait),
            FetchAttribute::Preview(PreviewDelay::Lazy),
            FetchAttribute::Rfc822Peek,
            FetchAttribute::GmailMessageId,
            FetchAttribute::GmailThreadId,
            FetchAttribute::GmailLabels,
        ];
        match self.below(4) {
            0 | 1 => self.pick(&simple),
            2 => FetchAttribute::BinarySize(self.path(0)),
            _ => FetchAttribute::Binary {
                peek: self.pick(&[Peek::SetSeen, Peek::LeaveUnseen]),
                part: self.path(0),
                partial: self.option(|g| imap_proto::Partial { offset: g.u32(), count: g.non_zero() }),
            },
        }
    }

    pub(super) fn extended_item(&mut self) -> FetchItem<'static> {
        match self.below(10) {
            0 => {
                FetchItem::Binary { part: self.path(0), origin: self.option(Self::u32), data: self.binary() }
            }
            1 => FetchItem::BinarySize { part: self.path(0), bytes: self.u64() },
            2 => FetchItem::ModSeq(self.modseq()),
            3 => FetchItem::EmailId(self.object_id()),
            4 => FetchItem::ThreadId(self.option(Self::object_id)),
            5 => FetchItem::SaveDate(self.option(Self::moment)),
            6 => FetchItem::Preview(self.nstring()),
            7 => FetchItem::GmailMessageId(self.u64()),
            8 => FetchItem::GmailThreadId(self.u64()),
            _ => FetchItem::GmailLabels(List::of(self.many(4, Self::label))),
        }
    }

    pub(super) fn modifiers(&mut self, numbering: Numbering) -> List<'static, FetchModifier> {
        let mut modifiers = Vec::new();
        if self.below(3) == 1 {
            modifiers.push(FetchModifier::ChangedSince(ModSeq::new(self.modseq().value().max(1)).unwrap()));
            if numbering == Numbering::Uid && self.coin() {
                modifiers.push(FetchModifier::Vanished);
            }
        }
        if numbering == Numbering::Uid && self.below(3) == 1 {
            modifiers.push(FetchModifier::Partial(PartialRange {
                from: self.pick(&[Direction::Start, Direction::End]),
                start: self.non_zero(),
                end: self.non_zero(),
            }));
        }
        List::of(modifiers.leak())
    }

    pub(super) fn store(&mut self) -> Store<'static> {
        Store {
            numbering: self.numbering(),
            messages: self.set(),
            unchanged_since: self.option(Self::modseq),
            action: self.pick(&[StoreAction::Replace, StoreAction::Add, StoreAction::Remove]),
            answer: self.pick(&[StoreAnswer::Flags, StoreAnswer::Silent]),
            data: if self.below(3) == 1 {
                StoreData::GmailLabels(List::of(self.many(3, Self::label)))
            } else {
                StoreData::Flags(List::of(self.many(3, Self::settable)))
            },
        }
    }

    fn url(&mut self) -> UrlText<'static> {
        UrlText(IString::new(self.pick(&["/x/;UID=1", "imap://a;AUTH=*@b/c%20d", "x"])).unwrap())
    }

    fn mechanism(&mut self) -> UrlMechanism<'static> {
        UrlMechanism::new(self.pick(&["INTERNAL", "X-y.2"])).unwrap()
    }

    fn part_of_message(&mut self) -> CatenatePart<'static> {
        match self.below(3) {
            0 => CatenatePart::Url(UrlText(self.string())),
            1 => CatenatePart::Text(self.octets()),
            _ => CatenatePart::Utf8(self.octets()),
        }
    }

    pub(super) fn new_message(&mut self) -> NewMessage<'static> {
        NewMessage {
            flags: List::of(self.many(3, Self::settable)),
            date: self.option(Self::moment),
            content: match self.below(4) {
                0 => NewContent::Plain(self.octets()),
                1 => NewContent::Binary(self.octets()),
                2 => NewContent::Utf8(self.octets()),
                _ => NewContent::Catenate(List::of(self.some(3, Self::part_of_message))),
            },
        }
    }

    pub(super) fn append(&mut self) -> Command<'static> {
        Command::Append(Append {
            mailbox: self.mailbox(),
            messages: List::of(self.some(3, Self::new_message)),
        })
    }

    pub(super) fn message_command(&mut self) -> Command<'static> {
        match self.below(5) {
            0 => Command::Replace(Replace {
                numbering: self.numbering(),
                message: if self.coin() {
                    SequenceNumber::Largest
                } else {
                    SequenceNumber::Number(self.non_zero())
                },
                mailbox: self.mailbox(),
                replacement: self.new_message(),
            }),
            1 => Command::GenUrlAuth(List::of(
                self.some(2, |g| UrlRump { url: UrlText(g.string()), mechanism: g.mechanism() }),
            )),
            2 => Command::ResetKey(ResetKey { mailbox: None, mechanisms: List::of(&[]) }),
            3 => Command::ResetKey(ResetKey {
                mailbox: Some(self.mailbox()),
                mechanisms: List::of(self.many(2, Self::mechanism)),
            }),
            _ => Command::UrlFetch(List::of(self.some(2, |g| UrlQuery {
                url: UrlText(g.string()),
                parts: List::of(g.pick(&[
                    &[][..],
                    &[UrlPart::Body],
                    &[UrlPart::Binary, UrlPart::BodyPartStructure],
                ])),
            }))),
        }
    }

    fn url_item(&mut self) -> UrlItem<'static> {
        match self.below(3) {
            0 => UrlItem::Body(self.data()),
            1 => UrlItem::Binary(self.binary()),
            _ => UrlItem::BodyPartStructure(One::of(leak(self.part(2)))),
        }
    }

    pub(super) fn message_response(&mut self) -> Response<'static> {
        match self.below(4) {
            0 => Response::UidFetch { uid: self.u32().max(1), items: List::of(self.many(5, Self::item)) },
            1 => Response::Vanished(Vanished {
                when: self.pick(&[Gone::Now, Gone::Earlier]),
                uids: self.uids(),
            }),
            2 => Response::GenUrlAuth(List::of(self.some(3, |g| UrlText(g.string())))),
            _ => Response::UrlFetch(List::of(self.some(3, |g| UrlContent {
                url: UrlText(g.string()),
                found: if g.coin() {
                    UrlFound::Items(List::of(g.some(2, Self::url_item)))
                } else {
                    UrlFound::Content(g.data())
                },
            }))),
        }
    }

    fn component(&mut self) -> Component<'static> {
        Component::new(self.string().to_bytes().to_vec().leak()).unwrap_or(Component::new("/.").unwrap())
    }

    fn url_server(&mut self) -> UrlServer<'static> {
        UrlServer {
            user: self.option(|g| match g.below(3) {
                0 => UrlUser::Name(g.component()),
                1 => UrlUser::AnyMechanism(g.option(Self::component)),
                _ => UrlUser::Mechanism(g.option(Self::component), g.component()),
            }),
            host: UrlHost::new(self.pick(&["a", "Mail.example.org", "192.0.2.1", "[2001:db8::1]"])).unwrap(),
            port: self.option(|g| u16::from(g.byte()) * 257),
        }
    }

    fn url_message(&mut self, base: &UrlBase<'_>) -> UrlMessage<'static> {
        let uid =
            if *base == UrlBase::Relative { self.option(Self::non_zero) } else { Some(self.non_zero()) };
        UrlMessage {
            uid,
            section: if uid.is_none() { Some(self.component()) } else { self.option(Self::component) },
            partial: self.option(|g| UrlPartial { offset: g.u32(), count: g.option(Self::non_zero) }),
        }
    }

    fn url_auth(&mut self) -> UrlAuth<'static> {
        UrlAuth {
            expire: self.option(|g| {
                Expire::new(g.pick(&["2026-02-28T23:59:60.25-01:30", "1970-01-01T00:00:00z"])).unwrap()
            }),
            access: match self.below(4) {
                0 => Access::Submit(self.component()),
                1 => Access::User(self.component()),
                2 => Access::AuthUser,
                _ => Access::Anonymous,
            },
            verifier: self
                .option(|g| Verifier::new(g.mechanism(), "91354a473744909de610943775f92038").unwrap()),
        }
    }

    pub(crate) fn imap_url(&mut self) -> ImapUrl<'static> {
        let base = match self.below(4) {
            0 => UrlBase::Root,
            1 => UrlBase::Server(self.url_server()),
            2 => UrlBase::Network(self.url_server()),
            _ => UrlBase::Relative,
        };
        let mut url =
            ImapUrl { base, mailbox: None, uid_validity: None, search: None, message: None, auth: None };
        if self.coin() {
            url.mailbox = Some(self.component());
            url.uid_validity = self.option(Self::non_zero);
        }
        if url.mailbox.is_some() && self.below(3) == 1 {
            url.search = Some(self.component());
        } else if url.mailbox.is_some() || base == UrlBase::Relative {
            url.message = self.option(|g| g.url_message(&base));
            if url.message.is_some_and(|message| message.uid.is_some()) {
                url.auth = self.option(Self::url_auth);
            }
        }
        url
    }

    pub(super) fn code(&mut self) -> Code<'static> {
        match self.below(36) {
            0 => Code::Alert,
            1 => Code::BadCharset(List::of(self.many(2, |g| IString::new(g.atom()).unwrap()))),
            2 => Code::Capability(List::of(self.some(3, Self::capability))),
            3 => Code::Parse,
            4 => Code::PermanentFlags(List::of(self.many(3, Self::flag))),
            5 => Code::ReadOnly,
            6 => Code::ReadWrite,
            7 => Code::TryCreate,
            8 => Code::UidNext(self.u32()),
            9 => Code::UidValidity(self.u32()),
            10 => Code::Unseen(self.u32()),
            11 => Code::AppendUid { uid_validity: self.u32(), uids: self.uids() },
            12 => Code::CopyUid { uid_validity: self.u32(), source: self.uids(), destination: self.uids() },
            13 => Code::UidNotSticky,
            14 => Code::UseAttr,
            15 => Code::TooBig,
            16 => Code::HighestModSeq(self.modseq()),
            17 => Code::NoModSeq,
            18 => Code::Modified(self.uids()),
            19 => Code::Closed,
            20 => Code::BadUrl(self.url()),
            21 => Code::UrlMechanisms(List::of(self.many(2, |g| UrlKey {
                mechanism: g.mechanism(),
                data: g.option(|g| Password(IString::new(g.pick(&["YQ==", "", "a+/b"])).unwrap())),
            }))),
            22 => Code::UnknownCte,
            23 => Code::Referral(Referral::of(self.some(2, Self::url)).unwrap()),
            24 => Code::CompressionActive,
            25 => Code::NotSaved,
            26 => Code::BadComparator,
            27 => Code::NoUpdate(self.short()),
            28 => {
                let number = self.u64();
                Code::Metadata(self.pick(&[
                    MetadataCode::LongEntries(number),
                    MetadataCode::MaxSize(number),
                    MetadataCode::TooMany,
                    MetadataCode::NoPrivate,
                ]))
            }
            29 => Code::NotificationOverflow,
            30 => Code::BadEvent(List::of(self.many(3, Self::short))),
            31 => Code::UndefinedFilter(self.short()),
            32 => Code::MailboxId(self.object_id()),
            33 => {
                let (tag, done) = (self.option(Self::short), self.option(Self::u64));
                Code::InProgress(Progress {
                    tag,
                    done,
                    goal: done.and_then(|_| self.option(|g| g.u64().max(1))),
                })
            }
            34 => Code::MessageLimit { messages: self.u32(), uid: self.option(Self::u32) },
            35 if self.coin() => Code::UidRequired,
            35 => Code::HasChildren,
            _ => Code::Condition(self.pick(&[
                ErrorCode::AuthenticationFailed,
                ErrorCode::NonExistent,
                ErrorCode::Limit,
                ErrorCode::Unavailable,
            ])),
        }
    }
}
