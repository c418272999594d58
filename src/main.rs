//! The `crosswire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    crosswire::cli::main()
}

/// Events are made by the session tasks and let go of by the ledger's thread. The system's
/// allocator keeps what one thread frees for another apart, so that memory creeps up for a minute
/// before it stands still.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
