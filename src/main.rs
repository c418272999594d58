//! The `crosswire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    crosswire::cli::main()
}
