//! The task behind a [`Registrar`]: the connection to the master and what is in flight on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mail_wire::Escaped;
use mupdate_proto::client::{self, CommandId, Event, Outcome};
use mupdate_proto::{
    Change, Command, Location as WireLocation, LocationPrefix, MailboxEntry, MailboxName, ServerName,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::registrar::{Goal, Job, LocalMailboxes, RegisterError, Registrar, wire_acl};
use super::upstream::{BackOff, ConnectError, Upstream, until};
use super::{Location, Name};
use crate::net::{Link, LinkError, Shutdown};

/// Commands in flight at most.
const IN_FLIGHT_MAX: usize = 256;
/// Bytes of commands in flight at most, but for a single one: a server need not take much more.
const IN_FLIGHT_BYTES_MAX: usize = 128 << 10;
/// How long the connection may be silent before a NOOP keeps it alive. Masters close after 15 minutes at the
/// earliest (RFC 3656 2), firewalls sooner.
const SILENCE: Duration = Duration::from_secs(60);
/// The pause before a name is compared again that the master did not let us settle.
const UNSETTLED: Duration = Duration::from_secs(5);

/// The task behind a [`Registrar`].
pub struct Registration {
    registrar: Registrar,
    upstream: Upstream,
    local: Arc<dyn LocalMailboxes>,
    jobs: mpsc::Receiver<Job>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("registrar", &self.registrar).finish_non_exhaustive()
    }
}

/// Why the connection ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Protocol(#[from] mail_wire::Error),
    #[error("the master closed the connection")]
    Closed,
    #[error("the master refused a command")]
    Refused,
}

impl Registration {
    pub(super) fn new(
        registrar: Registrar,
        upstream: Upstream,
        local: Arc<dyn LocalMailboxes>,
        jobs: mpsc::Receiver<Job>,
    ) -> Self {
        Self { registrar, upstream, local, jobs }
    }

    /// Keeps the registration until the word to stop.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        let mut back_off = BackOff::new();
        loop {
            let ended = tokio::select! {
                ended = self.serve(&mut back_off) => ended,
                () = shutdown.requested() => break,
            };
            self.registrar.shared().ready.send_replace(false);
            // Whoever queued these before he could know is told so by their end.
            while self.jobs.try_recv().is_ok() {}
            if let Err(error) = ended {
                warn!(master = %self.upstream.address(), %error, "not registered with the master");
            }
            tokio::select! {
                () = tokio::time::sleep(back_off.next()) => {}
                () = shutdown.requested() => break,
            }
        }
        self.registrar.shared().ready.send_replace(false);
    }

    async fn serve(&mut self, back_off: &mut BackOff) -> Result<(), SessionError> {
        let link = self.upstream.connect().await?;
        let mut session = Session {
            link,
            registrar: self.registrar.clone(),
            local: Arc::clone(&self.local),
            flights: HashMap::new(),
            bytes: 0,
            unsettled: BTreeSet::new(),
        };
        let differing = session.differing().await?;
        let compared = differing.len();
        self.registrar.suspect(differing);
        while session.take_suspects()? || !session.flights.is_empty() {
            let event = session.link.next().await?.ok_or(SessionError::Closed)?;
            session.take(event)?;
        }
        back_off.reset();
        self.registrar.shared().ready.send_replace(true);
        info!(master = %self.upstream.address(), settled = compared, "registered with the master");
        session.run(&mut self.jobs).await
    }
}

/// One connection.
struct Session {
    link: Link<client::Connection>,
    registrar: Registrar,
    local: Arc<dyn LocalMailboxes>,
    flights: HashMap<CommandId, Flight>,
    /// Bytes of the commands in flight, roughly.
    bytes: usize,
    /// Names that could not be settled now.
    unsettled: BTreeSet<MailboxName>,
}

/// A job whose command is out.
struct Flight {
    job: Job,
    step: Step,
    bytes: usize,
}

enum Step {
    /// FIND, and what it has found.
    Find(Option<MailboxEntry>),
    /// The change itself.
    Change,
}

impl Session {
    /// The names that the master's list at this server and the store do not agree on.
    async fn differing(&mut self) -> Result<Vec<MailboxName>, SessionError> {
        let mut listed = self.listed().await?;
        let mut differing = Vec::new();
        for (name, acl_text) in self.local.all() {
            let wanted = self.wanted(&name, &acl_text);
            let Ok(wanted) = wanted else {
                warn!(%name, "a mailbox that the mailbox list cannot hold is known to this server alone");
                continue;
            };
            if listed.remove(&wanted.name).as_ref() != Some(&wanted) {
                differing.push(wanted.name);
            }
        }
        // What is left is not held here.
        differing.extend(listed.into_keys());
        Ok(differing)
    }

