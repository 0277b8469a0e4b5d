//! The SEARCH family: keys, return options, commands, results.

use imap_proto::search::{
    ContextUpdate, EntryKind, FilterName, ModSeqEntry, Score, SearchData, SearchedMailbox, SortCriterion,
    SortKey, SortOrder, ThreadAlgorithm,
};
use imap_proto::{
    Command, Direction, Esearch, FetchAttribute, Flag, GmailLabel, IString, List, ModSeq, Multisearch,
    NumberList, ObjectId, One, PartialRange, Response, Search, SearchKey, SearchResult, SearchReturn,
    SearchSource, Sort, Thread, ThreadQuery, Threads,
};

use super::{Gen, leak};

impl Gen<'_> {
    pub(super) fn search_command(&mut self) -> Command<'static> {
        match self.below(6) {
            0..=1 => Command::Search(Search {
                numbering: self.numbering(),
                returned: self.returned(),
                charset: self.option(Self::charset),
                keys: self.keys(),
            }),
            2 => Command::Sort(Sort {
                numbering: self.numbering(),
                returned: self.returned(),
                criteria: List::of(self.some(3, Self::criterion)),
                charset: self.charset(),
                keys: self.keys(),
            }),
            3 => Command::Thread(ThreadQuery {
                numbering: self.numbering(),
                algorithm: ThreadAlgorithm::new(self.pick(&["ORDEREDSUBJECT", "references", "REFS"]))
                    .unwrap(),
                charset: self.charset(),
                keys: self.keys(),
            }),
            4 => {
                let sources = List::of(self.many(3, Self::source));
                let returned = self.returned().filter(|options| {
                    // SAVE is for the selected mailbox.
                    sources.is_empty() || !options.iter().any(|option| option == SearchReturn::Save)
                });
                let charset = self.option(Self::charset);
                Command::Esearch(Multisearch { sources, returned, charset, keys: self.keys() })
            }
            _ => Command::CancelUpdate(List::of(self.some(3, Self::tag))),
        }
    }

    pub(super) fn search_response(&mut self) -> Response<'static> {
        match self.below(6) {
            0 => Response::Search(self.result()),
            1 => Response::Sort(self.result()),
            2 => Response::Thread(Threads::of(self.many(3, |g| g.thread(4)))),
            _ => Response::Esearch(Esearch {
                tag: self.option(Self::tag),
                mailbox: self.option(|g| SearchedMailbox { name: g.mailbox(), uid_validity: g.non_zero() }),
                numbering: self.numbering(),
                data: List::of(self.many(4, Self::search_data)),
            }),
        }
    }

    fn keys(&mut self) -> List<'static, SearchKey<'static>> {
        List::of(self.some(4, |g| g.key(6)))
    }

    fn charset(&mut self) -> IString<'static> {
        IString::new(self.atom()).unwrap()
    }

    fn returned(&mut self) -> Option<List<'static, SearchReturn<'static>>> {
        let options = [
            SearchReturn::Min,
            SearchReturn::Max,
            SearchReturn::Count,
            SearchReturn::Save,
            SearchReturn::Relevancy,
            SearchReturn::Update(List::default()),
            SearchReturn::Update(List::of(leak([FetchAttribute::Uid, self.attribute()]))),
            SearchReturn::Context,
        ];
        self.option(|g| {
            let mut chosen = g.many(4, |g| g.pick(&options)).to_vec();
            match g.below(3) {
                0 => {}
                1 => chosen.push(SearchReturn::All),
                _ => chosen.push(SearchReturn::Partial(g.partial_range())),
            }
            List::of(chosen.leak())
        })
    }

    fn partial_range(&mut self) -> PartialRange {
        let from = self.pick(&[Direction::Start, Direction::End]);
        PartialRange { from, start: self.non_zero(), end: self.non_zero() }
    }

    fn criterion(&mut self) -> SortCriterion {
        let key = self.pick(&[
            SortKey::Arrival,
            SortKey::Cc,
            SortKey::Date,
            SortKey::From,
            SortKey::Size,
            SortKey::Subject,
            SortKey::To,
            SortKey::DisplayFrom,
            SortKey::DisplayTo,
            SortKey::Relevancy,
        ]);
        SortCriterion { key, order: self.pick(&[SortOrder::Ascending, SortOrder::Reverse]) }
    }

    fn source(&mut self) -> SearchSource<'static> {
        match self.below(7) {
            0 => SearchSource::Selected,
            1 => SearchSource::Inboxes,
            2 => SearchSource::Personal,
            3 => SearchSource::Subscribed,
            4 => SearchSource::Subtree(List::of(self.some(3, Self::mailbox))),
            5 => SearchSource::SubtreeOne(List::of(self.some(3, Self::mailbox))),
            _ => SearchSource::Mailboxes(List::of(self.some(3, Self::mailbox))),
        }
    }

    fn result(&mut self) -> SearchResult<'static> {
        let numbers = NumberList::of(self.many(9, |g| g.u32().max(1))).unwrap();
        SearchResult { numbers, modseq: self.option(Self::modseq).filter(|_| !numbers.is_empty()) }
    }

    pub(super) fn modseq(&mut self) -> ModSeq {
        ModSeq::new(self.u64() >> 1).unwrap()
    }

    fn entry(&mut self) -> ModSeqEntry<'static> {
        ModSeqEntry {
            flag: self.settable(),
            kind: self.pick(&[EntryKind::Private, EntryKind::Shared, EntryKind::All]),
        }
    }

    fn thread(&mut self, depth: usize) -> Thread<'static> {
        let mut branches: &'static [Thread<'static>] = &[];
        if depth > 0 && self.coin() {
            branches = leak([self.thread(depth - 1), self.thread(depth - 1)]);
        }
        let number = |g: &mut Self| g.u32().max(1);
        let members = if branches.is_empty() { self.some(3, number) } else { self.many(3, number) };
        Thread { members: NumberList::of(members).unwrap(), branches: Threads::of(branches) }
    }

    fn search_data(&mut self) -> SearchData<'static> {
        match self.below(10) {
            0 => SearchData::Min(self.non_zero()),
            1 => SearchData::Max(self.non_zero()),
            2 | 3 => SearchData::All(self.uids()),
            4 => SearchData::Count(self.u32()),
            5 => SearchData::ModSeq(self.modseq()),
            6 => SearchData::Relevancy(List::of(self.many(4, |g| Score::new(g.byte() % 100 + 1).unwrap()))),
            7 => SearchData::Partial { range: self.partial_range(), messages: self.option(Self::uids) },
            8 => SearchData::AddTo(List::of(self.some(3, Self::update))),
            _ => SearchData::RemoveFrom(List::of(self.some(3, Self::update))),
        }
    }

    fn update(&mut self) -> ContextUpdate<'static> {
        ContextUpdate { position: self.u32(), messages: self.uids() }
    }

    fn key(&mut self, depth: usize) -> SearchKey<'static> {
        match self.below(if depth == 0 { 38 } else { 43 }) {
            0 => SearchKey::All,
            1 => SearchKey::New,
            2 | 3 => {
                let flags =
                    [Flag::Seen, Flag::Answered, Flag::Deleted, Flag::Draft, Flag::Flagged, Flag::Recent];
                let flag = if self.coin() { self.pick(&flags) } else { Flag::new("$x").unwrap() };
                if self.coin() { SearchKey::Flag(flag) } else { SearchKey::NoFlag(flag) }
            }
            4 => SearchKey::Bcc(self.string()),
            5 => SearchKey::Body(self.string()),
            6 => SearchKey::Cc(self.string()),
            7 => SearchKey::From(self.string()),
            8 => SearchKey::Subject(self.string()),
            9 => SearchKey::Text(self.string()),
            10 => SearchKey::To(self.string()),
            11 => SearchKey::Header { field: self.string(), value: self.string() },
            12 => SearchKey::Before(self.date()),
            13 => SearchKey::On(self.date()),
            14 => SearchKey::Since(self.date()),
            15 => SearchKey::SentBefore(self.date()),
            16 => SearchKey::SentOn(self.date()),
            17 => SearchKey::SentSince(self.date()),
            18 => SearchKey::Larger(self.u64()),
            19 => SearchKey::Smaller(self.u64()),
            20 => SearchKey::Sequence(self.set()),
            21 => SearchKey::Uid(self.set()),
            22 => SearchKey::SavedBefore(self.date()),
            23 => SearchKey::SavedOn(self.date()),
            24 => SearchKey::SavedSince(self.date()),
            25 => SearchKey::SaveDateSupported,
            26 => SearchKey::Older(self.non_zero()),
            27 => SearchKey::Younger(self.non_zero()),
            28..=30 => SearchKey::ModSeq { entry: self.option(Self::entry), at_least: self.modseq() },
            31 => SearchKey::EmailId(ObjectId::new(self.pick(&["M6d99-_", "NIL", "0"])).unwrap()),
            32 => SearchKey::ThreadId(ObjectId::new(self.pick(&["T64b478a75b7ea9", "NOT"])).unwrap()),
            33 => SearchKey::Filter(FilterName::new(self.pick(&["on-the-road", "OR", "$"])).unwrap()),
            34 => SearchKey::GmailRaw(self.string()),
            35 => SearchKey::GmailMessageId(self.u64()),
            36 => SearchKey::GmailThreadId(self.u64()),
            37 => SearchKey::GmailLabel(GmailLabel(
                self.option(|g| IString::new(g.pick(&["\\Inbox", "\\", "\\a b"])).unwrap())
                    .unwrap_or_else(|| self.string()),
            )),
            38 | 39 => SearchKey::Not(One::of(leak(self.key(depth - 1)))),
            40 => SearchKey::Fuzzy(One::of(leak(self.key(depth - 1)))),
            41 => SearchKey::Or(One::of(leak(self.key(depth - 1))), One::of(leak(self.key(depth - 1)))),
            _ => SearchKey::And(List::of(self.some(3, |g| g.key(depth - 1)))),
        }
    }
}
