//! A corpus as one file of text: an input a line, its bytes escaped as in a Rust literal. So it can be read, and one
//! file holds what would be hundreds.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Inputs that a file keeps at the most, the shortest: enough to show what was found, little enough to read.
pub const INPUTS_MAX: usize = 400;

/// The corpus file of a target.
#[must_use]
pub fn file(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).with_extension("txt")
}

/// The inputs that a corpus file holds.
///
/// # Errors
/// The file cannot be read, or a line of it is not what [`write()`] writes.
pub fn read(file: &Path) -> io::Result<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            unescape(line).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: {line}", file.display()))
            })
        })
        .collect()
}

/// Writes the shortest [`INPUTS_MAX`] of these inputs as a corpus file, sorted, each once.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    inputs.truncate(INPUTS_MAX);
    inputs.sort_unstable();
    let mut text = String::new();
    for input in inputs {
        let _ = writeln!(text, "{}", input.escape_ascii());
    }
    std::fs::write(file, text)
}

fn unescape(line: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain @ (b'\\' | b'"' | b'\'') => plain,
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&all.escape_ascii().to_string()), Some(all));
        assert_eq!(unescape("\\q"), None);
        assert_eq!(unescape("\\x1"), None);
    }
}
