//! Values of the whole grammar, made from entropy: every choice takes bytes from a pool, and an empty pool chooses the
//! simplest, so what fails shrinks.
//!
//! Views borrow, and a generator has nothing to borrow from: what it makes is leaked, a few hundred bytes a value.

use std::num::NonZeroU32;

use bytes::Bytes;
use imap_proto::fetch::{
    CommonExtension, Disposition, MultiExtension, MultiPart, Parameter, PartPath, SingleExtension, SinglePart,
};
use imap_proto::{
    Acl, AclEntry, AclSubject, Address, Authenticate, BodyPart, Capability, CapabilityName, Command,
    Compression, Condition, Copying, Data, Date, DateTime, Envelope, Fetch, FetchAttribute, FetchItem, Flag,
    IString, Id, IdField, List, ListPattern, ListRights, Login, MailboxName, MailboxStatus, Mechanism,
    MyRights, Namespaces, Numbering, One, PartKind, Partial, Password, Peek, Quota, QuotaRoot, ResourceLimit,
    ResourceUsage, Response, Rights, RightsAction, Section, SectionText, SequenceNumber, SequenceRange,
    SequenceSet, SetAcl, SetQuota, SettableFlag, Status, StatusQuery, Tag, TaggedCommand, Text,
};

#[path = "generate_mailbox.rs"]
mod mailbox;
#[path = "generate_message.rs"]
mod message;
#[path = "generate_search.rs"]
mod search;

pub(crate) struct Gen<'e> {
    pool: &'e [u8],
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

impl<'e> Gen<'e> {
    pub(crate) fn new(pool: &'e [u8]) -> Self {
        Self { pool }
    }

    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.pool.split_first() else { return 0 };
        self.pool = rest;
        first
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    fn coin(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn u32(&mut self) -> u32 {
        match self.below(4) {
            0 => u32::from(self.byte()),
            1 => u32::MAX,
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    fn u64(&mut self) -> u64 {
        if self.below(8) == 1 { u64::MAX } else { u64::from(self.u32()) << self.below(20) }
    }

    fn non_zero(&mut self) -> NonZeroU32 {
        NonZeroU32::new(self.u32()).unwrap_or(NonZeroU32::MIN)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn many<T>(&mut self, max: usize, mut one: impl FnMut(&mut Self) -> T) -> &'static [T] {
        let count = self.below(max + 1);
        (0..count).map(|_| one(self)).collect::<Vec<_>>().leak()
    }

    fn some<T>(&mut self, max: usize, mut one: impl FnMut(&mut Self) -> T) -> &'static [T] {
        let count = 1 + self.below(max);
        (0..count).map(|_| one(self)).collect::<Vec<_>>().leak()
    }

    fn option<T>(&mut self, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.coin() { Some(one(self)) } else { None }
    }

    fn atom(&mut self) -> &'static str {
        self.pick(&[
            "x", "a1", "UTF-8", "NIL", "$Label1", "#news", "~", "a+b", "Fl&g", "UID", "1:2", "=", "a.b[c",
        ])
    }

    /// Content that tries to end a line, a string or a list.
    fn content(&mut self) -> &'static [u8] {
        let fixed = self.pick(&[
            "",
            "x",
            "NIL",
            "nil",
            "two words",
            "a\"b",
            "\\",
            "\\\"",
            "(",
            ")",
            "a]b",
            "{5}",
            "{5}\r\n",
            "\r\n",
            "\r\na2 LOGOUT\r\n",
            "a\r\n{3+}\r\nxyz",
            "%",
            "*",
            "é",
            "日本",
            "&AOk-",
            "&",
            "~{1}",
            "\t",
            "\x7f",
            "1:*",
        ]);
        match self.below(8) {
            0 => fixed.as_bytes(),
            1 => [fixed.as_bytes(), fixed.as_bytes()].concat().leak(),
            2 => vec![b'q'; 1000 + self.below(60)].leak(),
            _ => self.many(12, |g| g.byte().max(1)),
        }
    }

