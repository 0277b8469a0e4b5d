//! The `backend` of a mail murder: `backend --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    programs::node::main("backend")
}
