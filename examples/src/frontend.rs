//! The `frontend` of a mail murder: `frontend --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    programs::node::main("frontend")
}
