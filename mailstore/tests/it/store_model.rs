//! Random histories against a naive model: equal after each step, after each reopening and each checkpoint, and for a
//! client that knows a mailbox only by what its view told it.

use std::collections::{BTreeMap, BTreeSet};

use mailstore::store::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::store_support::*;

const NAMES: [&str; 6] = ["a", "a/b", "a/b/c", "b", "b/x", "c"];
const WORDS: [&str; 3] = ["red", "green", "blue"];
const FLAGS: [SystemFlags; 4] =
    [SystemFlags::SEEN, SystemFlags::DELETED, SystemFlags::FLAGGED, SystemFlags::DRAFT];

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Delete(usize),
    Rename(usize, usize),
    Append { at: usize, size: usize, flags: usize, word: usize },
    Deliver { to: Vec<usize>, size: usize },
    Flags { at: usize, range: (Uid, Uid), op: usize, flags: usize, word: usize },
    Expunge { at: usize, range: Option<(Uid, Uid)> },
    Copy { at: usize, range: (Uid, Uid), to: usize, moving: bool },
    Quota { at: usize, limit: Option<u64> },
    Sync { at: usize, show: bool },
    Checkpoint,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..NAMES.len();
    let range = || (1_u32..12, 0_u32..6).prop_map(|(first, more)| (first, first + more));
    let size = || prop_oneof![0_usize..60, Just(5000_usize)];
    prop_oneof![
        3 => at().prop_map(Step::Create),
        1 => at().prop_map(Step::Delete),
        1 => (at(), at()).prop_map(|(from, to)| Step::Rename(from, to)),
        6 => (at(), size(), 0_usize..16, 0_usize..4)
            .prop_map(|(at, size, flags, word)| Step::Append { at, size, flags, word }),
        3 => (proptest::collection::vec(at(), 1..4), size()).prop_map(|(to, size)| Step::Deliver { to, size }),
        6 => (at(), range(), 0_usize..3, 0_usize..16, 0_usize..4)
            .prop_map(|(at, range, op, flags, word)| Step::Flags { at, range, op, flags, word }),
        3 => (at(), proptest::option::of(range())).prop_map(|(at, range)| Step::Expunge { at, range }),
        4 => (at(), range(), at(), any::<bool>())
            .prop_map(|(at, range, to, moving)| Step::Copy { at, range, to, moving }),
        1 => (at(), proptest::option::of(0_u64..9000)).prop_map(|(at, limit)| Step::Quota { at, limit }),
        4 => (at(), any::<bool>()).prop_map(|(at, show)| Step::Sync { at, show }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Letter {
    text: Vec<u8>,
    flags: SystemFlags,
    words: BTreeSet<&'static str>,
    modseq: u64,
}

#[derive(Clone, Debug, Default)]
struct Folder {
    uid_validity: u32,
    uid_next: Uid,
    letters: BTreeMap<Uid, Letter>,
}

impl Folder {
    fn put(&mut self, letter: Letter) -> Uid {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.letters.insert(uid, letter);
        uid
    }

    fn size(&self) -> u64 {
        self.letters.values().map(|letter| letter.text.len() as u64).sum()
    }
}

#[derive(Default)]
struct Model {
    folders: BTreeMap<MailboxName, Folder>,
    quotas: BTreeMap<MailboxName, u64>,
    uid_validities: BTreeSet<u32>,
    highest_modseq: u64,
    texts: usize,
}

impl Model {
    fn root(&self, name: &MailboxName) -> Option<MailboxName> {
        let above = std::iter::successors(Some(name.clone()), MailboxName::parent);
        above.into_iter().find(|name| self.quotas.contains_key(name))
    }

    fn usage(&self, root: &MailboxName) -> u64 {
        let inside = self.folders.iter().filter(|(name, _)| self.root(name).as_ref() == Some(root));
        inside.map(|(_, folder)| folder.size()).sum()
    }

    /// Whether this much more is too much.
    fn over(&self, name: &MailboxName, more: u64) -> bool {
        let root = self.root(name);
        root.is_some_and(|root| more > 0 && self.usage(&root) + more > self.quotas[&root])
    }

    /// Each change has a greater MODSEQ than all before it.
    fn newer(&mut self, modseq: u64) -> u64 {
        assert!(modseq > self.highest_modseq, "{modseq} after {}", self.highest_modseq);
        self.highest_modseq = modseq;
        modseq
    }

    fn text(&mut self, size: usize) -> Vec<u8> {
        self.texts += 1;
        let mut text = format!("{} ", self.texts).into_bytes();
        text.resize(text.len() + size, b'x');
        text
    }
}

fn flags(bits: usize) -> SystemFlags {
    let chosen = FLAGS.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
    chosen.fold(SystemFlags::NONE, |sum, (_, flag)| sum.union(*flag))
}

/// What a client knows: UIDs by number, with flags.
struct Client {
    view: View,
    known: Vec<(Uid, SystemFlags)>,
}

impl Client {
    fn open(bench: &Bench, name: &MailboxName) -> Self {
        let view = bench.peer().open(name, Access::ReadWrite).unwrap();
        let known = flags_of(&view);
        Self { view, known }
    }

    /// Learns what changed, as an IMAP client does. `None` if the mailbox is gone.
    fn sync(&mut self, expunges: Expunges) -> Option<()> {
        let changes = self.view.sync(expunges).ok()?;
        for expunged in &changes.expunged {
            assert_eq!(self.known.remove(expunged.sequence as usize - 1).0, expunged.uid);
        }
        for message in &changes.changed {
            let known = &mut self.known[message.sequence as usize - 1];
            assert_eq!(known.0, message.uid);
            known.1 = message.flags;
        }
        let first_new = self.known.len() as u32 + 1;
        assert_eq!(changes.arrived, changes.exists + 1 - first_new);
        for sequence in first_new..=changes.exists {
            let uid = self.view.uid(sequence).unwrap();
            let found = self.view.messages(&UidSet::single(uid)).next();
            self.known.push((uid, found.map_or(SystemFlags::NONE, |message| message.flags)));
        }
        assert_eq!(self.known.len() as u32, changes.exists);
        assert!(
            self.known.iter().enumerate().all(|(n, (uid, _))| self.view.sequence(*uid) == Some(n as u32 + 1))
        );
        Some(())
    }
}

struct History {
    bench: Bench,
    model: Model,
    clients: BTreeMap<MailboxName, Client>,
}

impl History {
    fn new() -> Self {
        Self { bench: Bench::new(9), model: Model::default(), clients: BTreeMap::new() }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Create(at) => self.create(&name(NAMES[at])),
            Step::Delete(at) => {
                let name = name(NAMES[at]);
                let deleted = self.bench.peer().delete(&name).wait();
                assert_eq!(deleted.is_ok(), self.model.folders.remove(&name).is_some());
                self.clients.remove(&name);
            }
            Step::Rename(from, to) => self.rename(&name(NAMES[from]), &name(NAMES[to])),
            Step::Append { at, size, flags, word } => self.append(&name(NAMES[at]), size, flags, word),
            Step::Deliver { to, size } => self.deliver(&to, size),
            Step::Flags { at, range, op, flags, word } => {
                self.flags(&name(NAMES[at]), range, op, flags, word)
            }
            Step::Expunge { at, range } => self.expunge(&name(NAMES[at]), range),
            Step::Copy { at, range, to, moving } => {
                self.copy(&name(NAMES[at]), range, &name(NAMES[to]), moving)
            }
            Step::Quota { at, limit } => {
                let root = name(NAMES[at]);
                let limits = limit.map(|bytes| QuotaLimits { storage_bytes: Some(bytes), messages: None });
                let set = self.bench.peer().set_quota(&root, limits).wait();
                assert_eq!(set.is_ok(), limit.is_some() || self.model.quotas.contains_key(&root));
                match limit {
                    Some(limit) => drop(self.model.quotas.insert(root, limit)),
                    None => drop(self.model.quotas.remove(&root)),
                }
            }
            Step::Sync { at, show } => {
                let expunges = if show { Expunges::Show } else { Expunges::Hide };
                if let Some(client) = self.clients.get_mut(&name(NAMES[at])) {
                    client.sync(expunges).unwrap();
                }
            }
            Step::Checkpoint => drop(self.bench.store.checkpoint().wait().unwrap()),
            Step::Reopen => {
                self.clients.clear();
                self.bench.reopen();
                let names: Vec<_> = self.model.folders.keys().cloned().collect();
                self.clients =
                    names.into_iter().map(|n| (n.clone(), Client::open(&self.bench, &n))).collect();
            }
        }
    }

    fn create(&mut self, name: &MailboxName) {
        let created = self.bench.peer().create(name, Create::default()).wait();
        assert_eq!(created.is_ok(), !self.model.folders.contains_key(name));
        if let Ok(created) = created {
            assert!(self.model.uid_validities.insert(created.uid_validity));
            let folder = Folder { uid_validity: created.uid_validity, uid_next: 1, ..Folder::default() };
            self.model.folders.insert(name.clone(), folder);
            self.clients.insert(name.clone(), Client::open(&self.bench, name));
        }
    }

    fn rename(&mut self, from: &MailboxName, to: &MailboxName) {
        let renamed = self.bench.peer().rename(from, to).wait();
        if renamed.is_err() {
            return;
        }
        assert!(!to.is_below(from) && from != to);
        let moved = |name: &MailboxName| -> Option<MailboxName> {
            if name != from && !name.is_below(from) {
                return None;
            }
            Some(MailboxName::new(to.components().chain(name.components().skip(from.depth()))).unwrap())
        };
        let folders = std::mem::take(&mut self.model.folders);
        for (name, folder) in folders {
            assert!(self.model.folders.insert(moved(&name).unwrap_or(name), folder).is_none());
        }
        let clients = std::mem::take(&mut self.clients);
        self.clients =
            clients.into_iter().map(|(name, client)| (moved(&name).unwrap_or(name), client)).collect();
        let (leave, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.model.quotas).into_iter().partition(|(root, _)| moved(root).is_some());
        self.model.quotas.extend(stay);
        for (root, limit) in leave {
            self.model.quotas.entry(moved(&root).unwrap()).or_insert(limit);
        }
    }

    fn append(&mut self, name: &MailboxName, size: usize, bits: usize, word: usize) {
        let text = self.model.text(size);
        let word = WORDS.get(word).copied();
        let words: Vec<&str> = word.into_iter().collect();
        let flags = Flags { system: flags(bits), ..keywords(&words) };
        let message = NewMessage { flags: flags.clone(), ..NewMessage::new(self.bench.body(&text)) };
        let appended = self.bench.peer().append(name, message).wait();
        let over = self.model.over(name, text.len() as u64);
        let Ok(appended) = appended else {
            assert!(over || !self.model.folders.contains_key(name));
            return;
        };
        assert!(!over);
        let modseq = self.model.newer(appended.modseq);
        let folder = self.model.folders.get_mut(name).unwrap();
        assert_eq!(folder.uid_validity, appended.uid_validity);
        let letter = Letter { text, flags: flags.system, words: word.into_iter().collect(), modseq };
        assert_eq!(folder.put(letter), appended.uid);
    }

    fn deliver(&mut self, to: &[usize], size: usize) {
        let text = self.model.text(size);
        let names: Vec<_> = to.iter().map(|at| name(NAMES[*at])).collect();
        let results = self.bench.deliver(&text, &names.iter().collect::<Vec<_>>(), None);
        let mut newest = 0;
        for (name, result) in names.iter().zip(results) {
            let over = self.model.over(name, text.len() as u64);
            let Some(folder) = self.model.folders.get_mut(name) else {
                assert_eq!(result, Err(Error::NoSuchMailbox));
                continue;
            };
            match result {
                Ok(Delivered::New(appended)) => {
                    assert!(!over);
                    newest = appended.modseq;
                    let text = text.clone();
                    let words = BTreeSet::new();
                    let letter = Letter { text, flags: SystemFlags::NONE, words, modseq: appended.modseq };
                    assert_eq!(folder.put(letter), appended.uid);
                }
                other => assert_eq!((other, over), (Err(Error::OverQuota(Resource::Storage)), true)),
            }
        }
        if newest > 0 {
            self.model.newer(newest);
        }
    }

    fn flags(&mut self, name: &MailboxName, range: (Uid, Uid), op: usize, bits: usize, word: usize) {
        let Some(client) = self.clients.get(name) else { return };
        let word = WORDS.get(word).copied();
        let words: Vec<&str> = word.into_iter().collect();
        let wanted = Flags { system: flags(bits), ..keywords(&words) };
        let op = [FlagsOp::Add, FlagsOp::Remove, FlagsOp::Replace][op];
        let stored = client.view.store_flags(&uids(&[range]), op, wanted.clone(), None).wait().unwrap();
        assert!(stored.modified.is_empty());
        let folder = self.model.folders.get_mut(name).unwrap();
        let mut changed = false;
        for letter in folder.letters.range_mut(range.0..=range.1).map(|(_, letter)| letter) {
            let before = letter.clone();
            let words: BTreeSet<_> = word.into_iter().collect();
            match op {
                FlagsOp::Add => {
                    letter.flags = letter.flags.union(wanted.system);
                    letter.words.extend(words);
                }
                FlagsOp::Remove => {
                    letter.flags = letter.flags.without(wanted.system);
                    letter.words.retain(|word| !words.contains(word));
                }
                FlagsOp::Replace => (letter.flags, letter.words) = (wanted.system, words),
            }
            if *letter != before {
                changed = true;
                letter.modseq = stored.modseq.unwrap();
            }
        }
        assert_eq!(stored.modseq.is_some(), changed);
        if let Some(modseq) = stored.modseq {
            self.model.newer(modseq);
        }
    }

    fn expunge(&mut self, name: &MailboxName, range: Option<(Uid, Uid)>) {
        let Some(client) = self.clients.get(name) else { return };
        let set = range.map(|range| uids(&[range]));
        let gone = client.view.expunge(set.as_ref()).wait().unwrap();
        let folder = self.model.folders.get_mut(name).unwrap();
        let asked = |uid: Uid| set.as_ref().is_none_or(|set| set.contains(uid));
        let expected: Vec<Uid> = folder
            .letters
            .iter()
            .filter(|(uid, letter)| letter.flags.contains(SystemFlags::DELETED) && asked(**uid))
            .map(|(uid, _)| *uid)
            .collect();
        assert_eq!(gone.iter().collect::<Vec<_>>(), expected);
        expected.iter().for_each(|uid| drop(folder.letters.remove(uid)));
    }

    fn copy(&mut self, from: &MailboxName, range: (Uid, Uid), to: &MailboxName, moving: bool) {
        let Some(client) = self.clients.get(from) else { return };
        let set = uids(&[range]);
        let copied = if moving { client.view.move_to(&set, to) } else { client.view.copy(&set, to) }.wait();
        let letters: Vec<(Uid, Letter)> = self.model.folders[from]
            .letters
            .range(range.0..=range.1)
            .map(|(uid, letter)| (*uid, letter.clone()))
            .collect();
        let bytes = letters.iter().map(|(_, letter)| letter.text.len() as u64).sum();
        let stays = moving && self.model.root(from) == self.model.root(to);
        let over = !stays && self.model.over(to, bytes);
        let Ok(copied) = copied else {
            assert!(over || !self.model.folders.contains_key(to));
            return;
        };
        assert!(!over || letters.is_empty());
        assert!(copied.source.iter().eq(letters.iter().map(|(uid, _)| *uid)));
        if letters.is_empty() {
            return;
        }
        let modseq = self.bench.peer().status(to).unwrap().highest_modseq;
        self.model.newer(modseq);
        let target = self.model.folders.get_mut(to).unwrap();
        let first = target.uid_next;
        assert_eq!(copied.first_uid, first);
        for (_, letter) in &letters {
            target.put(Letter { modseq, ..letter.clone() });
        }
        if moving {
            let source = self.model.folders.get_mut(from).unwrap();
            letters.iter().for_each(|(uid, _)| drop(source.letters.remove(uid)));
        }
    }

    fn check(&mut self) {
        let peer = self.bench.peer();
        let names: Vec<_> = peer.list(None).into_iter().map(|info| info.name).collect();
        assert!(names.iter().eq(self.model.folders.keys()));
        for (name, folder) in &self.model.folders {
            let status = peer.status(name).unwrap();
            let count = |flag, there| {
                let letters = folder.letters.values().filter(|letter| letter.flags.contains(flag) == there);
                letters.count() as u64
            };
            assert_eq!(status.messages, folder.letters.len() as u64);
            assert_eq!((status.uid_next, status.uid_validity), (folder.uid_next, folder.uid_validity));
            assert_eq!(status.size_bytes, folder.size());
            assert_eq!(status.unseen, count(SystemFlags::SEEN, false));
            assert_eq!(status.deleted, count(SystemFlags::DELETED, true));
            let view = peer.open(name, Access::ReadOnly).unwrap();
            let table = view.keywords();
            for (message, (uid, letter)) in view.messages(&view.all()).zip(&folder.letters) {
                let words: BTreeSet<&str> = table.names(message.keywords).map(Keyword::as_str).collect();
                assert_eq!((message.uid, message.flags, words), (*uid, letter.flags, letter.words.clone()));
                assert_eq!(message.modseq, letter.modseq);
                assert!(message.modseq <= status.highest_modseq);
                assert_eq!(message.size_bytes as usize, letter.text.len());
                assert_eq!(view.body(*uid).unwrap().read_all().unwrap(), letter.text);
            }
        }
        for (root, limit) in &self.model.quotas {
            let quota = peer.quota(root).unwrap();
            assert_eq!(quota.limits.storage_bytes, Some(*limit));
            assert_eq!(quota.usage.storage_bytes, self.model.usage(root), "{root:?}");
        }
    }

    /// What clients learned is what is there.
    fn settle(&mut self) {
        for (name, client) in &mut self.clients {
            client.sync(Expunges::Show).unwrap();
            let letters = self.model.folders[name].letters.iter();
            let expected: Vec<_> = letters.map(|(uid, letter)| (*uid, letter.flags)).collect();
            assert_eq!(client.known, expected, "{name:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300,
        max_shrink_iters: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default() })]

    #[test]
    fn any_history_agrees_with_a_naive_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut history = History::new();
        for name in [0, 1, 3] {
            history.take(Step::Create(name));
        }
        for step in steps {
            history.take(step);
            history.check();
        }
        history.settle();
        history.bench.store.checkpoint().wait().unwrap();
        history.take(Step::Reopen);
        history.check();
        history.settle();
    }
}
