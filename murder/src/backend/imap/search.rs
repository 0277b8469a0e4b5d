//! SEARCH (RFC 3501 6.4.4).
//!
//! The keys are made ready once ([`Test`]); of keys that must all match the cheap ones are asked first, so that a message
//! is read only if nothing in its record has ruled it out. Text is compared decoded and without regard to case, a
//! part at a time. Numbers beyond the last message match nothing.

use imap_proto::{
    Code, Flag, IString, List, NumberList, Numbering, Response, Search, SearchKey, SequenceSet, Status,
};
use mailstore::message::search::{BODY_BYTES_MAX, Needle};
use mailstore::message::{Kind, Structure, headers};
use mailstore::store::{Body, Error, KeywordBits, KeywordTable, Message, SystemFlags, UidSet, View};

use super::Session;
use super::answer::{Failure, Outcome, bad, ok};
use super::select::Selected;
use crate::net::on_disk;

/// What is read of a message at first when only its header is wanted; nearly all headers are smaller.
const HEADER_READ_BYTES: u32 = 16 << 10;
/// Messages that are looked at before other sessions get their turn.
const MESSAGES_PER_TURN: usize = 256;
/// The largest part that is read without giving up the thread.
const INLINE_READ_BYTES: u32 = 64 << 10;

/// A condition, ready to be asked.
#[derive(Debug)]
enum Test {
    Always(Verdict),
    System { flags: SystemFlags, set: Verdict },
    Recent(Verdict),
    Keyword { bits: KeywordBits, set: Verdict },
    Numbers { numbers: UidSet, numbering: Numbering },
    Day { by: By, from: i64, to: i64 },
    Larger(u64),
    Smaller(u64),
    Field { name: &'static str, needle: Needle },
    AnyField { name: Vec<u8>, needle: Needle },
    Body(Needle),
    Text(Needle),
    Not(Box<Test>),
    Or(Box<(Test, Test)>),
    And(Vec<Test>),
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Yes,
    No,
}

/// Which date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Arrival,
    Sent,
}

impl Session {
    pub(super) async fn search(&mut self, search: &Search<'_>) -> Outcome {
        check_charset(search.charset)?;
        let Self { link, selected: Some(Selected { view, .. }), .. } = self else { return ok("Completed") };
        let keywords = view.keywords();
        let scope = Scope { view, keywords: &keywords };
        let test = scope.all_of(search.keys)?;
        let mut found = Vec::new();
        let (mut unreadable, everything) = (false, UidSet::range(1, u32::MAX));
        for (at, message) in view.messages(test.candidates().unwrap_or(&everything)).enumerate() {
            if at % MESSAGES_PER_TURN == MESSAGES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            match test.ask(&mut Candidate { view, message: &message, read: None, structure: None }) {
                Ok(Verdict::Yes) => found.push(match search.numbering {
                    Numbering::Uid => message.uid,
                    Numbering::Sequence => message.sequence,
                }),
                Ok(Verdict::No) | Err(Error::Expunged) => {}
                Err(_) => unreadable = true,
            }
        }
        let numbers = NumberList::of(&found).ok_or_else(|| bad("No message has number 0"))?;
        link.conn().untagged(&Response::Search(numbers.into()))?;
        if unreadable { Err(Error::Damaged.into()) } else { ok("Completed") }
    }
}

/// US-ASCII and UTF-8 are understood (RFC 3501 6.4.4).
fn check_charset(charset: Option<IString<'_>>) -> Result<(), Failure> {
    const KNOWN: [&str; 2] = ["US-ASCII", "UTF-8"];
    match charset {
        Some(name) if !KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) => {
            // Without the list, which would have to live as long as the reply: the text names them.
            let code = Code::BadCharset(List::default());
            Err(Failure::Refused(Status::no("US-ASCII and UTF-8 are understood").with_code(code)))
        }
        _ => Ok(()),
    }
}

/// What keys are made ready for.
struct Scope<'v> {
    view: &'v View,
    keywords: &'v KeywordTable,
}

