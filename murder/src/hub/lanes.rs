//! Which delivery is next: one lane for each destination.
//!
//! A lane has so many deliveries under way at once and no more, and lanes take turns, so that a slow destination
//! holds up its own mail only. A destination that cannot be reached is *down*: its messages are parked, and one
//! probe at a time finds out when it is back. Pure data: no clock, no task.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::time::Duration;

use super::queue::QueueId;
use crate::config::HostPort;

/// The wait before the first probe of a destination that went down, doubled with each further one. 250 ms: as all
/// nodes wait before they connect again.
pub(super) const PROBE_FIRST: Duration = Duration::from_millis(250);

/// The longest wait between two probes. 5 s: mail is there soon after its back-end is.
pub(super) const PROBE_MAX: Duration = Duration::from_secs(5);

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Destination {
    /// A back-end of this site, by its name.
    Backend(String),
    /// The next hop of a relayed domain.
    NextHop(HostPort),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(name) => f.write_str(name),
            Self::NextHop(HostPort { host, port }) => write!(f, "{host}:{port}"),
        }
    }
}

/// Copies of one message for one destination, by their places in the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) id: QueueId,
    pub(super) places: Vec<usize>,
}

/// What a delivery has found out about its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// It answers.
    Reached,
    /// It does not.
    Unreached,
    /// It did, and then the connection broke off; or a part of it does not answer.
    BrokeOff,
    /// It was not asked.
    Unknown,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Group>,
    active: usize,
    /// The wait before the next probe, while the destination is down.
    down: Option<Duration>,
    parked: HashSet<QueueId>,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: HashMap<Destination, Lane>,
    /// Lanes that may start a delivery, each once.
    ready: VecDeque<Destination>,
    active: usize,
    active_max: usize,
    active_per_lane_max: usize,
}

/// What became of a group that was handed to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits for its turn.
    Waits,
    /// The destination is down; the message is told when it is back.
    Parked,
}

impl Lanes {
    /// Lanes with so many deliveries at once in all, and in each.
    pub(super) fn new(active_max: usize, active_per_lane_max: usize) -> Self {
        Self { lanes: HashMap::new(), ready: VecDeque::new(), active: 0, active_max, active_per_lane_max }
    }

    /// Hands a group to its lane.
    pub(super) fn push(&mut self, destination: &Destination, group: Group) -> Taken {
        let lane = self.lanes.entry(destination.clone()).or_default();
        if lane.down.is_some() {
            lane.parked.insert(group.id);
            return Taken::Parked;
        }
        lane.waiting.push_back(group);
        self.note_ready(destination);
        Taken::Waits
    }

    /// The next delivery to start, if one may. [`finish`](Self::finish) it.
    pub(super) fn next(&mut self) -> Option<(Destination, Group)> {
        while self.active < self.active_max {
            let destination = self.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&destination) else { continue };
            if lane.down.is_some() || lane.active >= self.active_per_lane_max {
                continue;
            }
            let Some(group) = lane.waiting.pop_front() else { continue };
            lane.active += 1;
            self.active += 1;
            // Behind the others now: lanes take turns.
            self.note_ready(&destination);
            return Some((destination, group));
        }
        None
    }

    /// A delivery has ended. When it has found its destination down, all groups that waited there are handed back,
    /// and their messages are parked; the flag says whether to begin to [`probe`](Self::probe_in).
    pub(super) fn finish(&mut self, destination: &Destination, contact: Contact) -> (Vec<Group>, Probing) {
        self.active = self.active.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(destination) else { return (Vec::new(), Probing::No) };
        lane.active = lane.active.saturating_sub(1);
        let is_down = matches!(contact, Contact::Unreached | Contact::BrokeOff);
        if !is_down || lane.down.is_some() {
            self.note_ready(destination);
            self.drop_if_idle(destination);
            return (Vec::new(), Probing::No);
        }
        lane.down = Some(PROBE_FIRST);
        let groups: Vec<Group> = lane.waiting.drain(..).collect();
        lane.parked.extend(groups.iter().map(|group| group.id));
        (groups, Probing::Begin)
    }

    /// Notes that a message waits for a destination that is down, and whose group was under way when that came out.
    pub(super) fn park(&mut self, destination: &Destination, id: QueueId) {
        if let Some(lane) = self.lanes.get_mut(destination).filter(|lane| lane.down.is_some()) {
            lane.parked.insert(id);
        }
    }

    /// How long to wait before the next probe; each call doubles the wait. `None` when there is nothing to probe for.
    pub(super) fn probe_in(&mut self, destination: &Destination) -> Option<Duration> {
        let lane = self.lanes.get_mut(destination)?;
        let wait = lane.down?;
        lane.down = Some(wait.saturating_mul(2).min(PROBE_MAX));
        Some(wait)
    }

    /// A destination is back. Its parked messages are due now.
    pub(super) fn is_back(&mut self, destination: &Destination) -> Vec<QueueId> {
        let Some(lane) = self.lanes.get_mut(destination) else { return Vec::new() };
        lane.down = None;
        let parked = lane.parked.drain().collect();
        self.note_ready(destination);
        self.drop_if_idle(destination);
        parked
    }

    /// A message waits no longer, for whatever reason.
    pub(super) fn forget(&mut self, id: QueueId) {
        // Only lanes that are down have any, and few are down at once.
        for lane in self.lanes.values_mut() {
            lane.parked.remove(&id);
        }
    }

    /// Whether a destination that is down holds up nobody: then it is forgotten and needs no probe.
    pub(super) fn forget_if_unwanted(&mut self, destination: &Destination) -> bool {
        let unwanted =
            self.lanes.get(destination).is_none_or(|lane| lane.parked.is_empty() && lane.active == 0);
        if unwanted {
            self.lanes.remove(destination);
        }
        unwanted
    }

    fn note_ready(&mut self, destination: &Destination) {
        let Some(lane) = self.lanes.get(destination) else { return };
        let may = lane.down.is_none() && lane.active < self.active_per_lane_max && !lane.waiting.is_empty();
        if may && !self.ready.contains(destination) {
            self.ready.push_back(destination.clone());
        }
    }

    fn drop_if_idle(&mut self, destination: &Destination) {
        let idle = |lane: &Lane| {
            lane.waiting.is_empty() && lane.active == 0 && lane.down.is_none() && lane.parked.is_empty()
        };
        if self.lanes.get(destination).is_some_and(idle) {
            self.lanes.remove(destination);
        }
    }
}

