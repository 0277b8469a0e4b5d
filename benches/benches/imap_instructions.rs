//! IMAP parsing counted in instructions: the same figures on a quiet and on a noisy machine.
//!
//! Each piece of work runs in a child process under valgrind's `cachegrind`, with one pass over its corpus and with
//! several; the difference is what the passes cost, whatever start and end of the process do. Bounds stand beside the
//! work; with `--check` the bench exits with 1 if one is passed. Without valgrind it says so and passes.

// What the `imap` bench works on; each bench takes what it needs.
#[allow(dead_code)]
#[path = "imap/corpus.rs"]
mod corpus;
#[allow(dead_code)]
#[path = "imap/visit.rs"]
mod visit;
#[allow(dead_code)]
#[path = "imap/visit_peers.rs"]
mod visit_peers;

use std::hint::black_box;
use std::process::{Command, ExitCode};

use imap_codec::decode::Decoder;
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::Parser;

use crate::corpus::{Corpus, commands, fetch_metadata, responses_checked};
use crate::visit::{visit_command, visit_response, visit_summary};
use crate::visit_peers::{imap_codec_reply, imap_proto_reply};

/// One piece of work: its name, instructions for a byte that it may cost if it is ours, and its passes.
struct Work {
    name: &'static str,
    bound: Option<f64>,
    corpus: fn() -> Corpus,
    passes: fn(&Corpus, usize),
}

const WORKS: [Work; 9] = [
    Work { name: "FETCH, all visited", bound: Some(22.0), corpus: fetch_metadata, passes: visited },
    Work { name: "FETCH, all visited: imap-proto", bound: None, corpus: fetch_metadata, passes: fetch_proto },
    Work { name: "FETCH, all visited: imap-codec", bound: None, corpus: fetch_metadata, passes: fetch_codec },
    Work {
        name: "FETCH, no structure visited",
        bound: Some(19.0),
        corpus: fetch_metadata,
        passes: fetch_summary,
    },
    Work { name: "FETCH, to keep", bound: Some(16.0), corpus: fetch_metadata, passes: fetch_kept },
    Work { name: "commands", bound: Some(70.0), corpus: commands, passes: commands_visited },
    Work { name: "commands: imap-codec", bound: None, corpus: commands, passes: commands_codec },
    Work { name: "LIST and STATUS", bound: Some(60.0), corpus: mailboxes, passes: visited },
    Work { name: "SEARCH", bound: Some(36.0), corpus: search, passes: visited },
];

fn mailboxes() -> Corpus {
    let lines = (0..100).flat_map(|n| {
        [
            format!("* LIST (\\HasNoChildren) \"/\" \"Projects/Customer {n}/Invoices\""),
            format!("* STATUS \"Projects/{n}\" (MESSAGES {n} RECENT 0 UIDNEXT {} UIDVALIDITY 3857529045 UNSEEN 3)", n * 1007 + 7),
        ]
    });
    responses_checked(lines.map(String::into_bytes).collect())
}

fn search() -> Corpus {
    let ids: Vec<String> = (1..1_500).map(|n| (n * 13).to_string()).collect();
    responses_checked(vec![format!("* SEARCH {}", ids.join(" ")).into_bytes()])
}

fn visited(corpus: &Corpus, passes: usize) {
    let mut parser = Parser::new();
    for frame in (0..passes).flat_map(|_| &corpus.frames) {
        black_box(parser.response(frame).map(|response| visit_response(&response)).ok());
    }
}

fn fetch_summary(corpus: &Corpus, passes: usize) {
    let mut parser = Parser::new();
    for frame in (0..passes).flat_map(|_| &corpus.frames) {
        black_box(parser.response(frame).map(|response| visit_summary(&response)).ok());
    }
}

fn fetch_kept(corpus: &Corpus, passes: usize) {
    let mut parser = Parser::new();
    for frame in (0..passes).flat_map(|_| &corpus.frames) {
        black_box(parser.parse_response(frame.clone(), &[]).ok());
    }
}

fn fetch_proto(corpus: &Corpus, passes: usize) {
    for line in (0..passes).flat_map(|_| &corpus.lines) {
        black_box(imap_proto_peer::Response::parse(line).map(|(_, r)| imap_proto_reply::visit(&r)).ok());
    }
}

fn fetch_codec(corpus: &Corpus, passes: usize) {
    let codec = ResponseCodec::default();
    for line in (0..passes).flat_map(|_| &corpus.lines) {
        black_box(codec.decode(line).map(|(_, r)| imap_codec_reply::visit(&r)).ok());
    }
}

fn commands_visited(corpus: &Corpus, passes: usize) {
    let mut parser = Parser::new();
    for frame in (0..passes).flat_map(|_| &corpus.frames) {
        black_box(parser.command(frame).map(|tagged| visit_command(&tagged.command)).ok());
    }
}

fn commands_codec(corpus: &Corpus, passes: usize) {
    let codec = CommandCodec::default();
    for line in (0..passes).flat_map(|_| &corpus.lines) {
        drop(black_box(codec.decode(line).ok()));
    }
}

/// Instructions that this program takes for so many passes of a work, as valgrind tells.
fn count(work: usize, passes: usize) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args(["--work", &work.to_string(), &passes.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8(output.stderr).ok()?;
    let line = report.lines().find(|line| line.contains("I   refs:") || line.contains("I refs:"))?;
    line.rsplit(':').next()?.trim().replace(',', "").parse().ok()
}

#[allow(clippy::print_stdout)]
fn main() -> ExitCode {
    const PASSES: usize = 10;
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [flag, work, passes] = arguments.as_slice()
        && flag == "--work"
    {
        let (Some(work), Ok(passes)) =
            (work.parse().ok().and_then(|at: usize| WORKS.get(at)), passes.parse())
        else {
            return ExitCode::FAILURE;
        };
        (work.passes)(&(work.corpus)(), passes);
        return ExitCode::SUCCESS;
    }
    let check = arguments.iter().any(|word| word == "--check");
    let only = arguments.iter().find(|word| !word.starts_with("--"));
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: instructions are counted by valgrind, which is not installed");
        return ExitCode::SUCCESS;
    }
    let mut passed = false;
    println!("| work | bytes | instructions a byte | bound |\n| --- | --- | --- | --- |");
    for (at, work) in WORKS.iter().enumerate() {
        if only.is_some_and(|only| !work.name.contains(only.as_str())) {
            continue;
        }
        let bytes = (work.corpus)().bytes;
        let (Some(one), Some(several)) = (count(at, 1), count(at, 1 + PASSES)) else {
            println!("failed: valgrind gave no count for {}", work.name);
            return ExitCode::FAILURE;
        };
        let figure = several.saturating_sub(one) as f64 / (bytes * PASSES) as f64;
        let bound = work.bound.map_or(String::new(), |bound| format!("{bound}"));
        let missed = work.bound.is_some_and(|bound| figure > bound);
        passed |= missed;
        println!(
            "| {} | {bytes} | {figure:.1} | {bound}{} |",
            work.name,
            if missed { " PASSED" } else { "" }
        );
    }
    if check && passed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
