//! What encoding costs grows with what is encoded, and not faster.

use imap_proto::{
    Command, Encode, Encoder, Literals, NumberList, Response, SequenceRange, SequenceSet, SequenceSetBuf,
    Sink, Tag, TaggedCommand,
};

/// Counts what an encoder does.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    calls: usize,
    bytes: usize,
}

impl Sink for Tally {
    fn put(&mut self, bytes: &[u8]) {
        self.calls += 1;
        self.bytes += bytes.len();
    }
}

fn tally(value: &impl Encode) -> Tally {
    let mut tally = Tally::default();
    value.encode(&mut Encoder::new(&mut tally, Literals::NonSync)).unwrap();
    tally
}

fn expunge(ranges: &[SequenceRange]) -> TaggedCommand<'_> {
    let set = SequenceSet::of(ranges).unwrap();
    TaggedCommand { tag: Tag::new("a1").unwrap(), command: Command::UidExpunge(set) }
}

#[test]
fn a_set_of_a_hundred_times_the_ranges_costs_a_hundred_times_the_writes() {
    // Numbers of six digits, so that every range is as long as any other: 100000:100001,100004:100005 ...
    let ranges: Vec<_> =
        (0..100_000).filter_map(|n| SequenceRange::of(&(100_000 + 4 * n..=100_001 + 4 * n))).collect();
    let (few, many) = (tally(&expunge(&ranges[..1_000])), tally(&expunge(&ranges)));
    let frame = "a1 UID EXPUNGE \r\n".len();
    assert_eq!(few.bytes, frame + 1_000 * "100000:100001,".len() - 1);
    assert_eq!(many.bytes, frame + 100_000 * "100000:100001,".len() - 1);
    // One write a range, and a few for the frame.
    assert_eq!(many.calls - few.calls, 99_000);
    assert!(few.calls < 1_010);
}

#[test]
fn a_result_of_a_hundred_times_the_numbers_costs_a_hundred_times_the_writes() {
    let numbers: Vec<u32> = (1_000_000..1_100_000).collect();
    let result = |numbers| tally(&Response::Search(NumberList::of(numbers).unwrap().into()));
    let (few, many) = (result(&numbers[..1_000]), result(&numbers));
    assert_eq!((many.bytes - few.bytes, many.calls - few.calls), (99_000 * " 1000000".len(), 99_000));
}

#[test]
fn p8_a_set_built_of_numbers_is_written_as_ranges() {
    let set = SequenceSetBuf::of_numbers((1..=1_000_000).rev()).unwrap();
    assert_eq!(tally(&set.as_set()).bytes, "1:1000000".len());
    // Every other number: nothing to join.
    let set = SequenceSetBuf::of_numbers((500_000..550_000).map(|n| n * 2)).unwrap();
    assert_eq!(tally(&set.as_set()).bytes, 50_000 * "1000000,".len() - 1);
}