impl Scope<'_> {
    /// All of these, the cheap ones first. The grammar has bounded how deep keys nest.
    fn all_of<'a>(&self, keys: List<'a, SearchKey<'a>>) -> Result<Test, Failure> {
        let mut tests = keys.iter().map(|key| self.test(key)).collect::<Result<Vec<_>, _>>()?;
        tests.sort_by_key(Test::cost);
        Ok(match tests.pop() {
            Some(only) if tests.is_empty() => only,
            last => Test::And(tests.into_iter().chain(last).collect()),
        })
    }

    fn test(&self, key: SearchKey<'_>) -> Result<Test, Failure> {
        let field = |name, text| Ok::<_, Failure>(Test::Field { name, needle: needle(text)? });
        Ok(match key {
            SearchKey::All => Test::Always(Verdict::Yes),
            SearchKey::Flag(flag) => self.flag(flag, Verdict::Yes),
            SearchKey::NoFlag(flag) => self.flag(flag, Verdict::No),
            SearchKey::New => Test::And(vec![
                Test::Recent(Verdict::Yes),
                Test::System { flags: SystemFlags::SEEN, set: Verdict::No },
            ]),
            SearchKey::Bcc(text) => field("Bcc", text)?,
            SearchKey::Cc(text) => field("Cc", text)?,
            SearchKey::From(text) => field("From", text)?,
            SearchKey::Subject(text) => field("Subject", text)?,
            SearchKey::To(text) => field("To", text)?,
            SearchKey::Header { field, value } => {
                Test::AnyField { name: field.to_bytes().into_owned(), needle: needle(value)? }
            }
            SearchKey::Body(text) => Test::Body(needle(text)?),
            SearchKey::Text(text) => Test::Text(needle(text)?),
            SearchKey::Before(date) => before(By::Arrival, date.to_unix_days()),
            SearchKey::On(date) => on(By::Arrival, date.to_unix_days()),
            SearchKey::Since(date) => since(By::Arrival, date.to_unix_days()),
            SearchKey::SentBefore(date) => before(By::Sent, date.to_unix_days()),
            SearchKey::SentOn(date) => on(By::Sent, date.to_unix_days()),
            SearchKey::SentSince(date) => since(By::Sent, date.to_unix_days()),
            SearchKey::Larger(bytes) => Test::Larger(bytes),
            SearchKey::Smaller(bytes) => Test::Smaller(bytes),
            SearchKey::Sequence(set) => numbers(&set, self.view.len(), Numbering::Sequence)?,
            SearchKey::Uid(set) => {
                let last = self.view.uid(self.view.len()).unwrap_or(0);
                numbers(&set, last, Numbering::Uid)?
            }
            SearchKey::Not(key) => Test::Not(Box::new(self.test(key.value().ok_or_else(no_key)?)?)),
            SearchKey::Or(one, other) => Test::Or(Box::new((
                self.test(one.value().ok_or_else(no_key)?)?,
                self.test(other.value().ok_or_else(no_key)?)?,
            ))),
            SearchKey::And(keys) => self.all_of(keys)?,
            _ => return Err(bad("Unknown search key")),
        })
    }

    fn flag(&self, flag: Flag<'_>, set: Verdict) -> Test {
        let flags = match flag {
            Flag::Answered => SystemFlags::ANSWERED,
            Flag::Flagged => SystemFlags::FLAGGED,
            Flag::Deleted => SystemFlags::DELETED,
            Flag::Seen => SystemFlags::SEEN,
            Flag::Draft => SystemFlags::DRAFT,
            Flag::Recent => return Test::Recent(set),
            Flag::Any | Flag::Other(_) => {
                let bits = std::str::from_utf8(flag.as_bytes()).ok().and_then(|k| self.keywords.bit(k));
                // A keyword that the mailbox does not know no message has.
                return match bits {
                    Some(bits) => Test::Keyword { bits, set },
                    None => Test::Always(verdict(set == Verdict::No)),
                };
            }
        };
        Test::System { flags, set }
    }
}

fn no_key() -> Failure {
    bad("Search key expected")
}

fn needle(text: IString<'_>) -> Result<Needle, Failure> {
    let text = text.to_utf8().ok_or_else(|| bad("The text is not UTF-8"))?;
    Ok(Needle::new(&text))
}

fn numbers(set: &SequenceSet<'_>, largest: u32, numbering: Numbering) -> Result<Test, Failure> {
    let ranges = set.resolve(largest).map(|range| (*range.start(), *range.end()));
    Ok(Test::Numbers { numbers: UidSet::from_ranges(ranges)?, numbering })
}

fn before(by: By, day: i64) -> Test {
    Test::Day { by, from: i64::MIN, to: day - 1 }
}

fn on(by: By, day: i64) -> Test {
    Test::Day { by, from: day, to: day }
}

fn since(by: By, day: i64) -> Test {
    Test::Day { by, from: day, to: i64::MAX }
}

fn verdict(matches: bool) -> Verdict {
    if matches { Verdict::Yes } else { Verdict::No }
}