    fn string(&mut self) -> IString<'static> {
        IString::new(self.content()).unwrap()
    }

    fn nstring(&mut self) -> Option<IString<'static>> {
        self.option(Self::string)
    }

    fn text(&mut self) -> Text<'static> {
        Text::new(self.pick(&["", "done", "a [b] c", " x", "{5}", "é", "* 1 EXISTS", "\"", "(", "] x"]))
            .unwrap()
    }

    fn mailbox(&mut self) -> MailboxName<'static> {
        let fixed = self.pick(&[
            "INBOX",
            "inbox",
            "Work",
            "two words",
            "a&b",
            "Entwürfe/日本",
            "&AOk-",
            "50%*",
            "q\"\\",
            "é&é",
            "NIL",
            "a]b",
            "👎",
            "{3}",
            "()",
        ]);
        MailboxName::new(fixed).unwrap()
    }

    fn pattern(&mut self) -> ListPattern<'static> {
        ListPattern::new(self.pick(&["", "*", "%", "INBOX.%", "é*", "a b*", "&%", "\"", "a]*"])).unwrap()
    }

    fn tag(&mut self) -> Tag<'static> {
        Tag::new(self.pick(&["a", "A001", "]", "x.y", "0"])).unwrap()
    }

    fn flag(&mut self) -> Flag<'static> {
        self.pick(&[
            Flag::Seen,
            Flag::Answered,
            Flag::Flagged,
            Flag::Deleted,
            Flag::Draft,
            Flag::Recent,
            Flag::Any,
            Flag::new("$Forwarded").unwrap(),
            Flag::new("\\Vendor").unwrap(),
            Flag::new("a]").unwrap(),
        ])
    }

    fn settable(&mut self) -> SettableFlag<'static> {
        SettableFlag::new(self.flag()).unwrap_or(SettableFlag::new(Flag::Seen).unwrap())
    }

    fn date(&mut self) -> Date {
        Date::from_unix_days(i64::from(self.u32() % 3_000_000) - 700_000).unwrap()
    }

    fn moment(&mut self) -> DateTime {
        let zone = i16::try_from(self.below(2_000)).unwrap() - 1_000;
        DateTime::from_unix_seconds(i64::from(self.u32()), zone).unwrap()
    }

    fn range(&mut self) -> SequenceRange {
        let end = |g: &mut Self| {
            if g.below(4) == 1 { SequenceNumber::Largest } else { SequenceNumber::Number(g.non_zero()) }
        };
        let from = end(self);
        SequenceRange { from, to: if self.coin() { end(self) } else { from } }
    }

    fn set(&mut self) -> SequenceSet<'static> {
        if self.below(16) == 1 {
            return SequenceSet::SAVED_RESULT;
        }
        SequenceSet::of(self.some(4, Self::range)).unwrap()
    }

    fn uids(&mut self) -> SequenceSet<'static> {
        SequenceSet::of(self.some(4, |g| SequenceRange::one(g.non_zero()))).unwrap()
    }

    fn capability(&mut self) -> Capability<'static> {
        let name = self.atom();
        match self.below(9) {
            0 => Capability::new(name).unwrap(),
            1 => Capability::Auth(Mechanism::new(name).unwrap()),
            2 => Capability::Thread(CapabilityName::new(name).unwrap()),
            3 => Capability::Rights(self.rights()),
            4 => Capability::QuotaResource(self.resource()),
            5 => Capability::AppendLimit(self.option(Self::u64)),
            6 => Capability::MessageLimit(self.u32()),
            7 => Capability::I18nLevel(self.byte()),
            _ => self.pick(&[
                Capability::Imap4Rev2,
                Capability::LiteralPlus,
                Capability::CreateSpecialUse,
                Capability::MailboxReferrals,
            ]),
        }
    }

    fn numbering(&mut self) -> Numbering {
        if self.coin() { Numbering::Uid } else { Numbering::Sequence }
    }

    fn path(&mut self, min: usize) -> PartPath<'static> {
        let numbers = self.many(3, Self::non_zero);
        if numbers.len() < min { PartPath::of(leak([NonZeroU32::MIN])) } else { PartPath::of(numbers) }
    }

    fn section(&mut self) -> Section<'static> {
        match self.below(6) {
            0 => Section { path: self.path(0), text: SectionText::All },
            1 => Section { path: self.path(0), text: SectionText::Header },
            2 => Section { path: self.path(0), text: SectionText::Text },
            3 => Section { path: self.path(1), text: SectionText::Mime },
            4 => {
                let names = List::of(self.some(3, Self::string));
                Section { path: self.path(0), text: SectionText::HeaderFields(names) }
            }
            _ => {
                let names = List::of(self.some(3, Self::string));
                Section { path: self.path(0), text: SectionText::HeaderFieldsNot(names) }
            }
        }
    }

    fn attribute(&mut self) -> FetchAttribute<'static> {
        if self.below(4) == 1 {
            return self.extended_attribute();
        }
        let simple = [
            FetchAttribute::Uid,
            FetchAttribute::Flags,
            FetchAttribute::Envelope,
            FetchAttribute::InternalDate,
            FetchAttribute::Rfc822,
            FetchAttribute::Rfc822Header,
            FetchAttribute::Rfc822Size,
            FetchAttribute::Rfc822Text,
            FetchAttribute::Body,
            FetchAttribute::BodyStructure,
        ];
        if self.coin() {
            return self.pick(&simple);
        }
        FetchAttribute::Section {
            peek: self.pick(&[Peek::SetSeen, Peek::LeaveUnseen]),
            section: self.section(),
            partial: self.option(|g| Partial { offset: g.u32(), count: g.non_zero() }),
        }
    }

    fn data(&mut self) -> Data<'static> {
        match self.below(3) {
            0 => Data::Nil,
            1 => Data::inline(self.many(20, Self::byte)),
            _ => Data::Shared(leak(Bytes::from_static(self.many(20, Self::byte)))),
        }
    }

    fn address(&mut self) -> Address<'static> {
        Address { name: self.nstring(), adl: self.nstring(), mailbox: self.nstring(), host: self.nstring() }
    }

    fn envelope(&mut self) -> Envelope<'static> {
        Envelope {
            date: self.nstring(),
            subject: self.nstring(),
            from: List::of(self.many(2, Self::address)),
            sender: List::of(self.many(2, Self::address)),
            reply_to: List::of(self.many(2, Self::address)),
            to: List::of(self.many(2, Self::address)),
            cc: List::of(self.many(2, Self::address)),
            bcc: List::of(self.many(2, Self::address)),
            in_reply_to: self.nstring(),
            message_id: self.nstring(),
        }
    }

    fn parameter(&mut self) -> Parameter<'static> {
        Parameter { name: self.string(), value: self.string() }
    }

    fn common(&mut self) -> CommonExtension<'static> {
        CommonExtension {
            disposition: self.option(|g| Disposition {
                name: g.string(),
                parameters: List::of(g.many(2, Self::parameter)),
            }),
            language: List::of(self.many(2, Self::string)),
            location: self.nstring(),
        }
    }

    fn part(&mut self, depth: usize) -> BodyPart<'static> {
        if depth > 0 && self.coin() {
            return BodyPart::Multi(MultiPart {
                parts: List::of(self.some(3, |g| g.part(depth - 1))),
                subtype: self.string(),
                extension: self.option(|g| MultiExtension {
                    parameters: List::of(g.many(2, Self::parameter)),
                    common: g.common(),
                }),
            });
        }
        let known = |text: &'static str| IString::new(text).unwrap();
        let (media_type, subtype, kind) = match self.below(3) {
            0 => (known("APPLICATION"), self.string(), PartKind::Basic),
            1 => (known("text"), self.string(), PartKind::Text { lines: self.u64() }),
            _ if depth == 0 => (known("message"), known("rfc822"), PartKind::Basic),
            _ => {
                let body = One::of(leak(self.part(depth - 1)));
                let kind =
                    PartKind::Message { envelope: One::of(leak(self.envelope())), body, lines: self.u64() };
                (known("Message"), known("RFC822"), kind)
            }
        };
        BodyPart::Single(SinglePart {
            media_type,
            subtype,
            parameters: List::of(self.many(2, Self::parameter)),
            id: self.nstring(),
            description: self.nstring(),
            encoding: self.nstring(),
            octets: self.u64(),
            kind,
            extension: self.option(|g| SingleExtension { md5: g.nstring(), common: g.common() }),
        })
    }

    fn item(&mut self) -> FetchItem<'static> {
        match self.below(15) {
            11.. => self.extended_item(),
            0 => FetchItem::Uid(self.u32()),
            1 => FetchItem::Flags(List::of(self.many(4, Self::flag))),
            2 => FetchItem::InternalDate(self.moment()),
            3 => FetchItem::Rfc822Size(self.u64()),
            4 => FetchItem::Envelope(One::of(leak(self.envelope()))),
            5 => FetchItem::Body(One::of(leak(self.part(2)))),
            6 => FetchItem::BodyStructure(One::of(leak(self.part(4)))),
            7 => FetchItem::Rfc822(self.data()),
            8 => FetchItem::Rfc822Header(self.data()),
            9 => FetchItem::Rfc822Text(self.data()),
            _ => FetchItem::Section {
                section: self.section(),
                origin: self.option(Self::u32),
                data: self.data(),
            },
        }
    }

    fn rights(&mut self) -> Rights<'static> {
        Rights::new(self.pick(&["", "lr", "lrswipkxtecdan", "0123456789"])).unwrap()
    }

    fn id(&mut self) -> Id<'static> {
        let short = |g: &mut Self| IString::new(g.pick(&["name", "os", "a\"b", "é", ""])).unwrap();
        Id {
            fields: self
                .option(|g| List::of(g.many(3, |g| IdField { field: short(g), value: g.option(short) }))),
        }
    }

    fn copying(&mut self) -> Copying<'static> {
        Copying { numbering: self.numbering(), messages: self.set(), mailbox: self.mailbox() }
    }

    pub(crate) fn command(&mut self) -> TaggedCommand<'static> {
        let tag = self.tag();
        let command = match self.below(44) {
            0 => Command::Capability,
            1 => Command::Noop,
            2 => Command::Logout,
            3 => match self.below(3) {
                0 => Command::Compress(Compression::Deflate),
                1 => Command::Unauthenticate,
                _ => Command::StartTls,
            },
            4 => Command::Authenticate(Authenticate {
                mechanism: Mechanism::new(self.pick(&["PLAIN", "SCRAM-SHA-256"])).unwrap(),
                initial: self.option(|g| Password(IString::new(g.pick(&["=", "YQ==", "a+/b"])).unwrap())),
            }),
            5 => Command::Login(Login { user: self.string(), password: Password(self.string()) }),
            6 => Command::Enable(List::of(self.some(3, Self::capability))),
            7 => Command::Id(self.id()),
            8..=10 | 12 => self.mailbox_command(),
            11 => Command::Delete(self.mailbox()),
            13 => Command::Subscribe(self.mailbox()),
            14 => Command::Unsubscribe(self.mailbox()),
            15 => Command::List(self.query(true)),
            16 => Command::Lsub(self.query(false)),
            17 => Command::Status(StatusQuery {
                mailbox: self.mailbox(),
                items: List::of(self.some(5, Self::status_item)),
            }),
            18 => self.append(),
            19 => Command::Namespace,
            20 => Command::Idle,
            21 => Command::Check,
            22 => Command::Close,
            23 => Command::Unselect,
            24 => Command::Expunge,
            25 => Command::UidExpunge(self.set()),
            26 | 27 => self.search_command(),
            28 => {
                let macros = [FetchAttribute::All, FetchAttribute::Fast, FetchAttribute::Full];
                let attributes = if self.below(4) == 1 {
                    leak([self.pick(&macros)])
                } else {
                    self.some(4, Self::attribute)
                };
                let attributes = List::of(attributes);
                let (numbering, messages) = (self.numbering(), self.set());
                Command::Fetch(Fetch {
                    numbering,
                    messages,
                    attributes,
                    modifiers: self.modifiers(numbering),
                })
            }
            29 => Command::Store(self.store()),
            30 => Command::Copy(self.copying()),
            31 => Command::Move(self.copying()),
            32 => Command::SetAcl(SetAcl {
                mailbox: self.mailbox(),
                identifier: self.string(),
                action: self.pick(&[RightsAction::Replace, RightsAction::Add, RightsAction::Remove]),
                rights: self.rights(),
            }),
            33 => Command::DeleteAcl(AclSubject { mailbox: self.mailbox(), identifier: self.string() }),
            34 => Command::GetAcl(self.mailbox()),
            35 => Command::ListRights(AclSubject { mailbox: self.mailbox(), identifier: self.string() }),
            36 => Command::MyRights(self.mailbox()),
            37 => Command::SetQuota(SetQuota {
                root: self.string(),
                limits: List::of(self.many(2, |g| ResourceLimit { resource: g.resource(), limit: g.u63() })),
            }),
            38 if self.coin() => Command::GetQuota(self.string()),
            38 => Command::GetQuotaRoot(self.mailbox()),
            _ => self.message_command(),
        };
        TaggedCommand { tag, command }
    }

    fn status(&mut self, conditions: &[Condition]) -> Status<'static> {
        Status { condition: self.pick(conditions), code: self.option(Self::code), text: self.text() }
    }

    pub(crate) fn response(&mut self) -> Response<'static> {
        let tagged = [Condition::Ok, Condition::No, Condition::Bad];
        let all = [Condition::Ok, Condition::No, Condition::Bad, Condition::PreAuth, Condition::Bye];
        match self.below(33) {
            0 => Response::Tagged { tag: self.tag(), status: self.status(&tagged) },
            1 => Response::Status(self.status(&all)),
            2 => Response::Continue(self.text()),
            3 => Response::Capability(List::of(self.many(3, Self::capability))),
            4 => Response::Enabled(List::of(self.many(3, Self::capability))),
            5 => Response::List(self.listed()),
            6 => Response::Lsub(self.listed()),
            7 => Response::MailboxStatus(MailboxStatus {
                mailbox: self.mailbox(),
                values: List::of(self.many(4, Self::status_value)),
            }),
            8 => self.search_response(),
            9 => Response::Flags(List::of(self.many(4, Self::flag))),
            10 => Response::Exists(self.u32()),
            11 => Response::Recent(self.u32()),
            12 => Response::Expunge(self.u32().max(1)),
            13..=16 => {
                Response::Fetch { message: self.u32().max(1), items: List::of(self.many(5, Self::item)) }
            }
            17 => Response::Namespace(Namespaces {
                personal: List::of(self.many(2, Self::namespace)),
                other_users: List::of(self.many(2, Self::namespace)),
                shared: List::of(self.many(2, Self::namespace)),
            }),
            18 => Response::Id(self.id()),
            19 => Response::Acl(Acl {
                mailbox: self.mailbox(),
                entries: List::of(self.many(3, |g| AclEntry { identifier: g.string(), rights: g.rights() })),
            }),
            20 => Response::ListRights(ListRights {
                mailbox: self.mailbox(),
                identifier: self.string(),
                required: self.rights(),
                optional: List::of(self.many(3, Self::rights)),
            }),
            21 => Response::MyRights(MyRights { mailbox: self.mailbox(), rights: self.rights() }),
            22 => Response::Quota(Quota {
                root: self.string(),
                resources: List::of(self.many(3, |g| ResourceUsage {
                    resource: g.resource(),
                    usage: g.u63(),
                    limit: g.u63(),
                })),
            }),
            24..=27 => self.mailbox_response(),
            28..=32 => self.message_response(),
            _ => Response::QuotaRoot(QuotaRoot {
                mailbox: self.mailbox(),
                roots: List::of(self.many(2, Self::string)),
            }),
        }
    }
}
