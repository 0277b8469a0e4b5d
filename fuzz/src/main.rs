//! Moves a corpus between its file and a directory that a fuzzer works on.

#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fuzzing::{TARGETS, corpus, target};

const USAGE: &str = "usage: corbie-fuzz unpack|pack TARGET [DIR]

  unpack   writes every input of corpus/TARGET.txt, and every seed, as a file of DIR
  pack     writes the files of DIR, the shortest 400, as corpus/TARGET.txt
  DIR      default: target/fuzz/TARGET";

#[allow(clippy::print_stderr)]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["unpack", name] if target(name).is_some() => unpack(name, &default_directory(name)),
        ["unpack", name, directory] if target(name).is_some() => unpack(name, Path::new(directory)),
        ["pack", name] if target(name).is_some() => pack(name, &default_directory(name)),
        ["pack", name, directory] if target(name).is_some() => pack(name, Path::new(directory)),
        _ => {
            let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("{USAGE}\n  TARGET   {}", names.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("corbie-fuzz: {e}");
            ExitCode::FAILURE
        }
    }
}

fn default_directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fuzz").join(name)
}

fn unpack(name: &str, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let file = corpus::file(name);
    let inputs = if file.exists() { corpus::read(&file)? } else { Vec::new() };
    for (n, input) in inputs.iter().chain(&seeds(name)?).enumerate() {
        std::fs::write(directory.join(format!("kept-{n:04}")), input)?;
    }
    Ok(())
}

/// Inputs made of the transcripts that the target's crate is tested with: single frames, or a few lines of one side.
fn seeds(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let (protocol, kind) = name.split_once('_').unwrap_or((name, ""));
    // LMTP has the lines of SMTP.
    let protocol = if protocol == "lmtp" { "smtp" } else { protocol };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{protocol}-proto/testdata"));
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(path)?;
        let of = |side: char| -> Vec<String> {
            let lines = text.lines().filter(|line| line.starts_with(side));
            let lhlo =
                |line: String| if name.starts_with("lmtp") { line.replace("EHLO", "LHLO") } else { line };
            lines
                .filter_map(|line| {
                    Some(lhlo(line.get(3..)?.replace("<CRLF>", "\r\n").replace("\\r\\n", "\r\n")))
                })
                .collect()
        };
        let (client, server) = (of('C'), of('S'));
        match kind {
            "command" => seeds.extend(client.into_iter().map(String::into_bytes)),
            "response" | "reply" => seeds.extend(server.into_iter().map(String::into_bytes)),
            "round_trip" => seeds.extend(client.into_iter().chain(server).map(String::into_bytes)),
            "server" => seeds.extend(sessions(&client, &[0x03, 0x2f, 0x6f])),
            "client" => seeds.extend(sessions(&server, &[0x03, 0x2f, 0x6f])),
            _ => {
                seeds.extend(sessions(&client, &[0x03, 0x6f]));
                seeds.extend(sessions(&server, &[0x02, 0x6e]));
            }
        }
    }
    Ok(seeds)
}

/// Lines in groups of six, behind each of the choices.
fn sessions(lines: &[String], choices: &[u8]) -> Vec<Vec<u8>> {
    let groups = lines.chunks(6).map(|group| group.join("\r\n") + "\r\n");
    groups
        .flat_map(|group| choices.iter().map(move |choice| [&[*choice], group.as_bytes()].concat()))
        .collect()
}

fn pack(name: &str, directory: &Path) -> io::Result<()> {
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        inputs.push(std::fs::read(entry?.path())?);
    }
    corpus::write(&corpus::file(name), inputs)
}