impl Test {
    /// What it takes to ask: 0 the record, 1 the structure, 2 the header, 3 the message.
    fn cost(&self) -> u8 {
        match self {
            Self::Day { by: By::Sent, .. } => 1,
            Self::Field { .. } | Self::AnyField { .. } => 2,
            Self::Body(_) | Self::Text(_) => 3,
            Self::Not(test) => test.cost(),
            Self::Or(tests) => tests.0.cost().max(tests.1.cost()),
            Self::And(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The UIDs beyond which nothing can match, if the test says so outright.
    fn candidates(&self) -> Option<&UidSet> {
        match self {
            Self::Numbers { numbers, numbering: Numbering::Uid } => Some(numbers),
            Self::And(tests) => tests.iter().find_map(Self::candidates),
            _ => None,
        }
    }

    fn ask(&self, candidate: &mut Candidate<'_>) -> Result<Verdict, Error> {
        let message = candidate.message;
        Ok(match self {
            Self::Always(verdict) => *verdict,
            Self::System { flags, set } => verdict(message.flags.contains(*flags) == (*set == Verdict::Yes)),
            Self::Recent(set) => verdict(message.recent == (*set == Verdict::Yes)),
            Self::Keyword { bits, set } => {
                verdict(message.keywords.contains(*bits) == (*set == Verdict::Yes))
            }
            Self::Numbers { numbers, numbering } => verdict(numbers.contains(match numbering {
                Numbering::Uid => message.uid,
                Numbering::Sequence => message.sequence,
            })),
            Self::Day { by: By::Arrival, from, to } => {
                let date = message.internal_date;
                let day = (date.secs.saturating_add(i64::from(date.zone_minutes) * 60)).div_euclid(86_400);
                verdict((*from..=*to).contains(&day))
            }
            Self::Day { by: By::Sent, from, to } => {
                let sent = candidate.structure()?.sent();
                verdict(sent.is_some_and(|sent| (*from..=*to).contains(&sent.local_day())))
            }
            Self::Larger(bytes) => verdict(u64::from(message.size_bytes) > *bytes),
            Self::Smaller(bytes) => verdict(u64::from(message.size_bytes) < *bytes),
            Self::Field { name, needle } => verdict(needle.is_in_field(&candidate.header()?, name)),
            Self::AnyField { name, needle } => {
                let header = candidate.header()?;
                verdict(headers(&header).any(|field| field.is(name) && needle.is_in_value(field.value)))
            }
            Self::Body(needle) => verdict(candidate.has_in_body(needle)?),
            Self::Text(needle) => {
                verdict(needle.is_in_header(&candidate.header()?) || candidate.has_in_body(needle)?)
            }
            Self::Not(test) => verdict(test.ask(candidate)? == Verdict::No),
            Self::Or(tests) => match tests.0.ask(candidate)? {
                Verdict::Yes => Verdict::Yes,
                Verdict::No => tests.1.ask(candidate)?,
            },
            Self::And(tests) => {
                for test in tests {
                    if test.ask(candidate)? == Verdict::No {
                        return Ok(Verdict::No);
                    }
                }
                Verdict::Yes
            }
        })
    }
}

/// A message that is being asked about, and what was read of it so far.
struct Candidate<'v> {
    view: &'v View,
    message: &'v Message,
    read: Option<(Body, Option<bytes::Bytes>)>,
    structure: Option<Structure>,
}

impl Candidate<'_> {
    fn body(&mut self) -> Result<&mut (Body, Option<bytes::Bytes>), Error> {
        let read = match self.read.take() {
            Some(read) => read,
            None => (self.view.body(self.message.uid)?, None),
        };
        Ok(self.read.insert(read))
    }

    fn structure(&mut self) -> Result<Structure, Error> {
        if let Some(structure) = &self.structure {
            return Ok(structure.clone());
        }
        let structure = self.body()?.0.structure()?;
        self.structure = Some(structure.clone());
        Ok(structure)
    }

    /// The header, with or without what follows it.
    fn header(&mut self) -> Result<bytes::Bytes, Error> {
        let (body, header) = self.body()?;
        if let Some(header) = header {
            return Ok(header.clone());
        }
        let first = body.read(0..HEADER_READ_BYTES)?;
        let ends = |raw: &[u8]| {
            memchr::memmem::find(raw, b"\r\n\r\n").is_some() || memchr::memmem::find(raw, b"\n\n").is_some()
        };
        let complete = first.len() as u64 == u64::from(body.size_bytes()) || ends(&first);
        let header = if complete {
            first
        } else {
            let end = self.structure()?.root().header.end;
            let body = &self.body()?.0;
            on_disk(|| body.read(0..end))?
        };
        self.body()?.1 = Some(header.clone());
        Ok(header)
    }

    /// Whether the text of some part, or the header of a message inside, contains it. Only what holds text is read.
    fn has_in_body(&mut self, needle: &Needle) -> Result<bool, Error> {
        let structure = self.structure()?;
        let body = &self.body()?.0;
        let read = |from: u32, to: u32| {
            let to = to.min(from.saturating_add(u32::try_from(BODY_BYTES_MAX).unwrap_or(u32::MAX)));
            if to - from <= INLINE_READ_BYTES { body.read(from..to) } else { on_disk(|| body.read(from..to)) }
        };
        let mut inside = false;
        for part in structure.parts() {
            if inside && needle.is_in_header(&read(part.header.start, part.header.end)?) {
                return Ok(true);
            }
            inside = part.kind == Kind::Message;
            let text = part.kind == Kind::Leaf && (part.is_type("text") || part.is_type("message"));
            if text && needle.is_in_part(&part, &read(part.body.start, part.body.end)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
