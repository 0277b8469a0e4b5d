//! From an address to the places where its mail goes: alias domains, forwards, lists, loops.
//!
//! Expansion visits each address once, so a ring of aliases ends; it is bounded by [`EXPANSION_ADDRESSES_MAX`], so a
//! tree of lists ends too. A ring that leads nowhere is named a loop (RFC 5321 section 6.3 asks for no more).

use std::collections::{HashSet, VecDeque};

use super::{
    name::{Address, DomainName, Login, Pattern},
    store::{DomainKind, Entry, EntryKind, Forwarding, Members, RouteError, RouteStore, User},
};
use crate::config::{HostPort, NodeName};

/// Addresses looked at for one recipient. 10,000: a whole company in one list.
pub const EXPANSION_ADDRESSES_MAX: usize = 10_000;

/// Alias domains that lead to each other. 4: more is a mistake.
pub const ALIAS_DOMAINS_MAX: usize = 4;

/// Where mail to an address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// Into one mailbox.
    Mailbox(Place),
    /// To several places, or elsewhere.
    Forward(Expansion),
    /// To the next hop for its domain.
    Relay(HostPort),
    /// Refused with this text: printable ASCII that fits in a reply line.
    Reject(String),
    /// The domain is ours, the address is not there (RFC 3463 5.1.1).
    Unknown,
    /// The domain is not ours.
    UnknownDomain,
    /// The rows make no sense: what to tell the administrator.
    Broken(Fault),
}

/// A mailbox: whose, and where it is made if the mailbox list does not know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose INBOX.
    pub login: Login,
    /// The server by this database. Where the mailbox exists already, the mailbox list is right, not this.
    pub backend: NodeName,
    /// The partition on it.
    pub partition: String,
    /// The quota of a new mailbox in KiB.
    pub quota_kib: Option<u64>,
    /// What stood after the `+`: the folder to try first (RFC 5233).
    pub detail: Option<String>,
}

/// What a forward or list comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Where copies go, each once; never empty in a [`Route`].
    pub destinations: Vec<Destination>,
    /// Members in our domains that do not exist: for the log and for the sender's DSN.
    pub dangling: Vec<Address>,
}

/// One place where a copy goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A mailbox of this site.
    Mailbox(Place),
    /// An address in a domain that is relayed to this next hop.
    Relay {
        /// The recipient.
        address: Address,
        /// Where it goes.
        next_hop: HostPort,
    },
    /// An address elsewhere.
    Outside(Address),
}

/// What is wrong with the rows of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Forwards that lead only to each other (RFC 3463 5.4.6).
    Loop,
    /// More than [`EXPANSION_ADDRESSES_MAX`] addresses.
    TooMany,
    /// Alias domains that lead to each other, or more than [`ALIAS_DOMAINS_MAX`] of them.
    AliasDomains,
}

/// One step: what an address is, before its members are looked at.
enum Step {
    Here { place: Option<Place>, members: Vec<Address> },
    Relay { address: Address, next_hop: HostPort },
    Reject(String),
    Unknown,
    UnknownDomain,
    AliasDomains,
}

