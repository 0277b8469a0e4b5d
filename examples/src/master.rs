//! The `master` of a mail murder: `master --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    programs::node::main("master")
}
