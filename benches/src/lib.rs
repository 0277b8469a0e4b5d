//! What the benches share: turns with the peers, counted allocations, one table with its bars.
//!
//! Ours and every peer do the same work in turns within each round, so that a busy machine slows all of them; the table
//! shows medians of thread processor time and of the ratios of each round. A [`Bar`] that is written is a promise: with
//! `--check` a bench makes a short pass and exits with 1 if one is missed.

// The allocator has to be unsafe; nothing else here is.
#![deny(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts what the system allocator is asked for. Each bench makes it its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED_BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system allocator unchanged; counting touches no memory of its own.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    ALLOCATED_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// What `work` asks the allocator for: calls and bytes.
pub fn allocated(work: &mut dyn FnMut()) -> (u64, u64) {
    let before = (ALLOCATIONS.load(Ordering::Relaxed), ALLOCATED_BYTES.load(Ordering::Relaxed));
    work();
    let after = (ALLOCATIONS.load(Ordering::Relaxed), ALLOCATED_BYTES.load(Ordering::Relaxed));
    (after.0 - before.0, after.1 - before.1)
}

/// One kind of work: what a pass over it moves.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Its name in the table.
    pub name: &'static str,
    /// Bytes of a pass.
    pub bytes: usize,
    /// Messages, lines or calls of a pass.
    pub messages: usize,
}

/// What a row promises.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    /// At least this times the speed of the fastest peer of the row, or of its only yardstick.
    Ratio(f64),
    /// At least so many messages a second.
    MessagesPerSecond(f64),
    /// At most so many allocations a message.
    Allocations(f64),
}

/// Another way to do the same work: a peer or a yardstick.
pub struct Peer<'w> {
    name: &'static str,
    pass: &'w mut dyn FnMut(),
}

impl<'w> Peer<'w> {
    /// This peer, with one pass of its own over the same work.
    pub fn new(name: &'static str, pass: &'w mut dyn FnMut()) -> Self {
        Self { name, pass }
    }
}

struct Measured {
    name: &'static str,
    megabytes_per_second: f64,
    ratio: f64,
    allocations: f64,
}

struct Row {
    work: Work,
    megabytes_per_second: f64,
    messages_per_second: f64,
    allocations: f64,
    peers: Vec<Measured>,
    missed: Vec<String>,
}

/// A bench in the making: rows, then [`finish`](Bench::finish).
pub struct Bench {
    check: bool,
    only: Option<String>,
    rows: Vec<Row>,
}

impl Bench {
    /// A bench as the command line wants it: `--check` for a short pass whose bars count, any other word for only the
    /// rows whose name has it.
    #[must_use]
    pub fn from_args() -> Self {
        // Cargo adds `--bench`.
        let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        let check = arguments.iter().any(|word| word == "--check");
        let only = arguments.into_iter().find(|word| !word.starts_with("--"));
        Self { check, only, rows: Vec::new() }
    }