    async fn listed(&mut self) -> Result<BTreeMap<MailboxName, MailboxEntry>, SessionError> {
        let prefix = LocationPrefix::of_server(&self.server()?).map_err(mail_wire::Error::from)?;
        let list = self.link.conn().send(&Command::List(Some(prefix)))?;
        let mut listed = BTreeMap::new();
        loop {
            match self.link.next().await?.ok_or(SessionError::Closed)? {
                Event::Entry { entry, .. } => {
                    let entry = entry.detach();
                    listed.insert(entry.name.clone(), entry);
                }
                Event::Completed { command, outcome: Outcome::Ok, .. } if command == list => {
                    return Ok(listed);
                }
                Event::Completed { text, .. } => return Err(refused(&text)),
                Event::Bye { .. } => return Err(SessionError::Closed),
                _ => {}
            }
        }
    }

    async fn run(&mut self, jobs: &mut mpsc::Receiver<Job>) -> Result<(), SessionError> {
        let mut suspects = self.registrar.shared().suspects.subscribe();
        let mut heard = Instant::now();
        let mut again = Instant::now() + UNSETTLED;
        loop {
            let room = self.has_room();
            tokio::select! {
                event = self.link.next() => {
                    heard = Instant::now();
                    self.take(event?.ok_or(SessionError::Closed)?)?;
                }
                job = jobs.recv(), if room => {
                    let Some(job) = job else { return Ok(()) };
                    self.start(job)?;
                }
                () = until(&mut suspects, |suspects| !suspects.is_empty()), if room => {
                    self.take_suspects()?;
                }
                () = tokio::time::sleep_until(again), if !self.unsettled.is_empty() => {
                    self.registrar.suspect(std::mem::take(&mut self.unsettled));
                }
                () = tokio::time::sleep_until(heard + SILENCE), if self.flights.is_empty() => {
                    self.link.conn().send(&Command::Noop)?;
                    heard = Instant::now();
                }
            }
            if self.unsettled.is_empty() {
                again = Instant::now() + UNSETTLED;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.flights.len() < IN_FLIGHT_MAX && self.bytes < IN_FLIGHT_BYTES_MAX
    }

    /// Starts comparing as many suspects as there is room for; whether any are left or in flight.
    fn take_suspects(&mut self) -> Result<bool, SessionError> {
        while self.has_room() {
            let mut next = None;
            self.registrar.shared().suspects.send_if_modified(|suspects| {
                next = suspects.pop_first();
                false
            });
            let Some(name) = next else { break };
            // Under a hold it is left alone; the end of the hold makes it a suspect again.
            if !self.registrar.shared().is_held(&name) {
                self.start(Job { name, goal: Goal::Agree, answer: None })?;
            }
        }
        Ok(!self.registrar.shared().suspects.borrow().is_empty())
    }

    fn start(&mut self, job: Job) -> Result<(), SessionError> {
        let (name, location) = (job.name.clone(), self.location().wire().clone());
        let change = match &job.goal {
            Goal::Reserve => Change::Reserve { name, location },
            Goal::Activate(acl) => Change::Activate { name, location, acl: acl.clone() },
            Goal::Deactivate | Goal::Delete | Goal::Agree => {
                return self.send(job, Step::Find(None), &Command::Find(name));
            }
        };
        self.send(job, Step::Change, &Command::Change(change))
    }

    fn send(&mut self, job: Job, step: Step, command: &Command) -> Result<(), SessionError> {
        let before = mail_wire::Connection::transmit_bytes(self.link.conn());
        let id = self.link.conn().send(command)?;
        let bytes = mail_wire::Connection::transmit_bytes(self.link.conn()).saturating_sub(before);
        self.bytes += bytes;
        self.flights.insert(id, Flight { job, step, bytes });
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), SessionError> {
        match event {
            Event::Entry { command, entry } => {
                if let Some(Flight { step: Step::Find(found), .. }) = self.flights.get_mut(&command) {
                    *found = Some(entry.detach());
                }
                Ok(())
            }
            Event::Completed { command, outcome, text } => match self.flights.remove(&command) {
                Some(flight) => {
                    self.bytes -= flight.bytes;
                    self.completed(flight, outcome, &text)
                }
                // A NOOP.
                None => Ok(()),
            },
            Event::Bye { .. } => Err(SessionError::Closed),
            _ => Ok(()),
        }
    }

    fn completed(&mut self, flight: Flight, outcome: Outcome, text: &[u8]) -> Result<(), SessionError> {
        if outcome == Outcome::Bad {
            return Err(refused(text));
        }
        let job = flight.job;
        match (flight.step, outcome) {
            (Step::Find(found), Outcome::Ok) => self.found(job, found),
            (Step::Find(_), _) => Err(refused(text)),
            (Step::Change, Outcome::Ok) => {
                answer(job, Ok(()));
                Ok(())
            }
            (Step::Change, _) => {
                if let Goal::Agree = job.goal {
                    self.unsettled.insert(job.name.clone());
                }
                answer(job, Err(RegisterError::Taken));
                Ok(())
            }
        }
    }

    /// FIND has told; what is to be done now?
    fn found(&mut self, job: Job, found: Option<MailboxEntry>) -> Result<(), SessionError> {
        let ours = found.as_ref().is_some_and(|entry| self.is_ours(&entry.location));
        let name = job.name.clone();
        let change = match &job.goal {
            Goal::Delete if ours => Change::Delete { name },
            Goal::Delete => {
                answer(job, Ok(()));
                return Ok(());
            }
            Goal::Deactivate if ours && found.as_ref().is_some_and(|entry| entry.acl().is_some()) => {
                Change::Deactivate { name, location: self.location().wire().clone() }
            }
            Goal::Agree if self.registrar.shared().is_held(&name) => return Ok(()),
            Goal::Agree => match self.settle(&name, found, ours) {
                Some(change) => change,
                None => return Ok(()),
            },
            Goal::Deactivate | Goal::Reserve | Goal::Activate(_) => {
                answer(job, Err(RegisterError::NotActive));
                return Ok(());
            }
        };
        self.send(job, Step::Change, &Command::Change(change))
    }

    /// What makes the master agree with the store about a name, if anything can and must.
    fn settle(&mut self, wire: &MailboxName, found: Option<MailboxEntry>, ours: bool) -> Option<Change> {
        let name = Name::from_mupdate(wire.as_bytes()).ok();
        let held = name.as_ref().and_then(|name| Some((name, self.local.acl_text(name)?)));
        let Some((name, acl_text)) = held else {
            return ours.then(|| Change::Delete { name: wire.clone() });
        };
        let wanted = self.wanted(name, &acl_text).ok()?;
        match found {
            Some(entry) if !ours => {
                match (entry.acl(), Location::from_wire(entry.location.clone())) {
                    (Some(_), Some(held_at)) => self.set_aside(name.clone(), wire, held_at),
                    _ => drop(self.unsettled.insert(wire.clone())),
                }
                None
            }
            found if found.as_ref() == Some(&wanted) => None,
            _ => Some(Change::Activate {
                name: wanted.name.clone(),
                location: wanted.location.clone(),
                acl: wanted.acl()?.clone(),
            }),
        }
    }

    /// Beside the session: the store may take its time, or ask the registrar something.
    fn set_aside(&self, name: Name, wire: &MailboxName, held_at: Location) {
        warn!(%name, %held_at, "another server holds a mailbox of this name; setting ours aside");
        let hold = self.registrar.hold(BTreeSet::from([wire.clone()]));
        let local = Arc::clone(&self.local);
        tokio::spawn(async move {
            local.set_aside(&name, &held_at).await;
            drop(hold);
        });
    }

    fn wanted(&self, name: &Name, acl_text: &str) -> Result<MailboxEntry, RegisterError> {
        let name = super::entry::wire_name(name)?;
        Ok(MailboxEntry::active(name, self.location().wire().clone(), wire_acl(acl_text)?))
    }

    fn location(&self) -> &Location {
        &self.registrar.shared().location
    }

    fn is_ours(&self, location: &WireLocation) -> bool {
        location.server() == self.location().wire().server()
    }

    fn server(&self) -> Result<ServerName, SessionError> {
        let name = self.location().server().to_owned();
        ServerName::new(name).map_err(|error| mail_wire::Error::from(error).into())
    }
}

fn answer(job: Job, answer: Result<(), RegisterError>) {
    if let Some(to) = job.answer {
        // Whoever asked may not wait any more; the name is then a suspect by the end of its hold.
        let _ = to.send(answer);
    }
}

fn refused(text: &[u8]) -> SessionError {
    warn!(said = %Escaped::new(text), "the master refused a command");
    SessionError::Refused
}