/// Whether somebody has to look when a destination is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probing {
    /// Yes, from now on.
    Begin,
    /// No, or somebody does already.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(name: &str) -> Destination {
        Destination::Backend(name.to_owned())
    }

    fn group(number: u64) -> Group {
        Group { id: QueueId::new(0, number), places: vec![0] }
    }

    #[test]
    fn a_slow_destination_holds_up_its_own_mail_only() {
        let mut lanes = Lanes::new(4, 2);
        for n in 0..10 {
            assert_eq!(lanes.push(&backend("slow"), group(n)), Taken::Waits);
        }
        lanes.push(&backend("quick"), group(100));
        let started: Vec<_> = std::iter::from_fn(|| lanes.next()).collect();
        let names: Vec<_> = started.iter().map(|(destination, _)| destination.to_string()).collect();
        assert_eq!(names, ["slow", "quick", "slow"], "two of the slow one, and turns are taken");
        lanes.finish(&backend("slow"), Contact::Reached);
        assert_eq!(lanes.next(), Some((backend("slow"), group(2))));
        assert_eq!(lanes.next(), None);
    }

    #[test]
    fn no_more_are_under_way_than_may_be() {
        let mut lanes = Lanes::new(3, 2);
        for n in 0..4 {
            lanes.push(&backend(&n.to_string()), group(n));
        }
        assert_eq!(std::iter::from_fn(|| lanes.next()).count(), 3);
        lanes.finish(&backend("0"), Contact::Unknown);
        assert_eq!(std::iter::from_fn(|| lanes.next()).count(), 1);
    }

    #[test]
    fn a_destination_that_is_down_parks_its_mail_until_it_is_back() {
        let mut lanes = Lanes::new(9, 1);
        for n in 0..3 {
            lanes.push(&backend("b"), group(n));
        }
        lanes.next().unwrap();
        let (back, probing) = lanes.finish(&backend("b"), Contact::Unreached);
        assert_eq!((back, probing), (vec![group(1), group(2)], Probing::Begin));
        lanes.park(&backend("b"), group(0).id);
        assert_eq!(lanes.push(&backend("b"), group(3)), Taken::Parked);
        assert_eq!(lanes.next(), None);
        let waits: Vec<_> = (0..7).map(|_| lanes.probe_in(&backend("b")).unwrap()).collect();
        assert_eq!(waits.first(), Some(&PROBE_FIRST));
        assert_eq!(waits.last(), Some(&PROBE_MAX));
        lanes.forget(group(1).id);
        let mut due = lanes.is_back(&backend("b"));
        due.sort();
        assert_eq!(due, [group(0).id, group(2).id, group(3).id]);
        assert!(lanes.lanes.is_empty(), "nothing is kept of a destination without mail");
        assert_eq!(lanes.probe_in(&backend("b")), None);
    }

    #[test]
    fn a_destination_without_mail_is_not_probed_for_ever() {
        let mut lanes = Lanes::new(9, 1);
        lanes.push(&backend("b"), group(0));
        lanes.next().unwrap();
        lanes.finish(&backend("b"), Contact::Unreached);
        lanes.park(&backend("b"), group(0).id);
        assert!(!lanes.forget_if_unwanted(&backend("b")));
        lanes.forget(group(0).id);
        assert!(lanes.forget_if_unwanted(&backend("b")));
        assert!(lanes.lanes.is_empty());
    }
}