    /// Measures one row: a pass of ours and one of each peer, in turns.
    pub fn row(&mut self, work: Work, bars: &[Bar], ours: &mut dyn FnMut(), peers: &mut [Peer<'_>]) {
        if self.only.as_ref().is_some_and(|only| !work.name.contains(only.as_str())) {
            return;
        }
        let (rounds, least) =
            if self.check { (5, Duration::from_millis(20)) } else { (9, Duration::from_millis(150)) };
        // The first pass grows what is kept.
        ours();
        peers.iter_mut().for_each(|peer| (peer.pass)());
        let messages = work.messages as f64;
        let allocations = allocated(ours).0 as f64 / messages;
        let mut ours_nanos = Vec::new();
        let mut peers_nanos = vec![Vec::new(); peers.len()];
        for _ in 0..rounds {
            ours_nanos.push(pass_nanos(least, ours));
            for (peer, nanos) in peers.iter_mut().zip(&mut peers_nanos) {
                nanos.push(pass_nanos(least, peer.pass));
            }
        }
        let megabytes_per_second = |nanos: &[f64]| work.bytes as f64 * 1e3 / median(nanos.to_vec());
        let measured = peers.iter_mut().zip(&peers_nanos).map(|(peer, nanos)| Measured {
            name: peer.name,
            megabytes_per_second: megabytes_per_second(nanos),
            ratio: median(ours_nanos.iter().zip(nanos).map(|(ours, peer)| peer / ours).collect()),
            allocations: allocated(peer.pass).0 as f64 / messages,
        });
        let mut row = Row {
            work,
            megabytes_per_second: megabytes_per_second(&ours_nanos),
            messages_per_second: messages * 1e9 / median(ours_nanos.clone()),
            allocations,
            peers: measured.collect(),
            missed: Vec::new(),
        };
        row.missed = bars.iter().filter_map(|bar| row.missed_by(*bar)).collect();
        row.print();
        self.rows.push(row);
    }

    /// Prints the table. Fails if `--check` was given and a bar was missed.
    #[allow(clippy::print_stdout)]
    #[must_use]
    pub fn finish(self) -> ExitCode {
        println!(
            "\n| work | ours | messages/s | allocations a message | beside | ratio |\n| --- | --- | --- | --- | --- | --- |"
        );
        self.rows.iter().for_each(Row::print_markdown);
        let missed: Vec<&String> = self.rows.iter().flat_map(|row| &row.missed).collect();
        for what in &missed {
            println!("missed: {what}");
        }
        if self.check && !missed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

impl Row {
    /// The ratio that counts: to the fastest peer.
    fn ratio(&self) -> Option<f64> {
        self.peers.iter().map(|peer| peer.ratio).min_by(f64::total_cmp)
    }

    fn missed_by(&self, bar: Bar) -> Option<String> {
        let name = self.work.name;
        match bar {
            Bar::Ratio(least) => {
                let ratio = self.ratio().unwrap_or_default();
                (ratio < least).then(|| format!("{name}: {ratio:.2}x where {least}x is promised"))
            }
            Bar::MessagesPerSecond(least) => (self.messages_per_second < least)
                .then(|| format!("{name}: {:.0}/s where {least:.0}/s is promised", self.messages_per_second)),
            Bar::Allocations(most) => (self.allocations > most)
                .then(|| format!("{name}: {:.2} allocations where {most} is promised", self.allocations)),
        }
    }

    /// A line while the bench runs.
    #[allow(clippy::print_stdout)]
    fn print(&self) {
        print!("{:<48} {:>9.0} MB/s", self.work.name, self.megabytes_per_second);
        for peer in &self.peers {
            print!("  {:.2}x {}", peer.ratio, peer.name);
        }
        println!("{}", if self.missed.is_empty() { "" } else { "  MISSED" });
    }

    #[allow(clippy::print_stdout)]
    fn print_markdown(&self) {
        let beside: Vec<String> = self
            .peers
            .iter()
            .map(|peer| {
                format!(
                    "{} {:.0} MB/s, {:.2} allocations",
                    peer.name, peer.megabytes_per_second, peer.allocations
                )
            })
            .collect();
        let ratios: Vec<String> = self.peers.iter().map(|peer| format!("{:.2}x", peer.ratio)).collect();
        println!(
            "| {} | {:.0} MB/s | {:.2} M | {:.2} | {} | {} |",
            self.work.name,
            self.megabytes_per_second,
            self.messages_per_second / 1e6,
            self.allocations,
            beside.join("; "),
            ratios.join("; ")
        );
    }
}

/// Nanoseconds this thread has had of a processor, where the system tells.
fn processor_nanos() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Nanoseconds a pass of `work` takes, over at least `least`: of processor time if possible, so that a busy machine
/// does not count.
fn pass_nanos(least: Duration, work: &mut dyn FnMut()) -> f64 {
    let processor_start = processor_nanos();
    let start = Instant::now();
    let mut passes = 0_u32;
    loop {
        work();
        passes += 1;
        let elapsed = start.elapsed();
        if elapsed >= least {
            let nanos = match (processor_start, processor_nanos()) {
                (Some(start), Some(end)) if end > start => end - start,
                _ => elapsed.as_secs_f64() * 1e9,
            };
            return nanos / f64::from(passes);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