/// Where mail to `address` goes.
///
/// # Errors
///
/// Only when the database cannot be asked.
pub(super) async fn route(store: &dyn RouteStore, address: &Address) -> Result<Route, RouteError> {
    let (place, members) = match step(store, address).await? {
        Step::Here { place: Some(place), members } if members.is_empty() => return Ok(Route::Mailbox(place)),
        Step::Here { place, members } => (place, members),
        Step::Relay { next_hop, .. } => return Ok(Route::Relay(next_hop)),
        Step::Reject(text) => return Ok(Route::Reject(text)),
        Step::Unknown => return Ok(Route::Unknown),
        Step::UnknownDomain => return Ok(Route::UnknownDomain),
        Step::AliasDomains => return Ok(Route::Broken(Fault::AliasDomains)),
    };
    let mut expansion = Expansion::default();
    let mut given: HashSet<Destination> = HashSet::new();
    let mut give = |expansion: &mut Expansion, destination: Destination| {
        if given.insert(destination.clone()) {
            expansion.destinations.push(destination);
        }
    };
    if let Some(place) = place {
        give(&mut expansion, Destination::Mailbox(place));
    }
    let mut visited: HashSet<Address> = HashSet::from([address.clone()]);
    let mut waiting: VecDeque<Address> = members.into();
    while let Some(member) = waiting.pop_front() {
        if !visited.insert(member.clone()) {
            continue;
        }
        if visited.len() > EXPANSION_ADDRESSES_MAX {
            return Ok(Route::Broken(Fault::TooMany));
        }
        match step(store, &member).await? {
            Step::Here { place, members } => {
                if let Some(place) = place {
                    give(&mut expansion, Destination::Mailbox(place));
                }
                waiting.extend(members);
            }
            Step::Relay { address, next_hop } => {
                give(&mut expansion, Destination::Relay { address, next_hop })
            }
            Step::UnknownDomain => give(&mut expansion, Destination::Outside(member)),
            Step::Reject(_) | Step::Unknown | Step::AliasDomains => expansion.dangling.push(member),
        }
    }
    Ok(match (expansion.destinations.is_empty(), expansion.dangling.is_empty()) {
        (false, _) => Route::Forward(expansion),
        (true, false) => Route::Unknown,
        (true, true) => Route::Broken(Fault::Loop),
    })
}

async fn step(store: &dyn RouteStore, address: &Address) -> Result<Step, RouteError> {
    let address = match real_domain(store, address.domain()).await? {
        RealDomain::Local(domain) if domain == *address.domain() => address.clone(),
        // The same local part is too long only in a longer domain: then it is nobody's.
        RealDomain::Local(domain) => match address.with_domain(&domain) {
            Ok(address) => address,
            Err(_) => return Ok(Step::Unknown),
        },
        RealDomain::Relay(domain, next_hop) => {
            let address = address.with_domain(&domain).unwrap_or_else(|_| address.clone());
            return Ok(Step::Relay { address, next_hop });
        }
        RealDomain::Unknown => return Ok(Step::UnknownDomain),
        RealDomain::Astray => return Ok(Step::AliasDomains),
    };
    let Some(Entry { pattern, kind, members }) = store.entry(&address).await? else {
        return Ok(Step::Unknown);
    };
    let members = match members {
        Members::Some => store.members(&pattern).await?,
        Members::None => Vec::new(),
    };
    Ok(match kind {
        EntryKind::Mailbox(user) => {
            // A user that forwards to the own address means: keep a copy.
            let keeps = user.forwarding == Forwarding::KeepsCopy
                || members.is_empty()
                || members.iter().any(|member| pattern == Pattern::Address(member.clone()));
            let place = keeps.then(|| place(user, &pattern, &address));
            Step::Here { place, members: members.into_iter().filter(|member| *member != address).collect() }
        }
        EntryKind::Forward => Step::Here { place: None, members },
        EntryKind::Reject(text) => Step::Reject(text),
    })
}

fn place(user: User, pattern: &Pattern, address: &Address) -> Place {
    let exact = *pattern == Pattern::Address(address.clone());
    let detail = address.detail().filter(|_| !exact).map(|(_, detail)| detail.to_owned());
    Place {
        login: user.login,
        backend: user.backend,
        partition: user.partition,
        quota_kib: user.quota_kib,
        detail,
    }
}

enum RealDomain {
    Local(DomainName),
    Relay(DomainName, HostPort),
    Unknown,
    Astray,
}

async fn real_domain(store: &dyn RouteStore, name: &DomainName) -> Result<RealDomain, RouteError> {
    let mut name = name.clone();
    let mut aliases = 0;
    loop {
        match store.domain(&name).await?.map(|domain| domain.kind) {
            Some(DomainKind::Local) => return Ok(RealDomain::Local(name)),
            Some(DomainKind::Relay(next_hop)) => return Ok(RealDomain::Relay(name, next_hop)),
            Some(DomainKind::Alias(_)) if aliases == ALIAS_DOMAINS_MAX => return Ok(RealDomain::Astray),
            Some(DomainKind::Alias(real)) => name = real,
            None if aliases == 0 => return Ok(RealDomain::Unknown),
            None => return Ok(RealDomain::Astray),
        }
        aliases += 1;
    }
}
