//! The command line: arguments into settings, one file a subcommand, and the wiring of the phases.
//!
//! The only room that knows `anyhow`, the environment and the exit codes.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

mod args;
mod assemble;
mod auth;
mod check;
mod clean;
mod control;
mod cost;
mod credentials;
mod doctor;
mod exit;
mod explain;
mod hosts;
mod judge;
mod lab;
mod lab_child;
mod logs;
mod observe;
mod output;
mod readback;
mod run;
mod scenario;
mod selftest;
mod settings;
mod signals;
mod store;
mod watch;

use args::{Cli, Command};
use exit::{Exit, Failure};

/// What a command has left running may take so long to end.
const LEFT_TASKS_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs the command that was typed and says how the process ends.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            // What cannot be printed cannot be complained about either.
            let _ = error.print();
            return if asked { Exit::Pass } else { Exit::Usage }.into();
        }
    };
    let outcome = std::panic::catch_unwind(|| dispatch(&cli));
    let exit = match outcome {
        Ok(Ok(exit)) => exit,
        Ok(Err(Failure { exit, error })) => {
            output::say_error(&error);
            exit
        }
        // The panic hook has said what it was.
        Err(_) => Exit::Internal,
    };
    exit.into()
}

fn dispatch(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Scenario(args) => scenario::run(cli, &args.command),
        Command::Reconcile(args) => judge::reconcile(cli, args),
        Command::Report(args) => judge::report(cli, args),
        Command::Explain(args) => explain::run(args),
        Command::Auth(args) => auth::run(&args.command),
        Command::Run(args) => block_on(run::run(cli, args)),
        Command::Clean(args) => block_on(clean::run(cli, args)),
        Command::Observe(args) => block_on(observe::run(cli, args)),
        Command::Selftest(args) => block_on(selftest::run(cli, args)),
        Command::Doctor(args) => block_on(doctor::run(cli, args)),
        Command::Check(args) => block_on(check::run(cli, args)),
        Command::Lab(args) => block_on(lab::run(args)),
    }
}

/// Carries a command out. Whatever it leaves, such as a read of a standard input that nobody closes,
/// may not hold up the end.
fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(LEFT_TASKS_TIMEOUT);
    outcome
}
