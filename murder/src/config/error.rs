//! What is wrong with a configuration file, said so that it can be mended without reading the source.

use std::{fmt, path::PathBuf};

/// One fault in a file: where it is, what it is, what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1, when the fault stands on one.
    pub line: Option<usize>,
    /// The key as a dotted path (`limits.connections_max`, `credential[1].role`); empty for the file itself.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What is allowed instead.
    pub allowed: String,
}

/// A configuration that cannot be used: the file and all that is wrong with it, at least one problem.
///
/// Prints one line for each problem: `FILE:LINE: KEY: MESSAGE; allowed: WHAT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as it was named.
    pub file: PathBuf,
    /// What is wrong, in the order of the checks.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            write!(f, ": {}; allowed: {}", problem.message, problem.allowed)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
